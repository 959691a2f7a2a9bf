"""Arms of a user's in the tasks of arms: any number of joints, any gripper or none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_robots
from small_arms import proposed

from robo_maxent.assets import path as asset
from robo_maxent.envs.interface import layout_of
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import PolicyError, RobotError
from robo_maxent.perturbations.arm_pushed import ArmPushed
from robo_maxent.perturbations.objects import ObjectSize
from robo_maxent.perturbations.params import nominal
from robo_maxent.robots.page import write_page
from robo_maxent.robots.propose import propose
from robo_maxent.sim.hand_space import READY, STARTS
from robo_maxent.sim.mjcf import DECORATION_GROUP
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import load
from robo_maxent.spaces import columns
from robo_maxent.tasks import make
from robo_maxent.tasks.arm_goals import apart
from robo_maxent.tasks.arm_observation import GRIPPER
from robo_maxent.tasks.tabletop import OBJECTS

ARMS = ("six", "seven", "parallel", "five")


def of(name: str, task: str = "arm-reach", **options: Any) -> Any:
    return make(task, robot_file=proposed(name)[0], **options)


def begun(task: Any, n: int = 6) -> MujocoVecEnv[Any, Any]:
    env = MujocoVecEnv(task, n, seed=4, threads=1)
    env.reset()
    return env


@pytest.mark.parametrize("name", ARMS)
def test_a_script_reaches_the_goals_with_any_arm(name: str) -> None:
    task = of(name)
    env = begun(task)
    obs = env.reset()
    for _ in range(40):
        step = env.step(task.script(obs))
        obs = step.obs
        assert not step.diverged.any()
    assert (task.distance(env.state) < 0.02).all()
    down = (
        task.chain.pose(env.state.joint_position[:, : task.joint_count])[1]
        @ task.chain.home_rotation[2]
    )
    assert (down[:, 2] > 0.99).all()


@pytest.mark.parametrize("name", ARMS)
def test_the_space_over_the_table_is_the_shipped_arms_times_its_size(name: str) -> None:
    task = of(name)
    home = task.chain.pose(task.home[None])[0][0]
    np.testing.assert_allclose(home, task.size * READY, atol=0.011)
    places = task.starts[0]
    wanted = np.random.default_rng(0).uniform(*task.size * STARTS, size=(len(places), 3))
    assert np.abs(places - wanted).max() < 0.005
    np.testing.assert_allclose(task.objects, task.size * OBJECTS)
    table = task.robot.table
    x, half = task.robot.model.geom_pos[table, 0], task.robot.model.geom_size[table, 0]
    assert x - half < task.objects[0, 0] - 0.02
    assert x + half > task.objects[1, 0] + 0.02


@pytest.mark.parametrize("name", ["seven", "parallel", "five"])
def test_fingers_are_as_far_apart_as_they_are_told_to_be(name: str) -> None:
    task = of(name, "arm-pick", randomization="none")
    env, fingers = begun(task, 2), task.robot.fingers
    assert fingers is not None
    for close, wanted in (
        (1.0, task.widest),
        (-1.0, fingers.opening(fingers.position(np.zeros(1)))[0]),
    ):
        for _ in range(40):
            env.step(np.array([[0.0, 0.0, 0.2, close]] * 2))
        np.testing.assert_allclose(task.opening(env.state), wanted, atol=2e-3)
        assert np.abs(gap(task, env) / 2.0 - wanted).max() < 3e-3


def gap(task: Any, env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """Between the pads, measured by MuJoCo, m, (N,)."""
    model, data = task.robot.model, mujoco.MjData(task.robot.model)
    bodies = model.geom_bodyid[task.robot.pads]
    one = [pad for pad, body in zip(task.robot.pads, bodies, strict=True) if body == bodies[0]]
    gaps = []
    for qpos in env.batch.bind("qpos"):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        pairs = [(a, b) for a in one for b in task.robot.pads if b not in one]
        gaps.append(min(mujoco.mj_geomDistance(model, data, a, b, 1.0, None) for a, b in pairs))
    return np.maximum(gaps, 0.0)


def test_an_object_in_the_hand_begins_between_the_fingers_and_stays() -> None:
    task = of("parallel", "arm-pick", randomization="none").in_training()
    env = begun(task, 24)
    held = task.holding(env.episode, env.state)
    assert held.sum() >= 3
    for _ in range(15):
        env.step(np.array([[0.0, 0.0, 0.3, -1.0]] * 24))
    assert task.holding(env.episode, env.state)[held].all()


def test_an_arm_without_a_gripper_sees_and_moves_none() -> None:
    task, shipped = of("six"), make("arm-reach")
    names = [part.name for part in task.observation]
    assert names == [part.name for part in shipped.observation if part not in GRIPPER]
    assert (task.action_size, shipped.action_size) == (3, 4)
    env = begun(task)
    before = env.reset()
    step = env.step(np.zeros((6, 3)))
    assert task.goal is not None
    again = task.goal.reward(before, np.zeros((6, 3)), step.next_obs)
    np.testing.assert_allclose(again, step.reward, atol=2e-6)
    at = columns(task.observation)
    off = apart(step.next_obs[:, at["hand"]], step.next_obs[:, at["goal"]])
    np.testing.assert_allclose(off, task.distance(env.state), atol=1e-6)


def test_a_hand_without_fingers_pushes_an_object() -> None:
    task = of("six", "arm-push", randomization="none")
    env = begun(task, 12)
    obs, before = env.reset(), env.state.object_position[:, 0].copy()
    for _ in range(40):
        obs = env.step(task.script(obs)).obs
    moved = apart(env.state.object_position[:, 0], before)
    assert np.median(moved) > 0.03


@pytest.mark.parametrize("name", ["arm-pick", "arm-pick-rough"])
def test_a_task_that_needs_a_gripper_refuses_an_arm_without(name: str) -> None:
    with pytest.raises(RobotError) as raised:
        of("six", name)
    assert str(raised.value).startswith(
        f"six has no gripper, and {name} needs one. It can do arm-r"
    )


def test_robots_of_another_kind_are_refused_and_where_they_fit_is_said(tmp_path: Path) -> None:
    with pytest.raises(RobotError, match=r"six is an arm, and quadruped-flat .*begin with arm-"):
        of("six", "quadruped-flat")
    legs = small_robots.write_page(tmp_path / "legs")
    with pytest.raises(RobotError, match=r"small is a quadruped, and arm-push .* with quadruped-"):
        make("arm-push", robot_file=legs)


def test_joints_are_moved_one_by_one_however_many_there_are() -> None:
    task = of("five", "arm-reach-joints")
    assert task.action_space.names == (
        "j1 of five",
        "j2 of five",
        "j3 of five",
        "j5 of five",
        "j6 of five",
        "gripper of five",
    )
    assert task.mirrors is None
    env = begun(task)
    obs = env.reset()
    assert obs.shape == (6, task.observation_size)
    for _ in range(40):
        obs = env.step(task.script(obs)).obs
    assert (task.distance(env.state) < 0.03).all()


def test_the_same_arm_as_a_page_is_the_shipped_arm_to_a_policy(tmp_path: Path) -> None:
    """Its own file, read as a stranger's, moves as it does."""
    page = propose(asset("arm.xml"), str(asset("arm.xml")), "copy").page
    (tmp_path / "copy.toml").write_text(write_page(page))
    tasks = make("arm-reach"), make("arm-reach", robot_file=tmp_path / "copy.toml")
    rng, seen = np.random.default_rng(0), []
    actions = rng.uniform(-1.0, 1.0, (20, 4, 4))
    for task in tasks:
        env = MujocoVecEnv(task, 4, seed=9, threads=1)
        rows = [env.reset()] + [env.step(action).next_obs for action in actions]
        seen.append(np.array(rows)[:, :, columns(task.observation)["hand"]])
    np.testing.assert_allclose(*seen, atol=2e-3)


@pytest.mark.parametrize("name", ["six", "seven"])
def test_what_only_the_eye_sees_is_no_part_of_the_physics(name: str) -> None:
    spec = of(name).robot_spec
    bare, whole = load(spec.model), load(spec.model, decorations=True)
    assert not (bare.geom_group == DECORATION_GROUP).any()
    kept = np.flatnonzero(whole.geom_group != DECORATION_GROUP)
    assert len(kept) < whole.ngeom
    assert [bare.geom(i).name for i in range(bare.ngeom)] == [whole.geom(i).name for i in kept]
    np.testing.assert_array_equal(whole.geom_size[kept], bare.geom_size)
    np.testing.assert_array_equal(whole.body_mass, bare.body_mass)


def test_a_policy_of_another_arm_is_refused() -> None:
    ours, theirs = layout_of(make("arm-reach")), layout_of(of("seven"))
    with pytest.raises(PolicyError, match="trained with another robot"):
        ours.require(theirs)
    with pytest.raises(PolicyError, match=r"its observation .* trained with another robot"):
        ours.require(layout_of(of("six")))
    with pytest.raises(
        PolicyError, match=r"does not fit 'arm-push': .* trained with another robot"
    ):
        theirs.require(layout_of(make("arm-push")))


@pytest.mark.parametrize("name", ["six", "seven"])
def test_every_effect_acts_on_any_arm(name: str) -> None:
    task = of(name, "arm-push", randomization="hard")
    env = begun(task)
    for _ in range(5):
        assert np.isfinite(env.step(np.full((6, task.action_size), 0.3)).next_obs).all()
    for effect in task.perturbations:
        if effect.lacking(task.robot) is None:
            assert effect.axes(task.robot)
            assert set(effect.nominal(task.robot)) <= set(
                nominal(task.perturbations, task.robot, 1)
            )


def test_forces_on_the_hand_and_sizes_of_objects_fit_the_arm() -> None:
    shipped, own = make("arm-push"), of("seven", "arm-push")
    assert ArmPushed().axes(shipped.robot)[0].severities == (0.0, 60.0, 120.0, 180.0, 240.0)
    force = ArmPushed().axes(own.robot)[0].severities[-1]
    # The weakest joint for its lever: 40 N·m at most of 0.6 m, against 87 N·m of the shipped arm.
    assert 0.1 * 240.0 < force < 240.0
    assert ObjectSize().limits(own.robot)["object_size"][1] >= 1.6
    assert own.robot.object_half[0, 0] == pytest.approx(0.5625 * 0.035, abs=1e-5)
    inertia, edge = own.robot.model.body_inertia[own.robot.object_bodies[0]], 1.125 * 0.035
    np.testing.assert_allclose(inertia, 0.1 / 6.0 * edge**2, rtol=2e-3)
