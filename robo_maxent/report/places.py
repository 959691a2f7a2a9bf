"""Success by where on the ground an episode took place."""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.clustered import shared_proportion
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.report.row_table import RowGroup, numbered
from robo_maxent.report.rows import met

AHEAD, ACROSS = 4, 6
"""Rows and columns that the ground is divided into."""
LEAST_WIDTH = 0.02  # m of what is divided: starts that hardly differ are no map
MOST_MARKS = 400
"""Failures that are marked on a map: more would hide it, and make the page grow."""

Place = tuple[float, float]
"""Ahead and to the left, m."""


@dataclass(frozen=True)
class PlaceMap:
    """One policy's disturbed episodes by where something was at their beginning."""

    policy: str
    of: str
    """Name of that thing in the task, such as "object"."""
    ahead: tuple[float, ...]
    """Borders of the rows, m, ascending."""
    left: tuple[float, ...]
    """Borders of the columns, m, ascending."""
    cells: dict[tuple[int, int], Proportion]
    """Row and column -> success, where there are episodes."""
    failures: tuple[Place, ...]
    """Places from which episodes failed, or as many of them as are marked."""
    failed: int
    """How many such places there are."""


class Placed:
    """Where something was as episodes began, and what became of them, in columns."""

    def __init__(self) -> None:
        """Know of none."""
        self.of: dict[str, Columns] = defaultdict(Columns)
        """What was there -> its places."""

    def extend(self, rows: RowGroup) -> None:
        """Take those of some rows that say where something was."""
        hits, sims = rows.each(met), rows.table.sims(rows.places)
        for row, parts in rows.parts():
            kind = rows.kinds[rows.kind[row]]
            for name, (ahead, left) in parts.places.items():
                columns = self.of[name]
                columns.places.extend((ahead, left))
                columns.hits.append(bool(hits[row]))
                columns.starts.extend((kind.seed, int(sims[row]), kind.index))


class Columns:
    """Episodes, one after the other."""

    def __init__(self) -> None:
        """There are none."""
        self.places, self.hits, self.starts = array("d"), array("b"), array("q")

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places (n, 2), successes (n,), and numbers of starts (n,)."""
        starts = np.asarray(self.starts).reshape(-1, 3)
        hits = np.asarray(self.hits).astype(bool)
        return np.asarray(self.places).reshape(-1, 2), hits, numbered(*starts.T)


def place_maps(disturbed: Mapping[str, Placed]) -> list[PlaceMap]:
    """A map of each policy and of each thing that has places.

    Args:
        disturbed: Policy -> where its disturbed episodes began.
    """
    maps = []
    for name in dict.fromkeys(name for placed in disturbed.values() for name in placed.of):
        of_policy = {
            p: placed.of[name].arrays() for p, placed in disturbed.items() if name in placed.of
        }
        low = np.min([places.min(axis=0) for places, _, _ in of_policy.values()], axis=0)
        high = np.max([places.max(axis=0) for places, _, _ in of_policy.values()], axis=0)
        if (high - low).min() < LEAST_WIDTH:
            continue
        ahead = np.linspace(low[0], high[0], AHEAD + 1)
        left = np.linspace(low[1], high[1], ACROSS + 1)
        for policy, columns in of_policy.items():
            maps.append(_map(policy, name, ahead, left, *columns))
    return maps


def _map(
    policy: str,
    name: str,
    ahead: np.ndarray,
    left: np.ndarray,
    places: np.ndarray,
    hits: np.ndarray,
    starts: np.ndarray,
) -> PlaceMap:
    cell = _part(ahead, places[:, 0]) * ACROSS + _part(left, places[:, 1])
    cells = {
        divmod(number, ACROSS): shared_proportion(hits[cell == number], starts[cell == number])
        for number in np.unique(cell).tolist()
    }
    failed = np.unique(places[~hits], axis=0)
    marked = failed[:: -(-len(failed) // MOST_MARKS) or 1]
    failures = tuple((float(x), float(y)) for x, y in marked)
    borders = tuple(ahead.tolist()), tuple(left.tolist())
    return PlaceMap(policy, name, *borders, cells, failures, len(failed))


def _part(borders: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which part each value is in; the last border belongs to the last."""
    return np.clip(np.searchsorted(borders, values, "right") - 1, 0, len(borders) - 2)
