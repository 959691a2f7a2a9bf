"""A share against a limit: the wealth is an integral, and whoever looks always errs seldom."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binomtest

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.sequential import (
    least_episodes,
    lower_bound,
    shown_above,
    shown_below,
)


def wealth(hits: int, count: int, limit: float) -> float:
    """The same by numerical integration over the shares above the limit."""

    def grown(share: float) -> float:
        ratio = (share / limit) ** hits * ((1 - share) / (1 - limit)) ** (count - hits)
        return ratio * float(beta.pdf(share, 0.5, 0.5))

    return quad(grown, limit, 1.0, limit=200)[0] / float(beta.sf(limit, 0.5, 0.5))


@pytest.mark.parametrize(
    ("hits", "count", "limit"), [(36, 36, 0.9), (60, 64, 0.8), (30, 40, 0.9), (9, 12, 0.5)]
)
def test_the_wealth_is_the_integral_of_the_bets(hits: int, count: int, limit: float) -> None:
    grown = wealth(hits, count, limit)
    for factor, shown in ((0.999, True), (1.001, False)):
        confidence = 1.0 - 1.0 / (grown * factor)
        if 0.0 < confidence < 1.0:
            assert shown_above(hits, count, limit, confidence) is shown
            assert shown_below(count - hits, count, 1.0 - limit, confidence) is shown
    assert shown_above(hits, count, limit, 0.95) is (grown >= 20.0)


def least_hits(count: int, limit: float) -> int:
    """How many successes of so many episodes show that the share is above the limit."""
    return next(
        (hits for hits in range(count + 1) if shown_above(hits, count, limit, 0.95)), count + 1
    )


def ever_shown(shares: np.ndarray, every: int, limit: float, runs: int) -> float:
    """How often it is shown at any look, of episodes with these chances of success, (n,)."""
    rng = np.random.default_rng(0)
    hits = (rng.random((runs, len(shares))) < shares).cumsum(1)
    looks = np.arange(every, len(shares) + 1, every)
    needed = np.array([least_hits(int(look), limit) for look in looks])
    return float((hits[:, looks - 1] >= needed).any(1).mean())


@pytest.mark.parametrize("limit", [0.5, 0.9])
def test_looking_always_errs_in_no_more_than_one_in_twenty(limit: float) -> None:
    wrong = ever_shown(np.full(200, limit), 1, limit, 4000)
    assert wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)
    assert wrong > 0.01  # it is not only careful


def test_cases_may_differ_in_how_hard_they_are() -> None:
    shares = np.tile([0.8, 1.0, 0.9, 0.9], 50)
    assert ever_shown(shares, 4, 0.9, 4000) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)


def test_what_is_true_by_a_margin_is_shown_soon() -> None:
    assert ever_shown(np.full(300, 0.98), 1, 0.9, 1000) > 0.95


def test_the_price_of_looking_always_is_small() -> None:
    """Clopper and Pearson need 29 successes of as many, looked at once."""
    assert least_episodes(0.9, 0.95) == 36
    exact = binomtest(29, 29).proportion_ci(0.9, "exact").low  # two-sided: 5 % at each end
    assert exact > 0.9


@pytest.mark.parametrize(("hits", "count"), [(1, 1), (64, 64), (50, 64), (3, 64), (950, 1000)])
def test_the_bound_is_the_largest_limit_that_is_shown(hits: int, count: int) -> None:
    bound = lower_bound(hits, count, 0.95)
    assert shown_above(hits, count, bound - 1e-6, 0.95)
    assert not shown_above(hits, count, bound + 1e-6, 0.95)
    assert bound < hits / count


def test_no_success_shows_nothing() -> None:
    assert lower_bound(0, 10, 0.95) == lower_bound(0, 0, 0.95) == 0.0
    assert not shown_above(0, 10_000, 0.5, 0.95)
    assert shown_below(0, 10_000, 0.5, 0.95)


def test_more_successes_show_more() -> None:
    bounds = [lower_bound(hits, 40, 0.9) for hits in range(41)]
    assert all(less < more for less, more in itertools.pairwise(bounds[1:]))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((2, 1, 0.5, 0.9), "0 <= hits <= count"),
        ((1, 2, 1.0, 0.9), "a limit of a share must be between 0 and 1"),
        ((1, 2, 0.5, 1.0), "confidence must be between 0 and 1"),
    ],
)
def test_what_is_no_share_is_refused(arguments: tuple[int, int, float, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        shown_above(*arguments)
