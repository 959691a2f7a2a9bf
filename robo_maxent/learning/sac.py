"""Soft Actor-Critic with automatic temperature: the losses as pure functions, and the learner.

Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv 1812.05905); equation
numbers below are that paper's.
"""

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robo_maxent.errors import UsageError
from robo_maxent.learning import hardware, native
from robo_maxent.learning.adamw import AdamW
from robo_maxent.learning.categorical_critic import CategoricalCritics, categorical_critic_loss
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.diagnostics import Diagnostics, diagnose
from robo_maxent.learning.explorer import Explorer
from robo_maxent.learning.mixture import Mixture, head_of
from robo_maxent.learning.networks import Actor, Critics, Ensemble, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.support import Ends, look_at_ends
from robo_maxent.spaces import Layout


def soft_target(
    reward: Tensor,
    terminated: Tensor,
    next_value: Tensor,
    next_log_prob: Tensor,
    alpha: Tensor,
    gamma: float,
) -> Tensor:
    """Soft Bellman backup (equations 2 and 3): r + γ (1 - terminated) (Q' - α log π'), (B,).

    Args:
        reward: (B,).
        terminated: 1 where nothing follows, (B,). A truncated step is not terminated.
        next_value: Smallest target action value at the next action, or its expectation, (B,).
        next_log_prob: Log-probability of the next action, or its expectation, (B,).
        alpha: Temperature, a scalar.
        gamma: Discount.
    """
    assert reward.shape == terminated.shape == next_value.shape == next_log_prob.shape
    return reward + gamma * (1.0 - terminated) * (next_value - alpha * next_log_prob)


def expected(actor: Actor, critics: Critics, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Expectations over the policy's actions, of which equation 3 is made, each (B,).

    Args:
        actor: Policy.
        critics: Of their values the smallest counts.
        obs: Normalized observations, (B, O).
        noise: Standard normal draws, (B, actor.head.noise_size).

    Returns:
        The action value, and the log-probability, which is minus the entropy.
    """
    action, log_prob, weight = actor.draws(obs, noise)  # (K, B, A), (K, B), (K, B)
    value = critics.each(obs, action).amin(0)  # (K, B)
    return (weight * value).sum(0), (weight * log_prob).sum(0)


def critic_loss(
    actor: Actor,
    critics: Critics,
    targets: Critics,
    batch: ReplayBatch,
    noise: Tensor,
    alpha: Tensor,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    """Squared soft Bellman error, summed over the critics (equation 5).

    Args:
        actor: Policy, not differentiated.
        critics: Critics to improve.
        targets: Slowly moving copy, not differentiated.
        batch: Transitions with normalized observations.
        noise: Standard normal draws for the next action, (B, actor.head.noise_size).
        alpha: Temperature, a scalar; 0: the goal is that of plain rewards.
        gamma: Discount.

    Returns:
        The loss, and the action values under the critics, (E, B).
    """
    with torch.no_grad():
        next_value, next_log_prob = expected(actor, targets, batch.next_obs, noise)
        goal = soft_target(batch.reward, batch.terminated, next_value, next_log_prob, alpha, gamma)
    values = critics(batch.obs, batch.action)  # (E, B)
    return 0.5 * (values - goal).square().mean(1).sum(), values.detach()


def actor_loss(
    actor: Actor, critics: Critics, obs: Tensor, noise: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor]:
    """Expected α log π - Q (equation 9); the critics' parameters must not require gradients.

    Returns:
        The loss, and the log-probability of the policy's actions, (B,).
    """
    value, log_prob = expected(actor, critics, obs, noise)
    return (alpha * log_prob - value).mean(), log_prob.detach()


def temperature_loss(log_alpha: Tensor, log_prob: Tensor, target_entropy: float) -> Tensor:
    """Raise α while the entropy is below its target (equation 18, on log α)."""
    return -(log_alpha * (log_prob + target_entropy).mean().detach())


class Sac:
    """Networks, targets, optimizers, temperature: everything that learns; an ``agent.Agent``."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        config: SacConfig,
        seed: int,
        precision: str = "fp32",
        policy_size: int | None = None,
        shares: int | None = None,
    ) -> None:
        """Initialize the networks.

        Args:
            obs_size: O, what critics see.
            action_size: A.
            config: How to learn.
            seed: Seed of the initial weights and of every later draw.
            precision: Factors of matrix products while it learns: fp32, bf16, or auto, the faster
                one here. Everything else is fp32.
            policy_size: P, how many of the first elements of an observation the actor sees;
                None: all of them.
            shares: Into how many shares a batch is divided, for as many threads; results depend
                on it by rounding. None: as many as torch has threads.

        Raises:
            UsageError: P is not in 1..O.
        """
        policy_size = obs_size if policy_size is None else policy_size
        if not 1 <= policy_size <= obs_size:
            raise UsageError(f"policy_size must be in 1..{obs_size}, got {policy_size}")
        self.config = config
        self.shares = shares or torch.get_num_threads()
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor, self.critics = self._new_networks(obs_size, action_size, policy_size)
        known = self.actor.head.compiled_range is not None and config.width <= native.WIDEST
        self.precision, compiled = native.precision_of(precision, known)
        if not compiled:
            self.actor.precision = self.critics.precision = self.precision
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.average = copy.deepcopy(self.actor).requires_grad_(False)
        self.average.precision = "fp32"  # as whoever loads the policy from its file has it
        self.normalizer = Normalizer(obs_size)
        self.explorer = Explorer(self.actor, self.normalizer)
        self.log_alpha = torch.tensor(math.log(config.initial_alpha), requires_grad=True)
        self.optimizers = {
            "actor": AdamW(self.actor.flat, config.learning_rate, config.weight_decay),
            "critics": AdamW(self.critics.flat, config.learning_rate, config.weight_decay),
            "alpha": AdamW(self.log_alpha, config.alpha_learning_rate, 0.0),
        }
        self.updates = 0
        self._compiled = native.Update(obs_size, action_size, self) if compiled else None

    @property
    def target_entropy(self) -> float:
        """Entropy that the temperature holds now, nats: from the first value to the last."""
        first, last = self.config.target_entropy_per_action, self.config.target_entropy_final
        moved = 0.0 if last is None else min(self.updates / self.config.target_entropy_updates, 1.0)
        per_action = first if last is None else first + moved * (last - first)
        return per_action * self.actor.head.action_size

    @property
    def alpha(self) -> float:
        """Temperature."""
        return math.exp(self.log_alpha.item())

    def observe(self, obs: np.ndarray) -> None:
        """Take fresh observations into the normalizer, once each, (n, O)."""
        if self.config.normalize:
            self.normalizer.update(torch.from_numpy(obs))

    def explore(self, obs: np.ndarray) -> np.ndarray:
        """Sample actions to gather experience with, (N, O) to what the head samples, N."""
        return self.explorer(obs, self.generator)

    def update(
        self, batch: ReplayBatch, crew: Callable[[], int] | None = None
    ) -> dict[str, Tensor]:
        """Learn from K batches, one after the other; they come in one piece, gathered at once.

        Each improves the critics, and every ``actor_every``-th actor and temperature.

        Args:
            batch: K * batch_size transitions.
            crew: How many threads may work on the next update, asked before each; at least those
                of torch do. It changes the time and nothing else. None: those of torch.

        Returns:
            Metrics of the last update as tensors, to be read only when they are shown; those of
            the actor only if it was updated.
        """
        size, count = self.config.batch_size, len(batch.reward) // self.config.batch_size
        if count * size != len(batch.reward):
            raise UsageError(f"{len(batch.reward)} transitions are not batches of {size}")
        self._set_rates()
        draws = 2 * len(batch.action), self.actor.head.noise_size
        noise = torch.randn(draws, generator=self.generator)
        if self._compiled is not None:
            return self._compiled(batch, noise, count, crew)
        with hardware.bf16_products() if self.precision == "bf16" else nullcontext():
            return self._update_in_torch(self._normalized(batch), noise.split(size))

    def is_finite(self) -> bool:
        """Whether all numbers that it acts and learns with are finite, those of Adam too."""
        saved = self.state_dict()
        groups = *saved["networks"].values(), *saved["optimizers"].values()
        tensors = (tensor for group in groups for tensor in group.values())
        return all(bool(tensor.isfinite().all()) for tensor in (self.log_alpha.exp(), *tensors))

    def metrics(self) -> dict[str, float]:
        """Counters, temperature and step size, by the names that dashboards expect."""
        return {
            "train/n_updates": float(self.updates),
            "train/ent_coef": self.alpha,
            "train/learning_rate": self.optimizers["actor"].rate,
            "train/target_entropy": self.target_entropy,
            "train/compiled": float(self._compiled is not None),
        }

    def diagnose(self, batch: ReplayBatch) -> Diagnostics:
        """Look at temperature and critics; it changes nothing, not even the next draws."""
        generator = torch.Generator().manual_seed(self.updates)
        noise = torch.randn(batch.action.shape, generator=generator)
        nets, seen = (self.actor, self.critics, self.targets), self._normalized(batch)
        held = self.alpha, self.target_entropy, self._entropy_horizon
        found = diagnose(*nets, seen, noise, *held)
        return replace(found, ends=self._ends(seen), fixed=self._holds_temperature)

    @property
    def _holds_temperature(self) -> bool:
        """Whether the temperature stays as it was at the start."""
        return self.config.alpha_learning_rate == 0.0

    @property
    def _entropy_horizon(self) -> float:
        """Steps for which targets count entropy; 0: they leave it out."""
        if not self.config.entropy_in_target:
            return 0.0
        return 1.0 / (1.0 - self.config.gamma) if self.config.gamma < 1.0 else math.inf

    def policy(self, layout: Layout) -> Policy:
        """The averaged actor with the normalizer of what it sees; it changes as they do."""
        return Policy(layout, self.average, self.normalizer.first(self.actor.obs_size))

    def state_dict(self) -> dict[str, Any]:
        """Everything that continues after a restart of the program."""
        return {
            "networks": {name: net.state_dict() for name, net in self._networks().items()},
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
            "log_alpha": self.log_alpha.detach().clone(),
            "generator": self.generator.get_state(),
            "updates": self.updates,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken."""
        for name, net in self._networks().items():
            net.load_state_dict(saved["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved["optimizers"][name])
        with torch.no_grad():
            self.log_alpha.copy_(saved["log_alpha"])
        self.generator.set_state(saved["generator"])
        self.updates = saved["updates"]

    def actor_is_due(self) -> bool:
        """Whether the update just counted is one of actor and temperature too."""
        return self.updates % self.config.actor_every == 0

    def _new_networks(
        self, obs_size: int, action_size: int, policy_size: int
    ) -> tuple[Actor, Critics]:
        """An actor and critics of A continuous actions."""
        config = self.config
        head = head_of(config, action_size)
        actor = Actor(policy_size, head, config.width, config.layer_norm, config.calm_start)
        if config.critic == "categorical":
            return actor, CategoricalCritics(obs_size, action_size, config)
        return actor, Critics(obs_size, action_size, config.width, config.layer_norm)

    def _set_rates(self) -> None:
        held = self.config.learning_rate_held
        if held is not None:
            rate = self.config.learning_rate * min(1.0, held / max(self.updates, 1))
            self.optimizers["actor"].rate = self.optimizers["critics"].rate = rate

    def _normalized(self, batch: ReplayBatch) -> ReplayBatch:
        obs, next_obs = self.normalizer(batch.obs), self.normalizer(batch.next_obs)
        return replace(batch, obs=obs, next_obs=next_obs)

    def _update_in_torch(self, batch: ReplayBatch, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Learn from K batches, with K noises for the critics' updates, then K for the actor's."""
        count, metrics = len(noise) // 2, {}
        columns = [getattr(batch, field.name).chunk(count) for field in fields(batch)]
        for k, columns_of_one in enumerate(zip(*columns, strict=True)):
            one, alpha = ReplayBatch(*columns_of_one), self.log_alpha.detach().exp()
            metrics |= self._update_critics(one, noise[k], alpha)
            self.updates += 1
            if self.actor_is_due():
                metrics |= self._update_actor(one, noise[count + k], alpha)
        if "actor_loss" in metrics:
            metrics |= self._diagnose_modes(batch.obs[-self.config.batch_size :])
        return metrics

    @torch.no_grad()
    def _diagnose_modes(self, obs: Tensor) -> dict[str, Tensor]:
        """Whether the components of a mixture are told apart; nothing of other heads."""
        head = self.actor.head
        return head.diagnostics(self.actor(obs)) if isinstance(head, Mixture) else {}

    def _update_critics(
        self, batch: ReplayBatch, noise: Tensor, alpha: Tensor
    ) -> dict[str, Tensor]:
        critics, targets, gamma = self.critics, self.targets, self.config.gamma
        inputs = batch, noise, self._counted(alpha), gamma
        if isinstance(critics, CategoricalCritics) and isinstance(targets, CategoricalCritics):
            loss, metrics = categorical_critic_loss(self.actor, critics, targets, *inputs)
        else:
            loss, values = critic_loss(self.actor, critics, targets, *inputs)
            metrics = {"value": values.mean()}
        self._step("critics", loss)
        _move(self.targets, self.critics, self.config.tau)
        return {"critic_loss": loss.detach(), **metrics}

    def _counted(self, alpha: Tensor) -> Tensor:
        """The temperature that targets count entropy with."""
        return alpha if self.config.entropy_in_target else torch.zeros_like(alpha)

    def _ends(self, batch: ReplayBatch) -> Ends | None:
        """How the support of categorical critics fits normalized transitions; None: of scalar ones.

        It changes nothing, not even the next draws.
        """
        if not isinstance(self.targets, CategoricalCritics):
            return None
        generator = torch.Generator().manual_seed(self.updates)
        draws = len(batch.action), self.actor.head.noise_size
        noise = torch.randn(draws, generator=generator)
        alpha = self._counted(self.log_alpha.detach().exp())
        return look_at_ends(self.actor, self.targets, batch, noise, alpha, self.config.gamma)

    def _update_actor(self, batch: ReplayBatch, noise: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        self.critics.requires_grad_(False)
        loss, log_prob = actor_loss(self.actor, self.critics, batch.obs, noise, alpha)
        self._step("actor", loss)
        self.critics.requires_grad_(True)
        _move(self.average, self.actor, self.config.actor_average)
        alpha_loss = temperature_loss(self.log_alpha, log_prob, self.target_entropy)
        self._step("alpha", alpha_loss)
        return {
            "actor_loss": loss.detach(),
            "entropy": -log_prob.mean(),
            "ent_coef_loss": alpha_loss.detach(),
        }

    def _step(self, name: str, loss: Tensor) -> None:
        optimizer = self.optimizers[name]
        optimizer.parameter.grad = None
        loss.backward()
        optimizer.step()

    def _networks(self) -> dict[str, torch.nn.Module]:
        return {
            "actor": self.actor,
            "average": self.average,
            "critics": self.critics,
            "targets": self.targets,
            "normalizer": self.normalizer,
        }


@torch.no_grad()
def _move(average: Ensemble, network: Ensemble, share: float) -> None:
    """Polyak averaging: average <- (1 - share) average + share network."""
    average.flat.lerp_(network.flat, share)
