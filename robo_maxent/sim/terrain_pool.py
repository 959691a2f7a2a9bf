"""The ground of a robot's world: a pool of terrain patches, compiled into the model once.

Every patch is a height field of one size, so a simulation changes its ground by changing one
number: the ground geom's ``geom_dataid`` is the patch's index in the pool. Spawn height, height
scan and the compiled surface are read from the same array.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import RobotError, UnknownNameError, UsageError
from robo_maxent.seeds import Purpose, patch_rng
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.rotations import from_heading
from robo_maxent.sim.terrain import CELL, ELEVATION, KINDS, PATCH, SAMPLES, TRAINED, heights

GROUND = "ground"
"""Name of the geom that patches replace."""

LEVELS = 11  # 0 to 10: difficulty in tenths
VARIANTS = 2  # patches of one kind and level
EDGE = 0.5  # m from the border of a patch: there the base is outside, its feet not yet

_BASE = 0.1  # m of ground below the lowest height there may be
_LAST = SAMPLES - 2  # cells are numbered from 0


@dataclass(frozen=True)
class Patch:
    """One height field of a pool."""

    kind: str
    level: int
    difficulty: float
    variant: int

    @property
    def name(self) -> str:
        """Its name in the model."""
        return f"{self.kind}-{self.level}-{self.variant}"


class TerrainPool:
    """K patches: every kind, at every level, in some variants."""

    def __init__(
        self,
        kinds: Sequence[str] = TRAINED,
        levels: int = LEVELS,
        variants: int = VARIANTS,
        seed: int = 0,
        purpose: Purpose = Purpose.TRAINING,
    ) -> None:
        """Make all patches; a patch depends on its kind, level, variant, seed and purpose.

        Args:
            kinds: Names in :data:`robo_maxent.sim.terrain.KINDS`.
            levels: Number of levels; level l has difficulty l / (levels - 1).
            variants: Number of patches of one kind and level.
            seed: Another seed is unseen terrain.
            purpose: What takes place on it; patches of another purpose are unseen too.

        Raises:
            UnknownNameError: No such kind; the message lists those there are.
            UsageError: No kind, a kind twice, or a number is out of range.
        """
        self.kinds, self.levels, self.variants = tuple(kinds), levels, variants
        self.seed, self.purpose = seed, purpose
        self.is_plane = False
        """The world has the plane of its file instead, which is as these patches are."""
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            named = ", ".join(self.kinds) or "none"
            raise UsageError(f"kinds must be at least one, each once, got {named}")
        for kind in self.kinds:
            if kind not in KINDS:
                raise UnknownNameError("terrain kind", kind, KINDS)
        for name, value, least in (("levels", levels, 2), ("variants", variants, 1)):
            if value < least:
                raise UsageError(f"{name} must be at least {least}, got {value}")
        if seed < 0:
            raise UsageError(f"seed must be at least 0, got {seed}")
        self.patches = tuple(
            Patch(kind, level, level / (levels - 1), variant)
            for kind in self.kinds
            for level in range(levels)
            for variant in range(variants)
        )
        self.heights = np.stack([_made(patch, seed, purpose) for patch in self.patches])
        """Heights, row y, column x, m, float32, (K, S, S)."""

    @classmethod
    def plane(cls) -> "TerrainPool":
        """The plane of the robot file as a ground: flat patches that nobody can leave."""
        pool = cls(("flat",), levels=2, variants=1)
        pool.is_plane = True
        return pool

    def index(self, kind: str, level: int, variant: int) -> int:
        """Where a patch is in the pool: its ``geom_dataid``.

        Raises:
            UnknownNameError: The pool does not have this kind; the message lists those it has.
            UsageError: It does not have this level or variant.
        """
        if kind not in self.kinds:
            raise UnknownNameError("terrain kind of this pool", kind, self.kinds)
        for name, value, count in (
            ("level", level, self.levels),
            ("variant", variant, self.variants),
        ):
            if not 0 <= value < count:
                raise UsageError(f"{name} must be from 0 to {count - 1}, got {value}")
        return (self.kinds.index(kind) * self.levels + level) * self.variants + variant

    def height(self, index: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the ground, on the triangles that MuJoCo collides with.

        Args:
            index: Patch of each simulation, int, (N,).
            x: Where, from the patch's centre, m, (N, P); beyond the patch its border goes on.
            y: Likewise.

        Returns:
            Heights, m, (N, P).
        """
        u = np.clip((x + PATCH / 2) / CELL, 0, SAMPLES - 1)  # cells from the corner
        v = np.clip((y + PATCH / 2) / CELL, 0, SAMPLES - 1)
        column, row = np.minimum(u.astype(np.intp), _LAST), np.minimum(v.astype(np.intp), _LAST)
        u -= column
        v -= row
        # A cell is cut from its near corner to the opposite one; each half has one corner more.
        near = index[:, None] * SAMPLES**2 + row * SAMPLES + column
        side = near + np.where(u >= v, 1, SAMPLES)
        h_near, h_side, h_far = (
            self.heights.reshape(-1).take(corner) for corner in (near, side, near + SAMPLES + 1)
        )
        return h_near + np.maximum(u, v) * (h_side - h_near) + np.minimum(u, v) * (h_far - h_side)

    def spawn_height(self, index: np.ndarray) -> np.ndarray:
        """Height of the platform at the centre, m, (N,)."""
        return self.heights[index, SAMPLES // 2, SAMPLES // 2]

    def outside(self, position: np.ndarray, margin: float = EDGE) -> np.ndarray:
        """Whether a base is nearer to the border of its patch than a margin, or beyond it.

        Args:
            position: Base position in the world frame, m, (N, 2) or (N, 3).
            margin: Distance from the border, m.

        Returns:
            bool, (N,).
        """
        beyond = np.any(np.abs(position[:, :2]) > PATCH / 2 - margin, axis=1)
        return beyond & (not self.is_plane)

    def only(self, index: int) -> "TerrainPool":
        """A pool of one patch, number 0 in it: all that a picture of one simulation needs."""
        one = copy.copy(self)
        patch = self.patches[index]
        one.patches, one.heights = (patch,), self.heights[index : index + 1]
        one.kinds, one.levels, one.variants = (patch.kind,), 1, 1
        return one


def scan(
    pool: TerrainPool,
    index: np.ndarray,
    base_position: np.ndarray,
    yaw: np.ndarray,
    grid: np.ndarray,
) -> np.ndarray:
    """Ground around a robot, seen from its base.

    Args:
        pool: The ground.
        index: Patch of each simulation, int, (N,).
        base_position: Base position in the world frame, m, (N, 3).
        yaw: Heading of the base in the world frame, rad, (N,).
        grid: Points in the heading frame, m, (P, 2).

    Returns:
        Height of the ground over that of the base, m, (N, P).
    """
    points = from_heading(yaw, grid, base_position[:, :2])  # (N, P, 2)
    x, y = points[..., 0], points[..., 1]
    return pool.height(index, x, y) - base_position[:, 2:3]


def attach(spec: mujoco.MjSpec, pool: TerrainPool) -> None:
    """Give a world the patches of a pool, and stand its ground geom on the first.

    The geom keeps its name, material, friction and collision bits. The heights themselves follow
    after compilation, by :func:`write`: the compiler would scale each patch by its own extremes.

    Raises:
        RobotError: The world has no plane named GROUND.
    """
    geom = spec.geom(GROUND)
    if geom is None or geom.type != mujoco.mjtGeom.mjGEOM_PLANE:
        planes = [g.name for g in spec.geoms if g.type == mujoco.mjtGeom.mjGEOM_PLANE]
        raise RobotError(
            f"Terrain replaces a plane geom named {GROUND!r}, which this robot file does not have. "
            f"Its planes: {', '.join(name or 'unnamed' for name in planes) or 'none'}."
        )
    if (geom.pos != 0.0).any() or (geom.quat != (1.0, 0.0, 0.0, 0.0)).any():
        raise RobotError(
            f"Terrain has the world's origin at the centre of a patch: the plane {GROUND!r} must "
            "be at pos='0 0 0', without a rotation."
        )
    blank = [0.0] * SAMPLES**2  # a list is copied five times as fast as an array
    for patch in pool.patches:
        spec.add_hfield(
            name=patch.name,
            nrow=SAMPLES,
            ncol=SAMPLES,
            size=(PATCH / 2, PATCH / 2, 2 * ELEVATION, _BASE),
            userdata=blank,
        )
    geom.type = mujoco.mjtGeom.mjGEOM_HFIELD
    geom.hfieldname = pool.patches[0].name
    geom.pos = (0.0, 0.0, -ELEVATION)


def write(model: mujoco.MjModel, pool: TerrainPool) -> None:
    """Write the heights into a model compiled after :func:`attach` with the same pool.

    Raises:
        RobotError: The model has not these patches.
    """
    names = [model.hfield(index).name for index in range(model.nhfield)]
    if names != [patch.name for patch in pool.patches]:
        raise RobotError(
            f"The model has {len(names)} height fields, which are not the {len(pool.patches)} "
            "patches of the pool: attach the same pool before compiling."
        )
    model.hfield_data[:] = ((pool.heights + ELEVATION) / (2 * ELEVATION)).reshape(-1)


def _made(patch: Patch, seed: int, purpose: Purpose) -> np.ndarray:
    """Heights of a patch, m, float32, (S, S)."""
    rng = patch_rng(purpose, seed, patch.kind, patch.level, patch.variant)
    return heights(patch.kind, patch.difficulty, rng).astype(np.float32)
