from pathlib import Path

import numpy as np
import pytest
import small_arms
import small_robots
from small_arms import proposed

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError
from robo_maxent.robots.arm_anatomy import find_arm
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.proposal import Proposal
from robo_maxent.robots.propose import propose
from robo_maxent.robots.quadruped_page import QuadrupedPage
from robo_maxent.sim.physics import mujoco


def of(tmp_path: Path, text: str, name: str = "small.xml", **parts: str) -> Proposal:
    (tmp_path / name).write_text(text)
    return propose(tmp_path / name, name, "small", **parts)


def page_of(proposal: Proposal) -> ArmPage:
    assert isinstance(proposal.page, ArmPage)
    return proposal.page


def whats(proposal: Proposal) -> str:
    return "\n".join(f"{f.what} -> {f.fix}" for f in proposal.findings)


def test_the_shipped_arm_gets_the_numbers_that_it_has() -> None:
    page = page_of(propose(asset("arm.xml"), "arm.xml", "arm"))
    model = mujoco.MjModel.from_xml_path(str(asset("arm.xml")))
    names = tuple(f"joint{number}" for number in range(1, 8))
    assert (page.base, page.mount, page.turn, page.size) == ("link1", (0.0, 0.0, 0.333), 0.0, 1.0)
    assert page.joints.names == names
    assert page.joints.ready == pytest.approx(model.key("home").qpos[:7], abs=1e-3)
    assert page.joints.kp == (1000.0, 1000.0, 750.0, 750.0, 300.0, 300.0, 300.0)
    assert page.joints.kd == (80.0, 80.0, 60.0, 60.0, 24.0, 24.0, 24.0)
    assert page.joints.torque == (87.0,) * 4 + (12.0,) * 3
    assert page.joints.armature == (0.195,) * 4 + (0.074,) * 3
    assert page.hand.body == "hand"
    assert page.hand.at == pytest.approx((0.0, 0.0, 0.1034), abs=1e-4)
    grip = page.gripper
    assert grip is not None
    assert (grip.joint, grip.followers) == ("finger_left", ("finger_right",))
    assert (grip.ratios, grip.offsets) == ((1.0,), (0.0,))
    assert grip.positions == grip.openings == (0.0, 0.04)
    assert (grip.kp, grip.kd, grip.force, grip.friction) == (3000.0, 60.0, 30.0, 1.0)


@pytest.mark.parametrize("name", small_arms.TEXTS)
def test_the_ready_hand_is_over_the_middle_of_the_table_and_points_down(name: str) -> None:
    proposal = proposed(name)[1]
    page = page_of(proposal)
    assert proposal.by_hand == ()
    assert page.joints.names[0] in ("j1", "link1_joint")
    assert 0.5 < page.size < 1.2
    assert len(page.joints.names) == {"six": 6, "five": 5}.get(name, 7)


def test_torque_motors_become_servos_as_stiff_as_their_limits_allow() -> None:
    proposal = proposed("six")[1]
    joints = page_of(proposal).joints
    assert joints.torque == small_arms.TORQUES
    assert joints.kp == pytest.approx(np.array(small_arms.TORQUES) / 0.087, rel=1e-3)
    assert "motors that take torques, where actions are joint targets: j1, j2" in whats(proposal)
    assert "joints without limits: j6 -> half a turn" in whats(proposal)
    assert "no gripper: the arm ends at the site flange" in whats(proposal)
    assert page_of(proposal).gripper is None
    # A wrist of 2e-4 kg m² on 92 N·m/rad would swing at 700 rad/s.
    assert joints.armature[-1] == pytest.approx(joints.kp[-1] / 70.0**2, rel=0.1)


def test_the_second_finger_follows_the_first_whatever_they_are() -> None:
    seven, parallel, five = (page_of(proposed(n)[1]).gripper for n in ("seven", "parallel", "five"))
    assert seven is not None
    assert parallel is not None
    assert five is not None
    assert (seven.joint, seven.followers, seven.ratios) == ("left", ("right",), (1.0,))
    assert seven.openings == pytest.approx((0.0, 0.035), abs=1e-5)
    assert (five.joint, five.followers, five.ratios) == ("left", ("right",), (1.0,))
    assert five.offsets == (0.0,)
    assert parallel.joint == "left_knuckle"
    assert sorted(parallel.followers) == ["left_tip", "right_knuckle", "right_tip"]
    # A bar of 5 cm that turns moves its finger by the sine, from 1 cm beside the middle.
    expected = 0.01 + 0.05 * np.sin(parallel.positions)
    np.testing.assert_allclose(parallel.openings, expected, atol=2e-5)


def test_a_servo_of_the_files_is_kept_if_it_is_sane(tmp_path: Path) -> None:
    sane = '<position joint="{joint}" kp="400" kv="30" forcerange="-{torque} {torque}"/>'
    wild = '<position joint="{joint}" kp="90000" kv="1" forcerange="-{torque} {torque}"/>'
    text = small_arms.six(drive=sane)
    for joint, torque in (("j1", 60), ("j2", 60)):
        own = {"joint": joint, "torque": torque}
        text = text.replace(sane.format(**own), wild.format(**own))
    proposal = of(tmp_path, text)
    joints = page_of(proposal).joints
    assert (joints.kp[2], joints.kd[2]) == (400.0, 30.0)
    assert joints.kp[:2] == pytest.approx((60 / 0.087, 60 / 0.087), rel=1e-3)
    assert "servos that are too soft, too stiff, or without damping: j1, j2, j4" in whats(proposal)


def test_an_arm_that_is_turned_and_far_above_its_foot_reaches_the_table_all_the_same(
    tmp_path: Path,
) -> None:
    text = small_arms.six(base='name="foot" pos="3 1 2" quat="0.7071068 0 0 0.7071068"')
    proposal = of(tmp_path, text.replace('name="one" pos="0 0 0.2"', 'name="one" pos="0.1 0 1.2"'))
    page = page_of(proposal)
    # The first axis is over the origin, and the shoulder at 0.45 of the reach over the table.
    assert np.linalg.norm(page.mount[:2]) == pytest.approx(0.1, abs=1e-3)
    assert page.mount[2] == pytest.approx(0.45 * proposal.length - 1.2, abs=1e-3)
    assert "the shoulder is 1.20 m over the foot" in whats(proposal)


TWO = small_arms.six().replace("</worldbody>", "{}</worldbody>")
OTHER = (
    "".join(
        f'<body name="b{i}" pos="0 1 0.1"><joint name="b{i}" axis="0 {i % 2} {1 - i % 2}"/>'
        '<geom size="0.02" mass="0.1"/>'
        for i in range(5)
    )
    + "</body>" * 5
)


@pytest.mark.parametrize(
    ("text", "parts", "says"),
    [
        (TWO.format(OTHER), {}, "There are 2 arms, with the hands six, b4: say which with --base"),
        (small_arms.six(elbow='-0.1 0.1"'), {}, "The hand can't reach the table: it reaches 0.8"),
        (small_arms.six(scale=8.0), {}, "m from the shoulder, and the tables are for arms that"),
        (small_arms.six(), {"hand": "three"}, "has 3 hinges"),
        (small_arms.six(), {"hand": "paw"}, "The robot has no body 'paw'. It has: foot, one"),
        (
            "<mujoco><worldbody><body><joint/><geom size='1'/></body></worldbody></mujoco>",
            {},
            "--feet",
        ),
    ],
)
def test_what_is_no_arm_is_refused_with_the_reason(
    tmp_path: Path, text: str, parts: dict[str, str], says: str
) -> None:
    with pytest.raises(RobotError) as raised:
        of(tmp_path, text, **parts)
    assert says in str(raised.value)


def test_a_quadruped_that_carries_an_arm_is_a_quadruped(tmp_path: Path) -> None:
    chain = "".join(
        f'<body><joint axis="0 {i % 2} {1 - i % 2}"/><geom size="0.02"/>' for i in range(6)
    )
    assert isinstance(
        of(tmp_path, small_robots.mjcf(body=chain + "</body>" * 6)).page, QuadrupedPage
    )


def test_base_and_hand_choose_of_what_there_is() -> None:
    for text, base, hand, joints in (
        (TWO.format(OTHER), "foot", None, ["j1", "j2", "j3", "j4", "j5", "j6"]),
        (TWO.format(OTHER), None, "b4", ["b0", "b1", "b2", "b3", "b4"]),
        (small_arms.six(), None, "five", ["j1", "j2", "j3", "j4", "j5"]),
    ):
        model = mujoco.MjModel.from_xml_string(text)
        found = find_arm(model, base, hand)
        assert [model.joint(joint).name for joint in found.joints] == joints


def test_what_hangs_on_a_hand_and_is_no_gripper_is_said_to_be_none() -> None:
    claw = "".join(
        f'<body name="claw{i}"><joint name="claw{i}" axis="1 0 0" range="0 1"/>'
        '<geom size="0.01" pos="0 0 0.05" mass="0.01"/></body>'
        for i in range(3)
    )
    text = small_arms.six().replace('<site name="flange"', claw + '<site name="flange"')
    found = find_arm(mujoco.MjModel.from_xml_string(text), None, None)
    assert (found.gripper, len(found.joints)) == (None, 6)
    assert "is no gripper of two fingers: there are 3 parts" in found.findings[0].what
