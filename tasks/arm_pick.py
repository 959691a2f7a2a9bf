"""Pick an object up from a table that is never the same, and put it where it is wanted.

Half of the goals are in the air. In training some episodes begin with the object in the gripper or
below it, since otherwise it is hardly ever met by chance (Andrychowicz et al. 2017 begin half of
theirs so). The reward is dense and nothing is relabelled: most of what was achieved by chance are
goals that the object met by lying still.
"""

from typing import Any

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import GoalSpec
from robo_maxent.tasks.arm import (
    CLEARANCE,
    NEAR,
    OBJECTS,
    TOLERANCE,
    ArmTask,
    Handling,
    apart,
    column,
    met,
)

AIR_SHARE = 0.5  # of the goals
AIR = (0.06, 0.25)  # m above where the object would lie: lower than that, lying would do
HELD_SHARE, NEAR_SHARE = 0.3, 0.2  # of the episodes in training
HELD_ABOVE = (0.05, 0.30)  # m above the table
SLOPE = 5.0  # 1/m, of the rewards for nearness

_HAND = column(ArmTask.observation, "hand")
_OBJECT = column(ArmTask.observation, "object")
_GOAL = column(ArmTask.observation, "goal")


class ArmPick(ArmTask):
    """Bring the object to the goal, on the table or in the air."""

    name = "arm-pick"
    summary = (
        "an arm picks an object up from an uneven table and brings it to a goal, half in the air"
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        """Build the world; see :class:`MujocoTask`."""
        super().__init__(*args, **options)
        self.goal = GoalSpec("object", "goal", reward, met, share=0.0)

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the object on the table, in training at times into the gripper or below it."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        goal = self.lying(surface, rng.uniform(*OBJECTS), above, 0.0)[0]
        lifted, in_air = rng.uniform(*AIR), rng.random() < AIR_SHARE
        goal[2] += lifted * in_air
        chance, facing = rng.random(), rng.uniform(-np.pi, np.pi)
        if self.assisted and chance < HELD_SHARE:
            start = self.hand_above(surface, HELD_ABOVE, rng)
            pose = self.starts[0][start], np.array([1.0, 0.0, 0.0, 0.0])
            return self.begin(episode, sim, start, pose, goal, opening=above)
        if self.assisted and chance < HELD_SHARE + NEAR_SHARE:
            start = self.hand_above(surface, (above + NEAR[0], above + NEAR[1]), rng)
            place = self.starts[0][start][:2] + rng.uniform(-0.02, 0.02, 2)
        else:
            start = self.hand_above(surface, CLEARANCE, rng)
            place = rng.uniform(*OBJECTS)
        return self.begin(episode, sim, start, self.lying(surface, place, above, facing), goal)

    def reward_terms(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The hand near the object, the object near the goal, and at it."""
        return terms(state.site_position["hand"], state.object_position[:, 0], state.goal)


def terms(hand: np.ndarray, thing: np.ndarray, goal: np.ndarray) -> dict[str, np.ndarray]:
    """Terms of the reward of positions, world frame, m, (N, 3): (N,) each."""
    distance = apart(thing, goal)
    return {
        "reach": 0.2 * (1.0 - np.tanh(SLOPE * apart(hand, thing))),
        "bring": 0.5 * (1.0 - np.tanh(SLOPE * distance)),
        "at_goal": 0.3 * (distance < TOLERANCE),
    }


def reward(obs: np.ndarray, action: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The same of observations: those after the step, (B, O), to (B,)."""
    parts = terms(after[:, _HAND], after[:, _OBJECT], after[:, _GOAL])
    return sum(parts.values(), np.zeros(len(after)))
