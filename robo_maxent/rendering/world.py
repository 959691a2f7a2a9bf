"""The world as the eye sees it: with its decorations, posed as a simulation is."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_maxent.envs.robot_task import RobotTask
from robo_maxent.sim.mjcf import DECORATION_GROUP
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import load
from robo_maxent.types import SHOWN_FIELDS, Snapshot


class DecoratedWorld:
    """A task's model with what only the eye sees, and with one patch of its terrain."""

    model: mujoco.MjModel
    """As of the last snapshot shown."""
    data: mujoco.MjData
    """Poses of everything in it, of that snapshot."""

    def __init__(self, task: RobotTask[Any, Any]) -> None:
        """Compile nothing before a snapshot is shown."""
        self._task = task
        self._patch: int | None = None

    def show(self, snapshot: Snapshot) -> bool:
        """Pose everything as a simulation is.

        Returns:
            Whether the model is another one, since this is the first snapshot or on other ground.
        """
        is_new = snapshot.patch != self._patch
        if is_new:
            self._compile(snapshot.patch)
        self._shape(snapshot.fields)
        self.data.qpos[:] = snapshot.qpos
        self.data.mocap_pos[:] = snapshot.mocap_pos
        self.data.mocap_quat[:] = snapshot.mocap_quat
        mujoco.mj_forward(self.model, self.data)
        return is_new

    def _compile(self, patch: int) -> None:
        pool = None if self._task.terrain is None else self._task.terrain.only(patch)
        self.model = load(self._task.robot_spec.model, decorations=True, pool=pool)
        self.data, self._patch = mujoco.MjData(self.model), patch
        self._physical = np.flatnonzero(self.model.geom_group != DECORATION_GROUP)
        self._compiled = {name: getattr(self.model, name).copy() for name in SHOWN_FIELDS}

    def _shape(self, fields: Mapping[str, np.ndarray]) -> None:
        """Put everything where one simulation has it; what no effect changed is as compiled."""
        for name, values in self._compiled.items():
            getattr(self.model, name)[:] = values
        for name, values in fields.items():
            rows = self._physical if name.startswith("geom_") else slice(None)
            getattr(self.model, name)[rows] = values
        if fields:  # or those that were compiled level would be drawn level
            mujoco.mj_setConst(self.model, self.data)
