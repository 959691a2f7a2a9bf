"""A quadruped follows velocity commands: forward, sideways, turning, standing.

Read it from top to bottom: timing, commands, gait, observation, reward, what counts as a fall and
what counts as success.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.rewards import bell, squared_norm
from robo_maxent.envs.task import Memory, Task, Walking
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.perturbations.ranges import randomization as ranges
from robo_maxent.sim.robot import Readings, Robot, load, yaw
from robo_maxent.sim.terrain_pool import Pool
from robo_maxent.spaces import Field
from robo_maxent.types import Arrow

LEGS = ("FR", "FL", "RR", "RL")

# Timing.
SUBSTEPS = 5  # of 4 ms: 50 Hz control, the rate of the published Go1 controllers
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

# Action: joint targets around the standing pose. Wide enough to step at 1 m/s against the sag of
# the soft position gains (4.3 N·m at the knee of a standing robot is 0.12 rad).
ACTION_SCALE = np.tile([0.5, 1.0, 1.0], 4)  # rad; hip (sideways), thigh, calf

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
FRICTION = Randomization(foot_friction=(0.4, 1.2))

# A fall.
LOWEST_BASE = 0.12  # m; the trunk is 0.055 m thick below its centre
LEAST_UPRIGHT = np.cos(np.deg2rad(70.0))

# Success.
SETTLING_STEPS = 50  # the first second after a new command is not judged
LINEAR_TOLERANCE = 0.25  # m/s, mean over the judged steps
ANGULAR_TOLERANCE = 0.3  # rad/s

ARROW_ABOVE = np.array([0.0, 0.0, 0.16])  # m, from the trunk's centre
ARROW_SECONDS = 0.4  # a video shows velocities as the way covered in this time

# Reflection in the sagittal plane: polar vectors keep x and z, axial vectors keep y; legs swap
# sides, and the sideways hip angle changes sign.
POLAR, AXIAL = (1, -1, 1), (-1, 1, -1)
SWAP_LEGS = (3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8)
JOINTS = (-1, 1, 1) * 4

# Sensor noise, half-widths: those of MuJoCo Playground's Go1, with legged_gym's for joint angles.
BODY = (
    Field("base angular velocity, base frame", "rad/s", AXIAL, noise=0.2),
    Field("upward axis, base frame", "1", POLAR, noise=0.05),
    Field("command: forward, leftward, turning", "m/s, m/s, rad/s", (1, -1, -1)),
    Field("joint position from standing", "rad", JOINTS, SWAP_LEGS, noise=0.01),
    Field("joint velocity", "rad/s", JOINTS, SWAP_LEGS, noise=1.5),
    Field("last action", "1", JOINTS, SWAP_LEGS),
    Field("stride clock: sine, cosine; zero when standing", "1", (-1, -1)),
)
"""What :meth:`QuadrupedWalk.body` tells."""
OBSERVATION = (Field("base linear velocity, base frame", "m/s", POLAR, noise=0.1), *BODY)
ACTION = (Field("joint target from standing", "action scale", JOINTS, SWAP_LEGS),)


@dataclass
class Walk(Memory):
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


class QuadrupedWalk(Task[W]):
    """What walking on any ground has in common."""

    action = ACTION
    action_scale = ACTION_SCALE
    substeps = SUBSTEPS
    episode_steps = EPISODE_STEPS
    linear_tolerance = LINEAR_TOLERANCE
    angular_tolerance = ANGULAR_TOLERANCE
    command_range = (COMMAND_LOW, COMMAND_HIGH)
    trial_shares: Mapping[str, float] | None = None
    """Kind of command -> share of episodes, each of which has one only; None: commands change."""

    def begin(self, memory: W, sim: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Stand somewhere near the standing pose, facing anywhere, with all commands drawn."""
        seconds = rng.uniform(*COMMAND_SECONDS, MAX_COMMANDS)
        commands = self._draw_commands(rng)
        if self.trial_shares is not None:
            commands[:] = self._trial_command(self.trial_shares, rng)
            seconds[:] = self.episode_steps * self.control_dt
        memory.commands[sim] = commands
        memory.command[sim] = commands[0]
        memory.begins[sim, 1:] = np.cumsum(np.rint(seconds / self.control_dt))
        memory.phase[sim] = rng.uniform()
        memory.elapsed[sim] = memory.segment[sim] = memory.judged[sim] = 0
        memory.last_action[sim] = memory.linear_error[sim] = memory.angular_error[sim] = 0.0

        facing = rng.uniform(-np.pi, np.pi)
        height = self.robot.stand_height + rng.uniform(0.0, START_ABOVE)
        joints = self.robot.stand_pose + rng.uniform(-START_JOINT, START_JOINT, self.action_size)
        base = [0.0, 0.0, height, np.cos(facing / 2), 0.0, 0.0, np.sin(facing / 2)]
        moving = rng.uniform(-START_VELOCITY, START_VELOCITY, 6)
        velocity = np.concatenate([moving, np.zeros(self.action_size)])
        return np.concatenate([base, joints]), velocity

    def rewards(self, memory: W, now: Readings, action: np.ndarray) -> dict[str, np.ndarray]:
        """Track the command with a trot that lifts its feet and keeps the trunk quiet."""
        terms = self._terms(memory, now, action)
        # Never below zero in sum: or falling early would pay while the penalties still dominate.
        total = sum(terms.values(), np.zeros(len(action)))
        return terms | {"floor": np.maximum(-total, 0.0)}

    def _terms(self, memory: W, now: Readings, action: np.ndarray) -> dict[str, np.ndarray]:
        """The reward but for its floor, each (N,)."""
        moving = _moving(memory.command)
        linear, angular = _tracking_error(memory.command, now)
        target = SWING_HEIGHT * self._swing(memory) * moving[:, None]
        slip = squared_norm(now.foot_velocity[:, :, :2]) * (now.foot_touch > TOUCH_THRESHOLD)
        width = np.where(moving, SWING_WIDTH, STANDING_WIDTH)[:, None]
        feet = self._foot_height_error(memory, now, target)
        pose = now.joint_position - self.robot.stand_pose
        still = ~moving
        return {
            "track_linear": 1.0 * bell(linear / LINEAR_WIDTH),
            "track_angular": 0.5 * bell(angular / ANGULAR_WIDTH),
            "foot_height": 1.0 * bell(feet / width).mean(axis=1),
            "level": -2.0 * squared_norm(now.up[:, :2] - self._slope(memory, now)),
            "height": -10.0 * (self._base_height(memory, now) - HEIGHT_TARGET) ** 2,
            "bounce": -0.5 * now.base_linear_velocity[:, 2] ** 2,
            "wobble": -0.05 * squared_norm(now.base_angular_velocity[:, :2]),
            "slip": -0.15 * slip.sum(axis=1),
            "pose": -np.where(still, 0.5, 0.1) * squared_norm(pose),
            "tremble": -np.where(still, 5e-3, 1e-4) * squared_norm(now.joint_velocity),
            "action_rate": -0.02 * squared_norm(action - memory.last_action),
        }

    def body(self, memory: W, now: Readings) -> list[np.ndarray]:
        """Rates, attitude, command, joints, last action and stride clock."""
        return [
            now.base_angular_velocity,  # 3
            now.up,  # 3
            memory.command,  # 3
            now.joint_position - self.robot.stand_pose,  # 12
            now.joint_velocity,  # 12
            memory.last_action,  # 12
            self._clock(memory),  # 2
        ]

    def fallen(self, memory: W, now: Readings) -> np.ndarray:
        """The trunk is on the ground, or tilted more than 70 degrees."""
        return (self._base_height(memory, now) < LOWEST_BASE) | (now.up[:, 2] < LEAST_UPRIGHT)

    def advance(self, memory: W, now: Readings, action: np.ndarray) -> None:
        """Tally the tracking errors, then change commands that are due."""
        linear, angular = _tracking_error(memory.command, now)
        judged = self._judged(memory)
        memory.judged += judged
        memory.linear_error += linear * judged
        memory.angular_error += angular * judged
        memory.last_action[:] = action
        row = np.arange(len(memory.elapsed))
        due = np.flatnonzero(memory.elapsed >= memory.begins[row, memory.segment + 1])
        memory.segment[due] = np.minimum(memory.segment[due] + 1, MAX_COMMANDS - 1)
        memory.command[due] = memory.commands[due, memory.segment[due]]

    def outcome(self, memory: W, sim: int) -> tuple[bool, dict[str, float | None]]:
        """Mean tracking error outside the first second after each new command."""
        steps = int(memory.judged[sim])
        if not steps:
            return False, {"linear_error": None, "angular_error": None}
        linear = float(memory.linear_error[sim] / steps)
        angular = float(memory.angular_error[sim] / steps)
        success = linear <= self.linear_tolerance and angular <= self.angular_tolerance
        return success, {"linear_error": linear, "angular_error": angular}

    def walking(self, memory: W, now: Readings) -> Walking:
        """How far the robots are from walking as told, upright, at the height of standing."""
        linear, angular = _tracking_error(memory.command, now)
        deviations = [
            np.arccos(np.clip(now.up[:, 2], -1.0, 1.0)),
            np.abs(self._base_height(memory, now) - self.robot.stand_height),
            linear,
            angular,
            np.sqrt(squared_norm(now.base_angular_velocity[:, :2])),
        ]
        phase = np.where(_moving(memory.command), self._phase(memory) % 1.0, np.nan)
        return Walking(memory.command.copy(), phase, np.stack(deviations, axis=1))

    def trial(self, pool: Pool | None = None) -> Self:
        """The same task with one command in an episode, undisturbed."""
        other = super().trial(pool)
        other.episode_steps = TRIAL_STEPS
        ways = TRIAL_SHARES if pool is None else {way: TRIAL_SHARES[way] for way in TRIAL_WAYS}
        other.trial_shares = ways
        return other

    def arrows(self, memory: W, now: Readings, sim: int) -> list[Arrow]:
        """The commanded velocity in orange and the true one in blue, above the trunk."""
        facing = float(yaw(now.base_orientation[[sim]])[0])
        heading = np.array([[np.cos(facing), -np.sin(facing)], [np.sin(facing), np.cos(facing)]])
        shown = []
        for velocity, rgba, lift in (
            (memory.command[sim, :2], (0.95, 0.42, 0.10, 1.0), 1.2),
            (now.base_linear_velocity[sim, :2], (0.15, 0.45, 0.85, 1.0), 1.0),
        ):
            if np.linalg.norm(velocity) > 0.05:
                vector = np.append(ARROW_SECONDS * heading @ velocity, 0.0)
                start = now.base_position[sim] + lift * ARROW_ABOVE
                shown.append(Arrow(start, vector, rgba))
        return shown

    def _draw_commands(self, rng: np.random.Generator) -> np.ndarray:
        """Every command of an episode, (MAX_COMMANDS, 3)."""
        commands = rng.uniform(COMMAND_LOW, COMMAND_HIGH, (MAX_COMMANDS, 3))
        commands[rng.random(MAX_COMMANDS) < STANDING_SHARE] = 0.0
        commands[np.linalg.norm(commands, axis=1) < SLOWEST_COMMAND] = 0.0
        return commands

    def _trial_command(self, shares: Mapping[str, float], rng: np.random.Generator) -> np.ndarray:
        """The only command of an episode, (3,)."""
        share = np.array(list(shares.values()))
        kind = list(shares)[int(rng.choice(len(share), p=share / share.sum()))]
        low, high = self.command_range
        speed, side = rng.uniform(*TRIAL_SPEED), rng.choice([-1.0, 1.0])
        ahead, left, turning = speed * high * np.array([1.0, side, side])
        return {
            "ahead": np.array([ahead, 0.0, 0.0]),
            "back": np.array([speed * low[0], 0.0, 0.0]),
            "sideways": np.array([0.0, left, 0.0]),
            "curve": np.array([ahead, 0.0, 0.5 * turning]),
            "turning": np.array([0.0, 0.0, turning]),
            "standing": np.zeros(3),
        }[kind]

    def _base_height(self, memory: W, now: Readings) -> np.ndarray:
        """Height of the trunk's centre above the ground, m, (N,)."""
        return now.base_position[:, 2]

    def _slope(self, memory: W, now: Readings) -> np.ndarray | float:
        """Horizontal part of the upward axis of a trunk parallel to the ground, (N, 2)."""
        return 0.0

    def _foot_height_error(self, memory: W, now: Readings, target: np.ndarray) -> np.ndarray:
        """How far each foot is from the height above the ground that it should have, m, (N, 4)."""
        return now.foot_position[:, :, 2] - self.robot.foot_radius - target

    def _judged(self, memory: W) -> np.ndarray:
        """Whether the command in force has had time to be followed, bool, (N,)."""
        row = np.arange(len(memory.elapsed))
        return memory.elapsed - memory.begins[row, memory.segment] > SETTLING_STEPS

    def _clock(self, memory: W) -> np.ndarray:
        """Sine and cosine of the stride phase, zero when standing, (N, 2)."""
        angle = 2 * np.pi * self._phase(memory)
        return np.stack([np.sin(angle), np.cos(angle)], axis=1) * _moving(memory.command)[:, None]

    def _phase(self, memory: W) -> np.ndarray:
        return memory.phase + memory.elapsed * (self.control_dt * STRIDE_HZ)

    def _swing(self, memory: W) -> np.ndarray:
        """How far up each foot should be, 0 in stance, 1 at mid-swing, (N, 4)."""
        phase = self._phase(memory)[:, None] + LEG_PHASE
        return np.maximum(np.sin(2 * np.pi * phase), 0.0)


class QuadrupedFlat(QuadrupedWalk[Walk]):
    """Follow velocity commands on a plane."""

    name = "quadruped-flat"
    summary = "a 12-joint quadruped follows velocity commands on flat ground"
    observation = OBSERVATION

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
    ) -> None:
        """Build the world.

        Args:
            robot_file: MJCF of a robot with the names of ``quadruped.xml``; None: that robot.
            randomization: What differs between episodes: ranges or the name of a level; None: the
                friction of the feet only.
        """
        self.robot_file = robot_file
        self.model_file = robot_file or path("quadruped.xml")
        self.robot = Robot(load(self.model_file), feet=LEGS)
        self.randomization = ranges(FRICTION if randomization is None else randomization)
        self.control_dt = SUBSTEPS * self.robot.model.opt.timestep

    def memory(self, n: int) -> Walk:
        """Empty memory of N simulations."""
        return Walk.blank(n, self.action_size, **blank_walk(n))

    def observe(self, memory: Walk, now: Readings) -> np.ndarray:
        """Velocity of the base, then what its body tells."""
        parts = [now.base_linear_velocity, *self.body(memory, now)]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 50)


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


def _moving(command: np.ndarray) -> np.ndarray:
    return np.any(command != 0.0, axis=1)


def _tracking_error(command: np.ndarray, now: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Linear error, m/s, and turning error, rad/s, each (N,)."""
    linear = now.base_linear_velocity[:, :2] - command[:, :2]
    return (
        np.sqrt(squared_norm(linear)),
        np.abs(now.base_angular_velocity[:, 2] - command[:, 2]),
    )
