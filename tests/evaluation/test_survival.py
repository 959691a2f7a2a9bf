"""Waiting times count the episodes that waited in vain."""

import numpy as np
import pytest
from samples import holds

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import CensoredEstimate, CensoredValue
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times

# Remissions of leukemia, weeks, under 6-mercaptopurine and a placebo: Freireich et al. 1963, worked
# in textbooks, for example Klein and Moeschberger 2003, section 4.2.
TREATED = (6, 6, 6, 7, 10, 13, 16, 22, 23), (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
PLACEBO = (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23), ()


def of(ended: tuple[int, ...], watched: tuple[int, ...]) -> WaitingTimes:
    times = np.array([*ended, *[np.nan] * len(watched)])
    return waiting_times(times, np.array([*ended, *watched], float), unit="weeks")


def slow_waiting(times: np.ndarray, watched: np.ndarray, at: float) -> float:
    """The product-limit formula, time by time."""
    share = 1.0
    for moment in sorted(set(times[~np.isnan(times)])):
        if moment <= at:
            waiting = sum(
                (time >= moment) if time == time else (limit >= moment)
                for time, limit in zip(times, watched, strict=True)
            )
            share *= 1 - sum(times == moment) / waiting
    return share


# -- worked by hand ----------------------------------------------------------------


def test_the_remissions_of_freireich() -> None:
    treated = of(*TREATED)
    share = dict(zip(treated.curve.times, treated.curve.waiting, strict=True))
    table = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {time: round(share[time], 3) for time in table} == table
    assert (treated.events, treated.count) == (9, 21)
    # The upper limit is not reached: SAS LIFETEST and R print it as missing.
    assert str(treated) == "median 23 weeks [13, > 35], 9 of 21 in time"
    assert str(of(*PLACEBO)) == "median 8 weeks [4, 11], 21 of 21 in time"


def test_the_pointwise_interval_by_hand() -> None:
    # 21 at risk, 3 ended: share 6/7, Greenwood's sum 3 / (21 * 18).
    error = np.sqrt(3 / (21 * 18)) / -np.log(6 / 7)
    ends = [(6 / 7) ** np.exp(sign * 1.959964 * error) for sign in (1, -1)]
    curve = of(*TREATED).curve
    assert [curve.low[0], curve.high[0]] == pytest.approx(ends, rel=1e-6)


# -- laws --------------------------------------------------------------------------


def test_the_curve_is_the_product_limit_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        watched = rng.integers(1, 12, 15) / 2  # with ties
        times = rng.integers(1, 12, 15) / 2
        times[times > watched] = np.nan
        curve = waiting_times(times, watched).curve
        expected = [slow_waiting(times, watched, at) for at in curve.times]
        np.testing.assert_allclose(curve.waiting, expected, atol=1e-12)


def test_without_censoring_the_median_is_the_middle_of_the_sample() -> None:
    times = np.random.default_rng(1).exponential(size=41)
    assert waiting_times(times, 100.0).median.value == CensoredValue(float(np.median(times)))


def test_the_unit_of_time_does_not_matter() -> None:
    times = np.array([0.1, 0.4, np.nan, 0.7, 1.2, np.nan, 0.3, 0.2])
    seconds, milliseconds = waiting_times(times, 2.0), waiting_times(1e3 * times, 2e3)
    assert milliseconds.median.value.value == pytest.approx(1e3 * seconds.median.value.value)
    assert milliseconds.curve.waiting == seconds.curve.waiting


def test_a_median_that_is_not_reached_reads_as_beyond_the_time_watched() -> None:
    times = np.array([0.5] * 4 + [np.nan] * 6)
    late = waiting_times(times, 2.0)
    assert late.median.value == CensoredValue(2.0, ">")
    assert str(late) == f"median > 2 s [{late.median.low}, > 2] (not reached), 4 of 10 in time"
    assert late.curve.when(0.25) == CensoredValue(0.5)
    never = waiting_times(np.full(3, np.nan), 2.0)
    assert str(never) == "median > 2 s (not reached), 0 of 3 in time"


def test_half_of_the_episodes_is_a_median_in_spite_of_rounding() -> None:
    for n in (6, 24, 38, 54):  # 24 of them leave 0.5 and a little more
        times = np.where(np.arange(n) < n // 2, 0.1 + np.arange(n) / n, np.nan)
        assert not waiting_times(times, 5.0).median.value.side


def test_a_fall_does_not_count_as_if_it_had_recovered_later() -> None:
    recovery = np.array([0.4, 0.5, 0.6, 0.7, *[np.nan] * 6])  # the six fell after 0.1 s
    assert waiting_times(recovery, 2.0).median.value.side == ">"
    # What censoring at the fall would say: half have recovered by 0.5 s.
    at_the_fall = np.where(np.isnan(recovery), 0.1, 2.0)
    assert waiting_times(recovery, at_the_fall).median.value == CensoredValue(0.5)


@pytest.mark.parametrize("share", [0.5, 0.25])
def test_the_interval_of_a_quantile_covers_95_percent(share: float) -> None:
    rng, held, trials = np.random.default_rng(2), 0, 800
    truth = -np.log(1 - share)
    for _ in range(trials):
        times, watched = rng.exponential(size=40), rng.uniform(0.5, 3.0, 40)  # a third is censored
        curve = waiting_times(np.where(times <= watched, times, np.nan), watched).curve
        low, high = curve.interval(share)
        held += holds(CensoredEstimate(curve.when(share), low, high, 40), truth)
    assert 0.95 - 3 * 0.0077 < held / trials < 0.975  # a little conservative, as documented


def test_too_few_times_leave_the_upper_limit_open() -> None:
    assert waiting_times(np.array([1.0, 2.0, 3.0]), 3.0).median.high == CensoredValue(3.0, ">")
    assert waiting_times(np.array([1.0]), 3.0).median.high == CensoredValue(1.0, ">")


# -- mistakes ----------------------------------------------------------------------


def test_times_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="no episodes"):
        waiting_times(np.array([]), 2.0)
    with pytest.raises(UsageError, match=r"within what was watched, \[0, 2\], got 2.5"):
        waiting_times(np.array([1.0, 2.5]), 2.0)
    with pytest.raises(UsageError, match=r"\[0, 2\], got -1"):
        waiting_times(np.array([np.nan, -1.0]), 2.0)
    with pytest.raises(UsageError, match="watched must be finite"):
        waiting_times(np.array([1.0]), np.inf)
