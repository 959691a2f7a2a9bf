"""Policies by the words of a command line: runs, files and functions, and their tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from robo_maxent.cli.arguments import (
    POLICY,
    AllowPickle,
    Normalize,
    Of,
    PolicyName,
    TaskName,
    TaskOptions,
    make,
    name_of,
    saved_options,
)
from robo_maxent.cli.names import labels, own_directory
from robo_maxent.cli.trust import data_file, require_said
from robo_maxent.errors import PolicyError, RoboMaxentError, UsageError

if TYPE_CHECKING:
    from robo_maxent.envs.interface import StressTask
    from robo_maxent.learning.policy import Policy
    from robo_maxent.report.rows import StressEpisode
    from robo_maxent.robustness.baselines import PolicyUnderTest
    from robo_maxent.types import Act


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
        task: A task to try it on; None: the one that it was trained on.
        options: What to change of the task.
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
        word, saved = external_policies.task_of(named) if task is None else task, {}
        require_said({"task": word}, task, named)
    else:
        policy, saved = own_policy(named)
        trained_on = policy.layout.task
        require_said({"task": trained_on} | class_beside(named), task, named)
        word = trained_on if task is None else task
        if name_of(word) != trained_on:  # the options of a run are those of its own task
            saved = {}
    chosen = make(word, saved | options.given)
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
    """Load the policies of a stress test, and make the one task that they do.

    Args:
        named: Policies, each as for :func:`policy_and_task`.
        task: A task to try them on; None: the one that they were trained on.
        options: What to change of the task.
        normalize: Statistics that archives of Stable-Baselines3 were trained with, or "none".
        allow_pickle: Whether pickles may be loaded.

    Raises:
        UsageError: They were not trained on the same task, or one can't be taken as it is named.
        PolicyError: There is no such policy, or it does not fit the task.
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
class OfOnePolicy:
    """What commands about one policy have in common: it, its task, and what it may run."""

    policy: PolicyName
    task: TaskName = None
    normalize: Normalize = None
    allow_pickle: AllowPickle = False
    options: Of = field(default_factory=TaskOptions)

    def chosen(self) -> "tuple[Act, StressTask[Any]]":
        """Load the policy and make its task; errors are those of :func:`policy_and_task`."""
        return policy_and_task(
            self.policy, self.task, self.options, self.normalize, self.allow_pickle
        )

    def under_test(self) -> "tuple[PolicyUnderTest, StressTask[Any]]":
        """Load the policy for a stress test; errors are those of :func:`policies_under_test`."""
        (tested,), task = policies_under_test(
            [self.policy], self.task, self.options, self.normalize, self.allow_pickle
        )
        return tested, task

    @property
    def home(self) -> Path:
        """Directory for results without ``--out``: that of the run, if the policy has one."""
        return own_directory(self.policy) or Path("runs")


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
    """Load what a row of a stress test was made with.

    Args:
        row: The row.
        description: The ``suite.json`` of its stress test.
        options: Where the policy lies now, and what it may run.

    Returns:
        The policy, which is None for a baseline, and the task.

    Raises:
        UsageError: The policy has changed, is not known, or would run code that was not allowed.
        PolicyError: The policy is gone, or does not fit the task.
    """
    from robo_maxent.interop.external_policies import require_trust

    require_said(description, options.task, "the stress test")
    task = _task_of(description, options.task)
    if row.mode == "baseline":
        return None, task
    saved = next((p for p in description["policies"] if p["label"] == row.policy), None)
    if saved is None:
        raise UsageError(f"the stress test says nothing of the policy {row.policy!r} of the row")
    named = options.policy or data_file(row.policy, saved["file"])
    require_trust(named, options.normalize, options.allow_pickle)
    digest = content_hash(named)
    if saved["sha256"] not in (None, digest):
        raise UsageError(f"{named} is not the policy that was stressed: its contents differ")
    act = _acting(named, task, options.normalize)
    return _under_test(named, act, digest, row.policy), task


def _task_of(description: Mapping[str, Any], said: str | None) -> "StressTask[Any]":
    """The task of a stress test, which the command line may have to name, too.

    Raises:
        UsageError: It names another.
    """
    name, word = description["task"], said or description["task"]
    if name_of(word) != name:
        raise UsageError(f"the stress test is of the task {name}, not of {word}")
    return make(word, saved_options(description["task_options"]))


def content_hash(named: str) -> str | None:
    """SHA-256 of a policy's content, before it is loaded; None: there is none to read."""
    from robo_maxent.interop import external_policies
    from robo_maxent.training import pretrained

    if pretrained.is_pretrained(named):
        return external_policies.content_hash(str(pretrained.card(named).file))
    return external_policies.content_hash(
        str(Path(named) / POLICY) if Path(named).is_dir() else named
    )


def _under_test(named: str, act: "Act", digest: str | None, called: str) -> "PolicyUnderTest":
    """A policy with what identifies it."""
    from robo_maxent.interop.external_policies import is_external, runs_code
    from robo_maxent.interop.policy_contract import ExternalPolicy
    from robo_maxent.learning.policy import Policy
    from robo_maxent.robustness.baselines import PolicyUnderTest

    answers = act.answers if isinstance(act, ExternalPolicy) else None
    sample = act.sample if isinstance(act, Policy) else None
    only_computes = not runs_code(named) and not (is_external(named) and answers is None)
    return PolicyUnderTest(called, act, sample, named, digest, answers, only_computes)


def own_policy(named: str) -> "tuple[Policy, dict[str, Any]]":
    """Load a policy of this package, and the options of its task, as its run has them.

    Args:
        named: Run directory, policy file, or name of a policy that comes with the package.

    Raises:
        PolicyError: There is no such policy, or its file is damaged.
        UnknownNameError: No policy of that name comes with the package.
    """
    from robo_maxent.learning.policy import Policy
    from robo_maxent.training import pretrained
    from robo_maxent.training.run_directory import read_config

    if pretrained.is_pretrained(named):
        return pretrained.load(named), saved_options(pretrained.card(named).task_options)
    path = Path(named)
    if path.is_dir():
        saved = read_config(path)
        if not (path / POLICY).is_file():
            way_on = "train on: robo-maxent train --resume"
            if not (path / "checkpoint" / "latest").is_file():
                way_on = "if it was killed, begin anew with its recipe: robo-maxent train --config"
            raise PolicyError(
                f"{named} has no {POLICY} yet: it is written at the first evaluation. "
                f"Wait for that, or {way_on} {quote(str(named))} --minutes 5"
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
        if named in pretrained.names():
            known += f" One that comes with the package is {pretrained.PREFIX}{named}."
        raise PolicyError(f"No run directory or policy file {named!r}.{known}")
    if path.suffix != Path(POLICY).suffix:
        raise PolicyError(f"{named} is no policy file of this package, which end in .safetensors.")
    policy = Policy.load(path)
    return policy, _options_beside(path, policy.layout.task)


def other_task(named: str, said: str | None) -> str | None:
    """The task that the command line names, unless the policy was trained on it."""
    from robo_maxent.interop.external_policies import is_external

    if said is None or is_external(named):
        return said
    return None if name_of(said) == own_policy(named)[0].layout.task else said


def class_beside(named: str) -> dict[str, Any]:
    """Read where the run of a policy says that the code of its task lies; empty: it says nothing.

    A run that can't be read says nothing either: whoever needs more of it complains.
    """
    from robo_maxent.envs.own_tasks import CLASS
    from robo_maxent.training.pretrained import is_pretrained
    from robo_maxent.training.run_directory import read_config

    if is_pretrained(named):
        return {}
    path = Path(named)
    try:
        saved = read_config(path if path.is_dir() else path.parent)
    except RoboMaxentError:
        return {}
    return {CLASS: saved[CLASS]} if CLASS in saved else {}


def _options_beside(file: Path, task: str) -> dict[str, Any]:
    """The options of the task of a policy file, where it lies in the run that trained it."""
    from robo_maxent.cli.progress import say
    from robo_maxent.training.run_directory import read_config

    run = file.parent
    if not (run / "config.json").exists():
        return {}
    try:
        saved = read_config(run)
    except RoboMaxentError as error:
        say(f"{file} is taken with the usual options of {task}: {error}")
        return {}
    return saved_options(saved) if saved["task"] == task else {}
