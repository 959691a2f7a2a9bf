"""How well a robot walks on ground that it has not seen, after half an hour of training.

Every variant trains alone on the machine for the same wall-clock time, evaluations left out. Then
its policy meets fresh patches: the kinds of terrain that it was trained on, level by level, and the
kinds that were held out. Level 10 is as hard as published sets are. ``no curriculum`` trains on
patches of any level from the beginning; ``no randomization`` on robots that are all alike, with
perfect sensors, and is evaluated like the others on robots that are not; ``no truth`` has a critic
that sees no more than the policy. Other variants run when they are named: with ``free falls`` a
fall costs only what would have followed, and the rest change the recipe. A run takes the cores that
it is given: with ``taskset -c 0`` and ``-c 1`` two variants train at equal time side by side.

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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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
EDGES = ("stairs_up", "stairs_down", "stepping_stones", "gaps")

SCAN = "quadruped-rough-scan"


@dataclass(frozen=True)
class Variant:
    """What differs in one training, and in nothing of its evaluation."""

    task: str = SCAN
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the task in training."""
    sac: Mapping[str, Any] = field(default_factory=dict)
    """Of the learner, beside the preset ``rough``."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Of the rest of that preset."""
    fall_cost: float | None = None
    """What a fall costs; None: what the task says."""
    truth: bool = True
    """The critic sees more than the policy."""


CATEGORICAL = {"critic": "categorical"}
VARIANTS = {
    "scan": Variant(),
    "blind": Variant("quadruped-rough"),
    "no curriculum": Variant(options={"curriculum": False}),
    "no randomization": Variant(options={"randomization": "none"}),
    "no truth": Variant(truth=False),
    "free falls": Variant(fall_cost=0.0),
    "width 128": Variant(sac={"width": 128}),
    "constant learning rate": Variant(sac={"learning_rate_held": None}),
    "16 updates": Variant(training={"updates_per_step": 16}),
    "16 updates and constant learning rate": Variant(
        sac={"learning_rate_held": None}, training={"updates_per_step": 16}
    ),
    "no LayerNorm": Variant(sac={"layer_norm": False}),
    "gamma 0.98": Variant(sac={"gamma": 0.98}),
    "target entropy -0.5": Variant(sac={"target_entropy_per_action": -0.5}),
    "falls at 80": Variant(fall_cost=80.0),
    "categorical": Variant(sac=CATEGORICAL),
    "categorical and falls at 80": Variant(sac=CATEGORICAL, fall_cost=80.0),
    "categorical and risk 0.5": Variant(sac=CATEGORICAL | {"risk": 0.5}),
}


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
    fell: dict[str, float]
    """Level -> share of the episodes on trained kinds."""
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

    variant = VARIANTS[order.variant]
    config = replace(preset("rough"), seed=order.seed, **variant.training)
    config = replace(config, sac=replace(config.sac, **variant.sac))
    task = make(variant.task, **variant.options)
    if not variant.truth:
        task = _without_truth(task)
    if variant.fall_cost is not None:
        task.termination_cost = variant.fall_cost
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config, Path(directory))
        spent = _train(trainer, order)
        trainer.close()
        levels = {
            key.removeprefix("level/"): v for key, v in trainer.collector.env.metrics().items()
        }
        policy = trainer.policy()
        if order.out is not None:
            name = order.variant.replace(" ", "-")
            policy.save(Path(order.out) / f"{name}-seed{order.seed}.safetensors")
        success: dict[str, dict[str, float]] = {kind: {} for kind in (*TERRAIN, *HELD_OUT)}
        fell: dict[str, float] = {}
        for kinds in (TERRAIN, HELD_OUT):
            for level in order.levels:
                task = make(variant.task, kinds=kinds, level=level)
                rows = evaluate(policy, task, len(kinds) * order.episodes, EVALUATION_SEED)
                for kind, share in success_by(rows, "terrain").items():
                    success[kind][str(level)] = share.share
                if kinds == TERRAIN:
                    fell[str(level)] = statistics.fmean(row.terminated for row in rows)
    mean = levels.pop("mean", None)
    if "curriculum" in variant.options:
        mean, levels = None, {}
    return Result(
        variant=order.variant,
        seed=order.seed,
        minutes=round(spent / 60, 2),
        steps=trainer.steps,
        mean_level=mean,
        levels=levels,
        success=success,
        fell=fell,
        peak_gib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
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
    from robo_maxent.sim.terrain import HELD_OUT
    from robo_maxent.tasks.rough import TERRAIN

    heads = [*(f"level {level}" for level in LEVELS), f"edges {JUDGED}", f"held out {JUDGED}"]
    heads.append(f"fell {JUDGED}")
    lines = [
        f"{'variant':<36}{'seeds':>6}{'M steps':>9}{'mean level':>12}"
        + "".join(f"{head:>12}" for head in heads)
    ]
    for variant in dict.fromkeys(result.variant for result in results):
        own = [result for result in results if result.variant == variant]
        ranks = [result.mean_level for result in own if result.mean_level is not None]
        shares = [_median(own, level, TERRAIN) for level in LEVELS]
        shares += [_median(own, JUDGED, EDGES), _median(own, JUDGED, HELD_OUT)]
        shares.append(statistics.median(r.fell.get(str(JUDGED), math.nan) for r in own))
        lines.append(
            f"{variant:<36}{len(own):>6}{statistics.median(r.steps for r in own) / 1e6:>9.2f}"
            f"{f'{statistics.median(ranks):.2f}' if ranks else '-':>12}"
            + "".join(f"{f'{100 * share:.0f} %':>12}" for share in shares)
        )
    return lines


def _median(results: Sequence[Result], level: int, kinds: Sequence[str]) -> float:
    """Success on some kinds at a level, NaN where it was not evaluated."""
    return statistics.median(
        result.at(level, kinds) if str(level) in result.fell else math.nan for result in results
    )


def verdict(results: Sequence[Result]) -> dict[str, float]:
    """The headline figures, medians over the seeds."""
    from robo_maxent.sim.terrain import HELD_OUT
    from robo_maxent.tasks.rough import TERRAIN

    found: dict[str, float] = {}
    scan = [result for result in results if result.variant == "scan"]
    blind = [result for result in results if result.variant == "blind"]
    if scan:
        found["mean_level"] = statistics.median(r.mean_level or 0.0 for r in scan)
        found[f"success_level{JUDGED}"] = _median(scan, JUDGED, TERRAIN)
        found[f"success_heldout{JUDGED}"] = _median(scan, JUDGED, HELD_OUT)
        found[f"success_edges{JUDGED}"] = _median(scan, JUDGED, EDGES)
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
