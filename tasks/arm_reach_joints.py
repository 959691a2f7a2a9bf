"""Reach by moving joints rather than the hand, to compare the two.

What differs from ``arm-reach``: an action moves the targets of the arm's joints, nothing keeps the
hand pointing down, and a policy sees the joints too.
"""

from dataclasses import replace

import numpy as np

from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.page import Page
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import Box, Field
from robo_maxent.tasks.arm import OPENING, Handling
from robo_maxent.tasks.arm_observation import SEEN, TRUTH
from robo_maxent.tasks.arm_reach import ArmReach

JOINT_STEP = 0.1  # rad that the target of a joint moves in a control step, at most: 2.5 rad/s
LEASH = 0.2  # rad that the target may be ahead of the joint
SCRIPT_STEPS = 3  # of inverse kinematics that the script looks ahead

TURNS = (-1, 1, -1, 1, -1, 1, -1)  # signs of the joints in a mirror
JOINTS = (
    Field("joints from home", "rad", 7, TURNS),
    Field("lead of the targets of the joints", "rad", 7, TURNS),
)
MOTION = Field("motion of the joints", "0.1 rad", 7, TURNS)


class ArmReachJoints(ArmReach):
    """Bring the hand to the goal, joint by joint."""

    name = "arm-reach-joints"
    summary = "the same, with actions that move joints rather than the hand"
    observation = (*SEEN, *JOINTS, *TRUTH)
    action = (MOTION, OPENING)

    def fit(self, page: Page) -> None:
        """Take the arm of a page, with as many joints as it has.

        Few arms are mirror images of themselves in their ready pose, so none is taken for one: then
        nothing is mirrored in learning.
        """
        if isinstance(page, ArmPage):
            self.observation = tuple(_fitted(part, page) for part in self.observation)
            self.action = tuple(_fitted(part, page) for part in self.action)
        super().fit(page)

    @property
    def action_space(self) -> Box:
        """Motion of the targets of the joints, rad, and of the fingers, m."""
        names = self.robot.joints[: self.joint_count]
        return self._space(names, [JOINT_STEP] * len(names))

    def control(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> np.ndarray:
        """Move the targets of the joints by the action; that of the hand is where they lead."""
        count = self.joint_count
        now, limits = state.joint_position[:, :count], self.robot.joint_range[:count].T
        target = np.clip(episode.joints + JOINT_STEP * action[:, :count], *limits)
        episode.joints[:] = now + np.clip(target - now, -LEASH, LEASH)
        episode.target[:] = self.chain.pose(episode.joints)[0]
        return self.with_fingers(episode, action)

    def observe(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """As of ``arm-reach``, with the joints between what is seen and what only critics see."""
        obs, now = super().observe(episode, state), state.joint_position[:, : self.joint_count]
        joints = [now - self.home, episode.joints - now]
        before = self.columns[JOINTS[0].name].start
        parts = [obs[:, :before], *joints, obs[:, before:]]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Go to the goal by inverse kinematics, (N, A)."""
        see, count = self.seen(obs), self.joint_count
        joints = see[JOINTS[0].name] + self.home
        wanted = self.chain.solve(joints, see["goal"].astype(float), steps=SCRIPT_STEPS)
        move = (wanted - joints - see[JOINTS[1].name]) / JOINT_STEP
        action = np.column_stack([move, np.zeros((len(obs), self.action_size - count))])
        return np.clip(action, -1.0, 1.0).astype(np.float32)


def _fitted(part: Field, page: ArmPage) -> Field:
    """A field with an element for each joint of an arm."""
    if part not in (*JOINTS, MOTION):
        return part
    return replace(part, size=len(page.joints.names), sign=None)
