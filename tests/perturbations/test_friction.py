"""Friction of the feet: what acts on a sliding robot, and what a slip does to it."""

import mujoco
import numpy as np
import pytest
from perturbed import (
    DT,
    EFFECT,
    ROBOT,
    A,
    batch_of,
    drawn,
    environment,
    held,
    quadruped,
    ranges,
    realized,
    stiff_and_standing,
    written,
)

from robo_maxent.perturbations.base import Plant


@pytest.mark.parametrize("friction", [0.05, 0.1, 0.2])  # at more, a foot sticks while others slide
def test_a_sliding_robot_is_slowed_by_friction_times_its_load(friction: float) -> None:
    env = environment(held(2, locked_joint=True, foot_friction=friction))
    env.batch.bind("qpos")[:, 3:7] = [np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]
    env = stiff_and_standing(env)
    env.batch.bind("qvel")[:, 0] = 2.0  # along x, where the friction pyramid is full
    force = env.batch.bind("qfrc_constraint")  # of the contacts, in the world frame
    loaded_steps = 0
    for _ in range(8):
        env.step(np.zeros((2, A)))
        env.batch.forward()
        down = force[:, 2] > 1.0  # a stiff robot hops
        np.testing.assert_allclose(-force[down, 0], friction * force[down, 2], rtol=1e-6)
        loaded_steps += int(down.sum())
    assert loaded_steps >= 6
    np.testing.assert_array_equal(realized(env, "foot_friction"), friction)


@pytest.mark.parametrize(
    ("ground", "priority", "expected"),
    [(1.1, 0, 0.4), (1.1, 1, 1.1), (0.2, 1, 0.4), (0.2, 2, 0.2)],
)
def test_the_friction_that_acts_follows_the_rule_for_contacts(
    ground: float, priority: int, expected: float
) -> None:
    def change(spec: mujoco.MjSpec) -> None:
        spec.geom("ground").friction[0], spec.geom("ground").priority = ground, priority

    robot = quadruped(change)
    effects = written(robot, held(2, foot_friction=0.4))
    for sim in range(2):
        assert effects.realized(sim)["foot_friction"] == expected
    feet = batch_of(effects).expand("geom_friction")[:, robot.foot_geoms, 0]
    np.testing.assert_array_equal(feet, 0.4)


def test_a_slip_lowers_the_friction_from_its_beginning_to_its_end() -> None:
    env = environment(held(2, slip_begin=0.1, slip_duration=[0.2, 0.0], slip_friction=0.06))
    friction, seen = env.batch.expand("geom_friction"), []
    for _ in range(20):
        env.step(np.zeros((2, A)))
        seen.append(friction[:, ROBOT.foot_geoms[1], 0].copy())
    expected = np.full((20, 2), 0.8)
    expected[5:15, 0] = 0.06
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(realized(env, "lowest_foot_friction"), [0.06, 0.8])
    np.testing.assert_array_equal(realized(env, "foot_friction"), 0.8)


def test_a_slip_ends_with_the_friction_of_its_episode() -> None:
    params = held(1, foot_friction=0.5, slip_begin=0.1, slip_duration=0.1, slip_friction=0.06)
    env = environment(params)
    friction, seen = env.batch.expand("geom_friction"), []
    for _ in range(12):
        env.step(np.zeros((1, A)))
        seen.append(friction[0, ROBOT.foot_geoms[0], 0])
    assert seen == [0.5] * 5 + [0.06] * 5 + [0.5] * 2


def test_a_new_episode_does_not_slip_on() -> None:
    env = environment(held(1, slip_begin=0.04, slip_duration=10.0, slip_friction=0.06))
    friction = env.batch.expand("geom_friction")[0, ROBOT.foot_geoms, 0]
    assert (friction == 0.8).all()
    for _ in range(5):
        env.step(np.zeros((1, A)))
    assert (env.batch.expand("geom_friction")[0, ROBOT.foot_geoms, 0] == 0.06).all()
    env.restart(np.array([0]))
    expected = env.params["foot_friction"][0]
    for _ in range(5):
        env.step(np.zeros((1, A)))
        np.testing.assert_array_equal(
            env.batch.expand("geom_friction")[0, ROBOT.foot_geoms, 0], expected
        )
    assert realized(env, "lowest_foot_friction") == expected


def test_a_slip_happens_with_the_stated_probability() -> None:
    durations = drawn(ranges(slip=0.3), 2000)["slip_duration"]
    assert (durations > 0).mean() == pytest.approx(0.3, abs=0.055)  # 5 sigma


def test_ground_that_is_no_more_slippery_than_the_feet_is_no_slip() -> None:
    plant, slip = Plant(ROBOT, DT), EFFECT["slip"]
    for severity in (0.8, 1.5):
        assert slip.at(severity, "any", np.random.default_rng(0), plant) == {}
    values = slip.at(0.3, "any", np.random.default_rng(0), plant)
    assert (values["slip_friction"], values["slip_duration"]) == (0.3, 1.0)
