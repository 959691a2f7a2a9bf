"""Files that appear complete or not at all, in place of nothing but files of their own kind."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil
from filelock import FileLock, Timeout

from robo_maxent.errors import UsageError

UNFINISHED = re.compile(r"\.writing-(\d{1,7})-.+")
"""Name of a file that a process is writing; the number is the process."""
LOCK = ".lock"
"""Name of the file that :func:`locked` locks."""
HEAD = 1 << 16
"""Bytes that tell what kind a file is."""


@dataclass(frozen=True)
class FileKind:
    """What a command writes, and how it is told from what it must not replace."""

    name: str
    """For people, in the singular with its article: "a film"."""
    begins: bytes
    """A regular expression that the beginning of such a file matches, and of no other."""
    suffix: str = ""
    """What the name must end in, of a format that its writers tell by the name."""


def require_place(path: str | os.PathLike[str], kind: FileKind) -> None:
    """Check, before work begins, that its result can be written where it is to go.

    Args:
        path: The file; it need not exist, nor its directory.
        kind: What is to be written there.

    Raises:
        UsageError: It can't be written, or there is a directory, or a file of another kind.
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise UsageError(f"{target} is a directory: give the name of a file")
        if kind.suffix not in ("", target.suffix.lower()):
            raise UsageError(f"{target} can't be {kind.name}: its name must end in {kind.suffix}")
        if target.is_file() and not _is_of(kind, target):
            raise UsageError(
                f"{target} is there and is not {kind.name}: it would be lost. Give another name, "
                "or delete it."
            )
        if not _is_stream(target):
            require_room(Path(os.path.realpath(target)).parent)
    except OSError as error:
        raise UsageError(
            f"Can't write {target}: {error.strerror}. Choose another place with --out."
        ) from error


def unwritable(directory: Path, error: OSError) -> UsageError:
    """What to say of a directory that can't be written to."""
    return UsageError(
        f"Can't write to {directory}: {error.strerror or error}. Mend that, or begin in "
        "another place, with --out."
    )


def require_room(directory: Path) -> None:
    """Check that something can be written to a directory, or to that in which it will be made.

    Raises:
        OSError: It can't.
    """
    there = next(place for place in (directory, *directory.parents) if place.exists())
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(bytes(HEAD))
        file.flush()


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
    """A path to be written, whose file takes the place of another when all went well.

    Of a link the target is replaced. What is no regular file, such as ``/dev/stdout``, is written
    into. What killed processes had begun to write in the directory is removed.

    Args:
        path: The file; its directory is made.

    Yields:
        A path of the same suffix, whose file is gone afterwards.

    Raises:
        OSError: It can't be written; the error names the file that was asked for.
    """
    of_it: list[str | None] = [None]  # a full disk is said without any name
    try:
        with _written(path) as temporary:
            of_it.append(str(temporary))
            yield temporary
    except OSError as error:
        if error.errno is None or error.filename not in of_it:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def refusal(error: Exception) -> str:
    """What the operating system refused, on one line, with the paths; of others what they say."""
    if not isinstance(error, OSError):
        return str(error)
    paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    return f"{reason}: {' -> '.join(paths)}" if paths else reason


@contextmanager
def _written(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The same as :func:`atomic_path`, whose errors may name the temporary file, or none."""
    if _is_stream(Path(path)):
        with tempfile.TemporaryDirectory() as directory:
            temporary = Path(directory, Path(path).name)
            yield temporary
            with temporary.open("rb") as written, _stream(Path(path)) as stream:
                shutil.copyfileobj(written, stream)
        return
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(target.parent)
    temporary = target.with_name(f".writing-{os.getpid()}-{target.name}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the operating system write a file, or the names in a directory, to the disk.

    Raises:
        OSError: It can't write a file; for a directory, not every system can, and need.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if not path.is_dir():
            raise


def locked(directory: Path, busy: str) -> FileLock:
    """Lock a directory; the operating system frees it when the process ends, however it does.

    Args:
        directory: It exists.
        busy: What to say if another process has it.

    Raises:
        UsageError: Another process has it.
        OSError: Nothing can be written there.
    """
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(busy) from error
    return lock


def _is_of(kind: FileKind, path: Path) -> bool:
    """Whether a file is of a kind, or empty."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return not head or re.match(kind.begins, head, re.DOTALL) is not None


def _is_stream(path: Path) -> bool:
    """Whether a path is what can only be written into: a device, a pipe, or where stdout goes."""
    if not path.exists() or path.is_dir():
        return False
    return not path.is_file() or _standard(path) is not None


def _stream(path: Path) -> BinaryIO:
    standard = _standard(path)
    if standard is None:
        return path.open("wb")
    sys.stdout.flush()
    sys.stderr.flush()
    return os.fdopen(os.dup(standard), "wb")  # shares its position, so nothing is written over


def _standard(path: Path) -> int | None:
    """Which of stdout and stderr a path leads to; None: neither."""
    for descriptor in (1, 2):
        try:
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        except OSError:  # closed
            continue
    return None


def _remove_unfinished(directory: Path) -> None:
    for path in directory.iterdir():
        unfinished = UNFINISHED.fullmatch(path.name)
        if unfinished and not psutil.pid_exists(int(unfinished[1])):
            path.unlink(missing_ok=True)
