"""What ``robot check`` proposes for a model: a page, and findings, each with its fix."""

from collections.abc import Sequence
from dataclasses import dataclass

from robo_maxent.robots.page import Page
from robo_maxent.sim.physics import mujoco


@dataclass(frozen=True)
class Finding:
    """One thing that a task can't take as it is, or that its user should know."""

    what: str
    """What is found, in words and numbers."""
    fix: str
    """What is done about it, or, if it is the user's to do, what to do."""
    by_hand: bool = False
    """Nothing here can mend it."""


@dataclass(frozen=True)
class Proposal:
    """A page for a model, and what is wrong with the model."""

    page: Page
    findings: tuple[Finding, ...]
    mass: float
    """Of all that moves, kg."""
    length: float
    """Of the legs of a quadruped, or how far an arm reaches, m."""

    @property
    def by_hand(self) -> tuple[Finding, ...]:
        """What its user has to mend."""
        return tuple(finding for finding in self.findings if finding.by_hand)


def other_world(model: mujoco.MjModel) -> Finding:
    """What becomes of the world that a file has."""
    return Finding(
        f"a time step of {1e3 * model.opt.timestep:g} ms and solver options of its own",
        "the task's world, with its ground, time step and solver",
    )


def few(names: Sequence[str], most: int = 4) -> str:
    """The first of some names, for people."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name or "unnamed" for name in names[:most]) + more
