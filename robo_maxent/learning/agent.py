"""Protocol of a learning algorithm; ``sac.Sac`` is one."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from robo_maxent.learning.diagnostics import Diagnostics
from robo_maxent.learning.explorer import Explorer
from robo_maxent.learning.policy import Policy
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.spaces import Layout


class Agent(Protocol):
    """Acts to gather experience, and learns from it off-policy."""

    @property
    def updates(self) -> int:
        """Number of gradient updates so far."""
        ...

    @property
    def explorer(self) -> Explorer:
        """What :meth:`explore` acts with, to be sent to actors."""
        ...

    def observe(self, obs: np.ndarray) -> None:
        """Update observation statistics with new observations, once each, float32, (N, O)."""
        ...

    def explore(self, obs: np.ndarray) -> np.ndarray:
        """Exploring actions at observations (N, O): float32 in [-1, 1], (N, A).

        Of discrete actions int64, (N,), and -1 where none can be computed.
        """
        ...

    def update(
        self, batch: ReplayBatch, crew: Callable[[], int] | None = None
    ) -> dict[str, Tensor]:
        """Learn from one or more batches, gathered at once.

        Args:
            batch: Transitions of all batches, observations not normalized.
            crew: How many threads may work on the next update, asked before each; it changes the
                time and nothing else. None: those of torch.

        Returns:
            Metrics of the last update, to be read only when they are shown.
        """
        ...

    def is_finite(self) -> bool:
        """Whether all numbers of the agent are finite."""
        ...

    def metrics(self) -> dict[str, float]:
        """Metrics of the agent for the log, by name."""
        ...

    def diagnose(self, batch: ReplayBatch) -> Diagnostics:
        """Check temperature and critics, without changing anything.

        Args:
            batch: Transitions, observations not normalized.
        """
        ...

    def policy(self, layout: Layout) -> Policy:
        """The policy to evaluate and keep; it changes as the agent learns.

        Args:
            layout: What it sees and moves.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        ...

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue exactly where :meth:`state_dict` was taken."""
        ...
