"""Imports point one way: each package knows only those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

BELOW: dict[str, set[str]] = {"root": set(), "assets": {"root"}}
"""Package -> those it may import from; "root" are the modules that lie in no package."""
for package, direct in {
    "learning": {"root"},  # torch; knows no robots
    "sim": {"root", "assets"},  # MuJoCo; knows no tasks
    "perturbations": {"sim"},
    "robots": {"sim"},  # of users; knows no tasks
    "envs": {"perturbations", "robots"},
    "tasks": {"envs"},
    "evaluation": {"envs"},
    "training": {"evaluation", "learning"},
    "rendering": {"evaluation"},
    "report": {"evaluation"},
    "play": {"rendering"},
    "sweeps": {"training", "report"},
    "interop": {"training", "rendering"},
    "robustness": {"report", "rendering"},
    "distributed": {"interop", "robustness", "sweeps"},  # Ray, and nothing else imports it
    "cli": {"distributed", "play", "sweeps", "tasks"},
}.items():
    BELOW[package] = direct.union(*(BELOW[name] for name in direct))

REGISTRATION = Path("robo_maxent/interop/gym_registration.py")
"""The one file below the command line that knows the tasks: it names them to Gymnasium."""


def sources() -> dict[str, list[Path]]:
    """Package -> its files."""
    found = {name: sorted((ROOT / name).glob("*.py")) for name in ("tasks", "assets")}
    for path in sorted((ROOT / "robo_maxent").rglob("*.py")):
        parts = path.relative_to(ROOT / "robo_maxent").parts
        found.setdefault(parts[0] if len(parts) > 1 else "root", []).append(path)
    return found


def imported(path: Path) -> set[str]:
    """Packages of this project that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = (name.split(".") for name in names if name.split(".")[0] == "robo_maxent")
    return {parts[1] if parts[1] in BELOW else "root" for parts in inside if len(parts) > 1}


def test_every_package_has_its_place() -> None:
    assert sources().keys() == BELOW.keys()


@pytest.mark.parametrize("package", BELOW)
def test_a_package_imports_only_from_those_below_it(package: str) -> None:
    for path in sources()[package]:
        place = path.relative_to(ROOT)
        if place == Path("robo_maxent/__init__.py"):
            continue  # the face of the whole: it offers what lies above, and loads it when asked
        allowed = BELOW[package] | {package} | ({"tasks"} if place == REGISTRATION else set())
        extra = imported(path) - allowed
        assert not extra, f"{place} must not import {sorted(extra)}"


@pytest.mark.parametrize("package", sorted(BELOW.keys() - {"root", "assets", "tasks"}))
def test_a_package_offers_nothing_of_its_own(package: str) -> None:
    assert (ROOT / "robo_maxent" / package / "__init__.py").read_text() == ""


@pytest.mark.parametrize("package", sorted(BELOW.keys() - {"root", "assets"}))
def test_the_tests_of_a_package_lie_in_a_folder_of_its_name(package: str) -> None:
    assert list((ROOT / "tests" / package).glob("test_*.py"))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("robo_maxent", ["numpy", "torch", "mujoco", "scipy"]),
        ("robo_maxent.tasks", ["torch", "scipy", "matplotlib", "highway_env"]),
        ("robo_maxent.envs.mujoco_vec_env", ["torch"]),
        ("robo_maxent.sim.terrain", ["torch", "mujoco", "scipy", "matplotlib"]),
        ("robo_maxent.sim.terrain_pool", ["torch", "scipy", "matplotlib"]),
        ("robo_maxent.evaluation.rollout", ["torch"]),
        ("robo_maxent.evaluation.survival", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.evaluation.severity", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.evaluation.paired", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.evaluation.across_runs", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.robustness.runner", ["torch", "matplotlib"]),
        ("robo_maxent.report.html", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.envs.gym_vec_env", ["torch", "shimmy", "dm_control"]),
        ("robo_maxent.interop.gym_registration", ["torch"]),
        ("robo_maxent.learning.sac", ["mujoco"]),
        ("robo_maxent.learning.policy", ["mujoco"]),
        ("robo_maxent.cli.main", ["torch", "mujoco", "matplotlib"]),
    ],
)
def test_importing_a_module_does_not_load_the_other_half(
    module: str, absent: list[str], tmp_path: Path
) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(ran.stdout.split())
    assert module in loaded
    assert loaded.isdisjoint(absent)
