"""A ring of transitions, one row each, so that a batch is one gather."""

from dataclasses import dataclass

import numpy as np
import torch

from robo_maxent.errors import UsageError


@dataclass(frozen=True)
class Batch:
    """Transitions to learn from, float32; ``terminated`` is 0 or 1, and truncation is not stored.

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
    return 4 * (2 * obs_size + action_size + 2)


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
        self._added = 0

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
    ) -> None:
        """Append n transitions, over the oldest ones when full.

        Args:
            obs: (n, O).
            action: (n, A).
            reward: (n,).
            next_obs: True successors, (n, O).
            terminated: (n,).
        """
        rows = np.concatenate(
            [obs, action, reward[:, None], next_obs, terminated[:, None]], axis=1, dtype=np.float32
        )
        kept = rows[-self.capacity :]
        start = self._added + len(rows) - len(kept)
        self._rows[(start + np.arange(len(kept))) % self.capacity] = kept
        self._added += len(rows)

    def sample(self, rng: np.random.Generator, size: int) -> Batch:
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
        return Batch(
            obs=picked[:, :a],
            action=picked[:, a:b],
            reward=picked[:, b],
            next_obs=picked[:, c:d],
            terminated=picked[:, d],
        )

    def state_dict(self) -> dict[str, np.ndarray]:
        """The stored rows and the number ever added; views, to be written at once."""
        return {"rows": self._rows[: len(self)], "added": np.array(self._added)}

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
        self._rows[: len(rows)] = rows
        self._added = added
