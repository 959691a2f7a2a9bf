"""Ranks follow how well a simulation walks, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from robo_maxent.envs.curriculum import (
    DEMOTION,
    LEAST_COMMANDED,
    PROMOTION,
    SPARED,
    Curriculum,
    distances,
    progress,
)
from robo_maxent.errors import UsageError

KINDS = ("flat", "rough", "stairs_up")
TOP = 10
Walker = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(levels played (N,), rng) -> which of them it walks well, bool, (N,)."""


def perfect(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.ones(len(levels), bool)


def hopeless(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(len(levels), bool)


def fifty_fifty(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(len(levels)) < 0.5


def good_up_to_level_4(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return levels <= 4


def judge(curriculum: Curriculum, done: float, fell: bool = False, meters: float = 8.0) -> None:
    """Every simulation ends an episode alike, in a slot of its own."""
    n = len(curriculum.levels)
    curriculum.slot[:] = np.arange(n)
    for sim in range(n):
        curriculum.update(sim, done, fell, meters)


def play(curriculum: Curriculum, walker: Walker, rounds: int, seed: int = 0) -> np.ndarray:
    """Levels played, (rounds, N)."""
    rng, n = np.random.default_rng(seed), len(curriculum.levels)
    played = []
    for _ in range(rounds):
        levels = np.array([curriculum.draw(sim, rng)[1] for sim in range(n)])
        for sim, well in enumerate(walker(levels, rng)):
            curriculum.update(sim, 0.95 if well else 0.1, not well, 8.0)
        played.append(levels)
    return np.array(played)


# -- laws --------------------------------------------------------------------------


def test_a_perfect_walker_reaches_the_top_of_every_slot_one_by_one() -> None:
    curriculum = Curriculum(KINDS, 6)
    for level in range(1, TOP + 1):
        judge(curriculum, 1.0)
        assert (curriculum.levels == level).all()
    play(curriculum, perfect, 50)
    assert (curriculum.levels == TOP).all()


def test_a_faller_stays_at_the_bottom() -> None:
    curriculum = Curriculum(KINDS, 6)
    assert not play(curriculum, hopeless, 30).any()
    assert not curriculum.levels.any()


def test_a_fifty_fifty_walker_is_anywhere_and_longest_where_slots_are_seldom_drawn() -> None:
    curriculum = Curriculum(KINDS, 100)
    play(curriculum, fifty_fifty, 300)
    # A symmetric walk between two walls, whose steps at level l are as rare as l is drawn seldom.
    level = np.arange(TOP + 1)
    stay = 1.0 / (1.0 - SPARED * level / TOP)
    mean = np.average(level, weights=stay)
    deviation = np.sqrt(np.average((level - mean) ** 2, weights=stay))
    assert mean > 6.5
    assert curriculum.mean_level == pytest.approx(mean, abs=4 * deviation / np.sqrt(100))


def test_a_walker_settles_at_the_level_it_can_just_not_walk() -> None:
    curriculum = Curriculum(KINDS, 1)
    assert set(play(curriculum, good_up_to_level_4, 40)[10:].ravel()) == {4, 5}


def test_a_graduate_plays_every_level_and_its_slot_keeps_the_top() -> None:
    curriculum = Curriculum(KINDS, 40)
    for _ in range(TOP):
        judge(curriculum, 1.0)
    assert not curriculum.graduated.any()  # the top is reached, not yet walked
    judge(curriculum, 1.0)
    assert curriculum.graduated.all()
    played = play(curriculum, perfect, 20)
    assert (np.bincount(played.ravel(), minlength=11) > 30).all()  # of 800, 73 expected each
    assert (curriculum.levels == TOP).all()


def test_a_graduate_that_fails_is_one_no_more() -> None:
    curriculum = Curriculum(KINDS, 3)
    for _ in range(TOP + 1):
        judge(curriculum, 1.0)
    judge(curriculum, 0.1)
    assert (curriculum.levels == 9).all()
    assert not curriculum.graduated.any()


def test_only_the_slot_of_the_simulation_that_ended_is_judged() -> None:
    curriculum = Curriculum(KINDS, 5)
    curriculum.slot[:] = [4, 4, 2, 2, 0]
    curriculum.update(1, 0.9, False, 8.0)
    assert curriculum.levels.tolist() == [0, 0, 0, 0, 1]
    curriculum.update(0, 0.9, False, 8.0)  # both had that slot at once, and both count
    assert curriculum.levels.tolist() == [0, 0, 0, 0, 2]


def test_a_slot_at_the_top_is_drawn_a_fifth_as_often_as_one_at_the_bottom() -> None:
    curriculum, rng = Curriculum(KINDS, 2), np.random.default_rng(0)
    curriculum.levels[:] = [0, TOP]
    kinds = [curriculum.draw(0, rng)[0] for _ in range(6000)]
    assert kinds.count("rough") == pytest.approx(1000, abs=4 * np.sqrt(6000 * 5 / 36))


@pytest.mark.parametrize(
    ("done", "fell", "meters", "change"),
    [
        (PROMOTION + 0.01, False, 8.0, 1),
        (PROMOTION - 0.01, False, 8.0, 0),
        (DEMOTION + 0.01, False, 8.0, 0),
        (DEMOTION - 0.01, False, 8.0, -1),
        (-1.0, False, 8.0, -1),
        (1.0, True, 8.0, -1),  # however far it came
        (1.0, False, LEAST_COMMANDED, 1),
        (1.0, False, 0.9 * LEAST_COMMANDED, 0),
        (0.0, False, 0.9 * LEAST_COMMANDED, 0),
        (0.0, False, 0.0, 0),  # told to stand, or to turn, and did not fall
        (0.0, True, 0.0, -1),
    ],
)
def test_what_an_episode_changes(done: float, fell: bool, meters: float, change: int) -> None:
    curriculum = Curriculum(KINDS, 4)
    curriculum.levels[:] = 5
    judge(curriculum, done, fell, meters)
    assert (curriculum.levels == 5 + change).all()


# -- kinds and summaries -----------------------------------------------------------


def test_at_first_all_kinds_are_drawn_alike() -> None:
    curriculum, rng = Curriculum(KINDS, 6), np.random.default_rng(0)
    drawn = [curriculum.draw(sim % 6, rng) for sim in range(3000)]
    for kind in KINDS:
        assert drawn.count((kind, 0)) == pytest.approx(1000, abs=4 * np.sqrt(3000 * 2 / 9))


def test_a_simulation_plays_kind_and_level_of_its_slot() -> None:
    curriculum, rng = Curriculum(KINDS, 6), np.random.default_rng(0)
    curriculum.levels[:] = [0, 1, 2, 3, 4, 5]
    for sim in range(6):
        kind, level = curriculum.draw(sim, rng)
        assert (kind, level) == (KINDS[curriculum.slot[sim] % 3], curriculum.slot[sim])


def test_mean_levels_are_those_of_each_kind() -> None:
    curriculum = Curriculum(KINDS, 7)
    curriculum.levels[:] = [0, 1, 2, 3, 4, 5, 6]
    assert curriculum.mean_level == 3.0
    assert curriculum.levels_by_kind() == {"flat": 3.0, "rough": 2.5, "stairs_up": 3.5}
    assert Curriculum(KINDS, 2).levels_by_kind() == {"flat": 0.0, "rough": 0.0}


@pytest.mark.parametrize(
    ("kinds", "n", "levels", "message"),
    [
        ((), 4, 11, "at least one kind of terrain, got none"),
        (KINDS, 0, 11, "n must be at least 1, got 0"),
        (KINDS, 4, 1, "levels must be at least 2, got 1"),
    ],
)
def test_an_impossible_curriculum_is_refused(
    kinds: tuple[str, ...], n: int, levels: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Curriculum(kinds, n, levels)


# -- progress ----------------------------------------------------------------------


def walked(command: np.ndarray, velocity: np.ndarray) -> tuple[float, float]:
    """Progress and distance commanded of an episode at 50 Hz; commands and velocities (T, 3)."""
    covered, commanded = distances(command, velocity, 0.02)
    total = np.array([covered.sum()]), np.array([commanded.sum()])
    return progress(*total).item(), total[1].item()


def test_following_a_command_that_turns_back_is_full_progress() -> None:
    command = np.repeat([[0.8, 0.0, 0.0], [-0.8, 0.0, 0.0], [0.0, 0.4, 0.5]], 100, axis=0)
    assert walked(command, command) == pytest.approx((1.0, 1.6 + 1.6 + 0.8))
    assert walked(command, 0.5 * command)[0] == pytest.approx(0.5)


def test_only_what_lies_along_the_command_counts() -> None:
    command = np.tile([0.6, 0.0, 0.0], (100, 1))
    drifting = np.tile([0.3, 0.9, 2.0], (100, 1))
    assert walked(command, drifting)[0] == pytest.approx(0.5)
    assert walked(command, -command)[0] == pytest.approx(-1.0)


def test_standing_and_turning_on_the_spot_add_nothing() -> None:
    command = np.repeat([[0.5, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], 100, axis=0)
    stumbling = command + np.array([0.0, 0.0, 0.3])
    stumbling[100:, 0] = 0.4
    assert walked(command, stumbling) == pytest.approx((1.0, 1.0))
    assert walked(command[100:], stumbling[100:]) == (0.0, 0.0)
