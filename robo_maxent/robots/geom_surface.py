"""Points on the surface of a shape of a model."""

import numpy as np

from robo_maxent.sim.physics import mujoco


def surface(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> np.ndarray:
    """Points of a geom that enclose it, or nearly so, world frame, m, (P, 3)."""
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_MESH.value:
        mesh = int(model.geom_dataid[geom])
        first = int(model.mesh_vertadr[mesh])
        local = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])].astype(float)
    elif kind == mujoco.mjtGeom.mjGEOM_SPHERE.value:
        local = size[0] * _BALL
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE.value:
        ends = [np.array([0.0, 0.0, end * size[1]]) for end in (-1, 1)]
        local = np.concatenate([size[0] * _BALL + end for end in ends])
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER.value:
        rim = size[0] * _BALL * np.array([1.0, 1.0, 0.0])
        local = np.concatenate([rim + np.array([0, 0, end * size[1]]) for end in (-1, 1)])
    elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID.value:
        local = _BALL * size
    else:
        local = _CORNERS * size
    return data.geom_xpos[geom] + local @ data.geom_xmat[geom].reshape(3, 3).T


_CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


def _ball(count: int = 200) -> np.ndarray:
    """Points spread evenly over the unit sphere by the golden angle, with its poles."""
    height = np.linspace(-1.0, 1.0, count)
    angle = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(count)
    around = np.sqrt(1.0 - height**2)
    return np.stack([around * np.cos(angle), around * np.sin(angle), height], axis=1)


_BALL = _ball()
