"""Parameters of episodes: what is allowed, what differs, what is recorded and comes back."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from perturbed import EFFECT, NOMINAL, PARAMETERS, ROBOT, TASK, A, drawn, heavy, held, ranges

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.base import Perturbation, Plant
from robo_maxent.perturbations.friction import FootFriction
from robo_maxent.perturbations.mass import Payload
from robo_maxent.perturbations.params import (
    EpisodeParams,
    check,
    from_records,
    nominal,
    owner,
    require_distinct,
)
from robo_maxent.sim.robot import Robot
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import EFFECTS
from robo_maxent.tasks.quadruped import QuadrupedFlat


def changed(n: int, **values: Any) -> EpisodeParams:
    """Nominal parameters with some arrays replaced by others."""
    return EpisodeParams({**nominal(EFFECTS, ROBOT, n), **values})


# -- what there is -------------------------------------------------------------


def test_every_parameter_belongs_to_one_effect_and_has_limits_that_hold_its_nominal_value() -> None:
    named = [name for effect in EFFECTS for name in effect.nominal(ROBOT)]
    assert len(named) == len(set(named))
    assert set(named) == set(PARAMETERS)
    for effect in EFFECTS:
        assert effect.limits(ROBOT).keys() == effect.nominal(ROBOT).keys()
    check(NOMINAL, EFFECTS, ROBOT, 1)


def test_a_parameter_is_owned_by_the_effect_that_says_what_is_nominal() -> None:
    owners = owner(EFFECTS, ROBOT)
    assert owners["kd_scale"] is owners["kp_scale"] is EFFECT["gains"]
    assert owners["push_begin"] is EFFECT["push"]
    assert owners.keys() == set(PARAMETERS)


def test_nominal_is_the_robot_as_it_was_compiled() -> None:
    params = nominal(EFFECTS, ROBOT, 3)
    assert {len(values) for values in params.values()} == {3}
    assert params["foot_friction"].tolist() == params["slip_friction"].tolist() == [0.8] * 3
    assert params["motor_strength"].tolist() == [[1.0] * A] * 3
    assert params["dead_joint"].dtype == params["locked_joint"].dtype == bool
    assert params["action_delay"].dtype == np.int64
    assert np.isinf(params["no_load_speed"]).all()
    params["payload"][0] = 1.0
    assert nominal(EFFECTS, ROBOT, 1)["payload"] == 0.0


# -- what differs --------------------------------------------------------------


def test_what_differs_in_any_episode_differs_and_nothing_else() -> None:
    params = held(3)
    assert not params.differing(NOMINAL)
    params["com_offset"][2, 1] = 0.01
    params["slip_begin"][0] = 1.0
    assert params.differing(NOMINAL) == {"com_offset", "slip_begin"}


def test_rows_are_copies_in_the_order_asked_for() -> None:
    params = held(3, payload=[1.0, 2.0, 3.0])
    some = params.rows(np.array([2, 0]))
    assert some["payload"].tolist() == [3.0, 1.0]
    some["payload"][:] = 9.0
    assert params["payload"].tolist() == [1.0, 2.0, 3.0]


def test_joined_sets_are_the_episodes_of_one_after_those_of_the_other() -> None:
    whole = EpisodeParams.join([held(2, payload=[1.0, 2.0]), held(1, payload=3.0)])
    assert whole["payload"].tolist() == [1.0, 2.0, 3.0]
    assert whole["push_impulse"].shape == (3, *NOMINAL["push_impulse"].shape[1:])


def test_filled_and_copied_rows_leave_the_others_alone() -> None:
    params, source = held(3, payload=5.0), held(3, payload=[1.0, 2.0, 3.0])
    params.copy_rows(source, np.array([0, 2]))
    assert params["payload"].tolist() == [1.0, 5.0, 3.0]
    params.fill(np.array([0]), NOMINAL)
    assert params["payload"].tolist() == [0.0, 5.0, 3.0]


# -- refusals ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("payload", np.zeros(3), r"payload must have shape \(2,\), got \(3,\)"),
        ("foot_friction", np.array([0.5, 0.0]), r"foot_friction must be within \[0.01, 5\], got 0"),
        ("packet_loss", np.array([0.0, np.nan]), r"packet_loss must be within \[0, 1\], got nan"),
        ("action_delay", np.array([0, 4]), r"action_delay must be within \[0, 3\], got 4"),
        ("action_delay", np.array([0, 0.5]), "action_delay must be whole numbers"),
        ("dead_joint", np.full((2, A), 0.5), "dead_joint must be true or false"),
    ],
)
def test_a_parameter_out_of_shape_or_out_of_limits_is_refused(
    name: str, value: np.ndarray, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check(changed(2, **{name: value}), EFFECTS, ROBOT, 2)


def test_a_parameter_that_is_missing_or_of_no_effect_is_refused() -> None:
    known = dict(held(2))
    with pytest.raises(UnknownNameError, match=r"Unknown parameter of an effect 'pay_load'"):
        check({**known, "pay_load": np.zeros(2)}, EFFECTS, ROBOT, 2)
    del known["payload"]
    with pytest.raises(UsageError, match="payload is missing"):
        check(known, EFFECTS, ROBOT, 2)


def test_limits_are_those_of_the_robot() -> None:
    given = changed(1, payload=np.array([35.0]))
    check(given, EFFECTS, heavy(), 1)
    with pytest.raises(UsageError, match=r"payload must be within \[-2, 20\], got 35"):
        check(given, EFFECTS, ROBOT, 1)


def test_an_environment_refuses_parameters_of_effects_that_its_task_does_not_have() -> None:
    task = make("quadruped-flat")
    task.perturbations = (EFFECT["friction"], EFFECT["packet_loss"])
    task.randomization = task.ranges("none")
    some = nominal(task.perturbations, ROBOT, 1)
    some["packet_loss"][:] = 0.5
    MujocoVecEnv(task, 1, seed=0, params=some)
    with pytest.raises(UnknownNameError) as error:
        MujocoVecEnv(task, 1, seed=0, params=held(1, payload=1.0))
    assert str(error.value).endswith("Known: foot_friction, packet_loss.")


def test_an_environment_refuses_parameters_of_another_number_of_episodes() -> None:
    with pytest.raises(UsageError, match=r"foot_friction must have shape \(3,\), got \(2,\)"):
        MujocoVecEnv(TASK, 3, seed=0, params=held(2))


# -- records -------------------------------------------------------------------


@pytest.mark.parametrize("level", ["none", "default", "hard"])
def test_a_record_goes_through_json_and_gives_the_same_episode(level: str) -> None:
    params = drawn(ranges(level), 5)
    records = [json.loads(json.dumps(params.record(NOMINAL, sim))) for sim in range(5)]
    again = from_records(records, EFFECTS, ROBOT)
    for name in PARAMETERS:
        assert params[name].dtype == again[name].dtype
        np.testing.assert_array_equal(params[name], again[name], name)


def test_a_record_holds_what_is_not_nominal_and_nothing_else() -> None:
    params = held(2, payload=[0.0, 3.0], encoder_bias=0.0)
    params["dead_joint"][1, 7] = True
    assert params.record(NOMINAL, 0) == {}
    assert params.record(NOMINAL, 1) == {
        "payload": 3.0,
        "dead_joint": [False] * 7 + [True] + [False] * 4,
    }


def test_an_unknown_parameter_in_a_record_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"'packet_los'. Did you mean 'packet_loss'\? Known: a"
    ):
        from_records([{"packet_los": 0.5}], EFFECTS, ROBOT)


class SecondFriction(FootFriction):
    """Another effect, of the same parameter and axis."""

    name = "second_friction"


class BothFrictions(QuadrupedFlat):
    perturbations = (FootFriction(), SecondFriction())


def test_two_effects_that_claim_the_same_are_refused() -> None:
    with pytest.raises(UsageError, match="Payload and Payload have the same name, 'payload'"):
        require_distinct((*EFFECTS, Payload()), ROBOT)
    with pytest.raises(UsageError, match="and SecondFriction have the same parameter, 'foot_fri"):
        BothFrictions()


class Half(Perturbation):
    """An effect that was not finished."""

    name = title = summary = "half"
    severities = (0.0, 1.0)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        return {"half": np.array(0.0)}


def test_an_effect_says_which_method_it_lacks() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NotImplementedError, match=r"Half has ranges, so it has to define sample"):
        Half().sample({}, rng, ROBOT)
    with pytest.raises(NotImplementedError, match=r"Half has an axis, so it has to define at\(\)"):
        Half().at(1.0, "", rng, Plant(ROBOT, 0.02))
