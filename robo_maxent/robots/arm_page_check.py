"""Checks a page against its arm: does the hand get where tasks need it, do the fingers open.

Proposed pages pass; this is for pages that were changed by hand.

What is proposed does; this is for pages that were changed.
"""

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_anatomy import pointing
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.arm_pose import AtTable, share_reached
from robo_maxent.robots.arm_selection import finger_of
from robo_maxent.robots.arm_world import finger_armature, ready_pose
from robo_maxent.robots.gripper_anatomy import gap
from robo_maxent.robots.motors import moved_inertia
from robo_maxent.robots.servo_check import Servos, check_servos
from robo_maxent.sim.hand_space import READY
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco

AWAY = 0.1
"""Largest distance of the ready hand from the middle of the table, times the size of the page,
m."""
TILTED = 0.2
"""Largest angle between the ready hand and straight down, rad."""
REACHED = 0.9
"""Smallest share of the places over the table that the hand must reach."""
OTHERWISE = 0.005
"""Largest error of the openings that a page gives, m."""
HELP = "Mend the page, or write another: robo-maxent robot check FILE"


def check_fit(parts: Mjcf, page: ArmPage) -> None:
    """Refuse a page with which the tasks of arms would make no sense.

    Args:
        parts: The arm alone, fixed at the origin.
        page: Its page.

    Raises:
        RobotError: In the ready pose the hand is not over the middle of the table or does not
            point down, it does not get around there, the fingers open otherwise, or its servos
            could not move it.
    """
    spec = parts.spec(decorations=False)
    spec.body(page.hand.body).add_site(name="grasp", pos=page.hand.at)
    model = spec.compile()
    _check_ready(model, page)
    _check_openings(model, page)
    _check_drives(model, page)


def _check_drives(model: mujoco.MjModel, page: ArmPage) -> None:
    joints, gripper = page.joints, page.gripper
    own = model.dof_armature[[model.joint(name).dofadr[0] for name in joints.names]]
    inertia = moved_inertia(model, joints.names, np.array(joints.ready)) - own + joints.armature
    kp, kd, torque = (np.array(values) for values in (joints.kp, joints.kd, joints.torque))
    check_servos(page.name, Servos("joints", joints.names, kp, kd, torque, "torque", inertia))
    if gripper is None:
        return
    own = model.dof_armature[model.joint(gripper.joint).dofadr]
    opened = np.array(gripper.positions[-1:])
    finger = moved_inertia(model, [gripper.joint], opened) - own + finger_armature(page)
    kp, kd, force = (np.array([value]) for value in (gripper.kp, gripper.kd, gripper.force))
    check_servos(page.name, Servos("gripper", [gripper.joint], kp, kd, force, "force", finger))


def _check_ready(model: mujoco.MjModel, page: ArmPage) -> None:
    data, last = ready_pose(model, page), model.joint(page.joints.names[-1]).id
    hand, point = model.body(page.hand.body).id, data.site("grasp").xpos.copy()
    ahead = pointing(model, data, last, point)
    own = ahead @ data.xmat[hand].reshape(3, 3)
    across = np.cross(own, np.eye(3)[np.argmin(np.abs(own))])
    axes = own, across / np.linalg.norm(across)
    table = AtTable(model, page.joints.names, axes, np.array(page.mount), page.turn)
    ready, middle = np.array(page.joints.ready), page.size * READY
    place, tilt = table.world(point), float(np.arccos(np.clip(-ahead[2], -1.0, 1.0)))
    if np.linalg.norm(place - middle) > AWAY * page.size:
        raise RobotError(
            f"{page.name} is not ready: with joints.ready, mount, turn and hand.at of its page the "
            f"hand is at {_metres(place)}, and must be within {AWAY * page.size:.2g} m of "
            f"{_metres(middle)}, which is over the middle of a table of that size. {HELP}"
        )
    if tilt > TILTED:
        raise RobotError(
            f"{page.name} is not ready: with joints.ready of its page the hand points {tilt:.2g} "
            f"rad away from straight down, and may by {TILTED:g}. {HELP}"
        )
    if (share := share_reached(table, ready, page.size)) < REACHED:
        raise RobotError(
            f"{page.name} does not get around: from joints.ready, pointing down, its hand reaches "
            f"{100.0 * share:.0f} % of the places over a table of size {page.size:g}, and must "
            f"{100.0 * REACHED:.0f} %. Make size smaller. {HELP}"
        )


def _metres(place: np.ndarray) -> str:
    """A position in words."""
    return "x {:.2f}, y {:.2f}, z {:.2f} m".format(*(place + 0.0))


def _check_openings(model: mujoco.MjModel, page: ArmPage) -> None:
    """Refuse openings that differ from the measured distance of the fingers.

    Raises:
        RobotError: So they are; the message has what was measured.
    """
    gripper = page.gripper
    if gripper is None:
        return
    sides = [finger_of(model, page, int(body)) for body in model.geom_bodyid]
    one, other = (tuple(np.flatnonzero(np.array(sides) == finger).tolist()) for finger in (0, 1))
    measured = [
        gap(model, ready_pose(model, page, number), (one, other)) / 2.0
        for number in range(len(gripper.positions))
    ]
    if np.abs(np.subtract(measured, gripper.openings)).max() > OTHERWISE:
        raise RobotError(
            f"gripper.openings of {page.name} must be half of the gap between the fingers, which "
            f"is {[round(half, 4) for half in measured]} m at these gripper.positions, as far as "
            f"followers, ratios and offsets are right; got {list(gripper.openings)}"
        )
