"""Learning curves of several runs on one picture."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from robo_maxent.sweeps import curves
from robo_maxent.training import learning_curves
from robo_maxent.training.metrics import STEP


def logged(directory: Path, values: list[float], every: int = 100_000) -> Path:
    directory.mkdir(parents=True)
    rows = ({STEP: every * (1 + i), "eval/mean_reward": v} for i, v in enumerate(values))
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def test_runs_that_were_evaluated_elsewhere_meet_on_one_grid() -> None:
    grid, values = curves.on_one_grid([([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]), ([1.5, 2.5], [0, 2])])
    assert grid.tolist() == [1.5, 2.0, 2.5]
    np.testing.assert_allclose(values, [[15.0, 20.0, 25.0], [0.0, 1.0, 2.0]])


def test_an_evaluation_that_says_nothing_of_success_had_none() -> None:
    """A run that never succeeds would be left out, and its arm look better than it is."""
    rows = [
        {STEP: 100_000, "eval/mean_reward": 1.0},
        {STEP: 150_000, "train/alpha": 0.1},
        {STEP: 200_000, "eval/mean_reward": 2.0, curves.SUCCESS: 0.25},
    ]
    said = learning_curves.curve(curves.with_silence(rows, curves.SUCCESS), curves.SUCCESS)
    assert said == ([0.1, 0.2], [0.0, 0.25])
    assert curves.with_silence(rows, curves.RETURN) == rows


def test_a_band_is_drawn_from_three_runs_on_and_lines_before(tmp_path: Path) -> None:
    runs = {
        "gamma=0.9": [logged(tmp_path / f"a{i}", [1.0 + i, 2.0 + 2 * i, 3.0]) for i in range(3)],
        "gamma=0.99": [logged(tmp_path / f"b{i}", [0.5 + i, 0.7 + i]) for i in range(2)],
        "gamma=1.0": [tmp_path / "not begun"],
    }
    path = curves.draw(tmp_path / "curves.png", runs)
    assert path is not None
    with Image.open(path) as image:
        colors = image.convert("RGB").getcolors(1 << 20) or []
    # Matplotlib's first two colours, and the first one's band on white.
    assert {(31, 119, 180), (255, 127, 14)} <= {color for _, color in colors}
    band = tuple(round(255 + 0.18 * (c - 255)) for c in (31, 119, 180))
    nearest = min(max(abs(a - b) for a, b in zip(c, band, strict=True)) for _, c in colors)  # type: ignore[arg-type]
    assert nearest <= 2


def test_runs_that_logged_nothing_have_no_picture(tmp_path: Path) -> None:
    assert curves.draw(tmp_path / "curves.png", {"recipe": [tmp_path]}) is None
    assert not (tmp_path / "curves.png").exists()
