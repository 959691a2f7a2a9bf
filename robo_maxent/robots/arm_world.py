"""Puts the arm of a page into the world of a task, in the place of the task's own arm."""

from functools import cached_property
from typing import Any

import numpy as np

from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.arm_selection import finger_of
from robo_maxent.robots.arm_table import table_world
from robo_maxent.robots.geom_surface import surface
from robo_maxent.robots.robot_mjcf import (
    SENSED_GROUP,
    Selection,
    add_servo,
    compiled_text,
    emit,
    without_looks,
)
from robo_maxent.robots.written_world import WrittenWorld
from robo_maxent.sim.physics import mujoco

PAD = {
    "contype": 2,
    "conaffinity": 0,
    "condim": 4,
    "priority": 1,
    "solref": (0.01, 1.0),
    "solimp": (0.95, 0.99, 0.001, 0.5, 2.0),
}
HAND = {"contype": 2, "conaffinity": 1, "condim": 4, "friction": (0.6, 0.005, 0.0001)}
TIP = {
    "contype": 0,
    "conaffinity": 4,
    "condim": 1,
    "priority": 2,
    "solref": (0.01, 1.0),
    "rgba": (0.07, 0.07, 0.08, 1.0),
}
"""Contact of the shipped arm: fingers touch objects; the hand touches the table as well, on
which the tips glide. See ``assets/NOTICE.md``."""
TIP_RADIUS, TIP_BELOW = 0.006, 0.001
"""m, and by how much a tip is lower than its finger."""
END_RADIUS = 0.012
"""Radius of the ball at the end of an arm without a gripper, m."""
FINGER_ARMATURE, FINGER_DAMPING = 0.1, 20.0
"""kg and N·s/m: of the fingers of the shipped arm."""
FOLLOWING = {"solref": (0.008, 1.0), "solimp": (0.99, 0.999, 0.001, 0.5, 2.0)}
"""Stiffness with which a finger follows the other one, as in the shipped arm."""


class ArmWorld(WrittenWorld[ArmPage]):
    """The world of a task with the arm of a page, at its table."""

    @cached_property
    def pads(self) -> tuple[str, ...]:
        """Names of the geoms that the fingers hold with."""
        model = self._parts.spec(decorations=False).compile()
        return tuple(
            model.geom(geom).name
            for geom in range(model.ngeom)
            if finger_of(model, self._page, int(model.geom_bodyid[geom])) >= 0
        )

    def _written(self, decorations: bool) -> str:
        page, parts = self._page, self._parts.spec()
        if not decorations:
            without_looks(parts)
        model = parts.compile()
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        world = table_world(self._own, page, decorations)
        touching = {geom for geom in range(model.ngeom) if model.geom_conaffinity[geom]}
        base, files = model.body(page.base).id, {}
        selection = Selection(
            base=base,
            joints=set(range(model.njnt)),
            touching=touching,
            shown=set(range(model.ngeom)) - touching,
            limits={},
            place=(np.array(page.mount), turned_base(page, data.xquat[base])),
            joint_options=_joint_options(model, page),
            geom_options=_geom_options(model, page, touching),
        )
        emit(world, model, parts, data, selection, self._parts.files.__getitem__, files)
        _add_end(world, model, page)
        _add_servos(world, page)
        world.assets = files
        _add_home(world, page, self._own.home)
        return compiled_text(world, files)


def turned_base(page: ArmPage, own: np.ndarray) -> np.ndarray:
    """Orientation of the base in the world, quaternion, (4,), from that in its file."""
    turn = np.array([np.cos(page.turn / 2.0), 0.0, 0.0, np.sin(page.turn / 2.0)])
    mujoco.mju_mulQuat(both := np.zeros(4), turn, own)
    return both


def ready_pose(model: mujoco.MjModel, page: ArmPage, opening: int = -1) -> mujoco.MjData:
    """The ready pose, with the fingers opened, or at another of the page's openings."""
    data = mujoco.MjData(model)
    places = dict(zip(page.joints.names, page.joints.ready, strict=True))
    if page.gripper is not None:
        places |= finger_places(page, page.gripper.positions[opening])
    for name, angle in places.items():
        data.qpos[model.jnt_qposadr[model.joint(name).id]] = angle
    mujoco.mj_kinematics(model, data)
    return data


def finger_places(page: ArmPage, position: float) -> dict[str, float]:
    """Joint of the gripper -> its position when the driven joint is at a position."""
    gripper = page.gripper
    if gripper is None:
        return {}
    follow = zip(gripper.followers, gripper.ratios, gripper.offsets, strict=True)
    return {gripper.joint: position} | {
        name: offset + ratio * position for name, ratio, offset in follow
    }


def _joint_options(model: mujoco.MjModel, page: ArmPage) -> dict[int, dict[str, Any]]:
    """Armature of the arm's joints, and armature and damping of the fingers."""
    joints = zip(page.joints.names, page.joints.armature, strict=True)
    options: dict[int, dict[str, Any]] = {
        model.joint(name).id: {"armature": armature} for name, armature in joints
    }
    for name in finger_places(page, 0.0):
        lever = finger_lever(page) ** 2
        options[model.joint(name).id] = {
            "armature": finger_armature(page),
            "damping": FINGER_DAMPING * lever,
            "stiffness": 0.0,
            "frictionloss": 0.0,
        }
    return options


def finger_armature(page: ArmPage) -> float:
    """Inertia of the motor, seen at the joint of a finger, kg m², or kg of a slide."""
    return FINGER_ARMATURE * finger_lever(page) ** 2


def finger_lever(page: ArmPage) -> float:
    """Travel of a finger per unit of the driven joint, m/rad; 1 for a slide."""
    assert page.gripper is not None
    (first, *_, last), openings = page.gripper.positions, page.gripper.openings
    return float((openings[-1] - openings[0]) / abs(last - first))


def _geom_options(
    model: mujoco.MjModel, page: ArmPage, touching: set[int]
) -> dict[int, dict[str, Any]]:
    """Contact of hand and fingers; names are the same with and without decorations."""
    options: dict[int, dict[str, Any]] = {}
    for geom in range(model.ngeom):
        options[geom] = {"name": model.geom(geom).name}
        if geom not in touching:
            continue
        options[geom] |= {"group": int(model.geom_group[geom])}
        if finger_of(model, page, int(model.geom_bodyid[geom])) >= 0:
            assert page.gripper is not None
            options[geom] |= PAD | {"friction": (page.gripper.friction, 0.005, 0.0001)}
        else:
            options[geom] |= HAND
    return options


def _add_end(world: mujoco.MjSpec, model: mujoco.MjModel, page: ArmPage) -> None:
    """Add the site that tasks move, and the ball or tips that glide over the table."""
    hand, sphere = world.body(page.hand.body), mujoco.mjtGeom.mjGEOM_SPHERE
    hand.add_site(name="grasp", pos=page.hand.at, size=(0.005,) * 3, group=SENSED_GROUP)
    if page.gripper is None:
        ball = {"type": sphere, "size": (END_RADIUS, 0.0, 0.0), "pos": page.hand.at, "mass": 0.0}
        hand.add_geom(name="end", group=1, **(ball | PAD | {"friction": (0.6, 0.005, 0.0001)}))
        hand.add_geom(name="tip", group=1, **(ball | TIP))
        return
    data = ready_pose(model, page)
    for finger, side in enumerate(("one", "other")):
        body, place = _lowest(model, page, data, finger)
        world.body(model.body(body).name).add_geom(
            name=f"tip of {side} finger",
            type=sphere,
            size=(TIP_RADIUS, 0.0, 0.0),
            pos=place,
            mass=0.0,
            group=1,
            **TIP,
        )


def _lowest(
    model: mujoco.MjModel, page: ArmPage, data: mujoco.MjData, finger: int
) -> tuple[int, np.ndarray]:
    """Body and position in it, m, (3,), of the tip of a finger that points down."""
    geoms = [
        geom
        for geom in range(model.ngeom)
        if model.geom_conaffinity[geom]
        and finger_of(model, page, int(model.geom_bodyid[geom])) == finger
    ]
    points = {geom: surface(model, data, geom) for geom in geoms}
    lowest = min(geoms, key=lambda geom: float(points[geom][:, 2].min()))
    end = float(points[lowest][:, 2].min())
    near = points[lowest][points[lowest][:, 2] < end + TIP_RADIUS]
    middle = (near.min(axis=0) + near.max(axis=0)) / 2.0
    middle[2] = end - TIP_BELOW + TIP_RADIUS
    body = int(model.geom_bodyid[lowest])
    return body, data.xmat[body].reshape(3, 3).T @ (middle - data.xpos[body])


def _add_servos(world: mujoco.MjSpec, page: ArmPage) -> None:
    """Add a position servo, of the joint's name, at every joint of the arm and the gripper's."""
    joints = page.joints
    servos = [*zip(joints.names, joints.kp, joints.kd, joints.torque, strict=True)]
    if page.gripper is not None:
        gripper = page.gripper
        servos.append((gripper.joint, gripper.kp, gripper.kd, gripper.force))
        follow = zip(gripper.followers, gripper.ratios, gripper.offsets, strict=True)
        for name, ratio, offset in follow:
            world.add_equality(
                type=mujoco.mjtEq.mjEQ_JOINT,
                objtype=mujoco.mjtObj.mjOBJ_JOINT,
                name1=name,
                name2=gripper.joint,
                data=_relation(world, name, gripper.joint, ratio, offset),
                **FOLLOWING,
            )
    for name, kp, kd, torque in servos:
        add_servo(world, name, kp, kd, torque)


def _relation(
    world: mujoco.MjSpec, follower: str, driven: str, ratio: float, offset: float
) -> list[float]:
    """Coefficients of a joint equality, which MuJoCo counts from the reference pose."""
    one, other = world.joint(follower).ref, world.joint(driven).ref
    return [offset + ratio * other - one, ratio, *[0.0] * 10]


def _add_home(world: mujoco.MjSpec, page: ArmPage, home: str) -> None:
    """Add the keyframe of the ready pose, with open fingers and the object where it is drawn."""
    model = world.compile()
    qpos = model.qpos0.copy()
    places = dict(zip(page.joints.names, page.joints.ready, strict=True))
    ctrl = list(page.joints.ready)
    if page.gripper is not None:
        places |= finger_places(page, page.gripper.positions[-1])
        ctrl.append(page.gripper.positions[-1])
    for name, place in places.items():
        qpos[model.jnt_qposadr[model.joint(name).id]] = place
    world.add_key(name=home, qpos=qpos, ctrl=ctrl)
