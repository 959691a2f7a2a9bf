"""The soft Bellman backup: a number worked by hand, and the value of a constant reward."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Critics
from robo_maxent.learning.replay_buffer import ReplayBatch, ReplayBuffer
from robo_maxent.learning.sac import Sac, critic_loss, soft_target

pytestmark = pytest.mark.usefixtures("one_thread")

# r = 1, Q' = 2, log pi' = -0.5, alpha = 0.2, gamma = 0.99: 1 + 0.99 (2 + 0.1).
BACKUP = 3.079
TERMINATED = 1.0


def test_the_backup_is_the_one_worked_by_hand_and_stops_only_at_termination() -> None:
    running, ended, cut_off = 0.0, 1.0, 0.0  # truncation is not termination
    goal = soft_target(
        reward=torch.ones(3),
        terminated=torch.tensor([running, ended, cut_off]),
        next_value=torch.full((3,), 2.0),
        next_log_prob=torch.full((3,), -0.5),
        alpha=torch.tensor(0.2),
        gamma=0.99,
    )
    torch.testing.assert_close(goal, torch.tensor([BACKUP, TERMINATED, BACKUP]))


@pytest.mark.parametrize("name", ["reward", "terminated", "next_value", "next_log_prob"])
def test_a_column_among_vectors_is_refused_not_broadcast(name: str) -> None:
    terms = {key: torch.zeros(4) for key in ("reward", "terminated", "next_value", "next_log_prob")}
    terms[name] = terms[name][:, None]  # (4, 1) with (4,) would make (4, 4)
    with pytest.raises(AssertionError):
        soft_target(**terms, alpha=torch.tensor(0.2), gamma=0.99)


def constant_actor(log_std: float) -> Actor:
    """Mean 0 before the tanh and the same standard deviation everywhere."""
    actor = Actor(obs_size=2, head=SquashedGaussian(1), width=4, layer_norm=False)
    low, high = SacConfig().log_std_range
    raw = math.atanh(2 * (log_std - low) / (high - low) - 1)
    with torch.no_grad():
        weight, bias = actor.layers()[-1]
        weight.zero_()
        bias.copy_(torch.tensor([[[0.0, raw]]]))
    return actor


def constant_critics(values: list[float]) -> Critics:
    """The same action values everywhere."""
    critics = Critics(2, 1, width=4, layer_norm=False, count=len(values))
    with torch.no_grad():
        weight, bias = critics.layers()[-1]
        weight.zero_()
        bias.copy_(torch.tensor(values)[:, None, None])
    return critics


def goals_of_the_critic_loss(terminated: Tensor, reward: Tensor) -> list[Tensor]:
    """Goal of every row, (B,), read off the gradient by value: d loss / d Q = (Q - goal) / B."""
    # At u = 0 the tanh leaves the density alone: log pi = -log sigma - log(2 pi) / 2 = -1/2.
    actor = constant_actor(log_std=0.5 - 0.5 * math.log(2 * math.pi))
    targets = constant_critics([2.0, 7.0])  # the smaller counts
    critics = constant_critics([0.25, -1.0])
    rows = len(terminated)
    batch = ReplayBatch(
        obs=torch.randn(rows, 2, generator=torch.Generator().manual_seed(0)),
        action=torch.zeros(rows, 1),
        reward=reward,
        next_obs=torch.zeros(rows, 2),
        terminated=terminated,
    )
    kept: list[Tensor] = []

    def keep(_: object, __: object, values: Tensor) -> None:
        values.retain_grad()
        kept.append(values)

    critics.register_forward_hook(keep)
    loss, values = critic_loss(
        actor, critics, targets, batch, torch.zeros(rows, 1), torch.tensor(0.2), 0.99
    )
    loss.backward()
    assert kept[0].grad is not None
    goal = values - rows * kept[0].grad  # (E, B)
    torch.testing.assert_close(loss, 0.5 * ((values - goal) ** 2).mean(1).sum())
    assert all(p.grad is None for p in [*actor.parameters(), *targets.parameters()])
    return list(goal)


def test_both_critics_are_drawn_to_the_backup_worked_by_hand() -> None:
    terminated = torch.tensor([0.0, 1.0, 0.0])
    for goal in goals_of_the_critic_loss(terminated, reward=torch.ones(3)):
        torch.testing.assert_close(goal, torch.tensor([BACKUP, TERMINATED, BACKUP]))


def test_the_critic_loss_refuses_a_column_of_rewards() -> None:
    with pytest.raises(AssertionError):
        goals_of_the_critic_loss(torch.zeros(3), reward=torch.ones(3, 1))


GAMMA = 0.9


def largest_entropy() -> float:
    """Of any tanh-squashed Gaussian, nats: 0.684, a little below log 2 of the uniform."""
    u, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()

    def entropy(sigma: float) -> float:
        spread = weights @ (-2.0 * np.log(np.cosh(sigma * u)))  # E log(1 - tanh²)
        return math.log(sigma) + 0.5 * math.log(2 * math.pi * math.e) + spread

    return -minimize_scalar(lambda s: -entropy(s), bounds=(0.3, 3.0), method="bounded").fun


def learned_values(alpha: float, terminal_from: float = math.inf) -> tuple[Tensor, Tensor]:
    """Observations, (B,), and their action values, (E, B), learned from a reward of always 1.

    Observations are drawn anew from [-1, 1] at every step. Every fifth step is the last of its
    episode, cut off by the time limit; besides, observations from ``terminal_from`` end it.
    """
    config = SacConfig(
        width=32,
        batch_size=128,
        learning_rate=3e-3,
        learning_rate_held=None,  # the schedule is below
        gamma=GAMMA,
        tau=0.3,
        actor_every=1,
        initial_alpha=alpha,
        alpha_learning_rate=1e-12,  # alpha stays
    )
    sac, rng = Sac(1, 1, config, seed=0), np.random.default_rng(0)
    buffer = ReplayBuffer(2000, 1, 1)
    obs = rng.permutation(np.linspace(-1, 1, buffer.capacity))
    truncated = np.arange(buffer.capacity) % 5 == 4
    terminated = obs >= terminal_from
    next_obs = np.roll(obs, -1)
    next_obs[truncated | terminated] = rng.uniform(-1, 1, (truncated | terminated).sum())
    buffer.add(
        obs=obs[:, None],
        action=rng.uniform(-1, 1, (buffer.capacity, 1)),
        reward=np.ones(buffer.capacity),
        next_obs=next_obs[:, None],
        terminated=terminated,
        sim=np.zeros(buffer.capacity, int),
        ended=truncated | terminated,
    )
    updates = 1000
    for update in range(updates):
        for optimizer in (sac.optimizers["actor"], sac.optimizers["critics"]):
            optimizer.rate = config.learning_rate * (1 - update / updates)
        sac.update(buffer.sample(rng, config.batch_size))
    grid = torch.cartesian_prod(*[torch.linspace(-0.9, 0.9, 10)] * 2)
    with torch.no_grad():
        return grid[:, 0], sac.critics(grid[:, :1], grid[:, 1:])


def test_without_termination_a_constant_reward_is_worth_the_infinite_sum() -> None:
    _, values = learned_values(alpha=1e-6)
    np.testing.assert_allclose(values, 1 / (1 - GAMMA), rtol=0.02)


def test_entropy_is_worth_its_share_of_every_later_step() -> None:
    alpha, entropy = 0.5, largest_entropy()
    assert entropy == pytest.approx(0.684, abs=5e-4)
    _, values = learned_values(alpha)
    # Q = 1 + gamma (Q + alpha H): the step's own entropy is not in Q.
    np.testing.assert_allclose(values, (1 + GAMMA * alpha * entropy) / (1 - GAMMA), rtol=0.02)


def test_a_terminal_step_is_worth_its_own_reward_and_the_others_expect_it() -> None:
    obs, values = learned_values(alpha=1e-6, terminal_from=0.6)  # one state in five
    # V = 1 + gamma (0.8 V + 0.2) elsewhere; the step at 0.6 is too sharp to look at closely.
    running = (1 + GAMMA * 0.2) / (1 - GAMMA * 0.8)
    np.testing.assert_allclose(values[:, obs > 0.7], 1.0, atol=0.1 * running)
    np.testing.assert_allclose(values[:, obs < 0.4], running, rtol=0.1)
