"""Analysis -> what the reader must know before believing it."""

from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.report.analysis import Analysis, AxisAnalysis
from robo_maxent.report.formatting import counted

FEW = 40
"""Episodes at a severity below which a share says little: 90 % of 40 is 77 to 96 %."""


def caveats(analysis: Analysis, clips: str | None) -> tuple[str, ...]:
    """What the reader must know before believing the rest.

    Args:
        analysis: What the rest says.
        clips: Why failures can't be watched; None: they can.
    """
    sentences = [] if clips is None else [clips]
    for policy in analysis.policies:
        undisturbed = analysis.nominal.get(policy)
        if undisturbed is not None and undisturbed.high < THRESHOLD:
            sentences.append(
                f"{policy} succeeds in only {counted(undisturbed)} undisturbed episodes: what "
                "follows says more about the policy than about disturbances."
            )
        sentences += _matched(analysis, policy)
        if broken := _count(analysis, policy, ("diverged", "policy error")):
            sentences.append(
                f"{broken} episodes of {policy} ended in an unstable simulation or a policy "
                "error; they count as failures."
            )
    if thin := [axis.label.title for axis in analysis.axes.values() if _is_thin(axis, analysis)]:
        names = ", ".join(thin)
        sentences.append(f"Fewer than {FEW} episodes a severity, so wide intervals: {names}.")
    if analysis.unpaired:
        sentences.append(
            f"{analysis.unpaired:,} episodes have no partner of {analysis.policies[0]}; they count "
            "in the shares, but not in the differences."
        )
    return tuple(sentences)


def _matched(analysis: Analysis, policy: str) -> list[str]:
    """Axes along which a baseline does as well as the policy, in the episodes of both."""
    matched: dict[str, list[str]] = {}
    for axis in analysis.axes.values():
        for baseline in analysis.baselines:
            pairs = axis.baseline_differences.get((policy, baseline))
            if pairs and pairs.second.share > 0.0 and pairs.difference.value <= 0.0:
                shares = f"{100 * pairs.second.share:.0f} and {100 * pairs.first.share:.0f} %"
                evidence = f"{shares} of {pairs.first.count} shared episodes"
                along = f"{axis.label.title.lower()} ({evidence})"
                matched.setdefault(baseline, []).append(along)
    return [
        f"{baseline} does as well as {policy} along: {', '.join(axes)}."
        for baseline, axes in matched.items()
    ]


def _is_thin(axis: AxisAnalysis, analysis: Analysis) -> bool:
    curves = [axis.success[policy] for policy in analysis.policies if policy in axis.success]
    return any(share.count < FEW for curve in curves for share in curve.shares)


def _count(analysis: Analysis, policy: str, outcomes: tuple[str, ...]) -> int:
    counts = (axis.outcomes.get(policy, {}) for axis in analysis.axes.values())
    return sum(count.get(outcome, 0) for count in counts for outcome in outcomes)
