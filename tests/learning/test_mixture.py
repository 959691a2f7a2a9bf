"""The mixture of squashed Gaussians: densities, samples, gradients, and whether modes are kept."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import Tensor

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.exact import boltzmann_gap
from robo_maxent.learning.heads import ClampedGaussian, SquashedGaussian
from robo_maxent.learning.mixture import Mixture, head_of, spread_out
from robo_maxent.learning.networks import Actor, Critics
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac, actor_loss, expected, temperature_loss

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHT, MEAN, LOG_STD = [0.2, 0.5, 0.3], [-0.9, 0.1, 1.2], [-1.0, -2.0, -0.4]


def raw_of(
    weight: list[float], mean: list[float], log_std: list[float], rows: int = 1
) -> tuple[Mixture, Tensor]:
    """A mixture in one dimension, and the raw output, float64, that makes it so."""
    head = Mixture(ClampedGaussian(1, (-20.0, 2.0)), len(weight))
    raw = torch.tensor([[*mean, *log_std, *np.log(weight)]], dtype=torch.float64)
    return head, raw.expand(rows, -1).clone()


def density(u: float) -> float:
    """Of the action tanh(u), by hand."""
    parts = zip(WEIGHT, MEAN, LOG_STD, strict=True)
    before_tanh = sum(w * float(norm.pdf(u, m, math.exp(s))) for w, m, s in parts)
    return before_tanh / (1 - math.tanh(u) ** 2)


@pytest.mark.parametrize("u", [-3.0, -0.9, 0.0, 0.11, 2.5])
def test_the_log_probability_is_that_of_the_weighted_sum_of_densities(u: float) -> None:
    head, raw = raw_of(WEIGHT, MEAN, LOG_STD)
    found = head.log_prob(raw, torch.tensor([[u]], dtype=torch.float64))
    assert found.item() == pytest.approx(math.log(density(u)), rel=1e-12)


def test_probabilities_of_all_actions_sum_to_one() -> None:
    head, raw = raw_of(WEIGHT, MEAN, LOG_STD)

    def probability(a: float) -> float:
        return head.log_prob(raw, torch.tensor([[math.atanh(a)]]).double()).exp().item()

    total = quad(probability, -1, 1, points=[-0.7, 0.1, 0.8], limit=500)[0]
    assert total == pytest.approx(1.0, abs=1e-6)


def test_float32_is_exact_where_tanh_rounds_to_one() -> None:
    head, raw = raw_of([0.5, 0.5], [-12.0, 12.0], [-1.0, -1.0])
    exact = head.log_prob(raw, torch.tensor([[12.1]]).double())
    single = head.log_prob(raw.float(), torch.tensor([[12.1]]))
    assert single.item() == pytest.approx(exact.item(), rel=1e-5)
    assert math.isfinite(single.item())


def test_sampled_actions_fall_where_the_mixture_says_with_their_own_log_probability() -> None:
    rows = 40_000
    head, raw = raw_of(WEIGHT, MEAN, LOG_STD, rows)
    noise = torch.randn(rows, 1, generator=torch.Generator().manual_seed(0)).double()
    action, log_prob = head.sample(raw, noise)
    u = torch.atanh(action)
    torch.testing.assert_close(log_prob, head.log_prob(raw, u), rtol=1e-6, atol=1e-6)
    edges = np.linspace(-2.0, 2.5, 14)
    below = (u.numpy() < edges).mean(0)
    parts = zip(WEIGHT, MEAN, LOG_STD, strict=True)
    expected_below = sum(w * norm.cdf(edges, m, math.exp(s)) for w, m, s in parts)
    np.testing.assert_allclose(below, expected_below, atol=4 * 0.5 / math.sqrt(rows))


def test_the_draw_that_decides_the_component_says_nothing_of_where_in_it_the_action_is() -> None:
    rows = 40_000
    head = Mixture(ClampedGaussian(2, (-20.0, 2.0)), 2)
    raw = torch.tensor([[-5.0, 0.0, 5.0, 0.0, *[0.0] * 4, math.log(0.3), math.log(0.7)]])
    noise = torch.randn(rows, 2, generator=torch.Generator().manual_seed(1))
    u = torch.atanh(head.sample(raw.expand(rows, -1).double(), noise.double())[0]).numpy()
    right = u[:, 0] > 0
    assert right.mean() == pytest.approx(0.7, abs=0.01)
    for side, centre in ((right, 5.0), (~right, -5.0)):
        error = 4 / math.sqrt(side.sum())
        for part, mean in ((u[side, 0], centre), (u[side, 1], 0.0)):
            assert part.mean() == pytest.approx(mean, abs=error)
            assert part.std() == pytest.approx(1.0, abs=error)
        assert abs(np.corrcoef(u[side].T)[0, 1]) < error


def test_weighted_draws_have_the_expectations_of_the_samples() -> None:
    rows = 20_000
    head, raw = raw_of(WEIGHT, MEAN, LOG_STD, rows)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(rows, 3, generator=generator).double()
    action, log_prob, weight = head.draws(raw, noise)
    assert action.shape == (3, rows, 1)
    torch.testing.assert_close(weight[:, 0], torch.tensor(WEIGHT).double(), rtol=1e-6, atol=0)
    u = torch.atanh(action)
    for component in range(3):
        own = head.log_prob(raw, u[component])
        torch.testing.assert_close(log_prob[component], own, rtol=1e-6, atol=1e-6)
        spread = math.exp(LOG_STD[component])
        error = 4 * spread / math.sqrt(rows)
        assert u[component].mean().item() == pytest.approx(MEAN[component], abs=error)
        assert u[component].std().item() == pytest.approx(spread, rel=0.03)
    together = np.corrcoef(u[..., 0].numpy()) - np.eye(3)  # each component has its own noise
    assert np.abs(together).max() < 0.03
    entropy = quad(lambda v: -density(v) * math.log(density(v)) / math.cosh(v) ** 2, -9, 9)[0]
    assert -(weight * log_prob).sum(0).mean().item() == pytest.approx(entropy, abs=0.02)


def test_the_gradient_is_that_of_the_expectation_by_every_output() -> None:
    head, row = raw_of(WEIGHT, MEAN, LOG_STD)
    nodes = np.linspace(-8, 8, 4001)  # a quadrature in place of chance
    masses = torch.from_numpy(norm.pdf(nodes) * (nodes[1] - nodes[0]))
    noise = torch.from_numpy(nodes)[:, None].expand(-1, 3)

    def objective(raw: Tensor) -> Tensor:
        action, log_prob, weight = head.draws(raw.expand(len(noise), -1), noise)
        value = torch.sin(3.0 * action[..., 0]) - 0.3 * log_prob
        return masses @ (weight * value).sum(0)

    row.requires_grad_()
    (gradient,) = torch.autograd.grad(objective(row), row)

    def integral(outputs: np.ndarray) -> float:
        """The same on a grid, of densities alone."""
        u = torch.linspace(-8, 8, 40_001, dtype=torch.float64)[:, None]
        log_prob = head.log_prob(torch.from_numpy(outputs).expand(len(u), -1), u)
        value = torch.sin(3.0 * torch.tanh(u[:, 0])) - 0.3 * log_prob
        slope = 1 - torch.tanh(u[:, 0]) ** 2
        return (log_prob.exp() * slope * value).sum().item() * 16 / 40_000

    at, step = row.detach().numpy(), 1e-5
    assert objective(row).item() == pytest.approx(integral(at), abs=1e-6)
    for output, slope in enumerate(gradient[0].tolist()):
        moved = step * np.eye(9)[[output]]
        expected_slope = (integral(at + moved) - integral(at - moved)) / (2 * step)
        assert slope == pytest.approx(expected_slope, abs=1e-6)
        assert abs(slope) > 1e-3


@pytest.mark.parametrize("gaussian", [SquashedGaussian, ClampedGaussian])
def test_a_mixture_of_one_is_its_gaussian_bit_for_bit(gaussian: type[SquashedGaussian]) -> None:
    one, mixture = gaussian(3), Mixture(gaussian(3), 1)
    assert torch.equal(mixture.start[:-1], one.start)
    generator = torch.Generator().manual_seed(0)
    raw, noise = torch.randn(50, 7, generator=generator), torch.randn(50, 3, generator=generator)
    outputs, gradients = [], []
    for head, size in ((one, 6), (mixture, 7)):
        seen = raw[:, :size].clone().requires_grad_()
        action, log_prob, weight = head.draws(seen, noise)
        (weight * (0.2 * log_prob - action.sin().sum(-1))).sum(0).mean().backward()
        assert seen.grad is not None
        gradients.append(seen.grad[:, :6])
        outputs.append([head.mode(seen), *head.sample(seen, noise), action, log_prob, weight])
    for single, mixed in zip(*outputs, strict=True):
        assert torch.equal(single, mixed)
    assert torch.equal(*gradients)


def test_one_component_is_the_gaussian_head_and_more_are_a_mixture_of_it() -> None:
    assert type(head_of(SacConfig(), 3)) is SquashedGaussian
    head = head_of(SacConfig(components=4, log_std_bound="clamp"), 3)
    assert isinstance(head, Mixture)
    assert (head.components, type(head.component)) == (4, ClampedGaussian)
    assert head.name == "mixture of squashed gaussian, deviation clamped"


def test_the_action_without_noise_is_the_mean_of_the_most_probable_component() -> None:
    head, raw = raw_of(WEIGHT, MEAN, LOG_STD, rows=2)
    raw[1, 6] += 5.0
    np.testing.assert_allclose(head.mode(raw)[:, 0], np.tanh([0.1, -0.9]))


@pytest.mark.parametrize("actions", [1, 2, 12])
@pytest.mark.parametrize("components", [1, 2, 4, 5, 8])
def test_components_start_apart_even_along_each_axis_and_equally_probable(
    components: int, actions: int
) -> None:
    points = spread_out(components, actions)
    even = (2 * np.arange(components) + 1) / components - 1
    np.testing.assert_allclose(np.sort(points, axis=0), np.tile(even[:, None], actions), atol=1e-12)
    actor = Actor(3, Mixture(SquashedGaussian(actions), components), 8, layer_norm=True)
    with torch.no_grad():
        mean, _, log_weight = actor.head.parts(actor(torch.randn(6, 3)))  # type: ignore[attr-defined]
    for row in range(6):
        np.testing.assert_allclose(np.tanh(mean[:, row].numpy()), points, atol=0.06)
    np.testing.assert_allclose(log_weight.exp(), 1 / components, atol=0.05)


def test_four_components_of_two_actions_start_at_the_corners_of_a_square() -> None:
    points = spread_out(4, 2)
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    sides = np.sort(apart, axis=1)[:, 1:]
    np.testing.assert_allclose(sides, sides[0, 0] * np.array([[1, 1, math.sqrt(2)]] * 4))


def test_the_losses_sum_over_the_components_with_their_probabilities() -> None:
    torch.manual_seed(0)
    head = Mixture(SquashedGaussian(2), 3)
    actor = Actor(4, head, 8, layer_norm=False, calm_start=False)
    critics = Critics(4, 2, 8, layer_norm=False)
    obs, noise = torch.randn(5, 4), torch.randn(5, 6)
    with torch.no_grad():
        value, log_prob = expected(actor, critics, obs, noise)
        action, density, weight = head.draws(actor(obs), noise)
    critics.requires_grad_(False)
    for row in range(5):
        smallest = [critics(obs[[row]], action[k, [row]]).min() for k in range(3)]
        by_hand = sum(weight[k, row] * smallest[k] for k in range(3))
        assert value[row].item() == pytest.approx(float(by_hand), rel=1e-5)
        by_hand = sum(weight[k, row] * density[k, row] for k in range(3))
        assert log_prob[row].item() == pytest.approx(float(by_hand), rel=1e-5)
    loss, _ = actor_loss(actor, critics, obs, noise, torch.tensor(0.3))
    torch.testing.assert_close(loss, (0.3 * log_prob - value).mean())
    log_alpha = torch.tensor(0.1, requires_grad=True)
    temperature_loss(log_alpha, log_prob.detach(), -1.0).backward()
    assert log_alpha.grad is not None
    assert log_alpha.grad.item() == pytest.approx(1.0 - log_prob.mean().item(), rel=1e-5)


def test_diagnostics_tell_one_place_one_weight_and_one_component_a_state_apart() -> None:
    apart = raw_of([0.5, 0.5], [-2.0, 2.0], [-1.0, -1.0], rows=2)
    figures = {name: value.item() for name, value in apart[0].diagnostics(apart[1]).items()}
    assert figures["mixture_perplexity"] == pytest.approx(2.0)
    assert figures["mixture_usage"] == pytest.approx(2.0)
    # exp(-(Δ² / 8 σ²)) of two Gaussians that are 4 apart, with σ = 1 / e
    assert figures["mixture_overlap"] == pytest.approx(math.exp(-(16 / 8) * math.e**2), rel=1e-6)

    head, raw = raw_of([0.5, 0.5], [0.3, 0.3], [-1.0, -1.0])
    assert head.diagnostics(raw)["mixture_overlap"].item() == pytest.approx(1.0)
    head, raw = raw_of([0.5, 0.5], [0.3, 0.3], [-1.0, 0.0])
    wider = math.sqrt(2 * math.exp(-1) * 1 / (math.exp(-2) + 1))
    assert head.diagnostics(raw)["mixture_overlap"].item() == pytest.approx(wider)

    head, raw = raw_of([1 - 1e-9, 1e-9], [-2.0, 2.0], [-1.0, -1.0])
    collapsed = head.diagnostics(raw)
    assert collapsed["mixture_perplexity"].item() == pytest.approx(1.0, abs=1e-6)
    assert collapsed["mixture_usage"].item() == pytest.approx(1.0, abs=1e-6)

    swapped = torch.cat([raw, raw[:, [0, 1, 2, 3, 5, 4]]])
    by_state = head.diagnostics(swapped)
    assert by_state["mixture_perplexity"].item() == pytest.approx(1.0, abs=1e-6)
    assert by_state["mixture_usage"].item() == pytest.approx(2.0, abs=1e-6)


# -- learning ----------------------------------------------------------------------------


def learnt_gap(components: int, seed: int, centres: tuple[float, float]) -> float:
    """Nats between the actor and exp(Q / α) / Z of two narrow modes, after 400 steps of Adam."""
    alpha, width = 1.0, 0.1
    config = SacConfig(components=components, log_std_range=(-5.0, 0.0))
    torch.manual_seed(seed)
    actor = Actor(1, head_of(config, 1), 32, layer_norm=True)

    def q(a: Tensor) -> Tensor:
        modes = [-((a - c) ** 2) / (2 * width**2) for c in centres]
        return alpha * torch.logsumexp(torch.stack(modes), 0)

    optimizer = torch.optim.Adam(actor.parameters(), 5e-3)
    obs = torch.zeros(64, 1)
    for _ in range(400):
        noise = torch.randn(64, actor.head.noise_size)
        action, log_prob, weight = actor.draws(obs, noise)
        loss = (weight * (alpha * log_prob - q(action[..., 0]))).sum(0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    a = np.linspace(-0.999, 0.999, 2001)
    return gap_on(actor, a, q(torch.from_numpy(a)).numpy(), alpha)


@torch.no_grad()
def gap_on(actor: Actor, a: np.ndarray, q: np.ndarray, alpha: float) -> float:
    raw = actor(torch.zeros(1, 1)).double().expand(len(a), -1)
    log_policy = actor.head.log_prob(raw, torch.atanh(torch.from_numpy(a))[:, None]).numpy()
    return boltzmann_gap(log_policy, q, alpha, a[1] - a[0]).item()


@pytest.mark.parametrize("centres", [(-0.5, 0.5), (-0.7, 0.2)])
def test_two_components_learn_two_modes_and_one_gaussian_learns_one(
    centres: tuple[float, float],
) -> None:
    assert learnt_gap(2, 0, centres) < 0.05
    assert learnt_gap(1, 0, centres) > 0.5


def test_components_that_start_in_one_place_miss_a_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mixture, "start", property(lambda head: torch.zeros(head.outputs)))
    assert learnt_gap(2, 0, (-0.7, 0.2)) > 0.5


def test_a_learner_with_a_mixture_updates_in_torch_and_reports_its_components() -> None:
    config = SacConfig(width=16, batch_size=32, actor_every=1, components=3)
    sac, generator = Sac(4, 2, config, 0), torch.Generator().manual_seed(0)
    assert sac.metrics()["train/compiled"] == 0.0

    def draw(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=generator) - 1

    batch = ReplayBatch(draw(64, 4), draw(64, 2), draw(64), draw(64, 4), torch.zeros(64))
    before = sac.actor.flat.detach().clone()
    metrics = sac.update(batch)
    assert metrics["mixture_usage"].item() == pytest.approx(3.0, abs=0.01)
    assert {"mixture_perplexity", "mixture_overlap", "critic_loss", "entropy"} <= metrics.keys()
    assert (sac.actor.flat != before).any()
    assert sac.explore(draw(7, 4).numpy()).shape == (7, 2)
    again = Sac(4, 2, config, 5)
    again.load_state_dict(sac.state_dict())
    obs = draw(6, 4).numpy()
    np.testing.assert_array_equal(again.explore(obs), sac.explore(obs))
    assert "mixture_usage" not in Sac(4, 2, replace(config, components=1), 0).update(batch)
