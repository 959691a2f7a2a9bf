"""``robo-maxent sweep-temperature``: what temperature does to a task, to policies, and exactly."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import (
    Json,
    Of,
    Result,
    TaskName,
    TaskOptions,
    Threads,
    make,
    require_seeds,
    use_threads,
)
from robo_maxent.cli.policies import own_policy, policy_and_task
from robo_maxent.errors import UsageError

if TYPE_CHECKING:
    from robo_maxent.training.temperature_sweep import Row

TASK = "quadruped-flat"
TEMPERATURES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
OF_REFERENCES = (0.05, 0.1, 0.3, 0.5, 0.7, 1.0)
SEEDS, EPISODES = 3, 32
REFERENCES = ("lqr", "grid")
"""Problems whose optimum is known, so that nothing is trained."""
NAME = "temperature.png"


@dataclass(frozen=True)
class SweepTemperature:
    """Train at several temperatures; draw plain return and entropy over temperature."""

    what: Annotated[
        Positional[tuple[str, ...]],
        arg(
            metavar="TASK|RUN...|lqr|grid",
            help="A task, to train it at each temperature and at the automatic one; run "
            "directories, whose policies then act hotter and colder than they were trained; or an "
            "exact reference without any training: lqr, a linear system where entropy has a "
            f"price, or grid, where beyond 0.721 no episode arrives. By default {TASK}, which "
            "takes some minutes on two cores.",
        ),
    ] = ()
    temperatures: Annotated[
        tuple[float, ...] | None,
        arg(
            metavar="ALPHA...",
            help="Fixed temperatures, by default six from 0.001 to 0.3, of references to 1.",
        ),
    ] = None
    seeds: int | None = None
    """Training runs at each temperature, with the seeds 0, 1, ..., by default 3; of lqr,
    simulations."""
    steps: int | None = None
    """Environment steps of a training run; by default those after which the recipe of the task
    evaluates first, which is short."""
    episodes: int | None = None
    """Fresh episodes that judge a policy, by default 32: by its mean action, then by sampled ones.
    """
    task: TaskName = None
    options: Of = field(default_factory=TaskOptions)
    out: Path | None = None
    """Directory of the runs and their rows, by default sweep-temperature in runs/TASK, or in the
    first run. The same command again continues there."""
    picture: Path | None = None
    """The PNG file; by default temperature.png there, of a reference lqr.png or grid.png."""
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Measure the policies, print a table, and draw the picture."""
        from robo_maxent.envs.gym_spec import PREFIX
        from robo_maxent.tasks import is_known
        from robo_maxent.training.temperature_sweep import require_temperatures

        if self.seeds is not None:
            require_seeds(self.seeds)
        for name, least in (("steps", 1), ("episodes", 1), ("threads", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} must be at least {least}, got {value}")
        first = self.what[0] if self.what else TASK
        usual = OF_REFERENCES if first in REFERENCES else TEMPERATURES
        alphas = require_temperatures(usual if self.temperatures is None else self.temperatures)
        are_runs = not is_known(first) and not first.startswith(PREFIX) and Path(first).exists()
        if len(self.what) > 1 and not are_runs:
            raise UsageError(f"name one task, or runs; got {' '.join(self.what)}")
        if first in REFERENCES:
            return self._reference(first, alphas)
        use_threads(self.threads)
        return self._act(alphas) if are_runs else self._train(first, alphas)

    def _train(self, name: str, alphas: tuple[float, ...]) -> Result:
        """Train and measure a task at each temperature and the automatic one."""
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.envs.own_tasks import code_of, word_for
        from robo_maxent.training.config import preset
        from robo_maxent.training.temperature_sweep import label, run_name, summarize, sweep
        from robo_maxent.training.train import Status

        self._refuse("a task, which is named already", "task")
        task = make(name, self.options.given)
        recipe = preset(task.preset)
        recipe = replace(recipe, steps=self.steps or recipe.evaluate_every, threads=self.threads)
        folder = Path("runs") / re.sub(r"[^A-Za-z0-9._-]+", "-", task.name)
        directory, seeds = self.out or folder / "sweep-temperature", self.seeds or SEEDS
        picture = self._picture(directory / NAME)
        planned = seeds * (len(alphas) + 1)
        say(f"Training {task.name}: {planned} runs of {recipe.steps:,} steps")
        rows: list[Row] = []
        with Progress("training") as progress:

            def show(share: float, status: Status) -> None:
                if status.message.startswith("warning"):
                    say(f"  {status.message}")
                progress.count(int(1000 * share), 1000)

            episodes = self.episodes or EPISODES
            for row in sweep(task, recipe, alphas, seeds, episodes, directory, show):
                rows.append(row)
                say(f"  {label(row.temperature)}, {row.run}: {_told(row)}")
        if len(rows) < planned:
            say(f"Interrupted after {len(rows)} of {planned} runs. The same command continues.")
            return {"directory": str(directory), "interrupted": True}
        title = f"{task.name}: {seeds} training runs of {recipe.steps:,} steps at each temperature"
        result = self._drawn(rows, title, picture)
        best = max(summarize(rows), key=lambda point: point.mean.value).temperature
        run = quote(str(directory / run_name(best, 0)))
        say(f"Next: robo-maxent evaluate {run}{word_for(code_of(task), '--task ')}")
        return {"directory": str(directory)} | result

    def _act(self, alphas: tuple[float, ...]) -> Result:
        """Measure what policies do when they act hotter and colder than they were trained."""
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.envs.own_tasks import code_of, word_for
        from robo_maxent.training.temperature_sweep import act_at, label, last_temperature

        self._refuse("runs, which are trained already", "steps", "seeds")
        tasks = [policy_and_task(run, self.task, self.options)[1] for run in self.what]
        if len({task.name for task in tasks}) > 1:
            raise UsageError("the runs must be of one task; or name one for all with --task")
        runs = {run: (own_policy(run)[0], last_temperature(Path(run))) for run in self.what}
        directory = self.out or Path(self.what[0]) / "sweep-temperature"
        picture, rows = self._picture(directory / NAME), []
        with Progress("acting") as progress:
            acting = act_at(
                runs,
                tasks[0],
                alphas,
                self.episodes or EPISODES,
                directory,
                lambda share: progress.count(int(1000 * share), 1000),
            )
            for row in acting:
                rows.append(row)
                say(f"  {label(row.temperature)}, {row.run}: {_told(row)}")
        trained_at = ", ".join(f"{alpha:.2g}" for _, alpha in runs.values())
        title = f"{tasks[0].name}: policies trained at {trained_at} act at each temperature"
        result = self._drawn(rows, title, picture)
        word = word_for(code_of(tasks[0]), "--task ")
        say(f"Next: robo-maxent evaluate {quote(self.what[0])}{word} --suite quick")
        return {"directory": str(directory)} | result

    def _reference(self, name: str, alphas: tuple[float, ...]) -> Result:
        """Draw an exact reference."""
        from robo_maxent.cli.progress import say
        from robo_maxent.training import temperature_figure as figure

        self._refuse(f"{name}, which trains nothing", "steps", "episodes", "task", "out")
        if self.options.given:
            raise UsageError(f"{name} is no task: leave out the options of a task")
        picture = self._picture(Path(f"{name}.png"))
        if name == "grid":
            self._refuse("grid, which is exact", "seeds")
            panels, title = figure.grid_panels(alphas)
        else:
            panels, title = figure.regulator_panels(alphas, self.seeds or SEEDS)
        rows = figure.lines(panels)
        if not self.as_json:
            print("\n".join(rows))
        figure.draw(panels, title, picture)
        say(f"  picture: {picture}")
        other = "grid" if name == "lqr" else TASK
        say(f"Next: robo-maxent sweep-temperature {other}")
        return {"picture": str(picture), "curves": [asdict(c) for p in panels for c in p.curves]}

    def _drawn(self, rows: "Sequence[Row]", title: str, picture: Path) -> Result:
        """Print and draw a sweep."""
        from robo_maxent.cli.progress import say
        from robo_maxent.evaluation.across_runs import LEAST_RUNS
        from robo_maxent.training.temperature_figure import draw, lines, panels_of
        from robo_maxent.training.temperature_sweep import summarize

        points = summarize(rows)
        panels = panels_of(points)
        if not self.as_json:
            print("\n".join(lines(panels)))
        if all(point.mean.interval is None for point in points):
            say(f"  no intervals: across runs they take at least {LEAST_RUNS} at a temperature")
        else:
            title += "; bars: 95 % across runs"
        draw(panels, title, picture)
        say(f"  picture: {picture}")
        return {"picture": str(picture), "points": [asdict(point) for point in points]}

    def _picture(self, usual: Path) -> Path:
        """Where the picture goes; that is checked before work begins."""
        from robo_maxent.files import require_place
        from robo_maxent.training.temperature_figure import PICTURE

        require_place(self.picture or usual, PICTURE)
        return self.picture or usual

    def _refuse(self, of: str, *names: str) -> None:
        """Refuse options that mean nothing here."""
        for name in names:
            if getattr(self, name) is not None:
                raise UsageError(f"--{name} means nothing for {of}: leave it out")


def _told(row: "Row") -> str:
    return (
        f"return {row.mean:.4g} by the mean action, {row.sampled:.4g} by sampled ones, entropy "
        f"{row.entropy:.3g} nats"
    )
