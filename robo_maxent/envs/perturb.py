"""What acts during an episode: lost and late actions, pushes, slips, what sensors make of it.

Everything is exact on control steps, and skipped where no draw asks for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from robo_maxent.envs.task import Task
from robo_maxent.perturbations.applier import Applier, tilted
from robo_maxent.perturbations.counter_rng import Stream, uniform
from robo_maxent.perturbations.params import MAX_DELAY, MAX_PUSHES, Draw
from robo_maxent.sim.physics import Batch
from robo_maxent.sim.robot import Readings, yaw
from robo_maxent.spaces import Field

CHANNEL = {"action_delay", "packet_loss"}


@dataclass(frozen=True)
class Realized:
    """What the simulation did of a draw, read back from it, for N running episodes."""

    foot_friction: np.ndarray
    """Friction that acts between feet and ground at the beginning, (N,)."""
    lowest_foot_friction: np.ndarray
    """The least of it, (N,)."""
    total_mass: np.ndarray
    """kg, (N,)."""
    impulse: np.ndarray
    """Integral of the size of the force on the trunk, N·s, (N,): a push that the episode's end
    cuts short counts as far as it came."""


class Perturbations:
    """What acts during the running episodes of N simulations, and what it needs to remember."""

    def __init__(self, task: Task[Any], batch: Batch, applier: Applier, draws: Draw) -> None:
        """Nothing acts until :meth:`require` says what may."""
        n = batch.nsim
        self._task, self._applier, self._draws = task, applier, draws
        self._force = batch.bind("xfrc_applied")[:, task.robot.trunk, :3]  # (N, 3), in the state
        self._on: set[str] = set()
        self._rows = np.arange(n)
        self._noisy = _noisy(task.observation)
        self._key = np.zeros(n, np.uint64)  # of the running episodes
        self._up = np.tile([0.0, 0.0, 1.0], (n, 1))  # against gravity, world frame
        self._sent = np.zeros((n, MAX_DELAY + 1, task.action_size))  # newest first
        self._push = np.zeros((n, MAX_PUSHES, 3))  # force of pushes that began, world frame, N
        self._push_steps = np.zeros((n, MAX_PUSHES, 2), np.int64)  # begin, end
        self._slip_steps = np.zeros((n, 2), np.int64)
        self.realized = Realized(*(np.zeros(n) for _ in range(4)))

    def require(self, names: Iterable[str]) -> None:
        """From now on these fields of a draw may act."""
        self._on |= set(names)

    def begin(self, ids: np.ndarray, key: np.ndarray) -> None:
        """Begin the episodes of ``ids``, whose draws are applied; ``key`` names their numbers."""
        self._sent[ids] = 0.0
        self._push[ids] = 0.0
        self._look_up(ids, key)
        seen, friction = self.realized, self._applier.acting_friction(ids)
        seen.foot_friction[ids] = seen.lowest_foot_friction[ids] = friction
        seen.total_mass[ids] = self._applier.acting_mass(ids)
        seen.impulse[ids] = 0.0

    def received(self, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """What reaches the motors of the actions sent, (N, A).

        A lost action leaves the last one in force; before the first arrives it is the standing
        pose, action 0.
        """
        if not self._on & CHANNEL:
            return action
        draws, sent = self._draws, self._sent
        last = sent[:, 0].copy()
        sent[:, 1:] = sent[:, :-1].copy()
        sent[:, 0] = action
        if "packet_loss" in self._on:
            chance = uniform(Stream.PACKET_LOSS, self._key, steps, 1)
            lost = chance[:, 0] < draws.packet_loss
            sent[lost, 0] = last[lost]
        return sent[self._rows, draws.action_delay]

    def before_step(self, steps: np.ndarray, now: Readings) -> None:
        """Begin and end the pushes and slips that are due at this control step."""
        if "push_impulse" in self._on:
            due = np.equal(self._push_steps, steps[:, None, None])
            if due.any():
                self._change_pushes(np.flatnonzero(due.any(axis=(1, 2))), steps, now)
        if "slip_duration" in self._on:
            due = np.equal(self._slip_steps, steps[:, None])
            if due.any():
                self._set_slips(np.flatnonzero(due.any(axis=1)), steps)

    def after_step(self) -> None:
        """Tally what was delivered in the control step."""
        if "push_impulse" in self._on and self._force.any():
            size = np.sqrt((self._force**2).sum(axis=1))
            self.realized.impulse[:] += size * self._task.control_dt

    def lately(self, sim: int, step: int, seconds: float) -> np.ndarray:
        """Forces of the pushes of ``sim`` that act, or began less than ``seconds`` ago.

        Returns:
            One row each, world frame, N, (k, 3).
        """
        begin, end = self._push_steps[sim].T  # (MAX_PUSHES,)
        until = np.maximum(end, begin + round(seconds / self._task.control_dt))
        shown = (begin < step) & (step <= until) & self._push[sim].any(axis=1)
        return self._push[sim, shown]

    def sensed(self, now: Readings) -> Readings:
        """What the sensors measure, noise aside: encoders with their bias, gravity's direction."""
        draws = self._draws
        if "encoder_bias" in self._on:
            now = replace(now, joint_position=now.joint_position + draws.encoder_bias)
        if "gravity_tilt" in self._on:
            ids = np.flatnonzero(draws.gravity_tilt.any(axis=1))
            up = now.up.copy()
            up[ids] = _to_base(now.base_orientation[ids], self._up[ids])
            now = replace(now, up=up)
        return now

    def add_noise(self, obs: np.ndarray, steps: np.ndarray) -> None:
        """Add the sensor noise of these control steps to observations, (N, O), in place."""
        if "sensor_noise" not in self._on or not self._noisy:
            return
        amount = self._draws.sensor_noise
        ids = np.flatnonzero(amount)
        size = sum(part.stop - part.start for part, _ in self._noisy)
        chance = uniform(Stream.SENSOR_NOISE, self._key[ids], steps[ids], size)
        noise = (amount[ids, None] * (2.0 * chance - 1.0)).astype(np.float32)
        rows = slice(None) if len(ids) == len(obs) else ids
        start = 0
        for part, width in self._noisy:
            end = start + part.stop - part.start
            obs[rows, part] += np.float32(width) * noise[:, start:end]
            start = end

    def state_dict(self) -> dict[str, np.ndarray]:
        """What continues, beside the simulation state, in which the forces are."""
        parts = {"sent": self._sent, "push": self._push}
        return parts | {f"realized.{name}": array for name, array in vars(self.realized).items()}

    def load_state_dict(
        self, saved: dict[str, np.ndarray], steps: np.ndarray, key: np.ndarray
    ) -> None:
        """Continue, with the draws already loaded and applied, at these control steps."""
        for name, array in self.state_dict().items():
            array[:] = saved[name]
        self._look_up(self._rows, key)
        begin, end = self._slip_steps.T
        slipping = np.flatnonzero((begin < steps) & (steps < end))
        self._applier.set_friction(slipping, self._draws.slip_friction[slipping])

    def _look_up(self, ids: np.ndarray, key: np.ndarray) -> None:
        """What follows from the draws: when pushes and slips begin and end; -1: never."""
        draws, dt = self._draws, self._task.control_dt
        self._key[ids] = key
        if "gravity_tilt" in self._on:
            self._up[ids] = tilted(np.array([0.0, 0.0, 1.0]), draws.gravity_tilt[ids])
        if "push_impulse" in self._on:
            begin = np.rint(draws.push_begin[ids] / dt)
            end = begin + np.maximum(np.rint(draws.push_duration[ids] / dt), 1.0)
            both = np.stack([begin, end], axis=2)
            both[~np.any(draws.push_impulse[ids], axis=2)] = -1.0
            self._push_steps[ids] = both
        if "slip_duration" in self._on:
            begin = np.rint(draws.slip_begin[ids] / dt)
            end = begin + np.rint(draws.slip_duration[ids] / dt)
            both = np.stack([begin, end], axis=1)
            both[np.equal(begin, end)] = -1.0
            self._slip_steps[ids] = both

    def _change_pushes(self, ids: np.ndarray, steps: np.ndarray, now: Readings) -> None:
        begin, end = np.moveaxis(self._push_steps[ids], 2, 0)  # (k, MAX_PUSHES)
        step = steps[ids, None]
        seconds = (end - begin) * self._task.control_dt
        force = self._draws.push_impulse[ids] / np.where(end > begin, seconds, 1.0)[..., None]
        world = _from_heading(now.base_orientation[ids], force)
        self._push[ids] = np.where((begin == step)[..., None], world, self._push[ids])
        acting = (begin <= step) & (step < end)
        self._force[ids] = (self._push[ids] * acting[..., None]).sum(axis=1)

    def _set_slips(self, ids: np.ndarray, steps: np.ndarray) -> None:
        draws, (begin, end) = self._draws, self._slip_steps[ids].T
        slipping = (begin <= steps[ids]) & (steps[ids] < end)
        friction = np.where(slipping, draws.slip_friction[ids], draws.foot_friction[ids])
        self._applier.set_friction(ids, friction)
        lowest = self.realized.lowest_foot_friction
        lowest[ids] = np.minimum(lowest[ids], self._applier.acting_friction(ids))


def _from_heading(orientation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Heading frame to world frame, (k, 4) and (k, P, 3) to (k, P, 3)."""
    heading = yaw(orientation)[:, None]
    c, s = np.cos(heading), np.sin(heading)
    forward, left, up = np.moveaxis(vector, 2, 0)
    return np.stack([c * forward - s * left, s * forward + c * left, up], axis=2)


def _to_base(orientation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """World frame to base frame, (k, 4) and (k, 3) to (k, 3)."""
    w, x, y, z = orientation.T
    a, b, c = vector.T
    # v - w t + q x t with t = 2 q x v, spelled out: numpy's cross product is slow on few rows.
    p, q, r = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    parts = (a - w * p + y * r - z * q, b - w * q + z * p - x * r, c - w * r + x * q - y * p)
    return np.stack(parts, axis=1)


def _noisy(layout: tuple[Field, ...]) -> list[tuple[slice, float]]:
    """Where an observation is noisy, and the half-widths."""
    ends = np.cumsum([field.size for field in layout]).tolist()
    return [
        (slice(end - field.size, end), field.noise)
        for field, end in zip(layout, ends, strict=True)
        if field.noise
    ]
