"""What a report calls axes, and how it writes numbers."""

from robo_maxent.evaluation.intervals import CensoredEstimate, CensoredValue, Estimate, Proportion
from robo_maxent.evaluation.paired import SuccessDifference
from robo_maxent.evaluation.survival import WaitingTimes
from robo_maxent.report.analysis import Axis
from robo_maxent.report.curves import Curve

TITLES = {
    "nominal": "Undisturbed",
    "push": "Pushes",
    "timing": "Pushes at untrained times",
    "friction": "Foot friction",
    "slip": "Sudden slip",
    "payload": "Payload",
    "com": "Shifted centre of mass",
    "motor_strength": "Weak motors",
    "dead_joint": "One dead joint",
    "locked_joint": "One locked joint",
    "gains": "Servo gains",
    "sensor_noise": "Sensor noise",
    "encoder_bias": "Encoder bias",
    "action_delay": "Action delay",
    "packet_loss": "Lost packets",
    "gravity_tilt": "Tilted gravity",
    "terrain": "Terrain",
    "terrain_heldout": "Terrain never trained on",
    "combined": "Everything at once",
}
"""Axis -> what people call it."""
NOUNS = {"motor_strength": "motor strength", "combined": "everything at once"}
"""Axis -> what is above or below a severity, where that is not its title."""
SIGNIFICANT = 0.05
"""Adjusted p below which one policy is said to be better than another."""


def title(axis: str) -> str:
    """What people call an axis."""
    return TITLES.get(axis, axis.replace("_", " ").capitalize())


def noun(axis: str) -> str:
    """What is above or below a severity of an axis."""
    return NOUNS.get(axis, title(axis).lower())


def quantity(severity: float, unit: str) -> str:
    """A severity with its unit: ``3 kg``, ``level 4``, ``1 joint``, ``0.2``."""
    number = f"{severity:g}"
    if number == "1" and unit.endswith("s") and "·" not in unit and len(unit) > 1:
        unit = unit[:-1]
    return f"level {number}" if unit == "level" else f"{number} {unit}".strip()


def percent(value: Proportion) -> str:
    """A share with its interval: ``95 % [92, 97]``; tenths near the whole, kept for the whole."""
    if 0.985 < value.share < 1.0:
        share = min(100 * value.share, 99.9)
        return f"{share:.1f} % [{100 * value.low:.1f}, {100 * value.high:.1f}]"
    return f"{100 * value.share:.0f} % [{100 * value.low:.0f}, {100 * value.high:.0f}]"


def counted(value: Proportion | None) -> str:
    """The same with the number of episodes, or ``not run``."""
    return "not run" if value is None else f"{percent(value)} of {value.count:,}"


def limit(axis: Axis, found: Curve) -> str:
    """How far success is as required: ``up to 4.1 kg [3.2, > 7]``, where 7 kg is the hardest."""
    if found.critical is None:
        return "no scale"
    return f"{reached(axis, found)}{around(found.critical)}"


def reached(axis: Axis, found: Curve) -> str:
    """The same without its interval."""
    if found.holds:
        return "over the whole range"
    if found.never or found.critical is None:
        return "nowhere"
    return f"{'up' if rising(axis) else 'down'} to {about(found.critical.value.value, axis.unit)}"


def about(severity: float, unit: str) -> str:
    """A severity between two that were tested: no more than two digits of it are known."""
    return quantity(_two_digits(severity), unit)


def around(found: CensoredEstimate) -> str:
    """Interval of a severity, with a space before it: `` [3.2, > 7]``; nothing, if it has none."""
    if found.low == found.high:
        return ""
    return f" [{_end(found.low)}, {_end(found.high)}]"


def _end(value: CensoredValue) -> str:
    if value.side:  # a severity that was tested, and known as it is
        return f"{value.side} {value.value:g}"
    return f"{_two_digits(value.value):g}"


def _two_digits(severity: float) -> float:
    return float(f"{severity:.2g}")


def area(found: Estimate | None) -> str:
    """Mean success over the range of an axis, from 0 to 1: ``0.712 [0.680, 0.744]``."""
    if found is None:
        return "-"
    if found.interval is None:
        return f"{found.value:.3f}"
    low, high = found.interval
    return f"{found.value:.3f} [{low:.3f}, {high:.3f}]"


def mean_share(found: Estimate) -> str:
    """The same as a share: ``71 % [68, 74]``."""
    ends = ", ".join(f"{100 * end:.0f}" for end in found.interval or ())
    return f"{100 * found.value:.0f} % [{ends}]" if ends else f"{100 * found.value:.0f} %"


def median(found: WaitingTimes) -> str:
    """Time by which half have recovered: ``0.62 s [0.55, > 2.00]``, or that fewer than half did."""
    middle = found.median
    value = "not reached" if middle.value.side else f"{middle.value.value:.2f} s"
    if middle.low == middle.high:
        return value
    low, high = (f"{end.side} {end.value:.2f}".strip() for end in (middle.low, middle.high))
    return f"{value} [{low}, {high}]"


def span(axis: Axis) -> str:
    """What was tested, from nominal: ``0 → 7 kg``."""
    first, last = axis.severities[0], axis.severities[-1]
    if first == last:
        return quantity(last, axis.unit)
    if axis.unit == "level":
        return f"level {first:g} → {last:g}"
    return f"{first:g} → {quantity(last, axis.unit)}"


def rising(axis: Axis) -> bool:
    """Whether harder is more of it, as of payload, rather than less, as of friction."""
    return axis.severities[-1] >= axis.severities[0]


def points(found: SuccessDifference) -> str:
    """A difference in points of success, with its interval, and minus signs as wide as plus."""
    ends = found.difference.interval or ()
    around = ", ".join(f"{100 * end:+.1f}" for end in ends)
    return f"{100 * found.difference.value:+.1f} [{around}]".replace("-", "−")


def better(found: SuccessDifference, p: float, first: str, second: str) -> str:
    """Which of two policies succeeds more often, as far as an adjusted p tells."""
    if p >= SIGNIFICANT:
        return "not told apart"
    return first if found.difference.value > 0 else second


def chance(p: float) -> str:
    """An adjusted p: ``0.031``, or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
