"""Runs: from a budget to a policy, with evaluation, metrics and checkpoints on the way."""

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Any, get_args

import numpy as np
import torch

from robo_maxent import machine
from robo_maxent.envs.gym_spec import word_for
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import (
    CheckpointError,
    DivergedError,
    EnvError,
    PolicyError,
    RoboMaxentError,
    UsageError,
)
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.files import write_atomically
from robo_maxent.from_json import typed
from robo_maxent.learning import hardware, native
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import row_bytes
from robo_maxent.seeds import Purpose
from robo_maxent.training.config import Preset, TrainConfig, preset
from robo_maxent.training.metrics import MetricsLog
from robo_maxent.training.run_directory import CONFIG, claimed, fresh_name
from robo_maxent.training.trainer import Trainer, relabelling
from robo_maxent.types import Act, Episode

BASE_MEMORY = 500_000_000
"""Torch, MuJoCo, networks and simulations, bytes: what a run took beside its replay."""

EVALUATION_NEWS = 30.0
"""Wall-clock between lines about an evaluation that takes long, s."""


@dataclass(frozen=True)
class Run:
    """What a finished run leaves."""

    directory: Path
    policy: Policy
    """The best policy of the periodic evaluations."""
    success: float | None
    """Its share of successful episodes there: the best of several, so a little optimistic; None
    where there was no evaluation, or the task has no notion of success."""
    reward: float | None
    """Its mean return there."""
    steps: int
    """Environment steps."""
    updates: int
    seconds: float
    """Wall-clock of this call."""
    interrupted: bool
    """Stopped by Ctrl-C; the checkpoint continues from there."""


@dataclass(frozen=True)
class Status:
    """Where a run is, for whoever shows it."""

    fraction: float
    """Share of the budget spent, 0 to 1."""
    seconds: float
    """Wall-clock spent."""
    seconds_left: float
    steps: int
    """Environment steps."""
    values: dict[str, float]
    """Latest metrics, by name."""
    message: str = ""
    """Something that happened, for a line of its own."""


Show = Callable[[Status], None]


def train(
    task: EnvFactory,
    config: TrainConfig,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    show: Show | None = None,
) -> Run:
    """Train a policy until the budget is spent or Ctrl-C is pressed.

    Args:
        task: What to learn.
        config: Budget and recipe; the budget of a resumed run comes on top of what it has done.
        directory: Where the run's files go; None: ``runs/<task>/<time>-seed<seed>``.
        resume: Continue the run in ``directory`` from its checkpoint, exactly.
        show: Called with each row of metrics and each message.

    Raises:
        UsageError: The directory holds another run or something else, another process trains
            there, or the replay does not fit in memory.
        CheckpointError: There is no readable checkpoint to resume from, or the last one could
            not be written.
        EnvError: An environment of someone else's crashed or returned NaN or infinity; the run is
            saved up to the step before.
        DivergedError: The learner's numbers are not finite any more; what was saved before stays.
    """
    start = time.monotonic()
    if config.minutes is None and config.steps is None:
        raise UsageError("give a budget: minutes or steps")
    named = None if directory is None else Path(directory)
    if resume:
        _require_run_of(task, named)
    _require_memory(task, config, named if resume else None)
    relabelling(task, config.relabelled)  # raises before a directory is made
    with claimed(named, fresh_name(task.name, config.seed), resume) as target:
        try:
            return _trained(task, config, target, resume, start, show or (lambda status: None))
        except BaseException:
            if not resume:
                _withdraw(target)
            raise


def _trained(
    task: EnvFactory, config: TrainConfig, directory: Path, resume: bool, start: float, show: Show
) -> Run:
    """Train in a directory that is held; ``start`` is when the budget began, monotonic, s."""
    trainer = Trainer(task, config, directory)
    try:
        if resume:
            trainer.restore()
        else:
            _describe(task, config, directory)
        loop = _Loop(trainer, start, show)
        with _Interrupt(loop.tell) as interrupt:
            loop.greet(resume)
            return loop.run(interrupt)
    finally:
        trainer.close()


def memory_needed(task: EnvFactory, config: TrainConfig, resumed: Path | None = None) -> int:
    """Estimate of the memory that a run needs, bytes: the replay, and the rest.

    Args:
        task: What to learn.
        config: How.
        resumed: The run to continue, whose saved replay is in memory twice as it is loaded.
    """
    replay = config.replay_capacity * row_bytes(task.observation_size, task.action_space.size)
    if resumed is not None:
        sizes = [file.stat().st_size for file in (resumed / "checkpoint").glob("*/*")]
        replay = max(replay, 2 * max(sizes, default=0))
    return replay + BASE_MEMORY


class _Loop:
    """Runs a trainer to its budget, with evaluation, metrics and checkpoints on the way."""

    log_every = 50
    """Control steps between rows of metrics."""

    def __init__(self, trainer: Trainer, start: float, show: Show) -> None:
        self.trainer, self.config, self.start, self.show = trainer, trainer.config, start, show
        self.agent = trainer.learner.agent
        self.first_step, self.first_updates = trainer.steps, self.agent.updates
        self.log = MetricsLog(trainer.directory, trainer.steps)
        self.episodes: deque[Episode] = deque(maxlen=100)
        self.values: dict[str, float] = {}
        self.latest: dict[str, torch.Tensor] = {}
        self.terms: dict[str, np.ndarray] = {}
        self.saved_at = start
        self.saved_steps = trainer.steps  # in the checkpoint; 0: there is none
        self.told_at = start

    def run(self, interrupt: "_Interrupt") -> Run:
        """Train until the budget is spent or Ctrl-C is pressed."""
        trainer, evaluated_at = self.trainer, -1
        if native.library() is None:
            self.tell(native.state()[1])
        if self.config.precision == "bf16" and not hardware.has_amx():
            self.tell("this CPU has no AMX: bf16 is rounded by hand, slower than fp32")
        try:
            while not interrupt.pressed and self._fraction() < 1.0:
                step, metrics = trainer.step()
                self.latest |= metrics
                self.terms = step.terms
                self.episodes.extend(step.episodes)
                if trainer.control_steps % self.log_every == 0:
                    self._log()
                if trainer.steps % self.config.evaluate_every < self.config.envs:
                    self._evaluate(interrupt)
                    evaluated_at = trainer.steps
                self._save_when_due()
            if not interrupt.pressed and evaluated_at != trainer.steps:
                self._evaluate(interrupt)
            trainer.require_finite()
            trainer.policy().save(trainer.directory / "policy-last.safetensors")
            trainer.save()
        except EnvError as error:
            raise self._saved_before(error) from error
        except DivergedError as error:
            raise self._kept_before(error) from error
        finally:
            self._attempt(self.log.close)
        return Run(
            directory=trainer.directory,
            policy=_best_policy(trainer),
            success=trainer.best_score[0] if len(trainer.best_score) > 1 else None,
            reward=trainer.best_score[-1] if trainer.best_score else None,
            steps=trainer.steps,
            updates=self.agent.updates,
            seconds=time.monotonic() - self.start,
            interrupted=interrupt.pressed,
        )

    def greet(self, resume: bool) -> None:
        """Say where the run is, and what is special about the task."""
        self.tell(f"run: {self.trainer.directory}")
        for note in self.trainer.task.notes:
            self.tell(note)
        if resume and not self.trainer.task.exact_resume:
            self.tell(
                "learner, replay and counters continue exactly; the state of the environments "
                "can't be saved, so new episodes begin"
            )

    def _save_when_due(self) -> None:
        if time.monotonic() - self.saved_at > self.config.save_seconds:
            self.saved_at = time.monotonic()
            if self._attempt(self.trainer.save):
                self.saved_steps = self.trainer.steps

    def _saved_before(self, env_error: EnvError) -> EnvError:
        """Save everything up to the error of an environment; the error, saying how to go on."""
        trainer = self.trainer
        if not trainer.steps:
            return env_error
        try:
            trainer.save()
        except RoboMaxentError as error:
            return EnvError(f"{env_error} {error}")
        return EnvError(
            f"{env_error} The run is saved at {trainer.steps:,} steps: mend the environment, then "
            f"continue with robo-maxent train{word_for(trainer.task.name)} --resume "
            f"{quote(str(trainer.directory))} --minutes 5"
        )

    def _kept_before(self, diverged: DivergedError) -> DivergedError:
        """The divergence of the learner, saying what was kept before it and how to go on."""
        trainer, directory = self.trainer, quote(str(self.trainer.directory))
        kept = [f"a checkpoint at {self.saved_steps:,} steps"] if self.saved_steps else []
        if (trainer.directory / "policy.safetensors").is_file():
            kept.append(f"the best policy (robo-maxent evaluate {directory})")
        observation, reward = trainer.learner.replay.largest()
        return DivergedError(
            f"{diverged} Saved before it: {' and '.join(kept) or 'nothing'}. It learnt from "
            f"observations of up to {observation:.3g} and rewards of up to {reward:.3g}: if that "
            "is too much, let the environment clip them; else train anew with a --learning-rate "
            f"below {self.config.sac.learning_rate:g}."
        )

    def _fraction(self) -> float:
        if self.config.steps is not None:
            return (self.trainer.steps - self.first_step) / self.config.steps
        assert self.config.minutes is not None
        return (time.monotonic() - self.start) / (60.0 * self.config.minutes)

    def _log(self) -> None:
        self.trainer.require_finite()
        seconds = time.monotonic() - self.start
        values = {
            "time/fps": (self.trainer.steps - self.first_step) / seconds,
            "time/updates_per_second": (self.agent.updates - self.first_updates) / seconds,
        }
        values |= self.agent.metrics()
        values |= {f"train/{name}": float(value) for name, value in self.latest.items()}
        values |= {f"reward/{name}": float(term.mean()) for name, term in self.terms.items()}
        if self.episodes:
            values |= {
                "rollout/ep_rew_mean": float(np.mean([e.reward for e in self.episodes])),
                "rollout/ep_len_mean": float(np.mean([e.length for e in self.episodes])),
            }
            judged = [e.success for e in self.episodes if e.success is not None]
            if judged:
                values["rollout/success_rate"] = float(np.mean(judged))
        self._write(values | self.trainer.collector.env.metrics())
        self.tell()

    def _evaluate(self, interrupt: "_Interrupt") -> None:
        """Evaluate the policy without noise, unless interrupted; keep it if it is the best so far.

        Without evaluations the latest one is kept.
        """
        trainer = self.trainer
        trainer.require_finite()
        best = trainer.directory / "policy.safetensors"
        if not self.config.evaluation_episodes:
            self._attempt(lambda: trainer.policy().save(best))
            return
        self.told_at = time.monotonic()
        try:
            rows = evaluate(
                interrupt.ends(trainer.policy()),
                trainer.task,
                self.config.evaluation_episodes,
                self.config.seed,
                self._evaluating,
                purpose=Purpose.VALIDATION,
            )
        except _InterruptedError:
            return
        summary = summarize(rows)
        values = {
            "eval/mean_reward": summary.mean_reward,
            "eval/mean_ep_length": summary.mean_length,
            "eval/termination_rate": summary.terminated.share,
        }
        if summary.success is not None:
            values["eval/success_rate"] = summary.success.share
        of_task = {f"eval/{k}": v for k, v in summary.metrics.items() if v is not None}
        self._write(values | of_task)
        successes = [] if summary.success is None else [summary.success.share]
        score = [*successes, summary.mean_reward]
        if score > trainer.best_score and self._attempt(lambda: trainer.policy().save(best)):
            trainer.best_score = score
        self.tell(f"evaluation at {trainer.steps:,} steps: {summary.headline}")

    def _evaluating(self, done: int, most: int) -> None:
        if time.monotonic() - self.told_at > EVALUATION_NEWS:
            self.told_at = time.monotonic()
            self.tell(
                f"evaluation at {self.trainer.steps:,} steps: {done:,} of at most {most:,} control "
                "steps"
            )

    def _attempt(self, write: Callable[[], object]) -> bool:
        """Write a file; a full disk must not end hours of training, so it only warns."""
        try:
            write()
        except (OSError, CheckpointError, PolicyError) as error:
            self.tell(f"warning: {error} Training goes on.")
            return False
        return True

    def _write(self, values: dict[str, float]) -> None:
        self.values |= values
        self._attempt(lambda: self.log.write(self.trainer.steps, values))

    def tell(self, message: str = "") -> None:
        """Show where the run is, and something that happened."""
        fraction = min(self._fraction(), 1.0)
        seconds = time.monotonic() - self.start
        left = seconds * (1.0 - fraction) / fraction if fraction > 0 else float("inf")
        self.show(Status(fraction, seconds, left, self.trainer.steps, dict(self.values), message))


class _InterruptedError(Exception):
    """An evaluation was interrupted."""


class _Interrupt:
    """Ctrl-C and SIGTERM end the loop after the running step; the third ends it at once."""

    lines = (
        "stopping: a checkpoint is written after this step",
        "still stopping; once more ends it at once and loses what is not in the last checkpoint",
    )
    """What is told of the first and of the second."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._presses = tell, 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def pressed(self) -> bool:
        """Whether the loop should end."""
        return self._presses > 0

    def ends(self, act: Act) -> Act:
        """A policy that raises :class:`_InterruptedError` once the loop should end."""

        def interruptible(obs: np.ndarray) -> np.ndarray:
            if self.pressed:
                raise _InterruptedError
            return act(obs)

        return interruptible

    def __enter__(self) -> "_Interrupt":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._presses += 1
        if self._presses > len(self.lines):
            raise KeyboardInterrupt
        with suppress(RuntimeError):  # it came while a line was being written
            self._tell(self.lines[self._presses - 1])


def _best_policy(trainer: Trainer) -> Policy:
    best = trainer.directory / "policy.safetensors"
    return Policy.load(best if best.is_file() else best.with_name("policy-last.safetensors"))


def _require_memory(task: EnvFactory, config: TrainConfig, resumed: Path | None) -> None:
    needed, available = memory_needed(task, config, resumed), machine.available_memory()
    if needed > available:
        if resumed is not None:
            raise UsageError(
                f"To resume, {resumed} needs about {needed / 1e9:.1f} GB of memory, of which "
                f"{available / 1e9:.1f} GB are available. End other programs, or continue on a "
                "larger machine."
            )
        fitting = max(int(config.replay_capacity * (available / needed) * 0.8), 1)
        raise UsageError(
            f"This run needs about {needed / 1e9:.1f} GB of memory, of which "
            f"{available / 1e9:.1f} GB are available. Use --replay-capacity {fitting} or less."
        )


def _require_run_of(task: EnvFactory, directory: Path | None) -> None:
    """Check that a directory is a run of a task."""
    if directory is None:
        raise UsageError("name the directory of the run to resume")
    saved = read_config(directory)
    if saved["task"] != task.name:
        raise UsageError(f"{directory} is a run of {saved['task']!r}, not of {task.name!r}.")


def _describe(task: EnvFactory, config: TrainConfig, directory: Path) -> None:
    """Write what is trained, once it has been built: what fails before leaves no run."""
    try:
        description = {"task": task.name, **task.options, "train": asdict(config)}
        text = json.dumps(description, indent=2)
        write_atomically(directory / CONFIG, text + "\n")
    except OSError as error:
        raise UsageError(f"Can't write to {directory}: {error}") from error


def _withdraw(directory: Path) -> None:
    """Leave a directory to the next try, unless there is something of a run to continue or use."""
    if (directory / "checkpoint").exists() or (directory / "policy.safetensors").exists():
        return
    for file in (CONFIG, "metrics.jsonl", "events.out.tfevents.*"):
        for path in directory.glob(file):
            path.unlink()


@dataclass(frozen=True)
class _Described:
    """What ``config.json`` has to say of any run."""

    task: str
    train: dict[str, Any]


def read_config(directory: Path) -> dict[str, Any]:
    """The ``config.json`` of a run: ``task``, ``train``, and the options of the task.

    Raises:
        UsageError: The directory is not a run, or its ``config.json`` says something else.
    """
    try:
        saved = json.loads((directory / CONFIG).read_text())
        typed(_Described, saved, "it")
    except OSError as error:
        raise UsageError(f"{directory} is not a run: its config.json can't be read.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{directory}: its config.json is damaged: {error}.") from error
    return saved


def resumed(directory: Path, budget: TrainConfig) -> TrainConfig:
    """The configuration of a run with a new budget, which comes on top of what it has done.

    Args:
        directory: The run.
        budget: Only its ``minutes`` or ``steps`` may differ from the defaults.

    Raises:
        UsageError: More than the budget is given, the directory is not a run, or its
            configuration does not fit this version.
    """
    saved = read_config(directory)["train"]
    if replace(budget, minutes=None, steps=None) not in map(preset, get_args(Preset)):
        raise UsageError("a run is resumed with its own configuration: give only a new budget")
    try:
        recipe: TrainConfig = typed(TrainConfig, saved, "train")
    except (ValueError, UsageError) as error:
        raise UsageError(f"{directory}: its config.json can't be used: {error}") from error
    known = json.loads(json.dumps(asdict(recipe)))
    if unknown := (saved.keys() - known.keys()) | (saved.get("sac", {}).keys() - known["sac"]):
        raise UsageError(f"{directory} was made by another version: it has {sorted(unknown)[0]!r}")
    return replace(recipe, minutes=budget.minutes, steps=budget.steps)
