"""What acts during an episode, against laws and plain loops."""

import itertools
from dataclasses import fields, replace
from typing import Any

import mujoco
import numpy as np
import pytest
from scipy.stats import kstest

from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.envs.task import Task
from robo_maxent.errors import UsageError
from robo_maxent.perturbations.counter_rng import Stream, _hash, episode_key, normal, uniform
from robo_maxent.perturbations.params import NAMES, Draw, copy_rows, differing, nominal
from robo_maxent.perturbations.ranges import DEFAULT, HARD, NONE, Randomization
from robo_maxent.spaces import mirror
from robo_maxent.tasks import make
from robo_maxent.types import Step

TASK = make("quadruped-flat")
HARD_TASK = make("quadruped-flat", randomization=replace(HARD, dead_joint=0.3, locked_joint=0.3))
ROBOT = TASK.robot
A = TASK.action_size
DT = TASK.control_dt


def held(n: int, **values: Any) -> Draw:
    """Nominal draws, but for some fields held at a value."""
    draws = nominal(ROBOT, n)
    for name, value in values.items():
        getattr(draws, name)[:] = value
    return draws


def actions(steps: int, n: int, size: float = 1.0) -> np.ndarray:
    """Uniform actions, float32, (steps, N, A)."""
    return np.random.default_rng(0).uniform(-size, size, (steps, n, A)).astype(np.float32)


def flailing(steps: int, n: int) -> np.ndarray:
    """Actions that throw the robot over within a second, held for 5 steps, (steps, N, A)."""
    rng = np.random.default_rng(1)
    return rng.choice([-1.0, 1.0], (steps // 5 + 1, n, A)).repeat(5, axis=0)[:steps]


def run(env: VecEnv[Any], acts: np.ndarray) -> list[Step]:
    """Steps from a reset."""
    env.reset()
    return [env.step(action) for action in acts]


def one_push(
    n: int, impulse: tuple[float, float, float], begin: float = 0.1, duration: float = 0.1
) -> Draw:
    """The same single push in every episode."""
    draws = nominal(ROBOT, n)
    draws.push_begin[:, 0], draws.push_duration[:, 0] = begin, duration
    draws.push_impulse[:, 0] = impulse
    return draws


# -- pushes --------------------------------------------------------------------


def momentum(env: VecEnv[Any]) -> np.ndarray:
    """Linear momentum of the whole robot, world frame, N·s, (N, 3)."""
    found = []
    for sim in range(env.n):
        model, data = env.batch.get_model(sim), env.batch.get_data(sim)
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        found.append(model.body_mass.sum() * data.subtree_linvel[0])
    return np.array(found)


@pytest.mark.parametrize("payload", [0.0, 4.0])
@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_a_push_changes_the_momentum_by_its_impulse(payload: float, yaw: float) -> None:
    draws = one_push(2, (3.0, -2.0, 1.0))
    draws.push_impulse[1] = 0.0
    draws.payload[:] = payload
    env = VecEnv(TASK, 2, seed=0, draws=draws)
    env.reset()
    env.batch.bind("qpos")[:] = ROBOT.model.key_qpos[ROBOT.stand]
    env.batch.bind("qpos")[:, 2:7] = [10, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
    env.batch.bind("qvel")[:] = 0.0
    env.batch.forward()
    for _ in range(14):
        env.step(np.zeros((2, A)))
    pushed, other = momentum(env)  # which fall alike
    c, s = np.cos(yaw), np.sin(yaw)
    expected = np.array([3 * c + 2 * s, 3 * s - 2 * c, 1.0])
    np.testing.assert_allclose(pushed - other, expected, rtol=0.01, atol=0.01)
    assert env._acting.realized.impulse[0] == pytest.approx(np.sqrt(14.0), rel=1e-12)
    assert env._acting.realized.impulse[1] == 0.0


@pytest.mark.parametrize(
    ("duration", "steps"), [(0.02, 1), (0.1, 5), (0.109, 5), (0.111, 6), (0.001, 1), (0.0, 1)]
)
def test_a_push_acts_for_whole_control_steps_and_delivers_all_of_it(
    duration: float, steps: int
) -> None:
    env = VecEnv(TASK, 1, seed=0, draws=one_push(1, (5.0, 0.0, 0.0), 0.2, duration))
    env.reset()
    force = env.batch.bind("xfrc_applied")[0, ROBOT.trunk]
    seen = []
    for _ in range(30):
        env.step(np.zeros((1, A)))
        seen.append(np.linalg.norm(force[:3]))
        assert not force[3:].any()
    acting = np.flatnonzero(seen)
    np.testing.assert_array_equal(acting, np.arange(10, 10 + steps))
    assert np.sum(seen) * DT == pytest.approx(5.0, rel=1e-12)
    assert env._acting.realized.impulse[0] == pytest.approx(5.0, rel=1e-12)


def test_pushes_at_once_add_up_and_each_keeps_its_direction() -> None:
    draws = one_push(1, (2.0, 0.0, 0.0), 0.0, 0.2)
    draws.push_begin[:, 1], draws.push_duration[:, 1] = 0.1, 0.2
    draws.push_impulse[:, 1] = [0.0, 3.0, 0.0]
    env = VecEnv(TASK, 1, seed=0, draws=draws)
    env.reset()
    force = env.batch.bind("xfrc_applied")[0, ROBOT.trunk]
    seen = []
    for _ in range(20):
        env.step(np.zeros((1, A)))
        seen.append(force[:3].copy())
    first, both, second, none = seen[2], seen[7], seen[12], seen[17]
    np.testing.assert_allclose(both, first + second, atol=1e-12)
    assert np.linalg.norm(first) == pytest.approx(10.0)
    assert np.linalg.norm(second) == pytest.approx(15.0)
    assert not none.any()


def test_a_push_cut_short_by_the_end_counts_as_far_as_it_came() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 8
    env = VecEnv(task, 1, seed=0, draws=one_push(1, (5.0, 0.0, 0.0), 0.1, 0.1))
    (episode,) = [e for step in run(env, np.zeros((8, 1, A))) for e in step.episodes]
    assert episode.realized["impulse"] == pytest.approx(3.0, rel=1e-12)
    assert episode.draw["push_impulse"][0] == [5.0, 0.0, 0.0]
    assert not env.batch.bind("xfrc_applied").any()
    assert env._acting.realized.impulse[0] == 0.0


# -- slips ---------------------------------------------------------------------


def test_a_slip_lowers_the_friction_from_its_beginning_to_its_end() -> None:
    draws = held(2, slip_begin=0.1, slip_duration=[0.2, 0.0], slip_friction=0.06)
    env = VecEnv(TASK, 2, seed=0, draws=draws)
    env.reset()
    friction, seen = env.batch.expand("geom_friction"), []
    for _ in range(20):
        env.step(np.zeros((2, A)))
        seen.append(friction[:, ROBOT.foot_geoms[1], 0].copy())
    expected = np.full((20, 2), 0.8)
    expected[5:15, 0] = 0.06
    np.testing.assert_array_equal(seen, expected)
    np.testing.assert_array_equal(env._acting.realized.lowest_foot_friction, [0.06, 0.8])
    np.testing.assert_array_equal(env._acting.realized.foot_friction, 0.8)


# -- the way of an action ------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 2, 3])
def test_a_delayed_robot_does_what_it_was_told_so_many_steps_ago(delay: int) -> None:
    sent = actions(60, 3, 0.3)
    late = VecEnv(TASK, 3, seed=0, draws=held(3, action_delay=delay))
    punctual = VecEnv(TASK, 3, seed=0, draws=held(3))
    late.reset()
    punctual.reset()
    shifted = np.concatenate([np.zeros((delay, 3, A)), sent])
    for action, arriving in zip(sent, shifted, strict=False):
        late.step(action)
        punctual.step(arriving)
        np.testing.assert_array_equal(late.batch.bind("qpos"), punctual.batch.bind("qpos"))
        np.testing.assert_array_equal(late.memory.last_action, action)  # it knows what it sent


def test_a_delay_of_one_simulation_is_not_that_of_another() -> None:
    env = VecEnv(TASK, 4, seed=0, draws=held(4, action_delay=[0, 1, 2, 3]))
    env.reset()
    sent = actions(10, 4)
    for action in sent:
        env.step(action)
    arrived = (env.batch.bind("ctrl") - ROBOT.stand_pose) / TASK.action_scale
    np.testing.assert_allclose(arrived, sent[[9, 8, 7, 6], np.arange(4)], atol=1e-7)


def test_lost_actions_leave_the_last_one_in_force_at_the_stated_rate() -> None:
    n, loss = 64, np.repeat([0.0, 0.2, 0.5, 1.0], 16)
    env = VecEnv(TASK, n, seed=0, draws=held(n, packet_loss=loss))
    env.reset()
    in_force, lost, steps = np.zeros((n, A)), np.zeros(n), 100
    for action in actions(steps, n, 0.1):
        env.step(action)
        arrived = (env.batch.bind("ctrl") - ROBOT.stand_pose) / TASK.action_scale
        fresh = np.isclose(arrived, action, atol=1e-6).all(axis=1)
        np.testing.assert_allclose(arrived[~fresh], in_force[~fresh], atol=1e-6)
        in_force, lost = arrived.copy(), lost + ~fresh
    rate = lost.reshape(4, 16).mean(axis=1) / steps
    assert rate[0] == 0.0
    assert rate[3] == 1.0
    np.testing.assert_allclose(rate[1:3], [0.2, 0.5], atol=0.06)  # 5 sigma of 1,600


def test_a_new_episode_does_not_hold_an_action_of_the_last() -> None:
    task = make("quadruped-flat", randomization=Randomization(packet_loss=(1.0, 1.0)))
    task.episode_steps = 4
    env = VecEnv(task, 1, seed=0)
    env.reset()
    env._acting._sent[:] = 0.7
    for _ in range(4):
        env.step(np.ones((1, A)))
    env.step(np.ones((1, A)))
    np.testing.assert_array_equal(env.batch.bind("ctrl")[0], ROBOT.stand_pose)


# -- sensors -------------------------------------------------------------------

WIDTH = np.concatenate([np.full(field.size, field.noise) for field in TASK.observation])


def test_the_flat_task_declares_the_published_noise() -> None:
    expected = [0.1] * 3 + [0.2] * 3 + [0.05] * 3 + [0] * 3 + [0.01] * 12 + [1.5] * 12 + [0] * 14
    np.testing.assert_array_equal(WIDTH, expected)


def test_noise_is_uniform_within_the_declared_width_and_leaves_the_physics_alone() -> None:
    n, steps = 32, 60
    clean = VecEnv(TASK, n, seed=0, draws=held(n))
    noisy = VecEnv(TASK, n, seed=0, draws=held(n, sensor_noise=1.0))
    seen = [noisy.reset() - clean.reset()]
    for action in actions(steps, n, 0.1):
        left, right = noisy.step(action), clean.step(action)
        np.testing.assert_array_equal(left.reward, right.reward)
        np.testing.assert_array_equal(left.obs, left.next_obs)
        seen.append(left.next_obs - right.next_obs)
    assert noisy.batch.state.tobytes() == clean.batch.state.tobytes()
    noise = np.array(seen)  # (steps + 1, N, O)
    still = WIDTH == 0.0
    assert not noise[..., still].any()
    unit = noise[..., ~still] / WIDTH[~still]
    assert np.abs(unit).max() <= 1.0001
    count = unit[..., 0].size
    deviation = 1 / np.sqrt(3 * count)
    assert np.abs(unit.mean(axis=(0, 1))).max() < 5 * deviation
    np.testing.assert_allclose(unit.std(axis=(0, 1)), 1 / np.sqrt(3), rtol=0.07)
    # Neither steps, nor simulations, nor elements know of each other.
    for a, b in (
        (unit[1:], unit[:-1]),
        (unit[:, 1:], unit[:, :-1]),
        (unit[..., 1:], unit[..., :-1]),
    ):
        assert abs((a * b).mean()) < 5 / 3 / np.sqrt(a.size)


def test_twice_the_noise_is_the_same_noise_twice() -> None:
    n = 4
    clean, once, twice = (
        VecEnv(TASK, n, seed=3, draws=held(n, sensor_noise=size)).reset() for size in (0, 1, 2)
    )
    np.testing.assert_allclose(twice - clean, 2 * (once - clean), atol=1e-6)
    assert np.abs(once - clean).max() > 0.5


def test_the_encoder_bias_shifts_what_the_policy_sees_and_what_the_servo_holds() -> None:
    bias = np.linspace(-0.05, 0.05, A)
    env = VecEnv(TASK, 2, seed=0, draws=held(2, encoder_bias=[bias, np.zeros(A)]))
    seen = env.reset()[:, 12:24]
    np.testing.assert_allclose(seen[0] - seen[1], bias + _start(env)[0] - _start(env)[1], atol=1e-6)
    env.batch.bind("qpos")[:, :7] = [0, 0, 10, 1, 0, 0, 0]
    env.batch.bind("qpos")[:, 7:] = ROBOT.stand_pose
    env.batch.bind("qvel")[:] = 0.0
    for _ in range(40):  # in free fall the joints are at rest where the servo reads its target
        env.step(np.zeros((2, A)))
    np.testing.assert_allclose(env.now.joint_position[0], ROBOT.stand_pose - bias, atol=2e-3)
    np.testing.assert_allclose(env._observe()[0, 12:24], 0.0, atol=2e-3)


def _start(env: VecEnv[Any]) -> np.ndarray:
    return env.now.joint_position - ROBOT.stand_pose


# -- streams -------------------------------------------------------------------


def test_normal_numbers_of_a_stream_are_normal_and_independent() -> None:
    key = episode_key(7, np.arange(4000), np.zeros(4000, np.int64))
    for size in (12, 5):
        numbers = normal(Stream.ACTION, key, np.full(4000, 3), size)
        assert numbers.shape == (4000, size)
        assert kstest(numbers.ravel(), "norm").pvalue > 1e-3
        correlation = np.corrcoef(numbers.T) - np.eye(size)
        assert np.abs(correlation).max() < 0.08  # five standard errors
    alone = normal(Stream.ACTION, key[5:6], np.array([3]), 12)
    np.testing.assert_array_equal(alone, normal(Stream.ACTION, key, np.full(4000, 3), 12)[5:6])


def test_numbers_of_a_stream_are_uniform_and_named_by_all_of_their_keys() -> None:
    grid = itertools.product(range(5), range(8), range(5))
    sims, episodes, steps = (np.array(part) for part in zip(*grid, strict=True))  # (200,) each
    key = episode_key(7, sims, episodes)
    numbers = uniform(Stream.SENSOR_NOISE, key, steps, 51)
    assert numbers.shape == (200, 51)
    assert len(np.unique(numbers)) > numbers.size - 5  # of 2^32 values
    assert 0.0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1.0
    shares = np.histogram(numbers, bins=20, range=(0, 1))[0] / numbers.size
    np.testing.assert_allclose(shares, 0.05, atol=0.011)  # 5 sigma
    for other in (
        uniform(Stream.PACKET_LOSS, key, steps, 51),
        uniform(Stream.SENSOR_NOISE, episode_key(8, sims, episodes), steps, 51),
        uniform(Stream.SENSOR_NOISE, episode_key(7 + (1 << 64), sims, episodes), steps, 51),
        uniform(Stream.SENSOR_NOISE, key, steps + 5, 51),
    ):
        assert np.isin(other, numbers).sum() < 5
    some = slice(31, 40)
    again = uniform(Stream.SENSOR_NOISE, key[some], steps[some], 51)
    np.testing.assert_array_equal(again, numbers[some])


def test_the_hash_is_the_published_one() -> None:
    # First outputs of splitmix64 seeded with 0 and 1234567, from its reference program.
    golden = 0x9E3779B97F4A7C15
    states = np.array([golden, 1234567 + golden], np.uint64)
    assert [int(x) for x in _hash(states)] == [0xE220A8397B1DCDAF, 6457827717110365317]


# -- laws of the whole ---------------------------------------------------------


def assert_same(left: Step, right: Step, rows: Any = slice(None)) -> None:
    for name in ("obs", "next_obs", "reward", "terminated", "truncated", "diverged"):
        np.testing.assert_array_equal(getattr(left, name)[rows], getattr(right, name), name)


def hard(steps: int) -> Task[Any]:
    """Everything at once, with a nearer time limit and the first push within it."""
    ranges = replace(HARD_TASK.randomization, push_interval=(0.1, 0.4), slip=0.7)
    ranges = replace(ranges, slip_begin=(0.1, 0.6), slip_duration=(0.1, 0.5))
    task = make("quadruped-flat", randomization=ranges)
    task.episode_steps = steps
    return task


def test_with_everything_on_one_simulation_equals_its_row_of_many() -> None:
    acts = flailing(120, 32)
    many = run(VecEnv(hard(60), 32, seed=5), acts)
    for sim in (0, 21):
        alone = run(VecEnv(hard(60), 1, seed=5, first_sim=sim), acts[:, sim : sim + 1])
        for left, right in zip(many, alone, strict=True):
            assert_same(left, right, slice(sim, sim + 1))
            assert [e for e in left.episodes if e.sim == sim] == right.episodes
        assert sum(len(step.episodes) for step in alone) >= 2


def test_with_everything_on_the_thread_count_changes_nothing() -> None:
    acts = flailing(80, 16)
    one, two = (run(VecEnv(hard(60), 16, seed=0, threads=t), acts) for t in (1, 2))
    for left, right in zip(one, two, strict=True):
        assert_same(left, right)
        assert left.episodes == right.episodes


@pytest.mark.parametrize("at", [13, 40, 71])
def test_with_everything_on_a_restored_environment_continues_bit_for_bit(at: int) -> None:
    acts = 0.3 * flailing(120, 12)
    env = VecEnv(hard(60), 12, seed=2)
    obs = run(env, acts[:at])[-1].obs
    saved = env.state_dict()
    expected = [env.step(action) for action in acts[at:]]
    restored = VecEnv(hard(60), 12, seed=2)
    np.testing.assert_array_equal(restored.load_state_dict(saved), obs)
    for action, step in zip(acts[at:], expected, strict=True):
        again = restored.step(action)
        assert_same(again, step)
        assert again.episodes == step.episodes
    realized = [e.realized for step in expected for e in step.episodes]
    assert any(r["impulse"] > 0 for r in realized)
    assert any(r["lowest_foot_friction"] < r["foot_friction"] for r in realized)


def test_given_draws_survive_a_restart_of_the_program() -> None:
    acts, draws = flailing(30, 2), held(2, payload=3.0, sensor_noise=1.0, action_delay=2)
    env = VecEnv(TASK, 2, seed=2, draws=draws)
    run(env, acts[:10])
    saved = env.state_dict()
    restored = VecEnv(TASK, 2, seed=2)  # which knows nothing of them
    restored.load_state_dict(saved)
    for action in acts[10:]:
        assert_same(restored.step(action), env.step(action))


def test_another_seed_given_before_a_reset_names_the_noise_too() -> None:
    env, other = VecEnv(HARD_TASK, 3, seed=0), VecEnv(HARD_TASK, 3, seed=9)
    env.reset()
    env.seed = 9
    np.testing.assert_array_equal(env.reset(), other.reset())


def test_other_draws_leave_commands_start_and_noise_as_they_are() -> None:
    one = VecEnv(TASK, 4, seed=6, draws=held(4, sensor_noise=1.0))
    other = VecEnv(TASK, 4, seed=6, draws=held(4, sensor_noise=1.0, payload=2.0, kp_scale=1.2))
    level = VecEnv(make("quadruped-flat", randomization="default"), 4, seed=6)
    np.testing.assert_array_equal(one.reset(), other.reset())
    level.reset()
    for env in (other, level):
        np.testing.assert_array_equal(env.batch.bind("qpos"), one.batch.bind("qpos"))
        for field in fields(one.memory):
            left, right = getattr(env.memory, field.name), getattr(one.memory, field.name)
            np.testing.assert_array_equal(left, right, field.name)
    assert one.draws.payload.sum() == 0.0


def test_given_draws_are_those_of_the_first_episodes_and_of_no_other() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 3
    draws = held(2, payload=[1.0, 2.0], foot_friction=0.33)
    env = VecEnv(task, 2, seed=0, draws=draws)
    rows = [e for step in run(env, np.zeros((6, 2, A))) for e in step.episodes]
    assert [e.draw for e in rows[:2]] == [
        {"foot_friction": 0.33, "payload": 1.0},
        {"foot_friction": 0.33, "payload": 2.0},
    ]
    assert [e.realized["total_mass"] for e in rows] == pytest.approx(
        [13.743448, 14.743448, 12.743448, 12.743448]
    )
    assert [set(e.draw) for e in rows[2:]] == [{"foot_friction"}] * 2
    assert [e.realized["foot_friction"] for e in rows] == [e.draw["foot_friction"] for e in rows]
    env.reset()
    np.testing.assert_array_equal(env.draws.payload, [1.0, 2.0])
    np.testing.assert_array_equal(draws.payload, [1.0, 2.0])


def test_ranges_that_change_in_the_middle_hold_for_the_episodes_that_begin_then() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 2
    env = VecEnv(task, 2, seed=0)
    env.reset()
    for ranges, mass in ((DEFAULT, True), (NONE, False), (replace(NONE, slip=1.0), False)):
        task.randomization = ranges
        env.step(np.zeros((2, A)))
        env.step(np.zeros((2, A)))
        assert differing(env.draws, nominal(ROBOT, 1)) == ranges.varied
        masses = env.batch.expand("body_mass").sum(axis=1)
        assert (np.abs(masses - 12.743448) > 1e-3).all() == mass


def test_a_perturbation_that_a_task_has_not_is_refused() -> None:
    task = make("quadruped-flat")
    task.perturbations = ("foot_friction", "packet_loss")
    VecEnv(task, 1, seed=0, draws=held(1, packet_loss=0.5))
    with pytest.raises(UsageError, match=r"quadruped-flat does not support payload"):
        VecEnv(task, 1, seed=0, draws=held(1, payload=1.0))
    task.randomization = DEFAULT
    with pytest.raises(UsageError, match="does not support action_delay, com_offset, enc"):
        VecEnv(task, 1, seed=0)


# -- reflection ----------------------------------------------------------------

SWAP = [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]
SIGN = np.tile([-1.0, 1.0, 1.0], 4)


def mirrored_draw(draws: Draw, robot_rows: int) -> Draw:
    """The same seen in a mirror that stands in the xz plane."""
    image = nominal(ROBOT, robot_rows)
    copy_rows(draws, image, np.arange(robot_rows))
    image.com_offset[:, 1] *= -1
    for name in ("motor_strength", "locked_joint", "dead_joint"):
        getattr(image, name)[:] = getattr(draws, name)[:, SWAP]
    image.encoder_bias[:] = draws.encoder_bias[:, SWAP] * SIGN
    image.gravity_tilt[:, 0] *= -1  # an axial vector
    image.push_impulse[..., 1] *= -1
    return image


def test_mirrored_draws_in_a_mirrored_state_give_the_mirrored_episode() -> None:
    n = 8
    env = VecEnv(hard(60), n, seed=3)
    env.reset()
    draws = nominal(ROBOT, n)
    copy_rows(env.draws, draws, np.arange(n))
    draws.sensor_noise[:] = 0.0
    draws.push_begin[:, 0] = 0.04
    left = VecEnv(TASK, n, seed=3, draws=draws)
    right = VecEnv(TASK, n, seed=3, draws=mirrored_draw(draws, n))
    left.reset()
    right.reset()
    qpos, qvel = left.batch.bind("qpos"), left.batch.bind("qvel")
    joints = np.concatenate([qpos[:, :3] * [1, -1, 1], qpos[:, 3:7] * [1, -1, 1, -1]], axis=1)
    right.batch.bind("qpos")[:] = np.concatenate([joints, qpos[:, 7:][:, SWAP] * SIGN], axis=1)
    right.batch.bind("qvel")[:] = np.concatenate(
        [qvel[:, :3] * [1, -1, 1], qvel[:, 3:6] * [-1, 1, -1], qvel[:, 6:][:, SWAP] * SIGN], axis=1
    )
    right.batch.forward()
    flip, turn = mirror(TASK.observation), mirror(TASK.action)
    shown = [*range(9), *range(12, 48)]  # the command and the clock are not mirrored here
    for action in actions(10, n, 0.5):
        a, b = left.step(action), right.step(turn(action))
        expected = flip(a.next_obs)
        error = np.abs(b.next_obs - expected) / (1 + np.abs(expected))
        assert error[:, shown].max() < 1e-4
    assert left._acting.realized.impulse.min() > 0.0 or draws.push_impulse.any()


def test_every_field_of_a_draw_is_known_to_the_names() -> None:
    assert tuple(field.name for field in fields(Draw)) == NAMES == TASK.perturbations
