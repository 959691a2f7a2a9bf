"""Joints and lengths of the legs of a compiled robot."""

import numpy as np

from robo_maxent.sim.physics import mujoco

LATERAL = 0.7
"""Least share of a joint's axis along the base's y for the joint to count as bending the leg."""


def chain(model: mujoco.MjModel, base: int, body: int) -> list[int]:
    """Joints from a base to a body, in order, without those of the base."""
    joints: list[int] = []
    while body not in (base, 0):
        first = int(model.body_jntadr[body])
        joints = [*range(first, first + int(model.body_jntnum[body])), *joints]
        body = int(model.body_parentid[body])
    return joints


def leg_length(model: mujoco.MjModel, base: int, body: int, foot: np.ndarray) -> float:
    """Length of a straight leg from its first bending joint to its foot, m; 0 if none bends it.

    Args:
        model: Compiled model.
        base: Body that the legs stand out of.
        body: Body that has the foot.
        foot: Centre of the foot in that body's frame, m, (3,).
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    lateral = data.xmat[base].reshape(3, 3)[:, 1]
    bending = [
        joint for joint in chain(model, base, body) if abs(data.xaxis[joint] @ lateral) > LATERAL
    ]
    end = data.xpos[body] + data.xmat[body].reshape(3, 3) @ foot
    points = np.array([*data.xanchor[bending], end])
    across = np.diff(points, axis=0)
    across -= np.outer(across @ lateral, lateral)  # the offset to the side bends nothing
    return float(np.linalg.norm(across, axis=1).sum()) if bending else 0.0
