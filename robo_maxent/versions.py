"""Installed versions: which are missing, and which combinations are known to break."""

import importlib
import importlib.util
from collections.abc import Callable
from importlib import metadata
from types import ModuleType

from robo_maxent.errors import IncompatibleVersionsError, UsageError

TESTED = {"mujoco": "3.17.0", "dm-control": "1.0.50", "gymnasium-robotics": "1.4.2"}
"""Versions that the test suite runs on."""
SHADOWED, INSTALL = "this checkout shadows the installed package", "pip install -e ."
"""What is wrong, and its fix, where there is no ``robo_maxent.tasks``: it lies elsewhere in a clone
that is not installed."""

_LIMITS: dict[str, tuple[tuple[int, ...], tuple[int, ...], str]] = {
    "mujoco": ((3, 17), (4,), "3.17 brings mujoco.batch; 4.0 computes wrong accelerations"),
    "dm-control": ((1, 0, 50), (2,), "older releases fail on mujoco 3.17"),
    "gymnasium-robotics": ((1, 4, 2), (2,), "older releases start Fetch in a wrong state"),
}
"""Package -> first allowed release, first refused release, why."""


def installed(package: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def problems(version_of: Callable[[str], str | None] = installed) -> list[str]:
    """What is wrong with the installed combination, one phrase per package.

    Args:
        version_of: Distribution name -> version, or None when absent.
    """
    found = []
    for package, (first, refused, why) in _LIMITS.items():
        version = version_of(package)
        if version is None:
            if package == "mujoco":
                found.append("mujoco is not installed")
        elif not first <= _release(version) < refused:
            found.append(f"{package} {version} is installed ({why})")
    return found


def require_compatible(version_of: Callable[[str], str | None] = installed) -> None:
    """Stop with one readable line if the installed combination is known to break.

    Raises:
        IncompatibleVersionsError: With the packages at fault and the tested set.
    """
    found = problems(version_of)
    if found:
        pins = " ".join(f"{package}=={version}" for package, version in TESTED.items())
        raise IncompatibleVersionsError(f"{'; '.join(found)}. Tested set: pip install {pins}")


def require_extra(module: str, extra: str, what: str) -> ModuleType:
    """An optional module.

    Args:
        module: Its name.
        extra: Extra of this package that brings it.
        what: What needs it, for the message.

    Raises:
        UsageError: It is not installed; the message names the command that does.
    """
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"{what} needs {module}: pip install 'robo-maxent[{extra}]'")
    return importlib.import_module(module)


def _release(version: str) -> tuple[int, ...]:
    digits = []
    for part in version.split("."):
        if not part.isdigit():
            break
        digits.append(int(part))
    return tuple(digits)
