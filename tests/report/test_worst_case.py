"""What is said of the mildest failures, from numbers made by hand."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import proportion
from robo_maxent.report.html import worst_case_page
from robo_maxent.report.worst_case import (
    KEY,
    EffectScale,
    FoundFailure,
    Part,
    WorstCaseSummary,
    comparison,
    headline,
    lines,
    scale,
    summary_of,
)
from robo_maxent.report.worst_case_section import section

PUSH = EffectScale("push", "Pushes", "capture impulses", "pushes", 0.0, 1.4, True, 2.5)
LOAD = EffectScale("payload", "Payload", "kg", "payload", 0.0, 7.0, False, 7.0)
MILDEST = FoundFailure(
    severity=0.5,
    parts=(Part("push", 0.56, 0.4, 4.86, 93.2), Part("payload", 2.1, 0.3, None, None)),
    outcome="fell",
    row="walker/mean/worst_case/0.5/minimum-1/1-7-0",
    film="minimum-1.mp4",
    fresh=proportion(23, 100),
)
AT_RANDOM = replace(MILDEST, severity=0.9, row="walker/mean/worst_case/0.9/random/1-7-0")
FOUND = WorstCaseSummary(
    policy="walker",
    effects=(PUSH, LOAD),
    starts=1,
    undisturbed=proportion(1, 100),
    episodes=1004,
    random_episodes=1004,
    minima=(MILDEST,),
    at_random=AT_RANDOM,
    improvements=((12, 1.9), (900, 0.5)),
    random_improvements=((40, 0.9),),
    interrupted=False,
)


def suite(found: WorstCaseSummary = FOUND) -> dict[str, Any]:
    """The file of a search, as it comes from the disk."""
    described = {"task": "quadruped-flat", "seed": 1, "versions": {}, "command": ""}
    whole: dict[str, Any] = json.loads(json.dumps(described | {KEY: asdict(found)}))
    return whole


def test_the_file_holds_what_was_found() -> None:
    assert summary_of(suite()) == FOUND


def test_the_headline_has_each_effect_in_its_unit_with_direction_and_time() -> None:
    assert headline(FOUND) == (
        "walker fails at severity 0.50, where 1 is what an effect takes alone: pushes 0.56 capture "
        "impulses towards 93° (left) at 4.86 s; payload 2.1 kg. With the same disturbance, 23 % "
        "[16, 32] of 100 fresh starts fail."
    )
    assert headline(replace(FOUND, starts=5)).startswith("walker fails in most of 5 starts at")
    assert lines(FOUND)[0].endswith("kg; fell; 23 % [16, 32] of 100 fresh starts fail")
    assert "pushes 1.4 capture impulses, payload beyond 7 kg." in scale(FOUND)


@pytest.mark.parametrize(
    ("degrees", "words"),
    [(-91.0, "−91° (right)"), (179.0, "179° (behind)"), (-179.0, "−179° (behind)"), (23.0, "left")],
)
def test_directions_have_names(degrees: float, words: str) -> None:
    pushed = replace(MILDEST, parts=(Part("push", 0.5, 0.4, 1.0, degrees),))
    assert words in headline(replace(FOUND, minima=(pushed,)))


def test_the_comparison_says_what_was_drawn_at_random() -> None:
    assert comparison(FOUND).endswith("has severity 0.90, 1.80 times as severe.")
    none = replace(FOUND, at_random=None)
    assert comparison(none) == "Of points drawn at random, in 1,004 episodes, none failed."
    assert "to compare with" in comparison(replace(none, random_episodes=0))


def test_where_nothing_was_found_that_is_said() -> None:
    nothing = replace(FOUND, minima=(), at_random=None, improvements=(), random_improvements=())
    assert "no disturbance was found that makes it fail, as far as" in headline(nothing)
    assert "before it was interrupted" in headline(replace(nothing, interrupted=True))
    page = worst_case_page(section(suite(nothing), ".", "again {row}"), suite(nothing), "walker")
    assert "<figure>" not in page


def test_the_section_has_films_commands_and_every_number(tmp_path: Path) -> None:
    (tmp_path / "minimum-1.mp4").write_bytes(b"film")
    shown = section(suite(), tmp_path, "robo-maxent replay here --row {row}")
    (card,) = shown.watched
    assert card.video == "data:video/mp4;base64,ZmlsbQ=="
    assert card.command == f"robo-maxent replay here --row {MILDEST.row}"
    assert [row[1] for row in shown.table.rows] == ["0.50", "0.90"]
    bars, course = shown.figures
    assert bars.table.rows[0] == ("1", "Pushes", "0.400", "0.56")
    assert [row[0] for row in course.table.rows] == ["search", "search", "at random"]
    assert "1 % [0, 5] of 100 of them fail" in shown.caveat


def test_a_film_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    elsewhere = replace(FOUND, minima=(replace(MILDEST, film="../secret"),))
    (card,) = section(suite(elsewhere), tmp_path / "within", "again {row}").watched
    assert card.video is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minima": 3}, "minima of the worst case must be a list"),
        ({"effects": []}, "has parts of no effect: payload, push"),
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, Any], message: str) -> None:
    damaged = suite()
    damaged[KEY] |= change
    with pytest.raises(UsageError, match=message):
        summary_of(damaged)
