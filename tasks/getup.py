"""A quadruped rises from any pose, on any ground, and stands.

It is dropped in a random pose, anywhere on a patch of terrain, has five seconds to stand and one
more to show that it stays up. Nothing but the border of the patch ends an episode early.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from robo_maxent.envs.rewards import bell, squared_norm
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import yaw
from robo_maxent.sim.terrain_pool import TerrainPool, scan
from robo_maxent.spaces import Field
from robo_maxent.tasks.four_legs import (
    AXIAL,
    JOINT_OFFSET,
    JOINT_VELOCITY,
    JOINTS,
    LAST_ACTION,
    LEGS,
    POLAR,
    SWAP_LEGS,
)
from robo_maxent.tasks.patches import OnPatches
from robo_maxent.tasks.quadruped import TOUCH_THRESHOLD, hold_pose
from robo_maxent.types import Act

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
    Field("base angular velocity, base frame", "rad/s", 3, AXIAL, noise=0.2),
    Field("upward axis, base frame", "1", 3, POLAR, noise=0.05),
    Field(JOINT_OFFSET, "rad", 12, JOINTS, SWAP_LEGS, noise=0.01),
    Field(JOINT_VELOCITY, "rad/s", 12, JOINTS, SWAP_LEGS, noise=1.5),
    Field(LAST_ACTION, "1", 12, JOINTS, SWAP_LEGS),
    Field("base linear velocity, base frame", "m/s", 3, POLAR, privileged=True),
    Field(
        "height of the ground below from the base", "m", 9, (1,) * 9, _FLIP_UNDER, privileged=True
    ),
    Field("foot contact", "1", 4, (1,) * 4, (1, 0, 3, 2), privileged=True),
)


@dataclass
class Rise(EpisodeState):
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
    reward_range = (-1.0, 2.0)  # only a robot that thrashes about has less

    def episode_state(self, n: int) -> Rise:
        """N episodes that have not begun."""
        return Rise.blank(
            n,
            self.action_size,
            standing=np.zeros(n, np.int64),
            rose=np.full(n, -1),
            contact=np.zeros((n, len(LEGS)), bool),
        )

    def reset(self, episode: Rise, sim: int, rng: np.random.Generator) -> Initial:
        """Drop the robot in a random pose."""
        episode.standing[sim] = 0
        episode.rose[sim] = -1
        episode.contact[sim] = False

        x, y = rng.uniform(-START_REACH, START_REACH, 2)
        orientation = rng.normal(size=4)  # uniform over rotations, once it is normalized
        orientation /= np.linalg.norm(orientation)
        joints = rng.uniform(*self.robot.joint_range.T)
        qpos = self.pose(np.array([x, y, 0.0, *orientation]), joints)
        qpos[2] = self._sunk(qpos, int(episode.patch[sim])) + START_ABOVE
        return Initial(qpos)

    def reward_terms(
        self, episode: Rise, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Turn upright, then rise, then take the standing pose and keep still."""
        upright = np.square(0.5 * (1.0 + state.up[:, 2]))  # 0 on its back, 1/4 on its side
        target = HEIGHT_TARGET * self.stature
        height = np.clip(self._height(episode, state) / target, 0.0, 1.0)
        pose = np.sqrt(squared_norm(state.joint_position - self.robot.home_pose))
        stands = self._stands(episode, state)
        speed = state.joint_velocity / self.scale.rate
        return {
            "upright": 0.5 * upright,
            "height": 0.5 * upright * height,
            "pose": 0.5 * upright * height * bell(pose / POSE_WIDTH),
            "stand": 0.5 * stands,
            "still": -np.where(stands, 1e-3, 1e-4) * squared_norm(speed),
            "torque": -2e-5 * squared_norm(state.joint_torque / self.scale.torque),
            "action_rate": -5e-3 * squared_norm(action - episode.last_action),
        }

    def terminated(self, episode: Rise, state: LeggedState) -> np.ndarray:
        """Never: lying is where it begins."""
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: Rise, state: LeggedState, action: np.ndarray) -> None:
        """Tally how long each robot has stood."""
        episode.standing[:] = np.where(self._stands(episode, state), episode.standing + 1, 0)
        risen = (episode.rose < 0) & (episode.standing == HOLD_STEPS)
        episode.rose[risen] = episode.elapsed[risen] - HOLD_STEPS + 1
        episode.contact[:] = state.foot_touch > TOUCH_THRESHOLD * self.scale.mass
        episode.last_action[:] = action

    def observe(self, episode: Rise, state: LeggedState) -> np.ndarray:
        """What a robot has, then what only the critic sees."""
        parts = [
            state.base_angular_velocity,  # 3
            state.up,  # 3
            state.joint_position - self.robot.home_pose,  # 12
            state.joint_velocity,  # 12
            episode.last_action,  # 12
            state.base_linear_velocity,  # 3
            self._under(episode, state),  # 9
            episode.contact,  # 4
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 22 + 3 A)

    def success(self, episode: Rise, sim: int) -> bool:
        """It stood within five seconds, for a second."""
        return 0 <= int(episode.rose[sim]) <= RISE_STEPS

    def metrics(self, episode: Rise, sim: int) -> dict[str, float | None]:
        """After how many seconds it stood; None: not in time."""
        seconds = int(episode.rose[sim]) * self.control_dt
        return {"rise_time": seconds if self.success(episode, sim) else None}

    def baselines(self) -> dict[str, Act]:
        """Action 0, whose soft servos sag, and the standing pose truly held."""
        return super().baselines() | {"hold pose": hold_pose(self)}

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task, undisturbed."""
        other = super().trial(terrain)
        other.level = None
        return other

    def _under(self, episode: Rise, state: LeggedState) -> np.ndarray:
        """Height of the ground below the trunk from its centre, m, (N, 9)."""
        points, heading = self.scale.size * UNDER, yaw(state.base_orientation)
        return scan(self.pool, episode.patch, state.base_position, heading, points)

    def _height(self, episode: Rise, state: LeggedState) -> np.ndarray:
        """Height of the trunk's centre over the mean ground below it, m, (N,)."""
        return -self._under(episode, state).mean(axis=1)

    def _stands(self, episode: Rise, state: LeggedState) -> np.ndarray:
        """Upright, and clear of the ground, bool, (N,)."""
        lowest = STANDING_HEIGHT * self.stature
        return (state.up[:, 2] > UPRIGHT) & (self._height(episode, state) > lowest)
