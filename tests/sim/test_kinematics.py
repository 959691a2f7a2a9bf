"""Kinematics of a chain against MuJoCo's own, and inverse kinematics against its goal."""

import mujoco
import numpy as np
import pytest
import small_arms

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError
from robo_maxent.sim.kinematics import LARGEST_CHANGE, Chain
from robo_maxent.sim.robot import load

JOINTS = [f"joint{number}" for number in range(1, 8)]
ARM = load(asset("arm.xml"))
HOME = ARM.key("home").qpos[:7]
CHAIN = Chain(ARM, "grasp", JOINTS, HOME)

CROOKED = load(
    """
    <mujoco>
      <compiler angle="radian" autolimits="true"/>
      <worldbody>
        <body pos="0.1 0.2 0.3" quat="0.9 0.1 0.3 -0.2">
          <geom size="0.1"/>
          <joint name="a" axis="1 2 -1" pos="0.05 0 0.1" ref="0.4"/>
          <joint name="b" axis="0 0 -1" pos="0 0.2 0"/>
          <body pos="0.3 0 0" euler="0.3 0.2 0.1">
            <geom size="0.1"/>
            <body pos="0 0.1 0.2">
              <geom size="0.1"/>
              <joint name="c" axis="0 1 0.3" range="-1 1"/>
              <site name="end" pos="0.1 0.2 0.3" euler="0.5 0 0.2"/>
              <body><geom size="0.1"/><joint name="d" type="slide"/><site name="drawer"/></body>
            </body>
          </body>
        </body>
      </worldbody>
    </mujoco>
    """
)


def poses(chain: Chain, n: int, seed: int = 0) -> np.ndarray:
    low, high = np.clip(chain.range, -3.0, 3.0).T
    return np.random.default_rng(seed).uniform(low, high, (n, len(low)))


def reachable(n: int, seed: int = 0) -> np.ndarray:
    """Points above the table, m, (n, 3)."""
    return np.random.default_rng(seed).uniform([0.35, -0.3, 0.0], [0.65, 0.3, 0.35], (n, 3))


@pytest.mark.parametrize(
    ("model", "site", "joints"), [(ARM, "grasp", JOINTS), (CROOKED, "end", ["a", "b", "c"])]
)
def test_pose_and_jacobian_are_those_of_mujoco(
    model: mujoco.MjModel, site: str, joints: list[str]
) -> None:
    chain, data = Chain(model, site, joints, np.zeros(len(joints))), mujoco.MjData(model)
    q = poses(chain, 40)
    position, rotation = chain.pose(q)
    jacobian = chain.jacobian(q)
    for row, angles in enumerate(q):
        for joint, angle in zip(joints, angles, strict=True):
            data.joint(joint).qpos[0] = angle
        mujoco.mj_forward(model, data)
        linear, angular = np.zeros((2, 3, model.nv))
        mujoco.mj_jacSite(model, data, linear, angular, model.site(site).id)
        columns = [model.joint(joint).dofadr[0] for joint in joints]
        np.testing.assert_allclose(position[row], data.site(site).xpos, atol=1e-9)
        np.testing.assert_allclose(rotation[row].ravel(), data.site(site).xmat, atol=1e-9)
        np.testing.assert_allclose(
            jacobian[row], np.concatenate([linear, angular])[:, columns], atol=1e-9
        )


def test_the_hand_points_straight_down_at_home() -> None:
    np.testing.assert_allclose(CHAIN.home_rotation, np.diag([1.0, -1.0, -1.0]), atol=1e-6)
    np.testing.assert_allclose(CHAIN.pose(HOME[None])[0][0], [0.5, 0.0, 0.2], atol=1e-3)


def test_solve_reaches_every_point_above_the_table_with_the_hand_down() -> None:
    goals = reachable(100)
    position, rotation = CHAIN.pose(CHAIN.solve(np.tile(HOME, (100, 1)), goals))
    assert np.linalg.norm(position - goals, axis=1).max() < 1e-3
    cosine = (np.einsum("nij,ij->n", rotation, CHAIN.home_rotation) - 1.0) / 2.0
    assert np.degrees(np.arccos(np.minimum(cosine, 1.0))).max() < 0.2


def test_solve_turns_the_hand_as_told() -> None:
    yaw = np.linspace(-1.0, 1.0, 9)
    turned = np.zeros((9, 3, 3))
    turned[:, 0, 0] = turned[:, 1, 1] = np.cos(yaw)
    turned[:, 1, 0], turned[:, 0, 1] = np.sin(yaw), -np.sin(yaw)
    turned[:, 2, 2] = 1.0
    wanted = turned @ CHAIN.home_rotation
    goals = reachable(9)
    position, rotation = CHAIN.pose(CHAIN.solve(np.tile(HOME, (9, 1)), goals, wanted))
    assert np.linalg.norm(position - goals, axis=1).max() < 1e-3
    np.testing.assert_allclose(rotation, wanted, atol=3e-3)


def test_one_step_follows_a_target_of_3_cm_a_step() -> None:
    goals = reachable(50)
    start = reachable(50, seed=1)
    way = goals - start
    count = int(np.ceil(np.linalg.norm(way, axis=1).max() / 0.03))
    q = CHAIN.solve(np.tile(HOME, (50, 1)), start)
    for number in range(1, count + 1):
        target = start + way * number / count
        q = CHAIN.step(q, target)
        assert np.linalg.norm(CHAIN.pose(q)[0] - target, axis=1).max() < 5e-3


def test_joints_stay_in_their_ranges_and_do_not_jump_towards_what_is_out_of_reach() -> None:
    low, high = CHAIN.range.T
    q = np.tile(HOME, (50, 1))
    goals = np.random.default_rng(0).uniform(-2.0, 2.0, (50, 3))
    for _ in range(100):
        before, q = q, CHAIN.step(q, goals)
        assert np.all((low <= q) & (q <= high))
        assert np.abs(q - before).max() <= LARGEST_CHANGE + 1e-12
    assert np.abs(CHAIN.step(q, goals, largest_change=0.01) - q).max() <= 0.01 + 1e-12


def test_the_spare_joint_drifts_home_while_the_hand_stays() -> None:
    goal = np.array([[0.5, 0.0, 0.2]])
    elbow_out = CHAIN.solve(HOME[None] + [[0.5, 0.1, -0.6, 0, 0.2, 0, 0.3]], goal, steps=8)
    before = np.abs(elbow_out - HOME).max()
    after = CHAIN.solve(elbow_out, goal, steps=100)
    assert before > 0.2
    assert np.abs(after - HOME).max() < 0.1 * before
    assert np.linalg.norm(CHAIN.pose(after)[0] - goal) < 1e-3


def test_a_simulation_does_not_depend_on_how_many_there_are() -> None:
    q, goals = poses(CHAIN, 67), reachable(67)
    together = CHAIN.step(q, goals)
    alone = [CHAIN.step(q[row : row + 1], goals[row : row + 1])[0] for row in range(67)]
    np.testing.assert_array_equal(together, alone)


def test_a_chain_must_be_named_whole_and_be_made_of_hinges() -> None:
    with pytest.raises(RobotError, match=r"'grasp' must be named whole.*joint1, joint2, joint3"):
        Chain(ARM, "grasp", JOINTS[1:], HOME[1:])
    with pytest.raises(RobotError, match=r"'drawer'.*made of hinges. Its joints: a, b, c, d"):
        Chain(CROOKED, "drawer", ["a", "b", "c", "d"], np.zeros(4))


def test_a_chain_without_a_last_roll_gets_there_if_the_heading_of_its_end_is_free() -> None:
    text = small_arms.six().replace('<joint name="j6" axis="0 0 1"/>', "")
    model = mujoco.MjModel.from_xml_string(text[: text.index("<actuator>")] + "</mujoco>")
    end = model, "flange", ("j1", "j2", "j3", "j4", "j5")
    home = np.array([0.0, 0.5, 1.3, 0.0, np.pi - 1.8])  # pointing down
    whole = Chain(*end, home)
    free = Chain(*end, home, upright=whole.home_rotation[2])
    wanted = whole.pose(home[None] + [0.5, 0.0, 0.0, 0.0, 0.0])[0]
    off = []
    for chain in (free, whole):
        place, turn = chain.pose(chain.solve(home[None], wanted, steps=60))
        down = turn[0, :, :] @ whole.home_rotation[2]
        off.append(float(np.linalg.norm(place - wanted) + np.arccos(min(down[2], 1.0))))  # m + rad
    assert off[0] < 1e-3
    assert off[1] > 0.05
