"""The table: things rest on it, slide from it and stop on it as on an inclined plane."""

from itertools import product

import mujoco
import numpy as np
import pytest
from handled import (
    BOX,
    CYLINDER,
    EFFECT,
    MOTION,
    REACH,
    ROBOT,
    environment,
    held,
    place,
    put,
    rest,
)
from scipy.spatial.transform import Rotation

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.table import SlipperyPatches, rotation
from robo_maxent.tasks.tabletop import Surface

G = 9.81
DIRECTIONS = np.arange(8) * np.pi / 4


def tilts(size: float) -> np.ndarray:
    """Tilts of a size about eight axes, rad, (8, 2)."""
    return size * np.column_stack([np.cos(DIRECTIONS), np.sin(DIRECTIONS)])


def surfaces(env: MujocoVecEnv) -> list[Surface]:
    return [REACH.surface(env.episode, sim) for sim in range(env.n)]


def test_a_tilt_is_a_rotation_vector() -> None:
    vectors = np.vstack([tilts(0.3), tilts(0.0)[:1]])
    turns = Rotation.from_rotvec(np.column_stack([vectors, np.zeros(len(vectors))]))
    np.testing.assert_allclose(rotation(vectors), turns.as_quat(scalar_first=True), atol=1e-15)


def test_the_table_stands_where_its_height_and_tilt_say() -> None:
    """Eight corners, turned about the middle of the top by SciPy: no other effect acts."""
    params = held(8, table_tilt=tilts(0.25), table_height=np.linspace(-0.15, 0.15, 8))
    env = environment(params)
    model, size = ROBOT.model, ROBOT.model.geom_size[ROBOT.table]
    top = model.geom_pos[ROBOT.table] + [0.0, 0.0, size[2]]
    corners = np.array(list(product([-1, 1], repeat=3))) * size
    place, turn = (env.batch.bind(name)[:, ROBOT.table] for name in ("geom_xpos", "geom_xmat"))
    env.batch.forward()
    for sim, surface in enumerate(surfaces(env)):
        tilt = Rotation.from_rotvec(np.append(params["table_tilt"][sim], 0.0))
        pivot = top + np.array([0.0, 0.0, params["table_height"][sim]])
        expected = pivot + tilt.apply(corners - [0.0, 0.0, size[2]])
        stands = place[sim] + corners @ turn[sim].reshape(3, 3).T
        np.testing.assert_allclose(stands, expected, atol=1e-12)
        above = expected[corners[:, 2] > 0.0]
        np.testing.assert_allclose(surface.height(*above[:, :2].T), above[:, 2], atol=1e-12)
        np.testing.assert_allclose(surface.normal, tilt.apply([0.0, 0.0, 1.0]), atol=1e-12)


@pytest.mark.parametrize("shape", [0, 1], ids=["box", "cylinder"])
@pytest.mark.parametrize("height", [-0.15, 0.15])
def test_objects_rest_on_a_table_anywhere_it_may_stand(height: float, shape: int) -> None:
    """Small and large, at the middle and near an edge, on the steepest slope of the stress test."""
    cases = held(16, table_height=height, object_shape=shape)
    cases["table_tilt"][:] = np.tile(tilts(0.25), (2, 1))
    cases["object_size"][:, 0] = np.repeat([0.5, 1.6], 8)
    env = environment(cases)
    for x, y in ((0.525, 0.0), (0.30, 0.35)):
        put(env, x, y, facing=0.5)
        before = place(env)
        rest(env, 60)
        np.testing.assert_allclose(place(env), before, atol=6e-4)


def test_an_object_slides_from_a_slope_steeper_than_its_friction_and_not_from_another() -> None:
    """Below the angle of friction it stays; above, it falls along with g (sin a - mu cos a)."""
    friction = 0.2
    angle = np.arctan(friction) + np.repeat([-0.02, 0.1], 8)
    params = held(16, table_friction=friction)
    params["table_tilt"][:] = angle[:, None] * np.tile(tilts(1.0), (2, 1))
    env = environment(params)
    put(env, 0.525, 0.0)
    start, steps = place(env), 12
    rest(env, steps)
    moved = np.linalg.norm(place(env) - start, axis=1)
    np.testing.assert_allclose(moved[:8], 0.0, atol=5e-4)
    acceleration = G * (np.sin(angle[8:]) - friction * np.cos(angle[8:]))
    time = steps * REACH.control_dt
    np.testing.assert_allclose(moved[8:], acceleration * time**2 / 2, rtol=0.05)


@pytest.mark.parametrize("shape", [0, 1], ids=["box", "cylinder"])
def test_a_sliding_object_stops_where_its_friction_says(shape: int) -> None:
    """After v^2 / 2 mu g, along x and along y."""
    friction = np.tile([0.2, 0.4, 0.8], 2)
    env = environment(held(6, table_friction=friction, object_shape=shape))
    put(env, 0.45, -0.1)
    rest(env, 5)
    start, speed, along = place(env), 0.6, np.repeat([0, 1], 3)
    env.batch.bind("qvel")[np.arange(6), MOTION + along] += speed
    rest(env, 25)
    moved = (place(env) - start)[np.arange(6), along]
    np.testing.assert_allclose(moved, speed**2 / (2 * friction * G), rtol=0.07)
    np.testing.assert_allclose(env.state.object_velocity, 0.0, atol=1e-3)


def test_the_friction_that_acts_is_that_of_the_table_and_not_of_the_object() -> None:
    """MuJoCo takes the larger of two: neither may be left at the compiled value."""
    env = environment(held(1, table_friction=0.2))
    rest(env, 2)
    model, data = env.batch.get_model(0), env.batch.get_data(0)
    mujoco.mj_forward(model, data)
    touching = [c for c in data.contact if set(c.geom) == {ROBOT.table, BOX}]
    assert touching
    assert all(contact.friction[0] == 0.2 for contact in touching)
    friction = env.batch.expand("geom_friction")[0, :, 0]
    compiled = ROBOT.model.geom_friction[:, 0]
    others = np.setdiff1d(np.arange(ROBOT.model.ngeom), [ROBOT.table, BOX, CYLINDER])
    np.testing.assert_array_equal(friction[others], compiled[others])


def slippery(x: float, y: float, pattern: np.ndarray, side: float) -> bool:
    """Whether a place is on a slippery square, by SciPy and whole numbers."""
    turn = Rotation.from_euler("z", -pattern[2])
    along, across, _ = turn.apply([x - pattern[0], y - pattern[1], 0.0])
    return bool((int(np.floor(along / side)) + int(np.floor(across / side))) % 2)


def test_patches_are_a_chess_board_anywhere() -> None:
    effect, rng = SlipperyPatches(), np.random.default_rng(0)
    ranges = {"patch_friction": (0.5, 0.5)}
    patterns = np.array([effect.sample(ranges, rng, ROBOT)["patch_pattern"] for _ in range(500)])
    places = rng.uniform(-0.5, 0.9, (500, 2))
    expected = [
        slippery(x, y, made, effect.side) for (x, y), made in zip(places, patterns, strict=True)
    ]
    np.testing.assert_array_equal(effect.covers(patterns, places), expected)
    assert np.mean(expected) == pytest.approx(0.5, abs=0.1)


def test_an_object_slides_as_the_squares_below_it_say() -> None:
    """Against Coulomb friction that is looked up once in each control step; the last has none."""
    n, factor, friction, speed = 8, 0.2, 0.6, 0.9
    params = held(n, table_friction=friction, patch_friction=factor)
    rng = np.random.default_rng(0)
    params["patch_pattern"][:] = rng.uniform(0.0, [0.16, 0.16, np.pi / 2], (n, 3))
    params["patch_friction"][-1] = 1.0
    env = environment(params)
    put(env, 0.45, 0.0)
    env.batch.bind("qvel")[:, MOTION] = speed
    start, dt, side = place(env), REACH.control_dt, SlipperyPatches.side
    rest(env, 40)
    ways = (place(env) - start)[:, 0]
    for sim in range(n):
        x, v = 0.0, speed
        while v > 0.0:
            over = slippery(0.45 + x, 0.0, params["patch_pattern"][sim], side)
            mu = friction * (params["patch_friction"][sim] if over else 1.0)
            until = min(dt, v / (mu * G))
            x, v = x + v * until - mu * G * until**2 / 2.0, max(v - mu * G * dt, 0.0)
        assert ways[sim] == pytest.approx(x, rel=0.08), sim
    assert ways[-1] == ways.min()
    assert len(np.unique(ways.round(3))) > 3


def test_a_new_episode_has_the_friction_of_its_own_table() -> None:
    """Whatever square the last one ended on; and pads hold as before."""
    env = environment(held(2, table_friction=0.3, patch_friction=0.1))
    put(env, next(x for x in (0.45, 0.53) if slippery(x, 0.0, np.zeros(3), 0.08)), 0.0)
    rest(env, 2)
    friction, compiled = env.batch.expand("geom_friction"), ROBOT.model.geom_friction
    np.testing.assert_allclose(friction[:, [ROBOT.table, BOX, CYLINDER], 0], 0.03)
    np.testing.assert_array_equal(friction[0, ROBOT.pads], compiled[ROBOT.pads])
    env.restart(np.array([0]))
    np.testing.assert_array_equal(friction[0], compiled)
    np.testing.assert_allclose(friction[1, [ROBOT.table, BOX, CYLINDER], 0], 0.03)


def test_severities_are_the_size_of_a_tilt_about_any_axis() -> None:
    plant, effect = Plant(ROBOT, REACH.control_dt), EFFECT["table_tilt"]
    rng = np.random.default_rng(0)
    drawn = np.array([effect.at(0.2, "any", rng, plant)["table_tilt"] for _ in range(800)])
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 0.2)
    quarters = np.histogram(np.arctan2(*drawn.T), bins=4, range=(-np.pi, np.pi))[0] / 800
    np.testing.assert_allclose(quarters, 0.25, atol=0.08)  # 5 sigma


def test_a_level_table_is_the_compiled_one_bit_for_bit_beside_a_tilted_one() -> None:
    params = held(2)
    params["table_tilt"][1], params["table_height"][1] = [0.1, -0.2], 0.05
    off, on = environment(held(2)), environment(params)
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1.0, 1.0, (2, 4))
        off.step(action)
        on.step(action)
        assert off.batch.state[0].tobytes() == on.batch.state[0].tobytes()
    assert not np.array_equal(off.batch.state[1], on.batch.state[1])
