"""The verdict in words says what the numbers are, and what must be known before believing them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_suite import CAPTURE, Actor, evaluation
from hand_rows import LABELS, axis_label, declared, many, push, row

from robo_maxent.evaluation.intervals import Estimate, proportion
from robo_maxent.evaluation.paired import success_difference
from robo_maxent.evaluation.severity import Area
from robo_maxent.evaluation.survival import waiting_times
from robo_maxent.report import formatting, verdict
from robo_maxent.report.analysis import analyse
from robo_maxent.report.caveats import caveats
from robo_maxent.report.rows import StressEpisode

ORDER = declared(
    friction=(1.0, 0.5, 0.1),
    payload=(0.0, 4.0),
    push=(0.0, 1.0, 2.0),
    slip=(),
    dead_joint=(),
)


def said(rows: list[StressEpisode], **suite: Any) -> str:
    suite = ORDER | suite
    only = verdict.verdicts(analyse(rows, suite), suite)[0]
    return " ".join([only.headline, *only.details])


def warned(rows: list[StressEpisode]) -> str:
    return " ".join(caveats(analyse(rows, ORDER), None))


def test_the_headline_is_survival_of_a_push_of_one_capture_impulse() -> None:
    rows = [
        *many(10, 10, axis="push", severity=0.0),
        *many(9, 10, axis="push", severity=1.0),
        *many(2, 10, axis="push", severity=2.0),
    ]
    assert said(rows, capture_impulse=CAPTURE).startswith(
        "Survives 90 % [60, 98] of 10 episodes with pushes of 1 capture impulse (9.6 N·s sideways, "
        "14.2 N·s lengthwise). Weakest: pushes (90 % lost between 1 and 2 capture impulses "
        "[< 0, 2])."
    )


def test_the_headline_is_about_the_severity_nearest_to_the_reference_of_the_axis() -> None:
    gust = axis_label("gust", "Gusts", "N", phrase="in gusts of {severity}", reference=10.0)
    rows = [
        *many(10, 10, axis="gust", severity=0.0),
        *many(9, 10, axis="gust", severity=8.0),
        *many(0, 10, axis="gust", severity=20.0),
    ]
    words = said(rows, axes=[gust], capture_impulse=CAPTURE)
    assert words.startswith("Survives 90 % [60, 98] of 10 episodes in gusts of 8 N. Weakest: gusts")
    assert "N·s" not in words


def test_the_headline_is_of_the_first_axis_that_has_a_word_for_its_severity() -> None:
    labels = [
        axis_label("wind", "Wind", "N", phrase="in the wind"),
        axis_label("gust", "Gusts", "N", phrase="in gusts of {severity}"),
        *ORDER["axes"],
    ]
    rows = [row for name in ("wind", "gust", "push") for row in many(9, 10, axis=name)]
    words = said(rows, axes=labels)
    assert words.startswith("Survives 90 % [60, 98] of 10 episodes in gusts of 0.5 N.")
    assert "Succeeds in 90 % [60, 98] in the wind." in words


def test_an_axis_that_counts_success_is_told_by_its_success() -> None:
    """All survive a knock, and half of them succeed."""
    knocks = axis_label(
        "knock",
        "Knocks",
        phrase="with knocks of {severity}",
        counts="success",
        severities=[0.0, 1.0],
    )
    rows = [row("knock", 1.0, sim < 5, sim=sim, survived=True) for sim in range(10)]
    rows += [row("knock", 0.0, sim=sim) for sim in range(10)]
    (one,) = verdict.verdicts(analyse(rows, {"axes": [knocks]}), {"axes": [knocks]})
    assert one.headline.startswith("Succeeds in 50 % [24, 76] of 10 episodes with knocks of 1.")


def test_without_an_axis_to_speak_of_the_headline_is_undisturbed_success() -> None:
    rows = [*many(9, 10, axis="nominal", severity=0.0), *many(10, 10)]
    assert said(rows).startswith("Succeeds in 90 % [60, 98] of 10 undisturbed episodes.")


WEAK = [
    *many(20, 20, severity=1.0),
    *many(20, 20, severity=0.5),
    *many(10, 20, severity=0.1),
    *many(20, 20, axis="payload", severity=0.0, unit="kg"),
    *many(12, 20, axis="payload", severity=4.0, unit="kg"),
]


def test_the_weakest_axis_is_the_one_that_falls_first_beside_its_reference() -> None:
    """Friction falls at 0.3, 7 / 6 of the way to 0.4; payload at 2 kg, 2 / 3 of the way to 3."""
    words = said(WEAK)
    assert (
        "Weakest: payload (90 % lost between 0 and 4 kg [< 0, 4]); "
        "foot friction (90 % lost between 0.5 and 0.1 [> 1, 0.1])." in words
    )
    assert "severities of payload, the weakest axis: 60 to 100 % [38, 100]." in words


def test_where_the_reference_of_an_axis_is_nominal_its_hardest_severity_is_the_measure() -> None:
    more = {"noun": "mass", "reference": 0.5, "severities": [0.1, 0.5, 1.0]}
    of_mass = axis_label("object_mass", "Mass of the object", "kg", **more)
    rows = [
        row("object_mass", kg, kg < 1.0, sim=sim, params={} if kg == 0.5 else {"object_mass": kg})
        for kg in (0.1, 0.5, 1.0)
        for sim in range(40)
    ]
    suite = {"axes": [of_mass]}
    analysis = analyse(rows, suite)
    assert analysis.axes["object_mass"].nominal == (0.5,)
    (of_walker,) = verdict.verdicts(analysis, suite)
    assert "Weakest: mass (90 % lost between 0.5 and 1 kg" in of_walker.headline


@pytest.mark.parametrize("mildest", [1.0, 1.5])
def test_limits_from_the_reference_on_are_measured_from_the_mildest_severity(
    mildest: float,
) -> None:
    """Pushes were run at severities of limits alone; they fall at twice the reference, or near."""
    rows = [
        *many(20, 20, axis="push", severity=mildest),
        *many(0, 20, axis="push", severity=2.0),
        *many(20, 20, axis="payload", severity=0.0, unit="kg"),
        *many(0, 20, axis="payload", severity=4.0, unit="kg"),
    ]
    labels = [LABELS["push"] | {"severities": [0.0, mildest, 2.0]}, LABELS["payload"]]
    words = said(rows, axes=labels, conditions=[])
    assert words.index("payload (90 %") < words.index("; pushes (90 %")


@pytest.mark.parametrize("hardest", [8.0, 100.0])
def test_what_is_weakest_does_not_depend_on_how_far_an_axis_was_tested(hardest: float) -> None:
    """Scaled to their ranges, payload would fall at a fifth of its own, or earlier."""
    further = [*WEAK, *many(0, 20, axis="payload", severity=hardest, unit="kg")]
    further += many(0, 20, severity=0.05)
    words = said(further)
    assert words.index("payload (90 %") < words.index("foot friction (90 %")
    further += many(20, 20, axis="payload", severity=3.9, unit="kg")
    order = declared(friction=(1.0, 0.5, 0.1, 0.05), payload=(0.0, 3.9, 4.0, hardest))
    milder = said(further, **order)
    assert milder.index("foot friction (90 %") < milder.index("payload (90 %")


def test_more_episodes_make_the_intervals_shorter() -> None:
    rows = [
        *many(400, 400, axis="payload", severity=0.0, unit="kg"),
        *many(240, 400, axis="payload", severity=4.0, unit="kg"),
    ]
    words = said(rows)
    assert "Weakest: payload (90 % lost between 0 and 4 kg [0, 4])." in words
    assert "averaged over the severities of payload: 60 to 100 % [55, 100]." in words


def test_what_nothing_breaks_is_said_so() -> None:
    rows = [*many(400, 400, severity=1.0), *many(396, 400, severity=0.1)]
    assert "None of the 1 scales tested broke it." in said(rows)


def test_what_few_episodes_leave_open_is_said_so() -> None:
    rows = [*many(20, 20, severity=1.0), *many(19, 20, severity=0.1)]
    open_end = "None of the 1 scales tested broke it, though the intervals leave it open for "
    assert f"{open_end}foot friction." in said(rows)
    assert "Success averaged" in said(rows)
    for axis in ("slip", "com", "gains"):
        rows += [*many(20, 20, axis=axis, severity=0.0), *many(19, 20, axis=axis, severity=1.0)]
    assert "Success averaged" not in said(rows)
    assert "None of the 4 scales tested broke it, though the intervals leave it open for 4" in said(
        rows
    )


def test_what_fails_undisturbed_holds_nowhere() -> None:
    doubtful = [*many(17, 20, severity=1.0), *many(0, 20, severity=0.1)]
    assert "Weakest: foot friction (90 % held nowhere [> 1, 0.1])." in said(doubtful)


def test_recovery_counts_those_that_never_came_back() -> None:
    rows = [push(0.0, 0.5, 1.0, 0), push(0.0, 0.7, 1.0, 1), push(0.0, None, 1.0, 2)]
    assert (
        "2 of 3 pushes within 2 s, for 1 s at least; median time 0.70 s [0.50, > 2.00], counting"
        in said(rows)
    )


def test_the_worst_joint_is_named() -> None:
    hips = many(8, 10, axis="dead_joint", severity=1.0, case="FR_hip")
    calves = many(1, 10, axis="dead_joint", severity=1.0, case="RL_calf")
    rows = [*hips, *(replace(row, sim=10 + row.sim) for row in calves)]
    assert "45 % [26, 66] with one joint dead (worst: RL_calf, 10 %)." in said(rows)


def test_axes_with_a_phrase_share_a_sentence_and_a_case_like_the_others_is_no_worst() -> None:
    rows = [
        *many(9, 10, axis="wind", case="left"),
        *many(5, 10, axis="rain", case="warm"),
        *(replace(row, sim=10 + row.sim) for row in many(5, 10, axis="rain", case="cold")),
    ]
    by_side = [{"title": "side", "by": "case", "picture": "grid"}]
    labels = [
        axis_label("rain", "Rain", phrase="in the rain", breakdowns=by_side),
        axis_label("wind", "Wind", phrase="in the wind", breakdowns=by_side),
    ]
    expected = "Succeeds in 50 % [30, 70] in the rain, 90 % [60, 98] in the wind."
    assert expected in said(rows, axes=labels)


def test_recovery_of_several_axes_names_them() -> None:
    shove = axis_label("shove", "Shoves", breakdowns=LABELS["push"]["breakdowns"])
    rows = [push(0.0, 0.5, 1.0, 0), push(0.0, None, 1.0, 0, axis="shove")]
    words = said(rows, axes=[LABELS["push"], shove])
    assert "Recovers from 1 of 1 pushes along pushes within 2 s" in words
    assert "Recovers from 0 of 1 pushes along shoves within 2 s, for 1 s at least; median" in words


PUSHED = [
    *(row("push", 1.0, False, sim=sim, survived=True, outcome="stuck") for sim in range(72)),
    *(row("push", 2.0, False, sim=sim, survived=True, outcome="stuck") for sim in range(72)),
]
"""A robot that hardly moves, and so never falls."""


def test_a_policy_that_does_not_do_its_task_gets_that_as_its_headline_and_no_praise() -> None:
    rows = [*many(0, 100, axis="nominal", severity=0.0, survived=True), *PUSHED]
    (one,) = verdict.verdicts(analyse(rows, ORDER), ORDER)
    assert one.headline == (
        "Does not do its task reliably: it succeeds in 0 % [0, 4] of 100 undisturbed episodes, "
        "where 90 % are asked for. Nothing below is a sign of robustness."
    )
    assert one.details == ()
    shown = [tile.label for tile in verdict.tiles(analyse(rows, ORDER), ORDER, "walker")]
    assert shown == ["Undisturbed success", "Success while disturbed"]


def test_a_policy_that_may_do_its_task_well_enough_is_spoken_of_as_any_other() -> None:
    """84 % of 50 may be 92 %."""
    rows = [*many(42, 50, axis="nominal", severity=0.0), *PUSHED]
    assert said(rows).startswith("Survives 100 % [95, 100] of 72 episodes with pushes of 1")


def test_success_while_disturbed_is_a_mean_over_axes_that_count_alike() -> None:
    rows = [
        *many(90, 100, axis="nominal", severity=0.0),
        *many(90, 100, severity=0.1),
        *many(1, 10, axis="payload", severity=4.0),
    ]
    found = analyse(rows, ORDER)
    overall = found.overall["walker"]
    assert (overall.share, overall.count) == (pytest.approx(0.5), 110)
    assert "Succeeds in 50 % [40, 65] while disturbed: mean of 2 axes, each count" in said(rows)
    (tile,) = (t for t in verdict.tiles(found, ORDER, "walker") if "while" in t.label)
    assert tile.value == "50 %"
    assert tile.note.endswith("of 110 episodes; mean of 2 axes, each counting alike")
    assert "while disturbed: of one axis." in said(rows[:200])


BASELINE: dict[str, Any] = {"policy": "zero action", "mode": "baseline"}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (50, 50, "zero action does as well as walker along: foot friction (50 against 50 %"),
        (0, 19, "zero action does better than walker along: foot friction (0 against 19 %"),
        (45, 50, "Whether walker does better than zero action can't be told along: foot friction"),
        (50, 45, ""),
        (50, 20, ""),
        (0, 0, ""),
    ],
)
def test_the_reader_is_warned_of_baselines_by_the_interval_of_the_difference(
    first: int, second: int, expected: str
) -> None:
    """One case has episodes that go either way, or its interval would not hold 0."""
    turned = 20 if {first, second} == {45, 50} else 0
    rows = [row(sim=sim, success=sim < first) for sim in range(100)]
    rows += [
        row(sim=sim, success=turned <= sim < second + turned, **BASELINE) for sim in range(100)
    ]
    assert warned(rows).startswith(expected)
    assert bool(warned(rows)) == bool(expected)


def test_a_baseline_is_judged_where_the_policy_met_the_same_starts() -> None:
    # Two of its four starts are easy: a larger share than the policy's, which had them too.
    rows = [*many(4, 10), *many(2, 4, **BASELINE)]
    assert "zero action" not in warned(rows)
    assert "(50 against 50 % of 4 shared episodes)" in warned(
        [*many(2, 10), *many(2, 4, **BASELINE)]
    )


def test_policies_are_told_beside_baselines_in_the_episodes_of_both() -> None:
    """The policy was run in twice as many, and in those that the baseline lacks it fails."""
    rows = [
        *many(40, 80),
        *many(10, 40, **BASELINE),
        *many(30, 60, axis="payload", severity=4.0),
        *many(0, 30, axis="payload", severity=4.0, **BASELINE),
        *many(20, 40, policy="hold pose", mode="baseline"),
    ]
    words = said(rows)
    assert (
        "Success while disturbed beside hold pose: better (100 % against 50 %, +50.0 [+"
    ) in words
    assert "; zero action: better (100 % against 12 %, +87.5 [+7" in words
    assert " points on the same 70 episodes)." in words
    (tile,) = (
        t for t in verdict.tiles(analyse(rows, ORDER), ORDER, "walker") if "besid" in t.label
    )
    assert (tile.label, tile.value) == ("Disturbed, beside hold pose", "better")
    assert tile.note.endswith("points on the same 40 episodes")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.01, 0.9), "better"),
        ((-0.9, -0.01), "worse"),
        ((-0.05, 0.05), "alike"),
        ((-0.05, 0.06), "could not tell"),
        ((0.0, 0.06), "could not tell"),
        (None, "could not tell"),
    ],
)
def test_a_difference_is_told_by_its_interval(
    ends: tuple[float, float] | None, expected: str
) -> None:
    assert formatting.told(Estimate(0.0, ends, 10)) == expected


def test_the_largest_effect_of_sampling_has_an_interval_for_the_largest_of_so_many_axes() -> None:
    axes = ("friction", "payload", "slip")
    rows = [r for axis in axes for r in many(40, 50, axis=axis, severity=0.3)]
    rows += [r for axis in axes[1:] for r in many(40, 50, axis=axis, severity=0.3, mode="sampled")]
    rows += many(30, 50, severity=0.3, mode="sampled")
    rows += many(40, 50, axis="com", severity=0.3)  # of which no actions were sampled
    alone = success_difference(np.arange(50) < 30, np.arange(50) < 40, comparisons=3).difference
    assert f"most along foot friction: {formatting.points(alone)} points." in said(rows)
    few = [*many(20, 20, severity=0.3), *many(19, 20, severity=0.3, mode="sampled")]
    assert "points, which is no difference that could be told." in said(few)


def test_the_reader_is_warned_of_few_episodes_and_of_errors() -> None:
    rows = many(37, 39, outcome="policy error")
    assert "Fewer than 40 episodes a severity, so wide intervals: Foot friction." in warned(rows)
    assert "39 episodes of walker ended in an unstable simulation or a policy error" in warned(rows)
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
        (1.0, "ms", "1 ms"),
        (1.0, "m/s", "1 m/s"),
    ],
)
def test_severities_have_their_unit(severity: float, unit: str, expected: str) -> None:
    assert formatting.quantity(severity, unit) == expected


def test_a_share_short_of_all_is_not_rounded_to_all() -> None:
    assert formatting.percent(proportion(997, 1000)).startswith("99.7 %")
    assert formatting.percent(proportion(9999, 10000)) == "99.9 % [99.9, 100.0]"
    assert formatting.percent(proportion(10, 10)).startswith("100 %")


def both(first: int, second: int, count: int, **more: Any) -> list[StressEpisode]:
    return [*many(first, count, **more), *many(second, count, policy="other", **more)]


def beside(rows: list[StressEpisode]) -> list[str]:
    found = analyse(rows, ORDER)
    told = (verdict.verdicts(found, ORDER)[place].details for place in (0, 1))
    return [" ".join(d for d in details if d.startswith("Beside")) for details in told]


def test_a_verdict_says_where_a_policy_is_better_than_the_first_and_where_worse() -> None:
    rows = [
        *both(10, 40, 100),
        *both(60, 90, 100, axis="payload", severity=4.0),
        *both(100, 70, 100, axis="push", severity=1.0),
        *both(50, 51, 100, axis="slip"),
    ]
    first, other = beside(rows)
    assert first == ""
    assert other.startswith(
        "Beside walker on the same episodes, in points of success: better along"
    )
    assert "better along foot friction (+30.0 [+18.0, +41.6])" in other
    assert ", payload (+30.0 [+18.0" in other
    assert "; worse along pushes (−30.0 [−42.3, −18.4])." in other
    assert "slip" not in other


def test_where_each_policy_is_judged_by_its_own_return_better_is_said_to_be_that() -> None:
    rows = both(60, 90, 100, axis="payload", severity=4.0)
    suite = ORDER | {"return_needed": {"walker": {"mean": 80.0}, "other": {"mean": 8.0}}}
    details = verdict.verdicts(analyse(rows, suite), suite)[1].details
    said = next(sentence for sentence in details if sentence.startswith("Beside walker"))
    assert said.endswith("has lost less of it, and need not have the higher return.")
    assert "return" not in beside(rows)[1]


def test_a_difference_that_chance_may_have_made_is_no_difference() -> None:
    assert beside(both(50, 54, 100))[1].endswith(
        "in points of success: not told apart along any axis."
    )
    found = analyse(both(50, 54, 100), ORDER)
    each = found.axes["friction"].differences["other"]
    assert formatting.better(each, 0.05, "other", "walker") == "not told apart"
    assert formatting.better(each, 0.049, "other", "walker") == "other"
    turned = success_difference(np.zeros(9), np.ones(9))
    assert formatting.better(turned, 0.001, "other", "walker") == "walker"


def test_a_median_has_its_interval_and_says_what_was_not_reached() -> None:
    never = [np.nan] * 3
    assert formatting.median(waiting_times(np.full(20, 0.5), 2.0)) == "0.50 s [0.50, > 0.50]"
    assert (
        formatting.median(waiting_times(np.array([0.5, *never]), 2.0))
        == "not reached [0.50, > 2.00]"
    )
    assert formatting.median(waiting_times(np.array(never), 2.0)) == "not reached"


def test_an_area_has_its_interval() -> None:
    area = Area(0.6812, 0.8161, (0.61, 0.8749), 90)
    assert formatting.area(area) == "0.68 to 0.82 [0.61, 0.87]"
    assert formatting.mean_share(area) == "68 to 82 % [61, 87]"
    assert formatting.mean_share(Area(0.5, 0.5, (0.4, 0.6), 90)) == "50 % [40, 60]"
    assert formatting.area(None) == "-"


def test_every_policy_has_a_verdict() -> None:
    rows, suite = evaluation((Actor("a", "mean", 0.0), Actor("b", "mean", 0.1)), each=8)
    verdicts = verdict.verdicts(analyse(rows, suite), suite)
    assert [v.policy for v in verdicts] == ["a", "b"]
    assert all(v.headline.startswith("Survives") for v in verdicts)
