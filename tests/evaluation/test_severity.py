"""Severity curves: falls between tested severities, areas, and intervals that can be trusted."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.stats import beta, binom

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import CensoredValue
from robo_maxent.evaluation.severity import (
    PROOF,
    SeverityCurve,
    plausible_shares,
    proven,
    severity_curve,
    wealth,
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


def test_area_and_fall_by_hand() -> None:
    curve = curve_of([20, 19, 17, 10], at=(0.0, 2.0, 4.0, 6.0))
    assert [share.share for share in curve.shares] == [1.0, 0.95, 0.85, 0.5]
    assert curve.area.least == pytest.approx((0.95 + 0.85 + 0.5) / 3)
    assert curve.area.most == pytest.approx((1.0 + 0.95 + 0.85) / 3)
    assert (curve.fall.holds, curve.fall.fails) == (2.0, 4.0)
    assert curve.paired


def test_severities_are_weighted_by_their_distance() -> None:
    curve = curve_of([20, 20, 0], at=(0.0, 1.0, 10.0))
    assert (curve.area.least, curve.area.most) == pytest.approx((0.1, 1.0))


def test_a_dip_is_pooled_before_looking_for_the_fall() -> None:
    curve = curve_of([20, 16, 20, 4], at=(0.0, 2.0, 4.0, 6.0))
    assert curve.fit == pytest.approx((1.0, 0.9, 0.9, 0.2))
    assert (curve.fall.holds, curve.fall.fails) == (4.0, 6.0)  # 0.9 is enough
    assert curve.area.least == pytest.approx((0.8 + 0.8 + 0.2) / 3)  # of the shares as they are


def test_a_dip_beyond_doubt_is_the_fall_though_success_recovers() -> None:
    curve = curve_of([400, 300, 400, 0], 400, at=(0.0, 2.0, 4.0, 6.0))
    assert (curve.fall.holds, curve.fall.fails) == (0.0, 2.0)
    assert curve.fall.mildest == CensoredValue(0.0)


def test_what_is_required_is_enough_however_it_is_rounded() -> None:
    """Of 70, 30 and 40, 90 % succeed; sums of quotients make 0.9 - 2e-16 of it."""
    hits, counts = (249, 63, 27, 36), (270, 70, 30, 40)
    table = unpaired(np.arange(n) < h for h, n in zip(hits, counts, strict=True))
    curve = severity_curve((0, 1, 2, 3), table, np.random.default_rng(0), axis="push", unit="N·s")
    assert curve.fit[-1] == pytest.approx(0.9, abs=1e-12)
    assert (curve.fall.holds, curve.fall.fails) == (3.0, None)


def test_what_lies_beyond_the_axis_is_marked_so() -> None:
    robust = curve_of([200, 199, 200, 198, 199], 200)
    assert str(robust.fall) == "after 24 N·s [24, > 24]"
    assert str(robust).startswith("push: falls below 90 % after 24 N·s [24, > 24], area 0.99 to 1.")
    fragile = curve_of([10, 4, 0, 0, 0])
    assert str(fragile.fall) == "before 0 N·s [< 0, 0]"
    doubtful = curve_of([20, 20, 20, 20, 18]).fall
    assert str(doubtful) == "after 24 N·s [< 0, > 24]"  # of 20, none is proof of 90 %
    inside = curve_of([200, 200, 196, 100, 20], 200)
    assert str(inside.fall) == "between 8 and 16 N·s [8, 16]"


def test_an_axis_where_less_is_worse_is_the_mirror_image() -> None:
    hits = [200, 200, 195, 150, 100]
    rising = curve_of(hits, 200)
    less = curve_of(hits, 200, at=tuple(1.0 - push / 24 for push in PUSHES))
    assert (less.area.least, less.area.most) == pytest.approx((rising.area.least, rising.area.most))
    assert (less.fall.holds, less.fall.fails) == pytest.approx((1 - 8 / 24, 1 - 16 / 24))
    assert less.fall.hardest.value == pytest.approx(1.0 - rising.fall.hardest.value / 24)
    all_held = curve_of([20] * 5, at=tuple(1.0 - push / 24 for push in PUSHES)).fall
    assert (all_held.mildest, all_held.hardest) == (
        CensoredValue(1.0, ">"),
        CensoredValue(0.0, "<"),
    )


# -- the bets ----------------------------------------------------------------------


def exact_wealth(hits: int, misses: int, shares: list[Fraction], threshold: Fraction) -> Fraction:
    grown = [
        (share / threshold) ** hits * ((1 - share) / (1 - threshold)) ** misses for share in shares
    ]
    return sum(grown, Fraction(0)) / len(grown)


def test_wealth_of_one_severity_is_that_of_exact_arithmetic() -> None:
    shares, threshold = [Fraction(19, 20), Fraction(99, 100)], Fraction(9, 10)
    got = wealth(first_of([17, 3], 20), np.array([0.95, 0.99]), 0.9)
    assert got[0, 0] == pytest.approx(float(exact_wealth(17, 3, shares, threshold)))
    assert got[1, 1] == pytest.approx(float(exact_wealth(3, 17, shares, threshold)))
    apart = wealth(unpaired(first_of([17, 3], 20).T), np.array([0.95, 0.99]), 0.9)
    assert apart[0, 1] == pytest.approx(float(exact_wealth(20, 20, shares, threshold)))


def test_nobody_wins_on_average_at_the_threshold() -> None:
    """Over all outcomes of three episodes, weighted with their chances."""
    for threshold, shares in ((0.9, [0.95, 1.0]), (0.9, [0.0, 0.5]), (0.3, [0.6])):
        outcomes = np.array(list(product((0.0, 1.0), repeat=3)))
        chances = np.prod(np.where(outcomes == 1, threshold, 1 - threshold), axis=1)
        grown = [wealth(each[:, None], np.array(shares), threshold)[0, 0] for each in outcomes]
        assert chances @ grown == pytest.approx(1.0)


def test_the_same_start_at_every_severity_is_no_new_evidence() -> None:
    always = first_of([40] * 5, 40)
    alone, shares = always[:, :1], np.array([0.98])
    assert wealth(always, shares, 0.9)[0, 4] == pytest.approx(wealth(alone, shares, 0.9)[0, 0])
    apart = wealth(unpaired(always.T), shares, 0.9)[0, 4]
    assert apart == pytest.approx(wealth(alone, shares, 0.9)[0, 0] ** 5)


def test_how_many_episodes_are_proof() -> None:
    """36 successes in a row are, to a test that knows it is asked once: 0.9 ** 36 < 0.025."""
    assert proven(first_of([35], 35), 0.9) == (0, 1)
    assert proven(first_of([48], 48), 0.9) == (1, 1)
    assert proven(first_of([17], 24), 0.9) == (0, 1)  # 0.2 % of all cases at 90 %
    assert proven(first_of([14], 24), 0.9) == (0, 0)
    assert binom.cdf(14, 24, 0.9) < 1 / PROOF


def test_what_holds_where_it_is_harder_holds_where_it_is_milder() -> None:
    """20 episodes alone are no proof; with 60 at harder severities they are."""
    assert proven(unpaired(first_of([20] * 4, 20).T), 0.9)[0] == 2
    assert proven(first_of([20], 20), 0.9)[0] == 0


# -- laws of the area --------------------------------------------------------------


def test_each_share_alone_is_a_beta_variable_of_what_was_seen_and_added() -> None:
    table = first_of([30, 27, 12, 0], 30)
    hits = np.array([30, 27, 12, 0])
    for outcomes in (table, unpaired(table.T)):
        likely = plausible_shares(outcomes, np.random.default_rng(0), 20_000, (0.5, 1.5))
        lower = beta.ppf(0.025, hits + 0.5, 30 - hits + 1.5)
        np.testing.assert_allclose(np.quantile(likely, 0.025, axis=0), lower, atol=0.006)


def test_the_same_starts_at_every_severity_are_not_new_evidence() -> None:
    always = first_of([14] * 5, 20)  # six starts fail at every severity, even without a push
    rng = np.random.default_rng
    paired = severity_curve(PUSHES, always, rng(0), axis="push", unit="N·s")
    low, high = paired.area.interval
    assert low == pytest.approx(beta.ppf(0.025, 14.5, 7.5), abs=0.015)
    assert high == pytest.approx(beta.ppf(0.975, 15.5, 6.5), abs=0.015)
    apart = severity_curve(PUSHES, unpaired(always.T), rng(0), axis="push", unit="N·s")
    assert apart.area.interval[1] - apart.area.interval[0] < high - low
    assert (paired.paired, apart.paired) == (True, False)


def test_the_unit_of_the_axis_does_not_matter() -> None:
    hits = [200, 200, 180, 90, 20]
    plain, scaled = (
        curve_of(hits, 200),
        curve_of(hits, 200, at=tuple(1e3 * push + 7 for push in PUSHES)),
    )
    assert scaled.area == plain.area
    for end in ("mildest", "hardest"):
        moved, before = getattr(scaled.fall, end), getattr(plain.fall, end)
        assert moved.value == pytest.approx(1e3 * before.value + 7)
        assert moved.side == before.side


def test_a_perfect_record_does_not_make_the_interval_collapse() -> None:
    low, high = curve_of([20] * 5).area.interval
    assert low == pytest.approx(beta.ppf(0.025, 20.5, 1.5), abs=0.01)
    assert high > 0.99


def test_the_same_generator_gives_the_same_interval_and_another_one_another() -> None:
    assert curve_of([20, 19, 15, 8, 1]) == curve_of([20, 19, 15, 8, 1])
    assert curve_of([20, 19, 15, 8, 1]) != curve_of([20, 19, 15, 8, 1], seed=1)


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
