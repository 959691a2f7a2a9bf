"""Times until something happens, when for some episodes it never does: Kaplan-Meier.

Recovery is what it is for. Leaving out the episodes that did not recover would flatter the policy
that recovers only from the easy pushes: they count as watched for so long, without a recovery.

A fall is not the end of watching. It rules recovery out, and censoring it at the fall would
suppose that it had still recovered like the others; so an episode counts as watched until its
time limit, fallen or not ("censoring-complete data", Fine and Gray 1999).
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.stats import CensoredData, ecdf

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.clustered import effective_count
from robo_maxent.evaluation.intervals import CONFIDENCE, CensoredEstimate, CensoredValue

ROUNDING = 1e-9
"""A share is a product of fractions: 0.5 may be stored a little above."""


@dataclass(frozen=True)
class WaitingCurve:
    """Share of episodes still waiting after each time at which that may change.

    Kaplan and Meier 1958, with the pointwise 95 % interval of log(-log(share)), which stays within
    [0, 1] (Kalbfleisch and Prentice 1980).
    """

    times: tuple[float, ...]
    """Times at which an event came, or watching ended: increasing, (T,)."""
    waiting: tuple[float, ...]
    """Share that is still waiting after each time, (T,)."""
    low: tuple[float, ...]
    """Lower end of its interval, (T,)."""
    high: tuple[float, ...]
    """Upper end of its interval, (T,)."""

    def when(self, share: float) -> CensoredValue:
        """First time by which the event has come to at least a share of the episodes, in (0, 1)."""
        return self._first(self.waiting, share)

    def interval(self, share: float) -> tuple[CensoredValue, CensoredValue]:
        """Times whose pointwise interval holds the share (Brookmeyer and Crowley 1982)."""
        return self._first(self.low, share), self._first(self.high, share)

    def _first(self, curve: tuple[float, ...], share: float) -> CensoredValue:
        reached = np.array(curve) <= 1 - share + ROUNDING
        if not reached.any():
            return CensoredValue(self.times[-1], ">")
        return CensoredValue(self.times[int(reached.argmax())])


@dataclass(frozen=True)
class WaitingTimes:
    """How long it took, and for how many it never came."""

    median: CensoredEstimate
    events: int
    """Episodes to which it came while they were watched."""
    count: int
    curve: WaitingCurve

    def __str__(self) -> str:
        """For people: ``median 0.62 s [0.55, 0.71], 183 of 200 in time``."""
        reached = "" if not self.median.value.side else " (not reached)"
        return f"median {self.median}{reached}, {self.events} of {self.count} in time"


def waiting_times(
    times: np.ndarray,
    watched: np.ndarray | float,
    unit: str = "s",
    starts: np.ndarray | None = None,
) -> WaitingTimes:
    """Times until an event, of which some are only known to be longer than was watched.

    The interval of the median covers about 95 %, a little more where times are few or tied.

    Args:
        times: When it came, counted from its cause, NaN where it did not, (n,).
        watched: How long each episode would have been watched, whatever happened to it, for
            example its time limit less the moment of the push, (n,) or one number. A fall does not
            shorten it.
        unit: Unit of ``times`` and ``watched``.
        starts: The same number for times that share the start of their episode, which tell less,
            (n,); all must be watched for as long. None: there are none.

    Raises:
        UsageError: There is none, a time is negative, one is longer than was watched, or there are
            starts and some were watched longer than others.
    """
    times = np.asarray(times, float)
    limits = np.broadcast_to(np.asarray(watched, float), times.shape)
    came = ~np.isnan(times)
    _check(times[came], limits[came], limits)
    if starts is not None and (limits != limits[0]).any():
        raise UsageError("times that share a start must all be watched for as long")
    curve = _kaplan_meier(np.where(came, times, limits), came, starts)
    low, high = curve.interval(0.5)
    median = CensoredEstimate(curve.when(0.5), low, high, len(times), unit)
    return WaitingTimes(median, int(came.sum()), len(times), curve)


def _kaplan_meier(
    times: np.ndarray, came: np.ndarray, starts: np.ndarray | None = None
) -> WaitingCurve:
    waiting = ecdf(CensoredData.right_censored(times, ~came)).sf
    with warnings.catch_warnings():
        # The interval is undefined where the share is 1 or 0, which is settled below.
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = waiting.confidence_interval(CONFIDENCE, method="log-log")
    share = waiting.probabilities
    low, high = interval.low.probabilities, interval.high.probabilities
    if starts is not None:
        low, high = _widened(share, low, high, _inflation(times, came, starts, waiting.quantiles))
    low = np.where(share == 1, 1.0, np.where(share == 0, 0.0, low))
    high = np.where(share == 1, 1.0, high)
    if share[-1] == 0:  # the last event says no more about the upper limit than those before
        high[-1] = high[-2] if len(high) > 1 else 1.0
    return WaitingCurve(
        tuple(waiting.quantiles.tolist()),
        tuple(share.tolist()),
        tuple(low.tolist()),
        tuple(high.tolist()),
    )


def _inflation(
    times: np.ndarray, came: np.ndarray, starts: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """How many times too small the variance of independent times is, at each time, (T,).

    With all watched for as long, the share still waiting is that of a simple count.
    """
    waits = ((times > time) | ~came for time in at)  # one (n,) after the other: T may be large
    return np.array([len(times) / effective_count(each, starts) for each in waits])


def _widened(
    share: np.ndarray, low: np.ndarray, high: np.ndarray, inflation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of an interval that is symmetric in log(-log(share)), of a larger variance."""
    with np.errstate(divide="ignore", invalid="ignore"):  # a share of 1 or 0 has no interval
        centre, *ends = (np.log(-np.log(values)) for values in (share, low, high))
        low, high = (np.exp(-np.exp(centre + np.sqrt(inflation) * (end - centre))) for end in ends)
    return low, high


def _check(came: np.ndarray, their_limits: np.ndarray, limits: np.ndarray) -> None:
    """Check times of events, the ends of watching of those episodes, and of all episodes."""
    if not limits.size:
        raise UsageError("there are no episodes to take times from")
    if not np.isfinite(limits).all() or not np.isfinite(came).all() or (limits < 0).any():
        raise UsageError("watched must be finite and at least 0, and times finite or NaN")
    if (came < 0).any() or (came > their_limits).any():
        bad = int(np.flatnonzero((came < 0) | (came > their_limits))[0])
        raise UsageError(
            f"a time must be within what was watched, [0, {their_limits[bad]:g}], got {came[bad]:g}"
        )
