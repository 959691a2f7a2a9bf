"""The directory of a sweep: nobody else's, locked while it runs, and always of one plan."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robo_maxent.differences import first_difference
from robo_maxent.errors import UsageError
from robo_maxent.files import LOCK, locked, require_room, unwritable, write_atomically
from robo_maxent.from_json import typed

PLAN = "plan.json"


@contextmanager
def held(directory: Path, plan: Mapping[str, Any], size: tuple[str, int]) -> Iterator[int]:
    """Hold a directory while its runs are done.

    Args:
        directory: Directory of the sweep, which is made if it is not there.
        plan: Everything that decides the runs, as JSON.
        size: What there are several of, and how many, such as ("seeds", 5); a sweep may be
            continued with more of them, and not with fewer.

    Yields:
        How many there were when the sweep was last begun; 0: it is new.

    Raises:
        UsageError: Another process works in the directory, it holds another plan or something else,
            or it can't be written to.
    """
    try:
        require_room(directory)
        directory.mkdir(parents=True, exist_ok=True)
        busy = f"another process works on {directory}: wait for it, or give another --out"
        lock = locked(directory, busy)
    except OSError as error:
        raise unwritable(directory, error) from error
    try:
        before = _size_before(directory, json.loads(json.dumps(plan)), *size)
        write_atomically(directory / PLAN, json.dumps({**plan, size[0]: size[1]}, indent=1) + "\n")
        yield before
    finally:
        lock.release()


def _size_before(directory: Path, ours: Mapping[str, Any], name: str, count: int) -> int:
    """What there was of something when the directory was begun with the same plan; 0: it was not.

    Raises:
        UsageError: It was begun with another plan, or of something there is less now.
    """
    path = directory / PLAN
    if not path.exists():
        _require_empty(directory)
        return 0
    try:
        theirs = typed(dict[str, Any], json.loads(path.read_text()), "it")
        before = typed(int, theirs.pop(name, 0), name)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: give another --out") from error
    if theirs != ours:
        difference = first_difference(theirs, ours, "this one's")
        raise UsageError(
            f"{directory} was begun by another command: {difference}. Give another --out, or "
            "delete that directory."
        )
    if count < before:
        raise UsageError(f"{directory} has {before} {name}: give --{name} {before} or more")
    return before


def _require_empty(directory: Path) -> None:
    other = next((path for path in directory.iterdir() if path.name != LOCK), None)
    if other is not None:
        raise UsageError(
            f"{directory} holds {other.name}, which is of no sweep: give the name of a new "
            "directory with --out"
        )
