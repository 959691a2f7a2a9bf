"""What temperature does where that is known exactly: a straight line, and a cliff.

*Regulator*: x' = x + u + w with w of variance 0.01, reward -(x² + u²), γ = 0.9, from x = 0: sampled
actions cost α / (2 (1 - γ)) of plain return beside mean ones, equation (12) of ``exact``.
*Grid*: the tunnel and the bridge of ``tunnel_bridge``, where no episode arrives beyond a certain
temperature.
"""

import math
from dataclasses import dataclass

import numpy as np

from robo_maxent.learning.exact import (
    FiniteMdp,
    LinearQuadratic,
    log_boltzmann,
    soft_policy_value,
    soft_value_iteration,
)
from robo_maxent.learning.tunnel_bridge import START, arrival

REGULATOR = LinearQuadratic(*(np.array([[x]]) for x in (1.0, 1.0, 1.0, 1.0, 0.01)), gamma=0.9)
EPISODES = 2_000
"""Of a simulation."""
REST = 1e-6
"""Share of a return that a simulated episode leaves out, being so far in the future."""
TOLERANCE = 1e-6
"""Of an action value on the grid."""
LIMIT = 60
"""Moves within which an episode on the grid counts as arrived: five times the shortest way."""


@dataclass(frozen=True)
class Behaviour:
    """What a policy does at a temperature."""

    sampled: float
    """Plain return, discounted, without the entropies, of actions that are drawn."""
    mean: float
    """The same of the mean action, or the likeliest."""
    entropy: float
    """Of an action, nats."""


def exact_regulator(alpha: float) -> Behaviour:
    """The best policy of the regulator: equations (9), (10) and (12)."""
    best = REGULATOR.solve()
    return Behaviour(-best.plain_offset(alpha), -best.plain_offset(0.0), best.entropy(alpha))


def simulated_regulator(
    alpha: float, rng: np.random.Generator, episodes: int = EPISODES
) -> Behaviour:
    """The same of simulated episodes; mean actions meet the disturbances that sampled ones met."""
    best, covariance = REGULATOR.solve(), REGULATOR.solve().covariance(alpha)
    steps = math.ceil(math.log(REST) / math.log(REGULATOR.gamma))
    deviation = math.sqrt(covariance.item())
    surprise, returns = 0.0, dict.fromkeys((0.0, 1.0), 0.0)
    seed = int(rng.integers(2**63))
    for spread in returns:
        x, world = np.zeros((episodes, 1)), np.random.default_rng(seed)
        for step in range(steps):
            noise = rng.standard_normal(x.shape)
            u = -x @ best.gain.T + spread * deviation * noise
            reward, x = REGULATOR.step(x, u, world)
            returns[spread] += REGULATOR.gamma**step * float(reward.mean())
            surprise += spread * float(0.5 * (noise**2).mean()) / steps
    entropy = surprise + math.log(deviation) + 0.5 * math.log(2.0 * math.pi)
    return Behaviour(returns[1.0], returns[0.0], entropy)


def on_grid(mdp: FiniteMdp, alpha: float) -> tuple[Behaviour, float]:
    """The best policy on the grid, and the probability that a sampled episode arrives in time."""
    log_policy = log_boltzmann(soft_value_iteration(mdp, alpha, TOLERANCE), alpha)
    policy = np.exp(log_policy)
    likeliest = np.eye(policy.shape[1])[policy.argmax(1)]
    with np.errstate(divide="ignore"):
        sampled, mean = (
            float(soft_policy_value(mdp, each, 0.0)[START])
            for each in (log_policy, np.log(likeliest))
        )
    entropy = -float((policy * log_policy)[START].sum())
    return Behaviour(sampled, mean, entropy), arrival(mdp, policy, LIMIT)
