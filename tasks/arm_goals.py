"""Goals of the arm's tasks: what success is, and the reward for bringing an object somewhere.

All are pure functions of positions, so that the goal of a stored transition can be exchanged for
another and its reward computed again (``GoalSpec``).
"""

from collections.abc import Mapping

import numpy as np

from robo_maxent.spaces import GoalSpec
from robo_maxent.tasks.arm_observation import COLUMNS

TOLERANCE = 0.05  # m: nearer to the goal is success
SLOPE = 5.0  # 1/m, of the rewards for nearness
RELATIVE = ("way to the goal",)
"""Fields that are moved when a goal is exchanged."""


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distances, m, (N,), between points, (N, 3)."""
    return np.sqrt(((one - other) ** 2).sum(axis=1))


def met(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Whether positions, (B, 3), are as near to each other as success demands, bool, (B,)."""
    return apart(achieved, desired) < TOLERANCE


def bring_terms(hand: np.ndarray, thing: np.ndarray, goal: np.ndarray) -> dict[str, np.ndarray]:
    """Terms of a reward for bringing an object to its goal, (N,) each, of positions, m, (N, 3)."""
    distance = apart(thing, goal)
    return {
        "reach": 0.2 * (1.0 - np.tanh(SLOPE * apart(hand, thing))),
        "bring": 0.5 * (1.0 - np.tanh(SLOPE * distance)),
        "at_goal": 0.3 * (distance < TOLERANCE),
    }


def bring_reward(
    obs: np.ndarray, action: np.ndarray, after: np.ndarray, at: Mapping[str, slice] = COLUMNS
) -> np.ndarray:
    """Sum of ``bring_terms``, (B,), from the observations after the step, (B, O)."""
    terms = bring_terms(*(after[:, at[name]] for name in ("hand", "object", "goal")))
    return sum(terms.values(), np.zeros(len(after)))


BRING = GoalSpec("object", "goal", bring_reward, met, RELATIVE, share=0.0)
"""The object is to be at the goal. Nothing is relabelled: most goals that were achieved by chance
are objects that lay still."""
