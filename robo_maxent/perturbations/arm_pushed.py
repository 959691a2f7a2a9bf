"""The arm is pushed in mid-task."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
    horizontal,
)
from robo_maxent.perturbations.timed import MIDST, NEVER, TimedEffect
from robo_maxent.sim.robot import ManipulationState, Robot, RobotState
from robo_maxent.types import Arrow, Breakdown

SECONDS = 0.2  # that a push of a stress test lasts
DIRECTIONS = {"away": 0.0, "left": 90.0, "near": 180.0, "right": -90.0}  # deg from forward
SCALE, LENGTHS = 0.004, (0.08, 0.3)  # of the arrow: m for each N, m
ABOVE = np.array([0.0, 0.0, 0.1])  # m from the finger tips, at the hand
RGBA, RADIUS = (0.85, 0.0, 0.4, 1.0), 0.01


class ArmPushed(TimedEffect):
    """A constant horizontal force on the hand for a while, N, world frame.

    The arm of ``arm.xml`` gives way by 1 to 6 cm at 20 to 80 N; beyond 100 N its motors are at
    their limits.
    """

    name = "arm_pushed"
    title = "Pushed arm"
    unit = "N"
    summary = "the hand is pushed for 0.2 s, from any side"
    noun = "a push of the hand"
    severities = (0.0, 60.0, 120.0, 180.0, 240.0)
    ranges: Ranges = {
        "arm_pushed": 0.0,  # probability that it happens
        "arm_pushed_begin": (0.4, 1.6),  # s
        "arm_pushed_seconds": (0.1, 0.3),
        "arm_pushed_size": (20.0, 80.0),  # N
    }
    levels = {"hard": {"arm_pushed": 0.3}}  # chosen
    needs = ("hand",)
    bounds = {"arm_push": (-500.0, 500.0)}  # N

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """None."""
        return {**super().nominal(robot), "arm_push": np.zeros(2)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Its size is not negative."""
        return {**super().range_limits(robot), "arm_pushed_size": (0.0, 500.0)}

    def drawn(self, ranges: Ranges, rng: np.random.Generator) -> Values:
        """From any side."""
        force = horizontal(rng.uniform(*ranges["arm_pushed_size"]), rng.uniform(-np.pi, np.pi))
        return {**super().drawn(ranges, rng), "arm_push": force}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """From four sides."""
        return (
            self.axis(
                cases=tuple(DIRECTIONS),
                breakdowns=(Breakdown("direction", "case", "grid"),),
                suites={
                    "quick": Share(8, 2, severities=(0.0, 60.0, 120.0, 240.0)),
                    "full": Share(30, 5),
                },
            ),
        )

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """Of so many newtons, towards the side of the case."""
        begin, anywhere = rng.uniform(*MIDST), rng.uniform(-np.pi, np.pi)
        towards = np.deg2rad(DIRECTIONS[case]) if case in DIRECTIONS else anywhere
        if not severity:
            return {}
        force = horizontal(severity, towards)
        return {self.begin_name: begin, self.seconds_name: SECONDS, "arm_push": force}

    def combined(self, share: float, robot: Robot) -> float | None:
        """30 N."""
        return 30.0 * share

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Push, or let go."""
        force = np.zeros((len(ids), 3))
        force[on, :2] = running.params["arm_push"][ids[on]]
        running.push(ids, force)

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """Towards the hand while it is pushed."""
        assert isinstance(state, ManipulationState)
        begin, end = running.memory["steps"][sim].tolist()
        if begin == NEVER or not begin < step <= end:
            return []
        push = running.params["arm_push"][sim]
        size = float(np.linalg.norm(push))
        vector = np.append(push / size * np.clip(SCALE * size, *LENGTHS), 0.0)
        start = state.site_position["hand"][sim] - vector + ABOVE
        return [Arrow(start, vector, RGBA, RADIUS)]
