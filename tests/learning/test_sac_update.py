"""What one update moves, and what it leaves alone."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robo_maxent.errors import UsageError
from robo_maxent.learning import native
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac, actor_loss, temperature_loss

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True, params=["compiled", "torch"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both implementations of an update must behave so."""
    if request.param == "torch":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip(f"torch is all there is here: {native.state()[1]}")
    return request.param


OBS, ACTION = 4, 2
CONFIG = SacConfig(width=16, batch_size=32, actor_every=1)


def some_batch(seed: int = 0) -> ReplayBatch:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(-1, 1, shape).astype(np.float32))

    return ReplayBatch(draw(32, OBS), draw(32, ACTION), draw(32), draw(32, OBS), torch.zeros(32))


def weights(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def test_the_actor_step_leaves_critics_and_their_gradients_alone(implementation: str) -> None:
    never = replace(CONFIG, actor_every=1000)
    with_actor, without = (Sac(OBS, ACTION, config, 0) for config in (CONFIG, never))
    start = weights(with_actor.actor)
    for sac in (with_actor, without):
        sac.update(some_batch())
    assert not torch.equal(weights(with_actor.actor), start)
    assert torch.equal(weights(without.actor), start)
    pairs = zip(with_actor.critics.parameters(), without.critics.parameters(), strict=True)
    for one, other in pairs:
        if implementation == "torch":
            assert one.grad is not None
            assert other.grad is not None
            assert torch.equal(one.grad, other.grad)
        assert torch.equal(one, other)
        assert one.requires_grad
    assert torch.equal(weights(with_actor.targets), weights(without.targets))


def test_the_actor_gradient_flows_through_the_action_and_not_into_the_critics() -> None:
    sac = Sac(OBS, ACTION, CONFIG, 0)
    sac.critics.requires_grad_(False)
    noise = torch.randn(32, ACTION, generator=torch.Generator().manual_seed(0))
    loss, log_prob = actor_loss(sac.actor, sac.critics, some_batch().obs, noise, torch.tensor(0.0))
    loss.backward()  # with alpha 0 only the critics' slope is left
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in sac.actor.parameters())
    assert all(p.grad is None for p in sac.critics.parameters())
    assert not log_prob.requires_grad


def test_the_critic_step_leaves_the_actor_alone() -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, actor_every=1000), 0)
    start = weights(sac.critics)
    sac.update(some_batch())
    assert not torch.equal(weights(sac.critics), start)
    assert all(p.grad is None for p in sac.actor.parameters())
    assert all(p.grad is None for p in sac.targets.parameters())


@pytest.mark.parametrize("actor_every", [1, 2, 3])
def test_actor_and_temperature_move_at_every_nth_gradient_step_only(actor_every: int) -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, actor_every=actor_every), 0)
    moved, reported = [], []
    for step in range(1, 10):
        for _ in range(5):  # acting and observing do not count
            sac.observe(np.ones((2, OBS), np.float32) * step)
            sac.explore(np.zeros((3, OBS), np.float32))
        actor, alpha = weights(sac.actor), sac.alpha
        critics = weights(sac.critics)
        metrics = sac.update(some_batch(step))
        assert not torch.equal(weights(sac.critics), critics)
        moved += [step] if not torch.equal(weights(sac.actor), actor) else []
        reported += [step] if "entropy" in metrics else []
        assert (sac.alpha != alpha) == (step in moved)
    assert moved == reported == [*range(actor_every, 10, actor_every)]


def test_targets_move_their_share_of_the_way_to_the_updated_critics() -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, tau=0.3), 0)
    assert torch.equal(weights(sac.targets), weights(sac.critics))
    for step in range(5):
        before = weights(sac.targets)
        sac.update(some_batch(step))
        expected = 0.7 * before + 0.3 * weights(sac.critics)
        torch.testing.assert_close(weights(sac.targets), expected, rtol=1e-5, atol=1e-7)
        assert not torch.equal(weights(sac.targets), before)
    sac = Sac(OBS, ACTION, replace(CONFIG, tau=1.0), 0)
    sac.update(some_batch())
    torch.testing.assert_close(weights(sac.targets), weights(sac.critics))


def test_the_slope_of_the_temperature_loss_is_entropy_minus_target() -> None:
    log_alpha = torch.tensor(-2.0, requires_grad=True)
    log_prob = torch.tensor([0.5, 1.5], requires_grad=True)  # entropy -1
    temperature_loss(log_alpha, log_prob, target_entropy=-3.0).backward()
    assert log_alpha.grad is not None
    assert log_alpha.grad.item() == pytest.approx(2.0)  # above its target: alpha falls
    assert log_prob.grad is None


@pytest.mark.parametrize(("target", "sign"), [(0.6, 1), (-5.0, -1)])
def test_temperature_rises_below_the_target_entropy_and_falls_above(
    target: float, sign: int
) -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, target_entropy_per_action=target), 0)
    assert sac.target_entropy == target * ACTION
    for step in range(5):
        before = sac.alpha
        entropy = sac.update(some_batch(step))["entropy"].item()
        assert sign * (sac.target_entropy - entropy) > 0
        assert sign * (sac.alpha - before) > 0


def test_the_first_temperature_is_the_configured_one() -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, initial_alpha=0.037), 0)
    assert sac.alpha == pytest.approx(0.037)


def test_a_temperature_that_does_not_learn_stays_to_the_last_bit() -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, initial_alpha=0.3, alpha_learning_rate=0.0), 0)
    first, actor = sac.alpha, weights(sac.actor)
    for step in range(20):
        sac.update(some_batch(step))
    assert sac.alpha == first
    assert not torch.equal(weights(sac.actor), actor)


def test_a_calm_start_is_a_small_mean_and_one_spread_for_all() -> None:
    config = replace(CONFIG, width=64)
    calm, other = (Sac(OBS, ACTION, replace(config, calm_start=s), 0) for s in (True, False))
    obs = torch.from_numpy(np.random.default_rng(0).normal(size=(100, OBS)).astype(np.float32))
    with torch.no_grad():
        assert calm.actor(obs).abs().max() < 0.02
        assert other.actor(obs).abs().max() > 0.1
    (*first, (weight, bias)), (*others, (small, zero)) = other.actor.layers(), calm.actor.layers()
    for one, another in zip(first, others, strict=True):
        assert all(map(torch.equal, one, another))
    assert torch.equal(small, 0.01 * weight)
    assert not zero.any()
    bound = 1.0 / math.sqrt(64)  # of U(±1/sqrt(fan-in)), as nn.Linear draws both
    assert 0.9 * bound < weight.abs().max() <= bound
    assert 0.0 < bias.abs().max() <= bound


def learned(alpha: float, entropy_in_target: bool, ended: float, actor_every: int) -> Sac:
    """One update at a temperature; all transitions go on, or all end."""
    config = replace(CONFIG, initial_alpha=alpha, actor_every=actor_every)
    sac = Sac(OBS, ACTION, replace(config, entropy_in_target=entropy_in_target), 0)
    sac.update(replace(some_batch(), terminated=torch.full((32,), ended)))
    return sac


def test_without_entropy_in_the_target_critics_learn_as_if_the_temperature_were_zero() -> None:
    hot, cold = learned(5.0, False, 0.0, 1000), learned(1e-9, True, 0.0, 1000)
    torch.testing.assert_close(weights(hot.critics), weights(cold.critics), rtol=1e-5, atol=1e-7)
    moved = (weights(learned(5.0, True, 0.0, 1000).critics) - weights(cold.critics)).abs().max()
    assert moved > 1e-3


def test_entropy_in_the_target_is_the_only_one_that_the_setting_takes_away() -> None:
    # Where every transition ends, nothing follows whose entropy could count.
    with_it, without = (learned(5.0, setting, 1.0, 1) for setting in (True, False))
    for name in ("actor", "average", "critics", "targets"):
        assert torch.equal(weights(getattr(with_it, name)), weights(getattr(without, name))), name
    assert with_it.alpha == without.alpha
    cold = learned(1e-9, False, 1.0, 1)
    assert not torch.equal(weights(cold.actor), weights(without.actor)), "it seeks no entropy"


def test_update_normalizes_observations_and_does_not_learn_the_statistics() -> None:
    raw, normal = Sac(OBS, ACTION, CONFIG, 0), Sac(OBS, ACTION, CONFIG, 0)
    rng = np.random.default_rng(0)
    seen = rng.normal(3.0, 5.0, (100, OBS)).astype(np.float32)
    raw.observe(seen)
    batch = some_batch()
    statistics = {k: v.clone() for k, v in raw.normalizer.state_dict().items()}
    see = raw.normalizer
    by_hand = replace(batch, obs=see(batch.obs), next_obs=see(batch.next_obs))
    losses = raw.update(batch)["critic_loss"], normal.update(by_hand)["critic_loss"]
    assert torch.equal(*losses)
    for name, value in raw.normalizer.state_dict().items():
        assert torch.equal(value, statistics[name]), name


def test_exploring_samples_the_policy_of_the_normalized_observation() -> None:
    sac = Sac(OBS, ACTION, CONFIG, 0)
    sac.observe(np.random.default_rng(0).normal(2.0, 3.0, (50, OBS)).astype(np.float32))
    obs = np.repeat(np.random.default_rng(1).normal(size=(1, OBS)), 20_000, 0).astype(np.float32)
    u = np.arctanh(sac.explore(obs).astype(np.float64))
    with torch.no_grad():
        head = SquashedGaussian(ACTION, sac.config.log_std_range)
        mean, log_std = head.gaussian(sac.actor(sac.normalizer(torch.from_numpy(obs[:1]))))
    spread = log_std.exp().numpy()[0]
    error = 4 * spread / math.sqrt(len(u))
    assert (np.abs(u.mean(0) - mean.numpy()[0]) < error).all()
    np.testing.assert_allclose(u.std(0), spread, rtol=0.03)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"width": 0}, r"width must be within \[1, 10,000\], got 0"),
        ({"batch_size": 0}, r"batch_size must be within \[1, 1,000,000\], got 0"),
        ({"components": 0}, r"components must be within \[1, 100\], got 0"),
        ({"components": -2}, r"components must be within \[1, 100\], got -2"),
        ({"actor_every": -1}, "actor_every must be at least 1, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0 and finite, got 0.0"),
        ({"learning_rate": math.inf}, "learning_rate must be > 0 and finite, got inf"),
        ({"weight_decay": math.nan}, "weight_decay must be >= 0 and finite, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be >= 0 and finite, got -1.0"),
        ({"target_entropy_per_action": -math.inf}, r"per_action must be within \[-100, 0.693\)"),
        ({"gamma": math.nan}, r"gamma must be in \(0, 1\], got nan"),
        ({"initial_alpha": math.inf}, "initial_alpha must be > 0 and finite, got inf"),
        ({"alpha_learning_rate": math.inf}, "alpha_learning_rate must be >= 0 and finite"),
        ({"learning_rate_held": 0}, "learning_rate_held must be at least 1 or None, got 0"),
        ({"initial_alpha": float("nan")}, "initial_alpha must be > 0 and finite, got nan"),
        ({"alpha_learning_rate": -1.0}, "alpha_learning_rate must be >= 0 and finite, got -1.0"),
        ({"gamma": 1.01}, r"gamma must be in \(0, 1\], got 1.01"),
        ({"tau": 0.0}, r"tau must be in \(0, 1\], got 0.0"),
        ({"actor_average": 0.0}, r"actor_average must be in \(0, 1\], got 0.0"),
        ({"log_std_range": (0.0, -5.0)}, r"must rise within \[-20, 4\], got 0.0, -5.0"),
        ({"log_std_bound": "clip"}, "log_std_bound must be tanh or clamp, got clip"),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_range(change: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        replace(CONFIG, **change)
