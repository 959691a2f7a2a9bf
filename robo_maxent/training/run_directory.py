"""The directory of a run, locked while it trains, and its configuration."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any, get_args

from robo_maxent import kept
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.own_tasks import identified
from robo_maxent.errors import UsageError
from robo_maxent.files import LOCK, locked, require_room, unwritable, write_atomically
from robo_maxent.from_json import typed
from robo_maxent.training.config import Preset, TrainConfig, preset
from robo_maxent.training.pretrained import is_pretrained

CONFIG, METRICS = "config.json", "metrics.jsonl"
NOT_OF_TASK = ("task", "train", "actors", "deterministic")
"""Keys of ``config.json`` that are not options of the task."""
KNOWN = 5
"""Most runs that a message names."""


@contextmanager
def claimed(directory: Path | None, fresh: Path, resume: bool) -> Iterator[Path]:
    """Hold the directory of a run while it trains.

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
        raise unwritable(place, error) from error
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


def describe(task: EnvFactory, config: TrainConfig, directory: Path) -> None:
    """Write ``config.json`` once everything has been built, so that early failures leave no run."""
    try:
        kept.write(task.kept, directory)
        options = kept.named(task.options, task.kept)
        description = {**identified(task), **options, "train": asdict(config)}
        text = json.dumps(description, indent=2)
        write_atomically(directory / CONFIG, text + "\n")
    except OSError as error:
        raise unwritable(directory, error) from error


def describe_actors(directory: Path, count: int) -> None:
    """Note in ``config.json`` that actors collected, so that the run can't be repeated exactly."""
    try:
        description = json.loads((directory / CONFIG).read_text())
        description |= {"actors": count, "deterministic": False}
        write_atomically(directory / CONFIG, json.dumps(description, indent=2) + "\n")
    except OSError as error:
        raise unwritable(directory, error) from error


def withdraw(directory: Path) -> None:
    """Remove a run's directory, unless there is something in it to continue or use."""
    if (directory / "checkpoint").exists() or (directory / "policy.safetensors").exists():
        return
    for file in (CONFIG, METRICS, "robot.zip", "events.out.tfevents.*", "wandb.json"):
        for path in directory.glob(file):
            path.unlink()


@dataclass(frozen=True)
class _Described:
    """Required contents of ``config.json``."""

    task: str
    train: dict[str, Any]


def read_config(directory: Path) -> dict[str, Any]:
    """The ``config.json`` of a run: ``task``, ``train``, and the options of the task.

    Args:
        directory: The run, or the file itself.

    Raises:
        UsageError: The directory is not a run, or its ``config.json`` says something else.
    """
    file = directory if directory.is_file() else directory / CONFIG
    try:
        saved = json.loads(file.read_text())
        typed(_Described, saved, "it")
    except OSError as error:
        if is_pretrained(str(directory)):
            raise UsageError(
                f"{directory} is an actor without critics: nothing can be trained on from it."
            ) from error
        known = "".join(f" {each}" for each in _runs_in(directory)[-KNOWN:])
        why = "its config.json can't be read" if directory.exists() else "it does not exist"
        message = f"{directory} is not a run: {why}."
        raise UsageError(f"{message} Runs in it:{known}" if known else message) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{directory}: its config.json is damaged: {error}.") from error
    return kept.placed(saved, file.parent)


def _runs_in(directory: Path) -> list[str]:
    """Runs in a folder or its subfolders, the latest last."""
    files = [*directory.glob(f"*/{METRICS}"), *directory.glob(f"*/*/{METRICS}")]
    runs = [file.parent for file in files if (file.parent / CONFIG).is_file()]
    return [quote(str(run)) for run in sorted(runs, key=lambda run: (run.name, run))]


def resumed(directory: Path, budget: TrainConfig) -> TrainConfig:
    """Configuration of a run with a new budget, on top of what it has done.

    Args:
        directory: The run.
        budget: Only its ``minutes`` or ``steps`` may differ from the defaults.

    Raises:
        UsageError: More than the budget is given, the directory is not a run, or its
            configuration does not fit this version.
    """
    if options := _more_than_budget(budget):
        raise UsageError(
            "a run is resumed with its own configuration: give only a new budget, not "
            f"{', '.join(options)}"
        )
    recipe, _ = read_recipe(directory)
    return replace(recipe, minutes=budget.minutes, steps=budget.steps)


def read_recipe(directory: Path) -> tuple[TrainConfig, tuple[str, ...]]:
    """Configuration of a run, and which settings it lacks and got by default.

    Args:
        directory: The run, or its ``config.json``.

    Raises:
        UsageError: It is no run, or its configuration does not fit this version; the message says
            in which settings.
    """
    saved = read_config(directory)["train"]
    try:
        recipe: TrainConfig = typed(TrainConfig, saved, "train")
    except (ValueError, UsageError) as error:
        raise UsageError(f"{directory}: its config.json can't be used: {error}") from error
    known = asdict(recipe)
    levels = {"": (saved, known), "sac.": (saved.get("sac", {}), known["sac"])}
    unknown = [f"{level}{name}" for level, (a, b) in levels.items() for name in a if name not in b]
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise UsageError(
            f"{directory} was made by another version: it has {names}, which this one does not know"
        )
    lacking = (f"{level}{name}" for level, (a, b) in levels.items() for name in b if name not in a)
    return recipe, tuple(name for name in lacking if name != "sac" or "sac" not in saved)


def _more_than_budget(given: TrainConfig) -> list[str]:
    """Options of a configuration that differ from its preset, beside the budget."""
    presets = [_flat(preset(name)) for name in get_args(Preset)]
    ours = _flat(replace(given, minutes=None, steps=None))
    differing = [[name for name in ours if ours[name] != each[name]] for each in presets]
    return [f"--{name.replace('_', '-')}" for name in min(differing, key=len)]


def _flat(config: TrainConfig) -> dict[str, Any]:
    """All settings by name, with those of the learner."""
    settings = asdict(config)
    return settings | settings.pop("sac")


def _new(path: Path) -> Path:
    """Make a new directory; a number is added if the name is taken."""
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
    """Files in a directory beside its lock."""
    return (path for path in directory.iterdir() if path.name != LOCK)
