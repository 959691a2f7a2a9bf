"""Progress of long work on stderr: a live display in a terminal, plain lines when piped."""

import math
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from robo_maxent.training.train import Status

PLAIN_SECONDS = 10.0
"""Between two plain lines."""

console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a line for people, on stderr."""
    console.print(text, markup=False, soft_wrap=True)


class LiveDisplay:
    """A context manager that draws anew at the foot of a terminal, and nowhere else.

    A subclass prints lines instead where ``_live`` is not started.
    """

    def __init__(self) -> None:
        """Draw nothing before the context is entered."""
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """Open the live display."""
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the live display."""
        if self._live.is_started:
            self._live.stop()


class Progress(LiveDisplay):
    """Shows how far one long piece of work is."""

    def __init__(self, title: str) -> None:
        """Take what to call the work."""
        super().__init__()
        self._title = title
        self._first: tuple[float, float] | None = None  # when it was first counted, and the share
        self._last_plain = -math.inf

    def count(self, finished: int, total: int) -> None:
        """Show a share of countable work, and the time left at the speed since the first call."""
        now, share = time.monotonic(), finished / total
        since, done = self._first = self._first or (now, share)
        left = (now - since) * (1 - share) / (share - done) if share > done else math.inf
        self._show(share, f"{self._title} {share:4.0%}, {clock(left)} left", {})

    def training(self, status: Status) -> None:
        """Show the state of a training run."""
        if status.message:
            say(f"  {status.message}")
        values = {label: status.values[name] for name, label in _LABELS if name in status.values}
        head = (
            f"{self._title} {status.fraction:4.0%}, {clock(status.seconds_left)} left, "
            f"{status.steps:,} steps"
        )
        self._show(status.fraction, head, values)

    def _show(self, share: float, head: str, values: dict[str, float]) -> None:
        if self._live.is_started:
            grid = Table.grid(padding=(0, 3), expand=False)
            rows = [f"{label} [bold]{number(value)}[/bold]" for label, value in values.items()]
            for start in range(0, len(rows), 4):
                grid.add_row(*rows[start : start + 4])
            bar = Table.grid()  # a row of its own, with its line end
            bar.add_row(ProgressBar(total=1.0, completed=share, width=60))
            self._live.update(Group(Text(head), bar, grid), refresh=True)
        elif time.monotonic() - self._last_plain >= PLAIN_SECONDS:
            self._last_plain = time.monotonic()
            tail = ", ".join(f"{label} {number(value)}" for label, value in values.items())
            say(f"{head}, {tail}" if tail else head)


_LABELS = (
    ("time/fps", "steps/s"),
    ("time/updates_per_second", "updates/s"),
    ("rollout/ep_rew_mean", "return"),
    ("rollout/success_rate", "success"),
    ("eval/success_rate", "evaluated success"),
    ("eval/mean_reward", "evaluated return"),
    ("train/ent_coef", "alpha"),
    ("train/entropy", "entropy"),
    ("train/target_entropy", "target entropy"),
)


def number(value: float) -> str:
    """Format a number for people: three digits, or all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def clock(seconds: float) -> str:
    """Format a time, s, for people: minutes and seconds."""
    if not math.isfinite(seconds):
        return "--:--"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
