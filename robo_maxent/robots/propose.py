"""Proposes the page of a robot, and decides whether it is an arm or a quadruped."""

from collections.abc import Sequence
from pathlib import Path

from robo_maxent.robots.arm_anatomy import is_arm
from robo_maxent.robots.arm_proposal import propose_arm
from robo_maxent.robots.model_file import open_model
from robo_maxent.robots.proposal import Proposal
from robo_maxent.robots.quadruped_anatomy import has_legs
from robo_maxent.robots.quadruped_proposal import propose_quadruped


def propose(
    path: Path,
    named: str,
    name: str,
    base: str | None = None,
    feet: Sequence[str] = (),
    hand: str | None = None,
) -> Proposal:
    """Propose a page: of an arm, if a chain of hinges ends in a hand, or else of a quadruped.

    Args:
        path: Its MJCF or URDF.
        named: How the page shall name that.
        name: Of the robot.
        base: Body that the legs stand out of, or that the arm begins with; None: found.
        feet: Bodies of the feet, FR, FL, RR and RL; empty: found. Whoever has some is a quadruped.
        hand: Body that the arm ends with; None: found. Whoever has one is an arm.

    Raises:
        RobotError: It is neither, or nothing here can repair it.
    """
    file = open_model(path)
    model = file.compiled
    if hand is not None or (not feet and is_arm(model) and not has_legs(model)):
        return propose_arm(file, named, name, base, hand)
    return propose_quadruped(file, named, name, base, feet)
