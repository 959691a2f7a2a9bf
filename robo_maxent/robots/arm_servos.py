"""Servo gains of an arm: the file's if they are sane, or else from its motors and masses.

A sane servo makes a joint swing at a rate that a time step of 4 ms can follow and that a hand can
wait for, and damps it. Otherwise stiffness goes with the torque limit, as the shipped arm has it.
"""

from dataclasses import dataclass

import numpy as np

from robo_maxent.robots.motors import is_motor, moved_inertia, rounded, torque_limit
from robo_maxent.robots.proposal import Finding, few
from robo_maxent.sim.physics import mujoco

SAG = 0.087
"""Error of a servo at full torque, rad: 87 N·m at 1000 N·m/rad, the shoulder of the shipped arm."""
DAMPING_TIME = 0.08
"""Damping over stiffness, s, of all joints of the shipped arm."""
FASTEST = 70.0
"""Highest natural frequency of a joint, rad/s; a light wrist gets armature until it is that
slow."""
SANE_RATES = (5.0, 150.0)
"""Natural frequencies, rad/s, for which the file's own servo is kept."""
SANE_TIMES = (0.01, 0.6)
"""Damping over stiffness, s, for which it is kept, the joint's own damping included."""
CRITICAL = 1.4
"""Least damping over the root of stiffness times inertia; critical damping is 2."""
LIFT, ACCELERATION = 2.5, 10.0
"""A motor without a limit lifts the stretched arm so many times, and gives so many rad/s²."""
POSES = 128


@dataclass(frozen=True)
class Gains:
    """Gains and limits of J joints."""

    kp: tuple[float, ...]
    kd: tuple[float, ...]
    torque: tuple[float, ...]
    armature: tuple[float, ...]
    findings: tuple[Finding, ...]


def propose_gains(
    file: mujoco.MjModel, alone: mujoco.MjModel, joints: tuple[str, ...], ready: np.ndarray
) -> Gains:
    """Stiffness, damping, torque limit and armature of each joint.

    Args:
        file: The user's model, which has the actuators.
        alone: The arm alone, without the pull of gravity taken from it.
        joints: Names, from the base to the hand.
        ready: rad, (J,).
    """
    inertia, lift = moved_inertia(alone, joints, ready), _lift(alone, joints)
    rows, guessed, kept, driven = [], [], [], []
    for number, name in enumerate(joints):
        joint = file.joint(name).id
        dof = int(file.jnt_dofadr[joint])
        armature, damping = float(file.dof_armature[dof]), float(file.dof_damping[dof])
        limit, mass = torque_limit(file, joint), inertia[number]
        servo = _servo(file, joint)
        driven.append(_drive(file, joint))
        if not np.isfinite(limit):
            guessed.append(name)
            limit = max(LIFT * lift[number], ACCELERATION * mass)
        if servo is not None and _is_sane(*servo, damping, mass):
            kept.append(name)
            rows.append((*servo, limit, armature))
            continue
        kp = limit / SAG
        armature += max(kp / FASTEST**2 - mass, 0.0)
        mass = max(mass, kp / FASTEST**2)
        kd = max(DAMPING_TIME * kp, CRITICAL * float(np.sqrt(kp * mass))) - damping
        rows.append((kp, max(kd, 0.0), limit, armature))
    kp, kd, torque, armature = (
        tuple(rounded(value, 4) + 0.0 for value in column) for column in zip(*rows, strict=True)
    )
    return Gains(kp, kd, torque, armature, tuple(_said(joints, kept, guessed, driven)))


def _said(
    joints: tuple[str, ...], kept: list[str], guessed: list[str], driven: list[str]
) -> list[Finding]:
    findings = []
    other = [(name, drive) for name, drive in zip(joints, driven, strict=True) if name not in kept]
    for drive in dict.fromkeys(drive for _, drive in other):
        names = few([name for name, own in other if own == drive])
        findings.append(
            Finding(f"{drive}: {names}", "position servos, as stiff as the torque limits allow")
        )
    if guessed:
        findings.append(
            Finding(
                f"no torque limit of {few(guessed)}",
                "enough to lift the stretched arm, and more; put the motor's in the page",
            )
        )
    return findings


def _servo(model: mujoco.MjModel, joint: int) -> tuple[float, float] | None:
    """Stiffness and damping of the position servo at a joint; None if it has none."""
    for actuator in _actuators(model, joint):
        gain, bias = float(model.actuator_gainprm[actuator, 0]), model.actuator_biasprm[actuator]
        plain = model.actuator_gear[actuator, 0] == 1.0
        if plain and gain > 0.0 and bias[1] == -gain and not is_motor(model, actuator):
            return gain, -float(bias[2])
    return None


def _actuators(model: mujoco.MjModel, joint: int) -> list[int]:
    at_joint = model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT.value
    return np.flatnonzero(at_joint & (model.actuator_trnid[:, 0] == joint)).tolist()


def _drive(model: mujoco.MjModel, joint: int) -> str:
    """The actuator of a joint in the file, in words."""
    driving = _actuators(model, joint)
    if not driving:
        return "joints without actuators"
    if any(is_motor(model, actuator) for actuator in driving):
        return "motors that take torques, where actions are joint targets"
    servo = _servo(model, joint)
    if servo is None:
        return "actuators that are no position servos"
    return "servos that are too soft, too stiff, or without damping"


def _is_sane(kp: float, kd: float, damping: float, inertia: float) -> bool:
    rate, time = float(np.sqrt(kp / inertia)), (kd + damping) / kp
    return SANE_RATES[0] <= rate <= SANE_RATES[1] and SANE_TIMES[0] <= time <= SANE_TIMES[1]


def _lift(model: mujoco.MjModel, joints: tuple[str, ...]) -> np.ndarray:
    """Largest torque of gravity at each joint over many poses, N·m, (J,)."""
    ids, data = [model.joint(joint).id for joint in joints], mujoco.MjData(model)
    rng, most = np.random.default_rng(0), np.zeros(len(joints))
    for _ in range(POSES):
        data.qpos[model.jnt_qposadr[ids]] = rng.uniform(*model.jnt_range[ids].T)
        mujoco.mj_forward(model, data)
        most = np.maximum(most, np.abs(data.qfrc_bias[model.jnt_dofadr[ids]]))
    return most
