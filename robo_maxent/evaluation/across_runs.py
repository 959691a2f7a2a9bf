"""Several training runs -> what the algorithm does, rather than one lucky policy.

Episodes of one policy say nothing about the next training seed, so a run enters as one number per
task, its mean over episodes, and runs are what is resampled. Runs of different tasks are trained
apart, and resampled apart (the stratified bootstrap of Agarwal et al. 2021, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice").

Their percentile interval covers 95 % only with many scores: with three runs of one task 75 %, with
five 90 %. Here the bootstrap gives the standard error, and Student's t how far to go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import root_scalar
from scipy.stats import t, trim_mean

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import TAILS
from robo_maxent.evaluation.summary import column
from robo_maxent.types import Episode

LEAST_RUNS = 3
"""An interval takes so many runs. Two have one difference between them: the t quantile is 12.7."""
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
) -> AcrossRuns:
    """Mean of the middle half of all scores: hardly moved by one failed run, unlike the mean.

    A quarter of all scores is dropped at each end, rounded down: of three runs none, of five the
    best and the worst. The interval covers 94 to 99 %; it collapses where all runs score alike.

    Args:
        scores: One for each run and task, on one scale, (N, M), or (N,) for one task. Each is a
            training run of its own: where one run met several conditions, average them before.
        rng: Random numbers of the bootstrap.
        bounds: What scores are within, such as (0, 1); so is their interval.

    Raises:
        UsageError: There are no scores, or one is not finite.
    """
    table = _table(scores, "scores")
    runs, tasks = table.shape
    value = float(trim_mean(table.ravel(), 0.25))
    if runs < LEAST_RUNS:
        return AcrossRuns(value, None, (runs,), tasks)
    half = _error(table, rng) * float(t.ppf(TAILS[1], _degrees_of_freedom(table)))
    interval = max(value - half, bounds[0]), min(value + half, bounds[1])
    return AcrossRuns(value, interval, (runs,), tasks)


def probability_of_improvement(first: np.ndarray, second: np.ndarray) -> AcrossRuns:
    """Chance that a run of the first algorithm beats one of the second, ties counting half.

    The mean over tasks of the Mann-Whitney statistic, as in Agarwal et al. 2021. Its interval does
    not collapse where every run of one beats every run of the other. It covers 95 % or more,
    nearly always with three runs or where tasks differ.

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


def _error(table: np.ndarray, rng: np.random.Generator) -> float:
    """Standard error of the interquartile mean, by resampling the runs of each task apart.

    Resampled scores spread less than those they stand for, by (N - 1) / N in their variance, which
    matters where N is 3.
    """
    runs, tasks = table.shape
    picks = rng.integers(runs, size=(RESAMPLES, runs, tasks))
    drawn = np.take_along_axis(table[None], picks, axis=1).reshape(RESAMPLES, -1)
    return float(trim_mean(drawn, 0.25, axis=1).std()) * sqrt(runs / (runs - 1))


def _degrees_of_freedom(table: np.ndarray) -> float:
    """Degrees of freedom of the standard error: those of the runs, more if tasks share in it.

    Satterthwaite's formula, on the scores pulled in to the quartiles, whose variances are what the
    error of a trimmed mean is made of (Tukey and McLaughlin 1963).
    """
    low, high = np.quantile(table, (0.25, 0.75))
    variances = table.clip(low, high).var(axis=0, ddof=1)
    if not variances.any():
        return len(table) - 1
    return float((len(table) - 1) * variances.sum() ** 2 / np.sum(variances**2))


def _score_interval(win: float, first: int, second: int, tasks: int) -> tuple[float, float]:
    """Interval of a Mann-Whitney statistic over its largest value (Newcombe 2006, method 5).

    The values that are just so many of their own standard errors away. Newcombe takes 1.96 of them;
    Student's t suits few runs better. The variance is that of tasks which are all alike: where they
    are not, it is less.
    """
    reach = float(t.ppf(TAILS[1], tasks * (first + second - 2)))
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
