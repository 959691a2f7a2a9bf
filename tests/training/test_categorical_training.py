"""Categorical critics in training: where their support comes from, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gym_worlds
import numpy as np
import pytest
from command_line import call

from robo_maxent.envs.gym_spec import find_spec, known_rewards
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.learning.categorical_critic import CategoricalCritics
from robo_maxent.learning.config import SacConfig
from robo_maxent.learning.sac import Sac
from robo_maxent.tasks import GYM_TASKS, ROBOT_TASKS, make
from robo_maxent.training.agents import with_support
from robo_maxent.training.config import TrainConfig
from robo_maxent.training.train import train
from robo_maxent.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")

REWARDS = ("quadruped-flat", "quadruped-rough", "quadruped-getup", "quadruped-fork")
REWARDS += ("arm-reach", "arm-pick", "point-fork", "portfolio")
"""Tasks with rewards of their own; the others have one of these."""
CATEGORICAL = SacConfig(critic="categorical", width=16, batch_size=32)


def test_the_support_is_what_rewards_discount_and_price_allow() -> None:
    rough = with_support(make("quadruped-rough"), replace(CATEGORICAL, gamma=0.95)).support
    assert rough == pytest.approx((-40.0 - 11.0, 70.0 + 11.0))
    flat = make("quadruped-flat")
    assert with_support(flat, replace(CATEGORICAL, support=(0.0, 1.0))).support == (0.0, 1.0)
    assert with_support(flat, SacConfig()) == SacConfig()


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_lie_in_the_range_that_the_task_declares(name: str) -> None:
    task: Any = make(name)
    assert task.reward_range is not None
    low, high = task.reward_range
    n = 8 if name in ROBOT_TASKS else 1
    env = MujocoVecEnv(task, n, seed=0) if name in ROBOT_TASKS else task.evaluation_env(n, 0)
    env.reset()
    rng, rewards = np.random.default_rng(0), []
    for _ in range(30):
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
    of_suite = GymTask("dm_control/cartpole-swingup-v0", action_repeat=2)
    assert of_suite.reward_range == (0.0, 2.0)


@pytest.mark.parametrize(
    ("env_id", "rewards"),
    [
        ("dm_control/cartpole-swingup-v0", (0.0, 1.0)),
        ("dm_control/lqr-lqr_2_1-v0", None),
        ("dm_control/RodentTwoTouch-v0", None),
        ("Pendulum-v1", None),
    ],
)
def test_the_rewards_of_the_suite_of_dm_control_are_known(
    env_id: str, rewards: tuple[float, float] | None
) -> None:
    assert known_rewards(find_spec(env_id)) == rewards


def test_a_categorical_critic_learns_an_id_of_that_suite_without_a_support(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["gym:dm_control/cartpole-balance-v0", "--steps", "30", "--random-steps", "20"]
    words += ["--evaluation-episodes", "0", "--threads", "1", "--out", str(tmp_path / "run")]
    words += ["--critic", "categorical"]
    code, out, said = call(capsys, "train", *words)
    assert code == 0, said
    assert "categorical critic: 51 atoms on [-10, 110]" in out + said


def messages(
    name: str, config: SacConfig, steps: int, directory: Path, resume: bool = False
) -> list[str]:
    """What a short run says."""
    said: list[str] = []
    few = TrainConfig(steps=steps, envs=4, threads=1, random_steps=10, sac=config)
    few = replace(few, replay_capacity=5000, evaluation_episodes=1, evaluate_every=100_000)
    train(make(name), few, directory, resume, lambda status: said.append(status.message))
    return said


def test_a_run_says_its_support_and_continues(tmp_path: Path) -> None:
    config = replace(CATEGORICAL, atoms=11, risk=0.5, gamma=0.95)
    said = messages("point-fork", config, 400, tmp_path / "run")
    assert "categorical critic: 11 atoms on [-13, 23]" in said
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    ends = [(row["train/low_end"], row["train/high_end"]) for row in rows if "train/low_end" in row]
    assert ends
    assert all(0.0 <= mass <= 1.0 for mass in ends[-1])
    messages("point-fork", config, 100, tmp_path / "run", resume=True)
    saved = json.loads((tmp_path / "run" / "config.json").read_text())["train"]["sac"]
    assert (saved["critic"], saved["risk"], saved["support"]) == ("categorical", 0.5, None)


def test_a_support_that_is_too_narrow_is_said_before_the_first_evaluation(tmp_path: Path) -> None:
    narrow = replace(CATEGORICAL, support=(-0.1, 0.1))
    said = messages("arm-reach", narrow, 600, tmp_path / "run")
    alarm = "returns go beyond the upper end of the support of the categorical critic, [-0.1, 0.1]"
    at = [line.startswith(alarm) for line in said].index(True)
    assert said[at].endswith("would do: train anew.")
    assert at < [line.startswith("evaluation at") for line in said].index(True)


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
    metrics = [trainer.step()[1] for _ in range(70)][-1]
    trainer.close()
    assert {"low_end", "high_end"} <= metrics.keys()
    assert trainer.learner.agent.is_finite()
