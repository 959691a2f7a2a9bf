"""``robo-maxent tune``: a search for settings, and how to check what it found."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from robo_maxent import kept
from robo_maxent.cli.arguments import (
    Json,
    Of,
    On,
    Recipe,
    Result,
    TaskOptions,
    TrainedTask,
    make,
    maker,
)
from robo_maxent.cli.names import in_file_name
from robo_maxent.cli.on import room, run_workers
from robo_maxent.cli.sweep import Jobs, again, cost, planned, require_trainable
from robo_maxent.errors import UsageError
from robo_maxent.training.config import Preset, TrainConfig

if TYPE_CHECKING:
    from robo_maxent.envs.interface import EnvFactory, StressTask
    from robo_maxent.sweeps.processes import Workers
    from robo_maxent.sweeps.run import Order
    from robo_maxent.sweeps.study import Study, Trial

FIRST_SEED, SEEDS = 1_000_000, 10_000
"""Training seeds of trials begin here, that many for each --seed: those of runs that are reported
are smaller."""
EVALUATION_SEED = 1_000_000
"""Of the episodes that judge a trial; ``evaluate`` and ``sweep`` have others."""
CHECKED = 5
"""Seeds on which the best settings are to be tried again."""
OF_TUNE = {"--trials": 1, "--range": 1, "--out": 1, "--seed": 1, "--episodes": 1, "--json": 0}
"""Options that a sweep does not have, or has to itself -> how many words follow them."""


@dataclass(frozen=True)
class Tune:
    """Search for better settings of the learner with Optuna; the same command continues."""

    task: Annotated[Positional[str], TrainedTask]
    trials: int = 50
    """Settings to try, a run each. More can be added later."""
    range: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(
            metavar="NAME=LOW..HIGH",
            help="What to search, as sac.gamma=0.9..0.99, sac.learning_rate=1e-4..1e-2:log or "
            "sac.width=128,256; by default learning rate, gamma, tau and target entropy.",
        ),
    ] = ()
    out: Path | None = None
    """Directory of the search; by default runs/TASK/tune."""
    jobs: Jobs = 0
    on: On = None
    episodes: int = 100
    """Fresh episodes that judge each finished trial by its mean return."""
    options: Of = field(default_factory=TaskOptions)
    preset: Preset = "default"
    """Recipe that is changed; by default the task's own, as of train."""
    as_json: Json = False
    config: Recipe = field(default_factory=TrainConfig)

    def run(self) -> Result:
        """Do the trials that are not done, and print what came of all."""
        from robo_maxent.spaces import Discrete
        from robo_maxent.sweeps import space
        from robo_maxent.sweeps.directory import held
        from robo_maxent.sweeps.runner import with_threads
        from robo_maxent.sweeps.settings import Arm, changed
        from robo_maxent.sweeps.study import Study

        self._require_sense()
        task = make(self.task, self.options.given)
        usual = space.DISCRETE if isinstance(task.action_space, Discrete) else space.CONTINUOUS
        ranges = self.range or usual
        searched = space.space_of(ranges, self.config)
        for changes in space.corners(searched):
            require_trainable(task, Arm("", changes, changed(self.config, changes)))
        out = self.out or Path("runs") / in_file_name(task.name) / "tune"
        place = out.resolve() if self.on else out
        make_task = maker(self.task, kept.placed(kept.named(self.options.given, task.kept), place))
        with run_workers(self.on) as workers:
            first = self._order(0, {}, make_task, place)
            jobs, threads = room(self.jobs, [first] * self.trials, task, workers)

            def order(number: int, changes: Mapping[str, Any]) -> "Order":
                return with_threads(self._order(number, changes, make_task, place), threads)

            with held(out, self._plan(task, ranges), ("trials", self.trials)):
                kept.write(task.kept, out)
                if workers:
                    workers.require_shared(place)
                study = Study(out, searched, self.config.seed)
                left = self._greet(study, ranges, jobs)
                self._search(study, order, jobs, f"search on {task.name}", left, workers)
                return self._conclude(study, out, task.name)

    def _search(
        self,
        study: "Study",
        order: "Callable[[int, Mapping[str, Any]], Order]",
        jobs: int,
        title: str,
        left: int,
        workers: "Workers | None",
    ) -> None:
        """Do trials, of which so many are left, and end the bad ones early."""
        from robo_maxent.cli.progress import say
        from robo_maxent.cli.runs_table import RunsTable
        from robo_maxent.sweeps.runner import Runner, Standing

        with RunsTable(title, left, lambda standing: standing.state) as table:

            def show(standing: Standing) -> None:
                heard = study.hear(standing)
                if heard.state == "pruned" and standing.state == "running":
                    runner.stop(standing.order.name)
                else:
                    table.show(heard)

            with Runner(jobs, show, workers, say) as runner:
                runner.run(study.orders(self.trials, order))

    def _greet(self, study: "Study", ranges: Sequence[str], jobs: int) -> int:
        """Say what will be done, and how long it takes; how many trials are left."""
        from robo_maxent.cli.progress import say

        done = sum(trial.state != "running" for trial in study.trials())
        left = self.trials - done
        say(f"{self.trials} trials of {self.task}, {done} of them done: {', '.join(ranges)}.")
        say(f"  {cost([self.config] * left, jobs)} Bad ones end early.")
        self._warn_of_few_evaluations()
        return left

    def _require_sense(self) -> None:
        for name, least in {"trials": 1, "episodes": 1, "jobs": 0}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.trials > SEEDS:
            raise UsageError(f"trials must be at most {SEEDS:,}, got {self.trials}")
        if not self.config.evaluation_episodes:
            raise UsageError("trials are pruned by their evaluations: give --evaluation-episodes")

    def _warn_of_few_evaluations(self) -> None:
        from robo_maxent.cli.progress import say
        from robo_maxent.sweeps.study import UNPRUNED_EVALUATIONS

        steps, every = self.config.steps, self.config.evaluate_every
        if steps is not None and steps // every <= UNPRUNED_EVALUATIONS + 1:
            say(
                f"  each trial is evaluated {steps // every} times, too seldom to end bad ones "
                f"early: give --evaluate-every {max(steps // 10, 1)}"
            )

    def _order(
        self,
        number: int,
        changes: Mapping[str, Any],
        make_task: "Callable[[], EnvFactory]",
        out: Path,
    ) -> "Order":
        from robo_maxent.sweeps.run import Order
        from robo_maxent.sweeps.settings import changed
        from robo_maxent.sweeps.study import NAME

        seed = FIRST_SEED + SEEDS * self.config.seed + number
        return Order(
            NAME.format(number),
            make_task,
            replace(changed(self.config, changes), seed=seed),
            out / NAME.format(number),
            self.episodes,
            EVALUATION_SEED,
        )

    def _plan(self, task: "StressTask[Any]", ranges: Sequence[str]) -> Result:
        """What decides the trials: the same when the search is continued."""
        return {
            "kind": "tune",
            **planned(task),
            "recipe": asdict(self.config),
            "ranges": list(ranges),
            "episodes": self.episodes,
        }

    def _conclude(self, study: "Study", out: Path, task: str) -> Result:
        """Write and say what came of the trials."""
        from robo_maxent.cli.progress import number, say
        from robo_maxent.files import write_atomically
        from robo_maxent.sweeps.settings import words

        trials = study.trials()
        complete = [trial for trial in trials if trial.mean_return is not None]
        complete.sort(key=lambda trial: -(trial.mean_return or 0.0))
        result: Result = {"study": str(out), "trials": [asdict(trial) for trial in trials]}
        interrupted = len(trials) < self.trials or any(t.state == "running" for t in trials)
        result |= {"interrupted": interrupted}
        for trial in complete[:CHECKED]:
            assert trial.mean_return is not None
            self._print(f"{trial.name}  {number(trial.mean_return):>8}  {words(trial.changes)}")
        if complete:
            best = complete[0]
            check = self._check(best, task)
            result |= {"best": asdict(best), "check": check}
        write_atomically(out / "results.json", json.dumps(result, indent=1) + "\n")
        say(f"  {_counts(trials)}: {out / 'results.json'}")
        if interrupted:
            say(f"Interrupted. What is finished is kept. Continue: {again()}")
        elif complete:
            say(
                f"  the best of {len(trials)} single runs is partly luck: expect less of it on "
                "other seeds, and do not report this return"
            )
            say(f"Next, it beside the recipe on fresh seeds: {result['check']}")
        return result | ({} if complete or interrupted else {"ok": False})

    def _check(self, best: "Trial", task: str) -> str:
        """The command that tries settings again, on seeds that took no part in the search."""
        from robo_maxent.sweeps.settings import words

        kept = _without(sys.argv[1:], OF_TUNE)
        kept[:1] = ["sweep"]
        arm = ["--arm", words(best.changes), "--seeds", str(CHECKED)]
        where = ["--out", str(Path("runs") / in_file_name(task) / f"check-{best.name}")]
        return f"robo-maxent {shlex.join([*kept, *arm, *where])}"

    def _print(self, text: str) -> None:
        if not self.as_json:
            print(text)


def _without(arguments: Sequence[str], options: Mapping[str, int]) -> list[str]:
    """Arguments without some options and the words that follow them."""
    kept: list[str] = []
    dropped = 0
    for word in arguments:
        name, equals, _ = word.partition("=")
        if dropped:
            dropped -= 1
        elif name in options:
            dropped = 0 if equals else options[name]
        else:
            kept.append(word)
    return kept


def _counts(trials: "Sequence[Trial]") -> str:
    states = [trial.state for trial in trials]
    parts = (f"{states.count(state)} {state}" for state in ("complete", "pruned", "fail"))
    return ", ".join(parts)
