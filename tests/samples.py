"""Made-up episodes, and what coverage is, for tests of statistics."""

from dataclasses import replace
from typing import Any

from robo_maxent.evaluation.intervals import CensoredEstimate
from robo_maxent.types import Episode

PLAIN = Episode(
    task="t",
    seed=0,
    sim=0,
    index=0,
    length=1,
    reward=0.0,
    success=True,
    terminated=False,
    diverged=False,
    metrics={},
    params={},
)


def episode(**changes: Any) -> Episode:
    return replace(PLAIN, **changes)


def episodes(successes: list[bool | None], **changes: Any) -> list[Episode]:
    """An episode in each of as many simulations."""
    return [episode(sim=sim, success=success, **changes) for sim, success in enumerate(successes)]


def holds(estimate: CensoredEstimate, truth: float) -> bool:
    """Whether an interval contains a value: an end beyond the range leaves that side open."""
    low, high = estimate.low, estimate.high
    above = truth > low.value if low.side == ">" else truth >= low.value or low.side == "<"
    below = truth < high.value if high.side == "<" else truth <= high.value or high.side == ">"
    return above and below
