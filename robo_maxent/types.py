"""What simulations report: a control step of all of them, the episodes that ended, a snapshot.

And how a report should break the episodes of a stress test down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Act = Callable[[np.ndarray], np.ndarray]
"""Any policy: the part of observations that it may see, (N, P), to actions (N, A)."""


@runtime_checkable
class Remembering(Protocol):
    """A policy with a memory or a clock of its own, which is told when episodes begin."""

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions, (N, A), at observations (N, P)."""
        ...

    def reset(self, simulations: np.ndarray) -> None:
        """Episodes begin in these rows of the observations that follow, int, (N,)."""
        ...


@dataclass(frozen=True, slots=True)
class Episode:
    """What one finished episode was; a report keeps a million, so it takes little memory."""

    task: str
    seed: int
    """Seed of the environment."""
    sim: int
    """Simulation it ran in; with ``seed`` and ``index`` it names the episode's randomness."""
    index: int
    """How many episodes that simulation had finished before."""
    length: int
    """Control steps."""
    reward: float
    """Sum of rewards."""
    success: bool | None
    """It met the task's goal without terminating; None: the task has no notion of success."""
    terminated: bool
    """It ended in a failure or a diverged simulation, rather than by its time limit."""
    diverged: bool
    """The simulation became unstable; its last finite state was dumped."""
    metrics: dict[str, float | None]
    """Named metrics of the task; None where the episode was too short to have one."""
    params: dict[str, Any]
    """What was different about it: each parameter of an effect that was not nominal."""
    realized: dict[str, float] = field(default_factory=dict)
    """What the simulation did of that, read back from it, as the effects say."""
    terrain: str | None = None
    """Kind of the ground; None: the plane of the robot file."""
    level: int | None = None
    """Its difficulty in tenths."""
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Where things were as it began, by the task's names: ahead and to the left of the robot's
    base, world frame, m."""
    policy_error: str | None = None
    """What the policy did that no policy may, and when; the episode counts as a failure."""


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
    """The simulation became unstable: this transition is not one to learn from, bool, (N,)."""
    terms: dict[str, np.ndarray]
    """Named reward terms, each (N,)."""
    episodes: list[Episode]
    """The episodes that ended at this step."""


@dataclass(frozen=True)
class Arrow:
    """Something to show in a picture that the physics does not know."""

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
    """All that a picture of one simulation needs, copied from it."""

    qpos: np.ndarray
    """Generalized position, (nq,)."""
    mocap_pos: np.ndarray
    """Positions of the bodies that are moved by hand, world frame, m, (nmocap, 3)."""
    mocap_quat: np.ndarray
    """Their orientations, unit quaternions w x y z, (nmocap, 4)."""
    patch: int
    """Patch of terrain that it takes place on; 0 on a plane."""
    arrows: tuple[Arrow, ...]
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Those of ``SHOWN_FIELDS`` that effects wrote -> values of all bodies, (bodies, ...), or
    of the geoms of the physics, (geoms, ...)."""


Rectangle = tuple[float, float, float, float]
"""Least x and y, then largest x and y, world frame, m."""


@dataclass(frozen=True)
class FloorPlan:
    """What stands where there are several ways to a goal, seen from above, world frame."""

    walls: tuple[Rectangle, ...]
    lids: Mapping[str, Rectangle]
    """Name of a way -> what closes it, where it is closed."""
    goal: tuple[float, float]
    """Its middle, m."""
    goal_radius: float
    """m."""
    chosen: str
    """Metric of an episode: 1 where it took the first of the two ways, 0 the other, None neither;
    it has the name of the first."""


By = Literal["case", "push direction", "push phase"]
"""What a breakdown tells episodes, or the pushes in them, apart by."""
Picture = Literal["grid", "polar", "joints", "paths"]
"""A table of shades, rings around the robot, marks on its joints, or paths on a floor plan."""


@dataclass(frozen=True)
class Breakdown:
    """Shares of an axis by one of its properties, for a picture of their own in the report."""

    title: str
    """For example "direction"."""
    by: By
    picture: Picture
