"""What the tasks of the fork have in common: a wall with a gap on either side, and a goal behind.

Both ways are equally good, mirror images of each other. Episodes begin on the line of symmetry, and
nothing is mirrored in learning: only the policy can choose.
"""

from dataclasses import dataclass

import numpy as np

from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT, SIDES
from robo_maxent.sim.robot import Robot
from robo_maxent.spaces import Field
from robo_maxent.types import FloorPlan

WALLS = "middle", "left side", "right side"
LIDS = "left lid", "right lid"
CLOSED = Field("closed way", "left 1, right -1", 1)


@dataclass(frozen=True)
class Fork:
    """Where things are; the wall stands across x, and y = 0 is the line of symmetry."""

    start: float
    """m, x of where episodes begin."""
    wall: tuple[float, float]
    """m, x from where to where the wall is, wider by the radius of who goes round it."""
    gap: float
    """m, y of the middle of the left gap."""
    goal: float
    """m, x."""

    def way_left(self, position: np.ndarray, blocked: np.ndarray) -> np.ndarray:
        """Length of the shortest open way to the goal, m, (N,).

        Args:
            position: Horizontal, m, (N, 2).
            blocked: Side that is closed; OPEN: none, (N,).
        """
        x, y = position.T
        near, far = self.wall
        behind = np.hypot(self.goal - far, self.gap)
        lengths = []
        for side in (LEFT, RIGHT):
            aside = side * self.gap - y
            before = np.hypot(near - x, aside) + far - near + behind
            within = np.abs(aside) + far - x + behind
            length = np.where(x < near, before, within)
            lengths.append(np.where(blocked == side, np.inf, length))
        return np.where(x > far, self.distance(position), np.min(lengths, axis=0))

    def distance(self, position: np.ndarray) -> np.ndarray:
        """From the goal as the crow flies, m, (N,)."""
        return np.hypot(position[:, 0] - self.goal, position[:, 1])

    @property
    def whole(self) -> float:
        """Length of either way, m."""
        return float(self.way_left(np.array([[self.start, 0.0]]), np.array([OPEN]))[0])

    def chosen(self, way: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Side of the first gap that was passed, given what it was before; OPEN: none yet, (N,)."""
        x, y = position.T
        passing = (way == OPEN) & (x > self.wall[1])
        return np.where(passing, np.where(y > 0.0, LEFT, RIGHT), way)


def went_left(way: int) -> float | None:
    """1 of an episode that went left, 0 right, None of one that went nowhere."""
    return None if way == OPEN else float(way == LEFT)


def floor_plan(fork: Fork, robot: Robot, at_goal: float) -> FloorPlan:
    """What a report draws of a fork; ``at_goal`` is how near the goal is there, m."""
    return FloorPlan(
        walls=robot.walls,
        lids=dict(zip(SIDES, robot.lid_boxes, strict=True)),
        goal=(fork.goal, 0.0),
        goal_radius=at_goal,
        chosen="left",
    )
