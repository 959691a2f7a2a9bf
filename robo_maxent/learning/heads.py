"""Heads: action distributions given by the raw outputs of a policy network.

Losses, exploration and policy files ask the head, so that another distribution is another class.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from robo_maxent.learning.config import LogStdBound

WIDEST_LOG_STD = -0.134
"""Log standard deviation before the tanh at which a squashed Gaussian has most entropy; from there
on its mass gathers at the ends of the range."""


class Draws(NamedTuple):
    """K actions for each state, whose weighted sum stands for an expectation over all actions."""

    action: Tensor
    """In [-1, 1], (K, B, A)."""
    log_prob: Tensor
    """Log-probability of each under the whole distribution, (K, B)."""
    weight: Tensor
    """What each counts; they sum to 1, (K, B)."""


class Head(Protocol):
    """A distribution over actions, given by the raw output of a network."""

    @property
    def name(self) -> str:
        """Name in policy files."""
        ...

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        ...

    @property
    def outputs(self) -> int:
        """Number of elements of the raw output."""
        ...

    @property
    def noise_size(self) -> int:
        """Number of standard normal draws that :meth:`draws` takes for a state."""
        ...

    @property
    def start(self) -> Tensor:
        """Initial offset of the raw output, (outputs,)."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Arguments that build it again, beside the number of actions; stored in policy files."""
        ...

    @property
    def compiled_range(self) -> tuple[float, float] | None:
        """Range of the log standard deviation that ``sac_update.c`` should keep to.

        None: that update does not know this head, and learning runs in torch.
        """
        ...

    @property
    def clamped(self) -> bool:
        """Whether it should cut off at the ends of that range, not squash into it."""
        ...

    def mode(self, raw: Tensor) -> Tensor:
        """The action without noise, in [-1, 1], (B, A), of raw outputs (B, outputs)."""
        ...

    def sample(self, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sample of the distribution, to act with.

        Args:
            raw: Output of the network, (B, outputs).
            noise: Standard normal draws, (B, A), all that it takes.

        Returns:
            Action in [-1, 1], (B, A), and its log-probability, (B,).
        """
        ...

    def log_prob(self, raw: Tensor, u: Tensor) -> Tensor:
        """Log-probability, (B,), of the action tanh(u), u of (B, A); of a discrete one, u (B, 1).

        It takes u, since near the ends of the range actions are rounded.
        """
        ...

    def draws(self, raw: Tensor, noise: Tensor) -> Draws:
        """Reparameterized samples, to learn from: gradients reach all of the raw output.

        Args:
            raw: Output of the network, (B, outputs).
            noise: Standard normal draws, (B, noise_size).
        """
        ...


class SquashedGaussian:
    """The tanh of a Gaussian with independent elements; raw outputs are means, then spreads.

    A tanh squashes the log standard deviation into its range.
    """

    name = "squashed gaussian"
    clamped = False

    def __init__(self, action_size: int, log_std_range: tuple[float, float] = (-5.0, 0.0)) -> None:
        """Describe the distribution.

        Args:
            action_size: A.
            log_std_range: Range of the log standard deviation before the tanh.
        """
        self.action_size, self.outputs = action_size, 2 * action_size
        self.noise_size = action_size
        self.log_std_range = log_std_range

    @property
    def start(self) -> Tensor:
        """Zeros, (2 A,)."""
        return torch.zeros(self.outputs)

    @property
    def settings(self) -> dict[str, Any]:
        """The range of the log standard deviation."""
        return {"log_std_range": self.log_std_range}

    @property
    def compiled_range(self) -> tuple[float, float]:
        """The range of the log standard deviation: ``sac_update.c`` knows this head."""
        return self.log_std_range

    def gaussian(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the tanh, each (B, A)."""
        mean, spread = raw.chunk(2, dim=-1)
        low, high = self.log_std_range
        return mean, low + 0.5 * (high - low) * (torch.tanh(spread) + 1.0)

    def mode(self, raw: Tensor) -> Tensor:
        """The tanh of the mean, (B, A)."""
        return torch.tanh(self.gaussian(raw)[0])

    def sample(self, raw: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Action in (-1, 1), (B, A), and its log-probability, (B,), for normal draws (B, A)."""
        mean, log_std = self.gaussian(raw)
        return sample_squashed(mean, log_std, noise)

    def log_prob(self, raw: Tensor, u: Tensor) -> Tensor:
        """Log-probability, (B,), of the action tanh(u), u of (B, A)."""
        mean, log_std = self.gaussian(raw)
        return log_squashed((u - mean) / log_std.exp(), log_std, log_slope(u))

    def draws(self, raw: Tensor, noise: Tensor) -> Draws:
        """One reparameterized sample, for normal draws (B, A)."""
        action, log_prob = self.sample(raw, noise)
        return Draws(action[None], log_prob[None], torch.ones_like(log_prob)[None])


class ClampedGaussian(SquashedGaussian):
    """The same with the log standard deviation cut off at the ends of its range.

    So it is in the code of Haarnoja et al. 2018 and in Stable-Baselines3, within [-20, 2]; outside
    it has no slope.
    """

    name = "squashed gaussian, deviation clamped"
    clamped = True

    def gaussian(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the tanh, each (B, A)."""
        mean, log_std = raw.chunk(2, dim=-1)
        return mean, log_std.clamp(*self.log_std_range)


HEADS: dict[LogStdBound, type[SquashedGaussian]] = {
    "tanh": SquashedGaussian,
    "clamp": ClampedGaussian,
}
"""How the log standard deviation is kept in its range -> head."""


def sample_squashed(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reparameterized sample of a tanh-squashed Gaussian.

    These are equations 20 and 21 of Haarnoja et al. 2018, arXiv 1812.05905.

    Args:
        mean: Mean before the tanh, (B, A).
        log_std: Log standard deviation before the tanh, (B, A).
        noise: Standard normal draws, (B, A).

    Returns:
        Action in (-1, 1), (B, A), and its log-probability, (B,).
    """
    u = mean + log_std.exp() * noise
    log_prob = log_squashed(noise, log_std, log_slope(u))
    return torch.tanh(u), log_prob


def log_squashed(standard: Tensor, log_std: Tensor, log_det: Tensor) -> Tensor:
    """Log-density of the action tanh(u) under a squashed Gaussian, (..., B).

    Args:
        standard: u less the mean, in standard deviations, (..., B, A).
        log_std: Log standard deviation before the tanh, (..., B, A).
        log_det: Of the tanh at u, see :func:`log_slope`, (..., B, A).
    """
    log_normal = -0.5 * standard.square() - log_std - 0.5 * math.log(2 * math.pi)
    return (log_normal - log_det).sum(-1)


def log_slope(u: Tensor) -> Tensor:
    """log(1 - tanh(u)²), exact also where 1 - tanh(u)² is rounded to zero."""
    return 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))


def most_entropy(log_std: float) -> float:
    """Largest entropy that an element of a squashed Gaussian has, nats.

    It has that at a mean of 0: entropy is (1/2) log(2 π e) + log s + E[log(1 - tanh(u)²)] with
    u ~ N(0, s²), which a mean away from 0 lowers. In s it rises up to :data:`WIDEST_LOG_STD`.

    Args:
        log_std: Largest log standard deviation before the tanh.
    """
    widest = min(log_std, WIDEST_LOG_STD)
    standard = np.linspace(-8.0, 8.0, 4001)  # in NumPy: no run has chosen the threads of torch yet
    density = np.exp(-0.5 * standard**2) / math.sqrt(2.0 * math.pi)
    u = math.exp(widest) * standard
    slope = 2.0 * (math.log(2.0) - np.logaddexp(u, -u))  # log(1 - tanh(u)²) = -2 log cosh(u)
    bend = float(np.trapezoid(density * slope, standard))
    return 0.5 * math.log(2.0 * math.pi * math.e) + widest + bend
