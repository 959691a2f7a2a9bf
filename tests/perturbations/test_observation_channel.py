"""Observations of our own tasks that come late or not at all, over the borders of episodes."""

from typing import Any

import numpy as np
import pytest
from arm_world import ArmReach

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.params import nominal
from robo_maxent.perturbations.sensing import ObservationDelay, ObservationLoss, noisy_parts
from robo_maxent.spaces import Field

N, STEPS = 6, 25


class LateArm(ArmReach):
    """The arm with a line to it that is slow and loses things; two simulations end early."""

    perturbations = (ObservationDelay(), ObservationLoss())

    def truncated(self, episode: Any, state: Any) -> np.ndarray:
        return (episode.number < 2) & (episode.elapsed >= 10)


def observations(**values: float) -> np.ndarray:
    """What is seen under the same actions, (STEPS + 1, N, O)."""
    task = LateArm(randomization={name: (value, value) for name, value in values.items()})
    env, rng = MujocoVecEnv(task, N, 5, threads=1), np.random.default_rng(0)
    seen = [env.reset().copy()]
    for _ in range(STEPS):
        seen.append(env.step(rng.uniform(-1, 1, (N, task.action_size))).obs.copy())
    return np.array(seen)


@pytest.mark.parametrize("delay", [1, 3])
def test_a_delay_shows_earlier_observations_of_the_same_episode(delay: int) -> None:
    clean, late = observations(), observations(observation_delay=delay)
    elapsed = np.tile(np.arange(STEPS + 1)[:, None], (1, N))
    elapsed[:, :2] %= 10
    for step in range(STEPS + 1):
        for sim in range(N):
            earlier = step - min(delay, int(elapsed[step, sim]))
            np.testing.assert_array_equal(late[step, sim], clean[earlier, sim])


def test_what_is_lost_is_the_last_one_again_and_never_the_first() -> None:
    clean, seen = observations(), observations(observation_loss=0.4)
    lost = (seen != clean).any(axis=2)
    assert 0.3 < lost.mean() < 0.5
    assert not lost[[0, 10, 20], :2].any()
    for step, sim in np.argwhere(lost):
        np.testing.assert_array_equal(seen[step, sim], seen[step - 1, sim])


def test_noisy_elements_that_adjoin_are_one_part_with_a_width_each() -> None:
    widths = {"a": (2, 0.5), "b": (1, 0.1), "c": (3, 0.0), "d": (1, 0.2)}
    parts = noisy_parts([Field(n, "", size, noise=noise) for n, (size, noise) in widths.items()])
    assert [part for part, _ in parts] == [slice(0, 3), slice(6, 7)]
    np.testing.assert_array_equal(parts[0][1], np.array([0.5, 0.5, 0.1], np.float32))
    assert noisy_parts([Field("c", "", 3)]) == []
    assert nominal(LateArm.perturbations, LateArm().robot, 1)["observation_delay"].dtype == int
