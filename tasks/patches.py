"""What tasks on patches of terrain have in common: which patches, and where they end."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from robo_maxent.assets import path
from robo_maxent.envs.task import Memory, Task
from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.perturbations.ranges import randomization as ranges
from robo_maxent.sim.robot import Readings, Robot, load
from robo_maxent.sim.terrain import TRAINED
from robo_maxent.sim.terrain_pool import Pool
from robo_maxent.tasks.quadruped import ACTION, LEGS, SUBSTEPS

TERRAIN = tuple(kind for kind in TRAINED if kind != "flat")  # at level 0 all are nearly flat
SIDES = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])  # of a sphere that meets the ground

M = TypeVar("M", bound=Memory)


class OnPatches(Task[M]):
    """A quadruped on a pool of patches, a kind of terrain for each simulation."""

    action = ACTION
    substeps = SUBSTEPS

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] = "default",
        kinds: Sequence[str] = TERRAIN,
        level: int | None = None,
    ) -> None:
        """Build the world.

        Args:
            robot_file: MJCF of a robot with the names of ``quadruped.xml``; None: that robot.
            randomization: What differs between episodes: ranges, or the name of a level.
            kinds: Kinds of terrain, see ``robo-maxent terrain``.
            level: Of every episode, from 0 to 10; None: any, or that of a curriculum.
        """
        self.robot_file = robot_file
        self.model_file = robot_file or path("quadruped.xml")
        self.pool: Pool = Pool(kinds)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.level = level
        if level is not None:
            self.pool.index(self.pool.kinds[0], level, 0)  # which checks it
        self.robot = Robot(load(self.model_file, pool=self.pool), feet=LEGS)
        self.randomization = ranges(randomization)
        self.control_dt = SUBSTEPS * self.robot.model.opt.timestep

    @property
    def options(self) -> dict[str, Any]:
        """What builds this task again, beside its name."""
        return super().options | {"kinds": list(self.pool.kinds), "level": self.level}

    def left(self, memory: M, now: Readings) -> np.ndarray:
        """The base is near the border of its patch."""
        return self.pool.outside(now.base_position)

    def _sunk(self, qpos: np.ndarray, patch: int) -> float:
        """How far the lowest part of a robot is below the ground around it, m."""
        centre, radius = self.robot.spheres(qpos)
        x, y = (centre[:, :2] + SIDES[:, None] * radius[:, None]).T  # (spheres, 5) each
        ground = self.pool.height(np.array([patch]), x.reshape(1, -1), y.reshape(1, -1))
        return float((ground.reshape(x.shape).max(axis=1) + radius - centre[:, 2]).max())

    def _draw_patch(self, memory: M, sim: int, rng: np.random.Generator) -> int:
        """Where the next episode takes place."""
        if self.patches is not None:
            return int(self.patches[sim])
        kind, level = self._draw_ground(memory, sim, rng)
        return self.pool.index(kind, level, int(rng.integers(self.pool.variants)))

    def _draw_ground(self, memory: M, sim: int, rng: np.random.Generator) -> tuple[str, int]:
        """Kind and level of the next patch: the simulation's own kind, and any level or the one."""
        kind = self.pool.kinds[memory.number[sim] % len(self.pool.kinds)]
        level = int(rng.integers(self.pool.levels))  # in any case, for what follows
        return kind, level if self.level is None else self.level
