"""Meaning of ``MUJOCO_GL``, in every spelling that MuJoCo reads, before MuJoCo is imported."""

import os

from robo_maxent.errors import RenderingError

VARIABLE = "MUJOCO_GL"
BACKENDS = ("egl", "osmesa", "glfw")
"""Libraries that draw with OpenGL, in the order in which they are tried."""
SETTINGS = (VARIABLE, "MUJOCO_EGL_DEVICE_ID")
"""Environment variables that decide what can be drawn."""
FIX = (
    "Rendering needs an OpenGL library. On Debian or Ubuntu: "
    "apt-get install -y libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri"
)

_ANY = ("", "on", "enable", "enabled", "true", "1")
_OFF = ("off", "disable", "disabled", "false", "0")
_ONE = {name: name for name in (*BACKENDS, "cgl")} | {"glx": "glfw"}


def wanted() -> tuple[str, ...]:
    """Backends that may be used, in the order to try them; empty if pictures are switched off.

    Raises:
        RenderingError: MUJOCO_GL is none of the words that MuJoCo knows.
    """
    word = _word()
    if word in _ANY:
        return BACKENDS
    if word in _OFF:
        return ()
    if word not in _ONE:
        raise RenderingError(
            f"{VARIABLE}={os.environ[VARIABLE]} names no OpenGL backend: unset it, or let it be "
            f"one of {', '.join(BACKENDS)}, on, off"
        )
    return (_ONE[word],)


def settle() -> None:
    """Normalize the spelling of MUJOCO_GL: libraries other than MuJoCo mind case and spaces.

    Raises:
        RenderingError: It is none of the words that MuJoCo knows.
    """
    wanted()
    if VARIABLE in os.environ:
        os.environ[VARIABLE] = _ONE.get(_word(), _word())


def settings() -> str:
    """The environment variables that are set and decide what can be drawn, for people."""
    return " ".join(f"{name}={os.environ[name]}" for name in SETTINGS if name in os.environ)


def advice() -> str:
    """What to do where nothing can be drawn."""
    if not wanted():
        return f"Pictures are switched off by {settings()}: unset {VARIABLE}."
    return f"Unset {settings()}, if that is not meant. {FIX}" if settings() else FIX


def _word() -> str:
    return os.environ.get(VARIABLE, "").lower().strip()
