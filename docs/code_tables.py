"""Tables of the reference in Markdown, read from the code: see :data:`TABLES`."""

import ast
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import numpy as np

from robo_maxent import errors, evaluation
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.perturbations.base import Perturbation
from robo_maxent.perturbations.ranges import LEVELS
from robo_maxent.robustness.axes import Disturbance, disturbances
from robo_maxent.robustness.suites import find
from robo_maxent.sim import table_surfaces, terrain
from robo_maxent.spaces import Field
from robo_maxent.tasks import ROBOT_TASKS, TASKS, make
from robo_maxent.training.config import Preset, TrainConfig, preset

Task = MujocoTask[Any, Any]


# -- Markdown ------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    """What stands in a cell, on one line."""
    return " ".join(str(value).split()).replace("|", "\\|")


def code(words: object) -> str:
    """Words as they are typed."""
    return f"`{words}`" if str(words) else ""


def listed(words: Iterable[object]) -> str:
    """Several of them."""
    return ", ".join(map(code, words))


# -- Tasks ---------------------------------------------------------------------


@cache
def robots() -> dict[str, Task]:
    """The tasks of robots, built once."""
    return {name: make(name) for name in ROBOT_TASKS}


def tasks() -> str:
    """Tasks, one line each."""
    header = ("task", "summary", "sees", "actions", "control", "steps", "preset")
    return table(header, map(_task_row, TASKS))


def _task_row(name: str) -> tuple[object, ...]:
    try:
        task = robots()[name] if name in ROBOT_TASKS else make(name)
    except UsageError:  # of an extra that is not installed
        return (code(name), TASKS[name].summary, "", "", "", "", code(TASKS[name].preset))
    return (
        code(name),
        task.summary,
        task.policy_size,
        task.action_space.size,
        f"{1.0 / task.control_dt:g} Hz" if name in ROBOT_TASKS else "",
        task.episode_steps,
        code(task.preset),
    )


def observations() -> str:
    """What a policy of each task sees, and what only its critics see."""
    return _by_task(lambda task: task.observation, _observation_table)


def rewards() -> str:
    """Reward terms of each task, as a step of it names them."""
    return _by_task(_terms, lambda terms: listed(terms))


def _terms(task: Task) -> tuple[str, ...]:
    """Names of the reward terms; the simulations of a task add some to its own."""
    env = MujocoVecEnv(task, 1, seed=0, threads=1)
    env.reset()
    return tuple(env.step(np.zeros((1, task.action_size))).terms)


def _observation_table(parts: Sequence[Field]) -> str:
    header = ("part", "elements", "unit", "sensor noise, ±", "seen by")
    return table(
        header,
        [
            (
                part.name,
                part.size,
                "" if part.unit == "1" else part.unit,
                f"{part.noise:g}" if part.noise else "",
                "critics only" if part.privileged else "policy and critics",
            )
            for part in parts
        ],
    )


def _by_task(of: Callable[[Task], Any], shown: Callable[[Any], str]) -> str:
    """Something of each task; tasks that have the same share a paragraph."""
    same: list[tuple[Any, list[str]]] = []
    for name, task in robots().items():
        value = of(task)
        names = next((names for known, names in same if known == value), None)
        if names is None:
            same.append((value, [name]))
        else:
            names.append(name)
    return "\n\n".join(f"**{', '.join(names)}**\n\n{shown(value)}" for value, names in same)


def randomization() -> str:
    """What each level of ``--randomize`` draws for each task's effects."""
    rows = []
    for effect, owners in _effects().items():
        robot = robots()[owners[0]].robot
        for name, nominal in effect.ranges.items():
            levels = [effect.level(level, robot).get(name, nominal) for level in LEVELS[1:]]
            rows.append((code(name), effect.title, *map(_range, (nominal, *levels))))
    return table(("range", "effect", *LEVELS), rows)


def _range(ends: object) -> str:
    if ends is None:
        return "the robot's own"
    if isinstance(ends, tuple):
        low, high = ends
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{ends:g}"


def _effects() -> dict[Perturbation, list[str]]:
    """Effects, one of each class, and the tasks that have them."""
    found: dict[type[Perturbation], tuple[Perturbation, list[str]]] = {}
    for name, task in robots().items():
        for effect in task.perturbations:
            if effect.lacking(task.robot) is None:
                found.setdefault(type(effect), (effect, []))[1].append(name)
    return dict(found.values())


# -- Stress tests --------------------------------------------------------------


def axes() -> str:
    """The axes of stress tests: what gets worse, by how much, and for whom."""
    found: dict[tuple[str, str], tuple[Disturbance, list[str]]] = {}
    for name, task in robots().items():
        for axis, disturbance in disturbances(task).items():
            # The friction of the feet, or of everything; the combination of either, all in all.
            kinds = [type(effect).__name__ for effect in disturbance.effects]
            key = axis, kinds[0] if len(kinds) == 1 else ""
            found.setdefault(key, (disturbance, []))[1].append(name)
    rows = []
    for (name, _), (disturbance, owners) in found.items():
        axis = disturbance.axis
        severities = ", ".join(f"{s:g}" for s in axis.severities)
        rows.append(
            (
                code(name),
                axis.title,
                axis.summary,
                f"{severities} {axis.unit}" if len(axis.severities) > 1 else "",
                len(axis.cases) or "",
                _owners(sorted(owners)),
            )
        )
    return table(("axis", "title", "what is done", "severities", "cases", "tasks"), rows)


def _owners(names: Sequence[str]) -> str:
    """Which tasks have something; the whole of a family is ``quadruped-*``."""
    if len(names) == len(ROBOT_TASKS):
        return "all"
    words = []
    for family, members in groupby(names, lambda name: name.split("-")[0]):
        own = list(members)
        all_of_it = sum(name.startswith(f"{family}-") for name in ROBOT_TASKS)
        words += [f"{family}-*"] if len(own) == all_of_it > 1 else own
    return listed(words)


def suites() -> str:
    """How many episodes a suite has of each axis of each task, for a policy's mean action."""
    chosen = ("nominal", "quick", "full")
    rows = []
    for name, task in robots().items():
        counts = [
            sum(part.episodes for part in find(suite).conditions(task, "mean")) for suite in chosen
        ]
        rows.append((code(name), len(disturbances(task)), *(f"{count:,}" for count in counts)))
    return table(("task", "axes", *(f"`--suite {suite}`" for suite in chosen)), rows)


# -- Terrain, presets, errors, statistics --------------------------------------


def kinds() -> str:
    """Kinds of ground and of table."""
    rows = [
        (
            code(name),
            place,
            kind.summary,
            f"{kind.largest_step[0]:.2g} to {kind.largest_step[1]:.2g} m",
            "held out" if kind.held_out else "",
        )
        for place, catalogue in (("ground", terrain.GROUND), ("table", table_surfaces.TABLE))
        for name, kind in catalogue.kinds.items()
    ]
    return table(("kind", "of", "what it is", "largest step, level 0 to 10", "in training"), rows)


def presets() -> str:
    """Recipes, by what they change of the default one."""
    usual = settings(TrainConfig())
    rows = []
    for name in get_args(Preset):
        changed = [f"{k} = {v}" for k, v in settings(preset(name)).items() if v != usual[k]]
        used = [task for task, made in TASKS.items() if made.preset == name]
        rows.append((code(name), listed(changed) or "nothing", listed(used)))
    return table(("preset", "what differs from the default", "tasks"), rows)


def settings(config: TrainConfig) -> dict[str, Any]:
    """All settings of a recipe, those of the learner too."""
    flat = {name: value for name, value in vars(config).items() if name != "sac"}
    return flat | vars(config.sac)


def exit_codes() -> str:
    """What each error of the package means, and the exit code of the command line."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RoboMaxentError)
    ]
    rows = [(code(kind.__name__), _sentence(kind.__doc__), kind.exit_code) for kind in kinds]
    return table(("error", "meaning", "exit code"), rows)


def statistics() -> str:
    """What computes the numbers of a report: public functions of ``robo_maxent.evaluation``."""
    rows = []
    for path in sorted(Path(evaluation.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text())
        rows += [
            (
                code(f"{path.stem}.{node.name}"),
                _sentence(ast.get_docstring(node)),
            )
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        ]
    return table(("function", "what it computes"), rows)


def _sentence(docstring: str | None) -> str:
    """The first paragraph of a docstring, as Markdown."""
    return (docstring or "").split("\n\n")[0].replace("``", "`")


TABLES: dict[str, Callable[[], str]] = {
    "tasks": tasks,
    "observations": observations,
    "rewards": rewards,
    "randomization": randomization,
    "axes": axes,
    "suites": suites,
    "kinds": kinds,
    "presets": presets,
    "errors": exit_codes,
    "statistics": statistics,
}
