"""A folder with one of everything that the command line reads, and what is done to it."""

import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from robo_maxent.cli import main
from robo_maxent.cli.arguments import use_threads
from robo_maxent.learning.policy import Policy
from robo_maxent.perturbations.base import Share
from robo_maxent.report.rows import NOMINAL
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.stress_test import stress_test
from robo_maxent.robustness.suites import Suite
from robo_maxent.tasks import make

CORPUS = Path(__file__).parent / "faults" / "corpus.json"
WARM = ("training.train", "rendering.video", "interop.external_policies")
SECONDS = 60
"""After which an input counts as one that hangs."""
RUN, SUITE = "run", "suite"
TRAIN = (
    *("train", "arm-reach", "--steps", "800", "--envs", "8", "--random-steps", "20"),
    *("--evaluate-every", "400", "--evaluation-episodes", "2", "--replay-capacity", "2000"),
    *("--width", "8", "--threads", "1"),
)

Verdict = Literal["clear", "traceback", "hang", "silent", "lost", "refused"]
"""``clear`` is right. ``refused``: an input that should be accepted was not."""


@dataclass(frozen=True)
class Fault:
    """One input, and the verdict that it must get."""

    name: str
    args: tuple[str, ...]
    """Of the command line, in the folder."""
    file: str | None = None
    """What is damaged; None: nothing is."""
    damage: dict[str, Any] | None = None
    """How; see :func:`harm`."""
    accepted: bool = False
    """It is no fault: the command must end well."""
    says: str = ""
    """What the message must contain."""


@dataclass(frozen=True)
class Outcome:
    """What an input led to."""

    verdict: Verdict
    code: int
    message: str


def corpus() -> list[Fault]:
    """Every committed input."""
    listed = json.loads(CORPUS.read_text())
    return [Fault(**{**each, "args": tuple(each["args"])}) for each in listed]


def warm() -> None:
    """Import once what every command would import, before they are forked."""
    for module in WARM:
        importlib.import_module(f"robo_maxent.{module}")


def build(folder: Path) -> None:
    """Make a run, a stress test of it and its report, in a second or two of training."""
    warm()
    before = Path.cwd()
    os.chdir(folder)
    try:
        _require(call([*TRAIN, "--out", RUN]))
        _require(call(["evaluate", RUN, "--episodes", "4"]))
        _require(_forked(_small_suite))
    finally:
        os.chdir(before)


def _small_suite() -> None:
    use_threads(1)  # threads of OpenMP, where the process had some, do not survive a fork
    task = make("arm-reach")
    policy = PolicyUnderTest(RUN, Policy.load(f"{RUN}/policy.safetensors"), file=RUN)
    suite = Suite("nominal", "nothing is different", {NOMINAL: Share(4, 2)})
    stress_test(suite, task, [policy], SUITE, clips=0)


def _require(ended: tuple[int, str]) -> None:
    code, message = ended
    if code:
        raise RuntimeError(message)


def call(args: list[str]) -> tuple[int, str]:
    """Exit code and standard error of a command, run in a process forked from this one."""
    return _forked(lambda: main.main(args))


def _forked(work: Callable[[], None]) -> tuple[int, str]:
    captured = Path(f".stderr-{os.getpid()}")
    child = os.fork()
    if not child:
        _in_child(work, captured)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(SECONDS)
    try:
        status = os.waitpid(child, 0)[1]
    finally:
        signal.alarm(0)
    message = captured.read_text(errors="replace") if captured.exists() else ""
    captured.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status), message


def _in_child(work: Callable[[], None], captured: Path) -> None:
    """Do it and end, whatever it does."""
    with captured.open("w") as file, open(os.devnull, "w") as nothing:
        os.dup2(file.fileno(), 2)
        os.dup2(nothing.fileno(), 1)
        sys.stderr, sys.stdout = file, nothing
        code = 0
        try:
            work()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        except BaseException:
            traceback.print_exc(file=file)
            code = 1
        file.flush()
        os._exit(code)


def tried(fault: Fault, template: Path, scratch: Path) -> Outcome:
    """What an input leads to, in a copy of the folder."""
    folder = scratch / "world"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, symlinks=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        if fault.file is not None:
            harm(Path(fault.file), fault.damage or {})
        kept = digests(folder)
        code, message = call(list(fault.args))
        return Outcome(_verdict(fault, code, message, kept, digests(folder)), code, message)
    finally:
        os.chdir(before)


def _verdict(
    fault: Fault, code: int, message: str, kept: dict[str, str], now: dict[str, str]
) -> Verdict:
    if "Traceback (most recent call last)" in message:
        return "traceback"
    if code < 0:
        return "hang"
    if fault.accepted:
        return "clear" if code == 0 else "refused"
    if code == 0:
        return "silent"
    if any(now.get(name) != digest for name, digest in kept.items()):
        return "lost"
    return "clear" if code in (1, 2) and message.strip() and fault.says in message else "silent"


def digests(folder: Path) -> dict[str, str]:
    """Of every file but those that say that somebody is at work."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def harm(file: Path, damage: dict[str, Any]) -> None:
    """Damage a file.

    ``cut`` leaves that share of its bytes, ``flip`` changes one bit of the byte at that share,
    ``text`` and ``bytes`` replace it, ``remove`` takes it away, ``folder`` puts a directory in its
    place, ``json`` sets or (``drop``) removes what a path of keys leads to, of ``line``, if given.
    """
    found = sorted(Path().glob(str(file)))
    target = found[0] if found else file
    if "cut" in damage:
        data = target.read_bytes()
        target.write_bytes(data[: int(damage["cut"] * len(data))])
    elif "flip" in damage:
        data = bytearray(target.read_bytes())
        data[int(damage["flip"] * (len(data) - 1))] ^= 1 << damage.get("bit", 4)
        target.write_bytes(data)
    elif "text" in damage:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(damage["text"], encoding="utf-8")
    elif "bytes" in damage:
        target.write_bytes(bytes(damage["bytes"]))
    elif "remove" in damage:
        target.unlink()
    elif "folder" in damage:
        target.unlink(missing_ok=True)
        target.mkdir(parents=True)
    else:
        _harm_json(target, damage)


def _harm_json(target: Path, damage: dict[str, Any]) -> None:
    lines = target.read_text().splitlines() if "line" in damage else [target.read_text()]
    number = damage.get("line", 0)
    value = json.loads(lines[number])
    *way, last = damage["json"]
    place = value
    for key in way:
        place = place[key]
    if damage.get("drop"):
        del place[last]
    else:
        place[last] = damage["value"]
    lines[number] = json.dumps(value)
    target.write_text("\n".join(lines) + "\n")
