"""Numbers with intervals that a robustness report shows: arrays in, small dataclasses out."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from robo_maxent.errors import UsageError
from robo_maxent.stats import Proportion, proportion

NORMAL_975 = 1.959963984540054  # 97.5 % quantile of the normal distribution
REQUIRED = 0.9
"""Share of success that a severity must keep to count as survivable."""


@dataclass(frozen=True)
class Critical:
    """The hardest severity with at least the required success, from a monotone fit."""

    severity: float
    """Interpolated between two tested severities, unless it is at an end of the range."""
    side: str
    """``"within"`` the range, ``"beyond"`` it: never below; or ``"before"`` it: never reached."""
    position: float
    """From 0, the first severity, to 1, the last."""


@dataclass(frozen=True)
class Survival:
    """Kaplan-Meier estimate of the share that has recovered by a time, with its 95 % band."""

    seconds: tuple[float, ...]
    """When the share steps up, s."""
    share: tuple[float, ...]
    """Recovered from that time on."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: int
    recovered: int
    window: float
    """How long was looked, s."""

    @property
    def median(self) -> float | None:
        """Time by which half have recovered, s; None: fewer than half did."""
        times = zip(self.seconds, self.share, strict=True)
        return next((time for time, share in times if share >= 0.5), None)


@dataclass(frozen=True)
class Paired:
    """Two policies on the same episodes: success of the second minus that of the first."""

    difference: float
    low: float
    """Of the 95 % interval (Newcombe 1998, method 10)."""
    high: float
    count: int
    """Pairs."""
    only_first: int
    """Pairs in which only the first succeeded."""
    only_second: int
    p: float
    """Of the exact McNemar test."""


def monotone(shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The non-increasing fit by weighted least squares: pool adjacent violators, (K,)."""
    blocks: list[tuple[float, float, int]] = []  # share, weight, how many points
    for share, weight in zip(shares, counts, strict=True):
        block = (float(share), float(weight), 1)
        while blocks and blocks[-1][0] < block[0]:
            before = blocks.pop()
            total = before[1] + block[1]
            mean = (before[0] * before[1] + block[0] * block[1]) / total
            block = (mean, total, before[2] + block[2])
        blocks.append(block)
    return np.repeat([share for share, _, _ in blocks], [points for _, _, points in blocks])


def positions(severities: Sequence[float]) -> np.ndarray:
    """Severities, first to last, on a scale from 0 to 1, (K,)."""
    values = np.asarray(severities, float)
    return (values - values[0]) / (values[-1] - values[0])


def is_ordered(severities: Sequence[float]) -> bool:
    """Whether there are at least two severities, and each goes further the same way."""
    steps = np.diff(np.asarray(severities, float))
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def critical(severities: Sequence[float], successes: Sequence[Proportion]) -> Critical:
    """Where success falls below what is required, on ordered severities from mild to hard."""
    counts = np.array([s.count for s in successes])
    fit = monotone(np.array([s.share for s in successes]), counts)
    at = positions(severities)
    enough = np.flatnonzero(fit >= REQUIRED - 1e-12)
    if not len(enough):
        return Critical(severities[0], "before", 0.0)
    last = int(enough[-1])
    if last == len(fit) - 1:
        return Critical(severities[-1], "beyond", 1.0)
    part = (fit[last] - REQUIRED) / (fit[last] - fit[last + 1])
    position = float(at[last] + part * (at[last + 1] - at[last]))
    severity = severities[0] + position * (severities[-1] - severities[0])
    return Critical(float(severity), "within", position)


def area(severities: Sequence[float], successes: Sequence[Proportion]) -> float:
    """Area under success over ordered severities scaled to [0, 1]; trapezoids."""
    return float(np.trapezoid([s.share for s in successes], positions(severities)))


def survival(seconds: Sequence[float | None], window: float) -> Survival | None:
    """Kaplan-Meier over recovery times, s; None: not recovered, censored at the window's end.

    The band is Greenwood's on the log(-log) scale; where it has no width, it is the share.

    Returns:
        None if there are no times at all.

    Raises:
        UsageError: A time is negative.
    """
    if not len(seconds):
        return None
    observed = np.array([time for time in seconds if time is not None], float)
    if len(observed) and observed.min() < 0.0:
        raise UsageError(f"recovery times must be at least 0 s, got {observed.min():g}")
    times, events = np.unique(observed, return_counts=True)
    at_risk = len(seconds) - np.concatenate([[0], np.cumsum(events)[:-1]])
    left = np.cumprod(1.0 - events / at_risk)  # not recovered yet
    inner = np.flatnonzero((left > 0.0) & (left < 1.0))
    greenwood = np.cumsum(events[inner] / (at_risk[inner] * (at_risk[inner] - events[inner])))
    half = NORMAL_975 * np.sqrt(greenwood) / np.log(left[inner])
    low, high = 1.0 - left, 1.0 - left
    low[inner] = 1.0 - left[inner] ** np.exp(half)  # half is negative
    high[inner] = 1.0 - left[inner] ** np.exp(-half)
    return Survival(
        seconds=tuple(times.tolist()),
        share=tuple((1.0 - left).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        count=len(seconds),
        recovered=len(observed),
        window=max([window, *observed.tolist()]),
    )


def paired(first: Sequence[bool], second: Sequence[bool]) -> Paired:
    """Compare two policies on the same episodes, given in the same order.

    Raises:
        UsageError: There are none, or not as many of both.
    """
    if not len(first) or len(first) != len(second):
        raise UsageError(f"need pairs of episodes, got {len(first)} and {len(second)}")
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    both, neither = int((one & two).sum()), int((~one & ~two).sum())
    b, c, n = int((one & ~two).sum()), int((two & ~one).sum()), len(one)
    p1, p2 = wilson(both + b, n), wilson(both + c, n)
    phi = _phi(both, b, c, neither)
    down = (p2.share - p2.low, p1.high - p1.share)
    up = (p2.high - p2.share, p1.share - p1.low)
    low, high = (x * x - 2 * phi * x * y + y * y for x, y in (down, up))
    difference = p2.share - p1.share
    return Paired(
        difference=difference,
        low=difference - max(low, 0.0) ** 0.5,
        high=difference + max(high, 0.0) ** 0.5,
        count=n,
        only_first=b,
        only_second=c,
        p=float(binomtest(b, b + c).pvalue) if b + c else 1.0,
    )


def _phi(both: int, b: int, c: int, neither: int) -> float:
    """Correlation of the pairs, with the continuity correction of Newcombe's method 10."""
    n = both + b + c + neither
    margins = (both + b) * (c + neither) * (both + c) * (b + neither)
    product = both * neither - b * c
    if not margins:
        return 0.0
    if product > 0:
        product = max(product - n / 2, 0.0)
    return product / margins**0.5


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust several p values so that any false claim among them stays at the level (Holm 1979)."""
    order = np.argsort(ps, kind="stable")
    adjusted, worst = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = worst
    return adjusted


@functools.lru_cache(maxsize=100_000)
def wilson(hits: int, count: int) -> Proportion:
    """:func:`robo_maxent.stats.proportion`, remembered: a report asks thousands of times."""
    return proportion(hits, count)
