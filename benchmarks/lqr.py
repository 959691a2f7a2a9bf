"""The learner on a linear system with quadratic cost, whose soft optimum has a closed form.

    x' = x + u + w,  w ~ N(0, 0.01),  reward -(x² + u²),  u = 2.5 a with the action a in [-1, 1].

The optimal policy is a ~ N(-K x, Σ) and its soft value -P x² - c. K alone would not show the usual
mistakes of soft actor-critics; the offset c does, because entropy and horizon enter it. Only a time
limit ends an episode. ``robo_maxent.learning.exact`` has the optimum.
"""

from dataclasses import dataclass

import numpy as np
import torch

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.exact import LinearQuadratic
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac

ENTROPY = -1.0
"""Target, nats of a: its standard deviation is 0.089."""
SCALE = 2.5
"""u over a: |K x| plus six standard deviations stays below it for |x| < 1.9."""
TIME_LIMIT = 4
"""Steps of an episode."""
SYSTEM = LinearQuadratic(*(np.array([[x]]) for x in (1.0, 1.0, 1.0, 1.0, 0.01)), gamma=0.9)
SYSTEM = SYSTEM.scaled(SCALE)
BEST = SYSTEM.solve()
ALPHA = BEST.temperature(ENTROPY)
"""Where the automatic temperature should settle."""
REACH = 0.8
"""States up to this far from 0 are measured: beyond are few."""

CONFIG = SacConfig(
    width=128,
    learning_rate=2e-3,
    learning_rate_held=None,  # :func:`learn` has a schedule of its own
    weight_decay=0.0,
    gamma=SYSTEM.gamma,
    tau=0.1,
    actor_every=2,
    alpha_learning_rate=1e-2,
    target_entropy_per_action=ENTROPY,
)
"""Rates and sizes for this small problem."""


@dataclass(frozen=True)
class Measured:
    """A learner's policy and value, averaged over states."""

    gain: float
    """K, of the mean action -K x."""
    variance: float
    """Σ of the action."""
    offset: float
    """c, by which the soft value lies below -P x²."""
    alpha: float

    def errors(self) -> dict[str, float]:
        """Distance from the optimum, relative to it."""
        exact = {
            "K": (self.gain, BEST.gain.item()),
            "sigma": (self.variance, BEST.covariance(ALPHA).item()),
            "c": (self.offset, BEST.offset(ALPHA)),
            "alpha_star": (self.alpha, ALPHA),
        }
        return {name: abs(value / truth - 1.0) for name, (value, truth) in exact.items()}


class Episodes:
    """64 copies of the system; a step goes straight to the replay buffer."""

    def __init__(self, rng: np.random.Generator, time_limit_is_terminal: bool = False) -> None:
        """Begin at random states and ages.

        Args:
            rng: Source of everything random.
            time_limit_is_terminal: The usual mistake.
        """
        self.rng = rng
        self.buffer = ReplayBuffer(50_000, 1, 1)
        self.time_limit_is_terminal = time_limit_is_terminal
        self.x = rng.uniform(-1, 1, (64, 1)).astype(np.float32)
        self.age = rng.integers(0, TIME_LIMIT, 64)

    def step(self, sac: Sac) -> None:
        """Act with the policy and a little more noise, to see more of the action range."""
        action = sac.explore(self.x) + self.rng.uniform(-0.2, 0.2, self.x.shape)
        action = np.clip(action, -1, 1)
        reward, successor = SYSTEM.step(self.x, action, self.rng)
        self.age += 1
        truncated = self.age >= TIME_LIMIT
        terminated = truncated if self.time_limit_is_terminal else np.zeros(len(self.x))
        sims = np.arange(len(self.x))
        self.buffer.add(self.x, action, reward, successor, terminated, sims, truncated)
        fresh = self.rng.uniform(-1, 1, self.x.shape)
        self.x = np.where(truncated[:, None], fresh, successor).astype(np.float32)
        self.age[truncated] = 0


@torch.no_grad()
def measure(sac: Sac) -> Measured:
    """Compare means over the policy's noise, by quadrature, at even states."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(16)
    mass = torch.from_numpy(masses / masses.sum()).float()[:, None]  # (16, 1)
    x = torch.linspace(-REACH, REACH, 33)
    obs = x.repeat(16)[:, None]  # (16 * 33, 1)
    noise = torch.from_numpy(nodes).float().repeat_interleave(33)[:, None]
    draws = sac.actor.draws(sac.normalizer(obs), noise.expand(-1, sac.actor.head.noise_size))
    weights = draws.weight.view(-1, 16, 33) * mass  # (K, 16, 33)
    count = len(draws.weight)
    seen = sac.normalizer(obs).repeat(count, 1)
    q = sac.critics(seen, draws.action.flatten(0, 1)).amin(0).view_as(weights)
    action, log_prob = draws.action.view_as(weights), draws.log_prob.view_as(weights)

    def mean(of: torch.Tensor) -> torch.Tensor:
        return (weights * of).sum((0, 1))  # (33,)

    gain = -(mean(action) @ x) / (x @ x)
    variance = (mean(action**2) - mean(action) ** 2).mean()
    offset = -(mean(q - sac.alpha * log_prob) + BEST.cost.item() * x**2).mean()
    return Measured(gain.item(), variance.item(), offset.item(), sac.alpha)


def learn(sac: Sac, episodes: Episodes, schedule: np.ndarray) -> Measured:
    """Update with these shares of the learning rates; the mean of measurements in the last tenth.

    Args:
        sac: Learner; its rates are as they were afterwards.
        episodes: Where it learns.
        schedule: Share of the rates at each update.
    """
    rates = [(optimizer, optimizer.rate) for optimizer in sac.optimizers.values()]
    measured = []
    for update, share in enumerate(schedule):
        if update % 8 == 0:
            episodes.step(sac)
        for optimizer, rate in rates:
            optimizer.rate = rate * share
        sac.update(episodes.buffer.sample(episodes.rng, sac.config.batch_size))
        if update >= 0.9 * len(schedule) and update % 20 == 0:
            measured.append(measure(sac))
    for optimizer, rate in rates:
        optimizer.rate = rate
    means = np.mean([[m.gain, m.variance, m.offset] for m in measured], axis=0)
    return Measured(*means, alpha=sac.alpha)


def trained(
    config: SacConfig, seed: int, updates: int, precision: str = "fp32"
) -> tuple[Sac, Measured]:
    """A learner from its beginning, at rates that are held and then fall to 0, and its optimum.

    Args:
        config: How to learn.
        seed: Of everything random.
        updates: Of the critics.
        precision: Of the factors of matrix products.
    """
    sac = Sac(1, 1, config, seed, precision)
    episodes = Episodes(np.random.default_rng(seed))
    for _ in range(100):
        episodes.step(sac)
    schedule = np.concatenate([np.ones(updates // 2), np.linspace(1.0, 0.0, updates // 2)])
    return sac, learn(sac, episodes, schedule)
