"""Disturbances while something was held -> how often it was lost, how soon it was held again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times
from robo_maxent.report.rows import AxisLabel, Grip, StressEpisode


@dataclass(frozen=True)
class Regrasp:
    """Of one policy at one severity, the episodes in which it held the object."""

    lost: Proportion
    """Of those in which it was held when the disturbance began."""
    times: WaitingTimes | None
    """From the loss until it was held again; None: it was never lost."""


@dataclass(frozen=True)
class GripAnalysis:
    """Losses of one axis."""

    label: AxisLabel
    """Of the axis."""
    by_severity: dict[str, dict[float, Regrasp]]
    """Policy or baseline -> severity -> what it did."""


def grips(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, Sequence[StressEpisode]],
) -> GripAnalysis | None:
    """Losses along an axis; None: nothing was held there when a disturbance began.

    Episodes of one severity begin differently, so that their times are independent.

    Args:
        label: Of the axis.
        severities: From mild to hard.
        judged: Policy or baseline -> its episodes of the axis.
    """
    by_severity = {policy: _of_severities(rows, severities) for policy, rows in judged.items()}
    some = {policy: each for policy, each in by_severity.items() if each}
    return GripAnalysis(label, some) if some else None


def _of_severities(
    rows: Sequence[StressEpisode], severities: Sequence[float]
) -> dict[float, Regrasp]:
    held = {
        severity: [row.grip for row in rows if row.severity == severity and row.grip is not None]
        for severity in severities
    }
    return {severity: _regrasp(listed) for severity, listed in held.items() if listed}


def _regrasp(held: Sequence[Grip]) -> Regrasp:
    lost = [grip for grip in held if grip.lost]
    times = None
    if lost:
        seconds = np.array([np.nan if g.seconds is None else g.seconds for g in lost])
        times = waiting_times(seconds, np.array([grip.watched for grip in lost]))
    return Regrasp(proportion(len(lost), len(held)), times)
