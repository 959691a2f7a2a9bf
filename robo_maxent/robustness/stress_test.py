"""A robustness evaluation from beginning to end: its episodes, films of failures, the report."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robo_maxent.envs.mujoco_vec_env import VecEnv
from robo_maxent.envs.task import Task
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.evaluation.rollout import seeing
from robo_maxent.rendering import video
from robo_maxent.report import html
from robo_maxent.report.analysis import Findings
from robo_maxent.report.rows import choose_failures, identity
from robo_maxent.robustness import runner
from robo_maxent.robustness.baselines import nulls
from robo_maxent.robustness.plan import batch_of
from robo_maxent.robustness.suites import Suite
from robo_maxent.robustness.traced_rollout import Contestant, in_blocks

REPORT, SUITE = "report.html", "suite.json"
CLIP = video.Look(width=320, height=240, fps=25)
CLIP_SECONDS = 10.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stressed:
    """What an evaluation left."""

    report: Path
    rows: Path
    findings: Findings
    why_no_clips: str
    """Empty where failures were filmed, or none was to be."""


def stress(
    which: Suite,
    task: Task[Any],
    contestants: Sequence[Contestant],
    out: str | os.PathLike[str],
    seed: int = 1,
    threads: int = 0,
    command: str = "",
    clips: int = 6,
    progress: Progress | None = None,
    filming: Progress | None = None,
) -> Stressed:
    """Evaluate policies, or continue, and write the report.

    Args:
        which: The suite.
        task: What the policies do.
        contestants: Policies, with labels that differ.
        out: Directory to keep everything in.
        seed: Seed of all episodes.
        threads: Physics threads; 0: one per CPU.
        command: What would run this again.
        clips: How many failures to film.
        progress: Called with how much of the suite is done and how much there is.
        filming: Called with how many failures are filmed and how many are to be.

    Raises:
        UsageError: There is no policy, labels are the same, or the directory is taken.
    """
    path = runner.run(which, task, contestants, out, seed, threads, command, progress)
    rows, described = read(out)
    films, why = _films(rows, described, task, contestants, clips, filming)
    found = html.write(rows, described, Path(out) / REPORT, films, why)
    return Stressed(Path(out) / REPORT, path, found, why)


def read(out: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and description of a finished evaluation.

    Raises:
        UsageError: There is none.
    """
    directory = Path(out)
    try:
        described = json.loads((directory / SUITE).read_text())
        lines = (directory / "episodes.jsonl").read_text().splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"{directory} holds no finished evaluation: {error}") from error
    described["replay"] = f"robo-maxent replay {directory} --row {{row}}"
    return [json.loads(line) for line in lines], described


def row_of(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The row of a name, as the report shows it.

    Raises:
        UsageError: There is no such row.
    """
    for row in rows:
        if identity(row) == name:
            return row
    raise UsageError(
        f"there is no row {name!r}; the report names those that failed, for example "
        f"{identity(rows[0])!r}"
    )


def film(
    row: Mapping[str, Any],
    task: Task[Any],
    contestant: Contestant | None,
    path: str | os.PathLike[str],
    look: video.Look = CLIP,
) -> None:
    """Record the episode of a row as an mp4; a null policy is known by its label.

    Raises:
        UsageError: The policy is missing.
        RenderingError: No OpenGL backend works; the message holds the fix.
    """
    if contestant is None:
        known = {null.label: null for null in nulls(task)}
        if row["policy"] not in known:
            raise UsageError(f"to film an episode of {row['policy']!r}, its policy is needed")
        contestant = known[row["policy"]]
    batch = batch_of(row, task)
    env = VecEnv(batch.task, 1, batch.seed, draws=batch.draws, sims=batch.sims)
    camera = video.Camera(env, look.camera, look.width, look.height)
    steps = batch.task.episode_steps
    scene = video.Scene(env, camera.frame, batch.task.control_dt, steps)
    act = seeing(in_blocks(contestant.act), batch.task.policy_size)
    try:
        video.film(act, scene, path, CLIP_SECONDS, look.fps)
    finally:
        camera.close()


def _films(
    rows: Sequence[Mapping[str, Any]],
    described: Mapping[str, Any],
    task: Task[Any],
    contestants: Sequence[Contestant],
    count: int,
    filming: Progress | None,
) -> tuple[dict[str, bytes], str]:
    """Films of failures by row, and why there are none."""
    chosen = choose_failures(rows, described, count) if count else []
    if not chosen:
        return {}, "" if count else "No films were asked for."
    by_label = {contestant.label: contestant for contestant in contestants}
    films: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "clip.mp4"
        try:
            for number, row in enumerate(chosen):
                film(row, task, by_label.get(str(row["policy"])), path)
                films[identity(row)] = path.read_bytes()
                if filming:
                    filming(number + 1, len(chosen))
        except RenderingError as error:
            return {}, f"Failures could not be filmed: {error}"
    return films, ""
