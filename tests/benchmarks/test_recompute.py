"""A report says what its rows say, counted again by a script that imports none of the package."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import BENCHMARKS
from fake_suite import Actor, evaluation
from hand_rows import FORK_SUITE, many, walked

from robo_maxent.report.analysis import analyse
from robo_maxent.report.numbers import numbers
from robo_maxent.report.rows import StressEpisode

ACTORS = (Actor("walker", "mean", 0.0), Actor("zero action", "baseline", -0.3))
AXES = ("nominal", "push", "friction", "payload", "dead_joint", "terrain")


@pytest.fixture
def results(tmp_path: Path) -> tuple[list[StressEpisode], dict[str, Any], Path]:
    rows, suite = evaluation(ACTORS, each=16, axes=AXES)
    rows += many(3, 8, policy="walker", mode="sampled", axis="payload", severity=7.0)
    rows += many(3, 8, policy="walker", axis="payload", severity=4.0, round=1)
    lines = [json.dumps(row.to_json()) for row in rows]
    (tmp_path / "episodes.jsonl").write_text("\n".join(lines))
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    return rows, suite, tmp_path


def recomputed(directory: Path, said: dict[str, Any]) -> tuple[int, str, dict[str, Any]]:
    (directory / "said.json").write_text(json.dumps({"figures": said}))
    command = [sys.executable, BENCHMARKS / "recompute.py", directory, "--said"]
    ran = subprocess.run(
        [*command, directory / "said.json"], capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout, json.loads(ran.stdout.splitlines()[-1])


def test_the_report_agrees_with_its_rows(results: Any) -> None:
    rows, suite, directory = results
    code, printed, told = recomputed(directory, numbers(analyse(rows, suite)))
    assert (code, told["differing"], told["compared"]) == (0, 0, True)
    assert told["figures"] > 60
    for name in ("walker: undisturbed", "walker: push, recovered", "zero action: disturbed"):
        assert f"{name} " in printed


def test_splits_at_a_fork_are_counted_too(tmp_path: Path) -> None:
    rows = walked()
    (tmp_path / "episodes.jsonl").write_text("\n".join(json.dumps(r.to_json()) for r in rows))
    (tmp_path / "suite.json").write_text(json.dumps(FORK_SUITE))
    code, printed, _ = recomputed(tmp_path, numbers(analyse(rows, FORK_SUITE)))
    assert code == 0
    assert re.search(r"walker: sampled, first way +0.75 +0.75\n", printed)


def test_one_row_that_differs_is_noticed(results: Any) -> None:
    rows, suite, directory = results
    place = next(i for i, row in enumerate(rows) if row.axis == "payload" and row.severity == 3.0)
    other = [*rows]
    other[place] = replace(rows[place], success=not rows[place].success)
    code, printed, told = recomputed(directory, numbers(analyse(other, suite)))
    assert code == 1
    assert told["differing"] == 2  # of the severity, and of the mean over axes
    assert printed.count("differs by") == 2


def test_the_script_imports_nothing_of_the_package() -> None:
    text = (BENCHMARKS / "recompute.py").read_text()
    assert "robo_maxent" not in text
