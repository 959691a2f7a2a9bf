"""The learner on Gymnasium environments: what is stored is what happened, whatever the space."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gym_worlds
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from scipy.stats import ttest_1samp

from robo_maxent.cli import main
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import EnvError, PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.learning.config import SacConfig
from robo_maxent.seeds import Purpose
from robo_maxent.spaces import Layout
from robo_maxent.training import checkpoint
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import resumed
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

SMALL = SacConfig(width=16, batch_size=16)


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 60,
        "envs": 1,
        "random_steps": 10,
        "replay_capacity": 1000,
        "evaluate_every": 10**9,
        "evaluation_episodes": 2,
        "threads": 2,
        "sac": SMALL,
    }
    return TrainConfig(**(defaults | changes))


@pytest.fixture(params=[1, 3], ids=["in this process", "in workers"])
def counting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trainer]:
    trainer = Trainer(GymTask("test/Counter-v0"), config(envs=request.param), tmp_path)
    yield trainer
    trainer.close()


def test_no_stored_transition_crosses_the_border_of_an_episode(counting: Trainer) -> None:
    for _ in range(33):
        counting.step()
    stored = counting.learner.replay.state_dict()
    rows = stored["rows"]  # obs 2, action 1, reward, next_obs 2, terminated
    assert len(rows) == 33 * counting.config.envs
    episode, t, reward, next_episode, next_t, terminated = rows[:, [0, 1, 3, 4, 5, 6]].T
    np.testing.assert_array_equal(next_episode, episode)
    np.testing.assert_array_equal(next_t, t + 1)
    np.testing.assert_array_equal(reward, t + 1)
    assert set(t) == {0, 1, 2, 3, 4}
    # Truncation of the odd episodes bootstraps.
    np.testing.assert_array_equal(terminated, (next_t == 5) & (episode % 2 == 0))
    assert terminated.sum() >= 3


def test_a_step_has_both_states_and_one_row_per_episode(counting: Trainer) -> None:
    env, n = counting.collector.env, counting.config.envs
    np.testing.assert_array_equal(env.reset()[:, 1], np.zeros(n))
    for t in range(1, 16):
        step = env.step(np.zeros((n, 1)))
        assert step.obs.dtype == step.next_obs.dtype == step.reward.dtype == np.float32
        ends = t % 5 == 0
        np.testing.assert_array_equal(step.next_obs[:, 1], np.full(n, (t - 1) % 5 + 1))
        np.testing.assert_array_equal(step.obs[:, 1], np.full(n, t % 5))
        assert [e.sim for e in step.episodes] == (list(range(n)) if ends else [])
        for episode in step.episodes:
            assert (episode.index, episode.length, episode.reward) == (t // 5 - 1, 5, 15.0)
            assert episode.terminated is bool(step.terminated[episode.sim])
            assert episode.success is None
        assert not (step.terminated & step.truncated).any()


def drawn(
    n: int,
    workers: bool,
    seed: int = 0,
    first: int = 0,
    purpose: Purpose = Purpose.TRAINING,
) -> np.ndarray:
    """What each of n simulations draws in 4 episodes, (4, n)."""
    env = GymVecEnv(GymTask("test/Seeded-v0"), n, seed, first, workers, purpose)
    try:
        starts = [env.reset()[:, 0]]
        for _ in range(9):
            obs = env.step(np.zeros((n, 1))).obs
            starts += [obs[:, 0]] if obs[0, 1] == 0 else []
    finally:
        env.close()
    return np.array(starts)


def test_an_episode_is_named_by_purpose_seed_simulation_and_number() -> None:
    together = drawn(3, workers=True)
    assert len(np.unique(together)) == together.size
    np.testing.assert_array_equal(drawn(3, workers=False), together)
    np.testing.assert_array_equal(drawn(1, workers=False)[:, 0], together[:, 0])
    np.testing.assert_array_equal(drawn(1, workers=False, first=2)[:, 0], together[:, 2])
    assert not np.intersect1d(drawn(3, workers=False, seed=1), together).size
    film = drawn(3, workers=False, purpose=Purpose.FILM)
    assert not np.intersect1d(film, together).size
    np.testing.assert_array_equal(drawn(3, workers=True, purpose=Purpose.FILM), film)


def test_resume_repeats_no_episode_and_continues_the_rest_exactly(tmp_path: Path) -> None:
    seen: list[float] = []

    def collect(trainer: Trainer, steps: int) -> None:
        for _ in range(steps):
            if trainer.collector.obs[0, 1] == 0:
                seen.append(float(trainer.collector.obs[0, 0]))
            trainer.step()

    task = GymTask("test/Seeded-v0")
    first = Trainer(task, config(), tmp_path)
    collect(first, 20)
    first.save()
    again = Trainer(task, config(), tmp_path)
    again.restore()
    np.testing.assert_array_equal(
        first.learner.replay.state_dict()["rows"], again.learner.replay.state_dict()["rows"]
    )
    assert again.steps == 20
    assert again.learner.agent.updates == first.learner.agent.updates > 0
    obs = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(first.policy()(obs), again.policy()(obs))
    np.testing.assert_array_equal(
        first.learner.agent.explore(obs), again.learner.agent.explore(obs)
    )
    assert again.collector.rng.bit_generator.state == first.collector.rng.bit_generator.state
    collect(again, 20)
    again.save()
    third = Trainer(task, config(), tmp_path)
    third.restore()
    collect(third, 20)
    assert len(seen) >= 20
    assert len(set(seen)) == len(seen)


def test_the_action_space_is_reached_affinely() -> None:
    low, high = np.array([[-2.0, 0.0, 5.0], [4.0, 10.0, 5.5]], np.float32)
    gym_worlds.register("Affine", gym_worlds.Echo, act=spaces.Box(low, high))
    task = GymTask("test/Affine-v0")
    env = task.evaluation_env(1, 0)
    env.reset()
    for action, expected in ((-1.0, low), (1.0, high), (0.0, (low + high) / 2), (9.0, high)):
        got = env.step(np.full((1, 3), action)).obs[0]
        np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(layout_of(task).action_centre, (low + high) / 2, rtol=1e-6)
    np.testing.assert_allclose(layout_of(task).action_scale, (high - low) / 2, rtol=1e-6)
    env.close()


def test_bounds_that_rounding_would_leave_are_kept() -> None:
    high = np.float32(0.1)
    box = spaces.Box(-high, high, (4,), np.float32)
    gym_worlds.register("Tight", gym_worlds.Echo, act=box)
    env = GymTask("test/Tight-v0").evaluation_env(1, 0)
    env.reset()
    for value in np.linspace(-1, 1, 41):  # Echo asserts that the action is in its space
        env.step(np.full((1, 4), value))
    env.close()


def test_an_action_with_more_dimensions_is_flattened_with_a_word() -> None:
    box = spaces.Box(-1.0, 1.0, (2, 3), np.float32)
    gym_worlds.register("Grid", gym_worlds.Echo, act=box)
    task = GymTask("test/Grid-v0")
    assert task.action_space.size == 6
    assert any("action of shape (2, 3) is flattened" in note for note in task.notes)
    env = task.evaluation_env(1, 0)
    env.reset()
    action = np.linspace(-1, 1, 6, dtype=np.float32)
    np.testing.assert_allclose(env.step(action[None]).obs[0], action, atol=1e-6)
    env.close()


def test_wrong_actions_are_refused_before_anything_is_stepped() -> None:
    env = GymTask("test/Counter-v0").evaluation_env(2, 0)
    env.reset()
    with pytest.raises(UsageError, match=r"shape \(2, 1\), got \(2, 2\)"):
        env.step(np.zeros((2, 2)))
    with pytest.raises(UsageError, match="finite"):
        env.step(np.full((2, 1), np.nan))
    assert env.step(np.zeros((2, 1))).next_obs[0, 1] == 1
    env.close()


def test_repeated_actions_sum_rewards_and_stop_with_the_episode() -> None:
    task = GymTask("test/Counter-v0", action_repeat=2)
    env = task.evaluation_env(1, 0)
    env.reset()
    steps = [env.step(np.zeros((1, 1))) for _ in range(3)]
    assert [float(step.reward[0]) for step in steps] == [1 + 2, 3 + 4, 5]
    assert [bool(step.terminated[0]) for step in steps] == [False, False, True]
    assert steps[2].next_obs.tolist() == [[0, 5]]
    assert steps[2].obs.tolist() == [[1, 0]]
    assert steps[2].episodes[0].length == 3
    env.close()
    assert GymTask("Pendulum-v1", action_repeat=3).episode_steps == 67
    with pytest.raises(UsageError, match="action_repeat must be at least 1, got 0"):
        GymTask("test/Counter-v0", action_repeat=0)


NESTED = spaces.Dict({"a": spaces.Box(-1, 1, (2, 2)), "b": spaces.Discrete(3)})
WITH_NOTHING = spaces.Dict({**NESTED.spaces, "nothing": spaces.Box(-1, 1, (0,))})


@pytest.mark.parametrize(
    ("space", "size", "note"),
    [
        (NESTED, 7, "flattened from a, b"),
        (WITH_NOTHING, 7, "flattened from a, b"),
        (spaces.Tuple((UNIT := spaces.Box(-1, 1, (2,)), UNIT)), 4, "Tuple"),
        (spaces.Discrete(5), 5, "Discrete"),
        (spaces.MultiBinary(4), 4, "MultiBinary"),
        (spaces.Box(-5, 5, (2, 3), np.int64), 6, "(2, 3) is flattened"),
        (spaces.Box(-5, 5, (2,), np.int16), 2, ""),
    ],
)
def test_observations_of_numbers_are_flattened_with_a_word(
    space: spaces.Space[Any], size: int, note: str
) -> None:
    gym_worlds.register("Seen", gym_worlds.World, observe=space)
    task = GymTask("test/Seen-v0")
    assert task.observation_size == size
    assert note in " ".join(task.notes)
    assert bool(task.notes) == bool(note)
    assert Layout.from_json(layout_of(task).to_json()) == layout_of(task)  # as a policy file has it
    env = task.evaluation_env(1, 0)
    assert env.reset().shape == (1, size)
    assert env.step(np.zeros((1, 1))).obs.dtype == np.float32
    env.close()


def box(low: Any, high: Any) -> spaces.Box:
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


PICTURE = spaces.Box(0, 255, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"act": spaces.Discrete(1)}, r"acts in Discrete\(1\); allowed are 2 to 10,000 actions"),
        ({"act": spaces.Discrete(10_001)}, "allowed are 2 to 10,000 actions to choose from"),
        (
            {"act": spaces.MultiDiscrete([2, 2])},
            r"allowed is a Box of floats with finite bounds, or Discrete\. .*TransformAction\(env",
        ),
        ({"act": spaces.MultiBinary(2)}, "MultiBinary.*numbers its actions: .*TransformAction"),
        ({"act": spaces.Dict({"arm": spaces.Box(-1, 1, (2,))})}, "allowed is a Box of floats"),
        ({"act": spaces.Box(0, 3, (2,), np.int32)}, "Box of int32; allowed is a Box of floats"),
        ({"act": spaces.Box(-np.inf, np.inf, (2,))}, r"unbounded Box.*TransformAction\("),
        ({"act": spaces.Box(0, np.inf, (2,))}, "unbounded Box"),
        ({"act": spaces.Box(-1, 1, (0,))}, "empty"),
        ({"act": box([-3.4e38], [3.4e38])}, "unbounded Box"),
        ({"act": box([-1e10], [1.0])}, r"unbounded Box.*of at most 1e\+09"),
        ({"act": box([-1, 0], [1, 0])}, "acts in a Box whose element 1 has no width"),
        ({"act": box([[0, 2]], [[1, 2]])}, r"element \[0, 1\] has no width"),
        ({"observe": PICTURE}, "observes pictures.*additional_wrappers"),
        ({"observe": spaces.Dict({"camera": PICTURE})}, "observes pictures"),
        ({"observe": spaces.Text(5)}, "observes text, which the networks"),
        ({"observe": spaces.Sequence(spaces.Box(-1, 1, (2,)))}, "Sequence, which has no fixed"),
    ],
)
def test_spaces_that_can_not_be_learnt_on_are_refused(kwargs: dict[str, Any], message: str) -> None:
    gym_worlds.register("Odd", gym_worlds.World, **kwargs)
    with pytest.raises(UsageError, match=message) as caught:
        GymTask("test/Odd-v0")
    assert str(caught.value).startswith("gym:test/Odd-v0 ")


@pytest.mark.parametrize(
    ("env_id", "error", "message"),
    [
        ("Pendulun-v1", UsageError, "Unknown Gymnasium id 'Pendulun-v1'.*Did you mean: `Pendulum"),
        ("nosuch/Walker-v0", UsageError, "Namespace nosuch not found.*gym:MODULE:ID"),
        ("no_such_module:Walker-v0", UsageError, "No module named 'no_such_module'"),
        ("test/Broken-v0", EnvError, "can't be made: ValueError: the mesh file is missing"),
    ],
)
def test_ids_that_can_not_be_made_say_why(env_id: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        GymTask(env_id)


MODULE = """
import gymnasium
from gym_worlds import Counter

class Chosen(Counter):
    def __init__(self, name=None, gains=(), render_mode=None):
        assert name is not None
        super().__init__()

gymnasium.register("test/Chosen-v0", entry_point=Chosen)
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, and a module in it that registers an id."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path[:])
    (tmp_path / "module_of_ones_own.py").write_text(MODULE)
    yield tmp_path
    gymnasium.registry.pop("test/Chosen-v0", None)
    sys.modules.pop("module_of_ones_own", None)


CHOSEN = "module_of_ones_own:test/Chosen-v0"


@pytest.mark.usefixtures("directory")
def test_a_module_in_the_current_directory_is_found_and_its_id_takes_arguments() -> None:
    task = GymTask(CHOSEN, env_args={"name": "reach", "max_episode_steps": 4})
    assert task.episode_steps == 4
    assert [row.length for row in evaluate(zero, task, episodes=2)] == [4, 4]
    assert task.options == {
        "action_repeat": 1,
        "env_args": {"name": "reach", "max_episode_steps": 4},
    }
    assert GymTask(CHOSEN, **task.options).spec == task.spec
    assert gymnasium.spec("test/Chosen-v0").kwargs == {}
    with pytest.raises(EnvError, match=r"made: AssertionError: assert name is not None \("):
        GymTask(CHOSEN)
    with pytest.raises(EnvError, match="unexpected keyword argument 'nonsense'"):
        GymTask(CHOSEN, env_args={"nonsense": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import gymnasium\ndef f(:\n", "SyntaxError: invalid syntax"),
        (
            "raise RuntimeError('no licence')\n",
            "RuntimeError: no licence (module_of_ones",
        ),
    ],
)
def test_a_module_that_can_not_be_imported_says_why(
    text: str, message: str, directory: Path
) -> None:
    (directory / "module_of_ones_own.py").write_text(text)
    with pytest.raises(UsageError, match=r"^The module module_of_ones_own can't be imp") as caught:
        GymTask(CHOSEN)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("directory")
def test_arguments_of_an_environment_are_kept_with_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    budget = ["--steps", "8", "--envs", "1", "--width", "16", "--evaluation-episodes", "1"]
    said = ["--env-arg", "name=reach-v3", "--env-arg", "max_episode_steps=3"]
    said += ["--env-arg", "gains=(1, 2.5, None)"]
    code, _, _ = call(capsys, "train", f"gym:{CHOSEN}", *said, *budget, "--out", "run")
    assert code == 0
    kept = {"name": "reach-v3", "max_episode_steps": 3, "gains": [1, 2.5, None]}
    assert json.loads(Path("run/config.json").read_text())["env_args"] == kept
    own = ["--task", f"gym:{CHOSEN}"]  # which is code that the command line has to name
    code, shown, _ = call(capsys, "evaluate", "run", *own, "--episodes", "2")
    assert (code, shown["policies"][0]["mean_length"]) == (0, 3.0)


def test_ids_of_gymnasium_robotics_are_known_without_importing_it() -> None:
    task = GymTask("PointMaze_UMaze-v3")
    assert [name for name, _, _ in task.policy_parts][:2] == ["achieved_goal", "desired_goal"]


def test_the_time_limit_of_dm_control_is_a_truncation() -> None:
    task = GymTask("dm_control/cartpole-balance-v0", action_repeat=8)
    assert task.control_dt == pytest.approx(0.08)
    rows = evaluate(lambda obs: np.zeros((len(obs), 1)), task, episodes=1)
    assert (rows[0].length, rows[0].terminated) == (125, False)
    env = task.evaluation_env(1, 0)
    env.reset()
    step = [env.step(np.zeros((1, 1))) for _ in range(125)][-1]
    assert step.truncated.all()
    assert not np.array_equal(step.next_obs, step.obs)
    env.close()


def zero(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 1))


def test_evaluation_gives_one_row_per_episode_whatever_the_grouping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = GymTask("test/Seeded-v0")
    rows = evaluate(zero, task, episodes=6, seed=3)
    assert [(row.sim, row.index, row.length) for row in rows] == [(sim, 0, 3) for sim in range(6)]
    assert evaluate(zero, task, episodes=6, seed=3) == rows
    assert evaluate(zero, task, episodes=6, seed=4) != rows
    monkeypatch.setattr(task, "most_simulations", 4)
    assert evaluate(zero, task, episodes=6, seed=3) == rows


def test_success_is_what_the_environment_says_and_nothing_where_it_says_nothing() -> None:
    rows = evaluate(zero, GymTask("test/Seeded-v0"), episodes=20)
    assert [row.success for row in rows] == [row.reward > 3 * 0.5 for row in rows]
    summary = summarize(rows)
    assert summary.success is not None
    assert summary.success.count == 20
    assert summary.headline.startswith("success ")
    silent = summarize(evaluate(zero, GymTask("test/Counter-v0"), episodes=2))
    assert silent.success is None
    assert silent.headline == "return 15.0 [15.0, 15.0]"


def test_small_returns_are_printed_to_more_digits() -> None:
    episodes = evaluate(zero, GymTask("test/Counter-v0"), episodes=2)
    small = [replace(e, reward=r) for e, r in zip(episodes, (0.011, 0.013), strict=True)]
    assert summarize(small).mean_return == "0.012 [-0.001, 0.025]"
    assert summarize(small[:1]).mean_return == "0.011"


def test_the_interval_of_the_mean_return_is_students() -> None:
    rows = evaluate(zero, GymTask("test/Seeded-v0"), episodes=7)
    expected = ttest_1samp([row.reward for row in rows], 0.0).confidence_interval(0.95)
    assert summarize(rows).reward_interval == pytest.approx(tuple(expected))
    assert summarize(rows[:1]).reward_interval is None


def test_an_episode_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    task = GymTask("test/Endless-v0")
    monkeypatch.setattr(task, "episode_steps", 50)
    with pytest.raises(EnvError, match=r"not end within 50 control steps.*max_episode"):
        evaluate(zero, task, episodes=2)


def test_the_best_policy_is_the_one_of_the_best_mean_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = iter([3.0, 7.0, 5.0])
    row = evaluate(zero, GymTask("test/Counter-v0"), episodes=1)[0]
    evaluated: list[float] = []

    def fake(act: Any, *_: Any, **__: Any) -> list[Any]:
        evaluated.append(float(act(np.ones((1, 2), np.float32))[0, 0]))
        return [replace(row, reward=next(returns))]

    monkeypatch.setattr("robo_maxent.training.train.evaluate", fake)
    run = train(GymTask("test/Counter-v0"), config(evaluate_every=20), tmp_path / "run")
    assert (run.success, run.reward) == (None, 7.0)
    kept = float(run.policy(np.ones((1, 2), np.float32))[0, 0])
    assert kept == pytest.approx(evaluated[1], abs=1e-6)
    assert kept != pytest.approx(evaluated[0], abs=1e-6)


def test_mirror_images_are_not_stored_where_nothing_declares_them(tmp_path: Path) -> None:
    trainer = Trainer(GymTask("test/Counter-v0"), config(symmetric=True), tmp_path)
    trainer.step()
    assert len(trainer.learner.replay) == 1
    trainer.close()


def test_a_policy_does_not_fit_another_action_repeat(tmp_path: Path) -> None:
    run = train(GymTask("Pendulum-v1"), config(steps=4), tmp_path / "run")
    run.policy.require(layout_of(GymTask("Pendulum-v1")))
    with pytest.raises(PolicyError, match="does not fit 'gym:Pendulum-v1': its control dt"):
        run.policy.require(layout_of(GymTask("Pendulum-v1", action_repeat=2)))


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    with pytest.raises(SystemExit) as stop:
        main.main([*arguments, "--json"])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), json.loads(captured.out), captured.err


def test_the_command_line_from_training_to_resuming(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    budget = ["--steps", "40", "--envs", "1", "--random-steps", "10", "--width", "16"]
    budget += ["--evaluation-episodes", "2", "--action-repeat", "2"]
    code, trained, _ = call(capsys, "train", "gym:Pendulum-v1", *budget)
    assert (code, trained["steps"], trained["best_success"]) == (0, 40, None)
    assert trained["best_return"] < 0
    assert trained["run"].startswith("runs/gym-Pendulum-v1/")
    run = trained["run"]
    code, shown, _ = call(capsys, "evaluate", run, "--episodes", "3")
    policy = shown["policies"][0]
    assert (code, policy["success"], policy["mean_length"]) == (0, None, 100.0)
    low, high = policy["reward_interval"]
    assert low < policy["mean_reward"] < high
    assert len(Path(policy["episodes"]).read_text().splitlines()) == 3
    code, again, stderr = call(capsys, "train", "--resume", run, "--steps", "10")
    assert (code, again["steps"]) == (0, 50)
    assert stderr.count("new episodes begin") == 1
    budget = ["train", "--resume", run, "--steps", "10", "--action-repeat", "3"]
    assert "no option of the task" in call(capsys, *budget)[1]["error"]
    assert checkpoint.load(Path(run) / "checkpoint").loop["control_steps"] == 50
    assert resumed(Path(run), TrainConfig(steps=1)).envs == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "gym:Pendulum-v1", "--steps", "1", "--robot", "x.xml"], "no --robot"),
        (["train", "gym:Pendulum-v1", "--steps", "1", "--env-arg", "g"], "NAME=VALUE.*got 'g'"),
        (["train", "quadruped-flat", "--steps", "1", "--env-arg", "g=1"], "no --env-arg"),
        (["train", "quadruped-flat", "--steps", "1", "--action-repeat", "2"], "no --action-repeat"),
    ],
)
def test_usage_errors_of_the_command_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, *arguments)
    assert code == 2
    assert re.search(message, out["error"])
    assert not list(tmp_path.iterdir())
