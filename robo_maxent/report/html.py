"""Rows of a robustness evaluation -> one HTML file that a person reads in two minutes.

The file needs nothing else: no network, no script, no font. The same rows give the same bytes.
"""

import base64
import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.recovery import WITHIN
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report import figures, formatting, maps, plots, verdict
from robo_maxent.report.analysis import FAULTS, Axis, Findings, findings
from robo_maxent.report.caveats import notices
from robo_maxent.report.figures import Figure
from robo_maxent.report.rows import OUTCOMES, Row, identity, outcome_of

FORMAT = 1
"""Of the suite file that this report reads."""
REPLAY = "robo-maxent replay RESULTS --row {row}"
"""Command that runs one row again, unless the suite names another under ``replay``."""
NO_CLIPS = "Failures can't be watched here: no clips were recorded."
FOLDER = Path(__file__).parent

Clips = Mapping[str, bytes | str | os.PathLike[str]]
"""Name of a row, see :func:`robo_maxent.report.rows.identity`, -> an mp4 or its path."""


@dataclass(frozen=True)
class Segment:
    """A part of a bar of outcomes."""

    outcome: str
    count: int
    percent: float


@dataclass(frozen=True)
class Card:
    """A failure to watch."""

    title: str
    note: str
    row: str
    command: str
    draw: str
    """What was different about it, as JSON."""
    video: str | None
    """Data URI; None: not filmed."""


def write(
    rows: Sequence[Row],
    suite: Mapping[str, Any],
    path: str | os.PathLike[str],
    clips: Clips | None = None,
    why_no_clips: str = "",
) -> Findings:
    """Write the report of an evaluation, atomically.

    Args:
        rows: Episodes, as the suite stores them.
        suite: What was run, as the suite stores it; what it lacks is shown as not recorded.
        path: The HTML file; its directory is made.
        clips: Videos of rows, by the name of the row. None: there are none.
        why_no_clips: What to tell the reader where there are none.

    Returns:
        The numbers that the report shows.

    Raises:
        UsageError: There is no row of a policy, a row lacks what every row has, or the suite is
            of another format.
    """
    found = findings(rows, suite)
    text = render(found, rows, suite, clips, why_no_clips)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, target)
    return found


def render(
    found: Findings,
    rows: Sequence[Row],
    suite: Mapping[str, Any],
    clips: Clips | None = None,
    why_no_clips: str = "",
) -> str:
    """The HTML text."""
    if suite.get("format", FORMAT) != FORMAT:
        raise UsageError(f"the suite has format {suite['format']}; this report reads {FORMAT}")
    cards, missing = _cards(found, rows, suite, clips or {})
    said = (why_no_clips or NO_CLIPS) if found.failures and not clips else None
    scales = [axis for axis in found.axes.values() if axis.is_scale]
    page = _environment().get_template("report.html")
    return page.render(
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        found=found,
        suite=suite,
        words=formatting,
        figures=figures,
        tiles=verdict.tiles,
        maps=maps,
        plots=plots,
        subjects=figures.subjects(found),
        verdicts=verdict.verdicts(found, suite),
        notices=(*notices(found, said), *missing),
        ranking=_ranking(found),
        scales=[plots.curves(axis, found, "success") for axis in scales],
        scales_survived=[plots.curves(axis, found, "survived") for axis in scales],
        pushes=_push_figures(found),
        recovery=_recovery_figures(found),
        joints=_joint_figures(found),
        outcomes=_outcomes(found),
        outcome_names=OUTCOMES,
        sampled=[f for p in found.policies if (f := plots.sampled(found, p))],
        cards=cards,
        fingerprint=fingerprint(rows),
        within=WITHIN,
        conditions=_conditions(suite),
    )


def fingerprint(rows: Sequence[Row]) -> str:
    """SHA-256 of the rows in their order, whatever the order of their fields."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(dict(row), sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def unbroken(words: str) -> str:
    """The same words, where no interval in brackets is cut by the end of a line."""
    return re.sub(r"\[[^]]*\]", lambda found: found[0].replace(" ", "\u00a0"), words)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["unbroken"] = unbroken
    return made


def _ranking(found: Findings) -> list[Axis]:
    """Axes by the success of the first policy while disturbed, the weakest first."""
    first = found.policies[0]
    ranked = [axis for axis in found.axes.values() if axis.name != "nominal" and axis.disturbed]
    return sorted(
        ranked, key=lambda axis: axis.disturbed[first].share if first in axis.disturbed else 2.0
    )


def _push_figures(found: Findings) -> list[Figure]:
    """Each policy's pushes by direction, then by the phase of its stride."""
    unit = found.axes["push"].unit if "push" in found.axes else ""
    made = []
    for policy, grid in found.pushes.items():
        made.append(maps.pushes(policy, grid, unit))
        if policy in found.phases:
            made.append(maps.phases(policy, found.phases[policy], unit))
    return made


def _recovery_figures(found: Findings) -> list[Figure]:
    """Everyone's recovery times, then those of each policy by severity."""
    if not found.recovery:
        return []
    looks = {subject.name: subject.kind for subject in figures.subjects(found)}
    everyone = [(who, looks[who], times) for who, times in found.recovery.items()]
    note = "+ ends a curve that leaves pushes without recovery"
    made = [plots.recovery("Time to recover: all pushes", note, everyone)]
    unit = found.axes["push"].unit
    for policy, by in found.recovery_by.items():
        lines: list[tuple[str, str, WaitingTimes]] = [
            (f"{severity:g}", f"v{min(place, 5)}", times)
            for place, (severity, times) in enumerate(by.items())
        ]
        name = f"Time to recover: {policy} by severity"
        made.append(
            plots.recovery(
                name, f"curves: {', '.join(label for label, _, _ in lines)} {unit}".strip(), lines
            )
        )
    return made


def _joint_figures(found: Findings) -> list[tuple[str, list[Figure]]]:
    return [
        (policy, [f for fault in grid.columns if (f := maps.joints(policy, grid, fault))])
        for policy, grid in found.joints.items()
    ]


def _outcomes(found: Findings) -> list[tuple[str, str, list[Segment]]]:
    """Axis, policy and the parts of its bar."""
    return [
        (formatting.title(axis.name), policy, _segments(counts))
        for axis in found.axes.values()
        for policy, counts in axis.outcomes.items()
    ]


def _segments(counts: Mapping[str, int]) -> list[Segment]:
    total = sum(counts.values())
    names = [*OUTCOMES, *sorted(counts.keys() - set(OUTCOMES))]
    return [Segment(n, counts[n], 100 * counts[n] / total) for n in names if counts.get(n)]


def _cards(
    found: Findings, rows: Sequence[Row], suite: Mapping[str, Any], clips: Clips
) -> tuple[list[Card], tuple[str, ...]]:
    """Filmed rows first, then other failures worth watching; and what is wrong with the clips."""
    known = {identity(row): row for row in rows} if clips else {}
    chosen = {name: known[name] for name in clips if name in known}
    chosen |= {name: row for row in found.failures if (name := identity(row)) not in chosen}
    films = {name: _film(clips[name]) for name in chosen if name in clips}
    strange = [name for name in clips if name not in known]
    absent = [name for name, film in films.items() if film is None]
    problems = []
    if strange:
        problems.append(f"Clips of rows that are not in this evaluation: {', '.join(strange)}.")
    if absent:
        problems.append(f"Clips that can't be read: {', '.join(absent)}.")
    return [_card(row, suite, films.get(name)) for name, row in chosen.items()], tuple(problems)


def _card(row: Row, suite: Mapping[str, Any], film: bytes | None) -> Card:
    name, what = identity(row), [formatting.title(row["axis"]).lower()]
    if row["axis"] not in FAULTS:
        what.append(formatting.quantity(float(row["severity"]), str(row.get("unit") or "")))
    if row.get("case"):
        what.append(str(row["case"]))
    parts = [str(row["policy"])]
    if row.get("length") is not None:
        parts.append(f"{row['length']:,} control steps")
    if row.get("distance") is not None:
        parts.append(f"{row['distance']:.1f} m")
    return Card(
        title=f"{outcome_of(row).capitalize()}: {', '.join(what)}",
        note=" · ".join(parts),
        row=name,
        command=str(suite.get("replay") or REPLAY).replace("{row}", shlex.quote(name)),
        draw=json.dumps(row.get("draw") or {}, sort_keys=True),
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
    """Axis, its severities, how many cases, how many episodes."""
    by: dict[str, list[Mapping[str, Any]]] = {}
    for condition in suite.get("conditions") or ():
        by.setdefault(str(condition.get("axis")), []).append(condition)
    return [
        (
            formatting.title(axis),
            ", ".join(f"{s:g}" for s in dict.fromkeys(c["severity"] for c in group)),
            len({c.get("case") or "" for c in group}),
            sum(int(c.get("episodes") or 0) for c in group),
        )
        for axis, group in by.items()
    ]
