"""Pictures of paths between walls, seen from above, and sentences on the chosen ways."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from robo_maxent.report import svg
from robo_maxent.report.figures import Figure, Table
from robo_maxent.report.formatting import percent
from robo_maxent.report.rows import Points
from robo_maxent.report.svg import Point, Scale, element
from robo_maxent.report.ways import CasePaths, Split, WaysAnalysis
from robo_maxent.types import FloorPlan, Rectangle

WIDTH, EDGE = 300.0, 8.0
MARGIN = 0.05
"""Margin on every side, as a share of what is shown."""
END = 3.2
ACTING = {"sampled": "sampled actions", "mean": "the mean action"}
"""How a policy acted, in words."""


@dataclass(frozen=True)
class _Floor:
    """Positions in the pictures of one policy: ahead is to the right, and left is up."""

    x: Scale
    """Of m ahead."""
    y: Scale
    """Of m to the left."""

    def __call__(self, place: Point) -> Point:
        return self.x(place[0]), self.y(place[1])

    @property
    def height(self) -> float:
        """Height of a picture."""
        return self.y.places[0] + EDGE


def figures(each: WaysAnalysis) -> list[Figure]:
    """Pictures of all cases, at one scale."""
    floor = _floor(each)
    return [_figure(each, case, floor) for case in each.cases]


def sentences(each: WaysAnalysis) -> list[str]:
    """Sentences on how a policy chooses a way when undisturbed, one for each mode."""
    return [_sentence(mode, split, each.plan) for mode, split in each.splits.items()]


def mark(succeeded: bool) -> Markup:
    """Sample of a path for the legend."""
    floor = _Floor(Scale((0.0, 1.0), (2.0, 24.0)), Scale((0.0, 1.0), (7.0, 0.0)))
    parts = _path(((0.0, 0.0), (1.0, 0.0)), succeeded, floor)
    return element("svg", *parts, viewBox="0 0 30 14", class_="swatch", aria_hidden="true")


def _sentence(mode: str, split: Split, plan: FloorPlan) -> str:
    first, other = list(plan.lids)[:2]
    nowhere = f"; {split.nowhere} took neither" if split.nowhere else ""
    return (
        f"By {ACTING[mode]}, undisturbed: {first} {percent(split.first)}, else {other}{nowhere}. "
        f"Mode entropy {split.entropy}, where 1 is half and half."
    )


def _figure(each: WaysAnalysis, case: CasePaths, floor: _Floor) -> Figure:
    title = f"{case.case.capitalize()} closed" if case.case else "All ways open"
    closed, _, rest = case.case.partition(", ")
    if rest:
        title = f"{closed.capitalize()} closed, {rest}"
    first, other, neither = case.taken
    names = (*list(each.plan.lids)[:2], "neither")
    taken = ", ".join(f"{n} {count}" for n, count in zip(names, case.taken, strict=True) if count)
    parts = [element("rect", **_placed(wall, floor), class_="wall") for wall in each.plan.walls]
    parts += _lid(each.plan.lids[closed], floor) if closed in each.plan.lids else []
    parts += _goal(each.plan, floor)
    # Failures last, so that nothing hides them.
    for path, succeeded in sorted(case.paths, key=lambda pair: not pair[1]):
        parts += _path(path, succeeded, floor)
    note = f"{percent(case.success)} arrived; took {taken}"
    if len(case.paths) < case.success.count:
        note += f"; {len(case.paths)} paths shown"
    label = f"{each.policy}, {ACTING[each.mode]}, {title.lower()}: {note}"
    picture = svg.picture(WIDTH, floor.height, label, *parts, kind="map")
    table = Table(
        f"{each.policy}, {ACTING[each.mode]}: {title.lower()}",
        ("episodes", "arrived", *names),
        ((str(case.success.count), percent(case.success), str(first), str(other), str(neither)),),
    )
    return Figure(title, note, picture, table)


def _floor(each: WaysAnalysis) -> _Floor:
    """Metres are as long in either direction; all paths that are shown are within."""
    plan = each.plan
    (goal_x, goal_y), radius = plan.goal, plan.goal_radius
    corners = [(goal_x - radius, goal_y - radius), (goal_x + radius, goal_y + radius)]
    for low_x, low_y, high_x, high_y in (*plan.walls, *plan.lids.values()):
        corners += [(low_x, low_y), (high_x, high_y)]
    corners += [point for case in each.cases for path, _ in case.paths for point in path]
    x, y = (_widened(values) for values in zip(*corners, strict=True))
    unit = (WIDTH - 2 * EDGE) / (x[1] - x[0])
    bottom = EDGE + unit * (y[1] - y[0])
    return _Floor(Scale(x, (EDGE, WIDTH - EDGE)), Scale(y, (bottom, EDGE)))


def _widened(values: Iterable[float]) -> tuple[float, float]:
    listed = list(values)
    low, high = min(listed), max(listed)
    more = MARGIN * (high - low)
    return low - more, high + more


def _placed(box: Rectangle, floor: _Floor) -> dict[str, float]:
    left, bottom = floor((box[0], box[1]))
    right, top = floor((box[2], box[3]))
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def _lid(box: Rectangle, floor: _Floor) -> list[Markup]:
    """What closes a way, crossed out to tell it from a wall."""
    (left, bottom), (right, top) = floor((box[0], box[1])), floor((box[2], box[3]))
    return [
        element("rect", **_placed(box, floor), class_="lid"),
        svg.line((left, bottom), (right, top), "lid"),
        svg.line((left, top), (right, bottom), "lid"),
    ]


def _goal(plan: FloorPlan, floor: _Floor) -> list[Markup]:
    x, y = floor(plan.goal)
    radius = floor.x(plan.goal_radius) - floor.x(0.0)
    return [
        element("circle", cx=x, cy=y, r=radius, class_="goal"),
        svg.text(x, y + radius + 11.0, "goal", "hint"),
    ]


def _path(path: Points, succeeded: bool, floor: _Floor) -> list[Markup]:
    """A path: solid to a dot if it succeeded, dashed to a cross if not."""
    kind = "met" if succeeded else "missed"
    points = [floor(point) for point in path]
    x, y = points[-1]
    if succeeded:
        end = [element("circle", cx=x, cy=y, r=0.7 * END, class_=f"end {kind}")]
    else:
        end = [
            svg.line((x - END, y - END), (x + END, y + END), f"end {kind}"),
            svg.line((x - END, y + END), (x + END, y - END), f"end {kind}"),
        ]
    return [svg.path(points, f"way {kind}"), *end]
