"""Runs in processes of this machine, one each, so that one that crashes ends no other."""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from robo_maxent.errors import RoboMaxentError
from robo_maxent.sweeps.run import Ended, Order, Progress, perform

News = tuple[str, Progress | Ended]
"""Name of a run, and what happened to it."""


class Workers(Protocol):
    """Protocol of what does runs beside this process: other processes, or Ray."""

    def start(self, order: Order) -> None:
        """Begin a run, and return at once."""
        ...

    def wait(self, seconds: float) -> list[News]:
        """Wait for news of the runs, at most so many seconds; none came if the list is empty."""
        ...

    def stop(self, name: str) -> None:
        """Ask the run of this name to write a checkpoint and end."""
        ...

    def close(self) -> None:
        """End the runs that still go on, at once."""
        ...


class Processes:
    """Workers that do each run in a process of this machine.

    A process that loses this one, however that ended, stops its run with a checkpoint.
    """

    def __init__(self) -> None:
        """Begin no run yet."""
        self._context = multiprocessing.get_context("spawn")  # torch can't be forked once it ran
        self._running: dict[str, tuple[Order, SpawnProcess, Connection]] = {}
        self._stopped: set[str] = set()

    def start(self, order: Order) -> None:
        """Begin a run in a process of its own."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(order, theirs), name=order.name)
        with _ctrl_c_held_back():
            process.start()
        theirs.close()
        self._running[order.name] = order, process, ours

    def wait(self, seconds: float) -> list[News]:
        """Wait for news: what the runs say of themselves, and which ended without a word."""
        by_pipe = {pipe: name for name, (_, _, pipe) in self._running.items()}
        news: list[News] = []
        for pipe in wait(list(by_pipe), seconds):
            assert isinstance(pipe, Connection)
            name = by_pipe[pipe]
            try:
                said = pipe.recv()
            except (EOFError, OSError):  # the process is gone
                said = self._gone(name)
            if isinstance(said, Ended):
                self._forget(name)
            news.append((name, said))
        return news

    def stop(self, name: str) -> None:
        """Send a run's process SIGTERM, which ends a training in good order."""
        if name in self._running:
            self._stopped.add(name)
            self._running[name][1].terminate()

    def close(self) -> None:
        """Kill the processes that still run."""
        for name in list(self._running):
            self._running[name][1].kill()
            self._forget(name)

    def _gone(self, name: str) -> Ended:
        """How a run ended whose process said nothing."""
        order, process, _ = self._running[name]
        process.join()
        code = process.exitcode or 0
        if name in self._stopped or code == -signal.SIGTERM:  # of whoever stops all processes too
            return Ended()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        hint = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return Ended(error=f"its process ended with {how}{hint}; see {order.log}")

    def _forget(self, name: str) -> None:
        _, process, pipe = self._running.pop(name)
        pipe.close()
        process.join()
        process.close()
        self._stopped.discard(name)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Start processes that a Ctrl-C in the terminal does not reach: they are stopped in order.

    A blocked signal stays blocked in the processes that are started meanwhile. The first one would
    start a tracker of resources before it, which unblocks the signal again.
    """
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _work(order: Order, pipe: Connection) -> None:
    """What a process does: one run."""
    _print_into(order.log)
    alone = False

    def report(progress: Progress) -> None:
        nonlocal alone
        try:
            pipe.send(progress)
        except OSError:
            if not alone:  # nobody waits for the run any more: stop as by Ctrl-C
                alone = True
                signal.raise_signal(signal.SIGTERM)

    ended = attempt(order, report)
    if not alone:
        with suppress(OSError):  # nobody waits for it any more
            pipe.send(ended)


def attempt(order: Order, report: Callable[[Progress], None]) -> Ended:
    """Do a run in this process, and return how it ended; errors are printed, not raised.

    Args:
        order: The run.
        report: Called with how far the run is, as it goes on.
    """

    def tell(progress: Progress) -> None:
        if progress.message:
            print(progress.message, flush=True)
        report(progress)

    try:
        return perform(order, tell)
    except RoboMaxentError as error:
        print(error, flush=True)
        return Ended(error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Ended(error=f"{type(error).__name__}: {error}; see {order.log}")


def _print_into(log: Path) -> None:
    """Send what the process prints, and libraries in C, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
