"""Train the policies that come with the package, judge them, and write file and card of each.

A policy is trained by the recipe of its task with seed 0 and a budget in steps, so that a machine
of the same kind ends at the same file; the run continues where it was interrupted. It is kept if
enough of 200 fresh episodes succeed. What its card says is then measured on others: nominal
episodes, and the stress test of the quick suite. Nothing is chosen by those.

    python benchmarks/pretrained.py [--quick] [NAME...] [--runs DIR] [--out assets/pretrained]
                                    [--note TEXT]
"""

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from robo_maxent import __version__
from robo_maxent.evaluation.intervals import Proportion, proportion
from robo_maxent.machine import cpus
from robo_maxent.robustness.runner import PACKAGES
from robo_maxent.tasks import TASKS
from robo_maxent.training import checkpoint, pretrained
from robo_maxent.training.run_directory import read_config
from robo_maxent.versions import installed

SEED, THREADS = 0, 1
"""Of every training; sums depend on the number of threads."""
KEPT_SEED, KEPT_EPISODES = 7, 200
"""Of the episodes that decide whether a policy is kept."""
CARD_SEED, CARD_EPISODES = 1, 400
"""Of the nominal episodes that its card is about."""
SUITE = "quick"
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Recipe:
    """What to train."""

    task: str
    steps: int
    """Environment steps."""
    least: float
    """Success that a policy needs to be kept."""
    level: int | None = None
    """Of the terrain on which that is asked for; None: there is none."""


RECIPES = {
    recipe.task: recipe
    for recipe in (
        Recipe("quadruped-flat", 650_000, 0.97),
        Recipe("quadruped-rough-scan", 2_500_000, 0.8, level=2),
        Recipe("quadruped-rough", 3_000_000, 0.8, level=2),
        Recipe("quadruped-getup", 2_400_000, 0.8),
        Recipe("arm-reach", 200_000, 0.97),
        Recipe("arm-push", 600_000, 0.9),
        Recipe("arm-pick", 600_000, 0.95),
    )
}
"""Name of a policy -> how it is made."""


@dataclass(frozen=True)
class Effort:
    """How much is done of everything."""

    steps: int | None = None
    """Environment steps, in the place of those of a recipe."""
    kept_episodes: int = KEPT_EPISODES
    card_episodes: int = CARD_EPISODES
    suite: tuple[str, ...] = ("--suite", SUITE)
    note: str = ""
    """What to say of the machine, such as "beside other work"."""


QUICK = Effort(2_000, 4, 4, ("--suite", "nominal"))


def robo_maxent(*words: str) -> dict[str, Any]:
    """What a command answers; what it has to say to people goes to stderr."""
    command = [sys.executable, "-m", "robo_maxent.cli.main", *words, "--json"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        sys.exit(ran.returncode)
    return json.loads(ran.stdout)


def train(recipe: Recipe, steps: int, run: Path) -> str:
    """Train, or train on, until a run has its steps; the command that does it at once."""
    loop = checkpoint.load_loop(run / "checkpoint")
    words = ("train", recipe.task, "--steps", str(steps), "--seed", str(SEED))
    words += ("--threads", str(THREADS))
    if loop is None:
        robo_maxent(*words, "--out", str(run))
    else:
        left = steps - loop.control_steps * read_config(run)["train"]["envs"]
        if left > 0:
            robo_maxent("train", "--resume", str(run), "--steps", str(left))
    return f"robo-maxent {' '.join(words)}"


def card_of(name: str, run: Path, steps: int, command: str, effort: Effort) -> pretrained.Card:
    """The card of the policy of a finished run, whose configuration may have part of its budget."""
    saved, file = read_config(run), run / "policy.safetensors"
    loop = checkpoint.load_loop(run / "checkpoint")
    assert loop is not None
    config = saved["train"] | {"steps": steps}
    options = {key: value for key, value in saved.items() if key not in ("task", "train")}
    return pretrained.Card(
        name=name,
        sha256=pretrained.digest(file),
        version=__version__,
        packages={package: installed(package) for package in PACKAGES},
        licence=LICENCE,
        task=saved["task"],
        task_options={key: value for key, value in options.items() if value is not None},
        preset=TASKS[saved["task"]].preset,
        train=config,
        command=command,
        seed=config["seed"],
        steps=loop.control_steps * config["envs"],
        minutes=round(loop.seconds / 60, 1),
        machine=", ".join(filter(None, (machine(config["threads"]), effort.note))),
        nominal=judged(name, run, effort),
        stress=stressed(name, run, effort),
    )


def judged(name: str, run: Path, effort: Effort) -> pretrained.Judged:
    """Figures of fresh nominal episodes."""
    words = ("--episodes", str(effort.card_episodes), "--seed", str(CARD_SEED))
    with tempfile.TemporaryDirectory() as scratch:
        out = str(Path(scratch) / "episodes.jsonl")
        (figures,) = robo_maxent("evaluate", str(run), *words, "--out", out)["policies"]
    return pretrained.Judged(
        f"robo-maxent evaluate {pretrained.PREFIX}{name} {' '.join(words)}",
        Proportion(**figures["success"]),
        figures["metrics"],
        {level: Proportion(**share) for level, share in figures.get("by_level", {}).items()},
    )


def stressed(name: str, run: Path, effort: Effort) -> pretrained.Stressed:
    """Figures of a stress test, whose rows stay in the run."""
    out = run / f"robustness-{effort.suite[-1]}"
    words = (*effort.suite, "--clips", "0")
    said = robo_maxent("evaluate", str(run), *words, "--out", str(out))
    (verdict,) = said["verdict"]
    figures = said["figures"]["policies"][verdict["policy"]]
    return pretrained.Stressed(
        f"robo-maxent evaluate {pretrained.PREFIX}{name} {' '.join(effort.suite)}",
        said["figures"]["episodes"],
        Proportion(*figures["undisturbed"]),
        Proportion(*(figures["disturbed"] or figures["undisturbed"])),
        verdict["headline"],
        tuple(verdict["details"]),
        {axis: _with_intervals(shares) for axis, shares in figures["axes"].items()},
    )


def _with_intervals(shares: Mapping[str, tuple[float, int]]) -> dict[str, Proportion]:
    """Shares of counted episodes with Wilson's interval."""
    return {
        severity: proportion(round(share * count), count)
        for severity, (share, count) in shares.items()
    }


def machine(threads: int) -> str:
    """This machine, and how many threads a training had of it."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.is_file() else None
    cpu = named[1] if named else platform.processor() or platform.machine()
    return f"{threads} of {cpus()} CPUs ({cpu})"


def success(recipe: Recipe, run: Path, effort: Effort) -> float:
    """Share of the episodes that decide whether a policy is kept."""
    with tempfile.TemporaryDirectory() as scratch:
        out = str(Path(scratch) / "episodes.jsonl")
        words = ("--episodes", str(effort.kept_episodes), "--seed", str(KEPT_SEED))
        words += () if recipe.level is None else ("--level", str(recipe.level))
        (figures,) = robo_maxent("evaluate", str(run), *words, "--out", out)["policies"]
    return figures["success"]["share"]


def make_one(name: str, run: Path, out: Path, effort: Effort) -> pretrained.Card | None:
    """Train, judge and write one policy; None: it does not do its task, and nothing is written."""
    recipe = RECIPES[name]
    steps = effort.steps or recipe.steps
    command = train(recipe, steps, run)
    share = success(recipe, run, effort)
    least = 0.0 if effort.steps else recipe.least
    print(f"{name}: {100 * share:.1f} % succeed, {100 * least:.0f} % are asked", file=sys.stderr)
    if share < least:
        return None
    card = card_of(name, run, steps, command, effort)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "policy.safetensors", out / f"{name}{pretrained.POLICY}")
    text = json.dumps(asdict(card), indent=2)
    (out / f"{name}{pretrained.CARD}").write_text(f"{text}\n")
    return card


def table(cards: Sequence[pretrained.Card]) -> str:
    """Lines for people."""
    lines = [f"{'policy':<22}{'steps':>11}{'min':>6}  {'nominal':<32}{'disturbed'}"]
    for card in cards:
        lines.append(
            f"{card.name:<22}{card.steps:>11,}{card.minutes:>6g}  "
            f"{card.nominal.success!s:<32}{card.stress.disturbed}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Make the policies that come with the package.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default all")
    parser.add_argument("--runs", type=Path, default=Path("runs/pretrained-training"))
    parser.add_argument("--out", type=Path, default=Path("runs/pretrained-made"))
    parser.add_argument("--note", default="", help="of the machine, such as 'beside other work'")
    parser.add_argument("--quick", action="store_true", help="shows that all of it runs")
    arguments = parser.parse_args()
    names = arguments.names or list(RECIPES)
    if unknown := [name for name in names if name not in RECIPES]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(RECIPES)}")
    with tempfile.TemporaryDirectory() as scratch:
        runs, out = arguments.runs, arguments.out
        effort = Effort(note=arguments.note)
        if arguments.quick:
            runs = out = Path(scratch)
            names, effort = arguments.names or ["arm-reach"], QUICK
        made = {name: make_one(name, runs / name, out, effort) for name in names}
    cards = [card for card in made.values() if card]
    print(table(cards))
    figures = {card.name: card.nominal.success.share for card in cards}
    print(json.dumps({"success": figures, "not_kept": [n for n, c in made.items() if c is None]}))
    sys.exit(any(card is None for card in made.values()))


if __name__ == "__main__":
    main()
