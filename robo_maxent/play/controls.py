"""Which effects of a task can be set while a simulation runs, and how."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.perturbations.base import Axis, Perturbation, Plant


@dataclass(frozen=True)
class Control:
    """An effect of the task, as somebody sets it while the simulation runs."""

    effect: Perturbation
    axis: Axis
    """Its severities and cases, of this robot."""
    is_momentary: bool
    """It happens once and is over, rather than be on or off."""

    @property
    def name(self) -> str:
        """Of the effect."""
        return self.effect.name

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest severity, in the unit of the axis."""
        return min(self.axis.severities), max(self.axis.severities)


def controls_of(task: MujocoTask[Any, Any]) -> list[Control]:
    """The effects that can be set: those with severities, of which the robot lacks nothing."""
    plant, rng = Plant(task.robot, task.control_dt), np.random.default_rng(0)
    found = []
    for effect in task.perturbations:
        axes = effect.axes(task.robot) if effect.lacking(task.robot) is None else ()
        for axis in axes[:1]:
            worst = effect.at(axis.severities[-1], next(iter(axis.cases), ""), rng, plant)
            found.append(Control(effect, axis, effect.begins(worst) is not None))
    return found
