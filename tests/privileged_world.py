"""A task whose critics see more than its policies, to test on."""

import numpy as np

from robo_maxent.sim.robot import LeggedState
from robo_maxent.spaces import Field
from robo_maxent.tasks.quadruped import OBSERVATION, QuadrupedFlat, Walk


class QuadrupedSeen(QuadrupedFlat):
    """Walk on a plane, while critics also see heights above it: five elements of 55."""

    name = "quadruped-seen"
    observation = (
        *OBSERVATION,
        Field("base height", "m", 1, (1,), privileged=True),
        Field("foot height", "m", 4, (1, 1, 1, 1), (1, 0, 3, 2), privileged=True),
    )

    def observe(self, episode: Walk, state: LeggedState) -> np.ndarray:
        """What the plain task observes, then the heights."""
        parts = [
            super().observe(episode, state),
            state.base_position[:, 2:],
            state.foot_position[:, :, 2],
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 55)
