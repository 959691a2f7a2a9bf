"""``robo-maxent play`` refuses in a line what it can't show, and ends by Ctrl-C."""

import os
import signal
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import call
from small_policy import small_policy

from robo_maxent import versions
from robo_maxent.tasks import make

NEEDED = pytest.mark.skipif(find_spec("viser") is None, reason="needs the extra viewer: viser")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were there: what is refused before it is used needs none."""
    monkeypatch.setattr(versions, "require_extra", lambda module, extra, what: None)


def test_without_the_extra_one_line_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda name: None)
    code, out, said = call(capsys, "play", "runs/none")
    assert (code, out) == (2, "")
    assert said == "robo-maxent: play needs viser: pip install 'robo-maxent[viewer]'\n"


@pytest.mark.usefixtures("installed")
def test_a_policy_that_is_not_there_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, said = call(capsys, "play", "runs/none")
    assert code == 1
    assert "No run directory or policy file 'runs/none'" in said


@pytest.mark.usefixtures("installed")
def test_what_draws_itself_is_refused_with_what_films_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    small_policy(make("portfolio")).save("policy.safetensors")
    code, _, said = call(capsys, "play", "policy.safetensors")
    assert code == 2
    assert "portfolio draws itself, and play is for quadruped-flat, " in said
    assert said.endswith("Film it: robo-maxent record policy.safetensors\n")


@NEEDED
def test_it_serves_its_page_and_ctrl_c_ends_it_in_good_order(tmp_path: Path) -> None:
    small_policy(make("quadruped-flat")).save(tmp_path / "policy.safetensors")
    script = (  # tests that run in the background ignore SIGINT, and so would what they begin
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from robo_maxent.cli.main import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script, "play", "policy.safetensors", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as running:
        assert running.stderr is not None
        try:
            url, how = running.stderr.readline().split()[-1], running.stderr.readline()
            assert url.startswith("http://127.0.0.1:")
            with urllib.request.urlopen(url, timeout=20.0) as page:
                assert b"<html" in page.read()
            running.send_signal(signal.SIGINT)
            out, said = running.communicate(timeout=60.0)
        finally:
            running.kill()
    assert running.returncode == 0
    assert out == ""
    assert how == "  Ctrl-C ends it.\n"
    assert "Traceback" not in said
