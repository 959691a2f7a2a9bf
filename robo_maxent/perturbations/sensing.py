"""What sensors add to an observation, and observations that come late or not at all.

A task lists noise ahead of the delay, and that ahead of the loss: a reading is noisy when it is
taken, then it travels, and what is lost leaves the last one that arrived.
"""

from collections.abc import Sequence

import numpy as np

from robo_maxent.perturbations.base import (
    Ranges,
    Running,
    ScalarEffect,
    Share,
)
from robo_maxent.perturbations.channel import MAX_DELAY, Delay
from robo_maxent.perturbations.counter_rng import Stream, uniform
from robo_maxent.sim.robot import Robot
from robo_maxent.spaces import Field


class SensorNoise(ScalarEffect):
    """Multiple of the sensor noise that the task declares, see ``spaces.Field``."""

    name = parameter = "sensor_noise"
    title = "Sensor noise"
    unit = "of declared"
    summary = "multiple of the sensor noise that the task declares"
    severities = (0.0, 1.0, 2.0, 4.0)
    reference = 1.0
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 4.0)), "full": Share(64, 10)}
    bounds = {"sensor_noise": (0.0, 100.0)}
    ranges: Ranges = {"sensor_noise": (0.0, 0.0)}
    levels = {
        "default": {"sensor_noise": (1.0, 1.0)},  # what the task declares
        "hard": {"sensor_noise": (0.0, 2.0)},  # chosen
    }

    def combined(self, share: float, robot: Robot) -> float | None:
        """What is declared."""
        return share

    def prepare(self, running: Running) -> None:
        """Look up where an observation is noisy, and the half-widths."""
        running.prepared["noisy"] = noisy_parts(running.observation)

    def on_observation(self, running: Running, obs: np.ndarray, steps: np.ndarray) -> None:
        """Add the noise of these control steps."""
        noisy = running.prepared["noisy"]
        if not noisy:
            return
        amount = running.params["sensor_noise"]
        ids = np.flatnonzero(amount)
        size = sum(part.stop - part.start for part, _ in noisy)
        chance = uniform(Stream.SENSOR_NOISE, running.key[ids], steps[ids], size)
        noise = (amount[ids, None] * (2.0 * chance - 1.0)).astype(np.float32)
        rows = slice(None) if len(ids) == len(obs) else ids
        start = 0
        for part, widths in noisy:
            end = start + part.stop - part.start
            obs[rows, part] += widths * noise[:, start:end]
            start = end


class ObservationDelay(Delay):
    """Control steps by which an observation arrives late; before, the first one is seen."""

    name = parameter = "observation_delay"
    title = "Observation delay"
    summary = "observations arrive late"
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 3.0))}
    bounds = {"observation_delay": (0.0, float(MAX_DELAY))}
    ranges: Ranges = {"observation_delay": (0, 0)}  # both ends included

    def prepare(self, running: Running) -> None:
        """Remember the last observations, each at its control step modulo their number."""
        shape = (len(running.key), MAX_DELAY + 1, seen_size(running.observation))
        running.memory["seen"] = np.zeros(shape, np.float32)
        running.prepared["rows"] = np.arange(len(running.key))

    def on_observation(self, running: Running, obs: np.ndarray, steps: np.ndarray) -> None:
        """Hand out an earlier one."""
        seen, rows = running.memory["seen"], running.prepared["rows"]
        number, size = seen.shape[1:]
        seen[rows, steps % number] = obs[:, :size]
        late = np.minimum(running.params["observation_delay"], steps)
        obs[:, :size] = seen[rows, (steps - late) % number]


class ObservationLoss(ScalarEffect):
    """Probability that an observation is lost, and the last one seen again; never the first."""

    name = parameter = "observation_loss"
    title = "Lost observations"
    summary = "share of the observations that are lost, the last one is held"
    severities = (0.0, 0.05, 0.1, 0.2, 0.4)
    reference = 0.1
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.4))}
    bounds = {"observation_loss": (0.0, 1.0)}
    ranges: Ranges = {"observation_loss": (0.0, 0.0)}

    def prepare(self, running: Running) -> None:
        """Remember the observation that arrived last."""
        shape = (len(running.key), seen_size(running.observation))
        running.memory["held"] = np.zeros(shape, np.float32)

    def on_observation(self, running: Running, obs: np.ndarray, steps: np.ndarray) -> None:
        """Lose some."""
        held = running.memory["held"]
        size = held.shape[1]
        chance = uniform(Stream.OBSERVATION_LOSS, running.key, steps, 1)[:, 0]
        lost = (chance < running.params["observation_loss"]) & (steps > 0)
        held[~lost] = obs[~lost, :size]
        obs[lost, :size] = held[lost]


def noisy_parts(observation: Sequence[Field]) -> list[tuple[slice, np.ndarray]]:
    """Where an observation is noisy: adjoining elements, and the half-width of each, float32."""
    widths = np.repeat(
        [field.noise for field in observation], [field.size for field in observation]
    )
    edges = np.flatnonzero(np.diff(widths > 0.0, prepend=False, append=False)).tolist()
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(slice(start, end), widths[start:end].astype(np.float32)) for start, end in pairs]


def seen_size(observation: Sequence[Field]) -> int:
    """Number of the elements that a policy sees."""
    return sum(field.size for field in observation if not field.privileged)
