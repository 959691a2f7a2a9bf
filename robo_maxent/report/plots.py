"""Findings -> plots: severity curves, recovery times, mean against sampled actions, differences.

Each is a picture with the table behind it. A policy keeps its colour, marker and dash everywhere.
"""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from robo_maxent.evaluation.intervals import CensoredValue, Proportion
from robo_maxent.evaluation.paired import SuccessDifference
from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report import svg
from robo_maxent.report.analysis import Axis, Findings
from robo_maxent.report.curves import Curve
from robo_maxent.report.figures import Figure, Named, Table, subjects
from robo_maxent.report.formatting import area, counted, limit, median, points, quantity, title
from robo_maxent.report.svg import Scale, element

WHOLE = (0.0, 1.0)


# Severity curves.

WIDTH, HEIGHT = 280.0, 178.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 268.0, 10.0, 134.0
INSET = 8.0
"""Between the frame and the first and last severity."""
APART = 8.0
"""Between the critical severities of two policies, so that neither covers the other."""


def curves(axis: Axis, found: Findings, measure: str) -> Figure:
    """One axis: the share that ``measure`` names, "success" or "survived", along its severities."""
    shown: Mapping[str, Curve] = getattr(axis, measure)
    x = Scale((axis.severities[0], axis.severities[-1]), (LEFT + INSET, RIGHT - INSET))
    y = Scale(WHOLE, (BOTTOM, TOP))
    present = [subject for subject in subjects(found) if subject.name in shown]
    layers = [_frame(axis, x, y)]
    layers += [_band(shown[s.name], s, x, y) for s in present if s.kind.startswith("p")]
    judged = [s for s in present if s.name in found.policies]
    layers += [
        _drop(axis, shown[s.name], s, x, y, BOTTOM - 4.0 - APART * row)
        for row, s in enumerate(judged)
    ]
    layers += [_curve(axis, shown[s.name], s, x, y) for s in reversed(present)]
    reached = {s.name: f"90 % {limit(axis, shown[s.name])}" for s in judged}
    several = len(found.policies) > 1
    note = "\n".join(f"{name}: {far}" if several else far for name, far in reached.items())
    words = "; ".join(f"{s.name}: {_spoken(axis, shown[s.name])}" for s in present)
    label = f"{title(axis.name)}, {measure} by severity. {words}"
    return Figure(
        title(axis.name),
        note,
        svg.picture(WIDTH, HEIGHT, label, *layers),
        _table(axis, shown, present),
    )


def _frame(axis: Axis, x: Scale, y: Scale) -> Markup:
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(svg.line((LEFT, y(value)), (RIGHT, y(value)), "grid"))
        if value in (0.0, 0.5, 1.0):
            parts.append(svg.text(LEFT - 5, y(value) + 3.5, f"{100 * value:.0f} %", "tick", "end"))
    parts.append(svg.line((LEFT, y(THRESHOLD)), (RIGHT, y(THRESHOLD)), "required"))
    parts.append(svg.line((x(axis.severities[0]), TOP), (x(axis.severities[0]), BOTTOM), "nominal"))
    places = [x(severity) for severity in axis.severities]
    parts += [svg.line((place, BOTTOM), (place, BOTTOM + 3), "edge") for place in places]
    for index in svg.spaced(places, 25.0):
        parts.append(svg.text(places[index], BOTTOM + 14, f"{axis.severities[index]:g}", "tick"))
    parts.append(svg.text(LEFT, HEIGHT - 15, "nominal", "hint", "start"))
    parts.append(
        svg.text(
            RIGHT, HEIGHT - 15, " · ".join(filter(None, (axis.unit, "harder →"))), "hint", "end"
        )
    )
    return element("g", *parts)


def _band(curve: Curve, subject: Named, x: Scale, y: Scale) -> Markup:
    pairs = list(zip(curve.severities, curve.shares, strict=True))
    upper = [(x(severity), y(share.high)) for severity, share in pairs]
    lower = [(x(severity), y(share.low)) for severity, share in reversed(pairs)]
    return svg.path([*upper, *lower], f"band {subject.kind}", closed=True)


def _curve(axis: Axis, curve: Curve, subject: Named, x: Scale, y: Scale) -> Markup:
    places = [
        (x(s), y(share.share)) for s, share in zip(curve.severities, curve.shares, strict=True)
    ]
    drawn = [svg.path(places, f"line {subject.kind}")]
    if subject.kind.startswith("p"):
        told = (
            f"{subject.name}, {quantity(severity, axis.unit)}: {share}"
            for severity, share in zip(curve.severities, curve.shares, strict=True)
        )
        drawn += [
            svg.marker(subject.shape, *place, f"mark {subject.kind}", words)
            for place, words in zip(places, told, strict=True)
        ]
    return element("g", *drawn)


def _drop(axis: Axis, curve: Curve, subject: Named, x: Scale, y: Scale, height: float) -> Markup:
    """From the 90 % line down to the critical severity, and its interval at a height."""
    if curve.critical is None:
        return Markup("")
    low, value, high = (
        _place(end, curve, x)
        for end in (curve.critical.low, curve.critical.value, curve.critical.high)
    )
    words = f"{subject.name}: 90 % {limit(axis, curve)}"
    drawn = []
    if curve.critical.low != curve.critical.high:
        drawn.append(svg.line((low, height), (high, height), f"whisker {subject.kind}"))
    if not curve.critical.value.side:
        drawn.append(svg.line((value, y(THRESHOLD)), (value, BOTTOM), f"drop {subject.kind}"))
        drawn.append(svg.marker(4, value, height, f"critical {subject.kind}", words, 4.0))
    return element("g", *drawn)


def _place(end: CensoredValue, curve: Curve, x: Scale) -> float:
    """Where a severity is; the frame, if it lies beyond those that were tested."""
    if not end.side:
        return x(end.value)
    return RIGHT if end.value == curve.severities[-1] else LEFT


def _spoken(axis: Axis, curve: Curve) -> str:
    ends = (f"{100 * curve.shares[i].share:.0f} % at {curve.severities[i]:g}" for i in (0, -1))
    return f"{', '.join(ends)}, 90 % {limit(axis, curve)}"


def _table(axis: Axis, shown: Mapping[str, Curve], present: Sequence[Named]) -> Table:
    shares = {
        s.name: dict(zip(shown[s.name].severities, shown[s.name].shares, strict=True))
        for s in present
    }
    rows = [
        (quantity(severity, axis.unit), *(counted(shares[s.name].get(severity)) for s in present))
        for severity in axis.severities
    ]
    reach = tuple(limit(axis, shown[s.name]) for s in present)
    areas = tuple(area(shown[s.name].area) for s in present)
    rows += [("holds 90 %", *reach), ("area under the curve", *areas)]
    names = tuple(s.name for s in present)
    return Table(f"{title(axis.name)}: share [95 %] of episodes", ("severity", *names), tuple(rows))


# Recovery times.

WIDE, TALL = 380.0, 352.0
FLOOR, END = 310.0, 266.0
"""Where the axes end, below and on the right."""
END_LABEL = 13
"""Letters that fit at the end of a curve."""


def recovery(name: str, note: str, lines: Sequence[tuple[str, str, WaitingTimes]]) -> Figure:
    """Share of pushes recovered from by a time; ``lines`` have a name and a class each."""
    window = max(WITHIN, *(found.curve.times[-1] for _, _, found in lines))
    x, y = Scale((0.0, window), (38.0, END)), Scale(WHOLE, (FLOOR, 12.0))
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(svg.line((38.0, y(value)), (END, y(value)), "grid"))
        parts.append(svg.text(32.0, y(value) + 3.5, f"{100 * value:.0f} %", "tick", "end"))
        parts.append(svg.text(x(value * window), FLOOR + 16.0, f"{value * window:g}", "tick"))
        parts.append(svg.line((x(value * window), FLOOR), (x(value * window), FLOOR + 3.0), "edge"))
    parts.append(svg.text((38.0 + END) / 2, FLOOR + 34.0, "seconds since the push ended", "hint"))
    parts += [_risen_band(found, kind, x, y, window) for _, kind, found in lines]
    parts += [_risen(found, kind, x, y, window) for _, kind, found in lines]
    parts += _end_labels(lines, y)
    told = "; ".join(
        f"{label}: {_recovered(found)}, median {median(found)}" for label, _, found in lines
    )
    picture = svg.picture(WIDE, TALL, f"{name}. {told}", *parts)
    rows = tuple(
        (
            label,
            f"{found.count:,}",
            _recovered(found),
            f"{found.count - found.events:,}",
            median(found),
        )
        for label, _, found in lines
    )
    head = ("pushes", "count", "recovered", "not recovered (censored)", "median")
    return Figure(name, note, picture, Table(name, head, rows))


def _risen(found: WaitingTimes, kind: str, x: Scale, y: Scale, window: float) -> Markup:
    risen = [(0.0, 1.0), *zip(found.curve.times, found.curve.waiting, strict=True)]
    corners = svg.steps([(x(time), y(1.0 - waiting)) for time, waiting in risen], x(window))
    drawn = [svg.path(corners, f"line {kind}")]
    if found.events < found.count:
        end, height = corners[-1]
        drawn.append(svg.line((end - 4, height), (end + 4, height), f"line solid {kind}"))
        drawn.append(svg.line((end, height - 4), (end, height + 4), f"line solid {kind}"))
    return element("g", *drawn)


def _risen_band(found: WaitingTimes, kind: str, x: Scale, y: Scale, window: float) -> Markup:
    if not found.events:
        return Markup("")
    low, high = (
        svg.steps(
            [(x(t), y(1.0 - end)) for t, end in zip(found.curve.times, ends, strict=True)],
            x(window),
        )
        for ends in (found.curve.high, found.curve.low)
    )
    return svg.path([*high, *reversed(low)], f"band {kind}", closed=True)


def _end_labels(lines: Sequence[tuple[str, str, WaitingTimes]], y: Scale) -> list[Markup]:
    """Names at the ends of the curves, moved apart where they would overlap."""
    shares = ((1.0 - found.curve.waiting[-1], label) for label, _, found in lines)
    labels, lowest = [], 0.0
    for height, label, share in sorted((y(share), label, 100 * share) for share, label in shares):
        place = max(height + 3.5, lowest + 13.0)
        labels.append(
            svg.text(END + 9.0, place, f"{share:.0f} %  {_short(label)}", "end-label", "start")
        )
        lowest = place
    return labels


def _short(label: str) -> str:
    """What has room at the end of a curve; the table has the whole."""
    return label if len(label) <= END_LABEL else f"{label[: END_LABEL - 1]}…"


def _recovered(found: WaitingTimes) -> str:
    return f"{100 * found.events / found.count:.1f} %"


# Mean against sampled actions.

ROW = 22.0
NAMES = 190.0


def sampled(found: Findings, policy: str) -> Figure | None:
    """Success along each axis with the mean action and with sampled ones."""
    axes = [axis for axis in found.axes.values() if policy in axis.sampled]
    if not axes:
        return None
    x, height = Scale(WHOLE, (NAMES, 600.0)), ROW * len(axes) + 34.0
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(svg.line((x(value), 6.0), (x(value), height - 26.0), "grid"))
        parts.append(svg.text(x(value), height - 10.0, f"{100 * value:.0f} %", "tick"))
    rows = []
    for index, axis in enumerate(axes):
        pair, place = axis.sampled[policy], 18.0 + ROW * index
        parts.append(svg.text(NAMES - 10.0, place + 4.0, title(axis.name), "label", "end"))
        parts.append(_interval(pair.mean, x, place - 4.0, "mean action", 0, "p0"))
        parts.append(_interval(pair.sampled, x, place + 5.0, "sampled actions", 3, "p1"))
        gain = "-" if pair.difference is None else points(pair.difference)
        rows.append((title(axis.name), counted(pair.mean), counted(pair.sampled), gain))
    label = (
        f"{policy}: success with its mean action and with sampled actions, along {len(axes)} axes"
    )
    head = ("axis", "mean action", "sampled actions", "sampled less mean, points")
    table = Table(f"{policy}: mean and sampled actions", head, tuple(rows))
    return Figure(policy, "", svg.picture(620.0, height, label, *parts, kind="wide"), table)


def _interval(share: Proportion, x: Scale, y: float, words: str, shape: int, kind: str) -> Markup:
    return element(
        "g",
        svg.line((x(share.low), y), (x(share.high), y), f"whisker {kind}"),
        svg.marker(shape, x(share.share), y, f"mark {kind}", f"{words}: {share}"),
    )


# Paired differences.


def reach(found: Findings) -> int:
    """Points of success, either way, that hold every difference."""
    ends = [
        100 * abs(end)
        for axis in found.axes.values()
        for each in axis.differences.values()
        for end in each.difference.interval or ()
    ]
    return next(limit for limit in (5, 10, 20, 50, 100) if limit >= max(ends, default=0.0) - 1e-9)


def difference(found: SuccessDifference, kind: str, shape: int, reach: int) -> Markup:
    """A difference with its interval around zero, up to ``reach`` points, for a row of a table."""
    x = Scale((-reach / 100, reach / 100), (6.0, 174.0))
    words, value = f"{points(found)} points", found.difference.value
    low, high = found.difference.interval or (value, value)
    parts = (
        svg.line((x(0.0), 0.0), (x(0.0), 20.0), "edge"),
        svg.line((x(low), 10.0), (x(high), 10.0), f"whisker {kind}"),
        svg.marker(shape, x(value), 10.0, f"mark {kind}", words),
    )
    return svg.picture(180.0, 20.0, words, *parts, kind="inline")
