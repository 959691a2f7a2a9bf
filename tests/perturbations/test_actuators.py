"""Motors, servos and encoders, against what a DC motor and a stiff joint do."""

import mujoco
import numpy as np
import pytest
from perturbed import ROBOT, A, drawn, environment, held, in_the_air, quadruped, ranges, written

from robo_maxent.errors import UsageError

LIMIT = np.tile([23.7, 23.7, 35.55], 4)  # N·m
KP, KD = np.tile([15.9, 15.9, 35.8], 4), np.tile([1.01, 1.01, 2.28], 4)  # N·m/rad, N·m·s/rad


@pytest.mark.parametrize("seed", range(5))
def test_the_torque_is_that_of_a_servo_on_a_dc_motor(seed: int) -> None:
    n, rng = 50, np.random.default_rng(seed)
    strength, speed = rng.uniform(0.2, 1.5, (n, A)), rng.uniform(5, 40, n)
    speed[:10] = np.inf
    kp, kd, bias = rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, n), rng.uniform(-0.1, 0.1, (n, A))
    params = held(
        n, motor_strength=strength, kp_scale=kp, kd_scale=kd, encoder_bias=bias, no_load_speed=speed
    )
    env = in_the_air(environment(params))
    env.batch.bind("qpos")[:, ROBOT.qpos_adr] = position = ROBOT.home_pose + rng.uniform(
        -0.3, 0.3, (n, A)
    )
    env.batch.bind("qvel")[:, ROBOT.dof_adr] = velocity = rng.normal(0, 8, (n, A))
    env.batch.bind("ctrl")[:] = target = ROBOT.home_pose + rng.normal(0, 1, (n, A))
    actuator, damping = env.batch.bind("qfrc_actuator"), env.batch.bind("qfrc_damper")
    env.batch.forward()

    servo = kp[:, None] * KP * (target - (position + bias)) - kd[:, None] * KD * velocity
    share = velocity / speed[:, None]
    expected = strength * np.clip(servo, LIMIT * (-1 - share), LIMIT * (1 - share))
    torque = (actuator + damping)[:, ROBOT.dof_adr]
    np.testing.assert_allclose(torque, expected, rtol=1e-9, atol=1e-9)
    assert (np.abs(servo) > LIMIT).any()


def test_a_motor_does_not_spin_faster_than_its_no_load_speed() -> None:
    env = in_the_air(environment(held(2, no_load_speed=[6.0, np.inf])))
    env.batch.bind("qpos")[:, ROBOT.qpos_adr] = ROBOT.home_pose
    env.batch.bind("qpos")[:, ROBOT.qpos_adr[1::3]] = 0.0
    action = np.zeros((2, A))
    action[:, 1::3] = 1.0
    env.batch.expand("actuator_gainprm")[:, 1::3, 0] *= 20.0  # always at its limit
    env.batch.expand("actuator_biasprm")[:, 1::3, 1] *= 20.0
    fastest = np.zeros(2)
    for _ in range(10):
        env.step(action)
        fastest = np.maximum(fastest, env.state.joint_velocity[:, 1::3].max(axis=1))
    assert 5.0 < fastest[0] < 6.05
    assert fastest[1] > 12.0


def test_a_locked_joint_stays_where_it_is_whatever_happens() -> None:
    n, rng = 16, np.random.default_rng(0)
    locked = rng.random((n, A)) < 0.3
    params = held(n, locked_joint=locked, payload=10.0, foot_friction=1.5, no_load_speed=20.0)
    env = environment(params)
    moved, steps = 0.0, 0
    running = np.ones(n, bool)
    for _ in range(150):
        step = env.step(rng.choice([-1.0, 1.0], (n, A)))
        assert not step.diverged.any()
        running &= ~(step.terminated | step.truncated)
        steps += int(running.sum())
        error = np.abs(env.state.joint_position - ROBOT.home_pose)[running[:, None] & locked]
        moved = max([moved, *error])
    assert steps > 300
    assert moved < 0.01


def test_a_locked_joint_holds_the_strongest_motor() -> None:
    env = in_the_air(environment(held(1, locked_joint=True)))
    env.batch.bind("qfrc_applied")[:, ROBOT.dof_adr] = LIMIT
    moved = 0.0
    for _ in range(40):
        env.step(np.zeros((1, A)))
        moved = max(moved, np.abs(env.state.joint_position - ROBOT.home_pose).max())
    assert 0.002 < moved < 0.005


def test_a_dead_joint_gives_no_torque_and_the_others_do() -> None:
    dead = np.arange(A) % 2 == 0
    env = environment(held(1, dead_joint=dead, no_load_speed=20.0))
    torque, damper = env.batch.bind("qfrc_actuator"), env.batch.bind("qfrc_damper")
    for _ in range(10):
        env.step(np.ones((1, A)))
        assert not torque[0, ROBOT.dof_adr][dead].any()
        assert not damper[0, ROBOT.dof_adr][dead].any()
        assert torque[0, ROBOT.dof_adr][~dead].all()


def test_the_encoder_bias_shifts_what_the_policy_sees_and_what_the_servo_holds() -> None:
    bias = np.linspace(-0.05, 0.05, A)
    env = environment(held(2, encoder_bias=[bias, np.zeros(A)]))
    seen = env.reset()[:, 12:24]  # joint positions from standing
    start = env.state.joint_position - ROBOT.home_pose
    np.testing.assert_allclose(seen - start, [bias, np.zeros(A)], atol=1e-6)
    in_the_air(env)
    env.batch.bind("qpos")[:, ROBOT.qpos_adr] = ROBOT.home_pose
    for _ in range(39):  # in free fall the joints are at rest where the servo reads its target
        env.step(np.zeros((2, A)))
    step = env.step(np.zeros((2, A)))
    np.testing.assert_allclose(env.state.joint_position[0], ROBOT.home_pose - bias, atol=2e-3)
    np.testing.assert_allclose(step.next_obs[0, 12:24], 0.0, atol=2e-3)


def motor(spec: mujoco.MjSpec) -> None:
    """One actuator gives the torque that it is told."""
    spec.actuator("FL_calf").set_to_motor()


def lopsided(spec: mujoco.MjSpec) -> None:
    """One actuator is stronger one way than the other."""
    spec.actuator("FL_calf").forcerange = [-30, 35]


@pytest.mark.parametrize(
    "name", ["gains", "motor_strength", "dead_joint", "locked_joint", "encoder_bias"]
)
def test_what_is_done_to_servos_is_refused_of_motors_that_are_none(name: str) -> None:
    robot = quadruped(motor)
    effects = written(robot, held(1, payload=1.0))
    assert effects.realized(0)["total_mass"] == pytest.approx(robot.mass + 1.0)
    with pytest.raises(UsageError) as error:
        written(robot, held(1), name)
    assert str(error.value) == (
        f"{name} can't act: the robot has actuators that are no position servos: FL_calf"
    )


def test_torque_falling_with_speed_needs_a_limit_to_fall_from() -> None:
    with pytest.raises(UsageError) as error:
        written(quadruped(lopsided), held(1, no_load_speed=20.0))
    assert str(error.value) == (
        "no_load_speed can't act: the robot has actuators without a forcerange that is the same "
        "both ways"
    )


@pytest.mark.parametrize("name", ["dead_joint", "locked_joint"])
def test_at_most_one_joint_breaks_with_the_stated_probability(name: str) -> None:
    broken = drawn(ranges(**{name: 0.4}), 2000)[name]
    assert broken.sum(axis=1).max() == 1
    assert broken.any(axis=1).mean() == pytest.approx(0.4, abs=0.055)  # 5 sigma
    assert broken.any(axis=0).all()


def test_the_inverse_of_a_no_load_speed_fills_its_range_evenly() -> None:
    speeds = drawn(ranges(no_load_speed=(20.0, 100.0)), 3000)["no_load_speed"]
    assert 20.0 <= speeds.min() < 20.2
    assert 95.0 < speeds.max() <= 100.0
    assert (1.0 / speeds).mean() == pytest.approx((1 / 20 + 1 / 100) / 2, rel=0.04)  # 5 sigma


def test_an_episode_begins_with_a_locked_joint_where_it_is_stuck_and_the_others_anywhere() -> None:
    locked = np.arange(A) % 3 == 1
    away = environment(held(4, locked_joint=locked)).state.joint_position - ROBOT.home_pose
    assert not away[:, locked].any()
    assert away[:, ~locked].all()


def test_torque_limits_are_those_of_the_motors_as_they_are_now() -> None:
    strength = np.linspace(0.5, 1.5, A)
    params = held(3, motor_strength=[np.ones(A), strength, np.ones(A)])
    params["dead_joint"][2, 5] = True
    expected = LIMIT * np.stack([np.ones(A), strength, np.arange(A) != 5])
    np.testing.assert_allclose(written(ROBOT, params).torque_limits(), expected)
    nothing_acts = written(ROBOT, held(2)).torque_limits()
    np.testing.assert_array_equal(nothing_acts, np.tile(LIMIT, (2, 1)))
