"""Effects that begin at a moment of an episode and end at another, exact on control steps."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_maxent.perturbations.base import (
    Axis,
    Perturbation,
    Plant,
    Range,
    Ranges,
    Running,
    Share,
    Values,
    angle_of,
    horizontal,
)
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.types import Breakdown

NEVER = -1
MIDST = (0.8, 1.2)  # s at which a stress test begins them: by then objects are held
INSTANT = 1e-3  # s: shorter than any control step, of which every effect lasts at least one
TIME = (0.0, 1e6)  # s, without end
DIRECTIONS = {"away": 0.0, "left": 90.0, "near": 180.0, "right": -90.0}  # deg from forward


class TimedEffect(Perturbation):
    """An effect that happens once in an episode, or not.

    It has the parameters ``NAME_begin`` and ``NAME_seconds``, s, of which 0 means that it does not
    happen. Its ranges are ``NAME``, the probability that it does, ``NAME_begin``, and what
    :meth:`drawn` takes. A subclass says what it does in :meth:`switch`.
    """

    @property
    def begin_name(self) -> str:
        """The parameter that says when it begins, s."""
        return f"{self.name}_begin"

    @property
    def seconds_name(self) -> str:
        """The parameter that says for how long, s; 0: it never begins."""
        return f"{self.name}_seconds"

    @abstractmethod
    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Begin in some simulations and end in others, where ``on`` is False, bool, (k,)."""

    def drawn(self, ranges: Ranges, rng: np.random.Generator) -> Values:
        """How hard or how long it is, of its ranges, where it happens."""
        return {self.seconds_name: rng.uniform(*ranges[self.seconds_name])}

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """It does not happen."""
        return {self.begin_name: np.array(0.0), self.seconds_name: np.array(0.0)}

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """Times are not negative."""
        return {**self.bounds, self.begin_name: TIME, self.seconds_name: TIME}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """The same, and a probability."""
        return {**self.limits(robot), self.name: (0.0, 1.0)}

    def varies(self, ranges: Ranges) -> bool:
        """Whether it can happen."""
        return ranges[self.name] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Once, with the probability."""
        happens, begin = rng.random() < ranges[self.name], rng.uniform(*ranges[self.begin_name])
        values = {self.begin_name: begin} | self.drawn(ranges, rng)
        return values if happens else {}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Less often."""
        return {**ranges, self.name: share * ranges[self.name]}

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """When the episode's parameters say so."""
        return params.get(self.begin_name, 0.0) if params.get(self.seconds_name) else None

    def happening(self, values: Values, begin: float, params: Mapping[str, Any]) -> Values:
        """At that time."""
        return {**values, self.begin_name: begin} if values else values

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """One that is judged by how the robot goes on."""
        return (self.axis(judged_by_recovery=True),)

    def prepare(self, running: Running) -> None:
        """Remember the control steps of begin and end."""
        running.memory["steps"] = np.full((len(running.key), 2), NEVER)

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up when it begins and ends."""
        begin = np.rint(running.params[self.begin_name][ids] / running.control_dt)
        seconds = running.params[self.seconds_name][ids]
        length = np.maximum(np.rint(seconds / running.control_dt), 1.0)
        steps = np.stack([begin, begin + length], axis=1)
        steps[seconds == 0.0] = NEVER
        running.memory["steps"][ids] = steps

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Go on where it had begun, and end where the parameters have it happen no more."""
        begin, end = running.memory["steps"].T
        self.switch(running, np.arange(len(steps)), (begin < steps) & (steps < end))

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Begin and end where it is due."""
        due = np.equal(running.memory["steps"], steps[:, None])
        if due.any():
            ids = np.flatnonzero(due.any(axis=1))
            self.switch(running, ids, due[ids, 0])


class DirectedEffect(TimedEffect):
    """An effect with a size and a horizontal direction: its parameter :attr:`vector`, (2,)."""

    vector: str
    """The parameter, world frame; its bounds are those of its size, too."""
    size: str
    """The range of its size."""
    moments: Range = MIDST
    """When a stress test begins it, s."""
    lasts: float = INSTANT
    """How long it does in a stress test, s."""

    def sized(self, severity: float, robot: Robot) -> float:
        """Size at a severity; unless overridden, the severity."""
        return severity

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """None."""
        return {**super().nominal(robot), self.vector: np.zeros(2)}

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Where to, world frame."""
        return angle_of(params.get(self.vector))

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Its size is not negative."""
        return {**super().range_limits(robot), self.size: (0.0, self.bounds[self.vector][1])}

    def drawn(self, ranges: Ranges, rng: np.random.Generator) -> Values:
        """In any direction; at once, unless there is a range for how long."""
        vector = horizontal(rng.uniform(*ranges[self.size]), rng.uniform(-np.pi, np.pi))
        lasts = self.seconds_name in ranges
        seconds = super().drawn(ranges, rng) if lasts else {self.seconds_name: INSTANT}
        return {**seconds, self.vector: vector}

    def from_sides(self, **changes: Any) -> Axis:
        """Its axis, with four directions as its cases."""
        by_direction = (Breakdown("direction", "case", "grid"),)
        return self.axis(cases=tuple(DIRECTIONS), breakdowns=by_direction, **changes)

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """Once, in the direction of the case, or in any."""
        begin, anywhere = rng.uniform(*self.moments), rng.uniform(-np.pi, np.pi)
        towards = np.deg2rad(DIRECTIONS[case]) if case in DIRECTIONS else anywhere
        if not severity:
            return {}
        vector = horizontal(self.sized(severity, plant.robot), towards)
        return {self.begin_name: begin, self.seconds_name: self.lasts, self.vector: vector}


class Interruption(TimedEffect):
    """Something that is missing for a while, once: severities are for how long, s.

    They are whole control steps of the arm, since nothing begins or ends between two of them.
    """

    unit = "s"
    severities = (0.0, 0.08, 0.32, 0.48)
    reference = 0.08
    resolution = 0.04  # s
    suites = {"quick": Share(24, 4, severities=(0.0, 0.08, 0.32, 0.48))}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """For so long, in mid-task."""
        begin = rng.uniform(*MIDST)
        return {self.begin_name: begin, self.seconds_name: severity} if severity else {}
