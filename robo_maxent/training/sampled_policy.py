"""A policy with sampled actions, at the temperature of its training or another one."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from robo_maxent.errors import UsageError
from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.heads import SquashedGaussian, sample_squashed
from robo_maxent.learning.policy import Policy
from robo_maxent.types import Episode


class Sampled:
    """A policy that draws its actions, and remembers their log-probabilities."""

    def __init__(self, policy: Policy, rng: np.random.Generator, hotter: float = 1.0) -> None:
        """Act with a policy as it is, or at another temperature.

        The best policy at a temperature is exp(Q / α), so at another one it is a power of itself:
        of discrete actions exactly, logits over ``hotter``; of a Gaussian before the tanh, whose
        variance grows in proportion, as of equation (7) of ``learning.exact``.

        Args:
            policy: Of this package.
            rng: Draws the actions.
            hotter: Temperature to act at, over the one that it was trained at.

        Raises:
            UsageError: The policy is a mixture, whose powers are no mixtures.
        """
        head = policy.actor.head
        if hotter != 1.0 and not isinstance(head, Categorical | SquashedGaussian):
            raise UsageError(
                "a policy that is a mixture can't act at another temperature than it was trained "
                "at: name a task, to train it at each"
            )
        self._policy, self._rng, self._hotter = policy, rng, hotter
        self._surprise: list[list[np.ndarray]] = []  # -log π of each group, step, simulation

    def reset(self, sims: np.ndarray) -> None:
        """A group of episodes begins."""
        self._surprise.append([])

    @torch.no_grad()
    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions, (N, A), or of discrete ones (N,), of observations (N, P)."""
        policy, head = self._policy, self._policy.actor.head
        noise = self._rng.standard_normal((len(obs), head.action_size)).astype(np.float32)
        raw, draws = policy.raw(obs), torch.from_numpy(noise)
        if isinstance(head, Categorical):
            action, log_prob = head.sample(raw / self._hotter, draws)
        elif isinstance(head, SquashedGaussian):
            mean, log_std = head.gaussian(raw)
            action, log_prob = sample_squashed(mean, log_std + 0.5 * math.log(self._hotter), draws)
        else:
            action, log_prob = head.sample(raw, draws)
        self._surprise[-1].append(-log_prob.numpy())
        return action.numpy()

    def entropy(self, episodes: Sequence[Episode]) -> float:
        """Mean of -log π over the steps of the episodes that it acted in, nats."""
        total = steps = first = 0
        for group in map(np.array, self._surprise):  # (T, N)
            lengths = np.array([e.length for e in episodes[first : first + group.shape[1]]])
            lived = np.arange(len(group))[:, None] < lengths
            total, steps = total + group[lived].sum(), steps + lived.sum()
            first += group.shape[1]
        return float(total / steps)
