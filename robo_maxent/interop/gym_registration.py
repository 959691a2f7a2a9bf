"""Importing this registers our tasks with Gymnasium: ``robo_maxent/QuadrupedFlat-v0``.

Gymnasium finds no packages by itself (its plugins went with 1.0), so it has to be imported once:
``gymnasium.make("robo_maxent:robo_maxent/QuadrupedFlat-v0")`` does it, and so does ``import
robo_maxent`` after ``import gymnasium``. A task of one's own is registered by :func:`register`.
"""

from typing import Any, TypeVar

import gymnasium
from gymnasium.vector import AutoresetMode

from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.own_tasks import TaskClass, class_of, require_task
from robo_maxent.interop.gym_envs import TaskEnv, TaskVectorEnv
from robo_maxent.tasks import TASKS, make, registered, require_free_name

NAMESPACE = "robo_maxent"
T = TypeVar("T", bound=TaskClass)


class NamedEnv(TaskEnv):
    """One simulation of a task that is given by its name; see ``gym_envs.TaskEnv``."""

    def __init__(self, task: str, render_mode: str | None = None, **options: Any) -> None:
        """Build the simulation; call ``reset`` before the first step.

        Args:
            task: Name of the task.
            render_mode: None, or ``"rgb_array"`` for pictures.
            options: What to change of the task, by the names of its own arguments.

        Raises:
            UnknownNameError: There is no such task; the message lists those there are.
            UsageError: There is no such render mode, or the value of an option is not allowed.
        """
        super().__init__(make(task, **options), render_mode)


class NamedVectorEnv(TaskVectorEnv):
    """N simulations of a task that is given by its name; see ``gym_envs.TaskVectorEnv``."""

    def __init__(
        self,
        task: str,
        num_envs: int = 1,
        render_mode: str | None = None,
        threads: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        """Build the simulations; call ``reset`` before the first step.

        Args:
            task: Name of the task.
            num_envs: Number of simulations, N.
            render_mode: None, or ``"rgb_array"`` for pictures.
            threads: Physics threads; 0: one per CPU.
            autoreset_mode: When the next episode begins; see ``gym_envs.TaskVectorEnv``.
            max_episode_steps: Control steps after which an episode is truncated, at most those of
                the task; None: those of the task.
            options: What to change of the task, by the names of its own arguments.

        Raises:
            UnknownNameError: There is no such task; the message lists those there are.
            UsageError: An argument, or the value of an option, is not allowed.
        """
        super().__init__(
            make(task, **options),
            num_envs,
            render_mode,
            threads,
            autoreset_mode,
            max_episode_steps,
        )


def env_id(task: str) -> str:
    """Make the Gymnasium id of a task: ``quadruped-flat`` is ``robo_maxent/QuadrupedFlat-v0``."""
    words = task.split("-")
    return f"{NAMESPACE}/{''.join(word[:1].upper() + word[1:] for word in words)}-v0"


def register(task: T) -> T:
    """Give a task of one's own its name, here and as an id of Gymnasium; also as a decorator.

    ``make_task`` finds it by its name then, and ``gymnasium.make("MODULE:robo_maxent/Name-v0")``
    imports the module that calls this. An id of its own ``env_spec`` is kept.

    Args:
        task: A subclass of ``MujocoTask`` or of ``NamedGymTask``.

    Raises:
        UsageError: The class is no task, or its name is taken.
    """
    require_task(task, getattr(task, "__qualname__", repr(task)))
    require_free_name(task)
    registered[task.name] = task
    word = None if task.__module__ == "__main__" else class_of(task)
    _register_id(task, word or task.name)
    return task


def _register_id(task: TaskClass, word: str) -> None:
    """Register a task, which environments find by a word, also those in other processes."""
    if issubclass(task, NamedGymTask):
        gymnasium.registry[task.env_spec.id] = task.env_spec
        return
    gymnasium.registry.pop(env_id(task.name), None)  # of the same class, imported again
    gymnasium.register(
        env_id(task.name),
        entry_point="robo_maxent.interop.gym_registration:NamedEnv",
        vector_entry_point="robo_maxent.interop.gym_registration:NamedVectorEnv",
        kwargs={"task": word},
    )


for name, shipped in TASKS.items():
    _register_id(shipped, name)
