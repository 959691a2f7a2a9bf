"""A film says how its episode ended, so that nobody takes a fall for a policy that walks."""

from dataclasses import replace

import pytest
from command_line import call

from robo_maxent.cli.record import Record, ending
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


@pytest.mark.parametrize("success", [True, False, None])
def test_a_film_of_a_failure_names_another_seed(
    success: bool | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filmed = replace(WALKED, success=success)
    monkeypatch.setattr(Record, "_film", lambda self, path, progress: filmed)
    code, _, said = call(capsys, "record", "walk.safetensors", "--seed", "4", "--threads", "1")
    assert code == 0
    assert ("one episode of many: --seed 5 films another" in said) == (success is False)
