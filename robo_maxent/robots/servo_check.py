"""Checks that the servos of a page can move its robot.

What is proposed can; this is for pages that were changed, where a unit or a comma is easily wrong.
The bounds lie far outside of what robots have.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import RobotError

RATES = (1.0, 500.0)
"""1/s, at which a joint swings on its servo: the root of stiffness over inertia. A time step of
4 ms follows no faster one, and a softer one does not get anywhere in an episode."""
DAMPING_TIME = 3.0
"""s, damping over stiffness, at most: so long a joint takes to where it is told to go."""
ACCELERATIONS = (1.0, 1e6)
"""What a joint may be accelerated by, in its unit over s²: the most that its motor gives over
inertia. The shipped robots have 44 to 2,400 rad/s²."""


@dataclass(frozen=True)
class Servos:
    """Of J joints, with the inertia that each moves."""

    key: str
    """Table of the page that has them."""
    names: Sequence[str]
    kp: np.ndarray
    kd: np.ndarray
    most: np.ndarray
    """The most that each gives, N·m or N."""
    most_key: str
    """What the page calls that."""
    inertia: np.ndarray
    """kg m², or kg of a slide."""


def check_servos(robot: str, servos: Servos) -> None:
    """Refuse servos that could not move a robot, or no simulation could follow.

    Args:
        robot: Its name, for the message.
        servos: Those of its page.

    Raises:
        RobotError: There is such a joint; the message has what its page may say.
    """
    kp, kd, inertia = (np.asarray(x, float) for x in (servos.kp, servos.kd, servos.inertia))
    stiff = np.square(RATES)[:, None] * inertia  # (2, J)
    strong = np.array(ACCELERATIONS)[:, None] * inertia
    slow = np.stack([np.zeros_like(kp), DAMPING_TIME * kp])
    for key, values, allowed in (
        ("kp", kp, stiff),
        ("kd", kd, slow),
        (servos.most_key, np.asarray(servos.most, float), strong),
    ):
        wrong = np.flatnonzero((values < allowed[0]) | (values > allowed[1]))
        if len(wrong):
            first = int(wrong[0])
            low, high = allowed[:, first]
            raise RobotError(
                f"{servos.key}.{key} of {robot} is {values[first]:g} for {servos.names[first]}, "
                f"which moves an inertia of {inertia[first]:.2g}: it must be within {low:.2g} and "
                f"{high:.2g}. Is the unit right? Mend the page, or write another: "
                "robo-maxent robot check FILE"
            )
