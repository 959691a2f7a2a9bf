"""Curves of a share over severities: where they fall, and their area."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.severity import Area, Fall, severity_curve
from robo_maxent.report.row_table import RowGroup
from robo_maxent.report.rows import StressEpisode

RESAMPLES = 2000
"""Resamples per curve, of which a report has a hundred; ends then vary by 2 % of an interval."""
SEED = 0
"""Of every bootstrap: the same rows give the same report, whatever else is in it."""

Hit = Callable[[StressEpisode], bool]
"""Function that says whether an episode counts."""


@dataclass(frozen=True)
class Curve:
    """A share of episodes along the severities of an axis, for one policy or baseline."""

    severities: tuple[float, ...]
    """From mild to hard."""
    shares: tuple[Proportion, ...]
    fall: Fall | None
    """Where it falls below 90 %; None if the axis is no scale, or only one severity was run."""
    area: Area | None
    """Under the curve, severities scaled to [0, 1]: the mean share from the first to the last."""

    @property
    def holds(self) -> bool:
        """Whether the share is still as required at the hardest severity of a scale."""
        return self.fall is not None and self.fall.fails is None

    @property
    def never(self) -> bool:
        """Whether the share is too low already at the mildest severity of a scale."""
        return self.fall is not None and self.fall.holds is None

    def reach(self, nominal: float, reference: float) -> float:
        """How far it holds, as a multiple of the distance from nominal to a severity.

        It is half way from the last severity that holds to the first that does not: infinity where
        all hold, or where it is no scale, and 0 where none does, or none beyond nominal. How far an
        axis was tested beyond the fall does not matter.
        """
        if self.fall is None or self.fall.fails is None:
            return np.inf
        if self.fall.holds is None:
            return 0.0
        middle = (self.fall.holds + self.fall.fails) / 2
        return max((middle - nominal) / (reference - nominal), 0.0)


def is_ordered(severities: Sequence[float]) -> bool:
    """Whether there are at least two severities in strict order."""
    steps = np.diff(np.asarray(severities, float))
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def curve(
    rows: RowGroup,
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
    run = {kind.severity for kind, _ in rows.present()}
    severities = tuple(severity for severity in order if severity in run)
    table = outcome_table(rows, severities, hit)
    if is_scale and is_ordered(severities):
        rng = np.random.default_rng(SEED)
        fitted = severity_curve(severities, table, rng, axis="", unit="", resamples=RESAMPLES)
        return Curve(severities, fitted.shares, fitted.fall, fitted.area)
    hits, counts = np.nansum(table, axis=0), (~np.isnan(table)).sum(0)
    shares = (proportion(int(h), int(n)) for h, n in zip(hits, counts, strict=True))
    return Curve(severities, tuple(shares), None, None)


def outcome_table(rows: RowGroup, severities: Sequence[float], hit: Hit) -> np.ndarray:
    """Outcome of each start at each severity, (S, K): 1, 0, or NaN where it was not run.

    The episodes of a start, named by case, seed, simulation and index, differ in severity only.
    """
    column = {severity: number for number, severity in enumerate(severities)}
    starts = rows.starts(lambda kind: kind.case)
    columns = rows.each(lambda kind: column.get(kind.severity, -1))
    assert (columns >= 0).all()
    table = np.full((starts.max(initial=-1) + 1, len(severities)), np.nan)
    table[starts, columns] = rows.each(hit)
    return table
