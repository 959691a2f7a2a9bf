"""Suites: which axes a stress test has, and how many episodes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.base import Axis, Share
from robo_maxent.report.limits import Limit
from robo_maxent.report.rows import NOMINAL
from robo_maxent.robustness.axes import AnyTask, Disturbance, disturbances, require
from robo_maxent.seeds import word

MOST = 1000
"""Most episodes of a condition, before the factor."""
CASES = 100
"""Most cases of an axis."""

SPAN = 2**32 * CASES * MOST
"""Simulation numbers of all axes and cases together, ``MOST`` each."""

USUAL = {"quick": Share(24, 4), "full": Share(48, 8)}
"""Suite -> its share of an axis that declares none."""


@dataclass(frozen=True)
class Condition:
    """What a group of episodes has in common."""

    axis: str
    severity: float
    case: str
    unit: str
    episodes: int
    first: int
    """Simulation of its first episode if that is disturbed, at any severity. Each axis and case has
    numbers of its own, by their names, and so other starts and commands: the episodes of a
    condition are independent, while along a severity the same ones are met again. Undisturbed
    episodes are those of ``nominal``, from 0 on, for all axes."""
    round: int = 0
    """Round of a refinement, from 1; 0 for the severities of the suite."""

    @property
    def label(self) -> dict[str, Any]:
        """What the rows of its episodes say of it."""
        return {name: getattr(self, name) for name in ("axis", "severity", "case", "unit", "round")}


@dataclass(frozen=True)
class Refinement:
    """How success is refined between the severities of a suite, one severity per axis and round."""

    rounds: int = 0
    """Most rounds."""
    episodes: int = 0
    """Episodes per round, over all cases of an axis; at least one per case."""
    until_proven: bool = False
    """Whether to continue until the interval of a fall is as narrow as its bracket."""


@dataclass(frozen=True)
class Suite:
    """A set of conditions."""

    name: str
    summary: str
    shares: Mapping[str, Share] | None = None
    """Axis -> its share; None: every axis has its own, or the usual."""
    only_axes: tuple[str, ...] | None = None
    """Axes beside the nominal one; None: all of the task."""
    refinement: Refinement = Refinement()
    limits: tuple[Limit, ...] = ()
    """Limits to decide; rounds are then for undecided limits, not for falls."""
    factor: int = 1
    """Factor of all numbers of episodes."""

    def __post_init__(self) -> None:
        """Check that safe sets can be calibrated."""
        if not 1 <= self.factor <= MOST:
            raise UsageError(f"the factor of episodes must be 1 to {MOST:,}, got {self.factor}")
        shares = self.shares
        if shares is None:
            return
        for share in shares.values():
            asked = share.episodes, share.baseline, share.sampled
            if not 0 <= min(asked) <= max(asked) <= MOST:
                raise UsageError(f"a condition may have 0 to {MOST:,} episodes, got {list(asked)}")
        first = shares.get(NOMINAL, Share(0, 0))
        if not first.episodes or (not first.sampled and any(s.sampled for s in shares.values())):
            raise UsageError(
                f"suite {self.name} needs episodes of the axis nominal for every way to act: safe "
                "sets are calibrated there"
            )

    def only(self, names: Sequence[str], task: AnyTask) -> "Suite":
        """The suite with only these axes and the nominal one.

        Raises:
            UsageError: The suite or the task has no such axis; the message lists those it has.
        """
        for name, disturbance in require(names, task).items():
            if self.share(disturbance.axis) is None:
                raise UnknownNameError(f"axis of suite {self.name}", name, self.axes(task))
        return replace(self, only_axes=tuple(names))

    def times(self, factor: int) -> "Suite":
        """The suite with a multiple of all episodes.

        Raises:
            UsageError: The factor is out of range.
        """
        more = replace(self.refinement, episodes=self.refinement.episodes * factor)
        return replace(self, factor=self.factor * factor, refinement=more)

    def share(self, axis: Axis) -> Share | None:
        """The share of an axis; None: no episodes."""
        usual = USUAL.get(self.name)
        if self.shares is not None:
            share = self.shares.get(axis.name)
        else:
            share = axis.suites.get(self.name, usual and thinned(usual, axis, self.name))
        return share and replace(
            share,
            episodes=share.episodes * self.factor,
            baseline=share.baseline * self.factor,
            sampled=share.sampled * self.factor,
        )

    def axes(self, task: AnyTask) -> dict[str, Axis]:
        """Axes of a task that it has, with its severities, by name."""
        return {name: axis for name, (axis, _) in self._parts(task).items()}

    def conditions(self, task: AnyTask, mode: str) -> list[Condition]:
        """Its conditions for a task, for "mean" or "sampled" actions or a "baseline".

        Raises:
            UsageError: An axis has so many cases that their episodes would be those of another.
        """
        conditions = []
        for name, (axis, disturbance) in self._parts(task).items():
            share = self.share(axis)
            assert share is not None  # or it would be no part
            episodes = {
                "mean": share.episodes,
                "baseline": share.baseline,
                "sampled": share.sampled,
            }[mode]
            if episodes:
                first = {
                    case: first_simulation(name, i) for i, case in enumerate(axis.cases or ("",))
                }
                conditions += [
                    Condition(name, severity, case, axis.unit, episodes, first.get(case, 0))
                    for severity, case in disturbance.conditions(axis)
                ]
        return conditions

    def _parts(self, task: AnyTask) -> dict[str, tuple[Axis, Disturbance]]:
        parts = {}
        for name, disturbance in disturbances(task).items():
            share, chosen = self.share(disturbance.axis), self.only_axes
            if share is None or (chosen is not None and name not in (NOMINAL, *chosen)):
                continue
            axis = disturbance.axis
            if share.severities is not None:
                axis = axis.at(share.severities)
            parts[name] = (axis, disturbance)
        return parts


def thinned(usual: Share, axis: Axis, suite: str) -> Share:
    """The usual share of an axis; the quick suite keeps three of many severities."""
    severities = axis.severities
    if suite != "quick" or len(severities) <= 3:
        return usual
    return replace(
        usual, severities=(severities[0], severities[len(severities) // 2], severities[-1])
    )


def first_simulation(axis: str, case: int) -> int:
    """Simulation of the first disturbed episode of an axis and case.

    Raises:
        UsageError: There are too many cases.
    """
    if case >= CASES:
        raise UsageError(f"axis {axis} has more than the {CASES} cases that an axis may have")
    return (word(axis) * CASES + case) * MOST


def simulations(first: int, numbers: np.ndarray) -> np.ndarray:
    """Simulation numbers of episodes, from their numbers in a condition, int, any shape.

    Each axis and case has ``MOST`` numbers in a row; where it needs more, they go on beyond those
    of all others.
    """
    blocks, places = np.divmod(first % MOST + numbers, MOST)
    return first - first % MOST + places + blocks * SPAN


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(NOMINAL, "nothing is different", only_axes=()),
        Suite(
            "quick",
            "all axes at few severities, halved where success falls: a minute on a plane, on two "
            "cores",
            refinement=Refinement(rounds=3, episodes=12),
        ),
        Suite(
            "full",
            "all axes, with intervals that tell policies apart: about 10,000 episodes",
            refinement=Refinement(rounds=5, episodes=24, until_proven=True),
        ),
    )
}
"""Name -> suite."""


def find(name: str) -> Suite:
    """A suite by name.

    Raises:
        UnknownNameError: There is none; the message lists those there are.
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
