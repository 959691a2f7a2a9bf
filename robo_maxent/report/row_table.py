"""Rows of a stress test in columns, so that a report of a million takes little memory."""

import pickle
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, overload

from robo_maxent.report.rows import Grip, Push, StressEpisode

UNCOUNTED: dict[str, Any] = {
    "reward": 0.0,
    "realized": {},
    "tracking_before": None,
    "tracking_after": None,
    "command": None,
    "progress": None,
    "distance": None,
    "energy": None,
    "cost_of_transport": None,
    "torque_violation": None,
    "limit_violation": None,
}
"""What no number of a report is counted from, and what a row of a table has in its place."""
OWN = ("sim", "length", "pushes", "grip", "path", "places", "metrics")
"""What each row has for itself; the rest is that of many."""

_shared = attrgetter(
    *(
        name
        for name in (each.name for each in fields(StressEpisode))
        if name not in (*UNCOUNTED, *OWN, "params")
    )
)
_of_push = attrgetter(*(each.name for each in fields(Push)))
_of_grip = attrgetter(*(each.name for each in fields(Grip)))


class RowTable(Sequence[StressEpisode]):
    """Rows, a few bytes each; one is made anew whenever it is asked for.

    A row lacks what no number of a report is counted from. Of its parameters it has the names,
    which say that it was disturbed.
    """

    def __init__(self, rows: Iterable[StressEpisode] = ()) -> None:
        """Take these rows, one after the other."""
        self._numbers: dict[tuple[Any, ...], int] = {}  # what rows share -> number of their kind
        self._alike: list[StressEpisode] = []  # a row of each kind
        self._kind, self._sim, self._length = array("I"), array("q"), array("q")
        self._parts, self._ends = bytearray(), array("Q", [0])
        self.extend(rows)

    def extend(self, rows: Iterable[StressEpisode]) -> None:
        """Take more rows."""
        for row in rows:
            self.append(row)

    def append(self, row: StressEpisode) -> None:
        """Take one more row."""
        shared = _shared(row), tuple(row.params)
        number = self._numbers.setdefault(shared, len(self._alike))
        if number == len(self._alike):
            names: dict[str, Any] = dict.fromkeys(row.params)
            nothing = {"pushes": (), "grip": None, "path": None, "places": {}, "metrics": {}}
            self._alike.append(replace(row, **UNCOUNTED, **nothing, params=names))
        self._kind.append(number)
        self._sim.append(row.sim)
        self._length.append(row.length)
        pushes, grip = tuple(map(_of_push, row.pushes)), row.grip and _of_grip(row.grip)
        metrics = row.metrics if row.path else {}  # they say which way it took
        parts = pushes, grip, row.path, row.places, metrics
        if any(parts):
            self._parts += pickle.dumps(parts)
        self._ends.append(len(self._parts))

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._kind)

    @overload
    def __getitem__(self, place: int) -> StressEpisode: ...
    @overload
    def __getitem__(self, place: slice) -> list[StressEpisode]: ...
    def __getitem__(self, place: int | slice) -> StressEpisode | list[StressEpisode]:
        """The row at a place, or those of a slice."""
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        place = range(len(self))[place]  # from the end where it is negative
        alike, start, end = self._alike[self._kind[place]], *self._ends[place : place + 2]
        sim, length = self._sim[place], self._length[place]
        if start == end:
            return replace(alike, sim=sim, length=length)
        pushes, grip, path, places, metrics = pickle.loads(memoryview(self._parts)[start:end])
        return replace(
            alike,
            sim=sim,
            length=length,
            pushes=tuple(Push(*push) for push in pushes),
            grip=grip and Grip(*grip),
            path=path,
            places=places,
            metrics=metrics,
        )


@dataclass(frozen=True)
class Selection(Sequence[StressEpisode]):
    """Some of several rows."""

    rows: Sequence[StressEpisode]
    places: "array[int]"

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> StressEpisode: ...
    @overload
    def __getitem__(self, place: slice) -> list[StressEpisode]: ...
    def __getitem__(self, place: int | slice) -> StressEpisode | list[StressEpisode]:
        """The row at a place among them, or those of a slice."""
        if isinstance(place, slice):
            return [self.rows[each] for each in self.places[place]]
        return self.rows[self.places[place]]
