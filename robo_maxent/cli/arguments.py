"""What the words of a command line name: tasks, with what may be changed of them, and policies."""

import ast
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, UseAppendAction, arg

from robo_maxent import machine
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.from_json import typed
from robo_maxent.training.config import TrainConfig

if TYPE_CHECKING:
    from robo_maxent.envs.gym_task import GymTask
    from robo_maxent.envs.interface import StressTask
    from robo_maxent.envs.own_tasks import TaskClass

POLICY = "policy.safetensors"
MOST_SEEDS = 10_000
"""Most training runs of a setting: each is listed before the first begins."""

Level = Literal["none", "default", "hard"]


@dataclass(frozen=True)
class TaskOptions:
    """What may be changed of a task; where nothing is said, it is as in training."""

    robot: Path | None = None
    """Another robot: the .toml page that 'robo-maxent robot check' wrote of it, or the name of one
    in this folder; or an MJCF file whose parts are named as those of the task's own robot."""
    randomize: Level | None = None
    """What differs between episodes, as far as the task has it: none, default or hard; by default
    the task's own choice."""
    terrain: Annotated[
        tuple[str, ...] | None,
        arg(
            metavar="KIND...",
            help="Kinds of terrain: 'robo-maxent terrain' shows the ground's, 'robo-maxent "
            "terrain --table' those of tables.",
        ),
    ] = None
    level: int | None = None
    """Difficulty of the terrain in tenths, 0 to 10; by default all, and in training the
    curriculum's."""
    action_repeat: int | None = None
    """Steps of a Gymnasium environment per action; 1 where nothing is said."""
    env_arg: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(
            metavar="NAME=VALUE",
            help="Argument of a Gymnasium environment, as continuous=True; give one for each. "
            "max_episode_steps is one that all have.",
        ),
    ] = ()
    instances: int | None = None
    """How many of a Gymnasium environment are made at once to evaluate it; 16 if none are given."""

    @property
    def flags(self) -> dict[str, Any]:
        """What was said, by the name of its flag; None where nothing was."""
        said = {flag: getattr(self, flag) for flag in OPTIONS}
        return said | {"env_arg": " ".join(self.env_arg) or None}

    @property
    def given(self) -> dict[str, Any]:
        """What was said, by the name that the task has for it.

        Raises:
            UsageError: An argument of an environment is not NAME=VALUE.
        """
        values = {name: getattr(self, flag) for flag, name in OPTIONS.items()}
        values["env_args"] = dict(map(_env_arg, self.env_arg)) or None
        return {name: value for name, value in values.items() if value is not None}


OPTIONS = {
    "robot": "robot_file",
    "randomize": "randomization",
    "terrain": "kinds",
    "level": "level",
    "action_repeat": "action_repeat",
    "env_arg": "env_args",
    "instances": "instances",
}
"""Flag -> option of a task."""
GYM_OPTIONS = {"action_repeat", "env_args", "instances"}
"""Those of Gymnasium environments."""

Result = dict[str, Any]
Switch = FlagCreatePairsOff[bool]
"""Off unless it is said."""
Json = Annotated[Switch, arg(name="json", help="Print exactly one JSON object on stdout.")]
POLICIES = (
    "run directory, policy file (.safetensors; of others: .zip of Stable-Baselines3, .onnx, "
    "TorchScript .pt), pretrained:NAME (see 'robo-maxent tasks') or Python function MODULE:FUNCTION"
)
PolicyName = Annotated[Positional[str], arg(metavar="RUN|POLICY", help=f"A {POLICIES}.")]
TaskName = Annotated[
    str | None,
    arg(
        name="task",
        help="Task to use; by default the one it was trained on, which policies of others do "
        "not say. One of your own, MODULE:CLASS, is always said, since no saved file may make this "
        "program import code.",
    ),
]
Normalize = Annotated[
    str | None,
    arg(
        name="normalize",
        metavar="FILE|none",
        help="What VecNormalize saved of the training of a .zip. It is a pickle: loading it runs "
        "whatever code is in it.",
    ),
]
AllowPickle = Annotated[
    Switch,
    arg(
        name="allow-pickle",
        help="Load pickles, which a .zip and what VecNormalize saved are: they run whatever code "
        "was put into them.",
    ),
]
Threads = Annotated[
    int,
    arg(
        name="threads",
        help="CPU threads of the simulations; 0: one per CPU. They change the time and no result.",
    ),
]
On = Annotated[
    str | None,
    arg(
        name="on",
        metavar="ray|ADDRESS",
        help="Compute on many machines, with Ray (pip install 'robo-maxent[ray]'): ray starts it "
        "on this one, ray://HOST:PORT is a cluster, HOST:PORT or auto that of which this machine "
        "is a node. Results are the same. By default all is done by this process.",
    ),
]
Of = Annotated[OmitArgPrefixes[TaskOptions], arg(name="task")]
"""In a command; the name is for the title of its help."""
Recipe = Annotated[OmitArgPrefixes[TrainConfig], arg(name="training")]
"""The same of how to learn."""
TrainedTask = arg(
    metavar="TASK",
    help="What to learn: a name that 'robo-maxent tasks' lists, gym:ID of any Gymnasium "
    "environment, or MODULE:CLASS for a task of your own.",
)


def require_seeds(count: int) -> None:
    """Check how many training runs of each setting are asked for.

    Raises:
        UsageError: It is none, or more than can be listed.
    """
    if not 1 <= count <= MOST_SEEDS:
        raise UsageError(f"seeds must be in 1..{MOST_SEEDS:,}, got {count}")


def use_threads(count: int) -> None:
    """Set how many threads simulate, 0: one per CPU; a policy, which is small, gets one.

    Raises:
        UsageError: ``count`` is below 0.
    """
    import torch

    machine.use_threads(count)
    torch.set_num_threads(1)


def make(name: str, options: Mapping[str, Any]) -> "StressTask[Any]":
    """Make the task that a word of the command line names.

    Args:
        name: A name of 'robo-maxent tasks', ``gym:ID``, or ``MODULE:CLASS``, which is imported.
        options: What to change of the task, by the names of its own arguments.

    Raises:
        UnknownNameError: There is no such task; the message lists those there are.
        UsageError: The class is no task, the word is a Gymnasium id without its prefix, or the
            task has no such option.
    """
    kind = class_of(name)
    known = GYM_OPTIONS if kind is None else set(inspect.signature(kind).parameters)
    for flag, option in OPTIONS.items():
        if option in options and option not in known:
            has = [f"--{f.replace('_', '-')}" for f, o in OPTIONS.items() if o in known]
            raise UsageError(
                f"{name} has no --{flag.replace('_', '-')}: of a task's options it has "
                f"{', '.join(has) or 'none'}"
            )
    if unknown := sorted(options.keys() - known):
        raise UsageError(
            f"{name} has no option {', '.join(map(repr, unknown))}: those of it are "
            f"{', '.join(sorted(known))}. A file that says otherwise is of another version"
        )
    if kind is None:
        from robo_maxent.envs.gym_spec import PREFIX

        return gym_task(name.removeprefix(PREFIX), **options)
    from robo_maxent.envs.own_tasks import made

    return made(kind, options, name)


def class_of(word: str) -> "TaskClass | None":
    """Find the class of a task; None for a Gymnasium id, which is not looked at yet.

    Args:
        word: A name of 'robo-maxent tasks', ``gym:ID``, or ``MODULE:CLASS``, which is imported.

    Raises:
        UnknownNameError: There is no such task; the message lists those there are.
        UsageError: The class is no task, or the word is a Gymnasium id without its prefix.
    """
    from robo_maxent.envs.gym_spec import PREFIX, is_registered
    from robo_maxent.tasks import find

    if word.startswith(PREFIX):
        return None
    try:
        return find(word)
    except UnknownNameError:
        if is_registered(word):
            raise UsageError(f"{word} is an environment of Gymnasium: say {PREFIX}{word}") from None
        raise


def name_of(word: str) -> str:
    """The name by which files call a task that the command line names."""
    kind = class_of(word)
    return word if kind is None else kind.name


def maker(word: str, options: Mapping[str, Any]) -> "Callable[[], StressTask[Any]]":
    """Return a function that makes a task, in another process too.

    It carries a class of one's own rather than the word that names it, which means nothing there.

    Raises:
        UsageError: There is no such task, or it has no such option; see :func:`make`.
    """
    from robo_maxent.envs.own_tasks import made

    kind = class_of(word)
    return partial(make, word, options) if kind is None else partial(made, kind, options, word)


def gym_task(env_id: str, **options: Any) -> "GymTask":
    """A Gymnasium id as a task; looking at one takes a second, so each is kept."""
    return _gym_task(env_id, json.dumps(options, sort_keys=True))


@lru_cache(maxsize=8)
def _gym_task(env_id: str, options: str) -> "GymTask":
    from robo_maxent.envs.gym_task import GymTask

    return GymTask(env_id, **json.loads(options))


def _env_arg(text: str) -> tuple[str, Any]:
    """Name and value of an argument: a number, True, None, a list or dict of such, or a word."""
    name, equals, said = text.partition("=")
    if not (name.isidentifier() and equals):
        raise UsageError(
            f"--env-arg must be NAME=VALUE, as --env-arg continuous=True; got {text!r}"
        )
    try:
        value = ast.literal_eval(said)
        return name, json.loads(json.dumps(value))
    except (ValueError, SyntaxError, TypeError):  # no literal, or none that a run could keep
        return name, said


@dataclass(frozen=True)
class _SavedOptions:
    """The types of what a file may say of a task; the task itself checks its ranges."""

    robot_file: str | None = None
    kinds: tuple[str, ...] | None = None
    level: int | None = None
    action_repeat: int | None = None
    env_args: dict[str, Any] | None = None
    instances: int | None = None


def saved_options(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Read the options that build the task of a run again.

    Args:
        saved: The ``config.json`` of the run.

    Raises:
        UsageError: An option is of a wrong type: the file is damaged.
    """
    from robo_maxent.training.run_directory import NOT_OF_TASK

    try:
        typed(_SavedOptions, saved, "it")
    except ValueError as error:
        raise UsageError(f"the options of the task are damaged: {error}") from error
    from robo_maxent.envs.own_tasks import CLASS

    described = (CLASS, *NOT_OF_TASK)
    options = {name: value for name, value in saved.items() if name not in described}
    return {name: value for name, value in options.items() if value is not None}
