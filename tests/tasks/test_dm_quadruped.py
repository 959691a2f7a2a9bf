"""dm_control's quadruped: equal to dm_control's own, mirrored, continued, judged."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mujoco
import numpy as np
import pytest
from dm_control.suite import quadruped

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import RobotError
from robo_maxent.perturbations.actuators import (
    DeadJoint,
    EncoderBias,
    LockedJoint,
    MotorStrength,
    ServoGains,
)
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.params import nominal
from robo_maxent.report.rows import StressEpisode
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.runner import replay, run
from robo_maxent.robustness.suites import Suite
from robo_maxent.seeds import Purpose, episode_rng
from robo_maxent.sim.robot import Robot
from robo_maxent.spaces import columns, mirror
from robo_maxent.tasks import dm_quadruped, dm_quadruped_escape, dm_world, make
from robo_maxent.tasks.dm_quadruped import SCALE

NAMES = ("walk", "run", "escape", "fetch")
BUILT: dict[str, Any] = {name: make(f"dm-quadruped-{name}") for name in NAMES}
every_task = pytest.mark.parametrize("name", NAMES)
Scripts = Callable[[str], ModuleType]


# -- the same as dm_control ------------------------------------------------------


@every_task
def test_observations_and_rewards_are_those_of_dm_control(
    name: str, benchmark_of_module: Scripts
) -> None:
    parity = benchmark_of_module("parity")
    steps = 12 if name == "escape" else 60
    for actions in (parity.random_actions, parity.gait):
        # With this seed nobody begins where nothing is paid.
        assert parity.gap(f"dm-quadruped-{name}", actions, [3], steps) < 1e-12


@pytest.mark.parametrize("name", ["walk", "escape", "fetch"])
def test_episodes_start_where_dm_control_starts_them(
    name: str, benchmark_of_module: Scripts
) -> None:
    task, n = BUILT[name], 2
    env = MujocoVecEnv(task, n, seed=5)
    env.reset()
    for sim in range(n):
        theirs = benchmark_of_module("parity").peer(task, episode_rng(Purpose.TRAINING, 5, sim, 0))
        theirs.reset()
        for field in ("qpos", "qvel", "act", "ctrl", "qacc_warmstart"):
            ours = env.batch.bind(field)[sim]
            np.testing.assert_array_equal(ours, getattr(theirs.physics.data, field), err_msg=field)
        touching, lower = theirs.physics.data.ncon, theirs.physics.data.ptr
        lower.qpos[2] -= 0.0101  # and no lower
        mujoco.mj_fwdPosition(theirs.physics.model.ptr, lower)
        assert (touching, lower.ncon > 0) == (0, True)


@pytest.mark.parametrize("name", ["walk", "fetch"])
def test_starts_are_those_of_the_purpose_and_the_seed(name: str) -> None:
    def starts(purpose: Purpose, seed: int) -> list[bytes]:
        env = MujocoVecEnv(BUILT[name], 4, seed, purpose=purpose)
        env.reset()
        return [qpos.tobytes() for qpos in env.batch.bind("qpos")]

    drawn = [starts(purpose, seed) for purpose in Purpose for seed in (0, 1)]
    assert len({start for some in drawn for start in some}) == 4 * len(drawn)
    assert starts(Purpose.FILM, 1) == drawn[-1]


def test_a_bowl_is_made_as_dm_control_makes_it(
    monkeypatch: pytest.MonkeyPatch, benchmark_of_module: Scripts
) -> None:
    monkeypatch.setattr(quadruped.Physics, "contexts", None)  # which would open a window
    env: Any = quadruped.escape()
    env.task._random = benchmark_of_module("parity").OurDraws(np.random.default_rng(5))
    env.reset()
    bowls = dm_quadruped_escape.BOWLS
    heights = bowls.heights("bowl", 1.0, np.random.default_rng(5))
    theirs = env.physics.model.hfield_data.reshape(bowls.samples)
    low, high = bowls.bottom, bowls.elevation
    np.testing.assert_allclose((heights - low) / (high - low), theirs, atol=1e-6)
    here, there = (
        model.geom("terrain") for model in (BUILT["escape"].robot.model, env.physics.model.ptr)
    )
    np.testing.assert_array_equal(here.pos, there.pos)
    np.testing.assert_allclose(
        BUILT["escape"].robot.model.hfield_size[0], env.physics.model.hfield_size[0], atol=1e-12
    )


def test_a_bowl_is_another_for_each_episode_and_none_that_training_met() -> None:
    task = BUILT["escape"]
    env = MujocoVecEnv(task, 16, seed=0)
    env.reset()
    assert len(set(env.episode.patch.tolist())) > 6
    trained, tested = task.pool.heights, task.trial().at(np.zeros(16, int))
    assert trained.std(axis=0).max() > 0.5  # m
    assert not any(np.array_equal(one, two) for one in tested.pool.heights for two in trained)
    drawn = {tested.draw_patch(env.episode, 0, np.random.default_rng(sim)) for sim in range(16)}
    assert len(drawn) > 6
    assert "kinds" not in task.options


def test_the_floor_and_the_limits_are_those_of_dm_control() -> None:
    for name, task in BUILT.items():
        model: Any = task.robot.model
        if name != "escape":  # which would open a window
            theirs: Any = getattr(quadruped, name)().physics.model
            assert model.nv == theirs.nv
            np.testing.assert_array_equal(model.body_mass, theirs.body_mass)
            np.testing.assert_array_equal(model.geom("floor").size, theirs.geom("floor").size)
        low, high = model.actuator_ctrlrange.T
        np.testing.assert_allclose(task.control(None, None, -np.ones(12)), low, atol=1e-15)
        np.testing.assert_allclose(task.control(None, None, np.ones(12)), high, atol=1e-15)
        assert (task.control_dt, task.episode_steps) == (pytest.approx(0.02), 1000)
        assert model.ntexdata == 0
        assert model.nkey == 1


# -- as any other task -----------------------------------------------------------


def test_a_robot_that_touches_itself_is_refused_rather_than_lifted_for_ever() -> None:
    model = dm_world.DmModel()
    spec = model.spec(decorations=False)
    for name in ("toe_front_left", "toe_back_right"):
        spec.geom(name).size[0] = 1.0
    start = dm_world.Start(Robot(spec.compile(), dm_world.dm_robot(model)))
    with pytest.raises(RobotError, match="no two of its parts may touch"):
        start.above(np.array([1.0, 0.0, 0.0, 0.0]), 0.0, 0.0, 0)


def test_a_start_stays_what_it_is_while_another_thread_looks_for_one() -> None:
    start = BUILT["escape"].start
    level, turned = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.6, 0.0, 0.8, 0.0])
    one = start.above(level, 0.0, 0.0, 3)
    qpos, warm = one.qpos.copy(), one.qacc_warmstart.copy()
    start.above(turned, 2.0, 1.0, 5)
    np.testing.assert_array_equal(one.qpos, qpos)
    np.testing.assert_array_equal(one.qacc_warmstart, warm)
    assert one.model.geom("terrain").dataid == 3


@every_task
def test_observations_are_finite_and_no_element_is_constant(name: str) -> None:
    task = BUILT[name]
    env = MujocoVecEnv(task, 8, seed=0)
    rng = np.random.default_rng(0)
    seen = [env.reset()]
    held = rng.uniform(-1.0, 1.0, (12, 8, 12))
    for step in range(30 if name == "escape" else 80):
        seen.append(env.step(held[step // 10]).next_obs)
    obs = np.concatenate(seen)
    assert obs.dtype == np.float32
    assert np.isfinite(obs).all()
    assert obs.shape[1] == sum(field.size for field in task.observation)
    assert (obs.std(axis=0) > 1e-4).all()


@pytest.mark.parametrize("name", ["walk", "escape"])
def test_a_run_continues_exactly(name: str) -> None:
    """Forces are of the last step, and looks over the terrain come at times of their own."""
    task = BUILT[name]
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (16, 3, 12))
    one, two = (MujocoVecEnv(task, 3, seed=1) for _ in range(2))
    one.reset()
    two.reset()
    for action in actions[::4]:
        two.step(action)
    one.episode.elapsed[0] = 990  # an episode ends on the way
    for action in actions[:6]:
        one.step(action)
    obs = two.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(obs, one.task.observe(one.episode, one.state))
    for action in actions[6:]:
        ours, theirs = one.step(action), two.step(action)
        np.testing.assert_array_equal(ours.obs, theirs.obs)
        np.testing.assert_array_equal(ours.reward, theirs.reward)


@pytest.mark.parametrize("name", ["walk", "escape"])
def test_a_stress_test_runs_and_its_episodes_run_again(name: str, tmp_path: Path) -> None:
    task = copy.copy(BUILT[name])
    task.episode_steps = 25
    weights = np.random.default_rng(0).normal(0.0, 0.2, (task.policy_size, 12))
    policy = PolicyUnderTest("noisy", lambda obs: np.tanh(obs @ weights))
    two = Share(2, 1, severities=(0.0, 3.0))
    shares = {"nominal": Share(3, 1), "push": two, "action_delay": two}
    shares["friction"] = Share(2, 1, severities=(1.0, 0.1))
    run(Suite("small", "", shares), task, [policy], tmp_path, threads=1)
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    rows = [StressEpisode.from_json(json.loads(line)) for line in lines]
    assert {row.axis for row in rows} == shares.keys()
    assert {row.terrain for row in rows} == {None}
    own = [row for row in rows if row.policy == "noisy"]
    assert len({row.reward for row in own if row.axis == "nominal"}) == 3
    for row in (own[0], own[-1]):
        assert replay(row, task, policy).reward == row.reward


SWAP = np.arange(16).reshape(4, 4)[[1, 0, 3, 2]].ravel()
POLAR, AXIAL = np.array([1, -1, 1]), np.array([-1, 1, -1])


def reflected(qpos: np.ndarray, qvel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and velocity of the robot, and of a ball if there is one, seen in a mirror."""
    qpos, qvel, joints = qpos.copy(), qvel.copy(), np.tile([-1, 1, 1, 1], 4)
    for start, speed in ((0, 0), (23, 22))[: 1 + (qpos.shape[1] > 23)]:
        qpos[:, start : start + 7] *= [1, -1, 1, 1, -1, 1, -1]
        qvel[:, speed : speed + 6] *= [*POLAR, *AXIAL]
    qpos[:, 7:23] = qpos[:, 7:23][:, SWAP] * joints
    qvel[:, 6:22] = qvel[:, 6:22][:, SWAP] * joints
    return qpos, qvel


@pytest.mark.parametrize("name", ["walk", "fetch"])
def test_a_mirrored_start_and_mirrored_actions_lead_to_mirrored_observations(name: str) -> None:
    task, n = BUILT[name], 4
    see, act = mirror(task.observation), mirror(task.action)
    assert see is not None
    assert act is not None
    one, two = (MujocoVecEnv(task, n, seed=1) for _ in range(2))
    one.reset()
    two.reset()
    fields = one.batch.bind("qpos"), one.batch.bind("qvel")
    for field, values in zip(("qpos", "qvel"), reflected(*fields), strict=True):
        two.batch.bind(field)[:] = values
    two.batch.forward()
    rng, worst = np.random.default_rng(0), 0.0
    for action in np.repeat(rng.uniform(-1.0, 1.0, (10, n, 12)), 6, axis=0):
        left, right = one.step(action), two.step(act(action))
        worst = max(worst, np.abs(right.next_obs - see(left.next_obs)).max())
        np.testing.assert_allclose(right.reward, left.reward, atol=1e-4)
    assert worst < 1e-3  # of velocities of several rad/s


def test_ranges_are_mirrored_as_the_sensors_are() -> None:
    task = BUILT["escape"]
    place = columns(task.observation)[dm_quadruped_escape.OUT[1].name]
    see = mirror(task.observation)
    assert see is not None
    order = see.permutation[place] - place.start
    sites = [task.robot.model.site(name).pos for name in task.robot.spec.sensors["range"]]
    apart = np.abs(np.array(sites)[order] * POLAR - sites)
    assert apart.max() < 0.0051  # m: dm_control has one ray, rf_11, in the place of its neighbour
    assert (apart > 1e-9).sum() == 2


@every_task
def test_every_effect_changes_an_episode(name: str) -> None:
    """But those that act on the observation, and a push, which comes later."""
    task = BUILT[name]
    changed = {
        "friction_factor": 0.1,
        "mass_factor": 3.0,
        "strength_factor": 0.5,
        "gravity_tilt": np.array([0.3, 0.0]),
        "action_noise": 0.4,
        "packet_loss": 0.4,
        "action_delay": 3,
    }
    n = 1 + len(changed)
    params = nominal(task.perturbations, task.robot, n)
    for row, (parameter, value) in enumerate(changed.items(), start=1):
        params.change(row, {parameter: value})
    env = MujocoVecEnv(task, n, seed=1, sims=np.zeros(n, int), params=params)
    env.reset()
    env.batch.bind("qpos")[:, 3:7] = [1.0, 0.0, 0.0, 0.0]
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 12))
    for action in actions:
        env.step(np.tile(action, (n, 1)))
    joints = env.batch.bind("qpos")[:, 7:23]
    moved = np.abs(joints[1:] - joints[0]).max(axis=1)
    assert (moved > 1e-3).all(), dict(zip(changed, moved, strict=True))


def test_its_motors_are_no_servos_of_single_joints_and_torque_limits_are_those_of_joints() -> None:
    task = make("dm-quadruped-walk")
    effects = ServoGains(), MotorStrength(), DeadJoint(), LockedJoint(), EncoderBias()
    why = {effect.lacking(task.robot) for effect in effects}
    assert why == {"actuators that act on several joints"}
    assert all(effect.lacking(task.robot) is None for effect in task.perturbations)
    robot = task.robot
    robot.model.jnt_actfrcrange[robot.joint_ids] = np.arange(1.0, 17.0)[:, None] * [-1.0, 1.0]
    env = MujocoVecEnv(task, 2, seed=0)
    env.reset()
    limits = env.effects.torque_limits()
    np.testing.assert_array_equal(limits, np.tile(np.arange(1.0, 17.0), (2, 1)))
    reading = task.reading(env)
    assert reading.power is not None
    assert reading.power.shape == (2,)


# -- success ---------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "success"), [(0.89, False), (0.91, True)])
def test_a_walk_succeeds_by_the_reward_of_its_second_half(mean: float, success: bool) -> None:
    task = BUILT["walk"]
    env = MujocoVecEnv(task, 2, seed=0)
    env.reset()
    early, late = dm_quadruped.EPISODE_STEPS // 2, dm_quadruped.EPISODE_STEPS // 2 + 1
    state: Any = env.state
    task.reward_terms = lambda *_: {"any": np.full(2, mean)}
    try:
        env.episode.elapsed[:] = early
        task.after_step(env.episode, state, np.zeros((2, 12)))
        assert not env.episode.late_reward.any()
        for _ in range(500):
            env.episode.elapsed[:] = late
            task.after_step(env.episode, state, np.zeros((2, 12)))
    finally:
        del task.reward_terms
    assert task.success(env.episode, 0) is success
    assert task.metrics(env.episode, 1)["late_reward"] == pytest.approx(mean)


def test_an_escape_succeeds_once_it_was_over_the_crest_and_a_fetch_at_its_end() -> None:
    for name, place, there in (("escape", 0, 15.5), ("fetch", 23, 0.0)):
        task = BUILT[name]
        env = MujocoVecEnv(task, 1, seed=0, once=True)
        env.reset()
        position = env.batch.bind("qpos")
        success = []
        for x in (there, 5.0):
            position[0, place : place + 3] = [x, 0.0, 8.0]
            env.step(np.zeros((1, 12)))
            success.append(task.success(env.episode, 0))
        assert success == [True, name == "escape"]


def test_a_robot_that_falls_feels_nothing_at_first_and_its_action_reaches_its_range() -> None:
    env = MujocoVecEnv(BUILT["walk"], 2, seed=0)
    env.reset()
    np.testing.assert_allclose(env.episode.loads, 0.0, atol=1e-9)
    np.testing.assert_allclose(env.episode.acceleration, 0.0, atol=1e-9)
    for _ in range(150):
        env.step(np.ones((2, 12)))
    np.testing.assert_allclose(env.state.activation, np.tile(SCALE + [0, 0.05, 0] * 4, (2, 1)))
    assert np.abs(env.episode.loads).max() > 1.0
