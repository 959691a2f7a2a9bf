"""Effects on Gymnasium ids: written into the model that is simulated, felt on the way, undone."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gym_worlds
import mujoco
import numpy as np
import pytest
from gymnasium import spaces

from robo_maxent.envs.gym_model import find_model
from robo_maxent.envs.gym_spec import find_spec, make
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_trial import EFFECTS, NOISE, random_actions
from robo_maxent.envs.gym_trial_env import GymTrialEnv
from robo_maxent.errors import EnvError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.perturbations.any_model import free_directions
from robo_maxent.perturbations.params import EpisodeParams, nominal, require_distinct
from robo_maxent.seeds import Purpose
from robo_maxent.spaces import Box

CHEETAH, ANT, REACH, DM = (
    "HalfCheetah-v5",
    "Ant-v5",
    "FetchReach-v4",
    "dm_control/cheetah-run-v0",
)
DOOR = "AdroitHandDoor-v1"
SEED = 3


class Fragile(gym_worlds.Counter):
    """Breaks in its third step while ``sick``."""

    sick: str = ""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, _, _ = super().step(action)
        if Fragile.sick == "crash" and self.t == 3:
            raise ValueError("the solver gave up")
        return obs * (np.nan if Fragile.sick and self.t == 3 else 1), reward, terminated, False, {}


class Forgetful(gym_worlds.Counter):
    """Draws from a generator of its own, whatever its seed."""

    own = np.random.default_rng(0)

    def observe(self) -> np.ndarray:
        return self.own.random(2)


class Moody(gym_worlds.Counter):
    """Draws from its seed how long an episode lasts."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        obs, info = super().reset(seed=seed)
        self.steps = int(self.np_random.integers(2, 9))
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.t < self.steps, "stepped after its end"
        obs, reward, _, _, info = super().step(action)
        return obs, reward, self.t == self.steps, False, info


for world in (Fragile, Forgetful, Moody):
    gym_worlds.register(world.__name__, world)
echoing = gym_worlds.register("Echo2", gym_worlds.Echo, act=spaces.Box(-1, 1, (2,), np.float64))


@pytest.fixture(autouse=True)
def healthy() -> Iterator[None]:
    Fragile.sick = ""
    yield
    Fragile.sick = ""


def params(task: GymTask, n: int, **values: Any) -> EpisodeParams:
    made = nominal(EFFECTS, task.robot, n)
    for row in range(n):
        made.change(row, values)
    return made


def trial(task: GymTask, n: int = 1, **values: Any) -> GymTrialEnv:
    return task.trial_env(params(task, n, **values), np.arange(n), SEED)


def model_of(env: GymTrialEnv, row: int = 0) -> tuple[Any, Any]:
    pair = env._worlds[row].pair
    assert pair is not None
    return pair


def compiled(env_id: str) -> mujoco.MjModel:
    """A model of the id that no effect has seen."""
    env = make(env_id, find_spec(env_id))
    pair = find_model(env)
    assert pair is not None
    model = copy.copy(pair[0])
    env.close()
    return model


def fields(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    """All arrays of a model, options too, copied."""
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    found |= {f"opt.{name}": getattr(model.opt, name) for name in dir(model.opt)}
    return {name: value.copy() for name, value in found.items() if isinstance(value, np.ndarray)}


def drive(env: GymTrialEnv, steps: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    size = env.action_space.size
    return [env.step(rng.uniform(-1, 1, (env.n, size))) for _ in range(steps)]


# -- the model -----------------------------------------------------------------


def scaled_by_hand(model: mujoco.MjModel, friction: float, mass: float, strength: float) -> None:
    model.geom_friction[:] *= friction
    model.pair_friction[:] *= friction
    model.body_mass[:] *= mass
    model.body_inertia[:] *= mass
    model.actuator_gainprm[:, :3] *= strength  # of motors and servos
    model.actuator_biasprm[:, :3] *= strength
    model.actuator_forcerange[:] *= strength
    anchors = model.eq_data.copy()  # the gripper of Fetch is welded elsewhere than at qpos0
    mujoco.mj_setConst(model, mujoco.MjData(model))
    model.eq_data[:] = anchors


def assert_same(found: mujoco.MjModel, expected: dict[str, np.ndarray], env_id: str) -> None:
    """Compare all arrays; a door is put elsewhere in every episode, and what follows from that."""
    values = fields(found)
    moved = ("body_", "geom_", "pair_", "actuator_gain", "actuator_bias", "actuator_force")
    for name in expected if env_id != DOOR else [n for n in expected if n.startswith(moved)]:
        if env_id != DOOR or name not in ("body_pos", "body_invweight0"):
            np.testing.assert_array_equal(values[name], expected[name], err_msg=name)


@pytest.mark.parametrize("env_id", [CHEETAH, REACH, DM, DOOR])
def test_factors_are_written_into_the_model_that_is_simulated_and_taken_back(env_id: str) -> None:
    task, expected = GymTask(env_id), compiled(env_id)
    before = fields(expected)
    scaled_by_hand(expected, 0.5, 2.0, 0.75)
    values = {"friction_factor": 0.5, "mass_factor": 2.0}
    if expected.nu:
        values["strength_factor"] = 0.75
    for _ in range(2):  # the second time from the compiled values too
        env = trial(task, 2, **values)
        env.reset()
        drive(env, 3)
        for row in range(2):
            assert_same(model_of(env, row)[0], fields(expected), env_id)
        assert env._episode(0, False, False, {}).realized["total_mass"] == pytest.approx(
            2.0 * before["body_mass"].sum()
        )
        env.close()
        assert_same(model_of(env)[0], before, env_id)


def test_tilted_gravity_keeps_its_size_and_acts() -> None:
    task = GymTask(CHEETAH)
    env = trial(task, gravity_tilt=np.array([0.0, 0.3]))
    env.reset()
    gravity = model_of(env)[0].opt.gravity.copy()
    np.testing.assert_allclose(gravity, 9.81 * np.array([-np.sin(0.3), 0.0, -np.cos(0.3)]))
    env.close()
    np.testing.assert_array_equal(model_of(env)[0].opt.gravity, [0.0, 0.0, -9.81])


@pytest.mark.parametrize(
    ("env_id", "body"),
    [
        (CHEETAH, "torso"),
        (ANT, "torso"),
        (DM, "torso"),
        ("AntMaze_UMaze-v5", "torso"),
        ("FetchPush-v4", None),  # only what it pushes moves freely
        ("InvertedPendulum-v5", None),  # its slider is driven
        ("dm_control/point_mass-easy-v0", None),  # by tendons
        ("Pendulum-v1", None),
    ],
)
def test_a_base_moves_freely_and_carries_what_is_driven(env_id: str, body: str | None) -> None:
    robot = GymTask(env_id).robot
    assert (robot.spec.base is None) == (body is None)
    if body is not None:
        assert robot.model.body(robot.base_body).name == body


@pytest.mark.parametrize("env_id", [CHEETAH, ANT, "AntMaze_UMaze-v5"])
def test_a_push_delivers_its_impulse(env_id: str) -> None:
    task = GymTask(env_id)
    robot = task.robot
    way = free_directions(robot)[0]
    if env_id == CHEETAH:
        np.testing.assert_allclose(np.abs(free_directions(robot)), [[1.0, 0.0]])
    mass = robot.model.body_mass[1:].sum()  # in the maze too, whose walls weigh nothing
    carried = robot.model.body_subtreemass[robot.base_body]
    env = trial(task, base_push_begin=0.2, base_push=1.5 * way)
    env.reset()
    impulse = np.zeros(3)
    for _ in range(12):
        (step,) = drive(env, 1)
        _, data = model_of(env)
        impulse += data.xfrc_applied[robot.base_body, :3] * task.trials.step_seconds
        assert not np.delete(data.xfrc_applied, robot.base_body, axis=0).any()
        if step.terminated[0]:
            break
    np.testing.assert_allclose(impulse[:2], 1.5 * carried * way, rtol=1e-9)
    assert carried <= mass * (1 + 1e-9)
    assert env._episode(0, False, False, {}).realized["impulse"] == pytest.approx(1.5 * carried)
    env.close()
    assert not model_of(env)[1].xfrc_applied.any()


def test_a_push_makes_a_robot_in_the_air_as_fast_as_it_says() -> None:
    task = GymTask(ANT)  # which starts above the ground
    speeds = []
    for size in (0.0, 1.0):
        env = trial(task, base_push_begin=0.05, base_push=size * np.array([0.6, 0.8]))
        env.reset()
        for _ in range(3):
            env.step(np.zeros((1, 8)))
        model, data = model_of(env)
        mujoco.mj_subtreeVel(model, data)
        speeds.append(data.subtree_linvel[0].copy())
        env.close()
    np.testing.assert_allclose(speeds[1] - speeds[0], [0.6, 0.8, 0.0], atol=0.02)


def test_no_two_effects_of_an_id_claim_the_same() -> None:
    require_distinct(EFFECTS, GymTask(ANT).robot)


# -- where episodes begin ------------------------------------------------------


@pytest.mark.parametrize("env_id", [CHEETAH, REACH, DM])
def test_an_episode_starts_alike_however_it_is_disturbed(env_id: str) -> None:
    task = GymTask(env_id)
    starts, ends = [], []
    for values in ({}, {"friction_factor": 0.1}, {"mass_factor": 3.0}):
        env = trial(task, 2, **values)
        starts.append(env.reset())
        ends.append(drive(env, 10)[-1].obs)
        env.close()
    np.testing.assert_array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(starts[0], starts[2])
    assert (starts[0][0] != starts[0][1]).any()
    assert (ends[0] != ends[2]).any()


@pytest.mark.parametrize("env_id", ["test/Seeded-v0", "test/Moody-v0", "InvertedPendulum-v5"])
def test_undisturbed_episodes_are_those_of_a_plain_evaluation(env_id: str) -> None:
    task = GymTask(env_id)
    act = random_actions(task.action_space)
    plain = evaluate(act, task, 5, SEED, purpose=Purpose.STRESS_TEST)
    env, found = trial(task, 5), []
    obs = env.reset()
    while len(found) < 5:
        step = env.step(act(obs))
        obs, found = step.obs, found + step.episodes
    env.close()
    assert [e.realized.pop("impulse") for e in found] == [0.0] * 5
    assert all(e.realized.pop("total_mass") >= 0.0 and not e.realized for e in found)
    assert sorted(found, key=lambda e: e.sim) == plain
    assert len({e.length for e in plain}) > 1 or env_id == "test/Seeded-v0"


def test_episodes_do_not_depend_on_what_ran_before_or_beside_them() -> None:
    task = GymTask(CHEETAH)
    env = trial(task, 3)
    env.reset()
    together = drive(env, 5)[-1].obs[2]
    env.close()
    other = GymTask(CHEETAH)
    alone = other.trial_env(params(other, 1), np.array([2]), SEED)
    alone.reset()
    rng = np.random.default_rng(0)
    seen = [alone.step(rng.uniform(-1, 1, (3, 6))[2:]).obs for _ in range(5)]
    np.testing.assert_array_equal(seen[-1][0], together)


# -- the way there and back ----------------------------------------------------


@pytest.mark.parametrize("delay", [1, 3])
def test_a_delay_of_actions_shifts_them(delay: int) -> None:
    env = trial(GymTask(echoing), 2, action_delay=delay)
    env.reset()
    sent = np.random.default_rng(0).uniform(-1, 1, (8, 2, 2)).astype(np.float32)
    reached = np.array([env.step(action).obs for action in sent])
    np.testing.assert_allclose(reached[delay:], sent[:-delay], rtol=1e-6)
    assert not reached[:delay].any()


@pytest.mark.parametrize("delay", [1, 3])
def test_a_delay_of_observations_shifts_them_and_holds_the_first(delay: int) -> None:
    env = trial(GymTask("test/Moody-v0"), 4, observation_delay=delay)
    seen = [env.reset()[:, 1]]
    while (~env._rests).any():
        seen.append(env.step(np.zeros((4, 1))).obs[:, 1])
        running = ~env._rests
        count = len(seen) - 1
        np.testing.assert_array_equal(seen[-1][running], max(count - delay, 0))


def test_a_lost_observation_is_the_last_one_again() -> None:
    env = trial(GymTask(echoing), 200, observation_loss=0.3)
    before, lost = env.reset(), []
    for step in range(1, 30):
        obs = env.step(np.full((200, 2), step / 30)).obs
        fresh = np.isclose(obs[:, 0], step / 30)
        np.testing.assert_array_equal(obs[~fresh], before[~fresh])
        before = obs
        lost.append(1 - fresh.mean())
    assert np.mean(lost) == pytest.approx(0.3, abs=0.02)


def test_a_lost_action_leaves_the_last_one_in_force() -> None:
    env = trial(GymTask(echoing), 200, packet_loss=0.3)
    before, lost = env.reset(), []
    for step in range(1, 30):
        reached = env.step(np.full((200, 2), step / 30)).obs
        fresh = np.isclose(reached[:, 0], step / 30)
        np.testing.assert_array_equal(reached[~fresh], before[~fresh])
        before = reached
        lost.append(1 - fresh.mean())
    assert np.mean(lost) == pytest.approx(0.3, abs=0.02)


def test_noise_of_actions_has_its_deviation_and_stays_within_bounds() -> None:
    env = trial(GymTask(echoing), 200, action_noise=0.1)
    env.reset()
    errors = np.concatenate([env.step(np.full((200, 2), 0.2)).obs - 0.2 for _ in range(20)])
    assert errors.std() == pytest.approx(0.1, rel=0.03)
    assert errors.mean() == pytest.approx(0.0, abs=0.005)
    assert np.abs(np.corrcoef(errors[:, 0], errors[:, 1])).min() < 0.05
    edge = env.step(np.ones((200, 2))).obs
    assert edge.max() == 1.0
    assert 0.3 < (edge == 1.0).mean() < 0.7


def test_sensor_noise_is_uniform_within_a_share_of_what_random_actions_show() -> None:
    task = GymTask("Pendulum-v1")
    rng, world = np.random.default_rng(1), make("Pendulum-v1", find_spec("Pendulum-v1"))
    shown = []
    for seed in range(8):
        world.reset(seed=seed)
        shown += [world.step(rng.uniform(-2, 2, 1).astype(np.float32))[0] for _ in range(150)]
    clean, noisy = trial(task, 300), trial(task, 300, sensor_noise=4.0)
    starts = clean.reset()
    noise = noisy.reset() - starts
    width = np.array([field.noise for field in task.trials.observation])
    np.testing.assert_allclose(width, NOISE * np.std(shown, axis=0), rtol=0.3)
    assert (np.abs(noise) <= 4.0 * width * (1 + 1e-5)).all()
    np.testing.assert_allclose(noise.std(axis=0), 4.0 * width / np.sqrt(3), rtol=0.1)


def test_a_goal_is_told_not_sensed() -> None:
    noise = {field.name: field.noise for field in GymTask("test/Near-v0").trials.observation}
    assert noise["desired_goal 0"] == noise["desired_goal 1"] == 0.0
    assert noise["achieved_goal 0"] > 0.0
    assert noise["observation 0"] > 0.0


# -- what goes wrong -----------------------------------------------------------


@pytest.mark.parametrize("what", ["crash", "nan"])
def test_what_breaks_while_disturbed_is_a_failure_and_else_an_error(what: str) -> None:
    task = GymTask("test/Fragile-v0")
    broken = trial(task, 2, packet_loss=0.1)
    broken.reset()
    Fragile.sick = what
    episodes = [episode for step in drive(broken, 3) for episode in step.episodes]
    assert [(e.length, e.diverged, e.terminated, e.success) for e in episodes] == [
        (3, True, True, False)
    ] * 2
    used = list(task.trials._kept[:2])
    assert not set(map(id, used)) & set(map(id, task.trials.worlds(2)))
    healthy = trial(task, 1)
    healthy.reset()
    with pytest.raises(EnvError, match=r"gave up|observation with nan"):
        drive(healthy, 3)


def test_an_unstable_simulation_is_a_failure_that_nobody_runs_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MuJoCo writes its log
    task = GymTask(CHEETAH)
    env = trial(task, 2)
    env.reset()
    model_of(env, 1)[1].qvel[:] = 1e12
    (step,) = drive(env, 1)
    assert step.diverged.tolist() == [False, True]
    (episode,) = step.episodes
    assert (episode.sim, episode.diverged, episode.success) == (1, True, False)
    assert env._worlds[1] not in task.trials.worlds(2)


def test_an_effect_that_the_id_lacks_is_refused() -> None:
    task = GymTask("Pendulum-v1")
    with pytest.raises(UsageError, match=r"mass can't act: .* no MuJoCo model"):
        trial(task, mass_factor=2.0)


def test_notes_say_what_is_not_tested_and_what_cannot_be_replayed() -> None:
    notes = "\n".join(GymTask("Pendulum-v1").trial_notes)
    assert "Not tested: friction, mass, weak motors, tilted gravity, pushes" in notes
    assert "no MuJoCo model" in notes
    assert "replayed" not in notes
    assert "5 % of the standard deviation" in notes
    assert "rows can't be replayed bit for bit" in "\n".join(
        GymTask("test/Forgetful-v0").trial_notes
    )


def test_random_actions_are_uniform_and_the_same_for_the_same_observation() -> None:
    obs = np.random.default_rng(0).random((5000, 3)).astype(np.float32)
    act = random_actions(Box(("hip", "knee"), np.zeros(2), np.ones(2)))
    actions = act(obs)
    np.testing.assert_array_equal(act(obs[7:9]), actions[7:9])
    assert np.abs(actions).max() <= 1.0
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.03)
    np.testing.assert_allclose(actions.std(axis=0), 1 / np.sqrt(3), rtol=0.03)
    assert np.abs(np.corrcoef(actions.T)[0, 1]) < 0.05
