"""Definition of recovery from a push.

A robot is well where none of the task's deviations, such as its tilt or the error of its velocity,
is larger than the same policy ever has while it does its task undisturbed, by a margin: that is its
safe set. It recovered from a push if it was in its safe set for HOLD seconds before, and if, within
WITHIN seconds of the push's end, it was back there and stayed for HOLD seconds. Whoever never left
it recovered in 0 s. A push from which nobody saw it recover is censored, not dropped, and so is one
that met it outside. A policy that never does its task has no safe set, and recovers from nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from robo_maxent.errors import UsageError

WITHIN = 2.0  # s
HOLD = 1.0  # s, before a push and from its recovery on
LOST_WITHIN = 1.0  # s after a disturbance: an object that is gone later was lost otherwise
REGRASP_HOLD = 0.12  # s that a hand must have an object, three control steps, to have it again
WINDOW = WITHIN + HOLD  # s after a push's end: until then it is not judged
SETTLING = 1.0  # s from the start of an episode, which is dropped from a little above the ground

QUANTILE = 0.999  # of undisturbed steps: a thousandth may be stumbles
MARGIN = 1.5


@dataclass(frozen=True)
class SafeSet:
    """Largest deviations of a policy that does its task undisturbed, with a margin."""

    limits: Mapping[str, float]
    """Deviation -> largest safe value, in the unit that the task declares."""
    episodes: int
    """Number of undisturbed episodes that it was calibrated from."""
    steps: int
    """Number of control steps of these episodes."""

    def contains(self, deviations: np.ndarray) -> np.ndarray:
        """Whether the robot is safe, bool, (...,), of deviations, (..., F)."""
        return np.all(deviations <= np.array(list(self.limits.values())), axis=-1)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {"limits": dict(self.limits), "episodes": self.episodes, "steps": self.steps}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "SafeSet":
        """What :meth:`to_json` made."""
        return cls(saved["limits"], saved["episodes"], saved["steps"])


def calibrate(names: Sequence[str], undisturbed: Sequence[np.ndarray]) -> SafeSet:
    """The safe set of a policy from its own undisturbed episodes.

    Args:
        names: Names of the deviations, F of them.
        undisturbed: Deviations at each judged control step of an episode, (steps, F) each.

    Raises:
        UsageError: There is no step, or one is not finite.
    """
    steps = np.concatenate([np.empty((0, len(names))), *undisturbed])
    if not len(steps):
        raise UsageError("a safe set needs undisturbed episodes, and there are none")
    if not np.isfinite(steps).all():
        raise UsageError("a safe set needs deviations that are finite")
    limits = MARGIN * np.quantile(steps, QUANTILE, axis=0)
    values = dict(zip(names, limits.tolist(), strict=True))
    return SafeSet(values, len(undisturbed), len(steps))


def recovery(safe: np.ndarray, end: int, within: int, hold: int) -> int | None:
    """Control steps from the end of a push until the robot was safe again for a while.

    Args:
        safe: Whether it was safe at each control step of the episode, bool, (steps,).
        end: The first control step at which the push does not act any more.
        within: It must be back after at most so many control steps.
        hold: It must then stay for so many control steps, the first included.

    Returns:
        None: it was not, or the episode ended first.
    """
    # Number of unsafe steps before each step: none lie between two of the same number.
    unsafe = np.concatenate([[0], np.cumsum(~safe)])
    starts = np.arange(end, min(end + within, len(safe) - hold) + 1)
    good = np.flatnonzero(unsafe[starts] == unsafe[starts + hold])
    return int(good[0]) if len(good) else None


def lost_and_regained(
    holding: np.ndarray, begin: int, within: int, hold: int
) -> tuple[int | None, int | None] | None:
    """When an object was lost after a disturbance, and when the hand held it again.

    Just after the disturbance it is still where it was, so that nothing is regained which was not
    lost first.

    Args:
        holding: Whether the hand had it before each control step of the episode, bool, (steps,).
        begin: The control step in which the disturbance begins.
        within: It counts as lost by the disturbance if it is gone after at most so many steps.
        hold: The hand has it again once it had it for so many steps on end, the first included.

    Returns:
        The first control step without it, None if there was none in time; and the first of the
        steps with it again, None if there were none. None of both: the hand did not have it when
        the disturbance began.
    """
    if begin >= len(holding) or not holding[begin]:
        return None
    gone = np.flatnonzero(~holding[begin + 1 : begin + 1 + within])
    if not len(gone):
        return None, None
    lost = begin + 1 + int(gone[0])
    regained = recovery(holding, lost, len(holding), hold)
    return lost, None if regained is None else lost + regained


def volleys(spans: Sequence[tuple[int, int]], window: int) -> list[int]:
    """Number of the volley that each push belongs to, from 0.

    A push that comes before those ahead of it can be judged is of their volley: they are judged
    together, from when the last of them is over.

    Args:
        spans: Control steps at which each push begins and ends, in the order of their beginning.
        window: Control steps that a judgement takes, after a push's end.
    """
    number: list[int] = []
    over = 0  # when all that have begun are
    for begin, end in spans:
        number.append(number[-1] + (begin >= over + window) if number else 0)
        over = max(over, end)
    return number
