"""The terrain curriculum: whoever walks well meets harder ground, whoever falls easier one.

An episode is judged by its progress: the distance covered along the command over the distance
commanded. Distance from the start says nothing where commands turn, and an episode cut short at
the border of its patch is judged by what was commanded until then.
"""

from collections.abc import Sequence

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.ground import LEVELS

PROMOTION = 0.75  # of the distance commanded: the quarter below it is starting, stopping, turning
DEMOTION = 0.4  # of the distance commanded: stuck for most of the time
LEAST_COMMANDED = 2.0  # m: with less, an episode may have stayed on its platform, 1 m either way


def distances(
    command: np.ndarray, velocity: np.ndarray, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """What one control step adds to the distances that progress is made of.

    Turning on the spot and standing add to neither: they say nothing about terrain.

    Args:
        command: Commanded velocity, any horizontal frame, m/s, (N, 2); more columns are ignored.
        velocity: Velocity of the base in the same frame, m/s, likewise.
        dt: Length of the step, s.

    Returns:
        Distance covered along the command (backward is negative), and commanded, m, each (N,).
    """
    speed = np.linalg.norm(command[:, :2], axis=1)
    along = np.sum(command[:, :2] * velocity[:, :2], axis=1)
    covered = np.divide(along, speed, out=np.zeros_like(speed), where=speed > 0)
    return covered * dt, speed * dt


def progress(covered: np.ndarray, commanded: np.ndarray) -> np.ndarray:
    """Distance covered over distance commanded, 0 where nothing was commanded, (N,)."""
    return np.divide(covered, commanded, out=np.zeros_like(commanded), where=commanded > 0)


class Curriculum:
    """The rank of N simulations, each on terrain of one kind."""

    def __init__(self, kinds: Sequence[str], n: int, levels: int = LEVELS) -> None:
        """Begin at level 0.

        Args:
            kinds: Kinds of terrain; simulation i has kind i modulo their number.
            n: Number of simulations.
            levels: Number of levels, from 0.

        Raises:
            UsageError: No kind, or a number is out of range.
        """
        if not kinds:
            raise UsageError("a curriculum needs at least one kind of terrain, got none")
        for name, value, least in (("n", n, 1), ("levels", levels, 2)):
            if value < least:
                raise UsageError(f"{name} must be at least {least}, got {value}")
        self.kinds, self.top = tuple(kinds), levels - 1
        self.levels = np.zeros(n, np.int64)
        """Rank of each simulation, (N,)."""
        self.graduated = np.zeros(n, bool)
        """It did well at the top level, and has not failed since, (N,)."""

    def update(
        self,
        sims: np.ndarray,
        progress: np.ndarray,
        fell: np.ndarray,
        commanded_distance: np.ndarray,
    ) -> None:
        """Judge episodes that ended.

        A fall always counts. Without one, an episode with little commanded changes nothing.

        Args:
            sims: Which simulations, int, (k,).
            progress: Distance covered over distance commanded, (k,).
            fell: Ended in a fall, bool, (k,).
            commanded_distance: m, (k,).
        """
        judged = commanded_distance >= LEAST_COMMANDED
        good = judged & ~fell & (progress > PROMOTION)
        bad = fell | (judged & (progress < DEMOTION))
        before = self.levels[sims]
        self.graduated[sims] = ~bad & (self.graduated[sims] | (good & (before == self.top)))
        self.levels[sims] = np.clip(before + good - bad, 0, self.top)

    def draw(self, sim: int, rng: np.random.Generator) -> tuple[str, int]:
        """What a simulation plays next: its kind, and its level or, for a graduate, any.

        Easier levels keep a graduate from forgetting them; it keeps its rank.
        """
        kind = self.kinds[sim % len(self.kinds)]
        if self.graduated[sim]:
            return kind, int(rng.integers(self.top + 1))
        return kind, int(self.levels[sim])

    @property
    def mean_level(self) -> float:
        """Mean rank of all simulations."""
        return float(self.levels.mean())

    def levels_by_kind(self) -> dict[str, float]:
        """Mean rank of the simulations of each kind that has any."""
        kind = np.arange(len(self.levels)) % len(self.kinds)
        return {
            name: float(self.levels[kind == i].mean())
            for i, name in enumerate(self.kinds[: len(self.levels)])
        }
