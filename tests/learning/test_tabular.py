"""The soft backup on finite Markov decision processes, where the soft optimum is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from robo_maxent.learning.exact import (
    FiniteMdp,
    soft_maximum,
    soft_policy_value,
    soft_value_iteration,
)
from robo_maxent.learning.sac import soft_target

ALPHAS = [0.05, 0.3, 1.0, 5.0]
GAMMA = 0.9


def garnet(seed: int, states: int = 12, actions: int = 4, branches: int = 3) -> FiniteMdp:
    """A random process; every move leads to one of a few states, two of them terminal."""
    rng = np.random.default_rng(seed)
    moves = np.zeros((states, actions, states))
    for s, a in np.ndindex(states, actions):
        moves[s, a, rng.choice(states, branches, replace=False)] = rng.dirichlet(np.ones(branches))
    terminal = (np.arange(states) < 2).astype(float)
    return FiniteMdp(rng.normal(size=(states, actions)), moves, terminal, GAMMA)


def backed_up(mdp: FiniteMdp, alpha: float, seed: int = 0) -> np.ndarray:
    """Fixed point, (S, A), of the library's backup.

    The policy is softmax(Q / alpha), under which Q - alpha log pi is the same for every action:
    one next action, drawn here uniformly, is then as good as the expectation over all.
    """
    rng = np.random.default_rng(seed)
    states, actions = mdp.reward.shape
    shape = mdp.transition.shape  # (S, A, S)
    reward = torch.from_numpy(np.broadcast_to(mdp.reward[:, :, None], shape).copy())
    terminated = torch.from_numpy(np.broadcast_to(mdp.terminal, shape).copy())
    q = np.zeros_like(mdp.reward)
    for _ in range(600):
        log_pi = log_softmax(q / alpha, axis=1)
        nxt = np.arange(states), rng.integers(actions, size=shape)
        goal = soft_target(
            reward,
            terminated,
            torch.from_numpy(q[nxt]),
            torch.from_numpy(log_pi[nxt]),
            torch.tensor(alpha, dtype=torch.float64),
            GAMMA,
        )
        q = (mdp.transition * goal.numpy()).sum(2)  # (S, A)
    return q


def test_one_state_that_loops_has_the_value_worked_by_hand() -> None:
    loop = FiniteMdp(np.array([[1.0, 0.0]]), np.ones((1, 2, 1)), np.zeros(1), GAMMA)
    q = backed_up(loop, alpha=0.5)
    value = 0.5 * np.log(np.exp(2.0) + 1.0) / 0.1
    assert value == pytest.approx(10.6346, abs=5e-5)
    np.testing.assert_allclose(q, [[1 + 0.9 * value, 0.9 * value]], rtol=1e-12)
    pi = np.exp(log_softmax(q / 0.5, axis=1))
    np.testing.assert_allclose(pi, [[0.8808, 0.1192]], atol=5e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_repeated_backups_find_what_soft_value_iteration_finds(alpha: float) -> None:
    mdp = garnet(seed=0)
    np.testing.assert_allclose(
        backed_up(mdp, alpha), soft_value_iteration(mdp, alpha), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_alpha_log_pi_is_the_advantage_under_the_linear_solution_of_that_policy(
    alpha: float,
) -> None:
    mdp = garnet(seed=1)
    log_pi = log_softmax(backed_up(mdp, alpha) / alpha, axis=1)
    v = soft_policy_value(mdp, log_pi, alpha)
    q = mdp.action_value(v)
    np.testing.assert_allclose(alpha * log_pi, q - v[:, None], atol=1e-9)
    np.testing.assert_allclose(q, backed_up(mdp, alpha), atol=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropy_adds_at_least_nothing_and_at_most_that_of_uniform_choice_forever(
    alpha: float,
) -> None:
    mdp = garnet(seed=2)
    q = backed_up(mdp, alpha)
    soft = soft_maximum(q, alpha)
    plain = soft_value_iteration(mdp, 0.0).max(axis=1)
    bound = alpha * np.log(mdp.reward.shape[1]) / (1 - GAMMA)
    achieved = soft_policy_value(mdp, log_softmax(q / alpha, axis=1), alpha=0.0)
    for gap in (soft - plain, plain - achieved):
        assert (gap >= -1e-9).all()
        assert (gap <= bound).all()
    assert (soft - plain).max() > 0.01 * bound


@pytest.mark.parametrize("alpha", ALPHAS)
def test_no_other_policy_has_a_larger_soft_value(alpha: float) -> None:
    mdp, rng = garnet(seed=3), np.random.default_rng(0)
    logits = backed_up(mdp, alpha) / alpha
    best = soft_policy_value(mdp, log_softmax(logits, axis=1), alpha)
    for size in (0.01, 0.1, 1.0, 10.0):
        other = log_softmax(logits + size * rng.normal(size=logits.shape), axis=1)
        assert (soft_policy_value(mdp, other, alpha) < best + 1e-12).all()


def test_rewards_and_temperature_scaled_alike_leave_the_policy_alone() -> None:
    mdp = garnet(seed=4)
    scaled = replace(mdp, reward=7.0 * mdp.reward)
    np.testing.assert_allclose(backed_up(scaled, 7.0 * 0.3) / 7.0, backed_up(mdp, 0.3), atol=1e-10)
