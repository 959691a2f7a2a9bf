"""Kinds of uneven surface: (kind, difficulty in [0, 1], rng) to the heights of a patch, m.

A patch is sampled at the corners of square cells: row is y, column is x, as MuJoCo height fields
have it, and (0, 0) is its centre. Difficulty scales a recipe and leaves its pattern alone: the
same generator gives the same stones, higher. What kinds there are of one place, and how large its
patches are, stands in a catalogue: ``terrain`` has that of the ground, ``table_surfaces`` that of
tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError

Range = tuple[float, float]
"""Value at difficulty 0 and at difficulty 1, linear in between."""


@dataclass(frozen=True)
class Grid:
    """Positions of the R x C samples of a patch."""

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
"""Lattice node before each sample, and the fraction of the way to the next node."""
Recipe = Callable[[Grid, float, np.random.Generator], np.ndarray]
"""Function to heights of the samples, m, (R, C); ground is at height 0 on the platform."""


@dataclass(frozen=True)
class Kind:
    """One kind of terrain."""

    recipe: Recipe
    summary: str
    largest_step: Range
    """Largest height difference between neighbouring samples at difficulty 0 and 1, m."""
    random: bool = True
    """Whether another generator gives another patch."""
    held_out: bool = False
    """Whether it is kept out of training by default, to be unseen in evaluation."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The kinds of uneven surface of one place, and what their patches have in common."""

    noun: str
    """What messages call one of the kinds."""
    kinds: Mapping[str, Kind]
    """Name -> kind, in the order that pools keep. One is named ``flat``."""
    size: tuple[float, float]
    """Size of a patch along x and y, m."""
    cell: float
    """Side of a cell, m."""
    elevation: float
    """Upper bound of heights, m."""
    base: float
    """Thickness of material below the lowest possible height, m."""
    geom: str
    """Name of the geom in the robot file that patches replace."""
    is_box: bool
    """Whether that geom is a box, as large as a patch with its top at height 0, rather than a
    plane."""
    lowest: float | None = None
    """Lower bound of heights, m; None: minus the upper bound."""
    is_scenery: bool = False
    """Whether the task always takes place on these patches, so that stress tests neither vary
    nor tell them apart."""
    least: float = 0.0
    """Smallest size of a patch with room for the start of an episode, m."""

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
    def bottom(self) -> float:
        """Lower bound of heights, m."""
        return -self.elevation if self.lowest is None else self.lowest

    @property
    def samples(self) -> tuple[int, int]:
        """Numbers of rows and columns of a patch, R and C."""
        x, y = self.size
        return round(y / self.cell) + 1, round(x / self.cell) + 1

    @cached_property
    def grid(self) -> Grid:
        """Positions of the samples of a patch."""
        y, x = (np.arange(-(count // 2), count // 2 + 1) * self.cell for count in self.samples)
        return Grid(x, y, np.maximum(np.abs(y)[:, None], np.abs(x)))

    @property
    def held_out(self) -> tuple[str, ...]:
        """Kinds that are kept out of training by default."""
        return tuple(name for name, kind in self.kinds.items() if kind.held_out)

    @property
    def trained(self) -> tuple[str, ...]:
        """Kinds that are trained on by default."""
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
        """Heights of a patch, m, (R, C), within what the catalogue says.

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
    """Value of a range at a difficulty."""
    easy, hard = ends
    return easy + (hard - easy) * difficulty


def flat(grid: Grid, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Height 0."""
    del difficulty, rng
    return np.zeros_like(grid.reach)


def lattice(
    grid: Grid, spacing: float, rng: np.random.Generator
) -> tuple[np.ndarray, Place, Place]:
    """A coarse lattice of independent heights in [-1, 1], (L, M), and where samples are in it."""
    rows, columns = _place(grid.y, spacing), _place(grid.x, spacing)
    shape = rows[0][-1] + 2, columns[0][-1] + 2
    return rng.uniform(-1.0, 1.0, shape), rows, columns


def interpolate(nodes: np.ndarray, rows: Place, columns: Place) -> np.ndarray:
    """Bilinear interpolation between the nodes, (R, C)."""
    (row, down), (column, along) = rows, columns
    lines = nodes[row] * (1 - down)[:, None] + nodes[row + 1] * down[:, None]
    return lines[:, column] * (1 - along) + lines[:, column + 1] * along


def smooth(place: Place) -> Place:
    """Smooth interpolation, with slope 0 at the nodes: at most 1.5 times as steep as a line."""
    index, part = place
    return index, part * part * (3 - 2 * part)


def _place(axis: np.ndarray, spacing: float) -> Place:
    u = (axis - axis[0]) / spacing
    index = np.floor(u).astype(int)
    return index, u - index


def scaled(ends: Range, factor: float) -> Range:
    """A range multiplied by a factor."""
    return ends[0] * factor, ends[1] * factor
