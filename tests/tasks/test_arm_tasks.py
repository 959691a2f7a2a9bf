"""The tasks of the arm: what is seen, what is rewarded, and the same in a mirror."""

from typing import Any

import numpy as np
import pytest
from handled import ARM_TASKS, MOTION, START, begun, built, of_shape

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.spaces import Mirror, columns, mirror
from robo_maxent.tasks.arm import ArmTask
from robo_maxent.tasks.arm_goals import TOLERANCE, apart
from robo_maxent.types import Step

every_task = pytest.mark.parametrize("name", ARM_TASKS)


def noise(task: ArmTask, steps: int, n: int) -> np.ndarray:
    """Actions that are held for a while, so that they lead somewhere, (steps, N, A)."""
    rng = np.random.default_rng(0)
    held = rng.uniform(-1.0, 1.0, (steps // 5 + 1, n, task.action_size))
    return held.repeat(5, axis=0)[:steps]


# -- contract ------------------------------------------------------------------


@every_task
def test_observations_are_finite_and_as_declared_and_no_element_is_constant(name: str) -> None:
    task, n = built(name).in_training(), 48
    env = MujocoVecEnv(task, n, seed=0, threads=1)
    seen = [env.reset()]
    env.batch.bind("qvel")[:, MOTION : MOTION + 3] = [0.2, 0.2, 0.1]  # the hand may never meet them
    for action in noise(task, 55, n):
        step = env.step(action)
        seen += [step.obs, step.next_obs]
    observed = np.concatenate(seen)
    assert observed.dtype == np.float32
    assert observed.shape[1] == task.observation_size
    assert np.isfinite(observed).all()
    spread = observed.std(axis=0)
    assert (spread > 1e-3).all(), f"constant elements: {np.flatnonzero(spread <= 1e-3)}"


@every_task
def test_what_is_seen_of_velocities_is_the_way_of_a_control_step(name: str) -> None:
    task = built(name)
    env = begun(task, 8)
    hand, speed = (columns(task.observation)[field] for field in ("hand", "hand velocity"))
    obs = env.reset()
    assert not obs[:, speed].any()
    for action in noise(task, 40, 8):
        before, step = obs, env.step(action)
        obs = step.obs
        way = (step.next_obs[:, hand] - before[:, hand]) / task.control_dt
        np.testing.assert_allclose(step.next_obs[:, speed], way, atol=1e-4)


@every_task
@pytest.mark.parametrize("level", [None, "hard"])
@pytest.mark.parametrize("scripted", [False, True])
def test_rewards_are_those_of_the_goal_recomputed_from_what_is_stored(
    name: str, level: str | None, scripted: bool
) -> None:
    task, n = built(name, level).in_training(), 12
    env = MujocoVecEnv(task, n, seed=1, threads=1)
    obs, met = env.reset(), 0
    assert np.isfinite(obs).all()
    for action in noise(task, 55, n):
        action = task.script(obs) if scripted else action
        step = env.step(action)
        again = task.goal.reward(obs, action, step.next_obs)
        paid = step.reward - step.terms.get("termination", 0.0)
        achieved, desired = (
            step.next_obs[:, columns(task.observation)[field]]
            for field in (task.goal.achieved, task.goal.desired)
        )
        distance = apart(achieved, desired)
        clear = np.abs(distance - TOLERANCE) > 1e-6  # of the edge, where rounding decides
        np.testing.assert_allclose(again[clear], paid[clear], atol=2e-6)
        np.testing.assert_array_equal(task.goal.success(achieved, desired), distance < TOLERANCE)
        met += int((distance < TOLERANCE).sum())
        obs = step.obs
    assert met > 0 or not scripted


def steps_of(env: MujocoVecEnv[Any, Any], actions: np.ndarray) -> list[Step]:
    env.reset()
    return [env.step(action) for action in actions]


@every_task
def test_a_seed_gives_the_same_episodes_in_one_or_many_simulations_on_any_threads(
    name: str,
) -> None:
    task = built(name, "hard").in_training()
    actions = noise(task, 52, 8)
    many = steps_of(MujocoVecEnv(task, 8, seed=3, threads=1), actions)
    threads = steps_of(MujocoVecEnv(task, 8, seed=3, threads=2), actions)
    alone = steps_of(MujocoVecEnv(task, 1, seed=3, first_sim=5, threads=1), actions[:, 5:6])
    other = steps_of(MujocoVecEnv(task, 8, seed=4, threads=1), actions[:1])
    for one, two, single in zip(many, threads, alone, strict=True):
        np.testing.assert_array_equal(one.next_obs, two.next_obs)
        np.testing.assert_array_equal(one.obs[5:6], single.obs)
        np.testing.assert_array_equal(one.reward, two.reward)
        np.testing.assert_array_equal(one.reward[5:6], single.reward)
    assert not np.array_equal(many[0].obs, other[0].obs)


# -- symmetry ------------------------------------------------------------------
#
# Reflection in the world's xz plane: odd joints of the arm turn the other way.

JOINTS = np.array([-1, 1, -1, 1, -1, 1, -1])
HOME_7 = np.pi / 4  # joint 7 has its middle there: the hand stands straight
FINGERS_APART = 2e-3  # m: one finger is driven, and the other follows it
POLAR, TURN = np.array([1, -1, 1]), np.array([1, -1, 1, -1])


def reflected_joints(q: np.ndarray, middle: float = HOME_7) -> np.ndarray:
    off = np.array([0.0] * 6 + [middle])
    return (q - off) * JOINTS + off


def reflection(env: MujocoVecEnv[Any, Any]) -> MujocoVecEnv[Any, Any]:
    """The mirror image of an environment, the fingers having changed places."""
    params = env.params.rows(np.arange(env.n))
    params["table_tilt"][:] *= [-1.0, 1.0]
    other: Any = MujocoVecEnv(env.task, env.n, 99, threads=1, params=params)
    other.reset()
    names = ("qpos", "qvel", "ctrl", "mocap_pos", "qacc_warmstart")
    (qpos, qvel, ctrl, goal, warm), batch = (env.batch.bind(name) for name in names), other.batch
    batch.bind("qpos")[:, :7] = reflected_joints(qpos[:, :7])
    batch.bind("qpos")[:, 7:9] = qpos[:, [8, 7]]
    batch.bind("qpos")[:, START : START + 3] = qpos[:, START : START + 3] * POLAR
    batch.bind("qpos")[:, START + 3 : START + 7] = qpos[:, START + 3 : START + 7] * TURN
    for field, value in (("qvel", qvel), ("qacc_warmstart", warm)):
        image = batch.bind(field)
        image[:, :7], image[:, 7:9] = value[:, :7] * JOINTS, value[:, [8, 7]]
        image[:, 9:12], image[:, 12:15] = value[:, 9:12] * POLAR, value[:, 12:15] * -POLAR
    batch.bind("ctrl")[:] = np.column_stack([reflected_joints(ctrl[:, :7]), ctrl[:, 7]])
    batch.bind("mocap_pos")[:] = goal * POLAR
    batch.bind("time")[:] = env.batch.bind("time")
    for field in ("target", "hand", "object", "hand_velocity"):
        getattr(other.episode, field)[:] = getattr(env.episode, field) * POLAR
    other.episode.joints[:] = reflected_joints(env.episode.joints)
    for field in ("opening", "distance", "elapsed"):
        getattr(other.episode, field)[:] = getattr(env.episode, field)
    for each in (env, other):
        each.batch.forward()
    return other


def flips(task: ArmTask) -> tuple[Mirror, Mirror]:
    see, act = mirror(task.observation), mirror(task.action)
    assert see is not None
    assert act is not None
    return see, act


@every_task
@pytest.mark.parametrize("age", [1, 20])
def test_a_mirrored_world_is_seen_rewarded_and_goes_on_as_the_mirror_image(
    name: str, age: int
) -> None:
    """Exactly as it is, and within some millimetres for a while: the arm's inertia is not even."""
    task, n = of_shape(built(name), 0.0).in_training(), 24
    env, actions = begun(task, n, seed=2), noise(task, age + 8, n)
    for action in actions[:age]:
        env.step(action)
    image, (see, act) = reflection(env), flips(task)
    here, there = task.observe(env.episode, env.state), task.observe(image.episode, image.state)
    off = np.abs(there - see(here))
    off[:, columns(task.observation)["gripper opening"]] -= FINGERS_APART
    assert off.max() < 1e-5
    pairs = [(e, a) for e, a in ((env, actions[0]), (image, act(actions[0])))]
    terms = [e.task.reward_terms(e.episode, e.state, a) for e, a in pairs]
    for term, value in terms[0].items():
        np.testing.assert_allclose(terms[1][term], value, atol=1e-6, err_msg=term)
    hand, thing = (columns(task.observation)[field] for field in ("hand", "object"))
    for action in actions[age:]:
        left, right = env.step(action), image.step(act(action))
        off = right.next_obs - see(left.next_obs)
        assert np.median(np.abs(off[:, hand]).max(axis=1)) < 1e-3
        assert np.abs(off[:, hand]).max() < 6e-3
        assert np.median(np.abs(off[:, thing]).max(axis=1)) < 1e-3
    assert np.median(apart(env.state.site_position["hand"], here[:, hand])) > 0.03
