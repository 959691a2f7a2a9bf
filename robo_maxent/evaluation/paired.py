"""Two policies on the same episodes: the difference of each pair is what counts.

Both meet the same starts, commands and perturbations, so what an episode's difficulty adds to both
falls out, and far fewer episodes are needed than for two separate sets. This compares two policies.
What two algorithms do takes several training runs of each: see
:mod:`robo_maxent.evaluation.across_runs`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import t

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import effective_count, shared_proportion, sign_flip
from robo_maxent.evaluation.intervals import Estimate, Proportion, mean, proportion, standard_error
from robo_maxent.evaluation.summary import column, randomness
from robo_maxent.types import Episode

Pair = tuple[Episode, Episode]

SAME = "task", "draw", "terrain", "level"
"""What two episodes of one seed, simulation and index must share to be a pair."""


@dataclass(frozen=True)
class SuccessDifference:
    """Success of the first policy less that of the second, on the same episodes."""

    first: Proportion
    second: Proportion
    difference: Estimate
    """Share, with its 95 % interval (Newcombe 1998, method 10)."""
    only_first: int
    """Episodes in which the first succeeded and the second did not."""
    only_second: int
    p_value: float
    """Of no difference, two-sided: exact McNemar test, by starts where pairs share them."""

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
    """A measure of the first policy less that of the second, on the same episodes."""

    difference: Estimate
    """Mean over pairs, with its 95 % t interval; ``count`` is of pairs in which both have it."""
    without: int
    """Pairs in which a policy lacks the measure. They are left out: where many are, the difference
    speaks of the episodes that suited both."""
    p_value: float | None
    """Of no difference, two-sided: paired t test. None: a single pair."""

    def __str__(self) -> str:
        """For people: ``+0.12 [0.05, 0.19], p = 0.001 (180 pairs, 20 without)``."""
        sign = "+" if self.difference.value > 0 else ""
        p = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        without = f", {self.without} without" if self.without else ""
        return f"{sign}{self.difference}{p} ({self.difference.count} pairs{without})"


def pairs(first: Iterable[Episode], second: Iterable[Episode]) -> list[Pair]:
    """The episodes of two policies, side by side, in the order of their seeds.

    Raises:
        UsageError: They are not the same episodes; the message says where they differ.
    """
    ours, theirs = _by_randomness(first), _by_randomness(second)
    for have, lack, which in ((ours, theirs, "first"), (theirs, ours, "second")):
        alone = sorted(have.keys() - lack.keys())
        if alone:
            raise UsageError(
                f"{len(alone)} of {len(have)} episodes are in the {which} set only, such as seed, "
                f"simulation, index {alone[0]}. Evaluate both policies with the same seed and "
                "number of episodes."
            )
    if not ours:
        raise UsageError("there are no episodes to compare")
    paired = [(ours[seed], theirs[seed]) for seed in sorted(ours)]
    for one, other in paired:
        for name in SAME:
            if getattr(one, name) != getattr(other, name):
                raise UsageError(
                    f"seed, simulation, index {randomness(one)} is not the same episode in both "
                    f"sets: {name} is {getattr(one, name)!r} and {getattr(other, name)!r}"
                )
    return paired


def success_difference(
    first: np.ndarray, second: np.ndarray, starts: np.ndarray | None = None
) -> SuccessDifference:
    """Difference of success over pairs.

    Method 10 joins the Wilson intervals of the two shares, allowing for their correlation. Of 20
    pairs it covers 95 % on average, 93 % at worst, and nearly always where the policies mostly
    agree; of 50, 94 % at worst.

    Args:
        first: Success of the first policy, bool, (n,).
        second: The same of the second.
        starts: The same number for pairs of the same start, which tell less, (n,); None: there are
            no such pairs.

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
    interval = _interval(first, second, effective_count(first - second, starts))
    difference = Estimate((only_first - only_second) / len(first), interval, len(first))
    p_value = sign_flip(np.bincount(starts, first - second))
    return SuccessDifference(one, other, difference, only_first, only_second, p_value)


def mean_difference(first: np.ndarray, second: np.ndarray) -> MeanDifference:
    """Mean difference of a measure over pairs, both (n,), NaN where a policy lacks it.

    Raises:
        UsageError: No pair has it twice, or the arrays differ in length.
    """
    first, second = _same_length(first, second)
    differences = first - second
    differences = differences[~np.isnan(differences)]
    if not differences.size:
        raise UsageError("there is no pair of episodes in which both policies have the measure")
    without = len(first) - len(differences)
    return MeanDifference(mean(differences), without, _paired_t(differences))


def compare(first: Iterable[Episode], second: Iterable[Episode]) -> SuccessDifference:
    """Difference of success of two policies, episode by episode.

    Raises:
        UsageError: The episodes are not paired, or the task has no notion of success.
    """
    paired = pairs(first, second)
    columns = [column(side, "success") for side in zip(*paired, strict=True)]
    if np.isnan(columns).any():
        raise UsageError(f"{paired[0][0].task} has no notion of success in every episode")
    return success_difference(*columns)


def compare_measure(
    first: Iterable[Episode], second: Iterable[Episode], name: str
) -> MeanDifference:
    """Difference of a measure, of the return (``reward``) or of the ``length``, episode by episode.

    Raises:
        UsageError: The episodes are not paired, or none has the measure.
    """
    one, other = (column(side, name) for side in zip(*pairs(first, second), strict=True))
    return mean_difference(one, other)


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


def _interval(first: np.ndarray, second: np.ndarray, effective: float) -> tuple[float, float]:
    """Of the difference of two shares, of pairs that are worth so many independent ones."""
    n = len(first)
    one, other = (proportion(int(success.sum()), n, effective) for success in (first, second))
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
    """Of two outcomes, with Newcombe's continuity correction where it is positive."""
    n = both + only_first + only_second + neither
    margins = (both + only_first) * (only_second + neither) * (both + only_second)
    margins *= only_first + neither
    product = both * neither - only_first * only_second
    if margins == 0:
        return 0.0
    return (max(product - n / 2, 0) if product > 0 else product) / sqrt(margins)


def _paired_t(differences: np.ndarray) -> float | None:
    if len(differences) < 2:
        return None
    error = standard_error(differences)
    if error == 0:
        return float(differences[0] == 0)
    return float(2 * t.sf(abs(differences.mean()) / error, len(differences) - 1))


def _by_randomness(episodes: Iterable[Episode]) -> dict[tuple[int, int, int], Episode]:
    found: dict[tuple[int, int, int], Episode] = {}
    for episode in episodes:
        if found.setdefault(randomness(episode), episode) is not episode:
            raise UsageError(
                f"seed, simulation, index {randomness(episode)} is there twice. "
                "Compare one condition at a time."
            )
    return found


def _same_length(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise UsageError(
            f"pairs need two arrays of one length, at least 1, got {first.shape} and {second.shape}"
        )
    return first, second
