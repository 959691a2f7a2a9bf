"""The tanh-squashed Gaussian: its log-probability against integrals and exact formulas."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.heads import (
    ClampedGaussian,
    SquashedGaussian,
    most_entropy,
    sample_squashed,
)

GAUSSIANS = [(0.0, -0.13), (0.0, 0.0), (0.7, -0.5), (-1.5, -1.0), (0.3, -3.0)]


def log_density(action: float, mean: float, log_std: float) -> float:
    """Log-probability that ``sample_squashed`` gives to an action, by asking it for that action."""
    noise = (math.atanh(action) - mean) / math.exp(log_std)
    terms = (torch.tensor([[x]], dtype=torch.float64) for x in (mean, log_std, noise))
    sampled, log_prob = sample_squashed(*terms)
    assert sampled.item() == pytest.approx(action, abs=1e-12)
    return log_prob.item()


def probability(low: float, high: float, mean: float, log_std: float) -> float:
    peak = math.tanh(mean)
    points = [peak] if low < peak < high else None
    return quad(
        lambda a: math.exp(log_density(a, mean, log_std)), low, high, points=points, limit=500
    )[0]


@pytest.mark.parametrize(("mean", "log_std"), GAUSSIANS)
def test_probabilities_of_all_actions_sum_to_one(mean: float, log_std: float) -> None:
    assert probability(-1.0, 1.0, mean, log_std) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("mean", "log_std"), GAUSSIANS)
def test_the_probability_of_an_interval_is_that_of_the_gaussian_before_the_tanh(
    mean: float, log_std: float
) -> None:
    edges = np.linspace(-0.95, 0.95, 6)
    gaussian = np.diff(norm.cdf((np.arctanh(edges) - mean) / math.exp(log_std)))
    integral = [probability(low, high, mean, log_std) for low, high in itertools.pairwise(edges)]
    np.testing.assert_allclose(integral, gaussian, atol=1e-9)


@settings(deadline=None)
@given(st.floats(-0.999, 0.999), st.floats(-3.0, 3.0), st.floats(*SacConfig().log_std_range))
def test_the_density_is_the_gaussian_one_over_the_slope_of_tanh(
    action: float, mean: float, log_std: float
) -> None:
    expected = norm.logpdf(math.atanh(action), mean, math.exp(log_std)) - math.log1p(-(action**2))
    assert log_density(action, mean, log_std) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def entropy_of(mean: float, log_std: float) -> float:
    """By an integral over actions."""

    def surprise(action: float) -> float:
        log = log_density(action, mean, log_std)
        return -log * math.exp(log)

    return quad(surprise, -1.0, 1.0, points=[math.tanh(mean)], limit=200, epsabs=1e-7)[0]


@pytest.mark.parametrize("log_std", [-3.0, -0.5, 0.0, 1.0])
def test_no_gaussian_has_more_entropy_than_the_widest_that_is_allowed(log_std: float) -> None:
    most = most_entropy(log_std)
    assert most == pytest.approx(entropy_of(0.0, min(log_std, -0.134)), abs=1e-5)
    for mean in (0.0, 0.3, 1.0):
        for narrower in (0.0, 0.1, 1.0):
            assert entropy_of(mean, log_std - narrower) <= most + 1e-6
    assert most < math.log(2.0)


def test_sampled_actions_fall_where_the_gaussian_says() -> None:
    mean, log_std = 0.4, -0.6
    noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    action, log_prob = sample_squashed(torch.tensor([[mean]]), torch.tensor([[log_std]]), noise)
    edges = np.linspace(-0.9, 0.9, 7)
    below = (action.numpy() < edges).mean(axis=0)  # (7,)
    expected = norm.cdf((np.arctanh(edges) - mean) / math.exp(log_std))
    np.testing.assert_allclose(below, expected, atol=4 * 0.5 / math.sqrt(len(noise)))
    entropy = quad(
        lambda a: -log_density(a, mean, log_std) * math.exp(log_density(a, mean, log_std)), -1, 1
    )[0]
    assert -log_prob.mean().item() == pytest.approx(entropy, abs=0.02)


def test_independent_dimensions_add_their_log_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_std, noise = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    action, joint = sample_squashed(mean, log_std, noise)
    single = [
        sample_squashed(mean[:, [i]], log_std[:, [i]], noise[:, [i]]) for i in range(4)
    ]  # per dimension
    torch.testing.assert_close(joint, torch.stack([log_prob for _, log_prob in single]).sum(0))
    torch.testing.assert_close(action, torch.cat([part for part, _ in single], dim=1))


@pytest.mark.parametrize("u", [-30.0, -10.0, -1e-3, 0.0, 1e-3, 10.0, 30.0])
def test_float32_is_exact_where_tanh_rounds_to_one(u: float) -> None:
    noise, log_std = 0.5, -1.0
    mean = u - noise * math.exp(log_std)
    slope = -2.0 * math.log(math.cosh(u))  # log(1 - tanh(u)²), without its cancellation
    exact = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi) - slope
    _, log_prob = sample_squashed(*(torch.tensor([[x]]) for x in (mean, log_std, noise)))
    assert log_prob.dtype == torch.float32
    assert log_prob.item() == pytest.approx(exact, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("u", [-30.0, -10.0, -1.0, 0.0, 1.0, 10.0, 30.0])
def test_the_float32_gradient_is_the_one_worked_by_hand(u: float) -> None:
    noise = torch.tensor([[0.5]])
    log_std = torch.tensor([[-1.0]], requires_grad=True)
    reach = 0.5 * math.exp(-1.0)  # noise times standard deviation
    mean = torch.tensor([[u - reach]], requires_grad=True)
    _, log_prob = sample_squashed(mean, log_std, noise)
    log_prob.sum().backward()
    assert mean.grad is not None
    assert log_std.grad is not None
    # With the noise held, only -log(1 - tanh²) = 2 log cosh depends on u; its slope is 2 tanh.
    assert mean.grad.item() == pytest.approx(2 * math.tanh(u), abs=1e-6)
    assert log_std.grad.item() == pytest.approx(-1 + 2 * math.tanh(u) * reach, abs=1e-6)


@pytest.mark.parametrize(
    ("raw", "log_std", "slope"),
    [(-25.0, -20.0, 0.0), (-20.0, -20.0, 1.0), (0.3, 0.3, 1.0), (2.0, 2.0, 1.0), (2.5, 2.0, 0.0)],
)
def test_a_clamped_deviation_is_cut_off_and_has_no_slope_beyond(
    raw: float, log_std: float, slope: float
) -> None:
    output = torch.tensor([[0.4, raw]], dtype=torch.float64, requires_grad=True)
    head = ClampedGaussian(1, (-20.0, 2.0))
    mean, bounded = head.gaussian(output)
    assert (mean.item(), bounded.item()) == (0.4, log_std)
    noise, alpha, toward = torch.tensor([[0.7]], dtype=torch.float64), 0.2, 1.3
    action, log_prob = head.sample(output, noise)
    (alpha * log_prob - toward * action.sum(-1)).sum().backward()
    # By hand: u = mean + s e, log π = -log s - log(1 - tanh(u)²) + ..., so the slope at log s is
    # α (2 tanh(u) s e - 1) - toward (1 - tanh(u)²) s e, and that at the raw output this or 0.
    reach = math.exp(log_std) * 0.7
    t = math.tanh(0.4 + reach)
    expected = alpha * (2.0 * t * reach - 1.0) - toward * (1.0 - t * t) * reach
    assert output.grad is not None
    assert output.grad[0, 1].item() == pytest.approx(slope * expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("head_class", [SquashedGaussian, ClampedGaussian])
def test_the_log_probability_of_a_sample_is_asked_for_by_its_action_too(
    head_class: type[SquashedGaussian],
) -> None:
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    noise = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    head = head_class(3)
    action, log_prob = head.sample(raw, noise)
    torch.testing.assert_close(head.log_prob(raw, torch.atanh(action)), log_prob)


def test_a_squashed_deviation_covers_its_range_and_learns_everywhere() -> None:
    raw = torch.tensor([[0.0, -4.0], [0.0, 0.0], [0.0, 4.0]], requires_grad=True)
    log_std = SquashedGaussian(1, (-5.0, 2.0)).gaussian(raw)[1]
    ends = [-1.5 + 3.5 * math.tanh(x) for x in (-4.0, 0.0, 4.0)]
    assert log_std[:, 0].tolist() == pytest.approx(ends)
    log_std.sum().backward()
    assert raw.grad is not None
    assert (raw.grad[:, 1] > 0).all()
