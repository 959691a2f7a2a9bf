"""A wrong combination of physics packages is one readable line, before anything crashes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robo_maxent import versions
from robo_maxent.errors import IncompatibleVersionsError


def having(**changed: str | None) -> list[str]:
    """Problems of the tested set with some versions changed; None: not installed."""
    found = versions.TESTED | {name.replace("_", "-"): v for name, v in changed.items()}
    return versions.problems(found.get)


def test_the_tested_set_and_what_is_installed_here_are_accepted() -> None:
    assert having() == []
    versions.require_compatible()


@pytest.mark.parametrize("version", ["3.17", "3.17.0", "3.17.1.post2", "3.99.4"])
def test_mujoco_from_3_17_below_4_is_accepted(version: str) -> None:
    assert having(mujoco=version) == []


@pytest.mark.parametrize("version", ["3.16.9", "3.2.7", "2.3", "4.0.0", "4.0.0.dev1", "5"])
def test_mujoco_outside_that_range_is_refused_by_number_and_reason(version: str) -> None:
    (problem,) = having(mujoco=version)
    assert problem.startswith(f"mujoco {version} is installed (")
    assert "mujoco.batch" in problem
    assert "4.0 computes wrong accelerations" in problem


def test_the_task_suites_may_be_absent_and_mujoco_may_not() -> None:
    assert having(dm_control=None, gymnasium_robotics=None) == []
    assert having(mujoco=None) == ["mujoco is not installed"]


@pytest.mark.parametrize(
    ("package", "version"),
    [("dm-control", "1.0.49"), ("gymnasium-robotics", "1.4.1"), ("dm-control", "2.0")],
)
def test_a_task_suite_that_breaks_is_refused(package: str, version: str) -> None:
    (problem,) = having(**{package.replace("-", "_"): version})
    assert problem.startswith(f"{package} {version} is installed (")


def test_the_error_is_one_line_with_every_fault_and_the_tested_set() -> None:
    found = {"mujoco": "4.0.0", "dm-control": "1.0.31"}
    with pytest.raises(IncompatibleVersionsError) as error:
        versions.require_compatible(found.get)
    message = str(error.value)
    assert "\n" not in message
    assert "mujoco 4.0.0 is installed" in message
    assert "dm-control 1.0.31 is installed" in message
    assert message.endswith(
        "pip install mujoco==3.17.0 dm-control==1.0.50 gymnasium-robotics==1.4.2"
    )
    assert isinstance(error.value, ImportError)


@pytest.mark.parametrize(
    "module", ["tasks", "sim.robot", "envs.mujoco_vec_env", "robustness.runner", "rendering.video"]
)
def test_a_wrong_mujoco_stops_the_import_before_mujoco_is_loaded(
    module: str, tmp_path: Path
) -> None:
    fake = tmp_path / "mujoco-4.0.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: mujoco\nVersion: 4.0.0\n")
    code = (
        "import sys\n"
        "try:\n"
        f"    import robo_maxent.{module}\n"
        "except ImportError as error:\n"
        "    print(error)\n"
        "print('mujoco' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    message, loaded = ran.stdout.splitlines()
    assert message.startswith("mujoco 4.0.0 is installed")
    assert loaded == "False"
