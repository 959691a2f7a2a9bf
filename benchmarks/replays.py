"""Do failures of a stress test replay bit for bit?

Takes failed episodes of a finished evaluation at random, those of the baselines too, runs each
again on its own, and compares everything that an episode says of itself.

    python benchmarks/replays.py DIRECTORY [--count 100] [--seed 0]
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.cli.policies import ReplayOptions, policy_of_row
from robo_maxent.errors import RoboMaxentError
from robo_maxent.report.rows import StressEpisode, identity
from robo_maxent.robustness import runner
from robo_maxent.robustness.stress_test import read


def differences(
    row: StressEpisode, description: dict[str, Any], known: dict[str, Any]
) -> list[str]:
    """Names of what differs when the episode of a row runs again; ``known`` keeps the policies."""
    if row.policy not in known:
        known[row.policy] = policy_of_row(row, description, ReplayOptions())
    policy, task = known[row.policy]
    again = json.loads(json.dumps(asdict(runner.replay(row, task, policy))))
    before = json.loads(json.dumps(row.to_json()))  # tuples are lists in JSON, of both
    return sorted(name for name, value in again.items() if before[name] != value)


def main() -> None:
    """Print what differs for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Failures, run again.")
    parser.add_argument("results", type=Path, metavar="DIRECTORY", help="of evaluate --suite")
    parser.add_argument("--count", type=int, default=100, help="failures to run again")
    parser.add_argument("--seed", type=int, default=0, help="of their choice")
    arguments = parser.parse_args()
    try:
        rows, description = read(arguments.results)
    except RoboMaxentError as error:
        parser.error(str(error))
    failed = [row for row in rows if not row.success]
    rng, known = np.random.default_rng(arguments.seed), dict[str, Any]()
    chosen = rng.permutation(len(failed))[: arguments.count]
    same = 0
    for done, index in enumerate(chosen, 1):
        changed = differences(failed[index], description, known)
        same += not changed
        if changed:
            print(f"{identity(failed[index])}: {', '.join(changed)}")
        if done % 10 == 0:
            print(f"{done} of {len(chosen)}, {same} the same", file=sys.stderr, flush=True)
    print(f"{same} of {len(chosen)} failures ran again bit for bit")
    print(json.dumps({"replayed": len(chosen), "same": same, "failures": len(failed)}))


if __name__ == "__main__":
    main()
