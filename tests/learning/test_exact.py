"""The exact optima against slow versions of their own, integrals, simulations and known numbers."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from robo_maxent.errors import UsageError
from robo_maxent.learning.exact import (
    FiniteMdp,
    LinearQuadratic,
    boltzmann_gap,
    log_boltzmann,
    sampled_boltzmann_gap,
    soft_maximum,
    soft_policy_value,
    soft_value_iteration,
)

GAMMA = 0.9


def random_process(seed: int, states: int = 5, actions: int = 3) -> FiniteMdp:
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(states), (states, actions))
    terminal = np.arange(states) == 1
    return FiniteMdp(rng.normal(size=(states, actions)), transition, terminal, GAMMA)


def by_loops(mdp: FiniteMdp, alpha: float, backups: int) -> list[list[float]]:
    """Soft value iteration without arrays."""
    states, actions = mdp.reward.shape
    q = [[0.0] * actions for _ in range(states)]
    for _ in range(backups):
        value = [alpha * math.log(sum(math.exp(x / alpha) for x in row)) for row in q]
        q = [
            [
                mdp.reward[s, a]
                + GAMMA
                * sum(
                    mdp.transition[s, a, t] * (0.0 if mdp.terminal[t] else value[t])
                    for t in range(states)
                )
                for a in range(actions)
            ]
            for s in range(states)
        ]
    return q


@pytest.mark.parametrize("alpha", [0.1, 1.0, 4.0])
def test_soft_value_iteration_finds_what_plain_loops_find(alpha: float) -> None:
    mdp = random_process(0)
    found = soft_value_iteration(mdp, alpha, tolerance=1e-9)
    np.testing.assert_allclose(found, by_loops(mdp, alpha, 400), rtol=0, atol=1e-9)
    coarse = soft_value_iteration(mdp, alpha, tolerance=0.1)
    error = np.abs(coarse - found).max()
    assert 1e-9 < error < 0.1, "the tolerance is kept, and not by luck of doing more"


def test_a_temperature_of_nought_finds_the_best_of_all_deterministic_policies() -> None:
    mdp = random_process(1)
    states, actions = mdp.reward.shape
    with np.errstate(divide="ignore"):
        values = [
            soft_policy_value(mdp, np.log(np.eye(actions)[list(choice)]), alpha=0.0)
            for choice in itertools.product(range(actions), repeat=states)
        ]
    best = np.max(values, axis=0)
    np.testing.assert_allclose(soft_maximum(soft_value_iteration(mdp, 0.0), 0.0), best, atol=1e-9)


def test_the_value_of_a_policy_is_the_mean_of_its_simulated_soft_returns() -> None:
    mdp, alpha, rng = random_process(2), 0.5, np.random.default_rng(0)
    log_policy = np.log(rng.dirichlet(np.ones(3), 5))
    state, returns = np.zeros(20_000, int), np.zeros(20_000)
    alive = np.ones(len(state), bool)
    for step in range(150):
        action = (rng.random(len(state))[:, None] > np.exp(log_policy).cumsum(1)[state]).sum(1)
        reward = mdp.reward[state, action] - alpha * log_policy[state, action]
        returns += GAMMA**step * alive * reward
        cumulative = mdp.transition[state, action].cumsum(1)
        state = (rng.random(len(state))[:, None] > cumulative).sum(1).clip(max=4)
        alive &= ~mdp.terminal[state]
    error = 4 * returns.std() / math.sqrt(len(returns))
    assert returns.mean() == pytest.approx(soft_policy_value(mdp, log_policy, alpha)[0], abs=error)


# -- the Boltzmann gap -------------------------------------------------------------------


def test_the_gap_is_what_a_policy_lacks_of_the_best_value_in_units_of_the_temperature() -> None:
    rng, alpha = np.random.default_rng(0), 0.3
    q, log_policy = rng.normal(size=(6, 4)), np.log(rng.dirichlet(np.ones(4), 6))
    gap = boltzmann_gap(log_policy, q, alpha)
    value = (np.exp(log_policy) * (q - alpha * log_policy)).sum(1)
    np.testing.assert_allclose(alpha * gap, soft_maximum(q, alpha) - value)
    assert (gap > 0.01).all()
    np.testing.assert_allclose(boltzmann_gap(log_boltzmann(q, alpha), q, alpha), 0, atol=1e-14)


def test_the_gap_of_a_policy_that_never_takes_an_action_is_finite() -> None:
    gap = boltzmann_gap(np.array([0.0, -np.inf]), np.array([1.0, 1.0]), alpha=2.0)
    assert gap == pytest.approx(math.log(2.0))


@pytest.fixture
def gaussians() -> Any:
    """Log-density of a policy, action values, temperature, and the gap in closed form."""
    alpha, mean, spread = 0.2, 0.15, 0.08

    def log_policy(a: np.ndarray) -> np.ndarray:
        return norm.logpdf(a, mean, spread)

    def q(a: np.ndarray) -> np.ndarray:  # whose Boltzmann distribution is N(0, 0.1²)
        return 3.0 - alpha * a**2 / (2 * 0.1**2)

    gap = math.log(0.1 / spread) + (spread**2 + mean**2) / (2 * 0.1**2) - 0.5
    return log_policy, q, alpha, gap


def test_the_gap_on_a_grid_is_that_between_two_gaussians(gaussians: Any) -> None:
    log_policy, q, alpha, gap = gaussians
    a = np.linspace(-1, 1, 401)
    assert boltzmann_gap(log_policy(a), q(a), alpha, a[1] - a[0]) == pytest.approx(gap, rel=1e-9)
    with pytest.raises(UsageError, match=r"must sum to 1 over the actions, got .*: refine them"):
        boltzmann_gap(log_policy(a[::80]), q(a[::80]), alpha, 80 * (a[1] - a[0]))


def test_the_gap_from_samples_is_that_between_two_gaussians(gaussians: Any) -> None:
    log_policy, q, alpha, gap = gaussians
    rng = np.random.default_rng(0)
    own, even = rng.normal(0.15, 0.08, 50_000), rng.uniform(-1, 1, 50_000)
    both = np.stack([own, even])  # (2, n)
    found = sampled_boltzmann_gap(log_policy(both), q(both), alpha, 1)
    assert found == pytest.approx(gap, abs=0.02)


def test_the_gap_from_samples_counts_a_mode_that_the_policy_never_visits() -> None:
    rng, alpha = np.random.default_rng(0), 1.0
    modes = np.array([[0.5, 0.5], [-0.5, -0.5]])

    def log_density(a: np.ndarray, centres: np.ndarray) -> np.ndarray:
        parts = [norm.logpdf(a, centre, 0.1).sum(-1) for centre in centres]
        return np.logaddexp.reduce(parts) - math.log(len(centres))

    own = rng.normal(modes[0], 0.1, (20_000, 2))
    both = np.stack([own, rng.uniform(-1, 1, own.shape)])  # (2, n, 2)
    found = sampled_boltzmann_gap(log_density(both, modes[:1]), log_density(both, modes), alpha, 2)
    assert found == pytest.approx(math.log(2.0), abs=0.05)


# -- linear systems ----------------------------------------------------------------------

SCALAR = LinearQuadratic(*(np.array([[x]]) for x in (1.0, 1.0, 1.0, 1.0, 0.01)), gamma=0.99)
DOUBLE_INTEGRATOR = LinearQuadratic(
    np.array([[1.0, 0.1], [0.0, 1.0]]),
    np.array([[0.005], [0.1]]),
    np.diag([1.0, 0.1]),
    np.array([[0.1]]),
    1e-4 * np.eye(2),
    gamma=0.99,
)
PLANE = LinearQuadratic(
    np.eye(2), 0.3 * np.eye(2), np.eye(2), 0.5 * np.eye(2), 1e-3 * np.eye(2), gamma=0.95
)
SKEWED = LinearQuadratic(
    np.array([[1.0, 0.2], [-0.1, 0.9]]),
    np.array([[0.3, 0.1], [0.0, 0.4]]),
    np.array([[1.0, 0.3], [0.3, 0.8]]),
    np.array([[0.5, 0.1], [0.1, 0.3]]),
    np.array([[2e-3, 5e-4], [5e-4, 1e-3]]),
    gamma=0.9,
)


@pytest.mark.parametrize(
    ("system", "alpha", "p", "k", "m", "sigma", "entropy", "soft", "plain", "temperature"),
    [
        (SCALAR, 0.2, 1.615251, 0.615251, 2.599099, 0.038475, -0.209936, 15.797826, 11.599099,
         0.041190),
        (replace(SCALAR, gamma=0.9), 0.2, 1.588403, 0.588403, 2.429563, 0.041160, -0.176210,
         1.495376, 1.142956, 0.038503),
        (DOUBLE_INTEGRATOR, 0.1, 8.727516, 2.652718, 0.129705, 0.385489, 0.942318, -4.310294,
         5.112883, 0.00205553),
        (PLANE, 0.1, 2.797800, 1.078680, 0.739212, 0.067640, 0.144315, 1.817685, 2.106316,
         0.01171482),
    ],
)  # fmt: skip
def test_the_regulator_has_the_numbers_that_were_integrated_and_simulated_before(
    system: LinearQuadratic, alpha: float, p: float, k: float, m: float, sigma: float,
    entropy: float, soft: float, plain: float, temperature: float,
) -> None:  # fmt: skip
    best = system.solve()
    found = best.cost[0, 0], best.gain[0, 0], best.curvature[0, 0], best.covariance(alpha)[0, 0]
    assert found == pytest.approx((p, k, m, sigma), rel=2e-5)
    offsets = best.entropy(alpha), best.offset(alpha), best.plain_offset(alpha)
    assert offsets == pytest.approx((entropy, soft, plain), rel=1e-5)
    target = -float(len(best.curvature))
    assert best.temperature(target) == pytest.approx(temperature, rel=1e-4)
    assert best.entropy(best.temperature(target)) == pytest.approx(target)


@pytest.mark.parametrize("system", [SCALAR, DOUBLE_INTEGRATOR, PLANE, SKEWED])
def test_the_cost_is_where_repeated_backups_of_the_riccati_equation_end(
    system: LinearQuadratic,
) -> None:
    a, b, gamma = system.dynamics, system.control, system.gamma
    p = np.zeros_like(a)
    for _ in range(2000):
        towards = b.T @ p @ a
        curvature = system.action_cost + gamma * b.T @ p @ b
        reduction = gamma**2 * towards.T @ np.linalg.inv(curvature) @ towards
        p = system.state_cost + gamma * a.T @ p @ a - reduction
    np.testing.assert_allclose(system.solve().cost, p, rtol=1e-9)


@pytest.mark.parametrize("system", [PLANE, SKEWED])
def test_the_values_satisfy_the_soft_bellman_equations_integrated_over_a_grid(
    system: LinearQuadratic,
) -> None:
    best, alpha = system.solve(), 0.1
    # V is quadratic, so two points on each axis of the noise have its exact expectation.
    axes = math.sqrt(2.0) * np.linalg.cholesky(system.noise).T
    points = np.concatenate([axes, -axes])  # (4, 2)
    x = np.array([0.3, -0.2])
    side = np.linspace(-3.0, 3.0, 401)
    u = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2) - best.gain @ x
    states = np.tile(x, (len(u), 1))
    following = np.mean(
        [best.value(x @ system.dynamics.T + u @ system.control.T + w, alpha) for w in points], 0
    )
    reward = -(x @ system.state_cost @ x) - np.einsum("ni,ij,nj->n", u, system.action_cost, u)
    q = reward + system.gamma * following
    np.testing.assert_allclose(best.action_value(states, u, alpha), q, atol=1e-9)
    cell = (side[1] - side[0]) ** 2
    density = np.exp(log_boltzmann(q, alpha))  # sums to 1 over the grid
    assert soft_maximum(q, alpha) + alpha * math.log(cell) == pytest.approx(
        best.value(x[None], alpha)[0], abs=1e-9
    )
    mean = density @ u
    np.testing.assert_allclose(mean, -best.gain @ x, atol=1e-9)
    covariance = (u - mean).T @ ((u - mean) * density[:, None])
    np.testing.assert_allclose(covariance, best.covariance(alpha), atol=1e-9)
    entropy = -density @ np.log(density / cell)
    assert entropy == pytest.approx(best.entropy(alpha), abs=1e-9)


def test_sampled_actions_cost_the_price_of_entropy_and_a_simulated_return_the_plain_offset() -> (
    None
):
    best, alpha, rng = SKEWED.solve(), 0.1, np.random.default_rng(0)
    returns = {}
    for name, spread in (("mean", 0.0), ("sampled", 1.0)):
        x, total = np.zeros((4000, 2)), np.zeros(4000)
        for step in range(120):
            noise = rng.multivariate_normal(np.zeros(2), best.covariance(alpha), len(x))
            reward, x = SKEWED.step(x, -x @ best.gain.T + spread * noise, rng)
            total += SKEWED.gamma**step * reward
        returns[name] = total
    error = 4 * returns["sampled"].std() / math.sqrt(4000)
    assert returns["sampled"].mean() == pytest.approx(-best.plain_offset(alpha), abs=error)
    price = returns["mean"].mean() - returns["sampled"].mean()
    assert price == pytest.approx(best.price_of_entropy(alpha), abs=1.5 * error)
    assert price == pytest.approx(alpha * 2 / (2 * (1 - 0.9)), abs=1.5 * error)  # by hand: 1
    assert error < 0.1


def test_an_optimum_for_actions_in_the_unit_box_is_the_same_one() -> None:
    best, scaled, alpha = SKEWED.solve(), SKEWED.scaled(2.5).solve(), 0.1
    np.testing.assert_allclose(2.5 * scaled.gain, best.gain)
    np.testing.assert_allclose(2.5**2 * scaled.covariance(alpha), best.covariance(alpha))
    assert scaled.entropy(alpha) == pytest.approx(best.entropy(alpha) - 2 * math.log(2.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 1.0}, r"gamma must be in \[0, 1\), got 1.0"),
        ({"noise": np.eye(3)}, r"noise must have the shape \(2, 2\), got \(3, 3\)"),
        ({"control": np.ones(2)}, r"control must have 2 axes and be no empty array, got \(2,\)"),
        ({"state_cost": np.array([[1.0, 0.5], [0.0, 1.0]])}, "state_cost must be symmetric"),
        ({"action_cost": np.zeros((2, 2))}, "action_cost must be positive definite"),
    ],
)
def test_what_is_no_linear_system_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LinearQuadratic(**{**vars(PLANE), **change})


def test_a_system_that_no_action_can_hold_has_no_optimum() -> None:
    runaway = {"dynamics": 2.0 * np.eye(2), "control": np.zeros((2, 2))}
    with pytest.raises(UsageError, match="no action keeps its discounted cost finite"):
        LinearQuadratic(**{**vars(PLANE), **runaway}).solve()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": -0.1}, r"gamma must be in \[0, 1\), got -0.1"),
        ({"reward": np.zeros(5)}, "reward must have 2 axes"),
        ({"terminal": np.zeros(4)}, r"terminal must have the shape \(5,\), got \(4,\)"),
        ({"transition": np.full((5, 3, 5), 0.3)}, "transition must have probabilities that sum"),
        ({"transition": np.zeros((5, 3))}, r"transition must have the shape \(5, 3, 5\)"),
    ],
)
def test_what_is_no_process_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FiniteMdp(**{**vars(random_process(0)), **change})


def test_temperatures_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="alpha must be >= 0 and finite, got -1"):
        soft_value_iteration(random_process(0), -1.0)
    with pytest.raises(UsageError, match="tolerance must be > 0, got 0"):
        soft_value_iteration(random_process(0), 1.0, tolerance=0.0)
    for gap in (boltzmann_gap, sampled_boltzmann_gap):
        with pytest.raises(UsageError, match="alpha must be > 0 and finite, got 0"):
            gap(np.zeros((2, 2)), np.zeros((2, 2)), 0.0, 1)
