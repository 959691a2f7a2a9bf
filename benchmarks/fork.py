"""A plan B: what a policy does at a fork of two ways that are equally good, and when one is closed.

Policies learn ``point-fork`` with both ways open. Each then acts from 200 fresh starts, by its mean
action and by sampled ones: how its episodes are split between the ways, and how many arrive while a
way is closed that it is not told of. In five tries from one start, it has a plan B if one
of them arrives. An exact policy of maximum entropy takes either way half of the time, so it arrives
in 1/2 of single tries and in 1 - 1/2^5 = 97 % of five; one that always goes the same way, whether
it is closed or not, arrives in 1/2 of both, on average over the ways.

    python benchmarks/fork.py [--quick] [--arms "A;B"] [--seeds 1,2,3] [--steps N] [--out DIR]
                              [--threads N]

With ``--out``, the policies stay there, and a picture of sampled ways of each arm's first seed.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_maxent.evaluation.intervals import proportion
from robo_maxent.evaluation.rollout import policy_view
from robo_maxent.learning.policy import Policy
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.point_fork import FORK, PointFork
from robo_maxent.training.config import preset
from robo_maxent.training.train import train
from robo_maxent.types import Act

NOTHING = 1e-8
"""A temperature that stands for 0: its share of a value is lost in the rounding of float32."""
WARM = {"initial_alpha": 0.1, "alpha_learning_rate": 0.0}
"""A fixed temperature at which the two ways, learnt to within a few hundredths of each other, are
as good: the automatic one ends at a twentieth of it."""
ARMS: dict[str, Mapping[str, Any]] = {
    "gaussian": {},
    "mixture of 2": {"components": 2},
    "gaussian, warm": WARM,
    "mixture of 2, warm": WARM | {"components": 2},
    "temperature 0": {"initial_alpha": NOTHING, "alpha_learning_rate": 0.0},
}
STEPS, STARTS, TRIES, TEST_SEED = 150_000, 200, 5, 4_000


@dataclass(frozen=True)
class Ways:
    """Episodes of one policy."""

    arrived: np.ndarray
    """Whether each was at the goal at its end, bool, (N,)."""
    left: np.ndarray
    """1 where it went left, 0 right, NaN nowhere, (N,)."""
    paths: np.ndarray
    """Positions, m, (T, N, 2)."""


@dataclass(frozen=True)
class Figures:
    """What a policy does, over all starts."""

    nominal_mean: float
    nominal_sampled: float
    left: float
    """Share of its sampled episodes that arrive by the left way."""
    mode_entropy: float
    """Of that split, over log 2: 1 where both are as frequent."""
    blocked_mean: float
    """Success where a way is closed, the mean of both ways."""
    blocked_try: float
    blocked_tries: float
    """The same if one of several tries is enough."""


def sampled(policy: Policy, seed: int) -> Act:
    """A policy that draws its actions."""
    rng = np.random.default_rng(seed)

    def act(obs: np.ndarray) -> np.ndarray:
        return policy.sample(obs, rng.standard_normal((len(obs), policy.actor.head.action_size)))

    return act


def run(act: Act, closed: int, starts: int, seed: int) -> Ways:
    """One episode from each start, with a way closed that the policy is not told of."""
    task = PointFork()
    params = episode_params.nominal(task.perturbations, task.robot, starts)
    for sim in range(starts):
        params.change(sim, {"blocked": closed, "told": 0})
    env, view = task.evaluation_env(starts, seed, params=params), policy_view(act, task.policy_size)
    arrived, left = np.zeros(starts, bool), np.full(starts, np.nan)
    obs, paths = env.reset(), []
    for _ in range(task.episode_steps):
        paths.append(obs[:, :2].copy())
        step = env.step(view(obs))
        obs = step.obs
        for episode in step.episodes:
            arrived[episode.sim] = bool(episode.success)
            way = episode.metrics["left"]
            left[episode.sim] = np.nan if way is None else way
    env.close()
    return Ways(arrived, left, np.array(paths))


def judge(policy: Policy, starts: int, seed: int) -> Figures:
    """What a policy does, with both ways open and with either closed."""
    mean, drawn = run(policy, OPEN, starts, seed), run(sampled(policy, seed), OPEN, starts, seed)
    share = float(np.nanmean(np.where(drawn.arrived, drawn.left, np.nan)))
    blocked = [run(policy, side, starts, seed).arrived.mean() for side in (LEFT, RIGHT)]
    tries = [
        np.array([run(sampled(policy, 1 + k), side, starts, seed).arrived for k in range(TRIES)])
        for side in (LEFT, RIGHT)
    ]
    return Figures(
        nominal_mean=float(mean.arrived.mean()),
        nominal_sampled=float(drawn.arrived.mean()),
        left=share,
        mode_entropy=entropy(share),
        blocked_mean=float(np.mean(blocked)),
        blocked_try=float(np.mean([each.mean() for each in tries])),
        blocked_tries=float(np.mean([each.any(axis=0).mean() for each in tries])),
    )


def entropy(share: float) -> float:
    """Entropy of two outcomes over its largest, log 2; NaN stays."""
    if not 0.0 < share < 1.0:
        return 0.0 * share
    return -(share * math.log(share) + (1.0 - share) * math.log(1.0 - share)) / math.log(2.0)


def learn(arm: str, seed: int, steps: int, threads: int, directory: Path) -> Policy:
    """Train an arm with both ways open; the policy as it is at the end."""
    config = preset(PointFork.preset)
    config = replace(
        config,
        steps=steps,
        seed=seed,
        threads=threads,
        evaluate_every=steps,
        sac=replace(config.sac, **ARMS[arm]),
    )
    return train(PointFork(), config, directory).policy


def table(results: Mapping[tuple[str, int], Figures], starts: int) -> str:
    """Lines for people, in percent."""
    lines = [
        f"{'':<24}{'open':>14}{'split':>16}{'one way closed':>26}",
        f"{'arm, seed':<24}{'mean':>7}{'drawn':>7}{'left':>8}{'entropy':>8}"
        f"{'mean':>8}{'a try':>9}{f'{TRIES} tries':>9}",
    ]
    for (arm, seed), found in results.items():
        lines.append(
            f"{f'{arm}, {seed}':<24}{100 * found.nominal_mean:>7.0f}"
            f"{100 * found.nominal_sampled:>7.0f}{100 * found.left:>8.0f}"
            f"{found.mode_entropy:>8.2f}{100 * found.blocked_mean:>8.0f}"
            f"{100 * found.blocked_try:>9.0f}{100 * found.blocked_tries:>9.0f}"
        )
    exact = 1.0 - 0.5**TRIES
    lines.append(f"{'exact optimum':<24}{'':>14}{50:>8}{1:>8.2f}{50:>8}{50:>9}{100 * exact:>9.0f}")
    half = proportion(starts // 2, starts)
    lines.append(
        f"Shares are of {starts} starts: one of 50 % has the 95 % interval "
        f"[{100 * half.low:.0f}, {100 * half.high:.0f}]"
    )
    return "\n".join(lines)


def draw(policies: Mapping[str, Policy], path: Path, count: int = 60) -> None:
    """A picture of sampled ways with both ways open, a panel an arm."""
    figure = Figure(figsize=(3.4 * len(policies), 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(policies), squeeze=False)[0]
    for axes, (arm, policy) in zip(panels, policies.items(), strict=True):
        found = run(sampled(policy, 0), OPEN, count, TEST_SEED)
        for sim in range(count):
            left = found.left[sim]
            colour = "0.6" if np.isnan(left) else ("C0" if left else "C1")
            axes.plot(*found.paths[:, sim].T, color=colour, linewidth=0.7, alpha=0.7)
        for low, high in ((-1.3, -FORK.gap - 0.15), (-0.5, 0.5), (FORK.gap + 0.15, 1.3)):
            axes.fill_between([-0.1, 0.1], low, high, color="0.3")
        axes.plot(FORK.goal, 0.0, marker="*", markersize=13, color="C2")
        axes.set_title(arm, fontsize=11)
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
    figure.savefig(path)


def measure(
    arms: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    starts: int,
    threads: int,
    out: Path,
    show: Callable[[str], None],
) -> dict[tuple[str, int], Figures]:
    """Train and judge every arm with every seed; the picture is of the first seed."""
    results, first = {}, {}
    for seed in seeds:
        for arm in arms:
            policy = learn(arm, seed, steps, threads, out / f"{arm.replace(' ', '-')}-seed{seed}")
            first.setdefault(arm, policy)
            results[arm, seed] = judge(policy, starts, TEST_SEED + seed)
            show(f"{arm}, seed {seed}: {results[arm, seed]}")
    draw(first, out / "fork.png")
    return results


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Two ways, and a plan B.")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    parser.add_argument("--arms", default=";".join(ARMS), help="separated by ;")
    parser.add_argument("--seeds", default="1,2,3", help="a training run of each arm")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a training run")
    parser.add_argument("--threads", type=int, default=0, help="0: one per CPU")
    parser.add_argument("--out", type=Path, help="directory to keep runs and picture in")
    given = parser.parse_args()
    seeds = [1] if given.quick else [int(seed) for seed in given.seeds.split(",")]
    steps, starts = (3_000, 20) if given.quick else (given.steps, STARTS)
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        results = measure(given.arms.split(";"), seeds, steps, starts, given.threads, out, print)
    print(table(results, starts))
    figures: dict[str, float] = {}
    for (arm, seed), found in results.items():
        key = f"{arm.replace(' ', '_')}_seed{seed}"
        figures[f"fork_modes_{key}"] = round(found.mode_entropy, 4)
        figures[f"fork_blocked_success_k{TRIES}_{key}"] = round(found.blocked_tries, 4)
    print(json.dumps(figures | {"starts": starts, "steps": steps}))


if __name__ == "__main__":
    main()
