"""Ranges that episodes are drawn from, and three named levels of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.params import LIMITS, MAX_PUSHES, Draw

Range = tuple[float, float]


@dataclass(frozen=True)
class Randomization:
    """Ranges that an episode is drawn from, each (low, high) and uniform; as built: nominal.

    The fields of the same name in :class:`robo_maxent.perturbations.params.Draw` say what they are.
    """

    foot_friction: Range | None = None
    """None: the robot's own."""
    payload: Range = (0.0, 0.0)
    """kg."""
    com_offset: Range = (0.0, 0.0)
    """m, along each axis."""
    motor_strength: Range = (1.0, 1.0)
    """Of each joint."""
    locked_joint: float = 0.0
    """Probability that one joint, any, is locked."""
    dead_joint: float = 0.0
    """Probability that one joint, any, is dead."""
    kp_scale: Range = (1.0, 1.0)
    kd_scale: Range = (1.0, 1.0)
    no_load_speed: Range = (np.inf, np.inf)
    """rad/s; its inverse, the slope of the torque curve, is uniform."""
    encoder_bias: Range = (0.0, 0.0)
    """rad, of each joint."""
    sensor_noise: Range = (0.0, 0.0)
    action_delay: tuple[int, int] = (0, 0)
    """Control steps, both ends included."""
    packet_loss: Range = (0.0, 0.0)
    gravity_tilt: Range = (0.0, 0.0)
    """rad, about any horizontal direction."""
    push_impulse: Range = (0.0, 0.0)
    """N·s, in any horizontal direction."""
    push_interval: Range = (5.0, 10.0)
    """s, from the start to the first push, and from one to the next."""
    push_duration: Range = (0.1, 0.2)
    """s."""
    slip: float = 0.0
    """Probability that the ground turns slippery once."""
    slip_begin: Range = (2.0, 15.0)
    """s."""
    slip_duration: Range = (0.5, 1.5)
    """s."""
    slip_friction: Range = (0.05, 0.2)

    def __post_init__(self) -> None:
        """Check the ranges at the door."""
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _ALLOWED.get(field.name) or LIMITS[field.name]
            if field.name in PROBABILITIES:
                if not 0.0 <= value <= 1.0:
                    raise UsageError(f"{field.name} must be a probability in [0, 1], got {value}")
            elif value is not None and not low <= value[0] <= value[1] <= high:
                raise UsageError(
                    f"{field.name} must be an increasing range within {(low, high)}, got {value}"
                )

    @cached_property
    def varied(self) -> set[str]:
        """Names of the fields of a draw that these ranges change."""
        names = {name for name in _PLAIN if getattr(self, name) != getattr(NONE, name)}
        if self.push_impulse[1] > 0.0:
            names |= {"push_begin", "push_duration", "push_impulse"}
        if self.slip > 0.0:
            names |= {"slip_begin", "slip_duration", "slip_friction"}
        return names

    def scaled(self, share: float) -> "Randomization":
        """The same drawn in towards the nominal values, linearly: 1 leaves them, 0 is nominal.

        Friction of the feet, whose nominal value is the robot's, and the times of pushes and slips
        stay.
        """
        toward = {
            name: tuple(usual + share * (end - usual) for end in getattr(self, name))
            for name, usual in _NOMINAL.items()
        }
        chances = {name: share * getattr(self, name) for name in PROBABILITIES}
        slowest, fastest = (end / share if share else np.inf for end in self.no_load_speed)
        low, high = (round(share * steps) for steps in self.action_delay)
        return replace(
            self, **toward, **chances, no_load_speed=(slowest, fastest), action_delay=(low, high)
        )


PROBABILITIES = ("locked_joint", "dead_joint", "slip")
_NOMINAL = {
    "payload": 0.0,
    "com_offset": 0.0,
    "motor_strength": 1.0,
    "kp_scale": 1.0,
    "kd_scale": 1.0,
    "encoder_bias": 0.0,
    "sensor_noise": 0.0,
    "packet_loss": 0.0,
    "gravity_tilt": 0.0,
    "push_impulse": 0.0,
}
"""Field -> where its range is scaled towards."""
_ALLOWED: dict[str, Range] = {
    "gravity_tilt": (0.0, LIMITS["gravity_tilt"][1]),
    "push_impulse": (0.0, LIMITS["push_impulse"][1]),
    "push_interval": (0.02, LIMITS["push_begin"][1]),
    "slip": (0.0, 1.0),
}
"""Where a range is not one of values of the field: sizes in any direction, times between."""
_PLAIN = tuple(
    field.name for field in fields(Randomization) if not field.name.startswith(("push", "slip"))
)

NONE = Randomization()
DEFAULT = Randomization(
    foot_friction=(0.3, 1.5),  # mjlab 1.6
    payload=(-1.0, 2.0),  # HIMLoco, DreamWaQ
    com_offset=(-0.03, 0.03),  # mjlab 1.6 has 0.025 to 0.03, Isaac Lab 0.05
    motor_strength=(0.9, 1.1),  # HIMLoco, DreamWaQ, Walk-These-Ways, RMA
    kp_scale=(0.9, 1.1),  # HIMLoco, DreamWaQ, holosoma
    kd_scale=(0.9, 1.1),
    encoder_bias=(-0.015, 0.015),  # mjlab 1.6
    sensor_noise=(1.0, 1.0),  # what the task declares
    action_delay=(0, 1),  # holosoma; DreamWaQ has up to 15 ms
    push_impulse=(0.0, 6.4),  # 0.5 m/s of 12.74 kg: mjlab 1.6, Isaac Lab 2.3
    push_interval=(5.0, 10.0),  # unitree_rl_lab, holosoma
)
HARD = Randomization(
    foot_friction=(0.1, 2.0),  # Walk-These-Ways has 0.1 to 3
    payload=(-1.0, 5.0),  # RMA has 0 to 6
    com_offset=(-0.05, 0.05),  # DreamWaQ, HIMLoco, Isaac Lab
    motor_strength=(0.8, 1.2),  # RMA tests 0.88 to 1.22
    kp_scale=(0.8, 1.2),  # chosen: twice the usual
    kd_scale=(0.8, 1.2),
    no_load_speed=(20.0, 100.0),  # chosen: a fast step needs about 10 rad/s
    encoder_bias=(-0.03, 0.03),  # chosen: twice the usual
    sensor_noise=(0.0, 2.0),  # chosen
    action_delay=(0, 2),  # chosen: up to 40 ms
    packet_loss=(0.0, 0.1),  # chosen
    gravity_tilt=(0.0, 0.1),  # Walk-These-Ways has up to 1 m/s2 on each axis: 0.1 rad
    push_impulse=(0.0, 12.7),  # 1 m/s of 12.74 kg: legged_gym, HIMLoco, holosoma
    push_interval=(4.0, 8.0),  # chosen
    slip=0.3,  # chosen
)
LEVELS = {"none": NONE, "default": DEFAULT, "hard": HARD}
"""Level -> ranges. The sources are named beside each; payloads and pushes are for 13 kg."""


def randomization(given: Randomization | str | Mapping[str, Any]) -> Randomization:
    """Ranges from a level's name, or from what :func:`described` wrote.

    Raises:
        UsageError: There is no such level or field, or a range is not allowed.
    """
    if isinstance(given, Randomization):
        return given
    if isinstance(given, str):
        if given not in LEVELS:
            raise UnknownNameError("randomization", given, LEVELS)
        return LEVELS[given]
    known = {field.name for field in fields(Randomization)}
    for name in given:
        if name not in known:
            raise UnknownNameError("range", name, known)
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return Randomization(**values)


def described(ranges: Randomization) -> str | dict[str, Any]:
    """The name of a level, or the ranges that are not nominal: what JSON can hold."""
    for name, level in LEVELS.items():
        if ranges == level:
            return name
    values = {field.name: getattr(ranges, field.name) for field in fields(ranges)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != getattr(NONE, name)
    }


def draw(
    ranges: Randomization, usual: Draw, rng: np.random.Generator, into: Draw, sim: int
) -> None:
    """Draw one episode and write it into row ``sim``, but for fields that the ranges don't vary.

    Takes exactly one number from ``rng``, for the friction, and all others from a child of it: what
    the task draws next, commands and start, is the same whatever the ranges. Each field takes the
    same numbers of the child at any range, so that changing one leaves the others alone.

    Args:
        ranges: What to draw from.
        usual: Nominal values, in its row 0.
        rng: A fresh generator of this episode.
        into: Where to.
        sim: Its row.
    """
    own = float(usual.foot_friction[0])
    into.foot_friction[sim] = rng.uniform(*(ranges.foot_friction or (own, own)))
    if not ranges.varied - {"foot_friction"}:
        return
    child = rng.spawn(1)[0]
    joints = into.motor_strength.shape[1]
    into.payload[sim] = child.uniform(*ranges.payload)
    into.com_offset[sim] = child.uniform(*ranges.com_offset, 3)
    into.motor_strength[sim] = child.uniform(*ranges.motor_strength, joints)
    into.locked_joint[sim] = _one_of(joints, ranges.locked_joint, child)
    into.dead_joint[sim] = _one_of(joints, ranges.dead_joint, child)
    into.kp_scale[sim] = child.uniform(*ranges.kp_scale)
    into.kd_scale[sim] = child.uniform(*ranges.kd_scale)
    slowest, fastest = ranges.no_load_speed
    slope = child.uniform(1.0 / fastest, 1.0 / slowest)
    into.no_load_speed[sim] = 1.0 / slope if slope else np.inf
    into.encoder_bias[sim] = child.uniform(*ranges.encoder_bias, joints)
    into.sensor_noise[sim] = child.uniform(*ranges.sensor_noise)
    low, high = ranges.action_delay
    into.action_delay[sim] = low + int(child.random() * (high - low + 1))
    into.packet_loss[sim] = child.uniform(*ranges.packet_loss)
    tilt, direction = child.uniform(*ranges.gravity_tilt), child.uniform(-np.pi, np.pi)
    into.gravity_tilt[sim] = tilt * np.cos(direction), tilt * np.sin(direction)
    _draw_pushes(ranges, child, into, sim)
    _draw_slip(ranges, child, into, sim)


def _draw_pushes(ranges: Randomization, rng: np.random.Generator, into: Draw, sim: int) -> None:
    begin = np.cumsum(rng.uniform(*ranges.push_interval, MAX_PUSHES))
    duration = rng.uniform(*ranges.push_duration, MAX_PUSHES)
    size = rng.uniform(*ranges.push_impulse, MAX_PUSHES)
    direction = rng.uniform(-np.pi, np.pi, MAX_PUSHES)
    if ranges.push_impulse[1] > 0.0:
        into.push_begin[sim], into.push_duration[sim] = begin, duration
        into.push_impulse[sim, :, 0] = size * np.cos(direction)
        into.push_impulse[sim, :, 1] = size * np.sin(direction)


def _draw_slip(ranges: Randomization, rng: np.random.Generator, into: Draw, sim: int) -> None:
    slips = rng.random() < ranges.slip
    begin, duration = rng.uniform(*ranges.slip_begin), rng.uniform(*ranges.slip_duration)
    friction = rng.uniform(*ranges.slip_friction)
    if ranges.slip > 0.0:
        into.slip_begin[sim] = begin
        into.slip_duration[sim] = duration if slips else 0.0
        into.slip_friction[sim] = friction


def _one_of(joints: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """At most one true, (joints,)."""
    happens, which = rng.random() < probability, int(rng.random() * joints)
    return np.arange(joints) == (which if happens else -1)
