"""Where a search looks: ranges and choices of settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from robo_maxent.errors import UsageError
from robo_maxent.sweeps.settings import BUDGETS, changed, kinds, require_setting, value_of
from robo_maxent.training.config import TrainConfig

DIGITS = 4
"""Significant digits of a value that is tried, so that a command can name it."""
CONTINUOUS = (
    "sac.learning_rate=3e-4..5e-3:log",
    "sac.gamma=0.9..0.995",
    "sac.tau=0.005..0.05:log",
    "sac.target_entropy_per_action=-1.5..0.0",
)
"""What is searched where nothing is said. They cost no time, unlike sizes of networks and batches
and the number of updates, which a budget in steps would give for nothing."""
DISCRETE = (*CONTINUOUS[:3], "sac.target_entropy_ratio=0.1..0.9")
"""The same of tasks with discrete actions."""

_RANGE = re.compile(r"(?P<low>[^,:]+?)\.\.(?P<high>[^,:]+?)(?P<log>:log)?")


@dataclass(frozen=True)
class Range:
    """All numbers from a lowest to a highest one."""

    low: float
    high: float
    is_log: bool
    """Search its logarithm."""
    is_whole: bool
    """Whole numbers only."""


@dataclass(frozen=True)
class Choice:
    """A few values, in no order."""

    values: tuple[Any, ...]


Space = Mapping[str, Range | Choice]
"""Dotted name of a setting -> what is tried."""


def space_of(texts: Sequence[str], recipe: TrainConfig) -> dict[str, Range | Choice]:
    """Read the ranges and choices of settings that a command line gives.

    Args:
        texts: A setting each: ``NAME=LOW..HIGH``, ``NAME=LOW..HIGH:log`` or
            ``NAME=VALUE,VALUE,...``.
        recipe: The recipe that is changed; it must take the ends of each range, and each choice.

    Returns:
        Dotted name of each setting -> where to look for its value.

    Raises:
        UsageError: A text is not of that form, names no setting or one twice, or the configuration
            refuses a value.
    """
    space: dict[str, Range | Choice] = {}
    for text in texts:
        name, equals, said = (part.strip() for part in text.partition("="))
        if not equals or not said:
            raise UsageError(
                "--range takes NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE, as "
                f"sac.gamma=0.9..0.99; got {text!r}"
            )
        require_setting(name)
        if name in BUDGETS:
            raise UsageError(
                f"--range {name} would find the longest training, for the best is seldom a shorter "
                f"one: give every trial the same, as --{name}. 'sweep --set {name}=...' compares "
                "several"
            )
        if name in space:
            raise UsageError(f"--range {name} is given twice")
        space[name] = _parsed(name, said)
        for value in _ends(space[name]):
            try:
                changed(recipe, {name: value})
            except UsageError as error:
                raise UsageError(f"--range {text}: {error}") from error
    return space


def _parsed(name: str, said: str) -> Range | Choice:
    found = _RANGE.fullmatch(said)
    if found is None:
        values = tuple(value_of(name, word.strip(), "--range") for word in said.split(","))
        if len(set(values)) < 2:
            raise UsageError(
                f"--range {name}={said} leaves nothing to choose: give LOW..HIGH, or several values"
            )
        return Choice(values)
    low, high = (value_of(name, found[end], "--range") for end in ("low", "high"))
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)):
        raise UsageError(f"--range {name}={said}: {name} is no number; give its values, as A,B")
    is_log = found["log"] is not None
    if not low < high or (is_log and low <= 0):
        must = "rise from above 0, for its logarithm is searched" if is_log else "rise"
        raise UsageError(f"--range {name}={said} must {must}")
    kind = kinds()[name]
    return Range(low, high, is_log, float not in (kind, *get_args(kind)))


def _ends(part: Range | Choice) -> tuple[Any, ...]:
    return part.values if isinstance(part, Choice) else (part.low, part.high)


def corners(space: Space) -> list[dict[str, Any]]:
    """Change each setting alone, to its first value: does the task take it at all?"""
    return [{name: _ends(part)[0]} for name, part in space.items()]


def rounded(value: Any) -> Any:
    """Round a number that is tried to few digits; other values stay as they are."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
