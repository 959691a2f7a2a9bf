"""Guards calls into someone else's task or effect: names its exceptions, checks its results.

An exception of theirs becomes an :class:`EnvError` that says which method raised what, and at which
line of their file. So it ends a command with a sentence, and a training with a checkpoint; one of
ours stays as it is.
"""

import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from robo_maxent import errors
from robo_maxent.envs.task import Initial
from robo_maxent.errors import ANY_ERROR, EnvError, RoboMaxentError

PACKAGE = errors.__name__.partition(".")[0]
_PACKAGE_FOLDER = Path(errors.__file__).parent
_LIBRARIES = [
    Path(folder)
    for name, folder in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
]


NUMERIC = "fiub"
"""Kinds of numpy types that are real numbers."""


class _OfTask(Protocol):
    @property
    def task(self) -> Any: ...


W = TypeVar("W", bound=_OfTask)
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def whose_fault(task: Any) -> Iterator[None]:
    """Turn exceptions of a task author's code into errors that name the code.

    Raises:
        EnvError: There was one.
    """
    try:
        yield
    except RoboMaxentError:
        raise
    except ANY_ERROR as error:
        raised = raised_by_author(error, task)
        if raised is None:
            raise
        raise raised from error


def says_whose_fault(method: Callable[Concatenate[W, P], R]) -> Callable[Concatenate[W, P], R]:
    """Decorator of methods that run a task, with the same guard."""

    @wraps(method)
    def guarded(runs: W, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with whose_fault(runs.task):
            return method(runs, *args, **kwargs)

    return guarded


def raised_by_author(error: BaseException, task: object = None) -> EnvError | None:
    """The exception as an error of someone else's code; None if it is not theirs.

    Args:
        error: As it was caught.
        task: What ran; its own module and those of its effects may be installed as a package.
    """
    named = [task, *getattr(task, "perturbations", ())]
    modules = {_top(kind.__module__) for each in named for kind in type(each).__mro__}
    frames = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_theirs(frame, modules - {PACKAGE, "builtins"})
    ]
    if not frames:
        return None
    (outer, called), (inner, line) = frames[0], frames[-1]
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
    if not str(error):  # an assertion without a text says what it asserts
        text += f" of {traceback.extract_tb(error.__traceback__)[-1].line!r}"
    place = _place(inner, line)
    if len(frames) > 1:
        place += f", called at {_place(outer, called)}"
    return EnvError(f"{outer.f_code.co_qualname} raised {text} ({place}).")


def _is_theirs(frame: FrameType, modules: set[str]) -> bool:
    """Whether code is neither ours nor a library's, unless of these top-level modules."""
    top, file = _top(frame.f_globals.get("__name__") or ""), Path(frame.f_code.co_filename)
    if top == PACKAGE or file.is_relative_to(_PACKAGE_FOLDER) or file.name.startswith("<"):
        return False
    return top in modules or not any(file.is_relative_to(folder) for folder in _LIBRARIES)


def _top(module: str) -> str:
    return module.partition(".")[0]


def _place(frame: FrameType, line: int) -> str:
    """File and line, relative to the current directory if possible."""
    file = Path(frame.f_code.co_filename)
    here = Path.cwd()
    return f"{file.relative_to(here) if file.is_relative_to(here) else file}:{line}"


# What methods of a task return.


def observations(task: Any, given: Any, n: int) -> np.ndarray:
    """Check observations of N simulations, (N, O).

    Raises:
        EnvError: They are something else.
    """
    shape = np.shape(given)
    if not isinstance(given, np.ndarray) or shape != (n, task.observation_size):
        raise EnvError(
            f"{task.name}: observe gives shape {shape}, its fields say {n, task.observation_size}."
        )
    return given


def flags(task: Any, method: str, given: Any, n: int) -> np.ndarray:
    """Check flags of N simulations, bool, (N,) or ().

    Raises:
        EnvError: It is something else.
    """
    values = np.asarray(given)
    if values.dtype != bool or values.shape not in ((), (n,)):
        raise EnvError(
            f"{method} of {task.name} must return a bool for each of {n} simulations, and returned "
            f"{values.dtype} of shape {values.shape}."
        )
    return values


def reward_terms(task: Any, given: Any) -> dict[str, np.ndarray]:
    """Check named terms of rewards.

    Raises:
        EnvError: They have no names.
    """
    if not isinstance(given, dict):
        raise EnvError(
            f"reward_terms of {task.name} must return a dict of named terms, and returned "
            f"{type(given).__name__}."
        )
    return given


def rewards(task: Any, terms: Mapping[str, Any], n: int) -> np.ndarray:
    """Rewards of N simulations, (N,): the sum of their checked terms.

    Raises:
        EnvError: A term has another shape, or is not finite.
    """
    for name, term in terms.items():
        values = np.asarray(term)
        if values.shape not in ((), (n,)) or values.dtype.kind not in NUMERIC:
            raise EnvError(
                f"the reward term {name} of {task.name} must have a number for each of {n} "
                f"simulations, and has the shape {values.shape}, {values.dtype}."
            )
    reward = sum(terms.values(), np.zeros(n))
    if not np.isfinite(reward).all():
        wrong = [name for name, term in terms.items() if not np.isfinite(term).all()]
        where = ", ".join(wrong) or "its sum"
        raise EnvError(f"the reward of {task.name} is NaN or infinite: {where}.")
    return reward


def controls(task: Any, given: Any, n: int) -> np.ndarray:
    """Check controls of the robot's actuators, (N, A).

    Raises:
        EnvError: They have another shape.
    """
    shape = (n, len(task.robot.actuators))
    if np.shape(given) != shape:
        raise EnvError(
            f"control of {task.name} must return shape {shape}, a number for each actuator, and "
            f"returned {np.shape(given)}."
        )
    return given


def initial(task: Any, given: Any) -> dict[str, np.ndarray]:
    """Check how an episode begins, as quantities by name; missing ones are as at home.

    Raises:
        EnvError: It is no :class:`Initial`, or has NaN or infinity.
    """
    if not isinstance(given, Initial):
        raise EnvError(
            f"reset of {task.name} must return an Initial, and returned {type(given).__name__}."
        )
    said = {name: np.asarray(value) for name, value in vars(given).items() if value is not None}
    for name, value in said.items():
        if not np.isfinite(value).all():
            raise EnvError(f"reset of {task.name} begins an episode with NaN or infinity: {name}.")
    return said


def numbers(task: Any, method: str, given: Mapping[str, Any]) -> dict[str, float | None]:
    """Check that values are plain numbers, which a file can store.

    Raises:
        EnvError: One is no number.
    """
    plain: dict[str, float | None] = {}
    for name, value in given.items():
        try:
            plain[name] = None if value is None else float(value)
        except (TypeError, ValueError) as error:
            raise EnvError(
                f"{method} of {task.name} must return numbers: {name} is {value!r}."
            ) from error
    return plain
