"""What each part of the default recipe is worth: the recipe with one thing changed at a time.

Every variant trains on quadruped-flat until its policy reaches 90 % success over 64 fresh episodes,
looked at every 50,000 environment steps, or until the limit. Steps depend on the recipe alone;
seconds, evaluations left out, also on the machine, on which nothing else should run. ``serial``
learns after the physics rather than beside it, and ``bf16`` rounds the factors of all matrix
products: they are there to show that neither costs anything in learning.

    python benchmarks/recipe.py [--quick] [--seeds 3] [--limit 400000] [--variants default,serial]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

TASK = "quadruped-flat"
SUCCESS = 0.9
EPISODES = 64
EVALUATION_SEED = 3_000_000
"""Seed of the evaluation episodes, which no training run sees."""
FIRST, EVERY = 100_000, 50_000
"""Environment steps at the first look, and between looks."""
FIRST_SEED = 100
"""The recipe was chosen on seeds 10 to 19; these and those of time_to_walk.py are others."""

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "serial": {"overlap": False},
    "bf16": {"precision": "bf16"},
    "no mirror": {"symmetric": False},
    "no actor average": {"sac.actor_average": 1.0},
    "no LayerNorm": {"sac.layer_norm": False},
    "no normalization": {"sac.normalize": False},
    "actor every 4th update": {"sac.actor_every": 4},
    "learning rate 1e-3": {"sac.learning_rate": 1e-3},
    "4 updates a step": {"updates_per_step": 4},
    "4 updates of 512": {"updates_per_step": 4, "sac.batch_size": 512},
    "64 simulations": {"envs": 64, "updates_per_step": 4},
    "256 wide": {"sac.width": 256},
    "tau 0.005": {"sac.tau": 0.005},
    "gamma 0.99": {"sac.gamma": 0.99},
    "first alpha 1": {"sac.initial_alpha": 1.0},
    "target entropy -1": {"sac.target_entropy_per_action": -1.0},
    "target entropy 0": {"sac.target_entropy_per_action": 0.0},
}
"""Name -> what differs from the default preset."""


@dataclass(frozen=True)
class Result:
    """How one run went."""

    variant: str
    seed: int
    walked: bool
    """Reached the success asked for within the limit."""
    steps: int
    """Environment steps then, or at the end."""
    seconds: float
    """Since the process was started, evaluations left out."""
    success: float
    """At the last look."""
    reward: float
    """Mean over the episodes of the last look."""


def contest(variant: str, seed: int, limit: int, spawned: float) -> Result:
    """Train one variant."""
    from robo_maxent.evaluation.rollout import evaluate
    from robo_maxent.evaluation.summary import summarize
    from robo_maxent.learning.config import SacConfig
    from robo_maxent.tasks import make
    from robo_maxent.training.config import TrainConfig
    from robo_maxent.training.trainer import Trainer

    changes = VARIANTS[variant]
    sac = {name[4:]: value for name, value in changes.items() if name.startswith("sac.")}
    own = {name: value for name, value in changes.items() if not name.startswith("sac.")}
    config = TrainConfig(seed=seed, sac=replace(SacConfig(), **sac), **own)
    task, paused, due = make(TASK), 0.0, FIRST
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config, Path(directory))
        while True:
            trainer.step()
            if trainer.steps < due:
                continue
            due += EVERY
            before = time.time()
            summary = summarize(evaluate(trainer.policy(), task, EPISODES, EVALUATION_SEED))
            paused += time.time() - before
            assert summary.success is not None
            share, seconds = summary.success.share, round(time.time() - spawned - paused, 1)
            walked = share >= SUCCESS
            if walked or trainer.steps >= limit:
                return Result(
                    variant, seed, walked, trainer.steps, seconds, share, summary.mean_reward
                )


def race(variant: str, seed: int, limit: int) -> Result:
    """Train one variant in a process of its own."""
    settings = [variant, str(seed), str(limit), str(time.time())]
    command = [sys.executable, __file__, "--contest", *settings]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result = Result(**json.loads(ran.stdout.splitlines()[-1]))
    print(f"{result}", file=sys.stderr, flush=True)
    return result


def table(results: Iterable[Result]) -> list[str]:
    """Lines for people, one a variant: medians, and the range over the seeds."""
    results = list(results)
    lines = [f"{'variant':<20}{'walked':>8}{'steps':>10}{'range':>20}{'seconds':>9}{'success':>9}"]
    for name in dict.fromkeys(result.variant for result in results):
        own = sorted(
            (r for r in results if r.variant == name), key=lambda r: (not r.walked, r.steps)
        )
        ends = " to ".join(
            ("" if r.walked else "> ") + f"{r.steps // 1000}k" for r in (own[0], own[-1])
        )
        middle = own[(len(own) - 1) // 2]
        lines.append(
            f"{name:<20}{sum(r.walked for r in own):>5}/{len(own)}"
            f"{('' if middle.walked else '> ') + f'{middle.steps // 1000}k':>10}{ends:>20}"
            f"{statistics.median(r.seconds for r in own):>9.0f}"
            f"{100 * statistics.median(r.success for r in own):>8.0f}%"
        )
    return lines


def arguments_of(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options; ``--quick`` only shows that a variant runs."""
    parser = argparse.ArgumentParser(description="What each part of the recipe is worth.")
    parser.add_argument("--variants", default=",".join(VARIANTS), metavar="A,B,...")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each variant")
    parser.add_argument("--limit", type=int, default=400_000, help="environment steps")
    parser.add_argument("--quick", action="store_true", help="one seed of two variants, cut short")
    parser.add_argument("--contest", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.variants, arguments.seeds, arguments.limit = "default,serial", 1, 1
    arguments.variants = [name.strip() for name in arguments.variants.split(",")]
    if unknown := [name for name in arguments.variants if name not in VARIANTS]:
        parser.error(f"unknown variants: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    return arguments


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    arguments = arguments_of()
    if arguments.contest:
        variant, seed, limit, spawned = arguments.contest
        print(json.dumps(asdict(contest(variant, int(seed), int(limit), float(spawned)))))
        return
    results = [
        race(variant, seed, arguments.limit)
        for seed in range(
            FIRST_SEED, FIRST_SEED + arguments.seeds
        )  # in turn: noise hurts all alike
        for variant in arguments.variants
    ]
    print("\n".join(table(results)))
    runs = [asdict(result) for result in results]
    print(json.dumps({"limit": arguments.limit, "threads": os.cpu_count() or 1, "runs": runs}))


if __name__ == "__main__":
    main()
