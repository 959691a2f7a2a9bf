"""Finds the standing pose of a quadruped: level feet below its hips, with bent knees."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.proposal import Finding
from robo_maxent.robots.quadruped_anatomy import Anatomy, LegParts
from robo_maxent.robots.quadruped_page import LEGS
from robo_maxent.sim.physics import mujoco

HIP_HEIGHT = float(np.cos(0.9))
"""Height of the first bending joint over the foot, relative to the leg length; if thigh and calf
are equally long, both are 0.9 rad from the vertical."""
STARTS = 9
"""Starting angles of each joint for the solver."""
REFINED = 12
"""Number of the best starts that are refined."""
STEPS = 60
DAMPING = 1e-4
"""Damping of the least squares, relative to the squared leg length."""
CLOSE = 2e-3
"""Largest error of a foot's position, relative to the leg length."""
UNLIMITED = 2.8
"""Search range of joints without limits around the file's pose, rad."""
LEVEL = 0.1
"""A keyframe whose feet are level to this, relative to the leg length, shows how the knees bend."""
NARROW = 0.15
"""A leg can't step if none of its joints has a range wider than this, rad."""
DEEPEST = 0.005
"""A keyframe whose feet are deeper than this is not standing but in the ground, m."""


@dataclass(frozen=True)
class Stance:
    """A standing pose."""

    angles: dict[str, np.ndarray]
    """Leg -> its joint angles, rad, (k,)."""
    height: float
    """Height of the base over the ground, m."""
    findings: tuple[Finding, ...]


def solve(model: mujoco.MjModel, anatomy: Anatomy) -> Stance:
    """Find joint angles at which all feet are level, below the hips.

    Of the ways to bend the knees it takes that of the file's keyframe, if one stands, or else
    knees behind the hips.

    Raises:
        RobotError: The joints do not reach.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    turn, at = data.xmat[anatomy.base].reshape(3, 3), data.xpos[anatomy.base]
    example, findings = _standing_keyframe(model, anatomy)
    hips = {name: (data.xanchor[leg.bending[0]] - at) @ turn for name, leg in anatomy.legs.items()}
    level = float(np.mean([hip[2] for hip in hips.values()])) - HIP_HEIGHT * anatomy.length
    angles = {}
    for name in LEGS:
        target = np.array([*hips[name][:2], level])
        angles[name] = _reach(model, anatomy.legs[name], target, example, name)
    bottom = level - float(np.median([leg.radius for leg in anatomy.legs.values()]))
    return Stance(angles, round(-bottom, 4), tuple(findings))


def foot_places(
    model: mujoco.MjModel, anatomy: Anatomy, qpos: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the feet in the order of LEGS, in base and world frame, m, (4, 3) both."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_kinematics(model, data)
    turn, at = data.xmat[anatomy.base].reshape(3, 3), data.xpos[anatomy.base]
    legs = [anatomy.legs[name] for name in LEGS]
    world = np.array(
        [data.xpos[leg.body] + data.xmat[leg.body].reshape(3, 3) @ leg.at for leg in legs]
    )
    return (world - at) @ turn, world


def _standing_keyframe(
    model: mujoco.MjModel, anatomy: Anatomy
) -> tuple[np.ndarray | None, list[Finding]]:
    """The first keyframe that stands, (nq,), and findings about the others."""
    for key in range(model.nkey):
        feet, world = foot_places(model, anatomy, model.key_qpos[key])
        below = -feet[:, 2].mean()
        if np.ptp(feet[:, 2]) > LEVEL * anatomy.length or below < 0.3 * anatomy.length:
            continue
        radius = min(leg.radius for leg in anatomy.legs.values())
        depth = radius - float(world[:, 2].min())
        name = model.key(key).name
        findings = []
        if depth > DEEPEST:
            findings.append(
                Finding(
                    f"spawn penetration: in the keyframe {name!r} the feet are "
                    f"{1e3 * depth:.0f} mm in the ground",
                    "the base is put as high as the feet need",
                )
            )
        return model.key_qpos[key].copy(), findings
    return None, [Finding("no keyframe that stands", "a standing pose is solved for")]


def _reach(
    model: mujoco.MjModel,
    leg: LegParts,
    target: np.ndarray,
    example: np.ndarray | None,
    name: str,
) -> np.ndarray:
    """Joint angles that put the foot of a leg at a point of the base frame, rad, (k,).

    Raises:
        RobotError: It does not get there.
    """
    chain = _Chain(model, leg)
    near = None if example is None else example[chain.qpos]
    starts = np.array(list(product(*[_spread(low, high) for low, high in chain.range])))
    if near is not None:
        starts = np.vstack([near, starts])
    missed = np.linalg.norm(chain.feet(starts) - target, axis=1)
    best = np.argsort(missed)[:REFINED]
    if near is not None:
        best = np.concatenate([[0], best])
    solved = [chain.refine(starts[i], target) for i in best]
    found = [q for q, miss in solved if miss < CLOSE * leg.length]
    if not found:
        nearest = min(miss for _, miss in solved)
        raise RobotError(
            f"The leg {name} can't stand: within its joint ranges its foot stays "
            f"{1e3 * nearest:.0f} mm from below its hip, at the height of bent knees. "
            f"{_ranges(model, leg)}"
        )
    if near is not None:
        return min(found, key=lambda q: float(np.abs(q - near).sum()))
    return min(found, key=lambda q: (chain.knee_ahead(q) > 0.0, float(np.abs(q).sum())))


def _ranges(model: mujoco.MjModel, leg: LegParts) -> str:
    """Joint ranges of a leg, and a hint if they look like degrees taken for radians."""
    joints = list(leg.joints)
    each = [
        f"{model.joint(j).name} {model.jnt_range[j, 0]:.3g} to {model.jnt_range[j, 1]:.3g}"
        for j in joints
    ]
    narrow = np.ptp(model.jnt_range[joints], axis=1).max() < NARROW
    hint = (
        ': degrees in the file? <compiler angle="radian"/> says that they are not' if narrow else ""
    )
    return f"Ranges, rad: {', '.join(each)}{hint}"


def _spread(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, STARTS)


class _Chain:
    """Kinematics of one leg, in the base frame."""

    def __init__(self, model: mujoco.MjModel, leg: LegParts) -> None:
        self._model, self._leg = model, leg
        self._data = mujoco.MjData(model)
        joints = list(leg.joints)
        self.qpos = model.jnt_qposadr[joints]
        self._dof = model.jnt_dofadr[joints]
        self._base = int(model.body_parentid[model.jnt_bodyid[joints[0]]])
        around = model.qpos0[self.qpos, None] + [[-UNLIMITED, UNLIMITED]]
        limited = model.jnt_limited[joints, None] > 0
        self.range = np.where(limited, model.jnt_range[joints], around)  # (k, 2)

    def feet(self, angles: np.ndarray) -> np.ndarray:
        """Centre of the foot for each of N sets of joint angles, base frame, m, (N, 3)."""
        return np.array([self._foot(q) for q in angles])

    def refine(self, q: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
        """Improve joint angles by damped least squares; also the remaining distance, m."""
        jacobian = np.zeros((3, self._model.nv))
        for _ in range(STEPS):
            miss = target - self._foot(q)
            mujoco.mj_jac(self._model, self._data, jacobian, None, self._point, self._leg.body)
            own = self._turn.T @ jacobian[:, self._dof]
            squared = own @ own.T + DAMPING * self._leg.length**2 * np.eye(3)
            q = np.clip(q + own.T @ np.linalg.solve(squared, miss), *self.range.T)
        return q, float(np.linalg.norm(target - self._foot(q)))

    def knee_ahead(self, q: np.ndarray) -> float:
        """How far the last bending joint is ahead of the first, m."""
        self._foot(q)
        first, last = self._leg.bending[0], self._leg.bending[-1]
        return float((self._data.xanchor[last] - self._data.xanchor[first]) @ self._turn[:, 0])

    def _foot(self, q: np.ndarray) -> np.ndarray:
        data, leg = self._data, self._leg
        data.qpos[self.qpos] = q
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        self._turn = data.xmat[self._base].reshape(3, 3)
        self._point = data.xpos[leg.body] + data.xmat[leg.body].reshape(3, 3) @ leg.at
        return self._turn.T @ (self._point - data.xpos[self._base])
