"""The quadruped before a fork: progress is towards the goal by either side, and lids stop it."""

from typing import Any

import numpy as np
import pytest

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.quadruped_fork import AT_GOAL, FORK, SPEED, QuadrupedFork

TASK = QuadrupedFork()
Z = TASK.robot.home_height


def begun(blocked: int = OPEN, told: int = 0) -> MujocoVecEnv[Any, Any]:
    params = episode_params.nominal(TASK.perturbations, TASK.robot, 1)
    params.change(0, {"blocked": blocked, "told": told})
    env = TASK.evaluation_env(1, 0, params=params)
    env.reset()
    return env


def terms(env: MujocoVecEnv[Any, Any], way_left: float, x: float, y: float) -> dict[str, float]:
    """Terms of a step that ended at a place, from where it was so far to the goal."""
    env.episode.way_left[:] = way_left
    env.batch.bind("qpos")[0, :3] = x, y, Z
    found = TASK.reward_terms(env.episode, env.state, np.zeros((1, 12)))
    return {name: float(term[0]) for name, term in found.items()}


def test_the_reward_is_the_same_on_either_side_and_grows_along_the_way() -> None:
    env = begun()
    step = SPEED * TASK.control_dt
    places = ((0.0, 0.0), (1.0, 0.6), (2.0, 1.25), (3.0, 0.6))
    rewards = []
    for x, y in places:
        left = float(FORK.way_left(np.array([[x, y]]), np.array([OPEN]))[0])
        sides = [terms(env, left + step, x, side * y) for side in (1, -1)]
        assert sides[0] == pytest.approx(sides[1])
        assert sides[0]["track_linear"] == pytest.approx(1.0)
        rewards.append(sides[0]["way"])
        assert terms(env, left, x, y)["track_linear"] < 0.1  # standing still
    assert rewards == sorted(rewards)
    env.close()


def test_it_is_there_within_half_a_metre_and_then_should_stand() -> None:
    env = begun()
    assert AT_GOAL == 0.5
    for x, arrived in ((3.6, True), (3.4, False)):
        env.batch.bind("qpos")[0, :3] = x, 0.0, Z
        TASK.after_step(env.episode, env.state, np.zeros((1, 12)))
        assert TASK.success(env.episode, 0) == arrived
        assert bool((env.episode.command == 0.0).all()) == arrived
    env.close()


def test_the_way_that_is_left_knows_of_a_lid_and_the_policy_if_it_is_told() -> None:
    for side in (LEFT, RIGHT):
        for told in (0, 1):
            env = begun(side, told)
            assert TASK.observe(env.episode, env.state)[0, -1] == side * told
            env.batch.bind("qpos")[0, :3] = 1.0, side * FORK.gap, Z
            TASK.after_step(env.episode, env.state, np.zeros((1, 12)))
            assert env.episode.way_left[0] > FORK.whole
            env.close()


def test_lids_count_nothing_in_the_mass_of_the_robot() -> None:
    assert TASK.robot.mass == pytest.approx(12.74, abs=0.01)


def test_episodes_begin_on_the_line_of_symmetry_facing_the_wall() -> None:
    env = TASK.evaluation_env(16, 0)
    obs = env.reset()
    assert (obs[:, 1] == 0.0).all()
    np.testing.assert_allclose(obs[:, 2:4], np.tile([1.0, 0.0], (16, 1)), atol=1e-6)
    assert TASK.mirrors is None
    assert TASK.tracking(env.episode, env.state) is None
    env.close()
