"""Imports MuJoCo for all other modules, and turns known import failures into one-line errors.

That is another release, and an OpenGL library that ``MUJOCO_GL`` names and that is not there.
"""

from robo_maxent import opengl, versions
from robo_maxent.errors import RenderingError

versions.require_compatible()
opengl.settle()

try:
    import mujoco
except (ImportError, AttributeError, RuntimeError) as error:  # of what it draws with
    if not opengl.settings():
        raise
    raise RenderingError(
        f"MuJoCo can't be imported with {opengl.settings()} ({error}). {opengl.advice()}"
    ) from error
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
"""Warning counters of a diverged simulation, which MuJoCo resets silently."""

__all__ = ["UNSTABLE", "Batch", "SimulationError", "mujoco"]
