"""The contract between a task and a learner: what an episode is, whoever simulates it.

A task says how episodes begin, what is observed, rewarded and commanded, when they end, and what
success means. All of it is in arrays with a row for each of N episodes; what has to be remembered
of them stands in an :class:`EpisodeState`. How the world is simulated is said in ``mujoco_task``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.spaces import Box, Field, GoalSpec, Mirror, mirror, unprivileged
from robo_maxent.types import Act, Arrow, FloorPlan

if TYPE_CHECKING:
    from robo_maxent.sim.robot import RobotState


@dataclass
class EpisodeState:
    """What a task remembers of N running episodes: named arrays with N rows.

    Everything that a reward or an observation needs beyond the physics stands here, so that saving
    these arrays and the simulation state saves the episode.
    """

    elapsed: np.ndarray
    """Control steps since the episode began, int, (N,)."""
    last_action: np.ndarray
    """Action of the last control step, (N, A)."""
    number: np.ndarray
    """Number of each simulation within its set, int, (N,)."""
    patch: np.ndarray
    """Index of each episode's terrain patch, int, (N,); 0 on a plane."""
    params: Mapping[str, np.ndarray]
    """Parameters of effects in each episode, (N, ...), live, kept by the environment."""

    @classmethod
    def blank(cls, n: int, action_size: int, **fields: np.ndarray) -> Self:
        """State of N episodes that have not begun; ``fields`` are those of a subclass."""
        return cls(
            elapsed=np.zeros(n, np.int64),
            last_action=np.zeros((n, action_size)),
            number=np.arange(n),
            patch=np.zeros(n, np.int64),
            params={},
            **fields,
        )


@dataclass(frozen=True)
class Initial:
    """State of a simulation in which an episode begins; None: that of the home keyframe."""

    qpos: np.ndarray
    """Generalized position, (nq,)."""
    qvel: np.ndarray | None = None
    """Generalized velocity, (nv,); None: zero."""
    ctrl: np.ndarray | None = None
    """Controls of all actuators, (nu,)."""
    qacc_warmstart: np.ndarray | None = None
    """Accelerations from which the constraint solver starts, (nv,); None: zero."""
    mocap_pos: np.ndarray | None = None
    """Positions of mocap bodies, world frame, m, (nmocap, 3)."""
    mocap_quat: np.ndarray | None = None
    """Orientations of mocap bodies, unit quaternions w x y z, (nmocap, 4)."""


@dataclass(frozen=True)
class Tracking:
    """Commands of N robots, and how well they follow them."""

    command: np.ndarray
    """Forward m/s, leftward m/s, counter-clockwise rad/s, heading frame, (N, 3)."""
    error: np.ndarray
    """Error of the forward and leftward velocity, m/s, (N,)."""
    along: np.ndarray
    """Velocity along the command, m/s, or rad/s for a command to turn on the spot, (N,)."""
    phase: np.ndarray
    """Stride phase in [0, 1), NaN where the robot should stand, (N,)."""


E = TypeVar("E", bound=EpisodeState)
S = TypeVar("S", bound="RobotState")


class Task(ABC, Generic[E, S]):
    """A task on states S: how episodes begin, what is observed and rewarded, and when they end."""

    name: str
    summary: str
    """One line for the list of tasks."""
    preset: str = "default"
    """Name of its default training recipe."""
    observation: tuple[Field, ...]
    action: tuple[Field, ...]
    control_dt: float
    """Time between two actions, s."""
    episode_steps: int
    """Control steps after which an episode is truncated."""
    termination_cost: float = 0.0
    """Reward that an episode loses when it terminates."""
    reward_range: tuple[float, float] | None = None
    """Lowest and highest reward of a step, rare ones and the termination cost aside; None if
    unknown. A categorical critic spans the returns that follow from it."""
    goal: GoalSpec | None = None
    """Which parts of an observation are goals; None if it has none."""
    deviation_units: Mapping[str, str] = {}
    """Name of each deviation from doing well -> its unit; empty if it defines none."""

    @property
    @abstractmethod
    def action_space(self) -> Box:
        """Action space, and what actions mean."""

    @abstractmethod
    def episode_state(self, n: int) -> E:
        """State of N episodes that have not begun."""

    @abstractmethod
    def reset(self, episode: E, sim: int, rng: np.random.Generator) -> Initial:
        """Begin an episode in simulation ``sim``: draw all of its randomness now.

        Its ``patch`` and its ``params`` are set, and ``elapsed`` and ``last_action`` are zero; what
        a subclass of :class:`EpisodeState` adds still holds the episode before.
        """

    @abstractmethod
    def observe(self, episode: E, state: S) -> np.ndarray:
        """What policy and critics see, then what only critics see, fresh, float32, (N, O)."""

    @abstractmethod
    def reward_terms(self, episode: E, state: S, action: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted terms of the reward of the step that led here, each (N,).

        The reward is their sum, less the termination cost where the episode terminates.
        """

    @abstractmethod
    def terminated(self, episode: E, state: S) -> np.ndarray:
        """Whether each episode ends in a failure here, bool, (N,)."""

    def truncated(self, episode: E, state: S) -> np.ndarray:
        """Whether each episode is cut off here, its time limit aside, bool, (N,)."""
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: E, state: S, action: np.ndarray) -> None:
        """Update the episode state after the step, once its rewards were read."""
        episode.last_action[:] = action

    def after_episode(self, episode: E, sim: int, terminated: bool) -> None:
        """Called when the episode of ``sim`` ended, before the next begins."""
        return None

    @abstractmethod
    def success(self, episode: E, sim: int) -> bool:
        """Whether the episode of ``sim`` met its goal, a termination aside."""

    def metrics(self, episode: E, sim: int) -> dict[str, float | None]:
        """Named metrics of the episode of ``sim``; None where it was too short to have one."""
        return {}

    def places(self, episode: E, sim: int) -> dict[str, tuple[float, float]]:
        """Where things were when the episode of ``sim`` began, world frame, m, for a map."""
        return {}

    def training_metrics(self, episode: E) -> dict[str, float]:
        """Metrics of the simulations for the log of a run, by name."""
        return {}

    def deviations(self, episode: E, state: S) -> dict[str, np.ndarray] | None:
        """Deviations of each episode from doing well, by the names of ``deviation_units``.

        Each is at least 0, (N,). Safe sets, recovery and the axes of a stress test need no more.
        """
        return None

    def holding(self, episode: E, state: S) -> np.ndarray | None:
        """Whether the hand holds its object, bool, (N,); None: nothing is held in this task."""
        return None

    @property
    def floor_plan(self) -> FloorPlan | None:
        """Floor plan on which a report draws paths; None: it draws none."""
        return None

    def position(self, episode: E, state: S) -> np.ndarray | None:
        """Position of each episode on the floor plan, world frame, m, (N, 2), if it has one."""
        return None

    def tracking(self, episode: E, state: S) -> Tracking | None:
        """Commands of the robots, and how they follow them; None: there are no commands."""
        return None

    @property
    def command_limits(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Smallest and largest command that :meth:`steer` takes, as in :class:`Tracking`.

        (3,) each; None: nobody can command its robot from outside.
        """
        return None

    def steer(self, episode: E, sim: int, command: np.ndarray) -> None:
        """Give the robot of ``sim`` a command, (3,), until its episode ends.

        Raises:
            UsageError: It takes no commands.
        """
        raise UsageError(f"{self.name} takes no commands from outside")

    def arrows(self, episode: E, state: S, sim: int) -> list[Arrow]:
        """Arrows to draw in a picture of ``sim``."""
        return []

    def baselines(self) -> dict[str, Act]:
        """Baseline policies, by name: those that do nothing, or follow a script."""
        return {"zero action": lambda obs: np.zeros((len(obs), self.action_size))}

    # What follows from that.

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        return sum(part.size for part in self.observation)

    @property
    def policy_size(self) -> int:
        """Number of the first elements, which the policy sees, P; the others are privileged."""
        return sum(part.size for part in unprivileged(self.observation))

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        return self.action_space.size

    @property
    def policy_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of the observation that a policy sees, in order."""
        return tuple((part.name, part.size, part.unit) for part in unprivileged(self.observation))

    @property
    def observation_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of an observation, privileged ones too, in order."""
        return tuple((part.name, part.size, part.unit) for part in self.observation)

    @property
    def mirrors(self) -> tuple[Mirror, Mirror] | None:
        """Left-right reflections of observation and action; None if a field declares none."""
        see, act = mirror(self.observation), mirror(self.action)
        return None if see is None or act is None else (see, act)


AnyTask = Task[Any, Any]
