"""Effects on the friction of the feet: another value, or a slip for a moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Ranges,
    Running,
    ScalarEffect,
    Share,
    Values,
)
from robo_maxent.perturbations.model_fields import ModelFields
from robo_maxent.sim.robot import Robot, RobotState

LIMITS = (0.01, 5.0)  # ice is near 0.05, rubber on asphalt near 1
WET_FLOOR = 0.3
SLIP_BEGIN, SLIP_SECONDS = (4.0, 6.0), 1.0  # of a stress test, s


class FootFriction(ScalarEffect):
    """Sliding friction coefficient of the feet, which is that of their contacts."""

    name = "friction"
    parameter = "foot_friction"
    title = "Foot friction"
    summary = "friction of the feet"
    severities = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1)
    reference = 0.3
    suites = {
        "quick": Share(24, 4, severities=(1.0, 0.6, 0.3, 0.1)),
        "full": Share(80, 12, sampled=40),
    }
    ranges: Ranges = {"foot_friction": None}  # the robot's own
    levels = {
        "default": {"foot_friction": (0.3, 1.5)},  # mjlab 1.6
        "hard": {"foot_friction": (0.1, 2.0)},  # Walk-These-Ways has 0.1 to 3
    }
    bounds = {"foot_friction": LIMITS}
    realized = ("foot_friction",)
    needs = ("feet",)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """The friction of the first foot."""
        return {"foot_friction": np.array(_own_friction(robot))}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """The same: its nominal value is the robot's own."""
        return ranges

    def combined(self, share: float, robot: Robot) -> float | None:
        """Friction towards that of a wet floor."""
        own = _own_friction(robot)
        return own + share * (WET_FLOOR - own)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Set the friction of the feet."""
        _set_friction(running, ids, running.params["foot_friction"][ids])

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Read back the friction that acts."""
        running.realized["foot_friction"][ids] = acting_friction(running.fields, running.robot, ids)


class Slip(Perturbation):
    """The feet have another friction for a while, once per episode."""

    name = "slip"
    title = "Sudden slip"
    summary = "friction of the feet for one second"
    severities = (0.8, 0.4, 0.3, 0.2, 0.1, 0.05)
    reference = 0.3
    suites = {"quick": Share(24, 4, severities=(0.8, 0.3, 0.1))}
    ranges: Ranges = {
        "slip": 0.0,  # probability that it happens
        "slip_begin": (2.0, 15.0),  # s
        "slip_duration": (0.5, 1.5),  # s
        "slip_friction": (0.05, 0.2),
    }
    levels = {"hard": {"slip": 0.3}}  # chosen
    bounds = {
        "slip_begin": (0.0, 1e6),  # s
        "slip_duration": (0.0, 1e6),  # s
        "slip_friction": LIMITS,
    }
    realized = ("lowest_foot_friction",)
    needs = ("feet",)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Begin and duration, s, where 0 means never, and friction meanwhile."""
        return {
            "slip_begin": np.array(0.0),
            "slip_duration": np.array(0.0),
            "slip_friction": np.array(_own_friction(robot)),
        }

    def varies(self, ranges: Ranges) -> bool:
        """Whether a slip can happen."""
        return ranges["slip"] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """One slip with a probability, at a random time."""
        slips = rng.random() < ranges["slip"]
        begin, duration = rng.uniform(*ranges["slip_begin"]), rng.uniform(*ranges["slip_duration"])
        return {
            "slip_begin": begin,
            "slip_duration": duration if slips else 0.0,
            "slip_friction": rng.uniform(*ranges["slip_friction"]),
        }

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Slips are rarer."""
        return {**ranges, "slip": share * ranges["slip"]}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """One axis, judged by recovery."""
        return (self.axis(judged_by_recovery=True),)

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The severity as the friction, for a second, where it is less than the robot's own."""
        begin = rng.uniform(*SLIP_BEGIN)
        if not severity < _own_friction(plant.robot):
            return {}
        return {
            "slip_begin": begin,
            "slip_duration": SLIP_SECONDS,
            "slip_friction": severity,
        }

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """Begin of the slip."""
        return params.get("slip_begin", 0.0) if params.get("slip_duration") else None

    def happening(self, values: Values, begin: float, params: Mapping[str, Any]) -> Values:
        """A slip at that time."""
        return {**values, "slip_begin": begin} if values else values

    def prepare(self, running: Running) -> None:
        """Remember the control steps of begin and end, -1 for never, and the friction around."""
        n = len(running.key)
        running.memory["slip_steps"] = np.full((n, 2), -1)
        running.memory["friction_around"] = np.zeros(n)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up when it begins and ends, and the friction that it ends with."""
        begin = np.rint(running.params["slip_begin"][ids] / running.control_dt)
        end = begin + np.rint(running.params["slip_duration"][ids] / running.control_dt)
        steps = np.stack([begin, end], axis=1)
        steps[np.equal(begin, end)] = -1.0
        running.memory["slip_steps"][ids] = steps
        foot = running.robot.foot_geoms[0]
        running.memory["friction_around"][ids] = running.fields.read("geom_friction", ids)[
            :, foot, 0
        ]

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Read back the friction that acts."""
        running.realized["lowest_foot_friction"][ids] = acting_friction(
            running.fields, running.robot, ids
        )

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Continue a slip that had begun."""
        begin, end = running.memory["slip_steps"].T
        slipping = np.flatnonzero((begin < steps) & (steps < end))
        _set_friction(running, slipping, running.params["slip_friction"][slipping])

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Begin and end due slips."""
        due = np.equal(running.memory["slip_steps"], steps[:, None])
        if not due.any():
            return
        ids = np.flatnonzero(due.any(axis=1))
        begin, end = running.memory["slip_steps"][ids].T
        slipping = (begin <= steps[ids]) & (steps[ids] < end)
        meanwhile = running.params["slip_friction"][ids]
        friction = np.where(slipping, meanwhile, running.memory["friction_around"][ids])
        _set_friction(running, ids, friction)
        lowest = running.realized["lowest_foot_friction"]
        acting = acting_friction(running.fields, running.robot, ids)
        lowest[ids] = np.minimum(lowest[ids], acting)


def acting_friction(fields: ModelFields, robot: Robot, ids: np.ndarray) -> np.ndarray:
    """Least sliding friction of a foot on the ground by MuJoCo's rule for contacts, (k,).

    The geom of higher priority decides, and of equal ones the rougher.
    """
    model, feet = robot.model, robot.foot_geoms
    touches = (model.geom_contype | model.geom_conaffinity) > 0
    grounds = np.flatnonzero((model.geom_bodyid == 0) & touches)
    foot, ground = np.repeat(feet, len(grounds)), np.tile(grounds, len(feet))  # (pairs,) each
    ahead = model.geom_priority[foot] - model.geom_priority[ground]
    friction = fields.read("geom_friction", ids)[:, :, 0]  # (k, geoms)
    of_foot, of_ground = friction[:, foot], friction[:, ground]  # (k, pairs)
    higher = np.where(ahead > 0, of_foot, of_ground)
    acting = np.where(ahead == 0, np.maximum(of_foot, of_ground), higher)
    return acting.min(axis=1)


def _own_friction(robot: Robot) -> float:
    return float(robot.model.geom_friction[robot.foot_geoms[0], 0])


def _set_friction(running: Running, ids: np.ndarray, friction: np.ndarray) -> None:
    """Set the friction of the feet, (k,)."""
    running.fields["geom_friction"][ids[:, None], running.robot.foot_geoms, 0] = friction[:, None]
