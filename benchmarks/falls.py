"""How often what is said of a fall holds: the part of benchmarks/coverage.py about severities.

Curves of success over a severity from 0 to 1 are known; episodes are drawn from them, with starts
that are alike along the severities as in a suite (a start has a tolerance of its own, which makes
up 70 % of the variance) or not at all, and the refinements of the suites follow. The truth is the
first severity at which success is below 90 %, and the mean of the curve.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtri

from robo_maxent.evaluation.severity import Fall, SeverityCurve, severity_curve
from robo_maxent.perturbations.base import Axis
from robo_maxent.robustness.refinement import next_severity
from robo_maxent.robustness.suites import SUITES, Refinement

Curve = Callable[[np.ndarray], np.ndarray]
Each = Callable[..., Iterable[tuple[float, ...]]]

SEED = 24
RESAMPLES = 400
FINE = np.linspace(0.0, 1.0, 20_001)
ALIKE = 0.7


def _logistic(middle: float, width: float) -> Curve:
    return lambda s: 0.99 / (1.0 + np.exp((s - middle) / width))


CURVES: dict[str, Curve] = {
    "smooth": _logistic(0.6, 0.1),
    "smooth, early": _logistic(0.25, 0.05),
    "steep": _logistic(0.43, 0.02),
    "a cliff": lambda s: np.where(s < 0.37, 0.98, 0.02),
    "a cliff after a slope": lambda s: np.where(s < 0.63, 0.97 - 0.1 * s, 0.3),
    "slow, from 94 to 84 %": lambda s: 0.94 - 0.1 * s,
    "holds at 99 %": lambda s: 0.99 + 0.0 * s,
    "holds at 91 %": lambda s: 0.91 + 0.0 * s,
    "fails from the start": lambda s: 0.88 - 0.4 * s,
    "a dip to 60 %": lambda s: 0.98 - 0.38 * np.exp(-(((s - 0.5) / 0.25) ** 2)),
    "rises again to 95 %": lambda s: np.where(s < 0.2, 0.98, np.where(s < 0.7, 0.5, 0.95)),
}
REFINED = {name: SUITES[name].refinement for name in ("quick", "full")} | {"none": Refinement()}


@dataclass(frozen=True)
class Setting:
    """A grid from 0 to 1, the episodes at each severity, and what follows."""

    curve: str
    severities: int
    episodes: int
    alike: float
    refinement: str


@dataclass(frozen=True)
class Told:
    """One simulated axis."""

    fall: Fall
    area: tuple[float, float]
    refined: int
    """Episodes of the refinement."""


def settings(quick: bool) -> list[Setting]:
    """Grids of the suites, small and large, with and without refinement."""
    grids = [(3, 24, "none"), (3, 24, "quick"), (6, 48, "full")]
    grids += [] if quick else [(3, 12, "none"), (6, 24, "none"), (6, 200, "none"), (3, 200, "full")]
    return [
        Setting(name, severities, episodes, alike, refinement)
        for name in CURVES
        for severities, episodes, refinement in grids
        for alike in (0.0, ALIKE)
    ]


def critical(curve: Curve) -> float:
    """The first severity at which success is below 90 %; infinity: none."""
    below = np.flatnonzero(curve(FINE) < 0.9)
    if not len(below):
        return np.inf
    return float(FINE[below[0]]) if below[0] else -np.inf


def simulate(setting: Setting, rng: np.random.Generator) -> Told:
    """One axis, as a suite would test it."""
    curve, refinement = CURVES[setting.curve], REFINED[setting.refinement]
    grid = np.linspace(0.0, 1.0, setting.severities)
    axis = Axis("s", "", "", "", tuple(grid.tolist()), reference=1.0)
    blocks = [(grid, _outcomes(curve(grid), setting.episodes, setting.alike, rng))]
    refined = 0
    for _ in range(refinement.rounds):
        found = _told(blocks, rng).fall
        severity = next_severity(axis, found, refinement.until_proven)
        if severity is None:
            break
        at = np.array([severity])
        blocks.append((at, _outcomes(curve(at), refinement.episodes, 0.0, rng)))
        refined += refinement.episodes
    told = _told(blocks, rng)
    return Told(told.fall, told.area.interval, refined)


def held(setting: Setting, simulations: int) -> tuple[float, float]:
    """How often the interval of the fall, and that of the area, hold the truth."""
    rng = np.random.default_rng([SEED, *setting.curve.encode(), setting.episodes])
    curve = CURVES[setting.curve]
    place, area, counts = critical(curve), float(curve(FINE).mean()), np.zeros(2)
    for _ in range(simulations):
        told = simulate(setting, rng)
        low, high = interval(told.fall)
        counts += low <= place <= high, told.area[0] <= area <= told.area[1]
    return counts[0] / simulations, counts[1] / simulations


def interval(fall: Fall) -> tuple[float, float]:
    """Its ends, infinite where they lie beyond the axis."""
    low = -np.inf if fall.mildest.side else fall.mildest.value
    return low, np.inf if fall.hardest.side else fall.hardest.value


def effort(curve: str, refinement: str, simulations: int) -> tuple[float, float, float, float]:
    """What a refinement takes, and what a grid of equal spacing would.

    Returns:
        Episodes of a refinement of three severities, and of as fine a grid at as many episodes a
        severity, beyond those three; how often the truth is between the two severities that each
        says, both at about the same number of episodes a severity.
    """
    rng = np.random.default_rng([SEED, *curve.encode()])
    each, truth = REFINED[refinement].episodes, critical(CURVES[curve])
    spent, grids, right = [], [], np.zeros(2)
    for _ in range(simulations):
        told = simulate(Setting(curve, 3, each, 0.0, refinement), rng)
        right[0] += _between(told.fall, truth)
        if told.fall.holds is None or told.fall.fails is None:
            continue
        intervals = max(round(1.0 / (told.fall.fails - told.fall.holds)), 2)
        spent.append(told.refined)
        grids.append((intervals + 1 - 3) * each)
        grid = simulate(Setting(curve, intervals + 1, each, 0.0, "none"), rng)
        right[1] += _between(grid.fall, truth)
    return (
        float(np.mean(spent)),
        float(np.mean(grids)),
        right[0] / simulations,
        right[1] / max(len(spent), 1),
    )


def falls(quick: bool, each: Each) -> dict[str, float]:
    """Print what was found of severities, and give its figures."""
    simulations, listed = 120 if quick else 1000, settings(quick)
    shares = dict(zip(listed, each(partial(held, simulations=simulations), listed), strict=True))
    print(
        "Where success falls below 90 %, and its mean over the axis: the 95 % intervals hold the "
        f"truth\nin so many percent of {simulations} simulations, at least over grids, starts and "
        "refinements"
    )
    print(f"{'':<36}{'fall':>9}{'area':>9}")
    for name in CURVES:
        of_curve = [share for setting, share in shares.items() if setting.curve == name]
        fall, area = (100 * min(share[i] for share in of_curve) for i in (0, 1))
        print(f"{name:<36}{fall:>9.1f}{area:>9.1f}")
    figures = {
        "critical_coverage_min": round(min(share[0] for share in shares.values()), 4),
        "area_coverage_min": round(min(share[1] for share in shares.values()), 4),
    }
    return figures | _efforts(200 if quick else 2000, each)


def _efforts(simulations: int, each: Each) -> dict[str, float]:
    curves = ["smooth", "smooth, early", "steep", "a cliff"]
    rows = list(each(partial(effort, refinement="quick", simulations=simulations), curves))
    print("Episodes until as close a bracket, by halving and on a grid; how often it is right, %")
    for name, (spent, grid, right, right_on_grid) in zip(curves, rows, strict=True):
        print(f"{name:<36}{spent:>9.0f}{grid:>9.0f}{100 * right:>9.0f}{100 * right_on_grid:>9.0f}")
    spent, grid, right, right_on_grid = np.mean(rows, axis=0).tolist()
    return {
        "episodes_to_bracket": round(spent, 1),
        "grid_episodes": round(grid, 1),
        "bracket_right": round(right, 3),
        "grid_bracket_right": round(right_on_grid, 3),
    }


def _between(fall: Fall, truth: float) -> bool:
    low = -np.inf if fall.holds is None else fall.holds
    return low <= truth <= (np.inf if fall.fails is None else fall.fails)


def _outcomes(
    shares: np.ndarray, episodes: int, alike: float, rng: np.random.Generator
) -> np.ndarray:
    """Outcomes of starts at severities, (episodes, K)."""
    tolerance = rng.normal(size=(episodes, 1))
    luck = rng.normal(size=(episodes, len(shares)))
    return (np.sqrt(alike) * tolerance + np.sqrt(1.0 - alike) * luck < ndtri(shares)).astype(float)


def _told(
    blocks: Sequence[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> SeverityCurve:
    """What is said of the episodes of all blocks, each at its severities."""
    severities = np.unique(np.concatenate([at for at, _ in blocks]))
    tables = []
    for at, outcomes in blocks:
        table = np.full((len(outcomes), len(severities)), np.nan)
        table[:, np.searchsorted(severities, at)] = outcomes
        tables.append(table)
    return severity_curve(
        severities.tolist(), np.concatenate(tables), rng, axis="", unit="", resamples=RESAMPLES
    )
