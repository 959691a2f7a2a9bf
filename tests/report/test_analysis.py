"""What a report says about rows, against rows worked by hand."""

import json
import math
import tracemalloc
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
import pytest
from fake_suite import Actor, evaluation
from hand_rows import LABELS, axis_label, declared, many, push, row

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import CensoredValue
from robo_maxent.evaluation.severity import severity_curve
from robo_maxent.report import curves
from robo_maxent.report.analysis import analyse
from robo_maxent.report.breakdowns import sector
from robo_maxent.report.curves import SEED, curve, outcome_table
from robo_maxent.report.failures import Failures
from robo_maxent.report.row_table import RowTable, numbered
from robo_maxent.report.rows import (
    Grip,
    StressEpisode,
    distinct,
    identity,
    is_disturbed,
    met,
    ordered,
)


def test_shares_count_what_they_say() -> None:
    rows = [*many(10, 10, severity=1.0), *many(6, 8, severity=0.5), *many(1, 4, severity=0.1)]
    axis = analyse(rows, {}).axes["friction"]
    found = axis.success["walker"]
    assert axis.severities == found.severities == (1.0, 0.5, 0.1)
    assert [(s.share, s.count) for s in found.shares] == [(1.0, 10), (0.75, 8), (0.25, 4)]
    assert (axis.disturbed["walker"].share, axis.disturbed["walker"].count) == (7 / 12, 12)


def test_the_nominal_severity_is_no_disturbance() -> None:
    found = analyse([*many(5, 5, severity=1.0), *many(0, 5, severity=0.5)], {})
    assert found.axes["friction"].outcomes == {"walker": {"fell": 5}}
    assert found.overall["walker"].share == 0.0


def test_undisturbed_episodes_are_not_counted_as_disturbed() -> None:
    found = analyse([*many(9, 10, axis="nominal", severity=0.0), *many(1, 2)], {})
    assert (found.nominal["walker"].share, found.overall["walker"].count) == (0.9, 2)


def test_what_is_nominal_follows_from_the_parameters_and_not_from_the_place_on_the_axis() -> None:
    """The robot's own friction is 0.8, the second of the axis: 1.0 is a disturbance."""
    rows = [
        *many(3, 5, severity=1.0, params={"foot_friction": 1.0}),
        *many(5, 5, severity=0.8, params={}),
        *many(1, 5, severity=0.1, params={"foot_friction": 0.1}),
    ]
    found = analyse(rows, declared(friction=(1.0, 0.8, 0.1)))
    axis = found.axes["friction"]
    assert axis.nominal == (0.8,)
    assert (axis.disturbed["walker"].share, axis.disturbed["walker"].count) == (0.4, 10)
    assert (found.nominal["walker"].share, found.nominal["walker"].count) == (1.0, 5)
    assert {r.severity for r in Failures(rows).choose(declared(friction=(1.0, 0.8, 0.1)))} == {
        1.0,
        0.1,
    }


def test_the_ground_of_a_kind_is_a_disturbance_and_that_of_the_task_is_none() -> None:
    assert is_disturbed(row(severity=0.0, params={}, terrain="stairs_up", level=0))
    assert not is_disturbed(row(severity=0.0, params={}, terrain="flat", level=0))
    assert not is_disturbed(row(severity=0.5, params={}))


def test_an_episode_that_stands_for_several_axes_counts_once() -> None:
    """Six undisturbed episodes, of which each axis lists some, and two of each disturbance."""
    rows = [
        *many(6, 6, axis="nominal", severity=0.0),
        *many(2, 2, axis="push", severity=0.0),
        *many(4, 4, axis="payload", severity=0.0),
        *many(1, 2, axis="push", severity=1.0),
        *many(1, 2, axis="payload", severity=4.0),
        *many(4, 4, axis="nominal", severity=0.0, mode="sampled"),
        *many(3, 3, axis="nominal", severity=0.0, policy="zero action", mode="baseline"),
    ]
    found = analyse(rows, {})
    assert (found.episodes, found.rows) == (6 + 2 + 2 + 4 + 3, len(rows))
    assert found.nominal["walker"].count == 6
    assert len(distinct(rows)) == found.episodes


def test_a_curve_has_all_undisturbed_episodes_where_it_is_nominal() -> None:
    rows = [
        *many(90, 100, axis="nominal", severity=0.0),
        *many(8, 8, axis="push", severity=0.0, unit="capture impulses"),
        *many(6, 8, axis="push", severity=1.0, case="left"),
        *many(4, 4, axis="nominal", severity=0.0, mode="sampled"),
    ]
    found = analyse(rows, declared(nominal=(0.0,), push=(0.0, 1.0))).axes["push"]
    shares = [(share.share, share.count) for share in found.success["walker"].shares]
    assert shares == [(0.9, 100), (0.75, 8)]
    assert found.disturbed["walker"].count == 8


def test_the_failures_of_undisturbed_episodes_are_watched_where_nothing_else_was_run() -> None:
    rows = many(2, 3, axis="nominal", severity=0.0)
    assert [r.sim for r in Failures(rows).choose({})] == [2]


def test_an_axis_says_which_way_is_harder_where_the_conditions_do_not() -> None:
    rows = [*many(1, 3, severity=0.1), *many(3, 3, severity=1.0)]
    suite = {"axes": [axis_label("friction", "Friction", severities=[1.0, 0.5, 0.1])]}
    assert ordered("friction", [row.severity for row in rows], suite) == (1.0, 0.1)


def test_the_suite_says_which_way_is_harder() -> None:
    rows = [*many(1, 3, severity=0.1), *many(3, 3, severity=1.0)]
    suite = {"conditions": [{"axis": "friction", "severity": s} for s in (1.0, 0.5, 0.1)]}
    assert ordered("friction", [row.severity for row in rows], suite) == (1.0, 0.1)
    assert ordered("friction", [row.severity for row in rows], {}) == (0.1, 1.0)


def test_surviving_is_success_where_a_task_knows_none() -> None:
    rows = [row(success=None, survived=True), row(success=None, survived=False, sim=1)]
    assert analyse(rows, {}).axes["friction"].disturbed["walker"].share == 0.5


def test_success_and_survival_are_kept_apart() -> None:
    rows = [row(success=False, survived=True), row(success=True, survived=True, sim=1)]
    axis = analyse(rows, {}).axes["friction"]
    assert axis.success["walker"].shares[0].share == 0.5
    assert axis.survived["walker"].shares[0].share == 1.0


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        (0.0, 0),
        (math.pi / 2, 2),
        (-math.pi / 2, 6),
        (math.pi, 4),
        (-math.pi, 4),
        (2 * math.pi - 0.1, 0),
        (math.pi / 8 + 0.01, 1),
    ],
)
def test_a_push_belongs_to_the_nearest_eighth_of_a_turn(direction: float, expected: int) -> None:
    assert sector(direction) == expected


def test_pushes_are_told_by_where_they_drive_the_robot() -> None:
    rows = [
        push(math.pi / 2, 0.4, 1.0, 0),
        push(math.pi / 2, None, 1.0, 1),
        push(-math.pi / 2, 0.6, 2.0, 2),
        push(0.0, 0.0, 0.0, 3),  # the nominal severity: no push
    ]
    analysis = analyse(rows, declared(push=(0.0, 1.0, 2.0)))
    grid = analysis.breakdowns[0].grids["walker"]
    assert analysis.breakdowns[0].breakdown.title == "direction"
    cells = grid.cells
    assert {place: (s.share, s.count) for place, s in cells.items()} == {
        (2, 1.0): (0.5, 2),
        (6, 2.0): (1.0, 1),
    }
    assert grid.columns == (1.0, 2.0)


def test_pushes_are_told_by_the_moment_of_the_stride_that_they_began_at() -> None:
    rows = [
        push(0.0, 0.4, 1.0, 0, phase=0.99),
        push(0.0, None, 1.0, 1, phase=0.5),
        push(0.0, 0.6, 1.0, 2, phase=None),  # it stood
    ]
    breakdown = analyse(rows, declared(push=(1.0,))).breakdowns[1]
    assert breakdown.breakdown.title == "stride phase"
    cells = breakdown.grids["walker"].cells
    assert {place: s.share for place, s in cells.items()} == {(0, 1.0): 1.0, (4, 1.0): 0.0}


def test_pushes_that_were_not_recovered_from_are_censored_not_dropped() -> None:
    rows = [push(0.0, 0.4, 1.0, 0), push(0.0, None, 1.0, 1), push(0.0, None, 1.0, 2)]
    (recovery,) = analyse(rows, declared(push=(1.0,))).recovery
    times = recovery.times["walker"]
    assert (times.count, times.events) == (3, 1)
    assert times.median.value == CensoredValue(2.0, ">")
    assert times.curve.when(1 / 3) == CensoredValue(0.4)


def test_policies_are_compared_by_the_safe_set_that_all_share() -> None:
    """By its own, which is wide, the other never leaves it."""
    rows = [push(0.0, 0.4, 1.0, sim, common=0.4) for sim in range(3)]
    rows += [push(0.0, 0.0, 1.0, sim, common=0.6, policy="other") for sim in range(2)]
    rows += [push(0.0, 0.0, 1.0, 2, common=None, policy="other")]
    (recovery,) = analyse(rows, declared(push=(1.0,))).recovery
    own, common = recovery.times["other"], recovery.compared["other"]
    assert (own.events, own.median.value.value) == (3, 0.0)
    assert (common.events, common.median.value.value) == (2, 0.6)
    assert recovery.compared["walker"] == recovery.times["walker"]


def test_a_time_without_recovery_does_not_count_as_one() -> None:
    failed = push(0.0, 0.4, 1.0, 0, recovered=False)
    (recovery,) = analyse([failed], declared(push=(1.0,))).recovery
    assert recovery.times["walker"].events == 0


def test_cases_are_judged_by_their_disturbed_episodes_only() -> None:
    rows = [
        *many(4, 4, axis="dead_joint", severity=0.0, case="FR_hip"),
        *many(1, 4, axis="dead_joint", severity=1.0, case="FR_hip"),
    ]
    (breakdown,) = analyse(rows, declared(dead_joint=(0.0, 1.0))).breakdowns
    cells = breakdown.grids["walker"].cells
    assert {place: share.share for place, share in cells.items()} == {("FR_hip", 1.0): 0.25}


def test_an_axis_nobody_knows_is_broken_down_as_it_declares() -> None:
    by_side = {"title": "side", "by": "case", "picture": "grid"}
    rows = [
        *many(8, 8, axis="wind", severity=0.0),
        *many(3, 4, axis="wind", severity=10.0, case="left"),
        *many(1, 4, axis="wind", severity=10.0, case="right"),
    ]
    wind = axis_label("wind", "Steady wind", "N", breakdowns=[by_side])
    analysis = analyse(rows, {"axes": [wind]})
    label = analysis.axes["wind"].label
    assert (label.title, label.unit, analysis.axes["wind"].is_scale) == ("Steady wind", "N", True)
    (breakdown,) = analysis.breakdowns
    shares = {place: share.share for place, share in breakdown.grids["walker"].cells.items()}
    assert shares == {("left", 10.0): 0.75, ("right", 10.0): 0.25}


def test_a_case_pooled_over_severities_is_the_share_of_all_its_episodes() -> None:
    rows = [
        *many(3, 4, axis="terrain", severity=2.0, case="rough"),
        *many(1, 12, axis="terrain", severity=4.0, case="rough"),
    ]
    suite = declared(terrain=(0.0, 2.0, 4.0))
    disturbed = [*many(1, 1, axis="terrain", severity=0.0, case="rough"), *rows]
    (breakdown,) = analyse(disturbed, suite).breakdowns
    pooled = breakdown.grids["walker"].pooled("rough")
    assert (pooled.share, pooled.count) == (0.25, 16)


def test_a_breakdown_without_anything_to_tell_apart_is_left_out() -> None:
    assert analyse(many(1, 4, axis="dead_joint"), declared(dead_joint=(0.5,))).breakdowns == ()
    stood = [push(0.0, 0.4, 1.0, 0), push(0.0, None, 1.0, 1)]
    shown = analyse(stood, declared(push=(1.0,))).breakdowns
    assert [each.breakdown.by for each in shown] == ["push direction"]


def test_every_axis_with_a_breakdown_of_pushes_has_its_recovery_times() -> None:
    rows = [push(0.0, 0.4, 1.0, 0), push(0.0, 0.8, 2.0, 0, axis="shove")]
    rows += [push(0.0, 0.1, 1.0, 0, axis="timing")]  # declares none
    shove = axis_label("shove", "Shoves", breakdowns=LABELS["push"]["breakdowns"])
    suite = declared(timing=(1.0,), push=(1.0,))
    suite["axes"] = [shove, *suite["axes"]]
    recovery = analyse(rows, suite).recovery
    assert [each.label.name for each in recovery] == ["shove", "push"]
    assert {s: t.count for s, t in recovery[0].by_severity["walker"].items()} == {2.0: 1}


def test_an_axis_has_the_unit_of_its_rows_where_it_declares_none() -> None:
    analysis = analyse(many(1, 1, axis="current", unit="A"), {})
    assert analysis.axes["current"].label.unit == "A"


def test_policies_are_compared_on_the_episodes_they_share() -> None:
    """Of sims 0 to 3, both were run on 1 to 3; the second gains one of them."""
    first = [row(sim=sim, success=sim == 1) for sim in range(4)]
    second = [row(sim=sim, success=sim < 3, policy="other") for sim in range(1, 5)]
    found = analyse(first + second, {})
    gain = found.axes["friction"].differences["other"]
    assert (gain.difference.count, gain.only_first, gain.only_second) == (3, 1, 0)
    assert gain.difference.value == pytest.approx(1 / 3)  # above 0: the second is better
    assert found.unpaired == 1
    assert found.policies == ("walker", "other")


def test_differences_are_adjusted_for_how_many_there_are() -> None:
    """Of 9 pairs, 9 went one way, p = 2 / 2**9; of 4, 2 each; p is doubled, and 1 stays 1."""
    axes = {"friction": ([0] * 9, [1] * 9), "payload": ([0, 0, 1, 1], [1, 1, 0, 0])}
    rows = [
        row(axis, success=bool(hit), sim=sim, policy=who)
        for axis, both in axes.items()
        for who, hits in zip(("walker", "other"), both, strict=True)
        for sim, hit in enumerate(hits)
    ]
    found = analyse(rows, {})
    assert found.adjusted == pytest.approx(
        {("other", "friction"): 4 / 2**9, ("other", "payload"): 1.0}
    )


def test_cases_do_not_pair_with_other_cases() -> None:
    rows = [row(case="left"), row(case="right", policy="other")]
    assert analyse(rows, {}).axes["friction"].differences == {}


def test_sampled_actions_are_compared_but_judged_apart() -> None:
    rows = [*many(4, 4), *many(2, 4, mode="sampled")]
    axis = analyse(rows, {}).axes["friction"]
    assert axis.disturbed["walker"].share == 1.0
    both = axis.sampled["walker"]
    assert (both.mean.share, both.sampled.share) == (1.0, 0.5)
    assert both.difference is not None
    assert both.difference.difference.value == -0.5


def test_a_policy_that_only_samples_is_judged_by_that() -> None:
    assert (
        analyse(many(1, 4, mode="sampled"), {}).axes["friction"].disturbed["walker"].share == 0.25
    )


def test_baselines_are_in_the_curves_but_are_no_policies() -> None:
    rows = [*many(4, 4), *many(0, 4, policy="zero action", mode="baseline")]
    found = analyse(rows, {})
    assert (found.policies, found.baselines) == (("walker",), ("zero action",))
    assert list(found.axes["friction"].success) == ["walker", "zero action"]
    assert "zero action" not in found.axes["friction"].outcomes


def test_axes_that_were_not_run_are_listed() -> None:
    analysis = analyse(many(1, 1), declared(friction=(0.5,), push=(0.0, 1.0)))
    assert [label.title for label in analysis.not_run] == ["Pushes"]
    assert analysis.breakdowns == analysis.recovery == ()


def test_an_axis_nobody_knows_is_shown_after_the_others() -> None:
    rows = [*many(1, 1, axis="moonlight"), *many(1, 1, axis="payload")]
    found = analyse(rows, declared(payload=(0.5,)))
    assert list(found.axes) == ["payload", "moonlight"]
    assert found.axes["moonlight"].label.title == "Moonlight"


def test_a_curve_has_its_area_and_its_fall() -> None:
    rows = [*many(20, 20, severity=1.0), *many(19, 20, severity=0.5), *many(17, 20, severity=0.0)]
    suite = {"conditions": [{"axis": "friction", "severity": s} for s in (1.0, 0.5, 0.0)]}
    found = analyse(rows, suite).axes["friction"].success["walker"]
    assert found.area is not None
    assert found.fall is not None
    assert (found.area.least, found.area.most) == pytest.approx((1.8 / 2, 1.95 / 2))
    assert (found.fall.holds, found.fall.fails) == (0.5, 0.0)
    assert found.reach(1.0, 0.25) == pytest.approx(1.0)  # half way from 0.5 to 0.0


def test_a_curve_reaches_from_nominal_which_need_not_be_the_mildest() -> None:
    """Friction falls half way between 0.8, the robot's own, and 0.4: of the way to 0.3, 0.2/0.5."""
    rows = [r for s, n in ((1.0, 20), (0.8, 20), (0.4, 2)) for r in many(n, 20, severity=s)]
    found = curve(RowTable(rows).all(), (1.0, 0.8, 0.4), met)
    assert found.reach(0.8, 0.3) == pytest.approx(0.4)
    assert curve(RowTable(rows[:20] + rows[40:]).all(), (1.0, 0.4), met).reach(0.6, 0.3) == 0.0


def test_the_interval_of_a_curve_is_that_of_its_starts_met_at_every_severity() -> None:
    """Rows in another order, in other company, of a start named by its case as well."""
    rows = [
        row(severity=severity, success=sim < hits, sim=sim, case=case)
        for severity, hits in ((0.9, 10), (0.5, 8), (0.1, 3))
        for sim in range(10)
        for case in ("left", "right")
    ]
    suite = {"conditions": [{"axis": "friction", "severity": s} for s in (0.9, 0.5, 0.1)]}
    found = analyse(rows, suite).axes["friction"].success["walker"]
    starts = np.repeat(np.arange(10), 2)[:, None] < np.array([10, 8, 3])
    rng = np.random.default_rng(SEED)
    alone = severity_curve(
        (0.9, 0.5, 0.1), starts, rng, axis="", unit="", resamples=curves.RESAMPLES
    )
    assert (found.area, found.fall) == (alone.area, alone.fall)
    more = [*reversed(rows), *many(3, 9, axis="payload"), *many(2, 4, axis="payload", severity=3.0)]
    assert analyse(more, suite).axes["friction"].success["walker"] == found


def test_a_start_that_a_severity_lacks_counts_where_it_was_run() -> None:
    rows = [*many(8, 8, severity=1.0), *many(1, 4, severity=0.5)]
    table = outcome_table(RowTable(rows).all(), (1.0, 0.5), met)
    assert np.nansum(table, axis=0).tolist() == [8.0, 1.0]
    assert np.isnan(table).sum(0).tolist() == [0, 4]


@pytest.mark.parametrize(
    ("hits", "holds", "never", "reach"),
    [((20, 19), True, False, np.inf), ((10, 0), False, True, 0.0), ((20, 16), False, False, 0.5)],
)
@pytest.mark.parametrize("severities", [(0.0, 1.0), (1.0, 0.0)])
def test_a_curve_knows_whether_it_falls_within_its_range(
    severities: tuple[float, float],
    hits: tuple[int, int],
    holds: bool,
    never: bool,
    reach: float,
) -> None:
    rows = [r for s, n in zip(severities, hits, strict=True) for r in many(n, 20, severity=s)]
    found = curve(RowTable(rows).all(), severities, met)
    assert (found.holds, found.never) == (holds, never)
    assert found.reach(*severities) == pytest.approx(reach)


def test_severities_without_an_order_have_no_critical_one() -> None:
    rows = [*many(2, 2, severity=1.0), *many(1, 2, severity=0.8), *many(1, 2, severity=1.2)]
    found = analyse(rows, {}).axes["friction"].success["walker"]
    assert (found.fall, found.area) == (None, None)


def test_failures_to_watch_begin_with_the_mildest_disturbance_and_take_turns() -> None:
    rows = [
        *many(0, 3, axis="push", severity=2.0, case="left"),
        *many(0, 1, axis="push", severity=1.0, case="left"),
        *many(0, 1, axis="push", severity=1.0, case="right"),
        *many(0, 1, axis="push", severity=0.0, case="left"),
        *many(0, 1, axis="payload", severity=3.0),
        *many(3, 3, axis="slip"),
        *many(0, 9, axis="slip", policy="zero action", mode="baseline"),
    ]
    suite = {"conditions": [{"axis": "push", "severity": s} for s in (0.0, 1.0, 2.0)]}
    chosen = [(r.axis, r.severity, r.case) for r in Failures(rows, 5).choose(suite)]
    assert chosen == [
        ("push", 1.0, "left"),
        ("payload", 3.0, ""),
        ("push", 1.0, "right"),
        ("push", 2.0, "left"),
        ("push", 2.0, "left"),
    ]


def test_no_two_rows_have_the_same_name() -> None:
    rows = [
        row(),
        row(sim=1),
        row(mode="sampled"),
        row(case="x"),
        row(policy="p"),
        row(severity=0.6),
    ]
    assert len({identity(r) for r in rows}) == len(rows)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there are no rows to report on"),
        ([row(), row(severity=math.nan)], "row 2: severity must be a finite number, got nan"),
        ([row(mode="best")], "mode must be one of mean, sampled, baseline, got 'best'"),
        ([row(), row()], "row walker/mean/friction/0.5/-/1-0-0 is there more than once"),
        ([row(mode="baseline")], "baselines alone are nothing to report on"),
        ([row(), row(mode="baseline")], "'walker' is the name of a policy and of a baseline"),
    ],
)
def test_rows_that_say_nothing_are_refused(rows: list[StressEpisode], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        analyse(rows, {})


def test_a_row_is_the_same_after_it_was_stored() -> None:
    stored = json.loads(json.dumps(push(0.3, 0.4, 1.0, 7).to_json()))
    assert StressEpisode.from_json(stored) == push(0.3, 0.4, 1.0, 7)


@pytest.mark.parametrize("name", ["policy", "axis", "severity", "outcome", "seed"])
def test_a_row_that_lacks_a_value_is_refused_by_its_name(name: str) -> None:
    stored = {key: value for key, value in row().to_json().items() if key != name}
    with pytest.raises(UsageError, match=f"^a row of a stress test lacks '{name}'$"):
        StressEpisode.from_json(stored)


def test_a_row_whose_push_lacks_a_value_is_refused() -> None:
    stored = push(0.3, 0.4, 1.0, 7).to_json()
    del stored["pushes"][0]["impulse"]
    with pytest.raises(
        UsageError, match="element 1 of pushes of a row of a stress test lacks 'impulse'"
    ):
        StressEpisode.from_json(stored)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"by": "colour"},
            "by of element 1 of breakdowns of an axis of the suite must be one of c",
        ),
        (
            {"picture": "pie"},
            "picture of .* of an axis .* must be one of grid, polar, joints, paths, got 'pie'",
        ),
    ],
)
def test_a_breakdown_that_there_is_not_is_refused(wrong: dict[str, str], said: str) -> None:
    breakdown = {"title": "side", "by": "case", "picture": "grid"} | wrong
    with pytest.raises(UsageError, match=said):
        analyse(many(1, 1), {"axes": [axis_label("wind", "Wind", breakdowns=[breakdown])]})


def test_an_axis_without_a_title_is_refused() -> None:
    with pytest.raises(UsageError, match="an axis of the suite lacks 'title'"):
        analyse(many(1, 1), {"axes": [{"name": "wind"}]})


# -- a million rows --------------------------------------------------------------


def test_a_table_of_rows_takes_few_bytes_a_row() -> None:
    saved = row().to_json()
    rows = (StressEpisode.from_json(saved | {"sim": 10**6 + n}) for n in range(2000))
    table = RowTable(islice(rows, 100))
    tracemalloc.start()
    try:
        table.extend(rows)
        size = tracemalloc.get_traced_memory()[0] / len(table)
    finally:
        tracemalloc.stop()
    assert size < 64


def test_counting_the_rows_of_one_axis_takes_few_bytes_a_row() -> None:
    def peak(starts: int) -> tuple[int, int]:
        table = RowTable(
            row(severity=severity, success=sim % 7 > hard, sim=sim, policy=policy, mode=mode)
            for sim in range(starts)
            for hard, severity in enumerate((0.9, 0.5, 0.1))
            for policy, mode in (("walker", "mean"), ("idle", "baseline"))
        )
        tracemalloc.start()
        try:
            analyse(table, {}, Failures())
            return len(table), tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (few, less), (many_rows, more) = peak(200), peak(1000)
    assert (more - less) / (many_rows - few) < 150


def test_rows_that_are_the_same_in_all_columns_have_the_same_number() -> None:
    one, other = np.array([7, 3, 7, 3, 7]), np.array([2**62, 0, 1, 0, 2**62])
    assert numbered(one, other).tolist() == [0, 1, 2, 1, 0]
    assert numbered(np.array([], int)).tolist() == []


def test_a_row_as_json_is_what_the_dataclass_says_of_it() -> None:
    pushed = push(0.3, 0.4, 1.0, 7)
    for each in (row(), pushed, replace(pushed, grip=Grip(1.0, True), path=((0.0, 1.0),))):
        assert json.dumps(each.to_json()) == json.dumps(asdict(each))


def test_a_table_gives_back_what_is_counted_of_each_row() -> None:
    held = replace(row(sim=3), grip=Grip(1.0, True, 0.5, 2.0), places={"object": (0.5, -0.1)})
    went = row(sim=4, path=((0.0, 1.0), (2.0, 3.0)), metrics={"left": None})
    given = [row(), push(0.3, 0.4, 1.0, 7), held, went, row(success=None), row(params={"a": 2.0})]
    table = RowTable(given)
    kept = [replace(each, reward=0.0, params=dict.fromkeys(each.params)) for each in given]
    assert list(table) == kept
    assert [table[-1], *table[1:3]] == [kept[-1], *kept[1:3]]
    with pytest.raises(IndexError):
        table[len(given)]


def test_a_table_tells_the_same_as_its_rows() -> None:
    rows, suite = evaluation((Actor("walker", "mean", 0.0), Actor("still", "baseline", -0.3)), 20)
    whole = analyse(rows, suite)
    assert analyse(RowTable(rows), suite, Failures(rows)) == whole
    assert whole.failures[0].params


def test_failures_are_chosen_from_a_few_of_each_condition_as_from_all() -> None:
    rows, suite = evaluation((Actor("walker", "mean", -0.2),), 60, axes=("push", "payload"))
    failures = Failures(rows, most=4)
    of_conditions = [kept for of_axis in failures._kept.values() for kept in of_axis.values()]
    assert max(map(len, of_conditions)) == 4
    assert failures.choose(suite) == Failures(rows, most=10_000).choose(suite)[:4]
    backwards = Failures(reversed(rows), most=4)
    assert backwards.choose(suite) == failures.choose(suite)
