"""Ray is asked for by name, answers or is said not to, and computes as this machine does."""

import importlib.util
import shutil
import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from robo_maxent.distributed import cluster
from robo_maxent.errors import RoboMaxentError, UsageError

PACKAGE = Path(cluster.__file__).parents[1]


def test_nothing_but_the_package_for_it_imports_ray() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name != "distributed":
            assert "import ray" not in path.read_text(), path
    code = "import sys, robo_maxent.distributed.tasks, robo_maxent.cli.main; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ray" not in ran.stdout.split()


def test_without_the_extra_one_line_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UsageError, match=r"--on ray needs ray: pip install 'robo-maxent\[ray\]'"),
        cluster.connected("ray"),
    ):
        pass


@pytest.mark.parametrize("on", ["", "local", "head", "ray://head", "http://head:80", "head:99999"])
def test_what_is_no_address_is_refused(on: str) -> None:
    with pytest.raises(UsageError, match=r"--on takes ray .*, ray://HOST:PORT .*10001"):
        cluster.check_address(on)


@pytest.mark.parametrize("on", ["ray", "auto", "ray://head:10001", "10.0.0.1:6379", "[::1]:6379"])
def test_addresses(on: str) -> None:
    cluster.check_address(on)


@pytest.mark.parametrize("kind", ["ray://", ""])
def test_an_address_that_nobody_answers_is_said_so_at_once(kind: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'robo-maxent[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        on = f"{kind}127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(RoboMaxentError, match=f"nobody answers at {on} .*ray start --head"),
            cluster.connected(on),
        ):
            pass


def test_what_differs_is_named_with_both_versions() -> None:
    ours = {"Python": "3.11.7", "robo-maxent": "0.1.0 (source 12345678)", "mujoco": "3.17.0"}
    assert cluster.difference(ours, ours | {"more": "1"}) == ""
    theirs = {"Python": "3.12.1", "robo-maxent": "0.1.0 (source 87654321)"}
    assert cluster.difference(ours, theirs) == (
        "Python 3.11.7 here, 3.12.1 there; robo-maxent 0.1.0 (source 12345678) here, 0.1.0 (source "
        "87654321) there; mujoco 3.17.0 here, none there"
    )


def test_a_version_is_that_of_the_source_too(monkeypatch: pytest.MonkeyPatch) -> None:
    describe = cluster.describer(("robo-maxent", "numpy", "no-such-package"))
    versions = describe()
    assert versions["no-such-package"] == "none"
    assert versions == describe()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path).replace(b"ray", b"day"))
    assert cluster.difference(versions, describe()).startswith("robo-maxent 0.1.0 (source ")


@pytest.mark.parametrize(
    "named", ["tasks/quadruped.py", "assets/quadruped.xml", "learning/sac_update.c"]
)
def test_so_are_the_sources_of_tasks_robots_and_what_is_compiled(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = cluster.describer(("robo-maxent",))
    versions, read = describe(), Path.read_bytes

    def edited(path: Path) -> bytes:
        return read(path) + b" " * (path.as_posix().endswith(named))

    monkeypatch.setattr(Path, "read_bytes", edited)
    assert cluster.difference(versions, describe()).startswith("robo-maxent 0.1.0 (source ")


def test_a_checkout_and_an_installation_of_it_are_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = cluster.describer(("robo-maxent",))
    here = describe()
    place = tmp_path / "robo_maxent"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, place, ignore=ignored)
    for part in ("tasks", "assets"):
        shutil.copytree(PACKAGE.parent / part, place / part, ignore=ignored, dirs_exist_ok=True)

    def found(name: str) -> ModuleSpec:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path.joinpath(*name.split(".")))]
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", found)
    assert describe() == here


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Nobody\n answers", "Nobody answers"),
        (
            "Refused: Traceback (most recent call last):\n  File 'a.py', line 1\nE: no disk\n",
            "Refused: E: no disk",
        ),
        ("", "RuntimeError"),
    ],
)
def test_a_traceback_that_ray_sends_is_told_in_a_line(said: str, line: str) -> None:
    assert cluster._in_a_line(RuntimeError(said)) == line


class TaskError(Exception):
    """As Ray's, which is an instance of what the task raised as well."""


class TaskConnectionError(TaskError, ConnectionError):
    pass


def gone(initialized: bool = False) -> cluster.Cluster:
    kinds = ("RaySystemError", "RayActorError")
    exceptions = {kind: type(kind, (Exception,), {}) for kind in kinds} | {
        "RayTaskError": TaskError
    }
    ray: Any = SimpleNamespace(
        exceptions=SimpleNamespace(**exceptions), is_initialized=lambda: initialized
    )
    return cluster.Cluster(ray, "ray://head:10001")


@pytest.mark.parametrize("kind", ["ConnectionError", "RaySystemError", "RayActorError"])
def test_a_cluster_that_is_gone_is_said_to_be_so(kind: str) -> None:
    there = gone()
    error = getattr(there.ray.exceptions, kind, ConnectionError)
    with (
        pytest.raises(cluster.LostError, match=r"^ray://head:10001 can't be reached any more \(no"),
        there.reached(),
    ):
        raise error("nobody is there")


def test_what_a_task_meets_with_is_not_taken_for_that() -> None:
    with pytest.raises(TaskConnectionError), gone().reached():
        raise TaskConnectionError("a door is closed")


@pytest.mark.parametrize(("initialized", "asked"), [(False, 0), (True, 1)])
def test_nothing_waits_to_end_what_is_out_of_reach(initialized: bool, asked: int) -> None:
    ends: list[str] = []

    def end() -> None:
        ends.append("asked")
        raise ConnectionError

    gone(initialized).let_go(end)
    assert len(ends) == asked
