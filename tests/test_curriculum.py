"""Ranks follow how well a simulation walks, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from robo_maxent.curriculum import (
    DEMOTION,
    LEAST_COMMANDED,
    PROMOTION,
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
    """Every simulation ends an episode alike."""
    n = len(curriculum.levels)
    curriculum.update(np.arange(n), np.full(n, done), np.full(n, fell), np.full(n, meters))


def play(curriculum: Curriculum, walker: Walker, rounds: int, seed: int = 0) -> np.ndarray:
    """Levels played, (rounds, N)."""
    rng, n = np.random.default_rng(seed), len(curriculum.levels)
    played = []
    for _ in range(rounds):
        levels = np.array([curriculum.draw(sim, rng)[1] for sim in range(n)])
        well = walker(levels, rng)
        curriculum.update(np.arange(n), np.where(well, 0.95, 0.1), ~well, np.full(n, 8.0))
        played.append(levels)
    return np.array(played)


# -- laws --------------------------------------------------------------------------


def test_a_perfect_walker_reaches_the_top_in_ten_episodes_and_stays() -> None:
    curriculum = Curriculum(KINDS, 6)
    play(curriculum, perfect, 9)
    assert (curriculum.levels == 9).all()
    play(curriculum, perfect, 50)
    assert (curriculum.levels == TOP).all()


def test_a_faller_stays_at_the_bottom() -> None:
    curriculum = Curriculum(KINDS, 6)
    assert not play(curriculum, hopeless, 30).any()
    assert not curriculum.levels.any()


def test_a_fifty_fifty_walker_settles_in_between() -> None:
    curriculum = Curriculum(KINDS, 300)
    play(curriculum, fifty_fifty, 400)
    # A symmetric walk between two walls is anywhere with equal chance: mean 5, deviation 3.2.
    assert curriculum.mean_level == pytest.approx(5.0, abs=4 * 3.2 / np.sqrt(300))


def test_a_walker_settles_at_the_level_it_can_just_not_walk() -> None:
    curriculum = Curriculum(KINDS, 6)
    assert set(play(curriculum, good_up_to_level_4, 40)[10:].ravel()) == {4, 5}


def test_a_graduate_plays_every_level_and_keeps_its_rank() -> None:
    curriculum = Curriculum(KINDS, 40)
    play(curriculum, perfect, 10)
    assert not curriculum.graduated.any()  # the top is reached, not yet walked
    assert (play(curriculum, perfect, 1) == TOP).all()
    assert curriculum.graduated.all()
    played = play(curriculum, perfect, 20)
    assert (np.bincount(played.ravel(), minlength=11) > 30).all()  # of 800, 73 expected each
    assert (curriculum.levels == TOP).all()


def test_a_graduate_that_fails_is_one_no_more() -> None:
    curriculum = Curriculum(KINDS, 3)
    play(curriculum, perfect, 11)
    judge(curriculum, 0.1)
    assert (curriculum.levels == 9).all()
    assert not curriculum.graduated.any()


def test_only_the_simulations_that_ended_are_judged() -> None:
    curriculum = Curriculum(KINDS, 5)
    curriculum.update(
        np.array([3, 1]), np.array([0.9, 0.9]), np.array([False, True]), np.array([8.0, 8.0])
    )
    assert curriculum.levels.tolist() == [0, 0, 0, 1, 0]


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


def test_kinds_take_turns_and_never_change() -> None:
    curriculum = Curriculum(KINDS, 7)
    rng = np.random.default_rng(0)
    for _ in range(3):
        kinds = [curriculum.draw(sim, rng)[0] for sim in range(7)]
        assert kinds == [*KINDS, *KINDS, "flat"]
        play(curriculum, perfect, 6)


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
