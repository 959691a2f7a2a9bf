"""How episodes of the arm begin, what its gripper keeps, and what scripts reach."""

from typing import Any

import mujoco
import numpy as np
import pytest
from handled import ARM_TASKS, CLOSE, START, begun, built, of_shape

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.tasks import make
from robo_maxent.tasks.arm_effects import VARIED
from robo_maxent.tasks.arm_goals import apart
from robo_maxent.tasks.arm_pick import AIR
from robo_maxent.tasks.arm_reach import ABOVE
from robo_maxent.tasks.tabletop import FALLEN, OBJECTS

every_task = pytest.mark.parametrize("name", ARM_TASKS)


def deepest(env: MujocoVecEnv[Any, Any], sim: int) -> float:
    """Depth of the deepest contact, m."""
    model, data = env.batch.get_model(sim), env.batch.get_data(sim)
    mujoco.mj_forward(model, data)
    return max((-contact.dist for contact in data.contact), default=0.0)


def is_held(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """Whether episodes that begin do so with the object in a closed gripper, bool, (N,)."""
    return env.episode.opening == 0.0


@every_task
@pytest.mark.parametrize("level", [None, "hard"])
def test_episodes_begin_apart_and_at_rest_on_the_table(name: str, level: str | None) -> None:
    task = built(name, level).in_training()
    env = begun(task, 200)
    loose = np.flatnonzero(~is_held(env))
    assert max(deepest(env, int(sim)) for sim in loose) < 3e-4
    for sim in loose:
        surface, thing = task.surface(env.episode, sim), env.state.object_position[sim, 0]
        above = (thing - surface.middle) @ surface.normal
        assert above == pytest.approx(task.half_height(env.episode, sim))
    np.testing.assert_allclose(env.episode.target, env.state.site_position["hand"], atol=1e-9)


@every_task
def test_places_are_where_things_began_whatever_happens_to_them(name: str) -> None:
    env = begun(built(name), 8)
    place, goal = env.state.object_position[:, 0].copy(), env.state.goal.copy()
    env.batch.bind("qvel")[:, env.task.robot.object_dof[0]] = 0.5
    for _ in range(10):
        env.step(np.zeros((8, env.task.action_size)))
    for sim in range(8):
        places = env.task.places(env.episode, sim)
        assert places["goal"] == tuple(goal[sim, :2])
        assert places.get("object", tuple(place[sim, :2])) == tuple(place[sim, :2])
        assert ("object" in places) == (not name.startswith("arm-reach"))


def test_starts_in_mid_task_come_in_training_alone_and_as_often_as_they_should() -> None:
    task = built("arm-pick")
    test, training = begun(task, 300), begun(task.in_training(), 300)
    aside = [
        apart(env.state.site_position["hand"][:, :2], env.state.object_position[:, 0, :2])
        for env in (test, training)
    ]
    assert not is_held(test).any()
    assert (aside[0] < 0.03).mean() < 0.05  # by chance
    assert is_held(training).mean() == pytest.approx(0.3, abs=0.13)  # 5 sigma
    near = ~is_held(training) & (aside[1] < 0.03)
    assert near.mean() == pytest.approx(0.2, abs=0.13)
    held = apart(training.state.site_position["hand"], training.state.object_position[:, 0])
    assert held[is_held(training)].max() < 1e-6
    assert not task.assisted


@every_task
def test_goals_lie_on_the_table_or_above_it_as_far_as_they_should(name: str) -> None:
    task = built(name, "hard")
    env = begun(task, 300)
    above, half = np.empty(300), np.empty(300)
    for sim, goal in enumerate(env.state.goal):
        surface = task.surface(env.episode, sim)
        above[sim] = (goal - surface.middle) @ surface.normal
        half[sim] = task.half_height(env.episode, sim)
    if "object" not in task.places(env.episode, 0):
        assert ((above >= ABOVE[0]) & (above <= ABOVE[1])).all()
        return
    lying = np.isclose(above, half)
    assert lying.mean() == pytest.approx(1.0 if name == "arm-push" else 0.5, abs=0.15)
    lifted = (above - half)[~lying]
    assert ((lifted > 0.95 * AIR[0]) & (lifted <= AIR[1])).all()  # along the normal, a cosine less
    start = env.state.object_position[:, 0]
    assert (apart(env.state.goal, start) > 1e-3).all()
    low, high = OBJECTS
    assert ((start[:, :2] > low - 0.02) & (start[:, :2] < high + 0.02)).all()


def test_a_table_as_low_as_can_be_still_has_starts_over_the_object() -> None:
    task = make("arm-pick", randomization={**VARIED, "table_height": (-0.15, -0.15)})
    begun(task.in_training(), 60)


@pytest.mark.parametrize("cylinders", [0.0, 1.0], ids=["box", "cylinder"])
def test_what_a_closed_gripper_holds_it_keeps(cylinders: float) -> None:
    """For two seconds, over tables however tilted, whatever it weighs."""
    env = begun(of_shape(built("arm-pick"), cylinders).in_training(), 64, seed=1)
    held = is_held(env)
    assert held.sum() > 10
    for _ in range(env.task.episode_steps - 1):
        env.step(np.tile(CLOSE, (env.n, 1)))
        off = apart(env.state.site_position["hand"], env.state.object_position[:, 0])
        assert off[held].max() < 0.005


def test_an_object_that_fell_off_the_table_ends_the_episode_of_a_pick_and_not_of_a_reach() -> None:
    for name, ends in (("arm-pick", True), ("arm-push", True), ("arm-reach", False)):
        env = begun(built(name, "none"), 2)
        env.batch.bind("qpos")[0, START : START + 3] = [1.2, 0.0, -FALLEN - 0.01]
        step = env.step(np.zeros((2, 4)))
        assert step.terminated.tolist() == [ends, False]


# -- scripts -------------------------------------------------------------------


def score(task: Any, n: int) -> float:
    """Share of episodes in which the script succeeds."""
    env = MujocoVecEnv(task, n, seed=5, threads=1, once=True)
    obs, episodes = env.reset(), []
    while len(episodes) < n:
        step = env.step(task.script(obs))
        obs = step.obs
        episodes += step.episodes
    return float(np.mean([episode.success for episode in episodes]))


@pytest.mark.parametrize(
    ("name", "cylinders", "least"),
    [
        ("arm-reach", 0.5, 0.98),
        ("arm-push", 0.0, 0.85),
        ("arm-push", 1.0, 0.6),
        ("arm-pick", 0.0, 0.95),
        ("arm-pick", 1.0, 0.95),
    ],
)
def test_a_script_does_what_the_task_asks_for(name: str, cylinders: float, least: float) -> None:
    task = of_shape(built(name), cylinders)
    assert score(task, 64) >= least
    assert "script" in task.baselines()


def test_doing_nothing_does_not_do_it() -> None:
    for name in ARM_TASKS:
        env = MujocoVecEnv(built(name), 24, seed=5, threads=1, once=True)
        env.reset()
        zero = np.zeros((24, env.task.action_size))
        steps = [env.step(zero) for _ in range(env.task.episode_steps)]
        successes = sum(bool(e.success) for step in steps for e in step.episodes)
        assert successes < 0.2 * env.n
