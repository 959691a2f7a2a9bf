"""Draws in the model: each against what physics or an independent model says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from robo_maxent.assets import path as asset
from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.errors import RobotError, UsageError
from robo_maxent.perturbations.applier import PAYLOAD_AT, PAYLOAD_BOX, Applier, loaded, tilted
from robo_maxent.perturbations.params import NAMES, Draw, copy_rows, nominal
from robo_maxent.perturbations.ranges import HARD, draw
from robo_maxent.sim.physics import Batch
from robo_maxent.sim.robot import Robot, load
from robo_maxent.tasks import make, quadruped

TASK = make("quadruped-flat")
ROBOT = TASK.robot
A = TASK.action_size
TRUNK = 5.204  # kg
TOTAL = 12.743448  # kg


def held(n: int, **values: Any) -> Draw:
    """Nominal draws, but for some fields held at a value."""
    draws = nominal(ROBOT, n)
    for name, value in values.items():
        getattr(draws, name)[:] = value
    return draws


def environment(draws: Draw, **values: Any) -> VecEnv[Any]:
    """The first episodes of these draws, begun."""
    draws = replace(draws, **values)
    env = VecEnv(TASK, len(draws.payload), seed=0, draws=draws)
    env.reset()
    return env


def in_the_air(env: VecEnv[Any]) -> VecEnv[Any]:
    """At rest at a height of 10 m, facing along x."""
    env.batch.bind("qpos")[:, :7] = [0, 0, 10, 1, 0, 0, 0]
    env.batch.bind("qvel")[:] = 0.0
    return env


def stiff_and_standing(env: VecEnv[Any]) -> VecEnv[Any]:
    """Every joint is locked: let it come to rest."""
    for _ in range(150):
        assert not env.step(np.zeros((env.n, A))).episodes
    assert np.abs(env.batch.bind("qvel")).max() < 1e-3
    env.batch.forward()
    return env


# -- nominal -------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_a_field_at_its_nominal_value_changes_not_one_bit(name: str) -> None:
    extreme = nominal(ROBOT, 2)
    for sim in range(2):
        draw(HARD, nominal(ROBOT, 1), np.random.default_rng(5), extreme, sim)
    extreme.locked_joint[1, 3] = extreme.dead_joint[1, 7] = True
    extreme.slip_duration[1] = extreme.packet_loss[1] = extreme.sensor_noise[1] = 0.5
    extreme.slip_begin[1] = extreme.push_begin[1, 0] = 0.3
    extreme.action_delay[1] = 2
    draws = nominal(ROBOT, 2)
    for field in NAMES if name == "all" else [name]:
        getattr(draws, field)[1] = getattr(extreme, field)[1]
    off, on = environment(nominal(ROBOT, 2)), environment(draws)
    rng, differs = np.random.default_rng(0), False
    for _ in range(100):
        action = rng.uniform(-1, 1, (2, A)).astype(np.float32)
        left, right = off.step(action), on.step(action)
        assert off.batch.state[0].tobytes() == on.batch.state[0].tobytes()
        assert left.next_obs[0].tobytes() == right.next_obs[0].tobytes()
        assert left.reward[0] == right.reward[0]
        differs |= not np.array_equal(left.next_obs[1], right.next_obs[1])
    if name not in ("push_begin", "push_duration", "slip_begin", "slip_friction", "slip_duration"):
        assert differs  # those five say nothing alone: no impulse, no duration, no other friction


def test_values_are_applied_from_the_compiled_ones_however_often() -> None:
    batch = Batch(ROBOT.model, 3, 1)
    applier, ids = Applier(ROBOT, batch), np.arange(3)
    applier.require(NAMES)
    draws = held(3, payload=2.0, kp_scale=1.5, com_offset=0.02, gravity_tilt=0.1, no_load_speed=9.0)
    draws.locked_joint[:, 4] = True
    names = ("body_mass", "body_inertia", "body_iquat", "actuator_gainprm", "actuator_biasprm")
    names += (
        "dof_damping",
        "dof_armature",
        "jnt_stiffness",
        "opt.gravity",
        "body_invweight0",
        "actuator_acc0",
    )
    applier(draws, ids)
    first = {name: batch.expand(name).copy() for name in names}
    for _ in range(3):
        applier(draws, ids)
    for name in names:
        np.testing.assert_array_equal(batch.expand(name), first[name], name)
    copy_rows(nominal(ROBOT, 3), draws, ids)
    applier(draws, ids)
    for name in names:
        owner: Any = ROBOT.model.opt if name.startswith("opt.") else ROBOT.model
        compiled = getattr(owner, name.removeprefix("opt."))
        np.testing.assert_array_equal(batch.expand(name)[1], compiled, name)


# -- friction ------------------------------------------------------------------


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
    np.testing.assert_array_equal(env._acting.realized.foot_friction, friction)


def test_the_friction_that_acts_follows_the_rule_for_contacts() -> None:
    spec = mujoco.MjSpec.from_file(str(asset("quadruped.xml")))
    for ground, priority, expected in ((1.1, 0, 0.4), (1.1, 1, 1.1), (0.2, 1, 0.4), (0.2, 2, 0.2)):
        spec.geom("ground").friction[0], spec.geom("ground").priority = ground, priority
        robot = Robot(spec.compile(), quadruped.LEGS)
        applier = Applier(robot, Batch(robot.model, 2, 1))
        applier.set_friction(np.arange(2), np.array([0.4, 0.4]))
        np.testing.assert_array_equal(applier.acting_friction(np.arange(2)), expected)


# -- mass ----------------------------------------------------------------------


@pytest.mark.parametrize("payload", [-1.0, 0.0, 3.0])
def test_a_standing_robot_presses_on_the_ground_with_its_weight(payload: float) -> None:
    env = stiff_and_standing(environment(held(2, locked_joint=True, payload=[payload, 0.0])))
    weight = (TOTAL + np.array([payload, 0.0])) * 9.81
    np.testing.assert_allclose(env.now.foot_touch.sum(axis=1), weight, rtol=1e-4)
    np.testing.assert_allclose(env._acting.realized.total_mass, [TOTAL + payload, TOTAL])


def test_a_shifted_centre_of_mass_shifts_the_load_between_the_feet() -> None:
    env = stiff_and_standing(
        environment(held(3, locked_joint=True, com_offset=[[0, 0, 0], [0.06, 0, 0], [0, -0.04, 0]]))
    )
    load = env.now.foot_touch[..., None] / env.now.foot_touch.sum(axis=1)[:, None, None]
    w, _, _, z = env.now.base_orientation.T
    yaw = 2 * np.arctan2(z, w)
    pressure = (load * (env.now.foot_position - env.now.base_position[:, None])).sum(axis=1)
    forward = np.cos(yaw) * pressure[:, 0] + np.sin(yaw) * pressure[:, 1]
    left = np.cos(yaw) * pressure[:, 1] - np.sin(yaw) * pressure[:, 0]
    share = TRUNK / TOTAL  # of the shift, on level ground
    assert forward[1] - forward[0] == pytest.approx(0.06 * share, rel=0.05)
    assert left[2] - left[0] == pytest.approx(-0.04 * share, rel=0.05)


def with_box(spec: mujoco.MjSpec, payload: float, offset: np.ndarray) -> mujoco.MjModel:
    """The same robot from the compiler: a box welded on the back, the trunk's centre moved."""
    trunk = spec.body("trunk")
    trunk.ipos = trunk.ipos + offset
    box = trunk.add_body(pos=PAYLOAD_AT)
    kind = mujoco.mjtGeom.mjGEOM_BOX
    box.add_geom(type=kind, size=PAYLOAD_BOX / 2, mass=payload, contype=0, conaffinity=0)
    return spec.compile()


@pytest.mark.parametrize("plain", [False, True], ids=["quadruped", "centred trunk"])
def test_mass_matrix_and_weight_are_those_of_a_compiled_robot_with_a_box(
    plain: bool, tmp_path: Path
) -> None:
    text = asset("quadruped.xml").read_text()
    if plain:  # its inertia is aligned with its body, for which MuJoCo has a shortcut
        start = text.index('<inertial pos="0.0223')
        own = '<inertial pos="0 0 0" mass="5.204" diaginertia="0.0168 0.063 0.0716"/>'
        text = text[:start] + own + text[text.index("/>", start) + 2 :]
    file = tmp_path / "robot.xml"
    file.write_text(text)
    robot = Robot(load(file), quadruped.LEGS)
    offset = np.array([0.03, -0.02, 0.01])
    oracle = with_box(mujoco.MjSpec.from_file(str(file)), 3.0, offset)

    batch = Batch(robot.model, 1, 1)
    applier = Applier(robot, batch)
    applier.require({"payload", "com_offset"})
    draws = nominal(robot, 1)
    draws.payload[:], draws.com_offset[:] = 3.0, offset
    applier(draws, np.arange(1))
    rng = np.random.default_rng(0)
    found = []
    for model in (batch.get_model(0), oracle):
        data, rng = mujoco.MjData(model), np.random.default_rng(0)
        data.qpos[:] = rng.normal(size=model.nq)
        data.qvel[:] = rng.normal(size=model.nv)
        mujoco.mj_forward(model, data)
        matrix = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, matrix)
        found.append((matrix, data.qfrc_bias, model.dof_invweight0))
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_a_lighter_trunk_keeps_its_shape() -> None:
    centre, inertia, axes = (
        np.array([0.02, 0, 0]),
        np.array([1.0, 2, 2.5]),
        np.array([1.0, 0, 0, 0]),
    )
    mass, at, moments, turned = loaded(5.0, centre, inertia, axes, -1.0)
    assert mass == 4.0
    np.testing.assert_allclose(moments, 0.8 * inertia)
    assert at is centre
    assert turned is axes


def test_a_payload_that_leaves_no_trunk_is_refused() -> None:
    with pytest.raises(UsageError, match=r"payload must be within \[-2, 20\], got -6"):
        VecEnv(TASK, 1, seed=0, draws=held(1, payload=-6.0))


# -- motors --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_torque_is_that_of_a_servo_on_a_dc_motor(seed: int) -> None:
    n, rng = 50, np.random.default_rng(seed)
    strength, speed = rng.uniform(0.2, 1.5, (n, A)), rng.uniform(5, 40, n)
    speed[:10] = np.inf
    kp, kd, bias = rng.uniform(0.5, 2, n), rng.uniform(0.5, 2, n), rng.uniform(-0.1, 0.1, (n, A))
    draws = held(n, motor_strength=strength, kp_scale=kp, kd_scale=kd, encoder_bias=bias)
    env = in_the_air(environment(draws, no_load_speed=speed))
    env.batch.bind("qpos")[:, 7:] = position = ROBOT.stand_pose + rng.uniform(-0.3, 0.3, (n, A))
    env.batch.bind("qvel")[:, 6:] = velocity = rng.normal(0, 8, (n, A))
    env.batch.bind("ctrl")[:] = target = ROBOT.stand_pose + rng.normal(0, 1, (n, A))
    actuator, damping = env.batch.bind("qfrc_actuator"), env.batch.bind("qfrc_damper")
    env.batch.forward()

    limit = np.tile([23.7, 23.7, 35.55], 4)
    gains = np.tile([15.9, 15.9, 35.8], 4), np.tile([1.01, 1.01, 2.28], 4)
    servo = (
        kp[:, None] * gains[0] * (target - (position + bias)) - kd[:, None] * gains[1] * velocity
    )
    share = velocity / speed[:, None]
    expected = strength * np.clip(servo, limit * (-1 - share), limit * (1 - share))
    np.testing.assert_allclose((actuator + damping)[:, 6:], expected, rtol=1e-9, atol=1e-9)
    assert (np.abs(servo) > limit).any()


def test_a_motor_does_not_spin_faster_than_its_no_load_speed() -> None:
    env = in_the_air(environment(held(2, no_load_speed=[6.0, np.inf])))
    env.batch.bind("qpos")[:, 7:] = ROBOT.stand_pose
    env.batch.bind("qpos")[:, 8::3] = 0.0
    action = np.zeros((2, A))
    action[:, 1::3] = 1.0
    env.batch.expand("actuator_gainprm")[:, 1::3, 0] *= 20.0  # always at its limit
    env.batch.expand("actuator_biasprm")[:, 1::3, 1] *= 20.0
    fastest = np.zeros(2)
    for _ in range(10):
        env.step(action)
        fastest = np.maximum(fastest, env.now.joint_velocity[:, 1::3].max(axis=1))
    assert 5.0 < fastest[0] < 6.05
    assert fastest[1] > 12.0


def test_a_locked_joint_stays_where_it_is_whatever_happens() -> None:
    n, rng = 16, np.random.default_rng(0)
    locked = rng.random((n, A)) < 0.3
    draws = held(n, locked_joint=locked, payload=10.0, foot_friction=1.5)
    env = environment(draws, no_load_speed=np.full(n, 20.0))
    moved, steps = 0.0, 0
    running = np.ones(n, bool)
    for _ in range(150):
        step = env.step(rng.choice([-1.0, 1.0], (n, A)))
        assert not step.diverged.any()
        running &= ~(step.terminated | step.truncated)
        steps += int(running.sum())
        error = np.abs(env.now.joint_position - ROBOT.stand_pose)[running[:, None] & locked]
        moved = max([moved, *error])
    assert steps > 300
    assert moved < 0.01


def test_a_locked_joint_holds_the_strongest_motor() -> None:
    env = in_the_air(environment(held(1, locked_joint=True)))
    env.batch.bind("qfrc_applied")[:, 6:] = np.tile([23.7, 23.7, 35.55], 4)
    moved = 0.0
    for _ in range(40):
        env.step(np.zeros((1, A)))
        moved = max(moved, np.abs(env.now.joint_position - ROBOT.stand_pose).max())
    assert 0.002 < moved < 0.005


def test_a_dead_joint_gives_no_torque_and_the_others_do() -> None:
    dead = np.arange(A) % 2 == 0
    env = environment(held(1, dead_joint=dead, no_load_speed=20.0))
    torque, damper = env.batch.bind("qfrc_actuator"), env.batch.bind("qfrc_damper")
    for _ in range(10):
        env.step(np.ones((1, A)))
        assert not torque[0, 6:][dead].any()
        assert not damper[0, 6:][dead].any()
        assert torque[0, 6:][~dead].all()


def test_motors_that_are_no_position_servos_are_refused() -> None:
    spec = mujoco.MjSpec.from_file(str(asset("quadruped.xml")))
    spec.actuator("FL_calf").set_to_motor()
    robot = Robot(spec.compile(), quadruped.LEGS)
    applier = Applier(robot, Batch(robot.model, 1, 1))
    applier.require({"payload"})
    with pytest.raises(RobotError, match="Only position actuators can be changed, not FL_calf"):
        applier.require({"kp_scale"})


def test_torque_falling_with_speed_needs_a_limit_to_fall_from() -> None:
    spec = mujoco.MjSpec.from_file(str(asset("quadruped.xml")))
    spec.actuator("FL_calf").forcerange = [-30, 35]
    robot = Robot(spec.compile(), quadruped.LEGS)
    applier = Applier(robot, Batch(robot.model, 1, 1))
    with pytest.raises(RobotError, match="no_load_speed needs actuators with a forcerange"):
        applier.require({"no_load_speed"})


# -- gravity -------------------------------------------------------------------


def test_gravity_is_turned_as_by_a_rotation_vector() -> None:
    rng = np.random.default_rng(0)
    tilt, gravity = rng.uniform(-1, 1, (50, 2)), np.array([0.3, -0.2, -9.81])
    vectors = np.concatenate([tilt, np.zeros((50, 1))], axis=1)
    expected = Rotation.from_rotvec(vectors).apply(gravity)
    np.testing.assert_allclose(tilted(gravity, tilt), expected, atol=1e-12)


def test_tilted_gravity_accelerates_sideways_and_the_robot_senses_it() -> None:
    tilt = np.array([[0.0, 0.0], [0.0, 0.2], [0.1, -0.3]])
    env = in_the_air(environment(held(3, gravity_tilt=tilt)))
    turned = Rotation.from_euler("xyz", [[0.2, -0.1, 1.0], [0.5, 0.3, 2.0], [0.0, 0.4, -1.0]])
    env.batch.bind("qpos")[:, 3:7] = turned.as_quat(scalar_first=True)
    acceleration = env.batch.bind("qacc")
    env.batch.forward()
    gravity = tilted(np.array([0, 0, -9.81]), tilt)
    np.testing.assert_allclose(gravity[1], [-9.81 * np.sin(0.2), 0, -9.81 * np.cos(0.2)])
    # Joints at rest in free fall: only the motors, which act within the robot, accelerate parts.
    env.batch.bind("ctrl")[:] = env.now.joint_position
    env.batch.forward()
    np.testing.assert_allclose(acceleration[:, :3], gravity, atol=1e-9)
    sensed = env._observe()[:, 6:9]
    np.testing.assert_allclose(sensed, turned.inv().apply(-gravity / 9.81), atol=1e-6)
