"""How strongly an arm can hold its hand against a push, relative to the shipped arm."""

import numpy as np

from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot

REFERENCE_FORCE = 112.15
"""Holding force of the shipped arm, N; see :func:`hand_strength`."""


def hand_strength(robot: Robot) -> float:
    """Horizontal force on the hand that saturates the first motor, relative to the shipped arm.

    In the home pose, from the side where that comes soonest; 1 of robots without a hand, and where
    motors have no limit.
    """
    force = _first_limit(robot)
    return round(force / REFERENCE_FORCE, 2) or 1.0


def _first_limit(robot: Robot) -> float:
    """That force, N; the shipped arm's if motors have no limit."""
    model, hand = robot.model, robot.pushed_body
    data = mujoco.MjData(model)
    data.qpos[:] = robot.home_qpos
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_jacBody(model, data, jacobian := np.zeros((3, model.nv)), None, hand)
    limited = (model.actuator_forcelimited[robot.actuators] > 0) & (hand > 0)
    limits = np.where(limited, model.actuator_forcerange[robot.actuators, 1], np.inf)
    lever = np.linalg.norm(jacobian[:2, robot.dof_adr], axis=0)  # of the worst direction
    forces = limits / np.maximum(lever, 1e-9)
    return float(forces.min()) if np.isfinite(forces).any() else REFERENCE_FORCE
