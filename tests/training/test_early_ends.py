"""A run that ends before its budget is spent, by a signal or by divergence, keeps what it had."""

import os
import signal
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import pytest
import torch

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.errors import CheckpointError, DivergedError
from robo_maxent.learning.config import SacConfig
from robo_maxent.training import checkpoint
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.metrics import read
from robo_maxent.training.train import Status, train
from robo_maxent.training.trainer import Trainer

PLAIN = SacConfig(width=16, batch_size=16, layer_norm=False, normalize=False, learning_rate=1e-3)


def config(**changes: Any) -> TrainConfig:
    defaults: dict[str, Any] = {
        "steps": 200,
        "envs": 1,
        "random_steps": 4,
        "replay_capacity": 1000,
        "evaluate_every": 10**9,
        "evaluation_episodes": 1,
        "threads": 1,
        "sac": PLAIN,
    }
    return TrainConfig(**(defaults | changes))


class Told:
    """Remembers what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, status: Status) -> None:
        if status.message:
            self.lines.append(status.message)


class Signalled(gym_worlds.World):
    """Never ends; its process gets a signal at step 20 of an episode, which training won't see."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.t == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().step(action)


def test_sigterm_in_an_evaluation_ends_it_at_once_with_a_line_and_a_checkpoint(
    tmp_path: Path,
) -> None:
    gym_worlds.register("Signalled", Signalled)
    told = Told()
    task = GymTask("test/Signalled-v0")
    run = train(task, config(evaluate_every=10), tmp_path / "run", show=told)
    assert (run.interrupted, run.steps, run.reward) == (True, 10, None)
    assert told.lines[-1] == "stopping: a checkpoint is written after this step"
    assert checkpoint.load(tmp_path / "run/checkpoint").loop["control_steps"] == 10


def interrupted_while_saving(
    times: int, directory: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    """Press Ctrl-C once in the run, and as often more while the checkpoint is written."""
    save = checkpoint.save

    def pressed(*arguments: Any) -> Path:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        return save(*arguments)

    monkeypatch.setattr(checkpoint, "save", pressed)
    gym_worlds.register("Signalled", Signalled)
    train(GymTask("test/Signalled-v0"), config(evaluate_every=10), directory, show=told)


def test_a_second_ctrl_c_waits_for_the_checkpoint_and_the_third_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    interrupted_while_saving(1, tmp_path / "waits", monkeypatch, told)
    assert told.lines[-1].startswith("still stopping; once more ends it at once")
    assert checkpoint.load(tmp_path / "waits/checkpoint").loop["control_steps"] == 10
    monkeypatch.undo()
    with pytest.raises(KeyboardInterrupt):
        interrupted_while_saving(2, tmp_path / "does not", monkeypatch, told)


class Spiking(gym_worlds.Counter):
    """Observes 1e25 in the last step of every tenth episode."""

    def observe(self) -> np.ndarray:
        return np.array([1e25 if self.episode % 10 == 9 and self.t == 4 else 0.5, self.t])


def test_a_learner_that_diverges_is_told_and_what_was_saved_before_it_is_whole(
    tmp_path: Path,
) -> None:
    gym_worlds.register("Spiking", Spiking)
    run = tmp_path / "run"
    with pytest.raises(DivergedError) as caught:
        train(GymTask("test/Spiking-v0"), config(steps=2000, evaluate_every=20), run)
    message = str(caught.value)
    assert message.startswith("The learner diverged at ")
    assert f"Saved before it: the best policy (robo-maxent evaluate {run})" in message
    assert "observations of up to 1e+25 and rewards of up to 5" in message
    assert "--learning-rate below 0.001" in message
    log = run / "metrics.jsonl"
    assert not {"NaN", "Infinity"} & set(log.read_text().replace(",", " ").split())
    judged = [row for row in read(log) if "eval/mean_reward" in row]
    assert judged[0]["eval/mean_reward"] == 15.0
    assert not (run / "checkpoint").exists()


@pytest.mark.parametrize("where", ["actor", "targets", "log_alpha", "second moment"])
def test_a_learner_that_is_not_finite_is_never_saved(where: str, tmp_path: Path) -> None:
    trainer = Trainer(GymTask("test/Counter-v0"), config(), tmp_path)
    for _ in range(6):
        trainer.step()
    trainer.save()
    sac: Any = trainer.learner.agent
    place = {
        "actor": sac.actor.flat,
        "targets": sac.targets.flat,
        "log_alpha": sac.log_alpha,
        "second moment": sac.optimizers["critics"].second,
    }[where]
    with torch.no_grad():
        place.view(-1)[-1] = torch.inf
    trainer.step()
    with pytest.raises(DivergedError, match="diverged at 7 steps: some of its numbers are not fin"):
        trainer.save()
    trainer.close()
    assert checkpoint.load(tmp_path / "checkpoint").loop["control_steps"] == 6


def test_an_agent_that_acts_with_nan_steps_nothing(tmp_path: Path) -> None:
    trainer = Trainer(GymTask("test/Counter-v0"), config(random_steps=0), tmp_path)
    sac: Any = trainer.learner.agent
    with torch.no_grad():
        sac.actor.flat.fill_(torch.nan)
    with pytest.raises(DivergedError, match="diverged at 0 steps"):
        trainer.step()
    assert len(trainer.learner.replay) == 0
    trainer.close()


def test_a_checkpoint_of_a_learner_that_has_diverged_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(GymTask("test/Counter-v0"), config(), tmp_path)
    sac: Any = trainer.learner.agent
    with torch.no_grad():
        sac.critics.flat[0] = torch.nan
    monkeypatch.setattr(trainer, "require_finite", lambda: None)  # as earlier versions
    trainer.save()
    with pytest.raises(CheckpointError, match=r"The learner in .*checkpoint has diverged"):
        trainer.restore()
    trainer.close()
