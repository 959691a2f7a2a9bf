"""Runs what people type, prints its result, and exits with a code.

What people read goes to stderr, and results that are asked for to stdout; with ``--json`` stdout
holds exactly one JSON object.
"""

import ctypes
import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from robo_maxent import __version__, versions
from robo_maxent.cli.arguments import Result
from robo_maxent.cli.commands import command_names, parsed
from robo_maxent.cli.hints import hints
from robo_maxent.errors import EnvWarning, RoboMaxentError
from robo_maxent.files import refusal

_python_format = warnings.formatwarning

EXIT_INTERRUPTED = 130
"""What a shell reports of a command ended by Ctrl-C."""
EXIT_UNREAD = 141
"""What a shell reports of a command whose output nobody reads any more."""
STDOUT, STDERR = 1, 2
"""File descriptors."""


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
    for hint in hints(args, command_names(), parsed):
        print(f"robo-maxent: {hint}", file=sys.stderr)
    return {"error": "unusable arguments; stderr says which"}, 2


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
