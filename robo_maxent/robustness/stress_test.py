"""A stress test from beginning to end: its episodes, films of failures, the report."""

import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_maxent import kept
from robo_maxent.envs.gym_task import GymTask
from robo_maxent.envs.gym_trial_env import GymTrialEnv
from robo_maxent.envs.own_tasks import saved_code, word_for
from robo_maxent.errors import RoboMaxentError, UsageError
from robo_maxent.evaluation.rollout import begin, policy_view
from robo_maxent.files import refusal
from robo_maxent.rendering import gym_video, video
from robo_maxent.report import html, worst_case, worst_case_section
from robo_maxent.report.analysis import Analysis
from robo_maxent.report.failures import SHOWN
from robo_maxent.report.limits import JudgedLimit, judged
from robo_maxent.report.row_table import RowTable
from robo_maxent.report.rows import StressEpisode, check_suite, identity
from robo_maxent.robustness import runner
from robo_maxent.robustness.axes import AnyTask
from robo_maxent.robustness.baselines import PolicyUnderTest, baseline
from robo_maxent.robustness.plan import batch_of
from robo_maxent.robustness.shards import Executor
from robo_maxent.robustness.store import DESCRIPTION, EPISODES
from robo_maxent.robustness.suites import Suite
from robo_maxent.robustness.traced_rollout import in_blocks

REPORT = "report.html"
CLIP = video.VideoSettings(width=320, height=240)
CLIP_SECONDS = 13.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StressTestResult:
    """Results of a stress test."""

    report: Path
    rows: Path
    analysis: Analysis
    limits: tuple[JudgedLimit, ...]
    """Judged limits, of a suite that has some."""
    why_no_clips: str
    """Why failures are not filmed; empty if all chosen ones were, or there was none."""


def stress_test(
    suite: Suite,
    task: AnyTask,
    policies: Sequence[PolicyUnderTest],
    out: str | os.PathLike[str],
    seed: int = 1,
    threads: int = 0,
    command: str = "",
    clips: int = 6,
    progress: Progress | None = None,
    filming: Progress | None = None,
    executor: Executor | None = None,
) -> StressTestResult:
    """Run or continue a stress test, and write its report.

    Args:
        suite: What to evaluate.
        task: What the policies do.
        policies: With labels that differ.
        out: Directory to keep everything in.
        seed: Seed of all episodes.
        threads: Physics threads; 0: one per CPU.
        command: What would run this again.
        clips: How many failures to film.
        progress: Called with how much of the suite is done and how much there is.
        filming: Called with how many failures are filmed and how many are to be.
        executor: Where to run the episodes, which changes no row; None: here.

    Raises:
        UsageError: There is no policy, labels are the same, or the directory is taken.
    """
    if clips < 0:
        raise UsageError(f"clips must be at least 0, got {clips}")
    path = runner.run(suite, task, policies, out, seed, threads, command, progress, executor)
    description, seen = read_description(out), html.Read(max(clips, SHOWN), bool(suite.limits))
    rows = RowTable(seen.watched(rows_of(out)))
    films, why = _films(seen.failures.choose(description)[:clips], task, policies, filming)
    if not clips:
        why = "No films were asked for."
    mildest = _worst_case(Path(out).parent / worst_case.DIRECTORY, policies, description)
    analysis = html.write(rows, description, Path(out) / REPORT, films, why, mildest, seen)
    limits = tuple(judged(limit, rows) for limit in suite.limits)
    return StressTestResult(Path(out) / REPORT, path, analysis, limits, why)


def read(out: str | os.PathLike[str]) -> tuple[list[StressEpisode], dict[str, Any]]:
    """Rows and description of a finished stress test.

    Raises:
        UsageError: There is none, or a file holds something else; the message says what.
    """
    description = read_description(out)
    return list(rows_of(out)), description


def read_description(out: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a stress test was, and how its rows are run again.

    Raises:
        UsageError: There is none, or a file holds something else; the message says what.
    """
    directory = Path(out)
    try:
        description = json.loads((directory / DESCRIPTION).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{directory} holds no finished evaluation: {error}") from error
    try:
        check_suite(description)
    except UsageError as error:
        raise UsageError(f"{directory / DESCRIPTION} {error}") from error
    description["task_options"] = kept.placed(description["task_options"], directory)
    description["replay"] = replay_command(directory, saved_code(description))
    return description


def rows_of(out: str | os.PathLike[str]) -> Iterator[StressEpisode]:
    """The rows of a finished stress test, one after the other.

    Raises:
        UsageError: There is none, or a line is damaged; the message says which.
    """
    path, number = Path(out) / EPISODES, 0
    try:
        with path.open() as lines:
            for number, line in enumerate(lines, 1):
                yield _row(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{Path(out)} holds no finished evaluation: {error}") from error
    if not number:
        raise UsageError(f"{path} has no rows")


def replay_command(directory: Path, code: str | None) -> str:
    """Command that runs a row again, with ``{row}`` for its name.

    Args:
        directory: Of the test.
        code: What has to be said of its task; see ``robo_maxent.envs.own_tasks.code_of``.
    """
    word = word_for(code, "--task ")
    return f"robo-maxent replay {shlex.quote(str(directory))} --row {{row}}{word}"


def _worst_case(
    directory: Path, policies: Sequence[PolicyUnderTest], description: dict[str, Any]
) -> worst_case_section.Section | None:
    """Result of a worst-case search beside a stress test; None if there was none.

    What can't be read is noted in the description.
    """
    path = directory / DESCRIPTION
    if not path.exists():
        return None
    try:
        suite = json.loads(path.read_text())
        check_suite(suite)
        digests = {policy.get("sha256") for policy in suite["policies"]} - {None}
        if not digests & {policy.sha256 for policy in policies}:
            return None
        replay = replay_command(directory, saved_code(suite))
        return worst_case_section.section(suite, directory, replay)
    except (OSError, ValueError, RecursionError, UsageError) as error:
        description["notes"] = [
            *(description.get("notes") or ()),
            f"{path} is not shown here: {error}",
        ]
        return None


def _row(path: Path, number: int, line: str) -> StressEpisode:
    """Read a line of the file of rows.

    Raises:
        UsageError: It is none; the message says which, and what was expected.
    """
    try:
        return StressEpisode.from_json(json.loads(line))
    except (UsageError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}, line {number} is damaged: {error}") from error


def row_of(rows: Iterable[StressEpisode], name: str) -> StressEpisode:
    """Find a row by its name, as reports show it.

    Raises:
        UsageError: There is no such row.
    """
    example = ""
    for row in rows:
        if identity(row) == name:
            return row
        example = example or identity(row)
    lacking = f"there is no row {name!r}" if name else "say which episode with --row"
    raise UsageError(f"{lacking}; the report names those that failed, for example {example!r}")


def film(
    row: StressEpisode,
    task: AnyTask,
    policy: PolicyUnderTest | None,
    path: str | os.PathLike[str],
    settings: video.VideoSettings = CLIP,
) -> None:
    """Film the episode of a row as an mp4; baselines are found by their label.

    Raises:
        UsageError: The policy is missing.
        RenderingError: No OpenGL backend works, the message holds the fix; or nothing is drawn.
        EnvError: An environment of someone else's can't draw itself.
    """
    policy, batch = policy or baseline(task, row.policy), batch_of(row, task)
    act = policy_view(in_blocks(policy.act, batch.block), batch.task.policy_size)
    gym_video.choose_backend()
    begin(policy.act, batch.block)
    env = batch.env(filmed=True)
    try:
        if isinstance(env, GymTrialEnv):
            assert isinstance(task, GymTask)  # which makes them
            gym_video.film_env(act, task, env, path, CLIP_SECONDS)
        else:
            video.film_env(act, env, path, CLIP_SECONDS, settings)
    finally:
        env.close()


def _films(
    chosen: Sequence[StressEpisode],
    task: AnyTask,
    policies: Sequence[PolicyUnderTest],
    filming: Progress | None,
) -> tuple[dict[str, bytes], str]:
    """Films of failures by row, and why some are missing."""
    by_label = {policy.label: policy for policy in policies}
    films: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "clip.mp4"
        try:
            for number, row in enumerate(chosen):
                film(row, task, by_label.get(row.policy), path)
                films[identity(row)] = path.read_bytes()
                if filming:
                    filming(number + 1, len(chosen))
        except (RoboMaxentError, OSError) as error:
            return films, f"Failures could not be filmed: {refusal(error)}"
    return films, ""
