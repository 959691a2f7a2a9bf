"""Axes change what they say and nothing else, the same way for every policy and severity."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from arm_world import ArmReach

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation.recovery import WINDOW
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Axis, Plant
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.perturbations.pushes import DIRECTIONS
from robo_maxent.robustness.axes import Disturbance, describe, disturbances, require
from robo_maxent.sim.terrain import HELD_OUT
from robo_maxent.tasks import make

FLAT: Any = make("quadruped-flat")
ROBOT = FLAT.robot
PLANT = Plant(ROBOT, FLAT.control_dt)
SIMS = np.arange(8)
NOMINAL = episode_params.nominal(FLAT.perturbations, ROBOT, 1)
DISTURBANCES = disturbances(FLAT)
WITH_EFFECTS = [name for name, disturbance in DISTURBANCES.items() if disturbance.effects]
TERRAIN = ("terrain", "terrain_heldout")

TIMES = ("push_begin", "push_duration", "slip_begin", "slip_duration")
VECTORS = ("push_impulse", "com_offset", "gravity_tilt", "encoder_bias")
GAINS = ("kp_scale", "kd_scale")


def parameters(disturbance: Disturbance) -> set[str]:
    """Names of the parameters of its effects."""
    return {name for effect in disturbance.effects for name in effect.nominal(ROBOT)}


def last_case(disturbance: Disturbance) -> str:
    return disturbance.axis.cases[-1] if disturbance.axis.cases else ""


def params(
    name: str, severity: float, case: str = "", sims: np.ndarray = SIMS, seed: int = 1
) -> EpisodeParams:
    return DISTURBANCES[name].params(FLAT, PLANT, severity, case, sims, seed)


# -- severities ----------------------------------------------------------------


@pytest.mark.parametrize("severities", [(3.0, 2.0, 2.5), (0.0, 0.0), (), (0.0, np.inf)])
def test_severities_that_turn_back_are_refused(severities: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="friction must go one way, from mild to worst, got"):
        Axis("friction", "", "", "", severities)


def test_other_severities_begin_with_the_mildest_too() -> None:
    payload, friction = DISTURBANCES["payload"].axis, DISTURBANCES["friction"].axis
    assert payload.at((0.0, 4.0)).severities == (0.0, 4.0)
    with pytest.raises(UsageError, match=r"payload must begin with the mildest one, 0 kg"):
        payload.at((1.0, 4.0))
    with pytest.raises(UsageError, match="which is down"):
        friction.at((1.0, 1.2))


def test_the_first_severity_of_an_axis_with_cases_must_be_nominal() -> None:
    """It is run without a case, as nominal."""
    push = DISTURBANCES["push"]
    harder = replace(push, axis=replace(push.axis, severities=(0.5, 1.0)))
    with pytest.raises(UsageError, match=r"0\.5 of push with the case 'ahead' changes p"):
        harder.params(FLAT, PLANT, 0.5, "", SIMS, 1)


@pytest.mark.parametrize("name", WITH_EFFECTS)
def test_an_axis_changes_the_parameters_of_its_effects_and_no_other(name: str) -> None:
    disturbance = DISTURBANCES[name]
    changed: set[str] = set()
    for severity, case in disturbance.conditions():
        held = params(name, severity, case)
        episode_params.check(held, FLAT.perturbations, ROBOT, len(SIMS))
        changed = held.differing(NOMINAL)
        assert changed <= parameters(disturbance)
        if severity == disturbance.axis.severities[0]:
            assert not changed or name == "friction"
    assert changed == parameters(disturbance)  # at its worst


@pytest.mark.parametrize(
    "name", [name for name in WITH_EFFECTS if len(DISTURBANCES[name].axis.severities) > 2]
)
def test_directions_and_times_are_the_same_at_every_severity(name: str) -> None:
    disturbance = DISTURBANCES[name]
    case = last_case(disturbance)
    mild, bad = (params(name, severity, case) for severity in disturbance.axis.severities[-2:])
    for parameter in parameters(disturbance):
        a, b = (np.asarray(held[parameter], float).reshape(len(SIMS), -1) for held in (mild, bad))
        if parameter in TIMES:
            np.testing.assert_array_equal(a, b)
        elif parameter in VECTORS:
            np.testing.assert_allclose(unit(a), unit(b), atol=1e-12)
        elif parameter in GAINS:
            np.testing.assert_array_equal(np.sign(a - 1.0), np.sign(b - 1.0))


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["push", "timing", "com", "gains", "encoder_bias", "slip"])
def test_an_episode_is_named_by_seed_and_simulation_not_by_how_many_there_are(name: str) -> None:
    disturbance = DISTURBANCES[name]
    case, worst = last_case(disturbance), disturbance.axis.severities[-1]
    whole = params(name, worst, case)
    part = params(name, worst, case, SIMS[5:])
    other = params(name, worst, case, seed=2)
    for parameter in parameters(disturbance):
        np.testing.assert_array_equal(whole[parameter][5:], part[parameter])
    assert any((whole[name] != other[name]).any() for name in parameters(disturbance))
    assert len({str(whole.record(NOMINAL, row)) for row in range(len(SIMS))}) > 1


def test_no_effect_of_all_at_once_is_drawn_like_another_or_like_its_own_axis() -> None:
    payload, push = params("combined", 1.0), params("push", 1.0, "left")
    assert (payload["push_begin"][:, 0] != push["push_begin"][:, 0]).all()


# -- pushes --------------------------------------------------------------------


@pytest.mark.parametrize("case", DIRECTIONS)
def test_a_push_has_the_size_and_the_direction_that_its_case_says(case: str) -> None:
    impulse = params("push", 1.5, case)["push_impulse"]
    angle = np.deg2rad(DIRECTIONS[case])
    size = 1.5 * PLANT.capture_impulse.towards(angle)
    expected = size * np.array([np.cos(angle), np.sin(angle), 0.0])
    np.testing.assert_allclose(impulse[:, 0], np.tile(expected, (len(SIMS), 1)), atol=1e-12)
    assert not impulse[:, 1:].any()


def test_directions_are_counted_counter_clockwise_from_ahead() -> None:
    left = params("push", 1.0, "left")["push_impulse"][0, 0]
    behind_right = params("push", 1.0, "behind right")["push_impulse"][0, 0]
    assert left[1] > 9.0
    assert (behind_right[:2] < 0.0).all()


@pytest.mark.parametrize("name", ["push", "timing", "combined"])
def test_every_push_ends_in_time_to_be_judged(name: str) -> None:
    limit = FLAT.trial().episode_steps * FLAT.control_dt - WINDOW
    for case in DISTURBANCES[name].axis.cases or ("",):
        pushes = params(name, 1.0, case, np.arange(300), seed=3)
        ends = pushes["push_begin"] + pushes["push_duration"]
        latest = np.where(pushes["push_impulse"].any(axis=2), ends, 0.0).max()
        assert 0.0 < latest < limit


def gaps(pushes: EpisodeParams) -> np.ndarray:
    """Time from the end of the first push to the begin of the second, s, (N,)."""
    begin, duration = pushes["push_begin"], pushes["push_duration"]
    return begin[:, 1] - (begin[:, 0] + duration[:, 0])


def test_two_pushes_far_apart_are_judged_apart_and_pairs_together() -> None:
    far = gaps(params("push", 1.0, "repeated", np.arange(300), seed=3))
    assert far.min() > WINDOW
    near = gaps(params("timing", 1.0, "pair", np.arange(300), seed=3))
    assert 0.0 < near.min() < near.max() < 1.0


def test_timing_is_what_training_never_has() -> None:
    early = params("timing", 1.0, "early", np.arange(300), seed=3)["push_begin"][:, 0]
    assert early.min() >= 1.0
    assert early.max() <= 3.0  # training pushes come from 4 s on


def test_pushes_meet_every_phase_of_a_stride() -> None:
    begins = params("push", 1.0, "left", np.arange(400), seed=3)["push_begin"][:, 0]
    share = np.histogram(begins * 2.5 % 1.0, bins=4, range=(0.0, 1.0))[0] / 400
    assert share.min() > 0.18


# -- which axes a task has -----------------------------------------------------


def test_a_task_on_a_plane_has_no_axis_of_terrain() -> None:
    assert set(disturbances(make("quadruped-rough"))) - set(DISTURBANCES) == set(TERRAIN)
    with pytest.raises(
        UsageError, match=r"quadruped-flat has no axis terrain\. It has: nominal, .*push"
    ):
        require(["push", "terrain"], FLAT)
    with pytest.raises(
        UnknownNameError, match=r"axis of quadruped-flat 'pusch'\. Did you mean 'push'"
    ):
        require(["pusch"], FLAT)


def test_a_task_that_lacks_an_effect_lacks_its_axes() -> None:
    task = make("quadruped-flat")
    task.perturbations = tuple(e for e in task.perturbations if e.name == "friction")
    assert list(disturbances(task)) == ["nominal", "friction"]
    with pytest.raises(UnknownNameError, match=r"'payload'. Known: friction, nominal"):
        require(["payload"], task)
    arm = ArmReach()
    assert not set(disturbances(arm)) & {"push", "timing", "slip", "friction", "terrain"}
    assert {"sensor_noise", "motor_strength"} <= set(disturbances(arm))


def test_what_was_not_trained_on_is_held_out() -> None:
    def kinds(task: Any) -> list[tuple[str, ...]]:
        return [disturbances(task)[name].axis.cases for name in TERRAIN]

    known, new = kinds(make("quadruped-rough"))
    assert set(new) == set(HELD_OUT)
    assert not set(known) & set(new)
    assert "flat" not in {*known, *new}
    known, new = kinds(make("quadruped-rough", kinds=("waves", "gaps")))
    assert known == ("waves", "gaps")
    assert "fractal" in new
    assert "stairs_up" in new


def test_a_robot_that_gets_up_is_not_pushed() -> None:
    task = make("quadruped-getup")
    names = set(disturbances(task))
    assert not names & {"push", "timing", "slip", "combined"}
    assert {"payload", "dead_joint", "terrain"} <= names
    with pytest.raises(
        UsageError, match=r"has no axis push: it does not say its deviations. It has: nominal, "
    ):
        require(["push"], task)


def test_a_report_learns_of_an_axis_what_it_is_called_and_how_it_is_broken_down() -> None:
    (push,) = describe([DISTURBANCES["push"].axis])
    assert (push["name"], push["title"], push["unit"]) == ("push", "Pushes", "capture impulses")
    assert [each["by"] for each in push["breakdowns"]] == ["push direction", "push phase"]
    assert "suites" not in push


@pytest.mark.parametrize("name", ["quadruped-rough", "arm-pick-rough"])
def test_every_scale_says_what_it_is_compared_by(name: str) -> None:
    for each in disturbances(make(name)).values():
        axis = each.axis
        if not axis.is_scale or len(axis.severities) < 2:
            continue
        assert axis.reference is not None, axis.name
        low, high = sorted((axis.severities[0], axis.severities[-1]))
        assert low <= axis.reference <= high, axis.name
        assert axis.reference != axis.severities[0], axis.name
