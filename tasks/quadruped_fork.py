"""A quadruped walks to a goal behind a wall, round either side; one of them can be closed.

It is told neither a velocity nor a way: it learns to walk and where to go at once.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.rewards import bell
from robo_maxent.envs.task import Initial
from robo_maxent.perturbations.blocked import OPEN, Blocked
from robo_maxent.sim.robot import LeggedState, RobotSpec
from robo_maxent.sim.rotations import yaw
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import Field
from robo_maxent.tasks.fork import CLOSED, LIDS, WALLS, Fork, floor_plan, went_left
from robo_maxent.tasks.four_legs import (
    EFFECTS,
    JOINT_OFFSET,
    JOINT_TARGET,
    JOINT_VELOCITY,
    LAST_ACTION,
    LEGS,
)
from robo_maxent.tasks.quadruped import (
    DEVIATIONS,
    FRICTION,
    START_ABOVE,
    START_JOINT,
    QuadrupedWalk,
    Walk,
    blank_walk,
)
from robo_maxent.types import Arrow, FloorPlan

FORK = Fork(start=0.0, wall=(1.6, 2.4), gap=1.25, goal=4.0)
NEARER = 0.2  # m, of the start, either way
AT_GOAL = 0.5  # m
SPEED = 0.8  # m/s along the way that is wanted
SPEED_WIDTH = 0.5  # m/s
TURNING_WIDTH = 1.0  # rad/s
UPRIGHT = {name: DEVIATIONS[name] for name in ("tilt", "height", "tumbling")}
AHEAD = np.array([SPEED, 0.0, 0.0])
"""What the gait takes for the command: to walk; at the goal it stands."""


@dataclass
class ForkWalk(Walk):
    """Running episodes of a walk round a wall."""

    way: np.ndarray
    """Side of the first gap that was passed, int, (N,), see :meth:`Fork.chosen`."""
    way_left: np.ndarray
    """To the goal, by the shortest open way, m, (N,)."""


class QuadrupedFork(QuadrupedWalk[ForkWalk]):
    """Walk to the goal, by whichever gap."""

    name = "quadruped-fork"
    summary = "the quadruped walks round either side of a wall"
    robot_spec = RobotSpec(
        path("quadruped_fork.xml"),
        home="stand",
        base="trunk",
        feet=LEGS,
        walls=WALLS,
        lids=LIDS,
    )
    perturbations = (*EFFECTS, Blocked())
    default_randomization = FRICTION
    deviation_units = UPRIGHT
    observation = (
        Field("position", "m", 2, noise=0.02),
        Field("heading: cosine, sine", "1", 2),
        Field("base linear velocity, base frame", "m/s", 3, noise=0.1),
        Field("base angular velocity, base frame", "rad/s", 3, noise=0.2),
        Field("upward axis, base frame", "1", 3, noise=0.05),
        Field(JOINT_OFFSET, "rad", 12, noise=0.01),
        Field(JOINT_VELOCITY, "rad/s", 12, noise=1.5),
        Field(LAST_ACTION, "1", 12),
        Field("stride clock: sine, cosine; zero when standing", "1", 2),
        CLOSED,
    )
    action = (Field(JOINT_TARGET, "action scale", 12),)
    reward_range = (0.0, 3.25)
    episode_steps = 500  # 10 s; either way takes six at the speed that is wanted

    @property
    def command_limits(self) -> None:
        """It goes where it wants to."""
        return None

    @property
    def floor_plan(self) -> FloorPlan:
        """The wall, its lids and the goal."""
        return floor_plan(FORK, self.robot, AT_GOAL)

    def episode_state(self, n: int) -> ForkWalk:
        """N episodes that have not begun."""
        blank = {"way": np.zeros(n, np.int64), "way_left": np.zeros(n)}
        return ForkWalk.blank(n, self.action_size, **blank_walk(n), **blank)

    def reset(self, episode: ForkWalk, sim: int, rng: np.random.Generator) -> Initial:
        """Stand before the wall, facing it, a little nearer or farther."""
        x = rng.uniform(-NEARER, NEARER)
        closed = episode.params["blocked"][[sim]]
        episode.way[sim] = OPEN
        episode.way_left[sim] = FORK.way_left(np.array([[x, 0.0]]), closed)[0]
        episode.command[sim], episode.phase[sim] = AHEAD, rng.uniform()
        height = self.robot.home_height + rng.uniform(0.0, START_ABOVE * self.scale.size)
        joints = self.robot.home_pose + rng.uniform(-START_JOINT, START_JOINT, self.action_size)
        return Initial(self.pose(np.array([x, 0.0, height, 1.0, 0.0, 0.0, 0.0]), joints))

    def observe(self, episode: ForkWalk, state: LeggedState) -> np.ndarray:
        """Where it is and faces, what its body tells, and which way is closed, if it is told."""
        heading, closed = (
            yaw(state.base_orientation),
            episode.params["blocked"] * episode.params["told"],
        )
        parts = [
            state.base_position[:, :2],  # 2
            np.stack([np.cos(heading), np.sin(heading)], axis=1),  # 2
            state.base_linear_velocity,  # 3
            state.base_angular_velocity,  # 3
            state.up,  # 3
            state.joint_position - self.robot.home_pose,  # 12
            state.joint_velocity,  # 12
            episode.last_action,  # 12
            self._clock(episode),  # 2
            closed[:, None],  # 1
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 16 + 3 A)

    def _terms(
        self, episode: ForkWalk, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The gait of walking; in the place of a command, progress along the way."""
        way_left = self._way_left(episode, state)
        speed = (episode.way_left - way_left) / self.control_dt
        arrived = self._arrived(state)
        wanted = SPEED * self.scale.speed
        short = np.where(arrived, 0.0, np.maximum(wanted - speed, 0.0))
        turning = state.base_angular_velocity[:, 2]
        return super()._terms(episode, state, action) | {
            "track_linear": 1.0 * bell(short / (SPEED_WIDTH * self.scale.speed)),
            "track_angular": 0.25 * bell(turning / (TURNING_WIDTH * self.scale.rate)),
            "way": 1.0 * (1.0 - way_left / FORK.whole),
        }

    def after_step(self, episode: ForkWalk, state: LeggedState, action: np.ndarray) -> None:
        """Note how far it is, and which gap it came through; at the goal it should stand."""
        episode.way_left[:] = self._way_left(episode, state)
        episode.way[:] = FORK.chosen(episode.way, state.base_position[:, :2])
        episode.command[:] = np.where(self._arrived(state)[:, None], 0.0, AHEAD)
        episode.last_action[:] = action

    def success(self, episode: ForkWalk, sim: int) -> bool:
        """It is at the goal at the last step."""
        return bool(episode.way_left[sim] < AT_GOAL)

    def metrics(self, episode: ForkWalk, sim: int) -> dict[str, float | None]:
        """``left``: whether it went left, None: nowhere; ``way_left`` to the goal, m."""
        way, left = int(episode.way[sim]), float(episode.way_left[sim])
        return {"left": went_left(way), "way_left": left}

    def position(self, episode: ForkWalk, state: LeggedState) -> np.ndarray:
        """Of the base, m, (N, 2)."""
        return state.base_position[:, :2]

    def deviations(self, episode: ForkWalk, state: LeggedState) -> dict[str, np.ndarray]:
        """How far the robots are from upright, at the height of standing."""
        whole = super().deviations(episode, state)
        return {name: whole[name] for name in self.deviation_units}

    def tracking(self, episode: ForkWalk, state: LeggedState) -> None:
        """Nothing is commanded."""
        return None

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task, undisturbed."""
        return super(QuadrupedWalk, self).trial(terrain)

    def arrows(self, episode: ForkWalk, state: LeggedState, sim: int) -> list[Arrow]:
        """None: nothing is commanded."""
        return []

    def _way_left(self, episode: ForkWalk, state: LeggedState) -> np.ndarray:
        return FORK.way_left(state.base_position[:, :2], episode.params["blocked"])

    def _arrived(self, state: LeggedState) -> np.ndarray:
        return FORK.distance(state.base_position[:, :2]) < AT_GOAL
