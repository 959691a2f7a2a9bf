"""``robo-maxent robot check``: what has to be done before a robot can be trained, done."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import Json, Result
from robo_maxent.errors import RenderingError, UsageError

if TYPE_CHECKING:
    from robo_maxent.robots.page import Page
    from robo_maxent.robots.proposal import Proposal

LEGS = 4


@dataclass(frozen=True)
class Robot:
    """Read the model of a quadruped or an arm, say what is wrong, and write its page, a TOML.

    Then it is trained with --robot: a quadruped in the tasks quadruped-..., an arm in arm-....
    """

    what: Positional[Literal["check"]]
    """What to do."""
    file: Annotated[
        Positional[str],
        arg(
            metavar="FILE",
            help="MJCF (.xml) or URDF, or PACKAGE:PATH, a file that an installed package brings; "
            "or a page (.toml), to check that after it was changed.",
        ),
    ]
    name: str | None = None
    """What to call the robot; by default as the file is called."""
    base: str | None = None
    """Body that the legs stand out of, or that the arm begins with; by default found."""
    feet: tuple[str, ...] | None = None
    """Bodies of the feet, front right, front left, rear right, rear left; by default found."""
    hand: str | None = None
    """Body that the arm ends with, what hangs on it being no gripper; by default found."""
    out: Path | None = None
    """The page to write; by default NAME.toml here. Its picture lies beside it."""
    as_json: Json = False

    def run(self) -> Result:
        """Check the robot, print what was found, and say what was written."""
        if self.file.endswith(".toml"):
            return self._check_page(Path(self.file))
        return self._propose()

    def _propose(self) -> Result:
        from robo_maxent.cli.progress import say
        from robo_maxent.files import require_place, write_atomically
        from robo_maxent.rendering.robot_picture import PICTURE
        from robo_maxent.robots.arm_page import ArmPage
        from robo_maxent.robots.model_file import locate
        from robo_maxent.robots.page import write_page
        from robo_maxent.robots.propose import propose

        if self.feet is not None and len(self.feet) != LEGS:
            raise UsageError(f"--feet takes four bodies, FR FL RR RL, got {len(self.feet)}")
        if self.feet is not None and self.hand is not None:
            raise UsageError("a quadruped has --feet, and an arm a --hand: give one of them")
        if self.out is not None and self.out.suffix != ".toml":
            raise UsageError(f"--out is a page, so its name ends with .toml; got {self.out}")
        model = locate(self.file, Path())
        name = self.name or model.stem
        page = self.out or Path(f"{name}.toml")
        if page.exists():
            raise UsageError(
                f"{page} is there already: check it as it is with 'robo-maxent robot check "
                f"{quote(str(page))}', delete it, or name another with --out"
            )
        require_place(page.with_suffix(PICTURE.suffix), PICTURE)
        say(f"Reading {model}")
        named = self._named(model, page.parent)
        proposal = propose(model, named, name, self.base, self.feet or (), self.hand)
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, write_page(proposal.page))
        picture = _draw(page)
        if not self.as_json:
            _print(proposal)
        say(f"  page: {page}")
        if picture is not None:
            say(f"  picture: {picture}")
        say(_next(proposal.page, page))
        length = "reach" if isinstance(proposal.page, ArmPage) else "leg_length"
        return {
            "robot": name,
            "page": str(page),
            "picture": None if picture is None else str(picture),
            "mass": proposal.mass,
            length: proposal.length,
            "findings": [asdict(finding) for finding in proposal.findings],
            "hand_edits": len(proposal.by_hand),
        }

    def _named(self, model: Path, folder: Path) -> str:
        """How the page names the model: as the package's, relative to itself, or in full."""
        if not Path(self.file).exists():
            return self.file
        here, there = folder.resolve(), model.resolve()
        return os.path.relpath(there, here) if there.is_relative_to(here) else str(there)

    def _check_page(self, page: Path) -> Result:
        from robo_maxent.cli.progress import say
        from robo_maxent.robots.own_robot import open_robot

        if self.name or self.base or self.feet or self.hand or self.out:
            raise UsageError(
                "a page says its own --name, --base, --feet and --hand, and is not written"
            )
        robot = open_robot(page)
        picture = _draw(page)
        assert robot.page is not None
        if not self.as_json:
            print(f"{robot.page.name}: {page} fits its model")
        if picture is not None:
            say(f"  picture: {picture}")
        say(_next(robot.page, page))
        drawn = None if picture is None else str(picture)
        return {"robot": robot.page.name, "page": str(page), "picture": drawn}


def _first_task(page: "Page") -> str:
    """The task that a robot is tried in first."""
    from robo_maxent.robots.arm_page import ArmPage

    return "arm-reach" if isinstance(page, ArmPage) else "quadruped-flat"


def _next(page: "Page", file: Path) -> str:
    """What to do with a page now."""
    return f"Next: robo-maxent train {_first_task(page)} --robot {quote(str(file))} --minutes 5"


def _draw(page: Path) -> Path | None:
    """Draw the robot beside its page, standing or ready, which builds it.

    None: without OpenGL, or where the picture can't be written. The page is good all the same.
    """
    from robo_maxent.cli.progress import say
    from robo_maxent.files import refusal
    from robo_maxent.rendering import robot_picture
    from robo_maxent.robots.own_robot import open_robot
    from robo_maxent.tasks import make

    robot = open_robot(page)
    assert robot.page is not None
    task = make(_first_task(robot.page), robot_file=page)
    try:
        robot_picture.draw(task.robot_spec, page.with_suffix(".png"))
    except (RenderingError, OSError) as error:
        again = f"robo-maxent robot check {quote(str(page))}"
        say(f"warning: no picture: {refusal(error)}. Once that is mended, draw it: {again}")
        return None
    return page.with_suffix(".png")


def _print(proposal: "Proposal") -> None:
    from robo_maxent.robots.arm_page import ArmPage

    page = proposal.page
    if isinstance(page, ArmPage):
        fingers = "no gripper" if page.gripper is None else "a gripper"
        print(
            f"{page.name}: an arm of {len(page.joints.names)} joints with {fingers}, "
            f"{proposal.mass:.1f} kg; reaches {proposal.length:.2f} m from its shoulder"
        )
    else:
        print(
            f"{page.name}: {proposal.mass:.1f} kg, legs of {proposal.length:.3f} m, "
            f"{len(page.joint_names)} joints; stands {page.height:.3f} m high"
        )
    for finding in proposal.findings:
        print(f"  {finding.what}")
        print(f"    {'TO DO' if finding.by_hand else '->'} {finding.fix}")
    count = len(proposal.by_hand)
    print("Nothing is left to do by hand." if not count else f"{count} left to do by hand.")
