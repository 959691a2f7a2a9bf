"""Finds the base, legs and feet of a quadruped in a compiled model."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.geom_surface import surface
from robo_maxent.robots.proposal import Finding, few
from robo_maxent.robots.quadruped_page import LEGS
from robo_maxent.sim.legs import LATERAL, chain, leg_length
from robo_maxent.sim.physics import mujoco

LEAST_JOINTS = 2
"""Fewest hinges of a chain that is taken for a leg."""
TIP_RADIUS = 0.055
"""Radius of a foot that is no sphere, relative to the length of its leg, as of the shipped
quadruped."""


@dataclass(frozen=True)
class LegParts:
    """One leg of a compiled model."""

    joints: tuple[int, ...]
    """Hinges of the leg, from the trunk down."""
    body: int
    """Body that the foot is part of."""
    at: np.ndarray
    """Centre of the foot in that body's frame, m, (3,)."""
    radius: float
    """Radius of the foot, m."""
    friction: float
    """Sliding friction of the foot."""
    length: float
    """Length of the straight leg from the first joint that bends it to the foot, m."""
    bending: tuple[int, ...]
    """The joints that bend it, whose axes are lateral."""


@dataclass(frozen=True)
class Anatomy:
    """A quadruped in a compiled model."""

    base: int
    """Body to which the legs are attached."""
    legs: dict[str, LegParts]
    """Legs FR, FL, RR and RL."""
    findings: tuple[Finding, ...]

    @property
    def length(self) -> float:
        """Mean length of the legs, m."""
        return float(np.mean([leg.length for leg in self.legs.values()]))


def find_anatomy(
    model: mujoco.MjModel, base: str | None = None, feet: Sequence[str] = ()
) -> Anatomy:
    """Find the base, the four legs and the feet.

    Args:
        model: Compiled, without ground.
        base: Body that the legs stand out of; None: what is common to them.
        feet: Bodies of the feet, FR, FL, RR and RL; empty: found.

    Raises:
        RobotError: There are no four legs, two robots, or no body of a name.
    """
    findings: list[Finding] = []
    tips = [_body(model, name, "foot") for name in feet] or _tips(model)
    trunk = _trunk(model, tips) if base is None else _body(model, base, "base")
    _check_free(model, trunk, findings)
    tips = tips if feet else _four(model, trunk, tips)
    legs = [_leg(model, trunk, tip, findings) for tip in tips]
    if len({len(leg.joints) for leg in legs}) > 1:
        counts = [f"{model.body(leg.body).name} {len(leg.joints)}" for leg in legs]
        raise RobotError(f"The legs have different numbers of joints: {', '.join(counts)}")
    ordered: dict[str, LegParts] = (
        dict(zip(LEGS, legs, strict=True)) if feet else _placed(model, legs)
    )
    return Anatomy(trunk, ordered, tuple(findings))


def _body(model: mujoco.MjModel, name: str, what: str) -> int:
    names = [model.body(i).name for i in range(model.nbody)]
    if name not in names:
        raise RobotError(f"The robot has no body {name!r} for its {what}. It has: {few(names, 60)}")
    return names.index(name)


def _is_moving(model: mujoco.MjModel, body: int) -> bool:
    """Whether a body has a hinge or slide of its own."""
    first = int(model.body_jntadr[body])
    kinds = model.jnt_type[first : first + int(model.body_jntnum[body])] if first >= 0 else []
    return any(kind >= mujoco.mjtJoint.mjJNT_SLIDE.value for kind in kinds)


def _tips(model: mujoco.MjModel) -> list[int]:
    """The last moving body of each chain of hinges."""
    moving = [body for body in range(1, model.nbody) if _is_moving(model, body)]
    inner = set()
    for body in moving:
        parent = int(model.body_parentid[body])
        while parent:
            inner.add(parent)
            parent = int(model.body_parentid[parent])
    return [body for body in moving if body not in inner and len(_hinges(model, 0, body)) > 1]


def _hinges(model: mujoco.MjModel, base: int, body: int) -> list[int]:
    hinge = mujoco.mjtJoint.mjJNT_HINGE.value
    return [joint for joint in chain(model, base, body) if model.jnt_type[joint] == hinge]


def _ancestors(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all its ancestors, the world last."""
    found = [body]
    while found[-1]:
        found.append(int(model.body_parentid[found[-1]]))
    return found


def has_legs(model: mujoco.MjModel) -> bool:
    """Whether at least four chains of hinges start at one body other than the world."""
    hubs = _hubs(model, _tips(model))
    hub, count = hubs.most_common(1)[0] if hubs else (0, 0)
    return hub > 0 and count >= len(LEGS)


def _hubs(model: mujoco.MjModel, tips: Sequence[int]) -> Counter[int]:
    """Body at which chains of hinges start -> number of chains."""
    hubs: Counter[int] = Counter()
    for tip in tips:
        moving = [body for body in _ancestors(model, tip)[:-1] if _is_moving(model, body)]
        hubs[int(model.body_parentid[moving[-1]])] += 1
    return hubs


def _trunk(model: mujoco.MjModel, tips: Sequence[int]) -> int:
    """The body at which most chains of hinges start."""
    hubs = _hubs(model, tips)
    hub, count = hubs.most_common(1)[0] if hubs else (0, 0)
    if hub == 0 or count < len(LEGS):
        chains = [f"{model.body(tip).name} ({len(_hinges(model, 0, tip))} hinges)" for tip in tips]
        raise RobotError(
            "Found no body with four legs, which are chains of at least two hinges, and no arm, "
            f"which is a chain of five to seven. Chains: {few(chains, 12) or 'none'}. Name the "
            "parts: --base BODY --feet FR FL RR RL, or --hand BODY of an arm"
        )
    if [count for _, count in hubs.most_common()].count(count) > 1:
        names = [model.body(hub).name for hub, n in hubs.most_common() if n == count]
        raise RobotError(
            f"There are {len(names)} robots with legs, of the bases {', '.join(names)}: say which "
            "with --base"
        )
    return hub


def _check_free(model: mujoco.MjModel, trunk: int, findings: list[Finding]) -> None:
    """Check the free joints: one on the base is right, none is added, two are refused."""
    free = model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE.value].tolist()
    above = [body for body in free if body in _ancestors(model, trunk)]
    others = [body for body in free if body not in above]
    if others:
        names = few([model.body(body).name for body in others])
        findings.append(Finding(f"bodies that float beside the robot: {names}", "left out"))
    if not above:
        what = f"no free base: {model.body(trunk).name} is fixed to the world"
        findings.append(Finding(what, "it gets a free joint"))


def _four(model: mujoco.MjModel, trunk: int, tips: Sequence[int]) -> list[int]:
    """The legs among the chains of a trunk: the four lowest with equally many joints.

    Raises:
        RobotError: There are no such four.
    """
    own = [tip for tip in tips if trunk in _ancestors(model, tip)[1:]]
    counts = Counter(len(_hinges(model, trunk, tip)) for tip in own)
    groups = [
        [tip for tip in own if len(_hinges(model, trunk, tip)) == joints]
        for joints, count in counts.items()
        if count >= len(LEGS) and joints >= LEAST_JOINTS
    ]
    if len(groups) != 1 or len(groups[0]) != len(LEGS):
        chains = [f"{model.body(t).name} ({len(_hinges(model, trunk, t))} hinges)" for t in own]
        raise RobotError(
            f"{model.body(trunk).name} must have four legs of equally many hinges. Its chains: "
            f"{few(chains, 12)}. Name the feet: --feet FR FL RR RL"
        )
    return groups[0]


def _leg(model: mujoco.MjModel, base: int, tip: int, findings: list[Finding]) -> LegParts:
    joints = _hinges(model, base, tip)
    if len(joints) < LEAST_JOINTS:
        name = model.body(tip).name
        raise RobotError(
            f"{name} hangs on {len(joints)} hinges of the base: a leg has at least two"
        )
    foot, body, at, radius, sphere = _foot(model, base, tip, joints[-1])
    if not sphere:
        kind = mujoco.mjtGeom(int(model.geom_type[foot])).name.removeprefix("mjGEOM_").lower()
        findings.append(
            Finding(
                f"the foot of {model.body(tip).name} is no sphere but a {kind}",
                f"a sphere of {1e3 * radius:.0f} mm at its end",
            )
        )
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    lateral = data.xmat[base].reshape(3, 3)[:, 1]
    bending = [joint for joint in joints if abs(data.xaxis[joint] @ lateral) > LATERAL]
    length = leg_length(model, base, body, at)
    if not bending or length <= 0.0:
        raise RobotError(
            f"No joint of the leg to {model.body(tip).name} bends it: the base must have x forward "
            "and y to the left, and each leg an axis along y"
        )
    friction = float(model.geom_friction[foot, 0]) if foot >= 0 else 0.8
    return LegParts(tuple(joints), body, at, radius, friction, length, tuple(bending))


def _foot(
    model: mujoco.MjModel, base: int, tip: int, last: int
) -> tuple[int, int, np.ndarray, float, bool]:
    """Geom, body, centre and radius of a foot, and whether it was a sphere.

    It is the sphere farthest from the last joint, unless something else reaches farther by more
    than its radius.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    anchor = data.xanchor[last]
    below = [body for body in range(1, model.nbody) if tip in _ancestors(model, body)]
    touching = (model.geom_contype | model.geom_conaffinity) > 0
    geoms = [int(g) for g in np.flatnonzero(touching) if model.geom_bodyid[g] in below]
    if not geoms:
        raise RobotError(
            f"{model.body(tip).name}, the end of a leg, has no geom that touches anything: name "
            "the feet with --feet, or give it a shape with contact"
        )
    sphere = mujoco.mjtGeom.mjGEOM_SPHERE.value
    spheres = [g for g in geoms if model.geom_type[g] == sphere]
    reach = {
        g: float(np.linalg.norm(surface(model, data, g) - anchor, axis=1).max()) for g in geoms
    }
    farthest = max(geoms, key=lambda g: reach[g])
    if spheres:
        best = max(spheres, key=lambda g: reach[g])
        radius = float(model.geom_size[best, 0])
        if reach[farthest] <= reach[best] + radius:
            return best, int(model.geom_bodyid[best]), model.geom_pos[best].copy(), radius, True
    points = surface(model, data, farthest)
    end = points[np.argmax(np.linalg.norm(points - anchor, axis=1))]
    body = int(model.geom_bodyid[farthest])
    radius = TIP_RADIUS * leg_length(model, base, body, _inside(data, body, end))
    centre = end - radius * (end - anchor) / np.linalg.norm(end - anchor)
    return farthest, body, _inside(data, body, centre), round(radius, 4), False


def _inside(data: mujoco.MjData, body: int, point: np.ndarray) -> np.ndarray:
    """A point of the world in the frame of a body."""
    return data.xmat[body].reshape(3, 3).T @ (point - data.xpos[body])


def _placed(model: mujoco.MjModel, legs: Sequence[LegParts]) -> dict[str, LegParts]:
    """Legs by where they are attached to the trunk.

    Raises:
        RobotError: They are not front and rear, right and left.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    base = int(model.body_parentid[model.jnt_bodyid[legs[0].joints[0]]])
    hips = np.array([_inside(data, base, data.xanchor[leg.joints[-2]]) for leg in legs])
    ahead, left = (hips[:, axis] > hips[:, axis].mean() for axis in (0, 1))
    named = {
        ("F" if front else "R") + ("L" if side else "R"): leg
        for front, side, leg in zip(ahead, left, legs, strict=True)
    }
    if len(named) < len(LEGS):
        raise RobotError(
            "The legs are not front and rear, right and left of the base, whose x must be forward "
            "and y to the left. Name them: --feet FR FL RR RL"
        )
    return {leg: named[leg] for leg in LEGS}
