"""Rows of a stress test that never happened, as a suite would store them.

Success falls with severity along a logistic curve of its own for each axis, case and policy. What
makes an episode hard is shared by policies and severities, as it is in a suite, where each axis
and case has its own starts.
"""

import math
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hand_rows import LABELS

from robo_maxent.report.breakdown_figures import DIRECTIONS
from robo_maxent.report.rows import SUITE_FORMAT, Push, StressEpisode

JOINTS = tuple(
    f"{leg}_{part}" for leg in ("FR", "FL", "RR", "RL") for part in ("hip", "thigh", "calf")
)
KINDS = (
    "slope_up",
    "slope_down",
    "stairs_up",
    "stairs_down",
    "rough",
    "obstacles",
    "stepping_stones",
    "gaps",
    "rough_slope",
    "rough_stairs",
)
NEW_KINDS = ("waves", "blocks", "fractal")
LEVELS = (0, 2, 4, 6, 8, 10)
CAPTURE = {"lateral": 9.6, "longitudinal": 14.2, "mass": 12.74}  # N·s, kg
PUSHES = (0, 0.5, 1, 1.5, 2, 2.5)
NOMINAL = {"friction": 0.8, "slip": 0.8, "motor_strength": 1.0}
"""Axis -> the severity at which nothing is different, where that is not 0."""

AXES: dict[str, tuple[tuple[float, ...], tuple[str, ...], float]] = {
    "nominal": ((0,), ("",), 9.0),
    "push": (PUSHES, DIRECTIONS, 0.62),
    "timing": ((0, 0.5, 1, 1.5), ("early", "pair"), 0.8),
    "friction": ((1, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1), ("",), 0.95),
    "slip": ((0.8, 0.4, 0.3, 0.2, 0.1, 0.05), ("",), 1.1),
    "payload": ((0, 1, 2, 3, 5, 7), ("",), 0.86),
    "com": ((0, 0.02, 0.04, 0.06, 0.08, 0.1), ("",), 1.3),
    "motor_strength": ((1, 0.9, 0.8, 0.7, 0.6, 0.5), ("",), 0.9),
    "dead_joint": ((0, 1), JOINTS, 0.9),
    "locked_joint": ((0, 1), JOINTS, 1.05),
    "gains": ((0, 0.1, 0.2, 0.3, 0.4, 0.5), ("",), 1.4),
    "sensor_noise": ((0, 1, 2, 4), ("",), 1.2),
    "encoder_bias": ((0, 0.01, 0.02, 0.04, 0.06, 0.1), ("",), 1.2),
    "action_delay": ((0, 1, 2, 3), ("",), 0.75),
    "packet_loss": ((0, 0.05, 0.1, 0.2, 0.4), ("",), 1.0),
    "gravity_tilt": ((0, 0.05, 0.1, 0.15, 0.2, 0.3), ("",), 1.0),
    "terrain": (LEVELS, KINDS, 0.95),
    "terrain_heldout": (LEVELS, NEW_KINDS, 0.8),
    "combined": ((0, 0.25, 0.5, 0.75, 1), ("",), 0.6),
}
"""Axis -> severities, cases, and where success is a half, on a scale from 0 to 1."""

_GRID = np.linspace(0, 1, 300)
_SUMS = np.sort((0.7 * _GRID[:, None] + 0.3 * _GRID).ravel())


@dataclass(frozen=True)
class Actor:
    """A policy or baseline, and how well it does."""

    policy: str
    mode: str
    strength: float
    """Added to where success is a half."""
    ceiling: float = 0.99
    """Success undisturbed."""


def evaluation(
    actors: tuple[Actor, ...] = (Actor("walker", "mean", 0.0),),
    each: int = 50,
    axes: tuple[str, ...] = tuple(AXES),
    seed: int = 1,
) -> tuple[list[StressEpisode], dict[str, Any]]:
    """Rows and their suite, about ``each`` episodes at every severity, shared among its cases."""
    rows = []
    for axis in axes:
        severities, cases, _ = AXES[axis]
        count = max(1, round(each / len(cases)))
        for severity in severities:
            if is_nominal(axis, severity):
                for sim in range(count):
                    rows += [undisturbed(actor, axis, severity, seed, sim) for actor in actors]
                continue
            for case in cases:
                first = (list(AXES).index(axis) * len(JOINTS) + cases.index(case)) * each
                for sim in range(first, first + count):
                    rows += [episode(actor, axis, severity, case, seed, sim) for actor in actors]
    return rows, suite_of(actors, each, axes, seed)


def is_nominal(axis: str, severity: float) -> bool:
    """Whether nothing is different there; ground of level 0 is ground."""
    return not axis.startswith("terrain") and severity == NOMINAL.get(axis, 0.0)


def undisturbed(actor: Actor, axis: str, severity: float, seed: int, sim: int) -> StressEpisode:
    """The row for which an undisturbed episode stands on an axis."""
    same = episode(actor, "nominal", 0.0, "", seed, sim)
    return replace(same, axis=axis, severity=severity, unit=LABELS[axis]["unit"])


def episode(
    actor: Actor, axis: str, severity: float, case: str, seed: int, sim: int
) -> StressEpisode:
    """One row."""
    severities, cases, half = AXES[axis]
    luck = np.random.default_rng([zlib.crc32(f"{axis}{case}".encode()), seed, sim])
    own = np.random.default_rng([zlib.crc32(f"{actor}{axis}{severity}{case}".encode()), seed, sim])
    nominal, worst = severities[0], severities[-1]
    place = abs(severity - nominal) / (abs(worst - nominal) or 1.0)
    of_case = 0.28 * math.sin(2.4 * cases.index(case) + len(axis)) * (case != "")
    chance = actor.ceiling / (1 + math.exp((place - half - actor.strength - of_case) / 0.09))
    success = bool(0.7 * luck.random() + 0.3 * own.random() < _quantile(chance))
    fell = not success and bool(own.random() < 0.3 + 0.6 * place)
    pushes = ()
    if axis in ("push", "timing", "combined") and severity > 0:
        pushes = (_push(severity, case, success, luck, own),)
    outcome = "success" if success else "fell" if fell else "wandered"
    if outcome == "wandered" and own.random() >= 0.6:
        outcome = "stuck"
    if actor.mode == "baseline":
        success, outcome = False, "fell" if fell and place > 0.4 else "stuck"
    return StressEpisode(
        task="quadruped-rough",
        seed=seed,
        sim=sim,
        index=0,
        length=int(own.integers(40, 480)) if outcome == "fell" else 500,
        reward=float(own.normal(10, 2)),
        success=success,
        terminated=outcome == "fell",
        diverged=False,
        metrics={"linear_error": float(own.uniform(0.05, 0.4))},
        params={} if is_nominal(axis, severity) else {axis: severity},
        realized={"friction": severity if axis == "friction" else NOMINAL["friction"]},
        terrain=case if axis.startswith("terrain") else None,
        level=int(severity) if axis.startswith("terrain") else None,
        policy=actor.policy,
        mode=actor.mode,
        axis=axis,
        severity=severity,
        case=case,
        unit=LABELS[axis]["unit"],
        pushes=pushes,
        recovered=all(push.recovered for push in pushes) if pushes else None,
        tracking_before=0.1,
        tracking_after=0.2,
        distance=float(own.uniform(0.5, 8.0)),
        energy=float(own.uniform(200, 900)),
        cost_of_transport=0.9,
        outcome=outcome,
        survived=outcome != "fell",
    )


def suite_of(
    actors: tuple[Actor, ...], each: int, axes: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """What the suite says of itself."""
    labels = dict.fromkeys(actor.policy for actor in actors if actor.mode != "baseline")
    return {
        "format": SUITE_FORMAT,
        "suite": "full",
        "task": "quadruped-rough",
        "task_options": {"speed": 1.0},
        "seed": seed,
        "date": "2026-11-23T04:05:06+00:00",
        "versions": {
            "robo-maxent": "0.1.0",
            "mujoco": "3.17.0",
            "numpy": "2.4.6",
            "torch": "2.13.0",
        },
        "command": f"robo-maxent evaluate {' '.join(labels)} --suite full --seed {seed}",
        "policies": [
            {
                "label": label,
                "file": f"runs/{label}/policy.safetensors",
                "sha256": f"{zlib.crc32(label.encode()):064x}",
            }
            for label in labels
        ],
        "safe_set": {"limits": {"tilt": 0.21, "height": 0.04}, "episodes": 200, "steps": 90000},
        "axes": [label(axis) for axis in axes],
        "conditions": [
            {
                "axis": axis,
                "severity": severity,
                "case": case,
                "unit": LABELS[axis]["unit"],
                "episodes": each,
            }
            for axis in axes
            for severity in AXES[axis][0]
            for case in AXES[axis][1]
        ],
        "capture_impulse": CAPTURE,
    }


def label(axis: str) -> dict[str, Any]:
    """What a suite's file has of an axis."""
    return LABELS[axis] | {"severities": AXES[axis][0]}


def _quantile(chance: float) -> float:
    """Below which 0.7 of one uniform number and 0.3 of another lie with that chance."""
    return float(_SUMS[min(int(max(chance, 0.0) * len(_SUMS)), len(_SUMS) - 1)])


def _push(severity: float, case: str, success: bool, luck: Any, own: Any) -> Push:
    index = DIRECTIONS.index(case) if case in DIRECTIONS else int(luck.integers(8))
    seconds = round(float(own.gamma(2.5, 0.12 + 0.12 * severity)), 2)
    recovered = success and seconds <= 2.0
    return Push(
        begin=4.0,
        impulse=severity * CAPTURE["lateral"],
        direction=index * math.pi / 4 - (2 * math.pi if index > 4 else 0.0),
        phase=float(luck.random()),
        recovered=recovered,
        seconds=seconds if recovered else None,
        common_seconds=seconds + 0.1 if recovered else None,
    )
