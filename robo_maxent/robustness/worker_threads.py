"""Threads for long work in this process, with progress and the possibility to stop.

The physics and the products of matrices leave the interpreter to others while they compute, so one
thread simulates while another decides. Whoever waits for the work is the only one that shows
progress, writes files, or meets Ctrl-C.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from types import TracebackType
from typing import Self, TypeVar

R = TypeVar("R")
Shown = Callable[[int, int], None]
"""Called with control steps done, and at most to do."""
Work = Callable[[Shown], R]
"""Function that gets a callback for its progress, to be called at every control step."""

LOOK_SECONDS = 0.2
"""Time between two looks at the progress."""
PARTS = 10_000
"""Parts in which the progress of several works is shown."""


class _StoppedError(Exception):
    """The work was stopped."""


class WorkerThreads:
    """Threads that do work; as a context manager it stops unfinished work at its end.

    Work is stopped where it shows its progress, so within a control step.
    """

    def __init__(self, threads: int) -> None:
        """Prepare for at most so many threads."""
        self._pool = ThreadPoolExecutor(threads, "simulating")
        self._stops = threading.Event()
        self._shares: dict[int, float] = {}  # number of a piece of work that runs -> share done
        self._begun = 0

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all work, and wait for it."""
        self._stops.set()
        self._pool.shutdown(cancel_futures=True)

    @property
    def shares(self) -> float:
        """Sum of the done shares of running work."""
        return sum(list(self._shares.values()))

    def begin(self, work: Work[R]) -> Future[R]:
        """Start work as soon as a thread is free."""
        number, self._begun = self._begun, self._begun + 1

        def shown(count: int, steps: int) -> None:
            if self._stops.is_set():
                raise _StoppedError
            self._shares[number] = count / steps

        def done() -> R:
            try:
                return work(shown)
            finally:
                self._shares.pop(number, None)

        return self._pool.submit(done)

    def wait(self, work: Collection[Future[R]]) -> set[Future[R]]:
        """Finished work: at least one, or after a moment perhaps none."""
        return wait_for(work, LOOK_SECONDS, FIRST_COMPLETED).done


def all_done(works: Sequence[Work[R]], threads: int, shown: Shown) -> list[R]:
    """Results of several works of the same length, in order, so many at a time."""
    if threads == 1:
        return [work(_shown_of(shown, number, len(works))) for number, work in enumerate(works)]
    with WorkerThreads(threads) as workers:
        begun = [workers.begin(work) for work in works]
        running = set(begun)
        while running:
            for ended in workers.wait(running):
                ended.result()  # or the others would go on in vain
                running.remove(ended)
            done = (len(works) - len(running) + workers.shares) / len(works)
            shown(round(PARTS * done), PARTS)
    return [work.result() for work in begun]


def _shown_of(shown: Shown, number: int, works: int) -> Shown:
    """Callback for the progress of one of several works in sequence."""
    return lambda count, steps: shown((number * steps + count) // works, steps)
