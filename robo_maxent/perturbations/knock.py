"""An effect that knocks an object in mid-task."""

import numpy as np

from robo_maxent.perturbations.base import Axis, Ranges, Running, Share
from robo_maxent.perturbations.timed import NEVER, DirectedEffect
from robo_maxent.sim.robot import ManipulationState, Robot, RobotState
from robo_maxent.types import Arrow

SLIDES = 0.05  # m that an object slides from a knock of severity 1
SHOWN_SECONDS, LENGTH = 0.4, 0.12  # of the arrow: s, m
RGBA, RADIUS = (0.9, 0.1, 0.7, 1.0), 0.006


class Knock(DirectedEffect):
    """A horizontal impulse on the object, N·s, that acts at once.

    In a stress test it is given in multiples of the one that would make the object slide by 5 cm on
    the level table, lying freely: m sqrt(2 g mu d).
    """

    name = "knock"
    title = "Knocked object"
    unit = "times what slides it 5 cm"
    summary = "the object is knocked once, from any side"
    noun = "a knock"
    severities = (0.0, 1.0, 2.0, 3.0, 4.0)
    reference = 1.0
    ranges: Ranges = {
        "knock": 0.0,  # probability that it happens
        "knock_begin": (0.4, 1.6),  # s
        "knock_size": (0.05, 0.15),  # N·s
    }
    levels = {"hard": {"knock": 0.5}}
    realized = ("knocked",)
    needs = ("objects", "table")
    bounds = {"knock_impulse": (-10.0, 10.0)}  # N·s: 100 m/s of an object of 100 g
    vector, size = "knock_impulse", "knock_size"
    moments = (0.2, 1.2)  # s: the object lies on the table, is in the hand, or between

    def sized(self, severity: float, robot: Robot) -> float:
        """Impulse of a severity, N·s."""
        return severity * sliding(robot)

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """One axis with a case for each of four sides."""
        return (
            self.from_sides(
                phrase="with knocks of {severity}",
                counts="success",  # an object seldom leaves the table
                suites={
                    "quick": Share(8, 2, severities=(0.0, 1.0, 2.0, 3.0)),
                    "full": Share(26, 5),
                },
            ),
        )

    def combined(self, share: float, robot: Robot) -> float | None:
        """The impulse for a slide of 5 cm."""
        return share

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Forget the last episode."""
        running.realized["knocked"][ids] = 0.0

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Change the velocity of the first object at once."""
        hit, robot = ids[on], running.robot
        mass = running.fields.read("body_mass", hit)[:, robot.object_bodies[0]]
        impulse = running.params["knock_impulse"][hit]
        start = robot.object_dof[0]
        running.qvel[hit, start : start + 2] += impulse / mass[:, None]
        running.realized["knocked"][hit] = np.sqrt((impulse**2).sum(axis=1))

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Do nothing: a knock is over at once, and in the saved velocities."""

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """An arrow along the knock, for a moment."""
        assert isinstance(state, ManipulationState)
        begin = int(running.memory["steps"][sim, 0])
        since = (step - begin) * running.control_dt
        if begin == NEVER or not 0.0 < since <= SHOWN_SECONDS:
            return []
        impulse = running.params["knock_impulse"][sim]
        vector = np.append(LENGTH * impulse / np.linalg.norm(impulse), 0.0)
        start = state.object_position[sim, 0] - vector + [0.0, 0.0, 0.04]
        return [Arrow(start, vector, RGBA, RADIUS)]


def sliding(robot: Robot) -> float:
    """Impulse from which the first object slides by SLIDES on the level table, N·s."""
    model, body = robot.model, int(robot.object_bodies[0])
    gravity = float(np.linalg.norm(model.opt.gravity))
    thing, table = robot.object_geoms[0], robot.table
    geoms = [table, thing]
    if model.geom_priority[thing] != model.geom_priority[table]:
        geoms = [max(geoms, key=lambda geom: model.geom_priority[geom])]
    friction = model.geom_friction[geoms, 0].max()
    return float(model.body_mass[body] * np.sqrt(2.0 * gravity * friction * SLIDES))
