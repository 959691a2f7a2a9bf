"""A ring of transitions, one row each, so that a batch is one gather.

Beside the rows stands which simulation each came from and how its episode went on, for whoever
wants to look further along an episode than one step.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from robo_maxent.errors import UsageError

NO_ROW = -1
"""In the place of the next row, where none is stored."""


@dataclass(frozen=True)
class ReplayBatch:
    """Transitions to learn from, float32; ``terminated`` is 0 or 1, and truncation is not in it.

    An episode cut off by its time limit therefore bootstraps like any other step.
    """

    obs: torch.Tensor
    """Observation, (B, O)."""
    action: torch.Tensor
    """Action in [-1, 1], (B, A)."""
    reward: torch.Tensor
    """Reward, (B,)."""
    next_obs: torch.Tensor
    """True successor, never the state after a reset, (B, O)."""
    terminated: torch.Tensor
    """1 where the episode ended in a state without a future, (B,)."""


def row_bytes(obs_size: int, action_size: int) -> int:
    """Memory of one stored transition, bytes."""
    floats = 2 * obs_size + action_size + 2
    return 4 * floats + 4 + 4 + 1  # and simulation, next row, whether the episode ended


class ReplayBuffer:
    """The last ``capacity`` transitions, in memory, float32."""

    def __init__(self, capacity: int, obs_size: int, action_size: int) -> None:
        """Reserve the memory.

        Args:
            capacity: Number of transitions kept, at least 1.
            obs_size: O.
            action_size: A.

        Raises:
            UsageError: ``capacity`` is out of range.
        """
        if capacity < 1:
            raise UsageError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self._splits = np.cumsum([obs_size, action_size, 1, obs_size, 1]).tolist()
        self._rows = np.zeros((capacity, self._splits[-1]), np.float32)
        self._sim = np.zeros(capacity, np.int32)
        self._ended = np.zeros(capacity, bool)
        self._next_row = np.full(capacity, NO_ROW, np.int32)
        self._added = 0
        self._running: dict[int, int] = {}
        """Simulation -> how many rows had been added before the last one of its episode."""

    def __len__(self) -> int:
        """Number of transitions stored."""
        return min(self._added, self.capacity)

    def add(
        self,
        obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        next_obs: np.ndarray,
        terminated: np.ndarray,
        sim: np.ndarray,
        ended: np.ndarray,
    ) -> None:
        """Append n transitions, over the oldest ones when full.

        Args:
            obs: (n, O).
            action: (n, A).
            reward: (n,).
            next_obs: True successors, (n, O).
            terminated: (n,).
            sim: Number of the simulation that each comes from, int, (n,). A transition follows the
                last one of the same simulation, unless the episode ended there.
            ended: Whether the episode ended there, terminated or truncated, (n,).
        """
        rows = np.concatenate(
            [obs, action, reward[:, None], next_obs, terminated[:, None]], axis=1, dtype=np.float32
        )
        self._added += len(rows)
        kept = slice(max(len(rows) - self.capacity, 0), None)
        serials = np.arange(self._added - len(rows), self._added)[kept]
        places = serials % self.capacity
        self._rows[places] = rows[kept]
        self._sim[places] = sim[kept]
        self._ended[places] = ended[kept]
        self._next_row[places] = NO_ROW
        self._link(serials.tolist(), sim[kept].tolist(), ended[kept].tolist())

    def end(self, sims: Iterable[int] | None = None) -> None:
        """Count running episodes as ended where their last transition is stored.

        Args:
            sims: Simulations whose next step is missing here; None: all of them.
        """
        for sim in list(self._running if sims is None else sims):
            serial = self._running.pop(int(sim), NO_ROW)
            if self._is_stored(serial):
                self._ended[serial % self.capacity] = True

    def sample(self, rng: np.random.Generator, size: int) -> ReplayBatch:
        """Draw transitions uniformly with replacement.

        Args:
            rng: Source of the draw.
            size: B.

        Raises:
            UsageError: The buffer is empty.
        """
        if not self._added:
            raise UsageError("nothing to sample: the replay buffer is empty")
        picked = torch.from_numpy(self._rows[rng.integers(0, len(self), size)])
        a, b, c, d, _ = self._splits
        return ReplayBatch(
            obs=picked[:, :a],
            action=picked[:, a:b],
            reward=picked[:, b],
            next_obs=picked[:, c:d],
            terminated=picked[:, d],
        )

    def episode_ends(self, rows: np.ndarray) -> np.ndarray:
        """The last stored transition of the same episode, for each of some transitions.

        Args:
            rows: Places of transitions in the ring, each below ``len``, int, (B,).

        Returns:
            Places in the ring, int, (B,).
        """
        ends = np.array(rows)
        going_on = np.arange(len(ends))
        while len(going_on):
            following = self._next_row[ends[going_on]]
            going_on = going_on[following != NO_ROW]
            ends[going_on] = following[following != NO_ROW]
        return ends

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is stored, and the number ever added; views, to be written at once."""
        size = len(self)
        return {
            "rows": self._rows[:size],
            "sim": self._sim[:size],
            "ended": self._ended[:size],
            "next_row": self._next_row[:size],
            "added": np.array(self._added),
        }

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> None:
        """Continue exactly where :meth:`state_dict` was taken.

        Raises:
            UsageError: The saved rows have another layout or do not fit.
        """
        rows, added = saved["rows"], int(saved["added"])
        if rows.shape[1] != self._rows.shape[1] or len(rows) != min(added, self.capacity):
            raise UsageError(
                f"saved replay has shape {rows.shape}, this buffer holds {self._rows.shape}"
            )
        size = len(rows)
        self._rows[:size] = rows
        self._sim[:size], self._ended[:size] = saved["sim"], saved["ended"]
        self._next_row[:size] = saved["next_row"]
        self._added = added
        open_rows = np.flatnonzero(~self._ended[:size] & (self._next_row[:size] == NO_ROW))
        serials = added - 1 - (added - 1 - open_rows) % self.capacity
        sims = self._sim[open_rows].tolist()
        self._running = dict(zip(sims, serials.tolist(), strict=True))

    def _link(self, serials: list[int], sims: list[int], ended: list[bool]) -> None:
        """Note for each new row that it follows the one before it in its episode."""
        for serial, sim, is_last in zip(serials, sims, ended, strict=True):
            before = self._running.get(sim, NO_ROW)
            if self._is_stored(before):
                self._next_row[before % self.capacity] = serial % self.capacity
            self._running[sim] = serial
            if is_last:
                del self._running[sim]

    def _is_stored(self, serial: int) -> bool:
        """Whether the row that so many were added before is still there."""
        return serial >= max(self._added - self.capacity, 0)
