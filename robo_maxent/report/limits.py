"""Limits that a policy must keep, and whether the rows of a stress test show that it does."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robo_maxent.evaluation.sequential import lower_bound, shown_above, shown_below
from robo_maxent.from_json import typed
from robo_maxent.report.rows import StressEpisode, met

Counts = Literal["success", "survived"]
HOLDS, MISSED, UNCERTAIN = "holds", "does not hold", "not shown"
"""What the episodes say of a limit: only the first accepts it."""


@dataclass(frozen=True)
class Limit:
    """A share of episodes that must go well at one severity of an axis."""

    axis: str
    severity: float
    """Severity, in the unit of the axis."""
    share: float
    """Required share, in (0, 1)."""
    outcome: Counts = "success"
    """What counts: success, or that the episode does not terminate."""
    case: str | None = None
    """Case of the axis; None: all cases alike."""
    confidence: float = 0.95
    """Confidence with which it must be shown, in (0, 1)."""

    @property
    def asked(self) -> str:
        """The limit in words: ``90 % success asked for with 95 % confidence``."""
        return (
            f"{100 * self.share:g} % {self.outcome} asked for with {100 * self.confidence:g} % "
            "confidence"
        )

    def met_by(self, row: StressEpisode) -> bool:
        """Whether an episode went well."""
        return met(row) if self.outcome == "success" else row.survived

    def is_of(self, row: StressEpisode) -> bool:
        """Whether an episode counts: of the mean action, at its condition."""
        return (
            row.mode == "mean"
            and (row.axis, row.severity) == (self.axis, self.severity)
            and self.case in (None, row.case)
        )


@dataclass(frozen=True)
class JudgedLimit:
    """A limit, and what its episodes show."""

    limit: Limit
    hits: int
    count: int
    """Number of episodes."""
    shown: float
    """The share that is shown with the required confidence."""
    verdict: str
    """One of HOLDS, MISSED and UNCERTAIN."""

    @property
    def holds(self) -> bool:
        """Whether it is shown to hold."""
        return self.verdict == HOLDS

    @property
    def is_decided(self) -> bool:
        """Whether more episodes would change nothing."""
        return self.verdict != UNCERTAIN

    def __str__(self) -> str:
        """For people: ``holds: 97.2 % of 212, at least 93.1 % shown; 90 % success asked for``."""
        return f"{self.verdict}: {self.seen}, at least {self.proven} shown; {self.limit.asked}"

    @property
    def seen(self) -> str:
        """The observed share in words, or that no episode was run."""
        return (
            f"{100 * self.hits / self.count:.1f} % of {self.count:,}" if self.count else "not run"
        )

    @property
    def proven(self) -> str:
        """The shown share in words, rounded down."""
        return f"{math.floor(1000 * self.shown) / 10:.1f} %"


def judged(limit: Limit, rows: Iterable[StressEpisode]) -> JudgedLimit:
    """Judge a limit by the rows of one policy, looking after each round.

    The first look that shows something decides: what comes after it, for the sake of another limit
    at the same severity, neither adds nor takes away. So does a round that was not of all cases
    alike, for a limit that is.
    """
    asked: dict[int, Counter[str]] = {}  # round -> case -> episodes
    met_in = Counter[int]()
    for row in filter(limit.is_of, rows):
        asked.setdefault(row.round, Counter())[row.case] += 1
        met_in[row.round] += limit.met_by(row)
    cases = set().union(*asked.values())
    hits = count = 0
    verdict = UNCERTAIN
    for number, of_case in sorted(asked.items()):
        if of_case.keys() != cases or len(set(of_case.values())) > 1:
            continue
        hits, count = hits + met_in[number], count + of_case.total()
        verdict = _verdict(limit, hits, count)
        if verdict != UNCERTAIN:
            break
    return JudgedLimit(limit, hits, count, lower_bound(hits, count, limit.confidence), verdict)


def _verdict(limit: Limit, hits: int, count: int) -> str:
    if shown_above(hits, count, limit.share, limit.confidence):
        return HOLDS
    return MISSED if shown_below(hits, count, limit.share, limit.confidence) else UNCERTAIN


def accepted(limits: Sequence[JudgedLimit]) -> str:
    """A sentence on whether all limits hold."""
    held = sum(each.holds for each in limits)
    missed = sum(each.verdict == MISSED for each in limits)
    if held == len(limits):
        return (
            f"Accepted: {'the limit is' if held == 1 else f'all {held} limits are'} shown to hold."
        )
    open_ = len(limits) - held - missed
    parts = [f"{missed} shown not to hold"] if missed else []
    parts += [f"{open_} not shown either way"] if open_ else []
    return f"Not accepted: of {len(limits)} limits, {' and '.join(parts)}."


def limits_of(suite: Mapping[str, Any]) -> tuple[Limit, ...]:
    """Limits of a suite's file; most suites have none.

    Raises:
        ValueError: They are damaged; the message says where.
    """
    return typed(tuple[Limit, ...], suite.get("limits") or (), "the limits")
