"""Runs: from a budget to a policy, with evaluation, metrics and checkpoints on the way."""

import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import numpy as np
import torch

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.own_tasks import code_of, word_for
from robo_maxent.errors import (
    ActorError,
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
from robo_maxent.learning import hardware, native
from robo_maxent.learning.policy import Policy
from robo_maxent.seeds import Purpose
from robo_maxent.training.actor import Actors
from robo_maxent.training.actor_trainer import ActorTrainer
from robo_maxent.training.agents import with_support
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.interrupt import Interrupt, InterruptedEvaluationError
from robo_maxent.training.memory import require_memory
from robo_maxent.training.metrics import MetricsLog
from robo_maxent.training.run_directory import (
    claimed,
    describe,
    describe_actors,
    fresh_name,
    read_config,
    withdraw,
)
from robo_maxent.training.run_state import RunState, relabelling
from robo_maxent.training.trainer import Trainer
from robo_maxent.types import Episode

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
    evaluated_at: int = -1
    """Environment steps of the last evaluation, whose metrics begin with ``eval/``; -1: none yet in
    this call."""
    directory: Path | None = None
    """Where the run is."""


Show = Callable[[Status], None]


def train(
    task: EnvFactory,
    config: TrainConfig,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    show: Show | None = None,
    actors: Actors | None = None,
) -> Run:
    """Train a policy until the budget is spent or Ctrl-C is pressed.

    Args:
        task: What to learn.
        config: Budget and recipe; the budget of a resumed run comes on top of what it has done.
        directory: Where the run's files go; None: ``runs/<task>/<time>-seed<seed>``.
        resume: Continue the run in ``directory`` from its checkpoint, exactly.
        show: Called with each row of metrics and each message.
        actors: Who collects elsewhere, while this process learns; such a run is not repeatable.
            None: this process does both, and the same seed gives the same run.

    Raises:
        UsageError: The directory holds another run or something else, another process trains
            there, the replay does not fit in memory, or a setting means nothing for the actions
            of the task, or with actors.
        CheckpointError: There is no readable checkpoint to resume from, or the last one could
            not be written.
        EnvError: An environment of someone else's crashed or returned NaN or infinity; the run is
            saved up to the step before.
        DivergedError: The learner's numbers are not finite any more; what was saved before stays.
        ActorError: Actors can't begin, or none is left; the run is saved.
    """
    start = time.monotonic()
    if config.minutes is None and config.steps is None:
        raise UsageError("give a budget: minutes or steps")
    named = None if directory is None else Path(directory)
    if resume:
        _require_run_of(task, named)
    require_memory(task, config, named if resume else None)
    relabelling(task, config.relabelled)  # raises before a directory is made
    with claimed(named, fresh_name(task.name, config.seed), resume) as target:
        try:
            trainer = (
                Trainer(task, config, target)
                if actors is None
                else ActorTrainer(task, config, target, actors)
            )
            return _trained(trainer, resume, start, show or (lambda status: None))
        except BaseException:
            if not resume:
                withdraw(target)
            raise


def _trained(trainer: RunState, resume: bool, start: float, show: Show) -> Run:
    """Train in a directory that is held; ``start`` is when the budget began, monotonic, s."""
    try:
        if resume:
            trainer.restore()
        trainer.begin()
        if not resume:
            describe(trainer.task, trainer.config, trainer.directory)
        if trainer.actors:
            describe_actors(trainer.directory, trainer.actors)
        loop = _Loop(trainer, start, show)
        with Interrupt(loop.tell) as interrupt:
            loop.greet(resume)
            return loop.run(interrupt)
    finally:
        trainer.close()


DIAGNOSED = 1024
"""Transitions that a learner is looked at on."""
FULL_END, LOOK_EVERY = 0.05, 500
"""Probability at an end of the support of categorical critics from which on it is looked at between
evaluations too, once in so many updates."""


class _Loop:
    """Runs a trainer to its budget, with evaluation, metrics and checkpoints on the way."""

    log_every = 50
    """Control steps between rows of metrics."""

    def __init__(self, trainer: RunState, start: float, show: Show) -> None:
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
        self.evaluated_at = -1
        self.alarmed: set[str] = set()
        self.looked_at = 0  # updates

    def run(self, interrupt: Interrupt) -> Run:
        """Train until the budget is spent or Ctrl-C is pressed."""
        trainer = self.trainer
        if native.library() is None:
            self.tell(native.state()[1])
        elif self.config.sac.components > 1:
            self.tell("a mixture of Gaussians learns in torch, slower: the update in C knows one")
        compiled = self.agent.metrics().get("train/compiled", 0.0) > 0.0
        if self.config.precision == "bf16" and not (compiled or hardware.has_amx()):
            self.tell(
                "bf16 is rounded by hand in torch here, which takes about 3 times as long as fp32"
            )
        try:
            while not interrupt.pressed and self._fraction() < 1.0:
                before = trainer.steps
                step, metrics = trainer.step()
                self.latest |= metrics
                self.terms = step.terms or self.terms
                self.episodes.extend(step.episodes)
                if self._passed(self.log_every * self.config.envs, before):
                    self._log()
                if self._passed(self.config.evaluate_every, before):
                    self._evaluate(interrupt)
                self._save_when_due()
            if not interrupt.pressed and self.evaluated_at != trainer.steps:
                self._evaluate(interrupt)
            trainer.require_finite()
            trainer.save()
            trainer.policy().save(trainer.directory / "policy-last.safetensors")
        except (EnvError, ActorError) as error:
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
        self._tell_if_all_is_random()
        support = with_support(self.trainer.task, self.config.sac).support
        if support is not None and not resume:
            low, high = support
            self.tell(
                f"categorical critic: {self.config.sac.atoms} atoms on [{low:.4g}, {high:.4g}]"
            )
        if resume and not self.trainer.task.exact_resume:
            self.tell(
                "learner, replay and counters continue exactly; the state of the environments "
                "can't be saved, so new episodes begin"
            )

    def _tell_if_all_is_random(self) -> None:
        """Say ahead that a budget of steps ends before the first update."""
        config, done = self.config, self.trainer.control_steps
        if config.steps is None or not config.updates_per_step or self.trainer.actors:
            return  # with actors it ends some steps later
        if done + -(-config.steps // config.envs) <= config.random_steps:
            least = (config.random_steps + 1 - done) * config.envs
            self.tell(
                f"nothing will be learnt: the first {config.random_steps * config.envs:,} steps "
                f"act at random, and this run ends with them. Give --steps {least} or more, or "
                "fewer --random-steps"
            )

    def _passed(self, every: int, before: int) -> bool:
        """Whether a multiple of so many environment steps was reached since ``before``."""
        return self.trainer.steps // every > before // every

    def _save_when_due(self) -> None:
        if time.monotonic() - self.saved_at > self.config.save_seconds:
            self.saved_at = time.monotonic()
            if self._attempt(self.trainer.save):
                self.saved_steps = self.trainer.steps

    def _saved_before(self, cause: EnvError | ActorError) -> EnvError | ActorError:
        """Save everything up to an error of those who collect; the error, saying how to go on."""
        trainer, kind = self.trainer, type(cause)
        if not trainer.steps:
            return cause
        try:
            trainer.save()
        except RoboMaxentError as error:
            return kind(f"{cause} {error}")
        mend = "mend the environment, then " if isinstance(cause, EnvError) else ""
        return kind(
            f"{cause}{self._traced(cause)} The run is saved at {trainer.steps:,} steps: {mend}"
            f"continue with robo-maxent train{word_for(code_of(trainer.task))} --resume "
            f"{quote(str(trainer.directory))} --minutes 5"
        )

    def _traced(self, cause: EnvError | ActorError) -> str:
        """Write the traceback of someone else's exception, and say where; nothing, if none is."""
        if cause.__cause__ is None and not hasattr(cause, "__notes__"):
            return ""
        file = self.trainer.directory / "traceback.txt"
        lines = traceback.format_exception(cause.__cause__ or cause)
        written = self._attempt(lambda: write_atomically(file, "".join(lines)))
        return f" All of its traceback is in {file}." if written else ""

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
            said = [e.success for e in self.episodes]
            if any(success is not None for success in said):
                values["rollout/success_rate"] = float(np.mean([bool(success) for success in said]))
        self._write(values | self.trainer.metrics())
        self._look_at_ends()
        self.tell()

    def _evaluate(self, interrupt: Interrupt) -> None:
        """Evaluate the policy without noise, unless interrupted; keep it if it is the best so far.

        Without evaluations the latest one is kept.
        """
        trainer = self.trainer
        trainer.require_finite()
        best = trainer.directory / "policy.safetensors"
        if not self.config.evaluation_episodes:
            self._attempt(lambda: trainer.policy().save(best))
            self.evaluated_at = trainer.steps
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
        except InterruptedEvaluationError:
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
        self.evaluated_at = trainer.steps
        successes = [] if summary.success is None else [summary.success.share]
        score = [*successes, summary.mean_reward]
        is_better = not trainer.best_score or _rank(score) > _rank(trainer.best_score)
        if is_better and self._attempt(lambda: trainer.policy().save(best)):
            trainer.best_score = score
        self.tell(f"evaluation at {trainer.steps:,} steps: {summary.headline}")
        self._diagnose(lasting=not summary.terminated.share)

    def _diagnose(self, lasting: bool) -> None:
        """Log how temperature and critics are, and say what is wrong, each once.

        Args:
            lasting: No episode of the evaluation before it terminated.
        """
        replay, updates = self.trainer.learner.replay, self.agent.updates
        if not updates or not len(replay):
            return
        found = self.agent.diagnose(replay.sample(np.random.default_rng(updates), DIAGNOSED))
        self._write(found.metrics())
        self._alarm(found.alarms() | (found.plays_for_time() if lasting else {}))

    def _look_at_ends(self) -> None:
        """Say early if the support of categorical critics is too narrow: a run would be lost."""
        replay, updates = self.trainer.learner.replay, self.agent.updates
        full = max(float(self.latest.get(end, 0.0)) for end in native.ENDS) > FULL_END
        if not full or "support" in self.alarmed or updates < self.looked_at + LOOK_EVERY:
            return
        self.looked_at = updates
        found = self.agent.diagnose(replay.sample(np.random.default_rng(updates), DIAGNOSED))
        if found.ends is not None:
            self._alarm(found.ends.alarms())

    def _alarm(self, alarms: dict[str, str]) -> None:
        """Say what is wrong, each once."""
        for name, words in alarms.items():
            if name not in self.alarmed:
                self.alarmed.add(name)
                self.tell(words)

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
        steps, values = self.trainer.steps, dict(self.values)
        directory, evaluated_at = self.trainer.directory, self.evaluated_at
        self.show(Status(fraction, seconds, left, steps, values, message, evaluated_at, directory))


def _rank(score: Sequence[float]) -> tuple[float, float]:
    """What policies are compared by: success, then return; none succeeded where none says so."""
    *success, reward = score
    return (success[0] if success else 0.0), reward


def _best_policy(trainer: RunState) -> Policy:
    best = trainer.directory / "policy.safetensors"
    return Policy.load(best if best.is_file() else best.with_name("policy-last.safetensors"))


def _require_run_of(task: EnvFactory, directory: Path | None) -> None:
    """Check that a directory is a run of a task."""
    if directory is None:
        raise UsageError("name the directory of the run to resume")
    saved = read_config(directory)
    if saved["task"] != task.name:
        raise UsageError(f"{directory} is a run of {saved['task']!r}, not of {task.name!r}.")
