"""A mistyped command line is told what it may have meant; "latest" is the newest run."""

import os
import re
from pathlib import Path

import pytest
from command_line import call

from robo_maxent.cli import commands
from robo_maxent.cli.hints import ABSENT, ELSEWHERE, FLAG, hints
from robo_maxent.cli.names import with_latest
from robo_maxent.errors import PolicyError


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian quadruped-flat", "trian: did you mean train?"),
        ("train quadruped-flat --lr 0.1", "--lr is here --learning-rate"),
        ("train quadruped-flat --total_timesteps=10", "--total-timesteps is here --steps"),
        ("train quadruped-flat --device cpu", "--device: there is no choice: everything runs on"),
        ("train quadruped-flat --minuts 1", "--minuts: did you mean --minutes?"),
        (
            "evaluate RUN --n-eval-episodes 3",
            "--n-eval-episodes is here --episodes, and in",
        ),
        ("export RUN --lr 3", "--lr is here --learning-rate; export has no --learning-rate"),
        ("evaluate RUN --sed 3", "--sed: did you mean --seed?"),
        ("evaluate RUN --suite None", "--suite None: to say nothing, leave --suite out"),
        ("train --minutes=null", "--minutes null: to say nothing, leave --minutes out"),
    ],
)
def test_a_refused_command_line_is_told_what_it_may_have_meant(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = call(capsys, *words.split())
    assert (code, out) == (2, "")
    assert f"robo-maxent: {says}" in said


def test_none_is_no_value_that_a_refusal_or_help_offers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = call(capsys, "evaluate", "RUN", "--suite", "foo")
    assert code == 2
    assert "'nominal', 'quick', 'full'" in " ".join(said.replace("│", "").split())
    assert "None" not in said
    for command in commands.command_names():
        assert "default: None" not in call(capsys, command, "--help")[1]


@pytest.mark.parametrize("value", ["--minutes=foo", "--level=x", "--randomize=x"])
def test_a_value_is_refused_once(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(capsys, "train", "quadruped-flat", value)
    assert code == 2
    assert len(re.findall("Value error|Invalid choice", said)) == 1


@pytest.mark.parametrize("words", ["", "--help", "xyz", "xyz --lr 3"])
def test_what_looks_like_nothing_gets_no_hint(words: str) -> None:
    assert hints(words.split(), ["train", "record"], lambda args: None) == []


def test_dashes_alone_make_no_likeness(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = call(capsys, "worst-case", "RUN", "--budget", "1")
    assert code == 2
    assert "did you mean" not in said


def test_flags_of_others_are_none_of_ours_and_lead_to_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    helps = [call(capsys, command, "--help")[1] for command in commands.command_names()]
    ours = set(re.findall(FLAG, " ".join(helps)))
    assert not ours & (ELSEWHERE.keys() | ABSENT.keys())
    assert set(re.findall(FLAG, " ".join(ELSEWHERE.values()))) <= ours


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("HalfCheetah-v5", "is an environment of Gymnasium: say gym:HalfCheetah-v5"),
        ("quadruped-flt", "Did you mean 'quadruped-flat'?"),
        ("os:system", "os:system is no class of a task, but builtin_function_or_method"),
    ],
)
def test_a_task_that_is_none_is_said_before_the_budget(
    task: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = call(capsys, "train", task)
    assert code == 2
    assert says in said


def test_latest_is_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError, match="there is no run in runs/ yet"):
        with_latest(["evaluate", "latest"])
    for age, name in enumerate(("quadruped-flat/b", "arm-push/a")):
        config = Path("runs", name, "config.json")
        config.parent.mkdir(parents=True)
        config.write_text("{}")
        os.utime(config, (1000 - age, 1000 - age))
    newest = "runs/quadruped-flat/b"
    assert with_latest(["evaluate", "latest", "--seed", "2"]) == ["evaluate", newest, "--seed", "2"]
    assert with_latest(["train", "--resume", "latest"]) == ["train", "--resume", newest]
    assert with_latest(["latest"]) == ["latest"]
    assert with_latest(["evaluate", "latest", "--out", "latest"])[-1] == "latest"
    Path("latest").mkdir()
    assert with_latest(["evaluate", "latest"]) == ["evaluate", "latest"]
