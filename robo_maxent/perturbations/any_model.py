"""Effects on any MuJoCo model, also one compiled by someone else, without names of parts.

Friction, mass and strength are factors on what was compiled, all parts alike.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from robo_maxent.perturbations.base import (
    Perturbation,
    Plant,
    Ranges,
    Running,
    ScalarEffect,
    Share,
    Values,
    angle_of,
    horizontal,
)
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot, RobotState

PUSHED_AT = (1.0, 3.0)
"""Time at which a push begins, s: robots walk by then, and few have fallen."""
PUSH_SECONDS = 0.1

_GAIN, _BIAS = mujoco.mjtGain, mujoco.mjtBias
GAIN_TERMS = MappingProxyType(
    {
        _GAIN.mjGAIN_FIXED.value: (0,),
        _GAIN.mjGAIN_AFFINE.value: (0, 1, 2),
        _GAIN.mjGAIN_MUSCLE.value: (2, 3),
    }
)
"""Kind of gain -> its parameters to which the force is proportional."""
BIAS_TERMS = MappingProxyType(
    {
        _BIAS.mjBIAS_NONE.value: (),
        _BIAS.mjBIAS_AFFINE.value: (0, 1, 2),
        _BIAS.mjBIAS_MUSCLE.value: (2, 3),
    }
)
"""Kind of bias -> its parameters to which the force is proportional."""


class Factor(ScalarEffect):
    """A factor on quantities of a compiled model."""

    unit = "of its own"
    needs = ("model",)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """A factor of 1."""
        return {self.parameter: np.array(1.0)}


class GeomFriction(Factor):
    """Factor of the friction of all geoms: sliding, torsional and rolling."""

    name = "friction"
    parameter = "friction_factor"
    title = "Friction"
    summary = "friction of everything that touches, as a share of its own"
    severities = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
    reference = 0.7
    suites = {"quick": Share(24, 4, severities=(1.0, 0.6, 0.2))}
    bounds = {"friction_factor": (0.01, 10.0)}
    ranges: Ranges = {"friction_factor": (1.0, 1.0)}

    def lacking(self, robot: Robot) -> str | None:
        """The model needs geoms with contact."""
        model = robot.model
        touching = (model.geom_contype[:, None] & model.geom_conaffinity).any() or model.npair
        return super().lacking(robot) or (None if touching else "nothing that can touch")

    def combined(self, share: float, robot: Robot) -> float | None:
        """A third less friction."""
        return None if self.lacking(robot) else 1.0 - 0.3 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale the friction of geoms, and of pairs that have their own."""
        factor = running.params["friction_factor"][ids, None, None]
        running.fields["geom_friction"][ids] *= factor
        if running.robot.model.npair:
            running.fields["pair_friction"][ids] *= factor


class BodyMass(Factor):
    """Factor of the mass and the inertia of all bodies."""

    name = "mass"
    parameter = "mass_factor"
    title = "Mass"
    summary = "mass and inertia of every body, as a multiple of its own"
    severities = (1.0, 1.25, 1.5, 2.0, 3.0)
    reference = 1.25
    suites = {"quick": Share(24, 4, severities=(1.0, 1.5, 3.0))}
    bounds = {"mass_factor": (0.05, 20.0)}
    ranges: Ranges = {"mass_factor": (1.0, 1.0)}
    realized = ("total_mass",)
    changes_constants = True

    def combined(self, share: float, robot: Robot) -> float | None:
        """A quarter more mass."""
        return None if self.lacking(robot) else 1.0 + 0.25 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale masses and inertias."""
        factor = running.params["mass_factor"][ids]
        running.fields["body_mass"][ids] *= factor[:, None]
        running.fields["body_inertia"][ids] *= factor[:, None, None]

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Read back the total mass, kg."""
        running.realized["total_mass"][ids] = running.fields.read("body_mass", ids).sum(axis=1)


class ActuatorStrength(Factor):
    """Factor of the force of every actuator at the same control, and of its limit."""

    name = "motor_strength"
    parameter = "strength_factor"
    title = "Weak motors"
    summary = "share of its own force that every actuator gives"
    noun = "motor strength"
    severities = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    reference = 0.8
    suites = {"quick": Share(24, 4, severities=(1.0, 0.8, 0.6))}
    bounds = {"strength_factor": (0.0, 5.0)}
    ranges: Ranges = {"strength_factor": (1.0, 1.0)}
    changes_constants = True  # a muscle is as strong as its mass at rest asks for

    def lacking(self, robot: Robot) -> str | None:
        """The model needs actuators whose force can be scaled."""
        model = robot.model
        known = set(model.actuator_gaintype.tolist()) <= set(GAIN_TERMS)
        known &= set(model.actuator_biastype.tolist()) <= set(BIAS_TERMS)
        why = "actuators that compute their force in code of their own"
        own = "no actuators" if not model.nu else None if known else why
        return super().lacking(robot) or own

    def combined(self, share: float, robot: Robot) -> float | None:
        """A fifth less force."""
        return None if self.lacking(robot) else 1.0 - 0.2 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale everything that makes the force."""
        model, fields = running.robot.model, running.fields
        factor = running.params["strength_factor"][ids]
        kinds = {
            "actuator_gainprm": (model.actuator_gaintype, GAIN_TERMS),
            "actuator_biasprm": (model.actuator_biastype, BIAS_TERMS),
        }
        for name, (kind, terms) in kinds.items():
            for actuator in range(model.nu):
                for term in terms[int(kind[actuator])]:
                    fields[name][ids, actuator, term] *= factor
        fields["actuator_forcerange"][ids] *= factor[:, None, None]


class BasePush(Perturbation):
    """One push on the base, in any horizontal direction that it can move in.

    Severities are what the whole robot, as heavy as its model says, would gain in speed if it were
    free, m/s.
    """

    name = "push"
    title = "Pushes"
    unit = "m/s"
    summary = "one push on the base after one to three seconds, as the speed that it is worth"
    noun = "pushes"
    severities = (0.0, 0.5, 1.0, 2.0, 3.0)
    reference = 1.0
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 3.0))}
    bounds = {"base_push_begin": (0.0, 1e6), "base_push": (-100.0, 100.0)}
    realized = ("impulse",)
    needs = ("model", "base")

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Begin of the push, s, and its impulse over the mass of the model, world frame, m/s."""
        return {"base_push_begin": np.array(0.0), "base_push": np.zeros(2)}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """A push of that size at a random time in a random direction."""
        begin, angle = rng.uniform(*PUSHED_AT), rng.uniform(-np.pi, np.pi)
        if severity == 0.0:
            return {}
        free = free_directions(plant.robot)
        push = horizontal(severity, angle)
        if len(free) == 1:
            push = np.copysign(severity, push[0]) * free[0]
        return {"base_push_begin": begin, "base_push": push}

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """Begin of the push."""
        return params.get("base_push_begin", 0.0) if np.any(params.get("base_push", 0.0)) else None

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Direction of the push, world frame."""
        return angle_of(params.get("base_push"))

    def prepare(self, running: Running) -> None:
        """Remember when pushes begin and end, in control steps, and the force, N."""
        n = len(running.key)
        running.memory["push_steps"] = np.full((n, 2), -1)
        running.memory["push_force"] = np.zeros((n, 3))

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up begin and end of the push, -1 for never, and its force."""
        robot, push = running.robot, running.params["base_push"][ids]
        begin = np.rint(running.params["base_push_begin"][ids] / running.control_dt)
        steps = max(round(PUSH_SECONDS / running.control_dt), 1)
        both = np.stack([begin, begin + steps], axis=1)
        both[~push.any(axis=1)] = -1.0
        running.memory["push_steps"][ids] = both
        mass = float(robot.model.body_subtreemass[robot.base_body])
        force = mass * push / (steps * running.control_dt)
        running.memory["push_force"][ids] = np.pad(force, ((0, 0), (0, 1)))

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Reset the tally."""
        running.realized["impulse"][ids] = 0.0

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Begin and end due pushes."""
        due = np.equal(running.memory["push_steps"], steps[:, None])
        if not due.any():
            return
        ids = np.flatnonzero(due.any(axis=1))
        begins = due[ids, 0]
        running.push(ids, running.memory["push_force"][ids] * begins[:, None])

    def after_step(self, running: Running) -> None:
        """Sum the delivered impulse, N·s."""
        if running.body_force.any():
            size = np.sqrt((running.body_force**2).sum(axis=1))
            running.realized["impulse"] += size * running.control_dt


def free_directions(robot: Robot) -> np.ndarray:
    """Horizontal directions that the base can move in, world frame, unit vectors, (1 or 2, 2)."""
    model, base = robot.model, robot.base_body
    first, count = int(model.body_jntadr[base]), int(model.body_jntnum[base])
    joints = np.arange(first, first + count)
    if (model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_FREE.value).any():
        return np.eye(2)
    mujoco.mj_kinematics(model, data := mujoco.MjData(model))
    slides = joints[model.jnt_type[joints] == mujoco.mjtJoint.mjJNT_SLIDE.value]
    _, sizes, directions = np.linalg.svd(data.xaxis[slides, :2])
    return directions[: int((sizes > 1e-6).sum())]
