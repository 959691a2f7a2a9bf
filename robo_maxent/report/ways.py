"""Which of several ways to a goal the episodes took, and where they went."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from robo_maxent.evaluation.intervals import Estimate, Proportion, mode_entropy, proportion
from robo_maxent.report.axis_rows import AxisRows
from robo_maxent.report.row_table import RowGroup
from robo_maxent.report.rows import AxisLabel, Points, is_disturbed, met
from robo_maxent.types import FloorPlan

WAYS_TO_ACT = "sampled", "mean"
"""In the order in which they are shown."""
MOST = 60
"""Paths of a case that are kept for its picture; more would hide each other."""


@dataclass(frozen=True)
class Split:
    """Division of undisturbed episodes of one policy and mode between two ways."""

    first: Proportion
    """Share of the first way among episodes that took one."""
    nowhere: int
    """Number of episodes that took neither."""

    @property
    def entropy(self) -> Estimate:
        """Entropy of the choice over log 2: 0 if all take one way, 1 if half take each."""
        return mode_entropy(self.first)


@dataclass(frozen=True)
class CasePaths:
    """Paths of the episodes of one case."""

    case: str
    """Case of the axis; "" for undisturbed episodes."""
    success: Proportion
    paths: tuple[tuple[Points, bool], ...]
    """Paths of the first ones, and whether each succeeded."""
    taken: tuple[int, int, int]
    """Number of episodes that took the first way, the other, neither."""


@dataclass(frozen=True)
class WaysAnalysis:
    """The ways of one policy along an axis."""

    label: AxisLabel
    """Of the axis."""
    policy: str
    mode: str
    """Mode of the drawn episodes: sampled, if that was run."""
    plan: FloorPlan
    splits: dict[str, Split]
    """Mode -> split of undisturbed episodes."""
    cases: tuple[CasePaths, ...]
    """Undisturbed first, then as the axis has them."""


def ways(of_axis: AxisRows, plan: FloorPlan | None, policies: Sequence[str]) -> list[WaysAnalysis]:
    """Ways of each policy along an axis that draws paths.

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
            mode: cases
            for mode in WAYS_TO_ACT
            if (rows := of_axis.in_mode.get((policy, mode))) and (cases := _cases(rows, plan))
        }
        if in_mode:
            mode = next(iter(in_mode))
            splits = {mode: split for mode, each in in_mode.items() if (split := _split(each))}
            analyses.append(WaysAnalysis(of_axis.label, policy, mode, plan, splits, in_mode[mode]))
    return analyses


def _split(cases: Sequence[CasePaths]) -> Split | None:
    """How the undisturbed ones are divided; None: none took a way."""
    first, other, neither = next((each.taken for each in cases if not each.case), (0, 0, 0))
    return Split(proportion(first, first + other), neither) if first + other else None


def _cases(rows: RowGroup, plan: FloorPlan) -> tuple[CasePaths, ...]:
    """The cases of episodes that have a path."""
    names = [kind.case if is_disturbed(kind) else "" for kind in rows.kinds]
    succeeded = rows.each(met)
    hits: dict[str, Counter[bool]] = {}
    paths: dict[str, list[tuple[Points, bool]]] = {}
    chosen: dict[str, Counter[Any]] = {}
    for place, parts in rows.parts():
        if parts.path:
            case, hit = names[rows.kind[place]], bool(succeeded[place])
            hits.setdefault(case, Counter())[hit] += 1
            chosen.setdefault(case, Counter())[parts.metrics.get(plan.chosen)] += 1
            kept = paths.setdefault(case, [])
            if len(kept) < MOST:
                kept.append((parts.path, hit))
    return tuple(
        CasePaths(
            case,
            proportion(count[True], count.total()),
            tuple(paths[case]),
            (chosen[case][1.0], chosen[case][0.0], chosen[case][None]),
        )
        for case, count in hits.items()
    )
