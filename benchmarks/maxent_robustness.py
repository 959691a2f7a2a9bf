"""Does maximum entropy buy robustness? Policies that walk equally well, stressed alike.

The arms (arms.py) differ in one thing each. A run is looked at every so many environment steps, and
ends as soon as its mean action succeeds in 95 % of 64 nominal episodes that no training run sees:
so all policies that are compared walk about equally well. One that never does is named and left
out. Each is then stressed along the project's own axes, on the same episodes, by its mean and by
its sampled actions. Its score on an axis is the area under success over severity, from 0 to 1, or
with ``--score survival`` that under the share that did not fall. With ``--equal-steps`` runs are
compared after as many steps, however well they walk.
Training runs are what is resampled, and the others are compared with the first arm, with p-values
that are adjusted for the number of axes.

Everything is kept in ``--out``, a directory for each arm and seed; what is there is not done again,
so the experiment can be run in pieces. docs/maxent-and-robustness.md says how to read it.

    python benchmarks/maxent_robustness.py [--quick] [--arms sac,zero] [--seeds 1,2,3,4,5]
        [--steps 400000] [--axes push,friction] [--episodes 32] [--out runs/maxent]
    python benchmarks/maxent_robustness.py --arms categorical,risk-0.5,risk-0.25,dear-falls
        --equal-steps --axes push --severities 0,2,3,4,5 --score survival  # of an aversion to risk
    python benchmarks/maxent_robustness.py --published  # p-values of what that page prints
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from arms import ARMS, ENTROPY, PEER_MODULES, learn, nominal_task, policy_of
from extra import missing_peers
from maxent_figures import (
    MODES,
    SCORES,
    Scores,
    Training,
    area,
    differences,
    entropy_bought,
    published,
    table,
    verdict,
)

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import RoboMaxentError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.files import write_atomically
from robo_maxent.perturbations.base import Share
from robo_maxent.report.rows import StressEpisode
from robo_maxent.robustness.axes import disturbances, require
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.stress_test import read
from robo_maxent.robustness.suites import Suite
from robo_maxent.types import Act

GOAL = 0.95
"""Nominal success at which a run ends."""
LOOKED_AT = 64
"""Nominal episodes of a look."""
FIRST, SPACING = 100_000, 50_000
"""Environment steps at the first look, and between looks; times the budget of the arm."""
LOOK_SEED, STRESS_SEED = 4_000_000, 5_000_000
"""Seeds of these episodes; training seeds are small."""
SEVERITIES: dict[str, tuple[float, ...]] = {
    "push": (0.0, 1.5, 2.0, 2.5, 3.0),
    "friction": (1.0, 0.4, 0.3, 0.2, 0.1),
    "payload": (0.0, 3.0, 5.0, 7.0),
    "motor_strength": (1.0, 0.8, 0.6, 0.5),
    "action_delay": (0.0, 1.0, 2.0, 3.0),
    "combined": (0.0, 0.5, 0.75, 1.0),
}
"""Axis -> severities. Another axis, if asked for, is met at all of its own."""


@dataclass(frozen=True)
class Settings:
    """What decides the training runs of an arm."""

    steps: int
    """Environment steps after which to give up, times the budget of the arm."""
    goal: float | None
    """Nominal success at which a run ends; None: it ends after its steps."""
    looked_at: int


# -- training and stress -----------------------------------------------------------------


class Judge:
    """Looks at a run when that is due, and says when it is over."""

    def __init__(self, task: MujocoTask[Any, Any], settings: Settings, budget: int) -> None:
        """Nothing was looked at."""
        self.task, self.settings = task, settings
        self.limit, self.spacing = budget * settings.steps, budget * SPACING
        self.due = self.limit if settings.goal is None else min(budget * FIRST, self.limit)
        self.start = time.monotonic()
        self.last: Training | None = None

    def over(self, steps: int, policy: Any) -> bool:
        """Whether the run has succeeded or must end; ``policy`` is a function that returns it."""
        if steps < self.due:
            return False
        self.due = min(self.due + self.spacing, self.limit)
        success = self._success(policy())
        goal = self.settings.goal
        reached = steps >= self.limit if goal is None else success >= goal
        self.last = Training(steps, success, reached, round(time.monotonic() - self.start, 1))
        return reached or steps >= self.limit

    def _success(self, act: Act) -> float:
        summary = summarize(evaluate(act, self.task, self.settings.looked_at, LOOK_SEED))
        assert summary.success is not None
        return summary.success.share


def trained(name: str, seed: int, settings: Settings, directory: Path) -> Training:
    """Train a run, unless that is done.

    Raises:
        SystemExit: What is there was trained with other settings.
    """
    file, asked = directory / "training.json", {"arm": name, "seed": seed, **asdict(settings)}
    if file.is_file():
        saved = json.loads(file.read_text())
        if saved["asked"] != asked:
            raise SystemExit(f"{file} was asked for {saved['asked']}, not {asked}; change --out")
        return Training(**saved["training"])
    judge = Judge(nominal_task(), settings, ARMS[name].budget)
    learn(ARMS[name], seed, judge.over, directory)
    assert judge.last is not None
    write_atomically(file, json.dumps({"asked": asked, "training": asdict(judge.last)}) + "\n")
    return judge.last


def suite_of(
    task: MujocoTask[Any, Any],
    axes: Iterable[str],
    episodes: int,
    severities: tuple[float, ...] | None = None,
) -> Suite:
    """Axes with so many episodes at each severity, shared out among the cases of an axis.

    Args:
        task: What is stressed.
        axes: Their names.
        episodes: At each severity.
        severities: Of all these axes; None: those of ``SEVERITIES``.
    """
    shares = {"nominal": Share(2 * episodes, 0, 2 * episodes)}
    for name, disturbance in require(axes, task).items():
        each = max(episodes // max(len(disturbance.axis.cases), 1), 1)
        shares[name] = Share(each, 0, each, severities or SEVERITIES.get(name))
    return Suite("maxent", "axes of the maximum-entropy experiment", shares)


def stressed(name: str, directory: Path, given: argparse.Namespace) -> list[StressEpisode]:
    """Rows of a trained policy, run unless they are there."""
    task, policy = nominal_task(), policy_of(name, nominal_task(), directory)
    at = map(str, given.severities or ())
    where = directory / "-".join(("stress", str(given.episodes), *given.axes, *at))
    suite = suite_of(task, given.axes, given.episodes, given.severities)
    run(suite, task, [policy], where, STRESS_SEED)
    return read(where)[0]


def scores_of(name: str, given: argparse.Namespace, settings: Settings, out: Path) -> Scores:
    """Train and stress all runs of an arm."""
    trainings, tables, axes = [], [], given.axes
    for seed in given.seeds:
        directory = out / name / f"seed{seed}"
        training = trained(name, seed, settings, directory)
        trainings.append(training)
        _follow(f"{name}, seed {seed}: success {training.success:.2f} at {training.steps:,} steps")
        if training.reached:
            start, rows = time.monotonic(), stressed(name, directory, given)
            tables.append(rows)
            _follow(f"{name}, seed {seed}: stressed, {time.monotonic() - start:.0f} s")
    known = {name: each.axis for name, each in disturbances(nominal_task()).items()}
    nominal, areas = {}, {}
    for mode in MODES:
        runs = [[row for row in rows if row.mode == mode] for rows in tables]
        nominal[mode] = np.array([area(rows, known["nominal"]) for rows in runs])
        areas[mode] = np.array(
            [[area(rows, known[axis], given.score) for axis in axes] for rows in runs]
        )
    return Scores(name, trainings, nominal, areas)


def _follow(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# -- the command line --------------------------------------------------------------------


def arguments_of(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options; ``--quick`` only shows that everything runs."""
    parser = argparse.ArgumentParser(description="Does maximum entropy buy robustness?")
    parser.add_argument("--arms", default=",".join(ENTROPY), metavar="A,B,...")
    parser.add_argument("--seeds", default="1,2,3,4,5", metavar="1,2,...", help="training seeds")
    parser.add_argument("--steps", type=int, default=400_000, help="environment steps of a run")
    parser.add_argument("--axes", default=",".join(SEVERITIES), metavar="A,B,...")
    parser.add_argument("--episodes", type=int, default=32, help="at each severity of an axis")
    parser.add_argument("--severities", metavar="A,B,...", help="of all these axes")
    parser.add_argument("--score", choices=SCORES, default="success", help="what is counted")
    parser.add_argument("--goal", type=float, default=GOAL, help="nominal success to train to")
    parser.add_argument("--equal-steps", action="store_true", help="train for --steps, goal or not")
    parser.add_argument("--out", type=Path, help="directory to keep it in; else runs/maxent")
    parser.add_argument("--published", action="store_true", help="only p-values of that page")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parsed = parser.parse_args(argv)
    parsed.looked_at = LOOKED_AT
    if parsed.quick:
        parsed.arms, parsed.seeds, parsed.axes = "sac,actor-only", "0", "friction"
        parsed.steps, parsed.episodes, parsed.looked_at, parsed.goal = 4000, 2, 4, 0.0
    for name in ("arms", "axes", "seeds"):
        setattr(
            parsed, name, list(dict.fromkeys(getattr(parsed, name).replace(" ", "").split(",")))
        )
    if unknown := [name for name in parsed.arms if name not in ARMS]:
        parser.error(f"unknown arms: {', '.join(unknown)}; known: {', '.join(ARMS)}")
    if not all(seed.isdecimal() for seed in parsed.seeds):
        parser.error(f"--seeds must be numbers, got {','.join(parsed.seeds)}")
    if parsed.steps < 1 or parsed.episodes < 1 or not 0 <= parsed.goal <= 1:
        parser.error("--steps and --episodes must be at least 1, --goal within [0, 1]")
    parsed.seeds = [int(seed) for seed in parsed.seeds]
    parsed.goal = None if parsed.equal_steps else parsed.goal
    try:
        if parsed.severities is not None:
            parsed.severities = tuple(float(each) for each in parsed.severities.split(","))
        suite_of(nominal_task(), parsed.axes, parsed.episodes, parsed.severities)
    except (RoboMaxentError, ValueError) as error:
        parser.error(str(error))
    return parsed


def experiment(given: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Train and stress all arms, and say what came of it."""
    settings = Settings(given.steps, given.goal, given.looked_at)
    scores = [scores_of(name, given, settings, out) for name in given.arms]
    found = verdict(scores, given.axes)
    for mode in MODES:
        print("\n".join(table(found, given.axes, mode)), end="\n\n")
        print("\n".join(differences(found, given.axes, mode)), end="\n\n")
    bought = {mode: entropy_bought(found, given.axes, mode) for mode in MODES}
    said: dict[str, Any] = {
        "arms": found,
        "axes": given.axes,
        "seeds": given.seeds,
        "episodes": given.episodes,
    }
    said |= {"severities": given.severities, "score": given.score, "entropy_bought_p": bought}
    return said | asdict(settings)


def main() -> None:
    """Print tables for people, then one JSON object for scripts."""
    given = arguments_of()
    if given.published:
        print("\n".join(published()))
        return
    if any(ARMS[name].peer for name in given.arms) and (missing := missing_peers(PEER_MODULES)):
        raise SystemExit(missing)
    with tempfile.TemporaryDirectory() as scratch:
        usual = Path(scratch) if given.quick else Path("runs/maxent")
        print(json.dumps(experiment(given, given.out or usual)))


if __name__ == "__main__":
    main()
