"""How often a held object was lost after a disturbance, and how soon it was held again."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times
from robo_maxent.report.row_table import RowGroup
from robo_maxent.report.rows import AxisLabel


@dataclass(frozen=True)
class Regrasp:
    """Episodes of one policy at one severity in which it held the object."""

    lost: Proportion
    """Share of episodes in which the object was lost."""
    times: WaitingTimes | None
    """Times from loss until it was held again; None if it was never lost."""


@dataclass(frozen=True)
class GripAnalysis:
    """Lost grips along one axis."""

    label: AxisLabel
    """Of the axis."""
    by_severity: dict[str, dict[float, Regrasp]]
    """Policy or baseline -> severity -> its losses."""


def grips(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, RowGroup],
) -> GripAnalysis | None:
    """Losses along an axis; None if nothing was held when a disturbance began.

    Episodes of one severity begin differently, so that their times are independent.

    Args:
        label: Of the axis.
        severities: From mild to hard.
        judged: Policy or baseline -> its episodes of the axis.
    """
    by_severity = {policy: _of_severities(rows, severities) for policy, rows in judged.items()}
    some = {policy: each for policy, each in by_severity.items() if each}
    return GripAnalysis(label, some) if some else None


def _of_severities(rows: RowGroup, severities: Sequence[float]) -> dict[float, Regrasp]:
    row, columns = array("q"), [array("d") for _ in range(3)]
    for place, parts in rows.parts():
        if (grip := parts.grip) is not None:
            row.append(place)
            values = grip.lost, np.nan if grip.seconds is None else grip.seconds, grip.watched
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    of_grip = rows.each(lambda kind: kind.severity)[np.asarray(row, np.int64)]
    held = np.array(columns)  # (3, g)
    at = {severity: held[:, of_grip == severity] for severity in severities}
    return {severity: _regrasp(*each) for severity, each in at.items() if each.shape[1]}


def _regrasp(lost: np.ndarray, seconds: np.ndarray, watched: np.ndarray) -> Regrasp:
    """Of some grips: whether each was lost, when it was held again, how long it was watched."""
    gone = lost == 1.0
    times = waiting_times(seconds[gone], watched[gone]) if gone.any() else None
    return Regrasp(proportion(int(gone.sum()), len(lost)), times)
