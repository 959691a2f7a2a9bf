"""What a container allows is what is used, whichever version of control groups limits it."""

import os
from pathlib import Path

import psutil
import pytest

from robo_maxent import machine
from robo_maxent.errors import UsageError
from robo_maxent.training.config import TrainConfig

GB = 1_000_000_000
FREE = psutil.virtual_memory()._replace(available=8 * GB)
V1 = "4:memory:/docker/a\n3:cpu,cpuacct:/docker/a\n1:name=systemd:/\n0::/"
UNLIMITED = "9223372036854771712"  # what version 1 says where there is no limit


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 CPUs and 8 GB that are free, whose control groups are files here."""
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_asked", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: FREE)
    return tmp_path


def written(directory: Path, own: str, files: dict[str, str]) -> None:
    (directory / "own").write_text(own)
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.mark.parametrize(
    ("own", "files", "cpus"),
    [
        ("0::/", {"cpu.max": "350000 100000"}, 3),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 16),
        ("0::/", {"cpu.max": "9900000 100000"}, 16),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        (V1, {"cpu/docker/a/cpu.cfs_quota_us": "-1", "cpu/docker/a/cpu.cfs_period_us": "1"}, 16),
        ("", {}, 16),
    ],
)
def test_cpus_are_those_of_the_container(
    limited: Path, own: str, files: dict[str, str], cpus: int
) -> None:
    written(limited, own, files)
    assert machine.cpus() == cpus


@pytest.mark.parametrize(
    ("own", "files", "available"),
    [
        ("0::/", {"memory.max": f"{4 * GB}", "memory.current": f"{GB}"}, 3 * GB),
        ("0::/", {"memory.max": "max", "memory.current": f"{GB}"}, 8 * GB),
        ("0::/", {"memory.max": f"{GB}", "memory.current": f"{2 * GB}"}, 0),
        ("0::/", {"memory.max": f"{64 * GB}", "memory.current": "0"}, 8 * GB),
        (
            "0::/a",
            {
                "a/memory.max": f"{4 * GB}",
                "a/memory.current": f"{3 * GB}",
                "a/memory.stat": f"anon {GB}\ninactive_file {2 * GB}\n",
            },
            3 * GB,
        ),
        (
            V1,
            {
                "memory/docker/a/memory.limit_in_bytes": f"{2 * GB}",
                "memory/docker/a/memory.usage_in_bytes": f"{GB}",
                "memory/memory.limit_in_bytes": UNLIMITED,
                "memory/memory.usage_in_bytes": f"{5 * GB}",
            },
            GB,
        ),
        ("", {}, 8 * GB),
    ],
)
def test_memory_is_what_the_container_leaves(
    limited: Path, own: str, files: dict[str, str], available: int
) -> None:
    written(limited, own, files)
    assert machine.available_memory() == available


def test_elsewhere_than_on_linux_there_are_no_groups(limited: Path) -> None:
    assert (machine.cpus(), machine.available_memory()) == (16, 8 * GB)


def test_threads_are_those_that_were_asked_for(limited: Path) -> None:
    assert machine.threads() == 16
    machine.use_threads(3)
    assert machine.threads() == 3
    assert machine.cpus() == 16
    for count in (-1, 10**20):
        with pytest.raises(UsageError, match=rf"threads must be in 0..4096, got {count}; 0 is one"):
            machine.use_threads(count)
        with pytest.raises(UsageError, match=r"threads must be in 0..4096"):
            TrainConfig(threads=count)
