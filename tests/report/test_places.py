"""Where on the ground episodes failed, counted by hand, and shown."""

import json
from typing import Any

import numpy as np
from hand_rows import axis_label, row

from robo_maxent.evaluation.intervals import proportion
from robo_maxent.report.analysis import analyse
from robo_maxent.report.html import render
from robo_maxent.report.place_figures import figure
from robo_maxent.report.places import ACROSS, AHEAD, MOST_MARKS
from robo_maxent.report.rows import StressEpisode

LABEL = axis_label("knock", "Knocked object", noun="a knock", severities=[0.0, 1.0])
SUITE: dict[str, Any] = {"axes": [LABEL]}


def placed() -> list[StressEpisode]:
    """One start in each cell and one at its upper border; those far to the left fail."""
    rows = []
    for ahead in range(AHEAD):
        for across in range(ACROSS):
            number = ahead * ACROSS + across
            for part in (0.0, 0.5):
                place = 0.4 + 0.1 * (ahead + part), -0.3 + 0.1 * (across + part)
                rows.append(
                    row(
                        "knock",
                        1.0,
                        sim=2 * number + round(2 * part),
                        success=across < 5,
                        places={"object": place, "goal": (0.5, 0.0)},
                    )
                )
    last = row("knock", 1.0, sim=100, places={"object": (0.8, 0.3), "goal": (0.5, 0.0)})
    return [*rows, last, row("knock", 0.0, sim=100, success=False)]


def test_every_disturbed_start_is_counted_in_its_cell() -> None:
    (of_object,) = analyse(placed(), SUITE).places  # the goal is always at one place
    assert (of_object.policy, of_object.of) == ("walker", "object")
    np.testing.assert_allclose(of_object.ahead, 0.4 + 0.1 * np.arange(AHEAD + 1))
    np.testing.assert_allclose(of_object.left, -0.3 + 0.1 * np.arange(ACROSS + 1), atol=1e-12)
    expected = {
        (ahead, across): proportion(2 if across < 5 else 0, 2)
        for ahead in range(AHEAD)
        for across in range(ACROSS)
    }
    expected[AHEAD - 1, ACROSS - 1] = proportion(1, 3)  # the last border belongs to the last
    assert of_object.cells == expected
    assert len(of_object.failures) == 2 * AHEAD
    assert all(left > 0.19 for _, left in of_object.failures)


def test_a_map_marks_some_of_very_many_failures_and_says_how_many_there_are() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(-0.3, 0.3, (2000, 2)).tolist()
    rows = [
        row("knock", 1.0, sim=sim, success=False, places={"object": tuple(place)})
        for sim, place in enumerate(places)
    ]
    (of_object,) = analyse(rows, SUITE).places
    assert of_object.failed == 2000
    assert len(of_object.failures) == MOST_MARKS
    assert {tuple(place) for place in places} >= set(of_object.failures)
    assert "(400 of 2,000)" in figure(of_object).note


def test_rows_keep_their_places() -> None:
    episode = placed()[0]
    assert StressEpisode.from_json(json.loads(json.dumps(episode.to_json()))) == episode


def test_the_report_shows_a_map_with_ahead_up_and_left_at_the_left() -> None:
    rows = placed()
    page = render(analyse(rows, SUITE), rows, SUITE)
    assert "Where the object began: walker" in page
    assert "Where the goal began" not in page
    assert page.count('class="fail"') == 2 * AHEAD
    head = page.index('<th scope="col">0.20 to 0.30 m left</th>')
    assert head < page.index('<th scope="col">-0.30 to -0.20 m left</th>')
    assert page.index("0.70 to 0.80</th>") < page.index("0.40 to 0.50</th>")


def test_tasks_without_places_have_no_map() -> None:
    rows = [row("knock", severity, sim=sim) for severity in (0.0, 1.0) for sim in range(5)]
    assert not analyse(rows, SUITE).places
    assert "Where it fails" not in render(analyse(rows, SUITE), rows, SUITE)
