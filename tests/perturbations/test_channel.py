"""Actions on their way to the motors, against plain loops."""

from typing import Any

import numpy as np
import pytest
from perturbed import ROBOT, TASK, A, actions, drawn, environment, held, ranges

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.tasks import make


def arrived(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """Actions that the motors act on, (N, A)."""
    return (env.batch.bind("ctrl") - ROBOT.home_pose) / TASK.action_scale


@pytest.mark.parametrize("delay", [0, 1, 2, 3])
def test_a_delayed_robot_does_what_it_was_told_so_many_steps_ago(delay: int) -> None:
    sent = actions(60, 3, 0.3)
    late, punctual = environment(held(3, action_delay=delay)), environment(held(3))
    shifted = np.concatenate([np.zeros((delay, 3, A)), sent])
    for action, arriving in zip(sent, shifted, strict=False):
        late.step(action)
        punctual.step(arriving)
        np.testing.assert_array_equal(late.batch.bind("qpos"), punctual.batch.bind("qpos"))
        np.testing.assert_array_equal(late.episode.last_action, action)  # it knows what it sent


def test_a_delay_of_one_simulation_is_not_that_of_another() -> None:
    env = environment(held(4, action_delay=[0, 1, 2, 3]))
    sent = actions(10, 4)
    for action in sent:
        env.step(action)
    np.testing.assert_allclose(arrived(env), sent[[9, 8, 7, 6], np.arange(4)], atol=1e-7)


def test_lost_actions_leave_the_last_one_in_force_at_the_stated_rate() -> None:
    n, loss = 64, np.repeat([0.0, 0.2, 0.5, 1.0], 16)
    env = environment(held(n, packet_loss=loss))
    in_force, lost, steps = np.zeros((n, A)), np.zeros(n), 100
    for action in actions(steps, n, 0.1):
        env.step(action)
        reached = arrived(env)
        fresh = np.isclose(reached, action, atol=1e-6).all(axis=1)
        np.testing.assert_allclose(reached[~fresh], in_force[~fresh], atol=1e-6)
        in_force, lost = reached, lost + ~fresh
    rate = lost.reshape(4, 16).mean(axis=1) / steps
    assert rate[0] == 0.0
    assert rate[3] == 1.0
    np.testing.assert_allclose(rate[1:3], [0.2, 0.5], atol=0.06)  # 5 sigma of 1,600


def test_what_is_held_of_lost_actions_arrives_late() -> None:
    both = environment(held(8, packet_loss=0.5, action_delay=2))
    lossy = environment(held(8, packet_loss=0.5))
    received = []
    for step, action in enumerate(actions(30, 8, 0.1)):
        both.step(action)
        lossy.step(action)
        received.append(arrived(lossy))
        expected = received[step - 2] if step >= 2 else np.zeros((8, A))
        np.testing.assert_allclose(arrived(both), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "most", "memory"),
    [
        ("packet_loss", (1.0, 1.0), "packet_loss.held"),
        ("action_delay", (3, 3), "action_delay.sent"),
    ],
)
def test_a_new_episode_does_not_hold_an_action_of_the_last(
    name: str, most: tuple[float, float], memory: str
) -> None:
    task = make("quadruped-flat")
    task.randomization, task.episode_steps = ranges(**{name: most}), 4
    env = MujocoVecEnv(task, 1, seed=0)
    env.reset()
    env.effects.state_dict()[memory][:] = 0.7
    env.step(np.ones((1, A)))
    np.testing.assert_allclose(arrived(env), 0.7)
    for _ in range(3):
        env.step(np.ones((1, A)))
    assert env.episode.elapsed[0] == 0
    env.step(np.ones((1, A)))
    np.testing.assert_array_equal(env.batch.bind("ctrl")[0], ROBOT.home_pose)


def test_every_delay_of_the_range_is_drawn_as_often() -> None:
    delays = drawn(ranges(action_delay=(0, 2)), 3000)["action_delay"]
    np.testing.assert_allclose(np.bincount(delays) / 3000, [1 / 3] * 3, atol=0.045)  # 5 sigma
