"""Pushes: a force on the base for a moment."""

from collections.abc import Mapping, Sequence
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
from robo_maxent.sim.body_scale import mass_scale
from robo_maxent.sim.robot import LeggedState, Robot, RobotState
from robo_maxent.sim.rotations import from_heading, yaw
from robo_maxent.types import Arrow, Breakdown

MAX_PUSHES = 4
"""Pushes in an episode: one every 5 to 10 s is at most three in 20 s."""

DIRECTIONS = {
    "ahead": 0.0,
    "ahead left": 45.0,
    "left": 90.0,
    "behind left": 135.0,
    "behind": 180.0,
    "behind right": -135.0,
    "right": -90.0,
    "ahead right": -45.0,
}
"""Where a push goes: name -> degrees in the heading frame, counter-clockwise."""

# Times of a stress test, from the start of an episode of 10 s, s. Every push is over 3 s before its
# end, the time that a judgement takes. Training pushes come at 5 to 10 s, and at least 4 s apart.
PUSH_SECONDS = (0.1, 0.2)
ONCE = (4.0, 6.5)
TWICE = ((1.5, 2.5), (6.0, 6.5))
EARLY = (1.0, 3.0)
PAIR, APART = (3.0, 5.0), (0.3, 0.8)

# In a picture.
RGBA = (0.85, 0.0, 0.4, 1.0)
RADIUS = 0.022  # m
SCALE = 0.005  # m of arrow for each N
LENGTHS = (0.25, 0.8)  # m
ABOVE = np.array([0.0, 0.0, 0.12])  # the base, m: on the back, since the trunk would hide it
SHOWN_SECONDS = 0.4
"""A push is shown for at least this time: most last a tenth of a second, which nobody sees."""


class Pushes(Perturbation):
    """Impulses on the centre of mass of the base, each a constant force for a while.

    Severities are in capture impulses of the robot, and impulses of training in proportion to its
    mass.
    """

    name = "push"
    title = "Pushes"
    unit = "capture impulses"
    summary = "one push, or two far apart"
    severities = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    reference = 1.0
    ranges: Ranges = {
        "push_impulse": (0.0, 0.0),  # N·s, in any horizontal direction
        "push_interval": (5.0, 10.0),  # s, from the start to the first, and from one to the next
        "push_duration": (0.1, 0.2),  # s
    }
    levels = {
        "default": {
            "push_impulse": (0.0, 6.4),  # 0.5 m/s of 12.74 kg: mjlab 1.6, Isaac Lab 2.3
            "push_interval": (5.0, 10.0),  # unitree_rl_lab, holosoma
        },
        "hard": {
            "push_impulse": (0.0, 12.7),  # 1 m/s of 12.74 kg: legged_gym, HIMLoco, holosoma
            "push_interval": (4.0, 8.0),  # chosen
        },
    }
    bounds = {
        "push_begin": (0.0, 1e6),  # s
        "push_duration": (0.0, 1e3),  # s
        "push_impulse": (-1e3, 1e3),  # N·s
    }
    realized = ("impulse",)
    needs = ("base", "feet")  # feet say how hard a push it can take

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Of each push: begin and duration in s, and impulse, heading frame, N·s; 0: none.

        In that frame x is where the robot faces as the push begins, and z is up. The duration is
        rounded to control steps, at least one.
        """
        return {
            "push_begin": np.zeros(MAX_PUSHES),
            "push_duration": np.zeros(MAX_PUSHES),
            "push_impulse": np.zeros((MAX_PUSHES, 3)),
        }

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """The size of an impulse is not negative, and one comes after the other."""
        size = {"push_impulse": (0.0, 1e3), "push_interval": (0.02, 1e6)}
        return {**self.bounds, **size}

    def level(self, name: str, robot: Robot) -> Ranges:
        """Impulses in proportion to the mass of the robot."""
        level = dict(self.levels.get(name, {}))
        if level:
            low, high = level["push_impulse"]
            level["push_impulse"] = (mass_scale(robot) * low, mass_scale(robot) * high)
        return level

    def varies(self, ranges: Ranges) -> bool:
        """Whether there are any."""
        return ranges["push_impulse"][1] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """One after the other, in any direction."""
        begin = np.cumsum(rng.uniform(*ranges["push_interval"], size=MAX_PUSHES))
        duration = rng.uniform(*ranges["push_duration"], size=MAX_PUSHES)
        size = rng.uniform(*ranges["push_impulse"], size=MAX_PUSHES)
        direction = rng.uniform(-np.pi, np.pi, MAX_PUSHES)
        impulse = np.zeros((MAX_PUSHES, 3))
        impulse[:, 0], impulse[:, 1] = size * np.cos(direction), size * np.sin(direction)
        return {"push_begin": begin, "push_duration": duration, "push_impulse": impulse}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Less hard, at the same times."""
        low, high = ranges["push_impulse"]
        return {**ranges, "push_impulse": (0.0 + share * low, 0.0 + share * high)}

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Pushes from every side, and pushes at times that training does not have."""
        around = (
            Breakdown("direction", "push direction", "polar"),
            Breakdown("stride phase", "push phase", "polar"),
        )
        by_side = self.axis(
            cases=(*DIRECTIONS, "repeated"),
            phrase="with pushes of {severity}",
            judged_by_recovery=True,
            breakdowns=around,
            suites={
                "quick": Share(8, 2, sampled=2, severities=(0.0, 0.5, 1.0, 1.5, 2.0)),
                "full": Share(34, 5, sampled=10),
            },
        )
        at_times = self.axis(
            name="timing",
            title="Pushes at untrained times",
            summary="pushes at times that training does not have: soon after the start, and in "
            "quick pairs",
            severities=(0.0, 0.5, 1.0, 1.5),
            cases=("early", "pair"),
            judged_by_recovery=True,
            suites={"quick": Share(16, 4, severities=(0.0, 1.0)), "full": Share(48, 8)},
        )
        return by_side, at_times

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """Of so many capture impulses, in the direction or at the time of the case."""
        if case == "repeated":
            times = [rng.uniform(*span) for span in TWICE]
            directions = np.deg2rad(rng.uniform(-180.0, 180.0, 2).tolist())
        elif case == "pair":
            begin = rng.uniform(*PAIR)
            times = [begin, begin + rng.uniform(*APART)]
            directions = rng.uniform(-np.pi, np.pi, 2)
        elif case in DIRECTIONS:
            times, directions = [rng.uniform(*ONCE)], np.deg2rad([DIRECTIONS[case]])
        else:
            times = [rng.uniform(*(EARLY if case == "early" else ONCE))]
            directions = rng.uniform(-np.pi, np.pi, 1)
        return _schedule(severity, times, directions, rng, plant)

    def push(self, direction: float, impulse: float, seconds: float) -> Values:
        """A single one, in the heading frame."""
        begin, duration = np.zeros(MAX_PUSHES), np.zeros(MAX_PUSHES)
        vectors = np.zeros((MAX_PUSHES, 3))
        duration[0], vectors[0, :2] = seconds, horizontal(impulse, direction)
        return {"push_begin": begin, "push_duration": duration, "push_impulse": vectors}

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """When the first one does."""
        pushes = np.any(params.get("push_impulse", 0.0))
        return params.get("push_begin", (0.0,))[0] if pushes else None

    def happening(self, values: Values, begin: float, params: Mapping[str, Any]) -> Values:
        """The first of them at that time, beside those that the episode has; it takes few at once.

        What is over makes room, or else what began first.
        """
        times, lasts = np.array(params["push_begin"]), np.array(params["push_duration"])
        impulses = np.array(params["push_impulse"])
        is_free = ~impulses.any(axis=1) | (times + lasts < begin)
        slot = int(np.argmin(np.where(is_free, -1.0, times)))
        times[slot], lasts[slot] = begin, values["push_duration"][0]
        impulses[slot] = values["push_impulse"][0]
        return {"push_begin": times, "push_duration": lasts, "push_impulse": impulses}

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Where the first one goes, heading frame."""
        return angle_of(params.get("push_impulse", [None])[0])

    def combined(self, share: float, robot: Robot) -> float | None:
        """One capture impulse."""
        return share

    def prepare(self, running: Running) -> None:
        """Remember when pushes begin and end, in control steps, and the force of each, N."""
        n = len(running.key)
        running.memory["push_steps"] = np.full((n, MAX_PUSHES, 2), -1)
        running.memory["push_force"] = np.zeros((n, MAX_PUSHES, 3))  # world frame, once begun

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up when they begin and end; -1: never."""
        begin = np.rint(running.params["push_begin"][ids] / running.control_dt)
        steps = np.rint(running.params["push_duration"][ids] / running.control_dt)
        both = np.stack([begin, begin + np.maximum(steps, 1.0)], axis=2)
        both[~np.any(running.params["push_impulse"][ids], axis=2)] = -1.0
        running.memory["push_steps"][ids] = both

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Forget the last episode."""
        running.memory["push_force"][ids] = 0.0
        running.realized["impulse"][ids] = 0.0

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Go on with those that had begun, and end those that the parameters have no more."""
        begin, end = np.moveaxis(running.memory["push_steps"], 2, 0)  # (N, MAX_PUSHES)
        acting = (begin < steps[:, None]) & (steps[:, None] < end)
        force = (running.memory["push_force"] * acting[..., None]).sum(axis=1)
        running.push(np.arange(len(steps)), force)

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Begin and end those that are due."""
        due = np.equal(running.memory["push_steps"], steps[:, None, None])
        if not due.any():
            return
        assert isinstance(state, LeggedState)  # a robot without a base lacks what it takes
        ids = np.flatnonzero(due.any(axis=(1, 2)))
        begin, end = np.moveaxis(running.memory["push_steps"][ids], 2, 0)  # (k, MAX_PUSHES)
        step = steps[ids, None]
        seconds = (end - begin) * running.control_dt
        force = running.params["push_impulse"][ids] / np.where(end > begin, seconds, 1.0)[..., None]
        world = from_heading(yaw(state.base_orientation[ids]), force)
        forces = running.memory["push_force"]
        forces[ids] = np.where((begin == step)[..., None], world, forces[ids])
        acting = (begin <= step) & (step < end)
        running.push(ids, (forces[ids] * acting[..., None]).sum(axis=1))

    def after_step(self, running: Running) -> None:
        """Tally the impulse delivered: a push that the episode's end cuts short counts so far."""
        if running.body_force.any():
            size = np.sqrt((running.body_force**2).sum(axis=1))
            running.realized["impulse"] += size * running.control_dt

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """An arrow on the back for each push that acts or did a moment ago."""
        assert isinstance(state, LeggedState)
        begin, end = running.memory["push_steps"][sim].T  # (MAX_PUSHES,)
        until = np.maximum(end, begin + round(SHOWN_SECONDS / running.control_dt))
        force = running.memory["push_force"][sim]
        shown = force[(begin < step) & (step <= until) & force.any(axis=1)]
        size = np.linalg.norm(shown, axis=1, keepdims=True)
        vectors = shown / size * np.clip(SCALE * size, *LENGTHS)
        start = state.base_position[sim] + ABOVE
        return [Arrow(start, vector, RGBA, RADIUS) for vector in vectors]


def _schedule(
    severity: float,
    times: Sequence[float],
    directions: np.ndarray,
    rng: np.random.Generator,
    plant: Plant,
) -> Values:
    """Pushes at these times, s, in these directions, rad."""
    begin, duration = np.zeros(MAX_PUSHES), np.zeros(MAX_PUSHES)
    impulse = np.zeros((MAX_PUSHES, 3))
    for i, (time, direction) in enumerate(zip(times, directions.tolist(), strict=True)):
        steps = max(round(rng.uniform(*PUSH_SECONDS) / plant.control_dt), 1)
        if severity == 0.0:
            continue
        begin[i], duration[i] = time, steps * plant.control_dt
        size = severity * plant.capture_impulse.towards(direction)
        impulse[i, :2] = size * np.array([np.cos(direction), np.sin(direction)])
    return {"push_begin": begin, "push_duration": duration, "push_impulse": impulse}
