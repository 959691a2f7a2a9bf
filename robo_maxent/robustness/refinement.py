"""Where success falls along an axis is looked for by halving, rather than on a wider grid.

After the severities of a suite, the one half way between the last that holds and the first that
does not is tried with new starts, and so on, until the two are close together. Then, if a suite
asks for it, the two ends are tried until their interval is as narrow. Rows of a round say so
(``round``): every policy is asked elsewhere, so they count for its fall and its area alone.
"""

from collections import defaultdict
from collections.abc import Sequence

from robo_maxent.evaluation.severity import Fall, fall
from robo_maxent.perturbations.base import Axis
from robo_maxent.report.curves import outcome_table
from robo_maxent.report.rows import (
    StressEpisode,
    distinct,
    is_disturbed,
    met,
    nominal_severities,
    with_all_undisturbed,
)
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.suites import Condition, Suite, first_simulation

NARROW = 0.1
"""Of the range of an axis: how close is close."""
ROUNDED = 3
"""Digits of a severity that was found by halving."""


def next_conditions(
    suite: Suite, task: AnyTask, rows: Sequence[StressEpisode], number: int
) -> list[Condition]:
    """What to run next.

    Args:
        suite: Whose refinement.
        task: What the policy does.
        rows: All rows of one policy's mean action so far.
        number: Of the round, from 1.

    Returns:
        Conditions, none of an axis of which enough is known.
    """
    of_axis: dict[str, list[StressEpisode]] = defaultdict(list)
    for row in rows:
        of_axis[row.axis].append(row)
    undisturbed = [row for row in distinct(rows) if not is_disturbed(row)]
    conditions = []
    for name, axis in suite.axes(task).items():
        own = with_all_undisturbed(of_axis[name], undisturbed)
        found = _fall(axis, own)
        severity = found and next_severity(axis, found, suite.refinement.until_proven)
        # Undisturbed episodes are as many as the suite says, for all axes.
        if severity is not None and severity not in nominal_severities(own):
            conditions += _conditions(axis, severity, suite.refinement.episodes, number)
    return conditions


def _fall(axis: Axis, rows: Sequence[StressEpisode]) -> Fall | None:
    """What is known of the fall along an axis; None: it is no scale."""
    less_is_worse = axis.severities[-1] < axis.severities[0]
    severities = sorted({row.severity for row in rows}, reverse=less_is_worse)
    if not axis.is_scale or len(severities) < 2:
        return None
    return fall(severities, outcome_table(rows, severities, met))


def _conditions(axis: Axis, severity: float, episodes: int, number: int) -> list[Condition]:
    """Those of one severity, with starts of their own in each round."""
    cases = axis.cases or ("",)
    each = max(round(episodes / len(cases)), 1)
    return [
        Condition(
            axis=axis.name,
            severity=severity,
            case=case,
            unit=axis.unit,
            episodes=each,
            first=first_simulation(f"{axis.name}, halved", place) + (number - 1) * each,
            round=number,
        )
        for place, case in enumerate(cases)
    ]


def next_severity(axis: Axis, found: Fall, until_proven: bool) -> float | None:
    """The severity to try next; None: enough is known, or nothing more can be.

    Args:
        axis: With the severities that the task declares or the suite chose.
        found: What is known of the fall along it.
        until_proven: Whether to go on until the interval is as narrow as the bracket.
    """
    if found.holds is None:
        return None
    narrow = max(NARROW * abs(axis.severities[-1] - axis.severities[0]), axis.resolution)
    if found.fails is not None and abs(found.fails - found.holds) > 1.001 * narrow:
        return _middle(found.holds, found.fails, axis.resolution)
    if not until_proven:
        return None
    if found.mildest.side or found.mildest.value != found.holds:
        return found.holds
    if found.fails is not None and (found.hardest.side or found.hardest.value != found.fails):
        return found.fails
    return None


def _middle(holds: float, fails: float, resolution: float) -> float:
    if not resolution:
        return float(f"{(holds + fails) / 2:.{ROUNDED}g}")
    steps = round(abs(fails - holds) / resolution) // 2
    return holds + steps * resolution * (1.0 if fails > holds else -1.0)
