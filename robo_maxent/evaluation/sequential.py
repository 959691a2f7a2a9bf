"""Whether a share is at least what was asked for, looked at as often as one likes.

Who doubts that a share p reaches a limit t offers odds that are fair if it is t. A bet on success
at such odds, with all shares above t in mind, grows from 1 to

    W = integral over p in (t, 1) of p^k (1 - p)^(n - k) w(p) dp / (t^k (1 - t)^(n - k))

after k successes in n independent episodes, where w is Krichevsky's and Trofimov's density (1981),
Beta(1/2, 1/2), cut off below t. If the share is t or less, W ever exceeds 1 / (1 - confidence) with
a probability of at most 1 - confidence (Ville 1939), so a test may stop at any time, and stops
early where the share is far from the limit. A bet on failure, with the shares below t in mind,
shows likewise that the limit is missed.

Episodes may be of several cases that differ in how hard they are, if each look comes after equally
many of every case: then W grows on average by a product of factors whose mean is at most 1, and so
by at most 1, because the geometric mean is not above the arithmetic one.
"""

import math

from scipy.optimize import root_scalar
from scipy.special import betaincc, betaln

from robo_maxent.errors import UsageError

PRIOR = 0.5
"""Both parameters of the density of the shares that are bet on."""
EDGE = 1e-9
"""How near to 0 and 1 a bound is looked for."""


def shown_above(hits: int, count: int, limit: float, confidence: float) -> bool:
    """Whether so many successes show that the share is above a limit.

    Raises:
        UsageError: ``hits`` is outside [0, count], or ``limit`` or ``confidence`` outside (0, 1).
    """
    return _log_wealth(hits, count, limit) >= _log_needed(confidence)


def shown_below(hits: int, count: int, limit: float, confidence: float) -> bool:
    """Whether so many successes show that the share is below a limit; raises alike."""
    _check(hits, count, limit)
    return _log_wealth(count - hits, count, 1.0 - limit) >= _log_needed(confidence)


def lower_bound(hits: int, count: int, confidence: float) -> float:
    """The largest limit that the share is shown to be above, in [0, 1); 0 if none is."""
    needed = _log_needed(confidence)
    if not hits or _log_wealth(hits, count, EDGE) < needed:
        return 0.0
    most = min(hits / count, 1.0 - EDGE)  # at the share seen nobody wins
    found = root_scalar(
        lambda limit: _log_wealth(hits, count, limit) - needed, bracket=(EDGE, most)
    )
    return float(found.root)


def least_episodes(limit: float, confidence: float) -> int:
    """How many episodes show that the share is above a limit if all of them succeed."""
    count = 1
    while not shown_above(count, count, limit, confidence):
        count *= 2
    least = count // 2
    while count - least > 1:
        middle = (least + count) // 2
        least, count = (
            (least, middle) if shown_above(middle, middle, limit, confidence) else (middle, count)
        )
    return count


def _log_wealth(hits: int, count: int, limit: float) -> float:
    """Logarithm of W."""
    _check(hits, count, limit)
    a, b = hits + PRIOR, count - hits + PRIOR
    above, before = float(betaincc(a, b, limit)), float(betaincc(PRIOR, PRIOR, limit))
    if above == 0.0:  # too small for a number: nothing is left
        return -math.inf
    fair = hits * math.log(limit) + (count - hits) * math.log1p(-limit)
    grown = float(betaln(a, b) - betaln(PRIOR, PRIOR))
    return grown + math.log(above) - math.log(before) - fair


def _log_needed(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence must be between 0 and 1, got {confidence:g}")
    return -math.log1p(-confidence)


def _check(hits: int, count: int, limit: float) -> None:
    if not 0 <= hits <= count:
        raise UsageError(f"need 0 <= hits <= count, got {hits} of {count}")
    if not 0.0 < limit < 1.0:
        raise UsageError(f"a limit of a share must be between 0 and 1, got {limit:g}")
