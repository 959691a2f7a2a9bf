"""dm_control's quadruped in the worlds of its suite, and where its episodes begin."""

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot, RobotSpec

LEGS = ("front_left", "front_right", "back_right", "back_left")
JOINTS = tuple(f"{part}_{leg}" for leg in LEGS for part in ("yaw", "pitch", "knee", "ankle"))
ACTUATORS = tuple(f"{part}_{leg}" for leg in LEGS for part in ("yaw", "lift", "extend"))
LOADS = tuple(f"{kind}_toe_{leg}" for kind in ("force", "torque") for leg in LEGS)
RANGES = tuple(f"rf_{row}{column}" for row in range(4) for column in range(5))
LOOK_EVERY = 0.02 - 1e-7
"""s. A look over the terrain takes many times as long as a physics step, so there is one a control
step. Time is a sum of steps, rounded: the period is a little shorter than a control step, so that
no look comes late. Those at the end of an episode are due 0.1 ms early, a fiftieth of a step."""
RISE, RISES = 0.01, 10_000  # m, by which it is lifted until it touches nothing, and how often


@dataclass(frozen=True)
class DmModel:
    """What writes dm_control's model, with a keyframe and what is sensed here beside."""

    floor_size: float | None = None
    """Half the side of the floor, m; None: 15."""
    terrain: bool = False
    """A plane for :mod:`terrain_pool` to replace, and the sensors of distance."""
    walls_and_ball: bool = False

    def spec(self, decorations: bool) -> mujoco.MjSpec:
        """The model; pictures on its surfaces are all that is decoration."""
        # dm_control looks for a way to draw as it is imported: not before a model is asked for.
        with warnings.catch_warnings():  # without a display GLFW complains, and EGL is used
            warnings.simplefilter("ignore")
            from dm_control.suite import common, quadruped

        text = quadruped.make_model(
            floor_size=self.floor_size,
            terrain=self.terrain,
            rangefinders=self.terrain,
            walls_and_ball=self.walls_and_ball,
        )
        spec = Mjcf(text.decode(), common.ASSETS).spec()
        spec.delete(spec.hfield("terrain"))
        if self.terrain:
            ground = spec.geom("terrain")
            ground.type, ground.hfieldname = mujoco.mjtGeom.mjGEOM_PLANE, ""
            ground.pos, ground.size = np.zeros(3), np.ones(3)
            for name in RANGES:
                sensor = spec.sensor(name)
                sensor.interval, sensor.nsample = (LOOK_EVERY, 0.0), 1
        body, site = mujoco.mjtObj.mjOBJ_XBODY, mujoco.mjtObj.mjOBJ_SITE
        torso = {"reftype": body, "refname": "torso"}
        _sense(spec, "up_in_base", mujoco.mjtSensor.mjSENS_FRAMEZAXIS, body, "world", **torso)
        if self.walls_and_ball:
            spec.body("ball").add_site(name="ball")
            _sense(spec, "ball_position", mujoco.mjtSensor.mjSENS_FRAMEPOS, body, "ball")
            _sense(spec, "ball_velocity", mujoco.mjtSensor.mjSENS_FRAMELINVEL, body, "ball")
            _sense(spec, "ball_spin", mujoco.mjtSensor.mjSENS_GYRO, site, "ball")
        spec.add_key(name="home", qpos=spec.copy().compile().qpos0)
        if not decorations:
            _strip(spec)
        return spec


def dm_robot(model: DmModel, **sites: str) -> RobotSpec:
    """dm_control's quadruped in one of its worlds, with more sites."""
    sensors = {
        "base_linear_velocity": ("velocimeter",),
        "base_angular_velocity": ("imu_gyro",),
        "acceleration": ("imu_accel",),
        "loads": LOADS,
    }
    if model.walls_and_ball:
        sensors |= {name: (name,) for name in ("ball_position", "ball_velocity", "ball_spin")}
    if model.terrain:
        sensors["range"] = RANGES
    return RobotSpec(
        model,
        base="torso",
        actuators=ACTUATORS,
        joints=JOINTS,
        sites={"workspace": "workspace", **sites},
        sensors=sensors,
    )


class Start:
    """Finds the lowest height, in centimetres, at which the robot touches nothing.

    Several threads may ask at once.
    """

    def __init__(self, robot: Robot) -> None:
        """Take a model of its own, whose motors are off as dm_control's are at a start."""
        self.robot = robot
        self._model = copy.copy(robot.model)
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ACTUATION.value

    def above(self, orientation: np.ndarray, x: float, y: float, patch: int) -> mujoco.MjData:
        """The robot there, with joints at zero and at rest, and the solution that is found.

        Steps of the engine are taken in dm_control's order: what the solver begins from decides
        the last bits, and they decide everything a few hundred steps later.

        Args:
            orientation: Unit quaternion w x y z, (4,).
            x: Of the torso, world frame, m.
            y: Likewise.
            patch: Which of the height fields it is on, if there are some.

        Returns:
            Fresh, and nobody else's; its ``model`` is that of :class:`Start`.

        Raises:
            RobotError: It touches something at any height.
        """
        model = self._on(patch)
        data = mujoco.MjData(model)
        pose = np.array([x, y, 0.0, *orientation])
        for _ in range(RISES):
            data.qpos[:7] = pose
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)
            mujoco.mj_collision(model, data)
            if not data.ncon:
                break
            pose[2] += RISE
        else:
            raise RobotError(
                "The robot touches something at any height: with its joints at zero, no two of its "
                "parts may touch each other."
            )
        mujoco.mj_resetData(model, data)
        mujoco.mj_forward(model, data)
        data.qpos[:7] = pose
        mujoco.mj_forward(model, data)
        return data

    def _on(self, patch: int) -> mujoco.MjModel:
        """The model with its ground on one of the height fields, if there are some."""
        if not self._model.nhfield:
            return self._model
        model = copy.copy(self._model)
        model.geom_dataid[model.geom("terrain").id] = patch
        return model


def _sense(
    spec: mujoco.MjSpec,
    name: str,
    kind: mujoco.mjtSensor,
    of: mujoco.mjtObj,
    what: str,
    **of_whom: Any,
) -> None:
    """Add a sensor of a body or a site, which may be seen from another."""
    spec.add_sensor(name=name, type=kind, objtype=of, objname=what, **of_whom)


def _strip(spec: mujoco.MjSpec) -> None:
    """Take away the pictures: 12 MB that no physics needs."""
    for shape in (*spec.geoms, *spec.sites):
        shape.material = ""
    for material in list(spec.materials):
        spec.delete(material)
    for texture in list(spec.textures):
        spec.delete(texture)
