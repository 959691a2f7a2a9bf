"""Findings -> the verdict in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.report.analysis import Axis, Findings
from robo_maxent.report.curves import Curve
from robo_maxent.report.formatting import (
    SIGNIFICANT,
    about,
    around,
    counted,
    limit,
    mean_share,
    median,
    noun,
    percent,
    points,
    quantity,
    reached,
    rising,
    title,
)
from robo_maxent.report.tables import Grid

WEAKEST = 3
"""Axes that the verdict names."""


@dataclass(frozen=True)
class Verdict:
    """What an evaluation says about one policy."""

    policy: str
    headline: str
    """The answer in a sentence or two."""
    details: tuple[str, ...]
    """The numbers behind it, a sentence each."""


@dataclass(frozen=True)
class Tile:
    """A number at the top, with what it is."""

    label: str
    value: str
    note: str


def verdicts(found: Findings, suite: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """A verdict on each policy."""
    return tuple(_verdict(found, suite, policy) for policy in found.policies)


def tiles(found: Findings, suite: Mapping[str, Any], policy: str) -> tuple[Tile, ...]:
    """The numbers that stand at the top."""
    made = []
    if policy in found.nominal:
        share = found.nominal[policy]
        made.append(Tile("Undisturbed success", _whole(share), _behind(share)))
    if push := found.axes.get("push"):
        made += _push_tile(push, suite, policy)
    if shares := found.overall.get(policy):
        made.append(Tile("Success while disturbed", _whole(shares), _behind(shares)))
    if weak := weakest(found, policy):
        axis, curve = weak[0]
        made.append(Tile("Weakest", title(axis.name), f"90 % {limit(axis, curve)}"))
    return tuple(made)


def weakest(found: Findings, policy: str) -> list[tuple[Axis, Curve]]:
    """Axes along which success falls below what is required, the earliest first."""
    reached = [(axis, curve) for axis, curve in _scales(found, policy) if not curve.holds]
    return sorted(reached, key=lambda pair: (pair[1].position, pair[0].disturbed[policy].share))


def _scales(found: Findings, policy: str) -> list[tuple[Axis, Curve]]:
    """Axes from mild to hard that a policy was tested along."""
    tested = ((axis, axis.success.get(policy)) for axis in found.axes.values())
    return [(axis, curve) for axis, curve in tested if curve and curve.critical]


def _verdict(found: Findings, suite: Mapping[str, Any], policy: str) -> Verdict:
    first = _push_sentence(found, suite, policy) or _nominal_sentence(found, policy)
    details = (
        _nominal_sentence(found, policy) if first != _nominal_sentence(found, policy) else None,
        _difference_sentence(found, policy),
        _area_sentence(found, policy),
        _recovery_sentence(found, policy),
        _terrain_sentence(found, policy),
        _joint_sentence(found, policy),
        _sampled_sentence(found, policy),
        _null_sentence(found) if policy == found.policies[-1] else None,
    )
    headline = " ".join(filter(None, (first, _weak_sentence(found, policy))))
    return Verdict(policy, headline, tuple(filter(None, details)))


def _nominal_sentence(found: Findings, policy: str) -> str | None:
    share = found.nominal.get(policy)
    return f"Succeeds in {counted(share)} undisturbed episodes." if share else None


def _push_sentence(found: Findings, suite: Mapping[str, Any], policy: str) -> str | None:
    axis = found.axes.get("push")
    if axis is None or policy not in axis.survived:
        return None
    curve = axis.survived[policy]
    choices = list(zip(curve.severities, curve.shares, strict=True))
    if len(choices) > 1 and choices[0][0] == axis.severities[0]:
        choices = choices[1:]
    severity, share = min(choices, key=lambda choice: abs(choice[0] - _reference(axis, suite)))
    impulse = f"{quantity(severity, axis.unit)}{_in_newton_seconds(severity, axis, suite)}"
    return f"Survives {percent(share)} of {share.count:,} episodes with pushes of {impulse}."


def _reference(axis: Axis, suite: Mapping[str, Any]) -> float:
    """The push that the verdict is about: one capture impulse, in the unit of the axis."""
    lateral = (suite.get("capture_impulse") or {}).get("lateral")
    return float(lateral) if lateral and axis.unit == "N·s" else 1.0


def _in_newton_seconds(severity: float, axis: Axis, suite: Mapping[str, Any]) -> str:
    sides = suite.get("capture_impulse") or {}
    if axis.unit == "N·s" or not {"lateral", "longitudinal"} <= sides.keys():
        return ""
    lateral, longitudinal = (severity * float(sides[s]) for s in ("lateral", "longitudinal"))
    return f" ({lateral:.1f} N·s sideways, {longitudinal:.1f} N·s lengthwise)"


def _weak_sentence(found: Findings, policy: str) -> str | None:
    weak = weakest(found, policy)
    if weak:
        named = "; ".join(_breaks(axis, curve) for axis, curve in weak[:WEAKEST])
        return f"Weakest: {named}."
    scales = _scales(found, policy)
    return f"None of the {len(scales)} scales tested broke it{_open(scales)}." if scales else None


def _breaks(axis: Axis, curve: Curve) -> str:
    assert curve.critical is not None  # of a scale
    if curve.never:
        where = "at any severity"
    else:
        way = "above" if rising(axis) else "below"
        where = f"{way} {about(curve.critical.value.value, axis.unit)}"
    return f"{noun(axis.name)} {where}{around(curve.critical)}"


def _open(scales: list[tuple[Axis, Curve]]) -> str:
    """Scales along which a policy held, while the interval says that it may not."""
    names = [
        title(axis.name).lower()
        for axis, curve in scales
        if curve.critical and curve.critical.low != curve.critical.high
    ]
    if not names:
        return ""
    which = ", ".join(names) if len(names) <= WEAKEST else f"{len(names)} of them"
    return f", though the intervals leave it open for {which}"


def _area_sentence(found: Findings, policy: str) -> str | None:
    """The axis with the smallest area; of one axis alone, that of it."""
    areas = [(axis, curve.area) for axis, curve in _scales(found, policy) if curve.area]
    if not areas:
        return None
    axis, area = min(areas, key=lambda pair: pair[1].value)
    which = "is lowest along" if len(areas) > 1 else "along"
    return (
        f"Mean success from nominal to the hardest severity {which} {title(axis.name).lower()}: "
        f"{mean_share(area)}."
    )


def _difference_sentence(found: Findings, policy: str) -> str | None:
    """Where a further policy is better than the first, and where it is worse."""
    axes = {axis.name: axis.differences.get(policy) for axis in found.axes.values()}
    compared = {name: each for name, each in axes.items() if each}
    if not compared:
        return None
    named: dict[str, list[str]] = {"better": [], "worse": []}
    for name in sorted(compared, key=lambda name: -abs(compared[name].difference.value)):
        if found.adjusted[policy, name] < SIGNIFICANT:
            way = "better" if compared[name].difference.value > 0 else "worse"
            named[way].append(f"{title(name).lower()} by {points(compared[name])}")
    parts = [f"{way} along {_few(names)}" for way, names in named.items() if names]
    told = "; ".join(parts) or "not told apart along any axis"
    return f"Beside {found.policies[0]} on the same episodes, in points of success: {told}."


def _few(names: list[str]) -> str:
    """The first of several names, and how many there are besides."""
    more = len(names) - WEAKEST
    return ", ".join(names[:WEAKEST]) + (f" and {more} more" if more > 0 else "")


def _recovery_sentence(found: Findings, policy: str) -> str | None:
    pushed = found.recovery.get(policy)
    if pushed is None:
        return None
    return (
        f"Recovers from {pushed.events:,} of {pushed.count:,} pushes within {WITHIN:g} s; median "
        f"time {median(pushed)}, counting the others as longer."
    )


def _terrain_sentence(found: Findings, policy: str) -> str | None:
    known, new = (
        found.axes[name].disturbed.get(policy) if name in found.axes else None
        for name in ("terrain", "terrain_heldout")
    )
    if known is None and new is None:
        return None
    parts = [f"{percent(known)} on the kinds of terrain that training has"] if known else []
    parts += [f"{percent(new)} on kinds that it never has"] if new else []
    return f"Succeeds in {', '.join(parts)}."


def _joint_sentence(found: Findings, policy: str) -> str | None:
    grid = found.joints.get(policy)
    if grid is None:
        return None
    shares = [
        f"{percent(found.axes[axis].disturbed[policy])} with one joint {fault}"
        for axis, fault in (("dead_joint", "dead"), ("locked_joint", "locked"))
        if axis in found.axes and policy in found.axes[axis].disturbed
    ]
    joint, fault = _worst(grid)
    worst = f"{joint} {fault}, {100 * grid.cells[joint, fault].share:.0f} %"
    return f"Succeeds in {', '.join(shares)}; worst is {worst}."


def _worst(grid: Grid) -> tuple[Any, Any]:
    return min(grid.cells, key=lambda cell: (grid.cells[cell].share, cell))


def _sampled_sentence(found: Findings, policy: str) -> str | None:
    """The axis where sampling actions changes most."""
    both = {a.name: a.sampled[policy] for a in found.axes.values() if policy in a.sampled}
    compared = {name: s.difference for name, s in both.items() if s.difference}
    if not compared:
        return None
    name, most = max(compared.items(), key=lambda item: abs(item[1].difference.value))
    return (
        f"Sampling its actions instead of taking their mean changes success most along "
        f"{title(name).lower()}: {points(most)} points."
    )


def _null_sentence(found: Findings) -> str | None:
    shares = {null: found.overall.get(null) for null in found.nulls}
    named = [f"{null} {percent(share)}" for null, share in shares.items() if share]
    return (
        f"For comparison, success while disturbed of {' and of '.join(named)}." if named else None
    )


def _push_tile(axis: Axis, suite: Mapping[str, Any], policy: str) -> list[Tile]:
    curve = axis.success.get(policy)
    if curve is None or curve.critical is None:
        return []
    impulse = _in_newton_seconds(curve.critical.value.value, axis, suite).strip(" ()")
    note = " · ".join(filter(None, (around(curve.critical).strip(), impulse)))
    return [Tile("Pushes with 90 % success", reached(axis, curve), note)]


def _whole(share: Proportion) -> str:
    return percent(share).split(" [")[0]


def _behind(share: Proportion) -> str:
    return f"[{100 * share.low:.1f}, {100 * share.high:.1f}] of {share.count:,} episodes"
