"""A robot in its world: names resolved once to addresses, and live views of its state."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.fingers import Fingers
from robo_maxent.sim.legs import leg_length
from robo_maxent.sim.mjcf import ModelSource, undecorate
from robo_maxent.sim.physics import Batch, mujoco
from robo_maxent.sim.terrain_pool import TerrainPool, attach, write
from robo_maxent.types import Rectangle

BASE_SENSORS = ("base_linear_velocity", "base_angular_velocity", "up_in_base")
SHAPES = ("box", "cylinder")
FOOT_SENSORS = ("foot_position", "foot_velocity", "foot_touch")

Columns = slice | np.ndarray
"""Indices of elements in the rows of a batch: a slice, which gives views, if they are adjacent."""


@dataclass(frozen=True)
class RobotSpec:
    """Names of the parts of a robot in its model."""

    model: str | os.PathLike[str] | ModelSource
    """Path of an MJCF file, the MJCF itself, or a ``ModelSource``."""
    home: str = "home"
    """Keyframe of the home pose, from which actions are offsets."""
    base: str | None = None
    """Body with the robot's free joint; None: the robot is fixed to the world."""
    actuators: tuple[str, ...] = ()
    """Actuators that the policy controls; empty: all, in the model's order."""
    joints: tuple[str, ...] = ()
    """Joints that the actuators move through tendons; empty: each actuator drives one joint."""
    feet: tuple[str, ...] = ()
    """Prefixes: ``FR`` stands for the geom ``FR_foot`` and the sensors ``FR_foot_position``,
    ``FR_foot_velocity`` and ``FR_foot_touch``."""
    sites: Mapping[str, str] = field(default_factory=dict)
    """Task's name of a site -> its name in the model."""
    sensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What a task calls readings -> the sensors whose values they are, one after the other. What a
    floating base needs is read from these, where they say so, rather than from sensors with the
    names in ``BASE_SENSORS``."""
    objects: tuple[str, ...] = ()
    """Bodies with a free joint that the robot handles: ``cup`` has the geoms ``cup_box`` and
    ``cup_cylinder``, of which one is what it is and the other a grain at its centre."""
    table: str | None = None
    """Geom of the table."""
    goal: str | None = None
    """Mocap body that marks where an object, or the hand, should be."""
    gripper: str | None = None
    """Actuator of the gripper."""
    hand: str | None = None
    """Body of the hand; pushes act on it if the base is fixed."""
    pads: tuple[str, ...] = ()
    """Geoms that the hand holds with."""
    openings: tuple[tuple[float, float], ...] = ()
    """Position of the gripper's joint, m or rad -> half of the gap between the fingers, m, from
    closed to opened; empty: the position is half of the gap."""
    walls: tuple[str, ...] = ()
    """Fixed boxes along the axes of the world."""
    lids: tuple[str, ...] = ()
    """Bodies of the world that close a way each, once they are raised to height 0: left, right. The
    first geom of each is such a box too."""


@dataclass(frozen=True)
class RobotState:
    """State of N simulations.

    Positions and velocities describe the present state; torques and contact forces are those of
    the last substep, since they belong to an acceleration.
    """

    time: np.ndarray
    """Simulated time, s, (N,)."""
    joint_position: np.ndarray
    """Angles of the robot's J joints, rad (m of a slide), (N, J). Where each actuator drives one,
    they are in the order of the actuators."""
    joint_velocity: np.ndarray
    """Their velocities, rad/s (m/s of a slide), (N, J)."""
    joint_torque: np.ndarray
    """What the actuators gave them in the last substep, N·m (N of a slide), (N, J)."""
    activation: np.ndarray
    """Activations of those actuators of the model that have one, in its order, (N, na)."""
    site_position: Mapping[str, np.ndarray]
    """Sites by the task's name for them, world frame, m, (N, 3) each."""
    sensed: Mapping[str, np.ndarray]
    """Readings of sensors by the task's name for them, in their own units, (N, ...) each."""


@dataclass(frozen=True)
class LeggedState(RobotState):
    """The same of robots on a floating base, with feet."""

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
    foot_position: np.ndarray
    """Foot centres in the world frame, m, (N, feet, 3)."""
    foot_velocity: np.ndarray
    """Foot velocities in the world frame, m/s, (N, feet, 3)."""
    foot_touch: np.ndarray
    """Normal contact force on each foot, N, (N, feet)."""


@dataclass(frozen=True)
class ManipulationState(RobotState):
    """The same of robots that handle K objects."""

    object_position: np.ndarray
    """Centres of the objects, world frame, m, (N, K, 3)."""
    object_orientation: np.ndarray
    """World frame, unit quaternions w x y z, (N, K, 4)."""
    object_velocity: np.ndarray
    """Velocities of the centres, world frame, m/s, (N, K, 3)."""
    object_spin: np.ndarray
    """Angular velocities, object frames, rad/s, (N, K, 3)."""
    goal: np.ndarray
    """Where an object, or the hand, should be, world frame, m, (N, 3)."""


class Robot:
    """A compiled robot, with the addresses of everything that a task names."""

    acts_by_choice = False
    """Its actions are one of several, and not amounts."""

    def __init__(self, model: mujoco.MjModel, spec: RobotSpec) -> None:
        """Resolve names in a compiled model.

        Args:
            model: What was compiled from the spec's file.
            spec: Which names stand for what.

        Raises:
            RobotError: A name is missing, or stands for something else; the message lists those
                there are.
        """
        self.model, self.spec = model, spec
        self.home = self._id("key", spec.home)
        self.actuators = np.array(
            [self._id("actuator", name) for name in spec.actuators] or np.arange(model.nu).tolist()
        )  # (A,)
        joint_ids = self._driven_joints()
        self.joints = tuple(model.joint(int(joint)).name for joint in joint_ids)
        self.joint_ids = joint_ids
        self.joint_range = model.jnt_range[joint_ids].copy()  # (J, 2)
        self.qpos_adr = model.jnt_qposadr[joint_ids]
        self.dof_adr = model.jnt_dofadr[joint_ids]
        self.is_servo = self._servos()
        """Which actuators take the joint's target: force = kp (target - position) - ..., (A,)."""
        self.home_qpos = model.key_qpos[self.home].copy()  # (nq,)
        self.home_pose = self.home_qpos[self.qpos_adr]  # (J,)
        self.mass = float(model.body_mass[model.body_weldid > 0].sum())
        """kg, of everything in the model that moves."""
        self.foot_geoms = np.array([self._id("geom", f"{foot}_foot") for foot in spec.feet], int)
        self._scratch = [mujoco.MjData(model)]  # those that no thread computes in
        touches = (model.geom_contype | model.geom_conaffinity) > 0
        self._parts = np.flatnonzero(touches & (model.geom_bodyid > 0))
        if spec.feet and not np.any(touches & (model.geom_bodyid == 0)):
            raise RobotError(
                "The robot has feet and no ground: the worldbody needs a geom that they can touch, "
                'such as <geom name="ground" type="plane" size="0 0 0.5"/>.'
            )
        self._sites = {name: self._id("site", site) for name, site in spec.sites.items()}
        self._columns = {
            "position": _columns(self.qpos_adr),
            "velocity": _columns(self.dof_adr),
            "torque": _columns(self.dof_adr if spec.joints else self.actuators),
        }
        self._readings = {name: self._elements(names) for name, names in spec.sensors.items()}
        self.object_bodies = np.array([self._id("body", name) for name in spec.objects], int)
        self.object_geoms = np.array(
            [[self._id("geom", f"{name}_{shape}") for shape in SHAPES] for name in spec.objects],
            int,
        ).ravel()
        """The box and the cylinder of each object, one pair after the other, (2 K,)."""
        self.object_half = model.geom_size[self.object_geoms[::2]].copy()
        """Half-sizes of the objects, m, (K, 3)."""
        self.object_qpos, self.object_dof = self._free_joints("object", self.object_bodies)
        """Where the pose, seven elements, and the velocity, six, of each object begin, (K,)."""
        self.table = -1 if spec.table is None else self._id("geom", spec.table)
        self.goal = -1 if spec.goal is None else self._mocap(spec.goal)
        """Which of the mocap bodies it is."""
        self.pads = np.array([self._id("geom", pad) for pad in spec.pads], int)
        if len(spec.lids) not in (0, 2):
            raise RobotError(f"lids must name two bodies, left and right, got {list(spec.lids)}")
        self.lids = tuple(self._id("body", lid) for lid in spec.lids)
        self.walls = tuple(self._covered(self._id("geom", wall)) for wall in spec.walls)
        """What each covers of the floor."""
        self.lid_boxes = tuple(self._covered(self._first_geom(lid)) for lid in self.lids)
        """What each covers once it is raised."""
        self.gripper = -1 if spec.gripper is None else self._id("actuator", spec.gripper)
        self.fingers = self._fingers()
        self._hand = 0 if spec.hand is None else self._id("body", spec.hand)
        if spec.objects:
            self._columns |= {
                "pose": _columns((self.object_qpos[:, None] + np.arange(7)).ravel()),
                "motion": _columns((self.object_dof[:, None] + np.arange(6)).ravel()),
            }
        self._base: _Base | None = None if spec.base is None else self._floating(spec.base)
        if self._base is not None:
            self._sensors = {
                name: self._elements(spec.sensors.get(name, (name,))) for name in BASE_SENSORS
            }
            self._sensors |= {
                name: self._elements([f"{foot}_{name}" for foot in spec.feet])
                for name in FOOT_SENSORS
            }
            self._columns |= self._sensors
        columns = [*self._columns.values(), *self._readings.values()]
        self.is_live = all(isinstance(each, slice) for each in columns)
        """Whether what :meth:`read` returns changes with every step, or has to be read again."""

    @property
    def base_body(self) -> int:
        """The body of the floating base.

        Raises:
            RobotError: The robot is fixed to the world.
        """
        return self._floating_base.body

    @property
    def pushed_body(self) -> int:
        """What pushes act on: the floating base, else the hand; 0, the world, if there is none."""
        return self._hand if self._base is None else self._base.body

    @property
    def base_qpos(self) -> int:
        """Where the pose of the base begins in the generalized position: three, then four."""
        return self._floating_base.qpos

    @property
    def base_dof(self) -> int:
        """Where the velocity of the base begins in the generalized velocity, six elements."""
        return self._floating_base.dof

    @property
    def home_height(self) -> float:
        """Height of the base in the home pose, m."""
        return float(self.home_qpos[self.base_qpos + 2])

    @cached_property
    def leg_length(self) -> float:
        """From the first joint that bends a leg to its foot, straight, m, the mean of its legs.

        0 of a robot without legs.
        """
        if self._base is None or not len(self.foot_geoms):
            return 0.0
        model, base = self.model, self._base.body
        bodies = model.geom_bodyid[self.foot_geoms].tolist()
        centres = model.geom_pos[self.foot_geoms]
        lengths = [
            leg_length(model, base, body, centre)
            for body, centre in zip(bodies, centres, strict=True)
        ]
        return float(np.mean(lengths))

    @property
    def foot_radius(self) -> float:
        """Radius of the feet, which are spheres of one size, m."""
        return float(self.model.geom_size[self.foot_geoms[0], 0])

    def spheres(self, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounding spheres of the parts that can touch the ground.

        Args:
            qpos: Generalized position, (nq,).

        Returns:
            Centres in the world frame, m, (parts, 3), and radii, m, (parts,).
        """
        try:
            data = self._scratch.pop()
        except IndexError:  # another thread has it
            data = mujoco.MjData(self.model)
        data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, data)
        centres = data.geom_xpos[self._parts]  # a copy
        self._scratch.append(data)
        return centres, self.model.geom_rbound[self._parts]

    def read(self, batch: Batch) -> RobotState:
        """The state of every simulation of a batch; of a robot on a base, a :class:`LeggedState`.

        Arrays are views, which stay true, if :attr:`is_live`.
        """
        qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
        sites = batch.bind("site_xpos") if self._sites else np.empty((batch.nsim, 0, 3))
        torques = batch.bind("qfrc_actuator" if self.spec.joints else "actuator_force")
        values = batch.bind("sensordata")
        state = {
            "time": batch.bind("time"),
            "joint_position": qpos[:, self._columns["position"]],
            "joint_velocity": qvel[:, self._columns["velocity"]],
            "joint_torque": torques[:, self._columns["torque"]],
            "activation": batch.bind("act"),
            "site_position": {name: sites[:, site] for name, site in self._sites.items()},
            "sensed": {name: values[:, columns] for name, columns in self._readings.items()},
        }
        if self.spec.objects:
            pose = qpos[:, self._columns["pose"]].reshape(batch.nsim, -1, 7)
            motion = qvel[:, self._columns["motion"]].reshape(batch.nsim, -1, 6)
            return ManipulationState(
                **state,
                object_position=pose[:, :, :3],
                object_orientation=pose[:, :, 3:],
                object_velocity=motion[:, :, :3],
                object_spin=motion[:, :, 3:],
                goal=batch.bind("mocap_pos")[:, self.goal],
            )
        if self._base is None:
            return RobotState(**state)
        feet, start = len(self.spec.feet), self._base.qpos
        sensed = {name: values[:, columns] for name, columns in self._sensors.items()}
        return LeggedState(
            **state,
            base_position=qpos[:, start : start + 3],
            base_orientation=qpos[:, start + 3 : start + 7],
            base_linear_velocity=sensed["base_linear_velocity"],
            base_angular_velocity=sensed["base_angular_velocity"],
            up=sensed["up_in_base"],
            foot_position=sensed["foot_position"].reshape(batch.nsim, feet, 3),
            foot_velocity=sensed["foot_velocity"].reshape(batch.nsim, feet, 3),
            foot_touch=sensed["foot_touch"],
        )

    @property
    def _floating_base(self) -> "_Base":
        if self._base is None:
            raise RobotError("This robot is fixed to the world: its spec names no base.")
        return self._base

    def _driven_joints(self) -> np.ndarray:
        """The joints that actuators move, int, (J,): one each, unless the spec names them."""
        model = self.model
        if not len(self.actuators):
            raise RobotError("The robot has no actuators.")
        kinds = (mujoco.mjtJoint.mjJNT_HINGE.value, mujoco.mjtJoint.mjJNT_SLIDE.value)
        if self.spec.joints:
            named = np.array([self._id("joint", name) for name in self.spec.joints])
            for name, joint in zip(self.spec.joints, named.tolist(), strict=True):
                if model.jnt_type[joint] not in kinds:
                    raise RobotError(f"The joint {name!r} must be a hinge or a slide.")
            return named
        joints = model.actuator_trnid[self.actuators, 0]
        at_joint = model.actuator_trntype[self.actuators] == mujoco.mjtTrn.mjTRN_JOINT.value
        for actuator, joint, fits in zip(self.actuators, joints, at_joint, strict=True):
            if not fits or model.jnt_type[joint] not in kinds:
                name = model.actuator(int(actuator)).name
                raise RobotError(
                    f"Actuator {name!r} must drive a hinge or slide joint directly, or the "
                    "RobotSpec has to name the joints that actuators move."
                )
        return joints

    def _servos(self) -> np.ndarray:
        model, acts = self.model, self.actuators
        gain, bias = model.actuator_gainprm[acts, 0], model.actuator_biasprm[acts, 1]
        of_position = (gain != 0.0) & (bias == -gain) & (model.actuator_gear[acts, 0] == 1.0)
        return of_position & (model.actuator_dyntype[acts] == mujoco.mjtDyn.mjDYN_NONE.value)

    def _fingers(self) -> Fingers | None:
        if self.gripper < 0:
            return None
        joint = int(self.model.actuator_trnid[self.gripper, 0])
        return Fingers(self.model, joint, self.spec.openings)

    def _floating(self, body: str) -> "_Base":
        number = self._id("body", body)
        qpos, dof = self._free_joints("base", np.array([number]))
        return _Base(number, int(qpos[0]), int(dof[0]))

    def _free_joints(self, what: str, bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Addresses of the free joints of bodies in position and velocity, int, (K,) both."""
        model, joints = self.model, self.model.body_jntadr[bodies]
        for body, joint in zip(bodies.tolist(), joints.tolist(), strict=True):
            if joint < 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE.value:
                name = model.body(body).name
                raise RobotError(f"The {what} {name!r} must have a free joint.")
        return model.jnt_qposadr[joints], model.jnt_dofadr[joints]

    def _mocap(self, body: str) -> int:
        mocap = int(self.model.body_mocapid[self._id("body", body)])
        if mocap < 0:
            raise RobotError(f"The goal {body!r} must be a mocap body.")
        return mocap

    def _id(self, kind: str, name: str) -> int:
        count = getattr(self.model, "njnt" if kind == "joint" else f"n{kind}")
        names = [getattr(self.model, kind)(index).name for index in range(count)]
        if name not in names:
            known = ", ".join(n for n in names if n) or "none"
            raise RobotError(f"The robot has no {kind} named {name!r}. It has: {known}.")
        return names.index(name)

    def _first_geom(self, lid: int) -> int:
        geom = int(self.model.body_geomadr[lid])
        if geom < 0:
            raise RobotError(f"The lid {self.model.body(lid).name!r} has no geom.")
        return geom

    def _covered(self, geom: int) -> Rectangle:
        """What a box that does not move covers of the floor."""
        model, data = self.model, self._scratch[0]
        mujoco.mj_kinematics(model, data)
        moves = model.body_weldid[model.geom_bodyid[geom]] > 0
        is_box = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX
        if not is_box or moves or not np.allclose(data.geom_xmat[geom], np.eye(3).ravel()):
            raise RobotError(
                "Walls and lids must be boxes along the axes of the world that do not move; "
                f"{model.geom(geom).name!r} is none."
            )
        (x, y), (wide, deep) = data.geom_xpos[geom, :2], model.geom_size[geom, :2]
        low_x, low_y, high_x, high_y = (
            round(float(side), 3) for side in (x - wide, y - deep, x + wide, y + deep)
        )
        return low_x, low_y, high_x, high_y

    def _elements(self, sensors: Sequence[str]) -> Columns:
        """Where the values of sensors stand, one sensor after the other."""
        ids = [self._id("sensor", name) for name in sensors]
        parts = [
            self.model.sensor_adr[sensor] + np.arange(self.model.sensor_dim[sensor])
            for sensor in ids
        ]
        return _columns(np.concatenate([np.empty(0, int), *parts]))


@dataclass(frozen=True)
class _Base:
    """Addresses of a floating base."""

    body: int
    qpos: int
    dof: int


def _columns(addresses: np.ndarray) -> Columns:
    if not len(addresses):
        return slice(0, 0)
    first, last = int(addresses[0]), int(addresses[-1])
    adjoin = np.array_equal(addresses, np.arange(first, last + 1))
    return slice(first, last + 1) if adjoin else np.asarray(addresses)


def load(
    model: str | os.PathLike[str] | ModelSource,
    *,
    decorations: bool = False,
    pool: TerrainPool | None = None,
) -> mujoco.MjModel:
    """Compile a robot in its world.

    Args:
        model: Path of an MJCF file, the MJCF itself, or what writes it.
        decorations: Keep the geoms that only the eye sees. The physics is the same, bit for bit,
            and faster without them.
        pool: Patches of terrain in the place of the plane that the file has as its ground.

    Raises:
        RobotError: The file is missing or is not a valid model, or what only the eye should see
            has mass or contact; the message says where.
    """
    try:
        spec = _spec(model, decorations)
        if pool is None or pool.is_plane:
            return spec.compile()
        attach(spec, pool)
        compiled = spec.compile()
        write(compiled, pool)
        return compiled
    except ValueError as error:
        if isinstance(error, RobotError):
            raise
        is_file = isinstance(model, os.PathLike) or (isinstance(model, str) and not _is_text(model))
        reason, name = " ".join(str(error).split()), model if is_file else "The MJCF"
        raise RobotError(f"{name} is not a valid robot: {reason}") from error


def _spec(model: str | os.PathLike[str] | ModelSource, decorations: bool) -> mujoco.MjSpec:
    """Specification of the model before it is compiled.

    Raises:
        RobotError: The file is missing.
        ValueError: The model is not valid.
    """
    if not isinstance(model, str | os.PathLike):
        return model.spec(decorations)
    if isinstance(model, str) and _is_text(model):
        spec = mujoco.MjSpec.from_string(model)
    else:
        if not Path(model).is_file():
            raise RobotError(f"Robot file not found: {Path(model)}")
        spec = mujoco.MjSpec.from_file(str(model))
    if not decorations:
        undecorate(spec)
    return spec


def _is_text(model: str) -> bool:
    return model.lstrip().startswith("<")
