"""Finds a gripper of two fingers in a model: what moves them, and how far they open."""

from dataclasses import dataclass, replace

import numpy as np

from robo_maxent.robots.proposal import Finding, few
from robo_maxent.sim.physics import mujoco

SAMPLES = 33
"""Number of positions between closed and opened at which the gap is measured."""
KEPT = 9
"""Number of these that go into a page if the gap is not linear in the position."""
STRAIGHT = 2e-4
"""Largest deviation of a gap that counts as linear, m."""
LEAST_GAP = 0.01
"""Smallest opening of a gripper, m."""
FAR = 1.0
"""Largest gap that is measured, m."""


@dataclass(frozen=True)
class GripperParts:
    """Two fingers found in a compiled model."""

    joint: int
    """The driven joint."""
    followers: tuple[int, ...]
    ratios: tuple[float, ...]
    offsets: tuple[float, ...]
    """Offset of each follower, which is at ``offset + ratio * position``."""
    fingers: tuple[int, int]
    """First body of each finger."""
    geoms: tuple[tuple[int, ...], tuple[int, ...]]
    """Geoms of each finger that can hold something."""
    positions: tuple[float, ...]
    """Positions of the joint, from closed to opened, m or rad."""
    openings: tuple[float, ...]
    """Half of the gap between the fingers at each position, m."""

    def opened(self, model: mujoco.MjModel) -> mujoco.MjData:
        """The file's pose with the gripper open."""
        data = mujoco.MjData(model)
        self.put(model, data, self.positions[-1])
        return data

    def put(self, model: mujoco.MjModel, data: mujoco.MjData, position: float) -> None:
        """Move the driven joint to a position, and its followers with it."""
        data.qpos[model.jnt_qposadr[self.joint]] = position
        for joint, ratio, offset in zip(self.followers, self.ratios, self.offsets, strict=True):
            data.qpos[model.jnt_qposadr[joint]] = offset + ratio * position
        mujoco.mj_kinematics(model, data)


def find_gripper(model: mujoco.MjModel, hand: int, findings: list[Finding]) -> GripperParts | None:
    """Find the two fingers of a hand; None, with a finding, if there is something else.

    Args:
        model: Compiled.
        hand: First body of what moves as one with the hand.
        findings: It is added to.
    """
    hand = int(model.body_weldid[hand])
    weld = model.body_weldid
    roots = [
        body
        for body in range(1, model.nbody)
        if weld[body] == body and weld[model.body_parentid[body]] == hand
    ]
    if not roots:
        return None
    joints = [j for j in range(model.njnt) if _is_in(model, int(model.jnt_bodyid[j]), roots)]
    found = _driven(model, roots, joints)
    if isinstance(found, str):
        names = few([model.joint(joint).name for joint in joints])
        what = f"what hangs on {model.body(hand).name} is no gripper of two fingers: {found}"
        findings.append(Finding(what, f"fixed as part of the hand: {names}"))
        return None
    return found


def _is_in(model: mujoco.MjModel, body: int, roots: list[int]) -> bool:
    while body and body not in roots:
        body = int(model.body_parentid[body])
    return body in roots


def _driven(model: mujoco.MjModel, roots: list[int], joints: list[int]) -> GripperParts | str:
    """The gripper, or a sentence on why there is none."""
    if len(roots) != 2:
        return f"there are {len(roots)} parts"
    fingers = (roots[0], roots[1])
    if _is_closed(model, roots):
        return "it has closed loops"
    follows = _relations(model, joints)
    free = [joint for joint in joints if joint not in follows]
    geoms = _geoms(model, fingers[0]), _geoms(model, fingers[1])
    if not all(geoms):
        return "they have no shape"
    if len(free) == 2 and len(joints) == 2:
        ends = _both_open(model, geoms, free)
        if ends is None:
            return "their joints have no limits"
        (closed, opened), (other_closed, other_opened) = ends
        ratio = (other_opened - other_closed) / (opened - closed)
        follows, free = {free[1]: (free[0], ratio, other_closed - ratio * closed)}, free[:1]
    if len(free) != 1:
        return f"{len(free)} of their joints move freely"
    low, high = model.jnt_range[free[0]]
    if not model.jnt_limited[free[0]]:
        return "their joint has no limits"
    chained = [_resolved(joint, follows) for joint in follows]
    part = GripperParts(
        joint=free[0],
        followers=tuple(follows),
        ratios=tuple(ratio for ratio, _ in chained),
        offsets=tuple(offset for _, offset in chained),
        fingers=fingers,
        geoms=geoms,
        positions=(float(low), float(high)),
        openings=(0.0, 0.0),
    )
    return _measured(model, part)


def _is_closed(model: mujoco.MjModel, roots: list[int]) -> bool:
    """Whether equality constraints hold bodies together in a loop."""
    kinds = (mujoco.mjtEq.mjEQ_CONNECT.value, mujoco.mjtEq.mjEQ_WELD.value)
    of_bodies = model.eq_objtype == mujoco.mjtObj.mjOBJ_BODY.value
    for equality in range(model.neq):
        if model.eq_type[equality] in kinds and of_bodies[equality]:
            bodies = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
            if any(_is_in(model, body, roots) for body in bodies):
                return True
    return False


def _relations(model: mujoco.MjModel, joints: list[int]) -> dict[int, tuple[int, float, float]]:
    """Joint that follows another -> that other joint, ratio and offset."""
    follows: dict[int, tuple[int, float, float]] = {}
    for equality in np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_JOINT.value).tolist():
        one, other = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
        offset, ratio, *curved = model.eq_data[equality, :5].tolist()
        if one in joints and other in joints and not any(curved) and ratio:
            zero, other_zero = model.qpos0[model.jnt_qposadr[[one, other]]].tolist()
            follows[one] = other, ratio, zero + offset - ratio * other_zero
    return follows


def _resolved(joint: int, follows: dict[int, tuple[int, float, float]]) -> tuple[float, float]:
    """Ratio and offset of a joint to the driven one, through the joints between them."""
    ratio, offset = 1.0, 0.0
    for _ in range(len(follows)):
        if joint not in follows:
            break
        joint, slope, start = follows[joint]
        ratio, offset = ratio * slope, offset + ratio * start
    return ratio, offset


def _geoms(model: mujoco.MjModel, finger: int) -> tuple[int, ...]:
    """Geoms that a finger touches with: those with contact, or all if none has."""
    own = [g for g in range(model.ngeom) if _is_in(model, int(model.geom_bodyid[g]), [finger])]
    touching = [geom for geom in own if model.geom_contype[geom] or model.geom_conaffinity[geom]]
    return tuple(touching or own)


def gap(
    model: mujoco.MjModel, data: mujoco.MjData, geoms: tuple[tuple[int, ...], tuple[int, ...]]
) -> float:
    """Distance between the fingers, m; 0 if they touch."""
    mujoco.mj_kinematics(model, data)
    apart = [
        mujoco.mj_geomDistance(model, data, one, other, FAR, None)
        for one in geoms[0]
        for other in geoms[1]
    ]
    return max(min(apart), 0.0)


def _both_open(
    model: mujoco.MjModel, geoms: tuple[tuple[int, ...], tuple[int, ...]], joints: list[int]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Closed and opened positions of two joints of which neither follows the other."""
    if not model.jnt_limited[joints].all():
        return None
    data, ranges, gaps = mujoco.MjData(model), model.jnt_range[joints], {}
    for ends in ((0, 0), (0, 1), (1, 0), (1, 1)):
        data.qpos[model.jnt_qposadr[joints]] = ranges[[0, 1], ends]
        gaps[ends] = gap(model, data, geoms)
    one, other = max(gaps, key=lambda ends: gaps[ends])
    closed, opened = ranges[[0, 1], [1 - one, 1 - other]], ranges[[0, 1], [one, other]]
    return (float(closed[0]), float(opened[0])), (float(closed[1]), float(opened[1]))


def _measured(model: mujoco.MjModel, part: GripperParts) -> GripperParts | str:
    """The gripper with measured openings, from where its fingers touch to the widest."""
    data, places = mujoco.MjData(model), np.linspace(part.positions[0], part.positions[-1], SAMPLES)
    gaps = np.zeros(SAMPLES)
    for number, place in enumerate(places.tolist()):
        part.put(model, data, place)
        gaps[number] = gap(model, data, part.geoms)
    if gaps[0] > gaps[-1]:
        places, gaps = places[::-1], gaps[::-1]
    widest = int(np.argmax(gaps))
    falls = np.flatnonzero(np.diff(gaps[: widest + 1]) <= 1e-6)
    closed = int(falls[-1]) + 1 if len(falls) else 0
    if closed >= widest or gaps[widest] < LEAST_GAP:
        return f"they open by {1e3 * gaps[widest]:.0f} mm"
    places, halves = places[closed : widest + 1], gaps[closed : widest + 1] / 2.0
    along = np.abs(places - places[0])
    straight = np.interp(along, along[[0, -1]], halves[[0, -1]])
    few_points = 2 if np.abs(straight - halves).max() < STRAIGHT else min(KEPT, len(places))
    kept = np.unique(np.linspace(0, len(places) - 1, few_points).round().astype(int))
    return replace(
        part,
        positions=tuple(round(float(place), 5) for place in places[kept]),
        openings=tuple(round(float(half), 5) for half in halves[kept]),
    )
