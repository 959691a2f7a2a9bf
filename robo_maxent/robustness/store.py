"""The directory of a stress test, from which an interrupted one continues.

``suite.json`` says what is evaluated; ``rows/`` has a shard for every batch that is done, each
complete or absent; ``episodes.jsonl`` has all rows, once all batches are. A shard names the plan
that it belongs to, so the rows of two evaluations never mix.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from robo_maxent.differences import first_difference
from robo_maxent.errors import UsageError
from robo_maxent.files import LOCK, atomic_path, locked, require_room, unwritable, write_atomically
from robo_maxent.from_json import typed
from robo_maxent.report.rows import StressEpisode

DESCRIPTION, SHARDS, EPISODES = "suite.json", "rows", "episodes.jsonl"


class Store:
    """The directory of one stress test, locked while it is open."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        plan: Mapping[str, Any],
        shards: Sequence[str],
        notes: Mapping[str, Any],
        rounds: Sequence[str] = (),
    ) -> None:
        """Begin an evaluation, or continue one of the same plan.

        Args:
            directory: Made if it is not there.
            plan: What decides the rows; JSON.
            shards: Names of all shards that there will be, in order.
            rounds: Beginnings of the names of those that there may be, of rounds of refinement.
            notes: What else ``suite.json`` should say; may differ when the evaluation continues,
                and then what was said first stays.

        Raises:
            UsageError: Another evaluation writes there now, or wrote there before, or there are
                files that no evaluation wrote, or nothing can be written there.
        """
        self.directory, self._shards, self._rounds = Path(directory), list(shards), tuple(rounds)
        self._lock = self._locked()
        try:
            self._key = fingerprint(plan)
            found = self._found(plan)
            self._check_shards(known=found is not None)
        except UsageError:
            self.close()
            raise
        kept = found if found is not None else {}
        self.description: dict[str, Any] = {**notes, **kept, **plan, "plan": self._key}
        self._describe()

    def add(self, more: Mapping[str, Any]) -> None:
        """Add notes to ``suite.json``."""
        self.description |= more
        self._describe()

    def forget(self, names: Iterable[str]) -> None:
        """Remove notes from ``suite.json``, where they are there."""
        for name in names:
            self.description.pop(name, None)
        self._describe()

    def has(self, shard: str) -> bool:
        """Whether a shard is stored.

        Raises:
            UsageError: What is there is not a complete shard of this plan.
        """
        path = self._path(shard)
        if not path.exists():
            return False
        first, _, body = path.read_bytes().partition(b"\n")
        try:
            header = json.loads(first)
        except ValueError:
            header = None
        digest = hashlib.sha256(body).hexdigest()
        if (
            not isinstance(header, dict)
            or header.get("shard") != shard
            or header.get("sha256", digest) != digest  # shards of before have none
        ):
            raise UsageError(
                f"{path} is damaged: delete it, and its episodes are run again, or give another "
                "directory"
            )
        if header.get("plan") != self._key:
            raise UsageError(
                f"{path} belongs to another evaluation: delete it, and its episodes are run again, "
                "or give another directory"
            )
        return True

    def write(self, shard: str, rows: int, lines: str) -> None:
        """Store a finished shard: number of rows, and the rows, a line each."""
        digest = hashlib.sha256(lines.encode()).hexdigest()
        header = {"shard": shard, "plan": self._key, "rows": rows, "sha256": digest}
        write_atomically(self._path(shard), f"{json.dumps(header)}\n{lines}")

    def rows(self, shard: str) -> list[StressEpisode]:
        """Rows of a stored shard."""
        _, *lines = self._path(shard).read_text().splitlines()
        return [StressEpisode.from_json(json.loads(line)) for line in lines]

    def join(self, rounds: Sequence[str]) -> Path:
        """Join all rows into one file, in the order of the shards, then of the rounds.

        Args:
            rounds: Names of all shards that there were of rounds.

        Raises:
            UsageError: There is one that is of no such round.
        """
        shards = [*self._shards, *rounds]
        self._require_no_others(shards)
        target = self.directory / EPISODES
        _replace(target, self._lines(shards))
        return target

    def close(self) -> None:
        """Unlock the directory."""
        self._lock.release()

    def _lines(self, shards: Sequence[str]) -> Iterable[str]:
        for shard in shards:
            with self._path(shard).open() as lines:
                next(lines)  # its header
                yield from lines

    def _require_no_others(self, shards: Sequence[str]) -> None:
        for path in sorted((self.directory / SHARDS).glob("*.jsonl")):
            if path.stem not in shards and not path.name.startswith("."):
                raise UsageError(f"{path} is of no round of this evaluation: delete it")

    def _path(self, shard: str) -> Path:
        return self.directory / SHARDS / f"{shard}.jsonl"

    def _locked(self) -> FileLock:
        """Make and lock the directory, unless it is something else's."""
        directory = self.directory
        busy = f"another evaluation is running in {directory}: wait for it, or give another"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._require_own()
            require_room(directory)
            (directory / SHARDS).mkdir(exist_ok=True)
            return locked(directory, f"{busy} directory")
        except OSError as error:
            raise unwritable(directory, error) from error

    def _require_own(self) -> None:
        if (self.directory / DESCRIPTION).exists():
            return
        for path in sorted(self.directory.iterdir()):
            if path.name not in (LOCK, SHARDS):
                raise UsageError(
                    f"{path} was not written by an evaluation: give the name of a new directory"
                )

    def _found(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """Notes of an earlier evaluation of this plan; None if there was none."""
        path = self.directory / DESCRIPTION
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = typed(dict[str, Any], json.loads(path.read_text()), "it")
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is damaged: give another directory") from error
        ours = _decisive(json.loads(json.dumps(plan)))
        theirs = _decisive({name: found.get(name) for name in plan})
        if theirs == ours and found.get("plan") == self._key:
            return found
        what = (
            "another version began it"
            if theirs == ours
            else first_difference(theirs, ours, "this one's")
        )
        raise UsageError(
            f"{self.directory} holds another evaluation: {what}. Give another directory, or delete "
            "that one."
        )

    def _check_shards(self, known: bool) -> None:
        for path in sorted((self.directory / SHARDS).iterdir()):
            if path.name.startswith("."):  # what an interrupted write left, and the next removes
                continue
            if not known or not (path.stem in self._shards or path.stem.startswith(self._rounds)):
                raise UsageError(
                    f"{path} was not written by this evaluation: give another directory"
                )

    def _describe(self) -> None:
        _replace(self.directory / DESCRIPTION, [json.dumps(self.description, indent=1) + "\n"])


def fingerprint(plan: Mapping[str, Any]) -> str:
    """Digest of a plan."""
    return hashlib.sha256(json.dumps(_decisive(plan), sort_keys=True).encode()).hexdigest()


def _decisive(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan without the paths of its policies, which change no row."""
    policies = plan.get("policies")
    if not isinstance(policies, list):
        return dict(plan)
    placeless = [
        {k: v for k, v in p.items() if k != "file"} for p in policies if isinstance(p, dict)
    ]
    return {**plan, "policies": placeless}


def _replace(target: Path, lines: Iterable[str]) -> None:
    with atomic_path(target) as temporary, temporary.open("w") as file:
        file.writelines(lines)
