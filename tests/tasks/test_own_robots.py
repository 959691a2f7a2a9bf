"""Robots of a user's in the tasks of quadrupeds: named parts, mirror images, and scale."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import small_robots

from robo_maxent.envs.interface import layout_of
from robo_maxent.errors import PolicyError, RobotError
from robo_maxent.perturbations.mass import CentreOfMass
from robo_maxent.perturbations.params import nominal
from robo_maxent.robots.page import write_page
from robo_maxent.robots.propose import propose
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.sim.body_scale import BodyScale
from robo_maxent.sim.capture_impulse import capture_impulse
from robo_maxent.sim.robot import LeggedState
from robo_maxent.tasks import make
from robo_maxent.tasks.four_legs import ACTION_SCALE, OnFourLegs
from robo_maxent.tasks.quadruped import QuadrupedFlat

TASKS = ("quadruped-flat", "quadruped-rough", "quadruped-rough-scan", "quadruped-getup")


def paged(folder: Path, text: str, name: str = "small") -> tuple[Path, QuadrupedPage]:
    (folder / f"{name}.xml").write_text(text)
    page = propose(folder / f"{name}.xml", f"{name}.xml", name).page
    assert isinstance(page, QuadrupedPage)
    (folder / f"{name}.toml").write_text(write_page(page))
    return folder / f"{name}.toml", page


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paged(tmp_path_factory.mktemp("robots"), small_robots.mjcf())[0]


def enlarged(text: str) -> str:
    """The same robot twice as long, and eight times as heavy."""
    import re

    def scaled(match: re.Match[str]) -> str:
        power = {"mass": 8.0, "diaginertia": 32.0}.get(match[1], 2.0)
        values = [f"{power * float(value):.9g}" for value in match[2].split()]
        return f'{match[1]}="{" ".join(values)}"'

    text = re.sub(r'\b(pos|size|fromto|mass|diaginertia)="([-\d. e]+)"', scaled, text)
    return text.replace('ctrlrange="-20 20"', 'ctrlrange="-320 320"')


@pytest.mark.parametrize("name", [*TASKS, "quadruped-fork"])
def test_every_task_of_quadrupeds_takes_the_robot_of_a_page(small: Path, name: str) -> None:
    task = make(name, robot_file=small)
    assert task.robot.joints == tuple(
        f"{leg}_{part}" for leg in LEGS for part in ("abduct", "swing", "knee")
    )
    env = task.evaluation_env(2, 3)
    obs = env.reset()
    assert obs.shape == (2, task.observation_size)
    for _ in range(3):
        step = env.step(np.zeros((2, 12), np.float32))
        assert np.isfinite(step.next_obs).all()
        assert not step.diverged.any()
    env.close()


def test_a_robot_of_another_kind_of_task_is_refused(small: Path) -> None:
    with pytest.raises(RobotError, match="small is a quadruped, and arm-reach is for another kind"):
        make("arm-reach", robot_file=small)


def test_mirror_images_of_a_robot_see_and_act_as_mirror_images(tmp_path: Path) -> None:
    text = small_robots.mjcf()
    for leg in ("FL", "RL"):  # abduction is outward on both sides: another sign than ours
        text = text.replace(f'"{leg}_abduct" axis="1 0 0"', f'"{leg}_abduct" axis="-1 0 0"')
    path, page = paged(tmp_path, text)
    assert page.joints.mirror == (1, 1, 1)
    task = make("quadruped-flat", robot_file=path).trial()
    assert task.mirrors is not None
    see, act = task.mirrors
    env = task.evaluation_env(2, 3, params=nominal(task.perturbations, task.robot, 2))
    env.reset()
    qpos, qvel = env.batch.bind("qpos"), env.batch.bind("qvel")
    home = task.robot.home_qpos.copy()
    home[2] += 0.05
    bend = np.array([0.1, 0.2, -0.1])
    for sim, leg in enumerate((0, 1)):
        qpos[sim], qvel[sim] = home, 0.0
        qpos[sim, task.robot.qpos_adr[3 * leg : 3 * leg + 3]] += bend
    env.batch.forward()
    env.episode.phase[:] = [0.0, 0.5]
    env.episode.command[:] = [[0.5, 0.2, 0.3], [0.5, -0.2, -0.3]]
    one, other = task.observe(env.episode, env.state)
    np.testing.assert_allclose(see(one), other, atol=1e-5)
    action = np.arange(12.0)
    np.testing.assert_array_equal(act(action)[[0, 3]], action[[3, 0]])
    env.close()


def test_a_robot_twice_as_large_earns_the_same_for_the_same_walk(tmp_path: Path) -> None:
    """Lengths times 2, speeds times the root of 2, rates through it: Froude's law."""
    tasks = []
    for name, text in (("one", small_robots.mjcf()), ("two", enlarged(small_robots.mjcf()))):
        tasks.append(make("quadruped-flat", robot_file=paged(tmp_path, text, name)[0]))
    one, two = tasks
    assert two.robot.mass == pytest.approx(8.0 * one.robot.mass)
    assert two.robot.leg_length == pytest.approx(2.0 * one.robot.leg_length)
    np.testing.assert_allclose(two.action_scale, one.action_scale, atol=0.011)
    terms = []
    for task, size in ((one, 1.0), (two, 2.0)):
        episode, rng = task.episode_state(4), np.random.default_rng(0)
        episode.command[:] = rng.uniform(-1.0, 1.0, (4, 3)) * task.command_scale
        state = some_state(task, rng, size)
        terms.append(task.reward_terms(episode, state, rng.uniform(-1, 1, (4, 12))))
    for name, values in terms[0].items():
        np.testing.assert_allclose(terms[1][name], values, rtol=0.02, atol=0.01, err_msg=name)


def some_state(task: QuadrupedFlat, rng: np.random.Generator, size: float) -> LeggedState:
    """A state that is the same of robots of any size, but for their scale."""
    speed, mass = np.sqrt(size), size**3
    mappings = ("site_position", "sensed")
    names = [field.name for field in fields(LeggedState) if field.name not in mappings]
    state = LeggedState(site_position={}, sensed={}, **{name: np.zeros(1) for name in names})
    lift = 0.05 * size * rng.random((4, 4, 3))
    return replace(
        state,
        joint_position=task.robot.home_pose + rng.uniform(-0.2, 0.2, (4, 12)),
        joint_velocity=rng.normal(size=(4, 12)) / speed,
        base_position=np.array([0.0, 0.0, task.robot.home_height]) + lift[:, 0],
        base_orientation=np.tile([1.0, 0.0, 0.0, 0.0], (4, 1)),
        base_linear_velocity=speed * rng.normal(size=(4, 3)),
        base_angular_velocity=rng.normal(size=(4, 3)) / speed,
        up=np.tile([0.1, 0.0, 0.99], (4, 1)),
        foot_position=lift + task.robot.foot_radius * np.array([0.0, 0.0, 1.0]),
        foot_velocity=speed * rng.normal(size=(4, 4, 3)),
        foot_touch=mass * 10.0 * (rng.random((4, 4)) > 0.5),
    )


def test_perturbations_and_capture_impulses_scale_with_mass_and_size(tmp_path: Path) -> None:
    one = make("quadruped-flat", robot_file=paged(tmp_path, small_robots.mjcf(), "one")[0])
    text = enlarged(small_robots.mjcf())
    two = make("quadruped-flat", robot_file=paged(tmp_path, text, "two")[0])
    ratio = capture_impulse(two.robot).towards(0.0) / capture_impulse(one.robot).towards(0.0)
    assert ratio == pytest.approx(8.0 * np.sqrt(2.0), rel=1e-2)
    shifts = [CentreOfMass().axes(task.robot)[0].severities[-1] for task in (one, two)]
    assert shifts[1] / shifts[0] == pytest.approx(2.0, rel=0.02)
    ranges = [task.ranges("hard").ranges for task in (one, two)]
    for name, power in (("payload", 8.0), ("push_impulse", 8.0), ("com_offset", 2.0)):
        assert ranges[1][name][1] / ranges[0][name][1] == pytest.approx(power, rel=0.02)


def test_the_shipped_robot_is_the_measure_of_all() -> None:
    for name in TASKS:
        task = make(name)
        assert task.scale == BodyScale(1.0, 1.0)
        assert (task.scale.speed, task.scale.rate, task.scale.torque) == (1.0, 1.0, 1.0)
        assert isinstance(task, OnFourLegs)
        assert task.stature == 1.0


def test_a_page_chooses_how_far_actions_reach(small: Path) -> None:
    flat, rising = (make(name, robot_file=small) for name in ("quadruped-flat", "quadruped-getup"))
    wider = make("quadruped-getup").action_scale / ACTION_SCALE
    np.testing.assert_allclose(rising.action_scale, wider * flat.action_scale)


def test_a_policy_of_another_robot_is_refused(small: Path) -> None:
    ours, theirs = (
        layout_of(make("quadruped-flat")),
        layout_of(make("quadruped-flat", robot_file=small)),
    )
    with pytest.raises(PolicyError, match=r"its joints .* trained with another robot: .* --robot"):
        ours.require(theirs)
