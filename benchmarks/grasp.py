"""Contact options of the arm: does a script grasp with them, does what is held creep, how fast.

Each line is the arm with one option changed. A script picks on the tables of ``arm-pick``; then
objects that are held at the beginning are held for ten seconds, and the speed is that of the
simulation with random actions and while holding, on one thread. ``assets/NOTICE.md`` says what was
chosen and why.

    python benchmarks/grasp.py [--quick] [--seed 0]
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.sim.physics import mujoco
from robo_maxent.tasks.arm import ARM
from robo_maxent.tasks.arm_effects import VARIED
from robo_maxent.tasks.arm_pick import ArmPick

HOLD_SECONDS, SETTLE_SECONDS = 10.0, 1.0
LOST = 0.02  # m that an object moves in the hand: it is lost, and does not creep
CLOSE = np.array([0.0, 0.0, 0.0, -1.0], np.float32)
SIMS, STEPS = 64, 40

Change = Callable[[Any], None]
"""Of a model that is not compiled yet."""


def option(**values: Any) -> Change:
    """Change options of the solver."""

    def change(spec: Any) -> None:
        for name, value in values.items():
            setattr(spec.option, name, value)

    return change


def condim(dimensions: int) -> Change:
    """Change the contacts of the pads."""

    def change(spec: Any) -> None:
        for name in ARM.pads:
            spec.geom(name).condim = dimensions

    return change


PYRAMIDAL = mujoco.mjtCone.mjCONE_PYRAMIDAL
VARIANTS: dict[str, Change] = {
    "as chosen": option(),
    "noslip 0": option(noslip_iterations=0),
    "noslip 10": option(noslip_iterations=10),
    "impratio 1": option(impratio=1.0),
    "pyramidal, impratio 1, noslip 0": option(cone=PYRAMIDAL, impratio=1.0, noslip_iterations=0),
    "pyramidal, impratio 1": option(cone=PYRAMIDAL, impratio=1.0),
    "condim 3": condim(3),
    "condim 6": condim(6),
    "2 ms": option(timestep=0.002),
    "20 line-search steps": option(ls_iterations=20),
    "5 iterations": option(iterations=5),
}


def arm(change: Change) -> ArmPick:
    """The task on a changed arm; a control step stays as long as it is."""
    spec = mujoco.MjSpec.from_file(str(ARM.model))
    own = spec.option.timestep
    change(spec)
    task = ArmPick(spec.to_xml(), randomization=VARIED)
    task.substeps = round(task.substeps * own / spec.option.timestep)
    task.control_dt = task.substeps * spec.option.timestep
    return task


def creep(task: ArmPick, n: int, seed: int) -> tuple[np.ndarray, int]:
    """How fast held objects creep in the hand, µm/s, and how many were lost."""
    task.episode_steps = 10**9  # or they would begin anew
    env = task.training_env(n, seed, 1, "runs")
    env.reset()
    held = np.flatnonzero(task.holding(env.episode, env.state))
    action = np.tile(CLOSE, (n, 1))
    places = []
    for seconds in (SETTLE_SECONDS, HOLD_SECONDS):
        for _ in range(round(seconds / task.control_dt)):
            env.step(action)
        state = env.state
        places.append(state.object_position[:, 0] - state.site_position["hand"])
    moved = np.linalg.norm(places[1] - places[0], axis=1)[held]
    return 1e6 * moved[moved < LOST] / HOLD_SECONDS, int((moved >= LOST).sum())


def speed(task: ArmPick, holds: bool, steps: int) -> float:
    """Control steps per CPU second of all simulations together."""
    env = task.training_env(SIMS, 0, 1, "runs")
    env.reset()
    rng = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(steps):
        env.step(np.tile(CLOSE, (SIMS, 1)) if holds else rng.uniform(-1.0, 1.0, (SIMS, 4)))
    return SIMS * steps / (time.process_time() - start)


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Contact options of the arm.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    episodes, steps = (8, 5) if arguments.quick else (200, STEPS)
    variants = list(VARIANTS.items())[: 2 if arguments.quick else None]
    print(
        f"{'options':<33}{'script picks, %':>20}{'creep, µm/s: median':>21}{'worst':>8}{'lost':>6}"
        f"{'random, steps/s':>17}{'closing':>9}"
    )
    told: dict[str, Any] = {"seed": arguments.seed, "episodes": episodes}
    for name, change in variants:
        task = arm(change)
        judged = evaluate(task.baselines()["script"], task, episodes, arguments.seed)
        share = proportion(sum(bool(episode.success) for episode in judged), episodes)
        crept, lost = creep(arm(change), episodes, arguments.seed)
        rates = [speed(task, holds, steps) for holds in (False, True)]
        picks = f"{100 * share.share:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
        median, worst = (float(f(crept)) if len(crept) else np.nan for f in (np.median, np.max))
        print(
            f"{name:<33}{picks:>20}{median:>21.1f}{worst:>8.0f}{lost:>6}"
            f"{rates[0]:>17,.0f}{rates[1]:>9,.0f}",
            flush=True,
        )
        told[name] = {
            "picks": share.share,
            "creep_median": round(median, 2),
            "creep_worst": round(worst, 1),
            "lost": lost,
            "random": round(rates[0]),
            "closing": round(rates[1]),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
