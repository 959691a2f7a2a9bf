"""Soft Actor-Critic for discrete actions, with exact expectations over them.

Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings" (arXiv 1910.07207): the actor
gives a probability to each action and the critics a value to each, so that whatever the continuous
algorithm estimates from a sampled action is a sum over all of them here, without noise. The losses
are those of ``sac.py``, whose ``expected`` sums over the weighted actions of a head; those of a
``Categorical`` are all that there are.

Two things are not as published. The temperature holds half of the largest entropy, log A, by
default, not 0.98 of it: 0.98 asks for a policy that is all but uniform. Where one of two actions is
better, the policy with that entropy takes it with probability 0.58 only, and the temperature is
three times the gap between their values, so that these count more entropy than reward. At 0.5 it
takes the better one with probability 0.89, at a temperature of half the gap; the best of four that
are else alike with 0.81. And the temperature has limits, :data:`ALPHA_LIMITS`: where all actions
are worth the same, no temperature brings the entropy down, and nothing else would stop it.
"""

import math

import torch
from torch import Tensor

from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.categorical_critic import CategoricalActionValues
from robo_maxent.learning.diagnostics import AT_LIMIT, Diagnostics
from robo_maxent.learning.networks import ActionValues, Actor, Critics
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac, expected

ALPHA_LIMITS = (1e-4, 10.0)
"""Range of the temperature that is learnt, in units of the largest reward of the batch, at least 1.

It is far from where any temperature should be, and stops one that runs away.
"""


class DiscreteSac(Sac):
    """The learner of discrete actions: a categorical actor, and critics with a value for each.

    It is a :class:`~robo_maxent.learning.sac.Sac` in all but its networks and its temperature.
    Settings of a Gaussian are not read.
    """

    def _new_networks(
        self, obs_size: int, action_size: int, policy_size: int
    ) -> tuple[Actor, Critics]:
        """An actor and critics for A actions to choose from."""
        config, head = self.config, Categorical(action_size)
        actor = Actor(policy_size, head, config.width, config.layer_norm, config.calm_start)
        if config.critic == "categorical":
            return actor, CategoricalActionValues(obs_size, action_size, config)
        return actor, ActionValues(obs_size, action_size, config.width, config.layer_norm)

    @property
    def target_entropy(self) -> float:
        """The entropy that the temperature holds, nats."""
        return self.config.target_entropy_ratio * math.log(self.actor.head.action_size)

    @torch.no_grad()
    def diagnose(self, batch: ReplayBatch) -> Diagnostics:
        """Look at temperature and critics; an action is saturated that is all but certain."""
        batch = self._normalized(batch)
        none = torch.zeros(len(batch.action), 0)
        value, log_prob = expected(self.actor, self.targets, batch.next_obs, none)
        bonus, size = -self.alpha * log_prob.mean(), value.abs().mean()
        first, second = self.critics(batch.obs, batch.action)[:2]
        certain = self.actor(batch.next_obs).softmax(-1).amax(-1) > AT_LIMIT  # (B,)
        spread = torch.cat([first, second]).std().clamp_min(1e-8)
        return Diagnostics(
            entropy=float(-log_prob.mean()),
            target_entropy=self.target_entropy,
            entropy_share=float(bonus / (bonus + size).clamp_min(1e-8)),
            saturated=float(certain.float().mean()),
            twin_gap=float((first - second).abs().mean() / spread),
            discrete=True,
            endless=float(bonus * self._entropy_horizon / size.clamp_min(1e-8)),
            terminated=float(batch.terminated.mean()),
            fixed=self._holds_temperature,
            ends=self._ends(batch),
        )

    def _update_actor(self, batch: ReplayBatch, noise: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        metrics = super()._update_actor(batch, noise, alpha)
        if not self._holds_temperature:
            self._limit_alpha(batch.reward)
        return metrics

    @torch.no_grad()
    def _limit_alpha(self, reward: Tensor) -> None:
        scale = reward.abs().max().clamp(min=1.0)
        low, high = (torch.log(limit * scale) for limit in ALPHA_LIMITS)
        self.log_alpha.clamp_(low, high)
