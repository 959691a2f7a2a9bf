"""The acting half of a learner, which can be sent to other processes."""

import numpy as np
import torch

from robo_maxent.learning.networks import Actor, Normalizer


class Explorer:
    """Samples actions to gather experience with. It can be pickled."""

    def __init__(self, actor: Actor, normalizer: Normalizer) -> None:
        """Act with an actor and what normalizes its observations; it changes as they do."""
        self._actor, self._normalizer = actor, normalizer

    @torch.no_grad()
    def __call__(self, obs: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Actions at observations (N, O): what the head samples, N.

        Args:
            obs: Not normalized.
            generator: Source of the draws.
        """
        seen = self._normalizer(torch.from_numpy(obs))
        noise = torch.randn(len(obs), self._actor.head.action_size, generator=generator)
        return self._actor.sample(seen, noise)[0].numpy()

    @property
    def weights(self) -> np.ndarray:
        """A copy of all that actions follow from, float32, (W,): network, normalizer."""
        normalizer = self._normalizer
        parts = (
            self._actor.flat.detach(),
            normalizer.shift,
            normalizer.scale,
            normalizer.count[None],
        )
        return torch.cat([part.float() for part in parts]).numpy()

    @torch.no_grad()
    def load(self, weights: np.ndarray) -> None:
        """Act as the one whose ``weights`` these were, float32, (W,)."""
        normalizer = self._normalizer
        sizes = self._actor.flat.numel(), normalizer.shift.numel(), normalizer.scale.numel(), 1
        network, shift, scale, count = torch.from_numpy(weights.copy()).split(sizes)
        self._actor.flat.copy_(network)
        normalizer.shift.copy_(shift)
        normalizer.scale.copy_(scale)
        normalizer.count.copy_(count[0])  # rounded: it only matters whether there were any
