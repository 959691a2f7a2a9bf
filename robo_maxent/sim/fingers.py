"""Opening of a gripper, as a function of the position of the joint that drives its fingers."""

import numpy as np

from robo_maxent.sim.physics import mujoco


class Fingers:
    """Two fingers, of which one joint is driven, and others may follow by equality constraints.

    Their opening is half of the gap between them: how far each is from the middle.
    """

    def __init__(
        self, model: mujoco.MjModel, joint: int, openings: tuple[tuple[float, float], ...]
    ) -> None:
        """Read which joints follow.

        Args:
            model: Compiled model.
            joint: The one that is driven, a slide or a hinge.
            openings: Its position, m or rad -> half of the gap, m, from closed to opened; empty:
                the position is half of the gap.
        """
        self._model, self._joint = model, joint
        self._table = np.array(sorted(openings, key=lambda pair: pair[1])).reshape(-1, 2)
        self._by_position = self._table[np.argsort(self._table[:, 0])]
        is_joint = model.eq_type == mujoco.mjtEq.mjEQ_JOINT.value
        self._followers = np.flatnonzero(is_joint & (model.eq_obj2id == joint)).tolist()
        self.widest = (
            float(self._table[-1, 1]) if len(self._table) else float(model.jnt_range[joint, 1])
        )
        """Half of the gap of the opened gripper, m."""

    def position(self, opening: np.ndarray) -> np.ndarray:
        """Position of the joint at an opening, m or rad, of the same shape."""
        if not len(self._table):
            return opening
        return np.interp(opening, self._table[:, 1], self._table[:, 0])

    def opening(self, position: np.ndarray) -> np.ndarray:
        """Half of the gap at a position of the joint, m, of the same shape."""
        if not len(self._table):
            return position
        return np.interp(position, *self._by_position.T)

    def place(self, qpos: np.ndarray, opening: float) -> None:
        """Set the fingers to an opening in a generalized position, (nq,)."""
        model, position = self._model, float(self.position(np.array(opening)))
        own = int(model.jnt_qposadr[self._joint])
        qpos[own] = position
        moved = position - float(model.qpos0[own])
        for equality in self._followers:
            other = int(model.jnt_qposadr[model.eq_obj1id[equality]])
            along = np.polynomial.polynomial.polyval(moved, model.eq_data[equality, :5])
            qpos[other] = float(model.qpos0[other]) + float(along)
