"""Rows of a stress test: one typed record per episode, and the file of the suite.

:class:`StressEpisode` is one row, from the rollout that makes it to the report that counts it; it
is kept as one JSON object a line.
"""

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.from_json import typed
from robo_maxent.types import Breakdown, Episode, FloorPlan

T = TypeVar("T")

SUITE_FORMAT = 3
"""Format of the suite's file."""
LOW_RETURN = "low return"
"""Outcome of an episode that failed by its return alone."""
OUTCOMES = ("success", "wandered", "stuck", LOW_RETURN, "fell", "diverged", "policy error")
"""Outcomes from good to bad."""
BROKEN = ("diverged", "policy error")
"""Outcomes that say nothing about how hard the episode was."""
MODES = ("mean", "sampled", "baseline")
"""Modes: how a policy chooses its actions, or that it is a baseline."""
NOMINAL = "nominal"
"""Axis of undisturbed episodes."""
WORST_CASE = "worst_case"
"""Axis of episodes that a worst-case search found."""
FLAT = "flat"
"""Kind of ground of tasks without terrain."""

Points = tuple[tuple[float, float], ...]
"""Path of an episode, world frame, m."""
Start = tuple[int, int, int]
"""Seed, simulation and index, which determine start, command and noise of an episode."""


@dataclass(frozen=True, slots=True)
class Push:
    """One push in an episode."""

    begin: float
    """Begin, s from the start of the episode."""
    impulse: float
    """Horizontal impulse, N·s."""
    direction: float
    """Direction of the force, heading frame, rad, counter-clockwise from ahead."""
    phase: float | None
    """Stride phase at its begin, in [0, 1); None if the robot stood."""
    recovered: bool
    """Whether the robot was in its safe set before, and soon enough after, and stayed for a
    second."""
    seconds: float | None
    """Time from the end of the push to recovery; None if it did not recover."""
    common_seconds: float | None
    """The same time by the safe set of the first policy of the test, for comparisons."""
    volley: int = 0
    """Number of the volley; pushes of one volley are judged together."""


@dataclass(frozen=True, slots=True)
class Grip:
    """What happened to a held object after a disturbance began."""

    begin: float
    """Begin of the disturbance, s from the start of the episode."""
    lost: bool
    """Whether the hand had lost it a moment later."""
    seconds: float | None = None
    """Time from the loss until the hand held it again; None if it did not, or never lost it."""
    watched: float = 0.0
    """Time from the loss until the last moment from which on the hand could be seen to have it
    again, just before the time limit of the episode, s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StressEpisode(Episode):
    """One row: an episode of a stress test with its measurements."""

    policy: str
    """Label of the policy."""
    axis: str
    severity: float
    """Severity, in the unit of the axis."""
    mode: str = "mean"
    """One of ``MODES``."""
    case: str = ""
    """Case of the axis: a joint, a direction, a kind of terrain; "" if there are none."""
    unit: str = ""
    round: int = 0
    """Round of a refinement, with severities of its own for each policy; 0 for the suite's."""
    outcome: str
    """One of ``OUTCOMES``."""
    survived: bool
    """Whether it did not terminate, and the policy made no error."""
    pushes: tuple[Push, ...] = ()
    recovered: bool | None = None
    """Whether it survived and recovered from every push; None if there was no push."""
    grip: Grip | None = None
    """Grip of a held object; None if nothing was held when a disturbance began."""
    path: Points | None = None
    """Where it went, from its start to its end; None: the task has no floor plan."""
    tracking_before: float | None = None
    """Mean velocity error before the first disturbance, m/s; None: the task has no commands."""
    tracking_after: float | None = None
    """Mean velocity error after the last disturbance, m/s; None also if there was none."""
    command: tuple[float, ...] | None = None
    """Forward m/s, leftward m/s, counter-clockwise rad/s."""
    progress: float | None = None
    """Share of the commanded way, or turn, that was covered; None: nothing was commanded."""
    distance: float | None = None
    """Horizontal distance travelled by the base, m; None if the base is fixed."""
    energy: float | None = None
    """Integral over time of the absolute mechanical power of all joints, J; None, as below, if
    the task does not provide it."""
    cost_of_transport: float | None = None
    """Energy over weight times distance; None if the distance is too short."""
    torque_violation: float | None = None
    """Share of the control steps in which a motor was at its limit."""
    limit_violation: float | None = None
    """Share of the control steps in which a joint was beyond its range."""

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold. Values are the row's own: copies of a million would take minutes."""
        values = {name: getattr(self, name) for name in _names_of(type(self))}
        values["pushes"] = [asdict(push) for push in self.pushes]
        values["grip"] = self.grip and asdict(self.grip)
        return values

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "StressEpisode":
        """What :meth:`to_json` made.

        Raises:
            UsageError: A value is missing or of another type; the message names it.
        """
        row: StressEpisode = _typed(cls, saved, "a row of a stress test")
        for name in ("seed", "sim", "index", "length"):
            if not 0 <= getattr(row, name) < 2**63:
                raise UsageError(f"{name} of a row must be >= 0, got {getattr(row, name)}")
        return row


@lru_cache
def _names_of(kind: type[StressEpisode]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def as_lines(rows: Iterable[StressEpisode]) -> str:
    """Rows as they are kept, one JSON object a line."""
    return "".join(json.dumps(row.to_json()) + "\n" for row in rows)


@dataclass(frozen=True)
class AxisLabel:
    """An axis in a report, as the suite's file declares it."""

    name: str
    title: str
    unit: str = ""
    summary: str = ""
    """What it makes worse, in words."""
    noun: str = ""
    """Name of the quantity in "above 3 kg of NOUN"."""
    phrase: str = ""
    """What the verdict says of it beside its curve, such as "with one joint dead"; with
    ``{severity}`` in it, what the headline says of its reference severity."""
    counts: str = "survived"
    """What the headline counts: survived, or success."""
    is_scale: bool = True
    """Whether severities are more or less of something; a fault is either there or not."""
    reference: float | None = None
    """A severity that may well occur in use, by which axes are compared."""
    severities: tuple[float, ...] = ()
    """From mild to hard, as declared; a suite may have fewer."""
    breakdowns: tuple[Breakdown, ...] = ()

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "AxisLabel":
        """Read the entry of an axis in a suite's file.

        Raises:
            UsageError: A value is missing or of another type; the message names it.
        """
        return _typed(cls, saved, "an axis of the suite")


@dataclass(frozen=True)
class NamedPolicy:
    """A policy in a suite's file."""

    label: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Severity:
    """A condition in a suite's file."""

    axis: str
    severity: float
    case: str = ""


@dataclass(frozen=True)
class SuiteFile:
    """Contents of a suite's file that reports and replays need."""

    task: str
    task_options: dict[str, Any]
    policies: tuple[NamedPolicy, ...]
    format: int = SUITE_FORMAT
    seed: int | None = None
    axes: tuple[AxisLabel, ...] = ()
    conditions: tuple[Severity, ...] = ()
    versions: dict[str, str | None] = field(default_factory=dict)
    capture_impulse: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    success_means: str | None = None
    floor_plan: FloorPlan | None = None


def check_suite(saved: Any) -> None:
    """Check what a suite's file holds.

    Raises:
        UsageError: A value is missing or of another type, or another version wrote it; the message
            says what, as a sentence does that begins with the name of the file.
    """
    found = saved.get("format", SUITE_FORMAT) if isinstance(saved, Mapping) else SUITE_FORMAT
    if isinstance(found, int) and found != SUITE_FORMAT:  # before what has other names there
        raise UsageError(
            f"is of another version: it has format {found}, and this one reads {SUITE_FORMAT}. "
            "Run the stress test again, in another directory"
        )
    try:
        typed(SuiteFile, saved, "the suite")
    except ValueError as error:
        raise UsageError(f"is damaged: {error}") from error


def declared_axes(suite: Mapping[str, Any]) -> tuple[AxisLabel, ...]:
    """Labels of axes in a suite's file, in the order in which they are shown."""
    return tuple(AxisLabel.from_json(each) for each in suite.get("axes") or ())


def declared_plan(suite: Mapping[str, Any]) -> FloorPlan | None:
    """Floor plan in a suite's file; None if it has none.

    Raises:
        UsageError: A value is missing or of another type; the message names it.
    """
    plan = suite.get("floor_plan")
    return None if plan is None else _typed(FloorPlan, plan, "the floor plan of the suite")


def labels_of(suite: Mapping[str, Any], axes: Iterable[str]) -> dict[str, AxisLabel]:
    """Labels of axes in the order of the suite's file; unknown axes are labelled by their name."""
    present = dict.fromkeys(axes)
    known = {label.name: label for label in declared_axes(suite) if label.name in present}
    others = sorted(name for name in present if name not in known)
    return known | {name: AxisLabel(name, name.replace("_", " ").capitalize()) for name in others}


def check(rows: Sequence[StressEpisode]) -> None:
    """Check that rows can be reported on.

    Raises:
        UsageError: The message says which row, what is wrong, and what is allowed.
    """
    if not rows:
        raise UsageError("there are no rows to report on")
    for number, row in enumerate(rows, 1):
        if not isinstance(row.severity, int | float) or not math.isfinite(row.severity):
            raise UsageError(
                f"row {number}: severity must be a finite number, got {row.severity!r}"
            )
        if row.mode not in MODES:
            allowed = ", ".join(MODES)
            raise UsageError(f"row {number}: mode must be one of {allowed}, got {row.mode!r}")
    known = array("q", (hash(identity(row)) for row in rows))  # names of a million are large
    if len(np.unique(np.asarray(known))) < len(known):
        twice = [name for name, count in Counter(map(identity, rows)).items() if count > 1]
        if twice:
            raise UsageError(f"row {twice[0]} is there more than once; give each episode once")


def identity(row: StressEpisode) -> str:
    """Name of a row, unique within a stress test, for people, clips and replays."""
    condition = f"{row.axis}/{row.severity:g}/{row.case or '-'}"
    return f"{row.policy}/{row.mode}/{condition}/{row.seed}-{row.sim}-{row.index}"


def start_of(row: StressEpisode) -> Start:
    """Key of episodes with the same start, command and noise."""
    return row.seed, row.sim, row.index


def pair_key(row: StressEpisode) -> tuple[str, float, str, int, int, int]:
    """Key of the same episode run by several policies."""
    return row.axis, row.severity, row.case, *start_of(row)


def met(row: StressEpisode) -> bool:
    """Whether an episode succeeded; if the task does not define success, whether it survived."""
    return row.survived if row.success is None else row.success


def survived(row: StressEpisode) -> bool:
    """Whether an episode neither fell nor diverged, and the policy made no error."""
    return row.survived


def ordered(axis: str, run: Iterable[float], suite: Mapping[str, Any]) -> tuple[float, ...]:
    """The severities of an axis that were run, from mild to hard.

    They have the order of the suite's conditions, else that which the axis declares, else that of
    the rows.
    """
    conditions = (c for c in suite.get("conditions") or () if c.get("axis") == axis)
    listed = [float(condition["severity"]) for condition in conditions]
    listed += labels_of(suite, [axis])[axis].severities
    present = dict.fromkeys(run)
    return tuple(dict.fromkeys(severity for severity in listed if severity in present) | present)


def is_disturbed(row: StressEpisode) -> bool:
    """Whether anything about an episode was disturbed: a parameter, or its ground.

    Its severity does not say: the friction that an axis begins with may be another than the
    robot's own, which then comes second.
    """
    return bool(row.params) or row.terrain not in (None, FLAT)


def nominal_severities(rows: Iterable[StressEpisode]) -> set[float]:
    """Severities at which no row of an axis is disturbed."""
    listed = list(rows)
    disturbed = {row.severity for row in listed if is_disturbed(row)}
    return {row.severity for row in listed} - disturbed


def belongs(row: StressEpisode) -> bool:
    """Whether an axis counts a row: the nominal axis counts all, others disturbed ones."""
    return row.axis == NOMINAL or is_disturbed(row)


def distinct(rows: Iterable[StressEpisode]) -> list[StressEpisode]:
    """One row for each episode; undisturbed ones have a row per nominal severity."""
    episodes: dict[tuple[object, ...], StressEpisode] = {}
    for row in rows:
        key = pair_key(row) if is_disturbed(row) else start_of(row)
        episodes.setdefault((row.policy, row.mode, *key), row)
    return list(episodes.values())


def _typed(kind: type[T], saved: Any, what: str) -> T:
    """A value of JSON as a type asks for it.

    Raises:
        UsageError: It is something else; the message says what was expected.
    """
    try:
        return typed(kind, saved, what)
    except ValueError as error:
        raise UsageError(str(error)) from error
