"""The one door to MuJoCo: a wrong release is reported in a line before it is imported."""

from robo_maxent import versions

versions.require_compatible()

import mujoco  # noqa: E402
from mujoco.batch import Batch, SimulationError  # noqa: E402

UNSTABLE = tuple(
    warning.value
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
        mujoco.mjtWarning.mjWARN_BADCTRL,
    )
)
"""Counters that say a simulation diverged; MuJoCo resets such a simulation silently."""

__all__ = ["UNSTABLE", "Batch", "SimulationError", "mujoco"]
