"""What this machine can do, and the exact fix for what it can't.

MuJoCo is imported only once the installed versions are known to work together.
"""

import importlib.util
import os
import platform
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

import psutil
import torch

from robo_maxent import machine, versions
from robo_maxent.errors import IncompatibleVersionsError, RenderingError
from robo_maxent.learning import hardware, native

DISTRIBUTION = "robo-maxent"
OF_DEVELOPERS = ("dev", "docs", "bench")
"""Extras that no user needs."""
SMALLEST_MEMORY = 2e9  # bytes: torch, MuJoCo and a replay of a million transitions

SAMPLES = {
    "mujoco": ("quadruped-flat", "arm-push"),
    "gymnasium-robotics": ("gym:FetchReach-v4", "gym:HandReach-v3", "gym:FrankaKitchen-v1"),
    "dm-control": ("gym:dm_control/cartpole-balance-v0",),
}
"""Package -> tasks that show whether it works with the others."""


@dataclass(frozen=True)
class Check:
    """What was found of one thing that a run depends on."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def examine() -> list[Check]:
    """Examine everything that a run depends on, a check each."""
    return [
        _python(),
        _system(),
        _versions(),
        _simulations(),
        _rendering(),
        _extras(),
        _threads(),
        _gpu(),
        _compiled(),
        _precision(),
        _memory(),
    ]


def _python() -> Check:
    return Check("python", True, f"{platform.python_version()}, {sys.executable}")


def _system() -> Check:
    name = platform.system()
    if name == "Linux":
        with suppress(OSError):
            name = platform.freedesktop_os_release()["PRETTY_NAME"]
    return Check("system", True, f"{name}, {platform.platform()}")


def _versions() -> Check:
    try:
        versions.require_compatible()
    except IncompatibleVersionsError as error:
        found, _, fix = str(error).partition(" Tested set: ")
        return Check("versions", False, found, fix)
    packages = ("mujoco", "torch", "numpy", *list(versions.TESTED)[1:])
    present = [f"{name} {v}" for name in packages if (v := versions.installed(name))]
    return Check("versions", True, ", ".join(present))


def _extras() -> Check:
    """Extras that are installed, and what installs the others; those of developers are left out."""
    packages: dict[str, list[str]] = {}
    for requirement in metadata.requires(DISTRIBUTION) or ():
        found = re.match(r"([\w.-]+).*extra == ['\"](\w+)['\"]", requirement)
        if found and found[2] not in OF_DEVELOPERS:
            packages.setdefault(found[2], []).append(found[1])
    missing = [
        extra for extra, names in packages.items() if not all(map(versions.installed, names))
    ]
    present = ", ".join(sorted(packages.keys() - missing)) or "none is installed"
    fixes = [f"pip install '{DISTRIBUTION}[{extra}]'" for extra in sorted(missing)]
    return Check("extras", True, present, "; ".join(fixes))


def _simulations() -> Check:
    """Whether a step can be made of each kind, since versions that are allowed may not fit."""
    if versions.problems():
        return Check("simulations", False, "not tried: fix the versions first")
    try:
        importlib.import_module("robo_maxent.sim.physics")
    except RenderingError as error:
        return Check("simulations", False, f"not tried: {error}")
    if importlib.util.find_spec("robo_maxent.tasks") is None:
        return Check("simulations", False, versions.SHADOWED, versions.INSTALL)
    names = [
        name for package, ids in SAMPLES.items() if versions.installed(package) for name in ids
    ]
    failures = [failure for failure in map(_failure, names) if failure is not None]
    if failures:
        pins = " ".join(f"{package}=={version}" for package, version in versions.TESTED.items())
        return Check("simulations", False, "; ".join(failures), f"pip install {pins}")
    return Check("simulations", True, f"{', '.join(names)} make a step")


def _failure(name: str) -> str | None:
    """Why a task can't be simulated; None: it can."""
    try:
        from robo_maxent.cli.arguments import make

        task = make(name, {})
        env = task.evaluation_env(1, seed=0)
        try:
            env.reset()
            env.step(task.action_space.first(1))
        finally:
            env.close()
    except Exception as error:  # whatever packages that do not fit meet in each other
        return f"{name}: {' '.join(str(error).split()) or type(error).__name__}"
    return None


def _rendering() -> Check:
    if versions.problems():
        return Check("rendering", False, "not tried: fix the versions first")
    from robo_maxent.rendering.backend import find_backend

    try:
        return Check("rendering", True, f"{find_backend()} works")
    except RenderingError as error:  # which holds the fix
        return Check("rendering", False, str(error))


def _threads() -> Check:
    cpus, present = machine.cpus(), os.cpu_count()
    fewer = f"; the machine has {present}, a container or taskset allows no more"
    found = f"{cpus} CPUs to use{fewer if cpus != present else ''}"
    load = psutil.getloadavg()[0]
    if load <= (present or cpus):
        return Check("threads", True, found)
    busy = f"; {load:.0f} processes want one (load average), so trainings take longer"
    return Check("threads", True, f"{found}{busy}", "--threads 1 does not wait for a second core")


def _gpu() -> Check:
    idle = f"; {torch.cuda.get_device_name()} stays idle" if torch.cuda.is_available() else ""
    return Check("gpu", True, f"none is used: everything runs on the CPU{idle}")


def _compiled() -> Check:
    library, said = native.state()
    return Check("compiler", True, said, "" if library else "apt-get install -y gcc")


def _precision() -> Check:
    chosen, compiled = native.precision_of("auto", known=True)
    if hardware.has_amx():
        reason = "AMX multiplies bf16 faster"
    elif compiled:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in native.rates().items())
        reason = f"products of matrices on one core, Gflop/s: {rates}"
    else:
        reason = "bf16 is rounded by hand in torch, slower"
    capability = torch.backends.cpu.get_cpu_capability()
    return Check("precision", True, f"auto is {chosen} on this {capability} CPU: {reason}")


def _memory() -> Check:
    free = machine.available_memory()
    found = f"{free / 1e9:.1f} GB available"
    if free < SMALLEST_MEMORY:
        return Check("memory", False, found, "free some, or train with a smaller --replay-capacity")
    return Check("memory", True, found)
