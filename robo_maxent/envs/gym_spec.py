"""Finds and makes Gymnasium ids, and checks that their spaces can be learnt on."""

import contextlib
import copy
import importlib
import io
import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_robotics_shim import repair_for
from robo_maxent.envs.gym_wrapper import one_line
from robo_maxent.errors import ANY_ERROR, EnvError, UsageError
from robo_maxent.here import import_from_here
from robo_maxent.spaces import ActionSpace, Box, Discrete

PREFIX = "gym:"
"""Prefix that tells a Gymnasium id from a task of this package."""

WIDEST_ACTION = 1e9
"""Action bounds beyond this, such as the largest float, count as missing."""

MOST_ACTIONS = 10_000
"""Most discrete actions; each has its own output in every network."""

Parts = tuple[tuple[str, int, str], ...]
"""Name, size and unit of each part of an observation."""


class EnvSource(Protocol):
    """What the environments of a task are made of, and how a policy acts in them."""

    name: str
    """What to call it in messages and in rows."""
    spec: EnvSpec
    """What Gymnasium makes the environment of."""
    action_repeat: int
    """Environment steps in a control step."""
    action_space: ActionSpace
    """What actions mean to the environment."""


def module_of(name: str) -> str | None:
    """Module that a task's name asks to import, as in ``gym:MODULE:ID``; None if it has none."""
    module, _, _ = name.removeprefix(PREFIX).rpartition(":")
    return module if name.startswith(PREFIX) and module else None


def find_spec(env_id: str) -> EnvSpec:
    """Find a registered id: ``module:id``, dm_control's, Gymnasium's own or gymnasium-robotics'.

    Raises:
        UsageError: There is no such id, or its module can't be imported.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            _imported(module)
        elif name.startswith("dm_control/"):
            _registered_by("shimmy")
        elif name not in gymnasium.registry:
            _registered_by("gymnasium_robotics")
        return gymnasium.spec(name)
    except (gymnasium.error.Error, ImportError, ValueError) as error:
        raise UsageError(
            f"Unknown Gymnasium id {env_id!r}: {str(error).rstrip('.')}. An id of a package that "
            f"must be imported first is {PREFIX}MODULE:ID."
        ) from error


def is_registered(name: str) -> bool:
    """Whether a word is a registered id of Gymnasium, gymnasium-robotics or dm_control."""
    if ":" in name:
        return False
    try:
        find_spec(name)
    except UsageError:
        return False
    return True


def known_rewards(spec: EnvSpec) -> tuple[float, float] | None:
    """Lowest and highest reward of an id of dm_control's suite; None of others.

    They lie in [0, 1] by design, but for those of lqr (Tassa et al. 2018, arXiv 1801.00690).
    """
    if spec.namespace != "dm_control":
        return None
    from dm_control.suite import ALL_TASKS  # takes a second

    domain, _, task = spec.name.partition("-")
    return (0.0, 1.0) if (domain, task) in ALL_TASKS and domain != "lqr" else None


def with_args(spec: EnvSpec, env_args: Mapping[str, Any]) -> EnvSpec:
    """Spec of an id with more arguments than it was registered with."""
    spec, args = copy.deepcopy(spec), dict(env_args)
    if "max_episode_steps" in args:
        spec.max_episode_steps = args.pop("max_episode_steps")
    spec.kwargs.update(args)
    return spec


def _imported(module: str) -> None:
    """Import a module that registers ids; those of the current directory come first."""
    try:
        import_from_here(module)
    except ANY_ERROR as error:  # someone else's code
        if isinstance(error, ModuleNotFoundError) and error.name in (module, module.split(".")[0]):
            raise  # there is none: the caller says how ids are named
        raise UsageError(f"The module {module} can't be imported: {one_line(error)}.") from error


def _registered_by(package: str) -> None:
    """Import a package that registers ids, without its warnings; takes a second."""
    # Without a display GLFW complains, and EGL is used; others print advice on old versions.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        importlib.import_module(package)


def make(name: str, spec: EnvSpec) -> gymnasium.Env[Any, Any]:
    """Make an environment without Gymnasium's checker: the wrapper checks what matters.

    Raises:
        UsageError: A package is missing, or a page of ``tasks/`` takes no such argument.
        EnvError: Its own code raised.
    """
    try:
        repair_for(spec)
        return gymnasium.make(spec, disable_env_checker=True)
    except UsageError:  # which says it all
        raise
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise UsageError(f"{name} can't be made: {error}. Fix: install what it names") from error
    except ANY_ERROR as error:  # someone else's code
        raise EnvError(f"{name} can't be made: {one_line(error)}") from error


def action_space_of(name: str, space: spaces.Space[Any]) -> ActionSpace:
    """The action space of an environment, if it can be learnt.

    Raises:
        UsageError: They can't; the message says what is allowed.
    """
    if isinstance(space, spaces.Discrete):
        _require_choice(name, space)
        return Discrete(tuple(str(space.start + number) for number in range(int(space.n))))
    box = _require_box(name, space)
    low, high = box.low.astype(np.float64).ravel(), box.high.astype(np.float64).ravel()
    names = tuple(f"action {i}" for i in range(len(low)))
    return Box(names, centre=(low + high) / 2, scale=(high - low) / 2)


def _require_choice(name: str, space: spaces.Discrete[Any]) -> None:
    if not 2 <= space.n <= MOST_ACTIONS:
        raise UsageError(
            f"{name} acts in {space}; allowed are 2 to {MOST_ACTIONS:,} actions to choose from."
        )


def _require_box(name: str, space: spaces.Space[Any]) -> spaces.Box:
    """The action space, if it is a Box that can be learnt.

    Raises:
        UsageError: It is not; the message says what is allowed.
    """
    allowed = "allowed is a Box of floats with finite bounds, or Discrete"
    numbered = (
        "Register an id that numbers its actions: gymnasium.wrappers.TransformAction(env, lambda "
        "number: table[number], gymnasium.spaces.Discrete(len(table)))"
    )
    if not isinstance(space, spaces.Box):
        raise UsageError(f"{name} acts in {space}; {allowed}. {numbered}.")
    if not np.issubdtype(space.dtype, np.floating):
        raise UsageError(f"{name} acts in a Box of {space.dtype}; {allowed}. {numbered}.")
    if not (np.abs([space.low, space.high]) <= WIDEST_ACTION).all():  # infinite, or as good as that
        raise UsageError(
            f"{name} acts in an unbounded Box; {allowed} of at most {WIDEST_ACTION:g}. Register an "
            "id that declares the range that matters: gymnasium.wrappers.TransformAction(env, "
            "lambda action: action, gymnasium.spaces.Box(low, high)). ClipAction on the outside "
            "takes bounds away, and RescaleAction needs some."
        )
    if not (space.low < space.high).all():
        fixed = np.argwhere(~(space.low < space.high))[0].tolist()
        raise UsageError(
            f"{name} acts in a Box whose element {fixed[0] if len(fixed) == 1 else fixed} has no "
            "width: leave fixed actions out of the space, and let the environment add them."
        )
    if not np.prod(space.shape):
        raise UsageError(f"{name} acts in {space}, which is empty; {allowed}.")
    return space


def observation_parts(name: str, space: spaces.Space[Any]) -> tuple[Parts, tuple[str, ...]]:
    """Parts of the flattened observation, and notes about the flattening, a line each.

    Raises:
        UsageError: It has pictures, text, or no fixed size.
    """
    unreadable = _unreadable(space)
    if unreadable is not None:
        raise UsageError(
            f"{name} observes {unreadable}, which the networks here can't read. Register the id "
            "with additional_wrappers that turn it into numbers."
        )
    if not space.is_np_flattenable:
        raise UsageError(
            f"{name} observes {type(space).__name__}, which has no fixed size. Register the id "
            "with additional_wrappers such as gymnasium.wrappers.TransformObservation that give "
            "it one."
        )
    if isinstance(space, spaces.Dict):
        sizes = ((str(key), spaces.flatdim(part)) for key, part in space.items())
        parts = tuple((key, size, "") for key, size in sizes if size)  # a layout has no empty ones
        note = f"{name}: the observation is flattened from {', '.join(key for key, _, _ in parts)}"
        return parts, (note,)
    parts = (("observation", spaces.flatdim(space), ""),)
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return parts, ()
    return parts, (f"{name}: the observation {type(space).__name__}{space.shape} is flattened",)


def _unreadable(space: spaces.Space[Any]) -> str | None:
    """Parts of an observation, at any depth, that small networks can't read."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        parts = space.values() if isinstance(space, spaces.Dict) else space
        return next((what for what in map(_unreadable, parts) if what is not None), None)
    if isinstance(space, spaces.Text):
        return "text"
    picture = isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) >= 2
    return "pictures" if picture else None


def step_seconds(env: gymnasium.Env[Any, Any]) -> float:
    """Duration of a step of the environment, s; 1 if it does not say."""
    dt = getattr(env.unwrapped, "dt", None)
    if isinstance(dt, float | int) and dt > 0:
        return float(dt)
    fps = env.metadata.get("render_fps")
    return 1.0 / fps if isinstance(fps, float | int) and fps > 0 else 1.0
