"""A sweep of temperatures: what is trained, what is not done again, and what is measured."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import pytest
from samples import episode
from small_policy import small_policy

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import CheckpointError, UsageError
from robo_maxent.learning.categorical import Categorical
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.mixture import Mixture
from robo_maxent.learning.policy import Policy
from robo_maxent.tasks import make
from robo_maxent.training import temperature_sweep
from robo_maxent.training.config import preset
from robo_maxent.training.run_directory import read_config
from robo_maxent.training.sampled_policy import Sampled
from robo_maxent.training.temperature_sweep import (
    Row,
    RowFile,
    act_at,
    last_temperature,
    require_temperatures,
    run_name,
    summarize,
    sweep,
    trained,
)
from robo_maxent.training.train import Run

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = replace(
    preset("discrete"),
    steps=80,
    random_steps=20,
    threads=1,
    sac=replace(preset("discrete").sac, width=16, batch_size=16),
)


@pytest.fixture(scope="module")
def task() -> GymTask:
    return GymTask(gym_worlds.register("Choice", gym_worlds.Choice))


def swept(task: GymTask, directory: Path, seeds: int = 1, **changes: Any) -> list[Row]:
    recipe = replace(RECIPE, **changes)
    return list(sweep(task, recipe, (0.2,), seeds, 4, directory, lambda share, status: None))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each training: the directory, and whether it was continued."""
    begun: list[tuple[str, bool]] = []
    real = temperature_sweep.train

    def train(task: Any, config: Any, directory: Path, resume: bool, show: Any) -> Run:
        begun.append((directory.name, resume))
        return real(task, config, directory, resume, show)

    monkeypatch.setattr(temperature_sweep, "train", train)
    return begun


# -- training ---------------------------------------------------------------------------------


def test_a_sweep_trains_each_temperature_once_and_more_seeds_later(
    task: GymTask, tmp_path: Path, trainings: list[tuple[str, bool]]
) -> None:
    first = swept(task, tmp_path)
    assert [(row.temperature, row.run) for row in first] == [(0.2, "seed-0"), (None, "seed-0")]
    assert first[0].alpha == pytest.approx(0.2)
    assert first[1].alpha != pytest.approx(0.2)
    assert trainings == [("0.2-seed0", False), ("automatic-seed0", False)]
    assert swept(task, tmp_path) == first, "nothing is done again"
    assert len(trainings) == 2
    more = swept(task, tmp_path, seeds=2)
    assert more[:2] == first
    assert trainings[2:] == [("0.2-seed1", False), ("automatic-seed1", False)]
    saved = read_config(tmp_path / "0.2-seed1")["train"]
    assert (saved["sac"]["alpha_learning_rate"], saved["sac"]["initial_alpha"]) == (0.0, 0.2)
    assert saved["seed"] == 1


def test_a_run_that_was_interrupted_continues_and_its_row_is_that_of_one_that_was_not(
    task: GymTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = temperature_sweep.at_temperature(RECIPE, 0.2, 0)
    place = tmp_path / run_name(0.2, 0)
    trained(task, replace(config, steps=30), place, lambda status: None)  # as if stopped there
    run = trained(task, config, place, lambda status: None)
    assert run is not None
    assert run.steps == 80
    assert trained(task, config, place, lambda status: None) is None

    def interrupted(*_: Any) -> Run:
        assert run is not None
        return replace(run, interrupted=True)

    monkeypatch.setattr(temperature_sweep, "trained", interrupted)
    assert swept(task, tmp_path / "sweep") == []


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    task: GymTask, tmp_path: Path
) -> None:
    config = temperature_sweep.at_temperature(RECIPE, 0.2, 0)
    for name in ("config.json", "metrics.jsonl", "policy.safetensors"):
        (tmp_path / name).write_text("{}")
    run = trained(task, config, tmp_path, lambda status: None)
    assert run is not None
    assert run.steps == 80


def test_a_checkpoint_that_can_not_be_read_is_an_error_in_words(
    task: GymTask, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "latest").write_text("not a name")
    with pytest.raises(CheckpointError, match=r"loop\.json is damaged"):
        trained(task, replace(RECIPE, seed=0), tmp_path, lambda status: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 90}, "its steps of train is 80, this one's is 90"),
        ({"random_steps": 10}, "its random_steps of train is 20, this one's is 10"),
    ],
)
def test_a_directory_holds_rows_of_one_plan(
    task: GymTask, tmp_path: Path, change: dict[str, int], message: str
) -> None:
    plan = {"task": task.name, "options": task.options}
    train = {name: value for name, value in asdict(RECIPE).items() if name != "seed"}
    with RowFile(tmp_path, {**plan, "train": train, "episodes": 4}):
        pass
    with pytest.raises(UsageError, match=f"was begun by another command: {message}"):
        swept(task, tmp_path, **change)


# -- rows -------------------------------------------------------------------------------------

ROW = Row(0.1, "seed-0", 0.1, 1.0, 2.0, 3.0)


def test_rows_are_kept_and_a_damaged_file_or_another_directory_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    with RowFile(directory, {"a": 1}) as rows:
        rows.add(ROW)
        with (
            pytest.raises(UsageError, match="another process works on"),
            RowFile(directory, {"a": 1}),
        ):
            pass
    with RowFile(directory, {"a": 1}) as rows:
        assert rows.rows == {(0.1, "seed-0"): ROW}
    (directory / temperature_sweep.ROWS).write_text('{"temperature": 0.1, "run": 3}\n')
    with (
        pytest.raises(UsageError, match=r"can't be continued: .* or delete"),
        RowFile(directory, {"a": 1}),
    ):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with (
        pytest.raises(UsageError, match=r"letter\.txt, which is of no sweep"),
        RowFile(tmp_path / "other", {}),
    ):
        pass


def test_points_are_means_across_runs_from_cold_to_hot_with_the_automatic_one_last() -> None:
    rows = [
        Row(None, "seed-0", 0.01, 5.0, 5.0, 0.0),
        *(Row(1.0, f"seed-{k}", 1.0, k, k / 2, -1.0) for k in range(3)),
        Row(0.1, "seed-0", 0.1, 1.0, 1.0, 1.0),
        Row(None, "seed-1", 0.04, 5.0, 5.0, 0.0),
    ]
    cold, hot, automatic = summarize(rows)
    assert (cold.temperature, hot.temperature, automatic.temperature) == (0.1, 1.0, None)
    assert (hot.mean.value, hot.sampled.value, hot.entropy.value) == (1.0, 0.5, -1.0)
    assert hot.mean.interval is not None
    assert hot.mean.interval[0] < 0 < 2 < hot.mean.interval[1]
    assert cold.mean.interval is None, "one run has none"
    assert automatic.alpha == pytest.approx(0.02), "geometric"


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_temperatures_are_above_nought_and_each_is_taken_once(wrong: float) -> None:
    assert require_temperatures((0.3, 0.1, 0.3)) == (0.1, 0.3)
    with pytest.raises(UsageError, match="temperatures must be > 0 and finite, got"):
        require_temperatures((0.1, wrong))
    with pytest.raises(UsageError, match="name at least one temperature"):
        require_temperatures(())


# -- acting -----------------------------------------------------------------------------------


def choosy(task: GymTask) -> Policy:
    """A policy of discrete actions that are not nearly as likely."""
    policy = small_policy(task, make_head=Categorical)
    policy.actor.layers()[-1][0].mul_(20.0)
    return policy


def test_discrete_actions_at_another_temperature_are_those_of_the_same_values(
    task: GymTask,
) -> None:
    policy = choosy(task)
    obs = np.tile(np.array([[6.0, 0.0, 0.0]], np.float32), (20_000, 1))
    act = Sampled(policy, np.random.default_rng(0), hotter=3.0)
    act.reset(np.arange(len(obs)))
    shares = np.bincount(act(obs), minlength=3) / len(obs)
    logits = policy.logits(obs[:1])[0]
    hot = np.exp(logits / 3.0) / np.exp(logits / 3.0).sum()
    np.testing.assert_allclose(shares, hot, atol=0.015)
    assert abs(hot - np.exp(logits) / np.exp(logits).sum()).max() > 0.1
    found = act.entropy([episode(length=1)] * len(obs))
    assert found == pytest.approx(-(hot * np.log(hot)).sum(), abs=0.02)


def test_a_gaussian_at_another_temperature_has_the_variance_in_proportion() -> None:
    policy = small_policy(make("quadruped-flat"))
    obs = np.ones((4000, policy.layout.observation_size), np.float32)
    mean, log_std = policy.actor.head.gaussian(policy.raw(obs[:1]))  # pyright: ignore
    for hotter in (1.0, 0.25):
        act = Sampled(policy, np.random.default_rng(0), hotter)
        act.reset(np.arange(len(obs)))
        u = np.arctanh(act(obs).astype(float).clip(-1 + 1e-7, 1 - 1e-7))
        asked = math.sqrt(hotter) * log_std.exp().numpy()[0]
        inside = np.abs(mean.numpy()[0]) + 4 * asked < 6.0  # where float32 has digits left
        assert inside.any()
        np.testing.assert_allclose(u.std(0)[inside], asked[inside], rtol=0.05)
    same = Sampled(policy, np.random.default_rng(0))
    same.reset(np.arange(len(obs)))
    noise = np.random.default_rng(0).standard_normal((len(obs), policy.actor.head.action_size))
    np.testing.assert_array_equal(same(obs), policy.sample(obs, noise))


def test_the_entropy_is_that_of_the_steps_that_were_lived() -> None:
    act = Sampled(small_policy(make("quadruped-flat")), np.random.default_rng(0))
    act._surprise = [[np.array([1.0, 10.0]), np.array([3.0, 999.0])], [np.array([5.0])]]
    rows = [episode(sim=sim, length=length) for sim, length in enumerate((2, 1, 1))]
    assert act.entropy(rows) == pytest.approx((1 + 3 + 10 + 5) / 4)


def test_policies_act_at_each_temperature_and_a_mixture_only_at_its_own(
    task: GymTask, tmp_path: Path
) -> None:
    policy = choosy(task)
    runs = {"a": (policy, 0.1), "b": (policy, 0.5)}
    rows = list(act_at(runs, task, (0.1, 0.5), 4, tmp_path, lambda share: None))
    assert [(row.temperature, row.run) for row in rows] == [
        (0.1, "a"),
        (0.1, "b"),
        (0.5, "a"),
        (0.5, "b"),
    ]
    assert rows[1].entropy < rows[3].entropy < rows[2].entropy
    assert {row.mean for row in rows} == {rows[0].mean}, "the likeliest action is the same"
    mixture = small_policy(
        make("quadruped-flat"), make_head=lambda a: Mixture(SquashedGaussian(a), 2)
    )
    Sampled(mixture, np.random.default_rng(0))
    with pytest.raises(UsageError, match="a mixture can't act at another temperature"):
        Sampled(mixture, np.random.default_rng(0), hotter=2.0)


def test_the_temperature_of_a_run_is_the_last_that_it_logged(tmp_path: Path) -> None:
    lines = [
        {"time/total_timesteps": n, "train/ent_coef": alpha} for n, alpha in ((1, 9.0), (2, 3.0))
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    assert last_temperature(tmp_path) == 3.0
    with pytest.raises(UsageError, match="does not say the temperature"):
        last_temperature(tmp_path / "elsewhere")
