"""What every figure of a report has, and how policies look in all of them."""

from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.report import svg
from robo_maxent.report.analysis import Analysis
from robo_maxent.report.svg import element

STYLES = 5
"""Policies that look different; more of them repeat."""


@dataclass(frozen=True)
class Table:
    """The numbers of a plot."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot with its title, a line below it, and its numbers."""

    title: str
    note: str
    picture: Markup
    table: Table


@dataclass(frozen=True)
class Style:
    """How a policy or a baseline looks."""

    policy: str
    colour: str
    """Class of the style sheet: p0 to p4 of policies, b0 and b1 of baselines."""
    marker: int | None
    """Shape of its points; None: a baseline, which is a line only."""


def styles(analysis: Analysis) -> tuple[Style, ...]:
    """How policies, and then baselines, look."""
    policies = (Style(p, f"p{i % STYLES}", i) for i, p in enumerate(analysis.policies))
    baselines = (Style(b, f"b{i % 2}", None) for i, b in enumerate(analysis.baselines))
    return (*policies, *baselines)


def swatch(style: Style) -> Markup:
    """A line and a point of that look, for the legend."""
    parts = [svg.line((1.0, 7.0), (29.0, 7.0), f"line {style.colour}")]
    if style.marker is not None:
        mark = f"mark {style.colour}"
        parts.append(svg.marker(style.marker, 15.0, 7.0, mark, style.policy))
    return element("svg", *parts, viewBox="0 0 30 14", class_="swatch", aria_hidden="true")
