"""Our tasks as Gymnasium environments keep to its contract, single and vectorized."""

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import RoboMaxentError, UsageError
from robo_maxent.interop.gym_envs import TaskEnv, TaskVectorEnv
from robo_maxent.interop.gym_registration import env_id
from robo_maxent.tasks import TASKS, make

N = 6
IDS = [env_id(task) for task in TASKS]


@pytest.fixture
def vector() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(make("quadruped-flat"), N)
    yield env
    env.close()


@pytest.fixture
def single() -> TaskEnv:
    return TaskEnv(make("quadruped-flat"))


def actions(seed: int, steps: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (steps, n, 12)).astype(np.float32)


def test_an_id_follows_from_the_name_of_the_task() -> None:
    assert env_id("quadruped-flat") == "robo_maxent/QuadrupedFlat-v0"


@pytest.mark.parametrize("name", IDS)
def test_the_checker_of_gymnasium_finds_nothing(name: str) -> None:
    env = gymnasium.make(name)
    with warnings.catch_warnings():
        # Observations of robots have no bounds: Gymnasium's own MuJoCo environments say so too.
        warnings.filterwarnings("ignore", message=".*A Box observation space m.* is -?infinity")
        check_env(env.unwrapped)


@pytest.mark.parametrize("prefix", ["robo_maxent:", ""])
def test_make_and_make_vec_in_a_fresh_process(prefix: str, tmp_path: Path) -> None:
    code = (
        f"import gymnasium{'' if prefix else ', robo_maxent'}\n"
        f"name = {prefix + IDS[0]!r}\n"
        "env = gymnasium.make(name)\n"
        "assert env.reset(seed=0)[0] in env.observation_space\n"
        "envs = gymnasium.make_vec(name, num_envs=8, vectorization_mode='vector_entry_point')\n"
        "assert type(envs).__name__ == 'NamedVectorEnv' and envs.num_envs == 8\n"
        "assert envs.reset(seed=0)[0] in envs.observation_space\n"
        "assert 'torch' not in __import__('sys').modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"robot": "dog.toml"},
            r"has no option 'robot'. Did you mean 'robot_file'?",
        ),
        ({"nosuch": 1}, r"has no option 'nosuch'. Those of it are randomization, robot_file, terr"),
        ({"robot_file": "nosuch"}, r"No robot 'nosuch': there is no nosuch.toml here or in robots"),
        ({"robot_file": 3}, "robot_file must be a path or the name of a page, or None for the tas"),
        ({"terrain": "stairs"}, "terrain must be a TerrainPool or None, got 'stairs'"),
    ],
)
def test_options_of_the_task_are_checked_in_our_words(
    options: dict[str, Any], message: str
) -> None:
    name = "robo_maxent/QuadrupedFlat-v0"
    for make_env in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(RoboMaxentError) as raised:
            make_env(name, **options)
        assert message in str(raised.value)


def test_no_time_limit_is_put_on_top_of_that_of_the_task() -> None:
    env = gymnasium.make(IDS[0])
    assert env.spec is not None
    assert env.spec.max_episode_steps is None
    assert "TimeLimit" not in str(env)
    assert isinstance(env.unwrapped, TaskEnv)
    env.reset(seed=0)
    env.unwrapped.vec.episode.elapsed[:] = env.unwrapped.task.episode_steps - 1
    _, _, terminated, truncated, info = env.step(np.zeros(12, np.float32))
    assert (terminated, truncated) == (False, True)
    assert {"is_success", "diverged", "metrics"} <= info.keys()


def test_the_first_episode_of_a_seed_is_the_one_that_training_runs(single: TaskEnv) -> None:
    env = MujocoVecEnv(single.task, 1, seed=4)
    np.testing.assert_array_equal(single.reset(seed=4)[0], env.reset()[0])
    total, episodes, info = 0.0, [], {}
    while not episodes:
        _, reward, _, _, info = single.step(np.full(12, 0.5, np.float32))
        episodes = env.step(np.full((1, 12), 0.5)).episodes
        total += reward
    assert info["is_success"] is episodes[0].success
    assert info["metrics"] == {k: v for k, v in episodes[0].metrics.items() if v is not None}
    assert total != 0.0
    np.testing.assert_allclose(total, episodes[0].reward, rtol=1e-5)


def test_the_first_episode_of_a_seed_is_not_one_that_evaluate_runs(single: TaskEnv) -> None:
    evaluated = single.task.evaluation_env(50, seed=4).reset()
    start, _ = single.reset(seed=4)
    assert (evaluated[:, : single.task.policy_size] != start).any(axis=1).all()


def test_a_reset_after_the_end_begins_the_very_next_episode(single: TaskEnv) -> None:
    single.reset(seed=4)
    second, _ = single.reset()
    single.reset(seed=4)
    single.vec.episode.elapsed[:] = single.task.episode_steps - 1
    last = single.step(np.zeros(12, np.float32))[0]
    with pytest.raises(gymnasium.error.ResetNeeded):
        single.step(np.zeros(12, np.float32))
    after, _ = single.reset()
    np.testing.assert_array_equal(after, second)
    assert not np.array_equal(last, after)


def test_a_diverged_simulation_terminates_and_says_so(
    single: TaskEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    single.reset(seed=0)
    single.vec.batch.bind("qvel")[0] = np.nan
    obs, _, terminated, truncated, info = single.step(np.zeros(12, np.float32))
    assert (terminated, truncated, info["diverged"]) == (True, False, True)
    assert np.isfinite(obs).all()


def test_mistakes_with_a_single_environment_are_named(single: TaskEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        single.step(np.zeros(12, np.float32))
    single.reset(seed=0)
    with pytest.raises(UsageError, match=r"shape \(12,\), got \(11,\)"):
        single.step(np.zeros(11, np.float32))
    with pytest.raises(UsageError, match="finite"):
        single.step(np.full(12, np.nan, np.float32))
    with pytest.raises(UsageError, match=r"unknown reset options \['mass'\]; known: none"):
        single.reset(options={"mass": 1})
    with pytest.raises(UsageError, match="render_mode must be None or 'rgb_array', got 'human'"):
        TaskEnv(single.task, render_mode="human")


def test_the_declared_mode_is_same_step(vector: TaskVectorEnv) -> None:
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_shapes_types_and_spaces_of_the_vector(vector: TaskVectorEnv) -> None:
    assert vector.single_observation_space.shape == (50,)
    assert vector.observation_space.shape == (N, 50)
    assert vector.action_space.shape == (N, 12)
    obs, info = vector.reset(seed=0)
    assert obs in vector.observation_space
    assert info == {}
    for action in actions(0, 60):
        assert action in vector.action_space
        obs, reward, terminated, truncated, info = vector.step(action)
        assert obs in vector.observation_space
        assert (reward.shape, reward.dtype) == ((N,), np.float64)
        for flags in (terminated, truncated):
            assert (flags.shape, flags.dtype) == ((N,), np.bool_)
        assert_masked(info)


def assert_masked(info: dict[str, object]) -> None:
    """Every key has a mask of its own, bool, (N,), at every depth."""
    for name, value in info.items():
        if name.startswith("_"):
            continue
        mask = info[f"_{name}"]
        assert isinstance(mask, np.ndarray)
        assert (mask.shape, mask.dtype) == ((N,), np.bool_)
        if isinstance(value, dict):
            assert_masked(value)
        else:
            assert len(np.asarray(value, object)) == N


def rollout(env: VectorEnv, seed: int, steps: int = 80) -> list[np.ndarray]:  # pyright: ignore[reportMissingTypeArgument]
    arrays = [env.reset(seed=seed)[0]]
    for action in actions(9, steps):
        obs, reward, terminated, truncated, _ = env.step(action)
        arrays += [obs, reward, terminated, truncated]
    return arrays


def test_the_same_seed_gives_the_same_rollout_and_another_seed_another() -> None:
    task = make("quadruped-flat")
    first, again = rollout(TaskVectorEnv(task, N), 3), rollout(TaskVectorEnv(task, N), 3)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    reused = TaskVectorEnv(task, N)
    rollout(reused, 5)
    for one, other in zip(first, rollout(reused, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(first[0], rollout(TaskVectorEnv(task, N), 4, 1)[0])


def test_returned_arrays_are_not_written_again(vector: TaskVectorEnv) -> None:
    obs, _ = vector.reset(seed=0)
    kept = [(obs, obs.copy())]
    for action in actions(1, 5):
        stepped = vector.step(action)
        kept += [(array, array.copy()) for array in stepped[:4]]
    for array, before in kept:
        np.testing.assert_array_equal(array, before)


def test_an_action_moves_only_its_own_simulation(vector: TaskVectorEnv) -> None:
    calm = np.zeros((N, 12), np.float32)
    vector.reset(seed=0)
    before = [vector.step(calm)[0] for _ in range(5)]
    vector.reset(seed=0)
    moved = calm.copy()
    moved[2] = 1.0
    after = [vector.step(moved)[0] for _ in range(5)]
    others = np.arange(N) != 2
    np.testing.assert_array_equal(before[-1][others], after[-1][others])
    assert not np.array_equal(before[-1][2], after[-1][2])


def test_every_simulation_is_the_single_environment_of_its_number(vector: TaskVectorEnv) -> None:
    """An independent slow version: MujocoVecEnv of one, begun by hand after each end."""
    acts = actions(2, 300)
    alone = [MujocoVecEnv(make("quadruped-flat"), 1, seed=7, first_sim=sim) for sim in range(N)]
    obs, _ = vector.reset(seed=7)
    np.testing.assert_array_equal(obs, np.concatenate([env.reset() for env in alone]))
    ends = 0
    for action in acts:
        obs, reward, terminated, truncated, info = vector.step(action)
        steps = [env.step(action[None, sim]) for sim, env in enumerate(alone)]
        np.testing.assert_array_equal(obs, np.concatenate([s.obs for s in steps]))
        np.testing.assert_array_equal(reward, np.concatenate([s.reward for s in steps]))
        ended = np.concatenate([s.terminated | s.truncated for s in steps])
        np.testing.assert_array_equal(ended, terminated | truncated)
        assert ("final_obs" in info) == ended.any()
        for sim in np.flatnonzero(ended):
            ends += 1
            assert info["_final_obs"][sim]
            assert info["_final_info"][sim]
            np.testing.assert_array_equal(info["final_obs"][sim], steps[sim].next_obs[0])
            assert not np.array_equal(info["final_obs"][sim], obs[sim])
            final = info["final_info"]
            assert final["is_success"][sim] == steps[sim].episodes[0].success
            term = steps[sim].terms["track_linear"][0]
            assert final["terms"]["track_linear"][sim] == term
            assert not info.get("_terms", np.zeros(N, bool))[sim]
        if ended.any():
            np.testing.assert_array_equal(info["_final_obs"], ended)
            np.testing.assert_array_equal(info["_final_info"], ended)
            assert all(info["final_obs"][sim] is None for sim in np.flatnonzero(~ended))
    assert ends > 3, "no episode ended: the test saw nothing"


def test_episodes_that_end_together_keep_their_own_final_info(
    vector: TaskVectorEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    vector.reset(seed=0)
    alone = MujocoVecEnv(vector.task, N, seed=0)
    alone.reset()
    for env in (vector.vec, alone):
        env.episode.elapsed[:] = vector.task.episode_steps - 1
        env.batch.bind("qvel")[4] = np.nan
    step = alone.step(np.zeros((N, 12)))
    obs, _, terminated, truncated, info = vector.step(np.zeros((N, 12)))
    np.testing.assert_array_equal(np.stack(info["final_obs"]), step.next_obs)
    np.testing.assert_array_equal(obs, step.obs)
    only = (np.arange(N) == 4).tolist()
    assert terminated.tolist() == info["final_info"]["diverged"].tolist() == only
    assert truncated.tolist() == [not end for end in only]
    assert info["_final_obs"].all()
    assert "terms" not in info


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_step_has_the_form_that_gymnasium_gives_the_single_ones(mode: AutoresetMode) -> None:
    """Gymnasium's own vector environment over ours, beside our vector environment."""
    theirs = gymnasium.make_vec(
        IDS[0], num_envs=1, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    ours = gymnasium.make_vec(IDS[0], num_envs=1, autoreset_mode=mode)
    assert getattr(ours, "autoreset_mode") is ours.metadata["autoreset_mode"] is mode  # noqa: B009
    np.testing.assert_array_equal(theirs.reset(seed=1)[0], ours.reset(seed=1)[0])
    left = np.inf  # steps until the test has seen enough of the next episode
    for action in np.sign(actions(3, 1000, 1)):
        one, other = theirs.step(action), ours.step(action)
        for a, b in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert_same_info(one[4], other[4])
        left = 3 if one[2].any() and left == np.inf else left - 1
        if left == 0:
            return
    pytest.fail("no episode ended: the test saw nothing")


def test_with_next_step_episodes_are_those_of_same_step_with_a_pause_between() -> None:
    task, acts = make("quadruped-flat"), np.empty((120, N, 12))
    acts[:] = np.random.default_rng(0).uniform(-1, 1, (N, 12))  # the same in every step
    same = TaskVectorEnv(task, N, max_episode_steps=40)
    paused = TaskVectorEnv(task, N, autoreset_mode="NEXT_STEP", max_episode_steps=40)
    np.testing.assert_array_equal(same.reset(seed=2)[0], paused.reset(seed=2)[0])
    rewards, ended, obs, begun, paused_rewards = [], [], [], [], []
    for action in acts:
        step = same.step(action)
        rewards.append(step[1])
        obs.append(step[0])
        ended.append(step[2] | step[3])
    previous = np.zeros(N, bool)
    firsts: list[list[np.ndarray]] = [[] for _ in range(N)]
    for action in acts:
        step = paused.step(action)
        begun.append(previous)
        paused_rewards.append(step[1])
        for sim in np.flatnonzero(previous):
            firsts[sim].append(step[0][sim])
        previous = step[2] | step[3]
    for sim in range(N):
        pauses = np.array(begun)[:, sim]
        went = np.array(paused_rewards)[~pauses, sim]
        assert pauses.sum() >= 2
        assert (np.array(paused_rewards)[pauses, sim] == 0.0).all()
        np.testing.assert_array_equal(went, np.array(rewards)[: len(went), sim])
        again = np.array(obs)[np.array(ended)[:, sim], sim]
        np.testing.assert_array_equal(firsts[sim], again[: len(firsts[sim])])


def test_wrappers_that_want_the_other_autoreset_mode_have_it() -> None:
    env = gymnasium.make_vec(IDS[0], num_envs=2, autoreset_mode="NextStep")
    wrapped = gymnasium.wrappers.vector.NormalizeObservation(env)
    assert wrapped.reset(seed=0)[0].shape == (2, make("quadruped-flat").policy_size)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoreset_mode": "Disabled"}, "autoreset_mode must be SAME_STEP or NEXT_STEP, got 'Dis"),
        ({"max_episode_steps": 0}, "max_episode_steps must be within 1 and 1000, .*; got 0"),
        ({"max_episode_steps": 1001}, "max_episode_steps must be within 1 and 1000, the limit of"),
    ],
)
def test_arguments_of_make_vec_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gymnasium.make_vec(IDS[0], num_envs=2, **changes)


def pickled(env: Any) -> Any:
    return pickle.loads(pickle.dumps(env))


@pytest.mark.parametrize(
    ("name", "again"), [("quadruped-rough-scan", pickled), ("arm-pick", copy.deepcopy)]
)
def test_a_copy_in_mid_episode_goes_on_the_same(name: str, again: Callable[[Any], Any]) -> None:
    acts = np.random.default_rng(0).uniform(-1, 1, (70, 3, make(name).action_size))
    vector = gymnasium.make_vec(env_id(name), num_envs=3, max_episode_steps=50)
    single = gymnasium.make(env_id(name)).unwrapped
    vector.reset(seed=5)
    single.reset(seed=5)
    for action in acts[:10]:
        vector.step(action)
        single.step(action[0])
    vector_twin, single_twin = again(vector), again(single)
    for action in acts[10:]:
        for one, other in zip(vector.step(action)[:4], vector_twin.step(action)[:4], strict=True):
            np.testing.assert_array_equal(one, other)
    for action in acts[10:30]:
        assert single.step(action[0])[1] == single_twin.step(action[0])[1]
    assert vector_twin.spec == vector.spec


def test_an_environment_that_was_never_begun_can_be_pickled() -> None:
    env = TaskEnv(make("quadruped-flat"))
    np.testing.assert_array_equal(pickled(env).reset(seed=3)[0], env.reset(seed=3)[0])


def assert_same_info(one: dict[str, object], other: dict[str, object]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        second = other[name]
        if isinstance(value, dict):
            assert isinstance(second, dict)
            assert_same_info(value, second)
        elif name == "final_obs":
            np.testing.assert_array_equal(np.stack(value), np.stack(second))  # type: ignore[arg-type]
        else:
            np.testing.assert_array_equal(value, second)  # type: ignore[arg-type]


def test_a_reset_without_a_seed_goes_on_and_is_repeatable(vector: TaskVectorEnv) -> None:
    first, _ = vector.reset(seed=1)
    second, _ = vector.reset()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(vector.reset(seed=1)[0], first)
    np.testing.assert_array_equal(vector.reset()[0], second)


def test_environments_without_any_seed_differ() -> None:
    task = make("quadruped-flat")
    one, other = TaskVectorEnv(task, 1).reset()[0], TaskVectorEnv(task, 1).reset()[0]
    assert not np.array_equal(one, other)


def test_reset_mask_begins_only_the_chosen_anew(vector: TaskVectorEnv) -> None:
    vector.reset(seed=0)
    running = vector.step(np.zeros((N, 12)))[0]
    mask = np.arange(N) == 1
    obs, _ = vector.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(obs[~mask], running[~mask])
    assert not np.array_equal(obs[1], running[1])
    assert vector.vec.episode.elapsed.tolist() == [1, 0, 1, 1, 1, 1]


def test_mistakes_with_the_vector_are_named(vector: TaskVectorEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        vector.step(np.zeros((N, 12)))
    with pytest.raises(UsageError, match="reset all first"):
        vector.reset(options={"reset_mask": np.ones(N, bool)})
    vector.reset(seed=0)
    before = vector.vec.state_dict()["state"]
    with pytest.raises(UsageError, match=r"shape \(6, 12\), got \(12,\)"):
        vector.step(np.zeros(12))
    with pytest.raises(UsageError, match=r"finite.*simulations \[0, 1"):
        vector.step(np.full((N, 12), np.inf))
    np.testing.assert_array_equal(vector.vec.state_dict()["state"], before)
    with pytest.raises(UsageError, match=r"unknown reset options \['mask'\]; known: reset_mask"):
        vector.reset(options={"mask": 1})
    for mask in (np.ones(N), np.ones(N - 1, bool), [True] * N):
        with pytest.raises(UsageError, match=r"bool array of shape \(6,\)"):
            vector.reset(options={"reset_mask": mask})
    with pytest.raises(UsageError, match="true somewhere"):
        vector.reset(options={"reset_mask": np.zeros(N, bool)})
    with pytest.raises(UsageError, match="n must be at least 1"):
        TaskVectorEnv(vector.task, 0)
    with pytest.raises(UsageError, match=r"one seed for all .* by their number; got \[1, 2, 3\]"):
        vector.reset(seed=[1, 2, 3])  # type: ignore[arg-type]


def test_actions_outside_the_space_are_clipped(vector: TaskVectorEnv) -> None:
    vector.reset(seed=0)
    inside = vector.step(np.ones((N, 12)))[0]
    vector.reset(seed=0)
    np.testing.assert_array_equal(vector.step(np.full((N, 12), 7.0))[0], inside)


def test_pictures_of_every_simulation_and_closing_twice() -> None:
    env = TaskVectorEnv(make("quadruped-flat"), 2, render_mode="rgb_array")
    env.reset(seed=0)
    frames = env.render()
    assert frames is not None
    assert [(f.shape, f.dtype) for f in frames] == [((480, 640, 3), np.uint8)] * 2
    assert all(frame.std() > 10 for frame in frames)
    env.close()
    env.close()
    assert TaskVectorEnv(make("quadruped-flat"), 1).render() is None
