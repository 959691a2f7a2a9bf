"""A run continues exactly, and nothing that goes wrong loses what it had."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import gym_worlds  # noqa: F401 (registers what it has)
import numpy as np
import pytest
import torch
from privileged_world import QuadrupedSeen

from robo_maxent import machine
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import CheckpointError, EnvError, UsageError
from robo_maxent.files import locked
from robo_maxent.learning import hardware, native
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.episode_index import ROW_BYTES, EpisodeIndex
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import row_bytes
from robo_maxent.tasks import make
from robo_maxent.training import checkpoint
from robo_maxent.training.agents import require_settings_for
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.memory import BASE_MEMORY, memory_needed, require_memory
from robo_maxent.training.metrics import STEP, MetricsLog, read
from robo_maxent.training.run_directory import claimed, read_config, resumed
from robo_maxent.training.train import Run, train
from robo_maxent.training.trainer import Trainer
from robo_maxent.types import Episode

SMALL = SacConfig(width=32, batch_size=32)
ENVS = 8


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 40 * ENVS,
        "seed": 3,
        "envs": ENVS,
        "random_steps": 10,
        "symmetric": False,
        "replay_capacity": 25 * ENVS,  # wraps round within the run
        "evaluate_every": 10**9,
        "evaluation_episodes": 1,
        "sac": SMALL,
    }
    return TrainConfig(**(defaults | changes))


def run_steps(
    directory: Path,
    steps: int,
    resume: bool = False,
    task: EnvFactory | None = None,
    **changes: Any,
) -> Trainer:
    """Step a trainer without evaluation: the state that continues, and nothing else."""
    trainer = Trainer(task or make("quadruped-flat"), config(**changes), directory)
    if resume:
        trainer.restore()
    for _ in range(steps):
        trainer.step()
    return trainer


def write_checkpoint(directory: Path, steps: int) -> Path:
    arrays = {"numbers": np.arange(steps)}
    learner = {"weights": torch.ones(9)}
    loop = {"steps": steps}
    return checkpoint.save(directory, steps, checkpoint.Checkpoint(learner, arrays, arrays, loop))


def flat_state(trainer: Trainer) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}", inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(f"{name}.{index}", inner)
        else:
            found[name] = value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)

    walk("learner", trainer.learner.agent.state_dict())
    walk("env", trainer.collector.env.state_dict())
    walk("replay", trainer.learner.replay.state_dict())
    walk("action_rng", trainer.collector.rng.bit_generator.state)
    walk("replay_rng", trainer.learner.rng.bit_generator.state)
    found["obs"] = trainer.collector.obs
    return found


def assert_equal_bits(a: Trainer, b: Trainer) -> None:
    first, second = flat_state(a), flat_state(b)
    assert first.keys() == second.keys()
    different = [name for name in first if not np.array_equal(first[name], second[name])]
    assert not different


@pytest.mark.parametrize("task", [make("quadruped-flat"), QuadrupedSeen()], ids=lambda t: t.name)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    tmp_path: Path, task: MujocoTask[Any, Any]
) -> None:
    whole = run_steps(tmp_path / "whole", 40, task=task)
    part = run_steps(tmp_path / "part", 23, task=task)
    part.save()
    del part
    continued = run_steps(tmp_path / "part", 17, resume=True, task=task)
    assert_equal_bits(whole, continued)


def test_a_run_with_a_mixture_resumes_bit_for_bit(tmp_path: Path) -> None:
    mixture = replace(SMALL, components=3)
    whole = run_steps(tmp_path / "whole", 20, sac=mixture)
    run_steps(tmp_path / "part", 12, sac=mixture).save()
    assert_equal_bits(whole, run_steps(tmp_path / "part", 8, resume=True, sac=mixture))
    with pytest.raises(CheckpointError, match="its components of sac of train is 1, the check"):
        run_steps(tmp_path / "part", 1, resume=True)


def test_a_run_with_a_mixture_says_that_it_learns_in_torch_and_keeps_a_mixture(
    tmp_path: Path,
) -> None:
    told: list[str] = []
    settings = config(steps=60 * ENVS, sac=replace(SMALL, components=2), precision="bf16")
    run = train(
        make("quadruped-flat"), settings, tmp_path / "run", show=lambda s: told.append(s.message)
    )
    if native.library() is not None:
        assert "a mixture of Gaussians learns in torch, slower: the update in C knows one" in told
    rounds = "bf16 is rounded by hand in torch here, which takes about 3 times as long as fp32"
    assert (rounds in told) == (not hardware.has_amx())
    (row,) = [row for row in read(run.directory / "metrics.jsonl") if "train/compiled" in row]
    assert row["train/compiled"] == 0.0
    assert 1.0 <= row["train/mixture_usage"] <= 2.0
    assert run.policy.actor.head.settings["components"] == 2


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    first, second = run_steps(tmp_path / "a", 25), run_steps(tmp_path / "b", 25)
    assert_equal_bits(first, second)
    other = run_steps(tmp_path / "c", 25, seed=4)
    assert not np.array_equal(first.collector.obs, other.collector.obs)


def test_the_number_of_physics_threads_changes_nothing(tmp_path: Path) -> None:
    # One learner thread either way: 2 // 2 and 3 // 2.
    assert_equal_bits(
        run_steps(tmp_path / "a", 25, threads=2), run_steps(tmp_path / "b", 25, threads=3)
    )


@pytest.mark.parametrize(("overlap", "behind"), [(True, 1), (False, 0)])
def test_updates_see_the_newest_transitions_unless_the_physics_runs_beside(
    tmp_path: Path, overlap: bool, behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"overlap": overlap, "envs": 2, "random_steps": 3}
    trainer = Trainer(GymTask("Pendulum-v1"), config(**changes), tmp_path)
    learner, seen = trainer.learner, []

    def learn(*_: object) -> dict[str, torch.Tensor]:
        seen.append(len(learner.replay))
        return {}

    monkeypatch.setattr(learner, "learn", learn)
    for _ in range(6):
        trainer.step()
    trainer.close()
    assert seen == [2 * (step - behind) for step in (4, 5, 6)], "after the random steps"


def test_physics_and_updates_in_turn_have_all_threads_and_one_result(tmp_path: Path) -> None:
    task = GymTask("Pendulum-v1")
    states = [
        run_steps(tmp_path / name, 20, task=task, envs=2, overlap=overlap, threads=2)
        for name, overlap in (("a", False), ("b", False), ("beside", True))
    ]
    assert torch.get_num_threads() == 1, "beside the physics it learns on half of them"
    assert_equal_bits(states[0], states[1])
    assert states[0].learner.agent.updates == states[2].learner.agent.updates > 0
    with pytest.raises(AssertionError):
        assert_equal_bits(states[0], states[2])
    run_steps(tmp_path / "c", 0, task=task, envs=2, overlap=False, threads=2)
    assert torch.get_num_threads() == 2


def test_a_run_in_turn_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole = run_steps(tmp_path / "whole", 30, overlap=False)
    run_steps(tmp_path / "part", 18, overlap=False).save()
    assert_equal_bits(whole, run_steps(tmp_path / "part", 12, resume=True, overlap=False))


def test_evaluation_logging_and_saving_do_not_touch_what_continues(tmp_path: Path) -> None:
    quiet = run_steps(tmp_path / "quiet", 40)
    busy = train(
        make("quadruped-flat"),
        config(evaluate_every=20 * ENVS, save_seconds=1e-6),
        tmp_path / "busy",
    )
    loaded = run_steps(tmp_path / "busy", 0, resume=True)
    assert busy.steps == quiet.steps
    assert_equal_bits(quiet, loaded)


def test_truncation_is_not_stored_as_termination(tmp_path: Path) -> None:
    trainer = Trainer(make("quadruped-flat"), config(), tmp_path)
    assert isinstance(trainer.collector.env, MujocoVecEnv)
    trainer.collector.env.episode.elapsed[:] = trainer.task.episode_steps - 1
    step, _ = trainer.step()
    assert step.truncated.all()
    assert not trainer.learner.replay.state_dict()["rows"][:, -1].any()
    stored_next = trainer.learner.replay.state_dict()["rows"][:, -1 - step.next_obs.shape[1] : -1]
    np.testing.assert_array_equal(stored_next, step.next_obs)
    assert not np.array_equal(stored_next, step.obs)


def test_each_transition_is_stored_with_its_mirror_image(tmp_path: Path) -> None:
    trainer = run_steps(tmp_path, 1, symmetric=True)
    rows = trainer.learner.replay.state_dict()["rows"]
    assert len(rows) == 2 * ENVS
    size = trainer.task.observation_size
    task = make("quadruped-flat")
    reflect, joints = task.mirrors or pytest.fail("it declares its reflection")
    np.testing.assert_array_equal(rows[ENVS:, :size], reflect(rows[:ENVS, :size]))
    np.testing.assert_array_equal(
        rows[ENVS:, size : size + 12], joints(rows[:ENVS, size : size + 12])
    )
    np.testing.assert_array_equal(rows[ENVS:, size + 12], rows[:ENVS, size + 12])


def test_a_diverged_transition_is_not_stored(tmp_path: Path) -> None:
    trainer = Trainer(make("quadruped-flat"), config(), tmp_path)
    assert isinstance(trainer.collector.env, MujocoVecEnv)
    trainer.collector.env.batch.bind("qvel")[2] = np.nan
    step, _ = trainer.step()
    assert step.diverged.nonzero()[0].tolist() == [2]
    assert len(trainer.learner.replay) == ENVS - 1
    assert np.isfinite(trainer.learner.replay.state_dict()["rows"]).all()
    assert list((tmp_path / "diverged").glob("*.npz"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(make("quadruped-flat"), config(), tmp_path_factory.mktemp("run") / "finished")


def test_a_run_leaves_what_the_readme_lists(finished: Run) -> None:
    names = {path.name.split(".")[0] for path in finished.directory.iterdir()}
    assert {"config", "policy", "policy-last", "checkpoint", "metrics", "events"} <= names


def test_metrics_have_the_names_that_dashboards_expect(finished: Run) -> None:
    train(make("quadruped-flat"), config(steps=30 * ENVS), finished.directory, resume=True)
    rows = read(finished.directory / "metrics.jsonl")
    names = {name for row in rows for name in row}
    assert {"time/fps", "train/ent_coef", "train/critic_loss", "train/n_updates"} <= names
    assert {"train/entropy", "train/target_entropy", "reward/track_linear"} <= names
    assert {"eval/mean_reward", "eval/success_rate", "eval/mean_ep_length"} <= names
    steps = [row["time/total_timesteps"] for row in rows]
    assert steps == sorted(steps)


def test_a_resumed_log_drops_rows_past_the_checkpoint(finished: Run) -> None:
    log = finished.directory / "metrics.jsonl"
    log.write_text(log.read_text() + '{"time/total_timesteps": 99999999}\n{"cut off')
    train(make("quadruped-flat"), config(steps=ENVS), finished.directory, resume=True)
    assert all(row["time/total_timesteps"] < 99999999 for row in read(log))
    assert "cut off" not in log.read_text()


def test_a_resumed_log_keeps_the_rows_around_a_damaged_line(tmp_path: Path) -> None:
    rows = [b'{"time/total_timesteps": %d}' % step for step in range(6)]
    rows[1], rows[2], rows[3] = b'{"time/total_\xfftimesteps": 1}', b'{"time/total_ti', b"3"
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(rows))
    MetricsLog(tmp_path, from_step=4).close()
    assert [row[STEP] for row in read(tmp_path / "metrics.jsonl")] == [0, 4]


def test_two_processes_do_not_train_one_run(finished: Run) -> None:
    lock = locked(finished.directory, "")
    with pytest.raises(UsageError, match=r"finished is being trained by another process: wait"):
        train(make("quadruped-flat"), config(), finished.directory, resume=True)
    lock.release()


def test_a_directory_of_something_else_is_not_trained_in(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(UsageError, match=r"holds no run, but thesis\.tex: choose the name of"):
        train(make("quadruped-flat"), config(), tmp_path)
    with pytest.raises(
        UsageError,
        match=r"Can't write to .*thesis\.tex: Not a directory\. Mend that, or begin in ano",
    ):
        train(make("quadruped-flat"), config(), tmp_path / "thesis.tex")


def test_runs_that_begin_in_the_same_second_have_directories_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        names = []
        for _ in range(3):
            directory = stack.enter_context(claimed(None, tmp_path / "runs/now-seed0", False))
            (directory / "config.json").write_text("{}")
            names.append(directory.name)
    assert names == ["now-seed0", "now-seed0-2", "now-seed0-3"]


def test_a_training_that_fails_to_start_leaves_its_name_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Trainer:
        raise EnvError("no second instance")

    monkeypatch.setattr("robo_maxent.training.train.Trainer", broken)
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(EnvError, match="no second instance"):
            train(make("quadruped-flat"), config(), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    monkeypatch.undo()
    run = train(make("quadruped-flat"), config(steps=ENVS), tmp_path / "empty")
    assert (run.directory / "config.json").is_file()


def test_a_directory_that_holds_a_run_is_not_overwritten(finished: Run) -> None:
    with pytest.raises(UsageError, match=r"already holds a run.*--resume"):
        train(make("quadruped-flat"), config(), finished.directory)


def test_a_run_of_another_task_is_refused(finished: Run) -> None:
    path = finished.directory / "config.json"
    text = path.read_text()
    path.write_text(text.replace("quadruped-flat", "arm-reach"))
    try:
        with pytest.raises(UsageError, match="is a run of 'arm-reach', not of 'quadruped-flat'"):
            train(make("quadruped-flat"), config(), finished.directory, resume=True)
    finally:
        path.write_text(text)


def test_a_directory_without_a_run_can_not_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a run: its config\.json can't be read"):
        train(make("quadruped-flat"), config(), tmp_path, resume=True)


def test_a_run_that_is_not_there_can_not_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone is not a run: it does not exist"):
        train(make("quadruped-flat"), config(), tmp_path / "gone", resume=True)


def test_a_folder_of_runs_names_them(tmp_path: Path) -> None:
    for name in ("flat/20260102 seed0", "flat/20260101-seed0", "own"):
        (tmp_path / name).mkdir(parents=True)
        for file in ("config.json", "metrics.jsonl"):
            (tmp_path / name / file).touch()
    (tmp_path / "no run").mkdir()
    (tmp_path / "no run" / "config.json").touch()
    first, second, own = (
        quote(str(tmp_path / name))
        for name in ("flat/20260101-seed0", "flat/20260102 seed0", "own")
    )
    with pytest.raises(UsageError) as refused:
        read_config(tmp_path)
    assert str(refused.value).endswith(f"Runs in it: {first} {second} {own}")


def test_a_resumed_run_keeps_its_recipe(finished: Run) -> None:
    assert resumed(finished.directory, TrainConfig(steps=7)).sac == SMALL
    with pytest.raises(UsageError, match="give only a new budget"):
        resumed(finished.directory, TrainConfig(steps=7, envs=4))
    classic = replace(preset("classic"), minutes=3.0)
    assert resumed(finished.directory, classic).sac == SMALL
    more = replace(classic, threads=1, sac=replace(classic.sac, batch_size=7))
    with pytest.raises(UsageError, match=r"only a new budget, not --threads, --batch-size$"):
        resumed(finished.directory, more)


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_full_disk_is_called_so(size: int) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint._save_learner({"weights": torch.zeros(size)}, Path("/dev/full"))


def test_a_run_that_was_killed_before_its_first_checkpoint_says_how_to_begin_anew(
    tmp_path: Path,
) -> None:
    with pytest.raises(CheckpointError) as raised:
        checkpoint.load(tmp_path / "a run" / "checkpoint")
    assert f"robo-maxent train --config '{tmp_path}/a run' --minutes 5" in str(raised.value)


@pytest.mark.parametrize("name", ["learner.pt", "env.npz", "replay.npz", "loop.json"])
def test_a_truncated_checkpoint_is_reported_in_one_line(tmp_path: Path, name: str) -> None:
    trainer = run_steps(tmp_path, 12)
    file = trainer.save() / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=r"is damaged.*policy files are separate") as caught:
        checkpoint.load(tmp_path / "checkpoint")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*checkpoint.FILES, checkpoint.DIGESTS])
def test_a_flipped_bit_is_noticed_and_the_checkpoint_before_it_named(
    tmp_path: Path, name: str
) -> None:
    before = write_checkpoint(tmp_path, 100)
    file = write_checkpoint(tmp_path, 200) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"000000000200 is damaged") as caught:
        checkpoint.load(tmp_path)
    advice = (
        f"{before.name} is intact; to continue from that: echo {before.name} > {tmp_path}/latest"
    )
    assert advice in str(caught.value)
    (tmp_path / "latest").write_text(f"{before.name}\n")  # as echo does
    assert checkpoint.load(tmp_path).loop == {"steps": 100}


@pytest.mark.parametrize("name", ["", "../elsewhere", "0000\n00000100"])
def test_a_damaged_pointer_names_the_checkpoint_that_is_intact(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, 100)
    (tmp_path / "latest").write_text(name)
    with pytest.raises(CheckpointError, match=r"latest names none.*000000000100 is intact"):
        checkpoint.load(tmp_path)


def test_saving_removes_only_what_it_wrote_where_the_directory_is_a_link(tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "checkpoint"
    for name in ("2024-photos", "000000000050", ".writing-notes"):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "mine").write_text("mine")
    link.symlink_to(elsewhere)
    for steps in (100, 200, 300):
        write_checkpoint(link, steps)
    kept = {"2024-photos", "000000000050", ".writing-notes"}
    assert {path.name for path in elsewhere.iterdir()} - kept == {
        "latest",
        "000000000200",
        "000000000300",
    }
    assert all((elsewhere / name / "mine").exists() for name in kept)
    assert link.is_symlink()


def test_a_damaged_checkpoint_goes_before_the_one_that_was_continued_from(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 100)
    write_checkpoint(tmp_path, 200)
    (tmp_path / "latest").write_text("000000000100")
    write_checkpoint(tmp_path, 150)
    assert {path.name for path in tmp_path.glob("0*")} == {"000000000100", "000000000150"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"sac": replace(SMALL, gamma=0.9)},
            "its gamma of sac of train is 0.9, the checkpoint's is",
        ),
        ({"seed": 4}, "its seed of train is 4, the checkpoint's is 3"),
        ({"threads": 3}, "its threads of train is 3, the checkpoint's is 0"),
    ],
)
def test_an_edited_recipe_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    run_steps(tmp_path, 1).save()
    with pytest.raises(CheckpointError, match=rf"config.json was edited: {message}.*Put that back"):
        run_steps(tmp_path, 1, resume=True, **change)
    run_steps(tmp_path, 1, resume=True, save_seconds=1.0)
    task = make("quadruped-flat", randomization="hard")
    with pytest.raises(CheckpointError, match="its randomization of options is 'hard', the"):
        run_steps(tmp_path, 1, resume=True, task=task)


def test_a_checkpoint_of_before_a_setting_is_one_of_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = GymTask("Pendulum-v1")
    trainer = run_steps(tmp_path, 1, task=task)
    recipe = trainer._recipe()
    del recipe["train"]["overlap"], recipe["train"]["sac"]["log_std_bound"]
    monkeypatch.setattr(trainer, "_recipe", lambda: recipe)
    trainer.save()
    assert run_steps(tmp_path, 1, resume=True, task=task).control_steps == 2
    for change, message in (
        ({"overlap": False}, "its overlap of train is False, the checkpoint's is True"),
        (
            {"sac": replace(SMALL, log_std_bound="clamp")},
            "its log_std_bound of sac of train is 'clamp', the checkpoint's is 'tanh'",
        ),
    ):
        with pytest.raises(CheckpointError, match=message):
            run_steps(tmp_path, 1, resume=True, task=task, **change)


def wrong_learner(trainer: Trainer) -> None:
    flat = trainer.learner.agent.state_dict()
    flat["log_alpha"] = flat["log_alpha"].double()
    trainer.learner.agent.state_dict = lambda: flat  # type: ignore[method-assign]


def wrong_env(trainer: Trainer) -> None:
    flat = trainer.collector.env.state_dict()
    trainer.collector.env.state_dict = lambda: flat | {"return": flat["return"][:1]}


def wrong_replay(trainer: Trainer) -> None:
    flat = trainer.learner.replay.state_dict()
    trainer.learner.replay.state_dict = lambda: flat | {"rows": np.zeros(3)}  # type: ignore[method-assign]


def wrong_loop(trainer: Trainer) -> None:
    trainer.best_score = ["best"]  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            wrong_learner,
            r"learner.log_alpha must be Tensor torch.float32 \(\), got Tensor torch.float6",
        ),
        (wrong_env, r"env.return must be ndarray float64 \(8,\), got ndarray float64 \(1,\)"),
        (wrong_replay, r"saved replay is float64 \(3,\), this buffer holds float32"),
        (wrong_loop, "element 1 of best_score of loop.json must be a number, got 'best'"),
    ],
)
def test_a_checkpoint_of_other_content_is_refused_in_one_line(
    tmp_path: Path, damage: Callable[[Trainer], None], message: str
) -> None:
    trainer = run_steps(tmp_path, 1)
    damage(trainer)
    trainer.save()
    with pytest.raises((CheckpointError, UsageError), match=message) as refused:
        run_steps(tmp_path, 1, resume=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "its config.json is damaged: it must be an object, got []"),
        ("{", "its config.json is damaged: Expecting property name"),
        ("[" * 100_000, "its config.json is damaged: maximum recursion depth exceeded"),
        ('{"task": "quadruped-flat"}', "its config.json is damaged: it lacks 'train'"),
        ('{"task": 3, "train": {}}', "task of it must be text, got 3"),
        ('{"task": "t", "train": {"envs": "8"}}', "envs of train must be a whole number, got '8'"),
        ('{"task": "t", "train": {"sac": []}}', "sac of train must be an object, got []"),
        (
            '{"task": "t", "train": {"seed": true}}',
            "seed of train must be a whole number, got True",
        ),
        ('{"task": "t", "train": {"sac": {"gamma": 2}}}', "gamma must be in (0, 1], got 2"),
        (
            '{"task": "t", "train": {"sac": {"log_std_range": [0]}}}',
            "log_std_range of sac of train must have 2 elements, got [0]",
        ),
        ('{"task": "t", "train": {"gama": 1}}', "made by another version: it has 'gama'"),
        (
            '{"task": "t", "train": {"sac": {"gama": 1}}}',
            "made by another version: it has 'sac.gama'",
        ),
    ],
)
def test_a_config_of_other_content_is_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        resumed(tmp_path, TrainConfig(steps=1))
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_full_disk_leaves_the_checkpoint_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = run_steps(tmp_path, 12)
    trainer.save()
    trainer.save()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    trainer.step()
    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*written before is intact"):
        trainer.save()
    with pytest.raises(CheckpointError, match=r"No space left on device\. There is none before it"):
        write_checkpoint(tmp_path / "other", 1)
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "checkpoint").loop["control_steps"] == 12
    assert len(list((tmp_path / "checkpoint").iterdir())) == 2  # latest, and where it points to


def test_saving_twice_at_one_step_never_leaves_a_moment_without_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = run_steps(tmp_path, 12)
    trainer.save()

    def killed(*_: object) -> None:
        raise OSError("as if killed before the rename")

    monkeypatch.setattr(checkpoint.os, "replace", killed)
    with pytest.raises(CheckpointError):
        trainer.save()
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "checkpoint").loop["control_steps"] == 12
    trainer.save()
    trainer.save()
    assert checkpoint.load(tmp_path / "checkpoint").loop["control_steps"] == 12
    assert len(list((tmp_path / "checkpoint").glob("[0-9]*"))) == 2


def test_training_goes_on_when_a_periodic_checkpoint_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoint.save
    failures = []

    def flaky(directory: Path, steps: int, saved: Any) -> Path:
        if steps < 20 * ENVS:
            failures.append(steps)
            raise CheckpointError("disk full")
        return save(directory, steps, saved)

    monkeypatch.setattr(checkpoint, "save", flaky)
    messages: list[str] = []
    run = train(
        make("quadruped-flat"),
        config(steps=22 * ENVS, save_seconds=1e-6),
        tmp_path / "run",
        show=lambda status: messages.append(status.message),
    )
    assert failures
    assert run.steps == 22 * ENVS
    assert any("warning: disk full" in message for message in messages)


def test_a_replay_that_does_not_fit_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs about .* GB .*--replay-capacity \d+ or less"):
        train(make("quadruped-flat"), config(replay_capacity=10**12), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_replay_that_is_advised_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    task, large = make("quadruped-flat"), config(replay_capacity=10_000_000)
    monkeypatch.setattr(machine, "available_memory", lambda: BASE_MEMORY + 100_000_000)
    with pytest.raises(UsageError) as raised:
        require_memory(task, large, None)
    advised = int(str(raised.value).split("--replay-capacity ")[1].split()[0])
    require_memory(task, replace(large, replay_capacity=advised), None)
    assert memory_needed(task, replace(large, replay_capacity=advised)) > BASE_MEMORY + 80_000_000
    monkeypatch.setattr(machine, "available_memory", lambda: BASE_MEMORY // 2)
    with pytest.raises(UsageError, match=r"End other programs\.$"):
        require_memory(task, large, None)


def test_a_run_with_goals_needs_memory_for_the_index_of_its_episodes() -> None:
    task, small = make("arm-reach"), config(replay_capacity=1000)
    plain = replace(small, relabelled=0.0)
    assert memory_needed(task, replace(small, relabelled=0.8)) == (
        memory_needed(task, plain) + 1000 * ROW_BYTES
    )
    arrays = [each for each in vars(EpisodeIndex(1000)).values() if isinstance(each, np.ndarray)]
    assert sum(each.nbytes for each in arrays) == 1000 * ROW_BYTES


def test_a_resume_needs_its_saved_replay_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, small = make("quadruped-flat"), config(replay_capacity=1000)
    saved = tmp_path / "checkpoint" / "000000000008" / "replay.npz"
    saved.parent.mkdir(parents=True)
    saved.write_bytes(bytes(3_000_000))
    assert memory_needed(task, small) == BASE_MEMORY + 1000 * row_bytes(50, 12)
    assert memory_needed(task, small, tmp_path) == BASE_MEMORY + 6_000_000
    saved.write_bytes(b"")
    (tmp_path / "config.json").write_text('{"task": "quadruped-flat", "train": {}}')
    assert memory_needed(task, small, tmp_path) == memory_needed(task, small)
    monkeypatch.setattr(machine, "available_memory", lambda: 400_000_000)
    with pytest.raises(UsageError, match=r"needs about 0.5 GB of memory, of which 0.4 GB are ava"):
        train(task, small, tmp_path, resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": -1.0, "steps": None}, "minutes must be > 0 and finite, got -1"),
        ({"steps": 0}, "steps must be > 0 and finite, got 0"),
        ({"minutes": float("inf"), "steps": None}, "minutes must be > 0 and finite, got inf"),
        ({"save_seconds": float("nan")}, "save_seconds must be > 0 and finite, got nan"),
        ({"minutes": 1.0}, "not both"),
        ({"envs": 0}, "envs must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**63}, r"seed must be below 2\*\*63 in size, got 9223372036854775808"),
        ({"envs": 4.5}, r"^envs must be a whole number, got 4\.5$"),
        ({"envs": True}, "^envs must be a whole number, got True$"),
        ({"minutes": "5", "steps": None}, "^minutes must be a number, got '5'$"),
        ({"symmetric": 1}, "^symmetric must be true or false, got 1$"),
        ({"precision": "fp16"}, "^precision must be auto or fp32 or bf16, got fp16$"),
    ],
)
def test_a_bad_budget_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config(**changes)


def test_a_run_of_whole_floats_and_numbers_of_numpy_can_be_resumed(tmp_path: Path) -> None:
    """As a notebook has them; a file of JSON has neither."""
    sac: Any = {"width": np.int64(16), "batch_size": 32.0, "gamma": np.float32(0.5)}
    sac |= {"log_std_range": [np.float32(-4.0), 0.0], "learning_rate_held": 1e5}
    given = config(
        steps=float(ENVS), replay_capacity=1e3, save_seconds=np.float32(60.0), sac=SacConfig(**sac)
    )
    run = train(make("quadruped-flat"), given, tmp_path / "run")
    again = resumed(run.directory, TrainConfig(steps=ENVS))
    assert again == given
    assert repr(again) == repr(given)  # which tells 1000 from 1000.0
    assert (again.replay_capacity, again.sac.width, again.sac.gamma) == (1000, 16, 0.5)


def test_a_run_that_ends_before_its_first_update_is_told_so(tmp_path: Path) -> None:
    said: list[str] = []
    random = {"random_steps": 10, "evaluation_episodes": 0}
    for name, steps in (("short", 10 * ENVS), ("enough", 10 * ENVS + 1)):
        run = train(
            make("quadruped-flat"),
            config(steps=steps, **random),
            tmp_path / name,
            show=lambda status: said.append(status.message),
        )
        assert (run.updates > 0) == (name == "enough")
    told = [line for line in said if line.startswith("nothing will be learnt")]
    assert told == [
        "nothing will be learnt: the first 80 steps act at random, and this run ends with them. "
        "Give --steps 88 or more, or fewer --random-steps"
    ]


def test_updates_that_do_not_fit_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    task, usual = make("quadruped-flat"), config()
    monkeypatch.setattr(machine, "available_memory", lambda: 4 * BASE_MEMORY)
    require_memory(task, usual, None)
    large = replace(usual, sac=replace(SMALL, batch_size=1_000_000), updates_per_step=8)
    with pytest.raises(
        UsageError, match=r"updates of a step take \d+\.\d GB of it: use a smaller -"
    ):
        require_memory(task, large, None)
    drawn = 8_000_000 * (row_bytes(50, 12) + 2 * 4 * 12)
    assert memory_needed(task, large) - memory_needed(task, usual) > drawn


@pytest.mark.parametrize("name", ["target_entropy_per_action", "target_entropy_final"])
def test_an_entropy_that_no_policy_has_is_refused(name: str, tmp_path: Path) -> None:
    """With deviations of e^-2 it is -0.599 nats at most, and the temperature would never rest."""
    few = replace(SMALL, log_std_range=(-5.0, -2.0), target_entropy_per_action=-0.7)
    narrow = replace(few, **{name: -0.5})
    task = make("quadruped-flat")
    with pytest.raises(UsageError, match=rf"{name} must be below -0\.599 nats, got -0\.5: with lo"):
        train(task, config(sac=narrow), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    require_settings_for(task, config(sac=few))
    require_settings_for(task, config(sac=replace(narrow, alpha_learning_rate=0.0)))
    require_settings_for(task, config(sac=replace(narrow, components=3)))


def start(directory: Path) -> "subprocess.Popen[str]":
    """A training process that has written at least one checkpoint."""
    arguments = ["train", "quadruped-flat", "--minutes", "5", "--envs", "8", "--out", "run"]
    arguments += ["--save-seconds", "0.2", "--width", "32", "--batch-size", "32"]
    process = subprocess.Popen(
        [sys.executable, "-m", "robo_maxent.cli.main", *arguments],
        cwd=directory,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (directory / "run/checkpoint/latest").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def assert_resumable(directory: Path) -> None:
    saved = checkpoint.load(directory / "run/checkpoint")
    steps = saved.loop["control_steps"] * ENVS
    budget = TrainConfig(steps=ENVS)
    run = train(make("quadruped-flat"), resumed(directory / "run", budget), directory / "run", True)
    assert run.steps == steps + ENVS


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume run" in said
    assert (tmp_path / "run/policy-last.safetensors").is_file()
    Policy.load(tmp_path / "run/policy-last.safetensors")
    assert_resumable(tmp_path)


def test_kill_at_any_moment_leaves_a_checkpoint_to_resume_from(tmp_path: Path) -> None:
    process = start(tmp_path)
    time.sleep(float(np.random.default_rng(os.getpid()).uniform(0.0, 0.5)))
    process.kill()
    process.communicate()
    assert_resumable(tmp_path)


def test_an_unfinished_checkpoint_is_ignored_and_swept(tmp_path: Path) -> None:
    trainer = run_steps(tmp_path, 12)
    trainer.save()
    left = tmp_path / "checkpoint/.writing-1"
    left.mkdir()
    (left / "learner.pt").write_bytes(b"half")
    assert checkpoint.load(tmp_path / "checkpoint").loop["control_steps"] == 12
    trainer.save()
    assert not left.exists()


def test_the_configuration_on_disk_is_the_one_that_ran(finished: Run) -> None:
    saved = json.loads((finished.directory / "config.json").read_text())
    assert saved["task"] == "quadruped-flat"
    assert saved["train"]["sac"]["width"] == SMALL.width


def test_a_policy_that_succeeds_is_better_than_those_that_nobody_calls_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an environment that says so only where it is true, early policies have returns alone."""
    seen = iter([((None, None), 250.0), ((True, False), 200.0), ((None, None), 300.0)])

    def judged(*args: Any, **kwargs: Any) -> list[Episode]:
        successes, reward = next(seen)
        return [Episode("t", 0, 0, 0, 9, reward, s, False, False, {}, {}) for s in successes]

    monkeypatch.setattr("robo_maxent.training.train.evaluate", judged)
    changes = {"steps": 30, "envs": 1, "evaluate_every": 10, "evaluation_episodes": 2}
    run = train(GymTask("test/Counter-v0"), config(**changes), tmp_path / "run")
    assert (run.success, run.reward) == (0.5, 200.0)
