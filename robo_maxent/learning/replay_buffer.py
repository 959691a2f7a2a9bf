"""A ring of transitions, one row each, so that a batch is one gather.

Where a task has goals, the rows of an episode are indexed, and a share of each batch is relabelled.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from robo_maxent.errors import UsageError
from robo_maxent.learning.episode_index import ROW_BYTES, EpisodeIndex
from robo_maxent.learning.hindsight import Columns, Hindsight


@dataclass(frozen=True)
class ReplayBatch:
    """Transitions to learn from, float32; ``terminated`` is 0 or 1, and truncation is not in it.

    An episode cut off by its time limit therefore bootstraps like any other step.
    """

    obs: torch.Tensor
    """Observation, (B, O)."""
    action: torch.Tensor
    """Action in [-1, 1], (B, A), or the number of a discrete one, (B, 1)."""
    reward: torch.Tensor
    """Reward, (B,)."""
    next_obs: torch.Tensor
    """True successor, never the state after a reset, (B, O)."""
    terminated: torch.Tensor
    """1 where the episode ended in a state without a future, (B,)."""


def row_bytes(obs_size: int, action_size: int, relabelled: bool = False) -> int:
    """Memory of one stored transition, bytes; what is relabelled has its place in an index, too."""
    return 4 * (2 * obs_size + action_size + 2) + (ROW_BYTES if relabelled else 0)


class ReplayBuffer:
    """The last ``capacity`` transitions, in memory, float32."""

    def __init__(
        self, capacity: int, obs_size: int, action_size: int, hindsight: Hindsight | None = None
    ) -> None:
        """Reserve the memory.

        Args:
            capacity: Number of transitions kept, at least 1.
            obs_size: O.
            action_size: A.
            hindsight: How to relabel what is drawn; None: it is drawn as it was.

        Raises:
            UsageError: ``capacity`` is out of range.
        """
        if capacity < 1:
            raise UsageError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        a, b, c, d, e = np.cumsum([obs_size, action_size, 1, obs_size, 1]).tolist()
        self._columns = Columns(slice(0, a), slice(a, b), b, slice(c, d), d)
        self._rows = np.zeros((capacity, e), np.float32)
        self._added = 0
        self._hindsight = hindsight
        self._episodes = None if hindsight is None else EpisodeIndex(capacity)

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
        self._rows[serials % self.capacity] = rows[kept]
        if self._episodes is not None:
            self._episodes.add(sim, ended)

    def end(self, sims: Iterable[int] | None = None) -> None:
        """Count running episodes as ended where their last transition is stored.

        Args:
            sims: Simulations whose next step is missing here; None: all of them.
        """
        if self._episodes is not None:
            self._episodes.end(sims)

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
        columns, places = self._columns, rng.integers(0, len(self), size)
        rows = self._rows[places]
        if self._hindsight is not None and self._episodes is not None:
            self._hindsight.relabel(rows, places, self._rows, columns, self._episodes, rng)
        picked = torch.from_numpy(rows)
        return ReplayBatch(
            obs=picked[:, columns.obs],
            action=picked[:, columns.action],
            reward=picked[:, columns.reward],
            next_obs=picked[:, columns.next_obs],
            terminated=picked[:, columns.terminated],
        )

    def largest(self) -> tuple[float, float]:
        """Largest size of an element of an observation, and of a reward; 0 where it is empty."""
        rows, columns = self._rows[: len(self)], self._columns
        parts = (rows[:, columns.obs], rows[:, columns.next_obs]), (rows[:, columns.reward],)
        observation, reward = (
            max(max(float(x.max(initial=0.0)), -float(x.min(initial=0.0))) for x in part)
            for part in parts
        )
        return observation, reward

    def state_dict(self) -> dict[str, np.ndarray]:
        """What is stored, and the number ever added; views, to be written at once."""
        saved = {"rows": self._rows[: len(self)], "added": np.array(self._added)}
        if self._episodes is not None:
            saved |= {f"episodes.{k}": array for k, array in self._episodes.state_dict().items()}
        return saved

    def load_state_dict(self, saved: dict[str, np.ndarray]) -> None:
        """Continue exactly where :meth:`state_dict` was taken.

        Raises:
            UsageError: The saved rows have another layout or do not fit.
        """
        rows, added = saved["rows"], int(saved["added"])
        fits = rows.shape == (min(added, self.capacity), self._rows.shape[1])
        if not fits or rows.dtype != self._rows.dtype:
            raise UsageError(
                f"saved replay is {rows.dtype} {rows.shape}, this buffer holds {self._rows.dtype} "
                f"{self._rows.shape}"
            )
        self._rows[: len(rows)] = rows
        self._added = added
        if self._episodes is not None:
            names = self._episodes.state_dict()
            self._episodes.load_state_dict({name: saved[f"episodes.{name}"] for name in names})
