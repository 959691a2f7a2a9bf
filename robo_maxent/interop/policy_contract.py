"""Whether someone else's policy fits a task: sizes it declares, and what it does when asked."""

import hashlib
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from robo_maxent.envs.interface import EnvFactory
from robo_maxent.errors import PolicyError
from robo_maxent.spaces import Box
from robo_maxent.types import Act, Remembering

PROBED, PROBED_STEPS = 8, 3
"""Episodes, and control steps of them, in which a policy is compared with itself."""

_HERE = Path(__file__).parents[1]


class ExternalPolicy:
    """Someone else's policy on a task, whose actions are checked at every step."""

    def __init__(self, named: str, act: Act, task: EnvFactory) -> None:
        """Try a policy on observations of zeros.

        Args:
            named: What to call the policy in messages.
            act: Observations, float32, (N, P) -> actions, (N, A), or ints, (N,), if discrete.
            task: The task that it shall act on.

        Raises:
            PolicyError: The policy raises, or its actions do not fit the task.
        """
        self._named, self._act, self._task = named, act, task
        self.reset(np.arange(2))
        action = self(np.zeros((2, task.policy_size), np.float32))
        wrong = np.flatnonzero(task.action_space.wrong(action))
        if len(wrong):
            value = task.action_space.shown(action[wrong[0]])
            raise PolicyError(f"{named} returns {value} for an observation of zeros.")
        self.answers = self._digest()
        """Digest of what it answers to fixed observations, "" if it refuses these; None: it does
        not answer the same twice."""

    def reset(self, simulations: np.ndarray) -> None:
        """Tell the policy, if it remembers, that episodes begin in these rows, int, (k,).

        Raises:
            PolicyError: The policy raised.
        """
        if isinstance(self._act, Remembering):
            try:
                self._act.reset(simulations)
            except Exception as error:  # someone else's code
                raise PolicyError(
                    f"reset of {self._named} failed: {described(error)}. It is given the rows of "
                    "the observations to come in which episodes begin."
                ) from error

    def _digest(self) -> str | None:
        """SHA-256 of its actions, rounded, in a few steps of a few episodes, the same twice."""
        rng = np.random.default_rng(0)
        steps = rng.normal(size=(PROBED_STEPS, PROBED, self._task.policy_size)).astype(np.float32)
        answers = []
        for _ in range(2):
            self.reset(np.arange(PROBED))
            try:
                answers.append(np.array([self(obs) for obs in steps], np.float64))
            except PolicyError:  # it may, since no simulation would give them
                return ""
        if not np.array_equal(*answers, equal_nan=True):
            return None
        return hashlib.sha256((answers[0].round(3) + 0.0).tobytes()).hexdigest()

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions, (N, A), or of a discrete space (N,).

        Raises:
            PolicyError: It raised, or returned something else than N actions.
        """
        its_obs = np.array(obs, np.float32)  # a copy, for it may be written into
        try:
            action = np.asarray(self._act(its_obs))
        except (Exception, SystemExit) as error:  # someone else's code
            raise PolicyError(
                f"{self._named} failed on observations of shape {np.shape(obs)}: "
                f"{described(error)}. {contract(self._task)}"
            ) from error
        space = self._task.action_space
        continuous = isinstance(space, Box)
        expected = (len(obs), space.size) if continuous else (len(obs),)
        if action.shape != expected or action.dtype.kind not in ("fiu" if continuous else "iu"):
            raise PolicyError(
                f"{self._named} returned {action.dtype} of shape {action.shape} for observations "
                f"of shape {np.shape(obs)}. {contract(self._task)}"
            )
        return action


def contract(task: EnvFactory) -> str:
    """Say for people what a task gives to a policy and takes from it."""
    parts = "; ".join(
        f"{name} ({size})" if unit in ("", "1") else f"{name} ({size} in {unit})"
        for name, size, unit in task.policy_parts
    )
    space = task.action_space
    if isinstance(space, Box):
        takes = f"actions of shape (N, {space.size}), in [-1, 1]: {', '.join(space.names)}"
    else:
        takes = f"whole numbers of shape (N,), from 0 to {space.size - 1}"
    return (
        f"{task.name} gives observations of shape (N, {task.policy_size}), float32: {parts}. It "
        f"takes {takes}."
    )


def require_sizes(file: Path, task: EnvFactory, sees: Any, acts: Any) -> None:
    """Compare the sizes that a file declares with those of a task, where they are numbers.

    Raises:
        PolicyError: The sizes differ.
    """
    if isinstance(sees, int) and sees != task.policy_size:
        raise PolicyError(f"{file} sees {sees} elements of an observation. {contract(task)}")
    space = task.action_space
    if isinstance(space, Box) and isinstance(acts, int) and acts != space.size:
        raise PolicyError(f"{file} returns {acts} elements of an action. {contract(task)}")


def described(error: BaseException) -> str:
    """Describe an exception on one line, with the line of its author's code that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    of_the_author = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and not frame.filename.startswith("<")
        and not Path(frame.filename).is_relative_to(_HERE)
    ]
    if not of_the_author:
        return text
    last = of_the_author[-1]
    return f"{text} ({Path(last.filename).name}, line {last.lineno})"
