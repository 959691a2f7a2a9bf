"""Critics that know how returns are distributed, not their mean alone, and what is risky in that.

A categorical critic gives probabilities p_1 ... p_N to N atoms z_1 < ... < z_N, evenly Δ apart over
a support: the distribution of the soft return. It learns by classification, the "C51" of Bellemare,
Dabney and Munos 2017 (arXiv 1707.06887), whose projection (equation 7 there) is (2); that the
cross-entropy (3) scales better than squared errors is shown by Farebrother et al. 2024
(arXiv 2403.03950). With entropy, for a next action a' ~ π(s') and the critic whose mean is smaller:

    (1)  T z_j = r + γ (1 - terminated) (z_j - α log π(a' | s'))
    (2)  m_i = Σ_j p_j(s', a') max(0, 1 - |min(max(T z_j, z_1), z_N) - z_i| / Δ)
    (3)  loss = -Σ_i m_i log p_i(s, a), summed over the critics

(2) keeps the mean wherever T z_j lies within the support: so Σ_i p_i z_i obeys the soft Bellman
equation, and its fixed point is that of a scalar critic.

An actor that is averse to risk maximizes the mean of the worst share ρ of the distribution, its
conditional value at risk (Rockafellar and Uryasev 2002, "Conditional value-at-risk for general loss
distributions", proposition 8):

    (4)  CVaR_ρ = z_k - (1 / ρ) Σ_i p_i max(z_k - z_i, 0),  k the first with p_1 + ... + p_k >= ρ

With ρ = 1 it is the mean. The distribution is that of the policy itself, entropy included, as in Ma
et al. 2020 (arXiv 2004.14547). Over several steps this is a rule and no optimum: each action is
chosen for the worst share of what follows it, by a policy that will choose so again. Where nothing
follows it is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.networks import Actor, Critics, Ensemble
from robo_maxent.learning.replay_buffer import ReplayBatch

STEEPEST = 12.0
"""Between the logits that a critic begins with, from the one of return 0 to that of the largest."""


def project(goal: Tensor, probs: Tensor, atoms: Tensor) -> Tensor:
    """Probabilities at other places, brought to the atoms: equation (2).

    Each is shared by the two atoms around it, so that the mean stays; what lies beyond the ends
    goes to the ends.

    Args:
        goal: Where the probabilities are, (..., M).
        probs: The probabilities, (..., M).
        atoms: Evenly spaced places, rising, (N,), N >= 2.

    Returns:
        Probabilities of the atoms, (..., N).
    """
    count, step = len(atoms), (atoms[-1] - atoms[0]) / (len(atoms) - 1)
    place = ((goal - atoms[0]) / step).clamp(0.0, count - 1.0)
    below = place.nan_to_num(0.0).floor().clamp(max=count - 2.0)  # NaN is no index
    above_share, index = place - below, below.long()
    projected = probs.new_zeros(*probs.shape[:-1], count)
    projected.scatter_add_(-1, index, probs * (1.0 - above_share))
    return projected.scatter_add_(-1, index + 1, probs * above_share)


def worst_mean(probs: Tensor, atoms: Tensor, share: float) -> Tensor:
    """Mean of the worst share of distributions, (...): equation (4).

    Its gradient is that of (4) with k held, which is the true one wherever there is one.

    Args:
        probs: Probabilities of the atoms, (..., N).
        atoms: Rising, (N,).
        share: ρ in (0, 1]; 1: the mean.
    """
    if share == 1.0:
        return probs @ atoms
    quantile = (probs.detach().cumsum(-1) < share).sum(-1).clamp(max=len(atoms) - 1)
    edge = atoms[quantile]  # (...)
    below = (edge.unsqueeze(-1) - atoms).clamp(min=0.0)  # (..., N)
    return edge - (probs * below).sum(-1) / share


def first_logits(atoms: Tensor) -> Tensor:
    """Logits to begin with, (N,): of the most even distribution with mean 0, as of a scalar critic.

    From even ones a critic would begin in the middle of its support, at a value that no policy has,
    and unlearn that first. They are linear in the atoms, and span no more than :data:`STEEPEST`
    either way: a support with 0 near an end, or beyond, begins as near to it as that allows.
    """
    z = atoms.double() / atoms.abs().max()
    low, high = -STEEPEST, STEEPEST
    for _ in range(60):  # bisection: the steeper, the larger the mean
        slope = 0.5 * (low + high)
        is_low = bool((slope * z).softmax(0) @ z < 0.0)
        low, high = (slope, high) if is_low else (low, slope)
    return (low * z).to(atoms.dtype)


class CategoricalCritics(Critics):
    """An ensemble of E critics with a probability for each of N atoms."""

    atoms: Tensor

    def __init__(self, obs_size: int, action_size: int, config: SacConfig, count: int = 2) -> None:
        """Two hidden layers each.

        Raises:
            UsageError: The configuration has no support.
        """
        inputs, outputs = obs_size + action_size, config.atoms
        Ensemble.__init__(self, count, inputs, config.width, outputs, config.layer_norm)
        self._set_atoms(config)
        self._begin_at_nought()

    def _set_atoms(self, config: SacConfig) -> None:
        if config.support is None:
            raise UsageError("a categorical critic needs a support: the range of returns")
        self.register_buffer("atoms", torch.linspace(*config.support, config.atoms))
        self.risk = config.risk

    def _begin_at_nought(self) -> None:
        bias = self.layers()[-1][1]  # (E, 1, N), of discrete actions (E, 1, A N)
        bias.unflatten(-1, (-1, len(self.atoms))).add_(first_logits(self.atoms))

    def logits(self, obs: Tensor, action: Tensor) -> Tensor:
        """Logits of the atoms, (E, K, B, N), of K actions for each observation, (K, B, A)."""
        seen = torch.cat([obs.repeat(len(action), 1), action.flatten(0, 1)], dim=-1)
        return self.outputs(seen).unflatten(1, action.shape[:2])

    def each(self, obs: Tensor, action: Tensor) -> Tensor:
        """What K actions for each observation, (K, B, A), are worth to the actor, (E, K, B).

        That is the mean of their return, or of its worst share.
        """
        return worst_mean(self.logits(obs, action).softmax(-1), self.atoms, self.risk)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """The same of one action for each, (B, A) to (E, B)."""
        return self.each(obs, action[None])[:, 0]


class CategoricalActionValues(CategoricalCritics):
    """The same for discrete actions, with an output for each atom of each of A actions."""

    def __init__(self, obs_size: int, action_size: int, config: SacConfig, count: int = 2) -> None:
        """Two hidden layers each.

        Raises:
            UsageError: The configuration has no support.
        """
        outputs = action_size * config.atoms
        Ensemble.__init__(self, count, obs_size, config.width, outputs, config.layer_norm)
        self._set_atoms(config)
        self._begin_at_nought()

    def logits(self, obs: Tensor, action: Tensor) -> Tensor:
        """Logits of the atoms, (E, K, B, N), of actions that are numbers, (K, B, 1)."""
        logits = self.outputs(obs).unflatten(-1, (-1, len(self.atoms)))  # (E, B, A, N)
        index = action.long().movedim(0, 1).expand(len(logits), -1, -1, len(self.atoms))
        return logits.gather(2, index).movedim(2, 1)


class Goals(NamedTuple):
    """Distributions that critics should have, and what they lost at the ends of the support."""

    probs: Tensor
    """m, (B, N)."""
    short_below: Tensor
    """By how much the lower end raised the mean, (B,)."""
    short_above: Tensor
    """By how much the upper end lowered the mean, (B,)."""


@torch.no_grad()
def goals_of(
    actor: Actor,
    targets: CategoricalCritics,
    batch: ReplayBatch,
    noise: Tensor,
    alpha: Tensor,
    gamma: float,
) -> Goals:
    """Distributions of the soft return after each transition: equations (1) and (2).

    Args:
        actor: Policy.
        targets: Slowly moving critics; for each next action that with the smaller mean counts.
        batch: Transitions with normalized observations.
        noise: Standard normal draws for the next action, (B, actor.head.noise_size).
        alpha: Temperature, a scalar; 0: the goal is that of plain rewards.
        gamma: Discount.
    """
    atoms = targets.atoms
    action, log_prob, weight = actor.draws(batch.next_obs, noise)  # (K, B, A), (K, B), (K, B)
    probs = targets.logits(batch.next_obs, action).softmax(-1)  # (E, K, B, N)
    smaller = (probs @ atoms).argmin(0)  # (K, B)
    probs = probs.gather(0, smaller[None, ..., None].expand(1, *probs.shape[1:]))[0]  # (K, B, N)
    follows = (gamma * (1.0 - batch.terminated)).unsqueeze(-1)  # (B, 1)
    soft = atoms - alpha * log_prob.unsqueeze(-1)  # (K, B, N)
    goal = batch.reward.unsqueeze(-1) + follows * soft  # (K, B, N)
    below, above = (atoms[0] - goal).clamp(min=0.0), (goal - atoms[-1]).clamp(min=0.0)
    return Goals(
        (weight.unsqueeze(-1) * project(goal, probs, atoms)).sum(0),
        *((weight * (probs * lost).sum(-1)).sum(0) for lost in (below, above)),
    )


def categorical_critic_loss(
    actor: Actor,
    critics: CategoricalCritics,
    targets: CategoricalCritics,
    batch: ReplayBatch,
    noise: Tensor,
    alpha: Tensor,
    gamma: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy from the distributions of the soft return, summed over the critics: (3).

    Arguments are those of ``sac.critic_loss``.

    Returns:
        The loss, and metrics: the mean value under the critics, and the mean probability that the
        goals have at either end of the support.
    """
    goals = goals_of(actor, targets, batch, noise, alpha, gamma).probs
    log_probs = critics.logits(batch.obs, batch.action[None])[:, 0].log_softmax(-1)  # (E, B, N)
    return -(goals * log_probs).sum(-1).mean(1).sum(), {
        "value": (log_probs.detach().exp() @ critics.atoms).mean(),
        "low_end": goals[:, 0].mean(),
        "high_end": goals[:, -1].mean(),
    }
