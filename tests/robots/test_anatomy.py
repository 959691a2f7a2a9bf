import re

import numpy as np
import pytest
import small_robots
from small_robots import LEG_PLACES, mjcf

from robo_maxent.errors import RobotError
from robo_maxent.robots.quadruped_anatomy import Anatomy, find_anatomy
from robo_maxent.robots.quadruped_page import LEGS
from robo_maxent.sim.physics import mujoco


def model(text: str) -> mujoco.MjModel:
    return mujoco.MjSpec.from_string(text).compile()


def found(text: str) -> Anatomy:
    return find_anatomy(model(text))


def test_legs_are_named_by_where_they_are() -> None:
    compiled = model(mjcf())
    anatomy = find_anatomy(compiled)
    assert compiled.body(anatomy.base).name == "torso"
    assert list(anatomy.legs) == list(LEGS)
    for name, leg in anatomy.legs.items():
        joints = [compiled.joint(joint).name for joint in leg.joints]
        assert joints == [f"{name}_{part}" for part in ("abduct", "swing", "knee")]
        assert [compiled.joint(j).name for j in leg.bending] == joints[1:]
        assert (leg.radius, leg.friction, leg.length) == pytest.approx((0.02, 0.6, 0.4))
    turned = mjcf().replace("FL_", "left_front_").replace("RR_", "right_hind_")
    compiled = model(turned)
    foot = find_anatomy(compiled).legs["RR"].body
    assert compiled.body(foot).name == "right_hind_shank"


def test_a_base_without_a_free_joint_is_found_and_said() -> None:
    anatomy = found(mjcf(free=""))
    assert [f.what for f in anatomy.findings] == ["no free base: torso is fixed to the world"]
    assert found(mjcf()).findings == ()


def test_two_robots_are_refused_until_one_is_named() -> None:
    one = mjcf()
    body = one[one.index('<body name="torso"') : one.index("</worldbody>")]
    twin = body.replace("FL_", "fl_").replace("FR_", "fr_").replace("RL_", "rl_")
    twin = twin.replace("RR_", "rr_").replace("torso", "twin").replace('name="F', 'name="f')
    twin = twin.replace('name="R', 'name="r')
    both = model(one.replace("</worldbody>", f"{twin}</worldbody>"))
    with pytest.raises(
        RobotError, match=r"2 robots with legs, of the bases torso, twin: .* --base"
    ):
        find_anatomy(both)
    anatomy = find_anatomy(both, base="twin")
    assert both.body(anatomy.base).name == "twin"
    assert [f.what for f in anatomy.findings] == ["bodies that float beside the robot: torso"]


def test_what_floats_beside_the_robot_and_arms_on_it_are_no_legs() -> None:
    ball = '<body name="ball" pos="2 0 1"><freejoint/><geom size="0.1"/></body></worldbody>'
    anatomy = found(mjcf().replace("</worldbody>", ball))
    assert [f.what for f in anatomy.findings] == ["bodies that float beside the robot: ball"]
    link = '<body name="arm{}" pos="0 0 0.1"><joint name="arm{}"/><geom size="0.02"/>{}</body>'
    arm = ""
    for number in range(6):
        arm = link.format(number, number, arm)
    assert list(found(mjcf(body=arm)).legs) == list(LEGS)


def test_less_than_four_legs_are_refused_with_what_there_is() -> None:
    text = mjcf(leg_of=lambda n, f, s: "" if n == "RR" else small_robots.leg(n, f, s), drive="")
    with pytest.raises(RobotError, match=r"no body with four legs.*FL_shank \(3 hinges\)"):
        found(text)
    with pytest.raises(RobotError, match="Chains: none"):
        found("<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>")


def test_parts_that_do_not_exist_are_refused_with_those_that_do() -> None:
    with pytest.raises(RobotError, match=r"no body 'trunk' for its base. It has: world, torso"):
        find_anatomy(model(mjcf()), base="trunk")
    feet = ["FR_shank", "FL_shank", "RR_shank", "RL_paw"]
    with pytest.raises(RobotError, match="no body 'RL_paw' for its foot"):
        find_anatomy(model(mjcf()), feet=feet)
    anatomy = find_anatomy(model(mjcf()), feet=[f"{leg}_shank" for leg in LEGS])
    assert list(anatomy.legs) == list(LEGS)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ('type="box" size="0.015 0.015 0.02" pos="0 0 -0.2"', "box"),
        ('type="cylinder" size="0.02 0.02" pos="0 0 -0.2"', "cylinder"),
        ('type="ellipsoid" size="0.02 0.02 0.02" pos="0 0 -0.2"', "ellipsoid"),
        ('type="capsule" size="0.02" fromto="0 0 -0.15 0 0 -0.2"', "capsule"),
    ],
)
def test_a_foot_that_is_no_sphere_gets_one_inside_its_end(shape: str, kind: str) -> None:
    anatomy = found(mjcf(foot=f"<geom {shape}/>"))
    leg = anatomy.legs["FL"]
    lowest = leg.at[2] - leg.radius
    assert lowest == pytest.approx(-0.22, abs=4e-3)
    assert np.linalg.norm(leg.at[:2]) < 0.025
    whats = [finding.what for finding in anatomy.findings]
    assert f"the foot of FL_shank is no sphere but a {kind}" in whats
    assert len(whats) == 4


def test_a_robot_that_faces_along_y_is_refused_with_the_reason() -> None:
    text = mjcf()
    for x, y in LEG_PLACES.values():
        text = text.replace(f'pos="{x} {y} 0"', f'pos="{y:g} {x:g} 0"')
    turned = text.replace('axis="1 0 0"', 'axis="0 0 9"').replace('axis="0 1 0"', 'axis="1 0 0"')
    with pytest.raises(RobotError, match=re.escape("the base must have x forward")):
        found(turned)
