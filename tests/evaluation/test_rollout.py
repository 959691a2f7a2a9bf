"""Evaluation gives every policy the same episodes, a fixed number of them, one row each."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import gym_worlds  # noqa: F401 (registers what it has)
import numpy as np
import pytest
from samples import episode

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import evaluate, write_rows
from robo_maxent.evaluation.summary import success_by, summarize
from robo_maxent.rendering.video import Scene, film
from robo_maxent.tasks import make
from robo_maxent.types import Act, Episode


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


def test_every_policy_meets_the_same_perturbations(standing: list[Episode]) -> None:
    rows = evaluate(flail, make("quadruped-flat"), episodes=6, seed=5)
    assert [row.params for row in rows] == [row.params for row in standing]
    assert all(row.params for row in rows), "nothing was perturbed: the test saw nothing"


def test_splitting_into_groups_changes_nothing(
    standing: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MujocoTask, "most_simulations", 4)
    assert evaluate(stand, make("quadruped-flat"), episodes=6, seed=5) == standing


def test_standing_still_is_not_following_commands(standing: list[Episode]) -> None:
    summary = summarize(standing)
    assert summary.terminated.share == 0.0
    assert summary.success is not None
    assert summary.success.share < 0.5


def test_rows_are_one_json_object_per_line(tmp_path: Path, standing: list[Episode]) -> None:
    write_rows(standing, tmp_path / "deep/rows.jsonl")
    lines = (tmp_path / "deep/rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["sim"] for line in lines] == list(range(6))
    assert {"success", "seed", "params", "metrics", "policy_error"} <= json.loads(lines[0]).keys()


def test_no_episodes_is_an_error() -> None:
    with pytest.raises(UsageError, match="episodes must be at least 1, got 0"):
        evaluate(stand, make("quadruped-flat"), episodes=0)
    with pytest.raises(UsageError, match="no episodes"):
        summarize([])


def test_a_metric_that_short_episodes_lack_is_averaged_over_the_others(
    standing: list[Episode],
) -> None:
    lacking = replace(standing[0], metrics={"linear_error": None, "angular_error": None})
    alone = summarize([lacking])
    both = summarize([lacking, standing[1]])
    assert alone.metrics["linear_error"] is None
    assert both.metrics["linear_error"] == standing[1].metrics["linear_error"]


def test_who_says_nothing_where_others_say_success_did_not_succeed() -> None:
    task = GymTask("test/OnlyWhereTrue-v0")
    rows = evaluate(lambda obs: np.zeros((len(obs), 1)), task, episodes=12, seed=3)
    assert [row.success for row in rows] == [row.reward / row.length > 0.5 for row in rows]
    share = summarize(rows).success
    assert share is not None
    assert share.count == 12
    assert 0.0 < share.share < 1.0


def test_success_is_told_by_terrain_and_level_of_the_episodes_that_have_one() -> None:
    def row(success: bool | None, terrain: str | None, level: int | None) -> Episode:
        return episode(success=success, terrain=terrain, level=level)

    rows = [row(True, "waves", 4), row(False, "waves", 2), row(True, "gaps", 4)]
    rows += [row(None, "gaps", 4), row(True, None, None)]
    by_kind = success_by(rows, "terrain")
    assert {kind: (share.share, share.count) for kind, share in by_kind.items()} == {
        "gaps": (1.0, 1),
        "waves": (0.5, 2),
    }
    assert list(success_by(rows, "level")) == [2, 4]
    assert success_by([row(True, None, None)], "terrain") == {}


# -- NaN and infinity ----------------------------------------------------------


def spoilt(act: Act, sim: int, steps: set[int], value: float = np.nan) -> Act:
    """A policy that returns a value that is no number for one simulation at some steps."""
    calls = itertools.count(1)

    def broken(obs: np.ndarray) -> np.ndarray:
        action = act(obs).copy()
        if next(calls) in steps:
            action[sim, 0] = value
        return action

    return broken


def stay(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 1))


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_nan_of_a_policy_fails_that_episode_only(
    standing: list[Episode], value: float, name: str
) -> None:
    act = spoilt(stand, 2, {7, 9}, value)
    rows = evaluate(act, make("quadruped-flat"), episodes=6, seed=5)
    assert rows[:2] + rows[3:] == standing[:2] + standing[3:]
    assert rows[2].policy_error == f"policy returned {name} at step 7"
    assert rows[2].success is False
    # This policy returns zeros, which is also what the simulation got instead.
    assert replace(rows[2], policy_error=None, success=standing[2].success) == standing[2]
    assert (summarize(rows).policy_errors, summarize(standing).policy_errors) == (1, 0)


def test_success_in_spite_of_nan_is_none() -> None:
    rows = evaluate(stay, GymTask("test/Seeded-v0"), episodes=6)
    lucky = next(row.sim for row in rows if row.success)
    spoilt_rows = evaluate(spoilt(stay, lucky, {2}), GymTask("test/Seeded-v0"), episodes=6)
    assert spoilt_rows[lucky].success is False
    assert spoilt_rows[lucky].policy_error == "policy returned NaN at step 2"


def test_a_policy_error_in_a_later_group_names_its_own_simulation_and_step(
    standing: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MujocoTask, "most_simulations", 4)
    before = standing[0].length  # control steps of the first group
    act = spoilt(stand, 1, {before + 3})
    rows = evaluate(act, make("quadruped-flat"), episodes=6, seed=5)
    assert [row.sim for row in rows if row.policy_error] == [5]
    assert rows[5].policy_error == "policy returned NaN at step 3"


def test_nan_after_the_first_episode_has_ended_is_no_policy_error_of_it() -> None:
    task = make("quadruped-flat")
    rows = evaluate(flail, task, episodes=6, seed=5)
    early = min(rows, key=lambda row: row.length)
    late = max(row.length for row in rows)
    assert early.length < late
    after = set(range(early.length + 1, late + 1))
    assert evaluate(spoilt(flail, early.sim, after), task, episodes=6, seed=5) == rows
    at_its_end = evaluate(spoilt(flail, early.sim, {early.length}), task, episodes=6, seed=5)
    assert at_its_end[early.sim].policy_error == f"policy returned NaN at step {early.length}"


def test_a_policy_error_is_no_failure_where_there_is_no_notion_of_success() -> None:
    rows = evaluate(spoilt(stay, 0, {1}), GymTask("test/Counter-v0"), episodes=2)
    assert [row.success for row in rows] == [None, None]
    assert [row.policy_error for row in rows] == ["policy returned NaN at step 1", None]


def test_a_policy_that_returns_nan_is_filmed_all_the_same(tmp_path: Path) -> None:
    env = GymTask("test/Counter-v0").evaluation_env(1, seed=0)
    scene = Scene(env, lambda: np.zeros((16, 16, 3), np.uint8), control_dt=0.1, steps=9)
    episode = film(spoilt(stay, 0, {2}), scene, tmp_path / "film.mp4", None, fps=10)
    assert episode is not None
    assert (episode.length, episode.policy_error) == (5, "policy returned NaN at step 2")
