"""Several runs, brought to their ends: some at a time, whatever becomes of each of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self

from robo_maxent import machine
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.processes import Processes, Workers
from robo_maxent.sweeps.run import Ended, Order, Progress, Result, read_result
from robo_maxent.training.interrupt import Interrupt
from robo_maxent.training.memory import memory_needed

LOOK_SECONDS = 0.5
"""Between looks at whether Ctrl-C was pressed."""

State = Literal["running", "finished", "stopped", "failed", "pruned"]
"""A runner prunes nothing; whoever has it stop a run for good calls that pruned."""


@dataclass(frozen=True)
class Standing:
    """How far a run is, or how it ended."""

    order: Order
    state: State
    progress: Progress | None = None
    """The last that it said; None: nothing yet, or it was finished before."""
    result: Result | None = None
    error: str = ""


Show = Callable[[Standing], None]


class Stop(Interrupt):
    """A context in which Ctrl-C and SIGTERM ask all runs to stop."""

    lines = (
        "stopping: every run writes a checkpoint",
        "still stopping; once more ends the runs at once and loses what is not in their last "
        "checkpoints",
    )


class Runner:
    """Brings runs to their ends; one that is finished already is not done again.

    Use it as a context manager: what still runs at its end is killed.
    """

    def __init__(
        self,
        jobs: int,
        show: Show,
        workers: Workers | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        """Begin no run yet.

        Args:
            jobs: Number of runs at a time.
            show: Called with where a run is, whenever it says something.
            workers: What does the runs; None: processes of this machine.
            tell: Shows a line to people.
        """
        self._jobs, self._show, self._tell = jobs, show, tell
        self._workers = workers or Processes()
        self._running: dict[str, Standing] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        """As it is."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs."""
        self._workers.close()

    def run(self, orders: Iterable[Order]) -> dict[str, Standing]:
        """Bring runs to their ends, until all have one or Ctrl-C is pressed.

        Args:
            orders: The runs, in the order in which they are begun. Each is asked for when there is
                room for it, so it may depend on those before it.

        Returns:
            Name of each run that was begun, or finished before -> how it ended.
        """
        waiting, ended = iter(orders), dict[str, Standing]()
        with Stop(self._tell) as stop:
            while True:
                while not stop.pressed and len(self._running) < self._jobs:
                    order = next(waiting, None)
                    if order is None:
                        break
                    self._begin(order, ended)
                if not self._running:
                    return ended
                for name, news in self._workers.wait(LOOK_SECONDS):
                    self._hear(name, news, ended)
                if stop.pressed:
                    for name in self._running:
                        self.stop(name)

    def stop(self, name: str) -> None:
        """Ask the run of this name to write a checkpoint and end; once is enough."""
        if name in self._running and name not in self._told:
            self._told.add(name)
            self._workers.stop(name)

    def _begin(self, order: Order, ended: dict[str, Standing]) -> None:
        if (result := read_result(order.directory)) is not None:
            ended[order.name] = Standing(order, "finished", result=result)
            self._show(ended[order.name])
            return
        self._workers.start(order)
        self._running[order.name] = Standing(order, "running")
        self._show(self._running[order.name])

    def _hear(self, name: str, news: Progress | Ended, ended: dict[str, Standing]) -> None:
        if isinstance(news, Progress):
            standing = self._running[name] = replace(self._running[name], progress=news)
        else:
            standing = ended[name] = _ended(self._running.pop(name), news)
            self._told.discard(name)
        self._show(standing)


def jobs_for(asked: int, orders: Sequence[Order], task: EnvFactory) -> int:
    """Decide how many runs to do at a time: one per CPU, if they fit in memory.

    Args:
        asked: Number that the user asked for; 0: the user left it open.
        orders: All runs.
        task: The task that they train on.

    Raises:
        UsageError: As many as the user asked for do not fit in memory, or not even one does.
    """
    if asked < 0:
        raise UsageError(f"jobs must be at least 0, got {asked}")
    needed = max(memory_needed(task, order.config) for order in orders)
    available = machine.available_memory()
    fitting = available // needed
    if fitting < max(asked, 1):
        raise UsageError(
            f"{max(asked, 1)} runs at a time need about "
            f"{max(asked, 1) * needed / 1e9:.1f} GB of memory, of which {available / 1e9:.1f} GB "
            "are available: take fewer --jobs, or a smaller --replay-capacity"
        )
    return asked or min(machine.cpus(), len(orders), fitting)


def with_threads(order: Order, threads: int) -> Order:
    """Give a run so many threads, unless its configuration says how many it has."""
    if order.config.threads:
        return order
    return replace(order, config=replace(order.config, threads=threads))


def _ended(standing: Standing, ended: Ended) -> Standing:
    state: State = "failed" if ended.error else "finished" if ended.result else "stopped"
    return replace(standing, state=state, result=ended.result, error=ended.error)
