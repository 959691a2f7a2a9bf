"""Any Gymnasium id as a task: ``gym:HalfCheetah-v5``, ``gym:dm_control/dog-run-v0``.

A page of ``tasks/`` whose world is a Gymnasium environment is a ``NamedGymTask``.

The action space must be a bounded Box of floats, where policies act in [-1, 1] and are mapped to it
affinely, or Discrete, where they act with whole numbers from 0 on.
The observation space may be anything of numbers that flattens, but pictures. Where it has goals
whose reward can be computed, they are a ``GoalSpec``, for hindsight.
"""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_goals import NoHindsightError, find_goal, names_goals
from robo_maxent.envs.gym_spec import (
    PREFIX,
    Parts,
    action_space_of,
    find_spec,
    known_rewards,
    make,
    observation_parts,
    step_seconds,
    with_args,
)
from robo_maxent.envs.gym_trial import EFFECTS, GymTrials, random_actions
from robo_maxent.envs.gym_trial_env import GymTrialEnv
from robo_maxent.envs.gym_vec_env import GymVecEnv
from robo_maxent.envs.gym_wrapper import ALL_PICTURES, close
from robo_maxent.envs.interface import Reading
from robo_maxent.errors import RenderingError, UsageError
from robo_maxent.here import own_file
from robo_maxent.kept import Kept
from robo_maxent.perturbations.params import EpisodeParams
from robo_maxent.seeds import Purpose
from robo_maxent.sim.robot import Robot
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import ActionSpace, Box, Discrete, GoalSpec
from robo_maxent.types import Act, FloorPlan

ENDLESS_STEPS = 100_000
"""Environments without a time limit that run longer than this count as endless."""

INSTANCES = 16
"""Environments that are made at once to evaluate a policy, by default."""


class GymTask:
    """A Gymnasium environment to learn on; implements ``interface.StressTask``."""

    name: str
    summary: str
    preset = "single"
    exact_resume = False
    mirrors = None
    perturbations = EFFECTS
    terrain = None
    reward_range: tuple[float, float] | None = None
    termination_cost = 0.0
    deviation_units: Mapping[str, str] = {}
    thread_safe = False  # it is someone else's code, in environments that are kept
    floor_plan: FloorPlan | None = None

    spec: EnvSpec
    """What Gymnasium makes the environment of."""
    action_repeat: int
    """Environment steps in a control step."""
    env_args: dict[str, Any]
    """What ``gymnasium.make`` is given beside the id."""
    episode_steps: int
    """Control steps that no episode exceeds."""
    control_dt: float
    """Time between two actions according to the environment, s."""
    action_space: ActionSpace
    """What actions mean to the environment."""
    policy_parts: Parts
    """Name, size and unit of each part of the flattened observation."""
    goal: GoalSpec | None
    """Which parts of it are goals; None: there are none, or hindsight does not work with them."""
    notes: tuple[str, ...]
    """What whoever trains on it should know, a line each."""
    render_modes: list[str]
    """Gymnasium's names of the ways in which the environment draws itself."""
    picture_rate: int | None
    """Pictures per second, of an environment that draws several per step; None: one per step."""
    trials: GymTrials
    """What stress tests need to know of it."""

    def __init__(
        self,
        source: str | EnvSpec,
        action_repeat: int = 1,
        env_args: Mapping[str, Any] | None = None,
        instances: int = INSTANCES,
    ) -> None:
        """Make the environment once, and check that it can be learnt on.

        Args:
            source: A registered id, or ``module:id`` with the module that registers it. Or what
                makes the environment of a task that has a name and a summary of its own.
            action_repeat: How often each action is applied; rewards are summed.
            env_args: What ``gymnasium.make`` is given beside the id.
            instances: How many are made at once to evaluate a policy, at most.

        Raises:
            UsageError: There is no such id, a package is missing, or the action or observation
                space is none to learn on; the message says what is.
            EnvError: The environment can't be made.
        """
        for option, count in (("action_repeat", action_repeat), ("instances", instances)):
            if count < 1:
                raise UsageError(f"{option} must be at least 1, got {count}")
        registered = find_spec(source) if isinstance(source, str) else source
        if isinstance(source, str):
            self.name, self.summary = f"{PREFIX}{source}", f"the Gymnasium environment {source}"
            self.reward_range = known_rewards(registered)
        self.action_repeat = action_repeat
        self.env_args, self.most_simulations = dict(env_args or {}), instances
        self.spec = with_args(registered, self.env_args)
        limit = self.spec.max_episode_steps or ENDLESS_STEPS
        self.episode_steps = -(-limit // action_repeat)
        if self.reward_range is not None:
            low, high = self.reward_range
            self.reward_range = action_repeat * low, action_repeat * high
        env = make(self.name, self.spec)
        try:
            self._look_at(env)
        finally:
            close(env, self.name)
        if isinstance(source, str):  # a page names its own
            self.preset = self._preset()
        self.trials = GymTrials(
            self.name,
            self.spec,
            action_repeat,
            self.policy_parts,
            self.action_space,
            self.control_dt,
        )

    def _look_at(self, env: gymnasium.Env[Any, Any]) -> None:
        """Read what is acted on, observed and drawn.

        Raises:
            UsageError: The action or observation space is none to learn on.
        """
        self.action_space = action_space_of(self.name, env.action_space)
        self.policy_parts, flattened = observation_parts(self.name, env.observation_space)
        self.control_dt = step_seconds(env) * self.action_repeat
        self.render_modes = list(env.metadata.get("render_modes") or [])
        self.picture_rate = _picture_rate(env)
        self.goal, about_goals = self._goal(env)
        self.notes = flattened + about_goals
        shape = env.action_space.shape or ()
        if isinstance(self.action_space, Box) and len(shape) != 1:
            self.notes += (f"{self.name}: the action of shape {shape} is flattened",)

    @property
    def observation_parts(self) -> Parts:
        """Name, size and unit of each part of an observation: a policy sees all of it."""
        return self.policy_parts

    @property
    def observation_size(self) -> int:
        """Number of elements of an observation, O."""
        return sum(size for _, size, _ in self.observation_parts)

    @property
    def policy_size(self) -> int:
        """Number of elements that the policy sees: all."""
        return self.observation_size

    @property
    def action_size(self) -> int:
        """Number of elements of an action, A."""
        return self.action_space.size

    @property
    def kept(self) -> Kept:
        """No files: what a user wrote for an id is code."""
        return {}

    @property
    def options(self) -> dict[str, Any]:
        """Options that build this task again, beside its name."""
        options: dict[str, Any] = {"action_repeat": self.action_repeat}
        if self.env_args:
            options["env_args"] = self.env_args
        if self.most_simulations != INSTANCES:
            options["instances"] = self.most_simulations
        return options

    def training_env(
        self, n: int, seed: int, threads: int, directory: str | os.PathLike[str]
    ) -> GymVecEnv:
        """One simulation in this process, or several, each in a worker process.

        Raises:
            EnvError: A worker can't be started.
        """
        return GymVecEnv(self, n, seed, workers=n > 1)

    def actor_env(
        self, n: int, seed: int, first_sim: int, directory: str | os.PathLike[str]
    ) -> GymVecEnv:
        """N simulations in this process, numbered from ``first_sim`` on."""
        return GymVecEnv(self, n, seed, first_sim=first_sim)

    def evaluation_env(
        self, n: int, seed: int, first_sim: int = 0, purpose: Purpose = Purpose.EVALUATION
    ) -> GymVecEnv:
        """N simulations in this process, numbered from ``first_sim`` on."""
        return GymVecEnv(self, n, seed, first_sim=first_sim, purpose=purpose)

    # What a stress test needs beside that.

    @property
    def robot(self) -> Robot:
        """What effects know of the model inside the environment."""
        return self.trials.robot

    @property
    def trial_notes(self) -> tuple[str, ...]:
        """Notes about the id for the reader of a stress test, a sentence each."""
        return self.trials.notes

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions whose versions decide its episodes, beside the usual ones."""
        inside = self.trials.worlds(1)[0].wrapper.unwrapped
        root = type(inside).__module__.split(".")[0].replace("_", "-")
        more = ("dm-control",) if root == "shimmy" else ()
        return tuple(dict.fromkeys(("gymnasium", root, *more)))

    @property
    def content(self) -> dict[str, str]:
        """Module of the environment -> SHA-256 of its file; empty if it is installed."""
        module = type(self.trials.worlds(1)[0].wrapper.unwrapped).__module__
        return own_file(module)

    @property
    def film_mode(self) -> str:
        """Gymnasium's render mode for films."""
        return "rgb_array" if self.picture_rate is None else ALL_PICTURES

    def baselines(self) -> dict[str, Act]:
        """Baselines: action zero, or the first of several, and random actions."""
        space = self.action_space
        first = "zero action" if isinstance(space, Box) else f"always {space.labels[0]}"
        return {first: lambda obs: space.first(len(obs)), "random": random_actions(space)}

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The task itself: its episodes differ only in how they begin."""
        return self

    def at(self, patches: np.ndarray) -> Self:
        """The task itself: its ground can't be chosen."""
        return self

    def trial_env(
        self,
        params: EpisodeParams,
        sims: np.ndarray,
        seed: int,
        threads: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
        filmed: bool = False,
    ) -> GymTrialEnv:
        """Simulations for a stress test, which run one episode each and then rest.

        Args:
            params: What is different about each, N rows.
            sims: Their numbers, int, (N,).
            seed: Of the whole set.
            threads: The environments are stepped in one.
            dump_dir: Their state can't be dumped.
            filmed: Make environments that draw themselves.

        Raises:
            EnvError: An environment can't be made.
            RenderingError: It draws no pictures.
        """
        if not filmed:
            return GymTrialEnv(self.trials, self.trials.worlds(len(sims)), params, sims, seed)
        if "rgb_array" not in self.render_modes:
            known = ", ".join(self.render_modes) or "none"
            raise RenderingError(f"{self.name} draws no pictures; its render modes: {known}.")
        worlds = [self.trials.world(render_mode=self.film_mode) for _ in sims]
        return GymTrialEnv(self.trials, worlds, params, sims, seed, keep=False)

    def reading(self, env: GymTrialEnv) -> Reading:
        """An empty reading: an id reports only return and success."""
        return Reading()

    def _preset(self) -> str:
        """Name of the recipe for this kind of id."""
        if isinstance(self.action_space, Discrete):
            return "discrete"
        return "single" if self.goal is None else "goals"

    def _goal(self, env: gymnasium.Env[Any, Any]) -> tuple[GoalSpec | None, tuple[str, ...]]:
        """Goals of an environment, with notes; None if there are none that hindsight can use."""
        if not names_goals(env.observation_space):
            return None, ()
        try:
            if self.action_repeat > 1:
                raise NoHindsightError(
                    f"with action_repeat {self.action_repeat} a reward is a sum over several "
                    "states, of which only the last is kept; use action_repeat 1"
                )
            return find_goal(self.name, self.spec, env, self.policy_parts)
        except NoHindsightError as error:
            return None, (f"{self.name} can't be learnt with hindsight: {error}",)


def _picture_rate(env: gymnasium.Env[Any, Any]) -> int | None:
    """Pictures per second of an environment that draws several per step; None: one per step."""
    rate = env.metadata.get("render_fps")
    draws_all = ALL_PICTURES in (env.metadata.get("render_modes") or [])
    return round(rate) if draws_all and isinstance(rate, float | int) and rate >= 1 else None


class NamedGymTask(GymTask):
    """A task with a page in ``tasks/`` whose world is a Gymnasium environment."""

    env_spec: ClassVar[EnvSpec]
    """Spec of the environment; its id is for Gymnasium."""

    def __init__(
        self,
        action_repeat: int = 1,
        env_args: Mapping[str, Any] | None = None,
        instances: int = INSTANCES,
    ) -> None:
        """Make the environment once; see :class:`GymTask`."""
        super().__init__(self.env_spec, action_repeat, env_args, instances)
