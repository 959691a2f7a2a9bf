"""Which parts of a user's model are those of the arm of its page."""

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.parts import (
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
"""The ready pose may be outside of a joint's range by so much, rad: it is rounded."""


def arm_alone(spec: mujoco.MjSpec, page: ArmPage) -> Mjcf:
    """The arm of a page alone, fixed to the world, from the model that the page names.

    All joints but those of the arm and of its fingers are fixed where the first keyframe has them,
    or else the file.

    Raises:
        RobotError: The page names a part that the model has not, or joints that are no chain.
    """
    model = spec.compile()
    bodies = {"base": [page.base], "hand": [page.hand.body]}
    if page.gripper is not None:
        bodies["finger"] = list(page.gripper.fingers)
    require_parts(model, page.name, bodies, (*page.joints.names, *gripper_joints(page)))
    _check_chain(model, page)
    return alone(spec, page.name, _selected(model, page))


def gripper_joints(page: ArmPage) -> tuple[str, ...]:
    """The joint that closes the gripper of a page, and those that follow it."""
    return () if page.gripper is None else (page.gripper.joint, *page.gripper.followers)


def finger_of(model: mujoco.MjModel, page: ArmPage, body: int) -> int:
    """The finger that a body is part of, 0 or 1; -1: none."""
    names = () if page.gripper is None else page.gripper.fingers
    fits = [hangs_on(model, model.body(name).id, body) for name in names]
    return fits.index(True) if any(fits) else -1


def is_hand(model: mujoco.MjModel, page: ArmPage, body: int) -> bool:
    """Whether a body moves with the last joint of the arm, and is of no finger."""
    last = int(model.jnt_bodyid[model.joint(page.joints.names[-1]).id])
    return hangs_on(model, last, body) and finger_of(model, page, body) < 0


def _check_chain(model: mujoco.MjModel, page: ArmPage) -> None:
    """Refuse joints that do not lead from the base to the hand, or can't be ready.

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
    """Geoms that the fingers hold with: those with contact, or all where a finger has none."""
    found: set[int] = set()
    for finger in range(0 if page.gripper is None else 2):
        geoms = {g for g in own if finger_of(model, page, int(model.geom_bodyid[g])) == finger}
        found |= (geoms & contact) or geoms
    return found


def _limits(model: mujoco.MjModel, page: ArmPage) -> dict[int, tuple[float, float]]:
    """Ranges of the joints that have none: half a turn to both sides, or what a gripper opens."""
    limits = {}
    for name, ready in zip(page.joints.names, page.joints.ready, strict=True):
        limits[model.joint(name).id] = (ready - np.pi, ready + np.pi)
    if page.gripper is not None:
        ends = page.gripper.positions
        limits[model.joint(page.gripper.joint).id] = (min(ends), max(ends))
        for name, ratio, offset in zip(
            page.gripper.followers, page.gripper.ratios, page.gripper.offsets, strict=True
        ):
            places = [offset + ratio * end for end in ends]
            limits[model.joint(name).id] = (min(places), max(places))
    return {joint: ends for joint, ends in limits.items() if not model.jnt_limited[joint]}
