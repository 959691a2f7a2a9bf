"""An effect that moves the goal in mid-task."""

import numpy as np

from robo_maxent.perturbations.base import Ranges, Running, Share
from robo_maxent.perturbations.timed import DirectedEffect
from robo_maxent.sim.rotations import turned


class GoalMoved(DirectedEffect):
    """The goal jumps towards the middle of the table, along its surface; sizes are horizontal."""

    name = "goal_moved"
    title = "Moved goal"
    unit = "m"
    summary = "the goal is moved in mid-task"
    noun = "goal moved by"
    severities = (0.0, 0.05, 0.1, 0.15, 0.2)
    reference = 0.1
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.2))}
    ranges: Ranges = {
        "goal_moved": 0.0,  # probability that it happens
        "goal_moved_begin": (0.4, 1.6),  # s
        "goal_moved_by": (0.05, 0.2),  # m
    }
    levels = {"hard": {"goal_moved": 0.3}}
    needs = ("goal", "table")
    bounds = {"goal_shift": (-1.0, 1.0)}  # m
    vector, size = "goal_shift", "goal_moved_by"

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Move the goal, mirrored if that keeps it nearer to the middle of the table."""
        moved, robot = ids[on], running.robot
        goal, shift = running.mocap_pos[moved, robot.goal], running.params["goal_shift"][moved]
        away = (goal[:, :2] - robot.model.geom_pos[robot.table, :2]) * shift > 0.0
        x, y = np.where(away, -shift, shift).T
        orientation = running.fields.read("geom_quat", moved)[:, robot.table]
        a, b, c = turned(orientation, np.tile([0.0, 0.0, 1.0], (len(moved), 1))).T
        running.mocap_pos[moved, robot.goal] = goal + np.stack([x, y, -(a * x + b * y) / c], axis=1)

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Do nothing: the goal was moved already, in the saved state."""
