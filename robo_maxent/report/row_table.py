"""Rows of a stress test in columns, so that a report of a million takes little memory."""

import pickle
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, NamedTuple, overload

import numpy as np

from robo_maxent.report.rows import Grip, Points, Push, StressEpisode

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


class Parts(NamedTuple):
    """What a row has for itself, beside its simulation."""

    pushes: tuple[Push, ...] = ()
    grip: Grip | None = None
    path: Points | None = None
    places: Mapping[str, Any] = {}
    metrics: Mapping[str, Any] = {}


NONE = Parts()
"""Of a row that has nothing for itself."""

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
        alike, parts = self._alike[self._kind[place]], self.parts(place)
        sim, length = self._sim[place], self._length[place]
        if parts is NONE:
            return replace(alike, sim=sim, length=length)
        return replace(alike, sim=sim, length=length, **parts._asdict())

    def sims(self, places: np.ndarray) -> np.ndarray:
        """Simulations of the rows at some places, (m,)."""
        return np.asarray(self._sim)[places]

    def parts(self, place: int) -> Parts:
        """What the row at a place has for itself."""
        start, end = self._ends[place : place + 2]
        if start == end:
            return NONE
        pushes, grip, *others = pickle.loads(memoryview(self._parts)[start:end])
        return Parts(tuple(Push(*push) for push in pushes), grip and Grip(*grip), *others)

    def all(self) -> "RowGroup":
        """Every row, to be counted."""
        kind, places = np.array(self._kind, np.int32), np.arange(len(self), dtype=np.int32)
        return RowGroup(self, tuple(self._alike), kind, places)


@dataclass(frozen=True)
class RowGroup:
    """Some rows of a table, which are counted without being made: eight bytes each.

    What rows share is looked up once for each kind.
    """

    table: RowTable
    kinds: tuple[StressEpisode, ...]
    kind: np.ndarray
    """Number of the kind of each row, (n,)."""
    places: np.ndarray
    """Of the rows in the table, (n,)."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.kind)

    def each(self, of: Callable[[StressEpisode], Any]) -> np.ndarray:
        """A number of each row that all rows of its kind have, such as a severity, (n,)."""
        return np.array([of(kind) for kind in self.kinds] or [0])[self.kind]

    def where(self, chosen: np.ndarray) -> "RowGroup":
        """Those for which an array is true, (n,), or those at its places."""
        return replace(self, kind=self.kind[chosen], places=self.places[chosen])

    def only(self, of: Callable[[StressEpisode], bool]) -> "RowGroup":
        """Those of the kinds of which something is true."""
        return self.where(self.each(lambda kind: bool(of(kind))).astype(bool))

    def changed(self, change: Callable[[StressEpisode], StressEpisode]) -> "RowGroup":
        """The same rows, of other kinds."""
        return replace(self, kinds=tuple(change(kind) for kind in self.kinds))

    def compact(self) -> "RowGroup":
        """The same rows, with none but their own kinds."""
        numbers, kind = np.unique(self.kind, return_inverse=True)
        kinds = tuple(self.kinds[number] for number in numbers.tolist())
        return replace(self, kinds=kinds, kind=kind.astype(np.int32))

    def count(self, of: Callable[[StressEpisode], Hashable]) -> dict[Any, int]:
        """How many rows there are of each value, in the order in which values come first."""
        counts: dict[Any, int] = {}
        for kind, count in self.present():
            counts[of(kind)] = counts.get(of(kind), 0) + count
        return counts

    def present(self) -> Iterator[tuple[StressEpisode, int]]:
        """The kinds that there are rows of, in the order of their first rows, and how many."""
        numbers, first, counts = np.unique(self.kind, return_index=True, return_counts=True)
        for place in np.argsort(first).tolist():
            yield self.kinds[numbers[place]], int(counts[place])

    def parts(self) -> Iterator[tuple[int, Parts]]:
        """Place within the group and parts of each row that has some, in their order."""
        for place, row in enumerate(self.places.tolist()):
            if (parts := self.table.parts(row)) is not NONE:
                yield place, parts

    def starts(self, more: Callable[[StressEpisode], Hashable] = lambda kind: None) -> np.ndarray:
        """The same number for rows of the same start, and of the same value of ``more``, (n,).

        They are counted in the order in which starts come first.
        """
        return joint_starts([self], more)[0]


def joined(groups: Sequence[RowGroup]) -> RowGroup:
    """Rows of several groups of one table, one after the other."""
    kinds = tuple(kind for group in groups for kind in group.kinds)
    offsets = np.cumsum([0, *(len(group.kinds) for group in groups)])
    numbers = [g.kind + np.int32(start) for g, start in zip(groups, offsets[:-1], strict=True)]
    places = np.concatenate([group.places for group in groups])
    return RowGroup(groups[0].table, kinds, np.concatenate(numbers), places)


def joint_starts(
    groups: Sequence[RowGroup], more: Callable[[StressEpisode], Hashable]
) -> list[np.ndarray]:
    """The same of several groups: rows of two with the same start have the same number."""
    known: dict[Hashable, int] = {}

    def code(kind: StressEpisode) -> int:
        return known.setdefault((kind.seed, kind.index, more(kind)), len(known))

    codes = np.concatenate([group.each(code) for group in groups])
    sims = np.concatenate([group.table.sims(group.places) for group in groups])
    numbers = numbered(codes, sims)
    return np.split(numbers, np.cumsum([len(group) for group in groups])[:-1])


def numbered(*columns: np.ndarray) -> np.ndarray:
    """The same number for rows that are the same in all columns, by their first places, (n,)."""
    keys = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        numbers = np.unique(column, return_inverse=True)[1]
        keys = keys * (numbers.max(initial=0) + 1) + numbers
        keys = np.unique(keys, return_inverse=True)[1]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]
