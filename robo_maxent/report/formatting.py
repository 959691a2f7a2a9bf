"""How a report writes numbers, severities and intervals."""

from robo_maxent.evaluation.intervals import CensoredEstimate, CensoredValue, Estimate, Proportion
from robo_maxent.evaluation.paired import SuccessDifference
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report.analysis import AxisAnalysis
from robo_maxent.report.curves import Curve
from robo_maxent.report.rows import AxisLabel

SIGNIFICANT = 0.05
"""Adjusted p below which one policy is said to be better than another."""


def noun(label: AxisLabel) -> str:
    """What is above or below a severity of an axis."""
    return label.noun or label.title.lower()


def quantity(severity: float, unit: str) -> str:
    """A severity with its unit: ``3 kg``, ``level 4``, ``1 joint``, ``0.2``."""
    number = f"{severity:g}"
    is_word = len(unit) > 2 and unit.replace(" ", "").isalpha()
    if number == "1" and is_word and unit.endswith("s"):
        unit = unit[:-1]
    return f"level {number}" if unit == "level" else f"{number} {unit}".strip()


def percent(share: Proportion) -> str:
    """A share with its interval: ``95 % [92, 97]``; tenths near the whole, kept for the whole."""
    if 0.985 < share.share < 1.0:
        value = min(100 * share.share, 99.9)
        return f"{value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]"
    return f"{100 * share.share:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def percent_alone(share: Proportion) -> str:
    """The same without its interval."""
    return percent(share).split(" [")[0]


def counted(share: Proportion | None) -> str:
    """The same with interval and number of episodes, or ``not run``."""
    return "not run" if share is None else f"{percent(share)} of {share.count:,}"


def limit(axis: AxisAnalysis, curve: Curve) -> str:
    """How far success is as required: ``up to 4.1 kg [3.2, > 7]``, where 7 kg is the hardest."""
    if curve.critical is None:
        return "no scale"
    return f"{reached(axis, curve)}{around(curve.critical)}"


def reached(axis: AxisAnalysis, curve: Curve) -> str:
    """The same without its interval."""
    if curve.holds:
        return "over the whole range"
    if curve.never or curve.critical is None:
        return "nowhere"
    way = "up" if rising(axis) else "down"
    return f"{way} to {about(curve.critical.value.value, axis.label.unit)}"


def about(severity: float, unit: str) -> str:
    """A severity between two that were tested: no more than two digits of it are known."""
    return quantity(_two_digits(severity), unit)


def around(critical: CensoredEstimate) -> str:
    """Interval of a severity, with a space before it: `` [3.2, > 7]``; nothing, if it has none."""
    if critical.low == critical.high:
        return ""
    return f" [{_end(critical.low)}, {_end(critical.high)}]"


def _end(value: CensoredValue) -> str:
    if value.side:  # a severity that was tested, and known as it is
        return f"{value.side} {value.value:g}"
    return f"{_two_digits(value.value):g}"


def _two_digits(severity: float) -> float:
    return float(f"{severity:.2g}")


def area(estimate: Estimate | None) -> str:
    """Mean success over the range of an axis, from 0 to 1: ``0.712 [0.680, 0.744]``."""
    if estimate is None:
        return "-"
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    low, high = estimate.interval
    return f"{estimate.value:.3f} [{low:.3f}, {high:.3f}]"


def mean_share(estimate: Estimate) -> str:
    """The same as a share: ``71 % [68, 74]``."""
    ends = ", ".join(f"{100 * end:.0f}" for end in estimate.interval or ())
    return f"{100 * estimate.value:.0f} % [{ends}]" if ends else f"{100 * estimate.value:.0f} %"


def median(times: WaitingTimes) -> str:
    """Time by which half have recovered: ``0.62 s [0.55, > 2.00]``, or that fewer than half did."""
    middle = times.median
    value = "not reached" if middle.value.side else f"{middle.value.value:.2f} s"
    if middle.low == middle.high:
        return value
    low, high = (f"{end.side} {end.value:.2f}".strip() for end in (middle.low, middle.high))
    return f"{value} [{low}, {high}]"


def span(axis: AxisAnalysis) -> str:
    """What was tested, from nominal: ``0 → 7 kg``."""
    first, last, unit = axis.severities[0], axis.severities[-1], axis.label.unit
    if first == last:
        return quantity(last, unit)
    if unit == "level":
        return f"level {first:g} → {last:g}"
    return f"{first:g} → {quantity(last, unit)}"


def rising(axis: AxisAnalysis) -> bool:
    """Whether harder is more of it, as of payload, rather than less, as of friction."""
    return axis.severities[-1] >= axis.severities[0]


def points(difference: SuccessDifference) -> str:
    """A difference in points of success, with its interval, and minus signs as wide as plus."""
    ends = ", ".join(f"{100 * end:+.1f}" for end in difference.difference.interval or ())
    return f"{100 * difference.difference.value:+.1f} [{ends}]".replace("-", "−")


def better(difference: SuccessDifference, p: float, first: str, second: str) -> str:
    """Which of two policies succeeds more often, as far as an adjusted p tells."""
    if p >= SIGNIFICANT:
        return "not told apart"
    return first if difference.difference.value > 0 else second


def chance(p: float) -> str:
    """An adjusted p: ``0.031``, or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
