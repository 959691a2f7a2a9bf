"""Where a command computes: in its own process, or on Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from robo_maxent.errors import UsageError

if TYPE_CHECKING:
    from robo_maxent.distributed.actors import RayActors
    from robo_maxent.distributed.cluster import Cluster
    from robo_maxent.distributed.runs import RayWorkers
    from robo_maxent.robustness.shards import Executor


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
        say(f"  Ray on {cluster.where}: {nodes}, {cluster.cpus} CPUs")
        yield cluster
