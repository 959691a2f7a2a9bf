"""Simulated time keeps pace with the clock, and gives up what it can't catch up with."""

import pytest

from robo_maxent.play.pace import LATE, Pace


def taken(pace: Pace, times: list[float]) -> int:
    total = 0
    for now in times:
        steps = pace.due(now)
        pace.took(now, steps)
        total += steps
    return total


@pytest.mark.parametrize("between", [0.003, 0.02, 0.05])
def test_as_much_time_is_simulated_as_goes_by(between: float) -> None:
    pace = Pace(0.02)
    times = [100.0 + i * between for i in range(int(3.0 / between))]
    assert taken(pace, times) * 0.02 == pytest.approx(3.0, abs=0.06)
    assert pace.factor == pytest.approx(1.0, abs=0.06)


def test_a_machine_that_is_too_slow_shows_slow_motion_and_says_so() -> None:
    pace, now = Pace(0.02), 0.0
    for _ in range(200):
        steps = pace.due(now)
        assert steps * 0.02 <= LATE + 0.02
        now += 0.04 * steps  # each takes twice its time
        pace.took(now, steps)
    assert pace.factor == pytest.approx(0.5, abs=0.05)


def test_after_a_rest_nothing_is_caught_up_with() -> None:
    pace = Pace(0.02)
    taken(pace, [0.0, 0.02])
    pace.rest()
    assert pace.next_step is None
    assert pace.factor is None
    assert pace.due(50.0) == 1
