"""The main numbers of a report as JSON."""

from typing import Any

from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.report.analysis import Analysis


def numbers(analysis: Analysis) -> dict[str, Any]:
    """The figures of a report that scripts read, and that anybody can recompute from its rows.

    Returns:
        ``episodes``: how many were run, each counted once. ``policies``: of each policy and
        baseline ``undisturbed`` and ``disturbed``, the latter a mean over axes that count alike, as
        (share, low, high, count), None where nothing was run; ``axes``: axis to severity to success
        as (share, count); ``recovered``: axis to pushes recovered from, and pushes; ``ways``: mode
        to what share of its undisturbed episodes took the first of two ways, as (share, low, high,
        count), and the entropy of that choice over log 2, as (value, low, high).
    """
    labels = (*analysis.policies, *analysis.baselines)
    return {
        "episodes": analysis.episodes,
        "policies": {label: _of(analysis, label) for label in labels},
    }


def _of(analysis: Analysis, label: str) -> dict[str, Any]:
    curves = {name: axis.success.get(label) for name, axis in analysis.axes.items()}
    times = {each.label.name: each.times.get(label) for each in analysis.recovery}
    return {
        "undisturbed": _interval(analysis.nominal.get(label)),
        "disturbed": _interval(analysis.overall.get(label)),
        "axes": {
            name: {
                f"{severity:g}": (share.share, share.count)
                for severity, share in zip(curve.severities, curve.shares, strict=True)
            }
            for name, curve in curves.items()
            if curve
        },
        "ways": {
            mode: {
                "first": _interval(split.first),
                "mode_entropy": (split.entropy.value, *(split.entropy.interval or ())),
            }
            for each in analysis.ways
            if each.policy == label
            for mode, split in each.splits.items()
        },
        "recovered": {name: (own.events, own.count) for name, own in times.items() if own},
    }


def _interval(share: Proportion | None) -> tuple[float, float, float, int] | None:
    return None if share is None else (share.share, share.low, share.high, share.count)
