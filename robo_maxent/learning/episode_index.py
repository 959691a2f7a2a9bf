"""Which rows of a ring of transitions belong to one episode, in their order."""

from collections.abc import Iterable

import numpy as np

OPEN = -1
"""In the place of a position, while the episode of a row runs."""
ROW_BYTES = 2 * 4 + 3 * 8
"""Memory for each row of the ring: two places in the list, and three positions."""


class EpisodeIndex:
    """Rows of finished episodes, listed one episode after the other.

    Simulations take turns in the ring, and one that diverged leaves no row, so that an episode is
    not a regular pattern of places. When an episode ends, its places are appended to a list, in
    which any later row of the same episode is one draw away. The list is a ring too, of twice the
    capacity: since the oldest stored row was added, no more rows than ``capacity`` were added, and
    those that were appended since then were stored at that moment or came later.
    """

    def __init__(self, capacity: int) -> None:
        """Reserve the memory for a ring of ``capacity`` rows."""
        self._capacity = capacity
        self._listed = np.zeros(2 * capacity, np.int32)
        self._length = 0
        """How many places were ever appended to the list."""
        self._position = np.full(capacity, OPEN, np.int64)  # of each row in the list
        self._first = np.full(capacity, OPEN, np.int64)  # position of the first of its episode
        self._last = np.full(capacity, OPEN, np.int64)  # and of the last
        self._added = 0
        self._running: dict[int, list[int]] = {}
        """Simulation -> how many rows had been added before each one of its episode."""

    def add(self, sims: np.ndarray, ended: np.ndarray) -> None:
        """Take note of n rows, which stand in the ring behind those before.

        Args:
            sims: Number of the simulation of each, int, (n,).
            ended: Whether the episode ended there, bool, (n,).
        """
        serials = np.arange(self._added, self._added + len(sims))
        self._added += len(sims)
        self._position[serials[-self._capacity :] % self._capacity] = OPEN
        for serial, sim in zip(serials.tolist(), sims.tolist(), strict=True):
            self._running.setdefault(sim, []).append(serial)
            if ended[serial - serials[0]]:
                self._finish(sim)

    def end(self, sims: Iterable[int] | None = None) -> None:
        """Let running episodes end with their last row; all of them unless ``sims`` says which."""
        for sim in list(self._running if sims is None else sims):
            self._finish(int(sim))

    def is_finished(self, rows: np.ndarray) -> np.ndarray:
        """Whether the episodes of rows, by their places, (B,), have ended: bool, (B,)."""
        return self._position[rows] != OPEN

    def later(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A row of the same finished episode for each of some, uniformly from itself on: (B,)."""
        position, last = self._position[rows], self._last[rows]
        return self._place(rng.integers(position, last + 1))

    def ends(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last row of the finished episode of each, (B,) both.

        Where the first was overwritten, the row itself stands for it.
        """
        first = self._place(self._first[rows])
        is_stored = self._position[first] == self._first[rows]
        return np.where(is_stored, first, rows), self._place(self._last[rows])

    def state_dict(self) -> dict[str, np.ndarray]:
        """All that continues; the rows of running episodes are in it simulation by simulation."""
        lengths = [len(serials) for serials in self._running.values()]
        serials = [serial for serials in self._running.values() for serial in serials]
        size, length = min(self._added, self._capacity), min(self._length, 2 * self._capacity)
        return {
            "listed": self._listed[:length],
            "position": self._position[:size],
            "first": self._first[:size],
            "last": self._last[:size],
            "counts": np.array([self._length, self._added]),
            "running_sims": np.repeat(np.array(list(self._running), np.int64), lengths),
            "running_serials": np.array(serials, np.int64),
        }

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> None:
        """Continue exactly where :meth:`state_dict` was taken."""
        self._length, self._added = (int(count) for count in saved["counts"])
        self._listed[: len(saved["listed"])] = saved["listed"]
        for name in ("position", "first", "last"):
            getattr(self, f"_{name}")[: len(saved[name])] = saved[name]
        self._running = {}
        sims, serials = saved["running_sims"].tolist(), saved["running_serials"].tolist()
        for sim, serial in zip(sims, serials, strict=True):
            self._running.setdefault(sim, []).append(serial)

    def _finish(self, sim: int) -> None:
        """Append the rows of an episode that are still stored to the list."""
        oldest = self._added - self._capacity
        serials = [serial for serial in self._running.pop(sim, []) if serial >= oldest]
        if not serials:
            return
        places = np.array(serials) % self._capacity
        positions = self._length + np.arange(len(places))
        self._length += len(places)
        self._listed[positions % len(self._listed)] = places
        self._position[places] = positions
        self._first[places], self._last[places] = positions[0], positions[-1]

    def _place(self, position: np.ndarray) -> np.ndarray:
        return self._listed[position % len(self._listed)]
