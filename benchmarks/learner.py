"""Gradient updates per second: our learner beside Stable-Baselines3 and SBX.

Plain SAC for all: observations of 48, 12 actions, two critics and an actor of 256-256 ReLU units,
Adam, every network updated every time, batches drawn from a replay of random transitions. No
environment. Each contestant is a process of its own with all threads of the machine. They take
turns in rounds, and only one works at a time, so that a noisy machine hurts all alike; a ratio is
the median over the rounds. Imports, compilation with empty caches and the first updates come before
the rounds; how long they take is a column. ``vs_sb3`` and ``vs_sbx`` are of the precision that
``auto`` chooses on this machine, and so is ``vs_torch``, over our update with torch's products in
fp32 (``ours_torch``). ``peak_share`` is how much of the machine's rate of products in that
precision whole updates reach: the rate is that of torch with large matrices, which take turns too.
With ``--cpu-time`` all of that is per second of CPU, of all threads together, rather than of the
clock: for a machine on which other programs run.

    python benchmarks/learner.py [--quick] [--cpu-time]
"""

# pyright: reportMissingImports=false
# The extra is optional, and so it may be missing where types are checked.

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from extra import contestant_environment, missing_peers

from robo_maxent.learning import native
from robo_maxent.machine import cpus

OBS, ACTIONS = 48, 12
BATCHES = (256, 512, 1024)
TRANSITIONS = 100_000
"""In the replay."""
CALL = 32
"""Updates asked for at a time, of all contestants: SBX and ours gather their batches at once."""
WARM_UP = 2
"""Calls before the clock starts: compilation, and the optimizers' state."""

LARGE = 1024
"""Rows and columns of the matrices that show the machine's rate of products."""

Update = Callable[[], object]
"""Performs :data:`CALL` updates."""


# -- the contestants: batch size -> what performs the updates ------------------------------


def ours(batch_size: int, precision: str) -> Update:
    """Our learner with the preset ``classic``, which is SB3's and SBX's algorithm."""
    from robo_maxent.learning.replay_buffer import ReplayBuffer
    from robo_maxent.learning.sac import Sac
    from robo_maxent.training.config import preset

    config = replace(preset("classic").sac, batch_size=batch_size)
    learner = Sac(OBS, ACTIONS, config, 0, precision)
    replay = ReplayBuffer(TRANSITIONS, OBS, ACTIONS)
    rows = _transitions()
    replay.add(**rows, sim=np.zeros(TRANSITIONS, int), ended=rows["terminated"] > 0)
    rng = np.random.default_rng(1)
    return lambda: learner.update(replay.sample(rng, CALL * batch_size))


def ours_by_torch(batch_size: int) -> Update:
    """Our learner in fp32 with the matrix products of torch, whichever are faster."""
    from robo_maxent.learning import products

    products.choose = lambda rates, precision: "torch"
    return ours(batch_size, "fp32")


def sb3(batch_size: int) -> Update:
    """SB3 SAC as it comes."""
    from stable_baselines3 import SAC

    model = SAC("MlpPolicy", _spaces(), buffer_size=TRANSITIONS, device="cpu", seed=0)
    return _sb3_update(model, batch_size)


def sbx(batch_size: int) -> Update:
    """SBX SAC as it comes."""
    from sbx import SAC

    model = SAC("MlpPolicy", _spaces(), buffer_size=TRANSITIONS, seed=0)
    return _sb3_update(model, batch_size)


def large_products(dtype: str) -> Update:
    """Products of torch with large matrices, which are as many as updates would be."""
    import torch

    a, b = (torch.randn(LARGE, LARGE).to(getattr(torch, dtype)) for _ in range(2))
    return lambda: [a @ b for _ in range(CALL)]


CONTESTANTS: dict[str, Callable[[int], Update]] = {
    "ours_fp32": lambda batch_size: ours(batch_size, "fp32"),
    "ours_bf16": lambda batch_size: ours(batch_size, "bf16"),
    "ours_torch": ours_by_torch,
    "sb3": sb3,
    "sbx": sbx,
    "peak_fp32": lambda _: large_products("float32"),
    "peak_bf16": lambda _: large_products("bfloat16"),
}


def _sb3_update(model: Any, batch_size: int) -> Update:
    """Fill the replay of an SB3 algorithm and drive its ``train``; SBX has the same interface."""
    from stable_baselines3.common.logger import Logger

    buffer, rows = model.replay_buffer, _transitions()
    buffer.observations[:, 0] = rows["obs"]
    buffer.next_observations[:, 0] = rows["next_obs"]
    buffer.actions[:, 0] = rows["action"]
    buffer.rewards[:, 0] = rows["reward"]
    buffer.dones[:, 0] = rows["terminated"]
    buffer.full = True
    model.set_logger(Logger(folder=None, output_formats=[]))
    return lambda: model.train(gradient_steps=CALL, batch_size=batch_size)


def _spaces() -> Any:
    """An environment that is never stepped: SB3 reads its spaces."""
    from gymnasium import Env, spaces

    env: Any = Env()
    env.observation_space = spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
    env.action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
    return env


def _transitions() -> dict[str, np.ndarray]:
    """Random transitions, each (TRANSITIONS, ...)."""
    rng, n = np.random.default_rng(0), TRANSITIONS
    return {
        "obs": rng.standard_normal((n, OBS), np.float32),
        "action": rng.uniform(-1, 1, (n, ACTIONS)).astype(np.float32),
        "reward": rng.standard_normal(n, np.float32),
        "next_obs": rng.standard_normal((n, OBS), np.float32),
        "terminated": (rng.random(n) < 0.01).astype(np.float32),
    }


# -- processes -----------------------------------------------------------------------------

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def serve(name: str, batch_size: int, clock: str) -> None:
    """Be one contestant: get ready, then measure for as many seconds as each line asks."""
    start = time.perf_counter()
    update = CONTESTANTS[name](batch_size)
    for _ in range(WARM_UP):
        update()
    print(json.dumps(time.perf_counter() - start), flush=True)
    for line in sys.stdin:
        print(json.dumps(_rate(update, float(line), CLOCKS[clock])), flush=True)


def _rate(update: Update, seconds: float, clock: Callable[[], float]) -> float:
    """Updates per second over about so long."""
    start = clock()
    calls, took = 0, 0.0
    while took < seconds:
        update()
        calls, took = calls + 1, clock() - start
    return calls * CALL / took


class Contestant:
    """A process that waits between its turns."""

    def __init__(self, name: str, batch_size: int, clock: str) -> None:
        """Start it and wait until it is ready."""
        self.name = name
        command = [sys.executable, __file__, "--serve", name, str(batch_size), clock]
        self._cache = tempfile.TemporaryDirectory()
        pipe, environment = subprocess.PIPE, contestant_environment(self._cache.name)
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.ready_seconds = self._answer()

    def __enter__(self) -> "Contestant":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._cache.cleanup()

    def measure(self, seconds: float) -> float:
        """Its updates per second, over so long."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} failed, exit code {self._process.wait()}")
        return float(json.loads(line))


# -- figures -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One contestant at one batch size."""

    ready_seconds: float
    """Imports, building, compiling, warming up."""
    rates: list[float]
    """Updates per second, one a round."""

    def __str__(self) -> str:
        """Columns of the table: median, range, seconds until ready."""
        ends = f"{min(self.rates):.0f} to {max(self.rates):.0f}"
        return f"{statistics.median(self.rates):>9.0f}  {ends:>15}  {self.ready_seconds:>8.1f}"


def measure(batch_size: int, rounds: int, seconds: float, clock: str) -> dict[str, Measured]:
    """Start all contestants, then let them take turns."""
    with ExitStack() as stack:
        all_ = [stack.enter_context(Contestant(name, batch_size, clock)) for name in CONTESTANTS]
        rates: dict[str, list[float]] = {contestant.name: [] for contestant in all_}
        for _ in range(rounds):
            for contestant in all_:
                rates[contestant.name].append(contestant.measure(seconds))
        return {c.name: Measured(c.ready_seconds, rates[c.name]) for c in all_}


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median of the ratios of the same round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def operations(batch_size: int, width: int = 256) -> int:
    """Multiplications and additions in the products of an update of two critics and an actor.

    In the actor's update a row goes back through one critic only, to its actions.
    """
    hidden, inputs = width * width, (OBS + ACTIONS) * width
    critic, critic_back = inputs + hidden + width, hidden + width
    actor, actor_back = OBS * width + hidden + 2 * ACTIONS * width, hidden + 2 * ACTIONS * width
    forward = 2 * actor + 6 * critic  # next action, own action; targets, critics, critics again
    backward = 2 * (critic + critic_back) + critic_back + ACTIONS * width + actor + actor_back
    return 2 * batch_size * (forward + backward)


def figures(batch_size: int, measured: Mapping[str, Measured]) -> dict[str, float]:
    """Medians, the ready times, and the ratios, of the batch size that they are quoted at."""
    result: dict[str, float] = {}
    for name, one in measured.items():
        result[f"{name}_{batch_size}"] = round(statistics.median(one.rates), 1)
        result[f"{name}_{batch_size}_ready_s"] = round(one.ready_seconds, 1)
    if batch_size == BATCHES[0]:
        rates = {name: one.rates for name, one in measured.items()}
        chosen, _ = native.precision_of("auto", known=True)
        ours, share = rates[f"ours_{chosen}"], operations(batch_size) / (2 * LARGE**3)
        result["vs_sb3"] = round(ratio(ours, rates["sb3"]), 2)
        result["vs_sbx"] = round(ratio(ours, rates["sbx"]), 2)
        result["fp32_vs_sb3"] = round(ratio(rates["ours_fp32"], rates["sb3"]), 2)
        result["fp32_vs_sbx"] = round(ratio(rates["ours_fp32"], rates["sbx"]), 2)
        result["vs_torch"] = round(ratio(ours, rates["ours_torch"]), 2)
        result["peak_share"] = round(share * ratio(ours, rates[f"peak_{chosen}"]), 2)
        result["fp32_peak_share"] = round(share * ratio(rates["ours_fp32"], rates["peak_fp32"]), 2)
    return result


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Speed of the gradient updates.")
    parser.add_argument("--quick", action="store_true", help="batch 256 only, three rounds")
    parser.add_argument("--cpu-time", action="store_true", help="per second of CPU, not of clock")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        name, batch_size, clock = arguments.serve
        serve(name, int(batch_size), clock)
        return
    if missing := missing_peers():
        raise SystemExit(missing)

    threads, clock = cpus(), "cpu" if arguments.cpu_time else "wall"
    result: dict[str, float] = {"threads": threads, "updates_per_call": CALL}
    batches, rounds, seconds = (BATCHES[:1], 3, 1.0) if arguments.quick else (BATCHES, 7, 3.0)
    print(f"{threads} threads each, {rounds} rounds of {seconds:.0f} s, {clock} time")
    print(f"{'batch':>5}  {'contestant':<10}  {'updates/s':>9}  {'range':>15}  {'ready, s':>8}")
    for batch_size in batches:
        measured = measure(batch_size, rounds, seconds, clock)
        for name, one in measured.items():
            print(f"{batch_size:>5}  {name:<10}  {one}")
        result |= figures(batch_size, measured)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
