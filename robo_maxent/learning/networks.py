"""The actor, the critics, and the normalizer of what they see."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robo_maxent.learning import hardware
from robo_maxent.learning.heads import Draws, Head

OUTLIER = 30.0
"""Deviations, each of at least one unit, beyond which an observation counts as if it were there.

So the one exploding contact in a million steps does not blind a sensor for good; a flag that is
raised for the first time, and whatever is of the size of a robot in SI units, counts in full.
"""
SETTLED = 500
"""Observations from which on the deviation is known well enough to tell outliers by."""


class Ensemble(nn.Module):
    """E networks of one shape, with two hidden layers, evaluated together: (B, I) -> (E, B, O).

    Hidden layers are SiLU of a layer norm (Ba et al. 2016, without gain and shift), or ReLU.
    All parameters are views of one flat tensor, so that an optimizer or an average takes one pass.
    """

    def __init__(self, count: int, inputs: int, width: int, outputs: int, layer_norm: bool) -> None:
        """Draw weights and biases from U(±1/sqrt(fan-in)), as nn.Linear does.

        Args:
            count: E.
            inputs: I.
            width: Units of a hidden layer.
            outputs: O.
            layer_norm: Normalize hidden layers.
        """
        super().__init__()
        self.layer_norm, self.precision = layer_norm, "fp32"
        sizes = itertools.pairwise([inputs, width, width, outputs])
        self.shapes = [shape for i, o in sizes for shape in ((count, i, o), (count, 1, o))]
        bounds = [1.0 / math.sqrt(i) for i in (inputs, width, width) for _ in range(2)]
        initial = [
            torch.empty(shape).uniform_(-bound, bound).flatten()
            for shape, bound in zip(self.shapes, bounds, strict=True)
        ]
        self.flat = nn.Parameter(torch.cat(initial))

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Weight (E, in, out) and bias (E, 1, out) of each layer, as views of the parameters."""
        return self.parts(self.flat.detach())

    def parts(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of a flat tensor, of parameters or their gradient, by layer."""
        parts = flat.split([math.prod(shape) for shape in self.shapes])
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs, (E, B, O), of inputs (B, I)."""
        layers = self.parts(self.flat)
        h = x.expand(self.shapes[0][0], *x.shape)
        for weight, bias in layers[:-1]:
            h = self.product(h, weight) + bias
            h = F.silu(F.layer_norm(h, h.shape[-1:])) if self.layer_norm else F.relu(h)
        weight, bias = layers[-1]
        return self.product(h, weight) + bias

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Batched matrix product: in the network's precision while it learns, else in fp32."""
        rounded = self.precision == "bf16" and hardware.rounds_products()
        return _bf16_product(a, b) if rounded else torch.bmm(a, b)


def _bf16_product(a: Tensor, b: Tensor) -> Tensor:
    """Batched product of bf16 factors summed in fp32.

    With AMX the library rounds them itself, within :func:`hardware.bf16_products`, but in plain
    products only, not in batched ones.
    """
    if hardware.has_amx():
        return torch.stack([x @ y for x, y in zip(a, b, strict=True)])
    return torch.bmm(a.bfloat16().float(), b.bfloat16().float())


class Actor(Ensemble):
    """Normalized observation -> distribution over actions, as its head reads it.

    It sees the first ``obs_size`` elements of an observation; what follows them is for critics.
    """

    def __init__(
        self, obs_size: int, head: Head, width: int, layer_norm: bool, calm_start: bool = True
    ) -> None:
        """Two hidden layers.

        Args:
            obs_size: How many elements of an observation it sees.
            head: What its outputs mean.
            width: Units of a hidden layer.
            layer_norm: Normalize hidden layers.
            calm_start: The last layer starts near zero, so that the first policy is calm: as its
                head says, and nearly the same everywhere.
        """
        super().__init__(1, obs_size, width, head.outputs, layer_norm)
        self.obs_size, self.head = obs_size, head
        weight, bias = self.layers()[-1]
        if calm_start:
            weight.mul_(0.01)
            bias.zero_()
        bias.add_(head.start)

    def forward(self, obs: Tensor) -> Tensor:
        """Raw output for the head, (B, outputs), at observations (B, O)."""
        return self.outputs(obs[..., : self.obs_size])[0]

    def mode(self, obs: Tensor) -> Tensor:
        """Actions without noise, (B, A), at observations (B, O)."""
        return self.head.mode(self(obs))

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions, (B, A), and their log-probabilities, (B,), at observations (B, O).

        Args:
            obs: Normalized observations.
            noise: Standard normal draws, (B, A).
        """
        return self.head.sample(self(obs), noise)

    def draws(self, obs: Tensor, noise: Tensor) -> Draws:
        """Weighted actions, which stand for all of them, at observations (B, O).

        Args:
            obs: Normalized observations.
            noise: Standard normal draws, (B, head.noise_size).
        """
        return self.head.draws(self(obs), noise)


class Critics(Ensemble):
    """An ensemble of E critics: (B, O) and (B, A) -> action values (E, B)."""

    def __init__(
        self, obs_size: int, action_size: int, width: int, layer_norm: bool, count: int = 2
    ) -> None:
        """Two hidden layers each."""
        super().__init__(count, obs_size + action_size, width, 1, layer_norm)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Action values, (E, B)."""
        return self.outputs(torch.cat([obs, action], dim=-1)).squeeze(-1)

    def each(self, obs: Tensor, action: Tensor) -> Tensor:
        """Values (E, K, B) of K actions for each observation, (K, B, A)."""
        values = self(obs.repeat(len(action), 1), action.flatten(0, 1))
        return values.unflatten(1, action.shape[:2])


class ActionValues(Critics):
    """An ensemble of E critics of discrete actions, with an output for each of A."""

    def __init__(
        self, obs_size: int, action_size: int, width: int, layer_norm: bool, count: int = 2
    ) -> None:
        """Two hidden layers each."""
        Ensemble.__init__(self, count, obs_size, width, action_size, layer_norm)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Values (E, B) of actions that are numbers, (B, 1)."""
        return self.each(obs, action[None])[:, 0]

    def each(self, obs: Tensor, action: Tensor) -> Tensor:
        """Values (E, K, B) of K actions for each observation, numbers, (K, B, 1)."""
        values = self.outputs(obs).mT  # (E, A, B)
        return values.gather(1, action[..., 0].long().expand(len(values), -1, -1))


class Normalizer(nn.Module):
    """Running mean and variance of observations (Chan et al. 1979), in float64.

    Until it has seen any, it is the identity, however large they are. Outliers are cut off, see
    :data:`OUTLIER`.

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
        if self.count >= SETTLED:
            reach = OUTLIER * torch.sqrt(self.square / self.count).clamp_(min=1.0)
            obs = obs.clamp(self.mean - reach, self.mean + reach)
        added, mean = len(obs), obs.mean(0)
        total = self.count + added
        delta = mean - self.mean
        self.square += ((obs - mean) ** 2).sum(0) + delta**2 * (self.count * added / total)
        self.mean += delta * (added / total)
        self.count.copy_(total)
        self.shift.copy_(self.mean)
        self.scale.copy_(1.0 / torch.sqrt(self.square / self.count + 1e-4))

    @property
    def limit(self) -> Tensor:
        """Where normalized observations are clipped, in standard deviations, a scalar."""
        return torch.where(self.count > 0, 10.0, math.inf)

    def first(self, size: int) -> "Normalizer":
        """The same for the first elements of an observation; it changes as this one does."""
        part = Normalizer(size)
        part.count = self.count
        for name in ("mean", "square", "shift", "scale"):
            setattr(part, name, getattr(self, name)[:size])
        return part

    def forward(self, obs: Tensor) -> Tensor:
        """Zero mean and unit variance, clipped."""
        limit = self.limit
        return ((obs - self.shift) * self.scale).clamp_(-limit, limit)
