"""The one door to MuJoCo: a wrong release is reported in a line before it is imported."""

from robo_maxent import versions

versions.require_compatible()

import mujoco  # noqa: E402
from mujoco.batch import Batch, SimulationError  # noqa: E402

__all__ = ["Batch", "SimulationError", "mujoco"]
