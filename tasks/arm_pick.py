"""Pick an object up from a table that is never the same, and put it where it is wanted.

Half of the goals are in the air. In training some episodes begin with the object in the gripper or
below it, since otherwise it is hardly ever met by chance (Andrychowicz et al. 2017 begin half of
theirs so). The reward is dense and nothing is relabelled: most of what was achieved by chance are
goals that the object met by lying still.
"""

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import GoalSpec
from robo_maxent.tasks.arm import (
    CLEARANCE,
    NEAR,
    RELATIVE,
    ArmTask,
    Handling,
    apart,
    bring_reward,
    met,
)

AIR_SHARE = 0.5  # of the goals
AIR = (0.06, 0.25)  # m above where the object would lie: lower than that, lying would do
HELD_SHARE, NEAR_SHARE = 0.3, 0.2  # of the episodes in training
HELD_WITHIN = 0.03  # m of the hand: an object is held
HELD_WIDTH = 1.5  # times its half-width, that the fingers may be apart: one may be turned
HELD_ABOVE = (0.05, 0.30)  # m above the table


class ArmPick(ArmTask):
    """Bring the object to the goal, on the table or in the air."""

    name = "arm-pick"
    summary = "an arm picks objects up from uneven tables and brings them to goals, half in the air"
    needs_gripper = True
    goal = GoalSpec("object", "goal", bring_reward, met, RELATIVE, share=0.0)

    def holding(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """The object is between the fingers, which are as far apart as it is wide, or nearly."""
        away = apart(state.object_position[:, 0], state.site_position["hand"])
        half = self.robot.object_half[0, 1] * episode.params["object_size"][:, 0]
        return (away < HELD_WITHIN) & (self.opening(state) < HELD_WIDTH * half)

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the object on the table, in training at times into the gripper or below it."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        goal = self.lying(surface, rng.uniform(*self.objects), above, 0.0)[0]
        lifted, in_air = rng.uniform(*AIR), rng.random() < AIR_SHARE
        goal[2] += lifted * in_air
        chance, facing = rng.random(), rng.uniform(-np.pi, np.pi)
        if self.assisted and chance < HELD_SHARE:
            start = self.hand_above(surface, HELD_ABOVE, rng)
            pose = self.starts[0][start], np.array([1.0, 0.0, 0.0, 0.0])
            return self.begin(episode, sim, surface, start, pose, goal, opening=above)
        if self.assisted and chance < HELD_SHARE + NEAR_SHARE:
            top = 2.0 * above
            start = self.hand_above(surface, (top + NEAR[0], top + NEAR[1]), rng)
            place = self.starts[0][start][:2] + rng.uniform(-0.02, 0.02, 2)
        else:
            start = self.hand_above(surface, CLEARANCE, rng)
            place = rng.uniform(*self.objects)
        pose = self.lying(surface, place, above, facing)
        return self.begin(episode, sim, surface, start, pose, goal)
