"""Tables that are terrain: what an object meets, and that MuJoCo has the surface of the lookup."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from mujoco.batch import Batch

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError, UnknownNameError
from robo_maxent.sim import terrain
from robo_maxent.sim.catalogue import Catalogue, at
from robo_maxent.sim.robot import load
from robo_maxent.sim.table_surfaces import BASE, KINDS, TABLE
from robo_maxent.sim.terrain import GROUND
from robo_maxent.sim.terrain_pool import TerrainPool, attach, origin

POOL = TerrainPool(tuple(KINDS), levels=3, variants=2, seed=7, catalogue=TABLE)
K = len(POOL.patches)
MODEL = load(asset("arm.xml"), pool=POOL)
BOX = load(asset("arm.xml"))
every_kind = pytest.mark.parametrize("kind", KINDS)
SEEDS = range(6)


def made(kind: str, difficulty: float, seed: int = 0) -> np.ndarray:
    return TABLE.heights(kind, difficulty, np.random.default_rng(seed))


# -- the kinds -----------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_heights_are_within_the_elevation_and_steps_within_the_promise(
    kind: str, difficulty: float
) -> None:
    for seed in SEEDS:
        heights = made(kind, difficulty, seed)
        steps = [np.abs(np.diff(heights, axis=axis)).max() for axis in (0, 1)]
        assert heights.shape == (41, 29)
        assert np.isfinite(heights).all()
        assert np.abs(heights).max() <= TABLE.elevation
        assert max(steps) <= at(KINDS[kind].largest_step, difficulty) + 1e-9


@every_kind
def test_difficulty_scales_the_heights_and_leaves_the_pattern(kind: str) -> None:
    easy, hard = made(kind, 0.0, seed=3), made(kind, 1.0, seed=3)
    if kind == "flat":
        assert not hard.any()
        return
    factor = hard / np.where(easy == 0.0, 1.0, easy)
    np.testing.assert_allclose(factor[easy != 0.0], np.abs(factor).max())
    assert np.ptp(hard) > 2.0 * np.ptp(easy) > 0.0


@every_kind
def test_a_seed_is_a_table_and_another_seed_is_another(kind: str) -> None:
    np.testing.assert_array_equal(made(kind, 1.0, seed=3), made(kind, 1.0, seed=3))
    assert np.array_equal(made(kind, 1.0, 3), made(kind, 1.0, 4)) != KINDS[kind].random


def test_hard_is_as_high_as_it_says() -> None:
    spans = {kind: max(np.ptp(made(kind, 1.0, seed)) for seed in range(20)) for kind in KINDS}
    wanted = {"bumps": 0.015, "steps": 0.030, "grooves": 0.012, "ripples": 0.012, "pebbles": 0.012}
    for kind, height in wanted.items():
        assert 0.9 * height < spans[kind] <= height + 1e-9, kind


def test_held_out_kinds_are_not_trained_and_no_kind_is_one_of_the_ground() -> None:
    assert TABLE.held_out == ("ripples", "pebbles")
    assert TABLE.trained == ("flat", "bumps", "steps", "grooves")
    assert set(KINDS) & set(terrain.KINDS) == {"flat"}


@pytest.mark.parametrize(
    ("catalogue", "kind", "listed"),
    [(TABLE, "stairs_up", "bumps, flat, grooves"), (GROUND, "bumps", "blocks, flat, fractal")],
)
def test_a_kind_of_the_other_catalogue_is_refused_and_the_right_ones_are_listed(
    catalogue: Catalogue, kind: str, listed: str
) -> None:
    with pytest.raises(UnknownNameError, match=f"{catalogue.noun} '{kind}'.*Known: {listed}"):
        TerrainPool((kind,), catalogue=catalogue)


# -- the compiled surface ------------------------------------------------------


def test_rays_meet_the_table_where_the_lookup_says() -> None:
    rng = np.random.default_rng(0)
    half = np.array(TABLE.size) / 2
    x, y = rng.uniform(-1.0, 1.0, (2, K, 60)) * half[:, None, None]
    batch = Batch(MODEL, K, 1)
    table = MODEL.geom("table").id
    batch.expand("geom_dataid")[:, table] = np.arange(K)
    batch.bind("qpos")[:, 9:12] = [5.0, 5.0, 5.0]  # the object is out of the way
    batch.forward()
    where, above = origin(MODEL, POOL), TABLE.elevation + 0.01  # m, lower than the arm
    start = np.stack([x, y, np.full_like(x, above)], axis=2) + where
    world = np.array([1, 0, 0, 0, 0, 0], np.uint8)
    distance = np.asarray(batch.ray(start, np.array([0.0, 0.0, -1.0]), world)[0])
    seen = above - distance.reshape(K, -1)
    np.testing.assert_allclose(seen, POOL.height(np.arange(K), x, y), atol=1e-6)


def test_the_table_stands_where_the_box_stands_with_its_top_and_its_underside() -> None:
    box, table = BOX.geom("table"), MODEL.geom("table")
    flat = TerrainPool.plane(TABLE)
    np.testing.assert_allclose(origin(MODEL, POOL), origin(BOX, flat), atol=1e-12)
    np.testing.assert_allclose(origin(MODEL, POOL), [0.525, 0.0, 0.0], atol=1e-12)
    assert table.pos[2] - BASE == pytest.approx(box.pos[2] - box.size[2])
    np.testing.assert_allclose(MODEL.hfield_size[0, :2], box.size[:2], atol=TABLE.cell / 2)
    for name in ("condim", "conaffinity", "contype", "friction", "margin", "matid", "priority"):
        np.testing.assert_array_equal(getattr(table, name), getattr(box, name), name)
    assert load(asset("arm.xml"), pool=flat).geom("table").type == mujoco.mjtGeom.mjGEOM_BOX


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"name": "desk"}, r"a box geom named 'table'.* Its boxes: desk"),
        ({"size": (0.3, 0.5, 0.03)}, r"the size of the box 'table', 0.56 m x 0.8 m.*0.6 m x 1 m"),
        ({"quat": (0.9, 0.1, 0.0, 0.0)}, "without a rotation"),
    ],
)
def test_a_world_without_such_a_table_is_refused(edit: dict[str, object], message: str) -> None:
    spec = mujoco.MjSpec.from_file(str(asset("arm.xml")))
    for name, value in edit.items():
        setattr(spec.geom("table"), name, value)
    with pytest.raises(RobotError, match=message):
        attach(spec, POOL)


def test_a_patch_that_is_not_square_is_looked_up_row_by_row_along_y() -> None:
    pool = TerrainPool(("flat",), levels=2, variants=1, catalogue=replace(TABLE, cell=0.04))
    grid = pool.catalogue.grid
    pool.heights[:] = 0.01 * grid.x + 0.02 * grid.y[:, None]
    x, y = np.array([[0.1, -0.28, 0.0]]), np.array([[0.3, -0.4, 0.123]])
    np.testing.assert_allclose(pool.height(np.array([1]), x, y), 0.01 * x + 0.02 * y, atol=1e-8)


@pytest.mark.parametrize("shape", ["box", "cylinder"])
def test_an_object_comes_to_rest_wherever_it_is_let_go(shape: str) -> None:
    """On the hardest tables, by the friction that the table has; it slides a little, not far."""
    hardest = [k for k, patch in enumerate(POOL.patches) if patch.level == 2]
    n, rng = 5 * len(hardest), np.random.default_rng(1)
    batch = Batch(MODEL, n, 1)
    patches = np.repeat(hardest, 5)
    batch.expand("geom_dataid")[:, MODEL.geom("table").id] = patches
    if shape == "cylinder":
        size, grain = batch.expand("geom_size"), 1e-4
        size[:, MODEL.geom("object_box").id] = grain
        size[:, MODEL.geom("object_cylinder").id, :2] = 0.02
        batch.set_const()
    batch.reset(keyframe=0)
    place = rng.uniform([0.40, -0.20], [0.62, 0.20], (n, 2))
    qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
    qpos[:, 9:11], qpos[:, 11] = place, 0.045
    qpos[:, 0] = 1.5  # the arm is out of the way
    batch.bind("ctrl")[:, 0] = 1.5
    batch.step(nstep=400)
    moved = qpos[:, 9:11].copy()
    batch.step(nstep=50)
    assert np.linalg.norm(qvel[:, 9:12], axis=1).max() < 0.02
    assert np.linalg.norm(moved - place, axis=1).max() < 0.08
    height = origin(MODEL, POOL)[2] + TABLE.elevation
    assert (np.abs(qpos[:, 11]) < height + 0.03).all()
