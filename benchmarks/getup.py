"""How often a robot stands within five seconds of being dropped in any pose, after short training.

Every run trains alone on the machine for the same wall-clock time, evaluations left out, on patches
of all trained kinds and levels; then its policy is dropped on new ones, with robots that differ as
in training.

    python benchmarks/getup.py [--quick] [--seeds 0,1,2] [--minutes 20] [--out DIR]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

TASK = "quadruped-getup"
EPISODES = 400
EVALUATION_SEED = 6_000_000
"""Seed of the evaluation episodes and of their ground, which no training run sees."""


@dataclass(frozen=True)
class Result:
    """How one run went."""

    seed: int
    minutes: float
    steps: int
    """Environment steps."""
    success: float
    """Share of the episodes."""
    low: float
    """End of its 95 % Wilson interval."""
    high: float
    rise_time: float | None
    """Median of those that stood, s."""


def contest(seed: int, minutes: float, episodes: int, out: str | None) -> Result:
    """Train, keep the policy in ``out`` if that is given, and evaluate it."""
    from robo_maxent.evaluation.rollout import evaluate
    from robo_maxent.evaluation.summary import summarize
    from robo_maxent.tasks import make
    from robo_maxent.training.config import preset
    from robo_maxent.training.trainer import Trainer

    task = make(TASK)
    config = replace(preset(task.preset), seed=seed)
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config, Path(directory))
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            trainer.step()
        trainer.close()
        if out is not None:
            trainer.policy().save(Path(out) / f"getup-seed{seed}.safetensors")
        rows = evaluate(trainer.policy(), trainer.task, episodes, EVALUATION_SEED)
    success = summarize(rows).success
    assert success is not None
    times = [rise for row in rows if (rise := row.metrics["rise_time"]) is not None]
    median = statistics.median(times) if times else None
    return Result(seed, minutes, trainer.steps, success.share, success.low, success.high, median)


def table(results: Sequence[Result]) -> list[str]:
    """Lines for people."""
    lines = [f"{'seed':>4}{'M steps':>9}{'standing within 5 s':>24}{'median, s':>11}"]
    for r in results:
        share = f"{100 * r.success:.1f} % [{100 * r.low:.1f}, {100 * r.high:.1f}]"
        median = "-" if r.rise_time is None else f"{r.rise_time:.2f}"
        lines.append(f"{r.seed:>4}{r.steps / 1e6:>9.2f}{share:>24}{median:>11}")
    return lines


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Getting up from any pose.")
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1,...", help="a training run each")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training")
    parser.add_argument("--out", type=Path, help="directory to keep the policies in")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--contest", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contest:
        print(json.dumps(asdict(contest(*json.loads(arguments.contest)))))
        return
    minutes, episodes = (0.05, 10) if arguments.quick else (arguments.minutes, EPISODES)
    results, out = [], str(arguments.out) if arguments.out else None
    for seed in [0] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]:
        order = json.dumps([seed, minutes, episodes, out])
        command = [sys.executable, __file__, "--contest", order]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results.append(Result(**json.loads(done.stdout.splitlines()[-1])))
        print(results[-1], file=sys.stderr, flush=True)
    print("\n".join(table(results)))
    median = statistics.median(result.success for result in results)
    settings = {"threads": os.cpu_count() or 1, "minutes": minutes}
    runs = [asdict(result) for result in results]
    print(json.dumps({"success": median} | settings | {"runs": runs}))


if __name__ == "__main__":
    main()
