"""Numbers of a learner that is not well, worked by hand, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_maxent.errors import UsageError
from robo_maxent.learning import native
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.diagnostics import Diagnostics
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac

OBS, ACTION, BATCH = 3, 2, 32
SMALL = SacConfig(width=16, batch_size=BATCH)
WELL = Diagnostics(-1.0, -1.0, 0.1, 0.05, 0.2)


def batch(size: int = BATCH, seed: int = 0) -> ReplayBatch:
    rng = torch.Generator().manual_seed(seed)
    shapes = {"obs": (OBS,), "action": (ACTION,), "reward": (), "next_obs": (OBS,)}
    drawn = {name: torch.rand((size, *shape), generator=rng) for name, shape in shapes.items()}
    return ReplayBatch(**drawn, terminated=torch.zeros(size))


def test_numbers_of_critics_that_are_known() -> None:
    """Targets say 3 and 5 everywhere, the critics 1 and 2; α log π is what the actor says."""
    sac = Sac(OBS, ACTION, replace(SMALL, initial_alpha=0.5), 0)
    for nets, values in ((sac.targets, (3.0, 5.0)), (sac.critics, (1.0, 2.0))):
        with torch.no_grad():
            nets.flat.zero_()
            nets.flat[-2:] = torch.tensor(values)  # the biases of the last layer
    found = sac.diagnose(batch())
    noise = torch.randn((BATCH, ACTION), generator=torch.Generator().manual_seed(0))
    seen = sac.normalizer(batch().next_obs)
    with torch.no_grad():
        action, log_prob = sac.actor.sample(seen, noise)
    bonus = float((0.5 * log_prob).abs().mean())
    assert found.entropy_share == pytest.approx(bonus / (bonus + 3.0), rel=1e-5)
    assert found.twin_gap == pytest.approx(1.0 / np.std([1.0, 2.0], ddof=0), rel=0.02)
    assert found.entropy == pytest.approx(-float(log_prob.mean()), rel=1e-5)
    assert found.saturated == float((action.abs() > 0.99).float().mean())


def test_looking_changes_nothing() -> None:
    one, other = (Sac(OBS, ACTION, SMALL, 0) for _ in range(2))
    one.diagnose(batch())
    for sac in (one, other):
        sac.update(batch(seed=1))
    assert torch.equal(one.actor.flat, other.actor.flat)
    assert torch.equal(one.generator.get_state(), other.generator.get_state())


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"entropy_share": 0.6}, "entropy_share", "60 % of the target values is entropy"),
        ({"saturated": 0.8}, "saturated", "80 % of the actions are at their limits"),
        ({"entropy": -3.5}, "entropy", "2.5 nats below its target"),
        ({"twin_gap": 1.2}, "twin_gap", "the critics differ by more than their values vary"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    changes: dict[str, float], name: str, words: str
) -> None:
    alarms = replace(WELL, **changes).alarms()
    assert list(alarms) == [name]
    assert words in alarms[name]
    assert "--" in alarms[name]


def test_what_entropy_may_lack_grows_with_the_elements_of_an_action() -> None:
    assert replace(WELL, entropy=-2.5, action_size=12).alarms() == {}
    assert "entropy" in replace(WELL, entropy=-7.5, action_size=12).alarms()


def test_a_policy_that_is_paid_for_not_ending_episodes_is_told_so() -> None:
    waits = replace(WELL, endless=0.8, terminated=0.1)
    words = waits.plays_for_time()["plays_for_time"]
    assert words.startswith("no episode of the evaluation terminated, and entropy still to come ")
    assert "80 % of the values" in words
    assert "--no-entropy-in-target" in words
    assert "100 %" in replace(waits, endless=np.inf).plays_for_time()["plays_for_time"]
    for fine in ({"endless": 0.5}, {"endless": -3.0}, {"terminated": 0.0}, {"endless": np.nan}):
        assert replace(waits, **fine).plays_for_time() == {}


@pytest.mark.parametrize("learner", [Sac, DiscreteSac])
def test_what_entropy_is_worth_to_an_episode_that_never_ends(learner: type[Sac]) -> None:
    """Targets say 3 and 5 everywhere, and gamma 0.9 looks ten steps ahead."""
    config = replace(SMALL, initial_alpha=0.5, gamma=0.9)
    ended = replace(batch(), terminated=(torch.arange(BATCH) < 8).float())
    if learner is DiscreteSac:
        ended = replace(ended, action=torch.zeros(BATCH, 1))
    changes = ({}, {"entropy_in_target": False}, {"gamma": 1.0})
    found = []
    for change in changes:
        sac = learner(OBS, ACTION, replace(config, **change), 0)
        outputs = ACTION if learner is DiscreteSac else 1
        with torch.no_grad():
            sac.targets.flat.zero_()
            sac.targets.flat[-2 * outputs :] = torch.tensor([3.0, 5.0]).repeat_interleave(outputs)
        found.append(sac.diagnose(ended))
    assert found[0].endless == pytest.approx(10 * 0.5 * found[0].entropy / 3.0, rel=1e-5)
    assert found[0].terminated == 0.25
    assert found[1].endless == 0.0
    assert abs(found[2].endless) == np.inf


@pytest.mark.parametrize("learner", [Sac, DiscreteSac])
def test_where_the_temperature_is_fixed_no_advice_is_about_a_target(learner: type[Sac]) -> None:
    some = replace(batch(), action=torch.zeros(BATCH, 1 if learner is DiscreteSac else ACTION))
    fixed, learnt = (
        learner(OBS, ACTION, replace(SMALL, alpha_learning_rate=rate), 0).diagnose(some)
        for rate in (0.0, 1e-3)
    )
    assert (fixed.fixed, learnt.fixed) == (True, False)
    bad = {"entropy_share": 0.9, "saturated": 0.9, "entropy": fixed.target_entropy - 9.0}
    fixed, learnt = (replace(found, twin_gap=0.0) for found in (fixed, learnt))
    alarms = replace(fixed, **bad).alarms()
    assert alarms.keys() == {"entropy_share", "saturated"}  # it has nothing to catch up with
    for words in alarms.values():
        assert "--initial-alpha" in words
        assert "target-entropy" not in words
    alarms = replace(learnt, **bad).alarms()
    assert alarms.keys() == bad.keys()
    assert all("target-entropy" in alarms[name] for name in ("entropy_share", "saturated"))


def test_a_learner_that_is_well_gives_no_alarm() -> None:
    assert WELL.alarms() == {}
    assert WELL.metrics() == {
        "diagnostics/entropy_share": 0.1,
        "diagnostics/saturated": 0.05,
        "diagnostics/twin_gap": 0.2,
    }


# -- a target entropy that changes ---------------------------------------------------------


def test_the_target_entropy_goes_from_its_first_value_to_its_last() -> None:
    config = replace(
        SMALL, target_entropy_per_action=0.0, target_entropy_final=-1.0, target_entropy_updates=10
    )
    sac = Sac(OBS, ACTION, config, 0)
    assert sac.target_entropy == 0.0
    for expected in (-0.4, -0.8, -1.2, -1.6, -2.0, -2.0):
        sac.update(batch(2 * BATCH))
        assert sac.target_entropy == pytest.approx(expected)
    assert Sac(OBS, ACTION, SMALL, 0).target_entropy == -0.5 * ACTION


@pytest.mark.skipif(native.library() is None, reason="there is no compiler")
def test_the_compiled_update_holds_the_same_target(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, target_entropy_final=0.5, target_entropy_updates=4)
    compiled = Sac(OBS, ACTION, config, 0)
    monkeypatch.setattr(native, "library", lambda: None)
    in_torch = Sac(OBS, ACTION, config, 0)
    for seed in range(6):
        for sac in (compiled, in_torch):
            sac.update(batch(seed=seed))
    assert compiled.alpha == pytest.approx(in_torch.alpha, rel=1e-5)
    assert compiled.alpha != pytest.approx(_constant(), rel=1e-5)


def _constant() -> float:
    sac = Sac(OBS, ACTION, SMALL, 0)
    for seed in range(6):
        sac.update(batch(seed=seed))
    return sac.alpha


@pytest.mark.parametrize(
    "changes",
    [
        {"target_entropy_per_action": 0.7},
        {"target_entropy_final": 1.0},
        {"target_entropy_per_action": float("nan")},
        {"target_entropy_final": float("inf")},
    ],
)
def test_an_entropy_that_no_action_has_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"within \[-100, 0\.693\) nats, log 2 being that of a"):
        replace(SMALL, **changes)


def test_a_target_needs_updates_to_get_there() -> None:
    with pytest.raises(UsageError, match="target_entropy_updates must be at least 1, got 0"):
        replace(SMALL, target_entropy_final=0.0, target_entropy_updates=0)


# -- discrete actions ----------------------------------------------------------------------


def test_a_learner_of_discrete_actions_is_looked_at_too() -> None:
    """Critics say 1 and 2 of every action; a policy that is all but certain is saturated."""
    sac = DiscreteSac(OBS, 4, replace(SMALL, initial_alpha=0.5), 0)
    with torch.no_grad():
        for nets, values in ((sac.targets, (3.0, 5.0)), (sac.critics, (1.0, 2.0))):
            nets.flat.zero_()
            nets.flat[-8:] = torch.tensor(values).repeat_interleave(4)
        sac.actor.flat.zero_()
    some = replace(batch(), action=torch.randint(4, (BATCH, 1)).float())
    found = sac.diagnose(some)
    assert found.entropy == pytest.approx(np.log(4.0))
    assert found.target_entropy == pytest.approx(0.5 * np.log(4.0))
    assert found.entropy_share == pytest.approx(0.5 * np.log(4.0) / (0.5 * np.log(4.0) + 3.0))
    assert found.twin_gap == pytest.approx(1.0 / 0.5, rel=0.02)
    assert found.saturated == 0.0
    with torch.no_grad():
        sac.actor.flat[-4:] = torch.tensor([9.0, 0.0, 0.0, 0.0])
    certain = sac.diagnose(some)
    assert certain.saturated == 1.0
    words = certain.alarms()["saturated"]
    assert words.startswith("100 % of the states leave one action all but certain")
    assert words.endswith("--target-entropy-ratio.")
    assert "--target-entropy-ratio" in replace(found, entropy_share=0.9).alarms()["entropy_share"]


def test_updates_to_a_last_target_that_nobody_gave_are_refused() -> None:
    with pytest.raises(UsageError, match="target_entropy_updates 7 means nothing without target_e"):
        replace(SMALL, target_entropy_updates=7)
