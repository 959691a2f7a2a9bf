"""What the page of a quadruped says: joints, feet, legs, standing pose."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robo_maxent.robots.page_toml import HEAD, LARGEST_FRICTION, check_numbers, toml

LEGS = ("FR", "FL", "RR", "RL")
"""Legs: front or rear, right or left."""
MOST = {"feet.friction": LARGEST_FRICTION, "joints.action": 6.28}
"""Key -> what it may be at most: a ratio, and a whole turn in rad. Other bounds go by what a joint
moves."""


@dataclass(frozen=True)
class Feet:
    """Feet, which are all spheres of one radius, whose friction is that of their contacts."""

    radius: float
    """Radius, m."""
    friction: float
    """Sliding friction."""


@dataclass(frozen=True)
class Joints:
    """Joints of each leg, from the trunk down to the foot; each tuple has k elements."""

    kp: tuple[float, ...]
    """Stiffness of the position servos, N·m/rad."""
    kd: tuple[float, ...]
    """Damping of the position servos, N·m·s/rad."""
    torque: tuple[float, ...]
    """Torque limits, N·m."""
    action: tuple[float, ...]
    """How far action 1 moves each target from the standing pose, rad."""
    mirror: tuple[int, ...] = ()
    """1 or -1 for each joint: its sign in a mirror image; empty if left and right differ, so
    that nothing is mirrored in learning."""


@dataclass(frozen=True)
class Leg:
    """One leg."""

    joints: tuple[str, ...]
    """Names of its joints, from the trunk down, k."""
    stand: tuple[float, ...]
    """Joint angles of the standing pose, rad, k."""
    foot: str
    """Body that the foot is part of."""
    at: tuple[float, float, float]
    """Centre of the foot in the frame of that body, m."""


@dataclass(frozen=True)
class QuadrupedPage:
    """The page of a quadruped."""

    name: str
    model: str
    """Its MJCF or URDF: a path, relative to the page, or PACKAGE:PATH of an installed package."""
    base: str
    """Body to which the legs are attached; x is forward, y left, z up."""
    height: float
    """Height of the base in the standing pose, m."""
    feet: Feet
    joints: Joints
    legs: Mapping[str, Leg]
    """Legs FR, FL, RR and RL."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of all joints, leg by leg, A."""
        return tuple(joint for leg in LEGS for joint in self.legs[leg].joints)

    @property
    def stand(self) -> np.ndarray:
        """Joint angles of the standing pose, rad, (A,)."""
        return np.array([angle for leg in LEGS for angle in self.legs[leg].stand])


def check_quadruped(page: QuadrupedPage) -> None:
    """Refuse values that no quadruped can have.

    Raises:
        ValueError: A number is missing, or out of range.
    """
    if missing := [leg for leg in LEGS if leg not in page.legs]:
        raise ValueError(f"legs lacks {', '.join(missing)}: a quadruped has {', '.join(LEGS)}")
    _check_counts(page)
    names = page.joint_names
    if len(set(names)) < len(names):
        raise ValueError("a joint stands in two legs")
    if not set(page.joints.mirror) <= {1, -1}:
        raise ValueError(f"joints.mirror must be 1 or -1 each, got {list(page.joints.mirror)}")
    positive = {"height": (page.height,), "feet.radius": (page.feet.radius,)}
    positive |= {f"joints.{key}": getattr(page.joints, key) for key in ("kp", "torque", "action")}
    others = {"joints.kd": page.joints.kd, "feet.friction": (page.feet.friction,)}
    check_numbers(positive, others, MOST)
    places = [*page.stand, *(number for leg in LEGS for number in page.legs[leg].at)]
    if not np.isfinite(places).all():
        raise ValueError("stand and at must be finite numbers")


def _check_counts(page: QuadrupedPage) -> None:
    """Refuse legs with different numbers of joints.

    Raises:
        ValueError: There are some.
    """
    each = len(page.joints.kp)
    for key, values in vars(page.joints).items():
        if not each or (len(values) != each and not (key == "mirror" and not values)):
            raise ValueError(
                f"joints.{key} must have one number for each joint of a leg, as kp has {each}; "
                f"got {len(values)}"
            )
    for leg in LEGS:
        lengths = len(page.legs[leg].joints), len(page.legs[leg].stand)
        if lengths != (each, each):
            raise ValueError(
                f"legs.{leg} must have {each} joints and as many angles to stand, as joints.kp "
                f"has; got {lengths[0]} and {lengths[1]}"
            )


def write_quadruped(page: QuadrupedPage) -> str:
    """The page as TOML, with a comment for each number."""
    lines = [
        *HEAD,
        f"name = {toml(page.name)}",
        f"model = {toml(page.model)}",
        f"base = {toml(page.base)}  # x is forward, y left, z up",
        f"height = {toml(page.height)}  # of the base, standing, m",
        "",
        "[feet]  # spheres; their friction is that of the contact, whatever they stand on",
        f"radius = {toml(page.feet.radius)}",
        f"friction = {toml(page.feet.friction)}",
        "",
        "[joints]  # of every leg, from the trunk down",
        f"kp = {toml(page.joints.kp)}  # N·m/rad",
        f"kd = {toml(page.joints.kd)}  # N·m·s/rad",
        f"torque = {toml(page.joints.torque)}  # at most, N·m",
        f"action = {toml(page.joints.action)}  # target from standing at action 1, rad",
        f"mirror = {toml(page.joints.mirror)}  # sign of an angle seen in a mirror; []: no mirror",
    ]
    for name in LEGS:
        leg = page.legs[name]
        lines += [
            "",
            f"[legs.{name}]",
            f"joints = {toml(leg.joints)}",
            f"stand = {toml(leg.stand)}",
            f"foot = {toml(leg.foot)}  # body",
            f"at = {toml(leg.at)}  # centre of the foot in it, m",
        ]
    return "\n".join(lines) + "\n"
