"""Picture of the effect of temperature: curves over a logarithmic axis of temperatures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_maxent.evaluation.across_runs import AcrossRuns, interquartile_mean
from robo_maxent.files import FileKind, atomic_path
from robo_maxent.learning.temperature import (
    EPISODES,
    LIMIT,
    Behaviour,
    exact_regulator,
    on_grid,
    simulated_regulator,
)
from robo_maxent.learning.tunnel_bridge import CLIFF, tunnel_and_bridge
from robo_maxent.training.temperature_sweep import Point, Row, summarize

PICTURE = FileKind("a PNG file", rb"\x89PNG", ".png")
PANEL_INCHES = (4.4, 3.6)
LINE_POINTS = 40
"""Points of an exact curve."""
COLOURS = {"mean": "#c1121f", "sampled": "#1971c2", "entropy": "#2b8a3e", "arrival": "#f08c00"}
Of = Literal["mean", "sampled", "entropy", "arrival"]


@dataclass(frozen=True)
class Curve:
    """A quantity at several temperatures."""

    of: Of
    """Key of its colour."""
    label: str
    alphas: Sequence[float]
    """Temperatures."""
    values: Sequence[float]
    ends: Sequence[tuple[float, float]] | None = None
    """95 % intervals across runs; None if there are none."""
    style: Literal["line", "points", "star"] = "line"
    """A line if exact, points if measured, a star for the automatic temperature."""


@dataclass(frozen=True)
class Panel:
    """Curves of one unit."""

    title: str
    curves: Sequence[Curve]
    is_linear: bool = False
    """Whether its axis of temperatures is linear rather than logarithmic."""
    cliff: float | None = None
    """A temperature to mark."""

    @property
    def is_measured(self) -> bool:
        """Whether it has no exact curve, so that lines join the points."""
        return not any(curve.style == "line" for curve in self.curves)


def draw(panels: Sequence[Panel], title: str, path: Path) -> None:
    """Write the picture.

    Raises:
        OSError: It can't be written.
    """
    width, height = PANEL_INCHES
    size = (width * len(panels), height)
    figure = Figure(figsize=size, layout="constrained", dpi=85)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, panel)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def lines(panels: Sequence[Panel]) -> list[str]:
    """Results in words, a line for each temperature."""
    table = list[str]()
    for style in ("points", "star"):
        curves = [curve for panel in panels for curve in panel.curves if curve.style == style]
        if not curves:
            continue
        if not table:
            table.append(f"{'temperature':<18}" + "".join(f"{c.label:>30}" for c in curves))
        for place, alpha in enumerate(curves[0].alphas):
            name = f"{alpha:g}" if style == "points" else f"automatic, {alpha:.2g}"
            table.append(f"{name:<18}" + "".join(f"{_cell(c, place):>30}" for c in curves))
    return table


def _cell(curve: Curve, place: int) -> str:
    value = f"{curve.values[place]:.4g}"
    if curve.ends is None:
        return value
    low, high = curve.ends[place]
    return f"{value} [{low:.4g}, {high:.4g}]"


# -- what was measured -------------------------------------------------------------------


def panels_of(points: Sequence[Point]) -> list[Panel]:
    """Panels of return and entropy of a sweep, with a star for the automatic temperature."""
    fixed = [point for point in points if point.temperature is not None]
    automatic = [point for point in points if point.temperature is None]
    names: dict[Of, str] = {
        "mean": "mean action",
        "sampled": "sampled actions",
        "entropy": "entropy",
    }

    def curves(of: Of) -> list[Curve]:
        measured = [_measured(of, names[of], fixed, "points")] if fixed else []
        star = [_measured(of, f"{names[of]}, automatic", automatic, "star")] if automatic else []
        return measured + star

    return [
        Panel("return of an episode, without entropies", [*curves("mean"), *curves("sampled")]),
        Panel("entropy of an action, nats", curves("entropy")),
    ]


def _measured(
    of: Of, name: str, points: Sequence[Point], style: Literal["points", "star"]
) -> Curve:
    across = [getattr(point, of) for point in points]
    return _curve(of, name, [point.alpha for point in points], across, style)


def _curve(
    of: Of,
    name: str,
    alphas: Sequence[float],
    across: Sequence[AcrossRuns],
    style: Literal["points", "star"],
) -> Curve:
    intervals = [each.interval for each in across if each.interval is not None]
    ends = intervals if len(intervals) == len(across) else None
    return Curve(of, name, alphas, [each.value for each in across], ends, style)


# -- what is known exactly ---------------------------------------------------------------


def regulator_panels(alphas: Sequence[float], simulations: int) -> tuple[list[Panel], str]:
    """Panels of the linear-quadratic system, simulated and in closed form; and a title."""
    rows = [
        (alpha, simulation, simulated_regulator(alpha, np.random.default_rng(simulation)))
        for alpha in alphas
        for simulation in range(simulations)
    ]
    points = summarize(
        [
            Row(alpha, f"simulation-{k}", alpha, found.mean, found.sampled, found.entropy)
            for alpha, k, found in rows
        ]
    )
    prices = [
        interquartile_mean(
            np.array([found.mean - found.sampled for each, _, found in rows if each == alpha]),
            np.random.default_rng(0),
        )
        for alpha in alphas
    ]
    line = np.linspace(min(alphas), max(alphas), LINE_POINTS).tolist()
    exact = [exact_regulator(alpha) for alpha in line]
    returns, entropies = panels_of(points)
    price = Curve("arrival", "exact: α / (2 (1 - γ))", line, [e.mean - e.sampled for e in exact])
    simulated = _curve("arrival", "price, simulated", alphas, prices, "points")
    panels = [
        replace(returns, curves=[*_exact(line, exact, "mean", "sampled"), *returns.curves]),
        Panel("price of sampled actions", [price, simulated]),
        replace(entropies, curves=[*_exact(line, exact, "entropy"), *entropies.curves]),
    ]
    title = f"x' = x + u + w, reward -(x² + u²), γ = 0.9: {simulations} simulations of {EPISODES:,}"
    return [replace(panel, is_linear=True) for panel in panels], f"{title} episodes"


def grid_panels(alphas: Sequence[float]) -> tuple[list[Panel], str]:
    """Panels of the tunnel and the bridge; and a title."""
    mdp = tunnel_and_bridge()
    line = np.linspace(min(alphas), max(alphas), LINE_POINTS).tolist()
    exact, marked = ([on_grid(mdp, alpha) for alpha in each] for each in (line, alphas))
    behaviour = [each for each, _ in exact]
    points = [each for each, _ in marked]
    panels = [
        Panel(
            "discounted return, without entropies",
            [
                *_exact(line, behaviour, "mean", "sampled"),
                Curve("mean", "likeliest moves", alphas, [e.mean for e in points], style="points"),
                Curve(
                    "sampled", "sampled moves", alphas, [e.sampled for e in points], None, "points"
                ),
            ],
        ),
        Panel(
            f"chance to arrive within {LIMIT} moves",
            [
                Curve("arrival", "exact", line, [share for _, share in exact]),
                Curve("arrival", "arrives", alphas, [share for _, share in marked], None, "points"),
            ],
        ),
        Panel(
            "entropy of the first move, nats",
            [
                *_exact(line, behaviour, "entropy"),
                Curve("entropy", "entropy", alphas, [e.entropy for e in points], None, "points"),
            ],
        ),
    ]
    panels = [replace(panel, is_linear=True, cliff=CLIFF) for panel in panels]
    return panels, "A tunnel and a bridge, each move costs 1: the exact policy of maximum entropy"


def _exact(line: Sequence[float], found: Sequence[Behaviour], *names: Of) -> list[Curve]:
    return [Curve(of, "exact", line, [getattr(each, of) for each in found]) for of in names]


# -- drawing -----------------------------------------------------------------------------


def _panel(axes: Axes, panel: Panel) -> None:
    for curve in panel.curves:
        colour = COLOURS[curve.of]
        marker = {"line": "", "points": "o", "star": "*"}[curve.style]
        dotted = ":" if panel.is_measured else ""
        line = {"line": "-", "points": dotted, "star": ""}[curve.style]
        size = 11 if curve.style == "star" else 4.5
        axes.plot(
            curve.alphas,
            curve.values,
            line + marker,
            color=colour,
            markersize=size,
            label=curve.label if curve.label != "exact" else None,
        )
        for alpha, ends in zip(curve.alphas, curve.ends or (), strict=False):
            axes.plot([alpha, alpha], ends, color=colour, linewidth=1.2)
    if panel.cliff is not None:
        axes.axvline(panel.cliff, color="0.4", linestyle="--", linewidth=1.0)
        axes.text(
            panel.cliff,
            0.6,
            f" {panel.cliff:.3f}",
            transform=axes.get_xaxis_transform(),
            color="0.3",
        )
    axes.set_title(panel.title, loc="left", fontsize=10)
    axes.set_xscale("linear" if panel.is_linear else "log")
    axes.set_xlabel("temperature")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
