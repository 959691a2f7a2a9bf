"""Finds the MuJoCo model inside a Gymnasium environment, and changes it for an episode.

Gymnasium's environments and those of gymnasium-robotics have a ``model`` and a ``data``, those of
dm_control a ``physics``. What is written into a model is always a value of the compiled one and a
factor, when an episode begins, and is taken back before the next.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from robo_maxent.envs.gym_wrapper import ERROR, TRACE, GymWrapper
from robo_maxent.errors import EnvError
from robo_maxent.seeds import Purpose
from robo_maxent.sim.physics import UNSTABLE, mujoco
from robo_maxent.sim.robot import Robot, RobotSpec

Pair = tuple[mujoco.MjModel, mujoco.MjData]

NO_BASE = 0


def find_model(env: gymnasium.Env[Any, Any]) -> Pair | None:
    """Model and data of an environment, live; None if they can't be reached."""
    inside = env.unwrapped
    pair = getattr(inside, "model", None), getattr(inside, "data", None)
    # shimmy keeps an environment of dm_control in a private place, and offers no other.
    physics = getattr(getattr(inside, "_env", None), "physics", None)
    if physics is not None:
        pair = tuple(
            getattr(getattr(physics, each, None), "ptr", None) for each in ("model", "data")
        )
    model, data = pair
    if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
        return model, data
    return None


class ForeignRobot(Robot):
    """What effects know of a robot in someone else's model: no names, at most a base.

    Effects that need feet, or anything else that a specification names, say that it lacks them.
    """

    def __init__(
        self, label: str, model: mujoco.MjModel | None, acts_by_choice: bool = False
    ) -> None:
        """Look for a base.

        Args:
            label: What to call it.
            model: A copy of its own; None: none can be reached.
            acts_by_choice: Its actions are discrete.
        """
        self.acts_by_choice = acts_by_choice
        self.model = model or mujoco.MjModel.from_xml_string("<mujoco/>")
        self._root = root_body(self.model)
        base = f"body {self._root}" if self._root != NO_BASE else None
        self.spec = RobotSpec(model=label if model else "", base=base)
        self.mass = float(self.model.body_mass.sum())
        self.joints = ()

    @property
    def base_body(self) -> int:
        """The body that moves freely as the robot's base."""
        return self._root

    @property
    def pushed_body(self) -> int:
        """The body that pushes act on: the base, or the world if there is none."""
        return self._root


def root_body(model: mujoco.MjModel) -> int:
    """The root of the actuated bodies, if it moves horizontally without a motor; else NO_BASE.

    Its joints let it move horizontally and are driven by nothing, unless that is a free joint.
    """
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    moment = np.zeros((model.nu, model.nv))
    if model.nu and model.nv:
        mujoco.mju_sparse2dense(
            moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
        )
    driven = np.abs(moment).max(axis=0, initial=0.0) > 0.0  # (nv,)
    carries = np.zeros(model.nbody, bool)  # driven joints, its own or farther out
    np.logical_or.at(carries, model.dof_bodyid, driven)
    for body in range(model.nbody - 1, 0, -1):
        carries[model.body_parentid[body]] |= carries[body]
    slide, free = mujoco.mjtJoint.mjJNT_SLIDE.value, mujoco.mjtJoint.mjJNT_FREE.value
    for joint in range(model.njnt):
        body, kind = int(model.jnt_bodyid[joint]), int(model.jnt_type[joint])
        own = driven[model.dof_bodyid == body]
        level = kind == slide and np.abs(data.xaxis[joint, :2]).max() > 1e-6
        if carries[body] and (kind == free or (level and not own.any())):
            return body
    return NO_BASE


class World:
    """One environment of an id, reused for one episode after the other, with its changes."""

    def __init__(self, label: str, wrapper: GymWrapper) -> None:
        """Change nothing yet; ``label`` is what to call it in messages."""
        self.wrapper, self._label = wrapper, label
        self.is_broken = False
        """Whether it crashed or diverged, so that its state can't be trusted."""
        self._compiled: dict[str, np.ndarray] = {}
        self._written: mujoco.MjModel | None = None
        self._constants = False
        self._pushed: set[int] = set()

    @property
    def pair(self) -> Pair | None:
        """Its model and data, live; None if they can't be reached."""
        return find_model(self.wrapper.env)

    def begin(self, purpose: Purpose, seed: int, sim: int) -> np.ndarray:
        """Begin the first episode of a simulation, with the compiled model: observation, (O,).

        Raises:
            EnvError: The environment crashed, or returned NaN or infinity.
        """
        self.restore()
        self.wrapper.next_is(purpose, seed, sim)
        obs, info = self.wrapper.reset()
        if ERROR in info:
            raise self.error(info)
        return obs

    def write(self, fields: Mapping[str, np.ndarray], constants: bool) -> None:
        """Set model fields for the episode that just began.

        Args:
            fields: Name -> value; options are named ``opt.gravity``.
            constants: MuJoCo derives constants from some of them.

        Raises:
            EnvError: The model is another than that of the first environment of this id.
        """
        if self.pair is None:
            return
        model, data = self.pair
        changed = False
        for name, value in fields.items():
            place = model_field(model, name)
            if place.shape != value.shape:
                raise EnvError(
                    f"{self._label}: {name} of its model has shape {place.shape}, and had "
                    f"{value.shape} before: effects on a model that changes can't be written"
                )
            if not np.array_equal(place, value):
                self._compiled.setdefault(name, place.copy())
                place[...] = value
                changed = True
        if not changed:
            return
        self._written, self._constants = model, constants
        if constants:
            _set_const(model)
        mujoco.mj_forward(model, data)

    def push(self, body: int, force: np.ndarray) -> None:
        """Apply a force to a body from now on, world frame, N, (3,)."""
        if self.pair is not None:
            self.pair[1].xfrc_applied[body, :3] = force
            self._pushed.add(body)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control step; see :meth:`GymWrapper.step`."""
        obs, reward, terminated, truncated, info = self.wrapper.step(action)
        self.is_broken |= ERROR in info
        return obs, reward, terminated, truncated, info

    def has_diverged(self) -> bool:
        """Whether it crashed, or became unstable, in this episode."""
        if self.pair is not None:
            warnings = self.pair[1].warning
            self.is_broken |= any(warnings[kind].number for kind in UNSTABLE)
        return self.is_broken

    def error(self, info: Mapping[str, Any]) -> EnvError:
        """The error that the wrapper reported."""
        error = EnvError(info[ERROR])
        if info[TRACE]:
            error.add_note(info[TRACE])
        return error

    def restore(self) -> None:
        """Undo the changes, unless the environment made itself a new model."""
        for body in tuple(self._pushed):
            self.push(body, np.zeros(3))
        if self._written is not None and self.pair is not None and self._written is self.pair[0]:
            for name, value in self._compiled.items():
                model_field(self._written, name)[...] = value
            if self._constants:
                _set_const(self._written)
        self._compiled, self._pushed = {}, set()
        self._written, self._constants = None, False


def model_field(model: mujoco.MjModel, name: str) -> np.ndarray:
    """A field of a model, live; options are named ``opt.gravity``."""
    value: Any = model
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _set_const(model: mujoco.MjModel) -> None:
    """Recompute derived constants, but keep anchors that the environment moved."""
    anchors = model.eq_data.copy()
    mujoco.mj_setConst(model, mujoco.MjData(model))
    model.eq_data[:] = anchors
