"""Effects on the mass of the base: payload, and shift of the centre of mass."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    ScalarEffect,
    Share,
    Values,
    angle_of,
    horizontal,
)
from robo_maxent.sim.body_scale import mass_scale, size_scale
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot

PAYLOAD_BOX = np.array([0.20, 0.12, 0.10])
"""Edges of the box that a payload is, of even density, m, on a robot of the reference mass."""
HEAVY = 3.0
"""kg, a quarter of the reference robot."""
PAYLOAD_AT = np.array([0.0, 0.0, 0.105])
"""Centre of the box, base frame, m: on the back of a trunk that is 0.11 m thick."""
LEAST_SHARE = 0.1
"""Least share of its mass that a base keeps under a negative payload."""
BODY = ("body_mass", "body_ipos", "body_inertia", "body_iquat")
"""Model fields that describe the inertia of a body."""


class CentreOfMass(Perturbation):
    """Shift of the centre of mass of the base, base frame, m; it scales with the leg length."""

    name = "com"
    title = "Shifted centre of mass"
    unit = "m"
    summary = "the centre of mass of the trunk is off, in any horizontal direction"
    severities = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1)
    reference = 0.04
    suites = {"quick": Share(24, 4, severities=(0.0, 0.04, 0.1))}
    ranges: Ranges = {"com_offset": (0.0, 0.0)}  # m, along each axis
    levels = {
        "default": {"com_offset": (-0.03, 0.03)},  # mjlab 1.6 has 0.025 to 0.03, Isaac Lab 0.05
        "hard": {"com_offset": (-0.05, 0.05)},  # DreamWaQ, HIMLoco, Isaac Lab
    }
    bounds = {"com_offset": (-0.2, 0.2)}  # about the length of the trunk
    needs = ("base",)
    changes_constants = True

    def level(self, name: str, robot: Robot) -> Ranges:
        """Ranges scaled to the size of the robot."""
        return _scaled_ranges(self.levels.get(name, {}), size_scale(robot))

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Severities scaled to the size of the robot."""
        return (scaled_axis(self.axis(), size_scale(robot)),)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """No shift."""
        return {"com_offset": np.zeros(3)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform along each axis."""
        return {"com_offset": rng.uniform(*ranges["com_offset"], size=3)}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """A shift of that size in a random horizontal direction."""
        offset = horizontal(severity, rng.uniform(-np.pi, np.pi))
        return {"com_offset": np.append(offset, 0.0)}

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Direction of the shift, base frame."""
        return angle_of(params.get("com_offset"))

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Shift it."""
        base = running.robot.base_body
        running.fields["body_ipos"][ids, base] += running.params["com_offset"][ids]


class Payload(ScalarEffect):
    """Mass added on the back of the base, kg; negative: a base that is lighter by so much.

    Its inertia goes in proportion. The mass scales with that of the robot, and the box with its
    cube root.
    """

    name = parameter = "payload"
    title = "Payload"
    unit = "kg"
    summary = "a mass on the back"
    severities = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0)
    reference = HEAVY
    suites = {
        "quick": Share(24, 4, severities=(0.0, 3.0, 7.0)),
        "full": Share(64, 10),
    }
    ranges: Ranges = {"payload": (0.0, 0.0)}  # kg
    levels = {
        "default": {"payload": (-1.0, 2.0)},  # HIMLoco, DreamWaQ
        "hard": {"payload": (-1.0, 5.0)},  # RMA has 0 to 6
    }
    realized = ("total_mass",)
    needs = ("base",)
    changes_constants = True

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """A base keeps a tenth of its mass."""
        own = float(robot.model.body_mass[robot.base_body])
        lowest = max(-2.0 * mass_scale(robot), (LEAST_SHARE - 1.0) * own)
        return {"payload": (lowest, 20.0 * mass_scale(robot))}

    def level(self, name: str, robot: Robot) -> Ranges:
        """Ranges scaled to the mass of the robot."""
        return _scaled_ranges(self.levels.get(name, {}), mass_scale(robot))

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Severities scaled to the mass of the robot."""
        return (scaled_axis(self.axis(), mass_scale(robot)),)

    def combined(self, share: float, robot: Robot) -> float | None:
        """A quarter of the reference robot."""
        return HEAVY * mass_scale(robot) * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Add the payload to the inertia of the base."""
        base, size = running.robot.base_body, mass_scale(running.robot) ** (1 / 3)
        mass, centre, inertia, axes = (running.fields[name] for name in BODY)
        payload = running.params["payload"]
        for sim in ids[payload[ids] != 0.0]:
            mass[sim, base], centre[sim, base], inertia[sim, base], axes[sim, base] = loaded(
                float(mass[sim, base]),
                centre[sim, base],
                inertia[sim, base],
                axes[sim, base],
                float(payload[sim]),
                size,
            )

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Read back the mass of the whole robot, kg."""
        running.realized["total_mass"][ids] = running.fields.read("body_mass", ids).sum(axis=1)


def loaded(
    mass: float,
    centre: np.ndarray,
    inertia: np.ndarray,
    axes: np.ndarray,
    payload: float,
    size: float = 1.0,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Inertia of a base with a payload.

    Args:
        mass: Of the base, kg.
        centre: Its centre of mass, base frame, m, (3,).
        inertia: Its principal moments, kg m², (3,).
        axes: Orientation of its principal axes in the base frame, quaternion w x y z, (4,).
        payload: Mass of the box on its back, kg. Negative: the base is lighter by so much.
        size: Of the box and its distance, over those on the reference robot.

    Returns:
        The same four of both together.
    """
    if payload <= 0.0:
        share = (mass + payload) / mass
        return mass + payload, centre, share * inertia, axes
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, axes)
    turn = matrix.reshape(3, 3)
    total, at = mass + payload, size * PAYLOAD_AT
    apart = at - centre
    edges = (size * PAYLOAD_BOX) ** 2
    box = payload / 12.0 * np.diag(edges.sum() - edges)
    # Parallel-axis theorem for two bodies: their reduced mass at the distance between them.
    between = mass * payload / total * (apart @ apart * np.eye(3) - np.outer(apart, apart))
    moments, vectors = np.linalg.eigh(turn @ np.diag(inertia) @ turn.T + box + between)
    if np.linalg.det(vectors) < 0.0:
        vectors[:, 0] *= -1.0
    mujoco.mju_mat2Quat(quaternion := np.zeros(4), vectors.ravel())
    return total, (mass * centre + payload * at) / total, moments, quaternion


def _scaled_ranges(ranges: Ranges, scale: float) -> Ranges:
    return {name: (scale * low, scale * high) for name, (low, high) in ranges.items()}


def scaled_axis(axis: Axis, scale: float) -> Axis:
    """An axis with all severities in proportion to a robot."""
    assert axis.reference is not None
    shares = {
        suite: replace(share, severities=_scaled(share.severities, scale))
        if share.severities
        else share
        for suite, share in axis.suites.items()
    }
    severities = _scaled(axis.severities, scale)
    return replace(axis, severities=severities, reference=axis.reference * scale, suites=shares)


def _scaled(severities: tuple[float, ...], scale: float) -> tuple[float, ...]:
    return tuple(scale * severity for severity in severities)
