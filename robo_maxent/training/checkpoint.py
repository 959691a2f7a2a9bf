"""Checkpoints for exact resume: complete on disk, or not there at all.

    checkpoint/latest          name of the complete checkpoint
    checkpoint/000001280000/   one checkpoint, named by its environment steps
        learner.pt             networks, targets, optimizers, temperature, generator
        env.npz, replay.npz    simulations, their episodes and parameters; stored transitions
                               (of actors beside the first, under actor1.NAME and so on)
        loop.json              counters, generators, best score
        digests.json           SHA-256 of each of these files

A checkpoint is written beside the last one and renamed when it is complete; only then does
``latest`` point to it. So whatever interrupts the writing, one is whole. The last one is kept too,
for the day that the disk damages the latest.
"""

import hashlib
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from shlex import quote
from typing import Any, TypeVar

import numpy as np
import torch

from robo_maxent.errors import CheckpointError
from robo_maxent.files import sync, write_atomically
from robo_maxent.from_json import typed

LATEST, DIGESTS = "latest", "digests.json"
FILES = ("learner.pt", "env.npz", "replay.npz", "loop.json")

_NAME = re.compile(r"\d{12}(-\d+)?")
_UNFINISHED = re.compile(r"\.writing-\d+")
T = TypeVar("T")

_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a checkpoint."""

    learner: dict[str, Any]
    env: Mapping[str, np.ndarray]
    replay: Mapping[str, np.ndarray]
    loop: dict[str, Any]


def save(directory: Path, steps: int, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint; the latest one before it is kept.

    Args:
        directory: The run's ``checkpoint`` directory.
        steps: Environment steps so far, which name the checkpoint.
        checkpoint: What to write.

    Returns:
        Where it is.

    Raises:
        CheckpointError: It could not be written; one written before is intact.
    """
    target, before = _unused(directory, f"{steps:012d}"), _latest(directory)
    temporary = directory / f".writing-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_all_but(directory, before)  # before writing: there is never a third
        temporary.mkdir()
        _save_learner(checkpoint.learner, temporary / "learner.pt")
        np.savez(temporary / "env.npz", allow_pickle=False, **checkpoint.env)
        np.savez(temporary / "replay.npz", allow_pickle=False, **checkpoint.replay)
        (temporary / "loop.json").write_text(json.dumps(checkpoint.loop))
        digests = {name: _digest(temporary / name) for name in FILES}
        (temporary / DIGESTS).write_text(json.dumps(digests))
        for path in (*temporary.iterdir(), temporary):
            sync(path)
        os.replace(temporary, target)
        write_atomically(directory / LATEST, target.name)
    except (OSError, RuntimeError) as error:  # torch has both for what it can't write
        shutil.rmtree(temporary, ignore_errors=True)
        way_on = "There is none before it: free some disk space."
        if before is not None:
            way_on = (
                "One written before is intact; free some disk space and continue from it with "
                "--resume."
            )
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CheckpointError(f"Can't write the checkpoint {target}: {why}. {way_on}") from error
    return target


def _save_learner(learner: Mapping[str, Any], path: Path) -> None:
    """Write tensors by way of memory: of a full disk, torch says "unexpected pos".

    Raises:
        OSError: The disk is full, or the file can't be written.
    """
    buffer = io.BytesIO()
    torch.save(learner, buffer)
    path.write_bytes(buffer.getbuffer())


def load(directory: Path) -> Checkpoint:
    """Read the latest complete checkpoint of a run.

    Args:
        directory: The run's ``checkpoint`` directory.

    Raises:
        CheckpointError: There is none, or it is damaged; the message names one that is intact.
    """
    latest = _latest(directory)
    if latest is None:
        again = f"robo-maxent train --config {quote(str(directory.parent))} --minutes 5"
        raise CheckpointError(
            f"There is no checkpoint in {directory}: the run was ended before its first one. Begin "
            f"a new run with its recipe: {again}"
        )
    path = directory / latest
    try:
        if not _NAME.fullmatch(latest):
            raise ValueError(f"{LATEST} names none")
        _require_intact(path)
        return Checkpoint(
            learner=torch.load(path / "learner.pt", weights_only=True),
            env=_arrays(path / "env.npz"),
            replay=_arrays(path / "replay.npz"),
            loop=json.loads((path / "loop.json").read_text()),
        )
    except (*_DAMAGED, UnpicklingError) as error:
        raise CheckpointError(
            f"The checkpoint {path} is damaged ({type(error).__name__}: {_line(error)}). "
            f"{_way_on(directory, latest)}"
        ) from error


def log_alpha(directory: Path) -> float | None:
    """Logarithm of the temperature in a run's latest checkpoint; None if there is none.

    Args:
        directory: The run's ``checkpoint`` directory.

    Raises:
        CheckpointError: It is damaged.
    """
    return _of_latest(
        directory,
        "learner.pt",
        lambda path: float(torch.load(path, weights_only=True)["log_alpha"]),
    )


def load_loop(directory: Path) -> "Loop | None":
    """Counters of a run's latest checkpoint; None if there is none.

    Args:
        directory: The run's ``checkpoint`` directory.

    Raises:
        CheckpointError: It is damaged.
    """
    return _of_latest(
        directory, "loop.json", lambda path: typed(Loop, json.loads(path.read_text()), path.name)
    )


def _of_latest(directory: Path, name: str, read: Callable[[Path], T]) -> T | None:
    """Contents of one file of the latest checkpoint; None if there is none."""
    latest = _latest(directory)
    if latest is None:
        return None
    path = directory / latest / name
    try:
        return read(path)
    except (*_DAMAGED, UnpicklingError) as error:
        raise CheckpointError(f"{path} is damaged: {_line(error)}") from error


def _require_intact(path: Path) -> None:
    """Compare the files of a checkpoint with their digests.

    Raises:
        ValueError: One differs.
        OSError: One is not there.
    """
    if not (path / DIGESTS).exists():  # written before there were digests
        return
    digests = json.loads((path / DIGESTS).read_text())
    for name in FILES:
        if _digest(path / name) != digests[name]:
            raise ValueError(f"{name} is not what was written")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _way_on(directory: Path, damaged: str) -> str:
    """Advice on a damaged checkpoint."""
    for path in _checkpoints(directory):
        if path.name == damaged:
            continue
        try:
            _require_intact(path)
        except _DAMAGED:
            continue
        latest = quote(str(directory / LATEST))
        return f"{path.name} is intact; to continue from that: echo {path.name} > {latest}"
    return "The run's policy files are separate and can still be used."


def _latest(directory: Path) -> str | None:
    """Name of the latest checkpoint; None if there is none."""
    latest = directory / LATEST
    if not latest.is_file():
        return None
    return " ".join(latest.read_text(errors="replace").split())  # a damaged one fits a line, too


def _checkpoints(directory: Path) -> list[Path]:
    """Checkpoints in a directory, the latest first."""
    named = (path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    return sorted((path for path in named if _has_only_our_files(path)), reverse=True)


def _has_only_our_files(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    return {file.name for file in path.iterdir()} - {DIGESTS} == set(FILES)


@dataclass(frozen=True)
class Loop:
    """Contents of ``loop.json``."""

    control_steps: int
    best_score: tuple[float, ...]
    action_rng: dict[str, Any]
    replay_rng: dict[str, Any]
    recipe: dict[str, Any] | None = None
    """Task and configuration, without the budget; None if an old version wrote it."""
    seconds: float = 0.0
    """Wall-clock of the run so far, over all its processes, s."""
    actors: int = 0
    """Number of actors; 0: the learner's process collected itself."""


def require_like(saved: Any, expected: Any, name: str) -> None:
    """Check that saved arrays have the names, shapes and types of those they replace.

    Raises:
        KeyError: A name is missing.
        ValueError: A shape or a type differs.
    """
    if isinstance(expected, Mapping) and isinstance(saved, Mapping):
        for key, value in expected.items():
            require_like(saved[key], value, f"{name}.{key}")
        return
    asked, found = _kind(expected), _kind(saved)
    if asked != found:
        raise ValueError(f"{name} must be {asked}, got {found}")


def _kind(value: Any) -> str:
    """Type of a value, and what kind of an array it is."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"{type(value).__name__} {value.dtype} {tuple(value.shape)}"
    return type(value).__name__


def _unused(directory: Path, name: str) -> Path:
    """A new path, so that a second checkpoint at the same step does not touch the first."""
    path, count = directory / name, 1
    while path.exists():
        count += 1
        path = directory / f"{name}-{count}"
    return path


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def _remove_all_but(directory: Path, latest: str | None) -> None:
    """Remove unfinished checkpoints, and all others but the latest."""
    unfinished = [path for path in directory.iterdir() if _UNFINISHED.fullmatch(path.name)]
    for path in (*unfinished, *_checkpoints(directory)):
        if path.name != latest:
            shutil.rmtree(path)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
