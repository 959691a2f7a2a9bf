"""Pushes: the momentum they give, when they act, and how several add up."""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
import pytest
from perturbed import DT, ROBOT, A, drawn, environment, held, ranges, realized, run

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.base import Perturbation, Running
from robo_maxent.perturbations.params import EpisodeParams, nominal
from robo_maxent.perturbations.pushes import MAX_PUSHES, Pushes
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.tasks import make


def one_push(
    n: int, impulse: tuple[float, float, float], begin: float = 0.1, duration: float = 0.1
) -> EpisodeParams:
    """The same single push in every episode."""
    params = held(n)
    params["push_begin"][:, 0], params["push_duration"][:, 0] = begin, duration
    params["push_impulse"][:, 0] = impulse
    return params


def momentum(env: MujocoVecEnv[Any, Any]) -> np.ndarray:
    """Linear momentum of the whole robot, world frame, N·s, (N, 3)."""
    momenta = []
    for sim in range(env.n):
        model, data = env.batch.get_model(sim), env.batch.get_data(sim)
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        momenta.append(model.body_mass.sum() * data.subtree_linvel[0])
    return np.array(momenta)


@pytest.mark.parametrize("payload", [0.0, 4.0])
@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_a_push_changes_the_momentum_by_its_impulse(payload: float, yaw: float) -> None:
    params = one_push(2, (3.0, -2.0, 1.0))
    params["push_impulse"][1] = 0.0
    params["payload"][:] = payload
    env = environment(params)
    env.batch.bind("qpos")[:] = ROBOT.home_qpos
    env.batch.bind("qpos")[:, 2:7] = [10, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
    env.batch.bind("qvel")[:] = 0.0
    env.batch.forward()
    for _ in range(14):
        env.step(np.zeros((2, A)))
    pushed, other = momentum(env)  # which fall alike
    c, s = np.cos(yaw), np.sin(yaw)
    expected = np.array([3 * c + 2 * s, 3 * s - 2 * c, 1.0])
    np.testing.assert_allclose(pushed - other, expected, rtol=0.01, atol=0.01)
    assert realized(env, "impulse")[0] == pytest.approx(np.sqrt(14.0), rel=1e-12)
    assert realized(env, "impulse")[1] == 0.0


@pytest.mark.parametrize(
    ("duration", "steps"), [(0.02, 1), (0.1, 5), (0.109, 5), (0.111, 6), (0.001, 1), (0.0, 1)]
)
def test_a_push_acts_for_whole_control_steps_and_delivers_all_of_it(
    duration: float, steps: int
) -> None:
    env = environment(one_push(1, (5.0, 0.0, 0.0), 0.2, duration))
    force = env.batch.bind("xfrc_applied")[0, ROBOT.base_body]
    sizes = []
    for _ in range(30):
        env.step(np.zeros((1, A)))
        sizes.append(np.linalg.norm(force[:3]))
        assert not force[3:].any()
    acting = np.flatnonzero(sizes)
    np.testing.assert_array_equal(acting, np.arange(10, 10 + steps))
    assert np.sum(sizes) * DT == pytest.approx(5.0, rel=1e-12)
    assert realized(env, "impulse")[0] == pytest.approx(5.0, rel=1e-12)


def forces(env: MujocoVecEnv[Any, Any], steps: int) -> np.ndarray:
    """Force on the base of the first simulation in each control step, N, (steps, 3)."""
    force = env.batch.bind("xfrc_applied")[0, ROBOT.base_body]
    acted = []
    for _ in range(steps):
        env.step(np.zeros((env.n, A)))
        acted.append(force[:3].copy())
    return np.array(acted)


def test_pushes_at_once_add_up_and_each_keeps_its_direction() -> None:
    params = one_push(1, (2.0, 0.0, 0.0), 0.0, 0.2)
    params["push_begin"][:, 1], params["push_duration"][:, 1] = 0.1, 0.2
    params["push_impulse"][:, 1] = [0.0, 3.0, 0.0]
    acted = forces(environment(params), 20)
    first, both, second, none = acted[2], acted[7], acted[12], acted[17]
    np.testing.assert_allclose(both, first + second, atol=1e-12)
    assert np.linalg.norm(first) == pytest.approx(10.0)
    assert np.linalg.norm(second) == pytest.approx(15.0)
    assert not none.any()


def test_a_push_that_is_changed_to_be_none_ends_at_once_and_the_others_go_on() -> None:
    env = environment(one_push(2, (2.0, 0.0, 0.0), 0.0, 0.2))
    pushing = env.batch.bind("xfrc_applied")[:, ROBOT.base_body, :3]
    env.step(np.zeros((2, A)))
    before = pushing.copy()
    assert before.any(axis=1).all()
    env.change(0, {"push_impulse": np.zeros((MAX_PUSHES, 3))})
    env.step(np.zeros((2, A)))
    assert not pushing[0].any()
    np.testing.assert_array_equal(pushing[1], before[1])


def test_a_push_cut_short_by_the_end_counts_as_far_as_it_came() -> None:
    task = make("quadruped-flat")
    task.episode_steps = 8
    env = MujocoVecEnv(task, 1, seed=0, params=one_push(1, (5.0, 0.0, 0.0), 0.1, 0.1))
    (episode,) = [e for step in run(env, np.zeros((8, 1, A))) for e in step.episodes]
    assert episode.realized["impulse"] == pytest.approx(3.0, rel=1e-12)
    assert episode.params["push_impulse"][0] == [5.0, 0.0, 0.0]
    assert not env.batch.bind("xfrc_applied").any()
    assert realized(env, "impulse")[0] == 0.0


# -- several effects that push -------------------------------------------------


class Wind(Perturbation):
    """A steady force on the base, N, between two control steps of each episode."""

    title = summary = "wind"

    def __init__(self, name: str, first: int, last: int) -> None:
        self.name, self.first, self.last = name, first, last

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """World frame, N."""
        return {self.name: np.zeros(3)}

    def limits(self, robot: Robot) -> Mapping[str, tuple[float, float]]:
        """Of a storm."""
        return {self.name: (-100.0, 100.0)}

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Blow."""
        for step, share in ((self.first, 1.0), (self.last, 0.0)):
            ids = np.flatnonzero(steps == step)
            running.push(ids, share * running.params[self.name][ids])


WINDS = (Wind("north", 2, 8), Wind("east", 5, 12))
NORTH, EAST = np.array([0.0, 7.0, 0.0]), np.array([4.0, 0.0, 1.0])  # N


def windy(*effects: Perturbation, **values: Any) -> MujocoVecEnv[Any, Any]:
    """Two simulations with the two winds and these effects, of which the first has all values."""
    task = make("quadruped-flat")
    task.perturbations = (*WINDS, *effects)
    task.randomization = task.ranges("none")
    params = nominal(task.perturbations, task.robot, 2)
    for name, value in values.items():
        params[name][0] = value
    env = MujocoVecEnv(task, 2, seed=0, params=params)
    env.reset()
    return env


def test_forces_of_two_effects_add_up_and_end_each_in_its_time() -> None:
    env = windy(north=NORTH, east=EAST)
    expected = np.zeros((15, 3))
    expected[2:8] += NORTH
    expected[5:12] += EAST
    np.testing.assert_array_equal(forces(env, 15), expected)
    assert not env.batch.bind("xfrc_applied")[1].any()


def test_an_effect_that_pushes_leaves_the_pushes_of_the_others_as_they_are() -> None:
    push = {
        "push_begin": [0.06, 0, 0, 0],
        "push_duration": [0.1, 0, 0, 0],
        "push_impulse": [[2.0, 1.0, 0.0]] + [[0.0] * 3] * 3,
    }
    alone, blown = forces(windy(Pushes(), **push), 12), windy(Pushes(), north=NORTH, **push)
    together, wind = forces(blown, 12), forces(windy(Pushes(), north=NORTH), 12)
    assert (alone.any(axis=1) & wind.any(axis=1)).any()
    sizes = np.linalg.norm(together - wind, axis=1), np.linalg.norm(alone, axis=1)
    np.testing.assert_allclose(*sizes, atol=1e-12)  # the wind has turned the robot a little
    np.testing.assert_allclose(together - wind, alone, atol=1.0)
    assert realized(blown, "impulse")[0] == pytest.approx(np.sqrt(5.0), rel=1e-12)


def test_what_pushes_at_the_end_of_an_episode_does_not_act_in_the_next() -> None:
    env = windy(north=NORTH, east=EAST)
    assert forces(env, 6)[-1].any()
    env.restart(np.array([0]))
    assert not env.batch.bind("xfrc_applied").any()
    assert not forces(env, 8).any()  # given parameters are those of the first episode alone


def test_training_pushes_come_from_everywhere_five_to_ten_seconds_apart() -> None:
    params = drawn(ranges("default"), 2000)
    apart = np.diff(params["push_begin"], axis=1, prepend=0.0)
    assert 5.0 <= apart.min() < 5.1
    assert 9.9 < apart.max() <= 10.0
    impulse = params["push_impulse"]
    assert 6.3 < np.linalg.norm(impulse, axis=2).max() <= 6.4
    direction = np.arctan2(impulse[..., 1], impulse[..., 0])
    eighths = np.histogram(direction, bins=8, range=(-np.pi, np.pi))[0] / direction.size
    np.testing.assert_allclose(eighths, 1 / 8, atol=0.02)  # 5 sigma
    assert not impulse[..., 2].any()


def test_forces_of_two_effects_go_on_from_a_saved_state() -> None:
    env, restored = (windy(north=NORTH, east=EAST) for _ in range(2))
    forces(env, 6)  # both blow
    restored.load_state_dict(env.state_dict())
    acting = forces(env, 9)
    np.testing.assert_array_equal(forces(restored, 9), acting)
    np.testing.assert_array_equal(acting[[0, 3, -1]], [NORTH + EAST, EAST, np.zeros(3)])
