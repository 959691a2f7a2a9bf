"""Soft Actor-Critic for discrete actions, with exact expectations over them.

Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings" (arXiv 1910.07207): the actor
gives a probability to each action and the critics a value to each, so that whatever the continuous
algorithm estimates from a sampled action is a sum here, without noise. Equation numbers below are
that paper's.

Two things are not as published. The temperature holds half of the largest entropy, log A, by
default, not 0.98 of it: 0.98 asks for a policy that is all but uniform. Where one action is better
than the others, which are alike, and there are two, the policy with that entropy takes the better
one with probability 0.58 only, and the temperature is three times the gap between their values, so
that the values count more entropy than reward (``--target-entropy-ratio 0.98`` is there for
comparison). At 0.5 it takes the better one with probability 0.89, at a temperature of half the gap;
of four actions with 0.81. And the temperature has limits, see :data:`ALPHA_LIMITS`: where all
actions have the same value, any temperature gives the same policy, and nothing else would hold it.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.diagnostics import AT_LIMIT, Diagnostics
from robo_maxent.learning.networks import ActionValues, Actor
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac, soft_target

ALPHA_LIMITS = (1e-4, 10.0)
"""Range of the temperature that is learnt, in units of the largest reward of the batch, at least 1.

It is far from where any temperature should be, and stops one that runs away.
"""

Network = Callable[[Tensor], Tensor]
"""Normalized observations, (B, O), to a number for each action: (B, A), or (E, B, A) of critics."""


def expectation(logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Expected value and entropy of a policy, each (B,).

    Args:
        logits: Of the policy, (B, A).
        values: Of the actions, (B, A).
    """
    log_probs = torch.log_softmax(logits, dim=-1)
    probs = log_probs.exp()
    return (probs * values).sum(-1), -(probs * log_probs).sum(-1)


def critic_loss(
    actor: Network,
    critics: Network,
    targets: Network,
    batch: ReplayBatch,
    alpha: Tensor,
    gamma: float,
) -> tuple[Tensor, Tensor]:
    """Squared soft Bellman error of the actions taken, summed over the critics (equation 4).

    The value of what follows is exact, V = sum over actions of pi (Q' - alpha log pi) (equation
    10), with the smaller of the critics for each action. It is left out where the episode
    terminated, and not where it was truncated.

    Args:
        actor: Logits, (B, A); not differentiated.
        critics: Values, (E, B, A), to improve.
        targets: Slowly moving copy, not differentiated.
        batch: Transitions with normalized observations; actions are whole numbers, (B, 1).
        alpha: Temperature, a scalar; 0: the goal is that of plain rewards.
        gamma: Discount.

    Returns:
        The loss, and the values of the actions taken, (E, B).
    """
    with torch.no_grad():
        following, entropy = expectation(actor(batch.next_obs), targets(batch.next_obs).amin(0))
        goal = soft_target(batch.reward, batch.terminated, following, -entropy, alpha, gamma)
    values = critics(batch.obs)  # (E, B, A)
    taken = batch.action.long().expand(len(values), -1, -1)  # (E, B, 1)
    values = values.gather(-1, taken).squeeze(-1)  # (E, B)
    return 0.5 * (values - goal).square().mean(1).sum(), values.detach()


def actor_loss(
    actor: Network, critics: Network, obs: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor]:
    """Expected alpha log pi - Q, exact over the actions (equation 12); critics stay as they are.

    Args:
        actor: Logits, (B, A), to improve.
        critics: Values, (E, B, A), not differentiated.
        obs: Normalized observations, (B, O).
        alpha: Temperature, a scalar.

    Returns:
        The loss, and the entropy of the policy at each observation, (B,).
    """
    with torch.no_grad():
        values = critics(obs).amin(0)
    value, entropy = expectation(actor(obs), values)
    return (-alpha * entropy - value).mean(), entropy.detach()


class DiscreteSac(Sac):
    """The learner of discrete actions: a categorical actor, and critics with a value for each.

    It is a :class:`Sac` in all but its networks and losses; settings of a Gaussian are not read.
    """

    def _new_networks(
        self, obs_size: int, action_size: int, policy_size: int
    ) -> tuple[Actor, ActionValues]:
        """An actor and critics for A actions to choose from."""
        config, head = self.config, Categorical(action_size)
        actor = Actor(policy_size, head, config.width, config.layer_norm, config.calm_start)
        return actor, ActionValues(obs_size, action_size, config.width, config.layer_norm)

    @property
    def target_entropy(self) -> float:
        """The entropy that the temperature holds, nats."""
        return self.config.target_entropy_ratio * math.log(self.actor.head.action_size)

    @torch.no_grad()
    def diagnose(self, batch: ReplayBatch) -> Diagnostics:
        """Look at temperature and critics; an action is saturated that is all but certain."""
        batch = self._normalized(batch)
        logits, values = self.actor(batch.next_obs), self.targets(batch.next_obs).amin(0)
        value, entropy = expectation(logits, values)
        bonus, size = self.alpha * entropy.mean(), value.abs().mean()
        taken = batch.action.long().expand(2, -1, -1)
        first, second = self.critics(batch.obs)[:2].gather(-1, taken).squeeze(-1)
        spread = torch.cat([first, second]).std().clamp_min(1e-8)
        return Diagnostics(
            entropy=float(entropy.mean()),
            target_entropy=self.target_entropy,
            entropy_share=float(bonus / (bonus + size).clamp_min(1e-8)),
            saturated=float((logits.softmax(-1).amax(-1) > AT_LIMIT).float().mean()),
            twin_gap=float((first - second).abs().mean() / spread),
            setting="--target-entropy-ratio",
        )

    def _noise(self, batch: ReplayBatch) -> Tensor:
        """Nothing: sums over all actions need no draws."""
        return torch.zeros(2 * len(batch.action), 0)

    def _update_critics(
        self, batch: ReplayBatch, noise: Tensor, alpha: Tensor
    ) -> dict[str, Tensor]:
        counted = alpha if self.config.entropy_in_target else torch.zeros_like(alpha)
        loss, values = critic_loss(
            self.actor, self.critics, self.targets, batch, counted, self.config.gamma
        )
        return self._step_critics(loss, values)

    def _update_actor(self, batch: ReplayBatch, noise: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        loss, entropy = actor_loss(self.actor, self.critics, batch.obs, alpha)
        metrics = self._step_actor(loss, -entropy)
        if self.config.alpha_learning_rate:
            self._limit_alpha(batch.reward)
        return metrics

    @torch.no_grad()
    def _limit_alpha(self, reward: Tensor) -> None:
        scale = reward.abs().max().clamp(min=1.0)
        low, high = (torch.log(limit * scale) for limit in ALPHA_LIMITS)
        self.log_alpha.clamp_(low, high)
