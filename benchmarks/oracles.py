"""Learners beside exact optima: how far they are from what they should find.

*lqr*: every head of continuous actions on a linear system with quadratic costs (lqr.py), from
temperatures of 0.001 and 1: relative errors of gain, covariance, offset of the soft value and
automatic temperature; the worst over heads, starts and seeds is the figure. *tabular*: discrete
actions on two finite processes beside soft value iteration (tabular.py), with tables and with
networks: the largest error of an action value, over the span of them all, and the largest total
variation of the policy; the worst of both processes and of the seeds. *bandit* and *multigoal*
(modes.py): a mixture beside one Gaussian where the best policy has several modes, the median over
seeds. *cost*: how many times as long an update takes with a mixture of 4, and with categorical
critics, with the networks and batches of the default preset. Seeds are 0, 1 and 2, quickly only 0;
``--quick`` makes fewer updates too.

    python benchmarks/oracles.py [--quick] [--only lqr,bandit] [--workers 2]
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import lqr
import modes
import numpy as np
import tabular
import torch

from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.discrete_sac import DiscreteSac
from robo_maxent.learning.replay_buffer import ReplayBatch
from robo_maxent.learning.sac import Sac
from robo_maxent.machine import cpus

Each = Callable[..., Iterable[Any]]
"""Applies a function to each of a sequence: ``map``, or that of a pool of processes."""
Section = Callable[[bool, Each], dict[str, float]]
"""Prints what was found for people, and gives its figures; true: quickly."""

SEEDS = 0, 1, 2


def seeds_of(quick: bool) -> tuple[int, ...]:
    """Training seeds."""
    return SEEDS[:1] if quick else SEEDS


# -- linear system -----------------------------------------------------------------------

STARTS = 1e-3, 1.0
"""Temperatures at the start, from both sides."""


@dataclass(frozen=True)
class Contestant:
    """A head and how long it takes."""

    updates: int
    """Of the critics, quickly; else twice as many."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the default ``SacConfig``."""
    precision: str = "fp32"
    """Of the factors of matrix products."""


HEADS = {
    "gaussian": Contestant(3000),
    "gaussian, bf16": Contestant(3000, precision="bf16"),
    "clamped": Contestant(6000, {"log_std_bound": "clamp", "log_std_range": (-20.0, 2.0)}),
    "mixture of 2": Contestant(3000, {"components": 2}),
}
"""Heads of continuous actions: a clamped deviation settles more slowly."""
ERRORS = "K", "sigma", "c", "alpha_star"


def lqr_errors(run: tuple[str, float, int], quick: bool) -> dict[str, float]:
    """Relative errors of a head, from a first temperature, with a seed."""
    name, initial_alpha, seed = run
    torch.set_num_threads(1)
    config = replace(
        lqr.CONFIG,
        width=64,
        batch_size=128,
        learning_rate=1e-2,
        alpha_learning_rate=3e-2,
        initial_alpha=initial_alpha,
        **HEADS[name].changes,
    )
    updates = HEADS[name].updates * (1 if quick else 2)
    return lqr.trained(config, seed, updates, HEADS[name].precision)[1].errors()


def linear_system(quick: bool, each: Each) -> dict[str, float]:
    """Errors on the linear system: of each head, and the worst of all."""
    runs = [(name, start, seed) for name in HEADS for start in STARTS for seed in seeds_of(quick)]
    found = list(each(partial(lqr_errors, quick=quick), runs))
    print(f"{'linear system, errors in %':<32}" + "".join(f"{name:>12}" for name in ERRORS))
    for (name, start, seed), errors in zip(runs, found, strict=True):
        told = f"{name}, from {start:g}, seed {seed}"
        print(f"{told:<32}" + "".join(f"{100 * errors[error]:>12.1f}" for error in ERRORS))
    worst = {name: max(errors[name] for errors in found) for name in ERRORS}
    return {
        "lqr_K_err": worst["K"],
        "lqr_sigma_err": worst["sigma"],
        "lqr_c_err": worst["c"],
        "alpha_star_err": worst["alpha_star"],
    }


# -- finite processes ---------------------------------------------------------------------

LEARNERS: dict[str, tuple[Callable[..., DiscreteSac], int]] = {
    "tables": (tabular.learn_tables, 1500),
    "networks": (tabular.learn_networks, 3000),
}
"""Learner -> how it learns, and updates of the critics, quickly; else twice as many."""


def tabular_errors(run: tuple[str, str, int], quick: bool) -> tabular.Errors:
    """Errors of a learner on a finite process, with a seed."""
    name, process, seed = run
    torch.set_num_threads(1)
    learn, updates = LEARNERS[name]
    mdp = tabular.PROCESSES[process]()
    return tabular.measure(learn(mdp, seed, updates * (1 if quick else 2)), mdp)


def finite_processes(quick: bool, each: Each) -> dict[str, float]:
    """Errors of values and policies on finite processes, the worst of all."""
    runs = list(itertools.product(LEARNERS, tabular.PROCESSES, seeds_of(quick)))
    found = dict(zip(runs, each(partial(tabular_errors, quick=quick), runs), strict=True))
    for (name, process, seed), errors in found.items():
        told = f"values {100 * errors.q:.2f} % of their span, total variation {errors.tv:.4f}"
        print(f"{process}, {name}, seed {seed}: {told}")
    figures = {}
    for name, key in (("tables", "tabular"), ("networks", "tabular_network")):
        own = [errors for run, errors in found.items() if run[0] == name]
        figures[f"{key}_q_err"] = max(errors.q for errors in own)
        figures[f"{key}_tv"] = max(errors.tv for errors in own)
    return figures


# -- several modes -----------------------------------------------------------------------


def _gap(run: tuple[int, int], updates: int) -> float:
    torch.set_num_threads(1)
    return modes.bandit_gap(*run, updates)


def bandit(quick: bool, each: Each) -> dict[str, float]:
    """Nats from the best policy of the two-mode bandit: a mixture of 2, and one Gaussian."""
    runs = [(components, seed) for components in (2, 1) for seed in seeds_of(quick)]
    gaps = dict(zip(runs, each(partial(_gap, updates=800 if quick else 2000), runs), strict=True))
    for (components, seed), gap in gaps.items():
        print(f"two modes, {components} components, seed {seed}: {gap:.3f} nats from the best")
    mixture, gaussian = (
        float(np.median([gap for run, gap in gaps.items() if run[0] == components]))
        for components in (2, 1)
    )
    return {"bandit_kl": mixture, "bandit_kl_gaussian": gaussian}


def _counts(run: tuple[int, int], updates: int) -> np.ndarray:
    torch.set_num_threads(1)
    return modes.goal_counts(*run, updates)


def multigoal(quick: bool, each: Each) -> dict[str, float]:
    """How evenly four goals are reached: a mixture of 4, and one Gaussian."""
    runs = [(components, seed) for components in (4, 1) for seed in seeds_of(quick)]
    count = each(partial(_counts, updates=GOAL_UPDATES[quick]), runs)
    counts = dict(zip(runs, count, strict=True))
    for (components, seed), reached in counts.items():
        entropy = modes.mode_entropy(reached)
        told = f"{' '.join(map(str, reached))} of {modes.ROLLOUTS}, mode entropy {entropy:.2f}"
        print(f"four goals, {components} components, seed {seed}: reached {told}")
    mixture, gaussian = (
        float(np.median([modes.mode_entropy(n) for run, n in counts.items() if run[0] == k]))
        for k in (4, 1)
    )
    reached = min(n.sum() for run, n in counts.items() if run[0] == 4) / modes.ROLLOUTS
    return {
        "multigoal_mode_entropy": mixture,
        "multigoal_mode_entropy_gaussian": gaussian,
        "multigoal_reached": float(reached),
    }


GOAL_UPDATES = {True: 3000, False: 6000}
"""Quickly or not -> updates of the critics."""

# -- cost --------------------------------------------------------------------------------

OBSERVED, ACTIONS = 48, 12
"""Sizes of a quadruped's observation and action."""


def cost(quick: bool, each: Each) -> dict[str, float]:
    """Time of an update with a mixture of 4, or with categorical critics, over that without."""
    (seconds,) = each(_seconds_of_updates, [15 if quick else 300])
    for name, taken in seconds.items():
        print(f"an update, {name}: {1000 * taken:.2f} ms of one core")
    mixture = seconds["mixture of 4, torch"]
    return {
        "mixture_time_over_c": mixture / seconds["gaussian, C"],
        "mixture_time_over_torch": mixture / seconds["gaussian, torch"],
        "categorical_time": seconds["categorical critics, C"] / seconds["gaussian, C"],
        "categorical_time_of_101": seconds["101 atoms, C"] / seconds["gaussian, C"],
    }


def _seconds_of_updates(updates: int) -> dict[str, float]:
    """Seconds that a core works on an update, by kind; medians of five rounds, taken in turns."""
    torch.set_num_threads(1)
    categorical = SacConfig(critic="categorical", support=(-10.0, 90.0))
    learners = {
        "gaussian, C": Sac(OBSERVED, ACTIONS, SacConfig(), 0),
        "gaussian, torch": Sac(OBSERVED, ACTIONS, SacConfig(), 0),
        "mixture of 4, torch": Sac(OBSERVED, ACTIONS, SacConfig(components=4), 0),
        "categorical critics, C": Sac(OBSERVED, ACTIONS, categorical, 0),
        "101 atoms, C": Sac(OBSERVED, ACTIONS, replace(categorical, atoms=101), 0),
    }
    learners["gaussian, torch"]._compiled = None  # as without a C compiler
    rows, generator = SacConfig().batch_size, torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(rows, *shape, generator=generator)

    batch = ReplayBatch(draw(OBSERVED), draw(ACTIONS), draw(), draw(OBSERVED), torch.zeros(rows))
    taken: dict[str, list[float]] = {name: [] for name in learners}
    for _ in range(6):
        for name, sac in learners.items():
            start = time.process_time()
            for _ in range(updates):
                sac.update(batch)
            taken[name].append((time.process_time() - start) / updates)
    return {name: float(np.median(rounds[1:])) for name, rounds in taken.items()}


# -- the command line --------------------------------------------------------------------

SECTIONS: dict[str, Section] = {
    "lqr": linear_system,
    "tabular": finite_processes,
    "bandit": bandit,
    "multigoal": multigoal,
    "cost": cost,
}
"""Name -> section."""


def arguments_of(
    sections: Mapping[str, Section], what: str, argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--quick", action="store_true", help="one seed and fewer updates")
    parser.add_argument("--only", default=",".join(sections), metavar="A,B,...")
    parser.add_argument("--workers", type=int, default=cpus(), help="processes; else one per CPU")
    parsed = parser.parse_args(argv)
    parsed.only = list(dict.fromkeys(parsed.only.replace(" ", "").split(",")))
    if unknown := [name for name in parsed.only if name not in sections]:
        parser.error(f"unknown sections: {', '.join(unknown)}; known: {', '.join(sections)}")
    if parsed.workers < 1:
        parser.error(f"--workers must be at least 1, got {parsed.workers}")
    return parsed


def main(sections: Mapping[str, Section], what: str) -> None:
    """Print what was found for people, then one JSON object for scripts.

    Args:
        sections: Those there are.
        what: In a line, what they are.
    """
    given, start, figures = arguments_of(sections, what), time.monotonic(), dict[str, float]()
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for name in given.only:
            figures |= sections[name](given.quick, pool.map)
    more = {"seeds": seeds_of(given.quick), "seconds": round(time.monotonic() - start, 1)}
    print(json.dumps({name: round(value, 4) for name, value in figures.items()} | more))


if __name__ == "__main__":
    main(SECTIONS, "Learners beside exact optima.")
