"""A robot in its world: names resolved once to addresses, and live views of its state."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.fingers import Fingers
from robo_maxent.sim.legs import leg_length
from robo_maxent.sim.mjcf import ModelSource, undecorate
from robo_maxent.sim.model_parts import (
    Columns,
    columns_of,
    free_joints,
    mocap_number,
    number_of,
    numbers_of,
    sensor_columns,
)
from robo_maxent.sim.physics import Batch, mujoco
from robo_maxent.sim.terrain_pool import TerrainPool, attach, write
from robo_maxent.types import Rectangle

BASE_SENSORS = ("base_linear_velocity", "base_angular_velocity", "up_in_base")
SHAPES = ("box", "cylinder")
FOOT_SENSORS = ("foot_position", "foot_velocity", "foot_touch")


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
    """A compiled robot, with the addresses of everything that a task names.

    What its spec does not name has number -1, or is empty.
    """

    model: mujoco.MjModel
    """What was compiled from the file of its spec."""
    spec: RobotSpec
    """Which names stand for what."""
    mass: float
    """Mass of everything in the model that moves, kg."""
    acts_by_choice = False
    """Whether its actions are one of several, and not amounts."""

    home: int
    """Number of the keyframe of the home pose."""
    home_qpos: np.ndarray
    """Generalized position there, (nq,)."""
    home_pose: np.ndarray
    """Positions of its joints there, rad (m of a slide), (J,)."""

    actuators: np.ndarray
    """Numbers of the actuators that the policy controls, int, (A,)."""
    is_servo: np.ndarray
    """Which of them take the joint's target: force = kp (target - position) - ..., bool, (A,)."""
    joints: tuple[str, ...]
    """Names of the J joints that these move; see :attr:`RobotState.joint_position`."""
    joint_ids: np.ndarray
    """Their numbers in the model, int, (J,)."""
    joint_range: np.ndarray
    """Their lowest and highest positions, rad (m of a slide), (J, 2)."""
    qpos_adr: np.ndarray
    """Where they stand in the generalized position, int, (J,)."""
    dof_adr: np.ndarray
    """Where they stand in the generalized velocity, int, (J,)."""

    foot_geoms: np.ndarray
    """Geoms of the feet, int, (feet,)."""

    object_bodies: np.ndarray
    """Bodies of the K objects, int, (K,)."""
    object_geoms: np.ndarray
    """The box and the cylinder of each object, one pair after the other, int, (2 K,)."""
    object_half: np.ndarray
    """Half-sizes of the objects, m, (K, 3)."""
    object_qpos: np.ndarray
    """Where the pose of each, seven elements, begins in the generalized position, int, (K,)."""
    object_dof: np.ndarray
    """Where the velocity of each, six elements, begins in the generalized velocity, int, (K,)."""
    table: int
    """Geom of the table."""
    goal: int
    """Which of the mocap bodies marks the goal."""

    gripper: int
    """Actuator of the gripper."""
    fingers: Fingers | None
    """How far the gripper is open at a position of its joint; None: there is no gripper."""
    pads: np.ndarray
    """Geoms that the hand holds with, int."""

    walls: tuple[Rectangle, ...]
    """What each wall covers of the floor."""
    lids: tuple[int, ...]
    """Bodies of the lids: left, right."""
    lid_boxes: tuple[Rectangle, ...]
    """What each lid covers of the floor once it is raised."""

    is_live: bool
    """Whether what :meth:`read` returns changes with every step, or has to be read again."""

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
        self._scratch = [mujoco.MjData(model)]  # those that no thread computes in
        self.mass = float(model.body_mass[model.body_weldid > 0].sum())
        self.home = number_of(model, "key", spec.home)
        self.home_qpos = model.key_qpos[self.home].copy()
        self._resolve_joints()
        self._resolve_feet()
        self._resolve_objects()
        self._resolve_hand()
        self._resolve_floor_plan()
        self._base = None if spec.base is None else _Base.of(model, spec.base)
        self._resolve_state()

    def _resolve_joints(self) -> None:
        """What the policy moves, and through which actuators."""
        model, named = self.model, numbers_of(self.model, "actuator", self.spec.actuators)
        self.actuators = named if len(named) else np.arange(model.nu)
        self.joint_ids = self._driven_joints()
        self.is_servo = self._servos()
        self.joints = tuple(model.joint(joint).name for joint in self.joint_ids.tolist())
        self.joint_range = model.jnt_range[self.joint_ids].copy()
        self.qpos_adr = model.jnt_qposadr[self.joint_ids]
        self.dof_adr = model.jnt_dofadr[self.joint_ids]
        self.home_pose = self.home_qpos[self.qpos_adr]

    def _resolve_feet(self) -> None:
        """What can touch the ground, and that there is one to stand on."""
        model, feet = self.model, self.spec.feet
        self.foot_geoms = numbers_of(model, "geom", [f"{foot}_foot" for foot in feet])
        touches = (model.geom_contype | model.geom_conaffinity) > 0
        self._parts = np.flatnonzero(touches & (model.geom_bodyid > 0))
        if feet and not np.any(touches & (model.geom_bodyid == 0)):
            raise RobotError(
                "The robot has feet and no ground: the worldbody needs a geom that they can touch, "
                'such as <geom name="ground" type="plane" size="0 0 0.5"/>.'
            )

    def _resolve_objects(self) -> None:
        """What is handled, on what it lies, and where it should be."""
        model, spec = self.model, self.spec
        shapes = [f"{name}_{shape}" for name in spec.objects for shape in SHAPES]
        self.object_bodies = numbers_of(model, "body", spec.objects)
        self.object_geoms = numbers_of(model, "geom", shapes)
        self.object_half = model.geom_size[self.object_geoms[::2]].copy()
        self.object_qpos, self.object_dof = free_joints(model, "object", self.object_bodies)
        self.table = -1 if spec.table is None else number_of(model, "geom", spec.table)
        self.goal = -1 if spec.goal is None else mocap_number(model, "goal", spec.goal)

    def _resolve_hand(self) -> None:
        """What holds an object, and what pushes act on if the base is fixed."""
        model, spec = self.model, self.spec
        self.pads = numbers_of(model, "geom", spec.pads)
        self._hand = 0 if spec.hand is None else number_of(model, "body", spec.hand)
        self.gripper, self.fingers = -1, None
        if spec.gripper is not None:
            self.gripper = number_of(model, "actuator", spec.gripper)
            joint = int(model.actuator_trnid[self.gripper, 0])
            self.fingers = Fingers(model, joint, spec.openings)

    def _resolve_floor_plan(self) -> None:
        """What stands in the way, or can."""
        model, spec = self.model, self.spec
        if len(spec.lids) not in (0, 2):
            raise RobotError(f"lids must name two bodies, left and right, got {list(spec.lids)}")
        self.lids = tuple(number_of(model, "body", lid) for lid in spec.lids)
        walls = [number_of(model, "geom", wall) for wall in spec.walls]
        self.walls = tuple(self._covered(wall) for wall in walls)
        self.lid_boxes = tuple(self._covered(self._first_geom(lid)) for lid in self.lids)

    def _resolve_state(self) -> None:
        """Where the elements of a state stand in the arrays of a batch."""
        model, spec = self.model, self.spec
        self._sites = {name: number_of(model, "site", site) for name, site in spec.sites.items()}
        self._readings = {
            name: sensor_columns(model, sensors) for name, sensors in spec.sensors.items()
        }
        self._columns = {
            "position": columns_of(self.qpos_adr),
            "velocity": columns_of(self.dof_adr),
            "torque": columns_of(self.dof_adr if spec.joints else self.actuators),
        }
        if spec.objects:
            poses, motions = self.object_qpos[:, None], self.object_dof[:, None]
            self._columns["pose"] = columns_of((poses + np.arange(7)).ravel())
            self._columns["motion"] = columns_of((motions + np.arange(6)).ravel())
        self._sensors = {} if self._base is None else self._base_sensors()
        parts = (self._columns, self._readings, self._sensors)
        self.is_live = all(isinstance(each, slice) for part in parts for each in part.values())

    def _base_sensors(self) -> dict[str, Columns]:
        """Where the readings stand that only a robot on a floating base has, with its feet."""
        spec = self.spec
        of_base = {name: spec.sensors.get(name, (name,)) for name in BASE_SENSORS}
        of_feet = {name: tuple(f"{foot}_{name}" for foot in spec.feet) for name in FOOT_SENSORS}
        return {
            name: sensor_columns(self.model, sensors)
            for name, sensors in (of_base | of_feet).items()
        }

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
            named = numbers_of(model, "joint", self.spec.joints)
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


@dataclass(frozen=True)
class _Base:
    """Addresses of a floating base."""

    body: int
    qpos: int
    dof: int

    @classmethod
    def of(cls, model: mujoco.MjModel, name: str) -> "_Base":
        body = number_of(model, "body", name)
        qpos, dof = free_joints(model, "base", np.array([body]))
        return cls(body, int(qpos[0]), int(dof[0]))


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
