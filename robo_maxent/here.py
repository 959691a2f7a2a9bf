"""Imports from the current directory, as ``python`` has them, for code of the user."""

import hashlib
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType


def look_here() -> None:
    """Let modules of the current directory be imported, ahead of all others."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def import_from_here(module: str) -> ModuleType:
    """A module, which may lie in the current directory.

    Raises:
        Exception: Whatever its code raises.
    """
    look_here()
    return importlib.import_module(module)


def own_file(module: str) -> dict[str, str]:
    """Name of a module and SHA-256 of its file; empty if it has none, or is installed."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or "site-packages" in Path(file).parts:
        return {}
    return {module: hashlib.sha256(Path(file).read_bytes()).hexdigest()}
