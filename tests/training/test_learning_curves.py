"""The picture of a training run: what was logged is what is drawn."""

import json
from pathlib import Path

import pytest
from PIL import Image

from robo_maxent.training import learning_curves
from robo_maxent.training.metrics import STEP


def logged(directory: Path, *rows: dict[str, float]) -> Path:
    """A run that has logged these rows."""
    lines = (json.dumps({STEP: 1e6 * (1 + i)} | row) for i, row in enumerate(rows))
    (directory / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return directory


def width(path: Path | None) -> int:
    assert path is not None
    with Image.open(path) as image:
        assert len(image.convert("L").getcolors(256) or []) > 3, "nothing is drawn"
        return image.width


def test_a_run_shows_what_it_has_and_no_empty_panel(tmp_path: Path) -> None:
    one = width(learning_curves.draw(logged(tmp_path, {"rollout/ep_rew_mean": 3.0})))
    two = {"rollout/ep_rew_mean": 3.0, "eval/success_rate": 0.5}
    assert width(learning_curves.draw(logged(tmp_path, two))) == pytest.approx(2 * one, abs=2)
    three = two | {"level/mean": 1.0, "level/gaps": 1.0}
    assert width(learning_curves.draw(logged(tmp_path, two, three))) == pytest.approx(
        3 * one, abs=2
    )


def test_a_run_that_logged_nothing_has_no_picture(tmp_path: Path) -> None:
    assert learning_curves.draw(tmp_path) is None
    assert learning_curves.draw(logged(tmp_path, {"time/fps": 100.0})) is None
    assert not (tmp_path / learning_curves.NAME).exists()


def test_curves_are_the_logged_values_over_millions_of_steps() -> None:
    rows = [{STEP: 500_000, "a": 1.0}, {STEP: 1_000_000}, {STEP: 2_000_000, "a": 3.0}]
    assert learning_curves.curve(rows, "a") == ([0.5, 2.0], [1.0, 3.0])


def test_the_mean_level_is_drawn_over_those_of_the_kinds() -> None:
    rows = [{STEP: 0, "level/mean": 2.0, "level/stairs_up": 1.0, "level/gaps": 3.0}]
    assert list(learning_curves.levels(rows)) == ["stairs up", "gaps", "mean"]
    assert learning_curves.levels([{STEP: 0, "a": 1.0}]) == {}
