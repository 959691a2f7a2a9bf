"""Tasks outside of this package, as ``MODULE:CLASS``: finding, checking and naming them.

An installed package can give its tasks names, by entry points of the group ``robo_maxent.tasks``,
whose names are those of the tasks. Nothing is imported before it is asked for.
"""

import difflib
import importlib
import inspect
import operator
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import Any

from robo_maxent.envs.gym_spec import PREFIX, module_of
from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.gym_wrapper import one_line
from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import ANY_ERROR, RoboMaxentError, UsageError
from robo_maxent.here import import_from_here

GROUP = "robo_maxent.tasks"
"""Entry points of this group are tasks."""
CLASS = "class"
"""Key under which ``config.json`` and stress tests store the class of such a task."""

TaskClass = type[MujocoTask[Any, Any]] | type[NamedGymTask]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_MODULE_CLASS = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.\w+)*)")
_DECLARED: dict[type, tuple[str, ...]] = {
    MujocoTask: (
        "name",
        "summary",
        "robot_spec",
        "observation",
        "action",
        "action_scale",
        "substeps",
        "episode_steps",
    ),
    NamedGymTask: ("name", "summary", "env_spec"),
}
"""Attributes that a subclass has to declare, beside its methods."""
_COUNTS: dict[type, tuple[str, ...]] = {
    MujocoTask: ("substeps", "episode_steps"),
    NamedGymTask: (),
}
"""Those of them that are numbers of steps."""


def made(
    kind: TaskClass, options: Mapping[str, Any], word: str
) -> MujocoTask[Any, Any] | NamedGymTask:
    """Build a task of a class, which may be someone else's code.

    Args:
        kind: The class.
        options: Passed on to it.
        word: How the message calls it.

    Raises:
        UsageError: Someone else's class can't be made; the message says where.
        RoboMaxentError: What the class says itself.
    """
    if class_of(kind) is None:
        return kind(**options)
    try:
        return kind(**options)
    except RoboMaxentError:
        raise
    except ANY_ERROR as error:  # someone else's code
        raise UsageError(f"{word} can't be made: {one_line(error)}") from error


def require_options(kind: TaskClass, options: Mapping[str, Any], word: str) -> None:
    """Check that a task has what options are given.

    Args:
        kind: Its class.
        options: What would be passed on to it.
        word: How the message calls it.

    Raises:
        UsageError: It has not; the message lists what it has.
    """
    known = inspect.signature(kind).parameters
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values())
    unknown = [] if takes_any else sorted(options.keys() - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(
            f"{word} has no option {', '.join(map(repr, unknown))}.{hint} Those of it are "
            f"{', '.join(sorted(known)) or 'none'}."
        )


def is_class(word: str) -> bool:
    """Whether a word names a class, rather than a task or a Gymnasium id."""
    return ":" in word and not word.startswith(PREFIX)


def load(word: str) -> TaskClass:
    """Load the task ``MODULE:CLASS``; modules of the current directory come first.

    Raises:
        UsageError: There is no such module or class, or it is no task; the message says what there
            is, or what is missing.
    """
    return _of_module(word, import_from_here)


def installed() -> dict[str, EntryPoint]:
    """Tasks to which installed packages give a name; none of them is imported.

    Raises:
        UsageError: Two packages give the same.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.value):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise UsageError(
                f"two packages have a task {entry.name}, {other.value} and {entry.value}: name "
                "the class instead of it, and uninstall one"
            )
    return found


def load_installed(entry: EntryPoint) -> TaskClass:
    """Load the task of an entry point, never from the current directory.

    Raises:
        UsageError: It can't be imported, is no task, or has another name.
    """
    kind = _of_module(entry.value, importlib.import_module)
    if kind.name != entry.name:
        raise UsageError(
            f"the entry point {entry.name} is {entry.value}, which is called {kind.name}: call "
            "both the same"
        )
    return kind


def _needless(kind: type) -> tuple[str, ...]:
    """Attributes that a class need not declare, since it overrides the methods that read them."""
    readers = ("action_space", "control")
    if all(getattr(kind, name, None) is not getattr(MujocoTask, name) for name in readers):
        return ("action_scale",)
    return ()


def require_task(kind: Any, word: str) -> None:
    """Check that a class is a task.

    Args:
        kind: What was named.
        word: How the message calls it.

    Raises:
        UsageError: It is none; the message says what it lacks.
    """
    if not inspect.isclass(kind):
        raise UsageError(f"{word} is no class of a task, but {type(kind).__name__}")
    base = next((each for each in _DECLARED if issubclass(kind, each)), None)
    if base is None or kind in _DECLARED:
        raise UsageError(
            f"{word} is no task: it must be a subclass of robo_maxent.envs.mujoco_task.MujocoTask, "
            "or of robo_maxent.envs.gym_task.NamedGymTask where its world is a Gymnasium "
            "environment"
        )
    needless = _needless(kind)
    lacking = [name for name in _DECLARED[base] if not hasattr(kind, name) and name not in needless]
    if lacking := lacking + sorted(getattr(kind, "__abstractmethods__", ())):
        raise UsageError(f"{word} is no task yet: it lacks {', '.join(lacking)}")
    for count in _COUNTS[base]:
        value = getattr(kind, count)
        if not (isinstance(value, int) and value >= 1):
            raise UsageError(
                f"{count} of {word} must be a whole number of at least 1, got {value!r}"
            )
    name = getattr(kind, "name", None)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise UsageError(
            f"{word} is called {name!r}: a name of a task has letters, digits and hyphens"
        )


def class_of(kind: type) -> str | None:
    """``MODULE:CLASS`` of a task outside this package; None if it is inside or has no such name."""
    module = kind.__module__
    if module == "__main__":  # a script, which a command imports by its file's name
        module = Path(getattr(sys.modules[module], "__file__", None) or "").stem
    word = f"{module}:{kind.__qualname__}"
    if module.partition(".")[0] == "robo_maxent" or not _MODULE_CLASS.fullmatch(word):
        return None
    return word


def code_of(task: EnvFactory) -> str | None:
    """Words that a command line needs for importing a task; None if it needs none."""
    if task.name.startswith(PREFIX):
        return task.name if module_of(task.name) else None
    return None if task.name in installed() else class_of(type(task))


def saved_code(saved: Mapping[str, Any]) -> str | None:
    """Words that a command line needs for importing the task that a file describes."""
    name, word = saved.get("task"), saved.get(CLASS)
    if isinstance(name, str) and module_of(name):
        return name
    return word if isinstance(word, str) and _MODULE_CLASS.fullmatch(word) else None


def identified(task: EnvFactory) -> dict[str, str]:
    """Name and class by which a file identifies a task."""
    word = class_of(type(task))
    return {"task": task.name} | ({CLASS: word} if word else {})


def word_for(code: str | None, flag: str = "") -> str:
    """The word for a task in a printed command, given its :func:`code_of`."""
    return "" if code is None else f" {flag}{quote(code)}"


def _of_module(word: str, import_module: Callable[[str], ModuleType]) -> TaskClass:
    """The class of a module.

    Raises:
        UsageError: As of :func:`load`.
    """
    file, _, name = word.partition(":")
    if file.endswith(".py"):
        module = file.removesuffix(".py").replace("/", ".")
        raise UsageError(f"a task is named by its module, not by its file: say {module}:{name}")
    parts = _MODULE_CLASS.fullmatch(word)
    if parts is None:
        raise UsageError(f"{word} is no MODULE:CLASS, as Python names them")
    try:
        module = import_module(parts["module"])
    except ANY_ERROR as error:  # someone else's code
        if isinstance(error, ModuleNotFoundError) and f"{parts['module']}.".startswith(
            f"{error.name}."
        ):
            raise UsageError(
                f"there is no module {error.name}, neither in {Path.cwd()} nor installed"
            ) from error
        raise UsageError(f"{parts['module']} can't be imported: {one_line(error)}") from error
    try:
        kind = operator.attrgetter(parts["name"])(module)
    except AttributeError as error:
        tasks = [name for name, each in vars(module).items() if _is_task_of(each, module)]
        there = f"its tasks are {', '.join(tasks)}" if tasks else "it has no task"
        raise UsageError(f"{parts['module']} has no {parts['name']}: {there}") from error
    require_task(kind, word)
    return kind


def _is_task_of(kind: Any, module: ModuleType) -> bool:
    """Whether something is a task class that a module defines."""
    return (
        inspect.isclass(kind)
        and issubclass(kind, tuple(_DECLARED))
        and kind.__module__ == module.__name__
    )
