"""Write ``corpus.json``: what goes wrong on a command line and in files, one input each.

python tests/faults/make_corpus.py
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fault_world import CORPUS, RUN, SUITE, TRAIN, Fault

BASE = (*TRAIN, "--out", "new")
EVALUATE = ("evaluate", RUN, "--episodes", "2")
NO_NUMBERS = ("", "abc", "nan", "1,5", "--")
NO_SIZES = (*NO_NUMBERS, "-1", "0", "inf", "1e3", "1.5", "99999999999999999999999")
NO_RATES = (*NO_NUMBERS, "-1", "0", "inf", "-inf")

# Option of train -> values that are none, beside those that are no numbers.
TRAIN_SIZES = ("--envs", "--width", "--batch-size")
TRAIN_RATES = ("--learning-rate", "--initial-alpha", "--save-seconds", "--minutes")
TRAIN_OTHERS = {
    "--seed": ("-1", "1.5"),
    "--evaluate-every": ("-1", "0", "1.5", "abc"),
    "--evaluation-episodes": ("-1", "1.5", "abc", "99999999999999999999999"),
    "--threads": ("-1", "1.5"),
    "--gamma": ("-0.1", "0", "1.5", "inf"),
    "--tau": ("-0.1", "0", "1.5", "inf"),
    "--weight-decay": ("-1", "inf"),
    "--alpha-learning-rate": ("-1", "inf"),
    "--target-entropy-per-action": ("inf", "-inf"),
    "--relabelled": ("-0.1", "1.1", "inf"),
    "--preset": ("", "fast"),
    "--precision": ("", "fp8"),
    "--randomize": ("", "extreme"),
    "--level": ("3",),
    "--terrain": ("stairs", "bumps"),
    "--robot": ("nowhere.xml", RUN, f"{RUN}/config.json"),
    "--action-repeat": ("2",),
}
EVALUATIONS = {
    "--episodes": ("0", "-1", "1.5", "nan", "abc", ""),
    "--seed": ("-1", "1.5", "nan", "abc", ""),
    "--suite": ("", "huge", "QUICK"),
    "--axes": ("push",),
    "--task": ("", "arm-throw", "gym:", "gym:Nothing-v0", "quadruped-flat"),
    "--out": (RUN, f"{RUN}/config.json", f"{RUN}/policy.safetensors", "n" * 300),
    "--level": ("11", "-1", "a"),
    "--terrain": ("stairs", "nothing"),
    "--normalize": ("nothing.pkl",),
    "--robot": ("nowhere.xml",),
}
SUITES = {
    "--axes": ("nothing", "push", ""),
    "--clips": ("-1", "a", "nan"),
    "--out": (f"{RUN}/config.json", RUN),
    "--seed": ("-1", "a"),
}
RECORDS = {
    "--seconds": ("0", "-1", "nan", "abc"),
    "--camera": ("", "nowhere", "Side"),
    "--seed": ("-1", "abc", "1.5"),
    "--task": ("arm-throw", "quadruped-flat"),
    "--out": (RUN, f"{RUN}/policy.safetensors", "film.txt", "film"),
}
WORDS = (
    ("train",),
    ("train", "arm-reach"),
    ("train", "arm-throw", "--steps", "8"),
    ("train", "gym:", "--steps", "8"),
    ("train", "gym:Nothing-v0", "--steps", "8"),
    ("train", "gym:nothing:Id-v0", "--steps", "8"),
    ("train", "arm-reach", "--steps", "8", "--minutes", "1"),
    ("train", "--resume", "nowhere", "--steps", "8"),
    ("train", "--resume", SUITE, "--steps", "8"),
    ("train", "--resume", RUN),
    ("train", "--resume", RUN, "--steps", "8", "--out", "new"),
    ("train", "--resume", RUN, "--steps", "8", "--randomize", "hard"),
    ("train", "quadruped-flat", "--resume", RUN, "--steps", "8"),
    (*TRAIN, "--out", RUN),
    (*TRAIN, "--out", SUITE),
    (*TRAIN, "--out", f"{RUN}/config.json"),
    (*TRAIN, "--out", "."),
    (*TRAIN, "--out", ""),
    (*TRAIN, "--out", "/proc/here"),
    (*TRAIN, "--out", "n" * 300),
    ("evaluate",),
    ("evaluate", ""),
    ("evaluate", "nowhere"),
    ("evaluate", SUITE),
    ("evaluate", "."),
    ("evaluate", f"{RUN}/config.json"),
    ("evaluate", f"{RUN}/metrics.jsonl"),
    ("evaluate", "nothing:act", "--task", "arm-reach"),
    ("evaluate", "json:nothing", "--task", "arm-reach"),
    ("evaluate", "json:loads"),
    ("evaluate", "math:sqrt", "--task", "arm-reach", "--episodes", "1"),
    ("evaluate", RUN, RUN, "--out", "rows.jsonl"),
    ("evaluate", RUN, RUN, "--suite", "nominal", "--clips", "0", "--out", "both"),
    ("record",),
    ("record", "nowhere"),
    ("record", "nothing:act", "--task", "arm-reach"),
    ("record", RUN, "--tour"),
    ("replay",),
    ("replay", "nowhere", "--row", "a"),
    ("replay", SUITE),
    ("replay", SUITE, "--row", "nothing"),
    ("replay", RUN, "--row", "nothing"),
    ("export",),
    ("export", "nowhere"),
    ("export", SUITE),
    ("export", "json:loads"),
    ("terrain", "--seed", "-1"),
    ("terrain", "--seed", "a"),
    ("terrain", "--out", RUN),
    ("tasks", "all"),
    ("doctor", "--all"),
    ("demo", "leg"),
    ("fly",),
    ("--verbose",),
)
FINE = (
    ("--version",),
    ("tasks",),
    EVALUATE,
    (*BASE, "--steps", "64"),
    (*BASE, "--evaluation-episodes", "0"),
    ("record", RUN, "--seconds", "0.0001"),
    ("train", "--resume", RUN, "--steps", "64"),
    ("evaluate", f"{RUN}/policy.safetensors", "--task", "arm-reach", "--episodes", "2"),
)

CUTS, FLIPS = (0.0, 0.02, 0.3, 0.99), (0.0, 0.001, 0.02, 0.5, 0.999)
NO_JSON = ("", "{", "[]", "null", "3", '"run"', "{}", "\ufeff{}", "NaN", "[" * 3000)
WRONG: tuple[Any, ...] = (None, [], {}, "x", -1, 1.5, True)


def refused(args: tuple[str, ...], option: str, values: tuple[str, ...]) -> Iterator[Fault]:
    """An option with each of some values."""
    for value in values:
        yield Fault(f"{args[0]} {option} {value!r}", (*args, option, value))


def command_lines() -> Iterator[Fault]:
    """Words and values."""
    for option in TRAIN_SIZES:
        yield from refused(BASE, option, NO_SIZES)
    for option in TRAIN_RATES:
        yield from refused(BASE, option, NO_RATES)
    for option, values in TRAIN_OTHERS.items():
        yield from refused(BASE, option, values)
    for option, values in EVALUATIONS.items():
        yield from refused(EVALUATE, option, values)
    for option, values in SUITES.items():
        yield from refused(("evaluate", RUN, "--suite", "nominal"), option, values)
    for option, values in RECORDS.items():
        yield from refused(("record", RUN), option, values)
    for words in WORDS:
        yield Fault(" ".join(words) or "nothing", words)
    for words in FINE:
        yield Fault(f"fine: {' '.join(words)}", words, accepted=True)


def damaged(name: str, args: tuple[str, ...], file: str, *ways: dict[str, Any]) -> Iterator[Fault]:
    """A file damaged in each of some ways."""
    for way in ways:
        said = ", ".join(f"{key} {str(value)[:40]}" for key, value in way.items())
        yield Fault(f"{name}: {said}", args, file, way)


BROKEN = (
    *({"cut": share} for share in CUTS),
    *({"flip": share} for share in FLIPS),
    *({"text": "not what it should be"}, {"folder": True}, {"remove": True}),
)
BROKEN_JSON = (*({"text": text} for text in NO_JSON), {"bytes": [0xFF, 0xFE, 0x00]})
RESUME = ("train", "--resume", RUN, "--steps", "64")
REPLAY = ("replay", SUITE, "--row", "run/mean/nominal/0/-/1-0-0")


def policies() -> Iterator[Fault]:
    """Damaged policies, ours and others'."""
    policy = f"{RUN}/policy.safetensors"
    for command in (("evaluate", RUN, "--episodes", "1"), ("export", RUN), ("record", RUN)):
        yield from damaged(f"{command[0]}, policy", command, policy, *BROKEN[:4], *BROKEN[-3:])
    yield from damaged("policy", EVALUATE, policy, *({"flip": at} for at in (0.0, 0.001, 0.005)))
    others = ("other.zip", "other.onnx", "other.pt", "other.pth", "other.npz", "other.safetensors")
    for file in others:
        ways = [{"text": "not what it should be"}, {"text": ""}, {"folder": True}]
        command = ("evaluate", file, "--task", "arm-reach", "--episodes", "1")
        yield from damaged(f"policy {file}", command, file, *ways)


def runs() -> Iterator[Fault]:
    """Damaged configurations and checkpoints, and robots that are none."""
    config = f"{RUN}/config.json"
    for command in (EVALUATE, RESUME):
        yield from damaged(f"{command[0]}, config", command, config, *BROKEN_JSON, *BROKEN[-2:])
        for key in ("task", "randomization"):
            wrong = [{"json": [key], "value": value} for value in WRONG if value not in (None, {})]
            yield from damaged(f"{command[0]}, config", command, config, *wrong)
    for key in ("seed", "envs", "replay_capacity", "sac", "symmetric"):
        ways = [{"json": ["train", key], "value": value} for value in ([], {}, "x", None)]
        yield from damaged("resume, config", RESUME, config, *ways)
    for file in ("learner.pt", "env.npz", "replay.npz", "loop.json"):
        found = f"{RUN}/checkpoint/0*/{file}"
        yield from damaged(f"checkpoint {file}", RESUME, found, *BROKEN[:7], *BROKEN[-1:])
    latest = [{"text": text} for text in ("", "7", "../..", "x" * 300, "000000000064\n\n")]
    yield from damaged("latest", RESUME, f"{RUN}/checkpoint/latest", *latest)
    robots = ("", "<mujoco/>", "<mujoco>", "<robot/>", "<mujoco><worldbody/></mujoco>")
    command = ("evaluate", RUN, "--episodes", "1", "--robot", "robot.xml")
    yield from damaged("robot", command, "robot.xml", *({"text": text} for text in robots))


def suites() -> Iterator[Fault]:
    """Damaged stress tests."""
    again = ("evaluate", RUN, "--suite", "nominal", "--clips", "0", "--out", SUITE)
    for command in (again, REPLAY):
        yield from damaged(f"{command[0]}, suite", command, f"{SUITE}/suite.json", *BROKEN_JSON)
    for key in ("task", "policies", "format", "seed"):
        ways = [{"json": [key], "value": value} for value in ([], {}, "x", 1.5)]
        yield from damaged("replay, suite", REPLAY, f"{SUITE}/suite.json", *ways)
    rows = [{"text": text} for text in ("", "{\n", "[]\n", "{}\n", "null\n")] + [{"remove": True}]
    yield from damaged("replay, rows", REPLAY, f"{SUITE}/episodes.jsonl", *rows)
    for key in ("seed", "params", "policy", "mode", "sim", "severity", "axis", "pushes"):
        ways = [{"line": 0, "json": [key], "value": value} for value in ([3], {"a": 1}, "x")]
        if key not in ("mode", "pushes"):  # which have a usual value
            ways.append({"line": 0, "json": [key], "drop": True})
        yield from damaged("replay, rows", REPLAY, f"{SUITE}/episodes.jsonl", *ways)


def main() -> None:
    """Write them, each name once."""
    every = (*command_lines(), *policies(), *runs(), *suites())
    faults = {fault.name: fault for fault in every}
    plain = [{k: v for k, v in asdict(fault).items() if v} for fault in faults.values()]
    lines = ",\n".join(json.dumps(each, ensure_ascii=True) for each in plain)
    CORPUS.write_text(f"[\n{lines}\n]\n")
    print(f"{len(faults)} inputs in {CORPUS}")


if __name__ == "__main__":
    main()
