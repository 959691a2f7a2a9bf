"""Shares, means and limits with intervals and counts.

All intervals are two-sided at 95 %, unless they say otherwise.
"""

from dataclasses import dataclass
from math import log2, sqrt
from typing import Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import t

from robo_maxent.errors import UsageError

CONFIDENCE = 0.95
ONE_IN = 40
"""One in so many lies beyond each end of an interval: 2.5 %."""
TAILS = 1 / ONE_IN, 1 - 1 / ONE_IN
"""Probabilities of the two ends of an interval."""

Side = Literal["<", "", ">"]


@dataclass(frozen=True)
class Proportion:
    """A share of episodes with its interval: Wilson's at 95 %, unless it is said otherwise."""

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
class Estimate:
    """A number with its 95 % interval."""

    value: float
    interval: tuple[float, float] | None
    """None: there is too little to tell."""
    count: int
    """How many episodes it was estimated from."""

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
    """Empty: the value itself; otherwise whether the number is less or more than ``value``."""

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


def proportion(
    hits: int, count: int, effective: float | None = None, confidence: float = CONFIDENCE
) -> Proportion:
    """Share with its Wilson score interval (Wilson 1927).

    At 95 % it covers 95 % on average over true shares; near 0 and 1 it can be 10 points less.

    Args:
        hits: How many of them it is true of.
        count: Episodes.
        effective: How many independent ones they are worth, where some share their start
            (:func:`robo_maxent.evaluation.clustered.effective_count`); None: all of them.
        confidence: Of the interval.

    Raises:
        UsageError: ``count`` is 0, or ``hits`` or ``effective`` is outside [0, count].
    """
    _check_counts(hits, count)
    n = count if effective is None else effective
    if not 0 < n <= count:
        raise UsageError(f"{count} episodes can't be worth {n:g} independent ones")
    share, z = hits / count, float(ndtri((1 + confidence) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = 0.0 if hits == 0 else centre - half, 1.0 if hits == count else centre + half
    return Proportion(share, low, high, count)


def binary_entropy(share: float) -> float:
    """Entropy of a choice between two, over its largest, log 2; NaN stays."""
    if not 0.0 < share < 1.0:
        return 0.0 * share
    return -(share * log2(share) + (1.0 - share) * log2(1.0 - share))


def mode_entropy(split: Proportion) -> Estimate:
    """How even a split between two ways is: 0 where all take one, 1 where half take either.

    Its interval is what the entropy comes to within that of the split.
    """
    ends = [binary_entropy(split.low), binary_entropy(split.high)]
    highest = 1.0 if split.low <= 0.5 <= split.high else max(ends)
    return Estimate(binary_entropy(split.share), (min(ends), highest), split.count)


def mean_of_estimates(
    values: np.ndarray, ends: np.ndarray, errors: np.ndarray, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the mean of independent numbers, which count alike; of one, its own.

    The distances from the numbers to the ends of their intervals add up as standard errors do, on
    either side apart, so that the interval is as lopsided as theirs ("method of variance estimates
    recovery", Zou and Donner 2008, "Construction of confidence limits about effect measures"). Of
    many shares near 0 or 1 that falls short, where each seems better known than all together: it
    reaches at least as far as the standard errors say.

    Args:
        values: The numbers, (G,).
        ends: Their intervals, (G, 2).
        errors: Their standard errors, (G,).
        confidence: Of their intervals.
    """
    if len(values) == 1:
        return float(ends[0, 0]), float(ends[0, 1])
    reach = float(ndtri((1 + confidence) / 2)) * float(np.linalg.norm(errors))
    below, above = np.maximum(np.linalg.norm(ends - values[:, None], axis=0), reach) / len(values)
    return float(values.mean() - below), float(values.mean() + above)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of a sample of at least two, (n,), by Student's t."""
    standard_error = values.std(ddof=1) / sqrt(len(values))
    half = float(t.ppf(TAILS[1], len(values) - 1) * standard_error)
    return float(values.mean() - half), float(values.mean() + half)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the draws of a bootstrap, which may be infinite, (n,).

    Of n draws, the k-th smallest and the k-th largest, k being (n + 1) / 40 rounded down. Ranks
    are whole numbers: (1 - 0.95) / 2 is a little more than 1/40 in floats, one draw off.

    Raises:
        UsageError: There are fewer than 39 draws, which have no 2.5 % beyond each end.
    """
    count = len(draws)
    rank = (count + 1) // ONE_IN
    if rank < 1:
        raise UsageError(f"the middle 95 % takes at least {ONE_IN - 1} draws, got {count}")
    ordered = np.partition(draws, (rank - 1, count - rank))
    return float(ordered[rank - 1]), float(ordered[count - rank])


def _check_counts(hits: int, count: int) -> None:
    if count < 1 or not 0 <= hits <= count:
        raise UsageError(f"need 0 <= hits <= count and count >= 1, got {hits} of {count}")
