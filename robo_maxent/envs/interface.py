"""What a run needs of something to learn on, whoever simulates it.

A task with its ``MujocoVecEnv`` has it, and so has ``GymTask`` with ``GymVecEnv``; training,
evaluation and checkpoints know nothing else. Arrays are those of ``types.Step``: (N, ...) for N
simulations.
"""

import os
from typing import Any, Protocol

import numpy as np

from robo_maxent.seeds import Purpose
from robo_maxent.spaces import Box, GoalSpec, Layout, Mirror
from robo_maxent.types import Step


class VecEnv(Protocol):
    """N simulations stepped together, each beginning anew in the step in which it ended."""

    n: int

    def reset(self) -> np.ndarray:
        """Begin the first episode of every simulation: observations, float32, (N, O)."""
        ...

    def step(self, action: np.ndarray) -> Step:
        """Act for one control step, actions in [-1, 1], (N, A)."""
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
    def action_space(self) -> Box:
        """What actions stand for."""
        ...

    @property
    def goal(self) -> GoalSpec | None:
        """Which parts of an observation are goals; None: it has none."""
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

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, purpose: Purpose = Purpose.EVALUATION
    ) -> VecEnv:
        """N simulations whose first episodes are judged, the first being number ``first_sim``."""
        ...


def layout_of(task: EnvFactory) -> Layout:
    """What a policy trained on a task sees and moves."""
    return Layout(
        task=task.name,
        observation=task.policy_parts,
        joints=task.action_space.names,
        action_centre=tuple(task.action_space.centre.tolist()),
        action_scale=tuple(task.action_space.scale.tolist()),
        control_dt=task.control_dt,
    )
