"""The pool is what MuJoCo collides with, and switching patches is what a world of its own does."""

import zlib
from collections.abc import Callable

import mujoco
import numpy as np
import pytest
from mujoco.batch import Batch

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError, UnknownNameError, UsageError
from robo_maxent.seeds import Purpose
from robo_maxent.sim.robot import load
from robo_maxent.sim.terrain import CELL, ELEVATION, GROUND, KINDS, PATCH, SAMPLES, TRAINED
from robo_maxent.sim.terrain_pool import Patch, TerrainPool, attach, scan, write

POOL = TerrainPool(tuple(KINDS), levels=3, variants=1, seed=7)
K = len(POOL.patches)


def world(pool: TerrainPool) -> mujoco.MjModel:
    """The quadruped on a pool."""
    spec = mujoco.MjSpec.from_file(str(asset("quadruped.xml")))
    attach(spec, pool)
    model = spec.compile()
    write(model, pool)
    return model


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return world(POOL)


# -- the pool ------------------------------------------------------------------


def test_every_patch_is_where_the_index_says_and_made_as_its_label_says() -> None:
    pool = TerrainPool(("rough", "stairs_down"), levels=5, variants=2)
    assert pool.heights.shape == (20, SAMPLES, SAMPLES)
    assert pool.heights.dtype == np.float32
    in_order = [
        pool.patches[pool.index(kind, level, variant)]
        for kind in ("rough", "stairs_down")
        for level in range(5)
        for variant in range(2)
    ]
    assert tuple(in_order) == pool.patches
    assert in_order[7] == Patch("rough", level=3, difficulty=0.75, variant=1)
    stairs = GROUND.heights("stairs_down", 0.75, np.random.default_rng(0)).astype(np.float32)
    np.testing.assert_array_equal(pool.heights[pool.index("stairs_down", 3, 0)], stairs)


def test_a_seed_is_a_pool_and_another_seed_or_purpose_is_unseen() -> None:
    same = TerrainPool(tuple(KINDS), 3, 1, seed=7)
    np.testing.assert_array_equal(same.heights, POOL.heights)
    for other in (
        TerrainPool(tuple(KINDS), 3, 1, seed=8),
        TerrainPool(tuple(KINDS), 3, 1, seed=7, purpose=Purpose.EVALUATION),
    ):
        for k, patch in enumerate(POOL.patches):
            assert np.array_equal(other.heights[k], POOL.heights[k]) != KINDS[patch.kind].random


def test_no_two_random_patches_are_alike() -> None:
    twins = TerrainPool(("blocks",), levels=2, variants=3)
    assert len({patch.tobytes() for patch in twins.heights}) == 6


def test_a_patch_is_made_from_the_branch_of_its_name_in_the_tree_of_seeds() -> None:
    kind = zlib.crc32(b"obstacles")
    seeds = np.random.SeedSequence(7, spawn_key=(int(Purpose.TRAINING), kind, 2, 0))
    expected = GROUND.heights("obstacles", 1.0, np.random.Generator(np.random.PCG64(seeds)))
    made = POOL.heights[POOL.index("obstacles", 2, 0)]
    np.testing.assert_array_equal(made, expected.astype(np.float32))


def test_a_patch_does_not_depend_on_what_else_is_in_the_pool() -> None:
    alone = TerrainPool(("obstacles",), levels=3, variants=2, seed=7)
    for level in range(3):
        k = POOL.index("obstacles", level, 0)
        np.testing.assert_array_equal(
            alone.heights[alone.index("obstacles", level, 0)], POOL.heights[k]
        )


def test_the_default_pool_has_eleven_levels_of_the_trained_kinds_only() -> None:
    pool = TerrainPool()
    assert len(pool.patches) == len(TRAINED) * 11 * 2
    assert {patch.kind for patch in pool.patches} == set(TRAINED)
    assert {patch.difficulty for patch in pool.patches} == {level / 10 for level in range(11)}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TerrainPool(("ruff",)), UnknownNameError, "Unknown terrain kind 'ruff'"),
        (lambda: TerrainPool(()), UsageError, "at least one, each once, got none"),
        (lambda: TerrainPool(("flat", "flat")), UsageError, "each once, got flat, flat"),
        (lambda: TerrainPool(("flat",), levels=1), UsageError, "levels must be at least 2, got 1"),
        (
            lambda: TerrainPool(("flat",), variants=0),
            UsageError,
            "variants must be at least 1, got 0",
        ),
        (lambda: TerrainPool(("flat",), seed=-1), UsageError, "seed must be at least 0, got -1"),
        (lambda: POOL.index("ruff", 0, 0), UnknownNameError, "of this pool 'ruff'"),
        (lambda: POOL.index("flat", 3, 0), UsageError, "level must be from 0 to 2, got 3"),
        (lambda: POOL.index("flat", 0, -1), UsageError, "variant must be from 0 to 0, got -1"),
    ],
)
def test_what_the_pool_can_not_be_or_has_not_is_refused(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


# -- the compiled surface --------------------------------------------------------


def test_rays_meet_the_ground_where_the_lookup_says(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-PATCH / 2, PATCH / 2, (2, K, 60))
    # Some beside lines of the grid and its corners; exactly on them a ray can slip between cells.
    x[:, :9] = np.round(x[:, :9] / CELL) * CELL * (1 - 1e-8)
    y[:, 5:14] = np.round(y[:, 5:14] / CELL) * CELL * (1 - 1e-8)
    batch = Batch(model, K, 1)
    batch.expand("geom_dataid")[:, model.geom(GROUND.geom).id] = np.arange(K)
    above = np.stack([x, y, np.full_like(x, ELEVATION + 1)], axis=2)
    only_ground = np.array([1, 0, 0, 0, 0, 0], np.uint8)
    distance = np.asarray(batch.ray(above, np.array([0.0, 0.0, -1.0]), only_ground)[0])
    np.testing.assert_allclose(
        above[:, :, 2] - distance.reshape(K, -1), POOL.height(np.arange(K), x, y), atol=1e-6
    )


def test_contacts_see_the_same_triangles_as_the_lookup() -> None:
    """A ball of 1 mm, halfway between touching and not, stands on the height of the lookup."""
    pool = POOL.only(POOL.index("rough", 2, 0))
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(name=GROUND.geom, type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1))
    ball = spec.worldbody.add_body()
    ball.add_freejoint()
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(1e-3, 0, 0))
    attach(spec, pool)
    model = spec.compile()
    write(model, pool)
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    for _ in range(30):
        x, y = rng.uniform(-3.5, 3.5, (2, 1, 1))
        height = pool.height(np.zeros(1, int), x, y).item()
        touching = []
        for above in (0.0005, 0.0035):  # the steepest slope, 45 degrees twice, takes 1.7 mm
            data.qpos[:3] = x.item(), y.item(), height + above
            mujoco.mj_forward(model, data)
            touching.append(data.ncon > 0)
        assert touching == [True, False]


def test_a_batch_on_different_patches_equals_a_serial_loop_on_worlds_of_one_patch(
    model: mujoco.MjModel,
) -> None:
    chosen = [
        POOL.index(kind, 2, 0) for kind in ("flat", "rough", "stairs_up", "gaps", "obstacles")
    ]
    n, rng = len(chosen), np.random.default_rng(2)
    stand = model.key("stand").qpos.copy()
    start = np.tile(stand, (n, 1))
    start[:, :2] = rng.uniform(-2.5, 2.5, (n, 2))
    start[:, 2] += POOL.height(np.array(chosen), *start[:, :2].T[..., None])[:, 0] + 0.1
    targets = stand[7:] + rng.uniform(-0.6, 0.6, (60, n, 12))

    batch = Batch(model, n, 2)
    batch.expand("geom_dataid")[:, model.geom(GROUND.geom).id] = chosen
    batch.bind("qpos")[:] = start
    batch.forward()
    alone = []
    for i, k in enumerate(chosen):
        own = world(POOL.only(k))
        data = mujoco.MjData(own)
        data.qpos[:] = start[i]
        alone.append((own, data))
    touched = np.zeros(n, bool)
    for target in targets:
        batch.bind("ctrl")[:] = target
        batch.step(nstep=5)
        for i, (own, data) in enumerate(alone):
            data.ctrl[:] = target[i]
            for _ in range(5):
                mujoco.mj_step(own, data)
            np.testing.assert_array_equal(batch.bind("qpos")[i], data.qpos)
            np.testing.assert_array_equal(batch.bind("qvel")[i], data.qvel)
            touched[i] |= data.ncon > 0
    assert touched.all()


def test_a_robot_stands_on_the_flat_patch_as_on_the_plane() -> None:
    flat, plane = world(POOL.only(0)), mujoco.MjModel.from_xml_path(str(asset("quadruped.xml")))
    resting = []
    for model in (flat, plane):
        data = mujoco.MjData(model)
        mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
        for _ in range(500):
            mujoco.mj_step(model, data)
        resting.append(data.qpos.copy())
    # Triangles beside the one under a foot add contacts: close to a plane, not equal.
    np.testing.assert_allclose(resting[0][:3], resting[1][:3], atol=2e-3)


def test_the_ground_geom_keeps_everything_but_its_shape(model: mujoco.MjModel) -> None:
    plane = mujoco.MjModel.from_xml_path(str(asset("quadruped.xml")))
    before, after = plane.geom(GROUND.geom), model.geom(GROUND.geom)
    assert (model.ngeom, before.id) == (plane.ngeom, after.id)
    assert model.mat(after.matid[0]).name == plane.mat(before.matid[0]).name
    for name in (
        "bodyid", "condim", "conaffinity", "contype", "friction", "gap", "group",
        "margin", "priority", "rgba", "solimp", "solmix", "solref",
    ):  # fmt: skip
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name), name)
    assert model.nhfield == K  # none is dropped, though one geom refers to one


def test_a_world_without_a_plane_named_ground_is_refused() -> None:
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1))
    with pytest.raises(RobotError, match=r"plane geom named 'ground'.* Its planes: floor\."):
        attach(spec, POOL)
    spec.geom("floor").name = "ground"
    spec.geom("ground").pos = (0, 0, 0.1)
    with pytest.raises(RobotError, match="must be at pos='0 0 0', without a rotation"):
        attach(spec, POOL)


def test_a_model_with_other_patches_is_refused(model: mujoco.MjModel) -> None:
    with pytest.raises(RobotError, match=f"{K} height fields, which are not the 3 patches"):
        write(model, TerrainPool(("flat",), levels=3, variants=1))


# -- what a robot asks -------------------------------------------------------------


def test_beyond_the_patch_its_border_goes_on() -> None:
    k, half = np.array([POOL.index("fractal", 2, 0)]), PATCH / 2
    inside = POOL.height(k, np.array([[half, -half, 0.3]]), np.array([[1.0, -half, half]]))
    beyond = POOL.height(k, np.array([[half + 5, -9.0, 0.3]]), np.array([[1.0, -9.0, 40.0]]))
    np.testing.assert_array_equal(inside, beyond)


def test_spawn_height_is_that_of_the_lookup_at_the_centre() -> None:
    moved = POOL.only(3)
    moved.heights = moved.heights + np.float32(0.25)
    assert moved.spawn_height(np.zeros(2, int)).tolist() == [0.25, 0.25]
    zero = np.zeros((K, 1))
    np.testing.assert_array_equal(
        POOL.spawn_height(np.arange(K)), POOL.height(np.arange(K), zero, zero)[:, 0]
    )


def test_a_robot_is_outside_before_its_feet_are() -> None:
    position = np.array([[0, 0, 0.3], [3.4, -3.4, 9], [3.6, 0, 0], [0, -3.6, 0], [-50, 0, 0.0]])
    np.testing.assert_array_equal(POOL.outside(position), [False, False, True, True, True])
    np.testing.assert_array_equal(POOL.outside(position, margin=0.7), [False] + 4 * [True])


def test_a_plane_is_flat_ground_without_a_border_and_the_plane_of_the_file() -> None:
    plane = TerrainPool.plane()
    position = np.array([[0, 0, 0.3], [50, -3.4, 9], [-1e4, 2e4, 0]])
    assert not plane.outside(position).any()
    assert not plane.height(np.zeros(3, int), position[:, :1], position[:, 1:2]).any()
    there = load(asset("quadruped.xml"), pool=plane)
    assert there.nhfield == 0
    assert there.geom(GROUND.geom).type == mujoco.mjtGeom.mjGEOM_PLANE
    assert load(asset("quadruped.xml"), pool=plane.only(0)).nhfield == 0


def test_a_scan_turns_and_moves_with_the_robot() -> None:
    """Ahead of a robot that faces the stairs are stairs, whichever way it faces."""
    k = np.full(4, POOL.index("stairs_up", 2, 0))
    yaw = np.arange(4) * np.pi / 2
    ahead, left, behind = (1.5, 0.0), (0.0, 0.4), (-0.5, 0.0)
    base = np.stack([0.5 * np.cos(yaw), 0.5 * np.sin(yaw), np.full(4, 0.3)], axis=1)
    seen = scan(POOL, k, base, yaw, np.array([ahead, left, behind]))
    # 2 m from the centre is the middle of the fourth step: 1 m of platform, 0.3 m a tread.
    np.testing.assert_allclose(seen, np.tile([4 * 0.23 - 0.3, -0.3, -0.3], (4, 1)), atol=1e-6)


def test_a_scan_is_the_lookup_at_turned_points() -> None:
    """The plane as complex numbers: heading is a factor, position a summand."""
    rng = np.random.default_rng(4)
    yaw, base = rng.uniform(-4, 4, K), rng.uniform(-2, 2, (K, 3))
    grid = rng.uniform(-1, 1, (35, 2))
    point = np.exp(1j * yaw)[:, None] * (grid @ [1, 1j]) + (base[:, :2] @ [1, 1j])[:, None]
    expected = POOL.height(np.arange(K), point.real, point.imag) - base[:, 2:]
    seen = scan(POOL, np.arange(K), base, yaw, grid)
    np.testing.assert_allclose(seen, expected, atol=1e-6)
