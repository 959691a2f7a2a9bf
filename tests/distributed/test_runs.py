"""Training runs on Ray: they tell of themselves, end, and stop with a checkpoint."""

import json
import time
from pathlib import Path

import pytest
from command_line import call
from inline_workers import small_order

from robo_maxent.distributed import runs
from robo_maxent.distributed.cluster import connected
from robo_maxent.distributed.runs import RayWorkers
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.processes import News
from robo_maxent.sweeps.run import Ended, Progress, read_result

pytest.importorskip("ray", reason="Ray is not installed: pip install 'robo-maxent[ray]'")

SOON = 300.0
"""Longest wait for what takes a few seconds, s."""


def test_a_run_on_ray_ends_and_another_is_stopped_with_a_checkpoint(tmp_path: Path) -> None:
    short = small_order(tmp_path, "short")
    endless = small_order(tmp_path, "long", steps=None, minutes=5.0)
    with connected("ray") as cluster:
        workers = RayWorkers(cluster)
        assert workers.cpus >= 1
        workers.require_shared(tmp_path)
        assert not list(tmp_path.iterdir())
        news: list[News] = []
        deadline = time.monotonic() + SOON

        def wait_for(name: str, kind: type[Progress] | type[Ended]) -> None:
            while not any(each[0] == name and isinstance(each[1], kind) for each in news):
                assert time.monotonic() < deadline, news
                news.extend(workers.wait(1.0))

        workers.start(short)
        wait_for("short", Ended)
        workers.start(endless)
        wait_for("long", Progress)
        workers.stop("long")
        wait_for("long", Ended)
        workers.close()
    ended = {name: each for name, each in news if isinstance(each, Ended)}
    assert ended["short"].result == read_result(short.directory)
    assert ended["long"] == Ended()
    assert "evaluating 1 fresh episodes" in short.log.read_text()
    assert (endless.directory / "checkpoint/latest").is_file()


def test_a_directory_of_the_same_name_on_a_node_is_not_the_one_of_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tmp_path / "here/out", tmp_path / "there/out"
    for directory in (ours, theirs):
        directory.mkdir(parents=True)
    looker = runs._looker
    monkeypatch.setattr(
        runs, "_looker", lambda path: looker(tmp_path / "there" / path.relative_to(ours.parent))
    )
    with connected("ray") as cluster:
        workers = RayWorkers(cluster)
        with pytest.raises(UsageError, match=r"does not see .*out, where runs are to be written"):
            workers.require_shared(ours)
        workers.close()
    assert not list(ours.iterdir())


def test_a_search_on_ray_finds_what_one_in_processes_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    command = ["tune", "point-fork", "--trials", "2", "--steps", "160", "--envs", "8"]
    command += ["--evaluate-every", "80", "--evaluation-episodes", "1", "--episodes", "2"]
    command += ["--width", "16", "--batch-size", "16", "--random-steps", "10", "--threads", "1"]
    command += ["--replay-capacity", "1000", "--json"]
    there = call(capsys, *command, "--out", "there", "--on", "ray")
    here = call(capsys, *command, "--out", "here", "--jobs", "1")
    assert there[0] == here[0] == 0, there[2] + here[2]
    found, wanted = json.loads(there[1]), json.loads(here[1])
    assert found["trials"] == wanted["trials"]
    assert [trial["state"] for trial in found["trials"]] == ["complete", "complete"]
    more = [*command, "--trials", "3", "--out", "there", "--jobs", "1"]
    code, out, said = call(capsys, *more)
    assert code == 0
    assert "3 trials of point-fork, 2 of them done" in said
    assert json.loads(out)["trials"][:2] == wanted["trials"]
