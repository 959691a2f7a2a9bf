"""Critics see the whole observation, policies its first part: in training, on file, everywhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from privileged_world import QuadrupedSeen

from robo_maxent.envs.interface import layout_of
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop.gym_envs import TaskEnv, TaskVectorEnv
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.networks import Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.sac import Sac
from robo_maxent.rendering import video
from robo_maxent.spaces import Field, mirror, unprivileged
from robo_maxent.tasks import make
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.train import Run, train

O, P = 55, 50  # noqa: E741 (the names that docstrings use)
SMALL = SacConfig(width=32, batch_size=32)


def stand(obs: np.ndarray) -> np.ndarray:
    assert obs.shape[1] == P
    return np.zeros((len(obs), 12), np.float32)


def flail(obs: np.ndarray) -> np.ndarray:
    assert obs.shape[1] == P
    return np.sign(np.sin(37.0 * obs[:, 12:24]))


# -- the declaration -----------------------------------------------------------


def test_a_policy_of_the_task_has_the_layout_of_one_without_privileged_fields() -> None:
    task, plain = QuadrupedSeen(), make("quadruped-flat")
    assert (task.observation_size, task.policy_size) == (O, P)
    assert plain.observation_size == plain.policy_size == P
    assert replace(layout_of(task), task=plain.name) == layout_of(plain)


def test_a_field_after_a_privileged_one_is_refused_by_name() -> None:
    task = QuadrupedSeen()
    task.observation = (*QuadrupedSeen.observation, Field("late", "1", 1))
    with pytest.raises(UsageError, match=r"'late' stands after a privileged one.*last"):
        _ = task.policy_size
    with pytest.raises(UsageError, match="'late'"):
        layout_of(task)
    with pytest.raises(UsageError, match="every observation field is privileged"):
        unprivileged(task.observation[-2:-1])


def test_reflection_does_not_mix_what_policies_see_with_the_rest() -> None:
    whole, seen = mirror(QuadrupedSeen.observation), mirror(make("quadruped-flat").observation)
    assert whole is not None
    assert seen is not None
    x = np.random.default_rng(0).normal(size=(4, O)).astype(np.float32)
    np.testing.assert_array_equal(whole(x)[:, :P], seen(x[:, :P]))
    np.testing.assert_array_equal(whole(x)[:, P + 1 :], x[:, [P + 2, P + 1, P + 4, P + 3]])


# -- the learner ---------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 8])
def test_a_policy_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=rf"policy_size must be in 1\.\.7, got {size}"):
        Sac(7, 2, SMALL, 0, policy_size=size)


def test_actions_depend_on_the_first_elements_only_and_values_on_all() -> None:
    one, other = (Sac(7, 2, SMALL, 0, policy_size=5) for _ in range(2))
    obs = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    for sac in (one, other):
        sac.observe(obs)
    changed = obs.copy()
    changed[:, 5:] += 1.0
    actions = one.explore(obs)
    np.testing.assert_array_equal(actions, other.explore(changed))
    values, after = (
        one.critics(one.normalizer(torch.from_numpy(x)), torch.from_numpy(actions))
        for x in (obs, changed)
    )
    assert (values != after).all()
    changed[:, 4] += 1.0
    assert not np.array_equal(one.explore(obs), other.explore(changed))


def test_the_normalizer_of_the_first_elements_follows_that_of_all() -> None:
    generator = torch.Generator().manual_seed(0)
    whole = Normalizer(7)
    part = whole.first(5)
    for _ in range(2):
        obs = 3.0 * torch.randn(9, 7, generator=generator) + 1.0
        whole.update(obs)
        assert torch.equal(part(obs[:, :5]), whole(obs)[:, :5])
    assert torch.equal(part.count, whole.count)


# -- the whole line ------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(
        steps=400, envs=8, random_steps=10, replay_capacity=1000, evaluation_episodes=2, sac=SMALL
    )
    return train(QuadrupedSeen(), config, tmp_path_factory.mktemp("run") / "seen")


def test_a_policy_file_holds_nothing_of_privileged_fields(run: Run) -> None:
    with safetensors.safe_open(run.directory / "policy.safetensors", framework="np") as opened:
        shapes = {name: opened.get_tensor(name).shape for name in opened.keys()}  # noqa: SIM118
    assert shapes["actor.0.weight"] == (P, 32)
    assert {shapes[f"normalizer.{name}"] for name in ("mean", "square", "shift", "scale")} == {(P,)}
    assert run.policy.layout.observation_size == P
    assert "base height" not in str(run.policy.layout)


def test_a_policy_acts_alike_on_the_task_without_the_fields(run: Run) -> None:
    """Privileged fields change nothing that a policy can meet."""
    policy, plain = Policy.load(run.directory / "policy.safetensors"), make("quadruped-flat")
    policy.require(layout_of(plain))
    rows = evaluate(policy, QuadrupedSeen(), episodes=3, seed=1)
    expected = evaluate(policy, plain, episodes=3, seed=1)
    assert [replace(row, task=plain.name) for row in rows] == expected


@pytest.mark.parametrize("shape", [(2, O), (P,)])
def test_a_policy_refuses_observations_of_another_size(run: Run, shape: tuple[int, ...]) -> None:
    with pytest.raises(PolicyError, match=r"sees observations of shape \(N, 50\), got") as caught:
        run.policy(np.zeros(shape, np.float32))
    assert str(shape) in str(caught.value)
    assert "obs[:, :task.policy_size]" in str(caught.value)


def test_a_recorded_policy_sees_its_part(run: Run, tmp_path: Path) -> None:
    settings = video.VideoSettings(width=160, height=112)
    video.record(run.policy, QuadrupedSeen(), 1, tmp_path / "v.mp4", seconds=0.1, settings=settings)
    assert (tmp_path / "v.mp4").is_file()


# -- Gymnasium -----------------------------------------------------------------


def test_a_single_environment_tells_what_is_privileged_in_info() -> None:
    env, alone = TaskEnv(QuadrupedSeen()), MujocoVecEnv(QuadrupedSeen(), 1, seed=3)
    assert env.observation_space.shape == (P,)
    obs, info = env.reset(seed=3)
    whole = alone.reset()
    np.testing.assert_array_equal(np.append(obs, info["privileged"]), whole[0])
    ended = False
    while not ended:
        obs, _, terminated, truncated, info = env.step(flail(obs[None])[0])
        whole = alone.step(flail(whole[:, :P])).next_obs
        np.testing.assert_array_equal(np.append(obs, info["privileged"]), whole[0])
        assert "terms" in info
        ended = terminated or truncated


def test_the_vector_environment_gives_the_infos_that_gymnasium_gives_single_ones() -> None:
    theirs = SyncVectorEnv(
        [lambda: TaskEnv(QuadrupedSeen())], autoreset_mode=AutoresetMode.SAME_STEP
    )
    ours = TaskVectorEnv(QuadrupedSeen(), 1)
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.single_observation_space.shape == (P,)
    (obs, info), (expected, expected_info) = ours.reset(seed=1), theirs.reset(seed=1)
    assert obs in ours.observation_space
    assert info.keys() == expected_info.keys()
    np.testing.assert_array_equal(info["privileged"], expected_info["privileged"])
    ended = False
    while not ended:
        np.testing.assert_array_equal(obs, expected)
        action = flail(obs)
        obs, _, terminated, truncated, info = ours.step(action)
        expected, _, _, _, expected_info = theirs.step(action)
        ended = bool(terminated[0] or truncated[0])
        for name in ("privileged", "_privileged"):
            np.testing.assert_array_equal(info[name], expected_info[name])
        assert info.keys() == expected_info.keys()
    last, expected_last = info["final_info"], expected_info["final_info"]
    assert last.keys() == expected_last.keys()
    np.testing.assert_array_equal(last["privileged"], expected_last["privileged"])
    assert not np.array_equal(last["privileged"], info["privileged"])
    assert info["final_obs"][0].shape == (P,)


def test_a_task_without_privileged_fields_says_nothing_of_them() -> None:
    env = TaskEnv(make("quadruped-flat"))
    assert env.reset(seed=0)[1] == {}
    assert "privileged" not in env.step(np.zeros(12, np.float32))[4]
