"""The command line says what is wrong in a line, and keeps stdout for what was asked for."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import small_arms
import small_robots
import torch
from command_line import call

from robo_maxent import __version__, machine
from robo_maxent.cli import doctor, main, names
from robo_maxent.cli.commands import Completion
from robo_maxent.cli.info import Tasks
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.rendering import robot_picture
from robo_maxent.tasks import FAMILIES, make
from robo_maxent.training.config import Preset, TrainConfig, preset
from robo_maxent.training.train import train


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(
        steps=96, envs=8, random_steps=4, evaluation_episodes=2, sac=SacConfig(width=16)
    )
    directory = tmp_path_factory.mktemp("runs") / "quadruped-flat" / "tiny"
    return train(make("quadruped-flat"), config, directory).directory


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version") == (0, f"{__version__}\n", "")


def test_help_and_usage_errors_come_without_torch_or_mujoco() -> None:
    code = (
        "import sys; from robo_maxent.cli import main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'mujoco'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "quadrupe-flat", "--minutes", "1"], 2, "Did you mean 'quadruped-flat'"),
        (["train", "quadruped-flat"], 2, "give a budget"),
        (["train"], 2, "say what to learn"),
        (
            ["train", "quadruped-flat", "--minutes", "-1"],
            2,
            "minutes must be > 0 and finite, got -1",
        ),
        (["train", "quadruped-flat", "--steps", "0"], 2, "steps must be > 0 and finite, got 0"),
        (["train", "--resume", "nowhere", "--minutes", "1"], 2, "nowhere is not a run"),
        (
            ["train", "quadruped-flat", "--minutes", "1", "--robot", "no.xml"],
            1,
            "not found: no.xml",
        ),
        (["train", "--resume", "r", "--steps", "8", "--out", "x"], 2, "no --out and no option"),
        (["evaluate", "nothing"], 1, "No run directory or policy file 'nothing'"),
        (["evaluate"], 2, "name at least one"),
        (["record", "nothing"], 1, "No run directory or policy file 'nothing'"),
        (["record", "arm-reach"], 1, "One that comes with the package is pretrained:arm-reach."),
    ],
)
def test_a_mistake_is_one_line_with_its_exit_code(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = call(capsys, *arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert err.startswith("robo-maxent: ")
    assert err.count("\n") == 1
    got, out, _ = call(capsys, *arguments, "--json")
    assert got == code
    assert message in json.loads(out)["error"]
    assert not list(tmp_path.iterdir())


def test_unusable_arguments_give_exit_code_2_and_still_one_json_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = call(capsys, "train", "--no-such-option", "--json")
    assert code == 2
    assert "error" in json.loads(out)
    assert "no-such-option" in err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, "No space left", "runs/a"), 1, "No space left: runs/a"),
        (OSError(errno.EXDEV, "Not here", "a", None, "b"), 1, "Not here: a -> b"),
        (OSError("ffmpeg failed\n\nCOMMAND: ffmpeg"), 1, "ffmpeg failed COMMAND: ffmpeg"),
        (
            UnicodeEncodeError("ascii", "runs/µ", 5, 6, "not in range"),
            1,
            "'ascii' codec can't enco",
        ),
        (SystemExit(0), 1, "a policy or an environment ended the program: sys.exit(0)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_whatever_a_command_meets_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    def fail(command: Tasks) -> None:
        print("an environment says hello")
        raise error

    monkeypatch.setattr(Tasks, "run", fail)
    got, out, err = call(capsys, "tasks")
    assert got == code
    assert out == "an environment says hello\n"
    assert err.startswith(f"robo-maxent: {message}")
    assert err.count("\n") == 1
    got, out, err = call(capsys, "tasks", "--json")
    assert got == code
    assert json.loads(out)["error"].startswith(message)
    assert "hello" in err


def test_with_json_what_is_printed_goes_to_stderr_from_c_and_from_processes_too() -> None:
    code = (
        "import ctypes, os, subprocess\n"
        "from robo_maxent.cli import info, main\n"
        "def run(command):\n"
        "    print('from Python')\n"
        "    ctypes.CDLL(None).puts(b'from C')\n"
        "    subprocess.run(['echo', 'from a process'])\n"
        "    return {'tasks': {}}\n"
        "info.Tasks.run = run\n"
        "main.main(['tasks', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == '{"tasks": {}}\n'
    for origin in ("Python", "C", "a process"):
        assert f"from {origin}\n" in done.stderr


def test_who_stops_reading_gets_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "robo_maxent.cli.main", "--version"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_letters_that_a_terminal_lacks_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(Tasks, "run", lambda command: print("0.5 ± 0.1") or {})
    with pytest.raises(SystemExit) as stop:
        main.main(["tasks"])
    assert (stop.value.code, written.getvalue()) == (0, b"0.5 ? 0.1\n")


@pytest.mark.parametrize(
    ("command", "word", "code", "says"),
    [
        ("tasks", "egll", 1, "robo-maxent: MUJOCO_GL=egll names no OpenGL backend"),
        ("train gym:Pendulum-v1 --steps 1", "egll", 1, "robo-maxent: MUJOCO_GL=egll names no Open"),
        ("doctor", "egll", 1, "FAIL  rendering    MUJOCO_GL=egll names no OpenGL backend"),
        ("tasks", "OFF", 0, "quadruped-flat"),
    ],
)
def test_a_wrong_opengl_setting_is_one_line(command: str, word: str, code: int, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "robo_maxent.cli.main", *command.split()],
        env=os.environ | {"MUJOCO_GL": word},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    assert done.stderr.count("\n") == says.startswith("robo-maxent: ")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["evaluate", "{run}", "--episodes", "1"], "evaluate"),
        (["record", "{run}"], "record"),
        (["export", "{run}"], "export"),
        (["terrain"], "terrain"),
    ],
)
def test_a_directory_is_no_file_to_write(
    capsys: pytest.CaptureFixture[str], run_directory: Path, words: list[str], what: str
) -> None:
    words = [word.format(run=run_directory) for word in words]
    code, out, err = call(capsys, *words, "--out", str(run_directory))
    assert (code, out) == (2, "")
    assert err == f"robo-maxent: {run_directory} is a directory: give the name of a file\n"


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = call(capsys, *arguments, "--json")
    assert code == 0
    assert out.count("\n") == 1
    return json.loads(out)


def test_tasks_lists_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert "quadruped-flat" in result(capsys, "tasks")["tasks"]
    assert call(capsys, "tasks")[1].startswith("quadruped-flat ")


def test_in_a_terminal_tasks_stand_under_what_they_are_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    lines = call(capsys, "tasks")[1].splitlines()
    titles = [line for line in lines if not line.startswith("  ")]
    assert titles == [*FAMILIES, "Of Gymnasium", "Your own", "Trained already"]
    assert lines[-1].startswith("  pretrained:quadruped-rough-scan ")


def test_doctor_names_what_installs_each_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].keys() - set(doctor.OF_DEVELOPERS)
    monkeypatch.setattr(doctor.versions, "installed", lambda name: None)
    check = doctor._extras()
    assert check.fix.split("; ") == [f"pip install 'robo-maxent[{e}]'" for e in sorted(extras)]
    monkeypatch.setattr(doctor.versions, "installed", lambda name: None if name == "ray" else "1")
    check = doctor._extras()
    assert check.found.split(", ") == sorted(extras - {"ray"})
    assert check.fix == "pip install 'robo-maxent[ray]'"


def test_who_reads_json_gets_an_object_also_of_an_error_that_nobody_foresaw(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tasks, "run", partial({}.__getitem__, "nobody"))  # as in code of ours
    code, out, said = call(capsys, "tasks", "--json")
    assert (code, json.loads(out)) == (1, {"error": "KeyError: 'nobody'"})
    assert said.endswith("KeyError: 'nobody'\n")
    assert said.startswith("Traceback")
    with pytest.raises(KeyError, match="nobody"):
        call(capsys, "tasks")


def test_sigterm_ends_any_command_as_ctrl_c_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Tasks, "run", partial(signal.raise_signal, signal.SIGTERM))
    assert call(capsys, "tasks") == (130, "", "robo-maxent: interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("shell", get_args(get_type_hints(Completion)["shell"]))
def test_a_shell_gets_all_commands_to_complete(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = call(capsys, "completion", shell)
    assert (code, said) == (0, "")
    assert all(name in out for name in ("robo-maxent", "worst-case", "--evaluate-every"))


def test_doctor_checks_what_a_run_depends_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    found = json.loads(out)
    names = {"versions", "simulations", "rendering", "threads", "compiler", "precision"}
    assert names | {"system", "extras", "gpu"} <= {c["name"] for c in found["checks"]}
    assert code == (0 if found["ok"] else 1)


def test_doctor_says_where_others_keep_the_cores_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(doctor.psutil, "getloadavg", lambda: (2.0, 9.0, 9.0))
    assert doctor._threads().fix == ""
    monkeypatch.setattr(doctor.psutil, "getloadavg", lambda: (7.3, 0.0, 0.0))
    check = doctor._threads()
    assert check.ok
    assert "7 processes want one (load average)" in check.found
    assert check.fix.startswith("--threads 1 ")


def test_doctor_makes_a_step_of_what_versions_only_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SAMPLES", {"mujoco": ("quadruped-flat",)})
    assert doctor._simulations().found == "quadruped-flat make a step"

    def broken(env: MujocoVecEnv[Any, Any], action: np.ndarray) -> None:
        raise TypeError("step() takes\nno arguments")

    monkeypatch.setattr(MujocoVecEnv, "step", broken)
    check = doctor._simulations()
    assert not check.ok
    assert check.found == "quadruped-flat: step() takes no arguments"
    assert check.fix.startswith("pip install mujoco==")


def test_doctor_says_that_a_clone_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    check = doctor._simulations()
    assert not check.ok
    assert check.found == "this checkout shadows the installed package"
    assert check.fix == "pip install -e ."


def test_train_resume_evaluate_record(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_directory: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = result(capsys, "train", "--resume", str(run_directory), "--steps", "16")
    assert trained["steps"] == 112
    assert Path(trained["policy"]).is_file()
    shown = result(capsys, "evaluate", str(run_directory), trained["policy"], "--episodes", "3")
    first, second = shown["policies"]
    assert first["success"] == second["success"]
    assert first["success"]["count"] == 3
    assert len(Path(first["episodes"]).read_text().splitlines()) == 3
    recorded = result(capsys, "record", str(run_directory), "--seconds", "0.2")
    assert Path(recorded["video"]).stat().st_size > 0
    assert recorded["video"] == "videos/quadruped-flat-tiny-seconds-0.2-seed0.mp4"


def test_a_ctrl_c_after_the_end_costs_the_picture_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run_directory: Path
) -> None:
    def pressed(directory: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("robo_maxent.training.learning_curves.draw", pressed)
    code, _, err = call(capsys, "train", "--resume", str(run_directory), "--steps", "8")
    assert code == 0
    assert "no picture of the training: interrupted; the run is saved" in err
    assert f"Next: robo-maxent evaluate {run_directory}" in err


def test_the_table_of_evaluate_has_the_interval(
    capsys: pytest.CaptureFixture[str], run_directory: Path
) -> None:
    code, out, err = call(capsys, "evaluate", str(run_directory), "--episodes", "2")
    assert code == 0
    assert "of 2  (95 % Wilson interval)" in out
    assert "episodes-first-2.jsonl" in err


def test_another_evaluation_leaves_the_rows_of_the_first(
    capsys: pytest.CaptureFixture[str], run_directory: Path
) -> None:
    plain = ["evaluate", str(run_directory), "--episodes", "1"]
    names = {
        Path(result(capsys, *plain, *words)["policies"][0]["episodes"]).name
        for words in ([], ["--randomize", "hard", "--seed", "3"])
    }
    assert names == {
        "episodes-first-1.jsonl",
        "episodes-randomize-hard-first-1-seed-3.jsonl",
    }


@pytest.mark.parametrize("name", ["policy.safetensors", "metrics.jsonl", "checkpoint"])
def test_no_result_replaces_what_is_something_else(
    capsys: pytest.CaptureFixture[str], run_directory: Path, name: str
) -> None:
    target = run_directory / name
    before = target.read_bytes() if target.is_file() else None
    run = str(run_directory)
    for command in (["evaluate", run, "--episodes", "1"], ["export", run], ["record", run]):
        code, _, said = call(capsys, *command, "--out", str(target))
        assert code == 2
        assert said.splitlines()[-1].startswith(f"robo-maxent: {target} ")
    assert before == (target.read_bytes() if target.is_file() else None)


def test_results_are_printed_though_the_disk_is_full_by_then(
    capsys: pytest.CaptureFixture[str], run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("robo_maxent.evaluation.rollout.write_rows", full)
    code, out, said = call(capsys, "evaluate", str(run_directory), "--episodes", "2")
    assert code == 1
    assert "of 2  (95 % Wilson interval)" in out
    assert "episodes-first-2.jsonl: No space left on device. The results above are all." in said


def test_files_are_named_by_what_was_asked_for(tmp_path: Path) -> None:
    for run in ("lr0.001", "lr0.003"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    assert names.label(str(tmp_path / "runs/lr0.001")) == "runs-lr0.001"
    assert names.label(str(tmp_path / "runs/lr0.003")) == "runs-lr0.003"
    seeds = ["a/flat/seed0", "b/flat/seed0", "b/flat/seed1"]
    assert names.labels(seeds) == ["a-flat-seed0", "b-flat-seed0", "b-flat-seed1"]
    assert names.labels(seeds[1:]) == ["flat-seed0", "flat-seed1"]
    assert names.labels(["a/flat/seed0"] * 2) == ["flat-seed0"] * 2
    assert names.labels(["gaits.trot:act", "a/flat/seed0"]) == ["gaits-trot-act", "flat-seed0"]
    said = names.variant(task="gym:dm/dog-v0", level=0, robot=Path("a/b.xml"), camera=None)
    assert said == "-task-gym-dm-dog-v0-level-0-robot-b"
    assert names.variant(terrain=("waves", "slope_up")) == "-terrain-waves+slope_up"


def test_threads_are_set_for_whatever_computes(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    run_directory: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "_asked", 0)  # and afterwards again
    before = torch.get_num_threads()
    commands = {
        3: ["evaluate", str(run_directory), "--episodes", "1"],
        4: ["record", "nothing"],
        5: ["replay", "nothing", "--row", "any"],
    }
    try:
        for count, command in commands.items():
            torch.set_num_threads(2)
            call(capsys, *command, "--threads", str(count))
            assert (machine.threads(), torch.get_num_threads()) == (count, 1)
        code, _, err = call(capsys, "evaluate", str(run_directory), "--threads", "-1")
        assert (code, err) == (
            2,
            "robo-maxent: threads must be in 0..4096, got -1; 0 is one per CPU\n",
        )
    finally:
        torch.set_num_threads(before)


def test_a_run_without_a_policy_yet_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, run_directory: Path
) -> None:
    (tmp_path / "config.json").write_text((run_directory / "config.json").read_text())
    code, _, err = call(capsys, "evaluate", str(tmp_path))
    assert code == 1
    assert "written at the first evaluation. Wait for that, or if it was killed, begin anew" in err
    assert f"with its recipe: robo-maxent train --config {tmp_path} --minutes 5" in err
    shutil.copytree(run_directory / "checkpoint", tmp_path / "checkpoint")
    code, _, err = call(capsys, "evaluate", str(tmp_path))
    assert code == 1
    assert f"Wait for that, or train on: robo-maxent train --resume {tmp_path} --minutes 5" in err


def test_a_robot_of_ones_own_is_remembered_by_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robo_maxent.assets import path

    monkeypatch.chdir(tmp_path)
    own = path("quadruped.xml").read_text().replace('mass="5.204"', 'mass="6.5"')
    Path("own.xml").write_text(own)
    budget = ["--steps", "16", "--envs", "8", "--evaluation-episodes", "1", "--out", "run"]
    result(capsys, "train", "quadruped-flat", "--robot", "own.xml", *budget)
    saved = json.loads(Path("run/config.json").read_text())
    assert saved["robot_file"] == "robot.zip"
    Path("own.xml").write_text("<mujoco><broken/></mujoco>")
    Path("run").rename("moved")
    result(capsys, "evaluate", "moved", "--episodes", "1")
    result(capsys, "train", "--resume", "moved", "--steps", "16")
    Path("moved/robot.zip").write_bytes(b"no archive")
    code, _, err = call(capsys, "evaluate", "moved", "--episodes", "1")
    assert code == 1
    assert "moved/robot.zip is damaged, or no robot that a run kept" in err


def test_a_robot_is_checked_trained_and_stressed_without_an_edit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.xml").write_text(small_robots.mjcf())
    checked = result(capsys, "robot", "check", "small.xml")
    assert (checked["page"], checked["hand_edits"]) == ("small.toml", 0)
    assert checked["mass"] == pytest.approx(12.0)
    assert any("motors that take torques" in finding["what"] for finding in checked["findings"])
    assert Path(checked["picture"]).read_bytes().startswith(b"\x89PNG")
    code, _, err = call(capsys, "robot", "check", "small.xml")
    assert (code, "small.toml is there already" in err) == (2, True)
    code, _, err = call(capsys, "robot", "check", "small.xml", "--out", "page")
    assert (code, "its name ends with .toml; got page" in err) == (2, True)
    assert not Path("page").exists()
    monkeypatch.setitem(sys.modules, "placeless", ModuleType("placeless"))
    code, _, err = call(capsys, "robot", "check", "placeless:small.xml")
    assert (code, "the package placeless, which is not installed" in err) == (1, True)
    code, _, err = call(capsys, "train", "quadruped-flat", "--robot", "small.xml", "--steps", "16")
    assert (code, "needs a page: robo-maxent robot check small.xml" in err) == (1, True)
    assert result(capsys, "robot", "check", "small.toml")["robot"] == "small"
    budget = ["--steps", "16", "--envs", "8", "--evaluation-episodes", "1", "--out", "run"]
    result(capsys, "train", "quadruped-flat", "--robot", "small", *budget)
    for file in ("small.xml", "small.toml"):
        Path(file).unlink()
    result(capsys, "evaluate", "run", "--episodes", "1")
    code, _, err = call(capsys, "evaluate", "run", "--robot", "small", "--episodes", "1")
    assert (code, "No robot 'small': there is no small.toml here" in err) == (1, True)


def test_an_arm_is_checked_trained_and_evaluated_without_an_edit(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("six.xml").write_text(small_arms.six())
    checked = result(capsys, "robot", "check", "six.xml")
    assert (checked["page"], checked["hand_edits"]) == ("six.toml", 0)
    assert 0.7 < checked["reach"] < 0.9
    assert Path(checked["picture"]).read_bytes().startswith(b"\x89PNG")
    assert "train arm-reach --robot six.toml" in call(capsys, "robot", "check", "six.toml")[2]
    budget = ["--steps", "16", "--envs", "8", "--evaluation-episodes", "1", "--out", "run"]
    result(capsys, "train", "arm-reach", "--robot", "six", *budget)
    for file in ("six.xml", "six.toml"):
        Path(file).unlink()
    result(capsys, "evaluate", "run", "--episodes", "1")


def test_a_disk_that_is_full_costs_a_robot_its_picture_and_never_its_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(spec: object, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.chdir(tmp_path)
    Path("my small.xml").write_text(small_robots.mjcf())
    Path("my small.png").mkdir()
    code, _, err = call(capsys, "robot", "check", "my small.xml")
    assert (code, "my small.png is a directory" in err) == (2, True)
    assert not Path("my small.toml").exists()
    Path("my small.png").rmdir()
    monkeypatch.setattr(robot_picture, "draw", full)
    code, out, err = call(capsys, "robot", "check", "my small.xml", "--json")
    assert (code, json.loads(out)["picture"]) == (0, None)
    again = "draw it: robo-maxent robot check 'my small.toml'"
    assert f"no picture: No space left on device: my small.png. Once that is mended, {again}" in err
    assert Path("my small.toml").is_file()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["nowhere.xml"], "Robot file not found: nowhere.xml"),
        (["no_such:a.xml"], "a.xml is a file of the package no_such, which is not installed"),
        (["small.xml", "--base", "trunk"], "The robot has no body 'trunk' for its base. It has: w"),
        (["small.xml", "--feet", "a", "b"], "--feet takes four bodies, FR FL RR RL, got 2"),
        (["small.xml", "--feet", *"abcd"], "The robot has no body 'a' for its foot"),
        (["small.xml", "--feet", *"abcd", "--hand", "a"], "a quadruped has --feet, and an arm a"),
        (["small.xml", "--hand", "a"], "The robot has no body 'a'. It has: torso, FL_hip"),
        (["empty.xml"], "Found no body with four legs"),
        (["page.toml"], "page.toml: unknown keys: colour. Known: name, model, base"),
        (["page.toml", "--name", "a"], "a page says its own --name"),
    ],
)
def test_what_can_not_be_checked_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.xml").write_text(small_robots.mjcf())
    Path("empty.xml").write_text("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    Path("page.toml").write_text("colour = 'red'\n")
    code, _, err = call(capsys, "robot", "check", *given)
    assert code in (1, 2)
    assert says in err
    assert len(err.splitlines()) <= 2


def test_what_differs_between_episodes_is_remembered_by_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    budget = ["--steps", "16", "--envs", "8", "--evaluation-episodes", "1"]
    result(
        capsys, "train", "quadruped-flat", "--randomize", "default", *budget, "--out", "hardened"
    )
    assert json.loads(Path("hardened/config.json").read_text())["randomization"] == "default"
    evaluated = result(capsys, "evaluate", "hardened", "--episodes", "2")["policies"][0]
    rows = [json.loads(row) for row in Path(evaluated["episodes"]).read_text().splitlines()]
    assert all({"payload", "push_impulse", "encoder_bias"} <= set(row["params"]) for row in rows)
    assert rows[0]["realized"]["total_mass"] == pytest.approx(
        12.743448 + rows[0]["params"]["payload"]
    )
    file = "hardened/policy.safetensors"
    for own in (
        ["hardened", "--task", "quadruped-flat"],
        [file],
        [file, "--task", "quadruped-flat"],
    ):
        result(capsys, "evaluate", *own, "--episodes", "2", "--out", "same.jsonl")
        again = [json.loads(row) for row in Path("same.jsonl").read_text().splitlines()]
        assert again == rows, own
    Path("elsewhere").mkdir()
    Path("elsewhere/config.json").write_text("{}")
    Path("elsewhere/policy.safetensors").write_bytes(Path(file).read_bytes())
    _, _, err = call(capsys, "evaluate", "elsewhere/policy.safetensors", "--episodes", "1")
    assert "with the usual options of quadruped-flat: elsewhere: its config.json is damaged" in err
    result(capsys, "train", "--resume", "hardened", "--steps", "16")
    code, _, err = call(
        capsys, "train", "--resume", "hardened", "--steps", "8", "--randomize", "hard"
    )
    assert code == 2
    assert "no option of the task" in err

    _, _, err = call(capsys, "train", "quadruped-flat", *budget, "--out", "a plain run")
    assert err.endswith("Next: robo-maxent evaluate 'a plain run'\n")
    saved = json.loads(Path("a plain run/config.json").read_text())
    assert saved["randomization"] == {"foot_friction": [0.4, 1.2]}
    code, _, err = call(capsys, "train", "gym:Pendulum-v1", "--steps", "8", "--randomize", "hard")
    assert code == 2
    assert "gym:Pendulum-v1 has no --randomize: of a task's options it has --action-repeat" in err


def test_a_checkout_that_shadows_the_installed_package_is_explained(tmp_path: Path) -> None:
    # A copy of the package directory alone has no tasks inside, as a checkout has not.
    source = Path(main.__file__).parents[1]
    shadow = tmp_path / "robo_maxent"
    shutil.copytree(source, shadow)
    code = "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f)]\n"
    code += "from robo_maxent.cli import main; main.main(['tasks'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "robo-maxent: this checkout shadows the installed package; run: pip install -e .\n"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["quadruped-flat"], "default"),
        (["gym:Pendulum-v1"], "single"),
        (["gym:CartPole-v1"], "discrete"),
        (["intersection"], "traffic"),
        (["quadruped-rough-scan"], "rough"),
        (["--out", "quadruped-rough", "quadruped-flat"], "default"),
        (["--steps", "8", "arm-push", "--robot", "quadruped-flat"], "arm"),
        (["--out=gym:Pendulum-v1", "quadruped-flat"], "default"),
        (["gym:Pendulum-v1", "--preset", "classic"], "classic"),
        (["--preset=single", "quadruped-flat"], "single"),
    ],
)
def test_the_defaults_of_train_are_those_of_the_preset(
    words: list[str], expected: Preset, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = call(capsys, "train", *words, "--help")
    shown = " ".join(out.replace("│", " ").split())
    recipe = preset(expected)
    assert f"(default: {expected})" in shown
    assert f"Simulations stepped together. (default: {recipe.envs})" in shown
    assert f"Units in each hidden layer. (default: {recipe.sac.width})" in shown


def test_help_says_what_is_written_and_what_a_switch_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, out, _ = call(capsys, "train", "--help")
    assert "--randomize {none,default,hard}" in out
    assert "--symmetric, --no-symmetric" in out
    assert "{None}" not in out
    assert "--no-json" not in out
    assert "--axes AXIS..." in call(capsys, "evaluate", "--help")[1]
    _, _, err = call(capsys, "record", "any", "--level", "high")
    assert "INT" in err
    assert "None}" not in err


def test_an_unknown_preset_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(capsys, "train", "quadruped-flat", "--preset", "fastest", "--steps", "1")
    assert code == 2
    assert "fastest" in said
    assert "classic" in said
    with pytest.raises(UsageError, match="unknown preset 'fastest'; there are default, rou"):
        preset("fastest")  # type: ignore[arg-type]
