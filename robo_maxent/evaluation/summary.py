"""Summaries of episodes, with intervals and counts; the only place where averages are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation.intervals import Proportion, mean_interval, proportion
from robo_maxent.types import Episode

COLUMNS = "success", "terminated", "diverged", "reward", "length"
"""Numeric fields of an episode about how it went."""


@dataclass(frozen=True)
class Summary:
    """Statistics of a set of episodes."""

    success: Proportion | None
    """None: no episode says whether it succeeded."""
    terminated: Proportion
    """Number of episodes that terminated before their time limit."""
    diverged: int
    """Number of episodes with an unstable simulation; they count as failures."""
    policy_errors: int
    """Number of episodes in which the policy returned NaN or infinity; they count as failures."""
    mean_reward: float
    reward_interval: tuple[float, float] | None
    """95 % t interval of the mean return; None: one episode has no spread."""
    mean_length: float
    """Control steps."""
    metrics: dict[str, float | None]
    """Mean of each metric of the task over the episodes that have it; None: no episode has."""

    @property
    def headline(self) -> str:
        """The main result in words: success if the task defines it, else the mean return."""
        return f"return {self.mean_return}" if self.success is None else f"success {self.success}"

    @property
    def mean_return(self) -> str:
        """The mean return in words: ``-163.2 [-190.1, -136.4]``, or one number."""
        ends = self.reward_interval or ()
        digits = 1 if max(map(abs, (self.mean_reward, *ends))) >= 10 else 3
        value, *shown = (f"{number:.{digits}f}" for number in (self.mean_reward, *ends))
        return f"{value} [{', '.join(shown)}]" if shown else value


def summarize(episodes: Sequence[Episode]) -> Summary:
    """Summarize episodes of one policy under one condition.

    Raises:
        UsageError: There are none.
    """
    count = len(episodes)
    if not count:
        raise UsageError("there are no episodes to summarize")
    names = episodes[0].metrics
    judged = [e.success for e in episodes if e.success is not None]
    rewards = np.array([e.reward for e in episodes])
    return Summary(
        success=proportion(sum(judged), len(judged)) if judged else None,
        terminated=proportion(sum(e.terminated for e in episodes), count),
        diverged=sum(e.diverged for e in episodes),
        policy_errors=sum(e.policy_error is not None for e in episodes),
        mean_reward=float(rewards.mean()),
        reward_interval=mean_interval(rewards) if count > 1 else None,
        mean_length=float(np.mean([e.length for e in episodes])),
        metrics={name: _mean(e.metrics[name] for e in episodes) for name in names},
    )


def success_by(episodes: Iterable[Episode], field: str) -> dict[Any, Proportion]:
    """Success of episodes grouped by the value of a field.

    Episodes where the field is None, or that have no notion of success, are left out.
    """
    judged: dict[Any, list[bool]] = {}
    for episode in episodes:
        value = getattr(episode, field)
        if value is not None and episode.success is not None:
            judged.setdefault(value, []).append(episode.success)
    return {
        value: proportion(sum(successes), len(successes))
        for value, successes in sorted(judged.items())
    }


def column(episodes: Sequence[Episode], name: str) -> np.ndarray:
    """A field or a metric of each episode, (E,): true is 1, and None is NaN.

    Raises:
        UnknownNameError: Not every episode has it; the message lists what they have.
    """
    if name in COLUMNS:
        values = [getattr(episode, name) for episode in episodes]
    else:
        shared = set.intersection(*(set(e.metrics) for e in episodes)) if episodes else set()
        if name not in shared:
            raise UnknownNameError("metric", name, [*COLUMNS, *shared])
        values = [episode.metrics[name] for episode in episodes]
    return np.array([np.nan if value is None else value for value in values], float)


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None
