"""Batched simulation against a serial loop, and what a step promises."""

import json
import zlib
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from robo_maxent.assets import path as asset
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.perturbations.params import EpisodeParams, nominal
from robo_maxent.tasks import make
from robo_maxent.tasks.quadruped import QuadrupedFlat
from robo_maxent.types import Step

TASK = make("quadruped-flat")
A = TASK.action_size


def short(steps: int) -> MujocoTask[Any, Any]:
    """The same task with a nearer time limit."""
    task = make("quadruped-flat")
    task.episode_steps = steps
    return task


def flailing(seed: int, steps: int, n: int) -> np.ndarray:
    """Actions that throw the robot over within a second, held for 5 steps, (steps, N, A)."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], (steps // 5 + 1, n, A)).repeat(5, axis=0)[:steps]


def run(env: MujocoVecEnv[Any, Any], actions: np.ndarray) -> list[Step]:
    """Steps from a reset."""
    env.reset()
    return [env.step(action) for action in actions]


def assert_same(left: Step, right: Step, rows: Any = slice(None)) -> None:
    """Bit-equal on ``rows`` of the left, all of the right."""
    for name in ("obs", "next_obs", "reward", "terminated", "truncated", "diverged"):
        np.testing.assert_array_equal(getattr(left, name)[rows], getattr(right, name), name)
    assert left.terms.keys() == right.terms.keys()
    for name, term in left.terms.items():
        np.testing.assert_array_equal(term[rows], right.terms[name], name)


# -- against a plain loop ------------------------------------------------------


class Serial:
    """One episode after another with mj_step: only the seeding rule is that of MujocoVecEnv."""

    def __init__(self, task: MujocoTask[Any, Any], seed: int, sim: int) -> None:
        self.task, self.seed, self.sim, self.episode = task, seed, sim, -1
        self.model = mujoco.MjModel.from_xml_path(str(asset("quadruped.xml")))
        self.data = mujoco.MjData(self.model)
        self.begin()

    def begin(self) -> None:
        self.episode += 1
        mujoco.mj_resetDataKeyframe(self.model, self.data, self.model.key("stand").id)
        initial = self.task.reset(self.task.episode_state(1), 0, self.rng())
        assert initial.qvel is not None
        self.data.qpos[:], self.data.qvel[:] = initial.qpos, initial.qvel
        self.friction = self.rng(zlib.crc32(b"friction")).uniform(0.4, 1.2)
        for leg in ("FR", "FL", "RR", "RL"):
            self.model.geom(f"{leg}_foot").friction[0] = self.friction

    def rng(self, *effect: int) -> np.random.Generator:
        """The generator of the episode, or that of an effect in it."""
        key = (0, self.sim, self.episode, *effect)  # 0: it is for training
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key))
        )

    def step(self, action: np.ndarray) -> None:
        stand = self.model.key("stand").qpos[7:]
        self.data.ctrl[:] = stand + self.task.action_scale * np.clip(action, -1, 1)
        for _ in range(5):
            mujoco.mj_step(self.model, self.data)

    @property
    def state(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel])

    def body_motion(self) -> np.ndarray:
        """Base velocity, angular velocity and upward axis, all in the base frame, by hand."""
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, self.data.qpos[3:7])
        to_base = rotation.reshape(3, 3).T
        return np.concatenate(
            [to_base @ self.data.qvel[:3], self.data.qvel[3:6], to_base @ [0.0, 0.0, 1.0]]
        )


def test_batch_equals_a_serial_loop_bit_for_bit_through_falls_and_resets() -> None:
    n, seed, actions = 4, 3, flailing(1, 120, 4)
    env = MujocoVecEnv(TASK, n, seed)
    env.reset()
    loops = [Serial(TASK, seed, sim) for sim in range(n)]
    resets = 0
    for action in actions:
        step = env.step(action)
        for i, loop in enumerate(loops):
            loop.step(action[i])
            # The true successor is the end of the episode, whatever follows.
            np.testing.assert_allclose(step.next_obs[i, :9], loop.body_motion(), atol=1e-5)
            if step.terminated[i] or step.truncated[i]:
                loop.begin()
                resets += 1
            state = np.concatenate([env.batch.bind("qpos")[i], env.batch.bind("qvel")[i]])
            np.testing.assert_array_equal(state, loop.state)
            assert env.params["foot_friction"][i] == loop.friction
    assert resets >= 8


def test_one_simulation_equals_its_row_of_many() -> None:
    actions = flailing(2, 300, 64)
    many = run(MujocoVecEnv(TASK, 64, seed=5), actions)
    for sim in (0, 41):
        alone = run(MujocoVecEnv(TASK, 1, seed=5, first_sim=sim), actions[:, sim : sim + 1])
        for left, right in zip(many, alone, strict=True):
            assert_same(left, right, slice(sim, sim + 1))
            assert [e for e in left.episodes if e.sim == sim] == right.episodes
        assert sum(len(step.episodes) for step in alone) >= 3


def test_simulations_may_have_any_numbers_and_the_same_one_twice() -> None:
    actions = flailing(2, 300, 64)
    many = run(MujocoVecEnv(TASK, 64, seed=5), actions)
    sims = np.array([41, 0, 41])
    some = run(MujocoVecEnv(TASK, 3, seed=5, sims=sims), actions[:, sims])
    for left, right in zip(many, some, strict=True):
        np.testing.assert_array_equal(left.next_obs[sims], right.next_obs)
    assert rewards_of(0, some) == rewards_of(0, many)
    twice = rewards_of(41, some)
    assert twice[::2] == twice[1::2] == rewards_of(41, many)
    assert twice


def rewards_of(sim: int, steps: list[Step]) -> list[float]:
    """Rewards of the episodes of a simulation."""
    return [e.reward for step in steps for e in step.episodes if e.sim == sim]


def test_what_diverges_in_simulations_of_one_number_is_dumped_apart(tmp_path: Path) -> None:
    env = MujocoVecEnv(TASK, 2, seed=5, sims=np.array([3, 3]), dump_dir=tmp_path)
    env.reset()
    env.batch.bind("qvel")[:] = 1e12
    assert env.step(np.zeros((2, A))).diverged.all()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "quadruped-flat-seed5-sim3-episode0-row0.npz",
        "quadruped-flat-seed5-sim3-episode0-row1.npz",
    ]


def test_numbers_of_simulations_are_checked() -> None:
    for sims in ([0, 1], [[0, 1, 2]], [0, 1, -2]):
        with pytest.raises(UsageError, match=r"sims must be 3 numbers of at least 0, got \["):
            MujocoVecEnv(TASK, 3, seed=0, sims=np.array(sims))


def test_thread_count_changes_nothing() -> None:
    actions = flailing(3, 100, 16)
    one, two = (run(MujocoVecEnv(TASK, 16, seed=0, threads=t), actions) for t in (1, 2))
    for left, right in zip(one, two, strict=True):
        assert_same(left, right)
        assert left.episodes == right.episodes


def test_same_seed_same_run_and_other_seed_another() -> None:
    actions = flailing(4, 40, 4)
    first, again, other = (run(MujocoVecEnv(TASK, 4, seed), actions) for seed in (7, 7, 8))
    for left, right in zip(first, again, strict=True):
        assert_same(left, right)
    assert not np.array_equal(first[0].obs, other[0].obs)


def test_episodes_of_a_simulation_differ_and_so_do_simulations() -> None:
    env = MujocoVecEnv(short(1), 8, seed=0)
    starts = np.concatenate([env.reset(), env.step(np.zeros((8, A))).obs])
    assert len(np.unique(starts, axis=0)) == 16


# -- what a step promises ------------------------------------------------------


def test_next_obs_is_the_successor_and_obs_begins_the_next_episode() -> None:
    env = MujocoVecEnv(TASK, 16, seed=0)
    ended = 0
    for step in run(env, flailing(5, 100, 16)):
        over = step.terminated | step.truncated
        np.testing.assert_array_equal(step.obs[~over], step.next_obs[~over])
        for i in np.flatnonzero(over):
            assert np.abs(step.next_obs[i, 24:36]).max() > 1.0  # joints in full swing, rad/s ...
            assert not step.obs[i, 24:36].any()  # ... and the new episode begins at rest
            ended += 1
    assert ended >= 20


def test_what_runs_once_runs_as_ever_and_then_rests() -> None:
    actions = flailing(2, 40, 16)
    usual, once = (MujocoVecEnv(short(60), 16, seed=5, once=o) for o in (False, True))
    ended = np.zeros(16, bool)
    for left, right in zip(run(usual, actions), run(once, actions), strict=True):
        still = ~ended
        np.testing.assert_array_equal(left.next_obs[still], right.next_obs[still])
        np.testing.assert_array_equal(left.reward[still], right.reward[still])
        assert [e for e in left.episodes if not e.index] == right.episodes
        assert not right.terminated[ended].any()
        assert not right.truncated[ended].any()
        ended |= right.terminated
    assert 4 <= ended.sum() < 16

    before = once.batch.bind("qpos").copy()
    once.step(actions[0])
    moved = (once.batch.bind("qpos") != before).any(axis=1)
    np.testing.assert_array_equal(moved, ~ended)
    run(once, np.zeros((61, 16, A)))  # until all rest, from a new beginning
    before = once.batch.bind("qpos").copy()
    assert not once.step(actions[0]).truncated.any()
    np.testing.assert_array_equal(once.batch.bind("qpos"), before)


def test_time_limit_truncates_and_does_not_terminate() -> None:
    steps = run(MujocoVecEnv(short(20), 3, seed=0), np.zeros((45, 3, A)))
    assert not any(step.terminated.any() for step in steps)
    assert [t for t, step in enumerate(steps, 1) if step.truncated.all()] == [20, 40]
    assert sum(step.truncated.sum() for step in steps) == 6


def test_a_fall_terminates_even_on_the_last_step() -> None:
    env = MujocoVecEnv(short(3), 2, seed=0)
    env.reset()
    for _ in range(2):
        env.step(np.zeros((2, A)))
    env.batch.bind("qpos")[0, 3:7] = [0.0, 1.0, 0.0, 0.0]  # on its back
    step = env.step(np.zeros((2, A)))
    assert step.terminated.tolist() == [True, False]
    assert step.truncated.tolist() == [False, True]
    fallen, timed_out = step.episodes
    assert fallen.terminated
    assert not fallen.success
    assert not timed_out.terminated


def test_reward_is_the_sum_of_its_terms_and_the_episode_adds_them_up() -> None:
    env = MujocoVecEnv(short(25), 4, seed=0)
    total, ended = np.zeros(4), 0
    for step in run(env, flailing(6, 75, 4)):
        summed = np.sum(list(step.terms.values()), axis=0)
        np.testing.assert_allclose(step.reward, summed, rtol=1e-6, atol=1e-6)
        total += summed
        for episode in step.episodes:
            assert episode.reward == pytest.approx(total[episode.sim])
            total[episode.sim] = 0.0
            ended += 1
    assert ended >= 12


def test_a_step_keeps_its_values_when_the_next_is_taken() -> None:
    env = MujocoVecEnv(TASK, 8, seed=0)
    env.reset()
    actions = flailing(7, 40, 8)
    previous = env.step(actions[0])
    for action in actions[1:]:
        arrays = [previous.obs, previous.next_obs, previous.reward, *previous.terms.values()]
        kept = [array.copy() for array in arrays]
        following = env.step(action)
        assert not np.shares_memory(previous.obs, following.obs)
        for array, copy in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        previous = following


def test_actions_are_clipped_and_left_alone() -> None:
    wild = np.linspace(-3, 3, 2 * A).reshape(2, A)
    given = wild.copy()
    left, right = MujocoVecEnv(TASK, 2, seed=0), MujocoVecEnv(TASK, 2, seed=0)
    left.reset()
    right.reset()
    for _ in range(3):
        assert_same(left.step(wild), right.step(np.clip(wild, -1, 1)))
    np.testing.assert_array_equal(wild, given)


# -- friction ------------------------------------------------------------------


def test_friction_is_the_drawn_value_after_many_resets_not_a_compounded_one() -> None:
    env = MujocoVecEnv(short(2), 6, seed=0)
    friction, feet = env.batch.expand("geom_friction"), TASK.robot.foot_geoms
    compiled = TASK.robot.model.geom_friction
    others = np.setdiff1d(np.arange(len(compiled)), feet)
    seen = []
    env.reset()
    for _ in range(40):
        in_force = env.params["foot_friction"].copy()
        seen.append(in_force)
        np.testing.assert_array_equal(friction[:, feet, 0], np.tile(in_force[:, None], 4))
        np.testing.assert_array_equal(friction[:, feet, 1:], np.tile(compiled[feet, 1:], (6, 1, 1)))
        np.testing.assert_array_equal(
            friction[:, others], np.tile(compiled[others], (6, 1, 1)), "only the feet differ"
        )
        for episode in env.step(np.zeros((6, A))).episodes:
            assert episode.params == {"foot_friction": in_force[episode.sim]}
    low, high = TASK.randomization.ranges["foot_friction"]
    values = np.unique(seen)
    assert len(values) >= 100
    assert low <= values.min() < low + 0.1
    assert high - 0.1 < values.max() <= high


def test_a_slippery_robot_slides_further_than_a_sticky_one() -> None:
    env = MujocoVecEnv(TASK, 2, seed=0)
    env.reset()
    state = env.batch.state
    state[1] = state[0]
    env.batch.bind("qvel")[:] = 0.0
    env.batch.bind("qvel")[:, 0] = 1.0  # pushed
    env.batch.expand("geom_friction")[:, TASK.robot.foot_geoms, 0] = [[0.05], [1.0]]
    start = env.state.base_position[:, 0].copy()
    for _ in range(25):
        env.step(np.zeros((2, A)))
    icy, rubber = env.state.base_position[:, 0] - start
    assert icy > 1.5 * rubber


# -- refusals ------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_not_finite_is_refused_and_nothing_is_stepped(bad: float) -> None:
    env = MujocoVecEnv(TASK, 3, seed=0)
    actions = flailing(8, 6, 3)
    run(env, actions)
    before = env.state_dict()
    action = actions[0].copy()
    action[1, 4] = bad
    with pytest.raises(UsageError, match=r"got NaN or infinity in simulations \[1\]"):
        env.step(action)
    for name, array in env.state_dict().items():
        np.testing.assert_array_equal(array, before[name], name)
    undisturbed = run(MujocoVecEnv(TASK, 3, seed=0), np.concatenate([actions, actions[:1]]))
    assert_same(env.step(actions[0]), undisturbed[-1])


@pytest.mark.parametrize("shape", [(A,), (3, A - 1), (4, A), (3, A, 1)])
def test_an_action_of_the_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    env = MujocoVecEnv(TASK, 3, seed=0)
    env.reset()
    with pytest.raises(UsageError) as error:
        env.step(np.zeros(shape))
    assert str(error.value) == f"action must have shape (3, {A}), got {shape}"


def test_no_simulation_and_a_negative_seed_are_refused() -> None:
    with pytest.raises(UsageError, match="n must be at least 1, got 0"):
        MujocoVecEnv(TASK, 0, seed=0)
    with pytest.raises(UsageError, match="seed must be at least 0, got -1"):
        MujocoVecEnv(TASK, 1, seed=-1)


# -- divergence ----------------------------------------------------------------


def loaded(dump: Path) -> tuple[mujoco.MjData, dict[str, float]]:
    """Simulation and parameters of a dump, which needs neither this package nor pickle."""
    with np.load(dump) as saved:
        data = mujoco.MjData(TASK.robot.model)
        spec = mujoco.mjtState.mjSTATE_INTEGRATION
        mujoco.mj_setState(TASK.robot.model, data, saved["state"], spec)
        np.testing.assert_array_equal(saved.get("ctrl", data.ctrl), data.ctrl)
        return data, json.loads(str(saved["params"]))


def test_a_divergence_that_can_not_be_kept_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = MujocoVecEnv(TASK, 1, seed=0, dump_dir=tmp_path / "file/dumps")
    env.reset()
    env.batch.bind("qvel")[0] = np.nan
    with pytest.warns(
        UserWarning, match=r"state of a diverged simulation is not kept: .*Not a dir"
    ):
        assert env.step(np.zeros((1, A))).diverged.all()


@pytest.mark.parametrize("speed", [1e9, 1e12, np.nan])
def test_a_diverged_simulation_is_a_recorded_failure_and_the_others_do_not_notice(
    speed: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    calm = 0.1 * flailing(9, 30, 4)
    dumps = tmp_path / "dumps"
    env, twin = (MujocoVecEnv(TASK, 4, seed=0, dump_dir=dumps) for _ in range(2))
    run(env, calm[:10])
    run(twin, calm[:10])

    env.batch.bind("qvel")[2, 7] = speed
    before = {name: env.batch.bind(name)[2].copy() for name in ("qpos", "qvel", "qacc_warmstart")}
    step, expected = env.step(calm[10]), twin.step(calm[10])

    assert step.diverged.tolist() == step.terminated.tolist() == [False, False, True, False]
    assert not step.truncated.any()
    if speed < 1e10:  # MuJoCo accepts it, so the successor is the last state there was
        assert step.next_obs[2, 25] == np.float32(speed)
    for array in (step.obs, step.next_obs, step.reward, *step.terms.values()):
        assert np.isfinite(array).all()
    (episode,) = step.episodes
    assert (episode.sim, episode.length) == (2, 11)
    assert episode.diverged
    assert episode.terminated
    assert not episode.success

    others = [0, 1, 3]
    np.testing.assert_array_equal(step.next_obs[others], expected.next_obs[others])
    for action in calm[11:]:
        step, expected = env.step(action), twin.step(action)
        np.testing.assert_array_equal(step.obs[others], expected.obs[others])
        np.testing.assert_array_equal(step.reward[others], expected.reward[others])
        assert not step.diverged.any()
        assert np.isfinite(step.obs).all()

    (dump,) = dumps.glob("*.npz")
    assert dump.name == "quadruped-flat-seed0-sim2-episode0.npz"
    data, params = loaded(dump)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(data, name), value)
    np.testing.assert_array_equal(data.ctrl, TASK.robot.home_pose + TASK.action_scale * calm[10, 2])
    assert params == episode.params


def test_a_dumped_state_diverges_again_when_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = MujocoVecEnv(TASK, 2, seed=0, dump_dir=tmp_path)
    env.reset()
    env.batch.bind("qvel")[1, 7] = 1e9
    env.step(np.zeros((2, A)))
    (dump,) = tmp_path.glob("*.npz")
    data, _ = loaded(dump)
    for _ in range(5):
        mujoco.mj_step(TASK.robot.model, data)
    assert sum(int(warning.number) for warning in data.warning) > 0


# -- resume --------------------------------------------------------------------


def test_a_restored_environment_continues_bit_for_bit() -> None:
    task, actions = short(60), flailing(10, 160, 8)
    actions[:, 4:] *= 0.1  # half of them keep standing until their time is up
    env = MujocoVecEnv(task, 8, seed=2)
    obs = run(env, actions[:80])[-1].obs
    saved = env.state_dict()
    expected = [env.step(action) for action in actions[80:]]

    restored = MujocoVecEnv(task, 8, seed=2)
    np.testing.assert_array_equal(restored.load_state_dict(saved), obs)
    for action, step in zip(actions[80:], expected, strict=True):
        again = restored.step(action)
        assert_same(again, step)
        assert again.episodes == step.episodes
    assert sum(step.truncated.sum() for step in expected) >= 4
    assert sum(step.terminated.sum() for step in expected) >= 4


def test_who_rests_goes_on_resting_when_restored() -> None:
    actions = flailing(2, 60, 16)
    env, restored = (MujocoVecEnv(short(60), 16, seed=5, once=True) for _ in range(2))
    fell = np.any([step.terminated for step in run(env, actions[:40])], axis=0)
    assert 4 <= fell.sum() < 16
    restored.load_state_dict(env.state_dict())
    before = env.batch.bind("qpos").copy()
    for action in actions[40:]:
        assert restored.step(action).episodes == env.step(action).episodes
    after = restored.batch.bind("qpos")
    np.testing.assert_array_equal(after, env.batch.bind("qpos"))
    np.testing.assert_array_equal((after == before).all(axis=1), fell)


def test_the_saved_state_is_a_copy() -> None:
    env = MujocoVecEnv(TASK, 2, seed=0)
    env.reset()
    saved = env.state_dict()
    kept = {name: array.copy() for name, array in saved.items()}
    env.step(np.ones((2, A)))
    for name, array in saved.items():
        np.testing.assert_array_equal(array, kept[name], name)


def disturbed(n: int) -> EpisodeParams:
    """A push and a slip that are under way at control step 10, one of them in each simulation."""
    params = nominal(TASK.perturbations, TASK.robot, n)
    for row in range(n):
        if row % 2:
            params.change(row, {"slip_begin": 0.1, "slip_duration": 0.4, "slip_friction": 0.1})
            continue
        push = np.zeros((4, 3))
        push[0, 1] = 4.0
        begin, duration = np.array([0.16, 0, 0, 0]), np.array([0.2, 0, 0, 0])
        params.change(row, {"push_begin": begin, "push_duration": duration, "push_impulse": push})
    return params


def test_a_parameter_that_changes_in_one_episode_changes_no_other() -> None:
    actions = 0.3 * flailing(4, 40, 4)
    env, untouched = (MujocoVecEnv(TASK, 4, seed=1, params=disturbed(4)) for _ in range(2))
    for each in (env, untouched):
        run(each, actions[:10])
    env.change(1, {"payload": 2.0})
    for action in actions[10:]:
        changed, other = env.step(action).next_obs, untouched.step(action).next_obs
        np.testing.assert_array_equal(changed[[0, 2, 3]], other[[0, 2, 3]])
        assert (changed[1] != other[1]).any()
    assert env.effects.realized(0)["impulse"] == untouched.effects.realized(0)["impulse"]


def test_a_parameter_that_changes_at_the_start_is_one_that_was_given() -> None:
    given = nominal(TASK.perturbations, TASK.robot, 1)
    given.change(0, {"payload": 3.0, "foot_friction": 0.3, "gravity_tilt": [0.05, 0.0]})
    changed = MujocoVecEnv(TASK, 1, seed=1, params=nominal(TASK.perturbations, TASK.robot, 1))
    actions = flailing(5, 60, 1)
    changed.reset()
    changed.change(0, given.record(nominal(TASK.perturbations, TASK.robot, 1), 0))
    steps = run(MujocoVecEnv(TASK, 1, seed=1, params=given), actions)
    for action, step in zip(actions[:50], steps, strict=False):
        np.testing.assert_array_equal(changed.step(action).next_obs, step.next_obs)


def test_what_is_held_stands_in_every_episode_and_what_was_drawn_is_known() -> None:
    task = make(
        "quadruped-flat", randomization={"payload": (0.0, 2.0), "foot_friction": (0.3, 1.0)}
    )
    env, free = (MujocoVecEnv(task, 2, seed=1) for _ in range(2))
    env.hold({"payload": 4.5})
    for each in (env, free):
        each.reset()
        each.restart(np.arange(2))
    assert env.params["payload"].tolist() == [4.5, 4.5]
    for sim in range(2):
        assert env.effects.realized(sim)["total_mass"] == pytest.approx(TASK.robot.mass + 4.5)
        assert env.drawn(sim)["payload"][0] == free.params["payload"][sim] != 4.5
    np.testing.assert_array_equal(env.params["foot_friction"], free.params["foot_friction"])


@pytest.mark.parametrize(
    ("values", "message"),
    [({"pay_load": 1.0}, "Did you mean 'payload'"), ({"payload": 1e3}, "payload must be within")],
)
def test_parameters_that_are_not_allowed_are_refused(values: Any, message: str) -> None:
    env = MujocoVecEnv(TASK, 1, seed=1)
    env.reset()
    with pytest.raises(UsageError, match=message):
        env.change(0, values)
    with pytest.raises(UsageError, match=message):
        env.hold(values)
    assert env.params["payload"][0] == 0.0


class Wrong(QuadrupedFlat):
    """It gives what it is told to."""

    term: Any = 0.0
    seen = 0.0

    def reward_terms(self, episode: Any, state: Any, action: np.ndarray) -> dict[str, np.ndarray]:
        return super().reward_terms(episode, state, action) | {"mine": self.term}

    def observe(self, episode: Any, state: Any) -> np.ndarray:
        return super().observe(episode, state) + self.seen


@pytest.mark.parametrize(
    ("term", "seen", "text"),
    [
        (np.array([0.0, np.nan]), 0.0, "reward of quadruped-flat is NaN or infinite: mine"),
        (
            np.zeros(3),
            0.0,
            r"term mine of quadruped-flat must have a number for each of 2 .*\(3,\)",
        ),
        (np.zeros(2), np.inf, "quadruped-flat observes NaN or infinity"),
    ],
)
def test_a_task_that_gives_no_number_is_named_before_anybody_learns_from_it(
    term: np.ndarray, seen: float, text: str
) -> None:
    task = Wrong()
    env = MujocoVecEnv(task, 2, seed=0)
    env.reset()
    env.step(np.zeros((2, A)))
    task.term, task.seen = term, seen
    with pytest.raises(EnvError, match=text):
        env.step(np.zeros((2, A)))


def test_the_speed_of_a_tilted_base_is_that_over_the_ground() -> None:
    """It falls at 2 m/s, on its nose: that is ahead in its own frame, and no way."""
    env = MujocoVecEnv(TASK, 2, seed=0, threads=1)
    env.reset()
    orientation, velocity = env.batch.bind("qpos")[:, 3:7], env.batch.bind("qvel")
    orientation[:] = [[np.cos(0.6), 0.0, np.sin(0.6), 0.0], [np.cos(0.3), np.sin(0.3), 0.0, 0.0]]
    velocity[:] = 0.0
    velocity[:, :3] = [[0.0, 0.0, -2.0], [0.4, -0.3, -2.0]]
    env.batch.forward()
    speed = TASK.reading(env).speed
    assert speed is not None
    np.testing.assert_allclose(speed, [0.0, 0.5], atol=1e-12)
