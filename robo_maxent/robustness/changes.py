"""What an axis of robustness does to a draw.

Each function changes the episode in one row of a draw, nominal before, to a severity and a case.
What it takes from the generator never depends on the severity.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from robo_maxent.perturbations.params import Draw
from robo_maxent.sim.capture_impulse import Capture
from robo_maxent.sim.robot import Robot

DIRECTIONS = {
    "ahead": 0.0,
    "ahead left": 45.0,
    "left": 90.0,
    "behind left": 135.0,
    "behind": 180.0,
    "behind right": -135.0,
    "right": -90.0,
    "ahead right": -45.0,
}
"""Where a push goes: name -> degrees in the heading frame, counter-clockwise."""

# Times from the start of an episode of 10 s, s. Every push is over 3 s before its end, the time
# that a judgement takes. Training pushes come at 5 to 10 s, and at least 4 s apart.
PUSH_SECONDS = (0.1, 0.2)
ONCE = (4.0, 6.5)
TWICE = ((1.5, 2.5), (6.0, 6.5))
EARLY = (1.0, 3.0)
PAIR, APART = (3.0, 5.0), (0.3, 0.8)
SLIP_BEGIN, SLIP_SECONDS = (4.0, 6.0), 1.0

ALL_FRICTION = 0.3  # of the combined axis at severity 1: a wet floor
ALL_PAYLOAD = 3.0  # kg
ALL_WEAKNESS = 0.2  # share of the torque
ALL_BIAS = 0.02  # rad
ALL_LOSS = 0.05  # share of the actions
ALL = (
    f"friction {ALL_FRICTION:g}, {ALL_PAYLOAD:g} kg, motors at {1 - ALL_WEAKNESS:g}, noise, bias "
    f"{ALL_BIAS:g} rad, a step of delay, {ALL_LOSS:g} of the actions lost, one capture impulse"
)


@dataclass(frozen=True)
class World:
    """What an axis has to know to make draws."""

    robot: Robot
    capture: Capture
    control_dt: float
    """s."""


@dataclass(frozen=True)
class Setting:
    """What an episode should be changed to."""

    severity: float
    """In the unit of the axis."""
    case: str
    """One of the axis' cases."""
    rng: np.random.Generator
    """For what else there is to choose."""
    world: World


Change = Callable[[Draw, int, Setting], None]
"""Change the episode in a row of a draw."""


def hold(field: str) -> Change:
    """The field is the severity."""

    def change(draws: Draw, row: int, to: Setting) -> None:
        getattr(draws, field)[row] = to.severity

    return change


def joint(field: str) -> Change:
    """The joint of the case is true."""

    def change(draws: Draw, row: int, to: Setting) -> None:
        if to.severity:
            getattr(draws, field)[row, to.world.robot.joints.index(to.case)] = True

    return change


def horizontal(field: str) -> Change:
    """The first two elements have the severity as their size, in any direction."""

    def change(draws: Draw, row: int, to: Setting) -> None:
        angle = to.rng.uniform(-np.pi, np.pi)
        getattr(draws, field)[row, :2] = to.severity * np.array([np.cos(angle), np.sin(angle)])

    return change


def gains(draws: Draw, row: int, to: Setting) -> None:
    """Both gains are off by the severity, each either way."""
    stiffer, damped = to.rng.choice([-1.0, 1.0], 2)
    draws.kp_scale[row] = 1.0 + to.severity * stiffer
    draws.kd_scale[row] = 1.0 + to.severity * damped


def bias(draws: Draw, row: int, to: Setting) -> None:
    """Each encoder is off by up to the severity."""
    draws.encoder_bias[row] = to.severity * to.rng.uniform(-1.0, 1.0, len(to.world.robot.joints))


def slip(draws: Draw, row: int, to: Setting) -> None:
    """The feet have the severity as their friction, for a while."""
    begin = to.rng.uniform(*SLIP_BEGIN)
    if to.severity < draws.foot_friction[row]:
        draws.slip_begin[row], draws.slip_duration[row] = begin, SLIP_SECONDS
        draws.slip_friction[row] = to.severity


def push(draws: Draw, row: int, to: Setting) -> None:
    """One push in the direction of the case, or two in any, far apart."""
    if to.case == "repeated":
        times = [to.rng.uniform(*span) for span in TWICE]
        degrees = to.rng.uniform(-180.0, 180.0, 2).tolist()
    else:
        times, degrees = [to.rng.uniform(*ONCE)], [DIRECTIONS[to.case]]
    _push_at(draws, row, to, times, np.deg2rad(degrees))


def timing(draws: Draw, row: int, to: Setting) -> None:
    """A push in any direction soon after the start, or two in quick succession."""
    if to.case == "pair":
        begin = to.rng.uniform(*PAIR)
        times = [begin, begin + to.rng.uniform(*APART)]
    else:
        times = [to.rng.uniform(*EARLY)]
    _push_at(draws, row, to, times, to.rng.uniform(-np.pi, np.pi, len(times)))


def combined(draws: Draw, row: int, to: Setting) -> None:
    """Everything at once, in proportion to the severity."""
    draws.foot_friction[row] += to.severity * (ALL_FRICTION - draws.foot_friction[row])
    draws.payload[row] = ALL_PAYLOAD * to.severity
    draws.motor_strength[row] = 1.0 - ALL_WEAKNESS * to.severity
    draws.sensor_noise[row] = to.severity
    bias(draws, row, replace(to, severity=ALL_BIAS * to.severity))
    draws.action_delay[row] = to.severity >= 0.5
    draws.packet_loss[row] = ALL_LOSS * to.severity
    _push_at(draws, row, to, [to.rng.uniform(*ONCE)], to.rng.uniform(-np.pi, np.pi, 1))


def _push_at(
    draws: Draw, row: int, to: Setting, times: Sequence[float], directions: np.ndarray
) -> None:
    """Push with ``severity`` capture impulses at these times, s, in these directions, rad."""
    dt = to.world.control_dt
    for i, (time, direction) in enumerate(zip(times, directions.tolist(), strict=True)):
        steps = max(round(to.rng.uniform(*PUSH_SECONDS) / dt), 1)
        if to.severity == 0.0:
            continue
        draws.push_begin[row, i], draws.push_duration[row, i] = time, steps * dt
        size = to.severity * to.world.capture.impulse(direction)
        draws.push_impulse[row, i, :2] = size * np.array([np.cos(direction), np.sin(direction)])
