"""``robo-maxent demo``: the other commands, one after the other."""

import shlex
from dataclasses import dataclass, replace
from typing import Literal

from tyro.conf import Positional

from robo_maxent.cli.arguments import Json, Result, Threads
from robo_maxent.cli.evaluate import Evaluate
from robo_maxent.cli.record import Record
from robo_maxent.cli.train import Train
from robo_maxent.errors import RenderingError
from robo_maxent.training.config import preset

EPISODES = 200
SUITE = "quick"
CLIPS = 2  # failures filmed for its report


@dataclass(frozen=True)
class Show:
    """What the demo shows of one kind of robot."""

    task: str
    preset: str
    minutes: float
    """Of training."""
    seconds: float | None
    """Of video; by default one episode."""
    disturbed_by: str


SHOWS = {
    "quadruped": Show(
        "quadruped-flat", "default", 2.0, 12.0, "pushes, ice, payload, faults, delay"
    ),
    "arm": Show("arm-push", "arm", 4.0, None, "knocks, tilted tables, heavy objects, faults"),
}


@dataclass(frozen=True)
class Demo:
    """Train a robot, evaluate, film and stress-test it: about six minutes, then a report."""

    robot: Positional[Literal["quadruped", "arm"]] = "quadruped"
    """A quadruped walks, or an arm pushes an object across uneven tables."""
    minutes: float | None = None
    """Wall-clock of the training; by default two minutes, of the arm four."""
    seed: int = 0
    """Seed of the training."""
    threads: Threads = 0
    as_json: Json = False

    def run(self) -> Result:
        """Run the commands one after the other, and say where their results lie."""
        from robo_maxent.cli.progress import say

        show = SHOWS[self.robot]
        minutes = show.minutes if self.minutes is None else self.minutes
        filmed = self._can_film()  # before the training, so that there is time to mend it
        say(f"1/4  {minutes:g} minutes of training")
        config = replace(preset(show.preset), minutes=minutes, seed=self.seed, threads=self.threads)
        trained = Train(show.task, config=config).run()
        if trained["interrupted"]:
            return trained
        run = trained["run"]
        say(f"2/4  Evaluating {EPISODES} episodes that were never trained on")
        evaluate = Evaluate(
            (run,), episodes=EPISODES, clips=CLIPS, threads=self.threads, as_json=self.as_json
        )
        evaluated = evaluate.run()["policies"][0]
        video = None
        if filmed:
            say("3/4  Recording another episode")
            video = Record(run, seconds=show.seconds, threads=self.threads).run()["video"]
        else:
            say("3/4  No video, as there is no OpenGL library")
        say(f"4/4  Stress test: {show.disturbed_by}; a minute, then films")
        again = f"robo-maxent evaluate {shlex.quote(run)} --suite {SUITE}"
        stressed = evaluate.stress(SUITE, again)
        watch = f"Watch {video}, and open" if video else "Open"
        say(f"{watch} {stressed['report']} in a browser.")
        say(f"Next: robo-maxent train --resume {shlex.quote(run)} --minutes 5")
        tested = {name: stressed[name] for name in ("report", "verdict")}
        return evaluated | trained | {"video": video} | tested

    def _can_film(self) -> bool:
        from robo_maxent.cli.progress import say
        from robo_maxent.rendering.backend import find_backend

        try:
            find_backend()
        except RenderingError as error:
            say(f"There will be no video, and no films in the report: {error}")
            return False
        return True
