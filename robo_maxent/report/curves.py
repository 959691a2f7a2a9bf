"""Rows of an axis -> the share of episodes along its severities, its area, where it falls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import CensoredEstimate, Estimate, Proportion, proportion
from robo_maxent.evaluation.severity import severity_curve
from robo_maxent.report.rows import StressEpisode, pair_key

RESAMPLES = 2000
"""Of a curve, of which a report has a hundred; ends then vary by 2 % of an interval's length."""
SEED = 0
"""Of every bootstrap: the same rows give the same report, whatever else is in it."""

Hit = Callable[[StressEpisode], bool]
"""What the share of a curve is of."""


@dataclass(frozen=True)
class Curve:
    """A share of episodes along the severities of an axis, for one policy or baseline."""

    severities: tuple[float, ...]
    """From mild to hard."""
    shares: tuple[Proportion, ...]
    critical: CensoredEstimate | None
    """The hardest severity with at least 90 %; None: the axis is no scale, or only one severity of
    it was run."""
    area: Estimate | None
    """Under the curve, severities scaled to [0, 1]: the mean share from the first to the last."""

    @property
    def holds(self) -> bool:
        """Whether it is a scale, and the share is as required at its hardest severity still."""
        end = self.critical
        return end is not None and bool(end.value.side) and end.value.value == self.severities[-1]

    @property
    def never(self) -> bool:
        """Whether it is a scale, and the share is too low at its mildest severity already."""
        end = self.critical
        return end is not None and bool(end.value.side) and end.value.value == self.severities[0]

    @property
    def position(self) -> float:
        """Of the critical severity on a scale from 0, the mildest, to 1; 1 without one."""
        if self.critical is None:
            return 1.0
        first, last = self.severities[0], self.severities[-1]
        return (self.critical.value.value - first) / (last - first)


def is_ordered(severities: Sequence[float]) -> bool:
    """Whether there are at least two severities, and each goes further the same way."""
    steps = np.diff(np.asarray(severities, float))
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def curve(
    rows: Sequence[StressEpisode],
    order: Sequence[float],
    hit: Hit,
    is_scale: bool = True,
) -> Curve:
    """The curve of one policy along one axis.

    Args:
        rows: Episodes of the axis.
        order: Severities from mild to hard; those without an episode are left out.
        hit: What the share is of.
        is_scale: Whether severities are more and less of something, rather than different things.
    """
    run = {row.severity for row in rows}
    severities = tuple(severity for severity in order if severity in run)
    table = outcome_table(rows, severities, hit)
    if is_scale and is_ordered(severities):
        rng = np.random.default_rng(SEED)
        fitted = severity_curve(severities, table, rng, axis="", unit="", resamples=RESAMPLES)
        return Curve(severities, fitted.shares, fitted.critical, fitted.area)
    hits, counts = np.nansum(table, axis=0), (~np.isnan(table)).sum(0)
    shares = (proportion(int(h), int(n)) for h, n in zip(hits, counts, strict=True))
    return Curve(severities, tuple(shares), None, None)


def outcome_table(
    rows: Iterable[StressEpisode], severities: Sequence[float], hit: Hit
) -> np.ndarray:
    """Outcome of each start at each severity, (S, K): 1, 0, or NaN where it was not run.

    The episodes of a start, named by case, seed, simulation and index, differ in severity only.
    """
    place = {severity: column for column, severity in enumerate(severities)}
    outcomes: dict[tuple[object, ...], list[float]] = {}
    for row in rows:
        _, severity, *start = pair_key(row)
        of_start = outcomes.setdefault(tuple(start), [np.nan] * len(severities))
        of_start[place[severity]] = float(hit(row))
    return np.array(list(outcomes.values()), float).reshape(-1, len(severities))
