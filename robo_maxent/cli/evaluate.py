"""``robo-maxent evaluate``: rows and their summary, or a stress test and its report."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import (
    POLICIES,
    AllowPickle,
    Json,
    Normalize,
    Of,
    On,
    Result,
    TaskName,
    TaskOptions,
    Threads,
    use_threads,
)
from robo_maxent.cli.names import own_directory, rows_path, variant
from robo_maxent.cli.policies import other_task, policies_under_test, policy_and_task
from robo_maxent.errors import RoboMaxentError, UsageError

if TYPE_CHECKING:
    from robo_maxent.envs.interface import EnvFactory, StressTask
    from robo_maxent.robustness.baselines import PolicyUnderTest
    from robo_maxent.robustness.stress_test import StressTestResult
    from robo_maxent.robustness.suites import Suite
    from robo_maxent.types import Act, Episode


EPISODES = 200
"""Of an evaluation, where nothing else is said."""


@dataclass(frozen=True)
class Evaluate:
    """Evaluate policies over a fixed set of episodes, the same for all of them."""

    policies: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="RUN|POLICY", help=f"Each a {POLICIES}."),
    ]
    task: TaskName = None
    normalize: Normalize = None
    allow_pickle: AllowPickle = False
    options: Of = field(default_factory=TaskOptions)
    episodes: int | None = None
    """How many episodes, by default 200; one of a quadruped is 20 s of simulated time, one of the
    arm 2 s. Not with --suite, which has its own number of each."""
    seed: int = 1
    """Seed of the whole set."""
    out: Path | None = None
    """Where the rows go, one JSON object per episode; by default episodes.jsonl in the run, with
    whatever else is asked for in the name. With --suite, the directory of rows and report; by
    default robustness-SUITE in the run."""
    suite: Literal["nominal", "quick", "full"] | None = None
    """Stress test: episodes under pushes or knocks, on ice, with payload, weak motors, noise, delay
    and terrain, as far as the task has that, beside policies that do nothing; writes a report."""
    axes: Annotated[tuple[str, ...] | None, arg(metavar="AXIS...")] = None
    """Only these axes of the suite."""
    episodes_factor: int = 1
    """How many times as many episodes of everything a suite has: 100 of full are a million."""
    clips: int = 6
    """Failures to film for the report of a suite."""
    on: On = None
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Evaluate each policy, and print a row for each."""
        from robo_maxent.evaluation.rollout import ROWS
        from robo_maxent.files import require_place

        use_threads(self.threads)
        self._check_words()
        if self.suite is not None:
            return self.stress(self.suite, f"robo-maxent {shlex.join(sys.argv[1:])}")
        pairs = [
            policy_and_task(named, self.task, self.options, self.normalize, self.allow_pickle)
            for named in self.policies
        ]
        places = [self.out or rows_path(named, self._variant(named)) for named in self.policies]
        for place in places:
            require_place(place, ROWS)
        results = [
            self._evaluate(named, place, *pair)
            for named, place, pair in zip(self.policies, places, pairs, strict=True)
        ]
        unwritten = any(result["episodes"] is None for result in results)
        return {"policies": results} | ({"ok": False} if unwritten else {})

    def _check_words(self) -> None:
        """Check that what was said goes together.

        Raises:
            UsageError: It does not; the message says what does.
        """
        many = len(self.policies) > 1
        if not self.policies:
            raise UsageError(f"name at least one {POLICIES}")
        if self.suite is not None:
            wrong = {
                f"suite {self.suite} has its own number of episodes of everything: leave out "
                "--episodes, or take the suite nominal, quick or full, or --episodes-factor": (
                    self.episodes is not None
                ),
                "--axes names no axis: name some, or leave it out for all": self.axes == (),
            }
        else:
            wrong = {
                "--axes are those of a suite: give --suite quick or full": self.axes is not None,
                "--on is where a suite is run: give --suite nominal, quick or full": (
                    self.on is not None
                ),
                "--episodes-factor multiplies a suite: give --suite, or --episodes N": (
                    self.episodes_factor != 1
                ),
                "--out takes the episodes of one policy; name only one": (
                    many and self.out is not None
                ),
                "--normalize belongs to one policy; name only one": (
                    many and self.normalize is not None
                ),
            }
        for text, is_so in wrong.items():
            if is_so:
                raise UsageError(text)

    def _variant(self, named: str) -> str:
        """What differs from a plain evaluation, whose rows must not be replaced."""
        return variant(
            task=other_task(named, self.task),
            normalize=None if self.normalize is None else Path(self.normalize),
            **self.options.flags,
            first=None if self.episodes == EPISODES else self.episodes,
            seed=None if self.seed == Evaluate.seed else self.seed,
        )

    def _evaluate(self, named: str, path: Path, policy: "Act", task: "EnvFactory") -> Result:
        from robo_maxent.cli.progress import Progress
        from robo_maxent.evaluation.rollout import evaluate
        from robo_maxent.evaluation.summary import success_by, summarize

        episodes = EPISODES if self.episodes is None else self.episodes
        with Progress(f"evaluating {named}") as progress:
            rows = evaluate(policy, task, episodes, self.seed, progress.count)
        summary = summarize(rows)
        metrics = "".join(
            f", {name} {'-' if mean is None else f'{mean:.3f}'}"
            for name, mean in summary.metrics.items()
        )
        self._print(f"{named} on {task.name}, seed {self.seed}")
        if summary.success is not None:
            self._print(f"  success     {summary.success}  (95 % Wilson interval)")
        self._print(f"  terminated  {summary.terminated}")
        self._print(f"  return      {summary.mean_return}  (95 % t interval){metrics}")
        self._print(f"  length      {summary.mean_length:.1f} control steps")
        wrong = [row for row in rows if row.policy_error is not None]
        if wrong:
            first = f"in simulation {wrong[0].sim}: {wrong[0].policy_error}"
            self._print(f"  errors      {len(wrong)} of {len(rows)}, first {first}")
        by = {"terrain": success_by(rows, "terrain"), "level": success_by(rows, "level")}
        for what, shares in by.items():
            for value, share in shares.items():
                self._print(f"  {what} {value!s:<16} success {share}")
        written = str(path) if _written(rows, path) else None
        result = {"policy": named, "task": task.name, "episodes": written, **asdict(summary)}
        return result | {f"by_{what}": shares for what, shares in _plain(by).items()}

    def stress(self, name: str, command: str) -> Result:
        """Run a suite and write its report, which names ``command`` as what would run it again.

        Raises:
            RoboMaxentError: Something can't be loaded or written, or Ray can't be used.
        """
        from robo_maxent.rendering import gym_video
        from robo_maxent.robustness import stress_test, suites

        if self.clips:  # before an environment is made, which would choose
            gym_video.choose_backend()  # or the report says why there are no films
        tested, task = policies_under_test(
            self.policies, self.task, self.options, self.normalize, self.allow_pickle
        )
        suite = suites.find(name).times(self.episodes_factor)
        if self.axes is not None:
            suite = suite.only(self.axes, task)
        home = own_directory(self.policies[0]) or Path("runs")
        many = "" if self.episodes_factor == 1 else f"-x{self.episodes_factor}"
        out = self.out or home / f"robustness-{name}{many}"
        result = stressed(suite, task, tested, out, self.seed, self.clips, command, self.on)
        return self._shown(result, stress_test.read_description(out))

    def _shown(self, result: "StressTestResult", description: dict[str, Any]) -> Result:
        """Print what a stress test says, and where it is."""
        from robo_maxent.cli.progress import say
        from robo_maxent.report import verdict
        from robo_maxent.report.numbers import numbers

        verdicts = verdict.verdicts(result.analysis, description)
        if self.clips and result.why_no_clips:
            say(f"  {result.why_no_clips}")
        for note in (description.get("success_means"), *description["notes"]):
            if note:
                say(f"  {note}")
        for one in verdicts:
            self._print(f"{one.policy}: {one.headline}")
            for line in one.details:
                self._print(f"  {line}")
        say(f"  report, for a browser: {result.report}")
        say(f"  {result.analysis.episodes:,} episodes: {result.rows}")
        replay = description["replay"].replace("{row}", "ROW")
        say(f"Run a failure again, with a ROW of the report: {replay}")
        return {
            "report": str(result.report),
            "episodes": str(result.rows),
            "verdict": [asdict(each) for each in verdicts],
            "figures": numbers(result.analysis),
        }

    def _print(self, text: str) -> None:
        if not self.as_json:
            print(text)


def stressed(
    suite: "Suite",
    task: "StressTask[Any]",
    policies: "Sequence[PolicyUnderTest]",
    out: Path,
    seed: int,
    clips: int,
    command: str,
    on: str | None = None,
) -> "StressTestResult":
    """Run a suite with its progress shown; whatever stops it says how to continue.

    Args:
        suite: What to evaluate.
        task: What the policies do.
        policies: Whom to evaluate; their labels differ.
        out: Directory of the rows and the report.
        seed: Seed of all episodes, at least 0.
        clips: Number of failures to film.
        command: What would run this again, for the report.
        on: Address of a Ray cluster that runs the episodes, or "ray"; None: this process.

    Raises:
        RoboMaxentError: Something can't be written, or Ray can't be used or is lost.
    """
    from robo_maxent.cli.on import executor
    from robo_maxent.cli.progress import Progress, say
    from robo_maxent.distributed.tasks import LostError
    from robo_maxent.robustness.stress_test import stress_test

    title = f"suite {suite.name}"
    try:
        with (
            executor(on) as where,
            Progress(title) as progress,
            Progress("filming failures") as filming,
        ):
            return stress_test(
                suite,
                task,
                policies,
                out,
                seed,
                command=command,
                clips=clips,
                progress=progress.count,
                filming=filming.count,
                executor=where,
            )
    except KeyboardInterrupt:
        say(f"What was finished is kept in {out}. Continue: {command}")
        raise
    except (OSError, LostError) as error:
        from robo_maxent.files import refusal

        raise RoboMaxentError(
            f"{refusal(error)}. What was finished is kept in {out}. Continue: {command}"
        ) from error


def _written(rows: "Sequence[Episode]", path: Path) -> bool:
    """Write rows, after what they say was printed: a disk may be full by now."""
    from robo_maxent.cli.progress import say
    from robo_maxent.evaluation.rollout import write_rows

    try:
        write_rows(rows, path)
    except OSError as error:
        say(f"robo-maxent: can't write {path}: {error.strerror}. The results above are all.")
        return False
    say(f"  episodes: {path}")
    return True


def _plain(by: dict[str, dict[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Dataclasses as JSON has them."""
    return {
        what: {str(value): asdict(share) for value, share in shares.items()}
        for what, shares in by.items()
        if shares
    }
