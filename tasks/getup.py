"""A quadruped rises from any pose, on any ground, and stands.

It is dropped in a random pose, anywhere on a patch of terrain, has five seconds to stand and one
more to show that it stays up. Nothing but the border of the patch ends an episode early.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from robo_maxent.envs.rewards import bell, squared_norm
from robo_maxent.envs.task import Memory
from robo_maxent.sim.robot import Readings, yaw
from robo_maxent.sim.terrain_pool import Pool, scan
from robo_maxent.spaces import Field
from robo_maxent.tasks.patches import OnPatches
from robo_maxent.tasks.quadruped import (
    AXIAL,
    JOINTS,
    LEGS,
    POLAR,
    SWAP_LEGS,
    TOUCH_THRESHOLD,
)

# Timing.
RISE_STEPS = 250  # 5 s to stand
HOLD_STEPS = 50  # 1 s of standing without a break: it has risen

# Action: joint targets around the standing pose, over most of their range: a robot on its back
# has to swing its legs past its trunk.
ACTION_SCALE = np.tile([0.8, 2.2, 1.0], 4)  # rad; hip (sideways), thigh, calf

# Start: any orientation, any joint angles, this far from the centre: a second of rolling does not
# leave the patch.
START_REACH = 2.5  # m
START_ABOVE = 0.02  # m between the lowest part of the robot and the ground

# Ground below the trunk, points in the heading frame, m.
UNDER = np.stack(
    np.meshgrid([-0.19, 0.0, 0.19], [-0.13, 0.0, 0.13], indexing="ij"), axis=2
).reshape(-1, 2)
_FLIP_UNDER = (2, 1, 0, 5, 4, 3, 8, 7, 6)

# Standing.
UPRIGHT = np.cos(np.deg2rad(30.0))  # the steepest slope is 22 degrees
STANDING_HEIGHT = 0.20  # m, of the trunk's centre over the mean ground below it; lying it is 0.06

# Reward: targets and widths; the weights, per control step, stand beside their terms.
HEIGHT_TARGET = 0.28  # m
POSE_WIDTH = 1.5  # rad, norm over the twelve joints

OBSERVATION = (
    Field("base angular velocity, base frame", "rad/s", AXIAL, noise=0.2),
    Field("upward axis, base frame", "1", POLAR, noise=0.05),
    Field("joint position from standing", "rad", JOINTS, SWAP_LEGS, noise=0.01),
    Field("joint velocity", "rad/s", JOINTS, SWAP_LEGS, noise=1.5),
    Field("last action", "1", JOINTS, SWAP_LEGS),
    Field("base linear velocity, base frame", "m/s", POLAR, privileged=True),
    Field("height of the ground below from the base", "m", (1,) * 9, _FLIP_UNDER, privileged=True),
    Field("foot contact", "1", (1,) * 4, (1, 0, 3, 2), privileged=True),
)


@dataclass
class Rise(Memory):
    """Running episodes of getting up."""

    standing: np.ndarray
    """Control steps that the robot has stood without a break, int, (N,)."""
    rose: np.ndarray
    """Control step after which it stood for HOLD_STEPS; -1: it did not yet, int, (N,)."""
    contact: np.ndarray
    """Whether each foot touched the ground in the last control step, bool, (N, 4)."""


class QuadrupedGetup(OnPatches[Rise]):
    """Rise from any pose and stand."""

    name = "quadruped-getup"
    summary = "it rises from any pose on that ground, and stands"
    observation = OBSERVATION
    action_scale = ACTION_SCALE
    episode_steps = RISE_STEPS + HOLD_STEPS

    def memory(self, n: int) -> Rise:
        """Empty memory of N simulations."""
        return Rise.blank(
            n,
            self.action_size,
            standing=np.zeros(n, np.int64),
            rose=np.full(n, -1),
            contact=np.zeros((n, len(LEGS)), bool),
        )

    def begin(
        self, memory: Rise, sim: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Drop the robot in a random pose."""
        memory.patch[sim] = self._draw_patch(memory, sim, rng)
        memory.elapsed[sim] = memory.standing[sim] = 0
        memory.rose[sim] = -1
        memory.contact[sim] = False
        memory.last_action[sim] = 0.0

        x, y = rng.uniform(-START_REACH, START_REACH, 2)
        orientation = rng.normal(size=4)  # uniform over rotations, once it is normalized
        orientation /= np.linalg.norm(orientation)
        joints = rng.uniform(*self.robot.joint_range.T)
        qpos = np.concatenate([[x, y, 0.0], orientation, joints])
        qpos[2] = self._sunk(qpos, int(memory.patch[sim])) + START_ABOVE
        return qpos, np.zeros(6 + self.action_size)

    def rewards(self, memory: Rise, now: Readings, action: np.ndarray) -> dict[str, np.ndarray]:
        """Turn upright, then rise, then take the standing pose and keep still."""
        upright = np.square(0.5 * (1.0 + now.up[:, 2]))  # 0 on its back, 1/4 on its side
        height = np.clip(self._height(memory, now) / HEIGHT_TARGET, 0.0, 1.0)
        pose = np.sqrt(squared_norm(now.joint_position - self.robot.stand_pose))
        stands = self._stands(memory, now)
        return {
            "upright": 0.5 * upright,
            "height": 0.5 * upright * height,
            "pose": 0.5 * upright * height * bell(pose / POSE_WIDTH),
            "stand": 0.5 * stands,
            "still": -np.where(stands, 1e-3, 1e-4) * squared_norm(now.joint_velocity),
            "torque": -2e-5 * squared_norm(now.joint_torque),
            "action_rate": -5e-3 * squared_norm(action - memory.last_action),
        }

    def fallen(self, memory: Rise, now: Readings) -> np.ndarray:
        """Never: lying is where it begins."""
        return np.zeros(len(memory.elapsed), bool)

    def advance(self, memory: Rise, now: Readings, action: np.ndarray) -> None:
        """Tally how long each robot has stood."""
        memory.standing[:] = np.where(self._stands(memory, now), memory.standing + 1, 0)
        risen = (memory.rose < 0) & (memory.standing == HOLD_STEPS)
        memory.rose[risen] = memory.elapsed[risen] - HOLD_STEPS + 1
        memory.contact[:] = now.foot_touch > TOUCH_THRESHOLD
        memory.last_action[:] = action

    def observe(self, memory: Rise, now: Readings) -> np.ndarray:
        """What a robot has, then what only the critic sees."""
        parts = [
            now.base_angular_velocity,  # 3
            now.up,  # 3
            now.joint_position - self.robot.stand_pose,  # 12
            now.joint_velocity,  # 12
            memory.last_action,  # 12
            now.base_linear_velocity,  # 3
            self._under(memory, now),  # 9
            memory.contact,  # 4
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 58)

    def outcome(self, memory: Rise, sim: int) -> tuple[bool, dict[str, float | None]]:
        """Whether it stood within five seconds, for a second; and after how many, s."""
        rose = int(memory.rose[sim])
        met = 0 <= rose <= RISE_STEPS
        return met, {"rise_time": rose * self.control_dt if met else None}

    def trial(self, pool: Pool | None = None) -> Self:
        """The same task, undisturbed."""
        other = super().trial(pool)
        other.level = None
        return other

    def _under(self, memory: Rise, now: Readings) -> np.ndarray:
        """Height of the ground below the trunk from its centre, m, (N, 9)."""
        return scan(self.pool, memory.patch, now.base_position, yaw(now.base_orientation), UNDER)

    def _height(self, memory: Rise, now: Readings) -> np.ndarray:
        """Height of the trunk's centre over the mean ground below it, m, (N,)."""
        return -self._under(memory, now).mean(axis=1)

    def _stands(self, memory: Rise, now: Readings) -> np.ndarray:
        """Upright, and clear of the ground, bool, (N,)."""
        return (now.up[:, 2] > UPRIGHT) & (self._height(memory, now) > STANDING_HEIGHT)
