"""Every task, by name."""

from typing import Any, Literal, overload

from robo_maxent.envs import own_tasks
from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.own_tasks import TaskClass
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.tasks.arm_pick import ArmPick
from robo_maxent.tasks.arm_pick_rough import ArmPickRough
from robo_maxent.tasks.arm_push import ArmPush
from robo_maxent.tasks.arm_reach import ArmReach
from robo_maxent.tasks.arm_reach_joints import ArmReachJoints
from robo_maxent.tasks.dm_quadruped import DmFetch, DmRun, DmWalk
from robo_maxent.tasks.dm_quadruped_escape import DmEscape
from robo_maxent.tasks.getup import QuadrupedGetup
from robo_maxent.tasks.intersection import Intersection
from robo_maxent.tasks.point_fork import PointFork
from robo_maxent.tasks.portfolio import Portfolio
from robo_maxent.tasks.quadruped import QuadrupedFlat
from robo_maxent.tasks.quadruped_fork import QuadrupedFork
from robo_maxent.tasks.rough import QuadrupedRough, QuadrupedRoughScan

FAMILIES: dict[str, tuple[TaskClass, ...]] = {
    "A quadruped": (QuadrupedFlat, QuadrupedRough, QuadrupedRoughScan, QuadrupedGetup),
    "An arm": (ArmReach, ArmReachJoints, ArmPush, ArmPick, ArmPickRough),
    "Two ways to a goal": (PointFork, QuadrupedFork),
    "dm_control's quadruped": (DmWalk, DmRun, DmEscape, DmFetch),
    "Without a robot": (Portfolio, Intersection),
}
"""What the tasks of this package are about -> those tasks."""

TASKS: dict[str, TaskClass] = {task.name: task for each in FAMILIES.values() for task in each}

ROBOT_TASKS: dict[str, type[MujocoTask[Any, Any]]] = {
    name: task for name, task in TASKS.items() if issubclass(task, MujocoTask)
}
"""Tasks of a robot that is simulated in MuJoCo."""

GYM_TASKS: dict[str, type[NamedGymTask]] = {
    name: task for name, task in TASKS.items() if issubclass(task, NamedGymTask)
}
"""Tasks whose world is a Gymnasium environment."""

registered: dict[str, TaskClass] = {}
"""Further tasks that this process knows, by name; a program may add its own."""


def is_known(name: str) -> bool:
    """Whether a task of this name is installed or registered; imports nothing."""
    return name in TASKS or name in registered or name in own_tasks.installed()


def find(word: str) -> TaskClass:
    """The class of a task.

    Args:
        word: One of ``TASKS``, a task that is registered or that an installed package names, or
            ``MODULE:CLASS``, whose module is imported.

    Raises:
        UnknownNameError: No such task; the message lists those there are.
        UsageError: There is no such class, it is no task, or its name is taken.
    """
    known = TASKS | registered
    if word in known:
        return known[word]
    installed = own_tasks.installed()
    if word in installed:
        return own_tasks.load_installed(installed[word])
    if own_tasks.is_class(word):
        kind = own_tasks.load(word)
        require_free_name(kind)
        return kind
    raise UnknownNameError("task", word, [*known, *installed])


def require_free_name(kind: TaskClass) -> None:
    """Check that a new task does not have the name of another one.

    Raises:
        UsageError: One is.
    """
    if TASKS.get(kind.name) is kind:
        return
    known, installed = TASKS | registered, own_tasks.installed()
    word = own_tasks.class_of(kind)
    others = [own_tasks.class_of(known[kind.name])] if kind.name in known else []
    others += [installed[kind.name].value] if kind.name in installed else []
    if kind.name in TASKS or any(other != word for other in others):
        owner = "this package" if kind.name in TASKS else others[0]
        raise UsageError(
            f"{word or kind.__qualname__} is called {kind.name}, as a task of {owner} is: give it "
            "a name of its own"
        )


@overload  # the rest of the names can't be said in a type
def make(  # pyright: ignore[reportOverlappingOverload]
    name: Literal["portfolio", "intersection"], **options: Any
) -> NamedGymTask: ...


@overload
def make(name: str, **options: Any) -> MujocoTask[Any, Any]: ...


def make(name: str, **options: Any) -> MujocoTask[Any, Any] | NamedGymTask:
    """Build a task; to a type checker, a name that is not written out is that of a robot's.

    Args:
        name: One of ``TASKS``, or what else ``find`` knows.
        options: Passed on to the task.

    Raises:
        UnknownNameError: No such task; the message lists those there are.
        UsageError: It can't be found, is no task, or has not such options; the message lists those
            that it has.
    """
    kind = find(name)
    own_tasks.require_options(kind, options, name)
    return kind(**options)
