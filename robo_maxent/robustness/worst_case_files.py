"""Writes the results of a worst-case search: a file, rows that run again, films and a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent import kept
from robo_maxent.envs.own_tasks import code_of, identified
from robo_maxent.errors import RoboMaxentError
from robo_maxent.files import FileKind, refusal, require_place, write_atomically
from robo_maxent.report import html
from robo_maxent.report.rows import SUITE_FORMAT, WORST_CASE, StressEpisode, identity
from robo_maxent.report.worst_case import (
    KEY,
    SUITE,
    EffectScale,
    FoundFailure,
    Part,
    WorstCaseSummary,
)
from robo_maxent.report.worst_case_section import section
from robo_maxent.robustness import stress_test
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.disturbed_starts import DisturbedStarts, failed
from robo_maxent.robustness.plan import described
from robo_maxent.robustness.runner import PACKAGES, capture_impulses
from robo_maxent.robustness.store import DESCRIPTION, EPISODES
from robo_maxent.robustness.tried_episodes import TriedEpisodes
from robo_maxent.robustness.worst_case import Failure, WorstCase
from robo_maxent.versions import installed

KIND = FileKind("the file of a worst case", rb'\{\s*"format": \d+,\s*"suite": "worst case"')


@dataclass(frozen=True)
class WorstCaseResult:
    """Written results of a search."""

    report: Path
    rows: Path
    films: tuple[Path, ...]
    summary: WorstCaseSummary
    replay: str
    """Command that runs a row again, with ``{row}`` in it."""
    why_no_films: str
    """Why minima are not filmed; empty if all were, or none was to be."""


def require_directory(out: Path) -> None:
    """Check that a search can be written to a directory, before work begins.

    Raises:
        UsageError: It can't, or something else is there.
    """
    require_place(out / DESCRIPTION, KIND)


def tried(out: Path, task: AnyTask, policy: PolicyUnderTest, seed: int) -> TriedEpisodes:
    """Stored episodes of searches in a directory, for the same search.

    Raises:
        UsageError: Another process searches there.
    """
    return TriedEpisodes(out, _decisive(task, policy, seed))


def write(
    found: WorstCase,
    starts: DisturbedStarts,
    out: Path,
    command: str = "",
    films: int = 3,
    filming: stress_test.Progress | None = None,
) -> WorstCaseResult:
    """Write everything: rows and file first, then films, then the page.

    Args:
        found: What was found.
        starts: What runs it again.
        out: The directory, made if it is not there.
        command: What would run this again.
        films: How many minima to film.
        filming: Called with how many are filmed and how many are to be.
    """
    rows = _rows(found, starts)
    of_failure = [
        next(row for row in rows if row.case == name and failed(row)) for name in _names(found)
    ]
    kept.write(starts.task.kept, out)
    lines = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
    write_atomically(out / EPISODES, lines)
    paths, why = _films(of_failure[: min(films, len(found.minima))], starts, out, filming)
    summary = _summary(found, starts, of_failure, [path.name for path in paths])
    suite = _description(summary, starts, command)
    write_atomically(out / DESCRIPTION, json.dumps(suite, indent=1) + "\n")
    replay = stress_test.replay_command(out, code_of(starts.task))
    shown = section(suite, out, replay)
    write_atomically(out / stress_test.REPORT, html.worst_case_page(shown, suite, summary.policy))
    report, rows_file = out / stress_test.REPORT, out / EPISODES
    return WorstCaseResult(report, rows_file, tuple(paths), summary, replay, why)


def _names(found: WorstCase) -> list[str]:
    """The case of the rows of each failure."""
    names = [f"minimum-{number}" for number in range(1, len(found.minima) + 1)]
    return names + (["random"] if found.at_random else [])


def _rows(found: WorstCase, starts: DisturbedStarts) -> list[StressEpisode]:
    """A row for each failure in each of its starts."""
    failures = found.failures
    if not failures:
        return []
    shares = np.array([failure.point.shares for failure in failures])
    choices = np.array([failure.point.choices for failure in failures])
    count = len(found.starts)
    params = found.space.params(shares, choices).rows(np.repeat(np.arange(len(shares)), count))
    labels = [
        {
            "axis": WORST_CASE,
            "severity": failure.point.severity,
            "case": name,
            "unit": "critical severities",
        }
        for failure, name in zip(failures, _names(found), strict=True)
        for _ in range(count)
    ]
    return starts.rows(params, np.tile(found.starts, len(shares)), labels)


def _films(
    rows: Sequence[StressEpisode],
    starts: DisturbedStarts,
    out: Path,
    filming: stress_test.Progress | None,
) -> tuple[list[Path], str]:
    """Films of rows, and why some are missing."""
    paths: list[Path] = []
    for number, row in enumerate(rows, 1):
        path = out / f"minimum-{number}.mp4"
        try:
            stress_test.film(row, starts.task, starts.policy, path)
        except (RoboMaxentError, OSError) as error:
            return paths, f"Failures could not be filmed: {refusal(error)}"
        paths.append(path)
        if filming:
            filming(number, len(rows))
    return paths, ""


def _summary(
    found: WorstCase,
    starts: DisturbedStarts,
    rows: Sequence[StressEpisode],
    films: Sequence[str],
) -> WorstCaseSummary:
    """The results as JSON."""
    count = len(found.starts)
    told = [
        _told(found, starts, failure, row, film)
        for failure, row, film in zip(
            found.failures, rows, [*films, *[None] * (len(rows) - len(films))], strict=True
        )
    ]
    minima = len(found.minima)
    return WorstCaseSummary(
        policy=starts.policy.label,
        effects=tuple(
            EffectScale(
                axis=part.axis.name,
                title=part.axis.title,
                unit=part.axis.unit,
                noun=part.axis.noun or part.axis.title.lower(),
                nominal=part.nominal,
                critical=part.critical,
                is_reached=part.is_reached,
                hardest=part.hardest,
            )
            for part in found.space.parts
        ),
        starts=count,
        undisturbed=found.undisturbed,
        episodes=count * found.tests,
        random_episodes=count * found.random_tests,
        minima=tuple(told[:minima]),
        at_random=told[minima] if len(told) > minima else None,
        improvements=tuple((count * n, severity) for n, severity in found.improvements),
        random_improvements=tuple(
            (count * n, severity) for n, severity in found.random_improvements
        ),
        interrupted=found.interrupted,
    )


def _told(
    found: WorstCase,
    starts: DisturbedStarts,
    failure: Failure,
    row: StressEpisode,
    film: str | None,
) -> FoundFailure:
    point = failure.point
    parts = []
    for part, share in zip(found.space.parts, point.shares.tolist(), strict=True):
        if not share:
            continue
        direction = part.effect.direction(row.params)
        parts.append(
            Part(
                axis=part.axis.name,
                severity=part.severity(share),
                share=share,
                begins=part.effect.begins(row.params),
                direction=None if direction is None else float(np.degrees(direction)),
            )
        )
    parts.sort(key=lambda part: -part.share)
    return FoundFailure(
        point.severity, tuple(parts), row.outcome, identity(row), film, failure.fresh
    )


def _decisive(task: AnyTask, policy: PolicyUnderTest, seed: int) -> dict[str, Any]:
    """Everything that decides the episodes of a search."""
    return {
        **identified(task),
        "task_options": kept.named(task.options, task.kept),
        "content": dict(task.content),
        "seed": seed,
        "versions": {name: installed(name) for name in (*PACKAGES, "cmaes", *task.packages)},
        "policies": described([policy]),
    }


def _description(
    summary: WorstCaseSummary, starts: DisturbedStarts, command: str
) -> Mapping[str, Any]:
    """Contents of the file, without a date, so that the same search writes the same bytes."""
    task = starts.task
    return {
        "format": SUITE_FORMAT,
        "suite": SUITE,
        **_decisive(task, starts.policy, starts.seed),
        "capture_impulse": capture_impulses(task),
        "command": command,
        "notes": list(task.trial_notes),
        "success_means": starts.success_means,
        KEY: asdict(summary),
    }
