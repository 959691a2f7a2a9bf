"""Selects the parts of a user's model that belong to the arm of its page."""

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.robot_mjcf import (
    HIDDEN_GROUP,
    SHOWN_GROUP,
    Selection,
    alone,
    at_rest,
    hangs_on,
    require_parts,
)
from robo_maxent.sim.legs import chain
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco

BEYOND = 1e-3
"""Tolerance of the ready pose at joint limits, rad, since it is rounded."""


def arm_alone(spec: mujoco.MjSpec, page: ArmPage) -> Mjcf:
    """The arm of a page without its world, fixed to the world frame.

    All joints but those of the arm and of its fingers are fixed where the first keyframe has them,
    or else the file.

    Raises:
        RobotError: The page names a part that the model has not, joints that are no chain, or a
            gripper that is not two moving fingers at its end.
    """
    model = spec.compile()
    bodies = {"base": [page.base], "hand": [page.hand.body]}
    if page.gripper is not None:
        bodies["finger"] = list(page.gripper.fingers)
    require_parts(model, page.name, bodies, (*page.joints.names, *gripper_joints(page)))
    _check_chain(model, page)
    _check_fingers(model, page)
    return alone(spec, page.name, _selected(model, page))


def gripper_joints(page: ArmPage) -> tuple[str, ...]:
    """The driven joint of the gripper of a page, and the joints that follow it."""
    return () if page.gripper is None else (page.gripper.joint, *page.gripper.followers)


def finger_of(model: mujoco.MjModel, page: ArmPage, body: int) -> int:
    """Index of the finger that a body belongs to, 0 or 1; -1 if none."""
    names = () if page.gripper is None else page.gripper.fingers
    fits = [hangs_on(model, model.body(name).id, body) for name in names]
    return fits.index(True) if any(fits) else -1


def is_hand(model: mujoco.MjModel, page: ArmPage, body: int) -> bool:
    """Whether a body moves with the last joint of the arm and belongs to no finger."""
    last = int(model.jnt_bodyid[model.joint(page.joints.names[-1]).id])
    return hangs_on(model, last, body) and finger_of(model, page, body) < 0


def _check_chain(model: mujoco.MjModel, page: ArmPage) -> None:
    """Check that the joints lead from the base to the hand, and that the ready pose is possible.

    Raises:
        RobotError: So they are.
    """
    base, hand = model.body(page.base).id, model.body(page.hand.body).id
    above = int(model.body_parentid[base])
    between = [model.joint(joint).name for joint in chain(model, above, hand)]
    named = [name for name in between if name in page.joints.names]
    if not hangs_on(model, base, hand) or named != list(page.joints.names):
        raise RobotError(
            f"joints.names of {page.name} must be joints between {page.base} and "
            f"{page.hand.body}, in their order: {', '.join(between) or 'there are none'}"
        )
    for name, ready in zip(page.joints.names, page.joints.ready, strict=True):
        joint = model.joint(name).id
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_HINGE.value:
            raise RobotError(f"{name} of {page.name} is no hinge: leave it out, and it is fixed")
        low, high = model.jnt_range[joint]
        if model.jnt_limited[joint] and not low - BEYOND <= ready <= high + BEYOND:
            raise RobotError(
                f"{page.name} can't be ready: {name} goes from {low:.3g} to {high:.3g} rad, and "
                f"its angle in joints.ready is {ready:g}"
            )


def _check_fingers(model: mujoco.MjModel, page: ArmPage) -> None:
    """Check that the hand is at the end, and that the gripper is two moving fingers on it.

    Raises:
        RobotError: So it is.
    """
    end = int(model.body_weldid[model.jnt_bodyid[model.joint(page.joints.names[-1]).id]])
    if model.body_weldid[model.body(page.hand.body).id] != end:
        raise RobotError(
            f"hand.body of {page.name} must move with the last joint, {page.joints.names[-1]}, as "
            f"{model.body(end).name} does; {page.hand.body} does not"
        )
    gripper, joints = page.gripper, gripper_joints(page)
    if gripper is None:
        return
    if len({*joints, *page.joints.names}) < len(joints) + len(page.joints.names):
        raise RobotError(
            f"gripper.joint and gripper.followers of {page.name} must be different joints, and "
            f"none of the arm's; got {', '.join(joints)}"
        )
    one, other = (model.body(name).id for name in gripper.fingers)
    on_hand = all(finger != end and hangs_on(model, end, finger) for finger in (one, other))
    if not on_hand or hangs_on(model, one, other) or hangs_on(model, other, one):
        raise RobotError(
            f"gripper.fingers of {page.name} must be two bodies that hang on "
            f"{model.body(end).name}, each for itself; got {', '.join(gripper.fingers)}"
        )
    moved = [finger_of(model, page, int(model.jnt_bodyid[model.joint(j).id])) for j in joints]
    shaped = [finger_of(model, page, int(body)) for body in model.geom_bodyid]
    for finger, name in enumerate(gripper.fingers):
        if finger not in moved:
            raise RobotError(
                f"The finger {name} of {page.name} is moved by no joint: name its joint in "
                "gripper.followers, with its ratio and offset"
            )
        if finger not in shaped:
            raise RobotError(f"The finger {name} of {page.name} has no shape to hold with")
    if -1 in moved:
        raise RobotError(f"{joints[moved.index(-1)]} of {page.name} moves none of its fingers")
    _check_positions(model, page)


def _check_positions(model: mujoco.MjModel, page: ArmPage) -> None:
    """Check that the joints of the gripper can reach its positions.

    Raises:
        RobotError: So they are.
    """
    assert page.gripper is not None
    for name, (least, most) in finger_ranges(page).items():
        joint = model.joint(name).id
        low, high = model.jnt_range[joint]
        if model.jnt_limited[joint] and not (low - BEYOND <= least and most <= high + BEYOND):
            raise RobotError(
                f"gripper.positions of {page.name} can't be: {name} goes from {low:.3g} to "
                f"{high:.3g}, and would from {least:.3g} to {most:.3g}"
            )


def finger_ranges(page: ArmPage) -> dict[str, tuple[float, float]]:
    """Joint of the gripper -> range of its positions, m or rad."""
    gripper = page.gripper
    if gripper is None:
        return {}
    ends = gripper.positions
    ranges = {gripper.joint: (min(ends), max(ends))}
    for name, ratio, offset in zip(gripper.followers, gripper.ratios, gripper.offsets, strict=True):
        places = [offset + ratio * end for end in ends]
        ranges[name] = (min(places), max(places))
    return ranges


def _selected(model: mujoco.MjModel, page: ArmPage) -> Selection:
    base = model.body(page.base).id
    bodies = {body for body in range(1, model.nbody) if hangs_on(model, base, body)}
    own = {geom for geom in range(model.ngeom) if int(model.geom_bodyid[geom]) in bodies}
    contact = {geom for geom in own if model.geom_contype[geom] or model.geom_conaffinity[geom]}
    hand = {geom for geom in contact if is_hand(model, page, int(model.geom_bodyid[geom]))}
    touching = hand | finger_geoms(model, page, own, contact)
    joints = {model.joint(name).id for name in (*page.joints.names, *gripper_joints(page))}
    eye = own - contact - touching
    seen = {int(model.geom_bodyid[geom]) for geom in eye}
    plain = {geom for geom in own - eye if int(model.geom_bodyid[geom]) not in seen}
    groups = {geom: SHOWN_GROUP if geom in plain else HIDDEN_GROUP for geom in touching}
    return Selection(
        base=base,
        joints=joints,
        touching=touching,
        shown=eye | (plain - touching),
        limits=_limits(model, page),
        place=(np.zeros(3), at_rest(model, joints).xquat[base].copy()),
        geom_options={geom: {"group": group} for geom, group in groups.items()},
    )


def finger_geoms(
    model: mujoco.MjModel, page: ArmPage, own: set[int], contact: set[int]
) -> set[int]:
    """Geoms with which the fingers hold: those with contact, or all if a finger has none."""
    found: set[int] = set()
    for finger in range(0 if page.gripper is None else 2):
        geoms = {g for g in own if finger_of(model, page, int(model.geom_bodyid[g])) == finger}
        found |= (geoms & contact) or geoms
    return found


def _limits(model: mujoco.MjModel, page: ArmPage) -> dict[int, tuple[float, float]]:
    """Ranges for joints without limits: half a turn to both sides, or the gripper's travel."""
    limits = {}
    for name, ready in zip(page.joints.names, page.joints.ready, strict=True):
        limits[model.joint(name).id] = (ready - np.pi, ready + np.pi)
    limits |= {model.joint(name).id: ends for name, ends in finger_ranges(page).items()}
    return {joint: ends for joint, ends in limits.items() if not model.jnt_limited[joint]}
