"""The intersection: whose turn it is, what a drive comes to, and every command on it."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import imageio.v3 as imageio
import numpy as np
import pytest
from command_line import call

from robo_maxent import versions
from robo_maxent.envs import gym_trial
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.interop import gym_registration
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.params import nominal
from robo_maxent.rendering import gym_video
from robo_maxent.robustness import stress_test, suites
from robo_maxent.tasks import TASKS
from robo_maxent.tasks.intersection import (
    DECISIONS,
    FASTER,
    NAME,
    PICTURE,
    RATE,
    SLOWER,
    Crossing,
    Intersection,
)

pytest.importorskip("highway_env", reason="the extra driving is not installed")
pytestmark = pytest.mark.usefixtures("one_thread")

EMPTY = {"initial_vehicle_count": 1, "spawn_probability": 0.0}
"""But one car, of which there always is one."""
SHORT = {**EMPTY, "duration": 2}
"""Two seconds, since highway-env is slow."""


@pytest.fixture(autouse=True)
def _few_random_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gym_trial, "LOOKED_AT", 4)
    monkeypatch.setattr(gym_trial, "REPEATED", 2)


@pytest.fixture(scope="module")
def task() -> Any:
    return Intersection(env_args={"config": SHORT})


def drive(actions: list[int], seed: int = 0, **config: Any) -> tuple[Crossing, list[Any]]:
    """A crossing after these actions, or after the end, and what each step said."""
    world, steps = Crossing(config=config), []
    world.reset(seed=seed)
    for action in actions:
        steps.append(world.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return world, steps


def alone(seed: int = 0) -> Crossing:
    """An intersection without anybody else."""
    world = Crossing(config=EMPTY)
    world.reset(seed=seed)
    world.world.road.vehicles = [world.world.vehicle]
    return world


def test_who_drives_fast_where_nobody_is_arrives_in_the_west() -> None:
    world, rewards = alone(), []
    x, y, heading = world.cars()[0]
    assert (x, heading) == (pytest.approx(2.0), pytest.approx(-np.pi / 2))  # right lane, northward
    assert 25.0 < y < 65.0
    terminated, truncated, info = False, False, {}
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = world.step(FASTER)
        rewards.append(reward)
    assert (terminated, truncated, info["is_success"]) == (True, False, True)
    x, y, heading = world.cars()[0]
    assert x < -30.0
    assert y == pytest.approx(-2.0, abs=0.5)
    assert abs(heading) == pytest.approx(np.pi, abs=0.1)
    assert rewards == pytest.approx([1.0] * len(rewards))


def test_who_brakes_stands_until_time_is_up_and_gains_nothing() -> None:
    world = alone()
    steps = [world.step(SLOWER) for _ in range(DECISIONS)]
    assert [truncated for _, _, _, truncated, _ in steps] == [False] * (DECISIONS - 1) + [True]
    assert not any(terminated or info["is_success"] for _, _, terminated, _, info in steps)
    assert sum(reward for _, reward, _, _, _ in steps[3:]) == 0.0
    assert np.linalg.norm(world.world.vehicle.velocity) < 0.1


def test_a_crash_ends_it_and_is_no_success() -> None:
    world = alone()
    car = world.world.vehicle
    ahead = type(car)(
        world.world.road, car.position - np.array([0.0, 12.0]), car.heading, speed=0.0
    )
    ahead.crashed = True  # so it stays where it is
    world.world.road.vehicles.append(ahead)
    steps = [world.step(FASTER) for _ in range(2)]
    _, reward, terminated, _, info = steps[-1]
    assert (terminated, info["is_success"]) == (True, False)
    assert reward < -3.9


def test_the_observation_says_where_the_cars_are() -> None:
    world = Crossing()
    obs, _ = world.reset(seed=4)
    assert obs.shape == world.observation_space.shape == (105,)
    assert obs.dtype == np.float32
    cars = obs.reshape(15, 7)
    own, places = world.cars()[0], world.cars()[:, :2]
    np.testing.assert_allclose(100.0 * cars[0, 1:3], own[:2], rtol=1e-5)
    seen = cars[cars[:, 0] == 1.0]
    assert 5 < len(seen) <= len(places)
    for car in seen:
        assert np.linalg.norm(places - 100.0 * car[1:3], axis=1).min() < 1e-3
    assert (cars[len(seen) :] == 0.0).all()


def test_the_same_seed_is_the_same_traffic_and_another_is_another() -> None:
    first, again, other = (
        np.array([step[0] for step in drive([FASTER, SLOWER, SLOWER], seed)[1]])
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_decides_each_second_and_the_task_says_so(task: GymTask) -> None:
    assert (task.control_dt, task.episode_steps, task.preset) == (1.0, DECISIONS, "traffic")
    rows = {name: evaluate(act, task, 2) for name, act in task.baselines().items()}
    assert list(rows) == ["always slower", "always faster", "random"]
    assert all(row.length == 2 for row in rows["always slower"])
    assert rows["always faster"][0].reward > rows["always slower"][0].reward
    assert task.packages == ("gymnasium", "highway-env")
    world, _ = drive([SLOWER] * 4, **EMPTY)
    assert world.world.time == pytest.approx(4.0)


def test_a_film_shows_what_happens_between_decisions_and_how_it_ended(
    tmp_path: Path, task: GymTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    file = tmp_path / "film.mp4"
    gym_video.record(lambda obs: np.full(len(obs), FASTER), task, 3, file)
    assert imageio.immeta(file)["fps"] == RATE
    frames = imageio.imread(file)
    assert frames.shape == (2 * RATE + 1, PICTURE, PICTURE, 3)
    moved = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert (moved > 0.01).all(), "a picture twice"


def test_a_clip_of_a_stress_test_shows_the_same(tmp_path: Path, task: GymTask) -> None:
    params = nominal(task.perturbations, task.robot, 1)
    env = task.trial_env(params, np.arange(1), seed=0, filmed=True)
    first = env.reset()
    assert env.frame().shape == (PICTURE, PICTURE, 3)
    assert env.pictures() == []
    env.step(np.array([FASTER]))
    assert len(env.pictures()) == RATE
    np.testing.assert_array_equal(env.pictures()[-1], env.frame())
    env.close()
    assert first.shape == (1, 105)


def test_gymnasium_makes_the_same_intersection() -> None:
    assert TASKS[NAME] is Intersection
    assert Intersection.env_spec.id == gym_registration.env_id(NAME)
    env = gymnasium.make(f"{gym_registration.__name__}:{Intersection.env_spec.id}")
    assert isinstance(env.unwrapped, Crossing)
    assert env.spec is not None
    assert env.spec.max_episode_steps == DECISIONS


def test_four_simulations_are_in_processes_of_their_own(task: GymTask) -> None:
    env = task.training_env(2, 0, 1, "")
    assert type(env.env).__name__ == "AsyncVectorEnv"
    here = GymVecEnv(task, 2, 0)
    np.testing.assert_array_equal(env.reset(), here.reset())
    actions = np.array([FASTER, SLOWER])
    np.testing.assert_array_equal(env.step(actions).obs, here.step(actions).obs)
    env.close()
    here.close()


def test_an_unknown_setting_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="config has no vehicles; it has action, arrived_reward, "):
        Intersection(env_args={"config": {"vehicles": 3}})


def test_a_missing_extra_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda name: None)
    code, out, err = call(capsys, "train", NAME, "--steps", "8")
    assert (code, out) == (2, "")
    said = " ".join(err.split())
    assert "intersection needs highway_env: pip install 'robo-maxent[driving]'" in said
    assert "Traceback" not in err
    code, out, _ = call(capsys, "tasks", "--json")
    assert code == 0
    assert "needs the extra driving" in json.loads(out)["tasks"][NAME]


def test_every_command_works_on_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = {name: Share(2, 1) for name in ("nominal", "action_delay", "sensor_noise")}
    monkeypatch.setitem(suites.SUITES, "quick", suites.Suite("quick", "few", shares=few))

    def result(*words: str) -> dict[str, Any]:
        code, out, err = call(capsys, *words, "--json")
        assert code == 0, err
        return json.loads(out)

    budget = ["--steps", "24", "--envs", "2", "--random-steps", "4", "--width", "16"]
    budget += ["--evaluation-episodes", "1", "--env-arg", f"config={SHORT}", "--out", "run"]
    assert result("train", NAME, *budget)["steps"] == 24
    assert json.loads(Path("run/config.json").read_text())["train"]["sac"]["gamma"] == 0.95
    assert result("evaluate", "run", "--episodes", "2")["policies"][0]["mean_length"] == 2
    assert Path(result("record", "run")["video"]).stat().st_size > 1000
    report = result("evaluate", "run", "--suite", "quick", "--clips", "1")
    assert Path(report["report"]).is_file()
    rows, description = stress_test.read(Path(report["report"]).parent)
    assert {row.axis for row in rows} >= {"nominal", "action_delay", "sensor_noise"}
    assert {row.policy for row in rows} >= {"always slower", "always faster", "random"}
    assert "highway-env" in description["versions"]
    assert not any(row.outcome == "diverged" for row in rows)
    assert isinstance(rows[0].success, bool)
