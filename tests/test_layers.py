"""Imports point one way: each module knows only those before it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

PHYSICS = [
    "errors",
    "versions",
    "physics",
    "terrain",
    "ground",
    "curriculum",
    "assets",
    "robot",
    "rewards",
    "streams",
    "draws",
    "randomize",
    "applier",
    "task",
    "perturb",
    "step",
    "vec_env",
    "learnable",
    "gym_door",
    "gym_probe",
    "gym_task",
]
"""numpy, mujoco and gymnasium; each imports from those before it."""
LEARNING = [
    "errors",
    "config",
    "machine",
    "replay",
    "adam",
    "networks",
    "compiled",
    "sac",
    "policy",
]
"""torch; knows nothing of robots."""
RUNS = [
    "checkpoint",
    "metrics",
    "training_plot",
    "evaluate",
    "capture",
    "changes",
    "axes",
    "recovery",
    "measures",
    "trials",
    "nulls",
    "suites",
    "work",
    "shards",
    "suite",
    "intervals",
    "clusters",
    "stats",
    "times",
    "severity",
    "compare",
    "runs",
    "export",
    "results",
    "curves",
    "grids",
    "findings",
    "wording",
    "verdict",
    "notices",
    "svg",
    "figures",
    "report_plots",
    "report_maps",
    "report",
    "video",
    "gym_video",
    "gym_env",
    "terrain_sheet",
    "tour",
    "stress",
    "trainer",
    "train",
    "foreign_fit",
    "foreign_sb3",
    "foreign",
    "progress",
    "doctor",
]
"""What joins the two, and what a run leaves."""


def before(chain: list[str], module: str) -> set[str]:
    return set(chain[: chain.index(module)])


ALLOWED: dict[str, set[str]] = (
    {module: before(PHYSICS, module) for module in PHYSICS}
    | {module: before(LEARNING, module) for module in LEARNING}
    | {module: before(RUNS, module) | {*PHYSICS, *LEARNING} for module in RUNS}
    | {"tasks": before(PHYSICS, "perturb")}
    | {"gym_ids": {"gym_env", "tasks"}}
    | {"subjects": {*PHYSICS, *LEARNING, *RUNS, "tasks"}}
    | {"cli": {*PHYSICS, *LEARNING, *RUNS, "tasks", "subjects"}}
    | {"__init__": {"gym_ids"}}
)
"""Module -> what it may import from the package.

Only the command line and the registration with Gymnasium know the tasks.
"""

LATE: dict[str, set[str]] = {"task": {"vec_env"}}
"""Module -> what it may import inside functions only: a task names what simulates it."""


def sources() -> dict[str, list[Path]]:
    """Module -> its files; tasks and assets are one module each."""
    found = {path.stem: [path] for path in (ROOT / "robo_maxent").glob("*.py")}
    return found | {name: sorted((ROOT / name).glob("*.py")) for name in ("tasks", "assets")}


def imported(path: Path, inside_functions: bool = True) -> set[str]:
    """Modules of the package that a file imports anywhere, or on loading."""
    names: set[str] = set()
    nodes = list(ast.walk(ast.parse(path.read_text())))
    if not inside_functions:
        late = [n for f in nodes if isinstance(f, ast.FunctionDef) for n in ast.walk(f)]
        typing = [n for i in nodes if isinstance(i, ast.If) and is_typing(i) for n in ast.walk(i)]
        nodes = [node for node in nodes if node not in late and node not in typing]
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = (name.split(".") for name in names if name.split(".")[0] == "robo_maxent")
    return {parts[1] for parts in inside if len(parts) > 1 and not parts[1].startswith("__")}


def is_typing(condition: ast.If) -> bool:
    return isinstance(condition.test, ast.Name) and condition.test.id == "TYPE_CHECKING"


def test_the_map_names_every_module() -> None:
    assert sources().keys() == ALLOWED.keys()


@pytest.mark.parametrize("module", sources())
def test_a_module_imports_only_what_comes_before_it(module: str) -> None:
    for path in sources()[module]:
        allowed, late = ALLOWED.get(module, set()) | {module}, LATE.get(module, set())
        extra = (imported(path) - allowed - late) | (imported(path, False) & late)
        assert not extra, f"{path.relative_to(ROOT)} must not import {sorted(extra)}"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("robo_maxent", ["numpy", "torch", "mujoco", "scipy"]),
        ("robo_maxent.tasks", ["torch", "scipy", "matplotlib"]),
        ("robo_maxent.vec_env", ["torch"]),
        ("robo_maxent.terrain", ["torch", "mujoco", "scipy", "matplotlib"]),
        ("robo_maxent.ground", ["torch", "scipy", "matplotlib"]),
        ("robo_maxent.evaluate", ["torch"]),
        ("robo_maxent.times", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.severity", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.compare", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.runs", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.suite", ["torch", "scipy", "matplotlib"]),
        ("robo_maxent.report", ["torch", "mujoco", "matplotlib"]),
        ("robo_maxent.gym_task", ["torch", "shimmy", "dm_control"]),
        ("robo_maxent.gym_ids", ["torch"]),
        ("robo_maxent.sac", ["mujoco"]),
        ("robo_maxent.policy", ["mujoco"]),
        ("robo_maxent.cli", ["torch", "mujoco", "matplotlib"]),
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
