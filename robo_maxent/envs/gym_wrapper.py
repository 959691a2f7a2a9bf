"""Wraps one Gymnasium environment: flat arrays in and out, errors reported as text.

Inside a worker process an exception is easily lost on its way: it may not survive pickling, and
Gymnasium's report of it goes through ``warnings``. So the wrapper raises nothing: an environment
error comes out as a text in ``info``, and the process that trains raises it.
"""

import os
import signal
import sys
import traceback
import warnings
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_robotics_shim import repair_for
from robo_maxent.errors import ANY_ERROR, EnvError, EnvWarning
from robo_maxent.seeds import Purpose, environment_seed

ERROR = "env_error"
"""Key of ``info`` with the error of the environment, in one line."""
TRACE = "env_error_trace"
"""Key of ``info`` with the traceback of its exception; empty if it raised none."""

ALL_PICTURES = "rgb_array_list"
"""Gymnasium's render mode of environments that draw several pictures per step."""

RETURNED = {
    "reset": ("observation", "info"),
    "step": ("observation", "reward", "terminated", "truncated", "info"),
}
"""What the methods of an environment return since Gymnasium 0.26."""

NOT_THEIRS = (Path(__file__).parents[1], Path(gymnasium.__file__).parent)
"""Folders of code that only passes calls on; messages name no line of it."""


class GymWrapper(gymnasium.Wrapper[np.ndarray, Any, Any, Any]):
    """An environment with flat float32 observations, (O,), and actions in [-1, 1] or a number.

    Each episode is seeded by (purpose, seed, simulation, episode), so that simulation 0 of 8 runs
    the same episodes as simulation 0 of 1, and a resumed run need not repeat any.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        label: str,
        repeat: int,
        seed: int,
        sim: int,
        purpose: Purpose,
    ):
        """Wrap an environment.

        Args:
            env: Acts in a bounded Box of floats or in Discrete; its observation space can be
                flattened.
            label: What to call it in messages.
            repeat: How often each action is applied; rewards are summed.
            seed: Seed of every episode.
            sim: Number of this simulation.
            purpose: What its episodes are for.
        """
        super().__init__(env)
        self.pictures: list[Any] = []
        """Pictures of the last step, the newest last, if the environment was made to draw all."""
        self._picture: Any = None  # of now, of the same
        assert isinstance(env.action_space, spaces.Box | spaces.Discrete)
        self._inner_action = env.action_space
        self._inner_observation = env.observation_space
        self._size = spaces.flatdim(env.observation_space)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self._size,), np.float32)
        if isinstance(env.action_space, spaces.Discrete):
            self.action_space = spaces.Discrete(int(env.action_space.n))
        else:
            flat = (int(np.prod(env.action_space.shape)),)
            self.action_space = spaces.Box(-1.0, 1.0, flat, np.float32)
        self.next_episode = 0
        self._label, self._repeat = label, repeat
        self._seed, self._sim, self._purpose = seed, sim, purpose
        self._steps = self._in_episode = 0

    def next_is(self, purpose: Purpose, seed: int, sim: int) -> None:
        """Make the next episode the first of a given simulation."""
        self._purpose, self._seed, self._sim, self.next_episode = purpose, seed, sim, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin the next episode; ``seed`` is ignored, since the wrapper has its own."""
        key = (self._purpose, self._seed, self._sim, self.next_episode)
        self.next_episode += 1
        self._in_episode = 0
        episode_seed = environment_seed(*key)
        try:
            raw, _ = _returned(self.env.reset(seed=episode_seed, options=options), "reset")
            if self.render_mode == ALL_PICTURES:
                self._picture = self._drawn()[-1]
            return self._flat(raw), {}
        except ANY_ERROR as error:  # someone else's code: whatever it raises is to be reported
            return np.zeros(self._size, np.float32), self._reported(error, "reset")

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Apply an action ``repeat`` times, or until the episode ends."""
        try:
            return self._step(self._theirs(action))
        except ANY_ERROR as error:  # as above
            obs, info = np.zeros(self._size, np.float32), self._reported(error, "step")
            return obs, 0.0, False, False, info

    def render(self) -> Any:
        """The environment's picture, unchecked."""
        return self._picture if self.render_mode == ALL_PICTURES else self.env.render()

    def close(self) -> None:
        """Close the environment; its exceptions become warnings."""
        close(self.env, self._label)

    def _step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        total, raw, terminated, truncated, info = 0.0, None, False, False, {}
        for _ in range(self._repeat):
            self._steps += 1
            self._in_episode += 1
            raw, reward, terminated, truncated, info = _returned(self.env.step(action), "step")
            total += self._finite_reward(reward)
            if terminated or truncated:
                break
        if self.render_mode == ALL_PICTURES:
            self.pictures = self._drawn()
            self._picture = self.pictures[-1]
        ended = bool(terminated or truncated)
        success = _success(info) if ended else None
        final_info = {} if success is None else {"is_success": success}
        return self._flat(raw), total, bool(terminated), bool(truncated), final_info

    def _drawn(self) -> list[Any]:
        """Everything that the environment drew since the last call."""
        pictures = self.env.render()
        if not isinstance(pictures, list) or not pictures:
            found = type(pictures).__name__
            raise _UnusableError(f"{found} from render(), where a list of pictures is expected,")
        return pictures

    def _theirs(self, action: Any) -> Any:
        """An action in the environment's own range."""
        if isinstance(self._inner_action, spaces.Discrete):
            return self._inner_action.start + np.int64(action)
        low, high = self._inner_action.low, self._inner_action.high
        share = (np.asarray(action, np.float64).reshape(low.shape) + 1.0) / 2.0
        scaled = low + share * (high.astype(np.float64) - low)
        return np.clip(scaled.astype(self._inner_action.dtype), low, high)

    def _finite_reward(self, reward: Any) -> float:
        try:
            value = float(np.asarray(reward).item())  # also of an array of one number
        except (TypeError, ValueError):
            raise _UnusableError(f"the reward {reward!r}, where a number is expected,") from None
        if not abs(value) <= np.finfo(np.float32).max:
            raise _UnusableError(f"the reward {value}")
        return value

    def _flat(self, raw: Any) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused below
                flat = np.asarray(spaces.flatten(self._inner_observation, raw)).astype(np.float32)
        except Exception as error:  # of whatever type, it is not what the space says
            raise _UnusableError(
                f"an observation that its space does not have ({one_line(error)})"
            ) from error
        if flat.shape != (self._size,):
            raise _UnusableError(
                f"an observation of {flat.size} numbers, where its space has {self._size},"
            )
        if not np.isfinite(flat).all():
            bad = np.flatnonzero(~np.isfinite(flat))
            raise _UnusableError(f"an observation with {flat[bad[0]]} at element {bad[0]}")
        return flat

    def _reported(self, error: BaseException, during: str) -> dict[str, Any]:
        """The ``info`` that reports an error."""
        where = (
            f"in simulation {self._sim} at its step {self._steps}, step {self._in_episode} of "
            f"episode {self.next_episode - 1}"
        )
        if isinstance(error, _UnusableError):
            return {ERROR: f"{self._label} returned {error} {where}.", TRACE: ""}
        text = f"{self._label} crashed in {during}() {where}: {one_line(error)}"
        if isinstance(error, ValueError) and "to unpack" in str(error):  # by a wrapper inside
            text += f"; {_expected(during)}"
        return {ERROR: f"{text}.", TRACE: traceback.format_exc()}


def close(env: gymnasium.Env[Any, Any], label: str) -> None:
    """Close an environment; exceptions become warnings, since its work is done."""
    try:
        env.close()
    except ANY_ERROR as error:  # someone else's code
        warnings.warn(f"{label} can't be closed: {one_line(error)}", EnvWarning, stacklevel=2)


def one_line(error: BaseException) -> str:
    """An exception of someone else's code on one line: type, text, and where it arose."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    if not theirs:
        return text
    place = f"{os.path.basename(theirs[-1].filename)}:{theirs[-1].lineno}"
    # An assertion without a text says what it asserts.
    return f"{text} ({place})" if str(error) else f"{text} {theirs[-1].line} ({place})"


def _is_theirs(filename: str) -> bool:
    frozen = filename.startswith("<")  # Python's own importing
    return not frozen and not any(Path(filename).is_relative_to(place) for place in NOT_THEIRS)


def _returned(values: Any, method: str) -> tuple[Any, ...]:
    """The values that a method of an environment returned, if their number is right."""
    if isinstance(values, tuple) and len(values) == len(RETURNED[method]):
        return values
    found = f"{len(values)} values" if isinstance(values, tuple) else type(values).__name__
    raise _UnusableError(f"{found} from {method}(), where {_expected(method)},")


def _expected(method: str) -> str:
    names = RETURNED[method]
    return f"{len(names)} values are expected: {', '.join(names)}"


def checked_picture(label: str, rendered: Any) -> np.ndarray:
    """A picture from an environment, uint8, (height, width, 3), checked.

    Raises:
        EnvError: It is no such picture.
    """
    allowed = "allowed is an array of uint8 of shape (height, width, 3)"
    if not isinstance(rendered, np.ndarray):
        raise EnvError(
            f"{label} gave no picture to record but {type(rendered).__name__}; {allowed}."
        )
    shape = rendered.shape
    if rendered.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (3, 4) or 0 in shape:
        raise EnvError(f"{label} draws {rendered.dtype} of shape {shape}; {allowed}.")
    return rendered[:, :, :3]


def _success(info: dict[str, Any]) -> bool | None:
    """Success according to the environment's last ``info``; None if it does not say.

    The key is ``is_success``; where that is missing ``success``, if it is a number, as mazes and
    Adroit of gymnasium-robotics have it.
    """
    if "is_success" in info:
        return bool(info["is_success"])
    success = info.get("success")
    return bool(success) if isinstance(success, Real | np.bool_) else None


class _UnusableError(ValueError):
    """The environment returned something that nothing can learn from."""


@dataclass(frozen=True)
class WrapperFactory:
    """Makes one wrapped environment, here or in a worker process."""

    spec: EnvSpec
    label: str
    repeat: int
    seed: int
    sim: int
    purpose: Purpose
    kwargs: dict[str, Any]
    process: int = field(default_factory=os.getpid)
    """Id of the training process."""

    def __call__(self) -> GymWrapper:
        """Make the environment."""
        if os.getpid() != self.process:
            # Ctrl-C reaches every process of a terminal; the one that trains ends the workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            repair_for(self.spec)
            env = gymnasium.make(self.spec, disable_env_checker=True, **self.kwargs)
        except ANY_ERROR as error:  # someone else's code
            if os.getpid() == self.process:
                raise
            sys.exit(f"{self.label} can't be made in a worker process: {one_line(error)}")
        return GymWrapper(env, self.label, self.repeat, self.seed, self.sim, self.purpose)
