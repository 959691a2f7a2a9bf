"""Terrain recipes: (kind, difficulty in [0, 1], rng) to the heights of a patch, m.

A patch is sampled at the corners of square cells: row is y, column is x, as MuJoCo height fields
have it, and (0, 0) is its centre. Difficulty scales a recipe and leaves its pattern alone: the
same generator gives the same stones, higher. What kinds there are of one place, and how large its
patches are, stands in a catalogue: here that of the ground, in ``table_surfaces`` that of tables.

On the ground an episode begins at the centre, on a flat platform at height 0. "Up" means that
walking outward goes up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError

PATCH = 8.0  # m, side of a patch: legged_gym, Isaac Lab and mjlab
CELL = 0.05  # m, side of a cell: the robot's foot is 0.046 m wide
SAMPLES = round(PATCH / CELL) + 1
LEAST_PATCH = 4.0  # m, a metre of terrain around the widest platform
ELEVATION = 3.0  # m, no height is farther from 0; the highest are stairs, 10 steps of 0.23 m

PLATFORM = 0.5  # m, half-width of the flat start: the robot's feet stand within 0.25 m
WIDE_PLATFORM = 1.0  # m, the same for stairs and slopes: a stride before the first step

Range = tuple[float, float]
"""A quantity at difficulty 0 and at difficulty 1; linear in between."""

# Parameters, easy to hard. Hard is as hard as published sets for robots of this class: legged_gym
# (terrain.py), Isaac Lab (terrains/config/rough.py), mjlab 1.6 (terrains/config.py).
SLOPE: Range = (0.02, 0.4)  # rise over run; legged_gym and Isaac Lab 0.4
STEP: Range = (0.02, 0.23)  # m, rise of a stair; Isaac Lab and legged_gym 0.23
TREAD = 0.30  # m, depth of a stair: Isaac Lab, mjlab
ROUGHNESS: Range = (0.005, 0.05)  # m, either way; legged_gym ±0.05, Isaac Lab and mjlab 0.1 in all
ROUGHNESS_SPACING = 0.1  # m, between independent heights: Isaac Lab
ROUGHNESS_SHARE = 0.5  # of ROUGHNESS, where it lies on slopes and stairs
WAVE: Range = (0.01, 0.20)  # m, amplitude; mjlab 0.20
WAVELENGTH = 2.0  # m; mjlab, 4 waves on a patch
OBSTACLE: Range = (0.02, 0.25)  # m, boxes up and pits down; legged_gym 0.25, mjlab 0.30
OBSTACLE_WIDTH = (0.3, 1.0)  # m; mjlab
OBSTACLES = 40  # on a patch of 8 m; mjlab
STONE: Range = (0.8, 0.4)  # m, side of a stepping stone; mjlab 0.8 to 0.4
STONE_GAP: Range = (0.05, 0.30)  # m, between stones; a third of what mjlab and legged_gym end at
STONE_UNEVENNESS: Range = (0.0, 0.05)  # m, the stones' own heights, either way
GAP: Range = (0.05, 0.35)  # m, width of a trench; the hips are 0.38 m apart
GAP_SPACING = 0.9  # m, from trench to trench, on average
GAP_LAND = 0.4  # m, least ground between them: the hips' distance again
DEPTH: Range = (0.03, 0.30)  # m, of gaps: at last deep enough to trip, not to fall in whole
BLOCK: Range = (0.01, 0.15)  # m, either way; mjlab 0.3 in all
BLOCK_SIDE = 0.45  # m; Isaac Lab
FRACTAL: Range = (0.02, 0.40)  # m, either way; mjlab 1.0 in all
FRACTAL_WAVELENGTH = 2.4  # m, of the first octave; those that follow halve it
FRACTAL_OCTAVES = 4  # mjlab
FRACTAL_PERSISTENCE = 0.45  # height of an octave over that of the one before
RAMP = 1.0  # m, over which waves and fractal rise from the platform


@dataclass(frozen=True)
class Grid:
    """Where the R x C samples of a patch are."""

    x: np.ndarray
    """Coordinate of the columns, m, (C,)."""
    y: np.ndarray
    """Coordinate of the rows, m, (R,)."""
    reach: np.ndarray
    """Distance from the centre along the farther axis, m, (R, C)."""

    @property
    def axis(self) -> np.ndarray:
        """Coordinate of the rows and of the columns of a square patch, m, (S,)."""
        return self.x


Place = tuple[np.ndarray, np.ndarray]
"""Node of a lattice before each sample, and the way from it to the next, of 1."""
Recipe = Callable[[Grid, float, np.random.Generator], np.ndarray]
"""Heights of the samples, m, (R, C); of the ground 0 on the platform, (S, S)."""


@dataclass(frozen=True)
class Kind:
    """One kind of terrain."""

    recipe: Recipe
    summary: str
    largest_step: Range
    """No two neighbouring samples, a cell apart, differ by more, at difficulty 0 and 1, m."""
    random: bool = True
    """Another generator gives another patch."""
    held_out: bool = False
    """Kept out of training by default, to be unseen in evaluation."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The kinds of terrain of one place, and what their patches have in common."""

    noun: str
    """What a message calls one of the kinds."""
    kinds: Mapping[str, Kind]
    """Name -> kind. A pool of patches keeps its order. One is named ``flat``."""
    size: tuple[float, float]
    """Of a patch along x and y, m."""
    cell: float
    """Side of a cell, m."""
    elevation: float
    """No height is farther from 0, m."""
    base: float
    """Material below the lowest height there may be, m."""
    geom: str
    """Name of the geom of the robot file that patches replace."""
    is_box: bool
    """That geom is a box, as large as a patch and with its top at height 0; or else a plane."""
    least: float = 0.0
    """What episodes begin on has no room on a narrower patch, m."""

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            UsageError: A patch is too small, or not an even number of cells wide.
        """
        for size in self.size:
            if not self.least <= size < np.inf:
                raise UsageError(
                    f"a patch must be at least {self.least:g} m wide to have terrain around the "
                    f"platform that the robot starts on, got {size:g} m"
                )
            half = round(size / self.cell / 2) if self.cell > 0 else 0
            if half < 1 or not np.isclose(2 * half * self.cell, size):
                raise UsageError(
                    "a patch must be an even number of cells wide, so that its centre is a sample; "
                    f"got {size:g} m in cells of {self.cell:g} m."
                )

    @property
    def samples(self) -> tuple[int, int]:
        """Rows and columns of a patch, R and C."""
        x, y = self.size
        return round(y / self.cell) + 1, round(x / self.cell) + 1

    @cached_property
    def grid(self) -> Grid:
        """Samples of a patch."""
        y, x = (np.arange(-(count // 2), count // 2 + 1) * self.cell for count in self.samples)
        return Grid(x, y, np.maximum(np.abs(y)[:, None], np.abs(x)))

    @property
    def held_out(self) -> tuple[str, ...]:
        """Kinds that are kept out of training by default."""
        return tuple(name for name, kind in self.kinds.items() if kind.held_out)

    @property
    def trained(self) -> tuple[str, ...]:
        """The others."""
        return tuple(name for name, kind in self.kinds.items() if not kind.held_out)

    @property
    def uneven(self) -> tuple[str, ...]:
        """All kinds but ``flat``."""
        return tuple(name for name in self.kinds if name != "flat")

    def kind(self, name: str) -> Kind:
        """One of the kinds.

        Raises:
            UnknownNameError: No such kind; the message lists those there are.
        """
        if name not in self.kinds:
            raise UnknownNameError(self.noun, name, self.kinds)
        return self.kinds[name]

    def heights(self, kind: str, difficulty: float, rng: np.random.Generator) -> np.ndarray:
        """Heights of a patch, m, (R, C), within ±elevation.

        Args:
            kind: Name of one of the kinds.
            difficulty: From 0, for a beginner, to 1, as hard as published sets.
            rng: What random kinds are drawn from.

        Raises:
            UnknownNameError: No such kind; the message lists those there are.
            UsageError: The difficulty is out of range.
        """
        recipe = self.kind(kind).recipe
        if not 0.0 <= difficulty <= 1.0:  # NaN is not
            raise UsageError(f"difficulty must be in [0, 1], got {difficulty:g}")
        return recipe(self.grid, difficulty, rng)


def at(ends: Range, difficulty: float) -> float:
    """A quantity at a difficulty."""
    easy, hard = ends
    return easy + (hard - easy) * difficulty


def flat(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Height 0."""
    del difficulty, rng
    return np.zeros_like(grid.reach)


def _slope(sign: float) -> Recipe:
    """A pyramid, or one upside down."""

    def recipe(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
        del rng
        return sign * at(SLOPE, difficulty) * _outward(grid)

    return recipe


def _stairs(sign: float) -> Recipe:
    """Stairs all around, each rising within one cell."""

    def recipe(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
        del rng
        steps = np.ceil(_outward(grid) / TREAD - 1e-6)  # a sample on the edge is on the lower one
        return sign * at(STEP, difficulty) * steps

    return recipe


def _rough(
    grid: Grid, difficulty: float, rng: np.random.Generator, platform: float = PLATFORM
) -> np.ndarray:
    nodes, rows, columns = lattice(grid, ROUGHNESS_SPACING, rng)
    at_node = grid.axis[0] + ROUGHNESS_SPACING * np.arange(len(nodes))
    far = np.abs(at_node) > platform + ROUGHNESS_SPACING + 1e-6
    nodes *= far[:, None] | far
    return at(ROUGHNESS, difficulty) * interpolate(nodes, rows, columns)


def _on_roughness(up: Recipe, down: Recipe) -> Recipe:
    """Roughness on one of two recipes."""

    def recipe(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
        chosen = up if rng.random() < 0.5 else down
        rough = ROUGHNESS_SHARE * _rough(grid, difficulty, rng, WIDE_PLATFORM)
        return chosen(grid, difficulty, rng) + rough

    return recipe


def _waves(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    angle = 2 * np.pi * (grid.axis / WAVELENGTH + rng.random((2, 1)))
    egg_box = 0.5 * (np.sin(angle[0])[:, None] + np.sin(angle[1]))
    return at(WAVE, difficulty) * _ramp(grid) * egg_box


def _obstacles(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Boxes and pits, half of them half as high; a later one covers an earlier one."""
    size = 2 * grid.axis[-1]
    count = round(OBSTACLES * (size / PATCH) ** 2)
    centre = rng.uniform(grid.axis[0], grid.axis[-1], (count, 2))
    half = 0.5 * rng.uniform(*OBSTACLE_WIDTH, (count, 2))
    first = np.searchsorted(grid.axis, centre - half)
    last = np.searchsorted(grid.axis, centre + half)
    height = rng.choice([-1.0, -0.5, 0.5, 1.0], count)
    found = np.zeros_like(grid.reach)
    for (y0, x0), (y1, x1), h in zip(first, last, height, strict=True):
        found[y0:y1, x0:x1] = h
    return at(OBSTACLE, difficulty) * found * _beyond(grid)


def _stepping_stones(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Square stones in rows that are shifted against each other, in a pit."""
    most = int(2 * grid.axis[-1] / STONE[1]) + 3
    origin, shift = rng.random(2), rng.random(most)
    uneven = rng.uniform(-1.0, 1.0, (most, most)) * at(STONE_UNEVENNESS, difficulty)
    pitch = at(STONE, difficulty) + at(STONE_GAP, difficulty)
    stone = at(STONE, difficulty) / pitch
    y = (grid.axis - grid.axis[0]) / pitch + origin[0]  # (S,)
    row = y.astype(int)
    x = (grid.axis - grid.axis[0]) / pitch + origin[1] + shift[row][:, None]  # (S, S)
    column = x.astype(int)
    on_stone = (y - row < stone)[:, None] & (x - column < stone)
    found = np.where(on_stone, uneven[row[:, None], column], -at(DEPTH, difficulty))
    return found * _beyond(grid)


def _gaps(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Trenches in squares around the start, at distances that vary."""
    count = int((grid.axis[-1] - PLATFORM) / GAP_SPACING) + 1
    slack = GAP_SPACING - GAP[1] - GAP_LAND
    begin = PLATFORM + GAP_SPACING * np.arange(count) + rng.uniform(0.0, slack, count)
    into = grid.reach[..., None] - begin  # (S, S, count)
    in_gap = np.any((into > 0) & (into < at(GAP, difficulty) + 1e-6), axis=2)
    return np.where(in_gap, -at(DEPTH, difficulty), 0.0)


def _blocks(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Square columns side by side."""
    block = ((grid.axis - grid.axis[0]) / BLOCK_SIDE + rng.random()).astype(int)  # (S,)
    high = rng.uniform(-1.0, 1.0, (block[-1] + 1, block[-1] + 1))
    return at(BLOCK, difficulty) * high[block][:, block] * _beyond(grid)


def _fractal(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Hills, with smaller hills on them, and so on."""
    weight = FRACTAL_PERSISTENCE ** np.arange(FRACTAL_OCTAVES)
    found = np.zeros_like(grid.reach)
    for octave, share in enumerate(weight / weight.sum()):
        nodes, *places = lattice(grid, FRACTAL_WAVELENGTH / 2**octave, rng)
        found += share * interpolate(nodes, *(smooth(place) for place in places))
    return at(FRACTAL, difficulty) * _ramp(grid) * found


def _outward(grid: Grid) -> np.ndarray:
    """Distance from the wide platform, m, (S, S); larger patches end in a plain."""
    return np.clip(grid.reach, WIDE_PLATFORM, PATCH / 2) - WIDE_PLATFORM


def _beyond(grid: Grid) -> np.ndarray:
    """Whether a sample is outside the platform, (S, S)."""
    return grid.reach > PLATFORM + 1e-6


def _ramp(grid: Grid) -> np.ndarray:
    """Zero on the platform, one from RAMP outside it, (S, S)."""
    return np.clip((grid.reach - PLATFORM) / RAMP, 0.0, 1.0)


def lattice(
    grid: Grid, spacing: float, rng: np.random.Generator
) -> tuple[np.ndarray, Place, Place]:
    """A coarse lattice of independent heights in [-1, 1], (L, M), and where samples are in it."""
    rows, columns = _place(grid.y, spacing), _place(grid.x, spacing)
    shape = rows[0][-1] + 2, columns[0][-1] + 2
    return rng.uniform(-1.0, 1.0, shape), rows, columns


def interpolate(nodes: np.ndarray, rows: Place, columns: Place) -> np.ndarray:
    """Bilinear between the nodes, (R, C)."""
    (row, down), (column, along) = rows, columns
    lines = nodes[row] * (1 - down)[:, None] + nodes[row + 1] * down[:, None]
    return lines[:, column] * (1 - along) + lines[:, column + 1] * along


def smooth(place: Place) -> Place:
    """The same with the slope 0 at the nodes: at most 1.5 times as steep as a line."""
    index, part = place
    return index, part * part * (3 - 2 * part)


def _place(axis: np.ndarray, spacing: float) -> Place:
    u = (axis - axis[0]) / spacing
    index = np.floor(u).astype(int)
    return index, u - index


def scaled(ends: Range, factor: float) -> Range:
    """A quantity in proportion to another."""
    return ends[0] * factor, ends[1] * factor


def _sum(first: Range, second: Range) -> Range:
    return first[0] + second[0], first[1] + second[1]


def _fractal_slope() -> float:
    """Steepest slope of the fractal, in heights per m."""
    octaves = np.arange(FRACTAL_OCTAVES)
    weight = FRACTAL_PERSISTENCE**octaves
    # Smoothstep is at most 1.5 times as steep as a line, between nodes that differ by at most 2.
    steepest = 2 * 1.5 / (FRACTAL_WAVELENGTH / 2.0**octaves)
    return float((weight / weight.sum() * steepest).sum()) + 1 / RAMP


_SLOPE_STEP = scaled(SLOPE, CELL)
_ROUGH_STEP = scaled(ROUGHNESS, 2 * CELL / ROUGHNESS_SPACING)
_SHARED_STEP = scaled(_ROUGH_STEP, ROUGHNESS_SHARE)
_WAVE_STEP = scaled(WAVE, CELL * (np.pi / WAVELENGTH + 1 / RAMP))

KINDS: dict[str, Kind] = {
    "flat": Kind(flat, "a plain", (0.0, 0.0), random=False),
    "slope_up": Kind(_slope(1.0), "a bowl: uphill in every direction", _SLOPE_STEP, random=False),
    "slope_down": Kind(_slope(-1.0), "a hill: downhill in every direction", _SLOPE_STEP, False),
    "stairs_up": Kind(_stairs(1.0), "stairs up, 0.30 m deep", STEP, random=False),
    "stairs_down": Kind(_stairs(-1.0), "stairs down, 0.30 m deep", STEP, random=False),
    "rough": Kind(_rough, "uneven ground, a new height every 0.1 m", _ROUGH_STEP),
    "obstacles": Kind(_obstacles, "boxes and pits", _sum(OBSTACLE, OBSTACLE)),
    "stepping_stones": Kind(
        _stepping_stones, "square stones with gaps between", _sum(DEPTH, STONE_UNEVENNESS)
    ),
    "gaps": Kind(_gaps, "trenches to step across", DEPTH),
    "rough_slope": Kind(
        _on_roughness(_slope(1.0), _slope(-1.0)),
        "a slope, up or down, uneven",
        _sum(_SLOPE_STEP, _SHARED_STEP),
    ),
    "rough_stairs": Kind(
        _on_roughness(_stairs(1.0), _stairs(-1.0)),
        "stairs, up or down, uneven",
        _sum(STEP, _SHARED_STEP),
    ),
    "waves": Kind(_waves, "an egg box of waves, 2 m long", _WAVE_STEP, held_out=True),
    "blocks": Kind(
        _blocks, "columns of random height, side by side", _sum(BLOCK, BLOCK), held_out=True
    ),
    "fractal": Kind(
        _fractal,
        "hills with smaller hills on them",
        scaled(FRACTAL, CELL * _fractal_slope()),
        held_out=True,
    ),
}
"""Those of the ground."""

GROUND = Catalogue(
    noun="terrain kind",
    kinds=KINDS,
    size=(PATCH, PATCH),
    cell=CELL,
    elevation=ELEVATION,
    base=0.1,  # m: more than a foot sinks in
    geom="ground",
    is_box=False,
    least=LEAST_PATCH,
)
HELD_OUT, TRAINED = GROUND.held_out, GROUND.trained
