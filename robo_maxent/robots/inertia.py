"""Repairs inertias that no body can have, and reads those of URDFs in their own frames."""

import numpy as np

from robo_maxent.robots.proposal import Finding, few
from robo_maxent.sim.physics import mujoco

LEAST_MASS, LEAST_INERTIA = 1e-3, 1e-6
"""kg and kg m², of a moving link that says none."""
UNSAID = (np.nan, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Value of the full inertia tensor of a body that gives none."""
PHYSICAL = 1.0 - 1e-6
"""The two smaller principal moments must sum to at least this share of the largest."""


def mend_inertias(spec: mujoco.MjSpec, findings: list[Finding]) -> None:
    """Replace each impossible inertia by the nearest possible one."""
    mended = []
    for body in spec.bodies[1:]:
        if not body.explicitinertial or body.mass <= 0.0:
            continue
        moments, axes = _principal(body)
        possible = physical(moments, body.mass)
        if np.array_equal(possible, moments):
            continue
        mended.append(f"{body.name} ({', '.join(f'{m:.3g}' for m in moments)} kg m²)")
        body.inertia, body.fullinertia = possible, UNSAID
        if axes is not None:
            body.iquat = axes
    if mended:
        findings.append(
            Finding(
                f"inertia that is not physical: {few(mended)}",
                "the smaller principal moments are raised until they sum to the largest",
            )
        )


def _principal(body: mujoco.MjsBody) -> tuple[np.ndarray, np.ndarray | None]:
    """Principal moments of a body as written, kg m², (3,), and their axes if they differ."""
    full = np.array(body.fullinertia)
    if np.isnan(full[0]):
        return np.array(body.inertia), None
    xx, yy, zz, xy, xz, yz = full
    return diagonal(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))


def diagonal(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal moments of an inertia tensor, (3,), and their axes, quaternion w x y z, (4,)."""
    moments, axes = np.linalg.eigh(tensor)
    if np.linalg.det(axes) < 0.0:
        axes[:, 0] *= -1.0
    mujoco.mju_mat2Quat(quaternion := np.zeros(4), axes.ravel())
    return moments, quaternion


def physical(moments: np.ndarray, mass: float) -> np.ndarray:
    """The principal moments of a body, kg m², (3,), raised until a body can have them.

    Each is positive, and no two of them sum to less than the third.
    """
    least = LEAST_INERTIA * min(mass, 1.0)
    raised = np.maximum(moments, least)
    largest = int(np.argmax(raised))
    others = [i for i in range(3) if i != largest]
    lacking = raised[largest] - raised[others].sum()
    if lacking <= (1.0 - PHYSICAL) * raised[largest]:
        return raised
    raised[others] += lacking / 2
    return raised


def rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rotation matrix of a URDF's fixed-axis angles, rad, (3, 3)."""
    (a, b, c), (d, e, f) = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    about_x = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
    about_y = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
    about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
