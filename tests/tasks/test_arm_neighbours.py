"""What is different about one episode of the arm changes not one bit of another beside it."""

import numpy as np
import pytest
from handled import ROBOT, built, held

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.robustness.axes import disturbances

TASK = built("arm-pick").trial()
PLANT = Plant(ROBOT, TASK.control_dt)
AXES = {name: each for name, each in disturbances(TASK).items() if each.effects}


def run(params: EpisodeParams, sims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observations of the script in the first simulation, and its last state."""
    env = MujocoVecEnv(TASK, len(sims), 0, threads=1, params=params, sims=sims, once=True)
    obs, seen = env.reset(), []
    for _ in range(TASK.episode_steps):
        seen.append(obs[0].copy())
        # float32, as policies act
        obs = env.step(TASK.script(obs[:, : TASK.policy_size])).obs
    return np.array(seen), env.batch.state[0].copy()


@pytest.fixture(scope="module")
def alone() -> tuple[np.ndarray, np.ndarray]:
    return run(held(1), np.array([7]))


@pytest.mark.parametrize("name", AXES)
def test_an_episode_is_the_same_beside_one_that_is_disturbed(
    name: str, alone: tuple[np.ndarray, np.ndarray]
) -> None:
    each = AXES[name]
    case = (each.axis.cases or ("",))[0]
    params, other = held(2), np.array([8])
    disturbed = each.params(TASK, PLANT, each.axis.severities[-1], case, other, 0)
    for parameter, values in disturbed.items():
        params[parameter][1] = values[0]
    assert params.differing(held(1)), "the other one must be disturbed"
    obs, state = run(params, np.array([7, 8]))
    np.testing.assert_array_equal(obs, alone[0])
    np.testing.assert_array_equal(state, alone[1])
