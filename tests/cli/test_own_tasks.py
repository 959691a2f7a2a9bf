"""A task outside of the package: every command finds it, and no file imports it."""

import json
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
from command_line import call
from hand_rows import row
from small_policy import small_policy

import robo_maxent
from robo_maxent import tasks
from robo_maxent.cli import arguments
from robo_maxent.envs.own_tasks import require_task
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.report.rows import identity
from robo_maxent.robustness import stress_test
from robo_maxent.tasks import TASKS
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.run_directory import describe

MODULE = """
import pathlib
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.tasks.point_fork import PointFork

pathlib.Path('ran').touch()

class Mine(PointFork):
    name = 'mine'
    summary = 'a puck of mine'

class Unfinished(MujocoTask):
    name = 'unfinished'

class Taken(PointFork):
    name = 'quadruped-flat'

class Spaced(PointFork):
    name = 'two words'

class Odd(PointFork):
    name, preset = 'odd', 'fast'

class Endless(PointFork):
    name, episode_steps = 'endless', 0

class Torn(PointFork):
    name = 'torn'
    def __init__(self):
        raise KeyError('my file')

NUMBER = 3
"""
OWN = "own_page:Mine"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with a module of tasks, which leaves a file when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "own_page", raising=False)
    (tmp_path / "own_page.py").write_text(MODULE)
    yield tmp_path
    tasks.registered.clear()


@pytest.fixture
def run() -> Path:
    """A run of it, untrained; the module is not imported any more."""
    directory = Path("runs/mine/run")
    directory.mkdir(parents=True)
    task = arguments.make(OWN, {"randomization": "default"})
    describe(task, TrainConfig(), directory)
    small_policy(task).save(directory / "policy.safetensors")
    del sys.modules["own_page"]
    Path("ran").unlink()
    return directory


def test_it_is_trained_and_the_printed_commands_name_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "--steps 16 --envs 8 --evaluation-episodes 1 --width 16 --threads 1 --out run"
    code, _, said = call(capsys, "train", OWN, *words.split())
    assert code == 0, said
    assert f"Next: robo-maxent evaluate run --task {OWN}" in said
    saved = json.loads(Path("run/config.json").read_text())
    assert (saved["task"], saved["class"]) == ("mine", OWN)
    resume = ["--resume", "run", "--steps", "8"]
    code, _, said = call(capsys, "train", *resume)
    assert code == 2
    assert f"say robo-maxent train {OWN}" in said
    code, _, said = call(capsys, "train", OWN, *resume)
    assert code == 0, said


@pytest.mark.parametrize("command", ["evaluate", "record", "worst-case", "certify"])
def test_no_run_and_no_policy_file_imports_it_unless_it_is_named(
    command: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--template"] if command == "certify" else []
    for named in (run, run / "policy.safetensors"):
        code, out, said = call(capsys, command, str(named), *more)
        assert (code, out) == (2, "")
        assert f"if you trust that, say --task {OWN}" in said
    (run / "config.json").unlink()
    code, _, said = call(capsys, command, str(run / "policy.safetensors"), *more)
    assert code == 2
    assert "say --task MODULE:CLASS" in said
    assert not Path("ran").exists()


def test_a_run_can_not_smuggle_a_class_in_as_its_task(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(saved | {"task": OWN}))
    assert call(capsys, "train", "--resume", str(run), "--steps", "8")[0] == 2
    assert not Path("ran").exists()


def test_its_own_name_on_the_command_line_is_no_other_task(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(run), "--task", OWN, "--episodes", "2", "--threads", "1"]
    code, out, said = call(capsys, *words, "--json")
    assert code == 0, said
    assert json.loads(out)["policies"][0]["episodes"] == str(run / "episodes-first-2.jsonl")


def test_an_episode_of_a_stress_test_of_it_runs_again_where_it_is_named(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = replace(row(), policy="zero action", mode="baseline")
    suite = Path("suite")
    suite.mkdir()
    (suite / "episodes.jsonl").write_text(json.dumps(failed.to_json()))
    described = {"task": "mine", "class": OWN, "task_options": {}, "policies": []}
    (suite / "suite.json").write_text(json.dumps(described))
    assert stress_test.read_description(suite)["replay"].endswith(f"--task {OWN}")
    replay = ["replay", "suite", "--row", identity(failed)]
    assert f"if you trust that, say --task {OWN}" in call(capsys, *replay)[2]
    assert not Path("ran").exists()
    other = call(capsys, *replay, "--task", "arm-push")[2]
    assert "the stress test is of the task mine, not of arm-push" in other


def test_what_it_was_when_it_was_tested_is_told_by_its_file() -> None:
    contents = []
    for more in ("", "", "# another"):
        Path("own_page.py").write_text(MODULE + more)
        sys.modules.pop("own_page", None)
        contents.append(arguments.make(OWN, {}).content)
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].keys() == {"own_page"}
    assert arguments.make("point-fork", {}).content == {}


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("own_page:Your", "own_page has no Your: its tasks are Mine, Unfinished, Taken, Spaced"),
        ("own_page.py:Mine", "say own_page:Mine"),
        ("no_page:Mine", "there is no module no_page"),
        ("own_page:NUMBER", "own_page:NUMBER is no class of a task, but int"),
        ("pathlib:Path", "pathlib:Path is no task: it must be a subclass of"),
        (
            "own_page:Unfinished",
            "is no task yet: it lacks summary, robot_spec, observation, action, action_scale, "
            "substeps, episode_steps, episode_state, observe, reset, reward_terms, success, ter",
        ),
        ("own_page:Taken", "own_page:Taken is called quadruped-flat, as a task of this package"),
        ("own_page:Spaced", "is called 'two words'"),
        ("own_page:Odd", "Unknown preset of the task, 'fast'"),
        ("own_page:Endless", "episode_steps of own_page:Endless must be a whole number of at"),
        ("own_page:Torn", "own_page:Torn can't be made: KeyError: 'my file' (own_page.py:30)"),
        ("broken_page:Mine", "broken_page can't be imported: ZeroDivisionError"),
        ("own page:Mine", "own page:Mine is no MODULE:CLASS"),
    ],
)
def test_what_is_no_task_is_said_at_the_door(
    word: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken_page.py").write_text("1 / 0\n")
    code, out, said = call(capsys, "train", word, "--steps", "8")
    assert (code, out) == (2, "")
    assert says in said
    assert said.count("\n") == 1
    assert not Path("runs").exists()


def installed(site: Path, name: str, value: str) -> None:
    """A package in a folder of packages, with a task."""
    info = site / f"{value.partition(':')[0]}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {info.name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[robo_maxent.tasks]\n{name} = {value}\n")


def test_an_installed_package_names_its_task_which_then_needs_no_word(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    installed(site, "mine", OWN)
    (tmp_path / "own_page.py").rename(site / "own_page.py")
    monkeypatch.syspath_prepend(str(site))
    assert "mine" in call(capsys, "tasks")[1]
    code, _, said = call(capsys, "evaluate", str(run), "--episodes", "2", "--json")
    assert code == 0, said
    assert "--task" not in said
    installed(site, "mine", "other_page:Mine")
    with pytest.raises(UsageError, match="two packages have a task mine, other_page:Mine and own"):
        tasks.find("mine")


def test_an_entry_point_of_another_name_is_refused_and_a_list_of_tasks_survives_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path / "site", "yours", OWN)
    installed(tmp_path / "site", "gone", "no_page:Mine")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="yours is own_page:Mine, which is called mine"):
        tasks.find("yours")
    with pytest.raises(UnknownNameError, match="gone"):
        tasks.find("yurs")
    code, out, _ = call(capsys, "tasks")
    assert code == 0
    assert "gone                 can't be used: there is no module no_page" in out


def test_registered_it_has_an_id_of_gymnasium_and_a_name(here: Path) -> None:
    sys.path.insert(0, str(here))
    (here / "own_page.py").write_text(MODULE + "import robo_maxent\nrobo_maxent.register(Mine)\n")
    env = gymnasium.make("own_page:robo_maxent/Mine-v0")
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[2] is False
    env.close()
    assert robo_maxent.make_task("mine").name == "mine"
    with pytest.raises(UsageError, match="Other is called mine, as a task of own_page:Mine is"):
        robo_maxent.register(type("Other", (sys.modules["own_page"].Mine,), {}))
    gymnasium.registry.pop("robo_maxent/Mine-v0")


def test_what_makes_it_in_another_process_is_its_class() -> None:
    make = arguments.maker(OWN, {"randomization": "none"})
    assert pickle.loads(pickle.dumps(make))().name == "mine"


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_derived_from_one_of_ours_is_a_task(name: str) -> None:
    derived = type("Derived", (TASKS[name],), {"name": "derived"})
    require_task(derived, "own_page:Derived")
