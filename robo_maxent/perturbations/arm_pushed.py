"""An effect that pushes the arm while it works."""

import numpy as np

from robo_maxent.perturbations.base import Axis, Ranges, Running, Share, Values, horizontal
from robo_maxent.perturbations.mass import scaled_axis
from robo_maxent.perturbations.timed import NEVER, DirectedEffect
from robo_maxent.sim.hand_strength import hand_strength
from robo_maxent.sim.robot import ManipulationState, Robot, RobotState
from robo_maxent.types import Arrow

SCALE, LENGTHS = 0.004, (0.08, 0.3)  # of the arrow: m for each N, m
ABOVE = np.array([0.0, 0.0, 0.1])  # m from the finger tips, at the hand
RGBA, RADIUS = (0.85, 0.0, 0.4, 1.0), 0.01


class ArmPushed(DirectedEffect):
    """A constant horizontal force on the hand for a while, N, world frame.

    The arm of ``arm.xml`` gives way by 1 to 7 cm at 20 to 80 N for 0.2 s. Forces on another go with
    what its motors hold.
    """

    name = "arm_pushed"
    title = "Pushed arm"
    unit = "N"
    summary = "the hand is pushed for 0.2 s, from any side"
    noun = "a push of the hand"
    severities = (0.0, 60.0, 120.0, 180.0, 240.0)
    reference = 30.0
    ranges: Ranges = {
        "arm_pushed": 0.0,  # probability that it happens
        "arm_pushed_begin": (0.4, 1.6),  # s
        "arm_pushed_seconds": (0.1, 0.3),
        "arm_pushed_size": (20.0, 80.0),  # N
    }
    levels = {"hard": {"arm_pushed": 0.3}}  # chosen
    needs = ("hand",)
    bounds = {"arm_push": (-500.0, 500.0)}  # N
    vector, size, lasts = "arm_push", "arm_pushed_size", 0.2

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """One axis with a case for each of four sides."""
        axis = self.from_sides(
            suites={
                "quick": Share(8, 2, severities=(0.0, 60.0, 120.0, 240.0)),
                "full": Share(26, 5),
            },
        )
        return (scaled_axis(axis, hand_strength(robot)),)

    def level(self, name: str, robot: Robot) -> Ranges:
        """Ranges scaled to the force that the arm can hold."""
        ranges, scale = self.levels.get(name, {}), hand_strength(robot)
        if not ranges or scale == 1.0:
            return ranges
        low, high = self.ranges[self.size]
        return {**ranges, self.size: (scale * low, scale * high)}

    def combined(self, share: float, robot: Robot) -> float | None:
        """30 N, for the shipped arm."""
        return 30.0 * share * hand_strength(robot)

    def push(self, direction: float, impulse: float, seconds: float) -> Values:
        """A constant force for a given time."""
        force = horizontal(impulse / seconds, direction)
        return {self.begin_name: 0.0, self.seconds_name: seconds, self.vector: force}

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Begin or end the push."""
        force = np.zeros((len(ids), 3))
        force[on, :2] = running.params["arm_push"][ids[on]]
        running.push(ids, force)

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """An arrow towards the hand while it is pushed."""
        assert isinstance(state, ManipulationState)
        begin, end = running.memory["steps"][sim].tolist()
        if begin == NEVER or not begin < step <= end:
            return []
        push = running.params["arm_push"][sim]
        size = float(np.linalg.norm(push))
        vector = np.append(push / size * np.clip(SCALE * size, *LENGTHS), 0.0)
        start = state.site_position["hand"][sim] - vector + ABOVE
        return [Arrow(start, vector, RGBA, RADIUS)]
