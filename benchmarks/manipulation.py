"""How well the arm handles things, how long that takes to learn, and how fast it is simulated.

Each training is a process of its own: its minutes count from its start, evaluations included. The
policy is judged by its mean action on fresh episodes, whose tables and objects differ as those of
the training did. Success is at the last step; that within half the tolerance stands beside it, and
goals in the air apart; of tables that are terrain, those of kinds that no training has as well.

    python benchmarks/manipulation.py [--quick] [--seeds 1,2,3] [--tasks A,B] [--threads 2]
                                      [--out DIR]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.learning.policy import Policy
from robo_maxent.sim.physics import Batch
from robo_maxent.sim.table_surfaces import TABLE
from robo_maxent.tasks import make
from robo_maxent.types import Episode

MINUTES = {
    "arm-reach": 1.0,
    "arm-reach-joints": 1.0,
    "arm-push": 5.0,
    "arm-pick": 8.0,
    "arm-pick-rough": 12.0,
}
EPISODES = 200
TEST_SEED = 1_000
"""Of the episodes that policies are judged by, plus the seed of the training."""
SIMS, SPEED_STEPS, ROUNDS = 128, 50, 5


@dataclass(frozen=True)
class Result:
    """What one training came to."""

    task: str
    seed: int
    minutes: float
    steps: int
    episodes: tuple[Episode, ...]
    held_out: tuple[Episode, ...]
    """On kinds of table that no training has; empty of tasks on level tables."""

    @property
    def within_half(self) -> float:
        """Share of the episodes that ended within half the tolerance."""
        return float(np.mean([episode.metrics["within_half"] or 0.0 for episode in self.episodes]))

    @property
    def in_air(self) -> list[Episode]:
        """Episodes with a goal in the air."""
        return [e for e in self.episodes if (e.metrics.get("goal_above") or 0.0) > 0.05]


def trained(task: str, seed: int, minutes: float, threads: int, out: Path) -> Path:
    """The policy of a training by the command line."""
    run = out / f"{task}-seed{seed}"
    command = [sys.executable, "-m", "robo_maxent.cli.main", "train", task, "--json"]
    command += ["--minutes", f"{minutes:g}", "--seed", str(seed), "--out", str(run)]
    command += ["--threads", str(threads)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    return run


def measure(name: str, seed: int, minutes: float, episodes: int, threads: int, out: Path) -> Result:
    """Train, and judge the policy."""
    run = trained(name, seed, minutes, threads, out)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    policy = Policy.load(run / "policy.safetensors")
    judged = evaluate(policy, make(name), episodes, TEST_SEED + seed)
    other = []
    if name == "arm-pick-rough":
        other = evaluate(policy, make(name, kinds=TABLE.held_out), episodes, TEST_SEED + seed)
    steps = max(int(row.get("time/total_timesteps", 0)) for row in rows)
    return Result(name, seed, minutes, steps, tuple(judged), tuple(other))


def speed(task: MujocoTask[Any, Any], act: bool) -> float:
    """Control steps per second of all simulations together, with scripted or random actions."""
    env = task.training_env(SIMS, 0, 0, tempfile.gettempdir())
    obs, rng = env.reset(), np.random.default_rng(0)
    script = task.baselines()["script"]
    start = time.perf_counter()
    for _ in range(SPEED_STEPS):
        action = script(obs[:, : task.policy_size]) if act else rng.uniform(-1.0, 1.0, (SIMS, 4))
        obs = env.step(action.astype(np.float32)).obs
    return SIMS * SPEED_STEPS / (time.perf_counter() - start)


def raw_speed(task: MujocoTask[Any, Any], act: bool) -> float:
    """The same of the physics alone, led through the controls that the task sent."""
    env = task.training_env(SIMS, 0, 0, tempfile.gettempdir())
    obs, rng = env.reset(), np.random.default_rng(0)
    script, controls = task.baselines()["script"], []
    ctrl = env.batch.bind("ctrl")
    for _ in range(SPEED_STEPS):
        action = script(obs[:, : task.policy_size]) if act else rng.uniform(-1.0, 1.0, (SIMS, 4))
        obs = env.step(action.astype(np.float32)).obs
        controls.append(ctrl.copy())
    fresh = task.training_env(SIMS, 0, 0, tempfile.gettempdir())
    fresh.reset()
    batch: Batch = fresh.batch
    own = batch.bind("ctrl")
    start = time.perf_counter()
    for control in controls:
        own[:] = control
        batch.step(nstep=task.substeps)
    return SIMS * SPEED_STEPS / (time.perf_counter() - start)


def ratios(task: MujocoTask[Any, Any], act: bool, rounds: int) -> dict[str, float]:
    """Speed of the task, of the raw physics, and the median of their ratios."""
    pairs = [(speed(task, act), raw_speed(task, act)) for _ in range(rounds)]
    return {
        "task": statistics.median(own for own, _ in pairs),
        "raw": statistics.median(raw for _, raw in pairs),
        "ratio": statistics.median(own / raw for own, raw in pairs),
    }


def shown(episodes: Sequence[Episode]) -> str:
    """Share that succeeded with its interval, in per cent."""
    if not episodes:
        return "-"
    share = proportion(sum(bool(episode.success) for episode in episodes), len(episodes))
    return f"{100 * share.share:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def table(results: Sequence[Result]) -> str:
    """Lines for people, one a training."""
    lines = [
        f"{'task':<17}{'seed':>5}{'min':>5}{'steps':>11}{'success, %':>20}{'2.5 cm, %':>11}"
        f"{'in the air, %':>20}{'held-out tables, %':>20}"
    ]
    for each in results:
        lines.append(
            f"{each.task:<17}{each.seed:>5}{each.minutes:>5g}{each.steps:>11,}"
            f"{shown(each.episodes):>20}{100 * each.within_half:>11.1f}{shown(each.in_air):>20}"
            f"{shown(each.held_out):>20}"
        )
    return "\n".join(lines)


def success(episodes: Sequence[Episode]) -> float:
    """Share that succeeded."""
    return statistics.mean(bool(episode.success) for episode in episodes)


def headline(results: Sequence[Result]) -> dict[str, float]:
    """Means over the seeds, by task."""
    figures: dict[str, float] = {}
    for name in dict.fromkeys(each.task for each in results):
        own = [each for each in results if each.task == name]
        key, shares = name.replace("-", "_"), [success(each.episodes) for each in own]
        figures[f"{key}_success"] = round(statistics.mean(shares), 4)
        figures[f"{key}_success_least"] = round(min(shares), 4)
        figures[f"{key}_within_half"] = round(statistics.mean(e.within_half for e in own), 4)
        if own[0].held_out:
            other = statistics.mean(success(each.held_out) for each in own)
            figures[f"{key}_held_out_success"] = round(other, 4)
    return figures


def main() -> None:
    """Print tables for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Manipulation: learning and speed.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--seeds", default="1,2,3", help="a training run each")
    parser.add_argument("--tasks", default=",".join(MINUTES))
    parser.add_argument("--threads", type=int, default=0, help="of a training; 0: one per CPU")
    parser.add_argument("--out", type=Path, help="directory to keep the runs in")
    arguments = parser.parse_args()
    names = arguments.tasks.split(",")
    seeds = [1] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]
    episodes, rounds = (16, 1) if arguments.quick else (EPISODES, ROUNDS)
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        results = []
        for seed in seeds:
            for name in names:
                minutes = 0.1 if arguments.quick else MINUTES[name]
                threads = arguments.threads
                results.append(measure(name, seed, minutes, episodes, threads, out))
                print(table(results[-1:]), flush=True)
    print(table(results))
    speeds = {
        label: ratios(make("arm-pick"), act, rounds)
        for label, act in (("random", False), ("scripted", True))
    }
    print(f"{'actions':<12}{'task, steps/s':>15}{'raw, steps/s':>15}{'ratio':>8}")
    for label, each in speeds.items():
        print(f"{label:<12}{each['task']:>15,.0f}{each['raw']:>15,.0f}{each['ratio']:>8.2f}")
    figures = headline(results) | {
        "arm_ratio": round(speeds["random"]["ratio"], 3),
        "arm_ratio_held": round(speeds["scripted"]["ratio"], 3),
        "seeds": len(seeds),
        "episodes": episodes,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
