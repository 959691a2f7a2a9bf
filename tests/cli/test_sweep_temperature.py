"""``robo-maxent sweep-temperature`` as a user meets it."""

import json
from pathlib import Path

import pytest
from command_line import call

from robo_maxent.training import temperature_figure

PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quadruped-flt"], "Did you mean 'quadruped-flat'"),
        (["--temperatures", "0.1", "0"], "temperatures must be > 0 and finite, got 0"),
        (["--temperatures", "-1"], "temperatures must be > 0 and finite, got -1"),
        (["grid", "--temperatures", "nan"], "temperatures must be > 0 and finite, got nan"),
        (["--temperatures"], "name at least one temperature"),
        (["--seeds", "0"], "seeds must be in 1..10,000, got 0"),
        (["--seeds", "9" * 20], "seeds must be in 1..10,000, got 999"),
        (["--steps", "-5"], "steps must be at least 1, got -5"),
        (["--episodes", "0"], "episodes must be at least 1, got 0"),
        (["grid", "--steps", "5"], "--steps means nothing for grid, which trains nothing"),
        (["grid", "--seeds", "5"], "--seeds means nothing for grid, which is exact"),
        (["lqr", "--level", "5"], "lqr is no task: leave out the options of a task"),
        (["quadruped-flat", "grid"], "name one task, or runs; got quadruped-flat grid"),
        (["quadruped-flat", "--task", "grid"], "--task means nothing for a task"),
        (["quadruped-flat", "--picture", "x.jpg"], "its name must end in .png"),
        ([".", "--seeds", "3"], "--seeds means nothing for runs"),
        (["."], ". is not a run"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], empty_folder: Path, arguments: list[str], message: str
) -> None:
    code, out, err = call(capsys, "sweep-temperature", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not list(empty_folder.iterdir())


def test_the_grid_is_drawn_and_printed_without_any_training(
    capsys: pytest.CaptureFixture[str], empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temperature_figure, "LINE_POINTS", 3)
    code, out, err = call(capsys, "sweep-temperature", "grid", "--temperatures", "0.3", "0.7", "1")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["temperature", "0.3", "0.7", "1"]
    assert out.splitlines()[2].split()[3] == "0.461"
    assert "picture: grid.png" in err
    assert "Next: robo-maxent sweep-temperature quadruped-flat" in err
    assert (empty_folder / "grid.png").read_bytes().startswith(PNG)
    assert [path.name for path in empty_folder.iterdir()] == ["grid.png"]


def test_the_price_of_entropy_is_simulated_beside_its_line(
    capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    code, out, err = call(
        capsys,
        "sweep-temperature",
        "lqr",
        "--temperatures",
        "0.2",
        "--picture",
        "a/b.png",
        "--json",
    )
    assert code == 0
    assert "Next: robo-maxent sweep-temperature grid" in err
    found = json.loads(out)
    assert found["picture"] == "a/b.png"
    price = {
        c["style"]: c["values"]
        for c in found["curves"]
        if "rice" in c["label"] or "γ" in c["label"]
    }
    assert price["line"] == pytest.approx([1.0] * len(price["line"]))
    assert price["points"] == pytest.approx([1.0], rel=0.1)
    assert (empty_folder / "a" / "b.png").read_bytes().startswith(PNG)


def test_a_task_is_trained_drawn_and_continued_and_its_runs_act_hotter(
    capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    command = ["sweep-temperature", "portfolio", "--temperatures", "0.01", "--seeds", "1"]
    command += ["--steps", "60", "--episodes", "4", "--threads", "1"]
    code, out, err = call(capsys, *command)
    assert code == 0
    runs = Path("runs/portfolio/sweep-temperature")
    assert (runs / "temperature.png").read_bytes().startswith(PNG)
    assert [line.split()[0] for line in out.splitlines()] == ["temperature", "0.01", "automatic,"]
    assert f"picture: {runs / 'temperature.png'}" in err
    assert f"Next: robo-maxent evaluate {runs}/" in err
    before = (runs / "temperatures.jsonl").read_text()
    assert call(capsys, *command)[1] == out
    assert (runs / "temperatures.jsonl").read_text() == before

    run = str(runs / "0.01-seed0")
    code, out, err = call(
        capsys,
        "sweep-temperature",
        run,
        "--temperatures",
        "0.001",
        "0.1",
        "--episodes",
        "4",
        "--json",
    )
    assert code == 0
    cold, hot = json.loads(out)["points"]
    assert cold["entropy"]["value"] < hot["entropy"]["value"]
    assert cold["mean"]["value"] == hot["mean"]["value"]
    assert f"Next: robo-maxent evaluate {run}" in err
