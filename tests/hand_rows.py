"""Rows of a stress test as short as a test can say them, and what a suite's file says of axes."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from robo_maxent.report.rows import Push, StressEpisode
from robo_maxent.types import FloorPlan

AROUND = [
    {"title": "direction", "by": "push direction", "picture": "polar"},
    {"title": "stride phase", "by": "push phase", "picture": "polar"},
]
BY_JOINT = [{"title": "joint", "by": "case", "picture": "joints"}]
BY_KIND = [{"title": "kind", "by": "case", "picture": "grid"}]


def axis_label(name: str, title: str, unit: str = "", **more: Any) -> dict[str, Any]:
    """An axis as a suite's file declares it."""
    return {"name": name, "title": title, "unit": unit} | more


LABELS: dict[str, dict[str, Any]] = {
    label["name"]: label
    for label in (
        axis_label("friction", "Foot friction", reference=0.4),
        axis_label("slip", "Sudden slip"),
        axis_label("payload", "Payload", "kg", reference=3.0),
        axis_label(
            "push",
            "Pushes",
            "capture impulses",
            phrase="with pushes of {severity}",
            reference=1.0,
            breakdowns=AROUND,
        ),
        axis_label("timing", "Pushes at untrained times", "capture impulses"),
        axis_label("com", "Shifted centre of mass", "m"),
        axis_label("motor_strength", "Weak motors", noun="motor strength"),
        axis_label(
            "dead_joint",
            "One dead joint",
            "joints",
            phrase="with one joint dead",
            is_scale=False,
            breakdowns=BY_JOINT,
        ),
        axis_label(
            "locked_joint",
            "One locked joint",
            "joints",
            phrase="with one joint locked",
            is_scale=False,
            breakdowns=BY_JOINT,
        ),
        axis_label("gains", "Servo gains"),
        axis_label("sensor_noise", "Sensor noise", "of declared"),
        axis_label("encoder_bias", "Encoder bias", "rad"),
        axis_label("action_delay", "Action delay", "control steps"),
        axis_label("packet_loss", "Lost packets"),
        axis_label("gravity_tilt", "Tilted gravity", "rad"),
        axis_label(
            "terrain",
            "Terrain",
            "level",
            phrase="on the kinds of terrain that training has",
            breakdowns=BY_KIND,
        ),
        axis_label(
            "terrain_heldout",
            "Terrain never trained on",
            "level",
            phrase="on kinds that it never has",
            breakdowns=BY_KIND,
        ),
        axis_label("combined", "Everything at once", noun="everything at once"),
        axis_label("nominal", "Undisturbed"),
    )
}
"""Axis -> what the file of a suite says of it."""


NOMINAL = {"friction": 1.0, "slip": 0.8, "motor_strength": 1.0}
"""Axis -> the severity at which nothing is different, where that is not 0."""


def declared(**severities: Sequence[float]) -> dict[str, Any]:
    """A suite that has these axes, each at severities from mild to hard."""
    return {
        "axes": [LABELS[name] for name in severities],
        "conditions": [
            {"axis": name, "severity": severity}
            for name, listed in severities.items()
            for severity in listed
        ],
    }


def row(
    axis: str = "friction", severity: float = 0.5, success: bool | None = True, **more: Any
) -> StressEpisode:
    values: dict[str, Any] = {
        "task": "quadruped-flat",
        "seed": 1,
        "sim": 0,
        "index": 0,
        "length": 500,
        "reward": 10.0,
        "success": success,
        "terminated": not success,
        "diverged": False,
        "metrics": {},
        "params": {} if severity == NOMINAL.get(axis, 0.0) else {axis: severity},
        "policy": "walker",
        "axis": axis,
        "severity": severity,
        "outcome": "success" if success else "fell",
        "survived": bool(success),
    }
    return StressEpisode(**(values | more))


def many(hits: int, count: int, **more: Any) -> list[StressEpisode]:
    return [row(success=sim < hits, sim=sim, **more) for sim in range(count)]


def push(
    direction: float,
    seconds: float | None,
    severity: float,
    sim: int,
    phase: float | None = None,
    recovered: bool = True,
    common: float | None = None,
    **more: Any,
) -> StressEpisode:
    """The episode of one push; it was not recovered from if it took no time.

    By the safe set that all share it took ``common`` seconds.
    """
    recovered = recovered and seconds is not None
    one = Push(4.0, 9.6 * severity, direction, phase, recovered, seconds, common)
    values = {"axis": "push", "sim": sim, "pushes": (one,), "recovered": recovered}
    return row(severity=severity, success=recovered, **(values | more))


# A fork of two ways.

PLAN = FloorPlan(
    walls=((-0.1, -0.5, 0.1, 0.5),),
    lids={"left": (-0.1, 0.5, 0.1, 0.8), "right": (-0.1, -0.8, 0.1, -0.5)},
    goal=(1.0, 0.0),
    goal_radius=0.15,
    chosen="left",
)
BLOCKED = axis_label(
    "blocked",
    "A way that is closed",
    is_scale=False,
    severities=[0.0, 1.0],
    breakdowns=[{"title": "way", "by": "case", "picture": p} for p in ("grid", "paths")],
)
FORK_SUITE: dict[str, Any] = {"axes": [BLOCKED], "floor_plan": asdict(PLAN)}


def gone(case: str, sim: int, left: float | None, success: bool, **more: Any) -> StressEpisode:
    side = 0.0 if left is None else (0.65 if left else -0.65)
    path = ((-1.0, 0.0), (0.0, side), (1.0, 0.0) if success else (-0.2, side))
    severity = 1.0 if case else 0.0
    values: dict[str, Any] = {"case": case, "metrics": {"left": left}, "path": path, "sim": sim}
    return row("blocked", severity, success, **(values | {"mode": "sampled"} | more))


def walked() -> list[StressEpisode]:
    """Open: three left, one right. Left closed: one of two arrives. By its mean: all left."""
    rows = [gone("", sim, 0.0 if sim == 3 else 1.0, True) for sim in range(4)]
    rows += [gone("", 4, None, False)]
    rows += [gone("left", 10, 0.0, True), gone("left", 11, None, False)]
    rows += [gone("left, told", 20, 0.0, True)]
    return rows + [gone("", sim, 1.0, True, mode="mean") for sim in range(3)]
