from pathlib import Path

import numpy as np
import pytest
from small_robots import DRIVE, mjcf, urdf

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError
from robo_maxent.robots.proposal import Proposal
from robo_maxent.robots.propose import propose
from robo_maxent.robots.quadruped_anatomy import find_anatomy
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.robots.quadruped_stance import foot_places, solve
from robo_maxent.sim.physics import mujoco


def proposed(tmp_path: Path, text: str, name: str = "small.xml") -> Proposal:
    (tmp_path / name).write_text(text)
    return propose(tmp_path / name, name, "small")


def page_of(proposal: Proposal) -> QuadrupedPage:
    assert isinstance(proposal.page, QuadrupedPage)
    return proposal.page


def whats(proposal: Proposal) -> str:
    return "\n".join(f"{f.what} -> {f.fix}" for f in proposal.findings)


def test_the_shipped_quadruped_gets_the_numbers_that_it_has() -> None:
    page = page_of(propose(asset("quadruped.xml"), "quadruped.xml", "quadruped"))
    assert page.base == "trunk"
    assert page.height == pytest.approx(0.288, abs=3e-4)
    assert page.feet.radius == 0.023
    assert page.joints.kp == (15.9, 15.9, 35.8)
    assert page.joints.kd == pytest.approx((1.01, 1.01, 2.28), abs=5e-3)
    assert page.joints.torque == (23.7, 23.7, 35.55)
    assert page.joints.action == pytest.approx((0.5, 1.0, 1.0), abs=0.011)
    assert page.joints.mirror == (-1, 1, 1)
    for leg in LEGS:
        assert page.legs[leg].joints == tuple(f"{leg}_{p}" for p in ("hip", "thigh", "calf"))
        assert page.legs[leg].stand == pytest.approx((0.0, 0.9, -1.8), abs=1e-4)
        assert page.legs[leg].at == (0.0, 0.0, -0.213)


def test_feet_are_level_below_the_hips() -> None:
    model = mujoco.MjSpec.from_string(mjcf()).compile()
    anatomy = find_anatomy(model)
    stance = solve(model, anatomy)
    qpos = model.qpos0.copy()
    for leg, angles in stance.angles.items():
        qpos[model.jnt_qposadr[list(anatomy.legs[leg].joints)]] = angles
    feet, _ = foot_places(model, anatomy, qpos)
    hips = np.array([[0.2, -0.15], [0.2, 0.15], [-0.2, -0.15], [-0.2, 0.15]])
    np.testing.assert_allclose(feet[:, :2], hips, atol=1e-3)
    np.testing.assert_allclose(feet[:, 2], -0.4 * np.cos(0.9), atol=1e-3)
    assert stance.height == pytest.approx(0.4 * np.cos(0.9) + 0.02, abs=1e-3)


def test_knees_bend_as_in_the_keyframe_that_stands(tmp_path: Path) -> None:
    wide = (
        mjcf()
        .replace('range="-2.7 -0.5"', 'range="-2.7 2.7"')
        .replace('range="-1 3"', 'range="-3 3"')
    )
    behind = page_of(proposed(tmp_path, wide)).legs["FR"].stand
    assert behind == pytest.approx((0.0, 0.9, -1.8), abs=2e-3)
    ahead = "0 -0.8 1.6 " * 4
    key = f'<keyframe><key name="up" qpos="0 0 0.25 1 0 0 0 {ahead}"/></keyframe>'
    proposal = proposed(
        tmp_path,
        mjcf(more=key).replace("-2.7 -0.5", "-2.7 2.7").replace('range="-1 3"', 'range="-3 3"'),
    )
    assert page_of(proposal).legs["FR"].stand == pytest.approx((0.0, -0.9, 1.8), abs=2e-3)
    assert "spawn penetration: in the keyframe 'up' the feet are 49 mm in the ground" in whats(
        proposal
    )


def test_legs_that_can_not_bend_so_far_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RobotError, match=r"The leg FR can't stand: .* stays .* mm from below its"):
        proposed(tmp_path, mjcf().replace("-2.7 -0.5", "-0.6 -0.5"))


def test_gains_go_with_weight_times_length_and_torque_limits_the_range(tmp_path: Path) -> None:
    light = page_of(proposed(tmp_path, mjcf())).joints
    ratio = 12.0 / 12.74 * 0.4 / 0.426
    assert light.kp == pytest.approx((15.9 * ratio, 15.9 * ratio, 35.8 * ratio), rel=5e-3)
    assert light.torque == (20.0, 20.0, 20.0)
    assert light.action == pytest.approx((0.5, 1.0, 20.0 / (35.8 * ratio)), abs=6e-3)
    trunk = '<inertial pos="0 0 0" mass="18" diaginertia="0.02 0.06 0.07"/>'
    heavy = page_of(proposed(tmp_path, mjcf(trunk=trunk))).joints
    assert heavy.kp[0] == pytest.approx(2.0 * light.kp[0], rel=1e-2)


def test_torque_limits_are_read_from_whatever_has_them(tmp_path: Path) -> None:
    for drive, torque in (
        ('<motor name="{joint}" joint="{joint}" ctrlrange="-2 2" gear="9"/>', 18.0),
        ('<motor name="{joint}" joint="{joint}" forcerange="-2 2" gear="9"/>', 18.0),
        ('<position name="{joint}" joint="{joint}" kp="80" forcerange="-33 33"/>', 33.0),
    ):
        assert page_of(proposed(tmp_path, mjcf(drive=drive))).joints.torque == (torque,) * 3
    assert page_of(proposed(tmp_path, urdf(), "small.urdf")).joints.torque == (20.0,) * 3
    limitless = proposed(tmp_path, mjcf(drive=DRIVE.replace('ctrlrange="-20 20"', "")))
    assert "no torque limit of FR_abduct, FR_swing, FR_knee -> that of the shipped" in whats(
        limitless
    )


def test_a_mirror_sign_follows_from_the_axes(tmp_path: Path) -> None:
    assert page_of(proposed(tmp_path, mjcf())).joints.mirror == (-1, 1, 1)
    outward = mjcf()
    for name in ("FL", "RL"):  # an abduction that is outward on both sides
        old = f'name="{name}_abduct" axis="1 0 0"'
        assert old in outward
        outward = outward.replace(old, f'name="{name}_abduct" axis="-1 0 0"')
    assert page_of(proposed(tmp_path, outward)).joints.mirror == (1, 1, 1)
    one = mjcf().replace('name="FL_abduct" axis="1 0 0"', 'name="FL_abduct" axis="-1 0 0"')
    proposal = proposed(tmp_path, one)
    assert page_of(proposal).joints.mirror == ()
    assert "front and rear joints turn differently in a mirror" in whats(proposal)


def test_a_urdf_needs_nothing_by_hand(tmp_path: Path) -> None:
    proposal = proposed(tmp_path, urdf(), "small.urdf")
    assert proposal.by_hand == ()
    said = whats(proposal)
    assert "no free base: torso is fixed to the world -> it gets a free joint" in said
    assert "joints without actuators -> position servos" in said
    assert page_of(proposal).legs["FR"].foot == "FR_toe"
    assert page_of(proposal).legs["FR"].stand == pytest.approx((0.0, 0.9, -1.8), abs=2e-3)


def test_what_is_wrong_is_said_with_its_fix(tmp_path: Path) -> None:
    said = whats(proposed(tmp_path, mjcf()))
    assert "motors that take torques, where actions are joint targets -> position servos" in said
    assert "no keyframe that stands -> a standing pose is solved for" in said
    assert "a time step of 2 ms" in said
    unlimited = mjcf().replace('range="-1 3"', "")
    assert "joints without limits: FR_swing, FL_swing" in whats(proposed(tmp_path, unlimited))
    closed = '<equality><joint joint1="FL_knee" joint2="FR_knee"/></equality>'
    assert proposed(tmp_path, mjcf(more=closed)).by_hand
