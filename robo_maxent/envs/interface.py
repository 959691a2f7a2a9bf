"""What a run, and a stress test, need of something to learn on, whoever simulates it.

A task with its ``MujocoVecEnv`` has it, and so has ``GymTask`` with ``GymVecEnv``; training,
evaluation, checkpoints and stress tests know nothing else. Arrays are those of ``types.Step``:
(N, ...) for N simulations.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np

from robo_maxent.seeds import Purpose
from robo_maxent.spaces import ActionSpace, Box, GoalSpec, Layout, Mirror
from robo_maxent.types import Act, FloorPlan, Step

if TYPE_CHECKING:
    from robo_maxent.envs.task import Tracking
    from robo_maxent.kept import Kept
    from robo_maxent.perturbations.base import Perturbation
    from robo_maxent.perturbations.params import EpisodeParams
    from robo_maxent.sim.robot import Robot
    from robo_maxent.sim.terrain_pool import TerrainPool


class VecEnv(Protocol):
    """N simulations stepped together, each beginning anew in the step in which it ended."""

    n: int

    @property
    def action_space(self) -> ActionSpace:
        """What actions are: that of the factory."""
        ...

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation: observations, float32, (N, O)."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step: floats in [-1, 1], (N, A), or of ``Discrete`` ints, (N,)."""
        ...

    def metrics(self) -> dict[str, float]:
        """What a run should log of them, by name."""
        ...

    def state_dict(self) -> dict[str, np.ndarray]:
        """What continues after a restart of the program."""
        ...

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from a ``state_dict``: observations to act on next, (N, O)."""
        ...

    def close(self) -> None:
        """Free what outlives the object: worker processes, windows."""
        ...


class EnvFactory(Protocol):
    """Something to learn on: makes the environments, and says what is observed and acted with."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def preset(self) -> str:
        """The recipe that it is trained with unless another is asked for."""
        ...

    @property
    def options(self) -> dict[str, Any]:
        """What builds it again, beside its name; goes into ``config.json``."""
        ...

    @property
    def kept(self) -> "Kept":
        """Files of its user's that options name, of which a run keeps copies."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever trains on it should be told, a line each."""
        ...

    @property
    def policy_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of the observation that a policy sees, in order."""
        ...

    @property
    def observation_parts(self) -> tuple[tuple[str, int, str], ...]:
        """The same of all parts, also those for critics."""
        ...

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        ...

    @property
    def policy_size(self) -> int:
        """Number of its first elements, which a policy sees, P; the others are for critics."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """What actions are, and what they stand for."""
        ...

    @property
    def goal(self) -> GoalSpec | None:
        """Which parts of an observation are goals; None: it has none."""
        ...

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """Lowest and highest reward of a step, but for what is rare; None: it does not say."""
        ...

    @property
    def termination_cost(self) -> float:
        """What the reward of a step that terminates may lie below that range."""
        ...

    @property
    def control_dt(self) -> float:
        """Time between two actions, s."""
        ...

    @property
    def episode_steps(self) -> int:
        """Control steps that no episode exceeds."""
        ...

    @property
    def most_simulations(self) -> int:
        """How many to evaluate together; the rest waits, so that memory stays small."""
        ...

    @property
    def exact_resume(self) -> bool:
        """Whether the state of its simulations can be saved and restored."""
        ...

    @property
    def mirrors(self) -> tuple[Mirror, Mirror] | None:
        """Left-right reflections of observation and action; None: it is not symmetric."""
        ...

    def training_env(
        self, n: int, seed: int, threads: int, directory: str | os.PathLike[str]
    ) -> VecEnv:
        """N simulations to learn from; ``directory`` is the run's."""
        ...

    def actor_env(
        self, n: int, seed: int, first_sim: int, directory: str | os.PathLike[str]
    ) -> VecEnv:
        """The same for one of several actors: stepped in one thread of this process.

        Its first simulation is number ``first_sim`` of all.
        """
        ...

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, purpose: Purpose = Purpose.EVALUATION
    ) -> VecEnv:
        """N simulations whose first episodes are judged, the first being number ``first_sim``."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a stress test reads of N simulations before a control step; None: they do not say."""

    deviations: Mapping[str, np.ndarray] | None = None
    """How far each is from doing well, (N,) each, by the names of ``deviation_units``."""
    tracking: "Tracking | None" = None
    """What the robots are told to do, and how far they do it."""
    holding: np.ndarray | None = None
    """Whether the hand has what it handles, bool, (N,)."""
    position: np.ndarray | None = None
    """Where on its floor plan each is, world frame, m, (N, 2)."""
    speed: np.ndarray | None = None
    """Horizontal speed of the base, m/s, (N,)."""
    power: np.ndarray | None = None
    """Sum over the joints of the size of torque times speed, W, (N,)."""
    saturated: np.ndarray | None = None
    """Whether a motor is at the limit of its torque, bool, (N,)."""
    beyond: np.ndarray | None = None
    """Whether a joint is beyond its range, bool, (N,)."""


V = TypeVar("V", bound=VecEnv)


class StressTask(EnvFactory, Protocol[V]):
    """Something that can be stress-tested: it knows effects, and simulates them as it is told."""

    @property
    def perturbations(self) -> "tuple[Perturbation, ...]":
        """Effects that mean something here, in the order in which they are written."""
        ...

    @property
    def robot(self) -> "Robot":
        """The robot that effects act on; what it lacks, they say themselves."""
        ...

    @property
    def terrain(self) -> "TerrainPool | None":
        """Patches that its robots stand on; None: the ground is what it is."""
        ...

    @property
    def deviation_units(self) -> Mapping[str, str]:
        """Name of each deviation from doing well -> its unit; empty: the task does not say."""
        ...

    @property
    def floor_plan(self) -> FloorPlan | None:
        """What stands where a report draws paths; None: it draws none."""
        ...

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        ...

    @property
    def trial_notes(self) -> tuple[str, ...]:
        """What the reader of a stress test must know of the task, a sentence each."""
        ...

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may simulate its trials at once, each some of its own."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions that decide its episodes, beside those that decide all."""
        ...

    @property
    def content(self) -> Mapping[str, str]:
        """What of it its user wrote -> SHA-256 of that; empty: all is in the packages."""
        ...

    def baselines(self) -> dict[str, Act]:
        """Policies that do nothing, or follow a script, by name, to compare trained ones with."""
        ...

    def trial(self, terrain: "TerrainPool | None" = None) -> Self:
        """The same task as a stress test runs it, where nothing differs but what it is told."""
        ...

    def at(self, patches: np.ndarray) -> Self:
        """The same task with the patch of each simulation chosen, int, (N,)."""
        ...

    def trial_env(
        self,
        params: "EpisodeParams",
        sims: np.ndarray,
        seed: int,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        filmed: bool = False,
    ) -> V:
        """Simulations that run one episode each, of the purpose ``STRESS_TEST``, and then rest.

        Args:
            params: What is different about each, N rows.
            sims: Their numbers, int, (N,), no more than ``most_simulations``.
            seed: Of the whole set.
            threads: Physics threads; 0: one per CPU.
            dump_dir: Where the state of a diverged simulation goes.
            filmed: Whether pictures will be taken of them.
        """
        ...

    def reading(self, env: V) -> Reading:
        """What is true of such simulations now."""
        ...


def layout_of(task: EnvFactory) -> Layout:
    """What a policy trained on a task sees and moves."""
    space = task.action_space
    continuous = isinstance(space, Box)
    return Layout(
        task=task.name,
        observation=task.policy_parts,
        joints=space.names if continuous else space.labels,
        action_centre=tuple(space.centre.tolist()) if continuous else (),
        action_scale=tuple(space.scale.tolist()) if continuous else (),
        control_dt=task.control_dt,
    )
