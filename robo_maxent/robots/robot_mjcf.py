"""Writes the parts of a robot anew, as MJCF, from a compiled model.

What defaults, classes, options, sensors and actuators a file had is gone. Two things are made so:
from the file of a user the parts alone, which a run keeps, and from these the robot in the world
of a task.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.proposal import few
from robo_maxent.sim.mjcf import DECORATION_GROUP, Mjcf
from robo_maxent.sim.physics import mujoco

HIDDEN_GROUP, SHOWN_GROUP = 3, 1
"""Geom groups of what touches: not drawn where there is something for the eye, or else drawn."""
SENSED_GROUP = 5
"""Geom group of sites, which is not drawn."""
HULL = 64
"""Most vertices of the convex hull of a mesh with contact."""
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])

Read = Callable[[str], bytes]
"""Reads the file of a mesh by the name that its spec has for it."""


@dataclass(frozen=True)
class Selection:
    """Which parts of a compiled model belong to the robot."""

    base: int
    """Its root body."""
    joints: Set[int]
    """Joints that move; all others are fixed."""
    touching: Set[int]
    """Geoms with contact."""
    shown: Set[int]
    """Geoms that are only drawn."""
    limits: Mapping[int, tuple[float, float]]
    """Joint -> its range, if the model gives none, rad."""
    place: tuple[np.ndarray, np.ndarray] | None = None
    """Position, m, (3,), and quaternion, (4,), at which the root is fixed; None: it floats."""
    joint_options: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    geom_options: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Options of joints and geoms that differ from the usual."""


def alone(spec: mujoco.MjSpec, name: str, selection: Selection) -> Mjcf:
    """The robot without its world, from the model that its page names.

    Joints that are no part of it are fixed where the first keyframe has them, or else the file.
    """
    model = spec.compile()
    data = at_rest(model, selection.joints)
    made, files = mujoco.MjSpec(), {}
    made.modelname, made.compiler.degree = name, False
    emit(made, model, spec, data, selection, lambda path: Path(path).read_bytes(), files)
    return Mjcf(compiled_text(made, files), files=files)


def at_rest(model: mujoco.MjModel, moving: Set[int]) -> mujoco.MjData:
    """The pose of the first keyframe, or else of the file, with moving joints at their zero."""
    data = mujoco.MjData(model)
    if model.nkey:
        data.qpos[:] = model.key_qpos[0]
    own = model.jnt_qposadr[sorted(moving)]
    data.qpos[own] = model.qpos0[own]
    mujoco.mj_kinematics(model, data)
    return data


def require_parts(
    model: mujoco.MjModel, page: str, bodies: Mapping[str, Sequence[str]], joints: Sequence[str]
) -> None:
    """Check that the model has all parts that a page names.

    Args:
        model: Compiled.
        page: Name of its robot.
        bodies: What they are for -> names.
        joints: Names.

    Raises:
        RobotError: So it is; the message lists what there is.
    """
    present = [model.body(i).name for i in range(1, model.nbody)]
    for what, names in bodies.items():
        if lacking := [name for name in names if name not in present]:
            raise RobotError(
                f"The page of {page} names a {what} that its model lacks: {few(lacking)}. "
                f"Bodies: {few(present, 60)}"
            )
    present = [model.joint(i).name for i in range(model.njnt)]
    if lacking := [name for name in joints if name not in present]:
        raise RobotError(
            f"The page of {page} names joints that its model lacks: {few(lacking, 60)}. "
            f"Joints: {few(present, 60)}"
        )


def hangs_on(model: mujoco.MjModel, base: int, body: int) -> bool:
    """Whether a body is another one, or is attached to it."""
    while body not in (base, 0):
        body = int(model.body_parentid[body])
    return body == base


# Writing.


def emit(
    made: mujoco.MjSpec,
    model: mujoco.MjModel,
    spec: mujoco.MjSpec,
    data: mujoco.MjData,
    selection: Selection,
    read: Read,
    files: MutableMapping[str, bytes],
) -> mujoco.MjsBody:
    """Write a robot into a world.

    Args:
        made: The world.
        model: Compiled, of which the robot is part.
        spec: What that was compiled from, for its meshes.
        data: Where bodies are against each other; hinges that move are at their zero.
        selection: Which parts.
        read: What the files of meshes hold.
        files: What the world's meshes are read from, by name; it is added to.

    Returns:
        The body of the base, with a free joint unless it is fixed.
    """
    base, bodies = selection.base, {}
    for body in range(base, model.nbody):
        parent = int(model.body_parentid[body])
        if body != base and parent not in bodies:
            continue
        above = made.worldbody if body == base else bodies[parent]
        root = selection.place or (np.zeros(3), IDENTITY)
        pos, quat = root if body == base else _relative(data, parent, body)
        bodies[body] = _body(above, model, body, pos, quat)
        if selection.place is not None:
            bodies[body].gravcomp = 1.0  # as the makers of arms do
        elif body == base:
            bodies[body].add_freejoint(name="base")
        first = int(model.body_jntadr[body])
        for joint in range(first, first + int(model.body_jntnum[body])):
            if joint in selection.joints:
                options = selection.joint_options.get(joint, {})
                _joint(bodies[body], model, joint, selection.limits.get(joint), options)
        for geom in np.flatnonzero(model.geom_bodyid == body).tolist():
            if geom in selection.touching | selection.shown:
                touches, options = geom in selection.touching, selection.geom_options.get(geom, {})
                _geom(bodies[body], model, geom, touches, bool(selection.shown), options)
                if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH.value:
                    mesh = spec.mesh(model.mesh(model.geom_dataid[geom]).name)
                    _mesh(made, mesh, geom in selection.touching, read, files)
    return bodies[base]


def without_looks(parts: mujoco.MjSpec) -> None:
    """Delete everything that is only drawn, with its meshes."""
    for geom in [geom for geom in parts.geoms if geom.group == DECORATION_GROUP]:
        parts.delete(geom)
    used = {geom.meshname for geom in parts.geoms}
    for mesh in [mesh for mesh in parts.meshes if mesh.name not in used]:
        parts.delete(mesh)


def compiled_text(spec: mujoco.MjSpec, files: Mapping[str, bytes]) -> str:
    """The XML of a world that reads its meshes from files."""
    spec.assets = dict(files)
    spec.compile()
    return spec.to_xml()


def _relative(data: mujoco.MjData, parent: int, body: int) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a body in its parent's frame: m, (3,), and quaternion, (4,)."""
    back, pos, quat = np.zeros(4), np.zeros(3), np.zeros(4)
    mujoco.mju_negQuat(back, data.xquat[parent])
    mujoco.mju_rotVecQuat(pos, data.xpos[body] - data.xpos[parent], back)
    mujoco.mju_mulQuat(quat, back, data.xquat[body])
    return pos, quat


def _body(
    above: mujoco.MjsBody, model: mujoco.MjModel, body: int, pos: np.ndarray, quat: np.ndarray
) -> mujoco.MjsBody:
    made = above.add_body(name=model.body(body).name, pos=pos, quat=quat)
    if model.body_mass[body] > 0.0:
        made.explicitinertial, made.mass = True, float(model.body_mass[body])
        made.ipos, made.iquat = model.body_ipos[body], model.body_iquat[body]
        made.inertia = model.body_inertia[body]
    return made


def _joint(
    body: mujoco.MjsBody,
    model: mujoco.MjModel,
    joint: int,
    limits: tuple[float, float] | None,
    options: Mapping[str, Any],
) -> None:
    dof, address = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
    values = {
        "name": model.joint(joint).name,
        "type": mujoco.mjtJoint(int(model.jnt_type[joint])),
        "pos": model.jnt_pos[joint],
        "axis": model.jnt_axis[joint],
        "range": model.jnt_range[joint] if limits is None else limits,
        "limited": mujoco.mjtLimited.mjLIMITED_TRUE,
        "ref": float(model.qpos0[address]),
        "springref": float(model.qpos_spring[address]),
        "stiffness": float(model.jnt_stiffness[joint]),
        "damping": float(model.dof_damping[dof]),
        "armature": float(model.dof_armature[dof]),
        "frictionloss": float(model.dof_frictionloss[dof]),
    }
    body.add_joint(**(values | dict(options)))


def _geom(
    body: mujoco.MjsBody,
    model: mujoco.MjModel,
    geom: int,
    touches: bool,
    others: bool,
    options: Mapping[str, Any],
) -> None:
    """Write a geom; one with contact is drawn only where nothing else is."""
    material = int(model.geom_matid[geom])
    kind = mujoco.mjtGeom(int(model.geom_type[geom]))
    pos, quat, mesh = model.geom_pos[geom], model.geom_quat[geom], ""
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        number = int(model.geom_dataid[geom])
        mesh = model.mesh(number).name
        pos, quat = _unmoved(pos, quat, model.mesh_pos[number], model.mesh_quat[number])
    values = {
        "name": f"part {geom}",
        "type": kind,
        "size": model.geom_size[geom] if not mesh else np.zeros(3),
        "pos": pos,
        "quat": quat,
        "meshname": mesh,
        "mass": 0.0,
        "contype": 0,
        "conaffinity": int(touches),
        "condim": 3,
        "friction": model.geom_friction[geom],
        "group": (HIDDEN_GROUP if others else SHOWN_GROUP) if touches else DECORATION_GROUP,
        "rgba": model.geom_rgba[geom] if material < 0 else model.mat_rgba[material],
    }
    body.add_geom(**(values | dict(options)))


def _unmoved(
    pos: np.ndarray, quat: np.ndarray, mesh_pos: np.ndarray, mesh_quat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose of a geom before the compiler moved it to the principal axes of its mesh."""
    back, turn, shift = np.zeros(4), np.zeros(4), np.zeros(3)
    mujoco.mju_negQuat(back, mesh_quat)
    mujoco.mju_mulQuat(turn, quat, back)
    mujoco.mju_rotVecQuat(shift, mesh_pos, turn)
    return pos - shift, turn


def _mesh(
    made: mujoco.MjSpec,
    own: mujoco.MjsMesh,
    touches: bool,
    read: Read,
    files: MutableMapping[str, bytes],
) -> None:
    """Add a mesh and its file under a name of its own, once."""
    name = own.name
    mesh = made.mesh(name)
    if mesh is None:
        mesh = made.add_mesh(name=name, scale=own.scale, refpos=own.refpos, refquat=own.refquat)
        mesh.smoothnormal = own.smoothnormal
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # masses are the bodies' own
        if own.file:
            mesh.file = f"{name}{Path(own.file).suffix.lower()}".replace("/", "_")
            files[mesh.file] = read(own.file)
        else:
            mesh.uservert, mesh.userface = own.uservert, own.userface
    if touches:
        mesh.maxhullvert = HULL


def add_servo(world: mujoco.MjSpec, joint: str, kp: float, kd: float, torque: float) -> None:
    """Add a position servo to a joint, with the joint's name.

    Args:
        world: Where the joint is.
        joint: Its name.
        kp: Stiffness, N m/rad; of a slide N/m.
        kd: Damping, N m s/rad; of a slide N s/m.
        torque: The largest, in both directions, N m; of a slide a force, N.
    """
    servo = world.add_actuator(
        name=joint,
        target=joint,
        trntype=mujoco.mjtTrn.mjTRN_JOINT,
        forcerange=(-torque, torque),
        forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE,
    )
    servo.set_to_position(kp=kp, kv=kd)
