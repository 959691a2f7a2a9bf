"""Stress tests of a Gymnasium id: which effects work on it, and environments to run them.

Effects on actions and observations work on any id. Those on the model work where one is found, see
``gym_model``; elsewhere they say what they lack.
"""

import copy
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_goals import DESIRED
from robo_maxent.envs.gym_model import ForeignRobot, World
from robo_maxent.envs.gym_spec import Parts
from robo_maxent.envs.gym_wrapper import ERROR, WrapperFactory, one_line
from robo_maxent.errors import EnvError
from robo_maxent.perturbations.any_model import ActuatorStrength, BasePush, BodyMass, GeomFriction
from robo_maxent.perturbations.base import Perturbation
from robo_maxent.perturbations.channel import ActionDelay, ActionNoise, PacketLoss
from robo_maxent.perturbations.counter_rng import Stream, uniform
from robo_maxent.perturbations.gravity import GravityTilt
from robo_maxent.perturbations.sensing import ObservationDelay, ObservationLoss, SensorNoise
from robo_maxent.seeds import Purpose
from robo_maxent.sim.robot import Robot
from robo_maxent.spaces import ActionSpace, Discrete, Field
from robo_maxent.types import Act

EFFECTS: tuple[Perturbation, ...] = (
    GeomFriction(),
    BodyMass(),
    ActuatorStrength(),
    GravityTilt(),
    BasePush(),
    SensorNoise(),
    ObservationDelay(),
    ObservationLoss(),
    ActionNoise(),
    PacketLoss(),
    ActionDelay(),
)
"""Effects for any id, in the order in which they are applied and shown."""

NOISE = 0.05
"""Half-width of an element's sensor noise, relative to its spread in random episodes."""
LOOKED_AT, EACH, PROBE_SEED = 1000, 250, 0
"""Control steps of random episodes that are looked at, and of one at most; the seed of them all."""
REPEATED = 25
"""Control steps for which a repeated episode is compared."""


@dataclass(frozen=True)
class GymTrials:
    """What stress tests need to know of an id, found out on first use."""

    name: str
    spec: EnvSpec
    repeat: int
    """Environment steps per control step."""
    parts: Parts
    """Parts of the flattened observation."""
    action_space: ActionSpace
    control_dt: float
    """Time between two actions according to the environment, s."""
    _kept: list[World] = field(default_factory=list, repr=False)

    def worlds(self, n: int) -> list[World]:
        """Environments for a set of episodes, reused by the next set.

        Raises:
            EnvError: One can't be made.
        """
        self._kept[:] = [world for world in self._kept if not world.is_broken]
        self._kept.extend(self.world() for _ in range(n - len(self._kept)))
        return self._kept[:n]

    def world(self, **kwargs: Any) -> World:
        """A new environment, made with these arguments.

        Raises:
            EnvError: It can't be made.
        """
        purpose = Purpose.STRESS_TEST
        factory = WrapperFactory(self.spec, self.name, self.repeat, PROBE_SEED, 0, purpose, kwargs)
        try:
            return World(self.name, factory())
        except Exception as error:  # someone else's code
            raise EnvError(f"{self.name} can't be made: {one_line(error)}") from error

    @cached_property
    def robot(self) -> Robot:
        """What effects know of the model."""
        pair = self.worlds(1)[0].pair
        model = None if pair is None else copy.copy(pair[0])
        return ForeignRobot(self.name, model, isinstance(self.action_space, Discrete))

    @cached_property
    def step_seconds(self) -> float:
        """Simulated time of a control step, s; as the id says, if there is no model.

        They differ in mazes of gymnasium-robotics, for one.
        """
        world = self.worlds(1)[0]
        if world.pair is None:
            return self.control_dt
        world.begin(Purpose.VALIDATION, PROBE_SEED, 0)
        before = float(world.pair[1].time)
        world.step(self.action_space.first(1)[0])
        passed = float(world.pair[1].time) - before
        return passed if passed > 0.0 else self.control_dt

    @cached_property
    def observation(self) -> tuple[Field, ...]:
        """A field for each element, with noise by its spread in random episodes; goals have none.

        Raises:
            EnvError: The environment crashed, or returned NaN or infinity.
        """
        spread = np.concatenate(self._random_episodes()).std(axis=0).tolist()
        names = [(name, i) for name, size, _ in self.parts for i in range(size)]
        return tuple(
            Field(f"{name} {i}", "", 1, noise=0.0 if name == DESIRED else NOISE * width)
            for (name, i), width in zip(names, spread, strict=True)
        )

    @cached_property
    def repeats_itself(self) -> bool:
        """Whether the same seed gives the same episode again, also in another environment.

        Raises:
            EnvError: The environment crashed, or returned NaN or infinity.
        """
        here = self.worlds(1)[0]
        first = self._steps(here, 0, REPEATED)
        self._steps(here, 1, REPEATED)
        others = (self._steps(world, 0, REPEATED) for world in (here, self.world()))
        return all(np.array_equal(first, other) for other in others)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Notes for the reader of a stress test, a sentence each."""
        notes = [
            f"{self.name} declares no sensor noise: what is called so here is uniform within "
            f"{100 * NOISE:g} % of the standard deviation that an element of the observation has "
            "while actions are random."
        ]
        lacking: dict[str, list[str]] = {}
        for effect in EFFECTS:
            if reason := effect.lacking(self.robot):
                lacking.setdefault(reason, []).append(effect.title.lower())
        notes += [
            f"Not tested: {', '.join(titles)}, since {self.name} has {reason}."
            for reason, titles in lacking.items()
        ]
        if not self.repeats_itself:
            notes.append(
                f"{self.name} does not run the same way again from the same seed: rows can't be "
                "replayed bit for bit, and policies and severities don't share their episodes."
            )
        return tuple(notes)

    def _random_episodes(self) -> list[np.ndarray]:
        """Observations of undisturbed episodes, (steps, O) each."""
        world = self.worlds(1)[0]
        episodes: list[np.ndarray] = []
        while sum(map(len, episodes)) < LOOKED_AT:
            episodes.append(self._steps(world, len(episodes), EACH)[:, :-1])
        return episodes

    def _steps(self, world: World, sim: int, most: int) -> np.ndarray:
        """Observations and rewards from the beginning of an episode, (steps, O + 1)."""
        act = random_actions(self.action_space)
        obs = world.begin(Purpose.VALIDATION, PROBE_SEED, sim)
        rows = [np.append(obs, 0.0)]
        for _ in range(most):
            obs, reward, terminated, truncated, info = world.step(act(obs[None])[0])
            if ERROR in info:
                raise world.error(info)
            rows.append(np.append(obs, reward))
            if terminated or truncated:
                break
        return np.array(rows)


def random_actions(space: ActionSpace) -> Act:
    """Uniform actions from a hash of the observation: the same for the same observation, always.

    So an episode can be run again from its row; of nothing else does the policy know.
    """

    def act(obs: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(obs, np.float32)
        key = np.array([zlib.crc32(row.tobytes()) for row in rows], np.uint64)
        draws = uniform(Stream.ACTION, key, np.zeros(len(key), np.int64), space.columns)
        if isinstance(space, Discrete):
            return (draws[:, 0] * space.size).astype(np.int64)
        return 2.0 * draws - 1.0

    return act
