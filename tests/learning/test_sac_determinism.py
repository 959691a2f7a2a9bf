"""One seed is one run, bit for bit, also through a checkpoint."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.learning.sac import Sac

pytestmark = pytest.mark.usefixtures("one_thread")

OBS, ACTION = 5, 2
CONFIG = SacConfig(width=16, batch_size=32, actor_every=3)


def new_sac(seed: int) -> Sac:
    return Sac(OBS, ACTION, CONFIG, seed)


def stored() -> ReplayBuffer:
    rng = np.random.default_rng(0)
    buffer = ReplayBuffer(200, OBS, ACTION)
    buffer.add(
        obs=rng.normal(size=(200, OBS)),
        action=rng.uniform(-1, 1, (200, ACTION)),
        reward=rng.normal(size=200),
        next_obs=rng.normal(size=(200, OBS)),
        terminated=rng.random(200) < 0.1,
        sim=np.zeros(200, int),
        ended=np.zeros(200, bool),
    )
    return buffer


def learn(sac: Sac, rng: np.random.Generator, updates: int) -> list[np.ndarray]:
    """Observe, act and update; the actions taken."""
    buffer, actions = stored(), []
    for _ in range(updates):
        obs = rng.normal(size=(4, OBS)).astype(np.float32)
        sac.observe(obs)
        actions.append(sac.explore(obs))
        sac.update(buffer.sample(rng, CONFIG.batch_size))
    return actions


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and number of a nested state, with the path to it."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        yield path, tree
        return
    for key, branch in items:
        yield from leaves(branch, f"{path}/{key}")


def differences(one: Sac, other: Sac) -> list[str]:
    """Paths at which the whole states of two learners are not the same bits."""
    pairs = zip(leaves(one.state_dict()), leaves(other.state_dict()), strict=True)
    unlike = []
    for (path, a), (other_path, b) in pairs:
        assert path == other_path
        same = torch.equal(a, b) if isinstance(a, Tensor) else a == b
        unlike += [] if same else [path]
    return unlike


def test_one_seed_gives_one_learner_bit_for_bit() -> None:
    one, same = new_sac(7), new_sac(7)
    actions = learn(one, np.random.default_rng(1), 10)
    np.testing.assert_array_equal(learn(same, np.random.default_rng(1), 10), actions)
    assert differences(one, same) == []


def test_another_seed_gives_other_weights_and_other_noise() -> None:
    one, other = new_sac(7), new_sac(8)
    unlike = differences(one, other)
    assert {"/networks/actor/flat", "/networks/critics/flat", "/generator"} <= {*unlike}
    other.load_state_dict({**one.state_dict(), "generator": other.generator.get_state()})
    obs = np.zeros((4, OBS), np.float32)
    assert (one.explore(obs) != other.explore(obs)).all()


def test_the_learner_neither_reads_nor_moves_the_global_generator() -> None:
    learners = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        learners.append(new_sac(7))
        learn(learners[-1], np.random.default_rng(1), 4)
        assert torch.equal(torch.get_rng_state(), before)
    assert differences(*learners) == []


@pytest.mark.parametrize("before", [6, 7, 8])  # each phase of actor_every
def test_a_saved_and_loaded_learner_continues_bit_for_bit(before: int) -> None:
    uninterrupted, rng = new_sac(7), np.random.default_rng(1)
    learn(uninterrupted, rng, before)
    file = io.BytesIO()
    torch.save(uninterrupted.state_dict(), file)
    position = rng.bit_generator.state
    actions = learn(uninterrupted, rng, 7)

    file.seek(0)
    resumed = new_sac(99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    rng = np.random.default_rng()
    rng.bit_generator.state = position
    np.testing.assert_array_equal(learn(resumed, rng, 7), actions)
    assert resumed.updates == before + 7
    assert differences(uninterrupted, resumed) == []


def test_the_comparison_of_whole_states_sees_each_part() -> None:
    parts = set()
    for change in ("updates", "log_alpha", "generator", "networks", "optimizers"):
        one, other = new_sac(7), new_sac(7)
        for sac in (one, other):
            learn(sac, np.random.default_rng(1), 3)
        with torch.no_grad():
            if change == "updates":
                other.updates += 1
            elif change == "log_alpha":
                other.log_alpha += 1e-6
            elif change == "generator":
                other.explore(np.zeros((1, OBS), np.float32))
            elif change == "networks":
                other.normalizer.mean += 1e-12
            else:
                other.optimizers["actor"].first += 1e-6
        unlike = differences(one, other)
        assert len(unlike) == 1
        parts.add(unlike[0].split("/")[1])
    assert parts == {"updates", "log_alpha", "generator", "networks", "optimizers"}


def test_another_learning_rate_is_another_run() -> None:
    one = new_sac(7)
    other = Sac(OBS, ACTION, replace(CONFIG, learning_rate=5e-3), 7)
    for sac in (one, other):
        learn(sac, np.random.default_rng(1), 1)
    assert not torch.equal(one.critics.flat, other.critics.flat)


def test_a_learning_rate_that_falls_is_held_and_then_one_over_the_updates() -> None:
    config = replace(CONFIG, learning_rate=4e-3, learning_rate_held=8)
    falling, steady = Sac(OBS, ACTION, config, 7), Sac(OBS, ACTION, config, 7)
    steady.config = replace(config, learning_rate_held=None)
    rates = []
    for updates in range(24):
        same = torch.equal(falling.critics.flat, steady.critics.flat)
        assert same == (updates <= 9)  # the first update at a lower rate is that after nine
        for sac in (falling, steady):
            learn(sac, np.random.default_rng(updates), 1)
        rates.append(falling.optimizers["critics"].rate)
        assert falling.optimizers["actor"].rate == rates[-1]
        assert falling.optimizers["alpha"].rate == config.alpha_learning_rate
    assert rates == pytest.approx([4e-3] * 9 + [4e-3 * 8 / done for done in range(9, 24)])
