"""Rows of a robustness evaluation: what every row holds, what names it, which are worth watching.

A row is one episode as the suite stores it, one JSON object a line.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robo_maxent.errors import UsageError

Row = Mapping[str, Any]
Start = tuple[Any, ...]

AXES = (
    "nominal",
    "push",
    "timing",
    "friction",
    "slip",
    "payload",
    "com",
    "motor_strength",
    "dead_joint",
    "locked_joint",
    "gains",
    "sensor_noise",
    "encoder_bias",
    "action_delay",
    "packet_loss",
    "gravity_tilt",
    "terrain",
    "terrain_heldout",
    "combined",
)
"""Axes that a suite may have, in the order in which they are shown."""
OUTCOMES = ("success", "wandered", "stuck", "fell", "diverged", "fault")
"""How an episode ends, from good to bad."""
MODES = ("mean", "sampled", "null")
"""How a policy chose its actions; null: it is no policy, but what one is compared with."""


def check(rows: Sequence[Row]) -> None:
    """Check what every row must have.

    Raises:
        UsageError: The message says which row, what is wrong, and what is allowed.
    """
    if not rows:
        raise UsageError("there are no rows to report on")
    for number, row in enumerate(rows, 1):
        for name in ("policy", "axis", "severity"):
            if row.get(name) is None:
                raise UsageError(f"row {number} has no {name!r}; it has {', '.join(sorted(row))}")
        severity = row["severity"]
        if not isinstance(severity, int | float) or not math.isfinite(severity):
            raise UsageError(f"row {number}: severity must be a finite number, got {severity!r}")
        if mode_of(row) not in MODES:
            allowed = ", ".join(MODES)
            raise UsageError(f"row {number}: mode must be one of {allowed}, got {row['mode']!r}")
        if all(row.get(name) is None for name in ("success", "survived", "terminated")):
            raise UsageError(f"row {number} says neither 'success' nor 'survived'")
    twice = [name for name, count in Counter(map(identity, rows)).items() if count > 1]
    if twice:
        raise UsageError(f"row {twice[0]} is there more than once; give each episode once")


def identity(row: Row) -> str:
    """What names a row among all of an evaluation, for people, clips and replays."""
    where = row["axis"], f"{row['severity']:g}", row.get("case") or "-"
    episode = "-".join(str(row.get(name, 0)) for name in ("seed", "sim", "index"))
    return "/".join(map(str, (row["policy"], mode_of(row), *where, episode)))


def pair_key(row: Row) -> tuple[Any, ...]:
    """What rows of two policies have in common if they are the same episode."""
    return row["axis"], float(row["severity"]), row.get("case") or "", *start_of(row)


def start_of(row: Row) -> Start:
    """What episodes have in common that begin alike, with the same command and the same noise."""
    return tuple(row.get(name, 0) for name in ("seed", "sim", "index"))


def mode_of(row: Row) -> str:
    """How the policy of a row chose its actions."""
    return row.get("mode") or "mean"


def met(row: Row) -> bool:
    """Whether an episode succeeded; of a task that knows no success, whether it survived."""
    success = row.get("success")
    return survived(row) if success is None else bool(success)


def survived(row: Row) -> bool:
    """Whether an episode neither fell nor diverged."""
    known = row.get("survived")
    return not row.get("terminated", False) if known is None else bool(known)


def outcome_of(row: Row) -> str:
    """How an episode ended; of a row that does not say, as far as it tells."""
    if row.get("outcome"):
        return str(row["outcome"])
    if row.get("diverged"):
        return "diverged"
    return "success" if met(row) else "wandered" if survived(row) else "fell"


def in_order(axes: Iterable[str]) -> list[str]:
    """Axes as they are shown: the known ones first, then others by name."""
    places = {name: place for place, name in enumerate(AXES)}
    return sorted(axes, key=lambda name: (places.get(name, len(places)), name))


def severities_of(axis: str, rows: Iterable[Row], suite: Mapping[str, Any]) -> tuple[float, ...]:
    """Severities of an axis from mild to hard: as the suite lists them, else as rows come."""
    listed = (c for c in suite.get("conditions") or () if c.get("axis") == axis)
    present = dict.fromkeys(float(row["severity"]) for row in rows if row["axis"] == axis)
    order = dict.fromkeys(float(c["severity"]) for c in listed if float(c["severity"]) in present)
    return tuple(order | present)


def is_disturbed(row: Row, severities: Sequence[float]) -> bool:
    """Whether its severity is another than the nominal one, which is the first of several."""
    return len(severities) < 2 or row["severity"] != severities[0]


def choose_failures(rows: Sequence[Row], suite: Mapping[str, Any], count: int = 12) -> list[Row]:
    """Failed episodes worth watching: where most fail first, and there the mildest disturbances.

    Axes take turns, and so do cases of an axis (directions, joints, kinds) and policies.
    """
    order = {axis: severities_of(axis, rows, suite) for axis in {row["axis"] for row in rows}}
    queues: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if mode_of(row) == "mean" and not met(row) and is_disturbed(row, order[row["axis"]]):
            queues[row["axis"], row["policy"]].append(row)
    turns = {key: _by_turns(queue, order[key[0]]) for key, queue in queues.items()}
    keys = sorted(turns, key=lambda key: (-len(turns[key]), *key))
    deepest = max(map(len, turns.values()), default=0)
    every = (turns[key][turn] for turn in range(deepest) for key in keys if turn < len(turns[key]))
    return [row for row, _ in zip(every, range(count), strict=False)]


def _by_turns(queue: list[Row], severities: Sequence[float]) -> list[Row]:
    """Failures of one axis from mild to hard, one of each case and severity at a time."""
    rank = {severity: place for place, severity in enumerate(severities)}
    named = [(rank[float(row["severity"])], identity(row), row) for row in queue]
    named.sort(key=lambda entry: entry[:2])
    seen: Counter[tuple[int, str]] = Counter()
    ordered = []
    for place, name, row in named:
        where = (place, row.get("case") or "")
        ordered.append((seen[where], place, name, row))
        seen[where] += 1
    return [row for *_, row in sorted(ordered, key=lambda entry: entry[:3])]
