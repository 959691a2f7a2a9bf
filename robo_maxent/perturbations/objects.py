"""What is handled: its shape, size, mass, and the grip on it."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
)
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot

CYLINDER = 1
GRAIN = 1e-4  # m: the shape that an object does not have is so small, at its centre
ROOM = 0.9  # of what the gripper opens, for the widest object


class ObjectShape(Perturbation):
    """Which of the two geoms of an object it is: 0, the box, or 1, the upright cylinder in it.

    Both have the same width, height and mass; the other one is a grain at the centre.
    """

    name = "object_shape"
    title = "Shape of the object"
    summary = "the object is a cylinder"
    severities = (0.0, 1.0)
    is_scale = False
    suites = {"quick": Share(24, 4)}
    ranges: Ranges = {"cylinders": 0.0}  # share of the episodes
    levels = {"default": {"cylinders": 0.5}, "hard": {"cylinders": 0.5}}
    bounds = {"object_shape": (0.0, 1.0)}
    needs = ("objects",)
    in_midst = False
    changes_constants = True  # the bounds in which contacts are looked for

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Boxes."""
        return {"object_shape": np.zeros(len(robot.spec.objects), np.int64)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """It is a share."""
        return {"cylinders": (0.0, 1.0)}

    def varies(self, ranges: Ranges) -> bool:
        """Whether there are cylinders."""
        return ranges["cylinders"] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Each object for itself."""
        return {"object_shape": rng.random(len(robot.spec.objects)) < ranges["cylinders"]}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Fewer cylinders."""
        return {"cylinders": share * ranges["cylinders"]}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Boxes, and cylinders."""
        return (self.axis(phrase="with a cylinder"),)

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """All objects alike."""
        return {"object_shape": np.full(len(plant.robot.spec.objects), int(severity))}

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Let the box and the cylinder change places."""
        robot, is_round = running.robot, running.params["object_shape"][ids] == CYLINDER  # (k, K)
        for number, (box, cylinder) in enumerate(robot.object_geoms.reshape(-1, 2).tolist()):
            sims = ids[is_round[:, number]]
            half = np.tile(robot.object_half[number], (len(sims), 1))
            _resize(running, sims, box, np.full_like(half, GRAIN))
            _resize(running, sims, cylinder, half)
            body = robot.object_bodies[number]
            axes = robot.model.body_iquat[body]
            running.fields["body_inertia"][sims, body] *= rounded(robot.object_half[number], axes)


class ObjectSize(Perturbation):
    """Factor of the width and height of each object, of the same mass; inertia by its square."""

    name = "object_size"
    title = "Size of the object"
    unit = "of its own"
    summary = "the object is larger by this factor"
    noun = "object size"
    severities = (1.0, 1.2, 1.4, 1.6)
    reference = 1.2
    suites = {"quick": Share(24, 4, severities=(1.0, 1.3, 1.6))}
    ranges: Ranges = {"object_size": (1.0, 1.0)}
    levels = {"default": {"object_size": (0.75, 1.25)}, "hard": {"object_size": (0.6, 1.5)}}
    needs = ("objects",)
    in_midst = False
    changes_constants = True  # the bounds in which contacts are looked for

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Its own."""
        return {"object_size": np.ones(len(robot.spec.objects))}

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """A gripper takes what it opens for, with a little room."""
        widest = 3.0
        if robot.fingers is not None:
            widest = ROOM * float(robot.fingers.widest / robot.object_half.max())
        return {"object_size": (0.4, round(widest, 3))}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Each object for itself."""
        return {"object_size": rng.uniform(*ranges["object_size"], size=len(robot.spec.objects))}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """All objects alike."""
        return {"object_size": np.full(len(plant.robot.spec.objects), severity)}

    def combined(self, share: float, robot: Robot) -> float | None:
        """A fifth larger."""
        return 1.0 + 0.2 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale what it has become so far."""
        factor = running.params["object_size"][ids]
        for place, geom in enumerate(running.robot.object_geoms.tolist()):
            half = _half(running, ids, geom)
            _resize(running, ids, geom, factor[:, place // 2, None] * half)
        for number, body in enumerate(running.robot.object_bodies.tolist()):
            running.fields["body_inertia"][ids, body] *= factor[:, number, None] ** 2


class ObjectMass(Perturbation):
    """Mass of each object, kg; its inertia goes in proportion."""

    name = "object_mass"
    title = "Mass of the object"
    unit = "kg"
    summary = "the object is heavier"
    noun = "object mass"
    severities = (0.1, 0.3, 0.5, 0.75, 1.0, 1.5)
    reference = 0.5
    suites = {"quick": Share(24, 4, severities=(0.1, 0.5, 1.0))}
    ranges: Ranges = {"object_mass": None}  # its own, kg
    levels = {"default": {"object_mass": (0.05, 0.3)}, "hard": {"object_mass": (0.03, 0.6)}}
    bounds = {"object_mass": (0.005, 5.0)}
    needs = ("objects",)
    changes_constants = True

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Its own."""
        return {"object_mass": robot.model.body_mass[robot.object_bodies].copy()}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Each object for itself, uniform in the logarithm."""
        low, high = np.log(ranges["object_mass"])
        return {"object_mass": np.exp(rng.uniform(low, high, len(robot.spec.objects)))}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """The same: its nominal value is the object's own."""
        return ranges

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """All objects alike."""
        return {"object_mass": np.full(len(plant.robot.spec.objects), severity)}

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Scale mass and inertia."""
        mass, inertia = running.fields["body_mass"], running.fields["body_inertia"]
        for number, body in enumerate(running.robot.object_bodies.tolist()):
            wanted = running.params["object_mass"][ids, number]
            inertia[ids, body] *= (wanted / mass[ids, body])[:, None]
            mass[ids, body] = wanted


def rounded(half: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Moments of inertia of a cylinder over those of the box around it, of equal mass, (3,).

    Args:
        half: Half-sizes of the box, m, (3,); the cylinder stands along z.
        axes: Orientation of the principal axes that the moments are about, quaternion w x y z.
    """
    x, y, z = half**2
    across = (3.0 * x + 4.0 * z) / 12.0
    ratio = np.array([across, across, x / 2.0]) / (np.array([y + z, x + z, x + y]) / 3.0)
    mujoco.mju_quat2Mat(turn := np.zeros(9), axes)
    return ratio @ turn.reshape(3, 3) ** 2


def _half(running: Running, ids: np.ndarray, geom: int) -> np.ndarray:
    """Half-sizes of a geom along x, y and z as it is now, m, (k, 3)."""
    size = running.fields["geom_size"][ids, geom]
    return size if _is_box(running, geom) else size[:, [0, 0, 1]]


def _resize(running: Running, ids: np.ndarray, geom: int, half: np.ndarray) -> None:
    """Give a box or a cylinder half-sizes, m, (k, 3); its bounds follow with the constants."""
    size = half if _is_box(running, geom) else half[:, [0, 2, 2]] * [1.0, 1.0, 0.0]
    running.fields["geom_size"][ids, geom] = size


def _is_box(running: Running, geom: int) -> bool:
    return bool(running.robot.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX.value)
