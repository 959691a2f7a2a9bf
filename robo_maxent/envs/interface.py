"""What a run needs of something to learn on, whoever simulates it.

``Task`` with ``VecEnv`` has it, and so has ``GymTask`` with ``GymSimulations``; training,
evaluation and checkpoints know nothing else. Arrays are those of ``vec_env.Step``: (N, ...) for N
simulations.
"""

import os
from typing import Any, Protocol

import numpy as np

from robo_maxent.spaces import Layout, Mirror
from robo_maxent.types import Step


class Simulations(Protocol):
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


class Learnable(Protocol):
    """Something to learn on."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
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
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        ...

    @property
    def policy_size(self) -> int:
        """Number of its first elements, which a policy sees, P; the others are for critics."""
        ...

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        ...

    @property
    def joints(self) -> tuple[str, ...]:
        """Name of each action element."""
        ...

    @property
    def action_centre(self) -> np.ndarray:
        """What action 0 stands for, (A,)."""
        ...

    @property
    def action_scale(self) -> np.ndarray:
        """What action 1 adds to that, (A,)."""
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
    ) -> Simulations:
        """N simulations to learn from; ``directory`` is the run's."""
        ...

    def evaluation_env(self, n: int, seed: int, first_sim: int = 0) -> Simulations:
        """N simulations whose first episodes are judged, the first being number ``first_sim``."""
        ...


def layout_of(task: Learnable) -> Layout:
    """What a policy trained on a task sees and moves."""
    return Layout(
        task=task.name,
        observation=task.policy_parts,
        joints=task.joints,
        action_centre=tuple(task.action_centre.tolist()),
        action_scale=tuple(task.action_scale.tolist()),
        control_dt=task.control_dt,
    )
