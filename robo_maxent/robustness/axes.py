"""Axes of robustness: what is made worse, by how much, and the draws that do it.

An axis holds one thing at a severity, the first of which is nominal. What else there is to choose,
such as directions and times, comes from a generator named by (seed, axis, case, simulation): it is
the same for every policy and at every severity.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from robo_maxent.envs.task import Task
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.perturbations import params as drawing
from robo_maxent.perturbations.params import Draw
from robo_maxent.robustness import changes
from robo_maxent.robustness.changes import DIRECTIONS, Change, Setting, World
from robo_maxent.sim.capture_impulse import capture
from robo_maxent.sim.terrain import KINDS


@dataclass(frozen=True)
class Axis:
    """One thing that is made worse step by step."""

    name: str
    unit: str
    """Of the severities."""
    summary: str
    severities: tuple[float, ...]
    """From nominal to worst."""
    change: Change | None = None
    """None: the severity is not in the draws, but in the ground."""
    fields: tuple[str, ...] = ()
    """Fields of a draw that it changes."""
    cases: Callable[[Task[Any]], tuple[str, ...]] | None = None
    """What it is done to, on a task: joints, directions, kinds of terrain; None: there is nothing
    to tell apart, and its only case is ''."""
    downward: bool = False
    """Smaller is worse."""
    walking: bool = False
    """It needs a robot that walks, for its pushes are judged by how it goes on."""

    def __post_init__(self) -> None:
        """Check the order of the severities."""
        sign = -1.0 if self.downward else 1.0
        worse = all(sign * (b - a) > 0.0 for a, b in pairwise(self.severities))
        if not self.severities or not np.isfinite(self.severities).all() or not worse:
            way = "down" if self.downward else "up"
            raise UsageError(
                f"severities of {self.name} must go from nominal to worst, which is {way}, got "
                f"{list(self.severities)}"
            )

    def at(self, severities: Sequence[float]) -> "Axis":
        """The same axis at other severities.

        Raises:
            UsageError: The first is not the nominal one, or they do not get worse.
        """
        if not severities or severities[0] != self.severities[0]:
            raise UsageError(
                f"severities of {self.name} must begin with the nominal one, "
                f"{self.severities[0]:g} {self.unit}".rstrip()
                + f", got {list(severities)}"
            )
        return replace(self, severities=tuple(severities))

    def draws(self, world: World, severity: float, case: str, sims: np.ndarray, seed: int) -> Draw:
        """Draws of episodes at a severity, nominal but for that.

        Args:
            world: Whose episodes.
            severity: In the unit of the axis.
            case: One of its cases; "": nominal, if it has any.
            sims: Simulations, int, (k,).
            seed: Of the whole set.
        """
        made = drawing.nominal(world.robot, len(sims))
        if self.change is not None and (case or self.cases is None):
            for row, sim in enumerate(sims):
                rng = _generator(seed, self.name, case, int(sim))
                self.change(made, row, Setting(severity, case, rng, world))
        return made

    def conditions(self, task: Task[Any]) -> list[tuple[float, str]]:
        """Severities and cases that there are on a task; nominal draws have no case."""
        cases = ("",) if self.cases is None else self.cases(task)
        nominal = [] if self.change is None else [(self.severities[0], "")]
        rest = self.severities[len(nominal) :]
        return nominal + [(severity, case) for severity in rest for case in cases]


def world_of(task: Task[Any]) -> World:
    """What axes have to know of a task."""
    return World(task.robot, capture(task.robot), task.control_dt)


def available(task: Task[Any]) -> dict[str, Axis]:
    """The axes that a task has, by name."""
    return {name: axis for name, axis in AXES.items() if _lacking(axis, task) is None}


def require(names: Iterable[str], task: Task[Any]) -> dict[str, Axis]:
    """Axes by name.

    Raises:
        UnknownNameError: There is no such axis.
        UsageError: The task does not have it; the message lists those it has.
    """
    found = {}
    for name in names:
        if name not in AXES:
            raise UnknownNameError("axis", name, AXES)
        lacking = _lacking(AXES[name], task)
        if lacking is not None:
            listed = ", ".join(available(task))
            raise UsageError(f"{task.name} has no axis {name}: {lacking}. It has: {listed}.")
        found[name] = AXES[name]
    return found


def _lacking(axis: Axis, task: Task[Any]) -> str | None:
    """What a task lacks for an axis; None: nothing."""
    missing = [name for name in axis.fields if name not in task.perturbations]
    if missing:
        return f"it does not support {', '.join(missing)}"
    if axis.walking and not walks(task):
        return "its robot does not walk"
    if axis.cases is not None and not axis.cases(task):
        return "it has no such terrain"
    return None


def walks(task: Task[Any]) -> bool:
    """Whether the task is to walk, so that recovery from pushes can be judged."""
    return type(task).walking is not Task.walking


def _generator(seed: int, axis: str, case: str, sim: int) -> np.random.Generator:
    key: Any = (zlib.crc32(axis.encode()), zlib.crc32(case.encode()), seed, sim)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _joints(task: Task[Any]) -> tuple[str, ...]:
    return task.robot.joints


def _known_kinds(task: Task[Any]) -> tuple[str, ...]:
    own = () if task.pool is None else task.pool.kinds
    return tuple(kind for kind in own if kind != "flat")


def _new_kinds(task: Task[Any]) -> tuple[str, ...]:
    if task.pool is None:
        return ()
    return tuple(kind for kind in KINDS if kind not in (*task.pool.kinds, "flat"))


PUSH = ("push_begin", "push_duration", "push_impulse")
SLIP = ("slip_begin", "slip_duration", "slip_friction")
COMBINED = (
    "foot_friction",
    "payload",
    "motor_strength",
    "sensor_noise",
    "encoder_bias",
    "action_delay",
    "packet_loss",
)
TERRAIN = ("terrain", "terrain_heldout")
"""Axes whose severity is in the ground: the level of a patch, of the kind that is the case."""
LEVELS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
FRICTIONS = (0.4, 0.3, 0.2, 0.1)

AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("nominal", "", "nothing is different", (0.0,)),
        Axis(
            "push",
            "capture impulses",
            "one push, or two far apart",
            (0.0, 0.5, 1.0, 1.5, 2.0, 2.5),
            changes.push,
            PUSH,
            lambda task: (*DIRECTIONS, "repeated"),
            walking=True,
        ),
        Axis(
            "timing",
            "capture impulses",
            "pushes at times that training does not have: soon after the start, and in quick pairs",
            (0.0, 0.5, 1.0, 1.5),
            changes.timing,
            PUSH,
            lambda task: ("early", "pair"),
            walking=True,
        ),
        Axis(
            "friction",
            "",
            "friction of the feet",
            (1.0, 0.8, 0.6, *FRICTIONS),
            changes.hold("foot_friction"),
            ("foot_friction",),
            downward=True,
        ),
        Axis(
            "slip",
            "",
            "friction of the feet for one second",
            (0.8, *FRICTIONS, 0.05),
            changes.slip,
            SLIP,
            downward=True,
            walking=True,
        ),
        Axis(
            "payload",
            "kg",
            "a mass on the back",
            (0.0, 1.0, 2.0, 3.0, 5.0, 7.0),
            changes.hold("payload"),
            ("payload",),
        ),
        Axis(
            "com",
            "m",
            "the centre of mass of the trunk is off, in any horizontal direction",
            (0.0, 0.02, 0.04, 0.06, 0.08, 0.1),
            changes.horizontal("com_offset"),
            ("com_offset",),
        ),
        Axis(
            "motor_strength",
            "",
            "share of the torque that all motors give",
            (1.0, 0.9, 0.8, 0.7, 0.6, 0.5),
            changes.hold("motor_strength"),
            ("motor_strength",),
            downward=True,
        ),
        Axis(
            "dead_joint",
            "joints",
            "one motor gives no torque",
            (0.0, 1.0),
            changes.joint("dead_joint"),
            ("dead_joint",),
            _joints,
        ),
        Axis(
            "locked_joint",
            "joints",
            "one joint is stuck at its angle in the standing pose",
            (0.0, 1.0),
            changes.joint("locked_joint"),
            ("locked_joint",),
            _joints,
        ),
        Axis(
            "gains",
            "",
            "stiffness and damping of the servos are off by this share, either way",
            (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
            changes.gains,
            ("kp_scale", "kd_scale"),
        ),
        Axis(
            "sensor_noise",
            "of declared",
            "multiple of the sensor noise that the task declares",
            (0.0, 1.0, 2.0, 4.0),
            changes.hold("sensor_noise"),
            ("sensor_noise",),
        ),
        Axis(
            "encoder_bias",
            "rad",
            "encoders read wrong by up to this, each by another angle",
            (0.0, 0.01, 0.02, 0.04, 0.06, 0.1),
            changes.bias,
            ("encoder_bias",),
        ),
        Axis(
            "action_delay",
            "control steps",
            "actions arrive late",
            (0.0, 1.0, 2.0, 3.0),
            changes.hold("action_delay"),
            ("action_delay",),
        ),
        Axis(
            "packet_loss",
            "",
            "share of the actions that are lost, the last one is held",
            (0.0, 0.05, 0.1, 0.2, 0.4),
            changes.hold("packet_loss"),
            ("packet_loss",),
        ),
        Axis(
            "gravity_tilt",
            "rad",
            "gravity is tilted: to the robot, the ground slopes",
            (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
            changes.horizontal("gravity_tilt"),
            ("gravity_tilt",),
        ),
        Axis("terrain", "level", "kinds of terrain it trained on", LEVELS, cases=_known_kinds),
        Axis("terrain_heldout", "level", "kinds of terrain it never met", LEVELS, cases=_new_kinds),
        Axis(
            "combined",
            "",
            "all at once; at 1: " + changes.ALL,
            (0.0, 0.25, 0.5, 0.75, 1.0),
            changes.combined,
            (*COMBINED, *PUSH),
            walking=True,
        ),
    )
}
"""Name -> axis."""
