"""Refines where success falls along an axis, by bisection between severities.

After the severities of a suite, the one half way between the last that holds and the first that
does not is tried with new starts, and so on, until the two are close together. Then, if a suite
asks for it, the two ends are tried until their interval is as narrow. Rows of a round say so
(``round``): every policy is asked elsewhere, so they count for its fall and its area alone.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from robo_maxent.evaluation.severity import Fall, fall
from robo_maxent.perturbations.base import Axis
from robo_maxent.report.rows import StressEpisode, is_disturbed, met
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.suites import Condition, Suite, first_simulation, simulations

NARROW = 0.1
"""Width of a bracket that is narrow enough, relative to the range of the axis."""
ROUNDED = 3
"""Digits of a severity that was found by bisection."""


@dataclass
class _AtSeverity:
    """Episodes of an axis at one severity."""

    case: str
    """Case of the first episode."""
    cases: "array[int]" = field(default_factory=lambda: array("H"))
    sims: "array[int]" = field(default_factory=lambda: array("q"))
    hits: "array[int]" = field(default_factory=lambda: array("b"))
    disturbed: bool = False


class Outcomes:
    """Success of the episodes of a policy's mean action, a few bytes each.

    Their starts are named by case and simulation, for those of a test are of one seed.
    """

    def __init__(self, rows: Iterable[StressEpisode] = ()) -> None:
        """Begin with some rows."""
        self._of_axis: dict[str, dict[float, _AtSeverity]] = {}
        self._cases: dict[str, int] = {}
        self._undisturbed: dict[int, bool] = {}  # simulation -> whether it succeeded
        self.add(rows)

    def add(self, rows: Iterable[StressEpisode]) -> None:
        """Add rows."""
        for row in rows:
            of_axis = self._of_axis.setdefault(row.axis, {})
            there = of_axis.setdefault(row.severity, _AtSeverity(row.case))
            there.cases.append(self._number(row.case))
            there.sims.append(row.sim)
            there.hits.append(met(row))
            if is_disturbed(row):
                there.disturbed = True
            else:
                self._undisturbed.setdefault(row.sim, met(row))

    def is_nominal(self, axis: str, severity: float) -> bool:
        """Whether all episodes at a severity are undisturbed."""
        there = self._of_axis.get(axis, {}).get(severity)
        return there is not None and not there.disturbed

    def severities(self, axis: Axis) -> list[float]:
        """Severities that were run, from mild to hard."""
        less_is_worse = axis.severities[-1] < axis.severities[0]
        return sorted(self._of_axis.get(axis.name, {}), reverse=less_is_worse)

    def table(self, axis: Axis) -> np.ndarray:
        """Outcome of each start at each severity, (S, K): 1, 0, or NaN where it was not run.

        At nominal severities all undisturbed episodes count, of which a suite lists few there.
        """
        columns = [self._column(axis.name, severity) for severity in self.severities(axis)]
        starts = np.concatenate([np.stack([cases, sims], 1) for cases, sims, _ in columns])
        known, numbers = np.unique(starts, axis=0, return_inverse=True)
        table = np.full((len(known), len(columns)), np.nan)
        ends = np.cumsum([len(hits) for *_, hits in columns])[:-1]
        of_columns = np.split(numbers.reshape(-1), ends)
        for place, (of_column, (*_, hits)) in enumerate(zip(of_columns, columns, strict=True)):
            table[of_column, place] = hits
        return table

    def _column(self, axis: str, severity: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Case, simulation and success of each episode at a severity, (n,) each."""
        there = self._of_axis[axis][severity]
        if there.disturbed:
            cases, sims, hits = (np.array(each) for each in (there.cases, there.sims, there.hits))
            return cases.astype(np.int64), sims, hits
        sims, hits = np.array([*self._undisturbed]), np.array([*self._undisturbed.values()])
        return np.full(len(sims), self._number(there.case)), sims, hits

    def _number(self, case: str) -> int:
        return self._cases.setdefault(case, len(self._cases))


def next_conditions(suite: Suite, task: AnyTask, known: Outcomes, number: int) -> list[Condition]:
    """Conditions to run in the next round.

    Args:
        suite: Whose refinement.
        task: What the policy does.
        known: All rows of one policy's mean action so far.
        number: Of the round, from 1.

    Returns:
        Conditions, none of an axis of which enough is known.
    """
    conditions = []
    for axis in suite.axes(task).values():
        found = _fall(axis, known)
        severity = found and next_severity(axis, found, suite.refinement.until_proven)
        # Undisturbed episodes are as many as the suite says, for all axes.
        if severity is not None and not known.is_nominal(axis.name, severity):
            conditions += _conditions(axis, severity, suite.refinement.episodes, number)
    return conditions


def _fall(axis: Axis, known: Outcomes) -> Fall | None:
    """Estimated fall along an axis; None if it is no scale."""
    severities = known.severities(axis)
    if not axis.is_scale or len(severities) < 2:
        return None
    return fall(severities, known.table(axis))


def _conditions(axis: Axis, severity: float, episodes: int, number: int) -> list[Condition]:
    """Conditions at one severity, with new starts in each round."""
    cases = axis.cases or ("",)
    each = max(round(episodes / len(cases)), 1)
    return [
        Condition(
            axis=axis.name,
            severity=severity,
            case=case,
            unit=axis.unit,
            episodes=each,
            first=_first(axis, place, (number - 1) * each),
            round=number,
        )
        for place, case in enumerate(cases)
    ]


def _first(axis: Axis, place: int, number: int) -> int:
    """Simulation of an episode among those of all rounds of an axis and case."""
    return int(simulations(first_simulation(f"{axis.name}, halved", place), np.array(number)))


def next_severity(axis: Axis, found: Fall, until_proven: bool) -> float | None:
    """The severity to try next; None if the fall is known well enough.

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
    return round(holds + steps * resolution * (1.0 if fails > holds else -1.0), 9)
