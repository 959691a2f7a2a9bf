"""A pool of terrain patches for the ground or the table, compiled into the model once.

Every patch is a height field of one size, so a simulation changes its ground by changing one
number: the ground geom's ``geom_dataid`` is the patch's index in the pool. Spawn height, height
scan and the compiled surface are read from the same array. Which kinds of patches there are, of
what size, and in the place of which geom, says the catalogue of the pool.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robo_maxent.errors import RobotError, UnknownNameError, UsageError
from robo_maxent.seeds import Purpose, patch_rng
from robo_maxent.sim.catalogue import Catalogue
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.rotations import from_heading
from robo_maxent.sim.terrain import GROUND

LEVELS = 11  # 0 to 10: difficulty in tenths
VARIANTS = 2  # patches of one kind and level
EDGE = 0.5  # m from the border of a patch: there the base is outside, its feet not yet


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
        kinds: Sequence[str] | None = None,
        levels: int = LEVELS,
        variants: int = VARIANTS,
        seed: int = 0,
        purpose: Purpose = Purpose.TRAINING,
        catalogue: Catalogue = GROUND,
    ) -> None:
        """Make all patches; a patch depends on its kind, level, variant, seed and purpose.

        Args:
            kinds: Names in the catalogue; None: those that are not held out.
            levels: Number of levels; level l has difficulty l / (levels - 1).
            variants: Number of patches of one kind and level.
            seed: Another seed is unseen terrain.
            purpose: What takes place on it; patches of another purpose are unseen too.
            catalogue: What kinds there are, and how large patches are.

        Raises:
            UnknownNameError: No such kind; the message lists those there are.
            UsageError: No kind, a kind twice, or a number is out of range.
        """
        self.catalogue = catalogue
        self.kinds = catalogue.trained if kinds is None else tuple(kinds)
        self.levels, self.variants = levels, variants
        self.seed, self.purpose = seed, purpose
        self.is_plane = False
        """Whether the world keeps the plane of its file, of which these flat patches are a copy."""
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            named = ", ".join(self.kinds) or "none"
            raise UsageError(f"kinds must be at least one, each once, got {named}")
        for kind in self.kinds:
            catalogue.kind(kind)  # which checks it
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
        self.heights = np.stack([self._made(patch) for patch in self.patches])
        """Heights, row y, column x, m, float32, (K, R, C)."""

    @classmethod
    def plane(cls, catalogue: Catalogue = GROUND) -> "TerrainPool":
        """The plane or box of the robot file, as flat patches without an end."""
        pool = cls(("flat",), levels=2, variants=1, catalogue=catalogue)
        pool.is_plane = True
        return pool

    def index(self, kind: str, level: int, variant: int) -> int:
        """Index of a patch in the pool, which is its ``geom_dataid``.

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
        (size_x, size_y), cell = self.catalogue.size, self.catalogue.cell
        rows, columns = self.catalogue.samples
        u = np.clip((x + size_x / 2) / cell, 0, columns - 1)  # cells from the corner
        v = np.clip((y + size_y / 2) / cell, 0, rows - 1)
        column = np.minimum(u.astype(np.intp), columns - 2)
        row = np.minimum(v.astype(np.intp), rows - 2)
        u -= column
        v -= row
        # A cell is cut from its near corner to the opposite one; each half has one corner more.
        near = index[:, None] * (rows * columns) + row * columns + column
        side = near + np.where(u >= v, 1, columns)
        h_near, h_side, h_far = (
            self.heights.reshape(-1).take(corner) for corner in (near, side, near + columns + 1)
        )
        return h_near + np.maximum(u, v) * (h_side - h_near) + np.minimum(u, v) * (h_far - h_side)

    def spawn_height(self, index: np.ndarray) -> np.ndarray:
        """Height at the centre of the patch, on its platform, m, (N,)."""
        rows, columns = self.catalogue.samples
        return self.heights[index, rows // 2, columns // 2]

    def outside(self, position: np.ndarray, margin: float = EDGE) -> np.ndarray:
        """Whether a base is nearer to the border of its patch than a margin, or beyond it.

        Args:
            position: Base position from the centre, m, (N, 2) or (N, 3).
            margin: Distance from the border, m.

        Returns:
            bool, (N,).
        """
        border = np.array(self.catalogue.size) / 2
        beyond = np.any(np.abs(position[:, :2]) > border - margin, axis=1)
        return beyond & (not self.is_plane)

    def only(self, index: int) -> "TerrainPool":
        """A pool with one patch, number 0: all that a picture of one simulation needs."""
        one = copy.copy(self)
        patch = self.patches[index]
        one.patches, one.heights = (patch,), self.heights[index : index + 1]
        one.kinds, one.levels, one.variants = (patch.kind,), 1, 1
        return one

    def _made(self, patch: Patch) -> np.ndarray:
        """Heights of a patch, m, float32, (R, C)."""
        rng = patch_rng(self.purpose, self.seed, patch.kind, patch.level, patch.variant)
        return self.catalogue.heights(patch.kind, patch.difficulty, rng).astype(np.float32)


def scan(
    pool: TerrainPool,
    index: np.ndarray,
    base_position: np.ndarray,
    yaw: np.ndarray,
    grid: np.ndarray,
) -> np.ndarray:
    """Heights of the ground around a robot, relative to its base.

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
    """Replace the ground, or the table, of a world by the first patch of a pool.

    The geom keeps its name, material, friction and collision bits. The heights themselves follow
    after compilation, by :func:`write`: the compiler would scale each patch by its own extremes.

    Raises:
        RobotError: The world has no such geom as the patches replace, or has it somewhere else.
    """
    catalogue = pool.catalogue
    geom = _replaced(spec, catalogue)
    (rows, columns), base = catalogue.samples, catalogue.base
    blank = [0.0] * (rows * columns)  # a list is copied five times as fast as an array
    for patch in pool.patches:
        spec.add_hfield(
            name=patch.name,
            nrow=rows,
            ncol=columns,
            size=(*np.array(catalogue.size) / 2, catalogue.elevation - catalogue.bottom, base),
            userdata=blank,
        )
    top = geom.size[2] if catalogue.is_box else 0.0
    geom.type = mujoco.mjtGeom.mjGEOM_HFIELD
    geom.hfieldname = pool.patches[0].name
    geom.pos = (*geom.pos[:2], geom.pos[2] + top + catalogue.bottom)


def origin(model: mujoco.MjModel, pool: TerrainPool) -> np.ndarray:
    """Position of the centre of a patch at height 0, world frame, m, (3,)."""
    catalogue = pool.catalogue
    geom = model.geom(catalogue.geom)
    above = geom.size[2] if catalogue.is_box else 0.0
    if not pool.is_plane:
        above = -catalogue.bottom
    return geom.pos + np.array([0.0, 0.0, above])


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
    low, high = pool.catalogue.bottom, pool.catalogue.elevation
    model.hfield_data[:] = ((pool.heights - low) / (high - low)).reshape(-1)


def _replaced(spec: mujoco.MjSpec, catalogue: Catalogue) -> mujoco.MjsGeom:
    """The geom that patches replace."""
    box, plane = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_PLANE
    wanted, noun, nouns = (box, "box", "boxes") if catalogue.is_box else (plane, "plane", "planes")
    geom = spec.geom(catalogue.geom)
    if geom is None or geom.type != wanted:
        there = [g.name or "unnamed" for g in spec.geoms if g.type == wanted]
        raise RobotError(
            f"Terrain replaces a {noun} geom named {catalogue.geom!r}, which this robot file does "
            f"not have. Its {nouns}: {', '.join(there) or 'none'}."
        )
    turned = (geom.quat != (1.0, 0.0, 0.0, 0.0)).any()
    if not catalogue.is_box and (turned or (geom.pos != 0.0).any()):
        raise RobotError(
            f"Terrain has the world's origin at the centre of a patch: the plane {geom.name!r} "
            "must be at pos='0 0 0', without a rotation."
        )
    size = np.array(catalogue.size)
    if catalogue.is_box and (turned or (abs(2 * geom.size[:2] - size) > catalogue.cell).any()):
        x, y = size
        raise RobotError(
            f"Terrain has the size of the box {geom.name!r}, {x:g} m x {y:g} m, which must be "
            f"without a rotation; got {2 * geom.size[0]:g} m x {2 * geom.size[1]:g} m."
        )
    return geom
