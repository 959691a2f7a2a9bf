"""Rows of a robustness evaluation -> everything that a report says about them, as numbers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import shared_proportion
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.evaluation.paired import SuccessDifference, holm, success_difference
from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times
from robo_maxent.report import tables
from robo_maxent.report.curves import Curve, curve, is_ordered
from robo_maxent.report.rows import (
    AXES,
    Row,
    Start,
    check,
    choose_failures,
    in_order,
    is_disturbed,
    met,
    mode_of,
    outcome_of,
    pair_key,
    severities_of,
    start_of,
    survived,
)
from robo_maxent.report.tables import Grid, Push, share

FAULTS = {"dead_joint": "dead", "locked_joint": "locked"}
"""Axis of a fault that is or is not -> what the joint is then."""

Groups = dict[tuple[str, str, str], list[Row]]
"""Policy, mode, axis -> rows."""


@dataclass(frozen=True)
class Sampled:
    """Actions sampled from a stochastic policy against its mean action, one axis."""

    mean: Proportion
    sampled: Proportion
    difference: SuccessDifference | None
    """Sampled less mean; None: no episode was run in both ways."""


@dataclass(frozen=True)
class Axis:
    """What was found along one axis; a policy acts by its mean where it was run that way."""

    name: str
    unit: str
    severities: tuple[float, ...]
    """From mild to hard; the first is the nominal one."""
    success: dict[str, Curve]
    """Of policies, then of nulls."""
    survived: dict[str, Curve]
    disturbed: dict[str, Proportion]
    """Success over all severities but the nominal one, of policies and nulls."""
    outcomes: dict[str, dict[str, int]]
    """Policy -> outcome -> episodes, over the same."""
    sampled: dict[str, Sampled]
    differences: dict[str, SuccessDifference]
    """Policy -> its success less that of the first policy, over the same: above 0 it is better."""
    null_differences: dict[tuple[str, str], SuccessDifference]
    """Policy and null -> success of the policy less that of the null, in the episodes of both."""

    @property
    def is_scale(self) -> bool:
        """Whether it goes from mild to hard, so that a curve makes sense; a fault is or is not."""
        return is_ordered(self.severities) and self.name not in FAULTS


@dataclass(frozen=True)
class Findings:
    """Everything that the report of an evaluation shows; empty where something was not run."""

    policies: tuple[str, ...]
    nulls: tuple[str, ...]
    episodes: int
    axes: dict[str, Axis]
    not_run: tuple[str, ...]
    nominal: dict[str, Proportion]
    """Policy or null -> success of undisturbed episodes."""
    overall: dict[str, Proportion]
    """Policy or null -> success of all disturbed episodes."""
    pushes: dict[str, Grid]
    """Policy -> recovered pushes by sector and severity."""
    phases: dict[str, Grid]
    """Policy -> recovered pushes by the eighth of the stride that they began in, and severity."""
    recovery: dict[str, WaitingTimes]
    """Policy or null -> recovery times of all pushes of the axis ``push``."""
    recovery_by: dict[str, dict[float, WaitingTimes]]
    """Policy -> severity -> recovery times."""
    terrain: dict[str, Grid]
    """Policy -> success by kind and level, of kinds that it may have been trained on."""
    heldout: dict[str, Grid]
    """The same of kinds that no training has."""
    joints: dict[str, Grid]
    """Policy -> success by joint and fault, ``"dead"`` or ``"locked"``."""
    adjusted: dict[tuple[str, str], float]
    """Policy and axis -> p of its difference, adjusted for how many are made."""
    unpaired: int
    """Episodes of further policies that the first policy has no partner for."""
    failures: tuple[Row, ...]
    """Failed episodes worth watching."""


def findings(rows: Sequence[Row], suite: Mapping[str, Any]) -> Findings:
    """Everything that a report says about an evaluation.

    Args:
        rows: Episodes of one evaluation, of any number of policies and nulls.
        suite: What was run, as the suite stores it; nothing of it is required.

    Raises:
        UsageError: There is no row of a policy, or a row lacks what every row has.
    """
    check(rows)
    policies, nulls = _subjects(rows, suite)
    by: Groups = defaultdict(list)
    for row in rows:
        by[row["policy"], mode_of(row), row["axis"]].append(row)
    mode = {
        who: next(m for m in ("mean", "sampled", "null") if _has(by, who, m)) for who in policies
    }
    mode |= dict.fromkeys(nulls, "null")
    names = in_order({row["axis"] for row in rows})
    order = {name: severities_of(name, rows, suite) for name in names}
    own = {
        name: {who: by[who, mode[who], name] for who in mode if (who, mode[who], name) in by}
        for name in names
    }
    axes = {name: _axis(name, order[name], own[name], policies, by) for name in names}
    faulty = {
        who: {
            fault: _disturbed(own[axis].get(who, ()), order[axis])
            for axis, fault in FAULTS.items()
            if axis in own
        }
        for who in policies
    }
    pushed = {who: list(_pushes(found)) for who, found in own.get("push", {}).items()}
    return Findings(
        policies=policies,
        nulls=nulls,
        episodes=len(rows),
        axes=axes,
        not_run=tuple(name for name in AXES if name not in axes),
        nominal={who: share(map(met, found)) for who, found in own.get("nominal", {}).items()},
        overall=_overall(own, order),
        pushes=_of(policies, pushed, lambda p: tables.pushes(p, order["push"])),
        phases=_of(policies, pushed, lambda p: tables.phases(p, order["push"])),
        recovery={who: _times(found) for who, found in pushed.items() if found},
        recovery_by=_of(policies, pushed, lambda p: _times_by(p, order["push"])),
        terrain=_terrain(policies, own, order, "terrain"),
        heldout=_terrain(policies, own, order, "terrain_heldout"),
        joints=_of(policies, faulty, tables.joints),
        adjusted=_adjusted(axes),
        unpaired=sum(_unpaired(found, policies) for found in own.values()),
        failures=tuple(choose_failures(rows, suite)),
    )


def _subjects(
    rows: Sequence[Row], suite: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Policies, in the order of the suite, and nulls."""
    present = dict.fromkeys(row["policy"] for row in rows if mode_of(row) != "null")
    listed = [entry.get("label") for entry in suite.get("policies") or ()]
    policies = tuple(dict.fromkeys([label for label in listed if label in present]) | present)
    nulls = dict.fromkeys(row["policy"] for row in rows if mode_of(row) == "null")
    if not policies:
        raise UsageError("no row is of a policy: nulls alone are nothing to report on")
    if both := sorted(set(policies) & set(nulls)):
        raise UsageError(f"{both[0]!r} is the name of a policy and of a null; rename the policy")
    return policies, tuple(sorted(nulls))


def _has(by: Groups, who: str, mode: str) -> bool:
    return any(key[:2] == (who, mode) for key in by)


def _disturbed(rows: Iterable[Row], severities: tuple[float, ...]) -> list[Row]:
    return [row for row in rows if is_disturbed(row, severities)]


def _overall(
    own: Mapping[str, dict[str, list[Row]]], order: Mapping[str, tuple[float, ...]]
) -> dict[str, Proportion]:
    disturbed: dict[str, list[Row]] = defaultdict(list)
    for name, found in own.items():
        for who, rows in found.items() if name != "nominal" else ():
            disturbed[who] += _disturbed(rows, order[name])
    return {who: _success(rows) for who, rows in disturbed.items() if rows}


def _success(rows: Sequence[Row]) -> Proportion:
    """Of episodes at several severities, which share their starts."""
    return shared_proportion(np.array([*map(met, rows)]), _starts(map(start_of, rows)))


def _starts(starts: Iterable[Start]) -> np.ndarray:
    """The same number for the same start, (n,)."""
    numbers: dict[Start, int] = {}
    return np.array([numbers.setdefault(start, len(numbers)) for start in starts])


def _axis(
    name: str,
    severities: tuple[float, ...],
    own: dict[str, list[Row]],
    policies: tuple[str, ...],
    by: Groups,
) -> Axis:
    """One axis; ``own`` has the rows that each policy and null is judged by."""
    disturbed = {who: rows for who in own if (rows := _disturbed(own[who], severities))}
    first = disturbed.get(policies[0], [])
    compared = {who: _compare(disturbed.get(who, []), first) for who in policies[1:]}
    is_scale = name not in FAULTS
    units = (row.get("unit") for rows in own.values() for row in rows)
    return Axis(
        name=name,
        unit=next((str(unit) for unit in units if unit), ""),
        severities=severities,
        success={who: curve(rows, severities, met, is_scale) for who, rows in own.items()},
        survived={who: curve(rows, severities, survived, is_scale) for who, rows in own.items()},
        disturbed={who: _success(rows) for who, rows in disturbed.items()},
        outcomes={
            who: dict(Counter(map(outcome_of, disturbed[who])))
            for who in policies
            if who in disturbed
        },
        sampled={who: s for who in policies if (s := _sampled(who, name, severities, by))},
        differences={who: result for who, result in compared.items() if result},
        null_differences={
            (who, null): result
            for who in policies
            for null in own
            if null not in policies
            if (result := _compare(disturbed.get(who, []), disturbed.get(null, [])))
        },
    )


def _compare(first: Iterable[Row], second: Iterable[Row]) -> SuccessDifference | None:
    """Success of the same episodes, first less second; None: they have none in common."""
    partners = {pair_key(row): row for row in second}
    pairs = [(row, partners[pair_key(row)]) for row in first if pair_key(row) in partners]
    if not pairs:
        return None
    one, two = (np.array([*map(met, rows)]) for rows in zip(*pairs, strict=True))
    return success_difference(one, two, _starts(start_of(row) for row, _ in pairs))


def _sampled(who: str, axis: str, severities: tuple[float, ...], by: Groups) -> Sampled | None:
    modes = [_disturbed(by.get((who, mode, axis), ()), severities) for mode in ("mean", "sampled")]
    if not all(modes):
        return None
    mean, sampled = modes
    return Sampled(_success(mean), _success(sampled), _compare(sampled, mean))


def _unpaired(own: dict[str, list[Row]], policies: tuple[str, ...]) -> int:
    known = {pair_key(row) for row in own.get(policies[0], ())}
    return sum(pair_key(row) not in known for who in policies[1:] for row in own.get(who, ()))


def _adjusted(axes: dict[str, Axis]) -> dict[tuple[str, str], float]:
    found = {
        (who, axis.name): each.p_value
        for axis in axes.values()
        for who, each in axis.differences.items()
    }
    return dict(zip(found, holm(np.array(list(found.values()))).tolist(), strict=True))


def _of(policies: Iterable[str], found: Mapping[str, Any], make: Callable[[Any], Any]) -> dict:
    return {who: made for who in policies if found.get(who) and (made := make(found[who]))}


def _terrain(
    policies: Iterable[str],
    own: Mapping[str, dict[str, list[Row]]],
    order: Mapping[str, tuple[float, ...]],
    axis: str,
) -> dict[str, Grid]:
    return _of(policies, own.get(axis, {}), lambda rows: tables.kinds(rows, order[axis]))


def _pushes(rows: Iterable[Row]) -> Iterator[Push]:
    """Every push that has an impulse."""
    for row in rows:
        for record in row.get("pushes") or ():
            if record.get("impulse"):
                yield Push(float(row["severity"]), start_of(row), record)


def _times(pushes: Sequence[Push]) -> WaitingTimes:
    """Recovery times of pushes; one that was not recovered from has none, whatever it says."""
    records = [push.record for push in pushes]
    told = (record.get("seconds") if record.get("recovered") else None for record in records)
    seconds = np.array([np.nan if time is None else time for time in told], float)
    # Whole control steps are looked at, and the last may end a little after the window.
    watched = np.nanmax([WITHIN, *seconds])
    return waiting_times(seconds, watched, starts=_starts(push.start for push in pushes))


def _times_by(pushes: Sequence[Push], order: Sequence[float]) -> dict[float, WaitingTimes]:
    parts = {severity: [push for push in pushes if push.severity == severity] for severity in order}
    return {severity: _times(part) for severity, part in parts.items() if part}
