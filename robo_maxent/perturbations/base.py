"""One effect, one object: how it is drawn in training, swept in a stress test, and written.

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
"""Part of a robot that an effect may need -> what one lacks that has none."""


@dataclass(frozen=True)
class Share:
    """How many episodes of an axis a suite has."""

    episodes: int
    """In each condition, which is a severity and a case."""
    baseline: int
    """The same of each baseline policy."""
    sampled: int = 0
    """The same of sampled actions."""
    severities: tuple[float, ...] | None = None
    """None: those of the axis."""


@dataclass(frozen=True)
class Axis:
    """One thing that a stress test makes worse step by step."""

    name: str
    title: str
    """What people call it."""
    unit: str
    """Of the severities."""
    summary: str
    severities: tuple[float, ...]
    """From mild to worst; smaller may be worse. What is nominal follows from the parameters."""
    cases: tuple[str, ...] = ()
    """What it is done to: joints, directions, kinds of terrain; empty: nothing to tell apart."""
    noun: str = ""
    """What is above or below a severity, where that is not the title."""
    phrase: str = ""
    """What the verdict says of it beside its curve, such as "with one joint dead"."""
    counts: Literal["survived", "success"] = "survived"
    """What a headline counts of its episodes."""
    is_scale: bool = True
    """Severities are more and less of something; a fault is or is not."""
    reference: float | None = None
    """A severity that use may well bring: what axes are compared by; None: it is no scale."""
    resolution: float = 0.0
    """The least that severities may be apart: 1 where they are whole numbers."""
    judged_by_recovery: bool = False
    """Its episodes are judged by how the robot goes on, so the task must say its deviations."""
    is_ground: bool = False
    """The severity is the level of the terrain, and the case its kind."""
    breakdowns: tuple[Breakdown, ...] = ()
    suites: Mapping[str, Share] = field(default_factory=dict)
    """Suite -> how much of it, where that is not the usual."""

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
        """The same axis at other severities.

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
    """What a stress test has to know of a task to set an effect: the robot and its control."""

    robot: Robot
    control_dt: float
    """Time between two actions, s."""

    @cached_property
    def capture_impulse(self) -> CaptureImpulse:
        """How hard a push the robot can take.

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
    """The parameters of all effects, (N, ...)."""
    fields: ModelFields
    qvel: np.ndarray
    """Generalized velocities, which may be changed before a step, (N, nv)."""
    mocap_pos: np.ndarray
    """Positions of the mocap bodies, world frame, m, which may be changed, (N, nmocap, 3)."""
    body_force: np.ndarray
    """Force on the base, or the hand, that this effect wants, world frame, N, (N, 3): what acts is
    the sum over all effects. Set it by :meth:`push`."""
    pushing: np.ndarray
    """Force that acts on it, N, (N, 3)."""
    others: "list[np.ndarray]"
    """The wanted forces of all effects."""
    key: np.ndarray
    """What names the random numbers of each episode, uint64, (N,)."""
    memory: dict[str, np.ndarray] = field(default_factory=dict)
    """What has to be remembered, (N, ...), saved with a checkpoint."""
    realized: dict[str, np.ndarray] = field(default_factory=dict)
    """What the simulation did of the effect, read back from it, (N,) each."""
    prepared: dict[str, Any] = field(default_factory=dict)
    """What follows from the robot and the observation, and never changes."""

    def push(self, ids: np.ndarray, force: np.ndarray) -> None:
        """Let a force act on the base of some simulations from now on, world frame, N, (k, 3).

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
    """One effect. A subclass says its names, limits and ranges, and overrides what it does."""

    name: str
    """In a task's list, on the command line, and of the axis of the stress test."""
    title: str
    """What people call it."""
    unit: str = ""
    """Of its severities."""
    summary: str
    """What is done, in a line."""
    noun: str = ""
    """What is above or below a severity, where that is not the title."""
    severities: tuple[float, ...] = ()
    """Of its stress axis, mild first, then worse; empty: it has none."""
    is_scale: bool = True
    """See :class:`Axis`."""
    reference: float | None = None
    """See :class:`Axis`."""
    resolution: float = 0.0
    """See :class:`Axis`."""
    suites: Mapping[str, Share] = {}
    """Suite -> how many episodes of it, where that is not the usual."""
    needs: tuple[Part, ...] = ()
    """Parts of a robot that it acts on, of which not every robot has one."""
    bounds: Mapping[str, Range] = {}
    """Parameter -> the values that a stable simulation accepts, in its unit."""
    ranges: Ranges = {}
    """Range -> its nominal value, at which training varies nothing."""
    levels: Mapping[str, Ranges] = {}
    """Level of randomization -> the ranges that it sets."""
    realized: tuple[str, ...] = ()
    """What it reads back from the simulation, a number for each episode."""
    changes_constants: bool = False
    """It writes what MuJoCo derives constants from."""
    in_midst: bool = True
    """Its parameters may change while an episode runs. If not, tasks place things by them."""

    # What it is for a robot.

    @abstractmethod
    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """One episode's parameters where nothing is different; their shapes are those of all."""

    def limits(self, robot: Robot) -> Mapping[str, Range]:
        """The bounds of its parameters for a robot; unless overridden, those of any."""
        return self.bounds

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """Range -> where its ends may be; unless overridden, where the parameter may be."""
        return self.limits(robot)

    def lacking(self, robot: Robot) -> str | None:
        """What a robot lacks for it, in words such as "no feet"; None: nothing."""
        return next((PARTS[part] for part in self.needs if not getattr(robot.spec, part)), None)

    def level(self, name: str, robot: Robot) -> Ranges:
        """The ranges of a level of randomization, scaled to the robot."""
        return self.levels.get(name, {})

    # Training randomization.

    def varies(self, ranges: Ranges) -> bool:
        """Whether episodes drawn from these ranges, its own, can differ."""
        return dict(ranges) != dict(self.ranges)

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """The parameters of one episode, drawn from its own ranges.

        What it takes from the generator must not depend on how wide they are.
        """
        raise NotImplementedError(f"{type(self).__name__} has ranges, so it has to define sample()")

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """The ranges drawn in towards nominal, linearly: 1 leaves them, 0 is nominal."""
        return {name: _narrowed(ends, self.ranges[name], share) for name, ends in ranges.items()}

    # Stress test.

    def axes(self, robot: Robot) -> tuple[Axis, ...]:
        """The axes of a stress test that it is swept along; one, unless overridden."""
        return (self.axis(),) if self.severities else ()

    def axis(self, **changes: Any) -> Axis:
        """Its axis, as its attributes describe it, but for changes."""
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
        """The parameters of one episode of a stress test, where they are not nominal.

        What it takes from the generator must not depend on the severity.

        Args:
            severity: In the unit of the axis.
            case: One of the axis' cases, or "any" in a combination of effects.
            rng: Of this effect in this episode.
            plant: The robot and its control.
        """
        raise NotImplementedError(f"{type(self).__name__} has an axis, so it has to define at()")

    def begins(self, params: Mapping[str, Any]) -> float | None:
        """When it begins in mid-episode, s, by an episode's parameters; None: it does not."""
        return None

    def happening(self, values: Values, begin: float, params: Mapping[str, Any]) -> Values:
        """The same parameters of one episode, so that what happens of it begins at a time.

        Args:
            values: As :meth:`at` gives them.
            begin: From the start of the episode, s.
            params: What the episode has now, of all effects.
        """
        return values

    def push(self, direction: float, impulse: float, seconds: float) -> Values | None:
        """The parameters of one push of the robot; None: it pushes no robot.

        Args:
            direction: As :meth:`direction` has it, rad.
            impulse: N·s.
            seconds: How long it lasts.
        """
        return None

    def direction(self, params: Mapping[str, Any]) -> float | None:
        """Which way it acts, by an episode's parameters; None: in no horizontal direction.

        In rad, counter-clockwise from ahead for a robot on a floating base, and else from the
        world's x.
        """
        return None

    def combined(self, share: float, robot: Robot) -> float | None:
        """Its severity where all effects act at once, of a share in [0, 1]; None: it does not."""
        return None

    # What it does to a simulation. By default nothing.

    def prepare(self, running: Running) -> None:
        """Make the arrays that it remembers, (N, ...), once."""

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Change model fields, which stand at their compiled defaults but for earlier effects."""

    def start(self, running: Running, ids: np.ndarray, qpos: np.ndarray) -> None:
        """Change the pose that episodes start in, (N, nq), before they do."""

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Begin episodes, with all fields written; also where it is nominal in all of them."""

    def resume(self, running: Running, steps: np.ndarray) -> None:
        """Go on from a checkpoint, at these control steps, with memory and fields restored."""

    def on_action(self, running: Running, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """What reaches the motors of the actions sent, (N, A)."""
        return action

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Act before the physics of a control step."""

    def after_step(self, running: Running) -> None:
        """Tally what was done in a control step."""

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """What the sensors measure of a state, noise aside."""
        return state

    def on_observation(self, running: Running, obs: np.ndarray, steps: np.ndarray) -> None:
        """Change observations, float32, (N, O), in place."""

    def arrows(self, running: Running, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """What a picture of one simulation should show of it."""
        return []


class ScalarEffect(Perturbation):
    """An effect of one number: uniform in training, and the severity itself in a stress test."""

    parameter: str
    """What it is called; the range that it is drawn from is called so too."""

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
