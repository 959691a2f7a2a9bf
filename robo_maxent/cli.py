"""The command line: train, record, evaluate, replay, export, tasks, terrain, doctor, demo.

What people read goes to stderr, and results that are asked for to stdout; with ``--json`` stdout
holds exactly one JSON object. Torch and MuJoCo are imported by the commands that need them, so
that help and usage errors come at once.
"""

import itertools
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from robo_maxent import __version__
from robo_maxent.config import Preset, TrainConfig, preset, usual_preset
from robo_maxent.errors import RenderingError, RoboMaxentError, UsageError
from robo_maxent.subjects import (
    POLICY,
    World,
    contestant_of,
    contestants,
    label,
    make,
    onnx_path,
    own_policy,
    rows_path,
    saved_options,
    subject,
)

if TYPE_CHECKING:
    from robo_maxent.evaluate import Act
    from robo_maxent.learnable import Learnable
    from robo_maxent.step import Episode
    from robo_maxent.train import Run

Result = dict[str, Any]
Json = Annotated[bool, arg(name="json", help="Print exactly one JSON object on stdout.")]
POLICIES = (
    "run directory, policy file (.safetensors; of others: .zip of Stable-Baselines3, .onnx, "
    "TorchScript .pt) or Python function MODULE:FUNCTION"
)
Subject = Annotated[Positional[str], arg(metavar="RUN|POLICY", help=f"A {POLICIES}.")]
TaskName = Annotated[
    str | None,
    arg(
        name="task",
        help="Task to use; by default the one it was trained on, which policies of others do "
        "not say.",
    ),
]
Normalize = Annotated[
    str | None,
    arg(
        name="normalize",
        metavar="FILE|none",
        help="What VecNormalize saved of the training of a .zip. It is a pickle: loading it runs "
        "whatever code is in it.",
    ),
]
Of = OmitArgPrefixes[World]

ANY_GYM = "any Gymnasium id with a Box action space: gym:HalfCheetah-v5, gym:dm_control/dog-run-v0"

EXIT_INTERRUPTED = 130
"""What a shell reports of a command ended by Ctrl-C."""

DEMO_TASK = "quadruped-flat"
DEMO_MINUTES = 2.0
DEMO_EPISODES = 200
DEMO_SECONDS = 12.0  # of video
DEMO_SUITE = "quick"
DEMO_CLIPS = 2  # failures filmed for its report


@dataclass(frozen=True)
class Train:
    """Train a policy with Soft Actor-Critic."""

    task: Positional[str | None] = None
    """What to learn; see 'robo-maxent tasks'. Not needed with --resume."""
    resume: Path | None = None
    """Run directory to continue, exactly; the budget comes on top of what it has done."""
    out: Path | None = None
    """Run directory to make; by default runs/TASK/TIME-seedSEED."""
    world: Of = field(default_factory=World)
    preset: Preset = "default"
    """Recipe that the options below start from: default for many simulations of a task, rough (for
    quadruped-rough) for those on terrain, single (for gym: ids) for one environment at a time,
    classic for the algorithm as published."""
    as_json: Json = False
    config: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    def run(self) -> Result:
        """Train, and say what was left where."""
        from robo_maxent.progress import Progress, say
        from robo_maxent.train import memory_needed, new_directory, read_config, resumed, train

        if self.resume is None and self.task is None:
            raise UsageError("say what to learn: robo-maxent train quadruped-flat --minutes 5")
        if self.config.minutes is None and self.config.steps is None:
            raise UsageError("give a budget: --minutes or --steps")
        if self.resume is not None:
            if self.out is not None or self.world.options:
                raise UsageError(
                    "a run is resumed where it is and as it is: give no --out and no option of "
                    "the task"
                )
            saved = read_config(self.resume)
            task = make(self.task or saved["task"], saved_options(saved))
            config, directory = resumed(self.resume, self.config), self.resume
        else:
            assert self.task is not None
            task, config = make(self.task, self.world.options), self.config
            directory = self.out or new_directory(task, config)
        memory = memory_needed(task, config) / 1e9
        say(f"Training {task.name} in {directory}, with about {memory:.1f} GB of memory")
        with Progress("training") as progress:
            run = train(task, config, directory, self.resume is not None, progress.training)
        result = _trained(run)
        _draw(run.directory)
        for line in _files(run.directory):
            say(f"  {line}")
        if run.interrupted:
            say(f"Interrupted. Continue: robo-maxent train --resume {run.directory} --minutes 5")
        else:
            say(f"Next: robo-maxent evaluate {run.directory}")
        return result


@dataclass(frozen=True)
class Record:
    """Record an episode of a policy as an mp4, without a display."""

    subject: Subject
    task: TaskName = None
    normalize: Normalize = None
    world: Of = field(default_factory=World)
    seed: int = 2
    """Seed of the episode."""
    seconds: float | None = None
    """Stop after this time; by default at the end of the episode."""
    camera: str | None = None
    """Camera of the robot file: tracking, which is the default, or side."""
    tour: bool = False
    """Six kinds of ground at rising levels, six seconds each, rather than one episode."""
    out: Path | None = None
    """The mp4 file; by default videos/NAME-seedSEED.mp4."""
    as_json: Json = False

    def run(self) -> Result:
        """Record, and say where the video is."""
        from robo_maxent.progress import Progress, say

        path = self.out or Path("videos") / f"{label(self.subject)}-seed{self.seed}.mp4"
        with Progress("recording") as progress:
            episode = self._film(path, progress.count)
        say(f"  video: {path}")
        return {"video": str(path), "episode": asdict(episode) if episode else None}

    def _film(self, path: Path, progress: Callable[[int, int], None]) -> "Episode | None":
        from robo_maxent import gym_video, video
        from robo_maxent.gym_task import GymTask
        from robo_maxent.progress import say
        from robo_maxent.task import Task
        from robo_maxent.tour import tour

        gym_video.choose_backend()  # before an environment is made, which would choose
        policy, task = subject(self.subject, self.task, self.world, self.normalize)
        if isinstance(task, GymTask):
            if self.camera is not None or self.tour:
                raise UsageError("a gym: environment draws itself: no --camera and no --tour")
            return gym_video.record(policy, task, self.seed, path, self.seconds, progress)
        assert isinstance(task, Task)
        look = video.Look(camera=self.camera or video.Look.camera)
        if self.tour:
            stops = tour(policy, task, self.seed, path, look=look, progress=progress)
            for kind, level, fell in stops:
                say(f"  {kind}, level {level}{': a fall' if fell else ''}")
            return None
        return video.record(policy, task, self.seed, path, self.seconds, look, progress)


@dataclass(frozen=True)
class Evaluate:
    """Evaluate policies over a fixed set of episodes, the same for all of them."""

    subjects: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="RUN|POLICY", help=f"Each a {POLICIES}."),
    ]
    task: TaskName = None
    normalize: Normalize = None
    world: Of = field(default_factory=World)
    episodes: int = 200
    """How many episodes; those of our own tasks are 20 s of simulated time each."""
    seed: int = 1
    """Seed of the whole set."""
    out: Path | None = None
    """Where the rows go, one JSON object per episode; by default episodes.jsonl in the run. With
    --suite, the directory of rows and report; by default robustness-SUITE in the run."""
    suite: Literal["nominal", "quick", "full"] | None = None
    """Stress test: episodes under pushes, on ice, with payload, weak or locked motors, noise, delay
    and terrain, beside policies that do nothing; writes a report. It has its own number of
    episodes."""
    axes: tuple[str, ...] | None = None
    """Only these axes of the suite."""
    clips: int = 6
    """Failures to film for the report of a suite."""
    as_json: Json = False

    def run(self) -> Result:
        """Evaluate each policy, and print a row for each."""
        if not self.subjects:
            raise UsageError(f"name at least one {POLICIES}")
        if self.suite is not None:
            return self.stress(self.suite, f"robo-maxent {shlex.join(sys.argv[1:])}")
        if self.axes is not None:
            raise UsageError("--axes are those of a suite: give --suite quick or full")
        if self.out is not None and len(self.subjects) > 1:
            raise UsageError("--out takes the episodes of one policy; name only one")
        if self.normalize is not None and len(self.subjects) > 1:
            raise UsageError("--normalize belongs to one policy; name only one")
        pairs = [subject(named, self.task, self.world, self.normalize) for named in self.subjects]
        results = [
            self._evaluate(named, policy, task)
            for named, (policy, task) in zip(self.subjects, pairs, strict=True)
        ]
        return {"policies": results}

    def _evaluate(self, named: str, policy: "Act", task: "Learnable") -> Result:
        from robo_maxent.evaluate import evaluate, write_rows
        from robo_maxent.progress import Progress, say
        from robo_maxent.stats import success_by, summarize

        with Progress(f"evaluating {named}") as progress:
            rows = evaluate(policy, task, self.episodes, self.seed, progress.count)
        summary = summarize(rows)
        path = self.out or rows_path(named)
        write_rows(rows, path)
        measures = "".join(
            f", {name} {'-' if mean is None else f'{mean:.3f}'}"
            for name, mean in summary.measures.items()
        )
        self._print(f"{named} on {task.name}, seed {self.seed}")
        if summary.success is not None:
            self._print(f"  success     {summary.success}  (95 % Wilson interval)")
        self._print(f"  terminated  {summary.fallen}")
        self._print(f"  return      {summary.mean_return}  (95 % t interval){measures}")
        self._print(f"  length      {summary.mean_length:.1f} control steps")
        faults = [row for row in rows if row.fault is not None]
        if faults:
            first = f"in simulation {faults[0].sim}: {faults[0].fault}"
            self._print(f"  faults      {len(faults)} of {len(rows)}, first {first}")
        by = {"terrain": success_by(rows, "terrain"), "level": success_by(rows, "level")}
        for what, shares in by.items():
            for value, share in shares.items():
                self._print(f"  {what} {value!s:<16} success {share}")
        say(f"  episodes: {path}")
        result = {"policy": named, "task": task.name, "episodes": str(path), **asdict(summary)}
        return result | {f"by_{what}": shares for what, shares in _plain(by).items()}

    def stress(self, name: str, command: str) -> Result:
        """Run a suite, and write its report, which says that ``command`` would do it again."""
        from robo_maxent import stress, suites, verdict
        from robo_maxent.progress import Progress, say

        entrants, task = contestants(self.subjects, self.task, self.world, self.normalize)
        which = suites.find(name)
        if self.axes is not None:
            which = which.only(self.axes, task)
        first = Path(self.subjects[0])
        home = first if first.is_dir() else Path("runs")
        out = self.out or home / f"robustness-{name}"
        with Progress(f"suite {name}") as progress, Progress("filming failures") as filming:
            done = stress.stress(
                which,
                task,
                entrants,
                out,
                self.seed,
                command=command,
                clips=self.clips,
                progress=progress.count,
                filming=filming.count,
            )
        told = verdict.verdicts(done.findings, stress.read(out)[1])
        for one in told:
            self._print(f"{one.policy}: {one.headline}")
            for line in one.details:
                self._print(f"  {line}")
        say(f"  report, for a browser: {done.report}")
        say(f"  episodes: {done.rows}")
        say(f"A failure again: robo-maxent replay {out} --row ROW")
        return {
            "report": str(done.report),
            "episodes": str(done.rows),
            "verdict": [asdict(v) for v in told],
        }

    def _print(self, text: str) -> None:
        if not self.as_json:
            print(text)


@dataclass(frozen=True)
class Replay:
    """Run one episode of a stress test again, bit for bit, and film it."""

    results: Annotated[
        Positional[Path], arg(metavar="DIRECTORY", help="What evaluate --suite wrote.")
    ]
    row: str = ""
    """Name of the episode, as the report has it."""
    policy: str | None = None
    """The policy, where its file is elsewhere now."""
    out: Path | None = None
    """The mp4 file; by default videos/replay-DIRECTORY.mp4."""
    as_json: Json = False

    def run(self) -> Result:
        """Replay, compare and film."""
        from robo_maxent import stress, suite
        from robo_maxent.progress import say

        rows, described = stress.read(self.results)
        row = stress.row_of(rows, self.row)
        entrant, task = contestant_of(row, described, self.policy)
        episode = suite.replay(row, task, entrant)
        same = (episode.length, episode.reward) == (row["length"], row["reward"])
        path = self.out or Path("videos") / f"replay-{label(str(self.results))}.mp4"
        stress.film(row, task, entrant, path)
        if not self.as_json:
            print(f"{self.row}: {row['outcome']} after {episode.length} control steps")
            print("  the same bit for bit" if same else "  NOT the same: another machine?")
        say(f"  video: {path}")
        return {"row": dict(row), "same": same, "video": str(path), "ok": same}


@dataclass(frozen=True)
class Export:
    """Write a policy as ONNX, with its normalizer and layout inside, and check the written file."""

    subject: Annotated[
        Positional[str],
        arg(metavar="RUN|POLICY", help="A run directory or a .safetensors file."),
    ]
    out: Path | None = None
    """The .onnx file; by default policy.onnx in the run, or beside the policy file."""
    as_json: Json = False

    def run(self) -> Result:
        """Write, and print where and how closely it acts as the policy does."""
        import numpy as np

        from robo_maxent import export

        policy, _ = own_policy(self.subject)
        path = self.out or onnx_path(self.subject)
        differs = export.write(policy, path, np.random.default_rng(0))
        if not self.as_json:
            print(f"{path}: {export.OBSERVATION} -> {export.ACTION}, {export.TARGET}")
            print(f"  largest difference in {export.CHECKED:,} random observations: {differs:.2g}")
        return {"onnx": str(path), "difference": differs, "checked": export.CHECKED}


@dataclass(frozen=True)
class Tasks:
    """List what can be trained, with one line each."""

    as_json: Json = False

    def run(self) -> Result:
        """List the tasks."""
        from robo_maxent.tasks import TASKS

        lines = {name: task.summary for name, task in TASKS.items()}
        if not self.as_json:
            for name, summary in lines.items():
                print(f"{name:20} {summary}")
            print(f"{'gym:ID':20} {ANY_GYM}")
        return {"tasks": lines}


@dataclass(frozen=True)
class Terrain:
    """Draw every kind of terrain, from easy to hard, on one sheet."""

    out: Path = Path("terrain.png")
    """The PNG file."""
    seed: int = 0
    """Seed of the patches."""
    as_json: Json = False

    def run(self) -> Result:
        """Draw, and print where the sheet is."""
        from robo_maxent.terrain_sheet import draw

        draw(self.out, self.seed)
        if not self.as_json:
            print(self.out)
        return {"sheet": str(self.out)}


@dataclass(frozen=True)
class Doctor:
    """Check versions, rendering, threads and compiler, and print the exact fix for what fails."""

    as_json: Json = False

    def run(self) -> Result:
        """Print one line per check."""
        from robo_maxent.doctor import examine

        checks = examine()
        if not self.as_json:
            for check in checks:
                print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:12} {check.found}")
                if check.fix:
                    print(f"      {'':12} -> {check.fix}")
        return {"ok": all(c.ok for c in checks), "checks": [asdict(c) for c in checks]}


@dataclass(frozen=True)
class Demo:
    """Train a quadruped to walk, evaluate, film and stress-test it: six minutes, then a report."""

    minutes: float = DEMO_MINUTES
    """Wall-clock of the training."""
    seed: int = 0
    """Seed of the training."""
    as_json: Json = False

    def run(self) -> Result:
        """Train, evaluate, record, stress."""
        from robo_maxent.progress import say

        filmed = self._can_film()  # before the training, so that there is time to mend it
        say(f"1/4  {self.minutes:g} minutes of training")
        config = TrainConfig(minutes=self.minutes, seed=self.seed)
        trained = Train(DEMO_TASK, config=config).run()
        if trained["interrupted"]:
            return trained
        run = trained["run"]
        say(f"2/4  Evaluating {DEMO_EPISODES} episodes that were never trained on")
        evaluate = Evaluate((run,), episodes=DEMO_EPISODES, clips=DEMO_CLIPS, as_json=self.as_json)
        evaluated = evaluate.run()["policies"][0]
        video = None
        if filmed:
            say(f"3/4  Recording {DEMO_SECONDS:g} s of the first of them")
            video = Record(run, seed=evaluate.seed, seconds=DEMO_SECONDS).run()["video"]
        else:
            say("3/4  No video, as there is no OpenGL library")
        say("4/4  Stress test: pushes, ice, payload, faults, delay; a minute, then films")
        again = f"robo-maxent evaluate {shlex.quote(run)} --suite {DEMO_SUITE}"
        stressed = evaluate.stress(DEMO_SUITE, again)
        watch = f"Watch {video}, and open" if video else "Open"
        say(f"{watch} {stressed['report']} in a browser.")
        say(f"Next: robo-maxent train --resume {run} --minutes 5")
        tested = {name: stressed[name] for name in ("report", "verdict")}
        return evaluated | trained | {"video": video} | tested

    def _can_film(self) -> bool:
        from robo_maxent.progress import say
        from robo_maxent.video import find_backend

        try:
            find_backend()
        except RenderingError as error:
            say(f"There will be no video, and no films in the report: {error}")
            return False
        return True


def _commands(args: list[str]) -> Any:
    """The commands; the options of train have the values of the chosen preset as defaults."""
    chosen = _chosen_preset(args)
    start = Train(preset=chosen, config=preset(chosen))
    train = Annotated[Train, tyro.conf.subcommand("train", default=start)]
    return train | Record | Evaluate | Replay | Export | Tasks | Terrain | Doctor | Demo


def _chosen_preset(args: list[str]) -> Preset:
    """Read ahead for ``--preset``; what is no preset is left for the parser to refuse."""
    words = [word for arg in args for word in arg.split("=", 1)]
    asked = dict(itertools.pairwise(words)).get("--preset")
    for name in get_args(Preset):
        if name == asked:
            return name
    for word in words:
        if (usual := usual_preset(word)) != "default":
            return usual
    return "default"


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0, 1 for a failure, 2 for a usage error."""
    args = sys.argv[1:] if args is None else args
    if args == ["--version"]:
        print(__version__)
        return
    as_json = "--json" in args
    try:
        command = tyro.cli(
            _commands(args),
            prog="robo-maxent",
            description="Soft Actor-Critic for robots in MuJoCo, on an ordinary machine.",
            args=args,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        result = command.run()
        code = EXIT_INTERRUPTED if result.get("interrupted") else 0
        code = 1 if result.get("ok") is False else code
    except RoboMaxentError as error:
        print(f"robo-maxent: {error}", file=sys.stderr)
        result, code = {"error": str(error)}, error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in ("robo_maxent.tasks", "robo_maxent.assets"):
            raise
        message = "this checkout shadows the installed package; run: pip install -e ."
        print(f"robo-maxent: {message}", file=sys.stderr)
        result, code = {"error": message}, 1
    except SystemExit as stop:  # tyro has printed the help, or what is wrong with the arguments
        if not stop.code or not as_json:
            raise
        result, code = {"error": "unusable arguments; stderr says which"}, 2
    except KeyboardInterrupt:
        print("robo-maxent: interrupted", file=sys.stderr)
        result, code = {"error": "interrupted"}, EXIT_INTERRUPTED
    if as_json:
        print(json.dumps(result))
    sys.exit(code)


def _plain(by: dict[str, dict[Any, Any]]) -> dict[str, dict[str, Any]]:
    """Dataclasses as JSON has them."""
    return {
        what: {str(value): asdict(share) for value, share in shares.items()}
        for what, shares in by.items()
        if shares
    }


def _trained(run: "Run") -> Result:
    best = run.directory / POLICY
    return {
        "run": str(run.directory),
        "policy": str(best) if best.is_file() else None,
        "steps": run.steps,
        "updates": run.updates,
        "seconds": round(run.seconds, 1),
        "best_success": run.success,
        "best_return": run.reward,
        "interrupted": run.interrupted,
    }


def _draw(directory: Path) -> None:
    """Draw how training went; a full disk must not make a failure of a run that went well."""
    from robo_maxent import training_plot
    from robo_maxent.progress import say

    try:
        training_plot.draw(directory)
    except OSError as error:
        say(f"warning: no picture of the training: {error}")


def _files(directory: Path) -> list[str]:
    """What a run left, for people."""
    said = {
        POLICY: "best policy",
        "policy-last.safetensors": "last policy",
        "checkpoint": "checkpoint",
        "metrics.jsonl": "metrics",
        "training.png": "curves",
    }
    return [
        f"{what}: {directory / name}" for name, what in said.items() if (directory / name).exists()
    ]


if __name__ == "__main__":
    main()
