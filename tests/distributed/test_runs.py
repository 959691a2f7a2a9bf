"""Training runs on Ray: they tell of themselves, end, and stop with a checkpoint."""

import time
from pathlib import Path

import pytest
from inline_workers import small_order

from robo_maxent.distributed.cluster import connected
from robo_maxent.distributed.runs import RayWorkers
from robo_maxent.errors import UsageError
from robo_maxent.sweeps.processes import News
from robo_maxent.sweeps.run import Ended, Progress, read_result

pytest.importorskip("ray", reason="Ray is not installed: pip install 'robo-maxent[ray]'")

SOON = 300.0
"""Longest wait for what takes a few seconds, s."""


def test_a_run_on_ray_ends_and_another_is_stopped_with_a_checkpoint(tmp_path: Path) -> None:
    short = small_order(tmp_path, "short")
    endless = small_order(tmp_path, "long", steps=None, minutes=5.0)
    with connected("ray") as cluster:
        workers = RayWorkers(cluster)
        assert workers.cpus >= 1
        workers.require_shared(tmp_path)
        with pytest.raises(UsageError, match=r"does not see .*elsewhere, where runs are to be"):
            workers.require_shared(tmp_path / "elsewhere")
        news: list[News] = []
        deadline = time.monotonic() + SOON

        def wait_for(name: str, kind: type[Progress] | type[Ended]) -> None:
            while not any(each[0] == name and isinstance(each[1], kind) for each in news):
                assert time.monotonic() < deadline, news
                news.extend(workers.wait(1.0))

        workers.start(short)
        wait_for("short", Ended)
        workers.start(endless)
        wait_for("long", Progress)
        workers.stop("long")
        wait_for("long", Ended)
        workers.close()
    ended = {name: each for name, each in news if isinstance(each, Ended)}
    assert ended["short"].result == read_result(short.directory)
    assert ended["long"] == Ended()
    assert "evaluating 1 fresh episodes" in short.log.read_text()
    assert (endless.directory / "checkpoint/latest").is_file()
