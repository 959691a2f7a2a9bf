"""portfolio.py: what is said of portfolios, by hand, and the exact maximum-entropy policy."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_maxent.tasks.portfolio import (
    CHANGE,
    EQUAL,
    EXPANSION,
    QUARTERS,
    RECESSION,
    YEAR,
    gross_returns,
    growth,
    log_optimal,
)

CASH, STOCKS = np.eye(5)[4], np.eye(5)[0]


def test_markets_are_those_of_the_task(benchmark: Any) -> None:
    markets = benchmark("portfolio").decades(2000, np.random.default_rng(0))
    assert markets.states.shape == (QUARTERS, 2000)
    assert (markets.states == RECESSION).mean() == pytest.approx(0.25, abs=0.02)
    for state in (EXPANSION, RECESSION):
        changed = markets.states[1:][markets.states[:-1] == state] != state
        assert changed.mean() == pytest.approx(CHANGE[state], rel=0.1)
        own = markets.returns[markets.states == state]
        known = {row.tobytes() for row in gross_returns()[state]}
        assert {row.tobytes() for row in own} == known
        seen = markets.observations[markets.states == state]
        assert (seen[:, 0] == (1.0 if state == EXPANSION else -1.0)).all()
    last = np.log(markets.returns[:-1])
    np.testing.assert_allclose(markets.observations[1:, :, 1:], last, atol=1e-7)
    assert (markets.observations[0, :, 1:] == 0.0).all()


def test_drawn_portfolios_are_concentrated_where_their_average_is_not(benchmark: Any) -> None:
    portfolio = benchmark("portfolio")
    markets = portfolio.decades(50, np.random.default_rng(0))
    drawn = np.eye(5)[:, None, None].repeat(QUARTERS, 1).repeat(50, 2)  # each asset once
    figures = portfolio.judged(drawn, markets)
    assert figures.concentration == pytest.approx(1.0)
    assert figures.average_concentration == pytest.approx(0.2)
    equal = portfolio.fixed([EQUAL, EQUAL], markets)
    assert equal.concentration == pytest.approx(0.2)
    assert equal.average_concentration == pytest.approx(0.2)
    assert figures.average_growth == pytest.approx(equal.growth)
    assert figures.growth < equal.growth  # Jensen


def test_growth_is_of_the_states_that_come_and_drawdown_from_the_peak(benchmark: Any) -> None:
    portfolio = benchmark("portfolio")
    states = np.array([[EXPANSION], [EXPANSION], [EXPANSION], [RECESSION]])
    returns = np.ones((4, 1, 5))
    returns[:, 0, 0] = 1.5, 0.8, 0.5, 2.0  # of small stocks: 1.5, 1.2, 0.6, 1.2
    markets = portfolio.Decades(states, returns, np.zeros((4, 1, 6), np.float32))
    figures = portfolio.fixed([STOCKS, CASH], markets)
    expected = 0.75 * growth(STOCKS, EXPANSION) + 0.25 * growth(CASH, RECESSION)
    assert figures.growth == pytest.approx(YEAR * expected)
    assert figures.drawdown == pytest.approx(0.6)
    fallen = portfolio.Decades(states, returns[::-1] * 0.5, markets.observations)
    assert portfolio.fixed([CASH, CASH], fallen).drawdown == pytest.approx(1.0 - 0.5**4)


def test_the_exact_policy_is_the_boltzmann_distribution_of_growth(benchmark: Any) -> None:
    exact = benchmark("portfolio").Boltzmann(20_000, np.random.default_rng(0))
    chances = exact.chances(0.01, RECESSION)
    gain = growth(exact.held[7], RECESSION) - growth(exact.held[3], RECESSION)
    assert chances[7] / chances[3] == pytest.approx(math.exp(gain / 0.01))
    assert chances.sum() == pytest.approx(1.0)
    assert exact.entropy(1e6) == pytest.approx(5 * math.log(2.0))  # uniform in [-1, 1]^5
    entropies = [exact.entropy(alpha) for alpha in (1e-3, 1e-2, 1e-1)]
    assert entropies == sorted(entropies)
    assert exact.temperature(entropies[1]) == pytest.approx(1e-2, rel=1e-4)


def test_the_exact_policy_lies_between_the_optimum_and_chance(benchmark: Any) -> None:
    portfolio = benchmark("portfolio")
    markets = portfolio.decades(50, np.random.default_rng(0))
    exact = portfolio.Boltzmann(20_000, np.random.default_rng(0))
    best = portfolio.fixed([log_optimal(state) for state in (EXPANSION, RECESSION)], markets)
    each = [exact.figures(a, markets, np.random.default_rng(1)) for a in (1e-3, 1e-2, 10.0)]
    growths = [best.growth, *(figures.growth for figures in each)]
    assert growths == sorted(growths, reverse=True)
    assert each[-1].average_concentration == pytest.approx(0.2, abs=1e-3)
    assert each[-1].concentration > 0.4


def test_everything_runs_and_the_last_line_is_json(
    benchmark: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    portfolio = benchmark("portfolio")
    whole = portfolio.measured
    monkeypatch.setattr(
        portfolio, "measured", lambda arms, seeds, *_: whole(arms[1:], seeds, 1_300, 2_000, 5)
    )
    picture = tmp_path / "figures.png"
    monkeypatch.setattr(sys, "argv", ["portfolio.py", "--quick", "--picture", str(picture)])
    portfolio.main()
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert list(found["arms"]) == ["0.1", "automatic"]
    assert (
        found["lines"]["optimum"]["growth"]["mean"]
        > found["lines"]["equal shares"]["growth"]["mean"]
    )
    low, high = found["arms"]["0.1"]["drawn"]["growth"]["interval"]
    assert low < found["arms"]["0.1"]["drawn"]["growth"]["mean"] < high
    assert found["arms"]["0.1"]["exact"]["growth"]["interval"] is None
    assert sum(line.startswith(("0.1 ", "automatic ")) for line in lines) == 7


def test_chances_of_one_asset_are_shares_that_spread_with_temperature(benchmark: Any) -> None:
    portfolio = benchmark("portfolio")
    gain = growth(STOCKS, EXPANSION) - growth(CASH, EXPANSION)
    shares = portfolio.chosen(0.01, EXPANSION)
    assert shares[0] / shares[4] == pytest.approx(math.exp(gain / 0.01))
    assert shares.sum() == pytest.approx(1.0)
    markets = portfolio.decades(20, np.random.default_rng(0))
    spread = [
        portfolio.fixed([portfolio.chosen(alpha, state) for state in (0, 1)], markets)
        for alpha in (1e-4, 1e-2, 1.0)
    ]
    concentrations = [figures.concentration for figures in spread]
    assert concentrations == sorted(concentrations, reverse=True)
    assert concentrations[-1] == pytest.approx(0.2, abs=1e-3)


def test_a_fixed_temperature_stays(benchmark: Any) -> None:
    portfolio = benchmark("portfolio")
    task = portfolio.Portfolio()
    assert portfolio.trained(task, 0.03, 0, 1_600)[1] == pytest.approx(0.03)
    assert portfolio.trained(task, portfolio.AUTOMATIC, 0, 1_600)[1] != pytest.approx(0.01)
