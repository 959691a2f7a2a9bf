"""A stress test from the command line: rows, films, report, and a failure again bit for bit."""

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import call
from hand_rows import row as row_by_hand

from robo_maxent.cli import demo
from robo_maxent.errors import UsageError
from robo_maxent.perturbations.base import Share
from robo_maxent.rendering import backend
from robo_maxent.report.rows import StressEpisode, identity
from robo_maxent.robustness import stress_test, suites
from robo_maxent.robustness.plan import batch_of
from robo_maxent.robustness.suites import Suite
from robo_maxent.tasks import make, quadruped
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.train import train

SMALL = Suite(
    "quick",
    "a small one",
    {"nominal": Share(4, 2, sampled=2), "push": Share(1, 1, severities=(0.0, 2.0))},
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt nothing yet, of which each test gets a copy."""
    budget = {"steps": 8, "envs": 4, "random_steps": 1, "evaluation_episodes": 2}
    config = replace(preset("default"), **budget)
    return train(
        make("quadruped-flat"), config, tmp_path_factory.mktemp("trained") / "run"
    ).directory


@pytest.fixture
def trained(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that has learnt nothing yet, in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(suites.SUITES, "quick", SMALL)
    return shutil.copytree(template, tmp_path / "run")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of two seconds, for what does not depend on how they go."""
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 100)


def test_a_suite_writes_rows_and_a_report_and_replays_its_failures(
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    benchmark: Any,
) -> None:
    monkeypatch.setattr(stress_test, "CLIP_SECONDS", 0.5)
    words = ["evaluate", str(trained), "--suite", "quick", "--clips", "1", "--json"]
    code, out, said = call(capsys, *words)
    assert code == 0, said
    told: dict[str, Any] = json.loads(out)
    page = Path(told["report"]).read_text()
    assert "data:video/mp4" in page
    assert told["verdict"][0]["headline"]

    rows, described = stress_test.read(trained / "robustness-quick")
    recomputed = benchmark("recompute")
    lines = [row.to_json() for row in rows]
    assert recomputed.recomputed(lines, described) == pytest.approx(
        recomputed.flat(told["figures"]), abs=recomputed.TOLERANCE
    )
    assert f"{told['figures']['episodes']:,} episodes: " in said
    assert {row.policy for row in rows} >= {"zero action", "hold pose"}
    failed = next(row for row in rows if row.mode == "mean" and not row.success)
    for row in (failed, next(row for row in rows if row.mode == "baseline")):
        name = identity(row)
        words = ["replay", str(trained / "robustness-quick"), "--row", name, "--json"]
        code, out, said = call(capsys, *words)
        assert code == 0, said
        assert json.loads(out)["same"]
    assert described["replay"].endswith("--row {row}")
    spaced = trained / "with spaces"
    (trained / "robustness-quick").rename(spaced)
    again = shlex.split(stress_test.read(spaced)[1]["replay"])
    assert again == ["robo-maxent", "replay", str(spaced), "--row", "{row}"]
    spaced.rename(trained / "robustness-quick")
    differences, known = benchmark("replays").differences, dict[str, Any]()
    assert differences(failed, described, known) == []
    assert differences(replace(failed, reward=0.5), described, known) == ["reward"]

    code, _, said = call(capsys, "replay", str(trained / "robustness-quick"), "--row", "x")
    assert code == 2
    assert "there is no row 'x'" in said
    code, _, said = call(capsys, "replay", str(trained / "robustness-quick"))
    assert code == 2
    assert "say which episode with --row; the report names those that failed, for exam" in said


@pytest.mark.usefixtures("short")
def test_a_policy_that_changed_since_is_not_replayed(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "evaluate", str(trained), "--suite", "quick", "--clips", "0")[0] == 0
    rows, _ = stress_test.read(trained / "robustness-quick")
    row = identity(next(row for row in rows if row.mode == "mean"))
    policy = trained / "policy.safetensors"
    policy.write_bytes((trained / "policy-last.safetensors").read_bytes())
    described = json.loads((trained / "robustness-quick" / "suite.json").read_text())
    described["policies"][0]["sha256"] = "0"
    (trained / "robustness-quick" / "suite.json").write_text(json.dumps(described))
    code, _, said = call(capsys, "replay", str(trained / "robustness-quick"), "--row", row)
    assert code == 2
    assert "is not the policy that was stressed" in said


@pytest.mark.usefixtures("short")
def test_what_can_not_be_filmed_leaves_the_report(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filmed = []

    def film(*words: Any) -> None:
        if filmed:
            raise OSError(28, "No space left on device")
        filmed.append(words[-1])
        words[-1].write_bytes(b"a film")

    monkeypatch.setattr(stress_test, "film", film)
    code, _, said = call(capsys, "evaluate", str(trained), "--suite", "quick", "--clips", "2")
    assert code == 0, said
    assert "Failures could not be filmed: No space left on device" in said
    assert (trained / "robustness-quick/report.html").read_text().count("data:video/mp4") == 1


def test_what_a_suite_is_not_for_is_said(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(capsys, "evaluate", str(trained), "--axes", "push")
    assert code == 2
    assert "give --suite" in said
    code, _, said = call(capsys, "evaluate", str(trained), "--suite", "quick", "--episodes", "7")
    assert code == 2
    assert "suite quick has its own number of episodes of everything: leave out --episodes" in said
    code, _, said = call(capsys, "evaluate", str(trained), "--suite", "quick", "--axes")
    assert (code, "--axes names no axis: name some, or leave it out" in said) == (2, True)
    code, _, said = call(capsys, "evaluate", str(trained), "--on", "ray")
    assert (code, "--on is where a suite is run: give --suite" in said) == (2, True)
    code, _, said = call(capsys, "evaluate", str(trained), "--episodes-factor", "2")
    assert (code, "--episodes-factor multiplies a suite" in said) == (2, True)
    code, _, said = call(capsys, "evaluate", str(trained), "--suite", "quick", "--on", "there")
    assert (code, "--on takes ray (start Ray on this machine), ray://HOST:PORT" in said) == (
        2,
        True,
    )
    code, _, said = call(capsys, "evaluate", str(trained), "--suite", "quick", "--axes", "wind")
    assert code == 2
    assert "push" in said
    code, _, said = call(capsys, "replay", str(trained), "--row", "x")
    assert code == 2
    assert "holds no finished evaluation" in said


SUITE: dict[str, Any] = {
    "task": "quadruped-flat",
    "task_options": {},
    "policies": [{"label": "walker", "file": "runs/walker", "sha256": None}],
}
ROW = row_by_hand(policy="zero action", axis="push", mode="baseline").to_json()
OTHER_ROW = json.dumps(ROW | {"sim": 5})


def damaged(capsys: pytest.CaptureFixture[str], suite: str, rows: str) -> str:
    """What replay says of a stress test of this content."""
    Path("suite.json").write_text(suite)
    Path("episodes.jsonl").write_text(rows)
    code, out, said = call(capsys, "replay", ".", "--row", identity(StressEpisode.from_json(ROW)))
    assert (code, out) == (2, "")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ("{", "holds no finished evaluation: Expecting property name"),
        ("[" * 100_000, "holds no finished evaluation: maximum recursion depth"),
        ("[]", "suite.json is damaged: the suite must be an object, got []"),
        (json.dumps({"task": "x"}), "the suite lacks 'task_options', 'policies'"),
        (json.dumps({"format": 2}), "suite.json is of another version: it has format 2, and this"),
        (json.dumps(SUITE | {"format": "2"}), "is damaged: format of the suite must be a whole"),
        (json.dumps(SUITE | {"task": 3}), "task of the suite must be text, got 3"),
        (json.dumps(SUITE | {"policies": {}}), "policies of the suite must be a list, got {}"),
        (
            json.dumps(SUITE | {"policies": [{}]}),
            "element 1 of policies of the suite lacks 'label'",
        ),
        (json.dumps(SUITE | {"axes": [{"name": "a"}]}), "axes of the suite lacks 'title'"),
        (
            json.dumps(SUITE | {"conditions": [1]}),
            "conditions of the suite must be an object, got 1",
        ),
    ],
)
def test_a_suite_of_other_content_is_refused_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], suite: str, message: str
) -> None:
    assert message in damaged(capsys, suite, json.dumps(ROW))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "episodes.jsonl has no rows"),
        ("{", "episodes.jsonl, line 1 is damaged: Expecting property name"),
        ("3", "line 1 is damaged: a row of a stress test must be an object, got 3"),
        (f"{OTHER_ROW}\n{{}}", "line 2 is damaged: a row of a stress test lacks 'task'"),
        (json.dumps(ROW | {"sim": 0.5}), "sim of a row of a stress test must be a whole number"),
        (json.dumps(ROW | {"seed": -1}), "seed of a row must be >= 0, got -1"),
        (json.dumps(ROW | {"command": [1, None]}), "element 2 of command of a row of a stress"),
        (json.dumps(ROW | {"places": {"cube": [1]}}), "'cube' of places of a row of a stress test"),
        (json.dumps(ROW | {"axis": "push", "severity": "x"}), "severity of a row of a stress test"),
        (json.dumps(ROW | {"params": {"payload": "heavy"}}), "the parameters of an episode can't"),
        (json.dumps(ROW | {"params": {"colour": 1}}), "Unknown parameter of an effect 'colour'"),
    ],
)
def test_rows_of_other_content_are_refused_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], rows: str, message: str
) -> None:
    assert message in damaged(capsys, json.dumps(SUITE), rows)


def test_a_row_of_an_axis_that_there_is_not_is_refused() -> None:
    task = make("quadruped-rough")
    for wrong, message in (
        ({"axis": "wind"}, "Unknown axis of quadruped-rough 'wind'"),
        ({"axis": "terrain", "terrain": "stairs_up"}, "must say its terrain and its level"),
        ({"axis": "terrain", "terrain": "lava", "level": 3}, "nknown terrain kind"),
    ):
        with pytest.raises(UsageError, match=message):
            batch_of(StressEpisode.from_json(ROW | wrong), task)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def short_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo with a bit of everything that it does."""
    bit = TrainConfig(envs=4, random_steps=1, evaluation_episodes=2, evaluate_every=1_000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "preset", lambda name: bit)
    monkeypatch.setattr(demo, "EPISODES", 2)
    monkeypatch.setattr(demo, "CLIPS", 1)
    for name, show in demo.SHOWS.items():
        monkeypatch.setitem(demo.SHOWS, name, replace(show, minutes=0.01, seconds=0.04))
    monkeypatch.setattr(stress_test, "CLIP_SECONDS", 0.1)
    monkeypatch.setitem(suites.SUITES, "quick", SMALL)


@pytest.mark.usefixtures("short_demo")
@pytest.mark.parametrize("robot", demo.SHOWS)
def test_the_demo_ends_with_a_video_and_a_report(
    robot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = call(capsys, "demo", robot, "--json")
    assert code == 0, said
    told = json.loads(out)
    assert told["success"]["count"] == 2
    assert Path(told["video"]).stat().st_size > 0
    page = Path(told["report"]).read_text()
    assert page.count("data:video/mp4") == 1
    assert f"robo-maxent evaluate {told['run']} --suite quick" in page
    assert f"Watch {told['video']}, and open {told['report']} in a browser." in said


@pytest.mark.usefixtures("short_demo")
def test_the_demo_goes_on_without_opengl(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.find_backend.cache_clear()
    monkeypatch.setattr(backend, "works", lambda name: "no library")
    try:
        code, out, said = call(capsys, "demo", "arm", "--json")
    finally:
        backend.find_backend.cache_clear()
    assert code == 0, said
    told = json.loads(out)
    assert told["video"] is None
    page = Path(told["report"]).read_text()
    assert "data:video/mp4" not in page
    assert "Failures could not be filmed: No working OpenGL backend" in page
    assert "3/4  No video" in said
