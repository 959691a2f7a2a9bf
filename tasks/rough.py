"""A quadruped follows velocity commands over ground that it has not seen before.

What differs from flat ground: a pool of terrain patches with a curriculum, gentler commands, feet
that must clear what lies around them, and an observation of no more than a robot has. The true
velocity and the shape of the ground are for the critic; the policy of ``quadruped-rough-scan`` sees
the ground too.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from robo_maxent.envs.curriculum import PROMOTION, Curriculum, distances, progress
from robo_maxent.envs.rewards import squared_norm
from robo_maxent.envs.task import Initial
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.seeds import Purpose
from robo_maxent.sim.capture_impulse import capture_impulse
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import from_heading, to_base, yaw
from robo_maxent.sim.terrain_pool import TerrainPool, scan
from robo_maxent.spaces import Field
from robo_maxent.tasks.four_legs import LEGS, POLAR
from robo_maxent.tasks.patches import TERRAIN, OnPatches
from robo_maxent.tasks.quadruped import (
    BODY,
    MAX_COMMANDS,
    SLOWEST_COMMAND,
    STANDING_SHARE,
    TOUCH_THRESHOLD,
    QuadrupedWalk,
    Walk,
    blank_walk,
)

# Commands: as on flat ground, gentler. Half of them go straight, or a robot that always turns would
# circle on the flat platform that it starts on.
COMMAND_LOW = np.array([-0.6, -0.4, -0.8])
COMMAND_HIGH = np.array([1.0, 0.4, 0.8])
STRAIGHT_SHARE = 0.5

# Gait: a swinging foot is a little over the highest ground this far ahead of it and behind it;
# higher costs nothing.
REACH = 0.10  # m
CLEARANCE = 0.7  # of the swing height on flat ground: 0.05 m

# Which way each foot stands of the base, ahead and to the left, FR, FL, RR, RL.
CORNERS = np.array([[1, -1], [1, 1], [-1, -1], [-1, 1]])

# Randomization widens with the rank in the curriculum, up to its full width at this level.
FULL_LEVEL = 4

# Leg odometry: as a walking robot estimates its velocity, a foot on the ground stands still.
ODOMETRY_SECONDS = 0.06  # s, time constant of its filter, three control steps
ODOMETRY_NOISE = 0.1  # m/s, half-width: what MuJoCo Playground's Go1 has for its velocity

# Training begins anywhere on a patch, so that the time goes into its ground and not into the way to
# it; an evaluation begins on the platform at the centre.
START_REACH = 2.0  # m
START_ABOVE = 0.01  # m between the lowest part of the robot and the ground

# Points of the ground that are seen, in the heading frame, m: ahead, to the left. They are 0.1 m
# apart, as in mjlab and legged_gym: farther apart they would miss the gaps and blur the steps.
SCAN_AHEAD, SCAN_LEFT = np.linspace(-0.3, 0.8, 12), np.linspace(-0.3, 0.3, 7)
SCAN = np.stack(np.meshgrid(SCAN_AHEAD, SCAN_LEFT, indexing="ij"), axis=2).reshape(-1, 2)
SCAN_NOISE = 0.02  # m; legged_gym has 0.1, of a lidar map: a depth camera at 1 m is good to 0.02
_FLIP_SCAN = tuple(np.arange(len(SCAN)).reshape(12, 7)[:, ::-1].ravel().tolist())

# A fall costs what the 20 steps that gamma 0.95 looks ahead earn, beside losing them: or a learner
# who sees no farther would risk it for the sake of speed.
FALL_COST = 40.0  # of reward, at about 2 a step

# Success: no fall, on average this close to the command, for as much of the way as promotes.
LINEAR_TOLERANCE = 0.35  # m/s
ANGULAR_TOLERANCE = 0.4  # rad/s
LEAST_COMMANDED = 1.0  # m; an episode with less is not judged by the way

# A command that leads off the platform, for films.
AHEAD_SPEED = 0.6  # m/s
AHEAD_SECONDS = 5.0

OWN = (
    Field(
        "base linear velocity by leg odometry, base frame", "m/s", 3, POLAR, noise=ODOMETRY_NOISE
    ),
    *BODY,
    Field("foot contact", "1", 4, (1,) * 4, (1, 0, 3, 2)),
)
"""What a robot has."""

TRUTH = (Field("base linear velocity, base frame", "m/s", 3, POLAR, privileged=True),)
"""What only a simulator knows."""


def _ground(privileged: bool) -> Field:
    return Field(
        "height of the ground from where the base would stand on it, heading frame",
        "m",
        len(SCAN),
        (1,) * len(SCAN),
        _FLIP_SCAN,
        noise=0.0 if privileged else SCAN_NOISE,
        privileged=privileged,
    )


@dataclass
class Trek(Walk):
    """Running episodes on a pool of patches."""

    slot: np.ndarray
    """Slot of the curriculum that each simulation has, int, (N,)."""
    level: np.ndarray
    """Level of each slot, int, (N,)."""
    graduated: np.ndarray
    """The top level of the slot is mastered, bool, (N,)."""
    commanded: np.ndarray
    """Distance commanded in the episode, m, (N,)."""
    covered: np.ndarray
    """Distance covered along the command, m, (N,)."""
    pace: np.ndarray
    """The same of a control step, averaged over about a stride, m, (N,)."""
    odometry: np.ndarray
    """Velocity of the base as its legs tell it, base frame, m/s, (N, 3)."""
    contact: np.ndarray
    """Whether each foot touched the ground in the last control step, bool, (N, 4)."""


class QuadrupedRough(  # pyright: ignore[reportIncompatibleVariableOverride]
    OnPatches[Trek], QuadrupedWalk[Trek]
):
    """Follow velocity commands over a pool of terrain patches, blind."""

    name = "quadruped-rough"
    summary = "the same over slopes, stairs, stones and gaps that it can't see"
    observation = (*OWN, *TRUTH, _ground(privileged=True))
    sees_ground = False
    preset = "rough"
    tours = True
    linear_tolerance = LINEAR_TOLERANCE
    angular_tolerance = ANGULAR_TOLERANCE
    command_range = (COMMAND_LOW, COMMAND_HIGH)
    termination_cost = FALL_COST
    reward_range = (0.0, 3.5)

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
        kinds: Sequence[str] = TERRAIN,
        level: int | None = None,
        curriculum: bool = True,
    ) -> None:
        """Build the world, see :class:`OnPatches`.

        Args:
            robot_file: A robot of its user's, see :class:`MujocoTask`; None: ``quadruped.xml``.
            randomization: What differs between episodes: ranges, or the name of a level.
            kinds: Kinds of terrain, see ``robo-maxent terrain``.
            level: Of every episode, from 0 to 10; None: that of the curriculum.
            curriculum: Every simulation trains on its own level; False: on any, as in evaluation.
        """
        super().__init__(robot_file, randomization, kinds, level)
        self.curriculum = curriculum

    @property
    def options(self) -> dict[str, Any]:
        """What builds this task again, beside its name."""
        return super().options | {"curriculum": self.curriculum}

    def episode_state(self, n: int) -> Trek:
        """N episodes that have not begun, at the first level."""
        return Trek.blank(
            n,
            self.action_size,
            **blank_walk(n),
            slot=np.arange(n),
            level=np.zeros(n, np.int64),
            graduated=np.zeros(n, bool),
            commanded=np.zeros(n),
            covered=np.zeros(n),
            pace=np.zeros(n),
            odometry=np.zeros((n, 3)),
            contact=np.zeros((n, len(LEGS)), bool),
        )

    def reset(self, episode: Trek, sim: int, rng: np.random.Generator) -> Initial:
        """Stand on a patch of the level that is due, on its platform or, in training, anywhere."""
        initial = super().reset(episode, sim, rng)
        qpos = initial.qpos
        episode.commanded[sim] = episode.covered[sim] = episode.pace[sim] = 0.0
        episode.odometry[sim] = 0.0
        episode.contact[sim] = False
        if self._climbs:
            qpos[:2] = rng.uniform(-START_REACH, START_REACH, 2)
            qpos[2] += self._sunk(qpos, int(episode.patch[sim])) + START_ABOVE
        else:
            qpos[2] += self.pool.spawn_height(episode.patch[sim])
        return initial

    def after_step(self, episode: Trek, state: LeggedState, action: np.ndarray) -> None:
        """Tally the way, and what is tallied on flat ground."""
        velocity = state.base_linear_velocity
        covered, commanded = distances(episode.command, velocity, self.control_dt)
        judged = self._judged(episode)
        episode.commanded += judged * commanded
        # Haste does not make up for a standstill; the swing of a stride about its mean is no haste.
        episode.pace += (covered - episode.pace) * self.stride_step
        episode.covered += judged * np.minimum(episode.pace, commanded)
        episode.contact[:] = state.foot_touch > TOUCH_THRESHOLD * self.scale.mass
        self._reckon(episode, state)
        super().after_step(episode, state, action)

    def _terms(
        self, episode: Trek, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """As on flat ground, and to get on: or slow steps, which are safe, would cost little."""
        terms = super()._terms(episode, state, action)
        got_on = progress(*distances(episode.command, state.base_linear_velocity, self.control_dt))
        terms["track_angular"] *= 2.0
        return terms | {"progress": 0.5 * np.clip(got_on, -1.0, 1.0)}

    def after_episode(self, episode: Trek, sim: int, terminated: bool) -> None:
        """Promote or demote its slot."""
        if not self._climbs:
            return
        gone = progress(episode.covered, episode.commanded)
        self._curriculum(episode).update(sim, gone[sim], terminated, episode.commanded[sim])

    def observe(self, episode: Trek, state: LeggedState) -> np.ndarray:
        """What a robot has, then what only the critic sees."""
        own = [
            episode.odometry,  # 3
            *self.body(episode, state),  # 11 + 3 A
            episode.contact,  # 4
        ]
        truth = [state.base_linear_velocity]  # 3
        heading = yaw(state.base_orientation)
        ground = scan(self.pool, episode.patch, state.base_position, heading, SCAN)
        ground += self.robot.home_height  # 84
        parts = [*own, ground, *truth] if self.sees_ground else [*own, *truth, ground]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 105 + 3 A)

    def success(self, episode: Trek, sim: int) -> bool:
        """It followed its commands, and covered as much of the way as promotes."""
        covered = self.metrics(episode, sim)["progress"]
        return super().success(episode, sim) and (covered is None or covered > PROMOTION)

    def metrics(self, episode: Trek, sim: int) -> dict[str, float | None]:
        """Tracking errors, and the share of the commanded way that was covered."""
        way = episode.commanded[sim]
        covered = float(episode.covered[sim] / way) if way >= LEAST_COMMANDED else None
        return super().metrics(episode, sim) | {"progress": covered}

    def goes_ahead(self, episode: Trek, sim: int) -> bool:
        """Whether the first command of an episode leads straight off the platform."""
        ahead, left, turn = episode.commands[sim, 0]
        long = episode.begins[sim, 1] * self.control_dt > AHEAD_SECONDS
        return bool(
            ahead > AHEAD_SPEED * self.scale.speed
            and abs(left) < ahead / 2
            and turn == 0.0
            and long
        )

    def randomization_of(self, episode: Trek, sim: int) -> Randomization:
        """In training, a beginner meets a fifth of what differs between robots.

        All of it would keep him from learning to walk for longer than everything that follows.
        """
        if not self._climbs:
            return self.randomization
        level = int(episode.level[episode.slot[sim]])
        return self.randomization.narrowed(min(1.0, (1 + level) / (1 + FULL_LEVEL)))

    def training_metrics(self, episode: Trek) -> dict[str, float]:
        """Levels reached in the curriculum: their mean, and that of each kind of terrain."""
        slots = self._curriculum(episode)
        kinds = {f"level/{kind}": level for kind, level in slots.levels_by_kind().items()}
        return {"level/mean": slots.mean_level} | kinds

    def unseen(self, seed: int, purpose: Purpose = Purpose.EVALUATION) -> Self:
        """The same task on new patches of any level."""
        other = super().unseen(seed, purpose)
        other.curriculum = False
        return other

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task with one command in an episode, undisturbed."""
        other = super().trial(terrain)
        other.curriculum, other.level = False, None
        return other

    @property
    def _climbs(self) -> bool:
        """Whether episodes follow the curriculum: in training, unless their ground is given."""
        return self.curriculum and self.level is None and self.patches is None

    def _curriculum(self, episode: Trek) -> Curriculum:
        """The curriculum whose state is in that of the episodes."""
        slots = Curriculum(self.pool.kinds, len(episode.level), self.pool.levels)
        slots.slot, slots.levels, slots.graduated = episode.slot, episode.level, episode.graduated
        return slots

    def draw_ground(self, episode: Trek, sim: int, rng: np.random.Generator) -> tuple[str, int]:
        """In training what the curriculum says."""
        if self._climbs:
            return self._curriculum(episode).draw(sim, rng)
        return super().draw_ground(episode, sim, rng)

    def _reckon(self, episode: Trek, state: LeggedState) -> None:
        """Leg odometry: the base moves against the feet that touch the ground, if any does."""
        standing = episode.contact.sum(axis=1, keepdims=True)  # (N, 1)
        slipping = (episode.contact[:, :, None] * state.foot_velocity).sum(axis=1)
        slipping = to_base(state.base_orientation, slipping / np.maximum(standing, 1))  # (N, 3)
        error = state.base_linear_velocity - slipping - episode.odometry
        episode.odometry += error * (standing > 0) * (self.control_dt / ODOMETRY_SECONDS)

    def _draw_commands(self, rng: np.random.Generator) -> np.ndarray:
        low, high = self.command_range
        commands = rng.uniform(low, high, (MAX_COMMANDS, 3))
        commands[rng.random(MAX_COMMANDS) < STRAIGHT_SHARE, 2] = 0.0
        commands[rng.random(MAX_COMMANDS) < STANDING_SHARE] = 0.0
        commands[np.linalg.norm(commands, axis=1) < SLOWEST_COMMAND] = 0.0
        return commands * self.command_scale

    def _underfoot(self, episode: Trek, state: LeggedState) -> np.ndarray:
        """Height of the ground below each foot, m, (N, 4)."""
        return self.pool.height(
            episode.patch, state.foot_position[:, :, 0], state.foot_position[:, :, 1]
        )

    def _base_height(self, episode: Trek, state: LeggedState) -> np.ndarray:
        return state.base_position[:, 2] - self._underfoot(episode, state).mean(axis=1)

    @cached_property
    def _rise(self) -> np.ndarray:
        """Rise of the ground ahead and to the left, from the heights below the feet, 1/m, (4, 2).

        What matters is how far apart they stand: 0.376 m and 0.254 m, of the shipped quadruped.
        """
        impulse = capture_impulse(self.robot)
        apart = np.round(2 * np.array([impulse.half_length, impulse.half_width]), 3)
        return CORNERS / (2 * apart)

    def _slope(self, episode: Trek, state: LeggedState) -> np.ndarray:
        # Not a product of matrices, which rounds one row otherwise than many.
        slope = (self._underfoot(episode, state)[:, :, None] * self._rise).sum(axis=1)  # (N, 2)
        return slope / np.sqrt(1.0 + squared_norm(slope))[:, None]

    def _foot_height_error(
        self, episode: Trek, state: LeggedState, target: np.ndarray
    ) -> np.ndarray:
        """Of a standing foot, over the ground below it; of a swinging one, what it lacks."""
        reach = REACH * self.scale.size
        ahead = np.repeat([[0.0, 0.0], [reach, 0.0], [-reach, 0.0]], 4, axis=0)  # (12, 2)
        feet = np.tile(state.foot_position[:, :, :2], (1, 3, 1))  # (N, 12, 2)
        points = from_heading(yaw(state.base_orientation), ahead, feet)
        ground = self.pool.height(episode.patch, points[..., 0], points[..., 1])
        ground = ground.reshape(-1, 3, 4)
        height = state.foot_position[:, :, 2] - self.robot.foot_radius
        lacking = np.minimum(height - ground.max(axis=1) - CLEARANCE * target, 0.0)
        return np.where(target > 0.0, lacking, height - ground[:, 0])


class QuadrupedRoughScan(QuadrupedRough):
    """The same, with the ground ahead in the policy's observation."""

    name = "quadruped-rough-scan"
    summary = "the same, seeing the ground ahead"
    observation = (*OWN, _ground(privileged=False), *TRUTH)
    sees_ground = True
