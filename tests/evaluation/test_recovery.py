"""Recovery is defined once; here it is worked by hand, and by a slow version."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.recovery import (
    MARGIN,
    SafeSet,
    calibrate,
    lost_and_regained,
    recovery,
    volleys,
)


def trace(text: str) -> np.ndarray:
    """Safe steps are dots."""
    return np.array([step == "." for step in text])


def slow(safe: np.ndarray, end: int, within: int, hold: int) -> int | None:
    """The definition, word by word."""
    for start in range(end, end + within + 1):
        stay = safe[start : start + hold]
        if len(stay) == hold and stay.all():
            return start - end
    return None


# A push that ends before step 4; back within 4 steps, and to stay for 3.
@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("..........", 0),  # it never left
        ("..xxxx....", 2),
        ("..xx..x....", 3),  # two steps inside are not enough
        ("..xxxxxx...", 4),  # in time, just
        ("..xxxxxxx...", None),  # one step too late
        ("..xxxx..", None),  # the episode ends before it has stayed
        ("..xx", None),
        ("....xxxxxxx", None),
        ("xxxx...", 0),  # what was before does not matter
    ],
)
def test_recovery_worked_by_hand(text: str, steps: int | None) -> None:
    assert recovery(trace(text), 4, within=4, hold=3) == steps


def test_recovery_equals_the_definition_word_by_word() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(2000):
        safe = rng.random(rng.integers(1, 40)) < rng.choice([0.5, 0.8, 0.95])
        end, within, hold = (int(rng.integers(low, 15)) for low in (0, 0, 1))
        steps = recovery(safe, end, within, hold)
        assert steps == slow(safe, end, within, hold)
        seen.add(steps)
    assert {None, 0, 1, 2, 3} <= seen


def test_a_safe_set_is_what_undisturbed_walking_hardly_leaves_with_a_margin() -> None:
    rng = np.random.default_rng(1)
    episodes = [rng.random((500, 2)) * [1.0, 10.0] for _ in range(40)]
    safe_set = calibrate(["tilt", "tumbling"], episodes)
    np.testing.assert_allclose(list(safe_set.limits.values()), [1.5, 15.0], rtol=2e-3)
    assert (safe_set.episodes, safe_set.steps) == (40, 20_000)
    everything = np.concatenate(episodes)
    assert safe_set.contains(everything).all()
    without_margin = replace(safe_set, limits={"tilt": 0.999, "tumbling": 15.0})
    assert without_margin.contains(everything).mean() == pytest.approx(0.999, abs=5e-4)


def test_one_stumble_in_a_thousand_steps_does_not_widen_a_safe_set() -> None:
    steps = np.full((2001, 1), 0.2)
    steps[0] = 3.0
    assert calibrate(["tilt"], [steps]).limits["tilt"] == pytest.approx(0.2 * MARGIN)


def test_every_deviation_has_to_be_safe() -> None:
    safe = SafeSet({"tilt": 0.2, "height": 0.05}, 1, 1)
    deviations = np.array([[0.1, 0.01], [0.3, 0.01], [0.1, 0.06], [0.2, 0.05], [np.nan, 0.0]])
    assert safe.contains(deviations).tolist() == [True, False, False, True, False]


def test_a_safe_set_survives_json() -> None:
    safe = calibrate(["tilt", "height"], [np.random.default_rng(0).random((9, 2))])
    assert SafeSet.from_json(json.loads(json.dumps(safe.to_json()))) == safe


def test_nothing_to_calibrate_from_is_an_error() -> None:
    with pytest.raises(UsageError, match="there are none"):
        calibrate(["tilt"], [])
    with pytest.raises(UsageError, match="finite"):
        calibrate(["tilt"], [np.array([[np.nan]])])


def test_pushes_too_close_to_be_judged_apart_are_one_volley() -> None:
    assert volleys([], 150) == []
    assert volleys([(100, 105)], 150) == [0]
    assert volleys([(100, 105), (255, 260)], 150) == [0, 1]
    assert volleys([(100, 105), (254, 260)], 150) == [0, 0]
    assert volleys([(0, 5), (50, 55), (300, 305), (320, 325)], 150) == [0, 0, 1, 1]
    long_one = (0, 300)  # outlasts the push that begins within it
    assert volleys([long_one, (50, 55), (250, 255), (450, 455)], 150) == [0, 0, 0, 1]


HELD = {
    "kept": ("1111111111", 2, (None, None)),
    "not held when it began": ("1101111111", 2, None),
    "lost and never held again": ("1111000000", 2, (4, None)),
    "lost and held again": ("1110001111", 2, (3, 6)),
    "touched twice, then held": ("1110100111", 2, (3, 7)),
    "lost too late to be by the disturbance": ("1111111000", 2, (None, None)),
    "over before it began": ("1111", 7, None),
}


@pytest.mark.parametrize(("seen", "begin", "expected"), HELD.values(), ids=HELD)
def test_what_was_lost_and_regained_is_as_read_by_eye(
    seen: str, begin: int, expected: tuple[int | None, int | None] | None
) -> None:
    """A loss counts within three steps, and a grip of two steps on end."""
    holding = np.array([letter == "1" for letter in seen])
    assert lost_and_regained(holding, begin, within=3, hold=2) == expected
