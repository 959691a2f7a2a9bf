"""Plots of the share recovered over time (Kaplan and Meier 1958)."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report import svg
from robo_maxent.report.analysis import Analysis
from robo_maxent.report.figures import Figure, Table, styles
from robo_maxent.report.formatting import counted, median
from robo_maxent.report.grips import GripAnalysis
from robo_maxent.report.recovery_times import RecoveryAnalysis
from robo_maxent.report.svg import Scale, element

WIDTH, HEIGHT = 380.0, 352.0
LEFT, RIGHT, TOP, BOTTOM = 38.0, 266.0, 12.0, 310.0
"""Where the axes end; the names of the curves stand right of them."""
SHADES = 6
"""Number of severities with different shades."""
END_LABEL = 13
"""Most characters of a label at the end of a curve."""


@dataclass(frozen=True)
class Line:
    """One curve of a plot."""

    name: str
    colour: str
    """CSS class."""
    times: WaitingTimes

    @property
    def recovered(self) -> str:
        """Share that was recovered in time: ``92.5 %``."""
        return f"{100 * self.times.events / self.times.count:.1f} %"


def figures(recovery: RecoveryAnalysis, analysis: Analysis) -> list[Figure]:
    """Plots of the recovery times of all policies, then of each policy by severity."""
    everyone = [
        Line(style.policy, style.colour, recovery.compared[style.policy])
        for style in styles(analysis)
        if style.policy in recovery.compared
    ]
    note = "+ ends a curve that leaves pushes without recovery"
    if len(everyone) > 1:
        note = f"all by the safe set of {analysis.policies[0]}\n{note}"
    plots = [plot("Time to recover: all pushes", note, everyone)]
    for policy, by_severity in recovery.by_severity.items():
        lines = [
            Line(f"{severity:g}", f"v{min(place, SHADES - 1)}", times)
            for place, (severity, times) in enumerate(by_severity.items())
        ]
        note = f"curves: {', '.join(line.name for line in lines)} {recovery.label.unit}".strip()
        plots.append(plot(f"Time to recover: {policy} by severity", note, lines))
    return plots


def grip_figures(analysis: GripAnalysis) -> list[Figure]:
    """Plots, for each policy, of how soon it held a lost object again, by severity."""
    figures = []
    unit = f" {analysis.label.unit}".rstrip()
    for policy, by_severity in analysis.by_severity.items():
        lines = [
            Line(f"{severity:g}", f"v{min(place, SHADES - 1)}", each.times)
            for place, (severity, each) in enumerate(by_severity.items())
            if each.times is not None
        ]
        note = "; ".join(
            f"{severity:g}{unit}: lost in {counted(each.lost)}"
            for severity, each in by_severity.items()
        )
        if lines:
            figures.append(plot(f"Time to regrasp: {policy}", note, lines, LOSSES))
    return figures


@dataclass(frozen=True)
class Counted:
    """What the curves of a plot count."""

    things: str
    recovered: str
    since: str
    window: float
    """Time that is shown at least, s."""


PUSHES = Counted("pushes", "recovered", "seconds since the push ended", WITHIN)
LOSSES = Counted("losses", "regrasped", "seconds since the object was lost", 1.0)


def plot(title: str, note: str, lines: Sequence[Line], events: Counted = PUSHES) -> Figure:
    """Plot of the share recovered over time."""
    window = max(events.window, *(line.times.curve.times[-1] for line in lines))
    x, y = Scale((0.0, window), (LEFT, RIGHT)), Scale((0.0, 1.0), (BOTTOM, TOP))
    parts = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        time, height = x(part * window), y(part)
        parts.append(svg.line((LEFT, height), (RIGHT, height), "grid"))
        parts.append(svg.text(LEFT - 6.0, height + 3.5, f"{100 * part:.0f} %", "tick", "end"))
        parts.append(svg.text(time, BOTTOM + 16.0, f"{part * window:g}", "tick"))
        parts.append(svg.line((time, BOTTOM), (time, BOTTOM + 3.0), "edge"))
    middle = (LEFT + RIGHT) / 2
    parts.append(svg.text(middle, BOTTOM + 34.0, events.since, "hint"))
    parts += [_band(line, x, y, window) for line in lines]
    parts += [_curve(line, x, y, window) for line in lines]
    parts += _end_labels(lines, y)
    spoken = "; ".join(f"{r.name}: {r.recovered}, median {median(r.times)}" for r in lines)
    picture = svg.picture(WIDTH, HEIGHT, f"{title}. {spoken}", *parts, kind="map")
    return Figure(title, note, picture, _table(title, lines, events))


def _table(title: str, lines: Sequence[Line], events: Counted) -> Table:
    rows = tuple(
        (
            line.name,
            f"{line.times.count:,}",
            line.recovered,
            f"{line.times.count - line.times.events:,}",
            median(line.times),
        )
        for line in lines
    )
    done = events.recovered
    head = (events.things, "count", done, f"not {done} (censored)", "median")
    return Table(title, head, rows)


def _curve(line: Line, x: Scale, y: Scale, window: float) -> Markup:
    times, waiting = line.times.curve.times, line.times.curve.waiting
    risen = [(0.0, 1.0), *zip(times, waiting, strict=True)]
    corners = svg.steps([(x(time), y(1.0 - left)) for time, left in risen], x(window))
    parts = [svg.path(corners, f"line {line.colour}")]
    if line.times.events < line.times.count:
        end, height = corners[-1]
        solid = f"line solid {line.colour}"
        parts.append(svg.line((end - 4, height), (end + 4, height), solid))
        parts.append(svg.line((end, height - 4), (end, height + 4), solid))
    return element("g", *parts)


def _band(line: Line, x: Scale, y: Scale, window: float) -> Markup:
    if not line.times.events:
        return Markup("")
    curve = line.times.curve
    low, high = (
        svg.steps(
            [(x(t), y(1.0 - end)) for t, end in zip(curve.times, ends, strict=True)], x(window)
        )
        for ends in (curve.high, curve.low)
    )
    return svg.path([*high, *reversed(low)], f"band {line.colour}", closed=True)


def _end_labels(lines: Sequence[Line], y: Scale) -> list[Markup]:
    """Labels at the ends of the curves, moved apart where they would overlap."""
    heights = {line.name: y(1.0 - line.times.curve.waiting[-1]) for line in lines}
    labels, lowest = [], 0.0
    for line in sorted(lines, key=lambda line: (heights[line.name], line.name)):
        place = max(heights[line.name] + 3.5, lowest + 13.0)
        share = 1.0 - line.times.curve.waiting[-1]
        words = f"{100 * share:.0f} %  {_short(line.name)}"
        labels.append(svg.text(RIGHT + 9.0, place, words, "end-label", "start"))
        lowest = place
    return labels


def _short(name: str) -> str:
    """A label that fits at the end of a curve."""
    return name if len(name) <= END_LABEL else f"{name[: END_LABEL - 1]}…"
