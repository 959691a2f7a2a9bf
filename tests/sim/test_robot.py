"""The compiled robot against its published numbers, names against positions, bad files."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from arm_world import ARM, ARM_SPEC
from mujoco.batch import Batch

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError, UnknownNameError
from robo_maxent.sim.robot import LeggedState, Robot, RobotSpec, RobotState, load

FILE = asset("quadruped.xml")
LEGS = ("FR", "FL", "RR", "RL")
SPEC = RobotSpec(FILE, home="stand", base="trunk", feet=LEGS)
JOINTS = [f"{leg}_{part}" for leg in LEGS for part in ("hip", "thigh", "calf")]

MODEL = load(FILE)
FULL = load(FILE, decorations=True)


def standing(model: mujoco.MjModel, key: str = "stand") -> mujoco.MjData:
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(key).id)
    mujoco.mj_forward(model, data)
    return data


def simulated(model: mujoco.MjModel, controls: np.ndarray) -> np.ndarray:
    """Positions and velocities after each control, held for 5 steps."""
    data = standing(model)
    states = []
    for control in controls:
        data.ctrl[:] = control
        mujoco.mj_step(model, data, 5)
        states.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(states)


# -- the model -----------------------------------------------------------------


def test_the_compiled_model_is_the_one_everything_was_measured_on() -> None:
    robot = Robot(MODEL, SPEC)
    summary = {
        "nq, nv, nu": (MODEL.nq, MODEL.nv, MODEL.nu),
        "mass": round(robot.mass, 6),
        "joints": list(robot.joints),
        "timestep": MODEL.opt.timestep,
        "keyframes": [MODEL.key(i).name for i in range(MODEL.nkey)],
        "cameras": [MODEL.camera(i).name for i in range(MODEL.ncam)],
        "foot radius": robot.foot_radius,
        "standing height": robot.home_height,
        "standing pose": robot.home_pose.tolist(),
    }
    assert summary == {
        "nq, nv, nu": (19, 18, 12),
        "mass": 12.743448,  # 5.204 + 4 * (0.68 + 1.009 + 0.195862)
        "joints": JOINTS,
        "timestep": 0.004,
        "keyframes": ["stand", "lying"],
        "cameras": ["tracking", "side"],
        "foot radius": 0.023,
        "standing height": 0.288,
        "standing pose": [0.0, 0.9, -1.8] * 4,
    }


@pytest.mark.parametrize(
    ("part", "gear", "limit"), [("hip", 6, 23.7), ("thigh", 6, 23.7), ("calf", 9, 35.55)]
)
def test_armature_and_gains_follow_from_rotor_gear_and_a_10_hz_joint(
    part: str, gear: float, limit: float
) -> None:
    rotor, damping_ratio, omega = 1.1184e-4, 2.0, 2 * np.pi * 10.0  # kg m², 1, rad/s
    armature = rotor * gear**2
    stiffness = armature * omega**2
    damping = 2 * damping_ratio * armature * omega
    for leg in LEGS:
        joint, actuator = MODEL.joint(f"{leg}_{part}"), MODEL.actuator(f"{leg}_{part}")
        assert MODEL.dof_armature[joint.dofadr[0]] == pytest.approx(armature, rel=1e-4)
        assert actuator.gainprm[0] == pytest.approx(stiffness, rel=2e-3)
        assert actuator.biasprm[:3] == pytest.approx([0, -stiffness, -damping], rel=3e-3)
        assert actuator.forcerange.tolist() == [-limit, limit]
        assert actuator.trnid[0] == joint.id


def full_inertia(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Inertia about the centre of mass in the axes of the body, (3, 3)."""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.body_iquat[body])
    axes = rotation.reshape(3, 3)
    return axes @ np.diag(model.body_inertia[body]) @ axes.T


def test_left_and_right_are_mirror_images_in_mass_inertia_and_place() -> None:
    flip = np.diag([1.0, -1.0, 1.0])
    for body in range(1, MODEL.nbody):
        name = MODEL.body(body).name
        other_side = name[0] + name[1].translate(str.maketrans("LR", "RL")) + name[2:]
        image = MODEL.body(other_side).id
        assert MODEL.body_mass[body] == MODEL.body_mass[image]
        np.testing.assert_allclose(MODEL.body_pos[image], flip @ MODEL.body_pos[body], atol=1e-12)
        np.testing.assert_allclose(MODEL.body_ipos[image], flip @ MODEL.body_ipos[body], atol=1e-12)
        np.testing.assert_allclose(
            full_inertia(MODEL, image), flip @ full_inertia(MODEL, body) @ flip, atol=1e-9
        )


def test_every_inertia_is_one_that_a_solid_can_have() -> None:
    for body in range(1, MODEL.nbody):
        smallest, middle, largest = np.sort(MODEL.body_inertia[body])
        assert smallest > 0
        assert smallest + middle >= largest


# -- contact -------------------------------------------------------------------


def test_standing_feet_touch_the_ground_within_a_millimetre() -> None:
    data = standing(MODEL)
    for leg in LEGS:
        foot = data.geom(f"{leg}_foot").xpos
        assert abs(foot[2] - 0.023) < 1e-3
    lowest = min(contact.dist for contact in data.contact) if data.ncon else 0.0
    assert lowest > -1e-3


@pytest.mark.parametrize("friction", [0.05, 0.4, 1.2])
def test_the_friction_of_the_foot_is_that_of_the_contact_whatever_the_ground(
    friction: float,
) -> None:
    model = load(FILE)
    model.geom("ground").friction[0] = 1.0
    for leg in LEGS:
        model.geom(f"{leg}_foot").friction[0] = friction
    data = standing(model)
    data.qpos[2] -= 0.002
    mujoco.mj_forward(model, data)
    assert data.ncon == 4
    for contact in data.contact:
        assert contact.friction[:2] == pytest.approx([friction, friction])


def test_the_robot_touches_the_ground_and_not_itself() -> None:
    data = standing(MODEL)
    data.qpos[2] = 0.05  # sunk into the ground
    data.qpos[7:] = [0.8, 1.5, -2.7, -0.8, 1.5, -2.7] * 2  # legs into one another
    mujoco.mj_forward(MODEL, data)
    ground = MODEL.geom("ground").id
    assert data.ncon > 4
    assert all(ground in contact.geom for contact in data.contact)


def test_lying_down_settles_on_the_ground() -> None:
    data = standing(MODEL, "lying")
    mujoco.mj_step(MODEL, data, 500)  # 2 s
    start = data.qpos[:3].copy()
    mujoco.mj_step(MODEL, data, 250)
    assert np.linalg.norm(data.qpos[:3] - start) < 1e-3
    assert np.abs(data.qvel).max() < 0.05
    upright = 1 - 2 * (data.qpos[4] ** 2 + data.qpos[5] ** 2)
    assert upright > 0.99
    assert data.qpos[2] < 0.12
    low, high = MODEL.jnt_range[1:].T
    assert ((low - 0.02 < data.qpos[7:]) & (data.qpos[7:] < high + 0.02)).all()


# -- decorations ---------------------------------------------------------------


def test_several_threads_may_ask_where_the_parts_of_a_robot_are() -> None:
    robot = Robot(MODEL, SPEC)
    poses = [robot.home_qpos + 0.01 * number for number in range(2)]
    wanted = [robot.spheres(pose)[0] for pose in poses]
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(robot.spheres, poses[number % 2]) for number in range(4000)]
    for number, answer in enumerate(asked):
        np.testing.assert_array_equal(answer.result()[0], wanted[number % 2])


def test_decorations_change_no_trajectory_by_a_single_bit() -> None:
    assert FULL.ngeom > MODEL.ngeom + 20
    rng = np.random.default_rng(0)
    pose = MODEL.key("stand").qpos[7:]
    controls = pose + rng.uniform(-0.8, 0.8, (150, 12))  # it falls and rolls over
    np.testing.assert_array_equal(simulated(MODEL, controls), simulated(FULL, controls))


def test_decorations_weigh_nothing_and_touch_nothing() -> None:
    for index in range(FULL.ngeom):
        if FULL.geom_group[index] == 2:
            assert FULL.geom_contype[index] == FULL.geom_conaffinity[index] == 0
    np.testing.assert_array_equal(MODEL.body_mass, FULL.body_mass)
    np.testing.assert_array_equal(MODEL.body_inertia, FULL.body_inertia)
    assert not (MODEL.geom_group == 2).any()


# -- bad files -----------------------------------------------------------------


def robot_with(tmp_path: Path, old: str, new: str) -> Path:
    """The quadruped with one thing changed."""
    text = FILE.read_text()
    assert old in text
    path = tmp_path / "robot.xml"
    path.write_text(text.replace(old, new))
    return path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RobotError) as error:
        load(tmp_path / "absent.xml")
    assert str(error.value) == f"Robot file not found: {tmp_path / 'absent.xml'}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty file"),
        ("<mujoco><worldbody>", "XML parse error"),
        ("<urdf/>", "Unrecognized XML model type"),
        ("<mujoco><worldbody><bdy/></worldbody></mujoco>", "unrecognized element.*'bdy'"),
        ('<mujoco><option timestep="fast"/></mujoco>', "timestep"),
    ],
)
def test_a_malformed_file_says_where_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "robot.xml"
    path.write_text(text)
    with pytest.raises(RobotError, match=says) as error:
        load(path)
    assert str(error.value).startswith(f"{path} is not a valid robot: ")
    assert "\n" not in str(error.value)


def test_a_directory_and_a_binary_file_are_refused_too(tmp_path: Path) -> None:
    with pytest.raises(RobotError, match="Robot file not found"):
        load(tmp_path)
    path = tmp_path / "robot.xml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(RobotError, match="is not a valid robot"):
        load(path)


@pytest.mark.parametrize(
    ("decoration", "says"),
    [
        ('contype="1"', "the geom 'shell' of body 'trunk' has contact, but geoms of group 2 are"),
        ('conaffinity="1"', "the geom 'shell' of body 'trunk' has contact"),
        ('mass="0.5"', "a geom of body 'pole' has mass, but geoms of group 2 are for the eye"),
    ],
)
def test_what_is_drawn_only_must_not_touch_or_weigh(
    tmp_path: Path, decoration: str, says: str
) -> None:
    geom = f'<geom name="shell" size="0.1" group="2" {{}} {decoration}/>'
    free = 'contype="0" conaffinity="0"' if "mass" in decoration else 'mass="0"'
    inner = geom.format(free)
    if "mass" in decoration:  # a body whose weight is that of its geoms
        inner = f'<body name="pole"><geom size="0.1" mass="1"/>{inner}</body>'
    trunk = '<body name="trunk" pos="0 0 0.30">'
    path = robot_with(tmp_path, trunk, trunk + inner)
    load(path, decorations=True)
    with pytest.raises(RobotError, match=says):
        load(path)


def test_a_robot_with_feet_needs_a_ground(tmp_path: Path) -> None:
    plane = re.search(r'<geom name="ground".*/>', FILE.read_text())
    assert plane is not None
    path = robot_with(tmp_path, plane[0], "")
    with pytest.raises(RobotError, match=r"has feet and no ground: the worldbody needs a geom"):
        Robot(load(path), SPEC)


def test_an_unknown_asset_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown asset 'quadrupd.xml'. Did you mean"):
        asset("quadrupd.xml")


def test_a_robot_may_be_given_as_text(tmp_path: Path) -> None:
    assert load(FILE.read_text()).nq == 19
    with pytest.raises(RobotError, match=r"^The MJCF is not a valid robot: .*'bdy'"):
        load("  <mujoco><worldbody><bdy/></worldbody></mujoco>")


# -- names, not positions ------------------------------------------------------

MIXED = """
<mujoco>
  <compiler angle="radian"/>
  <worldbody>
    <geom name="ground" type="plane" size="0 0 1"/>
    <body name="door" pos="0 3 1">
      <joint name="door" type="hinge" axis="0 0 1"/>
      <geom type="box" size="0.5 0.02 1" mass="3" contype="0" conaffinity="0"/>
    </body>
    <body name="ball" pos="0 -3 1">
      <joint name="ball" type="ball"/>
      <geom type="sphere" size="0.1" mass="1"/>
    </body>
    <body name="torso" pos="0 0 0.5">
      <freejoint name="free"/>
      <geom type="box" size="0.2 0.1 0.05" mass="4"/>
      <site name="imu"/>
      <body name="L_leg" pos="0 0.1 0">
        <joint name="L_leg" axis="0 1 0" range="-1 1"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.3" mass="0.5"/>
        <geom name="L_foot" type="sphere" size="0.03" pos="0 0 -0.3"/>
        <site name="L_foot" pos="0 0 -0.3" size="0.04"/>
      </body>
      <body name="tail" pos="-0.2 0 0">
        <joint name="tail" axis="0 1 0"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 -0.2 0 0" mass="0.1"/>
        <site name="tip" pos="-0.2 0 0"/>
      </body>
      <body name="R_leg" pos="0 -0.1 0">
        <joint name="R_leg" type="slide" axis="0 0 1" range="-0.1 0.2"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.3" mass="0.5"/>
        <geom name="R_foot" type="sphere" size="0.03" pos="0 0 -0.3"/>
        <site name="R_foot" pos="0 0 -0.3" size="0.04"/>
      </body>
    </body>
  </worldbody>
  <tendon><fixed name="string"><joint joint="tail" coef="1"/></fixed></tendon>
  <actuator>
    <position name="R" joint="R_leg" kp="100"/>
    <position name="wag" tendon="string" kp="1"/>
    <position name="spin" joint="ball" kp="1"/>
    <position name="L" joint="L_leg" kp="50"/>
  </actuator>
  <sensor>
    <touch name="R_foot_touch" site="R_foot"/>
    <framelinvel name="R_foot_velocity" objtype="site" objname="R_foot"/>
    <gyro name="base_angular_velocity" site="imu"/>
    <framepos name="L_foot_position" objtype="site" objname="L_foot"/>
    <touch name="L_foot_touch" site="L_foot"/>
    <velocimeter name="base_linear_velocity" site="imu"/>
    <framelinvel name="L_foot_velocity" objtype="site" objname="L_foot"/>
    <framezaxis name="up_in_base" objtype="body" objname="world" reftype="site" refname="imu"/>
    <framepos name="R_foot_position" objtype="site" objname="R_foot"/>
  </sensor>
  <keyframe>
    <key name="home" qpos="0.1  1 0 0 0  0 0 0.31 1 0 0 0  0.2 0.3 0.05"/>
  </keyframe>
</mujoco>
"""
"""Passive joints before and between those that are driven; actuators and sensors in any order."""

MIXED_SPEC = RobotSpec(
    MIXED, base="torso", actuators=("L", "R"), feet=("L", "R"), sites={"tail tip": "tip"}
)


def mixed(**changes: Any) -> Robot:
    return Robot(load(MIXED), replace(MIXED_SPEC, **changes))


def thrown(robot: Robot, n: int) -> Batch:
    """Simulations in which everything moves and some feet touch the ground."""
    batch, rng = Batch(robot.model, n, 1), np.random.default_rng(0)
    robot.read(batch)  # what follows from the state is kept up from now on
    batch.reset(np.arange(n), keyframe=robot.home)
    batch.bind("qvel")[:] = rng.normal(0.0, 0.5, (n, robot.model.nv))
    for _ in range(20):
        batch.bind("ctrl")[:] = rng.normal(0.0, 0.1, (n, robot.model.nu))
        batch.step(nstep=5)
    batch.forward()
    return batch


def assert_named(state: LeggedState, robot: Robot, data: mujoco.MjData, row: int) -> None:
    """One row of a state is what MuJoCo says of the parts of these names."""
    joints, feet = ("L_leg", "R_leg"), robot.spec.feet
    torso, orientation = data.body("torso"), data.joint("free").qpos[3:]
    expected = {
        "time": data.time,
        "joint_position": [data.joint(name).qpos[0] for name in joints],
        "joint_velocity": [data.joint(name).qvel[0] for name in joints],
        "joint_torque": [data.actuator(name).force[0] for name in ("L", "R")],
        "base_position": torso.xpos,
        "base_orientation": orientation,
        "base_linear_velocity": data.sensor("base_linear_velocity").data,
        "base_angular_velocity": data.sensor("base_angular_velocity").data,
        "up": torso.xmat.reshape(3, 3)[2],
        "foot_position": [data.geom(f"{foot}_foot").xpos for foot in feet],
        "foot_velocity": [data.sensor(f"{foot}_foot_velocity").data for foot in feet],
        "foot_touch": [data.sensor(f"{foot}_foot_touch").data[0] for foot in feet],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(state, name)[row], value, atol=1e-12, err_msg=name)
    tip = state.site_position["tail tip"][row]
    np.testing.assert_allclose(tip, data.site("tip").xpos, atol=1e-12)


def test_a_robot_is_read_by_its_names_wherever_its_parts_stand() -> None:
    robot = mixed()
    assert robot.joints == ("L_leg", "R_leg")
    assert robot.home_pose.tolist() == [0.2, 0.05]
    assert robot.home_height == 0.31
    assert robot.joint_range.tolist() == [[-1, 1], [-0.1, 0.2]]
    assert robot.model.body(robot.base_body).name == "torso"
    assert robot.mass == pytest.approx(robot.model.body_mass.sum())
    batch = thrown(robot, 3)
    state = robot.read(batch)
    assert isinstance(state, LeggedState)
    for row in range(3):
        data = batch.get_data(row)
        mujoco.mj_forward(robot.model, data)
        assert_named(state, robot, data, row)
    assert state.foot_touch.any()


def test_a_spec_may_name_feet_and_actuators_in_any_order() -> None:
    one, other = mixed(), mixed(actuators=("R", "L"), feet=("R", "L"))
    batch = thrown(one, 3)
    left, right = one.read(batch), other.read(batch)
    assert isinstance(left, LeggedState)
    assert isinstance(right, LeggedState)
    for name in ("joint_position", "joint_velocity", "joint_torque"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name)[:, ::-1], name)
    for name in ("foot_position", "foot_velocity", "foot_touch"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name)[:, ::-1], name)
    np.testing.assert_array_equal(left.base_position, right.base_position)


def test_the_state_of_the_quadruped_is_live_and_that_of_a_mixed_robot_is_a_copy() -> None:
    for robot, is_live in ((Robot(MODEL, SPEC), True), (mixed(), False)):
        batch = Batch(robot.model, 2, 1)
        batch.reset(np.arange(2), keyframe=robot.home)
        batch.forward()
        before = robot.read(batch)
        assert robot.is_live is is_live
        batch.step(nstep=25)
        after = robot.read(batch)
        assert isinstance(before, LeggedState)
        assert isinstance(after, LeggedState)
        follows = [
            np.array_equal(getattr(before, field.name), getattr(after, field.name))
            for field in fields(before)
            if field.name not in ("site_position", "sensed", "activation")
        ]
        assert all(follows) is is_live


def test_a_robot_whose_actuators_act_through_tendons_has_the_joints_that_its_spec_names() -> None:
    sensors = {"imu": ("base_angular_velocity", "base_linear_velocity"), "touch": ("R_foot_touch",)}
    robot = mixed(actuators=("wag", "L"), joints=("tail", "L_leg"), sensors=sensors)
    assert robot.joints == ("tail", "L_leg")
    assert robot.home_pose.tolist() == [0.3, 0.2]
    batch = thrown(robot, 3)
    force = batch.bind("actuator_force")
    batch.forward()
    state = robot.read(batch)
    tail, leg = state.joint_torque.T
    wag, left = (robot.model.actuator(name).id for name in ("wag", "L"))
    np.testing.assert_allclose(tail, force[:, wag], atol=1e-12)  # the tendon's only joint
    np.testing.assert_allclose(leg, force[:, left], atol=1e-12)
    assert np.abs(tail).min() > 0.0
    for row in range(3):
        data = batch.get_data(row)
        mujoco.mj_forward(robot.model, data)
        imu = [data.sensor(name).data for name in sensors["imu"]]
        np.testing.assert_allclose(state.sensed["imu"][row], np.concatenate(imu), atol=1e-12)
        np.testing.assert_array_equal(state.joint_position[row, 0], data.joint("tail").qpos[0])
    assert state.sensed["touch"].shape == (3, 1)


def test_a_base_is_sensed_by_the_sensors_that_its_spec_names() -> None:
    swapped = {"up_in_base": ("base_linear_velocity",)}
    robot, plain = mixed(sensors=swapped), mixed()
    batch = thrown(plain, 2)
    state, own = robot.read(batch), plain.read(batch)
    assert isinstance(state, LeggedState)
    assert isinstance(own, LeggedState)
    np.testing.assert_array_equal(state.up, own.base_linear_velocity)
    np.testing.assert_array_equal(state.base_linear_velocity, own.base_linear_velocity)


def test_activations_are_those_of_the_model() -> None:
    text = MIXED.replace('<position name="L"', '<position name="L" timeconst="0.1"')
    robot = Robot(load(text), MIXED_SPEC)
    state = robot.read(batch := thrown(robot, 2))
    assert state.activation.shape == (2, 1)
    np.testing.assert_array_equal(state.activation, batch.bind("act"))
    assert np.abs(state.activation).min() > 0.0


def test_without_a_list_a_policy_acts_on_all_actuators_in_the_order_of_the_model() -> None:
    robot = Robot(MODEL, SPEC)
    assert robot.actuators.tolist() == list(range(12))
    assert Robot(load(ARM), replace(ARM_SPEC, actuators=())).joints == (
        "shoulder",
        "elbow",
        "finger",
    )


def test_an_arm_on_the_world_has_neither_base_nor_feet() -> None:
    arm = Robot(load(ARM), ARM_SPEC)
    assert arm.joints == ("elbow", "shoulder")
    assert arm.home_pose.tolist() == [1.2, -0.8]
    assert arm.home_qpos.tolist() == [-0.8, 1.2, 0.01]
    for name in ("base_body", "base_qpos", "base_dof", "home_height"):
        with pytest.raises(RobotError) as error:
            getattr(arm, name)
        assert str(error.value) == "This robot is fixed to the world: its spec names no base."
    batch = thrown(arm, 2)
    state = arm.read(batch)
    assert type(state) is RobotState
    qpos, qvel = batch.bind("qpos"), batch.bind("qvel")
    np.testing.assert_array_equal(state.joint_position, qpos[:, [1, 0]])
    np.testing.assert_array_equal(state.joint_velocity, qvel[:, [1, 0]])
    angle = qpos[:, 0] + qpos[:, 1]  # both turn about y, from x towards the ground
    x = 0.3 * np.cos(qpos[:, 0]) + 0.25 * np.cos(angle)
    z = -0.3 * np.sin(qpos[:, 0]) - 0.25 * np.sin(angle)
    expected = np.stack([x, np.zeros(2), z], axis=1)
    np.testing.assert_allclose(state.site_position["fingertip"], expected, atol=1e-12)


def test_bounding_spheres_hold_all_that_can_touch_the_ground() -> None:
    robot = mixed()
    qpos = robot.home_qpos.copy()
    qpos[robot.base_qpos + 2] += 1.0
    centres, radii = robot.spheres(qpos)
    assert len(centres) == len(radii) == 7  # all but the door and the ground
    lower, _ = robot.spheres(robot.home_qpos)
    np.testing.assert_allclose((centres - lower)[1:], np.tile([0, 0, 1.0], (6, 1)), atol=1e-12)
    assert radii.min() >= 0.03


# -- names that there are not --------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"home": "sit"}, "The robot has no key named 'sit'. It has: home."),
        (
            {"base": "trunk"},
            "The robot has no body named 'trunk'. It has: world, door, ball, torso,",
        ),
        (
            {"actuators": ("L", "M")},
            "The robot has no actuator named 'M'. It has: R, wag, spin, L.",
        ),
        (
            {"sites": {"x": "y"}},
            "The robot has no site named 'y'. It has: imu, L_foot, tip, R_foot.",
        ),
        (
            {"feet": ("L", "X")},
            "The robot has no geom named 'X_foot'. It has: ground, L_foot, R_foot.",
        ),
        ({"base": "door"}, "The base 'door' must have a free joint."),
        ({"base": "world"}, "The base 'world' must have a free joint."),
        (
            {"actuators": ("wag",)},
            "Actuator 'wag' must drive a hinge or slide joint directly, or the RobotSpec has to "
            "name the joints that actuators move.",
        ),
        ({"actuators": ("spin",)}, "Actuator 'spin' must drive a hinge or slide joint directly"),
        ({"actuators": ()}, "Actuator 'wag' must drive a hinge or slide joint directly"),
        ({"joints": ("tail", "M")}, "The robot has no joint named 'M'. It has: "),
        ({"joints": ("ball",)}, "The joint 'ball' must be a hinge or a slide."),
        ({"sensors": {"x": ("L_foot_touch", "y")}}, "The robot has no sensor named 'y'. It has: "),
    ],
)
def test_a_name_that_does_not_fit_is_refused_with_those_there_are(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RobotError) as error:
        mixed(**changes)
    assert str(error.value).startswith(message)


def test_a_missing_sensor_is_named(tmp_path: Path) -> None:
    path = robot_with(tmp_path, '<touch name="RR_foot_touch"', '<touch name="RR_touch"')
    with pytest.raises(RobotError, match=r"no sensor named 'RR_foot_touch'. It has: .*RR_touch"):
        Robot(load(path), SPEC)


def test_a_robot_without_actuators_is_refused() -> None:
    text = ARM[: ARM.index("<actuator>")] + ARM[ARM.index("</actuator>") + len("</actuator>") :]
    text = text.replace(' ctrl="-0.8 1.2 0.01"', "")
    with pytest.raises(RobotError, match="The robot has no actuators"):
        Robot(load(text), replace(ARM_SPEC, actuators=()))
