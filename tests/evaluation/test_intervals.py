"""Intervals cover what they say they cover."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp
from scipy.stats import entropy as scipy_entropy

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import (
    CensoredEstimate,
    CensoredValue,
    binary_entropy,
    mean_interval,
    mode_entropy,
    percentile_interval,
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


def test_an_impossible_proportion_is_refused() -> None:
    with pytest.raises(UsageError, match="need 0 <= hits <= count and count >= 1, got 3 of 2"):
        proportion(3, 2)
    with pytest.raises(UsageError, match="2 episodes can't be worth 3 independent ones"):
        proportion(1, 2, effective=3)


def test_the_entropy_of_a_split() -> None:
    shares = np.array([0.01, 0.25, 0.5, 0.9])
    by_hand = scipy_entropy([shares, 1.0 - shares], base=2)
    np.testing.assert_allclose([*map(binary_entropy, shares)], by_hand)
    assert (binary_entropy(0.0), binary_entropy(1.0)) == (0.0, 0.0)
    assert np.isnan(binary_entropy(float("nan")))


@pytest.mark.parametrize(("hits", "count"), [(0, 9), (2, 60), (13, 60), (28, 60), (60, 60)])
def test_the_interval_of_a_mode_entropy_holds_that_of_every_share_in_its_own(
    hits: int, count: int
) -> None:
    split = proportion(hits, count)
    entropy = mode_entropy(split)
    within = [binary_entropy(share) for share in np.linspace(split.low, split.high, 2001)]
    assert entropy.interval == pytest.approx((min(within), max(within)), abs=1e-6)
    assert (entropy.value, entropy.count) == (binary_entropy(hits / count), count)


# -- means -------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(0).exponential(size=7)
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))


def test_the_interval_of_a_mean_covers_95_percent_of_normal_samples() -> None:
    samples = np.random.default_rng(1).normal(3.0, 2.0, (2000, 4))
    held = 0
    for sample in samples:
        low, high = mean_interval(sample)
        held += low <= 3.0 <= high
    assert held / 2000 == pytest.approx(0.95, abs=3 * 0.0049)


# -- draws of a bootstrap ----------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "low", "high"), [(39, 1, 39), (40, 1, 40), (999, 25, 975), (10_000, 250, 9_751)]
)
def test_one_draw_in_40_lies_at_or_beyond_each_end(count: int, low: int, high: int) -> None:
    draws = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert percentile_interval(draws) == (low, high)
    assert percentile_interval(-draws) == (-high, -low)


def test_draws_may_be_infinite_and_are_at_least_39() -> None:
    assert percentile_interval(np.array([np.inf] * 20 + [-np.inf] * 19)) == (-np.inf, np.inf)
    with pytest.raises(UsageError, match="takes at least 39 draws, got 38"):
        percentile_interval(np.zeros(38))


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
