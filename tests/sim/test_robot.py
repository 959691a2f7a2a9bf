"""The compiled robot against its published numbers, its symmetry, and what a bad file says."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from robo_maxent.assets import path as asset
from robo_maxent.errors import RobotError, UnknownNameError
from robo_maxent.sim.robot import Robot, in_base, load

FILE = asset("quadruped.xml")
LEGS = ("FR", "FL", "RR", "RL")
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
    robot = Robot(MODEL, feet=LEGS)
    summary = {
        "nq, nv, nu": (MODEL.nq, MODEL.nv, MODEL.nu),
        "mass": round(float(MODEL.body_mass.sum()), 6),
        "joints": list(robot.joints),
        "timestep": MODEL.opt.timestep,
        "keyframes": [MODEL.key(i).name for i in range(MODEL.nkey)],
        "cameras": [MODEL.camera(i).name for i in range(MODEL.ncam)],
        "foot radius": robot.foot_radius,
        "stand height": robot.stand_height,
        "stand pose": robot.stand_pose.tolist(),
    }
    assert summary == {
        "nq, nv, nu": (19, 18, 12),
        "mass": 12.743448,  # 5.204 + 4 * (0.68 + 1.009 + 0.195862)
        "joints": JOINTS,
        "timestep": 0.004,
        "keyframes": ["stand", "lying"],
        "cameras": ["tracking", "side"],
        "foot radius": 0.023,
        "stand height": 0.288,
        "stand pose": [0.0, 0.9, -1.8] * 4,
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


def test_a_missing_foot_lists_the_geoms_there_are() -> None:
    with pytest.raises(RobotError, match=r"no geom named 'XX_foot'. It has: .*FR_foot.*RL_foot"):
        Robot(MODEL, feet=("XX",))


def test_a_missing_keyframe_lists_the_keyframes_there_are() -> None:
    with pytest.raises(RobotError) as error:
        Robot(MODEL, feet=LEGS, stand="sit")
    assert str(error.value) == "The robot has no key named 'sit'. It has: stand, lying."


def test_a_missing_sensor_is_named(tmp_path: Path) -> None:
    path = robot_with(tmp_path, '<touch name="RR_foot_touch"', '<touch name="RR_touch"')
    with pytest.raises(RobotError, match=r"no sensor named 'RR_foot_touch'. It has: .*RR_touch"):
        Robot(load(path), feet=LEGS)


def test_joints_in_another_order_than_their_actuators_are_refused(tmp_path: Path) -> None:
    path = robot_with(tmp_path, 'name="FR_hip" joint="FR_hip"', 'name="FR_hip" joint="FL_hip"')
    with pytest.raises(RobotError, match="in actuator order; got nq=19, nu=12"):
        Robot(load(path), feet=LEGS)


@pytest.mark.parametrize("feet", [("FL", "FR", "RR", "RL"), ("FR", "RR", "FL", "RL"), ("FR", "RR")])
def test_feet_in_another_order_than_their_sensors_are_refused(feet: tuple[str, ...]) -> None:
    with pytest.raises(RobotError, match="one after the other"):
        Robot(MODEL, feet=feet)


def test_an_unknown_asset_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown asset 'quadrupd.xml'. Did you mean"):
        asset("quadrupd.xml")


def test_vectors_turn_into_the_base_frame_as_mujoco_turns_them() -> None:
    rng = np.random.default_rng(0)
    orientation, vectors = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))
    orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
    expected = np.empty((20, 3))
    for one, turn, vector in zip(expected, orientation, vectors, strict=True):
        mujoco.mju_rotVecQuat(one, vector, turn * [1, -1, -1, -1])
    np.testing.assert_allclose(in_base(orientation, vectors), expected, atol=1e-12)
