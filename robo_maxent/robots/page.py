"""One page about a robot: a TOML beside its file, which says what no model says.

``robo-maxent robot check`` writes it, with the numbers that it proposes; all may be changed. What
stands in it goes by the kind of robot: ``kind = "arm"``, or nothing, which is a quadruped.
"""

import os
import tomllib
from pathlib import Path

from robo_maxent.errors import RobotError
from robo_maxent.from_json import typed
from robo_maxent.robots.arm_page import ArmPage, check_arm, write_arm
from robo_maxent.robots.page_toml import known_keys, unknown_keys
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage, check_quadruped, write_quadruped

Page = QuadrupedPage | ArmPage
KINDS: dict[str, type[Page]] = {"quadruped": QuadrupedPage, "arm": ArmPage}
"""What a page may have as its kind -> what it holds then."""


def read_page(text: str, source: str) -> Page:
    """A page from its TOML.

    Args:
        text: The TOML.
        source: What messages call it.

    Raises:
        RobotError: It is no TOML, has keys that mean nothing, which are listed, or lacks some, or
            a value is not allowed.
    """
    try:
        content = tomllib.loads(text)
        word = content.pop("kind", "quadruped")
        if not isinstance(word, str) or word not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {word!r}")
        kind = KINDS[word]
        if unknown := sorted(unknown_keys(kind, content, {"legs": LEGS})):
            known = ", ".join(known_keys(kind))
            raise ValueError(f"unknown keys: {', '.join(unknown)}. Known: {known}")
        if content.get("name") == "":
            raise ValueError("name must not be empty")
        page: Page = typed(kind, content, "the page")
        if isinstance(page, ArmPage):
            check_arm(page)
        else:
            check_quadruped(page)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise RobotError(f"{source}: {error}") from error
    return page


def wrong_kind(page: Page, task: str) -> RobotError:
    """What is said of a page whose robot a task can't take."""
    noun, tasks = ("an arm", "arm-") if isinstance(page, ArmPage) else ("a quadruped", "quadruped-")
    return RobotError(
        f"{page.name} is {noun}, and {task} is for another kind of robot. It fits the tasks whose "
        f"names begin with {tasks}"
    )


def write_page(page: Page) -> str:
    """The TOML of a page, with what each number is."""
    return write_arm(page) if isinstance(page, ArmPage) else write_quadruped(page)


def page_file(named: str | os.PathLike[str], folder: Path | None = None) -> Path:
    """The file that ``--robot`` names: itself, or the page of that name here.

    Raises:
        RobotError: There is none; the message lists the pages that there are.
    """
    path, here = Path(named), folder or Path()
    if path.is_file() or path.suffix:
        return path
    for candidate in (here / f"{named}.toml", here / "robots" / f"{named}.toml"):
        if candidate.is_file():
            return candidate
    pages = sorted(page.stem for place in (here, here / "robots") for page in place.glob("*.toml"))
    pages = [page for page in pages if page != "pyproject"]
    raise RobotError(
        f"No robot {str(named)!r}: pages here: {', '.join(pages) or 'none'}. Write one: "
        "robo-maxent robot check FILE"
    )
