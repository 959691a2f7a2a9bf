"""Pictures of breakdowns: rings around the robot, marks on its joints, tables of shades."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.report import svg
from robo_maxent.report.breakdowns import PUSHED, SECTORS, BreakdownAnalysis, Grid, Place
from robo_maxent.report.figures import Figure, Table
from robo_maxent.report.formatting import counted, quantity
from robo_maxent.report.rows import AxisLabel
from robo_maxent.report.svg import element
from robo_maxent.types import Breakdown

SHADES = (0.25, 0.5, 0.75, 0.9, 0.97)
"""Shares at which the colour changes: warm below the required 90 %, cool from there."""
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

FEW = 20
"""Fewest episodes of a cell without a warning: 20 have intervals of 40 points."""


@dataclass(frozen=True)
class Map:
    """Contents that all pictures of a breakdown share."""

    policy: str
    label: AxisLabel
    """Of the axis."""
    breakdown: Breakdown
    grid: Grid

    @property
    def subject(self) -> str:
        """What the shares are of, in words before "by"."""
        return "Recovered" if self.breakdown.by in PUSHED else "Success"

    @property
    def title(self) -> str:
        """Above the picture."""
        return f"{self.subject} by {self.breakdown.title}: {self.policy}"

    def name(self, row: Place) -> str:
        """Name of a row of the grid for people."""
        if isinstance(row, str):
            return row
        return (DIRECTIONS if self.breakdown.by == "push direction" else PHASES)[row]

    def words(self, row: Place, severity: float) -> str:
        """Words shown when hovering over a cell."""
        share = self.grid.cells.get((row, severity))
        return f"{self.name(row)}, {quantity(severity, self.label.unit)}: {share or 'not run'}"

    def table(self, columns: Sequence[float]) -> Table:
        """Table of the numbers at these severities."""
        head = [quantity(severity, self.label.unit) for severity in columns]
        rows = [
            (self.name(row), *(counted(self.grid.cells.get((row, column))) for column in columns))
            for row in self.grid.rows
        ]
        caption = f"{self.policy}: {self.subject.lower()} by {self.breakdown.title}"
        return Table(caption, (self.breakdown.title, *head), tuple(rows))


def figures(analysis: BreakdownAnalysis) -> list[Figure]:
    """A figure for each policy; of joints, one for each severity as well."""
    drawn = []
    for policy, grid in analysis.grids.items():
        of_policy = Map(policy, analysis.label, analysis.breakdown, grid)
        drawn += [_with_counts(figure, of_policy) for figure in _figures(of_policy)]
    return drawn


def _with_counts(figure: Figure, each: Map) -> Figure:
    """A figure with a note on how many episodes its cells have, if they are few."""
    counts = [share.count for share in each.grid.cells.values()]
    if not counts or min(counts) >= FEW:
        return figure
    least, most = min(counts), max(counts)
    what = "pushes" if each.breakdown.by in PUSHED else "episodes"
    said = f"only {least} {'to ' + str(most) + ' ' if most > least else ''}{what} a field"
    return replace(figure, note=f"{figure.note}; {said}" if figure.note else said.capitalize())


def _figures(each: Map) -> list[Figure]:
    if is_polar(each.breakdown):
        return [_polar(each)]
    if each.breakdown.picture == "joints" and _on_robot(each.grid):
        return [_joints(each, severity) for severity in each.grid.columns]
    return [_matrix(each)]


def is_polar(breakdown: Breakdown) -> bool:
    """Whether it is drawn as rings: directions and phases of pushes are."""
    return breakdown.picture == "polar" and breakdown.by in PUSHED


def introduction(analyses: Iterable[BreakdownAnalysis]) -> str:
    """Sentences on what the figures of an axis show, and how to read them."""
    ways: dict[str, list[str]] = {}
    for analysis in analyses:
        breakdown = analysis.breakdown
        pushed = breakdown.by in PUSHED
        what = "pushes recovered from" if pushed else "episodes that succeeded"
        ways.setdefault(what, []).append(f"by {breakdown.title}, {_how_to_read(analysis)}")
    return " ".join(f"Percent of {what}: {'; '.join(how)}." for what, how in ways.items())


def _how_to_read(analysis: BreakdownAnalysis) -> str:
    breakdown = analysis.breakdown
    if is_polar(breakdown) and breakdown.by == "push direction":
        return "seen from above with the robot in the middle, each sector where the push drives it"
    if is_polar(breakdown):
        return "anticlockwise from the moment of the stride at which the push began"
    on_robot = breakdown.picture == "joints" and any(map(_on_robot, analysis.grids.values()))
    return "seen from above" if on_robot else "from easy to hard"


def shade(share: Proportion | None) -> str:
    """CSS class of a share."""
    return f"s{sum(share.share >= least for least in SHADES)}" if share else "none"


def shades() -> tuple[tuple[str, str], ...]:
    """CSS class and range of each colour, for the legend."""
    ends = (0.0, *SHADES, 1.0)
    return tuple(
        (f"s{i}", f"{100 * ends[i]:.0f}-{100 * ends[i + 1]:.0f} %") for i in range(len(SHADES) + 1)
    )


def short(share: Proportion | None) -> str:
    """Percent without decimals; 100 only if all succeeded."""
    if share is None:
        return "–"
    return f"{min(round(100 * share.share), 99 if share.share < 1.0 else 100)}"


# Tables of shades: a row for each case or sector, severities from mild to hard.


def _matrix(each: Map) -> Figure:
    unit = each.label.unit or "severity"
    head = (element("th", f"{severity:g}", scope="col") for severity in each.grid.columns)
    rows = (
        element(
            "tr",
            element("th", each.name(row).replace("_", " "), scope="row"),
            *(_shaded(each, row, severity) for severity in each.grid.columns),
        )
        for row in each.grid.rows
    )
    shown = element(
        "table",
        element("thead", element("tr", element("th", f"{unit} →", scope="col"), *head)),
        element("tbody", *rows),
        class_="matrix",
    )
    picture = element(
        "div", shown, class_="scroll", tabindex="0", role="region", aria_label=each.title
    )
    return Figure(each.title, "", picture, each.table(each.grid.columns))


def _shaded(each: Map, row: Place, severity: float) -> Markup:
    share = each.grid.cells.get((row, severity))
    return element("td", short(share), class_=shade(share), title=each.words(row, severity))


# Pushes: seen from above, the robot in the middle, ahead is up; or a stride, like a clock that
# goes the other way round.

SIDE = 380.0
CENTRE = (SIDE / 2, SIDE / 2)
INNER, OUTER = 46.0, 166.0


def _polar(each: Map) -> Figure:
    """Share of pushes recovered from, by direction or phase, and severity, which grows outward."""
    severities, unit = each.grid.columns, each.label.unit
    width = (OUTER - INNER) / len(severities)
    by_direction = each.breakdown.by == "push direction"
    sides = ("ahead", "left", "back", "right") if by_direction else ("0", "1/4", "1/2", "3/4")
    parts = [_robot_from_above() if by_direction else _one_stride()]
    for ring, severity in enumerate(severities):
        radii = INNER + ring * width, INNER + (ring + 1) * width
        parts += [_sector(each, index, severity, radii) for index in range(SECTORS)]
    parts += [_ring_label(INNER + (i + 0.5) * width, s) for i, s in enumerate(severities)]
    parts += [_side_label(quarter, words) for quarter, words in enumerate(sides)]
    rings = ", ".join(f"{severity:g}" for severity in severities)
    note = f"rings outward: {rings} {unit}".strip()
    by = each.breakdown.title
    label = f"{each.policy}: share of pushes recovered from, by {by} and severity; {note}"
    picture = svg.picture(SIDE, SIDE, label, *parts, kind="map")
    return Figure(each.title, note, picture, each.table(severities))


def _sector(each: Map, index: int, severity: float, radii: tuple[float, float]) -> Markup:
    share = each.grid.cells.get((index, severity))
    step = 2 * math.pi / SECTORS
    outline = svg.sector(CENTRE, radii, ((index - 0.5) * step, (index + 0.5) * step))
    x, y = svg.polar(CENTRE, sum(radii) / 2, index * step)
    tooltip = element("title", each.words(index, severity))
    return element(
        "g",
        element("path", tooltip, d=outline, class_=f"cell {shade(share)}"),
        svg.text(x, y + 4.0, short(share), f"in-{shade(share)}"),
    )


def _side_label(quarter: int, words: str) -> Markup:
    x, y = svg.polar(CENTRE, OUTER + 10.0, quarter * math.pi / 2)
    turn = {1: -90, 3: 90}.get(quarter)
    place = None if turn is None else f"rotate({turn} {svg.number(x)} {svg.number(y)})"
    y += 8.0 if quarter == 2 else 0.0
    return element("text", words, x=x, y=y, class_="label", text_anchor="middle", transform=place)


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


def _one_stride() -> Markup:
    x, y = CENTRE
    return element("g", svg.text(x, y, "one", "hint"), svg.text(x, y + 13.0, "stride", "hint"))


# Joints: the same view, legs spread out to the sides.

LEG = re.compile(r"(?P<end>[FRH])(?P<side>[RL])_(?P<part>hip|thigh|calf)")
"""Joint names of a quadruped: front or rear (or hind), right or left."""
PARTS = {"hip": 62.0, "thigh": 114.0, "calf": 166.0}
"""Distance of a joint from the middle of the picture."""
ENDS = {"F": 84.0, "R": 206.0, "H": 206.0}
RADIUS = 20.0


def _joints(each: Map, severity: float) -> Figure:
    """Success by joint at one severity, drawn on a quadruped; other joints are in the table."""
    shares = {j: share for j in each.grid.rows if (share := each.grid.cells.get((j, severity)))}
    places = {joint: leg for joint in shares if (leg := _leg_of(joint))}
    parts = [_trunk()]
    for end, side in dict.fromkeys((leg["end"], leg["side"]) for leg in places.values()):
        parts.append(_leg(end, side))
    parts += [_joint(each, joint, severity, leg) for joint, leg in places.items()]
    tested = quantity(severity, each.label.unit)
    title = f"{each.title}, {tested}" if len(each.grid.columns) > 1 else each.title
    spoken = ", ".join(f"{each.name(joint)} {short(share)} %" for joint, share in shares.items())
    label = f"{each.label.title}, {title}: {spoken}"
    note = "" if len(places) == len(shares) else "some joints are in the table only"
    picture = svg.picture(SIDE, 262.0, label, *parts, kind="map")
    return Figure(title, note, picture, each.table([severity]))


def _on_robot(grid: Grid) -> bool:
    """Whether some joints are those of a quadruped."""
    return any(map(_leg_of, grid.rows))


def _leg_of(joint: Place) -> re.Match[str] | None:
    """Leg of a quadruped that a joint belongs to; None if it is another joint."""
    return LEG.fullmatch(str(joint))


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


def _joint(each: Map, joint: Place, severity: float, leg: re.Match[str]) -> Markup:
    share = each.grid.cells[joint, severity]
    sign = -1.0 if leg["side"] == "L" else 1.0
    x, y = SIDE / 2 + sign * PARTS[leg["part"]], ENDS[leg["end"]]
    tooltip = element("title", each.words(joint, severity))
    return element(
        "g",
        element("circle", tooltip, cx=x, cy=y, r=RADIUS, class_=f"cell {shade(share)}"),
        svg.text(x, y + 4.5, short(share), f"in-{shade(share)} strong"),
        svg.text(x, y + RADIUS + 13.0, leg["part"], "hint"),
    )
