"""A hand that loses its force for a while, or its grip."""

from collections.abc import Mapping

import numpy as np

from robo_maxent.perturbations.base import Plant, Range, Ranges, Running, Share, Values
from robo_maxent.perturbations.timed import TimedEffect
from robo_maxent.sim.robot import Robot

MIDST = (0.8, 1.2)  # s at which it begins in a stress test


class HandEffect(TimedEffect):
    """Something that the hand lacks for a while: severities are for how long, s."""

    unit = "s"
    severities = (0.0, 0.1, 0.3, 0.5)
    suites = {"quick": Share(24, 4, severities=(0.0, 0.1, 0.3, 0.5))}
    needs = ("gripper", "objects")

    @property
    def chance(self) -> str:
        """The range that is the probability that it happens."""
        return self.name

    @property
    def bounds(self) -> Mapping[str, Range]:  # type: ignore[override]
        """Times are not negative."""
        return {self.begin_name: (0.0, 1e6), self.seconds_name: (0.0, 1e6)}

    @property
    def ranges(self) -> Ranges:  # type: ignore[override]
        """How often, and for how long, s."""
        return {self.chance: 0.0, self.begin_name: (0.4, 1.6), self.seconds_name: (0.1, 0.4)}

    @property
    def levels(self) -> Mapping[str, Ranges]:  # type: ignore[override]
        """One in five."""
        return {"hard": {self.chance: 0.2}}

    def nominal(self, robot: Robot) -> Mapping[str, np.ndarray]:
        """Never."""
        return {self.begin_name: np.array(0.0), self.seconds_name: np.array(0.0)}

    def range_limits(self, robot: Robot) -> Mapping[str, Range]:
        """A probability, and times."""
        return {**self.bounds, self.chance: (0.0, 1.0)}

    def varies(self, ranges: Ranges) -> bool:
        """Whether it can happen."""
        return ranges[self.chance] > 0.0

    def sample(self, ranges: Ranges, rng: np.random.Generator, robot: Robot) -> Values:
        """Once, with the probability."""
        happens = rng.random() < ranges[self.chance]
        begin, seconds = (
            rng.uniform(*ranges[name]) for name in (self.begin_name, self.seconds_name)
        )
        return {self.begin_name: begin, self.seconds_name: seconds} if happens else {}

    def narrowed(self, ranges: Ranges, share: float) -> Ranges:
        """Less often."""
        return {**ranges, self.chance: share * ranges[self.chance]}

    def at(self, severity: float, case: str, rng: np.random.Generator, plant: Plant) -> Values:
        """For so long, in mid-task."""
        begin = rng.uniform(*MIDST)
        return {self.begin_name: begin, self.seconds_name: severity} if severity else {}


class GripperLost(HandEffect):
    """The gripper has no force for a while: what it holds falls."""

    name = "gripper_lost"
    title = "Gripper without force"
    summary = "the gripper loses its force for a while"
    noun = "gripper lost for"

    def prepare(self, running: Running) -> None:
        """Remember the force that it has before and after, N."""
        super().prepare(running)
        running.memory["force"] = np.zeros((len(running.key), 2))

    def write(self, running: Running, ids: np.ndarray) -> None:
        """Look up when it begins and ends, and the force that the motors' effects left."""
        super().write(running, ids)
        limits = running.fields.read("actuator_forcerange", ids)
        running.memory["force"][ids] = limits[:, running.robot.gripper]

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Take its force, or give it back."""
        limits, force = running.fields["actuator_forcerange"], running.memory["force"][ids]
        limits[ids, running.robot.gripper] = np.where(on[:, None], 0.0, force)


class GripSlips(HandEffect):
    """The pads of the gripper are slippery for a while."""

    name = "grip_slips"
    title = "Slipping grip"
    summary = "the pads of the gripper are slippery for a while"
    noun = "grip that slips for"
    friction = 0.005  # 30 N on either side then hold up 0.3 N, of the 0.5 N that 50 g weigh

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Oil the pads, or wipe them."""
        robot, friction = running.robot, running.fields["geom_friction"]
        for pad in robot.pads.tolist():
            own = float(robot.model.geom_friction[pad, 0])
            friction[ids, pad, 0] = np.where(on, self.friction, own)
