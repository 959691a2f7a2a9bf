"""The preset ``classic`` is Stable-Baselines3's SAC: same weights, batch and noise, same update."""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Env, spaces
from torch import Tensor, nn
from torch.distributions import normal

from robo_maxent.learning import native
from robo_maxent.learning.networks import Ensemble
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac
from robo_maxent.training.config import preset

pytestmark = pytest.mark.usefixtures("one_thread")

OBS, ACTION = 5, 3
CLASSIC = preset("classic")


@pytest.fixture
def theirs() -> Any:
    """SB3's SAC as it comes, before its first update."""
    sb3 = pytest.importorskip("stable_baselines3", reason="the extra sb3 is not installed")
    env: Any = Env()  # never stepped: only its spaces are read
    env.observation_space = spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
    env.action_space = spaces.Box(-1.0, 1.0, (ACTION,), np.float32)
    model = sb3.SAC("MlpPolicy", env, buffer_size=10, device="cpu", seed=0)
    model.set_logger(sb3.common.logger.Logger(folder=None, output_formats=[]))
    return model


def layers(networks: Sequence[Sequence[Sequence[nn.Linear]]]) -> list[tuple[Tensor, Tensor]]:
    """Weights (E, in, out) and biases (E, 1, out) of E networks, where a layer may be in parts."""
    parts = [
        [(torch.cat([p.weight for p in each]).T, torch.cat([p.bias for p in each])) for each in net]
        for net in networks
    ]
    return [
        (torch.stack([w for w, _ in same]), torch.stack([b[None] for _, b in same]))
        for same in zip(*parts, strict=True)
    ]


def actor_of(model: Any) -> list[tuple[Tensor, Tensor]]:
    hidden, actor = model.actor.latent_pi, model.actor
    return layers([[[hidden[0]], [hidden[2]], [actor.mu, actor.log_std]]])


def critics_of(critic: Any) -> list[tuple[Tensor, Tensor]]:
    return layers([[[net[0]], [net[2]], [net[4]]] for net in critic.q_networks])


@torch.no_grad()
def copy(net: Ensemble, source: list[tuple[Tensor, Tensor]]) -> None:
    for into, values in zip(net.layers(), source, strict=True):
        for tensor, value in zip(into, values, strict=True):
            tensor.copy_(value)


def apart(net: Ensemble, expected: list[tuple[Tensor, Tensor]]) -> float:
    """Mean difference of parameters, in steps of Adam, of the layer where it is largest.

    Not the largest of a parameter: Adam divides a gradient by its own size, and so the rounding of
    one that is nearly zero.
    """
    pairs = [
        (found - value).abs().mean().item()
        for layer, values in zip(net.layers(), expected, strict=True)
        for found, value in zip(layer, values, strict=True)
    ]
    return max(pairs) / CLASSIC.sac.learning_rate


def some_batch(size: int, seed: int) -> ReplayBatch:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    ended = (draw(size) > 1.0).float()
    return ReplayBatch(
        draw(size, OBS), draw(size, ACTION).tanh(), draw(size), draw(size, OBS), ended
    )


@pytest.mark.parametrize("implementation", ["compiled", "torch"])
def test_an_update_of_classic_is_theirs(
    theirs: Any, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if implementation == "torch":
        monkeypatch.setattr(native, "library", lambda: None)
    elif native.library() is None:
        pytest.skip(f"torch is all there is here: {native.state()[1]}")
    with torch.no_grad():
        theirs.actor.log_std.bias[0] = 3.0  # one deviation lies where it is cut off
    theirs.actor.action_dist.epsilon = 0.0  # what they add to 1 - tanh²; ours is exact
    ours = Sac(OBS, ACTION, CLASSIC.sac, seed=0)
    copy(ours.actor, actor_of(theirs))
    copy(ours.critics, critics_of(theirs.critic))
    copy(ours.targets, critics_of(theirs.critic_target))
    start = [(weight.clone(), bias.clone()) for weight, bias in ours.actor.layers()]

    draws: list[Tensor] = []
    monkeypatch.setattr(normal, "_standard_normal", lambda *_, **__: draws.pop(0))
    for count in range(5):
        batch = some_batch(CLASSIC.sac.batch_size, seed=count)
        # Small, so that an action of such a deviation is not where float32 has no 1 - tanh².
        noise = 0.2 * torch.randn(2 * len(batch.obs), ACTION)
        following, present = noise.chunk(2)
        draws += [present, following]
        sample = SimpleNamespace(
            observations=batch.obs,
            actions=batch.action,
            rewards=batch.reward[:, None],
            next_observations=batch.next_obs,
            dones=batch.terminated[:, None],
            discounts=None,
        )
        monkeypatch.setattr(theirs.replay_buffer, "sample", lambda *_, s=sample, **__: s)
        theirs.train(gradient_steps=1, batch_size=len(batch.obs))
        with monkeypatch.context() as patched:
            patched.setattr(torch, "randn", lambda *_, n=noise, **__: n)
            metrics = ours.update(batch)
        logged = theirs.logger.name_to_value
        for name in ("critic_loss", "actor_loss", "ent_coef_loss"):
            expected = logged[f"train/{name}"]
            assert metrics[name].item() == pytest.approx(expected, rel=1e-4, abs=1e-4), name
    assert not draws

    assert apart(ours.actor, actor_of(theirs)) < 1e-3
    assert apart(ours.average, actor_of(theirs)) < 1e-3, "the policy that is kept is the actor"
    assert apart(ours.critics, critics_of(theirs.critic)) < 1e-3
    assert apart(ours.targets, critics_of(theirs.critic_target)) < 1e-3
    assert ours.log_alpha.item() == pytest.approx(theirs.log_ent_coef.item(), rel=1e-4)
    assert apart(ours.actor, start) > 1.0, "nothing moved that could differ"


def test_the_settings_of_classic_are_their_defaults(theirs: Any) -> None:
    from stable_baselines3.sac import policies

    sac = CLASSIC.sac
    assert (sac.learning_rate, sac.gamma, sac.tau) == (
        theirs.learning_rate,
        theirs.gamma,
        theirs.tau,
    )
    assert sac.batch_size == theirs.batch_size
    assert [sac.width] * 2 == theirs.actor.net_arch
    assert sac.log_std_range == (policies.LOG_STD_MIN, policies.LOG_STD_MAX)
    assert sac.target_entropy_per_action * ACTION == theirs.target_entropy
    assert sac.initial_alpha == theirs.log_ent_coef.exp().item()
    assert CLASSIC.updates_per_step == theirs.gradient_steps == theirs.train_freq.frequency == 1
    assert {group["weight_decay"] for group in theirs.actor.optimizer.param_groups} == {0}


def test_the_first_weights_of_classic_are_drawn_as_theirs(theirs: Any) -> None:
    ours = Sac(OBS, ACTION, CLASSIC.sac, seed=0)
    pairs = (ours.actor, actor_of(theirs)), (ours.critics, critics_of(theirs.critic))
    for net, expected in pairs:
        for weight, bias in (*net.layers(), *expected):
            reach = weight.shape[1] ** -0.5  # of U(±1/sqrt(fan-in))
            assert 0.95 * reach < weight.abs().max() <= reach
            assert 0.0 < bias.abs().max() <= reach
