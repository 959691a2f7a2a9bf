"""Policies of others go through the same evaluation, or are refused with what does not fit."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_policy import small_policy
from torch import nn

from robo_maxent.cli import main
from robo_maxent.cli.names import label, rows_path
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import external_policies
from robo_maxent.learning.policy import Policy
from robo_maxent.spaces import Box
from robo_maxent.tasks import make

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")

GIVES = "quadruped-flat gives observations of shape (N, 50), float32: "
TAKES = "It takes actions of shape (N, 12), in [-1, 1]: "


@pytest.fixture
def task() -> MujocoTask[Any, Any]:
    task = make("quadruped-flat")
    task.episode_steps = 50
    return task


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("agent", "own_agent"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def refusal(named: str | Path, task: EnvFactory, normalize: str | None = None) -> str:
    with pytest.raises((PolicyError, UsageError)) as refused:
        external_policies.load(str(named), task, normalize)
    message = str(refused.value)
    assert "\n" not in message
    return message


# -- Python functions ----------------------------------------------------------


def test_a_function_of_the_current_directory_gives_the_rows_of_the_policy_in_it(
    here: Path, task: EnvFactory
) -> None:
    policy = small_policy(task)
    policy.save(here / "own.safetensors")
    (here / "own_agent.py").write_text(
        "from robo_maxent.learning.policy import Policy\n"
        "policy = Policy.load('own.safetensors')\n"
        "def act(obs):\n"
        "    return policy(obs)\n"
    )
    for named in ("own_agent:act", "own_agent:policy", "own_agent:policy.__call__"):
        rows = evaluate(external_policies.load(named, task), task, episodes=3, seed=4)
        assert rows == evaluate(policy, task, episodes=3, seed=4)


def test_a_function_may_write_into_what_it_is_given(here: Path, task: EnvFactory) -> None:
    (here / "agent.py").write_text(
        "import numpy as np\n"
        "def act(obs):\n"
        "    obs *= np.nan\n"
        "    return np.zeros((len(obs), 12), int)\n"
    )
    act = external_policies.load("agent:act", task)
    seen = np.ones((3, 50), np.float32)
    act(seen)
    np.testing.assert_array_equal(seen, 1.0)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise KeyError('no weights')", "agent:act can't be imported: KeyError: 'no weights'"),
        ("import nowhere", "can't be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(2)", "agent:act can't be imported: SystemExit: 2"),
        (
            "def act(obs): raise SystemExit(0)",
            "agent:act failed on observations of shape (2, 50): SystemExit: 0",
        ),
        ("other = 1", "AttributeError: module 'agent' has no attribute 'act'"),
        ("act = 3", "agent:act is a int: name a function"),
        ("class act: pass", "agent:act is a class: name a function of observations (N, P)"),
        ("def act(): return 1", "failed on observations of shape (2, 50): TypeError: act() takes"),
        (
            "def act(obs):\n    return obs @ [1, 2]",
            "agent:act failed on observations of shape (2, 50): ValueError: ",
        ),
        ("def act(obs):\n    return obs[0, :12]", "returned float32 of shape (12,) for obs"),
        ("def act(obs):\n    return obs[:, :11]", "returned float32 of shape (2, 11) for obs"),
        ("def act(obs):\n    return obs[:, :12] > 0", "returned bool of shape (2, 12)"),
        ("def act(obs):\n    return [None] * 2", "returned object of shape (2,)"),
        (
            "def act(obs):\n    return obs[:, :12] + float('inf')",
            "agent:act returns infinity for an observation of zeros.",
        ),
    ],
)
def test_a_function_that_does_not_fit_is_refused(
    here: Path, task: EnvFactory, code: str, message: str
) -> None:
    (here / "agent.py").write_text(code + "\n")
    refused = refusal("agent:act", task)
    assert message in refused
    if "failed" in message or "returned" in message:
        assert GIVES in refused
        assert TAKES in refused
        assert isinstance(task.action_space, Box)
        assert all(joint in refused for joint in task.action_space.names)
        assert all(f"{name} ({size}" in refused for name, size, _ in task.policy_parts)


CLOCK = (
    "import numpy as np\n"
    "class Clock:\n"
    "    steps = np.zeros(8)\n"
    "    def reset(self, simulations):\n"
    "        self.steps = np.zeros(len(simulations))\n"
    "    def __call__(self, obs):\n"
    "        self.steps = self.steps[:len(obs)] + 1\n"
    "        return np.sin(self.steps)[:, None] + 0 * obs[:, :1]\n"
    "clock = Clock()\n"
    "def tick(obs):\n"
    "    clock.steps = clock.steps[:1] + 1\n"
    "    return np.sin(clock.steps)[:, None] + 0 * obs[:, :1]\n"
)


def test_a_policy_with_a_clock_is_told_when_episodes_begin(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "agent.py").write_text(CLOCK)
    words = ["--task", "gym:Pendulum-v1", "--episodes", "18"]
    rows = []
    for _ in range(2):
        code, _, told = call(capsys, "evaluate", "agent:clock", *words)
        assert code == 0
        assert "does not answer" not in told
        rows.append(next(here.glob("agent-clock.episodes*.jsonl")).read_text())
    assert rows[0] == rows[1]
    clock = sys.modules["agent"].clock
    assert clock.steps.tolist() == [200.0] * 2, "the last two of 18 episodes, 16 at a time"

    told = call(capsys, "evaluate", "agent:tick", *words)[2]
    assert "agent:tick does not answer the same observations the same twice: its episodes" in told
    assert "name an object with reset(simulations), which is called when episodes begin" in told


def test_a_reset_that_fails_is_named(here: Path, task: EnvFactory) -> None:
    (here / "agent.py").write_text(CLOCK.replace("reset(self, simulations)", "reset(self)"))
    refused = refusal("agent:clock", task)
    assert "reset of agent:clock failed: TypeError: Clock.reset() takes 1 positional" in refused


def test_a_policy_may_refuse_what_no_simulation_gives(here: Path) -> None:
    (here / "agent.py").write_text(
        "def act(obs):\n    assert (abs(obs) <= 8).all() and (abs(obs[:, :2]) <= 1).all()\n"
        "    return 0 * obs[:, :1]\n"
    )
    pendulum = GymTask("Pendulum-v1")
    evaluate(external_policies.load("agent:act", pendulum), pendulum, episodes=2)


def test_what_a_policy_answers_tells_its_weights(here: Path) -> None:
    pendulum, code = GymTask("Pendulum-v1"), "import numpy\nw = numpy.load('w.npy')\n"
    (here / "agent.py").write_text(code + "def act(obs):\n    return obs @ w\n")
    answers = []
    for weights in (np.ones((3, 1)), np.ones((3, 1)), 2 * np.ones((3, 1))):
        np.save(here / "w.npy", weights)
        sys.modules.pop("agent", None)
        answers.append(external_policies.load("agent:act", pendulum).answers)
    assert answers[0] == answers[1] != answers[2]


def test_a_function_is_known_by_the_file_that_it_is_written_in(here: Path) -> None:
    (here / "own_agent.py").write_text("def act(obs):\n    return obs[:, :12]\n")
    (here / "agent.py").write_text("from own_agent import act\n")
    hashes = set()
    for code in ("def act(obs):\n    return obs[:, :12]\n", "def act(obs):\n    return 2 * obs\n"):
        (here / "own_agent.py").write_text(code)
        for named in ("own_agent:act", "agent:act"):
            for module in ("agent", "own_agent"):
                sys.modules.pop(module, None)
            hashes.add(external_policies.content_hash(named))
    assert len(hashes) == 4
    assert external_policies.content_hash("nowhere.onnx") is None


def test_the_line_of_ones_own_code_that_failed_is_named(here: Path, task: EnvFactory) -> None:
    (here / "agent.py").write_text(
        "import numpy as np\n\ndef act(obs):\n    return np.concatenate([obs, obs[0]])\n"
    )
    assert "(agent.py, line 4)" in refusal("agent:act", task)


def test_a_function_that_fails_later_ends_the_evaluation_with_its_name(
    here: Path, task: EnvFactory
) -> None:
    (here / "agent.py").write_text(
        "calls = []\n"
        "def act(obs):\n"
        "    calls.append(1)\n"
        "    return obs[:, :12 if len(calls) < 20 else 3] * 0\n"
    )
    act = external_policies.load("agent:act", task)
    with pytest.raises(PolicyError, match=r"agent:act returned float32 of shape \(4, 3\)"):
        evaluate(act, task, episodes=4)


# -- TorchScript ---------------------------------------------------------------


class Mean(nn.Module):
    """The mean action of a policy of ours."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.normalizer, self.actor = policy.normalizer, policy.actor

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.actor.mode(self.normalizer(obs))


class Linear(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Linear(inputs, outputs)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.inner(obs)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(50, 12)

    def forward(self, obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inner(obs), obs


def test_a_traced_policy_gives_the_rows_of_the_policy(tmp_path: Path, task: EnvFactory) -> None:
    policy, file = small_policy(task), tmp_path / "policy.pt"
    traced: Any = torch.jit.trace(Mean(policy), torch.zeros(2, 50))
    traced.save(str(file))
    act = external_policies.load(str(file), task)
    obs = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    np.testing.assert_allclose(act(obs), policy(obs), atol=1e-6)
    rows, expected = (evaluate(a, task, episodes=3, seed=4) for a in (act, policy))
    assert [row.length for row in rows] == [row.length for row in expected]
    np.testing.assert_allclose([r.reward for r in rows], [r.reward for r in expected], rtol=1e-2)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Linear(45, 12), "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x50 and 45x12"),
        (Linear(50, 8), "returned float32 of shape (2, 8) for observations of shape (2, 50)"),
        (Pair(), "TypeError: it returned a tuple, not one tensor"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    tmp_path: Path, task: EnvFactory, network: nn.Module, message: str
) -> None:
    scripted: Any = torch.jit.script(network)
    scripted.save(str(tmp_path / "net.pt"))
    refused = refusal(tmp_path / "net.pt", task)
    assert message in refused
    assert GIVES in refused


def test_what_is_not_torchscript_says_how_to_write_it(tmp_path: Path, task: EnvFactory) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("no network")
    for name in ("state.pt", "text.pt"):
        refused = refusal(tmp_path / name, task)
        assert f"{name} is damaged or not TorchScript: " in refused
        assert f"torch.jit.script(network).save('{name}')" in refused
    assert refusal(tmp_path / "none.pt", task) == f"Policy file not found: {tmp_path}/none.pt"


# -- the command line ----------------------------------------------------------


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main.main(list(words))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_evaluate_takes_functions_and_files_of_others_together(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "agent.py").write_text("def act(obs):\n    return 0 * obs[:, :1]\n")
    torch.jit.script(Linear(3, 1)).save("net.pt")
    words = ["agent:act", "net.pt", "--task", "gym:Pendulum-v1", "--episodes", "2"]
    code, out, _ = call(capsys, "evaluate", *words, "--json")
    assert code == 0
    first, second = json.loads(out)["policies"]
    assert (first["episodes"], second["episodes"]) == (
        "agent-act.episodes-task-gym-Pendulum-v1-first-2.jsonl",
        "net.pt.episodes-task-gym-Pendulum-v1-first-2.jsonl",
    )
    rows = [json.loads(row) for row in Path(first["episodes"]).read_text().splitlines()]
    assert [(row["sim"], row["length"], row["policy_error"]) for row in rows] == [
        (0, 200, None),
        (1, 200, None),
    ]


def test_policy_errors_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "agent.py").write_text(
        "def act(obs):\n"
        "    action = 0 * obs[:, :1]\n"
        "    action[1:] /= abs(obs[1:]).sum(1, keepdims=True) == 0  # the zeros it is tried on\n"
        "    return action\n"
    )
    words = ["evaluate", "agent:act", "--task", "gym:Pendulum-v1", "--episodes", "3"]
    with np.errstate(invalid="ignore"):
        code, out, _ = call(capsys, *words)
    assert code == 0
    assert "2 of 3, first in simulation 1: policy returned NaN at step 1\n" in out


def test_a_policy_of_others_needs_a_task(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.jit.script(Linear(3, 1)).save("net.pt")
    for command in ("evaluate", "record"):
        for named in ("net.pt", "agent:act"):
            code, _, stderr = call(capsys, command, named)
            assert code == 2
            assert f"{named} does not say which task it is for: add --task NAME" in stderr


def test_statistics_are_for_one_archive_only(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--task", "quadruped-flat", "--normalize", "none"]
    for named in ("net.pt", "policy.safetensors", "agent:act"):
        code, _, stderr = call(capsys, "evaluate", named, *flags)
        assert code == 2
        assert f"(.zip), which {named} is not" in stderr
    code, _, stderr = call(capsys, "evaluate", "a.zip", "b.zip", *flags)
    assert code == 2
    assert "--normalize belongs to one policy" in stderr


def test_neighbours_of_one_name_do_not_share_files() -> None:
    assert rows_path("a/policy.safetensors") == Path("a/policy.episodes.jsonl")
    assert rows_path("a/policy.onnx") == Path("a/policy.onnx.episodes.jsonl")
    assert rows_path("pack.agent:act") == Path("pack.agent-act.episodes.jsonl")
    assert rows_path("a/policy.onnx", "-seed-2") == Path("a/policy.onnx.episodes-seed-2.jsonl")
    assert label("a/policy.safetensors") == "a-policy"
    assert label("a/policy.onnx") == "a-policy-onnx"
    assert label("pack.agent:act") == "pack-agent-act"


def test_a_file_of_no_known_kind_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], task: EnvFactory
) -> None:
    Path("policy.h5").touch()
    code, _, stderr = call(capsys, "evaluate", "policy.h5")
    assert code == 1
    assert "policy.h5 is no policy file of this package, which end in .safetensors" in stderr
    assert "policy.h5 is of no known kind: .zip, .onnx, .pt or MODULE:FUNCTION" in refusal(
        "policy.h5", task
    )
