"""What tasks on patches of terrain have in common: which patches, and where they end."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from robo_maxent.envs.task import EpisodeState
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.terrain import TRAINED
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.tasks.four_legs import OnFourLegs

TERRAIN = tuple(kind for kind in TRAINED if kind != "flat")  # at level 0 all are nearly flat
SIDES = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])  # of a sphere that meets the ground

P = TypeVar("P", bound=EpisodeState)


class OnPatches(OnFourLegs[P]):
    """A quadruped on a pool of patches, a kind of terrain for each simulation."""

    default_randomization = "default"

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
        kinds: Sequence[str] = TERRAIN,
        level: int | None = None,
    ) -> None:
        """Build the world.

        Args:
            robot_file: A robot of its user's, see :class:`MujocoTask`; None: ``quadruped.xml``.
            randomization: What differs between episodes: ranges, or the name of a level.
            kinds: Kinds of terrain, see ``robo-maxent terrain``.
            level: Of every episode, from 0 to 10; None: any, or that of a curriculum.
        """
        terrain = TerrainPool(kinds)
        if level is not None:
            terrain.index(terrain.kinds[0], level, 0)  # which checks it
        super().__init__(robot_file, randomization, terrain)
        self.level = level

    def truncated(self, episode: P, state: LeggedState) -> np.ndarray:
        """The base is near the border of its patch."""
        return self.pool.outside(state.base_position)

    def _sunk(self, qpos: np.ndarray, patch: int) -> float:
        """How far the lowest part of a robot is below the ground around it, m."""
        centre, radius = self.robot.spheres(qpos)
        x, y = (centre[:, :2] + SIDES[:, None] * radius[:, None]).T  # (spheres, 5) each
        ground = self.pool.height(np.array([patch]), x.reshape(1, -1), y.reshape(1, -1))
        return float((ground.reshape(x.shape).max(axis=1) + radius - centre[:, 2]).max())
