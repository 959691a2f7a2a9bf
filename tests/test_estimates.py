"""Estimates of a report against numbers worked by hand, and against slow independent versions."""

import itertools

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from robo_maxent.errors import UsageError
from robo_maxent.estimates import area, critical, holm, monotone, paired, survival, wilson
from robo_maxent.stats import Proportion


def shares(*percents: int) -> list[Proportion]:
    return [wilson(percent, 100) for percent in percents]


def brute_monotone(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The best of all ways to cut into blocks whose means do not rise."""
    best, fit = np.inf, values
    for cuts in itertools.product([False, True], repeat=len(values) - 1):
        ends = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(values)]
        blocks = [slice(a, b) for a, b in itertools.pairwise(ends)]
        means = [np.average(values[b], weights=weights[b]) for b in blocks]
        if all(a >= b - 1e-12 for a, b in itertools.pairwise(means)):
            tried = np.concatenate(
                [np.full(b.stop - b.start, m) for b, m in zip(blocks, means, strict=True)]
            )
            loss = float((weights * (values - tried) ** 2).sum())
            if loss < best:
                best, fit = loss, tried
    return fit


def test_the_monotone_fit_is_the_best_of_all_fits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        values, weights = rng.random(6), rng.integers(1, 50, 6)
        np.testing.assert_allclose(monotone(values, weights), brute_monotone(values, weights))


def test_the_critical_severity_lies_between_the_tested_ones() -> None:
    found = critical((0.0, 2.0, 4.0), shares(100, 95, 75))
    assert found.side == "within"
    assert (found.severity, found.position) == pytest.approx((2.5, 0.625))


def test_less_may_be_harder() -> None:
    found = critical((1.0, 0.5, 0.0), shares(100, 95, 85))
    assert (found.side, found.severity) == ("within", pytest.approx(0.25))


def test_a_later_rise_does_not_hide_an_early_fall() -> None:
    """95, 70, 100 pools to 95, 85, 85: 90 % is kept to half of the first step."""
    assert critical((0.0, 1.0, 2.0), shares(95, 70, 100)).severity == pytest.approx(0.5)


def test_a_critical_severity_outside_the_range_is_not_invented() -> None:
    assert critical((0.0, 1.0), shares(100, 90)).side == "beyond"
    assert critical((0.0, 1.0), shares(89, 20)).side == "before"


def test_the_area_is_that_of_trapezoids_on_a_scale_from_0_to_1() -> None:
    assert area((0.0, 1.0, 4.0), shares(100, 80, 0)) == pytest.approx(0.25 * 0.9 + 0.75 * 0.4)
    assert area((4.0, 3.0, 0.0), shares(100, 80, 0)) == pytest.approx(0.25 * 0.9 + 0.75 * 0.4)


def test_survival_by_hand_with_unrecovered_pushes_kept() -> None:
    found = survival([0.5, 1.0, 1.0, None], window=2.0)
    assert found is not None
    assert found.seconds == (0.5, 1.0)
    assert found.share == pytest.approx((0.25, 0.75))
    assert (found.median, found.count, found.recovered) == (1.0, 4, 3)


def test_survival_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    times = rng.gamma(2.0, 0.5, 60).round(2)
    seconds = [float(t) if t < 1.5 else None for t in times]
    kept = [t for t in seconds if t is not None]
    found = survival(seconds, window=1.5)
    assert found is not None
    curve = ecdf(CensoredData(uncensored=kept, right=[1.5] * (60 - len(kept)))).sf
    band = curve.confidence_interval(0.95, method="log-log")
    n = len(found.seconds)
    np.testing.assert_allclose(found.share, 1 - curve.probabilities[:n])
    np.testing.assert_allclose(found.low, 1 - band.high.probabilities[:n])
    np.testing.assert_allclose(found.high, 1 - band.low.probabilities[:n])


def test_a_median_that_is_not_reached_is_said_so() -> None:
    for seconds in ([0.2, None, None], [None, None]):
        found = survival(seconds, window=2.0)
        assert found is not None
        assert found.median is None
    assert survival([], window=2.0) is None
    with pytest.raises(UsageError, match="at least 0 s, got -1"):
        survival([-1.0], window=2.0)


def test_all_recovered_ends_at_one_with_finite_intervals() -> None:
    found = survival([0.1, 0.2], window=2.0)
    assert found is not None
    assert found.share[-1] == found.low[-1] == found.high[-1] == 1.0


def test_paired_difference_against_the_published_example() -> None:
    """Newcombe 1998 (Stat Med 17:2635), table I, 36, 12, 2, 0 by method 10: 0.0569 to 0.3404."""
    first = [True] * 36 + [True] * 12 + [False] * 2
    second = [True] * 36 + [False] * 12 + [True] * 2
    found = paired(second, first)
    assert (found.count, found.only_first, found.only_second) == (50, 2, 12)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=2e-4)
    assert found.p == pytest.approx(2 * sum([1, 14, 91]) / 2**14)


def test_paired_difference_of_weakly_correlated_pairs_against_the_published_example() -> None:
    """Fagerland, Lydersen and Laake 2014 (Stat Med 33:2850), table 1: -0.507 to -0.026."""
    first = [True] * 1 + [True] * 1 + [False] * 7 + [False] * 12
    second = [True] * 1 + [False] * 1 + [True] * 7 + [False] * 12
    found = paired(second, first)
    assert found.difference == pytest.approx(-6 / 21)
    assert (found.low, found.high) == pytest.approx((-0.507, -0.026), abs=6e-4)


def test_swapping_two_policies_mirrors_their_difference() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random(80) < 0.8, rng.random(80) < 0.6
    one, other = paired(list(a), list(b)), paired(list(b), list(a))
    assert (one.difference, one.low) == pytest.approx((-other.difference, -other.high))
    with pytest.raises(UsageError, match="need pairs of episodes, got 1 and 2"):
        paired([True], [True, False])


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
