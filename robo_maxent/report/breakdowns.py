"""Shares by two properties at once, such as direction and impulse, or joint and fault.

Which ones there are, the axes declare: see :class:`robo_maxent.types.Breakdown`.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.report.row_table import RowGroup
from robo_maxent.report.rows import AxisLabel, Start, is_disturbed, met
from robo_maxent.types import Breakdown

SECTORS = 8
"""Number of directions, 0 ahead, 2 left, and of phases of a stride."""
PUSHED = ("push direction", "push phase")
"""Properties of pushes rather than of episodes."""
ANY = "any"
"""Case of episodes without one, among others that have one."""

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
        """Share of a row over all its columns."""
        cells = [cell for (place, _), cell in self.cells.items() if place == row]
        hits = sum(cell.share * cell.count for cell in cells)
        return proportion(round(hits), sum(cell.count for cell in cells))


@dataclass(frozen=True)
class BreakdownAnalysis:
    """Results of one breakdown of an axis."""

    label: AxisLabel
    """Of the axis."""
    breakdown: Breakdown
    grids: dict[str, Grid]
    """Policy -> shares by the property and by severity."""


def breakdowns(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, RowGroup],
) -> list[BreakdownAnalysis]:
    """Breakdowns that an axis declares and that have something to show.

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


def grid(breakdown: Breakdown, rows: RowGroup, severities: Sequence[float]) -> Grid | None:
    """Shares in one policy's disturbed episodes; None if none has the property."""
    disturbed = rows.only(is_disturbed)
    if breakdown.by == "push direction":
        return by_push_direction(disturbed, severities)
    if breakdown.by == "push phase":
        return by_push_phase(disturbed, severities)
    return by_case(disturbed, severities)


def by_case(rows: RowGroup, severities: Sequence[float]) -> Grid | None:
    """Success by case and severity; None if no episode has a case."""
    cases = rows.count(lambda kind: kind.case)
    if not any(cases):
        return None
    counts, hits = Counter[tuple[Place, float]](), Counter[tuple[Place, float]]()
    for kind, count in rows.present():
        counts[kind.case or ANY, kind.severity] += count
        hits[kind.case or ANY, kind.severity] += count * met(kind)
    return _grid(hits, counts, [case or ANY for case in cases], severities)


def by_push_direction(rows: RowGroup, severities: Sequence[float]) -> Grid | None:
    """Share of pushes recovered from, by direction in eighths of a turn."""
    found = pushes(rows)
    return _by_sector(found, found.direction, 2 * math.pi, severities)


def by_push_phase(rows: RowGroup, severities: Sequence[float]) -> Grid | None:
    """Share of pushes recovered from, by eighths of the stride; None if the robot never walked."""
    found = pushes(rows)
    return _by_sector(found, found.phase, 1.0, severities)


def _by_sector(
    found: "Pushes", places: np.ndarray, turn: float, severities: Sequence[float]
) -> Grid | None:
    known = ~np.isnan(places)
    sectors = sector(places[known], turn).tolist()
    of_push = found.severity[known].tolist()
    counts = Counter[tuple[Place, float]](zip(sectors, of_push, strict=True))
    recovered = found.recovered[known].tolist()
    hits = Counter(
        (s, severity) for s, severity, hit in zip(sectors, of_push, recovered, strict=True) if hit
    )
    return _grid(hits, counts, range(SECTORS), severities)


@dataclass(frozen=True)
class Pushes:
    """Pushes in columns, (p,) each; NaN where something is not known."""

    severity: np.ndarray
    """Of their episodes."""
    start: np.ndarray
    """The same number for those of the same start."""
    direction: np.ndarray
    phase: np.ndarray
    recovered: np.ndarray
    seconds: np.ndarray
    common_seconds: np.ndarray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.severity)

    def at(self, severity: float) -> "Pushes":
        """Those of a severity."""
        columns = vars(self).items()
        return Pushes(**{name: column[self.severity == severity] for name, column in columns})


def pushes(rows: RowGroup) -> Pushes:
    """Every push that has an impulse."""
    row, known = array("q"), [array("d") for _ in range(5)]
    for place, parts in rows.parts():
        for push in parts.pushes:
            if push.impulse:
                row.append(place)
                values = (push.direction, push.phase, push.recovered)
                for column, value in zip(
                    known, (*values, push.seconds, push.common_seconds), strict=True
                ):
                    column.append(np.nan if value is None else value)
    places = np.asarray(row, np.int64)
    severity = rows.each(lambda kind: kind.severity)[places]
    columns = [np.asarray(column) for column in known]
    return Pushes(severity, rows.starts()[places], *columns)


def sector(place: np.ndarray | float, turn: float = 2 * math.pi) -> np.ndarray:
    """The nearest eighth of a turn to directions, rad; 0 is ahead and 2 left."""
    return np.rint(np.asarray(place) / (turn / SECTORS)).astype(int) % SECTORS


def share(hits: Iterable[bool]) -> Proportion:
    """A share with its interval."""
    listed = list(hits)
    return proportion(sum(listed), len(listed))


def start_numbers(starts: Iterable[Start]) -> np.ndarray:
    """A number for each episode, equal for equal starts, (n,)."""
    numbers: dict[Start, int] = {}
    return np.array([numbers.setdefault(start, len(numbers)) for start in starts])


def _grid(
    hits: Mapping[tuple[Place, float], int],
    counts: Mapping[tuple[Place, float], int],
    rows: Iterable[Place],
    severities: Iterable[float],
) -> Grid | None:
    cells = {place: proportion(hits.get(place, 0), count) for place, count in counts.items()}
    columns = {column for _, column in cells}
    return Grid(tuple(rows), tuple(s for s in severities if s in columns), cells) if cells else None
