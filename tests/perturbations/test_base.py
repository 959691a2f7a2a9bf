"""What every effect promises: names, limits, severities, the same episode at every severity."""

from typing import Any

import numpy as np
import pytest
from perturbed import DT, EFFECT, NOMINAL, ROBOT, heavy

from robo_maxent.errors import UsageError
from robo_maxent.perturbations.any_model import BasePush
from robo_maxent.perturbations.base import Axis, Perturbation, Plant, horizontal
from robo_maxent.perturbations.knock import Knock
from robo_maxent.perturbations.params import check, nominal
from robo_maxent.sim.body_scale import mass_scale
from robo_maxent.tasks.four_legs import EFFECTS

PLANT = Plant(ROBOT, DT)
every_effect = pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.name)
AXES = [(effect, axis) for effect in EFFECTS for axis in effect.axes(ROBOT)]
every_axis = pytest.mark.parametrize(("effect", "axis"), AXES, ids=[a.name for _, a in AXES])


def axis(*severities: float) -> Axis:
    return Axis("friction", "Friction", "N", "how it slides", severities)


# -- severities ----------------------------------------------------------------


@pytest.mark.parametrize(
    "severities",
    [(1.0, 3.0, 2.0), (3.0, 1.0, 2.0), (0.0, 0.0), (1.0, 0.5, 0.5), (), (0.0, np.inf), (np.nan,)],
)
def test_severities_that_do_not_go_one_way_are_refused(severities: tuple[float, ...]) -> None:
    with pytest.raises(UsageError) as error:
        axis(*severities)
    assert str(error.value) == (
        f"severities of friction must go one way, from mild to worst, got {list(severities)}"
    )


def test_severities_may_go_up_or_down_or_be_one() -> None:
    for severities in ((1.0, 2.0, 4.0), (1.0, 0.4, 0.1), (0.0,)):
        assert axis(*severities).severities == severities


def test_other_severities_begin_at_nominal_and_get_worse_the_same_way() -> None:
    assert axis(0.0, 1.0).at((0.0, 4.0)).severities == (0.0, 4.0)
    assert axis(1.0, 0.5).at((1.0, 0.9)).severities == (1.0, 0.9)
    assert axis(1.0, 0.5).at((1.0,)).severities == (1.0,)
    for given in ((1.0, 4.0), ()):
        with pytest.raises(UsageError, match=r"must begin with the mildest one, 0 N, got \["):
            axis(0.0, 1.0).at(given)
    with pytest.raises(UsageError, match=r"to worst, which is down, got \[1.0, 1.2\]"):
        axis(1.0, 0.5).at((1.0, 1.2))
    with pytest.raises(UsageError, match=r"to worst, which is up, got \[0.0, -1.0\]"):
        axis(0.0, 1.0).at((0.0, -1.0))


# -- every effect --------------------------------------------------------------


def test_effects_axes_and_ranges_have_names_of_their_own() -> None:
    ranges = [name for effect in EFFECTS for name in effect.ranges]
    for names in ([e.name for e in EFFECTS], [a.name for _, a in AXES], ranges):
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("effect", "values"),
    [
        (EFFECT["push"], {"push_impulse": [[3.0, 4.0, 0.0]] + 3 * [[0.0, 0.0, 0.0]]}),
        (EFFECT["slip"], {"slip_duration": 1.0, "slip_friction": 0.1}),
        (Knock(), {"knock_seconds": 0.001, "knock_impulse": [0.1, 0.0]}),
        (BasePush(), {"base_push": [1.0, 0.0]}),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_what_begins_with_the_episode_begins_at_0(
    effect: Perturbation, values: dict[str, Any]
) -> None:
    """That time is nominal, so that the parameters of an episode do not have it."""
    assert effect.begins(values) == 0.0
    assert effect.begins({}) is None


@every_effect
def test_an_effect_describes_itself_in_a_line_for_people(effect: Perturbation) -> None:
    assert effect.title[0].isupper()
    assert effect.summary
    assert "\n" not in effect.summary
    assert effect.lacking(ROBOT) is None
    assert effect.range_limits(ROBOT).keys() >= {
        name for name, value in effect.ranges.items() if isinstance(value, tuple)
    }
    assert all(ranges.keys() <= effect.ranges.keys() for ranges in effect.levels.values())


@every_axis
def test_an_axis_changes_nothing_at_first_and_ever_the_same_parameters_after(
    effect: Perturbation, axis: Axis
) -> None:
    changed = set()
    for severity in axis.severities:
        params = nominal(EFFECTS, ROBOT, 5)
        for row, case in enumerate((*axis.cases, *["any"] * 5)[:5]):
            rng = np.random.default_rng([7, row])
            params.change(row, effect.at(severity, case, rng, PLANT))
        check(params, EFFECTS, ROBOT, 5)
        changed = params.differing(NOMINAL)
        assert changed <= effect.nominal(ROBOT).keys()
        if severity == axis.severities[0] and axis.name != "friction":  # a dry floor is not its own
            assert not changed
    assert changed == effect.nominal(ROBOT).keys()  # at its worst


@every_axis
def test_directions_and_times_are_the_same_at_every_severity(
    effect: Perturbation, axis: Axis
) -> None:
    case = axis.cases[-1] if axis.cases else "any"
    following = set()
    for severity in axis.severities:
        rng = np.random.default_rng(5)
        effect.at(severity, case, rng, PLANT)
        following.add(rng.random())
    assert len(following) == 1
    if len(axis.severities) == 2:
        return
    mild, bad = (
        effect.at(severity, case, np.random.default_rng(5), PLANT)
        for severity in axis.severities[-2:]
    )
    for name in bad:
        a, b = np.asarray(mild[name], float), np.asarray(bad[name], float)
        if name in ("push_begin", "push_duration", "slip_begin", "slip_duration"):
            np.testing.assert_array_equal(a, b, name)
        elif name in ("push_impulse", "com_offset", "gravity_tilt", "encoder_bias"):
            along = a / np.linalg.norm(a), b / np.linalg.norm(b)
            np.testing.assert_allclose(*along, atol=1e-12, err_msg=name)
        elif name in ("kp_scale", "kd_scale"):
            assert np.sign(a - 1.0) == np.sign(b - 1.0) != 0.0


@every_effect
def test_what_is_combined_grows_from_nominal_in_proportion(effect: Perturbation) -> None:
    none, half, all_of_it = (effect.combined(share, ROBOT) for share in (0.0, 0.5, 1.0))
    if none is None:
        assert half is all_of_it is None
        return
    assert half is not None
    assert all_of_it is not None
    if effect.name != "action_delay":  # in whole steps
        assert half - none == pytest.approx(all_of_it - half)
    assert none != all_of_it
    params = nominal(EFFECTS, ROBOT, 2)
    for row, severity in enumerate((none, all_of_it)):
        params.change(row, effect.at(severity, "any", np.random.default_rng(0), PLANT))
    check(params, EFFECTS, ROBOT, 2)
    assert not params.rows(np.array([0])).differing(NOMINAL)
    assert params.differing(NOMINAL)


def test_the_shares_of_a_suite_are_severities_of_the_axis() -> None:
    for _, axis in AXES:
        for share in axis.suites.values():
            axis.at(share.severities or axis.severities)
            assert set(share.severities or ()) <= set(axis.severities)


# -- the scale of a robot ------------------------------------------------------


def test_the_projects_quadruped_is_the_one_that_masses_are_given_for() -> None:
    assert mass_scale(ROBOT) == 1.0
    assert mass_scale(heavy()) == 2.0


def test_payload_severities_scale_with_the_mass_and_those_of_pushes_do_not() -> None:
    robot = heavy()
    (light,), (twice,) = EFFECT["payload"].axes(ROBOT), EFFECT["payload"].axes(robot)
    assert twice.severities == tuple(2.0 * severity for severity in light.severities)
    assert twice.suites["quick"].severities == (0.0, 6.0, 14.0)
    assert twice.suites["full"] == light.suites["full"]
    assert EFFECT["payload"].combined(1.0, robot) == 6.0
    assert EFFECT["push"].axes(robot) == EFFECT["push"].axes(ROBOT)  # in capture impulses
    for case in ("left", "pair"):
        impulses = [
            EFFECT["push"].at(1.5, case, np.random.default_rng(2), Plant(robot, DT))["push_impulse"]
            for robot in (ROBOT, robot)
        ]
        np.testing.assert_allclose(impulses[1], 2.0 * impulses[0], rtol=1e-9)


def test_a_horizontal_vector_has_the_size_and_the_direction() -> None:
    np.testing.assert_allclose(horizontal(2.0, np.deg2rad(120)), [-1.0, np.sqrt(3.0)])
