"""Effects that begin at a moment of an episode and end at another, exact on control steps."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from robo_maxent.perturbations.base import Axis, Perturbation, Running
from robo_maxent.sim.robot import Robot, RobotState

NEVER = -1
INSTANT = 1e-3  # s: shorter than any control step, of which every effect lasts at least one


class TimedEffect(Perturbation):
    """An effect with the parameters ``NAME_begin`` and ``NAME_seconds``, s; 0 s: it never begins.

    A subclass says what it does in :meth:`switch`.
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

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """When the episode's parameters say so."""
        return params.get(self.begin_name) if params.get(self.seconds_name) else None

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
        """Go on where it had begun."""
        begin, end = running.memory["steps"].T
        ids = np.flatnonzero((begin < steps) & (steps < end))
        self.switch(running, ids, np.ones(len(ids), bool))

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Begin and end where it is due."""
        due = np.equal(running.memory["steps"], steps[:, None])
        if due.any():
            ids = np.flatnonzero(due.any(axis=1))
            self.switch(running, ids, due[ids, 0])
