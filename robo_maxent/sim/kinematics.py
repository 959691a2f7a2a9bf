"""Kinematics of a serial chain of hinges, for many simulations at once, forward and inverse.

Within, the simulations are the last axis, so that every operation runs along them. Products are
spelled out: those of the linear algebra library round one row otherwise than many.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.physics import mujoco

DAMPING = 0.02
"""Damping of the least-squares step, m: directions in which the end moves less per rad are given
up."""
HOMING = 0.05
"""Share of the way to the home pose that redundant joints go in a step."""
LARGEST_CHANGE = 0.25
"""Largest change of a joint in one step, rad, so that singularities cause no jump."""


class Chain:
    """Kinematics of the hinges between the world and a site of a compiled model."""

    def __init__(
        self,
        model: mujoco.MjModel,
        site: str,
        joints: Sequence[str],
        home: np.ndarray,
        upright: np.ndarray | None = None,
    ) -> None:
        """Read the chain.

        Args:
            model: Compiled model.
            site: The end of the chain.
            joints: All joints between the world and the site, from the base on; all hinges.
            home: Pose that spare joints drift to, and whose orientation of the site is kept where
                none is given, rad, (J,).
            upright: Axis of the site, a unit vector in its frame, (3,): only that is turned as it
                shall be, and turns about it are free, which asks less of chains of five hinges;
                None: the whole orientation.

        Raises:
            RobotError: The joints are not those of the chain, or one is no hinge.
        """
        ids = [model.joint(name).id for name in joints]
        self.range = model.jnt_range[ids].copy()
        """Lowest and highest angle, infinite of a joint without limits, rad, (J, 2)."""
        self.range[model.jnt_limited[ids] == 0] = (-np.inf, np.inf)
        self.home = np.array(home, float)
        """rad, (J,)"""
        self._zero = model.qpos0[model.jnt_qposadr[ids]][:, None]  # (J, 1)
        self._offsets, self._turns = _links(model, model.site(site).id, ids)
        self.home_rotation = self.pose(self.home[None])[1][0]
        """Orientation of the site in the home pose, columns are its axes, world frame, (3, 3)."""
        self._upright = upright

    def pose(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pose of the site.

        Args:
            q: Joint angles, rad, (N, J).

        Returns:
            Position in the world frame, m, (N, 3), and rotation matrix, whose columns are the axes
            of the site in the world frame, (N, 3, 3).
        """
        position, columns, _, _ = self._frames(q)
        return position.T, columns.transpose(2, 1, 0)

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """Velocity of the site per joint velocity: linear, m/rad, then angular, 1; world frame.

        Args:
            q: Joint angles, rad, (N, J).

        Returns:
            (N, 6, J).
        """
        position, _, anchors, axes = self._frames(q)
        return _jacobian(position, anchors, axes).transpose(2, 1, 0)

    def step(
        self,
        q: np.ndarray,
        position: np.ndarray,
        rotation: np.ndarray | None = None,
        largest_change: float = LARGEST_CHANGE,
    ) -> np.ndarray:
        """Joint angles one damped least-squares step nearer to a pose of the site.

        Spare joints go towards the home pose, as far as the site stays where it is.

        Args:
            q: Joint angles, as commanded rather than measured, rad, (N, J).
            position: Where the site shall be, world frame, m, (N, 3).
            rotation: How it shall be turned, less than half a turn away, (N, 3, 3) or (3, 3);
                None: as in the home pose.
            largest_change: The joint that moves most moves by at most this, rad; the others in
                proportion.

        Returns:
            Angles within the joint ranges, rad, (N, J).
        """
        target = self.home_rotation if rotation is None else rotation
        at, columns, anchors, axes = self._frames(q)
        jacobian = _jacobian(at, anchors, axes)  # (J, 6, N)
        wanted = np.broadcast_to(target, (len(q), 3, 3)).transpose(2, 1, 0)
        # The sine of the angle between them, about the axis that turns one into the other.
        if self._upright is None:
            turn = 0.5 * _cross(columns, wanted).sum(axis=0)  # (3, N)
        else:
            upright = self._upright[:, None, None]
            kept, aim = (upright * columns).sum(axis=0), (upright * wanted).sum(axis=0)  # (3, N)
            turn = _cross(kept, aim)
            jacobian[:, 3:] -= aim * (aim * jacobian[:, 3:]).sum(axis=1, keepdims=True)
        error = np.concatenate([position.T - at, turn])  # (6, N)
        homing = HOMING * (self.home[:, None] - q.T)  # (J, N)
        error -= (jacobian * homing[:, None]).sum(axis=0)
        squared = (jacobian[:, :, None] * jacobian[:, None]).sum(axis=0)  # (6, 6, N)
        squared[np.arange(6), np.arange(6)] += DAMPING**2
        force = np.linalg.solve(squared.transpose(2, 0, 1), error.T[..., None])[..., 0]  # (N, 6)
        change = homing + (jacobian * force.T).sum(axis=1)  # (J, N)
        change /= np.maximum(np.abs(change).max(axis=0) / largest_change, 1.0)
        return np.clip(q + change.T, *self.range.T)

    def solve(
        self,
        q: np.ndarray,
        position: np.ndarray,
        rotation: np.ndarray | None = None,
        steps: int = 20,
    ) -> np.ndarray:
        """Joint angles after several steps, rad, (N, J); see :meth:`step`."""
        for _ in range(steps):
            q = self.step(q, position, rotation)
        return q

    def _frames(self, q: np.ndarray) -> tuple[np.ndarray, ...]:
        """Position, (3, N), and rotation, (3, 3, N), of the site; anchors, axes of the joints."""
        angles = q.T - self._zero
        cosines, sines = np.cos(angles), np.sin(angles)  # (J, N)
        position = np.zeros((3, len(q)))
        columns = list(np.eye(3)[..., None] + np.zeros(len(q)))  # three of (3, N)
        anchors, axes = np.empty((2, *angles.shape[:1], 3, len(q)))  # (J, 3, N)
        for joint, (cosine, sine) in enumerate(zip(cosines, sines, strict=True)):
            position = position + _weighted(columns, self._offsets[joint])
            x, y, axis = (_weighted(columns, turn) for turn in self._turns[joint].T)
            columns = [cosine * x + sine * y, cosine * y - sine * x, axis]
            anchors[joint], axes[joint] = position, axis
        position = position + _weighted(columns, self._offsets[-1])
        ends = np.stack([_weighted(columns, turn) for turn in self._turns[-1].T])
        return position, ends, anchors, axes


def _links(
    model: mujoco.MjModel, site: int, joints: list[int]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """From each joint to the next, and from the last to the site: offsets and rotation matrices.

    The frame of a joint has its origin at the anchor and its z along the axis.
    """
    bodies = [int(model.site_bodyid[site])]
    while bodies[0]:
        bodies.insert(0, int(model.body_parentid[bodies[0]]))
    present = [
        int(model.body_jntadr[body]) + k for body in bodies for k in range(model.body_jntnum[body])
    ]
    hinge = mujoco.mjtJoint.mjJNT_HINGE.value
    if present != joints or any(model.jnt_type[joint] != hinge for joint in joints):
        names = ", ".join(model.joint(joint).name or "unnamed" for joint in present) or "none"
        raise RobotError(
            f"The chain to {model.site(site).name!r} must be named whole, from the base on, and "
            f"be made of hinges. Its joints: {names}."
        )
    offsets, turns = [], []
    offset, turn = np.zeros(3), np.eye(3)
    for body in bodies:
        offset = offset + turn @ model.body_pos[body]
        turn = turn @ _matrix(model.body_quat[body])
        for joint in range(
            model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]
        ):
            quaternion = np.zeros(4)
            mujoco.mju_quatZ2Vec(quaternion, model.jnt_axis[joint])
            aligned = _matrix(quaternion)
            offsets.append(offset + turn @ model.jnt_pos[joint])
            turns.append(turn @ aligned)
            offset, turn = -aligned.T @ model.jnt_pos[joint], aligned.T
    offsets.append(offset + turn @ model.site_pos[site])
    turns.append(turn @ _matrix(model.site_quat[site]))
    # Right angles have sines of 1e-16: zeros are skipped, and these are zeros.
    return offsets, [np.where(np.abs(turn) < 1e-15, 0.0, turn) for turn in turns]


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    mujoco.mju_quat2Mat(matrix := np.zeros(9), quaternion)
    return matrix.reshape(3, 3)


def _weighted(columns: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Sum of three columns, (3, N)."""
    terms = [weight * column for weight, column in zip(weights, columns, strict=True) if weight]
    return reduce(np.add, terms) if terms else np.zeros_like(columns[0])


def _jacobian(position: np.ndarray, anchors: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.concatenate([_cross(axes, position - anchors), axes], axis=1)  # (J, 6, N)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products along the last axis but one, (..., 3, N)."""
    (ax, ay, az), (bx, by, bz) = np.moveaxis(a, -2, 0), np.moveaxis(b, -2, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-2)
