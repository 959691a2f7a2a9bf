"""Many different episodes of one policy, run together: a batch of a robustness evaluation.

What comes of an episode depends on the policy, the seed, its simulation number and its draw, not
on what else is in the batch nor on the number of threads. Simulations promise that; a policy is
made to by asking it about exactly BLOCK observations at a time, for the products of matrices
of another size may differ in the last bit.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.envs.task import DEVIATIONS, Task
from robo_maxent.evaluation.recovery import SETTLING, SafeSet
from robo_maxent.evaluation.rollout import Act, Guard
from robo_maxent.perturbations.counter_rng import Stream, episode_key, normal
from robo_maxent.perturbations.params import Draw
from robo_maxent.robustness.axes import walks
from robo_maxent.robustness.episode_measures import Effort, Gait, along, row
from robo_maxent.types import Episode

BLOCK = 256
"""Simulations in a batch, at most."""

SATURATED = 0.999  # of the torque limit
BEYOND = 0.01  # rad outside of a joint's range

Sample = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A policy's own randomness: observations (N, P) and standard normal numbers (N, A) to actions."""


@dataclass(frozen=True)
class Contestant:
    """A policy under test."""

    label: str
    act: Act
    sample: Sample | None = None
    """Its actions drawn rather than the mean; None: it has only one way to act."""
    file: str | None = None
    sha256: str | None = None
    """Of the file."""


@dataclass(frozen=True)
class Batch:
    """Episodes to run together."""

    task: Task[Any]
    """As :meth:`Task.trial` and :meth:`Task.at` make it."""
    draws: Draw
    """N rows."""
    sims: np.ndarray
    """Number of each simulation, int, (N,)."""
    seed: int


@dataclass(frozen=True)
class Trace:
    """What is read of N episodes before each of at most T control steps."""

    command: np.ndarray  # (N, 3)
    along: np.ndarray  # (N, T), as the others but for more dimensions
    phase: np.ndarray
    deviations: np.ndarray  # (N, T, F)
    speed: np.ndarray
    power: np.ndarray
    saturated: np.ndarray
    beyond: np.ndarray
    walks: bool

    @classmethod
    def blank(cls, n: int, steps: int, walks: bool) -> "Trace":
        """Nothing was read yet."""
        return cls(
            command=np.zeros((n, 3)),
            along=np.zeros((n, steps)),
            phase=np.zeros((n, steps)),
            deviations=np.zeros((n, steps, len(DEVIATIONS))),
            speed=np.zeros((n, steps)),
            power=np.zeros((n, steps)),
            saturated=np.zeros((n, steps), bool),
            beyond=np.zeros((n, steps), bool),
            walks=walks,
        )

    def read(self, env: VecEnv[Any], count: int) -> None:
        """Read the simulations before control step ``count``."""
        now, robot = env.now, env.task.robot
        walking = env.task.walking(env.memory, now)
        if walking is not None:
            if count == 0:
                self.command[:] = walking.command
            linear, angular = now.base_linear_velocity, now.base_angular_velocity
            self.along[:, count] = along(walking.command, linear, angular)
            self.phase[:, count] = walking.phase
            self.deviations[:, count] = walking.deviations
        x, y = now.base_linear_velocity[:, 0], now.base_linear_velocity[:, 1]
        self.speed[:, count] = np.sqrt(x * x + y * y)
        self.power[:, count] = np.abs(now.joint_torque * now.joint_velocity).sum(axis=1)
        limit = env.draws.motor_strength * robot.model.actuator_forcerange[:, 1]
        at_limit = (np.abs(now.joint_torque) >= SATURATED * limit) & (limit > 0.0)
        self.saturated[:, count] = at_limit.any(axis=1)
        low, high = robot.joint_range.T
        outside = np.maximum(low - now.joint_position, now.joint_position - high)
        self.beyond[:, count] = (outside > BEYOND).any(axis=1)

    def gait(self, sim: int, length: int) -> Gait | None:
        """How a robot walked; None: the task is another."""
        if not self.walks:
            return None
        parts = (self.along, self.phase, self.deviations)
        return Gait(self.command[sim], *(part[sim, :length] for part in parts))

    def effort(self, sim: int, length: int) -> Effort:
        """What an episode took."""
        parts = (self.speed, self.power, self.saturated, self.beyond)
        return Effort(*(part[sim, :length] for part in parts))


def run(
    batch: Batch,
    contestant: Contestant,
    mode: str,
    threads: int = 0,
    dump_dir: str | os.PathLike[str] = "runs/diverged",
    progress: Callable[[int, int], None] = lambda count, steps: None,
) -> tuple[list[Episode], Trace]:
    """Run one episode in each simulation.

    Args:
        batch: Which episodes.
        contestant: Who acts.
        mode: "sampled": with its own randomness; otherwise without.
        threads: Physics threads; 0: one per CPU.
        dump_dir: Where the state of a diverged simulation goes.
        progress: Called with control steps done, and at most to do.
    """
    task, n = batch.task, len(batch.sims)
    env = VecEnv(
        task, n, batch.seed, threads, dump_dir, draws=batch.draws, sims=batch.sims, once=True
    )
    choose, counts = _chooser(batch, contestant, mode), itertools.count()
    guard = Guard(lambda obs: choose(obs, next(counts)))
    trace = Trace.blank(n, task.episode_steps, walks(task))
    finished: dict[int, Episode] = {}
    obs = env.reset()
    for count in range(task.episode_steps):
        trace.read(env, count)
        step = env.step(guard(obs[:, : task.policy_size]))
        ended = np.flatnonzero(step.terminated | step.truncated).tolist()
        for sim, episode in zip(ended, step.episodes, strict=True):
            finished[sim] = guard.judge(sim, episode)
        obs = step.obs
        progress(count + 1, task.episode_steps)
        if len(finished) == n:
            break
    return [finished[sim] for sim in range(n)], trace


def rows(
    episodes: list[Episode], trace: Trace, task: Task[Any], safe: SafeSet | None
) -> list[dict[str, Any]]:
    """What was measured of each episode."""
    g = float(np.linalg.norm(task.robot.model.opt.gravity))
    return [
        row(
            episode,
            trace.gait(sim, episode.length),
            trace.effort(sim, episode.length),
            safe,
            task.control_dt,
            g,
        )
        for sim, episode in enumerate(episodes)
    ]


def undisturbed(episodes: list[Episode], trace: Trace, dt: float) -> list[np.ndarray]:
    """Deviations after the first second of the episodes that went well, (steps, F) each.

    That is those without a fall or a fault, which are longer than that second.
    """
    start = round(SETTLING / dt)
    return [
        trace.deviations[sim, start : episode.length]
        for sim, episode in enumerate(episodes)
        if not episode.terminated and episode.fault is None and episode.length > start
    ]


def in_blocks(act: Act, size: int = BLOCK) -> Act:
    """The same policy, asked about exactly ``size`` observations at a time."""

    def choose(obs: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(obs), size):
            ids = np.minimum(np.arange(start, start + size), len(obs) - 1)
            parts.append(np.asarray(act(obs[ids])))
        return np.concatenate(parts)[: len(obs)]

    return choose


def _chooser(
    batch: Batch, contestant: Contestant, mode: str
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Observations and control step to actions."""
    if mode != "sampled" or contestant.sample is None:
        act = in_blocks(contestant.act)
        return lambda obs, count: act(obs)
    sample, seen = contestant.sample, batch.task.policy_size
    drawn = in_blocks(lambda both: sample(both[:, :seen], both[:, seen:]))
    key = episode_key(batch.seed, batch.sims, np.zeros(len(batch.sims), np.int64))

    def choose(obs: np.ndarray, count: int) -> np.ndarray:
        steps = np.full(len(key), count)
        noise = normal(Stream.ACTION, key, steps, batch.task.action_size)
        return drawn(np.concatenate([obs, noise], axis=1, dtype=np.float32))

    return choose
