"""Tasks that may be done anywhere, and again: whatever dies meanwhile, each is done once.

A task is a function of an order and of what all tasks share. It must give the same result wherever
and however often it is called, so that one whose worker or node died is simply called again.
"""

import errno
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from robo_maxent.distributed.cluster import Cluster, LostError
from robo_maxent.errors import RoboMaxentError, UsageError

T = TypeVar("T")
R = TypeVar("R")
Notice = Callable[[str], None]

AHEAD = 2
"""Tasks that wait for a CPU, beside those that have one: so that no CPU waits for us."""
DEATHS = 5
"""Workers that may end over one task; it is then the task that ends them."""
LONELY_SECONDS = 120.0
"""How long to wait for a node where there is none."""
LOOK_SECONDS = 2.0
"""Between two looks at which nodes there are."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Finished(Generic[R]):
    """The result of a task."""

    result: R


@dataclass(frozen=True)
class Refused:
    """An error that a task raised on purpose, and would raise on any node."""

    text: str
    exit_code: int


@dataclass(frozen=True)
class Unable:
    """A node can't do the task, since its disk is full; another node may."""

    node: str
    """Its id."""
    text: str


@dataclass
class _Try(Generic[T]):
    """An order that is sent, and how many workers died of it so far."""

    order: T
    deaths: int = 0


def completed(
    cluster: Cluster,
    function: Callable[..., R],
    orders: Iterable[T],
    *shared: Any,
    notice: Notice = lambda text: None,
) -> Generator[tuple[T, R], None, None]:
    """Yield orders and their results; see :meth:`Work.completed`."""
    return Work(cluster, function, *shared).completed(orders, notice)


class Work(Generic[T, R]):
    """A function of an order and of what all orders share, sent once to each worker."""

    def __init__(self, cluster: Cluster, function: Callable[..., R], *shared: Any) -> None:
        """Send what all orders share to Ray.

        Args:
            cluster: Where to run tasks; nodes may come and go.
            function: Called with an order and with ``shared``; each call has one CPU.
            shared: Arguments that are the same for all orders, which workers keep.
        """
        self.cluster = cluster
        with own_modules_travel(cluster.ray):
            # In a list, references arrive as such, and a worker resolves each only once.
            self.shared = [cluster.ray.put(value) for value in (function, *shared)]

    def completed(
        self, orders: Iterable[T], notice: Notice = lambda text: None
    ) -> Generator[tuple[T, R], None, None]:
        """Yield orders and their results, in the order in which they are finished.

        Orders are asked for when a CPU is free, or will be soon, so that there may be any number of
        them, and each may depend on results that came before.

        Args:
            orders: The first argument of each call.
            notice: Called with a line for people about what went wrong and is done again.

        Raises:
            LostError: A task ended several workers, there is no node left that could do it, or Ray
                can't be reached any more.
            RoboMaxentError: The function raised it, or a node can't import the function.
        """
        window: _Window[T, R] = _Window(self.cluster, self.shared, notice)
        try:
            yield from window.completed(iter(orders))
        finally:
            window.cancel()


class _Window(Generic[T, R]):
    """The tasks that were sent and have not come back."""

    def __init__(self, cluster: Cluster, shared: list[Any], notice: Notice) -> None:
        self._cluster, self._ray, self._notice = cluster, cluster.ray, notice
        self._shared = shared
        self._task = self._ray.remote(num_cpus=1, max_retries=0)(_guarded)
        self._running: dict[Any, _Try[T]] = {}
        self._again: deque[_Try[T]] = deque()
        self._full: dict[str, str] = {}  # id of a node whose disk is full -> what it said
        self._size = 1
        self._looked = self._seen = time.monotonic()

    def completed(self, orders: Iterator[T]) -> Iterator[tuple[T, R]]:
        with self._cluster.reached():
            self._look()
        while True:
            with self._cluster.reached():
                while len(self._running) < self._size and (new := self._next(orders)):
                    self._submit(new)
                finished = self._finished()
            if not self._running and not finished and not self._again:
                return
            yield from finished

    def _finished(self) -> list[tuple[T, R]]:
        """Wait for a task, if there is any; it may have to be done again."""
        if not self._running:
            return []
        ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=LOOK_SECONDS)
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()
        results = []
        for reference in ready:
            own = self._running.pop(reference)
            answer = self._answer(own, reference)
            if answer is not None:
                results.append((own.order, answer.result))
        return results

    def cancel(self) -> None:
        """Cancel all tasks that have not come back."""
        for reference in self._running:
            self._cluster.let_go(lambda task=reference: self._ray.cancel(task, force=True))
        self._running.clear()

    def _next(self, orders: Iterator[T]) -> "_Try[T] | None":
        if self._again:
            return self._again.popleft()
        for order in orders:
            return _Try(order)
        return None

    def _submit(self, new: _Try[T]) -> None:
        from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

        task = self._task
        if self._full:
            elsewhere: Any = {"ray.io/node-id": NotIn(*self._full)}
            task = task.options(scheduling_strategy=NodeLabelSchedulingStrategy(hard=elsewhere))
        self._running[task.remote(new.order, self._shared)] = new

    def _answer(self, own: _Try[T], reference: Any) -> Finished[R] | None:
        """What a task returned; None: it is done again."""
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise RoboMaxentError(
                    f"a node can't import what is needed ({error.cause}): install it there, or put "
                    "it into this directory"
                ) from error
            raise  # an error that nobody foresaw
        except exceptions.RayError as error:
            self._died(own, error)
            return None
        if isinstance(answer, Refused):
            kind = UsageError if answer.exit_code == UsageError.exit_code else RoboMaxentError
            raise kind(answer.text)
        if isinstance(answer, Unable):
            self._full[answer.node] = answer.text
            self._require_room()
            self._notice(f"{answer.text}: nothing more is run there")
            self._again.append(own)
            return None
        return answer

    def _died(self, own: _Try[T], error: Exception) -> None:
        own.deaths += 1
        why = " ".join(str(error).split())[:200] or type(error).__name__
        if own.deaths >= DEATHS:
            raise LostError(
                f"{own.order} ended {DEATHS} workers, one after the other; the last said: {why}"
            ) from error
        self._notice(f"a worker died ({type(error).__name__}): {own.order} is done again")
        self._again.append(own)

    def _look(self) -> None:
        """See how many CPUs there are.

        Raises:
            LostError: There has been none for long.
        """
        self._looked = time.monotonic()
        cpus = self._cluster.cpus
        if cpus:
            self._seen, self._size = self._looked, cpus + AHEAD
        elif self._looked - self._seen > LONELY_SECONDS:
            raise LostError(
                f"{self._cluster.where} has had no node with a CPU for {LONELY_SECONDS:.0f} s"
            )

    def _require_room(self) -> None:
        if not self._cluster.nodes.keys() - self._full.keys():
            raise LostError(f"no node can go on: {'; '.join(self._full.values())}")


@contextmanager
def own_modules_travel(ray: Any) -> Iterator[None]:
    """Send what modules of the current directory define, rather than where to import it from."""
    own = [module for module in list(sys.modules.values()) if _is_own(module)]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _is_own(module: ModuleType) -> bool:
    """Whether a module lies in the current directory and is not installed."""
    file = getattr(module, "__file__", None)
    if not file or module.__name__.split(".")[0] in ("__main__", "robo_maxent"):
        return False
    place = Path(file)
    return place.is_relative_to(Path.cwd()) and "site-packages" not in place.parts


_kept: dict[str, Any] = {}
"""What the tasks of this worker share, by reference."""


def _guarded(order: Any, shared: list[Any]) -> Finished[Any] | Refused | Unable:
    """Run a task in a worker: the first of what tasks share is their function."""
    import ray

    names = [reference.hex() for reference in shared]
    for name in _kept.keys() - names:
        del _kept[name]  # of tasks before
    for name, reference in zip(names, shared, strict=True):
        if name not in _kept:
            _kept[name] = ray.get(reference)
    try:
        function, *arguments = map(_kept.__getitem__, names)
        return Finished(function(order, *arguments))
    except RoboMaxentError as error:  # as text, for not every error can be sent
        return Refused(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in FULL:
            raise
        node = ray.get_runtime_context().get_node_id()
        where = f"node {socket.gethostname()} ({node[:8]})"
        return Unable(node, f"{where} can't write {error.filename or ''}: {error.strerror}")
