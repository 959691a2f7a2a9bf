"""Pictures of a robot in its home pose: its looks and its contact shapes, from three sides."""

import os

import numpy as np
from PIL import Image

from robo_maxent.files import FileKind, atomic_path, require_place
from robo_maxent.rendering.backend import find_backend
from robo_maxent.sim.mjcf import DECORATION_GROUP
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot, RobotSpec, load

PICTURE = FileKind("a picture", rb"\x89PNG", ".png")
PANEL = 480
"""Side of each of the three views, pixels."""
VIEWS = {"looks": (135.0, -20.0), "side": (90.0, 0.0), "front": (180.0, 0.0)}
"""Azimuth and elevation of the camera, degrees; x is forward."""
DISTANCE = 3.6
"""Of the camera, over the size of the robot."""
ARM_VIEW = 0.85
"""What the views of an arm show, over the extent of its world."""
TOUCHING = (1, 3)
"""Geom groups of what touches, beside the ground's, 0."""


def draw(spec: RobotSpec, path: str | os.PathLike[str]) -> None:
    """Draw the three views side by side.

    Args:
        spec: The robot in its world.
        path: A png file.

    Raises:
        RenderingError: No OpenGL backend works; the message holds the fix.
        UsageError: The file is of another kind.
    """
    require_place(path, PICTURE)
    find_backend()
    model = load(spec.model, decorations=True)
    robot = Robot(model, spec)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, robot.home)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat[:], size = _framed(robot, data)
    camera.distance = DISTANCE * size / 2
    renderer = mujoco.Renderer(model, PANEL, PANEL)
    panels = []
    try:
        for name, (camera.azimuth, camera.elevation) in VIEWS.items():
            renderer.update_scene(data, camera, _shown(touching=name != "looks"))
            panels.append(renderer.render().copy())
    finally:
        renderer.close()
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(panels, axis=1)).save(temporary, format="png")


def _framed(robot: Robot, data: mujoco.MjData) -> tuple[np.ndarray, float]:
    """What the camera looks at, m, (3,), and how large that is, m; of an arm, as its world says."""
    if robot.spec.base is None:
        return robot.model.stat.center, ARM_VIEW * float(robot.model.stat.extent)
    feet = data.geom_xpos[robot.foot_geoms]
    size = float(np.linalg.norm(np.ptp(feet, axis=0)[:2]) + robot.home_height)
    return data.xpos[robot.base_body] * [1.0, 1.0, 0.7], size


def _shown(touching: bool) -> mujoco.MjvOption:
    """What is drawn: what the eye should see, or what touches."""
    option = mujoco.MjvOption()
    for group in TOUCHING:
        option.geomgroup[group] = touching or group == 1
    option.geomgroup[DECORATION_GROUP] = not touching
    return option
