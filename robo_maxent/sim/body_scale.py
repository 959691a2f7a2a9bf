"""How large and how heavy a robot is, over the quadruped that lengths, speeds and masses are for.

Two walkers of different size move alike where their Froude number v²/(g L) is the same (Alexander
1984, "The gaits of bipedal and quadrupedal animals"): lengths go with the leg length L, speeds with
its square root, and rates, which are inverse times, with the inverse of that.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robo_maxent.sim.robot import Robot

REFERENCE_MASS = 12.74
"""kg, of the quadruped that masses and impulses are given for; see :func:`mass_scale`."""
REFERENCE_LEG = 0.426
"""m, from its thigh joint to the centre of its foot, the leg straight."""


def mass_scale(robot: Robot) -> float:
    """Mass of a robot over that of the reference, by which payloads and pushes are scaled."""
    return round(robot.mass / REFERENCE_MASS, 2)


def size_scale(robot: Robot) -> float:
    """Length of a robot's legs over that of the reference; 1 of robots without legs."""
    return round(robot.leg_length / REFERENCE_LEG, 2) or 1.0


@dataclass(frozen=True)
class BodyScale:
    """By how much the quantities of a robot differ from those of the reference; 1 each there."""

    size: float
    """Of lengths."""
    mass: float
    """Of masses and forces."""

    @classmethod
    def of(cls, robot: Robot) -> "BodyScale":
        """That of a robot; 1 each where it has no legs."""
        return cls(size_scale(robot), mass_scale(robot)) if robot.leg_length else cls(1.0, 1.0)

    @cached_property
    def speed(self) -> float:
        """Of speeds."""
        return float(np.sqrt(self.size))

    @cached_property
    def rate(self) -> float:
        """Of frequencies and angular velocities."""
        return 1.0 / self.speed

    @property
    def torque(self) -> float:
        """Of torques."""
        return self.mass * self.size
