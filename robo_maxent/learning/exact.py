"""Exact optima of maximum-entropy problems that are small enough to be solved.

A learner is right where it comes near to them: tests and ``benchmarks/oracles.py`` compare. All
logarithms are natural, so that entropies are in nats; α is the temperature, γ the discount.

*Finite processes*, of S states and A actions (theorems 1 and 2 of Haarnoja et al. 2017, arXiv
1702.08165; equations 2 to 4 of Haarnoja et al. 2018, arXiv 1812.05905):

    (1)  Q(s, a) = r(s, a) + γ Σ_t P(t | s, a) (1 - terminal(t)) V(t)
    (2)  V(s) = α log Σ_a exp(Q(s, a) / α)
    (3)  π(a | s) = exp((Q(s, a) - V(s)) / α)
    (4)  V_π(s) = Σ_a π(a | s) (Q_π(s, a) - α log π(a | s))
    (5)  KL(π || exp(Q / α) / Z) = Σ_a π (log π - Q / α) + log Σ_a exp(Q / α)

(4) is of any policy, (2) of the best one. For continuous actions the sums are integrals.

*Linear systems with quadratic costs*, x' = A x + B u + w with w of covariance W, n states and m
actions without bounds, reward -(xᵀ Q x + uᵀ R u):

    (6)  P = Q + γ Aᵀ P A - γ² Aᵀ P B M⁻¹ Bᵀ P A,  M = R + γ Bᵀ P B
    (7)  π(· | x) = N(-K x, Σ),  K = γ M⁻¹ Bᵀ P A,  Σ = (α / 2) M⁻¹
    (8)  V(x) = -xᵀ P x - c,  Q(x, u) = -(u + K x)ᵀ M (u + K x) - xᵀ P x - γ tr(P W) - γ c
    (9)  c = [γ tr(P W) - (α m / 2) log(π α) + (α / 2) log det M] / (1 - γ)
    (10) H = (m / 2) log(π e α) - (1 / 2) log det M
    (11) α* = det(M)^(1 / m) exp(2 H̄ / m) / (π e), at which H is a target H̄
    (12) α m / (2 (1 - γ)), the plain return that acting with (7) costs beside acting with -K x

(6) is the Riccati equation of the plain problem: the temperature changes neither P nor K. (7) to
(12) follow by putting (8) into (1) and (2), whose integral is Gaussian.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are
from scipy.special import log_softmax, logsumexp

from robo_maxent.errors import UsageError

# -- finite processes --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FiniteMdp:
    """A Markov decision process of S states and A actions."""

    reward: np.ndarray
    """r, (S, A)."""
    transition: np.ndarray
    """Probability of the next state, P, (S, A, S)."""
    terminal: np.ndarray
    """Whether arriving in a state ends the episode, (S,): nothing follows there."""
    gamma: float
    """Discount."""

    def __post_init__(self) -> None:
        """Check the values at the door."""
        states, actions = _shape(self.reward, "reward", 2)
        _require_shape(self.transition, (states, actions, states), "transition")
        _require_shape(self.terminal, (states,), "terminal")
        _require_discount(self.gamma)
        sums = self.transition.sum(2)
        if self.transition.min() < 0 or not np.allclose(sums, 1.0, atol=1e-9):
            raise UsageError("transition must have probabilities that sum to 1 over next states")

    def action_value(self, value: np.ndarray) -> np.ndarray:
        """Action values, (S, A), where states are worth ``value``, (S,): equation (1)."""
        return self.reward + self.gamma * self.transition @ (value * (1.0 - self.terminal))


def soft_maximum(q: np.ndarray, alpha: float) -> np.ndarray:
    """Soft value of the best policy, (...), of action values (..., A): equation (2).

    At temperature 0 it is the maximum.
    """
    if alpha == 0:
        return q.max(-1)
    return alpha * np.asarray(logsumexp(q / alpha, axis=-1))


def log_boltzmann(q: np.ndarray, alpha: float) -> np.ndarray:
    """Log-probabilities of the best policy, (..., A), of action values (..., A): equation (3)."""
    _require_temperature(alpha)
    return log_softmax(q / alpha, axis=-1)


def soft_value_iteration(mdp: FiniteMdp, alpha: float, tolerance: float = 1e-10) -> np.ndarray:
    """Action values of the best policy, (S, A), by repeating equations (1) and (2).

    Args:
        mdp: The process.
        alpha: Temperature; 0: the plain optimum.
        tolerance: Largest error of a value. A backup brings values nearer by the factor γ, so it is
            at most γ / (1 - γ) times the last change.

    Raises:
        UsageError: The temperature is negative or not finite, or the tolerance not above 0.
    """
    if not 0 <= alpha < math.inf:
        raise UsageError(f"alpha must be >= 0 and finite, got {alpha}")
    if not tolerance > 0:
        raise UsageError(f"tolerance must be > 0, got {tolerance}")
    q = np.zeros_like(mdp.reward, dtype=float)
    while True:
        better = mdp.action_value(soft_maximum(q, alpha))
        change, q = np.abs(better - q).max(), better
        rounding = 4.0 * np.finfo(float).eps * np.abs(q).max()
        if mdp.gamma * change <= max((1.0 - mdp.gamma) * tolerance, rounding):
            return q


def soft_policy_value(mdp: FiniteMdp, log_policy: np.ndarray, alpha: float) -> np.ndarray:
    """Soft value of any policy, (S,), by solving equations (1) and (4) as linear ones.

    Args:
        mdp: The process.
        log_policy: Log-probabilities of its actions, (S, A).
        alpha: Temperature; 0: the plain value.
    """
    policy = np.exp(log_policy)
    entropy = -(policy * np.where(policy > 0, log_policy, 0.0)).sum(1)
    reward = (policy * mdp.reward).sum(1) + alpha * entropy  # (S,)
    transition = np.einsum("sa,sat->st", policy, mdp.transition) * (1.0 - mdp.terminal)
    return np.linalg.solve(np.eye(len(reward)) - mdp.gamma * transition, reward)


# -- the Boltzmann gap -------------------------------------------------------------------


def boltzmann_gap(
    log_policy: np.ndarray, q: np.ndarray, alpha: float, volume: float = 1.0
) -> np.ndarray:
    """KL(π || exp(Q / α) / Z), nats, (...): how far a policy is from the best one for Q.

    It is 0 where the policy is the Boltzmann distribution and nowhere below (equation 5). Actions
    are all there are, or those of an even grid over a box, for which sums stand for integrals.

    Args:
        log_policy: Log-probability of each action, or log-density at it, (..., A).
        q: Action values, (..., A).
        alpha: Temperature.
        volume: Of a cell of the grid; 1 where actions are discrete.

    Raises:
        UsageError: The policy does not sum to 1 within 1 %: a grid is too coarse for it.
    """
    _require_temperature(alpha)
    policy = volume * np.exp(log_policy)
    total = policy.sum(-1)
    if not np.allclose(total, 1.0, atol=0.01):
        worst = total.flat[np.abs(total - 1.0).argmax()]
        raise UsageError(f"the policy must sum to 1 over the actions, got {worst:.3g}: refine them")
    log_ratio = np.where(policy > 0, log_policy - q / alpha, 0.0)
    log_partition = np.asarray(logsumexp(q / alpha, axis=-1)) + math.log(volume)
    return (policy * log_ratio).sum(-1) / total + log_partition


def sampled_boltzmann_gap(
    log_policy: np.ndarray, q: np.ndarray, alpha: float, dimensions: int
) -> np.ndarray:
    """The same for actions in [-1, 1]^A of any number of dimensions, from samples: nats, (...).

    Half of the samples are drawn from the policy, for the expectation, and half evenly from the
    box, so that the partition function knows of modes that the policy lacks: all of them together
    are one sample of the average of both densities, by which they are weighted (Veach and Guibas
    1995, balance heuristic). The estimate may be below 0 by its sampling error.

    Args:
        log_policy: Log-density of the policy at its own samples, then at the even ones,
            (..., 2, n).
        q: Action values there, (..., 2, n).
        alpha: Temperature.
        dimensions: A.
    """
    _require_temperature(alpha)
    even = -dimensions * math.log(2.0)
    log_density = np.logaddexp(log_policy, even) - math.log(2.0)  # of the average of both
    log_weights = q / alpha - log_density
    count = log_weights.shape[-2] * log_weights.shape[-1]
    log_partition = np.asarray(logsumexp(log_weights, axis=(-2, -1))) - math.log(count)
    return (log_policy - q / alpha)[..., 0, :].mean(-1) + log_partition


# -- linear systems with quadratic costs -------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinearQuadratic:
    """x' = A x + B u + w with reward -(xᵀ Q x + uᵀ R u): n states, m actions without bounds."""

    dynamics: np.ndarray
    """A, (n, n)."""
    control: np.ndarray
    """B, (n, m)."""
    state_cost: np.ndarray
    """Q, (n, n), symmetric."""
    action_cost: np.ndarray
    """R, (m, m), symmetric and positive definite."""
    noise: np.ndarray
    """Covariance of w, W, (n, n)."""
    gamma: float
    """Discount."""

    def __post_init__(self) -> None:
        """Check the values at the door."""
        n, m = _shape(self.control, "control", 2)
        for name in ("dynamics", "state_cost", "noise"):
            _require_shape(getattr(self, name), (n, n), name)
        _require_shape(self.action_cost, (m, m), "action_cost")
        _require_discount(self.gamma)
        for name in ("state_cost", "action_cost", "noise"):
            if not np.array_equal(matrix := getattr(self, name), matrix.T):
                raise UsageError(f"{name} must be symmetric")
        if np.linalg.eigvalsh(self.action_cost).min() <= 0:
            raise UsageError("action_cost must be positive definite: actions would be free")

    def scaled(self, scale: float) -> "LinearQuadratic":
        """The same system for actions a with u = scale a, as a policy in [-1, 1] acts."""
        return LinearQuadratic(
            self.dynamics,
            scale * self.control,
            self.state_cost,
            scale**2 * self.action_cost,
            self.noise,
            self.gamma,
        )

    def step(
        self, x: np.ndarray, u: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reward, (N,), and successors, (N, n), of states (N, n) and actions (N, m)."""
        reward = -np.einsum("ni,ij,nj->n", x, self.state_cost, x)
        reward -= np.einsum("ni,ij,nj->n", u, self.action_cost, u)
        w = rng.multivariate_normal(np.zeros(len(self.noise)), self.noise, len(x))
        return reward, x @ self.dynamics.T + u @ self.control.T + w

    def solve(self) -> "SoftRegulator":
        """The optimum for every temperature: equations (6) and (7).

        Raises:
            UsageError: No policy keeps the discounted cost finite.
        """
        root = math.sqrt(self.gamma)  # (6) is the plain Riccati equation of √γ A and √γ B
        try:
            p = solve_discrete_are(
                root * self.dynamics, root * self.control, self.state_cost, self.action_cost
            )
        except np.linalg.LinAlgError as error:
            raise UsageError(
                "the system has no optimum, for no action keeps its discounted cost finite: "
                f"{error}"
            ) from error
        curvature = self.action_cost + self.gamma * self.control.T @ p @ self.control
        gain = self.gamma * np.linalg.solve(curvature, self.control.T @ p @ self.dynamics)
        return SoftRegulator(self, p, gain, curvature)


@dataclass(frozen=True, eq=False)
class SoftRegulator:
    """The maximum-entropy optimum of a linear system with quadratic costs, at any temperature."""

    system: LinearQuadratic
    cost: np.ndarray
    """P, (n, n)."""
    gain: np.ndarray
    """K, (m, n): the mean action is -K x."""
    curvature: np.ndarray
    """M, (m, m): of -Q in the action."""

    def covariance(self, alpha: float) -> np.ndarray:
        """Of the action, Σ, (m, m), the same in every state: equation (7)."""
        return 0.5 * alpha * np.linalg.inv(self.curvature)

    def entropy(self, alpha: float) -> float:
        """Of the action, nats: equation (10)."""
        m = len(self.curvature)
        return 0.5 * m * math.log(math.pi * math.e * alpha) - 0.5 * self._log_det

    def temperature(self, target_entropy: float) -> float:
        """At which the policy has an entropy, nats, and an automatic one settles: (11)."""
        m = len(self.curvature)
        return math.exp((self._log_det + 2.0 * target_entropy) / m) / (math.pi * math.e)

    def offset(self, alpha: float) -> float:
        """c, by which the soft value lies below -xᵀ P x: equation (9)."""
        gamma = self.system.gamma
        return self.plain_offset(alpha) - alpha * self.entropy(alpha) / (1.0 - gamma)

    def plain_offset(self, alpha: float) -> float:
        """The same of the plain value, without the entropies, of a policy at a temperature.

        What of it grows with the temperature is the price of entropy.
        """
        noise = self.system.gamma * np.trace(self.cost @ self.system.noise)
        return noise / (1.0 - self.system.gamma) + self.price_of_entropy(alpha)

    def price_of_entropy(self, alpha: float) -> float:
        """Plain return that sampled actions cost beside mean ones: equation (12)."""
        return 0.5 * alpha * len(self.curvature) / (1.0 - self.system.gamma)

    def value(self, x: np.ndarray, alpha: float) -> np.ndarray:
        """Soft value, (N,), of states (N, n): equation (8)."""
        return -np.einsum("ni,ij,nj->n", x, self.cost, x) - self.offset(alpha)

    def action_value(self, x: np.ndarray, u: np.ndarray, alpha: float) -> np.ndarray:
        """Soft action value, (N,), of states (N, n) and actions (N, m): equation (8)."""
        away = u + x @ self.gain.T
        gamma, noise = self.system.gamma, np.trace(self.cost @ self.system.noise)
        best = -np.einsum("ni,ij,nj->n", x, self.cost, x) - gamma * (noise + self.offset(alpha))
        return best - np.einsum("ni,ij,nj->n", away, self.curvature, away)

    @property
    def _log_det(self) -> float:
        return float(np.linalg.slogdet(self.curvature).logabsdet)


# -- at the door -------------------------------------------------------------------------


def _shape(array: np.ndarray, name: str, axes: int) -> tuple[int, ...]:
    if array.ndim != axes or not array.size:
        raise UsageError(f"{name} must have {axes} axes and be no empty array, got {array.shape}")
    return array.shape


def _require_shape(array: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    if array.shape != shape:
        raise UsageError(f"{name} must have the shape {shape}, got {array.shape}")


def _require_discount(gamma: float) -> None:
    if not 0 <= gamma < 1:
        raise UsageError(f"gamma must be in [0, 1), got {gamma}")


def _require_temperature(alpha: float) -> None:
    if not 0 < alpha < math.inf:
        raise UsageError(f"alpha must be > 0 and finite, got {alpha}")
