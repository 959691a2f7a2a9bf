"""Every error this package raises on purpose: one family, messages that say how to go on."""

import difflib
from collections.abc import Iterable

ANY_ERROR = (Exception, SystemExit)
"""What someone else's code may raise; one that exits would take the run with it, as a success."""


class RoboMaxentError(Exception):
    """Base of the family; the command line prints it as one line.

    Attributes:
        exit_code: Exit code of the command line: 1 for a failure, 2 for a usage error.
    """

    exit_code = 1


class UsageError(RoboMaxentError):
    """An argument is not allowed; the message says what is."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name is not among the known ones; the message lists them and the closest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Describe the miss.

        Args:
            kind: What was named, for example ``"task"``.
            name: The name that is not known.
            known: The names that are.
        """
        choices = sorted(known)
        close = difflib.get_close_matches(name, choices, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(choices)}.")


class IncompatibleVersionsError(RoboMaxentError, ImportError):
    """The installed physics packages do not work together."""


class RobotError(RoboMaxentError, ValueError):
    """A robot file is missing, malformed, or lacks a name that a task needs."""


class PolicyError(RoboMaxentError):
    """A policy can't be found or read, or does not fit the task."""


class CheckpointError(RoboMaxentError):
    """A checkpoint can't be written or read; what was there before is intact."""


class EnvError(RoboMaxentError):
    """An environment of someone else's crashed, or returned what nothing can learn from."""


class ActorError(RoboMaxentError):
    """Actors that collect for a run elsewhere can't begin or go on; what was learnt is intact."""


class DivergedError(RoboMaxentError):
    """The numbers of a learner are not finite any more; what was saved before is intact."""


class RenderingError(RoboMaxentError):
    """No OpenGL backend works here; the message holds the fix."""


class EnvWarning(UserWarning):
    """An environment of someone else's did something wrong that harms no result."""
