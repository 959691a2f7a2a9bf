"""Fetch tasks learnt with hindsight: ours beside SAC with HER of Stable-Baselines3, at equal time.

Both take the same environments, repaired for the tested MuJoCo, relabel four of five transitions
with goals of their future, and are judged by their mean action on the same episodes, which succeed
if the goal is met at the last step. The recipe of the peer is the published one for Fetch
(RL Baselines3 Zoo: rate 1e-3, discount 0.95, tau 0.05, 1,000 steps before the first update), but
with two layers of 256 and batches of 256, its defaults: the published 512, 512, 512 and 2,048 are
meant for a GPU.

    python benchmarks/fetch.py [--quick] [--ids A,B] [--learners ours,SB3] [--seeds 1]
                               [--minutes M] [--out DIR]

Needs the extra ``bench``.
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.envs.gym_spec import make as make_env
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.learning.policy import Policy
from robo_maxent.types import Act, Episode

MINUTES = {"FetchReach-v4": 3.0, "FetchPush-v4": 20.0, "FetchPickAndPlace-v4": 40.0}
EPISODES, TEST_SEED = 200, 3_000
PEER: dict[str, Any] = {
    "learning_rate": 1e-3,
    "gamma": 0.95,
    "tau": 0.05,
    "batch_size": 256,
    "buffer_size": 1_000_000,
    "learning_starts": 1_000,
    "policy_kwargs": {"net_arch": [256, 256]},
}


@dataclass(frozen=True)
class Result:
    """What one training came to."""

    env_id: str
    learner: str
    seed: int
    minutes: float
    steps: int
    updates: int
    episodes: tuple[Episode, ...]


def ours(env_id: str, seed: int, minutes: float, out: Path) -> tuple[Act, int, int]:
    """Train by the command line; the policy, and how many steps and updates it took."""
    run = out / f"{env_id}-seed{seed}"
    command = [sys.executable, "-m", "robo_maxent.cli.main", "train", f"gym:{env_id}", "--json"]
    command += ["--minutes", f"{minutes:g}", "--seed", str(seed), "--out", str(run)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps, updates = (
        max(int(row.get(name, 0)) for row in rows)
        for name in ("time/total_timesteps", "train/n_updates")
    )
    return Policy.load(run / "policy.safetensors"), steps, updates


def peer(task: GymTask, seed: int, minutes: float) -> tuple[Act, int, int]:
    """Train SAC with HER of Stable-Baselines3 for as long."""
    from stable_baselines3 import SAC, HerReplayBuffer
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor

    class Until(BaseCallback):
        """Ends the training when its time is over."""

        def _on_step(self) -> bool:
            return time.monotonic() < start + 60.0 * minutes

    start = time.monotonic()
    env = Monitor(make_env(task.name, task.spec))
    model = SAC(
        "MultiInputPolicy",
        env,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        seed=seed,
        **PEER,
    )
    model.learn(10**9, Until())
    names, sizes = zip(*((name, size) for name, size, _ in task.policy_parts), strict=True)
    ends = np.cumsum(sizes)[:-1]

    def act(obs: np.ndarray) -> np.ndarray:
        seen = dict(zip(names, np.split(obs, ends, axis=1), strict=True))
        return model.predict(seen, deterministic=True)[0]

    return act, int(model.num_timesteps), int(model._n_updates)


def measure(
    env_id: str, learners: Sequence[str], seed: int, minutes: float, episodes: int, out: Path
) -> list[Result]:
    """Ours and the peer, one after the other."""
    task = GymTask(env_id)
    results = []
    for learner in learners:
        trained = (
            ours(env_id, seed, minutes, out) if learner == "ours" else peer(task, seed, minutes)
        )
        act, steps, updates = trained
        judged = tuple(evaluate(act, task, episodes, TEST_SEED + seed))
        results.append(Result(env_id, learner, seed, minutes, steps, updates, judged))
        print(table(results[-1:]), flush=True)
    return results


def table(results: Sequence[Result]) -> str:
    """Lines for people, one a training."""
    lines = [
        f"{'id':<22}{'learner':<9}{'seed':>5}{'min':>6}{'steps':>10}{'updates':>10}  success, %"
    ]
    for each in results:
        share = proportion(sum(bool(e.success) for e in each.episodes), len(each.episodes))
        lines.append(
            f"{each.env_id:<22}{each.learner:<9}{each.seed:>5}{each.minutes:>6g}{each.steps:>10,}"
            f"{each.updates:>10,}  {100 * share.share:.1f} [{100 * share.low:.1f}, "
            f"{100 * share.high:.1f}]"
        )
    return "\n".join(lines)


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Fetch tasks, learnt with hindsight.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--ids", default="FetchReach-v4,FetchPush-v4")
    parser.add_argument("--learners", default="ours,SB3")
    parser.add_argument("--seeds", default="1", help="a training run of each learner")
    parser.add_argument("--minutes", type=float, help="of a training; else as the id needs")
    parser.add_argument("--out", type=Path, help="directory to keep our runs in")
    arguments = parser.parse_args()
    ids = ["FetchReach-v4"] if arguments.quick else arguments.ids.split(",")
    seeds = [1] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]
    learners = arguments.learners.split(",")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        for seed in seeds:
            for env_id in ids:
                minutes = 0.15 if arguments.quick else arguments.minutes or MINUTES[env_id]
                episodes = 8 if arguments.quick else EPISODES
                results += measure(env_id, learners, seed, minutes, episodes, out)
    print(table(results))
    figures: dict[str, float] = {}
    for each in results:
        key = f"{each.env_id}_{each.learner}_seed{each.seed}"
        figures[key] = round(float(np.mean([bool(e.success) for e in each.episodes])), 4)
    print(json.dumps(figures | {"seeds": len(seeds)}))


if __name__ == "__main__":
    main()
