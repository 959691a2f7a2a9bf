"""The actor, the critics, and the normalizer of what they see."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robo_maxent import kernels

WIDEST = 4096
"""Layers of at most this width run in C: a normalized value is below the root of the width."""


def sample_action(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Reparameterized sample of a tanh-squashed Gaussian (equations 20 and 21).

    The log-determinant of tanh is 2 (log 2 - u - softplus(-2 u)), exact where 1 - tanh(u)² is
    rounded to zero.

    Args:
        mean: Mean before the tanh, (B, A).
        log_std: Log standard deviation before the tanh, (B, A).
        noise: Standard normal draws, (B, A).

    Returns:
        Action in (-1, 1), (B, A), and its log-probability, (B,).
    """
    u = mean + log_std.exp() * noise
    log_normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    log_det = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return torch.tanh(u), (log_normal - log_det).sum(-1)


class Ensemble(nn.Module):
    """E networks of one shape, with two hidden layers, evaluated together: (B, I) -> (E, B, O).

    Hidden layers are SiLU of a layer norm (Ba et al. 2016, without gain and shift), or ReLU.
    All parameters are views of one flat tensor, so that an optimizer or an average takes one pass.
    """

    def __init__(
        self, count: int, inputs: int, width: int, outputs: int, layer_norm: bool, fixed: int = 0
    ) -> None:
        """Draw weights and biases from U(±1/sqrt(fan-in)), as nn.Linear does.

        Args:
            count: E.
            inputs: I.
            width: Units of a hidden layer.
            outputs: O.
            layer_norm: Normalize hidden layers.
            fixed: Leading inputs that never need a gradient.
        """
        super().__init__()
        self.layer_norm, self.fixed, self.precision = layer_norm, fixed, "fp32"
        sizes = itertools.pairwise([inputs, width, width, outputs])
        self.shapes = [shape for i, o in sizes for shape in ((count, i, o), (count, 1, o))]
        bounds = [1.0 / math.sqrt(i) for i in (inputs, width, width) for _ in range(2)]
        drawn = [
            torch.empty(shape).uniform_(-bound, bound).flatten()
            for shape, bound in zip(self.shapes, bounds, strict=True)
        ]
        self.flat = nn.Parameter(torch.cat(drawn))
        self._views: tuple[int, list[tuple[Tensor, Tensor]]] | None = None

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Weight (E, in, out) and bias (E, 1, out) of each layer, as views of the parameters."""
        address = self.flat.data_ptr()
        if self._views is None or self._views[0] != address:
            self._views = address, self.parts(self.flat.detach())
        return self._views[1]

    def parts(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Views of a flat tensor, of parameters or their gradient, by layer."""
        parts = flat.split([math.prod(shape) for shape in self.shapes])
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs, (E, B, O), of inputs (B, I)."""
        if kernels.usable(x) and self.shapes[1][2] <= WIDEST:
            return _Fused.apply(x, self.flat, self)
        return self.plain(x)

    def plain(self, x: Tensor) -> Tensor:
        """The same in plain torch: what :class:`_Fused` must agree with."""
        layers = self.parts(self.flat)
        h = x.expand(self.shapes[0][0], *x.shape)
        for weight, bias in layers[:-1]:
            h = self.product(h, weight) + bias
            h = F.silu(F.layer_norm(h, h.shape[-1:])) if self.layer_norm else F.relu(h)
        weight, bias = layers[-1]
        return self.product(h, weight) + bias

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Batched matrix product, in the network's precision."""
        return _bf16_product(a, b) if self.precision == "bf16" else torch.bmm(a, b)


def _bf16_product(a: Tensor, b: Tensor) -> Tensor:
    """Batched product of bf16 factors summed in fp32: by AMX, or by rounding where there is none.

    oneDNN rounds fp32 factors itself where the CPU has AMX, in plain rather than batched products.
    """
    if not kernels.has_amx():
        return torch.bmm(a.bfloat16().float(), b.bfloat16().float())
    matmul: Any = torch.backends.mkldnn.matmul  # pyright: ignore[reportAttributeAccessIssue]
    before, matmul.fp32_precision = matmul.fp32_precision, "bf16"
    try:
        return torch.stack([x @ y for x, y in zip(a, b, strict=True)])
    finally:
        matmul.fp32_precision = before


class _Fused(torch.autograd.Function):
    """``Ensemble.plain`` with the elementwise work in C, and its gradient written out."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        x, _, net = args
        h = x.expand(net.shapes[0][0], *x.shape)  # (E, B, I)
        *hidden, (weight, bias) = net.layers()
        inputs, kept = [h], []
        for hidden_weight, hidden_bias in hidden:
            z = net.product(h, hidden_weight)
            kept.append(kernels.activate(z, hidden_bias, net.layer_norm))
            h = kept[-1].y
            inputs.append(h)
        ctx.net, ctx.inputs, ctx.kept = net, inputs, kept
        return net.product(h, weight).add_(bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Any
    ) -> tuple[Tensor | None, Tensor | None, None]:
        net: Ensemble = ctx.net
        layers, flat_slope = net.layers(), torch.zeros_like(net.flat)
        slopes = net.parts(flat_slope)
        slope = grad_outputs[0].contiguous()
        torch.sum(slope, 1, keepdim=True, out=slopes[-1][1])
        for i in reversed(range(len(layers))):
            if ctx.needs_input_grad[1]:
                slopes[i][0].copy_(net.product(ctx.inputs[i].mT, slope))
            if i > 0:
                slope = net.product(slope, layers[i][0].mT)
                kernels.activate_backward(slope, ctx.kept[i - 1], slopes[i - 1][1])
        x_slope = None
        if ctx.needs_input_grad[0]:
            x_slope = torch.zeros_like(ctx.inputs[0][0])
            free = net.product(slope, layers[0][0][:, net.fixed :].mT)  # (E, B, I - fixed)
            torch.sum(free, 0, out=x_slope[:, net.fixed :])
        return x_slope, flat_slope if ctx.needs_input_grad[1] else None, None


class _Squash(torch.autograd.Function):
    """``sample_action`` of an actor's raw outputs, in C."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> tuple[Tensor, Tensor]:
        raw, noise, log_std_range = args
        action, spread, log_prob = kernels.squash(raw, noise, log_std_range)
        ctx.kept, ctx.range = (raw, noise, action, spread), log_std_range
        return action, log_prob

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Any
    ) -> tuple[Tensor, None, None]:
        action, log_prob = grad_outputs
        return kernels.squash_backward(ctx.kept, action, log_prob, ctx.range), None, None


class Actor(Ensemble):
    """Normalized observation -> squashed Gaussian over actions."""

    def __init__(
        self,
        obs_size: int,
        action_size: int,
        width: int,
        layer_norm: bool,
        log_std_range: tuple[float, float] = (-5.0, 0.0),
    ) -> None:
        """Two hidden layers; the last layer starts near zero, so that the first policy is calm."""
        super().__init__(1, obs_size, width, 2 * action_size, layer_norm)
        self.log_std_range = log_std_range
        weight, bias = self.layers()[-1]
        weight.mul_(0.01)
        bias.zero_()

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the tanh, each (B, A)."""
        mean, raw = self.outputs(obs)[0].chunk(2, dim=-1)
        low, high = self.log_std_range
        return mean, low + 0.5 * (high - low) * (torch.tanh(raw) + 1.0)

    def sample(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """``sample_action`` at observations (B, O): action (B, A) and log-probability (B,)."""
        if kernels.usable(obs):
            apply: Any = _Squash.apply
            return apply(self.outputs(obs)[0], noise, self.log_std_range)
        mean, log_std = self(obs)
        return sample_action(mean, log_std, noise)


class Critics(Ensemble):
    """An ensemble of E critics: (B, O) and (B, A) -> action values (E, B)."""

    def __init__(
        self, obs_size: int, action_size: int, width: int, layer_norm: bool, count: int = 2
    ) -> None:
        """Two hidden layers each."""
        super().__init__(count, obs_size + action_size, width, 1, layer_norm, fixed=obs_size)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Action values, (E, B)."""
        return self.outputs(torch.cat([obs, action], dim=-1)).squeeze(-1)


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
        return ((obs - self.shift) * self.scale).clamp_(-10.0, 10.0)
