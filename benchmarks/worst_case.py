"""How much milder a searched failure is than one met at random, at equal episodes.

Three policies, and starts of several seeds for each. In every start a search (robo-maxent
worst-case) and points drawn at random have as many episodes; both are judged alike. With --rays
there is a third contestant: rays drawn at random, and halved as the search halves its own, which
say what of the gain is halving and what is evolution. A ratio below 1 is milder; its interval is
Student's over policies and seeds, of the logarithm. Where it holds 1, they can't be told apart.

With --quick, the policies are the scripts that the tasks of the arm come with, which need no
training; otherwise three runs, of quadruped-flat for two minutes each unless others are named.

    python benchmarks/worst_case.py [--quick] [--runs RUN RUN RUN] [--effects push,friction]
        [--episodes 1000] [--seeds 1,2,3,4,5] [--rays] [--threads 2]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from robo_maxent.cli.arguments import TaskOptions
from robo_maxent.cli.policies import policies_under_test
from robo_maxent.evaluation.intervals import mean_interval
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.mildest_failure import random_rays
from robo_maxent.robustness.tested_points import Ledger
from robo_maxent.robustness.worst_case import Settings, WorstCase, search
from robo_maxent.tasks import make
from robo_maxent.training.config import preset
from robo_maxent.training.train import train

SCRIPTED = ("arm-reach", "arm-push", "arm-pick")
QUICK = Settings(("arm_pushed", "knock", "table_tilt", "table_friction"), episodes=200, fresh=0)
TASK, MINUTES, TRAINING_SEEDS = "quadruped-flat", 2.0, (1, 2, 3)


@dataclass(frozen=True)
class Compared:
    """The mildest failures of one policy in one start, by three ways of looking."""

    policy: str
    seed: int
    searched: float
    at_random: float
    by_rays: float | None
    """None: that was not asked."""
    episodes: int


def scripted() -> list[tuple[AnyTask, PolicyUnderTest]]:
    """The scripts of three tasks of the arm."""
    tasks = [make(name) for name in SCRIPTED]
    return [(t, replace(baseline(t, "script"), label=f"script of {t.name}")) for t in tasks]


def trained(runs: Sequence[str]) -> list[tuple[AnyTask, PolicyUnderTest]]:
    """The policies of runs."""
    pairs = [policies_under_test([run], None, TaskOptions(), None, False) for run in runs]
    return [(task, policy) for (policy,), task in pairs]


def runs_of_its_own(out: Path) -> list[str]:
    """Three trainings, one after the other."""
    for seed in TRAINING_SEEDS:
        config = replace(preset("default"), minutes=MINUTES, seed=seed)
        train(make(TASK), config, out / f"seed{seed}")
    return [str(out / f"seed{seed}") for seed in TRAINING_SEEDS]


def compared(
    task: AnyTask, policy: PolicyUnderTest, settings: Settings, rays: bool, threads: int
) -> Compared:
    """Search, draw at random, and halve random rays if asked to, in the same start."""
    found, starts = search(task, policy, settings, threads)
    ledger = Ledger(starts.test(found.space, found.starts), found.tests)
    if rays:
        random_rays(found.space, ledger, np.random.default_rng(settings.seed))
    return Compared(
        policy=policy.label,
        seed=settings.seed,
        searched=_mildest(found, found.improvements),
        at_random=_mildest(found, found.random_improvements),
        by_rays=_mildest(found, ledger.improvements) if rays else None,
        episodes=found.tests * len(found.starts),
    )


def _mildest(found: WorstCase, improvements: Sequence[tuple[int, float]]) -> float:
    """The last severity; where nothing failed, that of all effects at the ends of their axes."""
    return improvements[-1][1] if improvements else float(np.linalg.norm(found.space.reach))


def ratio(pairs: Sequence[tuple[float, float]]) -> tuple[float, list[float] | None]:
    """Geometric mean of quotients, with its interval; None: there are too few."""
    logs = np.log([one / other for one, other in pairs])
    interval = [float(np.exp(end)) for end in mean_interval(logs)] if len(logs) > 1 else None
    return float(np.exp(logs.mean())), interval


def told(interval: Sequence[float] | None) -> str:
    """What an interval of ratios says of the search."""
    if interval is None or interval[0] <= 1.0 <= interval[1]:
        return "could not tell"
    return "milder" if interval[1] < 1.0 else "harsher"


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Searched failures against random ones.")
    parser.add_argument("--quick", action="store_true", help="scripts of the arm, one seed")
    parser.add_argument("--runs", nargs="+", help="runs; by default three are trained")
    parser.add_argument("--effects", help="axes, with commas; by default those of the task")
    parser.add_argument("--episodes", type=int, help="of each search; by default 1,000")
    parser.add_argument("--seeds", help="with commas; by default 1,2,3,4,5")
    parser.add_argument("--rays", action="store_true", help="random rays, too")
    parser.add_argument("--threads", type=int, default=0, help="physics threads; 0: one per CPU")
    arguments = parser.parse_args()
    settings = QUICK if arguments.quick else Settings(fresh=0)
    if arguments.effects:
        settings = replace(settings, effects=tuple(arguments.effects.split(",")))
    if arguments.episodes:
        settings = replace(settings, episodes=arguments.episodes)
    listed = arguments.seeds or ("1" if arguments.quick else "1,2,3,4,5")
    seeds = [int(seed) for seed in listed.split(",")]
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        if arguments.quick and not arguments.runs:
            policies = scripted()
        else:
            policies = trained(arguments.runs or runs_of_its_own(Path(out)))
    torch.set_num_threads(1)  # as the command line does: more would wait for each other
    rows = []
    print(f"{'policy':<28}{'seed':>6}{'search':>9}{'random':>9}{'ratio':>8}{'rays':>9}")
    for task, policy in policies:
        for seed in seeds:
            asked = replace(settings, seed=seed)
            row = compared(task, policy, asked, arguments.rays, arguments.threads)
            rows.append(row)
            print(
                f"{row.policy:<28}{row.seed:>6}{row.searched:>9.3f}{row.at_random:>9.3f}"
                f"{row.searched / row.at_random:>8.2f}"
                + ("" if row.by_rays is None else f"{row.by_rays:>9.3f}"),
                flush=True,
            )
    print(json.dumps(figures(rows) | {"seconds": round(time.perf_counter() - begun, 1)}))


def figures(rows: Sequence[Compared]) -> dict[str, object]:
    """What the comparison comes to."""
    by_rays = [(row.searched, row.by_rays) for row in rows if row.by_rays is not None]
    shown: dict[str, object] = {
        "worst_case_severity": _mean([row.searched for row in rows]),
        "random_severity": _mean([row.at_random for row in rows]),
        **_ratios("", [(row.searched, row.at_random) for row in rows]),
    }
    if by_rays:
        shown["random_rays_severity"] = _mean([rays for _, rays in by_rays])
        shown |= _ratios("_to_rays", by_rays)
    return shown | {
        "policies": len({row.policy for row in rows}),
        "searches": len(rows),
        "episodes": max(row.episodes for row in rows),
    }


def _ratios(ending: str, pairs: Sequence[tuple[float, float]]) -> dict[str, object]:
    """What the search comes to beside another, by the names of the figures."""
    mean, interval = ratio(pairs)
    return {
        f"ratio{ending}": round(mean, 3),
        f"ratio{ending}_interval": interval and [round(end, 3) for end in interval],
        f"told{ending}": told(interval),
    }


def _mean(severities: Sequence[float]) -> float:
    """Geometric mean."""
    return round(float(np.exp(np.mean(np.log(severities)))), 4)


if __name__ == "__main__":
    main()
