"""The quadruped of dm_control's suite in its own world, many at once: walk, run, fetch.

Model, observations, rewards and starts are those of ``dm_control.suite.quadruped``, and equal its
own step for step: ``benchmarks/parity.py`` compares them along whole episodes. An episode lasts
20 s and nothing ends it earlier. dm_control knows returns and no success; what counts as one here,
each task says. Actions in [-1, 1] stand for the whole range of each control.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from robo_maxent.envs.gym_trial import EFFECTS
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import to_base
from robo_maxent.spaces import Box, Field
from robo_maxent.tasks.dm_world import ACTUATORS, LEGS, LOADS, DmModel, Start, dm_robot

SUBSTEPS = 4  # of 5 ms
EPISODE_STEPS = 1000  # 20 s
WALK, RUN = 0.5, 5.0  # m/s, from which the reward is full
FLOOR = EPISODE_STEPS * 0.02  # m, of half a floor for each m/s: nobody gets off it
CENTRE = np.tile([0.0, 0.05, 0.0], len(LEGS))  # rad of the joint, and of two tendons
SCALE = np.tile([1.0, 1.05, 0.8], len(LEGS))

# Reflection in the sagittal plane: polar vectors keep x and z, axial vectors keep y; legs swap
# sides, and what turns about the vertical changes sign.
POLAR, AXIAL = (1, -1, 1), (-1, 1, -1)


def swapped(each: int, groups: int = 1) -> tuple[int, ...]:
    """Permutation of elements, ``each`` per leg, when left and right legs swap places."""
    order = np.arange(groups * len(LEGS) * each).reshape(groups, len(LEGS), each)
    return tuple(order[:, [1, 0, 3, 2]].ravel().tolist())


OBSERVATION = (
    Field("joint position", "rad", 16, (-1, 1, 1, 1) * 4, swapped(4), noise=0.01),
    Field("joint velocity", "rad/s", 16, (-1, 1, 1, 1) * 4, swapped(4), noise=0.5),
    Field("activation", "rad", 12, (-1, 1, 1) * 4, swapped(3)),
    Field("torso velocity, torso frame", "m/s", 3, POLAR, noise=0.1),
    Field("cosine of the torso's tilt", "1", 1, (1,), noise=0.05),
    Field("torso acceleration, torso frame", "m/s²", 3, POLAR, noise=0.5),
    Field("torso angular velocity, torso frame", "rad/s", 3, AXIAL, noise=0.2),
    Field("arcsinh of force and torque at the toes", "1", 24, POLAR * 4 + AXIAL * 4, swapped(3, 2)),
)
BALL = (
    Field("ball position and velocity, torso frame", "m, m/s", 6, POLAR * 2, noise=0.02),
    Field("ball angular velocity", "rad/s", 3, AXIAL, noise=0.2),
    Field("target position, torso frame", "m", 3, POLAR, noise=0.02),
)


@dataclass
class DmEpisode(EpisodeState):
    """Running episodes of one of the tasks."""

    acceleration: np.ndarray
    """Of the torso in the last substep, torso frame, m/s², (N, 3). It stands here since an
    acceleration is no part of a state."""
    loads: np.ndarray
    """Forces, then torques, at the toes in the last substep, toe frames, N and N·m, (N, 24)."""
    late_reward: np.ndarray
    """Sum of rewards over the second half of the episode, (N,)."""
    arrived: np.ndarray
    """Whether the robot is, or has been, where it should be, bool, (N,)."""


class DmQuadruped(MujocoTask[DmEpisode, LeggedState]):
    """What the four tasks have in common."""

    perturbations = EFFECTS
    observation = OBSERVATION
    action = (Field("control", "of half its range", 12, (-1, 1, 1) * 4, swapped(3)),)
    action_scale = SCALE
    substeps = SUBSTEPS
    episode_steps = EPISODE_STEPS
    reward_range = (0.0, 1.0)
    upright_within: ClassVar[float] = 0.0
    """Tilt of the torso at which the reward is still full, rad."""

    _start: "Start | None" = None

    @property
    def action_space(self) -> Box:
        """Controls: targets of the yaw joint and of two tendons of each leg, rad."""
        return Box(ACTUATORS, CENTRE, SCALE)

    @property
    def start(self) -> "Start":
        """Finds the poses in which episodes begin, in the task's own world."""
        if self._start is None or self._start.robot is not self.robot:
            self._start = Start(self.robot)
        return self._start

    def control(self, episode: DmEpisode, state: LeggedState, action: np.ndarray) -> np.ndarray:
        """Controls, rad, (N, 12)."""
        return CENTRE + SCALE * action

    def episode_state(self, n: int) -> DmEpisode:
        """State of N episodes that have not begun."""
        return DmEpisode.blank(
            n,
            self.action_size,
            acceleration=np.zeros((n, 3)),
            loads=np.zeros((n, 24)),
            late_reward=np.zeros(n),
            arrived=np.zeros(n, bool),
        )

    def reset(self, episode: DmEpisode, sim: int, rng: np.random.Generator) -> Initial:
        """Begin at the centre in any orientation, just above what it could touch."""
        orientation = rng.standard_normal(4)
        orientation /= np.linalg.norm(orientation)
        data = self.start.above(orientation, 0.0, 0.0, int(episode.patch[sim]))
        return self._begun(episode, sim, data)

    def _begun(self, episode: DmEpisode, sim: int, data: mujoco.MjData) -> Initial:
        """State in which an episode begins, after its sensors were read once."""
        mujoco.mj_forward(data.model, data)
        episode.acceleration[sim] = data.sensor("imu_accel").data
        episode.loads[sim] = np.concatenate([data.sensor(name).data for name in LOADS])
        episode.late_reward[sim], episode.arrived[sim] = 0.0, False
        warm = data.qacc_warmstart.copy()
        return Initial(data.qpos.copy(), data.qvel.copy(), qacc_warmstart=warm)

    def observe(self, episode: DmEpisode, state: LeggedState) -> np.ndarray:
        """Observations with dm_control's fields, in its order."""
        return self.precisely(episode, state).astype(np.float32)

    def precisely(self, episode: DmEpisode, state: LeggedState) -> np.ndarray:
        """Observations before they are rounded to float32, float64, (N, O)."""
        parts = [
            state.joint_position,  # 16
            state.joint_velocity,  # 16
            state.activation,  # 12
            state.base_linear_velocity,  # 3
            state.up[:, 2:],  # 1
            episode.acceleration,  # 3
            state.base_angular_velocity,  # 3
            np.arcsinh(episode.loads),  # 24
            *self._also(state),
        ]
        return np.concatenate(parts, axis=1)  # (N, O)

    def _also(self, state: LeggedState) -> list[np.ndarray]:
        """Fields that only this task observes, (N, ...) each."""
        return []

    def upright(self, state: LeggedState) -> np.ndarray:
        """How upright the torso is: from 0, upside down, to 1, (N,)."""
        cosine = np.cos(self.upright_within)
        return at_least(state.up[:, 2], cosine, 1.0 + cosine)

    def terminated(self, episode: DmEpisode, state: LeggedState) -> np.ndarray:
        """Never: only the time limit ends an episode."""
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: DmEpisode, state: LeggedState, action: np.ndarray) -> None:
        """Store sensor readings, and sum the reward of the second half."""
        super().after_step(episode, state, action)
        episode.acceleration[:] = state.sensed["acceleration"]
        episode.loads[:] = state.sensed["loads"]
        reward = sum(self.reward_terms(episode, state, action).values())
        episode.late_reward += reward * (episode.elapsed > EPISODE_STEPS // 2)

    def metrics(self, episode: DmEpisode, sim: int) -> dict[str, float | None]:
        """Mean reward of a step in the second half, by when the robot has got up."""
        return {"late_reward": float(episode.late_reward[sim]) / (EPISODE_STEPS // 2)}


class DmMove(DmQuadruped):
    """Go ahead at a speed, from any orientation. Success is a late reward of at least 0.9."""

    speed: ClassVar[float]
    """Speed from which the reward is full, m/s."""

    def reward_terms(
        self, episode: DmEpisode, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Reward for speed times reward for being upright."""
        ahead = state.base_linear_velocity[:, 0]
        fast = at_least(ahead, self.speed, self.speed, at_margin=0.5)
        return {"upright_and_fast": self.upright(state) * fast}

    def success(self, episode: DmEpisode, sim: int) -> bool:
        """It went ahead upright and fast enough for the second half of the episode."""
        return float(episode.late_reward[sim]) >= 0.9 * (EPISODE_STEPS // 2)


class DmWalk(DmMove):
    """Half a metre per second."""

    name = "dm-quadruped-walk"
    summary = "dm_control's quadruped gets up and walks ahead, 0.5 m/s"
    speed = WALK
    robot_spec = dm_robot(DmModel(floor_size=WALK * FLOOR))


class DmRun(DmMove):
    """Five metres per second."""

    name = "dm-quadruped-run"
    summary = "the same runs, 5 m/s"
    speed = RUN
    robot_spec = dm_robot(DmModel(floor_size=RUN * FLOOR))


class DmFetch(DmQuadruped):
    """Bring a ball to the middle of a walled floor. Success is a ball on the target at the end."""

    name = "dm-quadruped-fetch"
    summary = "the same brings a ball to the middle"
    observation = OBSERVATION + BALL
    robot_spec = dm_robot(DmModel(walls_and_ball=True), target="target")

    def reset(self, episode: DmEpisode, sim: int, rng: np.random.Generator) -> Initial:
        """Begin upright, anywhere; a ball is thrown in anywhere else."""
        heading = rng.uniform(0.0, 2.0 * np.pi)
        orientation = np.array([np.cos(heading / 2.0), 0.0, 0.0, np.sin(heading / 2.0)])
        reach = 0.9 * self.robot.model.geom("floor").size[0]
        x, y = rng.uniform(-reach, reach, size=(2,))
        data = self.start.above(orientation, x, y, 0)
        ball, thrown = data.joint("ball_root").qpos, data.joint("ball_root").qvel
        ball[:2], ball[2] = rng.uniform(-reach, reach, size=(2,)), 2.0
        thrown[:2] = 5.0 * rng.standard_normal(2)
        return self._begun(episode, sim, data)

    def _also(self, state: LeggedState) -> list[np.ndarray]:
        """Positions of ball and target."""
        turned, base = state.base_orientation, state.base_position
        return [
            to_base(turned, state.sensed["ball_position"] - base),
            to_base(turned, state.sensed["ball_velocity"]) - state.base_linear_velocity,
            to_base(turned, state.sensed["ball_spin"]),
            to_base(turned, state.site_position["target"] - base),
        ]  # (N, 3) each

    def reward_terms(
        self, episode: DmEpisode, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """How upright it is, times how near the ball, times a half and half how near the target."""
        model, ball = self.robot.model, state.sensed["ball_position"]
        arena = model.geom("floor").size[0] * np.sqrt(2.0)
        within = model.site("workspace").size[0] + model.geom("ball").size[0]
        reach = at_most(_apart(state.site_position["workspace"], ball), within, arena)
        fetch = at_most(self._to_target(state), model.site("target").size[0], arena)
        return {"upright_at_the_ball": self.upright(state) * (reach * (0.5 + 0.5 * fetch))}

    def after_step(self, episode: DmEpisode, state: LeggedState, action: np.ndarray) -> None:
        """Store whether the ball is on the target."""
        super().after_step(episode, state, action)
        episode.arrived[:] = self._to_target(state) <= self.robot.model.site("target").size[0]

    def success(self, episode: DmEpisode, sim: int) -> bool:
        """The ball is on the target at the end."""
        return bool(episode.arrived[sim])

    def _to_target(self, state: LeggedState) -> np.ndarray:
        """Horizontal distance from ball to target, m, (N,)."""
        return _apart(state.site_position["target"], state.sensed["ball_position"])


def at_least(x: np.ndarray, bound: float, margin: float, at_margin: float = 0.0) -> np.ndarray:
    """1 from a bound on, falling linearly below it, to ``at_margin`` a margin lower, 0 at least.

    That is ``dm_control.utils.rewards.tolerance`` with a linear sigmoid.
    """
    fall = (bound - x) / margin * (1.0 - at_margin)
    return np.where(x >= bound, 1.0, np.where(np.abs(fall) < 1.0, 1.0 - fall, 0.0))


def at_most(x: np.ndarray, bound: float, margin: float) -> np.ndarray:
    """1 up to a bound, and falling linearly above it, to 0 a margin higher."""
    return at_least(-x, -bound, margin)


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Horizontal distance, m, (N,)."""
    return np.linalg.norm((one - other)[:, :2], axis=1)
