"""A picture of a training run: success, return, levels of the curriculum."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_maxent.files import atomic_path
from robo_maxent.training.metrics import STEP, read

Rows = Sequence[Mapping[str, float]]
Logged = tuple[list[float], list[float]]
"""Environment steps, in millions, and the values of a metric."""

NAME = "training.png"
PANEL_INCHES = (4.6, 3.4)
COLUMNS = 3
PANELS = {
    "Success": {
        "rollout/success_rate": "while exploring",
        "eval/success_rate": "mean action, fresh episodes",
    },
    "Return of an episode": {
        "rollout/ep_rew_mean": "while exploring",
        "eval/mean_reward": "mean action, fresh episodes",
    },
    "Temperature": {"train/ent_coef": "alpha"},
    "Entropy, nats": {
        "train/entropy": "of the policy",
        "train/target_entropy": "target",
    },
    "Diagnostics": {
        "diagnostics/entropy_share": "entropy, of target values",
        "diagnostics/saturated": "actions at their limits",
        "diagnostics/twin_gap": "gap of the critics, in deviations",
    },
}
"""Title of a panel -> metric -> label of its curve."""
LEVEL_PREFIX, MEAN_LEVEL = "level/", "level/mean"


def draw(directory: Path) -> Path | None:
    """Write ``training.png`` beside the metrics of a run.

    Args:
        directory: The run.

    Returns:
        Where the picture is; None: the run has logged nothing to draw.

    Raises:
        OSError: It can't be written.
    """
    rows = read(directory / "metrics.jsonl")
    names = {name for row in rows for name in row}
    panels = {
        title: {label: curve(rows, name) for name, label in metrics.items() if name in names}
        for title, metrics in PANELS.items()
    }
    panels["Level of the curriculum"] = levels(rows)
    panels = {title: curves for title, curves in panels.items() if curves}
    if not panels:
        return None
    width, height = PANEL_INCHES
    columns = min(len(panels), COLUMNS)
    rows_of_panels = -(-len(panels) // columns)
    figure = Figure(
        figsize=(width * columns, height * rows_of_panels), dpi=110, layout="constrained"
    )
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(rows_of_panels, columns, squeeze=False).ravel()
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=False):
        _panel(axes, title, curves)
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    path = directory / NAME
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    return path


def curve(rows: Rows, name: str) -> Logged:
    """Logged values of a metric."""
    logged = [(row[STEP] / 1e6, row[name]) for row in rows if name in row]
    return [step for step, _ in logged], [value for _, value in logged]


def levels(rows: Rows) -> dict[str, Logged]:
    """Kind of terrain -> its level; the mean comes last, so that it is drawn on top."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith(LEVEL_PREFIX))
    kinds = {
        name.removeprefix(LEVEL_PREFIX).replace("_", " "): curve(rows, name)
        for name in names
        if name != MEAN_LEVEL
    }
    return kinds | ({"mean": curve(rows, MEAN_LEVEL)} if kinds else {})


def _panel(axes: Axes, title: str, curves: Mapping[str, Logged]) -> None:
    for number, (label, (steps, values)) in enumerate(curves.items()):
        mean, few = label == "mean", len(steps) < 40
        axes.plot(
            steps,
            values,
            color="black" if mean else f"C{number % 10}",
            linewidth=2.2 if mean else 1.3,
            marker="o" if few else None,
            markersize=3.5,
            label=label,
        )
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("environment steps, millions")
    axes.set_xlim(left=0.0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if title == "Temperature":
        axes.set_yscale("log")
    if title == "Success":
        axes.set_ylim(0.0, 1.02)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.legend(frameon=False, fontsize=8, ncols=1 + (len(curves) > 4))
