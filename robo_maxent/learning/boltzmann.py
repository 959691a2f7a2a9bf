"""Distance of an actor from the Boltzmann distribution of its critics, from samples."""

import torch
from torch import Tensor

from robo_maxent.learning.exact import sampled_boltzmann_gap
from robo_maxent.learning.networks import Actor, Critics


@torch.no_grad()
def actor_gap(
    actor: Actor,
    critics: Critics,
    obs: Tensor,
    alpha: float,
    samples: int,
    generator: torch.Generator,
) -> Tensor:
    """KL(π || exp(Q / α) / Z), nats, (B,), see ``exact.sampled_boltzmann_gap``.

    Zero is where the actor's loss (equation 9 of Haarnoja et al. 2018, arXiv 1812.05905) has its
    minimum over all distributions; what is left is what the head can't be, or has not learnt.

    Args:
        actor: Policy.
        critics: Of their values the smallest counts.
        obs: Normalized observations, (B, O).
        alpha: Temperature.
        samples: Of the policy, and as many even ones, for each observation.
        generator: Draws them.
    """
    rows, size = len(obs), actor.head.action_size
    obs = obs.repeat_interleave(samples, 0)  # (B n, O)
    raw = actor(obs)
    noise = torch.randn(len(obs), size, generator=generator)
    even = 2.0 * torch.rand(len(obs), size, generator=generator) - 1.0
    own, log_own = actor.head.sample(raw, noise)
    log_even = actor.head.log_prob(raw, torch.atanh(even.clamp(-1 + 1e-6, 1 - 1e-6)))
    q = torch.stack([critics(obs, action).amin(0) for action in (own, even)])  # (2, B n)
    log_policy = torch.stack([log_own, log_even])
    log_policy, q = (each.view(2, rows, samples).movedim(0, 1).double() for each in (log_policy, q))
    gap = sampled_boltzmann_gap(log_policy.numpy(), q.numpy(), alpha, size)
    return torch.from_numpy(gap)
