"""The headline figures of a report, recomputed from its rows by a script that imports none of it.

Reads episodes.jsonl and suite.json of a stress test, counts by hand, and prints what it finds.
Given the object that ``robo-maxent evaluate ... --json`` printed, it prints what the report says
beside, and the difference, and exits with 1 where there is one.

    python benchmarks/recompute.py DIRECTORY [--said FILE]
"""

import argparse
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Figures = dict[str, Any]

Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
TOLERANCE = 1e-9


def disturbed(row: Row) -> bool:
    """Whether a parameter or the ground differs."""
    return bool(row["params"]) or row["terrain"] not in (None, "flat")


def success(row: Row) -> bool:
    """Of a task that knows no success, survival."""
    return row["survived"] if row["success"] is None else row["success"]


def distinct(rows: list[Row]) -> list[Row]:
    """One row of each episode: rows of an undisturbed one differ in their axis only."""
    episodes = {}
    for row in rows:
        place = (row["axis"], row["severity"], row["case"]) if disturbed(row) else ()
        start = row["seed"], row["sim"], row["index"]
        episodes.setdefault((row["policy"], row["mode"], *place, *start), row)
    return list(episodes.values())


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    centre = (hits + Z * Z / 2) / (count + Z * Z)
    half = Z / (count + Z * Z) * math.sqrt(hits * (count - hits) / count + Z * Z / 4)
    return 0.0 if hits == 0 else centre - half, 1.0 if hits == count else centre + half


def recomputed(rows: list[Row], suite: dict[str, Any]) -> Figures:
    """Name of a figure -> its value."""
    figures: Figures = {"episodes": len(distinct(rows))}
    of_mean = {row["policy"] for row in rows if row["mode"] == "mean"}
    pushed = {
        axis["name"]
        for axis in suite.get("axes", ())
        if any(each["by"].startswith("push ") for each in axis.get("breakdowns", ()))
    }
    for (policy, mode), share, count in splits(rows, suite):
        figures[f"{policy}: {mode}, first way"] = share
        figures[f"{policy}: {mode}, took either"] = count
    for policy in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == policy]
        if policy in of_mean:
            own = [row for row in own if row["mode"] == "mean"]
        figures |= {f"{policy}: {name}": value for name, value in of_policy(own, pushed).items()}
    return figures


def splits(rows: list[Row], suite: dict[str, Any]) -> list[tuple[tuple[str, str], float, int]]:
    """Policy and mode, its share of undisturbed episodes by the first of two ways, how many."""
    pictures = [
        each["picture"] for axis in suite.get("axes", ()) for each in axis.get("breakdowns", ())
    ]
    plan = suite.get("floor_plan")
    if plan is None or "paths" not in pictures:
        return []
    chosen = defaultdict(list)
    for row in distinct(rows):
        way = row["metrics"].get(plan["chosen"])
        if way is not None and row["mode"] != "baseline" and not disturbed(row):
            chosen[row["policy"], row["mode"]].append(way)
    return [(who, float(np.mean(took)), len(took)) for who, took in chosen.items()]


def of_policy(rows: list[Row], pushed: set[str]) -> Figures:
    """The figures of one policy or baseline."""
    undisturbed = [success(row) for row in distinct(rows) if not disturbed(row)]
    figures: Figures = {}
    if undisturbed:
        figures["undisturbed"] = float(np.mean(undisturbed))
        ends = wilson(sum(undisturbed), len(undisturbed))
        figures["undisturbed, low"], figures["undisturbed, high"] = ends
        figures["undisturbed, episodes"] = len(undisturbed)
    conditions = defaultdict(list)
    for row in rows:
        conditions[row["axis"], row["severity"]].append(row)
    for (axis, severity), own in conditions.items():
        hits = [success(row) for row in own]
        if not any(map(disturbed, own)):
            hits = undisturbed  # all that there are of this condition
        figures[f"{axis} {severity:g}"] = float(np.mean(hits))
        figures[f"{axis} {severity:g}, episodes"] = len(hits)
    rows = [row for row in rows if not row["round"]]  # the others count for curves alone
    axes = defaultdict(list)
    for row in filter(disturbed, rows):
        axes[row["axis"]].append(success(row))
    if axes:
        figures["disturbed"] = float(np.mean([np.mean(hits) for hits in axes.values()]))
    for axis in pushed:
        pushes = [p for row in rows if row["axis"] == axis for p in row["pushes"] if p["impulse"]]
        if pushes:
            back = [p["recovered"] and p["seconds"] is not None for p in pushes]
            figures[f"{axis}, recovered"], figures[f"{axis}, pushes"] = sum(back), len(back)
    return figures


def flat(said: dict[str, Any]) -> Figures:
    """What the report says, under the same names."""
    figures: Figures = {"episodes": said["episodes"]}
    for policy, own in said["policies"].items():
        found: Figures = {}
        if own["undisturbed"]:
            names = ("undisturbed", *(f"undisturbed, {n}" for n in ("low", "high", "episodes")))
            found |= dict(zip(names, own["undisturbed"], strict=True))
        if own["disturbed"]:
            found["disturbed"] = own["disturbed"][0]
        for axis, shares in own["axes"].items():
            for severity, (share, count) in shares.items():
                found |= {f"{axis} {severity}": share, f"{axis} {severity}, episodes": count}
        for mode, split in own["ways"].items():
            share, *_, count = split["first"]
            found |= {f"{mode}, first way": share, f"{mode}, took either": count}
        for axis, (back, count) in own["recovered"].items():
            found |= {f"{axis}, recovered": back, f"{axis}, pushes": count}
        figures |= {f"{policy}: {name}": value for name, value in found.items()}
    return figures


def main() -> None:
    """Print a table for people, then one JSON object for scripts."""
    parser = argparse.ArgumentParser(description="Headline figures, recomputed from rows.")
    parser.add_argument("results", type=Path, metavar="DIRECTORY", help="of evaluate --suite")
    parser.add_argument("--said", type=Path, help="what evaluate --suite --json printed")
    arguments = parser.parse_args()
    lines = (arguments.results / "episodes.jsonl").read_text().splitlines()
    suite = json.loads((arguments.results / "suite.json").read_text())
    found, said = recomputed([json.loads(line) for line in lines], suite), None
    if arguments.said:
        said = flat(json.loads(arguments.said.read_text())["figures"])
    differing = 0
    for name in dict.fromkeys([*found, *(said or ())]):
        own = found.get(name, math.nan)
        line = f"{name:<48}{own:>12.6g}"
        if said is not None:
            other = said.get(name, math.nan)
            same = abs(own - other) <= TOLERANCE
            differing += not same
            line += f"{other:>12.6g}{'' if same else f'  differs by {own - other:.3g}'}"
        print(line)
    print(json.dumps({"figures": len(found), "compared": said is not None, "differing": differing}))
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
