"""A policy and a task -> one row per episode."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from robo_maxent.envs.interface import Learnable, Simulations
from robo_maxent.errors import EnvironmentFault, UsageError
from robo_maxent.types import Episode

Act = Callable[[np.ndarray], np.ndarray]
"""Any policy: the part of observations that it may see, (N, P), to actions (N, A)."""


def evaluate(
    act: Act,
    task: Learnable,
    episodes: int = 200,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Episode]:
    """Run a fixed set of episodes, exactly one in each simulation.

    Counting the first episodes to finish instead would favour the fallen. The same seed gives the
    same starts, commands and draws to every policy.

    Args:
        act: Policy.
        task: What to do.
        episodes: How many.
        seed: Seed of the whole set.
        progress: Called with control steps done and control steps in all.

    Raises:
        UsageError: ``episodes`` is less than 1.
        EnvironmentFault: An environment of someone else's crashed, returned NaN or infinity, or an
            episode of it does not end.
    """
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, got {episodes}")
    rows: list[Episode] = []
    most, limit = task.most_simulations, task.episode_steps
    groups = -(-episodes // most)
    for group in range(groups):
        first = group * most
        env = task.evaluation_env(min(most, episodes - first), seed, first)
        shown = _shown(progress, group * limit, groups * limit)
        try:
            finished = _first_episodes(seeing(act, task.policy_size), env, limit, shown)
        finally:
            env.close()
        if len(finished) < env.n:
            raise EnvironmentFault(
                f"{task.name}: an episode did not end within {limit:,} control steps. Register the "
                "id with max_episode_steps."
            )
        rows += [finished[sim] for sim in sorted(finished)]
    return rows


def seeing(act: Act, size: int) -> Act:
    """A policy that is handed whole observations, (N, O), and sees their first elements."""
    return lambda obs: act(obs[:, :size])


class Guard:
    """A policy whose NaN and infinity reach no simulation; it remembers whose they were.

    Where an action is not finite the simulation gets zeros instead, so that the others go on as if
    nothing had been, and the episode is a failure whatever becomes of it.
    """

    def __init__(self, act: Act) -> None:
        """Guard a policy from the first control step of a set of simulations on."""
        self._act = act
        self._step = 0
        self._faults: dict[int, str] = {}  # simulation -> the first of its first episode

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Finite actions, (N, A)."""
        action = self._act(obs)
        self._step += 1
        if np.isfinite(action).all():
            return action
        fine = np.asarray(np.isfinite(action).all(axis=-1))  # (N,)
        for sim in np.flatnonzero(~fine).tolist():
            what = "NaN" if np.isnan(action[sim]).any() else "infinity"
            self._faults.setdefault(sim, f"policy returned {what} at step {self._step}")
        return np.where(fine[..., None], action, 0.0)

    def judge(self, sim: int, episode: Episode) -> Episode:
        """The first episode of simulation ``sim``, a failure if the policy was at fault.

        Success stays None where the task has no notion of it.
        """
        fault = self._faults.get(sim)
        if fault is None:
            return episode
        success = None if episode.success is None else False
        return replace(episode, success=success, fault=fault)


def _first_episodes(
    act: Act, env: Simulations, limit: int, progress: Callable[[int], None]
) -> dict[int, Episode]:
    """Simulation -> its first episode, of those that end within ``limit`` control steps."""
    finished: dict[int, Episode] = {}
    guard = Guard(act)
    obs = env.reset()
    for count in range(limit):
        step = env.step(guard(obs))
        obs = step.obs
        ended = np.flatnonzero(step.terminated | step.truncated).tolist()
        for sim, episode in zip(ended, step.episodes, strict=True):
            finished.setdefault(episode.sim, guard.judge(sim, episode))
        if count % 20 == 0:  # where no limit is known, the finished ones say more
            progress(max(count, limit * len(finished) // env.n))
        if len(finished) == env.n:
            break
    return finished


def _shown(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int], None]:
    """Show the progress of one group among all."""
    return (lambda count: progress(before + count, total)) if progress else (lambda count: None)


def write_rows(episodes: Iterable[Episode], path: str | os.PathLike[str]) -> None:
    """Write one JSON object per line, atomically."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text("".join(json.dumps(asdict(episode)) + "\n" for episode in episodes))
    os.replace(temporary, target)
