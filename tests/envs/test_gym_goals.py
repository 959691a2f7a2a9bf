"""Goals of Gymnasium ids: rewards computed again are those given; where not, the reason is said."""

import pickle
import re
from typing import Any

import gym_worlds
import numpy as np
import pytest
from gym_worlds import Near
from gymnasium import spaces
from gymnasium.wrappers import TransformReward

from robo_maxent.envs.gym_goals import GoalReward
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.spaces import GoalSpec

NO_ACTIONS = np.zeros((0, 0))
"""Rewards of goals do not depend on these."""


def goal_of(task: GymTask) -> GoalSpec:
    assert task.goal is not None, task.notes
    return task.goal


def places(task: GymTask) -> dict[str, slice]:
    start, found = 0, {}
    for name, size, _ in task.policy_parts:
        found[name], start = slice(start, start + size), start + size
    return found


def recorded(env: GymVecEnv, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Successors, (steps N, O), and rewards, (steps N,), of random actions."""
    rng = np.random.default_rng(1)
    try:
        env.reset()
        actions = rng.uniform(-1.0, 1.0, (steps, env.n, env.task.action_space.size))
        taken = [env.step(action) for action in actions]
    finally:
        env.close()
    return np.concatenate([s.next_obs for s in taken]), np.concatenate([s.reward for s in taken])


IDS = [
    "test/Near-v0",
    "FetchReach-v4",
    "FetchPickAndPlaceDense-v4",
    "HandReach-v3",
    "HandManipulatePen-v1",
    "AntMaze_UMaze-v5",
    "PointMaze_UMaze-v3",
    "PointMaze_UMazeDense-v3",
]


@pytest.mark.parametrize("env_id", IDS)
def test_rewards_computed_again_are_those_given_and_own_goals_are_met(env_id: str) -> None:
    task = GymTask(env_id)
    goal, at = goal_of(task), places(task)
    assert (task.preset, goal.achieved, goal.desired) == ("goals", "achieved_goal", "desired_goal")
    assert (goal.share, goal.least_move, goal.terminates) == (0.8, 0.0, False)
    next_obs, given = recorded(task.evaluation_env(2, seed=5), steps=25)
    computed = goal.reward(next_obs, NO_ACTIONS, next_obs)
    np.testing.assert_allclose(computed, given, atol=1e-6)

    achieved = next_obs[:, at["achieved_goal"]]
    relabelled = next_obs.copy()
    relabelled[:, at["desired_goal"]] = achieved
    best = goal.reward(relabelled, NO_ACTIONS, relabelled)
    np.testing.assert_allclose(best, np.full(len(best), best[0]), atol=1e-6)
    assert best[0] == pytest.approx(1.0 if "Maze" in env_id else 0.0)
    assert goal.success(achieved, achieved).all()


@pytest.mark.parametrize("ends", [False, True])
def test_success_is_within_the_radius_and_ends_an_episode_where_the_world_says_so(
    ends: bool,
) -> None:
    goal = goal_of(GymTask(gym_worlds.register("Ends", Near, ends=ends)))
    assert goal.terminates is ends
    distances = np.array([0.0, 0.1, 0.29, 0.31, 1.0])
    achieved = np.stack([distances, np.zeros(5)], axis=1).astype(np.float32)
    success = goal.success(achieved, np.zeros((5, 2), np.float32))
    assert success.dtype == bool
    assert success.tolist() == [True, True, True, False, False]


def test_a_termination_at_success_is_noticed_without_a_method_that_says_it() -> None:
    class Silent(Near):
        radius = 0.8

        def __getattribute__(self, name: str) -> Any:
            if name == "compute_terminated":
                raise AttributeError(name)
            return super().__getattribute__(name)

    assert goal_of(GymTask(gym_worlds.register("Silent", Silent, ends=True))).terminates
    assert not goal_of(GymTask(gym_worlds.register("Silent", Silent, ends=False))).terminates


def test_goals_of_worker_processes_are_judged_here_and_survive_pickling() -> None:
    task = GymTask("test/Near-v0")
    goal = pickle.loads(pickle.dumps(goal_of(task)))
    next_obs, given = recorded(task.training_env(2, 3, 1, "unused"), steps=25)
    np.testing.assert_array_equal(goal.reward(next_obs, NO_ACTIONS, next_obs), given)


def test_goals_keep_their_shape_and_type_in_the_environment() -> None:
    class Grid(Near):
        def __init__(self) -> None:
            super().__init__()
            cell = spaces.Box(-9, 9, (2, 2), np.int64)
            parts = {"observation": gym_worlds.UNIT, "achieved_goal": cell, "desired_goal": cell}
            self.observation_space = spaces.Dict(parts)

        def observe(self) -> Any:
            corners = np.array([np.round(9 * self.at)] * 2).astype(np.int64)
            clock = np.zeros(1, np.float32)
            return {"observation": clock, "achieved_goal": corners, "desired_goal": 0 * corners}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.t += 1
            self.at = np.clip(self.at + 0.1 * np.asarray(action, np.float64), -1.0, 1.0)
            obs = self.observe()
            reward = self.compute_reward(obs["achieved_goal"], obs["desired_goal"], {})
            return obs, float(reward), False, self.t == 20, {}

        def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
            assert achieved.dtype == np.int64
            assert achieved.shape[-2:] == (2, 2)
            return -np.abs(achieved - desired).sum(axis=(-1, -2)).astype(np.float64)

    task = GymTask(gym_worlds.register("Grid", Grid))
    next_obs, given = recorded(task.evaluation_env(1, 0), steps=20)
    assert len(np.unique(given)) > 1
    np.testing.assert_array_equal(goal_of(task).reward(next_obs, NO_ACTIONS, next_obs), given)


class OneByOne(Near):
    """Knows no batches: takes the norm of everything that it is given."""

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -float(np.linalg.norm(achieved - desired) > self.radius)


class FirstOnly(Near):
    """Gives a reward for each of many goals, but that of the first."""

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        reward = super().compute_reward(achieved, desired, info)
        return reward if reward.ndim == 0 else np.full_like(reward, reward[0])


@pytest.mark.parametrize("world", [OneByOne, FirstOnly])
def test_a_reward_of_one_goal_at_a_time_is_asked_row_by_row_with_a_word(world: type) -> None:
    task = GymTask(gym_worlds.register("Slow", world))
    assert task.notes[-1].startswith("gym:test/Slow-v0: compute_reward takes one goal at a time")
    next_obs, given = recorded(task.evaluation_env(2, 0), steps=40)
    goal = goal_of(task)
    assert isinstance(goal.reward, GoalReward)
    assert goal.reward.compare.one_by_one
    np.testing.assert_array_equal(goal.reward(next_obs, NO_ACTIONS, next_obs), given)


class AtTheThreshold(Near):
    """Lets float32 decide what float64 had decided: every other reward is on the border."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.goal = np.array([0.1, 0.0])
        self.at = np.array([0.1 + 0.3, 0.0])  # 0.30000000000000004 away, and 0.3 is allowed
        reward = 0.0 if self.t % 2 else -1.0
        self.t += 1
        return self.observe(), reward, False, self.t == 20, {}


def test_rounding_at_a_threshold_is_no_hidden_state() -> None:
    assert goal_of(GymTask(gym_worlds.register("Border", AtTheThreshold)))


class CostsEffort(Near):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward - 0.1 * float(np.square(action).sum()), terminated, truncated, info


class Remembers(Near):
    """Computes the reward of its own goal, whatever it is asked."""

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return super().compute_reward(achieved, self.goal, info)


class NeedsInfo(Near):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return self.observe(), 0.0, False, self.t == 20, {"contact": True}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return float(info["contact"])


class NanGoal(Near):
    def observe(self) -> Any:
        return super().observe() | {"desired_goal": np.array([np.nan, 0.0])}


class NanReward(Near):
    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        distance = np.linalg.norm(achieved - desired, axis=-1)
        with np.errstate(invalid="ignore"):
            return distance / distance  # NaN at the goal


class Crashes(Near):
    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        raise RuntimeError("motor lost")


class OtherShape(Near):
    def __init__(self) -> None:
        super().__init__()
        other = spaces.Box(-1.0, 1.0, (3,), np.float64)
        self.observation_space = spaces.Dict({**Near().parts, "desired_goal": other})

    def observe(self) -> Any:
        return super().observe() | {"desired_goal": np.zeros(3)}


class Unrewarded(gym_worlds.World):
    def __init__(self) -> None:
        super().__init__(spaces.Dict(Near().parts))


class Extra(Unrewarded):
    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Dict({**Near().parts, "load": gym_worlds.UNIT})


class Nested(Unrewarded):
    def __init__(self) -> None:
        super().__init__()
        goal = spaces.Dict({"kettle": gym_worlds.UNIT})
        parts = {"observation": gym_worlds.UNIT, "achieved_goal": goal, "desired_goal": goal}
        self.observation_space = spaces.Dict(parts)


REASONS = {
    CostsEffort: r"compute_reward gives -1 where the step had given -1\.\d+: the reward depends on "
    "more than the goals",
    Remembers: "gives -1 where the goal desired is achieved, and -?0 where that of its own",
    NeedsInfo: "compute_reward fails on goals alone: KeyError: 'contact'",
    NanGoal: "its goals have NaN or infinity",
    NanReward: "its compute_reward gives NaN or infinity",
    Crashes: "random steps fail: RuntimeError: motor lost",
    OtherShape: r"its achieved_goal has shape \(2,\), its desired_goal \(3,\)",
    Unrewarded: r"it has no compute_reward\(achieved_goal, desired_goal, info\)",
    Extra: r"it observes \[.*'load'.*\]; needed is a Dict of observation, achieved_goal",
    Nested: "its achieved_goal is a Dict, not a Box",
}


@pytest.mark.parametrize("world", REASONS, ids=lambda world: world.__name__)
def test_an_id_without_hindsight_says_why_and_is_learnt_on_all_the_same(world: type) -> None:
    env_id = gym_worlds.register("Odd", world)
    task = GymTask(env_id)
    assert (task.goal, task.preset) == (None, "single")
    message = f"gym:test/Odd-v0 can't be learnt with hindsight: .*{REASONS[world]}"
    assert re.match(message, task.notes[-1])


def test_a_wrapped_reward_is_not_taken_for_the_reward_of_goals() -> None:
    def shaped() -> Any:
        return TransformReward(Near(), lambda reward: float(reward) + 1.0)

    task = GymTask(gym_worlds.register("Shaped", shaped))
    assert task.goal is None
    assert "compute_reward gives -1 where the step had given 0" in task.notes[-1]


def test_an_id_without_goals_has_no_hindsight_and_no_word_about_it() -> None:
    task = GymTask("test/Counter-v0")
    assert (task.goal, task.preset, task.notes) == (None, "single", ())


def test_repeated_actions_and_hindsight_exclude_each_other() -> None:
    task = GymTask("test/Near-v0", action_repeat=2)
    assert (task.goal, task.preset) == (None, "single")
    assert "with action_repeat 2 a reward is a sum over several states" in task.notes[-1]


@pytest.mark.parametrize(
    ("info", "success"),
    [
        ({"success": True}, True),
        ({"success": np.bool_(False)}, False),
        ({"success": 0.0}, False),
        ({"success": True, "is_success": False}, False),
        ({"success": np.ones(3)}, None),
        ({"success": "maybe"}, None),
        ({}, None),
    ],
)
def test_success_has_two_names(info: dict[str, Any], success: bool | None) -> None:
    class Says(gym_worlds.Counter):
        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            return *super().step(action)[:4], info

    task = GymTask(gym_worlds.register("Says", Says))
    rows = evaluate(lambda obs: np.zeros((len(obs), 1)), task, episodes=1)
    assert rows[0].success is success


def test_mazes_say_whether_an_episode_succeeded() -> None:
    task = GymTask("PointMaze_UMaze-v3")
    rows = evaluate(lambda obs: np.zeros((len(obs), 2)), task, episodes=2)
    assert [row.success for row in rows] == [False, False]
