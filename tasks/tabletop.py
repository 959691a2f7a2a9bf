"""The top of a table: how high it is where, how an object lies on it, and where both are put.

Numbers are those of the shipped arm. For another arm, places go with its size; what has to do with
the objects themselves, such as distances to them, stays as it is.
"""

from dataclasses import dataclass

import numpy as np

from robo_maxent.sim.rotations import product, turned

OBJECTS = np.array([[0.40, -0.20], [0.62, 0.20]])
"""Corners of where objects and goals are put, world x and y, m, (2, 2)."""
FALLEN = 0.12  # m below the table: an object that low is lost
CLEARANCE = (0.10, 0.35)  # m of the hand above the table, where an episode begins with it aside


@dataclass(frozen=True)
class Surface:
    """The top of the table in one episode, which is a plane."""

    middle: np.ndarray
    """Middle of the top, world frame, m, (3,)."""
    orientation: np.ndarray
    """Unit quaternion w x y z, (1, 4)."""

    @property
    def normal(self) -> np.ndarray:
        """Unit vector that points away from the table, (3,)."""
        return turned(self.orientation, np.array([[0.0, 0.0, 1.0]]))[0]

    @property
    def highest(self) -> "Surface":
        """The plane that the hand begins above; here the surface itself."""
        return self

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the top, world frame, m, of the shape of x and y."""
        a, b, c = self.normal
        return self.middle[2] - (a * (x - self.middle[0]) + b * (y - self.middle[1])) / c

    def lying(
        self, place: np.ndarray, above: float, facing: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pose of an object that lies on the table: position, (3,), and quaternion, (4,).

        Args:
            place: World x and y, m.
            above: From the surface to the middle of the object, along the normal, m.
            facing: Turn about the normal, rad.
        """
        on = np.append(place, self.height(place[0], place[1]))
        turn = np.array([[np.cos(facing / 2.0), 0.0, 0.0, np.sin(facing / 2.0)]])
        return on + above * self.normal, product(self.orientation, turn)[0]
