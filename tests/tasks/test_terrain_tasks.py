"""The tasks on terrain: where episodes take place, what is seen of the ground, who is promoted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.sim.terrain import HELD_OUT, KINDS, PATCH, SAMPLES
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.tasks import getup, make, rough

ROUGH: Any = make("quadruped-rough")
SCAN: Any = make("quadruped-rough-scan")
GETUP: Any = make("quadruped-getup")
AXIS = np.linspace(-PATCH / 2, PATCH / 2, SAMPLES)


def on(task: Any, heights: np.ndarray) -> Any:
    """The task on one patch of given heights, row y, column x."""
    pool = TerrainPool(("flat",), variants=1)
    pool.heights[:] = heights
    other = task.on(pool)
    other.randomization = other.ranges("none")
    return other


def still(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """No action, (N, A)."""
    return np.zeros((env.n, env.task.action_size))


# -- where an episode takes place ----------------------------------------------


@pytest.mark.parametrize("name", ["quadruped-rough", "quadruped-getup"])
def test_every_start_is_above_the_ground_on_every_kind_at_every_level(name: str) -> None:
    task = make(name, kinds=tuple(KINDS))
    for level in (0, 5, 10):
        task.level = level  # type: ignore[attr-defined]
        env = MujocoVecEnv(task, 2 * len(KINDS), seed=3)
        env.reset()
        x, y, z = np.moveaxis(env.state.foot_position, 2, 0)
        ground = task.pool.height(env.episode.patch, x, y)  # type: ignore[union-attr]
        # On the plane too: joint angles that are drawn stretch a leg by as much.
        assert (z - task.robot.foot_radius - ground).min() > -0.025
        kinds = {task.pool.patches[patch].kind for patch in env.episode.patch}  # type: ignore
        assert kinds == set(KINDS)
        assert {task.pool.patches[patch].level for patch in env.episode.patch} == {level}  # type: ignore


def test_training_begins_anywhere_on_a_patch_and_an_evaluation_at_its_centre() -> None:
    env = MujocoVecEnv(ROUGH, 400, seed=3)
    env.reset()
    env.episode.level[:] = 10
    env.restart(np.arange(400))
    place = env.state.base_position[:, :2]
    assert np.abs(place).max() < rough.START_REACH
    assert np.quantile(place, [0.1, 0.9]) == pytest.approx([-1.6, 1.6], abs=0.15)
    x, y, z = np.moveaxis(env.state.foot_position, 2, 0)
    above = z - ROUGH.robot.foot_radius - ROUGH.pool.height(env.episode.patch, x, y)
    assert above.min() > -1e-6
    assert np.median(above.min(axis=1)) < 0.05  # and not in the air
    env = MujocoVecEnv(ROUGH.unseen(1), 8, seed=3)
    env.reset()
    assert not env.state.base_position[:, :2].any()


def test_leaving_the_patch_truncates_and_does_not_terminate() -> None:
    env = MujocoVecEnv(ROUGH, 2, seed=0)
    env.reset()
    env.batch.bind("qpos")[0, 0] = PATCH / 2 - 0.4
    step = env.step(still(env))
    assert step.truncated.tolist() == [True, False]
    assert not step.terminated.any()


def test_a_fall_is_measured_from_the_ground_below_not_from_sea_level() -> None:
    hill = np.full((SAMPLES, SAMPLES), 1.0)
    env = MujocoVecEnv(on(ROUGH, hill), 2, seed=0)
    env.reset()
    assert env.state.base_position[:, 2].min() > 1.2
    assert not env.step(still(env)).terminated.any()
    env.batch.bind("qpos")[1, 2] = 1.08
    assert env.step(still(env)).terminated.tolist() == [False, True]


def test_a_fall_is_paid_for_once_and_no_other_step_is() -> None:
    env = MujocoVecEnv(ROUGH, 2, seed=0)
    env.reset()
    before = env.step(still(env))
    env.batch.bind("qpos")[1, 3:7] = [0.0, 1.0, 0.0, 0.0]  # on its back
    fall = env.step(still(env))
    after = env.step(still(env))
    assert fall.terminated.tolist() == [False, True]
    costs = [step.terms["termination"].tolist() for step in (before, fall, after)]
    assert costs == [[0.0, 0.0], [0.0, -rough.FALL_COST], [0.0, 0.0]]
    assert fall.reward[1] <= -rough.FALL_COST + 5.0  # the floor does not lift it
    assert before.reward.min() >= 0.0


def test_where_falls_are_free_the_rest_of_the_reward_stays() -> None:
    free = ROUGH.on(ROUGH.pool)
    free.termination_cost = 0.0
    steps = []
    for task in (ROUGH, free):
        env = MujocoVecEnv(task, 2, seed=0)
        env.reset()
        env.batch.bind("qpos")[1, 3:7] = [0.0, 1.0, 0.0, 0.0]  # on its back
        steps.append(env.step(still(env)))
    assert steps[0].terminated.tolist() == steps[1].terminated.tolist() == [False, True]
    assert steps[1].reward - steps[0].reward == pytest.approx([0.0, rough.FALL_COST])


def test_a_simulation_that_diverges_costs_what_a_fall_costs(tmp_path: Path) -> None:
    env = MujocoVecEnv(ROUGH, 2, seed=0, dump_dir=tmp_path)
    env.reset()
    env.batch.bind("qvel")[1, 0] = np.nan
    step = env.step(still(env))
    assert step.diverged.tolist() == [False, True]
    assert step.terms["termination"].tolist() == [0.0, -rough.FALL_COST]


def test_an_episode_says_which_ground_it_was_on() -> None:
    task = make("quadruped-rough", kinds=("gaps",), level=7)
    env = MujocoVecEnv(task, 1, seed=0)
    env.reset()
    env.batch.bind("qpos")[0, 0] = PATCH
    (episode,) = env.step(still(env)).episodes
    assert (episode.terrain, episode.level) == ("gaps", 7)


def test_evaluation_takes_place_on_new_patches_of_every_kind_and_level() -> None:
    env = ROUGH.evaluation_env(220, seed=5)
    env.reset()
    pool, patches = env.task.pool, [env.task.pool.patches[p] for p in env.episode.patch]
    index = pool.index("rough", 5, 0)
    assert not np.array_equal(pool.heights[index], ROUGH.pool.heights[index])
    counts = np.unique([patch.kind for patch in patches], return_counts=True)[1]
    assert counts.tolist() == [22] * len(rough.TERRAIN)
    assert {patch.level for patch in patches} == set(range(pool.levels))
    assert env.task is ROUGH.evaluation_env(4, seed=5).task  # built once
    other = ROUGH.evaluation_env(4, seed=6).task.pool
    assert not np.array_equal(pool.heights[index], other.heights[index])


def test_an_evaluation_in_parts_is_the_evaluation_in_one() -> None:
    whole, part = ROUGH.evaluation_env(24, seed=1), ROUGH.evaluation_env(8, seed=1, first_sim=16)
    np.testing.assert_array_equal(whole.reset()[16:], part.reset())
    np.testing.assert_array_equal(whole.episode.patch[16:], part.episode.patch)


def test_held_out_kinds_are_not_trained_on() -> None:
    assert not set(HELD_OUT) & set(ROUGH.pool.kinds)
    assert not set(HELD_OUT) & set(GETUP.pool.kinds)


@pytest.mark.parametrize("name", ["quadruped-rough", "quadruped-rough-scan", "quadruped-getup"])
def test_a_level_or_kind_that_there_is_not_is_refused_when_the_task_is_built(name: str) -> None:
    with pytest.raises(UsageError, match="level must be from 0 to 10, got 11"):
        make(name, level=11)
    with pytest.raises(UnknownNameError, match="stairs_up"):
        make(name, kinds=("stairs",))


# -- what is seen --------------------------------------------------------------


def test_a_blind_policy_sees_neither_the_ground_nor_its_velocity() -> None:
    blind, seeing = ({name for name, _, _ in task.policy_parts} for task in (ROUGH, SCAN))
    assert not any("ground" in name for name in blind)
    assert [name for name in blind if "linear" in name] == [rough.OWN[0].name]  # leg odometry
    assert len(seeing - blind) == 1
    assert SCAN.policy_size == ROUGH.policy_size + len(rough.SCAN)
    assert SCAN.observation_size == ROUGH.observation_size


def test_the_scan_is_the_ground_at_its_points_turned_with_the_robot() -> None:
    bumps = 0.05 * np.sin(3 * AXIS) + 0.03 * np.cos(2 * AXIS)[:, None]
    task = on(SCAN, bumps)
    env = MujocoVecEnv(task, 3, seed=2)
    obs = env.reset()
    start = sum(size for name, size, _ in task.policy_parts if "ground" not in name)
    for sim in range(3):
        w, _, _, z = env.state.base_orientation[sim]
        yaw = 2 * np.arctan2(z, w)
        x0, y0, z0 = env.state.base_position[sim]
        for k, (ahead, left) in enumerate(rough.SCAN):
            x = x0 + ahead * np.cos(yaw) - left * np.sin(yaw)
            y = y0 + ahead * np.sin(yaw) + left * np.cos(yaw)
            ground = 0.05 * np.sin(3 * x) + 0.03 * np.cos(2 * y)
            expected = ground - z0 + task.robot.home_height
            assert obs[sim, start + k] == pytest.approx(expected, abs=5e-4)


def test_a_swinging_foot_must_clear_the_step_ahead_and_a_standing_one_must_not() -> None:
    stairs = 0.1 * (AXIS > 0.05) * np.ones((SAMPLES, 1))  # rises by 0.1 m from x = 0.05 to 0.10
    task = on(ROUGH, stairs)
    env = MujocoVecEnv(task, 1, seed=0)
    env.reset()
    qpos = env.batch.bind("qpos")
    qpos[0, 3:7] = [1, 0, 0, 0]
    env.batch.forward()
    feet = env.state.foot_position[0]
    ahead, before = feet[:, 0] + rough.REACH, feet[:, 0]
    lift = feet[:, 2] - task.robot.foot_radius
    for target in (0.0, 0.05):
        for foot in range(4):
            ground = 0.1 if target and ahead[foot] > 0.1 else 0.1 * (before[foot] > 0.1)
            expected = lift[foot] - ground - rough.CLEARANCE * target
            expected = min(expected, 0.0) if target else expected
            error = task._foot_height_error(env.episode, env.state, np.full((1, 4), target))
            assert error[0, foot] == pytest.approx(expected, abs=1e-6)


def test_leg_odometry_is_the_velocity_against_the_feet_on_the_ground() -> None:
    env = MujocoVecEnv(ROUGH, 3, seed=0)
    env.reset()
    half = np.sqrt(0.5)
    turned = np.tile([half, 0.0, 0.0, half], (3, 1))  # facing along the world's y axis
    touch = np.array([[9.0, 0.0, 0.0, 9.0], [9.0, 0.0, 0.0, 9.0], [0.0] * 4])
    slipping = np.zeros((3, 4, 3))
    slipping[1, 0] = [0.0, 0.4, 0.0]  # one of two feet on the ground, ahead
    slipping[:, 1] = 5.0  # a swinging foot tells nothing
    velocity = np.tile([0.6, 0.1, 0.0], (3, 1))
    state = replace(
        env.state,
        base_orientation=turned,
        base_linear_velocity=velocity,
        foot_touch=touch,
        foot_velocity=slipping,
    )
    env.episode.odometry[2] = [0.3, 0.0, 0.0]
    for _ in range(50):
        ROUGH.after_step(env.episode, state, still(env))
    expected = [[0.6, 0.1, 0.0], [0.4, 0.1, 0.0], [0.3, 0.0, 0.0]]  # in the air it stays
    np.testing.assert_allclose(env.episode.odometry, expected, atol=1e-6)


# -- who is promoted -----------------------------------------------------------


@pytest.mark.parametrize(
    ("commanded", "covered", "fell", "level"),
    [
        (5.0, 4.5, False, 4),
        (5.0, 3.0, False, 3),
        (5.0, 1.0, False, 2),
        (5.0, 4.5, True, 2),
        (1.0, 0.0, False, 3),
        (0.0, 0.0, False, 3),
    ],
)
def test_progress_promotes_and_falls_demote(
    commanded: float, covered: float, fell: bool, level: int
) -> None:
    episode = ROUGH.episode_state(3)
    episode.level[:] = 3
    episode.commanded[1], episode.covered[1] = commanded, covered
    ROUGH.after_episode(episode, 1, fell)
    assert episode.level.tolist() == [3, level, 3]


def test_the_swing_of_a_stride_loses_nothing_and_haste_does_not_make_up_for_a_standstill() -> None:
    def velocities(step: int) -> tuple[float, float]:  # the other stands for half of it, then runs
        return 0.5 + 0.3 * np.sin(2 * np.pi * step / 13), 0.0 if step < 250 else 1.0

    share = progress_of(velocities)
    assert share[0] > 0.9
    assert share[1] == pytest.approx(0.5, abs=0.06)


def test_the_way_counts_from_a_second_after_each_command_as_the_errors_do() -> None:
    share = progress_of(lambda step: (0.5 * (step >= 25), 0.5 * (step >= 100)))
    assert share[0] > 0.97
    assert share[1] == pytest.approx(400 / 450, abs=0.05)


def progress_of(velocities: Callable[[int], tuple[float, float]]) -> np.ndarray:
    """Covered over commanded of two robots under one command for 10 s, 0.5 m/s ahead, (2,)."""
    task: Any = make("quadruped-rough")
    env = MujocoVecEnv(task, 2, seed=0)
    env.reset()
    episode, velocity = env.episode, np.zeros((2, 3))
    state = replace(env.state, base_linear_velocity=velocity)
    episode.command[:] = episode.commands[:] = [0.5, 0.0, 0.0]
    episode.begins[:] = np.append(0, np.full(rough.MAX_COMMANDS, 1000))
    for step in range(500):
        episode.elapsed += 1
        velocity[:, 0] = velocities(step)
        task.after_step(episode, state, np.zeros((2, task.action_size)))
    return episode.covered / episode.commanded


def test_the_level_reached_is_where_the_next_episode_takes_place() -> None:
    env = MujocoVecEnv(ROUGH, 10, seed=0)
    env.reset()
    env.episode.level[:] = np.arange(10)
    env.restart(np.arange(10))
    grounds = [ROUGH.pool.patches[patch] for patch in env.episode.patch]
    assert [ground.level for ground in grounds] == env.episode.slot.tolist()
    assert [ground.kind for ground in grounds] == [rough.TERRAIN[i] for i in env.episode.slot]
    assert len(set(env.episode.slot)) > 3  # the simulations change their slots
    assert env.metrics()["level/mean"] == 4.5
    assert env.metrics()["level/stairs_up"] == float(rough.TERRAIN.index("stairs_up"))


def test_without_the_curriculum_every_level_is_played_from_the_start() -> None:
    task = make("quadruped-rough", curriculum=False)
    env = MujocoVecEnv(task, 220, seed=0)
    env.reset()
    assert {task.pool.patches[p].level for p in env.episode.patch} == set(range(11))  # type: ignore


def test_randomization_widens_with_the_level_reached_and_never_in_an_evaluation() -> None:
    episode = SCAN.episode_state(8)
    episode.level[:] = [0, 1, 2, 3, 4, 5, 10, 10]
    episode.slot[:] = [7, 5, 4, 3, 2, 1, 0, 0]
    widths = [SCAN.randomization_of(episode, sim).ranges["payload"][1] for sim in range(8)]
    assert widths == pytest.approx([2.0, 2.0, 2.0, 1.6, 1.2, 0.8, 0.4, 0.4])
    for task in (SCAN.unseen(1), make("quadruped-rough", level=0)):
        assert task.randomization_of(episode, 0) is task.randomization  # type: ignore[attr-defined]


def test_who_is_demoted_keeps_nothing_of_the_wider_ranges() -> None:
    task: Any = make("quadruped-rough", randomization={"action_delay": [1, 1]})
    env = MujocoVecEnv(task, 1, seed=0)
    env.episode.level[:] = 10
    env.reset()
    assert env.params["action_delay"].tolist() == [1]
    env.episode.level[:] = 0
    env.restart(np.array([0]))
    assert env.params["action_delay"].tolist() == [0]


def test_levels_patches_and_contacts_continue_exactly_from_a_saved_state() -> None:
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (120, 20, ROUGH.action_size))
    env = MujocoVecEnv(ROUGH, 20, seed=1)
    obs = env.reset()
    env.episode.level[:] = rng.integers(11, size=20)
    for action in actions[:60]:
        obs = env.step(action).obs
    other = MujocoVecEnv(make("quadruped-rough"), 20, seed=1)
    other.reset()
    np.testing.assert_array_equal(other.load_state_dict(env.state_dict()), obs)
    for action in actions[60:]:
        here, there = env.step(action), other.step(action)
        np.testing.assert_array_equal(here.next_obs, there.next_obs)
        np.testing.assert_array_equal(here.obs, there.obs)
        assert here.episodes == there.episodes
    np.testing.assert_array_equal(env.episode.level, other.episode.level)


# -- getting up ----------------------------------------------------------------


def test_starts_are_uniform_over_orientations_and_span_the_joints() -> None:
    episode = GETUP.episode_state(3000)
    rng = np.random.default_rng(0)
    starts = np.stack([GETUP.reset(episode, sim, rng).qpos for sim in range(3000)])
    x, y = starts[:, 4:6].T
    up = 1 - 2 * (x * x + y * y)  # vertical part of the upward axis: uniform on a sphere
    np.testing.assert_allclose(
        np.quantile(up, [0.1, 0.5, 0.9]), [-0.8, 0.0, 0.8], atol=0.06
    )  # 3 sigma is 0.05
    low, high = GETUP.robot.joint_range.T
    assert (starts[:, 7:].min(axis=0) < low + 0.02 * (high - low)).all()
    assert (starts[:, 7:].max(axis=0) > high - 0.02 * (high - low)).all()
    assert np.abs(starts[:, :2]).max() <= getup.START_REACH


def test_rising_is_a_second_of_standing_without_a_break_begun_within_five() -> None:
    class Scripted(getup.QuadrupedGetup):
        stands = np.zeros(3, bool)

        def _stands(self, episode: Any, state: Any) -> np.ndarray:
            return self.stands

    task = Scripted(kinds=("flat",))
    env = MujocoVecEnv(task, 3, seed=0)
    env.reset()
    intervals = ([(40, 89), (100, 149)], [(40, 88), (90, 120)], [(251, 300)])
    episodes: list[Any] = []
    for step in range(1, 301):
        task.stands = np.array([any(a <= step <= b for a, b in stands) for stands in intervals])
        episodes += env.step(still(env)).episodes
    assert [e.length for e in episodes] == [300] * 3
    assert [e.success for e in episodes] == [True, False, False]
    assert episodes[0].metrics["rise_time"] == pytest.approx(40 * 0.02)
    assert episodes[1].metrics["rise_time"] is None


def test_standing_is_upright_and_clear_of_the_ground_below() -> None:
    step_down = np.where(AXIS > 0, 0.5, 0.3) * np.ones((SAMPLES, 1))
    task = on(GETUP, step_down)
    env = MujocoVecEnv(task, 4, seed=0)
    env.reset()
    qpos = env.batch.bind("qpos")
    qpos[:, 7:] = env.task.robot.home_pose
    tilt = np.deg2rad(35) / 2
    qpos[:, :7] = [1.0, 0, 0.78, 1, 0, 0, 0]
    qpos[1, 2] = 0.65
    qpos[2, 3:7] = [np.cos(tilt), np.sin(tilt), 0, 0]
    qpos[3, :3] = [-1.0, 0, 0.55]
    env.batch.forward()
    assert task._stands(env.episode, env.state).tolist() == [True, False, False, True]


def test_lying_never_terminates() -> None:
    env = MujocoVecEnv(GETUP, 8, seed=0)
    env.reset()
    steps = [env.step(still(env)) for _ in range(GETUP.episode_steps)]
    assert not any(step.terminated.any() for step in steps)
    assert sum(step.truncated.sum() for step in steps) == 8


def test_a_trunk_parallel_to_a_slope_pays_nothing_for_its_tilt_whichever_way_it_faces() -> None:
    ahead, left = 0.3, -0.2
    task = on(ROUGH, ahead * AXIS + left * AXIS[:, None])
    env = MujocoVecEnv(task, 4, seed=0)
    env.reset()
    normal = np.array([-ahead, -left, 1.0]) / np.sqrt(1 + ahead**2 + left**2)
    for sim, yaw in enumerate((0.0, 0.7, 2.0, -2.5)):
        forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        forward[2] = -(normal @ forward) / normal[2]
        forward /= np.linalg.norm(forward)
        turned = np.stack([forward, np.cross(normal, forward), normal], axis=1)
        mujoco.mju_mat2Quat(env.batch.bind("qpos")[sim, 3:7], turned.ravel())
    env.batch.bind("qpos")[:, 7:] = task.robot.home_pose
    env.batch.forward()
    terms = task.reward_terms(env.episode, env.state, still(env))
    np.testing.assert_allclose(terms["level"], 0.0, atol=0.01)
    tilt = ahead**2 + left**2
    assert -2.0 * tilt / (1 + tilt) < -0.2, "a level trunk would show in the term"


def test_a_drop_begins_close_to_the_ground_with_nothing_inside_it() -> None:
    env = MujocoVecEnv(GETUP, 300, seed=1)
    env.reset()
    gaps = []
    for sim in range(300):
        centres, radii = GETUP.robot.spheres(env.batch.bind("qpos")[sim])
        patch = env.episode.patch[[sim]]
        ground = GETUP.pool.height(patch, centres[None, :, 0], centres[None, :, 1])[0]
        gaps.append((centres[:, 2] - radii - ground).min())
    assert min(gaps) >= getup.START_ABOVE - 1e-9
    assert max(gaps) < 0.5  # the highest ground beside a part, rather than below it, decides
    assert np.median(gaps) < 0.06
