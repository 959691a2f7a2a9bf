"""Which axes a robustness suite has, and how many episodes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robo_maxent.envs.task import Task
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.robustness.axes import AXES, available, require

MOST = 1000
"""Episodes that a condition may have."""
CASES = 100
"""Cases that an axis may have."""


@dataclass(frozen=True)
class Condition:
    """What some episodes have in common."""

    axis: str
    severity: float
    case: str
    unit: str
    episodes: int
    first: int
    """Simulation of its first episode if that is disturbed, at any severity. Each axis and case has
    its own, and so other starts and commands: the episodes of a condition are independent, while
    along a severity the same ones are met again. Undisturbed episodes are those of ``nominal``,
    from 0 on, for all axes."""

    @property
    def label(self) -> dict[str, Any]:
        """What the rows of its episodes say of it."""
        return {name: getattr(self, name) for name in ("axis", "severity", "case", "unit")}


@dataclass(frozen=True)
class Entry:
    """How much of an axis is in a suite."""

    episodes: int
    """In each condition, which is a severity and a case."""
    null: int
    """The same of each null policy."""
    sampled: int = 0
    """The same of sampled actions."""
    severities: tuple[float, ...] | None = None
    """None: those of the axis."""

    def __post_init__(self) -> None:
        """Check the numbers of episodes."""
        asked = self.episodes, self.null, self.sampled
        if not 0 <= min(asked) <= max(asked) <= MOST:
            raise UsageError(f"a condition may have 0 to {MOST:,} episodes, got {list(asked)}")


@dataclass(frozen=True)
class Suite:
    """A set of conditions."""

    name: str
    summary: str
    entries: Mapping[str, Entry]
    """Axis -> how much of it."""

    def __post_init__(self) -> None:
        """Check that there is something to calibrate safe sets from."""
        first = self.entries.get("nominal", Entry(0, 0))
        if not first.episodes or (
            not first.sampled and any(entry.sampled for entry in self.entries.values())
        ):
            raise UsageError(
                f"suite {self.name} needs episodes of the axis nominal for every way to act: safe "
                "sets are calibrated there"
            )

    def only(self, names: Sequence[str], task: Task[Any]) -> "Suite":
        """The same suite with these axes only, and the nominal one.

        Raises:
            UsageError: The suite or the task has no such axis; the message lists those it has.
        """
        for name in require(names, task):
            if name not in self.entries:
                raise UnknownNameError(f"axis of suite {self.name}", name, self.entries)
        kept = {n: e for n, e in self.entries.items() if n in names or n == "nominal"}
        return Suite(self.name, self.summary, kept)

    def conditions(self, task: Task[Any], mode: str) -> list[Condition]:
        """What there is of it for a task, for "mean" or "sampled" actions or a "null" policy.

        Axes that the task does not have are left out.

        Raises:
            UsageError: An axis has so many cases that their episodes would be those of the next.
        """
        found = []
        for name, axis in available(task).items():
            entry = self.entries.get(name)
            if entry is None:
                continue
            if entry.severities is not None:
                axis = axis.at(entry.severities)
            episodes = {"mean": entry.episodes, "null": entry.null, "sampled": entry.sampled}[mode]
            if episodes:
                cases = axis.cases(task) if axis.cases else ("",)
                first = {case: _first(name, place) for place, case in enumerate(cases)}
                found += [
                    Condition(name, severity, case, axis.unit, episodes, first.get(case, 0))
                    for severity, case in axis.conditions(task)
                ]
        return found


def _first(axis: str, case: int) -> int:
    """Simulation of the first disturbed episode of an axis and case."""
    if case >= CASES:
        raise UsageError(f"axis {axis} has more than the {CASES} cases that an axis may have")
    return (list(AXES).index(axis) * CASES + case) * MOST


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("nominal", "nothing is different", {"nominal": Entry(256, 64, sampled=64)}),
        Suite(
            "quick",
            "all axes at few severities: a minute on a plane, on two cores",
            {
                "nominal": Entry(100, 16, sampled=32),
                "push": Entry(8, 2, sampled=2, severities=(0.0, 0.5, 1.0, 1.5, 2.0)),
                "timing": Entry(16, 4, severities=(0.0, 1.0)),
                "friction": Entry(24, 4, severities=(1.0, 0.6, 0.3, 0.1)),
                "slip": Entry(24, 4, severities=(0.8, 0.3, 0.1)),
                "payload": Entry(24, 4, severities=(0.0, 3.0, 7.0)),
                "com": Entry(24, 4, severities=(0.0, 0.04, 0.1)),
                "motor_strength": Entry(24, 4, severities=(1.0, 0.8, 0.6)),
                "dead_joint": Entry(4, 2),
                "locked_joint": Entry(4, 2),
                "gains": Entry(24, 4, severities=(0.0, 0.2, 0.4)),
                "sensor_noise": Entry(24, 4, severities=(0.0, 1.0, 4.0)),
                "encoder_bias": Entry(24, 4, severities=(0.0, 0.04, 0.1)),
                "action_delay": Entry(24, 4, severities=(0.0, 1.0, 3.0)),
                "packet_loss": Entry(24, 4, severities=(0.0, 0.1, 0.4)),
                "gravity_tilt": Entry(24, 4, severities=(0.0, 0.1, 0.3)),
                "terrain": Entry(6, 2, severities=(0.0, 4.0, 8.0)),
                "terrain_heldout": Entry(8, 2, severities=(0.0, 4.0, 8.0)),
                "combined": Entry(24, 4, sampled=8, severities=(0.0, 0.5, 1.0)),
            },
        ),
        Suite(
            "full",
            "all axes, with intervals that tell policies apart: about 10,000 episodes",
            {
                "nominal": Entry(256, 64, sampled=128),
                "push": Entry(40, 5, sampled=10),
                "timing": Entry(60, 8),
                "friction": Entry(100, 12, sampled=40),
                "slip": Entry(60, 8),
                "payload": Entry(80, 10),
                "com": Entry(60, 8),
                "motor_strength": Entry(80, 10),
                "dead_joint": Entry(40, 5),
                "locked_joint": Entry(40, 5),
                "gains": Entry(60, 8),
                "sensor_noise": Entry(80, 10),
                "encoder_bias": Entry(60, 8),
                "action_delay": Entry(80, 10),
                "packet_loss": Entry(60, 8),
                "gravity_tilt": Entry(60, 8),
                "terrain": Entry(20, 4),
                "terrain_heldout": Entry(40, 4),
                "combined": Entry(80, 10, sampled=40),
            },
        ),
    )
}
"""Name -> suite. A task has of each what it supports."""


def find(name: str) -> Suite:
    """A suite by name.

    Raises:
        UnknownNameError: There is none; the message lists those there are.
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
