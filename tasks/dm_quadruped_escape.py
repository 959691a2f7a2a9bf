"""dm_control's quadruped in a bowl that it has to climb out of.

dm_control makes another bowl for every episode. Here they are patches of a pool, made as it makes
them: an episode takes one of those of its run, and an evaluation has bowls that no training met.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from robo_maxent.perturbations.ranges import Randomization
from robo_maxent.seeds import Purpose
from robo_maxent.sim.catalogue import Catalogue, Grid, Kind
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.rotations import to_base
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import Field
from robo_maxent.tasks.dm_quadruped import OBSERVATION, DmEpisode, DmQuadruped, at_least
from robo_maxent.tasks.dm_world import DmModel, dm_robot

HALF = 30.0  # m, of the side of a bowl
CELL = 0.3  # m
HEIGHT = 5.0  # m, of the crest where a bump is as high as can be drawn; splines go 7 % beyond
SUNK = -0.01  # m: where the bowl is at its lowest, a floor covers it
BUMP = 2.0  # m, from one bump to the next
LEAST_BUMP = 0.15  # of the highest
CREST = 15.0  # m from the middle, where a bowl without bumps is highest
FLAT_MIDDLE = 0.04  # of half the side
VARIANTS = 12  # bowls of either level, of which there have to be two


def bowl(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """A bowl within a round dam, times smooth bumps, which dm_control's Escape makes."""
    from scipy import ndimage  # slow to import, and no other task asks for it

    del difficulty  # there is one
    radius = np.clip(np.hypot(grid.x, grid.y[:, None]) / HALF, FLAT_MIDDLE, 1.0)
    dam = 0.5 - np.cos(2.0 * np.pi * radius) / 2.0
    count = int(2.0 * HALF / BUMP)
    bumps = rng.uniform(LEAST_BUMP, 1.0, (count, count))
    smooth = np.asarray(ndimage.zoom(bumps, len(grid.x) / count))
    return SUNK + HEIGHT * dam * smooth


BOWLS = Catalogue(
    noun="bowl",
    kinds={"bowl": Kind(bowl, "a bumpy bowl within a dam, 30 m wide", (1.0, 1.0))},
    size=(2.0 * HALF, 2.0 * HALF),
    cell=CELL,
    elevation=HEIGHT + SUNK,
    lowest=SUNK,
    base=0.1,
    geom="terrain",
    is_box=False,
    is_scenery=True,
)

OUT = (
    Field("the middle, torso frame", "m", 3, (1, -1, 1), noise=0.1),
    Field(
        "tanh of the ranges ahead",
        "1",
        20,
        (1,) * 20,
        tuple(5 * row + column for row in range(4) for column in (4, 3, 2, 1, 0)),
        noise=0.02,
    ),
)


class DmEscape(DmQuadruped):
    """Get out of a bowl, 30 m from its middle. Success is to have been over the crest, at 15 m."""

    name = "dm-quadruped-escape"
    summary = "the same climbs out of a bowl"
    observation = OBSERVATION + OUT
    robot_spec = dm_robot(DmModel(floor_size=40, terrain=True))
    keeps_data = True
    upright_within: ClassVar[float] = float(np.deg2rad(20.0))

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
    ) -> None:
        """Build the world, see :class:`MujocoTask`."""
        super().__init__(robot_file, randomization, _bowls(Purpose.TRAINING))

    @property
    def options(self) -> dict[str, Any]:
        """What builds this task again, which has no choice of terrain."""
        return {
            name: value for name, value in super().options.items() if name not in ("kinds", "level")
        }

    def draw_patch(self, episode: DmEpisode, sim: int, rng: np.random.Generator) -> int:
        """Any bowl."""
        return int(rng.integers(len(self.pool.patches)))

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The same task as a stress test runs it, in bowls of its own."""
        return super().trial(terrain or _bowls(Purpose.STRESS_TEST))

    def _also(self, state: LeggedState) -> list[np.ndarray]:
        """Where the middle is, and how far the ground ahead."""
        ranges = state.sensed["range"]
        return [
            to_base(state.base_orientation, -state.base_position),  # 3
            np.where(ranges == -1.0, 1.0, np.tanh(ranges)),  # 20; -1: nothing is there
        ]

    def reward_terms(
        self, episode: DmEpisode, state: LeggedState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        """How upright it is, times how far from the middle."""
        away = np.linalg.norm(state.site_position["workspace"], axis=1)
        return {"upright_and_away": self.upright(state) * at_least(away, HALF, HALF)}

    def after_step(self, episode: DmEpisode, state: LeggedState, action: np.ndarray) -> None:
        """Note whether it came over the crest."""
        super().after_step(episode, state, action)
        episode.arrived |= np.hypot(*state.base_position[:, :2].T) > CREST

    def success(self, episode: DmEpisode, sim: int) -> bool:
        """It came over the crest."""
        return bool(episode.arrived[sim])


def _bowls(purpose: Purpose) -> TerrainPool:
    return TerrainPool(levels=2, variants=VARIANTS, purpose=purpose, catalogue=BOWLS)
