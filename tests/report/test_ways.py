"""Paths and splits at a fork, counted by hand, and shown."""

import json
import re

import pytest
from hand_rows import BLOCKED, FORK_SUITE, gone, walked

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import binary_entropy, proportion
from robo_maxent.report.analysis import analyse
from robo_maxent.report.html import render
from robo_maxent.report.numbers import numbers
from robo_maxent.report.rows import StressEpisode, check_suite


def test_splits_and_paths_are_counted() -> None:
    (ways,) = analyse(walked(), FORK_SUITE).ways
    assert (ways.policy, ways.mode) == ("walker", "sampled")
    assert ways.splits["sampled"].first == proportion(3, 4)
    assert ways.splits["sampled"].nowhere == 1
    assert ways.splits["sampled"].entropy.value == binary_entropy(0.75)
    assert ways.splits["mean"].first == proportion(3, 3)
    assert [(c.case, c.success, c.taken) for c in ways.cases] == [
        ("", proportion(4, 5), (3, 1, 1)),
        ("left", proportion(1, 2), (0, 1, 1)),
        ("left, told", proportion(1, 1), (0, 1, 0)),
    ]
    assert [succeeded for _, succeeded in ways.cases[1].paths] == [True, False]


def test_the_report_draws_each_case_with_failures_that_need_no_colour() -> None:
    rows = walked()
    page = render(analyse(rows, FORK_SUITE), rows, FORK_SUITE)
    assert "Which way it goes" in page
    for title in ("All ways open", "Left closed", "Left closed, told"):
        assert f"<h4>{title}</h4>" in page
    assert page.count('class="way met"') == 4 + 1 + 1 + 1  # and in the legend
    assert page.count('class="way missed"') == 1 + 1 + 1
    assert page.count('class="end missed"') == 2 * 3, "two strokes of a cross"
    assert page.count('class="lid"') == 2 * 3, "a box, crossed out, where a way is closed"
    text = page.replace("\u00a0", " ")
    assert "By sampled actions, undisturbed: left 75 % [30, 95], else right; 1 took neither" in text
    assert "Mode entropy 0.811 [0.267, 1]" in text


def test_all_of_a_path_is_within_its_picture() -> None:
    rows = [gone("", 0, 1.0, True, path=((-3.0, 0.0), (0.0, 4.0), (1.0, -2.5)))]
    page = render(analyse(rows, FORK_SUITE), rows, FORK_SUITE)
    (width, height), (drawn,) = (
        [*map(float, re.search(r'viewBox="0 0 (30\d) ([\d.]+)"', page).groups())],  # type: ignore[union-attr]
        re.findall(r'd="M([^"]*)" class="way met"', page.split("All ways open")[1]),
    )
    points = [tuple(map(float, pair.split())) for pair in drawn.split("L")]
    assert all(0.0 < x < width and 0.0 < y < height for x, y in points)
    (x0, y0), (x1, y1), _ = points
    assert x1 > x0, "ahead is to the right"
    assert y1 < y0, "left is up"
    assert (y0 - y1) / (x1 - x0) == pytest.approx(4.0 / 3.0, rel=1e-3)


def test_scripts_read_the_split() -> None:
    ways = numbers(analyse(walked(), FORK_SUITE))["policies"]["walker"]["ways"]
    assert ways["mean"] == {"first": (1.0, pytest.approx(0.438, abs=1e-3), 1.0, 3)} | {
        "mode_entropy": (0.0, 0.0, 1.0)
    }


def test_rows_keep_their_paths_and_those_without_have_none() -> None:
    episode = walked()[0]
    saved = json.loads(json.dumps(episode.to_json()))
    assert StressEpisode.from_json(saved) == episode
    del saved["path"]  # of before
    assert StressEpisode.from_json(saved).path is None


@pytest.mark.parametrize("missing", ["floor_plan", "path", "breakdowns"])
def test_nothing_is_drawn_where_something_is_missing(missing: str) -> None:
    rows, suite = walked(), dict(FORK_SUITE)
    if missing == "floor_plan":
        suite["floor_plan"] = None
    elif missing == "path":
        rows = [gone("", 0, 1.0, True, path=None)]
    else:
        suite["axes"] = [BLOCKED | {"breakdowns": []}]
    assert not analyse(rows, suite).ways
    assert "Which way it goes" not in render(analyse(rows, suite), rows, suite)


def test_a_damaged_plan_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is damaged: .*goal"):
        check_suite({"task": "t", "task_options": {}, "policies": [], "floor_plan": {"walls": []}})
