"""Stores transitions, and updates an agent with draws from them."""

from collections.abc import Callable

import numpy as np
from torch import Tensor

from robo_maxent.learning.agent import Agent
from robo_maxent.learning.replay_buffer import ReplayBuffer
from robo_maxent.spaces import Mirror
from robo_maxent.training.collector import Transitions


class Learner:
    """Stores transitions and updates an agent with draws from them."""

    def __init__(
        self,
        agent: Agent,
        replay: ReplayBuffer,
        rng: np.random.Generator,
        update_size: int,
        sims: int,
        mirrors: tuple[Mirror, Mirror] | None = None,
    ) -> None:
        """Join an agent and its replay.

        Args:
            agent: What learns.
            replay: Where transitions are kept.
            rng: Source of the draws.
            update_size: Transitions drawn for all updates of a control step together.
            sims: How many simulations transitions come from, N; reflections are numbered from N on.
            mirrors: Reflections of observation and action, to store each transition's mirror image
                too; None: it has none.
        """
        self.agent, self.replay, self.rng = agent, replay, rng
        self._update_size, self._sims, self._mirrors = update_size, sims, mirrors

    def store(self, transitions: Transitions) -> None:
        """Store the transitions of a control step, and their mirror images."""
        self._add(transitions)
        if self._mirrors is not None:
            see, act = self._mirrors
            self._add(transitions.mirrored(see, act, self._sims))

    def learn(self, crew: Callable[[], int] | None = None) -> dict[str, Tensor]:
        """Make the updates of a control step, if there is enough to learn from.

        Args:
            crew: How many threads may work on the next update, as in ``Agent.update``.

        Returns:
            Metrics of the last update.
        """
        if not self._update_size or not len(self.replay):
            return {}
        return self.agent.update(self.replay.sample(self.rng, self._update_size), crew)

    def _add(self, rows: Transitions) -> None:
        self.replay.end(rows.diverged)
        self.replay.add(
            rows.obs,
            rows.action,
            rows.reward,
            rows.next_obs,
            rows.terminated,
            rows.sim,
            rows.ended,
        )
