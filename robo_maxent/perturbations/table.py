"""The table that objects lie on: how it stands, and how slippery it is."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import (
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    ScalarEffect,
    Share,
    Values,
    horizontal,
)
from robo_maxent.sim.robot import ManipulationState, Robot, RobotState
from robo_maxent.sim.rotations import product, turned


class TableTilt(Perturbation):
    """Rotation of the table about a horizontal axis through the middle of its top, rad."""

    name = "table_tilt"
    title = "Tilted table"
    unit = "rad"
    summary = "the table is tilted, in any direction"
    severities = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
    reference = 0.1
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.2))}
    bounds = {"table_tilt": (-0.5, 0.5)}
    ranges: Ranges = {"table_tilt": (0.0, 0.0)}  # rad, about any horizontal axis
    levels = {"default": {"table_tilt": (0.0, 0.15)}, "hard": {"table_tilt": (0.0, 0.25)}}  # chosen
    needs = ("table",)
    in_midst = False
    changes_constants = True  # MuJoCo ignores the orientation of a geom that was compiled level

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Level."""
        return {"table_tilt": np.zeros(2)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Its size, which is not negative."""
        return {"table_tilt": (0.0, 0.5)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform in size and direction."""
        tilt, direction = rng.uniform(*ranges["table_tilt"]), rng.uniform(-np.pi, np.pi)
        return {"table_tilt": horizontal(tilt, direction)}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """So much about any axis."""
        return {"table_tilt": horizontal(severity, rng.uniform(-np.pi, np.pi))}

    def combined(self, share: float, robot: Robot) -> float | None:
        """Six degrees."""
        return 0.1 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Turn it about the middle of its top."""
        table, turn = running.robot.table, rotation(running.params["table_tilt"][ids])
        half = running.robot.model.geom_size[table, 2]
        position, quat = running.fields["geom_pos"], running.fields["geom_quat"]
        down = np.array([0.0, 0.0, -half])
        position[ids, table] += turned(turn, np.tile(down, (len(ids), 1))) - down
        quat[ids, table] = product(turn, quat[ids, table])


class TableHeight(ScalarEffect):
    """How much higher the table stands, m."""

    name = parameter = "table_height"
    title = "Table height"
    unit = "m"
    summary = "the table stands higher by so much"
    severities = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1)
    reference = 0.04
    suites = {"quick": Share(24, 4, severities=(0.0, 0.04, 0.08))}
    bounds = {"table_height": (-0.15, 0.15)}
    ranges: Ranges = {"table_height": (0.0, 0.0)}  # m
    levels = {"default": {"table_height": (-0.04, 0.04)}, "hard": {"table_height": (-0.08, 0.08)}}
    needs = ("table",)
    in_midst = False
    changes_constants = True  # the bounds in which contacts are looked for

    def combined(self, share: float, robot: Robot) -> float | None:
        """4 cm."""
        return 0.04 * share

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Raise it."""
        height = running.params["table_height"][ids]
        running.fields["geom_pos"][ids, running.robot.table, 2] += height


class TableFriction(ScalarEffect):
    """Sliding friction coefficient between objects and the table."""

    name = parameter = "table_friction"
    title = "Table friction"
    summary = "friction between the object and the table"
    severities = (0.6, 0.5, 0.4, 0.3, 0.2)
    reference = 0.4
    suites = {"quick": Share(24, 4, severities=(0.6, 0.4, 0.2))}
    bounds = {"table_friction": (0.01, 3.0)}
    ranges: Ranges = {"table_friction": None}  # the table's own
    levels = {
        "default": {"table_friction": (0.3, 0.9)},  # plastic on steel to rubber on wood
        "hard": {"table_friction": (0.15, 1.2)},
    }
    needs = ("table", "objects")

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """The table's own."""
        return {"table_friction": np.array(float(robot.model.geom_friction[robot.table, 0]))}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """The same: its nominal value is the table's own."""
        return ranges

    def combined(self, share: float, robot: Robot) -> float | None:
        """Down to two thirds."""
        return float(robot.model.geom_friction[robot.table, 0]) * (1.0 - share / 3.0)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Set it."""
        set_friction(running, ids, running.params["table_friction"][ids])


class SlipperyPatches(Perturbation):
    """A table like a chess board, of which the objects slide easily on every other square.

    The friction of an object is that of the square that its centre is over.
    """

    name = "slippery_patches"
    title = "Slippery patches"
    unit = "of the friction"
    summary = "every other square of the table, 8 cm wide, has less friction"
    noun = "friction of patches"
    severities = (1.0, 0.5, 0.3, 0.15, 0.05)
    reference = 0.5
    bounds = {"patch_friction": (0.01, 10.0), "patch_pattern": (-10.0, 10.0)}
    ranges: Ranges = {"patch_friction": (1.0, 1.0)}  # times that of the table
    levels = {"hard": {"patch_friction": (0.3, 1.0)}}  # chosen
    needs = ("table", "objects")
    side = 0.08  # m

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """As elsewhere; where the squares are: a corner of one, m, (2,), and their turn, rad."""
        return {"patch_friction": np.array(1.0), "patch_pattern": np.zeros(3)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Of the friction; squares may be anywhere."""
        return {"patch_friction": self.bounds["patch_friction"]}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform, anywhere."""
        factor = rng.uniform(*ranges["patch_friction"])
        return {"patch_friction": factor, "patch_pattern": self._anywhere(rng)}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """So much of the table's friction."""
        pattern = self._anywhere(rng)
        return {"patch_friction": severity, "patch_pattern": pattern} if severity != 1.0 else {}

    def combined(self, share: float, robot: Robot) -> float | None:
        """Down to half."""
        return 1.0 - share / 2.0

    def prepare(self, running: Running) -> None:
        """Remember the friction of the table, and which objects are over such a square."""
        n = len(running.key)
        running.memory["friction"], running.memory["over"] = np.zeros(n), np.zeros(n, bool)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up the friction that the table has."""
        friction = running.fields.read("geom_friction", ids)[:, running.robot.table, 0]
        running.memory["friction"][ids], running.memory["over"][ids] = friction, False

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Change the friction of objects that came to another square."""
        assert isinstance(state, ManipulationState)
        factor, over = running.params["patch_friction"], running.memory["over"]
        now = self.covers(running.params["patch_pattern"], state.object_position[:, 0, :2])
        ids = np.flatnonzero((now != over) & (factor != 1.0))
        if ids.size:
            over[ids] = now[ids]
            own = running.memory["friction"][ids]
            set_friction(running, ids, np.where(now[ids], factor[ids] * own, own))

    def covers(self, pattern: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Whether places, world frame, m, (N, 2), are on slippery squares, bool, (N,)."""
        x, y = (places - pattern[:, :2]).T
        cos, sin = np.cos(pattern[:, 2]), np.sin(pattern[:, 2])
        along, across = (cos * x + sin * y) / self.side, (cos * y - sin * x) / self.side
        return (np.floor(along) + np.floor(across)) % 2.0 == 1.0

    def _anywhere(self, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0.0, [2.0 * self.side, 2.0 * self.side, np.pi / 2.0])


def set_friction(running: Running, ids: np.ndarray, friction: np.ndarray) -> None:
    """Set that of the table and of the objects, (k,), of which the rougher would decide."""
    fields = running.fields["geom_friction"]
    for geom in (running.robot.table, *running.robot.object_geoms.tolist()):
        fields[ids, geom, 0] = friction


def rotation(tilt: np.ndarray) -> np.ndarray:
    """Quaternions w x y z, (N, 4), of rotation vectors in the horizontal plane, rad, (N, 2)."""
    angle = np.sqrt(tilt[:, 0] ** 2 + tilt[:, 1] ** 2)
    axis = tilt / np.where(angle == 0.0, 1.0, angle)[:, None]
    sine = np.sin(angle / 2.0)
    zero = np.zeros_like(angle)
    return np.stack([np.cos(angle / 2.0), sine * axis[:, 0], sine * axis[:, 1], zero], axis=1)
