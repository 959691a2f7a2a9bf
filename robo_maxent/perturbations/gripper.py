"""Effects on a gripper: it loses its force, or its pads get slippery, for a while."""

import numpy as np

from robo_maxent.perturbations.base import Ranges, Running
from robo_maxent.perturbations.timed import Interruption


class GripperLost(Interruption):
    """The gripper has no force for a while: what it holds falls."""

    name = "gripper_lost"
    title = "Gripper without force"
    summary = "the gripper loses its force for a while"
    noun = "gripper lost for"
    ranges: Ranges = {
        "gripper_lost": 0.0,  # probability that it happens
        "gripper_lost_begin": (0.4, 1.6),  # s
        "gripper_lost_seconds": (0.1, 0.4),
    }
    levels = {"hard": {"gripper_lost": 0.2}}  # chosen
    needs = ("gripper", "objects")

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
        """Take or restore the force."""
        limits, force = running.fields["actuator_forcerange"], running.memory["force"][ids]
        limits[ids, running.robot.gripper] = np.where(on[:, None], 0.0, force)


class GripSlips(Interruption):
    """The pads of the gripper are slippery for a while."""

    name = "grip_slips"
    title = "Slipping grip"
    summary = "the pads of the gripper are slippery for a while"
    noun = "grip that slips for"
    ranges: Ranges = {
        "grip_slips": 0.0,  # probability that it happens
        "grip_slips_begin": (0.4, 1.6),  # s
        "grip_slips_seconds": (0.1, 0.4),
    }
    levels = {"hard": {"grip_slips": 0.2}}  # chosen
    needs = ("gripper", "objects")
    friction = 0.005  # 30 N on either side then hold up 0.3 N, of the 0.5 N that 50 g weigh

    def switch(self, running: Running, ids: np.ndarray, on: np.ndarray) -> None:
        """Make the pads slippery, or restore them."""
        robot, friction = running.robot, running.fields["geom_friction"]
        for pad in robot.pads.tolist():
            own = float(robot.model.geom_friction[pad, 0])
            friction[ids, pad, 0] = np.where(on, self.friction, own)
