"""Losses of what was held, counted by hand, and shown."""

from hand_rows import axis_label, row

from robo_maxent.evaluation.intervals import proportion
from robo_maxent.report.analysis import analyse
from robo_maxent.report.html import render
from robo_maxent.report.rows import Grip, StressEpisode

LABEL = axis_label("knock", "Knocked object", "times what slides it 5 cm", noun="a knock")
GRIPS = [
    Grip(1.0, lost=True, seconds=0.2, watched=1.0),
    Grip(1.0, lost=True, seconds=0.4, watched=1.0),
    Grip(1.0, lost=True, seconds=None, watched=1.0),
    Grip(1.0, lost=False),
    None,
]


def knocked() -> list[StressEpisode]:
    hit = [row("knock", 1.0, sim=sim, grip=grip) for sim, grip in enumerate(GRIPS)]
    return [*hit, *(row("knock", 0.0, sim=sim) for sim in range(5))]


def test_only_what_was_held_can_be_lost_and_only_what_was_lost_regrasped() -> None:
    (held,) = analyse(knocked(), {"axes": [LABEL]}).grips
    assert held.by_severity.keys() == {"walker"}
    assert held.by_severity["walker"].keys() == {1.0}
    regrasp = held.by_severity["walker"][1.0]
    assert regrasp.lost == proportion(3, 4)
    assert regrasp.times is not None
    assert (regrasp.times.events, regrasp.times.count) == (2, 3)
    assert regrasp.times.median.value.value == 0.4


def test_the_report_shows_when_it_was_held_again() -> None:
    rows = knocked()
    page = render(analyse(rows, {"axes": [LABEL]}), rows, {"axes": [LABEL]})
    assert "Time to regrasp: walker" in page
    assert "seconds since the object was lost" in page
    nothing = [row("knock", severity, sim=sim) for severity in (0.0, 1.0) for sim in range(5)]
    page = render(analyse(nothing, {"axes": [LABEL]}), nothing, {"axes": [LABEL]})
    assert "regrasp" not in page


def test_what_was_lost_as_the_episode_ended_is_drawn_too() -> None:
    late = [row("knock", 1.0, grip=Grip(1.0, lost=True, seconds=None, watched=0.0))]
    rows = [*late, row("knock", 0.0)]
    assert "Time to regrasp: walker" in render(analyse(rows, {"axes": [LABEL]}), rows, {})
