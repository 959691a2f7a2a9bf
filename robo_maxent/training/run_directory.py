"""The directory of a run: nobody else's, and locked while it is trained."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robo_maxent.errors import UsageError
from robo_maxent.files import LOCK, locked, require_room

CONFIG = "config.json"


@contextmanager
def claimed(directory: Path | None, fresh: Path, resume: bool) -> Iterator[Path]:
    """Hold the directory of a run while it is trained.

    Where the training fails before it has written anything, a directory that was made goes again.

    Args:
        directory: Of the run; None: a fresh one.
        fresh: What to call that; where the name is taken, a number is added.
        resume: There is a run, to be continued.

    Yields:
        The directory.

    Raises:
        UsageError: Another process trains there, there is a run or something else already, or
            nothing can be written there.
    """
    made = directory is None or not directory.exists()
    try:
        require_room(directory or fresh)
        target = _new(fresh) if directory is None else directory
        target.mkdir(parents=True, exist_ok=True)
        lock = locked(
            target, f"{target} is being trained by another process: wait for it, or stop it"
        )
    except OSError as error:
        place = directory or fresh
        raise UsageError(f"Can't write to {place}: {error.strerror}") from error
    try:
        if not resume:
            _require_empty(target)
        yield target
    finally:
        if made and target.is_dir() and not any(_others(target)):
            (target / LOCK).unlink()
            target.rmdir()
        lock.release()


def fresh_name(task: str, seed: int) -> Path:
    """A name for the directory of a new run, ``runs/<task>/<time>-seed<seed>``."""
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", task)
    return Path("runs") / folder / f"{time.strftime('%Y%m%d-%H%M%S')}-seed{seed}"


def _new(path: Path) -> Path:
    """Make a directory that was not there, with a number added where the name is taken."""
    candidate, number = path, 1
    while True:
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            number += 1
            candidate = path.with_name(f"{path.name}-{number}")
        else:
            return candidate


def _require_empty(directory: Path) -> None:
    if (directory / CONFIG).exists():
        raise UsageError(
            f"{directory} already holds a run. Continue it with --resume, or choose another name."
        )
    other = next(_others(directory), None)
    if other is not None:
        raise UsageError(
            f"{directory} holds no run, but {other.name}: choose the name of a new directory, or "
            "of an empty one."
        )


def _others(directory: Path) -> Iterator[Path]:
    """What lies in a directory beside its lock."""
    return (path for path in directory.iterdir() if path.name != LOCK)
