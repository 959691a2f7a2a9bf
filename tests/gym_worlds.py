"""Small Gymnasium environments that do one thing, for tests; importing registers them."""

import os
import signal
import sys
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

UNIT = spaces.Box(-1.0, 1.0, (1,), np.float32)


class World(gymnasium.Env[Any, Any]):
    """Base: counts steps; observation space and actions are its kwargs."""

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 20}

    def __init__(
        self, observe: spaces.Space[Any] | None = None, act: spaces.Space[Any] | None = None
    ) -> None:
        self.observation_space = observe or spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = act or UNIT
        self.episode, self.t = -1, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self.observe(), {"irrelevant": np.zeros(self.episode)}  # of another shape each time

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return self.observe(), float(self.t), False, False, {}

    def observe(self) -> Any:
        return self.observation_space.sample()


class Counter(World):
    """Observes (episode, step); after 5 steps even episodes terminate, odd ones are truncated."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, _, _, info = super().step(action)
        ended, even = self.t == 5, self.episode % 2 == 0
        return obs, reward, ended and even, ended and not even, info

    def observe(self) -> np.ndarray:
        return np.array([self.episode, self.t], np.float64)


class Seeded(Counter):
    """Observes a number drawn from its seed, and the step; says that odd steps are success."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.drawn = self.np_random.random()
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, _, _, _, _ = super().step(action)
        return obs, self.drawn, False, self.t == 3, {"is_success": self.drawn > 0.5}

    def observe(self) -> np.ndarray:
        return np.array([getattr(self, "drawn", 0.0), self.t])


class OnlyWhereTrue(Seeded):
    """The same, and says nothing of success where there is none."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward, terminated, truncated, info if info["is_success"] else {}


class Echo(World):
    """Observes the action that reached it."""

    def __init__(self, act: spaces.Box) -> None:
        super().__init__(spaces.Box(-np.inf, np.inf, act.shape, np.float64), act)
        self.last = np.zeros(act.shape)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space, f"{action!r} is not in {self.action_space}"
        self.last = np.array(action, np.float64)
        return super().step(action)

    def observe(self) -> np.ndarray:
        return self.last


class Choice(World):
    """Of the actions 5, 6 and 7 rewards the one that its seed draws, which it shows at the start.

    Observes that, the last action and the step; an episode has 6, and action 5 ends it early.
    """

    def __init__(self, act: spaces.Space[Any] | None = None) -> None:
        act = act or spaces.Discrete(3, start=5)
        super().__init__(spaces.Box(-np.inf, np.inf, (3,), np.float64), act)
        self.right, self.last = 6, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        gymnasium.Env.reset(self, seed=seed)
        self.t, self.last, self.right = 0, 0, int(self.np_random.integers(6, 8))
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space, f"{action!r} is not in {self.action_space}"
        self.t, self.last = self.t + 1, int(action)
        reward = float(action == self.right)
        return self.observe(), reward, self.last == 5, self.t == 6, {}

    def observe(self) -> np.ndarray:
        return np.array([self.right, self.last, self.t], np.float64)


class TwoArguments(Exception):
    """Can't be rebuilt from its text, as exceptions of simulators often can't; has a % inside."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(f"code {code}: {what} at 50 % of 100%d")


class Bad(Counter):
    """Makes the mistake that it is told, at step 3 of its third episode, unless mended."""

    mended: ClassVar[bool] = False

    def __init__(self, mistake: str) -> None:
        super().__init__()
        self.mistake = mistake

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = super().step(action)
        if Bad.mended or (self.episode, self.t) != (2, 3):
            return obs, reward, terminated, truncated, info
        if self.mistake == "crash":
            raise TwoArguments(7, "motor lost")
        if self.mistake == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mistake == "shape":
            obs = np.zeros(3)
        if self.mistake.startswith("obs"):
            obs = np.array([0.0, {"obs nan": np.nan, "obs huge": 1e300}[self.mistake]])
        rewards = {"reward inf": float("-inf"), "reward nan": float("nan")}
        return obs, rewards.get(self.mistake, reward), terminated, truncated, info

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if self.mistake == "reset" and self.episode == 1 and not Bad.mended:
            raise KeyError("no start found")
        return super().reset(seed=seed)


class Strange(Counter):
    """Returns or raises what it should not from the first step on, as it is told."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        obs, info = super().reset(seed=seed)
        return obs if self.what == "no info" else (obs, info)

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        if self.what == "old step":
            return obs, reward, terminated or truncated, info
        if self.what == "assertion":
            assert self.t < 0
        if self.what == "exit":
            sys.exit("the viewer was closed")
        rewards = {"array": np.array([-1.5]), "none": None, "two": np.zeros(2), "word": "good"}
        return obs, rewards.get(self.what, reward), terminated, truncated, info

    def close(self) -> None:
        if self.what == "close":
            raise AttributeError("it has no window")


class OnlyOne(Counter):
    """Can't be made while there is another, as a connection to a robot."""

    alive: ClassVar[int] = 0

    def __init__(self) -> None:
        if OnlyOne.alive:
            raise RuntimeError("the port is in use")
        OnlyOne.alive += 1
        super().__init__()

    def close(self) -> None:
        OnlyOne.alive -= 1


class Endless(World):
    """Never ends, and has no time limit."""


class Near(World):
    """A point that actions move by up to 0.1 in a square; its goal is drawn from the seed."""

    radius = 0.3
    """Distance at which the goal is met, as in ``compute_reward``."""

    def __init__(self, ends: bool = False) -> None:
        goal = spaces.Box(-1.0, 1.0, (2,), np.float64)
        self.parts = {"observation": UNIT, "achieved_goal": goal, "desired_goal": goal}
        super().__init__(spaces.Dict(self.parts), spaces.Box(-1.0, 1.0, (2,), np.float32))
        self.ends = ends

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        gymnasium.Env.reset(self, seed=seed)
        self.t, self.at = 0, np.zeros(2)
        self.goal = self.np_random.uniform(-1.0, 1.0, 2)
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        self.at = np.clip(self.at + 0.1 * np.asarray(action, np.float64), -1.0, 1.0)
        reward = float(self.compute_reward(self.at, self.goal, {}))
        return self.observe(), reward, self.ends and reward == 0.0, self.t == 20, {}

    def observe(self) -> Any:
        clock = np.array([self.t / 20], np.float32)
        return {"observation": clock, "achieved_goal": self.at, "desired_goal": self.goal}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -(np.linalg.norm(achieved - desired, axis=-1) > self.radius).astype(np.float64)

    def compute_terminated(self, achieved: Any, desired: Any, info: Any) -> bool:
        return self.ends and bool(np.linalg.norm(achieved - desired) <= self.radius)


def broken(**_: Any) -> gymnasium.Env[Any, Any]:
    raise ValueError("the mesh file is missing")


def register(name: str, world: Any, **kwargs: Any) -> str:
    """Register a world, over one of that name, and give its id."""
    gymnasium.registry.pop(f"test/{name}-v0", None)
    gymnasium.register(f"test/{name}-v0", entry_point=world, kwargs=kwargs)
    return f"test/{name}-v0"


for _world in (World, Counter, Seeded, OnlyWhereTrue, Echo, Choice, Bad, OnlyOne, Endless, Near):
    register(_world.__name__, _world)
register("Broken", broken)
