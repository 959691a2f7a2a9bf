"""Ranges, levels, and what is drawn from them."""

import json
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.params import (
    LIMITS,
    NAMES,
    Draw,
    check,
    differing,
    nominal,
    recorded,
    replayed,
    require_supported,
)
from robo_maxent.perturbations.ranges import (
    DEFAULT,
    HARD,
    LEVELS,
    NONE,
    Randomization,
    described,
    draw,
    randomization,
)
from robo_maxent.tasks import make

TASK = make("quadruped-flat")
ROBOT = TASK.robot
USUAL = nominal(ROBOT, 1)


def built(name: str, value: Any) -> Randomization:
    """Nominal but for one range."""
    values: dict[str, Any] = {name: value}
    return Randomization(**values)


def drawn(ranges: Randomization, n: int, seed: int = 0) -> tuple[Draw, np.ndarray]:
    """N draws, and the next number of each episode's generator."""
    into, following = nominal(ROBOT, n), np.zeros(n)
    for sim in range(n):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, sim))))
        draw(ranges, USUAL, rng, into, sim)
        following[sim] = rng.random()
    return into, following


# -- levels --------------------------------------------------------------------


def test_as_built_nothing_differs_and_the_friction_is_the_robots_own() -> None:
    draws, _ = drawn(NONE, 20)
    assert Randomization() == NONE
    assert not NONE.varied
    assert not differing(draws, USUAL)
    assert set(draws.foot_friction) == {0.8}


def test_the_flat_task_varies_its_friction_only() -> None:
    assert TASK.randomization.varied == {"foot_friction"}
    assert TASK.randomization.foot_friction == (0.4, 1.2)


@pytest.mark.parametrize("level", ["default", "hard"])
def test_a_level_differs_in_what_it_says_it_varies_and_in_nothing_else(level: str) -> None:
    draws, _ = drawn(LEVELS[level], 300)
    assert differing(draws, USUAL) == LEVELS[level].varied
    check(draws, nominal(ROBOT, 300), trunk_mass=5.204)


def test_hard_contains_default() -> None:
    for field in fields(Randomization):
        wide, narrow = getattr(HARD, field.name), getattr(DEFAULT, field.name)
        if isinstance(narrow, tuple) and not field.name.startswith(("push_interval", "slip")):
            assert wide[0] <= narrow[0], field.name
            assert wide[1] >= narrow[1] or field.name == "no_load_speed", field.name


@pytest.mark.parametrize(
    ("name", "wide"),
    [(name, 0.02) for name in ("payload", "com_offset", "motor_strength", "kp_scale", "kd_scale")]
    + [(name, 0.02) for name in ("foot_friction", "encoder_bias", "sensor_noise", "packet_loss")],
)
def test_values_fill_their_range_evenly(name: str, wide: float) -> None:
    low, high = getattr(HARD, name)
    values = getattr(drawn(HARD, 3000)[0], name).ravel()
    assert low <= values.min() < low + wide * (high - low)
    assert high - wide * (high - low) < values.max() <= high
    assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))  # 5 sigma


def test_every_delay_of_the_range_is_drawn_as_often() -> None:
    delays = drawn(HARD, 3000)[0].action_delay
    np.testing.assert_allclose(np.bincount(delays) / 3000, [1 / 3] * 3, atol=0.045)  # 5 sigma


def test_pushes_come_from_everywhere_five_to_ten_seconds_apart() -> None:
    draws, _ = drawn(DEFAULT, 2000)
    apart = np.diff(draws.push_begin, axis=1, prepend=0.0)
    assert 5.0 <= apart.min() < 5.1
    assert 9.9 < apart.max() <= 10.0
    size = np.linalg.norm(draws.push_impulse, axis=2)
    assert 6.3 < size.max() <= 6.4
    direction = np.arctan2(draws.push_impulse[..., 1], draws.push_impulse[..., 0])
    quarters = np.histogram(direction, bins=8, range=(-np.pi, np.pi))[0] / direction.size
    np.testing.assert_allclose(quarters, 1 / 8, atol=0.02)  # 5 sigma
    assert not draws.push_impulse[..., 2].any()


@pytest.mark.parametrize("name", ["dead_joint", "locked_joint"])
def test_at_most_one_joint_breaks_with_the_stated_probability(name: str) -> None:
    draws, _ = drawn(replace(NONE, **{name: 0.4}), 2000)
    broken = getattr(draws, name)
    assert broken.sum(axis=1).max() == 1
    assert broken.any(axis=1).mean() == pytest.approx(0.4, abs=0.055)  # 5 sigma
    assert broken.any(axis=0).all()


def test_a_slip_happens_with_the_stated_probability() -> None:
    draws, _ = drawn(replace(NONE, slip=0.3), 2000)
    assert (draws.slip_duration > 0).mean() == pytest.approx(0.3, abs=0.055)


def test_ranges_scaled_down_lie_evenly_between_nominal_and_full() -> None:
    for ranges in (NONE, DEFAULT, HARD):
        assert ranges.scaled(1.0) == ranges
    assert HARD.scaled(0.0).varied == {"foot_friction"}
    fifth = replace(HARD, locked_joint=0.5).scaled(0.2)
    assert fifth.payload == pytest.approx((-0.2, 1.0))
    assert fifth.motor_strength == pytest.approx((0.96, 1.04))
    assert fifth.push_impulse == pytest.approx((0.0, 2.54))
    assert fifth.no_load_speed == pytest.approx((100.0, 500.0))  # a fifth of the slope
    assert (fifth.locked_joint, fifth.slip) == pytest.approx((0.1, 0.06))
    assert [HARD.scaled(s).action_delay for s in (0.2, 0.3, 0.8)] == [(0, 0), (0, 1), (0, 2)]


# -- pairing -------------------------------------------------------------------


def test_what_the_task_draws_next_is_the_same_whatever_the_ranges() -> None:
    expected = drawn(NONE, 20)[1]
    for ranges in (TASK.randomization, DEFAULT, HARD):
        np.testing.assert_array_equal(drawn(ranges, 20)[1], expected)


@pytest.mark.parametrize("changed", sorted(NONE.__dataclass_fields__))
def test_widening_one_range_leaves_the_other_fields_alone(changed: str) -> None:
    other = getattr(HARD, changed)
    if changed in ("locked_joint", "dead_joint"):
        other = 1.0
    left, right = drawn(DEFAULT, 20)[0], drawn(replace(DEFAULT, **{changed: other}), 20)[0]
    prefix = changed.split("_")[0] if changed.startswith(("push", "slip")) else changed
    for name in NAMES:
        if not name.startswith(prefix):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name), name)


# -- refusals ------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(Randomization.__dataclass_fields__))
def test_a_range_upside_down_or_beyond_physics_is_refused(name: str) -> None:
    usual = getattr(HARD, name)
    if not isinstance(usual, tuple):
        with pytest.raises(UsageError, match=rf"{name} must be a probability in \[0, 1\], got 1.5"):
            built(name, 1.5)
        return
    for bad in ((2.0, 1.5), (-1e9, 1.0), (1.0, np.nan)):
        with pytest.raises(UsageError, match=f"{name} must be an increasing range within"):
            built(name, bad)


def test_an_unknown_level_or_range_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as error:
        randomization("defualt")
    assert str(error.value) == (
        "Unknown randomization 'defualt'. Did you mean 'default'? Known: default, hard, none."
    )
    with pytest.raises(UnknownNameError, match="Unknown range 'pay_load'"):
        randomization({"pay_load": [0, 1]})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("payload", np.zeros(3), r"payload must have shape \(2,\), got \(3,\)"),
        ("foot_friction", np.array([0.5, 0.0]), r"foot_friction must be within \[0.01, 5\], got 0"),
        ("packet_loss", np.array([0.0, np.nan]), r"packet_loss must be within \[0, 1\], got nan"),
        ("action_delay", np.array([0, 4]), r"action_delay must be within \[0, 3\], got 4"),
        ("action_delay", np.array([0, 0.5]), "action_delay must be whole numbers"),
        ("payload", np.array([0, -1.9]), "payload must be at least -1.80, nine tenths of the trun"),
    ],
)
def test_a_draw_out_of_shape_or_out_of_limits_is_refused(
    name: str, value: np.ndarray, message: str
) -> None:
    draws = replace(nominal(ROBOT, 2), **{name: value})
    with pytest.raises(UsageError, match=message):
        check(draws, nominal(ROBOT, 2), trunk_mass=2.0)


def test_a_task_says_what_it_supports() -> None:
    with pytest.raises(UsageError) as error:
        require_supported({"payload", "foot_friction"}, ("packet_loss", "foot_friction"), "reach")
    assert str(error.value) == (
        "reach does not support payload. It supports: foot_friction, packet_loss."
    )


def test_every_field_has_limits_that_hold_its_nominal_value() -> None:
    assert set(LIMITS) == set(NAMES)
    check(USUAL, USUAL, trunk_mass=5.0)


# -- records -------------------------------------------------------------------


@pytest.mark.parametrize("level", ["none", "default", "hard"])
def test_a_record_goes_through_json_and_gives_the_same_draw(level: str) -> None:
    draws, _ = drawn(LEVELS[level], 5)
    records = [json.loads(json.dumps(recorded(draws, USUAL, sim))) for sim in range(5)]
    again = replayed(records, ROBOT)
    for name in NAMES:
        left, right = getattr(draws, name), getattr(again, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right, name)


def test_an_unknown_field_in_a_record_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Unknown perturbation 'frictoin'"):
        replayed([{"frictoin": 0.5}], ROBOT)


@pytest.mark.parametrize("ranges", [*LEVELS.values(), Randomization(payload=(0.0, 3.0), slip=0.5)])
def test_ranges_described_in_json_are_the_same_ranges(ranges: Randomization) -> None:
    text = json.dumps(described(ranges), allow_nan=False)
    assert randomization(json.loads(text)) == ranges
