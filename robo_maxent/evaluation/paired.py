"""Two policies on the same episodes: the difference of each pair is what counts.

Both meet the same starts, commands and perturbations, so what an episode's difficulty adds to both
falls out, and far fewer episodes are needed than for two separate sets. This compares two policies.
What two algorithms do takes several training runs of each: see
:mod:`robo_maxent.evaluation.across_runs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import (
    effective_count,
    shared_mean,
    shared_proportion,
    sign_flip,
    standard_error,
)
from robo_maxent.evaluation.intervals import (
    CONFIDENCE,
    Estimate,
    Proportion,
    mean_of_estimates,
    proportion,
)


@dataclass(frozen=True)
class SuccessDifference:
    """Success of the first policy less that of the second, on the same episodes."""

    first: Proportion
    second: Proportion
    difference: Estimate
    """Difference of the shares, with its interval (Newcombe 1998, method 10): of 95 %, or of what
    several take that are read together."""
    only_first: int
    """Episodes in which the first succeeded and the second did not."""
    only_second: int
    """Episodes in which the second succeeded and the first did not."""
    p_value: float
    """Chance of such a difference, either way, if there were none: the exact McNemar test, by
    starts where pairs share them."""

    def __str__(self) -> str:
        """For people: ``+5.0 points [1.2, 9.1], p = 0.013 (90 pairs: 12 one way, 2 the other)``."""
        low, high = self.difference.interval or (np.nan, np.nan)
        return (
            f"{100 * self.difference.value:+.1f} points [{100 * low:.1f}, {100 * high:.1f}], "
            f"p = {self.p_value:.2g} ({self.difference.count} pairs: {self.only_first} one way, "
            f"{self.only_second} the other)"
        )


@dataclass(frozen=True)
class MeanDifference:
    """Success of the first policy less that of the second, axes counting alike."""

    first: Proportion
    second: Proportion
    difference: Estimate


def success_difference(
    first: np.ndarray,
    second: np.ndarray,
    starts: np.ndarray | None = None,
    comparisons: int = 1,
) -> SuccessDifference:
    """Difference of success over pairs.

    Method 10 joins the Wilson intervals of the two shares, allowing for their correlation. Of 20
    pairs it covers 95 % on average, 93 % at worst, and nearly always where the policies mostly
    agree; of 50, 94 % at worst.

    Args:
        first: Success of the first policy, bool, (n,).
        second: Success of the second policy in the same episodes, bool, (n,).
        starts: The same number for pairs of the same start, which tell less, (n,); None: there are
            no such pairs.
        comparisons: How many differences are read together, such as those of all axes of which the
            largest is named. Their intervals hold all at once at 95 % (Bonferroni); the p-value is
            that of one, see :func:`holm`.

    Raises:
        UsageError: There are no pairs, or the arrays differ in length.
    """
    first, second = _same_length(first, second)
    if not np.isin([first, second], (0, 1)).all():
        raise UsageError(
            "success must be true or false in every pair; no other value can be compared"
        )
    starts = np.arange(len(first)) if starts is None else np.unique(starts, return_inverse=True)[1]
    only_first, only_second = int((first > second).sum()), int((first < second).sum())
    one, other = (shared_proportion(success, starts) for success in (first, second))
    interval = _ends(first, second, starts, _simultaneous(comparisons))
    difference = Estimate((only_first - only_second) / len(first), interval, len(first))
    p_value = sign_flip(np.bincount(starts, first - second))
    return SuccessDifference(one, other, difference, only_first, only_second, p_value)


def mean_difference(
    groups: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], comparisons: int = 1
) -> MeanDifference:
    """Mean over groups of pairs of the difference in each; groups count alike.

    Args:
        groups: Of each its success of the first policy, of the second, and its starts, as of
            :func:`success_difference`; no start is in two groups.
        comparisons: As of :func:`success_difference`.

    Raises:
        UsageError: There is no group, or one is empty.
    """
    if not groups:
        raise UsageError("a mean over groups of pairs takes at least one group")
    parts = [success_difference(*group, comparisons).difference for group in groups]
    confidence = _simultaneous(comparisons)
    values, ends = np.array([p.value for p in parts]), np.array([p.interval for p in parts])
    errors = [
        standard_error(np.subtract(one, other, dtype=float), own, confidence)
        for one, other, own in groups
    ]
    low, high = mean_of_estimates(values, ends, np.array(errors), confidence)
    count = sum(part.count for part in parts)
    difference = Estimate(float(values.mean()), (max(low, -1.0), min(high, 1.0)), count)
    first, second = (shared_mean([(group[side], group[2]) for group in groups]) for side in (0, 1))
    return MeanDifference(first, second, difference)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values of several comparisons, adjusted so that all may be read at once, (m,).

    Whatever their dependence, the chance that any true hypothesis falls below 0.05 is at most that
    (Holm 1979).

    Raises:
        UsageError: One is outside [0, 1].
    """
    p = np.asarray(p_values, float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise UsageError(f"p-values must be within [0, 1], one a comparison, got {p.tolist()}")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1.0)
    return adjusted


def _simultaneous(comparisons: int) -> float:
    """Confidence of each of several intervals that hold all at once at 95 % (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / comparisons


def _ends(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Interval of the difference of two shares, of pairs of which some share their start."""
    n, effective = len(first), effective_count(first - second, starts, confidence)
    one, other = (
        proportion(int(success.sum()), n, effective, confidence) for success in (first, second)
    )
    table = [(first == a) & (second == b) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))]
    counts = [effective / n * float(cell.sum()) for cell in table]
    return _method_10(one, other, _correlation(*counts))


def _method_10(one: Proportion, other: Proportion, correlation: float) -> tuple[float, float]:
    """Interval of one share less the other (Newcombe 1998, equation of method 10)."""

    def distance(a: float, b: float) -> float:
        return sqrt(a * a - 2 * correlation * a * b + b * b)

    value = one.share - other.share
    return (
        value - distance(one.share - one.low, other.high - other.share),
        value + distance(one.high - one.share, other.share - other.low),
    )


def _correlation(both: float, only_first: float, only_second: float, neither: float) -> float:
    """Correlation of two outcomes, with Newcombe's continuity correction where it is positive."""
    n = both + only_first + only_second + neither
    margins = (both + only_first) * (only_second + neither) * (both + only_second)
    margins *= only_first + neither
    product = both * neither - only_first * only_second
    if margins == 0:
        return 0.0
    return (max(product - n / 2, 0) if product > 0 else product) / sqrt(margins)


def _same_length(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise UsageError(
            f"pairs need two arrays of one length, at least 1, got {first.shape} and {second.shape}"
        )
    return first, second
