"""The effects of a task at work in N simulations: applied at reset and during each step.

Everything is exact on control steps, and an effect that no episode asks for is skipped.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from robo_maxent.errors import EnvError, UsageError
from robo_maxent.perturbations.base import Perturbation, Running
from robo_maxent.perturbations.model_fields import ModelFields, Simulations
from robo_maxent.perturbations.params import Effects, EpisodeParams
from robo_maxent.sim.robot import Robot, RobotState
from robo_maxent.spaces import Field
from robo_maxent.types import SHOWN_FIELDS, Arrow

Pair = tuple[Perturbation, Running]


class ActiveEffects:
    """All effects of a task on a batch; only activated ones act."""

    def __init__(
        self,
        effects: Effects,
        robot: Robot,
        batch: Simulations,
        params: EpisodeParams,
        observation: tuple[Field, ...],
        action_size: int,
        control_dt: float,
    ) -> None:
        """Prepare all of them; nothing acts until :meth:`activate` says what may.

        Args:
            effects: In the order in which they are written.
            robot: Whose batch it is.
            batch: N simulations.
            params: What is different about the running episodes, N rows, which change.
            observation: What sensors there are.
            action_size: Elements of an action, A.
            control_dt: Time between two actions, s.
        """
        n = batch.nsim
        self._batch: Any = batch
        self._robot = robot
        self._fields = ModelFields(robot.model, batch)
        self._key = np.zeros(n, np.uint64)
        forces = batch.bind("xfrc_applied")
        pushing = forces[:, robot.pushed_body, :3]  # (N, 3), in the state
        wanted = [np.zeros((n, 3)) for _ in effects]
        self._all: list[Pair] = []
        self._active: list[Pair] = []
        self._pushing: list[np.ndarray] = []  # the wanted forces of active effects
        for effect, force in zip(effects, wanted, strict=True):
            running = Running(
                robot=robot,
                control_dt=control_dt,
                observation=observation,
                action_size=action_size,
                params=params,
                fields=self._fields,
                qvel=batch.bind("qvel"),
                mocap_pos=batch.bind("mocap_pos"),
                body_force=force,
                pushing=pushing,
                others=self._pushing,
                key=self._key,
                realized={name: np.zeros(n) for name in effect.realized},
            )
            effect.prepare(running)
            self._all.append((effect, running))

    def activate(self, effects: Iterable[Perturbation]) -> None:
        """From now on let these effects act too.

        Raises:
            UsageError: The robot lacks what one takes.
        """
        wanted = [effect for effect in effects if effect not in self._effects]
        for effect in wanted:
            lacking = effect.lacking(self._robot)
            if lacking is not None:
                raise UsageError(f"{effect.name} can't act: the robot has {lacking}")
        if wanted:
            on = [*self._effects, *wanted]
            self._active = [pair for pair in self._all if pair[0] in on]
            self._pushing[:] = [running.body_force for _, running in self._active]

    @property
    def _effects(self) -> list[Perturbation]:
        return [effect for effect, _ in self._active]

    def begin(self, ids: np.ndarray, key: np.ndarray) -> None:
        """Begin the episodes of ``ids``, in ascending order, whose parameters are set.

        ``key`` names their random numbers, uint64, (k,).
        """
        self._key[ids] = key
        self._write(ids)
        for effect, running in self._all:
            running.body_force[ids] = 0.0
            effect.begin(running, ids)

    def start(self, ids: np.ndarray, qpos: np.ndarray) -> None:
        """Change the initial poses of the episodes of ``ids``, (N, nq)."""
        for effect, running in self._active:
            effect.start(running, ids, qpos)

    def received(self, action: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Actions that reach the motors, of the actions sent, (N, A).

        Raises:
            EnvError: An effect returns no such actions.
        """
        for effect, running in self._active:
            received = effect.on_action(running, action, steps)
            if np.shape(received) != action.shape:
                raise EnvError(
                    f"on_action of {effect.name} must return actions of shape {action.shape}, and "
                    f"returned {type(received).__name__} of shape {np.shape(received)}."
                )
            action = received
        return action

    def before_step(self, state: RobotState, steps: np.ndarray) -> None:
        """Let effects act before the physics of a control step."""
        for effect, running in self._active:
            effect.before_step(running, state, steps)

    def after_step(self) -> None:
        """Let effects measure what was done in the control step."""
        for effect, running in self._active:
            effect.after_step(running)

    def sensed(self, state: RobotState) -> RobotState:
        """A state as the sensors measure it, without noise.

        Raises:
            EnvError: An effect returns no state.
        """
        for effect, running in self._active:
            sensed = effect.on_state(running, state)
            if not isinstance(sensed, type(state)):
                raise EnvError(
                    f"on_state of {effect.name} must return a {type(state).__name__}, and returned "
                    f"{type(sensed).__name__}."
                )
            state = sensed
        return state

    def add_noise(self, obs: np.ndarray, steps: np.ndarray) -> None:
        """Add sensor noise to observations, (N, O), in place.

        Raises:
            EnvError: An effect returns observations, which nobody would see.
        """
        for effect, running in self._active:
            returned: object = effect.on_observation(running, obs, steps)
            if returned is not None:
                raise EnvError(
                    f"on_observation of {effect.name} must change the observations in place, and "
                    "return nothing."
                )

    def arrows(self, state: RobotState, sim: int, step: int) -> list[Arrow]:
        """Arrows of all effects in a picture of one simulation."""
        return [
            arrow
            for effect, running in self._active
            for arrow in effect.arrows(running, state, sim, step)
        ]

    def shown(self, sim: int) -> dict[str, np.ndarray]:
        """Model fields that effects wrote and that a picture of one simulation shows."""
        return self._fields.changed(SHOWN_FIELDS, sim)

    def torque_limits(self) -> np.ndarray:
        """Largest torque at each joint as it is now, N·m, (N, J); 0: it has no limit, or none."""
        ids, robot = np.arange(self._batch.nsim), self._robot
        if robot.spec.joints:
            return self._fields.read("jnt_actfrcrange", ids)[:, robot.joint_ids, 1]
        limits = self._fields.read("actuator_forcerange", ids)
        return limits[:, robot.actuators, 1]

    def realized(self, sim: int) -> dict[str, float]:
        """What the simulation made of all effects in one running episode."""
        return {
            name: float(values[sim])
            for _, running in self._all
            for name, values in running.realized.items()
        }

    def state_dict(self) -> dict[str, np.ndarray]:
        """State of the effects for a checkpoint; forces are in the simulation state."""
        return {
            f"{effect.name}.{name}": values
            for effect, running in self._all
            for name, values in (
                *running.memory.items(),
                *((f"realized.{name}", values) for name, values in running.realized.items()),
                ("body_force", running.body_force),
            )
        }

    def load_state_dict(
        self, saved: dict[str, np.ndarray], steps: np.ndarray, key: np.ndarray
    ) -> None:
        """Continue, with the parameters already loaded, at these control steps."""
        self._key[:] = key
        for name, values in self.state_dict().items():
            values[:] = saved[name]
        self.rewrite(steps)

    def rewrite(self, steps: np.ndarray) -> None:
        """Apply all parameters as they are now to episodes at these control steps."""
        self._write(np.arange(self._batch.nsim))
        for effect, running in self._active:
            effect.resume(running, steps)

    def _write(self, ids: np.ndarray) -> None:
        self._fields.restore(ids)
        for effect, running in self._active:
            effect.write(running, ids)
        if any(effect.changes_constants for effect, _ in self._active):
            self._batch.set_const(ids)
