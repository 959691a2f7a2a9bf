"""The command line: train, sweep, record, play, evaluate, certify, worst-case, export and others.

What people read goes to stderr, and results that are asked for to stdout; with ``--json`` stdout
holds exactly one JSON object. Torch and MuJoCo are imported by the commands that need them, so
that help and usage errors come at once.
"""

import ctypes
import io
import itertools
import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Union, get_args

import tyro

from robo_maxent import __version__, versions
from robo_maxent.cli import arguments
from robo_maxent.cli.arguments import Result
from robo_maxent.cli.certify import Certify
from robo_maxent.cli.completion import Completion
from robo_maxent.cli.demo import Demo
from robo_maxent.cli.evaluate import Evaluate
from robo_maxent.cli.export import Export
from robo_maxent.cli.hints import hints
from robo_maxent.cli.info import Doctor, Tasks, Terrain
from robo_maxent.cli.names import with_latest
from robo_maxent.cli.optional_values import REGISTRY
from robo_maxent.cli.play import Play
from robo_maxent.cli.record import Record, Replay
from robo_maxent.cli.robot import Robot
from robo_maxent.cli.sweep import Sweep
from robo_maxent.cli.sweep_temperature import SweepTemperature
from robo_maxent.cli.train import Train
from robo_maxent.cli.tune import Tune
from robo_maxent.cli.worst_case import WorstCase
from robo_maxent.errors import EnvWarning, RoboMaxentError, UnknownNameError, UsageError
from robo_maxent.files import refusal
from robo_maxent.training.config import Preset, TrainConfig, preset

_python_format = warnings.formatwarning

EXIT_INTERRUPTED = 130
"""What a shell reports of a command ended by Ctrl-C."""
EXIT_UNREAD = 141
"""What a shell reports of a command whose output nobody reads any more."""
CONFIG = (tyro.conf.DisallowNone,)
"""How tyro reads dataclasses: what is left out is None, nobody writes it."""
TRAINING = {"train": Train, "sweep": Sweep, "tune": Tune}
"""Commands whose options have the values of a preset."""
STDOUT, STDERR = 1, 2
"""File descriptors."""


def _commands(args: list[str]) -> Any:
    """The commands; the options of those that train have the values of the chosen preset."""
    chosen = _chosen_preset(args)
    recipe = _given_recipe(args) or preset(chosen)
    trained: list[Any] = [
        Annotated[command, tyro.conf.subcommand(name, default=_begun(command, chosen, recipe))]
        for name, command in TRAINING.items()
    ]
    others = [
        SweepTemperature,
        Record,
        Play,
        Evaluate,
        Certify,
        WorstCase,
        Replay,
        Export,
        Robot,
        Tasks,
        Terrain,
        Doctor,
        Completion,
        Demo,
    ]
    return Union[*trained, *others]


def _begun(command: Any, chosen: Preset, recipe: TrainConfig) -> Any:
    """A command that trains, with the values of a recipe; what it can't do without is missing."""
    task = {} if command is Train else {"task": tyro.MISSING}
    return command(**task, preset=chosen, config=recipe)


def _given_recipe(args: list[str]) -> TrainConfig | None:
    """Read ahead for ``train --config``: the recipe of a run, less its budget if another is given.

    Raises:
        UsageError: There is no such run, it does not fit this version, or there is a preset, too.
    """
    words = _words(args)
    file = dict(itertools.pairwise(words)).get("--config")
    if args[:1] != ["train"] or file is None:
        return None
    if "--preset" in words:
        raise UsageError("--config has a recipe already: leave out --preset")
    from robo_maxent.cli.progress import say
    from robo_maxent.training.run_directory import read_recipe

    recipe, lacking = read_recipe(Path(file))
    if lacking:
        say(f"  {file} does not say {', '.join(lacking)}: these are as usual")
    given = {"--minutes", "--steps"} & set(words)
    return replace(recipe, minutes=None, steps=None) if given else recipe


def _words(args: list[str]) -> list[str]:
    """Arguments, with a value after ``=`` as a word of its own."""
    return [word for arg in args for word in arg.split("=", 1)]


def _command_names() -> list[str]:
    """The first words that there are."""
    classes = (get_args(each)[0] if get_args(each) else each for each in get_args(_commands([])))
    return [re.sub(r"(?<=[a-z])(?=[A-Z])", "-", each.__name__).lower() for each in classes]


def _chosen_preset(args: list[str]) -> Preset:
    """Read ahead for ``--preset``, or the task whose own it is.

    What is no preset is left for the parser to refuse.
    """
    asked = dict(itertools.pairwise(_words(args))).get("--preset")
    presets: dict[str, Preset] = {name: name for name in get_args(Preset)}
    if asked in presets:
        return presets[asked]
    command = TRAINING.get(args[0]) if args else None
    own = _preset_of_task(command, args[1:]) if command else "default"
    if own not in presets:
        raise UnknownNameError("preset of the task,", own, presets)
    return presets[own]


def _preset_of_task(command: Any, args: list[str]) -> str:
    """The recipe of the task that arguments of a command that trains name."""
    try:
        with redirect_stderr(io.StringIO()):  # some values are refused aloud even so
            said = tyro.cli(
                command,
                args=[arg for arg in args if arg not in ("-h", "--help")],
                config=CONFIG,
                registry=REGISTRY,
                console_outputs=False,
            )
    except SystemExit:  # the command will say what is wrong with its arguments
        return "default"
    if said.task is None:
        return "default"
    try:
        kind = arguments.class_of(said.task)
        return (kind or arguments.make(said.task, said.options.given)).preset
    except RoboMaxentError:
        return "default"  # the command will say what is wrong with it


def _formatted(
    message: Warning | str, category: type[Warning], file: str, line: int, text: str | None = None
) -> str:
    """A warning for people: of what is not their code they need not know the line of ours."""
    if issubclass(category, EnvWarning):
        return f"robo-maxent: warning: {message}\n"
    return _python_format(message, category, file, line, text)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 for a failure, 2 for a usage error."""
    args = sys.argv[1:] if args is None else args
    warnings.formatwarning = _formatted
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale may lack the letters of a table
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _answered(args)
        if sys.stdout is not None:  # as in a daemon
            sys.stdout.flush()
    except BrokenPipeError:  # as of "robo-maxent tasks | head -1", which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)  # for the flush at the end
        code = EXIT_UNREAD
    sys.exit(code)


def _answered(args: list[str]) -> int:
    """Run a command and print its result; the exit code."""
    if args == ["--version"]:
        print(__version__)
        return 0
    if "--json" not in args:
        return _run(args)[1]
    with _stdout_kept():
        try:
            result, code = _run(args)
        except BrokenPipeError:
            raise
        except Exception as error:  # nobody foresaw it: who reads stdout gets an object yet
            traceback.print_exc()
            result, code = {"error": f"{type(error).__name__}: {error}"}, 1
    if result is not None:
        print(json.dumps(result))
    return code


def _run(args: list[str]) -> tuple[Result | None, int]:
    """Parse and run: the result, None if help was asked for, and the exit code."""
    try:
        try:
            command = parsed(args)
        except SystemExit as stop:  # tyro has printed the help, or what is wrong
            return _refused(args) if stop.code else (None, 0)
        result = _done(command)
    except KeyboardInterrupt:
        return _failure("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        raise
    except ModuleNotFoundError as error:
        if error.name not in ("robo_maxent.tasks", "robo_maxent.assets"):
            raise
        return _failure(f"{versions.SHADOWED}; run: {versions.INSTALL}", 1)
    except RoboMaxentError as error:
        return _failure(str(error), error.exit_code)
    except (OSError, UnicodeEncodeError) as error:
        return _failure(_described(error), 1)
    except SystemExit as stop:
        return _failure(f"a policy or an environment ended the program: sys.exit({stop.code})", 1)
    if result.get("interrupted"):
        return result, EXIT_INTERRUPTED
    return result, 1 if result.get("ok") is False else 0


def _done(command: Any) -> Result:
    """Run a command, which SIGTERM ends as Ctrl-C does: its result.

    Raises:
        EnvError: Code of someone else's raised an exception of its own, where nobody expected one.
    """
    from robo_maxent.envs.task_code import raised_by_author
    from robo_maxent.training.interrupt import sigterm_as_ctrl_c

    with sigterm_as_ctrl_c():
        try:
            return command.run()
        except (RoboMaxentError, OSError, UnicodeEncodeError):  # which are said as they are
            raise
        except Exception as error:
            raised = raised_by_author(error)
            if raised is None:
                raise
            raise raised from error


def _refused(args: list[str]) -> tuple[Result, int]:
    """Say what arguments that the parser refused may have meant."""
    for hint in hints(args, _command_names(), parsed):
        print(f"robo-maxent: {hint}", file=sys.stderr)
    return {"error": "unusable arguments; stderr says which"}, 2


def parsed(args: list[str]) -> Any:
    """The command that arguments ask for.

    Raises:
        SystemExit: They are unusable, or ask for help; it was printed.
    """
    return tyro.cli(
        _commands(args),
        prog="robo-maxent",
        description="Soft Actor-Critic for robots in MuJoCo, on an ordinary machine. For a run, "
        "'latest' is the newest in runs/.",
        args=with_latest(args),
        config=CONFIG,
        registry=REGISTRY,
    )


def _failure(message: str, code: int) -> tuple[Result, int]:
    """Say what went wrong, and return it as a result."""
    print(f"robo-maxent: {message}", file=sys.stderr)
    return {"error": message}, code


def _described(error: OSError | UnicodeEncodeError) -> str:
    """What the operating system refused, on one line, with the paths that it is about."""
    if isinstance(error, UnicodeEncodeError):  # of a path, since what is printed is replaced
        return f"{error}; use a locale with all letters: LC_ALL=C.UTF-8"
    return refusal(error)


@contextmanager
def _stdout_kept() -> Iterator[None]:
    """Send to stderr what is printed meanwhile, also by libraries in C and by workers."""
    sys.stdout.flush()
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C has printed and not yet written
        os.dup2(kept, STDOUT)
        os.close(kept)


if __name__ == "__main__":
    main()
