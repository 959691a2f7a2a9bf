"""What long work says of itself while it runs."""

from types import SimpleNamespace

import pytest

from robo_maxent.cli import progress
from robo_maxent.cli.progress import Progress


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that were said, with no pause between them."""
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    return lines


def test_time_left_is_reckoned_from_when_the_work_began(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace()
    monkeypatch.setattr(progress, "time", clock)
    shown = Progress("films")
    for second, finished in ((1000, 2), (1010, 3), (1030, 5)):  # other work came first, and 2 films
        clock.monotonic = lambda now=second: now
        shown.count(finished, 8)
    assert said == ["films  25%, --:-- left", "films  38%, 0:50 left", "films  62%, 0:30 left"]
