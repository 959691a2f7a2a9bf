"""Where a command computes: what is said at the door."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from inline_workers import small_order

from robo_maxent import machine
from robo_maxent.cli.on import check_actors, room
from robo_maxent.distributed.cluster import Cluster
from robo_maxent.errors import UsageError
from robo_maxent.tasks import make


@pytest.mark.parametrize(
    ("on", "count", "message"),
    [
        (None, 2, r"--actors 2 needs --on, which says where they are: --on ray \(this machine\)"),
        ("ray", None, r"--on ray needs --actors N: how many actors"),
        ("ray", 0, r"actors must be at least 1, got 0"),
        ("ray", -3, r"actors must be at least 1, got -3"),
    ],
)
def test_actors_have_a_place_and_there_is_at_least_one(
    on: str | None, count: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_actors(on, count)


def test_actors_at_a_place_or_none_at_all() -> None:
    check_actors(None, None)
    check_actors("ray://head:10001", 64)


@dataclass
class Nodes:
    """What Ray says of nodes: the CPUs of each."""

    each: tuple[int, ...]

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": float(cpus)}} for cpus in self.each]


def workers(*cpus: int) -> Any:
    from robo_maxent.distributed.runs import RayWorkers

    made = RayWorkers.__new__(RayWorkers)  # without a queue, which takes Ray
    made._cluster = Cluster(Nodes(cpus), "ray://head:10001")
    return made


@pytest.mark.parametrize(
    ("cpus", "asked", "jobs", "threads"),
    [((8, 4), 0, 12, 1), ((8, 4), 3, 3, 4), ((8, 4), 1, 1, 8), ((1, 1), 1, 1, 1), ((2,), 9, 9, 1)],
)
def test_a_run_has_its_share_of_all_cpus_and_no_more_than_one_node_has(
    tmp_path: Path, cpus: tuple[int, ...], asked: int, jobs: int, threads: int
) -> None:
    orders = [small_order(tmp_path, threads=0)]
    assert room(asked, orders, make("point-fork"), workers(*cpus)) == (jobs, threads)


@pytest.mark.parametrize(
    ("cpus", "threads", "message"),
    [
        ((4, 2), 5, r"a run with --threads 5 needs a node with 5 CPUs, .* more than 4: say"),
        ((0,), 0, r"ray://head:10001 has no node with a CPU: add one"),
        ((), 1, r"ray://head:10001 has no node with a CPU: add one"),
    ],
)
def test_a_run_that_no_node_could_do_is_refused_rather_than_waited_for(
    tmp_path: Path, cpus: tuple[int, ...], threads: int, message: str
) -> None:
    orders = [small_order(tmp_path), small_order(tmp_path, threads=threads)]
    with pytest.raises(UsageError, match=message):
        room(0, orders, make("point-fork"), workers(*cpus))


def test_runs_in_processes_share_the_cpus_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpus", lambda: 8)
    orders = [small_order(tmp_path, threads=0)] * 20
    task = make("point-fork")
    assert [room(jobs, orders, task, None) for jobs in (1, 3, 9)] == [(1, 8), (3, 2), (9, 1)]
