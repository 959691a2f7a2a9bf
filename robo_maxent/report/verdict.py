"""The verdict of a report in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.evaluation.paired import MeanDifference
from robo_maxent.evaluation.recovery import HOLD, WITHIN
from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.report.analysis import Analysis, AxisAnalysis
from robo_maxent.report.curves import Curve
from robo_maxent.report.formatting import (
    NAMED,
    SIGNIFICANT,
    around,
    counted,
    fallen,
    few,
    limit,
    mean_share,
    median,
    noun,
    percent,
    percent_alone,
    points,
    quantity,
    told,
)
from robo_maxent.report.rows import NOMINAL

SEVERITY = "{severity}"
"""Placeholder for the severity of the headline in the phrase of an axis."""
IMPULSES = "capture impulses"
"""Unit that is also given in N·s, if the suite knows the robot's capture impulse."""


@dataclass(frozen=True)
class Verdict:
    """Verdict on one policy."""

    policy: str
    headline: str
    """The answer in a sentence or two."""
    details: tuple[str, ...]
    """Sentences with the numbers behind it."""


@dataclass(frozen=True)
class Tile:
    """A number at the top of a report, and what it is."""

    label: str
    value: str
    note: str


def verdicts(analysis: Analysis, suite: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """Verdicts on all policies."""
    return tuple(_verdict(analysis, suite, policy) for policy in analysis.policies)


def tiles(analysis: Analysis, suite: Mapping[str, Any], policy: str) -> tuple[Tile, ...]:
    """Tiles at the top of a report."""
    row, works = [], not fails(analysis, policy)
    if undisturbed := analysis.nominal.get(policy):
        row.append(Tile("Undisturbed success", percent_alone(undisturbed), _evidence(undisturbed)))
    if works and (axis := _headline_axis(analysis, policy)):
        row += _critical_tile(axis, suite, policy)
    if disturbed := analysis.overall.get(policy):
        evidence = f"{_evidence(disturbed)}; {_axes_alike(analysis, policy)}"
        row.append(Tile("Success while disturbed", percent_alone(disturbed), evidence))
    row += _baseline_tile(analysis, policy)
    if works and (weak := weakest(analysis, policy)):
        axis, curve = weak[0]
        row.append(Tile("Weakest", axis.label.title, limit(axis, curve)))
    return tuple(row)


def fails(analysis: Analysis, policy: str) -> bool:
    """Whether a policy fails its task undisturbed, according to its interval."""
    undisturbed = analysis.nominal.get(policy)
    return undisturbed is not None and undisturbed.high < THRESHOLD


def weakest(analysis: Analysis, policy: str) -> list[tuple[AxisAnalysis, Curve]]:
    """Axes along which success falls below what is required, the earliest fall first.

    How early is told in multiples of the reference severity of an axis, so that it does not matter
    how far anybody chose to test it.
    """
    falling = [(axis, curve) for axis, curve in _scales(analysis, policy) if not curve.holds]
    return sorted(falling, key=lambda pair: _reach(*pair))


def _reach(axis: AxisAnalysis, curve: Curve) -> float:
    """How far a curve holds, from the nominal or else the mildest severity."""
    mildest, reference = _mildest(axis), _reference(axis)
    return curve.reach(mildest, axis.severities[-1] if reference == mildest else reference)


def _mildest(axis: AxisAnalysis) -> float:
    """The nominal severity, where that was run, or else the mildest that the axis declares.

    The mildest that was run may be hard already, as that of a limit is.
    """
    return next(iter((*axis.nominal, *axis.label.severities, *axis.severities)))


def _reference(axis: AxisAnalysis) -> float:
    """The severity that an axis is compared by; the hardest, where the one declared is nominal.

    The same of an axis that declares none.
    """
    declared = axis.label.reference
    return axis.severities[-1] if declared is None or declared in axis.nominal else declared


def _scales(analysis: Analysis, policy: str) -> list[tuple[AxisAnalysis, Curve]]:
    """Axes from mild to hard that a policy was tested along."""
    tested = ((axis, axis.success.get(policy)) for axis in analysis.axes.values())
    return [(axis, curve) for axis, curve in tested if curve and curve.fall]


def _verdict(analysis: Analysis, suite: Mapping[str, Any], policy: str) -> Verdict:
    undisturbed = _nominal_sentence(analysis, policy)
    beside = (_difference_sentence(analysis, suite, policy), _baseline_sentence(analysis, policy))
    if fails(analysis, policy):
        headline = (
            "Does not do its task reliably: it succeeds in "
            f"{counted(analysis.nominal[policy])} undisturbed episodes, where "
            f"{100 * THRESHOLD:.0f} % are asked for. Nothing below is a sign of robustness."
        )
        return Verdict(policy, headline, tuple(filter(None, beside)))
    survival = _survival_sentence(analysis, suite, policy)
    details = (
        undisturbed if survival else None,
        _overall_sentence(analysis, policy),
        *beside,
        _area_sentence(analysis, policy),
        *_recovery_sentences(analysis, policy),
        _phrase_sentence(analysis, policy),
        _sampled_sentence(analysis, policy),
    )
    headline = " ".join(filter(None, (survival or undisturbed, _weak_sentence(analysis, policy))))
    return Verdict(policy, headline, tuple(filter(None, details)))


def _nominal_sentence(analysis: Analysis, policy: str) -> str | None:
    share = analysis.nominal.get(policy)
    return f"Succeeds in {counted(share)} undisturbed episodes." if share else None


def _overall_sentence(analysis: Analysis, policy: str) -> str | None:
    share = analysis.overall.get(policy)
    if share is None:
        return None
    return f"Succeeds in {percent(share)} while disturbed: {_axes_alike(analysis, policy)}."


def _axes_alike(analysis: Analysis, policy: str) -> str:
    """Words on the axes over which success under disturbance is averaged."""
    axes = [a for a in analysis.axes.values() if a.label.name != NOMINAL and policy in a.disturbed]
    return f"mean of {len(axes)} axes, each counting alike" if len(axes) > 1 else "of one axis"


def _headline_axis(analysis: Analysis, policy: str) -> AxisAnalysis | None:
    """The first axis with a phrase for the headline."""
    axes = (axis for axis in analysis.axes.values() if policy in axis.survived)
    return next((axis for axis in axes if SEVERITY in axis.label.phrase), None)


def _survival_sentence(analysis: Analysis, suite: Mapping[str, Any], policy: str) -> str | None:
    axis = _headline_axis(analysis, policy)
    if axis is None:
        return None
    succeeds = axis.label.counts == "success"
    curve, unit = (axis.success if succeeds else axis.survived)[policy], axis.label.unit
    choices = [
        choice
        for choice in zip(curve.severities, curve.shares, strict=True)
        if choice[0] not in axis.nominal
    ]
    if not choices:
        return None
    severity, share = min(choices, key=lambda choice: abs(choice[0] - _reference(axis)))
    tested = f"{quantity(severity, unit)}{_in_newton_seconds(severity, unit, suite)}"
    phrase = axis.label.phrase.replace(SEVERITY, tested)
    verb = "Succeeds in" if succeeds else "Survives"
    return f"{verb} {percent(share)} of {share.count:,} episodes {phrase}."


def _in_newton_seconds(severity: float, unit: str, suite: Mapping[str, Any]) -> str:
    sides = suite.get("capture_impulse") or {}
    if unit != IMPULSES or not {"lateral", "longitudinal"} <= sides.keys():
        return ""
    lateral, longitudinal = (severity * float(sides[s]) for s in ("lateral", "longitudinal"))
    return f" ({lateral:.1f} N·s sideways, {longitudinal:.1f} N·s lengthwise)"


def _weak_sentence(analysis: Analysis, policy: str) -> str | None:
    weak = weakest(analysis, policy)
    if weak:
        named = "; ".join(
            f"{noun(axis.label)} ({limit(axis, curve)})" for axis, curve in weak[:NAMED]
        )
        return f"Weakest: {named}."
    scales = _scales(analysis, policy)
    return f"None of the {len(scales)} scales tested broke it{_open(scales)}." if scales else None


def _open(scales: Sequence[tuple[AxisAnalysis, Curve]]) -> str:
    """Words on scales along which a policy held, while its interval leaves doubt."""
    titles = [
        axis.label.title.lower()
        for axis, curve in scales
        if curve.fall and curve.fall.mildest.value != curve.severities[-1]
    ]
    if not titles:
        return ""
    which = ", ".join(titles) if len(titles) <= NAMED else f"{len(titles)} of them"
    return f", though the intervals leave it open for {which}"


def _area_sentence(analysis: Analysis, policy: str) -> str | None:
    """Sentence on the area of the weakest axis."""
    scales = _scales(analysis, policy)
    axis, curve = next(iter(weakest(analysis, policy) or scales), (None, None))
    if axis is None or curve is None or curve.area is None or (curve.holds and len(scales) > 1):
        return None
    which = ", the weakest axis" if len(scales) > 1 else ""
    return (
        f"Success averaged over the severities of {axis.label.title.lower()}{which}: "
        f"{mean_share(curve.area)}."
    )


def _difference_sentence(analysis: Analysis, suite: Mapping[str, Any], policy: str) -> str | None:
    """Sentence on where a further policy is better or worse than the first."""
    axes = [axis for axis in analysis.axes.values() if policy in axis.differences]
    if not axes:
        return None
    named: dict[str, list[str]] = {"better": [], "worse": []}
    axes.sort(key=lambda axis: -abs(axis.differences[policy].difference.value))
    for axis in axes:
        paired = axis.differences[policy]
        if analysis.adjusted[policy, axis.label.name] < SIGNIFICANT:
            way = "better" if paired.difference.value > 0 else "worse"
            named[way].append(f"{axis.label.title.lower()} ({points(paired.difference)})")
    parts = [f"{way} along {few(names)}" for way, names in named.items() if names]
    result = "; ".join(parts) or "not told apart along any axis"
    if suite.get("return_needed"):
        result += (
            ". Success is keeping one's own lead over random actions, so who is better has lost "
            "less of it, and need not have the higher return"
        )
    return f"Beside {analysis.policies[0]} on the same episodes, in points of success: {result}."


def _recovery_sentences(analysis: Analysis, policy: str) -> list[str]:
    """Sentences on recovery times, one per axis."""
    sentences = []
    for recovery in analysis.recovery:
        if times := recovery.times.get(policy):
            several = len(analysis.recovery) > 1
            along = f" along {recovery.label.title.lower()}" if several else ""
            sentences.append(
                f"Recovers from {times.events:,} of {times.count:,} pushes{along} within "
                f"{WITHIN:g} s, for {HOLD:g} s at least; median time {median(times)}, counting the "
                "others as longer."
            )
    return sentences


def _phrase_sentence(analysis: Analysis, policy: str) -> str | None:
    """Sentence on axes with a phrase, over all their severities."""
    parts = []
    for axis in analysis.axes.values():
        phrase, share = axis.label.phrase, axis.disturbed.get(policy)
        if phrase and SEVERITY not in phrase and share:
            worst = _worst_case(analysis, axis, policy)
            parts.append(f"{percent(share)} {phrase}{worst}")
    return f"Succeeds in {', '.join(parts)}." if parts else None


def _worst_case(analysis: Analysis, axis: AxisAnalysis, policy: str) -> str:
    """Case of an axis with the least success; empty if all are alike."""
    for each in analysis.breakdowns:
        if each.label == axis.label and each.breakdown.by == "case" and policy in each.grids:
            grid = each.grids[policy]
            shares = {case: grid.pooled(case) for case in grid.rows}
            worst = min(shares, key=lambda case: (shares[case].share, str(case)))
            if any(share.share > shares[worst].share for share in shares.values()):
                return f" (worst: {worst}, {percent_alone(shares[worst])})"
    return ""


def _sampled_sentence(analysis: Analysis, policy: str) -> str | None:
    """Sentence on the axis where sampling actions changes most."""
    differences = [
        (axis.label.title, pair.difference.difference)
        for axis in analysis.axes.values()
        if (pair := axis.sampled.get(policy)) and pair.difference
    ]
    if not differences:
        return None
    title, most = max(differences, key=lambda each: abs(each[1].value))
    is_told = told(most) in ("better", "worse")
    return (
        "Sampling its actions instead of taking their mean changes success most along "
        f"{title.lower()}: {points(most)} points"
        + ("." if is_told else ", which is no difference that could be told.")
    )


def _baseline_sentence(analysis: Analysis, policy: str) -> str | None:
    """Sentence on success under disturbance, compared with each baseline."""
    parts = []
    for baseline in analysis.baselines:
        if both := analysis.beside.get((policy, baseline)):
            shares = f"{percent_alone(both.first)} against {percent_alone(both.second)}"
            parts.append(f"{baseline}: {told(both.difference)} ({shares}, {_shared(both)})")
    return f"Success while disturbed beside {'; '.join(parts)}." if parts else None


def _baseline_tile(analysis: Analysis, policy: str) -> list[Tile]:
    """Tile that compares with the strongest baseline."""
    beside = {
        b: analysis.beside[policy, b] for b in analysis.baselines if (policy, b) in analysis.beside
    }
    if not beside:
        return []
    nearest = min(beside, key=lambda baseline: beside[baseline].difference.value)
    both = beside[nearest]
    return [Tile(f"Disturbed, beside {nearest}", told(both.difference), _shared(both))]


def _shared(both: MeanDifference) -> str:
    return f"{points(both.difference)} points on the same {both.difference.count:,} episodes"


def _critical_tile(axis: AxisAnalysis, suite: Mapping[str, Any], policy: str) -> list[Tile]:
    """Tile on how far success is as required along the axis of the headline."""
    curve = axis.success.get(policy)
    if curve is None or curve.fall is None:
        return []
    impulse = ""
    if curve.fall.holds is not None:
        impulse = _in_newton_seconds(curve.fall.holds, axis.label.unit, suite)
    parts = (around(curve.fall).strip(), impulse.strip(" ()"))
    return [Tile(axis.label.title, fallen(axis, curve), " · ".join(filter(None, parts)))]


def _evidence(share: Proportion) -> str:
    return f"[{100 * share.low:.1f}, {100 * share.high:.1f}] of {share.count:,} episodes"
