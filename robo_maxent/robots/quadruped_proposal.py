"""Proposes the page of a quadruped, and lists everything that is wrong with its model.

Gains, torques and action ranges are those of the shipped quadruped, for a robot of this mass and
leg length: stiffness and torque go with weight times length, damping also with the time that a
leg of that length takes to swing.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from robo_maxent.robots.model_file import ModelFile
from robo_maxent.robots.motors import is_motor, rounded, torque_limit
from robo_maxent.robots.proposal import Finding, Proposal, few, other_world
from robo_maxent.robots.quadruped_anatomy import Anatomy, find_anatomy
from robo_maxent.robots.quadruped_page import LEGS, Feet, Joints, Leg, QuadrupedPage
from robo_maxent.robots.quadruped_selection import grounded
from robo_maxent.robots.quadruped_stance import Stance, solve
from robo_maxent.sim.body_scale import REFERENCE_LEG, REFERENCE_MASS
from robo_maxent.sim.physics import mujoco

# The shipped quadruped: of joints that lead to others, and of the last that bends a leg.
STIFFNESS = {"upper": 15.9, "last": 35.8}  # N·m/rad
TORQUE = {"upper": 23.7, "last": 35.55}  # N·m
DAMPING_TIME = 0.0636  # s, damping over stiffness
RANGE = {"side": 0.5, "bend": 1.0}  # rad, of joints that spread a leg and that bend it
ALIKE = 0.02
"""Left and right count as mirror images within this, relative to the length of a leg."""
SAME_MASS = 0.1
"""They also may differ in mass by this share at most."""


def propose_quadruped(
    file: ModelFile, named: str, name: str, base: str | None = None, feet: Sequence[str] = ()
) -> Proposal:
    """Propose the page of a quadruped.

    Args:
        file: Its model.
        named: How the page shall name that.
        name: Of the robot.
        base: Body that the legs stand out of; None: found.
        feet: Bodies of the feet, FR, FL, RR and RL; empty: found.

    Raises:
        RobotError: It is no quadruped, or nothing here can repair it.
    """
    model = file.compiled
    anatomy = find_anatomy(model, base, feet)
    stance = solve(model, anatomy)
    mass = float(model.body_mass[1:].sum())
    mirror, uneven = _mirror(model, anatomy)
    if mirror is not None:
        stance = _made_even(model, anatomy, stance, mirror)
    joints, servos = _joints(model, anatomy, mass, mirror)
    radii = np.array([anatomy.legs[leg].radius for leg in LEGS])
    page = QuadrupedPage(
        name=name,
        model=named,
        base=model.body(anatomy.base).name,
        height=stance.height,
        feet=Feet(round(float(np.median(radii)), 4), _friction(anatomy)),
        joints=joints,
        legs={leg: _leg(model, anatomy, stance, leg) for leg in LEGS},
    )
    findings = (
        *file.findings,
        *anatomy.findings,
        *_uneven_feet(radii),
        *stance.findings,
        *servos,
        *uneven,
        *_in_the_ground(model, page),
        *_world(file, anatomy),
    )
    return Proposal(page, findings, mass, anatomy.length)


def _leg(model: mujoco.MjModel, anatomy: Anatomy, stance: Stance, leg: str) -> Leg:
    parts = anatomy.legs[leg]
    x, y, z = (round(float(coordinate), 5) + 0.0 for coordinate in parts.at)
    return Leg(
        joints=tuple(model.joint(joint).name for joint in parts.joints),
        stand=tuple(round(float(angle), 4) + 0.0 for angle in stance.angles[leg]),
        foot=model.body(parts.body).name,
        at=(x, y, z),
    )


def _friction(anatomy: Anatomy) -> float:
    return round(min(anatomy.legs[leg].friction for leg in LEGS), 3)


def _uneven_feet(radii: np.ndarray) -> list[Finding]:
    if np.ptp(radii) < 5e-4:
        return []
    sizes = ", ".join(f"{leg} {1e3 * r:.0f}" for leg, r in zip(LEGS, radii, strict=True))
    return [
        Finding(
            f"the feet are of different sizes: {sizes} mm",
            f"all have a radius of {1e3 * np.median(radii):.0f} mm",
        )
    ]


# Joints.


def _joints(
    model: mujoco.MjModel, anatomy: Anatomy, mass: float, mirror: tuple[int, ...] | None
) -> tuple[Joints, list[Finding]]:
    """Gains, torque limits and action ranges, and the findings about the file's own."""
    legs = [anatomy.legs[leg] for leg in LEGS]
    weight = mass / REFERENCE_MASS * anatomy.length / REFERENCE_LEG
    time = DAMPING_TIME * float(np.sqrt(anatomy.length / REFERENCE_LEG))
    limits = np.array([[torque_limit(model, joint) for joint in leg.joints] for leg in legs])
    kp, kd, torque, action, guessed = [], [], [], [], []
    for place, joint in enumerate(legs[0].joints):
        kind = "last" if joint == legs[0].bending[-1] else "upper"
        stiffness = STIFFNESS[kind] * weight
        limit = float(limits[:, place].min())  # of the weakest leg
        if not np.isfinite(limit):
            limit = TORQUE[kind] * weight
            guessed.append(model.joint(joint).name)
        widest = RANGE["bend" if joint in legs[0].bending else "side"]
        kp.append(rounded(stiffness))
        kd.append(rounded(stiffness * time))
        torque.append(rounded(limit, 4))
        action.append(round(min(widest, limit / stiffness), 2))
    joints = Joints(tuple(kp), tuple(kd), tuple(torque), tuple(action), mirror or ())
    findings = _drives(model, legs[0].joints)
    if guessed:
        findings.append(
            Finding(
                f"no torque limit of {few(guessed)}",
                "that of the shipped quadruped, for this mass and leg length; put the motor's in "
                "the page",
            )
        )
    unlimited = [j for leg in legs for j in leg.joints if not model.jnt_limited[j]]
    if unlimited:
        names = few([model.joint(joint).name for joint in unlimited])
        findings.append(
            Finding(f"joints without limits: {names}", "limited around the standing pose")
        )
    return joints, findings


def _drives(model: mujoco.MjModel, joints: Sequence[int]) -> list[Finding]:
    """The actuators of the file's joints, in words."""
    driving = [int(a) for a in range(model.nu) if int(model.actuator_trnid[a, 0]) in joints]
    fix = "position servos, whose gains follow from mass and leg length"
    if not driving:
        return [Finding("joints without actuators", fix)]
    if any(is_motor(model, actuator) for actuator in driving):
        return [Finding("motors that take torques, where actions are joint targets", fix)]
    gains = sorted({f"{model.actuator_gainprm[actuator, 0]:g}" for actuator in driving})
    return [
        Finding(
            f"servos with gains of their own: kp {', '.join(gains)}",
            f"{fix}; put the file's in the page if those are wanted",
        )
    ]


# Mirror.


def _mirror(
    model: mujoco.MjModel, anatomy: Anatomy
) -> tuple[tuple[int, ...] | None, list[Finding]]:
    """Sign of each joint angle in a mirror image; None if left and right differ."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    turn, at = data.xmat[anatomy.base].reshape(3, 3), data.xpos[anatomy.base]
    flip = np.array([1.0, -1.0, 1.0])
    signs: list[tuple[int, ...]] = []
    differing: list[str] = []
    for right, left in (("FR", "FL"), ("RR", "RL")):
        pair = [anatomy.legs[leg] for leg in (right, left)]
        places = [(data.xanchor[list(leg.joints)] - at) @ turn for leg in pair]
        axes = [data.xaxis[list(leg.joints)] @ turn for leg in pair]
        masses = [model.body_subtreemass[model.jnt_bodyid[list(leg.joints)]] for leg in pair]
        # In a mirror an axis, which says a sense of rotation, turns the other way round.
        along = -(axes[0] * flip * axes[1]).sum(axis=1)
        apart = float(np.abs(places[0] * flip - places[1]).max())
        if apart > ALIKE * anatomy.length:
            differing.append(f"{right} and {left} stand {1e3 * apart:.0f} mm from mirror images")
        if np.any(np.abs(np.abs(along) - 1.0) > ALIKE):
            differing.append(f"the axes of {right} and {left} are no mirror images")
        if np.any(np.abs(masses[0] - masses[1]) > SAME_MASS * masses[0]):
            differing.append(f"{right} and {left} differ in mass")
        signs.append(tuple(int(sign) for sign in np.sign(along)))
    if signs[0] != signs[1]:
        differing.append("front and rear joints turn differently in a mirror")
    if differing:
        return None, [
            Finding(f"not symmetric: {'; '.join(differing)}", "nothing is mirrored in learning")
        ]
    return signs[0], []


def _made_even(
    model: mujoco.MjModel, anatomy: Anatomy, stance: Stance, mirror: tuple[int, ...]
) -> Stance:
    """The stance with left legs as exact mirror images of the right ones, where possible."""
    angles = dict(stance.angles)
    for right, left in (("FR", "FL"), ("RR", "RL")):
        mirrored = np.array(mirror) * np.round(angles[right], 4)
        if np.allclose(mirrored, angles[left], atol=0.05):
            angles[left] = mirrored
    return replace(stance, angles=angles)


# The rest.


def _in_the_ground(model: mujoco.MjModel, page: QuadrupedPage) -> list[Finding]:
    """Parts other than feet that would touch the ground in the standing pose."""
    low = sorted({model.body(int(model.geom_bodyid[geom])).name for geom in grounded(model, page)})
    if not low:
        return []
    what = f"spawn penetration: standing, shapes of {few(low)} reach the ground beside the feet"
    return [Finding(what, "these shapes touch nothing; the feet do")]


def _world(file: ModelFile, anatomy: Anatomy) -> list[Finding]:
    """Findings about what the model lacks beside the robot, or has too much."""
    model = file.compiled
    findings = [
        Finding(
            "sensors and sites of base and feet, the keyframe and the foot's friction priority",
            "added",
        ),
        other_world(model),
    ]
    own = {joint for leg in anatomy.legs.values() for joint in leg.joints}
    free = mujoco.mjtJoint.mjJNT_FREE.value
    others = [
        model.joint(joint).name
        for joint in range(model.njnt)
        if joint not in own and model.jnt_type[joint] != free
    ]
    if others:
        findings.append(
            Finding(f"joints of no leg: {few(others)}", "fixed where the keyframe has them")
        )
    if model.neq:
        findings.append(
            Finding(
                f"{model.neq} equality constraints, such as closed loops",
                "left out: where a leg depends on one, describe it without",
                by_hand=True,
            )
        )
    return findings
