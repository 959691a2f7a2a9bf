"""Files appear complete or not at all, and nothing is replaced that is of another kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robo_maxent.errors import UsageError
from robo_maxent.files import (
    FileKind,
    atomic_path,
    locked,
    refusal,
    require_place,
    write_atomically,
)

ROWS = FileKind("rows", rb'\{"task": (?!.*"axis")', ".jsonl")
GONE = 4_194_304  # more than any process number of Linux


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_what_interrupts_a_write_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomically(target, "before")

    def interrupted() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "before"
    assert names(tmp_path) == {"file"}


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere/target", tmp_path / "link"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_and_a_device_are_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, "said")
    assert os.read(reader, 100) == b"said"
    os.close(reader)
    assert pipe.is_fifo()
    write_atomically("/dev/null", "nothing")
    assert Path("/dev/null").is_char_device()


def test_what_stdout_goes_to_keeps_what_was_said_before_and_after(tmp_path: Path) -> None:
    code = (
        "from robo_maxent.files import write_atomically\n"
        "print('before'); write_atomically('/dev/stdout', 'rows\\n'); print('after')"
    )
    with (tmp_path / "said").open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "said").read_text() == "before\nrows\nafter\n"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine, others = f".writing-{os.getpid()}-film.mp4", ".writing-notes"
    for name in (f".writing-{GONE}-film.mp4", mine, others, ".2024-notes"):
        (tmp_path / name).write_text("half")
    write_atomically(tmp_path / "policy.safetensors", b"whole")
    assert names(tmp_path) == {mine, others, ".2024-notes", "policy.safetensors"}


@pytest.mark.parametrize("head", ["", '{"task": "reach", "seed": 1}\n'])
def test_a_file_of_the_same_kind_may_be_replaced(tmp_path: Path, head: str) -> None:
    (tmp_path / "rows.jsonl").write_text(head)
    require_place(tmp_path / "rows.jsonl", ROWS)
    require_place(tmp_path / "not/yet/there.jsonl", ROWS)
    assert names(tmp_path) == {"rows.jsonl"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("metrics.jsonl", r"metrics\.jsonl is there and is not rows: it would be lost"),
        ("stress.jsonl", r"stress\.jsonl is there and is not rows"),
        ("folder.jsonl", r"folder\.jsonl is a directory: give the name of a file"),
        ("rows.txt", r"rows\.txt can't be rows: its name must end in \.jsonl"),
        ("metrics.jsonl/rows.jsonl", r"Can't write .*: Not a directory\. Choose another place"),
        (f"{'n' * 300}.jsonl", r"Can't write .*: File name too long"),
    ],
)
def test_a_place_that_can_not_be_written_is_refused_at_the_door(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"time/total_timesteps": 50}\n')
    (tmp_path / "stress.jsonl").write_text('{"task": "reach", "axis": "push"}\n')
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(UsageError, match=message):
        require_place(tmp_path / name, ROWS)


def test_a_locked_directory_is_free_again_once_released(tmp_path: Path) -> None:
    lock = locked(tmp_path, "busy")
    with pytest.raises(UsageError, match="another trains there"):
        locked(tmp_path, "another trains there")
    lock.release()
    locked(tmp_path, "busy").release()


@pytest.mark.parametrize("name", [None, "temporary", "other"])
def test_what_can_not_be_written_is_named_and_what_else_fails_is_named_as_it_is(
    tmp_path: Path, name: str | None
) -> None:
    with pytest.raises(OSError, match="No space left") as raised, atomic_path(tmp_path / "a") as to:
        raise OSError(28, "No space left", str(to) if name == "temporary" else name)
    assert raised.value.filename == ("other" if name == "other" else str(tmp_path / "a"))
    assert refusal(raised.value) == f"No space left: {raised.value.filename}"
