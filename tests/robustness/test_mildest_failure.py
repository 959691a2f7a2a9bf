"""The search finds boundaries that are known: in closed form, and on a dense grid."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from robo_maxent.robustness.mildest_failure import BRANCHES, DISTINCT, MildestFailure, decoded
from robo_maxent.robustness.tested_points import (
    Ledger,
    Outcomes,
    Point,
    distance,
    lengths,
    random_search,
)

Load = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Shares (N, K) and choices (N, D) to a load, (N,): from 1 on it fails."""


@dataclass(frozen=True)
class Box:
    """A space without a simulation."""

    reach: np.ndarray
    circular: np.ndarray
    owner: np.ndarray
    step: float = 0.0
    """Steps that the first share comes in; 0: none."""

    def snapped(self, shares: np.ndarray) -> np.ndarray:
        if not self.step:
            return shares
        first = np.floor(shares[:, :1] / self.step + 1e-9) * self.step
        return np.concatenate([first, shares[:, 1:]], axis=1)


def box(effects: int, *owners: int, turns: tuple[int, ...] = (), step: float = 0.0) -> Box:
    """K effects that reach to 2, and numbers of them, some of which are angles."""
    circular = np.isin(np.arange(len(owners)), turns)
    return Box(np.full(effects, 2.0), circular, np.array(owners, int), step)


def ledger(load: Load, tests: int) -> Ledger:
    """Tests of a load; what returns is what is left of it."""

    def test(shares: np.ndarray, choices: np.ndarray) -> Outcomes:
        carried = load(shares, choices)
        return Outcomes(carried >= 1.0, -carried)

    return Ledger(test, tests)


def searched(space: Box, load: Load, tests: int = 1000, seed: int = 0) -> MildestFailure:
    search = MildestFailure(space, ledger(load, tests), np.random.default_rng(seed))
    search.run()
    return search


# -- boundaries in closed form -------------------------------------------------


def test_where_effects_add_up_the_mildest_is_the_foot_of_the_perpendicular() -> None:
    """The plane w s = 1 is 1 / |w| away, in the direction of w."""
    weights = np.array([0.8, 0.5, 0.3, 0.1])
    found = searched(box(4), lambda shares, choices: shares @ weights).minima[0]
    nearest = 1.0 / np.linalg.norm(weights)
    assert nearest <= found.severity <= 1.03 * nearest
    np.testing.assert_allclose(found.shares / found.severity, weights * nearest, atol=0.2)


def test_direction_and_time_of_the_weakest_moment_are_found() -> None:
    """A push counts as the cosine of its angle from 0.97 of a turn, beyond the seam, at 0.3."""

    def load(shares: np.ndarray, choices: np.ndarray) -> np.ndarray:
        side = 0.5 + 0.5 * np.cos(2.0 * np.pi * (choices[:, 0] - 0.97))
        moment = np.exp(-(((choices[:, 1] - 0.3) / 0.1) ** 2))
        return shares[:, 0] * (0.4 + 0.4 * side + 0.6 * side * moment)

    found = searched(box(1, 0, 0, turns=(0,)), load, tests=600).minima[0]
    assert 1.0 / 1.4 <= found.severity <= 1.02 / 1.4
    assert abs((found.choices[0] - 0.97 + 0.5) % 1.0 - 0.5) < 0.05
    assert found.choices[1] == pytest.approx(0.3, abs=0.04)


def test_effects_that_do_nothing_have_no_part_in_a_minimum() -> None:
    found = searched(box(5), lambda shares, choices: shares[:, 2] * 1.25).minima[0]
    assert found.severity == pytest.approx(0.8, rel=0.01)
    np.testing.assert_array_equal(found.shares != 0.0, [False, False, True, False, False])


def test_shares_that_come_in_steps_are_none_that_there_are_not() -> None:
    """A whole step of 0.6 is needed, where 0.5 would do."""
    space = box(2, step=0.6)
    found = searched(space, lambda shares, choices: 2.0 * shares[:, 0]).minima[0]
    assert found.severity == pytest.approx(0.6)
    np.testing.assert_allclose(found.shares, [0.6, 0.0])


def test_two_sides_that_are_as_weak_are_two_minima() -> None:
    def load(shares: np.ndarray, choices: np.ndarray) -> np.ndarray:
        return shares[:, 0] * (0.5 + 0.5 * np.abs(np.cos(2.0 * np.pi * (choices[:, 0] - 0.2))))

    minima = searched(box(1, 0, turns=(0,)), load, tests=600).minima
    angles = sorted(point.choices[0] for point in minima if point.severity < 1.02)
    assert len(angles) == 2
    np.testing.assert_allclose(angles, [0.2, 0.7], atol=0.05)


# -- a dense grid --------------------------------------------------------------


def ragged(shares: np.ndarray, choices: np.ndarray) -> np.ndarray:
    """Two effects and a time, with many local minima and no formula for the least."""
    first, second, time = shares[:, 0], shares[:, 1], choices[:, 0]
    stride = np.sin(40.0 * time) + 0.7 * np.cos(13.0 * time)
    return first * (0.7 + 0.15 * stride) + second * (0.5 - 0.2 * np.sin(9.0 * time)) ** 2


def test_it_comes_as_low_as_a_dense_grid_over_two_dimensions() -> None:
    angles, times = np.meshgrid(np.linspace(0, np.pi / 2, 400), np.linspace(0, 1, 400))
    directions = np.stack([np.cos(angles.ravel()), np.sin(angles.ravel())], axis=1)
    of_length_one = ragged(directions, times.reshape(-1, 1))
    least = float(1.0 / of_length_one.max())  # a load is proportional to the length
    found = searched(box(2, 0), ragged, tests=1000).minima[0]
    assert found.severity <= 1.03 * least
    assert found.severity >= 0.999 * least


# -- what a search promises ----------------------------------------------------


def test_every_minimum_fails_and_they_differ_and_are_in_order() -> None:
    space = box(2, 0)
    minima = searched(space, ragged).minima
    assert 1 <= len(minima) <= BRANCHES
    for point in minima:
        assert ragged(point.shares[None], point.choices[None])[0] >= 1.0
        assert point.severity == pytest.approx(np.linalg.norm(point.shares))
    for one, other in pairwise(minima):
        assert one.severity <= other.severity
        assert distance(one, other, space) > DISTINCT


def test_the_same_numbers_give_the_same_search_and_others_another() -> None:
    first, again, other = (searched(box(2, 0), ragged, 400, seed) for seed in (1, 1, 2))
    for one, same in zip(first.minima, again.minima, strict=True):
        np.testing.assert_array_equal(one.shares, same.shares)
        np.testing.assert_array_equal(one.choices, same.choices)
    assert first.minima[0].severity != other.minima[0].severity


def test_it_takes_as_many_tests_as_it_may_or_a_few_more() -> None:
    test = ledger(ragged, 500)
    MildestFailure(box(2, 0), test, np.random.default_rng(0)).run()
    assert 450 <= test.spent <= 620
    counts, severities = zip(*test.improvements, strict=True)
    assert list(counts) == sorted(counts)
    assert list(severities) == sorted(severities, reverse=True)
    assert counts[-1] <= test.spent


def test_where_nothing_fails_there_is_no_minimum() -> None:
    search = searched(box(2, 0), lambda shares, choices: 0.0 * shares[:, 0], tests=300)
    assert search.minima == []


def test_one_ray_without_anything_open_is_halved() -> None:
    found = searched(box(1), lambda shares, choices: shares[:, 0] / 0.73, tests=200).minima
    assert [point.severity for point in found] == [pytest.approx(0.73, rel=0.01)]


def test_an_interrupted_search_keeps_what_it_found() -> None:
    calls = 0

    def load(shares: np.ndarray, choices: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise KeyboardInterrupt
        return ragged(shares, choices)

    search = MildestFailure(box(2, 0), ledger(load, 1000), np.random.default_rng(0))
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert search.minima
    assert all(ragged(p.shares[None], p.choices[None])[0] >= 1.0 for p in search.minima)


def test_progress_is_of_the_tests() -> None:
    shown: list[tuple[int, int]] = []
    test = Ledger(
        lambda s, c: Outcomes(lengths(s) >= 1.0, lengths(s)), 200, lambda *n: shown.append(n)
    )
    MildestFailure(box(2, 0), test, np.random.default_rng(0)).run()
    assert shown[-1] == (200, 200)
    assert shown == sorted(shown)


def test_numbers_beyond_their_range_go_round_or_are_reflected() -> None:
    rays = np.array([[-3.0, 4.0, 1.1, 1.1], [0.0, 0.0, -0.1, -0.1]])
    directions, choices = decoded(rays, box(2, 0, 1, turns=(0,)))
    np.testing.assert_allclose(directions, [[0.6, 0.8], [0.5**0.5, 0.5**0.5]])
    np.testing.assert_allclose(choices, [[0.1, 0.9], [0.9, 0.1]])


# -- at random -----------------------------------------------------------------


def test_points_at_random_are_as_many_as_asked_for_and_seldom_as_mild() -> None:
    space, wins = box(4, 0, 0, turns=(0,)), 0
    weights = np.array([0.5, 0.6, 0.4, 0.5])

    def load(shares: np.ndarray, choices: np.ndarray) -> np.ndarray:
        side = 0.5 + 0.5 * np.cos(2.0 * np.pi * (choices[:, 0] - 0.6))
        return shares @ weights + 0.8 * shares[:, 0] * side * choices[:, 1]

    for seed in range(5):
        test = ledger(load, 500)
        (point,) = random_search(space, test, np.random.default_rng(seed))
        assert test.spent == 500
        assert load(point.shares[None], point.choices[None])[0] >= 1.0
        wins += searched(space, load, 500, seed).minima[0].severity < point.severity
    assert wins == 5


# -- distances -----------------------------------------------------------------


def point(shares: list[float], choices: list[float]) -> Point:
    return Point(np.array(shares), np.array(choices), float(np.linalg.norm(shares)), 0.0)


def test_the_distance_of_points_knows_turns_and_what_has_no_part() -> None:
    space = box(2, 0, 1, turns=(0,))
    there = point([1.0, 0.0], [0.02, 0.1])
    assert distance(there, point([0.5, 0.0], [0.98, 0.9]), space) == pytest.approx(0.08)
    assert distance(there, point([1.0, 0.0], [0.52, 0.1]), space) == pytest.approx(1.0)
    assert distance(there, point([0.0, 1.0], [0.02, 0.1]), space) == pytest.approx(1.0)
    both = point([1.0, 1.0], [0.02, 0.1])
    assert distance(both, point([1.0, 1.0], [0.02, 0.6]), space) == pytest.approx(0.5**1.5)
