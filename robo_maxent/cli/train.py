"""``robo-maxent train``."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import (
    POLICY,
    Json,
    Of,
    Recipe,
    Result,
    TaskOptions,
    TrainedTask,
    class_of,
    make,
    name_of,
    saved_options,
)
from robo_maxent.cli.on import actors, check_actors
from robo_maxent.cli.trust import require_said
from robo_maxent.errors import UsageError
from robo_maxent.training.config import Preset, TrainConfig

if TYPE_CHECKING:
    from robo_maxent.cli.wandb_log import WandbLog
    from robo_maxent.envs.interface import StressTask
    from robo_maxent.training.train import Run

    Learning = tuple[StressTask[Any], TrainConfig, Path | None]

AnyActors = Annotated[
    int | None,
    arg(
        name="actors",
        metavar="N",
        help="Collect with so many actors, where --on says, while this process learns. Each has a "
        "CPU and --envs simulations of its own. Such a run is not deterministic: the same seed "
        "gives another one. It ends with the block of transitions, of up to 1,024 an actor, in "
        "which --steps are reached. By default this process does all, and the same seed gives the "
        "same run.",
    ),
]
OnOfActors = Annotated[
    str | None,
    arg(
        name="on",
        metavar="ray|ADDRESS",
        help="Where actors are, with Ray (pip install 'robo-maxent[ray]'): ray starts it on this "
        "machine, ray://HOST:PORT is a cluster, HOST:PORT or auto that of which this machine is a "
        "node.",
    ),
]


@dataclass(frozen=True)
class Train:
    """Train a policy with Soft Actor-Critic."""

    task: Annotated[Positional[str | None], TrainedTask] = None
    resume: Path | None = None
    """Run directory to continue, exactly; the budget comes on top of what it has done."""
    recipe_of: Annotated[Path | None, arg(name="config", metavar="FILE|RUN")] = None
    """A config.json, or its run: a new run of the same task and recipe. What else is said comes
    before what it says."""
    out: Path | None = None
    """Run directory to make; by default runs/TASK/TIME-seedSEED."""
    actors: AnyActors = None
    on: OnOfActors = None
    options: Of = field(default_factory=TaskOptions)
    preset: Preset = "default"
    """Recipe that the options below start from; by default the task's own: default for many
    simulations, rough for those on terrain, arm for the arm, single for one gym: environment at a
    time, discrete for one with discrete actions, goals for a few gym: environments with goals,
    classic for the algorithm as published."""
    wandb: Annotated[str | None, arg(metavar="PROJECT")] = None
    """Send the metrics to this project of Weights & Biases, too (pip install
    'robo-maxent[wandb]'); WANDB_MODE=offline keeps them here."""
    as_json: Json = False
    config: Recipe = field(default_factory=TrainConfig)

    def run(self) -> Result:
        """Train, and print what was left where."""
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.training.memory import memory_needed
        from robo_maxent.training.train import train

        self._check()
        task, config, directory = self._new() if self.resume is None else self._resumed(self.resume)
        memory = memory_needed(task, config, self.resume) / 1e9
        say(f"Training {task.name}, with about {memory:.1f} GB of memory")
        resume = self.resume is not None
        with (
            actors(self.on, self.actors) as elsewhere,
            self._logged(task, config) as log,
            Progress("training") as progress,
        ):
            show = log.beside(progress.training) if log else progress.training
            run = train(task, config, directory, resume, show, elsewhere)
            if log:
                log.keep(run)
        result = _trained(run)
        _draw(run.directory)
        for line in _files(run.directory):
            say(f"  {line}")
        say(self._next(task, run))
        return result

    def _check(self) -> None:
        """Refuse what is wrong with the arguments, before anything is loaded.

        Raises:
            UsageError: Something is missing, or two arguments contradict each other.
        """
        if self.resume is None and self.task is None and self.recipe_of is None:
            raise UsageError("say what to learn: robo-maxent train quadruped-flat --minutes 5")
        if self.task is not None:
            class_of(self.task)  # which says what is wrong with it
        if self.resume is not None and self.recipe_of is not None:
            raise UsageError("a run is resumed with its own configuration: give no --config")
        if self.config.minutes is None and self.config.steps is None:
            raise UsageError("give a budget: --minutes or --steps")
        check_actors(self.on, self.actors)
        if self.resume is not None and (self.out is not None or self.options.given):
            raise UsageError(
                "a run is resumed where it is and as it is: give no --out and no option of the task"
            )

    def _new(self) -> "Learning":
        """What a new run learns, how, and in which directory; None: one of its own."""
        return self._task(), self.config, self.out

    def _resumed(self, run: Path) -> "Learning":
        """What a run goes on learning, how, and where.

        Raises:
            UsageError: It would run code that was not named, or something is wrong with it.
        """
        from robo_maxent.training.run_directory import read_config, resumed

        saved = read_config(run)
        require_said(saved, self.task, str(run), "robo-maxent train")
        task = make(self.task or saved["task"], saved_options(saved))
        return task, resumed(run, self.config), run

    def _next(self, task: "StressTask[Any]", run: "Run") -> str:
        """What to type next: to continue what was interrupted, or to judge what was learnt."""
        from robo_maxent.envs.own_tasks import code_of, word_for

        directory, code = quote(str(run.directory)), code_of(task)
        if not run.interrupted:
            return f"Next: robo-maxent evaluate {directory}{word_for(code, '--task ')}"
        more = f" --actors {self.actors} --on {self.on}" if self.on else ""
        again = f"train{word_for(code)} --resume {directory} --minutes 5{more}"
        return f"Interrupted. Continue: robo-maxent {again}"

    def _logged(
        self, task: "StressTask[Any]", config: TrainConfig
    ) -> "AbstractContextManager[WandbLog | None]":
        """Where metrics go beside the run."""
        if self.wandb is None:
            return nullcontext()
        from robo_maxent.cli.wandb_log import logging_to

        described = {"task": task.name, **task.options, "train": asdict(config)}
        return logging_to(self.wandb, task.name, described, self.resume)

    def _task(self) -> "StressTask[Any]":
        """The task of a new run: that of ``--config``, with what else was said.

        Raises:
            UsageError: It would run code that was not named, or something is wrong with it.
        """
        from robo_maxent.training.run_directory import read_config

        if self.recipe_of is None:
            assert self.task is not None
            return make(self.task, self.options.given)
        saved = read_config(self.recipe_of)
        require_said(saved, self.task, str(self.recipe_of), "robo-maxent train")
        word = self.task or saved["task"]
        same = name_of(word) == saved["task"]  # options are of their own task
        return make(word, (saved_options(saved) if same else {}) | self.options.given)


def _trained(run: "Run") -> Result:
    best = run.directory / POLICY
    return {
        "run": str(run.directory),
        "policy": str(best) if best.is_file() else None,
        "steps": run.steps,
        "updates": run.updates,
        "seconds": round(run.seconds, 1),
        "best_success": run.success,
        "best_return": run.reward,
        "interrupted": run.interrupted,
    }


def _draw(directory: Path) -> None:
    """Draw how training went; no full disk and no late Ctrl-C makes a failure of a run that is."""
    from robo_maxent.cli.progress import say
    from robo_maxent.files import refusal
    from robo_maxent.training import learning_curves

    try:
        learning_curves.draw(directory)
    except OSError as error:
        say(f"warning: no picture of the training: {refusal(error)}")
    except KeyboardInterrupt:
        say("no picture of the training: interrupted; the run is saved")


def _files(directory: Path) -> list[str]:
    """What a run left, for people."""
    said = {
        POLICY: "best policy",
        "policy-last.safetensors": "last policy",
        "checkpoint": "checkpoint",
        "metrics.jsonl": "metrics",
        "training.png": "curves",
    }
    return [
        f"{what}: {directory / name}" for name, what in said.items() if (directory / name).exists()
    ]
