"""Episodes that share their start tell less: intervals still cover what they say they cover."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import (
    effective_count,
    shared_mean,
    shared_proportion,
    sign_flip,
)
from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.paired import success_difference
from robo_maxent.evaluation.survival import waiting_times

STARTS = np.repeat(np.arange(30), 4)
"""30 starts, each met at four severities."""
ALIKE = 0.0, 0.3, 0.7
"""Correlation of the outcomes of a start."""


def hardness(rng: np.random.Generator, alike: float) -> np.ndarray:
    """Standard normal numbers that are correlated as much within a start, (n,)."""
    shared = rng.normal(size=STARTS.max() + 1)[STARTS]
    return np.sqrt(alike) * shared + np.sqrt(1 - alike) * rng.normal(size=len(STARTS))


# -- how much less -----------------------------------------------------------------


def test_starts_that_are_not_shared_change_nothing() -> None:
    rng = np.random.default_rng(0)
    for hits in ([0] * 9, [1] * 9, rng.integers(0, 2, 40)):
        hits = np.array(hits)
        assert effective_count(hits, np.arange(len(hits))[::-1]) == len(hits)
        assert shared_proportion(hits, np.arange(len(hits))) == proportion(hits.sum(), len(hits))


def test_episodes_that_repeat_their_start_count_once() -> None:
    once = np.random.default_rng(1).integers(0, 2, 400)
    again, starts = np.repeat(once, 5), np.repeat(np.arange(400), 5)
    assert effective_count(again, starts) == pytest.approx(400)
    assert effective_count(np.ones(2000), starts) == 400  # nothing shows that they differ
    one, five = proportion(once.sum(), 400), shared_proportion(again, starts)
    assert (five.low, five.high, five.count) == pytest.approx((one.low, one.high, 2000))


def test_the_count_is_that_of_the_variance_of_cluster_means() -> None:
    rng = np.random.default_rng(2)
    hits = (hardness(rng, 0.5) > 0.3).reshape(30, 4)
    variance = hits.mean(axis=1).var(ddof=1) / 30  # of the mean of 30 independent clusters
    few = 1.9800998761 / 2.0452296421  # 97.5 % quantiles of t at 119 and at 29 degrees
    expected = hits.mean() * (1 - hits.mean()) / variance * few**2
    assert effective_count(hits.ravel(), STARTS) == pytest.approx(expected)


def test_a_start_that_is_met_more_often_counts_for_less() -> None:
    starts = np.array([0] * 8 + [1, 2])
    assert effective_count(np.ones(10), starts) == pytest.approx(100 / 66)
    assert effective_count(np.ones(3), np.zeros(3)) == 1


@pytest.mark.parametrize("starts", [[0, 1], [[0, 1, 2]]])
def test_a_start_is_needed_for_each_value(starts: list[int]) -> None:
    with pytest.raises(UsageError, match=r"a start for each of at least one value .* got \(3,\)"):
        effective_count(np.ones(3), np.array(starts))


# -- intervals and p-values --------------------------------------------------------


@pytest.mark.parametrize("alike", ALIKE)
@pytest.mark.parametrize("threshold", [0.0, 0.8, 1.3])
def test_the_interval_of_a_share_covers_95_percent(alike: float, threshold: float) -> None:
    rng = np.random.default_rng(3)
    true = np.mean(rng.normal(size=1_000_000) < threshold)
    held = naive = 0
    for _ in range(500):
        hits = hardness(rng, alike) < threshold
        share, alone = shared_proportion(hits, STARTS), proportion(int(hits.sum()), len(hits))
        held += share.low <= true <= share.high
        naive += alone.low <= true <= alone.high
    assert 0.92 < held / 500 < 0.99
    if alike == 0.7:
        assert naive / 500 < 0.85  # what ignoring starts would do


@pytest.mark.parametrize("alike", ALIKE)
def test_the_interval_of_a_difference_covers_95_percent(alike: float) -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(500):
        first, second = hardness(rng, alike) < 0.9, hardness(rng, alike) < 0.5
        low, high = success_difference(first, second, STARTS).difference.interval or (1.0, 0.0)
        held += low <= 0.1244 <= high  # the normal distribution between 0.5 and 0.9
    assert 0.92 < held / 500 < 0.99


@pytest.mark.parametrize("alike", ALIKE)
def test_equal_policies_differ_at_5_percent_as_often_as_that(alike: float) -> None:
    rng = np.random.default_rng(5)
    p, naive = np.empty((2, 500))
    for trial in range(500):
        first, second = hardness(rng, alike) < 0.5, hardness(rng, alike) < 0.5
        p[trial] = success_difference(first, second, STARTS).p_value
        naive[trial] = success_difference(first, second).p_value
    assert 0.01 < np.mean(p <= 0.05) < 0.075
    if alike == 0.7:
        assert np.mean(naive <= 0.05) > 0.15


def test_flipped_signs_against_all_ways_to_flip_them() -> None:
    rng = np.random.default_rng(6)
    for size in (1, 2, 5, 9):
        sums = rng.integers(-4, 5, size)
        ways = np.array(list(product((-1, 1), repeat=size))) @ np.abs(sums)
        assert sign_flip(sums) == pytest.approx(np.mean(np.abs(ways) >= abs(sums.sum())))
    assert sign_flip(np.zeros(4)) == 1.0


def test_one_pair_a_start_is_mcnemars_exact_test() -> None:
    for better, worse in ((3, 9), (0, 6), (5, 5), (40, 61)):
        sums = np.array([1] * better + [-1] * worse + [0] * 7)
        assert sign_flip(sums) == pytest.approx(binomtest(better, better + worse).pvalue)


# -- times -------------------------------------------------------------------------


@pytest.mark.parametrize("alike", ALIKE)
def test_the_interval_of_a_median_time_covers_95_percent(alike: float) -> None:
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(150):
        seconds = np.exp(0.6 * hardness(rng, alike))  # of median 1
        seconds[seconds > 2.0] = np.nan
        median = waiting_times(seconds, 2.0, starts=STARTS).median
        held += median.low.value <= 1.0 <= median.high.value
    assert held / 150 > 0.9


def test_times_of_starts_of_their_own_have_the_usual_interval() -> None:
    times = np.array([0.1, 0.4, np.nan, 0.7, 1.9, np.nan, 0.2])
    usual, apart = waiting_times(times, 2.0), waiting_times(times, 2.0, starts=np.arange(7))
    assert apart.median == usual.median
    np.testing.assert_allclose(apart.curve.low, usual.curve.low)
    np.testing.assert_allclose(apart.curve.high, usual.curve.high)
    with pytest.raises(UsageError, match="watched for as long"):
        waiting_times(times, np.array([2.0] * 6 + [3.0]), starts=np.arange(7))


# -- means over groups -------------------------------------------------------------


def test_a_mean_over_groups_counts_them_alike_however_many_episodes_they_have() -> None:
    groups = [(np.arange(n) < hits, np.arange(n)) for hits, n in ((90, 100), (1, 10))]
    mean = shared_mean(groups)
    assert (mean.share, mean.count) == (pytest.approx(0.5), 110)
    assert shared_mean(groups[:1]) == shared_proportion(*groups[0])
    with pytest.raises(UsageError, match="at least one group"):
        shared_mean([])


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ((0.95, 0.6, 0.2), (24, 24, 192)),
        ((0.99,) * 12, (48,) * 12),
        ((1.0,) * 11 + (0.5,), (48,) * 12),
        ((0.02, 0.5, 0.9, 0.98), (16, 16, 16, 16)),
    ],
)
def test_the_interval_of_a_mean_over_groups_covers_95_percent(
    shares: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(1000):
        groups = [
            (rng.random(n) < share, np.arange(n)) for share, n in zip(shares, counts, strict=True)
        ]
        mean = shared_mean(groups)
        held.append(mean.low <= np.mean(shares) <= mean.high)
    assert np.mean(held) >= 0.93
