"""A mixture of K squashed Gaussians: a policy that can keep several ways of acting at once.

Its log-probability is exact, so the losses and the automatic temperature of Soft Actor-Critic hold
as they are. An expectation under it is a sum over the components of one sample of each, weighted by
the component's probability: the marginalized reparameterization of arXiv 2605.09157 (2026), whose
gradient reaches weights, means and spreads alike and varies less than that of one sample.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor
from torch.nn import functional as F

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.heads import HEADS, Draws, Head, SquashedGaussian, log_slope, log_squashed

PREFIX = "mixture of "
"""What the name of a mixture begins with; the name of the components' head follows."""
DESIGNS = 200
"""Arrangements of the first means that are compared."""


class Mixture:
    """K squashed Gaussians with probabilities.

    Raw outputs are the means of all components, then their spreads, then K logits of their
    probabilities. A mixture of one is that Gaussian, bit for bit.
    """

    compiled_range = None

    def __init__(self, gaussian: SquashedGaussian, components: int) -> None:
        """Describe the distribution.

        Args:
            gaussian: What each component is.
            components: K.
        """
        self.component, self.components = gaussian, components
        self.action_size = gaussian.action_size
        self.outputs = components * (gaussian.outputs + 1)
        self.noise_size = components * gaussian.action_size

    @property
    def name(self) -> str:
        """That of the components' head, after :data:`PREFIX`."""
        return PREFIX + self.component.name

    @property
    def settings(self) -> dict[str, Any]:
        """The range of the log standard deviations, and K."""
        return {**self.component.settings, "components": self.components}

    @property
    def clamped(self) -> bool:
        """Whether the log standard deviations are cut off at the ends of their range."""
        return self.component.clamped

    @property
    def start(self) -> Tensor:
        """Means spread over the box, equal probabilities, (outputs,).

        From means that are close to each other, components often end in one place.
        """
        means = np.arctanh(spread_out(self.components, self.action_size)).ravel()
        rest = self.outputs - len(means)
        return torch.tensor([*means.tolist(), *[0.0] * rest])

    def parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and log standard deviations before the tanh, (K, B, A), log-probabilities, (K, B).

        Args:
            raw: Output of the network, (B, outputs).
        """
        shape = (*raw.shape[:-1], self.components, self.action_size)
        gaussians, logits = raw.split([self.outputs - self.components, self.components], dim=-1)
        mean, log_std = self.component.gaussian(gaussians)
        log_weight = F.log_softmax(logits, dim=-1).movedim(-1, 0)
        return mean.view(shape).movedim(-2, 0), log_std.view(shape).movedim(-2, 0), log_weight

    def mode(self, raw: Tensor) -> Tensor:
        """The tanh of the mean of the most probable component, (B, A); of equals, the first.

        That jumps where another component becomes the most probable, and it is no average of ways
        to act, which may be none.
        """
        mean, _, log_weight = self.parts(raw)
        return torch.tanh(_of_component(mean, log_weight.argmax(0)))

    def sample(self, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Action in (-1, 1), (B, A), and its log-probability, (B,), for normal draws (B, A).

        The first draw decides the component too: its quantile lies in the share of one of them,
        and where it lies within that share is again uniform, and so is a normal draw anew.
        """
        mean, log_std, log_weight = self.parts(raw)
        chosen, first = _component_and_rest(log_weight, noise[..., 0])
        noise = torch.cat([first.unsqueeze(-1), noise[..., 1:]], dim=-1)
        u = _of_component(mean, chosen) + _of_component(log_std, chosen).exp() * noise
        standard = (u - mean) / log_std.exp()  # (K, B, A)
        # Under its own component it is the noise, exactly; so for a sample of each, below.
        own = torch.arange(self.components).unsqueeze(-1) == chosen  # (K, B)
        standard = torch.where(own.unsqueeze(-1), noise, standard)
        joint = log_weight + log_squashed(standard, log_std, log_slope(u))
        return torch.tanh(u), torch.logsumexp(joint, dim=0)

    def log_prob(self, raw: Tensor, u: Tensor) -> Tensor:
        """Log-probability, (B,), of the action tanh(u), u of (B, A)."""
        mean, log_std, log_weight = self.parts(raw)
        standard = (u - mean) / log_std.exp()  # (K, B, A)
        return torch.logsumexp(log_weight + log_squashed(standard, log_std, log_slope(u)), dim=0)

    def draws(self, raw: Tensor, noise: Tensor) -> Draws:
        """One sample of each component with its probability, for normal draws (B, K A)."""
        mean, log_std, log_weight = self.parts(raw)
        noise = noise.view(*noise.shape[:-1], self.components, -1).movedim(-2, 0)  # (K, B, A)
        u = mean + log_std.exp() * noise
        standard = (u.unsqueeze(1) - mean) / log_std.exp()  # of sample i under j, (K, K, B, A)
        own = torch.eye(self.components, dtype=torch.bool)[..., None, None]
        standard = torch.where(own, noise.unsqueeze(1), standard)
        log_det = log_slope(u).unsqueeze(1)
        joint = log_weight + log_squashed(standard, log_std, log_det)  # (K, K, B)
        return Draws(torch.tanh(u), torch.logsumexp(joint, dim=1), log_weight.exp())

    @torch.no_grad()
    def diagnostics(self, raw: Tensor) -> dict[str, Tensor]:
        """Whether components are still told apart, of raw outputs (B, outputs).

        ``mixture_perplexity``: how many components share a state's probability, exp of the entropy
        of the weights, from 1 to K, the mean over states. ``mixture_usage``: how many are used over
        all states. ``mixture_overlap``: how far two of them, drawn by their weights, are one: the
        Bhattacharyya coefficient before the tanh, from 0 to 1.
        """
        mean, log_std, log_weight = self.parts(raw)
        weight = log_weight.exp()
        usage = weight.mean(1)  # (K,)
        figures = {
            "mixture_perplexity": torch.special.entr(weight).sum(0).exp().mean(),
            "mixture_usage": torch.special.entr(usage).sum().exp(),
        }
        pairs = weight.unsqueeze(0) * weight.unsqueeze(1)  # (K, K, B)
        pairs = pairs * (1.0 - torch.eye(self.components))[..., None]
        shared = (pairs * _bhattacharyya(mean, log_std)).sum() / pairs.sum().clamp_min(1e-12)
        return figures | {"mixture_overlap": shared}


def head_of(config: SacConfig, action_size: int) -> Head:
    """The head that a configuration asks for, for actions of A elements."""
    gaussian = HEADS[config.log_std_bound](action_size, config.log_std_range)
    return gaussian if config.components == 1 else Mixture(gaussian, config.components)


def spread_out(components: int, action_size: int) -> np.ndarray:
    """Points that lie apart in [-1, 1]^A, (K, A), always the same ones.

    They are a Latin hypercube, even along each axis; of many drawn at random, the one whose nearest
    two points are farthest apart.
    """
    even = (2.0 * np.arange(components) + 1.0) / components - 1.0  # (K,)
    if components == 1:
        return np.zeros((1, action_size))
    rng = np.random.default_rng(0)
    designs = rng.permuted(np.tile(even, (DESIGNS, action_size, 1)), axis=2).swapaxes(1, 2)
    return max(designs, key=lambda points: pdist(points).min())


def _of_component(values: Tensor, chosen: Tensor) -> Tensor:
    """Rows (B, A) of values (K, B, A), each of its chosen component, (B,)."""
    index = chosen[None, ..., None].expand(1, *values.shape[1:])
    return values.gather(0, index)[0]


def _component_and_rest(log_weight: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A component, (B,), and a standard normal number that knows nothing of it, (B,).

    Args:
        log_weight: Log-probabilities of the components, (K, B).
        noise: Standard normal numbers, (B,).
    """
    weight = log_weight.detach().double().exp()
    end = weight.cumsum(0)  # (K, B)
    quantile = torch.special.ndtr(noise.double())
    chosen = (quantile >= end[:-1]).sum(0)
    own = weight.gather(0, chosen[None])[0]
    within = (quantile - (end.gather(0, chosen[None])[0] - own)) / own
    rest = torch.special.ndtri(within.clamp(1e-12, 1.0 - 1e-12)).to(noise.dtype)
    return chosen, torch.where(own == 1.0, noise, rest)  # a mixture of one leaves it alone


def _bhattacharyya(mean: Tensor, log_std: Tensor) -> Tensor:
    """How far pairs of Gaussians are one, from 0 to 1, (K, K, B), of (K, B, A)."""
    log_mean_square = torch.logaddexp(2 * log_std, 2 * log_std.unsqueeze(1)) - math.log(2.0)
    apart = (mean - mean.unsqueeze(1)).square() / log_mean_square.exp() / 8.0
    wider = 0.5 * (log_mean_square - log_std - log_std.unsqueeze(1))
    return (-(apart + wider).sum(-1)).exp()
