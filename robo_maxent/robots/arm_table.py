"""The table of the arm tasks, moved and resized for an arm of another size."""

from pathlib import Path

import numpy as np

from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import RobotSpec

FINGERS_FIT = 0.5625
"""Largest half-width of an object over half of the opened gripper's gap: at 1.6 times the size,
which stress tests reach, it fills nine tenths of the gap."""
NEAR_EDGE = 0.25
"""Distance of the table's near edge from the shoulder of the shipped arm, m; scaled for other
arms."""
WIDE = 1.5
"""Up to this size the table stays as large as the shipped one, as do the height fields that
replace it in ``arm-pick-rough``."""
AT_TABLE = 0.02
"""A base at the table's height within this, m, keeps the stand of the shipped arm."""
STAND, TABLE_LEG = "stand", "leg of the table"
"""Prefixes of the names of decorations."""


def table_world(own: RobotSpec, page: ArmPage, decorations: bool) -> mujoco.MjSpec:
    """A task's world without its arm, with the table as far away as the page says."""
    assert isinstance(own.model, str | Path)
    assert own.table is not None
    world, size = Mjcf.from_file(Path(own.model)).spec(decorations), page.size
    for part in [*world.keys, *world.actuators, *world.equalities]:
        world.delete(part)
    world.delete(_root(world, own))
    floor = world.geom("floor")
    floor.pos = (0.0, 0.0, min(floor.pos[2], page.mount[2]))
    table = world.geom(own.table)
    wider = max(1.0, size / WIDE)
    table.size = np.array([wider, wider, 1.0]) * table.size
    middle = max(size * table.pos[0], size * NEAR_EDGE + table.size[0])
    moved = np.array([middle - table.pos[0], 0.0, 0.0])
    table.pos = table.pos + moved
    for geom in [geom for geom in world.worldbody.geoms if geom.name.startswith(TABLE_LEG)]:
        geom.pos = geom.pos + moved
    stands = abs(page.mount[2]) < AT_TABLE
    for geom in [geom for geom in world.worldbody.geoms if geom.name.startswith("arm ")]:
        world.delete(geom)
    for geom in [geom for geom in world.worldbody.geoms if geom.name.startswith(STAND)]:
        if stands:
            geom.pos = geom.pos + np.array([*page.mount[:2], 0.0])
        else:
            world.delete(geom)
    for camera in world.cameras:
        camera.pos = size * camera.pos
    world.stat.extent, world.stat.center = size * world.stat.extent, size * world.stat.center
    half = _object_half(page)
    for thing in own.objects:
        body, box = world.body(thing), world.geom(f"{thing}_box")
        factor = half / box.size[0] if half is not None and half < box.size[0] else 1.0
        box.size = factor * box.size
        body.inertia = factor**2 * body.inertia  # of the same mass
        body.pos = (size * body.pos[0], size * body.pos[1], float(box.size[2]))
    return world


def _object_half(page: ArmPage) -> float | None:
    """Largest half-width of an object that fits the gripper, m; None: any."""
    return None if page.gripper is None else FINGERS_FIT * page.gripper.openings[-1]


def _root(world: mujoco.MjSpec, own: RobotSpec) -> mujoco.MjsBody:
    """The first body of the task's own arm."""
    body = world.body(own.hand)
    while body.parent.name != "world":
        body = body.parent
    return body
