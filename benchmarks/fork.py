"""A plan B: what a policy does at a fork of two ways that are equally good, and when one is closed.

Policies learn ``point-fork`` with both ways open (fork_arms.py). Each then acts from 200 fresh
starts, by its mean action and by drawn ones: how its episodes are split between the ways, and how
many arrive while a way is closed that it is not told of. In five tries from one start, it has a
plan B if one of them arrives. Then the way that it takes more often is closed for good, and it goes
on learning with a tenth more steps; and until nine in ten of its drawn episodes arrive, for half as
many steps as before at most.

An exact policy of maximum entropy takes either way half of the time, so it arrives in 1/2 of single
tries and in 1 - 1/2^5 = 97 % of five; one that always goes the same way, whether it is closed or
not, arrives in 1/2 of both, on average over the ways. TD3 acts with noise as large as that of a
Gaussian of the same seed around its mean actions.

    python benchmarks/fork.py [--quick] [--arms "A;B"] [--seeds 1,2,3] [--steps N] [--out DIR]
                              [--threads N]

With ``--out``, the runs stay there, and a picture of drawn ways of each arm's first seed. TD3 needs
the extra ``bench``.
"""

import argparse
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fork_arms import ARMS, Learner, SacLearner, Td3Learner, config_of
from fork_ways import TRIES, Acting, Relearning, Ways, drawn, judge, relearn, run, spread
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robo_maxent.evaluation.intervals import proportion
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT
from robo_maxent.tasks.point_fork import FORK, PointFork

STEPS, STARTS, TEST_SEED = 150_000, 200, 4_000
CHUNKS = 60
"""Parts of the steps of a run, in which it goes on later."""
PATHS = 60
"""In the picture of an arm."""


@dataclass(frozen=True)
class Figures:
    """Of one arm and seed."""

    acting: Acting
    gap: float
    """Mean KL from the Boltzmann distribution of its critics at the starts, nats; NaN: none."""
    relearning: Relearning


@dataclass(frozen=True)
class Budget:
    """What every arm is given."""

    steps: int
    starts: int
    threads: int

    @property
    def chunk(self) -> int:
        """Environment steps that a policy goes on learning for at a time."""
        return self.steps // CHUNKS


def figures_of(learner: Learner, budget: Budget, seed: int) -> Figures:
    """What an arm does after its training, and what comes of a little more."""
    acting = judge(learner.policy, budget.starts, seed)
    gap = learner.gap(PointFork().evaluation_env(budget.starts, seed).reset())
    usual = RIGHT if acting.left < 0.5 else LEFT
    return Figures(acting, gap, relearn(learner, usual, budget.chunk, budget.starts, seed))


def measure(
    arms: Sequence[str],
    seeds: Sequence[int],
    budget: Budget,
    out: Path,
    show: Callable[[str], None],
) -> dict[tuple[str, int], Figures]:
    """Train and judge every arm with every seed; the picture is of the first seed."""
    results, first = {}, {}
    for seed in seeds:
        noise: dict[str, float] = {}
        for arm in arms:
            config = config_of(ARMS[arm], seed, budget.steps, budget.threads)
            learner: Learner
            if source := ARMS[arm].noise_of:
                learner = Td3Learner(config, noise[source])
            else:
                learner = SacLearner(config, out / f"{arm.replace(' ', '-')}-seed{seed}")
                noise[arm] = spread(learner.policy, budget.starts, TEST_SEED + seed)
            if seed == seeds[0]:
                first[arm] = run(drawn(learner.policy, 0), OPEN, PATHS, TEST_SEED)
            results[arm, seed] = figures_of(learner, budget, TEST_SEED + seed)
            show(f"{arm}, seed {seed}: {results[arm, seed]}")
    picture(first, out / "fork.png")
    return results


def require(arms: Sequence[str]) -> None:
    """Check the names of arms.

    Raises:
        SystemExit: There is no such arm, or one comes before that which its noise is of.
    """
    for place, arm in enumerate(arms):
        if arm not in ARMS:
            raise SystemExit(f"unknown arm {arm!r}; there are {', '.join(map(repr, ARMS))}")
        source = ARMS[arm].noise_of
        if source and source not in arms[:place]:
            raise SystemExit(f"the noise of {arm!r} is that of {source!r}: name that before it")


def picture(ways: Mapping[str, Ways], path: Path) -> None:
    """Draw ways with both open, a panel an arm."""
    figure = Figure(figsize=(3.4 * len(ways), 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(ways), squeeze=False)[0]
    for axes, (arm, found) in zip(panels, ways.items(), strict=True):
        for sim, left in enumerate(found.left):
            colour = "0.6" if math.isnan(left) else ("C0" if left else "C1")
            axes.plot(*found.paths[:, sim].T, color=colour, linewidth=0.7, alpha=0.7)
        for low, high in ((-1.3, -FORK.gap - 0.15), (-0.5, 0.5), (FORK.gap + 0.15, 1.3)):
            axes.fill_between([-0.1, 0.1], low, high, color="0.3")
        axes.plot(FORK.goal, 0.0, marker="*", markersize=13, color="C2")
        axes.set_title(arm, fontsize=11)
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
    figure.savefig(path)


def table(results: Mapping[tuple[str, int], Figures], starts: int) -> str:
    """Lines for people, in percent."""
    lines = [
        f"{'':<24}{'open':>12}{'split':>14}{'one way closed':>24}{'then trained on':>24}{'gap':>7}",
        f"{'arm, seed':<24}{'mean':>6}{'drawn':>6}{'left':>6}{'entropy':>8}"
        f"{'mean':>8}{'a try':>7}{f'{TRIES} tries':>9}"
        f"{'mean':>6}{'drawn':>6}{'until 90 %':>12}{'nats':>7}",
    ]
    lines += [_line(f"{arm}, {seed}", found) for (arm, seed), found in results.items()]
    exact = 100 * (1.0 - 0.5**TRIES)
    lines.append(f"{'exact optimum':<24}{'':>12}{50:>6}{1:>8.2f}{'':>8}{50:>7}{exact:>9.0f}")
    half = proportion(starts // 2, starts)
    lines.append(
        f"Shares are of {starts} starts: one of 50 % has the 95 % interval "
        f"[{100 * half.low:.0f}, {100 * half.high:.0f}]"
    )
    return "\n".join(lines)


def _line(name: str, found: Figures) -> str:
    acting, after = found.acting, found.relearning
    return (
        f"{name:<24}{100 * acting.nominal_mean:>6.0f}{100 * acting.nominal_drawn:>6.0f}"
        f"{100 * acting.left:>6.0f}{acting.mode_entropy:>8.2f}{100 * acting.blocked_mean:>8.0f}"
        f"{100 * acting.blocked_try:>7.0f}{100 * acting.blocked_tries:>9.0f}"
        f"{100 * after.mean:>6.0f}{100 * after.drawn:>6.0f}{after.steps:>12,.0f}{found.gap:>7.2f}"
    )


def by_arm(results: Mapping[tuple[str, int], Figures], budget: Budget) -> dict[str, object]:
    """Figure -> arm -> its value with each seed; null: there is none."""
    values: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for (arm, _), found in results.items():
        acting, after = found.acting, found.relearning
        named = {
            "fork_modes": acting.mode_entropy,
            f"fork_blocked_success_k{TRIES}": acting.blocked_tries,
            "fork_left": acting.left,
            "fork_blocked_success_mean": acting.blocked_mean,
            "fork_blocked_success_try": acting.blocked_try,
            "fork_success_mean": acting.nominal_mean,
            "fork_success_drawn": acting.nominal_drawn,
            "fork_relearnt_mean": after.mean,
            "fork_relearnt_drawn": after.drawn,
            "fork_relearnt_steps": after.steps,
            "fork_gap": found.gap,
        }
        for name, value in named.items():
            values[name][arm].append(round(value, 4) if math.isfinite(value) else None)
    return {**values, "starts": budget.starts, "steps": budget.steps}


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
    arms = given.arms.split(";")
    require(arms)
    seeds = [1] if given.quick else [int(seed) for seed in given.seeds.split(",")]
    steps, starts = (3_000, 20) if given.quick else (given.steps, STARTS)
    budget = Budget(steps, starts, given.threads)
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        results = measure(arms, seeds, budget, out, lambda line: print(line, flush=True))
    print(table(results, starts))
    print(json.dumps(by_arm(results, budget)))


if __name__ == "__main__":
    main()
