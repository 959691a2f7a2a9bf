"""Results of a worst-case search, as read from its file, and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import Proportion
from robo_maxent.from_json import typed
from robo_maxent.report import formatting

SUITE = "worst case"
"""Name of the suite in its file."""
KEY = "worst_case"
"""Key of the results in its file."""
DIRECTORY = "worst-case"
"""Default directory of a search within a run."""
SECTORS = (
    "ahead",
    "ahead left",
    "left",
    "behind left",
    "behind",
    "behind right",
    "right",
    "ahead right",
)
"""Of 45 degrees each, counter-clockwise."""


@dataclass(frozen=True)
class EffectScale:
    """A searched effect, and the scale of its severities."""

    axis: str
    title: str
    unit: str
    noun: str
    """What is above or below a severity."""
    nominal: float
    """Severity that changes nothing."""
    critical: float
    """Severity at which half of the starts fail under this effect alone."""
    is_reached: bool
    """Whether half of them fail there; if not, ``critical`` is the end of the axis."""
    hardest: float
    """Severity at which the axis ends."""


@dataclass(frozen=True)
class Part:
    """One effect of a disturbance."""

    axis: str
    severity: float
    """Severity, in the unit of the axis."""
    share: float
    """Share of the way from nominal to critical."""
    begins: float | None
    """Begin, s from the start of the episode; None: it acts all the time."""
    direction: float | None
    """Direction, deg, counter-clockwise; None if it has none."""


@dataclass(frozen=True)
class FoundFailure:
    """A disturbance that makes the policy fail."""

    severity: float
    """Length of the shares of its parts; an effect alone needs 1."""
    parts: tuple[Part, ...]
    """The largest first."""
    outcome: str
    """How the episode ended."""
    row: str
    """Name of the episode."""
    film: str | None
    """Its mp4, relative to the file."""
    fresh: Proportion | None
    """Number of fresh starts that fail with it; None if they were not run."""


@dataclass(frozen=True)
class WorstCaseSummary:
    """Results of a search, as JSON has them."""

    policy: str
    """Label of the policy."""
    effects: tuple[EffectScale, ...]
    starts: int
    """Number of starts, in most of which a disturbance had to fail."""
    undisturbed: Proportion
    """Number of fresh starts that fail without a disturbance."""
    episodes: int
    """Number of episodes of the search."""
    random_episodes: int
    """Number of episodes of random points."""
    minima: tuple[FoundFailure, ...]
    """Distinct failures, the mildest first."""
    at_random: FoundFailure | None
    """The mildest failure among random points; None if none failed."""
    improvements: tuple[tuple[int, float], ...]
    """Episodes so far and severity, each time a milder failure was found."""
    random_improvements: tuple[tuple[int, float], ...]
    interrupted: bool

    @property
    def scales(self) -> dict[str, EffectScale]:
        """Searched effects by axis."""
        return {effect.axis: effect for effect in self.effects}


def summary_of(suite: Mapping[str, Any]) -> WorstCaseSummary:
    """Read the results of a search from a suite's file.

    Raises:
        UsageError: It says nothing, or a value is missing or of another type.
    """
    try:
        summary: WorstCaseSummary = typed(WorstCaseSummary, suite.get(KEY), "the worst case")
    except ValueError as error:
        raise UsageError(str(error)) from error
    unknown = {p.axis for f in failures(summary) for p in f.parts} - summary.scales.keys()
    if unknown:
        raise UsageError(f"the worst case has parts of no effect: {', '.join(sorted(unknown))}")
    return summary


def failures(summary: WorstCaseSummary) -> tuple[FoundFailure, ...]:
    """The minima, and the failure found at random."""
    return (*summary.minima, *([summary.at_random] if summary.at_random else []))


def headline(summary: WorstCaseSummary) -> str:
    """The result in a sentence or two."""
    searched = f"{summary.episodes:,} episodes"
    if not summary.minima:
        reach = "as far as the axes go" if not summary.interrupted else "before it was interrupted"
        return (
            f"{summary.policy}: no disturbance was found that makes it fail, {reach} ({searched})."
        )
    mildest = summary.minima[0]
    where = "" if summary.starts == 1 else f" in most of {summary.starts} starts"
    fresh = ""
    if mildest.fresh is not None:
        share = formatting.counted(mildest.fresh)
        fresh = f" With the same disturbance, {share} fresh starts fail."
    return (
        f"{summary.policy} fails{where} at severity {mildest.severity:.2f}, where 1 is what an "
        f"effect takes alone: {described(mildest, summary)}.{fresh}"
    )


def comparison(summary: WorstCaseSummary) -> str:
    """Sentence that compares with random points."""
    if not summary.random_episodes:
        return "No points were drawn at random to compare with."
    drawn = f"Of points drawn at random, in {summary.random_episodes:,} episodes,"
    if summary.at_random is None:
        return f"{drawn} none failed."
    ratio = ""
    if summary.minima:
        times = summary.at_random.severity / summary.minima[0].severity
        ratio = f", {times:.2f} times as severe"
    return f"{drawn} the mildest failure has severity {summary.at_random.severity:.2f}{ratio}."


def scale(summary: WorstCaseSummary) -> str:
    """Sentence on what a severity of 1 is for each effect."""
    each = (f"{effect.noun} {critical_words(effect)}" for effect in summary.effects)
    return f"1 is what an effect takes alone for half of the starts to fail: {', '.join(each)}."


def described(failure: FoundFailure, summary: WorstCaseSummary) -> str:
    """All parts of a disturbance in words."""
    return "; ".join(part_words(part, summary.scales[part.axis]) for part in failure.parts)


def part_words(part: Part, effect: EffectScale) -> str:
    """A part in words: ``pushes 0.62 capture impulses towards 93° (left) at 4.86 s``."""
    words = [effect.noun, formatting.quantity(float(f"{part.severity:.3g}"), effect.unit)]
    if part.direction is not None:
        sector = SECTORS[round(part.direction / 45.0) % len(SECTORS)]
        words.append(f"towards {part.direction:.0f}° ({sector})".replace("-", "−"))
    if part.begins is not None:
        words.append(f"at {part.begins:.2f} s")
    return " ".join(words)


def critical_words(effect: EffectScale) -> str:
    """Severity 1 in words: ``1.13 capture impulses``, or that it is beyond the axis."""
    quantity = formatting.quantity(float(f"{effect.critical:.3g}"), effect.unit)
    return quantity if effect.is_reached else f"beyond {quantity}"


def lines(summary: WorstCaseSummary) -> list[str]:
    """Lines for a terminal, one per minimum."""
    return [_line(number, each, summary) for number, each in enumerate(summary.minima, 1)]


def _line(number: int, failure: FoundFailure, summary: WorstCaseSummary) -> str:
    what = f"{number}. severity {failure.severity:.2f}: {described(failure, summary)}"
    if failure.fresh is None:
        return f"{what}; {failure.outcome}"
    return f"{what}; {failure.outcome}; {formatting.counted(failure.fresh)} fresh starts fail"
