"""Base class of tasks of robots: the robot, its ground and what may differ between episodes."""

import copy
import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, Self

import numpy as np

from robo_maxent.envs.task import E, S, Task
from robo_maxent.errors import RobotError, UsageError
from robo_maxent.here import own_file
from robo_maxent.kept import Kept
from robo_maxent.perturbations.base import Perturbation
from robo_maxent.perturbations.params import require_distinct
from robo_maxent.perturbations.ranges import Randomization, randomization
from robo_maxent.robots.own_robot import OwnRobot, open_robot
from robo_maxent.robots.page import Page, page_file, wrong_kind
from robo_maxent.seeds import Purpose
from robo_maxent.sim.body_scale import BodyScale
from robo_maxent.sim.physics import mujoco
from robo_maxent.sim.robot import Robot, RobotSpec, load
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.spaces import Box


class RobotTask(Task[E, S]):
    """A task of a robot on its ground, with effects: all that N simulations of it need to know."""

    robot_spec: RobotSpec
    """The task's own robot."""
    action_scale: np.ndarray
    """Joint-target offset from the home pose at action 1, rad (m of a slide), (A,)."""
    substeps: int
    """Physics steps in a control step."""
    keeps_data = False
    """Whether each simulation keeps its computed state after a control step. Saves time where
    sensors are slow, and takes memory."""
    perturbations: tuple[Perturbation, ...] = ()
    """Effects that it supports, in the order in which they are applied."""
    default_randomization: str | Mapping[str, Any] = "none"
    """What differs between episodes by default: a level, or ranges."""
    terrain: TerrainPool | None = None
    """Terrain patches; None: the plane of the robot file."""
    level: int | None = None
    """Level of every patch, from 0 to 10; None: any, or the curriculum's."""
    patches: np.ndarray | None = None
    """Patch of each simulation, int, (N,); None: chosen as an episode begins."""

    tours = False
    """Whether its robots walk over terrain, so that they can be filmed on a tour of it."""

    notes: tuple[str, ...] = ()
    trial_notes: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    thread_safe = True
    """Whether several threads may simulate it at once. Set it to False if methods store anything
    in the task."""

    _unseen: Any = None  # the task on the ground of its last evaluation

    def __init__(
        self,
        robot_file: str | os.PathLike[str] | None = None,
        randomization: Randomization | str | Mapping[str, Any] | None = None,
        terrain: TerrainPool | None = None,
    ) -> None:
        """Build the world.

        Args:
            robot_file: A robot of its user's: its page, or the page's name here, or MJCF with the
                names of the task's own; None: that robot.
            randomization: What differs between episodes: ranges, or the name of a level; None: the
                task's own choice.
            terrain: Patches in the place of the plane of the robot file.

        Raises:
            RobotError: The robot can't be taken.
            UsageError: Another argument is not allowed.
        """
        if not isinstance(robot_file, str | os.PathLike | None):
            raise RobotError(
                "robot_file must be a path or the name of a page, or None for the task's own "
                f"robot; got {robot_file!r}"
            )
        if not isinstance(terrain, TerrainPool | None):
            raise UsageError(f"terrain must be a TerrainPool or None, got {terrain!r}")
        self.robot_file = robot_file
        own_spec = self.robot_spec
        self._own_robot: OwnRobot | None = None
        if robot_file is not None:
            self._own_robot = open_robot(Path(robot_file))
            if self._own_robot.page is not None:
                self.fit(self._own_robot.page)
            self.robot_spec = self._own_robot.spec(own_spec)
        self.terrain = terrain
        self.robot = self._loaded()
        if self._own_robot is not None and self._own_robot.page is None:
            self._require_like(Robot(load(own_spec.model), own_spec))
        require_distinct(self.perturbations, self.robot)
        self._check_action()
        self.control_dt = self.substeps * float(self.robot.model.opt.timestep)
        chosen = self.default_randomization if randomization is None else randomization
        self.randomization = self.ranges(chosen)

    def fit(self, page: Page) -> None:
        """Adapt the task to the robot of a page.

        Raises:
            RobotError: The task is not for such robots.
        """
        raise wrong_kind(page, self.name)

    @cached_property
    def scale(self) -> BodyScale:
        """Size and mass of its robot, relative to the reference quadruped."""
        return BodyScale.of(self.robot)

    def _loaded(self) -> Robot:
        """The robot on the task's ground.

        Raises:
            RobotError: Its file is not valid.
        """
        try:
            return Robot(load(self.robot_spec.model, pool=self.terrain), self.robot_spec)
        except RobotError as error:
            if self._own_robot is None:
                raise
            raise RobotError(f"{self.robot_file}: {error}{self._page_hint()}") from error

    def _page_hint(self) -> str:
        """Hint for a model that lacks the names of the task's own robot."""
        assert self._own_robot is not None
        if self._own_robot.page is not None or type(self).fit is RobotTask.fit:
            return ""
        file = quote(str(self.robot_file))
        return f" A robot with names of its own needs a page: robo-maxent robot check {file}"

    def ranges(self, given: Randomization | str | Mapping[str, Any]) -> Randomization:
        """Ranges that a level, or ranges by name, stand for in this task.

        Raises:
            UsageError: There is no such level or range, or it is not allowed.
        """
        return randomization(given, self.perturbations, self.robot)

    @property
    def action_space(self) -> Box:
        """Joint targets around the home pose."""
        return Box(self.robot.joints, self.robot.home_pose, self.action_scale)

    def control(self, episode: E, state: S, action: np.ndarray) -> np.ndarray:
        """Controls of the robot's actuators for actions in [-1, 1], (N, A)."""
        return self.robot.home_pose + self.action_scale * action

    def randomization_of(self, episode: E, sim: int) -> Randomization:
        """Ranges from which the next episode of ``sim``, whose ``patch`` is set, is drawn.

        Never wider than ``randomization``.
        """
        return self.randomization

    @property
    def pool(self) -> TerrainPool:
        """The terrain pool of a task that has terrain."""
        assert self.terrain is not None
        return self.terrain

    def draw_patch(self, episode: E, sim: int, rng: np.random.Generator) -> int:
        """Index in the terrain pool for the next episode of ``sim``.

        That is the patch that was chosen, or one of what :meth:`draw_ground` says.
        """
        if self.patches is not None:
            return int(self.patches[sim])
        if self.terrain is None:
            return 0
        kind, level = self.draw_ground(episode, sim, rng)
        return self.pool.index(kind, level, int(rng.integers(self.pool.variants)))

    def draw_ground(self, episode: E, sim: int, rng: np.random.Generator) -> tuple[str, int]:
        """Kind and level of the next patch: the simulation's own kind, any or the fixed level."""
        kind = self.pool.kinds[episode.number[sim] % len(self.pool.kinds)]
        level = int(rng.integers(self.pool.levels))  # in any case, for what follows
        return kind, level if self.level is None else self.level

    def goes_ahead(self, episode: E, sim: int) -> bool:
        """Whether an episode that begins leads straight off its platform, for a terrain tour."""
        return False

    def _require_like(self, own: Robot) -> None:
        """Refuse a robot for which the task's controls would mean something else.

        Raises:
            RobotError: Its time step differs from that of the task's own robot, or its actuators
                take another quantity.
        """
        step, own_step = (float(robot.model.opt.timestep) for robot in (self.robot, own))
        if step != own_step:
            raise RobotError(
                f"{self.robot_file} steps by {step:g} s, so {self.name} would control it every "
                f"{1e3 * step * self.substeps:g} ms rather than {1e3 * own_step * self.substeps:g}:"
                f' write <option timestep="{own_step:g}"/>'
            )
        if own.spec.joints or not own.is_servo.all():  # a task with a control of its own
            return
        for joint, is_servo in zip(self.robot.joints, self.robot.is_servo, strict=True):
            if not is_servo:
                raise RobotError(
                    f"The actuator of {joint} in {self.robot_file} does not take the joint's "
                    f"target in rad (m of a slide), which {self.name} sends: make it a "
                    f'<position joint="{joint}" kp="..."/> without gear'
                )

    def _check_action(self) -> None:
        space = self.action_space
        declared = sum(part.size for part in self.action), *np.shape(space.scale)
        if declared != (space.size, space.size):
            what = f"acts on {space.size} quantities"
            if space.names == self.robot.joints:
                what = f"the robot has {space.size} actuators"
            raise UsageError(
                f"{self.name}: {what}, but the fields of action have {declared[0]} elements and "
                f"action_scale has shape {np.shape(space.scale)}"
            )

    @property
    def options(self) -> dict[str, Any]:
        """Options that build this task again, beside its name."""
        robot = None if self.robot_file is None else str(page_file(self.robot_file).resolve())
        options = {"robot_file": robot, "randomization": self.randomization.describe()}
        if self.terrain is not None:
            options |= {"kinds": list(self.terrain.kinds), "level": self.level}
        return options

    @property
    def kept(self) -> Kept:
        """The user's robot, if there is one."""
        if self._own_robot is None:
            return {}
        return {"robot_file": ("robot.zip", self._own_robot.zipped)}

    @property
    def content(self) -> dict[str, str]:
        """The user's task file and robot -> SHA-256.

        Of a task that is its file, of a robot what all that its file includes compiles to.
        """
        module = type(self).__module__
        content = {} if module.startswith("robo_maxent.") else own_file(module)
        if self.robot_file is not None:
            compiled = np.empty(mujoco.mj_sizeModel(self.robot.model), np.uint8)
            mujoco.mj_saveModel(self.robot.model, None, compiled)
            content["robot"] = hashlib.sha256(compiled.tobytes()).hexdigest()
        return content

    # The same task elsewhere.

    def on(self, terrain: TerrainPool) -> Self:
        """The task on other ground."""
        other = copy.copy(self)
        other.terrain = terrain
        other.robot = other._loaded()
        return other

    def at(self, patches: np.ndarray) -> Self:
        """The task with the terrain patch of each simulation chosen, int, (N,)."""
        other = copy.copy(self)
        other.patches = patches
        return other

    def trial(self, terrain: TerrainPool | None = None) -> Self:
        """The task as a stress test runs it.

        Nothing differs between its episodes but what their parameters say, and commands do not
        change within one. It takes place on a plane without end, unless patches are given.
        """
        if terrain is None and self.terrain is not None:
            terrain = TerrainPool.plane(self.terrain.catalogue)
        other = copy.copy(self) if terrain is None else self.on(terrain)
        other.randomization = self.ranges("none")
        return other

    def unseen(self, seed: int, purpose: Purpose = Purpose.EVALUATION) -> Self:
        """The task on new patches of the same kinds, which no training saw."""
        if self.terrain is None or self.terrain.is_plane:
            return self
        pool, kept = self.terrain, self._unseen
        if kept is None or (kept.terrain.seed, kept.terrain.purpose) != (seed, purpose):
            # Kept: evaluations come again with the seed of the first.
            size = pool.levels, pool.variants
            fresh = TerrainPool(pool.kinds, *size, seed, purpose, pool.catalogue)
            self._unseen = kept = self.on(fresh)
        return kept

    def in_training(self) -> Self:
        """The task as it is trained, where episodes may begin in other states than in a test."""
        return self
