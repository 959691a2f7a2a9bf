"""Running a robustness suite, and running any of its episodes again.

Every policy meets the same episodes: the same starts, commands, noise and schedules of pushes,
named by the seed and the simulation's number. So do two null policies, who tell what a robot
survives that does nothing. What decides a row is in it: :func:`replay` runs it again, bit for bit.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.envs.task import DEVIATIONS, Task
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.recovery import SafeSet, calibrate
from robo_maxent.robustness import traced_rollout
from robo_maxent.robustness.axes import walks, world_of
from robo_maxent.robustness.baselines import nulls
from robo_maxent.robustness.plan import Stages, Work, batch_of, planned
from robo_maxent.robustness.store import Store
from robo_maxent.robustness.suites import Suite
from robo_maxent.robustness.traced_rollout import Contestant, Trace
from robo_maxent.types import Episode
from robo_maxent.versions import installed

FORMAT = 1
PACKAGES = ("robo-maxent", "mujoco", "numpy", "torch")
"""Whose versions decide the last bit of a row."""
CALIBRATING = "nominal-000"
"""The batch of a policy that its safe set is calibrated from: its first undisturbed episodes."""


@dataclass(frozen=True)
class Shard:
    """A batch of a policy, and where its rows go."""

    name: str
    batch: str
    work: Work
    ids: np.ndarray


def run(
    suite: Suite,
    task: Task[Any],
    contestants: Sequence[Contestant],
    out: str | os.PathLike[str],
    seed: int = 1,
    threads: int = 0,
    command: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Evaluate policies, or continue where the same evaluation was interrupted.

    Args:
        suite: What to evaluate.
        task: What the policies do.
        contestants: Policies, with labels that differ.
        out: Directory to keep it in.
        seed: Seed of all episodes.
        threads: Physics threads; 0: one per CPU. They change no row.
        command: What would run this again, to be noted.
        progress: Called with how much is done and how much there is.

    Returns:
        The file with all rows, one JSON object a line.

    Raises:
        UsageError: There is no policy, labels are the same, or the directory is taken.
    """
    shards = [
        Shard(f"{number:02d}-{work.mode}-{name}", name, work, ids)
        for number, work in enumerate(planned(suite, task, contestants, seed))
        for name, ids in work.batches()
    ]
    plan, names = _plan(suite, task, contestants, seed), [shard.name for shard in shards]
    store = Store(out, plan, names, {"date": _now(), "safe_set": {}, "command": command})
    try:
        stages = Stages(task, seed)
        for count, shard in enumerate(shards):
            if not store.has(shard.name):
                shown = _shown(progress, count, len(shards))
                store.write(shard.name, _run(shard, stages, store, threads, shown))
        return store.join()
    finally:
        store.close()


def replay(row: Mapping[str, Any], task: Task[Any], policy: Contestant | None = None) -> Episode:
    """Run the episode of a row again.

    Args:
        row: A row of an evaluation.
        task: The task of that evaluation.
        policy: The policy of the row; not needed for a null policy.

    Raises:
        UsageError: The policy is missing, or can't act as the row says.
    """
    if policy is None:
        known = {null.label: null for null in nulls(task)}
        if row["policy"] not in known:
            raise UsageError(f"to replay an episode of {row['policy']!r}, its policy is needed")
        policy = known[row["policy"]]
    if row["mode"] == "sampled" and policy.sample is None:
        raise UsageError(f"the actions of {policy.label!r} can't be sampled, as the row's were")
    return traced_rollout.run(batch_of(row, task), policy, row["mode"])[0][0]


def _run(
    shard: Shard,
    stages: Stages,
    store: Store,
    threads: int,
    progress: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """Rows of a shard, one for each condition that an episode stands for."""
    work, batch = shard.work, stages.batch(shard.work, shard.ids)
    dumps = store.directory / "diverged" / shard.name
    episodes, trace = traced_rollout.run(
        batch, work.contestant, work.mode, threads, dumps, progress
    )
    if shard.batch == CALIBRATING:
        _calibrate(work, batch.task, episodes, trace, store)
    safe = _safe_set(work, store)
    measured = traced_rollout.rows(episodes, trace, batch.task, safe)
    return [
        row | {"policy": work.contestant.label, "mode": work.mode} | condition.label
        for row, index in zip(measured, shard.ids.tolist(), strict=True)
        for condition in work.conditions[index]
    ]


def _calibrate(
    work: Work, task: Task[Any], episodes: list[Episode], trace: Trace, store: Store
) -> None:
    """Note the safe set of a policy; None: it does not walk, or fell in every episode."""
    undisturbed = (
        traced_rollout.undisturbed(episodes, trace, task.control_dt) if trace.walks else []
    )
    found = calibrate(list(DEVIATIONS), undisturbed).to_json() if undisturbed else None
    kept = store.description["safe_set"]
    kept.setdefault(work.contestant.label, {})[work.mode] = found
    store.add("safe_set", kept)


def _safe_set(work: Work, store: Store) -> SafeSet | None:
    """By which the pushes of a policy are judged; null policies by that of the first policy."""
    kept = store.description["safe_set"]
    label, mode = work.contestant.label, work.mode
    if mode == "null":
        label, mode = next(iter(kept)), "mean"
    saved = kept[label][mode]
    return None if saved is None else SafeSet.from_json(saved)


def _now() -> str:
    """The date and the time of day, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plan(
    suite: Suite, task: Task[Any], contestants: Sequence[Contestant], seed: int
) -> dict[str, Any]:
    """What decides the rows, and how to read them."""
    return {
        "format": FORMAT,
        "suite": suite.name,
        "task": task.name,
        "task_options": task.options,
        "seed": seed,
        "versions": {name: installed(name) for name in PACKAGES},
        "policies": [{"label": c.label, "file": c.file, "sha256": c.sha256} for c in contestants],
        "conditions": [asdict(c) for c in suite.conditions(task, "mean")],
        "sampled_conditions": [asdict(c) for c in suite.conditions(task, "sampled")],
        "null_conditions": [asdict(c) for c in suite.conditions(task, "null")],
        "capture_impulse": world_of(task).capture.to_json(),
        "deviation_units": dict(DEVIATIONS) if walks(task) else {},
    }


def _shown(
    progress: Callable[[int, int], None] | None, done: int, total: int
) -> Callable[[int, int], None]:
    """Show the progress of one shard among all, which take about as long."""
    if progress is None:
        return lambda count, steps: None
    return lambda count, steps: progress(done * steps + count, total * steps)
