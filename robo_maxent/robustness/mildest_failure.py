"""The mildest point of a space at which something fails, found by evolution along rays.

Failing is yes or no, and says nothing of how far away the boundary is. So what evolves is a ray: in
which proportion effects act (a direction), and what they leave open (directions and times in the
simulation). How mild it fails is looked for by halving its length, all rays of a generation
together, and a ray is halved only if it fails where half of the last generation did. Rays that hold
there are told apart by the return that was left. CMA-ES (Hansen and Ostermeier 2001) makes the
next generation from the order of the last, so that nothing depends on the size of a return.

Before that, rays drawn at random show where to begin: at the mildest that differ from each other,
so that several minima are found, of which those that come out alike count once. In the end each is
stripped of the effects that it does not need.

Nothing here knows a simulation: a test is a function, and a space says how far its effects reach.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cmaes import CMA

HALVINGS = 5
"""Of a ray: its length is then known to a 32nd of where it was first tried."""
FINE_HALVINGS = 8
"""The same of a minimum in the end."""
SCATTERED = 0.3
"""Share of the tests that go to rays drawn at random."""
RAYS = 64
"""Of those, tested together at most."""
BRANCHES = 3
"""Minima that are looked for at once."""
SPREAD = 0.15
"""Standard deviation of the first generation, in shares and in ranges of what is left open."""
DISTINCT = 0.15
"""Distance from which two points count as different, see :func:`distance`."""
MOST_DRAWN = 256
"""Points drawn at random that are tested together."""


@dataclass(frozen=True)
class Outcomes:
    """What became of N points."""

    failed: np.ndarray
    """Bool, (N,)."""
    returns: np.ndarray
    """Sum of rewards: the less is left, the nearer a point that holds may be to one that does not,
    (N,)."""


Test = Callable[[np.ndarray, np.ndarray], Outcomes]
"""Shares (N, K) and what is left open (N, D) to what became of it."""


class Space(Protocol):
    """Where points lie: K shares, and D numbers in [0, 1]."""

    @property
    def reach(self) -> np.ndarray:
        """The largest share of each effect, (K,)."""
        ...

    @property
    def circular(self) -> np.ndarray:
        """Of which numbers 0 and 1 are the same, bool, (D,)."""
        ...

    @property
    def owner(self) -> np.ndarray:
        """The effect that each number belongs to, int, (D,)."""
        ...

    def snapped(self, shares: np.ndarray) -> np.ndarray:
        """The nearest shares that there are, no harder, (N, K)."""
        ...


@dataclass(frozen=True)
class Point:
    """A disturbance, tested."""

    shares: np.ndarray
    """How hard each effect is, (K,)."""
    choices: np.ndarray
    """What that leaves open, in [0, 1], (D,)."""
    severity: float
    """Length of the shares; infinite: it did not fail."""
    returned: float
    """Sum of rewards."""


class Ledger:
    """Counts tests, and notes how the mildest failure came down."""

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
        """Test some points."""
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


@dataclass
class _Branch:
    """A minimum on its way down."""

    optimizer: CMA
    best: Point
    below: float
    """Severity at which rays of the next generation are tried first."""


class MildestFailure:
    """A search; what it found so far can be asked for at any time, also when it was interrupted."""

    def __init__(self, space: Space, test: Ledger, rng: np.random.Generator) -> None:
        """Begin with nothing.

        Args:
            space: Where to look.
            test: What fails, and how often it may be asked.
            rng: Random numbers; the same give the same search, bit for bit.
        """
        self._space, self._test, self._rng = space, test, rng
        self._effects, self._open = len(space.reach), len(space.circular)
        self._rays: list[Point] = []
        self._branches: list[_Branch] = []

    def run(self) -> None:
        """Search, with as many tests as there may be, or a few more."""
        self.scatter(round(SCATTERED * self._test.most))
        polishing = BRANCHES * (self._effects + FINE_HALVINGS)
        self._branches = [self._branch(point) for point in self._distinct(self._rays)]
        if self._effects + self._open > 1:  # or there is but one ray
            while self._test.spent < self._test.most - polishing:
                self._generation()
        self._polish()

    @property
    def minima(self) -> list[Point]:
        """Failures that differ, the mildest first."""
        known = [branch.best for branch in self._branches] or self._rays
        return self._distinct([point for point in known if np.isfinite(point.severity)])

    def scatter(self, tests: int) -> None:
        """Draw rays at random, and see how mild those fail that are among the mildest."""
        together = min(RAYS, max(tests // 4, BRANCHES))
        while self._test.spent < tests:
            directions = random_directions(together, self._effects, self._rng)
            choices = self._rng.uniform(size=(together, self._open))
            ordered = sorted(point.severity for point in self._rays)
            below = ordered[min(2 * BRANCHES, len(ordered)) - 1] if ordered else np.inf
            self._rays += self._along(directions, choices, np.full(together, below), HALVINGS)

    def _branch(self, point: Point) -> _Branch:
        """Evolve rays from that of a point."""
        mean = np.concatenate([unit(point.shares[None])[0], point.choices])
        seed = int(self._rng.integers(2**31))
        return _Branch(CMA(mean, SPREAD, seed=seed), point, point.severity)

    def _generation(self) -> None:
        """Evolve every branch by a generation, all tested together."""
        asked = [
            np.array([branch.optimizer.ask() for _ in range(branch.optimizer.population_size)])
            for branch in self._branches
        ]
        below = [np.full(len(rays), b.below) for b, rays in zip(self._branches, asked, strict=True)]
        tested = self._along(*self._decoded(np.concatenate(asked)), np.concatenate(below), HALVINGS)
        for branch, rays in zip(self._branches, asked, strict=True):
            points, tested = tested[: len(rays)], tested[len(rays) :]
            order = sorted(range(len(points)), key=lambda i: _rank(points[i]))
            places = np.argsort(order).tolist()
            branch.optimizer.tell(list(zip(rays, map(float, places), strict=True)))
            middle = points[order[len(order) // 2 - 1]].severity
            branch.below = min(branch.below, middle)
            branch.best = min(branch.best, points[order[0]], key=_rank)
        bests = self._distinct([branch.best for branch in self._branches])
        self._branches = [b for b in self._branches if any(b.best is point for point in bests)]

    def _decoded(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Directions (N, K) and what is left open (N, D) of what evolves, (N, K + D)."""
        sizes = np.abs(rays[:, : self._effects])
        sizes[~sizes.any(axis=1)] = 1.0
        places = rays[:, self._effects :]
        reflected = np.abs((places + 1.0) % 2.0 - 1.0)
        return unit(sizes), np.where(self._space.circular, places % 1.0, reflected)

    def _along(
        self, directions: np.ndarray, choices: np.ndarray, below: np.ndarray, halvings: int
    ) -> list[Point]:
        """How mild N rays fail, of those that fail at a severity or before their ends.

        Args:
            directions: Unit vectors, (N, K).
            choices: What is left open, (N, D).
            below: Severity at which each is tried first, (N,).
            halvings: How often a ray that fails is halved.
        """
        with np.errstate(divide="ignore"):
            ends = (self._space.reach / directions).min(axis=1)
        hard, mild = np.minimum(below, ends), np.zeros(len(ends))
        shares = self._space.snapped(hard[:, None] * directions)
        outcomes = self._test(shares, choices)
        failed, returns = outcomes.failed.copy(), outcomes.returns.copy()
        going = np.flatnonzero(failed)
        for _ in range(halvings if len(going) else 0):
            middle = (mild[going] + hard[going]) / 2.0
            milder = self._space.snapped(middle[:, None] * directions[going])
            outcomes = self._test(milder, choices[going])
            fails = outcomes.failed
            hard[going[fails]], mild[going[~fails]] = middle[fails], middle[~fails]
            shares[going[fails]] = milder[fails]
            returns[going[fails]] = outcomes.returns[fails]
        severities = np.where(failed, lengths(shares), np.inf)
        return [
            Point(*values)
            for values in zip(shares, choices, severities.tolist(), returns.tolist(), strict=True)
        ]

    def _polish(self) -> None:
        """Leave out what a minimum does not need, then halve it finely."""
        falling = [branch for branch in self._branches if np.isfinite(branch.best.severity)]
        for place in range(self._effects - 1 if falling else 0):
            shares = np.array([branch.best.shares for branch in falling])
            weakest = np.argsort(shares, axis=1, kind="stable")[:, place]
            shares[np.arange(len(falling)), weakest] = 0.0
            choices = np.array([branch.best.choices for branch in falling])
            outcomes = self._test(shares, choices)
            for row, branch in enumerate(falling):
                if outcomes.failed[row]:
                    severity = float(np.linalg.norm(shares[row]))
                    returned = float(outcomes.returns[row])
                    branch.best = Point(shares[row], choices[row], severity, returned)
        if falling:
            shares = np.array([branch.best.shares for branch in falling])
            choices = np.array([branch.best.choices for branch in falling])
            below = np.array([branch.best.severity for branch in falling])
            points = self._along(unit(shares), choices, below, FINE_HALVINGS)
            for branch, point in zip(falling, points, strict=True):
                branch.best = min(branch.best, point, key=_rank)

    def _distinct(self, points: Sequence[Point]) -> list[Point]:
        """The mildest points of which no two are alike, BRANCHES at most."""
        chosen: list[Point] = []
        for point in sorted(points, key=_rank):
            apart = (distance(point, other, self._space) > DISTINCT for other in chosen)
            if len(chosen) < BRANCHES and all(apart):
                chosen.append(point)
        return chosen


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
        found = sorted(found, key=_rank)[:1]
    return found


def random_rays(space: Space, test: Ledger, rng: np.random.Generator) -> list[Point]:
    """What the rays that a search begins with come to, if all its tests go to such."""
    search = MildestFailure(space, test, rng)
    search.scatter(test.most)
    return search.minima


def random_directions(n: int, effects: int, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors without a negative part, uniform, (n, effects)."""
    return unit(np.abs(rng.normal(size=(n, effects))))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of the same directions and of length 1, (N, K); 0 stays 0."""
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


def _rank(point: Point) -> tuple[float, float]:
    """Milder failures first; of those that hold, the least return."""
    return point.severity, point.returned
