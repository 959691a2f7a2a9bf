"""One run of several: trained or continued up to its budget, then judged on fresh episodes."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import RoboMaxentError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.files import LOCK, write_atomically
from robo_maxent.from_json import typed
from robo_maxent.learning.policy import Policy
from robo_maxent.training import checkpoint
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import CONFIG, resumed
from robo_maxent.training.train import Status, train

RESULT = "result.json"
"""File of a run that is finished: what :class:`Result` has."""
LET_GO_SECONDS = 60.0
"""A process that lost its parent saves its run and lets go of it within that."""


@dataclass(frozen=True)
class Order:
    """A run to do, which can be pickled and sent to another process."""

    name: str
    """Such as ``gamma=0.95/seed-0``; no other has it."""
    make_task: Callable[[], EnvFactory]
    """A function that can be pickled, such as a ``functools.partial`` of one."""
    config: TrainConfig
    """With the whole budget, whatever of it was spent before."""
    directory: Path
    """An ordinary run directory, which need not exist."""
    episodes: int = 200
    """Fresh episodes that judge the policy which is kept."""
    evaluation_seed: int = 1
    """Of these episodes; by default they are those of ``robo-maxent evaluate RUN``."""
    keep_checkpoint: bool = False
    """Whether a finished run can be continued; a checkpoint is as large as its replay."""

    @property
    def log(self) -> Path:
        """File for what the run prints."""
        return self.directory.with_name(f"{self.directory.name}.log")

    @property
    def lock(self) -> Path:
        """What a process locks that does the run; beside its directory, which may not exist."""
        return self.directory.with_name(f".{self.directory.name}{LOCK}")


@dataclass(frozen=True)
class Result:
    """What a finished run reached."""

    steps: int
    """Environment steps."""
    seconds: float
    """Wall-clock of its training."""
    success: float | None
    """Share of fresh episodes; None: the task has no notion of it."""
    mean_return: float
    """Mean over fresh episodes."""
    episodes: int


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    fraction: float
    """Share of its whole budget spent, 0 to 1."""
    steps: int
    """Environment steps."""
    evaluated_at: int = -1
    """Environment steps of the last evaluation; -1: there was none since the run was continued."""
    success: float | None = None
    """Share of its episodes."""
    mean_return: float | None = None
    message: str = ""


@dataclass(frozen=True)
class Ended:
    """How a run ended; neither result nor error: it was stopped, and continues where it was."""

    result: Result | None = None
    error: str = ""


def perform(order: Order, report: Callable[[Progress], None]) -> Ended:
    """Do what is left of a run, in this process.

    Args:
        order: The run; where its directory holds a checkpoint, it is continued.
        report: Called with how far the run is, as it goes on.

    Raises:
        RoboMaxentError: The run can't be made, trained or evaluated.
    """
    with _held(order):
        return _performed(order, report)


def _performed(order: Order, report: Callable[[Progress], None]) -> Ended:
    """The same, of a run that no other process has."""
    directory = order.directory
    torch.set_num_threads(1)
    machine.use_threads(order.config.threads)
    spent, steps = _spent(order)
    if spent < 1.0:
        report(Progress(spent, steps))  # who has lost its parent ends here, and leaves nothing
    task = order.make_task()
    if spent < 1.0:

        def show(status: Status) -> None:
            report(_progress(status, spent))

        left = _left(order.config, spent)
        resume = spent > 0.0
        config = resumed(directory, left) if resume else order.config
        run = train(task, config, directory, resume, show)
        if run.interrupted:
            return Ended()
        steps = run.steps
    report(Progress(1.0, steps, message=f"evaluating {order.episodes} fresh episodes"))
    return Ended(_judged(order, task, steps))


def read_result(directory: Path) -> Result | None:
    """Read the result of a run from its directory; None: the run is not finished.

    Raises:
        UsageError: The file of the result is damaged.
    """
    path = directory / RESULT
    try:
        return typed(Result, json.loads(path.read_text()), "it")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is damaged ({error}): delete it, and the run is done anew"
        ) from error


@contextmanager
def _held(order: Order) -> Iterator[None]:
    """Wait for a process that lost its parent to let go of a run, and keep others from it.

    Such a process may not even have made the directory yet, so the lock of that does not tell.

    Raises:
        RoboMaxentError: Another process does not let go of it.
    """
    directory, lock = order.directory, FileLock(order.lock)
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=LET_GO_SECONDS)
        if directory.is_dir():
            with FileLock(directory / LOCK).acquire(timeout=LET_GO_SECONDS):
                pass
    except Timeout as error:
        lock.release()
        raise RoboMaxentError(f"{directory} is being trained by another process") from error
    try:
        yield
    finally:
        lock.release()


def _spent(order: Order) -> tuple[float, int]:
    """Share of the budget that a run has spent at its checkpoint, and its environment steps.

    A run that was killed before its first checkpoint is removed, to begin anew.
    """
    directory, config = order.directory, order.config
    loop = checkpoint.load_loop(directory / "checkpoint")
    if loop is None:
        if (directory / CONFIG).is_file():
            shutil.rmtree(directory)
        return 0.0, 0
    steps = loop.control_steps * config.envs
    if config.steps is not None:
        return steps / config.steps, steps
    assert config.minutes is not None
    return loop.seconds / (60.0 * config.minutes), steps


def _left(config: TrainConfig, spent: float) -> TrainConfig:
    """What of a budget is left."""
    if config.steps is not None:
        return TrainConfig(steps=config.steps - round(spent * config.steps))
    assert config.minutes is not None
    return TrainConfig(minutes=config.minutes * (1.0 - spent))


def _progress(status: Status, spent: float) -> Progress:
    return Progress(
        spent + (1.0 - spent) * status.fraction,
        status.steps,
        status.evaluated_at,
        status.values.get("eval/success_rate"),
        status.values.get("eval/mean_reward"),
        status.message,
    )


def _judged(order: Order, task: EnvFactory, steps: int) -> Result:
    """Judge the policy that is kept, and say that the run is finished."""
    directory = order.directory
    loop = checkpoint.load_loop(directory / "checkpoint")
    torch.set_num_threads(1)
    policy = Policy.load(directory / "policy.safetensors")
    summary = summarize(evaluate(policy, task, order.episodes, order.evaluation_seed))
    success = None if summary.success is None else summary.success.share
    seconds = 0.0 if loop is None else loop.seconds
    result = Result(steps, round(seconds, 1), success, summary.mean_reward, order.episodes)
    write_atomically(directory / RESULT, json.dumps(asdict(result)) + "\n")
    if not order.keep_checkpoint:
        shutil.rmtree(directory / "checkpoint", ignore_errors=True)
    return result
