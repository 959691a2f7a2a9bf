"""The contract between a robot, its world and a learner."""

import copy
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from robo_maxent.perturbations.params import NAMES, Draw
from robo_maxent.perturbations.ranges import NONE, Randomization, described
from robo_maxent.sim.robot import Readings, Robot, load
from robo_maxent.sim.terrain_pool import Pool
from robo_maxent.spaces import Field, Mirror, mirror, unprivileged
from robo_maxent.types import Arrow

if TYPE_CHECKING:
    from robo_maxent.envs.mujoco_vec_env import VecEnv


UNSEEN = 1_000_000_000
"""Seed of the ground of an evaluation, less the evaluation's own: training uses small ones."""


DEVIATIONS = {
    "tilt": "rad",  # of the trunk from level
    "height": "m",  # of the trunk over the ground, from that of standing
    "linear_error": "m/s",  # horizontal velocity, from the command
    "turning_error": "rad/s",  # turning, from the command
    "tumbling": "rad/s",  # rolling and pitching
}
"""How far a walking robot is from walking well: name -> unit, each at least 0."""


@dataclass(frozen=True)
class Walking:
    """What N walking robots are told, and how far they are from doing it."""

    command: np.ndarray
    """Forward m/s, leftward m/s, counter-clockwise rad/s, heading frame, (N, 3)."""
    phase: np.ndarray
    """Stride phase in [0, 1), NaN where the robot should stand, (N,)."""
    deviations: np.ndarray
    """Those of DEVIATIONS, in that order, (N, 5)."""


@dataclass
class Memory:
    """What a task remembers of N running episodes: named arrays with N rows.

    Everything that a reward or an observation needs beyond the physics stands here, so that saving
    these arrays and the simulation state saves the episode.
    """

    elapsed: np.ndarray
    """Control steps since the episode began, int, (N,)."""
    last_action: np.ndarray
    """Action of the last control step, (N, A)."""
    number: np.ndarray
    """Number of each simulation in the set that it belongs to, int, (N,)."""
    patch: np.ndarray
    """Where each episode takes place in the task's pool of terrain, int, (N,); 0 on a plane."""

    @classmethod
    def blank(cls, n: int, action_size: int, **own: np.ndarray) -> Self:
        """Memory of N simulations that have not begun; ``own`` are the fields of a subclass."""
        return cls(
            elapsed=np.zeros(n, np.int64),
            last_action=np.zeros((n, action_size)),
            number=np.arange(n),
            patch=np.zeros(n, np.int64),
            **own,
        )


M = TypeVar("M", bound=Memory)


class Task(ABC, Generic[M]):
    """Builds its world; begins, observes, rewards and ends episodes; says what success means."""

    name: str
    summary: str
    """One line for the list of tasks."""
    robot_file: str | os.PathLike[str] | None
    """MJCF file of a user's robot; None: the task's own."""
    model_file: str | os.PathLike[str]
    """The MJCF file that the robot was built from."""
    robot: Robot
    observation: tuple[Field, ...]
    action: tuple[Field, ...]
    action_scale: np.ndarray
    """Joint-target offset from the standing pose at action 1, rad, (A,)."""
    control_dt: float
    """Time between two actions, s."""
    substeps: int
    """Physics steps in a control step."""
    episode_steps: int
    """Control steps after which an episode is truncated."""
    fall_price: float = 0.0
    """Reward that an episode loses when it terminates."""
    randomization: Randomization
    """What differs between episodes."""
    perturbations: tuple[str, ...] = NAMES
    """Fields of a draw that mean something here."""
    pool: Pool | None = None
    """Patches of terrain that its robots stand on; None: the plane of the robot file."""
    patches: np.ndarray | None = None
    """Patch of each simulation, int, (N,); None: the task chooses as an episode begins."""

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        return sum(field.size for field in self.observation)

    @property
    def policy_size(self) -> int:
        """Number of its first elements, which a policy sees, P; the others are privileged."""
        return sum(field.size for field in unprivileged(self.observation))

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        return len(self.action_scale)

    @abstractmethod
    def memory(self, n: int) -> M:
        """Empty memory of N simulations."""

    @abstractmethod
    def begin(self, memory: M, sim: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Begin an episode in simulation ``sim``: draw all of its randomness now.

        Returns:
            Generalized position (nq,) and velocity (nv,).
        """

    @abstractmethod
    def rewards(self, memory: M, now: Readings, action: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted terms of the reward of the step that led here, each (N,).

        The reward is their sum less the price of a fall.
        """

    @abstractmethod
    def fallen(self, memory: M, now: Readings) -> np.ndarray:
        """Whether each episode ends in failure here, bool, (N,)."""

    def left(self, memory: M, now: Readings) -> np.ndarray:
        """Whether each robot left the ground there is, which cuts its episode off, bool, (N,)."""
        return np.zeros(len(memory.elapsed), bool)

    def ended(self, memory: M, sim: int, terminated: bool) -> None:
        """Learn from the episode of ``sim`` that ended, before the next begins."""
        return None

    @abstractmethod
    def advance(self, memory: M, now: Readings, action: np.ndarray) -> None:
        """Tally the step that led here and move the task on, after the rewards were read."""

    @abstractmethod
    def observe(self, memory: M, now: Readings) -> np.ndarray:
        """What policy and critics see, then what only critics see, fresh, float32, (N, O)."""

    @abstractmethod
    def outcome(self, memory: M, sim: int) -> tuple[bool, dict[str, float | None]]:
        """Whether the episode of ``sim`` met the goal, a fall aside, and its named measures.

        A measure is None where the episode was too short to have one.
        """

    def walking(self, memory: M, now: Readings) -> Walking | None:
        """How well the robots walk; None: the task is another."""
        return None

    def ranges(self, memory: M, sim: int) -> Randomization:
        """What the next episode of ``sim`` is drawn from, never wider than ``randomization``."""
        return self.randomization

    def metrics(self, memory: M) -> dict[str, float]:
        """What a run should log of its simulations, by name."""
        return {}

    def on(self, pool: Pool) -> Self:
        """The same task on other ground."""
        other = copy.copy(self)
        other.pool = pool
        other.robot = Robot(load(self.model_file, pool=pool), self.robot.feet)
        return other

    def trial(self, pool: Pool | None = None) -> Self:
        """The same task as a stress test runs it.

        Nothing differs between its episodes but what a draw says, and commands do not change within
        one. It takes place on a plane without end, unless patches are given.
        """
        other = copy.copy(self)
        if pool is not None or self.pool is not None:
            other = self.on(pool or Pool.plane())
        other.randomization = NONE
        return other

    def at(self, patches: np.ndarray) -> Self:
        """The same task with the patch of each simulation chosen, int, (N,)."""
        other = copy.copy(self)
        other.patches = patches
        return other

    def arrows(self, memory: M, now: Readings, sim: int) -> list[Arrow]:
        """What a video of ``sim`` should point out; nothing unless the task says so."""
        return []

    _unseen: Any = None  # the task on the ground of its last evaluation

    # What a run asks of anything to learn on (``learnable.Learnable``), said in terms of the above.

    exact_resume = True
    notes: tuple[str, ...] = ()
    most_simulations = 256

    @property
    def options(self) -> dict[str, Any]:
        """What builds this task again, beside its name."""
        robot = None if self.robot_file is None else str(Path(self.robot_file).resolve())
        return {"robot_file": robot, "randomization": described(self.randomization)}

    @property
    def policy_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of the observation that a policy sees, in order."""
        seen = unprivileged(self.observation)
        return tuple((field.name, field.size, field.unit) for field in seen)

    @property
    def joints(self) -> tuple[str, ...]:
        """Name of each action element."""
        return self.robot.joints

    @property
    def action_centre(self) -> np.ndarray:
        """Joint targets at action 0, rad, (A,)."""
        return self.robot.stand_pose

    @property
    def mirrors(self) -> tuple[Mirror, Mirror]:
        """Left-right reflections of an observation and of an action."""
        return mirror(self.observation), mirror(self.action)

    def training_env(
        self, n: int, seed: int, threads: int, directory: str | os.PathLike[str]
    ) -> "VecEnv[M]":
        """N simulations to learn from; what diverges is dumped in the run's ``directory``.

        ``threads`` are those that the learner leaves free. Contacts with terrain take twice the
        time of those with a plane: there, physics shares the learner's too.
        """
        from robo_maxent.envs.mujoco_vec_env import VecEnv  # which is built on this class

        threads = threads if self.pool is None else 2 * threads
        return VecEnv(self, n, seed, threads, dump_dir=Path(directory) / "diverged")

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, draws: Draw | None = None
    ) -> "VecEnv[M]":
        """N simulations of one episode each, to be judged, the first being number ``first_sim``.

        They are those of ``draws``, if given, rather than of the task's ranges.
        """
        from robo_maxent.envs.mujoco_vec_env import VecEnv

        return VecEnv(self.unseen(seed), n, seed, first_sim=first_sim, draws=draws, once=True)

    def unseen(self, seed: int) -> Self:
        """The same task on ground that no training saw: the kinds are the same, the patches new."""
        if self.pool is None or self.pool.endless:
            return self
        pool = self.pool
        if self._unseen is None or self._unseen.pool.seed != UNSEEN + seed:
            # Kept: evaluations come again with the seed of the first.
            self._unseen = self.on(Pool(pool.kinds, pool.levels, pool.variants, UNSEEN + seed))
        return self._unseen
