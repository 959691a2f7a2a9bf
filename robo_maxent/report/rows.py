"""Rows of a stress test: what each episode was, what names it, which are worth watching.

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
"""Of a suite's file, which says what was run."""
LOW_RETURN = "low return"
"""Outcome of an episode that was judged by its return, and that nothing cut short."""
OUTCOMES = ("success", "wandered", "stuck", LOW_RETURN, "fell", "diverged", "policy error")
"""How an episode ends, from good to bad."""
BROKEN = ("diverged", "policy error")
"""Outcomes that say nothing of how hard the episode was."""
MODES = ("mean", "sampled", "baseline")
"""How a policy chose its actions; a baseline is no trained policy: one is compared with it."""
NOMINAL = "nominal"
"""Axis of the episodes in which nothing is different."""
WORST_CASE = "worst_case"
"""Axis of the episodes that a search for the mildest failure found."""
FLAT = "flat"
"""Kind of ground that is none: what a task takes place on where nothing else is asked for."""

Points = tuple[tuple[float, float], ...]
"""What an episode went through, world frame, m."""
Start = tuple[int, int, int]
"""Seed, simulation and index: what names the start, the command and the noise of an episode."""


@dataclass(frozen=True, slots=True)
class Push:
    """One push that an episode came to."""

    begin: float
    """s from the start of the episode."""
    impulse: float
    """Horizontal, N·s."""
    direction: float
    """Where it drives the robot, heading frame, rad, counter-clockwise from ahead."""
    phase: float | None
    """Stride phase in which it began, in [0, 1); None: the robot stood."""
    recovered: bool
    """The robot was in its safe set before, and soon enough after, where it stayed for a second."""
    seconds: float | None
    """Time that took from the end of the push; None: it did not recover."""
    common_seconds: float | None
    """The same by the safe set of the first policy of the test, by which all can be compared."""
    volley: int = 0
    """Pushes of one number are judged together."""


@dataclass(frozen=True, slots=True)
class Grip:
    """What became of the object that the hand held when a disturbance began."""

    begin: float
    """Of the disturbance, s from the start of the episode."""
    lost: bool
    """The hand did not have it a moment later."""
    seconds: float | None = None
    """From the loss until the hand had it again; None: it never had, or never lost it."""
    watched: float = 0.0
    """From the loss until the time limit of the episode, s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StressEpisode(Episode):
    """One episode of a stress test, and what was measured of it."""

    policy: str
    """Label of the policy."""
    axis: str
    severity: float
    """In the unit of the axis."""
    mode: str = "mean"
    """One of ``MODES``."""
    case: str = ""
    """Of the axis: a joint, a direction, a kind of terrain; "" where there are none."""
    unit: str = ""
    round: int = 0
    """Of a refinement, in which each policy is asked at a severity of its own; 0: of the suite."""
    outcome: str
    """One of ``OUTCOMES``."""
    survived: bool
    """It did not terminate, and the policy made no error."""
    pushes: tuple[Push, ...] = ()
    recovered: bool | None = None
    """It survived and recovered from every push; None: there was no push."""
    grip: Grip | None = None
    """Of a task that handles things; None: nothing was held when a disturbance began."""
    path: Points | None = None
    """Where it went, from its start to its end; None: the task has no floor plan."""
    tracking_before: float | None = None
    """Mean velocity error before the first disturbance, m/s; None: the task has no commands."""
    tracking_after: float | None = None
    """The same after the last one; None also where there was none."""
    command: tuple[float, ...] | None = None
    """Forward m/s, leftward m/s, counter-clockwise rad/s."""
    progress: float | None = None
    """Share of the commanded way, or turn, that was covered; None: nothing was commanded."""
    distance: float | None = None
    """Horizontal way of the base, m; None: the robot has no floating base."""
    energy: float | None = None
    """Sum over the joints of the size of torque times speed, over time, J; None, as of the shares
    below: the task does not say."""
    cost_of_transport: float | None = None
    """Energy over weight times distance; None: the distance is too short to tell."""
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
    """What a report calls an axis and shows of it, as the axis declares it in the suite's file."""

    name: str
    title: str
    unit: str = ""
    summary: str = ""
    """What it makes worse, for people."""
    noun: str = ""
    """What is above or below a severity."""
    phrase: str = ""
    """What the verdict says of it beside its curve, such as "with one joint dead"; with
    ``{severity}`` in it, what the headline says of its reference severity."""
    counts: str = "survived"
    """What the headline counts: survived, or success."""
    is_scale: bool = True
    """Severities are more and less of something; a fault is or is not."""
    reference: float | None = None
    """A severity that use may well bring: what axes are compared by."""
    severities: tuple[float, ...] = ()
    """From mild to hard, as declared; a suite may have fewer."""
    breakdowns: tuple[Breakdown, ...] = ()

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "AxisLabel":
        """What a suite's file has of an axis, under ``axes``.

        Raises:
            UsageError: A value is missing or of another type; the message names it.
        """
        return _typed(cls, saved, "an axis of the suite")


@dataclass(frozen=True)
class NamedPolicy:
    """A policy as a suite's file has it."""

    label: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Severity:
    """A condition as a suite's file has it."""

    axis: str
    severity: float
    case: str = ""


@dataclass(frozen=True)
class SuiteFile:
    """What a suite's file has to say, for a report and a replay; there may be more in it."""

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
    """The labels that a suite's file has, in the order in which axes are shown."""
    return tuple(AxisLabel.from_json(each) for each in suite.get("axes") or ())


def declared_plan(suite: Mapping[str, Any]) -> FloorPlan | None:
    """What a suite's file says stands where paths are drawn; None: nothing.

    Raises:
        UsageError: A value is missing or of another type; the message names it.
    """
    plan = suite.get("floor_plan")
    return None if plan is None else _typed(FloorPlan, plan, "the floor plan of the suite")


def labels_of(suite: Mapping[str, Any], axes: Iterable[str]) -> dict[str, AxisLabel]:
    """The labels of axes, in the order of the suite's file; one that it lacks is named as it is."""
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
    """What names a row among all of a stress test, for people, clips and replays."""
    condition = f"{row.axis}/{row.severity:g}/{row.case or '-'}"
    return f"{row.policy}/{row.mode}/{condition}/{row.seed}-{row.sim}-{row.index}"


def start_of(row: StressEpisode) -> Start:
    """What episodes have in common that begin alike, with the same command and the same noise."""
    return row.seed, row.sim, row.index


def pair_key(row: StressEpisode) -> tuple[str, float, str, int, int, int]:
    """What rows of two policies have in common if they are the same episode."""
    return row.axis, row.severity, row.case, *start_of(row)


def met(row: StressEpisode) -> bool:
    """Whether an episode succeeded; of a task that knows no success, whether it survived."""
    return row.survived if row.success is None else row.success


def survived(row: StressEpisode) -> bool:
    """Whether an episode neither fell nor diverged, nor ended by an error of the policy."""
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
    """Whether anything was different about an episode: a parameter, or the ground under it.

    Its severity does not say: the friction that an axis begins with may be another than the
    robot's own, which then comes second.
    """
    return bool(row.params) or row.terrain not in (None, FLAT)


def nominal_severities(rows: Iterable[StressEpisode]) -> set[float]:
    """Severities at which none of the rows of an axis was disturbed."""
    listed = list(rows)
    disturbed = {row.severity for row in listed if is_disturbed(row)}
    return {row.severity for row in listed} - disturbed


def belongs(row: StressEpisode) -> bool:
    """Whether its axis counts it: that of undisturbed episodes all, others what is disturbed."""
    return row.axis == NOMINAL or is_disturbed(row)


def distinct(rows: Iterable[StressEpisode]) -> list[StressEpisode]:
    """A row of each episode; an undisturbed one has as many as there are nominal severities."""
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
