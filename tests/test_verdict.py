"""The verdict in words says what the numbers are, and what must be known before believing them."""

from typing import Any

import pytest
from fake_suite import CAPTURE, Actor, evaluation
from hand_rows import many, push

from robo_maxent import verdict, wording
from robo_maxent.estimates import wilson
from robo_maxent.findings import findings

ORDER = {
    "conditions": [
        *({"axis": "friction", "severity": s} for s in (1.0, 0.5, 0.1)),
        *({"axis": "payload", "severity": s} for s in (0.0, 4.0)),
        *({"axis": "push", "severity": s} for s in (0.0, 1.0, 2.0)),
    ]
}


def said(rows: list[dict[str, Any]], **suite: Any) -> str:
    suite = ORDER | suite
    only = verdict.verdicts(findings(rows, suite), suite)[0]
    return " ".join([only.headline, *only.details])


def warned(rows: list[dict[str, Any]]) -> str:
    return " ".join(verdict.notices(findings(rows, ORDER), None))


def test_the_headline_is_survival_of_a_push_of_one_capture_impulse() -> None:
    unit = {"unit": "capture impulses"}
    rows = [
        *many(10, 10, axis="push", severity=0.0, **unit),
        *many(9, 10, axis="push", severity=1.0, **unit),
        *many(2, 10, axis="push", severity=2.0, **unit),
    ]
    assert said(rows, capture_impulse=CAPTURE).startswith(
        "Survives 90 % [60, 98] of 10 episodes with pushes of 1 capture impulse (9.6 N·s sideways, "
        "14.2 N·s lengthwise). Weakest: pushes above 1 capture impulse."
    )


def test_pushes_in_newton_seconds_are_judged_at_the_capture_impulse() -> None:
    rows = many(10, 10, axis="push", severity=0.0, unit="N·s")
    rows += many(9, 10, axis="push", severity=9.0, unit="N·s")
    rows += many(0, 10, axis="push", severity=20.0, unit="N·s")
    assert "pushes of 9 N·s." in said(rows, capture_impulse=CAPTURE)


def test_the_weakest_axis_is_the_one_that_fails_first_in_its_range() -> None:
    rows = [
        *many(20, 20, severity=1.0),
        *many(20, 20, severity=0.5),
        *many(16, 20, severity=0.1),
        *many(20, 20, axis="payload", severity=0.0, unit="kg"),
        *many(12, 20, axis="payload", severity=4.0, unit="kg"),
    ]
    assert "Weakest: payload above 1 kg, foot friction below 0.3." in said(rows)


def test_what_nothing_breaks_is_said_so() -> None:
    rows = [*many(20, 20, severity=1.0), *many(19, 20, severity=0.1)]
    assert "None of the 1 scales tested broke it." in said(rows)


def test_what_fails_undisturbed_holds_nowhere() -> None:
    rows = [*many(2, 20, severity=1.0), *many(0, 20, severity=0.1)]
    assert "Weakest: foot friction at any severity." in said(rows)


def test_recovery_counts_those_that_never_came_back() -> None:
    rows = [push(0.0, 0.5, 1.0, 0), push(0.0, 0.7, 1.0, 1), push(0.0, None, 1.0, 2)]
    assert "Recovers from 2 of 3 pushes within 2 s; median time 0.70 s, counting" in said(rows)


def test_the_worst_joint_is_named() -> None:
    rows = [
        *many(8, 10, axis="dead_joint", severity=1.0, case="FR_hip"),
        *many(1, 10, axis="dead_joint", severity=1.0, case="RL_calf"),
    ]
    assert "45 % [26, 66] with one joint dead; worst is RL_calf dead, 10 %." in said(rows)


def test_the_reader_is_warned_of_a_policy_that_fails_undisturbed() -> None:
    assert "walker succeeds in only 40 % [31, 50] of 100 undisturbed" in warned(
        many(40, 100, axis="nominal", severity=0.0)
    )
    assert warned(many(95, 100, axis="nominal", severity=0.0)) == ""


def test_the_reader_is_warned_of_a_null_that_does_as_well() -> None:
    null = {"policy": "zero action", "mode": "null"}
    rows = [*many(50, 100), *many(50, 100, **null)]
    assert "zero action does as well as walker along: foot friction." in warned(rows)
    assert "does as well" not in warned([*many(50, 100), *many(49, 100, **null)])
    assert "does as well" not in warned([*many(0, 100), *many(0, 100, **null)])


def test_the_reader_is_warned_of_few_episodes_and_of_faults() -> None:
    rows = many(37, 39, outcome="fault")
    assert "Fewer than 40 episodes a severity, so wide intervals: Foot friction." in warned(rows)
    assert "39 episodes of walker ended in an unstable simulation or a fault" in warned(rows)
    assert warned(many(40, 40)) == ""


@pytest.mark.parametrize(
    ("severity", "unit", "expected"),
    [
        (3.0, "kg", "3 kg"),
        (0.25, "", "0.25"),
        (0.125, "rad", "0.125 rad"),
        (4.0, "level", "level 4"),
        (1.0, "joints", "1 joint"),
        (2.0, "joints", "2 joints"),
        (1.0, "N·s", "1 N·s"),
        (1.0, "s", "1 s"),
    ],
)
def test_severities_have_their_unit(severity: float, unit: str, expected: str) -> None:
    assert wording.quantity(severity, unit) == expected


def test_a_share_short_of_all_is_not_rounded_to_all() -> None:
    assert wording.percent(wilson(997, 1000)).startswith("99.7 %")
    assert wording.percent(wilson(9999, 10000)) == "99.9 % [99.9, 100.0]"
    assert wording.percent(wilson(10, 10)).startswith("100 %")


def test_every_policy_has_a_verdict() -> None:
    rows, suite = evaluation((Actor("a", "mean", 0.0), Actor("b", "mean", 0.1)), each=8)
    verdicts = verdict.verdicts(findings(rows, suite), suite)
    assert [v.policy for v in verdicts] == ["a", "b"]
    assert all(v.headline.startswith("Survives") for v in verdicts)
