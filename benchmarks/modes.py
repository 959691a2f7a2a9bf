"""Problems whose best policy has several modes, which one Gaussian can't have.

*Two-mode bandit*: one action in [-1, 1], reward -(|a| - 0.5)² / (2 · 0.1²), temperature 1. The best
policy is two Gaussians of width 0.1 at ±0.5; the nearest squashed Gaussian has one of them, log 2
and a little more away. The modes are narrow and inside the box: a Gaussian that straddles wide ones
would look as if it had both.

*Four goals* (MultiGoal of Haarnoja et al. 2017, arXiv 1702.08165): a point in the plane moves by
its action, from near the origin, at the cost of 30 |a|² + (distance to the nearest goal)². Within 1
of a goal at (±5, 0) or (0, ±5) its episode ends, with 10 more. By symmetry the best policy reaches
each goal as often. Temperature 1; rewards and temperature are divided by 10, which changes nothing.
"""

import math
from dataclasses import replace

import numpy as np
import torch

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.exact import boltzmann_gap
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac

CENTRE, WIDTH = 0.5, 0.1
GOALS = np.array([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]])
NEAR, BONUS = 1.0, 10.0
ACTION_COST = 30.0
UNITS = 0.1
"""Of rewards and temperature, in those of the paper."""
START_SPREAD = 0.1
LIMIT = 30
"""Steps of an episode."""
ROLLOUTS = 200
CONFIG = SacConfig(
    width=64,
    batch_size=128,
    learning_rate=5e-3,
    learning_rate_held=None,  # :func:`_fall` has a schedule of its own
    weight_decay=0.0,
    normalize=False,
    alpha_learning_rate=0.0,
    actor_average=1.0,
)


# -- the bandit --------------------------------------------------------------------------


def bandit_reward(a: np.ndarray) -> np.ndarray:
    """Of actions in [-1, 1]."""
    return -((np.abs(a) - CENTRE) ** 2) / (2 * WIDTH**2)


def bandit_gap(components: int, seed: int, updates: int) -> float:
    """Nats between the policy that is learnt and the best one.

    Args:
        components: Of the policy.
        seed: Of everything random.
        updates: Of the critics; the actions they learn from are even.
    """
    config = replace(CONFIG, components=components, initial_alpha=1.0, actor_every=1)
    sac, rng = Sac(1, 1, config, seed), np.random.default_rng(seed)
    buffer = ReplayBuffer(20_000, 1, 1)
    action = rng.uniform(-1, 1, (buffer.capacity, 1))
    nothing, ends = np.zeros(action.shape), np.ones(len(action), bool)
    sims = np.zeros(len(action), int)
    buffer.add(nothing, action, bandit_reward(action[:, 0]), nothing, ends, sims, ends)
    for update in range(updates):
        _fall(sac, update / updates)
        sac.update(buffer.sample(rng, config.batch_size))
    a = np.linspace(-0.9999, 0.9999, 4001)
    return float(boltzmann_gap(_log_density(sac, a), bandit_reward(a), 1.0, a[1] - a[0]))


@torch.no_grad()
def _log_density(sac: Sac, a: np.ndarray) -> np.ndarray:
    raw = sac.actor(torch.zeros(1, 1)).double().expand(len(a), -1)
    return sac.actor.head.log_prob(raw, torch.atanh(torch.from_numpy(a))[:, None]).numpy()


# -- four goals --------------------------------------------------------------------------


def step(x: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reward in units of 10, (N,), successors, (N, 2), and the goal reached, (N,); -1: none."""
    successor = np.clip(x + action, -7.0, 7.0)
    distance = np.linalg.norm(successor[:, None] - GOALS, axis=-1)  # (N, 4)
    goal = np.where(distance.min(1) < NEAR, distance.argmin(1), -1)
    cost = ACTION_COST * (action**2).sum(1) + distance.min(1) ** 2
    return UNITS * (BONUS * (goal >= 0) - cost), successor, goal


def goal_counts(components: int, seed: int, updates: int) -> np.ndarray:
    """How many of 200 rollouts from near the origin reach each goal, (4,).

    Args:
        components: Of the policy.
        seed: Of everything random.
        updates: Of the critics.
    """
    config = replace(
        CONFIG, components=components, initial_alpha=UNITS, gamma=0.99, tau=0.03, normalize=True
    )
    sac, rng = Sac(2, 2, config, seed), np.random.default_rng(seed)
    points = _Points(rng)
    for _ in range(60):
        points.step(rng.uniform(-1, 1, points.x.shape))
    for update in range(updates):
        if update % 4 == 0:
            sac.observe(points.x)
            points.step(sac.explore(points.x))
        _fall(sac, update / updates)
        sac.update(points.buffer.sample(rng, config.batch_size))
    return _reached(sac, rng)


def mode_entropy(counts: np.ndarray) -> float:
    """Entropy of the goals that were reached, of that of an even choice; nothing reached: 0."""
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float((share * np.log(1.0 / share)).sum() / math.log(len(counts)))


class _Points:
    """64 points that learn; half of their episodes begin anywhere, so that all is seen."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.buffer = rng, ReplayBuffer(50_000, 2, 2)
        self.x, self.age = self._starts(64), rng.integers(0, LIMIT, 64)

    def step(self, action: np.ndarray) -> None:
        reward, successor, goal = step(self.x, action)
        self.age += 1
        ended = (goal >= 0) | (self.age >= LIMIT)
        for turn in range(4):  # the problem turned by a quarter is the same
            seen, acted, after = (_turned(part, turn) for part in (self.x, action, successor))
            sims = np.arange(64) + 64 * turn
            self.buffer.add(seen, acted, reward, after, goal >= 0, sims, ended)
        self.x = np.where(ended[:, None], self._starts(64), successor).astype(np.float32)
        self.age[ended] = 0

    def _starts(self, count: int) -> np.ndarray:
        near = START_SPREAD * self.rng.standard_normal((count, 2))
        anywhere = self.rng.uniform(-6, 6, (count, 2))
        return np.where(self.rng.random((count, 1)) < 0.5, near, anywhere).astype(np.float32)


def _turned(vectors: np.ndarray, quarters: int) -> np.ndarray:
    """Vectors (N, 2) turned by so many quarters."""
    return vectors @ np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), quarters)


def _reached(sac: Sac, rng: np.random.Generator) -> np.ndarray:
    x = START_SPREAD * rng.standard_normal((ROLLOUTS, 2))
    first = np.full(ROLLOUTS, -1)  # goal that was reached first
    for _ in range(LIMIT):
        _, x, goal = step(x, sac.explore(x.astype(np.float32)))
        first = np.where(first < 0, goal, first)
    return np.bincount(first[first >= 0], minlength=len(GOALS))


def _fall(sac: Sac, share: float) -> None:
    """Rates are held for half of the updates, then fall to 0."""
    for name in ("actor", "critics"):
        sac.optimizers[name].rate = sac.config.learning_rate * min(1.0, 2.0 - 2.0 * share)
