"""Many different episodes of one policy, run together and read step by step.

What comes of an episode depends on the policy, the seed, its simulation number and its parameters,
not on what else is in the batch nor on the number of threads. Simulations promise that; a policy is
made to by asking it about exactly BLOCK observations at a time, for the products of matrices of
another size may differ in the last bit.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.evaluation.recovery import SETTLING
from robo_maxent.evaluation.rollout import CheckedPolicy
from robo_maxent.perturbations.counter_rng import Stream, episode_key, normal
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.episode_measures import Effort, Gait
from robo_maxent.seeds import Purpose
from robo_maxent.sim.robot import LeggedState
from robo_maxent.types import Act, Episode

BLOCK = 256
"""Simulations in a batch, at most."""

SATURATED = 0.999  # of the torque limit
BEYOND = 0.01  # rad outside of a joint's range


@dataclass(frozen=True)
class Batch:
    """Episodes to run together."""

    task: AnyTask
    """As :meth:`MujocoTask.trial` and :meth:`MujocoTask.at` make it."""
    params: EpisodeParams
    """N rows."""
    sims: np.ndarray
    """Number of each simulation, int, (N,)."""
    seed: int

    def env(
        self, threads: int = 0, dump_dir: str | os.PathLike[str] = "runs/diverged"
    ) -> MujocoVecEnv[Any, Any]:
        """The simulations of these episodes, which rest when theirs has ended."""
        return MujocoVecEnv(
            self.task,
            len(self.sims),
            self.seed,
            threads,
            dump_dir,
            params=self.params,
            sims=self.sims,
            once=True,
            purpose=Purpose.STRESS_TEST,
        )


class Trace:
    """What is read of N episodes before each of at most T control steps."""

    def __init__(self, task: AnyTask, n: int) -> None:
        """Read nothing yet."""
        steps, names = task.episode_steps, tuple(task.deviation_units)
        self._task, self.deviation_names = task, names
        self.deviations = np.zeros((n, steps, len(names)))
        self.command: np.ndarray | None = None  # (N, 3), of a task that has commands
        self.along, self.phase, self.error = (np.zeros((n, steps)) for _ in range(3))
        self.is_legged = task.robot.spec.base is not None
        self.speed, self.power = np.zeros((n, steps)), np.zeros((n, steps))
        self.saturated, self.beyond = np.zeros((n, steps), bool), np.zeros((n, steps), bool)

    def read(self, env: MujocoVecEnv[Any, Any], count: int) -> None:
        """Read the simulations before control step ``count``."""
        state, task = env.state, self._task
        deviations = task.deviations(env.episode, state)
        if deviations is not None:
            for place, name in enumerate(self.deviation_names):
                self.deviations[:, count, place] = deviations[name]
        tracking = task.tracking(env.episode, state)
        if tracking is not None:
            if count == 0:
                self.command = tracking.command.copy()
            self.along[:, count] = tracking.along
            self.phase[:, count] = tracking.phase
            self.error[:, count] = tracking.error
        if isinstance(state, LeggedState):
            x, y = state.base_linear_velocity[:, 0], state.base_linear_velocity[:, 1]
            self.speed[:, count] = np.sqrt(x * x + y * y)
        self.power[:, count] = np.abs(state.joint_torque * state.joint_velocity).sum(axis=1)
        limit = env.effects.torque_limits()
        at_limit = (np.abs(state.joint_torque) >= SATURATED * limit) & (limit > 0.0)
        self.saturated[:, count] = at_limit.any(axis=1)
        low, high = task.robot.joint_range.T
        outside = np.maximum(low - state.joint_position, state.joint_position - high)
        self.beyond[:, count] = (outside > BEYOND).any(axis=1)

    def gait(self, sim: int, length: int) -> Gait | None:
        """How a robot followed its command; None: there are no commands."""
        if self.command is None:
            return None
        parts = (self.along, self.phase, self.error)
        return Gait(self.command[sim], *(part[sim, :length] for part in parts))

    def effort(self, sim: int, length: int) -> Effort:
        """What an episode took."""
        speed = self.speed[sim, :length] if self.is_legged else None
        parts = (self.power, self.saturated, self.beyond)
        return Effort(speed, *(part[sim, :length] for part in parts))

    def undisturbed(self, episodes: list[Episode], dt: float) -> list[np.ndarray]:
        """Deviations after the first second of the episodes that went well, (steps, F) each.

        That is those that neither terminated nor have a policy error, and are longer than that
        second.
        """
        start = round(SETTLING / dt)
        return [
            self.deviations[sim, start : episode.length]
            for sim, episode in enumerate(episodes)
            if not episode.terminated and episode.policy_error is None and episode.length > start
        ]


def run(
    batch: Batch,
    policy: PolicyUnderTest,
    mode: str,
    threads: int = 0,
    dump_dir: str | os.PathLike[str] = "runs/diverged",
    progress: Callable[[int, int], None] = lambda count, steps: None,
) -> tuple[list[Episode], Trace]:
    """Run one episode in each simulation.

    Args:
        batch: Which episodes.
        policy: Who acts.
        mode: "sampled": with its own randomness; otherwise without.
        threads: Physics threads; 0: one per CPU.
        dump_dir: Where the state of a diverged simulation goes.
        progress: Called with control steps done, and at most to do.
    """
    task, n = batch.task, len(batch.sims)
    env = batch.env(threads, dump_dir)
    choose, counts = _chooser(batch, policy, mode), itertools.count()
    checked = CheckedPolicy(lambda obs: choose(obs, next(counts)))
    trace = Trace(task, n)
    finished: dict[int, Episode] = {}
    obs = env.reset()
    for count in range(task.episode_steps):
        trace.read(env, count)
        step = env.step(checked(obs[:, : task.policy_size]))
        ended = np.flatnonzero(step.terminated | step.truncated).tolist()
        for sim, episode in zip(ended, step.episodes, strict=True):
            finished[sim] = checked.judge(sim, episode)
        obs = step.obs
        progress(count + 1, task.episode_steps)
        if len(finished) == n:
            break
    return [finished[sim] for sim in range(n)], trace


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
    batch: Batch, policy: PolicyUnderTest, mode: str
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Observations and control step to actions."""
    if mode != "sampled" or policy.sample is None:
        act = in_blocks(policy.act)
        return lambda obs, count: act(obs)
    sample, seen = policy.sample, batch.task.policy_size
    draw = in_blocks(lambda both: sample(both[:, :seen], both[:, seen:]))
    first = np.zeros(len(batch.sims), np.int64)
    key = episode_key(Purpose.STRESS_TEST, batch.seed, batch.sims, first)

    def choose(obs: np.ndarray, count: int) -> np.ndarray:
        steps = np.full(len(key), count)
        noise = normal(Stream.ACTION, key, steps, batch.task.action_size)
        return draw(np.concatenate([obs, noise], axis=1, dtype=np.float32))

    return choose
