"""Writes draws into the models of a batch, always from the compiled defaults."""

from collections.abc import Callable, Iterable

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.perturbations.params import Draw
from robo_maxent.sim.physics import Batch, mujoco
from robo_maxent.sim.robot import Robot

PAYLOAD_BOX = np.array([0.20, 0.12, 0.10])
"""Edges of the box that a payload is, of even density, m."""
PAYLOAD_AT = np.array([0.0, 0.0, 0.105])
"""Its centre, trunk frame, m: on the back of a trunk that is 0.11 m thick."""

LOCK_INERTIA = 1.0
"""kg m², added at a locked joint. It acts on what moves there, which is next to nothing, and tells
the contact solver that the leg is one stiff piece: with the spring alone a robot on locked legs
bounces on its feet for ever, as if they were as light as free ones."""
LOCK_STIFFNESS = 1e4
"""N·m/rad: 35 N·m, the strongest motor, moves a locked joint by 0.0035 rad."""
LOCK_DAMPING = 200.0
"""N·m·s/rad: twice the square root of inertia times stiffness, no overshoot."""

MASS = {"payload", "com_offset"}
MOTORS = {
    "motor_strength",
    "locked_joint",
    "dead_joint",
    "kp_scale",
    "kd_scale",
    "no_load_speed",
    "encoder_bias",
}
GRAVITY = {"gravity_tilt"}


class Applier:
    """Writes draws into a batch; fields nobody draws stay those of the compiled model.

    Motors. A position servo gives ``s clip(kp (target - q - b) - kd qvel, limits)``, with the gains
    scaled, the encoder bias b, and the strength s. With a no-load speed w, the torque in the
    direction of motion can't exceed the limit times ``1 - |qvel| / w``, as in a DC motor on a
    constant voltage: current that back-EMF leaves. Against the motion back-EMF adds to the voltage,
    and the limit is ``1 + |qvel| / w``. It is exact at each physics step: the slope ``limit / w``
    is a damping of the joint, which the servo compensates within its limits.
    """

    def __init__(self, robot: Robot, batch: Batch) -> None:
        """Give the friction of the feet its per-simulation values; other fields on demand."""
        self._robot, self._batch, self._model = robot, batch, robot.model
        self._feet = robot.foot_geoms
        self._friction = batch.expand("geom_friction")  # (N, geoms, 3)
        grounds = np.flatnonzero((robot.model.geom_bodyid == 0) & (robot.model.geom_contype > 0))
        foot, ground = np.repeat(self._feet, len(grounds)), np.tile(grounds, len(self._feet))
        priority = robot.model.geom_priority
        self._contacts = foot, ground, priority[foot] - priority[ground]  # (pairs,) each
        self._on: list[Callable[[Draw, np.ndarray], None]] = []
        self._constants = False  # whether what is applied changes those that MuJoCo derives

    def require(self, names: Iterable[str]) -> None:
        """From now on apply these fields of a draw too.

        Raises:
            RobotError: The robot's actuators have no such thing.
        """
        groups = ((MASS, self._apply_mass), (MOTORS, self._apply_motors), (GRAVITY, self._tilt))
        for group, function in groups:
            if group & set(names) and function not in self._on:
                self._on.append(function)
        if MOTORS & set(names):
            self._check_motors("no_load_speed" in names)
        self._constants |= not set(names).isdisjoint(MASS | {"locked_joint"})

    def __call__(self, draws: Draw, ids: np.ndarray) -> None:
        """Apply the draws of simulations ``ids``, ascending."""
        self.set_friction(ids, draws.foot_friction[ids])
        for function in self._on:
            function(draws, ids)
        if self._constants:
            self._batch.set_const(ids)

    def set_friction(self, ids: np.ndarray, friction: np.ndarray) -> None:
        """Set the friction of the feet, (k,)."""
        self._friction[ids[:, None], self._feet, 0] = friction[:, None]

    def acting_friction(self, ids: np.ndarray) -> np.ndarray:
        """Least sliding friction of a foot on the ground by MuJoCo's rule for contacts, (k,).

        The geom of higher priority decides, and of equal ones the rougher.
        """
        friction = self._friction[ids, :, 0]  # (k, geoms)
        foot, ground, ahead = self._contacts
        of_foot, of_ground = friction[:, foot], friction[:, ground]  # (k, pairs)
        higher = np.where(ahead > 0, of_foot, of_ground)
        acting = np.where(ahead == 0, np.maximum(of_foot, of_ground), higher)
        return acting.min(axis=1)

    def acting_mass(self, ids: np.ndarray) -> np.ndarray:
        """Mass of the whole robot, kg, (k,)."""
        if self._apply_mass not in self._on:
            return np.full(len(ids), self._model.body_mass.sum())
        return self._batch.expand("body_mass")[ids].sum(axis=1)

    def _apply_mass(self, draws: Draw, ids: np.ndarray) -> None:
        batch, model, trunk = self._batch, self._model, self._robot.trunk
        names = ("body_mass", "body_ipos", "body_inertia", "body_iquat")
        rows = {name: batch.expand(name) for name in names}
        for name in names:
            rows[name][ids, trunk] = getattr(model, name)[trunk]
        payload, offset = draws.payload[ids], draws.com_offset[ids]
        for sim in ids[(payload != 0.0) | (offset != 0.0).any(axis=1)]:
            mass, centre, inertia, axes = loaded(
                float(model.body_mass[trunk]),
                model.body_ipos[trunk] + draws.com_offset[sim],
                model.body_inertia[trunk],
                model.body_iquat[trunk],
                float(draws.payload[sim]),
            )
            rows["body_mass"][sim, trunk], rows["body_ipos"][sim, trunk] = mass, centre
            rows["body_inertia"][sim, trunk], rows["body_iquat"][sim, trunk] = inertia, axes

    def _apply_motors(self, draws: Draw, ids: np.ndarray) -> None:
        batch, model, robot = self._batch, self._model, self._robot
        locked = draws.locked_joint[ids]
        strength = np.where(locked | draws.dead_joint[ids], 0.0, draws.motor_strength[ids])
        kp, kd = draws.kp_scale[ids, None], draws.kd_scale[ids, None]
        gain, bias = model.actuator_gainprm, model.actuator_biasprm
        limit = model.actuator_forcerange
        slope = strength * limit[:, 1] / draws.no_load_speed[ids, None]  # (k, A)

        gains = strength * (kp * gain[:, 0])
        batch.expand("actuator_gainprm")[ids, :, 0] = gains
        offset = strength * bias[:, 0] - gains * draws.encoder_bias[ids]
        batch.expand("actuator_biasprm")[ids, :, 0] = offset
        batch.expand("actuator_biasprm")[ids, :, 1] = strength * (kp * bias[:, 1])
        batch.expand("actuator_biasprm")[ids, :, 2] = strength * (kd * bias[:, 2]) + slope
        batch.expand("actuator_forcerange")[ids] = strength[:, :, None] * limit

        damping = model.dof_damping[6:] + slope + LOCK_DAMPING * locked
        batch.expand("dof_damping")[ids, 6:] = damping
        stiffness = model.jnt_stiffness[1:] + LOCK_STIFFNESS * locked
        batch.expand("jnt_stiffness")[ids, 1:] = stiffness
        inertia = model.dof_armature[6:] + LOCK_INERTIA * locked
        batch.expand("dof_armature")[ids, 6:] = inertia
        rest = np.where(locked, robot.stand_pose, model.qpos_spring[7:])
        batch.expand("qpos_spring")[ids, 7:] = rest

    def _tilt(self, draws: Draw, ids: np.ndarray) -> None:
        gravity = tilted(self._model.opt.gravity, draws.gravity_tilt[ids])
        self._batch.expand("opt.gravity")[ids] = gravity

    def _check_motors(self, limited: bool) -> None:
        model = self._model
        servo = (
            (model.actuator_gaintype == mujoco.mjtGain.mjGAIN_FIXED)
            & (model.actuator_biastype == mujoco.mjtBias.mjBIAS_AFFINE)
            & (model.actuator_gainprm[:, 0] == -model.actuator_biasprm[:, 1])
        )
        symmetric = model.actuator_forcerange[:, 0] == -model.actuator_forcerange[:, 1]
        if not servo.all():
            names = [model.actuator(int(i)).name for i in np.flatnonzero(~servo)]
            raise RobotError(f"Only position actuators can be changed, not {', '.join(names)}.")
        if limited and not (symmetric & (model.actuator_forcelimited > 0)).all():
            raise RobotError("no_load_speed needs actuators with a forcerange, the same both ways.")


def loaded(
    mass: float, centre: np.ndarray, inertia: np.ndarray, axes: np.ndarray, payload: float
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """A trunk with a payload.

    Args:
        mass: Of the trunk, kg.
        centre: Its centre of mass, trunk frame, m, (3,).
        inertia: Its principal moments, kg m², (3,).
        axes: Orientation of its principal axes in the trunk frame, quaternion w x y z, (4,).
        payload: Mass of the box on its back, kg. Negative: the trunk is lighter by so much.

    Returns:
        The same four of both together.
    """
    if payload <= 0.0:
        share = (mass + payload) / mass
        return mass + payload, centre, share * inertia, axes
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, axes)
    turn = matrix.reshape(3, 3)
    total = mass + payload
    apart = PAYLOAD_AT - centre
    edges = PAYLOAD_BOX**2
    box = payload / 12.0 * np.diag(edges.sum() - edges)
    # Parallel-axis theorem for two bodies: their reduced mass at the distance between them.
    between = mass * payload / total * (apart @ apart * np.eye(3) - np.outer(apart, apart))
    moments, vectors = np.linalg.eigh(turn @ np.diag(inertia) @ turn.T + box + between)
    if np.linalg.det(vectors) < 0.0:
        vectors[:, 0] *= -1.0
    mujoco.mju_mat2Quat(quaternion := np.zeros(4), vectors.ravel())
    return total, (mass * centre + payload * PAYLOAD_AT) / total, moments, quaternion


def tilted(gravity: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Gravity, (3,), turned about the horizontal vectors ``tilt``, rad, (k, 2): (k, 3)."""
    angle = np.sqrt(tilt[:, 0] ** 2 + tilt[:, 1] ** 2)
    still = angle == 0.0
    x, y = (tilt / np.where(still, 1.0, angle)[:, None]).T
    c, s, along = np.cos(angle), np.sin(angle), x * gravity[0] + y * gravity[1]
    turned = np.stack(
        [
            c * gravity[0] + s * y * gravity[2] + (1 - c) * along * x,
            c * gravity[1] - s * x * gravity[2] + (1 - c) * along * y,
            c * gravity[2] + s * (x * gravity[1] - y * gravity[0]),
        ],
        axis=1,
    )
    return np.where(still[:, None], gravity, turned)
