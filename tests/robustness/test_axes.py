"""Axes change what they say and nothing else, the same way for every policy and severity."""

from typing import Any

import numpy as np
import pytest

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation.recovery import WINDOW
from robo_maxent.perturbations import params as drawing
from robo_maxent.robustness.axes import AXES, TERRAIN, Axis, available, require, world_of
from robo_maxent.robustness.changes import DIRECTIONS
from robo_maxent.sim.capture_impulse import Capture, capture
from robo_maxent.sim.terrain import HELD_OUT
from robo_maxent.tasks import make

FLAT: Any = make("quadruped-flat")
WORLD = world_of(FLAT)
SIMS = np.arange(8)
USUAL = drawing.nominal(FLAT.robot, 1)
DRAWN = [name for name, axis in AXES.items() if axis.change is not None]


# -- capture impulse -----------------------------------------------------------


def test_the_capture_impulse_is_that_of_an_inverted_pendulum() -> None:
    robot = Capture(mass=10.0, height=0.25, half_length=0.2, half_width=0.1, gravity=9.0)
    assert robot.impulse(0.0) == pytest.approx(10.0 * 0.2 * 6.0)
    assert robot.impulse(np.pi / 2) == pytest.approx(10.0 * 0.1 * 6.0)
    assert robot.impulse(-np.pi / 2) == robot.impulse(np.pi / 2)
    # At 45 degrees the edge of the rectangle is 0.1 m to the left and 0.1 m ahead.
    assert robot.impulse(np.pi / 4) == pytest.approx(10.0 * np.hypot(0.1, 0.1) * 6.0)
    corner = float(np.arctan2(0.1, 0.2))
    assert robot.impulse(corner) == pytest.approx(10.0 * np.hypot(0.1, 0.2) * 6.0)


def test_the_robot_has_the_capture_impulse_of_a_go1() -> None:
    own = capture(FLAT.robot)
    assert own.mass == pytest.approx(12.74, abs=0.01)
    assert own.half_width == pytest.approx(0.127, abs=0.001)
    assert own.half_length == pytest.approx(0.188, abs=0.001)
    # 9.6 and 14.2 with the trunk's height of 0.278 m; its centre of mass is a centimetre lower.
    assert own.impulse(np.pi / 2) == pytest.approx(9.6, rel=0.03)
    assert own.impulse(0.0) == pytest.approx(14.2, rel=0.03)
    at_trunk = Capture(own.mass, 0.278, own.half_length, own.half_width, own.gravity)
    assert at_trunk.impulse(np.pi / 2) == pytest.approx(9.6, abs=0.05)
    assert at_trunk.impulse(0.0) == pytest.approx(14.2, abs=0.05)


def test_a_point_mass_comes_to_rest_above_the_edge_after_the_capture_impulse() -> None:
    own = capture(FLAT.robot)
    for direction in (0.0, np.pi / 2):
        edge = own.half_length if direction == 0.0 else own.half_width
        x, v, dt = 0.0, own.impulse(direction) / own.mass, 1e-5
        for _ in range(round(0.6 / dt)):  # the pendulum over the edge, which is its pivot
            v += own.gravity / own.height * (x - edge) * dt
            x += v * dt
        assert x == pytest.approx(edge, rel=0.05)


# -- severities ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("severities", "downward"),
    [((3.0, 2.0, 1.0), False), ((0.1, 0.2), True), ((0.0, 0.0), False), ((), False)],
)
def test_severities_upside_down_are_refused(severities: tuple[float, ...], downward: bool) -> None:
    way = "down" if downward else "up"
    with pytest.raises(UsageError, match=f"from nominal to worst, which is {way}"):
        Axis("friction", "", "", severities, downward=downward)


def test_other_severities_begin_at_nominal_too() -> None:
    assert AXES["payload"].at([0.0, 4.0]).severities == (0.0, 4.0)
    with pytest.raises(UsageError, match=r"payload must begin with the nominal one, 0 kg"):
        AXES["payload"].at([1.0, 4.0])
    with pytest.raises(UsageError, match="which is down"):
        AXES["friction"].at([1.0, 1.2])


@pytest.mark.parametrize("name", DRAWN)
def test_an_axis_changes_its_fields_and_no_other(name: str) -> None:
    axis = AXES[name]
    changed: set[str] = set()
    for severity, case in axis.conditions(FLAT):
        made = axis.draws(WORLD, severity, case, SIMS, seed=1)
        drawing.check(made, drawing.nominal(FLAT.robot, len(SIMS)), 5.0)
        changed = drawing.differing(made, USUAL)
        assert changed <= set(axis.fields)
        if severity == axis.severities[0]:
            assert not changed or name == "friction"
    assert changed == set(axis.fields)  # at its worst


@pytest.mark.parametrize("name", [name for name in DRAWN if len(AXES[name].severities) > 2])
def test_directions_and_times_are_the_same_at_every_severity(name: str) -> None:
    axis = AXES[name]
    case = "" if axis.cases is None else axis.cases(FLAT)[-1]
    mild, bad = (axis.draws(WORLD, s, case, SIMS, seed=1) for s in axis.severities[-2:])
    for field in axis.fields:
        a, b = (np.asarray(getattr(d, field), float).reshape(len(SIMS), -1) for d in (mild, bad))
        if field in ("push_begin", "push_duration", "slip_begin", "slip_duration"):
            np.testing.assert_array_equal(a, b)
        elif field in ("push_impulse", "com_offset", "gravity_tilt", "encoder_bias"):
            np.testing.assert_allclose(along(a), along(b), atol=1e-12)
        elif field in ("kp_scale", "kd_scale"):
            np.testing.assert_array_equal(np.sign(a - 1.0), np.sign(b - 1.0))


def along(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["push", "timing", "com", "gains", "encoder_bias", "slip"])
def test_an_episode_is_named_by_seed_and_simulation_not_by_how_many_there_are(name: str) -> None:
    axis = AXES[name]
    case = "" if axis.cases is None else axis.cases(FLAT)[-1]
    worst = axis.severities[-1]
    whole = axis.draws(WORLD, worst, case, SIMS, seed=1)
    part = axis.draws(WORLD, worst, case, SIMS[5:], seed=1)
    other = axis.draws(WORLD, worst, case, SIMS, seed=2)
    for field in axis.fields:
        np.testing.assert_array_equal(getattr(whole, field)[5:], getattr(part, field))
    assert drawing.differing(whole, other) or any(
        (getattr(whole, field) != getattr(other, field)).any() for field in axis.fields
    )
    assert len({drawing_row(whole, sim) for sim in range(len(SIMS))}) > 1


def drawing_row(draws: Any, sim: int) -> str:
    return str(drawing.recorded(draws, USUAL, sim))


# -- pushes --------------------------------------------------------------------


@pytest.mark.parametrize("case", DIRECTIONS)
def test_a_push_has_the_size_and_the_direction_that_its_case_says(case: str) -> None:
    made = AXES["push"].draws(WORLD, 1.5, case, SIMS, seed=1)
    impulse = made.push_impulse[:, 0]
    angle = np.deg2rad(DIRECTIONS[case])
    size = 1.5 * WORLD.capture.impulse(angle)
    expected = size * np.array([np.cos(angle), np.sin(angle), 0.0])
    np.testing.assert_allclose(impulse, np.tile(expected, (len(SIMS), 1)), atol=1e-12)
    assert not made.push_impulse[:, 1:].any()


def test_directions_are_counted_counter_clockwise_from_ahead() -> None:
    left = AXES["push"].draws(WORLD, 1.0, "left", SIMS, seed=1).push_impulse[0, 0]
    behind_right = AXES["push"].draws(WORLD, 1.0, "behind right", SIMS, seed=1).push_impulse[0, 0]
    assert left[1] > 9.0
    assert (behind_right[:2] < 0.0).all()


@pytest.mark.parametrize("name", ["push", "timing", "combined"])
def test_every_push_ends_in_time_to_be_judged(name: str) -> None:
    axis = AXES[name]
    limit = FLAT.trial().episode_steps * FLAT.control_dt - WINDOW
    for case in ("",) if axis.cases is None else axis.cases(FLAT):
        made = axis.draws(WORLD, 1.0, case, np.arange(300), seed=3)
        ends = np.where(made.push_impulse.any(axis=2), made.push_begin + made.push_duration, 0.0)
        assert 0.0 < ends.max() < limit


def test_two_pushes_far_apart_are_judged_apart_and_pairs_together() -> None:
    far = AXES["push"].draws(WORLD, 1.0, "repeated", np.arange(300), seed=3)
    gap = far.push_begin[:, 1] - (far.push_begin[:, 0] + far.push_duration[:, 0])
    assert gap.min() > WINDOW
    near = AXES["timing"].draws(WORLD, 1.0, "pair", np.arange(300), seed=3)
    gap = near.push_begin[:, 1] - (near.push_begin[:, 0] + near.push_duration[:, 0])
    assert 0.0 < gap.min() < gap.max() < 1.0


def test_timing_is_what_training_never_has() -> None:
    early = AXES["timing"].draws(WORLD, 1.0, "early", np.arange(300), seed=3).push_begin[:, 0]
    assert early.min() >= 1.0
    assert early.max() <= 3.0  # training pushes come from 4 s on


def test_pushes_meet_every_phase_of_a_stride() -> None:
    begins = AXES["push"].draws(WORLD, 1.0, "left", np.arange(400), seed=3).push_begin[:, 0]
    share = np.histogram(begins * 2.5 % 1.0, bins=4, range=(0.0, 1.0))[0] / 400
    assert share.min() > 0.18


# -- which axes a task has -----------------------------------------------------


def test_a_task_on_a_plane_has_no_axis_of_terrain() -> None:
    assert set(AXES) - set(available(FLAT)) == set(TERRAIN)
    with pytest.raises(
        UsageError, match=r"quadruped-flat has no axis terrain: .* It has: nominal, push"
    ):
        require(["push", "terrain"], FLAT)
    with pytest.raises(UnknownNameError, match=r"axis 'pusch'. Did you mean 'push'"):
        require(["pusch"], FLAT)


def test_a_task_that_lacks_a_field_lacks_the_axes_that_need_it() -> None:
    task = make("quadruped-flat")
    task.perturbations = ("foot_friction",)
    assert list(available(task)) == ["nominal", "friction"]
    with pytest.raises(UsageError, match=r"does not support payload. It has: nominal, friction"):
        require(["payload"], task)


def test_what_was_not_trained_on_is_held_out() -> None:
    rough = make("quadruped-rough")
    both = [AXES[name].cases for name in TERRAIN]
    known, new = (cases(rough) for cases in both if cases is not None)
    assert set(new) == set(HELD_OUT)
    assert not set(known) & set(new)
    assert "flat" not in {*known, *new}
    few = make("quadruped-rough", kinds=("waves", "gaps"))
    known, new = (cases(few) for cases in both if cases is not None)
    assert known == ("waves", "gaps")
    assert "fractal" in new
    assert "stairs_up" in new


def test_a_robot_that_gets_up_is_not_pushed() -> None:
    names = set(available(make("quadruped-getup")))
    assert not names & {"push", "timing", "slip", "combined"}
    assert {"payload", "dead_joint", "terrain"} <= names
