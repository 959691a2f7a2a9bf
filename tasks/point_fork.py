"""A puck goes to a goal behind a wall with a gap on either side: two ways that are equally good.

Nothing is mirrored in learning, and episodes begin on the line of symmetry: only the policy can
choose.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT, Blocked
from robo_maxent.perturbations.channel import ActionDelay, PacketLoss
from robo_maxent.perturbations.sensing import SensorNoise
from robo_maxent.sim.robot import RobotSpec, RobotState
from robo_maxent.spaces import Box, Field

START, GOAL = np.array([-1.0, 0.0]), np.array([1.0, 0.0])  # m
WALL = 0.16  # m, half of its thickness and the radius of the puck
GAPS = {LEFT: 0.65, RIGHT: -0.65}  # m, y of their middles
NEARER = 0.1  # m, of the start
NEAR = 0.15  # m from the goal that are at it
SPEED = 1.0  # m/s at action 1


@dataclass
class Forking(EpisodeState):
    """Running episodes of the fork."""

    way: np.ndarray
    """Side of the first gap that the puck came through, LEFT or RIGHT; OPEN: none yet, (N,)."""
    arrived: np.ndarray
    """It is at the goal now, bool, (N,)."""


def way_left(position: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """Length of the shortest open way to the goal, m, (N,).

    Args:
        position: Of the puck, m, (N, 2).
        blocked: Side that is closed; OPEN: none, (N,).
    """
    x, y = position.T
    beyond = np.linalg.norm(GOAL - position, axis=1)
    lengths = []
    for side, gap in GAPS.items():
        behind = np.hypot(GOAL[0] - WALL, gap)
        before = np.hypot(-WALL - x, gap - y) + 2.0 * WALL + behind
        within = np.abs(gap - y) + (WALL - x) + behind
        lengths.append(np.where(blocked == side, np.inf, np.where(x < -WALL, before, within)))
    return np.where(x > WALL, beyond, np.min(lengths, axis=0))


class PointFork(MujocoTask[Forking, RobotState]):
    """Go to the goal, by whichever gap."""

    name = "point-fork"
    summary = "a puck goes round either side of a wall"
    preset = "arm"
    robot_spec = RobotSpec(
        Path(__file__).parent.parent / "assets" / "point.xml",
        sites={"puck": "puck"},
        lids=("left lid", "right lid"),
    )
    perturbations = (Blocked(), SensorNoise(), PacketLoss(), ActionDelay())
    observation = (
        Field("position", "m", 2, noise=0.01),
        Field("velocity", "m/s", 2, noise=0.02),
        Field("closed way", "left 1, right -1", 1),
    )
    action = (Field("velocity", "m/s", 2),)
    action_scale = np.array([SPEED, SPEED])
    substeps = 10
    episode_steps = 60

    @property
    def action_space(self) -> Box:
        """Velocity wanted along x and y."""
        return Box(("x velocity", "y velocity"), np.zeros(2), self.action_scale)

    def control(self, episode: Forking, state: RobotState, action: np.ndarray) -> np.ndarray:
        """Velocities wanted, m/s, (N, 2)."""
        return self.action_scale * action

    def episode_state(self, n: int) -> Forking:
        """N episodes that have not begun."""
        return Forking.blank(
            n, self.action_size, way=np.zeros(n, np.int64), arrived=np.zeros(n, bool)
        )

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
        position, blocked = _position(state), episode.params["blocked"]
        whole = way_left(START[None], np.array([OPEN]))
        return {
            "way": 0.5 * (1.0 - way_left(position, blocked) / whole),
            "at_goal": 0.5 * _arrived(position),
        }

    def terminated(self, episode: Forking, state: RobotState) -> np.ndarray:
        """Never."""
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: Forking, state: RobotState, action: np.ndarray) -> None:
        """Note which gap the puck came through."""
        super().after_step(episode, state, action)
        x, y = _position(state).T
        chosen = (episode.way == OPEN) & (x > WALL)
        episode.way[chosen] = np.where(y[chosen] > 0.0, LEFT, RIGHT)
        episode.arrived[:] = _arrived(_position(state))

    def success(self, episode: Forking, sim: int) -> bool:
        """It is at the goal at the last step."""
        return bool(episode.arrived[sim])

    def metrics(self, episode: Forking, sim: int) -> dict[str, float | None]:
        """``left``: 1 of an episode that went left, 0 right, None of one that went nowhere."""
        way = int(episode.way[sim])
        return {"left": None if way == OPEN else float(way == LEFT)}


def _position(state: RobotState) -> np.ndarray:
    """Of the puck, m, (N, 2)."""
    return state.site_position["puck"][:, :2]


def _arrived(position: np.ndarray) -> np.ndarray:
    return np.linalg.norm(GOAL - position, axis=1) < NEAR
