"""The fork: two ways that are exactly as good, and lids that close one of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_maxent.assets import path
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import RobotError
from robo_maxent.evaluation.rollout import evaluate
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Plant, Share
from robo_maxent.perturbations.blocked import LEFT, OPEN, RIGHT, Blocked
from robo_maxent.report.analysis import analyse
from robo_maxent.report.rows import StressEpisode, check_suite
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.plan import Draws, planned
from robo_maxent.robustness.runner import run
from robo_maxent.robustness.suites import SUITES, Suite
from robo_maxent.sim.robot import Robot, load
from robo_maxent.tasks import make, quadruped_fork
from robo_maxent.tasks.point_fork import FORK, PointFork
from robo_maxent.types import Act

FLIP = np.array([1.0, -1.0])
TASK = PointFork()
WALL, START, GOAL = FORK.wall[1], np.array([FORK.start, 0.0]), np.array([FORK.goal, 0.0])
GAPS = {LEFT: FORK.gap, RIGHT: -FORK.gap}


def round_the(side: int) -> Act:
    """A script that goes to a gap, through it, and to the goal."""

    def act(obs: np.ndarray) -> np.ndarray:
        position, gap = obs[:, :2], GAPS[side]
        before = np.column_stack([np.full(len(obs), -0.25), np.full(len(obs), gap)])
        after = before * [-1.0, 1.0]
        lined_up = (np.abs(position[:, 1] - gap) < 0.05)[:, None]
        aim = np.where(position[:, :1] > 0.2, GOAL, np.where(lined_up, after, before))
        return np.clip(5.0 * (aim - position), -1.0, 1.0)

    return act


def blocked(side: int, told: int, n: int = 1) -> MujocoVecEnv[Any, Any]:
    params = episode_params.nominal(TASK.perturbations, TASK.robot, n)
    for sim in range(n):
        params.change(sim, {"blocked": side, "told": told})
    return TASK.evaluation_env(n, 0, params=params)


@pytest.mark.parametrize(("side", "share"), [(LEFT, 1.0), (RIGHT, 0.0)])
def test_either_way_leads_to_the_goal(side: int, share: float) -> None:
    (episode,) = evaluate(round_the(side), TASK, 1, seed=0)
    assert episode.success
    assert episode.metrics["left"] == share


def test_the_two_ways_are_worth_the_same() -> None:
    left, right = (evaluate(round_the(side), TASK, 1, seed=0)[0] for side in (LEFT, RIGHT))
    assert left.reward == pytest.approx(right.reward, abs=1e-3)


def test_episodes_begin_on_the_line_of_symmetry() -> None:
    env = TASK.evaluation_env(64, 0)
    x, y = env.reset()[:, :2].T
    assert (y == 0.0).all()
    assert np.ptp(x) > 0.1
    assert len(np.unique(x)) == 64
    env.close()


def test_nothing_is_mirrored_for_the_learner() -> None:
    assert TASK.mirrors is None


def test_straight_ahead_is_a_wall() -> None:
    (episode,) = evaluate(lambda obs: np.tile([1.0, 0.0], (len(obs), 1)), TASK, 1, seed=0)
    assert not episode.success
    assert episode.metrics["left"] is None


def test_the_way_that_is_left_is_the_shortest_that_is_open() -> None:
    middle = np.hypot(START[0] + WALL, GAPS[LEFT])
    whole = 2.0 * middle + 2.0 * WALL
    points = np.array([START, [0.0, 0.65], [0.5, 0.3], START])
    ways = FORK.way_left(points, np.array([OPEN, OPEN, LEFT, RIGHT]))
    assert ways[0] == pytest.approx(whole)
    assert ways[1] == pytest.approx(WALL + np.hypot(GOAL[0] - WALL, 0.65))
    assert ways[2] == pytest.approx(np.hypot(0.5, 0.3))
    assert ways[3] == pytest.approx(whole)
    tilted = np.array([[-0.5, 0.3]])
    assert FORK.way_left(tilted, np.array([LEFT])) > FORK.way_left(tilted, np.array([OPEN]))
    rng = np.random.default_rng(0)
    anywhere = rng.uniform(-1.0, 1.0, (50, 2))
    np.testing.assert_allclose(
        FORK.way_left(anywhere, np.full(50, LEFT)),
        FORK.way_left(anywhere * FLIP, np.full(50, RIGHT)),
    )


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_a_lid_closes_its_way_alone(side: int) -> None:
    for way in (LEFT, RIGHT):
        env = blocked(side, told=0)
        obs = env.reset()
        for _ in range(TASK.episode_steps - 1):
            obs = env.step(round_the(way)(obs)).obs
        through = env.state.site_position["puck"][0, 0] > WALL
        assert through == (way != side)
        env.close()


def test_a_policy_sees_what_is_closed_only_where_it_is_told() -> None:
    for told in (0, 1):
        env = blocked(RIGHT, told)
        assert env.reset()[0, 4] == RIGHT * told
        env.close()


def test_in_training_either_way_may_be_closed_and_is_told() -> None:
    effect, rng = Blocked(), np.random.default_rng(0)
    drawn = [effect.sample({"blocked": 0.5}, rng, TASK.robot) for _ in range(400)]
    sides = np.array([each["blocked"] for each in drawn])
    assert [(sides == s).mean() for s in (OPEN, LEFT, RIGHT)] == pytest.approx(
        [0.5, 0.25, 0.25], abs=0.07
    )
    assert all(each["told"] == (each["blocked"] != OPEN) for each in drawn)


def test_a_stress_test_closes_each_way_told_and_not_told() -> None:
    axis = disturbances(TASK)["blocked"].axis
    assert axis.cases == ("left", "right", "left, told", "right, told")
    plant, rng = Plant(TASK.robot, TASK.control_dt), np.random.default_rng(0)
    assert Blocked().at(1.0, "right, told", rng, plant) == {"blocked": RIGHT, "told": 1}
    assert Blocked().at(1.0, "left", rng, plant) == {"blocked": LEFT, "told": 0}
    assert Blocked().at(0.0, "left, told", rng, plant) == {"blocked": OPEN, "told": 0}
    assert "blocked" not in disturbances(make("arm-reach"))


@pytest.mark.parametrize("name", ["point-fork", "quadruped-fork"])
def test_suites_have_episodes_of_every_case(name: str) -> None:
    task = make(name)
    still = PolicyUnderTest("still", lambda obs: np.zeros((len(obs), task.action_size)))
    (plan, *_) = planned(SUITES["quick"].only(["blocked"], task), task, [still], 0)
    sides = Draws(task, 0).of(plan.episodes(np.arange(len(plan))))["blocked"]
    assert [(sides == side).sum() for side in (OPEN, LEFT, RIGHT)] == [100, 32, 32]


def test_a_fork_has_two_lids() -> None:
    spec = replace(PointFork.robot_spec, lids=("left lid",))
    with pytest.raises(RobotError, match=r"lids must name two bodies, left and right, got \['left"):
        Robot(load(spec.model), spec)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            '<geom name="middle" type="box"',
            '<geom name="wall" type="box"',
            "no geom named 'middle'",
        ),
        ('name="left lid" type="box"', 'name="left lid" type="ellipsoid"', "'left lid' is none"),
        ('<geom name="middle"', '<geom name="middle" euler="0 0 0.3"', "'middle' is none"),
        (
            '<body name="left lid" pos="0 0.65 -5">',
            '<body name="left lid" pos="0 0.65 -5"><joint type="slide" axis="0 0 1"/>',
            "boxes along the axes of the world that do not move; 'left lid'",
        ),
        (
            '<geom name="left lid" type="box" size="0.1 0.15 0.1" material="lid"/>',
            "",
            "The lid 'left lid' has no geom",
        ),
    ],
)
def test_a_robot_file_without_walls_and_lids_is_refused(
    before: str, after: str, words: str, tmp_path: Path
) -> None:
    text = Path(path("point.xml")).read_text()
    assert before in text
    changed = tmp_path / "changed.xml"
    changed.write_text(text.replace(before, after))
    with pytest.raises(RobotError, match=words):
        make("point-fork", robot_file=str(changed))


@pytest.mark.parametrize("name", ["point-fork", "quadruped-fork"])
def test_the_floor_plan_is_where_the_ways_are(name: str) -> None:
    task: Any = make(name)
    fork = FORK if name == "point-fork" else quadruped_fork.FORK
    plan = task.floor_plan
    middle, left, right = plan.walls
    assert fork.wall[0] < middle[0] < middle[2] < fork.wall[1], "wider by who goes round it"
    assert middle[1] == -middle[3], "symmetric"
    assert left[1] > middle[3]
    assert plan.lids["left"] == (middle[0], middle[3], middle[2], left[1]), "closes all of it"
    assert plan.lids["right"] == (middle[0], right[3], middle[2], middle[1])
    assert (plan.lids["left"][1] + plan.lids["left"][3]) / 2 == pytest.approx(fork.gap)
    assert plan.goal == (fork.goal, 0.0)


def test_rows_of_a_stress_test_say_where_episodes_went(tmp_path: Path) -> None:
    script = PolicyUnderTest("left", round_the(LEFT))
    suite = Suite("tiny", "", {"nominal": Share(2, 0), "blocked": Share(1, 0)})
    lines = run(suite, TASK, [script], tmp_path).read_text().splitlines()
    rows = [StressEpisode.from_json(json.loads(line)) for line in lines]
    saved = json.loads((tmp_path / "suite.json").read_text())
    check_suite(saved)
    (ways,) = analyse(rows, saved).ways
    assert ways.plan == TASK.floor_plan
    assert [case.case for case in ways.cases] == ["", "left", "right", "left, told", "right, told"]
    for case in ways.cases:
        for points, arrived in case.paths:
            assert points[0][0] == pytest.approx(FORK.start, abs=0.11)
            assert max(y for _, y in points) > 0.5, "left"
            assert arrived == (not case.case.startswith("left"))
            assert np.hypot(points[-1][0] - FORK.goal, points[-1][1]) < 0.15 or not arrived
