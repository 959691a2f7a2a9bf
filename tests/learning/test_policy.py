"""A policy file holds all that it needs to act, and refuses where it does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import PolicyError
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.spaces import Layout
from robo_maxent.tasks import make


@pytest.fixture
def layout() -> Layout:
    return layout_of(make("quadruped-flat"))


@pytest.fixture(params=[True, False], ids=["layer_norm", "plain"])
def policy(layout: Layout, request: pytest.FixtureRequest) -> Policy:
    torch.manual_seed(0)
    head = SquashedGaussian(len(layout.joints))
    actor = Actor(layout.observation_size, head, width=16, layer_norm=request.param)
    normalizer = Normalizer(layout.observation_size)
    normalizer.update(3.0 * torch.randn(100, layout.observation_size) + 1.0)
    return Policy(layout, actor, normalizer)


def observations(layout: Layout) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, layout.observation_size)).astype(np.float32)


def test_a_saved_policy_acts_as_before(tmp_path: Path, policy: Policy, layout: Layout) -> None:
    policy.save(tmp_path / "policy.safetensors")
    loaded = Policy.load(tmp_path / "policy.safetensors")
    assert loaded.layout == layout
    obs = observations(layout)
    np.testing.assert_array_equal(policy(obs), loaded(obs))


@pytest.mark.parametrize("span", [(-5.0, 0.0), (-9.0, 3.0), (-2.0, -1.9)])
def test_a_saved_policy_samples_with_the_spread_that_it_had(
    tmp_path: Path, layout: Layout, span: tuple[float, float]
) -> None:
    head = SquashedGaussian(len(layout.joints), span)
    actor = Actor(layout.observation_size, head, 16, True)
    policy = Policy(layout, actor, Normalizer(layout.observation_size))
    policy.save(tmp_path / "policy.safetensors")
    loaded, obs = Policy.load(tmp_path / "policy.safetensors"), observations(layout)
    noise = np.random.default_rng(1).normal(size=(len(obs), len(layout.joints)))
    np.testing.assert_array_equal(policy.sample(obs, noise), loaded.sample(obs, noise))


def test_actions_are_the_tanh_of_the_mean_in_the_unit_box(policy: Policy, layout: Layout) -> None:
    obs = observations(layout)
    action = policy(obs)
    with torch.no_grad():
        raw = policy.actor(policy.normalizer(torch.from_numpy(obs)))
        mean, _ = SquashedGaussian(len(layout.joints)).gaussian(raw)
    np.testing.assert_allclose(action, np.tanh(mean.numpy()), rtol=1e-6)
    assert np.abs(policy(1e6 * obs)).max() <= 1.0


def test_each_row_acts_by_itself(policy: Policy, layout: Layout) -> None:
    obs = observations(layout)
    np.testing.assert_allclose(policy(obs)[2], policy(obs[2:3])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action_scale": (0.1,) * 12}, "action scale"),
        ({"joints": ("a",) * 12}, "joints"),
        ({"observation": (("height scan", 50, "m"),)}, "observation"),
        ({"control_dt": 0.01}, "control dt"),
    ],
)
def test_a_task_that_differs_is_refused(
    policy: Policy, layout: Layout, change: dict[str, object], message: str
) -> None:
    policy.require(layout)
    policy.require(replace(layout, task="another name"))
    with pytest.raises(PolicyError, match=f"does not fit.*its {message} is"):
        policy.require(replace(layout, **change))  # type: ignore[arg-type]


def test_a_missing_or_damaged_file_is_reported(tmp_path: Path, policy: Policy) -> None:
    with pytest.raises(PolicyError, match="not found"):
        Policy.load(tmp_path / "none.safetensors")
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(PolicyError, match="damaged"):
        Policy.load(file)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(PolicyError, match="is not a policy of this version"):
        Policy.load(tmp_path / "other.safetensors")


def test_a_failed_write_keeps_the_old_policy(
    tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.safetensors"
    policy.save(file)
    before = file.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PolicyError, match="No space left on device"):
        policy.save(file)
    monkeypatch.undo()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_sampled_actions_are_the_mean_without_noise_and_spread_as_the_actor_says(
    policy: Policy, layout: Layout
) -> None:
    obs = observations(layout)
    mean = policy(obs)
    np.testing.assert_array_equal(policy.sample(obs, np.zeros_like(mean)), mean)
    noise = np.random.default_rng(1).normal(size=mean.shape)
    with torch.no_grad():
        raw = policy.actor(policy.normalizer(torch.from_numpy(obs)))
        _, log_std = SquashedGaussian(len(layout.joints)).gaussian(raw)
    expected = np.tanh(np.arctanh(mean.astype(float)) + np.exp(log_std.numpy()) * noise)
    np.testing.assert_allclose(policy.sample(obs, noise), expected, atol=1e-5)
    with pytest.raises(PolicyError, match="sees observations of shape"):
        policy.sample(obs[:, 1:], noise)
