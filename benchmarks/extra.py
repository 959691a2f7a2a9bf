"""What the comparisons share: are the peers installed, and where does a contestant run."""

import importlib.util
import os
from collections.abc import Iterable

PEER_PACKAGES = ("stable_baselines3", "sbx")
"""Modules of the extra ``bench``."""


def missing_peers(modules: Iterable[str] = PEER_PACKAGES) -> str | None:
    """How to install what is not there; None: everything is."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    return (
        f"not installed: {', '.join(absent)}. The peers are an extra: "
        "pip install 'robo-maxent[bench]'"
    )


def contestant_environment(cache: str) -> dict[str, str]:
    """Environment variables of a contestant's process.

    JAX keeps no compiled code between processes unless told to, ours is kept: with an empty folder
    of its own each compiles anew, so that every contestant starts cold.
    """
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": cache}
