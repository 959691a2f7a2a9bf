"""The categorical critic against slow loops, laws, and the scalar critic; risk against samples."""

import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from robo_maxent.errors import UsageError
from robo_maxent.learning import native
from robo_maxent.learning.boltzmann import actor_gap
from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.categorical_critic import (
    CategoricalActionValues,
    CategoricalCritics,
    categorical_critic_loss,
    first_logits,
    goals_of,
    project,
    worst_mean,
)
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.mixture import head_of
from robo_maxent.learning.networks import Actor, Critics
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac, expected, soft_target

pytestmark = pytest.mark.usefixtures("one_thread")

OBS, ACTION = 4, 2
CONFIG = SacConfig(
    width=16, batch_size=32, actor_every=1, critic="categorical", atoms=31, support=(-20.0, 40.0)
)

places = arrays(np.float64, 7, elements=st.floats(-30.0, 30.0))
weights = arrays(np.float64, 7, elements=st.floats(0.01, 1.0))


def atoms_of(count: int, low: float, high: float) -> Tensor:
    return torch.linspace(low, high, count, dtype=torch.float64)


def probs_of(weight: np.ndarray) -> Tensor:
    return torch.from_numpy(weight / weight.sum())


def some_batch(seed: int = 0, rows: int = 32) -> ReplayBatch:
    rng = torch.Generator().manual_seed(seed)
    obs, next_obs = (torch.randn(rows, OBS, generator=rng) for _ in range(2))
    action = torch.rand(rows, ACTION, generator=rng) * 2.0 - 1.0
    ended = (torch.rand(rows, generator=rng) < 0.3).float()
    return ReplayBatch(obs, action, torch.randn(rows, generator=rng), next_obs, ended)


# -- the projection -----------------------------------------------------------------------


def by_loops(goal: np.ndarray, probs: np.ndarray, atoms: np.ndarray) -> list[float]:
    """Equation 2, word for word."""
    step = atoms[1] - atoms[0]
    projected = []
    for z in atoms:
        total = 0.0
        for t, p in zip(goal, probs, strict=True):
            total += p * max(0.0, 1.0 - abs(min(max(t, atoms[0]), atoms[-1]) - z) / step)
        projected.append(total)
    return projected


@given(places, weights, st.integers(2, 12))
@settings(max_examples=60)
def test_the_projection_is_that_of_plain_loops(
    goal: np.ndarray, weight: np.ndarray, count: int
) -> None:
    probs, atoms = probs_of(weight), atoms_of(count, -10.0, 15.0)
    found = project(torch.from_numpy(goal), probs, atoms)
    slow = by_loops(goal, probs.numpy(), atoms.numpy())
    np.testing.assert_allclose(found.numpy(), slow, atol=1e-12)


@given(places, weights, st.integers(2, 12))
@settings(max_examples=60)
def test_the_projection_keeps_the_mass_and_within_the_support_the_mean(
    goal: np.ndarray, weight: np.ndarray, count: int
) -> None:
    probs, atoms = probs_of(weight), atoms_of(count, -10.0, 15.0)
    found = project(torch.from_numpy(goal), probs, atoms)
    assert found.min() >= 0.0
    assert found.sum().item() == pytest.approx(1.0)
    mean = float(probs.numpy() @ goal.clip(-10.0, 15.0))
    assert (found @ atoms).item() == pytest.approx(mean, abs=1e-9)


def test_places_that_are_atoms_stay_whole_the_last_one_too() -> None:
    atoms, probs = atoms_of(5, 0.0, 4.0), torch.tensor([0.1, 0.2, 0.3, 0.4, 0.0]).double()
    assert torch.equal(project(atoms, probs, atoms), probs)
    found = project(atoms + 0.25, probs, atoms)
    by_hand = [0.075, 0.175, 0.275, 0.375, 0.1]
    torch.testing.assert_close(found, torch.tensor(by_hand).double(), atol=1e-7, rtol=0.0)


def test_a_place_that_is_not_a_number_stays_visible() -> None:
    probs, atoms = torch.full((2, 3), 1 / 3), torch.linspace(0.0, 2.0, 3)
    found = project(torch.tensor([[0.0, 1.0, 2.0], [math.nan] * 3]), probs, atoms)
    assert found[0].isfinite().all()
    assert found[1].isnan().any()


# -- the worst share ----------------------------------------------------------------------


@given(arrays(np.int64, 6, elements=st.integers(0, 9)), st.floats(0.01, 1.0))
@settings(max_examples=80)
def test_the_mean_of_the_worst_share_is_that_of_sorted_samples(
    counts: np.ndarray, share: float
) -> None:
    counts[0] += 1
    atoms = atoms_of(6, -3.0, 7.0)
    samples = np.sort(np.repeat(atoms.numpy(), counts))
    wanted = share * len(samples)
    taken = np.clip(wanted - np.arange(len(samples)), 0.0, 1.0)  # the last one in part
    probs = torch.from_numpy(counts / counts.sum())
    found = worst_mean(probs, atoms, share)
    assert found.item() == pytest.approx(float(taken @ samples) / wanted, abs=1e-9)


def test_with_all_of_the_returns_it_is_the_mean_bit_for_bit() -> None:
    probs, atoms = torch.rand(5, 3, 31).softmax(-1), torch.linspace(-20.0, 40.0, 31)
    assert torch.equal(worst_mean(probs, atoms, 1.0), probs @ atoms)
    torch.testing.assert_close(worst_mean(probs, atoms, 1.0 - 1e-7), probs @ atoms)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 1.0])
def test_its_slope_is_that_of_finite_differences(share: float) -> None:
    logits = torch.randn(4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    atoms = atoms_of(9, -2.0, 5.0)

    def worst(raw: Tensor) -> Tensor:
        return worst_mean(raw.softmax(-1), atoms, share)

    assert torch.autograd.gradcheck(worst, logits.requires_grad_(True))


@given(weights, st.floats(0.02, 0.98))
@settings(max_examples=40)
def test_a_smaller_share_is_never_worth_more(weight: np.ndarray, share: float) -> None:
    probs, atoms = probs_of(weight), atoms_of(7, -1.0, 1.0)
    assert worst_mean(probs, atoms, share) <= worst_mean(probs, atoms, share + 0.02) + 1e-12


# -- where it begins ----------------------------------------------------------------------


@pytest.mark.parametrize("support", [(-8.3, 91.7), (-51.0, 81.0), (-10.0, 10.0), (-30.0, 5.0)])
def test_critics_begin_with_the_most_even_distribution_of_mean_nought(
    support: tuple[float, float],
) -> None:
    atoms = torch.linspace(*support, 51)
    log_probs = first_logits(atoms).log_softmax(-1)
    assert (log_probs.exp() @ atoms).item() == pytest.approx(0.0, abs=1e-4)
    slopes = log_probs.diff()  # of all with that mean, the one with linear logits is most even
    torch.testing.assert_close(slopes, slopes.mean().expand(50), atol=1e-5, rtol=1e-3)
    config = replace(CONFIG, support=support, width=256)
    values = CategoricalCritics(OBS, ACTION, config)(torch.randn(9, OBS), torch.zeros(9, ACTION))
    assert values.abs().max() < 0.1 * (support[1] - support[0])


@pytest.mark.parametrize(("support", "near"), [((0.0, 50.0), 0.0), ((3.0, 8.0), 3.0)])
def test_a_support_that_0_is_no_part_of_begins_near_its_end(
    support: tuple[float, float], near: float
) -> None:
    atoms = torch.linspace(*support, 51)
    logits = first_logits(atoms)
    assert logits.abs().max() <= 12.0
    assert abs((logits.softmax(-1) @ atoms).item() - near) < 0.1 * 50.0


# -- goals and losses ---------------------------------------------------------------------


class Given(CategoricalCritics):
    """Critics of these distributions, (E, N), whatever they see."""

    def __init__(self, probs: Tensor, config: SacConfig) -> None:
        super().__init__(OBS, ACTION, config, count=len(probs))
        self.given = torch.nn.Parameter(probs.clamp_min(1e-30).log())

    def outputs(self, x: Tensor) -> Tensor:
        return self.given[:, None].expand(-1, len(x), -1)


def actor_for(config: SacConfig) -> Actor:
    torch.manual_seed(0)
    return Actor(OBS, head_of(config, ACTION), 16, layer_norm=True, calm_start=False)


SMALL = replace(CONFIG, atoms=3, support=(0.0, 2.0))
TARGETS = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
"""Means 1 and 0.75: the second counts, whole."""


def test_goals_worked_by_hand() -> None:
    """The critic with the smaller mean counts; its atoms move by reward, discount and entropy."""
    actor, targets = actor_for(SMALL), Given(TARGETS, SMALL)
    batch = replace(
        some_batch(rows=2), reward=torch.tensor([0.5, 0.5]), terminated=torch.tensor([0.0, 1.0])
    )
    noise = torch.zeros(2, ACTION)
    log_prob = actor.sample(batch.next_obs, noise)[1][0]
    alpha = 0.2 / log_prob.detach()  # so that the entropy adds -0.2 to each atom
    goals = goals_of(actor, targets, batch, noise, alpha, gamma=0.5)
    # 0.5 + 0.5 (z - 0.2) is 0.4, 0.9, 1.4; of the terminated row only 0.5 is left.
    running = [0.5 * 0.6 + 0.25 * 0.1, 0.5 * 0.4 + 0.25 * 0.9 + 0.25 * 0.6, 0.25 * 0.4]
    torch.testing.assert_close(goals.probs, torch.tensor([running, [0.5, 0.5, 0.0]]))
    assert not goals.short_below.any()
    assert not goals.short_above.any()


def test_what_lies_beyond_the_ends_is_cut_off_after_the_entropy_and_counted() -> None:
    actor, targets = actor_for(SMALL), Given(TARGETS, SMALL)
    batch = replace(
        some_batch(rows=2), reward=torch.tensor([3.0, -1.0]), terminated=torch.tensor([1.0, 1.0])
    )
    goals = goals_of(actor, targets, batch, torch.zeros(2, ACTION), torch.tensor(0.1), 0.5)
    torch.testing.assert_close(goals.probs, torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    torch.testing.assert_close(goals.short_above, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(goals.short_below, torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("components", [1, 3])
def test_means_of_goals_are_the_goals_of_the_scalar_critic(components: int) -> None:
    config = replace(CONFIG, components=components)
    actor, targets = actor_for(config), CategoricalCritics(OBS, ACTION, config)
    batch, alpha = some_batch(), torch.tensor(0.1)  # so that nothing reaches an end
    noise = torch.randn(32, actor.head.noise_size, generator=torch.Generator().manual_seed(2))
    goals = goals_of(actor, targets, batch, noise, alpha, 0.9).probs
    with torch.no_grad():
        value, log_prob = expected(actor, targets, batch.next_obs, noise)
    scalar = soft_target(batch.reward, batch.terminated, value, log_prob, alpha, gamma=0.9)
    torch.testing.assert_close(goals @ targets.atoms, scalar, rtol=1e-4, atol=1e-4)


def test_the_slope_of_the_loss_is_what_probabilities_are_above_the_goals() -> None:
    actor, critics = actor_for(SMALL), Given(torch.tensor([[0.2, 0.3, 0.5]]), SMALL)
    targets, batch = Given(TARGETS, SMALL), some_batch()
    inputs = batch, torch.zeros(32, ACTION), torch.tensor(0.01), 0.9
    loss, metrics = categorical_critic_loss(actor, critics, targets, *inputs)
    loss.backward()
    goals = goals_of(actor, targets, *inputs).probs
    assert critics.given.grad is not None
    expected_slope = torch.tensor([[0.2, 0.3, 0.5]]) - goals.mean(0)
    torch.testing.assert_close(critics.given.grad, expected_slope)
    entropy = -(goals * torch.tensor([0.2, 0.3, 0.5]).log()).sum(1).mean()
    torch.testing.assert_close(loss.detach(), entropy)
    assert metrics["value"].item() == pytest.approx(1.3)
    assert metrics["low_end"].item() == pytest.approx(goals[:, 0].mean().item())
    assert metrics["high_end"].item() == pytest.approx(goals[:, 2].mean().item())
    assert all(p.grad is None for p in [*actor.parameters(), *targets.parameters()])


def test_distributions_of_each_discrete_action_are_those_of_one_after_the_other() -> None:
    critics, obs = CategoricalActionValues(OBS, 3, CONFIG), torch.randn(5, OBS)
    action = torch.arange(3)[:, None, None].expand(3, 5, 1)
    together = critics.logits(obs, action)  # (2, 3, 5, N)
    assert together.shape == (2, 3, 5, 31)
    outputs = critics.outputs(obs)  # (2, 5, 3 N)
    for number in range(3):
        own = outputs[..., number * 31 : (number + 1) * 31]
        assert torch.equal(together[:, number], own)
        one = critics(obs, torch.full((5, 1), float(number)))
        torch.testing.assert_close(one, own.softmax(-1) @ critics.atoms)


def test_the_boltzmann_gap_is_that_of_scalar_critics_with_the_same_values() -> None:
    actor, generator = actor_for(CONFIG), torch.Generator()
    critics = CategoricalCritics(OBS, ACTION, CONFIG)

    class Same(Critics):
        def forward(self, obs: Tensor, action: Tensor) -> Tensor:
            return critics(obs, action)

    obs = torch.randn(3, OBS)
    gaps = [
        actor_gap(actor, each, obs, 0.5, 50, generator.manual_seed(0))
        for each in (critics, Same(OBS, ACTION, 8, False))
    ]
    assert torch.equal(*gaps)


# -- a learner ----------------------------------------------------------------------------


def test_a_scalar_critic_learns_nothing_of_the_other_settings_and_draws_the_same_noise() -> None:
    scalar = Sac(OBS, ACTION, SacConfig(width=16, batch_size=32), 0)
    assert {name for name, _ in scalar.critics.named_buffers()} == set()
    assert scalar.critics.shapes[-1] == (2, 1, 1)
    assert {"low_end", "high_end"}.isdisjoint(scalar.update(some_batch()))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_checkpoint_continues_bit_for_bit_and_keeps_its_support(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(native, "library", lambda: None)
    config = replace(CONFIG, risk=0.3)
    sac = Sac(OBS, ACTION, config, 0)
    sac.update(some_batch(0))
    file = io.BytesIO()
    torch.save(sac.state_dict(), file)
    file.seek(0)
    resumed = Sac(OBS, ACTION, replace(config, support=(-1.0, 1.0)), 9)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for each in (sac, resumed):
        each.update(some_batch(1))
    assert isinstance(resumed.critics, CategoricalCritics)
    assert resumed.critics.atoms[[0, -1]].tolist() == [-20.0, 40.0]
    for name in ("actor", "critics", "targets"):
        assert torch.equal(getattr(sac, name).flat, getattr(resumed, name).flat), name


def test_looking_at_the_learner_changes_nothing() -> None:
    one, other = (Sac(OBS, ACTION, CONFIG, 0) for _ in range(2))
    found = one.diagnose(some_batch())
    assert found.ends is not None
    assert found.ends.support == (-20.0, 40.0)
    for sac in (one, other):
        sac.update(some_batch(1))
    assert torch.equal(one.critics.flat, other.critics.flat)
    assert torch.equal(one.generator.get_state(), other.generator.get_state())


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("counts", [True, False])
def test_without_entropy_in_the_target_goals_are_those_of_a_cold_policy(
    counts: bool, components: int
) -> None:
    config = replace(CONFIG, components=components, entropy_in_target=counts, actor_every=1000)
    hot = Sac(OBS, ACTION, replace(config, initial_alpha=5.0), 0)
    cold = Sac(OBS, ACTION, replace(config, initial_alpha=1e-9, entropy_in_target=True), 0)
    for sac in (hot, cold):
        sac.update(some_batch())
    same = torch.allclose(hot.critics.flat, cold.critics.flat, rtol=1e-4, atol=1e-6)
    assert same != counts


def test_discrete_actions_learn_with_it_and_are_looked_at() -> None:
    sac = DiscreteSac(OBS, 3, replace(CONFIG, risk=0.5), 0)
    assert isinstance(sac.actor.head, Categorical)
    numbers = torch.arange(32)[:, None] % 3
    batch = replace(some_batch(), action=numbers.float())
    before = sac.critics.flat.detach().clone()
    metrics = sac.update(batch)
    assert not torch.equal(sac.critics.flat, before)
    assert {"low_end", "high_end", "entropy"} <= metrics.keys()
    assert sac.diagnose(batch).ends is not None


# -- at the door --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"critic": "quantile"}, "critic must be scalar or categorical, got quantile"),
        ({"atoms": 1}, r"atoms must be within \[2, 1,000\], got 1"),
        ({"support": (3.0, 3.0)}, "two finite numbers that rise, such as -10 90, got 3.0, 3.0"),
        ({"support": (-math.inf, 3.0)}, "support must be two finite numbers"),
        ({"support": (0.0, math.nan)}, "support must be two finite numbers"),
        ({"support": (-3e38, 3e38)}, r"support must lie within ±1e\+09, got -3e\+38, 3e\+38"),
        ({"support": (0.0, 1e-40)}, "support 0.0, 1e-40 is too narrow for 31 atoms"),
        ({"support": (1e6, 1e6 + 1.0)}, "is too narrow for 31 atoms, which 32 bits can't tell"),
        ({"risk": 0.0}, r"risk must be within \[0.001, 1\]: the worst share .*, got 0.0"),
        ({"risk": 1e-9}, r"risk must be within \[0.001, 1\]"),
        ({"risk": 1.5}, r"risk must be within \[0.001, 1\]"),
        ({"critic": "scalar", "support": None, "atoms": 51, "risk": 0.5}, "risk 0.5 means nothin"),
        ({"critic": "scalar", "support": None}, "atoms 31 means nothing with a scalar critic"),
        ({"critic": "scalar", "atoms": 51}, "support .* means nothing with a scalar critic"),
    ],
)
def test_a_setting_that_can_not_be_is_named_with_what_can(
    change: dict[str, Any], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        replace(CONFIG, **change)


def test_without_a_support_there_are_no_atoms() -> None:
    with pytest.raises(UsageError, match="a categorical critic needs a support"):
        Sac(OBS, ACTION, replace(CONFIG, support=None), 0)
