"""Renders the rows of a stress test as one HTML file that takes two minutes to read.

The file needs nothing else: no network, no script, no font. The same rows give the same bytes.
"""

import base64
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.recovery import HOLD, WITHIN
from robo_maxent.files import write_atomically
from robo_maxent.report import (
    breakdown_figures,
    curve_figures,
    figures,
    formatting,
    place_figures,
    recovery_figures,
    verdict,
    way_figures,
)
from robo_maxent.report.analysis import Analysis, AxisAnalysis, analyse
from robo_maxent.report.caveats import caveats
from robo_maxent.report.failures import SHOWN, Failures
from robo_maxent.report.figures import Figure
from robo_maxent.report.limits import accepted, judged, limits_of
from robo_maxent.report.rows import (
    LOW_RETURN,
    NOMINAL,
    OUTCOMES,
    SUITE_FORMAT,
    AxisLabel,
    StressEpisode,
    identity,
    labels_of,
)
from robo_maxent.report.worst_case_section import Section

REPLAY = "robo-maxent replay RESULTS --row {row}"
"""Command that runs one row again, unless the suite names another under ``replay``."""
NO_CLIPS = "Failures can't be watched here: no clips were recorded."
FOLDER = Path(__file__).parent

Clips = Mapping[str, bytes | str | os.PathLike[str]]
"""Name of a row -> an mp4 or its path; see :func:`robo_maxent.report.rows.identity`."""


@dataclass(frozen=True)
class Segment:
    """One part of a bar of outcomes."""

    outcome: str
    count: int
    percent: float

    @property
    def css(self) -> str:
        """CSS class."""
        return outcome_class(self.outcome) if self.outcome in OUTCOMES else "o-other"


@dataclass(frozen=True)
class AxisFigures:
    """Figures of one axis."""

    title: str
    introduction: str
    figures: tuple[Figure, ...]
    is_wide: bool = True
    """Whether they take the whole width of the page."""


@dataclass(frozen=True)
class WayFigures:
    """Figures of the ways of one policy along an axis."""

    title: str
    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Card:
    """A failure to watch."""

    title: str
    note: str
    row: str
    command: str
    params: str
    """Its disturbed parameters, as JSON."""
    video: str | None
    """Video as a data URI; None if it was not filmed."""


class Read:
    """What a report needs from whole rows, which are read once and not kept."""

    def __init__(self, failures: int = SHOWN, with_rounds: bool = False) -> None:
        """Begin without rows; arguments as of :class:`Failures`."""
        self.failures = Failures((), failures, with_rounds)
        self._digest = hashlib.sha256()

    def add(self, row: StressEpisode) -> None:
        """Read one more row."""
        self.failures.add(row)
        self._digest.update(json.dumps(row.to_json(), sort_keys=True).encode() + b"\n")

    def watched(self, rows: Iterable[StressEpisode]) -> Iterator[StressEpisode]:
        """Pass rows on, reading each on its way."""
        for row in rows:
            self.add(row)
            yield row

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the rows in their order, whatever the order of their fields."""
        return self._digest.hexdigest()


def write(
    rows: Sequence[StressEpisode],
    suite: Mapping[str, Any],
    path: str | os.PathLike[str],
    clips: Clips | None = None,
    why_no_clips: str = "",
    worst_case: Section | None = None,
    read: Read | None = None,
) -> Analysis:
    """Write the report of a stress test, atomically.

    Args:
        rows: Episodes, of one stress test; with ``read`` they may be those of a ``RowTable``.
        suite: What was run, as the suite's file has it; what it lacks is shown as not recorded.
        path: The HTML file; its directory is made.
        clips: Videos of rows, by the name of the row. None: there are none.
        why_no_clips: What to tell the reader where there are none.
        worst_case: What a search for the mildest failure found; None: there was none.
        read: What was seen of whole rows; None: these are.

    Returns:
        The numbers that the report shows.

    Raises:
        UsageError: There is no row of a policy, a row can't be reported on, or the suite is of
            another format.
        OSError: It can't be written.
    """
    analysis = analyse(rows, suite, read and read.failures)
    digest = read and read.fingerprint
    text = render(analysis, rows, suite, clips, why_no_clips, worst_case, digest)
    write_atomically(path, text)
    return analysis


def worst_case_page(section: Section, suite: Mapping[str, Any], policy: str) -> str:
    """The HTML text of a search for the mildest failure alone.

    Args:
        section: What it found.
        suite: Its file.
        policy: Label of the policy.
    """
    page = _environment().get_template("worst_case_page.html")
    return page.render(css=_css(), worst_case=section, suite=suite, policy=policy)


def render(
    analysis: Analysis,
    rows: Sequence[StressEpisode],
    suite: Mapping[str, Any],
    clips: Clips | None = None,
    why_no_clips: str = "",
    worst_case: Section | None = None,
    digest: str | None = None,
) -> str:
    """Render the HTML text; ``digest`` is the fingerprint of the rows if they are a table."""
    if (format_ := suite.get("format", SUITE_FORMAT)) != SUITE_FORMAT:
        raise UsageError(f"the suite has format {format_}; this report reads {SUITE_FORMAT}")
    cards, problems = _cards(analysis, rows, suite, clips or {})
    unfilmed = (why_no_clips or NO_CLIPS) if analysis.failures and not clips else None
    limits = [judged(limit, rows) for limit in limits_of(suite)]
    scales = [axis for axis in analysis.axes.values() if axis.is_scale]
    page = _environment().get_template("report.html")
    return page.render(
        css=_css(),
        analysis=analysis,
        worst_case=worst_case,
        suite=suite,
        limits=limits,
        accepted=accepted,
        words=formatting,
        figures=figures,
        tiles=verdict.tiles,
        breakdown_figures=breakdown_figures,
        curve_figures=curve_figures,
        styles=figures.styles(analysis),
        verdicts=verdict.verdicts(analysis, suite),
        caveats=(*_notes(suite), *caveats(analysis, unfilmed), *problems),
        ranking=_ranking(analysis),
        scales=[curve_figures.curves(axis, analysis, "success") for axis in scales],
        scales_survived=[curve_figures.curves(axis, analysis, "survived") for axis in scales],
        breakdowns=_breakdowns(analysis),
        recovery=_recovery(analysis),
        grips=_grips(analysis),
        places=[place_figures.figure(each) for each in analysis.places],
        ways=_ways(analysis),
        way_figures=way_figures,
        outcomes=_outcomes(analysis),
        outcome_names=_outcome_names(analysis),
        outcome_class=outcome_class,
        sampled=[
            figure for p in analysis.policies if (figure := curve_figures.sampled(analysis, p))
        ],
        cards=cards,
        fingerprint=digest or fingerprint(rows),
        within=WITHIN,
        hold=HOLD,
        conditions=_conditions(suite),
    )


def fingerprint(rows: Sequence[StressEpisode]) -> str:
    """SHA-256 of the rows in their order, whatever the order of their fields."""
    read = Read()
    for row in rows:
        read.add(row)
    return read.fingerprint


def unbroken(words: str) -> str:
    """The words with no line breaks within intervals in brackets and percentages."""
    return re.sub(r"\[[^]]*\]|\d %", lambda number: number[0].replace(" ", "\u00a0"), words)


def outcome_class(outcome: str) -> str:
    """CSS class of an outcome."""
    return f"o-{outcome.replace(' ', '-')}"


def _css() -> Markup:
    return Markup((FOLDER / "report.css").read_text(encoding="utf-8"))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = unbroken
    return environment


def _notes(suite: Mapping[str, Any]) -> list[str]:
    """Notes of the suite's file about the task: what success means, what was not tested."""
    means = suite.get("success_means")
    return [*([means] if means else []), *(suite.get("notes") or ())]


def _ranking(analysis: Analysis) -> list[AxisAnalysis]:
    """Axes from the weakest to the strongest of the first policy."""
    first, axes = analysis.policies[0], analysis.axes.values()
    ranked = [axis for axis in axes if axis.label.name != NOMINAL and axis.disturbed]
    weak = [axis.label.name for axis, _ in verdict.weakest(analysis, first)]

    def place(axis: AxisAnalysis) -> tuple[float, float]:
        name, share = axis.label.name, axis.disturbed.get(first)
        return weak.index(name) if name in weak else len(weak), share.share if share else 2.0

    return sorted(ranked, key=place)


def _breakdowns(analysis: Analysis) -> list[AxisFigures]:
    """The breakdowns of each axis that has any."""
    shown = []
    for label, group in groupby(analysis.breakdowns, key=lambda each: each.label):
        of_axis = list(group)
        pictures = tuple(figure for each in of_axis for figure in breakdown_figures.figures(each))
        is_wide = any(breakdown_figures.is_polar(each.breakdown) for each in of_axis)
        words = breakdown_figures.introduction(of_axis)
        shown.append(AxisFigures(label.title, words, pictures, is_wide))
    return shown


def _recovery(analysis: Analysis) -> list[AxisFigures]:
    """The recovery times of each axis that has any."""
    return [
        AxisFigures(each.label.title, "", tuple(recovery_figures.figures(each, analysis)))
        for each in analysis.recovery
    ]


def _grips(analysis: Analysis) -> list[AxisFigures]:
    """The losses of each axis that has any."""
    shown = [(each.label.title, recovery_figures.grip_figures(each)) for each in analysis.grips]
    return [AxisFigures(title, "", tuple(figures)) for title, figures in shown if figures]


def _ways(analysis: Analysis) -> list[WayFigures]:
    """The paths of each policy, along each axis that draws any."""
    return [
        WayFigures(
            f"{each.policy}, {way_figures.ACTING[each.mode]}",
            tuple(way_figures.sentences(each)),
            tuple(way_figures.figures(each)),
        )
        for each in analysis.ways
    ]


def _outcomes(analysis: Analysis) -> list[tuple[str, str, list[Segment]]]:
    """Title of the axis, policy, and segments of its bar."""
    return [
        (axis.label.title, policy, _segments(counts))
        for axis in analysis.axes.values()
        for policy, counts in axis.outcomes.items()
    ]


def _outcome_names(analysis: Analysis) -> list[str]:
    """Outcomes to explain; "low return" only if it occurs."""
    counted = {
        name for axis in analysis.axes.values() for c in axis.outcomes.values() for name in c
    }
    return [name for name in OUTCOMES if name != LOW_RETURN or name in counted]


def _segments(counts: Mapping[str, int]) -> list[Segment]:
    total = sum(counts.values())
    names = [*OUTCOMES, *sorted(counts.keys() - set(OUTCOMES))]
    return [Segment(n, counts[n], 100 * counts[n] / total) for n in names if counts.get(n)]


def _cards(
    analysis: Analysis, rows: Sequence[StressEpisode], suite: Mapping[str, Any], clips: Clips
) -> tuple[list[Card], tuple[str, ...]]:
    """Cards of filmed rows, then of other failures; and why clips are missing."""
    known = {identity(row): row for row in analysis.failures}
    if sought := clips.keys() - known.keys():
        known |= {name: row for row in rows if (name := identity(row)) in sought}
    chosen = {name: known[name] for name in clips if name in known}
    chosen |= {name: row for row in analysis.failures if (name := identity(row)) not in chosen}
    films = {name: _film(clips[name]) for name in chosen if name in clips}
    strange = [name for name in clips if name not in known]
    absent = [name for name, film in films.items() if film is None]
    problems = []
    if strange:
        problems.append(f"Clips of rows that are not in this evaluation: {', '.join(strange)}.")
    if absent:
        problems.append(f"Clips that can't be read: {', '.join(absent)}.")
    replay = str(suite.get("replay") or REPLAY)
    cards = [
        _card(row, analysis.axes[row.axis].label, replay, films.get(name))
        for name, row in chosen.items()
    ]
    return cards, tuple(problems)


def _card(row: StressEpisode, label: AxisLabel, replay: str, film: bytes | None) -> Card:
    name, condition = identity(row), [label.title.lower()]
    if label.is_scale and row.axis != NOMINAL:
        condition.append(formatting.quantity(row.severity, label.unit))
    if row.case:
        condition.append(row.case)
    note = [row.policy, f"{row.length:,} control steps"]
    if row.distance is not None:
        note.append(f"{row.distance:.1f} m")
    return Card(
        title=f"{row.outcome.capitalize()}: {', '.join(condition)}",
        note=" · ".join(note),
        row=name,
        command=replay.replace("{row}", shlex.quote(name)),
        params=json.dumps(row.params, sort_keys=True),
        video=f"data:video/mp4;base64,{base64.b64encode(film).decode()}" if film else None,
    )


def _film(clip: bytes | str | os.PathLike[str]) -> bytes | None:
    if isinstance(clip, bytes):
        return clip or None
    try:
        return Path(clip).read_bytes() or None
    except OSError:
        return None  # said at the top of the report


def _conditions(suite: Mapping[str, Any]) -> list[tuple[str, str, int, int]]:
    """Title of the axis, its severities, how many cases, how many episodes."""
    by_axis: dict[str, list[Mapping[str, Any]]] = {}
    for condition in suite.get("conditions") or ():
        by_axis.setdefault(str(condition.get("axis")), []).append(condition)
    return [
        (
            label.title,
            ", ".join(f"{s:g}" for s in dict.fromkeys(c["severity"] for c in by_axis[name])),
            len({c.get("case") or "" for c in by_axis[name]}),
            sum(int(c.get("episodes") or 0) for c in by_axis[name]),
        )
        for name, label in labels_of(suite, by_axis).items()
    ]
