"""Exact resume: everything that continues, on disk, or not at all.

    checkpoint/latest          name of the complete checkpoint
    checkpoint/000001280000/   one checkpoint, named by its environment steps
        learner.pt             networks, targets, optimizers, temperature, generator
        env.npz, replay.npz    simulations, their episodes and parameters; stored transitions
        loop.json              counters, generators, best score

A checkpoint is written beside the last one and renamed when it is complete; only then does
``latest`` point to it and the last one go. So whatever interrupts the writing, one is whole.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from robo_maxent.errors import CheckpointError
from robo_maxent.files import sync, write_atomically

_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Checkpoint:
    """Everything of a run that continues, ready to be written."""

    learner: dict[str, Any]
    env: Mapping[str, np.ndarray]
    replay: Mapping[str, np.ndarray]
    loop: dict[str, Any]


def save(directory: Path, steps: int, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint; the one before it goes once this one is complete.

    Args:
        directory: The run's ``checkpoint`` directory.
        steps: Environment steps so far, which name the checkpoint.
        checkpoint: What to write.

    Returns:
        Where it is.

    Raises:
        CheckpointError: It could not be written; one written before is intact.
    """
    target = _unused(directory, f"{steps:012d}")
    temporary = directory / f".writing-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(directory)
        temporary.mkdir()
        torch.save(checkpoint.learner, temporary / "learner.pt")
        np.savez(temporary / "env.npz", allow_pickle=False, **checkpoint.env)
        np.savez(temporary / "replay.npz", allow_pickle=False, **checkpoint.replay)
        (temporary / "loop.json").write_text(json.dumps(checkpoint.loop))
        for file in temporary.iterdir():
            sync(file)
        os.replace(temporary, target)
        write_atomically(directory / "latest", target.name)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"Can't write the checkpoint {target}: {error}. One written before is intact; free "
            "some disk space and continue from it with --resume."
        ) from error
    for other in directory.glob("[0-9]*"):
        if other != target:
            shutil.rmtree(other)
    return target


def load(directory: Path) -> Checkpoint:
    """Read the complete checkpoint of a run.

    Args:
        directory: The run's ``checkpoint`` directory.

    Raises:
        CheckpointError: There is none, or it is damaged.
    """
    latest = directory / "latest"
    if not latest.is_file():
        raise CheckpointError(f"There is no checkpoint in {directory}.")
    path = directory / latest.read_text().strip()
    try:
        return Checkpoint(
            learner=torch.load(path / "learner.pt", weights_only=True),
            env=_arrays(path / "env.npz"),
            replay=_arrays(path / "replay.npz"),
            loop=json.loads((path / "loop.json").read_text()),
        )
    except (*_DAMAGED, UnpicklingError) as error:
        raise CheckpointError(
            f"The checkpoint {path} is damaged ({type(error).__name__}: {_line(error)}). The run's "
            "policy files are separate and can still be used."
        ) from error


def _unused(directory: Path, name: str) -> Path:
    """A new path, so that a second save at the same step does not touch the first."""
    path, count = directory / name, 1
    while path.exists():
        count += 1
        path = directory / f"{name}-{count}"
    return path


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def _remove_unfinished(directory: Path) -> None:
    for unfinished in directory.glob(".writing-*"):
        shutil.rmtree(unfinished)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
