"""A puck on ice whose mildest failure is known in closed form: the search finds it, and it fails
again, bit for bit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_suite import evaluation

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.own_tasks import class_of
from robo_maxent.envs.task import EpisodeState, Initial
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.arm_pushed import ArmPushed
from robo_maxent.perturbations.base import Share
from robo_maxent.perturbations.channel import ActionDelay
from robo_maxent.perturbations.timed import MIDST
from robo_maxent.report.analysis import analyse
from robo_maxent.report.html import render, worst_case_page
from robo_maxent.report.worst_case import KEY, headline, summary_of
from robo_maxent.report.worst_case_section import section
from robo_maxent.robustness import runner, traced_rollout
from robo_maxent.robustness.baselines import PolicyUnderTest
from robo_maxent.robustness.disturbance_space import space_of
from robo_maxent.robustness.disturbed_starts import critical_severities, failed
from robo_maxent.robustness.stress_test import read, replay_command, stress_test
from robo_maxent.robustness.suites import Suite
from robo_maxent.robustness.worst_case import Settings, WorstCase, search
from robo_maxent.robustness.worst_case_files import write
from robo_maxent.sim.robot import RobotSpec, RobotState
from robo_maxent.spaces import Box, Field
from robo_maxent.tasks import make

ICE = """
<mujoco>
  <option timestep="0.01" gravity="0 0 0"/>
  <worldbody>
    <light pos="0 0 2"/>
    <body name="puck">
      <joint name="x" type="slide" axis="1 0 0"/>
      <joint name="y" type="slide" axis="0 1 0"/>
      <geom size="0.05" mass="2" contype="0" conaffinity="0"/>
      <site name="puck"/>
    </body>
  </worldbody>
  <actuator><motor name="x" joint="x"/><motor name="y" joint="y"/></actuator>
  <keyframe><key name="home" qpos="0 0"/></keyframe>
</mujoco>
"""
MASS = 2.0  # kg
STEPS, DT = 60, 0.05  # 3 s
HALF = np.array([12.0, 20.0])  # m, of the field that it must not leave
OFF = 2.0  # m, along x, of where it begins, either way
SECONDS = ArmPushed.lasts


@dataclass
class Sliding(EpisodeState):
    """Running episodes of a puck."""

    place: np.ndarray
    """World frame, m, (N, 2)."""


class Ice(MujocoTask[Sliding, RobotState]):
    """Stay on the field until the end; nothing brakes."""

    name = "ice"
    summary = "a puck slides"
    robot_spec = RobotSpec(ICE, sites={"puck": "puck"}, hand="puck")
    observation = (Field("place", "m", 2), Field("velocity", "m/s", 2))
    action = (Field("force", "N", 2),)
    action_scale = np.ones(2)
    substeps = 5
    episode_steps = STEPS
    perturbations = (ActionDelay(), ArmPushed())
    deviation_units = {"off": "m"}
    half = HALF

    @property
    def action_space(self) -> Box:
        return Box(("x", "y"), np.zeros(2), self.action_scale)

    def episode_state(self, n: int) -> Sliding:
        return Sliding.blank(n, self.action_size, place=np.zeros((n, 2)))

    def reset(self, episode: Sliding, sim: int, rng: np.random.Generator) -> Initial:
        return Initial(np.array([rng.uniform(-OFF, OFF), 0.0]))

    def observe(self, episode: Sliding, state: RobotState) -> np.ndarray:
        parts = [state.joint_position, state.joint_velocity]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def reward_terms(
        self, episode: Sliding, state: RobotState, action: np.ndarray
    ) -> dict[str, np.ndarray]:
        return {"middle": -np.abs(state.joint_position / self.half).max(axis=1)}

    def terminated(self, episode: Sliding, state: RobotState) -> np.ndarray:
        return np.zeros(len(episode.elapsed), bool)

    def after_step(self, episode: Sliding, state: RobotState, action: np.ndarray) -> None:
        super().after_step(episode, state, action)
        episode.place[:] = state.joint_position

    def success(self, episode: Sliding, sim: int) -> bool:
        return bool((np.abs(episode.place[sim]) < self.half).all())

    def deviations(self, episode: Sliding, state: RobotState) -> Mapping[str, np.ndarray]:  # type: ignore[override]
        return {"off": np.linalg.norm(state.joint_position, axis=1)}


class Crowded(Ice):
    """A field so small that it begins outside of it."""

    half = np.array([0.5, 0.5])


IDLE = PolicyUnderTest("idle", lambda obs: np.zeros((len(obs), 2)), sha256="idle")
PUSHED = Settings(effects=("arm_pushed",), episodes=400)


def mildest_force(begins: float, way: float) -> float:
    """Force of SECONDS from ``begins`` on that moves the puck by a way until the end, N."""
    return way * MASS / (SECONDS * (STEPS * DT - begins - SECONDS / 2.0))


@pytest.fixture(scope="module")
def found() -> tuple[WorstCase, Any]:
    return search(Ice(), IDLE, PUSHED, threads=1)


@pytest.fixture(scope="module")
def written(found: tuple[WorstCase, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ice") / "worst-case"
    write(*found, out, "robo-maxent worst-case ice", films=0)
    return out


def begins_at(sim: int) -> float:
    """Where a start begins, along x, m."""
    task = Ice()
    undisturbed = episode_params.nominal(task.perturbations, task.robot, 1)
    return float(task.trial_env(undisturbed, np.array([sim]), PUSHED.seed, 1).reset()[0, 0])


# -- closed form ---------------------------------------------------------------


def test_the_mildest_push_is_the_least_that_reaches_the_nearest_edge(
    found: tuple[WorstCase, Any],
) -> None:
    worst, _ = found
    (part,), (start,) = worst.space.parts, worst.starts.tolist()
    off = begins_at(start)
    force = part.severity(worst.minima[0].point.severity)
    least = mildest_force(MIDST[0], HALF[0] - abs(off))
    assert 0.99 * least <= force <= 1.03 * least
    earliest, angle = worst.minima[0].point.choices
    assert earliest < 0.3
    towards = -np.pi + 2.0 * np.pi * angle
    assert np.cos(towards) * np.sign(off) > 0.95


def test_the_farther_edge_is_another_minimum(found: tuple[WorstCase, Any]) -> None:
    worst, _ = found
    (part,), (start,) = worst.space.parts, worst.starts.tolist()
    least = mildest_force(MIDST[0], HALF[0] + abs(begins_at(start)))
    forces = [part.severity(failure.point.severity) for failure in worst.minima]
    assert any(0.99 * least <= force <= 1.05 * least for force in forces), (least, forces)


def test_fresh_starts_fail_that_begin_nearer_to_the_edge(found: tuple[WorstCase, Any]) -> None:
    worst, _ = found
    mildest, (start,) = worst.minima[0], worst.starts.tolist()
    share = (OFF - abs(begins_at(start))) / (2.0 * OFF)
    assert mildest.fresh is not None
    assert mildest.fresh.count == 100
    assert mildest.fresh.low - 0.02 <= share <= mildest.fresh.high + 0.02


def test_points_at_random_cost_as_much_and_are_not_as_mild(found: tuple[WorstCase, Any]) -> None:
    worst, _ = found
    assert worst.random_tests == worst.tests
    assert worst.at_random is not None
    assert worst.at_random.point.severity > worst.minima[0].point.severity


def test_a_critical_severity_is_where_half_of_the_starts_fail() -> None:
    thresholds = np.array([0.3, 1.7, 5.0])

    def run(severities: np.ndarray) -> np.ndarray:
        return np.where(np.abs(severities - nominal) >= thresholds, 0.6, 0.4)

    nominal, hardest = np.array([1.0, 0.0, 0.0]), np.array([0.0, 3.0, 4.0])
    steps = np.array([0.0, 1.0, 0.0])
    severities, is_reached = critical_severities(run, nominal, hardest, steps, halvings=6)
    assert severities[0] == pytest.approx(0.7, abs=1 / 64)
    assert severities[1] == 2.0
    assert severities[2] == 4.0
    assert is_reached.tolist() == [True, True, False]


# -- the same again ------------------------------------------------------------


def test_the_same_search_finds_the_same(found: tuple[WorstCase, Any]) -> None:
    settings = Settings(effects=("arm_pushed",), episodes=400)
    again, _ = search(Ice(), IDLE, settings, threads=2)
    for one, other in zip(found[0].failures, again.failures, strict=True):
        np.testing.assert_array_equal(one.point.shares, other.point.shares)
        np.testing.assert_array_equal(one.point.choices, other.point.choices)
        assert one.fresh == other.fresh


def test_every_row_fails_again_bit_for_bit(written: Path) -> None:
    rows, description = read(written)
    assert [row.case for row in rows[:2]] == ["minimum-1", "minimum-2"]
    assert rows[-1].case == "random"
    for row in rows:
        again = runner.replay(row, Ice(), IDLE)
        assert failed(again)
        assert (again.length, again.reward) == (row.length, row.reward)
    names = [failure.row for failure in summary_of(description).minima]
    assert names[0].startswith("idle/mean/worst_case/")


def test_the_file_has_no_date_and_the_same_search_leaves_the_same_bytes(
    found: tuple[WorstCase, Any], written: Path, tmp_path: Path
) -> None:
    write(*found, tmp_path / "again", "robo-maxent worst-case ice", films=0)
    for name in ("suite.json", "episodes.jsonl"):
        assert (written / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


# -- what is said --------------------------------------------------------------


def test_what_is_said_has_units_directions_and_times(written: Path) -> None:
    summary = summary_of(json.loads((written / "suite.json").read_text()))
    said = headline(summary)
    force = summary.minima[0].parts[0].severity
    assert f"a push of the hand {force:.3g} N towards " in said
    assert " at 0.8" in said
    assert "of 100 fresh starts fail" in said


def test_the_page_and_the_section_show_it(written: Path) -> None:
    suite = json.loads((written / "suite.json").read_text())
    shown = section(suite, written, replay_command(written, class_of(Ice)))
    page = worst_case_page(shown, suite, "idle")
    assert (written / "report.html").read_text() == page
    assert "The mildest failures that were found" in page
    assert shown.watched[0].command in page.replace("&#39;", "'")
    assert shown.watched[0].video is None
    assert len(shown.table.rows) == len(suite[KEY]["minima"]) + 1


def test_a_report_of_all_axes_takes_it_up(written: Path) -> None:
    rows, suite = evaluation(each=10, axes=("nominal", "push"))
    shown = section(json.loads((written / "suite.json").read_text()), written, "again {row}")
    with_it = render(analyse(rows, suite), rows, suite, worst_case=shown)
    without = render(analyse(rows, suite), rows, suite)
    assert 'id="worst-case"' in with_it
    assert 'href="#worst-case"' in with_it
    assert 'id="worst-case"' not in without
    assert 'href="#worst-case"' not in without


def test_a_stress_test_beside_it_takes_it_up_if_it_is_of_the_same_policy(written: Path) -> None:
    suite = Suite("nominal", "", {"nominal": Share(2, 0)}, only_axes=())

    def report(policy: PolicyUnderTest, name: str) -> str:
        result = stress_test(suite, Ice(), [policy], written.parent / name, threads=1, clips=0)
        return result.report.read_text()

    assert 'id="worst-case"' in report(IDLE, "same")
    assert 'id="worst-case"' not in report(replace(IDLE, sha256="other"), "other")
    file = written / "suite.json"
    kept = file.read_text()
    file.write_text(kept.replace('"minima"', '"maxima"'))
    assert f"{file} is not shown here: the worst case lacks" in report(IDLE, "damaged")
    file.write_text(kept)


# -- at the door ---------------------------------------------------------------


def test_a_policy_that_fails_undisturbed_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"idle succeeds in .* it fails without any disturbance"):
        search(Crowded(), IDLE, PUSHED, threads=1)


def test_what_can_be_searched_is_listed() -> None:
    flat = make("quadruped-flat")
    with pytest.raises(UsageError, match="the axis dead_joint of quadruped-flat can't be searched"):
        space_of(flat, ["push", "dead_joint"])
    with pytest.raises(UsageError, match=r"Unknown axis of quadruped-flat 'pusch'.*'push'"):
        space_of(flat, ["pusch"])
    usual = [part.axis.name for part in space_of(flat, None).parts]
    assert "push" in usual and "friction" in usual and "dead_joint" not in usual  # noqa: PT018
    friction = space_of(flat, ["friction"]).parts[0]
    assert (friction.nominal, friction.hardest) == (0.8, 0.1)


@pytest.mark.parametrize("task", ["quadruped-flat", "arm-pick", "point-fork", "quadruped-fork"])
def test_a_point_changes_its_effects_and_shares_of_nothing_change_nothing(task: str) -> None:
    space: Any = space_of(make(task), None)
    effects, numbers = len(space.parts), len(space.circular)
    choices = np.full((effects + 1, numbers), 0.3)
    shares = np.concatenate([np.zeros((1, effects)), np.eye(effects)])
    params = space.params(shares, choices)
    undisturbed = params.rows(np.array([0]))
    for row, part in enumerate(space.parts, 1):
        differing = params.rows(np.array([row])).differing(undisturbed)
        assert differing
        assert differing <= part.effect.nominal(space.task.robot).keys()
    assert not undisturbed.differing(space.params(np.zeros((1, effects)), choices[:1]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 100}, "at least 200 episodes a start, 200 in all, got 100"),
        ({"episodes": 500, "starts": 3}, "600 in all, got 500"),
        ({"starts": 0}, "starts must be in 1..20, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**settings)


def test_an_interruption_keeps_what_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, calls = traced_rollout.run, 0

    def interrupted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 25:
            raise KeyboardInterrupt
        return run(*args, **options)

    monkeypatch.setattr(traced_rollout, "run", interrupted)
    worst, starts = search(Ice(), IDLE, PUSHED, threads=1)
    assert worst.interrupted
    assert worst.minima
    result = write(worst, starts, tmp_path / "kept", films=0)
    assert result.summary.minima[0].fresh is None
    assert result.summary.at_random is None
    assert result.report.exists()


def test_most_of_several_starts_have_to_fail() -> None:
    settings = Settings(effects=("arm_pushed",), episodes=600, starts=3, fresh=0)
    worst, _ = search(Ice(), IDLE, settings, threads=1)
    offs = sorted(begins_at(start) for start in worst.starts.tolist())
    assert len(offs) == 3
    (part,) = worst.space.parts
    ways = HALF[0] + offs[1], HALF[0] - offs[1]  # of the second of three, to either edge
    least = min(mildest_force(MIDST[0], way) for way in ways)
    force = part.severity(worst.minima[0].point.severity)
    assert 0.99 * least <= force <= 1.06 * least
