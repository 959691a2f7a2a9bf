"""Severity curves: areas and critical severities, with intervals that know about shared seeds."""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pytest
from samples import holds
from scipy.optimize import isotonic_regression
from scipy.stats import beta, bootstrap, norm

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import CensoredValue
from robo_maxent.evaluation.severity import (
    SeverityCurve,
    crossing,
    falling,
    plausible_shares,
    severity_curve,
)

PUSHES = (0.0, 4.0, 8.0, 16.0, 24.0)  # N·s


def first_of(hits: list[int], count: int) -> np.ndarray:
    """Every seed fails from some severity on: the first ``hits[k]`` of them succeed, (S, K)."""
    return (np.arange(count)[:, None] < np.array(hits)).astype(float)


def unpaired(columns: Iterable[np.ndarray]) -> np.ndarray:
    """Outcomes of severities that share no seed, from those of each severity, (S, K)."""
    columns = list(columns)
    table = np.full((sum(map(len, columns)), len(columns)), np.nan)
    first = 0
    for place, column in enumerate(columns):
        table[first : first + len(column), place] = column
        first += len(column)
    return table


def curve_of(
    hits: list[int], count: int = 20, at: tuple[float, ...] = PUSHES, seed: int = 0
) -> SeverityCurve:
    return severity_curve(
        at, first_of(hits, count), np.random.default_rng(seed), axis="push", unit="N·s"
    )


# -- worked by hand ----------------------------------------------------------------


def test_area_and_critical_severity_by_hand() -> None:
    curve = curve_of([20, 19, 17, 10], at=(0.0, 2.0, 4.0, 6.0))
    assert [share.share for share in curve.shares] == [1.0, 0.95, 0.85, 0.5]
    assert curve.area.value == pytest.approx((1.95 / 2 + 1.8 / 2 + 1.35 / 2) / 3)
    assert curve.critical.value.value == pytest.approx(3.0)  # half way from 0.95 to 0.85
    assert curve.paired


def test_severities_are_weighted_by_their_distance() -> None:
    curve = curve_of([20, 20, 0], at=(0.0, 1.0, 10.0))
    assert curve.area.value == pytest.approx((1.0 + 9.0 / 2) / 10)


def test_a_dip_is_pooled_before_looking_for_the_critical_severity() -> None:
    curve = curve_of([20, 16, 20, 4], at=(0.0, 2.0, 4.0, 6.0))
    assert curve.fit == pytest.approx((1.0, 0.9, 0.9, 0.2))
    assert curve.critical.value.value == pytest.approx(4.0)  # 0.9 is enough
    assert curve.area.value == pytest.approx((0.9 + 0.9 + 0.6) / 3)  # of the shares as they are


def test_a_dip_is_pooled_in_every_resample_too() -> None:
    curve = curve_of([100, 89, 100, 0], 100, at=(0.0, 2.0, 4.0, 6.0))
    assert curve.critical.value.value == pytest.approx(4.0 + 2.0 * 0.045 / 0.945)
    assert 3.9 < curve.critical.low.value < 4.1 < curve.critical.high.value < 4.3


def test_what_is_required_is_enough_however_it_is_rounded() -> None:
    """Of 70, 30 and 40, 90 % succeed; sums of quotients make 0.9 - 2e-16 of it."""
    hits, counts = (249, 63, 27, 36), (270, 70, 30, 40)
    shares = np.divide(hits, counts)
    assert falling(shares, np.array(counts))[-1] < 0.9
    table = unpaired(np.arange(n) < h for h, n in zip(hits, counts, strict=True))
    curve = severity_curve((0, 1, 2, 3), table, np.random.default_rng(0), axis="push", unit="N·s")
    assert curve.critical.value == CensoredValue(3.0, ">")


def test_what_lies_beyond_the_axis_is_marked_so() -> None:
    robust = curve_of([200, 199, 200, 198, 199], 200)
    assert robust.critical.value == CensoredValue(24.0, ">")
    assert str(robust).startswith("critical push > 24 N·s, area 0.995 [0.9")
    assert str(robust).endswith("] over 0 to 24 N·s")
    fragile = curve_of([10, 4, 0, 0, 0])
    assert fragile.critical.value == CensoredValue(0.0, "<")
    assert str(fragile.critical) == "< 0 N·s"
    doubtful = curve_of([20, 20, 20, 20, 18]).critical
    assert doubtful.value == doubtful.high == CensoredValue(24.0, ">")
    assert str(doubtful) == f"> 24 N·s [{doubtful.low}, > 24]"


# -- the fit -----------------------------------------------------------------------


def by_trying_all_blocks(shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Cut the curve into blocks in every way; keep the closest whose means do not rise."""
    best, least = shares, np.inf
    for cuts in product((False, True), repeat=len(shares) - 1):
        block = np.cumsum((False, *cuts))
        means = np.bincount(block, shares * counts) / np.bincount(block, counts)
        error = float((counts * (shares - means[block]) ** 2).sum())
        if (np.diff(means) <= 0).all() and error < least:
            best, least = means[block], error
    return best


def test_the_fit_is_the_closest_curve_that_never_rises() -> None:
    rng = np.random.default_rng(3)
    for _ in range(30):
        shares, counts = rng.random(6), rng.integers(1, 50, 6)
        fit = falling(shares, counts)
        np.testing.assert_allclose(fit, by_trying_all_blocks(shares, counts), atol=1e-12)
        pooled = isotonic_regression(shares, weights=counts, increasing=False).x
        np.testing.assert_allclose(fit, pooled, atol=1e-12)


def test_many_curves_are_fitted_as_if_one_by_one() -> None:
    shares = np.random.default_rng(4).random((7, 3, 5))
    counts = np.array([5, 1, 9, 2, 4])
    together = falling(shares, counts)
    for place in np.ndindex(7, 3):
        np.testing.assert_allclose(together[place], falling(shares[place], counts), atol=1e-12)


def test_a_crossing_lies_on_the_curve() -> None:
    fit = -np.sort(-np.random.default_rng(5).random((200, 6)), axis=1)
    places = np.array([0.0, 0.1, 0.15, 0.5, 0.8, 1.0])
    crossings = crossing(fit, places, 0.5)
    for curve, place in zip(fit, crossings, strict=True):
        if np.isinf(place):
            assert curve[-1] >= 0.5 if place > 0 else curve[0] < 0.5
        else:
            assert np.interp(place, places, curve) == pytest.approx(0.5)


# -- laws of the intervals ---------------------------------------------------------


def test_each_share_alone_has_the_interval_of_jeffreys() -> None:
    table = first_of([30, 27, 12, 0], 30)
    hits = np.array([30, 27, 12, 0])
    expected = beta.ppf([[0.025], [0.5], [0.975]], hits + 0.5, 30 - hits + 0.5)
    apart = unpaired(table.T)
    for outcomes in (table, apart):
        likely = plausible_shares(outcomes, np.random.default_rng(0), 20_000)
        got = np.quantile(likely, (0.025, 0.5, 0.975), axis=0)
        np.testing.assert_allclose(got, expected, atol=0.004)


def test_the_same_seeds_at_every_severity_are_not_new_evidence() -> None:
    always = first_of([14] * 5, 20)  # six seeds fail at every severity, even without a push
    rng = np.random.default_rng
    paired = severity_curve(PUSHES, always, rng(0), axis="push", unit="N·s")
    low, high = paired.area.interval or (np.nan, np.nan)
    assert [low, high] == pytest.approx(beta.ppf([0.025, 0.975], 14.5, 6.5), abs=0.015)
    apart = severity_curve(PUSHES, unpaired(always.T), rng(0), axis="push", unit="N·s")
    low_apart, high_apart = apart.area.interval or (np.nan, np.nan)
    assert high_apart - low_apart < 0.6 * (high - low)
    assert (paired.paired, apart.paired) == (True, False)


def test_the_interval_of_the_area_is_that_of_an_ordinary_bootstrap_over_seeds() -> None:
    rng = np.random.default_rng(6)
    tolerance = rng.normal(10.0, 6.0, 500)
    table = (tolerance[:, None] > np.array(PUSHES)).astype(float)

    def area(rows: np.ndarray, axis: int) -> np.ndarray:
        return np.trapezoid(table[rows].mean(axis - 1), np.array(PUSHES) / 24.0, axis=-1)

    ends = bootstrap(
        (np.arange(500),), area, vectorized=True, method="percentile", n_resamples=4000, rng=rng
    ).confidence_interval
    curve = severity_curve(PUSHES, table, rng, axis="push", unit="N·s")
    assert curve.area.interval == pytest.approx((ends.low, ends.high), abs=0.003)


def test_the_unit_of_the_axis_does_not_matter() -> None:
    plain, scaled = (
        curve_of([20, 20, 18, 9, 2]),
        curve_of([20, 20, 18, 9, 2], at=tuple(1e3 * push + 7 for push in PUSHES)),
    )
    assert scaled.area == plain.area
    for end in ("value", "low", "high"):
        moved, before = getattr(scaled.critical, end), getattr(plain.critical, end)
        assert moved.value == pytest.approx(1e3 * before.value + 7)
        assert moved.side == before.side


def test_an_axis_where_less_is_worse_is_the_mirror_image() -> None:
    hits = [200, 200, 195, 190, 182]
    rising = curve_of(hits, 200)
    less = curve_of(hits, 200, at=tuple(1.0 - push / 24 for push in PUSHES))
    assert less.area == rising.area
    assert less.critical.value == CensoredValue(0.0, "<")  # fine with the least that was tried
    assert less.critical.low == CensoredValue(0.0, "<")
    assert not less.critical.high.side
    assert less.critical.high.value == pytest.approx(1.0 - rising.critical.low.value / 24)


def test_a_perfect_record_does_not_make_the_interval_collapse() -> None:
    low, high = curve_of([20] * 5).area.interval or (np.nan, np.nan)
    assert low == pytest.approx(beta.ppf(0.025, 20.5, 0.5), abs=0.01)
    assert high == 1.0


def test_the_same_generator_gives_the_same_interval_and_another_one_another() -> None:
    assert curve_of([20, 19, 15, 8, 1]) == curve_of([20, 19, 15, 8, 1])
    assert curve_of([20, 19, 15, 8, 1]) != curve_of([20, 19, 15, 8, 1], seed=1)


# -- coverage ----------------------------------------------------------------------


def same_seeds(rng: np.random.Generator, at: np.ndarray) -> np.ndarray:
    """60 seeds that meet every severity; each has its own tolerance."""
    tolerance, luck = rng.normal(14.0, 5.0, (60, 1)), rng.random((60, len(at)))
    return np.where(luck < 0.02, 0.0, tolerance > at).astype(float)


def other_seeds(rng: np.random.Generator, at: np.ndarray) -> np.ndarray:
    """From 30 to 90 seeds at each severity, none of them twice."""
    counts = np.linspace(30, 90, len(at)).astype(int)
    some = (same_seeds(rng, at)[:, k] for k in range(len(at)))
    more = (same_seeds(rng, at)[:, k] for k in range(len(at)))
    return unpaired(np.r_[a, b][:n] for a, b, n in zip(some, more, counts, strict=True))


@pytest.mark.parametrize("draw", [same_seeds, other_seeds])
def test_intervals_cover_95_percent(
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray],
) -> None:
    at, trials, rng = np.array(PUSHES), 200, np.random.default_rng(7)
    truth = 0.98 * norm.sf(at, 14.0, 5.0)
    area = np.trapezoid(truth, at / 24.0)
    critical = 24.0 * float(crossing(truth, at / 24.0, 0.9))
    held = np.zeros(2)
    for _ in range(trials):
        curve = severity_curve(
            at.tolist(), draw(rng, at), rng, axis="push", unit="N·s", resamples=400
        )
        low, high = curve.area.interval or (np.nan, np.nan)
        held += np.array([low <= area <= high, holds(curve.critical, critical)])
    tolerance = 3 * np.sqrt(0.95 * 0.05 / trials)
    assert held[0] / trials == pytest.approx(0.95, abs=tolerance)
    assert held[1] / trials > 0.95 - tolerance  # may be more, as documented


@pytest.mark.parametrize(
    ("severities", "outcomes", "threshold", "message"),
    [
        ([1.0], [[1.0]], 0.9, "at least two numbers, strictly rising or falling"),
        ([1.0, 3.0, 2.0], [[1.0, 1.0, 0.0]], 0.9, "strictly rising or falling"),
        ([1.0, np.inf], [[1.0, 1.0]], 0.9, "strictly rising or falling"),
        ([1.0, 2.0], [[1.0, 1.0, 0.0]], 0.9, r"shape \(seeds, 2\).* got \(1, 3\)"),
        ([1.0, 2.0], [[1.0, 0.5]], 0.9, "1, 0, or NaN"),
        ([1.0, 2.0], [[1.0, np.nan]], 0.9, r"there is none at \[2.0\]"),
        ([1.0, 2.0], [[1.0, 0.0]], 1.0, "threshold must be between 0 and 1, got 1.0"),
    ],
)
def test_a_curve_that_cannot_be_is_refused(
    severities: list[float], outcomes: list[list[float]], threshold: float, message: str
) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageError, match=message):
        severity_curve(
            severities, np.array(outcomes), rng, axis="push", unit="N·s", threshold=threshold
        )
