"""The support of a categorical critic: from what returns can be, and whether it is wide enough."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_maxent.errors import UsageError
from robo_maxent.learning.categorical_critic import CategoricalCritics, goals_of
from robo_maxent.learning.networks import Actor
from robo_maxent.learning.replay_buffer import ReplayBatch

Range = tuple[float, float]

ROOM = 0.1
"""Share of the range of returns that a support has beyond either end: for the entropy, whose worth
is not known ahead, and so that a return that is common, such as 0, is no end."""
SIDES = ("lower", "upper")
MUCH_LOST = 0.02
"""Share of the width of a support that may be missing at an end in values."""


def returns_of(rewards: Range, price: float, gamma: float) -> Range:
    """Smallest and largest discounted sum of rewards of which each lies in a range.

    An episode may go on for ever, or end with any step, the price being paid at its end.

    Args:
        rewards: Smallest and largest reward of a step.
        price: What an episode loses when it terminates, at least 0.
        gamma: Discount below 1.
    """
    low, high = rewards
    horizon = 1.0 / (1.0 - gamma)
    return min(low - price, horizon * low), max(high - price, horizon * high)


def support_of(rewards: Range, price: float, gamma: float) -> Range:
    """The support that fits such returns, with :data:`ROOM` at its ends.

    Raises:
        UsageError: The discount is 1, so that returns have no bounds.
    """
    if gamma >= 1.0:
        raise UsageError(
            "with gamma 1 returns have no bounds: give the support of the categorical critic, with "
            "--support LOW HIGH, or a gamma below 1"
        )
    low, high = returns_of(rewards, price, gamma)
    room = ROOM * (high - low) or 1.0
    return low - room, high + room


@dataclass(frozen=True)
class Ends:
    """How a support fits the returns that a learner sees."""

    support: Range
    """Its ends."""
    mass: Range
    """Probability that goals have at the lower and the upper end."""
    lost: Range
    """What values miss at the lower and the upper end, if all steps lose what these do."""
    wanted: Range
    """The support that the rewards seen, and the entropy as it is, ask for."""

    def alarms(self) -> dict[str, str]:
        """What is wrong, as ``Diagnostics.alarms`` says it."""
        low, high = self.support
        short = [lost > MUCH_LOST * (high - low) for lost in self.lost]
        if not any(short):
            return {}
        sides = " and ".join(side for side, is_short in zip(SIDES, short, strict=True) if is_short)
        enough_low, enough_high = self._enough(*short)
        return {
            "support": f"returns go beyond the {sides} end of the support of the categorical "
            f"critic, [{low:.4g}, {high:.4g}]: values there are wrong. By the rewards and the "
            f"entropy of now, --support {enough_low:.6g} {enough_high:.6g} would do: train anew."
        }

    def _enough(self, below: bool, above: bool) -> Range:
        """A support that would do where this one is short; an end that does stays."""
        low, high = self.support
        more = 0.25 * (high - low)
        low = min(self.wanted[0], low - more) if below else low
        high = max(self.wanted[1], high + more) if above else high
        digit = 10.0 ** math.floor(math.log10(0.1 * (high - low)))
        return digit * math.floor(low / digit), digit * math.ceil(high / digit)


@torch.no_grad()
def look_at_ends(
    actor: Actor,
    targets: CategoricalCritics,
    batch: ReplayBatch,
    noise: Tensor,
    alpha: Tensor,
    gamma: float,
) -> Ends:
    """See whether the support cuts returns off; arguments are those of ``goals_of``."""
    goals = goals_of(actor, targets, batch, noise, alpha, gamma)
    _, log_prob, weight = actor.draws(batch.next_obs, noise)
    bonus = float(-(alpha * weight * log_prob).sum(0).mean())
    horizon = 1.0 / max(1.0 - gamma, 1e-3)
    entropy = gamma * horizon * bonus
    low, high = _returns_seen(batch.reward, batch.terminated, horizon)
    low, high = low + min(entropy, 0.0), high + max(entropy, 0.0)
    room = ROOM * (high - low)
    return Ends(
        support=(float(targets.atoms[0]), float(targets.atoms[-1])),
        mass=(float(goals.probs[:, 0].mean()), float(goals.probs[:, -1].mean())),
        lost=(
            horizon * float(goals.short_below.mean()),
            horizon * float(goals.short_above.mean()),
        ),
        wanted=(low - room, high + room),
    )


def _returns_seen(reward: Tensor, terminated: Tensor, horizon: float) -> Range:
    """The range of returns that would follow if rewards seen were repeated."""
    value = torch.where(terminated > 0.0, reward, horizon * reward)
    return float(torch.cat([value, reward]).min()), float(torch.cat([value, reward]).max())
