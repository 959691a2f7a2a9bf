"""No file names code to run: what would run some is named on the command line, too."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from command_line import call
from hand_rows import row
from small_policy import small_policy

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.report.rows import identity
from robo_maxent.robustness import stress_test

TRAP = "import pathlib; pathlib.Path('ran').touch()\n"
WORLD = TRAP + (
    "import gymnasium\n"
    "gymnasium.register('Own-v0', 'gymnasium.envs.classic_control.pendulum:PendulumEnv',"
    " max_episode_steps=5)\n"
)
OWN = "gym:own_world:Own-v0"
ROW = replace(row(), policy="walker")
REPLAY = ("replay", "suite", "--row", identity(ROW))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a module that leaves a file when it is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in ("own_world", "agent"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    gymnasium.registry.pop("Own-v0", None)
    (tmp_path / "own_world.py").write_text(WORLD)
    (tmp_path / "agent.py").write_text(TRAP + "def act(obs):\n    return 0 * obs[:, :1]\n")
    return tmp_path


def shared(file: str | None, sha256: str | None = None, task: str = "gym:Pendulum-v1") -> None:
    """What a stranger sends: a stress test that names a policy and a task."""
    Path("suite").mkdir(exist_ok=True)
    policies = [{"label": "walker", "file": file, "sha256": sha256}]
    described = {"task": task, "task_options": {}, "policies": policies}
    Path("suite/suite.json").write_text(json.dumps(described))
    Path("suite/episodes.jsonl").write_text(json.dumps(ROW.to_json()))


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code, out, said = call(capsys, *words)
    assert (code, out) == (2, "")
    assert said.count("\n") == 1
    assert not Path("ran").exists()
    return said


def test_the_policy_of_a_shared_stress_test_runs_no_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("model.zip").write_bytes(b"PK")
    Path("net.pt").write_bytes(b"PK")
    for file in ("agent:act", "model.zip", "net.pt"):
        shared(file)
        said = refused(capsys, *REPLAY)
        assert f"the policy walker is {file}, which runs code of its own: if you trust that" in said
        assert f"say --policy {file}" in said
    assert "add --allow-pickle" in refused(capsys, *REPLAY, "--policy", "model.zip")


def test_a_file_is_compared_before_it_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.pt").write_bytes(b"damaged")
    shared("net.pt", "0" * 64)
    said = refused(capsys, *REPLAY, "--policy", "net.pt")
    assert "net.pt is not the policy that was stressed: its contents differ" in said
    shared("net.pt", hashlib.sha256(b"damaged").hexdigest())
    assert "damaged or not TorchScript" in call(capsys, *REPLAY, "--policy", "net.pt")[2]


def test_a_policy_that_is_gone_or_was_none_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shared("runs/there")
    said = refused(capsys, *REPLAY)
    assert "the policy walker was runs/there, which is gone: say --policy FILE" in said
    shared(None)
    assert "was stressed from Python: say which with --policy" in refused(capsys, *REPLAY)


def test_the_task_of_a_shared_stress_test_imports_no_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shared("runs/there", task=OWN)
    said = refused(capsys, *REPLAY)
    assert f"the stress test asks for the task {OWN}, which runs the code of the module" in said
    assert f"own_world: if you trust that, say --task {OWN}" in said
    other = "gym:own_world:Other-v0"
    assert f"is of the task {OWN}, not of {other}" in refused(capsys, *REPLAY, "--task", other)
    assert stress_test.read("suite")[1]["replay"].endswith(f"--row {{row}} --task {OWN}")


def test_the_task_of_a_shared_run_imports_no_module_unless_it_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = small_policy(GymTask("Pendulum-v1"))
    policy.layout = replace(policy.layout, task=OWN)
    Path("run").mkdir()
    policy.save("run/policy.safetensors")
    saved: dict[str, Any] = {"task": OWN, "action_repeat": 1, "train": {}}
    Path("run/config.json").write_text(json.dumps(saved))
    for named in ("run", "run/policy.safetensors"):
        said = refused(capsys, "evaluate", named)
        assert f"{named} asks for the task {OWN}" in said
    resume = ["--resume", "run", "--steps", "8"]
    assert f"say robo-maxent train {OWN}" in refused(capsys, "train", *resume)

    code, out, said = call(capsys, "evaluate", "run", "--task", OWN, "--episodes", "1", "--json")
    assert code == 0, said
    assert json.loads(out)["policies"][0]["mean_length"] == 5
    assert Path("ran").exists()


def test_an_environment_of_ones_own_is_known_by_its_file(here: Path) -> None:
    env = (
        "from gymnasium.envs.classic_control.pendulum import PendulumEnv\nclass Env(PendulumEnv):\n"
    )
    register = (
        "import gymnasium\ngymnasium.register('Own-v0', 'own_world:Env', max_episode_steps=5)\n"
    )
    contents = []
    for code in ("    pass\n", "    pass\n", "    max_speed = 4\n"):
        sys.modules.pop("own_world", None)
        gymnasium.registry.pop("Own-v0", None)
        (here / "own_world.py").write_text(register + env + code)
        contents.append(GymTask("own_world:Own-v0").content)
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].keys() == {"own_world"}
    assert GymTask("Pendulum-v1").content == {}
