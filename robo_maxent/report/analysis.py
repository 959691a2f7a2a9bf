"""Rows of a stress test -> everything that a report says about them, as numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import shared_proportion
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.evaluation.paired import SuccessDifference, holm, success_difference
from robo_maxent.report.curves import Curve, Hit, curve, is_ordered
from robo_maxent.report.grips import GripAnalysis, grips
from robo_maxent.report.places import PlaceMap, place_maps
from robo_maxent.report.recovery_times import RecoveryAnalysis, recovery_times
from robo_maxent.report.rows import (
    NOMINAL,
    AxisLabel,
    StressEpisode,
    check,
    choose_failures,
    declared_axes,
    is_disturbed,
    labels_of,
    met,
    pair_key,
    severities_of,
    start_of,
    survived,
)
from robo_maxent.report.tables import BreakdownAnalysis, breakdowns, share, start_numbers

Rows = list[StressEpisode]


@dataclass(frozen=True)
class AxisRows:
    """The rows of one axis."""

    label: AxisLabel
    severities: tuple[float, ...]
    """From mild to hard; the first is the nominal one."""
    judged: dict[str, Rows]
    """Policy or baseline -> rows that it is judged by: of its mean action, where it was run so."""
    in_mode: dict[tuple[str, str], Rows]
    """Policy and mode -> rows."""
    refined: dict[str, Rows]
    """Policy -> rows at severities where only it was asked: they count for its curves alone."""

    def curve(self, policy: str, hit: Hit) -> Curve:
        """The curve of a policy or baseline."""
        rows, severities = self.judged[policy], self.severities
        more = self.refined.get(policy, [])
        if more and is_ordered(severities):
            less_is_worse = severities[-1] < severities[0]
            between = {row.severity for row in more}
            severities = tuple(sorted({*severities, *between}, reverse=less_is_worse))
        return curve([*rows, *more], severities, hit, self.label.is_scale)

    def disturbed(self, rows: Iterable[StressEpisode]) -> Rows:
        """Rows at another severity than the nominal one."""
        return [row for row in rows if is_disturbed(row, self.severities)]


@dataclass(frozen=True)
class Sampled:
    """Actions sampled from a stochastic policy against its mean action, one axis."""

    mean: Proportion
    sampled: Proportion
    difference: SuccessDifference | None
    """Sampled less mean; None: no episode was run in both ways."""


@dataclass(frozen=True)
class AxisAnalysis:
    """What one axis shows; a policy acts by its mean where it was run that way."""

    label: AxisLabel
    severities: tuple[float, ...]
    """From mild to hard; the first is the nominal one."""
    success: dict[str, Curve]
    """Of policies, then of baselines."""
    survived: dict[str, Curve]
    disturbed: dict[str, Proportion]
    """Success over all severities but the nominal one, of policies and baselines."""
    outcomes: dict[str, dict[str, int]]
    """Policy -> outcome -> episodes, over the same."""
    sampled: dict[str, Sampled]
    differences: dict[str, SuccessDifference]
    """Policy -> its success less that of the first policy, over the same: above 0 it is better."""
    baseline_differences: dict[tuple[str, str], SuccessDifference]
    """Policy and baseline -> success of the policy less that of the baseline, in the episodes of
    both."""

    @property
    def is_scale(self) -> bool:
        """Whether it goes from mild to hard, so that a curve makes sense; a fault is or is not."""
        return is_ordered(self.severities) and self.label.is_scale


@dataclass(frozen=True)
class Analysis:
    """Everything that the report of a stress test shows; empty where something was not run."""

    policies: tuple[str, ...]
    baselines: tuple[str, ...]
    episodes: int
    axes: dict[str, AxisAnalysis]
    """In the order in which they are shown."""
    not_run: tuple[AxisLabel, ...]
    """Axes that the suite declares, and that no row is of."""
    nominal: dict[str, Proportion]
    """Policy or baseline -> success of undisturbed episodes."""
    overall: dict[str, Proportion]
    """Policy or baseline -> success of all disturbed episodes."""
    breakdowns: tuple[BreakdownAnalysis, ...]
    """In the order of axes, and of each as it declares them."""
    recovery: tuple[RecoveryAnalysis, ...]
    """Of the axes that declare a breakdown of their pushes."""
    grips: tuple[GripAnalysis, ...]
    """Of the axes along which something was held."""
    places: tuple[PlaceMap, ...]
    """Of what the task gives places, by policy."""
    adjusted: dict[tuple[str, str], float]
    """Policy and axis -> p of its difference, adjusted for how many are made."""
    unpaired: int
    """Episodes of further policies that the first policy has no partner for."""
    failures: tuple[StressEpisode, ...]
    """Failed episodes worth watching."""


def analyse(rows: Sequence[StressEpisode], suite: Mapping[str, Any]) -> Analysis:
    """Everything that a report says about a stress test.

    Args:
        rows: Episodes of one stress test, of any number of policies and baselines.
        suite: What was run, as the suite's file has it; nothing of it is required.

    Raises:
        UsageError: There is no row of a policy, or a row can't be reported on.
    """
    check(rows)
    policies, baselines = _policies(rows, suite)
    by_axis = _by_axis(rows, suite, policies, baselines)
    axes = {name: _axis(of_axis, policies) for name, of_axis in by_axis.items()}
    undisturbed = by_axis[NOMINAL].judged if NOMINAL in by_axis else {}
    recovery = (
        recovery_times(each.label, each.severities, each.judged, policies)
        for each in by_axis.values()
    )
    disturbed = _disturbed(by_axis)
    held = (grips(each.label, each.severities, each.judged) for each in by_axis.values())
    return Analysis(
        policies=policies,
        baselines=baselines,
        episodes=len(rows),
        axes=axes,
        not_run=tuple(label for label in declared_axes(suite) if label.name not in axes),
        nominal={policy: share(map(met, listed)) for policy, listed in undisturbed.items()},
        overall={policy: _success(listed) for policy, listed in disturbed.items() if listed},
        breakdowns=tuple(
            breakdown
            for each in by_axis.values()
            for breakdown in breakdowns(each.label, each.severities, _only(policies, each.judged))
        ),
        recovery=tuple(each for each in recovery if each),
        grips=tuple(each for each in held if each),
        places=tuple(place_maps(_only(policies, disturbed))),
        adjusted=_adjusted(axes),
        unpaired=sum(_unpaired(each.judged, policies) for each in by_axis.values()),
        failures=tuple(choose_failures(rows, suite)),
    )


def _policies(
    rows: Sequence[StressEpisode], suite: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Policies, in the order of the suite, and baselines."""
    present = dict.fromkeys(row.policy for row in rows if row.mode != "baseline")
    listed = (entry.get("label") for entry in suite.get("policies") or ())
    policies = tuple(dict.fromkeys(label for label in listed if label in present) | present)
    baselines = dict.fromkeys(row.policy for row in rows if row.mode == "baseline")
    if not policies:
        raise UsageError("no row is of a policy: baselines alone are nothing to report on")
    if both := sorted(set(policies) & set(baselines)):
        raise UsageError(
            f"{both[0]!r} is the name of a policy and of a baseline; rename the policy"
        )
    return policies, tuple(sorted(baselines))


def _by_axis(
    rows: Sequence[StressEpisode],
    suite: Mapping[str, Any],
    policies: Sequence[str],
    baselines: Sequence[str],
) -> dict[str, AxisRows]:
    """The rows of each axis, in the order in which axes are shown."""
    grouped: dict[str, dict[tuple[str, str], Rows]] = defaultdict(lambda: defaultdict(list))
    refined: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.round:
            refined[row.axis][row.policy].append(row)
        else:
            grouped[row.axis][row.policy, row.mode].append(row)
    of_mean = {row.policy for row in rows if row.mode == "mean"}
    modes = {policy: "mean" if policy in of_mean else "sampled" for policy in policies}
    modes |= dict.fromkeys(baselines, "baseline")
    by_axis = {}
    for name, label in labels_of(suite, grouped).items():
        in_mode = grouped[name]
        judged = {key[0]: in_mode[key] for key in modes.items() if key in in_mode}
        unit = label.unit or next((row.unit for r in in_mode.values() for row in r if row.unit), "")
        severities = severities_of(name, (row for r in in_mode.values() for row in r), suite)
        by_axis[name] = AxisRows(
            replace(label, unit=unit), severities, judged, dict(in_mode), dict(refined[name])
        )
    return by_axis


def _disturbed(by_axis: Mapping[str, AxisRows]) -> dict[str, Rows]:
    """Rows of all axes, of policies and baselines, but those of undisturbed episodes."""
    disturbed: dict[str, Rows] = defaultdict(list)
    for name, of_axis in by_axis.items():
        for policy, rows in of_axis.judged.items() if name != NOMINAL else ():
            disturbed[policy] += of_axis.disturbed(rows)
    return disturbed


def _success(rows: Sequence[StressEpisode]) -> Proportion:
    """Of episodes at several severities, which share their starts."""
    return shared_proportion(np.array([*map(met, rows)]), start_numbers(map(start_of, rows)))


def _axis(of_axis: AxisRows, policies: Sequence[str]) -> AxisAnalysis:
    judged = of_axis.judged
    disturbed = {policy: d for policy, rows in judged.items() if (d := of_axis.disturbed(rows))}
    tested = _only(policies, disturbed)
    first = disturbed.get(policies[0], [])
    differences = {policy: _compare(tested.get(policy, []), first) for policy in policies[1:]}
    baseline_differences = {
        (policy, baseline): _compare(rows, disturbed[baseline])
        for policy, rows in tested.items()
        for baseline in disturbed
        if baseline not in policies
    }
    sampled = {policy: _sampled(of_axis, policy) for policy in policies}
    return AxisAnalysis(
        label=of_axis.label,
        severities=of_axis.severities,
        success={policy: of_axis.curve(policy, met) for policy in judged},
        survived={policy: of_axis.curve(policy, survived) for policy in judged},
        disturbed={policy: _success(rows) for policy, rows in disturbed.items()},
        outcomes={p: dict(Counter(row.outcome for row in rows)) for p, rows in tested.items()},
        sampled={policy: pair for policy, pair in sampled.items() if pair},
        differences={policy: each for policy, each in differences.items() if each},
        baseline_differences={key: each for key, each in baseline_differences.items() if each},
    )


def _compare(
    first: Iterable[StressEpisode], second: Iterable[StressEpisode]
) -> SuccessDifference | None:
    """Success of the same episodes, first less second; None: they have none in common."""
    partners = {pair_key(row): row for row in second}
    pairs = [(row, partners[pair_key(row)]) for row in first if pair_key(row) in partners]
    if not pairs:
        return None
    one, two = (np.array([*map(met, rows)]) for rows in zip(*pairs, strict=True))
    return success_difference(one, two, start_numbers(start_of(row) for row, _ in pairs))


def _sampled(of_axis: AxisRows, policy: str) -> Sampled | None:
    mean, sampled = (
        of_axis.disturbed(of_axis.in_mode.get((policy, mode), ())) for mode in ("mean", "sampled")
    )
    if not mean or not sampled:
        return None
    return Sampled(_success(mean), _success(sampled), _compare(sampled, mean))


def _unpaired(judged: Mapping[str, Rows], policies: Sequence[str]) -> int:
    known = {pair_key(row) for row in judged.get(policies[0], ())}
    others = _only(policies[1:], judged).values()
    return sum(pair_key(row) not in known for rows in others for row in rows)


def _adjusted(axes: Mapping[str, AxisAnalysis]) -> dict[tuple[str, str], float]:
    p_values = {
        (policy, name): each.p_value
        for name, axis in axes.items()
        for policy, each in axis.differences.items()
    }
    adjusted = holm(np.array(list(p_values.values()))).tolist()
    return dict(zip(p_values, adjusted, strict=True))


def _only(policies: Sequence[str], rows: Mapping[str, Rows]) -> dict[str, Rows]:
    """The rows of policies, in their order, without those of baselines."""
    return {policy: rows[policy] for policy in policies if policy in rows}
