"""What is measured of one episode: tracking, effort, recovery, and how it ended. Pure functions."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robo_maxent.envs.task import DEVIATIONS
from robo_maxent.evaluation.recovery import (
    HOLD,
    SETTLING,
    WINDOW,
    WITHIN,
    SafeSet,
    recovery,
    volleys,
)
from robo_maxent.types import Episode

STUCK = 0.2  # of the way that was commanded
LEAST_DISTANCE = 1.0  # m; on less, a cost of transport says nothing

_ERROR = list(DEVIATIONS).index("linear_error")


@dataclass(frozen=True)
class Gait:
    """How a robot walked in one episode, read before each of its L control steps."""

    command: np.ndarray
    """Forward m/s, leftward m/s, counter-clockwise rad/s, (3,)."""
    along: np.ndarray
    """Velocity along the command, m/s; of a command to turn on the spot, rad/s, (L,)."""
    phase: np.ndarray
    """Stride phase, NaN where it should stand, (L,)."""
    deviations: np.ndarray
    """Those of ``task.DEVIATIONS``, (L, 5)."""


@dataclass(frozen=True)
class Effort:
    """What an episode took, read before each of its L control steps."""

    speed: np.ndarray
    """Horizontal speed of the base, m/s, (L,)."""
    power: np.ndarray
    """Sum over the joints of the size of torque times speed, W, (L,)."""
    saturated: np.ndarray
    """Whether a motor was at the limit of its torque, bool, (L,)."""
    beyond: np.ndarray
    """Whether a joint was beyond its range, bool, (L,)."""


def row(
    episode: Episode, gait: Gait | None, effort: Effort, safe: SafeSet | None, dt: float, g: float
) -> dict[str, Any]:
    """One row of a robustness evaluation: the episode and what was measured of it.

    Args:
        episode: What the simulation says.
        gait: How it walked; None: the task is another.
        effort: What it took.
        safe: The safe set of the policy; None: it has none, and recovers from nothing.
        dt: Time of a control step, s.
        g: Size of gravity, m/s².
    """
    spans = push_spans(episode.draw, dt)
    survived = not episode.terminated and episode.fault is None
    pushes = [] if gait is None else judged_pushes(episode, gait, safe, dt)
    before, after = (None, None) if gait is None else tracking(episode.draw, gait, dt)
    progress = None if gait is None else covered(gait)
    energy, distance = float(effort.power.sum()) * dt, float(effort.speed.sum()) * dt
    weight = episode.realized["total_mass"] * g
    return asdict(episode) | {
        "pushes": pushes,
        "recovered": survived and all(p["recovered"] for p in pushes) if spans else None,
        "tracking_before": before,
        "tracking_after": after,
        "distance": distance,
        "progress": progress,
        "command": None if gait is None else gait.command.tolist(),
        "energy": energy,
        "cost_of_transport": energy / (weight * distance) if distance >= LEAST_DISTANCE else None,
        "torque_violation": float(effort.saturated.mean()),
        "limit_violation": float(effort.beyond.mean()),
        "outcome": outcome(episode, progress, walks=gait is not None),
        "survived": survived,
    }


def outcome(episode: Episode, progress: float | None, walks: bool) -> str:
    """How an episode ended, in a word.

    ``stuck``: it covered less than a fifth of its way, or did not get up; ``wandered``: it went,
    but not as it was told.
    """
    if episode.fault is not None:
        return "fault"
    if episode.diverged:
        return "diverged"
    if episode.terminated:
        return "fell"
    if episode.success:
        return "success"
    still = not walks if progress is None else progress < STUCK
    return "stuck" if still else "wandered"


def covered(gait: Gait) -> float | None:
    """Share of the commanded way, or turn, that was covered; None: the command was to stand."""
    linear, turning = np.linalg.norm(gait.command[:2]), abs(gait.command[2])
    asked = float(linear or turning) * len(gait.along)
    return float(gait.along.sum()) / asked if asked else None


def along(command: np.ndarray, linear: np.ndarray, angular: np.ndarray) -> np.ndarray:
    """Velocity along commands, m/s, (N,); along those to turn on the spot, rad/s.

    Args:
        command: (N, 3).
        linear: Velocity, base frame, m/s, (N, 3).
        angular: Angular velocity, base frame, rad/s, (N, 3).
    """
    ahead, left, turning = command.T
    size = np.sqrt(ahead * ahead + left * left)
    way = (ahead * linear[:, 0] + left * linear[:, 1]) / np.where(size > 0.0, size, 1.0)
    return np.where(size > 0.0, way, np.sign(turning) * angular[:, 2])


def push_spans(draw: dict[str, Any], dt: float) -> list[tuple[int, int, int]]:
    """Number of each push of a draw, and the control steps at which it begins and ends."""
    spans = []
    for number, impulse in enumerate(draw.get("push_impulse", [])):
        if any(impulse):
            begin = round(draw["push_begin"][number] / dt)
            steps = max(round(draw["push_duration"][number] / dt), 1)
            spans.append((number, begin, begin + steps))
    return sorted(spans, key=lambda span: span[1])


def judged_pushes(
    episode: Episode, gait: Gait, safe: SafeSet | None, dt: float
) -> list[dict[str, Any]]:
    """Each push that the episode came to, and whether the robot recovered from it.

    Pushes of one volley share their judgement, from the end of the last.
    """
    spans = [span for span in push_spans(episode.draw, dt) if span[1] < episode.length]
    inside = np.zeros(episode.length, bool) if safe is None else safe.contains(gait.deviations)
    within, hold, window = (round(time / dt) for time in (WITHIN, HOLD, WINDOW))
    number = volleys([span[1:] for span in spans], window)
    ends = {volley: span[2] for volley, span in zip(number, spans, strict=True)}
    pushes = []
    for volley, (push, begin, _) in zip(number, spans, strict=True):
        x, y = episode.draw["push_impulse"][push][:2]
        steps = recovery(inside, ends[volley], within, hold)
        if episode.fault is not None:
            steps = None
        phase = float(gait.phase[begin])
        pushes.append(
            {
                "begin": begin * dt,
                "impulse": float(np.hypot(x, y)),
                "direction": float(np.arctan2(y, x)),
                "phase": None if np.isnan(phase) else phase,
                "recovered": steps is not None,
                "seconds": None if steps is None else steps * dt,
                "volley": volley,
            }
        )
    return pushes


def tracking(draw: dict[str, Any], gait: Gait, dt: float) -> tuple[float | None, float | None]:
    """Mean velocity error before the first push or slip, and after the last, m/s.

    Without any, all of the episode is before. The first second is left out.
    """
    spans = [span[1:] for span in push_spans(draw, dt)]
    if "slip_duration" in draw:
        begin = round(draw["slip_begin"] / dt)
        spans.append((begin, begin + round(draw["slip_duration"] / dt)))
    error = gait.deviations[:, _ERROR]
    first = min((begin for begin, _ in spans), default=len(error))
    last = max((end for _, end in spans), default=len(error))
    return _mean(error[round(SETTLING / dt) : first]), _mean(error[last:])


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
