"""The parts of a robot, written anew from a compiled model: bodies, joints, shapes, masses.

What defaults, classes, options, sensors and actuators a file had is gone. Two things are made so:
from the file of a user the parts alone, which a run keeps, and from these the robot in the world
of a task.
"""

from collections.abc import Callable, Mapping, MutableMapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.anatomy import surface
from robo_maxent.robots.findings import few
from robo_maxent.robots.page import LEGS, RobotPage
from robo_maxent.sim.legs import LATERAL
from robo_maxent.sim.mjcf import DECORATION_GROUP, Mjcf
from robo_maxent.sim.physics import mujoco

HIDDEN_GROUP, SHOWN_GROUP = 3, 1
"""Geom groups of what touches: not drawn where there is something for the eye, or else drawn."""
UNLIMITED = {"side": 1.0, "bend": 2.5}
"""Joints without limits get these, around the standing pose, rad."""
CLEARANCE = 2e-3
"""What is nearer to the ground than this in the standing pose, a foot aside, loses contact, m."""
SAME_PLACE = 0.3
"""A sphere is the foot of the page within this, over its radius."""
HULL = 64
"""Vertices that the hull of a mesh with contact has at most."""
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])

Read = Callable[[str], bytes]
"""What the file of a mesh, as its spec names it, holds."""


@dataclass(frozen=True)
class Selection:
    """What of a compiled model is part of the robot."""

    base: int
    """Its root."""
    joints: Set[int]
    """What moves; other joints are fixed."""
    touching: Set[int]
    """Geoms that the ground touches."""
    shown: Set[int]
    """Geoms that only the eye sees."""
    limits: Mapping[int, tuple[float, float]]
    """Joint -> range where the model has none, rad."""


def parts_of(spec: mujoco.MjSpec, page: RobotPage) -> Mjcf:
    """The robot of a page alone, from the model that the page names.

    Joints of no leg are fixed where the first keyframe has them, or else the file.

    Raises:
        RobotError: The page names a part that the model has not.
    """
    model = spec.compile()
    check_names(model, page)
    selection = _selected(model, page)
    data = mujoco.MjData(model)
    if model.nkey:
        data.qpos[:] = model.key_qpos[0]
    moving = sorted(selection.joints)
    data.qpos[model.jnt_qposadr[moving]] = model.qpos0[model.jnt_qposadr[moving]]
    mujoco.mj_kinematics(model, data)
    alone, files = mujoco.MjSpec(), {}
    alone.modelname, alone.compiler.degree = page.name, False
    emit(alone, model, spec, data, selection, lambda name: Path(name).read_bytes(), files)
    return Mjcf(compiled_text(alone, files), files=files)


def check_names(model: mujoco.MjModel, page: RobotPage) -> None:
    """Refuse a page that names what its model has not.

    Raises:
        RobotError: So it is; the message lists what there is.
    """
    bodies = [model.body(i).name for i in range(model.nbody)]
    joints = [model.joint(i).name for i in range(model.njnt)]
    named = {"base": [page.base], "foot": [page.legs[leg].foot for leg in LEGS]}
    for what, names in named.items():
        if lacking := [name for name in names if name not in bodies]:
            raise RobotError(
                f"The page of {page.name} names a {what} that its model lacks: {few(lacking)}. "
                f"Bodies: {few(bodies[1:], 60)}"
            )
    if lacking := [name for name in page.joint_names if name not in joints]:
        raise RobotError(
            f"The page of {page.name} names joints that its model lacks: {few(lacking, 60)}. "
            f"Joints: {few(joints, 60)}"
        )


def _selected(model: mujoco.MjModel, page: RobotPage) -> Selection:
    base = model.body(page.base).id
    own = {
        geom for geom in range(model.ngeom) if _hangs_on(model, base, int(model.geom_bodyid[geom]))
    }
    contact = {g for g in own if model.geom_contype[g] or model.geom_conaffinity[g]}
    eye = own - contact
    feet = {geom for geom in contact if _is_foot(model, page, geom)}
    low = grounded(model, page)
    touching = contact - feet - low
    return Selection(
        base=base,
        joints={model.joint(name).id for name in page.joint_names},
        touching=touching,
        shown=eye if eye else low,
        limits=_limits(model, page),
    )


def _hangs_on(model: mujoco.MjModel, base: int, body: int) -> bool:
    while body not in (base, 0):
        body = int(model.body_parentid[body])
    return body == base


def _is_foot(model: mujoco.MjModel, page: RobotPage, geom: int) -> bool:
    """Whether a geom is the sphere that the page has as a foot."""
    if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_SPHERE.value:
        return False
    body, reach = model.body(int(model.geom_bodyid[geom])).name, SAME_PLACE * page.feet.radius
    places = [np.array(leg.at) for leg in page.legs.values() if leg.foot == body]
    return any(np.linalg.norm(model.geom_pos[geom] - place) < reach for place in places)


def grounded(model: mujoco.MjModel, page: RobotPage) -> set[int]:
    """Geoms with contact, but for the feet, that reach the ground in the standing pose."""
    data = mujoco.MjData(model)
    for name, angle in zip(page.joint_names, page.stand, strict=True):
        data.qpos[model.jnt_qposadr[model.joint(name).id]] = angle
    mujoco.mj_kinematics(model, data)
    base = model.body(page.base).id
    up, at = data.xmat[base].reshape(3, 3)[:, 2], data.xpos[base]
    return {
        geom
        for geom in range(model.ngeom)
        if (model.geom_contype[geom] or model.geom_conaffinity[geom])
        and _hangs_on(model, base, int(model.geom_bodyid[geom]))
        and not _is_foot(model, page, geom)
        and float(((surface(model, data, geom) - at) @ up).min()) + page.height < CLEARANCE
    }


def _limits(model: mujoco.MjModel, page: RobotPage) -> dict[int, tuple[float, float]]:
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    lateral = data.xmat[model.body(page.base).id].reshape(3, 3)[:, 1]
    limits = {}
    for name, angle in zip(page.joint_names, page.stand.tolist(), strict=True):
        joint = model.joint(name).id
        if not model.jnt_limited[joint]:
            bends = abs(data.xaxis[joint] @ lateral) > LATERAL
            reach = UNLIMITED["bend" if bends else "side"]
            limits[joint] = (angle - reach, angle + reach)
    return limits


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
        The body of the base, with a free joint.
    """
    base, bodies = selection.base, {}
    for body in range(base, model.nbody):
        parent = int(model.body_parentid[body])
        if body != base and parent not in bodies:
            continue
        above = made.worldbody if body == base else bodies[parent]
        pos, quat = (np.zeros(3), IDENTITY) if body == base else _relative(data, parent, body)
        bodies[body] = _body(above, model, body, pos, quat)
        if body == base:
            bodies[body].add_freejoint(name="base")
        first = int(model.body_jntadr[body])
        for joint in range(first, first + int(model.body_jntnum[body])):
            if joint in selection.joints:
                _joint(bodies[body], model, joint, selection.limits.get(joint))
        for geom in np.flatnonzero(model.geom_bodyid == body).tolist():
            if geom in selection.touching | selection.shown:
                _geom(bodies[body], model, geom, geom in selection.touching, bool(selection.shown))
                if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH.value:
                    mesh = spec.mesh(model.mesh(model.geom_dataid[geom]).name)
                    _mesh(made, mesh, geom in selection.touching, read, files)
    return bodies[base]


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
    body: mujoco.MjsBody, model: mujoco.MjModel, joint: int, limits: tuple[float, float] | None
) -> None:
    dof, address = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
    body.add_joint(
        name=model.joint(joint).name,
        type=mujoco.mjtJoint(int(model.jnt_type[joint])),
        pos=model.jnt_pos[joint],
        axis=model.jnt_axis[joint],
        range=model.jnt_range[joint] if limits is None else limits,
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        ref=float(model.qpos0[address]),
        springref=float(model.qpos_spring[address]),
        stiffness=float(model.jnt_stiffness[joint]),
        damping=float(model.dof_damping[dof]),
        armature=float(model.dof_armature[dof]),
        frictionloss=float(model.dof_frictionloss[dof]),
    )


def _geom(
    body: mujoco.MjsBody, model: mujoco.MjModel, geom: int, touches: bool, others: bool
) -> None:
    """A geom; what touches is drawn where nothing else is."""
    material = int(model.geom_matid[geom])
    kind = mujoco.mjtGeom(int(model.geom_type[geom]))
    pos, quat, mesh = model.geom_pos[geom], model.geom_quat[geom], ""
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        number = int(model.geom_dataid[geom])
        mesh = model.mesh(number).name
        pos, quat = _unmoved(pos, quat, model.mesh_pos[number], model.mesh_quat[number])
    body.add_geom(
        name=f"part {geom}",
        type=kind,
        size=model.geom_size[geom] if not mesh else np.zeros(3),
        pos=pos,
        quat=quat,
        meshname=mesh,
        mass=0.0,
        contype=0,
        conaffinity=int(touches),
        condim=3,
        friction=model.geom_friction[geom],
        group=(HIDDEN_GROUP if others else SHOWN_GROUP) if touches else DECORATION_GROUP,
        rgba=model.geom_rgba[geom] if material < 0 else model.mat_rgba[material],
    )


def _unmoved(
    pos: np.ndarray, quat: np.ndarray, mesh_pos: np.ndarray, mesh_quat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where a geom was before the compiler moved it with the axes of its mesh."""
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
    """A mesh, with its file under a name of its own; once."""
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
