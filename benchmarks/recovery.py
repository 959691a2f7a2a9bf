"""What becomes of a pick when the object is knocked, the goal moved, the gripper lost or slippery.

Policies trained for as many steps without such events and with them meet the same episodes. Beside
the success of either stand the difference on the same episodes, with its p-value adjusted for all
differences by Holm's method, the share that lost what it held, and the median time until those had
it again, which counts those that never did as longer. All rows of one line are of all training
seeds together; episodes that share their start count as fewer.

    python benchmarks/recovery.py [--quick] [--seeds 1,2,3] [--steps 500000] [--out DIR]
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent import stress_test, train
from robo_maxent.evaluation.clustered import shared_proportion
from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.evaluation.paired import SuccessDifference, holm, success_difference
from robo_maxent.evaluation.survival import waiting_times
from robo_maxent.learning.policy import Policy
from robo_maxent.perturbations.base import Share
from robo_maxent.report.breakdowns import start_numbers
from robo_maxent.report.rows import NOMINAL, StressEpisode, pair_key, start_of
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.stress_test import read
from robo_maxent.robustness.suites import Suite
from robo_maxent.tasks import make
from robo_maxent.tasks.arm_effects import VARIED
from robo_maxent.training.config import preset

TASK = "arm-pick"
EVENTS = {"knock": 0.3, "goal_moved": 0.2, "gripper_lost": 0.2, "grip_slips": 0.2}
"""Effect -> how often it happens in an episode of the training with events."""
SEVERITIES = {
    "knock": (0.0, 1.0, 2.0, 3.0),
    "goal_moved": (0.0, 0.05, 0.1, 0.2),
    "gripper_lost": (0.0, 0.08, 0.32, 0.48),
    "grip_slips": (0.0, 0.08, 0.32, 0.48),
}
CONDITIONS = (
    (NOMINAL, 0.0),
    *((axis, severity) for axis, each in SEVERITIES.items() for severity in each[1:]),
)
WAYS = {"without": VARIED, "with": VARIED | EVENTS}
"""How a policy was trained -> what differed between its episodes."""
EPISODES = 96  # of a severity; of knocks, from four sides together
SEED = 2_000  # of the stress test

Rows = Sequence[StressEpisode]


def trained(way: str, seed: int, steps: int, threads: int, out: Path) -> PolicyUnderTest:
    """A policy, trained unless its run is there already."""
    run = out / f"{TASK}-{way}-seed{seed}"
    if not (run / "policy.safetensors").is_file():
        recipe = preset(make(TASK).preset)
        config = replace(recipe, seed=seed, steps=steps, threads=threads)
        train(make(TASK, randomization=WAYS[way]), config, run)
    return PolicyUnderTest(way, Policy.load(run / "policy.safetensors"), thread_safe=True)


def suite(episodes: int) -> Suite:
    """The events at three severities each."""
    shares = {NOMINAL: Share(episodes, 0)}
    for axis, severities in SEVERITIES.items():
        cases = 4 if axis == "knock" else 1
        shares[axis] = Share(-(-episodes // cases), 0, severities=severities)
    return Suite("recovery", "what a hand recovers from", shares)


def tested(seed: int, policies: Sequence[PolicyUnderTest], episodes: int, out: Path) -> Rows:
    """The same episodes for every policy, other ones for each training seed."""
    folder = out / f"recovery-seed{seed}"
    stress_test(suite(episodes), make(TASK), policies, folder, SEED + seed, clips=0)
    return [row for row in read(folder)[0] if row.mode == "mean"]


def share(rows: Rows) -> Proportion:
    """Success."""
    starts = start_numbers(map(start_of, rows))
    return shared_proportion(np.array([bool(row.success) for row in rows]), starts)


def difference(rows: Rows) -> SuccessDifference:
    """Success of those trained with events less that of the others, on the same episodes."""
    ways: dict[str, dict[Any, StressEpisode]] = {way: {} for way in WAYS}
    for row in rows:
        ways[row.policy][pair_key(row)] = row
    keys = list(ways["with"])
    first, second = (
        np.array([bool(ways[way][key].success) for key in keys]) for way in ("with", "without")
    )
    starts = start_numbers(start_of(ways["with"][key]) for key in keys)
    return success_difference(first, second, starts)


def points(found: SuccessDifference) -> str:
    """A difference in points."""
    assert found.difference.interval is not None  # there are more than one
    low, high = (100.0 * end for end in found.difference.interval)
    return f"{100.0 * found.difference.value:+.0f} [{low:+.0f}, {high:+.0f}]"


def losses(rows: Rows) -> tuple[str, str]:
    """Share that lost what it held, of those that held it, and the time until it had it again."""
    held = [row.grip for row in rows if row.grip is not None]
    lost = [grip for grip in held if grip.lost]
    if not held:
        return "-", "-"
    if not lost:
        return percent(proportion(0, len(held))), "-"
    seconds = np.array([np.nan if grip.seconds is None else grip.seconds for grip in lost])
    times = waiting_times(seconds, np.array([grip.watched for grip in lost]))
    return percent(proportion(len(lost), len(held))), str(times)


def percent(found: Proportion) -> str:
    """With its interval."""
    return f"{100 * found.share:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def report(rows: Rows) -> dict[str, float]:
    """Print a table for people, and give the figures."""
    figures: dict[str, float] = {}
    print(
        f"{'event':<14}{'severity':>9}  {'trained':<9}{'success, %':>14}{'points':>17}"
        f"{'p, Holm':>9}{'lost, %':>14}  held again after"
    )
    conditions = [
        [row for row in rows if row.axis == axis and row.severity == severity]
        for axis, severity in CONDITIONS
    ]
    differences = [difference(own) for own in conditions]
    adjusted = holm(np.array([found.p_value for found in differences]))
    for (axis, severity), own, apart, p in zip(
        CONDITIONS, conditions, differences, adjusted, strict=True
    ):
        for way in WAYS:
            listed = [row for row in own if row.policy == way]
            found, (lost, again) = share(listed), losses(listed)
            more, chance = (points(apart), f"{p:.3f}") if way == "with" else ("", "")
            print(
                f"{axis:<14}{severity:>9g}  {way:<9}{percent(found):>14}{more:>17}{chance:>9}"
                f"{lost:>14}  {again}"
            )
            figures[f"{axis}_{severity:g}_{way}"] = round(found.share, 4)
        figures[f"{axis}_{severity:g}_p"] = round(float(p), 4)
    return figures


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="What a hand recovers from.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--seeds", default="1,2,3", help="two training runs each")
    parser.add_argument("--steps", type=int, default=500_000, help="of each training")
    parser.add_argument("--threads", type=int, default=0, help="of a training; 0: one per CPU")
    parser.add_argument("--out", type=Path, help="keeps the runs; those that are there are used")
    arguments = parser.parse_args()
    seeds = [1] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]
    steps = 8_000 if arguments.quick else arguments.steps
    episodes = 8 if arguments.quick else EPISODES
    with tempfile.TemporaryDirectory() as scratch:
        out, rows = arguments.out or Path(scratch), list[StressEpisode]()
        for seed in seeds:
            policies = [trained(way, seed, steps, arguments.threads, out) for way in WAYS]
            rows += tested(seed, policies, episodes, out)
            print(f"seed {seed}: trained and tested", flush=True)
        figures = report(rows)
    print(json.dumps(figures | {"seeds": len(seeds), "episodes": episodes, "steps": steps}))


if __name__ == "__main__":
    main()
