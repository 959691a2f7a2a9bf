"""Tables that are terrain: the kinds of surface, as ``terrain`` has those of the ground, m.

An object of 3 to 5 cm must be able to lie wherever it is put. So none is steeper than about a third
at difficulty 1, which the least friction of a training holds, but for the risers between plateaus:
there an object lies on two of them, or tips onto the lower one. Nor is anything narrower than an
object, which would bridge it.

Cells are as large as that allows: each that an object lies on is a contact, or two, and contacts
take the time.
"""

import numpy as np

from robo_maxent.sim.catalogue import (
    Catalogue,
    Grid,
    Kind,
    Range,
    at,
    flat,
    interpolate,
    lattice,
    scaled,
    smooth,
)

SIZE = (0.56, 0.80)  # m along x and y: the box of arm.xml, to an even number of cells
CELL = 0.02  # m: two to three in the width of an object, see above
ELEVATION = 0.02  # m: half of the highest step, and room
BASE = 0.04  # m: as thick as the box, with the elevation

# From valley to top, easy to hard. Easy is what a good table has, hard what the hand feels.
BUMP: Range = (0.002, 0.015)  # m: a third of an object; its middle differs by 7 mm on average
BUMP_SPACING = 0.07  # m between independent heights: wider than an object, or it would bridge them
STEP: Range = (0.004, 0.030)  # m, between any two plateaus: as high as the smallest object
STEP_SIDE = 0.12  # m of a plateau: an object and the open hand around it, 5 cm and 10 cm
GROOVE: Range = (0.002, 0.012)  # m deep: a little more than the fingers reach below the grasp
GROOVE_WIDTH = 0.11  # m: twice an object, which lies in it rather than across
GROOVE_SPACING = 0.16  # m from groove to groove
RIPPLE: Range = (0.002, 0.012)  # m, from trough to crest
RIPPLE_LENGTH = 0.12  # m from crest to crest: six cells, so that they are waves still
PEBBLE: Range = (0.003, 0.012)  # m, of the largest: half of a flat pebble of the width of an object
PEBBLE_RADIUS = (0.04, 0.06)  # m, of its foot: at least two cells
PEBBLES = 40  # they cover about half of the table


def _bumps(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Rolling hills."""
    nodes, *places = lattice(grid, BUMP_SPACING, rng)
    return 0.5 * at(BUMP, difficulty) * interpolate(nodes, *(smooth(place) for place in places))


def _steps(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Square plateaus side by side; one rises from the other within a cell."""
    row, column = (
        ((axis - axis[0]) / STEP_SIDE + rng.random()).astype(int) for axis in (grid.y, grid.x)
    )
    high = rng.uniform(-0.5, 0.5, (row[-1] + 1, column[-1] + 1))
    return at(STEP, difficulty) * high[row][:, column]


def _grooves(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Round-edged grooves side by side, in any direction."""
    way = (_along(grid, rng.uniform(0.0, np.pi)) / GROOVE_SPACING + rng.random()) % 1.0
    across = np.abs(way - 0.5) * GROOVE_SPACING / GROOVE_WIDTH  # widths from the middle
    deep = np.where(across < 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * across), 0.0)
    return -at(GROOVE, difficulty) * deep


def _ripples(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Waves in any direction."""
    way = _along(grid, rng.uniform(0.0, np.pi)) / RIPPLE_LENGTH + rng.random()
    return 0.5 * at(RIPPLE, difficulty) * np.sin(2 * np.pi * way)


def _pebbles(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Flat round stones, strewn; the smaller ones are lower, too."""
    x, y = rng.uniform(grid.x[0], grid.x[-1], PEBBLES), rng.uniform(grid.y[0], grid.y[-1], PEBBLES)
    radius = rng.uniform(*PEBBLE_RADIUS, PEBBLES)
    away = np.hypot(grid.x - x[:, None, None], grid.y[:, None] - y[:, None, None])  # (P, R, C)
    share = np.minimum(away / radius[:, None, None], 1.0)
    domes = radius[:, None, None] / PEBBLE_RADIUS[1] * (0.5 + 0.5 * np.cos(np.pi * share))
    return at(PEBBLE, difficulty) * domes.max(axis=0)


def _along(grid: Grid, angle: float) -> np.ndarray:
    """Distance of each sample from the centre along a direction, m, (R, C)."""
    return np.cos(angle) * grid.x + np.sin(angle) * grid.y[:, None]


def _waving(height: Range, length: float) -> Range:
    """Largest step between neighbouring samples of a cosine wave."""
    return scaled(height, CELL * np.pi / length)


KINDS: dict[str, Kind] = {
    "flat": Kind(flat, "a level table", (0.0, 0.0), random=False),
    # Smoothstep is at most 1.5 times as steep as a line, between nodes that differ by the height.
    "bumps": Kind(_bumps, "rolling hills", scaled(BUMP, 1.5 * CELL / BUMP_SPACING)),
    "steps": Kind(_steps, "plateaus of random height, side by side", STEP),
    "grooves": Kind(_grooves, "grooves side by side", _waving(GROOVE, GROOVE_WIDTH)),
    "ripples": Kind(_ripples, "waves", _waving(RIPPLE, RIPPLE_LENGTH), held_out=True),
    "pebbles": Kind(
        _pebbles,
        "flat round stones, strewn",
        _waving(PEBBLE, 2 * PEBBLE_RADIUS[1]),
        held_out=True,
    ),
}
"""Kinds of table. Apart from ``flat`` their names differ from those of the ground, so a mix-up
is refused."""

TABLE = Catalogue(
    noun="kind of table",
    kinds=KINDS,
    size=SIZE,
    cell=CELL,
    elevation=ELEVATION,
    base=BASE,
    geom="table",
    is_box=True,
)
