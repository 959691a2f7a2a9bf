"""Finds the mildest point of a space at which something fails, by evolution along rays.

Failing is yes or no, and says nothing of how far away the boundary is. So what evolves is a ray: in
which proportion effects act (a direction), and what they leave open (directions and times in the
simulation). How mild it fails is looked for by halving its length, all rays of a generation
together, and a ray is halved only if it fails where half of the last generation did. Rays that hold
there are told apart by the return that was left. CMA-ES (Hansen and Ostermeier 2001) makes the
next generation from the order of the last, so that nothing depends on the size of a return.

Before that, rays drawn at random show where to begin: at the mildest that differ from each other,
so that several minima are found, of which those that come out alike count once. In the end each is
stripped of the effects that it does not need.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cmaes import CMA

from robo_maxent.robustness.tested_points import (
    Ledger,
    Point,
    Space,
    distance,
    lengths,
    random_directions,
    rank,
    unit,
)

HALVINGS = 5
"""Halvings of a ray: its length is then known to a 32nd of where it was first tried."""
FINE_HALVINGS = 8
"""Halvings of a minimum in the end."""
SCATTERED = 0.3
"""Share of the tests that go to random rays."""
RAYS = 64
"""Most random rays tested together."""
BRANCHES = 3
"""Number of minima that are searched at once."""
MILDEST = 2 * BRANCHES
"""Number of random rays that are halved to the end."""
SPREAD = 0.15
"""Standard deviation of the first generation, in shares and in ranges of what is left open."""
DISTINCT = 0.15
"""Distance from which two points count as different; see :func:`distance`."""


@dataclass
class _Branch:
    """A minimum that is being improved."""

    optimizer: CMA
    best: Point
    below: float
    """Severity at which rays of the next generation are tried first."""


class MildestFailure:
    """The search; its results so far can be read at any time."""

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
        """Search with about so many tests, at least those of one ray."""
        if self._effects + self._open == 1:
            only, alone = np.ones((1, 1)), np.zeros(1, int)
            self._rays = self._along(only, only[:, :0], alone + np.inf, alone, 1, FINE_HALVINGS)
            return
        self.scatter(round(SCATTERED * self._test.most))
        polishing = BRANCHES * (self._effects + FINE_HALVINGS)
        self._branches = [self._branch(point) for point in self._distinct(self._rays)]
        while self._test.spent < self._test.most - polishing:
            self._generation()
        self._polish()

    @property
    def minima(self) -> list[Point]:
        """Distinct failures, the mildest first."""
        known = [branch.best for branch in self._branches] or self._rays
        return self._distinct([point for point in known if np.isfinite(point.severity)])

    def scatter(self, tests: int) -> None:
        """Test random rays, and find how mildly the best of them fail."""
        together = min(RAYS, max(tests // 4, BRANCHES))
        while self._test.spent < tests:
            directions = random_directions(together, self._effects, self._rng)
            choices = self._rng.uniform(size=(together, self._open))
            ordered = sorted(point.severity for point in self._rays)
            below = ordered[min(MILDEST, len(ordered)) - 1] if ordered else np.inf
            group = np.zeros(together, int)
            self._rays += self._along(directions, choices, np.full(together, below), group, MILDEST)

    def _branch(self, point: Point) -> _Branch:
        """Start an evolution at a point."""
        mean = np.concatenate([unit(point.shares[None])[0], point.choices])
        seed = int(self._rng.integers(2**31))
        return _Branch(CMA(mean, SPREAD, seed=seed), point, point.severity)

    def _generation(self) -> None:
        """Evolve every branch by one generation, all tested together."""
        asked = [
            np.array([branch.optimizer.ask() for _ in range(branch.optimizer.population_size)])
            for branch in self._branches
        ]
        sizes = [len(rays) for rays in asked]
        below = np.repeat([branch.below for branch in self._branches], sizes)
        group = np.repeat(np.arange(len(sizes)), sizes)
        rays = decoded(np.concatenate(asked), self._space)
        tested = self._along(*rays, below, group, best=max(sizes[0] // 2, 1))
        for branch, rays in zip(self._branches, asked, strict=True):
            points, tested = tested[: len(rays)], tested[len(rays) :]
            order = sorted(range(len(points)), key=lambda i: rank(points[i]))
            places = np.argsort(order).tolist()
            branch.optimizer.tell(list(zip(rays, map(float, places), strict=True)))
            middle = points[order[len(order) // 2 - 1]].severity
            branch.below = min(branch.below, middle)
            branch.best = min(branch.best, points[order[0]], key=rank)
        bests = self._distinct([branch.best for branch in self._branches])
        self._branches = [b for b in self._branches if any(b.best is point for point in bests)]

    def _along(
        self,
        directions: np.ndarray,
        choices: np.ndarray,
        below: np.ndarray,
        group: np.ndarray,
        best: int,
        halvings: int = HALVINGS,
    ) -> list[Point]:
        """Severity at which each of N rays fails.

        A ray is halved no more once it is known not to be among the best of its group.

        Args:
            directions: Unit vectors, (N, K).
            choices: What is left open, (N, D).
            below: Severity at which each is tried first, (N,).
            group: Number of the group of each, (N,).
            best: How many of each group matter.
            halvings: How often a ray that fails is halved.
        """
        with np.errstate(divide="ignore"):
            ends = (self._space.reach / directions).min(axis=1)
        hard, mild = np.minimum(below, ends), np.zeros(len(ends))
        shares = self._space.snapped(hard[:, None] * directions)
        outcomes = self._test(shares, choices)
        failed, returns = outcomes.failed.copy(), outcomes.returns.copy()
        for _ in range(halvings):
            going = np.flatnonzero(failed & (mild < _worst_of_best(hard, failed, group, best)))
            if not len(going):
                break
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
        """Remove effects that a minimum does not need, then halve it finely."""
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
            group = np.arange(len(falling))
            points = self._along(unit(shares), choices, below, group, 1, FINE_HALVINGS)
            for branch, point in zip(falling, points, strict=True):
                branch.best = min(branch.best, point, key=rank)

    def _distinct(self, points: Sequence[Point]) -> list[Point]:
        """The mildest points without near duplicates, at most BRANCHES."""
        chosen: list[Point] = []
        for point in sorted(points, key=rank):
            apart = (distance(point, other, self._space) > DISTINCT for other in chosen)
            if len(chosen) < BRANCHES and all(apart):
                chosen.append(point)
        return chosen


def decoded(rays: np.ndarray, space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Directions (N, K) and choices (N, D) from the vectors that evolve, (N, K + D).

    Parts of a direction lose their sign. Numbers outside of [0, 1] go on from the other end where
    they are angles, and are reflected elsewhere.
    """
    effects = len(space.reach)
    sizes, places = np.abs(rays[:, :effects]), rays[:, effects:]
    sizes[~sizes.any(axis=1)] = 1.0
    reflected = np.abs((places + 1.0) % 2.0 - 1.0)
    return unit(sizes), np.where(space.circular, places % 1.0, reflected)


def random_rays(space: Space, test: Ledger, rng: np.random.Generator) -> list[Point]:
    """Result of the random rays alone, if all tests go to them."""
    search = MildestFailure(space, test, rng)
    search.scatter(test.most)
    return search.minima


def _worst_of_best(
    hard: np.ndarray, failed: np.ndarray, group: np.ndarray, best: int
) -> np.ndarray:
    """The severity at which the last of the best rays of each ray's group fails, (N,)."""
    cutoff = np.full(len(hard), np.inf)
    for number in np.unique(group):
        own = group == number
        known = np.sort(hard[own & failed])
        if len(known) >= best:
            cutoff[own] = known[best - 1]
    return cutoff
