"""One of two ways to a goal is closed, whether or not the policy is told."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Ranges,
    Running,
    Share,
    Values,
)
from robo_maxent.sim.robot import Robot
from robo_maxent.types import Breakdown

OPEN, LEFT, RIGHT = 0, 1, -1
SIDES = {"left": LEFT, "right": RIGHT}
TOLD = ", told"
"""In the name of a case in which the policy sees what is closed."""


class Blocked(Perturbation):
    """A lid closes the left or the right way for a whole episode; in training the policy is told.

    Lids are bodies of the model, which lie under the floor unless they close something: the left
    one first, then the right one.
    """

    name = "blocked"
    title = "A way that is closed"
    unit = "ways"
    summary = "one of the two ways is closed"
    severities = (0.0, 1.0)
    is_scale = False
    suites = {"quick": Share(16, 4, sampled=16), "full": Share(64, 8, sampled=64)}
    ranges: Ranges = {"blocked": 0.0}  # probability
    levels = {"hard": {"blocked": 0.5}}
    bounds = {"blocked": (-1.0, 1.0), "told": (0.0, 1.0)}
    needs = ("lids",)
    in_midst = False

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Both ways are open."""
        return {"blocked": np.array(OPEN), "told": np.array(0)}

    def range_limits(self, robot: Robot) -> Mapping[str, tuple[float, float]]:
        """It is a probability."""
        return {"blocked": (0.0, 1.0)}

    def varies(self, ranges: Ranges) -> bool:
        """Whether a way may be closed."""
        return ranges["blocked"] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Either way as often; the policy is told."""
        happens, side = rng.random() < ranges["blocked"], rng.choice((LEFT, RIGHT))
        return {"blocked": int(side) if happens else OPEN, "told": int(happens)}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """More rarely."""
        return {"blocked": share * ranges["blocked"]}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Each way, told and not told."""
        cases = tuple(side + told for told in ("", TOLD) for side in SIDES)
        by_case = Breakdown("way", "case", "grid"), Breakdown("way", "case", "paths")
        phrase = "with one of two ways closed"
        return (self.axis(cases=cases, phrase=phrase, breakdowns=by_case, counts="success"),)

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The way of the case; at severity 0 none, of which there is nothing to tell."""
        if not severity:
            return {"blocked": OPEN, "told": 0}
        return {"blocked": SIDES[case.removesuffix(TOLD)], "told": int(case.endswith(TOLD))}

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Raise the lid of the way that is closed."""
        blocked, position = running.params["blocked"][ids], running.fields["body_pos"]
        for lid, side in zip(running.robot.lids, (LEFT, RIGHT), strict=True):
            position[ids[blocked == side], lid, 2] = 0.0
