"""Pictures are where their numbers say, and text in them is text."""

import math
import re

import pytest

from robo_maxent.report import svg
from robo_maxent.report.svg import Scale


def test_a_scale_maps_its_ends_either_way_round() -> None:
    up, down = Scale((0.0, 1.0), (134.0, 10.0)), Scale((1.0, 0.1), (44.0, 260.0))
    assert (up(0.0), up(1.0), up(0.5)) == (134.0, 10.0, 72.0)
    assert (down(1.0), down(0.1)) == (44.0, 260.0)


def test_words_and_attributes_are_escaped() -> None:
    made = svg.element("text", "<b>&", aria_label='"><script>')
    assert made == '<text aria-label="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;</text>'


def test_coordinates_are_short() -> None:
    assert [svg.number(v) for v in (1.0, 0.125, -0.001, 1 / 3, 100)] == [
        "1",
        "0.12",
        "0",
        "0.33",
        "100",
    ]


def test_angles_begin_straight_up_and_grow_to_the_left() -> None:
    assert svg.polar((10.0, 10.0), 5.0, 0.0) == pytest.approx((10.0, 5.0))
    assert svg.polar((10.0, 10.0), 5.0, math.pi / 2) == pytest.approx((5.0, 10.0))


def test_a_sector_of_the_left_lies_left() -> None:
    outline = svg.sector((0.0, 0.0), (1.0, 2.0), (math.pi / 4, 3 * math.pi / 4))
    corners = re.findall(r"[ML] ?(-?[\d.]+) (-?[\d.]+)", outline)
    assert all(float(x) < 0 for x, _ in corners)


def test_steps_keep_their_height_until_the_next() -> None:
    assert svg.steps([(0.0, 9.0), (2.0, 5.0)], 4.0) == [
        (0.0, 9.0),
        (2.0, 9.0),
        (2.0, 5.0),
        (4.0, 5.0),
    ]
    assert svg.steps([], 4.0) == []


def test_labels_stay_apart_and_the_ends_have_theirs() -> None:
    places = [0.0, 10.0, 30.0, 50.0, 95.0, 100.0]
    kept = svg.spaced(places, 25.0)
    assert kept == [0, 2, 5]
    assert svg.spaced([0.0, 5.0], 25.0) == [0, 1]
    assert svg.spaced([100.0, 60.0, 0.0], 25.0) == [0, 1, 2]
    assert svg.spaced([], 25.0) == []


def test_every_shape_stands_where_it_is_told() -> None:
    for shape in range(7):
        made = svg.marker(shape, 50.0, 20.0, "mark", "words")
        numbers = [
            float(n)
            for n in re.findall(r"(?:points|cx|cy)=\"([^\"]+)\"", made)[0].replace(",", " ").split()
        ]
        assert abs(sum(numbers[::2]) / len(numbers[::2]) - 50.0) < 1.0
        assert "<title>words</title>" in made
