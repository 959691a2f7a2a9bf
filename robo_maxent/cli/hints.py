"""What a refused command line may have meant: a typing error, or another library's word."""

import contextlib
import difflib
import io
import itertools
import re
from collections.abc import Callable, Sequence

ELSEWHERE = {
    "--lr": "--learning-rate",
    "--total-timesteps": "--steps",
    "--timesteps": "--steps",
    "--max-steps": "--steps",
    "--n-timesteps": "--steps",
    "--n-envs": "--envs",
    "--num-envs": "--envs",
    "--buffer-size": "--replay-capacity",
    "--learning-starts": "--random-steps",
    "--gradient-steps": "--updates-per-step",
    "--utd-ratio": "--updates-per-step",
    "--hidden-size": "--width",
    "--polyak": "--tau, which is 1 less that",
    "--alpha": "--initial-alpha, which stays as it is with --alpha-learning-rate 0",
    "--ent-coef": "--initial-alpha, which stays as it is with --alpha-learning-rate 0",
    "--autotune": "--alpha-learning-rate, where 0 keeps the temperature as it is",
    "--target-entropy": "--target-entropy-per-action",
    "--n-eval-episodes": "--episodes, and in training --evaluation-episodes",
    "--eval-freq": "--evaluate-every",
    "--num-episodes": "--episodes, and in training --evaluation-episodes",
    "--n-episodes": "--episodes, and in training --evaluation-episodes",
    "--log-dir": "--out",
    "--tensorboard-log": "--out, where TensorBoard's events lie, too",
    "--output": "--out",
    "--track": "--wandb, which takes a project",
    "--wandb-project": "--wandb",
    "--wandb-project-name": "--wandb",
    "--load": "--resume",
    "--load-run": "--resume",
    "--checkpoint": "--resume",
    "--num-steps": "--steps",
    "--hidden-dim": "--width",
    "--domain-rand": "--randomize",
    "--env-kwargs": "--env-arg",
    "--num-threads": "--threads",
    "--n-threads": "--threads",
    "--save-dir": "--out",
    "--logdir": "--out",
    "--algo": "--preset",
}
"""Flags of other libraries, and what they are here."""
ABSENT = {
    "--env": "there is no flag: the task is the first word, as in train gym:HalfCheetah-v5",
    "--env-id": "there is no flag: the task is the first word, as in train gym:HalfCheetah-v5",
    "--device": "there is no choice: everything runs on the CPU",
    "--cuda": "there is no choice: everything runs on the CPU",
    "--gpu": "there is no choice: everything runs on the CPU",
}
"""Flags of other libraries that nothing corresponds to, and why."""

NOTHING = ("None", "null")
"""Values that no option has: what is not said is left out."""

FLAG = r"--[a-z][a-z0-9-]*"

Show = Callable[[list[str]], object]
"""Parses arguments, and prints the help if they ask for it."""


def hints(args: Sequence[str], commands: Sequence[str], show: Show) -> list[str]:
    """A sentence for each word of a refused command line that looks like another.

    Args:
        args: The command line, without the program's name.
        commands: The first words that there are.
        show: Prints the help of a command, given its name and ``--help``.
    """
    if not args or args[0].startswith("-"):
        return []
    if args[0] not in commands:
        close = difflib.get_close_matches(args[0], commands, n=1)
        return [f"{args[0]}: did you mean {close[0]}?"] if close else []
    flags = [arg.partition("=")[0].replace("_", "-") for arg in args if arg.startswith("--")]
    known = _flags(show, args[0])
    told = []
    for flag in dict.fromkeys(flag for flag in flags if flag not in known):
        if flag in ELSEWHERE:
            ours = re.findall(FLAG, ELSEWHERE[flag])
            there = "" if set(ours) & set(known) else f"; {args[0]} has no {ours[0]}"
            told.append(f"{flag} is here {ELSEWHERE[flag]}{there}")
        elif flag in ABSENT:
            told.append(f"{flag}: {ABSENT[flag]}")
        elif close := difflib.get_close_matches(flag[2:], [ours[2:] for ours in known], n=1):
            told.append(f"{flag}: did you mean --{close[0]}?")
    return told + [
        f"{flag} {value}: to say nothing, leave {flag} out"
        for flag, value in itertools.pairwise(arg for each in args for arg in each.split("=", 1))
        if value in NOTHING and flag in known
    ]


def _flags(show: Show, command: str) -> list[str]:
    """The flags of a command, as its help has them."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        show([command, "--help"])
    return sorted(set(re.findall(FLAG, text.getvalue())))
