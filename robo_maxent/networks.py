"""The actor, the critics, and the normalizer of what they see."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG_STD_RANGE = (-5.0, 0.0)
"""Log standard deviation before the tanh: from almost none to one that covers the action range."""


class Actor(nn.Module):
    """Normalized observation -> mean and log standard deviation before the tanh."""

    def __init__(self, obs_size: int, action_size: int, width: int, layer_norm: bool) -> None:
        """Two hidden layers; the last layer starts near zero, so that the first policy is calm."""
        super().__init__()
        self.body = nn.Sequential(
            *_hidden(obs_size, width, layer_norm), *_hidden(width, width, layer_norm)
        )
        self.head = nn.Linear(width, 2 * action_size)
        with torch.no_grad():
            self.head.weight.mul_(0.01)
            self.head.bias.zero_()

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, each (B, A)."""
        mean, raw = self.head(self.body(obs)).chunk(2, dim=-1)  # (B, A)
        low, high = LOG_STD_RANGE
        return mean, low + 0.5 * (high - low) * (torch.tanh(raw) + 1.0)


class Critics(nn.Module):
    """An ensemble of E critics as batched layers: (B, O) and (B, A) -> (E, B)."""

    def __init__(
        self, obs_size: int, action_size: int, width: int, layer_norm: bool, count: int = 2
    ) -> None:
        """Two hidden layers each."""
        super().__init__()
        sizes = [obs_size + action_size, width, width, 1]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in itertools.pairwise(sizes):
            bound = 1.0 / math.sqrt(fan_in)  # as nn.Linear
            self.weights.append(torch.empty(count, fan_in, fan_out).uniform_(-bound, bound))
            self.biases.append(torch.empty(count, 1, fan_out).uniform_(-bound, bound))
        self.scales = nn.ParameterList(
            torch.ones(count, 1, width) for _ in range(2 if layer_norm else 0)
        )
        self.shifts = nn.ParameterList(
            torch.zeros(count, 1, width) for _ in range(2 if layer_norm else 0)
        )

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Action values, (E, B)."""
        x = torch.cat([obs, action], dim=-1)
        x = x.unsqueeze(0).expand(len(self.weights[0]), -1, -1)  # (E, B, O + A)
        for layer in range(2):
            x = torch.baddbmm(self.biases[layer], x, self.weights[layer])  # (E, B, width)
            if len(self.scales):
                x = F.layer_norm(x, x.shape[-1:]) * self.scales[layer] + self.shifts[layer]
            x = F.silu(x)
        return torch.baddbmm(self.biases[2], x, self.weights[2]).squeeze(-1)  # (E, B)


class Normalizer(nn.Module):
    """Running mean and variance of observations (Chan et al. 1979), in float64.

    Update it once per fresh observation, never inside a gradient step: replay stores raw
    observations, so that all of them are seen through the present statistics.
    """

    def __init__(self, size: int) -> None:
        """Start as the identity."""
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("square", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.count: Tensor
        self.mean: Tensor
        self.square: Tensor
        self.shift: Tensor
        self.scale: Tensor

    @torch.no_grad()
    def update(self, obs: Tensor) -> None:
        """Take in fresh observations, (n, O)."""
        obs = obs.double()
        added = len(obs)
        total = self.count + added
        delta = obs.mean(0) - self.mean
        self.square += ((obs - obs.mean(0)) ** 2).sum(0) + delta**2 * (self.count * added / total)
        self.mean += delta * (added / total)
        self.count.copy_(total)
        self.shift.copy_(self.mean)
        self.scale.copy_(1.0 / torch.sqrt(self.square / self.count + 1e-4))

    def forward(self, obs: Tensor) -> Tensor:
        """Zero mean and unit variance, clipped at 10 standard deviations."""
        return ((obs - self.shift) * self.scale).clamp(-10.0, 10.0)


def _hidden(fan_in: int, fan_out: int, layer_norm: bool) -> list[nn.Module]:
    norm = [nn.LayerNorm(fan_out)] if layer_norm else []
    return [nn.Linear(fan_in, fan_out), *norm, nn.SiLU()]
