"""Wall-clock from process start until a robot walks: ours and its peers, in turn.

Every contestant is a process of its own and has the machine to itself. Its clock starts when the
process is started, so that imports and compilation, with empty caches, count. Every so many seconds
of that clock the mean-action policy is evaluated, for all of them by our own evaluation on the same
64 episodes, which no training run sees; the clock stands still meanwhile, because how often to look
is a choice of this benchmark. The time of a run is its clock at the first evaluation with at least
90 % success: it is rounded up to the spacing. A run that does not get there within the limit is
censored: "> limit" in the table. The peers' recipes are in peers.py. A peer has several arms, each
with a recipe of its own: all of them run with the first seed, and the fastest of each peer with the
others too. Only those are compared with ours; the table has them all, with the updates they made.

    python benchmarks/time_to_walk.py [--quick] [--seeds 3] [--limit 900] [--contestants ours,ppo]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from extra import contestant_environment, missing_peers

Act = Callable[[Any], Any]
"""A policy, as ``evaluation.rollout`` takes it; the contestants only import that module."""

TASK = "quadruped-flat"
OURS = "ours"
CONTESTANTS = {
    OURS: (OURS,),
    "ppo": ("ppo/isaaclab", "ppo/playground", "ppo/adapted"),
    "sb3-sac": ("sb3-sac/ours", "sb3-sac/published", "sb3-sac/swept"),
    "sbx-sac": ("sbx-sac/ours", "sbx-sac/published", "sbx-sac/swept"),
    "sbx-crossq": ("sbx-crossq",),
}
"""Contestant -> its arms, those of peers.py and ours."""
ARMS = [arm for arms in CONTESTANTS.values() for arm in arms]
SUCCESS = 0.9
"""Share of the evaluation episodes that counts as walking."""
EPISODES = 64
EVALUATION_SEED = 2_000_000
"""Seed of the evaluation episodes; training seeds are small, and ours evaluates at 1,000,000 +."""


@dataclass(frozen=True)
class Look:
    """One evaluation on the way."""

    seconds: float
    """Clock of the contestant: since its process was started, evaluations left out."""
    steps: int
    """Environment steps so far."""
    updates: int
    """Gradient updates so far; of SAC those of the critics."""
    success: float
    """Share of the evaluation episodes."""
    reward: float
    """Mean over them."""


@dataclass(frozen=True)
class Result:
    """How one run went."""

    arm: str
    seed: int
    seconds: float
    """Clock at the first evaluation with enough success; if censored, at the last without."""
    censored: bool
    """It did not get there in time."""
    steps: int
    """Environment steps at that time."""
    updates: int
    """Gradient updates at that time; of SAC those of the critics."""
    success: float
    """Share of the evaluation episodes at that time."""


@dataclass(frozen=True)
class Median:
    """Middle of several runs, a censored one being longer than any other."""

    seconds: float
    censored: bool
    """The true value is larger."""

    def __str__(self) -> str:
        """For people: ``132`` or ``> 900``."""
        return f"> {self.seconds:.0f}" if self.censored else f"{self.seconds:.0f}"


# -- what the figures say ----------------------------------------------------------------


def ranked(results: Iterable[Result]) -> list[Result]:
    """Fastest first, censored ones last."""
    return sorted(results, key=lambda result: (result.censored, result.seconds))


def kept(results: Sequence[Result]) -> list[str]:
    """The fastest arm of each contestant in runs of one seed.

    Where none got there, the one with most success in the end.
    """
    order = sorted(results, key=lambda r: (r.censored, -r.success if r.censored else r.seconds))
    of_each = ([r.arm for r in order if r.arm in arms] for arms in CONTESTANTS.values())
    return [arms[0] for arms in of_each if arms]


def median(results: Iterable[Result]) -> Median:
    """Median time; of an even number the mean of the middle two, censored if one of them is."""
    order = ranked(results)
    middle = order[(len(order) - 1) // 2 : len(order) // 2 + 1]
    return Median(
        statistics.fmean(result.seconds for result in middle),
        any(result.censored for result in middle),
    )


def verdict(results: Sequence[Result]) -> dict[str, Any]:
    """The figures for scripts: medians, and how many times longer the best peer takes.

    Arms that ran with fewer seeds than others were given up for a faster one, and do not count.
    With a censored median on one side the ratio is only a bound, which ``ratio_is`` says; with one
    on both sides it is None.
    """
    seeds = Counter(result.arm for result in results)
    names = [arm for arm, count in seeds.items() if count == max(seeds.values())]
    medians = {name: median(r for r in results if r.arm == name) for name in names}
    ours = medians.pop(OURS, None)
    peer = min(medians, key=lambda n: (medians[n].censored, medians[n].seconds), default=None)
    best = medians[peer] if peer else None
    ratio, kind = _ratio(ours, best)
    return {
        "ours_s": round(ours.seconds, 1) if ours else None,
        "ours_censored": ours.censored if ours else None,
        "best_peer": peer,
        "best_peer_s": round(best.seconds, 1) if best else None,
        "best_peer_censored": best.censored if best else None,
        "ratio": round(ratio, 2) if ratio is not None else None,
        "ratio_is": kind,
        "runs": [asdict(result) for result in results],
    }


def _ratio(ours: Median | None, peer: Median | None) -> tuple[float | None, str]:
    """Peer's time / ours, and whether it is exact or a bound."""
    if ours is None or peer is None or (ours.censored and peer.censored):
        return None, "unknown"
    kind = "at most" if ours.censored else "at least" if peer.censored else "exact"
    return peer.seconds / ours.seconds, kind


# -- inside a contestant's process -------------------------------------------------------


class Judge:
    """Keeps a contestant's clock, and evaluates it when that is due."""

    def __init__(self, task: Any, spawned: float, spacing: float, limit: float) -> None:
        """Take over the clock; ``spawned`` is the time.time() at which the process was started."""
        self.task, self.spawned, self.spacing, self.limit = task, spawned, spacing, limit
        self.due = spacing
        self._paused = 0.0

    def clock(self) -> float:
        """Seconds since the process was started, evaluations left out."""
        return time.time() - self.spawned - self._paused

    def over(self, steps: int, updates: int, policy: Callable[[], Act]) -> bool:
        """Evaluate the present policy if it is time; whether the run has succeeded or must end.

        It is not looked at before its first update, so ``--quick`` shows each contestant learning.
        """
        seconds = self.clock()
        if seconds < self.due or not updates:
            return False
        look = self._look(seconds, steps, updates, policy())
        print(json.dumps(asdict(look)), flush=True)
        self._paused += self.clock() - seconds
        self.due = (seconds // self.spacing + 1) * self.spacing
        return look.success >= SUCCESS or seconds >= self.limit

    def _look(self, seconds: float, steps: int, updates: int, act: Act) -> Look:
        from robo_maxent.evaluation.rollout import evaluate
        from robo_maxent.evaluation.summary import summarize

        summary = summarize(evaluate(act, self.task, EPISODES, EVALUATION_SEED))
        assert summary.success is not None
        share, reward = summary.success.share, summary.mean_reward
        return Look(round(seconds, 2), steps, updates, share, reward)


def run_ours(judge: Judge, seed: int) -> None:
    """Train with our defaults until the judge says stop."""
    from robo_maxent.training.config import TrainConfig
    from robo_maxent.training.trainer import Trainer

    with tempfile.TemporaryDirectory() as directory:
        trainer = Trainer(judge.task, TrainConfig(seed=seed), Path(directory))
        while not judge.over(trainer.steps, trainer.learner.agent.updates, trainer.policy):
            trainer.step()


def run_peer(judge: Judge, name: str, seed: int) -> None:
    """Train a peer until the judge says stop."""
    from peers import PEERS

    peer = PEERS[name](judge.task, seed)
    peer.learn(lambda steps: judge.over(steps, peer.updates, lambda: peer.act))


def contest(name: str, seed: int, spawned: float, spacing: float, limit: float) -> None:
    """Be one contestant: print one :class:`Look` a line."""
    from robo_maxent.tasks import make

    judge = Judge(make(TASK), spawned, spacing, limit)
    if name == OURS:
        run_ours(judge, seed)
    else:
        run_peer(judge, name, seed)


# -- outside -----------------------------------------------------------------------------


def race(name: str, seed: int, spacing: float, limit: float) -> Result:
    """Run one contestant in a process of its own, and follow it on stderr."""
    looks: list[Look] = []
    with (
        tempfile.TemporaryDirectory() as cache,
        _start(name, seed, spacing, limit, cache) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                looks.append(Look(**json.loads(line)))
                _follow(name, seed, looks[-1])
    if process.returncode or not looks:
        raise SystemExit(f"{name}, seed {seed}: the run failed, exit code {process.returncode}")
    last = looks[-1]
    censored = last.success < SUCCESS
    return Result(name, seed, last.seconds, censored, last.steps, last.updates, last.success)


def _start(
    name: str, seed: int, spacing: float, limit: float, cache: str
) -> "subprocess.Popen[str]":
    settings = [str(value) for value in (seed, time.time(), spacing, limit)]
    command = [sys.executable, __file__, "--contest", name, *settings]
    environment = contestant_environment(cache)
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _follow(name: str, seed: int, look: Look) -> None:
    print(
        f"{name}, seed {seed}: {look.seconds:.0f} s, {look.steps:,} steps, "
        f"{look.updates:,} updates, success {100 * look.success:.0f} %, reward {look.reward:.0f}",
        file=sys.stderr,
        flush=True,
    )


def table(results: Sequence[Result]) -> list[str]:
    """Lines for people, one an arm."""
    lines = [
        f"{'arm':<18}{'seeds':>6}{'median, s':>11}{'range, s':>18}{'steps then':>13}"
        f"{'updates then':>14}{'steps/s':>9}"
    ]
    for name in dict.fromkeys(result.arm for result in results):
        own = ranked(result for result in results if result.arm == name)
        ends = [str(Median(result.seconds, result.censored)) for result in (own[0], own[-1])]
        steps = statistics.median(result.steps for result in own)
        updates = statistics.median(result.updates for result in own)
        rate = statistics.median(result.steps / result.seconds for result in own)
        lines.append(
            f"{name:<18}{len(own):>6}{median(own)!s:>11}{' to '.join(ends):>18}{steps:>13,.0f}"
            f"{updates:>14,.0f}{rate:>9,.0f}"
        )
    return lines


def chosen(text: str) -> list[str]:
    """Arms of a comma-separated list of arms, or of contestants for all of theirs.

    Raises:
        argparse.ArgumentTypeError: A name is not known; the message lists the known ones.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in CONTESTANTS and name not in ARMS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"unknown contestants: {', '.join(unknown) or 'none given'}; "
            f"known: {', '.join(dict.fromkeys([*CONTESTANTS, *ARMS]))}"
        )
    return list(dict.fromkeys(arm for name in names for arm in CONTESTANTS.get(name, (name,))))


def arguments_of(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Options; ``--quick`` is one seed and an early end after the first updates."""
    parser = argparse.ArgumentParser(description="Time until a robot walks, ours and peers.")
    parser.add_argument("--contestants", type=chosen, default=ARMS, metavar="A,B,...")
    parser.add_argument("--seeds", type=int, default=3, help="training runs, of the fastest arms")
    parser.add_argument("--spacing", type=float, default=10.0, help="seconds between evaluations")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which to give up")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--contest", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.seeds, arguments.spacing, arguments.limit = 1, 5.0, 5.0
    if arguments.seeds < 1 or not arguments.spacing > 0 or not arguments.limit > 0:
        parser.error("--seeds must be at least 1, --spacing and --limit must be > 0")
    return arguments


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    arguments = arguments_of()
    if arguments.contest:
        name, seed, *times = arguments.contest
        contest(name, int(seed), *map(float, times))
        return
    missing = missing_peers()
    if missing and arguments.contestants != [OURS]:
        raise SystemExit(missing)
    results: list[Result] = []
    arms = arguments.contestants
    for seed in range(arguments.seeds):  # in turn, so that a noisy hour hurts all alike
        results += [race(name, seed, arguments.spacing, arguments.limit) for name in arms]
        arms = kept(results) if seed == 0 else arms
    print("\n".join(table(results)))
    settings = {"limit_s": arguments.limit, "spacing_s": arguments.spacing}
    print(json.dumps(verdict(results) | settings | {"threads": os.cpu_count() or 1}))


if __name__ == "__main__":
    main()
