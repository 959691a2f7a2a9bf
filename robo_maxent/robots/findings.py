"""What is found wrong with a model, each with its fix."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that a task can't take as it is, or that its user should know."""

    what: str
    """What is found, in words and numbers."""
    fix: str
    """What is done about it, or, if it is the user's to do, what to do."""
    by_hand: bool = False
    """Nothing here can mend it."""


def few(names: Sequence[str], most: int = 4) -> str:
    """The first of some names, for people."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name or "unnamed" for name in names[:most]) + more
