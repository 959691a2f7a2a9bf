"""Finds the joints, hand and fingers of an arm in a compiled model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_page import JOINTS
from robo_maxent.robots.geom_surface import surface
from robo_maxent.robots.gripper_anatomy import GripperParts, find_gripper
from robo_maxent.robots.proposal import Finding, few
from robo_maxent.robots.robot_mjcf import at_rest, hangs_on
from robo_maxent.sim.legs import chain
from robo_maxent.sim.physics import mujoco

LEAST = 4
"""Fewest hinges of a chain that is taken for an arm."""
GRIP_ABOVE = 0.0098
"""Distance of the hand's point from the ends of its fingers, m, as with the shipped arm."""
NEAR_END = 0.02
"""Length of a finger's end that counts as its tip, m."""
ALONG = 0.6
"""The last joint rolls the hand if its axis points along it at least this much (cosine)."""


@dataclass(frozen=True)
class ArmAnatomy:
    """An arm in a compiled model."""

    base: int
    """First body of the arm."""
    joints: tuple[int, ...]
    """Its hinges, from the base to the hand."""
    hand: int
    """The last body before the fingers, or the last of all."""
    at: np.ndarray
    """Point of the hand that tasks move, in the frame of the hand, m, (3,)."""
    ahead: np.ndarray
    """Direction in which the hand points, in its frame, unit vector, (3,)."""
    across: np.ndarray
    """Direction along which the fingers close, in the hand's frame, unit vector, (3,); arbitrary
    without a gripper."""
    gripper: GripperParts | None
    findings: tuple[Finding, ...]


def is_arm(model: mujoco.MjModel) -> bool:
    """Whether a chain of hinges is long enough for an arm."""
    return any(True for _ in _ends(model, 0, 0, _below(model)))


def find_arm(model: mujoco.MjModel, base: str | None, hand: str | None) -> ArmAnatomy:
    """Find the chain, the hand, and the fingers if there are two that one motor can close.

    Args:
        model: Compiled, without ground.
        base: Body that the arm begins with; None: found.
        hand: Body that it ends with; None: found.

    Raises:
        RobotError: There is no such chain, or more than one, or no body of a name.
    """
    end = _end(model, base, hand)
    root = _root(model, end) if base is None else _named(model, base)
    between = chain(model, int(model.body_parentid[root]), end)
    hinge = mujoco.mjtJoint.mjJNT_HINGE.value
    joints = tuple(joint for joint in between if model.jnt_type[joint] == hinge)
    if not JOINTS[0] <= len(joints) <= JOINTS[1]:
        names = few([model.joint(joint).name for joint in joints], 60)
        raise RobotError(
            f"The arm to {model.body(end).name} has {len(joints)} hinges ({names}), and the tasks "
            f"take {JOINTS[0]} to {JOINTS[1]}: name the bodies between which they are, with "
            "--base BODY and --hand BODY; what is outside is fixed"
        )
    findings = [*_fixed(model, [joint for joint in between if joint not in joints])]
    gripper = find_gripper(model, end, findings) if hand is None else None
    data = at_rest(model, set(joints))
    if gripper is None:
        body, point, ahead, across = _bare_end(model, data, end, joints[-1], findings)
    else:
        body, point, ahead, across = _between_fingers(model, gripper, joints[-1])
        data = gripper.opened(model)
    turn, place = data.xmat[body].reshape(3, 3), data.xpos[body]
    at, (ahead, across) = (point - place) @ turn, (ahead @ turn, across @ turn)
    return ArmAnatomy(root, joints, body, at, ahead, across, gripper, tuple(findings))


def _named(model: mujoco.MjModel, name: str) -> int:
    names = [model.body(i).name for i in range(model.nbody)]
    if name not in names:
        raise RobotError(f"The robot has no body {name!r}. It has: {few(names[1:], 60)}")
    return names.index(name)


def _root(model: mujoco.MjModel, body: int) -> int:
    """The topmost body above a body, below the world."""
    while model.body_parentid[body]:
        body = int(model.body_parentid[body])
    return body


def _below(model: mujoco.MjModel) -> dict[int, list[int]]:
    """First body of each rigid group -> first bodies of the groups that joints attach to it."""
    below: dict[int, list[int]] = {}
    for body in range(1, model.nbody):
        if model.body_weldid[body] == body:
            parent = int(model.body_weldid[model.body_parentid[body]])
            below.setdefault(parent, []).append(body)
    return below


def _ends(
    model: mujoco.MjModel, body: int, above: int, below: dict[int, list[int]]
) -> Iterator[int]:
    """Ends of the chains of hinges: where fingers branch off, or the last link."""
    first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
    kinds = model.jnt_type[first : first + count] if count else np.zeros(0)
    above += int((kinds == mujoco.mjtJoint.mjJNT_HINGE.value).sum())
    inner = below.get(body, [])
    if above >= LEAST and len(inner) != 1:
        yield body
        return
    for each in inner:
        yield from _ends(model, each, above, below)


def _end(model: mujoco.MjModel, base: str | None, hand: str | None) -> int:
    """The rigid group that has the hand.

    Raises:
        RobotError: There is none, or more than one.
    """
    if hand is not None:
        return _named(model, hand)
    ends = [*_ends(model, 0, 0, _below(model))]
    if base is not None:
        root = _named(model, base)
        ends = [end for end in ends if hangs_on(model, root, end)]
    if not ends:
        raise RobotError(
            f"Found no arm, which is a chain of at least {LEAST} hinges, and no four legs. Name "
            "the parts: --base BODY --hand BODY, or --base BODY --feet FR FL RR RL"
        )
    if len(ends) > 1:
        names = few([model.body(end).name for end in ends], 12)
        raise RobotError(
            f"There are {len(ends)} arms, with the hands {names}: say which with --base BODY, that "
            "it begins with, or --hand BODY"
        )
    slide = mujoco.mjtJoint.mjJNT_SLIDE.value
    end = ends[0]
    while model.body_jntnum[end] and model.jnt_type[model.body_jntadr[end]] == slide:
        end = int(model.body_weldid[model.body_parentid[end]])
    return end


def _fixed(model: mujoco.MjModel, joints: list[int]) -> Iterator[Finding]:
    if joints:
        names = few([model.joint(joint).name for joint in joints])
        yield Finding(
            f"joints of the base that are no hinges: {names}", "fixed where the file has them"
        )


def _bare_end(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    end: int,
    last: int,
    findings: list[Finding],
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Body, point and two axes of the end of an arm without fingers, world frame."""
    bodies = [body for body in range(model.nbody) if hangs_on(model, end, body)]
    anchor = data.xanchor[last]
    sites = [site for site in range(model.nsite) if int(model.site_bodyid[site]) in bodies]
    points = [
        surface(model, data, geom)
        for geom in range(model.ngeom)
        if int(model.geom_bodyid[geom]) in bodies
    ]
    if sites:
        site = max(sites, key=lambda s: float(np.linalg.norm(data.site_xpos[s] - anchor)))
        point, body, what = data.site_xpos[site], int(model.site_bodyid[site]), "the site"
        what = f"the site {model.site(site).name}"
    elif points:
        cloud = np.concatenate(points)
        far = cloud[np.argmax(np.linalg.norm(cloud - anchor, axis=1))]
        ahead = pointing(model, data, last, far)
        point = anchor + max(float(((cloud - anchor) @ ahead).max()), 0.0) * ahead
        body, what = end, "the farthest that its last link reaches"
    else:
        point, body, what = data.xpos[end], end, f"the origin of {model.body(end).name}"
    ahead = pointing(model, data, last, point)
    findings.append(Finding(f"no gripper: the arm ends at {what}", "a ball there, which can push"))
    across = np.cross(ahead, np.eye(3)[np.argmin(np.abs(ahead))])
    return body, point.copy(), ahead, across / np.linalg.norm(across)


def pointing(
    model: mujoco.MjModel, data: mujoco.MjData, last: int, point: np.ndarray
) -> np.ndarray:
    """Direction in which the hand points, world frame: along the last axis if that rolls it."""
    axis, way = data.xaxis[last], point - data.xanchor[last]
    if np.linalg.norm(way) < 1e-4:  # the end is where the last joint is: away from what is above
        way = data.xanchor[last] - _before(model, data, last)
    along = float(axis @ way)
    length = float(np.linalg.norm(way))
    if length < 1e-9:
        return axis.copy()
    return np.sign(along) * axis if abs(along) > ALONG * length else way / length


def _before(model: mujoco.MjModel, data: mujoco.MjData, last: int) -> np.ndarray:
    """The nearest joint up the chain that is at another place, world frame, m."""
    body = int(model.jnt_bodyid[last])
    while body and np.linalg.norm(data.xpos[body] - data.xanchor[last]) < 1e-4:
        body = int(model.body_parentid[body])
    return data.xpos[body]


def _between_fingers(
    model: mujoco.MjModel, gripper: GripperParts, last: int
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Body of the hand, the point between the tips of the fingers, and two axes, world frame."""
    data = gripper.opened(model)
    one, other = (
        np.concatenate([surface(model, data, geom) for geom in geoms]) for geoms in gripper.geoms
    )
    middle = (one.mean(axis=0) + other.mean(axis=0)) / 2.0
    ahead = pointing(model, data, last, middle)
    across = other.mean(axis=0) - one.mean(axis=0)
    across -= across @ ahead * ahead
    across /= np.linalg.norm(across)
    end = max(float((points @ ahead).max()) for points in (one, other))
    tips = [points[points @ ahead > end - NEAR_END] for points in (one, other)]
    beside = np.cross(ahead, across)
    aside = float(np.mean([(tip @ beside).min() + (tip @ beside).max() for tip in tips])) / 2.0
    inner = float((tips[0] @ across).max() + (tips[1] @ across).min()) / 2.0
    point = (end - GRIP_ABOVE) * ahead + aside * beside + inner * across
    return int(model.body_parentid[gripper.fingers[0]]), point, ahead, across
