"""Categorical critics in training: where their support comes from, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import pytest
from command_line import call

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.learning.categorical_critic import CategoricalCritics
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.sac import Sac
from robo_maxent.tasks import GYM_TASKS, ROBOT_TASKS, make
from robo_maxent.training.agents import with_support
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = ["--envs", "4", "--width", "16", "--batch-size", "32", "--evaluation-episodes", "2"]
SMALL += ["--random-steps", "10", "--threads", "1", "--replay-capacity", "5000"]
STEPS = ["--steps", "400"]
CATEGORICAL = SacConfig(critic="categorical", width=16, batch_size=32)


def test_the_support_is_what_rewards_discount_and_price_allow() -> None:
    rough = with_support(make("quadruped-rough"), replace(CATEGORICAL, gamma=0.95)).support
    assert rough == pytest.approx((-40.0 - 11.0, 70.0 + 11.0))
    flat = make("quadruped-flat")
    assert with_support(flat, replace(CATEGORICAL, support=(0.0, 1.0))).support == (0.0, 1.0)
    assert with_support(flat, SacConfig()) == SacConfig()


@pytest.mark.parametrize("name", [*ROBOT_TASKS, "portfolio"])
def test_rewards_lie_in_the_range_that_the_task_declares(name: str) -> None:
    task: Any = make(name)
    assert task.reward_range is not None
    low, high = task.reward_range
    n = 16 if name in ROBOT_TASKS else 1
    env = MujocoVecEnv(task, n, seed=0) if name in ROBOT_TASKS else task.evaluation_env(n, 0)
    env.reset()
    rng, rewards = np.random.default_rng(0), []
    for _ in range(40):
        step = env.step(task.action_space.random(n, rng))
        rewards.append(step.reward + task.termination_cost * step.terminated)
    env.close()
    within = (np.array(rewards) >= low - 1e-6) & (np.array(rewards) <= high + 1e-6)
    assert within.mean() > 0.95  # thrashing about at random is what the page calls rare
    assert name == "quadruped-getup" or within.all()


def test_every_task_of_ours_declares_its_rewards_and_summed_ones_are_larger() -> None:
    assert all(task.reward_range for task in [*ROBOT_TASKS.values(), *GYM_TASKS.values()])
    once, twice = make("portfolio"), make("portfolio", action_repeat=2)
    assert once.reward_range is not None
    assert twice.reward_range == pytest.approx([2.0 * end for end in once.reward_range])


def test_a_run_says_its_support_and_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    critic = ["--critic", "categorical", "--atoms", "11", "--risk", "0.5"]
    out = str(tmp_path / "run")
    code, _, said = call(
        capsys, "train", "point-fork", *SMALL, *critic, "--out", out, "--steps", "400"
    )
    assert code == 0
    assert "categorical critic: 11 atoms on [-13, 23]" in said
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    ends = [(row["train/low_end"], row["train/high_end"]) for row in rows if "train/low_end" in row]
    assert ends
    assert all(0.0 <= mass <= 1.0 for mass in ends[-1])
    assert call(capsys, "train", "--resume", out, "--steps", "100")[0] == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["train"]["sac"]["risk"] == 0.5
    assert config["train"]["sac"]["support"] is None


def test_a_support_that_is_too_narrow_is_said_long_before_the_first_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = ["--critic", "categorical", "--support", "-0.1", "0.1", "--evaluate-every", "100000"]
    run = ["train", "arm-reach", *SMALL, *narrow, "--out", str(tmp_path / "run")]
    code, _, said = call(capsys, *run, "--steps", "800")
    assert code == 0
    before, _, _ = said.partition("evaluation at")
    assert "beyond the upper end of the support of the categorical critic, [-0.1, 0.1]" in before
    assert "would do: train anew" in before


def test_what_the_rewards_of_an_id_are_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"gym:{gym_worlds.register('Choice', gym_worlds.Choice)}"
    code, _, said = call(capsys, "train", name, "--critic", "categorical", "--steps", "100")
    assert code != 0
    assert "does not say how large its rewards are" in said
    assert "--support LOW HIGH" in said
    assert "worth r / (1 - gamma) = 100 r" in said


def test_the_agent_of_a_run_has_the_derived_atoms(tmp_path: Path) -> None:
    config = TrainConfig(steps=10, envs=2, threads=1, replay_capacity=100, sac=CATEGORICAL)
    trainer = Trainer(make("arm-reach"), config, tmp_path)
    agent = trainer.learner.agent
    trainer.close()
    assert isinstance(agent, Sac)
    assert isinstance(agent.critics, CategoricalCritics)
    horizon = 1.0 / (1.0 - config.sac.gamma)
    ends = agent.critics.atoms[[0, -1]].tolist()
    assert ends == pytest.approx([-0.1 * horizon, 1.1 * horizon], rel=1e-5)


def test_hindsight_draws_what_a_categorical_critic_learns_from(tmp_path: Path) -> None:
    config = TrainConfig(
        steps=10, envs=4, threads=1, random_steps=60, replay_capacity=2000, sac=CATEGORICAL
    )
    trainer = Trainer(make("arm-reach"), replace(config, relabelled=0.8), tmp_path)
    for _ in range(70):
        _, metrics = trainer.step()
    trainer.close()
    assert {"low_end", "high_end"} <= metrics.keys()
    assert trainer.learner.agent.is_finite()
