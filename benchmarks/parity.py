"""dm_control's quadruped beside ours: are they the same, step for step, and how much faster is it?

The same episodes run in both, whole ones, with random actions and with a gait: whatever is
observed or rewarded is compared before it is rounded to float32. dm_control draws its starts from
our generator. The bowls of escape are ours, written into dm_control's model, since each makes its
own; that the recipe is the same is a test.

Then both take turns on the clock: our simulations on all threads, one environment of dm_control
in this process, and two of them in processes of their own. A speed is control steps per second,
all simulations together, between resets; the ratio is the median over the turns.

    python benchmarks/parity.py [--quick] [--seeds 1,2,3] [--threads 2]
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from dm_control.rl import control
from dm_control.suite import quadruped

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.seeds import Purpose, episode_rng
from robo_maxent.tasks import make
from robo_maxent.tasks.dm_quadruped import DmQuadruped

TASKS = ("dm-quadruped-walk", "dm-quadruped-run", "dm-quadruped-escape", "dm-quadruped-fetch")
SIMULATIONS = 64
TURN = 0.5  # s, of each in a turn
PROCESSES = 2
ENDINGS = ("", "_two_processes")
"""Of the names of figures: beside one process of dm_control, beside two."""

Actions = Callable[[DmQuadruped, np.random.Generator, int], np.ndarray]
"""Those of an episode, (steps, A)."""


class OurDraws:
    """What dm_control asks of its ``RandomState``, drawn from our generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw from this one."""
        self._rng = rng

    def randn(self, *shape: int) -> np.ndarray:
        """Normal numbers."""
        return self._rng.standard_normal(shape)

    def uniform(self, low: float, high: float, size: Any = None) -> Any:
        """Uniform numbers."""
        return self._rng.uniform(low, high, size)


class InGivenBowl(quadruped.Escape):
    """Escape from a bowl that is not drawn."""

    def __init__(self, bowl: np.ndarray, random: Any = None) -> None:
        """Take heights as the model has them, (201, 201)."""
        super().__init__(random)
        self._bowl = bowl

    def initialize_episode(self, physics: Any) -> None:
        """The bowl, then what dm_control does after it has made one."""
        physics.model.hfield_data[:] = self._bowl.ravel()
        orientation = self.random.randn(4)
        orientation /= np.linalg.norm(orientation)
        quadruped._find_non_contacting_height(physics, orientation)


def peer(task: DmQuadruped, rng: np.random.Generator) -> control.Environment:
    """dm_control's environment of a task, whose next start is drawn from ``rng`` as ours is."""
    env = getattr(quadruped, task.name.removeprefix("dm-quadruped-"))()
    if task.terrain is not None:
        patch = task.draw_patch(task.episode_state(1), 0, rng)
        rows, columns = task.terrain.catalogue.samples
        env._task = InGivenBowl(task.robot.model.hfield_data.reshape(-1, rows, columns)[patch])
    env.task._random = OurDraws(rng)
    return env


def random_actions(task: DmQuadruped, rng: np.random.Generator, steps: int) -> np.ndarray:
    """Uniform, held for one to ten control steps."""
    held = np.repeat(rng.uniform(-1.0, 1.0, (steps, task.action_size)), rng.integers(1, 11), axis=0)
    return held[:steps]


def gait(task: DmQuadruped, rng: np.random.Generator, steps: int) -> np.ndarray:
    """A trot: legs in diagonal pairs swing about the vertical and push as they go back."""
    period, turn = rng.uniform(20.0, 40.0), 2.0 * np.pi * np.arange(steps)[:, None]
    phase = turn / period + np.pi * np.array([0.0, 1.0, 0.0, 1.0])  # (steps, legs)
    side = np.array([1.0, -1.0, -1.0, 1.0])
    parts = side * np.sin(phase), 0.5 * np.cos(phase), 0.3 * np.sin(phase)
    return np.stack(parts, axis=2).reshape(steps, -1)


def gap(name: str, actions: Actions, seeds: list[int], steps: int) -> float:
    """Largest difference of what is observed and rewarded, over one episode of each seed."""
    task: Any = make(name)
    return max(_gap(task, actions, seed, steps) for seed in seeds)


def _gap(task: DmQuadruped, actions: Actions, seed: int, steps: int) -> float:
    purpose = Purpose.EVALUATION
    ours = MujocoVecEnv(task, 1, seed, threads=1, once=True, purpose=purpose)
    theirs = peer(task, episode_rng(purpose, seed, 0, 0))
    ours.reset()
    worst = _difference(task, ours, theirs.reset())
    for action in actions(task, np.random.default_rng(seed), steps):
        terms = ours.step(action[None]).terms
        step = theirs.step(task.control(ours.episode, ours.state, action))
        rewarded = abs(sum(terms.values(), np.zeros(1))[0] - step.reward)
        worst = max(worst, _difference(task, ours, step), rewarded)
    return worst


def _difference(task: DmQuadruped, ours: MujocoVecEnv, theirs: Any) -> float:
    shown = np.concatenate([np.ravel(part) for part in theirs.observation.values()])
    return float(np.abs(task.precisely(ours.episode, ours.state)[0] - shown).max())


class Turns:
    """Ours and theirs, one after the other on the clock."""

    def __init__(self, name: str, threads: int, workers: ProcessPoolExecutor) -> None:
        """Begin episodes."""
        task: Any = make(name)
        self._ours = MujocoVecEnv(task, SIMULATIONS, seed=0, threads=threads)
        self._ours.reset()
        rng = np.random.default_rng(0)
        self._actions = rng.uniform(-1.0, 1.0, (20, SIMULATIONS, task.action_size))
        self._theirs, self._workers, self._name = _Theirs(name), workers, name
        self.ratios: dict[int, list[float]] = {1: [], PROCESSES: []}

    def take(self) -> float:
        """One turn of each; our rate, control steps per second."""
        count, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < TURN:
            self._ours.step(self._actions[count % len(self._actions)])
            count += 1
        rate = count * SIMULATIONS / took
        self.ratios[1].append(rate / self._theirs.rate(TURN))
        each = [self._workers.submit(_rate, self._name) for _ in range(PROCESSES)]
        self.ratios[PROCESSES].append(rate / sum(future.result() for future in each))
        return rate


class _Theirs:
    """One environment of dm_control with random actions."""

    def __init__(self, name: str) -> None:
        task: Any = make(name)
        rng = np.random.default_rng(0)
        self._env = peer(task, rng)
        self._env.reset()
        actions = rng.uniform(-1.0, 1.0, (200, task.action_size))
        self._controls = task.control(None, None, actions)

    def rate(self, seconds: float) -> float:
        """Control steps per second."""
        count, start = 0, time.perf_counter()
        while (took := time.perf_counter() - start) < seconds:
            self._env.step(self._controls[count % len(self._controls)])
            count += 1
        return count / took


_KEPT: dict[str, _Theirs] = {}


def _rate(name: str) -> float:
    """The same in a process of its own, which keeps its environments."""
    if name not in _KEPT:
        _KEPT[name] = _Theirs(name)
    return _KEPT[name].rate(TURN)


def speeds(turns: int, threads: int) -> dict[str, float]:
    """Our rates and ratios, by task and as geometric means over all."""
    figures: dict[str, float] = {}
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as workers:
        for name in TASKS:
            pair, short = Turns(name, threads, workers), name.removeprefix("dm-quadruped-")
            rates = [pair.take() for _ in range(turns + 1)][1:]  # the first warms up
            figures[f"parity_rate_{short}"] = round(float(np.median(rates)))
            shown = [f"{name:<21}{np.median(rates):>8,.0f} steps/s"]
            for ending, ratios in zip(ENDINGS, pair.ratios.values(), strict=True):
                low, middle, high = np.quantile(ratios[1:], (0.0, 0.5, 1.0)).round(2).tolist()
                figures[f"parity_speedup_{short}{ending}"] = middle
                shown.append(f"{middle:>6.2f} ({low:.2f} to {high:.2f}) times")
            print(f"{shown[0]},{shown[1]} one process,{shown[2]} two")
    for ending in ENDINGS:
        each = [figures[f"parity_speedup_{n.removeprefix('dm-quadruped-')}{ending}"] for n in TASKS]
        figures[f"parity_speedup{ending}"] = round(float(np.exp(np.mean(np.log(each)))), 2)
    return figures


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="dm_control's quadruped beside ours.")
    parser.add_argument("--quick", action="store_true", help="one seed, and a few turns")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="of the episodes that are compared")
    parser.add_argument("--threads", type=int, default=2, help="of our physics")
    parser.add_argument("--steps", type=int, default=1000, help="of each episode, at most 1000")
    arguments = parser.parse_args()
    seeds = [1] if arguments.quick else [int(seed) for seed in arguments.seeds.split(",")]

    gaps = {}
    for name in TASKS:
        compared = partial(gap, name, seeds=seeds, steps=arguments.steps)
        gaps[name] = max(compared(random_actions), compared(gait))
        print(f"{name:<21}{gaps[name]:>10.1e} largest difference over {2 * len(seeds)} episodes")
    figures = {"parity_max_abs_err": max(gaps.values()), "parity_episodes": 2 * len(seeds)}
    figures |= speeds(2 if arguments.quick else 12, arguments.threads)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
