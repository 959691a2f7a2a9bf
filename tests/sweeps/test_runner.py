"""Runs brought to their ends: some at a time, each once, whatever becomes of the others."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from inline_workers import InlineWorkers, small_order

from robo_maxent import machine
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.run import Ended, Order, Progress, Result
from robo_maxent.sweeps.runner import Runner, Standing, jobs_for, with_threads
from robo_maxent.tasks import make

RESULT = Result(320, 1.0, 0.5, 3.0, 1)


def orders(directory: Path, count: int) -> list[Order]:
    return [small_order(directory, f"recipe/seed-{seed}", seed=seed) for seed in range(count)]


def finished(order: Order, report: object) -> Ended:
    return Ended(RESULT)


def test_runs_are_done_some_at_a_time_in_their_order(tmp_path: Path) -> None:
    workers, shown = InlineWorkers(finished), list[Standing]()
    with Runner(2, shown.append, workers) as runner:
        ended = runner.run(orders(tmp_path, 5))
    assert workers.begun == [f"recipe/seed-{seed}" for seed in range(5)]
    assert workers.most_at_once == 2
    assert [standing.state for standing in ended.values()] == ["finished"] * 5
    assert [standing.state for standing in shown] == [
        *("running", "running"),
        *("finished", "running") * 3,
        *("finished", "finished"),
    ]


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    two = orders(tmp_path, 2)
    two[0].directory.mkdir(parents=True)
    text = '{"steps": 320, "seconds": 1.0, "success": 0.5, "mean_return": 3.0, "episodes": 1}'
    (two[0].directory / "result.json").write_text(text)
    workers = InlineWorkers(finished)
    with Runner(1, lambda standing: None, workers) as runner:
        ended = runner.run(two)
    assert workers.begun == ["recipe/seed-1"]
    assert [standing.result for standing in ended.values()] == [RESULT, RESULT]


def test_a_run_that_fails_ends_no_other(tmp_path: Path) -> None:
    def second_fails(order: Order, report: object) -> Ended:
        return Ended(error="its process ended with SIGKILL") if order.config.seed == 1 else OK

    with Runner(1, lambda standing: None, InlineWorkers(second_fails)) as runner:
        ended = runner.run(orders(tmp_path, 3))
    assert [standing.state for standing in ended.values()] == ["finished", "failed", "finished"]
    assert ended["recipe/seed-1"].error == "its process ended with SIGKILL"


OK = Ended(RESULT)


def test_ctrl_c_stops_what_runs_once_and_begins_nothing_more(tmp_path: Path) -> None:
    told: list[str] = []
    workers = InlineWorkers()

    def interrupted(order: Order, report: object) -> Ended:
        if order.config.seed == 0:
            signal.raise_signal(signal.SIGINT)
            return OK
        assert workers.stopped == ["recipe/seed-1"]
        return Ended()

    workers._do = interrupted
    with Runner(2, lambda standing: None, workers, told.append) as runner:
        ended = runner.run(orders(tmp_path, 4))
    assert {name: standing.state for name, standing in ended.items()} == {
        "recipe/seed-0": "finished",
        "recipe/seed-1": "stopped",
    }
    assert told == ["stopping: every run writes a checkpoint"]


def test_what_a_run_says_last_is_kept(tmp_path: Path) -> None:
    def says(order: Order, report: object) -> Ended:
        assert callable(report)
        report(Progress(0.5, 160, mean_return=2.0))
        return Ended(error="broken")

    with Runner(1, lambda standing: None, InlineWorkers(says)) as runner:
        ended = runner.run(orders(tmp_path, 1))
    assert ended["recipe/seed-0"].progress == Progress(0.5, 160, mean_return=2.0)


def test_as_many_runs_at_a_time_as_there_are_cpus_and_memory_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, five = make("quadruped-flat"), orders(tmp_path, 5)
    monkeypatch.setattr(machine, "cpus", lambda: 4)
    monkeypatch.setattr(machine, "available_memory", lambda: 10**11)
    assert jobs_for(0, five, task) == 4
    assert jobs_for(0, five[:3], task) == 3
    assert jobs_for(7, five, task) == 7
    monkeypatch.setattr(machine, "available_memory", lambda: 1_200_000_000)
    assert jobs_for(0, five, task) == 2
    with pytest.raises(UsageError, match=r"3 runs at a time need about 1.5 GB of memory, of which"):
        jobs_for(3, five, task)
    with pytest.raises(UsageError, match="jobs must be at least 0, got -1"):
        jobs_for(-1, five, task)


def test_runs_share_the_cpus_unless_they_say_how_many_threads_they_have(tmp_path: Path) -> None:
    order = small_order(tmp_path, threads=3)
    assert with_threads(order, 2) is order
    free = replace(order, config=replace(order.config, threads=0))
    assert with_threads(free, 2).config.threads == 2
