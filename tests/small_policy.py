"""An untrained policy with everything a trained one has, for tests."""

from collections.abc import Callable

import torch

from robo_maxent.envs.interface import EnvFactory, layout_of
from robo_maxent.learning.heads import Head, SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy


def small_policy(
    task: EnvFactory, layer_norm: bool = True, make_head: Callable[[int], Head] = SquashedGaussian
) -> Policy:
    """A policy whose normalizer is not the identity and whose actions are not small."""
    torch.manual_seed(0)
    layout = layout_of(task)
    head = make_head(len(layout.joints))
    actor = Actor(layout.observation_size, head, width=16, layer_norm=layer_norm)
    actor.layers()[-1][0].mul_(100.0)  # it starts near zero
    normalizer = Normalizer(layout.observation_size)
    normalizer.update(3.0 * torch.randn(100, layout.observation_size) + 1.0)
    return Policy(layout, actor, normalizer)
