"""Where a stress test is run changes no row, whoever dies meanwhile."""

import errno
import json
import os
import platform
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_maxent.distributed import tasks
from robo_maxent.distributed.cluster import Cluster, connected, require_same_versions
from robo_maxent.distributed.stress import OnRay
from robo_maxent.errors import IncompatibleVersionsError, RoboMaxentError, UsageError
from robo_maxent.perturbations.base import Share
from robo_maxent.robustness import plan
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import Refinement, Suite
from robo_maxent.tasks import make

pytest.importorskip("ray", reason="Ray is not installed: pip install 'robo-maxent[ray]'")

FORK = make("point-fork")
SUITE = Suite(
    "small",
    "",
    {
        "nominal": Share(24, 8, sampled=8),
        "blocked": Share(4, 4, sampled=4),
        "sensor_noise": Share(6, 3, severities=(0.0, 4.0)),
        "action_delay": Share(12, 3),
    },
    refinement=Refinement(rounds=2, episodes=6),
)
MEMORY = 100 << 20
"""Bytes of the object store of a node."""


class Nodes:
    """Ray's own cluster of several nodes on one machine."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster as RayCluster

            head = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
            self.own = RayCluster(initialize_head=True, head_node_args=head)
        self.second: Any = None
        self.add()

    def add(self) -> None:
        """Start the second node, which has one CPU too."""
        self.second = self.own.add_node(num_cpus=1, object_store_memory=MEMORY)

    def kill(self) -> None:
        """Kill the second node, with all that runs there."""
        self.own.remove_node(self.second, allow_graceful=False)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.own.shutdown()


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[Cluster]:
    with connected(str(nodes.own.address)) as ray:
        assert ray.cpus == len(ray.nodes) == 2
        yield ray


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "BLOCK", 10)


@dataclass
class Puck:
    """Goes round the nearer side, and says in a file that it begins; may come to harm, once.

    It does in a worker of the node whose id is in the file ``harm`` beside, or of any if that is
    empty, and takes the file away.
    """

    begun: Path
    harm: str = ""
    """What happens: "kill" or "wait"."""

    def reset(self, simulations: np.ndarray) -> None:
        with self.begun.open("a") as file:
            file.write(f"{os.getpid()}\n")
        beside = self.begun.with_name("harm")
        if self.harm == "wait":
            self._leave_some_to(beside)
        if self.harm and said(beside) in ("", own_node()) and taken(beside):
            if self.harm == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            self.begun.with_name("waits").touch()
            time.sleep(60.0)

    def _leave_some_to(self, beside: Path) -> None:
        """Wait for the node that shall come to harm, which takes seconds to start a worker."""
        deadline = time.monotonic() + 20.0
        while said(beside) not in (None, own_node()) and time.monotonic() < deadline:
            time.sleep(0.05)

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        aside = np.where(np.abs(obs[:, 0]) < 0.5, 0.65 * np.sign(obs[:, 1] + 1e-3), 0.0)
        return np.stack([0.5 * np.ones(len(obs)), 2.0 * (aside - obs[:, 1])], 1).clip(-1, 1)

    def sample(self, obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return (self(obs) + 0.2 * noise).clip(-1, 1)


def said(path: Path) -> str | None:
    """What is in a file; None: it is not there, or not any more."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def taken(path: Path) -> bool:
    """Take a file away; False: somebody else did."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def own_node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()


def puck(directory: Path, harm: str = "") -> PolicyUnderTest:
    directory.mkdir(exist_ok=True)
    made = Puck(directory / "begun", harm)
    return PolicyUnderTest("puck", made, made.sample)


def begun(directory: Path) -> list[str]:
    return (directory / "begun").read_text().splitlines()


def until(is_so: Callable[[], bool]) -> None:
    """Wait until Ray has noticed something."""
    deadline = time.monotonic() + 60.0
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def files(directory: Path) -> dict[str, bytes]:
    """Everything that an evaluation leaves, but for when it began."""
    found = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    described = json.loads(found["suite.json"])
    del described["date"]
    return found | {"suite.json": json.dumps(described).encode()}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """What an evaluation in this process leaves, and how many shards of the policy it ran."""
    place = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK", 10)
        run(SUITE, FORK, [puck(place)], place / "out")
    return files(place / "out"), len(begun(place))


def test_all_files_are_the_same_bytes_as_of_a_run_in_this_process(
    cluster: Cluster, here: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    shown: list[tuple[int, int]] = []
    run(
        SUITE,
        FORK,
        [puck(tmp_path)],
        tmp_path / "out",
        executor=OnRay(cluster),
        progress=lambda *count: shown.append(count),
    )
    assert files(tmp_path / "out") == here[0]
    assert shown == sorted(shown)
    assert len(shown) > 10
    assert len(begun(tmp_path)) == here[1] > 8
    workers = set(begun(tmp_path))
    assert str(os.getpid()) not in workers
    assert len(workers) <= 2  # the second node may be late


def test_a_worker_that_is_killed_loses_nothing_and_repeats_its_shard_only(
    cluster: Cluster, here: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    notices: list[str] = []
    (tmp_path / "harm").touch()
    on = OnRay(cluster, notices.append)
    run(SUITE, FORK, [puck(tmp_path, "kill")], tmp_path / "out", executor=on)
    assert files(tmp_path / "out") == here[0]
    assert len(begun(tmp_path)) == here[1] + 1
    assert len(notices) == 1
    assert notices[0].startswith(
        "a worker died (WorkerCrashedError): shard "
    )  # whichever was first


def test_a_node_that_is_killed_loses_nothing_and_repeats_its_shard_only(
    nodes: Nodes, cluster: Cluster, here: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    notices: list[str] = []
    second = nodes.second.node_id
    (tmp_path / "harm").write_text(second)

    over = threading.Event()

    def kill_at_work() -> None:
        while not over.wait(0.05):
            if (tmp_path / "waits").exists():
                return nodes.kill()

    killer = threading.Thread(target=kill_at_work, daemon=True)
    killer.start()
    on = OnRay(cluster, notices.append)
    run(SUITE, FORK, [puck(tmp_path, "wait")], tmp_path / "out", executor=on)
    over.set()
    killer.join()
    assert (tmp_path / "waits").exists()
    nodes.add()
    until(lambda: second not in cluster.nodes and len(cluster.nodes) == 2)
    assert files(tmp_path / "out") == here[0]
    assert 1 <= len(notices) <= 2  # one that had begun there, and perhaps one that was to
    assert here[1] < len(begun(tmp_path)) <= here[1] + len(notices)


def test_what_ray_has_to_say_of_nodes_is_not_in_our_output(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"lines": ["a node is gone, and here are its logs"], "pid": "raylet", "is_err": False}
    cluster.ray._private.worker.print_to_stdstream(said, ignore_prefix=False)  # as its thread does
    assert capsys.readouterr().out == ""


def test_a_driver_that_is_interrupted_goes_on_where_it_was(
    cluster: Cluster, here: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    def interrupted(done: int, total: int) -> None:
        if len(list((tmp_path / "out/rows").iterdir())) == 4:
            raise KeyboardInterrupt

    def go(progress: Callable[[int, int], None] | None) -> None:
        on = OnRay(cluster)
        run(SUITE, FORK, [puck(tmp_path)], tmp_path / "out", progress=progress, executor=on)

    with pytest.raises(KeyboardInterrupt):
        go(interrupted)
    assert len(list((tmp_path / "out/rows").iterdir())) == 4
    go(None)
    assert files(tmp_path / "out") == here[0]
    assert here[1] <= len(begun(tmp_path)) <= here[1] + 4  # those that were on their way


def test_a_run_that_began_here_goes_on_elsewhere_and_the_other_way_round(
    cluster: Cluster, here: tuple[dict[str, bytes], int], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(SUITE, FORK, [puck(tmp_path)], out, executor=OnRay(cluster))
    for path in [out / "episodes.jsonl", *sorted((out / "rows").iterdir())[::2]]:
        path.unlink()
    run(SUITE, FORK, [puck(tmp_path)], out)
    assert files(out) == here[0]


def square(number: int, factor: int) -> int:
    return factor * number**2


def killing(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refusing(number: int) -> None:
    raise UsageError(f"{number} is too much")


def failing(number: int) -> float:
    return 1 / number


def on_a_full_disk(number: int, full: str, met: Path) -> str:
    node = own_node()
    if full in (node, "all"):
        met.touch()
        raise OSError(errno.ENOSPC, "No space left on device", "/there/file")
    deadline = time.monotonic() + 20.0
    while not met.exists() and time.monotonic() < deadline:  # a worker takes seconds to start
        time.sleep(0.05)
    return node


def test_results_of_tasks_come_with_their_orders(cluster: Cluster) -> None:
    asked = iter(range(20))
    results = tasks.completed(cluster, square, asked, 3)
    first, _ = next(results)
    assert next(asked) < 10  # no more are asked for than can be run soon
    rest = dict(results)
    assert {first, *rest} | {n for n in range(20)} == set(range(20))
    assert all(value == 3 * n**2 for n, value in rest.items())
    assert len(rest) == 18  # one was first, and one is asked for here


def test_a_task_that_ends_every_worker_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "DEATHS", 2)
    with pytest.raises(RoboMaxentError, match="7 ended 2 workers, one after the other"):
        list(tasks.completed(cluster, killing, [7]))


def test_what_a_task_refuses_and_what_fails_is_raised_here(cluster: Cluster) -> None:
    with pytest.raises(UsageError, match=r"^3 is too much$"):
        list(tasks.completed(cluster, refusing, [3]))
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        list(tasks.completed(cluster, failing, [0]))


def test_a_node_whose_disk_is_full_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    full, other = cluster.nodes
    notices: list[str] = []
    shared = full, tmp_path / "met"
    done = dict(tasks.completed(cluster, on_a_full_disk, range(6), *shared, notice=notices.append))
    assert done == dict.fromkeys(range(6), other)
    assert notices
    assert all("can't write /there/file: No space left on device" in text for text in notices)
    with pytest.raises(
        RoboMaxentError, match=r"no node can go on: node .* can't write /there/file"
    ):
        list(tasks.completed(cluster, on_a_full_disk, range(3), "all", tmp_path / "met"))


def test_a_node_of_another_version_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_same_versions(cluster)
    there = platform.python_version()
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.1")
    with pytest.raises(
        IncompatibleVersionsError,
        match=f"^node .* otherwise than this machine: Python 3.9.1 here, {there} there. Install",
    ):
        require_same_versions(cluster)
