"""A stress test on many machines: its shards are tasks of Ray."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from robo_maxent import machine
from robo_maxent.distributed.cluster import Cluster
from robo_maxent.distributed.tasks import Notice, Work
from robo_maxent.robustness.shards import Bench, Completed, Order, Outcome, Shown


class OnRay:
    """An executor whose orders are tasks of Ray, each with a CPU of its own on any node."""

    def __init__(self, cluster: Cluster, notice: Notice = lambda text: None) -> None:
        """Send nothing yet; ``notice`` is called with a line about what is done again."""
        self._cluster, self._notice = cluster, notice
        self._work: tuple[Bench, Work[Order, Outcome]] | None = None

    def completed(
        self, bench: Bench, orders: Iterable[Order], dumps: Path, shown: Shown
    ) -> Completed:
        """Yield orders and what came of them, in the order in which they are finished.

        Raises:
            LostError: An order ended several workers, there is no node left that could run it, or
                Ray can't be reached any more.
            RoboMaxentError: An order raised it, or a node lacks what it needs.
        """
        if self._work is None or self._work[0] is not bench:
            self._work = bench, Work(self._cluster, run_order, bench)
        return self._work[1].completed(orders, self._notice)


def run_order(order: Order, bench: Bench) -> Outcome:
    """Run an order in a worker, which has one CPU.

    What a diverged simulation leaves comes back with the rows: the worker's disk is not ours.
    """
    machine.use_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        dumps = Path(directory)
        outcome = bench.run(order, dumps, threads=1)
        return replace(outcome, dumps={path.name: path.read_bytes() for path in dumps.iterdir()})
