"""What several training runs say of an algorithm, and what they leave open."""

from itertools import combinations, product

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from samples import episode, episodes
from scipy.stats import mannwhitneyu, norm, skew, t, trim_mean

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation import across_runs
from robo_maxent.evaluation.across_runs import (
    interquartile_mean,
    least_runs,
    probability_of_improvement,
    rank_test,
    run_scores,
)
from robo_maxent.evaluation.intervals import mean_interval

ONE_FAILED = np.array([0.92, 0.95, 0.05, 0.91, 0.97])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def error_by_trying_all(scores: np.ndarray) -> float:
    """Standard deviation of the interquartile mean over every choice of runs in each task."""
    n, m = scores.shape
    choices = product(range(n), repeat=n * m)
    drawn = [scores[np.reshape(choice, (n, m)), np.arange(m)].ravel() for choice in choices]
    values = [trim_mean(scores_drawn, 0.25) for scores_drawn in drawn]
    return float(np.std(values) * np.sqrt(n / (n - 1)))


# -- interquartile mean ------------------------------------------------------------


def test_one_failed_run_hardly_moves_the_interquartile_mean() -> None:
    assert interquartile_mean(ONE_FAILED, rng()).value == pytest.approx((0.92 + 0.95 + 0.91) / 3)


def test_the_interquartile_mean_is_over_all_scores_at_once() -> None:
    scores = rng().random((6, 4))
    expected = np.sort(scores.ravel())[6:18].mean()
    assert interquartile_mean(scores, rng()).value == pytest.approx(expected)
    assert expected == pytest.approx(trim_mean(scores.ravel(), 0.25))


def test_the_interval_of_three_runs_without_skew_is_that_of_their_mean() -> None:
    scores = np.array([0.2, 0.4, 0.6])  # nothing is dropped of three
    expected = mean_interval(scores)
    assert interquartile_mean(scores, rng()).interval == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("shape", [(4, 1), (3, 2)])
def test_runs_are_resampled_in_each_task_apart(shape: tuple[int, int]) -> None:
    scores = rng(1).random(shape)
    error = across_runs._error(scores, rng(), 4000)
    assert error == pytest.approx(error_by_trying_all(scores), rel=0.05)


def test_tasks_that_share_in_the_error_add_degrees_of_freedom() -> None:
    def degrees(scores: np.ndarray) -> float:
        return across_runs._degrees_of_freedom(across_runs._winsorized(scores))

    same = np.tile(np.array([[0.0], [0.5], [1.0]]), (1, 4))
    assert degrees(same) == pytest.approx(4 * 2)
    # Two tasks are outside the middle half altogether: their spread does not enter.
    one = np.array([[0.0, 0.4, 1.0], [0.01, 0.5, 1.1], [0.02, 0.6, 1.2]])
    assert degrees(one) == pytest.approx(2)
    assert degrees(np.ones((5, 3))) == 4


def test_the_interval_reaches_farther_where_the_tail_is_long() -> None:
    scores = np.array([0.0, 1.0, 5.0])  # pulled in to the quartiles: 0.5, 1, 3
    skewness = 1.5 * skew([0.5, 1.0, 3.0], bias=False) / np.sqrt(3)
    reach = t.ppf(0.975, 2)
    farther = reach + skewness * (1 + 2 * reach**2) / 6  # Johnson 1978
    error = across_runs._error(scores[:, None], rng(), 4000)
    low, high = interquartile_mean(scores, rng()).interval or (np.nan, np.nan)
    assert (2 - low, high - 2) == pytest.approx((reach * error, farther * error))
    mirrored = interquartile_mean(-scores, rng()).interval
    assert mirrored == pytest.approx((-high, -low), rel=0.05)  # another bootstrap


def test_skewness_adds_up_over_tasks() -> None:
    one = np.array([0.0, 0.1, 0.2, 1.0, 3.0])[:, None]
    alone = across_runs._skewness(one)
    assert across_runs._skewness(np.tile(one, (1, 4))) == pytest.approx(alone / np.sqrt(4))
    assert across_runs._skewness(np.hstack([one, -one])) == pytest.approx(0.0)
    assert across_runs._skewness(np.ones((5, 3))) == 0.0


def held(scores: np.ndarray, truth: float, generator: np.random.Generator) -> float:
    """Share of experiments, (E, N, M), whose interval of the interquartile mean holds the truth."""
    count = 0
    for table in scores:
        found = interquartile_mean(table, generator, resamples=400)
        low, high = found.interval or (np.nan, np.nan)
        count += low <= truth <= high
    return count / len(scores)


@pytest.mark.parametrize(("count", "tasks"), [(3, 1), (5, 1), (10, 1), (3, 5), (5, 5)])
def test_the_interval_of_the_interquartile_mean_covers_95_percent(count: int, tasks: int) -> None:
    generator = rng(2)
    scores = generator.normal(0.0, 1.0, (500, count, tasks))
    share = held(scores, 0.0, generator)
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 500) < share < 0.99  # more, as documented


@pytest.mark.parametrize("count", [3, 5])
def test_the_interval_covers_93_percent_of_skewed_shares(count: int) -> None:
    generator = rng(3)
    scales, offsets = np.array([1.0, 0.5, 1.5, 0.8]), np.array([0.0, 0.2, 0.4, 0.6])
    truth = trim_mean((generator.beta(5.0, 0.5, (200_000, 4)) * scales + offsets).ravel(), 0.25)
    scores = generator.beta(5.0, 0.5, (1500, count, 4)) * scales + offsets
    # Without the stretch 0.90 and 0.91, as with t alone.
    assert held(scores, float(truth), generator) > 0.93 - np.sqrt(0.93 * 0.07 / 1500)


def test_an_interval_stays_within_what_scores_can_be() -> None:
    low, high = interquartile_mean(ONE_FAILED, rng(), bounds=(0.0, 1.0)).interval or (-1.0, 2.0)
    assert 0.0 <= low < 0.9266 < high <= 1.0
    open_ended = interquartile_mean(ONE_FAILED, rng()).interval or (0.0, 0.0)
    assert open_ended[1] > 1.0


def test_the_same_generator_gives_the_same_interval_and_another_one_another() -> None:
    assert interquartile_mean(ONE_FAILED, rng(0)) == interquartile_mean(ONE_FAILED, rng(0))
    assert interquartile_mean(ONE_FAILED, rng(0)) != interquartile_mean(ONE_FAILED, rng(1))


def test_fewer_than_three_runs_give_a_number_and_no_interval() -> None:
    two = interquartile_mean(np.array([0.7, 0.9]), rng())
    assert two.interval is None
    assert str(two) == "0.8 over 2 runs: an interval across training seeds takes at least 3 runs"
    better = probability_of_improvement(np.array([0.7, 0.9]), np.array([0.1, 0.2, 0.8]))
    assert better.interval is None
    assert str(better).startswith("0.833 over 2 against 3 runs: an interval")


# -- probability of improvement ----------------------------------------------------


def test_the_probability_of_improvement_is_mann_whitneys_share_of_wins() -> None:
    first, second = rng(3).integers(0, 6, (5, 4)), rng(4).integers(0, 5, (7, 4))  # with ties
    wins = mannwhitneyu(first, second).statistic / 35
    assert probability_of_improvement(first, second).value == pytest.approx(wins.mean())
    assert probability_of_improvement(np.array([1.0, 2.0]), np.array([1.0])).value == 0.75


def test_swapping_the_algorithms_is_the_mirror_image() -> None:
    first, second = rng(5).normal(0.5, 1.0, (5, 3)), rng(6).normal(size=(4, 3))
    one, other = (
        probability_of_improvement(first, second),
        probability_of_improvement(second, first),
    )
    assert one.value == pytest.approx(1 - other.value)
    low, high = other.interval or (np.nan, np.nan)
    assert one.interval == pytest.approx((1 - high, 1 - low), abs=1e-6)


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_limits_are_as_many_of_their_own_standard_errors_away_as_t_says(tasks: int) -> None:
    # Hanley and McNeil 1982, with both sample sizes replaced by their mean.
    first, second = np.array([3.0, 5.0, 6.0, 8.0]), np.array([1.0, 2.0, 4.0, 4.5, 7.0])
    result = probability_of_improvement(
        np.tile(first[:, None], (1, tasks)), np.tile(second[:, None], (1, tasks))
    )
    for limit in result.interval or ():
        q1, q2, size = limit / (2 - limit), 2 * limit**2 / (1 + limit), 4.5
        variance = limit * (1 - limit) + (size - 1) * (q1 - limit**2 + q2 - limit**2)
        distance = abs(limit - result.value) / np.sqrt(variance / (20 * tasks))
        assert distance == pytest.approx(t.ppf(0.975, 7 * tasks), rel=1e-4)


def test_winning_every_time_is_not_certainty() -> None:
    result = probability_of_improvement(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0]))
    low, high = result.interval or (np.nan, np.nan)
    assert 0.3 < low < 0.5  # nor is it significant: the exact p-value is 0.1
    assert high == 1.0
    assert str(result) == f"1 [{low:.3g}, 1] over 3 against 3 runs"


@pytest.mark.parametrize(
    ("gap", "count", "tasks"), [(0.0, 5, 1), (1.2, 5, 1), (2.3, 8, 1), (0.5, 3, 4)]
)
def test_the_interval_of_the_probability_of_improvement_covers_95_percent(
    gap: float, count: int, tasks: int
) -> None:
    generator, trials, held = rng(7), 500, 0
    truth = norm.cdf(gap / np.sqrt(2))
    for _ in range(trials):
        first = generator.normal(gap, 1.0, (count, tasks))
        result = probability_of_improvement(first, generator.normal(size=(count, tasks)))
        low, high = result.interval or (np.nan, np.nan)
        held += low <= truth <= high
    assert held / trials > 0.95 - 3 * np.sqrt(0.95 * 0.05 / trials)  # may be more, as documented


def test_the_interval_covers_less_where_one_algorithm_lies_between_runs_of_the_other() -> None:
    generator, trials, held = rng(8), 2000, 0
    for _ in range(trials):  # half of the runs fail, the others are better than all of the other
        first = generator.choice([-2.0, 2.0], 10) + generator.normal(0.0, 0.1, 10)
        found = probability_of_improvement(first, generator.normal(0.0, 0.5, 10))
        low, high = found.interval or (np.nan, np.nan)
        held += low <= 0.5 <= high
    assert held / trials == pytest.approx(0.89, abs=0.02)  # as documented


# -- rows, and mistakes -------------------------------------------------------------


def test_a_run_enters_as_the_mean_of_its_episodes() -> None:
    many, few = episodes([True, True, False, False], reward=2.0), episodes([True], reward=3.0)
    np.testing.assert_allclose(run_scores([many, few], "success"), [0.5, 1.0])
    np.testing.assert_allclose(run_scores([many, few], "reward"), [2.0, 3.0])
    some = [episode(metrics={"time": None}), episode(metrics={"time": 0.5})]
    np.testing.assert_allclose(run_scores([some], "time"), [0.5])
    with pytest.raises(UsageError, match="run 1 has no episode with time"):
        run_scores([some, some[:1]], "time")
    with pytest.raises(UnknownNameError, match=r"Unknown metric 'tine'. Did you mean 'time'\?"):
        run_scores([some], "tine")


def test_scores_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(runs, tasks\), got shape \(0, 1\)"):
        interquartile_mean(np.array([]), rng())
    with pytest.raises(UsageError, match="scores must be finite"):
        interquartile_mean(np.array([1.0, np.nan, 2.0]), rng())
    with pytest.raises(UsageError, match="the same tasks, got 2 and 3"):
        probability_of_improvement(np.ones((3, 2)), np.ones((3, 3)))


@given(
    first=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    second=st.lists(st.integers(0, 3), min_size=1, max_size=4),
)
def test_the_rank_test_deals_out_the_scores_in_all_ways(
    first: list[int], second: list[int]
) -> None:
    scores, size = np.array([*first, *second]), len(first)

    def wins(places: tuple[int, ...]) -> float:
        ours = np.isin(np.arange(len(scores)), places)
        return float((np.sign(scores[ours][:, None] - scores[~ours][None]) / 2 + 0.5).sum())

    even = size * len(second) / 2
    here = abs(wins(tuple(range(size))) - even)
    ways = [abs(wins(each) - even) for each in combinations(range(len(scores)), size)]
    share = np.mean(np.array(ways) >= here - 1e-9)
    assert rank_test(np.array(first), np.array(second)) == pytest.approx(share)


def test_the_rank_test_is_the_published_one_where_no_scores_are_tied() -> None:
    rng = np.random.default_rng(0)
    for runs in ((3, 5), (10, 10), (20, 7)):
        first, second = rng.normal(0.8, 1.0, runs[0]), rng.normal(size=runs[1])
        expected = mannwhitneyu(first, second, method="exact").pvalue
        assert rank_test(first, second) == pytest.approx(expected)


def test_the_least_runs_are_those_that_a_clear_difference_needs() -> None:
    for comparisons in (1, 2, 7):
        runs = least_runs(comparisons)
        clear = [
            comparisons * rank_test(np.arange(n, dtype=float), np.arange(n) + 100.0)
            for n in (runs - 1, runs)
        ]
        assert clear[0] >= 0.05 > clear[1]
