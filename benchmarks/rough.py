"""How well a robot walks on ground that it has not seen, after half an hour of training.

Every variant trains alone on the machine for the same wall-clock time, evaluations left out. Then
its policy meets fresh patches: the kinds of terrain that it was trained on, level by level, and the
kinds that were held out. Level 10 is as hard as published sets are. ``no curriculum`` trains on
patches of any level from the beginning; ``no randomization`` on robots that are all alike, with
perfect sensors, and is evaluated like the others on robots that are not; ``no truth`` has a critic
that sees no more than the policy. Other variants run when they are named: with ``free falls`` a
fall costs only what would have followed, and the rest change the recipe.

``--steps`` compares at equal environment steps instead, which other work on the machine does not
disturb.

    python benchmarks/rough.py [--quick] [--seeds 0,1,2] [--minutes 30] [--variants A,B] [--out DIR]
"""

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robo_maxent.machine import cpus

EVALUATION_SEED = 5_000_000
"""Seed of the evaluation episodes and of their ground, which no training run sees."""
EPISODES = 20
"""Of each kind of terrain at each level, usually."""
LEVELS = (0, 2, 4, 6, 8, 10)
JUDGED = 4
"""The level of the headline figures."""

SCAN = "quadruped-rough-scan"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "scan": (SCAN, {}),
    "blind": ("quadruped-rough", {}),
    "no curriculum": (SCAN, {"curriculum": False}),
    "no randomization": (SCAN, {"randomization": "none"}),
    "no truth": (SCAN, {}),
    "free falls": (SCAN, {}),
}
"""Name -> task, and how its training differs."""
RECIPES: dict[str, dict[str, Any]] = {
    "width 128": {"width": 128},
    "constant learning rate": {"learning_rate_held": None},
    "no LayerNorm": {"layer_norm": False},
    "gamma 0.98": {"gamma": 0.98},
    "target entropy -0.5": {"target_entropy_per_action": -0.5},
}
"""Name -> what differs from the recipe of the preset ``rough``, on the task with the scan."""
VARIANTS |= {name: (SCAN, {}) for name in RECIPES}


@dataclass(frozen=True)
class Order:
    """One run that is asked for."""

    variant: str
    seed: int
    minutes: float
    steps: int | None
    """Environment steps, instead of minutes."""
    episodes: int
    """Of each kind of terrain at each level."""
    levels: tuple[int, ...]
    out: str | None
    """Directory to keep the policy in."""


@dataclass(frozen=True)
class Result:
    """How one run went."""

    variant: str
    seed: int
    minutes: float
    steps: int
    """Environment steps."""
    mean_level: float | None
    """Rank in the curriculum at the end, mean of all simulations; None: there was none."""
    levels: dict[str, float]
    """The same by kind of terrain."""
    success: dict[str, dict[str, float]]
    """Kind -> level -> share of the episodes; held-out kinds too."""
    peak_gib: float
    """Largest memory of the process."""

    def at(self, level: int, kinds: Sequence[str]) -> float:
        """Mean success of some kinds at a level."""
        return statistics.fmean(self.success[kind][str(level)] for kind in kinds)


def contest(order: Order) -> Result:
    """Train one variant, and evaluate it."""
    from robo_maxent.evaluation.rollout import evaluate
    from robo_maxent.evaluation.summary import success_by
    from robo_maxent.sim.terrain import HELD_OUT
    from robo_maxent.tasks import make
    from robo_maxent.tasks.rough import TERRAIN
    from robo_maxent.training.config import preset
    from robo_maxent.training.trainer import Trainer

    variant, (name, options) = order.variant, VARIANTS[order.variant]
    config = replace(preset("rough"), seed=order.seed)
    config = replace(config, sac=replace(config.sac, **RECIPES.get(variant, {})))
    task = make(name, **options)
    if variant == "no truth":
        task = _without_truth(task)
    if variant == "free falls":
        task.termination_cost = 0.0
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config, Path(directory))
        spent = _train(trainer, order)
        trainer.close()
        levels = {
            key.removeprefix("level/"): v for key, v in trainer.collector.env.metrics().items()
        }
        policy = trainer.policy()
        if order.out is not None:
            file = f"{variant.replace(' ', '-')}-seed{order.seed}.safetensors"
            policy.save(Path(order.out) / file)
        success: dict[str, dict[str, float]] = {kind: {} for kind in (*TERRAIN, *HELD_OUT)}
        for kinds in (TERRAIN, HELD_OUT):
            for level in order.levels:
                task = make(name, kinds=kinds, level=level)
                rows = evaluate(policy, task, len(kinds) * order.episodes, EVALUATION_SEED)
                for kind, share in success_by(rows, "terrain").items():
                    success[kind][str(level)] = share.share
    mean = levels.pop("mean", None)
    if "curriculum" in options:
        mean, levels = None, {}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    minutes = round(spent / 60, 2)
    return Result(
        variant, order.seed, minutes, trainer.steps, mean, levels, success, round(peak, 2)
    )


def _train(trainer: Any, order: Order) -> float:
    """Spend the budget, and say every minute how far it has come; the seconds it took."""
    start = said = now = time.monotonic()
    goal = f"{order.minutes:g} minutes" if order.steps is None else f"{order.steps / 1e6:g} M steps"
    while now < start + 60 * order.minutes if order.steps is None else trainer.steps < order.steps:
        trainer.step()
        now = time.monotonic()
        if now > said + 60:
            said, level = now, trainer.collector.env.metrics().get("level/mean", 0.0)
            line = f"{(now - start) / 60:.0f} min, {trainer.steps / 1e6:.2f} M steps, of {goal}"
            print(f"{line}, mean level {level:.2f}", file=sys.stderr, flush=True)
    return now - start


def _without_truth(task: Any) -> Any:
    """The task without its privileged fields."""

    class Honest(type(task)):
        observation = task.observation[: len(task.policy_parts)]

        def observe(self, memory: Any, now: Any) -> Any:
            return super().observe(memory, now)[:, : task.policy_size]

    task.__class__ = Honest
    return task


def run(order: Order) -> Result:
    """Have one variant train in a process of its own."""
    command = [sys.executable, __file__, "--contest", json.dumps(asdict(order))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result = Result(**json.loads(done.stdout.splitlines()[-1]))
    print(asdict(result), file=sys.stderr, flush=True)
    return result


def table(results: Sequence[Result]) -> list[str]:
    """Lines for people: medians over the seeds."""
    lines = [
        f"{'variant':<22}{'seeds':>6}{'M steps':>9}{'mean level':>12}"
        + "".join(f"{f'level {level}':>10}" for level in LEVELS)
        + f"{f'held out {JUDGED}':>12}"
    ]
    for variant in dict.fromkeys(result.variant for result in results):
        own = [result for result in results if result.variant == variant]
        ranks = [result.mean_level for result in own if result.mean_level is not None]
        by_level = [_median(own, level, held_out=False) for level in LEVELS]
        lines.append(
            f"{variant:<22}{len(own):>6}{statistics.median(r.steps for r in own) / 1e6:>9.2f}"
            f"{f'{statistics.median(ranks):.2f}' if ranks else '-':>12}"
            + "".join(f"{f'{100 * share:.0f} %':>10}" for share in by_level)
            + f"{f'{100 * _median(own, JUDGED, held_out=True):.0f} %':>12}"
        )
    return lines


def _median(results: Sequence[Result], level: int, held_out: bool) -> float:
    from robo_maxent.sim.terrain import HELD_OUT

    shares = []
    for result in results:
        kinds = [kind for kind in result.success if (kind in HELD_OUT) == held_out]
        if all(str(level) in result.success[kind] for kind in kinds):
            shares.append(result.at(level, kinds))
    return statistics.median(shares) if shares else float("nan")


def verdict(results: Sequence[Result]) -> dict[str, float]:
    """The headline figures, medians over the seeds."""
    found: dict[str, float] = {}
    scan = [result for result in results if result.variant == "scan"]
    blind = [result for result in results if result.variant == "blind"]
    if scan:
        found["mean_level"] = statistics.median(r.mean_level or 0.0 for r in scan)
        found[f"success_level{JUDGED}"] = _median(scan, JUDGED, held_out=False)
        found[f"success_heldout{JUDGED}"] = _median(scan, JUDGED, held_out=True)
    if blind:
        found["mean_level_blind"] = statistics.median(r.mean_level or 0.0 for r in blind)
    return {name: round(value, 3) for name, value in found.items() if not math.isnan(value)}


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Walking on ground that was not seen before.")
    parser.add_argument(
        "--variants",
        default="scan,blind,no curriculum,no randomization,no truth",
        metavar="A,B,...",
    )
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1,...", help="a training run each")
    parser.add_argument("--minutes", type=float, default=30.0, help="of training")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument(
        "--episodes", type=int, default=EPISODES, help="of each kind at each level, to evaluate"
    )
    parser.add_argument("--out", type=Path, help="directory to keep the policies in")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--contest", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contest:
        print(json.dumps(asdict(contest(Order(**json.loads(arguments.contest))))))
        return
    names = [name.strip() for name in arguments.variants.split(",")]
    if unknown := [name for name in names if name not in VARIANTS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(VARIANTS)}")
    out = str(arguments.out) if arguments.out else None
    order = Order("", 0, arguments.minutes, arguments.steps, arguments.episodes, LEVELS, out)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.quick:
        order, seeds = replace(order, minutes=0.05, steps=None, episodes=1, levels=LEVELS[:1]), [0]
    results = [run(replace(order, variant=name, seed=seed)) for seed in seeds for name in names]
    print("\n".join(table(results)))
    runs = [asdict(result) for result in results]
    settings = {"threads": cpus(), "minutes": order.minutes, "steps": order.steps}
    print(json.dumps(verdict(results) | settings | {"runs": runs}))


if __name__ == "__main__":
    main()
