"""An intersection: turn left through the traffic of other drivers, in time and without a crash.

The world is ``intersection-v2`` of highway-env (Leurent 2018, "An Environment for Autonomous
Driving Decision-Making"), which the extra ``driving`` installs. Other cars keep their distance by
the Intelligent Driver Model, and yield to whoever has the right of way. The policy's car comes from
the road that has none, so everybody else goes first by law. Where the others will turn is not seen.
"""

import os
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from robo_maxent.envs.gym_task import NamedGymTask
from robo_maxent.envs.gym_trial import random_actions
from robo_maxent.errors import UsageError
from robo_maxent.types import Act
from robo_maxent.versions import require_extra

NAME = "intersection"
ACTIONS = ("slower", "idle", "faster")
SLOWER, FASTER = 0, 2
DECISION = 1.0  # s, between two actions
DECISIONS = 13  # of an episode: 9 at full speed to arrive, so 4 to give way
RATE = 5  # Hz
"""Steps of the simulation in a second. highway-env's own 15 take two to three times as long."""
PICTURE = 480  # pixels, of either side
SDL = "SDL_VIDEODRIVER"
"""Unset, SDL complains where there is no display; where it is dummy, highway-env draws nothing."""
CONFIG: dict[str, Any] = {
    "simulation_frequency": RATE,
    "screen_width": PICTURE,
    "screen_height": PICTURE,
    "centering_position": [0.5, 0.5],
    "scaling": 5.0,  # pixels per metre
}
"""What differs from ``intersection-v2``: of the problem nothing but the step of the simulation."""


class Crossing(gymnasium.Env[np.ndarray, np.int64]):
    """One car among some ten others, from its approach until it has crossed or crashed.

    Observation: of the own car and of the 14 nearest of the others presence, position, velocity and
    cosine and sine of the heading, scaled to [-1, 1], zero where there are fewer; float32, (105,).
    Action: target speed a step lower, the same or a step higher, of 0, 4.5 and 9 m/s; the car
    steers itself. Reward: for a second at 7 to 9 m/s up to 1, -5 for a crash, 1 for arriving.
    Terminated: crashed, or arrived, which is 25 m behind the crossing. Success: arrived.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (gym.make reads it)
        "render_modes": ["rgb_array", "rgb_array_list"],
        "render_fps": RATE,
    }
    dt = DECISION

    def __init__(
        self, render_mode: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        """Make a road without cars.

        Args:
            render_mode: None, ``"rgb_array"`` for a picture of now, or ``"rgb_array_list"`` for all
                since the last call, one a step of the simulation.
            config: What else to set of highway-env's configuration, such as spawn_probability.

        Raises:
            UsageError: highway-env is missing, or has no such setting.
        """
        require_extra("highway_env", "driving", NAME)
        from highway_env.envs.intersection_env import ConnectedLaneIntersectionEnv as World

        known = World.default_config()
        if unknown := sorted(set(config or {}) - set(known)):
            raise UsageError(
                f"{NAME}: config has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            )
        self.render_mode = render_mode
        if render_mode is not None and os.environ.get(SDL, "dummy") == "dummy":
            os.environ[SDL] = "offscreen"
        # It begins an episode when it is made, for which nobody waits where there are no cars.
        self.world = World({"initial_vehicle_count": 1}, render_mode=render_mode and "rgb_array")
        self.world.configure({"initial_vehicle_count": 10, **CONFIG, **(config or {})})
        shape = self.world.observation_space.shape or ()
        self.observation_space = spaces.Box(-1.0, 1.0, (int(np.prod(shape)),), np.float32)
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._pictures: list[np.ndarray] = []
        if render_mode == "rgb_array_list":
            shutter: Any = _Shutter(self)
            self.world.set_record_video_wrapper(shutter)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Let the traffic run for three seconds, then come from the south at 10 m/s."""
        super().reset(seed=seed)
        obs, _ = self.world.reset(seed=seed)
        self._pictures.clear()
        self.photograph()
        return obs.ravel(), {}

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive for a second."""
        obs, reward, terminated, truncated, _ = self.world.step(int(action))
        self.photograph()
        car = self.world.vehicle
        info = {"is_success": bool(self.world.has_arrived(car) and not car.crashed)}
        return obs.ravel(), float(reward), bool(terminated), bool(truncated), info

    def render(self) -> np.ndarray | list[np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The road around the own car, north up, uint8, (480, 480, 3); see ``render_mode``."""
        if self.render_mode == "rgb_array_list":
            taken, self._pictures = self._pictures, []
            return taken
        return self.world.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close what pictures were drawn with."""
        self.world.close()

    def photograph(self) -> None:
        """Take a picture, if somebody wants all of them."""
        if self.render_mode == "rgb_array_list":
            picture = self.world.render()
            assert picture is not None  # it was made to draw
            self._pictures.append(picture)

    def cars(self) -> np.ndarray:
        """Position of each car, m to the east and to the south, and heading, rad, (1 + others, 3).

        The own car is the first.
        """
        own = self.world.vehicle
        all_cars = [own, *(car for car in self.world.road.vehicles if car is not own)]
        return np.array([[*car.position, car.heading] for car in all_cars])


class _Shutter:
    """What highway-env takes for Gymnasium's RecordVideo, and tells to take pictures."""

    frames_per_sec = 0.0  # which is written, and not read here

    def __init__(self, camera: Crossing) -> None:
        self._camera = camera

    def _capture_frame(self) -> None:
        self._camera.photograph()


class Intersection(NamedGymTask):
    """Cross, and let the others live."""

    name = NAME
    summary = "turn left at an intersection among other drivers; needs the extra driving"
    preset = "traffic"
    reward_range = (0.0, 1.0)
    termination_cost = 5.0  # of a crash; it is in the reward of the environment
    env_spec = EnvSpec(
        "robo_maxent/Intersection-v0",
        entry_point="robo_maxent.tasks.intersection:Crossing",
        max_episode_steps=DECISIONS,
    )

    @property
    def packages(self) -> tuple[str, ...]:
        """Those whose versions decide its episodes."""
        return ("gymnasium", "highway-env")

    def baselines(self) -> dict[str, Act]:
        """Always as slow or as fast as it can, and random actions."""
        return {
            f"always {ACTIONS[action]}": lambda obs, action=action: np.full(len(obs), action)
            for action in (SLOWER, FASTER)
        } | {"random": random_actions(self.action_space)}
