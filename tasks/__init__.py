"""Every task, by name."""

from collections.abc import Callable
from typing import Any

from robo_maxent.errors import UnknownNameError
from robo_maxent.task import Task
from robo_maxent.tasks.quadruped import quadruped_flat

TASKS: dict[str, Callable[..., Task[Any]]] = {
    "quadruped-flat": quadruped_flat,
}


def make(name: str, **options: Any) -> Task[Any]:
    """Build a task.

    Args:
        name: One of ``TASKS``.
        options: Passed on to the task.

    Raises:
        UnknownNameError: No such task; the message lists those there are.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name](**options)
