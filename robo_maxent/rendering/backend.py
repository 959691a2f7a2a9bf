"""Finds an OpenGL backend that works here, in a subprocess.

A wrong one can take the process down; what MUJOCO_GL says is respected.
"""

import functools
import importlib
import os
import subprocess
import sys

from robo_maxent import opengl
from robo_maxent.errors import RenderingError

PATIENCE = 60.0  # s, for a first picture

_PROBE = (
    "import mujoco; m = mujoco.MjModel.from_xml_string('<mujoco/>'); "
    "r = mujoco.Renderer(m, 16, 16); r.update_scene(mujoco.MjData(m)); r.render(); r.close()"
)


def works(backend: str) -> str | None:
    """Try a backend in a subprocess: None if it renders, else the last line of its error."""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE],
            env=os.environ | {opengl.VARIABLE: backend, "PYOPENGL_PLATFORM": backend},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no picture within {PATIENCE:g} s"
    if tried.returncode == 0:
        return None
    lines = tried.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {tried.returncode}"


@functools.cache
def find_backend() -> str:
    """Find an OpenGL backend that works here and choose it for this process.

    Raises:
        RenderingError: None works, or none is to; the message holds the fix.
    """
    failures = {}
    for backend in opengl.wanted():
        failure = works(backend)
        if failure is None:
            if backend != "glfw":
                os.environ["PYOPENGL_PLATFORM"] = backend
            # MuJoCo chose when it was imported, which was before anyone asked for a picture.
            context = importlib.import_module(f"mujoco.{backend}").GLContext
            gl_context = importlib.import_module("mujoco.rendering.classic.gl_context")
            setattr(gl_context, "GLContext", context)  # noqa: B010
            return backend
        failures[backend] = failure
    tried = "; ".join(f"{backend}: {failure}" for backend, failure in failures.items())
    found = f"No working OpenGL backend ({tried}). " if tried else ""
    raise RenderingError(f"{found}{opengl.advice()}")
