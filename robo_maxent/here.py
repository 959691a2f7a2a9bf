"""Code of whoever sits here: modules of the current directory are found, as with ``python``."""

import importlib
import os
import sys
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
