"""What maxent_robustness.py makes of its rows: areas of runs, arms compared, tables.

Many comparisons are made, so p-values stand beside them, adjusted for all axes by Holm's method.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.evaluation.across_runs import (
    AcrossRuns,
    interquartile_mean,
    probability_of_improvement,
)
from robo_maxent.evaluation.paired import holm
from robo_maxent.perturbations.base import Axis
from robo_maxent.report.rows import StressEpisode, met, survived

TOLERANCE = 0.05
"""Nominal success may differ so much between arms that are compared."""
MODES = ("mean", "sampled")
SCORES: dict[str, Callable[[StressEpisode], bool]] = {"success": met, "survival": survived}
"""What is counted of an episode."""
WITHOUT_ENTROPY = ("zero", "zero-noise")
"""Arms that must both lose to the first on an axis if entropy bought robustness there."""


@dataclass(frozen=True)
class Published:
    """Chances to beat `sac` that docs/maxent-and-robustness.md prints; its runs were not kept."""

    mode: str
    arms: str
    runs: tuple[int, int]
    chances: dict[str, tuple[float, ...]]
    """Axis -> chance of each arm. Of the other axes p-values are larger, or not known: then Holm's
    are at most what comes of these."""
    comparisons: int = 6
    """Axes of that page; 1 for all of them together."""


PUBLISHED = (
    Published(
        "mean",
        "zero, zero-noise",
        (10, 10),
        {"action_delay": (0.14, 0.18), "combined": (0.09, 0.20)},
    ),
    Published("sampled", "zero, zero-noise", (10, 10), {"push": (0.14, 0.03)}),
    Published("sampled", "zero, zero-noise", (10, 10), {"all": (0.11, 0.17)}, 1),
    Published("mean", "ppo", (5, 5), {"push": (0.0,), "friction": (1.0,), "payload": (1.0,)}),
    Published("mean", "td3", (5, 5), {"all": (0.0,)}, 1),
    Published("mean", "sac-randomized", (3, 5), {"action_delay": (1.0,)}),
)


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
    """Mode -> area under success, or survival, over severity, (runs, axes)."""


def area(rows: Sequence[StressEpisode], axis: Axis, score: str = "success") -> float:
    """Area under a score over the severities of an axis, scaled to [0, 1]; trapezoids.

    Of an axis with a single severity: the score, one of ``SCORES``. Undisturbed episodes of an axis
    with cases are few, as many as of one case; those of the axis nominal are the same and more, and
    are taken.
    """
    counts, at = SCORES[score], dict[float, list[bool]]()
    for row in rows:
        if row.axis == axis.name:
            at.setdefault(row.severity, []).append(counts(row))
    if axis.cases and not axis.is_ground:
        at[axis.severities[0]] = [counts(row) for row in rows if row.axis == "nominal"]
    severities = sorted(at, reverse=axis.severities[-1] < axis.severities[0])
    shares = [float(np.mean(at[severity])) for severity in severities]
    if len(shares) == 1:
        return shares[0]
    return float(np.trapezoid(shares, severities)) / (severities[-1] - severities[0])


def p_value(chance: float, first: int, second: int) -> float:
    """P-value of no difference, two-sided and exact, of a chance to beat (Mann and Whitney 1947).

    Args:
        chance: Share of the pairs of runs in which one arm has the larger area, ties half.
        first: Runs of that arm.
        second: Runs of the other.
    """
    pairs = first * second
    ways = np.zeros((first + 1, pairs + 1))  # of so many runs of the arm to win so many pairs
    ways[0, 0] = 1.0
    for beaten in range(second + 1):  # a run that beats so many of the other's
        for placed in range(first):
            ways[placed + 1, beaten:] += ways[placed, : pairs + 1 - beaten]
    likely = ways[first] / ways[first].sum()
    as_far = abs(np.arange(pairs + 1) - pairs / 2) >= round(2 * abs(chance - 0.5) * pairs) / 2
    return float(min(likely[as_far].sum(), 1.0))


def both_lose(p_values: Sequence[float], chances: Sequence[float]) -> float:
    """P-value that not all of some arms lose: the largest of theirs, 1 where one does not lose."""
    return max(p_values) if max(chances) < 0.5 else 1.0


def adjusted(p_values: Mapping[str, float], axes: int) -> dict[str, float]:
    """P-values by axis, adjusted for so many axes (Holm 1979); those not given count as 1."""
    unknown = [1.0] * (axes - len(p_values))
    every = holm(np.array([*p_values.values(), *unknown]))
    return {axis: round(float(p), 4) for axis, p in zip(p_values, every, strict=False)}


def published() -> list[str]:
    """Lines for people: p-values of the chances that the page prints."""
    lines = [f"{'actions':<10}{'arms':<20}{'axis':<14}{'chances':<14}{'p':>8}{'Holm':>8}"]
    for each in PUBLISHED:
        p = {
            axis: max(p_value(chance, *each.runs) for chance in chances)
            for axis, chances in each.chances.items()
        }
        for axis, after in adjusted(p, each.comparisons).items():
            chances = ", ".join(f"{chance:.2f}" for chance in each.chances[axis])
            lines.append(
                f"{each.mode:<10}{each.arms:<20}{axis:<14}{chances:<14}{p[axis]:>8.4f}{after:>8.3f}"
            )
    return lines


def verdict(scores: Sequence[Scores], axes: Sequence[str]) -> dict[str, Any]:
    """Arm -> its figures, each arm compared with the first.

    ``beats_first`` is the chance that a run of the arm has the larger area than one of the first:
    1/2 says that they are alike. ``p_adjusted`` is that of no difference on an axis, for all axes.
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
    chances = {axis: found["beats_first"][axis]["value"] for axis in axes}
    runs = len(areas), len(other)
    found["p"] = {axis: p_value(chance, *runs) for axis, chance in chances.items()}
    found["p_adjusted"] = adjusted(found["p"], len(axes))
    return found


def entropy_bought(found: Mapping[str, Any], axes: Sequence[str], mode: str) -> dict[str, float]:
    """Axis -> adjusted p-value that entropy bought nothing there; empty if an arm is missing."""
    arms = [(found.get(arm) or {}).get(mode) or {} for arm in WITHOUT_ENTROPY]
    if not all("p" in arm for arm in arms):
        return {}
    larger = {
        axis: both_lose(
            [arm["p"][axis] for arm in arms], [arm["beats_first"][axis]["value"] for arm in arms]
        )
        for axis in axes
    }
    return adjusted(larger, len(axes))


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


def differences(found: Mapping[str, Any], axes: Sequence[str], mode: str) -> list[str]:
    """Lines for people: chance to beat the first arm by axis, and its p-value for all axes."""
    names = "".join(f"{axis[:12]:>14}" for axis in axes)
    lines = [f"{mode + ', beats first':<22}{names}  (p, Holm over the axes)"]
    for arm, own in found.items():
        figures = own[mode] or {}
        if "p_adjusted" in figures:
            chances, p = figures["beats_first"], figures["p_adjusted"]
            shown = (f"{chances[axis]['value']:>6.2f} ({p[axis]:.3f})" for axis in axes)
            lines.append(f"{arm:<22}" + "".join(shown))
    if p := entropy_bought(found, axes, mode):
        lines.append(f"{'all without entropy':<22}" + "".join(f"{p[axis]:>14.3f}" for axis in axes))
    return lines


def _shown(across: Mapping[str, Any]) -> str:
    if across["interval"] is None:
        return f"{across['value']:.2f}"
    low, high = across["interval"]
    return f"{across['value']:.2f} [{low:.2f}, {high:.2f}]"
