"""A policy and a task -> one row per episode."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.task import Task
from robo_maxent.vec_env import Episode, VecEnv

Act = Callable[[np.ndarray], np.ndarray]
"""Any policy: observations (N, O) to actions (N, A)."""

MOST_SIMULATIONS = 256
"""Run together; the rest waits, so that memory stays small."""


def evaluate(
    act: Act,
    task: Task[Any],
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
    """
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, got {episodes}")
    rows: list[Episode] = []
    groups = -(-episodes // MOST_SIMULATIONS)
    for group in range(groups):
        first = group * MOST_SIMULATIONS
        env = VecEnv(task, min(MOST_SIMULATIONS, episodes - first), seed, first_sim=first)
        steps_before = group * task.episode_steps
        finished: dict[int, Episode] = {}
        obs = env.reset()
        for count in range(task.episode_steps):
            step = env.step(act(obs))
            obs = step.obs
            for episode in step.episodes:
                finished.setdefault(episode.sim, episode)
            if progress and count % 20 == 0:
                progress(steps_before + count, groups * task.episode_steps)
            if len(finished) == env.n:
                break
        rows += [finished[sim] for sim in sorted(finished)]
    return rows


def write_rows(episodes: Iterable[Episode], path: str | os.PathLike[str]) -> None:
    """Write one JSON object per line, atomically."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text("".join(json.dumps(asdict(episode)) + "\n" for episode in episodes))
    os.replace(temporary, target)
