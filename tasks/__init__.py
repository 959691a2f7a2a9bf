"""Every task, by name."""

from typing import Any, Literal, overload

from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import UnknownNameError
from robo_maxent.tasks.arm_pick import ArmPick
from robo_maxent.tasks.arm_pick_rough import ArmPickRough
from robo_maxent.tasks.arm_push import ArmPush
from robo_maxent.tasks.arm_reach import ArmReach
from robo_maxent.tasks.arm_reach_joints import ArmReachJoints
from robo_maxent.tasks.getup import QuadrupedGetup
from robo_maxent.tasks.intersection import Intersection
from robo_maxent.tasks.point_fork import PointFork
from robo_maxent.tasks.portfolio import Portfolio
from robo_maxent.tasks.quadruped import QuadrupedFlat
from robo_maxent.tasks.quadruped_fork import QuadrupedFork
from robo_maxent.tasks.rough import QuadrupedRough, QuadrupedRoughScan

ROBOT_TASKS: dict[str, type[MujocoTask[Any, Any]]] = {
    task.name: task
    for task in (
        QuadrupedFlat,
        QuadrupedRough,
        QuadrupedRoughScan,
        QuadrupedGetup,
        ArmReach,
        ArmReachJoints,
        ArmPush,
        ArmPick,
        ArmPickRough,
        PointFork,
        QuadrupedFork,
    )
}
"""Those of a robot in MuJoCo."""

GYM_TASKS: dict[str, type[NamedGymTask]] = {task.name: task for task in (Portfolio, Intersection)}
"""Those whose world is a Gymnasium environment."""

TASKS: dict[str, type[MujocoTask[Any, Any]] | type[NamedGymTask]] = {**ROBOT_TASKS, **GYM_TASKS}


@overload  # the rest of the names can't be said in a type
def make(  # pyright: ignore[reportOverlappingOverload]
    name: Literal["portfolio", "intersection"], **options: Any
) -> NamedGymTask: ...


@overload
def make(name: str, **options: Any) -> MujocoTask[Any, Any]: ...


def make(name: str, **options: Any) -> MujocoTask[Any, Any] | NamedGymTask:
    """Build a task; to a type checker, a name that is not written out is that of a robot's.

    Args:
        name: One of ``TASKS``.
        options: Passed on to the task.

    Raises:
        UnknownNameError: No such task; the message lists those there are.
    """
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    return TASKS[name](**options)
