"""Aversion to risk where the best policy is known exactly: two arms, and a stake."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.risky_bandit import (
    ARMS,
    DEVIATION,
    MEAN,
    Gamble,
    best_policy,
    best_stake,
)
from robo_maxent.learning.sac import Sac

pytestmark = pytest.mark.usefixtures("one_thread")

ALPHA = 1.0
SHARES = [1.0, 0.25]


# -- what is exact --------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.1, 0.37, 1.0])
def test_the_worst_share_is_the_worst_that_reweighting_can_do(share: float) -> None:
    """CVaR by its dual: the least mean under densities of at most 1 / share."""
    gamble = Gamble((3.0, -2.0, 0.5, -7.0), (0.4, 0.3, 0.2, 0.1))
    bounds = [(0.0, chance / share) for chance in gamble.chances]
    least = linprog(gamble.outcomes, A_eq=np.ones((1, 4)), b_eq=1.0, bounds=bounds)
    assert gamble.worst_mean(share) == pytest.approx(least.fun)


def test_the_arms_are_worth_what_the_page_says() -> None:
    safe, risky = ARMS
    assert [safe.worst_mean(share) for share in (1.0, 0.25)] == [1.0, 1.0]
    assert [risky.worst_mean(share) for share in (1.0, 0.25)] == pytest.approx([1.3, -0.8])
    assert best_policy(ARMS, ALPHA, 1.0) == pytest.approx([0.4256, 0.5744], abs=1e-4)
    assert best_policy(ARMS, ALPHA, 0.25) == pytest.approx([0.8581, 0.1419], abs=1e-4)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_no_other_stake_is_worth_more_by_samples(share: float) -> None:
    gamble = np.sort(np.random.default_rng(0).normal(MEAN, DEVIATION, 40_000))
    stakes = np.linspace(-0.5, 1.0, 151)
    tails = (np.sort(stake * gamble)[: int(share * len(gamble))].mean() for stake in stakes)
    worth = np.fromiter(tails, float) - stakes**2
    assert stakes[worth.argmax()] == pytest.approx(best_stake(share), abs=0.011)


# -- what is learnt -------------------------------------------------------------------------


def every_outcome() -> ReplayBatch:
    """Each outcome of both arms as often as it comes; nothing follows."""
    action = torch.arange(2.0).repeat_interleave(10)[:, None]
    reward = torch.tensor([1.0] * 10 + [-5.0] + [2.0] * 9)
    return ReplayBatch(torch.ones(20, 1), action, reward, torch.ones(20, 1), torch.ones(20))


@pytest.mark.parametrize("share", SHARES)
def test_discrete_actions_become_the_best_policy_at_every_aversion(
    benchmark_of_module: Callable[[str], Any], share: float
) -> None:
    config = SacConfig(
        batch_size=20,
        actor_every=1,
        learning_rate=0.3,
        weight_decay=0.0,
        tau=1.0,
        normalize=False,
        initial_alpha=ALPHA,
        alpha_learning_rate=0.0,
        critic="categorical",
        atoms=13,
        support=(-7.0, 5.0),
        risk=share,
    )
    tabular = benchmark_of_module("tabular")
    sac, batch = tabular.TableSac(1, 2, config, 0), every_outcome()
    for update in range(300):
        for name in ("actor", "critics"):
            sac.optimizers[name].rate = 0.3 * (1.0 - update / 300)
        sac.update(batch)
    with torch.no_grad():
        policy = sac.actor(torch.ones(1, 1)).softmax(-1)[0].numpy()
        values = sac.critics.each(torch.ones(1, 1), torch.arange(2)[:, None, None])[:, :, 0]
    worths = [arm.worst_mean(share) for arm in ARMS]
    np.testing.assert_allclose(values.numpy(), [worths, worths], atol=0.03)
    np.testing.assert_allclose(policy, best_policy(ARMS, ALPHA, share), atol=0.01)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_stake_becomes_as_large_as_the_worst_share_of_its_outcomes_bears(share: float) -> None:
    """In C where there is a compiler; ``test_native`` compares with torch, number by number."""
    config = SacConfig(
        width=32,
        batch_size=256,
        learning_rate=3e-3,
        weight_decay=0.0,
        normalize=False,
        initial_alpha=0.003,
        alpha_learning_rate=0.0,
        critic="categorical",
        atoms=51,
        support=(-3.0, 2.0),
        risk=share,
    )
    sac, rng, updates = Sac(1, 1, config, 0), np.random.default_rng(0), 800
    ones = torch.ones(256, 1)
    for update in range(updates):
        for name in ("actor", "critics"):
            sac.optimizers[name].rate = config.learning_rate * (1.0 - update / updates)
        stake = rng.uniform(-0.5, 1.0, (256, 1)).astype(np.float32)
        reward = stake * rng.normal(MEAN, DEVIATION, stake.shape) - stake**2
        rows = torch.from_numpy(stake), torch.from_numpy(reward).float()[:, 0]
        sac.update(ReplayBatch(ones, *rows, ones, torch.ones(256)))
    with torch.no_grad():
        found = sac.actor.mode(torch.ones(1, 1)).item()
    assert found == pytest.approx(best_stake(share), abs=0.06)
