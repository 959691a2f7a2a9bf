"""Progress of several runs on stderr: a live table in a terminal, plain lines when piped."""

import math
import time
from collections.abc import Callable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from robo_maxent.cli.progress import LiveDisplay, clock, number, say
from robo_maxent.sweeps.processes import Workers
from robo_maxent.sweeps.run import Order
from robo_maxent.sweeps.runner import Runner, Standing

PLAIN_SECONDS = 60.0
"""Between two plain lines about all runs."""
REFRESH_SECONDS = 0.25
"""Between two pictures of the table."""


class RunsTable(LiveDisplay):
    """Shows how far several runs are, while they are done."""

    def __init__(self, title: str, total: int, group: Callable[[Standing], str]) -> None:
        """Show nothing before the context is entered.

        Args:
            title: Title of the table.
            total: Number of runs that there will be.
            group: Names the row of the table that a run belongs to.
        """
        super().__init__()
        self._title, self._total, self._group = title, total, group
        self._runs: dict[str, Standing] = {}
        self._at_first: dict[str, float] = {}  # what was spent of each run when it was begun here
        self._start = self._shown = self._plain = time.monotonic()

    def show(self, standing: Standing) -> None:
        """Take the news of a run, and show them."""
        name, before = standing.order.name, self._runs.get(standing.order.name)
        self._runs[name] = standing
        self._at_first.setdefault(name, 1.0 if standing.result else _spent(standing))
        if before is not None and before.state == "running" and before.progress is None:
            self._at_first[name] = _spent(standing)  # of a run that is continued
        if before is None or before.state != standing.state:
            self._tell(standing, is_new=before is None)
        elif _is_judged(standing) and not _is_judged(before) and not self._live.is_started:
            say(f"  {name}: trained, being judged on fresh episodes")
        now = time.monotonic()
        if self._live.is_started and now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            self._live.update(Group(Text(self.head()), self._table()), refresh=True)
        elif not self._live.is_started and now - self._plain >= PLAIN_SECONDS:
            self._plain = now
            say(f"  {self.head()}")

    def head(self) -> str:
        """Say how far all runs are, and how much time is left at the speed so far."""
        spent = sum(map(_spent, self._runs.values()))
        here = spent - sum(self._at_first.values())
        left = math.inf
        if here > 0:
            left = (time.monotonic() - self._start) / here * (self._total - spent)
        states = [standing.state for standing in self._runs.values()]
        counts = {
            "failed": states.count("failed"),
            "being judged": sum(map(_is_judged, self._runs.values())),
        }
        others = "".join(f", {count} {what}" for what, count in counts.items() if count)
        return (
            f"{self._title} {spent / self._total:4.0%}, {clock(left)} left, "
            f"{states.count('finished')} of {self._total} runs finished{others}"
        )

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("setting")
        for title in ("finished", "success", "return"):
            table.add_column(title, justify="right")
        table.add_column("running")
        groups: dict[str, list[Standing]] = {}
        for standing in self._runs.values():
            groups.setdefault(self._group(standing), []).append(standing)
        for name, standings in groups.items():
            table.add_row(name, *_cells(standings))
        return table

    def _tell(self, standing: Standing, is_new: bool) -> None:
        """A line for a run that begins or ends; a terminal's table shows the beginnings."""
        name, result = standing.order.name, standing.result
        if standing.state == "running":
            if not self._live.is_started:
                say(f"  {name}: begun")
        elif result is not None:
            success = "" if result.success is None else f"success {result.success:.1%}, "
            again = ", was finished before" if is_new else ""
            say(f"  {name}: {success}return {number(result.mean_return)}{again}")
        elif standing.state == "failed":
            say(f"  {name}: failed: {standing.error}")
        elif standing.state == "pruned":
            say(f"  {name}: pruned at {_reached(standing)}")
        else:
            say(f"  {name}: stopped, to be continued")


def _spent(standing: Standing) -> float:
    if standing.state in ("finished", "failed", "pruned"):
        return 1.0
    return standing.progress.fraction if standing.progress else 0.0


def _is_judged(standing: Standing) -> bool:
    """Whether it is trained, and plays the fresh episodes that judge it."""
    return standing.state == "running" and _spent(standing) >= 1.0


def _reached(standing: Standing) -> str:
    progress = standing.progress
    if progress is None or progress.mean_return is None:
        return "0 steps"
    return f"{progress.steps:,} steps, with a return of {number(progress.mean_return)}"


def _cells(standings: list[Standing]) -> tuple[str, str, str, str]:
    """Finished runs of a row, what they and the running ones reach, and how far those are."""
    finished = sum(standing.state == "finished" for standing in standings)
    known = [standing.result or standing.progress for standing in standings]
    judged = [each for each in known if each and each.mean_return is not None]
    knows = any(each.success is not None for each in judged)
    successes = [each.success or 0.0 for each in judged] if knows else []  # silence is none
    returns = [each.mean_return for each in judged if each.mean_return is not None]
    running = [
        f"{standing.order.directory.name} "
        + ("being judged" if _is_judged(standing) else f"{_spent(standing):.0%}")
        for standing in standings
        if standing.state == "running"
    ]
    success = f"{sum(successes) / len(successes):.1%}" if successes else "-"
    mean = number(sum(returns) / len(returns)) if returns else "-"
    return str(finished), success, mean, ", ".join(running)


def do(
    orders: Sequence[Order],
    jobs: int,
    title: str,
    group: Callable[[Standing], str],
    workers: Workers | None,
) -> dict[str, Standing]:
    """Bring runs to their ends, and show them meanwhile.

    Args:
        orders: The runs, in the order in which they are begun.
        jobs: Number of runs at a time.
        title: Title of the table that shows them.
        group: Names the row of the table that a run belongs to.
        workers: What does the runs; None: processes of this machine.

    Returns:
        Name of each run that was begun, or finished before -> how it ended.
    """
    table = RunsTable(title, len(orders), group)
    with table, Runner(jobs, table.show, workers, say) as runner:
        return runner.run(orders)
