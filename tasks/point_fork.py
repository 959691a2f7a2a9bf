"""A puck goes round either side of a wall: the smallest task of two ways that are equally good."""

from dataclasses import dataclass

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.perturbations.blocked import OPEN, Blocked
from robo_maxent.perturbations.channel import ActionDelay, PacketLoss
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.sim.robot import RobotSpec, RobotState
from robo_maxent.spaces import Box, Field
from robo_maxent.tasks.fork import CLOSED, LIDS, WALLS, Fork, floor_plan, went_left
from robo_maxent.types import FloorPlan

FORK = Fork(start=-1.0, wall=(-0.16, 0.16), gap=0.65, goal=1.0)
NEARER = 0.1  # m, of the start, either way
AT_GOAL = 0.15  # m
SPEED = 1.0  # m/s at action 1


@dataclass
class Forking(EpisodeState):
    """Running episodes of the fork."""

    way: np.ndarray
    """Side of the first gap that was passed, int, (N,), see :meth:`Fork.chosen`."""
    arrived: np.ndarray
    """It is at the goal now, bool, (N,)."""


class PointFork(MujocoTask[Forking, RobotState]):
    """Go to the goal, by whichever gap."""

    name = "point-fork"
    summary = "a puck goes round either side of a wall"
    preset = "arm"
    robot_spec = RobotSpec(path("point.xml"), sites={"puck": "puck"}, walls=WALLS, lids=LIDS)
    perturbations = (Blocked(), SensorNoise(), PacketLoss(), ActionDelay())
    observation = (
        Field("position", "m", 2, noise=0.01),
        Field("velocity", "m/s", 2, noise=0.02),
        CLOSED,
    )
    action = (Field("velocity", "m/s", 2),)
    action_scale = np.array([SPEED, SPEED])
    substeps = 10  # of 10 ms
    reward_range = (-0.5, 1.0)  # at the lower end it has gone as far away again
    episode_steps = 60  # 6 s; either way takes three

    @property
    def action_space(self) -> Box:
        """Velocity wanted along x and y."""
        return Box(("x velocity", "y velocity"), np.zeros(2), self.action_scale)

    @property
    def floor_plan(self) -> FloorPlan:
        """The wall, its lids and the goal."""
        return floor_plan(FORK, self.robot, AT_GOAL)

    def control(self, episode: Forking, state: RobotState, action: np.ndarray) -> np.ndarray:
        """Velocities wanted, m/s, (N, 2)."""
        return self.action_scale * action

    def episode_state(self, n: int) -> Forking:
        """N episodes that have not begun."""
        blank = {"way": np.zeros(n, np.int64), "arrived": np.zeros(n, bool)}
        return Forking.blank(n, self.action_size, **blank)

    def reset(self, episode: Forking, sim: int, rng: np.random.Generator) -> Initial:
        """Begin in front of the wall, a little nearer or farther, and at rest."""
        episode.way[sim], episode.arrived[sim] = OPEN, False
        qpos = self.robot.home_qpos.copy()
        qpos[0] += rng.uniform(-NEARER, NEARER)
        return Initial(qpos)

    def observe(self, episode: Forking, state: RobotState) -> np.ndarray:
        """Where the puck is, how it moves, and which way is closed, if it is told."""
        closed = episode.params["blocked"] * episode.params["told"]
        parts = [_position(state), state.joint_velocity, closed[:, None]]
        return np.concatenate(parts, axis=1, dtype=np.float32)  # (N, 5)

    def reward_terms(
        self, episode: Forking, state: RobotState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """How much of the way is done, and being at the goal."""
        position = _position(state)
        way_left = FORK.way_left(position, episode.params["blocked"])
        return {
            "way": 0.5 * (1.0 - way_left / FORK.whole),
            "at_goal": 0.5 * (FORK.distance(position) < AT_GOAL),
        }

    def position(self, episode: Forking, state: RobotState) -> np.ndarray:
        """Of the puck, m, (N, 2)."""
        return _position(state)

    def terminated(self, episode: Forking, state: RobotState) -> np.ndarray:
        """Never."""
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: Forking, state: RobotState, action: np.ndarray) -> None:
        """Note which gap the puck came through, and whether it is there."""
        super().after_step(episode, state, action)
        position = _position(state)
        episode.way[:] = FORK.chosen(episode.way, position)
        episode.arrived[:] = FORK.distance(position) < AT_GOAL

    def success(self, episode: Forking, sim: int) -> bool:
        """It is at the goal at the last step."""
        return bool(episode.arrived[sim])

    def metrics(self, episode: Forking, sim: int) -> dict[str, float | None]:
        """``left``: whether it went left; None of one that went nowhere."""
        return {"left": went_left(int(episode.way[sim]))}


def _position(state: RobotState) -> np.ndarray:
    """Of the puck, m, (N, 2)."""
    return state.site_position["puck"][:, :2]
