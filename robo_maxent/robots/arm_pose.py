"""Finds where an arm stands at the table and its ready pose, by inverse kinematics."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_page import SIZES
from robo_maxent.robots.proposal import Finding
from robo_maxent.sim.hand_space import FULL, READY, STARTS
from robo_maxent.sim.kinematics import Chain
from robo_maxent.sim.physics import mujoco

REFERENCE_REACH = 0.947
"""Reach of the shipped arm, m, as :func:`reach` measures it."""
TRIES, STEPS = 31, 70
"""Starts of a search, and steps of each."""
SIDE, PLACE_STEPS = 4, 40
"""Places along each side of the space over the table, and steps from the ready pose to each."""
SHARE = 0.95
"""Smallest share of these places that the hand must reach."""
CLOSE, UPRIGHT = 0.01, 0.05
"""The hand is where it should be within this, m, and points down within this, rad."""
TURNS = (0.0, np.pi, np.pi / 2.0, -np.pi / 2.0)
"""How the base may be turned about the vertical, rad."""
TURNED = 1e-3
"""A turned base must make the ready pose better by this much."""
SHRINKING = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
"""Sizes of the space over the table to try, relative to what the reach suggests."""
SHOULDERS = (0.05, 0.6)
"""Heights of the shoulder over the table, relative to the reach, at which the base keeps its
height."""
SHOULDER = 0.45
"""Height of the shoulder otherwise."""
LOW = 0.06
"""Joints lower than this over the table are penalized, relative to the reach."""
NEARBY = 0.35
"""The file's own pose is taken if no joint has to move farther from it than this, rad."""
CANDIDATES, ALIKE = 12, 0.1
"""Ready poses that are looked at, the best first, and by how much they differ, rad."""
WEIGHTS = {"limits": 1.0, "aside": 4.0, "low": 20.0}
"""Weights of the terms that make one ready pose worse than another."""


@dataclass(frozen=True)
class ArmPose:
    """Where an arm stands at its table, and its ready pose."""

    reach: float
    """Largest distance of the hand from the shoulder, m."""
    mount: tuple[float, float, float]
    turn: float
    size: float
    ready: np.ndarray
    """Joint angles of the ready pose, rad, (J,)."""
    findings: tuple[Finding, ...]


class AtTable:
    """Kinematics of an arm that stands at the table, with its base turned in one way."""

    def __init__(
        self,
        model: mujoco.MjModel,
        joints: tuple[str, ...],
        axes: tuple[np.ndarray, np.ndarray],
        mount: np.ndarray,
        turn: float,
    ) -> None:
        """Read the kinematics.

        Args:
            model: The arm alone, fixed at the origin, its end the site ``grasp``.
            joints: From the base to the hand.
            axes: Where the hand points and along which it closes, in its frame, (3,) each.
            mount: Of the base, m, (3,).
            turn: Of the base about the vertical, rad.
        """
        ids = [model.joint(joint).id for joint in joints]
        zero = model.qpos0[model.jnt_qposadr[ids]]
        limited = model.jnt_limited[ids] > 0
        ends = np.where(limited[:, None], model.jnt_range[ids], zero[:, None] + [-np.pi, np.pi])
        self.range = ends  # (J, 2)
        self.middle = ends.mean(axis=1)
        self._upright = None if len(joints) >= FULL else -axes[0]
        self._chain = model, "grasp", joints
        cosine, sine = np.cos(turn), np.sin(turn)
        self._turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        self.mount, self.turn = mount, turn
        self._axes = axes
        self._bodies = [int(model.jnt_bodyid[joint]) for joint in ids]
        self._model, self._ids = model, ids
        self._plain = self.chain(self.middle)

    def chain(self, home: np.ndarray) -> Chain:
        """The chain, whose redundant joints drift to a pose, rad, (J,)."""
        model, site, joints = self._chain
        return Chain(model, site, joints, home, upright=self._upright)

    def pointing(self, flipped: bool) -> np.ndarray:
        """Orientation of a hand that points down and closes sideways, base frame, (3, 3)."""
        ahead, across = self._axes
        own = np.stack([ahead, across, np.cross(ahead, across)], axis=1)
        side = np.array([0.0, -1.0 if flipped else 1.0, 0.0])
        down = np.array([0.0, 0.0, -1.0])
        world = np.stack([down, side, np.cross(down, side)], axis=1)
        return self._turn.T @ world @ own.T

    def local(self, places: np.ndarray) -> np.ndarray:
        """World positions in the base frame, m, (N, 3)."""
        return (places - self.mount) @ self._turn

    def world(self, places: np.ndarray) -> np.ndarray:
        """Positions in the base frame in the world frame, m, (3,) or (N, 3)."""
        return places @ self._turn.T + self.mount

    def misses(self, q: np.ndarray, places: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Distance of the hand from each place, m, and its tilt from straight down, rad: (N, 2)."""
        position, rotation = self._plain.pose(q)
        off = np.linalg.norm(position - self.local(places), axis=1)
        down, is_down = rotation @ self._axes[0], wanted @ self._axes[0]
        tilt = np.arccos(np.clip(down @ is_down, -1.0, 1.0))
        return np.stack([off, tilt], axis=1)

    def cost(self, q: np.ndarray, reach: float) -> float:
        """Cost of a pose: near joint limits, out of the plane ahead, low over the table."""
        data = mujoco.MjData(self._model)
        data.qpos[self._model.jnt_qposadr[self._ids]] = q
        mujoco.mj_kinematics(self._model, data)
        anchors = self.world(data.xanchor[self._ids])
        half = np.maximum(np.ptp(self.range, axis=1) / 2.0, 1e-6)
        near = (((q - self.middle) / half) ** 4).mean()
        aside = (np.abs(anchors[:, 1]) / reach).mean()
        low = np.maximum(LOW - anchors[1:, 2] / reach, 0.0).max()
        return WEIGHTS["limits"] * near + WEIGHTS["aside"] * aside + WEIGHTS["low"] * low


def solve(
    model: mujoco.MjModel,
    joints: tuple[str, ...],
    axes: tuple[np.ndarray, np.ndarray],
    height: float,
    example: np.ndarray | None,
) -> ArmPose:
    """Find where the arm stands and its ready pose.

    Args:
        model: The arm alone, fixed at the origin, its end the site ``grasp``.
        joints: From the base to the hand.
        axes: Where the hand points and along which it closes, in its frame, (3,) each.
        height: Of the base over the table, m, if that puts the shoulder where it can reach.
        example: A pose that the file has, rad, (J,), taken if the hand points down in it.

    Raises:
        RobotError: The hand can't get over the table.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    first, shoulder = data.xanchor[[model.joint(joint).id for joint in joints[:2]]]
    far = reach(AtTable(model, joints, axes, np.zeros(3), 0.0), shoulder)
    size = _suggested_size(far)
    height, findings = _height_of_foot(height, shoulder[2], far)
    tables = []
    for turn in TURNS:
        x, y, _ = -_turned(turn, first)
        mount = np.round([x, y, height], 4) + 0.0
        tables.append(AtTable(model, joints, axes, mount, turn))
    for factor in SHRINKING:
        final = round(factor * size, 2)
        best = None if final < SIZES[0] else _best(tables, final, far, example)
        if best is None:
            continue
        table, ready = best
        if factor < 1.0:
            what = f"with a reach of {far:.2f} m the hand does not get everywhere, pointing down"
            fix = f"table and distances are {factor:g} times as large as for such a reach"
            findings.append(Finding(what, fix))
        x, y, z = (float(coordinate) for coordinate in table.mount)
        return ArmPose(far, (x, y, z), round(table.turn, 4), final, ready, tuple(findings))
    corner = np.linalg.norm(SHRINKING[-1] * size * STARTS[1] - [0.0, 0.0, height + shoulder[2]])
    raise RobotError(
        f"The hand can't reach the table: it reaches {far:.2f} m from the shoulder, which is "
        f"{height + shoulder[2]:.2f} m over the table, and pointing down it does not get to all "
        f"places up to {corner:.2f} m away. Are the ranges of the joints right, and in rad?"
    )


def _suggested_size(far: float) -> float:
    """Size of the space over the table that a reach, m, suggests, relative to the shipped arm's.

    Raises:
        RobotError: No table is for such an arm.
    """
    if far <= 1e-3:
        raise RobotError("The hand is at the shoulder in all poses: the chain has no length")
    size = round(far / REFERENCE_REACH, 2)
    if not SIZES[0] <= size <= SIZES[1]:
        low, high = (limit * REFERENCE_REACH for limit in SIZES)
        raise RobotError(
            f"The hand reaches {far:.3g} m from the shoulder, and the tables are for arms that "
            f"reach {low:.2f} to {high:.2f} m: is the file in other units?"
        )
    return size


def _height_of_foot(height: float, shoulder: float, far: float) -> tuple[float, list[Finding]]:
    """Height of the base over the table, m, with a finding where it had to be another.

    Args:
        height: Of the base over the table as it is, m.
        shoulder: Height of the shoulder over the base, m.
        far: Reach of the hand, m.
    """
    above = height + shoulder
    if SHOULDERS[0] * far <= above <= SHOULDERS[1] * far:
        return height, []
    height = SHOULDER * far - shoulder
    what = f"the shoulder is {above:.2f} m over the foot, and the hand reaches {far:.2f} m"
    return height, [Finding(what, f"the foot stands {-height:.2f} m below the table")]


def _best(
    tables: list[AtTable], size: float, far: float, example: np.ndarray | None
) -> tuple[AtTable, np.ndarray] | None:
    """How the base is best turned, and the ready pose then; None: the hand gets nowhere."""
    poses = [(_ready(table, size, far, example), table) for table in tables]
    found = [(*pose, table) for pose, table in poses if pose is not None]
    if not found:
        return None
    _, ready, table = min(found, key=lambda each: each[0] + (TURNED if each[2].turn else 0.0))
    return table, ready


def reach(table: AtTable, shoulder: np.ndarray) -> float:
    """Largest distance of the hand from the shoulder within the joint ranges, m."""
    rng, chain = np.random.default_rng(0), table.chain(table.middle)
    low, high = table.range.T
    q = rng.uniform(low, high, (2000, len(low)))
    for width in (0.3, 0.1, 0.03, 0.01):
        for _ in range(4):
            far = np.linalg.norm(chain.pose(q)[0] - shoulder, axis=1)
            best = q[np.argsort(far)[-20:]]
            near = rng.normal(0.0, width, (20, 20, len(low)))
            q = np.clip(np.concatenate([best, (best + near).reshape(-1, len(low))]), low, high)
    return float(np.linalg.norm(chain.pose(q)[0] - shoulder, axis=1).max())


def _turned(angle: float, vector: np.ndarray) -> np.ndarray:
    """A vector rotated about the vertical, (3,)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y, z = vector
    return np.array([cosine * x - sine * y, sine * x + cosine * y, z])


def _ready(
    table: AtTable, size: float, far: float, example: np.ndarray | None
) -> tuple[float, np.ndarray] | None:
    """Cost and joint angles of the best pose from which the hand reaches all over the table.

    The cost of an example is -1. None: there is no such pose.
    """
    place = size * READY[None]
    ways = [table.pointing(flipped) for flipped in (False, True)]
    if example is not None:
        for wanted in ways:
            q = table.chain(example).solve(example[None], table.local(place), wanted, STEPS)
            ready = np.clip(np.round(q[0], 4), *table.range.T)
            near = np.abs(q - example).max() < NEARBY
            if (
                near
                and _fits(table, q, place, wanted)
                and share_reached(table, ready, size) >= SHARE
            ):
                return -1.0, ready
    rng, found = np.random.default_rng(0), list[tuple[float, np.ndarray]]()
    low, high = table.range.T
    starts = np.vstack([table.middle, rng.uniform(low, high, (TRIES, len(low)))])
    places = np.tile(place, (len(starts), 1))
    for wanted in ways:
        q = table.chain(table.middle).solve(starts, table.local(places), wanted, STEPS)
        good = q[(table.misses(q, places, wanted) < [CLOSE, UPRIGHT]).all(axis=1)]
        found += [(table.cost(pose, far), pose) for pose in good]
    for cost, pose in _distinct(sorted(found, key=lambda each: each[0]))[:CANDIDATES]:
        ready = np.clip(np.round(pose, 4), *table.range.T)
        if share_reached(table, ready, size) >= SHARE:
            return cost, ready
    return None


def _distinct(poses: list[tuple[float, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
    """The first pose of each group of nearly equal ones."""
    kept: list[tuple[float, np.ndarray]] = []
    for cost, pose in poses:
        if all(np.abs(pose - other).max() > ALIKE for _, other in kept):
            kept.append((cost, pose))
    return kept


def _fits(table: AtTable, q: np.ndarray, places: np.ndarray, wanted: np.ndarray) -> bool:
    return bool((table.misses(q, places, wanted) < [CLOSE, UPRIGHT]).all())


def share_reached(table: AtTable, ready: np.ndarray, size: float) -> float:
    """Share of the places over the table that the hand reaches from the ready pose."""
    places = size * np.array([*product(*np.linspace(STARTS[0], STARTS[1], SIDE).T)])  # (SIDE^3, 3)
    chain = table.chain(ready)
    q = np.tile(ready, (len(places), 1))
    q = chain.solve(q, table.local(places), chain.home_rotation, PLACE_STEPS)
    misses = table.misses(q, places, chain.home_rotation)
    return float((misses < [CLOSE, UPRIGHT]).all(axis=1).mean())
