"""Payloads and shifted centres of mass, against weight on the ground and a compiled robot."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from perturbed import (
    ROBOT,
    TASK,
    batch_of,
    environment,
    heavy,
    held,
    quadruped,
    realized,
    stiff_and_standing,
    written,
)

from robo_maxent.assets import path as asset
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UsageError
from robo_maxent.perturbations.mass import PAYLOAD_AT, PAYLOAD_BOX, loaded
from robo_maxent.perturbations.params import check
from robo_maxent.sim.body_scale import mass_scale
from robo_maxent.sim.robot import Robot, load
from robo_maxent.tasks.four_legs import EFFECTS, QUADRUPED

TRUNK = 5.204  # kg
TOTAL = 12.743448  # kg


def test_the_quadruped_is_the_robot_that_masses_are_given_for() -> None:
    assert mass_scale(ROBOT) == 1.0
    assert mass_scale(heavy()) == 2.0


@pytest.mark.parametrize("payload", [-1.0, 0.0, 3.0])
def test_a_standing_robot_presses_on_the_ground_with_its_weight(payload: float) -> None:
    env = stiff_and_standing(environment(held(2, locked_joint=True, payload=[payload, 0.0])))
    weight = (TOTAL + np.array([payload, 0.0])) * 9.81
    np.testing.assert_allclose(env.state.foot_touch.sum(axis=1), weight, rtol=1e-4)
    np.testing.assert_allclose(realized(env, "total_mass"), [TOTAL + payload, TOTAL])


def test_a_shifted_centre_of_mass_shifts_the_load_between_the_feet() -> None:
    env = stiff_and_standing(
        environment(held(3, locked_joint=True, com_offset=[[0, 0, 0], [0.06, 0, 0], [0, -0.04, 0]]))
    )
    state = env.state
    load_share = state.foot_touch[..., None] / state.foot_touch.sum(axis=1)[:, None, None]
    w, _, _, z = state.base_orientation.T
    yaw = 2 * np.arctan2(z, w)
    pressure = (load_share * (state.foot_position - state.base_position[:, None])).sum(axis=1)
    forward = np.cos(yaw) * pressure[:, 0] + np.sin(yaw) * pressure[:, 1]
    left = np.cos(yaw) * pressure[:, 1] - np.sin(yaw) * pressure[:, 0]
    share = TRUNK / TOTAL  # of the shift, on level ground
    assert forward[1] - forward[0] == pytest.approx(0.06 * share, rel=0.05)
    assert left[2] - left[0] == pytest.approx(-0.04 * share, rel=0.05)


def with_box(
    spec: mujoco.MjSpec, payload: float, offset: np.ndarray, size: float
) -> mujoco.MjModel:
    """The same robot from the compiler: a box welded on the back, the trunk's centre moved."""
    trunk = spec.body("trunk")
    trunk.ipos = trunk.ipos + offset
    box = trunk.add_body(pos=size * PAYLOAD_AT)
    kind, half = mujoco.mjtGeom.mjGEOM_BOX, size * PAYLOAD_BOX / 2
    box.add_geom(type=kind, size=half, mass=payload, contype=0, conaffinity=0)
    return spec.compile()


def dynamics(model: mujoco.MjModel) -> tuple[np.ndarray, ...]:
    """Mass matrix, bias forces and inverse weights of a robot in a random state."""
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    data.qpos[:] = rng.normal(size=model.nq)
    data.qvel[:] = rng.normal(size=model.nv)
    mujoco.mj_forward(model, data)
    matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, matrix)
    return matrix, data.qfrc_bias, model.dof_invweight0


# An inertia that is aligned with its body is one for which MuJoCo has a shortcut.
TRUNKS = {
    "quadruped": None,
    "centred trunk": '<inertial pos="0 0 0" mass="5.204" diaginertia="0.0168 0.063 0.0716"/>',
    "trunk of twice the robot": '<inertial pos="0 0 0" mass="17.947" diaginertia="0.06 0.2 0.25"/>',
}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_mass_matrix_and_weight_are_those_of_a_compiled_robot_with_a_box(
    trunk: str, tmp_path: Path
) -> None:
    text, inertial = asset("quadruped.xml").read_text(), TRUNKS[trunk]
    if inertial is not None:
        start = text.index('<inertial pos="0.0223')
        text = text[:start] + inertial + text[text.index("/>", start) + 2 :]
    file = tmp_path / "robot.xml"
    file.write_text(text)
    robot = Robot(load(file), QUADRUPED)
    assert mass_scale(robot) == (2.0 if trunk == "trunk of twice the robot" else 1.0)
    offset, size = np.array([0.03, -0.02, 0.01]), mass_scale(robot) ** (1 / 3)
    compiled = with_box(mujoco.MjSpec.from_file(str(file)), 3.0, offset, size)
    effects = written(robot, held(1, payload=3.0, com_offset=offset))
    ours = dynamics(batch_of(effects).get_model(0))
    for left, right in zip(ours, dynamics(compiled), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-12)


def test_a_lighter_trunk_keeps_its_shape() -> None:
    centre, inertia = np.array([0.02, 0, 0]), np.array([1.0, 2, 2.5])
    axes = np.array([1.0, 0, 0, 0])
    mass, at, moments, turned = loaded(5.0, centre, inertia, axes, -1.0)
    assert mass == 4.0
    np.testing.assert_allclose(moments, 0.8 * inertia)
    assert at is centre
    assert turned is axes


def test_a_light_trunk_keeps_a_tenth_of_its_mass() -> None:
    def lighten(spec: mujoco.MjSpec) -> None:
        spec.body("trunk").mass = 0.8

    with pytest.raises(UsageError, match=r"payload must be within \[-0\.72, .*\], got -0.9"):
        check(held(1, payload=-0.9), EFFECTS, quadruped(lighten), 1)


def test_a_payload_that_leaves_no_trunk_is_refused() -> None:
    with pytest.raises(UsageError, match=r"payload must be within \[-2, 20\], got -6"):
        MujocoVecEnv(TASK, 1, seed=0, params=held(1, payload=-6.0))
