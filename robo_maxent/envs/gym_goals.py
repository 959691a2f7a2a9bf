"""Finds out whether a Gymnasium id has goals that can be relabelled, and computes their rewards.

Hindsight needs Boxes ``observation``, ``achieved_goal`` and ``desired_goal``, and a reward that
depends on the last two alone. A few dozen random steps show whether it does; a part of the reward
that shows only later, such as a cost of falling, is not noticed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_spec import Parts, make
from robo_maxent.envs.gym_wrapper import one_line
from robo_maxent.spaces import GoalSpec, places

ACHIEVED, DESIRED = "achieved_goal", "desired_goal"
NAMES = ("observation", ACHIEVED, DESIRED)
"""Parts of the observation of a goal environment, as gymnasium-robotics names them."""

PROBE_STEPS, PROBE_SECONDS, PROBE_SEED = 40, 0.3, 0
"""Random steps that are looked at, at most, for how long, s, and the seed of every reset."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Relative rounding error that goals may have."""

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "compute_reward": ({},),
    "compute_terminated": ({},),
    "_is_success": (),
}
"""Methods that compare goals -> their further arguments: an ``info`` that is not stored."""


class NoHindsightError(Exception):
    """Hindsight does not work with an id; the text says why."""


def names_goals(space: spaces.Space[Any]) -> bool:
    """Whether an observation has an achieved and a desired goal, of any kind."""
    return isinstance(space, spaces.Dict) and {ACHIEVED, DESIRED} <= set(space.keys())


def find_goal(
    name: str, spec: EnvSpec, env: gymnasium.Env[Any, Any], parts: Parts
) -> tuple[GoalSpec, tuple[str, ...]]:
    """The goals of an id, and notes about them, a line each.

    Args:
        name: What to call the id in messages.
        spec: Makes the environment that is asked for rewards in training.
        env: An environment of the id, of which a few random steps are made.
        parts: Parts of its flattened observation.

    Raises:
        NoHindsightError: It has no goals, or none that can be exchanged in hindsight.
    """
    space = goal_space(env.observation_space)
    if not env.has_wrapper_attr("compute_reward"):
        raise NoHindsightError("it has no compute_reward(achieved_goal, desired_goal, info)")
    try:
        recorded = _record(env)
    except Exception as error:  # someone else's code
        raise NoHindsightError(f"random steps fail: {one_line(error)}") from error
    kept = KeptEnv(name, spec, space)
    reward = _checked_reward(kept, recorded)
    terminates, success = _success(kept, reward, recorded)
    notes = (f"{name}: compute_reward takes one goal at a time, which slows hindsight down",)
    at = places((part, size) for part, size, _ in parts)
    goal = GoalSpec(
        achieved=ACHIEVED,
        desired=DESIRED,
        reward=GoalReward(reward, at[ACHIEVED], at[DESIRED]),
        success=success,
        terminates=terminates,
    )
    return goal, notes if reward.one_by_one else ()


def goal_space(space: spaces.Space[Any]) -> spaces.Box:
    """The space of the goals of an observation.

    Raises:
        NoHindsightError: There are none, or not of a kind that hindsight can exchange.
    """
    if not isinstance(space, spaces.Dict) or set(space.keys()) != set(NAMES):
        has = list(space.keys()) if isinstance(space, spaces.Dict) else space
        raise NoHindsightError(f"it observes {has}; needed is a Dict of {', '.join(NAMES)}")
    achieved, desired = space[ACHIEVED], space[DESIRED]
    for name in NAMES:
        if not isinstance(space[name], spaces.Box):
            raise NoHindsightError(f"its {name} is a {type(space[name]).__name__}, not a Box")
    assert isinstance(achieved, spaces.Box)
    if achieved.shape != desired.shape:
        raise NoHindsightError(
            f"its {ACHIEVED} has shape {achieved.shape}, its {DESIRED} {desired.shape}"
        )
    return achieved


@dataclass(frozen=True)
class KeptEnv:
    """An environment that only compares goals: made on first use, then kept, never pickled."""

    name: str
    spec: EnvSpec
    space: spaces.Box
    """Space of its goals."""

    @cached_property
    def env(self) -> gymnasium.Env[Any, Any]:
        """The environment, reset once, since some have attributes only then."""
        env = make(self.name, self.spec)
        env.reset(seed=PROBE_SEED)
        return env

    def shaped(self, goals: np.ndarray) -> np.ndarray:
        """Flat goals, (B, G), in the shape and type of the environment."""
        return goals.reshape(-1, *self.space.shape).astype(self.space.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the environment."""
        return {key: value for key, value in self.__dict__.items() if key != "env"}


@dataclass(frozen=True)
class Comparison:
    """A method of an environment that compares flat goals, (B, G) each: (B,) numbers."""

    kept: KeptEnv
    method: str
    """Name of the method, one of :data:`ARGUMENTS`."""
    one_by_one: bool
    """Whether it can't take many pairs of goals at once."""

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Compare each achieved goal with the desired one of the same row."""
        compare = self.kept.env.get_wrapper_attr(self.method)
        more = ARGUMENTS[self.method]
        achieved, desired = self.kept.shaped(achieved), self.kept.shaped(desired)
        if not self.one_by_one:
            return np.asarray(compare(achieved, desired, *more), np.float64)
        pairs = zip(achieved, desired, strict=True)
        return np.array([float(compare(a, b, *more)) for a, b in pairs], np.float64)


@dataclass(frozen=True)
class GoalReward:
    """Reward from the goals in the successor observations; a ``GoalSpec.reward``."""

    compare: Comparison
    achieved: slice
    desired: slice

    def __call__(self, obs: np.ndarray, action: np.ndarray, next_obs: np.ndarray) -> np.ndarray:
        """Rewards, (B,), of successors (B, O)."""
        return self.compare(next_obs[:, self.achieved], next_obs[:, self.desired])


@dataclass(frozen=True)
class IsTrue:
    """Success according to a method of the environment; a ``GoalSpec.success``."""

    compare: Comparison

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether each achieved goal, (B, G), meets the desired one: bool, (B,)."""
        return self.compare(achieved, desired) > 0.0


@dataclass(frozen=True)
class IsBest:
    """Success where the reward equals that of an exactly reached goal; a ``GoalSpec.success``."""

    compare: Comparison

    def __call__(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether each achieved goal, (B, G), meets the desired one: bool, (B,)."""
        return self.compare(achieved, desired) >= self.compare(desired, desired)


@dataclass(frozen=True)
class _Recorded:
    """Goals and rewards of recorded random steps, flat float64, (T, G)."""

    achieved: np.ndarray
    desired: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Goals achieved, and desired or achieved before, then or later: (4 T, G) both."""
        achieved, half = self.achieved, len(self.achieved) // 2
        others = (self.desired, achieved, np.roll(achieved, 1, 0), np.roll(achieved, half, 0))
        return np.tile(achieved, (4, 1)), np.concatenate(others)


def _record(env: gymnasium.Env[Any, Any]) -> _Recorded:
    env.action_space.seed(PROBE_SEED)
    env.reset(seed=PROBE_SEED)
    goals, given, started = [], [], time.perf_counter()
    while len(given) < PROBE_STEPS and time.perf_counter() - started < PROBE_SECONDS:
        obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        goals.append([np.asarray(obs[name], np.float64).ravel() for name in (ACHIEVED, DESIRED)])
        given.append((float(reward), bool(terminated)))
        if terminated or truncated:
            env.reset()
    achieved, desired = np.array(goals).transpose(1, 0, 2)  # (T, G) each
    reward, terminated = np.array(given).T
    return _Recorded(achieved, desired, reward, terminated > 0.0)


def _checked_reward(kept: KeptEnv, recorded: _Recorded) -> Comparison:
    """A way to compute rewards, checked on recorded steps."""
    if not (np.isfinite(recorded.achieved).all() and np.isfinite(recorded.desired).all()):
        raise NoHindsightError("its goals have NaN or infinity")
    compare = _comparison(kept, "compute_reward", recorded)
    one_by_one = Comparison(kept, "compute_reward", one_by_one=True)
    if not np.isfinite(one_by_one(*recorded.pairs)).all():
        raise NoHindsightError("its compute_reward gives NaN or infinity")
    computed = one_by_one(recorded.achieved, recorded.desired)
    wrong = np.flatnonzero(~_is_given(one_by_one, recorded))
    if len(wrong):
        raise NoHindsightError(
            f"its compute_reward gives {computed[wrong[0]]:.6g} where the step had given "
            f"{recorded.reward[wrong[0]]:.6g}: the reward depends on more than the goals"
        )
    _require_exact_is_best(one_by_one, recorded)
    return compare


def _require_exact_is_best(compare: Comparison, recorded: _Recorded) -> None:
    """Refuse rewards that ignore the goal they are asked about."""
    obs, _ = compare.kept.env.reset(seed=PROBE_SEED)
    own = np.tile(np.asarray(obs[DESIRED], np.float64).ravel(), (len(recorded.achieved), 1))
    exact, other = compare(recorded.achieved, recorded.achieved), compare(own, recorded.achieved)
    worse = np.flatnonzero(exact < other - 1e-5)
    if len(worse):
        raise NoHindsightError(
            f"its compute_reward gives {exact[worse[0]]:.6g} where the goal desired is achieved, "
            f"and {other[worse[0]]:.6g} where that of its own episode is"
        )


def _is_given(compare: Comparison, recorded: _Recorded) -> np.ndarray:
    """Whether computed rewards equal the recorded ones, up to rounding, (T,)."""
    achieved, desired = recorded.achieved, recorded.desired
    size = np.maximum(np.abs(achieved), np.abs(desired)) * ROUNDING
    away = np.sign(achieved - desired) * size
    computed = [compare(achieved + nudge, desired) for nudge in (0.0 * away, away, -away)]
    return np.any(np.isclose(computed, recorded.reward, rtol=1e-5, atol=1e-6), axis=0)


def _success(
    kept: KeptEnv, reward: Comparison, recorded: _Recorded
) -> tuple[bool, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """Whether success ends an episode, and the test of success that agrees with that best."""
    terminated = _offered(kept, "compute_terminated", recorded)
    if terminated is not None and terminated(recorded.achieved, recorded.achieved).all():
        return True, IsTrue(terminated)
    offered = _offered(kept, "_is_success", recorded)
    success = IsBest(reward) if offered is None else IsTrue(offered)
    reached = success(recorded.achieved, recorded.desired)
    seen = terminated is None and bool((reached & recorded.terminated).any())
    return seen, success


def _offered(kept: KeptEnv, method: str, recorded: _Recorded) -> Comparison | None:
    """A working method of the environment; None if there is none."""
    if not kept.env.has_wrapper_attr(method):
        return None
    try:
        return _comparison(kept, method, recorded)
    except NoHindsightError:
        return None


def _comparison(kept: KeptEnv, method: str, recorded: _Recorded) -> Comparison:
    """A method of the environment, called for many goals at once if that gives the same.

    Raises:
        NoHindsightError: It fails.
    """
    slow, fast = Comparison(kept, method, one_by_one=True), Comparison(kept, method, False)
    try:
        expected = slow(*recorded.pairs)
    except Exception as error:  # someone else's code, as below
        raise NoHindsightError(f"its {method} fails on goals alone: {one_line(error)}") from error
    try:
        computed = fast(*recorded.pairs)
    except Exception:
        return slow
    same = computed.shape == expected.shape and np.allclose(computed, expected)
    return fast if same else slow
