"""Effects between the policy and the motors: inexact, lost and late actions.

A task lists noise ahead of lost packets, and these ahead of the delay: a lost action leaves the
last one in force, and what is in force arrives late.
"""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import (
    Plant,
    Ranges,
    Running,
    ScalarEffect,
    Share,
    Values,
)
from robo_maxent.perturbations.counter_rng import Stream, normal, uniform
from robo_maxent.sim.robot import Robot

MAX_DELAY = 3
"""Control steps: 60 ms at 50 Hz, the longest delay of the usual sweeps."""


class ActionNoise(ScalarEffect):
    """Standard deviation of normal noise on actions, which are kept in [-1, 1]."""

    name = parameter = "action_noise"
    title = "Action noise"
    unit = "of half the range"
    summary = "normal noise on every action, its standard deviation as a share of half the range"
    noun = "action noise"
    severities = (0.0, 0.05, 0.1, 0.2, 0.4)
    reference = 0.05
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.4))}
    bounds = {"action_noise": (0.0, 10.0)}
    ranges: Ranges = {"action_noise": (0.0, 0.0)}

    def lacking(self, robot: Robot) -> str | None:
        """Actions must be continuous."""
        return "discrete actions, which are no amounts" if robot.acts_by_choice else None

    def on_action(self, running: Running, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Add the noise."""
        amount = running.params["action_noise"]
        ids = np.flatnonzero(amount)
        noise = normal(Stream.ACTION_NOISE, running.key[ids], steps[ids], running.action_size)
        noisy = np.array(action, np.float64)
        noisy[ids] = np.clip(noisy[ids] + amount[ids, None] * noise, -1.0, 1.0)
        return noisy


class PacketLoss(ScalarEffect):
    """Probability that the action of a control step is lost, and the last one held."""

    name = parameter = "packet_loss"
    title = "Lost packets"
    summary = "share of the actions that are lost, the last one is held"
    severities = (0.0, 0.05, 0.1, 0.2, 0.4)
    reference = 0.05
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.4))}
    bounds = {"packet_loss": (0.0, 1.0)}
    ranges: Ranges = {"packet_loss": (0.0, 0.0)}
    levels = {"hard": {"packet_loss": (0.0, 0.1)}}  # chosen

    def combined(self, share: float, robot: Robot) -> float | None:
        """One action in twenty is lost."""
        return 0.05 * share

    def prepare(self, running: Running) -> None:
        """Remember the action in force; before the first arrives it is the home pose, action 0.

        Of discrete actions it is the first.
        """
        running.memory["held"] = np.zeros((len(running.key), running.action_size))

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Forget the previous episode."""
        running.memory["held"][ids] = 0.0

    def on_action(self, running: Running, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Lose some actions."""
        chance = uniform(Stream.PACKET_LOSS, running.key, steps, 1)
        lost = chance[:, 0] < running.params["packet_loss"]
        held = running.memory["held"]
        held[~lost] = action[~lost]
        return held


class Delay(ScalarEffect):
    """Base class of effects that delay something by whole control steps."""

    unit = "control steps"
    severities = (0.0, 1.0, 2.0, 3.0)
    reference = resolution = 1.0

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """No delay."""
        return {self.parameter: np.array(0, np.int64)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """All delays of the range, equally likely."""
        low, high = ranges[self.parameter]
        return {self.parameter: low + int(rng.random() * (high - low + 1))}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Rounded to whole control steps."""
        return {name: tuple(round(share * step) for step in ends) for name, ends in ranges.items()}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The severity is the delay."""
        return {self.parameter: int(severity)}


class ActionDelay(Delay):
    """Delay of actions, in control steps."""

    name = parameter = "action_delay"
    title = "Action delay"
    summary = "actions arrive late"
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 3.0)), "full": Share(64, 10)}
    bounds = {"action_delay": (0.0, float(MAX_DELAY))}
    ranges: Ranges = {"action_delay": (0, 0)}  # both ends included
    levels = {
        "default": {"action_delay": (0, 1)},  # holosoma; DreamWaQ has up to 15 ms
        "hard": {"action_delay": (0, 2)},  # chosen: up to 40 ms
    }

    def combined(self, share: float, robot: Robot) -> float | None:
        """One step, from half of all effects on."""
        return float(share >= 0.5)

    def prepare(self, running: Running) -> None:
        """Remember recent actions, the newest first."""
        shape = (len(running.key), MAX_DELAY + 1, running.action_size)
        running.memory["sent"] = np.zeros(shape)
        running.prepared["rows"] = np.arange(len(running.key))

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Forget the previous episode."""
        running.memory["sent"][ids] = 0.0

    def on_action(self, running: Running, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return an earlier action."""
        sent = running.memory["sent"]
        sent[:, 1:] = sent[:, :-1].copy()
        sent[:, 0] = action
        return sent[running.prepared["rows"], running.params["action_delay"]]
