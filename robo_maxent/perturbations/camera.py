"""Effects on the camera that sees objects: delay, and occlusion for a while.

What it sees is in the state that a task observes; what is true stays with the simulation.
"""

from dataclasses import replace

import numpy as np

from robo_maxent.perturbations.base import Ranges, Running, Share
from robo_maxent.perturbations.channel import MAX_DELAY, Delay
from robo_maxent.perturbations.timed import Interruption
from robo_maxent.sim.robot import ManipulationState, RobotState

PARTS = {"object_position": 3, "object_orientation": 4, "object_velocity": 3, "object_spin": 3}
"""Of a state, what a camera sees, and the elements of each for one object."""
SEEN = sum(PARTS.values())


def seen(state: ManipulationState) -> np.ndarray:
    """What a camera sees of K objects, (N, K, SEEN)."""
    return np.concatenate([getattr(state, name) for name in PARTS], axis=2)


def as_seen(state: ManipulationState, values: np.ndarray) -> ManipulationState:
    """The state with K objects as a camera saw them, (N, K, SEEN)."""
    ends = np.cumsum(list(PARTS.values()))
    parts = np.split(values, ends[:-1], axis=2)
    return replace(state, **dict(zip(PARTS, parts, strict=True)))


class CameraDelay(Delay):
    """Delay of what is seen of objects, in control steps; at first they stay at their start."""

    name = parameter = "camera_delay"
    title = "Camera delay"
    summary = "objects are seen late"
    suites = {"quick": Share(24, 4, severities=(0.0, 1.0, 3.0))}
    bounds = {"camera_delay": (0.0, float(MAX_DELAY))}
    ranges: Ranges = {"camera_delay": (0, 0)}  # both ends included
    levels = {"default": {"camera_delay": (0, 1)}, "hard": {"camera_delay": (0, 2)}}
    needs = ("objects",)

    def prepare(self, running: Running) -> None:
        """Remember recent views in a ring, by control step."""
        n, objects = len(running.key), len(running.robot.spec.objects)
        running.memory["views"] = np.zeros((n, MAX_DELAY + 1, objects, SEEN))
        running.memory["now"] = np.zeros(n, np.int64)
        running.prepared["rows"] = np.arange(n)

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Begin at control step 0."""
        running.memory["now"][ids] = 0

    def before_step(self, running: Running, state: RobotState, steps: np.ndarray) -> None:
        """Count the control step that what is seen next comes after."""
        running.memory["now"][:] = steps + 1

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """Show an earlier view."""
        assert isinstance(state, ManipulationState)
        views, now, rows = running.memory["views"], running.memory["now"], running.prepared["rows"]
        views[rows, now % views.shape[1]] = seen(state)
        late = np.minimum(running.params["camera_delay"], now)
        return as_seen(state, views[rows, (now - late) % views.shape[1]])


class Occlusion(Interruption):
    """Objects are hidden for a while; the policy sees where they were last seen."""

    name = "occlusion"
    title = "Hidden object"
    summary = "the object is hidden for a while"
    noun = "object hidden for"
    severities = (0.0, 0.2, 0.4, 0.8)
    reference = 0.2
    suites = {"quick": Share(24, 4, severities=(0.0, 0.2, 0.4, 0.8))}
    ranges: Ranges = {
        "occlusion": 0.0,  # probability that it happens
        "occlusion_begin": (0.4, 1.6),  # s
        "occlusion_seconds": (0.1, 0.4),
    }
    levels = {"hard": {"occlusion": 0.2}}  # chosen
    needs = ("objects",)

    def prepare(self, running: Running) -> None:
        """Remember what was seen last, and what is hidden."""
        super().prepare(running)
        n, objects = len(running.key), len(running.robot.spec.objects)
        running.memory["last_seen"] = np.zeros((n, objects, SEEN))
        running.memory["hidden"] = np.zeros(n, bool)

    def begin(self, running: Running, ids: np.ndarray) -> None:
        """Begin with everything in view."""
        running.memory["hidden"][ids] = False

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Hide or show the objects."""
        running.memory["hidden"][ids] = on

    def on_state(self, running: Running, state: RobotState) -> RobotState:
        """Show what was seen last where they are hidden."""
        assert isinstance(state, ManipulationState)
        last, hidden = running.memory["last_seen"], running.memory["hidden"]
        last[~hidden] = seen(state)[~hidden]
        return as_seen(state, last.copy())
