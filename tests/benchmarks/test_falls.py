"""The benchmark of falls knows the truth of its curves, and would notice intervals that lie."""

from typing import Any

import numpy as np
import pytest

from robo_maxent.evaluation import severity


@pytest.fixture
def falls(benchmark: Any) -> Any:
    return benchmark("falls")


def test_the_truth_of_a_curve_is_where_it_first_is_below_90_percent(falls: Any) -> None:
    assert falls.critical(falls.CURVES["a cliff"]) == pytest.approx(0.37, abs=1e-4)
    assert falls.critical(falls.CURVES["slow, from 94 to 84 %"]) == pytest.approx(0.4, abs=1e-4)
    assert falls.critical(falls.CURVES["rises again to 95 %"]) == pytest.approx(0.2, abs=1e-4)
    assert falls.critical(falls.CURVES["holds at 91 %"]) == np.inf
    assert falls.critical(falls.CURVES["fails from the start"]) == -np.inf


def test_starts_that_are_alike_fail_together_and_as_often(falls: Any) -> None:
    shares = np.array([0.9, 0.5])
    apart, alike = (
        falls._outcomes(shares, 4000, share, np.random.default_rng(0)) for share in (0.0, 0.99)
    )
    for outcomes in (apart, alike):
        assert outcomes.mean(0) == pytest.approx(shares, abs=0.03)
    assert (apart[:, 0] < apart[:, 1]).mean() == pytest.approx(0.05, abs=0.02)
    assert (alike[:, 0] < alike[:, 1]).mean() < 0.01


@pytest.mark.parametrize("curve", ["smooth", "a cliff", "rises again to 95 %"])
def test_intervals_hold_the_truth(falls: Any, curve: str) -> None:
    for alike, refinement in ((0.0, "none"), (falls.ALIKE, "full")):
        shares = falls.held(falls.Setting(curve, 3, 24, alike, refinement), 40)
        assert min(shares) >= 0.9


def test_an_interval_that_is_too_sure_is_noticed(
    falls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the two tested severities it saw the fall between for certain."""
    monkeypatch.setattr(severity, "PROOF", 1.0)
    assert falls.held(falls.Setting("smooth", 3, 24, 0.0, "quick"), 60)[0] < 0.9


def test_halving_takes_a_fraction_of_the_episodes_of_a_grid(falls: Any) -> None:
    spent, grid, right, right_on_grid = falls.effort("a cliff", "quick", 30)
    assert spent < grid / 3
    assert right > 0.8
    assert right_on_grid > 0.8
