"""Noise of the sensors."""

import numpy as np

from robo_maxent.perturbations.base import (
    Ranges,
    Running,
    ScalarEffect,
    Share,
)
from robo_maxent.perturbations.counter_rng import Stream, uniform
from robo_maxent.sim.robot import Robot


class SensorNoise(ScalarEffect):
    """Multiple of the sensor noise that the task declares, see ``spaces.Field``."""

    name = parameter = "sensor_noise"
    title = "Sensor noise"
    unit = "of declared"
    summary = "multiple of the sensor noise that the task declares"
    severities = (0.0, 1.0, 2.0, 4.0)
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 4.0)), "full": Share(80, 10)}
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
        ends = np.cumsum([field.size for field in running.observation]).tolist()
        running.prepared["noisy"] = [
            (slice(end - field.size, end), field.noise)
            for field, end in zip(running.observation, ends, strict=True)
            if field.noise
        ]

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
        for part, width in noisy:
            end = start + part.stop - part.start
            obs[rows, part] += np.float32(width) * noise[:, start:end]
            start = end
