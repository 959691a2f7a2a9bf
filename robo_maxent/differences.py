"""What two descriptions of JSON differ in, on one line."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = "absent"
"""Stands for what only the other has."""


def first_difference(theirs: Any, ours: Any, whose: str, name: str = "") -> str:
    """The first difference of two unequal values, for people.

    Args:
        theirs: What was found: objects, lists, and plain values in them.
        ours: What was expected, in the order in which differences matter.
        whose: What the second is called, such as "this one's".
        name: What to call the values; "" for the whole.
    """
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        found = {key: (theirs.get(key, ABSENT), ours.get(key, ABSENT)) for key in (*ours, *theirs)}
        key = next(key for key, (before, now) in found.items() if before != now)
        return first_difference(*found[key], whose, f"{key} of {name}" if name else key)
    if isinstance(theirs, list) and isinstance(ours, list):
        before, now = list(map(_named, theirs)), list(map(_named, ours))
        if before != now:
            theirs_only = _some([one for one in before if one not in now])
            ours_only = _some([one for one in now if one not in before])
            has = have(name)
            return f"its {name} {has} {theirs_only} where {whose} {has} {ours_only}"
        place = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
        return first_difference(theirs[place], ours[place], whose, f"{name} {now[place]}")
    return f"its {name} is {reprlib.repr(theirs)}, {whose} is {reprlib.repr(ours)}"


def have(name: str) -> str:
    """What goes with a name: "have" with one in the plural, such as "joints", or else "has"."""
    return "have" if name.split(" of ")[0].endswith("s") else "has"


def _named(element: Any) -> str:
    """What to call an element of a list, such as a policy, an axis or a condition."""
    if not isinstance(element, Mapping):
        return reprlib.repr(element)
    names = (element.get(key) for key in ("label", "name", "axis", "severity", "case"))
    return "/".join(str(name) for name in names if name not in (None, ""))


def _some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, for people."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "nothing"
