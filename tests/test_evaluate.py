"""Evaluation gives every policy the same episodes, a fixed number of them, one row each."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import episode

from robo_maxent.errors import UsageError
from robo_maxent.evaluate import evaluate, write_rows
from robo_maxent.stats import success_by, summarize
from robo_maxent.step import Episode
from robo_maxent.task import Task
from robo_maxent.tasks import make


def stand(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 12))


def flail(obs: np.ndarray) -> np.ndarray:
    return np.sign(np.sin(37.0 * obs[:, 12:24]))


@pytest.fixture(scope="module")
def standing() -> list[Episode]:
    return evaluate(stand, make("quadruped-flat"), episodes=6, seed=5)


def test_every_simulation_gives_exactly_one_episode(standing: list[Episode]) -> None:
    assert [row.sim for row in standing] == list(range(6))
    assert {row.index for row in standing} == {0}


def test_early_falls_do_not_crowd_out_long_episodes() -> None:
    rows = evaluate(flail, make("quadruped-flat"), episodes=6, seed=5)
    assert [row.sim for row in rows] == list(range(6))
    assert any(row.terminated for row in rows)


def test_the_same_seed_gives_the_same_rows(standing: list[Episode]) -> None:
    assert evaluate(stand, make("quadruped-flat"), episodes=6, seed=5) == standing
    assert evaluate(stand, make("quadruped-flat"), episodes=6, seed=6) != standing


def test_every_policy_meets_the_same_draws(standing: list[Episode]) -> None:
    rows = evaluate(flail, make("quadruped-flat"), episodes=6, seed=5)
    assert [row.draw for row in rows] == [row.draw for row in standing]


def test_splitting_into_groups_changes_nothing(
    standing: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "most_simulations", 4)
    assert evaluate(stand, make("quadruped-flat"), episodes=6, seed=5) == standing


def test_standing_still_is_not_following_commands(standing: list[Episode]) -> None:
    summary = summarize(standing)
    assert summary.fallen.share == 0.0
    assert summary.success is not None
    assert summary.success.share < 0.5


def test_rows_are_one_json_object_per_line(tmp_path: Path, standing: list[Episode]) -> None:
    write_rows(standing, tmp_path / "deep/rows.jsonl")
    lines = (tmp_path / "deep/rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["sim"] for line in lines] == list(range(6))
    assert {"success", "seed", "draw", "measures"} <= json.loads(lines[0]).keys()


def test_no_episodes_is_an_error() -> None:
    with pytest.raises(UsageError, match="episodes must be at least 1, got 0"):
        evaluate(stand, make("quadruped-flat"), episodes=0)
    with pytest.raises(UsageError, match="no episodes"):
        summarize([])


def test_a_measure_that_short_episodes_lack_is_averaged_over_the_others(
    standing: list[Episode],
) -> None:
    lacking = replace(standing[0], measures={"linear_error": None, "angular_error": None})
    alone = summarize([lacking])
    both = summarize([lacking, standing[1]])
    assert alone.measures["linear_error"] is None
    assert both.measures["linear_error"] == standing[1].measures["linear_error"]


def test_success_is_told_by_terrain_and_level_of_the_episodes_that_have_one() -> None:
    def row(success: bool | None, terrain: str | None, level: int | None) -> Episode:
        return episode(success=success, terrain=terrain, level=level)

    rows = [row(True, "waves", 4), row(False, "waves", 2), row(True, "gaps", 4)]
    rows += [row(None, "gaps", 4), row(True, None, None)]
    by = success_by(rows, "terrain")
    assert {kind: (share.share, share.count) for kind, share in by.items()} == {
        "gaps": (1.0, 1),
        "waves": (0.5, 2),
    }
    assert list(success_by(rows, "level")) == [2, 4]
    assert success_by([row(True, None, None)], "terrain") == {}
