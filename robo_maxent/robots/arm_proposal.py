"""Proposes the page of an arm, and lists everything that is wrong with its model."""

from dataclasses import replace

import numpy as np

from robo_maxent.robots.arm_anatomy import ArmAnatomy, find_arm
from robo_maxent.robots.arm_page import ArmJoints, ArmPage, Gripper, Hand
from robo_maxent.robots.arm_pose import solve
from robo_maxent.robots.arm_selection import arm_alone
from robo_maxent.robots.arm_servos import propose_gains
from robo_maxent.robots.gripper_anatomy import GripperParts
from robo_maxent.robots.model_file import ModelFile
from robo_maxent.robots.motors import rounded, torque_limit
from robo_maxent.robots.proposal import Finding, Proposal, few, other_world
from robo_maxent.robots.robot_mjcf import hangs_on
from robo_maxent.sim.physics import mujoco

GRIP = {"kp": 3000.0, "kd": 60.0, "force": 30.0}
"""Gains and force limit of the shipped gripper, N/m, N·s/m and N; those of hinges are multiplied
by the lever arm, or its square."""
FRICTION = 1.0
"""Friction of the shipped fingers, and the least of others: fingers that hold anything have
rubber."""


def propose_arm(
    file: ModelFile, named: str, name: str, base: str | None = None, hand: str | None = None
) -> Proposal:
    """Propose the page of an arm.

    Args:
        file: Its model.
        named: How the page shall name that.
        name: Of the robot.
        base: Body that it begins with; None: found.
        hand: Body that it ends with; None: found.

    Raises:
        RobotError: It is no arm, can't reach a table, or nothing here can repair it.
    """
    model = file.compiled
    anatomy = find_arm(model, base, hand)
    draft = _draft(model, anatomy, named, name)
    alone = _compiled_alone(file, draft)
    names = draft.joints.names
    axes = anatomy.ahead, anatomy.across
    pose = solve(alone, names, axes, _height(model, anatomy), _example(model, anatomy))
    gains = propose_gains(model, alone, names, pose.ready)
    joints = ArmJoints(
        names,
        tuple(float(angle) + 0.0 for angle in pose.ready),
        gains.kp,
        gains.kd,
        gains.torque,
        gains.armature,
    )
    page = replace(draft, mount=pose.mount, turn=pose.turn, size=pose.size, joints=joints)
    findings = (
        *file.findings,
        *anatomy.findings,
        *pose.findings,
        *gains.findings,
        *_unlimited(model, anatomy),
        *_rest(model, anatomy, page),
        other_world(model),
    )
    moving = alone.body_weldid > 0
    return Proposal(page, findings, float(alone.body_mass[moving].sum()), pose.reach)


def _draft(model: mujoco.MjModel, anatomy: ArmAnatomy, named: str, name: str) -> ArmPage:
    """The page before mount, size and gains are known."""
    joints = list(anatomy.joints)
    middle = model.qpos0[model.jnt_qposadr[joints]]
    limited = model.jnt_limited[joints] > 0
    middle = np.where(limited, model.jnt_range[joints].mean(axis=1), middle)
    ones = (1.0,) * len(joints)
    x, y, z = (round(float(coordinate), 5) + 0.0 for coordinate in anatomy.at)
    return ArmPage(
        name=name,
        model=named,
        base=model.body(anatomy.base).name,
        mount=(0.0, 0.0, 0.0),
        turn=0.0,
        size=1.0,
        joints=ArmJoints(
            tuple(model.joint(joint).name for joint in joints),
            tuple(middle.tolist()),
            *(ones, ones, ones),
            tuple(model.dof_armature[model.jnt_dofadr[joints]].tolist()),
        ),
        hand=Hand(model.body(anatomy.hand).name, (x, y, z)),
        gripper=None if anatomy.gripper is None else _gripper(model, anatomy.gripper),
    )


def _gripper(model: mujoco.MjModel, parts: GripperParts) -> Gripper:
    (first, *_, last), openings = parts.positions, parts.openings
    lever = (openings[-1] - openings[0]) / abs(last - first)
    limit = torque_limit(model, parts.joint)
    force = min(limit, GRIP["force"] * lever) if np.isfinite(limit) else GRIP["force"] * lever
    one, other = (model.body(body).name for body in parts.fingers)
    friction = max(
        FRICTION, *(float(model.geom_friction[g, 0]) for geoms in parts.geoms for g in geoms)
    )
    return Gripper(
        joint=model.joint(parts.joint).name,
        positions=parts.positions,
        openings=parts.openings,
        fingers=(one, other),
        followers=tuple(model.joint(joint).name for joint in parts.followers),
        ratios=tuple(round(ratio, 5) for ratio in parts.ratios),
        offsets=tuple(round(offset, 5) for offset in parts.offsets),
        kp=rounded(GRIP["kp"] * lever**2),
        kd=rounded(GRIP["kd"] * lever**2),
        force=rounded(force),
        friction=round(friction, 3),
    )


def _compiled_alone(file: ModelFile, draft: ArmPage) -> mujoco.MjModel:
    """The arm without its world, with the site ``grasp``."""
    spec = arm_alone(file.spec, draft).spec(decorations=False)
    spec.body(draft.hand.body).add_site(name="grasp", pos=draft.hand.at)
    return spec.compile()


def _height(model: mujoco.MjModel, anatomy: ArmAnatomy) -> float:
    """Height of the arm's first body over what it stands on, m."""
    moves = int(model.body_jntnum[anatomy.base]) > 0  # then its foot is a part of the world
    return float(model.body_pos[anatomy.base, 2]) if moves else 0.0


def _example(model: mujoco.MjModel, anatomy: ArmAnatomy) -> np.ndarray | None:
    """The pose of the first keyframe, rad, (J,)."""
    addresses = model.jnt_qposadr[list(anatomy.joints)]
    return model.key_qpos[0, addresses].copy() if model.nkey else None


def _unlimited(model: mujoco.MjModel, anatomy: ArmAnatomy) -> list[Finding]:
    joints = [joint for joint in anatomy.joints if not model.jnt_limited[joint]]
    if not joints:
        return []
    names = few([model.joint(joint).name for joint in joints])
    what = f"joints without limits: {names}"
    return [Finding(what, "half a turn to both sides of the ready pose")]


def _rest(model: mujoco.MjModel, anatomy: ArmAnatomy, page: ArmPage) -> list[Finding]:
    """Findings about parts of the model that are not the arm."""
    findings = [Finding("the table, the object, the goal and the keyframe", "the task's")]
    own = {*anatomy.joints}
    if anatomy.gripper is not None:
        own |= {anatomy.gripper.joint, *anatomy.gripper.followers}
    others = [
        model.joint(joint).name
        for joint in range(model.njnt)
        if joint not in own and hangs_on(model, anatomy.base, int(model.jnt_bodyid[joint]))
    ]
    if others:
        findings.append(
            Finding(
                f"joints that are not the arm's: {few(others)}", "fixed where the keyframe has them"
            )
        )
    beside = [
        model.body(body).name
        for body in range(1, model.nbody)
        if model.body_parentid[body] == 0 and not hangs_on(model, body, anatomy.base)
    ]
    if beside:
        findings.append(Finding(f"bodies beside the arm: {few(beside)}", "left out"))
    return findings
