"""Shares by two properties at once, such as direction and impulse, kind and level, joint and fault.

Which ones there are, the axes declare: see :class:`robo_maxent.types.Breakdown`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.report.rows import (
    AxisLabel,
    Push,
    Start,
    StressEpisode,
    is_disturbed,
    met,
)
from robo_maxent.types import Breakdown

SECTORS = 8
"""Directions that pushes are counted in, 0 ahead, 2 left; and moments of a stride."""
PUSHED = ("push direction", "push phase")
"""What pushes are told apart by, rather than episodes."""
ANY = "any"
"""The case of an episode that has none, among others that have one."""

Place = str | int
"""Row of a grid: a case, or the number of a sector."""


@dataclass(frozen=True)
class Grid:
    """Shares by two properties; a cell that was not run is absent."""

    rows: tuple[Place, ...]
    columns: tuple[float, ...]
    """Severities, from mild to hard."""
    cells: dict[tuple[Place, float], Proportion]

    def pooled(self, row: Place) -> Proportion:
        """The share of a row over all its columns."""
        cells = [cell for (place, _), cell in self.cells.items() if place == row]
        hits = sum(cell.share * cell.count for cell in cells)
        return proportion(round(hits), sum(cell.count for cell in cells))


@dataclass(frozen=True)
class BreakdownAnalysis:
    """A breakdown of an axis, as its policies did."""

    label: AxisLabel
    """Of the axis."""
    breakdown: Breakdown
    grids: dict[str, Grid]
    """Policy -> shares by what the axis is broken down by, and severity."""


def breakdowns(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, Sequence[StressEpisode]],
) -> list[BreakdownAnalysis]:
    """The breakdowns that an axis declares, without those that have nothing to show.

    Args:
        label: Of the axis.
        severities: From mild to hard.
        judged: Policy -> its episodes of the axis.
    """
    analyses = []
    for breakdown in label.breakdowns:
        if breakdown.picture == "paths":  # see ways.py
            continue
        grids = {policy: grid(breakdown, rows, severities) for policy, rows in judged.items()}
        shown = {policy: made for policy, made in grids.items() if made}
        if shown:
            analyses.append(BreakdownAnalysis(label, breakdown, shown))
    return analyses


def grid(
    breakdown: Breakdown, rows: Iterable[StressEpisode], severities: Sequence[float]
) -> Grid | None:
    """Shares of one policy's disturbed episodes; None: none says what they are broken down by."""
    disturbed = [*filter(is_disturbed, rows)]
    if breakdown.by == "push direction":
        return by_push_direction(disturbed, severities)
    if breakdown.by == "push phase":
        return by_push_phase(disturbed, severities)
    return by_case(disturbed, severities)


def by_case(rows: Sequence[StressEpisode], severities: Sequence[float]) -> Grid | None:
    """Success by case and severity; None: no episode has a case."""
    if not any(row.case for row in rows):
        return None
    hits: dict[tuple[Place, float], list[bool]] = defaultdict(list)
    for row in rows:
        hits[row.case or ANY, row.severity].append(met(row))
    return _grid(hits, dict.fromkeys(case for case, _ in hits), severities)


def by_push_direction(rows: Iterable[StressEpisode], severities: Sequence[float]) -> Grid | None:
    """Pushes recovered from, by the eighth of a turn that they drive the robot in."""
    hits: dict[tuple[Place, float], list[bool]] = defaultdict(list)
    for row, push in pushes(rows):
        hits[sector(push.direction), row.severity].append(push.recovered)
    return _grid(hits, range(SECTORS), severities)


def by_push_phase(rows: Iterable[StressEpisode], severities: Sequence[float]) -> Grid | None:
    """The same by the eighth of the stride that they begin in; None: the robot never walked."""
    hits: dict[tuple[Place, float], list[bool]] = defaultdict(list)
    for row, push in pushes(rows):
        if push.phase is not None:
            hits[sector(push.phase, 1.0), row.severity].append(push.recovered)
    return _grid(hits, range(SECTORS), severities)


def pushes(rows: Iterable[StressEpisode]) -> list[tuple[StressEpisode, Push]]:
    """Every push that has an impulse, with its episode."""
    return [(row, push) for row in rows for push in row.pushes if push.impulse]


def sector(place: float, turn: float = 2 * math.pi) -> int:
    """Which eighth of a turn is nearest: of directions, rad, 0 ahead and 2 left."""
    return round(place / (turn / SECTORS)) % SECTORS


def share(hits: Iterable[bool]) -> Proportion:
    """Share of what is true, with its interval."""
    listed = list(hits)
    return proportion(sum(listed), len(listed))


def start_numbers(starts: Iterable[Start]) -> np.ndarray:
    """The same number for the same start, (n,)."""
    numbers: dict[Start, int] = {}
    return np.array([numbers.setdefault(start, len(numbers)) for start in starts])


def _grid(
    hits: Mapping[tuple[Place, float], list[bool]],
    rows: Iterable[Place],
    severities: Iterable[float],
) -> Grid | None:
    cells = {place: share(listed) for place, listed in hits.items()}
    columns = {column for _, column in cells}
    return Grid(tuple(rows), tuple(s for s in severities if s in columns), cells) if cells else None
