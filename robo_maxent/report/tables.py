"""Shares by two properties at once: direction and impulse, kind and level, joint and fault."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.report.rows import Row, Start, met

SECTORS = 8
"""Directions that pushes are counted in, 0 ahead, 2 left; and moments of a stride."""


@dataclass(frozen=True)
class Grid:
    """Shares by two properties; a cell that was not run is absent."""

    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    cells: dict[tuple[Any, Any], Proportion]


@dataclass(frozen=True)
class Push:
    """One push of an episode."""

    severity: float
    start: Start
    """Of its episode."""
    record: Mapping[str, Any]
    """What its row says of it."""


def share(hits: Iterable[bool]) -> Proportion:
    """Share of what is true, with its interval."""
    listed = list(hits)
    return proportion(sum(listed), len(listed))


def pushes(found: Iterable[Push], order: Sequence[float]) -> Grid | None:
    """Pushes recovered from, by sector and severity; None: no push says its direction.

    Args:
        found: Pushes.
        order: Severities from mild to hard.
    """
    return _round(found, order, "direction", 2 * math.pi)


def phases(found: Iterable[Push], order: Sequence[float]) -> Grid | None:
    """The same by the eighth of the stride in which a push began; None: none says its phase."""
    return _round(found, order, "phase", 1.0)


def _round(
    found: Iterable[Push],
    order: Sequence[float],
    name: str,
    turn: float,
) -> Grid | None:
    hits: dict[tuple[int, float], list[bool]] = defaultdict(list)
    for push in found:
        place = push.record.get(name)
        if place is not None:
            hits[sector(place, turn), push.severity].append(bool(push.record.get("recovered")))
    return _grid(hits, range(SECTORS), order)


def sector(place: float, turn: float = 2 * math.pi) -> int:
    """Which eighth of a turn is nearest: of directions, rad, 0 ahead and 2 left."""
    return round(place / (turn / SECTORS)) % SECTORS


def kinds(rows: Iterable[Row], order: Sequence[float]) -> Grid | None:
    """Success by kind of terrain and level, levels from easy to hard."""
    hits: dict[tuple[str, float], list[bool]] = defaultdict(list)
    for row in rows:
        kind = row.get("case") or row.get("terrain") or "any"
        hits[str(kind), float(row["severity"])].append(met(row))
    return _grid(hits, dict.fromkeys(kind for kind, _ in hits), order)


def joints(faulty: Mapping[str, Sequence[Row]]) -> Grid | None:
    """Success by joint and fault, of the episodes that had each fault; None: there are none."""
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for fault, rows in faulty.items():
        for row in rows:
            hits[str(row.get("case") or "any"), fault].append(met(row))
    return _grid(hits, dict.fromkeys(joint for joint, _ in hits), faulty)


def _grid(
    hits: Mapping[tuple[Any, Any], list[bool]], rows: Iterable[Any], columns: Iterable[Any]
) -> Grid | None:
    cells = {place: share(found) for place, found in hits.items()}
    used = {column for _, column in cells}
    return Grid(tuple(rows), tuple(c for c in columns if c in used), cells) if cells else None
