"""Findings -> maps: pushes around the robot, faults on its joints; and the colours of shares."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.evaluation.summary import Proportion
from robo_maxent.report import svg
from robo_maxent.report.figures import Figure, Table
from robo_maxent.report.formatting import counted, quantity
from robo_maxent.report.svg import element
from robo_maxent.report.tables import SECTORS, Grid

SHADES = (0.25, 0.5, 0.75, 0.9, 0.97)
"""Where a share takes the next colour: warm below the 90 % that are required, cool from there."""
DIRECTIONS = (
    "ahead",
    "ahead left",
    "left",
    "back left",
    "back",
    "back right",
    "right",
    "ahead right",
)
"""Names of the sectors, by where the push drives the robot."""
PHASES = ("phase 0", "1/8", "1/4", "3/8", "1/2", "5/8", "3/4", "7/8")
"""Names of the eighths of a stride."""


def shade(share: float) -> str:
    """Class of the style sheet for a share."""
    return f"s{sum(share >= least for least in SHADES)}"


def shades() -> tuple[tuple[str, str], ...]:
    """Class and range of each colour, for the legend."""
    ends = (0.0, *SHADES, 1.0)
    return tuple(
        (f"s{i}", f"{100 * ends[i]:.0f}-{100 * ends[i + 1]:.0f} %") for i in range(len(SHADES) + 1)
    )


# Pushes: seen from above, the robot in the middle, ahead is up; or a stride, like a clock that
# goes the other way round.

SIDE = 380.0
CENTRE = (SIDE / 2, SIDE / 2)
INNER, OUTER = 46.0, 166.0


@dataclass(frozen=True)
class _Around:
    """What goes around a polar map, anticlockwise from the top, and what is in its middle."""

    title: str
    what: str
    """What the sectors are, in the head of the table."""
    names: tuple[str, ...]
    """Of the sectors."""
    sides: tuple[str, str, str, str]
    """Written at the top, left, bottom and right."""
    middle: Markup


def pushes(policy: str, grid: Grid, unit: str) -> Figure:
    """Share of pushes recovered from, by direction and severity, which grows outward."""
    sides = ("ahead", "left", "back", "right")
    around = _Around("direction", "pushed towards", DIRECTIONS, sides, _robot_from_above())
    return _polar(policy, grid, unit, around)


def phases(policy: str, grid: Grid, unit: str) -> Figure:
    """The same by the phase of the stride in which a push began."""
    x, y = CENTRE
    middle = element("g", svg.text(x, y, "one", "hint"), svg.text(x, y + 13.0, "stride", "hint"))
    sides = ("0", "1/4", "1/2", "3/4")
    return _polar(policy, grid, unit, _Around("stride phase", "began at", PHASES, sides, middle))


def _polar(policy: str, grid: Grid, unit: str, around: _Around) -> Figure:
    width = (OUTER - INNER) / len(grid.columns)
    parts = [around.middle]
    for ring, severity in enumerate(grid.columns):
        radii = INNER + ring * width, INNER + (ring + 1) * width
        parts += [_sector(grid, i, severity, radii, unit, around.names) for i in grid.rows]
    parts += [_ring_label(INNER + (i + 0.5) * width, s) for i, s in enumerate(grid.columns)]
    parts += [_side_label(quarter, words) for quarter, words in enumerate(around.sides)]
    rings = ", ".join(f"{severity:g}" for severity in grid.columns)
    note = f"rings outward: {rings} {unit}".strip()
    label = f"{policy}: share of pushes recovered from, by {around.title} and severity; {note}"
    picture = svg.picture(SIDE, SIDE, label, *parts, kind="map")
    table = _push_table(policy, grid, unit, around)
    return Figure(f"Recovered by {around.title}: {policy}", note, picture, table)


def _side_label(quarter: int, words: str) -> Markup:
    x, y = svg.polar(CENTRE, OUTER + 10.0, quarter * math.pi / 2)
    turn = {1: -90, 3: 90}.get(quarter)
    place = None if turn is None else f"rotate({turn} {svg.number(x)} {svg.number(y)})"
    y += 8.0 if quarter == 2 else 0.0
    return element("text", words, x=x, y=y, class_="label", text_anchor="middle", transform=place)


def _sector(
    grid: Grid,
    index: int,
    severity: float,
    radii: tuple[float, float],
    unit: str,
    names: Sequence[str],
) -> Markup:
    share = grid.cells.get((index, severity))
    step = 2 * math.pi / SECTORS
    outline = svg.sector(CENTRE, radii, ((index - 0.5) * step, (index + 0.5) * step))
    x, y = svg.polar(CENTRE, sum(radii) / 2, index * step)
    words = f"{names[index]}, {quantity(severity, unit)}: {share or 'not run'}"
    kind = shade(share.share) if share else "none"
    told = element("title", words)
    return element(
        "g",
        element("path", told, d=outline, class_=f"cell {kind}"),
        svg.text(x, y + 4.0, _short(share), f"in-{kind}"),
    )


def _ring_label(radius: float, severity: float) -> Markup:
    x, y = svg.polar(CENTRE, radius, -math.pi / SECTORS)
    return svg.text(x, y + 3.0, f"{severity:g}", "ring")


def _robot_from_above() -> Markup:
    x, y = CENTRE
    feet = [(x + side * 17.0, y + end) for side in (-1, 1) for end in (-19.0, 17.0)]
    legs = [
        svg.line((x + math.copysign(8.0, fx - x), fy), (fx, fy), "limb thin") for fx, fy in feet
    ]
    trunk = element("rect", x=x - 9.0, y=y - 26.0, width=18.0, height=50.0, rx=6.0, class_="trunk")
    nose = element(
        "rect", x=x - 6.0, y=y - 35.0, width=12.0, height=11.0, rx=4.0, class_="trunk head"
    )
    return element("g", *legs, trunk, nose)


def _push_table(policy: str, grid: Grid, unit: str, around: _Around) -> Table:
    rows = tuple(
        (
            around.names[index],
            *(counted(grid.cells.get((index, severity))) for severity in grid.columns),
        )
        for index in grid.rows
    )
    head = (around.what, *(quantity(severity, unit) for severity in grid.columns))
    return Table(f"{policy}: pushes recovered from, by {around.title}", head, rows)


# Joints: the same view, legs spread out to the sides.

LEG = re.compile(r"(?P<end>[FRH])(?P<side>[RL])_(?P<part>hip|thigh|calf)")
"""Joint names of a quadruped: front or rear (or hind), right or left."""
PARTS = {"hip": 62.0, "thigh": 114.0, "calf": 166.0}
"""Distance of a joint from the middle of the picture."""
ENDS = {"F": 84.0, "R": 206.0, "H": 206.0}
RADIUS = 20.0


def joints(policy: str, grid: Grid, fault: str) -> Figure | None:
    """Success with each joint dead or locked, drawn on the robot; None: not run.

    Joints that are not those of a quadruped are in the table only.
    """
    shares = {j: share for j in grid.rows if (share := grid.cells.get((j, fault)))}
    if not shares:
        return None
    found = {joint: match for joint in shares if (match := LEG.fullmatch(joint))}
    parts = [_trunk()]
    for end, side in dict.fromkeys((m["end"], m["side"]) for m in found.values()):
        parts.append(_leg(end, side))
    parts += [_joint(joint, match, shares[joint], fault) for joint, match in found.items()]
    table = Table(
        f"{policy}: success with one joint {fault}",
        ("joint", f"success with it {fault}"),
        tuple((joint, counted(share)) for joint, share in shares.items()),
    )
    told = ", ".join(f"{joint} {_short(share)} %" for joint, share in shares.items())
    label = f"{policy}: success in percent with one joint {fault}: {told}"
    note = "" if len(found) == len(shares) else "some joints are in the table only"
    picture = svg.picture(SIDE, 262.0, label, *parts, kind="map") if found else Markup("")
    return Figure(f"One joint {fault}", note, picture, table)


def _trunk() -> Markup:
    middle = SIDE / 2
    return element(
        "g",
        element(
            "rect", x=middle - 26.0, y=18.0, width=52.0, height=34.0, rx=14.0, class_="trunk head"
        ),
        element("rect", x=middle - 36.0, y=44.0, width=72.0, height=204.0, rx=20.0, class_="trunk"),
        svg.text(middle, 39.0, "ahead", "hint"),
    )


def _leg(end: str, side: str) -> Markup:
    y, sign = ENDS[end], -1.0 if side == "L" else 1.0
    middle = SIDE / 2
    far = middle + sign * PARTS["calf"]
    name = svg.text(middle + sign * 17.0, y + 4.0, f"{end}{side}", "label")
    return element("g", svg.line((middle + sign * 36.0, y), (far, y), "limb"), name)


def _joint(joint: str, match: re.Match[str], share: Proportion, fault: str) -> Markup:
    sign = -1.0 if match["side"] == "L" else 1.0
    x, y = SIDE / 2 + sign * PARTS[match["part"]], ENDS[match["end"]]
    kind = shade(share.share)
    told = element("title", f"{joint} {fault}: {share}")
    return element(
        "g",
        element("circle", told, cx=x, cy=y, r=RADIUS, class_=f"cell {kind}"),
        svg.text(x, y + 4.5, _short(share), f"in-{kind} strong"),
        svg.text(x, y + RADIUS + 13.0, match["part"], "hint"),
    )


def kind_rows(grid: Grid) -> Sequence[tuple[str, list[tuple[str, str, str]]]]:
    """Kind of terrain, and for each level the class, the number, and what hovering says."""
    return [
        (
            kind,
            [
                (shade(share.share), _short(share), f"{kind}, level {level:g}: {share}")
                if (share := grid.cells.get((kind, level)))
                else ("none", "–", f"{kind}, level {level:g}: not run")
                for level in grid.columns
            ],
        )
        for kind in grid.rows
    ]


def _short(share: Proportion | None) -> str:
    """Percent without decimals, and 100 for all of them only."""
    if share is None:
        return "–"
    return f"{min(round(100 * share.share), 99 if share.share < 1.0 else 100)}"
