"""A run whose actors are elsewhere: how often it learns, what it loses, how it continues."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inline_actors import InlineActors

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import ActorError, CheckpointError, DivergedError, UsageError
from robo_maxent.learning.config import SacConfig
from robo_maxent.tasks import make
from robo_maxent.training import actor as actor_module
from robo_maxent.training import actor_trainer
from robo_maxent.training.actor import Actor, Block, Died, News, Post
from robo_maxent.training.actor_trainer import ActorTrainer
from robo_maxent.training.collector import Transitions
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.metrics import read
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

ENVS, STEPS, RANDOM = 4, 3, 8
"""Simulations of an actor; control steps of a block, and random ones of a run."""
FORK = make("point-fork")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_module, "BLOCK_ROWS", STEPS * ENVS)
    monkeypatch.setattr(actor_module, "BLOCK_SECONDS", 60.0)


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 60 * ENVS,
        "seed": 3,
        "envs": ENVS,
        "updates_per_step": 2,
        "random_steps": RANDOM,
        "symmetric": False,
        "replay_capacity": 1000,
        "evaluate_every": 30 * ENVS,
        "evaluation_episodes": 1,
        "threads": 1,
        "sac": SacConfig(width=16, batch_size=16),
    }
    return TrainConfig(**(defaults | changes))


def begun(
    directory: Path, actors: InlineActors, task: EnvFactory = FORK, **changes: Any
) -> ActorTrainer:
    trainer = ActorTrainer(task, config(**changes), directory, actors)
    trainer.begin()
    return trainer


def rows_of(trainer: ActorTrainer | Trainer) -> np.ndarray:
    return trainer.learner.replay.state_dict()["rows"]


def watch_stored(trainer: ActorTrainer, monkeypatch: pytest.MonkeyPatch) -> list[Transitions]:
    """What the learner stores from now on."""
    stored: list[Transitions] = []
    store = trainer.learner.store

    def noting(transitions: Transitions) -> None:
        stored.append(transitions)
        store(transitions)

    monkeypatch.setattr(trainer.learner, "store", noting)
    return stored


def test_a_run_with_actors_makes_as_many_updates_for_its_steps_as_one_in_one_process(
    tmp_path: Path,
) -> None:
    trainer = begun(tmp_path, InlineActors(2))
    for _ in range(7):
        trainer.step()
    assert trainer.control_steps == 7 * STEPS
    assert trainer.steps == 7 * STEPS * ENVS == len(trainer.learner.replay)
    alone = Trainer(FORK, config(), tmp_path / "alone")
    for _ in range(7 * STEPS):
        alone.step()
    alone.close()
    updates = 2 * (7 * STEPS - RANDOM)
    assert trainer.learner.agent.updates == alone.learner.agent.updates == updates


def test_actors_share_the_random_steps_and_have_simulations_and_draws_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = InlineActors(2)
    trainer = begun(tmp_path, actors)
    assert [post.random_steps for post in actors.posts] == [RANDOM // 2] * 2
    stored = watch_stored(trainer, monkeypatch)
    trainer.step()
    trainer.step()
    first, second = stored[:STEPS], stored[STEPS:]
    assert [part.sim.tolist() for part in first] == [[0, 1, 2, 3]] * STEPS
    assert [part.sim.tolist() for part in second] == [[4, 5, 6, 7]] * STEPS
    assert not np.array_equal(first[0].action, second[0].action)
    assert not np.array_equal(first[0].obs, second[0].obs)


def test_each_block_is_acted_with_the_weights_that_were_newest_as_it_was_asked_for(
    tmp_path: Path,
) -> None:
    actors = InlineActors(1)
    trainer = begun(tmp_path, actors, random_steps=0)
    trainer.step()
    with torch.no_grad():
        bias = trainer.learner.agent.actor.layers()[-1][1]  # type: ignore[attr-defined]
        bias[..., :2] += 50.0  # the mean of an action, before the tanh
    trainer.step()
    trainer.step()  # asked for before that
    trainer.step()
    sizes = [np.abs(block.transitions.action).mean() for _, block in actors.sent]
    assert max(sizes[:3]) < 0.99 < sizes[3]


def test_how_old_the_weights_of_blocks_were_is_logged_in_updates(tmp_path: Path) -> None:
    trainer = begun(tmp_path, InlineActors(2), random_steps=0)
    for _ in range(12):
        trainer.step()
    values = trainer.metrics()
    # Two blocks of each are asked for at the beginning, and one more as each comes, before that is
    # learnt from: so four blocks lie between.
    ages = [2 * STEPS * min(block, 4) for block in range(12)]
    assert values["actors/staleness"] == pytest.approx(np.mean(ages))
    assert values["actors/staleness_max"] == 2 * STEPS * 4
    assert 0.0 <= values["actors/learner_waits"] <= 1.0
    assert values["actors/refused_blocks"] == values["actors/replaced"] == 0.0


def test_a_block_that_comes_too_late_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_trainer, "LATE", 3)
    actors = InlineActors(2)
    trainer = begun(tmp_path, actors)
    actors.held = {1}
    for _ in range(2 * 3 + 1):
        trainer.step()
    stored = watch_stored(trainer, monkeypatch)
    actors.held = {0}
    trainer.step()
    trainer.step()
    assert stored == []
    assert trainer.control_steps == 7 * STEPS
    assert trainer.metrics()["actors/refused_blocks"] == 2.0
    trainer.step()
    assert [part.sim.tolist() for part in stored] == [[4, 5, 6, 7]] * STEPS


def test_an_actor_that_dies_is_replaced_and_loses_its_unsent_block_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actors = InlineActors(2)
    trainer = begun(tmp_path, actors)
    stored = watch_stored(trainer, monkeypatch)
    for _ in range(4):
        trainer.step()
    actors.mortal = {1}
    while len(actors.posts) == 2:
        trainer.step()
    before = len(stored)
    actors.mortal = set()
    while len(stored) < before + 4 * STEPS:
        trainer.step()
    assert actors.told == ["actor 1 died and is replaced: killed"]
    assert trainer.metrics()["actors/replaced"] == 1.0
    assert trainer.learner.agent.updates == 2 * (trainer.control_steps - RANDOM)
    own = [part for part in stored if part.sim[0] == ENVS]
    for part, following in pairwise(own):  # no step is missing or comes twice
        for row in np.flatnonzero(~part.ended):
            np.testing.assert_array_equal(part.next_obs[row], following.obs[row])
    assert sum(not part.ended.all() for part in own) > 5


def test_who_takes_the_place_of_another_draws_anew(tmp_path: Path) -> None:
    post = first_post()
    one, same, later = (
        Actor(FORK, replace(post, begins_at=begins_at)).block(post.explorer.weights).transitions
        for begins_at in (0, 0, 8)
    )
    np.testing.assert_array_equal(one.action, same.action)
    assert not np.array_equal(one.action, later.action)


def first_post() -> Post:
    explorer = Trainer(FORK, config(), Path("unused")).learner.agent.explorer
    return Post(0, ENVS, 3, 0, RANDOM, explorer, None)


def test_a_run_whose_actors_die_and_die_is_saved_and_says_how_to_continue(tmp_path: Path) -> None:
    class Dying(InlineActors):
        def wait(self, seconds: float) -> News | None:
            self.mortal = {0} if len(self.sent) >= 5 else set()
            return super().wait(seconds)

    actors = Dying(1)
    with pytest.raises(
        ActorError,
        match=r"actor 0 died 5 times without sending a block; at last: killed\. The run is saved "
        r"at 60 steps: continue with robo-maxent train --resume .*run --minutes 5$",
    ):
        train(FORK, config(), tmp_path / "run", actors=actors)
    assert not actors.actors, "they were ended"
    run = train(FORK, config(steps=STEPS * ENVS), tmp_path / "run", resume=True)
    assert run.steps == 60 + STEPS * ENVS


def test_actors_that_never_come_end_the_run_before_it_has_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_trainer, "BEGIN_SECONDS", 0.05)
    actors = InlineActors(2)
    actors.held = {0, 1}
    with pytest.raises(ActorError, match="no actor was ready within 0 s: all CPUs may be taken"):
        train(FORK, config(), tmp_path / "run", actors=actors)
    assert not (tmp_path / "run").exists()
    actors.held = {1}
    run = train(FORK, config(), tmp_path / "run", actors=actors)
    assert actors.told[-1] == "1 of 2 actors are not ready: they will join later"
    assert run.steps >= 60 * ENVS


def test_a_run_with_actors_is_evaluated_logged_saved_and_says_that_it_is_not_repeatable(
    tmp_path: Path,
) -> None:
    run = train(FORK, config(), tmp_path / "run", actors=InlineActors(2))
    assert 60 * ENVS <= run.steps < (60 + STEPS) * ENVS
    rows = read(run.directory / "metrics.jsonl")
    assert sum("eval/success_rate" in row for row in rows) == 2
    assert any("actors/staleness" in row for row in rows)
    assert any(name.startswith("reward/") for row in rows for name in row)
    saved = json.loads((run.directory / "config.json").read_text())
    assert (saved["actors"], saved["deterministic"]) == (2, False)


@pytest.mark.parametrize("actors", [1, 2, 3])
def test_a_run_of_two_actors_is_continued_with_any_number_of_them(
    tmp_path: Path, actors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = begun(tmp_path, InlineActors(2), symmetric=True)
    stored = watch_stored(before, monkeypatch)
    for _ in range(5):
        before.step()
    before.save()
    inline = InlineActors(actors)
    after = ActorTrainer(FORK, config(symmetric=True), tmp_path, inline)
    after.restore()
    assert after.control_steps == before.control_steps
    assert after.learner.agent.updates == before.learner.agent.updates
    np.testing.assert_array_equal(rows_of(after), rows_of(before))
    np.testing.assert_array_equal(
        after.learner.agent.explorer.weights, before.learner.agent.explorer.weights
    )
    after.begin()
    stored_after = watch_stored(after, monkeypatch)
    for _ in range(actors):
        after.step()
    assert all(post.random_steps == 0 for post in inline.posts)
    for number in range(actors):
        was = next(part for part in reversed(stored) if part.sim[0] == number % 2 * ENVS)
        now = next(part for part in stored_after if part.sim[0] == number * ENVS)
        np.testing.assert_array_equal(was.next_obs[~was.ended], now.obs[~was.ended])


def test_a_run_of_actors_is_continued_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = begun(tmp_path, InlineActors(2))
    stored = watch_stored(before, monkeypatch)
    for _ in range(5):
        before.step()
    before.save()
    after = Trainer(FORK, config(), tmp_path)
    after.restore()
    assert after.control_steps == before.control_steps
    np.testing.assert_array_equal(rows_of(after), rows_of(before))
    networks, saved = (each.learner.agent.state_dict()["networks"] for each in (after, before))
    for name in ("actor", "average", "critics", "targets", "normalizer"):
        for key, tensor in saved[name].items():
            torch.testing.assert_close(networks[name][key], tensor, rtol=0, atol=0)
    was = next(part for part in reversed(stored) if part.sim[0] == 0)
    np.testing.assert_array_equal(was.next_obs[~was.ended], after.collector.obs[~was.ended])
    after.step()
    after.close()
    assert after.learner.agent.updates == before.learner.agent.updates + 2


def test_a_run_of_one_process_is_continued_with_actors(tmp_path: Path) -> None:
    before = Trainer(FORK, config(), tmp_path)
    for _ in range(12):
        before.step()
    before.save()
    inline = InlineActors(2)
    after = ActorTrainer(FORK, config(), tmp_path, inline)
    after.restore()
    after.begin()
    after.step()
    (number, block), *_ = inline.sent
    assert number == 0
    np.testing.assert_array_equal(block.transitions.obs[:ENVS], before.collector.obs)
    assert after.control_steps == 12 + STEPS
    before.close()


def test_simulations_of_another_task_are_refused_by_the_actor(tmp_path: Path) -> None:
    post = first_post()
    saved = Actor(FORK, post).simulations
    with pytest.raises(
        CheckpointError,
        match=r"does not hold the simulations of point-fork: env\.state must be .*, got ",
    ):
        Actor(FORK, replace(post, simulations=saved | {"state": np.zeros((ENVS, 2))}))


def test_an_actor_that_begins_with_what_another_reached_has_its_levels_and_own_episodes(
    tmp_path: Path,
) -> None:
    task = make("quadruped-rough")
    post = first_post()
    first = Actor(task, post)
    assert isinstance(first._env, MujocoVecEnv)
    first._env.episode.level[:] = [5, 1, 0, 2]
    second = Actor(task, replace(post, number=1, simulations=first.simulations))
    assert isinstance(second._env, MujocoVecEnv)
    assert second._env.episode.level.tolist() == [5, 1, 0, 2]
    assert second._env.episode.number.tolist() == [4, 5, 6, 7]
    assert second._env.metrics() == first._env.metrics()


def test_what_simulations_log_is_the_mean_over_actors(tmp_path: Path) -> None:
    class Levelled(InlineActors):
        def wait(self, seconds: float) -> News | None:
            heard = super().wait(seconds)
            if heard is not None and isinstance(heard[1], Block):
                return heard[0], replace(heard[1], metrics={"terrain/level": 2.0 + heard[0]})
            return heard

    trainer = begun(tmp_path, Levelled(2))
    trainer.step()
    assert trainer.metrics()["terrain/level"] == 2.0
    trainer.step()
    assert trainer.metrics()["terrain/level"] == 2.5


def test_a_metric_that_not_every_actor_has_is_the_mean_of_those_that_do(tmp_path: Path) -> None:
    class Partly(InlineActors):
        def wait(self, seconds: float) -> News | None:
            heard = super().wait(seconds)
            if heard is not None and isinstance(heard[1], Block):
                own = {"level/mean": 1.0} | ({"level/gaps": 3.0} if heard[0] else {})
                return heard[0], replace(heard[1], metrics=own)
            return heard

    trainer = begun(tmp_path, Partly(2))
    trainer.step()
    trainer.step()
    values = trainer.metrics()
    assert (values["level/mean"], values["level/gaps"]) == (1.0, 3.0)


def test_an_actor_that_dies_before_the_run_begins_is_asked_once_it_is_there_again(
    tmp_path: Path,
) -> None:
    class DyingOnce(InlineActors):
        def wait(self, seconds: float) -> News | None:
            if len(self.posts) == 2 and not self._asked[0]:  # the first is ready, the other is not
                return 0, Died("killed")
            return super().wait(seconds)

    trainer = begun(tmp_path, DyingOnce(2))
    assert len(trainer._elsewhere.posts) == 3  # type: ignore[attr-defined]
    for _ in range(4):
        trainer.step()
    assert [len(each.asked) for each in trainer._colleagues] == [actor_trainer.AHEAD] * 2


def test_a_simulation_that_diverges_elsewhere_is_no_row_and_its_state_is_kept_here(
    tmp_path: Path,
) -> None:
    actors = InlineActors(2)
    trainer = begun(tmp_path, actors, task=make("quadruped-flat"), random_steps=100)
    env = actors.actors[1]._env
    assert isinstance(env, MujocoVecEnv)
    env.batch.bind("qvel")[2] = np.nan
    trainer.step()
    trainer.step()
    (_, first), (_, second) = actors.sent
    assert first.rows == (ENVS,) * STEPS
    assert second.rows == (ENVS - 1, ENVS, ENVS)
    parts = list(second.steps())
    assert [part.diverged.tolist() for part in parts] == [[6], [], []]
    assert parts[0].sim.tolist() == [4, 5, 7]
    assert len(trainer.learner.replay) == 2 * STEPS * ENVS - 1
    assert np.isfinite(rows_of(trainer)).all()
    (dump,) = (tmp_path / "diverged").glob("*.npz")
    assert "-sim6-" in dump.name


def test_weights_that_are_not_finite_are_not_sent(tmp_path: Path) -> None:
    actors = InlineActors(1)
    trainer = begun(tmp_path, actors, random_steps=0)
    with torch.no_grad():
        trainer.learner.agent.actor.flat[3] = np.nan  # type: ignore[attr-defined]
    trainer.step()
    with pytest.raises(DivergedError, match=r"The learner diverged at 12 steps"):
        trainer.step()


def test_updates_that_follow_the_very_step_are_refused_with_actors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"without overlap, as in the preset classic, .*--overlap"):
        train(FORK, config(overlap=False), tmp_path / "run", actors=InlineActors(1))
    assert not (tmp_path / "run").exists()


def test_hindsight_relabels_within_the_episodes_of_each_actor(tmp_path: Path) -> None:
    task = make("arm-reach")
    trainer = begun(tmp_path, InlineActors(2), task=task, relabelled=0.5, envs=2)
    for _ in range(6):
        trainer.step()
    episodes = trainer.learner.replay.state_dict()
    assert set(episodes["episodes.running_sims"].tolist()) == {0, 1, 2, 3}
    trainer._end_episodes(1)
    left = trainer.learner.replay.state_dict()["episodes.running_sims"]
    assert set(left.tolist()) == {0, 1}
