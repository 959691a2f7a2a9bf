"""Whatever an environment does, nothing bad is learnt from and the run can be continued."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import psutil
import pytest
from gymnasium.vector import AsyncVectorEnv

from robo_maxent.envs import gym_vec_env
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.errors import CheckpointError, EnvError, EnvWarning, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.learning.config import SacConfig
from robo_maxent.seeds import Purpose
from robo_maxent.training import checkpoint
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import resumed
from robo_maxent.training.train import train

ERROR_STEP = 12
"""Steps before the one that goes wrong: two episodes of 5, and two steps."""

ERRORS = {
    "obs nan": "returned an observation with nan at element 1 in simulation 0 at its step 13, "
    "step 3 of episode 2",
    "obs huge": "returned an observation with inf at element 1",
    "reward nan": "returned the reward nan in simulation 0 at its step 13, step 3 of episode 2",
    "reward inf": "returned the reward -inf",
    "shape": "returned an observation of 3 numbers, where its space has 2, in simulation 0",
    "crash": "crashed in step() in simulation 0 at its step 13, step 3 of episode 2: "
    "TwoArguments: code 7: motor lost at 50 % of 100%d (gym_worlds.py:",
    "reset": "crashed in reset() in simulation 0 at its step 10, step 0 of episode 2: "
    "KeyError: 'no start found'",
}


def pattern(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split(".*"))


def world(mistake: str) -> GymTask:
    return GymTask(gym_worlds.register("Bad", gym_worlds.Bad, mistake=mistake))


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 100,
        "envs": 1,
        "random_steps": 4,
        "replay_capacity": 1000,
        "evaluate_every": 10**9,
        "evaluation_episodes": 1,
        "threads": 2,
        "sac": SacConfig(width=16, batch_size=16),
    }
    return TrainConfig(**(defaults | changes))


IN_WORKERS = ("obs nan", "shape", "crash", "reset")
"""Errors that take a way of their own from a worker: a text in ``info``, an array that does not fit
into shared memory, an exception in a step, and one in a reset."""


@pytest.mark.parametrize(
    ("mistake", "envs"),
    [(mistake, 1) for mistake in ERRORS] + [(mistake, 2) for mistake in IN_WORKERS],
)
def test_an_environment_error_is_told_and_the_run_continues_after_mending(
    mistake: str, envs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(EnvError, match=pattern(ERRORS[mistake])) as caught:
        train(world(mistake), config(envs=envs), run)
    message = str(caught.value)
    assert message.startswith("gym:test/Bad-v0 ")
    assert "\n" not in message
    saved = checkpoint.load(run / "checkpoint")
    steps = saved.loop["control_steps"]
    assert steps == (9 if mistake == "reset" else ERROR_STEP)
    assert f"saved at {steps * envs} steps" in message
    assert f"robo-maxent train --resume {run} --minutes 5" in message
    rows = saved.replay["rows"]
    assert len(rows) == steps * envs
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[:, 5], rows[:, 1] + 1)  # the step counted on in each

    monkeypatch.setattr(gym_worlds.Bad, "mended", True)
    budget = resumed(run, TrainConfig(steps=20 * envs))
    assert train(world(mistake), budget, run, resume=True).steps == (steps + 20) * envs


def test_the_traceback_of_a_worker_is_kept_as_a_note(tmp_path: Path) -> None:
    with pytest.raises(EnvError) as caught:
        train(world("crash"), config(envs=2), tmp_path / "run")
    cause = caught.value.__cause__
    assert cause is not None
    assert "raise TwoArguments" in cause.__notes__[0]


def test_a_worker_that_is_killed_is_reported_and_the_run_is_saved(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(EnvError, match=r"A worker process of gym:test/Bad-v0 died.*-9") as e:
        train(world("killed"), config(envs=2), run)
    assert "--resume" in str(e.value)
    assert checkpoint.load(run / "checkpoint").loop["control_steps"] == ERROR_STEP


def test_workers_that_a_scheduler_ended_are_closed_without_a_word() -> None:
    env = GymVecEnv(GymTask("test/Counter-v0"), 2, seed=0, workers=True)
    env.reset()
    assert isinstance(env.env, AsyncVectorEnv)
    for process in env.env.processes:
        process.terminate()
        process.join()
    env.close()
    env.close()


def test_an_environment_error_in_an_evaluation_keeps_the_run(tmp_path: Path) -> None:
    task = world("reset")
    run = tmp_path / "run"
    # 3 episodes in one simulation: the evaluation runs into its second before training does.
    with pytest.raises(EnvError, match=r"crashed in reset\(\) in simulation 0 at its step 5"):
        train(ResetsTwice(task), config(evaluate_every=3), run)
    assert checkpoint.load(run / "checkpoint").loop["control_steps"] == 3


class ResetsTwice(GymTask):
    """Its evaluation begins a second episode in the same simulation."""

    def __init__(self, task: GymTask) -> None:
        self.__dict__.update(task.__dict__)

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, purpose: Purpose = Purpose.EVALUATION
    ) -> GymVecEnv:
        env = GymVecEnv(self, n, seed, first_sim, purpose=purpose)
        env.reset()
        for _ in range(5):
            env.step(np.zeros((n, 1)))
        return env


def test_an_environment_error_with_a_full_disk_leaves_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(world("crash"), config(steps=8), run)
    budget = resumed(run, TrainConfig(steps=50))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(EnvError, match=r"motor lost.*No space left.*--resume"):
        train(world("crash"), budget, run, resume=True)
    monkeypatch.undo()
    assert checkpoint.load(run / "checkpoint").loop["control_steps"] == 8


def test_a_checkpoint_of_an_environment_error_is_not_hidden_by_a_periodic_one(
    tmp_path: Path,
) -> None:
    with pytest.raises(EnvError):
        train(world("obs nan"), config(save_seconds=1e-6), tmp_path / "run")
    assert checkpoint.load(tmp_path / "run/checkpoint").loop["control_steps"] == ERROR_STEP
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        checkpoint.load(tmp_path / "elsewhere")


def test_ctrl_c_in_a_terminal_ends_a_run_with_workers_in_good_order(tmp_path: Path) -> None:
    arguments = ["train", "gym:Pendulum-v1", "--minutes", "5", "--envs", "2", "--out", "run"]
    arguments += ["--save-seconds", "0.1", "--width", "16"]
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_maxent.cli.main", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/checkpoint/latest").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers too
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "--resume run" in stderr
    assert (tmp_path / "run/policy-last.safetensors").is_file()
    with pytest.raises(ProcessLookupError):  # no worker is left in its group
        os.killpg(process.pid, 0)


def strange(what: str, **spec: Any) -> GymVecEnv:
    """One simulation, begun, of a world that returns or raises something strange."""
    gym_worlds.register("Strange", gym_worlds.Strange, what=what)
    gym_worlds.gymnasium.spec("test/Strange-v0").max_episode_steps = spec.get("limit")
    env = GymVecEnv(GymTask("test/Strange-v0"), 1, seed=0)
    env.reset()
    return env


def test_one_number_in_an_array_is_a_reward() -> None:
    env = strange("array")
    assert env.step(np.zeros((1, 1))).reward.tolist() == [-1.5]
    env.close()


@pytest.mark.parametrize(
    ("what", "limit", "message"),
    [
        ("none", None, "returned the reward None, where a number is expected, in simulation 0"),
        ("two", None, "returned the reward array([0., 0.]), where a number is expected"),
        ("word", None, "returned the reward 'good', where a number is expected"),
        ("old step", None, "returned 4 values from step(), where 5 values are expected: obs"),
        ("old step", 9, "got 4); 5 values are expected: observation, reward, terminated"),
        ("no info", None, "returned ndarray from reset(), where 2 values are expected: obs"),
        ("exit", None, "crashed in step() in simulation 0 at its step 1, step 1 of e"),
        ("assertion", None, "AssertionError: assert self.t < 0 (gym_worlds.py:"),
    ],
)
def test_what_an_environment_should_not_return_is_said_in_its_own_words(
    what: str, limit: int | None, message: str
) -> None:
    with pytest.raises(EnvError, match=re.escape(message)) as caught:
        strange(what, limit=limit).step(np.zeros((1, 1)))
    assert "gym_wrapper.py" not in str(caught.value)


def test_an_environment_that_can_not_be_closed_is_a_warning_and_the_run_is_whole(
    tmp_path: Path,
) -> None:
    gym_worlds.register("Strange", gym_worlds.Strange, what="close")
    text = r"^gym:test/Strange-v0 can't be closed: AttributeError: it has no window \(gym_worlds"
    with pytest.warns(EnvWarning, match=text) as warned:
        run = train(GymTask("test/Strange-v0"), config(steps=8, evaluate_every=4), tmp_path / "run")
    assert run.steps == 8
    assert (tmp_path / "run/policy.safetensors").is_file()
    assert {warning.category for warning in warned} == {EnvWarning}


@pytest.fixture
def only_one() -> Iterator[None]:
    gym_worlds.OnlyOne.alive = 0
    yield
    gym_worlds.OnlyOne.alive = 0


@pytest.mark.usefixtures("only_one")
def test_a_second_instance_that_can_not_be_made_keeps_the_run(tmp_path: Path) -> None:
    message = "can't be made: RuntimeError: the port is in use .*--evaluation-episodes 0.*--resume"
    with pytest.raises(EnvError, match=message):
        train(GymTask("test/OnlyOne-v0"), config(evaluate_every=3), tmp_path / "run")
    assert checkpoint.load(tmp_path / "run/checkpoint").loop["control_steps"] == 3
    assert gym_worlds.OnlyOne.alive == 0


@pytest.mark.usefixtures("only_one")
def test_an_environment_of_which_one_can_exist_is_trained_and_evaluated(tmp_path: Path) -> None:
    task = GymTask("test/OnlyOne-v0", instances=1)
    run = train(task, config(steps=8, evaluate_every=4, evaluation_episodes=0), tmp_path / "run")
    assert (run.success, run.reward) == (None, None)
    assert [row.sim for row in evaluate(run.policy, task, episodes=3)] == [0, 1, 2]
    with pytest.raises(EnvError, match="the port is in use"):
        evaluate(run.policy, GymTask("test/OnlyOne-v0"), episodes=3)
    assert gym_worlds.OnlyOne.alive == 0
    with pytest.raises(UsageError, match="instances must be at least 1, got 0"):
        GymTask("test/OnlyOne-v0", instances=0)


def test_a_start_that_fails_leaves_the_directory_to_the_next_try(tmp_path: Path) -> None:
    for what in ("no info", "none"):  # at the first reset, at the first step
        gym_worlds.register("Strange", gym_worlds.Strange, what=what)
        with pytest.raises(EnvError, match="expected"):
            train(GymTask("test/Strange-v0"), config(), tmp_path / "run")
        assert not (tmp_path / "run").exists()
    assert train(GymTask("test/Counter-v0"), config(steps=4), tmp_path / "run").steps == 4


def test_more_workers_than_files_may_be_open_are_refused_before_any_is_started() -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    task, here = GymTask("test/Counter-v0"), psutil.Process().num_fds()
    resource.setrlimit(resource.RLIMIT_NOFILE, (here + 30, most))
    try:
        message = (
            rf"6 worker processes of gym:test/Counter-v0 need {here + 32} open files, of which"
        )
        with pytest.raises(
            UsageError, match=rf"{message} {here + 30} are allowed: use fewer --envs"
        ):
            GymVecEnv(task, 6, seed=0, workers=True)
        GymVecEnv(task, 4, seed=0, workers=True).close()  # the estimate is enough
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def test_what_the_system_says_of_workers_that_can_not_be_started_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(gym_vec_env, "AsyncVectorEnv", full)
    message = r"2 worker processes of gym:test/Counter-v0 .*temporarily unavail.* Use fewer --envs"
    with pytest.raises(EnvError, match=message):
        GymVecEnv(GymTask("test/Counter-v0"), 2, seed=0, workers=True)


def test_a_worker_that_can_not_be_made_says_why_in_a_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class InAnotherProcess(gym_worlds.Counter):
        trains = os.getpid()

        def __init__(self) -> None:
            if os.getpid() != self.trains:
                raise RuntimeError("the licence is in use")
            super().__init__()

    gym_worlds.register("Elsewhere", InAnotherProcess)
    with pytest.raises(EnvError, match="what it printed last says why"):
        GymVecEnv(GymTask("test/Elsewhere-v0"), 1, seed=0, workers=True)
    printed = capfd.readouterr().err
    assert "can't be made in a worker process: RuntimeError: the licence is in use (" in printed
    assert "Traceback" not in printed
