"""Stores the episodes of a search as they come, so that it can be continued.

A search draws everything from its seed: begun again, it asks for the same episodes in the same
order, and what it was told before is read rather than simulated.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.files import locked, write_atomically
from robo_maxent.from_json import typed
from robo_maxent.types import Episode

FILE = "tried.jsonl"
"""Name of the file: a first line that identifies the search, then a line for each block."""


class TriedEpisodes:
    """Stored blocks of episodes; use it as a context manager."""

    def __init__(self, directory: Path, search: Mapping[str, Any]) -> None:
        """Hold a directory, and read what the same search left there; of another, nothing.

        Args:
            directory: Made if it is not there.
            search: What decides the episodes; JSON.

        Raises:
            OSError: It can't be written.
            UsageError: Another process searches there.
        """
        directory.mkdir(parents=True, exist_ok=True)
        busy = f"another process searches in {directory}: wait for it, or give another --out"
        self._lock = locked(directory, busy)
        self._path = directory / FILE
        first = json.dumps(search, sort_keys=True)
        self._known = _read(self._path, first)
        self.kept = len(self._known)
        """Blocks that need not be simulated again."""
        lines = (_line(key, block) for key, block in self._known.items())
        write_atomically(self._path, "".join([f"{first}\n", *lines]))  # without a torn last line
        self._file = self._path.open("a")

    def __enter__(self) -> "TriedEpisodes":
        """Do nothing: it is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Unlock the directory."""
        self._file.close()
        self._lock.release()

    def episodes(
        self,
        params: Mapping[str, np.ndarray],
        sims: np.ndarray,
        run: Callable[[], list[Episode]],
    ) -> list[Episode]:
        """A block of episodes, stored or else from ``run``.

        Args:
            params: What is different about each, (N, ...).
            sims: Their simulations, (N,).
            run: Simulates them.
        """
        digest = hashlib.sha256(np.ascontiguousarray(sims).tobytes())
        for name, values in params.items():
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        key = digest.hexdigest()
        if key not in self._known:
            self._known[key] = run()
            self._file.write(_line(key, self._known[key]))
            self._file.flush()
        return self._known[key]


def _line(key: str, episodes: list[Episode]) -> str:
    return json.dumps({"key": key, "episodes": [asdict(each) for each in episodes]}) + "\n"


def _read(path: Path, first: str) -> dict[str, list[Episode]]:
    """Blocks of a file with this first line, up to the first damaged one."""
    known: dict[str, list[Episode]] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return known
    if lines[:1] != [first]:
        return known
    for line in lines[1:]:
        try:
            block = json.loads(line)
            known[str(block["key"])] = [typed(Episode, each, "it") for each in block["episodes"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            break
    return known
