"""How many CPUs and how much memory this process may use, which a container limits."""

import os
from pathlib import Path

import psutil

from robo_maxent.errors import UsageError

OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of control groups, which containers set."""

_asked = 0

MOST_THREADS = 4096
"""More threads than any machine has CPUs for."""


def use_threads(count: int) -> None:
    """Set how many threads this process computes with from now on; 0: one per CPU.

    Raises:
        UsageError: ``count`` is below 0, or more than any machine has CPUs for.
    """
    global _asked
    require_threads(count)
    _asked = count


def require_threads(count: int) -> None:
    """Check how many threads are asked for.

    Raises:
        UsageError: ``count`` is below 0, or more than any machine has CPUs for.
    """
    if not 0 <= count <= MOST_THREADS:
        raise UsageError(f"threads must be in 0..{MOST_THREADS}, got {count}; 0 is one per CPU")


def threads() -> int:
    """Threads to compute with: as many as were asked for, else one per CPU."""
    return _asked or cpus()


def cpus() -> int:
    """CPUs that this process may use: fewer than there are under taskset or in a container."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    for group in _groups("cpu"):
        period = _number(group, "cpu.max", 1) or _number(group, "cpu.cfs_period_us")
        quota = _number(group, "cpu.max") or _number(group, "cpu.cfs_quota_us")
        if quota and period and quota > 0:
            count = min(count, max(quota // period, 1))
    return count


def available_memory() -> int:
    """Memory that this process may take without swapping, bytes."""
    available = psutil.virtual_memory().available
    for group in _groups("memory"):
        limit = _number(group, "memory.max") or _number(group, "memory.limit_in_bytes")
        used = _number(group, "memory.current") or _number(group, "memory.usage_in_bytes")
        if limit is not None and used is not None:
            available = min(available, max(limit - used + _reclaimable(group), 0))
    return available


def _groups(controller: str) -> list[Path]:
    """Directories of the groups that limit this process, of either version, inner ones first."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:  # another system
        return []
    groups = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = GROUPS / controller if controllers else GROUPS
        own = root / path.lstrip("/")
        groups += [group for group in (own, *own.parents) if group.is_relative_to(root)]
    return groups


def _number(group: Path, file: str, place: int = 0) -> int | None:
    """A number in a file of a control group; None if there is no such file or no limit."""
    try:
        word = (group / file).read_text().split()[place]
    except (OSError, IndexError):
        return None
    return None if word == "max" else int(word)


def _reclaimable(group: Path) -> int:
    """Memory of cached files, which is freed as soon as somebody needs it, bytes."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(maxsplit=1) for line in lines)
    return int(values.get("total_inactive_file", values.get("inactive_file", 0)))
