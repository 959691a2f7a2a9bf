"""Ctrl-C and SIGTERM, which end a training with a checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import numpy as np

from robo_maxent.types import Act


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise :class:`KeyboardInterrupt`, as Ctrl-C does; in the main thread only."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class InterruptedEvaluationError(Exception):
    """An evaluation was interrupted."""


class Interrupt:
    """Ctrl-C and SIGTERM end the loop after the running step; the third ends it at once."""

    lines = (
        "stopping: a checkpoint is written after this step",
        "still stopping; once more ends it at once and loses what is not in the last checkpoint",
    )
    """Lines shown at the first and at the second."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        """Do nothing yet; ``tell`` shows a line."""
        self._tell, self._presses = tell, 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def pressed(self) -> bool:
        """Whether the loop should end."""
        return self._presses > 0

    def ends(self, act: Act) -> Act:
        """The policy, which raises :class:`InterruptedEvaluationError` once the loop should end."""

        def interruptible(obs: np.ndarray) -> np.ndarray:
            if self.pressed:
                raise InterruptedEvaluationError
            return act(obs)

        return interruptible

    def __enter__(self) -> "Interrupt":
        """Handle signals from now on, in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the former handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._presses += 1
        if self._presses > len(self.lines):
            raise KeyboardInterrupt
        with suppress(RuntimeError):  # it came while a line was being written
            self._tell(self.lines[self._presses - 1])
