"""Copies of a user's files, which runs and stress tests keep so that they work anywhere.

Options of a task name such files by a path. What is written down names the copy, which lies beside.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robo_maxent.files import write_atomically

OPTIONS = ("robot_file",)
"""Options that name a file of which a copy may be kept."""

Kept = Mapping[str, tuple[str, bytes]]
"""Option -> name of the copy, and what is in it."""


def named(options: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
    """Options with names of copies in the place of file paths."""
    return {**options, **{option: name for option, (name, _) in kept.items()}}


def write(kept: Kept, directory: Path) -> None:
    """Write the copies that are not there yet.

    Raises:
        OSError: They can't be written.
    """
    for name, data in kept.values():
        if not (directory / name).exists():
            write_atomically(directory / name, data)


def placed(options: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Options as they were written down, with paths to the copies in their directory."""
    paths = {
        option: str(directory / options[option])
        for option in OPTIONS
        if isinstance(options.get(option), str) and not Path(options[option]).is_absolute()
    }
    return {**options, **paths}
