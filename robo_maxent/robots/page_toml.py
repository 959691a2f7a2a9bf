"""Reading and writing TOML, for pages of all kinds of robots."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

HEAD = (
    "# What robo-maxent has to know of this robot beside its model. Written by",
    "# 'robo-maxent robot check'; all of it may be changed. SI units, angles in rad.",
    "",
)
"""First lines of a page."""


LARGEST_FRICTION = 5.0
"""Sliding; rubber on asphalt is near 1."""


def check_numbers(
    positive: Mapping[str, Sequence[float]],
    others: Mapping[str, Sequence[float]],
    most: Mapping[str, float],
) -> None:
    """Refuse numbers that are out of range.

    Args:
        positive: Key of the page -> what must be above 0.
        others: The same, of what may be 0 as well.
        most: Key -> what it may be at most, where there is such a bound.

    Raises:
        ValueError: A number is out of range, or none.
    """
    for key, numbers in {**positive, **others}.items():
        top, may_be_0 = most.get(key, sys.float_info.max), key in others
        if not all(0.0 < number <= top or (may_be_0 and number == 0.0) for number in numbers):
            allowed = "at least 0" if may_be_0 else "above 0"
            allowed += f" and at most {top:g}" if key in most else ""
            raise ValueError(f"{key} must be {allowed}, got {list(numbers)}")


def toml(value: Any) -> str:
    """A string, a number or a list as TOML, which writes them as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def known_keys(kind: Any) -> list[str]:
    """Keys of the table that a dataclass describes, then those of its inner tables."""
    inner = [part for hint in get_type_hints(kind).values() for part in _tables(hint)]
    return [field.name for field in fields(kind)] + [k for part in inner for k in known_keys(part)]


def _tables(hint: Any) -> list[Any]:
    """Dataclasses that a type hint mentions."""
    return [part for part in (hint, *get_args(hint)) if is_dataclass(part)]


def unknown_keys(
    kind: Any, content: Any, named: Mapping[str, tuple[str, ...]], place: str = ""
) -> Iterator[str]:
    """Keys of a table that its dataclass lacks, with their place in the page.

    Args:
        kind: The dataclass that describes it.
        content: The table.
        named: Key of a table of tables -> the names that these may have.
        place: Of the table in the page, with a dot behind.
    """
    if not isinstance(content, Mapping) or not is_dataclass(kind):
        return
    hints = get_type_hints(kind)
    for key, value in content.items():
        name = f"{place}{key}"
        inner = _tables(hints[key]) if key in hints else []
        if key not in hints:
            yield name
        elif get_origin(hints[key]) is Mapping and inner and isinstance(value, Mapping):
            for part, table in value.items():
                if part in named[key]:
                    yield from unknown_keys(inner[0], table, named, f"{name}.{part}.")
                else:
                    yield f"{name}.{part}"
        elif inner:
            yield from unknown_keys(inner[0], value, named, f"{name}.")
