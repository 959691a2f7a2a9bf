"""JSON of a file that anyone may have written, to the types that it should hold."""

import reprlib
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LARGEST = 2**63
"""Size from which on whole numbers are refused: other programs read 64 bits."""

_PLAIN = {
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    type(None): ("null", (type(None),)),
}
"""Type -> what to call it, and what JSON may have for it; ``bool`` is no number here."""


def typed(kind: Any, value: Any, name: str) -> Any:
    """A value of JSON as a type asks for it: lists become tuples, and objects dataclasses.

    Args:
        kind: A plain type, ``Literal``, a union, ``tuple``, ``dict`` or ``Mapping`` with text as
            keys, a dataclass of such, or ``Any``. Fields that a dataclass does not have are left
            out.
        value: What ``json.loads`` gave.
        name: What the message calls it, such as "a row of a stress test".

    Raises:
        ValueError: It is something else; the message says what was expected, on one line.
    """
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value, name)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(parts, value, name)
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(parts, value, name)
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {key: typed(parts[1], inner, f"{key!r} of {name}") for key, inner in value.items()}
    if origin is Literal and value in parts:
        return value
    if kind in _PLAIN and _is_plain(kind, value):
        return float(value) if kind is float else value
    raise ValueError(f"{name} must be {_expected(kind)}, got {reprlib.repr(value)}")


def _is_plain(kind: Any, value: Any) -> bool:
    """Whether JSON may have a value for a plain type; of numbers, what fits into 64 bits."""
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, int) and abs(value) >= LARGEST:
        return False
    return isinstance(value, _PLAIN[kind][1])


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be {_expected(kind)}, got {reprlib.repr(value)}")
    hints, as_they_are, required = _fields(kind)
    if missing := [repr(field) for field in required if field not in value]:
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    return kind(
        **{
            field: value[field]
            if type(value[field]) in as_they_are[field]  # nearly all of a million rows
            else typed(hint, value[field], f"{field} of {name}")
            for field, hint in hints.items()
            if field in value
        }
    )


@lru_cache
def _fields(kind: Any) -> tuple[dict[str, Any], dict[str, frozenset[type]], list[str]]:
    """Of the fields of a dataclass: types, what needs no look, names of those without a default."""
    hints = get_type_hints(kind)
    as_they_are = {
        name: frozenset({hint, *get_args(hint)} & {str, bool, float, type(None)})
        if get_origin(hint) in (None, Union, types.UnionType)
        else frozenset[type]()
        for name, hint in hints.items()
    }
    parts = fields(kind)
    required = [p.name for p in parts if p.default is MISSING and p.default_factory is MISSING]
    return {part.name: hints[part.name] for part in parts}, as_they_are, required


def _union(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    """A value of one of several types; where none fits, the first says what was expected."""
    if value is None and type(None) in kinds:
        return None
    *others, last = (kind for kind in kinds if kind is not type(None))
    for kind in others:
        try:
            return typed(kind, value, name)
        except ValueError:
            continue
    return typed(last, value, name)


def _tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    each = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
    if len(each) != len(value):
        raise ValueError(f"{name} must have {len(each)} elements, got {reprlib.repr(value)}")
    return tuple(
        typed(kind, part, f"element {number} of {name}")
        for number, (kind, part) in enumerate(zip(each, value, strict=True), 1)
    )


def _expected(kind: Any) -> str:
    """What a type is called in JSON, for people."""
    if kind in _PLAIN:
        return _PLAIN[kind][0]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return "a list" if get_origin(kind) is tuple else "an object"
