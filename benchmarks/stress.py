"""How long a suite of stress tests takes, and how much of that is the simulation of its task.

The policy is a network of the usual size that stands. What it does matters little: a batch takes as
long as its longest episode. Everything is on that an evaluation has: all perturbations, recordings,
measures, rows on disk. With --quick only the quick suite is run, and the time of the full one is
extrapolated from its number of episodes.

    episodes_per_s    of the suite
    stress_over_task  control steps per second of a stress test of a thousand episodes, over those
                      of the bare task: 256 simulations that stand, zero actions, all threads. Both
                      are measured in turn, and the median of the ratios of neighbours is taken.

    python benchmarks/stress.py [--quick] [--task quadruped-flat] [--threads 2] [--pairs 5]
"""

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from robo_maxent.envs.interface import layout_of
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.params import nominal
from robo_maxent.report.rows import distinct
from robo_maxent.robustness import stress_test
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.plan import planned
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import Suite, find
from robo_maxent.tasks import make

WIDTH = 256
SEED = 1
SIMULATIONS = 256
"""Of the bare task: as many as a batch of a stress test has."""
PAIRED = Suite(
    "paired",
    "",
    {
        "nominal": Share(256, 0),
        "sensor_noise": Share(128, 0),
        "packet_loss": Share(128, 0),
    },
)
"""What is compared with the bare task; on a quadruped, 1,280 episodes."""


def idle_network(task: AnyTask) -> PolicyUnderTest:
    """A network that does next to nothing: its last layer starts near zero."""
    torch.manual_seed(SEED)
    layout = layout_of(task)
    head = SquashedGaussian(task.action_size)
    actor = Actor(layout.observation_size, head, WIDTH, layer_norm=True)
    policy = Policy(layout, actor, Normalizer(layout.observation_size))
    return PolicyUnderTest("network", policy, policy.sample, thread_safe=True)


def batches(name: str, task: AnyTask, policy: PolicyUnderTest) -> tuple[int, int]:
    """Episodes of a suite, and batches."""
    plans = planned(find(name), task, [policy], SEED)
    return sum(map(len, plans)), sum(len(list(p.batches())) for p in plans)


def measure(name: str, task: AnyTask, policy: PolicyUnderTest, threads: int) -> tuple[float, int]:
    """Seconds that a suite takes, and how many episodes it ran."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        run(find(name), task, [policy], out, SEED, threads)
        seconds = time.perf_counter() - start
    return seconds, batches(name, task, policy)[0]


def bare_rate(task: AnyTask, threads: int) -> float:
    """Control steps per second of the task alone, as a stress test simulates it."""
    trial = task.trial().at(np.zeros(SIMULATIONS, np.int64))
    effects = nominal(trial.perturbations, trial.robot, SIMULATIONS)
    env = trial.trial_env(effects, np.arange(SIMULATIONS), SEED, threads)
    actions, steps, start = np.zeros((SIMULATIONS, trial.action_size)), 0, time.perf_counter()
    env.reset()
    for _ in range(trial.episode_steps):
        steps += sum(episode.length for episode in env.step(actions).episodes)
    return steps / (time.perf_counter() - start)


def stress_rate(task: AnyTask, policy: PolicyUnderTest, threads: int) -> float:
    """Control steps per second of a stress test."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        run(PAIRED, task, [policy], out, SEED, threads)
        seconds = time.perf_counter() - start
        steps = sum(row.length for row in distinct(stress_test.rows_of(Path(out))))
    return steps / seconds


def compared(task: AnyTask, policy: PolicyUnderTest, threads: int, pairs: int) -> dict[str, float]:
    """The stress test beside the bare task, in turn."""
    bare, stress = [bare_rate(task, threads)], []
    for _ in range(pairs):
        stress.append(stress_rate(task, policy, threads))
        bare.append(bare_rate(task, threads))
    around = [(before + after) / 2 for before, after in itertools.pairwise(bare)]
    ratios = [rate / beside for rate, beside in zip(stress, around, strict=True)]
    return {
        "task_steps_per_s": round(float(np.median(bare))),
        "stress_steps_per_s": round(float(np.median(stress))),
        "stress_over_task": round(float(np.median(ratios)), 3),
        "stress_over_task_least": round(min(ratios), 3),
        "stress_over_task_most": round(max(ratios), 3),
    }


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Speed of a suite of stress tests.")
    parser.add_argument("--quick", action="store_true", help="run the quick suite, and extrapolate")
    parser.add_argument("--task", default="quadruped-flat")
    parser.add_argument("--threads", type=int, default=0, help="threads; 0: one per CPU")
    parser.add_argument("--pairs", type=int, default=5, help="of a stress test and the bare task")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as the command line does
    task = make(arguments.task)
    policy = idle_network(task)
    ratio = compared(task, policy, arguments.threads, arguments.pairs)
    print(
        f"a stress test makes {ratio['stress_steps_per_s']:,} control steps/s, the bare task "
        f"{ratio['task_steps_per_s']:,}: {ratio['stress_over_task']:.2f} as many"
    )
    name = "quick" if arguments.quick else "full"
    seconds, episodes = measure(name, task, policy, arguments.threads)
    rate = episodes / seconds
    full = batches("full", task, policy)[0]
    print(f"{'suite':<8}{'episodes':>10}{'seconds':>10}{'episodes/s':>12}")
    print(f"{name:<8}{episodes:>10,}{seconds:>10.1f}{rate:>12.1f}")
    how = "extrapolated" if arguments.quick else "measured"
    whole = full / rate
    if arguments.quick:
        print(f"{'full':<8}{full:>10,}{whole:>10.1f}{rate:>12.1f}  ({how})")
    print(
        json.dumps(
            {
                "task": task.name,
                "threads": arguments.threads or os.cpu_count() or 1,
                "episodes_per_s": round(rate, 2),
                "full_suite_s": round(whole, 1),
                "full_suite_s_is": how,
                "full_suite_episodes": full,
                f"{name}_suite_s": round(seconds, 1),
                f"{name}_suite_episodes": episodes,
                **ratio,
            }
        )
    )


if __name__ == "__main__":
    main()
