"""Runs a stress test, and runs any of its episodes again.

Every policy meets the same episodes: the same starts, commands, noise and schedules of pushes,
named by the seed and the simulation's number. So do the baselines, which tell what a robot survives
that does nothing. What decides a row is in it: :func:`replay` runs it again, bit for bit.

Policies are calibrated first, then all shards are run, wherever the executor runs them, then the
rounds of refinement, each of which follows from the rows before it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent import kept
from robo_maxent.envs.own_tasks import identified
from robo_maxent.errors import UsageError
from robo_maxent.files import write_atomically
from robo_maxent.report.row_table import RowTable
from robo_maxent.report.rows import SUITE_FORMAT, StressEpisode
from robo_maxent.robustness import acceptance, calibration, refinement, traced_rollout
from robo_maxent.robustness.axes import AnyTask, describe
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.plan import (
    PolicyPlan,
    batch_of,
    described,
    planned,
    planned_round,
)
from robo_maxent.robustness.shards import Bench, Executor, InProcess, Order, Outcome
from robo_maxent.robustness.store import Store
from robo_maxent.robustness.suites import NOMINAL, Condition, Suite
from robo_maxent.seeds import whole
from robo_maxent.sim.capture_impulse import capture_impulse
from robo_maxent.types import Episode
from robo_maxent.versions import installed

PACKAGES = ("robo-maxent", "mujoco", "numpy", "torch")
"""Packages whose versions decide the last bit of a row."""
CALIBRATING = f"{NOMINAL}-000"
"""The batch that a policy's safe set, or the return it needs, is calibrated from: its first
undisturbed episodes."""
ROUND = "round"
"""Beginning of the names of shards of a refinement."""
DUMPS = "diverged"
"""Directory for the states of diverged simulations."""
FINE = 1000
"""Parts of a shard in which progress is shown."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Shard:
    """A batch of one policy, and the name under which its rows are stored."""

    name: str
    batch: str
    plan: PolicyPlan
    ids: np.ndarray

    @property
    def calibrates(self) -> bool:
        """Whether it calibrates its policy."""
        return self.batch == CALIBRATING

    def order(self, known: dict[str, Any]) -> Order:
        """The order to run it, with the calibration so far."""
        plan = self.plan
        episodes = plan.episodes(self.ids)
        return Order(self.name, plan.policy.label, plan.mode, episodes, self.calibrates, known)


@dataclass(frozen=True)
class Numbered:
    """A plan, and the beginning of its shards' names."""

    name: str
    plan: PolicyPlan

    def shards(self) -> list[Shard]:
        """Shards of the plan."""
        return [
            Shard(f"{self.name}-{batch}", batch, self.plan, ids)
            for batch, ids in self.plan.batches()
        ]


def run(
    suite: Suite,
    task: AnyTask,
    policies: Sequence[PolicyUnderTest],
    out: str | os.PathLike[str],
    seed: int = 1,
    threads: int = 0,
    command: str = "",
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Path:
    """Run a stress test, or continue an interrupted one.

    Args:
        suite: What to evaluate.
        task: What the policies do.
        policies: With labels that differ.
        out: Directory to keep it in.
        seed: Seed of all episodes.
        threads: Threads that simulate; 0: one per CPU. They change no row.
        command: What would run this again, to be noted.
        progress: Called with how much is done and how much there is.
        executor: Where to run the episodes, which changes no row; None: here.

    Returns:
        The file with all rows, one JSON object a line.

    Raises:
        UsageError: There is no policy, labels are the same, or the directory is taken.
    """
    seed = whole(seed)
    plans = [
        Numbered(f"{number:02d}-{plan.mode}", plan)
        for number, plan in enumerate(planned(suite, task, policies, seed))
    ]
    shards = [shard for each in plans for shard in each.shards()]
    refined = [each for each in plans if each.plan.mode == "mean" and suite.refinement.rounds]
    store = Store(
        out,
        _decisive(suite, task, policies, seed),
        [shard.name for shard in shards],
        _notes(task, command),
        [f"{each.name}-{ROUND}" for each in refined],
    )
    kept.write(task.kept, store.directory)
    try:
        evaluation = _Evaluation(
            Bench(task, policies, seed),
            store,
            [(each.plan.policy.label, each.plan.mode) for each in plans],
            executor or InProcess(threads),
            _Shown(progress, len(shards) + len(refined) * suite.refinement.rounds),
        )
        evaluation.calibrate([shard for shard in shards if shard.calibrates])
        # The longest first, so that those that end last end together.
        evaluation.run(sorted(shards, key=lambda shard: -len(shard.ids)))
        of_rounds = evaluation.refine(suite, refined)
        return store.join(of_rounds)
    finally:
        store.close()


def replay(row: StressEpisode, task: AnyTask, policy: PolicyUnderTest | None = None) -> Episode:
    """Run the episode of a row again.

    Args:
        row: A row of a stress test.
        task: The task of that test.
        policy: The policy of the row; not needed for a baseline.

    Raises:
        UsageError: The policy is missing, or can't act as the row says.
    """
    policy = policy or baseline(task, row.policy)
    if row.mode == "sampled" and policy.sample is None:
        raise UsageError(f"the actions of {policy.label!r} can't be sampled, as the row's were")
    return traced_rollout.run(batch_of(row, task), policy, row.mode)[0][0]


class _Evaluation:
    """Runs shards and stores their rows."""

    def __init__(
        self,
        bench: Bench,
        store: Store,
        ways: Sequence[calibration.Way],
        executor: Executor,
        shown: "_Shown",
    ) -> None:
        self._bench, self._store, self._ways = bench, store, ways
        self._executor, self._shown = executor, shown

    def calibrate(self, shards: Sequence[Shard]) -> None:
        """Run the missing ones of the shards that calibrate policies.

        Who was judged by return before another's episodes said success is judged again.
        """
        self.run(shards)
        if again := calibration.misjudged(self._known()):
            self._run([s for s in shards if (s.plan.policy.label, s.plan.mode) in again])
            self._store.forget(calibration.OF_RETURN)

    def run(self, shards: Sequence[Shard]) -> None:
        """Run the missing shards."""
        self._run(shard for shard in shards if not self._store.has(shard.name))

    def _run(self, shards: Iterable[Shard]) -> None:
        known = self._known()
        orders = (shard.order(known) for shard in shards)
        dumps = self._store.directory / DUMPS
        finished = self._executor.completed(self._bench, orders, dumps, self._shown.part)
        with closing(finished):  # whatever is on its way is not wanted after an interrupt
            for order, outcome in finished:
                self._keep(order, outcome)
                self._shown.one_more()

    def refine(self, suite: Suite, plans: Sequence[Numbered]) -> list[str]:
        """Run the rounds of all policies; returns the names of their shards."""
        bench, asked = self._bench, {each.name: list[Shard]() for each in plans}
        following = {each.name: _following(suite, self._rows(each.shards())) for each in plans}
        for number in range(1, suite.refinement.rounds + 1):
            wanted: dict[str, list[Shard]] = {}
            for each in plans:
                conditions = following[each.name].conditions(bench.task, number)
                if conditions:
                    plan = planned_round(conditions, bench.task, each.plan.policy, bench.seed)
                    wanted[each.name] = Numbered(f"{each.name}-{ROUND}{number}", plan).shards()
            if not wanted:
                break
            self.run([shard for of_plan in wanted.values() for shard in of_plan])
            for name, of_plan in wanted.items():
                asked[name] += of_plan
                following[name].add(self._rows(of_plan))
        if plans:
            self._shown.all()
        return [shard.name for of_plan in asked.values() for shard in of_plan]

    def _rows(self, shards: Sequence[Shard]) -> Iterator[StressEpisode]:
        return (row for shard in shards for row in self._store.rows(shard.name))

    def _known(self) -> dict[str, Any]:
        names = (
            calibration.SAFE_SET,
            calibration.RETURN_NEEDED,
            calibration.RANDOM_RETURN,
            calibration.SAYS_SUCCESS,
        )
        return {
            name: self._store.description[name] for name in names if name in self._store.description
        }

    def _keep(self, order: Order, outcome: Outcome) -> None:
        """What was calibrated comes first: rows that are there must be judged by what is noted."""
        if order.calibrates:
            known = calibration.joined(self._known(), outcome.known, self._ways)
            means = calibration.explained(known, self._bench.task.name)
            self._store.add(known | ({"success_means": means} if means else {}))
        for name, file in outcome.dumps.items():
            write_atomically(self._store.directory / DUMPS / order.shard / name, file)
        self._store.write(order.shard, outcome.rows, outcome.lines)


class _OfFalls:
    """Chooses the conditions of the next round to locate falls, from few of the rows."""

    def __init__(self, suite: Suite, rows: Iterable[StressEpisode]) -> None:
        self._suite, self._outcomes = suite, refinement.Outcomes(rows)

    def add(self, rows: Iterable[StressEpisode]) -> None:
        self._outcomes.add(rows)

    def conditions(self, task: AnyTask, number: int) -> list[Condition]:
        return refinement.next_conditions(self._suite, task, self._outcomes, number)


class _OfLimits:
    """Chooses the conditions of the next round to decide limits."""

    def __init__(self, suite: Suite, rows: Iterable[StressEpisode]) -> None:
        self._suite, self._rows = suite, [*RowTable(rows)]  # without what nobody counts

    def add(self, rows: Iterable[StressEpisode]) -> None:
        self._rows += RowTable(rows)

    def conditions(self, task: AnyTask, number: int) -> list[Condition]:
        return acceptance.next_conditions(self._suite, task, self._rows, number)


def _following(suite: Suite, rows: Iterable[StressEpisode]) -> _OfFalls | _OfLimits:
    """The chooser of next conditions after the rows of a policy."""
    return _OfLimits(suite, rows) if suite.limits else _OfFalls(suite, rows)


class _Shown:
    """Shows the progress of an evaluation, in shards."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._shown = 0

    def part(self, count: int, steps: int) -> None:
        """Show progress within the present shards."""
        self._show(self._done * FINE + FINE * count // steps)

    def one_more(self) -> None:
        """Count a finished shard."""
        self._done += 1
        self._show(self._done * FINE)

    def all(self) -> None:
        """Show that everything is done."""
        self._show(self._total * FINE)

    def _show(self, parts: int) -> None:
        # A round of refinement may have more shards than one, and of several at a time one ends.
        self._shown = max(self._shown, min(parts, self._total * FINE))
        if self._progress:
            self._progress(self._shown, self._total * FINE)


def _notes(task: AnyTask, command: str) -> dict[str, Any]:
    """What is noted beside what decides the rows."""
    return {
        "date": _now(),
        "safe_set": {},
        "command": command,
        "notes": list(task.trial_notes),
        "floor_plan": None if task.floor_plan is None else asdict(task.floor_plan),
    }


def _now() -> str:
    """Date and time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _decisive(
    suite: Suite, task: AnyTask, policies: Sequence[PolicyUnderTest], seed: int
) -> dict[str, Any]:
    """Everything that decides the rows, and how to read them."""
    return {
        "format": SUITE_FORMAT,
        "suite": suite.name,
        **identified(task),
        "task_options": kept.named(task.options, task.kept),
        "content": dict(task.content),
        "seed": seed,
        "versions": {name: installed(name) for name in (*PACKAGES, *task.packages)},
        "policies": described(policies),
        "axes": describe(suite.axes(task).values()),
        "conditions": [asdict(c) for c in suite.conditions(task, "mean")],
        "sampled_conditions": [asdict(c) for c in suite.conditions(task, "sampled")],
        "refinement": asdict(suite.refinement),
        **({"limits": [asdict(limit) for limit in suite.limits]} if suite.limits else {}),
        "baseline_conditions": [asdict(c) for c in suite.conditions(task, "baseline")],
        "capture_impulse": capture_impulses(task),
        "deviation_units": dict(task.deviation_units),
    }


def capture_impulses(task: AnyTask) -> dict[str, float]:
    """Capture impulse of the robot; empty if it does not stand on feet."""
    if not (task.robot.spec.base and task.robot.spec.feet):
        return {}
    return capture_impulse(task.robot).to_json()
