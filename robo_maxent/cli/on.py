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
    """Connect to what runs the shards of a stress test, and disconnect afterwards.

    Args:
        on: "ray", or the address of a cluster; None: this process runs them.

    Yields:
        The executor on Ray, or None.

    Raises:
        UsageError: Ray is not installed, or that is no address.
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
    """Connect to what does the runs of a sweep, and disconnect afterwards.

    Args:
        on: "ray", or the address of a cluster; None: processes of this machine do them.

    Yields:
        The workers on Ray, or None.

    Raises:
        UsageError: Ray is not installed, or that is no address.
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
    """Decide how many runs to do at a time, and how many threads each gets.

    Args:
        asked: Number of runs at a time that the user asked for; 0: as many as there is room for.
        orders: All runs.
        task: The task that they train on.
        workers: The workers on Ray that do them; None: processes of this machine do.

    Returns:
        Runs at a time, and threads of each run whose configuration leaves them open.

    Raises:
        UsageError: So many runs do not fit in the memory of this machine, or one fits on no node.
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

    Args:
        on: Where they shall run; None: the user did not say.
        count: How many there shall be; None: the user did not say.

    Raises:
        UsageError: One was said without the other, or there is less than one actor.
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
    """Connect to what collects transitions for a run, and disconnect afterwards.

    Args:
        on: "ray", or the address of a cluster; None: this process collects.
        count: Number of actors; None without ``on``.

    Yields:
        The actors on Ray, or None.

    Raises:
        UsageError: Ray is not installed, ``on`` is no address, or there are too few CPUs.
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
