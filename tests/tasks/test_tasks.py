"""What every registered task promises: contracts, symmetries, commands, success."""

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from robo_maxent.assets import path as asset
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.envs.robot_task import RobotTask
from robo_maxent.envs.task import EpisodeState
from robo_maxent.errors import RobotError, UnknownNameError
from robo_maxent.sim.terrain import PATCH, SAMPLES
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import Field, Mirror, mirror
from robo_maxent.tasks import ROBOT_TASKS, TASKS, getup, make, quadruped, rough

QUADRUPEDS = [
    name
    for name, task in ROBOT_TASKS.items()
    if task.robot_spec.base and not task.robot_spec.lids and not task.robot_spec.joints
]
"""But the one before a fork, which knows where it is and which side is which, and those of
dm_control, whose legs are others: see ``test_dm_quadruped``."""
BUILT = {name: make(name) for name in QUADRUPEDS}
every_task = pytest.mark.parametrize("task", BUILT.values(), ids=BUILT.keys())
N = 32


def tilted(ahead: float, left: float) -> TerrainPool:
    """One patch that is a plane: height per metre along x and along y."""
    axis = np.linspace(-PATCH / 2, PATCH / 2, SAMPLES)
    pool = TerrainPool(("flat",), variants=1)
    pool.heights[:] = ahead * axis + left * axis[:, None]
    return pool


TILT = 0.2, 0.1


def on_plane(task: RobotTask[Any, Any], tilt: tuple[float, float] = TILT) -> Any:
    """The task on ground whose reflection is exact: MuJoCo's triangles are not symmetric.

    Its robots differ by the friction of their feet only, which has no left and right.
    """
    if task.terrain is None:
        return task
    other: Any = task.on(tilted(*tilt))
    other.randomization = other.ranges(quadruped.FRICTION)
    if isinstance(other, rough.QuadrupedRough):
        other.curriculum = False  # begin at the centre: heights are float32, finest there
    return other


def noise(task: MujocoTask[Any, Any], steps: int, n: int = N, size: float = 1.0) -> np.ndarray:
    """Uniform actions, (steps, N, A)."""
    return np.random.default_rng(0).uniform(-size, size, (steps, n, task.action_size))


def running(task: MujocoTask[Any, Any], steps: int) -> MujocoVecEnv[Any, Any]:
    """An environment in the middle of things: some robots walk on air, some have just fallen."""
    env = MujocoVecEnv(task, N, seed=1)
    env.reset()
    for action in noise(task, steps):
        env.step(action)
    return env


# -- contract ------------------------------------------------------------------


@every_task
def test_rewards_of_one_simulation_are_rounded_as_they_are_among_many(
    task: MujocoTask[Any, Any],
) -> None:
    # Terms are in float64: the reward, which is in float32, may hide the last bit.
    task = task.unseen(2) if task.terrain is None else task.on(tilted(*TILT))
    actions = noise(task, 60, size=0.7)
    many = MujocoVecEnv(task, N, seed=1)
    singles = [MujocoVecEnv(task, 1, seed=1, first_sim=sim) for sim in range(N)]
    for env in (many, *singles):
        env.reset()
    for action in actions:
        terms = many.step(action).terms
        for sim, env in enumerate(singles):
            own = env.step(action[sim : sim + 1]).terms
            assert {name: term[0] for name, term in own.items()} == {
                name: term[sim] for name, term in terms.items()
            }


@every_task
def test_observations_are_finite_and_as_declared_and_no_element_is_constant(
    task: MujocoTask[Any, Any],
) -> None:
    env = MujocoVecEnv(task, N, seed=0)
    seen = [env.reset()]
    for action in noise(task, 150):
        step = env.step(action)
        seen += [step.obs, step.next_obs]
        assert step.reward.dtype == np.float32
        assert step.reward.shape == step.terminated.shape == step.truncated.shape == (N,)
        assert all(term.shape == (N,) for term in step.terms.values())
        assert np.isfinite(step.reward).all()
    for obs in seen:
        assert obs.dtype == np.float32
        assert obs.shape == (N, task.observation_size)
        assert np.isfinite(obs).all()
    spread = np.concatenate(seen).std(axis=0)
    assert (spread > 1e-3).all(), f"constant elements: {np.flatnonzero(spread <= 1e-3)}"


@every_task
def test_layout_describes_the_vectors(task: MujocoTask[Any, Any]) -> None:
    assert sum(field.size for field in task.observation) == task.observation_size
    assert sum(field.size for field in task.action) == task.action_size
    assert len({field.name for field in task.observation}) == len(task.observation)
    assert all(field.unit for field in task.observation + task.action)
    assert task.action_size == len(task.robot.joints)
    assert task.control_dt == pytest.approx(task.substeps * task.robot.model.opt.timestep)
    assert task.name in TASKS
    assert task.summary
    assert "\n" not in task.summary


@every_task
def test_building_a_task_twice_gives_the_same_episodes(task: MujocoTask[Any, Any]) -> None:
    left, right = MujocoVecEnv(task, 4, seed=0), MujocoVecEnv(make(task.name), 4, seed=0)
    np.testing.assert_array_equal(left.reset(), right.reset())
    for action in noise(task, 60, n=4):
        a, b = left.step(action), right.step(action)
        np.testing.assert_array_equal(a.obs, b.obs)
        np.testing.assert_array_equal(a.reward, b.reward)


@every_task
def test_targets_at_full_action_and_the_standing_pose_are_within_reach(
    task: MujocoTask[Any, Any],
) -> None:
    low, high = task.robot.joint_range.T
    stand = task.robot.home_pose
    assert ((low < stand) & (stand < high)).all()
    reach = np.minimum(stand + task.action_scale, high) - np.maximum(stand - task.action_scale, low)
    assert (reach > task.action_scale).all()  # more than half of the action range moves the joint


@pytest.mark.parametrize("name", ["quadruped-flat", "quadruped-rough", "quadruped-rough-scan"])
def test_a_robot_holding_the_standing_pose_does_not_fall(name: str) -> None:
    task = BUILT[name]
    env = MujocoVecEnv(task, N, seed=0)
    env.reset()
    steps = [env.step(np.zeros((N, task.action_size))) for _ in range(200)]
    assert not any(step.terminated.any() for step in steps)
    assert np.abs(env.state.base_linear_velocity).max() < 0.05  # m/s: it has come to rest


def test_an_unknown_task_lists_the_known_ones_and_the_closest() -> None:
    with pytest.raises(UnknownNameError) as error:
        make("quadruped-flaat")
    assert str(error.value) == (
        "Unknown task 'quadruped-flaat'. Did you mean 'quadruped-flat'? "
        f"Known: {', '.join(sorted(TASKS))}."
    )


# -- symmetry ------------------------------------------------------------------
#
# Reflection in the world's xz plane. Positions and velocities flip y; an orientation w x y z and an
# angular velocity flip what turns about x and z; legs swap sides; the sideways hip joints flip.

LEG_SWAP = np.array([3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8])
FLIP_POLAR, FLIP_AXIAL = np.array([1, -1, 1]), np.array([-1, 1, -1])
FLIP_LEGS = np.tile([-1, 1, 1], 4)


def reflected_qpos(qpos: np.ndarray) -> np.ndarray:
    joints = qpos[:, 7:][:, LEG_SWAP] * FLIP_LEGS
    turned = qpos[:, 3:7] * [1, -1, 1, -1]
    return np.concatenate([qpos[:, :3] * FLIP_POLAR, turned, joints], axis=1)


def reflected_qvel(qvel: np.ndarray) -> np.ndarray:
    joints = qvel[:, 6:][:, LEG_SWAP] * FLIP_LEGS
    return np.concatenate([qvel[:, :3] * FLIP_POLAR, qvel[:, 3:6] * FLIP_AXIAL, joints], axis=1)


def reflected_walk(episode: quadruped.Walk) -> dict[str, np.ndarray]:
    """What changes in the state of the episodes: the rest is the same seen from either side."""
    return {
        "last_action": episode.last_action[:, LEG_SWAP] * FLIP_LEGS,
        "command": episode.command * [1, -1, -1],
        "commands": episode.commands * [1, -1, -1],
        "phase": episode.phase + 0.5,
    }


FOOT_SWAP = [1, 0, 3, 2]


def reflected_trek(episode: rough.Trek) -> dict[str, np.ndarray]:
    turned = {"contact": episode.contact[:, FOOT_SWAP], "odometry": episode.odometry * [1, -1, 1]}
    return reflected_walk(episode) | turned


def reflected_rise(episode: getup.Rise) -> dict[str, np.ndarray]:
    action = episode.last_action[:, LEG_SWAP] * FLIP_LEGS
    return {"last_action": action, "contact": episode.contact[:, FOOT_SWAP]}


REFLECTED: dict[str, Callable[[Any], dict[str, np.ndarray]]] = {
    "quadruped-flat": reflected_walk,
    "quadruped-rough": reflected_trek,
    "quadruped-rough-scan": reflected_trek,
    "quadruped-getup": reflected_rise,
}
"""Task -> the reflection of its episodes: a new task writes its own."""


def copy_episode(source: EpisodeState, into: EpisodeState, **changed: np.ndarray) -> None:
    for field in fields(source):
        if field.name == "params":
            continue  # which belong to the environment
        getattr(into, field.name)[:] = changed.get(field.name, getattr(source, field.name))


def twin(
    env: MujocoVecEnv[Any, Any],
    move: Callable[[str, np.ndarray], np.ndarray],
    task: MujocoTask[Any, Any] | None = None,
    **episode: Any,
) -> Any:
    """Another environment whose positions, velocities and controls are those of ``env``, moved."""
    other = MujocoVecEnv(task or env.task, env.n, seed=99)
    other.reset()
    other.batch.state[:] = env.batch.state
    for name in ("qpos", "qvel", "qacc_warmstart", "ctrl"):
        other.batch.bind(name)[:] = move(name, env.batch.bind(name))
    other.batch.expand("geom_friction")[:] = env.batch.expand("geom_friction")
    copy_episode(env.episode, other.episode, **episode)
    other.batch.forward()
    env.batch.forward()
    return other


def reflection(env: MujocoVecEnv[Any, Any]) -> MujocoVecEnv[Any, Any]:
    """The mirror image of an environment."""

    def move(name: str, value: np.ndarray) -> np.ndarray:
        if name == "ctrl":
            return value[:, LEG_SWAP] * FLIP_LEGS
        return reflected_qpos(value) if name == "qpos" else reflected_qvel(value)

    ahead, left = TILT
    image = on_plane(env.task, (ahead, -left))
    return twin(env, move, image, **REFLECTED[env.task.name](env.episode))


def flip_of(layout: tuple[Field, ...]) -> Mirror:
    flip = mirror(layout)
    assert flip is not None
    return flip


def mirrored_pair(
    task: MujocoTask[Any, Any], age: int
) -> tuple[MujocoVecEnv[Any, Any], MujocoVecEnv[Any, Any], np.ndarray, np.ndarray]:
    """An environment of some age and its mirror image, and an action for each."""
    env = running(on_plane(task), age)
    action = noise(task, 1)[0]
    return env, reflection(env), action, flip_of(task.action)(action)


@every_task
def test_every_task_declares_a_reflection_that_undoes_itself(task: MujocoTask[Any, Any]) -> None:
    rng = np.random.default_rng(0)
    for layout in (task.observation, task.action):
        flip = flip_of(layout)
        x = rng.normal(size=(5, sum(field.size for field in layout))).astype(np.float32)
        np.testing.assert_array_equal(flip(flip(x)), x)
        assert not np.array_equal(flip(x), x)
    assert task.name in REFLECTED


@every_task
@pytest.mark.parametrize("age", [1, 25, 60])
def test_a_mirrored_state_gives_the_mirrored_observation_and_the_same_reward(
    task: MujocoTask[Any, Any], age: int
) -> None:
    env, image, action, image_action = mirrored_pair(task, age)
    flip = flip_of(task.observation)

    here, there = env.task, image.task
    left, right = here.observe(env.episode, env.state), there.observe(image.episode, image.state)
    np.testing.assert_allclose(right, flip(left), atol=2e-6)
    terms = here.reward_terms(env.episode, env.state, action)
    state = image.state
    if task.terrain is not None:  # a foot that just touches may do so in one world only: not here
        state = replace(state, foot_touch=env.state.foot_touch[:, FOOT_SWAP])
    image_terms = there.reward_terms(image.episode, state, image_action)
    for name, term in terms.items():
        np.testing.assert_allclose(image_terms[name], term, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("age", [1, 25, 60])
def test_a_mirrored_action_in_a_mirrored_state_leads_to_the_mirrored_state(age: int) -> None:
    """On the plane: the triangles of a height field, all cut the same way, have no reflection."""
    task = BUILT["quadruped-flat"]
    env, image, action, image_action = mirrored_pair(task, age)
    flip = flip_of(task.observation)
    left, right = env.step(action), image.step(image_action)
    scale = 1.0 + np.abs(left.next_obs)
    assert (np.abs(right.next_obs - flip(left.next_obs)) / scale).max() < 1e-5
    np.testing.assert_array_equal(left.terminated, right.terminated)
    np.testing.assert_allclose(left.reward, right.reward, atol=1e-5)


@every_task
@pytest.mark.parametrize("degrees", [90.0, 37.0])
def test_facing_another_way_changes_neither_observation_nor_reward(
    task: MujocoTask[Any, Any], degrees: float
) -> None:
    task = on_plane(task, (0.0, 0.0))
    env = running(task, 40)
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    quaternion = np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)])

    def move(name: str, value: np.ndarray) -> np.ndarray:
        if name == "ctrl":
            return value
        value = value.copy()
        value[:, :3] = value[:, :3] @ turn.T
        if name == "qpos":
            for orientation in value[:, 3:7]:
                mujoco.mju_mulQuat(orientation, quaternion, orientation.copy())
        return value

    turned = twin(env, move)
    action = noise(task, 1)[0]
    left, right = task.observe(env.episode, env.state), task.observe(turned.episode, turned.state)
    np.testing.assert_allclose(right, left, atol=2e-6)
    # The friction pyramid does not turn with the robot, so the contact force may differ: not here.
    state = replace(turned.state, foot_touch=env.state.foot_touch)
    terms = task.reward_terms(env.episode, env.state, action)
    for name, term in task.reward_terms(turned.episode, state, action).items():
        np.testing.assert_allclose(term, terms[name], rtol=1e-6, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(
        task.terminated(turned.episode, turned.state), task.terminated(env.episode, env.state)
    )


# -- quadruped-flat: commands --------------------------------------------------

FLAT: Any = BUILT["quadruped-flat"]


@pytest.fixture(scope="module")
def drawn() -> quadruped.Walk:
    """The commands of 3,000 episodes."""
    episode = FLAT.episode_state(3000)
    rng = np.random.default_rng(0)
    for sim in range(3000):
        FLAT.reset(episode, sim, rng)
    return episode


def test_commands_fill_their_ranges(drawn: quadruped.Walk) -> None:
    commands = drawn.commands.reshape(-1, 3)
    low, high = np.array([-1.0, -0.5, -1.0]), np.array([1.0, 0.5, 1.0])
    assert (commands >= low).all()
    assert (commands <= high).all()
    np.testing.assert_allclose(commands.min(axis=0), low, atol=0.01)
    np.testing.assert_allclose(commands.max(axis=0), high, atol=0.01)
    np.testing.assert_allclose(commands.mean(axis=0), 0.0, atol=0.02)


def test_a_tenth_of_the_commands_is_to_stand_and_no_command_is_a_crawl(
    drawn: quadruped.Walk,
) -> None:
    speed = np.linalg.norm(drawn.commands, axis=2).ravel()
    assert (speed == 0).mean() == pytest.approx(0.1, abs=0.01)  # 21,000 draws: 5 sigma
    assert speed[speed > 0].min() >= 0.1


def test_commands_last_three_to_eight_seconds_and_cover_the_episode(drawn: quadruped.Walk) -> None:
    seconds = np.diff(drawn.begins, axis=1) * FLAT.control_dt
    assert seconds.min() >= 3.0 - 1e-9
    assert seconds.max() <= 8.0 + 1e-9
    assert seconds.mean() == pytest.approx(5.5, abs=0.05)
    assert not drawn.begins[:, 0].any()
    assert drawn.begins[:, -1].min() >= FLAT.episode_steps


# -- quadruped-flat: success ---------------------------------------------------


def test_the_tally_of_an_episode_equals_a_slow_recomputation() -> None:
    n, settling = 3, 50
    env = MujocoVecEnv(FLAT, n, seed=4)
    obs = env.reset()
    begins, commands = env.episode.begins.copy(), env.episode.commands.copy()
    linear: list[list[float]] = [[] for _ in range(n)]
    angular: list[list[float]] = [[] for _ in range(n)]
    changes, episodes = 0, []
    for t, action in enumerate(noise(FLAT, FLAT.episode_steps, n, size=0.2)):
        step = env.step(action)
        for i in range(n):
            # The command that the robot saw when it acted is the one that it is judged by.
            index = max(k for k in range(len(begins[i]) - 1) if begins[i, k] <= t)
            command = commands[i, index]
            np.testing.assert_array_equal(obs[i, 9:12], command.astype(np.float32))
            changes += index > 0 and begins[i, index] == t
            if t - begins[i, index] >= settling:
                velocity, turning = step.next_obs[i, :2], step.next_obs[i, 5]
                linear[i].append(float(np.hypot(*(velocity - command[:2]))))
                angular[i].append(abs(float(turning) - command[2]))
        obs = step.obs
        episodes += step.episodes
    assert [e.length for e in episodes] == [FLAT.episode_steps] * n
    assert changes >= 2 * n
    for i, episode in enumerate(episodes):
        lasted = np.diff(np.minimum(begins[i], FLAT.episode_steps))
        assert len(linear[i]) == np.maximum(lasted - settling, 0).sum()
        assert episode.metrics["linear_error"] == pytest.approx(np.mean(linear[i]), rel=1e-5)
        assert episode.metrics["angular_error"] == pytest.approx(np.mean(angular[i]), rel=1e-5)


@pytest.mark.parametrize(
    ("linear", "angular", "success"),
    [
        (0.0, 0.0, True),
        (0.249, 0.299, True),
        (0.251, 0.0, False),
        (0.0, 0.301, False),
    ],
)
def test_success_is_a_mean_error_within_both_tolerances(
    linear: float, angular: float, success: bool
) -> None:
    episode = FLAT.episode_state(2)
    episode.judged[:] = [700, 1]
    episode.linear_error[:] = 700 * linear, 99.0
    episode.angular_error[:] = 700 * angular, 99.0
    assert FLAT.success(episode, 0) is success
    metrics = FLAT.metrics(episode, 0)
    assert metrics["linear_error"] == pytest.approx(linear)
    assert metrics["angular_error"] == pytest.approx(angular)


def test_an_episode_with_nothing_to_judge_is_no_success() -> None:
    episode = FLAT.episode_state(1)
    assert not FLAT.success(episode, 0)
    assert set(FLAT.metrics(episode, 0).values()) == {None}


def test_standing_still_succeeds_only_when_told_to_stand() -> None:
    env = MujocoVecEnv(FLAT, 2, seed=0)
    env.reset()
    env.episode.commands[0] = env.episode.command[0] = 0.0
    env.episode.commands[1] = env.episode.command[1] = [0.5, 0.0, 0.0]
    episodes = []
    for _ in range(FLAT.episode_steps):
        episodes += env.step(np.zeros((2, FLAT.action_size))).episodes
    assert [episode.success for episode in episodes] == [True, False]
    assert episodes[1].metrics["linear_error"] == pytest.approx(0.5, abs=0.01)


def test_a_robot_that_tracked_well_and_fell_did_not_succeed() -> None:
    env = MujocoVecEnv(FLAT, 1, seed=0)
    env.reset()
    env.episode.commands[:] = env.episode.command[:] = 0.0
    for _ in range(80):
        assert not env.step(np.zeros((1, FLAT.action_size))).episodes
    assert FLAT.success(env.episode, 0)
    env.batch.bind("qpos")[0, 3:7] = [0.0, 1.0, 0.0, 0.0]
    (episode,) = env.step(np.zeros((1, FLAT.action_size))).episodes
    assert episode.terminated
    assert not episode.success


@pytest.mark.parametrize(
    ("height", "tilt", "fallen"),
    [(0.28, 0, False), (0.28, 69, False), (0.28, 71, True), (0.125, 0, False), (0.115, 0, True)],
)
def test_a_fall_is_a_trunk_on_the_ground_or_a_tilt_beyond_70_degrees(
    height: float, tilt: float, fallen: bool
) -> None:
    env = MujocoVecEnv(FLAT, 2, seed=0)
    env.reset()
    half = np.deg2rad(tilt) / 2
    env.batch.bind("qpos")[:, :7] = [0, 0, height, np.cos(half), np.sin(half), 0, 0]
    env.batch.bind("qpos")[1, 3:7] = [np.cos(half), 0, np.sin(half), 0]
    env.batch.forward()
    assert FLAT.terminated(env.episode, env.state).tolist() == [fallen, fallen]


def test_the_velocity_along_a_command_turns_with_it() -> None:
    env = MujocoVecEnv(BUILT["quadruped-flat"], 4, seed=0)
    env.reset()
    env.episode.command[:] = [
        [0.6, 0.8, 0.3],
        [0.0, 0.0, -0.5],
        [0.0, 0.0, 0.0],
        [-2.0, 0.0, 0.0],
    ]
    linear, angular = np.tile([1.0, 2.0, 3.0], (4, 1)), np.tile([0.0, 0.0, 0.7], (4, 1))
    state = replace(env.state, base_linear_velocity=linear, base_angular_velocity=angular)
    tracking = env.task.tracking(env.episode, state)
    assert tracking is not None
    np.testing.assert_allclose(tracking.along, [2.2, -0.7, 0.0, -1.0])
    np.testing.assert_array_equal(np.isnan(tracking.phase), [False, False, True, False])
    np.testing.assert_array_equal(tracking.command, env.episode.command)


# -- robots of one's own --------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'timestep="0.004"',
            'timestep="0.002"',
            "steps by 0.002 s, so quadruped-flat would control it every 10 ms rather than 20: "
            'write <option timestep="0.004"/>',
        ),
        (
            '<position class="hip" name="FR_hip" joint="FR_hip"/>',
            '<motor name="FR_hip" joint="FR_hip"/>',
            "The actuator of FR_hip in ",
        ),
        (
            '<position class="hip" name="FL_hip" joint="FL_hip"/>',
            '<position class="hip" name="FL_hip" joint="FL_hip" gear="6"/>',
            "The actuator of FL_hip in ",
        ),
        (
            '<position class="hip" name="RR_hip" joint="RR_hip"/>',
            '<velocity name="RR_hip" joint="RR_hip" kv="1"/>',
            'make it a <position joint="RR_hip" kp="..."/> without gear',
        ),
    ],
)
def test_a_robot_that_takes_actions_otherwise_than_the_tasks_own_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    text = asset("quadruped.xml").read_text()
    assert old in text
    robot = tmp_path / "own.xml"
    robot.write_text(text.replace(old, new))
    with pytest.raises(RobotError, match=re.escape(says)):
        make("quadruped-flat", robot_file=robot)
