"""Picking from tables that are terrain: how episodes begin, what is seen, what a script reaches."""

from typing import Any

import mujoco
import numpy as np
import pytest

from robo_maxent.cli import arguments
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.plan import VARIANTS
from robo_maxent.robustness.suites import find
from robo_maxent.seeds import Purpose
from robo_maxent.sim.table_surfaces import TABLE
from robo_maxent.sim.terrain_pool import LEVELS, TerrainPool
from robo_maxent.spaces import mirror
from robo_maxent.tasks import make
from robo_maxent.tasks.arm_effects import VARIED
from robo_maxent.tasks.arm_pick_rough import AROUND, DROP, KINDS, ArmPickRough

TASK = ArmPickRough()
EVERY = ArmPickRough(kinds=TABLE.uneven, level=10)
START = int(TASK.robot.object_qpos[0])


def begun(task: Any, n: int, seed: int = 0, **options: Any) -> MujocoVecEnv[Any, Any]:
    env = MujocoVecEnv(task, n, seed, threads=1, **options)
    env.reset()
    return env


def footprint(env: MujocoVecEnv[Any, Any], sim: int) -> tuple[np.ndarray, float]:
    """Heights of the surface below the object, world frame, m, and its half-width."""
    task: Any = env.task
    x, y = env.state.object_position[sim, 0, :2]
    w, _, _, z = env.state.object_orientation[sim, 0]
    half = task.half_height(env.episode, sim)
    along, left = np.random.default_rng(sim).uniform(-half, half, (2, 2500))
    turn = 2.0 * np.arctan2(z, w)
    point = np.exp(1j * turn) * (along + 1j * left) + x + 1j * y  # the plane as complex numbers
    return task.surface(env.episode, sim).height(point.real, point.imag), half


# -- how episodes begin --------------------------------------------------------


@pytest.mark.parametrize("randomization", [None, "hard"])
@pytest.mark.parametrize("training", [False, True])
def test_nothing_begins_inside_the_surface(training: bool, randomization: str | None) -> None:
    task = ArmPickRough(randomization=randomization, kinds=TABLE.uneven, level=10)
    env = begun(task.in_training() if training else task, 150)
    table = task.robot.table
    for sim in range(env.n):
        model, data = env.batch.get_model(sim), env.batch.get_data(sim)
        mujoco.mj_forward(model, data)
        depth = [-c.dist for c in data.contact if table in c.geom.tolist()]
        assert max(depth, default=-1.0) <= 0.0
        heights, half = footprint(env, sim)
        assert env.state.object_position[sim, 0, 2] - half > heights.max()


def test_an_object_is_let_go_2_mm_above_the_highest_point_below_it() -> None:
    env = begun(EVERY, 100)
    for sim in range(100):
        heights, half = footprint(env, sim)
        lower_side = env.state.object_position[sim, 0, 2] - half
        above = lower_side - heights.max()
        assert DROP - 5e-4 < above < DROP + 3e-3  # points of either may miss the highest


def test_an_object_that_is_held_stays_in_the_hand() -> None:
    env = begun(EVERY.in_training(), 100)
    held = env.episode.opening == 0.0
    assert 15 < held.sum() < 45
    at_hand = env.state.object_position[held, 0] - env.state.site_position["hand"][held]
    assert np.abs(at_hand).max() < 1e-6


def test_goals_lie_on_the_surface_or_above_it() -> None:
    env, lying = begun(EVERY, 200), 0
    for sim, goal in enumerate(env.state.goal):
        top = EVERY.surface(env.episode, sim).height(goal[0], goal[1])
        above = goal[2] - top - EVERY.half_height(env.episode, sim)
        on_table = abs(above) < 1e-9
        assert on_table or 0.06 <= above <= 0.25
        lying += on_table
    assert 70 < lying < 130


def test_a_table_is_of_the_kind_of_its_simulation_and_of_any_level_or_the_one() -> None:
    for task, levels in ((TASK, set(range(LEVELS))), (EVERY, {10})):
        env = begun(task, 90)
        patches = [task.pool.patches[patch] for patch in env.episode.patch]
        kinds = task.pool.kinds
        assert [patch.kind for patch in patches] == [kinds[i % len(kinds)] for i in range(90)]
        assert {patch.level for patch in patches} == levels


def test_evaluations_take_place_on_other_tables_of_the_same_kinds() -> None:
    fresh = TASK.unseen(5).pool
    assert fresh.kinds == KINDS
    assert fresh.catalogue is TABLE
    for heights, trained in zip(fresh.heights, TASK.pool.heights, strict=True):
        assert not np.array_equal(heights, trained)


def test_episodes_of_a_seed_are_the_same_again_and_those_of_another_are_not() -> None:
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 6, 4))
    runs = []
    for task, seed in ((TASK, 1), (make("arm-pick-rough"), 1), (TASK, 2)):
        env = begun(task.in_training(), 6, seed)
        runs.append(np.stack([env.step(action).obs for action in actions]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_episodes_continue_exactly_from_a_saved_state() -> None:
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (60, 6, 4))
    env, other = begun(TASK, 6), begun(make("arm-pick-rough"), 6, seed=0)
    obs = [env.step(action).obs for action in actions[:20]][-1]
    np.testing.assert_array_equal(other.load_state_dict(env.state_dict()), obs)
    for action in actions[20:]:
        np.testing.assert_array_equal(env.step(action).obs, other.step(action).obs)


def test_a_table_that_stands_higher_is_the_same_table_higher() -> None:
    flat = {"table_height": (0.05, 0.05), "object_size": (1.0, 1.0)}
    high, low = (
        begun(ArmPickRough(randomization=ranges, level=10), 30)
        for ranges in (flat, flat | {"table_height": (0.0, 0.0)})
    )
    rise = high.state.object_position - low.state.object_position
    np.testing.assert_allclose(rise, np.tile([0.0, 0.0, 0.05], (30, 1, 1)), atol=1e-12)
    for env in (high, low):
        for _ in range(15):
            env.step(np.zeros((30, 4)))
    np.testing.assert_allclose(
        high.state.object_position[:, 0, 2] - low.state.object_position[:, 0, 2], 0.05, atol=5e-3
    )


# -- what is seen --------------------------------------------------------------


def test_observations_are_as_declared_and_no_element_is_constant() -> None:
    env, rng = begun(TASK.in_training(), 48), np.random.default_rng(0)
    seen = [env.step(a).obs for a in rng.uniform(-1, 1, (10, 48, 4)).repeat(5, axis=0)]
    observed = np.concatenate(seen)
    assert observed.shape[1] == TASK.observation_size
    assert np.isfinite(observed).all()
    assert (observed.std(axis=0) > 1e-3).all()


def test_the_critic_sees_the_surface_around_the_object_and_the_policy_does_not() -> None:
    env = begun(EVERY, 20)
    obs = EVERY.observe(env.episode, env.state)
    for sim in range(20):
        thing = env.state.object_position[sim, 0]
        surface = EVERY.surface(env.episode, sim)
        expected = [surface.height(*(thing[:2] + point)) - thing[2] for point in AROUND]
        np.testing.assert_allclose(obs[sim, -9:], np.ravel(expected), atol=1e-6)
    assert not any("surface" in name for name, _, _ in EVERY.policy_parts)
    assert EVERY.policy_parts == make("arm-pick").policy_parts


def test_in_a_mirror_the_surface_is_seen_from_the_other_side() -> None:
    flip = mirror(TASK.observation)
    assert flip is not None
    obs = np.zeros((1, TASK.observation_size), np.float32)
    slope = np.array([[1.0, 10.0]])
    obs[0, -9:] = (AROUND * slope).sum(axis=1)
    np.testing.assert_allclose(flip(obs)[0, -9:], (AROUND * slope * [1, -1]).sum(axis=1), atol=1e-7)


# -- what a script reaches -----------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "level", "least"), [("bumps", 10, 0.85), ("steps", 5, 0.85), ("grooves", 10, 0.85)]
)
def test_a_script_picks_from_every_kind_of_table(kind: str, level: int, least: float) -> None:
    task = ArmPickRough(kinds=(kind,), level=level)
    env = MujocoVecEnv(task, 32, seed=5, threads=1, once=True)
    obs, episodes = env.reset(), []
    while len(episodes) < 32:
        step = env.step(task.script(obs))
        obs = step.obs
        episodes += step.episodes
    assert np.mean([episode.success for episode in episodes]) >= least
    assert {(episode.terrain, episode.level) for episode in episodes} == {(kind, level)}


# -- names, effects, suites ----------------------------------------------------


def test_kinds_of_the_other_catalogue_and_levels_that_there_are_not_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"kind of table 'gaps'.*bumps, flat, grooves"):
        arguments.make("arm-pick-rough", {"kinds": ("gaps",)})
    with pytest.raises(UnknownNameError, match=r"terrain kind 'bumps'.*blocks, flat"):
        arguments.make("quadruped-rough", {"kinds": ("bumps",)})
    with pytest.raises(UsageError, match="level must be from 0 to 10, got 11"):
        arguments.make("arm-pick-rough", {"level": 11})
    with pytest.raises(UsageError, match="arm-pick has no --terrain"):
        arguments.make("arm-pick", {"kinds": ("bumps",)})


def test_what_builds_the_task_again_builds_it() -> None:
    other = ArmPickRough(**EVERY.options)
    assert other.options == EVERY.options
    np.testing.assert_array_equal(other.pool.heights, EVERY.pool.heights)


def test_it_has_the_effects_of_the_arm_but_for_the_tilt() -> None:
    names = {effect.name for effect in TASK.perturbations}
    assert {effect.name for effect in make("arm-pick").perturbations} - names == {"table_tilt"}
    assert set(VARIED) - set(TASK.default_randomization) == {"table_tilt"}


def test_a_suite_has_the_kinds_of_tables_trained_on_and_held_out_on_new_tables() -> None:
    axes = {name: found.axis for name, found in disturbances(TASK).items()}
    assert axes["terrain"].cases == KINDS
    assert axes["terrain_heldout"].cases == TABLE.held_out
    assert not set(KINDS) & set(TABLE.held_out)
    assert {
        condition.case
        for condition in find("full").only(["terrain"], TASK).conditions(TASK, "mean")
    } >= set(KINDS)


def test_a_trial_without_terrain_is_on_the_box_of_the_file() -> None:
    box = TASK.trial()
    assert box.robot.model.nhfield == 0
    env = begun(box.at(np.zeros(12, np.int64)), 12)
    for sim in range(12):
        _, half = footprint(env, sim)
        assert env.state.object_position[sim, 0, 2] == pytest.approx(half + DROP)
    pool = TerrainPool(TABLE.uneven, LEVELS, VARIANTS, 3, Purpose.STRESS_TEST, TABLE)
    env = begun(TASK.trial(pool).at(np.array([3, 100])), 2)
    assert env.episode.patch.tolist() == [3, 100]
    assert env.batch.expand("geom_dataid")[:, TASK.robot.table].tolist() == [3, 100]
