"""Shares, means and limits, each with its interval and count: what every statistic is made of.

All intervals are two-sided at 95 %, unless they say otherwise.
"""

from dataclasses import dataclass
from math import floor, sqrt
from typing import Literal

import numpy as np
from scipy.stats import binomtest, norm, t

from robo_maxent.errors import UsageError

CONFIDENCE = 0.95
TAILS = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
"""Probabilities of the two ends of an interval."""
Z = float(norm.ppf(TAILS[1]))

Side = Literal["<", "", ">"]


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
class Guarantee:
    """What a share of episodes proves, whatever the true share is (Clopper and Pearson 1934)."""

    share: float
    at_least: float
    """One-sided: at most one set of episodes in 20 claims more than is true."""
    low: float
    """Two-sided, and never below 95 % either; wider than Wilson's."""
    high: float
    count: int

    def __str__(self) -> str:
        """For people: ``at least 89.8 % with 95 % confidence (93.5 % of 200)``, rounded down."""
        least, seen = floor(1000 * self.at_least) / 10, 100 * self.share
        return f"at least {least:.1f} % with 95 % confidence ({seen:.1f} % of {self.count})"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    interval: tuple[float, float] | None
    """None: there is too little to tell."""
    count: int
    """How many things it was estimated from."""

    def __str__(self) -> str:
        """For people, to three digits: ``0.712 [0.68, 0.744]``, or the number alone."""
        if self.interval is None:
            return f"{self.value:.3g}"
        low, high = self.interval
        return f"{self.value:.3g} [{low:.3g}, {high:.3g}]"


@dataclass(frozen=True)
class CensoredValue:
    """A number, or the end of the measured range that it lies beyond."""

    value: float
    side: Side = ""
    """Empty: the number itself; otherwise it is less, or more, than ``value``."""

    def __str__(self) -> str:
        """For people, to three digits: ``9.8``, or ``> 24``."""
        return f"{self.side} {self.value:.3g}" if self.side else f"{self.value:.3g}"


@dataclass(frozen=True)
class CensoredEstimate:
    """A number with its 95 % interval, where each may lie beyond the measured range."""

    value: CensoredValue
    low: CensoredValue
    high: CensoredValue
    count: int
    """How many episodes it was estimated from."""
    unit: str = ""

    def __str__(self) -> str:
        """For people: ``9.8 N·s [8.9, 10.7]``, ``> 24 N·s [21.3, > 24]``, or ``> 24 N·s``."""
        value = f"{self.value} {self.unit}".rstrip()
        return value if self.low == self.high else f"{value} [{self.low}, {self.high}]"


def proportion(hits: int, count: int, effective: float | None = None) -> Proportion:
    """Share with its 95 % Wilson score interval (Wilson 1927).

    It covers 95 % on average over true shares; near 0 and 1 it can be 10 points less. For a
    promise, take :func:`guarantee`.

    Args:
        hits: How many of them it is true of.
        count: Episodes.
        effective: How many independent ones they are worth, where some share their start
            (:func:`robo_maxent.evaluation.clustered.effective_count`); None: all of them.

    Raises:
        UsageError: ``count`` is 0, or ``hits`` or ``effective`` is outside [0, count].
    """
    _check_counts(hits, count)
    n = count if effective is None else effective
    if not 0 < n <= count:
        raise UsageError(f"{count} episodes can't be worth {n:g} independent ones")
    share = hits / count
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    low, high = 0.0 if hits == 0 else centre - half, 1.0 if hits == count else centre + half
    return Proportion(share, low, high, count)


def guarantee(hits: int, count: int) -> Guarantee:
    """Share with what it proves, by exact binomial limits: conservative at any true share.

    It speaks of this one policy, under the conditions that its episodes were drawn from.

    Raises:
        UsageError: ``count`` is 0 or ``hits`` is outside [0, count].
    """
    _check_counts(hits, count)
    both = binomtest(hits, count).proportion_ci(CONFIDENCE, method="exact")
    above = binomtest(hits, count, alternative="greater").proportion_ci(CONFIDENCE, method="exact")
    return Guarantee(hits / count, float(above.low), float(both.low), float(both.high), count)


def mean(values: np.ndarray) -> Estimate:
    """Mean of a sample, (n,), with its 95 % t interval; of one value, without.

    Raises:
        UsageError: There are no values, or one is not finite.
    """
    values = np.asarray(values, float)
    if not values.size or not np.isfinite(values).all():
        raise UsageError(f"a mean needs at least one value, all finite, got {values.tolist()[:5]}")
    interval = mean_interval(values) if len(values) > 1 else None
    return Estimate(float(values.mean()), interval, len(values))


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of a sample of at least two, (n,), by Student's t."""
    half = float(t.ppf(TAILS[1], len(values) - 1)) * standard_error(values)
    return float(values.mean() - half), float(values.mean() + half)


def standard_error(values: np.ndarray) -> float:
    """Of the mean of a sample of at least two, (n,)."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _check_counts(hits: int, count: int) -> None:
    if count < 1 or not 0 <= hits <= count:
        raise UsageError(f"need 0 <= hits <= count and count >= 1, got {hits} of {count}")
