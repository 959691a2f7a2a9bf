"""``robo-maxent worst-case``: the mildest disturbances that make a policy fail."""

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from robo_maxent.cli.arguments import (
    Json,
    Result,
    Threads,
    use_threads,
)
from robo_maxent.cli.names import own_directory
from robo_maxent.cli.policies import OfOnePolicy

if TYPE_CHECKING:
    from robo_maxent.robustness.worst_case_files import WorstCaseResult


@dataclass(frozen=True)
class WorstCase(OfOnePolicy):
    """Search for the mildest combined disturbances that make a policy fail, and film them."""

    effects: Annotated[tuple[str, ...] | None, arg(metavar="AXIS...")] = None
    """Axes of a stress test whose effects act together, such as push friction; by default those
    of its axis combined."""
    episodes: int = 1000
    """Of the search, at least 200 for each start; as many again are drawn at random, to compare
    with."""
    starts: int = 1
    """In how many starts a disturbance is tried; it has to fail in most of them."""
    seed: int = 1
    """Seed of the starts and of the search."""
    clips: int = 3
    """Failures to film."""
    out: Path | None = None
    """Directory of rows, films and report; by default worst-case in the run."""
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Search, film what was found, and print it."""
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.errors import UsageError
        from robo_maxent.rendering import gym_video
        from robo_maxent.report import worst_case as words
        from robo_maxent.robustness import worst_case, worst_case_files
        from robo_maxent.robustness.disturbance_space import space_of

        use_threads(self.threads)
        if self.clips < 0:
            raise UsageError(f"clips must be at least 0, got {self.clips}")
        settings = worst_case.Settings(self._effects(), self.episodes, self.starts, self.seed)
        if self.clips:
            gym_video.choose_backend()  # before an environment is made, which would choose
        tested, task = self.under_test()
        out = self.out or self.home / words.DIRECTORY
        worst_case_files.require_directory(out)
        space_of(task, settings.effects)  # which says what can't be searched
        command = f"robo-maxent {shlex.join(sys.argv[1:])}"
        with worst_case_files.tried(out, task, tested, self.seed) as tried:
            try:
                with Progress(f"worst case of {self.policy}") as progress:
                    found, starts = worst_case.search(
                        task, tested, settings, 0, out / "diverged", progress.count, tried
                    )
                clips = 0 if found.interrupted else self.clips
                with Progress("filming failures") as filming:
                    result = worst_case_files.write(
                        found, starts, out, command, clips, filming.count
                    )
            except KeyboardInterrupt:
                say(f"What was tried is kept in {out}. Continue: {command}")
                raise
        self._tell(result, command)
        return {
            "report": str(result.report),
            "episodes": str(result.rows),
            "films": [str(path) for path in result.films],
            "worst_case": asdict(result.summary),
        } | ({"interrupted": True} if found.interrupted else {})

    def _effects(self) -> tuple[str, ...] | None:
        """The axes that were named, with spaces or commas between them; None: none was.

        Raises:
            UsageError: ``--effects`` names nothing.
        """
        from robo_maxent.errors import UsageError

        if self.effects is None:
            return None
        names = tuple(name for word in self.effects for name in word.split(",") if name)
        if not names:
            raise UsageError("--effects names no axis: name some, or leave it out")
        return names

    def _tell(self, result: "WorstCaseResult", command: str) -> None:
        """Say what was found, where it is, and what to do next."""
        from robo_maxent.cli.progress import say
        from robo_maxent.report import worst_case as words

        summary = result.summary
        if not self.as_json:
            print(words.headline(summary))
            for line in (*words.lines(summary), words.comparison(summary), words.scale(summary)):
                print(f"  {line}")
        if summary.interrupted:
            say(f"Interrupted: this is what was found so far. Continue: {command}")
        if result.why_no_films:
            say(f"  {result.why_no_films}")
        say(f"  report, for a browser: {result.report}")
        for film in result.films:
            say(f"  film: {film}")
        if summary.minima:
            again = result.replay.replace("{row}", shlex.quote(summary.minima[0].row))
            say(f"Again, bit for bit: {again}")
        if own_directory(self.policy) and self.out is None:
            say(
                "To have this in the report of all axes: robo-maxent evaluate "
                f"{shlex.quote(self.policy)} --suite quick"
            )
