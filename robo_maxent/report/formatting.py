"""Formats numbers, severities and intervals for a report."""

from robo_maxent.evaluation.intervals import CensoredValue, Estimate, Proportion
from robo_maxent.evaluation.paired import SuccessDifference
from robo_maxent.evaluation.severity import Area, Fall
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report.analysis import AxisAnalysis
from robo_maxent.report.curves import Curve
from robo_maxent.report.limits import Limit
from robo_maxent.report.rows import NOMINAL, AxisLabel

NAMED = 3
"""Most axes that a sentence names; of others it gives the number."""
SIGNIFICANT = 0.05
"""Adjusted p-value below which one policy counts as better than another."""


ALIKE = 0.05
"""Difference in success that is too small to matter."""


def noun(label: AxisLabel) -> str:
    """Name of the quantity of an axis, for "above 3 kg of NOUN"."""
    return label.noun or label.title.lower()


def few(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def quantity(severity: float, unit: str) -> str:
    """A severity with its unit: ``3 kg``, ``level 4``, ``1 joint``, ``0.2``."""
    number = f"{severity:g}"
    is_word = len(unit) > 2 and unit.replace(" ", "").isalpha()
    if number == "1" and is_word and unit.endswith("s"):
        unit = unit[:-1]
    return f"level {number}" if unit == "level" else f"{number} {unit}".strip()


def condition(limit: Limit, label: AxisLabel) -> str:
    """Condition of a limit: ``Pushes, 1 capture impulse``, ``Undisturbed``."""
    where = label.title
    if limit.axis != NOMINAL:
        where += f", {quantity(limit.severity, label.unit)}"
    return where + (f", {limit.case}" if limit.case else "")


def percent(share: Proportion) -> str:
    """A share with its interval, ``95 % [92, 97]``; 100 only if all succeeded."""
    if 0.985 < share.share < 1.0:
        value = min(100 * share.share, 99.9)
        return f"{value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"
    return f"{100 * share.share:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def percent_alone(share: Proportion) -> str:
    """A share without its interval."""
    return percent(share).split(" [")[0]


def counted(share: Proportion | None) -> str:
    """A share with interval and number of episodes, or ``not run``."""
    return "not run" if share is None else f"{percent(share)} of {share.count:,}"


def limit(axis: AxisAnalysis, curve: Curve) -> str:
    """Where success falls below 90 %: ``90 % lost between 3 and 5 kg [2, > 7]``."""
    if curve.fall is None:
        return "no scale"
    return f"{fallen(axis, curve)}{around(curve.fall)}"


def fallen(axis: AxisAnalysis, curve: Curve) -> str:
    """Where success falls, without its interval."""
    fall, unit = curve.fall, axis.label.unit
    if fall is None:
        return "no scale"
    if fall.fails is None:
        return f"90 % held to {quantity(curve.severities[-1], unit)}"
    if fall.holds is None:
        return "90 % held nowhere"
    return f"90 % lost {between(fall.holds, fall.fails, unit)}"


def between(first: float, second: float, unit: str) -> str:
    """Between two severities: ``between 3 and 5 kg``, ``between levels 2 and 4``."""
    if unit == "level":
        return f"between levels {first:g} and {second:g}"
    return f"between {first:g} and {quantity(second, unit)}"


def around(fall: Fall) -> str:
    """Interval of a fall from mild to hard, with a space before it: `` [2, > 7]``."""
    return f" [{_end(fall.mildest)}, {_end(fall.hardest)}]"


def _end(value: CensoredValue) -> str:
    return f"{value.side} {value.value:g}".strip()


def area(estimate: Area | None) -> str:
    """Mean success over the range of an axis, from 0 to 1: ``0.68 to 0.82 [0.61, 0.87]``."""
    return "-" if estimate is None else str(estimate)


def mean_share(estimate: Area) -> str:
    """Mean success as a share: ``68 to 82 % [61, 87]``."""
    least, most, low, high = (
        f"{100 * end:.0f}" for end in (estimate.least, estimate.most, *estimate.interval)
    )
    share = least if least == most else f"{least} to {most}"
    return f"{share} % [{low}, {high}]"


def median(times: WaitingTimes) -> str:
    """Time by which half have recovered: ``0.62 s [0.55, > 2.00]``, or that fewer than half did."""
    middle = times.median
    value = "not reached" if middle.value.side else f"{middle.value.value:.2f} s"
    if middle.low == middle.high:
        return value
    low, high = (f"{end.side} {end.value:.2f}".strip() for end in (middle.low, middle.high))
    return f"{value} [{low}, {high}]"


def span(axis: AxisAnalysis) -> str:
    """Range of tested severities, from mild to hard: ``0 → 7 kg``."""
    first, last, unit = axis.severities[0], axis.severities[-1], axis.label.unit
    if first == last:
        return quantity(last, unit)
    if unit == "level":
        return f"level {first:g} → {last:g}"
    return f"{first:g} → {quantity(last, unit)}"


def points(difference: Estimate) -> str:
    """A difference in points of success, with its interval, and minus signs as wide as plus."""
    ends = ", ".join(f"{100 * end:+.1f}" for end in difference.interval or ())
    return f"{100 * difference.value:+.1f} [{ends}]".replace("-", "−")


def told(difference: Estimate) -> str:
    """Whether the first of two is better, alike or worse according to an interval, or unclear.

    Alike takes more than an interval that holds 0: one that holds nothing else of any size.
    """
    low, high = difference.interval or (-1.0, 1.0)
    if low > 0.0 or high < 0.0:
        return "better" if low > 0.0 else "worse"
    return "alike" if low >= -ALIKE and high <= ALIKE else "could not tell"


def better(difference: SuccessDifference, p: float, first: str, second: str) -> str:
    """Which of two policies succeeds more often, according to an adjusted p-value."""
    if p >= SIGNIFICANT:
        return "not told apart"
    return first if difference.difference.value > 0 else second


def chance(p: float) -> str:
    """An adjusted p-value: ``0.031``, or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
