"""A run of a sweep: what was interrupted goes on as if it had not been, and is judged alike."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from inline_workers import ENVS, small_order

from robo_maxent.errors import RoboMaxentError, UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.files import locked
from robo_maxent.learning.policy import Policy
from robo_maxent.sweeps import run
from robo_maxent.sweeps.run import Ended, Order, Progress, Result, perform, read_result
from robo_maxent.training import checkpoint
from robo_maxent.training.metrics import STEP, read


def silent(progress: Progress) -> None:
    """Nobody listens."""


def terminated_at(steps: int) -> Callable[[Progress], None]:
    """Whoever listens ends the run, as the parent of its process would."""
    pending = [True]

    def report(progress: Progress) -> None:
        if progress.steps >= steps and pending and progress.fraction < 1.0:
            pending.clear()
            signal.raise_signal(signal.SIGTERM)

    return report


def weights(order: Order) -> dict[str, torch.Tensor]:
    learner = checkpoint.load(order.directory / "checkpoint").learner
    return {name: value for name, value in learner.items() if isinstance(value, torch.Tensor)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Order, Result]:
    """A run that nothing interrupted."""
    order = replace(small_order(tmp_path_factory.mktemp("whole")), keep_checkpoint=True)
    said: list[Progress] = []
    ended = perform(order, said.append)
    assert ended.result is not None
    fractions = [progress.fraction for progress in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {progress.evaluated_at for progress in said} >= {16 * ENVS, 32 * ENVS}
    return order, ended.result


def test_a_run_that_was_stopped_twice_ends_as_if_it_had_not_been(
    whole: tuple[Order, Result], tmp_path: Path
) -> None:
    order = replace(small_order(tmp_path), keep_checkpoint=True)
    for steps in (16 * ENVS, 32 * ENVS):  # where an evaluation tells of itself
        assert perform(order, terminated_at(steps)) == Ended()
        assert read_result(order.directory) is None
    first, said = perform(order, silent), []
    assert first.result is not None
    assert replace(first.result, seconds=0.0) == replace(whole[1], seconds=0.0)
    ours, theirs = weights(order), weights(whole[0])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert perform(order, said.append) == first  # its budget is spent: it is judged again
    assert len(said) == 1


def test_a_run_is_judged_as_evaluate_judges_it(whole: tuple[Order, Result]) -> None:
    order, result = whole
    policy = Policy.load(order.directory / "policy.safetensors")
    (episode,) = evaluate(policy, order.make_task(), episodes=1, seed=1)
    assert (result.mean_return, result.success) == (episode.reward, float(episode.success or 0))
    assert result.steps == 40 * ENVS
    assert read_result(order.directory) == result


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    whole: tuple[Order, Result], tmp_path: Path
) -> None:
    order = small_order(tmp_path)

    def killed(progress: Progress) -> None:
        if progress.evaluated_at > 0:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        perform(order, killed)
    assert (order.directory / "policy.safetensors").is_file()
    assert not (order.directory / "checkpoint").exists()
    result = perform(order, silent).result
    assert result is not None
    assert result.mean_return == whole[1].mean_return
    steps = [row[STEP] for row in read(order.directory / "metrics.jsonl")]
    assert steps == sorted(steps)
    assert not (order.directory / "checkpoint").exists()  # as large as the replay, and of no use


def test_minutes_that_a_run_has_spent_are_not_spent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small_order(tmp_path, steps=None, minutes=10.0)
    spent: dict[str, Any] = {"control_steps": 7, "best_score": [], "seconds": 360.0}
    spent |= {"action_rng": {}, "replay_rng": {}}
    place = order.directory / "checkpoint" / f"{7 * ENVS:012d}"
    place.mkdir(parents=True)
    (place / "loop.json").write_text(json.dumps(spent))
    (place.parent / "latest").write_text(place.name)
    assert run._spent(order) == (0.6, 7 * ENVS)
    assert run._left(order.config, 0.6).minutes == pytest.approx(4.0)


def test_a_run_waits_for_the_process_that_lets_go_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small_order(tmp_path)
    order.directory.mkdir(parents=True)
    monkeypatch.setattr(run, "LET_GO_SECONDS", 0.05)
    lock = locked(order.directory, "")
    with pytest.raises(RoboMaxentError, match="seed-0 is being trained by another process"):
        perform(order, silent)
    lock.release()


def test_a_run_that_another_process_is_about_to_begin_is_not_begun_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = small_order(tmp_path / "new")
    order.lock.parent.mkdir(parents=True)
    monkeypatch.setattr(run, "LET_GO_SECONDS", 0.05)
    with (
        FileLock(order.lock),
        pytest.raises(RoboMaxentError, match="seed-0 is being trained by another process"),
    ):
        perform(order, silent)
    assert not order.directory.exists()


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"steps": 3')
    with pytest.raises(UsageError, match=r"result.json is damaged .*: delete it, and the run is"):
        read_result(tmp_path)


def test_the_checkpoint_knows_how_long_a_run_took(whole: tuple[Order, Result]) -> None:
    loop = checkpoint.load_loop(whole[0].directory / "checkpoint")
    assert loop is not None
    assert loop.control_steps == 40
    assert 0.0 < loop.seconds < 600.0
    assert np.isclose(whole[1].seconds, loop.seconds, atol=0.06)
