"""What is said across runs: intervals, and verdicts that are adjusted for their number."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from inline_workers import small_config, small_order

from robo_maxent.sweeps import summary
from robo_maxent.sweeps.run import Result
from robo_maxent.sweeps.runner import Standing
from robo_maxent.sweeps.settings import grid
from robo_maxent.sweeps.summary import ArmSummary, Summary, summarize

ARMS = grid(small_config(), ["sac.gamma=0.9,0.95,0.97,0.99"])


def runs(returns: Sequence[float | None], success: float | None = None) -> list[Standing]:
    """Runs with these returns; None: it failed."""
    return [
        Standing(small_order(Path("s"), f"r/seed-{seed}", seed=seed), "failed", error="diverged")
        if value is None
        else Standing(
            small_order(Path("s"), f"r/seed-{seed}", seed=seed),
            "finished",
            result=Result(320, 1.0, success, value, 9),
        )
        for seed, value in enumerate(returns)
    ]


def found(*returns: Sequence[float | None]) -> Summary:
    names = [arm.name for arm in ARMS[: len(returns)]]
    standings = dict(zip(names, map(runs, returns), strict=True))
    return summarize(ARMS[: len(returns)], standings, 5)


def verdicts(summary: Summary) -> list[str | None]:
    return [arm.comparison and arm.comparison.verdict for arm in summary.arms]


def test_five_clear_runs_of_five_are_told_apart_and_a_few_are_not() -> None:
    base = [1.0, 2.0, 3.0, 4.0, 5.0]
    higher, mixed, lower = (list(np.add(base, by)) for by in (10.0, 0.5, -10.0))
    result = found(base, higher, mixed, lower)
    assert verdicts(result) == [None, "better", "could not tell", "worse"]
    comparison = result.arms[1].comparison
    assert comparison is not None
    assert comparison.p_value == pytest.approx(3 * 2 / 252)  # Holm: the smallest of three
    assert result.best is result.arms[1]


def test_a_run_of_which_nobody_says_success_had_none_where_others_had_some() -> None:
    """An id may say success only where it is true; the silent runs are no reason to leave it."""
    arms, base = ARMS[:2], [1.0, 2.0, 3.0, 4.0, 5.0]
    silent = [*runs(np.add(base, 10.0).tolist(), 0.5)[:2], *runs([13.0, 14.0, 15.0])]
    standings = {arms[0].name: runs(base, 0.6), arms[1].name: silent}
    result = summarize(arms, standings, 5)
    assert result.by == "success"
    assert result.best is result.arms[0]
    assert result.arms[1].success is not None
    assert result.arms[1].success.value == pytest.approx(0.5 / 3)  # the middle of 0, 0, 0, 1/2, 1/2
    assert result.arms[1].success.runs == (5,)


def test_an_arm_of_which_a_run_failed_is_not_compared() -> None:
    base = [1.0, 2.0, 3.0, 4.0, 5.0]
    result = found(base, [11.0, 12.0, 13.0, 14.0, None])
    assert verdicts(result) == [None, None]
    assert (result.arms[1].finished, result.arms[1].failed) == (4, 1)
    assert "1 failed: not compared" in "\n".join(summary.lines(result))
    assert verdicts(found([*base[:4], None], [11.0, 12.0, 13.0, 14.0, 15.0])) == [None, None]


def test_comparisons_that_are_still_to_come_are_counted() -> None:
    base, higher = [1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 15.0]
    early = found(base, higher, [1.0], [])
    comparison = early.arms[1].comparison
    assert comparison is not None
    assert comparison.p_value == pytest.approx(3 * 2 / 252)


def test_success_is_what_counts_where_the_task_knows_it() -> None:
    standings = {ARMS[0].name: runs([9.0] * 3, 0.2), ARMS[1].name: runs([1.0] * 3, 0.9)}
    result = summarize(ARMS[:2], standings, 3)
    assert result.by == "success"
    assert result.best is result.arms[1]
    assert result.arms[1].success is not None
    assert result.arms[1].success.value == pytest.approx(0.9)
    assert found([1.0]).by == "return"


def test_nothing_finished_is_no_number() -> None:
    empty = summarize(ARMS, {}, 5)
    assert empty.best is None
    assert empty.arms[0] == ArmSummary("gamma=0.9", 0, 5, 0, None, None, None)
    assert "0/5" in summary.lines(empty)[1]


def test_too_few_seeds_are_said_before_they_are_trained() -> None:
    assert summary.too_few(1, 1) is None
    assert summary.too_few(2, 4) is None
    assert "that takes --seeds 4 or more" in (summary.too_few(2, 3) or "")
    assert "--seeds 6" in (summary.too_few(8, 5) or "")


def test_rows_are_one_a_run_with_what_was_changed() -> None:
    standings = {ARMS[0].name: runs([1.0, None])}
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(summary.rows(ARMS, standings)))))
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert [row["mean_return"] for row in rows] == ["1.0", ""]
    assert [row["error"] for row in rows] == ["", "diverged"]
    assert {row["sac.gamma"] for row in rows} == {"0.9"}
