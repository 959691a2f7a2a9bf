"""Fields of observations and actions: what is declared of a reflection must be one."""

from typing import Any

import numpy as np
import pytest

from robo_maxent.errors import UsageError
from robo_maxent.spaces import Field, mirror


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "the field 'legs' must have a size of at least 1, got 0"),
        ({"sign": (1, -1)}, r"sign of the field 'legs' must have 3 elements, .* got \(1, -1\)"),
        ({"sign": (1, 0, 1)}, r"each 1 or -1, got \(1, 0, 1\)"),
        ({"permutation": (0, 1)}, r"must have each index from 0 to 2 once, got \(0, 1\)"),
        ({"permutation": (0, 1, 3)}, r"each index from 0 to 2 once, got \(0, 1, 3\)"),
        ({"permutation": (0, 0, 2)}, r"each index from 0 to 2 once, got \(0, 0, 2\)"),
        ({"permutation": (1, 2, 0)}, "'legs' must be what it was after two reflections"),
        ({"permutation": (1, 0, 2), "sign": (1, -1, 1)}, "in pairs, with the same sign: got sign"),
    ],
)
def test_what_is_no_reflection_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Field(**({"name": "legs", "unit": "m", "size": 3, "sign": (1, 1, 1)} | changes))


def test_a_reflection_twice_is_none() -> None:
    fields = (
        Field("height", "m", 1, sign=(1,)),
        Field("legs", "rad", 3, sign=(-1, -1, 1), permutation=(1, 0, 2)),
    )
    reflect = mirror(fields)
    assert reflect is not None
    x = np.arange(1.0, 5.0)
    np.testing.assert_array_equal(reflect(x), [1.0, -3.0, -2.0, 4.0])
    np.testing.assert_array_equal(reflect(reflect(x)), x)
    assert mirror((*fields, Field("ball", "m", 2))) is None
