"""Discrete actions: what the preset ``discrete`` reaches on two environments that others report.

CartPole-v1 counts as solved at a mean return of 475 and LunarLander-v3 at 200, as Gymnasium says.
A training looks at its mean action every few thousand steps, in 20 episodes; where these reach the
goal, 100 fresh ones decide, and the training ends if they do so too. What never gets there is
judged by its best look. LunarLander has settings of its own: with entropy in the target its policy
is paid for hovering (docs/how-to/gymnasium.md). Seeds 101 and up were for choosing the preset and
these settings; those reported are others.

LunarLander needs Box2D: pip install 'robo-maxent[box2d]'; without it, it is left out.

    python benchmarks/discrete.py [--quick] [--runs cartpole,lunarlander] [--seeds 1,2,3,4,5]
                                  [--threads 1]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.evaluation.summary import summarize
from robo_maxent.learning.policy import Policy
from robo_maxent.seeds import Purpose
from robo_maxent.training.config import preset
from robo_maxent.training.trainer import Trainer

LOOK_EPISODES, EPISODES = 20, 100
"""Of a look, and of those that decide."""
TEST_SEED = 5_000_000
"""Of the episodes that decide, plus the seed of the training."""


@dataclass(frozen=True)
class Row:
    """One environment, when it counts as solved, and how long one may take."""

    env_id: str
    goal: float
    """Mean return."""
    steps: int
    look_every: int
    """Steps."""
    needs: str | None = None
    """Module that it can't be made without."""
    random_steps: int | None = None
    """Of the start; None: as many as the preset has."""
    sac: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the learner that are not the preset's."""


ROWS = {
    "cartpole": Row("CartPole-v1", 475.0, 50_000, 2_500),
    "lunarlander": Row(
        "LunarLander-v3",
        200.0,
        300_000,
        10_000,
        needs="Box2D",
        random_steps=10_000,
        sac={"normalize": False, "entropy_in_target": False},
    ),
}


@dataclass(frozen=True)
class Result:
    """What one training came to."""

    row: str
    seed: int
    steps: int
    """At which the policy was taken that was judged."""
    mean_return: float
    """Of fresh episodes."""
    shown: str
    """The same with its interval."""
    solved: bool
    seconds: float
    """Of the training and its looks."""


def measure(name: str, row: Row, seed: int, threads: int, episodes: int = EPISODES) -> Result:
    """Train until the environment is solved or the steps are spent."""
    task, start = GymTask(row.env_id), time.perf_counter()
    config = replace(preset(task.preset), steps=row.steps, seed=seed, threads=threads)
    config = replace(
        config,
        replay_capacity=row.steps,
        random_steps=row.random_steps or config.random_steps,
        sac=replace(config.sac, **row.sac),
    )
    best, taken_at = -float("inf"), 0
    with tempfile.TemporaryDirectory() as scratch:
        kept, trainer = Path(scratch) / "best.safetensors", Trainer(task, config, Path(scratch))
        try:
            while trainer.steps < row.steps:
                trainer.step()
                if trainer.steps % row.look_every:
                    continue
                look = _mean_return(trainer.policy(), task, seed, LOOK_EPISODES)
                print(f"  {name} seed {seed}: {look:.1f} at {trainer.steps:,}", file=sys.stderr)
                if look > best:
                    best, taken_at = look, trainer.steps
                    trainer.policy().save(kept)
                if look >= row.goal:
                    result = _judged(name, row, seed, trainer.steps, trainer.policy(), episodes)
                    if result.solved:
                        return replace(result, seconds=time.perf_counter() - start)
        finally:
            trainer.close()
        result = _judged(name, row, seed, taken_at, Policy.load(kept), episodes)
        return replace(result, seconds=time.perf_counter() - start)


def _mean_return(policy: Policy, task: GymTask, seed: int, episodes: int) -> float:
    rows = evaluate(policy, task, episodes, seed, purpose=Purpose.VALIDATION)
    return statistics.mean(row.reward for row in rows)


def _judged(name: str, row: Row, seed: int, steps: int, policy: Policy, episodes: int) -> Result:
    rows = evaluate(policy, GymTask(row.env_id), episodes, TEST_SEED + seed)
    summary = summarize(rows)
    mean = summary.mean_reward
    return Result(name, seed, steps, mean, str(summary.mean_return), mean >= row.goal, 0.0)


def headline(results: Sequence[Result]) -> dict[str, object]:
    """Figures for scripts, by environment: how many seeds solved it, when, and their returns."""
    figures: dict[str, object] = {}
    for name in dict.fromkeys(result.row for result in results):
        own = [result for result in results if result.row == name]
        figures[f"{name}_solved"] = sum(result.solved for result in own)
        figures[f"{name}_return"] = round(statistics.mean(r.mean_return for r in own), 1)
        figures[f"{name}_returns"] = [round(result.mean_return, 1) for result in own]
        figures[f"{name}_steps"] = [result.steps for result in own]
        figures[f"{name}_seeds"] = [result.seed for result in own]
    return figures


def main() -> None:
    """Print a line a training for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Discrete actions: CartPole and LunarLander.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--runs", default=",".join(ROWS))
    parser.add_argument("--seeds", default="1,2,3,4,5", help="a training each")
    parser.add_argument("--threads", type=int, default=1, help="of a training; 0: one per CPU")
    arguments = parser.parse_args()
    seeds = [1] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]
    results: list[Result] = []
    for name in arguments.runs.split(","):
        row = ROWS[name]
        if row.needs is not None and find_spec(row.needs) is None:
            print(f"{name} is left out: pip install 'robo-maxent[box2d]'")
            continue
        if arguments.quick:
            row = replace(row, steps=1_200, look_every=1_200)
        for seed in seeds:
            episodes = LOOK_EPISODES if arguments.quick else EPISODES
            result = measure(name, row, seed, arguments.threads, episodes)
            results.append(result)
            print(
                f"{name:<12} seed {seed}: {'solved' if result.solved else 'not solved'}, return "
                f"{result.shown} at {result.steps:,} steps, {result.seconds:.0f} s",
                flush=True,
            )
    print(json.dumps(headline(results)))


if __name__ == "__main__":
    main()
