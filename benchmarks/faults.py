"""What breaks in people's hands: wrong command lines, damaged files, and kills in mid-training.

Every input of ``tests/faults/corpus.json`` is given to the command line in a folder of its own with
a run, a stress test and whatever it needs. It must end with one clear message (exit code 1 or 2),
or well where the input is no fault; files that were there must be as they were. Then trainings are
killed at random moments (SIGKILL) and resumed.

    python benchmarks/faults.py [--quick] [--kills 130] [--only WORDS]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fault_world import RUN, TRAIN, Fault, build, call, corpus, tried

PART = 20  # of --quick: every so many inputs
SAVED_EVERY = 1.0  # s, between the checkpoints of a training that is killed
LIVES = (2.0, 9.0)  # s after which one is killed: it takes about two to begin
STEPS_OF_SAVE = 5_000  # far more than are made between two checkpoints


@dataclass
class Kills:
    """What became of trainings that were killed."""

    kills: int = 0
    unloadable: int = 0
    steps_back: list[int] = field(default_factory=list)
    orphans: int = 0


def try_all(faults: list[Fault]) -> Counter[str]:
    """Verdicts, with a line for each input that is not clear."""
    verdicts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "template"
        template.mkdir()
        build(template)
        for number, fault in enumerate(faults, 1):
            outcome = tried(fault, template, Path(scratch))
            verdicts[outcome.verdict] += 1
            if outcome.verdict != "clear":
                last = (outcome.message.strip().splitlines() or ["no message"])[-1]
                print(f"{outcome.verdict:<10}{fault.name}: exit {outcome.code}, {last[:160]}")
            if number % 50 == 0:
                print(f"{number} of {len(faults)} inputs", file=sys.stderr, flush=True)
    return verdicts


def kill_and_resume(count: int) -> Kills:
    """Kill a training again and again, and go on with it."""
    tally, rng = Kills(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        before = Path.cwd()
        os.chdir(scratch)
        try:
            for _ in range(count):
                _kill_once(tally, float(rng.uniform(*LIVES)))
        finally:
            os.chdir(before)
    return tally


def _kill_once(tally: Kills, life: float) -> None:
    begun = Path(RUN, "checkpoint").exists()
    budget = ["--minutes", "10", "--save-seconds", f"{SAVED_EVERY:g}"]
    words = ["train", "--resume", RUN] if begun else [*TRAIN[:2], *TRAIN[4:], "--out", RUN]
    command = [sys.executable, "-m", "robo_maxent.cli.main", *words, *budget]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(life)
    process.send_signal(signal.SIGKILL)
    process.wait()
    tally.kills += 1
    if not Path(RUN, "checkpoint").exists():
        return  # it had not saved anything yet
    reached = _last_step()
    code, message = call(["train", "--resume", RUN, "--steps", "8"])
    if code:
        tally.unloadable += 1
        print(f"not resumed: exit {code}, {message.strip().splitlines()[-1]}")
    rows = [json.loads(line) for line in Path(RUN, "metrics.jsonl").read_text().splitlines()]
    resumed = min((row["time/total_timesteps"] for row in rows[-2:]), default=0)
    tally.steps_back.append(max(reached - int(resumed), 0))
    tally.orphans += sum(path.name.startswith(".writing-") for path in Path(RUN).rglob("*"))


def _last_step() -> int:
    """The last step that the run's metrics tell of."""
    lines = Path(RUN, "metrics.jsonl").read_text().splitlines()
    for line in reversed(lines):
        try:
            return int(json.loads(line)["time/total_timesteps"])
        except ValueError:
            continue  # the line that the kill cut off
    return 0


def main() -> None:
    """Print what is not clear for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Faults, and what becomes of them.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--kills", type=int, default=130)
    parser.add_argument("--only", default="", help="inputs whose name has these words")
    arguments = parser.parse_args()
    faults = [fault for fault in corpus() if arguments.only in fault.name]
    faults = faults[::PART] if arguments.quick else faults
    verdicts = try_all(faults)
    tally = kill_and_resume(2 if arguments.quick else arguments.kills)
    figures = {"inputs": len(faults)}
    names = {"clear": "clear", "traceback": "tracebacks", "hang": "hangs", "silent": "silent"}
    names |= {"lost": "lost", "refused": "refused"}
    figures |= {key: verdicts[verdict] for verdict, key in names.items()}
    figures |= {
        "kills": tally.kills,
        "unloadable": tally.unloadable,
        "steps_back_max": max(tally.steps_back, default=0),
        "orphans": tally.orphans,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
