"""The regulator at any temperature: simulations beside the closed form."""

import numpy as np
import pytest

from robo_maxent.learning.temperature import exact_regulator, simulated_regulator


@pytest.mark.parametrize("alpha", [0.05, 1.0])
def test_simulated_returns_and_entropies_are_those_of_the_closed_form(alpha: float) -> None:
    exact = exact_regulator(alpha)
    runs = [simulated_regulator(alpha, np.random.default_rng(seed), 500) for seed in range(8)]
    for name in ("sampled", "mean", "entropy"):
        values = np.array([getattr(run, name) for run in runs])
        error = 4 * values.std(ddof=1) / np.sqrt(len(runs))
        assert values.mean() == pytest.approx(getattr(exact, name), abs=error)
        assert error < 0.05 * (1 + abs(getattr(exact, name)))
    assert exact.mean - exact.sampled == pytest.approx(alpha / (2 * (1 - 0.9)))
