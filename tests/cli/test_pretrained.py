"""A policy that comes with the package is named where a run is, and leaves the package as it is."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from robo_maxent.assets import ASSETS
from robo_maxent.cli import names
from robo_maxent.interop import external_policies
from robo_maxent.perturbations.base import Share
from robo_maxent.robustness import stress_test, suites
from robo_maxent.robustness.suites import Suite
from robo_maxent.training import pretrained

REACH = "pretrained:arm-reach"
OWN = Path("runs/pretrained/arm-reach")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a module of that name, which leaves a file when it is imported."""
    monkeypatch.chdir(tmp_path)
    trap = "import pathlib\npathlib.Path('ran').touch()\ndef act(obs):\n    return 0 * obs\n"
    (tmp_path / "pretrained.py").write_text(trap)
    return tmp_path


def result(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, said = call(capsys, *words, "--json")
    assert code == 0, said
    return json.loads(out)


def test_it_is_evaluated_and_exported_into_a_place_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(ASSETS.rglob("*"))
    (figures,) = result(capsys, "evaluate", REACH, "--episodes", "4")["policies"]
    assert figures["policy"] == REACH
    assert Path(figures["episodes"]) == OWN / "episodes-first-4.jsonl"
    assert figures["success"]["share"] == 1.0
    assert Path(result(capsys, "export", REACH)["onnx"]) == OWN / "policy.onnx"
    assert (OWN / "policy.onnx").is_file()
    assert sorted(ASSETS.rglob("*")) == before


def test_a_stress_test_of_it_runs_again_wherever_it_is_moved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Suite("quick", "", {"nominal": Share(episodes=4, baseline=0)})
    monkeypatch.setitem(suites.SUITES, "quick", few)
    result(capsys, "evaluate", REACH, "--suite", "quick", "--clips", "0")
    description, rows = stress_test.read_description(OWN / "robustness-quick"), OWN.parents[1]
    (policy,) = description["policies"]
    assert (policy["label"], policy["file"]) == ("pretrained-arm-reach", REACH)
    assert policy["sha256"] == pretrained.card("arm-reach").sha256
    moved = rows.rename(rows.with_name("moved")) / "pretrained/arm-reach/robustness-quick"
    row = next(row for row in stress_test.rows_of(moved) if row.mode == "mean")
    monkeypatch.setattr(stress_test, "film", lambda *_: None)
    assert result(capsys, "replay", str(moved), "--row", stress_test.identity(row))["same"]


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "{}"),
        ("evaluate", "{}", "--suite", "quick"),
        ("record", "{}"),
        ("export", "{}"),
        ("certify", "{}", "--template"),
        ("worst-case", "{}"),
    ],
)
@pytest.mark.parametrize("name", ["act", "model.zip", "quadruped-flatt", ""])
def test_an_unknown_name_lists_those_there_are_and_runs_no_code(
    capsys: pytest.CaptureFixture[str], here: Path, words: tuple[str, ...], name: str
) -> None:
    named = f"pretrained:{name}"
    code, out, said = call(capsys, *(word.format(named) for word in words))
    assert (code, out, said.count("\n")) == (2, "", 1)
    assert f"Unknown pretrained policy {name!r}" in said
    assert "arm-reach" in said
    assert not (here / "ran").exists()
    assert not (here / "runs").exists()


@pytest.mark.parametrize("words", ["--resume", "--config"])
def test_none_can_be_trained_on(capsys: pytest.CaptureFixture[str], words: str) -> None:
    code, out, said = call(capsys, "train", words, REACH, "--steps", "10")
    assert (code, out) == (2, "")
    assert said == (
        f"robo-maxent: {REACH} is an actor without critics: nothing can be trained on from it.\n"
    )


def test_it_is_no_policy_of_others_and_has_a_short_name() -> None:
    assert not external_policies.is_external("pretrained:act")
    assert not external_policies.runs_code(REACH)
    assert names.labels([REACH, "runs/arm-reach"]) == ["pretrained-arm-reach", "runs-arm-reach"]


def test_tasks_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    listed = result(capsys, "tasks")["pretrained"]
    assert listed == {f"pretrained:{n}": pretrained.card(n).task for n in pretrained.names()}
    assert "arm-reach: 100.0 % [99.0, 100.0] of 400 fresh" in call(capsys, "tasks")[1]


def test_a_damaged_card_hides_no_other(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pretrained.FOLDER, here / "copy")
    monkeypatch.setattr(pretrained, "FOLDER", here / "copy")
    (here / "copy/arm-reach.json").write_text("{")
    code, out, _ = call(capsys, "tasks")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0
    assert re.search(r"can't be used: .*arm-reach\.json is damaged", lines[REACH])
    assert "fresh episodes succeed" in lines["pretrained:arm-pick"]
    listed = result(capsys, "tasks")["pretrained"]
    assert (listed[REACH], listed["pretrained:arm-pick"]) == (None, "arm-pick")
    code, out, said = call(capsys, "record", REACH)
    assert (code, out) == (1, "")
    assert "arm-reach.json is damaged" in said
    assert "Traceback" not in said
