"""Small quadrupeds, written here: MJCF and URDF in the ways of public files."""

from collections.abc import Callable
from pathlib import Path

from robo_maxent.robots import page as robot_page
from robo_maxent.robots.propose import propose

LEG_PLACES = {
    "FL": (0.2, 0.1),
    "FR": (0.2, -0.1),
    "RL": (-0.2, 0.1),
    "RR": (-0.2, -0.1),
}
"""Where the hips are, m; not in the order of ours."""
FOOT = '<geom name="{leg}" type="sphere" size="0.02" pos="0 0 -0.2" friction="0.6"/>'
DRIVE = '<motor name="{joint}" joint="{joint}" ctrlrange="-20 20"/>'
FREE = "<freejoint/>"


def leg(name: str, foot: str, side: float) -> str:
    """A leg of three hinges, from its hip down."""
    return f"""
      <body name="{name}_hip" pos="{LEG_PLACES[name][0]} {LEG_PLACES[name][1]} 0">
        <inertial pos="0 0 0" mass="0.5" diaginertia="5e-4 5e-4 5e-4"/>
        <joint name="{name}_abduct" axis="1 0 0" range="-0.8 0.8"/>
        <body name="{name}_thigh" pos="0 {side * 0.05} 0">
          <inertial pos="0 0 -0.05" mass="0.8" diaginertia="3e-3 3e-3 6e-4"/>
          <joint name="{name}_swing" axis="0 1 0" range="-1 3"/>
          <geom type="capsule" size="0.015" fromto="0 0 -0.03 0 0 -0.17" group="3"/>
          <body name="{name}_shank" pos="0 0 -0.2">
            <inertial pos="0 0 -0.1" mass="0.2" diaginertia="1e-3 1e-3 3e-5"/>
            <joint name="{name}_knee" axis="0 1 0" range="-2.7 -0.5"/>
            <geom type="capsule" size="0.01" fromto="0 0 -0.03 0 0 -0.17" group="3"/>
            {foot.format(leg=name)}
          </body>
        </body>
      </body>"""


def write_page(folder: Path) -> Path:
    """A model and its page in a folder, which is made."""
    folder.mkdir(parents=True)
    (folder / "small.xml").write_text(mjcf())
    page = folder / "small.toml"
    page.write_text(robot_page.write_page(propose(folder / "small.xml", "small.xml", "small").page))
    return page


def mjcf(
    foot: str = FOOT,
    drive: str = DRIVE,
    free: str = FREE,
    trunk: str = '<inertial pos="0 0 0" mass="6" diaginertia="0.02 0.06 0.07"/>',
    more: str = "",
    body: str = "",
    leg_of: Callable[[str, str, float], str] = leg,
) -> str:
    """A quadruped of 12 kg, with torque motors, as most public files have it."""
    legs = "".join(leg_of(name, foot, 1.0 if "L" in name else -1.0) for name in LEG_PLACES)
    joints = [f"{name}_{part}" for name in LEG_PLACES for part in ("abduct", "swing", "knee")]
    drives = "".join(drive.format(joint=joint) for joint in joints)
    return f"""
<mujoco model="small">
  <compiler angle="radian"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <body name="torso" pos="0 0 0.5">
      {free}
      {trunk}
      <geom type="box" size="0.2 0.06 0.05" group="3"/>
      <geom type="box" size="0.2 0.06 0.05" contype="0" conaffinity="0" rgba="1 0 0 1"/>
      {legs}
      {body}
    </body>
  </worldbody>
  <actuator>{drives}</actuator>
  {more}
</mujoco>"""


def urdf(rpy: str = "0 0 0", mesh: str = "", inertia: str = "") -> str:
    """The same as a URDF; its base is fixed, and its feet are links of their own."""
    own = inertia or '<inertia ixx="0.02" ixy="0" ixz="0" iyy="0.06" iyz="0" izz="0.07"/>'
    parts = [
        f"""<link name="torso"><inertial><origin xyz="0 0 0" rpy="{rpy}"/><mass value="6"/>{own}
        </inertial>{mesh}</link>"""
    ]
    for name, (x, y) in LEG_PLACES.items():
        side = 0.05 if y > 0 else -0.05
        chain = (
            ("torso", "hip", "abduct", "1 0 0", f"{x} {y} 0", "-0.8", "0.8", "0.5"),
            ("hip", "thigh", "swing", "0 1 0", f"0 {side} 0", "-1", "3", "0.8"),
            ("thigh", "shank", "knee", "0 1 0", "0 0 -0.2", "-2.7", "-0.5", "0.2"),
        )
        for above, below, joint, axis, place, low, high, mass in chain:
            parent = above if above == "torso" else f"{name}_{above}"
            parts.append(
                f"""<link name="{name}_{below}"><inertial><mass value="{mass}"/>
                <inertia ixx="2e-3" ixy="0" ixz="0" iyy="2e-3" iyz="0" izz="1e-3"/></inertial>
                </link><joint name="{name}_{joint}" type="revolute"><parent link="{parent}"/>
                <child link="{name}_{below}"/><origin xyz="{place}"/><axis xyz="{axis}"/>
                <limit lower="{low}" upper="{high}" effort="20" velocity="20"/></joint>"""
            )
        parts.append(
            f"""<link name="{name}_toe"><collision><geometry><sphere radius="0.02"/></geometry>
            </collision></link><joint name="{name}_fixed" type="fixed">
            <parent link="{name}_shank"/><child link="{name}_toe"/><origin xyz="0 0 -0.2"/>
            </joint>"""
        )
    return f'<robot name="small">{"".join(parts)}</robot>'
