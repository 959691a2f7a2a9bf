"""Episodes of a task that has several ways: which they took, and where they went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robo_maxent.evaluation.intervals import Estimate, Proportion, mode_entropy, proportion
from robo_maxent.report.axis_rows import AxisRows
from robo_maxent.report.rows import AxisLabel, Points, StressEpisode, is_disturbed, met
from robo_maxent.report.tables import share
from robo_maxent.types import FloorPlan

WAYS_TO_ACT = "sampled", "mean"
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Split:
    """How undisturbed episodes of one policy and mode are divided between two ways."""

    first: Proportion
    """Of those that took either, the share of the first way."""
    nowhere: int
    """Episodes that took neither."""

    @property
    def entropy(self) -> Estimate:
        """Of the choice, over log 2: 0 where all take one way, 1 where half take either."""
        return mode_entropy(self.first)


@dataclass(frozen=True)
class CasePaths:
    """Where the episodes of one case went."""

    case: str
    """Of the axis; "" where nothing is different."""
    success: Proportion
    paths: tuple[tuple[Points, bool], ...]
    """Path of each, and whether it succeeded."""
    taken: tuple[int, int, int]
    """Episodes that took the first way, the other, neither."""


@dataclass(frozen=True)
class WaysAnalysis:
    """The ways of one policy along an axis."""

    label: AxisLabel
    """Of the axis."""
    policy: str
    mode: str
    """How it acted in what is drawn: sampled, where it was run so."""
    plan: FloorPlan
    splits: dict[str, Split]
    """Mode -> how it chooses where nothing is different."""
    cases: tuple[CasePaths, ...]
    """Undisturbed first, then as the axis has them."""


def ways(of_axis: AxisRows, plan: FloorPlan | None, policies: Sequence[str]) -> list[WaysAnalysis]:
    """The ways of each policy along an axis that declares a picture of paths.

    Args:
        of_axis: Its rows.
        plan: What stands where, as the task says; None: it does not.
        policies: Whose; baselines have no ways.
    """
    drawn = any(each.picture == "paths" for each in of_axis.label.breakdowns)
    if plan is None or not drawn:
        return []
    analyses = []
    for policy in policies:
        in_mode = {
            mode: placed
            for mode in WAYS_TO_ACT
            if (placed := _placed(of_axis.in_mode.get((policy, mode), ())))
        }
        if in_mode:
            mode = next(iter(in_mode))
            cases = _cases(in_mode[mode], plan)
            analyses.append(
                WaysAnalysis(of_axis.label, policy, mode, plan, _splits(in_mode, plan), cases)
            )
    return analyses


def _placed(rows: Sequence[StressEpisode]) -> list[StressEpisode]:
    return [row for row in rows if row.path]


def _splits(in_mode: Mapping[str, Sequence[StressEpisode]], plan: FloorPlan) -> dict[str, Split]:
    splits = {}
    for mode, rows in in_mode.items():
        first, other, neither = _taken([row for row in rows if not is_disturbed(row)], plan)
        if first + other:
            splits[mode] = Split(proportion(first, first + other), neither)
    return splits


def _cases(rows: Sequence[StressEpisode], plan: FloorPlan) -> tuple[CasePaths, ...]:
    groups: dict[str, list[StressEpisode]] = {}
    for row in rows:
        groups.setdefault(row.case if is_disturbed(row) else "", []).append(row)
    return tuple(
        CasePaths(
            case,
            share(map(met, listed)),
            tuple((row.path, met(row)) for row in listed if row.path),
            _taken(listed, plan),
        )
        for case, listed in groups.items()
    )


def _taken(rows: Sequence[StressEpisode], plan: FloorPlan) -> tuple[int, int, int]:
    """Episodes that took the first way, the other, neither."""
    chosen = [row.metrics.get(plan.chosen) for row in rows]
    return chosen.count(1.0), chosen.count(0.0), chosen.count(None)
