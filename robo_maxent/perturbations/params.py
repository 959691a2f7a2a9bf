"""What is different about each of N episodes: the parameters of all effects, N rows each.

Training randomization and stress tests are the same object: an axis of a stress test is an effect
held at a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations.base import Perturbation, Values
from robo_maxent.sim.robot import Robot

Effects = Sequence[Perturbation]


class EpisodeParams(Mapping[str, np.ndarray]):
    """Parameter -> its values in N episodes, (N, ...).

    Those that an environment holds change as its episodes begin.
    """

    def __init__(self, values: Mapping[str, np.ndarray]) -> None:
        """Hold these arrays, all of as many rows."""
        self._values = dict(values)

    def __getitem__(self, name: str) -> np.ndarray:
        """One parameter, (N, ...)."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the parameters."""
        return iter(self._values)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self._values)

    def rows(self, ids: np.ndarray) -> Self:
        """Copies of some episodes, in this order."""
        return type(self)({name: values[ids] for name, values in self.items()})

    def change(self, row: int, values: Values) -> None:
        """Change some parameters of one episode."""
        for name, value in values.items():
            self._values[name][row] = value

    def fill(self, ids: np.ndarray, source: Self) -> None:
        """Make some episodes like the first of another set."""
        for name, values in self.items():
            values[ids] = source[name][0]

    def copy_rows(self, source: Self, ids: np.ndarray) -> None:
        """Take over some episodes of another set, from the same rows."""
        for name, values in self.items():
            values[ids] = source[name][ids]

    def differing(self, nominal: Self) -> set[str]:
        """Names of the parameters in which any episode differs from the first of ``nominal``."""
        return {name for name, values in self.items() if (values != nominal[name][:1]).any()}

    def record(self, nominal: Self, row: int) -> dict[str, Any]:
        """What is not nominal of an episode, in numbers and lists."""
        return {
            name: values[row].tolist()
            for name, values in self.items()
            if (values[row] != nominal[name][0]).any()
        }

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """The episodes of several sets, one after the other."""
        names = parts[0] if parts else ()
        return cls({name: np.concatenate([part[name] for part in parts]) for name in names})


def nominal(effects: Effects, robot: Robot, n: int) -> EpisodeParams:
    """N episodes of the robot as it was compiled, undisturbed."""
    values = {name: value for effect in effects for name, value in effect.nominal(robot).items()}
    return EpisodeParams(
        {name: np.repeat(value[None], n, axis=0) for name, value in values.items()}
    )


def owner(effects: Effects, robot: Robot) -> dict[str, Perturbation]:
    """Parameter -> the effect that it belongs to."""
    return {name: effect for effect in effects for name in effect.nominal(robot)}


def require_distinct(effects: Effects, robot: Robot) -> None:
    """Check that no two effects claim one name, parameter, range or axis.

    Raises:
        UsageError: The message says which two, and what they share.
    """
    owners: dict[tuple[str, str], Perturbation] = {}
    for effect in effects:
        claims = [("name", effect.name)]
        claims += [("parameter", name) for name in effect.nominal(robot)]
        claims += [("range", name) for name in effect.ranges]
        if effect.lacking(robot) is None:
            claims += [("axis", axis.name) for axis in effect.axes(robot)]
        for kind, name in claims:
            if (kind, name) in owners:
                one, two = type(owners[kind, name]).__name__, type(effect).__name__
                raise UsageError(f"the effects {one} and {two} have the same {kind}, {name!r}")
            owners[kind, name] = effect


def from_records(
    records: Sequence[Mapping[str, Any]], effects: Effects, robot: Robot
) -> EpisodeParams:
    """The episodes that :meth:`EpisodeParams.record` wrote, one each.

    Raises:
        UnknownNameError: A record has a parameter that no effect has; the message lists those
            there are.
        UsageError: A value is none of that parameter.
    """
    params = nominal(effects, robot, len(records))
    for row, record in enumerate(records):
        for name in record:
            if name not in params:
                raise UnknownNameError("parameter of an effect", name, params)
        try:
            params.change(row, dict(record))
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"the parameters of an episode can't be read: {error}") from error
    return params


def check(params: Mapping[str, np.ndarray], effects: Effects, robot: Robot, n: int) -> None:
    """Check names, shapes and values of N episodes at the door.

    Raises:
        UnknownNameError: There is a parameter that no effect has.
        UsageError: The message says which parameter, and what is allowed.
    """
    expected = nominal(effects, robot, n)
    for name in params:
        if name not in expected:
            raise UnknownNameError("parameter of an effect", name, expected)
    for effect in effects:
        limits = effect.limits(robot)
        for name in effect.nominal(robot):
            if name not in params:
                raise UsageError(f"{name} is missing")
            _check_values(name, np.asarray(params[name]), expected[name], limits[name])


def _check_values(
    name: str, values: np.ndarray, expected: np.ndarray, limits: tuple[float, float]
) -> None:
    if values.shape != expected.shape:
        raise UsageError(f"{name} must have shape {expected.shape}, got {values.shape}")
    low, high = limits
    allowed = (values >= low) & (values <= high)
    if not allowed.all():
        raise UsageError(
            f"{name} must be within [{low:g}, {high:g}], got {values[~allowed].flat[0]:g}"
        )
    if expected.dtype.kind in "bi" and (values != values.astype(expected.dtype)).any():
        kind = "true or false" if expected.dtype.kind == "b" else "whole numbers"
        raise UsageError(f"{name} must be {kind}")
