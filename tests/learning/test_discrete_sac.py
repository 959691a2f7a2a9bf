"""Soft Actor-Critic for discrete actions: losses by hand, and processes whose optimum is known."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from torch import Tensor

from robo_maxent.errors import UsageError
from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.networks import ActionValues, Actor
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import actor_loss, critic_loss, expected

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = SacConfig(width=32, batch_size=64, actor_every=1, learning_rate=3e-3, normalize=False)


def none(rows: int) -> Tensor:
    return torch.zeros(rows, 0)


class GivenActor(Actor):
    """A policy of these logits, (B, A), whatever it sees."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__(1, Categorical(logits.shape[1]), width=1, layer_norm=False)
        self.logits = logits

    def forward(self, obs: Tensor) -> Tensor:
        return self.logits


class GivenValues(ActionValues):
    """Critics of these values, (E, B, A), whatever they see."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(1, values.shape[2], width=1, layer_norm=False, count=len(values))
        self.values = values

    def outputs(self, x: Tensor) -> Tensor:
        return self.values


def batch_of(action: list[int], reward: list[float], terminated: list[float]) -> ReplayBatch:
    obs, number = torch.zeros(len(action), 1), torch.tensor(action).float()[:, None]
    return ReplayBatch(obs, number, torch.tensor(reward), obs, torch.tensor(terminated))


# -- losses ---------------------------------------------------------------------


def test_value_and_entropy_are_sums_over_the_actions() -> None:
    actor = GivenActor(torch.log(torch.tensor([[0.5, 0.25, 0.25], [1.0, 1.0, 2.0]])))
    critics = GivenValues(
        torch.tensor([[[4.0, 8.0, 0.0], [1.0, 1.0, 9.0]], [[7.0, 9.0, 5.0], [1.0, 1.0, 3.0]]])
    )
    value, log_prob = expected(actor, critics, torch.zeros(2, 1), none(2))
    torch.testing.assert_close(value, torch.tensor([4.0, 2.0]))
    torch.testing.assert_close(-log_prob, torch.full((2,), 1.5 * math.log(2.0)))


def test_the_critics_goal_is_the_exact_soft_value_but_where_the_episode_terminated() -> None:
    probs = torch.tensor([[0.75, 0.25], [0.75, 0.25]])
    targets = torch.tensor([[[2.0, 9.0], [2.0, 9.0]], [[5.0, 4.0], [5.0, 4.0]]])  # least: 2, 4
    critics = torch.tensor([[[0.0, 1.0], [0.5, 7.0]], [[0.0, 2.0], [1.5, 7.0]]])
    batch = batch_of([1, 0], [1.0, 1.0], [0.0, 1.0])
    nets = GivenActor(probs.log()), GivenValues(critics), GivenValues(targets)
    loss, taken = critic_loss(*nets, batch, none(2), torch.tensor(0.5), 0.9)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    goal = [1.0 + 0.9 * (0.75 * 2.0 + 0.25 * 4.0 + 0.5 * entropy), 1.0]
    torch.testing.assert_close(taken, torch.tensor([[1.0, 0.5], [2.0, 1.5]]))
    by_hand = sum(0.5 * ((one[0] - goal[0]) ** 2 + (one[1] - goal[1]) ** 2) / 2 for one in taken)
    torch.testing.assert_close(loss, torch.as_tensor(by_hand))


def test_the_actors_gradient_is_that_of_finite_differences_of_the_expectation() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    values = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    alpha = 0.3

    def slowly(z: np.ndarray) -> float:
        log_pi = log_softmax(z, axis=1)
        least = values.numpy().min(axis=0)
        return float((np.exp(log_pi) * (alpha * log_pi - least)).sum(axis=1).mean())

    z = logits.clone().requires_grad_(True)
    exact, nets = torch.tensor(alpha, dtype=torch.float64), (GivenActor(z), GivenValues(values))
    loss, log_prob = actor_loss(*nets, torch.zeros(3, 1), none(3), exact)
    loss.backward()
    assert loss.item() == pytest.approx(slowly(logits.numpy()))
    assert not log_prob.requires_grad
    slopes, step = np.zeros((3, 4)), 1e-6
    for place in np.ndindex(3, 4):
        shift = np.zeros((3, 4))
        shift[place] = step
        slopes[place] = (slowly(logits.numpy() + shift) - slowly(logits.numpy() - shift)) / 2 / step
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), slopes, atol=1e-8)


def test_the_actors_step_leaves_the_critics_alone_and_theirs_the_actor() -> None:
    sac, never = (DiscreteSac(4, 3, replace(CONFIG, actor_every=n), seed=1) for n in (1, 1000))
    start = never.actor.flat.detach().clone()
    for each in (sac, never):
        each.update(random_batch(0))
    assert torch.equal(never.actor.flat, start)
    assert not torch.equal(sac.actor.flat, start)
    assert torch.equal(sac.critics.flat, never.critics.flat)


def test_values_of_each_action_are_those_of_one_after_the_other() -> None:
    critics, obs = ActionValues(4, 3, width=8, layer_norm=True), torch.randn(5, 4)
    action = torch.arange(3)[:, None, None].expand(3, 5, 1)
    together = critics.each(obs, action)  # (2, 3, 5)
    for number in range(3):
        one = critics(obs, torch.full((5, 1), float(number)))
        torch.testing.assert_close(together[:, number], one)
    assert not torch.allclose(together[:, 0], together[:, 1])


# -- the head -------------------------------------------------------------------


def test_draws_have_the_probabilities_of_the_softmax_and_their_logarithms() -> None:
    head, probs = Categorical(3), torch.tensor([0.6, 0.3, 0.1])
    noise = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0))
    action, log_prob = head.sample((probs.log() + 2.0).expand(40_000, 3), noise)
    assert action.dtype == torch.int64
    shares = torch.bincount(action, minlength=3) / len(action)
    torch.testing.assert_close(shares, probs, atol=0.01, rtol=0.0)  # four deviations
    torch.testing.assert_close(log_prob, probs.log()[action])


def test_the_mode_is_the_likeliest_and_none_where_a_logit_is_not_finite() -> None:
    raw = torch.tensor([[0.0, 2.0, 1.0], [1.0, 1.0, 0.0], [0.0, math.nan, 1.0], [0.0, math.inf, 1]])
    head = Categorical(3)
    assert head.mode(raw).tolist() == [1, 0, -1, -1]
    assert head.sample(raw, torch.zeros(4, 3))[0].tolist()[2:] == [-1, -1]


def test_draws_are_finite_however_far_out_the_noise_is() -> None:
    noise = torch.tensor([[-9.0, 9.0], [9.0, -9.0]])
    assert Categorical(2).sample(torch.zeros(2, 2), noise)[0].tolist() == [1, 0]


def test_all_actions_stand_for_the_expectation_over_them() -> None:
    head, raw = Categorical(3), torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]])
    action, log_prob, weight = head.draws(raw, torch.zeros(2, 0))
    assert action[:, 0, 0].tolist() == [0, 1, 2]
    torch.testing.assert_close(weight.sum(0), torch.ones(2))
    torch.testing.assert_close(weight.T, raw.softmax(-1))
    for each in range(3):
        torch.testing.assert_close(log_prob[each], head.log_prob(raw, action[each]))


# -- known optima ---------------------------------------------------------------

STATES, ACTIONS, GAMMA = 5, 3, 0.8


def soft_optimum(reward: np.ndarray, following: np.ndarray, alpha: float) -> np.ndarray:
    """Soft-optimal action values, (S, A), of a process without chance; the last state ends it."""
    q = np.zeros((STATES, ACTIONS))
    for _ in range(300):  # 0.8^300 < 1e-29
        v = alpha * np.asarray(logsumexp(q / alpha, axis=1))
        q = reward + GAMMA * np.where(following == STATES - 1, 0.0, v[following])
    return q


@pytest.mark.parametrize("entropy_in_target", [True, False])
def test_values_and_policy_approach_soft_value_iteration(entropy_in_target: bool) -> None:
    rng, alpha = np.random.default_rng(0), 0.4
    reward = rng.normal(size=(STATES, ACTIONS))
    following = rng.integers(STATES, size=(STATES, ACTIONS))
    assert (following == STATES - 1).any()
    config = replace(
        CONFIG,
        gamma=GAMMA,
        initial_alpha=alpha,
        alpha_learning_rate=0.0,
        tau=0.1,
        weight_decay=0.0,
        learning_rate_held=400,
        entropy_in_target=entropy_in_target,
    )
    sac, eye = DiscreteSac(STATES, ACTIONS, config, seed=0), np.eye(STATES, dtype=np.float32)
    for _ in range(1000):
        s, a = rng.integers(STATES - 1, size=64), rng.integers(ACTIONS, size=64)
        batch = ReplayBatch(
            torch.from_numpy(eye[s]),
            torch.from_numpy(a[:, None].astype(np.float32)),
            torch.from_numpy(reward[s, a].astype(np.float32)),
            torch.from_numpy(eye[following[s, a]]),
            torch.from_numpy((following[s, a] == STATES - 1).astype(np.float32)),
        )
        sac.update(batch)
    seen = torch.from_numpy(eye[: STATES - 1])
    with torch.no_grad():
        q, log_pi = (
            sac.critics.outputs(seen).mean(0).numpy(),
            sac.actor(seen).log_softmax(-1).numpy(),
        )
    optimum = soft_optimum(reward, following, alpha)[: STATES - 1]
    span, best = np.ptp(optimum), np.exp(log_softmax(optimum / alpha, axis=1))
    total_variation = 0.5 * np.abs(np.exp(log_pi) - best).sum(axis=1)
    close = np.abs(q - optimum).max() < 0.05 * span and total_variation.max() < 0.05
    assert close == entropy_in_target, (np.abs(q - optimum).max() / span, total_variation)
    assert sac.alpha == pytest.approx(alpha)


@pytest.mark.parametrize(("ratio", "start"), [(0.5, 0.01), (0.5, 10.0), (0.98, 0.5)])
def test_the_temperature_of_two_actions_is_that_worked_by_hand(ratio: float, start: float) -> None:
    """For a gap g, p = 1 / (1 + exp(-g / alpha)) and H(p) = ratio log 2: 0.48 g, and 2.98 g."""
    expected = {0.5: 0.478, 0.98: 2.98}[ratio]
    p = 1.0 / (1.0 + math.exp(-1.0 / expected))
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert entropy == pytest.approx(ratio * math.log(2.0), rel=2e-3)
    config = replace(
        CONFIG, target_entropy_ratio=ratio, initial_alpha=start, alpha_learning_rate=3e-2
    )
    sac = DiscreteSac(1, 2, replace(config, weight_decay=0.0, learning_rate=1e-2), seed=0)
    action = [0, 1] * 32
    batch = batch_of(action, [float(a) for a in action], [1.0] * 64)
    alphas = []
    for _ in range(700):
        sac.update(batch)
        alphas.append(sac.alpha)
    assert np.mean(alphas[-200:]) == pytest.approx(expected, rel=0.05)


def test_a_temperature_that_runs_away_is_stopped_at_ten_of_the_largest_rewards() -> None:
    config = replace(CONFIG, alpha_learning_rate=0.5, target_entropy_ratio=0.0)
    falling = DiscreteSac(1, 2, config, seed=0)
    alike = batch_of([0, 1] * 32, [20.0] * 64, [1.0] * 64)
    for _ in range(60):
        falling.update(alike)  # all policies are as good, so that entropy stays above its target
    assert falling.alpha == pytest.approx(1e-4 * 20.0, rel=1e-4)
    rising = DiscreteSac(1, 2, replace(config, target_entropy_ratio=0.999), seed=0)
    for _ in range(60):
        rising.update(batch_of([0, 1] * 32, [-30.0, 0.0] * 32, [1.0] * 64))
        with torch.no_grad():  # a policy that never has its entropy
            rising.actor.layers()[-1][1].copy_(torch.tensor([[[9.0, -9.0]]]))
    assert rising.alpha == pytest.approx(300.0, rel=1e-4)


# -- one learner ----------------------------------------------------------------


def random_batch(seed: int) -> ReplayBatch:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    action = torch.from_numpy(rng.integers(3, size=(64, 1)).astype(np.float32))
    return ReplayBatch(normal(64, 4), action, normal(64), normal(64, 4), torch.zeros(64))


def test_a_saved_and_loaded_learner_continues_bit_for_bit() -> None:
    config = replace(CONFIG, actor_every=2, normalize=True)
    one, other = DiscreteSac(4, 3, config, seed=1), DiscreteSac(4, 3, config, seed=2)
    obs = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    for number in range(5):
        one.observe(obs)
        one.explore(obs)
        one.update(random_batch(number))
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    assert not torch.equal(one.critics.flat, other.critics.flat)
    other.load_state_dict(torch.load(file, weights_only=True))
    for number in range(5, 9):
        assert one.explore(obs).tolist() == other.explore(obs).tolist()
        for sac in (one, other):
            sac.update(random_batch(number))
    for name in ("actor", "critics", "targets", "average"):
        assert torch.equal(getattr(one, name).flat, getattr(other, name).flat)
    assert one.alpha == other.alpha


def test_learning_draws_no_random_number_and_exploring_does() -> None:
    sac, obs = DiscreteSac(4, 3, CONFIG, seed=1), np.zeros((8, 4), np.float32)
    before = sac.generator.get_state()
    sac.update(random_batch(0))
    assert torch.equal(sac.generator.get_state(), before)
    actions = np.concatenate([sac.explore(obs) for _ in range(20)])
    assert actions.dtype == np.int64
    assert set(actions.tolist()) == {0, 1, 2}


def test_diagnostics_are_sums_over_the_actions_and_name_the_option_of_discrete_ones() -> None:
    sac = DiscreteSac(4, 3, replace(CONFIG, initial_alpha=50.0), seed=1)
    looked = sac.diagnose(random_batch(0))
    assert looked.saturated == 0.0
    assert looked.target_entropy == pytest.approx(0.5 * math.log(3.0))
    assert looked.entropy == pytest.approx(math.log(3.0), abs=0.05)  # it starts near uniform
    assert "Lower --target-entropy-ratio" in looked.alarms()["entropy_share"]


def test_the_average_follows_the_actor_and_is_the_policy() -> None:
    sac = DiscreteSac(4, 3, replace(CONFIG, actor_average=0.25), seed=1)
    before = sac.average.flat.detach().clone()
    sac.update(random_batch(0))
    expected = 0.75 * before + 0.25 * sac.actor.flat
    torch.testing.assert_close(sac.average.flat, expected)
    assert not torch.equal(sac.average.flat, sac.actor.flat)


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, math.nan])
def test_an_entropy_that_no_policy_reaches_is_refused_in_its_unit(ratio: float) -> None:
    message = r"target_entropy_ratio must be within \[0, 1\): it is a share of log A nats"
    with pytest.raises(UsageError, match=message):
        SacConfig(target_entropy_ratio=ratio)
