"""The support of a categorical critic: what returns can be, and what is said where it is short."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac
from robo_maxent.learning.support import Ends, returns_of, support_of

OBS, ACTION, GAMMA = 3, 2, 0.9
CONFIG = SacConfig(
    width=16, batch_size=64, gamma=GAMMA, critic="categorical", atoms=51, support=(-1.0, 1.0)
)


@pytest.mark.parametrize(
    "rewards", [(0.0, 2.5), (-1.0, 0.0), (-1.0, 2.0), (1.0, 3.0), (-4.0, -2.0)]
)
@pytest.mark.parametrize("price", [0.0, 3.0, 100.0])
def test_returns_are_those_of_the_best_and_the_worst_of_all_episodes(
    rewards: tuple[float, float], price: float
) -> None:
    returns = []
    for reward in rewards:
        for length in (1, 2, 3, 10, 1000):  # steps; the last one ends it, or it goes on for ever
            paid = reward * GAMMA ** np.arange(length)
            returns += [paid.sum() - price * GAMMA ** (length - 1)]
        returns += [reward / (1.0 - GAMMA)]
    assert returns_of(rewards, price, GAMMA) == pytest.approx((min(returns), max(returns)))


def test_a_support_has_room_at_both_ends() -> None:
    assert support_of((0.0, 2.5), 0.0, 0.97) == pytest.approx((-8.3333, 91.6667), abs=1e-3)
    assert support_of((0.0, 3.5), 40.0, 0.95) == pytest.approx((-51.0, 81.0))
    low, high = support_of((0.0, 0.0), 0.0, 0.9)
    assert low < 0.0 < high
    with pytest.raises(UsageError, match="with gamma 1 returns have no bounds: give the support"):
        support_of((0.0, 1.0), 0.0, 1.0)


def batch(reward: float, ended: float = 0.0) -> ReplayBatch:
    rng = torch.Generator().manual_seed(0)
    obs, next_obs = (torch.randn(64, OBS, generator=rng) for _ in range(2))
    action = torch.rand(64, ACTION, generator=rng)
    return ReplayBatch(obs, action, torch.full((64,), reward), next_obs, torch.full((64,), ended))


def words(sac: Sac, transitions: ReplayBatch) -> str:
    return sac.diagnose(transitions).alarms().get("support", "")


def test_a_support_that_is_too_narrow_is_named_with_one_that_would_do() -> None:
    sac = Sac(OBS, ACTION, replace(CONFIG, initial_alpha=1e-6), 0)
    said = words(sac, batch(2.0))  # worth 2 / (1 - 0.9) = 20
    assert "beyond the upper end of the support of the categorical critic, [-1, 1]" in said
    low, high = map(float, said.split("--support ")[1].split(" would do")[0].split())
    assert low == -1.0, "the end that does stays"
    assert 20.0 <= high <= 30.0
    wide = Sac(OBS, ACTION, replace(CONFIG, initial_alpha=1e-6, support=(low, high)), 0)
    assert words(wide, batch(2.0)) == ""
    assert "beyond the lower end" in words(sac, batch(-2.0, ended=1.0))


def test_entropy_counts_where_targets_count_it() -> None:
    hot = replace(CONFIG, initial_alpha=5.0)
    assert "--support" in words(Sac(OBS, ACTION, hot, 0), batch(0.0))
    cold = replace(hot, entropy_in_target=False)
    assert words(Sac(OBS, ACTION, cold, 0), batch(0.0)) == ""


def test_returns_that_are_common_at_an_end_are_no_alarm() -> None:
    """Rewards of nought at the lower end of a support from 0: all is there, and nothing is lost."""
    sac = Sac(OBS, ACTION, replace(CONFIG, initial_alpha=1e-9, support=(0.0, 10.0)), 0)
    found = sac.diagnose(batch(0.0, ended=1.0)).ends
    assert found is not None
    assert found.mass == (1.0, 0.0)
    assert found.alarms() == {}


def test_ends_that_would_do_are_round_and_hold_what_is_wanted() -> None:
    ends = Ends(support=(-7.3, 91.2), mass=(0.3, 0.3), lost=(9.0, 9.0), wanted=(-33.3, 1234.5))
    said = ends.alarms()["support"]
    assert "lower and upper end" in said
    assert "--support -100 1300 would do" in said
