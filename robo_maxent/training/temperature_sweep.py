"""One task at several temperatures: plain returns of mean and of sampled actions, and the entropy.

Runs are trained at fixed temperatures and at the automatic one, with several seeds; or policies
that there are act hotter or colder than they were trained. What is measured is the last policy, on
episodes that are the same for all, and each is a row of a file: what has a row is not done again.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.differences import first_difference
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.across_runs import AcrossRuns, interquartile_mean
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.files import LOCK, locked, unwritable, write_atomically
from robo_maxent.from_json import typed
from robo_maxent.learning.policy import Policy
from robo_maxent.training import checkpoint, metrics
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import withdraw
from robo_maxent.training.sampled_policy import Sampled
from robo_maxent.training.train import Run, Status, train

PLAN, ROWS = "sweep.json", "temperatures.jsonl"
LAST_POLICY = "policy-last.safetensors"
EVALUATION_SEED = 1
"""Of the episodes that all policies meet."""


def require_temperatures(temperatures: Sequence[float]) -> tuple[float, ...]:
    """Temperatures from cold to hot, each once.

    Raises:
        UsageError: There is none, or one is not above 0 and finite.
    """
    if not temperatures:
        raise UsageError("name at least one temperature, such as --temperatures 0.01 0.1")
    for alpha in temperatures:
        if not 0.0 < alpha < math.inf:
            raise UsageError(f"temperatures must be > 0 and finite, got {alpha:g}")
    return tuple(sorted(set(temperatures)))


# -- what was measured ------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One policy at one temperature."""

    temperature: float | None
    """None: the automatic one."""
    run: str
    """Which of the runs at that temperature: seed-0, or the directory of a run that there was."""
    alpha: float
    """Temperature at the end of the training, or the one it acts at."""
    mean: float
    """Return of an episode by the action without noise, without entropies, the mean over episodes.
    """
    sampled: float
    """The same by sampled actions."""
    entropy: float
    """Of a sampled action, over the steps of the episodes, nats."""


@dataclass(frozen=True)
class Point:
    """All runs at one temperature."""

    temperature: float | None
    """None: the automatic one."""
    alpha: float
    """Geometric mean over the runs."""
    mean: AcrossRuns
    sampled: AcrossRuns
    entropy: AcrossRuns


def summarize(rows: Sequence[Row]) -> list[Point]:
    """A point for each temperature, the automatic one last; intervals are across runs."""
    rng = np.random.default_rng(0)
    temperatures = sorted({row.temperature for row in rows if row.temperature is not None})
    automatic = [None] if any(row.temperature is None for row in rows) else []
    points = []
    for temperature in [*temperatures, *automatic]:
        own = [row for row in rows if row.temperature == temperature]
        across = [
            interquartile_mean(np.array([getattr(row, name) for row in own]), rng)
            for name in ("mean", "sampled", "entropy")
        ]
        alpha = math.exp(float(np.mean([math.log(row.alpha) for row in own])))
        points.append(Point(temperature, alpha, *across))
    return points


class RowFile:
    """Rows of a sweep in its directory, with the plan that they are of: a context manager.

    It holds the directory, so that no other process writes there.
    """

    def __init__(self, directory: Path, plan: Mapping[str, Any]) -> None:
        """Describe it.

        Args:
            directory: Made if it is not there.
            plan: What decides a row beside its temperature and run; JSON.
        """
        self._directory, self._path = directory, directory / ROWS
        self._plan = json.loads(json.dumps(plan))
        self.rows: dict[tuple[float | None, str], Row] = {}

    def __enter__(self) -> "RowFile":
        """Begin, or continue with the rows that there are.

        Raises:
            UsageError: The directory holds rows of another plan, something else, or what can't be
                read; or another process works there.
        """
        directory = self._directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            busy = f"another process works on {directory}: wait for it, or give another --out"
            self._lock = locked(directory, busy)
        except OSError as error:
            raise unwritable(directory, error) from error
        try:
            self._require_plan()
            lines = self._path.read_text().splitlines() if self._path.exists() else []
            rows = [typed(Row, json.loads(line), "a row") for line in lines]
        except (OSError, ValueError, RecursionError) as error:
            self._lock.release()
            raise UsageError(
                f"{directory} can't be continued: {error}. Give another --out, or delete "
                f"{self._path}: then its policies are measured again."
            ) from error
        except UsageError:
            self._lock.release()
            raise
        self.rows = {(row.temperature, row.run): row for row in rows}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the directory to others."""
        self._lock.release()

    def _require_plan(self) -> None:
        directory, path = self._directory, self._directory / PLAN
        if path.exists():
            before = json.loads(path.read_text())
            if before != self._plan:
                difference = first_difference(before, self._plan, "this one's")
                raise UsageError(
                    f"{directory} was begun by another command: {difference}. Give another --out, "
                    "or delete that directory."
                )
            return
        if other := next((each for each in directory.iterdir() if each.name != LOCK), None):
            raise UsageError(
                f"{directory} holds {other.name}, which is of no sweep: give the name of a new "
                "directory with --out"
            )
        write_atomically(path, json.dumps(self._plan, indent=2) + "\n")

    def add(self, row: Row) -> None:
        """Keep a row, on the disk too.

        Raises:
            OSError: It can't be written.
        """
        self.rows[row.temperature, row.run] = row
        lines = (json.dumps(asdict(each)) + "\n" for each in self.rows.values())
        write_atomically(self._path, "".join(lines))


# -- training ---------------------------------------------------------------------------------


def at_temperature(recipe: TrainConfig, temperature: float | None, seed: int) -> TrainConfig:
    """A recipe at a fixed temperature, None: at its automatic one; no evaluation on the way."""
    config = replace(recipe, seed=seed, evaluation_episodes=0, evaluate_every=recipe.steps)
    if temperature is None:
        return config
    sac = replace(config.sac, initial_alpha=temperature, alpha_learning_rate=0.0)
    return replace(config, sac=sac)


def run_name(temperature: float | None, seed: int) -> str:
    """The directory of a run in that of the sweep."""
    return f"{label(temperature)}-seed{seed}"


def label(temperature: float | None) -> str:
    """A temperature for people: ``0.01``, or ``automatic``."""
    return "automatic" if temperature is None else f"{temperature:g}"


def trained(
    task: EnvFactory, config: TrainConfig, directory: Path, show: Callable[[Status], None]
) -> Run | None:
    """Train a run to its steps, from where it was interrupted; None: it was there already.

    Args:
        task: What to learn.
        config: With all steps of the run as its budget.
        directory: Of the run.
        show: As of ``train``.

    Raises:
        CheckpointError: The latest checkpoint of the run is damaged.
    """
    assert config.steps is not None
    loop = checkpoint.load_loop(directory / "checkpoint")
    before = 0 if loop is None else loop.control_steps * config.envs
    if before >= config.steps and (directory / LAST_POLICY).is_file():
        return None
    if not before:  # killed before its first checkpoint
        (directory / "policy.safetensors").unlink(missing_ok=True)
        withdraw(directory)
    left = replace(config, steps=max(config.steps - before, 1))
    return train(task, left, directory, before > 0, show)


def last_temperature(directory: Path) -> float:
    """Temperature at the end of the training of a run: its checkpoint's, else the last one logged.

    Raises:
        UsageError: The run does not say it.
        CheckpointError: The checkpoint is damaged.
    """
    log_alpha = checkpoint.log_alpha(directory / "checkpoint")
    if log_alpha is not None:
        return math.exp(log_alpha)
    name = "train/ent_coef"
    logged = [row[name] for row in metrics.read(directory / "metrics.jsonl") if name in row]
    if not logged:
        raise UsageError(
            f"{directory} does not say the temperature that its policy was trained at: it has no "
            f"checkpoint, and no {name} in its metrics.jsonl. Name the directory of a run."
        )
    return logged[-1]


def sweep(
    task: EnvFactory,
    recipe: TrainConfig,
    temperatures: Sequence[float],
    seeds: int,
    episodes: int,
    directory: Path,
    show: Callable[[float, Status], None],
) -> Iterator[Row]:
    """Train and measure a task at each temperature and the automatic one, where it was not done.

    Args:
        task: What to learn.
        recipe: How, with the steps of a run as its budget.
        temperatures: Fixed ones.
        seeds: Training runs at each, with the seeds 0, 1, ...
        episodes: That judge a policy.
        directory: Of the sweep, with a directory of each run in it.
        show: Called with the share of the whole sweep, 0 to 1, and what a run says.

    Yields:
        Each row, those of before too. It ends early where a run is interrupted.

    Raises:
        UsageError: The directory holds something else.
    """
    train = {name: value for name, value in asdict(recipe).items() if name != "seed"}
    plan = {"task": task.name, "options": task.options, "train": train, "episodes": episodes}
    runs = [(alpha, seed) for seed in range(seeds) for alpha in (*temperatures, None)]
    with RowFile(directory, plan) as kept:
        for number, (temperature, seed) in enumerate(runs):
            key = temperature, f"seed-{seed}"
            if key not in kept.rows:
                place = directory / run_name(temperature, seed)
                config = at_temperature(recipe, temperature, seed)

                def tell(status: Status, before: int = number) -> None:
                    show((before + status.fraction) / len(runs), status)

                done = trained(task, config, place, tell)
                if done is not None and done.interrupted:
                    return
                policy, alpha = Policy.load(place / LAST_POLICY), last_temperature(place)
                kept.add(measure(policy, task, *key, alpha, episodes))
            yield kept.rows[key]


def act_at(
    runs: Mapping[str, tuple[Policy, float]],
    task: EnvFactory,
    temperatures: Sequence[float],
    episodes: int,
    directory: Path,
    show: Callable[[float], None],
) -> Iterator[Row]:
    """Measure policies that there are at other temperatures than they were trained at.

    Args:
        runs: Name -> policy, and the temperature that it was trained at.
        task: What they do.
        temperatures: To act at.
        episodes: That judge a policy.
        directory: Of the rows.
        show: Called with the share of the work that is finished, 0 to 1.

    Yields:
        Each row, those of before too.

    Raises:
        UsageError: The directory holds something else, or a policy is a mixture.
    """
    trained_at = {name: alpha for name, (_, alpha) in runs.items()}
    plan = {"task": task.name, "options": task.options, "runs": trained_at, "episodes": episodes}
    acts = [(alpha, name) for alpha in temperatures for name in runs]
    with RowFile(directory, plan) as kept:
        for number, (alpha, name) in enumerate(acts):
            show(number / len(acts))
            if (alpha, name) not in kept.rows:
                policy, trained_alpha = runs[name]
                hotter = alpha / trained_alpha
                kept.add(measure(policy, task, alpha, name, alpha, episodes, hotter))
            yield kept.rows[alpha, name]


def measure(
    policy: Policy,
    task: EnvFactory,
    temperature: float | None,
    run: str,
    alpha: float,
    episodes: int,
    hotter: float = 1.0,
) -> Row:
    """A policy by its mean and by its sampled actions, on the episodes that all policies meet."""
    drawing = Sampled(policy, np.random.default_rng(EVALUATION_SEED), hotter)
    mean = evaluate(policy, task, episodes, EVALUATION_SEED)
    sampled = evaluate(drawing, task, episodes, EVALUATION_SEED)
    return Row(
        temperature,
        run,
        alpha,
        mean=float(np.mean([episode.reward for episode in mean])),
        sampled=float(np.mean([episode.reward for episode in sampled])),
        entropy=drawing.entropy(sampled),
    )
