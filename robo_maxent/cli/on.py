"""Where a command computes: in its own process, or on Ray."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from robo_maxent.distributed.cluster import connected
    from robo_maxent.distributed.stress import OnRay

    with connected(on) as ray:
        say(f"  Ray on {ray.where}: {len(ray.nodes)} nodes, {ray.cpus} CPUs")
        yield OnRay(ray, notice=lambda text: say(f"  {text}"))
