"""A live session: one simulation that a person disturbs and drives.

Where nobody does, it runs the episodes that ``record`` films of the same seed, bit for bit.
"""

import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from robo_maxent.envs.mujoco_task import MujocoTask
from robo_maxent.envs.mujoco_vec_env import MujocoVecEnv
from robo_maxent.errors import UnknownNameError, UsageError
from robo_maxent.evaluation.rollout import CheckedPolicy, begin, policy_view
from robo_maxent.perturbations import params as episode_params
from robo_maxent.perturbations.base import Perturbation, Plant, Values
from robo_maxent.play.controls import Control, controls_of
from robo_maxent.seeds import Purpose, named_rng
from robo_maxent.sim.capture_impulse import CaptureImpulse
from robo_maxent.sim.robot import LeggedState
from robo_maxent.sim.terrain_pool import TerrainPool
from robo_maxent.types import Act, Episode, Snapshot

PUSH_SECONDS = 0.1  # the shortest of a stress test
ENDLESS = 10**9  # control steps, of an episode without a time limit
SIM = 0
FARTHEST = 100.0  # m from the origin, of a goal that is moved


class Session:
    """One simulation, step by step, with all that somebody may do to it."""

    task: MujocoTask[Any, Any]
    """What is done, on the ground that it is done on now."""
    ended: Episode | None
    """The episode that is over; None: it runs."""

    def __init__(
        self,
        act: Act,
        task: MujocoTask[Any, Any],
        seed: int = 0,
        dump_dir: str | os.PathLike[str] = "runs/diverged",
    ) -> None:
        """Begin the first episode.

        Args:
            act: Policy.
            task: What it does.
            seed: Of the episodes, the same as of a film.
            dump_dir: Where the state of a diverged simulation goes.

        Raises:
            UsageError: ``seed`` is no whole number of at least 0.
        """
        self._act, self._seed, self._dump_dir = act, seed, dump_dir
        self._own_steps = task.episode_steps
        self._held: dict[str, Values] = {}
        self._command: np.ndarray | None = None
        self._times = 0  # that something happened, each with directions of its own
        self.has_time_limit = True
        """Whether episodes end where the task has them end; set it by :meth:`limit_time`."""
        self._start(copy.copy(task.unseen(seed, Purpose.FILM)))
        self.controls = {control.name: control for control in controls_of(self.task)}
        """Effect -> how it is set; those that the robot lacks something for are not there."""
        pushers = (each for each in self.task.perturbations if each.lacking(self.robot) is None)
        self.pusher = next((each for each in pushers if each.push(0.0, 1.0, 0.1)), None)
        """The effect that pushes the robot; None: nothing can."""

    # What there is.

    @property
    def robot(self) -> Any:
        """What is simulated."""
        return self.task.robot

    @property
    def seconds(self) -> float:
        """Time since the episode began, s."""
        return float(self._env.episode.elapsed[SIM]) * self.task.control_dt

    @property
    def is_over(self) -> bool:
        """Whether the episode has ended: nothing moves until :meth:`reset`."""
        return self.ended is not None

    @property
    def snapshot(self) -> Snapshot:
        """All that a picture needs."""
        return self._env.snapshot(SIM)

    @property
    def place(self) -> np.ndarray | None:
        """Where the robot is, world frame, m, (3,); None: it is fixed to the world."""
        state = self._env.state
        return state.base_position[SIM].copy() if isinstance(state, LeggedState) else None

    @property
    def command(self) -> np.ndarray | None:
        """The command in force, as :meth:`set_command` takes it, (3,); None: there is none."""
        tracking = self.task.tracking(self._env.episode, self._env.state)
        return None if tracking is None else tracking.command[SIM].copy()

    @property
    def goal(self) -> np.ndarray | None:
        """Where the goal is, world frame, m, (3,); None: there is none that can be moved."""
        number = self.robot.goal
        return None if number < 0 else self._env.batch.bind("mocap_pos")[SIM, number].copy()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of ground, or of tables, that there are; empty: there is one ground."""
        pool = self.task.terrain
        return () if pool is None or pool.is_plane else tuple(pool.catalogue.kinds)

    @property
    def ground(self) -> tuple[str, int] | None:
        """Kind and level of what the robot stands on, or its table is; None: there is one."""
        if not self.kinds:
            return None
        patch = self.task.pool.patches[int(self._env.episode.patch[SIM])]
        return patch.kind, patch.level

    @property
    def capture_impulse(self) -> CaptureImpulse | None:
        """How hard a push it takes without a step; None: it does not stand on feet."""
        spec = self.robot.spec
        return self._plant.capture_impulse if spec.base and spec.feet else None

    @property
    def differing(self) -> dict[str, Any]:
        """Parameters of the running episode that are not nominal."""
        return self._env.params.record(self._nominal, SIM)

    # What can be done.

    def step(self) -> bool:
        """Let the policy act for one control step.

        Returns:
            Whether there was one: none of an episode that is over.
        """
        if self.is_over:
            return False
        step = self._env.step(self._policy(self._obs))
        self._obs = step.obs
        if step.episodes:
            self.ended = self._policy.judge(SIM, step.episodes[0])
        return True

    def reset(self) -> None:
        """Begin the next episode; what was set stays so."""
        self._begin(lambda: self._env.restart(np.array([SIM])))

    def limit_time(self, limited: bool) -> None:
        """Let episodes end where the task has them end, or go on."""
        self.has_time_limit = limited
        self._env.task.episode_steps = self._own_steps if limited else ENDLESS

    def push(self, direction: float, impulse: float, seconds: float = PUSH_SECONDS) -> None:
        """Push the robot, from the next control step on.

        Args:
            direction: Rad, counter-clockwise from ahead; of an arm, from the world's x.
            impulse: N·s.
            seconds: How long.

        Raises:
            UsageError: It can't be pushed, or not so hard.
        """
        if self.pusher is None:
            raise UsageError(f"the robot of {self.task.name} has nothing that can be pushed")
        finite = np.isfinite([direction, impulse, seconds]).all()
        if not (finite and impulse >= 0.0 and seconds > 0.0):
            raise UsageError(
                f"a push needs a direction, an impulse of at least 0 N·s and a time over 0 s, got "
                f"{direction} rad, {impulse} N·s and {seconds} s"
            )
        self._happen(self.pusher, self.pusher.push(direction, impulse, seconds) or {})

    def trigger(self, name: str, severity: float, case: str = "") -> None:
        """Let something happen once, from the next control step on.

        Args:
            name: A momentary effect, such as slip.
            severity: In the unit of its axis.
            case: One of its axis' cases, such as a direction; "": the first.

        Raises:
            UsageError: There is no such effect, severity or case, or it is no momentary one.
        """
        control = self._control(name, momentary=True)
        self._happen(control.effect, self._values(control, severity, case))

    def set_perturbation(self, name: str, severity: float | None, case: str = "") -> None:
        """Hold a lasting effect at a severity, in this episode and all that follow.

        What a task places things by, such as the size of an object, begins the next episode.

        Args:
            name: The effect.
            severity: In the unit of its axis; None: as the episode has it by itself.
            case: One of its axis' cases, such as a joint; "": the first.

        Raises:
            UsageError: There is no such effect, severity or case, or it is a momentary one.
        """
        control = self._control(name, momentary=False)
        effect = control.effect
        nominal = dict(effect.nominal(self.robot))
        if severity is None:
            self._held.pop(name, None)
            drawn = self._env.drawn(SIM)
            values = {parameter: drawn[parameter][0] for parameter in nominal}
        else:
            values = self._held[name] = nominal | self._values(control, severity, case)
        self._env.hold(self._all_held)
        if effect.in_midst:
            self._change(values)
        else:
            self.reset()

    def set_command(self, command: np.ndarray | None) -> None:
        """Command the robot, in this episode and all that follow.

        Args:
            command: Forward m/s, leftward m/s, counter-clockwise rad/s, (3,), kept within the
                task's limits; None: from the next episode on, as the task has it.

        Raises:
            UsageError: It takes no commands, or this is none.
        """
        limits = self.task.command_limits
        if limits is None:
            raise UsageError(f"{self.task.name} takes no commands from outside")
        if command is not None:
            command = np.asarray(command, float)
            if command.shape != (3,) or not np.isfinite(command).all():
                raise UsageError(f"a command is three finite numbers, got {command.tolist()}")
            command = np.clip(command, *limits)
        self._command = command
        self._steer()

    def move_goal(self, position: np.ndarray) -> None:
        """Put the goal somewhere else, world frame, m, (3,), in this episode.

        Raises:
            UsageError: There is none, or this is no place.
        """
        if self.robot.goal < 0:
            raise UsageError(f"{self.task.name} has no goal that can be moved")
        position = np.asarray(position, float)
        if position.shape != (3,) or not np.all(np.abs(position) <= FARTHEST):
            raise UsageError(f"a goal is three numbers of m, got {position.tolist()}")
        self._env.batch.bind("mocap_pos")[SIM, self.robot.goal] = position
        self._obs = self._env.observe()

    def set_ground(self, kind: str, level: int) -> None:
        """Begin the next episode on other ground, or at another table, of the seed's own.

        Raises:
            UsageError: The task has one ground, or there is no such kind or level.
        """
        if not self.kinds:
            raise UsageError(f"{self.task.name} has one ground")
        pool, task = self.task.pool, self.task
        if kind not in pool.kinds:
            size = pool.levels, pool.variants
            pool = TerrainPool((kind,), *size, pool.seed, pool.purpose, pool.catalogue)
        patches = np.array([pool.index(kind, level, 0)])
        if pool is task.pool:
            self.task = self._env.task = task.at(patches)
            self.reset()
        else:
            self._start(task.on(pool).at(patches))

    # How.

    @property
    def _all_held(self) -> Values:
        return {name: value for values in self._held.values() for name, value in values.items()}

    def _start(self, task: MujocoTask[Any, Any]) -> None:
        """Simulate a task, from its first episode on."""
        self.task = task
        self._env: MujocoVecEnv[Any, Any] = MujocoVecEnv(
            task, 1, self._seed, dump_dir=self._dump_dir, once=True, purpose=Purpose.FILM
        )
        able = [each for each in task.perturbations if each.lacking(task.robot) is None]
        self._env.effects.activate(able)  # so that those that remember do it from the start
        self._nominal = episode_params.nominal(task.perturbations, task.robot, 1)
        self._plant = Plant(task.robot, task.control_dt)
        self._env.hold(self._all_held)
        self.limit_time(self.has_time_limit)
        self._begin(self._env.reset)

    def _begin(self, episode: Callable[[], np.ndarray]) -> None:
        begin(self._act, 1)
        seen = policy_view(self._act, self.task.policy_size)
        self._policy = CheckedPolicy(seen, self.task.action_space)
        self.ended = None
        self._obs = episode()
        self._steer()

    def _steer(self) -> None:
        """Give the command of somebody, if there is one."""
        if self._command is not None:
            self.task.steer(self._env.episode, SIM, self._command)
            self._obs = self._env.observe()

    def _happen(self, effect: Perturbation, values: Values) -> None:
        present = {name: rows[SIM] for name, rows in self._env.params.items()}
        begins = effect.happening(values, self.seconds, present)
        self._change(dict(effect.nominal(self.robot)) | begins)

    def _change(self, values: Values) -> None:
        self._env.change(SIM, values)
        self._obs = self._env.observe()

    def _control(self, name: str, momentary: bool) -> Control:
        if name not in self.controls:
            raise UnknownNameError(f"effect of {self.task.name}", name, self.controls)
        control = self.controls[name]
        if control.is_momentary != momentary:
            what = "happens once: trigger() it" if not momentary else "lasts: set_perturbation()"
            raise UsageError(f"{name} {what}")
        return control

    def _values(self, control: Control, severity: float, case: str) -> Values:
        """The parameters of an effect at a severity, where they are not nominal."""
        (low, high), cases = control.limits, control.axis.cases
        if not low <= severity <= high:
            unit = f" {control.axis.unit}".rstrip()
            raise UsageError(
                f"{control.name} must be within [{low:g}, {high:g}]{unit}, got {severity}"
            )
        if case and case not in cases:
            raise UnknownNameError(f"case of {control.name}", case, cases)
        case = case or (cases[0] if cases else "")
        count = 0  # of what lasts, so that a severity changes no direction
        if control.is_momentary:
            count, self._times = self._times, self._times + 1
        rng = named_rng(Purpose.FILM, self._seed, SIM, count, f"play/{control.name}/{case}")
        return dict(control.effect.at(severity, case, rng, self._plant))
