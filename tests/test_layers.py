"""Imports point one way: each package knows only those below it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
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

FACE = ROOT / "robo_maxent" / "__init__.py"
"""The face of the whole: it offers what lies above, and loads it when asked."""


def sources() -> dict[str, list[Path]]:
    """Package -> its files."""
    found = {name: sorted((ROOT / name).glob("*.py")) for name in ("tasks", "assets")}
    for path in sorted((ROOT / "robo_maxent").rglob("*.py")):
        parts = path.relative_to(ROOT / "robo_maxent").parts
        found.setdefault(parts[0] if len(parts) > 1 else "root", []).append(path)
    return found


def names_in(path: Path) -> Iterator[str]:
    """What a file imports, anywhere in it, with the module that it is from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path) -> set[str]:
    """Packages of this project that a file imports, anywhere in it."""
    inside = (name.split(".") for name in names_in(path) if name.split(".")[0] == "robo_maxent")
    return {parts[1] if parts[1] in BELOW else "root" for parts in inside if len(parts) > 1}


def modules() -> dict[str, Path]:
    """Module -> its file; without the face of the whole, which offers what lies above it."""
    files = (path for paths in sources().values() for path in paths)
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    named = {".".join(each).removeprefix("robo_maxent."): path for path, each in parts.items()}
    dotted = {f"robo_maxent.{name}": path for name, path in named.items()}
    return {name.removesuffix(".__init__"): path for name, path in dotted.items() if path != FACE}


def test_every_package_has_its_place() -> None:
    assert sources().keys() == BELOW.keys()


@pytest.mark.parametrize("package", BELOW)
def test_a_package_imports_only_from_those_below_it(package: str) -> None:
    for path in sources()[package]:
        place = path.relative_to(ROOT)
        if path == FACE:
            continue
        allowed = BELOW[package] | {package} | ({"tasks"} if place == REGISTRATION else set())
        extra = imported(path) - allowed
        assert not extra, f"{place} must not import {sorted(extra)}"


def test_no_module_imports_what_imports_it_not_even_when_a_function_is_called() -> None:
    files = modules()
    graph = {
        module: {whole if whole in files else whole.rpartition(".")[0] for whole in names_in(path)}
        & files.keys()
        for module, path in files.items()
    }
    assert "robo_maxent.envs.mujoco_vec_env" in graph["robo_maxent.envs.mujoco_task"]
    TopologicalSorter(graph).prepare()  # which raises a CycleError


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
