"""What temperature does to portfolios: growth, concentration, drawdown, beside the exact optimum.

Soft Actor-Critic learns the task ``portfolio`` at fixed temperatures and at the automatic one. Of
each policy three portfolios are judged: that of its mean action, those that it draws, and the
average of those that it draws. Growth is the expectation over the market's scenarios, so luck is
not in it; drawdowns are of simulated decades, the same for all. Intervals are Student's at 95 %,
over training seeds.

Beside them stands the exact maximum-entropy policy: actions move no market, so that it is the
Boltzmann distribution of a quarter's growth, p(a) = exp(growth(a) / temperature) / Z on the box of
actions, here from uniform samples of the box, weighted. Last, a policy that picks a single asset,
exact too: there the chances of the policy can be held as shares, and only there is the entropy of
the policy that of the portfolio.

    python benchmarks/portfolio.py [--quick] [--seeds 0,1,2] [--picture docs/portfolio.png]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.evaluation.intervals import mean_interval
from robo_maxent.learning.policy import Policy
from robo_maxent.tasks.portfolio import (
    ASSETS,
    CHANGE,
    EQUAL,
    EXPANSION,
    QUARTERS,
    RECESSION,
    YEAR,
    Portfolio,
    gross_returns,
    growth,
    log_optimal,
    weights,
)
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.trainer import Trainer

TEMPERATURES = (3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
AUTOMATIC = "automatic"
STEPS = 40_000  # of training
SAMPLES = 1_000_000  # of the box of actions
DECADES = 400  # that drawdowns are of
DRAWS = 8  # of a policy, in each quarter of them


@dataclass(frozen=True)
class Decades:
    """Markets, each a column of quarters: nothing in them depends on what is held."""

    states: np.ndarray
    """EXPANSION or RECESSION, (quarters, decades)."""
    returns: np.ndarray
    """Value of 1 after the quarter, (quarters, decades, 5)."""
    observations: np.ndarray
    """What an investor sees before it, float32, (quarters, decades, 6)."""


@dataclass(frozen=True)
class Figures:
    """What a way to invest does; growth in logarithms a year."""

    growth: float
    """Of the portfolio held, on average over what is drawn."""
    average_growth: float
    """Of the average of the portfolios that are drawn, held instead of them."""
    concentration: float
    """Sum of the squares of the shares (Herfindahl), of what is held, on average."""
    average_concentration: float
    """Of the average portfolio of each state."""
    drawdown: float
    """Largest loss since a peak within a decade, as a share, on average."""


def decades(n: int, rng: np.random.Generator) -> Decades:
    """Markets as the task has them."""
    states = np.zeros((QUARTERS, n), np.int64)
    states[0] = rng.random(n) < CHANGE[EXPANSION] / CHANGE.sum()
    for quarter in range(1, QUARTERS):
        changes = rng.random(n) < CHANGE[states[quarter - 1]]
        states[quarter] = np.where(changes, 1 - states[quarter - 1], states[quarter - 1])
    scenario = rng.integers(gross_returns().shape[1], size=states.shape)
    returns = gross_returns()[states, scenario]
    seen = np.zeros((QUARTERS, n, 1 + len(ASSETS)), np.float32)
    seen[..., 0] = np.where(states == RECESSION, -1.0, 1.0)
    seen[1:, :, 1:] = np.log(returns[:-1])
    return Decades(states, returns, seen)


def judged(held: np.ndarray, markets: Decades) -> Figures:
    """What portfolios do that are drawn in each quarter, (draws, quarters, decades, 5)."""
    growths, averages, squares, average_squares = [], [], [], []
    for state in (EXPANSION, RECESSION):
        own = held[:, markets.states == state]  # (draws, quarters of that state, 5)
        average = own.mean(axis=(0, 1))
        share = own.shape[1] / markets.states.size
        growths.append(share * growth(own, state).mean())
        averages.append(share * growth(average, state))
        squares.append(share * np.square(own).sum(axis=-1).mean())
        average_squares.append(share * np.square(average).sum())
    wealth = np.cumsum(np.log((held * markets.returns).sum(axis=-1)), axis=1)
    peak = np.maximum.accumulate(np.maximum(wealth, 0.0), axis=1)
    drawdown = (1.0 - np.exp(wealth - peak)).max(axis=1).mean()
    return Figures(
        growth=float(YEAR * sum(growths)),
        average_growth=float(YEAR * sum(averages)),
        concentration=float(sum(squares)),
        average_concentration=float(sum(average_squares)),
        drawdown=float(drawdown),
    )


def fixed(shares: Sequence[np.ndarray], markets: Decades) -> Figures:
    """What one portfolio for each state does."""
    return judged(np.array(shares)[markets.states][None], markets)


class Boltzmann:
    """The exact maximum-entropy policy of the market, at any temperature."""

    def __init__(self, samples: int, rng: np.random.Generator) -> None:
        """Sample the box of actions, uniformly."""
        self.held = weights(rng.uniform(-1.0, 1.0, (samples, len(ASSETS))))  # (samples, 5)
        blocks = np.array_split(self.held, -(-samples // 50_000))
        states = (EXPANSION, RECESSION)
        self.growth = [np.concatenate([growth(b, state) for b in blocks]) for state in states]

    def chances(self, temperature: float, state: int) -> np.ndarray:
        """Weights of the samples, (samples,), which sum to one."""
        likely = np.exp((self.growth[state] - self.growth[state].max()) / temperature)
        return likely / likely.sum()

    def entropy(self, temperature: float) -> float:
        """Of the actions, nats, over the states as often as the market is in them."""
        shares = CHANGE[::-1] / CHANGE.sum()
        room = np.log(2.0 ** len(ASSETS) / len(self.held))  # of a sample
        each = []
        for state in (EXPANSION, RECESSION):
            p = self.chances(temperature, state)
            each.append(room - (p * np.log(np.maximum(p, np.finfo(float).tiny))).sum())
        return float(shares @ each)

    def temperature(self, entropy: float) -> float:
        """The temperature at which it has that entropy, by bisection."""
        low, high = np.log(1e-4), np.log(1.0)
        for _ in range(30):
            middle = (low + high) / 2.0
            below = self.entropy(float(np.exp(middle))) < entropy
            low, high = (middle, high) if below else (low, middle)
        return float(np.exp(low))

    def figures(self, temperature: float, markets: Decades, rng: np.random.Generator) -> Figures:
        """What it does in markets."""
        shape = (DRAWS, *markets.states.shape)
        held = np.zeros((*shape, len(ASSETS)))
        for state in (EXPANSION, RECESSION):
            chosen = rng.choice(len(self.held), shape, p=self.chances(temperature, state))
            held = np.where((markets.states == state)[..., None], self.held[chosen], held)
        return judged(held, markets)


def chosen(temperature: float, state: int) -> np.ndarray:
    """Chances of each asset under the exact policy that picks one of them, (5,)."""
    gains = growth(np.eye(len(ASSETS)), state)
    likely = np.exp((gains - gains.max()) / temperature)
    return likely / likely.sum()


def config_of(temperature: float | str, seed: int, steps: int) -> TrainConfig:
    """The recipe of the task, at a temperature."""
    config = replace(preset(Portfolio.preset), seed=seed, replay_capacity=steps, threads=1)
    if temperature == AUTOMATIC:
        return config
    stays = replace(config.sac, initial_alpha=temperature, alpha_learning_rate=0.0)
    return replace(config, sac=stays)


def trained(
    task: Portfolio, temperature: float | str, seed: int, steps: int
) -> tuple[Policy, float]:
    """A policy, and the temperature at the end."""
    with tempfile.TemporaryDirectory() as directory:  # nothing is saved on the way
        trainer = Trainer(task, config_of(temperature, seed, steps), Path(directory))
    try:
        while trainer.steps < steps:
            trainer.step()
        return trainer.policy(), float(trainer.learner.agent.metrics()["train/ent_coef"])
    finally:
        trainer.close()


def learned(policy: Policy, markets: Decades, rng: np.random.Generator) -> dict[str, Figures]:
    """What a policy does by its mean action, and by drawing."""
    seen = markets.observations.reshape(-1, 1 + len(ASSETS))
    noise = rng.standard_normal((DRAWS, len(seen), len(ASSETS))).astype(np.float32)
    shape = (*markets.states.shape, len(ASSETS))
    mean = weights(policy(seen)).reshape(1, *shape)
    drawn = weights(np.array([policy.sample(seen, each) for each in noise]))
    return {
        "mean": judged(mean, markets),
        "drawn": judged(drawn.reshape(DRAWS, *shape), markets),
    }


def summary(runs: Sequence[Figures]) -> dict[str, Any]:
    """Mean of each figure over training seeds, with its interval; of one seed there is none."""
    found = {}
    for name in asdict(runs[0]):
        values = np.array([getattr(run, name) for run in runs])
        ends = mean_interval(values) if len(values) > 1 else None
        found[name] = {
            "mean": round(float(values.mean()), 4),
            "interval": None if ends is None else [round(end, 4) for end in ends],
        }
    return found


def table(found: Mapping[str, Any]) -> list[str]:
    """Lines for people, one a way to invest."""
    lines = [
        f"{'':<22}{'growth %/year':>22}{'of the average':>16}{'concentration':>15}"
        f"{'of the average':>16}{'drawdown %':>12}"
    ]

    def line(name: str, of: Mapping[str, Any]) -> str:
        ends = of["growth"]["interval"]
        interval = "" if ends is None else f" [{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]"
        own = {key: each["mean"] for key, each in of.items()}
        return (
            f"{name:<22}{100 * own['growth']:.2f}{interval}".ljust(44)
            + f"{100 * own['average_growth']:>16.2f}{own['concentration']:>15.3f}"
            f"{own['average_concentration']:>16.3f}{100 * own['drawdown']:>12.1f}"
        )

    lines += [line(name, of) for name, of in found["lines"].items()]
    for temperature, arm in found["arms"].items():
        lines += [line(f"{temperature} {way}", of) for way, of in arm.items()]
    return lines


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Growth, concentration and drawdown over temperature, beside the optimum and equal shares.

    A star is the automatic temperature.
    """
    from matplotlib.figure import Figure

    arms = found["arms"]
    numbers = [name for name in arms if name != AUTOMATIC]
    panels = (
        ("growth", "growth, % a year", 100.0),
        ("concentration", "concentration", 1.0),
        ("drawdown", "drawdown in ten years, %", 100.0),
    )
    looks = {  # way -> label, colour, style
        "mean": ("mean action", "#c1121f", "o-"),
        "drawn": ("drawn", "#1971c2", "o-"),
        "exact": ("drawn, exact", "#1971c2", "x:"),
        "chances": ("chances as shares, exact", "#7048e8", "x:"),
    }
    figure = Figure(figsize=(11, 4.0), layout="constrained", dpi=85)
    for axes, (key, title, scale) in zip(figure.subplots(1, 3), panels, strict=True):
        for way, (label, colour, style) in looks.items():
            y = [scale * arms[name][way][key]["mean"] for name in numbers]
            axes.plot([float(name) for name in numbers], y, style, color=colour, label=label)
            if way in ("mean", "drawn") and AUTOMATIC in arms:
                alpha, own = found["temperature"]["learned"], arms[AUTOMATIC][way][key]["mean"]
                axes.plot(alpha, scale * own, "*", color=colour, markersize=11)
        if key == "concentration":
            y = [arms[name]["drawn"]["average_concentration"]["mean"] for name in numbers]
            label = "average of those drawn"
            axes.plot([float(name) for name in numbers], y, "o-", color="#f08c00", label=label)
        for name, colour in (("optimum", "#2b8a3e"), ("equal shares", "#868e96")):
            value = scale * found["lines"][name][key]["mean"]
            axes.axhline(value, color=colour, linestyle="--", label=name)
        axes.set(xscale="log", xlabel="temperature", title=title)
        if key == "concentration":
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path)


def measured(
    temperatures: Sequence[float | str], seeds: Sequence[int], steps: int, samples: int, n: int
) -> dict[str, Any]:
    """Train and judge everything."""
    task, rng = Portfolio(), partial(np.random.default_rng, 0)
    markets, exact = decades(n, rng()), Boltzmann(samples, rng())
    optimum = [log_optimal(state) for state in (EXPANSION, RECESSION)]
    found: dict[str, Any] = {
        "seeds": list(seeds),
        "steps": steps,
        "lines": {
            "optimum": summary([fixed(optimum, markets)]),
            "equal shares": summary([fixed([EQUAL, EQUAL], markets)]),
        },
        "arms": {},
    }
    for temperature in temperatures:
        runs, alphas = [], []
        for seed in seeds:
            start = time.perf_counter()
            policy, alpha = trained(task, temperature, seed, steps)
            runs.append(learned(policy, markets, rng()))
            alphas.append(alpha)
            spent = time.perf_counter() - start
            print(f"{temperature}, seed {seed}: {spent:.0f} s", file=sys.stderr, flush=True)
        arm = {way: summary([run[way] for run in runs]) for way in ("mean", "drawn")}
        if temperature == AUTOMATIC:
            entropy = preset(Portfolio.preset).sac.target_entropy_per_action * len(ASSETS)
            of_exact = exact.temperature(entropy)
            found["temperature"] = {"learned": float(np.mean(alphas)), "exact": of_exact}
        else:
            of_exact = float(temperature)
            shares = [chosen(of_exact, state) for state in (EXPANSION, RECESSION)]
            arm["chances"] = summary([fixed(shares, markets)])
        arm["exact"] = summary([exact.figures(of_exact, markets, rng())])
        found["arms"][str(temperature)] = arm
    return found


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Portfolios over temperature.")
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1,...", help="a training run each")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training run")
    parser.add_argument("--picture", type=Path, default=None, help="a PNG file of the figures")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.quick:
        found = measured((1e-3, 1e-1, AUTOMATIC), seeds[:2], 3_200, 50_000, 50)
    else:
        found = measured((*TEMPERATURES, AUTOMATIC), seeds, arguments.steps, SAMPLES, DECADES)
    if arguments.picture is not None:
        draw(found, arguments.picture)
    print("\n".join(table(found)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
