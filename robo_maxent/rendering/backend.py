"""The OpenGL backend: the first that works here, found in a subprocess.

A wrong one can take the process down; a MUJOCO_GL that is already set is respected.
"""

import functools
import importlib
import os
import subprocess
import sys

from robo_maxent.errors import RenderingError

BACKENDS = ("egl", "osmesa", "glfw")
FIX = (
    "Rendering needs an OpenGL library. On Debian or Ubuntu: "
    "apt-get install -y libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri"
)

_PROBE = (
    "import mujoco; m = mujoco.MjModel.from_xml_string('<mujoco/>'); "
    "r = mujoco.Renderer(m, 16, 16); r.update_scene(mujoco.MjData(m)); r.render(); r.close()"
)


def works(backend: str) -> str | None:
    """Try a backend in a subprocess: None if it renders, else the last line of its error."""
    tried = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env=os.environ | {"MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if tried.returncode == 0:
        return None
    lines = tried.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {tried.returncode}"


@functools.cache
def find_backend() -> str:
    """Find an OpenGL backend that works here and choose it for this process.

    Raises:
        RenderingError: None works; the message holds the fix.
    """
    wanted = os.environ.get("MUJOCO_GL")
    for backend in (wanted,) if wanted else BACKENDS:
        if works(backend) is None:
            if backend != "glfw":
                os.environ["PYOPENGL_PLATFORM"] = backend
            # MuJoCo chose when it was imported, which was before anyone asked for a picture.
            context = importlib.import_module(f"mujoco.{backend}").GLContext
            gl_context = importlib.import_module("mujoco.rendering.classic.gl_context")
            setattr(gl_context, "GLContext", context)  # noqa: B010
            return backend
    tried = f"MUJOCO_GL={wanted}" if wanted else ", ".join(BACKENDS)
    raise RenderingError(f"No working OpenGL backend (tried {tried}). {FIX}")
