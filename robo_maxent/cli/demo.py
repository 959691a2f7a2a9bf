"""``robo-maxent demo``: the other commands, one after the other."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robo_maxent.cli.arguments import (
    Json,
    Result,
)
from robo_maxent.errors import RenderingError
from robo_maxent.training.config import TrainConfig

if TYPE_CHECKING:
    pass

from robo_maxent.cli.evaluate import Evaluate
from robo_maxent.cli.record import Record
from robo_maxent.cli.train import Train

DEMO_TASK = "quadruped-flat"
DEMO_MINUTES = 2.0
DEMO_EPISODES = 200
DEMO_SECONDS = 12.0  # of video
DEMO_SUITE = "quick"
DEMO_CLIPS = 2  # failures filmed for its report


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
        from robo_maxent.cli.progress import say

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
            say(f"3/4  Recording {DEMO_SECONDS:g} s of another episode")
            video = Record(run, seconds=DEMO_SECONDS).run()["video"]
        else:
            say("3/4  No video, as there is no OpenGL library")
        say("4/4  Stress test: pushes, ice, payload, faults, delay; a minute, then films")
        again = f"robo-maxent evaluate {shlex.quote(run)} --suite {DEMO_SUITE}"
        stressed = evaluate.stress(DEMO_SUITE, again)
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
