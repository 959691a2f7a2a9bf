"""The benchmark of pitfalls: what is exact in it."""

from collections.abc import Callable
from typing import Any

import pytest

from robo_maxent.learning import sac as sac_module
from robo_maxent.learning.sac import soft_target

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def pitfalls(benchmark: Callable[[str], Any]) -> Any:
    return benchmark("pitfalls")


def test_exact_mistakes_are_fixed_points_of_the_mistaken_backup(pitfalls: Any) -> None:
    """Of x = 0, where V = -c, by repeating the backup: reward, then the noise of the next state."""
    lqr = pitfalls.lqr
    for name in ("none", "entropy missing", "entropy with the wrong sign", "discount 0.95 for 0.9"):
        gain, offset = pitfalls.exact_mistake(name)
        gamma = 0.95 if name.startswith("discount") else 0.9
        system = lqr.SYSTEM if gamma == 0.9 else pitfalls.replace(lqr.SYSTEM, gamma=gamma)
        best = system.solve()
        alpha = best.temperature(lqr.ENTROPY)
        sign = {"entropy missing": 0.0, "entropy with the wrong sign": -1.0}.get(name, 1.0)
        spread = best.covariance(alpha).item()
        q = 0.0  # E[Q(0, a)] under the policy
        for _ in range(1000):
            cost = system.action_cost.item() * spread
            next_square = 0.01 + system.control.item() ** 2 * spread
            following = q - best.cost.item() * next_square + sign * alpha * lqr.ENTROPY
            q = -cost + gamma * following
        assert offset == pytest.approx(-(q + alpha * lqr.ENTROPY), rel=1e-6), name
        assert gain == pytest.approx(best.gain.item())
    assert pitfalls.exact_mistake("none")[1] == pytest.approx(lqr.BEST.offset(lqr.ALPHA))


def test_a_mistake_is_taken_back_afterwards(pitfalls: Any) -> None:
    found = pitfalls.mistaken(("entropy missing", 0), updates=200)
    assert len(found) == 2
    assert sac_module.soft_target is soft_target
