"""Runs a policy on a task: one row per episode."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

import numpy as np

from robo_maxent.envs.interface import EnvFactory, VecEnv
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.files import FileKind, write_atomically
from robo_maxent.seeds import Purpose, whole
from robo_maxent.spaces import ActionSpace
from robo_maxent.types import Act, Episode, Remembering

ROWS = FileKind("the rows of an evaluation", rb'\{"task": (?!.*"axis": )')
"""Those of a stress test, which have an axis, are not."""


def evaluate(
    act: Act,
    task: EnvFactory,
    episodes: int = 200,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
    purpose: Purpose = Purpose.EVALUATION,
) -> list[Episode]:
    """Run a fixed set of episodes, exactly one in each simulation.

    Counting the first episodes to finish instead would favour the fallen. The same seed gives the
    same starts, commands and perturbations to every policy.

    Args:
        act: Policy.
        task: What to do.
        episodes: How many.
        seed: Seed of the whole set.
        progress: Called with control steps done and control steps in all.
        purpose: What the episodes are for; those of another purpose have nothing in common.

    Raises:
        UsageError: ``episodes`` is less than 1.
        EnvError: An environment of someone else's crashed, returned NaN or infinity, or an episode
            of it does not end.
    """
    if episodes < 1:
        raise UsageError(f"episodes must be at least 1, got {episodes}")
    episodes, seed = int(episodes), whole(seed)
    rows: list[Episode] = []
    most, limit = task.most_simulations, task.episode_steps
    groups = -(-episodes // most)
    for group in range(groups):
        first = group * most
        env = task.evaluation_env(min(most, episodes - first), seed, first, purpose)
        group_progress = _of_group(progress, group * limit, groups * limit)
        try:
            begin(act, env.n)
            seen = policy_view(act, task.policy_size)
            finished = _first_episodes(seen, env, limit, group_progress)
        finally:
            env.close()
        if len(finished) < env.n:
            raise EnvError(
                f"{task.name}: an episode did not end within {limit:,} control steps. Register the "
                "id with max_episode_steps, or give --env-arg max_episode_steps=1000."
            )
        rows += [finished[sim] for sim in sorted(finished)]
    return silence_fails(rows) if any(row.success is not None for row in rows) else rows


def silence_fails(episodes: Iterable[Episode]) -> list[Episode]:
    """Episodes of a task that knows success: who does not say that it succeeded did not.

    Some environments say so only where it is true. A share of those that say so would be 100 %.
    """
    return [replace(each, success=bool(each.success)) for each in episodes]


def begin(act: Act, n: int) -> None:
    """Tell a policy with a memory that N episodes begin."""
    if isinstance(act, Remembering):
        act.reset(np.arange(n))


def policy_view(act: Act, size: int) -> Act:
    """A policy that takes whole observations, (N, O), and sees their first elements."""
    return lambda obs: act(obs[:, :size])


class CheckedPolicy:
    """A policy whose NaN and infinite actions are replaced, and count as errors of the episode.

    Where an action is not finite, or no action of a discrete space, the simulation gets the first
    action instead, so that the others go on as if nothing had been, and the episode is a failure
    whatever becomes of it.
    """

    def __init__(self, act: Act, space: ActionSpace) -> None:
        """Check a policy from the first control step of a set of simulations on."""
        self._act, self._space = act, space
        self._step = 0
        self._policy_errors: dict[int, str] = {}  # simulation -> the first of its first episode

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Valid actions, (N, A), or (N,) of a discrete space."""
        action = np.asarray(self._act(obs))
        self._step += 1
        wrong = np.flatnonzero(self._space.wrong(action))
        if not len(wrong):
            return action
        for sim in wrong.tolist():
            value = self._space.shown(action[sim])
            self._policy_errors.setdefault(sim, f"policy returned {value} at step {self._step}")
        action = action.copy()
        action[wrong] = self._space.first(len(wrong))
        return action

    def judge(self, sim: int, episode: Episode) -> Episode:
        """First episode of simulation ``sim``, a failure if the policy made an error in it.

        Success stays None where the task has no notion of it.
        """
        policy_error = self._policy_errors.get(sim)
        if policy_error is None:
            return episode
        success = None if episode.success is None else False
        return replace(episode, success=success, policy_error=policy_error)


def _first_episodes(
    act: Act, env: VecEnv, limit: int, progress: Callable[[int], None]
) -> dict[int, Episode]:
    """Simulation -> its first episode, of those that end within ``limit`` control steps."""
    finished: dict[int, Episode] = {}
    policy = CheckedPolicy(act, env.action_space)
    obs = env.reset()
    for count in range(limit):
        step = env.step(policy(obs))
        obs = step.obs
        ended = np.flatnonzero(step.terminated | step.truncated).tolist()
        for sim, episode in zip(ended, step.episodes, strict=True):
            finished.setdefault(episode.sim, policy.judge(sim, episode))
        if count % 20 == 0:  # where no limit is known, the finished ones say more
            progress(max(count, limit * len(finished) // env.n))
        if len(finished) == env.n:
            break
    return finished


def _of_group(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int], None]:
    """What shows the progress of one group among all."""
    return (lambda count: progress(before + count, total)) if progress else (lambda count: None)


def write_rows(episodes: Iterable[Episode], path: str | os.PathLike[str]) -> None:
    """Write one JSON object per line, atomically.

    Raises:
        OSError: The file can't be written.
    """
    lines = (json.dumps(asdict(episode)) + "\n" for episode in episodes)
    write_atomically(path, "".join(lines))
