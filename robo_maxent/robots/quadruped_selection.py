"""Selects the parts of a user's model that belong to the quadruped of its page."""

import numpy as np

from robo_maxent.robots.geom_surface import surface
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.robots.robot_mjcf import Selection, alone, hangs_on, require_parts
from robo_maxent.sim.legs import LATERAL, leg_length
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.physics import mujoco

UNLIMITED = {"side": 1.0, "bend": 2.5}
"""Ranges of joints without limits, around the standing pose, rad."""
CLEARANCE = 2e-3
"""Parts nearer to the ground than this in the standing pose, other than feet, lose contact, m."""
SAME_PLACE = 0.3
"""A sphere counts as the foot of the page within this, relative to its radius."""


def quadruped_alone(spec: mujoco.MjSpec, page: QuadrupedPage) -> Mjcf:
    """The quadruped of a page without its world, from the model that the page names.

    Joints of no leg are fixed where the first keyframe has them, or else the file.

    Raises:
        RobotError: The page names a part that the model has not.
    """
    model = spec.compile()
    bodies = {"base": [page.base], "foot": [page.legs[leg].foot for leg in LEGS]}
    require_parts(model, page.name, bodies, page.joint_names)
    return alone(spec, page.name, _selected(model, page))


def mean_leg_length(model: mujoco.MjModel, page: QuadrupedPage) -> float:
    """Of the four legs of a page, m; 0: none of their joints bends them."""
    base, legs = model.body(page.base).id, page.legs.values()
    ends = [(model.body(leg.foot).id, np.array(leg.at)) for leg in legs]
    return float(np.mean([leg_length(model, base, body, at) for body, at in ends]))


def _selected(model: mujoco.MjModel, page: QuadrupedPage) -> Selection:
    base = model.body(page.base).id
    own = {
        geom for geom in range(model.ngeom) if hangs_on(model, base, int(model.geom_bodyid[geom]))
    }
    contact = {g for g in own if model.geom_contype[g] or model.geom_conaffinity[g]}
    eye = own - contact
    feet = {geom for geom in contact if _is_foot(model, page, geom)}
    low = grounded(model, page)
    touching = contact - feet - low
    return Selection(
        base=base,
        joints={model.joint(name).id for name in page.joint_names},
        touching=touching,
        shown=eye if eye else low,
        limits=_limits(model, page),
    )


def _is_foot(model: mujoco.MjModel, page: QuadrupedPage, geom: int) -> bool:
    """Whether a geom is the sphere that the page calls a foot."""
    if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_SPHERE.value:
        return False
    body, reach = model.body(int(model.geom_bodyid[geom])).name, SAME_PLACE * page.feet.radius
    places = [np.array(leg.at) for leg in page.legs.values() if leg.foot == body]
    return any(np.linalg.norm(model.geom_pos[geom] - place) < reach for place in places)


def grounded(model: mujoco.MjModel, page: QuadrupedPage) -> set[int]:
    """Geoms with contact, other than feet, that reach the ground in the standing pose."""
    data = mujoco.MjData(model)
    for name, angle in zip(page.joint_names, page.stand, strict=True):
        data.qpos[model.jnt_qposadr[model.joint(name).id]] = angle
    mujoco.mj_kinematics(model, data)
    base = model.body(page.base).id
    up, at = data.xmat[base].reshape(3, 3)[:, 2], data.xpos[base]
    return {
        geom
        for geom in range(model.ngeom)
        if (model.geom_contype[geom] or model.geom_conaffinity[geom])
        and hangs_on(model, base, int(model.geom_bodyid[geom]))
        and not _is_foot(model, page, geom)
        and float(((surface(model, data, geom) - at) @ up).min()) + page.height < CLEARANCE
    }


def _limits(model: mujoco.MjModel, page: QuadrupedPage) -> dict[int, tuple[float, float]]:
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    lateral = data.xmat[model.body(page.base).id].reshape(3, 3)[:, 1]
    limits = {}
    for name, angle in zip(page.joint_names, page.stand.tolist(), strict=True):
        joint = model.joint(name).id
        if not model.jnt_limited[joint]:
            bends = abs(data.xaxis[joint] @ lateral) > LATERAL
            reach = UNLIMITED["bend" if bends else "side"]
            limits[joint] = (angle - reach, angle + reach)
    return limits
