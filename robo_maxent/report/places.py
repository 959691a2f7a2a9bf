"""Shares by where on the ground an episode took place."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.clustered import shared_proportion
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.report.rows import StressEpisode, met, start_of
from robo_maxent.report.tables import start_numbers

AHEAD, ACROSS = 4, 6
"""Rows and columns that the ground is divided into."""
LEAST_WIDTH = 0.02  # m of what is divided: starts that hardly differ are no map

Place = tuple[float, float]
"""Ahead and to the left, m."""


@dataclass(frozen=True)
class PlaceMap:
    """One policy's disturbed episodes by where something was as they began."""

    policy: str
    of: str
    """What was there, by the task's name, such as "object"."""
    ahead: tuple[float, ...]
    """Borders of the rows, m, ascending."""
    left: tuple[float, ...]
    """Borders of the columns, m, ascending."""
    cells: dict[tuple[int, int], Proportion]
    """Row and column -> success; one without episodes is absent."""
    failures: tuple[Place, ...]


def place_maps(disturbed: Mapping[str, Sequence[StressEpisode]]) -> list[PlaceMap]:
    """A map of each policy and of each thing that has places.

    Args:
        disturbed: Policy -> its disturbed episodes.
    """
    every = [row for rows in disturbed.values() for row in rows]
    names = dict.fromkeys(name for row in every for name in row.places)
    maps = []
    for name in names:
        places = np.array([row.places[name] for row in every if name in row.places])
        low, high = places.min(axis=0), places.max(axis=0)
        if (high - low).min() < LEAST_WIDTH:
            continue
        ahead = np.linspace(low[0], high[0], AHEAD + 1)
        left = np.linspace(low[1], high[1], ACROSS + 1)
        for policy, rows in disturbed.items():
            placed = [row for row in rows if name in row.places]
            if placed:
                maps.append(_map(policy, name, ahead, left, placed))
    return maps


def _map(
    policy: str, name: str, ahead: np.ndarray, left: np.ndarray, rows: Sequence[StressEpisode]
) -> PlaceMap:
    by_cell: dict[tuple[int, int], list[StressEpisode]] = defaultdict(list)
    for row in rows:
        x, y = row.places[name]
        by_cell[_part(ahead, x), _part(left, y)].append(row)
    cells = {cell: _success(listed) for cell, listed in sorted(by_cell.items())}
    failures = tuple(dict.fromkeys(row.places[name] for row in rows if not met(row)))
    borders = tuple(ahead.tolist()), tuple(left.tolist())
    return PlaceMap(policy, name, *borders, cells, failures)


def _part(borders: np.ndarray, value: float) -> int:
    """Which part a value is in; the last border belongs to the last."""
    return int(np.clip(np.searchsorted(borders, value, "right") - 1, 0, len(borders) - 2))


def _success(rows: Sequence[StressEpisode]) -> Proportion:
    """Of episodes at several severities, which share their starts."""
    return shared_proportion(np.array([*map(met, rows)]), start_numbers(map(start_of, rows)))
