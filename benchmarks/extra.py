"""The optional peers of the benchmarks: there, or a line that says how to get them."""

import importlib.util
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
