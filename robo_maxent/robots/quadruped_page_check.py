"""Checks a page against its quadruped: does it stand as the page says, on sane servos.

What is proposed does; this is for pages that were changed.
"""

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.motors import moved_inertia
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.robots.quadruped_selection import mean_leg_length
from robo_maxent.robots.servo_check import Servos, check_servos
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco

OFF_GROUND = 0.1
"""Largest height of the lowest foot over the ground, relative to the leg length."""
LARGEST_FOOT = 0.25
"""Largest radius of a foot, relative to the leg length."""


def check_quadruped_fit(parts: Mjcf, page: QuadrupedPage) -> None:
    """Refuse a page with which the tasks of quadrupeds would make no sense.

    Args:
        parts: The quadruped alone.
        page: Its page.

    Raises:
        RobotError: With its height its feet are in the air or in the ground, they are too large,
            or its servos could not move it.
    """
    model = parts.spec(decorations=False).compile()
    _check_stance(model, page)
    inertia = moved_inertia(model, page.joint_names, page.stand)
    for number, leg in enumerate(LEGS):
        joints, each = page.joints, len(page.joints.kp)
        check_servos(
            page.name,
            Servos(
                "joints",
                page.legs[leg].joints,
                np.array(joints.kp),
                np.array(joints.kd),
                np.array(joints.torque),
                "torque",
                inertia[number * each : (number + 1) * each],
            ),
        )


def _check_stance(model: mujoco.MjModel, page: QuadrupedPage) -> None:
    """Refuse feet that are too large, in the air or in the ground.

    Raises:
        RobotError: So they are; the message has the height that fits.
    """
    length = mean_leg_length(model, page)
    if not length:
        return
    if page.feet.radius > LARGEST_FOOT * length:
        raise RobotError(
            f"feet.radius of {page.name} is {page.feet.radius:g} m, and must be at most "
            f"{LARGEST_FOOT * length:.2g} m with legs of {length:.2g} m"
        )
    fitting = page.feet.radius - float(_feet(model, page).min())
    if abs(page.height - fitting) > OFF_GROUND * length:
        where = "in the air" if page.height > fitting else "in the ground"
        raise RobotError(
            f"{page.name} does not stand: with height and legs.*.stand of its page its feet are "
            f"{where}. With these angles height must be within {OFF_GROUND * length:.2g} m of "
            f"{fitting:.4g}, got {page.height:g}"
        )


def _feet(model: mujoco.MjModel, page: QuadrupedPage) -> np.ndarray:
    """Heights of the feet's centres over the base in the standing pose, m, (4,)."""
    data, base = mujoco.MjData(model), model.body(page.base).id
    for name, angle in zip(page.joint_names, page.stand, strict=True):
        data.qpos[model.jnt_qposadr[model.joint(name).id]] = angle
    mujoco.mj_kinematics(model, data)
    up = data.xmat[base].reshape(3, 3)[:, 2]
    bodies = [(model.body(page.legs[leg].foot).id, page.legs[leg].at) for leg in LEGS]
    places = [data.xpos[body] + data.xmat[body].reshape(3, 3) @ at for body, at in bodies]
    return (np.array(places) - data.xpos[base]) @ up
