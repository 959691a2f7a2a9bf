"""A film says how its episode ended, so that nobody takes a fall for a policy that walks."""

from dataclasses import replace

import pytest

from robo_maxent.cli.record import ending
from robo_maxent.types import Episode

WALKED = Episode("walk", 0, 0, 0, 1000, 1.0, True, False, False, {}, {})


@pytest.mark.parametrize(
    ("episode", "says"),
    [
        (WALKED, "success after 1000 control steps"),
        (replace(WALKED, success=False), "no success after 1000 control steps"),
        (replace(WALKED, success=None), "ended after 1000 control steps"),
        (replace(WALKED, success=False, terminated=True), "terminated after 1000 control steps"),
    ],
)
def test_how_an_episode_ended(episode: Episode, says: str) -> None:
    assert ending(episode) == says
