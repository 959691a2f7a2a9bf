"""Running a stress test, and running any of its episodes again.

Every policy meets the same episodes: the same starts, commands, noise and schedules of pushes,
named by the seed and the simulation's number. So do the baselines, which tell what a robot survives
that does nothing. What decides a row is in it: :func:`replay` runs it again, bit for bit.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent import kept
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.recovery import SafeSet, calibrate
from robo_maxent.perturbations import params as episode_params
from robo_maxent.report.rows import SUITE_FORMAT, Grip, StressEpisode
from robo_maxent.robustness import acceptance, refinement, returns, traced_rollout
from robo_maxent.robustness.axes import AnyTask, describe
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.episode_measures import Scale, judged_grip, judged_safety, measured
from robo_maxent.robustness.plan import (
    PolicyPlan,
    Stages,
    batch_of,
    described,
    planned,
    planned_round,
)
from robo_maxent.robustness.store import Store
from robo_maxent.robustness.suites import NOMINAL, Suite
from robo_maxent.robustness.traced_rollout import Batch, Trace
from robo_maxent.seeds import whole
from robo_maxent.sim.capture_impulse import capture_impulse
from robo_maxent.types import Episode
from robo_maxent.versions import installed

PACKAGES = ("robo-maxent", "mujoco", "numpy", "torch")
"""Whose versions decide the last bit of a row."""
CALIBRATING = f"{NOMINAL}-000"
"""The batch that a policy's safe set, or the return it needs, is calibrated from: its first
undisturbed episodes."""


ROUND = "round"
"""In the names of shards of a refinement."""


@dataclass(frozen=True)
class Shard:
    """A batch of a policy, and where its rows go."""

    name: str
    batch: str
    plan: PolicyPlan
    ids: np.ndarray


@dataclass(frozen=True)
class Numbered:
    """A plan, and what the names of its shards begin with."""

    name: str
    plan: PolicyPlan

    def shards(self) -> list[Shard]:
        """Its batches."""
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
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Evaluate policies, or continue where the same evaluation was interrupted.

    Args:
        suite: What to evaluate.
        task: What the policies do.
        policies: With labels that differ.
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
    seed = whole(seed)
    plans = [
        Numbered(f"{number:02d}-{plan.mode}", plan)
        for number, plan in enumerate(planned(suite, task, policies, seed))
    ]
    shards = [shard for each in plans for shard in each.shards()]
    following = acceptance.next_conditions if suite.limits else refinement.next_conditions
    refined = [each for each in plans if each.plan.mode == "mean" and suite.refinement.rounds]
    floor_plan = None if task.floor_plan is None else asdict(task.floor_plan)
    notes = {"date": _now(), "safe_set": {}, "command": command, "notes": list(task.trial_notes)}
    notes |= {"floor_plan": floor_plan}
    store = Store(
        out,
        _decisive(suite, task, policies, seed),
        [shard.name for shard in shards],
        notes,
        [f"{each.name}-{ROUND}" for each in refined],
    )
    kept.write(task.kept, store.directory)
    total, stages = len(shards) + len(refined) * suite.refinement.rounds, Stages(task, seed)
    steps = itertools.count()

    def run_all(wanted: Sequence[Shard]) -> None:
        for shard in wanted:
            if not store.has(shard.name):
                shown = _shown(progress, min(next(steps), total - 1), total)
                store.write(shard.name, _run(shard, stages, store, threads, shown))

    of_rounds: list[str] = []
    try:
        run_all(shards)
        for each in refined:
            rows = [row for shard in each.shards() for row in store.rows(shard.name)]
            for number in range(1, suite.refinement.rounds + 1):
                conditions = following(suite, task, rows, number)
                if not conditions:
                    break
                more = planned_round(conditions, task, each.plan.policy, seed)
                asked = Numbered(f"{each.name}-{ROUND}{number}", more).shards()
                run_all(asked)
                of_rounds += [shard.name for shard in asked]
                rows += [row for shard in asked for row in store.rows(shard.name)]
        if progress and refined:
            progress(1, 1)
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


def _run(
    shard: Shard,
    stages: Stages,
    store: Store,
    threads: int,
    progress: Callable[[int, int], None],
) -> list[StressEpisode]:
    """Rows of a shard, one for each condition that an episode stands for."""
    plan, batch = shard.plan, stages.batch(shard.plan, shard.ids)
    dumps = store.directory / "diverged" / shard.name
    episodes, trace = traced_rollout.run(batch, plan.policy, plan.mode, threads, dumps, progress)
    if shard.batch == CALIBRATING:
        if trace.deviation_names:
            _calibrate(plan, batch, episodes, trace, store)
        if "return_needed" in store.description or not returns.knows_success(episodes):
            _calibrate_return(plan, batch, episodes, store)
    by_return = "return_needed" in store.description
    if by_return:
        least = _of_policy("return_needed", plan, store)
        episodes = [returns.judged(episode, least) for episode in episodes]
    scale, rows = scale_of(batch.task), []
    own, common = _safe_sets(plan, store)
    for sim, (episode, index) in enumerate(zip(episodes, shard.ids.tolist(), strict=True)):
        deviations = trace.deviations[sim, : episode.length]
        safety = judged_safety(own, common, deviations, trace.deviation_names)
        gait, effort = trace.gait(sim, episode.length), trace.effort(sim, episode.length)
        grip = _grip(batch.task, episode, trace.holding(sim, episode.length))
        path = trace.path(sim, episode.length)
        for condition in plan.conditions[index]:
            label = {"policy": plan.policy.label, "mode": plan.mode} | condition.label
            rows.append(
                measured(episode, gait, effort, safety, scale, label, by_return, grip, path)
            )
    return rows


def _grip(task: AnyTask, episode: Episode, holding: np.ndarray | None) -> Grip | None:
    """What became of what the hand held when the first disturbance of an episode began."""
    begins = (effect.begins(episode.params) for effect in task.perturbations)
    first = min((begin for begin in begins if begin is not None), default=None)
    return judged_grip(holding, first, task.episode_steps, task.control_dt)


def _calibrate(
    plan: PolicyPlan, batch: Batch, episodes: list[Episode], trace: Trace, store: Store
) -> None:
    """Note the safe set of a policy; None: it did its task in no episode."""
    undisturbed = trace.undisturbed(episodes, batch.task.control_dt)
    safe_set = (
        calibrate(list(trace.deviation_names), undisturbed).to_json() if undisturbed else None
    )
    kept = store.description["safe_set"]
    kept.setdefault(plan.policy.label, {})[plan.mode] = safe_set
    store.add("safe_set", kept)


def _calibrate_return(
    plan: PolicyPlan, batch: Batch, episodes: list[Episode], store: Store
) -> None:
    """Note the return that counts as success of a policy, and what that means."""
    if "random_return" not in store.description:
        store.add("random_return", returns.mean_return(_random_episodes(batch)))
    random = store.description["random_return"]
    least = store.description.get("return_needed", {})
    of_modes = least.setdefault(plan.policy.label, {})
    of_modes[plan.mode] = returns.needed(returns.mean_return(episodes), random)
    store.add("return_needed", least)
    shown = {
        label if mode == "mean" else f"{label}, sampled": value
        for label, of_label in least.items()
        for mode, value in of_label.items()
    }
    store.add("success_means", returns.explained(batch.task.name, random, shown))


def _random_episodes(batch: Batch) -> list[Episode]:
    """Undisturbed episodes of random actions, the same for all policies."""
    task, n = batch.task, returns.RANDOM_EPISODES
    params = episode_params.nominal(task.perturbations, task.robot, n)
    undisturbed = Batch(task, params, np.arange(n), batch.seed)
    return traced_rollout.run(undisturbed, baseline(task, returns.RANDOM), "baseline")[0]


def _of_policy(name: str, plan: PolicyPlan, store: Store) -> Any:
    """What was calibrated for a policy, for baselines that of the first; None: nothing was."""
    if plan.mode == "baseline":
        return _of_first(name, store)
    return store.description[name].get(plan.policy.label, {}).get(plan.mode)


def _safe_sets(plan: PolicyPlan, store: Store) -> tuple[SafeSet | None, SafeSet | None]:
    """That of a policy, and that of the first one; None: it has none."""
    sets = _of_policy("safe_set", plan, store), _of_first("safe_set", store)
    own, common = (None if saved is None else SafeSet.from_json(saved) for saved in sets)
    return own, common


def _of_first(name: str, store: Store) -> Any:
    """What was calibrated for the mean action of the first policy; None: nothing was."""
    return next((of_modes.get("mean") for of_modes in store.description[name].values()), None)


def scale_of(task: AnyTask) -> Scale:
    """What turns its counts of control steps into quantities."""
    gravity = float(np.linalg.norm(task.robot.model.opt.gravity))
    return Scale(task.control_dt, task.robot.mass * gravity, gravity)


def _now() -> str:
    """The date and the time of day, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _decisive(
    suite: Suite, task: AnyTask, policies: Sequence[PolicyUnderTest], seed: int
) -> dict[str, Any]:
    """What decides the rows, and how to read them."""
    return {
        "format": SUITE_FORMAT,
        "suite": suite.name,
        "task": task.name,
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
    """The capture impulse of the robot; empty of one that does not stand on feet."""
    if not (task.robot.spec.base and task.robot.spec.feet):
        return {}
    return capture_impulse(task.robot).to_json()


def _shown(
    progress: Callable[[int, int], None] | None, done: int, total: int
) -> Callable[[int, int], None]:
    """Show the progress of one shard among all, which take about as long."""
    if progress is None:
        return lambda count, steps: None
    return lambda count, steps: progress(done * steps + count, total * steps)
