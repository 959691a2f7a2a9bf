"""Records that simulations produce: steps, finished episodes, and snapshots for pictures.

It also has the breakdowns by which a report splits the episodes of a stress test.

And how a report should break the episodes of a stress test down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Act = Callable[[np.ndarray], np.ndarray]
"""Any policy: from the observations that it may see, (N, P), to actions, (N, A)."""


@runtime_checkable
class Remembering(Protocol):
    """A policy with memory or a clock of its own, which is told when episodes begin."""

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions, (N, A), at observations (N, P)."""
        ...

    def reset(self, simulations: np.ndarray) -> None:
        """Episodes begin in these rows of the next observations, int, (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Episode:
    """One finished episode; a report holds a million of them, so it is kept small."""

    task: str
    seed: int
    """Seed of the environment."""
    sim: int
    """Simulation it ran in; with ``seed`` and ``index`` it names the episode's randomness."""
    index: int
    """Number of episodes that this simulation had finished before."""
    length: int
    """Control steps."""
    reward: float
    """Sum of rewards."""
    success: bool | None
    """Whether it met the task's goal without terminating; None if the task does not define
    success."""
    terminated: bool
    """Whether it ended in a failure or a diverged simulation, rather than at its time limit."""
    diverged: bool
    """Whether the simulation became unstable; its last finite state was dumped."""
    metrics: dict[str, float | None]
    """Named metrics of the task; None where the episode was too short to have one."""
    params: dict[str, Any]
    """Parameters of effects that were not nominal in it."""
    realized: dict[str, float] = field(default_factory=dict)
    """What the simulation made of them, read back from it, as each effect reports."""
    terrain: str | None = None
    """Kind of the ground; None: the plane of the robot file."""
    level: int | None = None
    """Difficulty of the ground in tenths."""
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Where things were at the beginning, by the task's names: ahead and to the left of the
    robot's base, world frame, m."""
    policy_error: str | None = None
    """What invalid action the policy returned, and when; the episode counts as a failure."""


@dataclass(frozen=True)
class Step:
    """One control step of N simulations."""

    obs: np.ndarray
    """What to act on next, after any reset, float32, (N, O)."""
    next_obs: np.ndarray
    """True successor, before any reset, float32, (N, O)."""
    reward: np.ndarray
    """Reward, float32, (N,)."""
    terminated: np.ndarray
    """The episode ended in a state without a future, bool, (N,)."""
    truncated: np.ndarray
    """The episode was cut off by its time limit; its future still counts, bool, (N,)."""
    diverged: np.ndarray
    """Whether the simulation became unstable; nothing should be learnt from this transition,
    bool, (N,)."""
    terms: dict[str, np.ndarray]
    """Named reward terms, each (N,)."""
    episodes: list[Episode]
    """The episodes that ended at this step."""


@dataclass(frozen=True)
class Arrow:
    """An arrow in a picture, for something that the physics does not know."""

    start: np.ndarray
    """World frame, m, (3,)."""
    vector: np.ndarray
    """World frame, m, (3,)."""
    rgba: tuple[float, float, float, float]
    radius: float = 0.012
    """m."""


SHOWN_FIELDS = ("body_pos", "geom_pos", "geom_quat", "geom_size")
"""Fields of a model that effects change and pictures show."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that a picture of one simulation needs, copied from it."""

    qpos: np.ndarray
    """Generalized position, (nq,)."""
    mocap_pos: np.ndarray
    """Positions of mocap bodies, world frame, m, (nmocap, 3)."""
    mocap_quat: np.ndarray
    """Orientations of mocap bodies, unit quaternions w x y z, (nmocap, 4)."""
    patch: int
    """Index of its terrain patch; 0 on a plane."""
    arrows: tuple[Arrow, ...]
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Those of ``SHOWN_FIELDS`` that effects wrote -> values of all bodies, (bodies, ...), or
    of the geoms of the physics, (geoms, ...)."""


Rectangle = tuple[float, float, float, float]
"""Least x and y, then largest x and y, world frame, m."""


@dataclass(frozen=True)
class FloorPlan:
    """Walls and goals of a task with several ways to a goal, seen from above, world frame."""

    walls: tuple[Rectangle, ...]
    lids: Mapping[str, Rectangle]
    """Name of a way -> what closes it, where it can be closed."""
    goal: tuple[float, float]
    """Middle of the goal, m."""
    goal_radius: float
    """m."""
    chosen: str
    """Name of the first way, and of the metric that is 1 if an episode took it, 0 if it took the
    other, and None if it took neither."""


By = Literal["case", "push direction", "push phase"]
"""Property by which a breakdown groups episodes, or the pushes in them."""
Picture = Literal["grid", "polar", "joints", "paths"]
"""How it is drawn: a table of shades, rings around the robot, marks on its joints, or paths on a
floor plan."""


@dataclass(frozen=True)
class Breakdown:
    """Success rates of an axis grouped by a property, which get a picture of their own."""

    title: str
    """For example "direction"."""
    by: By
    picture: Picture
