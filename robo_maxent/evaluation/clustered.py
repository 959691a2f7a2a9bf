"""Statistics of episodes that share their start, and so tell less than independent ones.

Along an axis the same starts are met at every severity, which makes its curve sharper, and the
pairs of two policies. Pooled over severities they are a cluster sample: a command that is hard at
one severity is hard at the next. Intervals that took such episodes for independent ones would be
too narrow.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import (
    CONFIDENCE,
    Proportion,
    mean_of_estimates,
    proportion,
)


def shared_proportion(hits: np.ndarray, starts: np.ndarray) -> Proportion:
    """Share of episodes with its 95 % interval, of which some share their start; both (n,)."""
    hits = np.asarray(hits, float)
    return proportion(int(hits.sum()), len(hits), effective_count(hits, starts))


def shared_mean(groups: Sequence[tuple[np.ndarray, np.ndarray]]) -> Proportion:
    """Mean over groups of episodes of the share in each, with its 95 % interval.

    Groups count alike, however many episodes they have.

    Args:
        groups: Of each its hits and its starts, as of :func:`shared_proportion`; no start is in two
            groups.

    Raises:
        UsageError: There is no group, or one is empty.
    """
    if not groups:
        raise UsageError("a mean over groups of episodes takes at least one group")
    parts = [shared_proportion(*group) for group in groups]
    values, ends = np.array([part.share for part in parts]), [(p.low, p.high) for p in parts]
    errors = np.array([standard_error(*group) for group in groups])
    low, high = mean_of_estimates(values, np.array(ends), errors)
    count = sum(part.count for part in parts)
    return Proportion(float(values.mean()), max(low, 0.0), min(high, 1.0), count)


def standard_error(values: np.ndarray, starts: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """Standard error of the mean of episodes, of which some share their start; both (n,)."""
    values = np.asarray(values, float)
    return float(values.std() / np.sqrt(effective_count(values, starts, confidence)))


def effective_count(
    values: np.ndarray, starts: np.ndarray, confidence: float = CONFIDENCE
) -> float:
    """How many independent episodes n that share starts are worth, for the mean of ``values``.

    The variance of the mean is estimated from the sums of the C clusters, as that of a ratio, and
    compared with that of independent episodes; it counts as at least that. A variance that was
    estimated from few clusters is worth less (Korn and Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data"). Where
    all values are the same, nothing shows how alike the episodes of a start are: then each start
    counts once, if all have equally many.

    Args:
        values: One for each episode, such as success, (n,).
        starts: The same number for the same start, (n,).
        confidence: Of the interval that it is for.

    Returns:
        At most n, and n where no start is shared.

    Raises:
        UsageError: The arrays differ in length, or are empty.
    """
    values, starts = np.asarray(values, float), np.asarray(starts)
    if values.shape != starts.shape or values.ndim != 1 or not values.size:
        raise UsageError(
            f"a start for each of at least one value is needed, got {values.shape} values and "
            f"{starts.shape} starts"
        )
    n = len(values)
    _, cluster, sizes = np.unique(starts, return_inverse=True, return_counts=True)
    if len(sizes) == n:
        return float(n)
    least = n * n / float((sizes * sizes).sum())  # all episodes of a start alike
    apart = values - values.mean()
    alone = float((apart * apart).sum())
    if alone == 0.0 or len(sizes) == 1:
        return least
    sums = np.bincount(cluster, apart)
    inflation = len(sizes) / (len(sizes) - 1) * float((sums * sums).sum()) / alone
    tail = (1 + confidence) / 2
    few = t.ppf(tail, n - 1) / t.ppf(tail, len(sizes) - 1)
    return float(np.clip(n / max(inflation, 1.0) * few**2, least, n))


def sign_flip(sums: np.ndarray) -> float:
    """P-value of no difference, two-sided and exact, from whole numbers, one a cluster, (C,).

    If it made no difference which of two policies was which, each sum could as well have had the
    other sign: of all the ways to choose them, the share of those whose total is at least as large.
    With one pair a cluster it is the exact test of McNemar (1947).
    """
    sizes = np.abs(np.rint(np.asarray(sums, float))).astype(int)
    total = int(sizes.sum())
    chance = np.zeros(2 * total + 1)  # of the totals from -total to total
    chance[total] = 1.0
    for size in sizes[sizes > 0].tolist():
        chance = 0.5 * (np.roll(chance, size) + np.roll(chance, -size))
    totals = np.arange(-total, total + 1)
    return min(float(chance[np.abs(totals) >= abs(int(np.rint(np.sum(sums))))].sum()), 1.0)
