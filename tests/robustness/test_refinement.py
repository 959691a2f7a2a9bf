"""Halving looks for the fall between the severities of a suite, and says what it asked."""

from dataclasses import replace

import numpy as np
import pytest
from hand_rows import many, row

from robo_maxent.evaluation.severity import fall
from robo_maxent.perturbations.base import Axis
from robo_maxent.report.analysis import analyse
from robo_maxent.report.failures import Failures
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.refinement import Outcomes, next_conditions, next_severity
from robo_maxent.robustness.suites import SUITES
from robo_maxent.tasks import make

PAYLOAD = Axis("payload", "Payload", "kg", "a mass", (0.0, 4.0, 8.0), reference=4.0)
LEVEL = Axis("terrain", "Terrain", "level", "", (0.0, 2.0, 10.0), reference=4.0, resolution=1.0)
MISSING = Axis("m", "Missing", "s", "", (0.0, 0.32, 0.48), reference=0.08, resolution=0.04)


def after(axis: Axis, hits: dict[float, int], count: int, until_proven: bool) -> float | None:
    """The next severity, of so many successes at each severity."""
    table = np.full((len(hits) * count, len(hits)), np.nan)
    for place, number in enumerate(hits.values()):
        table[place * count : (place + 1) * count, place] = np.arange(count) < number
    return next_severity(axis, fall(list(hits), table), until_proven)


@pytest.mark.parametrize(
    ("axis", "hits", "expected"),
    [
        (PAYLOAD, {0.0: 24, 4.0: 24, 8.0: 2}, 6.0),
        (PAYLOAD, {0.0: 24, 4.0: 24, 6.0: 24, 8.0: 2}, 7.0),
        (PAYLOAD, {0.0: 24, 4.0: 24, 7.2: 24, 8.0: 2}, None),  # a tenth of 8
        (PAYLOAD, {0.0: 24, 4.0: 24, 8.0: 24}, None),  # it holds
        (PAYLOAD, {0.0: 8, 4.0: 2, 8.0: 0}, None),  # it never holds
        (PAYLOAD, {0.0: 24, 4.0: 24, 4.8125: 3, 8.0: 2}, 4.41),
        (MISSING, {0.0: 24, 0.08: 24, 0.32: 2}, 0.2),
        (MISSING, {0.0: 24, 0.08: 24, 0.2: 24, 0.48: 2}, 0.32),
        (MISSING, {0.0: 24, 0.2: 24, 0.24: 2, 0.48: 2}, None),  # a step
        (LEVEL, {0.0: 24, 2.0: 24, 10.0: 0}, 6.0),
        (LEVEL, {0.0: 24, 2.0: 24, 5.0: 0, 10.0: 0}, 3.0),
        (LEVEL, {0.0: 24, 2.0: 24, 3.0: 0, 10.0: 0}, None),  # no level lies between
    ],
)
def test_the_next_severity_halves_what_is_open(
    axis: Axis, hits: dict[float, int], expected: float | None
) -> None:
    assert after(axis, hits, 24, until_proven=False) == expected


def test_less_may_be_worse() -> None:
    axis = Axis("grip", "Grip", "", "", (1.0, 0.5, 0.1), reference=0.5)
    assert after(axis, {1.0: 24, 0.5: 24, 0.1: 0}, 24, until_proven=False) == 0.3
    whole = replace(axis, severities=(9.0, 5.0, 1.0), resolution=1.0)
    assert after(whole, {9.0: 24, 5.0: 24, 1.0: 0}, 24, until_proven=False) == 3.0


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    [
        ({0.0: 24, 7.2: 24, 8.0: 2}, 24, 7.2),  # that it holds there is no proof yet
        ({0.0: 90, 7.2: 90, 8.0: 79}, 90, 8.0),  # that it does not hold there
        ({0.0: 90, 7.2: 90, 8.0: 2}, 90, None),
        ({0.0: 24, 8.0: 24}, 24, 8.0),
    ],
)
def test_then_the_ends_are_asked_until_they_are_proven(
    hits: dict[float, int], count: int, expected: float | None
) -> None:
    assert after(PAYLOAD, hits, count, until_proven=True) == expected


def test_each_round_has_starts_of_its_own() -> None:
    task, suite = make("quadruped-flat"), SUITES["full"]
    rows = [
        each
        for severity, hits in ((0.0, 24), (3.0, 24), (7.0, 0))
        for each in many(hits, 24, axis="payload", severity=severity)
    ]
    first, second = (next_conditions(suite, task, Outcomes(rows), number) for number in (1, 2))
    assert [(c.axis, c.severity, c.episodes, c.round) for c in first] == [("payload", 5.0, 24, 1)]
    met = {c.first + n for c in suite.conditions(task, "mean") for n in range(c.episodes)}
    starts = [{c.first + n for n in range(c.episodes)} for c in (first[0], second[0])]
    assert not starts[0] & starts[1]
    assert not (starts[0] | starts[1]) & met


def test_of_undisturbed_episodes_no_more_are_asked_for() -> None:
    """Whether success holds with nothing different is not proven by these, and friction 0.8 is."""
    task, suite = make("quadruped-flat"), SUITES["full"]

    def asked(**params: float) -> list[float]:
        rows = [
            *many(20, 20, severity=1.0, params={"foot_friction": 1.0}),
            *many(20, 20, severity=0.8, params=params),
            *many(2, 20, severity=0.75, params={"foot_friction": 0.75}),
        ]
        return [each.severity for each in next_conditions(suite, task, Outcomes(rows), 1)]

    assert asked() == []
    assert asked(foot_friction=0.8) == [0.8]


def test_a_fall_is_looked_for_with_all_undisturbed_episodes() -> None:
    """Eight of a hundred would say that it never holds."""
    task, suite = make("quadruped-flat"), SUITES["full"]
    rows = [
        *(replace(each, sim=99 - each.sim) for each in many(98, 100, axis="nominal", severity=0.0)),
        *(replace(each, sim=7 - each.sim) for each in many(6, 8, axis="payload", severity=0.0)),
        *many(0, 24, axis="payload", severity=4.0),
    ]
    assert [c.severity for c in next_conditions(suite, task, Outcomes(rows), 1)] == [2.0]


def test_a_round_asks_every_case_alike() -> None:
    task, suite = make("quadruped-flat"), SUITES["quick"]
    cases = disturbances(task)["push"].axis.cases
    rows = [
        each
        for severity, hits in ((0.0, 8), (1.0, 8), (2.0, 0))
        for case in cases
        for each in many(hits, 8, axis="push", severity=severity, case=case)
    ]
    asked = next_conditions(suite, task, Outcomes(rows), 1)
    assert [c.case for c in asked] == list(cases)
    assert {(c.severity, c.episodes) for c in asked} == {(1.5, 1)}


def test_rows_of_a_round_count_for_the_curve_alone() -> None:
    grid = [
        *many(20, 20, axis="payload", severity=0.0),
        *many(20, 20, axis="payload", severity=4.0),
        *many(0, 20, axis="payload", severity=8.0),
    ]
    more = [
        replace(each, round=1, sim=each.sim + 1000)
        for each in many(9, 12, axis="payload", severity=6.0)
    ]
    suite = {"conditions": [{"axis": "payload", "severity": s} for s in (0.0, 4.0, 8.0)]}
    plain, refined = analyse(grid, suite), analyse([*grid, *more], suite)
    axis = refined.axes["payload"]
    curve = axis.success["walker"]
    assert curve.severities == (0.0, 4.0, 6.0, 8.0)
    assert curve.fall is not None
    assert (curve.fall.holds, curve.fall.fails) == (4.0, 6.0)
    assert axis.severities == (0.0, 4.0, 8.0)
    assert axis.disturbed == plain.axes["payload"].disturbed
    assert refined.overall == plain.overall
    assert refined.failures == plain.failures
    assert Failures([row(round=1, success=False), *grid]).choose(suite) == list(plain.failures)


def test_a_row_that_lacks_its_round_is_no_traceback() -> None:
    """Its severity then stands after the others, which are no longer in order."""
    rows = [
        *many(20, 20, axis="payload", severity=0.0),
        *many(20, 20, axis="payload", severity=8.0),
        *many(9, 12, axis="payload", severity=4.0),
        replace(row(axis="payload", severity=6.0, sim=99), round=2),
    ]
    suite = {"conditions": [{"axis": "payload", "severity": s} for s in (0.0, 8.0)]}
    axis = analyse(rows, suite).axes["payload"]
    assert axis.severities == axis.success["walker"].severities == (0.0, 8.0, 4.0)
    assert axis.success["walker"].fall is None
