"""What a model says about the motors at its joints."""

from collections.abc import Sequence

import numpy as np

from robo_maxent.sim.physics import mujoco


def torque_limit(model: mujoco.MjModel, joint: int) -> float:
    """Largest torque that the file allows at a joint, N·m; infinite if it gives no limit."""
    limits = [np.inf]
    if model.jnt_actfrclimited[joint]:
        limits.append(float(np.abs(model.jnt_actfrcrange[joint]).min()))
    at_joint = mujoco.mjtTrn.mjTRN_JOINT.value
    for actuator in range(model.nu):
        if model.actuator_trntype[actuator] != at_joint:
            continue
        if model.actuator_trnid[actuator, 0] != joint:
            continue
        gear = abs(float(model.actuator_gear[actuator, 0]))
        if model.actuator_forcelimited[actuator]:
            limits.append(gear * float(np.abs(model.actuator_forcerange[actuator]).min()))
        if model.actuator_ctrllimited[actuator] and is_motor(model, actuator):
            gain = abs(float(model.actuator_gainprm[actuator, 0]))
            limits.append(gear * gain * float(np.abs(model.actuator_ctrlrange[actuator]).min()))
    return min(limit for limit in limits if limit > 0.0)


def is_motor(model: mujoco.MjModel, actuator: int) -> bool:
    """Whether an actuator takes a torque as its control."""
    return model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE.value


def moved_inertia(model: mujoco.MjModel, joints: Sequence[str], pose: np.ndarray) -> np.ndarray:
    """Inertia that each of J joints moves in a pose, the others being held, kg m², (J,).

    Args:
        model: The robot.
        joints: Names of hinges and slides, J.
        pose: Their positions, rad or m, (J,); other joints are where the model has them.
    """
    ids = [model.joint(joint).id for joint in joints]
    data = mujoco.MjData(model)
    data.qpos[model.jnt_qposadr[ids]] = pose
    mujoco.mj_forward(model, data)
    whole = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, whole)
    return np.diag(whole)[model.jnt_dofadr[ids]]


def rounded(value: float, digits: int = 3) -> float:
    """A number rounded to significant digits."""
    return float(f"{value:.{digits}g}")
