"""The learner on a linear system with quadratic cost, whose soft optimum has a closed form.

    x' = x + u + w,  w ~ N(0, W),  reward -(x² + u²),  u = b a with the action a in [-1, 1].

The optimal policy is u ~ N(-K x, Sigma) and its soft value -P x² - c. K alone would not show the
usual mistakes of soft actor-critics; the offset c does, because entropy and horizon enter it. Only
a time limit ends an episode.
"""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_maxent.learning import native
from robo_maxent.learning import sac as sac_module
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.heads import HEADS, sample_squashed
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac, soft_target
from robo_maxent.training.config import Preset, preset

pytestmark = pytest.mark.usefixtures("one_thread")

GAMMA = 0.9
NOISE = 0.01  # W
ENTROPY = -1.0  # nats of a, so that its standard deviation is 0.089
SCALE = 2.5  # b: |K x| plus six standard deviations stays below it for |x| < 1.9
TIME_LIMIT = 4  # steps

# Five seeds from each side missed by at most 4.4, 2.5, 4.2 and 2.5 percent.
GAIN_TOLERANCE = 0.06
VARIANCE_TOLERANCE = 0.08
TEMPERATURE_TOLERANCE = 0.08
OFFSET_TOLERANCE = 0.05  # the smaller of two critics is a little pessimistic

CONFIG = SacConfig(
    width=128,
    learning_rate=2e-3,
    learning_rate_held=None,  # :func:`learn` has a schedule of its own
    weight_decay=0.0,
    gamma=GAMMA,
    tau=0.1,
    actor_every=2,
    alpha_learning_rate=1e-2,
    target_entropy_per_action=ENTROPY,
)


@dataclass(frozen=True)
class Solution:
    gain: float
    """K."""
    variance: float
    """Sigma, of u."""
    cost: float
    """P."""
    offset: float
    """c, with the entropy of a rather than of u."""
    alpha: float


def solve(gamma: float, alpha: float | None = None, scale: float = SCALE) -> Solution:
    """Optimum for a temperature, or for the one that holds ``ENTROPY``."""
    cost = 1.0
    for _ in range(200):
        cost = 1 + gamma * cost - (gamma * cost) ** 2 / (1 + gamma * cost)
    curvature = 1 + gamma * cost  # M, of -Q in u; scale² M in a
    if alpha is None:
        alpha = scale**2 * curvature * math.exp(2 * ENTROPY) / (math.pi * math.e)
    log_volume = 0.5 * alpha * math.log(math.pi * alpha / (scale**2 * curvature))
    return Solution(
        gain=gamma * cost / curvature,
        variance=alpha / (2 * curvature),
        cost=cost,
        offset=(gamma * cost * NOISE - log_volume) / (1 - gamma),
        alpha=alpha,
    )


def test_the_closed_form_has_the_published_numbers() -> None:
    known = solve(GAMMA, alpha=0.2, scale=1.0)
    found = (known.cost, known.gain, known.variance, known.offset)
    assert found == pytest.approx((1.588403, 0.588403, 0.041160, 1.495376), abs=5e-6)


def test_the_closed_form_satisfies_the_soft_bellman_equation() -> None:
    best = solve(GAMMA)
    w, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    a = np.linspace(-2.0, 2.0, 20_001)  # unbounded, but the density is narrow
    for x in (-0.7, 0.0, 0.4):
        u = SCALE * a
        successor = (x + u)[:, None] + math.sqrt(NOISE) * w
        next_value = (-best.cost * successor**2 - best.offset) @ weights
        q = -(x**2) - u**2 + GAMMA * next_value
        partition = np.exp((q - q.max()) / best.alpha).sum() * (a[1] - a[0])
        value = q.max() + best.alpha * math.log(partition)
        assert value == pytest.approx(-best.cost * x**2 - best.offset, abs=1e-9)
        density = np.exp((q - value) / best.alpha) * (a[1] - a[0])
        assert u @ density == pytest.approx(-best.gain * x, abs=1e-9)
        assert (u + best.gain * x) ** 2 @ density == pytest.approx(best.variance, rel=1e-9)
        assert -((q - value) / best.alpha) @ density == pytest.approx(ENTROPY, abs=1e-9)


class Environment:
    """64 copies of the system; a step goes straight to the replay buffer."""

    def __init__(self, rng: np.random.Generator, time_limit_is_terminal: bool = False) -> None:
        self.rng = rng
        self.buffer = ReplayBuffer(50_000, 1, 1)
        self.time_limit_is_terminal = time_limit_is_terminal
        self.x = rng.uniform(-1, 1, (64, 1)).astype(np.float32)
        self.age = rng.integers(0, TIME_LIMIT, 64)

    def step(self, sac: Sac) -> None:
        """Act with the policy and a little more noise, to see more of the action range."""
        action = sac.explore(self.x) + self.rng.uniform(-0.2, 0.2, self.x.shape)
        action = np.clip(action, -1, 1)
        u = SCALE * action
        successor = self.x + u + math.sqrt(NOISE) * self.rng.standard_normal(self.x.shape)
        self.age += 1
        truncated = self.age >= TIME_LIMIT
        terminated = truncated if self.time_limit_is_terminal else np.zeros(len(self.x))
        reward = -(self.x**2 + u**2)[:, 0]
        sims = np.arange(len(self.x))
        self.buffer.add(self.x, action, reward, successor, terminated, sims, truncated)
        fresh = self.rng.uniform(-1, 1, self.x.shape)
        self.x = np.where(truncated[:, None], fresh, successor).astype(np.float32)
        self.age[truncated] = 0


@torch.no_grad()
def measure(sac: Sac) -> np.ndarray:
    """Gain, variance of u, and offset of the soft value, averaged over states in [-0.8, 0.8]."""
    nodes, weights = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(16))
    weight = (weights / weights.sum()).float()[:, None]  # (16, 1)
    x = torch.linspace(-0.8, 0.8, 33)

    def mean(of: Tensor) -> Tensor:  # over the policy's noise
        return (weight * of).sum(0)  # (33,)

    noise = nodes.float()[:, None, None].expand(16, len(x), 1)
    centre, log_std = HEADS[sac.config.log_std_bound](1, sac.config.log_std_range).gaussian(
        sac.actor(x[:, None])
    )  # (33, 1)
    action, log_prob = sample_squashed(centre, log_std, noise)  # (16, 33, 1), (16, 33)
    obs = x[:, None].expand_as(action)
    q = sac.critics(obs.flatten(0, 1), action.flatten(0, 1)).amin(0).view_as(log_prob)
    u = SCALE * action[..., 0]
    gain = -(mean(u) @ x) / (x @ x)
    variance = (mean(u**2) - mean(u) ** 2).mean()
    value = mean(q - sac.alpha * log_prob)
    offset = -(value + solve(GAMMA).cost * x**2).mean()
    return np.array([gain, variance, offset])


def learn(sac: Sac, environment: Environment, schedule: np.ndarray) -> np.ndarray:
    """Update with these shares of the learning rates; the mean measurement of the last tenth."""
    rates = [(optimizer, optimizer.rate) for optimizer in sac.optimizers.values()]
    measured = []
    for update, share in enumerate(schedule):
        if update % 8 == 0:
            environment.step(sac)
        for optimizer, rate in rates:
            optimizer.rate = rate * share
        sac.update(environment.buffer.sample(environment.rng, sac.config.batch_size))
        if update >= 0.9 * len(schedule) and update % 20 == 0:
            measured.append(measure(sac))
    for optimizer, rate in rates:
        optimizer.rate = rate
    return np.mean(measured, axis=0)


def config_of(name: Preset) -> SacConfig:
    """A preset's networks and schedule, at the rates and sizes of this small problem."""
    sac = preset(name).sac
    return replace(
        CONFIG,
        layer_norm=sac.layer_norm,
        normalize=sac.normalize,
        actor_every=sac.actor_every,
        log_std_range=sac.log_std_range,
        log_std_bound=sac.log_std_bound,
        calm_start=sac.calm_start,
    )


@functools.cache
def trained(name: Preset, initial_alpha: float, seed: int = 0) -> tuple[Sac, np.ndarray]:
    """The learner after training, and what was measured."""
    sac = Sac(1, 1, replace(config_of(name), initial_alpha=initial_alpha), seed)
    environment = Environment(np.random.default_rng(seed))
    for _ in range(100):
        environment.step(sac)
    half = 3600 if name == "classic" else 1200  # a clamped deviation settles more slowly
    schedule = np.concatenate([np.ones(half), np.linspace(1.0, 0.0, half)])
    return sac, learn(sac, environment, schedule)


starts = pytest.mark.parametrize(
    ("name", "initial_alpha"),
    [("default", 0.04), ("default", 0.5), ("single", 0.5), ("classic", 0.5)],
)


@starts
def test_the_gain_is_that_of_the_riccati_equation(name: Preset, initial_alpha: float) -> None:
    gain, _, _ = trained(name, initial_alpha)[1]
    assert gain == pytest.approx(solve(GAMMA).gain, rel=GAIN_TOLERANCE)


@starts
def test_the_exploration_variance_is_the_soft_optimal_one(
    name: Preset, initial_alpha: float
) -> None:
    _, variance, _ = trained(name, initial_alpha)[1]
    assert variance == pytest.approx(solve(GAMMA).variance, rel=VARIANCE_TOLERANCE)


@starts
def test_the_temperature_becomes_the_one_at_which_the_optimum_has_the_target_entropy(
    name: Preset,
    initial_alpha: float,
) -> None:
    sac, _ = trained(name, initial_alpha)
    assert sac.alpha == pytest.approx(solve(GAMMA).alpha, rel=TEMPERATURE_TOLERANCE)


@starts
def test_the_soft_value_has_the_right_offset(name: Preset, initial_alpha: float) -> None:
    _, _, offset = trained(name, initial_alpha)[1]
    assert offset == pytest.approx(solve(GAMMA).offset, rel=OFFSET_TOLERANCE)


Backup = Callable[..., Tensor]


def offset_after_more_learning(
    monkeypatch: pytest.MonkeyPatch, backup: Backup, time_limit_is_terminal: bool = False
) -> float:
    """Continue the trained learner under another backup, at falling learning rates."""
    monkeypatch.setattr(sac_module, "soft_target", backup)
    monkeypatch.setattr(native, "library", lambda: None)  # whose update is another function
    sac = Sac(1, 1, config_of("default"), seed=1)
    sac.load_state_dict(copy.deepcopy(trained("default", 0.5)[0].state_dict()))
    environment = Environment(np.random.default_rng(1), time_limit_is_terminal)
    for _ in range(100):
        environment.step(sac)
    return learn(sac, environment, np.linspace(0.5, 0.0, 400))[2]


def test_a_learner_with_the_right_offset_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offset = offset_after_more_learning(monkeypatch, soft_target)
    assert offset == pytest.approx(solve(GAMMA).offset, rel=OFFSET_TOLERANCE)


@pytest.mark.parametrize(
    ("backup", "time_limit_is_terminal"),
    [
        pytest.param(
            lambda r, t, q, log_pi, alpha, gamma: soft_target(r, t, q, 0 * log_pi, alpha, gamma),
            False,
            id="entropy-missing",
        ),
        pytest.param(
            lambda r, t, q, log_pi, alpha, gamma: soft_target(r, t, q, -log_pi, alpha, gamma),
            False,
            id="entropy-with-the-wrong-sign",
        ),
        pytest.param(
            lambda r, t, q, log_pi, alpha, gamma: soft_target(r, t, q, log_pi, alpha, 0.95),
            False,
            id="another-discount",
        ),
        pytest.param(soft_target, True, id="time-limit-stored-as-termination"),
    ],
)
def test_every_usual_mistake_drives_the_offset_out(
    monkeypatch: pytest.MonkeyPatch, backup: Backup, time_limit_is_terminal: bool
) -> None:
    offset = offset_after_more_learning(monkeypatch, backup, time_limit_is_terminal)
    assert abs(offset / solve(GAMMA).offset - 1) > 5 * OFFSET_TOLERANCE
