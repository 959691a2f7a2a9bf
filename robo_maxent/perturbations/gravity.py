"""An effect that tilts gravity."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robo_maxent.perturbations.base import (
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
    horizontal,
)
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import LeggedState, Robot, RobotState
from robo_maxent.sim.rotations import to_base

UPWARD = np.array([0.0, 0.0, 1.0])


class GravityTilt(Perturbation):
    """Rotation of gravity about the world's x and y, rad.

    The upward axis that a robot on a floating base senses turns with it: to the robot, the ground
    slopes.
    """

    name = "gravity_tilt"
    title = "Tilted gravity"
    unit = "rad"
    summary = "gravity is tilted: to the robot, the ground slopes"
    severities = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
    reference = 0.1
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.3))}
    bounds = {"gravity_tilt": (-1.0, 1.0)}
    ranges: Ranges = {"gravity_tilt": (0.0, 0.0)}  # rad, about any horizontal direction
    levels = {
        # Walk-These-Ways has up to 1 m/s2 on each axis: 0.1 rad.
        "hard": {"gravity_tilt": (0.0, 0.1)}
    }
    needs = ("model",)

    def lacking(self, robot: Robot) -> str | None:
        """The model must have gravity."""
        option = robot.model.opt
        is_off = option.disableflags & mujoco.mjtDisableBit.mjDSBL_GRAVITY.value
        weightless = bool(is_off) or not option.gravity.any()
        return super().lacking(robot) or ("no weight" if weightless else None)

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Gravity straight down."""
        return {"gravity_tilt": np.zeros(2)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """The range is of the size, which is not negative."""
        return {"gravity_tilt": (0.0, 1.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform size and direction."""
        tilt, direction = rng.uniform(*ranges["gravity_tilt"]), rng.uniform(-np.pi, np.pi)
        return {"gravity_tilt": np.array([tilt * np.cos(direction), tilt * np.sin(direction)])}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """A tilt of that size in a random direction."""
        return {"gravity_tilt": horizontal(severity, rng.uniform(-np.pi, np.pi))}

    def prepare(self, running: Running) -> None:
        """Remember the axis against gravity, world frame."""
        running.memory["against_gravity"] = np.tile(UPWARD, (len(running.key), 1))

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Tilt gravity."""
        tilt = running.params["gravity_tilt"][ids]
        running.fields["opt.gravity"][ids] = tilted(running.robot.model.opt.gravity, tilt)
        running.memory["against_gravity"][ids] = tilted(UPWARD, tilt)

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """Turn the upward axis that is sensed."""
        if not isinstance(state, LeggedState):
            return state
        ids = np.flatnonzero(running.params["gravity_tilt"].any(axis=1))
        up, against = state.up.copy(), running.memory["against_gravity"][ids]
        up[ids] = to_base(state.base_orientation[ids], against)
        return replace(state, up=up)


def tilted(gravity: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """Gravity, (3,), turned about the horizontal vectors ``tilt``, rad, (k, 2): (k, 3)."""
    angle = np.sqrt(tilt[:, 0] ** 2 + tilt[:, 1] ** 2)
    still = angle == 0.0
    x, y = (tilt / np.where(still, 1.0, angle)[:, None]).T
    c, s, along = np.cos(angle), np.sin(angle), x * gravity[0] + y * gravity[1]
    turned = np.stack(
        [
            c * gravity[0] + s * y * gravity[2] + (1 - c) * along * x,
            c * gravity[1] - s * x * gravity[2] + (1 - c) * along * y,
            c * gravity[2] + s * (x * gravity[1] - y * gravity[0]),
        ],
        axis=1,
    )
    return np.where(still[:, None], gravity, turned)
