"""Acceptance test: limits from a file, and episodes added until each limit is decided.

Episodes are added in rounds, for the limits that are still open, each round with new starts and
equally many of every case. A limit is left as soon as its episodes show that it holds, or that it
does not (:mod:`robo_maxent.evaluation.sequential`).

All limits together need no adjustment for their number: the policy is accepted only if each of them
is shown to hold, and if one does not, that one is wrongly shown with a probability of at most
1 - confidence (Berger 1982, "Multiparameter hypothesis testing and acceptance sampling").
"""

import math
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation.sequential import least_episodes
from robo_maxent.from_json import typed
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Axis, Plant, Share
from robo_maxent.report.limits import Limit, judged
from robo_maxent.report.rows import NOMINAL, StressEpisode
from robo_maxent.robustness.axes import AnyTask, Disturbance, disturbances, require
from robo_maxent.robustness.suites import (
    MOST,
    Condition,
    Refinement,
    Suite,
    first_simulation,
)

NAME = "certify"
CALIBRATION = 100
"""Undisturbed episodes, from which the policy's safe set is calibrated."""
ROUND = 64
"""Fewest episodes of a limit in a round."""
BATCH = 256
"""Fewest episodes of a round: as many as run at once."""
ROUNDING = 1e-6
"""Of a step of severities: 0.48 is no multiple of 0.04 in floats."""
CEILING = 100_000
"""Most episodes that a limit may ask for."""


@dataclass(frozen=True)
class LimitsFile:
    """Contents of a file of limits."""

    limit: tuple[dict[str, Any], ...]
    confidence: float = 0.95
    """Confidence of limits that give none."""
    episodes: int = 1000
    """Most episodes of each limit."""


def read(path: Path, task: AnyTask) -> Suite:
    """Read a TOML file of limits as the suite that decides them.

    Raises:
        UsageError: It can't be read, a limit is not one, or the task has no such axis, severity or
            case; the message says which, and what is allowed.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    _require_known(path, "", said, LimitsFile)
    try:
        file = typed(LimitsFile, said, "it")
    except ValueError as error:
        raise UsageError(f"{path}: {error}. It needs tables of the name [[limit]]") from error
    if not file.limit:
        raise UsageError(f"{path} has no limit: it needs at least one table [[limit]]")
    if not ROUND <= file.episodes <= CEILING:
        raise UsageError(f"{path}: episodes must be {ROUND} to {CEILING:,}, got {file.episodes}")
    limits = [
        _limit(f"{path}, limit {number}", {"confidence": file.confidence} | each, task)
        for number, each in enumerate(file.limit, 1)
    ]
    _require_distinct(path, limits)
    _require_reachable(path, limits, file.episodes)
    return suite_of(limits, file.episodes, task)


def suite_of(limits: Sequence[Limit], episodes: int, task: AnyTask) -> Suite:
    """The suite that decides limits, with at most so many episodes of each."""
    axes = {name: disturbance.axis for name, disturbance in disturbances(task).items()}
    undisturbed = episodes if any(limit.axis == NOMINAL for limit in limits) else CALIBRATION
    shares = {NOMINAL: Share(min(undisturbed, MOST), 0)}
    for name in dict.fromkeys(limit.axis for limit in limits if limit.axis != NOMINAL):
        shares[name] = Share(0, 0, severities=_severities(axes[name], limits))
    return Suite(
        NAME,
        "limits that have to hold",
        shares=shares,
        refinement=Refinement(rounds=_most_rounds(limits, episodes), episodes=episodes),
        limits=tuple(limits),
    )


def _most_rounds(limits: Sequence[Limit], episodes: int) -> int:
    """Rounds after which every limit has had its episodes.

    One of a single case waits for that of all cases of its severity, which asks each for few.
    """
    of_all = {(limit.axis, limit.severity) for limit in limits if limit.case is None}
    waits = any(each.case is not None and (each.axis, each.severity) in of_all for each in limits)
    alone = math.ceil(episodes / ROUND) + episodes // MOST  # a round ends at a thousandth start
    return alone * (2 if waits else 1)


def next_conditions(
    suite: Suite, task: AnyTask, rows: Sequence[StressEpisode], number: int
) -> list[Condition]:
    """What to run next; see :func:`robo_maxent.robustness.refinement.next_conditions`.

    Returns:
        Conditions of the limits that are still open, none once all are decided, or have had the
        episodes that they may have.
    """
    axes, most = suite.axes(task), suite.refinement.episodes
    judgements = [judged(limit, rows) for limit in suite.limits if limit.axis != NOMINAL]
    still = [each for each in judgements if not each.is_decided and each.count < most]
    size = max(ROUND, math.ceil(BATCH / max(len(still), 1)))
    asked: dict[tuple[str, float, str], int] = {}
    # Those of all cases come last, so that they have equally many of each.
    for each in sorted(still, key=lambda each: each.limit.case is None):
        limit = each.limit
        cases = _cases(axes[limit.axis], limit)
        episodes = math.ceil(min(size, most - each.count) / len(cases))
        asked |= {(limit.axis, limit.severity, case): episodes for case in cases}
    had = Counter((row.axis, row.severity, row.case) for row in rows if row.mode == "mean")
    return [
        _condition(axes[name], severity, case, had[name, severity, case], episodes, number)
        for (name, severity, case), episodes in asked.items()
    ]


def template(task: AnyTask) -> str:
    """A file of limits for a task: all its axes at plausible severities."""
    lines = [
        f"# What a policy for {task.name} has to withstand. Change what does not fit; each limit",
        "# may have an outcome (success, or survived), a case and a confidence of its own.",
        "confidence = 0.95",
        "episodes = 1000  # of each limit, at most",
    ]
    for name, disturbance in disturbances(task).items():
        axis = disturbance.axis
        severity = axis.severities[0] if name == NOMINAL else _reference(disturbance, task)
        unit = f", {axis.unit}" if axis.unit else ""
        lines += ["", "[[limit]]", f'axis = "{name}"  # {axis.summary}']
        lines += [f"severity = {severity:g}  # {_span(axis)}{unit}", "share = 0.9"]
        if axis.cases:
            lines.append(f'# case = "{axis.cases[0]}"  # of {", ".join(axis.cases)}')
    return "\n".join(lines)


def _limit(where: str, said: Mapping[str, Any], task: AnyTask) -> Limit:
    """Read a table of the file as a limit."""
    _require_known(where, " of a limit", said, Limit)
    try:
        limit = typed(Limit, said, "it")
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    for name in ("share", "confidence"):
        if not 0.0 < getattr(limit, name) < 1.0:
            raise UsageError(
                f"{where}: {name} must be above 0 and below 1, got {getattr(limit, name):g}; no "
                "number of episodes shows a certainty"
            )
    try:
        disturbance = require([limit.axis], task)[limit.axis]
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return _checked(where, limit, disturbance, task)


def _checked(where: str, limit: Limit, disturbance: Disturbance, task: AnyTask) -> Limit:
    """A limit with a severity and a case that its axis has."""
    axis, severity = disturbance.axis, limit.severity
    least, most = sorted((axis.severities[0], axis.severities[-1]))
    if not least <= severity <= most or not (axis.is_scale or severity in axis.severities):
        raise UsageError(
            f"{where}: severity of {axis.name} must be {_span(axis)} {axis.unit}".rstrip()
            + f", got {severity:g}"
        )
    steps = severity / axis.resolution if axis.resolution else 0.0
    if abs(steps - round(steps)) > ROUNDING:
        raise UsageError(
            f"{where}: severity of {axis.name} must be a multiple of {axis.resolution:g}, got "
            f"{severity:g}"
        )
    if limit.case is not None and limit.case not in axis.cases:
        raise UnknownNameError(f"case of {axis.name} ({where})", limit.case, axis.cases)
    if axis.name != NOMINAL and _is_nominal(severity, _cases(axis, limit)[0], disturbance, task):
        raise UsageError(
            f"{where}: nothing is different at severity {severity:g} of {axis.name}: give the axis "
            f"{NOMINAL}, or another severity"
        )
    return limit


def _reference(disturbance: Disturbance, task: AnyTask) -> float:
    """A plausible severity of an axis: its reference, or else the hardest."""
    axis = disturbance.axis
    case = (axis.cases or ("",))[0]
    if axis.reference is None or _is_nominal(axis.reference, case, disturbance, task):
        return axis.severities[-1]
    return axis.reference


def _is_nominal(severity: float, case: str, disturbance: Disturbance, task: AnyTask) -> bool:
    """Whether a severity changes nothing; terrain counts as a change at any level."""
    if disturbance.axis.is_ground:
        return False
    nominal = episode_params.nominal(task.perturbations, task.robot, 1)
    plant, sims = Plant(task.robot, task.control_dt), np.zeros(1, np.int64)
    return not disturbance.params(task, plant, severity, case, sims, 0).differing(nominal)


def _require_known(where: str | Path, of: str, said: Mapping[str, Any], kind: Any) -> None:
    """Check that a table has no unknown keys."""
    known = [field.name for field in fields(kind)]
    for name in said:
        if name not in known:
            raise UnknownNameError(f"entry{of} ({where})", name, known)


def _require_distinct(path: Path, limits: Sequence[Limit]) -> None:
    """Check that no two limits are about the same episodes and outcome."""
    about = [(each.axis, each.severity, each.case, each.outcome) for each in limits]
    for number, each in enumerate(about):
        if each in about[:number]:
            raise UsageError(
                f"{path}: limits {about.index(each) + 1} and {number + 1} are of the same axis, "
                "severity, case and outcome: keep the one with the larger share"
            )


def _require_reachable(path: Path, limits: Sequence[Limit], episodes: int) -> None:
    """Check that the episodes would show each limit if all of them went well."""
    for number, each in enumerate(limits, 1):
        most = min(episodes, MOST) if each.axis == NOMINAL else episodes
        if (least := least_episodes(each.share, each.confidence)) > most:
            raise UsageError(
                f"{path}, limit {number}: a share of {each.share:g} takes {least:,} episodes to "
                f"show even if all go well, and there are {most:,}: give more episodes, a smaller "
                "share or less confidence"
                if each.axis != NOMINAL or episodes < MOST
                else f"{path}, limit {number}: undisturbed episodes are {MOST:,} at most, and a "
                f"share of {each.share:g} takes {least:,}: give a smaller share or less confidence"
            )


def _condition(
    axis: Axis, severity: float, case: str, had: int, episodes: int, number: int
) -> Condition:
    """New episodes of one severity and case."""
    place = axis.cases.index(case) if case else 0
    thousand, offset = divmod(had, MOST)
    first = first_simulation(f"{axis.name}, certified {thousand}", place) + offset
    kept = min(episodes, MOST - offset)
    return Condition(axis.name, severity, case, axis.unit, kept, first, number)


def _cases(axis: Axis, limit: Limit) -> tuple[str, ...]:
    """The case of a limit, or all cases of its axis."""
    return (axis.cases or ("",)) if limit.case is None else (limit.case,)


def _severities(axis: Axis, limits: Sequence[Limit]) -> tuple[float, ...]:
    """The mildest severity of an axis and those of its limits, from mild to hard."""
    less_is_worse = axis.severities[-1] < axis.severities[0]
    own = {limit.severity for limit in limits if limit.axis == axis.name}
    return tuple(sorted({axis.severities[0], *own}, reverse=less_is_worse))


def _span(axis: Axis) -> str:
    """The range of severities in words: ``0 to 24``, or ``0, 1`` if it is no scale."""
    if not axis.is_scale or len(axis.severities) == 1:
        return ", ".join(f"{severity:g}" for severity in axis.severities)
    return f"{axis.severities[0]:g} to {axis.severities[-1]:g}"
