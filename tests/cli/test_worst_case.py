"""``worst-case`` on the command line: a script goes round a wall while its actions come late."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import call

from robo_maxent.report.worst_case import DIRECTORY
from robo_maxent.robustness import traced_rollout
from robo_maxent.robustness.tried_episodes import TriedEpisodes
from robo_maxent.types import Episode

SCRIPT = '''
import numpy as np

GAP, GOAL = 0.65, np.array([1.0, 0.0])


def left(obs):
    """Go to the left gap, through it, and to the goal."""
    before = np.array([-0.25, GAP])
    lined_up = (np.abs(obs[:, 1] - GAP) < 0.05)[:, None]
    aim = np.where(obs[:, :1] > 0.2, GOAL, np.where(lined_up, before * [-1.0, 1.0], before))
    return np.clip(5.0 * (aim - obs[:, :2]), -1.0, 1.0)


def idle(obs):
    return np.zeros((len(obs), 2))
'''
SEARCH = ("--task", "point-fork", "--episodes", "200", "--clips", "0", "--threads", "1")


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder with a module of two policies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("fork_scripts.py").write_text(SCRIPT)


def test_it_says_what_fails_and_how_to_see_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    effects = ("--effects", "action_delay,packet_loss")
    code, out, err = call(capsys, "worst-case", "fork_scripts:left", *SEARCH, *effects, "--json")
    assert code == 0, err
    result = json.loads(out)
    found = result["worst_case"]
    assert [effect["axis"] for effect in found["effects"]] == ["action_delay", "packet_loss"]
    assert result["report"] == f"runs/{DIRECTORY}/report.html"
    assert Path(result["report"]).exists()
    assert found["random_episodes"] == found["episodes"] >= 190
    assert found["minima"]
    row = found["minima"][0]["row"]
    assert f"robo-maxent replay runs/{DIRECTORY} --row {row}" in err.replace("'", "")
    assert not result["films"]


def test_what_it_can_not_search_is_said_at_the_door(capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*more: str, policy: str = "left") -> str:
        code, _, err = call(capsys, "worst-case", f"fork_scripts:{policy}", *SEARCH, *more)
        assert code in (1, 2)
        return err

    assert "the axis blocked of point-fork can't be searched" in refused("--effects", "blocked")
    assert "--effects names no axis" in refused("--effects", ",")
    assert "clips must be at least 0" in refused("--clips", "-1")
    assert "it fails without any disturbance" in refused(policy="idle")
    Path("runs/worst-case").mkdir(parents=True, exist_ok=True)
    Path("runs/worst-case/suite.json").write_text('{"suite": "quick"}')
    assert "is there and is not the file of a worst case" in refused()


def test_a_search_that_was_ended_goes_on_from_what_it_tried(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("worst-case", "fork_scripts:left", *SEARCH, "--effects", "action_delay")
    simulate, blocks, ends_at = traced_rollout.run, [], 0

    def run(*arguments: Any, **more: Any) -> Any:
        blocks.append(arguments[0])
        if len(blocks) == ends_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return simulate(*arguments, **more)

    def search() -> tuple[int, int]:
        """Exit code, and how much was simulated."""
        blocks.clear()
        return call(capsys, *words)[0], len(blocks)

    monkeypatch.setattr(traced_rollout, "run", run)
    code, whole = search()
    rows = Path("runs", DIRECTORY, "episodes.jsonl").read_bytes()
    assert (code, whole > 10) == (0, True), whole
    shutil.rmtree("runs")
    ends_at = 5
    assert search() == (130, 5)
    ends_at = 0
    assert search() == (0, whole - 4)  # the fifth was lost
    assert Path("runs", DIRECTORY, "episodes.jsonl").read_bytes() == rows


def test_what_was_tried_of_another_policy_or_is_damaged_is_not_used(tmp_path: Path) -> None:
    episode = Episode("ice", 1, 0, 0, 5, 2.0, True, False, False, {}, {})
    asked = {"a": np.zeros((1, 2))}, np.arange(1)
    runs = []

    def run() -> list[Episode]:
        runs.append(1)
        return [episode]

    def tried(policy: str) -> int:
        with TriedEpisodes(tmp_path, {"policy": policy}) as kept:
            assert kept.episodes(*asked, run) == kept.episodes(*asked, run) == [episode]
        return len(runs)

    assert [tried("one"), tried("one"), tried("other"), tried("one")] == [1, 1, 2, 3]
    path = tmp_path / "tried.jsonl"
    path.write_text(path.read_text()[:-9])
    assert tried("one") == 4
    assert tried("one") == 4
