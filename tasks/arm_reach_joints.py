"""Reach by moving joints rather than the hand, to compare the two.

What differs from ``arm-reach``: an action moves the targets of the seven joints, which are
integrated, and nothing keeps the hand pointing down. A policy sees the joints too.
"""

import numpy as np

from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import Box, Field, columns
from robo_maxent.tasks.arm import (
    JOINTS,
    OPENING_STEP,
    SEEN,
    TRUTH,
    Handling,
)
from robo_maxent.tasks.arm_reach import ArmReach

JOINT_STEP = 0.1  # rad that the target of a joint moves in a control step, at most: 2.5 rad/s
LEASH = 0.2  # rad that the target may be ahead of the joint
SCRIPT_STEPS = 3  # of inverse kinematics that the script looks ahead

TURNS = (-1, 1, -1, 1, -1, 1, -1)  # in the mirror
OWN = (
    Field("joints from home", "rad", 7, TURNS),
    Field("lead of the targets of the joints", "rad", 7, TURNS),
)
_SEEN = sum(part.size for part in SEEN)


class ArmReachJoints(ArmReach):
    """Bring the hand to the goal, joint by joint."""

    name = "arm-reach-joints"
    summary = "the same, with actions that move joints rather than the hand"
    observation = (*SEEN, *OWN, *TRUTH)
    action = (
        Field("motion of the joints", "0.1 rad", 7, TURNS),
        Field("opening of the gripper", "2 cm", 1, (1,)),
    )

    @property
    def action_space(self) -> Box:
        """Motion of the targets of the joints, rad, and of the fingers, m."""
        scale = np.array([JOINT_STEP] * len(JOINTS) + [OPENING_STEP])
        return Box((*JOINTS, "gripper"), np.zeros(8), scale)

    def control(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> np.ndarray:
        """Move the targets of the joints; the target of the hand is where they lead it."""
        now = state.joint_position[:, :7]
        target = np.clip(episode.joints + JOINT_STEP * action[:, :7], *self.robot.joint_range[:7].T)
        episode.joints[:] = now + np.clip(target - now, -LEASH, LEASH)
        episode.target[:] = self.chain.pose(episode.joints)[0]
        opening = episode.opening + OPENING_STEP * action[:, 7]
        episode.opening[:] = np.clip(opening, 0.0, self.widest)
        return np.concatenate([episode.joints, episode.opening[:, None]], axis=1)

    def observe(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """The joints too."""
        obs, now = super().observe(episode, state), state.joint_position[:, :7]
        own = [now - self.robot.home_pose[:7], episode.joints - now]
        parts = [obs[:, :_SEEN], *own, obs[:, _SEEN:]]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Go to the goal by inverse kinematics, (N, 8)."""
        see, at = self.seen(obs), columns(self.observation)
        joints = obs[:, at[OWN[0].name]] + self.robot.home_pose[:7]
        wanted = self.chain.solve(joints, see["goal"].astype(float), steps=SCRIPT_STEPS)
        move = (wanted - joints - obs[:, at[OWN[1].name]]) / JOINT_STEP
        action = np.column_stack([move, np.zeros(len(obs))])
        return np.clip(action, -1.0, 1.0).astype(np.float32)
