"""Maps of the ground, seen from above: where it fails."""

from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.report import svg
from robo_maxent.report.breakdown_figures import shade, short
from robo_maxent.report.figures import Figure, Table
from robo_maxent.report.formatting import counted
from robo_maxent.report.places import PlaceMap
from robo_maxent.report.svg import Scale, element

WIDTH, LEFT, RIGHT, TOP = 380.0, 44.0, 370.0, 12.0
BELOW = 74.0  # for the borders, and for the base of the robot
MARK = 2.4


@dataclass(frozen=True)
class _Ground:
    """Positions on a map: ahead is up, and left is left."""

    x: Scale
    """Of m to the left."""
    y: Scale
    """Of m ahead."""

    @property
    def bottom(self) -> float:
        """Lower edge of the map."""
        return self.y.places[0]

    @property
    def base(self) -> float:
        """Position of the robot's base, or the nearest point of the map."""
        return min(max(self.x(0.0), LEFT), RIGHT)


def figure(each: PlaceMap) -> Figure:
    """Map of success by place, with a mark for each failed episode."""
    ground = _ground(each)
    cells = [(row, column) for row in _parts(each.ahead) for column in _parts(each.left)]
    marks = [
        element("circle", cx=ground.x(left), cy=ground.y(ahead), r=MARK, class_="fail")
        for ahead, left in each.failures
    ]
    parts = [_cell(each, ground, *cell) for cell in cells] + marks
    parts += [_share(each, ground, *cell) for cell in cells] + _around(each, ground)
    title = f"Where the {each.of} began: {each.policy}"
    label = f"{each.policy}: success by where the {each.of} was as the episode began"
    note = "m ahead and to the left of the base; each dot is a start from which episodes failed"
    if len(each.failures) < each.failed:
        note += f" ({len(each.failures)} of {each.failed:,})"
    picture = svg.picture(WIDTH, ground.bottom + BELOW, label, *parts, kind="map")
    return Figure(title, note, picture, _table(each))


def _ground(each: PlaceMap) -> _Ground:
    """A map with equal scales in both directions."""
    unit = (RIGHT - LEFT) / (each.left[-1] - each.left[0])
    bottom = TOP + unit * (each.ahead[-1] - each.ahead[0])
    return _Ground(
        Scale((each.left[-1], each.left[0]), (LEFT, RIGHT)),
        Scale((each.ahead[0], each.ahead[-1]), (bottom, TOP)),
    )


def _cell(each: PlaceMap, ground: _Ground, row: int, column: int) -> Markup:
    share = each.cells.get((row, column))
    left, right = ground.x(each.left[column + 1]), ground.x(each.left[column])
    top, bottom = ground.y(each.ahead[row + 1]), ground.y(each.ahead[row])
    words = f"{_span(each.ahead, row)} m ahead, {_span(each.left, column)} m left: "
    tooltip = element("title", f"{words}{share or 'no episode'}")
    size = {"width": right - left, "height": bottom - top}
    return element("rect", tooltip, x=left, y=top, **size, class_=f"cell {shade(share)}")


def _share(each: PlaceMap, ground: _Ground, row: int, column: int) -> Markup:
    share = each.cells.get((row, column))
    x = (ground.x(each.left[column]) + ground.x(each.left[column + 1])) / 2
    y = (ground.y(each.ahead[row]) + ground.y(each.ahead[row + 1])) / 2
    return svg.text(x, y + 4.0, short(share), f"in-{shade(share)} strong")


def _around(each: PlaceMap, ground: _Ground) -> list[Markup]:
    """Borders with labels in m, and the robot."""
    ahead = [
        svg.text(LEFT - 5.0, ground.y(border) + 4.0, f"{border:z.2f}", "hint", "end")
        for border in each.ahead
    ]
    left = [
        svg.text(ground.x(border), ground.bottom + 15.0, f"{border:z.2f}", "hint")
        for border in each.left
    ]
    x, y = ground.base, ground.bottom + 44.0
    base = element("circle", cx=x, cy=y, r=11.0, class_="trunk")
    return [*ahead, *left, base, svg.text(x + 17.0, y + 4.0, "base", "hint", "start")]


def _parts(borders: tuple[float, ...]) -> range:
    return range(len(borders) - 1)


def _span(borders: tuple[float, ...], part: int) -> str:
    return f"{borders[part]:z.2f} to {borders[part + 1]:z.2f}"


def _table(each: PlaceMap) -> Table:
    """The numbers of the map, in the same arrangement."""
    columns = _parts(each.left)[::-1]
    head = ("m ahead", *(f"{_span(each.left, column)} m left" for column in columns))
    rows = tuple(
        (_span(each.ahead, row), *(counted(each.cells.get((row, column))) for column in columns))
        for row in _parts(each.ahead)[::-1]
    )
    return Table(f"{each.policy}: success by where the {each.of} began", head, rows)
