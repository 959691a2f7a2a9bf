"""Figures of a report: their contents, and the styles of policies in all of them."""

from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.report import svg
from robo_maxent.report.analysis import Analysis
from robo_maxent.report.svg import element

STYLES = 5
"""Number of different styles; further policies repeat them."""


@dataclass(frozen=True)
class Table:
    """The numbers of a plot."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot with its title, a subtitle, and its numbers as a table."""

    title: str
    note: str
    picture: Markup
    table: Table


@dataclass(frozen=True)
class Style:
    """Style of a policy or a baseline."""

    policy: str
    colour: str
    """CSS class: p0 to p4 for policies, b0 and b1 for baselines."""
    marker: int | None
    """Shape of its points; None for baselines, which are lines only."""


def styles(analysis: Analysis) -> tuple[Style, ...]:
    """Styles of policies, then of baselines."""
    policies = (Style(p, f"p{i % STYLES}", i) for i, p in enumerate(analysis.policies))
    baselines = (Style(b, f"b{i % 2}", None) for i, b in enumerate(analysis.baselines))
    return (*policies, *baselines)


def swatch(style: Style) -> Markup:
    """A line and a point in that style, for the legend."""
    parts = [svg.line((1.0, 7.0), (29.0, 7.0), f"line {style.colour}")]
    if style.marker is not None:
        mark = f"mark {style.colour}"
        parts.append(svg.marker(style.marker, 15.0, 7.0, mark, style.policy))
    return element("svg", *parts, viewBox="0 0 30 14", class_="swatch", aria_hidden="true")
