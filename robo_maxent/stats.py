"""Episodes -> numbers with intervals and counts; the only place where averages are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, t

from robo_maxent.errors import UsageError
from robo_maxent.step import Episode


@dataclass(frozen=True)
class Proportion:
    """A share of episodes with its 95 % Wilson score interval."""

    share: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        """For people: ``93.5 % [89.2, 96.2] of 200``."""
        return (
            f"{100 * self.share:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}] "
            f"of {self.count}"
        )


@dataclass(frozen=True)
class Summary:
    """What a set of episodes says."""

    success: Proportion | None
    """None: no episode says whether it succeeded."""
    fallen: Proportion
    """Episodes that terminated, rather than being cut off by their time limit."""
    diverged: int
    """Episodes whose simulation became unstable; they count as failures."""
    faults: int
    """Episodes in which the policy returned NaN or infinity; they count as failures."""
    mean_reward: float
    reward_interval: tuple[float, float] | None
    """95 % t interval of the mean return; None: one episode has no spread."""
    mean_length: float
    """Control steps."""
    measures: dict[str, float | None]
    """Mean of each measure of the task over the episodes that have it; None: no episode has."""

    @property
    def headline(self) -> str:
        """What counts, for people: success where the task knows it, else the mean return."""
        return f"return {self.mean_return}" if self.success is None else f"success {self.success}"

    @property
    def mean_return(self) -> str:
        """For people: ``-163.2 [-190.1, -136.4]``, or the number alone."""
        if self.reward_interval is None:
            return f"{self.mean_reward:.1f}"
        low, high = self.reward_interval
        return f"{self.mean_reward:.1f} [{low:.1f}, {high:.1f}]"


def proportion(hits: int, count: int) -> Proportion:
    """Share with its 95 % Wilson score interval (Wilson 1927).

    Raises:
        UsageError: ``count`` is 0 or ``hits`` is outside [0, count].
    """
    if count < 1 or not 0 <= hits <= count:
        raise UsageError(f"need 0 <= hits <= count and count >= 1, got {hits} of {count}")
    interval = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    return Proportion(hits / count, float(interval.low), float(interval.high), count)


def summarize(episodes: Sequence[Episode]) -> Summary:
    """Summarize episodes of one policy under one condition.

    Raises:
        UsageError: There are none.
    """
    count = len(episodes)
    if not count:
        raise UsageError("there are no episodes to summarize")
    names = episodes[0].measures
    judged = [e.success for e in episodes if e.success is not None]
    rewards = np.array([e.reward for e in episodes])
    return Summary(
        success=proportion(sum(judged), len(judged)) if judged else None,
        fallen=proportion(sum(e.terminated for e in episodes), count),
        diverged=sum(e.diverged for e in episodes),
        faults=sum(e.fault is not None for e in episodes),
        mean_reward=float(rewards.mean()),
        reward_interval=_mean_interval(rewards),
        mean_length=float(np.mean([e.length for e in episodes])),
        measures={name: _mean(e.measures[name] for e in episodes) for name in names},
    )


def success_by(episodes: Iterable[Episode], field: str) -> dict[Any, Proportion]:
    """Success of the episodes that share a value of a field, in the order of the values.

    Episodes where the field is None, or that have no notion of success, are left out.
    """
    judged: dict[Any, list[bool]] = {}
    for episode in episodes:
        value = getattr(episode, field)
        if value is not None and episode.success is not None:
            judged.setdefault(value, []).append(episode.success)
    return {value: proportion(sum(own), len(own)) for value, own in sorted(judged.items())}


def _mean_interval(values: np.ndarray) -> tuple[float, float] | None:
    """95 % interval of the mean of a sample, by Student's t."""
    if len(values) < 2:
        return None
    half = float(t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None
