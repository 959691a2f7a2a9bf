"""A user's robot, read from its page or file, kept in one archive, put into a task's world.

An archive is what a run keeps, so that it works wherever it is moved, and whatever became of the
robot's files.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from robo_maxent.errors import RobotError
from robo_maxent.from_json import typed
from robo_maxent.robots.arm_page import ArmPage
from robo_maxent.robots.arm_page_check import check_fit
from robo_maxent.robots.arm_selection import arm_alone
from robo_maxent.robots.arm_world import ArmWorld
from robo_maxent.robots.model_file import locate, open_model
from robo_maxent.robots.page import Page, page_file, read_page, write_page
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage
from robo_maxent.robots.quadruped_page_check import check_quadruped_fit
from robo_maxent.robots.quadruped_selection import quadruped_alone
from robo_maxent.robots.quadruped_world import PageWorld
from robo_maxent.sim.mjcf import Mjcf
from robo_maxent.sim.robot import RobotSpec

ARCHIVE = ".zip"
INDEX, PAGE, MODEL = "index.json", "robot.toml", "robot.xml"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all files in an archive, so that the same robot gives the same bytes."""


@dataclass(frozen=True, eq=False)
class OwnRobot:
    """A user's robot."""

    mjcf: Mjcf
    """The robot without its world, if it has a page; otherwise MJCF with the names of the task's
    robot."""
    page: Page | None = None
    archive: bytes | None = None
    """The archive that it was read from, if it was."""

    @cached_property
    def zipped(self) -> bytes:
        """Its archive; the same robot gives the same bytes."""
        if self.archive is not None:
            return self.archive
        stored = {MODEL: self.mjcf.text.encode()}
        if self.page is not None:
            stored[PAGE] = write_page(replace(self.page, model=MODEL)).encode()
        index: dict[str, dict[str, str]] = {}
        for kind in ("includes", "files"):
            index[kind] = {}
            for number, (name, data) in enumerate(sorted(getattr(self.mjcf, kind).items())):
                entry = f"{kind}/{number}{Path(name).suffix}"
                index[kind][name], stored[entry] = entry, data
        stored[INDEX] = json.dumps(index, indent=1).encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in stored.items():
                archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    def spec(self, own: RobotSpec) -> RobotSpec:
        """The ``RobotSpec`` with which a task uses it in the place of its own robot."""
        if self.page is None:
            return replace(own, model=self.mjcf)
        if isinstance(self.page, QuadrupedPage):
            return replace(
                own,
                model=PageWorld(self.mjcf, self.page, own),
                base=self.page.base,
                feet=LEGS,
                actuators=self.page.joint_names,
            )
        world, gripper = ArmWorld(self.mjcf, self.page, own), self.page.gripper
        if gripper is None:
            return replace(own, model=world, hand=self.page.hand.body, gripper=None, pads=())
        return replace(
            own,
            model=world,
            hand=self.page.hand.body,
            gripper=gripper.joint,
            pads=world.pads,
            openings=tuple(zip(gripper.positions, gripper.openings, strict=True)),
        )


@dataclass(frozen=True)
class _Index:
    includes: dict[str, str]
    files: dict[str, str]


def open_robot(named: str | Path) -> OwnRobot:
    """Read a robot from its page, an archive, or MJCF with the names of the task's robot.

    Args:
        named: The file, or the name of a page here.

    Raises:
        RobotError: There is no such robot, or it is not valid.
    """
    path = page_file(named)
    if not path.is_file():
        raise RobotError(f"Robot file not found: {path}")
    if path.suffix == ARCHIVE:
        return _from_zip(path)
    if path.suffix != ".toml":
        return OwnRobot(Mjcf.from_file(path))
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise RobotError(f"{path} is no TOML: {error}") from error
    page = read_page(text, str(path))
    model = open_model(locate(page.model, path.parent))
    if isinstance(page, ArmPage):
        parts = arm_alone(model.spec, page)
        check_fit(parts, page)
        return OwnRobot(parts, page)
    parts = quadruped_alone(model.spec, page)
    check_quadruped_fit(parts, page)
    return OwnRobot(parts, page)


def _from_zip(path: Path) -> OwnRobot:
    try:
        data = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            index: Any = typed(_Index, json.loads(archive.read(INDEX)), "its index")
            contents: dict[str, Mapping[str, bytes]] = {
                kind: {name: archive.read(entry) for name, entry in getattr(index, kind).items()}
                for kind in ("includes", "files")
            }
            mjcf = Mjcf(archive.read(MODEL).decode(), **contents)
            text = archive.read(PAGE).decode() if PAGE in archive.namelist() else None
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise RobotError(f"{path} is damaged, or no robot that a run kept: {error}") from error
    page = None if text is None else read_page(text, f"{PAGE} in {path}")
    return OwnRobot(mjcf, page, data)
