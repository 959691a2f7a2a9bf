"""Published tables: our learner on environments that others have reported, beside their figures.

``classic`` on Gymnasium's MuJoCo tasks is compared with plain SAC, to show that our SAC is SAC.
``single`` is compared with plain SAC and with the best published method on dm_control's quadruped,
with an action repeat of 2 as there; steps are decisions, so 250,000 are 500,000 of the simulation.
Returns are means over ten episodes of the policy that is kept, on seeds that no training run sees,
at the steps that the references give. A run of 100,000 steps takes about ten minutes; every run is
written to a file as it ends, and the table holds what has been run. ``--learners ours,sb3`` trains
Stable-Baselines3's SAC too, with the settings of ``classic``, judged on the same episodes, for a
published figure is another version's and another evaluation's. ``squashed`` is ours with the actor
of our other presets: a calm start, and deviations squashed into their range, not cut off.
``categorical`` is ours with a categorical critic, for dm_control, whose rewards have known bounds,
and ``fp32`` ours with all factors in that precision, where usually the faster one is taken.

    python benchmarks/tables.py [--quick] [--runs HalfCheetah-v5,quadruped-walk] [--seeds 3]
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.evaluation.rollout import Act, evaluate
from robo_maxent.machine import cpus
from robo_maxent.training.config import Preset, TrainConfig, preset
from robo_maxent.training.trainer import Trainer

LEARNERS = ("ours", "fp32", "squashed", "categorical", "sb3")

SQUASHED: dict[str, Any] = {
    "log_std_range": (-5.0, 2.0),
    "log_std_bound": "tanh",
    "calm_start": True,
}
"""What ``classic`` had before it was Stable-Baselines3's."""

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
    learner: str
    """One of :data:`LEARNERS`."""
    seed: int
    steps: int
    """Decisions."""
    mean_return: float
    seconds: float
    """Training until then, evaluations left out."""


def config_of(row: Row, seed: int) -> TrainConfig:
    """The preset; on dm_control, whose episodes never terminate, nothing else."""
    return replace(preset(row.preset), seed=seed, replay_capacity=row.steps[-1])


def run(name: str, learner: str, seed: int, steps: Sequence[int]) -> list[Look]:
    """Train once, and look at the policy on the way."""
    row, looks, spent = ROWS[name], [], 0.0
    task = GymTask(row.env_id, row.action_repeat)
    config = config_of(row, seed)
    if learner == "categorical" and task.reward_range is None:
        raise SystemExit(f"rewards of {row.env_id} have no known bounds for a categorical critic")
    differs = {"squashed": SQUASHED, "categorical": {"critic": "categorical"}}.get(learner, {})
    config = replace(config, sac=replace(config.sac, **differs))
    if learner == "fp32":
        config = replace(config, precision="fp32")
    advance, policy = _sb3(row, seed) if learner == "sb3" else _ours(task, config)
    for goal in steps:
        start = time.perf_counter()
        advance(goal)
        spent += time.perf_counter() - start
        episodes = evaluate(policy, task, EPISODES, EVALUATION_SEED)
        mean = statistics.fmean(episode.reward for episode in episodes)
        looks.append(Look(name, learner, seed, goal, round(mean, 1), round(spent, 1)))
        print(looks[-1], file=sys.stderr, flush=True)
    return looks


def _ours(task: GymTask, config: TrainConfig) -> tuple[Callable[[int], None], Act]:
    """What trains up to a number of decisions, and the policy so far."""
    with tempfile.TemporaryDirectory() as directory:  # nothing is saved on the way
        trainer = Trainer(task, config, Path(directory))

    def advance(goal: int) -> None:
        while trainer.steps < goal:
            trainer.step()

    return advance, lambda obs: trainer.policy()(obs)


def _sb3(row: Row, seed: int) -> tuple[Callable[[int], None], Act]:
    """The same of Stable-Baselines3, whose defaults are the settings of ``classic``."""
    import gymnasium
    from stable_baselines3 import SAC  # pyright: ignore[reportMissingImports]

    config = config_of(row, seed)
    if row.preset != "classic" or row.action_repeat != 1:
        raise SystemExit(f"sb3 has no counterpart of the preset {row.preset} of {row.env_id}")
    model = SAC(
        "MlpPolicy",
        gymnasium.make(row.env_id),
        learning_rate=config.sac.learning_rate,
        buffer_size=config.replay_capacity,
        learning_starts=config.random_steps,
        batch_size=config.sac.batch_size,
        tau=config.sac.tau,
        gamma=config.sac.gamma,
        seed=seed,
        device="cpu",
    )

    def advance(goal: int) -> None:
        model.learn(goal - model.num_timesteps, reset_num_timesteps=False)

    return advance, lambda obs: model.policy.predict(obs, deterministic=True)[0]


def table(looks: Sequence[Look]) -> list[str]:
    """Lines for people: median and range over the seeds, beside what is published."""
    lines = [
        f"{'row':<16}{'preset':<9}{'learner':<12}{'steps':>8}{'seeds':>6}{'return':>8}{'range':>16}"
        "  published"
    ]
    for key in dict.fromkeys((look.row, look.learner, look.steps) for look in looks):
        name, learner, steps = key
        own = [look.mean_return for look in looks if (look.row, look.learner, look.steps) == key]
        published = ROWS[name].published.get(steps, "-")
        lines.append(
            f"{name:<16}{ROWS[name].preset:<9}{learner:<12}{steps:>8,}{len(own):>6}"
            f"{statistics.median(own):>8.0f}{f'{min(own):.0f} to {max(own):.0f}':>16}  {published}"
        )
    return lines


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Published tables, ours beside theirs.")
    parser.add_argument("--runs", default=",".join(ROWS), metavar="A,B,...")
    parser.add_argument("--learners", default="ours", metavar=",".join(LEARNERS))
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1,...", help="a training run each")
    parser.add_argument("--until", type=int, default=10**9, help="end runs after so many steps")
    parser.add_argument("--out", type=Path, default=None, help="append each run to this file")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    arguments = parser.parse_args()
    names = _listed(parser, arguments.runs, ROWS)
    learners = _listed(parser, arguments.learners, LEARNERS)
    looks: list[Look] = []
    for seed in [0] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]:
        for name, learner in itertools.product(names, learners):
            steps: Any = [s for s in ROWS[name].steps if s <= arguments.until] or [arguments.until]
            found = run(name, learner, seed, [200] if arguments.quick else steps)
            looks += found
            if arguments.out:
                with arguments.out.open("a") as file:
                    file.writelines(json.dumps(asdict(look)) + "\n" for look in found)
    print("\n".join(table(looks)))
    result = {"threads": cpus(), "looks": [asdict(look) for look in looks]}
    print(json.dumps(result))


def _listed(parser: argparse.ArgumentParser, asked: str, known: Collection[str]) -> list[str]:
    names = [name.strip() for name in asked.split(",")]
    if unknown := [name for name in names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return names


if __name__ == "__main__":
    main()
