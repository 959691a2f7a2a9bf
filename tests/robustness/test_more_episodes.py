"""A suite may have many times as many episodes: others, of the same conditions."""

import pickle

import numpy as np
import pytest

from robo_maxent.errors import UsageError
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.plan import PolicyPlan, planned
from robo_maxent.robustness.suites import CASES, MOST, SPAN, find, first_simulation, simulations
from robo_maxent.tasks import make

FORK = make("point-fork")
STILL = PolicyUnderTest("still", lambda obs: np.zeros((len(obs), 2)))


def own_plan(factor: int) -> PolicyPlan:
    (plan, *_) = planned(find("full").times(factor), FORK, [STILL], 1)
    return plan


def test_numbers_of_simulations_never_meet_however_many_there_are() -> None:
    first = first_simulation("payload", 3)
    few = np.arange(MOST)
    np.testing.assert_array_equal(simulations(first, few), first + few)
    many = np.arange(5 * MOST)
    own, next_case = simulations(first, many), simulations(first + MOST, many)
    last_of_all = simulations(SPAN - MOST, many)
    assert len({*own, *next_case, *last_of_all}) == 3 * 5 * MOST
    assert own.min() >= 0
    assert simulations(SPAN - MOST, np.array([MOST * MOST - 1])) > 0  # no overflow
    # Those of a later round go on where the rounds before it end.
    later = int(simulations(first, np.array(2_400)))
    np.testing.assert_array_equal(simulations(later, many[:600]), own[2_400:3_000])
    assert first_simulation("payload", CASES - 1) < SPAN


def test_a_suite_has_so_many_times_as_many_of_everything() -> None:
    once, suite = find("full"), find("full").times(30)
    for mode in ("mean", "sampled", "baseline"):
        pairs = zip(once.conditions(FORK, mode), suite.conditions(FORK, mode), strict=True)
        for one, many in pairs:
            assert many.episodes == 30 * one.episodes
            assert (many.axis, many.severity, many.case, many.first) == (
                *(one.axis, one.severity, one.case),
                one.first,
            )
    assert suite.refinement.episodes == 30 * once.refinement.episodes
    for factor in (0, MOST + 1):
        with pytest.raises(UsageError, match="factor of episodes must be 1 to 1,000"):
            once.times(factor)


def test_more_episodes_are_those_of_fewer_and_others() -> None:
    one, many = own_plan(1), own_plan(30)
    assert len(many) == 30 * len(one)
    named = [
        [
            (stands[0].axis, stands[0].severity, stands[0].case, int(sim))
            for stands, sim in zip(e.conditions, e.sims, strict=True)
        ]
        for e in (each.episodes(np.arange(len(each))) for each in (one, many))
    ]
    assert len(set(named[1])) == len(named[1])
    assert set(named[0]) < set(named[1])


def test_a_plan_of_many_is_as_small_as_of_few() -> None:
    assert len(pickle.dumps(own_plan(300).stretches)) < 1.2 * len(
        pickle.dumps(own_plan(1).stretches)
    )
