"""The page of a robot: a TOML beside its model, with what the model does not say.

``robo-maxent robot check`` writes it, with the numbers that it proposes; all may be changed. What
stands in it goes by the kind of robot: ``kind = "arm"``, or nothing, which is a quadruped.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from robo_maxent.errors import RobotError
from robo_maxent.from_json import typed
from robo_maxent.robots.arm_page import ArmPage, check_arm, write_arm
from robo_maxent.robots.page_toml import known_keys, toml, unknown_keys
from robo_maxent.robots.quadruped_page import LEGS, QuadrupedPage, check_quadruped, write_quadruped

Page = QuadrupedPage | ArmPage
KINDS: dict[str, type[Page]] = {"quadruped": QuadrupedPage, "arm": ArmPage}
"""Kind of robot, as a page names it -> the dataclass of its page."""
NOUNS = {"quadruped": "a quadruped", "arm": "an arm"}


def read_page(text: str, source: str) -> Page:
    """Read a page from TOML.

    Args:
        text: The TOML.
        source: What messages call it.

    Raises:
        RobotError: It is no TOML, has keys that mean nothing, which are listed, or lacks some, or
            a value is not allowed.
    """
    try:
        content = tomllib.loads(text)
        kind = KINDS[_kind(content.pop("kind", None), content)]
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


def _kind(said: Any, content: dict[str, Any]) -> str:
    """Of which kind a page is, all of whose keys mean something.

    Args:
        said: What it says as its kind; None: nothing.
        content: The rest of the page.

    Raises:
        ValueError: There is no such kind, the page is one of another kind, or it has keys that
            mean nothing.
    """
    word = "quadruped" if said is None else said
    if not isinstance(word, str) or word not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {word!r}")
    unknown = {
        name: sorted(unknown_keys(kind, content, {"legs": LEGS})) for name, kind in KINDS.items()
    }
    nearest = min(KINDS, key=lambda name: (len(unknown[name]), name != word))
    if nearest != word:
        found = "is missing" if said is None else f"is {toml(said)}"
        raise ValueError(
            f"kind {found}, but the other keys are those of {NOUNS[nearest]}: "
            f"begin the page with kind = {toml(nearest)}"
        )
    if unknown[word]:
        known = ", ".join(known_keys(KINDS[word]))
        raise ValueError(f"unknown keys: {', '.join(unknown[word])}. Known: {known}")
    return word


def wrong_kind(page: Page, task: str) -> RobotError:
    """The error for a robot of a kind that a task does not take."""
    word = "arm" if isinstance(page, ArmPage) else "quadruped"
    return RobotError(
        f"{page.name} is {NOUNS[word]}, and {task} is for another kind of robot. It fits the tasks "
        f"whose names begin with {word}-"
    )


def write_page(page: Page) -> str:
    """The page as TOML, with a comment for each number."""
    return write_arm(page) if isinstance(page, ArmPage) else write_quadruped(page)


def page_file(named: str | os.PathLike[str], folder: Path | None = None) -> Path:
    """The file that ``--robot`` names: itself, or the page of that name here.

    Raises:
        RobotError: There is none; the message has pages with names like it, and what lists all.
    """
    path, here = Path(named), folder or Path()
    if path.is_file() or path.suffix:
        return path
    for candidate in (here / f"{named}.toml", here / "robots" / f"{named}.toml"):
        if candidate.is_file():
            return candidate
    names = sorted({page.stem for page in (*here.glob("*.toml"), *here.glob("robots/*.toml"))})
    close = difflib.get_close_matches(str(named), names, n=3)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    raise RobotError(
        f"No robot {str(named)!r}: there is no {named}.toml here or in robots/.{meant} List what "
        "there is: ls *.toml robots/*.toml. Write a page: robo-maxent robot check FILE"
    )
