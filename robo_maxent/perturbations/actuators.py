"""Motors that are weak, stuck or gone, servos that are tuned otherwise, encoders that are off.

A position servo gives ``s clip(kp (target - q - b) - kd qvel, limits)``, with the gains scaled, the
encoder bias b, and the strength s. The effects are written one after the other, in the order in
which they stand here, each into what the one before left.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
)
from robo_maxent.sim.body_scale import BodyScale
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.types import Breakdown

LOCK_INERTIA = 1.0
"""kg m², added at a locked joint. It acts on what moves there, which is next to nothing, and tells
the contact solver that the leg is one stiff piece: with the spring alone a robot on locked legs
bounces on its feet for ever, as if they were as light as free ones. This and what follows is the
reference quadruped's; another's goes with its mass and its leg length."""
LOCK_STIFFNESS = 1e4
"""N·m/rad: 35 N·m, the strongest motor, moves a locked joint by 0.0035 rad."""
LOCK_DAMPING = 200.0
"""N·m·s/rad: twice the square root of inertia times stiffness, no overshoot."""

BY_JOINT = (Breakdown("joint", "case", "joints"),)


class ServoEffect(Perturbation):
    """Base class of effects on position servos."""

    def lacking(self, robot: Robot) -> str | None:
        """The robot needs position servos of one joint each."""
        if robot.spec.joints:
            return "actuators that act on several joints"
        other = ~position_servos(robot)
        if not other.any():
            return None
        names = [robot.model.actuator(int(i)).name for i in robot.actuators[other]]
        return f"actuators that are no position servos: {', '.join(names)}"


class ServoGains(ServoEffect):
    """Factors of the position gains and of the velocity gains, all joints alike."""

    name = "gains"
    title = "Servo gains"
    summary = "stiffness and damping of the servos are off by this share, either way"
    severities = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    reference = 0.2
    suites = {"quick": Share(24, 4, severities=(0.0, 0.2, 0.4))}
    bounds = {"kp_scale": (0.0, 4.0), "kd_scale": (0.0, 4.0)}  # stiffer ones need shorter steps
    ranges: Ranges = {"kp_scale": (1.0, 1.0), "kd_scale": (1.0, 1.0)}
    levels = {
        "default": {"kp_scale": (0.9, 1.1), "kd_scale": (0.9, 1.1)},  # HIMLoco, DreamWaQ, holosoma
        "hard": {"kp_scale": (0.8, 1.2), "kd_scale": (0.8, 1.2)},  # chosen: twice the usual
    }

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """The compiled gains."""
        return {"kp_scale": np.array(1.0), "kd_scale": np.array(1.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform factors."""
        return {name: rng.uniform(*ranges[name]) for name in ("kp_scale", "kd_scale")}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """Both gains are off by the severity, each up or down."""
        stiffer, damped = rng.choice([-1.0, 1.0], 2)
        return {"kp_scale": 1.0 + severity * stiffer, "kd_scale": 1.0 + severity * damped}

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale the gains."""
        kp, kd = running.params["kp_scale"][ids, None], running.params["kd_scale"][ids, None]
        rows = np.ix_(ids, running.robot.actuators)
        gain, bias = (running.fields[f"actuator_{part}prm"] for part in ("gain", "bias"))
        gain[*rows, 0] *= kp
        bias[*rows, 1] *= kp
        bias[*rows, 2] *= kd


class MotorStrength(ServoEffect):
    """Share of the torque that a motor gives at the same target and state, its limit included.

    The torque constant is off by this factor. Published sets scale the torque ahead of an unchanged
    limit, which is the same below it.
    """

    name = "motor_strength"
    title = "Weak motors"
    summary = "share of the torque that all motors give"
    noun = "motor strength"
    severities = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    reference = 0.8
    suites = {"quick": Share(24, 4, severities=(1.0, 0.8, 0.6)), "full": Share(64, 10)}
    bounds = {"motor_strength": (0.0, 2.0)}
    ranges: Ranges = {"motor_strength": (1.0, 1.0)}  # of each joint
    levels = {
        "default": {"motor_strength": (0.9, 1.1)},  # HIMLoco, DreamWaQ, Walk-These-Ways, RMA
        "hard": {"motor_strength": (0.8, 1.2)},  # RMA tests 0.88 to 1.22
    }

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Full torque."""
        return {"motor_strength": np.ones(len(robot.joints))}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """A uniform share for each joint."""
        return {"motor_strength": rng.uniform(*ranges["motor_strength"], size=len(robot.joints))}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The severity, for all joints."""
        return {"motor_strength": severity}

    def combined(self, share: float, robot: Robot) -> float | None:
        """Motors a fifth weaker."""
        return 1.0 - 0.2 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale everything that makes the torque."""
        scale_torque(running, ids, running.params["motor_strength"][ids])


class JointFault(ServoEffect):
    """A fault of single joints; in training at most one joint has it."""

    phrase: str
    """What a verdict says of it."""
    unit = "joints"
    severities = (0.0, 1.0)
    is_scale = False
    suites = {"quick": Share(4, 2), "full": Share(34, 5)}

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """No joint has it."""
        return {self.name: np.zeros(len(robot.joints), bool)}

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """The parameter is true or false."""
        return {self.name: (0.0, 1.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """At most one faulty joint, with the probability that is the range."""
        joints = len(robot.joints)
        happens, which = rng.random() < ranges[self.name], int(rng.random() * joints)
        return {self.name: np.arange(joints) == (which if happens else -1)}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """One axis with a case for each joint."""
        return (self.axis(cases=robot.joints, phrase=self.phrase, breakdowns=BY_JOINT),)

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The joint of the case has the fault."""
        return {self.name: np.array(plant.robot.joints) == case} if severity else {}


class DeadJoint(JointFault):
    """Joints whose motor gives no torque."""

    name = "dead_joint"
    title = "One dead joint"
    summary = "one motor gives no torque"
    phrase = "with one joint dead"
    ranges: Ranges = {"dead_joint": 0.0}  # probability that one joint is, any

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Take the torque away."""
        scale_torque(running, ids, np.where(running.params["dead_joint"][ids], 0.0, 1.0))


class LockedJoint(JointFault):
    """Joints that are stuck at their angle in the home pose."""

    name = "locked_joint"
    title = "One locked joint"
    summary = "one joint is stuck at its angle in the standing pose"
    phrase = "with one joint locked"
    ranges: Ranges = {"locked_joint": 0.0}  # probability that one joint is, any
    changes_constants = True

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Hold the joints by stiff springs, and take their torque away."""
        scale = BodyScale.of(running.robot).torque
        robot, fields, locked = running.robot, running.fields, running.params["locked_joint"][ids]
        scale_torque(running, ids, np.where(locked, 0.0, 1.0))
        fields["dof_damping"][np.ix_(ids, robot.dof_adr)] += scale * LOCK_DAMPING * locked
        fields["jnt_stiffness"][np.ix_(ids, robot.joint_ids)] += scale * LOCK_STIFFNESS * locked
        fields["dof_armature"][np.ix_(ids, robot.dof_adr)] += scale * LOCK_INERTIA * locked
        rest = fields["qpos_spring"]
        place = np.ix_(ids, robot.qpos_adr)
        rest[place] = np.where(locked, robot.home_pose, rest[place])

    def start(self, running: Running, ids: np.ndarray, qpos: np.ndarray) -> None:
        """Begin with the joint at the angle where it is stuck."""
        stuck, joint = np.nonzero(running.params["locked_joint"][ids])
        qpos[ids[stuck], running.robot.qpos_adr[joint]] = running.robot.home_pose[joint]


class NoLoadSpeed(ServoEffect):
    """Joint speed at which a motor has no torque left in the direction of motion, rad/s.

    With a no-load speed w, the torque in the direction of motion can't exceed the limit times
    ``1 - |qvel| / w``, as in a DC motor on a constant voltage: current that back-EMF leaves.
    Against the motion back-EMF adds to the voltage, and the limit is ``1 + |qvel| / w``. It is
    exact at each physics step: the slope ``limit / w`` is a damping of the joint, which the servo
    compensates within its limits.
    """

    name = "no_load_speed"
    title = "No-load speed"
    unit = "rad/s"
    summary = "joint speed at which a motor has no torque left"
    bounds = {"no_load_speed": (1.0, np.inf)}
    ranges: Ranges = {"no_load_speed": (np.inf, np.inf)}  # its inverse is uniform
    levels = {"hard": {"no_load_speed": (20.0, 100.0)}}  # chosen: a fast step needs about 10 rad/s

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Full torque at any speed."""
        return {"no_load_speed": np.array(np.inf)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Its inverse, the slope of the torque curve, is uniform."""
        slowest, fastest = ranges["no_load_speed"]
        slope = rng.uniform(1.0 / fastest, 1.0 / slowest)
        return {"no_load_speed": 1.0 / slope if slope else np.inf}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """The slope is narrowed in proportion."""
        ends = tuple(end / share if share else np.inf for end in ranges["no_load_speed"])
        return {"no_load_speed": ends}

    def lacking(self, robot: Robot) -> str | None:
        """The robot needs servos with symmetric torque limits."""
        model, ids = robot.model, robot.actuators
        low, high = model.actuator_forcerange[ids].T
        limited = (low == -high) & (model.actuator_forcelimited[ids] > 0)
        if not limited.all():
            return "actuators without a forcerange that is the same both ways"
        return super().lacking(robot)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Damp the joints, and let the servos compensate the damping within their limits."""
        robot, fields = running.robot, running.fields
        rows = np.ix_(ids, robot.actuators)
        limit = fields["actuator_forcerange"][*rows, 1]
        slope = limit / running.params["no_load_speed"][ids, None]  # (k, A)
        fields["actuator_biasprm"][*rows, 2] += slope
        fields["dof_damping"][np.ix_(ids, robot.dof_adr)] += slope


class EncoderBias(ServoEffect):
    """Angle by which the encoder of a joint reads too high, rad.

    The policy sees it, and the position servo acts on it.
    """

    name = "encoder_bias"
    title = "Encoder bias"
    unit = "rad"
    summary = "encoders read wrong by up to this, each by another angle"
    severities = (0.0, 0.01, 0.02, 0.04, 0.06, 0.1)
    reference = 0.02
    suites = {"quick": Share(24, 4, severities=(0.0, 0.04, 0.1))}
    bounds = {"encoder_bias": (-0.5, 0.5)}
    ranges: Ranges = {"encoder_bias": (0.0, 0.0)}  # rad, of each joint
    levels = {
        "default": {"encoder_bias": (-0.015, 0.015)},  # mjlab 1.6
        "hard": {"encoder_bias": (-0.03, 0.03)},  # chosen: twice the usual
    }

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Encoders without bias."""
        return {"encoder_bias": np.zeros(len(robot.joints))}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """A uniform bias for each joint."""
        return {"encoder_bias": rng.uniform(*ranges["encoder_bias"], size=len(robot.joints))}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """A bias up to the severity for each joint."""
        return {"encoder_bias": severity * rng.uniform(-1.0, 1.0, len(plant.robot.joints))}

    def combined(self, share: float, robot: Robot) -> float | None:
        """A bias up to a degree."""
        return 0.02 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Shift what the servos measure."""
        rows = np.ix_(ids, running.robot.actuators)
        gains = running.fields["actuator_gainprm"][*rows, 0]
        running.fields["actuator_biasprm"][*rows, 0] -= gains * running.params["encoder_bias"][ids]

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """Shift what the policy sees."""
        measured = state.joint_position + running.params["encoder_bias"]
        return replace(state, joint_position=measured)


def position_servos(robot: Robot) -> np.ndarray:
    """Whether each actuator is a position servo, bool, (A,)."""
    model, ids = robot.model, robot.actuators
    return (
        (model.actuator_gaintype[ids] == mujoco.mjtGain.mjGAIN_FIXED)
        & (model.actuator_biastype[ids] == mujoco.mjtBias.mjBIAS_AFFINE)
        & (model.actuator_gainprm[ids, 0] == -model.actuator_biasprm[ids, 1])
    )


def scale_torque(running: Running, ids: np.ndarray, share: np.ndarray) -> None:
    """Scale the torque of motors at the same target and state, and its limit, (k, A)."""
    fields, rows = running.fields, np.ix_(ids, running.robot.actuators)
    fields["actuator_gainprm"][*rows, 0] *= share
    for term in range(3):
        fields["actuator_biasprm"][*rows, term] *= share
    for end in range(2):
        fields["actuator_forcerange"][*rows, end] *= share
