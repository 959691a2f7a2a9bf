"""A sheet of terrain pictures: kinds as rows, difficulties as columns, as a PNG."""

import functools
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, SymLogNorm
from matplotlib.figure import Figure

from robo_maxent.errors import UsageError
from robo_maxent.files import FileKind, atomic_path, require_place
from robo_maxent.sim.catalogue import Catalogue, Kind, Place, interpolate
from robo_maxent.sim.table_surfaces import TABLE
from robo_maxent.sim.terrain import GROUND

SHEET = FileKind("a PNG file", rb"\x89PNG", ".png")

DIFFICULTIES = (0.0, 0.25, 0.5, 0.75, 1.0)

# The view: parallel, from a corner, halfway down.
AZIMUTH, DOWNWARD = np.deg2rad(28.0), np.deg2rad(38.0)
PIXELS = (430, 440)  # height, width of a picture
SUN = np.array([-0.55, 0.35, 0.76])  # towards it, in the world frame
AMBIENT = 0.45  # of the light
RELIEF = 1.5  # slopes are shaded as if they were that much steeper

# The sheet, inches.
PANEL, LABEL, ROW, HEAD, MARGIN = 2.45, 2.5, 1.62, 1.35, 0.25

INK, QUIET, ACCENT = "#20262c", "#6b747c", "#e06a1a"
EARTH, BLOCK = (0.36, 0.33, 0.31), (0.10, 0.10, 0.12)
_COLOURS = LinearSegmentedColormap.from_list(
    "ground", ["#1d3f72", "#3f86b0", "#9fcfd0", "#efe7d2", "#e8b871", "#c9703a", "#7c2a24"]
)


@dataclass(frozen=True, eq=False)
class Scene:
    """How the patches of one catalogue are shown."""

    catalogue: Catalogue
    title: str
    caption: str
    block: tuple[float, float, float]
    """What stands at the centre, for scale: half-length, half-width, height of its top, m."""
    tallest: float
    """Either end of the colour scale, m."""
    low: float
    """Below that the scale is linear, m."""
    ticks: tuple[float, ...]
    """m."""
    skirt: float
    """Shown below the lowest height, m."""
    points: int = 1
    """That are drawn to a cell, along each axis."""

    @property
    def extent(self) -> float:
        """Half-width of a picture, m: the turned patch fits, and into its row, too."""
        x, y = self.catalogue.size
        return max(x / 2 * np.cos(AZIMUTH) + y / 2 * np.sin(AZIMUTH), self.depth)

    @property
    def depth(self) -> float:
        """Half of the way across the turned patch, away from the eye, m."""
        x, y = self.catalogue.size
        return x / 2 * np.sin(AZIMUTH) + y / 2 * np.cos(AZIMUTH)

    @property
    def top(self) -> float:
        """Half-height of a picture, m."""
        return self.depth * np.sin(DOWNWARD) + (self.tallest + self.skirt) * np.cos(DOWNWARD)

    @cached_property
    def norm(self) -> SymLogNorm:
        """From heights to colours."""
        return SymLogNorm(linthresh=self.low, vmin=-self.tallest, vmax=self.tallest, base=10)


OF_GROUND = Scene(
    GROUND,
    "Terrain",
    f"Patches of {GROUND.size[0]:g} m, true to scale.\nThe black block is the robot.",
    block=(0.23, 0.06, 0.34),
    tallest=2.5,
    low=0.05,
    ticks=(-2.0, -0.5, -0.1, 0.0, 0.1, 0.5, 2.0),
    skirt=0.25,
)
OF_TABLES = Scene(
    TABLE,
    "Tables",
    f"{TABLE.size[0]:g} m x {TABLE.size[1]:g} m, true to scale.\n"
    "The black block is an object of 4 cm.",
    block=(0.02, 0.02, 0.04),
    tallest=0.02,
    low=0.005,
    ticks=(-0.015, -0.005, 0.0, 0.005, 0.015),
    skirt=0.03,
    points=5,
)


def draw(path: Path, seed: int = 0, scene: Scene = OF_GROUND) -> None:
    """Draw every kind at five difficulties.

    Args:
        path: A PNG file to write; its directory is made.
        seed: Seed of the patches.
        scene: Which kinds, and how they are shown.

    Raises:
        UsageError: The path is not one of a PNG file, or can't be written, or the seed is negative.
    """
    require_place(path, SHEET)
    if seed < 0:
        raise UsageError(f"seed must be at least 0, got {seed}")
    kinds = scene.catalogue.kinds
    width = LABEL + PANEL * len(DIFFICULTIES) + MARGIN
    height = HEAD + ROW * len(kinds) + 2 * MARGIN
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    _head(figure, width, height, scene)
    for row, (name, kind) in enumerate(kinds.items()):
        middle = height - HEAD - MARGIN - ROW * (row + 0.5)
        _label(figure, name, kind, (MARGIN, middle), (width, height))
        for column, difficulty in enumerate(DIFFICULTIES):
            rng = np.random.default_rng(seed)
            image = picture(scene.catalogue.heights(name, difficulty, rng), scene)
            box = scene.top / scene.extent * PANEL  # taller than the row: only high ground overlaps
            left, bottom = LABEL + PANEL * column, middle - box / 2
            axes = _axes(figure, (left, bottom, PANEL, box), (width, height))
            axes.imshow(image, interpolation="antialiased", aspect="auto")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def picture(patch: np.ndarray, scene: Scene = OF_GROUND) -> np.ndarray:
    """A patch seen from above one of its corners, RGBA in [0, 1], (H, W, 4).

    Args:
        patch: Heights, m, (R, C).
        scene: How it is shown.
    """
    patch = _finer(patch, scene.points)
    x, y = (
        np.linspace(-size / 2, size / 2, count)
        for size, count in zip(scene.catalogue.size, patch.shape[::-1], strict=True)
    )
    length, width, top = scene.block
    block = (np.abs(y)[:, None] < width) & (np.abs(x) < length)
    colour = np.asarray(_COLOURS(scene.norm(patch)))[..., :3] * shade(patch, scene)[..., None]
    colour[block] = BLOCK
    return _seen(patch + top * block, np.clip(colour, 0.0, 1.0), scene)


def shade(patch: np.ndarray, scene: Scene = OF_GROUND) -> np.ndarray:
    """Brightness under a low sun, 1 where level: the same slope is as dark on every patch."""
    cell = scene.catalogue.size[1] / (len(patch) - 1)
    along_y, along_x = np.gradient(RELIEF * patch, cell)
    length = np.sqrt(1 + along_x**2 + along_y**2)
    facing = (SUN[2] - SUN[0] * along_x - SUN[1] * along_y) / length / SUN[2]
    return AMBIENT + (1 - AMBIENT) * np.clip(facing, 0.0, 1.5)


def _finer(patch: np.ndarray, points: int) -> np.ndarray:
    """The same surface with so many points to a cell."""
    if points == 1:
        return patch

    def places(count: int) -> Place:
        at = np.linspace(0, count - 1, (count - 1) * points + 1)
        node = np.minimum(at.astype(int), count - 2)
        return node, at - node

    return interpolate(patch, *(places(count) for count in patch.shape))


@dataclass(frozen=True)
class _View:
    """Points of the ground that lie on the columns of a picture, nearest first."""

    row: np.ndarray
    """Sample of the patch that each is, int, (T, W)."""
    column: np.ndarray
    inside: np.ndarray
    """Whether the patch has it, bool, (T, W)."""
    line: np.ndarray
    """Where it is in the picture at height 0, m upward, (T, 1)."""


@functools.cache
def _view(scene: Scene, shape: tuple[int, int]) -> _View:
    lines, columns = PIXELS
    size_x, size_y = scene.catalogue.size
    s = np.linspace(-scene.extent, scene.extent, columns)
    t = np.linspace(-scene.depth, scene.depth, round(1.5 * lines))[:, None]
    x = s * np.cos(AZIMUTH) - t * np.sin(AZIMUTH)  # (T, W)
    y = s * np.sin(AZIMUTH) + t * np.cos(AZIMUTH)
    inside = (np.abs(x) <= size_x / 2) & (np.abs(y) <= size_y / 2)
    column, row = (
        np.clip(np.round((p / size + 0.5) * (count - 1)), 0, count - 1).astype(int)
        for p, size, count in zip((x, y), (size_x, size_y), shape[::-1], strict=True)
    )
    return _View(row, column, inside, t * np.sin(DOWNWARD))


def _seen(patch: np.ndarray, colour: np.ndarray, scene: Scene) -> np.ndarray:
    """Parallel projection, RGBA, (H, W, 4).

    A pixel shows the nearest point that is in the picture at its height or above: along a column,
    from near to far, where the running maximum first reaches it.
    """
    rows, samples = patch.shape
    view, (lines, columns) = _view(scene, (rows, samples)), PIXELS
    height = view.line + patch[view.row, view.column] * np.cos(DOWNWARD)
    horizon = np.maximum.accumulate(np.where(view.inside, height, -np.inf), axis=0)  # (T, W)
    pixel = np.linspace(scene.top, -scene.top, lines)
    first = np.stack([np.searchsorted(edge, pixel) for edge in horizon.T], axis=1)  # (H, W)
    nearest = view.inside.argmax(axis=0)  # (W,)
    floor = view.line[nearest, 0] + (patch.min() - scene.skirt) * np.cos(DOWNWARD)
    visible = (first < len(horizon)) & (pixel[:, None] >= floor)
    first = np.minimum(first, len(horizon) - 1)
    across = np.arange(columns)
    seen = np.empty((lines, columns, 4))
    seen[..., :3] = colour[view.row[first, across], view.column[first, across]]
    seen[first == nearest, :3] = EARTH  # the wall below the nearest edge
    seen[..., 3] = visible
    return seen


def _head(figure: Figure, width: float, height: float, scene: Scene) -> None:
    """Title, the columns' difficulties, and the colour bar."""
    figure.text(
        MARGIN / width,
        1 - 0.38 / height,
        scene.title,
        size=22,
        weight="bold",
        color=INK,
        va="center",
    )
    figure.text(
        MARGIN / width,
        1 - 0.78 / height,
        scene.caption,
        size=9.5,
        color=QUIET,
        va="center",
    )
    for column, difficulty in enumerate(DIFFICULTIES):
        x = (LABEL + PANEL * (column + 0.5)) / width
        said = f"difficulty {difficulty:g}"
        figure.text(x, 1 - 1.25 / height, said, size=11, color=INK, ha="center", va="center")
    bar = _axes(figure, (width - MARGIN - 5.2, height - 0.48, 5.0, 0.16), (width, height))
    bar.set_axis_on()
    scale = figure.colorbar(
        ScalarMappable(scene.norm, _COLOURS),
        cax=bar,
        orientation="horizontal",
        ticks=scene.ticks,
    )
    scale.ax.set_xticklabels([f"{tick:g}" for tick in scene.ticks], size=9, color=QUIET)
    scale.ax.minorticks_off()
    scale.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    x = (width - MARGIN - 5.35) / width
    figure.text(x, 1 - 0.40 / height, "height, m", size=9.5, color=QUIET, ha="right", va="center")


def _label(
    figure: Figure, name: str, kind: Kind, at: tuple[float, float], size: tuple[float, float]
) -> None:
    """Name and description of a row, from a place on; inches."""
    (x, y), inch = (a / b for a, b in zip(at, size, strict=True)), 1 / size[1]
    figure.text(x, y, name, size=13, weight="bold", color=INK, va="bottom")
    lines = textwrap.wrap(kind.summary, 30)
    figure.text(
        x, y - 0.03 * inch, "\n".join(lines), size=9.5, color=QUIET, va="top", linespacing=1.25
    )
    if kind.held_out:
        held = "held out of training"
        figure.text(x, y + 0.31 * inch, held, size=9, weight="bold", color=ACCENT, va="bottom")


def _axes(
    figure: Figure, box: tuple[float, float, float, float], size: tuple[float, float]
) -> Axes:
    """Axes without decoration; left, bottom, width and height in inches."""
    (left, bottom, wide, high), (width, height) = box, size
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.set_axis_off()
    return axes
