"""Robot and world models, written here, mesh-free. NOTICE.md says where each number comes from."""

from pathlib import Path

from robo_maxent.errors import UnknownNameError

ASSETS = Path(__file__).resolve().parent


def path(name: str) -> Path:
    """Path of an asset file, for example ``path("quadruped.xml")``.

    Raises:
        UnknownNameError: No such asset; the message lists those there are.
    """
    found = ASSETS / name
    if not found.is_file():
        raise UnknownNameError("asset", name, (file.name for file in ASSETS.glob("*.xml")))
    return found
