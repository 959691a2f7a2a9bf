"""What the tasks of quadrupeds have in common: the robot, its effects, and how another fits them.

Numbers in these tasks are those of the shipped quadruped. For another robot, lengths go with its
legs, speeds and rates as Froude's law says, and forces with its mass: see ``sim/body_scale.py``.
"""

from dataclasses import replace
from functools import cached_property

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import E
from robo_maxent.perturbations.actuators import (
    DeadJoint,
    EncoderBias,
    LockedJoint,
    MotorStrength,
    NoLoadSpeed,
    ServoGains,
)
from robo_maxent.perturbations.channel import ActionDelay, PacketLoss
from robo_maxent.perturbations.friction import FootFriction, Slip
from robo_maxent.perturbations.gravity import GravityTilt
from robo_maxent.perturbations.mass import CentreOfMass, Payload
from robo_maxent.perturbations.pushes import Pushes
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.robots.page import Page, wrong_kind
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.sim.robot import LeggedState, RobotSpec
from robo_maxent.spaces import Field

QUADRUPED = RobotSpec(path("quadruped.xml"), home="stand", base="trunk", feet=LEGS)
HOME_HEIGHT = 0.288  # m, of its trunk, standing

# What may differ between episodes, in the order in which it is written.
EFFECTS = (
    FootFriction(),
    Slip(),
    CentreOfMass(),
    Payload(),
    ServoGains(),
    MotorStrength(),
    DeadJoint(),
    LockedJoint(),
    EncoderBias(),
    NoLoadSpeed(),
    SensorNoise(),
    PacketLoss(),
    ActionDelay(),
    GravityTilt(),
    Pushes(),
)

SUBSTEPS = 5  # of 4 ms: 50 Hz control, the rate of the published Go1 controllers

# Action: joint targets around the standing pose. Wide enough to step at 1 m/s against the sag of
# the soft position gains (4.3 N·m at the knee of a standing robot is 0.12 rad).
ACTION_SCALE = np.tile([0.5, 1.0, 1.0], 4)  # rad; hip (sideways), thigh, calf

# Reflection in the sagittal plane: polar vectors keep x and z, axial vectors keep y; legs swap
# sides, and the sideways hip angle changes sign.
POLAR, AXIAL = (1, -1, 1), (-1, 1, -1)
SWAP_LEGS = (3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8)
JOINTS = (-1, 1, 1) * 4

JOINT_OFFSET = "joint position from standing"
JOINT_VELOCITY = "joint velocity"
LAST_ACTION = "last action"
JOINT_TARGET = "joint target from standing"
OF_JOINTS = (JOINT_OFFSET, JOINT_VELOCITY, LAST_ACTION, JOINT_TARGET)
"""Fields with an element for each joint."""

ACTION = (Field(JOINT_TARGET, "action scale", 12, JOINTS, SWAP_LEGS),)


class OnFourLegs(MujocoTask[E, LeggedState]):
    """A task of a quadruped, of the shipped one or of one that has a page."""

    robot_spec = QUADRUPED
    perturbations = EFFECTS
    action = ACTION
    action_scale = ACTION_SCALE
    substeps = SUBSTEPS

    def fit(self, page: Page) -> None:
        """Take the robot of a page.

        Its actions reach as far as the page says, times what this task has over walking.
        """
        if not isinstance(page, QuadrupedPage):
            raise wrong_kind(page, self.name)
        ranges = np.tile(page.joints.action, len(LEGS))  # (A,)
        wider = self.action_scale / ACTION_SCALE if len(ranges) == len(ACTION_SCALE) else 1.0
        self.action_scale = wider * ranges
        self.observation = tuple(_fitted(field, page) for field in self.observation)
        self.action = tuple(_fitted(field, page) for field in self.action)

    @cached_property
    def stature(self) -> float:
        """Height of the standing base over that of the shipped quadruped's."""
        return round(self.robot.home_height / HOME_HEIGHT, 6)

    def pose(self, base: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Generalized position, (nq,), of a base at a pose, m and quaternion, (7,), and joints."""
        qpos, start = self.robot.home_qpos.copy(), self.robot.base_qpos
        qpos[start : start + 7] = base
        qpos[self.robot.qpos_adr] = joints
        return qpos


def _fitted(field: Field, page: QuadrupedPage) -> Field:
    """A field with an element for each joint of a robot, and their signs in a mirror."""
    if field.name not in OF_JOINTS:
        return field
    each = len(page.joints.kp)
    if field.sign is None or not page.joints.mirror:
        return replace(field, size=each * len(LEGS), sign=None, permutation=None)
    swapped = np.arange(each * len(LEGS)).reshape(len(LEGS), each)[[1, 0, 3, 2]]
    return replace(
        field,
        size=each * len(LEGS),
        sign=page.joints.mirror * len(LEGS),
        permutation=tuple(swapped.ravel().tolist()),
    )
