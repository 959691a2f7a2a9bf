"""A quadruped follows velocity commands: forward, sideways, turning, standing.

Read it from top to bottom: timing, commands, gait, observation, reward, what counts as a fall and
what counts as success. Numbers are those of the shipped quadruped; ``self.scale`` and
``self.stature`` make them another robot's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from robo_maxent.envs.rewards import bell, squared_norm
from robo_maxent.envs.task import EpisodeState, Initial, Task, Tracking
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import from_heading, yaw
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import Field
from robo_maxent.tasks.four_legs import (
    AXIAL,
    JOINT_OFFSET,
    JOINT_VELOCITY,
    JOINTS,
    LAST_ACTION,
    POLAR,
    SWAP_LEGS,
    OnFourLegs,
)
from robo_maxent.types import Act, Arrow

# Timing.
EPISODE_STEPS = 1000  # 20 s

# Commands: forward m/s, leftward m/s, counter-clockwise rad/s, all in the base frame.
COMMAND_LOW = np.array([-1.0, -0.5, -1.0])
COMMAND_HIGH = np.array([1.0, 0.5, 1.0])
COMMAND_SECONDS = (3.0, 8.0)  # a command is held this long, uniform
MAX_COMMANDS = 7  # 20 s / 3 s, rounded up
STANDING_SHARE = 0.1  # of commands
SLOWEST_COMMAND = 0.1  # norm below which a command means standing

# A stress test: one command all the time, so fast that standing still does not do.
TRIAL_STEPS = 500  # 10 s
TRIAL_SPEED = (0.6, 1.0)  # of the highest command
TRIAL_SHARES = {  # of episodes on a plane; on patches only what leaves the platform, in proportion
    "ahead": 0.4,
    "back": 0.1,
    "sideways": 0.15,
    "curve": 0.15,
    "turning": 0.1,
    "standing": 0.1,
}
TRIAL_WAYS = ("ahead", "back", "sideways")

# Gait: a trot, diagonal legs together.
STRIDE_HZ = 2.5  # at 1 m/s a foot then travels 0.2 m on the ground, ±0.37 rad at the hip
LEG_PHASE = np.array([0.0, 0.5, 0.5, 0.0])  # of a stride, in the order of LEGS
SWING_HEIGHT = 0.07  # m, a quarter of the leg length
SWING_WIDTH = 0.04  # m, error of a foot's height at which that reward has fallen to 1/e
STANDING_WIDTH = 0.01  # m, the same while standing: every foot on the ground

# Reward: widths and targets; the weights, per control step, stand beside their terms.
LINEAR_WIDTH = 0.5  # m/s
ANGULAR_WIDTH = 0.5  # rad/s
HEIGHT_TARGET = 0.28  # m, just below the height of straight standing, 0.288 m
TOUCH_THRESHOLD = 1.0  # N

# Start of an episode: uniform around standing, either way.
START_ABOVE = 0.02  # m, dropped from at most this
START_JOINT = 0.1  # rad
START_VELOCITY = 0.3  # m/s and rad/s of the base

# What differs between episodes, unless asked for more.
FRICTION = {"foot_friction": (0.4, 1.2)}

# A fall.
LOWEST_BASE = 0.12  # m; the trunk is 0.055 m thick below its centre
LEAST_UPRIGHT = np.cos(np.deg2rad(70.0))

# Success.
SETTLING_STEPS = 50  # the first second after a new command is not judged
LINEAR_TOLERANCE = 0.25  # m/s, mean over the judged steps
ANGULAR_TOLERANCE = 0.3  # rad/s

# How far a robot is from walking well, each at least 0.
DEVIATIONS = {
    "tilt": "rad",  # of the trunk from level
    "height": "m",  # of the trunk over the ground, from that of standing
    "linear_error": "m/s",  # forward and leftward velocity, trunk frame, from the command
    "turning_error": "rad/s",  # turning, from the command
    "tumbling": "rad/s",  # rolling and pitching
}

# A baseline that truly holds the standing pose: joint targets go beyond it by so much of what is
# missing. At 1, legs are twice as stiff as their servos, which sag by a quarter of the height, and
# are still far from trembling.
STIFFER = 1.0

ARROW_ABOVE = np.array([0.0, 0.0, 0.16])  # m, from the trunk's centre
ARROW_SECONDS = 0.4  # a video shows velocities as the way covered in this time

# Sensor noise, half-widths: those of MuJoCo Playground's Go1, with legged_gym's for joint angles.
BODY = (
    Field("base angular velocity, base frame", "rad/s", 3, AXIAL, noise=0.2),
    Field("upward axis, base frame", "1", 3, POLAR, noise=0.05),
    Field("command: forward, leftward, turning", "m/s, m/s, rad/s", 3, (1, -1, -1)),
    Field(JOINT_OFFSET, "rad", 12, JOINTS, SWAP_LEGS, noise=0.01),
    Field(JOINT_VELOCITY, "rad/s", 12, JOINTS, SWAP_LEGS, noise=1.5),
    Field(LAST_ACTION, "1", 12, JOINTS, SWAP_LEGS),
    Field("stride clock: sine, cosine; zero when standing", "1", 2, (-1, -1)),
)
"""What :meth:`QuadrupedWalk.body` tells."""
OBSERVATION = (Field("base linear velocity, base frame", "m/s", 3, POLAR, noise=0.1), *BODY)


@dataclass
class Walk(EpisodeState):
    """Running episodes of a walk."""

    command: np.ndarray
    """Command in force, (N, 3)."""
    commands: np.ndarray
    """Every command of the episode, (N, MAX_COMMANDS, 3)."""
    begins: np.ndarray
    """Control step at which each command begins, int, (N, MAX_COMMANDS + 1)."""
    segment: np.ndarray
    """Index of the command in force, int, (N,)."""
    phase: np.ndarray
    """Stride phase at the start of the episode, (N,)."""
    judged: np.ndarray
    """Steps that count for success so far, int, (N,)."""
    linear_error: np.ndarray
    """Sum of the linear velocity error over the judged steps, m/s, (N,)."""
    angular_error: np.ndarray
    """Sum of the turning error over the judged steps, rad/s, (N,)."""


W = TypeVar("W", bound=Walk)


class QuadrupedWalk(OnFourLegs[W]):
    """What walking on any ground has in common."""

    deviation_units = DEVIATIONS
    episode_steps = EPISODE_STEPS
    linear_tolerance = LINEAR_TOLERANCE
    angular_tolerance = ANGULAR_TOLERANCE
    command_range = (COMMAND_LOW, COMMAND_HIGH)
    reward_range = (0.0, 2.5)
    trial_shares: Mapping[str, float] | None = None
    """Kind of command -> share of episodes, each of which has one only; None: commands change."""

    def reset(self, episode: W, sim: int, rng: np.random.Generator) -> Initial:
        """Stand somewhere near the standing pose, facing anywhere, with all commands drawn."""
        seconds = rng.uniform(*COMMAND_SECONDS, MAX_COMMANDS)
        commands = self._draw_commands(rng)
        if self.trial_shares is not None:
            commands[:] = self._trial_command(self.trial_shares, rng)
            seconds[:] = self.episode_steps * self.control_dt
        episode.commands[sim] = commands
        episode.command[sim] = commands[0]
        episode.begins[sim, 0] = 0
        episode.begins[sim, 1:] = np.cumsum(np.rint(seconds / self.control_dt))
        episode.phase[sim] = rng.uniform()
        episode.segment[sim] = episode.judged[sim] = 0
        episode.linear_error[sim] = episode.angular_error[sim] = 0.0

        facing = rng.uniform(-np.pi, np.pi)
        height = self.robot.home_height + rng.uniform(0.0, START_ABOVE * self.scale.size)
        joints = self.robot.home_pose + rng.uniform(-START_JOINT, START_JOINT, self.action_size)
        base = np.array([0.0, 0.0, height, np.cos(facing / 2), 0.0, 0.0, np.sin(facing / 2)])
        velocity, start = np.zeros(self.robot.model.nv), self.robot.base_dof
        velocity[start : start + 6] = rng.uniform(-START_VELOCITY, START_VELOCITY, 6)
        return Initial(self.pose(base, joints), velocity)

    def reward_terms(
        self, episode: W, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Track the command with a trot that lifts its feet and keeps the trunk quiet."""
        terms = self._terms(episode, state, action)
        # Never below zero in sum: or falling early would pay while the penalties still dominate.
        total = sum(terms.values(), np.zeros(len(action)))
        return terms | {"floor": np.maximum(-total, 0.0)}

    def _terms(self, episode: W, state: LeggedState, action: np.ndarray) -> dict[str, np.ndarray]:
        """The reward but for its floor, each (N,)."""
        size, speed, rate = self.scale.size, self.scale.speed, self.scale.rate
        moving = _moving(episode.command)
        linear, angular = _tracking_error(episode.command, state)
        target = size * SWING_HEIGHT * self._swing(episode) * moving[:, None]
        touching = state.foot_touch > TOUCH_THRESHOLD * self.scale.mass
        slip = squared_norm(state.foot_velocity[:, :, :2] / speed) * touching
        width = size * np.where(moving, SWING_WIDTH, STANDING_WIDTH)[:, None]
        feet = self._foot_height_error(episode, state, target)
        lacking = self._base_height(episode, state) - HEIGHT_TARGET * self.stature
        pose = state.joint_position - self.robot.home_pose
        still = ~moving
        return {
            "track_linear": 1.0 * bell(linear / (LINEAR_WIDTH * speed)),
            "track_angular": 0.5 * bell(angular / (ANGULAR_WIDTH * rate)),
            "foot_height": 1.0 * bell(feet / width).mean(axis=1),
            "level": -2.0 * squared_norm(state.up[:, :2] - self._slope(episode, state)),
            "height": -10.0 * (lacking / size) ** 2,
            "bounce": -0.5 * (state.base_linear_velocity[:, 2] / speed) ** 2,
            "wobble": -0.05 * squared_norm(state.base_angular_velocity[:, :2] / rate),
            "slip": -0.15 * slip.sum(axis=1),
            "pose": -np.where(still, 0.5, 0.1) * squared_norm(pose),
            "tremble": -np.where(still, 5e-3, 1e-4) * squared_norm(state.joint_velocity / rate),
            "action_rate": -0.02 * squared_norm(action - episode.last_action),
        }

    def body(self, episode: W, state: LeggedState) -> list[np.ndarray]:
        """Rates, attitude, command, joints, last action and stride clock."""
        return [
            state.base_angular_velocity,  # 3
            state.up,  # 3
            episode.command,  # 3
            state.joint_position - self.robot.home_pose,  # 12
            state.joint_velocity,  # 12
            episode.last_action,  # 12
            self._clock(episode),  # 2
        ]

    def terminated(self, episode: W, state: LeggedState) -> np.ndarray:
        """The trunk is on the ground, or tilted more than 70 degrees."""
        lowest = LOWEST_BASE * self.stature
        return (self._base_height(episode, state) < lowest) | (state.up[:, 2] < LEAST_UPRIGHT)

    def after_step(self, episode: W, state: LeggedState, action: np.ndarray) -> None:
        """Tally the tracking errors, then change commands that are due."""
        linear, angular = _tracking_error(episode.command, state)
        judged = self._judged(episode)
        episode.judged += judged
        episode.linear_error += linear * judged
        episode.angular_error += angular * judged
        episode.last_action[:] = action
        row = np.arange(len(episode.elapsed))
        due = np.flatnonzero(episode.elapsed >= episode.begins[row, episode.segment + 1])
        episode.segment[due] = np.minimum(episode.segment[due] + 1, MAX_COMMANDS - 1)
        episode.command[due] = episode.commands[due, episode.segment[due]]

    @property
    def command_limits(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Those that commands are drawn between."""
        low, high = self.command_range
        return low * self.command_scale, high * self.command_scale

    def steer(self, episode: W, sim: int, command: np.ndarray) -> None:
        """Follow this command alone; what is near 0 means to stand."""
        slowest = SLOWEST_COMMAND * self.command_scale
        standing = np.linalg.norm(command / slowest) < 1.0
        episode.command[sim] = episode.commands[sim] = 0.0 if standing else command
        episode.segment[sim], episode.begins[sim, 0] = 0, episode.elapsed[sim]
        episode.begins[sim, 1:] = self.episode_steps

    def success(self, episode: W, sim: int) -> bool:
        """It followed its commands closely enough, on average."""
        errors = self.metrics(episode, sim)
        linear, angular = errors["linear_error"], errors["angular_error"]
        if linear is None or angular is None:
            return False
        slowest = self.linear_tolerance * self.scale.speed
        return linear <= slowest and angular <= self.angular_tolerance * self.scale.rate

    def metrics(self, episode: W, sim: int) -> dict[str, float | None]:
        """Mean tracking errors outside the first second after each new command, m/s and rad/s."""
        steps = int(episode.judged[sim])
        if not steps:
            return {"linear_error": None, "angular_error": None}
        return {
            "linear_error": float(episode.linear_error[sim] / steps),
            "angular_error": float(episode.angular_error[sim] / steps),
        }

    def deviations(self, episode: W, state: LeggedState) -> dict[str, np.ndarray]:
        """How far the robots are from walking as told, upright, at the height of standing."""
        linear, angular = _tracking_error(episode.command, state)
        return {
            "tilt": np.arccos(np.clip(state.up[:, 2], -1.0, 1.0)),
            "height": np.abs(self._base_height(episode, state) - self.robot.home_height),
            "linear_error": linear,
            "turning_error": angular,
            "tumbling": np.sqrt(squared_norm(state.base_angular_velocity[:, :2])),
        }

    def tracking(self, episode: W, state: LeggedState) -> Tracking | None:
        """The command in force, and the velocity along it."""
        command, linear = episode.command, state.base_linear_velocity
        ahead, left, turning = command.T
        size = np.sqrt(ahead * ahead + left * left)
        way = (ahead * linear[:, 0] + left * linear[:, 1]) / np.where(size > 0.0, size, 1.0)
        turn = np.sign(turning) * state.base_angular_velocity[:, 2]
        return Tracking(
            command=command.copy(),
            error=_tracking_error(command, state)[0],
            along=np.where(size > 0.0, way, turn),
            phase=np.where(_moving(command), self._phase(episode) % 1.0, np.nan),
        )

    def baselines(self) -> dict[str, Act]:
        """Action 0, whose soft servos sag, and the standing pose truly held."""
        return super().baselines() | {"hold pose": hold_pose(self)}

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task with one command in an episode, undisturbed."""
        other = super().trial(terrain)
        other.episode_steps = TRIAL_STEPS
        ways = TRIAL_SHARES if terrain is None else {way: TRIAL_SHARES[way] for way in TRIAL_WAYS}
        other.trial_shares = ways
        return other

    def arrows(self, episode: W, state: LeggedState, sim: int) -> list[Arrow]:
        """The commanded velocity in orange and the true one in blue, above the trunk."""
        shown = []
        for velocity, rgba, lift in (
            (episode.command[sim, :2], (0.95, 0.42, 0.10, 1.0), 1.2),
            (state.base_linear_velocity[sim, :2], (0.15, 0.45, 0.85, 1.0), 1.0),
        ):
            if np.linalg.norm(velocity) > 0.05:
                heading = yaw(state.base_orientation[[sim]])
                horizontal = from_heading(heading, ARROW_SECONDS * velocity[None])[0, 0]
                start = state.base_position[sim] + lift * self.scale.size * ARROW_ABOVE
                shown.append(Arrow(start, np.append(horizontal, 0.0), rgba))
        return shown

    def _draw_commands(self, rng: np.random.Generator) -> np.ndarray:
        """Every command of an episode, (MAX_COMMANDS, 3)."""
        low, high = self.command_range
        commands = rng.uniform(low, high, (MAX_COMMANDS, 3))
        commands[rng.random(MAX_COMMANDS) < STANDING_SHARE] = 0.0
        commands[np.linalg.norm(commands, axis=1) < SLOWEST_COMMAND] = 0.0
        return commands * self.command_scale

    @property
    def command_scale(self) -> np.ndarray:
        """Commands of the robot over those of the shipped quadruped, (3,)."""
        return np.array([self.scale.speed, self.scale.speed, self.scale.rate])

    def _trial_command(self, shares: Mapping[str, float], rng: np.random.Generator) -> np.ndarray:
        """The only command of an episode, (3,)."""
        share = np.array(list(shares.values()))
        kind = list(shares)[int(rng.choice(len(share), p=share / share.sum()))]
        low, high = self.command_range
        speed, side = rng.uniform(*TRIAL_SPEED), rng.choice([-1.0, 1.0])
        ahead, left, turning = speed * high * np.array([1.0, side, side])
        command = {
            "ahead": np.array([ahead, 0.0, 0.0]),
            "back": np.array([speed * low[0], 0.0, 0.0]),
            "sideways": np.array([0.0, left, 0.0]),
            "curve": np.array([ahead, 0.0, 0.5 * turning]),
            "turning": np.array([0.0, 0.0, turning]),
            "standing": np.zeros(3),
        }[kind]
        return command * self.command_scale

    def _base_height(self, episode: W, state: LeggedState) -> np.ndarray:
        """Height of the trunk's centre above the ground, m, (N,)."""
        return state.base_position[:, 2]

    def _slope(self, episode: W, state: LeggedState) -> np.ndarray | float:
        """Horizontal part of the upward axis of a trunk parallel to the ground, (N, 2)."""
        return 0.0

    def _foot_height_error(self, episode: W, state: LeggedState, target: np.ndarray) -> np.ndarray:
        """How far each foot is from the height above the ground that it should have, m, (N, 4)."""
        return state.foot_position[:, :, 2] - self.robot.foot_radius - target

    def _judged(self, episode: W) -> np.ndarray:
        """Whether the command in force has had time to be followed, bool, (N,)."""
        row = np.arange(len(episode.elapsed))
        return episode.elapsed - episode.begins[row, episode.segment] > SETTLING_STEPS

    def _clock(self, episode: W) -> np.ndarray:
        """Sine and cosine of the stride phase, zero when standing, (N, 2)."""
        angle = 2 * np.pi * self._phase(episode)
        return np.stack([np.sin(angle), np.cos(angle)], axis=1) * _moving(episode.command)[:, None]

    def _phase(self, episode: W) -> np.ndarray:
        return episode.phase + episode.elapsed * self.stride_step

    @property
    def stride_step(self) -> float:
        """Strides in a control step."""
        return self.control_dt * (STRIDE_HZ * self.scale.rate)

    def _swing(self, episode: W) -> np.ndarray:
        """How far up each foot should be, 0 in stance, 1 at mid-swing, (N, 4)."""
        phase = self._phase(episode)[:, None] + LEG_PHASE
        return np.maximum(np.sin(2 * np.pi * phase), 0.0)


class QuadrupedFlat(QuadrupedWalk[Walk]):
    """Follow velocity commands on a plane."""

    name = "quadruped-flat"
    summary = "a 12-joint quadruped follows velocity commands on flat ground"
    observation = OBSERVATION
    default_randomization = FRICTION

    def episode_state(self, n: int) -> Walk:
        """N walks that have not begun."""
        return Walk.blank(n, self.action_size, **blank_walk(n))

    def observe(self, episode: Walk, state: LeggedState) -> np.ndarray:
        """Velocity of the base, then what its body tells."""
        parts = [state.base_linear_velocity, *self.body(episode, state)]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 14 + 3 A)


def blank_walk(n: int) -> dict[str, np.ndarray]:
    """The fields of a :class:`Walk` that has not begun."""
    return {
        "command": np.zeros((n, 3)),
        "commands": np.zeros((n, MAX_COMMANDS, 3)),
        "begins": np.zeros((n, MAX_COMMANDS + 1), np.int64),
        "segment": np.zeros(n, np.int64),
        "phase": np.zeros(n),
        "judged": np.zeros(n, np.int64),
        "linear_error": np.zeros(n),
        "angular_error": np.zeros(n),
    }


def hold_pose(task: Task[Any, Any]) -> Act:
    """A policy that holds the standing pose against the sag of its servos."""
    names = [name for name, _, _ in task.policy_parts]
    end = sum(size for _, size, _ in task.policy_parts[: names.index(JOINT_OFFSET) + 1])
    joints, gain = slice(end - task.action_size, end), STIFFER / task.action_space.scale
    return lambda obs: np.clip(-gain * obs[:, joints], -1.0, 1.0)


def _moving(command: np.ndarray) -> np.ndarray:
    return np.any(command != 0.0, axis=1)


def _tracking_error(command: np.ndarray, state: LeggedState) -> tuple[np.ndarray, np.ndarray]:
    """Linear error, m/s, and turning error, rad/s, each (N,)."""
    linear = state.base_linear_velocity[:, :2] - command[:, :2]
    return (
        np.sqrt(squared_norm(linear)),
        np.abs(state.base_angular_velocity[:, 2] - command[:, 2]),
    )
