"""The terrain curriculum: who walks well gets harder ground, who falls gets easier ground.

An episode is judged by its progress: the distance covered along the command over the distance
commanded. Distance from the start says nothing where commands turn, and an episode cut short at
the border of its patch is judged by what was commanded until then.
"""

from collections.abc import Sequence

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.sim.terrain_pool import LEVELS

PROMOTION = 0.75  # of the distance commanded: the quarter below it is starting, stopping, turning
DEMOTION = 0.4  # of the distance commanded: stuck for most of the time
SPARED = 0.8  # of the episodes of a slot, when it has reached the top
LEAST_COMMANDED = 2.0  # m: with less, an episode may have stayed on its platform, 1 m either way


def distances(
    command: np.ndarray, velocity: np.ndarray, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distances that one control step adds to the progress of an episode.

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
    """Slots for N simulations, each with one kind of terrain and its own level.

    For every episode a simulation takes a slot. What is mastered is taken seldom, which leaves the
    time to what is not.
    """

    def __init__(self, kinds: Sequence[str], n: int, levels: int = LEVELS) -> None:
        """Begin at level 0.

        Args:
            kinds: Kinds of terrain; slot i has kind i modulo their number.
            n: Number of slots, and of simulations.
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
        self.slot = np.arange(n)
        """Slot of each simulation, int, (N,)."""
        self.levels = np.zeros(n, np.int64)
        """Level of each slot, (N,)."""
        self.graduated = np.zeros(n, bool)
        """Whether the last episode at the top level went well, and none failed since, (N,)."""

    def update(self, sim: int, progress: float, fell: bool, commanded: float) -> None:
        """Move the level of a slot up or down after an episode.

        A fall always counts. Without one, an episode with little commanded changes nothing.

        Args:
            sim: Which simulation.
            progress: Distance covered over distance commanded.
            fell: It ended in a fall.
            commanded: Distance, m.
        """
        slot = self.slot[sim]
        judged = commanded >= LEAST_COMMANDED
        good = judged and not fell and progress > PROMOTION
        bad = fell or (judged and progress < DEMOTION)
        mastered = self.graduated[slot] or (good and self.levels[slot] == self.top)
        self.graduated[slot] = mastered and not bad
        self.levels[slot] = np.clip(self.levels[slot] + good - bad, 0, self.top)

    def draw(self, sim: int, rng: np.random.Generator) -> tuple[str, int]:
        """Draw the next kind and level of a simulation.

        A slot at the top is drawn a fifth as often as one at the bottom. Where the top is mastered,
        any level is played, so that easier ones are not forgotten; the slot keeps its level.
        """
        weight = 1.0 - SPARED * self.levels / self.top
        slot = int(rng.choice(len(weight), p=weight / weight.sum()))
        self.slot[sim] = slot
        level = rng.integers(self.top + 1) if self.graduated[slot] else self.levels[slot]
        return self.kinds[slot % len(self.kinds)], int(level)

    @property
    def mean_level(self) -> float:
        """Mean level of all slots."""
        return float(self.levels.mean())

    def levels_by_kind(self) -> dict[str, float]:
        """Mean level of the slots of each kind that has any."""
        kind = np.arange(len(self.levels)) % len(self.kinds)
        return {
            name: float(self.levels[kind == i].mean())
            for i, name in enumerate(self.kinds[: len(self.levels)])
        }
