"""What each trick of the training loop is worth: environment steps per second with it undone.

The usual recipe of a task, learning beside the physics. Each variant undoes one thing, in a
process of its own; they take turns in rounds, one at a time, and a gain is the median over the
rounds of the ratio to the loop as it is.

    python benchmarks/loop.py [--quick] [--task quadruped-flat]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

SERIAL = "no overlap"
"""The variant that learns after the physics, each with all threads: a setting of a run."""
WARM_UP = 30
"""Steps after the random ones, before the clock starts."""


def as_it_is() -> None:
    """Change nothing."""


def plain_torch() -> None:
    """No compiled update."""
    os.environ["ROBO_MAXENT_COMPILED"] = "off"


def many_gathers() -> None:
    """A gather from the replay, and a normalization, for each update."""
    from robo_maxent.training.learner import Learner

    def learn(self: Learner, crew: Callable[[], int]) -> dict[str, object]:
        size, metrics = 256, {}  # of an update, in every preset
        for _ in range(self._update_size // size if len(self.replay) else 0):
            metrics |= self.agent.update(self.replay.sample(self.rng, size), crew)
        return metrics

    Learner.learn = learn  # type: ignore[method-assign]


def apart() -> None:
    """The cores of the physics don't learn when it is finished."""
    from robo_maxent.training.trainer import Trainer

    Trainer._crew = lambda self: self._learner_threads  # type: ignore[method-assign]


VARIANTS: dict[str, Callable[[], None]] = {
    "as it is": as_it_is,
    SERIAL: as_it_is,
    "no help": apart,
    "updates in torch": plain_torch,
    "a gather per update": many_gathers,
}


def serve(name: str, task: str) -> None:
    """Be one variant: measure for as many seconds as each line asks."""
    VARIANTS[name]()
    from robo_maxent.tasks import make
    from robo_maxent.training.config import preset
    from robo_maxent.training.trainer import Trainer

    chosen = make(task)
    recipe = preset(chosen.preset)
    config = replace(recipe, replay_capacity=200_000, overlap=name != SERIAL)
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(chosen, config, Path(directory))
        for _ in range(config.random_steps + WARM_UP):
            trainer.step()
        print(flush=True)
        for line in sys.stdin:
            start, steps = time.perf_counter(), trainer.steps
            while time.perf_counter() - start < float(line):
                trainer.step()
            print((trainer.steps - steps) / (time.perf_counter() - start), flush=True)


def measure(task: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Start all variants, then let them take turns."""
    pipe, processes, rates = subprocess.PIPE, {}, {name: [] for name in VARIANTS}
    for name in VARIANTS:
        command = [sys.executable, __file__, "--task", task, "--serve", name]
        processes[name] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        processes[name].stdout.readline()
    for _ in range(rounds):
        for name, process in processes.items():
            print(seconds, file=process.stdin, flush=True)
            rates[name].append(float(process.stdout.readline()))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return rates


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="What the tricks of the loop are worth.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--task", default="quadruped-flat", help="and its usual recipe")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.task)
        return
    rates = measure(arguments.task, *((2, 1.0) if arguments.quick else (7, 4.0)))
    own = rates["as it is"]
    result: dict[str, float | int] = {"threads": os.cpu_count() or 1}
    print(f"{'variant':<24}{'steps/s':>9}{'range':>18}{'the loop as it is':>20}")
    for name, rate in rates.items():
        gain = statistics.median(a / b for a, b in zip(own, rate, strict=True))
        ends = f"{min(rate):,.0f} to {max(rate):,.0f}"
        print(f"{name:<24}{statistics.median(rate):>9,.0f}{ends:>18}{gain:>15.2f} times")
        result |= {
            f"{name}, steps/s": round(statistics.median(rate)),
            f"{name}, gain": round(gain, 3),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
