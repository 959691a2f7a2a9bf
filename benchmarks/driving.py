"""An intersection: who crashes, who arrives, and what temperature does to one scene.

Soft Actor-Critic learns the task ``intersection`` at fixed temperatures and at the automatic one.
Each policy drives the same episodes, by its most likely action and by drawing, and so do always
slow, always fast and random ones. Then it is put into one scene again and again, and draws: in how
many ways does it get through? A way is the second of arriving, or of crashing, or running out of
time; their entropy stands beside that of the actions. Intervals at 95 %: of a policy that is not
trained Wilson's over episodes, of trained ones Student's over training seeds.

    python benchmarks/driving.py [--quick] [--seeds 0,1,2] [--temperatures 0.03,0.3,automatic]
                                 [--policies DIRECTORY] [--picture docs/driving.png]
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.evaluation.intervals import mean_interval, proportion
from robo_maxent.learning.policy import Policy
from robo_maxent.tasks.intersection import (
    ACTIONS,
    DECISION,
    DECISIONS,
    FASTER,
    RATE,
    SLOWER,
    Crossing,
    Intersection,
)
from robo_maxent.training.config import TrainConfig, preset
from robo_maxent.training.trainer import Trainer

AUTOMATIC = "automatic"
TEMPERATURES = ("0.03", "0.3", AUTOMATIC)
OWN_RATE = 15  # Hz, of highway-env
STEPS = 30_000  # decisions of a training
EPISODES = 200  # that each policy drives
SCENES, FAN = 4, 50  # and how often each of them
SEED = 1000  # of all of these: no training has it
OUTCOMES = ("arrived", "crashed", "timed out")
COLOURS = {"arrived": "#2b8a3e", "crashed": "#c1121f", "timed out": "#868e96"}


Chances = Callable[[np.ndarray], np.ndarray]
"""Observation, (O,) -> probability of each action, (3,)."""


@dataclass(frozen=True)
class Drive:
    """One episode."""

    outcome: str
    reward: float
    way: np.ndarray
    """Metres driven after each second, from 0 on, (seconds + 1,)."""
    action_entropy: float
    """Of who drove, nats, on average over the episode."""

    @property
    def mode(self) -> str:
        """How it went, and in which second."""
        return f"{self.outcome} {len(self.way) - 1}"


def entropy(counts: Sequence[float]) -> float:
    """Of shares that are as these numbers, nats."""
    shares = np.array([count for count in counts if count > 0], np.float64)
    shares /= shares.sum()
    return float(-(shares * np.log(shares)).sum())


def always(action: int) -> Chances:
    """The same action, whatever is seen."""
    return lambda obs: np.eye(len(ACTIONS))[action]


def drawn(policy: Policy) -> Chances:
    """What a policy draws from."""

    def chances(obs: np.ndarray) -> np.ndarray:
        logits = policy.logits(obs[None])[0].astype(np.float64)
        likely = np.exp(logits - logits.max())
        return likely / likely.sum()

    return chances


def most_likely(policy: Policy) -> Chances:
    """The action that a policy draws most often."""
    return lambda obs: np.eye(len(ACTIONS))[policy(obs[None])[0]]


BASELINES: dict[str, Chances] = {
    "always slower": always(SLOWER),
    "always faster": always(FASTER),
    "random": lambda obs: np.full(len(ACTIONS), 1.0 / len(ACTIONS)),
}


def drive(chances: Chances, world: Crossing, scene: int, rng: np.random.Generator) -> Drive:
    """From a scene to the end."""
    obs, _ = world.reset(seed=scene)
    places, entropies, total = [world.cars()[0, :2]], [], 0.0
    terminated, truncated, info = False, False, {}
    while not (terminated or truncated):
        likely = chances(obs)
        entropies.append(entropy(likely.tolist()))
        action = int(rng.choice(len(ACTIONS), p=likely))
        obs, reward, terminated, truncated, info = world.step(action)
        total += reward
        places.append(world.cars()[0, :2])
    outcome = "crashed" if terminated else "timed out"
    return Drive(
        outcome="arrived" if info["is_success"] else outcome,
        reward=total,
        way=np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(places, axis=0).T))]),
        action_entropy=float(np.mean(entropies)),
    )


def drives(chances: Chances, world: Crossing, episodes: int) -> list[Drive]:
    """The same scenes for everybody, one episode each."""
    rng = np.random.default_rng(SEED)
    return [drive(chances, world, SEED + episode, rng) for episode in range(episodes)]


def rates(own: Sequence[Drive]) -> dict[str, float]:
    """Share of each outcome, and the mean return."""
    counts = Counter(each.outcome for each in own)
    shares = {name: counts[name] / len(own) for name in OUTCOMES}
    return {**shares, "return": float(np.mean([each.reward for each in own]))}


def of_episodes(own: Sequence[Drive]) -> dict[str, Any]:
    """The same with intervals over episodes, which the return has by Student's t."""
    figures: dict[str, Any] = {}
    for name, value in rates(own).items():
        if name == "return":
            low, high = mean_interval(np.array([each.reward for each in own]))
        else:
            share = proportion(round(value * len(own)), len(own))
            low, high = share.low, share.high
        figures[name] = {"mean": round(value, 4), "interval": [round(low, 4), round(high, 4)]}
    return figures


def of_seeds(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean of each figure over training seeds, with its interval; of one seed there is none."""
    figures: dict[str, Any] = {}
    for name in runs[0]:
        values = np.array([run[name] for run in runs])
        ends = [round(end, 4) for end in mean_interval(values)] if len(values) > 1 else None
        figures[name] = {"mean": round(float(values.mean()), 4), "interval": ends}
    return figures


def config_of(temperature: str, seed: int, steps: int) -> TrainConfig:
    """The recipe of the task, at a temperature."""
    config = replace(preset(Intersection.preset), seed=seed, replay_capacity=steps, threads=1)
    config = replace(config, random_steps=min(config.random_steps, steps // 16))
    if temperature == AUTOMATIC:
        return config
    stays = replace(config.sac, initial_alpha=float(temperature), alpha_learning_rate=0.0)
    return replace(config, sac=stays)


def trained(task: Intersection, temperature: str, seed: int, steps: int, kept: Path) -> Policy:
    """A policy: the one that is kept of a training like this, or that of a new training."""
    file = kept / f"{temperature}-seed{seed}-{steps}.safetensors"
    if file.is_file():
        return Policy.load(file)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:  # nothing else is saved on the way
        trainer = Trainer(task, config_of(temperature, seed, steps), Path(directory))
        try:
            while trainer.steps < steps:
                trainer.step()
            trainer.policy().save(file)
        finally:
            trainer.close()
    spent = time.perf_counter() - start
    say(f"temperature {temperature}, seed {seed}: {steps / spent:.0f} decisions/s, {spent:.0f} s")
    return Policy.load(file)


def fan(policy: Policy, world: Crossing, scenes: int, n: int) -> list[list[Drive]]:
    """Drives that begin with each scene again and again, every action drawn."""
    rng = np.random.default_rng(SEED)
    return [
        [drive(drawn(policy), world, SEED + scene, rng) for _ in range(n)]
        for scene in range(scenes)
    ]


def spread(own: Sequence[Sequence[Drive]]) -> dict[str, float]:
    """Entropy of the ways through a scene and of the actions, means over scenes, nats."""
    ways = [entropy(list(Counter(each.mode for each in scene).values())) for scene in own]
    actions = [each.action_entropy for scene in own for each in scene]
    return {"mode_entropy": float(np.mean(ways)), "action_entropy": float(np.mean(actions))}


def untrained(episodes: int) -> dict[str, Any]:
    """Baselines, also at the step of highway-env itself: is it the same problem?"""
    figures = {}
    for rate, suffix in ((RATE, ""), (OWN_RATE, f", {OWN_RATE} Hz")):
        world, start = Crossing(config={"simulation_frequency": rate}), time.perf_counter()
        for name, chances in BASELINES.items():
            figures[f"{name}{suffix}"] = of_episodes(drives(chances, world, episodes))
        say(f"baselines at {rate} Hz: {time.perf_counter() - start:.0f} s")
    return figures


def judged(
    temperatures: Sequence[str],
    seeds: Sequence[int],
    steps: int,
    episodes: int,
    shape: tuple[int, int],
    kept: Path,
) -> tuple[dict[str, Any], dict[str, list[Drive]]]:
    """Train and judge: figures by temperature, and the drives from the first scene.

    Those are of the first training seed.
    """
    task, world, arms, pictured = Intersection(), Crossing(), {}, {}
    for temperature in temperatures:
        runs: list[dict[str, dict[str, float]]] = []
        for seed in seeds:
            policy = trained(task, temperature, seed, steps, kept)
            ways = fan(policy, world, *shape)
            pictured.setdefault(temperature, ways[0])
            acting = {"most likely": most_likely(policy), "drawn": drawn(policy)}
            run = {way: rates(drives(chances, world, episodes)) for way, chances in acting.items()}
            runs.append({**run, "scenes": spread(ways)})
            say(f"  {temperature}, seed {seed}: {run}")
        arms[temperature] = {name: of_seeds([run[name] for run in runs]) for name in runs[0]}
    return arms, pictured


def table(figures: Mapping[str, Any]) -> list[str]:
    """Lines for people, one a way to drive."""
    rows = dict(figures["baselines"])
    for temperature, arm in figures["arms"].items():
        rows |= {f"{temperature}, {way}": arm[way] for way in ("most likely", "drawn")}
    lines = [f"{'':<26}" + "".join(f"{name:>26}" for name in (*OUTCOMES, "return"))]
    for name, own in rows.items():
        shown = (_shown(own[key], 1.0 if key == "return" else 100.0) for key in own)
        lines.append(f"{name:<26}" + "".join(f"{each:>26}" for each in shown))
    for temperature, arm in figures["arms"].items():
        ways, actions = arm["scenes"]["mode_entropy"], arm["scenes"]["action_entropy"]
        lines.append(
            f"{temperature:<26}entropy of the ways {_shown(ways)}, of the actions {_shown(actions)}"
        )
    return lines


def _shown(figure: Mapping[str, Any], scale: float = 1.0) -> str:
    ends = figure["interval"]
    within = "" if ends is None else f" [{scale * ends[0]:.2f}, {scale * ends[1]:.2f}]"
    return f"{scale * figure['mean']:.2f}{within}"


def draw(figures: Mapping[str, Any], pictured: Mapping[str, list[Drive]], path: Path) -> None:
    """The scene, the drives from it at each temperature, and the entropies over temperature."""
    from matplotlib.figure import Figure

    panels = len(pictured) + 2
    figure = Figure(figsize=(3.0 * panels, 3.2), layout="constrained", dpi=85)
    axes = figure.subplots(1, panels)
    world = Crossing("rgb_array", config={"scaling": 3.0, "centering_position": [0.5, 0.75]})
    world.reset(seed=SEED)
    axes[0].imshow(np.asarray(world.render()))
    axes[0].set(title="the scene: own car green", xticks=[], yticks=[])
    world.close()
    for place, (temperature, own) in zip(axes[1:-1], pictured.items(), strict=True):
        for each in own:
            seconds, colour = DECISION * np.arange(len(each.way)), COLOURS[each.outcome]
            place.plot(seconds, each.way, color=colour, alpha=0.25, linewidth=1)
            place.plot(seconds[-1], each.way[-1], ".", color=colour, alpha=0.4)
        place.set(title=f"temperature {temperature}", xlabel="s", ylabel="driven, m")
        place.set(xlim=(0, DECISIONS), ylim=(0, 95))
    arms = figures["arms"]
    for key, label, style in (("mode_entropy", "ways", "o-"), ("action_entropy", "actions", "x:")):
        means = [arm["scenes"][key]["mean"] for arm in arms.values()]
        axes[-1].plot(list(arms), means, style, label=f"of the {label}")
    axes[-1].set(title="entropy, nats", xlabel="temperature", ylim=(0, None))
    axes[-1].legend()
    lines = [axes[1].plot([], [], color=colour)[0] for colour in COLOURS.values()]
    figure.legend(lines, list(COLOURS), loc="outside lower center", ncols=len(COLOURS))
    figure.savefig(path)


def say(line: str) -> None:
    """Tell whoever waits; scripts read the other stream."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="An intersection over temperature.")
    parser.add_argument("--seeds", default="0,1,2", metavar="0,1,...", help="a training run each")
    parser.add_argument("--temperatures", default=",".join(TEMPERATURES))
    parser.add_argument("--steps", type=int, default=STEPS, help="decisions of each training run")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="that each policy drives")
    parser.add_argument(
        "--policies", type=Path, default=None, help="directory to keep, and take, trained ones"
    )
    parser.add_argument("--picture", type=Path, default=None, help="a PNG file of the drives")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    arguments = parser.parse_args()
    temperatures = arguments.temperatures.split(",")
    seeds, steps = [int(seed) for seed in arguments.seeds.split(",")], arguments.steps
    episodes, shape = arguments.episodes, (SCENES, FAN)
    if arguments.quick:
        temperatures, seeds, steps, episodes, shape = temperatures[-2:], seeds[:1], 64, 4, (1, 2)
    figures: dict[str, Any] = {"seeds": seeds, "steps": steps, "episodes": episodes}
    figures["baselines"] = untrained(episodes)
    with tempfile.TemporaryDirectory() as scratch:
        kept = arguments.policies or Path(scratch)
        kept.mkdir(parents=True, exist_ok=True)
        figures["arms"], pictured = judged(temperatures, seeds, steps, episodes, shape, kept)
    if arguments.picture is not None:
        draw(figures, pictured, arguments.picture)
    print("\n".join(table(figures)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
