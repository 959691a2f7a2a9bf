"""Rows of a stress test -> everything that a report says about them, as numbers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import shared_mean, shared_proportion
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.evaluation.paired import (
    MeanDifference,
    SuccessDifference,
    holm,
    mean_difference,
    success_difference,
)
from robo_maxent.report.axis_rows import AxisRows, RowIndex
from robo_maxent.report.breakdowns import BreakdownAnalysis, breakdowns, share
from robo_maxent.report.curves import Curve, is_ordered
from robo_maxent.report.failures import Failures
from robo_maxent.report.grips import GripAnalysis, grips
from robo_maxent.report.places import Placed, PlaceMap, place_maps
from robo_maxent.report.recovery_times import RecoveryAnalysis, recovery_times
from robo_maxent.report.row_table import RowGroup, RowTable, joint_starts
from robo_maxent.report.rows import (
    NOMINAL,
    AxisLabel,
    StressEpisode,
    belongs,
    check,
    declared_axes,
    declared_plan,
    is_disturbed,
    met,
    survived,
)
from robo_maxent.report.ways import WaysAnalysis, ways
from robo_maxent.types import FloorPlan

T = TypeVar("T")
Hits = tuple[np.ndarray, np.ndarray]
"""Success of episodes, and the same number for the same start, (n,) each."""
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Success of two policies in the same episodes, and their starts, (n,) each."""


@dataclass(frozen=True)
class Sampled:
    """Actions sampled from a stochastic policy against its mean action, one axis."""

    mean: Proportion
    sampled: Proportion
    difference: SuccessDifference | None
    """Success with sampled actions minus that with the mean action; None if no episode was run
    both ways."""


@dataclass(frozen=True)
class AxisAnalysis:
    """Results along one axis; a policy is judged by its mean action if that was run."""

    label: AxisLabel
    severities: tuple[float, ...]
    """From mild to hard."""
    nominal: tuple[float, ...]
    """Severities at which no episode is disturbed."""
    success: dict[str, Curve]
    """Success curves of policies, then of baselines."""
    survived: dict[str, Curve]
    disturbed: dict[str, Proportion]
    """Success in disturbed episodes, of policies and baselines; on the nominal axis, in all
    episodes."""
    outcomes: dict[str, dict[str, int]]
    """Policy -> outcome -> number of these episodes."""
    sampled: dict[str, Sampled]
    differences: dict[str, SuccessDifference]
    """Policy -> its success less that of the first policy, over the same: above 0 it is better.
    These intervals, and those of the other differences, hold for all axes at once."""
    baseline_differences: dict[tuple[str, str], SuccessDifference]
    """Policy and baseline -> success of the policy less that of the baseline, in the episodes of
    both."""

    @property
    def is_scale(self) -> bool:
        """Whether severities go from mild to hard, so that a curve makes sense."""
        return is_ordered(self.severities) and self.label.is_scale


@dataclass(frozen=True)
class Analysis:
    """Everything that the report of a stress test shows; empty where something was not run."""

    policies: tuple[str, ...]
    baselines: tuple[str, ...]
    episodes: int
    """Number of episodes; one that counts for several axes counts once here."""
    rows: int
    axes: dict[str, AxisAnalysis]
    """In the order in which they are shown."""
    not_run: tuple[AxisLabel, ...]
    """Axes of the suite without rows."""
    nominal: dict[str, Proportion]
    """Policy or baseline -> success of undisturbed episodes."""
    overall: dict[str, Proportion]
    """Policy or baseline -> mean over axes of the success of disturbed episodes: axes count alike,
    however many episodes they have."""
    beside: dict[tuple[str, str], MeanDifference]
    """Policy and baseline -> the same of either and its difference, in the episodes of both; the
    intervals of these differences hold at once for all baselines of a policy."""
    broken: dict[str, int]
    """Policy -> number of episodes with an unstable simulation or an error of the policy."""
    breakdowns: tuple[BreakdownAnalysis, ...]
    """Breakdowns, in the order of the axes."""
    recovery: tuple[RecoveryAnalysis, ...]
    """Recovery times, of axes that break down their pushes."""
    grips: tuple[GripAnalysis, ...]
    """Lost grips, of axes along which something was held."""
    places: tuple[PlaceMap, ...]
    """Maps of places, by policy, if the task reports places."""
    ways: tuple[WaysAnalysis, ...]
    """Chosen ways, by policy, of axes that draw paths."""
    adjusted: dict[tuple[str, str], float]
    """Policy and axis -> p-value of its difference, adjusted for the number of comparisons."""
    unpaired: int
    """Number of further policies' episodes without a partner of the first policy."""
    failures: tuple[StressEpisode, ...]
    """Failed episodes worth watching."""


def analyse(
    rows: Sequence[StressEpisode], suite: Mapping[str, Any], failures: Failures | None = None
) -> Analysis:
    """Everything that a report says about a stress test.

    Args:
        rows: Episodes of one stress test, of any number of policies and baselines.
        suite: What was run, as the suite's file has it; nothing of it is required.
        failures: Those worth watching, where rows are of a table; None: chosen among the rows.

    Raises:
        UsageError: There is no row of a policy, or a row can't be reported on.
    """
    check(rows)
    has_limits = bool(suite.get("limits"))
    index = RowIndex(rows if isinstance(rows, RowTable) else RowTable(rows), has_limits)
    policies, baselines = _policies(index, suite)
    modes = index.modes(policies, baselines)
    parts = _Parts(policies, baselines, len(index), index.in_both, declared_plan(suite))
    for label in index.labels(suite):
        parts.add(index.rows_of(label, suite, modes))
    undisturbed = {way[0]: index.undisturbed(way) for way in modes.items()}
    failures = failures or Failures(rows, with_rounds=has_limits)
    return Analysis(
        policies=policies,
        baselines=baselines,
        episodes=index.episodes,
        rows=len(rows),
        axes=parts.axes,
        not_run=tuple(label for label in declared_axes(suite) if label.name not in parts.axes),
        nominal={
            policy: share(own.each(met).tolist()) for policy, own in undisturbed.items() if own
        },
        overall={policy: shared_mean(parts.hits[policy]) for policy in parts.disturbed},
        beside={
            pair: mean_difference(groups, len(baselines)) for pair, groups in parts.pairs.items()
        },
        broken={way[0]: count for way in modes.items() if (count := index.broken[way])},
        breakdowns=tuple(parts.breakdowns),
        recovery=tuple(parts.recovery),
        grips=tuple(parts.grips),
        places=tuple(place_maps(_only(policies, parts.placed))),
        ways=tuple(parts.ways),
        adjusted=_adjusted(parts.axes),
        unpaired=index.unpaired(modes),
        failures=tuple(failures.choose(suite)),
    )


class _Parts:
    """What is said of one axis after the other, and what all together need of each."""

    def __init__(
        self,
        policies: Sequence[str],
        baselines: Sequence[str],
        axes: int,
        in_both: int,
        plan: FloorPlan | None,
    ) -> None:
        self._policies, self._baselines, self._plan = policies, baselines, plan
        self._count, self._in_both = axes, in_both
        self.axes: dict[str, AxisAnalysis] = {}
        self.recovery: list[RecoveryAnalysis] = []
        self.breakdowns: list[BreakdownAnalysis] = []
        self.grips: list[GripAnalysis] = []
        self.ways: list[WaysAnalysis] = []
        self.disturbed: dict[str, None] = {}  # policies and baselines that were, along some axis
        self.hits: dict[str, list[Hits]] = defaultdict(list)  # of these, of each axis
        self.pairs: dict[tuple[str, str], list[Pairs]] = defaultdict(list)  # with a baseline
        self.placed: dict[str, Placed] = defaultdict(Placed)  # where disturbed ones began

    def add(self, of_axis: AxisRows) -> None:
        label, severities, judged = of_axis.label, of_axis.severities, of_axis.judged
        self.axes[label.name] = _axis(of_axis, self._policies, self._count, self._in_both)
        recovery = recovery_times(label, severities, judged, self._policies)
        self.recovery += [recovery] if recovery else []
        self.breakdowns += breakdowns(label, severities, _only(self._policies, judged))
        held = grips(label, severities, judged)
        self.grips += [held] if held else []
        self.ways += ways(of_axis, self._plan, self._policies)
        disturbed = {policy: rows.only(is_disturbed) for policy, rows in judged.items()}
        for policy, rows in disturbed.items():
            if rows:
                self.hits[policy].append(_hits(rows))
            if rows and label.name != NOMINAL:
                self.disturbed.setdefault(policy)
                if policy in self._policies:
                    self.placed[policy].extend(rows)
        for policy, baseline in product(self._policies, self._baselines):
            pairs = _pairs(disturbed.get(policy), disturbed.get(baseline))
            if pairs:
                self.pairs[policy, baseline].append(pairs)


def _policies(index: RowIndex, suite: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Policies, in the order of the suite, and baselines."""
    present = dict.fromkeys(index.policies)
    listed = (entry.get("label") for entry in suite.get("policies") or ())
    policies = tuple(dict.fromkeys(label for label in listed if label in present) | present)
    if not policies:
        raise UsageError("no row is of a policy: baselines alone are nothing to report on")
    if both := sorted(index.baselines & present.keys()):
        raise UsageError(
            f"{both[0]!r} is the name of a policy and of a baseline; rename the policy"
        )
    return policies, tuple(sorted(index.baselines))


def _success(rows: RowGroup) -> Proportion:
    """Success of episodes at several severities, which share their starts."""
    return shared_proportion(*_hits(rows))


def _share_met(rows: RowGroup) -> Proportion:
    """Of episodes of which no two share a start."""
    return share(rows.each(met).tolist())


def _hits(rows: RowGroup) -> Hits:
    return rows.each(met).astype(bool), rows.starts()


def _axis(of_axis: AxisRows, policies: Sequence[str], axes: int, in_both: int) -> AxisAnalysis:
    """Results along one axis."""
    judged = of_axis.judged
    counted = {policy: rows.only(belongs) for policy, rows in judged.items()}
    disturbed = {policy: rows for policy, rows in counted.items() if rows}
    tested = _only(policies, disturbed)
    first = disturbed.get(policies[0])
    differences = {
        policy: _compare(tested.get(policy), first, axes * (len(policies) - 1))
        for policy in policies[1:]
    }
    baselines = [who for who in disturbed if who not in policies]
    baseline_differences = {
        (policy, baseline): _compare(rows, disturbed[baseline], axes * len(baselines))
        for policy, rows in tested.items()
        for baseline in baselines
    }
    sampled = {policy: _sampled(of_axis, policy, in_both) for policy in policies}
    return AxisAnalysis(
        label=of_axis.label,
        severities=of_axis.severities,
        nominal=of_axis.nominal,
        success={policy: of_axis.curve(policy, met) for policy in judged},
        survived={policy: of_axis.curve(policy, survived) for policy in judged},
        disturbed={policy: _success(rows) for policy, rows in disturbed.items()},
        outcomes={policy: rows.count(lambda kind: kind.outcome) for policy, rows in tested.items()},
        sampled={policy: pair for policy, pair in sampled.items() if pair},
        differences={policy: each for policy, each in differences.items() if each},
        baseline_differences={key: each for key, each in baseline_differences.items() if each},
    )


def _compare(
    first: RowGroup | None, second: RowGroup | None, comparisons: int
) -> SuccessDifference | None:
    """Success difference in the same episodes, first minus second; None if they share none."""
    pairs = _pairs(first, second)
    return None if pairs is None else success_difference(*pairs, comparisons)


def _pairs(first: RowGroup | None, second: RowGroup | None) -> Pairs | None:
    """The episodes that both have, in the order of the first; None: there are none."""
    if not first or not second:
        return None
    names = joint_starts([first, second], lambda kind: (kind.axis, kind.severity, kind.case))
    partners = np.full(max(each.max() for each in names) + 1, -1)
    partners[names[1]] = np.arange(len(second))
    partner = partners[names[0]]
    if (partner < 0).all():
        return None
    one, two = first.where(partner >= 0), second.where(partner[partner >= 0])
    return _hits(one)[0], *_hits(two)


def _sampled(of_axis: AxisRows, policy: str, axes: int) -> Sampled | None:
    in_modes = (of_axis.in_mode.get((policy, mode)) for mode in ("mean", "sampled"))
    mean, sampled = (rows and rows.only(belongs) for rows in in_modes)
    if not mean or not sampled:
        return None
    return Sampled(_success(mean), _success(sampled), _compare(sampled, mean, axes))


def _adjusted(axes: Mapping[str, AxisAnalysis]) -> dict[tuple[str, str], float]:
    p_values = {
        (policy, name): each.p_value
        for name, axis in axes.items()
        for policy, each in axis.differences.items()
    }
    adjusted = holm(np.array(list(p_values.values()))).tolist()
    return dict(zip(p_values, adjusted, strict=True))


def _only(policies: Sequence[str], rows: Mapping[str, T]) -> dict[str, T]:
    """Rows of policies, without those of baselines."""
    return {policy: rows[policy] for policy in policies if policy in rows}
