"""Intervals cover what they say they cover."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import (
    CensoredEstimate,
    CensoredValue,
    Estimate,
    guarantee,
    mean,
    proportion,
)

TRUE_SHARES = np.linspace(0.01, 0.99, 197)


def covered(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Exact coverage at each true share of the intervals of 0, 1, ..., n hits, (197,)."""
    n = len(low) - 1
    chance = binom.pmf(np.arange(n + 1)[:, None], n, TRUE_SHARES)
    return (chance * ((low[:, None] <= TRUE_SHARES) & (high[:, None] >= TRUE_SHARES))).sum(0)


# -- shares ------------------------------------------------------------------------


def test_wilson_interval_against_its_formula() -> None:
    z = 1.959963984540054  # 97.5 % quantile of the normal distribution
    for hits, count in ((0, 10), (7, 10), (200, 200), (181, 200)):
        p = hits / count
        centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
        got = proportion(hits, count)
        np.testing.assert_allclose([got.low, got.high], [centre - half, centre + half], atol=1e-9)


@pytest.mark.parametrize("count", [20, 50, 200])
def test_wilson_intervals_cover_95_percent_on_average(count: int) -> None:
    all_of_them = [proportion(hits, count) for hits in range(count + 1)]
    coverage = covered(
        np.array([p.low for p in all_of_them]), np.array([p.high for p in all_of_them])
    )
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)
    assert coverage.min() > 0.83  # near 0 and 1, as documented


@pytest.mark.parametrize("count", [20, 50])
def test_a_guarantee_covers_at_least_95_percent_whatever_the_true_share(count: int) -> None:
    promises = [guarantee(hits, count) for hits in range(count + 1)]
    ones = np.ones(count + 1)
    assert covered(np.array([g.at_least for g in promises]), ones).min() >= 0.95
    two_sided = covered(np.array([g.low for g in promises]), np.array([g.high for g in promises]))
    assert two_sided.min() >= 0.95


def test_a_guarantee_is_the_share_at_which_so_many_hits_have_a_chance_of_one_in_twenty() -> None:
    for hits, count in ((1, 7), (33, 40), (187, 200)):
        promise = guarantee(hits, count)
        assert binom.sf(hits - 1, count, promise.at_least) == pytest.approx(0.05)
        assert binom.sf(hits - 1, count, promise.low) == pytest.approx(0.025)
        assert binom.cdf(hits, count, promise.high) == pytest.approx(0.025)


def test_59_episodes_without_failure_prove_95_percent_and_58_do_not() -> None:
    # 0.95 ** 59 < 0.05 < 0.95 ** 58: the sample size of Wilks 1941.
    assert str(guarantee(59, 59)) == "at least 95.0 % with 95 % confidence (100.0 % of 59)"
    assert str(guarantee(58, 58)) == "at least 94.9 % with 95 % confidence (100.0 % of 58)"
    assert guarantee(0, 9).at_least == 0.0


def test_an_impossible_proportion_is_refused() -> None:
    for refuse in (proportion, guarantee):
        with pytest.raises(UsageError, match="got 3 of 2"):
            refuse(3, 2)


# -- means -------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(0).exponential(size=7)
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean(values).interval == pytest.approx((expected.low, expected.high))


def test_the_interval_of_a_mean_covers_95_percent_of_normal_samples() -> None:
    samples = np.random.default_rng(1).normal(3.0, 2.0, (2000, 4))
    held = 0
    for sample in samples:
        low, high = mean(sample).interval or (np.nan, np.nan)
        held += low <= 3.0 <= high
    assert held / 2000 == pytest.approx(0.95, abs=3 * 0.0049)


def test_one_value_has_a_mean_without_an_interval() -> None:
    assert mean(np.array([2.5])) == Estimate(2.5, None, 1)
    assert str(mean(np.array([2.5]))) == "2.5"


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_a_mean_of_nothing_or_of_nan_is_refused(values: list[float]) -> None:
    with pytest.raises(UsageError, match="at least one value, all finite"):
        mean(np.array(values))


# -- for people --------------------------------------------------------------------


def test_limits_say_where_the_measured_range_ended() -> None:
    inside = CensoredEstimate(
        CensoredValue(9.8), CensoredValue(8.92), CensoredValue(10.71), 9, "N·s"
    )
    assert str(inside) == "9.8 N·s [8.92, 10.7]"
    end = CensoredValue(24.0, ">")
    assert str(CensoredEstimate(end, CensoredValue(21.3), end, 9, "N·s")) == "> 24 N·s [21.3, > 24]"
    assert str(CensoredEstimate(end, end, end, 9, "N·s")) == "> 24 N·s"
    assert str(CensoredEstimate(end, end, end, 9)) == "> 24"
