"""What maxent_robustness.py makes of its rows: areas of runs, arms compared, tables."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.evaluation.across_runs import (
    AcrossRuns,
    interquartile_mean,
    probability_of_improvement,
)
from robo_maxent.perturbations.base import Axis
from robo_maxent.report.rows import StressEpisode, met

TOLERANCE = 0.05
"""Nominal success may differ so much between arms that are compared."""
MODES = ("mean", "sampled")


@dataclass(frozen=True)
class Training:
    """How a training run went."""

    steps: int
    """Environment steps at the end."""
    success: float
    """Nominal, at the last look."""
    reached: bool
    """The success that was asked for."""
    seconds: float


@dataclass(frozen=True)
class Scores:
    """All training runs of an arm: those that reached the goal in the order of their seeds."""

    arm: str
    trainings: list[Training]
    nominal: dict[str, np.ndarray]
    """Mode -> nominal success under stress-test commands, (runs,)."""
    areas: dict[str, np.ndarray]
    """Mode -> area under success over severity, (runs, axes)."""


def area(rows: Sequence[StressEpisode], axis: Axis) -> float:
    """Area under success over the severities of an axis, scaled to [0, 1]; trapezoids.

    Of an axis with a single severity: the success. Undisturbed episodes of an axis with cases are
    few, as many as of one case; those of the axis nominal are the same and more, and are taken.
    """
    at = dict[float, list[bool]]()
    for row in rows:
        if row.axis == axis.name:
            at.setdefault(row.severity, []).append(met(row))
    if axis.cases and not axis.is_ground:
        at[axis.severities[0]] = [met(row) for row in rows if row.axis == "nominal"]
    severities = sorted(at, reverse=axis.severities[-1] < axis.severities[0])
    shares = [float(np.mean(at[severity])) for severity in severities]
    if len(shares) == 1:
        return shares[0]
    return float(np.trapezoid(shares, severities)) / (severities[-1] - severities[0])


def verdict(scores: Sequence[Scores], axes: Sequence[str]) -> dict[str, Any]:
    """Arm -> its figures, each arm compared with the first.

    ``beats_first`` is the chance that a run of the arm has the larger area than one of the first:
    1/2 says that they are alike.
    """
    return {
        own.arm: {
            "runs": len(own.trainings),
            "reached": sum(training.reached for training in own.trainings),
            "steps": _median([t.steps for t in own.trainings if t.reached]),
            "seconds": _median([t.seconds for t in own.trainings]),
            **{mode: _figures(own, scores[0], mode, axes) for mode in MODES},
        }
        for own in scores
    }


def _figures(own: Scores, first: Scores, mode: str, axes: Sequence[str]) -> dict[str, Any] | None:
    """Of one way to act; None: no run reached the goal."""
    areas, nominal = own.areas[mode], own.nominal[mode]
    if not len(areas):
        return None
    whole = areas.mean(axis=1)  # (runs,)
    parts = {axis: areas[:, i] for i, axis in enumerate(axes)} | {"all": whole}
    found: dict[str, Any] = {
        "nominal": _across(_middle(nominal)),
        "area": {axis: _across(_middle(part)) for axis, part in parts.items()},
    }
    if own is first or not len(first.areas[mode]):
        return found
    other = first.areas[mode]
    theirs = {axis: other[:, i] for i, axis in enumerate(axes)} | {"all": other.mean(axis=1)}
    apart = _middle(nominal).value - _middle(first.nominal[mode]).value
    found["matched"] = abs(apart) <= TOLERANCE
    found["beats_first"] = {
        axis: _across(probability_of_improvement(part, theirs[axis]))
        for axis, part in parts.items()
    }
    return found


def _middle(values: np.ndarray) -> AcrossRuns:
    return interquartile_mean(values, np.random.default_rng(0), (0.0, 1.0))


def _across(found: AcrossRuns) -> dict[str, Any]:
    ends = None if found.interval is None else [round(end, 4) for end in found.interval]
    return {"value": round(found.value, 4), "interval": ends}


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def table(found: Mapping[str, Any], axes: Sequence[str], mode: str) -> list[str]:
    """Lines for people, one an arm; ``*``: its nominal success is not that of the first arm."""
    names = "".join(f"{axis[:12]:>13}" for axis in axes)
    lines = [
        f"{mode + ' actions':<16}{'walked':>7}{'steps':>8}{'nominal':>9}{names}"
        f"{'all':>19}{'beats first':>19}"
    ]
    for arm, own in found.items():
        start = f"{arm:<16}{own['reached']:>5}/{own['runs']}"
        figures = own[mode]
        if figures is None:
            lines.append(f"{start}  never walked well enough: not compared")
            continue
        mark = "" if figures.get("matched", True) else "*"
        parts = "".join(f"{figures['area'][axis]['value']:>13.2f}" for axis in axes)
        beats = figures.get("beats_first")
        lines.append(
            f"{start}{own['steps'] / 1000:>7.0f}k{figures['nominal']['value']:>8.2f}{mark:<1}"
            f"{parts}{_shown(figures['area']['all']):>19}"
            f"{_shown(beats['all']) if beats else '':>19}"
        )
    return lines


def _shown(across: Mapping[str, Any]) -> str:
    if across["interval"] is None:
        return f"{across['value']:.2f}"
    low, high = across["interval"]
    return f"{across['value']:.2f} [{low:.2f}, {high:.2f}]"
