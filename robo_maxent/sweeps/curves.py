"""Learning curves of a sweep on one picture: the middle of the runs of each arm, with a band."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_maxent.evaluation.across_runs import LEAST_RUNS, interquartile_mean
from robo_maxent.files import atomic_path
from robo_maxent.training import learning_curves
from robo_maxent.training.metrics import read
from robo_maxent.training.run_directory import METRICS

SUCCESS, RETURN = "eval/success_rate", "eval/mean_reward"
PANELS = {
    SUCCESS: ("Success of the mean action, fresh episodes", (0.0, 1.0)),
    RETURN: ("Return of the mean action, fresh episodes", (-np.inf, np.inf)),
}
"""Metric of the periodic evaluations -> title of its panel, and what its values are within."""
MOST_ARMS = 10
"""That colours tell apart."""
RESAMPLES = 500
"""Of the bootstrap at every point of a curve."""


def draw(path: Path, runs: Mapping[str, Sequence[Path]]) -> Path | None:
    """Draw the periodic evaluations of all runs over environment steps.

    Where the task says success, an evaluation that says none of it had none: some tasks say so only
    where it is true. A line is the interquartile mean over the runs of an arm, its band the 95 %
    interval of that at each point by itself. Where there are fewer than three runs, each is a thin
    line of its own.

    Args:
        path: The PNG file to write.
        runs: Name of an arm -> directories of its runs; of more than ten arms, the first ten are
            drawn.

    Returns:
        The path of the picture; None: no run was evaluated, so there is none.

    Raises:
        OSError: The file can't be written.
    """
    shown = dict(list(runs.items())[:MOST_ARMS])
    logged = {
        name: [read(directory / METRICS) for directory in directories]
        for name, directories in shown.items()
    }
    panels = [
        metric
        for metric in PANELS
        if any(metric in row for each in logged.values() for rows in each for row in rows)
    ]
    if not panels:
        return None
    figure = Figure(figsize=(6.2 * len(panels), 4.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, metric in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, (name, each) in enumerate(logged.items()):
            curves = [learning_curves.curve(with_silence(rows, metric), metric) for rows in each]
            _arm(axes, f"C{number}", name, [c for c in curves if c[0]], PANELS[metric][1])
        _finish(axes, metric)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return path


def with_silence(rows: learning_curves.Rows, metric: str) -> learning_curves.Rows:
    """Logged rows, with no success at evaluations that say nothing of it, if that is the metric."""
    if metric != SUCCESS:
        return rows
    return [{SUCCESS: 0.0, **row} if RETURN in row else row for row in rows]


def on_one_grid(curves: Sequence[learning_curves.Logged]) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate the curves of several runs at the same environment steps, as far as all go.

    Between its evaluations a curve is a straight line; before its first one it is unknown.

    Returns:
        The steps, (T,), and the values of each run there, (runs, T).
    """
    first, last = max(steps[0] for steps, _ in curves), min(steps[-1] for steps, _ in curves)
    every = np.unique(np.concatenate([steps for steps, _ in curves]))
    grid = every[(every >= first) & (every <= last)]
    return grid, np.array([np.interp(grid, steps, values) for steps, values in curves])


def _arm(
    axes: Axes,
    color: str,
    name: str,
    curves: Sequence[learning_curves.Logged],
    bounds: tuple[float, float],
) -> None:
    if not curves:
        return
    if len(curves) < LEAST_RUNS:
        for number, (steps, values) in enumerate(curves):
            label = name if number == 0 else None
            axes.plot(steps, values, color=color, linewidth=1.2, marker=".", label=label)
        return
    grid, values = on_one_grid(curves)
    rng = np.random.default_rng(0)
    points = [interquartile_mean(at, rng, bounds, resamples=RESAMPLES) for at in values.T]
    ends = np.array([point.interval for point in points]).reshape(len(points), 2)
    axes.plot(grid, [point.value for point in points], color=color, linewidth=1.8, label=name)
    axes.fill_between(grid, ends[:, 0], ends[:, 1], color=color, alpha=0.18, linewidth=0)


def _finish(axes: Axes, metric: str) -> None:
    title, (_, high) = PANELS[metric]
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("environment steps, millions")
    axes.set_xlim(left=0.0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if high == 1.0:
        axes.set_ylim(0.0, 1.02)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    note = "middle of the runs, with its 95 % interval"
    axes.legend(frameon=False, fontsize=8, title=note, title_fontsize=8, alignment="left")
