"""What every figure of a report has, and how policies look in all of them."""

from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.report import svg
from robo_maxent.report.analysis import Findings
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
class Named:
    """A policy or null with how it looks."""

    name: str
    kind: str
    """Class of the style sheet: p0 to p4 of policies, n0 and n1 of nulls."""
    shape: int


def subjects(found: Findings) -> tuple[Named, ...]:
    """Policies and nulls with their looks."""
    policies = (Named(p, f"p{i % STYLES}", i) for i, p in enumerate(found.policies))
    nulls = (Named(null, f"n{i % 2}", 0) for i, null in enumerate(found.nulls))
    return (*policies, *nulls)


def swatch(subject: Named) -> Markup:
    """How a subject looks, for the legend."""
    drawn = [svg.line((1.0, 7.0), (29.0, 7.0), f"line {subject.kind}")]
    if subject.kind.startswith("p"):
        drawn.append(svg.marker(subject.shape, 15.0, 7.0, f"mark {subject.kind}", subject.name))
    return element("svg", *drawn, viewBox="0 0 30 14", class_="swatch", aria_hidden="true")
