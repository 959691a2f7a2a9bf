"""Shards of a stress test: batches of episodes that any process can run, and run again.

An :class:`Order` and the :class:`Bench` that all of a test share decide its rows, bit for bit, and
both can be pickled: another process runs it as well as this one.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from robo_maxent import machine
from robo_maxent.report.rows import Grip, as_lines
from robo_maxent.robustness import calibration, traced_rollout
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.episode_measures import Scale, judged_grip, judged_safety, measured
from robo_maxent.robustness.plan import Episodes, Stages
from robo_maxent.robustness.worker_threads import PARTS, Shown, WorkerThreads
from robo_maxent.types import Episode


@dataclass(frozen=True)
class Order:
    """A shard to run, with everything that must be known before."""

    shard: str
    """Name under which its rows are stored."""
    label: str
    """Label of the policy."""
    mode: str
    episodes: Episodes
    calibrates: bool
    """Whether these episodes calibrate the policy."""
    known: dict[str, Any]
    """Calibration so far; see :mod:`robo_maxent.robustness.calibration`."""

    def __str__(self) -> str:
        """Name of the shard."""
        return f"shard {self.shard}"


@dataclass(frozen=True)
class Outcome:
    """Result of an order."""

    rows: int
    """Number of rows: one for each condition that an episode counts for."""
    lines: str
    """The rows, one JSON object a line, written by whoever runs the order."""
    known: dict[str, Any]
    """Calibration after these episodes."""
    dumps: dict[str, bytes] = field(default_factory=dict)
    """Name -> file of a diverged simulation, if it ran elsewhere."""


class Bench:
    """What all orders of a stress test share: task, policies and seed."""

    def __init__(self, task: AnyTask, policies: Sequence[PolicyUnderTest], seed: int) -> None:
        """Make nothing yet."""
        self.task, self.policies, self.seed = task, tuple(policies), seed
        self._stages = Stages(task, seed)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without caches."""
        return Bench, (self.task, self.policies, self.seed)

    def run(
        self, order: Order, dumps: Path, threads: int = 0, shown: Shown = lambda *count: None
    ) -> Outcome:
        """Run the episodes of an order.

        Args:
            order: Of this test.
            dumps: Where the states of diverged simulations go.
            threads: Threads that simulate; 0: one per CPU.
            shown: Called with control steps done, and at most to do.
        """
        policy, way = self._policy(order.label), (order.label, order.mode)
        batch, known, first = (
            self._stages.batch(order.episodes),
            order.known,
            self.policies[0].label,
        )
        episodes, trace = traced_rollout.run(batch, policy, order.mode, threads, dumps, shown)
        if order.calibrates:
            known = calibration.calibrated(known, way, batch, episodes, trace)
        episodes, by_return = calibration.judged(known, way, first, episodes)
        own, common = calibration.safe_sets(known, way, first)
        scale, rows = scale_of(batch.task), []
        for sim, episode in enumerate(episodes):
            deviations = trace.deviations[sim, : episode.length]
            safety = judged_safety(own, common, deviations, trace.deviation_names)
            gait, effort = trace.gait(sim, episode.length), trace.effort(sim, episode.length)
            grip = _grip(batch.task, episode, trace.holding(sim, episode.length))
            path = trace.path(sim, episode.length)
            for condition in order.episodes.conditions[sim]:
                label = {"policy": order.label, "mode": order.mode} | condition.label
                rows.append(
                    measured(episode, gait, effort, safety, scale, label, by_return, grip, path)
                )
        return Outcome(len(rows), as_lines(rows), dict(known))

    def is_thread_safe(self, order: Order) -> bool:
        """Whether several orders may run at the same time."""
        return self.task.thread_safe and self._policy(order.label).thread_safe

    def _policy(self, label: str) -> PolicyUnderTest:
        own = (policy for policy in self.policies if policy.label == label)
        return next(own, None) or baseline(self.task, label)


Completed = Generator[tuple[Order, Outcome], None, None]
"""Finished orders and their outcomes; closing it stops what still runs."""


class Executor(Protocol):
    """Protocol of what runs orders, here or elsewhere."""

    def completed(
        self,
        bench: Bench,
        orders: Iterable[Order],
        dumps: Path,
        shown: Shown,
    ) -> Completed:
        """Yield orders and their outcomes as they finish, in any order.

        Args:
            bench: What the orders share.
            orders: Asked for as they can be run.
            dumps: Directory of directories, one for each shard, of diverged simulations.
            shown: Called, where it is known, with how much is done of a shard and how much it is.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Runs orders in this process: one per thread, or one on all threads if that is not safe."""

    threads: int = 0
    """Number of threads; 0: one per CPU."""

    def completed(
        self, bench: Bench, orders: Iterable[Order], dumps: Path, shown: Shown
    ) -> Completed:
        """Yield orders and their outcomes as they finish."""
        threads = self.threads or machine.threads()
        for is_safe, alike in groupby(orders, bench.is_thread_safe):
            if is_safe and threads > 1:
                yield from _at_once(bench, alike, dumps, shown, threads)
            else:
                for order in alike:
                    yield order, bench.run(order, dumps / order.shard, threads, shown)


def _at_once(
    bench: Bench, orders: Iterator[Order], dumps: Path, shown: Shown, threads: int
) -> Completed:
    """Yield orders and their outcomes, so many at a time.

    The last ones are simulated by all threads each, so that none waits for another to finish.
    """
    coming, running = deque[Order](), dict[Future[Outcome], Order]()
    with WorkerThreads(threads) as workers:
        while True:
            coming.extend(islice(orders, threads + 1 - len(coming)))
            if coming and len(running) < threads:
                own_threads = 1 if len(coming) > threads else threads
                order = coming.popleft()
                run = partial(bench.run, order, dumps / order.shard, own_threads)
                running[workers.begin(run)] = order
                continue
            if not running:
                return
            for ended in workers.wait(running):
                yield running.pop(ended), ended.result()
            shown(round(PARTS * workers.shares), PARTS)


def _grip(task: AnyTask, episode: Episode, holding: np.ndarray | None) -> Grip | None:
    """Whether an object was lost after the first disturbance of an episode."""
    begins = (effect.begins(episode.params) for effect in task.perturbations)
    first = min((begin for begin in begins if begin is not None), default=None)
    return judged_grip(holding, first, task.episode_steps, task.control_dt)


def scale_of(task: AnyTask) -> Scale:
    """Constants that turn a task's counts of control steps into quantities."""
    gravity = float(np.linalg.norm(task.robot.model.opt.gravity))
    return Scale(task.control_dt, task.robot.mass * gravity, gravity)
