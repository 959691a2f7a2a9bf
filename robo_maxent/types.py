"""What simulations report: a control step of all of them, and the episodes that ended at it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Episode:
    """What one finished episode was."""

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
    """It ended without a fall and met the task's goal; None: the task has no notion of success."""
    terminated: bool
    """It ended in a fall or a diverged simulation, rather than by its time limit."""
    diverged: bool
    """The simulation became unstable; its last finite state was dumped."""
    measures: dict[str, float | None]
    """Named measures of the task; None where the episode was too short to have one."""
    draw: dict[str, Any]
    """What was different about it: its foot friction, and whatever else was not nominal."""
    realized: dict[str, float] = field(default_factory=dict)
    """What the simulation did of it, read back from there: see ``perturb.Realized``."""
    terrain: str | None = None
    """Kind of the ground; None: the plane of the robot file."""
    level: int | None = None
    """Its difficulty in tenths."""
    fault: str | None = None
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
    """Something to show in a video that the physics does not know."""

    start: np.ndarray
    """World frame, m, (3,)."""
    vector: np.ndarray
    """World frame, m, (3,)."""
    rgba: tuple[float, float, float, float]
