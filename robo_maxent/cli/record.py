"""``robo-maxent record`` and ``replay``: films."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from robo_maxent.cli.arguments import (
    Json,
    Result,
    Switch,
    Threads,
    use_threads,
)
from robo_maxent.cli.names import in_file_name, label, variant
from robo_maxent.cli.policies import OfOnePolicy, ReplayOptions, other_task, policy_of_row
from robo_maxent.errors import UsageError

if TYPE_CHECKING:
    from robo_maxent.types import Episode


@dataclass(frozen=True)
class Record(OfOnePolicy):
    """Record an episode of a policy as an mp4, without a display."""

    seed: int = 0
    """Seed of the episode; no training and no evaluation meets it, whatever their seeds."""
    seconds: float | None = None
    """Stop after this time; by default at the end of the episode."""
    camera: str | None = None
    """Camera of the robot file, such as side; by default its first."""
    tour: Switch = False
    """Six kinds of ground at rising levels, six seconds each, rather than one episode."""
    out: Path | None = None
    """The mp4 file; by default videos/NAME-seedSEED.mp4, with whatever else is asked for in the
    name."""
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Record the episode, and print where the film is."""
        from robo_maxent.cli.progress import Progress, say

        use_threads(self.threads)
        path = self.out or Path("videos") / f"{label(self.policy)}{self._variant()}.mp4"
        with Progress("recording") as progress:
            episode = self._film(path, progress.count)
        if episode:
            say(f"  {ending(episode)}")
            if episode.terminated or episode.success is False:
                say(f"  one episode of many: --seed {self.seed + 1} films another")
        say(f"  video: {path}")
        return {"video": str(path), "episode": asdict(episode) if episode else None}

    def _variant(self) -> str:
        """What differs from other films of the policy."""
        said = variant(
            task=other_task(self.policy, self.task),
            normalize=None if self.normalize is None else Path(self.normalize),
            **self.options.flags,
            camera=self.camera,
            seconds=None if self.seconds is None else f"{self.seconds:g}",
        )
        return f"{said}{'-tour' if self.tour else ''}-seed{self.seed}"

    def _film(self, path: Path, progress: Callable[[int, int], None]) -> "Episode | None":
        from robo_maxent.cli.progress import say
        from robo_maxent.envs.gym_task import GymTask
        from robo_maxent.envs.mujoco_task import MujocoTask
        from robo_maxent.rendering import gym_video, video
        from robo_maxent.rendering.terrain_tour import tour

        no_opengl = gym_video.choose_backend()  # before an environment, which would choose
        policy, task = self.chosen()
        if isinstance(task, GymTask):
            if self.camera is not None or self.tour:
                raise UsageError(f"{task.name} draws itself: no --camera and no --tour")
            if no_opengl:
                say(f"  without OpenGL: {no_opengl}")
            return gym_video.record(policy, task, self.seed, path, self.seconds, progress)
        assert isinstance(task, MujocoTask)
        settings = video.VideoSettings(camera=self.camera)
        if self.tour:
            stops = tour(policy, task, self.seed, path, settings=settings, progress=progress)
            for kind, level, fell in stops:
                say(f"  {kind}, level {level}{': a fall' if fell else ''}")
            return None
        return video.record(policy, task, self.seed, path, self.seconds, settings, progress)


def ending(episode: "Episode") -> str:
    """Say for people how an episode ended, and when."""
    if episode.terminated:
        how = "terminated"
    else:
        how = {True: "success", False: "no success", None: "ended"}[episode.success]
    return f"{how} after {episode.length} control steps"


@dataclass(frozen=True)
class Replay:
    """Run one episode of a stress test again, bit for bit, and film it."""

    results: Annotated[
        Positional[Path], arg(metavar="DIRECTORY", help="What evaluate --suite wrote.")
    ]
    row: str = ""
    """Name of the episode, as the report has it."""
    options: Annotated[OmitArgPrefixes[ReplayOptions], arg(name="policy")] = field(
        default_factory=ReplayOptions
    )
    out: Path | None = None
    """The mp4 file; by default videos/replay-DIRECTORY-ROW.mp4."""
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Run the episode again, compare it with its row, and film it."""
        from robo_maxent.cli.progress import say
        from robo_maxent.files import require_place
        from robo_maxent.rendering.video import FILM
        from robo_maxent.robustness import runner, stress_test

        use_threads(self.threads)
        description = stress_test.read_description(self.results)
        row = stress_test.row_of(stress_test.rows_of(self.results), self.row)
        name = f"replay-{label(str(self.results))}-{in_file_name(self.row)}.mp4"
        path = self.out or Path("videos") / name
        require_place(path, FILM)
        policy, task = policy_of_row(row, description, self.options)
        episode = runner.replay(row, task, policy)
        same = (episode.length, episode.reward) == (row.length, row.reward)
        if not self.as_json:
            print(f"{self.row}: {row.outcome} after {episode.length} control steps")
            print(
                "  the same bit for bit"
                if same
                else "  NOT the same: another machine, or a policy that answers otherwise?"
            )
        stress_test.film(row, task, policy, path)
        say(f"  video: {path}")
        return {"row": row.to_json(), "same": same, "video": str(path), "ok": same}
