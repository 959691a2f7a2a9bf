"""Tested points of a disturbance space: severities, distances, and random search.

Nothing here knows a simulation: a test is a function, and a space says how far its effects reach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

MOST_DRAWN = 256
"""Most random points tested together."""


@dataclass(frozen=True)
class Outcomes:
    """Results of N points."""

    failed: np.ndarray
    """Bool, (N,)."""
    returns: np.ndarray
    """Sum of rewards: the less is left, the nearer a point that holds may be to one that does not,
    (N,)."""


Test = Callable[[np.ndarray, np.ndarray], Outcomes]
"""Function from shares (N, K) and choices (N, D) to outcomes."""


class Space(Protocol):
    """Protocol of the space: K shares, and D numbers in [0, 1]."""

    @property
    def reach(self) -> np.ndarray:
        """The largest share of each effect, (K,)."""
        ...

    @property
    def circular(self) -> np.ndarray:
        """Which numbers are angles, so that 0 and 1 are the same, bool, (D,)."""
        ...

    @property
    def owner(self) -> np.ndarray:
        """Index of the effect that each number belongs to, int, (D,)."""
        ...

    def snapped(self, shares: np.ndarray) -> np.ndarray:
        """Shares rounded down to severities that exist, (N, K)."""
        ...


@dataclass(frozen=True)
class Point:
    """A tested disturbance."""

    shares: np.ndarray
    """How hard each effect is, (K,)."""
    choices: np.ndarray
    """Free choices of the effects, in [0, 1], (D,)."""
    severity: float
    """Length of the shares; infinite if it did not fail."""
    returned: float
    """Sum of rewards."""


class Ledger:
    """Counts tests, and records how the mildest failure improved."""

    def __init__(
        self, test: Test, most: int, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Nothing is tested yet.

        Args:
            test: What to count.
            most: Tests that there should be.
            progress: Called with how many there were and how many there should be.
        """
        self._test, self._progress, self.most = test, progress, most
        self.spent = 0
        self.improvements: list[tuple[int, float]] = []
        """After how many tests a milder failure was known, and its severity."""

    def __call__(self, shares: np.ndarray, choices: np.ndarray) -> Outcomes:
        """Test points and count them."""
        outcomes = self._test(shares, choices)
        severities = np.where(outcomes.failed, lengths(shares), np.inf)
        for number, severity in enumerate(severities.tolist(), self.spent + 1):
            if severity < self.mildest:
                self.improvements.append((number, severity))
        self.spent += len(shares)
        if self._progress:
            self._progress(min(self.spent, self.most), self.most)
        return outcomes

    @property
    def mildest(self) -> float:
        """Severity of the mildest failure so far."""
        return self.improvements[-1][1] if self.improvements else np.inf


def random_search(space: Space, test: Ledger, rng: np.random.Generator) -> list[Point]:
    """The mildest failure among points drawn at random, to compare with; empty: there was none.

    Directions of the shares are uniform, and lengths are, up to where a ray ends.
    """
    found: list[Point] = []
    while test.spent < test.most:
        n = min(MOST_DRAWN, test.most - test.spent)
        directions = random_directions(n, len(space.reach), rng)
        choices = rng.uniform(size=(n, len(space.circular)))
        with np.errstate(divide="ignore"):
            ends = (space.reach / directions).min(axis=1)
        shares = space.snapped((rng.uniform(size=n) * ends)[:, None] * directions)
        outcomes = test(shares, choices)
        for row in np.flatnonzero(outcomes.failed).tolist():
            severity = float(np.linalg.norm(shares[row]))
            found.append(Point(shares[row], choices[row], severity, float(outcomes.returns[row])))
        found = sorted(found, key=rank)[:1]
    return found


def random_directions(n: int, effects: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors without a negative part, uniform, (n, effects)."""
    return unit(np.abs(rng.normal(size=(n, effects))))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1, (N, K); 0 stays 0."""
    size = lengths(vectors)
    return vectors / np.where(size > 0.0, size, 1.0)[:, None]


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths of vectors (N, K), (N,)."""
    return np.sqrt((vectors**2).sum(axis=1))


def distance(one: Point, other: Point, space: Space) -> float:
    """How different two points are, whatever their severities.

    That is the largest difference over the effects: in its part of the direction of the shares; or
    in what it leaves open (root mean square, in ranges, half a turn being one), as far as it has a
    part in both.
    """
    first, second = (unit(point.shares[None])[0] for point in (one, other))
    apart = np.abs(one.choices - other.choices)
    apart = np.where(space.circular, 2.0 * np.minimum(apart, 1.0 - apart), apart)
    farthest = float(np.abs(first - second).max())
    for effect in range(len(first)):
        own = apart[space.owner == effect]
        if len(own):
            both = min(first[effect], second[effect])
            farthest = max(farthest, float(both * np.sqrt((own**2).mean())))
    return farthest


def rank(point: Point) -> tuple[float, float]:
    """Milder failures first; of those that hold, the least return."""
    return point.severity, point.returned
