"""``train --config`` makes a new run of what a run was; what does not fit is said by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import small_robots
from command_line import call

from robo_maxent import make_task
from robo_maxent.cli import arguments, commands
from robo_maxent.cli.arguments import make, saved_options
from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.tasks import TASKS
from robo_maxent.training import train as training
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import describe, read_recipe

RECIPE = TrainConfig(steps=96, envs=8, seed=3, symmetric=False, sac=SacConfig(width=24, gamma=0.9))


class Begun(Exception):
    """A training would begin now."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Path:
    """A run with a robot of its user's, whose page is gone."""
    page = small_robots.write_page(Path("there"))
    Path("run").mkdir()
    task = arguments.make("quadruped-flat", {"robot_file": page, "randomization": "hard"})
    describe(task, RECIPE, Path("run"))
    page.unlink()
    return Path("run")


def given_back(*words: str) -> tuple[Any, TrainConfig]:
    """Task and recipe of the run that a command would begin."""
    with pytest.MonkeyPatch.context() as patch:

        def begin(task: Any, config: TrainConfig, *_: Any) -> None:
            raise Begun(task, config)

        patch.setattr(training, "train", begin)
        with pytest.raises(Begun) as begun:
            commands.parsed(["train", *words]).run()
    return begun.value.args


@pytest.mark.parametrize("named", ["run", "run/config.json"])
def test_task_robot_and_recipe_come_back(named: str, run: Path) -> None:
    task, config = given_back("--config", named)
    assert config == RECIPE
    saved = json.loads((run / "config.json").read_text())
    assert task.options["randomization"] == saved["randomization"]
    assert task.options["robot_file"] == str((run / "robot.zip").resolve())


def test_what_is_typed_comes_first(run: Path) -> None:
    words = ("--config", str(run), "--minutes", "2", "--seed=4", "--symmetric", "--randomize")
    task, config = given_back(*words, "none", "--width", "32")
    assert (config.steps, config.minutes, config.seed, config.symmetric) == (None, 2.0, 4, True)
    assert (config.envs, config.sac) == (8, SacConfig(width=32, gamma=0.9))
    assert task.options["randomization"] == "none"


def test_another_task_takes_the_recipe_alone(run: Path) -> None:
    task, config = given_back("point-fork", "--config", str(run))
    assert (task.name, task.options["robot_file"], config) == ("point-fork", None, RECIPE)


@pytest.mark.parametrize("name", TASKS)
def test_what_a_run_keeps_of_its_task_builds_it_again(name: str) -> None:
    kept = json.loads(json.dumps({"task": name, **make_task(name).options, "train": {}}))
    assert make(name, saved_options(kept)).options == make_task(name).options


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda saved: saved["train"].update(wings=2), "it has 'wings', which this one does not"),
        (lambda saved: saved["train"]["sac"].update(a=2, b=3), "it has 'sac.a', 'sac.b', which"),
        (lambda saved: saved.update(legs=2), "quadruped-flat has no option 'legs'"),
        (lambda saved: saved["train"].update(envs="many"), "envs of train must be a whole number"),
        (lambda saved: saved.pop("train"), "it lacks 'train'"),
    ],
)
def test_what_this_version_does_not_know_is_named(
    change: Any, says: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = json.loads((run / "config.json").read_text())
    change(saved)
    (run / "config.json").write_text(json.dumps(saved))
    code, out, said = call(capsys, "train", "--config", "run")
    assert (code, out) == (2, "")
    assert says in said
    assert said.count("\n") == 1


def test_settings_that_a_file_lacks_are_as_usual_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = {"steps": 8, "sac": {"gamma": 0.9}}
    Path("mine.json").write_text(json.dumps({"task": "point-fork", "train": recipe}))
    _, config = given_back("--config", "mine.json")
    assert config == TrainConfig(steps=8, sac=SacConfig(gamma=0.9))
    said = capsys.readouterr().err
    assert "mine.json does not say " in said
    assert "envs" in said
    assert "sac.tau" in said
    assert "gamma" not in said
    assert read_recipe(Path("mine.json"))[1][0] == "minutes"


def test_what_contradicts_it_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(capsys, "train", "--config", "run", "--preset", "arm")
    assert code == 2
    assert "leave out --preset" in said
    code, _, said = call(capsys, "train", "--config", "run", "--resume", "run", "--steps", "8")
    assert code == 2
    assert "give no --config" in said
    with pytest.raises(UsageError, match="nowhere is not a run"):
        commands.parsed(["train", "--config", "nowhere"])
