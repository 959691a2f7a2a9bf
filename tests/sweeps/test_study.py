"""A search for settings: what is good is looked for, what is bad ends early, and it resumes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inline_workers import small_order

from robo_maxent.errors import UsageError
from robo_maxent.sweeps import study as module
from robo_maxent.sweeps.run import Order, Progress, Result
from robo_maxent.sweeps.runner import Standing
from robo_maxent.sweeps.settings import changed
from robo_maxent.sweeps.space import space_of
from robo_maxent.sweeps.study import Study
from robo_maxent.training.config import TrainConfig

pytest.importorskip("optuna")

SPACE = space_of(["sac.gamma=0.9..0.99", "envs=8,16"], TrainConfig(steps=1))


def order_of(directory: Path, number: int, changes: Mapping[str, Any]) -> Order:
    order = small_order(directory, f"trial-{number:04d}")
    return replace(order, config=changed(order.config, changes))


def running(order: Order, evaluation: int, mean_return: float) -> Standing:
    steps = evaluation * order.config.evaluate_every
    return Standing(order, "running", Progress(0.1 * evaluation, steps, steps, None, mean_return))


def finished(order: Order, mean_return: float) -> Standing:
    return Standing(order, "finished", result=Result(320, 1.0, None, mean_return, 1))


def searched(directory: Path, trials: int, seed: int = 0) -> Study:
    """A search in which a discount of 0.96 is best."""
    study = Study(directory, SPACE, seed)
    for order in study.orders(trials, lambda *each: order_of(directory, *each)):
        study.hear(finished(order, -abs(order.config.sac.gamma - 0.96)))
    return study


def test_it_looks_where_it_was_good(tmp_path: Path) -> None:
    trials = searched(tmp_path, 40).trials()
    errors = [-(trial.mean_return or 0.0) for trial in trials]
    first, last = errors[: module.RANDOM_TRIALS], errors[-module.RANDOM_TRIALS :]
    assert sum(last) < 0.5 * sum(first)
    assert trials[0].changes.keys() == SPACE.keys()


def test_a_search_that_was_killed_continues_with_what_ran(tmp_path: Path) -> None:
    study = Study(tmp_path, SPACE, seed=0)
    orders = study.orders(4, lambda *each: order_of(tmp_path, *each))
    first, second = next(orders), next(orders)
    study.hear(running(first, 1, 3.0))
    study.hear(finished(second, 5.0))  # and here the process is killed
    again = Study(tmp_path, SPACE, seed=0)
    rest = list(again.orders(4, lambda *each: order_of(tmp_path, *each)))
    assert [order.name for order in rest] == ["trial-0000", "trial-0002", "trial-0003"]
    assert rest[0].config == first.config
    assert len({order.config.sac.gamma for order in (second, *rest)}) == 4  # no draw is repeated
    assert again.hear(running(rest[0], 1, 4.0)).state == "running"  # known already
    for order in rest:
        again.hear(finished(order, 1.0))
    assert [(t.name, t.state, t.mean_return) for t in again.trials()] == [
        ("trial-0000", "complete", 1.0),
        ("trial-0001", "complete", 5.0),
        ("trial-0002", "complete", 1.0),
        ("trial-0003", "complete", 1.0),
    ]


def test_a_trial_below_the_median_is_pruned_and_its_checkpoint_goes(tmp_path: Path) -> None:
    study = Study(tmp_path, SPACE, seed=0)
    orders = study.orders(8, lambda *each: order_of(tmp_path, *each))
    for value in range(module.UNPRUNED_TRIALS):
        order = next(orders)
        for evaluation in range(1, 5):
            assert study.hear(running(order, evaluation, 10.0 + value)).state == "running"
        study.hear(finished(order, 10.0))
    good, bad = next(orders), next(orders)
    (bad.directory / "checkpoint").mkdir(parents=True)
    heard = [study.hear(running(bad, evaluation, 1.0)).state for evaluation in range(1, 4)]
    assert heard == ["running", "running", "pruned"]
    assert study.hear(running(bad, 4, 1.0)).state == "running"  # it is being stopped
    assert study.hear(Standing(bad, "stopped")).state == "pruned"
    assert not (bad.directory / "checkpoint").exists()
    assert [study.hear(running(good, e, 50.0)).state for e in range(1, 6)] == ["running"] * 5
    assert study.hear(Standing(good, "stopped")).state == "stopped"  # by Ctrl-C: it continues
    states = [trial.state for trial in study.trials()]
    assert states == ["complete"] * 5 + ["running", "pruned"]


def test_a_trial_that_fails_is_one_that_was_tried(tmp_path: Path) -> None:
    study = Study(tmp_path, SPACE, seed=0)
    orders = study.orders(2, lambda *each: order_of(tmp_path, *each))
    study.hear(Standing(next(orders), "failed", error="diverged"))
    study.hear(finished(next(orders), 1.0))
    assert next(orders, None) is None
    assert [trial.state for trial in study.trials()] == ["fail", "complete"]


def test_without_optuna_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs optuna: pip install 'robo-maxent\[tune\]'"):
        Study(tmp_path, SPACE, seed=0)
