"""``robo-maxent certify``: whether a policy keeps limits, for people and for a build server."""

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from robo_maxent.cli.arguments import (
    Json,
    On,
    Result,
    Switch,
    Threads,
    use_threads,
)
from robo_maxent.cli.evaluate import stressed
from robo_maxent.cli.policies import OfOnePolicy
from robo_maxent.errors import UsageError

if TYPE_CHECKING:
    from robo_maxent.robustness.stress_test import StressTestResult


@dataclass(frozen=True)
class Certify(OfOnePolicy):
    """Try a policy until each limit of a file is shown to hold or not; exit with 0 if all hold."""

    limits: Annotated[Path | None, arg(metavar="FILE.toml")] = None
    """What has to hold: tables [[limit]] with the axis, the severity, and the share of episodes
    that has to succeed there."""
    template: Switch = False
    """Print a file of limits for the task of the policy, with all its axes, and try nothing."""
    seed: int = 1
    """Seed of all episodes."""
    out: Path | None = None
    """The directory of rows and report; by default certify-NAME in the run, with the name of the
    file."""
    clips: int = 6
    """Failures to film for the report."""
    on: On = None
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Try the policy, and print a line for each limit."""
        from robo_maxent.rendering import gym_video
        from robo_maxent.robustness import acceptance

        use_threads(self.threads)
        if self.template and (self.limits or self.out):
            raise UsageError(
                "--template prints a file of limits, and tries nothing: leave out --limits and "
                "--out; to keep it, write > limits.toml"
            )
        if self.limits is None and not self.template:
            raise UsageError(
                "name the file of limits with --limits FILE.toml; one to begin with: robo-maxent "
                f"certify {shlex.quote(self.policy)} --template > limits.toml"
            )
        if self.clips:  # before an environment is made, which would choose
            gym_video.choose_backend()
        tested, task = self.under_test()
        if self.limits is None or self.template:
            text = acceptance.template(task)
            self._print(text)
            return {"template": text}
        suite = acceptance.read(self.limits, task)
        command = f"robo-maxent {shlex.join(sys.argv[1:])}"
        out = self.out or self.home / f"certify-{self.limits.stem}"
        result = stressed(suite, task, [tested], out, self.seed, self.clips, command, self.on)
        return self._answer(result)

    def _answer(self, result: "StressTestResult") -> Result:
        """Print what came of each limit."""
        from robo_maxent.cli.progress import say
        from robo_maxent.report.formatting import condition
        from robo_maxent.report.limits import accepted

        for number, each in enumerate(result.limits, 1):
            label = result.analysis.axes[each.limit.axis].label
            self._print(f"  {number}  {condition(each.limit, label)}: {each}")
        self._print(accepted(result.limits))
        if result.why_no_clips:
            say(f"  {result.why_no_clips}")
        say(f"  report, for a browser: {result.report}")
        say(f"  {result.analysis.episodes:,} episodes: {result.rows}")
        return {
            "ok": all(each.holds for each in result.limits),
            "limits": [asdict(each) for each in result.limits],
            "report": str(result.report),
            "episodes": str(result.rows),
        }

    def _print(self, text: str) -> None:
        if not self.as_json:
            print(text)
