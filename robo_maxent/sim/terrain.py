"""The ground: kinds of terrain, as recipes for the heights of a patch, m.

An episode begins at the centre, on a flat platform at height 0. "Up" means that walking outward
goes up.
"""

import numpy as np

from robo_maxent.sim.catalogue import (
    Catalogue,
    Grid,
    Kind,
    Range,
    Recipe,
    at,
    flat,
    interpolate,
    lattice,
    scaled,
    smooth,
)

PATCH = 8.0  # m, side of a patch: legged_gym, Isaac Lab and mjlab
CELL = 0.05  # m, side of a cell: the robot's foot is 0.046 m wide
SAMPLES = round(PATCH / CELL) + 1
LEAST_PATCH = 4.0  # m, a metre of terrain around the widest platform
ELEVATION = 3.0  # m, no height is farther from 0; the highest are stairs, 10 steps of 0.23 m

PLATFORM = 0.5  # m, half-width of the flat start: the robot's feet stand within 0.25 m
WIDE_PLATFORM = 1.0  # m, the same for stairs and slopes: a stride before the first step

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


def _slope(sign: float) -> Recipe:
    """Pyramid, upright or upside down."""

    def recipe(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
        del rng
        return sign * at(SLOPE, difficulty) * _outward(grid)

    return recipe


def _stairs(sign: float) -> Recipe:
    """Stairs all around, each step rising within one cell."""

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
    """Roughness added to one of two other recipes."""

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
    """Boxes and pits; half of them are half as high, and later ones cover earlier ones."""
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
    """Hills on hills, at several scales."""
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
    """Whether each sample is outside the platform, (S, S)."""
    return grid.reach > PLATFORM + 1e-6


def _ramp(grid: Grid) -> np.ndarray:
    """Zero on the platform, one from RAMP outside it, (S, S)."""
    return np.clip((grid.reach - PLATFORM) / RAMP, 0.0, 1.0)


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
"""Kinds of ground."""

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
