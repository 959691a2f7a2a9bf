"""What ``robot check`` proposes for a model: a page, and findings, each with its fix."""

from collections.abc import Sequence
from dataclasses import dataclass

from robo_maxent.robots.page import Page
from robo_maxent.sim.physics import mujoco


@dataclass(frozen=True)
class Finding:
    """One thing that a task can't use as it is, or that the user should know."""

    what: str
    """What was found, in words and numbers."""
    fix: str
    """What was done about it, or what the user has to do."""
    by_hand: bool = False
    """Whether only the user can fix it."""


@dataclass(frozen=True)
class Proposal:
    """A page for a model, and what is wrong with the model."""

    page: Page
    findings: tuple[Finding, ...]
    mass: float
    """Mass of everything that moves, kg."""
    length: float
    """Leg length of a quadruped, or reach of an arm, m."""

    @property
    def by_hand(self) -> tuple[Finding, ...]:
        """Findings that the user has to fix."""
        return tuple(finding for finding in self.findings if finding.by_hand)


def other_world(model: mujoco.MjModel) -> Finding:
    """The finding that a file's own world, time step and solver are replaced."""
    return Finding(
        f"a time step of {1e3 * model.opt.timestep:g} ms and solver options of its own",
        "the task's world, with its ground, time step and solver",
    )


def few(names: Sequence[str], most: int = 4) -> str:
    """The first names of a list, for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name or "unnamed" for name in names[:most]) + more
