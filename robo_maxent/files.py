"""Files that appear complete or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file; whatever interrupts it, what was there before is intact.

    Args:
        path: The file; its directory is made.
        data: Text is written as UTF-8.

    Raises:
        OSError: It can't be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside a file, to be written, that takes its place when all went well.

    Args:
        path: The file; its directory is made.

    Yields:
        A path of the same suffix in the same directory, which is gone afterwards.

    Raises:
        OSError: It can't be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the operating system write a file to the disk.

    Raises:
        OSError: It can't.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())
