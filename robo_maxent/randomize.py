"""What is different about an episode: drawn once, applied from the compiled defaults.

The same object serves training randomization and stress tests: an axis of a stress test is a
field of :class:`Draw` held at a value.
"""

from dataclasses import dataclass, fields

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.physics import Batch
from robo_maxent.robot import Robot

FRICTION_LIMITS = (0.01, 5.0)
"""Sliding friction that a stable simulation accepts; ice is near 0.05, rubber on asphalt near 1."""


@dataclass(frozen=True)
class Randomization:
    """Ranges that an episode is drawn from, each (low, high) and uniform."""

    foot_friction: tuple[float, float] = (0.4, 1.2)
    """Sliding friction coefficient of the feet, which is that of their contacts."""

    def __post_init__(self) -> None:
        """Check the ranges at the door."""
        for field in fields(self):
            low, high = getattr(self, field.name)
            if not FRICTION_LIMITS[0] <= low <= high <= FRICTION_LIMITS[1]:
                raise UsageError(
                    f"{field.name} must be an increasing range within {FRICTION_LIMITS}, "
                    f"got {(low, high)}"
                )


@dataclass(frozen=True)
class Draw:
    """What is different about each of N episodes."""

    foot_friction: np.ndarray
    """Sliding friction coefficient of the feet, (N,)."""


def empty(n: int) -> Draw:
    """Room for the draws of N simulations, to be filled by :func:`draw`."""
    return Draw(foot_friction=np.zeros(n))


def draw(ranges: Randomization, rng: np.random.Generator, into: Draw, sim: int) -> None:
    """Draw one episode and write it into row ``sim``."""
    into.foot_friction[sim] = rng.uniform(*ranges.foot_friction)


class Applier:
    """Writes draws into a batch, always from the compiled defaults."""

    def __init__(self, robot: Robot, batch: Batch) -> None:
        """Give the fields that a draw changes their per-simulation values."""
        self._feet = robot.foot_geoms
        self._friction = batch.expand("geom_friction")  # (N, geoms, 3)

    def __call__(self, draws: Draw, ids: np.ndarray) -> None:
        """Apply the draws of simulations ``ids``."""
        self._friction[ids[:, None], self._feet, 0] = draws.foot_friction[ids, None]
