"""Reach for a point above a table, on which an object may be in the way."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.spaces import GoalSpec
from robo_maxent.tasks.arm import ArmTask, Handling
from robo_maxent.tasks.arm_goals import RELATIVE, SLOPE, TOLERANCE, apart, met
from robo_maxent.tasks.arm_observation import COLUMNS
from robo_maxent.tasks.tabletop import CLEARANCE

ABOVE = (0.03, 0.30)  # m of the goal above the table


def terms(hand: np.ndarray, goal: np.ndarray) -> dict[str, np.ndarray]:
    """Terms of the reward, (N,) each, of positions, world frame, m, (N, 3)."""
    distance = apart(hand, goal)
    return {
        "near": 0.5 * (1.0 - np.tanh(SLOPE * distance)),
        "at_goal": 0.5 * (distance < TOLERANCE),
    }


def reward(
    obs: np.ndarray, action: np.ndarray, after: np.ndarray, at: Mapping[str, slice] = COLUMNS
) -> np.ndarray:
    """Sum of the terms, (B,), from the observations after the step, (B, O)."""
    return sum(terms(after[:, at["hand"]], after[:, at["goal"]]).values(), np.zeros(len(after)))


class ArmReach(ArmTask):
    """Bring the hand to the goal."""

    name = "arm-reach"
    summary = "an arm reaches for a point above an uneven table"
    goal = GoalSpec("hand", "goal", reward, met, RELATIVE)

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Put the goal above the table, and the object somewhere on it."""
        surface, above = self.surface(episode, sim), self.half_height(episode, sim)
        place, lifted = rng.uniform(*self.objects), self.size * rng.uniform(*ABOVE)
        goal = surface.lying(place, lifted, 0.0)[0]
        pose = surface.lying(rng.uniform(*self.objects), above, rng.uniform(-np.pi, np.pi))
        start = self.hand_above(surface, CLEARANCE, rng)
        return self.begin(episode, sim, surface, start, pose, goal)

    def achieved(self, state: ManipulationState) -> np.ndarray:
        """Where the hand is, m, (N, 3)."""
        return state.site_position["hand"]

    def places(self, episode: Handling, sim: int) -> dict[str, tuple[float, float]]:
        """Where the goal was; the object does not matter."""
        return {"goal": super().places(episode, sim)["goal"]}

    def terminated(self, episode: Handling, state: ManipulationState) -> np.ndarray:
        """Never: the object does not matter."""
        return np.zeros(len(episode.elapsed), bool)

    def script(self, obs: np.ndarray) -> np.ndarray:
        """Go to the goal, (N, 4)."""
        see = self.seen(obs)
        return self.steered(see, see["goal"] - see["hand"], np.zeros(len(obs)))

    def reward_terms(
        self, episode: Handling, state: ManipulationState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The hand near the goal, and at it."""
        return terms(state.site_position["hand"], state.goal)
