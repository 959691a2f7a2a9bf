"""Caveats: what the reader must know before believing a report."""

from robo_maxent.report.analysis import Analysis, AxisAnalysis
from robo_maxent.report.formatting import few, told

FEW = 40
"""Fewest episodes at a severity without a caveat: 90 % of 40 is 77 to 96 %."""


def caveats(analysis: Analysis, clips: str | None) -> tuple[str, ...]:
    """What the reader must know before believing the rest.

    Args:
        analysis: What the rest says.
        clips: Why failures can't be watched; None: they can.
    """
    sentences = [] if clips is None else [clips]
    for policy in analysis.policies:
        sentences += _matched(analysis, policy)
        if broken := analysis.broken.get(policy):
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


MATCHED = {
    "worse": "{baseline} does better than {policy} along: {axes}.",
    "alike": "{baseline} does as well as {policy} along: {axes}.",
    "could not tell": "Whether {policy} does better than {baseline} can't be told along: {axes}.",
}
"""Caveat about axes along which a policy is not shown to be better than a baseline."""


def _matched(analysis: Analysis, policy: str) -> list[str]:
    """Axes along which a policy did no better than a baseline, in the episodes of both.

    Where it did better, but not so much that it could be told, nobody is misled.
    """
    matched: dict[tuple[str, str], list[str]] = {}
    for axis in analysis.axes.values():
        for baseline in analysis.baselines:
            pairs = axis.baseline_differences.get((policy, baseline))
            if pairs is None or pairs.second.share == 0.0:
                continue  # of two that never succeed neither does well
            if told(pairs.difference) == "could not tell" and pairs.difference.value > 0.0:
                continue
            shares = f"{100 * pairs.first.share:.0f} against {100 * pairs.second.share:.0f} %"
            evidence = f"{shares} of {pairs.first.count} shared episodes"
            along = f"{axis.label.title.lower()} ({evidence})"
            matched.setdefault((baseline, told(pairs.difference)), []).append(along)
    return [
        MATCHED[result].format(baseline=baseline, policy=policy, axes=few(axes))
        for (baseline, result), axes in matched.items()
        if result in MATCHED
    ]


def _is_thin(axis: AxisAnalysis, analysis: Analysis) -> bool:
    curves = [axis.success[policy] for policy in analysis.policies if policy in axis.success]
    return any(share.count < FEW for curve in curves for share in curve.shares)
