"""Importing this registers every task with Gymnasium: ``robo_maxent/QuadrupedFlat-v0``.

Gymnasium finds no packages by itself (its plugins went with 1.0), so it has to be imported once:
``gymnasium.make("robo_maxent:robo_maxent/QuadrupedFlat-v0")`` does it, and so does ``import
robo_maxent`` after ``import gymnasium``.
"""

from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from robo_maxent.interop.gym_envs import TaskEnv, TaskVectorEnv
from robo_maxent.tasks import GYM_TASKS, ROBOT_TASKS, make

NAMESPACE = "robo_maxent"


class NamedEnv(TaskEnv):
    """A task by its name; see ``gym_envs.TaskEnv``."""

    def __init__(self, task: str, render_mode: str | None = None, **options: Any) -> None:
        """Build a task; ``options`` go to it.

        Raises:
            UnknownNameError: No such task; the message lists those there are.
        """
        super().__init__(make(task, **options), render_mode)


class NamedVectorEnv(TaskVectorEnv):
    """N simulations of a task by its name; see ``gym_envs.TaskVectorEnv``."""

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
        """Build a task; ``options`` go to it.

        Raises:
            UnknownNameError: No such task; the message lists those there are.
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
    """Gymnasium id of a task: ``quadruped-flat`` is ``robo_maxent/QuadrupedFlat-v0``."""
    words = task.split("-")
    return f"{NAMESPACE}/{''.join(word[:1].upper() + word[1:] for word in words)}-v0"


def register() -> None:
    """Register every task that is not registered yet."""
    for task in GYM_TASKS.values():
        if task.env_spec.id not in gymnasium.registry:
            gymnasium.registry[task.env_spec.id] = task.env_spec
    for task in ROBOT_TASKS:
        if env_id(task) not in gymnasium.registry:
            gymnasium.register(
                env_id(task),
                entry_point="robo_maxent.interop.gym_registration:NamedEnv",
                vector_entry_point="robo_maxent.interop.gym_registration:NamedVectorEnv",
                kwargs={"task": task},
            )


register()
