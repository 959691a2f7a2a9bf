"""What a report calls axes, and how it writes numbers."""

from robo_maxent.estimates import Critical, Paired
from robo_maxent.findings import Axis
from robo_maxent.stats import Proportion

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


def limit(axis: Axis, found: Critical | None) -> str:
    """How far success is as required: ``up to 4.1 kg``."""
    if found is None:
        return "no scale"
    if found.side == "beyond":
        return "over the whole range"
    if found.side == "before":
        return "nowhere"
    return f"{'up' if rising(axis) else 'down'} to {about(found.severity, axis.unit)}"


def about(severity: float, unit: str) -> str:
    """A severity between two that were tested: no more than two digits of it are known."""
    return quantity(float(f"{severity:.2g}"), unit)


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


def points(found: Paired) -> str:
    """A difference in points of success, with its interval, and minus signs as wide as plus."""
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.difference:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")
