"""Objects of another shape, size and mass, against twins that MuJoCo compiled so."""

from typing import Any

import mujoco
import numpy as np
import pytest
from handled import (
    BOX,
    CYLINDER,
    DT,
    EFFECT,
    HALF,
    MOTION,
    OBJECT,
    ROBOT,
    START,
    A,
    environment,
    held,
    put,
    rest,
)

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.perturbations.base import Plant
from robo_maxent.perturbations.objects import GRAIN
from robo_maxent.perturbations.params import check
from robo_maxent.tasks.arm import ARM

MASS = 0.1  # kg, as compiled
EFFECTS = tuple(EFFECT.values())
GEOMETRY = ("geom_size", "geom_rbound", "geom_aabb")
BOUNDS = ("bvh_aabb",)
DERIVED = ("body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0")


def twin(shape: int, size: float, mass: float = MASS) -> mujoco.MjModel:
    """The arm with another object, from the compiler."""
    spec = mujoco.MjSpec.from_file(str(ARM.model))
    for geom in list(spec.geoms):
        if geom.group == 2:
            spec.delete(geom)
    half = size * HALF
    spec.geom("object_box").size = [half] * 3 if shape == 0 else [size * GRAIN] * 3
    spec.geom("object_cylinder").size = [half if shape else size * GRAIN] * 2 + [0.0]
    body = spec.body("object")
    body.inertia = np.array(body.inertia) * mass / body.mass
    body.mass = mass
    return spec.compile()


CASES = [(0, 0.5), (0, 1.6), (1, 1.0), (1, 0.7), (1, 1.6)]


def test_sizes_and_bounds_are_those_that_the_compiler_gives() -> None:
    shape, size = np.array(CASES).T
    env = environment(held(len(CASES), object_shape=shape, object_size=size))
    for sim, case in enumerate(CASES):
        model, expected = env.batch.get_model(sim), twin(int(case[0]), case[1])
        for name in (*GEOMETRY, *BOUNDS):
            values, wanted = getattr(model, name), getattr(expected, name)
            np.testing.assert_allclose(values, wanted, atol=1e-12, err_msg=f"{case} {name}")


def test_a_shape_is_swapped_in_its_simulation_and_in_no_other() -> None:
    env = environment(held(3, object_shape=[0, 1, 0]))
    sizes, compiled = env.batch.expand("geom_size"), ROBOT.model.geom_size
    np.testing.assert_array_equal(sizes[[0, 2]], np.tile(compiled, (2, 1, 1)))
    np.testing.assert_array_equal(sizes[1, CYLINDER], [HALF, HALF, 0.0])
    np.testing.assert_array_equal(sizes[1, BOX], [GRAIN] * 3)
    env.restart(np.array([1]))  # the next episode is drawn, and of the task's own box
    np.testing.assert_array_equal(sizes[1], compiled)


@pytest.mark.parametrize("shape", [0, 1], ids=["box", "cylinder"])
def test_the_shape_that_an_object_has_is_what_touches_the_table(shape: int) -> None:
    env = environment(held(1, object_shape=shape, object_size=1.6))
    put(env, 0.5, 0.0)
    model, data = env.batch.get_model(0), env.batch.get_data(0)
    data.qpos[START + 2] -= 1e-4
    mujoco.mj_forward(model, data)
    geoms = {int(geom) for contact in data.contact for geom in contact.geom}
    assert geoms == {ROBOT.table, CYLINDER if shape else BOX}


def test_mass_inertia_and_what_follows_from_them_are_those_of_a_compiled_twin() -> None:
    masses = [0.03, MASS, 1.5]
    env = environment(held(3, object_mass=masses))
    for sim, mass in enumerate(masses):
        model, expected = env.batch.get_model(sim), twin(0, 1.0, mass)
        assert model.body_mass[OBJECT] == pytest.approx(mass)
        for name in DERIVED:
            values, wanted = getattr(model, name), getattr(expected, name)
            np.testing.assert_allclose(values, wanted, rtol=1e-9, err_msg=name)
    compiled = env.batch.get_model(1)
    for name in DERIVED:
        np.testing.assert_array_equal(getattr(compiled, name), getattr(ROBOT.model, name), name)


@pytest.mark.parametrize(
    ("shape", "size", "mass"), [(0, 1.6, MASS), (0, 0.5, 0.4), (1, 1.0, MASS), (1, 1.6, 0.3)]
)
def test_the_inertia_is_that_of_the_shape_and_the_size_of_even_density(
    shape: int, size: float, mass: float
) -> None:
    env = environment(
        held(2, object_shape=[shape, 0], object_size=[size, 1.0], object_mass=[mass, MASS])
    )
    half = size * HALF
    spec = mujoco.MjSpec()
    kind = (mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CYLINDER)[shape]
    lengths = [half, half, half] if shape == 0 else [half, half, 0.0]
    spec.worldbody.add_body().add_geom(type=kind, size=lengths, mass=mass)
    even = spec.compile().body_inertia[1]
    # The file has it to three digits; a cylinder's largest moments are those across its axis.
    inertia = env.batch.expand("body_inertia")[:, OBJECT]
    np.testing.assert_allclose(np.sort(inertia[0]), np.sort(even), rtol=2e-3)
    if shape:
        assert np.argmin(inertia[0]) == 2
    np.testing.assert_array_equal(inertia[1], ROBOT.model.body_inertia[OBJECT])


def test_objects_of_any_mass_fall_alike_and_a_force_moves_them_by_its_share() -> None:
    masses, force = np.array([0.05, 0.2, 1.0]), np.array([0.3, -0.2, 0.0, 0.001, 0.0, 0.002])
    env = environment(held(3, object_mass=masses))
    env.batch.bind("qpos")[:, START : START + 7] = [0.5, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    env.batch.bind("qvel")[:] = 0.0
    env.batch.bind("xfrc_applied")[:, OBJECT] = force
    rest(env, 1)
    motion = env.batch.bind("qvel")[:, MOTION : MOTION + 6]
    inertia = 2.67e-5 * masses / MASS
    expected = DT * np.column_stack([force[:3] / masses[:, None], force[3:] / inertia[:, None]])
    expected[:, 2] -= 9.81 * DT
    np.testing.assert_allclose(motion, expected, rtol=1e-6, atol=1e-9)


def grown(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    return np.array([env.effects.shown(sim)["geom_size"][BOX] for sim in range(env.n)])


def test_a_new_episode_begins_from_the_compiled_size_and_factors_do_not_compound() -> None:
    env = environment(held(2, object_size=[1.5, 0.5], object_mass=[0.4, 0.1]))
    first = grown(env)
    np.testing.assert_allclose(first, HALF * np.array([[1.5] * 3, [0.5] * 3]))
    env.params.copy_rows(held(2, object_size=[1.5, 0.5], object_mass=[0.4, 0.1]), np.arange(2))
    for _ in range(3):
        env.effects.begin(np.arange(2), np.zeros(2, np.uint64))
    np.testing.assert_array_equal(grown(env), first)
    np.testing.assert_allclose(env.batch.expand("body_mass")[:, OBJECT], [0.4, 0.1])


def test_an_object_wider_than_the_gripper_opens_is_refused() -> None:
    widest = 1.8  # nine tenths of the 4 cm that a finger goes, over the 2 cm of a half
    check(held(1, object_size=widest), EFFECTS, ROBOT, 1)
    with pytest.raises(UsageError, match=r"object_size must be within \[0\.4, 1\.8\], got 2"):
        check(held(1, object_size=2.0), EFFECTS, ROBOT, 1)
    assert max(EFFECT["object_size"].severities) < widest


def test_drawn_masses_are_uniform_in_the_logarithm_and_shapes_come_by_their_share() -> None:
    rng = np.random.default_rng(0)
    ranges = {"object_mass": (0.05, 0.4), "cylinders": 0.3}
    mass = [EFFECT["object_mass"].sample(ranges, rng, ROBOT)["object_mass"] for _ in range(1500)]
    thirds = np.histogram(np.log2(mass), bins=3, range=(np.log2(0.05), np.log2(0.4)))[0] / 1500
    np.testing.assert_allclose(thirds, 1 / 3, atol=0.06)  # 5 sigma
    shape = [EFFECT["object_shape"].sample(ranges, rng, ROBOT)["object_shape"] for _ in range(1500)]
    assert np.mean(shape) == pytest.approx(0.3, abs=0.06)
    values = EFFECT["object_shape"].at(1.0, "any", rng, Plant(ROBOT, DT))
    np.testing.assert_array_equal(values["object_shape"], [1])


def test_an_object_that_is_nominal_is_the_compiled_one_bit_for_bit_beside_others() -> None:
    off = environment(held(2))
    on = environment(held(2, object_shape=[0, 1], object_size=[1.0, 1.3], object_mass=[MASS, 0.3]))
    rng = np.random.default_rng(0)
    for _ in range(30):
        action = rng.uniform(-1.0, 1.0, (2, A))
        off.step(action)
        on.step(action)
        assert off.batch.state[0].tobytes() == on.batch.state[0].tobytes()
    assert not np.array_equal(off.batch.state[1], on.batch.state[1])
