"""Named fields of observations and actions, their reflection, goals, and a policy's layout."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from robo_maxent.differences import have
from robo_maxent.errors import PolicyError, UsageError
from robo_maxent.from_json import typed


@dataclass(frozen=True)
class Field:
    """One named part of an observation or of an action."""

    name: str
    unit: str
    size: int
    """Number of elements."""
    sign: tuple[int, ...] | None = None
    """Sign of each element under left-right reflection, after permutation; None: the field
    declares no reflection, so nothing that contains it is mirrored."""
    permutation: tuple[int, ...] | None = None
    """Index of the element that each element comes from under reflection; None: itself."""
    noise: float = 0.0
    """Half-width of uniform sensor noise, in the unit; the effect ``sensor_noise`` scales it."""
    privileged: bool = False
    """Whether only critics see it, since no robot could measure it. These fields come last."""

    def __post_init__(self) -> None:
        """Check that it has elements, and that reflecting it twice changes nothing."""
        if self.size < 1:
            raise UsageError(
                f"the field {self.name!r} must have a size of at least 1, got {self.size}"
            )
        if self.sign is None:
            return
        sign, order = list(self.sign), list(self.permutation or range(self.size))
        if len(sign) != self.size or not {-1, 1}.issuperset(sign):
            raise UsageError(
                f"sign of the field {self.name!r} must have {self.size} elements, each 1 or -1, "
                f"got {self.sign}"
            )
        if sorted(order) != list(range(self.size)):
            raise UsageError(
                f"permutation of the field {self.name!r} must have each index from 0 to "
                f"{self.size - 1} once, got {self.permutation}"
            )
        if any(order[j] != i or sign[i] != sign[j] for i, j in enumerate(order)):
            raise UsageError(
                f"the field {self.name!r} must be what it was after two reflections, so elements "
                f"change places in pairs, with the same sign: got sign {self.sign}, permutation "
                f"{self.permutation}"
            )


def places(sizes: Iterable[tuple[str, int]]) -> dict[str, slice]:
    """Name -> slice of each part of a flat vector, from their names and sizes."""
    found, start = {}, 0
    for name, size in sizes:
        found[name] = slice(start, start + size)
        start += size
    return found


def columns(fields: Sequence[Field]) -> dict[str, slice]:
    """Name -> slice of each field of an observation or an action."""
    return places((field.name, field.size) for field in fields)


@dataclass(frozen=True)
class Mirror:
    """Left-right reflection of a flat vector: ``x[permutation] * sign``."""

    permutation: np.ndarray
    sign: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Reflect vectors, (..., size) to (..., size)."""
        return x[..., self.permutation] * self.sign


def mirror(fields: tuple[Field, ...]) -> Mirror | None:
    """Reflection of a whole vector of fields; None if one of them declares none."""
    permutation: list[int] = []
    sign: list[int] = []
    for field in fields:
        if field.sign is None:
            return None
        start = len(permutation)
        order = field.permutation or tuple(range(field.size))
        permutation += [start + element for element in order]
        sign += field.sign
    return Mirror(np.array(permutation), np.array(sign, np.float32))


def unprivileged(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Fields that a policy sees, which come first.

    Raises:
        UsageError: One of them stands after a privileged field, or there is none.
    """
    count = sum(not field.privileged for field in fields)
    late = [field.name for field in fields[count:] if not field.privileged]
    if late:
        raise UsageError(
            f"observation field {late[0]!r} stands after a privileged one: put all privileged "
            "fields last"
        )
    if not count:
        raise UsageError("every observation field is privileged: a policy would see nothing")
    return fields[:count]


@dataclass(frozen=True)
class Box:
    """Continuous actions, (N, A), in [-1, 1], which stands for ``centre`` ± ``scale``."""

    names: tuple[str, ...]
    """Name of each element, A."""
    centre: np.ndarray
    """What action 0 stands for, (A,)."""
    scale: np.ndarray
    """What action 1 adds to that, (A,)."""

    @property
    def size(self) -> int:
        """Number of elements of an action, A."""
        return len(self.names)

    @property
    def columns(self) -> int:
        """Number of columns that an action takes in the replay buffer, A."""
        return self.size

    def first(self, n: int) -> np.ndarray:
        """N times action zero, which stands for the centre, float32, (N, A)."""
        return np.zeros((n, self.size), np.float32)

    def random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """N uniform actions, float32, (N, A)."""
        return rng.uniform(-1.0, 1.0, (n, self.size)).astype(np.float32)

    def to_columns(self, action: np.ndarray) -> np.ndarray:
        """Actions as the replay buffer stores them: unchanged, (N, A)."""
        return action

    def from_columns(self, columns: np.ndarray) -> np.ndarray:
        """Actions from the replay buffer, clipped to [-1, 1], float32, (N, A)."""
        return np.clip(columns, -1.0, 1.0).astype(np.float32)

    def wrong(self, action: np.ndarray) -> np.ndarray:
        """Which of N actions are invalid, NaN or infinite, bool, (N,)."""
        return ~np.asarray(np.isfinite(action).all(axis=-1))

    def shown(self, action: np.ndarray) -> str:
        """An invalid action, (A,), in words, for a message."""
        return "NaN" if np.isnan(action).any() else "infinity"

    def checked(self, action: np.ndarray, n: int) -> np.ndarray:
        """Check N actions before they are simulated, and clip them to [-1, 1], (N, A).

        Raises:
            UsageError: Their shape is wrong, or one is NaN or infinite.
        """
        if np.shape(action) != (n, self.size):
            raise UsageError(f"action must have shape {(n, self.size)}, got {np.shape(action)}")
        wrong = np.flatnonzero(self.wrong(action))
        if len(wrong):
            raise UsageError(
                f"action must be finite, got NaN or infinity in simulations {wrong[:5].tolist()}; "
                "nothing was stepped"
            )
        return np.clip(action, -1.0, 1.0)


@dataclass(frozen=True)
class Discrete:
    """One of several actions, each a whole number from 0 on: N of them are integers, (N,)."""

    labels: tuple[str, ...]
    """What each action does, in words."""

    @property
    def size(self) -> int:
        """Number of actions to choose from, A."""
        return len(self.labels)

    @property
    def columns(self) -> int:
        """Number of columns that an action takes in the replay buffer: one, float32."""
        return 1

    def first(self, n: int) -> np.ndarray:
        """N times action 0, int64, (N,)."""
        return np.zeros(n, np.int64)

    def random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """N actions, all equally likely, int64, (N,)."""
        return rng.integers(self.size, size=n)

    def to_columns(self, action: np.ndarray) -> np.ndarray:
        """Actions as the replay buffer stores them, float32, which is exact, (N, 1)."""
        return np.asarray(action, np.float32)[:, None]

    def from_columns(self, columns: np.ndarray) -> np.ndarray:
        """Actions from the replay buffer, int64, (N,)."""
        return columns[:, 0].astype(np.int64)

    def wrong(self, action: np.ndarray) -> np.ndarray:
        """Which of N whole numbers are out of range, bool, (N,)."""
        return (action < 0) | (action >= self.size)

    def shown(self, action: np.ndarray) -> str:
        """An invalid action in words; policies return -1 where they computed NaN."""
        return f"{action}, where actions are 0 to {self.size - 1}"

    def checked(self, action: np.ndarray, n: int) -> np.ndarray:
        """Check N actions before they are simulated, int64, (N,).

        Raises:
            UsageError: They are no whole numbers, of another shape, or one is out of range.
        """
        action = np.asarray(action)
        if action.shape != (n,) or action.dtype.kind not in "iu":
            raise UsageError(
                f"action must be whole numbers of shape {(n,)}, got {action.dtype} of shape "
                f"{action.shape}"
            )
        wrong = np.flatnonzero(self.wrong(action))
        if len(wrong):
            raise UsageError(
                f"action must be from 0 to {self.size - 1}, got {action[wrong[0]]} in simulations "
                f"{wrong[:5].tolist()}; nothing was stepped"
            )
        return action.astype(np.int64)


ActionSpace = Box | Discrete


@dataclass(frozen=True)
class GoalSpec:
    """Which fields of an observation are goals, and the reward of a transition for any goal.

    Hindsight relabelling writes a goal that was achieved later into the place of the desired one,
    and asks for the reward again; both functions must depend on nothing but their arguments.
    """

    achieved: str
    """Name of the field that says what was achieved; it may be privileged."""
    desired: str
    """Name of the field that says what was desired, of the same size."""
    reward: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """Rewards, (B,), of observations (B, O), actions (B, A) and successors (B, O), whatever goals
    stand in these; without the cost of a termination."""
    success: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Whether achieved goals, (B, G), meet desired ones, (B, G): bool, (B,)."""
    relative: tuple[str, ...] = ()
    """Names of fields that are the desired goal minus something, and so move with it."""
    terminates: bool = False
    """Whether success ends the episode."""
    share: float = 0.8
    """Share of the sampled transitions of finished episodes that are relabelled; 0.8 is four
    relabelled for each original (Andrychowicz et al. 2017, arXiv 1707.01495: "future", k = 4)."""
    least_move: float = 0.0
    """Episodes in which the achieved goal moved by less than this, in its unit, are not
    relabelled: there is nothing to learn from standing still."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0.0 <= self.share <= 1.0:
            raise UsageError(f"share of a GoalSpec must be within [0, 1], got {self.share}")
        if not self.least_move >= 0.0:
            raise UsageError(f"least_move of a GoalSpec must be >= 0, got {self.least_move}")
        if isinstance(self.relative, str):
            raise UsageError(
                f"relative of a GoalSpec must be a tuple of names, got {self.relative!r}"
            )


OF_ROBOT = ("joints", "action_centre", "action_scale")
"""Parts of a layout that differ between robots that do the same task."""
OTHER_ROBOT = " It was trained with another robot: name that with --robot."


@dataclass(frozen=True)
class Layout:
    """What a policy sees and what its actions mean; it acts only where this is the same."""

    task: str
    """Name of the task it was trained on."""
    observation: tuple[tuple[str, int, str], ...]
    """Name, size and unit of each part of the observation that it sees, in order."""
    joints: tuple[str, ...]
    """Name of each action element, in order; labels of the actions, if they are discrete."""
    action_centre: tuple[float, ...]
    """Meaning of action 0: joint targets, rad, where joints are moved; empty if actions are
    discrete."""
    action_scale: tuple[float, ...]
    """What action 1 adds to that; empty if actions are discrete."""
    control_dt: float
    """Time between two actions, s."""

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation that it sees, P."""
        return sum(size for _, size, _ in self.observation)

    @property
    def is_discrete(self) -> bool:
        """Whether an action is one of several choices."""
        return not self.action_scale

    def require(self, other: "Layout") -> None:
        """Check that a policy of this layout fits a task of another layout.

        Raises:
            PolicyError: It does not; the message names the first difference.
        """
        theirs = asdict(other)
        for name, own in asdict(self).items():
            if name != "task" and own != theirs[name]:
                raise PolicyError(
                    f"This policy, trained on {self.task!r}, does not fit {other.task!r}: "
                    f"its {_difference(name.replace('_', ' '), own, theirs[name])}."
                    + (OTHER_ROBOT if self._is_of_other_robot(other) else "")
                )

    def _is_of_other_robot(self, other: "Layout") -> bool:
        """Whether a layout is of the same or a similar task for another robot."""
        moves = [[vars(layout)[name] for name in OF_ROBOT] for layout in (self, other)]
        return moves[0] != moves[1] and (
            self.task == other.task or self.observation == other.observation
        )

    def to_json(self) -> str:
        """One JSON object, for the metadata of a policy file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else; the message says what was expected.
        """
        layout: Layout = typed(cls, json.loads(text), "the layout")
        sizes = [size for _, size, _ in layout.observation]
        if not sizes or not all(0 < size < 2**24 for size in sizes):
            raise ValueError(f"the layout's parts must have sizes from 1 on, got {sizes}")
        ranges = (layout.action_centre, layout.action_scale)
        lengths = {len(values) for values in ranges}
        if not layout.joints or lengths not in ({len(layout.joints)}, {0}):
            raise ValueError(
                "the layout must have a centre and a scale for each of its joints, or none at all"
            )
        if not np.isfinite([*layout.action_centre, *layout.action_scale, layout.control_dt]).all():
            raise ValueError("the layout's numbers must be finite")
        return layout


def _difference(name: str, own: Any, theirs: Any) -> str:
    """How a field of a layout differs from a task's, always on one line."""
    if not isinstance(own, tuple):
        return f"{name} is {own}, the task's is {theirs}"
    has = have(name)
    own_only = [part for part in own if part not in theirs]
    theirs_only = [part for part in theirs if part not in own]
    if own_only or theirs_only:
        return f"{name} {has} {_few(own_only)} where the task's {has} {_few(theirs_only)}"
    if len(own) != len(theirs):
        return f"{name} {has} {len(own)} elements, the task's {has} {len(theirs)}"
    place = next(
        i for i, (ours, other) in enumerate(zip(own, theirs, strict=True)) if ours != other
    )
    return (
        f"{name} {has} another order: element {place + 1} is {own[place]}, the task's is "
        f"{theirs[place]}"
    )


def _few(parts: Sequence[Any], most: int = 3) -> str:
    """The first few differing parts, for a message."""
    different = [_part(*p) if isinstance(p, tuple) else str(p) for p in dict.fromkeys(parts)]
    more = f" and {len(different) - most} more" if len(different) > most else ""
    return (", ".join(different[:most]) + more) or "nothing"


def _part(name: str, size: int, unit: str) -> str:
    """A part of an observation in words, for a message."""
    return f"{name} ({size})" if unit in ("", "1") else f"{name} ({size} in {unit})"
