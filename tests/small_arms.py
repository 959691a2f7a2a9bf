"""Small arms, written here: MJCF and URDF in the ways of public files."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from robo_maxent.robots.page import write_page
from robo_maxent.robots.proposal import Proposal
from robo_maxent.robots.propose import propose

MOTOR = '<motor joint="{joint}" ctrlrange="-1 1" gear="{torque}"/>'
TORQUES = (60, 60, 40, 12, 12, 8)


def six(
    drive: str = MOTOR,
    base: str = 'name="foot"',
    elbow: str = '-2.6 2.6"',
    more: str = "",
    scale: float = 1.0,
) -> str:
    """Six joints, torque motors, no gripper, no keyframe: straight up as it is drawn."""
    up, fore, tip = (scale * length for length in (0.36, 0.30, 0.12))
    drives = "".join(
        drive.format(joint=f"j{i}", torque=torque) for i, torque in enumerate(TORQUES, 1)
    )
    return f"""
<mujoco model="six">
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <geom type="plane" size="1 1 0.1"/>
    <body {base}>
      <geom type="cylinder" size="0.06 0.05" pos="0 0 0.05" mass="2"/>
      <body name="one" pos="0 0 {0.2 * scale}">
        <joint name="j1" axis="0 0 1" range="-3 3"/>
        <geom type="cylinder" size="0.05 0.05" mass="2"/>
        <body name="two">
          <joint name="j2" axis="0 1 0" range="-2.2 2.2"/>
          <geom type="capsule" size="0.04" fromto="0 0 0 0 0 {up}" mass="3"/>
          <body name="three" pos="0 0 {up}">
            <joint name="j3" axis="0 1 0" range="{elbow}/>
            <geom type="capsule" size="0.035" fromto="0 0 0 0 0 {fore}" mass="1.5"/>
            <body name="four" pos="0 0 {fore}">
              <joint name="j4" axis="0 0 1" range="-3 3"/>
              <geom type="sphere" size="0.035" mass="0.5"/>
              <body name="five">
                <joint name="j5" axis="0 1 0" range="-2.2 2.2"/>
                <geom type="capsule" size="0.03" fromto="0 0 0 0 0 0.05" mass="0.5"/>
                <body name="six" pos="0 0 0.05">
                  <joint name="j6" axis="0 0 1"/>
                  <geom type="cylinder" size="0.025 0.02" pos="0 0 0.02" mass="0.2"/>
                  <site name="flange" pos="0 0 {tip}"/>
                </body>
              </body>
            </body>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>{drives}</actuator>
  {more}
</mujoco>"""


LINKS = (
    # parent, child, axis, place, limit, torque
    ("base", "link1", "0 0 1", "0 0 0.25", 2.9, 80.0),
    ("link1", "link2", "0 1 0", "0 0 0.05", 1.9, 80.0),
    ("link2", "link3", "0 0 1", "0 0 0.2", 2.9, 40.0),
    ("link3", "link4", "0 1 0", "0 0 0.18", 2.4, 40.0),
    ("link4", "link5", "0 0 1", "0 0 0.18", 2.9, 15.0),
    ("link5", "link6", "0 1 0", "0 0 0.16", 2.2, 15.0),
    ("link6", "link7", "0 0 1", "0 0 0.05", 2.9, 10.0),
)
SLIDING = """
    <joint name="left" type="prismatic"><parent link="link7"/><child link="left_finger"/>
      <origin xyz="0 0 0.05"/><axis xyz="0 1 0"/>
      <limit lower="0" upper="0.035" effort="40" velocity="1"/></joint>
    <joint name="right" type="prismatic"><parent link="link7"/><child link="right_finger"/>
      <origin xyz="0 0 0.05"/><axis xyz="0 -1 0"/>
      <limit lower="0" upper="0.035" effort="40" velocity="1"/>
      <mimic joint="left" multiplier="1"/></joint>"""
PARALLEL = "".join(
    f"""
    <joint name="{side}_knuckle" type="revolute"><parent link="link7"/>
      <child link="{side}_bar"/><origin xyz="0 {sign * 0.01} 0.03"/><axis xyz="{-sign} 0 0"/>
      <limit lower="0" upper="0.8" effort="5" velocity="1"/>
      {'<mimic joint="left_knuckle"/>' if side == "right" else ""}</joint>
    <link name="{side}_bar"><inertial><mass value="0.02"/>
      <inertia ixx="1e-5" ixy="0" ixz="0" iyy="1e-5" iyz="0" izz="1e-5"/></inertial></link>
    <joint name="{side}_tip" type="revolute"><parent link="{side}_bar"/>
      <child link="{side}_finger"/><origin xyz="0 0 0.05"/><axis xyz="{sign} 0 0"/>
      <limit lower="0" upper="0.8" effort="5" velocity="1"/>
      <mimic joint="left_knuckle"/></joint>"""
    for side, sign in (("left", 1), ("right", -1))
)
"""Fingers on bars that turn, with tips that turn back, as parallel grippers are in URDF."""


def seven(fingers: str = SLIDING) -> str:
    """Seven joints and a gripper, of which one finger follows the other: a URDF."""
    solid = '<inertia ixx="5e-3" ixy="0" ixz="0" iyy="5e-3" iyz="0" izz="3e-3"/>'
    parts = ['<link name="base"/>']
    for parent, child, axis, place, limit, torque in LINKS:
        parts.append(
            f"""<link name="{child}"><inertial><origin xyz="0 0 0.05"/><mass value="1.5"/>{solid}
            </inertial><collision><origin xyz="0 0 0.03"/><geometry>
            <cylinder radius="0.03" length="0.04"/></geometry></collision></link>
            <joint name="{child}_joint" type="revolute"><parent link="{parent}"/>
            <child link="{child}"/><origin xyz="{place}"/><axis xyz="{axis}"/>
            <limit lower="{-limit}" upper="{limit}" effort="{torque}" velocity="2"/></joint>"""
        )
    for side, sign in (("left", 1), ("right", -1)):
        parts.append(
            f"""<link name="{side}_finger"><inertial><mass value="0.03"/>
            <inertia ixx="1e-5" ixy="0" ixz="0" iyy="1e-5" iyz="0" izz="1e-5"/></inertial>
            <collision><origin xyz="0 {sign * 0.006} 0.03"/><geometry>
            <box size="0.016 0.012 0.05"/></geometry></collision></link>"""
        )
    return f'<robot name="seven">{"".join(parts)}{fingers}</robot>'


def five() -> str:
    """Five joints, and two fingers that nothing joins."""
    text = six().replace('<joint name="j4" axis="0 0 1" range="-3 3"/>', "")
    drive = MOTOR.format(joint="j4", torque=12)
    text = text.replace(drive, "")
    fingers = "".join(
        f"""<body name="{side}" pos="0 0 0.05"><joint name="{side}" type="slide"
        axis="0 {sign} 0" range="0 0.03"/><geom type="box" size="0.008 0.005 0.03"
        pos="0 {sign * 0.005} 0.03" mass="0.02"/></body>"""
        for side, sign in (("left", 1), ("right", -1))
    )
    return text.replace('<site name="flange" pos="0 0 0.12"/>', fingers)


TEXTS = {"six": six(), "seven": seven(), "parallel": seven(PARALLEL), "five": five()}


@cache
def proposed(name: str) -> tuple[Path, Proposal]:
    """The page of one of the arms here, beside its file, and what was proposed; made once."""
    folder, text = Path(mkdtemp()), TEXTS[name]
    file = folder / f"{name}.{'urdf' if text.startswith('<robot') else 'xml'}"
    file.write_text(text)
    proposal = propose(file, file.name, name)
    page = folder / f"{name}.toml"
    page.write_text(write_page(proposal.page))
    return page, proposal
