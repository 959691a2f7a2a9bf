"""Results of a worst-case search, as a section of a report and as a page of its own."""

import base64
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_maxent.report import formatting, svg
from robo_maxent.report.figures import Figure, Table
from robo_maxent.report.svg import Scale
from robo_maxent.report.worst_case import (
    WorstCaseSummary,
    comparison,
    critical_words,
    described,
    headline,
    part_words,
    summary_of,
)

WIDTH, ROW, LEFT, RIGHT = 520.0, 17.0, 170.0, 500.0
CURVE_HEIGHT, CURVE_LEFT, CURVE_RIGHT, CURVE_TOP, CURVE_BOTTOM = 210.0, 40.0, 505.0, 10.0, 165.0


@dataclass(frozen=True)
class WatchedFailure:
    """A minimum with its film."""

    title: str
    note: str
    command: str
    """Command that runs it again."""
    video: str | None
    """Video as a data URI; None if it was not filmed."""


@dataclass(frozen=True)
class Section:
    """Contents of the section."""

    headline: str
    comparison: str
    caveat: str
    table: Table
    scales: Table
    figures: tuple[Figure, ...]
    watched: tuple[WatchedFailure, ...]


def section(suite: Mapping[str, Any], directory: str | os.PathLike[str], replay: str) -> Section:
    """Build the section from the file of a search.

    Args:
        suite: Its file.
        directory: Where that and the films are.
        replay: Command that runs a row again, with ``{row}`` in it.

    Raises:
        UsageError: The file has no search, or a value of it is missing or of another type.
    """
    summary = summary_of(suite)
    return Section(
        headline=headline(summary),
        comparison=comparison(summary),
        caveat=" ".join(filter(None, (_caveat(summary), suite.get("success_means")))),
        table=_table(summary),
        scales=_scales(summary),
        figures=(_shares(summary), _progress(summary)) if summary.minima else (),
        watched=tuple(
            WatchedFailure(
                title=f"{number}. Severity {failure.severity:.2f}: {failure.outcome}",
                note=described(failure, summary),
                command=replay.replace("{row}", shlex.quote(failure.row)),
                video=_film(Path(directory), failure.film),
            )
            for number, failure in enumerate(summary.minima, 1)
        ),
    )


def _caveat(summary: WorstCaseSummary) -> str:
    """Caveat about searching a single start."""
    undisturbed = f"With nothing different, {formatting.counted(summary.undisturbed)} of them fail."
    if summary.starts == 1:
        return (
            "A disturbance is searched in one start, to which its moment and direction are "
            f"fitted; fresh starts tell how much of it is the disturbance. {undisturbed}"
        )
    return (
        f"A disturbance has to fail in most of {summary.starts} starts; fresh ones tell how far "
        f"that goes. {undisturbed}"
    )


def _table(summary: WorstCaseSummary) -> Table:
    named = [(str(n), failure) for n, failure in enumerate(summary.minima, 1)]
    if summary.at_random:
        named.append(("at random", summary.at_random))
    rows = tuple(
        (
            name,
            f"{failure.severity:.2f}",
            described(failure, summary),
            failure.outcome,
            "not asked" if failure.fresh is None else formatting.counted(failure.fresh),
        )
        for name, failure in named
    )
    head = ("", "severity", "disturbance", "outcome", "fresh starts that fail")
    return Table("The mildest failures that were found", head, rows)


def _scales(summary: WorstCaseSummary) -> Table:
    rows = tuple(
        (
            effect.title,
            formatting.quantity(effect.nominal, effect.unit),
            critical_words(effect),
            formatting.quantity(effect.hardest, effect.unit),
        )
        for effect in summary.effects
    )
    return Table("What a share of 1 is", ("effect", "nominal", "critical", "searched up to"), rows)


def _shares(summary: WorstCaseSummary) -> Figure:
    """Bars for the parts of all minima."""
    shown = [(n, failure) for n, failure in enumerate(summary.minima, 1)]
    largest = max([1.0, *(part.share for _, failure in shown for part in failure.parts)])
    x, y, marks = Scale((0.0, largest), (LEFT, RIGHT)), 14.0, []
    for number, failure in shown:
        colour = f"p{(number - 1) % 5}"
        marks.append(svg.text(4.0, y + 4, f"{number}. {failure.severity:.2f}", "strong", "start"))
        for part in failure.parts:
            effect = summary.scales[part.axis]
            words = f"{part_words(part, effect)}: {part.share:.2f} of critical"
            corners = [(x(0), y - 5), (x(part.share), y - 5), (x(part.share), y + 5), (x(0), y + 5)]
            bar = svg.path(corners, f"bracket {colour}", closed=True)
            marks.append(svg.element("g", svg.element("title", words), bar))
            marks.append(svg.text(LEFT - 6, y + 4, effect.title, "tick", "end"))
            y += ROW
        y += 6.0
    bottom = y - 6.0
    ticks = [value for value in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0) if value <= largest]
    grid = [svg.line((x(value), 4.0), (x(value), bottom), "grid") for value in ticks]
    grid.append(svg.line((x(1.0), 4.0), (x(1.0), bottom), "required"))
    labels = [svg.text(x(value), bottom + 14, f"{value:g}", "tick") for value in ticks]
    labels.append(svg.text(RIGHT, bottom + 30, "share of critical severity", "hint", "end"))
    spoken = "; ".join(f"{n}: {described(failure, summary)}" for n, failure in shown)
    picture = svg.picture(WIDTH, bottom + 36, f"Shares. {spoken}", *grid, *marks, *labels)
    rows = tuple(
        (str(n), summary.scales[part.axis].title, f"{part.share:.3f}", f"{part.severity:.4g}")
        for n, failure in shown
        for part in failure.parts
    )
    table = Table("Shares of critical severities", ("minimum", "effect", "share", "severity"), rows)
    note = "1, dashed: what the effect takes alone. A severity is the length of its bars together."
    return Figure("What they are made of", note, picture, table)


def _progress(summary: WorstCaseSummary) -> Figure:
    """Plot of the mildest failure over episodes, of the search and of random points."""
    curves = {
        "search": (summary.improvements, summary.episodes, "p0"),
        "at random": (summary.random_improvements, summary.random_episodes, "p1"),
    }
    highest = max(s for improvements, _, _ in curves.values() for _, s in improvements)
    most = max(summary.episodes, summary.random_episodes)
    x = Scale((0.0, float(most)), (CURVE_LEFT, CURVE_RIGHT))
    y = Scale((0.0, 1.05 * highest), (CURVE_BOTTOM, CURVE_TOP))
    layers = []
    for place in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = place * highest
        layers.append(svg.line((CURVE_LEFT, y(value)), (CURVE_RIGHT, y(value)), "grid"))
        layers.append(svg.text(CURVE_LEFT - 5, y(value) + 3.5, f"{value:.2f}", "tick", "end"))
        count = place * most
        layers.append(svg.text(x(count), CURVE_BOTTOM + 14, f"{count:,.0f}", "tick"))
    for name, (improvements, episodes, colour) in curves.items():
        points = [(x(count), y(severity)) for count, severity in improvements]
        if points:
            line = svg.path(svg.steps(points, x(episodes)), f"line {colour}")
            layers.append(svg.element("g", svg.element("title", name), line))
            label = svg.text(x(episodes) - 4, points[-1][1] - 5, name, f"tick {colour}", "end")
            layers.append(label)
    layers.append(svg.text(CURVE_RIGHT, CURVE_BOTTOM + 30, "episodes", "hint", "end"))
    label = f"Mildest failure known over the episodes. {comparison(summary)}"
    picture = svg.picture(WIDTH, CURVE_HEIGHT, label, *layers)
    rows = tuple(
        (name, f"{count:,}", f"{severity:.4f}")
        for name, (improvements, _, _) in curves.items()
        for count, severity in improvements
    )
    table = Table("Milder failures as they came", ("", "episodes", "severity"), rows)
    return Figure("How the search went", comparison(summary), picture, table)


def _film(directory: Path, name: str | None) -> str | None:
    """A film as a data URI; None if there is none."""
    if name is None or Path(name).name != name:
        return None
    try:
        data = (directory / name).read_bytes()
    except OSError:
        return None  # the card says that there is no film
    return f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
