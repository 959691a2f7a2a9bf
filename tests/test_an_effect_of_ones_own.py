"""An effect defined here alone, wind, is trained with, swept, replayed and reported."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.perturbations.base import (
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
    horizontal,
)
from robo_maxent.robustness import runner
from robo_maxent.robustness.axes import disturbances
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.stress_test import read, stress_test
from robo_maxent.robustness.suites import Suite
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.tasks import quadruped
from robo_maxent.tasks.quadruped import QuadrupedFlat


class Wind(Perturbation):
    """A constant horizontal force on the base, N."""

    name = "wind"
    title = "Steady wind"
    unit = "N"
    summary = "a constant horizontal force"
    severities = (0.0, 10.0, 60.0)
    ranges: Ranges = {"wind": (0.0, 0.0)}
    levels = {"default": {"wind": (0.0, 5.0)}}

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        return {"wind": np.zeros(2)}

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        return {"wind": (-100.0, 100.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        return {"wind": horizontal(rng.uniform(*ranges["wind"]), rng.uniform(-np.pi, np.pi))}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        return {"wind": horizontal(severity, rng.uniform(-np.pi, np.pi))}

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        force = np.zeros((len(steps), 3))
        force[:, :2] = running.params["wind"]
        running.push(np.arange(len(steps)), force)


class Windy(QuadrupedFlat):
    """Walking in the wind."""

    name = "quadruped-windy"
    perturbations = (*QuadrupedFlat.perturbations, Wind())


SUITE = Suite(
    "quick", "a small one", {"nominal": Share(4, 2), "wind": Share(4, 1), "push": Share(1, 0)}
)
IDLE = PolicyUnderTest("idle", lambda obs: np.zeros((len(obs), 12)))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stress tests of a second."""
    monkeypatch.setattr(quadruped, "TRIAL_STEPS", 60)


def test_training_draws_it_from_its_level_or_its_ranges() -> None:
    for chosen, most in (("default", 5.0), ({"wind": (0.0, 50.0)}, 50.0)):
        env = MujocoVecEnv(Windy(randomization=chosen), 64, seed=0)
        env.reset()
        size = np.linalg.norm(env.params["wind"], axis=1)
        assert 0.6 * most < size.max() <= most
        assert env.task.options["randomization"] == (
            chosen if isinstance(chosen, str) else {"wind": [0.0, 50.0]}
        )
    env.step(np.zeros((64, 12)))
    acting = env.batch.bind("xfrc_applied")[:, env.task.robot.base_body, :2]
    np.testing.assert_array_equal(acting, env.params["wind"])


def test_it_moves_no_draw_of_another_effect() -> None:
    envs = [MujocoVecEnv(task(randomization="hard"), 8, seed=0) for task in (Windy, QuadrupedFlat)]
    for env in envs:
        env.reset()
    for name, values in envs[1].params.items():
        np.testing.assert_array_equal(values, envs[0].params[name])


def test_a_suite_sweeps_it_and_the_report_has_its_title_unit_and_curve(
    short: None, tmp_path: Path
) -> None:
    task = Windy()
    assert disturbances(task)["wind"].axis.severities == (0.0, 10.0, 60.0)
    result = stress_test(SUITE, task, [IDLE], tmp_path, clips=0)
    rows, description = read(tmp_path)
    windy = [row for row in rows if row.axis == "wind" and row.severity == 60.0]
    np.testing.assert_allclose([np.hypot(*row.params["wind"]) for row in windy], 60.0)
    assert {row.unit for row in windy} == {"N"}
    label = next(axis for axis in description["axes"] if axis["name"] == "wind")
    assert (label["title"], label["unit"]) == ("Steady wind", "N")
    assert result.analysis.axes["wind"].success["idle"].severities == (0.0, 10.0, 60.0)
    page = result.report.read_text()
    assert "Steady wind" in page
    assert "60 N" in page


def test_an_episode_in_it_runs_again_bit_for_bit(short: None, tmp_path: Path) -> None:
    task = Windy()
    runner.run(SUITE, task, [IDLE], tmp_path)
    rows, _ = read(tmp_path)
    row = next(row for row in rows if row.axis == "wind" and row.severity == 60.0)
    again = runner.replay(row, task, IDLE)
    assert (again.length, again.reward) == (row.length, row.reward)
    assert again.params == json.loads(json.dumps(row.params))
