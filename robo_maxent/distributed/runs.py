"""Training runs as tasks of Ray, which write to a disk that all nodes share."""

import secrets
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from robo_maxent.distributed.cluster import Cluster
from robo_maxent.distributed.tasks import own_modules_travel
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.processes import News, attempt
from robo_maxent.sweeps.run import Ended, Order

RETRIES = 3
"""Times that a run whose node died is continued, on another one, from its checkpoint."""


class RayWorkers:
    """Workers of a sweep on many machines; each run has as many CPUs as it has threads."""

    def __init__(self, cluster: Cluster) -> None:
        """Begin no run yet."""
        from ray.util.queue import Queue

        self._cluster, self._ray = cluster, cluster.ray
        self._said: Any = Queue(actor_options={"num_cpus": 0})
        self._running: dict[Any, str] = {}  # reference of a task -> name of its run

    @property
    def cpus(self) -> int:
        """Number of CPUs of all nodes together."""
        return self._cluster.cpus

    @property
    def cpus_of_a_node(self) -> int:
        """Number of CPUs of the node with most of them."""
        return self._cluster.cpus_of_a_node

    def require_room(self, threads: int) -> None:
        """Check that a node has a CPU for each thread of a run; 0 threads fit on any.

        Raises:
            UsageError: No node has as many CPUs, so that the run would wait for ever.
        """
        most = self.cpus_of_a_node
        if most == 0:
            raise UsageError(f"{self._cluster.where} has no node with a CPU: add one")
        if threads > most:
            raise UsageError(
                f"a run with --threads {threads} needs a node with {threads} CPUs, and none of "
                f"{self._cluster.where} has more than {most}: say --threads {most} or less"
            )

    def require_shared(self, directory: Path) -> None:
        """Check that every node sees a directory, as a node must that is to write a run there.

        Raises:
            UsageError: A node does not see it; the message names the node.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Nodes that are installed alike have directories of the same name, each its own.
        mark = directory / f".seen-by-all-{secrets.token_hex(8)}"
        mark.touch()
        try:
            answers, sees = {}, _looker(mark)
            for node, address in self._cluster.nodes.items():
                there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
                task = self._ray.remote(num_cpus=0, scheduling_strategy=there)(sees)
                answers[address] = task.remote()
            for address, answer in answers.items():
                if not self._ray.get(answer):
                    raise UsageError(
                        f"node {address} does not see {directory}, where runs are to be written: "
                        "give an --out on a disk that all nodes share"
                    )
        finally:
            mark.unlink()

    def start(self, order: Order) -> None:
        """Begin a run on whatever node has room for it."""
        cpus = max(order.config.threads, 1)
        task = self._ray.remote(num_cpus=cpus, max_retries=RETRIES)(_work)
        with self._cluster.reached(), own_modules_travel(self._ray):
            self._running[task.remote(order, self._said)] = order.name

    def wait(self, seconds: float) -> list[News]:
        """Wait for news: what the runs say of themselves, and which tasks ended."""
        with self._cluster.reached():
            return self._news(seconds)

    def stop(self, name: str) -> None:
        """Interrupt a task, which ends a training in good order."""
        for reference, running in self._running.items():
            if running == name:
                with self._cluster.reached():
                    self._ray.cancel(reference, recursive=False)  # not the news it is sending

    def close(self) -> None:
        """End the tasks that still run."""
        for reference in self._running:
            self._cluster.let_go(lambda task=reference: self._ray.cancel(task, force=True))
        self._running.clear()
        self._cluster.let_go(lambda: self._said.shutdown(force=True))

    def _news(self, seconds: float) -> list[News]:
        ready, _ = self._ray.wait(list(self._running), timeout=seconds)
        running = set(self._running.values())
        count = self._said.qsize()
        news: list[News] = [
            each for each in self._said.get_nowait_batch(count) if each[0] in running
        ]
        for reference in ready:
            news.append((self._running.pop(reference), self._ended(reference)))
        return news

    def _ended(self, reference: Any) -> Ended:
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except exceptions.TaskCancelledError:
            return Ended()
        except exceptions.RayError as error:
            why = " ".join(str(error).split())[:200] or type(error).__name__
            return Ended(error=f"its node or its process died more than {RETRIES} times: {why}")


def _looker(file: Path) -> Callable[[], bool]:
    """A function that says whether it is called where a file is seen."""
    path = str(file)
    return lambda: Path(path).is_file()


def _work(order: Order, said: Any) -> Ended:
    """What a task does: one run, which prints into its log."""
    order.log.parent.mkdir(parents=True, exist_ok=True)
    with order.log.open("a") as log, redirect_stdout(log), redirect_stderr(log):
        return attempt(order, lambda progress: said.put((order.name, progress)))
