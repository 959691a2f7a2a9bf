"""Findings -> what the reader must know before believing them."""

from robo_maxent.evaluation.severity import THRESHOLD
from robo_maxent.report.analysis import Findings
from robo_maxent.report.formatting import counted, title
from robo_maxent.report.rows import AXES

FEW = 40
"""Episodes at a severity below which a share says little: 90 % of 40 is 77 to 96 %."""


def notices(found: Findings, clips: str | None) -> tuple[str, ...]:
    """What the reader must know before believing the rest.

    Args:
        found: The findings.
        clips: Why failures can't be watched; None: they can.
    """
    made = [] if clips is None else [clips]
    for policy in found.policies:
        share = found.nominal.get(policy)
        if share is not None and share.high < THRESHOLD:
            made.append(
                f"{policy} succeeds in only {counted(share)} undisturbed episodes: what follows "
                "says more about the policy than about disturbances."
            )
        made += _null_notices(found, policy)
        broken = _count(found, policy, ("diverged", "fault"))
        if broken:
            made.append(
                f"{broken} episodes of {policy} ended in an unstable simulation or a fault of the "
                "policy; they count as failures."
            )
    if few := _thin(found):
        names = ", ".join(map(title, few))
        made.append(f"Fewer than {FEW} episodes a severity, so wide intervals: {names}.")
    if found.unpaired:
        made.append(
            f"{found.unpaired:,} episodes have no partner of {found.policies[0]}; they count in "
            "the shares, but not in the differences."
        )
    return tuple(made)


def _null_notices(found: Findings, policy: str) -> list[str]:
    """Axes along which a null does as well as the policy, in the episodes that both met."""
    matched: dict[str, list[str]] = {}
    for axis in found.axes.values():
        for null in found.nulls:
            pairs = axis.null_differences.get((policy, null))
            if pairs and pairs.second.share > 0.0 and pairs.difference.value <= 0.0:
                shares = f"{100 * pairs.second.share:.0f} and {100 * pairs.first.share:.0f} %"
                of = f"{shares} of {pairs.first.count} shared episodes"
                matched.setdefault(null, []).append(f"{title(axis.name).lower()} ({of})")
    return [
        f"{null} does as well as {policy} along: {', '.join(names)}."
        for null, names in matched.items()
    ]


def _thin(found: Findings) -> list[str]:
    thin = [
        axis.name
        for axis in found.axes.values()
        if any(
            s.count < FEW
            for p in found.policies
            if p in axis.success
            for s in axis.success[p].shares
        )
    ]
    return sorted(thin, key=lambda name: AXES.index(name) if name in AXES else len(AXES))


def _count(found: Findings, policy: str, outcomes: tuple[str, ...]) -> int:
    counts = (axis.outcomes.get(policy, {}) for axis in found.axes.values())
    return sum(count.get(outcome, 0) for count in counts for outcome in outcomes)
