"""SVG as text: escaped elements, and the scales and ticks of a plot.

Colours are classes, never values, so that the page's style sheet decides them, light or dark.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]
"""x to the right and y down, in units of the picture."""


@dataclass(frozen=True)
class Scale:
    """Linear map from values to positions in a picture."""

    values: tuple[float, float]
    places: tuple[float, float]

    def __call__(self, value: float) -> float:
        """Position of a value."""
        (first, last), (begin, end) = self.values, self.places
        return begin + (value - first) / (last - first) * (end - begin)


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """An SVG element; a trailing underscore of an attribute is dropped, others become hyphens.

    Numbers are rounded to hundredths; an attribute that is None is left out.
    """
    written = [
        f' {name.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for name, value in attributes.items()
        if value is not None
    ]
    inside = "".join(escape(child) for child in children)
    opened = f"<{tag}{''.join(written)}"
    return Markup(f"{opened}>{inside}</{tag}>" if inside else f"{opened}/>")


def picture(width: float, height: float, label: str, *children: object, kind: str = "") -> Markup:
    """A whole picture, which scales with its place; ``label`` is what a screen reader says."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        class_=f"plot {kind}".strip(),
        role="img",
        aria_label=label,
    )


def text(x: float, y: float, words: object, kind: str = "", anchor: str = "middle") -> Markup:
    """Text; ``anchor`` is the part of it that is at x: start, middle or end."""
    return element("text", words, x=x, y=y, class_=kind or None, text_anchor=anchor)


def line(start: Point, end: Point, kind: str) -> Markup:
    """A straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=kind)


def path(points: Iterable[Point], kind: str, closed: bool = False) -> Markup:
    """Straight lines through points."""
    steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return element("path", d=f"M{steps}{'Z' if closed else ''}", class_=kind)


def steps(points: Sequence[Point], end: float) -> list[Point]:
    """Corners of a curve that keeps each height until the next point; the last until ``end``."""
    corners: list[Point] = []
    for x, y in points:
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    return [*corners, (end, corners[-1][1])] if corners else []


def marker(shape: int, x: float, y: float, kind: str, words: str, size: float = 3.6) -> Markup:
    """A point of a curve, in one of five shapes, with words shown on hovering."""
    corners = {
        1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        2: ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
        3: ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
        4: ((0, 1.3), (1.2, -0.9), (-1.2, -0.9)),
    }.get(shape % 5)
    tooltip = element("title", words)
    if corners is None:
        return element("circle", tooltip, cx=x, cy=y, r=size, class_=kind)
    moved = " ".join(f"{number(x + size * a)},{number(y + size * b)}" for a, b in corners)
    return element("polygon", tooltip, points=moved, class_=kind)


def sector(centre: Point, radii: tuple[float, float], angles: tuple[float, float]) -> str:
    """Outline of a ring's sector; angles in rad from straight up, growing to the left."""
    (inner, outer), (begin, end) = radii, angles
    a, b, c, d = (
        polar(centre, r, angle)
        for r, angle in ((outer, begin), (outer, end), (inner, end), (inner, begin))
    )
    arcs = (f"A{number(outer)} {number(outer)} 0 0 0", f"A{number(inner)} {number(inner)} 0 0 1")
    return f"M{_pair(a)}{arcs[0]} {_pair(b)}L{_pair(c)}{arcs[1]} {_pair(d)}Z"


def polar(centre: Point, radius: float, angle: float) -> Point:
    """A point around a centre; the angle in rad from straight up, growing to the left."""
    return centre[0] - radius * math.sin(angle), centre[1] - radius * math.cos(angle)


def spaced(places: Sequence[float], apart: float) -> list[int]:
    """Which of ordered positions to label so that labels stay apart: first and last always."""
    kept: list[int] = []
    for index, place in enumerate(places):
        if not kept or abs(place - places[kept[-1]]) >= apart:
            kept.append(index)
    last = len(places) - 1
    if kept and kept[-1] != last:
        while len(kept) > 1 and abs(places[last] - places[kept[-1]]) < apart:
            kept.pop()
        kept.append(last)
    return kept


def number(value: float) -> str:
    """A coordinate: at most two decimals."""
    rounded = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if rounded == "-0" else rounded


def _text(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
