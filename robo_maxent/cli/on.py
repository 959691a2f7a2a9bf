"""Where a command computes: in its own process, or on Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


@contextmanager
def _told(on: str) -> "Iterator[Cluster]":
    """Be connected to Ray, and say to what."""
    from robo_maxent.cli.progress import say
    from robo_maxent.distributed.cluster import connected

    with connected(on) as cluster:
        say(f"  Ray on {cluster.where}: {len(cluster.nodes)} nodes, {cluster.cpus} CPUs")
        yield cluster
