"""Choices with a bad tail, whose best policies are known at every aversion to risk.

*Two arms*: the safe one always pays 1; the risky one pays 2, but -5 once in ten times: 1.3 on
average, -0.8 in the worst quarter. *A stake* x in [-1, 1] on X ~ N(:data:`MEAN`,
:data:`DEVIATION` ²), at a price of x²: where the mean of the worst share ρ counts, it is worth

    (1)  x MEAN - |x| DEVIATION φ(Φ⁻¹(ρ)) / ρ - x²,

φ and Φ being those of the standard normal distribution. Nothing follows either choice, so that the
best policy of maximum entropy is the Boltzmann distribution of such worths, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from robo_maxent.learning.exact import log_boltzmann


@dataclass(frozen=True)
class Gamble:
    """Outcomes and how likely each is."""

    outcomes: tuple[float, ...]
    chances: tuple[float, ...]

    def worst_mean(self, share: float) -> float:
        """Mean of the worst share of the outcomes, CVaR, by going through them from the worst on.

        Args:
            share: ρ in (0, 1]; 1: the mean of all.
        """
        left, total = share, 0.0
        for outcome, chance in sorted(zip(self.outcomes, self.chances, strict=True)):
            taken = min(chance, left)
            left, total = left - taken, total + taken * outcome
        return total / share


ARMS = (Gamble((1.0,), (1.0,)), Gamble((-5.0, 2.0), (0.1, 0.9)))
"""The safe one and the risky one."""
MEAN, DEVIATION = 0.8, 0.5
"""Of X, on which is staked."""


def best_policy(arms: Sequence[Gamble], alpha: float, share: float) -> np.ndarray:
    """Probability of each arm under the best policy of maximum entropy, (A,).

    Args:
        arms: To choose from.
        alpha: Temperature.
        share: ρ, the worst share of an arm's outcomes that counts.
    """
    worth = np.array([arm.worst_mean(share) for arm in arms])
    return np.exp(log_boltzmann(worth, alpha))


def best_stake(share: float) -> float:
    """The stake that is worth most, by equation (1): 0 where the worst share bears none."""
    lost = norm.pdf(norm.ppf(share)) / share if share < 1.0 else 0.0
    return 0.5 * max(MEAN - DEVIATION * float(lost), 0.0)
