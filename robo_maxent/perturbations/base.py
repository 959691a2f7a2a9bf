"""Base class of effects: how one is drawn in training, swept in a stress test, and applied.

An effect is a subclass of :class:`Perturbation`, whole in its file: its names for people, its
limits, the ranges that training draws it from, its severities, what it writes into the model, and
what it does while an episode runs. A task lists the effects that it has; suites, reports and the
command line read everything else from there.

Effects have no state of their own, so that one object serves any number of environments. What has
to be remembered of running episodes stands in :class:`Running`, and is saved with a checkpoint.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from robo_maxent.errors import UsageError
from robo_maxent.perturbations.model_fields import ModelFields
from robo_maxent.sim.capture_impulse import CaptureImpulse, capture_impulse
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.spaces import Field
from robo_maxent.types import Arrow, Breakdown

Range = tuple[float, float]
Ranges = Mapping[str, Any]
"""Name of a range -> (low, high), a probability, or None for the robot's own value."""
Values = dict[str, Any]
"""Parameter -> its value in one episode."""

Part = Literal["model", "base", "feet", "objects", "table", "goal", "gripper", "hand", "lids"]
PARTS: Mapping[Part, str] = {
    "model": "no MuJoCo model that can be reached",
    "base": "no floating base",
    "feet": "no feet",
    "objects": "no object to handle",
    "table": "no table",
    "goal": "no goal",
    "gripper": "no gripper",
    "hand": "no hand",
    "lids": "no way that could be closed",
}
"""Part of a robot that an effect may need -> what to say of a robot without it."""


@dataclass(frozen=True)
class Share:
    """Number of episodes of an axis in a suite."""

    episodes: int
    """Episodes per condition, which is a severity and a case."""
    baseline: int
    """Episodes per condition of each baseline policy."""
    sampled: int = 0
    """Episodes per condition with sampled actions."""
    severities: tuple[float, ...] | None = None
    """Severities; None: those of the axis."""


@dataclass(frozen=True)
class Axis:
    """One thing that a stress test makes worse step by step."""

    name: str
    title: str
    """Name for people."""
    unit: str
    """Unit of the severities."""
    summary: str
    severities: tuple[float, ...]
    """Severities from mild to worst, which may be descending. Which one is nominal follows from
    the parameters."""
    cases: tuple[str, ...] = ()
    """What the effect applies to: joints, directions, kinds of terrain; empty if there is only
    one case."""
    noun: str = ""
    """Name of the quantity in "above 3 kg of NOUN", if it is not the title."""
    phrase: str = ""
    """Words of the verdict about this axis beside its curve, such as "with one joint dead"."""
    counts: Literal["survived", "success"] = "survived"
    """What a headline counts: survived, or success."""
    is_scale: bool = True
    """Whether severities are more or less of something; a fault is either there or not."""
    reference: float | None = None
    """A severity that may well occur in use, by which axes are compared; None if it is no scale."""
    resolution: float = 0.0
    """Smallest step of severities, of which all are multiples: 1 for whole numbers."""
    judged_by_recovery: bool = False
    """Whether its episodes are judged by recovery, so that the task must define its deviations."""
    is_ground: bool = False
    """Whether the severity is the level of the terrain, and the case its kind."""
    breakdowns: tuple[Breakdown, ...] = ()
    suites: Mapping[str, Share] = field(default_factory=dict)
    """Suite -> number of episodes, where it is not the usual one."""

    def __post_init__(self) -> None:
        """Check the order of the severities."""
        steps = [later - earlier for earlier, later in pairwise(self.severities)]
        one_way = all(step > 0.0 for step in steps) or all(step < 0.0 for step in steps)
        if not self.severities or not np.isfinite(self.severities).all() or not one_way:
            raise UsageError(
                f"severities of {self.name} must go one way, from mild to worst, got "
                f"{list(self.severities)}"
            )

    def at(self, severities: tuple[float, ...]) -> "Axis":
        """The axis with other severities.

        Raises:
            UsageError: The first is not that of the axis, or they do not get worse.
        """
        if not severities or severities[0] != self.severities[0]:
            raise UsageError(
                f"severities of {self.name} must begin with the mildest one, "
                f"{self.severities[0]:g} {self.unit}".rstrip()
                + f", got {list(severities)}"
            )
        if len(self.severities) > 1 and len(severities) > 1:
            worse = self.severities[1] > self.severities[0]
            if (severities[1] > severities[0]) is not worse:
                way = "up" if worse else "down"
                raise UsageError(
                    f"severities of {self.name} must go from mild to worst, which is {way}, "
                    f"got {list(severities)}"
                )
        return replace(self, severities=severities)


@dataclass(frozen=True)
class Plant:
    """The robot and its control, as a stress test needs them to set an effect."""

    robot: Robot
    control_dt: float
    """Time between two actions, s."""

    @cached_property
    def capture_impulse(self) -> CaptureImpulse:
        """The largest push that the robot survives without a step.

        Raises:
            RobotError: It is fixed to the world.
        """
        return capture_impulse(self.robot)


@dataclass(frozen=True)
class Running:
    """N running episodes, as one effect sees them."""

    robot: Robot
    control_dt: float
    """Time between two actions, s."""
    observation: tuple[Field, ...]
    action_size: int
    """Elements of an action, A."""
    params: Mapping[str, np.ndarray]
    """Parameters of all effects, (N, ...)."""
    fields: ModelFields
    qvel: np.ndarray
    """Generalized velocities, (N, nv), which an effect may change before a step."""
    mocap_pos: np.ndarray
    """Positions of mocap bodies, world frame, m, (N, nmocap, 3), which an effect may change."""
    body_force: np.ndarray
    """Force of this effect on the base, or the hand, world frame, N, (N, 3); the forces of all
    effects are added. Set it by :meth:`push`."""
    pushing: np.ndarray
    """Total force that acts there, N, (N, 3)."""
    others: "list[np.ndarray]"
    """Forces of all effects."""
    key: np.ndarray
    """Key of the random numbers of each episode, uint64, (N,)."""
    memory: dict[str, np.ndarray] = field(default_factory=dict)
    """State of the effect, (N, ...), saved in checkpoints."""
    realized: dict[str, np.ndarray] = field(default_factory=dict)
    """What the simulation made of the effect, read back from it, (N,) each."""
    prepared: dict[str, Any] = field(default_factory=dict)
    """Constants that follow from the robot and the observation."""

    def push(self, ids: np.ndarray, force: np.ndarray) -> None:
        """Apply a force to the base of some simulations from now on, world frame, N, (k, 3).

        It acts on the hand of a robot that is fixed to the world. Objects are moved by their
        velocities, in ``qvel``.

        Raises:
            UsageError: The robot has neither.
        """
        if self.robot.pushed_body == 0:
            raise UsageError(
                "no force can push a robot that has neither a floating base nor a hand"
            )
        self.body_force[ids] = force
        total = self.others[0][ids]
        for other in self.others[1:]:
            total = total + other[ids]
        self.pushing[ids] = total


class Perturbation(ABC):
    """One effect. A subclass declares names, limits and ranges, and overrides what it does."""

    name: str
    """Name in a task's list, on the command line, and of its stress axis."""
    title: str
    """Name for people."""
    unit: str = ""
    """Unit of its severities."""
    summary: str
    """What it does, in a line."""
    noun: str = ""
    """See :class:`Axis`."""
    severities: tuple[float, ...] = ()
    """Severities of its stress axis, from mild to worst; empty: it has no axis."""
    is_scale: bool = True
    """See :class:`Axis`."""
    reference: float | None = None
    """See :class:`Axis`."""
    resolution: float = 0.0
    """See :class:`Axis`."""
    suites: Mapping[str, Share] = {}
    """Suite -> number of episodes, where it is not the usual one."""
    needs: tuple[Part, ...] = ()
    """Parts of a robot that it acts on, which some robots lack."""
    bounds: Mapping[str, Range] = {}
    """Parameter -> values with which the simulation is stable, in its unit."""
    ranges: Ranges = {}
    """Range -> its nominal value, at which training varies nothing."""
    levels: Mapping[str, Ranges] = {}
    """Level of randomization -> its ranges."""
    realized: tuple[str, ...] = ()
    """Names of what it reads back from the simulation, a number for each episode."""
    changes_constants: bool = False
    """Whether it writes fields from which MuJoCo derives constants."""
    in_midst: bool = True
    """Whether its parameters may change while an episode runs. If not, tasks place things by
    them."""

    # What it is for a robot.

    @abstractmethod
    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Parameters of an undisturbed episode; they also define the shapes."""

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """Bounds of its parameters for a robot; by default the same for all."""
        return self.bounds

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Range -> bounds of its ends; by default the bounds of the parameter."""
        return self.limits(robot)

    def lacking(self, robot: Robot) -> str | None:
        """What a robot lacks for it, such as "no feet"; None if it lacks nothing."""
        return next((PARTS[part] for part in self.needs if not getattr(robot.spec, part)), None)

    def level(self, name: str, robot: Robot) -> Ranges:
        """Ranges of a level of randomization, scaled to the robot."""
        return self.levels.get(name, {})

    # Training randomization.

    def varies(self, ranges: Ranges) -> bool:
        """Whether episodes drawn from these ranges can differ."""
        return dict(ranges) != dict(self.ranges)

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Draw the parameters of one training episode from the ranges.

        What it takes from the generator must not depend on how wide they are.
        """
        raise NotImplementedError(f"{type(self).__name__} has ranges, so it has to define sample()")

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Ranges shrunk linearly towards nominal: 1 leaves them, 0 is nominal."""
        return {name: _narrowed(ends, self.ranges[name], share) for name, ends in ranges.items()}

    # Stress test.

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """Axes of a stress test along which it is swept; by default one."""
        return (self.axis(),) if self.severities else ()

    def axis(self, **changes: Any) -> Axis:
        """Its axis according to its attributes, with changes."""
        described = {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "summary": self.summary,
            "noun": self.noun,
            "severities": self.severities,
            "is_scale": self.is_scale,
            "reference": self.reference,
            "resolution": self.resolution,
            "suites": self.suites,
        }
        return Axis(**(described | changes))

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """Parameters of one episode of a stress test, where they are not nominal.

        What it takes from the generator must not depend on the severity.

        Args:
            severity: In the unit of the axis.
            case: One of the axis' cases, or "any" in a combination of effects.
            rng: Of this effect in this episode.
            plant: The robot and its control.
        """
        raise NotImplementedError(f"{type(self).__name__} has an axis, so it has to define at()")

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """Time at which it begins within an episode, s; None: it acts from the start."""
        return None

    def happening(self, values: Values, begin: float, params: Mapping[str, Any]) -> Values:
        """The same parameters with another begin.

        Args:
            values: As :meth:`at` gives them.
            begin: From the start of the episode, s.
            params: What the episode has now, of all effects.
        """
        return values

    def push(self, direction: float, impulse: float, seconds: float) -> Values | None:
        """Parameters of one push of the robot; None: this effect does not push it.

        Args:
            direction: As :meth:`direction` has it, rad.
            impulse: N·s.
            seconds: How long it lasts.
        """
        return None

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Horizontal direction in which it acts in an episode; None if it has none.

        In rad, counter-clockwise from ahead for a robot on a floating base, and else from the
        world's x.
        """
        return None

    def combined(self, share: float, robot: Robot) -> float | None:
        """Its severity when all act at once, at a share in [0, 1]; None: it takes no part."""
        return None

    # What it does to a simulation. By default nothing.

    def prepare(self, running: Running) -> None:
        """Make the arrays of its memory, (N, ...), once."""

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Write model fields, which have their compiled defaults, or what earlier effects left."""

    def start(self, running: Running, ids: np.ndarray, qpos: np.ndarray) -> None:
        """Change the initial poses of episodes, (N, nq)."""

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Begin episodes, with all fields written; called also where it is nominal."""

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Continue from a checkpoint at these control steps, with memory and fields restored."""

    def on_action(self, running: Running, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Actions that reach the motors, of the actions sent, (N, A)."""
        return action

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Act before the physics of a control step."""

    def after_step(self, running: Running) -> None:
        """Measure what was done in a control step."""

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """A state as the sensors measure it, without noise."""
        return state

    def on_observation(self, running: Running, obs: np.ndarray, steps: np.ndarray) -> None:
        """Change observations, float32, (N, O), in place."""

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """Arrows of this effect in a picture of one simulation."""
        return []


class ScalarEffect(Perturbation):
    """An effect with one number: uniform in training, the severity in a stress test."""

    parameter: str
    """Name of the parameter and of its range."""

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Zero."""
        return {self.parameter: np.array(0.0)}

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Uniform."""
        return {self.parameter: rng.uniform(*ranges[self.parameter])}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """The severity."""
        return {self.parameter: severity}


def _narrowed(ends: Any, nominal: Any, share: float) -> Any:
    if isinstance(ends, tuple):
        centre = nominal[0]
        return tuple(centre + share * (end - centre) for end in ends)
    return share * ends


def angle_of(vector: Any) -> float | None:
    """Direction of the horizontal part of a vector, rad from x; None: there is no vector."""
    if vector is None or not np.any(vector):
        return None
    return float(np.arctan2(vector[1], vector[0]))


def horizontal(size: float, angle: float) -> np.ndarray:
    """A vector of a size in a direction, rad from x, (2,)."""
    return size * np.array([np.cos(angle), np.sin(angle)])
