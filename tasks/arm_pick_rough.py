"""Pick an object up from a table with bumps, steps or grooves, and bring it to a goal.

What differs from ``arm-pick``: the table is one of a pool of height fields, at different heights
but never tilted, and an object may lie askew. A policy does not see the surface, only how the
object lies on it; the critic sees the surface around the object.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from robo_maxent.envs.task import Initial
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.perturbations.table import TableTilt
from robo_maxent.sim.robot import ManipulationState
from robo_maxent.sim.rotations import yaw
from robo_maxent.sim.table_surfaces import TABLE
from robo_maxent.sim.terrain_pool import TerrainPool, origin
from robo_maxent.spaces import Field
from robo_maxent.tasks.arm import EFFECTS, VARIED, Handling
from robo_maxent.tasks.arm_observation import SEEN, TRUTH
from robo_maxent.tasks.arm_pick import ArmPick
from robo_maxent.tasks.tabletop import Surface

KINDS = tuple(kind for kind in TABLE.trained if kind != "flat")  # at level 0 all are nearly flat

RANGES = {name: given for name, given in VARIED.items() if name != "table_tilt"}

DROP = 0.002  # m that an object falls when it is let go above the highest point below it
# Points of the lower side of an object that are compared with the surface, in half-widths. Below
# the largest object they are 1 mm apart, and no surface rises by DROP between two of them.
SIDE = np.linspace(-1.0, 1.0, 61)

# Points of the surface that the critic sees, from the object, m: ahead, to the left.
AROUND = np.stack(np.meshgrid([-0.04, 0.0, 0.04], [-0.04, 0.0, 0.04], indexing="ij"), axis=2)
AROUND = AROUND.reshape(-1, 2)
_FLIP = tuple(np.arange(len(AROUND)).reshape(3, 3)[:, ::-1].ravel().tolist())


@dataclass(frozen=True)
class Uneven(Surface):
    """The top of a table that is a patch of the pool."""

    pool: TerrainPool
    patch: int

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the surface, world frame, m, of the shape of x and y."""
        place = (np.reshape(p - c, (1, -1)) for p, c in zip((x, y), self.middle, strict=False))
        above = self.pool.height(np.array([self.patch]), *place)
        return self.middle[2] + above.reshape(np.shape(x))

    @property
    def highest(self) -> Surface:
        """The level plane through its highest point."""
        top = float(self.pool.heights[self.patch].max())
        return Surface(self.middle + np.array([0.0, 0.0, top]), self.orientation)


class ArmPickRough(ArmPick):
    """Bring the object to the goal, from a table with an uneven surface."""

    name = "arm-pick-rough"
    summary = "the same from a table with bumps, steps or grooves, which it can't see"
    perturbations = tuple(effect for effect in EFFECTS if not isinstance(effect, TableTilt))
    default_randomization = RANGES
    observation = (
        *SEEN,
        *(part for part in TRUTH if part.name != "slope of the table"),
        Field(
            "surface around the object, from its middle",
            "m",
            len(AROUND),
            (1,) * len(AROUND),
            _FLIP,
            privileged=True,
        ),
    )

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
        kinds: Sequence[str] = KINDS,
        level: int | None = None,
    ) -> None:
        """Build the world.

        Args:
            robot_file: MJCF of a robot with the names of ``arm.xml``; None: that robot.
            randomization: What differs between episodes: ranges, or the name of a level.
            kinds: Kinds of table, see ``robo-maxent terrain --table``.
            level: Of every episode, from 0 to 10; None: any.
        """
        terrain = TerrainPool(kinds, catalogue=TABLE)
        if level is not None:
            terrain.index(terrain.kinds[0], level, 0)  # which checks it
        super().__init__(robot_file, randomization, terrain)
        self.level = level

    @cached_property
    def middle(self) -> np.ndarray:
        """Middle of the table before effects raise or lower it, world frame, m, (3,)."""
        return origin(self.robot.model, self.pool)

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task on tables of any level, undisturbed."""
        other = super().trial(terrain)
        other.level = None
        return other

    def surface(self, episode: Handling, sim: int) -> Uneven:
        """The top of the table in an episode whose parameters are set."""
        raised = np.array([0.0, 0.0, episode.params["table_height"][sim]])
        level = np.array([[1.0, 0.0, 0.0, 0.0]])
        return Uneven(self.middle + raised, level, self.pool, int(episode.patch[sim]))

    def reset(self, episode: Handling, sim: int, rng: np.random.Generator) -> Initial:
        """Begin as ``arm-pick`` does, and lift an object that would begin inside the surface."""
        initial = super().reset(episode, sim, rng)
        pose = initial.qpos[self.robot.object_qpos[0] :][:7]  # a view
        half = self.half_height(episode, sim)
        lowest = self._highest_below(self.surface(episode, sim), pose, half) + half + DROP
        pose[2] = episode.object[sim, 2] = max(pose[2], lowest)
        return initial

    def table_parts(self, episode: Handling, state: ManipulationState) -> list[np.ndarray]:
        """What critics see of the tables, (N, ...) each."""
        thing, params = state.object_position[:, 0], episode.params
        x, y = (thing[:, axis, None] - self.middle[axis] + AROUND[:, axis] for axis in (0, 1))
        raised, friction = params["table_height"][:, None], params["table_friction"][:, None]
        top = self.middle[2] + raised + self.pool.height(episode.patch, x, y)
        return [raised, friction, top - thing[:, 2:]]  # 1, 1, 9

    def _highest_below(self, surface: Uneven, pose: np.ndarray, half: float) -> float:
        """Highest point of the surface below an upright object, m."""
        facing = yaw(pose[None, 3:])[0]
        x, y = np.meshgrid(half * SIDE, half * SIDE)
        c, s = np.cos(facing), np.sin(facing)
        return float(surface.height(pose[0] + c * x - s * y, pose[1] + s * x + c * y).max())
