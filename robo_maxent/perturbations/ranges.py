"""Ranges that the episodes of a training are drawn from, and three named levels of them."""

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from numbers import Real
from typing import Any

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.base import Perturbation, Ranges
from robo_maxent.perturbations.params import Effects, EpisodeParams
from robo_maxent.sim.robot import Robot

LEVELS = ("none", "default", "hard")
"""Each effect says what it is at them, with the sources; payloads and pushes scale with mass."""


class Randomization:
    """The ranges of all effects of a task, as built: nominal. Read only."""

    def __init__(self, effects: Effects, robot: Robot, ranges: Ranges) -> None:
        """Set some ranges.

        Args:
            effects: What may vary.
            robot: Whose episodes.
            ranges: Name of a range -> (low, high), or a probability; the others are nominal.

        Raises:
            UnknownNameError: No effect has such a range; the message lists those there are.
            UsageError: A range is not within what is allowed, or the robot lacks what it takes.
        """
        if not isinstance(ranges, Mapping):
            raise UsageError(
                f"a randomization must be one of {', '.join(LEVELS)}, or ranges by name, got "
                f"{ranges!r}"
            )
        known = {name: value for effect in effects for name, value in effect.ranges.items()}
        for name in ranges:
            if name not in known:
                raise UnknownNameError("range", name, known)
        self._effects, self._robot = tuple(effects), robot
        self.ranges = {
            **known,
            **{name: _like(known[name], value, name) for name, value in ranges.items()},
        }
        for effect in self._effects:
            _check(effect, self.of(effect), robot)

    @cached_property
    def varied(self) -> tuple[Perturbation, ...]:
        """The effects that can differ between episodes."""
        return tuple(effect for effect in self._effects if effect.varies(self.of(effect)))

    def of(self, effect: Perturbation) -> dict[str, Any]:
        """The ranges of one effect."""
        return {name: self.ranges[name] for name in effect.ranges}

    @lru_cache(maxsize=64)  # noqa: B019 (there is one of them in a process, or a few)
    def narrowed(self, share: float) -> "Randomization":
        """The same drawn in towards the nominal values, linearly: 1 leaves them, 0 is nominal."""
        ranges: dict[str, Any] = {}
        for effect in self._effects:
            ranges |= effect.narrowed(self.of(effect), share)
        return Randomization(self._effects, self._robot, ranges)

    def describe(self) -> str | dict[str, Any]:
        """The name of a level, or the ranges that are not nominal: what JSON can hold."""
        for name in LEVELS:
            if self.ranges == level(name, self._effects, self._robot).ranges:
                return name
        nominal = Randomization(self._effects, self._robot, {}).ranges
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.ranges.items()
            if value != nominal[name]
        }

    def draw(
        self, rng: Callable[[str], np.random.Generator], into: EpisodeParams, sim: int
    ) -> None:
        """Draw one episode and write what varies into row ``sim``.

        Each effect has a generator of its own, so that changing one leaves the others alone.

        Args:
            rng: Name of an effect -> its fresh generator for this episode.
            into: Where to.
            sim: Its row.
        """
        for effect in self.varied:
            into.change(sim, effect.sample(self.of(effect), rng(effect.name), self._robot))


def level(name: str, effects: Effects, robot: Robot) -> Randomization:
    """The ranges of a level.

    Raises:
        UnknownNameError: There is no such level; the message lists those there are.
    """
    if name not in LEVELS:
        raise UnknownNameError("randomization", name, LEVELS)
    ranges: dict[str, Any] = {}
    for effect in effects:
        ranges |= effect.level(name, robot)
    return Randomization(effects, robot, ranges)


def randomization(
    given: "Randomization | str | Mapping[str, Any]", effects: Effects, robot: Robot
) -> Randomization:
    """Ranges from a level's name, or from what :meth:`Randomization.describe` wrote.

    Raises:
        UsageError: There is no such level or range, or it is not allowed.
    """
    if isinstance(given, Randomization):
        return given
    if isinstance(given, str):
        return level(given, effects, robot)
    return Randomization(effects, robot, given)


def _like(nominal: Any, value: Any, name: str) -> Any:
    """A value of the kind that a range has: a number where it is one nominally, else numbers.

    Raises:
        UsageError: It is none.
    """
    found = tuple(value) if isinstance(value, list) else value
    if found == nominal:
        return found
    if isinstance(nominal, float):
        kind, parts = "a number", (found,)
    else:
        kind, parts = "a range of two numbers", found if isinstance(found, tuple) else (None,)
    if not all(isinstance(part, Real) for part in parts):
        raise UsageError(f"{name} must be {kind}, got {value!r}")
    return found


def _check(effect: Perturbation, ranges: Ranges, robot: Robot) -> None:
    lacking = effect.lacking(robot)
    if lacking is not None and effect.varies(ranges):
        raise UsageError(f"{effect.name} can't vary: the robot has {lacking}")
    limits = effect.range_limits(robot) if lacking is None else {}
    for name, value in ranges.items():
        if isinstance(value, float) and not 0.0 <= value <= 1.0:
            raise UsageError(f"{name} must be a probability in [0, 1], got {value}")
        if not isinstance(value, tuple) or name not in limits:
            continue
        low, high = limits[name]
        if len(value) != 2 or not low <= value[0] <= value[1] <= high:
            raise UsageError(
                f"{name} must be an increasing range within {(low, high)}, got {value}"
            )
