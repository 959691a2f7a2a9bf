"""What Ray costs and brings, what is lost when workers die, and how far it goes.

Two nodes of one CPU each, on this machine, against this process with two threads:

    same_rows           1: every file of the test is the same, bytes for bytes
    ray_overhead        wall clock through Ray over that of this process; workers have started
    speedup             wall clock of this process with one thread over that through Ray: at best 2
    lost_rows           rows that differ or are missing after workers were killed
    train_here          environment steps/s of a training in this process
    train_actors_1, _2  and with so many actors on Ray, whose learner has one thread (_2: not with
                        --quick)
    learner_waits_1, _2 share of the time that this learner waited for blocks
    driver_mb_per_100k  how much larger 100,000 rows make the process that hands them out
    report_mb_per_100k  and the one that writes their report (not with --quick)
    one_axis_mb_per_100k  the same of rows that are all of one axis, with two pushes each (not
                        with --quick)

The memory is measured with rows that are made up, at two sizes, each in a process of its own. What
many cores would do is projected from what tasks take, what they send and what the driver does for
each, by a model of events: :func:`projected`. Nothing was measured beyond two cores.

No part may take longer than :data:`LIMIT`, with --quick a third of that: it ends with an error.

    python benchmarks/scale.py [--quick] [--task quadruped-flat]
"""

import argparse
import heapq
import json
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from stress import idle_network

from robo_maxent.distributed.actors import RayActors
from robo_maxent.distributed.cluster import Cluster, connected
from robo_maxent.distributed.stress import OnRay
from robo_maxent.perturbations.base import Share
from robo_maxent.report import html
from robo_maxent.report.row_table import RowTable
from robo_maxent.report.rows import Push, StressEpisode, as_lines
from robo_maxent.robustness import plan, stress_test
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.shards import Bench, Completed, Order, Outcome, Shown
from robo_maxent.robustness.suites import Refinement, Suite, find
from robo_maxent.tasks import make
from robo_maxent.training.actor_trainer import ActorTrainer
from robo_maxent.training.config import preset
from robo_maxent.training.run_state import RunState
from robo_maxent.training.trainer import Trainer

SEED = 1
STORE = 100 << 20
"""Bytes of the object store of a node."""
NETWORK = 1e9 / 8
"""Bytes per second between any two machines that the projection assumes: 1 Gbit/s."""
LIMIT = 900.0
"""Wall-clock that any part may take, s."""
SHORT = 80
"""Control steps of an episode with --quick, where a suite is run here and through Ray."""
ONE_AXIS = "push"
"""The axis that has all rows of a suite where that is measured."""
FACTOR = 100
"""Of episodes in the projection: a full suite of a million."""


@contextmanager
def part(name: str, limit: float) -> Iterator[None]:
    """Say what is done now, and end it with an error if it takes longer: nothing here hangs.

    It begins with one thread of torch, as the command line has: more wait for each other in each
    product, and most where something else runs.

    Raises:
        TimeoutError: It took longer than ``limit``, s.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"{name} took more than {limit:.0f} s")

    torch.set_num_threads(1)
    start, before = time.perf_counter(), signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    print(f"  {name}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


@contextmanager
def two_nodes() -> Iterator[Cluster]:
    """Ray's own cluster of two nodes of one CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster as RayCluster

        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": STORE}
        nodes = RayCluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
        nodes.add_node(**node)
    try:
        with connected(str(nodes.address)) as cluster:
            yield cluster
    finally:
        nodes.shutdown()


def suite_of(episodes: int, rounds: int = 1) -> Suite:
    """A suite of some axes that all tasks have, with refinement."""
    shares = {
        "nominal": Share(episodes, 8, sampled=episodes // 2),
        "sensor_noise": Share(episodes // 4, 8),
        "packet_loss": Share(episodes // 4, 8),
    }
    return Suite("scale", "", shares, refinement=Refinement(rounds=rounds, episodes=8))


def left(out: Path) -> dict[str, Any]:
    """Everything that a stress test leaves, but for when it began."""
    files: dict[str, Any] = {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.jsonl")
    }
    described = json.loads((out / "suite.json").read_text())
    return files | {"suite.json": {k: v for k, v in described.items() if k != "date"}}


# -- overhead and rows -----------------------------------------------------------


def compare(cluster: Cluster, task: AnyTask, suite: Suite, directory: Path) -> dict[str, Any]:
    """The same suite here on one thread and on two, and on two nodes that have run one before."""
    policy, seconds, files = idle_network(task), {}, {}
    warm = suite_of(4, rounds=0)
    run(warm, task, [policy], directory / "warm", SEED, executor=OnRay(cluster))
    ways = (("alone", 1, None), ("here", 2, None), ("ray", 2, OnRay(cluster)))
    for name, threads, executor in ways:
        start = time.perf_counter()
        run(suite, task, [policy], directory / name, SEED, threads=threads, executor=executor)
        seconds[name] = time.perf_counter() - start
        files[name] = left(directory / name)
    return {
        "same_rows": int(files["here"] == files["ray"]),
        "rows": len(files["here"]["episodes.jsonl"].splitlines()),
        "seconds_here": seconds["here"],
        "seconds_ray": seconds["ray"],
        "ray_overhead": seconds["ray"] / seconds["here"],
        "speedup": seconds["alone"] / seconds["ray"],
    }


# -- kills -----------------------------------------------------------------------


def centring(obs: Any) -> Any:
    """Drive a puck to the middle of the fork, slowly enough that a worker can be killed at it."""
    time.sleep(0.005)
    return (-obs[:, :2]).clip(-1, 1)


def kill(cluster: Cluster, times: int, directory: Path) -> dict[str, Any]:
    """Kill a worker that is at work, so many times, and compare with a run in peace."""
    task, policy = make("point-fork"), PolicyUnderTest("centring", centring)
    shares = {"nominal": Share(100, 10), "blocked": Share(100, 5), "sensor_noise": Share(100, 5)}
    suite, size = Suite("kills", "", shares), plan.BLOCK
    notices: list[str] = []
    killed, finished, ended = [0], threading.Event(), threading.Event()

    def killer() -> None:
        """Kill the oldest worker once a shard was finished: so none meets it time after time."""
        while killed[0] < times and not ended.is_set():
            if finished.wait(0.3):
                finished.clear()
                killed[0] += kill_oldest("ray::_guarded")

    plan.BLOCK = max(2000 // (4 * times), 10)
    try:
        run(suite, task, [policy], directory / "peace", SEED)
        thread = threading.Thread(target=killer, daemon=True)
        thread.start()
        run(
            suite,
            task,
            [policy],
            directory / "kills",
            SEED,
            progress=lambda done, most: finished.set(),
            executor=OnRay(cluster, notices.append),
        )
    finally:
        ended.set()
        plan.BLOCK = size
    thread.join()
    wanted, rows = (
        (directory / name / "episodes.jsonl").read_text().splitlines()
        for name in ("peace", "kills")
    )
    lost = sum(row != other for row, other in zip(wanted, rows, strict=False))
    return {
        "kills": killed[0],
        "repeated_shards": len(notices),
        "lost_rows": lost + abs(len(wanted) - len(rows)),
    }


def kill_oldest(name: str) -> bool:
    """Kill the oldest process of that name that this one or its children started, if any."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if process.name().startswith(name):
                found.append((process.create_time(), process))
    if not found:
        return False
    min(found, key=lambda each: each[0])[1].kill()
    return True


# -- training --------------------------------------------------------------------


def train_rates(cluster: Cluster, name: str, seconds: float, most: int) -> dict[str, float]:
    """Environment steps/s of a training here and with up to so many actors.

    Each is measured for so many seconds, after its random steps.
    """
    task, rates = make(name), {}
    config = replace(preset(task.preset), replay_capacity=200_000)
    with tempfile.TemporaryDirectory() as directory:
        here = Trainer(task, replace(config, threads=2), Path(directory))
        rates["train_here"] = steps_per_second(here, seconds)
        for count in range(1, most + 1):
            actors = RayActors(cluster, count)
            trainer = ActorTrainer(task, replace(config, threads=1), Path(directory), actors)
            trainer.begin()
            rates[f"train_actors_{count}"] = steps_per_second(trainer, seconds)
            rates[f"learner_waits_{count}"] = trainer.metrics()["actors/learner_waits"]
    return rates


def steps_per_second(trainer: RunState, seconds: float) -> float:
    """How fast a run is after its random steps."""
    try:
        while trainer.control_steps < trainer.config.random_steps + 10:
            trainer.step()
        trainer.metrics()  # of the time before
        start, before = time.perf_counter(), trainer.steps
        while time.perf_counter() - start < seconds:
            trainer.step()
        return (trainer.steps - before) / (time.perf_counter() - start)
    finally:
        trainer.close()


# -- memory ----------------------------------------------------------------------


@dataclass(frozen=True)
class MadeUp:
    """Returns rows at once, copies of one for each episode; nothing is simulated."""

    row: StressEpisode

    def completed(
        self, bench: Bench, orders: Iterable[Order], dumps: Path, shown: Shown
    ) -> Completed:
        """Orders and rows like those of a test; every third disturbed episode fails."""
        for order in orders:
            names = {"policy": order.label, "mode": order.mode}
            rows = [
                replace(
                    self.row,
                    **(names | condition.label),
                    sim=int(sim),
                    success=condition.severity == 0 or int(sim) % 3 > 0,
                    params={} if len(stands) > 1 else {"payload": condition.severity},
                    pushes=pushes_of(condition.axis, int(sim)),
                )
                for sim, stands in zip(order.episodes.sims, order.episodes.conditions, strict=True)
                for condition in stands
            ]
            yield order, Outcome(len(rows), as_lines(rows), order.known)


def pushes_of(axis: str, sim: int) -> tuple[Push, ...]:
    """Two pushes that are made up, where an axis has some: every third is not recovered from."""
    if axis != ONE_AXIS:
        return ()
    recovered, seconds = sim % 3 > 0, 0.02 * (sim % 100)
    time = seconds if recovered else None
    return tuple(
        Push(begin, 5.0, 0.01 * (sim % 628), 0.001 * (sim % 1000), recovered, time, time)
        for begin in (2.0, 5.0)
    )


def suite_called(name: str) -> Suite:
    """A suite of all axes by its name, or of one."""
    if name != ONE_AXIS:
        return find(name)
    return Suite(name, "", {"nominal": Share(5, 1), name: Share(100, 20)})


def remember(suite: Suite, with_report: bool) -> None:
    """Print what a suite takes of this process: handing it out, and writing its report."""
    task = make("quadruped-flat")
    policy = idle_network(task)
    with tempfile.TemporaryDirectory() as directory:
        out, sample = Path(directory, "out"), Path(directory, "sample")
        tiny = Suite("s", "", {"nominal": Share(2, 0)})
        row = next(iter(map(json.loads, run(tiny, task, [policy], sample).open())))
        start = time.perf_counter()
        rows = run(suite, task, [policy], out, executor=MadeUp(StressEpisode.from_json(row)))
        ran = time.perf_counter()
        result: dict[str, Any] = {
            "rows": sum(1 for _ in rows.open()),
            "driver_peak_mb": peak_mb(),
            "shards": len(list((out / "rows").iterdir())),
            "seconds": ran - start,
        }
        if with_report:
            seen = html.Read()
            table = RowTable(seen.watched(stress_test.rows_of(out)))
            html.write(table, stress_test.read_description(out), out / "r.html", read=seen)
            result |= {
                "report_peak_mb": peak_mb(),
                "report_mb": (out / "r.html").stat().st_size / 1e6,
                "report_seconds": time.perf_counter() - ran,
            }
    print(json.dumps(result))


def peak_mb() -> float:
    """The largest size that this process had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(name: str, factors: tuple[int, int], with_report: bool) -> dict[str, Any]:
    """How much more memory a larger suite takes, in the run and in its report."""
    measured = []
    for factor in factors:
        arguments = ["--remember", name, str(factor), *(["--report"] if with_report else [])]
        command = [sys.executable, __file__, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT)
        measured.append(json.loads(ran.stdout.splitlines()[-1]))
    small, large = measured
    more = (large["rows"] - small["rows"]) / 100_000
    slopes = {
        f"{what}_mb_per_100k": (large[f"{what}_peak_mb"] - small[f"{what}_peak_mb"]) / more
        for what in (("driver", "report") if with_report else ("driver",))
    }
    kept = {f"memory_{name}": value for name, value in large.items() if name != "seconds"}
    return slopes | kept | {"driver_seconds_per_shard": large["seconds"] / large["shards"]}


# -- projection ------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """What was measured, for the model."""

    task: float
    """Seconds of a CPU for a shard."""
    driver: float
    """Seconds of the driver for a shard: order, rows to JSON, disk."""
    result: int
    """Bytes of the rows of a shard."""
    job: int
    """Bytes of what all tasks share, sent to each machine once."""
    start: float
    """Seconds until a worker has started."""


def projected(costs: Costs, shards: int, cores: int, rounds: int = 5) -> dict[str, Any]:
    """The time of a test of so many shards on so many cores, and what is busy, by events.

    The job is sent to each machine of eight cores first. A core that has finished a shard sends its
    rows, all of them through one network card, the driver keeps them and hands out the next one,
    and only then the core goes on. A shard takes 0.8 to 1.2 times the mean. Two shards calibrate,
    then come all others, then four in each round of refinement.
    """
    rng, network, driver = random.Random(SEED), 0.0, 0.0
    sent = max(cores // 8, 1) * costs.job / NETWORK
    busy = {"cores": 0.0, "driver": 0.0, "network": sent}
    end = costs.start + sent
    for left in (2, shards - 2, *[4] * rounds):
        seconds = [costs.task * rng.uniform(0.8, 1.2) for _ in range(left)]
        busy["cores"] += sum(seconds) / cores
        ends = [end + seconds.pop() for _ in range(min(cores, left))]
        heapq.heapify(ends)
        while ends:
            network = max(network, heapq.heappop(ends)) + costs.result / NETWORK
            driver = max(driver, network) + costs.driver
            busy["network"] += costs.result / NETWORK
            busy["driver"] += costs.driver
            if seconds:
                heapq.heappush(ends, driver + seconds.pop())
            end = max(end, driver)
    return {"hours": end / 3600} | {f"{name}_busy": value / end for name, value in busy.items()}


def measure_costs(cluster: Cluster, task: AnyTask, driver: float) -> Costs:
    """What a shard of 256 episodes of a usual task takes and sends."""
    policy = idle_network(task)
    bench = Bench(task, [policy], SEED)
    (own, *_) = plan.planned(suite_of(64, rounds=0), task, [policy], SEED)
    episodes = 32
    name, ids = next(own.batches())
    part = own.episodes(ids[:episodes])
    order = Order(name, policy.label, "mean", part, True, {})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as dumps:
        outcome = bench.run(order, Path(dumps), threads=1)
    seconds = time.perf_counter() - start
    more = plan.BLOCK / episodes
    return Costs(
        task=seconds * more,
        driver=driver,
        result=int(len(pickle.dumps(outcome)) * more),
        job=len(cluster.ray.cloudpickle.dumps(bench)),
        start=10.0,
    )


def main() -> None:
    """Print figures for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Stress tests on many machines.")
    parser.add_argument("--quick", action="store_true", help="smaller, under a minute")
    parser.add_argument("--task", default="quadruped-flat")
    parser.add_argument("--remember", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--report", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.remember:
        name, factor = arguments.remember
        remember(suite_called(name).times(int(factor)), arguments.report)
        return
    quick, task = arguments.quick, make(arguments.task)
    limit, result = LIMIT / 3 if quick else LIMIT, dict[str, Any]()
    with ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        with part("start two nodes", limit):
            cluster = opened.enter_context(two_nodes())
        with part("a suite here and through Ray", limit):
            short = make(arguments.task)
            short.episode_steps = min(SHORT, short.episode_steps)
            ran = (short, suite_of(8, rounds=0)) if quick else (task, find("full"))
            result |= compare(cluster, *ran, directory)
        with part("kills", limit):
            result |= kill(cluster, 3 if quick else 20, directory)
        with part("training here and with actors", limit):
            result |= train_rates(cluster, arguments.task, *((1.5, 1) if quick else (20.0, 2)))
        with part("memory", limit):
            # The smaller one has shards of the usual size already.
            result |= memory(*(("quick", (4, 8), False) if quick else ("full", (2, 10), True)))
        if not quick:
            with part("memory of one axis", limit):
                of_one = memory(ONE_AXIS, (2, 10), True)
                result["one_axis_mb_per_100k"] = of_one["report_mb_per_100k"]
        with part("what a shard takes", limit):
            costs = measure_costs(cluster, task, result["driver_seconds_per_shard"])
    shards = sum(len(list(each.batches())) for each in _million(task))
    for cores in (2, 8, 64, 512):
        result[f"cores_{cores}"] = projected(costs, shards, cores)
    result |= {"task_seconds": costs.task, "shards": shards, "job_mb": costs.job / 1e6}
    result["driver_saturates_at_cores"] = costs.task / costs.driver
    for key, value in result.items():
        print(f"{key:<28}{value if not isinstance(value, float) else f'{value:.3g}'}")
    print(json.dumps(result))


def _million(task: AnyTask) -> list[plan.PolicyPlan]:
    """The plans of a million episodes."""
    return plan.planned(find("full").times(FACTOR), task, [idle_network(task)], SEED)


if __name__ == "__main__":
    main()
