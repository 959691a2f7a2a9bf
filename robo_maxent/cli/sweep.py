"""``robo-maxent sweep``: several seeds of each setting, and what can be said across the runs."""

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
    Switch,
    TaskOptions,
    TrainedTask,
    make,
    maker,
    require_seeds,
)
from robo_maxent.cli.names import in_file_name
from robo_maxent.cli.on import room, run_workers
from robo_maxent.errors import UsageError
from robo_maxent.training.config import Preset, TrainConfig

if TYPE_CHECKING:
    from robo_maxent.envs.interface import EnvFactory, StressTask
    from robo_maxent.sweeps.run import Order
    from robo_maxent.sweeps.runner import Standing
    from robo_maxent.sweeps.settings import Arm
    from robo_maxent.sweeps.summary import Summary

Jobs = Annotated[
    int,
    arg(
        name="jobs",
        help="Runs at a time, which share the CPUs unless --threads says how many each has; 0: one "
        "per CPU, as far as they fit in memory.",
    ),
]
KeepCheckpoints = Annotated[
    Switch,
    arg(
        name="keep-checkpoints",
        help="Keep the checkpoints of finished runs, to continue them by train --resume; each "
        "is as large as its replay, often half a gigabyte.",
    ),
]
COMPARED = 200
"""Fresh episodes that judge a run, as in ``robo-maxent evaluate``."""


@dataclass(frozen=True)
class Sweep:
    """Train several seeds of each setting, and compare; the same command again continues."""

    task: Annotated[Positional[str], TrainedTask]
    set: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(
            metavar="NAME=VALUE,VALUE...",
            help="A setting, by its name in config.json, and its values, as sac.gamma=0.95,0.97; "
            "several make a grid. Others are compared with the first combination.",
        ),
    ] = ()
    arm: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(
            metavar="'NAME=VALUE NAME=VALUE...'",
            help="Instead of a grid: settings that are changed together, as 'envs=64 "
            "updates_per_step=4'. Each is compared with the recipe as it is.",
        ),
    ] = ()
    seeds: int = 5
    """Runs of each setting; their seeds begin at --seed. More can be added later."""
    out: Path | None = None
    """Directory of the sweep; by default runs/TASK/sweep-SETTINGS."""
    jobs: Jobs = 0
    on: On = None
    episodes: int = COMPARED
    """Fresh episodes that judge each finished run, the same for all."""
    keep_checkpoints: KeepCheckpoints = False
    options: Of = field(default_factory=TaskOptions)
    preset: Preset = "default"
    """Recipe that is changed; by default the task's own, as of train."""
    as_json: Json = False
    config: Recipe = field(default_factory=TrainConfig)

    def run(self) -> Result:
        """Do the runs that are not finished, and print what came of all."""
        from robo_maxent.cli.runs_table import do
        from robo_maxent.sweeps.directory import held
        from robo_maxent.sweeps.runner import with_threads

        task, arms = make(self.task, self.options.given), self._arms()
        for arm in arms:
            require_trainable(task, arm)
        out = self.out or self._usual_place(task)
        place = out.resolve() if self.on else out
        make_task = maker(self.task, kept.placed(kept.named(self.options.given, task.kept), place))
        orders = [
            self._order(make_task, arm, seed, place)
            for seed in range(self.config.seed, self.config.seed + self.seeds)
            for arm in arms  # in turn, so that whatever disturbs the machine disturbs all alike
        ]
        with run_workers(self.on) as workers:
            jobs, threads = room(self.jobs, orders, task, workers)
            orders = [with_threads(order, threads) for order in orders]
            with held(out, self._plan(task, arms), ("seeds", self.seeds)) as before:
                kept.write(task.kept, out)
                if workers:
                    workers.require_shared(out.resolve())
                self._greet(arms, orders, jobs, before)
                standings = do(orders, jobs, f"sweep of {task.name}", arm_of, workers)
                return self._conclude(arms, orders, standings, out, task)

    def _arms(self) -> "list[Arm]":
        from robo_maxent.sweeps import settings

        if self.set and self.arm:
            raise UsageError("give --set for a grid, or --arm for single arms, not both")
        require_seeds(self.seeds)
        for name, least in {"episodes": 1, "jobs": 0}.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.arm:
            return settings.one_at_a_time(self.config, self.arm)
        return settings.grid(self.config, self.set)

    def _usual_place(self, task: "EnvFactory") -> Path:
        names = [text.partition("=")[0].rpartition(".")[2] for text in self.set]
        what = "-".join(names) or ("arms" if self.arm else "seeds")
        return Path("runs") / in_file_name(task.name) / f"sweep-{in_file_name(what)}"

    def _order(
        self, make_task: "Callable[[], EnvFactory]", arm: "Arm", seed: int, out: Path
    ) -> "Order":
        from robo_maxent.sweeps.run import Order

        name = f"{arm.name}/seed-{seed}"
        return Order(
            name,
            make_task,
            replace(arm.config, seed=seed),
            out / name,
            self.episodes,
            self.keep_checkpoints,
        )

    def _plan(self, task: "StressTask[Any]", arms: "Sequence[Arm]") -> Result:
        """What decides the runs: the same when the sweep is continued."""
        return {
            "kind": "sweep",
            **planned(task),
            "recipe": asdict(self.config),
            "arms": [{"name": arm.name, "changes": dict(arm.changes)} for arm in arms],
            "episodes": self.episodes,
        }

    def _greet(
        self, arms: "Sequence[Arm]", orders: "Sequence[Order]", jobs: int, before: int
    ) -> None:
        """Say what will be done, and how long it takes."""
        from robo_maxent.cli.progress import say
        from robo_maxent.sweeps.run import read_result
        from robo_maxent.sweeps.summary import too_few

        left = [order for order in orders if read_result(order.directory) is None]
        runs = f"{len(arms)} settings x {self.seeds} seeds: {len(orders)} runs of {self.task}"
        done = f", of which {len(orders) - len(left)} are finished" if before else ""
        say(f"{runs}{done}. {cost([order.config for order in left], jobs)}")
        if 0 < before < self.seeds:
            say(
                f"  {before} seeds became {self.seeds}: who adds seeds until there is a difference "
                "finds one too often"
            )
        if warning := too_few(len(arms), self.seeds):
            say(f"  {warning}")
        if len(arms) > 1 and any(arm.config.minutes is not None for arm in arms):
            say("  budgets in minutes depend on what else runs here; --steps do not")

    def _conclude(
        self,
        arms: "Sequence[Arm]",
        orders: "Sequence[Order]",
        standings: "Mapping[str, Standing]",
        out: Path,
        task: "EnvFactory",
    ) -> Result:
        """Write and say what came of the runs."""
        from robo_maxent.cli.progress import say
        from robo_maxent.envs.own_tasks import code_of
        from robo_maxent.sweeps import summary

        by_arm = {
            arm.name: [standing for standing in standings.values() if arm_of(standing) == arm.name]
            for arm in arms
        }
        found = summary.summarize(arms, by_arm, self.seeds)
        if not self.as_json:
            print("\n".join(summary.lines(found)))
        rows = summary.rows(arms, by_arm)
        result: Result = {"sweep": str(out), **summary.as_json(found), "runs": rows}
        try:
            files = write(out, result, summary.as_csv(rows), by_arm)
        except OSError:
            say(f"What is finished is kept. Once there is room for the results: {again()}")
            raise
        for line in files:
            say(f"  {line}")
        failed = [standing for standing in standings.values() if standing.state == "failed"]
        for standing in failed:
            say(f"  {standing.order.name} failed: {standing.error}")
        finished = sum(standing.state == "finished" for standing in standings.values())
        interrupted = finished + len(failed) < len(orders)
        if interrupted or failed:
            what = "Interrupted" if interrupted else f"{len(failed)} of {len(orders)} runs failed"
            say(f"{what}. What is finished is kept. Continue: {again()}")
        else:
            self._next(found, by_arm, code_of(task))
        return result | {"interrupted": interrupted} | ({"ok": False} if failed else {})

    def _next(
        self, found: "Summary", by_arm: "Mapping[str, Sequence[Standing]]", code: str | None
    ) -> None:
        from robo_maxent.cli.progress import say
        from robo_maxent.envs.own_tasks import word_for

        assert found.best is not None
        run = by_arm[found.best.name][0].order.directory
        word = word_for(code, "--task ")
        say(f"Next: robo-maxent evaluate {shlex.quote(str(run))}{word} --suite quick")


def planned(task: "StressTask[Any]") -> Result:
    """Describe the task of several runs for their plan, wherever a robot of its user's lies."""
    content = dict(task.content)
    options = kept.named(task.options, task.kept)
    return {"task": task.name, "options": options} | ({"content": content} if content else {})


def arm_of(standing: "Standing") -> str:
    """Name of the arm that a run belongs to."""
    return standing.order.name.rpartition("/")[0]


def require_trainable(task: "EnvFactory", arm: "Arm") -> None:
    """Refuse, before anything starts, what would fail in each run of an arm.

    Raises:
        UsageError: The recipe has no budget, or a setting means nothing for the task.
    """
    from robo_maxent.training.agents import require_settings_for
    from robo_maxent.training.run_state import relabelling

    if arm.config.minutes is None and arm.config.steps is None:
        raise UsageError("give each run a budget: --minutes or --steps")
    require_settings_for(task, arm.config)
    relabelling(task, arm.config.relabelled)


def cost(configs: Sequence[TrainConfig], jobs: int) -> str:
    """Say for people how many runs are done at a time, and how long all take, if that is known."""
    if not configs:
        return "Nothing is left to train."
    at_once = f"{min(jobs, len(configs))} at a time"
    minutes = [config.minutes for config in configs]
    if None in minutes:
        steps = sorted({config.steps for config in configs if config.steps is not None})
        each = f"{steps[0]:,} steps" if len(steps) == 1 else f"up to {steps[-1]:,} steps"
        return f"{each} each, {at_once}; the time left is shown as they run."
    whole = sum(minute for minute in minutes if minute is not None) / min(jobs, len(configs))
    return f"{at_once}, about {whole:.0f} minutes, and their evaluation."


def again() -> str:
    """The command that is running, quoted so that it can be pasted."""
    return f"robo-maxent {shlex.join(sys.argv[1:])}"


def write(
    out: Path, result: Result, table: str, by_arm: "Mapping[str, Sequence[Standing]]"
) -> list[str]:
    """Write results and curves of a sweep; returns what was written, a line each."""
    from robo_maxent.files import write_atomically
    from robo_maxent.sweeps import curves

    write_atomically(out / "results.json", json.dumps(result, indent=1) + "\n")
    write_atomically(out / "results.csv", table)
    runs = {name: [s.order.directory for s in standings] for name, standings in by_arm.items()}
    picture = curves.draw(out / "curves.png", runs)
    written = [f"statistics: {out / 'results.json'}", f"runs: {out / 'results.csv'}"]
    return written + ([f"curves: {picture}"] if picture else [])
