"""How often intervals hold the truth, in simulations where the truth is known.

*Runs*: the interval of the interquartile mean across training runs, for scores of 3, 5 and 10 runs
of one task and of four. The truth is the interquartile mean of all runs that could be trained. What
is promised comes first, then what is not: failures and tails that few runs need not show.

*Severities*: where success falls below 90 %, and its mean over an axis, see benchmarks/falls.py.

    python benchmarks/coverage.py [--quick]
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import sqrt
from multiprocessing import get_context

import numpy as np
from falls import falls
from scipy.stats import trim_mean

from robo_maxent.evaluation.across_runs import interquartile_mean
from robo_maxent.machine import cpus

Scores = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Each = Callable[..., Iterable[float]]
"""Applies a function to each of a sequence: ``map``, or that of a pool of processes."""

SEED = 23
POPULATION = 200_000
"""Scores that stand for all runs that could be trained."""
RESAMPLES = 400
"""Of each bootstrap: a tenth of the usual, for time."""

# -- runs --------------------------------------------------------------------------------


def _failing(share: float) -> Scores:
    """Runs that reach 0.90 ± 0.03, but for a share that fails at 0.10 ± 0.05."""

    def scores(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        fails = rng.random(shape) < share
        return np.where(fails, rng.normal(0.1, 0.05, shape), rng.normal(0.9, 0.03, shape))

    return scores


SPREAD: dict[str, Scores] = {
    "normal": lambda rng, shape: rng.normal(0.0, 1.0, shape),
    "log-normal, sigma 0.5": lambda rng, shape: rng.lognormal(0.0, 0.5, shape),
    "log-normal, sigma 1": lambda rng, shape: rng.lognormal(0.0, 1.0, shape),
    "exponential": lambda rng, shape: rng.exponential(1.0, shape),
    "gamma, shape 0.5": lambda rng, shape: rng.gamma(0.5, 1.0, shape),
    "beta (9, 1)": lambda rng, shape: rng.beta(9.0, 1.0, shape),
    "beta (5, 0.5)": lambda rng, shape: rng.beta(5.0, 0.5, shape),
}
FAILING: dict[str, Scores] = {
    "1 run in 10 fails": _failing(0.1),
    "1 run in 5 fails": _failing(0.2),
}
UNSEEN: dict[str, Scores] = {
    "beta (2, 0.2)": lambda rng, shape: rng.beta(2.0, 0.2, shape),
    "3 runs in 10 fail": _failing(0.3),
    "half of the runs fail": _failing(0.5),
}
FAMILIES = SPREAD | FAILING | UNSEEN

RUNS = 3, 5, 10
ONE, ALIKE, APART = "one task", "four alike", "four apart"
SCALES = np.array([1.0, 0.5, 1.5, 0.8])
OFFSETS = np.array([0.0, 0.2, 0.4, 0.6])
"""Tasks that are apart: scores of each are times its scale, plus its offset."""


@dataclass(frozen=True)
class Setting:
    """Runs of one task or of four, whose scores are of one family."""

    family: str
    tasks: str
    runs: int

    def draw(self, rng: np.random.Generator, runs: int) -> np.ndarray:
        """Scores, (runs, tasks)."""
        scores = FAMILIES[self.family](rng, (runs, 1 if self.tasks == ONE else len(SCALES)))
        return scores * SCALES + OFFSETS if self.tasks == APART else scores


def _settings(families: Iterable[str], tasks: Sequence[str]) -> list[Setting]:
    return [Setting(name, which, runs) for name in families for which in tasks for runs in RUNS]


PROMISED = _settings(SPREAD, (ONE, APART)) + _settings(FAILING, (ONE, ALIKE))
BEYOND = _settings(FAILING, (APART,)) + _settings(UNSEEN, (ONE, APART))
"""What the interval does not promise: it can't know of failures and tails that no run showed."""


def held(setting: Setting, simulations: int) -> float:
    """Share of simulated experiments whose interval holds the truth."""
    rng = np.random.default_rng([SEED, (PROMISED + BEYOND).index(setting)])
    truth = trim_mean(setting.draw(rng, POPULATION).ravel(), 0.25)
    count = 0
    for _ in range(simulations):
        found = interquartile_mean(setting.draw(rng, setting.runs), rng, resamples=RESAMPLES)
        assert found.interval is not None  # there are enough runs
        low, high = found.interval
        count += low <= truth <= high
    return count / simulations


def runs_coverage(simulations: int, each: Each = map) -> dict[str, float]:
    """Family of scores -> least coverage over numbers of runs and tasks, of what is promised."""
    table = runs_table(PROMISED, simulations, each)
    return {
        family: min(share for setting, share in table.items() if setting.family == family)
        for family in SPREAD | FAILING
    }


def runs_table(
    settings: Sequence[Setting], simulations: int, each: Each = map
) -> dict[Setting, float]:
    """How often the interval of the interquartile mean holds the truth, in each setting."""
    shares = each(partial(held, simulations=simulations), settings)
    return dict(zip(settings, shares, strict=True))


def runs_lines(table: Mapping[Setting, float]) -> list[str]:
    """A table for people, in percent: one line a family and kind of tasks, one column a number."""
    columns = sorted({setting.runs for setting in table})
    lines = [f"{'':<36}" + "".join(f"{f'{runs} runs':>9}" for runs in columns)]
    for family, tasks in dict.fromkeys((setting.family, setting.tasks) for setting in table):
        shares = (table[Setting(family, tasks, runs)] for runs in columns)
        lines.append(f"{family:<24}{tasks:<12}" + "".join(f"{100 * s:>9.1f}" for s in shares))
    return lines


def runs(quick: bool, each: Each) -> dict[str, float]:
    """Print what was found of runs, and give its figures; quickly of 3 and 5, which cover least."""
    simulations = 4_000 if quick else 20_000
    promised, beyond = (
        runs_table([s for s in settings if s.runs < 10 or not quick], count, each)
        for settings, count in ((PROMISED, simulations), (BEYOND, simulations // 4))
    )
    error = 100 * sqrt(0.95 * 0.05 / simulations)
    print(
        "Interquartile mean across training runs: its 95 % interval holds that of all runs that "
        f"could be\ntrained in so many percent of {simulations} simulations, ±{error:.1f}"
    )
    print("\n".join(runs_lines(promised)))
    print("Not promised: failures and tails that so few runs need not show")
    print("\n".join(runs_lines(beyond)), flush=True)
    return {
        "runs_coverage_min": round(min(promised.values()), 4),
        "runs_coverage_beyond_min": round(min(beyond.values()), 4),
        "runs_simulations": simulations,
    }


# -- the command line --------------------------------------------------------------------


def main() -> None:
    """Print tables for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="How often intervals hold the truth.")
    parser.add_argument("--quick", action="store_true", help="fewer simulations")
    quick = parser.parse_args().quick
    with ProcessPoolExecutor(cpus(), get_context("spawn")) as pool:
        figures = runs(quick, pool.map) | falls(quick, pool.map)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
