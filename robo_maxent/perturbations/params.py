"""Draw: one vocabulary for what is different about an episode.

Training randomization and stress tests are the same object: an axis of a stress test is a field of
:class:`Draw` held at a value, ``replace(nominal(robot, n), payload=np.full(n, 3.0))``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.sim.robot import Robot

MAX_PUSHES = 4
"""Pushes in an episode: one every 5 to 10 s is at most three in 20 s."""
MAX_DELAY = 3
"""Control steps: 60 ms at 50 Hz, the longest delay of the usual sweeps."""

LIMITS: dict[str, tuple[float, float]] = {
    "foot_friction": (0.01, 5.0),  # ice is near 0.05, rubber on asphalt near 1
    "payload": (-2.0, 20.0),
    "com_offset": (-0.2, 0.2),
    "motor_strength": (0.0, 2.0),
    "locked_joint": (0.0, 1.0),
    "dead_joint": (0.0, 1.0),
    "kp_scale": (0.0, 4.0),
    "kd_scale": (0.0, 4.0),
    "no_load_speed": (1.0, np.inf),
    "encoder_bias": (-0.5, 0.5),
    "sensor_noise": (0.0, 100.0),
    "action_delay": (0.0, float(MAX_DELAY)),
    "packet_loss": (0.0, 1.0),
    "gravity_tilt": (-1.0, 1.0),
    "push_begin": (0.0, 1e6),
    "push_duration": (0.0, 1e3),
    "push_impulse": (-1e3, 1e3),
    "slip_begin": (0.0, 1e6),
    "slip_duration": (0.0, 1e6),
    "slip_friction": (0.01, 5.0),
}
"""Field -> values that a stable simulation accepts, in the field's unit."""


@dataclass(frozen=True)
class Draw:
    """What is different about each of N episodes of a robot with A joints.

    The arrays of a draw that an environment holds change as its episodes begin.
    """

    foot_friction: np.ndarray
    """Sliding friction coefficient of the feet, which is that of their contacts, (N,)."""
    payload: np.ndarray
    """Mass added on the back of the trunk, kg, (N,). Negative: a trunk that is lighter by so much,
    its inertia in proportion."""
    com_offset: np.ndarray
    """Shift of the trunk's centre of mass, trunk frame, m, (N, 3)."""
    motor_strength: np.ndarray
    """Share of the torque that a motor gives at the same target and state, its limit included,
    (N, A): the torque constant is off by this factor. Published sets scale the torque ahead of an
    unchanged limit, which is the same below it."""
    locked_joint: np.ndarray
    """The joint is stuck at its angle in the standing pose, bool, (N, A)."""
    dead_joint: np.ndarray
    """The motor gives no torque, bool, (N, A)."""
    kp_scale: np.ndarray
    """Factor of the position gains, (N,)."""
    kd_scale: np.ndarray
    """Factor of the velocity gains, (N,)."""
    no_load_speed: np.ndarray
    """Joint speed at which a motor has no torque left in the direction of motion, rad/s, (N,);
    infinite: full torque at any speed. See :class:`robo_maxent.perturbations.applier.Applier`."""
    encoder_bias: np.ndarray
    """Angle by which the encoder of a joint reads too high, rad, (N, A). The policy sees it, and
    the position servo acts on it."""
    sensor_noise: np.ndarray
    """Multiple of the sensor noise that the task declares, (N,)."""
    action_delay: np.ndarray
    """Control steps by which an action arrives late, int, (N,)."""
    packet_loss: np.ndarray
    """Probability that the action of a control step is lost, and the last one held, (N,)."""
    gravity_tilt: np.ndarray
    """Rotation of gravity about the world's x and y, rad, (N, 2). The upward axis that the robot
    senses turns with it: to the robot, the ground slopes."""
    push_begin: np.ndarray
    """When each push begins, s, (N, MAX_PUSHES)."""
    push_duration: np.ndarray
    """How long each push acts, s, (N, MAX_PUSHES): rounded to control steps, at least one."""
    push_impulse: np.ndarray
    """Impulse of each push, heading frame, N·s, (N, MAX_PUSHES, 3): x where the robot faces as the
    push begins, z up. A constant force at the trunk's centre of mass; 0: no push."""
    slip_begin: np.ndarray
    """When the ground turns slippery, s, (N,)."""
    slip_duration: np.ndarray
    """For how long, s, (N,), rounded to control steps; 0: it does not."""
    slip_friction: np.ndarray
    """Friction of the feet meanwhile, (N,)."""


NAMES = tuple(field.name for field in fields(Draw))


def nominal(robot: Robot, n: int) -> Draw:
    """N episodes of the robot as it was compiled, undisturbed."""
    joints = len(robot.joints)
    friction = np.full(n, robot.model.geom_friction[robot.foot_geoms[0], 0])
    return Draw(
        foot_friction=friction,
        payload=np.zeros(n),
        com_offset=np.zeros((n, 3)),
        motor_strength=np.ones((n, joints)),
        locked_joint=np.zeros((n, joints), bool),
        dead_joint=np.zeros((n, joints), bool),
        kp_scale=np.ones(n),
        kd_scale=np.ones(n),
        no_load_speed=np.full(n, np.inf),
        encoder_bias=np.zeros((n, joints)),
        sensor_noise=np.zeros(n),
        action_delay=np.zeros(n, np.int64),
        packet_loss=np.zeros(n),
        gravity_tilt=np.zeros((n, 2)),
        push_begin=np.zeros((n, MAX_PUSHES)),
        push_duration=np.zeros((n, MAX_PUSHES)),
        push_impulse=np.zeros((n, MAX_PUSHES, 3)),
        slip_begin=np.zeros(n),
        slip_duration=np.zeros(n),
        slip_friction=friction.copy(),
    )


def differing(draws: Draw, usual: Draw) -> set[str]:
    """Names of the fields in which any episode differs from ``usual``, N rows or one."""
    return {name for name in NAMES if (getattr(draws, name) != getattr(usual, name)[:1]).any()}


def copy_rows(source: Draw, into: Draw, ids: np.ndarray) -> None:
    """Copy some episodes of one draw to the same rows of another."""
    for name in NAMES:
        getattr(into, name)[ids] = getattr(source, name)[ids]


def rows(draws: Draw, ids: np.ndarray) -> Draw:
    """Copies of some episodes of a draw, in this order."""
    return Draw(**{name: getattr(draws, name)[ids] for name in NAMES})


def joined(parts: Sequence[Draw]) -> Draw:
    """The episodes of several draws, one after the other."""
    return Draw(**{name: np.concatenate([getattr(d, name) for d in parts]) for name in NAMES})


def check(draws: Draw, usual: Draw, trunk_mass: float) -> None:
    """Check shapes and values at the door; ``usual`` has the right shapes.

    Raises:
        UsageError: The message says which field, and what is allowed.
    """
    for name in NAMES:
        values, expected = np.asarray(getattr(draws, name)), getattr(usual, name)
        if values.shape != expected.shape:
            raise UsageError(f"{name} must have shape {expected.shape}, got {values.shape}")
        low, high = LIMITS[name]
        if not ((values >= low) & (values <= high)).all():
            bad = values[~((values >= low) & (values <= high))].flat[0]
            raise UsageError(f"{name} must be within [{low:g}, {high:g}], got {bad:g}")
        if expected.dtype.kind in "bi" and (values != values.astype(expected.dtype)).any():
            kind = "true or false" if expected.dtype.kind == "b" else "whole numbers"
            raise UsageError(f"{name} must be {kind}")
    check_payload(float(draws.payload.min()), trunk_mass)


def check_payload(lowest: float, trunk_mass: float) -> None:
    """A trunk keeps at least a tenth of its mass.

    Raises:
        UsageError: It would not.
    """
    if trunk_mass + lowest < 0.1 * trunk_mass:
        raise UsageError(
            f"payload must be at least {-0.9 * trunk_mass:.2f}, nine tenths of the trunk of "
            f"{trunk_mass:.2f} kg, got {lowest:g}"
        )


def recorded(draws: Draw, usual: Draw, sim: int) -> dict[str, Any]:
    """An episode in numbers and lists: its foot friction, and whatever else is not nominal."""
    record: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(draws, name)[sim]
        if name == "foot_friction" or (value != getattr(usual, name)[0]).any():
            record[name] = value.tolist()
    return record


def replayed(records: Sequence[Mapping[str, Any]], robot: Robot) -> Draw:
    """Draws from what :func:`recorded` wrote, one episode each.

    Raises:
        UnknownNameError: A record has a field that no draw has; the message lists those there are.
    """
    draws = nominal(robot, len(records))
    for sim, record in enumerate(records):
        for name, value in record.items():
            if name not in NAMES:
                raise UnknownNameError("perturbation", name, NAMES)
            getattr(draws, name)[sim] = value
    return draws


def require_supported(names: Iterable[str], supported: Iterable[str], task: str) -> None:
    """Check that a task has what is to be changed.

    Raises:
        UsageError: It has not; the message lists what it has.
    """
    known = set(supported)
    missing = sorted(set(names) - known)
    if missing:
        listed = ", ".join(sorted(known)) or "none"
        raise UsageError(f"{task} does not support {', '.join(missing)}. It supports: {listed}.")
