from pathlib import Path

import numpy as np
import pytest
import small_robots

from robo_maxent.errors import RobotError
from robo_maxent.robots.inertia import physical, rotation
from robo_maxent.robots.model_file import locate, mesh_file, open_model
from robo_maxent.sim.physics import mujoco

TETRAHEDRON = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


def said(path: Path) -> str:
    return "\n".join(f"{f.what} -> {f.fix}" for f in open_model(path).findings)


def written(tmp_path: Path, text: str, name: str = "small.xml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_the_inertia_of_a_urdf_keeps_the_rotation_of_its_frame(tmp_path: Path) -> None:
    rpy, moments = (0.3, -0.5, 1.1), np.diag([0.02, 0.06, 0.07])
    path = written(tmp_path, small_robots.urdf(rpy=" ".join(map(str, rpy))), "small.urdf")
    model = open_model(path).compiled
    body = model.body("torso")
    mujoco.mju_quat2Mat(axes := np.zeros(9), body.iquat)
    axes = axes.reshape(3, 3)
    turn = rotation(*rpy)
    np.testing.assert_allclose(
        axes @ np.diag(body.inertia) @ axes.T, turn @ moments @ turn.T, atol=1e-9
    )
    assert "rotated against their links: torso -> turned into" in said(path)


WATER = """<robot name="r"><link name="base">{shape}</link><link name="core">{inertial}</link>
<joint name="j" type="fixed"><parent link="base"/><child link="core"/></joint></robot>"""
CUBE = '<collision><geometry><box size="0.1 0.2 0.3"/></geometry></collision>'  # 6 kg of water
INERTIAL = """<inertial><mass value="{kg}"/>
<inertia ixx="{kg}" ixy="0" ixz="0" iyy="{kg}" iyz="0" izz="{kg}"/></inertial>"""


def test_a_link_of_a_urdf_that_says_no_mass_has_none(tmp_path: Path) -> None:
    """Its inertia is often in a link of its own beside it, which would otherwise be too heavy."""
    path = written(tmp_path, WATER.format(shape=CUBE, inertial=INERTIAL.format(kg=2)), "a.urdf")
    assert "shapes of links that say no mass: base" in said(path)
    assert open_model(path).compiled.body_mass.tolist() == [0.0, 0.0, 2.0]
    zero = CUBE + INERTIAL.format(kg=0)
    path = written(tmp_path, WATER.format(shape=zero, inertial=INERTIAL.format(kg=2)), "b.urdf")
    assert open_model(path).compiled.body_mass.tolist() == [0.0, 0.0, 2.0]


def test_a_urdf_without_any_mass_is_of_water_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, WATER.format(shape=CUBE, inertial=""), "a.urdf")
    assert "no link says its mass" in said(path)
    assert open_model(path).compiled.body_mass.tolist() == pytest.approx([0.0, 6.0, 0.0])


def test_angles_of_a_urdf_turn_about_fixed_axes_in_their_order() -> None:
    roll_then_yaw = rotation(np.pi / 2, 0.0, np.pi / 2)
    np.testing.assert_allclose(roll_then_yaw @ [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(roll_then_yaw @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-12)


def test_a_mesh_that_only_the_eye_needs_may_be_missing(tmp_path: Path) -> None:
    mesh = '<visual><geometry><mesh filename="package://gone/a.dae"/></geometry></visual>'
    path = written(tmp_path, small_robots.urdf(mesh=mesh), "small.urdf")
    assert "missing meshes: package://gone/a.dae -> left out: only the eye sees them" in said(path)
    touching = mesh.replace("visual", "collision")
    path = written(tmp_path, small_robots.urdf(mesh=touching), "small.urdf")
    assert "a.dae had contact -> left out; what had contact touches nothing now" in said(path)


def test_a_mesh_is_found_where_it_lies_in_a_kind_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "body.obj").write_text(TETRAHEDRON)
    assert mesh_file("package://r/meshes/body.dae", tmp_path) == tmp_path / "assets" / "body.obj"
    assert mesh_file("other.dae", tmp_path) is None
    more = '<asset><mesh name="b" file="meshes/body.obj"/></asset>'
    geom = '<geom type="mesh" mesh="b" contype="0" conaffinity="0"/>'
    path = written(tmp_path, small_robots.mjcf(more=more, body=geom))
    opened = open_model(path)
    assert opened.compiled.nmesh == 1
    assert "meshes that lie elsewhere: meshes/body.obj at" in said(path)
    (tmp_path / "assets" / "body.obj").unlink()
    assert open_model(path).compiled.nmesh == 0


def test_an_inertia_that_no_body_has_is_mended(tmp_path: Path) -> None:
    np.testing.assert_allclose(physical(np.array([1.0, 1.0, 4.0]), 1.0), [2.0, 2.0, 4.0])
    unchanged = np.array([1.0, 2.0, 2.9])
    assert physical(unchanged, 1.0) is not unchanged
    np.testing.assert_array_equal(physical(unchanged, 1.0), unchanged)
    flat = '<inertial pos="0 0 0" mass="6" diaginertia="0.01 0.01 0.07"/>'
    path = written(tmp_path, small_robots.mjcf(trunk=flat))
    assert "inertia that is not physical: torso (0.01, 0.01, 0.07 kg m²)" in said(path)
    low, middle, high = np.sort(open_model(path).compiled.body("torso").inertia)
    assert (high, low + middle) == pytest.approx((0.07, 0.07))


def test_a_moving_link_without_mass_gets_a_little(tmp_path: Path) -> None:
    body = '<body name="tail"><joint name="tail" axis="0 0 1"/></body>'
    assert "without mass or inertia: tail" in said(written(tmp_path, small_robots.mjcf(body=body)))


def test_a_file_that_is_no_robot_says_why_in_a_line(tmp_path: Path) -> None:
    for text, name, says in (
        ("<mujoco><nonsense/></mujoco>", "a.xml", "is not a valid robot: .*nonsense"),
        ("<mujoco>", "b.xml", "is not a valid robot: no element found"),
        ("", "c.urdf", "is not a valid robot: no element found"),
        ("<robot/>", "d.xacro", "write a URDF with ROS' xacro tool first"),
    ):
        with pytest.raises(RobotError, match=says) as raised:
            open_model(written(tmp_path, text, name))
        assert "\n" not in str(raised.value)


def test_a_file_of_a_package_is_found_by_its_name(tmp_path: Path) -> None:
    assert locate("robo_maxent:py.typed", tmp_path).is_file()
    with pytest.raises(RobotError, match="not installed: pip install no-such"):
        locate("no_such:robot.xml", tmp_path)
    with pytest.raises(RobotError, match="Robot file not found: "):
        locate("nowhere.xml", tmp_path)
