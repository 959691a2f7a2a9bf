"""Protocols that training, evaluation and stress tests rely on, whoever simulates.

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
    """N simulations stepped together; each is reset in the step in which its episode ends."""

    n: int

    @property
    def action_space(self) -> ActionSpace:
        """Action space, as of the factory."""
        ...

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation: observations, float32, (N, O)."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step: floats in [-1, 1], (N, A), or of ``Discrete`` ints, (N,)."""
        ...

    def metrics(self) -> dict[str, float]:
        """Metrics of the simulations for the log, by name."""
        ...

    def state_dict(self) -> dict[str, np.ndarray]:
        """State that is saved in a checkpoint."""
        ...

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from a ``state_dict``: observations to act on next, (N, O)."""
        ...

    def close(self) -> None:
        """Free processes and windows."""
        ...


class EnvFactory(Protocol):
    """Anything that can be learnt on: describes and makes its environments."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def preset(self) -> str:
        """Name of its default training recipe."""
        ...

    @property
    def options(self) -> dict[str, Any]:
        """Options that build it again, beside its name; stored in ``config.json``."""
        ...

    @property
    def kept(self) -> "Kept":
        """Files of the user that options name, of which a run keeps copies."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for whoever trains on it, a line each."""
        ...

    @property
    def policy_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of the observation that a policy sees, in order."""
        ...

    @property
    def observation_parts(self) -> tuple[tuple[str, int, str], ...]:
        """Name, size and unit of each part of an observation, those for critics included."""
        ...

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        ...

    @property
    def policy_size(self) -> int:
        """Number of the first elements, which the policy sees, P; the others are for critics."""
        ...

    @property
    def action_space(self) -> ActionSpace:
        """Action space, and what actions mean."""
        ...

    @property
    def goal(self) -> GoalSpec | None:
        """Which parts of an observation are goals; None if it has none."""
        ...

    @property
    def reward_range(self) -> tuple[float, float] | None:
        """Lowest and highest reward of a step, rare ones aside; None if unknown."""
        ...

    @property
    def termination_cost(self) -> float:
        """Amount by which the reward of a terminating step may lie below that range."""
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
        """Most simulations to evaluate together, so that memory stays small."""
        ...

    @property
    def exact_resume(self) -> bool:
        """Whether the state of its simulations can be saved and restored."""
        ...

    @property
    def mirrors(self) -> tuple[Mirror, Mirror] | None:
        """Left-right reflections of observation and action; None if it is not symmetric."""
        ...

    def training_env(
        self, n: int, seed: int, threads: int, directory: str | os.PathLike[str]
    ) -> VecEnv:
        """N simulations to train in; ``directory`` is the run's."""
        ...

    def actor_env(
        self, n: int, seed: int, first_sim: int, directory: str | os.PathLike[str]
    ) -> VecEnv:
        """N simulations for one of several actors, stepped in one thread of this process.

        Its first simulation is number ``first_sim`` of all.
        """
        ...

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, purpose: Purpose = Purpose.EVALUATION
    ) -> VecEnv:
        """N simulations for an evaluation of their first episodes, from number ``first_sim`` on."""
        ...


@dataclass(frozen=True)
class Reading:
    """Measurements of N simulations before a control step, for a stress test.

    None: the task does not provide it.
    """

    deviations: Mapping[str, np.ndarray] | None = None
    """Deviations from doing well, (N,) each, by the names of ``deviation_units``."""
    tracking: "Tracking | None" = None
    """Commands of the robots, and how they follow them."""
    holding: np.ndarray | None = None
    """Whether the hand holds its object, bool, (N,)."""
    position: np.ndarray | None = None
    """Position on the floor plan, world frame, m, (N, 2)."""
    speed: np.ndarray | None = None
    """Horizontal speed of the base, m/s, (N,)."""
    power: np.ndarray | None = None
    """Absolute mechanical power, summed over the joints, W, (N,)."""
    saturated: np.ndarray | None = None
    """Whether a motor is at its torque limit, bool, (N,)."""
    beyond: np.ndarray | None = None
    """Whether a joint is beyond its range, bool, (N,)."""


V = TypeVar("V", bound=VecEnv)


class StressTask(EnvFactory, Protocol[V]):
    """An environment factory that can be stress-tested: it has effects and simulates them."""

    @property
    def perturbations(self) -> "tuple[Perturbation, ...]":
        """Effects that it supports, in the order in which they are applied."""
        ...

    @property
    def robot(self) -> "Robot":
        """The robot that effects act on; effects say themselves what it lacks."""
        ...

    @property
    def terrain(self) -> "TerrainPool | None":
        """Terrain patches; None if the ground can't be chosen."""
        ...

    @property
    def deviation_units(self) -> Mapping[str, str]:
        """Name of each deviation from doing well -> its unit; empty if it defines none."""
        ...

    @property
    def floor_plan(self) -> FloorPlan | None:
        """Floor plan on which a report draws paths; None: it draws none."""
        ...

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        ...

    @property
    def trial_notes(self) -> tuple[str, ...]:
        """Notes about the task for the reader of a stress test, a sentence each."""
        ...

    @property
    def thread_safe(self) -> bool:
        """Whether several threads may simulate its trials at once."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions whose versions decide its episodes, beside the usual ones."""
        ...

    @property
    def content(self) -> Mapping[str, str]:
        """Parts of it that its user wrote -> SHA-256; empty if everything is in packages."""
        ...

    def baselines(self) -> dict[str, Act]:
        """Baseline policies, by name: those that do nothing, or follow a script."""
        ...

    def trial(self, terrain: "TerrainPool | None" = None) -> Self:
        """The task as a stress test runs it, where episodes differ only by their parameters."""
        ...

    def at(self, patches: np.ndarray) -> Self:
        """The task with the terrain patch of each simulation chosen, int, (N,)."""
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
        """Simulations for a stress test, which run one episode each and then rest.

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
        """Measurements of such simulations now."""
        ...


def layout_of(task: EnvFactory) -> Layout:
    """The layout of policies that are trained on a task."""
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
