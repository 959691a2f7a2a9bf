"""Simulated time that keeps pace with the clock."""

from collections import deque

LATE = 0.2  # s behind the clock from which time is given up
WINDOW = 1.0  # s over which the factor is taken


class Pace:
    """Says how many control steps are due, and how fast they really were."""

    def __init__(self, control_dt: float) -> None:
        """Begin at rest; ``control_dt`` is the time between two control steps, s."""
        self._dt = control_dt
        self.next_step: float | None = None
        """When the next step is due, on the clock of :meth:`due`, s; None: time stands still."""
        self._taken: deque[tuple[float, int]] = deque()  # when, and how many, of the last second

    def due(self, now: float) -> int:
        """How many control steps to take at a time, s, of any clock that does not jump.

        What can't be caught up is given up: a slow machine shows slow motion, no jerks.
        """
        if self.next_step is None:
            self.next_step = now
        if now - self.next_step > LATE:
            self.next_step = now
        steps = 0
        while self.next_step <= now:
            self.next_step += self._dt
            steps += 1
        return steps

    def took(self, now: float, steps: int) -> None:
        """Control steps were taken."""
        if steps:
            self._taken.append((now, steps))
        while self._taken and now - self._taken[0][0] > WINDOW:
            self._taken.popleft()

    @property
    def factor(self) -> float | None:
        """Simulated time over time, of the last second; None: too few steps were taken in it."""
        if len(self._taken) < 2:
            return None
        steps = sum(steps for _, steps in self._taken) - self._taken[0][1]
        return steps * self._dt / (self._taken[-1][0] - self._taken[0][0])

    def rest(self) -> None:
        """Time stands still from now on, until steps are asked for again."""
        self.next_step = None
        self._taken.clear()
