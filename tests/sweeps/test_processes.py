"""Runs in processes of their own: one that crashes ends no other, and all can be stopped."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inline_workers import small_order

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.processes import News, Processes, attempt
from robo_maxent.sweeps.run import Ended, Order, Progress

SOON = 300.0
"""Longest wait for what takes a few seconds, s."""


def refused() -> MujocoTask[Any, Any]:
    raise UsageError("no such robot")


def broken() -> MujocoTask[Any, Any]:
    raise ZeroDivisionError("a bug")


def silent(progress: Progress) -> None:
    """Nobody listens."""


def test_what_goes_wrong_with_a_run_is_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = small_order(tmp_path, "run")
    assert attempt(replace(order, make_task=refused), silent) == Ended(error="no such robot")
    log = tmp_path / "run.log"
    expected = Ended(error=f"ZeroDivisionError: a bug; see {log}")
    assert attempt(replace(order, make_task=broken), silent) == expected
    assert "Traceback" in capsys.readouterr().err


def test_runs_save_themselves_as_they_are_stopped_or_left_alone(tmp_path: Path) -> None:
    workers = Processes()
    for name in ("stopped", "orphan"):
        workers.start(small_order(tmp_path, name, steps=None, minutes=5.0))
    news: list[News] = []
    deadline = time.monotonic() + SOON
    while {name for name, each in news if isinstance(each, Progress) and each.steps} != {
        "stopped",
        "orphan",
    }:
        assert time.monotonic() < deadline, news
        news += workers.wait(1.0)
    for _, process, _ in workers._running.values():
        os.kill(process.pid or 0, signal.SIGINT)  # as a Ctrl-C in the terminal, which we see to
    _, process, pipe = workers._running.pop("orphan")
    pipe.close()  # as when this process is gone
    workers.stop("stopped")
    while not any(isinstance(each, Ended) for _, each in news):
        assert time.monotonic() < deadline, news
        news += workers.wait(1.0)
    process.join(SOON)
    assert process.exitcode == 0
    assert news[-1] == ("stopped", Ended())
    for name in ("stopped", "orphan"):
        assert (tmp_path / name / "checkpoint/latest").is_file()
        log = (tmp_path / f"{name}.log").read_text()
        assert "stopping: a checkpoint" in log
        assert "still stopping" not in log


def test_a_process_that_loses_its_parent_before_it_trains_leaves_no_run(tmp_path: Path) -> None:
    workers, order = Processes(), small_order(tmp_path, "orphan", steps=None, minutes=5.0)
    workers.start(order)
    _, process, pipe = workers._running.pop("orphan")
    pipe.close()  # as when this process is gone
    process.join(SOON)
    assert process.exitcode == -signal.SIGTERM
    assert not order.directory.exists()


def test_a_process_that_is_killed_is_told_of_with_its_signal(tmp_path: Path) -> None:
    workers, order = ended_by(signal.SIGKILL, tmp_path)
    error = "its process ended with SIGKILL, perhaps for want of memory; see "
    assert workers.wait(SOON) == [("killed", Ended(error=f"{error}{order.log}"))]
    assert not workers._running


def test_a_run_that_sigterm_ended_is_stopped_and_not_failed(tmp_path: Path) -> None:
    workers, _ = ended_by(signal.SIGTERM, tmp_path)
    assert workers.wait(SOON) == [("killed", Ended())]


def ended_by(number: signal.Signals, tmp_path: Path) -> tuple[Processes, Order]:
    """Workers of a run whose process a signal ends before it says a word."""
    workers, order = Processes(), small_order(tmp_path, "killed")
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=signal.raise_signal, args=(number,))
    process.start()
    theirs.close()
    workers._running["killed"] = order, process, ours
    return workers, order
