"""Plots of severity curves, of mean against sampled actions, and of differences.

Each is a picture with the table behind it. A policy keeps its colour, marker and dash everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from markupsafe import Markup

from robo_maxent.evaluation.intervals import CensoredValue, Proportion
from robo_maxent.evaluation.paired import SuccessDifference
from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.report import svg
from robo_maxent.report.analysis import Analysis, AxisAnalysis
from robo_maxent.report.curves import Curve
from robo_maxent.report.figures import Figure, Style, Table, styles
from robo_maxent.report.formatting import area, counted, limit, points, quantity
from robo_maxent.report.svg import Scale, element

WHOLE = (0.0, 1.0)


# Severity curves.

WIDTH, HEIGHT = 280.0, 178.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 268.0, 10.0, 134.0
INSET = 8.0
"""Margin between the frame and the first and last severity."""
APART = 8.0
"""Distance between the brackets of two policies."""

Measure = Literal["success", "survived"]


def curves(axis: AxisAnalysis, analysis: Analysis, measure: Measure) -> Figure:
    """Plot of the share of episodes for which ``measure`` holds, along an axis."""
    shown = axis.success if measure == "success" else axis.survived
    title, unit = axis.label.title, axis.label.unit
    x = Scale((axis.severities[0], axis.severities[-1]), (LEFT + INSET, RIGHT - INSET))
    y = Scale(WHOLE, (BOTTOM, TOP))
    present = [style for style in styles(analysis) if style.policy in shown]
    judged = [style for style in present if style.policy in analysis.policies]
    layers = [_frame(axis, x, y)]
    layers += [_band(shown[style.policy], style, x, y) for style in judged]
    layers += [
        _bracket(
            shown[style.policy],
            style,
            x,
            y,
            BOTTOM - 4.0 - APART * row,
            f"{style.policy}: {limit(axis, shown[style.policy])}",
        )
        for row, style in enumerate(judged)
    ]
    layers += [_curve(unit, shown[style.policy], style, x, y) for style in reversed(present)]
    limits = {style.policy: limit(axis, shown[style.policy]) for style in judged}
    several = len(analysis.policies) > 1
    note = "\n".join(f"{policy}: {far}" if several else far for policy, far in limits.items())
    spoken = "; ".join(f"{s.policy}: {_spoken(axis, shown[s.policy])}" for s in present)
    label = f"{title}, {measure} by severity. {spoken}"
    picture = svg.picture(WIDTH, HEIGHT, label, *layers)
    return Figure(title, note, picture, _table(axis, shown, present))


def _frame(axis: AxisAnalysis, x: Scale, y: Scale) -> Markup:
    places = [x(severity) for severity in axis.severities]
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(svg.line((LEFT, y(value)), (RIGHT, y(value)), "grid"))
        if value in (0.0, 0.5, 1.0):
            parts.append(svg.text(LEFT - 5, y(value) + 3.5, f"{100 * value:.0f} %", "tick", "end"))
    parts.append(svg.line((LEFT, y(THRESHOLD)), (RIGHT, y(THRESHOLD)), "required"))
    parts += [svg.line((x(s), TOP), (x(s), BOTTOM), "nominal") for s in axis.nominal]
    parts += [svg.line((place, BOTTOM), (place, BOTTOM + 3), "edge") for place in places]
    for index in svg.spaced(places, 25.0):
        parts.append(svg.text(places[index], BOTTOM + 14, f"{axis.severities[index]:g}", "tick"))
    way = " · ".join(filter(None, (axis.label.unit, "harder →")))
    if axis.nominal:
        parts.append(svg.text(x(axis.nominal[0]) - INSET, HEIGHT - 15, "nominal", "hint", "start"))
    parts.append(svg.text(RIGHT, HEIGHT - 15, way, "hint", "end"))
    return element("g", *parts)


def _band(curve: Curve, style: Style, x: Scale, y: Scale) -> Markup:
    pairs = list(zip(curve.severities, curve.shares, strict=True))
    upper = [(x(severity), y(share.high)) for severity, share in pairs]
    lower = [(x(severity), y(share.low)) for severity, share in reversed(pairs)]
    return svg.path([*upper, *lower], f"band {style.colour}", closed=True)


def _curve(unit: str, curve: Curve, style: Style, x: Scale, y: Scale) -> Markup:
    pairs = list(zip(curve.severities, curve.shares, strict=True))
    places = [(x(severity), y(share.share)) for severity, share in pairs]
    parts = [svg.path(places, f"line {style.colour}")]
    if style.marker is not None:
        for place, (severity, share) in zip(places, pairs, strict=True):
            words = f"{style.policy}, {quantity(severity, unit)}: {share}"
            parts.append(svg.marker(style.marker, *place, f"mark {style.colour}", words))
    return element("g", *parts)


def _bracket(curve: Curve, style: Style, x: Scale, y: Scale, height: float, words: str) -> Markup:
    """At a height, between which severities it falls below 90 %, and the interval of that."""
    fall = curve.fall
    if fall is None:
        return Markup("")
    low, high = (_place(end, curve, x) for end in (fall.mildest, fall.hardest))
    parts = [svg.line((low, height), (high, height), f"whisker {style.colour}")]
    if fall.holds is not None and fall.fails is not None:
        ends = x(fall.holds), x(fall.fails)
        corners = [
            (end, height + rise)
            for end, rise in zip((*ends, *ends[::-1]), (-3, -3, 3, 3), strict=True)
        ]
        parts += [
            svg.line((end, y(THRESHOLD)), (end, height), f"drop {style.colour}") for end in ends
        ]
        parts.append(svg.path(corners, f"bracket {style.colour}", closed=True))
    return element("g", element("title", words), *parts)


def _place(end: CensoredValue, curve: Curve, x: Scale) -> float:
    """Position of a severity; at the frame, if it is beyond the tested ones."""
    if not end.side:
        return x(end.value)
    return RIGHT if end.value == curve.severities[-1] else LEFT


def _spoken(axis: AxisAnalysis, curve: Curve) -> str:
    ends = (f"{100 * curve.shares[i].share:.0f} % at {curve.severities[i]:g}" for i in (0, -1))
    return f"{', '.join(ends)}, {limit(axis, curve)}"


def _table(axis: AxisAnalysis, shown: Mapping[str, Curve], present: Sequence[Style]) -> Table:
    policies = tuple(style.policy for style in present)
    listed = [shown[policy] for policy in policies]
    shares = [dict(zip(curve.severities, curve.shares, strict=True)) for curve in listed]
    rows = [
        (quantity(severity, axis.label.unit), *(counted(each.get(severity)) for each in shares))
        for severity in axis.severities
    ]
    rows.append(("90 %", *(limit(axis, curve) for curve in listed)))
    rows.append(("area under the curve", *(area(curve.area) for curve in listed)))
    caption = f"{axis.label.title}: share [95 %] of episodes"
    return Table(caption, ("severity", *policies), tuple(rows))


# Mean against sampled actions.

ROW = 22.0
NAMES = 190.0
MEAN, SAMPLED = Style("mean action", "p0", 0), Style("sampled actions", "p1", 3)


def sampled(analysis: Analysis, policy: str) -> Figure | None:
    """Plot of success along each axis, with the mean action and with sampled ones."""
    axes = [axis for axis in analysis.axes.values() if policy in axis.sampled]
    if not axes:
        return None
    x, height = Scale(WHOLE, (NAMES, 600.0)), ROW * len(axes) + 34.0
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(svg.line((x(value), 6.0), (x(value), height - 26.0), "grid"))
        parts.append(svg.text(x(value), height - 10.0, f"{100 * value:.0f} %", "tick"))
    rows = []
    for index, axis in enumerate(axes):
        title, pair, place = axis.label.title, axis.sampled[policy], 18.0 + ROW * index
        parts.append(svg.text(NAMES - 10.0, place + 4.0, title, "label", "end"))
        parts.append(_interval(pair.mean, x, place - 4.0, MEAN))
        parts.append(_interval(pair.sampled, x, place + 5.0, SAMPLED))
        gain = "-" if pair.difference is None else points(pair.difference.difference)
        rows.append((title, counted(pair.mean), counted(pair.sampled), gain))
    label = (
        f"{policy}: success with its mean action and with sampled actions, along {len(axes)} axes"
    )
    head = ("axis", "mean action", "sampled actions", "sampled less mean, points")
    table = Table(f"{policy}: mean and sampled actions", head, tuple(rows))
    return Figure(policy, "", svg.picture(620.0, height, label, *parts, kind="wide"), table)


def _interval(share: Proportion, x: Scale, y: float, style: Style) -> Markup:
    words, mark = f"{style.policy}: {share}", f"mark {style.colour}"
    return element(
        "g",
        svg.line((x(share.low), y), (x(share.high), y), f"whisker {style.colour}"),
        svg.marker(style.marker or 0, x(share.share), y, mark, words),
    )


# Paired differences.


def reach(analysis: Analysis) -> int:
    """Range in points of success, both ways, that holds all differences."""
    ends = [
        100 * abs(end)
        for axis in analysis.axes.values()
        for each in axis.differences.values()
        for end in each.difference.interval or ()
    ]
    return next(limit for limit in (5, 10, 20, 50, 100) if limit >= max(ends, default=0.0) - 1e-9)


def difference(paired: SuccessDifference, style: Style, reach: int) -> Markup:
    """A difference with its interval around zero, within ``reach`` points, for a table row."""
    x = Scale((-reach / 100, reach / 100), (6.0, 174.0))
    words, value = f"{points(paired.difference)} points", paired.difference.value
    low, high = paired.difference.interval or (value, value)
    parts = (
        svg.line((x(0.0), 0.0), (x(0.0), 20.0), "edge"),
        svg.line((x(low), 10.0), (x(high), 10.0), f"whisker {style.colour}"),
        svg.marker(style.marker or 0, x(value), 10.0, f"mark {style.colour}", words),
    )
    return svg.picture(180.0, 20.0, words, *parts, kind="inline")
