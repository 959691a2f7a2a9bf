"""Parts of a compiled model by their names, and where their values stand in its arrays."""

from collections.abc import Sequence

import numpy as np

from robo_maxent.errors import RobotError
from robo_maxent.sim.physics import mujoco

Columns = slice | np.ndarray
"""Indices of elements in the rows of a batch: a slice, which gives views, if they are adjacent."""


def number_of(model: mujoco.MjModel, kind: str, name: str) -> int:
    """Number of a part in its model.

    Args:
        model: Compiled model of a robot.
        kind: What MuJoCo calls such parts: ``body``, ``joint``, ``geom``, ``key``, ...
        name: Name of the part.

    Raises:
        RobotError: There is no such part; the message lists those there are.
    """
    count = getattr(model, "njnt" if kind == "joint" else f"n{kind}")
    names = [getattr(model, kind)(index).name for index in range(count)]
    if name not in names:
        known = ", ".join(n for n in names if n) or "none"
        raise RobotError(f"The robot has no {kind} named {name!r}. It has: {known}.")
    return names.index(name)


def numbers_of(model: mujoco.MjModel, kind: str, names: Sequence[str]) -> np.ndarray:
    """Numbers of several parts, in the order of the names, int, (parts,).

    Raises:
        RobotError: One is missing; see :func:`number_of`.
    """
    return np.array([number_of(model, kind, name) for name in names], int)


def mocap_number(model: mujoco.MjModel, what: str, body: str) -> int:
    """Number of a body among the mocap bodies; ``what`` says what it is, for a message.

    Raises:
        RobotError: There is no such body, or it is no mocap body.
    """
    mocap = int(model.body_mocapid[number_of(model, "body", body)])
    if mocap < 0:
        raise RobotError(f"The {what} {body!r} must be a mocap body.")
    return mocap


def free_joints(
    model: mujoco.MjModel, what: str, bodies: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the free joints of bodies begin in generalized position and velocity, int, (K,) each.

    Args:
        model: Compiled model of a robot.
        what: What the bodies are, for a message.
        bodies: Their numbers, int, (K,).

    Raises:
        RobotError: One has another joint, or none.
    """
    joints = model.body_jntadr[bodies]
    for body, joint in zip(bodies.tolist(), joints.tolist(), strict=True):
        if joint < 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE.value:
            raise RobotError(f"The {what} {model.body(body).name!r} must have a free joint.")
    return model.jnt_qposadr[joints], model.jnt_dofadr[joints]


def sensor_columns(model: mujoco.MjModel, sensors: Sequence[str]) -> Columns:
    """Where the values of sensors stand, one sensor after the other.

    Raises:
        RobotError: A sensor is missing; see :func:`number_of`.
    """
    parts = [
        model.sensor_adr[sensor] + np.arange(model.sensor_dim[sensor])
        for sensor in numbers_of(model, "sensor", sensors).tolist()
    ]
    return columns_of(np.concatenate([np.empty(0, int), *parts]))


def columns_of(addresses: np.ndarray) -> Columns:
    """Addresses as columns of a batch: a slice where one follows the other."""
    if not len(addresses):
        return slice(0, 0)
    first, last = int(addresses[0]), int(addresses[-1])
    adjoin = np.array_equal(addresses, np.arange(first, last + 1))
    return slice(first, last + 1) if adjoin else np.asarray(addresses)
