"""Discrete actions learnt in tables meet the optimum, and with a mistake in the backup do not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from robo_maxent.learning import sac as sac_module
from robo_maxent.learning.exact import FiniteMdp, log_boltzmann, soft_value_iteration
from robo_maxent.learning.sac import soft_target

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def tabular(benchmark: Callable[[str], Any]) -> Any:
    return benchmark("tabular")


@pytest.fixture
def small(tabular: Any) -> FiniteMdp:
    return tabular.random_process(seed=3, states=5, actions=3)


def test_tables_meet_the_optimum(tabular: Any, small: FiniteMdp) -> None:
    errors = tabular.measure(tabular.learn_tables(small, seed=0, updates=800), small)
    assert errors.q < 0.01
    assert errors.tv < 0.01


def test_tables_of_distributions_meet_the_optimum_too(tabular: Any, small: FiniteMdp) -> None:
    config = {"critic": "categorical", "atoms": 21, "support": (-8.0, 8.0), "learning_rate": 0.2}
    errors = tabular.measure(tabular.learn_tables(small, seed=0, updates=500, **config), small)
    assert errors.q < 0.01
    assert errors.tv < 0.01


@pytest.mark.parametrize(
    "backup",
    [
        lambda r, t, q, log_pi, alpha, gamma: soft_target(r, t, q, 0 * log_pi, alpha, gamma),
        lambda r, t, q, log_pi, alpha, gamma: soft_target(r, t, q, -log_pi, alpha, gamma),
        lambda r, t, q, log_pi, alpha, gamma: soft_target(r, 0 * t, q, log_pi, alpha, gamma),
    ],
    ids=["entropy-missing", "wrong-sign", "termination-ignored"],
)
def test_tables_with_a_mistake_in_the_backup_do_not(
    tabular: Any, small: FiniteMdp, monkeypatch: pytest.MonkeyPatch, backup: Callable[..., Any]
) -> None:
    monkeypatch.setattr(sac_module, "soft_target", backup)
    errors = tabular.measure(tabular.learn_tables(small, seed=0, updates=400), small)
    assert errors.q > 0.1


def test_a_learner_at_the_optimum_has_no_error(tabular: Any, small: FiniteMdp) -> None:
    sac = tabular.TableSac(5, 3, tabular._fixed(small), 0)
    best = soft_value_iteration(small, tabular.ALPHA)
    with torch.no_grad():
        sac.critics.flat.copy_(torch.from_numpy(np.stack([best, best])).flatten())
        logits = log_boltzmann(best, tabular.ALPHA)
        sac.actor.flat.copy_(torch.from_numpy(logits).flatten())
    right = tabular.measure(sac, small)
    assert max(right.q, right.tv) < 1e-6
    with torch.no_grad():
        sac.actor.flat.zero_()
    policy = np.exp(logits)[small.terminal == 0]
    by_hand = 0.5 * np.abs(policy - 1 / 3).sum(1).max()
    assert tabular.measure(sac, small).tv == pytest.approx(by_hand, abs=1e-6)


def test_a_batch_has_every_transition_that_there_is_once(tabular: Any, small: FiniteMdp) -> None:
    batch = tabular.every_transition(small)
    assert len(batch.reward) == 3 * 3 * 3, "states that are acted in, actions, branches"
    s, a, t = batch.obs.argmax(1), batch.action[:, 0].long(), batch.next_obs.argmax(1)
    assert len({*zip(s.tolist(), a.tolist(), t.tolist(), strict=True)}) == 27
    np.testing.assert_allclose(small.transition[s, a, t], 1 / 3)
    np.testing.assert_allclose(batch.reward, small.reward[s, a], rtol=1e-6)
    np.testing.assert_array_equal(batch.terminated, small.terminal[t])


def test_walks_go_where_the_process_does_and_no_time_limit_is_a_termination(
    tabular: Any, small: FiniteMdp
) -> None:
    rng = np.random.default_rng(0)
    walks = tabular._Walks(small, rng)
    for _ in range(60):
        walks.step(rng.integers(3, size=64))
    rows = walks.buffer.sample(rng, 20_000)
    s, a, t = rows.obs.argmax(1), rows.action[:, 0].long(), rows.next_obs.argmax(1)
    assert (small.transition[s, a, t] > 0).all()
    np.testing.assert_array_equal(rows.terminated, small.terminal[t])
    share = np.bincount(t[(s == 2) & (a == 0)], minlength=5) / ((s == 2) & (a == 0)).sum().item()
    np.testing.assert_allclose(share, small.transition[2, 0], atol=0.1)
