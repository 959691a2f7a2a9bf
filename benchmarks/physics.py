"""Environment steps per second of the full task, beside raw batched physics.

Both sides run the same model, the same number of threads, the same controls from the same states
and the same stage of computation. The task adds actions, rewards, observations, the tally and
resets; episodes begin at random ages, so that resets are spread evenly as they are in training.
The actions are small: nobody falls, so both sides simulate standing robots with four feet on the
ground. The sides take turns; the ratio is the median over the pairs. The task on terrain has its
own randomization on, with sensor noise, delays and pushes; the raw side has the same patches under
the same feet.

    python benchmarks/physics.py [--quick] [--threads 2]
"""

import argparse
import json
import os
import time
from dataclasses import dataclass

import mujoco
import numpy as np
from mujoco.batch import Batch

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.tasks import make

FLAT, ROUGH = "quadruped-flat", "quadruped-rough-scan"
LINES = ((FLAT, 1), (FLAT, 64), (FLAT, 1024), (ROUGH, 128))
"""Task, number of simulations."""
STEPS = {1: 1500, 64: 150, 128: 40, 1024: 15}
"""Number of simulations -> control steps in a measurement, half a second or less each."""
SHARED = ("geom_friction", "geom_dataid")
"""Model fields that differ between simulations, on both sides."""
ACTION = 0.1
"""Size of the random actions, of 1: the robot shifts its weight and does not fall."""
WARM_UP = 25
"""Control steps before measuring: the robots have settled on their feet."""


@dataclass(frozen=True)
class Rates:
    """Control steps per second, all simulations together."""

    task: float
    raw: float
    ratio: float
    """Median of the ratios of neighbouring measurements."""
    falls: int
    resets: int


def measure(name: str, n: int, seconds: float, threads: int) -> Rates:
    """Measure a task and the raw batch in turn, whichever first, for so long."""
    task = make(name)
    rng = np.random.default_rng(0)
    env = MujocoVecEnv(task, n, seed=0, threads=threads)
    env.reset()
    raw = Batch(task.robot.model, n, threads)
    actions = ACTION * rng.uniform(-1, 1, (STEPS[n], n, task.action_size)).astype(np.float32)
    controls = task.robot.home_pose + task.action_scale * actions  # (steps, N, A)
    for step in range(WARM_UP):
        env.step(actions[step % len(actions)])
    env.episode.elapsed[:] = rng.integers(WARM_UP, task.episode_steps, n)

    task_rates, raw_rates, falls, resets = [], [], 0, 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(raw_rates) < 4:
        raw.state[:] = env.batch.state
        for field in SHARED:
            raw.expand(field)[:] = env.batch.expand(field)
        raw_first = len(raw_rates) % 2 == 1
        if raw_first:
            raw_rates.append(n * len(actions) / _run_raw(raw, controls, task.substeps))
        took, fallen, ended = _run_task(env, actions)
        task_rates.append(n * len(actions) / took)
        if not raw_first:
            raw_rates.append(n * len(actions) / _run_raw(raw, controls, task.substeps))
        falls, resets = falls + fallen, resets + ended
    ratios = np.array(task_rates) / np.array(raw_rates)
    return Rates(
        float(np.median(task_rates)),
        float(np.median(raw_rates)),
        float(np.median(ratios)),
        falls,
        resets,
    )


def _run_task(env: MujocoVecEnv, actions: np.ndarray) -> tuple[float, int, int]:
    """Seconds, falls and resets."""
    falls = resets = 0
    start = time.perf_counter()
    for action in actions:
        step = env.step(action)
        if step.episodes:
            falls += int(step.terminated.sum())
            resets += len(step.episodes)
    return time.perf_counter() - start, falls, resets


def _run_raw(batch: Batch, controls: np.ndarray, substeps: int) -> float:
    """Seconds."""
    ctrl = batch.bind("ctrl")
    stage = mujoco.mjtStage.mjSTAGE_VEL.value
    start = time.perf_counter()
    for control in controls:
        ctrl[:] = control
        batch.step(nstep=substeps, stage=stage)
    return time.perf_counter() - start


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Speed of the full task.")
    parser.add_argument("--quick", action="store_true", help="10 seconds a line, not 60")
    parser.add_argument("--threads", type=int, default=0, help="physics threads; 0: one per CPU")
    arguments = parser.parse_args()
    seconds = 10.0 if arguments.quick else 60.0

    result: dict[str, float] = {"threads": arguments.threads or os.cpu_count() or 1}
    print(f"{'task':<21}{'simulations':>11}{'task, steps/s':>15}{'raw, steps/s':>14}{'ratio':>7}")
    for name, n in LINES:
        rates = measure(name, n, seconds, arguments.threads)
        print(f"{name:<21}{n:>11}{rates.task:>15,.0f}{rates.raw:>14,.0f}{rates.ratio:>7.2f}")
        line = "rough" if name == ROUGH else str(n)
        result |= {
            f"task_{line}": round(rates.task),
            f"raw_{line}": round(rates.raw),
            f"ratio_{line}": round(rates.ratio, 3),
            f"falls_{line}": rates.falls,
            f"resets_{line}": rates.resets,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
