"""Published tables: our learner on environments that others have reported, beside their figures.

``classic`` on Gymnasium's MuJoCo tasks is compared with plain SAC, to show that our SAC is SAC.
``single`` is compared with plain SAC and with the best published method on dm_control's quadruped,
with an action repeat of 2 as there; steps are decisions, so 250,000 are 500,000 of the simulation.
Returns are means over ten episodes of the policy that is kept, on seeds that no training run sees,
at the steps that the references give. A run of 100,000 steps takes about ten minutes; every run is
written to a file as it ends, and the table holds what has been run.

    python benchmarks/tables.py [--quick] [--runs HalfCheetah-v5,quadruped-walk] [--seeds 3]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robo_maxent.config import Preset, TrainConfig, preset

EPISODES = 10
EVALUATION_SEED = 4_000_000


@dataclass(frozen=True)
class Row:
    """One environment, and what others reached on it."""

    env_id: str
    preset: Preset
    steps: tuple[int, ...]
    """Where to look; the last is the end of the run."""
    published: dict[int, str]
    """Steps -> return of plain SAC, and of the best method, mean ± deviation over the seeds."""
    action_repeat: int = 1


ROWS = {
    # SimbaV2's repository, SAC with one update a step, 10 seeds.
    "HalfCheetah-v5": Row(
        "HalfCheetah-v5",
        "classic",
        (100_000, 300_000),
        {100_000: "SAC 6156 ± 700", 1_000_000: "SAC 11321 ± 1051"},
    ),
    "Hopper-v5": Row(
        "Hopper-v5",
        "classic",
        (100_000, 300_000),
        {100_000: "SAC 1103 ± 368", 1_000_000: "SAC 2787 ± 823"},
    ),
    # Plain SAC: TD-MPC2's repository, 3 seeds. Best: TD-MPC2's, MR.Q's and SimBa's repositories.
    "quadruped-walk": Row(
        "dm_control/quadruped-walk-v0",
        "single",
        (50_000, 100_000, 250_000),
        {100_000: "MR.Q 930 ± 22", 250_000: "SAC 199 ± 74, MR.Q 963 ± 7"},
        action_repeat=2,
    ),
    "quadruped-run": Row(
        "dm_control/quadruped-run-v0",
        "single",
        (50_000, 100_000, 250_000),
        {100_000: "MR.Q 867 ± 53", 250_000: "SAC 119 ± 36, TD-MPC2 940 ± 7"},
        action_repeat=2,
    ),
}


@dataclass(frozen=True)
class Look:
    """One evaluation of one run."""

    row: str
    seed: int
    steps: int
    """Decisions."""
    mean_return: float
    seconds: float
    """Training until then, evaluations left out."""


def config_of(row: Row, seed: int) -> TrainConfig:
    """The preset; on dm_control, whose episodes never terminate, nothing else."""
    return replace(preset(row.preset), seed=seed, replay_capacity=row.steps[-1])


def run(name: str, seed: int, steps: Sequence[int], spent: float = 0.0) -> list[Look]:
    """Train once, and look at the policy on the way."""
    from robo_maxent.evaluate import evaluate
    from robo_maxent.gym_task import GymTask
    from robo_maxent.trainer import Trainer

    row, looks = ROWS[name], []
    task = GymTask(row.env_id, row.action_repeat)
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config_of(row, seed), Path(directory))
        for goal in steps:
            start = time.perf_counter()
            while trainer.steps < goal:
                trainer.step()
            spent += time.perf_counter() - start
            episodes = evaluate(trainer.policy(), task, EPISODES, EVALUATION_SEED)
            mean = statistics.fmean(episode.reward for episode in episodes)
            looks.append(Look(name, seed, goal, round(mean, 1), round(spent, 1)))
            print(looks[-1], file=sys.stderr, flush=True)
        trainer.close()
    return looks


def table(looks: Sequence[Look]) -> list[str]:
    """Lines for people: median and range over the seeds, beside what is published."""
    lines = [
        f"{'row':<16}{'preset':<9}{'steps':>8}{'seeds':>6}{'return':>8}{'range':>16}  published"
    ]
    for name, steps in dict.fromkeys((look.row, look.steps) for look in looks):
        own = [look.mean_return for look in looks if (look.row, look.steps) == (name, steps)]
        published = ROWS[name].published.get(steps, "-")
        lines.append(
            f"{name:<16}{ROWS[name].preset:<9}{steps:>8,}{len(own):>6}"
            f"{statistics.median(own):>8.0f}{f'{min(own):.0f} to {max(own):.0f}':>16}  {published}"
        )
    return lines


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Published tables, ours beside theirs.")
    parser.add_argument("--runs", default=",".join(ROWS), metavar="A,B,...")
    parser.add_argument("--seeds", type=int, default=3, help="training runs of each")
    parser.add_argument("--until", type=int, default=10**9, help="end runs after so many steps")
    parser.add_argument("--out", type=Path, default=None, help="append each run to this file")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.runs.split(",")]
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"unknown rows: {', '.join(unknown)}; known: {', '.join(ROWS)}")
    looks: list[Look] = []
    for seed in range(1 if arguments.quick else arguments.seeds):
        for name in names:
            steps: Any = [s for s in ROWS[name].steps if s <= arguments.until] or [arguments.until]
            found = run(name, seed, [200] if arguments.quick else steps)
            looks += found
            if arguments.out:
                with arguments.out.open("a") as file:
                    file.writelines(json.dumps(asdict(look)) + "\n" for look in found)
    print("\n".join(table(looks)))
    result = {"threads": os.cpu_count() or 1, "looks": [asdict(look) for look in looks]}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
