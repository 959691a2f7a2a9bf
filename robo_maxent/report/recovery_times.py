"""How long robots took to recover from the pushes of an axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times
from robo_maxent.report.breakdowns import PUSHED, Pushes, pushes
from robo_maxent.report.row_table import RowGroup
from robo_maxent.report.rows import AxisLabel


@dataclass(frozen=True)
class RecoveryAnalysis:
    """Recovery times of the pushes of one axis."""

    label: AxisLabel
    """Of the axis."""
    times: dict[str, WaitingTimes]
    """Policy or baseline -> times of all pushes, by its own safe set."""
    compared: dict[str, WaitingTimes]
    """Policy or baseline -> times by the safe set of the first policy."""
    by_severity: dict[str, dict[float, WaitingTimes]]
    """Policy -> severity -> times of its pushes."""


def recovery_times(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, RowGroup],
    policies: Sequence[str],
) -> RecoveryAnalysis | None:
    """Recovery times of an axis; None if it has no breakdown of pushes.

    Args:
        label: Of the axis.
        severities: From mild to hard.
        judged: Policy or baseline -> its episodes of the axis.
        policies: Those that are shown by severity as well.
    """
    if not any(breakdown.by in PUSHED for breakdown in label.breakdowns):
        return None
    pushed = {policy: own for policy, rows in judged.items() if (own := pushes(rows))}
    if not pushed:
        return None
    by_severity = {
        policy: _by_severity(pushed[policy], severities) for policy in policies if policy in pushed
    }
    times = {policy: _times(own) for policy, own in pushed.items()}
    compared = {policy: _waiting(own, own.common_seconds) for policy, own in pushed.items()}
    return RecoveryAnalysis(label, times, compared, by_severity)


def _by_severity(pushed: Pushes, severities: Sequence[float]) -> dict[float, WaitingTimes]:
    parts = {severity: pushed.at(severity) for severity in severities}
    return {severity: _times(part) for severity, part in parts.items() if part}


def _times(pushed: Pushes) -> WaitingTimes:
    """Recovery times by the safe set of their policy; one without recovery has none."""
    return _waiting(pushed, np.where(pushed.recovered == 1.0, pushed.seconds, np.nan))


def _waiting(pushed: Pushes, seconds: np.ndarray) -> WaitingTimes:
    # Whole control steps are looked at, and the last may end a little after the window.
    watched = np.nanmax([WITHIN, *np.unique(seconds)])
    return waiting_times(seconds, watched, starts=pushed.start)
