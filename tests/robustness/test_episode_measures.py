"""What a row says of an episode, worked by hand."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from samples import episode

from robo_maxent.evaluation.recovery import SafeSet
from robo_maxent.report.rows import Grip, StressEpisode
from robo_maxent.robustness.episode_measures import (
    Effort,
    Gait,
    Scale,
    covered,
    judged_grip,
    judged_safety,
    measured,
    outcome,
    push_spans,
    thinned,
    tracking,
)
from robo_maxent.types import Episode

DT = 0.02
GRAVITY = 9.81
SCALE = Scale(DT, 12.0 * GRAVITY, GRAVITY)
LABEL = {"policy": "p", "mode": "mean", "axis": "push", "severity": 1.0, "case": "", "unit": ""}
DEVIATIONS = ("tilt", "height")
SAFE = SafeSet(dict.fromkeys(DEVIATIONS, 0.5), 1, 1)
EPISODE = episode(
    length=500, reward=1.0, params={"foot_friction": 0.8}, realized={"total_mass": 10.0}
)


def pushed(*pushes: tuple[float, float, list[float]]) -> dict[str, Any]:
    """Parameters with pushes: begin s, duration s, impulse N·s."""
    rest = 4 - len(pushes)
    begin, duration, impulse = zip(*pushes, strict=True)
    return {
        "push_begin": [*begin, *[0.0] * rest],
        "push_duration": [*duration, *[0.0] * rest],
        "push_impulse": [*impulse, *[[0.0, 0.0, 0.0]] * rest],
    }


def gait(length: int = 500, command: tuple[float, ...] = (1.0, 0.0, 0.0)) -> Gait:
    return Gait(np.array(command), np.ones(length), np.zeros(length), np.zeros(length))


def effort(length: int = 500) -> Effort:
    return Effort(*np.zeros((2, length)), *np.zeros((2, length), bool))


def upright(length: int = 500) -> np.ndarray:
    return np.zeros((length, len(DEVIATIONS)))


def row(
    episode: Episode,
    deviations: np.ndarray | None = None,
    own: Gait | None = None,
    took: Effort | None = None,
    safe: SafeSet | None = SAFE,
    common: SafeSet | None = SAFE,
) -> StressEpisode:
    length = episode.length
    deviations = upright(length) if deviations is None else deviations
    safety = judged_safety(safe, common, deviations, DEVIATIONS)
    own, took = own or gait(length), took or effort(length)
    made = measured(episode, own, took, safety, SCALE, LABEL)
    assert StressEpisode.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False))) == made
    return made


# -- pushes --------------------------------------------------------------------


def test_a_push_is_told_with_its_time_size_direction_phase_and_recovery() -> None:
    own, deviations = gait(), upright()
    own.phase[:] = np.arange(500) / 1000
    deviations[205:240, 0] = 0.6  # tilted, from the push's end at 4.1 s until 4.8 s
    episode = replace(EPISODE, params=pushed((4.0, 0.1, [3.0, 4.0, 0.0])))
    made = row(episode, deviations, own)
    assert [asdict(push) for push in made.pushes] == [
        {
            "begin": 4.0,
            "impulse": 5.0,
            "direction": pytest.approx(np.arctan2(4.0, 3.0)),
            "phase": 0.2,
            "recovered": True,
            "seconds": pytest.approx(0.7),
            "common_seconds": pytest.approx(0.7),
            "volley": 0,
        }
    ]
    assert made.recovered is True


def test_who_comes_back_too_late_has_not_recovered_and_is_not_dropped() -> None:
    deviations = upright()
    deviations[205 : 205 + 101, 1] = 0.6
    made = row(replace(EPISODE, params=pushed((4.0, 0.1, [0.0, 9.0, 0.0]))), deviations)
    assert [(push.recovered, push.seconds) for push in made.pushes] == [(False, None)]
    assert made.recovered is False
    assert made.survived is True


def test_who_was_not_safe_before_a_push_has_nothing_to_recover_to() -> None:
    """A push at 4 s: what counts is the second before, and in the first second of all nothing."""
    params = pushed((4.0, 0.1, [0.0, 9.0, 0.0]))
    for outside, recovered in ((slice(170, 180), False), (slice(140, 150), True)):
        deviations = upright()
        deviations[outside, 0] = 0.6
        made = row(replace(EPISODE, params=params), deviations)
        assert [push.recovered for push in made.pushes] == [recovered]
    deviations = upright()
    deviations[20:50, 0] = 0.6  # dropped from a little above the ground
    made = row(replace(EPISODE, params=pushed((1.5, 0.1, [0.0, 9.0, 0.0]))), deviations)
    assert [push.recovered for push in made.pushes] == [True]


def test_a_push_is_judged_by_a_safe_set_that_all_policies_share_as_well() -> None:
    """Its own lets it tilt twice as far as that of the first policy of the test."""
    episode, deviations = replace(EPISODE, params=pushed((4.0, 0.1, [0.0, 9.0, 0.0]))), upright()
    deviations[205:240, 0] = 0.9
    wide = SafeSet(dict.fromkeys(DEVIATIONS, 1.0), 1, 1)
    (one,) = row(episode, deviations, safe=wide).pushes
    assert (one.recovered, one.seconds, one.common_seconds) == (True, 0.0, pytest.approx(0.7))
    (one,) = row(episode, deviations, safe=wide, common=None).pushes
    assert (one.recovered, one.common_seconds) == (True, None)


def test_a_fall_after_a_push_is_no_recovery() -> None:
    params = pushed((4.0, 0.1, [0.0, 9.0, 0.0]))
    fell = replace(EPISODE, params=params, length=240, terminated=True, success=False)
    made = row(fell)
    assert [push.recovered for push in made.pushes] == [False]
    assert (made.recovered, made.survived, made.outcome) == (False, False, "fell")


def test_a_fall_long_after_the_last_push_leaves_the_push_recovered_but_not_the_episode() -> None:
    params = pushed((4.0, 0.1, [0.0, 9.0, 0.0]))
    fell = replace(EPISODE, params=params, length=450, terminated=True, success=False)
    made = row(fell)
    assert [push.recovered for push in made.pushes] == [True]
    assert made.recovered is False


def test_a_push_that_the_episode_did_not_come_to_is_not_told() -> None:
    params = pushed((4.0, 0.1, [0.0, 9.0, 0.0]), (6.0, 0.1, [0.0, 9.0, 0.0]))
    fell = replace(EPISODE, params=params, length=240, terminated=True, success=False)
    made = row(fell)
    assert len(made.pushes) == 1
    assert made.recovered is False


def test_an_episode_recovers_if_all_its_pushes_do() -> None:
    params = pushed((1.5, 0.1, [0.0, 9.0, 0.0]), (6.0, 0.1, [0.0, 9.0, 0.0]))
    deviations = upright()
    deviations[400:, 1] = 0.6  # from 8 s on; the second push ends at 6.1 s
    made = row(replace(EPISODE, params=params), deviations)
    assert [(p.recovered, p.volley) for p in made.pushes] == [(True, 0), (True, 1)]
    deviations[300:420, 1] = 0.6
    made = row(replace(EPISODE, params=params), deviations)
    assert [push.recovered for push in made.pushes] == [True, False]
    assert made.recovered is False


@pytest.mark.parametrize(
    ("lasts", "leaves", "returns", "seconds"),
    [
        (0.1, 180, 230, 1.0),  # until 4.6 s; the second push ends at 3.6 s
        (2.0, 240, 260, 0.2),  # until 5.2 s; the first, longer push ends at 5 s
    ],
)
def test_pushes_of_a_volley_are_judged_from_when_none_acts_any_more(
    lasts: float, leaves: int, returns: int, seconds: float
) -> None:
    params = pushed((3.0, lasts, [0.0, 9.0, 0.0]), (3.5, 0.1, [0.0, 9.0, 0.0]))
    deviations = upright()
    deviations[leaves:returns, 0] = 0.6
    made = row(replace(EPISODE, params=params), deviations)
    assert [p.seconds for p in made.pushes] == [pytest.approx(seconds)] * 2
    assert [p.volley for p in made.pushes] == [0, 0]


def test_without_a_safe_set_nothing_recovers() -> None:
    episode = replace(EPISODE, params=pushed((4.0, 0.1, [3.0, 4.0, 0.0])))
    made = row(episode, safe=None)
    assert [push.recovered for push in made.pushes] == [False]


def test_standing_has_no_phase_and_an_undisturbed_episode_no_recovery() -> None:
    own = gait(command=(0.0, 0.0, 0.0))
    own.phase[:] = np.nan
    episode = replace(EPISODE, params=pushed((4.0, 0.1, [3.0, 4.0, 0.0])))
    assert row(episode, own=own).pushes[0].phase is None
    assert row(EPISODE, own=own).recovered is None
    assert row(EPISODE, own=own).pushes == ()


def test_pushes_are_told_in_the_order_of_their_times() -> None:
    params = pushed((6.0, 0.1, [1.0, 0.0, 0.0]), (1.0, 0.005, [2.0, 0.0, 0.0]))
    assert push_spans(params, DT) == [(1, 50, 51), (0, 300, 305)]


def test_a_push_at_once_that_begins_with_the_episode_is_one() -> None:
    """Its times are nominal, so that the parameters of the episode do not have them."""
    at_once = {"push_impulse": [[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]}
    made = row(replace(EPISODE, params=at_once))
    assert [(push.begin, push.impulse) for push in made.pushes] == [(0.0, pytest.approx(5.0))]
    slip = {"slip_duration": 0.1, "slip_friction": 0.1}
    own = gait()
    own.error[5:] = 0.3
    assert tracking(slip, own, DT) == (None, pytest.approx(0.3))


# -- tracking, way, effort -----------------------------------------------------


def test_tracking_is_told_before_the_first_disturbance_and_after_the_last() -> None:
    own = gait()
    error = own.error
    error[:50], error[50:200], error[200:205], error[205:] = 9.0, 0.1, 7.0, 0.3
    push = pushed((4.0, 0.1, [3.0, 4.0, 0.0]))
    assert tracking(push, own, DT) == (pytest.approx(0.1), pytest.approx(0.3))
    before, after = tracking({}, own, DT)
    assert before == pytest.approx(error[50:].mean())
    assert after is None
    slip = {"slip_begin": 4.0, "slip_duration": 0.1, "slip_friction": 0.1}
    assert tracking(slip, own, DT) == (pytest.approx(0.1), pytest.approx(0.3))


def test_an_episode_that_ends_before_its_push_has_nothing_after() -> None:
    params = pushed((4.0, 0.1, [3.0, 4.0, 0.0]))
    assert tracking(params, gait(100), DT) == (0.0, None)
    assert tracking(params, gait(40), DT) == (None, None)


def test_the_way_is_counted_along_the_command() -> None:
    own = gait(command=(0.6, 0.8, 0.5))
    own.along[:] = 0.25
    assert covered(own) == pytest.approx(0.25)
    own = gait(command=(0.0, 0.0, -0.5))
    own.along[:] = 0.4
    assert covered(own) == pytest.approx(0.8)
    assert covered(gait(command=(0.0, 0.0, 0.0))) is None


def test_effort_is_summed_over_time() -> None:
    took = Effort(
        speed=np.full(500, 0.5),
        power=np.full(500, 98.1),
        saturated=np.arange(500) < 50,
        beyond=np.arange(500) < 5,
    )
    made = row(EPISODE, took=took)
    assert made.energy == pytest.approx(981.0)
    assert made.distance == pytest.approx(5.0)
    assert made.cost_of_transport == pytest.approx(981.0 / (10.0 * 9.81 * 5.0))
    assert made.torque_violation == pytest.approx(0.1)
    assert made.limit_violation == pytest.approx(0.01)


def test_who_goes_nowhere_has_no_cost_of_transport() -> None:
    assert row(EPISODE).cost_of_transport is None


# -- outcomes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "progress", "moves", "expected"),
    [
        ({}, 0.9, True, "success"),
        ({"success": False}, 0.19, True, "stuck"),
        ({"success": False}, 0.21, True, "wandered"),
        ({"success": False}, -0.5, True, "stuck"),
        ({"success": False}, None, True, "wandered"),  # it was to stand, and did not
        ({"success": False}, None, False, "stuck"),  # it did not get up
        ({"success": False, "terminated": True}, 0.9, True, "fell"),
        ({"success": False, "terminated": True, "diverged": True}, 0.9, True, "diverged"),
        (
            {"success": False, "policy_error": "policy returned NaN at step 3"},
            0.9,
            True,
            "policy error",
        ),
        (
            {"success": False, "policy_error": "policy returned NaN at step 3", "terminated": True},
            0.9,
            True,
            "policy error",
        ),
    ],
)
def test_an_episode_ends_in_a_word_or_two(
    changes: dict[str, Any], progress: float | None, moves: bool, expected: str
) -> None:
    assert outcome(replace(EPISODE, **changes), progress, moves) == expected


def test_a_policy_that_errs_neither_survives_nor_recovers() -> None:
    erred = replace(EPISODE, success=False, policy_error="policy returned NaN at step 3")
    assert row(erred).survived is False
    pushes = row(replace(erred, params=pushed((4.0, 0.1, [3.0, 4.0, 0.0])))).pushes
    assert [push.recovered for push in pushes] == [False]


# -- other robots --------------------------------------------------------------


def test_a_robot_without_a_floating_base_covers_no_distance() -> None:
    took = replace(effort(), speed=None, power=np.ones(500))
    made = measured(EPISODE, None, took, None, SCALE, LABEL)
    assert made.energy == pytest.approx(10.0)
    assert (made.distance, made.cost_of_transport) == (None, None)
    assert (made.command, made.progress, made.tracking_before) == (None, None, None)


def test_a_task_that_does_not_say_its_deviations_has_no_judged_push() -> None:
    assert judged_safety(SAFE, SAFE, np.zeros((500, 0)), ()) is None
    episode = replace(EPISODE, params=pushed((4.0, 0.1, [3.0, 4.0, 0.0])))
    made = measured(episode, gait(), effort(), None, SCALE, LABEL)
    assert (made.pushes, made.recovered, made.survived) == ((), None, True)


def test_an_episode_is_safe_where_no_deviation_is_beyond_its_limit() -> None:
    safe = SafeSet({"tilt": 0.5, "height": 0.1}, 1, 1)
    deviations = np.array([[0.5, 0.1], [0.6, 0.0], [0.0, 0.2]])
    safety = judged_safety(safe, None, deviations, DEVIATIONS)
    assert safety is not None
    assert safety.own.tolist() == [True, False, False]
    assert not safety.common.any()


# -- what the hand holds ---------------------------------------------------------------


def test_a_loss_is_told_with_how_long_it_lasted_and_was_watched() -> None:
    """Held until 1 s; knocked at 0.96 s, gone at 1.04 s, held again at 1.24 s of 2 s at most."""
    holding = np.ones(45, bool)
    holding[26:31] = False
    grip = judged_grip(holding, 0.96, steps=50, dt=0.04)
    assert grip is not None
    assert (grip.begin, grip.lost) == (0.96, True)
    assert (grip.seconds, grip.watched) == pytest.approx((0.2, 0.84))
    assert judged_grip(holding, None, 50, 0.04) is None
    assert judged_grip(None, 0.96, 50, 0.04) is None
    assert judged_grip(~holding, 0.96, 50, 0.04) is None
    assert judged_grip(np.ones(45, bool), 0.96, 50, 0.04) == Grip(0.96, lost=False)


def test_nobody_is_waited_for_longer_than_a_regrasp_can_be_seen() -> None:
    """It takes three steps on end: who has it in the last two alone is told from nobody."""
    times: list[tuple[float | None, float]] = []
    for regained in range(30, 51):
        holding = np.ones(50, bool)
        holding[26:regained] = False
        grip = judged_grip(holding, 1.0, steps=50, dt=0.04)
        assert grip is not None
        times.append((grip.seconds, grip.watched))
    latest = max(seconds for seconds, _ in times if seconds is not None)
    assert latest == pytest.approx(0.84)  # from step 26 to step 47
    assert {watched for _, watched in times} == {latest}
    gone = np.arange(50) < 49
    assert judged_grip(gone, 1.92, 50, 0.04) == Grip(1.92, lost=True, seconds=None, watched=0.0)


def test_a_row_with_a_grip_is_read_as_it_was_written() -> None:
    made = measured(EPISODE, None, effort(), None, SCALE, LABEL, grip=Grip(1.0, True, None, 1.2))
    assert StressEpisode.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 500])
def test_a_path_keeps_its_ends_and_at_most_32_points(length: int) -> None:
    positions = np.column_stack([np.arange(length) / 300.0, -np.arange(length) * 1.0])
    path = thinned(positions)
    assert len(path) == min(length, 32)
    assert path[0] == (0.0, 0.0)
    assert path[-1] == (round((length - 1) / 300.0, 2), -(length - 1.0))
    assert (np.diff([y for _, y in path]) < 0.0).all(), "in their order"
