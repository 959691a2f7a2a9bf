"""What long work says of itself while it runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from inline_workers import small_order

from robo_maxent.cli import progress, runs_table
from robo_maxent.cli.progress import Progress
from robo_maxent.sweeps import run
from robo_maxent.sweeps.runner import Standing


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that were said, with no pause between them."""
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    return lines


def test_time_left_is_reckoned_from_when_the_work_began(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace()
    monkeypatch.setattr(progress, "time", clock)
    shown = Progress("films")
    for second, finished in ((1000, 2), (1010, 3), (1030, 5)):  # other work came first, and 2 films
        clock.monotonic = lambda now=second: now
        shown.count(finished, 8)
    assert said == ["films  25%, --:-- left", "films  38%, 0:50 left", "films  62%, 0:30 left"]


def test_a_run_that_is_being_judged_is_told_apart_from_one_that_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(runs_table, "say", lines.append)
    table = runs_table.RunsTable("sweep", 4, lambda standing: "all")
    order = small_order(tmp_path, "a")
    for each in (None, run.Progress(0.5, 48), run.Progress(1.0, 96), run.Progress(1.0, 96)):
        table.show(Standing(order, "running", progress=each))
    assert lines == ["  a: begun", "  a: trained, being judged on fresh episodes"]
    assert table.head().endswith(" left, 0 of 4 runs finished, 1 being judged")
    table.show(Standing(order, "failed", error="no"))
    assert table.head().endswith(" left, 0 of 4 runs finished, 1 failed")
