"""Where a command computes: what is said at the door."""

import pytest

from robo_maxent.cli.on import check_actors
from robo_maxent.errors import UsageError


@pytest.mark.parametrize(
    ("on", "count", "message"),
    [
        (None, 2, r"--actors 2 needs --on, which says where they are: --on ray \(this machine\)"),
        ("ray", None, r"--on ray needs --actors N: how many actors"),
        ("ray", 0, r"actors must be at least 1, got 0"),
        ("ray", -3, r"actors must be at least 1, got -3"),
    ],
)
def test_actors_have_a_place_and_there_is_at_least_one(
    on: str | None, count: int | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_actors(on, count)


def test_actors_at_a_place_or_none_at_all() -> None:
    check_actors(None, None)
    check_actors("ray://head:10001", 64)
