"""Noise of the sensors: as wide as the task declares, and of no other number."""

import numpy as np
from perturbed import TASK, actions, environment, held

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv

WIDTH = np.concatenate([np.full(field.size, field.noise) for field in TASK.observation])


def test_the_flat_task_declares_the_published_noise() -> None:
    expected = [0.1] * 3 + [0.2] * 3 + [0.05] * 3 + [0] * 3 + [0.01] * 12 + [1.5] * 12 + [0] * 14
    np.testing.assert_array_equal(WIDTH, expected)


def unit_noise(n: int, steps: int) -> np.ndarray:
    """Noise over its declared width of observations that have one, (steps + 1, N, elements)."""
    clean = MujocoVecEnv(TASK, n, seed=0, params=held(n))
    noisy = MujocoVecEnv(TASK, n, seed=0, params=held(n, sensor_noise=1.0))
    seen = [noisy.reset() - clean.reset()]
    for action in actions(steps, n, 0.1):
        left, right = noisy.step(action), clean.step(action)
        np.testing.assert_array_equal(left.reward, right.reward)
        np.testing.assert_array_equal(left.obs, left.next_obs)
        seen.append(left.next_obs - right.next_obs)
    assert noisy.batch.state.tobytes() == clean.batch.state.tobytes()
    noise, still = np.array(seen), WIDTH == 0.0
    assert not noise[..., still].any()
    return noise[..., ~still] / WIDTH[~still]


def test_noise_is_uniform_within_the_declared_width_and_leaves_the_physics_alone() -> None:
    unit = unit_noise(32, 60)
    assert np.abs(unit).max() <= 1.0001
    deviation = 1 / np.sqrt(3 * unit[..., 0].size)
    assert np.abs(unit.mean(axis=(0, 1))).max() < 5 * deviation
    np.testing.assert_allclose(unit.std(axis=(0, 1)), 1 / np.sqrt(3), rtol=0.07)
    # Neither steps, nor simulations, nor elements know of each other.
    for a, b in (
        (unit[1:], unit[:-1]),
        (unit[:, 1:], unit[:, :-1]),
        (unit[..., 1:], unit[..., :-1]),
    ):
        assert abs((a * b).mean()) < 5 / 3 / np.sqrt(a.size)


def test_twice_the_noise_is_the_same_noise_twice() -> None:
    clean, once, twice = (
        MujocoVecEnv(TASK, 4, seed=3, params=held(4, sensor_noise=size)).reset()
        for size in (0, 1, 2)
    )
    np.testing.assert_allclose(twice - clean, 2 * (once - clean), atol=1e-6)
    assert np.abs(once - clean).max() > 0.5


def test_the_noise_of_one_simulation_is_its_own() -> None:
    clean = environment(held(3)).reset()
    noise = environment(held(3, sensor_noise=[0.0, 1.0, 0.0])).reset() - clean
    assert not noise[[0, 2]].any()
    assert noise[1][WIDTH > 0.0].all()
