"""Every kind of terrain: safe to start on, within its promises, harder as it should be."""

from dataclasses import replace

import numpy as np
import pytest

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.sim import terrain
from robo_maxent.sim.catalogue import at
from robo_maxent.sim.terrain import CELL, ELEVATION, GROUND, HELD_OUT, KINDS, SAMPLES, TRAINED

every_kind = pytest.mark.parametrize("kind", KINDS)
DIFFICULTIES = [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 1.0]
SEEDS = range(4)
CENTRE = SAMPLES // 2


def made(kind: str, difficulty: float, seed: int = 0) -> np.ndarray:
    return GROUND.heights(kind, difficulty, np.random.default_rng(seed))


def steps(patch: np.ndarray) -> np.ndarray:
    """Differences of neighbours along both axes, m."""
    return np.concatenate([np.diff(patch, axis=axis).ravel() for axis in (0, 1)])


def ahead(patch: np.ndarray) -> np.ndarray:
    """Heights on the way from the centre along +x, m."""
    return patch[CENTRE, CENTRE:]


# -- promises of every kind ----------------------------------------------------


@every_kind
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_heights_are_finite_within_the_elevation_and_have_bounded_steps(
    kind: str, difficulty: float
) -> None:
    bound = at(KINDS[kind].largest_step, difficulty)
    for seed in SEEDS:
        patch = made(kind, difficulty, seed)
        assert patch.shape == (SAMPLES, SAMPLES)
        assert np.isfinite(patch).all()
        assert np.abs(patch).max() < ELEVATION
        assert np.abs(steps(patch)).max() <= bound + 1e-9


@every_kind
@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_the_robot_starts_on_a_flat_platform_at_height_zero(kind: str, difficulty: float) -> None:
    wide = any(word in kind for word in ("slope", "stairs"))
    half = round((terrain.WIDE_PLATFORM if wide else terrain.PLATFORM) / CELL)
    platform = slice(CENTRE - half, CENTRE + half + 1)
    for seed in SEEDS:
        np.testing.assert_array_equal(made(kind, difficulty, seed)[platform, platform], 0.0)


@every_kind
def test_difficulty_raises_the_scale_of_heights(kind: str) -> None:
    for seed in SEEDS:
        scale = [np.ptp(made(kind, difficulty, seed)) for difficulty in DIFFICULTIES]
        rise = np.diff(scale)
        assert (rise == 0).all() if kind == "flat" else (rise > 0).all()


@every_kind
def test_a_beginner_meets_no_more_than_a_foot_can_clear(kind: str) -> None:
    # A trot lifts its feet by 0.07 m. Gaps are as deep as a foot can fall and as narrow as a foot.
    deepest = 0.1 if kind in ("gaps", "stepping_stones") else 0.05
    for seed in SEEDS:
        assert np.abs(steps(made(kind, 0.0, seed))).max() <= deepest + 1e-9


@every_kind
def test_a_seed_is_a_patch_and_another_seed_is_another_one_where_chance_plays(kind: str) -> None:
    for difficulty in (0.0, 1.0):
        patch = made(kind, difficulty, seed=3)
        np.testing.assert_array_equal(patch, made(kind, difficulty, seed=3))
        assert np.array_equal(patch, made(kind, difficulty, seed=4)) != KINDS[kind].random


@every_kind
def test_a_larger_or_finer_patch_keeps_its_promises(kind: str) -> None:
    for size, cell in ((4.0, 0.05), (16.0, 0.1), (8.0, 0.025)):
        other = replace(GROUND, size=(size, size), cell=cell)
        patch = other.heights(kind, 1.0, np.random.default_rng(0))
        assert patch.shape == (round(size / cell) + 1,) * 2
        assert np.abs(patch).max() < ELEVATION
        assert patch[len(patch) // 2, len(patch) // 2] == 0.0


def test_held_out_kinds_are_not_trained_and_none_is_lost() -> None:
    assert set(HELD_OUT) == {"waves", "blocks", "fractal"}
    assert set(TRAINED) | set(HELD_OUT) == set(KINDS)
    assert not set(TRAINED) & set(HELD_OUT)
    assert all(kind.summary and "\n" not in kind.summary for kind in KINDS.values())


# -- what each kind is, in numbers worked by hand --------------------------------


@pytest.mark.parametrize(("kind", "sign"), [("stairs_up", 1), ("stairs_down", -1)])
def test_stairs_are_ten_steps_of_equal_rise_and_tread(kind: str, sign: int) -> None:
    way = ahead(made(kind, 1.0))
    rise = np.flatnonzero(np.diff(way))
    np.testing.assert_allclose(np.diff(way)[rise], sign * 0.23)
    assert len(rise) == 10  # 3 m beyond the platform, in treads of 0.3 m
    assert rise[0] == 20  # the first riser leaves the platform's edge, at 1 m
    np.testing.assert_array_equal(np.diff(rise), 6)  # cells of 0.05 m
    assert way[-1] == pytest.approx(sign * 2.3)


@pytest.mark.parametrize(("kind", "sign"), [("slope_up", 1), ("slope_down", -1)])
def test_slopes_rise_evenly_from_the_platform(kind: str, sign: int) -> None:
    patch = made(kind, 0.5)
    x = CELL * np.arange(CENTRE + 1)
    np.testing.assert_allclose(ahead(patch), sign * 0.21 * np.maximum(x - 1.0, 0), atol=1e-12)
    for turned in (patch.T, patch[::-1], patch[:, ::-1]):
        np.testing.assert_allclose(turned, patch, atol=1e-12)


@pytest.mark.parametrize("difficulty", [0.0, 0.4, 1.0])
def test_gaps_have_the_width_and_depth_that_the_table_says(difficulty: float) -> None:
    for seed in SEEDS:
        way = ahead(made("gaps", difficulty, seed))
        change = np.flatnonzero(np.diff(way))
        begin, end = change[::2][: len(change) // 2], change[1::2]
        assert len(end) >= 3
        width = CELL * (end - begin)  # of ground that is missing
        np.testing.assert_allclose(width, at(terrain.GAP, difficulty), atol=CELL)
        assert way.min() == -at(terrain.DEPTH, difficulty)
        assert (CELL * (begin[1:] - end[:-1]) > terrain.GAP_LAND - 2 * CELL).all()


def test_stones_stand_as_far_apart_as_the_table_says_and_cover_less_when_hard() -> None:
    covered = []
    for difficulty in (0.0, 0.4, 1.0):
        patch = made("stepping_stones", difficulty)
        stone, gap = at(terrain.STONE, difficulty), at(terrain.STONE_GAP, difficulty)
        share = (patch > -0.5 * at(terrain.DEPTH, difficulty)).mean()
        assert share == pytest.approx((stone / (stone + gap)) ** 2, abs=0.06)
        covered.append(share)
    assert covered == sorted(covered, reverse=True)


def test_obstacles_go_up_and_down_at_both_heights() -> None:
    levels = np.unique(made("obstacles", 1.0))
    np.testing.assert_allclose(levels, [-0.25, -0.125, 0.0, 0.125, 0.25])


def test_composites_go_both_ways_and_are_uneven() -> None:
    for kind, smooth in (("rough_slope", "slope"), ("rough_stairs", "stairs")):
        ways = set()
        for seed in range(8):
            patch = made(kind, 1.0, seed)
            way = "up" if ahead(patch)[-1] > 0 else "down"
            uneven = patch - made(f"{smooth}_{way}", 1.0)
            assert 0.02 < np.abs(uneven).max() <= 0.025
            ways.add(way)
        assert ways == {"up", "down"}


# -- at the door -----------------------------------------------------------------


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as error:
        made("stairs-up", 0.5)
    assert str(error.value).startswith(
        "Unknown terrain kind 'stairs-up'. Did you mean 'stairs_up'? Known: blocks, "
    )


@pytest.mark.parametrize("difficulty", [-0.01, 1.01, float("nan")])
def test_a_difficulty_outside_its_range_is_refused(difficulty: float) -> None:
    with pytest.raises(UsageError, match=r"difficulty must be in \[0, 1\], got"):
        made("rough", difficulty)


@pytest.mark.parametrize(
    ("size", "cell", "message"),
    [
        (3.9, 0.05, "at least 4 m wide .* got 3.9 m"),
        (float("nan"), 0.05, "at least 4 m wide .* got nan m"),
        (8.0, 0.03, "even number of cells wide.* got 8 m in cells of 0.03 m"),
        (4.5, 0.5, "even number of cells wide"),
        (8.0, 0.0, "even number of cells wide"),
        (8.0, -0.05, "even number of cells wide"),
        (8.0, float("nan"), "even number of cells wide"),
    ],
)
def test_a_patch_that_is_too_small_or_not_divided_by_its_cells_is_refused(
    size: float, cell: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        replace(GROUND, size=(size, size), cell=cell)
