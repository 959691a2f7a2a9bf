"""Where a command computes: in its own process, or on Ray."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from robo_maxent import machine
from robo_maxent.errors import UsageError

if TYPE_CHECKING:
    from robo_maxent.distributed.actors import RayActors
    from robo_maxent.distributed.cluster import Cluster
    from robo_maxent.distributed.runs import RayWorkers
    from robo_maxent.envs.interface import EnvFactory
    from robo_maxent.robustness.shards import Executor
    from robo_maxent.sweeps.run import Order


@contextmanager
def executor(on: str | None) -> "Iterator[Executor | None]":
    """Who runs the shards of a stress test; None: this process.

    Raises:
        RoboMaxentError: Ray can't be used there.
    """
    if on is None:
        yield None
        return
    from robo_maxent.cli.progress import say
    from robo_maxent.distributed.stress import OnRay

    with _told(on) as cluster:
        yield OnRay(cluster, notice=lambda text: say(f"  {text}"))


@contextmanager
def run_workers(on: str | None) -> "Iterator[RayWorkers | None]":
    """Who does runs on Ray; None: processes of this machine do them.

    Raises:
        RoboMaxentError: Ray can't be used there.
    """
    if on is None:
        yield None
        return
    from robo_maxent.distributed.runs import RayWorkers

    with _told(on) as cluster:
        yield RayWorkers(cluster)


def room(
    asked: int, orders: "Sequence[Order]", task: "EnvFactory", workers: "RayWorkers | None"
) -> tuple[int, int]:
    """How many runs to do at a time, and how many threads each has that does not say.

    Args:
        asked: So many at a time, where it is not 0.
        orders: The runs.
        task: Their task.
        workers: Who does them on Ray; None: processes of this machine do.

    Raises:
        UsageError: They do not fit in the memory of this machine, or one on no node.
    """
    from robo_maxent.sweeps.runner import jobs_for

    if workers is None:
        jobs = jobs_for(asked, orders, task)
        return jobs, max(machine.cpus() // jobs, 1)
    workers.require_room(max(order.config.threads for order in orders))
    jobs = asked or workers.cpus
    return jobs, max(min(workers.cpus // jobs, workers.cpus_of_a_node), 1)


def check_actors(on: str | None, count: int | None) -> None:
    """Check, before work begins, what the user said about actors.

    Raises:
        UsageError: One of the two is missing, or there are too few actors.
    """
    if count is None and on is None:
        return
    if on is None:
        raise UsageError(
            f"--actors {count} needs --on, which says where they are: --on ray (this machine), or "
            "the address of a cluster"
        )
    if count is None:
        raise UsageError(f"--on {on} needs --actors N: how many actors shall collect there")
    if count < 1:
        raise UsageError(f"actors must be at least 1, got {count}")


@contextmanager
def actors(on: str | None, count: int | None) -> "Iterator[RayActors | None]":
    """Who collects for a run on Ray; None: this process does.

    Raises:
        UsageError: There are not as many CPUs.
        RoboMaxentError: Ray can't be used there.
    """
    if on is None or count is None:
        yield None
        return
    from robo_maxent.cli.progress import say
    from robo_maxent.distributed.actors import RayActors

    with _told(on) as cluster:
        yield RayActors(cluster, count, notice=lambda text: say(f"  {text}"))


@contextmanager
def _told(on: str) -> "Iterator[Cluster]":
    """Be connected to Ray, and say to what."""
    from robo_maxent.cli.progress import say
    from robo_maxent.distributed.cluster import connected

    with connected(on) as cluster:
        nodes = "1 node" if len(cluster.nodes) == 1 else f"{len(cluster.nodes)} nodes"
        cpus = "1 CPU" if cluster.cpus == 1 else f"{cluster.cpus} CPUs"
        say(f"  Ray on {cluster.where}: {nodes}, {cpus}")
        yield cluster
