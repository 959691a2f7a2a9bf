"""Puts the quadruped of a page into the world of a task, in the place of the task's own robot."""

from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.robots.quadruped_selection import mean_leg_length
from robo_maxent.robots.robot_mjcf import (
    SENSED_GROUP,
    Selection,
    add_servo,
    compiled_text,
    emit,
    without_looks,
)
from robo_maxent.robots.written_world import WrittenWorld
from robo_maxent.sim.body_scale import REFERENCE_LEG
from robo_maxent.sim.mjcf import DECORATION_GROUP, Mjcf
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import RobotSpec

TOUCH_SITE = 1.3
"""Radius of the site that senses the contact of a foot, relative to the foot's."""
FOOT = {"solref": (0.02, 1.0), "solimp": (0.9, 0.95, 0.002, 0.5, 2.0), "priority": 1, "condim": 3}
"""Contact of a foot, as of the shipped quadruped; see ``assets/NOTICE.md``."""
RUBBER = (0.07, 0.07, 0.08, 1.0)
CAMERA = ("pos", "quat", "mode", "fovy")
LIGHT = ("pos", "dir", "mode", "type", "diffuse", "ambient", "specular", "castshadow")


class PageWorld(WrittenWorld[QuadrupedPage]):
    """The world of a task with the quadruped of a page."""

    def _written(self, decorations: bool) -> str:
        page, parts = self._page, self._parts.spec()
        shown = any(geom.group == DECORATION_GROUP for geom in parts.geoms)
        if not decorations:
            without_looks(parts)
        model = parts.compile()
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        world, looks = _world(self._own, _size(model, page))
        touching = {geom for geom in range(model.ngeom) if model.geom_conaffinity[geom]}
        selection = Selection(
            base=model.body(page.base).id,
            joints={model.joint(name).id for name in page.joint_names},
            touching=touching,
            shown=set(range(model.ngeom)) - touching,
            limits={},
        )
        files: dict[str, bytes] = {}
        base = emit(world, model, parts, data, selection, self._parts.files.__getitem__, files)
        for add, values in looks(base):
            add(**values)
        _add_feet(world, page, hidden=shown)
        _add_sensors(world, base)
        _add_servos(world, page)
        _add_home(world, page, self._own.home)
        return compiled_text(world, files)


def _size(model: mujoco.MjModel, page: QuadrupedPage) -> float:
    """Leg length relative to the shipped quadruped's."""
    return mean_leg_length(model, page) / REFERENCE_LEG or 1.0


def _world(own: RobotSpec, size: float) -> tuple[mujoco.MjSpec, Any]:
    """A task's world without its robot, and a function that gives a base its cameras and lights."""
    assert isinstance(own.model, str | Path)
    assert own.base is not None
    world = Mjcf.from_file(Path(own.model)).spec()
    assert not world.compiler.degree
    model = world.copy().compile()
    trunk = model.body(own.base).id
    eyes = [i for i in range(model.ncam) if model.cam_bodyid[i] == trunk]
    suns = [
        world.light(model.light(i).name)
        for i in range(model.nlight)
        if model.light_bodyid[i] == trunk
    ]
    cameras = [
        {
            "name": model.camera(i).name,
            "pos": size * model.cam_pos[i],
            "quat": model.cam_quat[i].copy(),
            "mode": mujoco.mjtCamLight(int(model.cam_mode[i])),
            "fovy": float(model.cam_fovy[i]),
        }
        for i in eyes
    ]
    lights = [
        {name: getattr(sun, name) for name in ("name", *LIGHT)} | {"pos": size * np.array(sun.pos)}
        for sun in suns
    ]

    def looks(base: mujoco.MjsBody) -> list[tuple[Any, dict[str, Any]]]:
        return [(base.add_camera, camera) for camera in cameras] + [
            (base.add_light, light) for light in lights
        ]

    world.delete(world.body(own.base))
    for key in list(world.keys):
        world.delete(key)
    world.stat.extent = size * world.stat.extent
    world.stat.center = size * np.array(world.stat.center)
    return world, looks


def _add_feet(world: mujoco.MjSpec, page: QuadrupedPage, hidden: bool) -> None:
    """Add a sphere and a site for each foot."""
    for name, leg in page.legs.items():
        body = world.body(leg.foot)
        body.add_geom(
            name=f"{name}_foot",
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=(page.feet.radius, 0.0, 0.0),
            pos=leg.at,
            mass=0.0,
            contype=0,
            conaffinity=1,
            friction=(page.feet.friction, 0.02, 0.01),
            group=3 if hidden else 1,
            rgba=RUBBER,
            **FOOT,
        )
        body.add_site(
            name=f"{name}_foot",
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=(TOUCH_SITE * page.feet.radius, 0.0, 0.0),
            pos=leg.at,
            group=SENSED_GROUP,
        )


def _add_sensors(world: mujoco.MjSpec, base: mujoco.MjsBody) -> None:
    """Add the sensors that tasks read: motion of the base, and position and touch of feet."""
    kinds, objects = mujoco.mjtSensor, mujoco.mjtObj
    base.add_site(name="imu", size=(0.01, 0.01, 0.01), group=SENSED_GROUP)
    of_base = {
        "base_linear_velocity": kinds.mjSENS_VELOCIMETER,
        "base_angular_velocity": kinds.mjSENS_GYRO,
    }
    for name, kind in of_base.items():
        world.add_sensor(name=name, type=kind, objtype=objects.mjOBJ_SITE, objname="imu")
    world.add_sensor(
        name="up_in_base",
        type=kinds.mjSENS_FRAMEZAXIS,
        objtype=objects.mjOBJ_BODY,
        objname="world",
        reftype=objects.mjOBJ_SITE,
        refname="imu",
    )
    of_feet = {
        "position": kinds.mjSENS_FRAMEPOS,
        "velocity": kinds.mjSENS_FRAMELINVEL,
        "touch": kinds.mjSENS_TOUCH,
    }
    for what, kind in of_feet.items():
        for leg in LEGS:
            world.add_sensor(
                name=f"{leg}_foot_{what}",
                type=kind,
                objtype=objects.mjOBJ_SITE,
                objname=f"{leg}_foot",
            )


def _add_servos(world: mujoco.MjSpec, page: QuadrupedPage) -> None:
    """Add a position servo, of the joint's name, at every joint of a leg."""
    joints = page.joints
    for leg in LEGS:
        numbers = zip(page.legs[leg].joints, joints.kp, joints.kd, joints.torque, strict=True)
        for name, kp, kd, torque in numbers:
            add_servo(world, name, kp, kd, torque)


def _add_home(world: mujoco.MjSpec, page: QuadrupedPage, home: str) -> None:
    """Add the keyframe of the standing pose."""
    angles = dict(zip(page.joint_names, page.stand.tolist(), strict=True))
    names = [joint.name for joint in world.joints]
    assert names[0] == "base"  # the free joint, then hinges and slides
    pose = [0.0, 0.0, page.height, 1.0, 0.0, 0.0, 0.0]
    world.add_key(
        name=home,
        qpos=[*pose, *(angles[name] for name in names[1:])],
        ctrl=[angles[name] for name in page.joint_names],
    )
