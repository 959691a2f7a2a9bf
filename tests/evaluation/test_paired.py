"""Two policies are compared on the same episodes, and on no others."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from scipy.stats import multinomial

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.paired import (
    SuccessDifference,
    holm,
    mean_difference,
    success_difference,
)


def of_table(both: int, only_first: int, only_second: int, neither: int) -> SuccessDifference:
    counts = both, only_first, only_second, neither
    return success_difference(
        np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    )


# -- success -----------------------------------------------------------------------


def test_method_10_against_its_worked_example() -> None:
    # Altman, Machin, Bryant and Gardner 2000, Statistics with Confidence, table 6.2 and p. 52.
    result = of_table(14, 5, 0, 22)
    assert result.difference.value == pytest.approx(5 / 41)
    assert result.difference.interval == pytest.approx((0.011, 0.226), abs=0.001)


def test_method_10_where_one_policy_always_succeeds() -> None:
    # No correlation then: the root of the sum of squares of the distances to Wilson's limits.
    result = of_table(15, 5, 0, 0)
    low = 0.25 - np.hypot(1.0 - result.first.low, result.second.high - 0.75)
    high = 0.25 + np.hypot(0.0, 0.75 - result.second.low)
    assert result.difference.interval == pytest.approx((low, high))


def test_policies_that_never_differ_leave_the_difference_open_at_both_ends() -> None:
    same = of_table(12, 0, 0, 8)
    low, high = same.difference.interval or (np.nan, np.nan)
    assert low < 0.0 < high
    assert same.p_value == 1.0


@pytest.mark.parametrize(
    "chances",
    [
        (0.25, 0.25, 0.25, 0.25),
        (0.6, 0.2, 0.05, 0.15),
        (0.85, 0.05, 0.05, 0.05),
        (0.3, 0.3, 0.0, 0.4),
    ],
)
def test_the_interval_of_a_difference_covers_95_percent(chances: tuple[float, ...]) -> None:
    n, truth = 16, chances[1] - chances[2]
    tables = np.array([counts for counts in product(range(n + 1), repeat=4) if sum(counts) == n])
    chance = multinomial.pmf(tables, n, chances)
    coverage = 0.0
    for table, weight in zip(tables[chance > 1e-5], chance[chance > 1e-5], strict=True):
        low, high = of_table(*table).difference.interval or (np.nan, np.nan)
        coverage += weight * (low <= truth <= high)
    assert coverage > 0.93  # exact but for the rare tables; may be more, as documented


def test_the_p_value_is_that_of_mcnemar() -> None:
    # 12 against 2 of 14: twice the chance of 12 or more heads.
    assert of_table(90, 12, 2, 5).p_value == pytest.approx(212 / 2**14)
    for one, other in ((3, 9), (0, 6), (5, 5), (1, 0)):
        n, fewer = one + other, min(one, other)
        tail = sum(comb(n, hits) for hits in range(fewer + 1)) / 2**n
        assert of_table(4, one, other, 7).p_value == pytest.approx(min(1.0, 2 * tail))


def test_swapping_the_policies_changes_the_sign() -> None:
    one, other = of_table(30, 9, 2, 9), of_table(30, 2, 9, 9)
    assert one.difference.value == -other.difference.value
    low, high = other.difference.interval or (np.nan, np.nan)
    assert one.difference.interval == pytest.approx((-high, -low))
    assert one.p_value == other.p_value


def test_a_comparison_reads_as_a_sentence() -> None:
    low, high = (100 * end for end in of_table(168, 12, 2, 18).difference.interval or ())
    assert str(of_table(168, 12, 2, 18)) == (
        f"+5.0 points [{low:.1f}, {high:.1f}], p = 0.013 (200 pairs: 12 one way, 2 the other)"
    )


def test_arrays_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"one length, at least 1, got \(2,\) and \(3,\)"):
        success_difference(np.ones(2), np.ones(3))
    with pytest.raises(UsageError, match=r"at least 1, got \(0,\) and \(0,\)"):
        success_difference(np.ones(0), np.ones(0))
    with pytest.raises(UsageError, match="true or false in every pair"):
        success_difference(np.array([1.0, np.nan]), np.ones(2))


@pytest.mark.parametrize(("comparisons", "least", "most"), [(1, 0.0, 0.8), (12, 0.92, 1.0)])
def test_intervals_that_are_read_together_hold_all_at_once(
    comparisons: int, least: float, most: float
) -> None:
    """Twelve axes without any difference: one of them seems to differ in one test of 20."""
    rng = np.random.default_rng(0)
    difficulty = rng.random((200, 12, 60, 1))
    hits = 0.5 * difficulty + 0.5 * rng.random((200, 12, 60, 2)) < 0.6
    held = [
        all(
            low <= 0.0 <= high
            for axis in test
            for low, high in [
                success_difference(*axis.T, comparisons=comparisons).difference.interval or (0, 0)
            ]
        )
        for test in hits
    ]
    assert least <= np.mean(held) <= most


def group(
    both: int, first: int, second: int, neither: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs without a start in common."""
    counts = both, first, second, neither
    one, other = (np.repeat(own, counts).astype(float) for own in ([1, 1, 0, 0], [1, 0, 1, 0]))
    return one, other, np.arange(sum(counts))


def test_a_mean_of_differences_counts_groups_alike() -> None:
    """Of ten episodes the first policy succeeds in five more; of forty in none."""
    mean = mean_difference([group(0, 5, 0, 5), group(20, 0, 0, 20)])
    assert (mean.first.share, mean.second.share) == (0.5, 0.25)
    assert (mean.difference.value, mean.difference.count) == (0.25, 50)
    low, high = mean.difference.interval or (np.nan, np.nan)
    assert 0.0 < low < 0.25 < high < 0.5
    with pytest.raises(UsageError, match="at least one group"):
        mean_difference([])


def test_the_mean_of_one_group_is_that_group() -> None:
    alone = group(14, 5, 0, 22)
    found, one = mean_difference([alone]), success_difference(*alone)
    assert (found.first, found.second) == (one.first, one.second)
    assert found.difference.interval == pytest.approx(one.difference.interval)
    first, second, starts = alone
    assert mean_difference([(first == 1, second == 1, starts)]) == found
    several, most = mean_difference([alone], 12), success_difference(*alone, comparisons=12)
    assert several.difference.interval == pytest.approx(most.difference.interval)


@pytest.mark.parametrize(
    ("first", "second"),
    [((0.95, 0.6, 0.2), (0.9, 0.3, 0.2)), ((0.99,) * 12, (0.2,) * 12), ((0.9,) * 8, (0.9,) * 8)],
)
def test_the_interval_of_a_mean_of_differences_covers_95_percent(
    first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    rng, starts, held = np.random.default_rng(0), np.arange(16), []
    for _ in range(1000):
        luck = rng.random((len(first), 16))
        groups = [
            (1.0 * (u < a), 1.0 * (u < b), starts)
            for u, a, b in zip(luck, first, second, strict=True)
        ]
        low, high = mean_difference(groups).difference.interval or (np.nan, np.nan)
        held.append(low <= np.mean(first) - np.mean(second) <= high)
    assert np.mean(held) >= 0.93


# -- several comparisons -----------------------------------------------------------


def by_closed_testing(p: np.ndarray) -> np.ndarray:
    """A hypothesis falls when every set that has it falls, by Bonferroni: Marcus et al. 1976."""
    adjusted = np.zeros_like(p)
    for size in range(1, len(p) + 1):
        for chosen in combinations(range(len(p)), size):
            for member in chosen:
                adjusted[member] = max(adjusted[member], min(1.0, size * p[list(chosen)].min()))
    return adjusted


def test_holm_is_closed_testing_by_bonferroni() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 5, 7):
        p = rng.random(count) ** 2
        np.testing.assert_allclose(holm(p), by_closed_testing(p))
    np.testing.assert_allclose(holm(np.array([0.2, 0.2, 0.2])), [0.6, 0.6, 0.6])


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([])).shape == (0,)
    with pytest.raises(UsageError, match=r"within \[0, 1\]"):
        holm(np.array([0.5, 1.2]))
