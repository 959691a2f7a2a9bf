"""What benchmarks/worst_case.py makes of its comparisons."""

from typing import Any

import pytest


def test_ratios_are_geometric_and_told_by_their_interval(benchmark: Any) -> None:
    script = benchmark("worst_case")

    def row(policy: str, searched: float, at_random: float, by_rays: float | None = None) -> Any:
        return script.Compared(policy, 1, searched, at_random, by_rays, episodes=1000)

    rows = [row("a", 0.4, 0.8), row("b", 0.5, 0.9), row("c", 0.45, 0.95)]
    figures = script.figures(rows)
    assert figures["ratio"] == pytest.approx(
        (0.4 * 0.5 * 0.45 / (0.8 * 0.9 * 0.95)) ** (1 / 3), abs=1e-3
    )
    assert figures["worst_case_severity"] == pytest.approx(0.4481, abs=1e-4)
    assert figures["told"] == "milder"
    assert figures["policies"] == figures["searches"] == 3
    assert "random_rays_severity" not in figures
    apart = script.figures([row("a", 0.4, 0.8), row("b", 0.9, 0.8)])
    assert apart["told"] == "could not tell"
    assert script.figures(rows[:1])["ratio_interval"] is None
    assert script.figures([row("a", 0.4, 0.8, 0.5)])["random_rays_severity"] == 0.5
