"""What the words of a command line name: tasks, with what may be changed of them, and policies."""

import ast
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional, UseAppendAction, arg

from robo_maxent import machine
from robo_maxent.cli.trust import data_file, require_said
from robo_maxent.errors import PolicyError, RoboMaxentError, UsageError
from robo_maxent.from_json import typed

if TYPE_CHECKING:
    from robo_maxent.envs.gym_vec_env import GymTask
    from robo_maxent.envs.interface import StressTask
    from robo_maxent.learning.policy import Policy
    from robo_maxent.report.rows import StressEpisode
    from robo_maxent.robustness.baselines import PolicyUnderTest
    from robo_maxent.types import Act

POLICY = "policy.safetensors"

Level = Literal["none", "default", "hard"]


@dataclass(frozen=True)
class TaskOptions:
    """What may be changed of a task; where nothing is said, it is as in training."""

    robot: Path | None = None
    """MJCF file of a robot with the names of the task's own."""
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
    """Steps of a gym: environment per action; 1 where nothing is said."""
    env_arg: Annotated[
        tuple[str, ...],
        UseAppendAction,
        arg(
            metavar="NAME=VALUE",
            help="Argument of a gym: environment, as continuous=True; give one for each. "
            "max_episode_steps is one that all have.",
        ),
    ] = ()
    instances: int | None = None
    """How many of a gym: environment are made at once to evaluate it; 16 where nothing is said."""

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
"""Those of gym: environments."""

Result = dict[str, Any]
Switch = FlagCreatePairsOff[bool]
"""Off unless it is said."""
Json = Annotated[Switch, arg(name="json", help="Print exactly one JSON object on stdout.")]
POLICIES = (
    "run directory, policy file (.safetensors; of others: .zip of Stable-Baselines3, .onnx, "
    "TorchScript .pt) or Python function MODULE:FUNCTION"
)
PolicyName = Annotated[Positional[str], arg(metavar="RUN|POLICY", help=f"A {POLICIES}.")]
TaskName = Annotated[
    str | None,
    arg(
        name="task",
        help="Task to use; by default the one it was trained on, which policies of others do "
        "not say.",
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
    bool,
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
Of = OmitArgPrefixes[TaskOptions]


def use_threads(count: int) -> None:
    """Let simulations use so many threads, 0: one per CPU; a policy, which is small, uses one.

    Raises:
        UsageError: ``count`` is below 0.
    """
    import torch

    machine.use_threads(count)
    torch.set_num_threads(1)


def make(name: str, options: Mapping[str, Any]) -> "StressTask[Any]":
    """The task of a name.

    Raises:
        UsageError: There is no such task, or it has not that option.
    """
    from robo_maxent.envs.gym_spec import PREFIX
    from robo_maxent.tasks import TASKS
    from robo_maxent.tasks import make as make_ours

    gym = name.startswith(PREFIX)
    if not gym and name not in TASKS:
        return make_ours(name)  # which knows what to say
    known = GYM_OPTIONS if gym else set(inspect.signature(TASKS[name]).parameters)
    for flag, option in OPTIONS.items():
        if option in options and option not in known:
            has = [f"--{f.replace('_', '-')}" for f, o in OPTIONS.items() if o in known]
            raise UsageError(
                f"{name} has no --{flag.replace('_', '-')}: of a task's options it has "
                f"{', '.join(has)}"
            )
    if gym:
        return gym_task(name.removeprefix(PREFIX), **options)
    return make_ours(name, **options)


def gym_task(env_id: str, **options: Any) -> "GymTask":
    """A Gymnasium id as a task; looking at one takes a second, so each is kept."""
    return _gym_task(env_id, json.dumps(options, sort_keys=True))


@lru_cache(maxsize=8)
def _gym_task(env_id: str, options: str) -> "GymTask":
    from robo_maxent.envs.gym_vec_env import GymTask

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
    """What a file may say of a task; what differs between episodes, the task checks."""

    robot_file: str | None = None
    kinds: tuple[str, ...] | None = None
    level: int | None = None
    action_repeat: int | None = None
    env_args: dict[str, Any] | None = None
    instances: int | None = None


def saved_options(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What builds the task of a run again, from its ``config.json``.

    Raises:
        UsageError: An option is of another type.
    """
    try:
        typed(_SavedOptions, saved, "it")
    except ValueError as error:
        raise UsageError(f"the options of the task are damaged: {error}") from error
    options = {name: value for name, value in saved.items() if name not in ("task", "train")}
    return {name: value for name, value in options.items() if value is not None}


def policy_and_task(
    named: str,
    task: str | None,
    options: TaskOptions,
    normalize: str | None = None,
    allow_pickle: bool = False,
) -> "tuple[Act, StressTask[Any]]":
    """The policy that a run directory, a file or a function names, and the task to try it on.

    Args:
        named: Run directory, policy file, or MODULE:FUNCTION; see
            :mod:`robo_maxent.interop.external_policies`.
        task: Another task than its own.
        options: What to change of it.
        normalize: Statistics that an archive of Stable-Baselines3 was trained with, or "none".
        allow_pickle: Whether pickles may be loaded.

    Raises:
        UsageError: A policy of others does not say its task, something else about it is missing,
            or it would run code that was not allowed.
        PolicyError: There is no such policy, or it does not fit the task.
    """
    from robo_maxent.interop import external_policies

    external_policies.check_normalize(named, normalize)
    external_policies.require_trust(named, normalize, allow_pickle)
    if external_policies.is_external(named):
        name, saved = external_policies.task_of(named) if task is None else task, {}
    else:
        policy, saved = own_policy(named)
        name = policy.layout.task if task is None else task
        if name != policy.layout.task:  # the options of a run are those of its own task
            saved = {}
    require_said(name, task, named)
    chosen = make(name, saved | options.given)
    return _acting(named, chosen, normalize), chosen


def _acting(named: str, task: "StressTask[Any]", normalize: str | None) -> "Act":
    """The policy that a run directory, a file or a function names, to act on a task.

    Raises:
        UsageError: Something about it is missing.
        PolicyError: There is no such policy, or it does not fit the task.
    """
    from robo_maxent.cli.progress import say
    from robo_maxent.envs.interface import layout_of
    from robo_maxent.interop import external_policies

    if external_policies.is_external(named):
        act = external_policies.load(named, task, normalize)
        if act.answers is None:
            say(
                f"{named} does not answer the same observations the same twice: its episodes can't "
                "be run again. If it has a memory, a clock or randomness, name an object with "
                "reset(simulations), which is called when episodes begin."
            )
        return act
    policy, _ = own_policy(named)
    policy.require(layout_of(task))
    return policy


def policies_under_test(
    named: Sequence[str],
    task: str | None,
    options: TaskOptions,
    normalize: str | None,
    allow_pickle: bool,
) -> "tuple[list[PolicyUnderTest], StressTask[Any]]":
    """Policies to stress on one task.

    Raises:
        UsageError: They do not do the same task.
        PolicyError: There is no such policy, or it does not fit.
    """
    pairs = [policy_and_task(name, task, options, normalize, allow_pickle) for name in named]
    shared = pairs[0][1]
    if others := {other.name for _, other in pairs} - {shared.name}:
        raise UsageError(
            f"the policies do different tasks, {shared.name} and {', '.join(sorted(others))}: name "
            "one for all with --task"
        )
    tested = [
        _under_test(name, act, content_hash(name), called)
        for name, called, (act, _) in zip(named, labels(named), pairs, strict=True)
    ]
    return tested, shared


@dataclass(frozen=True)
class ReplayOptions:
    """What a replay takes from the command line, since no data file may name code to run."""

    policy: str | None = None
    """The policy, where its file is elsewhere now, or is code that you trust."""
    task: TaskName = None
    normalize: Normalize = None
    allow_pickle: AllowPickle = False


def policy_of_row(
    row: "StressEpisode", description: Mapping[str, Any], options: ReplayOptions
) -> "tuple[PolicyUnderTest | None, StressTask[Any]]":
    """The policy of a row of a stress test, None for a baseline, and its task.

    Raises:
        UsageError: The policy has changed, is not known, or would run code that was not allowed.
        PolicyError: It is gone, or does not fit.
    """
    from robo_maxent.interop.external_policies import require_trust

    require_said(description["task"], options.task, "the stress test")
    if row.mode == "baseline":
        return None, _task_of(description)
    saved = next((p for p in description["policies"] if p["label"] == row.policy), None)
    if saved is None:
        raise UsageError(f"the stress test says nothing of the policy {row.policy!r} of the row")
    named = options.policy or data_file(row.policy, saved["file"])
    require_trust(named, options.normalize, options.allow_pickle)
    digest = content_hash(named)
    if saved["sha256"] not in (None, digest):
        raise UsageError(f"{named} is not the policy that was stressed: its contents differ")
    task = _task_of(description)
    act = _acting(named, task, options.normalize)
    return _under_test(named, act, digest, row.policy), task


def _task_of(description: Mapping[str, Any]) -> "StressTask[Any]":
    """The task of a stress test."""
    return make(description["task"], saved_options(description["task_options"]))


def content_hash(named: str) -> str | None:
    """SHA-256 of what a policy is, before it is loaded; None: of nothing that can be read."""
    from robo_maxent.interop import external_policies

    return external_policies.content_hash(
        str(Path(named) / POLICY) if Path(named).is_dir() else named
    )


def _under_test(named: str, act: "Act", digest: str | None, called: str) -> "PolicyUnderTest":
    """A policy with what identifies it."""
    from robo_maxent.interop.policy_contract import ExternalPolicy
    from robo_maxent.learning.policy import Policy
    from robo_maxent.robustness.baselines import PolicyUnderTest

    answers = act.answers if isinstance(act, ExternalPolicy) else None
    sample = act.sample if isinstance(act, Policy) else None
    return PolicyUnderTest(called, act, sample, named, digest, answers)


def own_policy(named: str) -> "tuple[Policy, dict[str, Any]]":
    """The policy of this package that a run or a file names, and the options of its task.

    Raises:
        PolicyError: There is none.
    """
    from robo_maxent.learning.policy import Policy
    from robo_maxent.training.train import read_config

    path = Path(named)
    if path.is_dir():
        saved = read_config(path)
        if not (path / POLICY).is_file():
            raise PolicyError(
                f"{named} has no {POLICY} yet: it is written at the first evaluation. "
                f"Train on: robo-maxent train --resume {quote(str(named))} --minutes 5"
            )
        policy = Policy.load(path / POLICY)
        if saved["task"] != policy.layout.task:
            raise PolicyError(
                f"{path / 'config.json'} says that the run is of {saved['task']!r}, and its "
                f"{POLICY} that it is of {policy.layout.task!r}: put back what was changed"
            )
        return policy, saved_options(saved)
    if not path.exists():
        runs = sorted(str(found.parent) for found in Path("runs").glob(f"*/*/{POLICY}"))
        known = f" Runs here: {', '.join(runs[-5:])}." if runs else ""
        raise PolicyError(f"No run directory or policy file {named!r}.{known}")
    if path.suffix != Path(POLICY).suffix:
        raise PolicyError(f"{named} is no policy file of this package, which end in .safetensors.")
    policy = Policy.load(path)
    return policy, _options_beside(path, policy.layout.task)


def _options_beside(file: Path, task: str) -> dict[str, Any]:
    """The options of the task of a policy file, where it lies in the run that trained it."""
    from robo_maxent.cli.progress import say
    from robo_maxent.training.train import read_config

    run = file.parent
    if not (run / "config.json").exists():
        return {}
    try:
        saved = read_config(run)
    except RoboMaxentError as error:
        say(f"{file} is taken with the usual options of {task}: {error}")
        return {}
    return saved_options(saved) if saved["task"] == task else {}


def labels(named: Sequence[str]) -> list[str]:
    """Short names of several policies, which differ if the policies do."""
    deepest = max(len(Path(name).resolve().parts) for name in named)
    for folders in range(1, deepest - 1):
        found = [label(name, folders) for name in named]
        if len(set(found)) == len(found):
            return found
    return [label(name) for name in named]  # one policy twice


def label(named: str, folders: int = 1) -> str:
    """A short name for files about a policy, with as many of the folders that it is in."""
    from robo_maxent.interop.external_policies import is_external

    path = Path(named).resolve()
    name = path.name if path.is_dir() else path.stem  # a directory may be called lr0.001
    name = re.sub(r"\W", "-", path.name) if is_external(named) else name
    return "-".join((*path.parent.parts[-folders:], name))


def variant(**said: object) -> str:
    """What was said of an evaluation or a film, to end the name of its file with.

    For example "-randomize-hard-level-3"; what is None was not said.
    """
    words = []
    for name, value in said.items():
        if value is not None:
            values = value if isinstance(value, tuple) else (value,)
            shown = "+".join(one.stem if isinstance(one, Path) else str(one) for one in values)
            words += [name, in_file_name(shown)]
    return "".join(f"-{word}" for word in words)


def in_file_name(words: str) -> str:
    """Words as a part of a file's name."""
    return re.sub(r"[^\w.+-]+", "-", words)


def rows_path(named: str, variant: str = "") -> Path:
    """Where the episodes of a policy go."""
    from robo_maxent.interop.external_policies import is_external

    path, name = Path(named), f"episodes{variant}.jsonl"
    if path.is_dir():
        return path / name
    if is_external(named):  # its ending stays: policy.onnx and policy.safetensors may be neighbours
        return path.with_name(f"{path.name.replace(':', '-')}.{name}")
    return path.with_suffix(f".{name}")


def onnx_path(named: str) -> Path:
    """Where the ONNX file of a policy goes."""
    path = Path(named)
    return path / "policy.onnx" if path.is_dir() else path.with_suffix(".onnx")
