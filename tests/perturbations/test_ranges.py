"""Ranges, levels, and what is drawn from them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from arm_world import ArmReach
from perturbed import (
    EFFECT,
    NOMINAL,
    PARAMETERS,
    ROBOT,
    TASK,
    drawn,
    generator,
    heavy,
    held,
    ranges,
)

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.base import Perturbation, Ranges, Values
from robo_maxent.perturbations.params import EpisodeParams, nominal, owner
from robo_maxent.perturbations.pushes import Pushes
from robo_maxent.perturbations.ranges import LEVELS, Randomization, level, randomization
from robo_maxent.sim.robot import Robot
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import EFFECTS

NONE, DEFAULT, HARD = (ranges(name) for name in LEVELS)
WIDE: dict[str, Any] = HARD.ranges | {"locked_joint": 0.5, "dead_joint": 0.5}
"""Range -> a value at which it varies something."""


def varied(given: Randomization) -> set[str]:
    """Names of the effects that vary."""
    return {effect.name for effect in given.varied}


# -- levels --------------------------------------------------------------------


def test_as_built_nothing_differs_and_the_friction_is_the_robots_own() -> None:
    params = drawn(NONE, 20)
    assert Randomization(EFFECTS, ROBOT, {}).ranges == NONE.ranges
    assert not NONE.varied
    assert not params.differing(NOMINAL)
    assert set(params["foot_friction"]) == {0.8}


def test_the_flat_task_varies_its_friction_only() -> None:
    assert varied(TASK.randomization) == {"friction"}
    assert TASK.randomization.ranges["foot_friction"] == (0.4, 1.2)


@pytest.mark.parametrize("name", ["default", "hard"])
def test_a_level_differs_in_what_it_says_it_varies_and_in_nothing_else(name: str) -> None:
    params, owners = drawn(ranges(name), 300), owner(EFFECTS, ROBOT)
    differing = params.differing(NOMINAL)
    assert {owners[parameter].name for parameter in differing} == varied(ranges(name))
    for effect in ranges(name).varied:
        assert differing.issuperset(effect.nominal(ROBOT))
    MujocoVecEnv(TASK, 300, seed=0, params=params)  # which checks them


def test_hard_contains_default() -> None:
    for name, narrow in DEFAULT.ranges.items():
        wide = HARD.ranges[name]
        if isinstance(narrow, tuple) and not name.startswith(("push_interval", "slip")):
            assert wide[0] <= narrow[0], name
            assert wide[1] >= narrow[1] or name == "no_load_speed", name


@pytest.mark.parametrize(
    "name",
    [
        "payload",
        "com_offset",
        "motor_strength",
        "kp_scale",
        "kd_scale",
        "foot_friction",
        "encoder_bias",
        "sensor_noise",
        "packet_loss",
    ],
)
def test_values_fill_their_range_evenly(name: str) -> None:
    low, high = HARD.ranges[name]
    values = drawn(ranges(**{name: (low, high)}), 3000)[name].ravel()
    assert low <= values.min() < low + 0.02 * (high - low)
    assert high - 0.02 * (high - low) < values.max() <= high
    assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))  # 5 sigma


def test_ranges_narrowed_lie_evenly_between_nominal_and_full() -> None:
    for given in (NONE, DEFAULT, HARD):
        assert given.narrowed(1.0).ranges == given.ranges
    assert varied(HARD.narrowed(0.0)) == {"friction"}
    fifth = ranges("hard", locked_joint=0.5).narrowed(0.2).ranges
    assert fifth["payload"] == pytest.approx((-0.2, 1.0))
    assert fifth["motor_strength"] == pytest.approx((0.96, 1.04))
    assert fifth["push_impulse"] == pytest.approx((0.0, 2.54))
    assert fifth["push_interval"] == HARD.ranges["push_interval"]
    assert fifth["no_load_speed"] == pytest.approx((100.0, 500.0))  # a fifth of the slope
    assert (fifth["locked_joint"], fifth["slip"]) == pytest.approx((0.1, 0.06))
    delays = [HARD.narrowed(share).ranges["action_delay"] for share in (0.2, 0.3, 0.8)]
    assert delays == [(0, 0), (0, 1), (0, 2)]


# -- pairing -------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(WIDE))
def test_widening_one_range_leaves_the_parameters_of_other_effects_alone(name: str) -> None:
    wider = 1.0 if name in ("locked_joint", "dead_joint") else WIDE[name]
    (of,) = (effect for effect in EFFECTS if name in effect.ranges)
    left, right = drawn(DEFAULT, 20), drawn(ranges("default", **{name: wider}), 20)
    for parameter in set(PARAMETERS) - set(of.nominal(ROBOT)):
        np.testing.assert_array_equal(left[parameter], right[parameter], parameter)


def test_widening_a_range_stretches_the_same_draws() -> None:
    left, right = drawn(ranges(payload=(0.0, 1.0)), 20), drawn(ranges(payload=(0.0, 4.0)), 20)
    np.testing.assert_allclose(right["payload"], 4.0 * left["payload"])
    left, right = (
        drawn(ranges("default", push_impulse=(0.0, size)), 20)["push_impulse"] for size in (2, 6)
    )
    np.testing.assert_allclose(right, 3.0 * left)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.name)
def test_an_effect_takes_as_many_numbers_however_wide_its_ranges_are(effect: Perturbation) -> None:
    wide = {name: WIDE[name] for name in effect.ranges}
    nothing = {name: value or (0.8, 0.8) for name, value in effect.ranges.items() if value != 0.0}
    following = set()
    for given in (wide, effect.narrowed(wide, 0.5), {**effect.ranges, **nothing}):
        rng = np.random.default_rng(3)
        effect.sample(given, rng, ROBOT)
        following.add(rng.random())
    assert len(following) == 1


class Extra(Perturbation):
    """An effect that draws a lot."""

    name = "extra"
    ranges: Ranges = {"extra": (0.0, 0.0)}

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        return {"extra": np.zeros(9)}

    def limits(self, robot: Robot) -> Mapping[str, tuple[float, float]]:
        return {"extra": (0.0, 1.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        return {"extra": rng.uniform(*ranges["extra"], size=9)}


def first_params(effects: tuple[Perturbation, ...], **changes: Any) -> EpisodeParams:
    """Parameters of the first episodes of an environment at the hard level."""
    task = make("quadruped-flat")
    task.perturbations = effects
    hard = level("hard", effects, ROBOT).ranges
    task.randomization = task.ranges({**hard, **changes})
    env = MujocoVecEnv(task, 5, seed=4)
    env.reset()
    return env.params


def test_effects_added_left_out_or_listed_in_another_order_move_no_draws_of_others() -> None:
    expected = first_params(EFFECTS)
    for params in (
        first_params((Extra(), *EFFECTS), extra=(0.0, 1.0)),
        first_params((*EFFECTS, Extra())),
        first_params(EFFECTS[::-1]),
        first_params(EFFECTS[3:9]),
    ):
        for name in params.keys() & expected.keys():
            np.testing.assert_array_equal(params[name], expected[name], name)
    assert first_params((*EFFECTS, Extra()), extra=(0.0, 1.0))["extra"].any()


def test_an_effect_is_drawn_from_the_generator_of_its_name() -> None:
    params = drawn(HARD, 1)
    for effect in HARD.varied:
        own_ranges = {name: HARD.ranges[name] for name in effect.ranges}
        values = effect.sample(own_ranges, generator(0, 0, effect.name), ROBOT)
        for name, value in values.items():
            np.testing.assert_array_equal(params[name][0], value, name)


# -- refusals ------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(WIDE))
def test_a_range_upside_down_or_beyond_physics_is_refused(name: str) -> None:
    if not isinstance(WIDE[name], tuple):
        for value in (1.5, -0.5, float("nan")):
            with pytest.raises(UsageError) as error:
                ranges(**{name: value})
            assert str(error.value) == f"{name} must be a probability in [0, 1], got {value}"
        return
    for bad in ((2.0, 1.5), (-1e9, 1.0), (1.0, np.nan), (1.0, 1.0, 1.0)):
        with pytest.raises(UsageError, match=f"{name} must be an increasing range within"):
            ranges(**{name: bad})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "a randomization must be one of none, default, hard, or ranges by name, got 3"),
        ([], r"or ranges by name, got \[\]"),
        ({"payload": "heavy"}, "payload must be a range of two numbers, got 'heavy'"),
        ({"payload": [0, None]}, "payload must be a range of two numbers, got"),
        ({"payload": None}, "payload must be a range of two numbers, got None"),
        ({"dead_joint": "often"}, "dead_joint must be a number, got 'often'"),
        ({"dead_joint": [0.1, 0.2]}, "dead_joint must be a number, got"),
    ],
)
def test_what_is_no_range_is_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        randomization(given, EFFECTS, ROBOT)


def test_an_unknown_level_or_range_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as error:
        randomization("defualt", EFFECTS, ROBOT)
    assert str(error.value) == (
        "Unknown randomization 'defualt'. Did you mean 'default'? Known: default, hard, none."
    )
    with pytest.raises(UnknownNameError, match=r"Unknown range 'pay_load'. Did you mean 'payload'"):
        randomization({"pay_load": [0, 1]}, EFFECTS, ROBOT)


def test_ranges_of_effects_that_a_task_does_not_have_are_unknown_to_it() -> None:
    task = make("quadruped-flat")
    task.perturbations = (EFFECT["friction"], EFFECT["packet_loss"])
    with pytest.raises(UnknownNameError) as error:
        task.ranges({"payload": [0, 1]})
    assert str(error.value) == "Unknown range 'payload'. Known: foot_friction, packet_loss."
    assert varied(task.ranges("hard")) == {"friction", "packet_loss"}


def test_what_a_robot_lacks_can_not_vary_and_its_task_may_list_it_all_the_same() -> None:
    arm = ArmReach()
    effects = (*arm.perturbations, Pushes())
    assert varied(Randomization(effects, arm.robot, {})) == set()
    with pytest.raises(UsageError) as error:
        Randomization(effects, arm.robot, {"push_impulse": (0.0, 1.0)})
    assert str(error.value) == "push can't vary: the robot has no floating base"


# -- the robot -----------------------------------------------------------------


def test_payloads_and_pushes_of_a_level_scale_with_the_mass_of_the_robot() -> None:
    for name in ("default", "hard"):
        light, twice = ranges(name).ranges, level(name, EFFECTS, heavy()).ranges
        scaled = {"payload", "push_impulse"}
        for key in scaled:
            assert twice[key] == tuple(2.0 * end for end in light[key])
        assert {k: v for k, v in twice.items() if k not in scaled} == {
            k: v for k, v in light.items() if k not in scaled
        }


def test_a_level_of_a_heavy_robot_is_described_by_its_name() -> None:
    robot = heavy()
    assert level("hard", EFFECTS, robot).describe() == "hard"
    assert Randomization(EFFECTS, robot, HARD.ranges).describe() != "hard"


# -- records -------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [NONE, DEFAULT, HARD, ranges(payload=(0.0, 3.0), slip=0.5)],
    ids=[*LEVELS, "some"],
)
def test_ranges_described_in_json_are_the_same_ranges(given: Randomization) -> None:
    text = json.dumps(given.describe(), allow_nan=False)
    assert randomization(json.loads(text), EFFECTS, ROBOT).ranges == given.ranges


def test_ranges_that_are_built_are_taken_as_they_are() -> None:
    assert randomization(HARD, EFFECTS, ROBOT) is HARD
    assert [given.describe() for given in (NONE, DEFAULT, HARD)] == list(LEVELS)


def test_what_does_not_vary_is_left_as_it_was() -> None:
    params = held(1, payload=2.0, foot_friction=0.5)
    ranges(payload=(1.0, 1.0)).draw(lambda name: generator(0, 0, name), params, 0)
    assert (params["payload"][0], params["foot_friction"][0]) == (1.0, 0.5)
    assert nominal(EFFECTS, ROBOT, 1)["foot_friction"] == 0.8
