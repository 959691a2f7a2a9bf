"""``train --wandb`` sends each row of metrics once, and a resumed run goes on in the same place."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import call

from robo_maxent.cli.wandb_log import FILE, WandbLog
from robo_maxent.training.train import Status

WORDS = ("--steps", "1600", "--envs", "32", "--width", "16", "--evaluation-episodes", "1")
BUDGET = ("--steps", "32")


class RefusedError(Exception):
    """What the package raises where nobody is logged in."""


class StandIn:
    """The part of the package that is used; it remembers what it was sent."""

    errors = SimpleNamespace(Error=RefusedError)

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.sent: list[int] = []
        self.last: dict[str, float] = {}
        self.exit_codes: list[int] = []
        self.summary: dict[str, float] = {}
        self.refuses = ""
        self.id = "abc"

    def init(self, **arguments: Any) -> "StandIn":
        if self.refuses:
            raise RefusedError(self.refuses)
        self.begun.append(arguments)
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.sent.append(step)
        self.last = values

    def finish(self, exit_code: int) -> None:
        self.exit_codes.append(exit_code)


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The package, in an empty folder."""
    stand_in = StandIn()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("robo_maxent.cli.wandb_log.require_extra", lambda *_: stand_in)
    return stand_in


def test_metrics_are_sent_as_they_come_and_a_resumed_run_goes_on(
    wandb: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = call(
        capsys, "train", "point-fork", *WORDS, "--out", "run", "--wandb", "forks", "--json"
    )
    assert code == 0, said
    (begun,) = wandb.begun
    assert (begun["project"], begun["group"], begun["id"]) == ("forks", "point-fork", None)
    assert begun["config"]["train"]["sac"]["width"] == 16
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert sorted(set(wandb.sent)) == sorted({row["time/total_timesteps"] for row in rows})
    (evaluated,) = (row for row in rows if "eval/mean_reward" in row)
    assert wandb.last["eval/mean_reward"] == evaluated["eval/mean_reward"]
    assert "best_return" in wandb.summary
    assert wandb.exit_codes == [0]
    assert call(capsys, "train", "--resume", "run", *BUDGET, "--wandb", "forks")[0] == 0
    assert wandb.begun[1]["id"] == "abc"


def test_what_a_run_is_called_there_is_kept_also_if_the_training_is_killed(
    wandb: StandIn, tmp_path: Path
) -> None:
    log = WandbLog(wandb).beside(lambda status: None)
    log(Status(0.0, 0.0, 0.0, 0, {}, "run: here", directory=tmp_path))
    assert not (tmp_path / FILE).exists(), "it has not trained yet, and may leave nothing"
    log(Status(0.1, 1.0, 9.0, 50, {"time/fps": 50.0}, directory=tmp_path))
    assert json.loads((tmp_path / FILE).read_text()) == {"id": "abc"}


def test_what_it_refuses_is_one_line_before_the_training(
    wandb: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    wandb.refuses = "api_key not\nconfigured"
    code, _, said = call(capsys, "train", "point-fork", *WORDS, "--wandb", "forks")
    assert code == 2
    assert "api_key not configured. Without an account: WANDB_MODE=offline" in said
    assert not Path("runs").exists()


def test_without_the_package_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    code, _, said = call(capsys, "train", "point-fork", *WORDS, "--wandb", "forks")
    assert code == 2
    assert "--wandb forks needs wandb: pip install 'robo-maxent[wandb]'" in said
