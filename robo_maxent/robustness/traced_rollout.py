"""Runs many different episodes of one policy together, and measures them step by step.

What comes of an episode depends on the policy, the seed, its simulation number and its parameters,
not on what else is in the batch nor on the number of threads. Simulations promise that; a policy is
made to by asking it about exactly BLOCK observations at a time, for the products of matrices of
another size may differ in the last bit.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from robo_maxent import machine
from robo_maxent.envs.interface import Reading
from robo_maxent.errors import EnvError
from robo_maxent.evaluation.recovery import SETTLING
from robo_maxent.evaluation.rollout import CheckedPolicy, begin
from robo_maxent.perturbations.counter_rng import Stream, episode_key, normal
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.report.rows import Points
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.episode_measures import Effort, Gait, thinned
from robo_maxent.robustness.worker_threads import Shown, all_done
from robo_maxent.seeds import Purpose
from robo_maxent.types import Act, Episode

BLOCK = 256
"""Most simulations in a batch."""
LEAST_PART = 64
"""Fewest simulations for which another thread pays off."""


@dataclass(frozen=True)
class Batch:
    """Episodes to run, as many at once as the task allows."""

    task: AnyTask
    """Task from :meth:`StressTask.trial`."""
    params: EpisodeParams
    """Parameters, N rows."""
    sims: np.ndarray
    """Number of each simulation, int, (N,)."""
    seed: int
    patches: np.ndarray
    """Patch of each, int, (N,); 0 on a plane."""

    def env(
        self,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        filmed: bool = False,
    ) -> Any:
        """Simulations of these episodes; ended ones rest."""
        return self.task.at(self.patches).trial_env(
            self.params, self.sims, self.seed, threads, dump_dir, filmed=filmed
        )

    @property
    def block(self) -> int:
        """Number of observations that a policy gets at a time."""
        return min(BLOCK, self.task.most_simulations)

    def parts(self, threads: int = 1) -> "list[tuple[slice, Batch]]":
        """Indices of the simulations for each of several threads."""
        n = len(self.sims)
        threads = min(threads, max(n // LEAST_PART, 1))
        size = min(self.task.most_simulations, -(-n // threads))
        rows = [slice(start, start + size) for start in range(0, n, size)]
        return [(some, self._only(some)) for some in rows] if len(rows) > 1 else [(rows[0], self)]

    def _only(self, rows: slice) -> "Batch":
        ids = np.arange(len(self.sims))[rows]
        return Batch(
            self.task, self.params.rows(ids), self.sims[rows], self.seed, self.patches[rows]
        )


class Trace:
    """Measurements of N episodes before each of at most T control steps."""

    def __init__(self, task: AnyTask, n: int) -> None:
        """Begin without measurements."""
        self._shape = n, task.episode_steps
        self.deviation_names = tuple(task.deviation_units)
        self.deviations = np.zeros((*self._shape, len(self.deviation_names)))
        # (N, T) each, of positions (N, T, 2); of a task that has commands also those, (N, 3).
        self._read: dict[str, np.ndarray] = {}

    def read(self, reading: Reading, rows: slice, count: int) -> None:
        """Measure some of the episodes before control step ``count``."""
        for place, name in enumerate(self.deviation_names if reading.deviations else ()):
            assert reading.deviations is not None
            self.deviations[rows, count, place] = reading.deviations[name]
        values = {
            "holding": reading.holding,
            "position": reading.position,
            "speed": reading.speed,
            "power": reading.power,
            "saturated": reading.saturated,
            "beyond": reading.beyond,
        }
        tracking = reading.tracking
        if tracking is not None:
            if count == 0:
                self._array("command", (self._shape[0], 3))[rows] = tracking.command
            values |= {name: getattr(tracking, name) for name in ("along", "phase", "error")}
        for name, value in values.items():
            if value is not None:
                shape = (*self._shape, *value.shape[1:])
                self._array(name, shape, value.dtype)[rows, count] = value

    def gait(self, sim: int, length: int) -> Gait | None:
        """Command and tracking of an episode; None if there are no commands."""
        if "command" not in self._read:
            return None
        parts = (self._read[name][sim, :length] for name in ("along", "phase", "error"))
        return Gait(self._read["command"][sim], *parts)

    def holding(self, sim: int, length: int) -> np.ndarray | None:
        """Whether the hand held its object, bool, (L,); None: the task does not say."""
        return self._read["holding"][sim, :length] if "holding" in self._read else None

    def path(self, sim: int, length: int) -> Points | None:
        """Path of an episode; None if the task has no floor plan."""
        if "position" not in self._read:
            return None
        return thinned(self._read["position"][sim, :length])

    def effort(self, sim: int, length: int) -> Effort:
        """Effort of an episode."""
        names = ("speed", "power", "saturated", "beyond")
        return Effort(*(self._read[n][sim, :length] if n in self._read else None for n in names))

    def undisturbed(self, episodes: list[Episode], dt: float) -> list[np.ndarray]:
        """Deviations after the first second of successful episodes, (steps, F) each.

        That is those that succeeded, or of a task that knows no success did not terminate, that
        have no policy error, and are longer than that second.
        """
        start = round(SETTLING / dt)
        return [
            self.deviations[sim, start : episode.length]
            for sim, episode in enumerate(episodes)
            if (not episode.terminated if episode.success is None else episode.success)
            and episode.policy_error is None
            and episode.length > start
        ]

    def _array(self, name: str, shape: tuple[int, ...], dtype: DTypeLike = float) -> np.ndarray:
        """An array of measurements, made by the thread that needs it first."""
        if name not in self._read:
            self._read.setdefault(name, np.zeros(shape, dtype))
        return self._read[name]


def run(
    batch: Batch,
    policy: PolicyUnderTest,
    mode: str,
    threads: int = 0,
    dump_dir: str | os.PathLike[str] = "runs/diverged",
    progress: Shown = lambda count, steps: None,
) -> tuple[list[Episode], Trace]:
    """Run one episode in each simulation.

    Args:
        batch: Which episodes.
        policy: Who acts.
        mode: "sampled": with its own randomness; otherwise without.
        threads: Threads that simulate; 0: one per CPU. Each has simulations of its own, where the
            task and the policy are thread-safe and there are enough; else all have the same.
        dump_dir: Where the state of a diverged simulation goes.
        progress: Called with control steps done, and at most to do.
    """
    threads = threads or machine.threads()
    is_safe = batch.task.thread_safe and policy.thread_safe
    parts, trace = batch.parts(threads if is_safe else 1), Trace(batch.task, len(batch.sims))
    at_once = min(threads, len(parts)) if is_safe else 1

    def run_part(rows: slice, part: Batch, shown: Shown) -> list[Episode]:
        env = part.env(threads // at_once, dump_dir)
        try:
            return _together(part, env, policy, mode, trace, rows, shown)
        finally:
            env.close()

    works = [partial(run_part, rows, part) for rows, part in parts]
    parts_episodes = all_done(works, at_once, progress)
    return [episode for episodes in parts_episodes for episode in episodes], trace


def _together(
    batch: Batch,
    env: Any,
    policy: PolicyUnderTest,
    mode: str,
    trace: Trace,
    rows: slice,
    progress: Shown,
) -> list[Episode]:
    """Run one episode in each simulation of ``env``, for some rows of a trace."""
    task, n = batch.task, len(batch.sims)
    choose, counts = _chooser(batch, policy, mode), itertools.count()
    checked = CheckedPolicy(lambda obs: choose(obs, next(counts)), task.action_space)
    finished: dict[int, Episode] = {}
    begin(policy.act, batch.block)
    obs = env.reset()
    for count in range(task.episode_steps):
        trace.read(task.reading(env), rows, count)
        step = env.step(checked(obs[:, : task.policy_size]))
        ended = np.flatnonzero(step.terminated | step.truncated).tolist()
        for sim, episode in zip(ended, step.episodes, strict=True):
            finished[sim] = checked.judge(sim, episode)
        obs = step.obs
        # Where no limit is known, the finished ones say more.
        steps = task.episode_steps
        progress(max(count + 1, steps * len(finished) // n), steps)
        if len(finished) == n:
            return [finished[sim] for sim in range(n)]
    raise EnvError(
        f"{task.name}: an episode did not end within {task.episode_steps:,} control steps. "
        "Register the id with max_episode_steps."
    )


def in_blocks(act: Act, size: int = BLOCK) -> Act:
    """The policy, always called with exactly ``size`` observations."""

    def choose(obs: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(obs), size):
            ids = np.minimum(np.arange(start, start + size), len(obs) - 1)
            parts.append(np.asarray(act(obs[ids])))
        return np.concatenate(parts)[: len(obs)]

    return choose


def _chooser(
    batch: Batch, policy: PolicyUnderTest, mode: str
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Function from observations and control step to actions."""
    if mode != "sampled" or policy.sample is None:
        act = in_blocks(policy.act, batch.block)
        return lambda obs, count: act(obs)
    sample, seen = policy.sample, batch.task.policy_size
    draw = in_blocks(lambda both: sample(both[:, :seen], both[:, seen:]), batch.block)
    first = np.zeros(len(batch.sims), np.int64)
    key = episode_key(Purpose.STRESS_TEST, batch.seed, batch.sims, first)

    def choose(obs: np.ndarray, count: int) -> np.ndarray:
        steps = np.full(len(key), count)
        noise = normal(Stream.ACTION, key, steps, batch.task.action_size)
        return draw(np.concatenate([obs, noise], axis=1, dtype=np.float32))

    return choose
