"""How long a suite of stress tests takes: episodes per second, and the time of the full suite.

The policy is a network of the usual size that stands. What it does matters little: a batch takes as
long as its longest episode. Everything is on that an evaluation has: all perturbations, recordings,
measures, rows on disk. With --quick only the quick suite is run, and the time of the full one is
extrapolated from its number of episodes.

    python benchmarks/stress.py [--quick] [--task quadruped-flat] [--threads 2]
"""

import argparse
import json
import os
import tempfile
import time

import torch

from robo_maxent.envs.interface import layout_of
from robo_maxent.learning.heads import SquashedGaussian
from robo_maxent.learning.networks import Actor, Normalizer
from robo_maxent.learning.policy import Policy
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.plan import planned
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import find
from robo_maxent.tasks import make

WIDTH = 256
SEED = 1


def idle_network(task: AnyTask) -> PolicyUnderTest:
    """A network that does next to nothing: its last layer starts near zero."""
    torch.manual_seed(SEED)
    layout = layout_of(task)
    head = SquashedGaussian(task.action_size)
    actor = Actor(layout.observation_size, head, WIDTH, layer_norm=True)
    policy = Policy(layout, actor, Normalizer(layout.observation_size))
    return PolicyUnderTest("network", policy, policy.sample)


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


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Speed of a suite of stress tests.")
    parser.add_argument("--quick", action="store_true", help="run the quick suite, and extrapolate")
    parser.add_argument("--task", default="quadruped-flat")
    parser.add_argument("--threads", type=int, default=0, help="physics threads; 0: one per CPU")
    arguments = parser.parse_args()
    task = make(arguments.task)
    policy = idle_network(task)
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
            }
        )
    )


if __name__ == "__main__":
    main()
