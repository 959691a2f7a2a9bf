"""The benchmark of coverage: what it takes for the truth, and what it makes of its settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from robo_maxent.evaluation.across_runs import AcrossRuns

INTERQUARTILE_MEAN_OF_EXPONENTIAL = 0.7384
"""2 [v - v ln v] from 1/4 to 3/4."""


@pytest.fixture
def coverage(benchmark: Any) -> Any:
    return benchmark("coverage")


def always(low: float, high: float) -> Callable[..., AcrossRuns]:
    return lambda *_, **__: AcrossRuns(low, (low, high), (3,), 1)


@pytest.mark.parametrize(("low", "high", "share"), [(-0.01, 0.01, 1.0), (0.01, 0.2, 0.0)])
def test_the_truth_is_the_interquartile_mean_of_all_runs(
    coverage: Any, monkeypatch: pytest.MonkeyPatch, low: float, high: float, share: float
) -> None:
    truth = INTERQUARTILE_MEAN_OF_EXPONENTIAL
    monkeypatch.setattr(coverage, "interquartile_mean", always(truth + low, truth + high))
    assert coverage.held(coverage.Setting("exponential", coverage.ONE, 3), 5) == share


def test_a_share_of_the_runs_fails(coverage: Any) -> None:
    scores = coverage.FAMILIES["1 run in 5 fails"](np.random.default_rng(0), (20_000, 4))
    assert np.mean(scores < 0.5) == pytest.approx(0.2, abs=0.01)
    apart = coverage.Setting("normal", coverage.APART, 3).draw(np.random.default_rng(0), 20_000)
    np.testing.assert_allclose(apart.mean(0), coverage.OFFSETS, atol=0.05)
    np.testing.assert_allclose(apart.std(0), coverage.SCALES, rtol=0.05)


def test_a_family_covers_what_its_worst_setting_covers(
    coverage: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worst = coverage.Setting("beta (9, 1)", coverage.APART, 5)
    last = coverage.Setting("1 run in 10 fails", coverage.APART, 3)  # not promised
    shares = {worst: 0.9321, last: 0.4}
    monkeypatch.setattr(coverage, "held", lambda setting, simulations: shares.get(setting, 0.96))
    least = coverage.runs_coverage(10)
    assert least["beta (9, 1)"] == 0.9321
    assert set(least.values()) == {0.9321, 0.96}
    assert list(least) == [*coverage.SPREAD, *coverage.FAILING]
    figures = coverage.runs(True, map)
    assert (figures["runs_coverage_min"], figures["runs_coverage_beyond_min"]) == (0.9321, 0.4)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith("beta (9, 1)")] == [
        ["96.0", "96.0"],
        ["96.0", "93.2"],
    ]


def test_the_interval_of_skewed_scores_of_few_runs_holds_the_truth(coverage: Any) -> None:
    setting = coverage.Setting("exponential", coverage.ONE, 3)
    assert coverage.held(setting, 1000) > 0.93  # as before 0.92, with Student's t alone
