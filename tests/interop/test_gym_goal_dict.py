"""Our tasks with goals, as other libraries' hindsight wants them."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from robo_maxent.errors import UsageError
from robo_maxent.interop.gym_envs import TaskEnv
from robo_maxent.interop.gym_goal_dict import TRANSITION, GoalDict
from robo_maxent.tasks import make

REACH = "robo_maxent.interop.gym_registration:robo_maxent/ArmReach-v0"


@pytest.fixture(params=["arm-reach", "arm-reach-joints", "arm-push", "arm-pick"])
def env(request: pytest.FixtureRequest) -> GoalDict:
    return GoalDict(TaskEnv(make(request.param)))


def episode(env: GoalDict, steps: int = 20) -> list[tuple[dict[str, Any], float, dict[str, Any]]]:
    rng = np.random.default_rng(0)
    env.reset(seed=3)
    assert env.action_space.shape
    actions = rng.uniform(-1.5, 1.5, (steps, *env.action_space.shape)).astype(np.float32)
    taken = [env.step(action) for action in actions]
    return [(obs, reward, info) for obs, reward, _, _, info in taken]


@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* is -?infinity")
@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_the_checker_of_gymnasium_finds_nothing(env: GoalDict) -> None:
    check_env(env, skip_render_check=True)


@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* is -?infinity")
@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
def test_nor_does_it_of_one_that_gymnasium_made() -> None:
    made = gymnasium.make(REACH)
    check_env(GoalDict(made), skip_render_check=True)


def test_rewards_are_computed_as_they_were_paid_one_by_one_and_together(env: GoalDict) -> None:
    steps = episode(env)
    paid = [reward for _, reward, _ in steps]
    single = [env.compute_reward(o["achieved_goal"], o["desired_goal"], i) for o, _, i in steps]
    achieved, desired = (
        np.stack([obs[name] for obs, _, _ in steps]) for name in ("achieved_goal", "desired_goal")
    )
    together = env.compute_reward(achieved, desired, [info for _, _, info in steps])
    np.testing.assert_allclose(single, paid, atol=1e-5)
    np.testing.assert_allclose(together, paid, atol=1e-5)


def test_a_goal_that_was_achieved_is_worth_more_than_one_far_away(env: GoalDict) -> None:
    obs, _, info = episode(env)[-1]
    got = obs["achieved_goal"]
    there = env.compute_reward(got, got, info)
    away = env.compute_reward(got, got + np.float32(0.3), info)
    assert there > away + 0.3


def test_the_goal_stands_nowhere_else_in_the_observation(env: GoalDict) -> None:
    """Learners put another goal in: what depends on the old one would give it away."""
    env.reset(seed=3)
    one, _ = env.reset(seed=3)
    vec, goals = env.env.vec, env.env.vec.batch.bind("mocap_pos")  # pyright: ignore
    goals[:] += 0.1
    vec.batch.forward()
    other = env._dict(vec.observe()[0])
    np.testing.assert_array_equal(one["observation"], other["observation"])
    assert (one["desired_goal"] != other["desired_goal"]).all()


def test_without_the_info_of_a_step_it_says_how_to_get_it(env: GoalDict) -> None:
    goals = np.zeros((2, 3), np.float32)
    with pytest.raises(UsageError, match="HerReplayBuffer copy_info_dict=True"):
        env.compute_reward(goals, goals, [{}, {}])
    assert TRANSITION in episode(env, 1)[0][2]


def test_goals_of_another_size_or_number_are_refused(env: GoalDict) -> None:
    info = episode(env, 1)[0][2]
    one, three = np.zeros(1, np.float32), np.zeros((3, 3), np.float32)
    with pytest.raises(UsageError, match=r"goals must have shape \(3,\), got \(1,\) and \(1,\)"):
        env.compute_reward(one, one, info)
    with pytest.raises(UsageError, match=r"goals must have shape \(2, 3\), got \(3, 3\)"):
        env.compute_reward(three, three, [info, info])


def test_what_is_no_task_with_goals_is_refused() -> None:
    with pytest.raises(UsageError, match="quadruped-flat has no goals"):
        GoalDict(TaskEnv(make("quadruped-flat")))
    with pytest.raises(UsageError, match="CartPoleEnv is no task of this package"):
        GoalDict(gymnasium.make("CartPole-v1"))


def test_wrappers_of_gymnasium_are_taken_off() -> None:
    wrapped = gymnasium.make(REACH)
    assert GoalDict(wrapped).reset(seed=0)[0].keys() == {
        "observation",
        "achieved_goal",
        "desired_goal",
    }
