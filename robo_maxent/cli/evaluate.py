"""``robo-maxent evaluate``: rows and their summary, or a stress test and its report."""

import shlex
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import (
    POLICIES,
    Json,
    Normalize,
    Of,
    Result,
    TaskName,
    TaskOptions,
    file_to_write,
    policies_under_test,
    policy_and_task,
    rows_path,
)
from robo_maxent.errors import RenderingError, UsageError

if TYPE_CHECKING:
    from robo_maxent.envs.interface import EnvFactory
    from robo_maxent.types import Act


@dataclass(frozen=True)
class Evaluate:
    """Evaluate policies over a fixed set of episodes, the same for all of them."""

    policies: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="RUN|POLICY", help=f"Each a {POLICIES}."),
    ]
    task: TaskName = None
    normalize: Normalize = None
    options: Of = field(default_factory=TaskOptions)
    episodes: int = 200
    """How many episodes; one of a quadruped is 20 s of simulated time, one of the arm 2 s."""
    seed: int = 1
    """Seed of the whole set."""
    out: Path | None = None
    """Where the rows go, one JSON object per episode; by default episodes.jsonl in the run. With
    --suite, the directory of rows and report; by default robustness-SUITE in the run."""
    suite: Literal["nominal", "quick", "full"] | None = None
    """Stress test: episodes under pushes or knocks, on ice, with payload, weak motors, noise, delay
    and terrain, as far as the task has that, beside policies that do nothing; writes a report. It
    has its own number of episodes."""
    axes: tuple[str, ...] | None = None
    """Only these axes of the suite."""
    clips: int = 6
    """Failures to film for the report of a suite."""
    as_json: Json = False

    def run(self) -> Result:
        """Evaluate each policy, and print a row for each."""
        if not self.policies:
            raise UsageError(f"name at least one {POLICIES}")
        if self.suite is not None:
            return self.stress(self.suite, f"robo-maxent {shlex.join(sys.argv[1:])}")
        if self.axes is not None:
            raise UsageError("--axes are those of a suite: give --suite quick or full")
        if self.out is not None and len(self.policies) > 1:
            raise UsageError("--out takes the episodes of one policy; name only one")
        if self.normalize is not None and len(self.policies) > 1:
            raise UsageError("--normalize belongs to one policy; name only one")
        paths = [file_to_write(self.out, rows_path(named)) for named in self.policies]
        pairs = [
            policy_and_task(named, self.task, self.options, self.normalize)
            for named in self.policies
        ]
        results = [
            self._evaluate(named, policy, task, path)
            for named, (policy, task), path in zip(self.policies, pairs, paths, strict=True)
        ]
        return {"policies": results}

    def _evaluate(self, named: str, policy: "Act", task: "EnvFactory", path: Path) -> Result:
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.evaluation.rollout import evaluate, write_rows
        from robo_maxent.evaluation.summary import success_by, summarize

        with Progress(f"evaluating {named}") as progress:
            rows = evaluate(policy, task, self.episodes, self.seed, progress.count)
        summary = summarize(rows)
        write_rows(rows, path)
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
        say(f"  episodes: {path}")
        result = {"policy": named, "task": task.name, "episodes": str(path), **asdict(summary)}
        return result | {f"by_{what}": shares for what, shares in _plain(by).items()}

    def stress(self, name: str, command: str) -> Result:
        """Run a suite, and write its report, which says that ``command`` would do it again."""
        from robo_maxent.cli.progress import Progress, say
        from robo_maxent.rendering import gym_video
        from robo_maxent.report import verdict
        from robo_maxent.robustness import stress_test, suites

        if self.clips:  # before an environment is made, which would choose
            with suppress(RenderingError):  # the report says so
                gym_video.choose_backend()
        tested, task = policies_under_test(self.policies, self.task, self.options, self.normalize)
        suite = suites.find(name)
        if self.axes is not None:
            suite = suite.only(self.axes, task)
        first = Path(self.policies[0])
        home = first if first.is_dir() else Path("runs")
        out = self.out or home / f"robustness-{name}"
        try:
            with Progress(f"suite {name}") as progress, Progress("filming failures") as filming:
                result = stress_test.stress_test(
                    suite,
                    task,
                    tested,
                    out,
                    self.seed,
                    command=command,
                    clips=self.clips,
                    progress=progress.count,
                    filming=filming.count,
                )
        except KeyboardInterrupt:
            say(f"What was finished is kept in {out}. Continue: {command}")
            raise
        description = stress_test.read(out)[1]
        verdicts = verdict.verdicts(result.analysis, description)
        for note in (description.get("success_means"), *description["notes"]):
            if note:
                say(f"  {note}")
        for one in verdicts:
            self._print(f"{one.policy}: {one.headline}")
            for line in one.details:
                self._print(f"  {line}")
        say(f"  report, for a browser: {result.report}")
        say(f"  episodes: {result.rows}")
        say(f"A failure again: robo-maxent replay {shlex.quote(str(out))} --row ROW")
        return {
            "report": str(result.report),
            "episodes": str(result.rows),
            "verdict": [asdict(each) for each in verdicts],
        }

    def _print(self, text: str) -> None:
        if not self.as_json:
            print(text)


def _plain(by: dict[str, dict[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Dataclasses as JSON has them."""
    return {
        what: {str(value): asdict(share) for value, share in shares.items()}
        for what, shares in by.items()
        if shares
    }
