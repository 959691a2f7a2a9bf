"""Scale of a robot's size and mass relative to the reference quadruped.

Two walkers of different size move alike where their Froude number v²/(g L) is the same (Alexander
1984, "The gaits of bipedal and quadrupedal animals"): lengths go with the leg length L, speeds with
its square root, and rates, which are inverse times, with the inverse of that.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robo_maxent.sim.robot import Robot

REFERENCE_MASS = 12.74
"""Mass of the quadruped for which masses and impulses are given, kg; see :func:`mass_scale`."""
REFERENCE_LEG = 0.426
"""Length of its straight leg, from the thigh joint to the centre of the foot, m."""


def mass_scale(robot: Robot) -> float:
    """Mass of a robot relative to the reference, by which payloads and pushes are scaled."""
    return round(robot.mass / REFERENCE_MASS, 2)


def size_scale(robot: Robot) -> float:
    """Leg length of a robot relative to the reference; 1 for robots without legs."""
    return round(robot.leg_length / REFERENCE_LEG, 2) or 1.0


@dataclass(frozen=True)
class BodyScale:
    """Factors of a robot's quantities relative to the reference, for which all are 1."""

    size: float
    """Factor of lengths."""
    mass: float
    """Factor of masses and forces."""

    @classmethod
    def of(cls, robot: Robot) -> "BodyScale":
        """Scale of a robot; all factors are 1 if it has no legs."""
        return cls(size_scale(robot), mass_scale(robot)) if robot.leg_length else cls(1.0, 1.0)

    @cached_property
    def speed(self) -> float:
        """Factor of speeds."""
        return float(np.sqrt(self.size))

    @cached_property
    def rate(self) -> float:
        """Factor of frequencies and angular velocities."""
        return 1.0 / self.speed

    @property
    def torque(self) -> float:
        """Factor of torques."""
        return self.mass * self.size
