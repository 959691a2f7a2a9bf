"""Success at increasing severities of one axis -> where it falls below 90 %, and its mean.

Both say what the tested severities can. Success falls below 90 % somewhere between the last of them
that holds and the first that does not; the area under the curve lies between what it is if success
falls right after each severity, and right before the next. What lies between was not tried.

*The doubt of the fall* is that of bets (Waudby-Smith and Ramdas 2024, "Estimating means of bounded
random variables by betting"). Who says that success holds at a severity bets on success there and
at harder ones, at odds that are fair if 90 % succeed. If fewer do, the wealth grows 40-fold in at
most 2.5 % of all cases (Ville 1939), whatever severities were chosen on the way, and whenever one
stopped. Who says that it has fallen bets on failure there and at milder ones. So the interval
covers at least 95 % where success never rises with severity. Where it dips and recovers, it is of
the first fall, as far as a tested severity shows it.

*The doubt of the area* is that of Rubin's bootstrap (1981), which weights starts at random: a start
that was met at every severity keeps its outcomes together. Where all episodes succeed, it would
claim a certainty that no number of episodes gives. So each share has half a success and half a
failure added, and at each end one more of what moves that end outwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from robo_maxent.errors import UsageError
from robo_maxent.evaluation.intervals import (
    ONE_IN,
    CensoredValue,
    Proportion,
    percentile_interval,
    proportion,
)

THRESHOLD = 0.9
"""Share of success that is required."""
RESAMPLES = 10_000
"""The ends of an area's interval then differ by 1 % of its length between generators."""
ROUNDING = 1e-9
"""A pooled share is a sum of quotients: 0.9 may be stored a little below."""
PROOF = float(ONE_IN)
"""What the wealth of a bet must grow to."""
STAKES = 16
"""Shares of success that are bet on, a part of the wealth on each."""


@dataclass(frozen=True)
class Fall:
    """Where success falls below what is required."""

    holds: float | None
    """The last severity at which it is as required; None: it is not at the first."""
    fails: float | None
    """The first at which it is not; None: it is at the last."""
    mildest: CensoredValue
    """Mild end of the 95 % interval: a tested severity, or before the first."""
    hardest: CensoredValue
    """Its hard end: a tested severity, or after the last."""
    count: int
    """How many episodes it was told from."""
    unit: str = ""

    def __str__(self) -> str:
        """For people: ``between 8 and 16 N·s [4, 16]``, ``after 24 N·s [16, > 24]``."""
        if self.holds is None:
            where = f"before {self.fails:g}"
        elif self.fails is None:
            where = f"after {self.holds:g}"
        else:
            where = f"between {self.holds:g} and {self.fails:g}"
        return f"{where} {self.unit}".rstrip() + f" [{self.mildest}, {self.hardest}]"


@dataclass(frozen=True)
class Area:
    """Mean success over an axis, in [0, 1], as far as the tested severities say."""

    least: float
    """If success falls right after each severity."""
    most: float
    """If it falls right before the next."""
    interval: tuple[float, float]
    """95 % of both."""
    count: int
    """How many episodes it was told from."""

    def __str__(self) -> str:
        """For people, to two digits: ``0.68 to 0.82 [0.61, 0.87]``."""
        low, high = self.interval
        return f"{self.least:.2f} to {self.most:.2f} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True)
class SeverityCurve:
    """Success along one axis, from its mildest to its most severe value."""

    axis: str
    unit: str
    severities: tuple[float, ...]
    """In order of increasing harm: falling where less is worse, such as friction, (K,)."""
    shares: tuple[Proportion, ...]
    """Success at each severity, (K,)."""
    fit: tuple[float, ...]
    """The closest shares that never rise with severity, (K,): what a fall is read from."""
    fall: Fall
    area: Area
    threshold: float
    paired: bool
    """Every severity was met by the same starts."""

    def __str__(self) -> str:
        """For people: ``falls below 90 % between 8 and 16 N·s [4, 16], area 0.6 to 0.8 [...]``."""
        required = f"{100 * self.threshold:g} %"
        return f"{self.axis}: falls below {required} {self.fall}, area {self.area}"


def severity_curve(
    severities: Sequence[float],
    outcomes: np.ndarray,
    rng: np.random.Generator,
    *,
    axis: str,
    unit: str,
    threshold: float = THRESHOLD,
    resamples: int = RESAMPLES,
) -> SeverityCurve:
    """Success along one axis.

    Args:
        severities: From the mildest to the most severe, strictly rising or falling, (K,).
        outcomes: 1 for success, 0 for failure, NaN where a start was not run, (S, K).
        rng: Random numbers of the bootstrap.
        axis: What is made more severe, for people.
        unit: Its unit.
        threshold: Share of success that is required, in (0, 1).
        resamples: Draws of the bootstrap; a quarter of them makes the ends vary twice as much.

    Raises:
        UsageError: Severities or outcomes are not as said, a severity has no episodes, or there are
            fewer than 39 resamples.
    """
    places, table = np.asarray(severities, float), np.asarray(outcomes, float)
    _check(places, table, threshold)
    counts, hits = (~np.isnan(table)).sum(0), np.nansum(table, axis=0)  # (K,)
    shares = hits / counts
    return SeverityCurve(
        axis=axis,
        unit=unit,
        severities=tuple(places.tolist()),
        shares=tuple(proportion(int(h), int(n)) for h, n in zip(hits, counts, strict=True)),
        fit=tuple(_fit(table).tolist()),
        fall=fall(places, table, threshold=threshold, unit=unit),
        area=_area(places, table, shares, rng, resamples),
        threshold=threshold,
        paired=not np.isnan(table).any(),
    )


def fall(
    severities: Sequence[float] | np.ndarray,
    outcomes: np.ndarray,
    *,
    threshold: float = THRESHOLD,
    unit: str = "",
) -> Fall:
    """Where success falls below what is required; arguments as of :func:`severity_curve`.

    Raises:
        UsageError: Severities or outcomes are not as said, or a severity has no episodes.
    """
    places, table = np.asarray(severities, float), np.asarray(outcomes, float)
    _check(places, table, threshold)
    fit = _fit(table)
    size = len(places)
    held = _leading((fit >= threshold - ROUNDING).tolist())
    holding, failing = proven(table, threshold)
    holding, failing = min(holding, held), max(failing, held)
    before, after = ("<", ">") if places[0] < places[-1] else (">", "<")
    known = [CensoredValue(place) for place in places.tolist()]
    ends = [CensoredValue(known[0].value, before), *known, CensoredValue(known[-1].value, after)]
    return Fall(
        holds=known[held - 1].value if held else None,
        fails=known[held].value if held < size else None,
        mildest=ends[holding],
        hardest=ends[failing + 1],
        count=int((~np.isnan(table)).sum()),
        unit=unit,
    )


def wealth(outcomes: np.ndarray, shares: np.ndarray, threshold: float) -> np.ndarray:
    """What bets that are fair at a threshold have grown to, from 1, (K, K).

    At ``[i, j]``, of bets on the episodes at severities i to j: the mean over ``shares``, of which
    each bets that so large a share succeeds. The episodes of one start may be alike, so each
    start's wealth grows by the mean of what its episodes would make of it.

    Args:
        outcomes: 1, 0, or NaN where a start was not run, (S, K).
        shares: All above the threshold, to bet on success, or all below, to bet on failure, (Q,).
        threshold: Share at which nobody wins on average.
    """
    patterns, repeats = np.unique(np.nan_to_num(outcomes, nan=-1.0), axis=0, return_counts=True)
    wins, losses = shares / threshold, (1.0 - shares) / (1.0 - threshold)  # (Q,)
    size = outcomes.shape[1]
    grown = np.ones((size, size))
    for i in range(size):
        hits = np.cumsum(patterns[:, i:] == 1, axis=1)[..., None]  # (P, K - i, 1)
        misses = np.cumsum(patterns[:, i:] == 0, axis=1)[..., None]
        run = np.maximum(hits + misses, 1)
        factor = np.where(hits + misses > 0, (hits * wins + misses * losses) / run, 1.0)
        with np.errstate(divide="ignore"):  # who bets everything may lose it
            logs = np.einsum("p,pkq->kq", repeats.astype(float), np.log(factor))
        grown[i, i:] = np.exp(np.minimum(logs, 500.0)).mean(1)
    return grown


def proven(outcomes: np.ndarray, threshold: float) -> tuple[int, int]:
    """How many of the first severities are proven to hold, and from which on all are to fail.

    Success at a severity is not proven by episodes at those that are proven to fail.

    Args:
        outcomes: 1, 0, or NaN where a start was not run, (S, K).
        threshold: Share of success that is required.
    """
    parts = (np.arange(STAKES) + 0.5) / STAKES
    size = outcomes.shape[1]
    against = wealth(outcomes, threshold * parts, threshold)
    fallen = [against[: j + 1, j].mean() >= PROOF for j in range(size)]
    failing = size - _leading(fallen[::-1])
    kept = outcomes[:, :failing]
    # Most policies succeed nearly always where they succeed: more is bet on that.
    favour = wealth(kept, 1.0 - (1.0 - threshold) * parts**2, threshold)
    holding = _leading([favour[i, i:].mean() >= PROOF for i in range(failing)])
    return holding, failing


def plausible_shares(
    outcomes: np.ndarray, rng: np.random.Generator, resamples: int, added: tuple[float, float]
) -> np.ndarray:
    """Shares of success that the outcomes leave plausible, (resamples, K).

    Random weights of starts are gamma variables, which makes their shares a Dirichlet variable.
    Starts with the same outcomes are weighted together. Each share alone is a Beta variable, of the
    successes and failures at that severity and those that are added.

    Args:
        outcomes: 1, 0, or NaN, (S, K).
        rng: Random numbers.
        resamples: How many.
        added: Successes and failures added to every severity.
    """
    coded = np.nan_to_num(outcomes, nan=-1.0)  # NaN would differ from NaN
    patterns, repeats = np.unique(coded, axis=0, return_counts=True)
    weights = rng.standard_gamma(repeats, (resamples, len(repeats)))
    successes, failures = (rng.standard_gamma(each, (resamples, 1)) for each in added)
    hits = weights @ (patterns == 1).astype(float) + successes
    return hits / (weights @ (patterns >= 0).astype(float) + successes + failures)


def _fit(table: np.ndarray) -> np.ndarray:
    """The closest shares that never rise, weighted with episodes, (K,)."""
    counts = (~np.isnan(table)).sum(0)
    shares = np.nansum(table, axis=0) / counts
    return isotonic_regression(shares, weights=counts, increasing=False).x


def _area(
    places: np.ndarray,
    table: np.ndarray,
    shares: np.ndarray,
    rng: np.random.Generator,
    resamples: int,
) -> Area:
    widths = np.diff(places) / (places[-1] - places[0])
    rises = shares[1:] > shares[:-1]
    lower = np.arange(len(widths)) + ~rises  # the end of each step with the smaller share
    upper = np.arange(len(widths)) + rises
    low = plausible_shares(table, rng, resamples, (0.5, 1.5))[:, lower] @ widths
    high = plausible_shares(table, rng, resamples, (1.5, 0.5))[:, upper] @ widths
    return Area(
        least=float(shares[lower] @ widths),
        most=float(shares[upper] @ widths),
        interval=(percentile_interval(low)[0], percentile_interval(high)[1]),
        count=int((~np.isnan(table)).sum()),
    )


def _leading(flags: Sequence[bool]) -> int:
    """How many are true before the first that is not."""
    return next((place for place, flag in enumerate(flags) if not flag), len(flags))


def _check(places: np.ndarray, table: np.ndarray, threshold: float) -> None:
    steps = np.diff(places)
    monotone = (steps > 0).all() or (steps < 0).all()
    if len(places) < 2 or not np.isfinite(places).all() or not monotone:
        raise UsageError(
            "severities must be at least two numbers, strictly rising or falling, from the mildest "
            f"to the most severe, got {places.tolist()}"
        )
    if table.ndim != 2 or table.shape[1] != len(places):
        raise UsageError(
            f"outcomes must have shape (seeds, {len(places)}), one column a severity, got "
            f"{table.shape}"
        )
    if not np.isin(table[~np.isnan(table)], (0.0, 1.0)).all():
        raise UsageError("outcomes must be 1, 0, or NaN where a seed was not run")
    if np.isnan(table).all(0).any():
        empty = places[np.isnan(table).all(0)].tolist()
        raise UsageError(f"every severity needs at least one episode, there is none at {empty}")
    if not 0 < threshold < 1:
        raise UsageError(f"threshold must be between 0 and 1, got {threshold}")
