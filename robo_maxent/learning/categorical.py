"""The head of discrete actions: one of several, each with its probability."""

from typing import Any

import torch
from torch import Tensor

from robo_maxent.learning.heads import Draws


class Categorical:
    """One action of several; raw outputs are logits, one for each. A ``heads.Head``.

    Actions are whole numbers, int64, (B,), not elements of [-1, 1].
    """

    name = "categorical"
    clamped = False
    compiled_range = None

    def __init__(self, action_size: int) -> None:
        """Describe the distribution.

        Args:
            action_size: Number of actions to choose from, A.
        """
        self.action_size = self.outputs = action_size
        self.noise_size = 0

    @property
    def start(self) -> Tensor:
        """Zeros: no offset, (A,)."""
        return torch.zeros(self.outputs)

    @property
    def settings(self) -> dict[str, Any]:
        """No settings."""
        return {}

    def log_probs(self, raw: Tensor) -> Tensor:
        """Log-probability of each action, (B, A), of logits (B, A)."""
        return torch.log_softmax(raw, dim=-1)

    def mode(self, raw: Tensor) -> Tensor:
        """The likeliest action, (B,); of those that are equally likely the first.

        Where logits are not finite it is -1, which no simulation takes for an action.
        """
        return _chosen(raw, raw)

    def sample(self, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """An action, (B,), drawn by the Gumbel trick, and its log-probability, (B,).

        The largest of logit + g has the probabilities of the softmax, if the g are independent
        draws of Gumbel's distribution (Maddison, Tarlow and Minka 2014, arXiv 1411.0030). They are
        made of normal draws, which are what a policy is given: g = -log(-log Phi(noise)).

        Args:
            raw: Logits, (B, A).
            noise: Standard normal draws, (B, A).
        """
        gumbel = -torch.log(-torch.special.log_ndtr(noise))
        action = _chosen(raw, raw.detach() + gumbel)
        taken = self.log_probs(raw).gather(-1, action.clamp(min=0)[:, None])
        return action, taken.squeeze(-1)

    def log_prob(self, raw: Tensor, u: Tensor) -> Tensor:
        """Log-probability, (B,), of actions u, whole numbers, (B, 1)."""
        return self.log_probs(raw).gather(-1, u.long()).squeeze(-1)

    def draws(self, raw: Tensor, noise: Tensor) -> Draws:
        """All actions with their probabilities, which need no noise: sums over them are exact."""
        log_probs = self.log_probs(raw).T  # (A, B)
        actions = torch.arange(self.action_size)[:, None, None].expand(-1, len(raw), 1)
        return Draws(actions, log_probs, log_probs.exp())


def _chosen(raw: Tensor, scores: Tensor) -> Tensor:
    """The action of the largest score, int64, (B,); -1 where a logit is not finite."""
    return torch.where(raw.isfinite().all(dim=-1), scores.argmax(dim=-1), -1)
