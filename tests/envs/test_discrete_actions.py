"""Discrete actions: whole numbers from policy to environment, in training and in stress tests."""

from typing import Any

import gym_worlds
import numpy as np
import pytest
from gymnasium import spaces

from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_trial import random_actions
from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.perturbations.params import nominal
from robo_maxent.robustness.axes import disturbances
from robo_maxent.spaces import ActionSpace, Box, Discrete

CHOICE = "test/Choice-v0"
BOTH: list[ActionSpace] = [
    Box(("hip", "knee"), np.zeros(2), np.ones(2)),
    Discrete(("left", "stay", "right")),
]


@pytest.fixture(scope="module")
def task() -> GymTask:
    return GymTask(CHOICE)


# -- the spaces ------------------------------------------------------------------


@pytest.mark.parametrize("space", BOTH, ids=["Box", "Discrete"])
def test_random_actions_are_allowed_and_survive_a_table(space: ActionSpace) -> None:
    action = space.random(50, np.random.default_rng(0))
    assert not space.wrong(action).any()
    np.testing.assert_array_equal(space.checked(action, 50), action)
    table = space.to_columns(action)
    assert table.shape == (50, space.columns)
    assert table.dtype == np.float32
    back = space.from_columns(table)
    np.testing.assert_array_equal(back, action)
    assert back.dtype == action.dtype
    same, other = (space.random(50, np.random.default_rng(seed)) for seed in (0, 1))
    np.testing.assert_array_equal(same, action)
    assert (other != action).any()
    assert len(np.unique(action)) > 2


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros((2, 1), int), r"whole numbers of shape \(2,\), got int64 of shape \(2, 1\)"),
        (np.zeros(3, int), r"whole numbers of shape \(2,\), got int64 of shape \(3,\)"),
        (np.zeros(2), r"whole numbers of shape \(2,\), got float64 of shape \(2,\)"),
        (np.array([True, False]), "whole numbers"),
        (np.array([0, 3]), r"from 0 to 2, got 3 in simulations \[1\]; nothing was stepped"),
        (np.array([-1, 0]), r"from 0 to 2, got -1 in simulations \[0\]; nothing was stepped"),
    ],
)
def test_what_is_no_action_is_refused_before_anything_is_stepped(
    task: GymTask, action: np.ndarray, message: str
) -> None:
    env = task.evaluation_env(2, 0)
    env.reset()
    with pytest.raises(UsageError, match=message):
        env.step(action)
    assert env.step(np.ones(2, int)).next_obs[:, 2].tolist() == [1.0, 1.0]
    env.close()


# -- a Gymnasium id --------------------------------------------------------------


def test_an_id_with_discrete_actions_says_what_they_are(task: GymTask) -> None:
    assert task.action_space == Discrete(("5", "6", "7"))
    assert task.preset == "discrete"
    layout = layout_of(task)
    assert (layout.joints, layout.action_scale) == (("5", "6", "7"), ())
    assert layout.is_discrete
    assert type(layout).from_json(layout.to_json()) == layout
    assert not layout_of(GymTask("Pendulum-v1")).is_discrete


@pytest.mark.parametrize("workers", [False, True])
def test_the_environment_gets_its_own_numbers(task: GymTask, workers: bool) -> None:
    n = 3
    env = task.training_env(n, 0, 1, ".") if workers else task.evaluation_env(n, 0)
    env.reset()
    step = env.step(np.array([0, 1, 2]))
    env.close()
    assert step.next_obs[:, 1].tolist() == [5.0, 6.0, 7.0]
    assert step.terminated.tolist() == [True, False, False]


def test_actions_are_repeated_too() -> None:
    env = GymTask(CHOICE, action_repeat=2).evaluation_env(1, 0)
    right = int(env.reset()[0, 0]) - 5
    step = env.step(np.array([right]))
    assert (step.reward.tolist(), step.next_obs[0, 2]) == ([2.0], 2.0)
    env.close()


def knowing(obs: np.ndarray) -> np.ndarray:
    return obs[:, 0].astype(int) - 5


def test_a_policy_is_evaluated_by_its_numbers(task: GymTask) -> None:
    assert [row.reward for row in evaluate(knowing, task, 20)] == [6.0] * 20


@pytest.mark.parametrize("number", [-1, 3])
def test_a_number_that_is_no_action_fails_its_episode_and_no_other(
    task: GymTask, number: int
) -> None:
    def once(obs: np.ndarray) -> np.ndarray:
        wrong = (np.arange(len(obs)) == 1) & (obs[:, 2] == 2)
        return np.where(wrong, number, knowing(obs))

    rows = evaluate(once, task, 3)
    error = f"policy returned {number}, where actions are 0 to 2 at step 3"
    assert [row.policy_error for row in rows] == [None, error, None]
    assert rows[1].terminated  # by the first action, which it got instead
    assert [row.reward for row in rows] == [6.0, 2.0, 6.0]


def test_random_baseline_actions_are_all_of_them_and_the_same_for_the_same(task: GymTask) -> None:
    obs = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    act = random_actions(task.action_space)
    counts = np.bincount(act(obs), minlength=3)
    assert (np.abs(counts - 300) < 60).all()  # four deviations
    np.testing.assert_array_equal(act(obs), act(obs[::-1])[::-1])
    assert list(task.baselines()) == ["always 5", "random"]
    assert task.baselines()["always 5"](obs).tolist() == [0] * 900


# -- its effects -----------------------------------------------------------------


def seen(task: GymTask, actions: list[int], **changes: Any) -> list[int]:
    """The actions that reached the environment, of those sent."""
    params = nominal(task.perturbations, task.robot, 1)
    for name, value in changes.items():
        params[name][:] = value
    env = task.trial_env(params, np.arange(1), seed=0)
    env.reset()
    received = [int(env.step(np.array([action])).obs[0, 1]) for action in actions]
    env.close()
    return received


def test_an_action_comes_late_and_before_it_the_first_one(task: GymTask) -> None:
    gym_worlds.register("Patient", gym_worlds.Choice, act=spaces.Discrete(3, start=6))
    patient = GymTask("test/Patient-v0")
    assert seen(patient, [1, 2, 1, 2]) == [7, 8, 7, 8]
    assert seen(patient, [1, 2, 1, 2], action_delay=1) == [6, 7, 8, 7]
    assert seen(patient, [1, 2, 1, 2], action_delay=3) == [6, 6, 6, 7]
    assert seen(patient, [1, 2, 1, 2], packet_loss=1.0) == [6, 6, 6, 6]


def test_noise_is_added_to_no_number_and_the_report_says_so(task: GymTask) -> None:
    assert "action_noise" not in disturbances(task)
    assert {"action_delay", "packet_loss", "sensor_noise"} <= disturbances(task).keys()
    reason = f"since {task.name} has discrete actions, which are no amounts."
    assert any("action noise" in note and note.endswith(reason) for note in task.trial_notes)
    with pytest.raises(UsageError, match="action_noise can't act: the robot has discrete actions"):
        seen(task, [1], action_noise=0.1)
    assert "action_noise" in disturbances(GymTask("Pendulum-v1"))


def test_sensors_are_noisy_whatever_the_actions_are(task: GymTask) -> None:
    params = nominal(task.perturbations, task.robot, 4)
    params["sensor_noise"][:] = [0.0, 0.0, 1.0, 1.0]
    env = task.trial_env(params, np.arange(4) % 2, seed=0)
    env.reset()
    obs = env.step(np.array([1, 2, 1, 2])).obs
    env.close()
    assert (obs[:2, 1] == [6.0, 7.0]).all()
    assert (np.abs(obs[2:] - obs[:2]) > 0.0).any()
    assert np.abs(obs[2:] - obs[:2]).max() < 0.2
