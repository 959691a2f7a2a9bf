"""Faults of gymnasium-robotics are mended where they are, and what is right is left alone."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

from robo_maxent.envs import gym_robotics_shim as shim
from robo_maxent.envs.gym_spec import find_spec, make
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.envs.gym_wrapper import WrapperFactory
from robo_maxent.rendering.gym_video import choose_backend
from robo_maxent.seeds import Purpose

TYPE = "joint_type = model.jnt_type[joint_id]"
"""What gymnasium-robotics 1.4.2 says; with ``int()`` around it, it is right."""


def utils(change: Callable[[str], str]) -> ModuleType:
    """A copy of the module that reads joints, its source changed."""
    spec = importlib.util.find_spec(shim.JOINTS)
    assert spec is not None
    assert spec.origin is not None
    copy = ModuleType("copy_of_mujoco_utils")
    exec(compile(change(Path(spec.origin).read_text()), "copy", "exec"), copy.__dict__)
    return copy


def right() -> ModuleType:
    return utils(lambda source: source.replace(TYPE, "joint_type = int(model.jnt_type[joint_id])"))


def refusing() -> ModuleType:
    """Refuses hinges and slides, as 1.4.2 does with mujoco 3.12 or newer."""
    return utils(lambda source: source.replace("assert joint_type in (", "assert -1 in ("))


def silent() -> ModuleType:
    """Takes every joint for a hinge, and does not notice."""
    module = right()
    vars(module)["get_joint_qpos"] = lambda model, data, name: data.joint(name).qpos[:1].copy()
    return module


FUNCTIONS = ("set_joint_qpos", "set_joint_qvel", "get_joint_qpos", "get_joint_qvel")


def functions(module: Any) -> list[Any]:
    return [getattr(module, name) for name in FUNCTIONS]


def use(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """Let ids find another module that reads joints, until the end of the test."""
    importlib.import_module("gymnasium_robotics.envs.robot_env")
    for name, function in zip(FUNCTIONS, functions(module), strict=True):
        monkeypatch.setattr(f"{shim.JOINTS}.{name}", function)


def test_a_module_that_reads_joints_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, mended_upstream := right())
    assert shim.reads_joints(mended_upstream)
    make("gym:FetchReach-v4", find_spec("FetchReach-v4")).close()
    assert functions(sys.modules[shim.JOINTS]) == functions(mended_upstream)


@pytest.mark.parametrize("broken", [refusing, silent])
def test_a_module_that_misreads_joints_is_mended(
    broken: Callable[[], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, module := broken())
    assert not shim.reads_joints(module)
    with pytest.raises((AssertionError, ValueError)):
        gymnasium.make("FetchPush-v4").reset(seed=0)
    spec = find_spec("FetchPush-v4")
    make("gym:FetchPush-v4", spec).close()
    assert functions(sys.modules[shim.JOINTS]) == functions(shim)
    assert shim.reads_joints(sys.modules[shim.JOINTS])

    use(monkeypatch, broken())  # as in a worker process that imports it afresh
    env = WrapperFactory(spec, "label", 1, 0, 0, Purpose.TRAINING, {})()
    obs, info = env.reset()
    assert info == {}
    assert np.isfinite(obs).all()
    env.close()


def test_what_was_mended_reads_as_mended_upstream() -> None:
    model = mujoco.MjModel.from_xml_string(shim.PROBE)
    data, other = mujoco.MjData(model), mujoco.MjData(model)
    upstream = right()
    rng = np.random.default_rng(0)
    for name in ("free", "hinge", "slide"):
        joint = data.joint(name)
        qpos, qvel = rng.normal(size=joint.qpos.shape), rng.normal(size=joint.qvel.shape)
        for module, into in ((shim, data), (upstream, other)):
            module.set_joint_qpos(model, into, name, qpos)
            module.set_joint_qvel(model, into, name, qvel)
        np.testing.assert_array_equal(shim.get_joint_qpos(model, data, name), qpos)
        np.testing.assert_array_equal(shim.get_joint_qvel(model, data, name), qvel)
        shim.get_joint_qpos(model, data, name)[:] = np.nan  # a copy
    np.testing.assert_array_equal(data.qpos, other.qpos)
    np.testing.assert_array_equal(data.qvel, other.qvel)


def test_the_mended_functions_take_what_the_others_take() -> None:
    upstream = right()
    for name in FUNCTIONS:
        arguments = [
            list(inspect.signature(getattr(module, name)).parameters) for module in (shim, upstream)
        ]
        assert arguments[0] == arguments[1]


def test_ids_of_others_are_made_without_gymnasium_robotics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, shim.JOINTS, raising=False)
    monkeypatch.delitem(sys.modules, shim.MANIPULATE, raising=False)
    shim.repair_for(find_spec("Pendulum-v1"))
    assert shim.JOINTS not in sys.modules


def poses(count: int, seed: int) -> np.ndarray:
    goals = np.random.default_rng(seed).normal(size=(count, 7))
    goals[:, 3:] /= np.linalg.norm(goals[:, 3:], axis=1, keepdims=True)
    return goals


@pytest.mark.parametrize("ignores_z", [False, True])
def test_many_poses_are_as_far_apart_as_one_by_one(ignores_z: bool) -> None:
    manipulate = importlib.import_module(shim.MANIPULATE)
    original = manipulate.get_base_manipulate_env(manipulate.MujocoHandEnv)._goal_distance
    hand = SimpleNamespace(
        target_position="random", target_rotation="xyz", ignore_z_target_rotation=ignores_z
    )
    a, b = poses(20, seed=0), poses(20, seed=1)
    one_by_one = [original(hand, *pair) for pair in zip(a, b, strict=True)]
    mended = shim.comparing_many(original, manipulate.rotations)
    np.testing.assert_allclose(np.transpose(mended(hand, a, b)), one_by_one, atol=1e-9)
    same = [mended(hand, *pair) for pair in zip(a, b, strict=True)]
    np.testing.assert_array_equal(same, one_by_one)
    assert shim.compares_many(mended)


def test_a_hand_that_compares_many_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    manipulate = importlib.import_module(shim.MANIPULATE)
    hand = manipulate.MujocoManipulateEnv
    original = manipulate.get_base_manipulate_env(manipulate.MujocoHandEnv)._goal_distance
    spec = find_spec("HandManipulatePen-v1")
    monkeypatch.setattr(hand, "_goal_distance", original)
    was_right = shim.compares_many(original)
    shim.repair_for(spec)
    mended = hand._goal_distance
    assert (mended is original) is was_right
    assert shim.compares_many(mended)
    shim.repair_for(spec)
    assert hand._goal_distance is mended


IDS = [
    "FetchReach-v4",
    "FetchPush-v4",
    "FetchSlide-v4",
    "FetchPickAndPlace-v4",
    "HandReach-v3",
    "HandManipulateBlock-v1",
    "HandManipulateEgg-v1",
    "HandManipulatePen-v1",
    "HandManipulateBlock_ContinuousTouchSensors-v1",
    "HandManipulatePen_BooleanTouchSensors-v1",
    "AntMaze_UMaze-v5",
    "PointMaze_UMaze-v3",
    "AdroitHandDoor-v1",
    "AdroitHandHammer-v1",
    "AdroitHandPen-v1",
    "AdroitHandRelocate-v1",
    "FrankaKitchen-v1",
]


@pytest.mark.parametrize("env_id", IDS)
def test_ids_are_made_reset_and_stepped_and_actions_matter(env_id: str) -> None:
    task = GymTask(env_id)
    assert (task.goal is None) is env_id.startswith(("Adroit", "Franka"))
    ends = []
    for action in (-0.5, 0.5):
        env = task.evaluation_env(1, seed=0)
        env.reset()
        steps = [env.step(np.full((1, task.action_space.size), action)) for _ in range(3)]
        ends.append(steps[-1].next_obs)
        env.close()
    assert ends[0].shape == (1, task.observation_size)
    assert not np.array_equal(*ends)


def test_the_kitchen_is_flattened_and_says_why_its_goals_are_none() -> None:
    notes = " ".join(GymTask("FrankaKitchen-v1").notes)
    assert "flattened from achieved_goal, desired_goal, observation" in notes
    assert "its achieved_goal is a Dict, not a Box" in notes


def test_ids_are_stepped_in_workers() -> None:
    env = GymTask("FetchReach-v4").training_env(2, 0, 1, "unused")
    obs = env.reset()
    assert not np.array_equal(obs[0], obs[1])  # another goal each
    assert np.isfinite(env.step(np.zeros((2, 4))).next_obs).all()
    env.close()


@pytest.mark.parametrize(
    "env_id", ["FetchReach-v4", "HandReach-v3", "PointMaze_UMaze-v3", "FrankaKitchen-v1"]
)
def test_ids_draw_themselves(env_id: str) -> None:
    choose_backend()
    env = GymVecEnv(GymTask(env_id), 1, 0, purpose=Purpose.FILM, render_mode="rgb_array")
    env.reset()
    picture = env.frame()
    env.close()
    assert picture.dtype == np.uint8
    assert picture.std() > 20.0
