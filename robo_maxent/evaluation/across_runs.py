"""Several training runs -> what the algorithm does, rather than one lucky policy.

Episodes of one policy say nothing about the next training seed, so a run enters as one number per
task, its mean over episodes, and runs are what is resampled. Runs of different tasks are trained
apart, and resampled apart (the stratified bootstrap of Agarwal et al. 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice").

Their percentile interval covers 95 % only with many scores: with three runs of one task 75 %, with
five 90 %. Here the bootstrap gives the standard error, Student's t how far to go, and the skewness
of the scores how much farther on the side of their long tail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import stdtrit
from scipy.stats import rankdata

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import CONFIDENCE, TAILS
from robo_maxent.evaluation.summary import column
from robo_maxent.types import Episode

LEAST_RUNS = 3
"""An interval takes so many runs. Two have one difference between them: the t quantile is 12.7."""
TRIMMED = 0.25
"""Share of all scores that the interquartile mean drops at each end."""
SKEWED_MORE = 1.5
"""Times the skewness that few scores show: it is too small, of three scores 1.73 at most. Chosen by
``benchmarks/coverage.py``, whose least coverage is a point lower without it."""
RESAMPLES = 4000
"""The bootstrap resamples the runs so often."""


@dataclass(frozen=True)
class AcrossRuns:
    """A number of an algorithm, with what its training seeds leave open."""

    value: float
    interval: tuple[float, float] | None
    """95 %; None: too few runs."""
    runs: tuple[int, ...]
    """Training runs per task: one number, or two where two algorithms are compared."""
    tasks: int

    def __str__(self) -> str:
        """For people: ``0.82 [0.71, 0.93] over 5 runs``, or why there is no interval."""
        of = "" if self.tasks == 1 else f" on each of {self.tasks} tasks"
        runs = f"over {' against '.join(map(str, self.runs))} runs{of}"
        if self.interval is None:
            return (
                f"{self.value:.3g} {runs}: an interval across training seeds takes at least "
                f"{LEAST_RUNS} runs"
            )
        low, high = self.interval
        return f"{self.value:.3g} [{low:.3g}, {high:.3g}] {runs}"


def run_scores(runs: Sequence[Sequence[Episode]], name: str) -> np.ndarray:
    """One number a training run: the mean of a field or a metric over its episodes, (N,).

    Raises:
        UsageError: A run has no episode that has it.
    """
    columns = [column(episodes, name) for episodes in runs]
    for number, values in enumerate(columns):
        if np.isnan(values).all():
            raise UsageError(f"run {number} has no episode with {name}")
    return np.array([np.nanmean(values) for values in columns])


def interquartile_mean(
    scores: np.ndarray,
    rng: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    *,
    resamples: int = RESAMPLES,
) -> AcrossRuns:
    """Mean of the middle half of all scores: hardly moved by one failed run, unlike the mean.

    A quarter of all scores is dropped at each end, rounded down: of three runs none, of five the
    best and the worst.

    The interval is for the interquartile mean of all runs that could be trained, where the value
    of few skewed scores lies too near to their long tail. It covers that in 93 to 99 %, with 3, 5
    and 10 runs of one task and of four: normal, log-normal (sigma 0.5 and 1), exponential, gamma
    (shape 0.5), shares near 1 (beta (9, 1) and (5, 0.5)), and where 1 run in 10 or in 5 fails
    (``benchmarks/coverage.py``).

    It knows nothing of what no run showed, so it covers less where more than a quarter of the runs
    fail, or nearly all score alike but for a long tail; and already where fewer fail but tasks have
    scores of different size: there a failed run moves other scores out of the middle half. It
    collapses where all runs score alike.

    Args:
        scores: One for each run and task, on one scale, (N, M), or (N,) for one task. Each is a
            training run of its own: where one run met several conditions, average them before.
        rng: Random numbers of the bootstrap.
        bounds: What scores are within, such as (0, 1); so is their interval.
        resamples: Draws of the bootstrap.

    Raises:
        UsageError: There are no scores, or one is not finite.
    """
    table = _table(scores, "scores")
    runs, tasks = table.shape
    value = float(_trimmed_mean(table.ravel()))
    if runs < LEAST_RUNS:
        return AcrossRuns(value, None, (runs,), tasks)
    error, pulled_in = _error(table, rng, resamples), _winsorized(table)
    reach = _t_quantile(_degrees_of_freedom(pulled_in))
    skewness = _skewness(pulled_in)
    low = value - error * _stretched(reach, -skewness)
    high = value + error * _stretched(reach, skewness)
    return AcrossRuns(value, (max(low, bounds[0]), min(high, bounds[1])), (runs,), tasks)


def probability_of_improvement(first: np.ndarray, second: np.ndarray) -> AcrossRuns:
    """Chance that a run of the first algorithm beats one of the second, ties counting half.

    The mean over tasks of the Mann-Whitney statistic, as in Agarwal et al. 2021. Its interval does
    not collapse where every run of one beats every run of the other. It covers 94 % or more where
    the scores of both are spread alike, nearly always with three runs or where tasks differ; of ten
    runs, 89 % where those of one algorithm lie between the good and the failed runs of the other.

    Args:
        first: Scores of the first algorithm, (N, M), or (N,) for one task.
        second: Scores of the second on the same tasks, any number of runs.

    Raises:
        UsageError: They have different tasks, or a score is not finite.
    """
    first, second = _table(first, "first"), _table(second, "second")
    if first.shape[1] != second.shape[1]:
        raise UsageError(
            f"both algorithms need the same tasks, got {first.shape[1]} and {second.shape[1]}"
        )
    runs, tasks = (len(first), len(second)), first.shape[1]
    wins = np.sign(first[:, None] - second[None]) / 2 + 0.5  # (N, N of the other, M)
    value = float(wins.mean())
    if min(runs) < LEAST_RUNS:
        return AcrossRuns(value, None, runs, tasks)
    return AcrossRuns(value, _score_interval(value, *runs, tasks), runs, tasks)


def rank_test(first: np.ndarray, second: np.ndarray) -> float:
    """P-value that runs of two algorithms score alike, two-sided and exact, with ties as they are.

    Of all ways to deal out the scores to the two, the share that puts the rank sum as far from its
    mean as it is (Mann and Whitney 1947).

    Args:
        first: Scores of the first algorithm, (N,).
        second: Scores of the second, any number of runs.

    Raises:
        UsageError: A score is not finite, or an algorithm has none.
    """
    one, other = _table(first, "first").ravel(), _table(second, "second").ravel()
    doubled = (2 * rankdata([*one, *other])).astype(int)  # ranks of ties are halves
    ways = np.zeros((len(one) + 1, doubled.sum() + 1))  # to take so many scores of such a rank sum
    ways[0, 0] = 1.0
    for taken, rank in enumerate(doubled):
        for count in range(min(taken, len(one) - 1), -1, -1):
            ways[count + 1, rank:] += ways[count, : ways.shape[1] - rank]
    mean = len(one) * (len(doubled) + 1)
    distance = np.abs(np.arange(ways.shape[1]) - mean)
    as_far = distance >= abs(doubled[: len(one)].sum() - mean)
    return float(min(ways[-1, as_far].sum() / ways[-1].sum(), 1.0))


def least_runs(comparisons: int = 1) -> int:
    """How many runs each algorithm needs for :func:`rank_test` to tell any of them apart.

    Where every run of one beats every run of the other, two of all ways to deal out the scores are
    as extreme.

    Args:
        comparisons: How many are judged together, by Holm's method.
    """
    runs = 1
    while comparisons * 2 / comb(2 * runs, runs) >= 1 - CONFIDENCE:
        runs += 1
    return runs


def _t_quantile(degrees_of_freedom: float) -> float:
    """Standard errors that a 95 % interval of Student's t reaches; ``scipy.stats.t`` is slower."""
    return float(stdtrit(degrees_of_freedom, TAILS[1]))


def _trimmed_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the last axis, (...)."""
    count = values.shape[-1]
    dropped = int(TRIMMED * count)
    return np.sort(values, axis=-1)[..., dropped : count - dropped].mean(-1)


def _error(table: np.ndarray, rng: np.random.Generator, resamples: int) -> float:
    """Standard error of the interquartile mean, by resampling the runs of each task apart.

    Resampled scores spread less than those they stand for, by (N - 1) / N in their variance, which
    matters where N is 3.
    """
    runs, tasks = table.shape
    picks = rng.integers(runs, size=(resamples, runs, tasks))
    drawn = table[picks, np.arange(tasks)].reshape(resamples, -1)
    return float(_trimmed_mean(drawn).std()) * sqrt(runs / (runs - 1))


def _winsorized(table: np.ndarray) -> np.ndarray:
    """Scores pulled in to the quartiles, (N, M): what the error of a trimmed mean is made of.

    Tukey and McLaughlin 1963.
    """
    return table.clip(*np.quantile(table, (TRIMMED, 1 - TRIMMED)))


def _degrees_of_freedom(winsorized: np.ndarray) -> float:
    """Degrees of freedom of the standard error: those of the runs, more if tasks share in it.

    Satterthwaite's formula.
    """
    variances = winsorized.var(axis=0, ddof=1)
    if not variances.any():
        return len(winsorized) - 1
    return float((len(winsorized) - 1) * variances.sum() ** 2 / np.sum(variances**2))


def _skewness(winsorized: np.ndarray) -> float:
    """Skewness of the interquartile mean, from unbiased moments of the scores of each task."""
    runs, apart = len(winsorized), winsorized - winsorized.mean(axis=0)
    variance = float((apart**2).sum()) * runs / (runs - 1)
    third = float((apart**3).sum()) * runs**2 / ((runs - 1) * (runs - 2))
    return SKEWED_MORE * third / variance**1.5 if variance > 0 else 0.0


def _stretched(reach: float, skewness: float) -> float:
    """How many standard errors to go: farther where the tail is long, never less than t says.

    The t statistic of a skewed mean is skewed to the other side, by this much to first order
    (Johnson 1978, "Modified t tests and confidence intervals for asymmetrical populations").
    """
    return reach + max(skewness, 0.0) * (1 + 2 * reach**2) / 6


def _score_interval(win: float, first: int, second: int, tasks: int) -> tuple[float, float]:
    """Interval of a Mann-Whitney statistic over its largest value (Newcombe 2006, method 5).

    The values that are just so many of their own standard errors away. Newcombe takes 1.96 of them;
    Student's t suits few runs better. The variance is that of tasks which are all alike: where they
    are not, it is less.
    """
    reach = _t_quantile(tasks * (first + second - 2))
    more = (first + second) / 2 - 1

    def too_far(value: float) -> float:
        spread = 1 + more * ((1 - value) / (2 - value) + value / (1 + value))
        variance = value * (1 - value) * spread / (first * second * tasks)
        return (win - value) ** 2 - reach**2 * variance

    # Where every run wins, 1 is a solution too, of the wrong side.
    below, above = (0.0, min(win, 1 - 1e-9)), (max(win, 1e-9), 1.0)
    low = root_scalar(too_far, bracket=below, method="brentq").root if win > 0 else 0.0
    high = root_scalar(too_far, bracket=above, method="brentq").root if win < 1 else 1.0
    return float(low), float(high)


def _table(scores: np.ndarray, name: str) -> np.ndarray:
    """Scores as (N, M)."""
    table = np.asarray(scores, float)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise UsageError(
            f"{name} must be finite, one for each run and task, (runs, tasks), got shape "
            f"{table.shape}"
        )
    return table
