"""A robot in its world: the model, its names resolved to indices once, its named readings."""

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.physics import Batch, mujoco
from robo_maxent.sim.terrain_pool import Pool, attach, write

DECORATION_GROUP = 2
"""Geom group of parts that only the eye sees: no mass, no contact."""

SENSORS = {"base_linear_velocity": 3, "base_angular_velocity": 3, "up_in_base": 3}
FOOT_SENSORS = {"foot_position": 3, "foot_velocity": 3, "foot_touch": 1}


@dataclass(frozen=True)
class Readings:
    """What is true now, for N simulations: live views that change with every step.

    Position and velocity readings describe the present state; ``foot_touch`` is that of the last
    substep, since contact forces belong to an acceleration.
    """

    time: np.ndarray
    """Simulated time, s, (N,)."""
    base_position: np.ndarray
    """Base position in the world frame, m, (N, 3)."""
    base_orientation: np.ndarray
    """Base orientation in the world frame, unit quaternion w x y z, (N, 4)."""
    base_linear_velocity: np.ndarray
    """Base velocity in the base frame, m/s, (N, 3)."""
    base_angular_velocity: np.ndarray
    """Base angular velocity in the base frame, rad/s, (N, 3)."""
    up: np.ndarray
    """World's upward axis in the base frame: (0, 0, 1) when level, (N, 3)."""
    joint_position: np.ndarray
    """Joint angles in actuator order, rad, (N, A)."""
    joint_velocity: np.ndarray
    """Joint velocities in actuator order, rad/s, (N, A)."""
    joint_torque: np.ndarray
    """Actuator torques of the last substep, N·m, (N, A)."""
    foot_position: np.ndarray
    """Foot centres in the world frame, m, (N, feet, 3)."""
    foot_velocity: np.ndarray
    """Foot velocities in the world frame, m/s, (N, feet, 3)."""
    foot_touch: np.ndarray
    """Normal contact force on each foot, N, (N, feet)."""


class Robot:
    """A compiled legged robot and the names a task needs, resolved once."""

    def __init__(self, model: mujoco.MjModel, feet: tuple[str, ...], stand: str = "stand") -> None:
        """Resolve names in a compiled model.

        Args:
            model: One free-floating base, then one hinge joint per actuator, in actuator order.
            feet: Prefixes of the feet: ``FR`` stands for the geom ``FR_foot``, the sensors
                ``FR_foot_position``, ``FR_foot_velocity`` and ``FR_foot_touch``.
            stand: Keyframe of the standing pose.

        Raises:
            RobotError: A name is missing; the message lists those there are.
        """
        self.model = model
        self.feet = feet
        self.stand = self.keyframe(stand)
        self.foot_geoms = np.array([self._id("geom", f"{foot}_foot") for foot in feet])
        self.foot_radius = float(model.geom_size[self.foot_geoms[0], 0])
        joints = model.actuator_trnid[:, 0]
        if model.nq != 7 + model.nu or not np.array_equal(joints, np.arange(1, 1 + model.nu)):
            raise RobotError(
                "The robot must be one free joint followed by one hinge joint per actuator, in "
                f"actuator order; got nq={model.nq}, nu={model.nu}, actuated joints {list(joints)}."
            )
        self.trunk = int(model.jnt_bodyid[0])
        self.joints = tuple(model.joint(int(joint)).name for joint in joints)
        self.stand_pose = model.key_qpos[self.stand, 7:].copy()  # (A,)
        self.stand_height = float(model.key_qpos[self.stand, 2])
        self.joint_range = model.jnt_range[joints].copy()  # (A, 2)
        self._scratch = mujoco.MjData(model)
        touches = (model.geom_contype | model.geom_conaffinity) > 0
        self._parts = np.flatnonzero(touches & (model.geom_bodyid > 0))
        self._sensor = {name: self._slice(name) for name in SENSORS}
        self._foot_sensor = {
            name: [self._slice(f"{foot}_{name}") for foot in feet] for name in FOOT_SENSORS
        }
        for name, slices in self._foot_sensor.items():
            if any(left.stop != right.start for left, right in pairwise(slices)):
                order = ", ".join(f"{foot}_{name}" for foot in feet)
                raise RobotError(f"Foot sensors must stand one after the other: {order}.")

    def keyframe(self, name: str) -> int:
        """Index of a keyframe.

        Raises:
            RobotError: No such keyframe; the message lists those there are.
        """
        return self._id("key", name)

    def spheres(self, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounding spheres of the parts that can touch the ground.

        Args:
            qpos: Generalized position, (nq,).

        Returns:
            Centres in the world frame, m, (parts, 3), and radii, m, (parts,).
        """
        self._scratch.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._scratch)
        return self._scratch.geom_xpos[self._parts], self.model.geom_rbound[self._parts]

    def read(self, batch: Batch) -> Readings:
        """Bind the readings of every simulation of a batch, once."""
        qpos, qvel, sensors = batch.bind("qpos"), batch.bind("qvel"), batch.bind("sensordata")
        foot = {
            name: sensors[:, slices[0].start : slices[-1].stop].reshape(
                batch.nsim, len(self.feet), -1
            )
            for name, slices in self._foot_sensor.items()
        }
        return Readings(
            time=batch.bind("time"),
            base_position=qpos[:, 0:3],
            base_orientation=qpos[:, 3:7],
            joint_position=qpos[:, 7:],
            joint_velocity=qvel[:, 6:],
            joint_torque=batch.bind("actuator_force"),
            base_linear_velocity=sensors[:, self._sensor["base_linear_velocity"]],
            base_angular_velocity=sensors[:, self._sensor["base_angular_velocity"]],
            up=sensors[:, self._sensor["up_in_base"]],
            foot_position=foot["foot_position"],
            foot_velocity=foot["foot_velocity"],
            foot_touch=foot["foot_touch"][:, :, 0],
        )

    def _id(self, kind: str, name: str) -> int:
        count = getattr(self.model, f"n{kind}")
        names = [getattr(self.model, kind)(index).name for index in range(count)]
        if name not in names:
            known = ", ".join(n for n in names if n) or "none"
            raise RobotError(f"The robot has no {kind} named {name!r}. It has: {known}.")
        return names.index(name)

    def _slice(self, name: str) -> slice:
        sensor = self._id("sensor", name)
        start = int(self.model.sensor_adr[sensor])
        return slice(start, start + int(self.model.sensor_dim[sensor]))


def yaw(orientation: np.ndarray) -> np.ndarray:
    """Heading in the world frame, rad, (N,), of unit quaternions w x y z, (N, 4)."""
    w, x, y, z = orientation.T
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def in_base(orientation: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """World vectors in the base frame, (N, 3), of unit quaternions w x y z, (N, 4)."""
    w, axis = orientation[:, :1], -orientation[:, 1:]  # the inverse rotation
    twice = 2.0 * np.cross(axis, vectors)
    return vectors + w * twice + np.cross(axis, twice)


def load(
    path: str | os.PathLike[str], *, decorations: bool = False, pool: Pool | None = None
) -> mujoco.MjModel:
    """Compile a robot file.

    Args:
        path: An MJCF file.
        decorations: Keep the geoms that only the eye sees. The physics is the same, bit for bit,
            and faster without them.
        pool: Patches of terrain in the place of the plane that the file has as its ground.

    Raises:
        RobotError: The file is missing or is not a valid model; the message says where.
    """
    file = Path(path)
    if not file.is_file():
        raise RobotError(f"Robot file not found: {file}")
    try:
        spec = mujoco.MjSpec.from_file(str(file))
        if not decorations:
            for geom in list(spec.geoms):
                if geom.group == DECORATION_GROUP:
                    spec.delete(geom)
        if pool is None or pool.endless:
            return spec.compile()
        attach(spec, pool)
        model = spec.compile()
        write(model, pool)
        return model
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise RobotError(f"{file} is not a valid robot: {reason}") from error
