"""Push an object across a table that is never the same; the gripper stays out of it if it likes.

The reward is a price for every step in which the object is not at the goal, with a potential that
leads there (Ng, Harada and Russell 1999): it says nothing new about which policy is best, and stays
true for goals that are relabelled in hindsight.
"""

from typing import Any

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import GoalSpec
from robo_maxent.tasks.arm import (
    CLEARANCE,
    OBJECTS,
    TOLERANCE,
    ArmTask,
    Handling,
    apart,
    column,
    met,
)

GAMMA = 0.95  # that of the preset, or the potential would change which policy is best
SLOPE = 5.0  # 1/m
LEAST_WAY = 0.08  # m from the object to the goal
HINDSIGHT_SHARE = 0.8
LEAST_MOVE = 0.01  # m: episodes in which the object moved less teach nothing in hindsight

_HAND = column(ArmTask.observation, "hand")
_OBJECT = column(ArmTask.observation, "object")
_GOAL = column(ArmTask.observation, "goal")


class ArmPush(ArmTask):
    """Bring the object to the goal, which is on the table."""

    name = "arm-push"
    summary = "an arm pushes an object across an uneven table to a goal"

    def __init__(self, *args: Any, **options: Any) -> None:
        """Build the world; see :class:`MujocoTask`."""
        super().__init__(*args, **options)
        self.goal = GoalSpec(
            "object", "goal", reward, met, share=HINDSIGHT_SHARE, least_move=LEAST_MOVE
        )

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the object and the goal on the table, apart from each other."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        place = rng.uniform(*OBJECTS)
        target = rng.uniform(*OBJECTS)
        while np.linalg.norm(target - place) < LEAST_WAY:
            target = rng.uniform(*OBJECTS)
        goal = self.lying(surface, target, above, 0.0)[0]
        pose = self.lying(surface, place, above, rng.uniform(-np.pi, np.pi))
        start = self.hand_above(surface, CLEARANCE, rng)
        return self.begin(episode, sim, start, pose, goal)

    def reward_terms(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """A price for being away from the goal, and the gain in potential."""
        hand, thing = state.site_position["hand"], state.object_position[:, 0]
        return terms((episode.hand, episode.object), (hand, thing), state.goal)


Positions = tuple[np.ndarray, np.ndarray]
"""Of the hand and of the object, world frame, m, (N, 3) each."""


def terms(before: Positions, after: Positions, goal: np.ndarray) -> dict[str, np.ndarray]:
    """Terms of the reward of a step between two positions: (N,) each."""
    gain = GAMMA * potential(*after, goal) - potential(*before, goal)
    away = apart(after[1], goal) >= TOLERANCE
    return {"away": -1.0 * away, "potential": gain}


def potential(hand: np.ndarray, thing: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """At most 0, where the hand is at the object and that at the goal, (N,)."""
    to_goal, to_hand = apart(thing, goal), apart(hand, thing)
    return -4.0 * np.tanh(SLOPE * to_goal) - 2.0 * np.tanh(SLOPE * to_hand)


def reward(obs: np.ndarray, action: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The same of observations before and after the step, (B, O) each, to (B,)."""
    before, now = ((seen[:, _HAND], seen[:, _OBJECT]) for seen in (obs, after))
    return sum(terms(before, now, after[:, _GOAL]).values(), np.zeros(len(obs)))
