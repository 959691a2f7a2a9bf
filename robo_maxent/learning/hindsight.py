"""Hindsight relabelling: what was achieved later counts as what had been desired.

Andrychowicz et al. 2017, "Hindsight Experience Replay" (arXiv 1707.01495), strategy "future". It is
done as transitions are drawn, so that one transition is seen with many goals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.learning.episode_index import EpisodeIndex
from robo_maxent.spaces import GoalSpec, places

Part = tuple[str, int, str]
"""Name, size and unit of a part of an observation."""


@dataclass(frozen=True)
class Columns:
    """Where the fields of a stored transition stand in its row."""

    obs: slice
    action: slice
    reward: int
    next_obs: slice
    terminated: int


@dataclass(frozen=True)
class Hindsight:
    """Goals of a task, found in its observations."""

    goal: GoalSpec
    achieved: slice
    """Where the achieved goal stands in an observation."""
    desired: slice
    """Where the desired goal stands in an observation."""
    relative: tuple[slice, ...]
    """Where those fields stand that are the desired goal less something."""
    share: float
    """Of the transitions of finished episodes, those that are relabelled, in [0, 1]."""

    def relabel(
        self,
        picked: np.ndarray,
        places: np.ndarray,
        ring: np.ndarray,
        columns: Columns,
        episodes: EpisodeIndex,
        rng: np.random.Generator,
    ) -> None:
        """Relabel a share of drawn transitions in place.

        A termination for another reason than success stays, with what the reward had lost by it.

        Args:
            picked: Copies of rows, float32, (B, width).
            places: Where they stand in the ring, int, (B,).
            ring: All rows, float32, (capacity, width).
            columns: What stands where in a row.
            episodes: Which rows belong together.
            rng: Source of the draws.
        """
        wanted = rng.random(len(picked)) < self.share
        chosen = np.flatnonzero(wanted & episodes.is_finished(places))
        chosen = chosen[self._has_moved(places[chosen], ring, columns, episodes)]
        if not len(chosen):
            return
        later = episodes.later(places[chosen], rng)
        rows, goals = picked[chosen], ring[later, columns.next_obs][:, self.achieved]
        picked[chosen] = self._with_goals(rows, goals, columns)

    def set_goal(self, obs: np.ndarray, goals: np.ndarray) -> None:
        """Write desired goals, (B, G), and what is relative to them into observations, (B, O)."""
        for field in self.relative:
            obs[:, field] += goals - obs[:, self.desired]
        obs[:, self.desired] = goals

    def _has_moved(
        self, places: np.ndarray, ring: np.ndarray, columns: Columns, episodes: EpisodeIndex
    ) -> np.ndarray:
        """Whether the achieved goal moved by enough in the episode of each transition, (B,)."""
        if not self.goal.least_move:
            return np.ones(len(places), bool)
        first, last = episodes.ends(places)
        before = ring[first, columns.obs][:, self.achieved]
        after = ring[last, columns.next_obs][:, self.achieved]
        return np.linalg.norm(after - before, axis=1) >= self.goal.least_move

    def _with_goals(self, rows: np.ndarray, goals: np.ndarray, columns: Columns) -> np.ndarray:
        """Transitions as they would have been with other goals, (B, width)."""
        goal = self.goal
        obs, next_obs = rows[:, columns.obs], rows[:, columns.next_obs]  # views
        achieved = next_obs[:, self.achieved]
        reached = self._success(achieved, next_obs[:, self.desired]) & goal.terminates
        failed = np.flatnonzero((rows[:, columns.terminated] > 0.0) & ~reached)
        lost = rows[failed, columns.reward] - self._reward(rows[failed], columns)
        for seen in (obs, next_obs):
            self.set_goal(seen, goals)
        rows[:, columns.reward] = self._reward(rows, columns)
        rows[failed, columns.reward] += lost
        rows[:, columns.terminated] = self._success(achieved, goals) & goal.terminates
        rows[failed, columns.terminated] = 1.0
        return rows

    def _success(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        met = np.asarray(self.goal.success(achieved, desired))
        if met.shape != (len(desired),) or met.dtype != bool:
            raise UsageError(
                f"success of a GoalSpec must give bools of shape ({len(desired)},), got "
                f"{met.dtype} of shape {met.shape}"
            )
        return met

    def _reward(self, rows: np.ndarray, columns: Columns) -> np.ndarray:
        transition = (rows[:, columns.obs], rows[:, columns.action], rows[:, columns.next_obs])
        reward = np.asarray(self.goal.reward(*transition))
        if reward.shape != (len(rows),) or not np.isfinite(reward).all():
            raise UsageError(
                f"reward of a GoalSpec must give finite numbers of shape ({len(rows)},), got "
                f"shape {reward.shape}, {np.count_nonzero(~np.isfinite(reward))} not finite"
            )
        return reward


def hindsight(goal: GoalSpec, parts: Sequence[Part], share: float | None = None) -> Hindsight:
    """Find the goals of a task in its observations.

    Args:
        goal: Which fields are goals.
        parts: All parts of an observation, in order.
        share: Of the transitions, those that are relabelled; None: the task's own.

    Raises:
        UsageError: A field is missing, or the two differ in size.
    """
    found = places((name, size) for name, size, _ in parts)
    for name in (goal.desired, goal.achieved, *goal.relative):
        if name not in found:
            known = ", ".join(map(repr, found))
            raise UsageError(f"the goal {name!r} is no part of the observation, which has {known}")
    desired = found[goal.desired]
    size = desired.stop - desired.start
    others = {name: found[name] for name in (goal.achieved, *goal.relative)}
    for name, place in others.items():
        if place.stop - place.start != size:
            raise UsageError(
                f"the goals {name!r} and {goal.desired!r} must have the same size, got "
                f"{place.stop - place.start} and {size}"
            )
    achieved, *relative = others.values()
    chosen = goal.share if share is None else share
    return Hindsight(goal, achieved, desired, tuple(relative), chosen)
