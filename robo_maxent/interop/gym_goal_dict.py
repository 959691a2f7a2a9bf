"""A task with goals as other libraries' hindsight wants it: a dict of observation and goals.

``GoalDict(gymnasium.make("robo_maxent:robo_maxent/ArmReach-v0"))`` has the observation
space and the ``compute_reward`` of gymnasium-robotics' environments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from robo_maxent.errors import UsageError
from robo_maxent.interop.gym_envs import TaskEnv
from robo_maxent.learning.hindsight import hindsight

TRANSITION = "transition"
"""Key of ``info``: observation, action and successor, whole, that a reward is computed from."""

Goals = dict[str, Any]
Info = dict[str, Any]


class GoalDict(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """One simulation whose observations are dicts of three arrays, float32.

    ``observation`` is what a policy sees but for the goal itself and what is relative to it;
    ``achieved_goal`` and ``desired_goal``, (G,) each, are those that the task names.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Wrap the simulation of a task; wrappers that it has already are taken off.

        Raises:
            UsageError: The environment is no task of this package, or the task has no goals.
        """
        inside = env.unwrapped
        if not isinstance(inside, TaskEnv):
            raise UsageError(f"{type(inside).__name__} is no task of this package")
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, inside)
        task = inside.task
        if task.goal is None:
            raise UsageError(f"{task.name} has no goals")
        self._goals = hindsight(task.goal, task.observation_parts)
        told = np.zeros(task.policy_size, bool)
        for place in (self._goals.desired, *self._goals.relative):
            told[place] = True
        self._kept = np.flatnonzero(~told)
        size = self._goals.desired.stop - self._goals.desired.start
        self.observation_space = spaces.Dict(
            {
                "observation": _box(len(self._kept)),
                "achieved_goal": _box(size),
                "desired_goal": _box(size),
            }
        )
        self._obs = np.zeros(task.observation_size, np.float32)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Goals, Info]:
        """Begin an episode; see :meth:`TaskEnv.reset <robo_maxent.interop.gym_envs.TaskEnv.reset>`.

        Raises:
            UsageError: There are options; the task has none at reset.
        """
        seen, info = self.env.reset(seed=seed, options=options)
        self._obs = _whole(seen, info)
        return self._dict(self._obs), info

    def step(self, action: np.ndarray) -> tuple[Goals, float, bool, bool, Info]:
        """Act for one control step; ``info`` has the transition that ``compute_reward`` takes.

        Raises:
            UsageError: The action has another shape, or is not finite; nothing was stepped.
            gymnasium.error.ResetNeeded: The episode has ended, or none was begun.
        """
        seen, reward, terminated, truncated, info = self.env.step(action)
        before, self._obs = self._obs, _whole(seen, info)
        clipped = np.clip(action, -1.0, 1.0).astype(np.float32)
        info[TRANSITION] = {"obs": before, "action": clipped, "next_obs": self._obs}
        return self._dict(self._obs), float(reward), terminated, truncated, info

    def compute_reward(
        self,
        achieved_goal: np.ndarray,
        desired_goal: np.ndarray,
        info: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    ) -> Any:
        """Compute the reward of transitions for other goals, without the cost of a termination.

        Args:
            achieved_goal: Goals that were achieved, (G,) of one transition or (B, G) of several.
            desired_goal: Goals that were desired, of the same shape.
            info: The ``info`` of the step, or those of B steps.

        Returns:
            The reward, a float, or (B,).

        Raises:
            UsageError: An ``info`` lacks the transition, or goals have another size or number.
        """
        several = np.ndim(desired_goal) == 2
        infos: list[Any] = [*np.asarray(info, object).ravel()] if several else [info]
        size = self._goals.desired.stop - self._goals.desired.start
        expected = (len(infos), size) if several else (size,)
        if not np.shape(achieved_goal) == np.shape(desired_goal) == expected:
            raise UsageError(
                f"goals must have shape {expected}, got {np.shape(achieved_goal)} and "
                f"{np.shape(desired_goal)}"
            )
        if not all(TRANSITION in each for each in infos):
            raise UsageError(
                "compute_reward needs the info of each step: of Stable-Baselines3, give "
                "HerReplayBuffer copy_info_dict=True"
            )
        obs, action, after = (
            np.stack([each[TRANSITION][name] for each in infos])
            for name in ("obs", "action", "next_obs")
        )
        after[:, self._goals.achieved] = achieved_goal
        for seen in (obs, after):
            self._goals.set_goal(seen, np.atleast_2d(desired_goal))
        reward = self._goals.goal.reward(obs, action, after)
        return reward if several else float(reward[0])

    def _dict(self, obs: np.ndarray) -> Goals:
        return {
            "observation": obs[self._kept],
            "achieved_goal": obs[self._goals.achieved].copy(),
            "desired_goal": obs[self._goals.desired].copy(),
        }


def _box(size: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _whole(seen: np.ndarray, info: Info) -> np.ndarray:
    """An observation with its privileged elements, (O,)."""
    return np.concatenate([seen, info.get("privileged", np.empty(0, np.float32))])
