"""A contact sheet of the terrain: kinds as rows, difficulties as columns, as a PNG."""

import functools
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, SymLogNorm
from matplotlib.figure import Figure

from robo_maxent.errors import UsageError
from robo_maxent.sim.terrain import KINDS, PATCH, Kind, grid, heights

DIFFICULTIES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRUNK = (0.23, 0.06, 0.34)  # m: half-length and half-width of the robot, height of its back
TALLEST = 2.5  # m, either end of the colour scale
TICKS = (-2.0, -0.5, -0.1, 0.0, 0.1, 0.5, 2.0)  # m

# The view: parallel, from a corner, halfway down.
AZIMUTH, DOWNWARD = np.deg2rad(28.0), np.deg2rad(38.0)
EXTENT = PATCH / 2 * (np.cos(AZIMUTH) + np.sin(AZIMUTH))  # m, half-width of the turned patch
SKIRT = 0.25  # m of ground shown below the lowest height
TOP = EXTENT * np.sin(DOWNWARD) + (TALLEST + SKIRT) * np.cos(DOWNWARD)  # m, half-height
PIXELS = (430, 440)  # height, width of a picture
SUN = np.array([-0.55, 0.35, 0.76])  # towards it, in the world frame
AMBIENT = 0.45  # of the light
RELIEF = 1.5  # slopes are shaded as if they were that much steeper

# The sheet, inches.
PANEL, LABEL, ROW, HEAD, MARGIN = 2.45, 2.5, 1.62, 1.35, 0.25

INK, QUIET, ACCENT = "#20262c", "#6b747c", "#e06a1a"
EARTH, ROBOT = (0.36, 0.33, 0.31), (0.10, 0.10, 0.12)
_NORM = SymLogNorm(linthresh=0.05, vmin=-TALLEST, vmax=TALLEST, base=10)
_COLOURS = LinearSegmentedColormap.from_list(
    "ground", ["#1d3f72", "#3f86b0", "#9fcfd0", "#efe7d2", "#e8b871", "#c9703a", "#7c2a24"]
)


def draw(path: Path, seed: int = 0) -> None:
    """Draw every kind at five difficulties.

    Args:
        path: A PNG file to write; its directory is made.
        seed: Seed of the patches.

    Raises:
        UsageError: The path is not one of a PNG file, or the seed is negative.
    """
    if path.suffix.lower() != ".png" or path.is_dir():
        raise UsageError(f"the sheet is a PNG file; name it like terrain.png, got {path}")
    if seed < 0:
        raise UsageError(f"seed must be at least 0, got {seed}")
    width = LABEL + PANEL * len(DIFFICULTIES) + MARGIN
    height = HEAD + ROW * len(KINDS) + 2 * MARGIN
    figure = Figure(figsize=(width, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    _head(figure, width, height)
    for row, (name, kind) in enumerate(KINDS.items()):
        middle = height - HEAD - MARGIN - ROW * (row + 0.5)
        _label(figure, name, kind, MARGIN / width, middle / height)
        for column, difficulty in enumerate(DIFFICULTIES):
            image = picture(heights(name, difficulty, np.random.default_rng(seed)))
            box = 2 * TOP / (2 * EXTENT) * PANEL  # taller than the row: only high ground overlaps
            left, bottom = LABEL + PANEL * column, middle - box / 2
            axes = _axes(figure, (left, bottom, PANEL, box), (width, height))
            axes.imshow(image, interpolation="antialiased", aspect="auto")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def picture(patch: np.ndarray) -> np.ndarray:
    """A patch seen from above one of its corners, RGBA in [0, 1], (H, W, 4).

    Args:
        patch: Heights, m, (S, S). The robot's trunk stands at the centre, for scale.
    """
    axis = grid().axis
    trunk = (np.abs(axis)[:, None] < TRUNK[1]) & (np.abs(axis) < TRUNK[0])
    colour = np.asarray(_COLOURS(_NORM(patch)))[..., :3] * shade(patch)[..., None]
    colour[trunk] = ROBOT
    return _seen(patch + TRUNK[2] * trunk, np.clip(colour, 0.0, 1.0))


def shade(patch: np.ndarray) -> np.ndarray:
    """Brightness under a low sun, 1 where level: the same slope is as dark on every patch."""
    cell = PATCH / (len(patch) - 1)
    along_y, along_x = np.gradient(RELIEF * patch, cell)
    length = np.sqrt(1 + along_x**2 + along_y**2)
    facing = (SUN[2] - SUN[0] * along_x - SUN[1] * along_y) / length / SUN[2]
    return AMBIENT + (1 - AMBIENT) * np.clip(facing, 0.0, 1.5)


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
def _view(samples: int) -> _View:
    lines, columns = PIXELS
    s = np.linspace(-EXTENT, EXTENT, columns)
    t = np.linspace(-EXTENT, EXTENT, round(1.5 * lines))[:, None]
    x = s * np.cos(AZIMUTH) - t * np.sin(AZIMUTH)  # (T, W)
    y = s * np.sin(AZIMUTH) + t * np.cos(AZIMUTH)
    inside = (np.abs(x) <= PATCH / 2) & (np.abs(y) <= PATCH / 2)
    column, row = (
        np.clip(np.round((p / PATCH + 0.5) * (samples - 1)), 0, samples - 1).astype(int)
        for p in (x, y)
    )
    return _View(row, column, inside, t * np.sin(DOWNWARD))


def _seen(patch: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Parallel projection, RGBA, (H, W, 4).

    A pixel shows the nearest point that is in the picture at its height or above: along a column,
    from near to far, where the running maximum first reaches it.
    """
    view, (lines, columns) = _view(len(patch)), PIXELS
    height = view.line + patch[view.row, view.column] * np.cos(DOWNWARD)
    horizon = np.maximum.accumulate(np.where(view.inside, height, -np.inf), axis=0)  # (T, W)
    pixel = np.linspace(TOP, -TOP, lines)
    first = np.stack([np.searchsorted(edge, pixel) for edge in horizon.T], axis=1)  # (H, W)
    nearest = view.inside.argmax(axis=0)  # (W,)
    floor = view.line[nearest, 0] + (patch.min() - SKIRT) * np.cos(DOWNWARD)
    visible = (first < len(horizon)) & (pixel[:, None] >= floor)
    first = np.minimum(first, len(horizon) - 1)
    across = np.arange(columns)
    seen = np.empty((lines, columns, 4))
    seen[..., :3] = colour[view.row[first, across], view.column[first, across]]
    seen[first == nearest, :3] = EARTH  # the wall below the nearest edge
    seen[..., 3] = visible
    return seen


def _head(figure: Figure, width: float, height: float) -> None:
    """Title, the columns' difficulties, and the colour bar."""
    figure.text(
        MARGIN / width, 1 - 0.38 / height, "Terrain", size=22, weight="bold", color=INK, va="center"
    )
    figure.text(
        MARGIN / width,
        1 - 0.78 / height,
        f"Patches of {PATCH:g} m, true to scale.\nThe black block is the robot.",
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
        ScalarMappable(_NORM, _COLOURS), cax=bar, orientation="horizontal", ticks=TICKS
    )
    scale.ax.set_xticklabels([f"{tick:g}" for tick in TICKS], size=9, color=QUIET)
    scale.ax.minorticks_off()
    scale.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    x = (width - MARGIN - 5.35) / width
    figure.text(x, 1 - 0.40 / height, "height, m", size=9.5, color=QUIET, ha="right", va="center")


def _label(figure: Figure, name: str, kind: Kind, x: float, y: float) -> None:
    """Name and description of a row."""
    figure.text(x, y, name, size=13, weight="bold", color=INK, va="bottom")
    lines = textwrap.wrap(kind.summary, 30)
    figure.text(x, y - 0.0012, "\n".join(lines), size=9.5, color=QUIET, va="top", linespacing=1.25)
    if kind.held_out:
        held = "held out of training"
        figure.text(x, y + 0.0125, held, size=9, weight="bold", color=ACCENT, va="bottom")


def _axes(
    figure: Figure, box: tuple[float, float, float, float], size: tuple[float, float]
) -> Axes:
    """Axes without decoration; left, bottom, width and height in inches."""
    (left, bottom, wide, high), (width, height) = box, size
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.set_axis_off()
    return axes
