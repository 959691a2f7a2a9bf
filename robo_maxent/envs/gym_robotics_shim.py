"""Repairs two faults of gymnasium-robotics 1.4.2, after probing that they are there.

Joints: from mujoco 3.12 on ``model.jnt_type[i] in (enum, ...)`` is False whatever the type, so that
hinges and slides are refused, and with them Fetch, the hand and the kitchen
(Farama-Foundation/Gymnasium-Robotics PR 330: merged, not released). Pen: compared as many at once,
as hindsight does, two goals differ by the angle about z too, which is to be ignored.
"""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator

from robo_maxent.sim.physics import mujoco

JOINTS = "gymnasium_robotics.utils.mujoco_utils"
"""Module that reads and writes joints."""

MANIPULATE = "gymnasium_robotics.envs.shadow_dexterous_hand.manipulate"
"""Module that compares poses of objects in the hand."""

GoalDistance = Callable[[Any, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Distance, m, and angle, rad, between goals, (..., 7) both: position and quaternion."""

PROBE = """
<mujoco>
  <worldbody>
    <body><freejoint name="free"/><geom size="0.1"/></body>
    <body><joint name="hinge" type="hinge"/><geom size="0.1"/></body>
    <body><joint name="slide" type="slide"/><geom size="0.1"/></body>
  </worldbody>
</mujoco>
"""


def repair_for(spec: EnvSpec) -> None:
    """Repair what an id needs, in this process, before it is made.

    Raises:
        ImportError: Its module can't be imported.
    """
    if isinstance(spec.entry_point, str):
        load_env_creator(spec.entry_point)  # imports what it is made with
    joints, manipulate = sys.modules.get(JOINTS), sys.modules.get(MANIPULATE)
    if joints is not None and not reads_joints(joints):
        repair_joints(joints)
    if manipulate is not None:
        hand = manipulate.MujocoManipulateEnv
        if not compares_many(hand._goal_distance):
            hand._goal_distance = comparing_many(hand._goal_distance, manipulate.rotations)


def reads_joints(utils: ModuleType) -> bool:
    """Whether a module reads and writes each type of joint correctly."""
    model = mujoco.MjModel.from_xml_string(PROBE)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = np.arange(model.nq), -np.arange(model.nv)
    try:
        return all(_reads_joint(utils, model, data, name) for name in ("free", "hinge", "slide"))
    except AssertionError:
        return False


def _reads_joint(utils: ModuleType, model: Any, data: Any, name: str) -> bool:
    joint = data.joint(name)
    expected_qpos, expected_qvel = joint.qpos + 1.0, joint.qvel + 1.0
    utils.set_joint_qpos(model, data, name, utils.get_joint_qpos(model, data, name) + 1.0)
    utils.set_joint_qvel(model, data, name, utils.get_joint_qvel(model, data, name) + 1.0)
    right_qpos = np.array_equal(joint.qpos, expected_qpos)
    return right_qpos and np.array_equal(joint.qvel, expected_qvel)


def repair_joints(utils: ModuleType) -> None:
    """Replace a module's functions for joints by ones that ask MuJoCo for addresses."""
    for function in (set_joint_qpos, set_joint_qvel, get_joint_qpos, get_joint_qvel):
        setattr(utils, function.__name__, function)


def compares_many(goal_distance: GoalDistance) -> bool:
    """Whether comparing many goals at once gives the same as one by one."""
    hand = SimpleNamespace(
        target_position="ignore", target_rotation="xyz", ignore_z_target_rotation=True
    )
    angles = np.array([0.5, 1.0, 1.5, 2.0])
    about_z = np.zeros((4, 7))
    about_z[:, 3], about_z[:, 6] = np.cos(angles / 2), np.sin(angles / 2)
    level = np.tile([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (4, 1))
    together = goal_distance(hand, about_z, level)[1]
    one_by_one = [goal_distance(hand, a, b)[1].item() for a, b in zip(about_z, level, strict=True)]
    return np.allclose(together, one_by_one, atol=1e-6)


def comparing_many(goal_distance: GoalDistance, rotations: ModuleType) -> GoalDistance:
    """A corrected comparison, for one pair of goals or many."""

    def mended(self: Any, goal_a: np.ndarray, goal_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not self.ignore_z_target_rotation:
            return goal_distance(self, goal_a, goal_b)
        euler = rotations.quat2euler(goal_a[..., 3:])
        euler[..., 2] = rotations.quat2euler(goal_b[..., 3:])[..., 2]
        turned = np.concatenate([goal_a[..., :3], rotations.euler2quat(euler)], axis=-1)
        hand = SimpleNamespace(
            target_position=self.target_position,
            target_rotation=self.target_rotation,
            ignore_z_target_rotation=False,
        )
        return goal_distance(hand, turned, goal_b)

    return mended


def set_joint_qpos(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, value: np.ndarray
) -> None:
    """Set a joint's position: m or rad; of a free joint position and quaternion."""
    data.joint(name).qpos = value


def set_joint_qvel(
    model: mujoco.MjModel, data: mujoco.MjData, name: str, value: np.ndarray
) -> None:
    """Set a joint's velocity, m/s or rad/s."""
    data.joint(name).qvel = value


def get_joint_qpos(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> np.ndarray:
    """A copy of a joint's position: m or rad; of a free joint position and quaternion."""
    return data.joint(name).qpos.copy()


def get_joint_qvel(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> np.ndarray:
    """A copy of a joint's velocity, m/s or rad/s."""
    return data.joint(name).qvel.copy()
