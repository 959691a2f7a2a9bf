"""Measurements of one episode: tracking, effort, recovery, and how it ended. Pure functions."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from robo_maxent.evaluation.recovery import (
    HOLD,
    LOST_WITHIN,
    REGRASP_HOLD,
    SETTLING,
    WINDOW,
    WITHIN,
    SafeSet,
    lost_and_regained,
    recovery,
    volleys,
)
from robo_maxent.report.rows import LOW_RETURN, Grip, Points, Push, StressEpisode
from robo_maxent.types import Episode

STUCK = 0.2  # of the way that was commanded
PATH_POINTS = 32
"""Most points of an episode's path."""
LEAST_DISTANCE = 1.0  # m; on less, a cost of transport says nothing


@dataclass(frozen=True)
class Gait:
    """Command and tracking of a robot before each of its L control steps."""

    command: np.ndarray
    """Forward m/s, leftward m/s, counter-clockwise rad/s, (3,)."""
    along: np.ndarray
    """Velocity along the command, m/s, or rad/s for a command to turn on the spot, (L,)."""
    phase: np.ndarray
    """Stride phase, NaN where the robot should stand, (L,)."""
    error: np.ndarray
    """Error of the horizontal velocity, m/s, (L,)."""


@dataclass(frozen=True)
class Effort:
    """Speed, power and violated limits before each of the L control steps of an episode."""

    speed: np.ndarray | None
    """Horizontal speed of the base, m/s, (L,); None if the base is fixed."""
    power: np.ndarray | None
    """Absolute mechanical power, summed over the joints, W, (L,); None, as below, if the task
    does not provide it."""
    saturated: np.ndarray | None
    """Whether a motor was at its torque limit, bool, (L,)."""
    beyond: np.ndarray | None
    """Whether a joint was beyond its range, bool, (L,)."""


@dataclass(frozen=True)
class Safety:
    """Whether a robot was in a safe set before each of its L control steps, bool, (L,)."""

    own: np.ndarray
    """By the safe set of its own policy."""
    common: np.ndarray
    """By the safe set of the first policy of the test, for comparisons."""


@dataclass(frozen=True)
class Scale:
    """Constants that turn counts of control steps into quantities."""

    control_dt: float
    """s."""
    weight: float
    """Weight of the robot as compiled, N."""
    gravity: float
    """Size of gravity, m/s²."""


def measured(
    episode: Episode,
    gait: Gait | None,
    effort: Effort,
    safety: Safety | None,
    scale: Scale,
    label: dict[str, Any],
    by_return: bool = False,
    grip: Grip | None = None,
    path: Points | None = None,
) -> StressEpisode:
    """One row of a stress test: the episode and what was measured of it.

    Args:
        episode: What the simulation says.
        gait: How it followed its command; None: there are no commands.
        effort: What it took.
        safety: When it was safe; None: the task does not say its deviations, and nothing is judged.
        scale: Of time and weight.
        label: Policy, mode and condition of the row.
        by_return: Its success is that of its return.
        grip: What became of what the hand held; None: it held nothing.
        path: Where it went; None: the task has no floor plan.
    """
    dt = scale.control_dt
    spans = push_spans(episode.params, dt)
    ended_well = not episode.terminated or bool(episode.success)
    survived = ended_well and episode.policy_error is None
    pushes = () if safety is None else judged_pushes(episode, gait, safety, dt)
    judged = bool(spans) and safety is not None
    before, after = (None, None) if gait is None else tracking(episode.params, gait, dt)
    progress = None if gait is None else covered(gait)
    energy = None if effort.power is None else float(effort.power.sum()) * dt
    distance = None if effort.speed is None else float(effort.speed.sum()) * dt
    return StressEpisode(
        **{field.name: getattr(episode, field.name) for field in fields(episode)},
        **label,
        pushes=pushes,
        recovered=survived and all(push.recovered for push in pushes) if judged else None,
        grip=grip,
        path=path,
        tracking_before=before,
        tracking_after=after,
        command=None if gait is None else tuple(gait.command.tolist()),
        progress=progress,
        distance=distance,
        energy=energy,
        cost_of_transport=_cost_of_transport(energy, distance, episode, scale),
        torque_violation=None if effort.saturated is None else float(effort.saturated.mean()),
        limit_violation=None if effort.beyond is None else float(effort.beyond.mean()),
        outcome=outcome(episode, progress, gait is not None, by_return),
        survived=survived,
    )


def outcome(episode: Episode, progress: float | None, moves: bool, by_return: bool = False) -> str:
    """How an episode ended, in a word or two.

    ``stuck``: it covered less than a fifth of its way, or, of a task without commands, did not
    succeed; ``wandered``: it went, but not as it was told.
    """
    if episode.policy_error is not None:
        return "policy error"
    if episode.diverged:
        return "diverged"
    if episode.success:
        return "success"
    if episode.terminated:
        return "fell"
    if by_return:
        return LOW_RETURN
    still = not moves if progress is None else progress < STUCK
    return "stuck" if still else "wandered"


def covered(gait: Gait) -> float | None:
    """Share of the commanded way, or turn, that was covered; None for a command to stand."""
    linear, turning = np.linalg.norm(gait.command[:2]), abs(gait.command[2])
    asked = float(linear or turning) * len(gait.along)
    return float(gait.along.sum()) / asked if asked else None


def push_spans(params: dict[str, Any], dt: float) -> list[tuple[int, int, int]]:
    """Number, first and last control step of each push of an episode.

    Of its parameters an episode has those that are not nominal; nominal times are 0.
    """
    spans, impulses = [], params.get("push_impulse", [])
    none = [0.0] * len(impulses)
    at, lasts = params.get("push_begin", none), params.get("push_duration", none)
    for number, impulse in enumerate(impulses):
        if any(impulse):
            begin = round(at[number] / dt)
            steps = max(round(lasts[number] / dt), 1)
            spans.append((number, begin, begin + steps))
    return sorted(spans, key=lambda span: span[1])


def judged_pushes(
    episode: Episode, gait: Gait | None, safety: Safety, dt: float
) -> tuple[Push, ...]:
    """The pushes of an episode, and whether the robot recovered from each.

    Pushes of one volley share their judgement, from when none of them acts any more. A robot that
    was not in its safe set before the first of them has nothing to recover to.
    """
    spans = [span for span in push_spans(episode.params, dt) if span[1] < episode.length]
    number = volleys([span[1:] for span in spans], round(WINDOW / dt))
    ends: dict[int, int] = {}
    for volley, (_, _, end) in zip(number, spans, strict=True):
        ends[volley] = max(end, ends.get(volley, 0))
    begins = {number[i]: spans[i][1] for i in reversed(range(len(spans)))}
    pushes = []
    for volley, (push, begin, _) in zip(number, spans, strict=True):
        x, y = episode.params["push_impulse"][push][:2]
        seconds, common = (
            None
            if episode.policy_error is not None
            else recovered_after(inside, begins[volley], ends[volley], dt)
            for inside in (safety.own, safety.common)
        )
        phase = float("nan") if gait is None else float(gait.phase[begin])
        pushes.append(
            Push(
                begin=begin * dt,
                impulse=float(np.hypot(x, y)),
                direction=float(np.arctan2(y, x)),
                phase=None if np.isnan(phase) else phase,
                recovered=seconds is not None,
                seconds=seconds,
                common_seconds=common,
                volley=volley,
            )
        )
    return tuple(pushes)


def recovered_after(inside: np.ndarray, begin: int, end: int, dt: float) -> float | None:
    """Time from the end of a push to recovery, s; None if it did not recover.

    Args:
        inside: Whether the robot was safe at each control step, bool, (L,).
        begin: The control step at which the push begins.
        end: The first one at which it does not act any more.
        dt: Time between two actions, s.
    """
    settled, within, hold = (round(time / dt) for time in (SETTLING, WITHIN, HOLD))
    if not inside[max(begin - hold, settled) : begin].all():
        return None
    steps = recovery(inside, end, within, hold)
    return None if steps is None else steps * dt


def judged_grip(
    holding: np.ndarray | None, begin: float | None, steps: int, dt: float
) -> Grip | None:
    """Whether an object was lost, and held again, after a disturbance began.

    Args:
        holding: Whether the hand had it at each control step of the episode, bool, (L,); None: the
            task does not say.
        begin: When the disturbance begins, s; None: there is none.
        steps: Control steps after which the episode is cut off, whatever happens.
        dt: Time between two actions, s.
    """
    if holding is None or begin is None:
        return None
    within, hold = round(LOST_WITHIN / dt), round(REGRASP_HOLD / dt)
    found = lost_and_regained(holding, round(begin / dt), within, hold)
    if found is None:
        return None
    lost, regained = found
    if lost is None:
        return Grip(begin, lost=False)
    seconds = None if regained is None else (regained - lost) * dt
    # Who has it again in the last few steps can't be seen to keep it.
    return Grip(begin, lost=True, seconds=seconds, watched=max(steps - hold - lost, 0) * dt)


def thinned(positions: np.ndarray) -> Points:
    """A path with at most PATH_POINTS, rounded to cm, of positions before L steps, m, (L, 2)."""
    count = min(len(positions), PATH_POINTS)
    kept = np.linspace(0, len(positions) - 1, count).round().astype(int)
    return tuple((x, y) for x, y in positions[kept].round(2).tolist())


def tracking(params: dict[str, Any], gait: Gait, dt: float) -> tuple[float | None, float | None]:
    """Mean velocity error before the first push or slip, and after the last, m/s.

    Without any, all of the episode is before. The first second is left out.
    """
    spans = [span[1:] for span in push_spans(params, dt)]
    if "slip_duration" in params:
        begin = round(params.get("slip_begin", 0.0) / dt)
        spans.append((begin, begin + round(params["slip_duration"] / dt)))
    first = min((begin for begin, _ in spans), default=len(gait.error))
    last = max((end for _, end in spans), default=len(gait.error))
    return _mean(gait.error[round(SETTLING / dt) : first]), _mean(gait.error[last:])


def judged_safety(
    own: SafeSet | None, common: SafeSet | None, deviations: np.ndarray, names: tuple[str, ...]
) -> Safety | None:
    """Whether an episode was safe at each of its L control steps.

    Args:
        own: Safe set of the policy; None: it has none, and recovers from nothing.
        common: That of the first policy of the test; None: likewise.
        deviations: (L, F).
        names: Of the deviations; empty: the task does not say any, and the result is None.
    """
    if not names:
        return None
    never = np.zeros(len(deviations), bool)
    return Safety(*(never if safe is None else safe.contains(deviations) for safe in (own, common)))


def _cost_of_transport(
    energy: float | None, distance: float | None, episode: Episode, scale: Scale
) -> float | None:
    if energy is None or distance is None or distance < LEAST_DISTANCE:
        return None
    mass = episode.realized.get("total_mass")
    weight = scale.weight if mass is None else mass * scale.gravity
    return energy / (weight * distance)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
