"""Pushes of an axis -> how long it took to recover from them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.survival import WaitingTimes, waiting_times
from robo_maxent.report.rows import AxisLabel, Push, StressEpisode, start_of
from robo_maxent.report.tables import PUSHED, pushes, start_numbers


@dataclass(frozen=True)
class RecoveryAnalysis:
    """Recovery times of the pushes of one axis."""

    label: AxisLabel
    """Of the axis."""
    times: dict[str, WaitingTimes]
    """Policy or baseline -> of all pushes, by its own safe set."""
    compared: dict[str, WaitingTimes]
    """The same by the safe set of the first policy of the test, for all."""
    by_severity: dict[str, dict[float, WaitingTimes]]
    """Policy -> severity -> of its pushes."""


def recovery_times(
    label: AxisLabel,
    severities: Sequence[float],
    judged: Mapping[str, Sequence[StressEpisode]],
    policies: Sequence[str],
) -> RecoveryAnalysis | None:
    """Recovery times of an axis that declares a breakdown of its pushes; None: it has none.

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
    compared = {policy: _waiting(own, _common_seconds) for policy, own in pushed.items()}
    return RecoveryAnalysis(label, times, compared, by_severity)


def _by_severity(
    pushed: Sequence[tuple[StressEpisode, Push]], severities: Sequence[float]
) -> dict[float, WaitingTimes]:
    parts = {s: [pair for pair in pushed if pair[0].severity == s] for s in severities}
    return {severity: _times(part) for severity, part in parts.items() if part}


def _times(pushed: Sequence[tuple[StressEpisode, Push]]) -> WaitingTimes:
    """Recovery times of pushes by the safe set of their policy."""
    return _waiting(pushed, _own_seconds)


def _own_seconds(push: Push) -> float:
    """NaN of one that was not recovered from, whatever it says."""
    return push.seconds if push.recovered and push.seconds is not None else np.nan


def _common_seconds(push: Push) -> float:
    return np.nan if push.common_seconds is None else push.common_seconds


def _waiting(
    pushed: Sequence[tuple[StressEpisode, Push]], time: Callable[[Push], float]
) -> WaitingTimes:
    seconds = np.array([time(push) for _, push in pushed])
    # Whole control steps are looked at, and the last may end a little after the window.
    watched = np.nanmax([WITHIN, *seconds])
    starts = start_numbers(start_of(row) for row, _ in pushed)
    return waiting_times(seconds, watched, starts=starts)
