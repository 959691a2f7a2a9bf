"""What is changed of a recipe: settings by their dotted names, as a grid or a few at a time."""

import ast
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_type_hints

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.from_json import typed
from robo_maxent.learning.config import SacConfig
from robo_maxent.training.config import TrainConfig

LONGEST_NAME = 100
"""Characters of a directory's name; an arm that changes more than fits is called by its number."""
BUDGETS = ("minutes", "steps")
"""Settings that say how long a run is trained."""
RECIPE = "recipe"
"""Name of the arm that changes nothing."""
_SAC = "sac."
_WORDS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Arm:
    """One way to train: a recipe with some of its settings changed."""

    name: str
    """Such as ``gamma=0.95,width=256``; names its directory."""
    changes: Mapping[str, Any]
    """Dotted name of a setting -> value."""
    config: TrainConfig


@lru_cache(maxsize=1)
def kinds() -> Mapping[str, Any]:
    """The type of every setting that may be changed, by its dotted name.

    The seed is not among them: each arm is trained with several.
    """
    own, sac = get_type_hints(TrainConfig), get_type_hints(SacConfig)
    settings = {name: kind for name, kind in own.items() if name not in ("seed", "sac")}
    return settings | {f"{_SAC}{name}": kind for name, kind in sac.items()}


def grid(recipe: TrainConfig, texts: Sequence[str]) -> list[Arm]:
    """Make an arm for each combination of values of settings; without settings, one of the recipe.

    Args:
        recipe: The recipe that is changed.
        texts: A setting and its values each, as in ``sac.gamma=0.95,0.97``.

    Raises:
        UsageError: A text is not of that form, names no setting or one twice, or has a value that
            the configuration refuses.
    """
    values: dict[str, list[Any]] = {}
    for text in texts:
        name, parts = _named(text, "--set")
        if name in values:
            raise UsageError(f"--set {name} is given twice: give all its values at once")
        if name in BUDGETS:
            _require_no_budget(recipe, name)
        values[name] = [value_of(name, part, "--set") for part in parts]
    combinations = itertools.product(*values.values())
    changes = [dict(zip(values, each, strict=True)) for each in combinations]
    return _arms(recipe, changes, "--set")


def one_at_a_time(recipe: TrainConfig, texts: Sequence[str]) -> list[Arm]:
    """Make an arm of the recipe as it is, then one for each text, which changes some settings.

    Args:
        recipe: The recipe that is changed.
        texts: Settings with a value each, separated by spaces, as in ``envs=64 sac.gamma=0.95``.

    Raises:
        UsageError: A text is not of that form, names no setting or one twice, or has a value that
            the configuration refuses.
    """
    changes: list[dict[str, Any]] = [{}]
    for text in texts:
        arm: dict[str, Any] = {}
        for word in text.split():
            name, parts = _named(word, "--arm")
            if name in arm:
                raise UsageError(f"--arm {text!r} has {name} twice")
            arm[name] = value_of(name, ",".join(parts), "--arm")
        if not arm:
            raise UsageError("--arm changes nothing; the recipe itself is always an arm")
        changes.append(arm)
    return _arms(recipe, changes, "--arm")


def changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """Change settings of a configuration, by their dotted names.

    Raises:
        UsageError: The configuration refuses a value.
    """
    sac = {n.removeprefix(_SAC): value for n, value in changes.items() if n.startswith(_SAC)}
    own = {name: value for name, value in changes.items() if not name.startswith(_SAC)}
    return replace(config, sac=replace(config.sac, **sac), **own)


def require_setting(name: str) -> None:
    """Check that a name is that of a setting.

    Raises:
        UsageError: There is no such setting; the message has the closest one.
    """
    if name == "seed":
        raise UsageError(
            "the seed is no setting: --seeds says how many there are, --seed the first"
        )
    if name not in kinds():
        raise UnknownNameError("setting", name.replace("-", "_"), kinds())


def value_of(name: str, text: str, flag: str) -> Any:
    """Read the value of a setting from a text.

    Args:
        name: Dotted name of the setting.
        text: The value as Python writes it; ``true``, ``false`` and ``none`` in any case.
        flag: The option that the text was given to, for the message.

    Raises:
        UsageError: The value is not of the setting's type.
    """
    try:
        value = _WORDS[text.lower()] if text.lower() in _WORDS else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text  # a word, as of a choice
    try:
        return typed(kinds()[name], value, name)
    except ValueError as error:
        raise UsageError(f"{flag} {name}={text}: {error}") from error


def words(changes: Mapping[str, Any]) -> str:
    """Write changes as ``--arm`` takes them."""
    return " ".join(f"{name}={_python(value)}" for name, value in changes.items())


def _require_no_budget(recipe: TrainConfig, name: str) -> None:
    """Check that a recipe has no budget, where a grid gives each run its own.

    Raises:
        UsageError: It has one.
    """
    for other in BUDGETS:
        if (budget := getattr(recipe, other)) is not None:
            raise UsageError(
                f"--set {name} gives each run its budget, and so does --{other} {budget:g}: leave "
                "out one of them"
            )


def _named(text: str, flag: str) -> tuple[str, list[str]]:
    """Name and values of ``NAME=VALUE,...``; a value in brackets may have commas of its own."""
    name, equals, said = text.partition("=")
    parts = [part.strip() for part in re.split(r",(?![^(\[]*[)\]])", said)]
    if not equals or not all(parts):
        example = "sac.gamma=0.95,0.97" if flag == "--set" else "'sac.gamma=0.95 envs=64'"
        raise UsageError(f"{flag} takes a setting with values, as {flag} {example}; got {text!r}")
    require_setting(name.strip())
    return name.strip(), parts


def _arms(recipe: TrainConfig, changes: Iterable[dict[str, Any]], flag: str) -> list[Arm]:
    arms: dict[str, Arm] = {}
    for number, each in enumerate(changes):
        name = _name(each, number)
        try:
            config = changed(recipe, each)
        except UsageError as error:
            raise UsageError(f"{flag} {words(each)}: {error}") from error
        if name in arms:
            raise UsageError(f"{flag} has {name} twice: two arms can't be the same")
        for other in arms.values():
            if _trained(other.config) == _trained(config):
                raise UsageError(
                    f"{flag}: {other.name} and {name} are the same training, for {config.envs} "
                    f"simulations end after a multiple of {config.envs} steps"
                )
        arms[name] = Arm(name, each, config)
    return list(arms.values())


def _trained(config: TrainConfig) -> TrainConfig:
    """What is trained with a configuration: all simulations end after the same control step."""
    if config.steps is None:
        return config
    return replace(config, steps=-(-config.steps // config.envs) * config.envs)


def _name(changes: Mapping[str, Any], number: int) -> str:
    """A name that is a directory's, and needs no quotes in a shell."""
    parts = (f"{name.removeprefix(_SAC)}={_short(value)}" for name, value in changes.items())
    name = ",".join(parts) or RECIPE
    return name if len(name) <= LONGEST_NAME else f"arm-{number}"


def _short(value: Any) -> str:
    return "..".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _python(value: Any) -> str:
    """A value as :func:`value_of` reads it, without spaces."""
    return str(value).replace(" ", "")
