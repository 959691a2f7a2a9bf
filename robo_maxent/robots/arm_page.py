"""What the page of an arm says: joints, hand, gripper, and where the arm stands."""

from dataclasses import dataclass

import numpy as np

from robo_maxent.robots.page_toml import HEAD, LARGEST_FRICTION, check_numbers, toml

JOINTS = (5, 7)
"""Fewest and most joints of an arm."""
SIZES = (0.35, 2.5)
"""Smallest and largest size of an arm's world, relative to the shipped arm's."""
MOST = {"joints.armature": 100.0, "gripper.friction": LARGEST_FRICTION}
"""Key -> what it may be at most, kg m² and a ratio; other bounds go by what a joint moves."""


@dataclass(frozen=True)
class ArmJoints:
    """Joints of the arm, from the base to the hand; each tuple has J elements."""

    names: tuple[str, ...]
    ready: tuple[float, ...]
    """Angles at which the hand is over the middle of the table and points down, rad."""
    kp: tuple[float, ...]
    """Stiffness of the position servos, N·m/rad."""
    kd: tuple[float, ...]
    """Damping of the position servos, N·m·s/rad."""
    torque: tuple[float, ...]
    """Torque limits, N·m."""
    armature: tuple[float, ...]
    """Inertia of the motors, seen at the joints, kg m²."""


@dataclass(frozen=True)
class Hand:
    """The end of the arm."""

    body: str
    """The last body before the fingers; pushes act on it."""
    at: tuple[float, float, float]
    """The point that tasks move, in the frame of that body, m: between the finger tips, or the
    end of an arm without a gripper."""


@dataclass(frozen=True)
class Gripper:
    """Two fingers that one motor closes."""

    joint: str
    """The joint that the motor moves, a slide or a hinge."""
    positions: tuple[float, ...]
    """Positions of that joint, from closed to opened, m or rad."""
    openings: tuple[float, ...]
    """Half of the gap between the fingers at each of these positions, m, rising."""
    fingers: tuple[str, str]
    """First body of each finger; what is attached to it belongs to the finger."""
    followers: tuple[str, ...]
    """Joints that follow the driven one, at ``offset + ratio * position``."""
    ratios: tuple[float, ...]
    offsets: tuple[float, ...]
    kp: float
    """Stiffness of the position servo, N/m or N·m/rad."""
    kd: float
    """Damping of the position servo, N·s/m or N·m·s/rad."""
    force: float
    """Force limit, N or N·m."""
    friction: float
    """Sliding friction of the fingers."""


@dataclass(frozen=True)
class ArmPage:
    """The page of an arm."""

    name: str
    model: str
    """Its MJCF or URDF: a path, relative to the page, or PACKAGE:PATH of an installed package."""
    base: str
    """Body that is fixed to the world."""
    mount: tuple[float, float, float]
    """Position of the base in the world of the tasks, m: x points ahead to the table, whose top
    is at height 0."""
    turn: float
    """Rotation of the base about the vertical, rad."""
    size: float
    """Size of the table, of its distance and of the space above it, relative to the shipped
    arm's."""
    joints: ArmJoints
    hand: Hand
    gripper: Gripper | None = None


def check_arm(page: ArmPage) -> None:
    """Refuse values that no arm can have.

    Raises:
        ValueError: A number is missing, or out of range.
    """
    joints, count = page.joints, len(page.joints.names)
    if not JOINTS[0] <= count <= JOINTS[1]:
        raise ValueError(f"joints.names must be {JOINTS[0]} to {JOINTS[1]} joints, got {count}")
    if len(set(joints.names)) < count:
        raise ValueError("a joint stands twice in joints.names")
    for key, values in vars(joints).items():
        if len(values) != count:
            raise ValueError(
                f"joints.{key} must have one number for each of joints.names, {count}; got "
                f"{len(values)}"
            )
    if not SIZES[0] <= page.size <= SIZES[1]:
        raise ValueError(f"size must be within {list(SIZES)}, got {page.size}")
    positive = {f"joints.{key}": getattr(joints, key) for key in ("kp", "torque")}
    others = {f"joints.{key}": getattr(joints, key) for key in ("kd", "armature")}
    if page.gripper is not None:
        _check_gripper(page.gripper)
        positive |= {f"gripper.{key}": (getattr(page.gripper, key),) for key in ("kp", "force")}
        others |= {f"gripper.{key}": (getattr(page.gripper, key),) for key in ("kd", "friction")}
    check_numbers(positive, others, MOST)
    if not np.isfinite([*joints.ready, *page.mount, page.turn, *page.hand.at]).all():
        raise ValueError("ready, mount, turn and at must be finite numbers")


def _check_gripper(gripper: Gripper) -> None:
    """Refuse a gripper without valid positions and openings.

    Raises:
        ValueError: So it is.
    """
    positions, openings = np.array(gripper.positions), np.array(gripper.openings)
    if len(positions) < 2 or len(positions) != len(openings):
        raise ValueError(
            "gripper.positions and gripper.openings must be as many, at least two; got "
            f"{len(positions)} and {len(openings)}"
        )
    steps, rises = np.diff(positions), np.diff(openings)
    one_way = (steps > 0.0).all() or (steps < 0.0).all()
    if not one_way or not (rises > 0.0).all() or openings[0] < 0.0:
        raise ValueError(
            "gripper.positions must go one way, from closed to opened, and gripper.openings must "
            f"rise from 0 or more; got {list(gripper.positions)} and {list(gripper.openings)}"
        )
    if not np.isfinite([*positions, *openings, *gripper.ratios, *gripper.offsets]).all():
        raise ValueError("the numbers of gripper must be finite")
    counts = [len(getattr(gripper, key)) for key in ("followers", "ratios", "offsets")]
    if len(set(counts)) > 1:
        raise ValueError(
            "gripper.followers, ratios and offsets must be as many, got "
            f"{', '.join(map(str, counts))}"
        )


def write_arm(page: ArmPage) -> str:
    """The page as TOML, with a comment for each number."""
    joints, hand = page.joints, page.hand
    lines = [
        *HEAD,
        'kind = "arm"',
        f"name = {toml(page.name)}",
        f"model = {toml(page.model)}",
        f"base = {toml(page.base)}",
        f"mount = {toml(page.mount)}  # of the base, m: x to the table, whose top is at height 0",
        f"turn = {toml(page.turn)}  # of the base about the vertical",
        f"size = {toml(page.size)}  # of the table and its distance, over the shipped arm's",
        "",
        "[joints]  # from the base to the hand",
        f"names = {toml(joints.names)}",
        f"ready = {toml(joints.ready)}  # the hand over the middle of the table, pointing down",
        f"kp = {toml(joints.kp)}  # N·m/rad",
        f"kd = {toml(joints.kd)}  # N·m·s/rad",
        f"torque = {toml(joints.torque)}  # at most, N·m",
        f"armature = {toml(joints.armature)}  # kg m²",
        "",
        "[hand]",
        f"body = {toml(hand.body)}",
        f"at = {toml(hand.at)}  # what tasks move, in it, m",
    ]
    if page.gripper is not None:
        gripper = page.gripper
        lines += [
            "",
            "[gripper]  # m and N of a slide, rad and N·m of a hinge",
            f"joint = {toml(gripper.joint)}",
            f"positions = {toml(gripper.positions)}  # of it, from closed to opened",
            f"openings = {toml(gripper.openings)}  # half of the gap there, m",
            f"fingers = {toml(gripper.fingers)}  # bodies",
            f"followers = {toml(gripper.followers)}  # joints: at offset + ratio * position",
            f"ratios = {toml(gripper.ratios)}",
            f"offsets = {toml(gripper.offsets)}",
            f"kp = {toml(gripper.kp)}",
            f"kd = {toml(gripper.kd)}",
            f"force = {toml(gripper.force)}",
            f"friction = {toml(gripper.friction)}  # of the fingers, whatever they hold",
        ]
    return "\n".join(lines) + "\n"
